"""Pairs counted by sorting, straight from Parquet files: the same as by statements, which the oracle has looked at."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from strategies import NEAR, SETTINGS, SMALL, Drawn, annotation_tables, frame, rules, synapse_tables

import crantcli as cc
from crantcli.core.engine import PairRules, StoredFile, StoredSynapses
from crantcli.core.nested.type_sums import type_sums
from crantcli.core.questions.nested import Nested
from crantcli.core.rows.filters import RowFilter
from crantcli.engine import duckdb as engines
from crantcli.engine.duckdb import Engine
from crantcli.engine.pairs import groups, naming, runs, stored
from crantcli.engine.pairs.coding import Offsets, TooWideError
from crantcli.engine.pairs.counter import PairCounter
from crantcli.engine.pairs.groups import CodeTable
from crantcli.engine.pairs.reading import SynapseReader
from crantcli.engine.pairs.runs import Leading, SortedRuns
from crantcli.engine.pairs.stored import Rows
from crantcli.run.inputs import Opener
from crantcli.schema import IdType
from crantcli.sources.tables import checksums
from crantcli.sources.tables.read_options import ReadOptions

#: Neurons as far apart as IDs can be.
WIDE = (0, -(2**63), 2**63 - 1, 7, -1)

#: Names in no order, and some that sort otherwise as numbers, without case, or as UTF-16.
NAMES = ("0", "\U0001f9e0 1", "10", "9", "\uff5ez")

NEVER = 10**18


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are read at once, and few keys sorted."""
    monkeypatch.setattr(stored, "ROWS", 4)
    monkeypatch.setattr(stored, "_MOST", 3)
    monkeypatch.setattr(runs, "_BUCKET", 3)


def renamed(table: Drawn, neurons: tuple[Any, ...]) -> Drawn:
    """The same table with other IDs."""
    ids = dict(zip(table.neurons, neurons, strict=True)) | {None: None}
    return replace(
        table, rows=[{**row, "pre": ids[row["pre"]], "post": ids[row["post"]]} for row in table.rows], neurons=neurons
    )


@st.composite
def text_tables(draw: st.DrawFn) -> tuple[Drawn, pa.Table, bool]:
    """A table of text, how it is to be written, and whether each text is coded in the file.

    Names, digits, or text on one side alone; now and then some that are not as they are written.
    """
    drawn = draw(synapse_tables().filter(integers))
    how = draw(st.sampled_from(["names", "digits", "pre", "blanks"]))
    names = {"names": NAMES, "blanks": ("0", " a", "a", "", "12.0")}.get(how, tuple(map(str, drawn.neurons)))
    table = renamed(drawn, names)
    written = pa.Table.from_pandas(table.frame, preserve_index=False)
    kinds = [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
    for side in ("pre", "post"):
        kind = pa.int64() if how == "pre" and side == "post" else draw(st.sampled_from(kinds))
        if table.rows:
            place = written.schema.get_field_index(side)
            written = written.set_column(place, side, written[side].cast(pa.string()).cast(kind))
    return table, written, draw(st.booleans())


def integers(table: Drawn) -> bool:
    return table.neurons in (SMALL, NEAR) and all(isinstance(row.get("id"), int | None) for row in table.rows)


def both(monkeypatch: pytest.MonkeyPatch, question: Callable[[], Any]) -> tuple[Any, Any]:
    """What comes out by sorting, and by statements."""
    found = []
    for least in (0, NEVER):
        monkeypatch.setattr(engines, "SORTED_FROM", least)
        found.append(question())
    return found[0], found[1]


QUESTIONS: dict[str, Callable[[Path, Any, Any], Any]] = {
    "edges": lambda path, rule, types: cc.get_connectivity(source=path, **rule),
    "fractions": lambda path, rule, types: cc.get_connectivity(source=path, normalize="input", **rule),
    "types": lambda path, rule, types: cc.get_connectivity(source=path, by="type", annotations=types, **rule),
    "counts": lambda path, rule, types: cc.get_synapse_counts(None, source=path, **rule),
    "adjacency": lambda path, rule, types: cc.get_adjacency(source=path, **rule),
    "synapses": lambda path, rule, types: cc.get_synapses(source=path, **rule),
    "nested": lambda path, rule, types: cc.ask(
        cc.questions.Nested(source_types=("ER2", "other"), weight_mode="count"), source=path, annotations=types, **rule
    ),
    "sums": lambda path, rule, types: type_sums_of(path, rule, types),
    "shares": lambda path, rule, types: cc.ask(
        cc.questions.Nested(normalization_scope="all"), source=path, annotations=types, **rule
    ),
}


def type_sums_of(path: Path, rule: dict[str, Any], types: Any) -> Any:
    """Sums per pair of types alone, with their ledger."""
    with Engine(files=[path]) as engine:
        opener = Opener(engine)
        opener.null_text = ""
        question = Nested(weight_mode="count").about({"source_neurons": None, "target_neurons": None})
        table = opener.table(path, ReadOptions(allow_null=True))
        filters = RowFilter(rule["clean"], (0,), rule["min_size"])
        found = type_sums(engine, table, opener.annotations(types), question, filters)
    told = {"ledger": found.ledger.as_dict(), "notes": found.notes, "quantity": found.quantity}
    axes = ("pre", "post", "indptr", "indices", "weights")
    return told | {name: getattr(found.type_sum, name).tolist() for name in axes}


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("name", QUESTIONS)
def test_both_ways_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, order, types, ledger: with nulls, repeated ids, autapses, background, sizes, thresholds; IDs anywhere."""

    @SETTINGS
    @given(data=st.data(), drawn=synapse_tables().filter(integers), wide=st.booleans(), groups=st.integers(1, 7))
    def check(data: st.DataObject, drawn: Drawn, wide: bool, groups: int) -> None:
        table = renamed(drawn, WIDE) if wide else drawn
        written = pa.Table.from_pandas(table.frame, preserve_index=False)
        _compare(name, data, table, written, monkeypatch, row_group_size=groups)

    check()


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("name", QUESTIONS)
def test_both_ways_give_the_same_for_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of IDs that are text, or are written as such, coded in the file or not."""

    @SETTINGS
    @given(data=st.data(), drawn=text_tables(), groups=st.integers(1, 7))
    def check(data: st.DataObject, drawn: tuple[Drawn, pa.Table, bool], groups: int) -> None:
        table, written, coded = drawn
        _compare(name, data, table, written, monkeypatch, row_group_size=groups, use_dictionary=coded)

    check()


def _compare(
    name: str, data: st.DataObject, table: Drawn, written: pa.Table, monkeypatch: pytest.MonkeyPatch, **how: Any
) -> None:
    """Ask both ways, of one file."""
    rule = data.draw(rules(table))
    types = frame(data.draw(annotation_tables(table.neurons)), ("root_id", "cell_type", "side"))
    given_rules = {"min_size": rule.min_size, "threshold": rule.threshold, "clean": rule.clean, "allow_null": True}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "synapses.parquet"
        pq.write_table(written, path, **how)

        def asked() -> Any:
            try:
                return QUESTIONS[name](path, given_rules, types)
            except cc.CrantError as error:
                return f"{type(error).__name__}: {error}"

        ours, theirs = both(monkeypatch, asked)
    assert_same(ours, theirs)


def assert_same(ours: Any, theirs: Any) -> None:
    """Equal in all that is told."""
    assert type(ours) is type(theirs)
    if isinstance(ours, pd.DataFrame):
        pd.testing.assert_frame_equal(ours, theirs)
        assert ours.attrs == theirs.attrs
    elif isinstance(ours, str | dict):
        assert ours == theirs
    else:
        pd.testing.assert_frame_equal(ours.dense(), theirs.dense())
        assert (ours.quantity, ours.neuron_to_type) == (theirs.quantity, theirs.neuron_to_type)


def counter(path: Path, threads: int, memory: int, scratch: Path, **more: Any) -> PairCounter:
    names = {"pre": "pre", "post": "post", "id": "id", "size": "size"}
    id_type: IdType = "VARCHAR" if pq.read_schema(path).field("pre").type == pa.string() else "BIGINT"
    files = StoredSynapses((StoredFile(str(path), path.name, names),), pq.read_metadata(path).num_rows, id_type)
    rule = {"clean": True, "background": (0,), "min_size": None, "threshold": 2, "distinct": True, **more}
    return PairCounter(SynapseReader(files, PairRules(**rule), threads, memory, scratch))


def found_by(counting: PairCounter) -> dict[tuple[Any, Any], int]:
    counting.read()
    batches = list(counting.pairs())
    table = pa.Table.from_batches(batches) if batches else pa.table({"pre": [], "post": [], "n": []})
    pairs = list(zip(table["pre"].to_pylist(), table["post"].to_pylist(), strict=True))
    assert pairs == sorted(pairs)
    return dict(zip(pairs, table["n"].to_pylist(), strict=True))


@pytest.fixture(params=[2**59, 2**62], ids=["near", "far"])
def large(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Rows of which the last row group has a null, ids in no order; neurons near one another, or far apart."""
    rng = np.random.default_rng(5)
    apart = 1 if request.param == 2**59 else 2**40
    pre, post = (request.param + rng.integers(0, 300, 20_000) ** 2 * apart for _ in range(2))
    ids = rng.permutation(20_000) * 1_000_003
    post[rng.random(20_000) < 0.02] = 0
    path = tmp_path / "large.parquet"
    nulls = np.arange(20_000) == 19_990
    columns = {"id": ids, "pre": pa.array(pre, mask=nulls), "post": post, "size": rng.integers(0, 50, 20_000)}
    pq.write_table(pa.table(columns), path, row_group_size=1000)
    return path


@pytest.fixture
def expected(large: Path) -> tuple[dict[tuple[int, int], int], dict[str, int]]:
    rows = pq.read_table(large).to_pylist()
    removed = Counter[str]()
    pairs = Counter[tuple[int, int]]()
    for row in rows:
        step = "null" if row["pre"] is None else "background" if row["post"] == 0 else None
        step = step or ("autapse" if row["pre"] == row["post"] else "size" if row["size"] < 10 else None)
        if step:
            removed[step] += 1
        else:
            pairs[row["pre"], row["post"]] += 1
    removed["threshold"] = sum(number for number in pairs.values() if number < 2)
    return {pair: number for pair, number in pairs.items() if number >= 2}, dict(removed)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("memory", [10**9, 20_000], ids=["in memory", "in files"])
def test_many_rows_are_counted_right(
    large: Path,
    expected: tuple[dict[tuple[int, int], int], dict[str, int]],
    tmp_path: Path,
    threads: int,
    memory: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the number of threads, and also where keys wait in files."""
    monkeypatch.setattr(stored, "ROWS", 1500)
    monkeypatch.setattr(runs, "_BUCKET", 500)
    counting = counter(large, threads, memory, tmp_path, min_size=10)
    assert found_by(counting) == expected[0]
    assert counting.removed == expected[1]
    waiting = memory < 10**6
    assert (tmp_path / "pairs.keys").exists() == (tmp_path / "ids.keys").exists() == waiting
    far = pq.read_table(large)["pre"][0].as_py() > 2**61
    assert bool(list(tmp_path.glob("codes.*"))) == (waiting and far)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("memory", [10**9, 20_000], ids=["in memory", "in files"])
def test_many_rows_of_text_are_counted_right(
    large: Path,
    expected: tuple[dict[tuple[int, int], int], dict[str, int]],
    tmp_path: Path,
    threads: int,
    memory: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same where the same IDs are names, which wait in files, too."""
    monkeypatch.setattr(stored, "ROWS", 1500)
    monkeypatch.setattr(runs, "_BUCKET", 500)
    table = pq.read_table(large)
    for place in (1, 2):
        table = table.set_column(place, table.schema.names[place], table.column(place).cast(pa.string()))
    path = tmp_path / "text.parquet"
    pq.write_table(table, path, row_group_size=1000)
    counting = counter(path, threads, memory, tmp_path, min_size=10)
    assert found_by(counting) == {(str(pre), str(post)): number for (pre, post), number in expected[0].items()}
    assert counting.removed == expected[1]
    assert bool(list(tmp_path.glob("codes.*"))) == (tmp_path / "pairs.keys").exists() == (memory < 10**6)


def test_background_is_found_among_texts() -> None:
    """Wherever it stands, and where it is not there."""
    sides = {"pre": pa.array(["0", "a"]).dictionary_encode(), "post": pa.array(["5", None]).dictionary_encode()}
    for background, places in (((0, 5, 7), {"0", "5"}), ((7,), set())):
        rows, rule, names = naming.numbered(Rows(sides), PairRules(True, background, None, 1, False))
        assert {names[place].as_py() for place in rule.background} == places
        assert [names[place].as_py() for place in rows.integers("pre").tolist()] == ["0", "a"]


def test_ids_too_far_apart_are_noticed() -> None:
    offsets = Offsets(2**40)
    near, far = np.array([2**40 - 2**32 + 1]), np.array([2**40 - 2**32])
    pre, post = offsets.unpack(offsets.pack(near.copy(), np.array([2**40])))
    assert (pre.tolist(), post.tolist()) == (near.tolist(), [2**40])
    for pre, post in ((far, near), (near, far), (near, np.array([2**40 + 1])), (near, np.array([-(2**63)]))):
        with pytest.raises(TooWideError):
            offsets.pack(pre.copy(), post.copy())


@pytest.mark.parametrize("ids", ["apart", "marked", "sorted"])
def test_ids_that_come_twice_are_noticed(tmp_path: Path, ids: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one row group or in two, close together or far apart; statements then tell which row stays."""
    monkeypatch.setattr(stored, "ROWS", 100)
    scale = {"apart": 1, "marked": 1, "sorted": 2**40}[ids]
    numbers = np.arange(1, 1001)
    if ids != "apart":
        numbers = np.random.default_rng(1).permutation(numbers)
    for other in (None, 3, 999):
        now = numbers * scale
        if other is not None:
            now[other - 1] = now[other - 2]
        path = tmp_path / f"{other}.parquet"
        pre = np.arange(1000) % 3 + 5
        if other is not None:
            pre[other - 1] = pre[other - 2]
        pq.write_table(pa.table({"id": now, "pre": pre, "post": [9] * 1000}), path, row_group_size=100)
        monkeypatch.setattr(engines, "SORTED_FROM", 0)
        found = cc.get_connectivity(source=path)
        assert found["weight"].sum() == (1000 if other is None else 999)


@pytest.mark.usefixtures("small_parts")
def test_ids_beyond_int64_are_counted_by_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large_ids.parquet"
    ids = np.random.default_rng(1).permutation(60).astype(np.uint64) * np.uint64(10**15) + np.uint64(2**63)
    columns = {"id": ids, "pre_pt_root_id": np.arange(60) % 7 + 1, "post_pt_root_id": np.arange(60) % 5 + 10}
    pq.write_table(pa.table(columns), path, row_group_size=5)
    ours, theirs = both(monkeypatch, lambda: cc.get_connectivity(source=path))
    assert_same(ours, theirs)
    assert ours["weight"].sum() == 60


def test_runs_come_back_in_buckets(tmp_path: Path) -> None:
    """All keys, each once, whether they were expected or not, in memory and from files."""
    chance = random.Random(3)
    runs_of = [
        np.array([chance.randrange(2 ** chance.choice([20, 40, 64])) for _ in range(200)], np.uint64) for _ in range(40)
    ]
    for limit in (10**9, 3000):
        order = Leading(2**10, 2**39)
        path = tmp_path / f"{limit}.keys"
        sample = np.concatenate([run[:5] for run in runs_of])
        sorter = SortedRuns(path, limit, 8000, lambda sample=sample: sample, order)
        for run in runs_of:
            sorter.add(order.ordered(run))
        buckets = [np.sort(bucket()) for bucket in sorter.buckets()]
        assert np.array_equal(np.concatenate(buckets), np.sort(np.concatenate(runs_of)))
        assert path.exists() == (limit < 10**6)


@pytest.fixture
def damaged(large: Path, tmp_path: Path) -> Path:
    """A file whose seventh row group has a garbled column."""
    path, metadata = tmp_path / "damaged.parquet", pq.read_metadata(large)
    content = bytearray(large.read_bytes())
    column = metadata.row_group(6).column(1)
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + 200] = bytes(200)
    path.write_bytes(bytes(content))
    return path


def test_a_damaged_row_group_is_named(
    damaged: Path, crant: Crant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SORTED_FROM", 0)
    for few, told in ((1, "row group 7 of 20 cannot be read, so the file is damaged"), (10**9, "(row group 7: ")):
        monkeypatch.setattr(checksums, "FEW_ROWS", few)
        outcome = crant("connectivity", damaged, "-o", tmp_path / "edges.csv")
        assert outcome.code == 3
        assert "damaged.parquet: " in outcome.err
        assert told in outcome.err
        assert not (tmp_path / "edges.csv").exists()


@pytest.mark.filterwarnings("ignore:the tables have no id column")
def test_files_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of different integers, with columns spelled in one way; spelled in several, statements count them."""
    for number, (kind, pre) in enumerate([("int64", "pre"), ("int32", "pre"), ("uint64", "PRE")]):
        columns = {pre: np.array([1, 2, 2], kind), "post": np.array([3, 3, 3], kind)}
        pq.write_table(pa.table(columns), tmp_path / f"{number}.parquet")
    for files in (["0.parquet", "1.parquet"], ["0.parquet", "1.parquet", "2.parquet"]):
        ours, theirs = both(
            monkeypatch, lambda files=files: cc.get_connectivity(source=[tmp_path / file for file in files])
        )
        assert_same(ours, theirs)
        assert ours["weight"].sum() == 3 * len(files)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Relations whose pairs were counted by sorting."""
    counted: list[str] = []
    count = Engine.count_stored

    def noting(self: Engine, stem: str, rows: str, rule: PairRules) -> Any:
        found = count(self, stem, rows, rule)
        counted.extend([rows] if found is not None else [])
        return found

    monkeypatch.setattr(Engine, "count_stored", noting)
    monkeypatch.setattr(engines, "SORTED_FROM", 0)
    return counted


def test_what_goes_which_way(large: Path, seen: list[str], tmp_path: Path) -> None:
    """Sorting is for all rows of files as they stand: not for a selection, not where rows are left out."""
    cc.get_connectivity(source=large)
    assert len(seen) == 1
    cc.get_connectivity(source=large, where="size > 10")
    cc.get_connectivity(pq.read_table(large)["pre"][0].as_py(), source=large)
    cc.get_connectivity(source=pq.read_table(large).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get))
    assert len(seen) == 1
    cc.get_synapses(source=large, threshold=2)
    assert len(seen) == 2


NUMBERS = st.sampled_from([*range(-3, 40), *(5 + (k << 50) for k in range(40)), -(2**63), 2**63 - 1])


@SETTINGS
@given(known=st.dictionaries(NUMBERS, st.integers(-1, 9), max_size=30), asked=st.lists(NUMBERS, max_size=60))
def test_codes_are_those_of_a_dictionary(known: dict[int, int], asked: list[int]) -> None:
    """Also of numbers that share a slot, and of those that are not there and share one with some that are."""
    numbers = np.array(sorted(known), np.int64)
    table = CodeTable(numbers, np.array([known[number] for number in numbers.tolist()], np.int64), -7)
    found = table.of(np.array(asked, np.int64))
    assert found.tolist() == [known.get(number, -7) for number in asked]


def test_all_numbers_of_one_slot_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_ODD", np.uint64(0))
    numbers = np.arange(10, 60, 2)
    table = CodeTable(numbers, numbers * 3, 0)
    asked = np.arange(80)
    assert table.of(asked).tolist() == [3 * n if n in numbers else 0 for n in asked.tolist()]
