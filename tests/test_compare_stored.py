"""`crantcli compare` of versions that are read side by side, straight from Parquet files: the same as by statements."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import NEAR, SETTINGS, SMALL, tuples

import crantcli as cc
from crantcli.core.compare import pairwise
from crantcli.core.compare.versions import ComparedVersions
from crantcli.core.engine import ChangedRows, PairRules, StoredFile, StoredSynapses
from crantcli.engine import duckdb as engines
from crantcli.engine.duckdb import Engine
from crantcli.engine.pairs import changed, partners, stored
from crantcli.engine.pairs.partners import Partners, SynapseRows
from crantcli.engine.pairs.reading import SynapseReader

pytestmark = [pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

NEVER = 10**18

#: Neurons as far apart as IDs can be.
WIDE = (0, -(2**63), 2**63 - 1, 7, -1)

Row = tuple[int | None, int | None, int | None, int | None]


@dataclass(frozen=True)
class Versions:
    """Two tables of `id, pre, post, size`, and how each is cut into files and row groups."""

    rows: tuple[list[Row], list[Row]]
    cuts: tuple[list[int], list[int]]
    group: tuple[int, int]

    def write(self, folder: Path) -> list[list[Path]]:
        """Write the files of each."""
        found: list[list[Path]] = []
        for side, (rows, cuts, group) in enumerate(zip(self.rows, self.cuts, self.group, strict=True)):
            found.append([])
            ends = sorted({0, *(cut for cut in cuts if cut < len(rows)), len(rows)})
            for start, end in itertools.pairwise(ends):
                columns = list(zip(*rows[start:end], strict=True))
                named = zip(("id", "pre", "post", "size"), columns, strict=True)
                table = pa.table({name: pa.array(values, pa.int64()) for name, values in named})
                found[side].append(folder / f"{side}-{start}.parquet")
                pq.write_table(table, found[side][-1], row_group_size=group)
        return found


@st.composite
def ordered_versions(draw: st.DrawFn) -> Versions:
    """Versions whose rows stand in much the same order, or in none, with blocks that are missing, moved, or new."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    neurons = chance.choice([SMALL, NEAR, WIDE])
    number, step = draw(st.integers(1, 60)), chance.choice([1, 3, 2**55 + 1])
    ids = [step * (place - 20) for place in range(number)]
    if chance.random() < 0.5:
        chance.shuffle(ids)
    nulls, sizes = chance.choice([0, 0, 0.1]), chance.choice([[3], [1, 2, 3, None]])

    def ends() -> list[int | None]:
        return [None if chance.random() < nulls else chance.choice(neurons) for _ in range(2)]

    old: list[Row] = [(None if chance.random() < nulls else id, *ends(), chance.choice(sizes)) for id in ids]  # type: ignore[misc]
    renamed = {neuron: chance.choice(neurons) if chance.random() < 0.3 else neuron for neuron in neurons} | {None: None}
    new: list[Row] = [(id, renamed[pre], renamed[post], size) for id, pre, post, size in old]
    for _ in range(draw(st.integers(0, 3))):
        start, length = chance.randrange(len(new) + 1), chance.randrange(1, 12)
        block, what = new[start : start + length], chance.choice(["gone", "moved", "new", "shuffled", "other"])
        if what == "shuffled":
            new[start : start + length] = chance.sample(block, len(block))
        elif what == "other":
            new[start : start + length] = [(id, *ends(), chance.choice(sizes)) for id, *_ in block]  # type: ignore[misc]
        elif what == "new":
            more = [step * (number + len(new) + place) for place in range(length)]
            new[start:start] = [(id, *ends(), chance.choice(sizes)) for id in more]  # type: ignore[misc]
        else:
            del new[start : start + length]
            if what == "moved":
                new += block
    if chance.random() < 0.2:  # a synapse that stands in two rows
        new.insert(chance.randrange(len(new) + 1), chance.choice(new or old))
    cuts = tuple([chance.randrange(1, 60) for _ in range(chance.choice([0, 0, 2]))] for _ in "ab")
    return Versions((old, new or old), cuts, (chance.choice([2, 5, 9]), chance.choice([2, 5, 9])))  # type: ignore[arg-type]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are read at once, and however much has changed, that is no reason to ask statements."""
    monkeypatch.setattr(stored, "ROWS", 4)
    monkeypatch.setattr(changed, "_CHANGED", 0.1)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[ChangedRows | None]:
    """What was told apart side by side, None for what was not."""
    found: list[ChangedRows | None] = []
    way = Engine.changed_stored

    def noting(self: Engine, one: str, other: str, rules: PairRules) -> ChangedRows | None:
        found.append(way(self, one, other, rules))
        return found[-1]

    monkeypatch.setattr(Engine, "changed_stored", noting)
    return found


def compared(versions: Sequence[Sequence[Path]], monkeypatch: pytest.MonkeyPatch, **given: Any) -> list[Any]:
    """Ledgers, neurons, pairs and figures, or what is wrong: side by side, and by statements."""
    found: list[Any] = []
    way = pairwise.compare_versions

    def noting(engine: Engine, *arguments: Any) -> ComparedVersions:
        told = way(engine, *arguments)
        neurons = engine.execute(f"SELECT * FROM {told.neurons} ORDER BY neuron")
        found[-1] += [[ledger.as_dict() for ledger in told.ledgers], neurons]
        return told

    monkeypatch.setattr(pairwise, "compare_versions", noting)
    for least in (0, NEVER):
        monkeypatch.setattr(engines, "SORTED_FROM", least)
        found.append([])
        question = cc.questions.Compare(all=True)
        try:
            answer = cc.ask(question, source=versions[0], other=versions[1], allow_null=True, **given)
        except cc.CrantError as error:
            found[-1].append(str(error))
        else:
            found[-1] += [tuples(answer), answer.attrs["crantcli"]["figures"]]
    return found


def counting(rows: Sequence[Row], clean: bool, least: int | None) -> tuple[Counter[Any], Counter[Any]]:
    """Rows that count, with ids and without, by the rule written out."""
    found: tuple[Counter[Any], Counter[Any]] = Counter(), Counter()
    for id, pre, post, size in rows:
        if pre is None or post is None or (clean and 0 in (pre, post)):
            continue
        if least is None or (size is not None and size >= least):
            found[id is None][pre, post] += id is None
            found[0].update([(id, pre, post)] * (id is not None))
    return +found[0], +found[1]


def left(versions: Versions, rules: PairRules, folder: Path) -> list[tuple[Counter[Any], Counter[Any], int]] | None:
    """What is left over of each: with ids, without, and rows that were removed. None where statements are to tell."""
    names = {name: name for name in ("id", "pre", "post", "size")}
    readers = []
    for rows, paths in zip(versions.rows, versions.write(folder), strict=True):
        files = StoredSynapses(tuple(StoredFile(str(path), path.name, names) for path in paths), len(rows))
        readers.append(SynapseReader(files, rules, 2, 10**9, folder, ["id"]))
    try:
        found = changed.left_over((readers[0], readers[1]))
    except stored.ElsewhereError:
        return None
    return [
        (
            Counter(zip(*(getattr(side.synapses, name).tolist() for name in ("id", "pre", "post")), strict=True)),
            Counter(zip(side.nameless.pre.tolist(), side.nameless.post.tolist(), strict=True)),
            sum(side.removed.values()),
        )
        for side in found
    ]


@settings(SETTINGS, max_examples=10 * SETTINGS.max_examples)
@given(data=st.data(), versions=ordered_versions())
def test_what_is_left_out_is_in_both(data: st.DataObject, versions: Versions) -> None:
    """Nothing else is missing, and what is in one version only is there, in whatever order the rows stand."""
    clean, least = data.draw(st.booleans()), data.draw(st.sampled_from([None, 2]))
    rules = PairRules(clean, (0,), least, 1, distinct=True, autapses=True)
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(stored, "ROWS", data.draw(st.sampled_from([1, 4, 100])))
        monkeypatch.setattr(changed, "_CHANGED", 0.1)
        monkeypatch.setattr(changed, "_WAIT", data.draw(st.sampled_from([0, 1, 8])))
        monkeypatch.setattr(changed, "_FEW", data.draw(st.sampled_from([1, 2, 8])))
        found = left(versions, rules, Path(folder))
    whole = [[row[0] for row in rows if None not in row[:3]] for rows in versions.rows]
    if any(len(ids) > len(set(ids)) for ids in whole):
        assert found is None
        return
    assert found is not None
    gone = []
    for (named, nameless, removed), rows in zip(found, versions.rows, strict=True):
        here = counting(rows, clean, least)
        assert named <= here[0]
        assert nameless == here[1]
        assert removed == len(rows) - here[0].total() - here[1].total()
        gone.append(here[0] - named)
    assert gone[0] == gone[1]


@settings(SETTINGS, max_examples=max(6, SETTINGS.max_examples // 3))
@given(data=st.data(), versions=ordered_versions())
def test_side_by_side_as_by_statements(data: st.DataObject, versions: Versions) -> None:
    given = {"min_size": data.draw(st.sampled_from([None, 2])), "threshold": data.draw(st.sampled_from([1, 2])),
             "clean": data.draw(st.booleans())}  # fmt: skip
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(stored, "ROWS", data.draw(st.sampled_from([1, 4, 100])))
        monkeypatch.setattr(changed, "_CHANGED", 0.1)
        monkeypatch.setattr(changed, "_WAIT", data.draw(st.sampled_from([0, 1, 8])))
        ours, theirs = compared(versions.write(Path(folder)), monkeypatch, **given)
        assert ours == theirs


def numbered(number: int, seed: int = 1) -> pa.Table:
    """Synapses whose ids ascend."""
    chance = np.random.default_rng(seed)
    ends = {side: chance.integers(1, 40, number) for side in ("pre", "post")}
    return pa.table({"id": np.arange(1, number + 1), **ends, "size": chance.integers(1, 9, number)})


@pytest.mark.parametrize("order", ["same", "pre", "none"])
def test_most_is_told_apart_in_passing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[ChangedRows | None], order: str
) -> None:
    """Whatever both are sorted by, and though row groups differ: what is left is little. In no order it is too much."""
    monkeypatch.setattr(stored, "ROWS", 100)
    old = numbered(4000)
    new = old.filter(pa.array(np.arange(4000) % 100 != 0))
    if order == "pre":
        old, new = (table.sort_by([("pre", "ascending"), ("id", "ascending")]) for table in (old, new))
    if order == "none":
        new = new.take(pa.array(np.random.default_rng(2).permutation(len(new))))
    for name, table, group in (("old", old, 100), ("new", new, 370)):
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=group)
    paths = [[tmp_path / f"{name}.parquet"] for name in ("old", "new")]
    ours, theirs = compared(paths, monkeypatch)
    assert ours == theirs
    assert ours[3]["removed"] > 30
    assert [found is not None for found in told] == [order != "none", False]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("what", ["twice", "text", "large"])
def test_statements_tell_what_is_not_told_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[ChangedRows | None], what: str
) -> None:
    """Ids that come twice, ids that are text, and row groups that are too large to be held."""
    old, ids = numbered(60), np.arange(1, 61)
    if what == "twice":
        ids[30] = 3
    new = old.set_column(0, "id", pa.array(ids).cast(pa.string() if what == "text" else pa.int64()))
    if what == "twice":
        new = pa.concat_tables([old, old.slice(2, 1)])
    monkeypatch.setattr(changed, "_MOST", 3 if what == "large" else 100)
    for name, table in (("old", old), ("new", new)):
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=10)
    ours, theirs = compared([[tmp_path / f"{name}.parquet"] for name in ("old", "new")], monkeypatch)
    assert ours == theirs
    assert ours[3]["added"] == ours[3]["removed"] == 0
    assert told == [None] * 2


@pytest.mark.usefixtures("small")
def test_a_damaged_version_is_named(crant: Crant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row group that cannot be read, and nothing is written."""
    monkeypatch.setattr(engines, "SORTED_FROM", 0)
    table = numbered(20_000)
    for name in ("old", "new"):
        pq.write_table(
            table, tmp_path / f"{name}.parquet", row_group_size=1000, compression="none", use_dictionary=False
        )
    column = pq.read_metadata(tmp_path / "new.parquet").row_group(6).column(1)
    content = bytearray((tmp_path / "new.parquet").read_bytes())
    content[column.data_page_offset : column.data_page_offset + 200] = bytes(200)
    (tmp_path / "new.parquet").write_bytes(bytes(content))
    done = crant("compare", "old.parquet", "new.parquet", "-o", "out.csv")
    assert done.code == 3
    assert "new.parquet: " in done.err
    assert "row group 7" in done.err
    assert not (tmp_path / "out.csv").exists()


def of(synapses: SynapseRows) -> dict[int, tuple[int, int]]:
    """Those that are meant, by their ids."""
    meant = synapses.counting()
    return dict(zip(meant.id.tolist(), zip(meant.pre.tolist(), meant.post.tolist(), strict=True), strict=True))


@pytest.mark.parametrize("bits", [6, 64])
@pytest.mark.parametrize("odd", [partners._ODD, partners._ODD[:1], (np.uint64(1), np.uint64(3))])
def test_partners_have_the_same_id(monkeypatch: pytest.MonkeyPatch, bits: int, odd: tuple[np.uint64, ...]) -> None:
    """As dictionaries say; ids that have to share slots too often are left, and none is taken for another."""
    monkeypatch.setattr(partners, "_ODD", odd)
    chance, found = np.random.default_rng(5), Partners()
    for _ in range(50):
        pool = np.unique(chance.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 60))
        sides = []
        for _ in "ab":
            ids = chance.choice(pool, chance.integers(0, len(pool)), replace=False)
            meant = chance.random(len(ids)) < 0.8 if chance.random() < 0.5 else None
            sides.append(SynapseRows(ids, ids // 3 + (chance.random(len(ids)) < 0.1), ids // 5, meant))
        (a, b), (one, other, moved) = map(of, sides), found.told_apart(*sides)
        gone = [whole.keys() - of(rest).keys() for whole, rest in ((a, one), (b, other))]
        assert gone[0] == gone[1] <= a.keys() & b.keys()
        assert len(odd) < 8 or len(gone[0]) >= len(a.keys() & b.keys()) - 3
        differ = {id for id in gone[0] if a[id] != b[id]}
        assert of(moved[0]) == {id: a[id] for id in differ}
        assert of(moved[1]) == {id: b[id] for id in differ}
        assert all(of(rest).items() <= whole.items() for whole, rest in ((a, one), (b, other)))
