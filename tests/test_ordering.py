"""Many rows in order: bucket by bucket as by statements."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from strategies import SETTINGS
from tables import complaint

from crantcli.engine import duckdb, ordering
from crantcli.engine.batches import even
from crantcli.engine.duckdb import Engine
from crantcli.output.tables import ROW_GROUP

LARGE = [-(2**63), -(2**63) + 1, -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1]
KINDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "int64": (pa.int64(), LARGE),
    "near": (pa.int64(), list(range(5))),
    "uint64": (pa.uint64(), [0, 1, 2**63, 2**64 - 1]),
    "int8": (pa.int8(), [-128, -1, 0, 127]),
    "float": (pa.float64(), [-math.inf, -1.5, 0.0, 1e-300, 2.5, math.inf, math.nan]),
    "text": (pa.string(), ["", "A", "a", "ab", "\u00e9", "\U0001f41c", "b"]),
    "bool": (pa.bool_(), [False, True]),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A first column of int64, and others of all kinds, with few values so that rows are equal in many."""
    number = draw(st.integers(1, 60))
    kinds = [draw(st.sampled_from(["int64", "near"])), *draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=4))]
    columns = {}
    for place, kind in enumerate(kinds):
        dtype, values = KINDS[kind]
        drawn = st.sampled_from([*values, None] if draw(st.booleans()) else values)
        columns[f"c{place}"] = pa.array([draw(drawn) for _ in range(number)], dtype)
    return pa.table(columns)


def shown(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def cells(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(map(shown, row.values())) for row in table.to_pylist()]


def smaller(one: Any, other: Any) -> int:
    """Nulls after all else, and what is no number after all numbers."""
    for here, there in zip(one, other, strict=True):
        ranks = [(value is None, value == "nan", None) for value in (here, there)]
        if ranks[0] != ranks[1]:
            return -1 if ranks[0] < ranks[1] else 1
        if here is not None and here != there:
            here, there = (value.encode() if isinstance(value, str) else value for value in (here, there))
            return -1 if here < there else 1
    return 0


@SETTINGS
@given(table=tables(), threads=st.integers(1, 3), size=st.integers(1, 7))
def test_rows_come_in_the_order_of_all_columns(table: pa.Table, threads: int, size: int) -> None:
    """As Python sorts them, and as statements do, whatever batches and buckets they come in."""
    expected = sorted(cells(table), key=functools.cmp_to_key(smaller))
    with Engine(threads=threads) as engine:
        known = engine.table("drawn", f"SELECT * FROM {engine.register('table', table)}")
        statement = engine.reader(super(Engine, engine).ordered(f"SELECT * FROM {known}", table.column_names, 1))
        assert cells(statement.read_all()) == expected
        patched(engine, 0, bucket=3, batch=size)
        try:
            query = engine.ordered(f"SELECT * FROM {known}", table.column_names, table.num_rows)
            found = engine.reader(query).read_all()
        finally:
            patched(engine, 4_000_000, bucket=350_000, batch=500_000)
        assert not [path for path in engine.scratch.iterdir() if path.name.startswith("rows")]
    assert found.schema.types == table.schema.types
    assert cells(found) == expected


def patched(engine: Engine, least: int, bucket: int, batch: int) -> None:
    duckdb.ORDERED_FROM, ordering._BUCKET, ordering.BATCH = least, bucket, batch


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sort few rows in the same way as many."""
    monkeypatch.setattr(duckdb, "ORDERED_FROM", 1)
    monkeypatch.setattr(ordering, "_BUCKET", 40_000)


def random_table(rows: int = 450_000) -> pa.Table:
    chance = np.random.default_rng(7)
    pre = chance.integers(0, 300, rows) + 2**59
    pre[chance.random(rows) < 0.1] = 0
    columns = {
        "id": chance.permutation(rows),
        "pre": pre,
        "post": chance.integers(0, 5000, rows) * 7 + 2**59,
        "size": chance.integers(0, 90, rows).astype(np.int32),
        "note": chance.choice(["x", "y", "\u017e"], rows),
    }
    return pa.table({name: pa.array(values.tolist()) for name, values in columns.items()})


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv"])
@pytest.mark.parametrize("command", ["sort", "synapses"])
@pytest.mark.usefixtures("always")
def test_files_have_the_same_bytes_however_they_are_made(command: str, suffix: str, tmp_path: Path) -> None:
    """With one thread or more, with much memory or little, and twice."""
    from crantcli.cli.app import run

    table, made = tmp_path / "t.parquet", []
    pq.write_table(random_table(), table, row_group_size=30_000)
    for number, more in enumerate((["--threads", "1"], ["--threads", "4"], ["--max-memory", "100MB"])):
        out = tmp_path / f"out{number}{suffix}"
        assert run([command, str(table), "-o", str(out), "-q", *more]) == 0
        made.append(out.read_bytes())
    assert made[0] == made[1] == made[2]


@pytest.mark.usefixtures("always")
def test_a_file_is_the_same_as_by_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crantcli.cli.app import run

    table = tmp_path / "t.parquet"
    pq.write_table(random_table(), table)
    for name, least in (("sorted", 1), ("stated", 10**9)):
        monkeypatch.setattr(duckdb, "ORDERED_FROM", least)
        assert run(["sort", str(table), "-o", str(tmp_path / f"{name}.parquet"), "-q"]) == 0
    assert (tmp_path / "sorted.parquet").read_bytes() == (tmp_path / "stated.parquet").read_bytes()


def test_row_groups_have_the_same_size(crant: Crant) -> None:
    """However many rows the engine hands over at a time."""
    pq.write_table(random_table(2 * ROW_GROUP + 5), "t.parquet", row_group_size=30_011)
    assert crant("sort", "t.parquet", "-o", "out.parquet").code == 0
    footer = pq.read_metadata("out.parquet")
    assert [footer.row_group(n).num_rows for n in range(footer.num_row_groups)] == [ROW_GROUP, ROW_GROUP, 5]


def test_batches_are_made_even() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for size in (3, 0, 11, 1, 1, 4, 0):
            yield pa.record_batch({"n": pa.array(range(start, start + size))})
            start += size

    found = [batch.column(0).to_pylist() for batch in even(batches(), 5)]
    assert found == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14], [15, 16, 17, 18, 19]]
    assert list(even([], 5)) == []


@pytest.mark.usefixtures("always")
def test_a_full_disk_is_told(crant: Crant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the rows of the buckets do not fit, with the folder, and nothing is left."""
    import errno

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    pq.write_table(random_table(1000), "t.parquet")
    monkeypatch.setattr(ordering, "_write", full)
    (tmp_path / "scratch").mkdir()
    ran = crant("sort", "t.parquet", "-o", "out.parquet", "--tmp-dir", str(tmp_path / "scratch"))
    complaint(ran, 1, "scratch", "No space left")
    assert not Path("out.parquet").exists()
    assert not list((tmp_path / "scratch").iterdir())
