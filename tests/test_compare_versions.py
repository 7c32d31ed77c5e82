"""`crantcli compare`: two versions of one brain, told apart by synapse ids, against the rule written out in loops."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import Rules
from strategies import AS_DRAWN, NEAR, SETTINGS, SMALL, TEXT, frame, tuples

import crantcli as cc
from crantcli.core.compare.unchanged import KEY, without_unchanged
from crantcli.engine.duckdb import Engine
from crantcli.engine.pairs.onesided import in_one_only

pytestmark = [pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

PAIRS = ["pre", "post", "old", "new", "added", "removed", "moved_in", "moved_out"]

#: A synapse by its id: its two neurons.
Version = dict[Any, tuple[Any, Any]]


@dataclass(frozen=True)
class Told:
    """The answer by hand: numbers per pair, and neurons."""

    pairs: list[tuple[Any, ...]]
    neurons: set[tuple[Any, str, str, str]]


def versions_by_hand(old: Version, new: Version, rules: Rules) -> Told:
    """The rule, step by step."""
    shared: Counter[tuple[Any, Any]] = Counter()
    for synapse in old.keys() & new.keys():
        shared.update(zip(old[synapse], new[synapse], strict=True))
    size_old, size_new = Counter[Any](), Counter[Any]()
    for (o, n), ends in shared.items():
        size_old[o] += ends
        size_new[n] += ends
    linked = {(o, n) for (o, n), ends in shared.items() if 2 * ends >= min(size_old[o], size_new[n])}
    heir = {}
    for o in size_old:
        heir[o] = min((-ends, other != o, other) for (one, other), ends in shared.items() if one == o)[2]

    def carried(o: Any, n: Any) -> Any:
        return n if (o, n) in linked else heir.get(o, o)

    numbers: dict[Any, list[int]] = defaultdict(lambda: [0] * 6)
    nameless: Counter[Any] = Counter()
    for synapse, (pre, post) in old.items():
        now = new.get(synapse, (None, None))
        pair = (carried(pre, now[0]), carried(post, now[1]))
        numbers[pair][0] += 1
        if isinstance(synapse, tuple):
            nameless[pair] -= 1
        elif synapse not in new:
            numbers[pair][3] += 1
        elif pair != now:
            numbers[pair][5] += 1
            numbers[now][4] += 1
    for synapse, pair in new.items():
        numbers[pair][1] += 1
        if isinstance(synapse, tuple):
            nameless[pair] += 1
        else:
            numbers[pair][2] += synapse not in old
    for pair, more in nameless.items():
        numbers[pair][2] += max(more, 0)
        numbers[pair][3] += max(-more, 0)
    kept = {
        pair: found
        for pair, found in numbers.items()
        if not (rules.clean and pair[0] == pair[1]) and max(found[:2]) >= rules.threshold
    }
    rows = [(*pair, *found) for pair, found in kept.items() if any(found[2:])]
    rows.sort(key=lambda row: (-abs(row[3] - row[2]), -sum(row[4:]), row[0], row[1]))
    return Told(rows, neurons_by_hand(old, new, linked))


def neurons_by_hand(old: Version, new: Version, linked: Iterable[tuple[Any, Any]]) -> set[tuple[Any, str, str, str]]:
    """Groups of linked neurons."""
    ends = Counter(neuron for pair in new.values() for neuron in pair)
    nodes = {("old", neuron) for pair in old.values() for neuron in pair} | {("new", neuron) for neuron in ends}
    groups = {node: {node} for node in nodes}
    for o, n in linked:
        both = groups["old", o] | groups["new", n]
        for node in both:
            groups[node] = both
    found = set()
    for group in groups.values():
        olds, news = ([n for version, n in sorted(group) if version == name] for name in ("old", "new"))
        name = min(news, key=lambda n: (-ends[n], n)) if news else min(olds)
        if not olds or not news:
            change = "new" if news else "gone"
        elif len(olds) == len(news) == 1:
            change = "same" if olds == news else "renamed"
        else:
            change = "rearranged" if len(olds) > 1 and len(news) > 1 else "merged" if len(olds) > 1 else "split"
        found.add((name, change, " ".join(map(str, olds)), " ".join(map(str, news))))
    return found


@st.composite
def two_versions(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Synapses with ids, some twice or without a neuron, before and after neurons were merged, split and renamed."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    neurons = chance.choice([SMALL, NEAR, TEXT])
    more = [f"n{n}" for n in range(3)] if neurons is TEXT else [700 + n for n in range(3)]
    every = [*neurons, *more]
    changes = {neuron: chance.choices([[neuron], chance.sample(every, 1), chance.sample(every, 2)], [4, 2, 1])[0]
               for neuron in neurons}  # fmt: skip
    twigs = chance.choice([0.0, 0.1, 0.5])
    old, new = [], []
    for synapse in range(draw(st.integers(1, 40))):
        pair = chance.choices([*neurons, None], [1, *[6] * (len(neurons) - 1), 0.5], k=2)
        size = chance.choice([0, 1, 2, 3, None])
        now = [None if n is None else chance.choice(every if chance.random() < twigs else changes[n]) for n in pair]
        row = {"id": None if chance.random() < 0.05 else 3 * synapse, "size": size}
        there = chance.choices(["both", "old", "new"], [8, 1, 1])[0] if synapse else "both"
        old += [{**row, "pre": pair[0], "post": pair[1]}] * (there != "new") * chance.choice([1, 1, 1, 2])
        new += [{**row, "pre": now[0], "post": now[1]}] * (there != "old")
    chance.shuffle(new)
    return old, new


def version_of(rows: Iterable[Mapping[str, Any]], rules: Rules) -> Version:
    """Synapses that count, by id; one without an id is in no other version."""
    found: Version = {}
    for number, row in enumerate(rows):
        cleaned = not {None} & {row["pre"], row["post"]}
        if rules.clean and "0" in (str(row["pre"]), str(row["post"])):
            cleaned = False
        if rules.min_size is not None and (row["size"] is None or row["size"] < rules.min_size):
            cleaned = False
        if cleaned:
            found[row["id"] if row["id"] is not None else (id(rows), number)] = (row["pre"], row["post"])
    return found


@SETTINGS
@given(data=st.data(), tables=two_versions())
def test_versions_differ_as_by_hand(data: st.DataObject, tables: tuple[list[Any], list[Any]]) -> None:
    rules = Rules(data.draw(st.booleans()), data.draw(st.sampled_from([None, 2])), data.draw(st.sampled_from([1, 2])))
    old, new = (version_of(rows, rules) for rows in tables)
    frames = [frame(rows, ("id", "pre", "post", "size")) for rows in tables]
    given = {"min_size": rules.min_size, "threshold": rules.threshold, "clean": rules.clean, **AS_DRAWN}
    known = [{synapse for synapse in version if not isinstance(synapse, tuple)} for version in (old, new)]
    if all(known) and not known[0] & known[1]:
        with pytest.raises(cc.DataError, match="share no synapse ids"):
            cc.ask(cc.questions.Compare(), source=frames[0], other=frames[1], **given)
        return
    told = versions_by_hand(old, new, rules)
    found = cc.ask(cc.questions.Compare(), source=frames[0], other=frames[1], **given)
    assert list(found.columns) == PAIRS
    assert tuples(found) == told.pairs
    for _, _, before, now, added, removed, moved_in, moved_out in tuples(found):
        assert now == before + added - removed + moved_in - moved_out
    figures = found.attrs["crantcli"]["figures"]
    changes = Counter(change for _, change, _, _ in told.neurons)
    assert figures["neurons"] == len(told.neurons)
    assert all(figures[f"neurons_{name}"] == changes[name] for name in ("same", "merged", "split", "gone", "new"))
    same = cc.ask(cc.questions.Compare(), source=frames[0], other=frames[0], **given)
    assert tuples(same) == []


# ------------------------------------------------------------------------------------------ the worked table


@pytest.fixture
def worked(real: Path) -> tuple[Path, Path]:
    return real / "versions" / "old.csv", real / "versions" / "new.csv"


def test_the_worked_table_comes_out(crant: Crant, tmp_path: Path, worked: tuple[Path, Path]) -> None:
    done = crant("compare", *worked, "--no-clean", "--all", "-o", "p.csv", "--neurons", "n.csv", "--summary", "s.json")
    assert done.code == 0, done.err
    pairs = {(row[0], row[1]): row[2:] for row in pd.read_csv(tmp_path / "p.csv").to_numpy().tolist()}
    assert {pair: tuple(row) for pair, row in pairs.items()}.items() >= {
        (3, 2): (7, 7, 0, 0, 0, 0),
        (50, 7): (4, 5, 1, 0, 0, 0),
        (50, 50): (2, 2, 0, 0, 0, 0),
        (1, 80): (3, 3, 0, 0, 0, 0),
        (90, 1): (5, 5, 0, 0, 0, 0),
        (12, 1): (2, 0, 0, 2, 0, 0),
        (99, 1): (0, 2, 2, 0, 0, 0),
        (10, 2): (6, 4, 0, 0, 0, 2),
        (11, 2): (4, 6, 0, 0, 2, 0),
    }.items()
    assert len(pairs) == 18
    sums = [sum(column) for column in zip(*pairs.values(), strict=True)]
    assert sums == [53, 53, 6, 6, 3, 3]
    lines = (tmp_path / "n.csv").read_text().splitlines()
    assert lines[0] == "neuron,change,old_ids,new_ids"
    assert {"3,merged,3 4,3", "50,merged,5 6,50", "80,split,8,8 80", "90,renamed,9,90", "12,gone,12,", "99,new,,99",
            "10,same,10,10"} <= set(lines)  # fmt: skip
    assert len(lines) == 12
    summary = json.loads((tmp_path / "s.json").read_text())
    assert (summary["pairs"], summary["same"], summary["neurons"]) == (18, 7, 11)
    assert done.err.splitlines()[-1] == (
        "crantcli compare: 106 synapses read, 106 kept; 18 pairs (18 pairs: 7 same; synapses: 6 added, 6 removed, "
        "3 moved; neurons: 5 same, 1 renamed, 2 merged, 1 split, 1 new, 1 gone) -> p.csv, n.csv, s.json"
    )


def test_by_neurons_it_is_a_plain_join(crant: Crant, worked: tuple[Path, Path]) -> None:
    done = crant("compare", *worked, "--no-clean", "--match", "neuron", "-o", "-")
    assert done.code == 0, done.err
    old, new = (
        oracle.synapse_edges(pd.read_csv(path).set_axis(["id", "pre", "post"], axis=1).to_dict("records"),
                             rules=Rules(clean=False))[0]
        for path in worked
    )  # fmt: skip
    assert len(done.rows()) - 1 == 23 == sum(old.get(pair, 0) != new.get(pair, 0) for pair in {*old, *new})


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ("far.csv",),
            3,
            "A has 1, 10, 11, B has 1001, 1002, 1003; compare pairs of neurons with --match neuron",
        ),
        (("bare.csv", "--match", "synapse"), 3, "--match synapse: B has no column of synapse ids"),
        (("bare.csv", "--neurons", "n.csv"), 2, "--neurons tells what became of neurons from synapses with ids"),
        (("old.csv", "--ids", "i.csv"), 2, "compare pairs of neurons with --match neuron"),
        (("old.csv", "--fail-on", "neurons_merged>=0"), 7, "neurons_merged >= 0 (0)"),
        (
            ("bare.csv", "--fail-on", "added>0"),
            2,
            "--fail-on 'added > 0': a comparison of this kind has no such figure",
        ),
    ],
)
def test_what_is_wrong_with_versions_is_said(
    crant: Crant, tmp_path: Path, worked: tuple[Path, Path], arguments: tuple[str, ...], code: int, told: str
) -> None:
    rows = pd.read_csv(worked[0])
    rows.to_csv(tmp_path / "old.csv", index=False)
    rows.assign(id=rows["id"] + 1000).to_csv(tmp_path / "far.csv", index=False)
    rows.drop(columns="id").assign(size=1).to_csv(tmp_path / "bare.csv", index=False)
    (tmp_path / "i.csv").write_text("old_id,new_id\n1,1\n")
    done = crant("compare", "old.csv", *arguments, "-o", "out.csv")
    assert done.code == code, done.err
    assert told in done.err
    assert (tmp_path / "out.csv").exists() == (code == 7)


@pytest.mark.parametrize(("memory", "expected"), [("2GB", 99), ("2GB", 10**9), ("100MB", 0)])
def test_two_synapses_that_are_taken_for_one_are_noticed(memory: str, expected: int) -> None:
    """With keys that many share, everything stays; with one each, what is the same in both goes: held, or in a file."""
    rows = [(number, number % 7, number % 5) for number in range(50)]
    other = [(number, 9 if number < 4 else pre, post) for number, pre, post in rows[1:]]
    with Engine(memory) as engine:
        a, b = (
            engine.table("side", "SELECT * FROM (VALUES " + ", ".join(map(str, side)) + ") AS t (id, pre, post)")
            for side in (rows, other)
        )
        for key, left in (("CAST(id % 3 AS BIGINT)", (50, 49)), (KEY, (4, 3))):
            found = without_unchanged(engine, a, b, expected, key)
            assert tuple(engine.execute(f"SELECT count(*) FROM {side}")[0][0] for side in found) == left
        assert not list(engine.scratch.iterdir())


@pytest.mark.parametrize("limit", [1, 10**9])
@pytest.mark.parametrize("expected", [0, 10**9])
def test_numbers_that_one_side_has(tmp_path: Path, limit: int, expected: int) -> None:
    """As sets say, however many batches they come in, whether they are held or in a file."""
    chance = np.random.default_rng(3)
    sides = [chance.choice(2**62 + chance.integers(0, 2**62, 900), 700, replace=False) for _ in "ab"]
    sides[1][:400] = sides[0][:400]
    given = dict(zip(("a", "b"), sides, strict=True))

    def batches(query: str) -> Iterator[dict[str, Any]]:
        for part in np.array_split(given[query], 9):
            yield {"key": part, "checked": part + 1}

    found = in_one_only(batches, ("a", "b"), expected, tmp_path / "numbers", limit, 2)
    for (keys, total), (one, other) in zip(found, (sides, sides[::-1]), strict=True):
        assert sorted(keys) == sorted(set(one.tolist()) - set(other.tolist()))
        assert total == sum(value + 1 for value in one.tolist()) % 2**64
    assert not list(tmp_path.iterdir())


def test_python_asks_for_the_other_tables(worked: tuple[Path, Path]) -> None:
    found = cc.ask(cc.questions.Compare(), source=worked[0], other=worked[1], clean=False, output="neurons")
    assert list(found.columns) == ["neuron", "change", "old_ids", "new_ids"]
    assert len(found) == found.attrs["crantcli"]["figures"]["neurons"] == 11
    sweep = cc.ask(cc.questions.Compare(thresholds=(1, 3)), source=worked[0], other=worked[1], output="sweep")
    assert sweep["threshold"].tolist() == [1, 3]
    with pytest.raises(cc.UsageError, match="output='neuron': compare has neurons, sweep"):
        cc.ask(cc.questions.Compare(), source=worked[0], other=worked[1], output="neuron")
