"""Synapses in groups, straight from Parquet files: the same bytes as by statements, which the oracle has looked at."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from boxes import cells
from conftest import Crant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import ANNOTATION_COLUMNS, SETTINGS, annotation_tables, frame, rules
from tables import record
from test_neuropil import Placed, placed
from test_pairs import NEVER, WIDE, integers, renamed
from test_process import PROGRAM, one_line, tiny_disk

from crantcli.core.engine import Division, GroupsOf, PairRules
from crantcli.engine import division
from crantcli.engine import duckdb as engines
from crantcli.engine.duckdb import Engine
from crantcli.engine.pairs import runs, stored

__all__ = ["tiny_disk"]

#: Groups that hold two rows in three of 200.
CODES = 80


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are read, sorted, looked up and written at once."""
    monkeypatch.setattr(stored, "ROWS", 4)
    monkeypatch.setattr(stored, "_MOST", 3)
    monkeypatch.setattr(runs, "_BUCKET", 3)
    monkeypatch.setattr(division, "BATCH", 3)
    monkeypatch.setattr(division, "_KEYS", 4)
    monkeypatch.setattr(division, "_TOGETHER", 3)
    monkeypatch.setattr(division, "_WAITING", 5)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether synapses were read straight from files, each time that this was tried."""
    found: list[bool] = []
    divide = Engine.divided_stored

    def noting(
        self: Engine, stem: str, rows: str, numbers: list[str], rule: PairRules, groups_of: GroupsOf
    ) -> Division | None:
        made = divide(self, stem, rows, numbers, rule, groups_of)
        found.append(made is not None)
        return made

    monkeypatch.setattr(Engine, "divided_stored", noting)
    monkeypatch.setattr(engines, "SORTED_FROM", 0)
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def both(
    monkeypatch: pytest.MonkeyPatch, crant: Crant, *words: object
) -> tuple[tuple[int, str, dict[str, bytes]], tuple[int, str, dict[str, bytes]]]:
    """Exit code, stderr and files, straight from files and by statements."""
    found = []
    for least in (0, NEVER):
        monkeypatch.setattr(engines, "SORTED_FROM", least)
        shutil.rmtree("out", ignore_errors=True)
        ran = crant("neuropil", *words, "--no-plot", "-o", "out")
        found.append((ran.code, ran.err, content(Path("out")) if ran.code == 0 else {}))
    return found[0], found[1]


@settings(SETTINGS, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    table=placed().filter(lambda table: integers(table.table)),
    groups=st.integers(1, 7),
    wide=st.booleans(),
    way=st.sampled_from(["assignments", "count", "relative_outgoing", "all", "types"]),
    nan=st.booleans(),
)
def test_both_ways_give_the_same_bytes(
    data: st.DataObject,
    crant: Crant,
    meshes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: Placed,
    groups: int,
    wide: bool,
    way: str,
    nan: bool,
) -> None:
    """With nulls, NaN, repeated ids, meshes that overlap, background, sizes, thresholds, offsets; IDs anywhere."""
    monkeypatch.chdir(tmp_path)
    there = replace(table.table, rows=table.rows)
    there = renamed(there, WIDE) if wide else there
    table = replace(table, table=there, rows=there.rows, form="split")
    rule = data.draw(rules(table.table))
    written = table.frame.sample(frac=1, random_state=groups) if groups % 2 else table.frame
    columns = [f"{table.column}_{axis}" for axis in "xyz"]
    if nan:
        written = written.astype(dict.fromkeys(columns, "float64"))
    columns_of = pa.Table.from_pandas(written, preserve_index=False)
    if nan:  # what pandas holds for a null is one; the file is to hold the number
        for name in columns:
            values = pa.array(np.array(written[name], dtype=float), from_pandas=False)
            columns_of = columns_of.set_column(columns_of.schema.get_field_index(name), name, values)
    pq.write_table(columns_of, "in.parquet", row_group_size=groups)
    frame(data.draw(annotation_tables(table.table.neurons)), ANNOTATION_COLUMNS).to_parquet("types.parquet")
    words = [
        "in.parquet",
        "--allow-null",
        *table.kind,
        "--threshold",
        rule.threshold,
        "--meshes",
        meshes,
        *table.options,
    ]
    words += [] if rule.clean else ["--no-clean"]
    words += [] if rule.min_size is None else ["--min-size", rule.min_size]
    more = {
        "assignments": ["--assignments-only"],
        "count": ["--weight-mode", "count"],
        "relative_outgoing": [],
        "all": ["--normalization-scope", "all"],
        "types": ["--source-types", "ER2", "--target-types", "ER2,er2,NA", "--weight-mode", "count"],
    }[way]
    more += [] if way == "assignments" else ["-a", "types.parquet"]
    ours, theirs = both(monkeypatch, crant, *words, *more)
    assert ours == theirs


def points(rows: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Synapses of 30 neurons within and around the boxes."""
    rng = np.random.default_rng(seed)
    places = rng.integers(-2, 18, (3, rows))
    return {
        "id": rng.permutation(rows) + 1,
        "pre_pt_root_id": rng.integers(0, 30, rows),
        "post_pt_root_id": rng.integers(0, 30, rows),
        "size": rng.integers(0, 50, rows),
        **{f"ctr_pt_position_{axis}": values for axis, values in zip("xyz", places, strict=True)},
    }


@pytest.fixture
def usual(meshes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.chdir(tmp_path)
    cells().to_csv("types.csv", index=False)
    return ["--meshes", meshes, "--coordinates", "nm", "--no-plot"]


def write(path: str, columns: dict[str, np.ndarray], group: int = 10) -> str:
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


@pytest.mark.parametrize("memory", ["100MB", "2GB"])
def test_the_same_bytes_whatever_the_threads(
    crant: Crant, usual: list[object], monkeypatch: pytest.MonkeyPatch, ways: list[bool], memory: str
) -> None:
    """Of many row groups and batches, also with the memory of one batch."""
    monkeypatch.setattr(division, "_KEYS", 491_520)
    write("in.parquet", points(3000))
    found = []
    for number, (least, threads, batch) in enumerate([(NEVER, 1, 10**6), (0, 1, 1), (0, 3, 1), (NEVER, 3, 77)]):
        monkeypatch.setattr(engines, "SORTED_FROM", least)
        monkeypatch.setattr(division, "BATCH", batch)
        more = ("-a", "types.csv", "--threads", threads, "--max-memory", memory, "-o", f"out{number}")
        ran = crant("neuropil", "in.parquet", *usual, *more)
        assert ran.code == 0, ran.err
        found.append(content(Path(f"out{number}")))
    assert found[0] == found[1] == found[2] == found[3]
    assert ways == [False, True, True, False]


def test_files_are_read_in_their_order(crant: Crant, usual: list[object], ways: list[bool]) -> None:
    """Rows without ids are numbered through; coordinates of several types are statements' business."""
    names = []
    for number in range(3):
        columns = points(25, number)
        del columns["id"]
        names.append(write(f"{number}.parquet", columns, 4))
    ran = crant("neuropil", *names, *usual, "--assignments-only", "-o", "out")
    assert (ran.code, ways) == (0, [True]), ran.err
    found = pd.read_parquet("out/assignments.parquet")
    together = pd.concat([pd.read_parquet(name) for name in names], ignore_index=True)
    together.to_csv("in.csv", index=False)
    assert crant("neuropil", "in.csv", *usual, "--assignments-only", "-o", "csv").code == 0
    pd.testing.assert_frame_equal(found, pd.read_parquet("csv/assignments.parquet"))
    columns = points(25, 2)
    del columns["id"]
    write("2.parquet", {**columns, "ctr_pt_position_x": columns["ctr_pt_position_x"].astype("float32")})
    assert crant("neuropil", *names, *usual, "--assignments-only", "-o", "mixed").code == 0
    assert ways == [True, False, False]
    pd.testing.assert_frame_equal(found, pd.read_parquet("mixed/assignments.parquet"))


def test_what_goes_which_way(
    crant: Crant, usual: list[object], ways: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what stands in files as it is, in row groups that can be held."""
    only = (*usual, "--assignments-only", "-o", "out")
    columns = points(40)
    write("in.parquet", columns)
    asked = {
        True: [("in.parquet",), ("in.parquet", "--min-size", 10), ("in.parquet", "--no-clean")],
        False: [("in.parquet", "--where", "size > 10"), ("twice.parquet",), ("null.parquet",), ("real.parquet",)],
    }
    write("twice.parquet", {name: np.append(values, values[:1]) for name, values in columns.items()})
    lone = pa.array(columns["pre_pt_root_id"], mask=np.arange(40) == 39)
    write("null.parquet", {**columns, "pre_pt_root_id": lone})
    write("real.parquet", {**columns, "id": columns["id"].astype("uint64") + np.uint64(2**63)})
    for way, each in asked.items():
        for words in each:
            shutil.rmtree("out", ignore_errors=True)
            ran = crant("neuropil", *words, *only)
            assert ran.code == 0, ran.err
            assert ways.pop() is way, words
            found = record(Path("out/assignments.parquet"))["ledger"]
            assert found["removed"]["duplicate"] == (words[0] == "twice.parquet")
            assert bool(found["removed"]["where"]) == ("--where" in words)
    monkeypatch.setattr(division, "_MOST", 9)
    assert crant("neuropil", "in.parquet", *usual, "--assignments-only", "-o", "large").code == 0
    assert ways == [False]


def test_rows_of_a_group_stand_together(usual: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group of the file is of one group; no more rows wait than may; a group's pairs are those of its rows."""
    monkeypatch.setattr(engines, "SORTED_FROM", 0)
    most = 0
    add = division.GroupFiles.add

    def noting(self: division.GroupFiles, batch: division.DividedBatch) -> None:
        nonlocal most
        add(self, batch)
        most = max(most, self._held)

    monkeypatch.setattr(division.GroupFiles, "add", noting)
    with Engine() as engine:
        columns = "i AS synapse, i % 7 AS pre, CAST(3 AS BIGINT) AS post, CAST(i AS DOUBLE) AS x"
        query = f"SELECT {columns} FROM range(200) AS t(i)"

        def groups_of(numbers: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            rows = np.flatnonzero(numbers[0] % 3 < 2)
            return rows, (numbers[0][rows] % CODES).astype(np.int32)

        made = engine.divided("made", query, ("x",), groups_of)
        assert 0 < most <= 5
        expected = [i for i in range(200) if i % 3 < 2]
        assert engine.execute(f"SELECT synapse, code FROM {made.keys}") == [(i, i % CODES) for i in expected]
        assert made.numbers == Counter(i % CODES for i in expected)
        metadata = pq.read_metadata(next(engine.scratch.glob("*/rows.parquet")))
        place = metadata.schema.names.index("code")
        for number in range(metadata.num_row_groups):
            told = metadata.row_group(number).column(place).statistics
            assert told.min == told.max
        rules_of = PairRules(False, (), None, 1, False)
        for code in (0, CODES - 1, CODES):
            rows = engine.group("one", made, code)
            there = sorted(i % 7 for i in expected if i % CODES == code)
            assert sorted(row[0] for row in engine.execute(f"SELECT pre FROM {rows}")) == there
            counted = engine.count_stored("counted", rows, rules_of)
            assert (counted is None) == (code == CODES)
            if counted is not None:
                found = engine.execute(f"SELECT pre, post, n FROM {counted.relation}")
                assert found == [(pre, 3, there.count(pre)) for pre in sorted(set(there))]


def test_a_damaged_row_group_is_named(crant: Crant, usual: list[object], ways: list[bool]) -> None:
    write("in.parquet", points(4000), 1000)
    metadata = pq.read_metadata("in.parquet")
    content = bytearray(Path("in.parquet").read_bytes())
    column = metadata.row_group(2).column(4)
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + 200] = bytes(200)
    Path("in.parquet").write_bytes(bytes(content))
    ran = crant("neuropil", "in.parquet", *usual, "--assignments-only", "-o", "out")
    assert ran.code == 3
    assert "in.parquet: row group 3 of 4 cannot be read, so the file is damaged" in ran.err
    assert not Path("out").exists()
    assert ways == []


@pytest.mark.slow
def test_a_full_disk_for_temporary_files(usual: list[object], tiny_disk: Path) -> None:
    write("in.parquet", points(40_000), 10_000)
    words = ["neuropil", "in.parquet", *usual, "--assignments-only", "-o", "out", "--tmp-dir", tiny_disk]
    one_line(
        subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, check=False), str(tiny_disk), "--tmp-dir"
    )
    assert list(tiny_disk.iterdir()) == []
    assert not Path("out").exists()


def test_a_scratch_folder_of_any_name(crant: Crant, usual: list[object], ways: list[bool]) -> None:
    """Its name is no pattern."""
    Path("a[b]*?'c").mkdir()
    write("in.parquet", points(40))
    ran = crant("neuropil", "in.parquet", *usual, "--assignments-only", "-o", "out", "--tmp-dir", "a[b]*?'c")
    assert (ran.code, ways) == (0, [True]), ran.err
    assert list(Path("a[b]*?'c").iterdir()) == []
