"""`crantcli attach`: which node each site goes to, which sites are left out, and what is said about it."""

from __future__ import annotations

import csv
import json
import math
import random
import time
import weakref
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import Neuron
from strategies import AS_DRAWN, SETTINGS, Drawn, as_json, frame, rules, synapse_tables, tuples
from tables import ONE, TWO, answer, complaint, feather_file, ledger, parquet_file, record, text_file

from crantcli.core.geometry.nearest import SiteAttacher, SiteCounts
from crantcli.core.geometry.skeleton import NearestNode, Skeleton
from crantcli.core.questions.attach import COLUMNS, Attach, attach
from crantcli.core.rows.filters import RowFilter
from crantcli.engine.batches import numbers
from crantcli.engine.duckdb import Engine
from crantcli.run.inputs import Opener
from crantcli.run.skeletons import OpenSkeletons
from crantcli.sources.tables.read_options import ReadOptions

#: Two neurons, 20 um of cable along x each, and synapses of and between them.
LINE = "1 0 0 0 0 1 -1\n2 0 10000 0 0 1 1\n5 0 20000 0 0 1 2\n"
FAR = 1e6


def skeleton(nodes: Mapping[int, Sequence[float]]) -> Skeleton:
    """A chain of nodes."""
    ids = list(nodes)
    made, orphans = Skeleton.linked(
        np.array(ids, dtype=np.int64),
        np.array([-1, *ids][: len(ids)], dtype=np.int64),
        np.array([nodes[node] for node in ids], dtype=np.float64).reshape(-1, 3),
    )
    assert not len(orphans)
    return made


def synapse_file(name: str = "s.parquet", **columns: Any) -> Path:
    """Synapses 1 -> 2, 1 -> 9, 9 -> 2 and an autapse of 1, all at (100 i, 0, 0), i = 1, 2, ..."""
    made = {"id": [11, 12, 13, 14], "pre": [1, 1, 9, 1], "post": [2, 9, 2, 1]} | columns
    if not any("position" in column for column in made):
        count = len(made["pre"])
        made |= {"ctr_pt_position_x": [100 * (n + 1) for n in range(count)]}
        made |= {f"ctr_pt_position_{axis}": [0] * count for axis in "yz"}
    writer = {".parquet": parquet_file, ".feather": feather_file}[Path(name).suffix]
    return writer(name, **made)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("swc/1.swc", LINE)
    text_file("swc/2.swc", LINE)


GIVEN = ("attach", "s.parquet", "--coordinates", "nm", "--skeletons", "swc")


def sites(outcome: Any) -> list[tuple[str, str, str, str]]:
    """neuron, synapse, type, node of the connectors on stdout."""
    return [(row[0], row[8], row[5], row[7]) for row in answer(outcome)]


# -------------------------------------------------------------------------------------- against the naive rules

GRID = st.integers(0, 3)


@st.composite
def skeletons(draw: st.DrawFn, neurons: Sequence[Neuron]) -> dict[Neuron, dict[int, tuple[float, ...]]]:
    """Nodes on a coarse grid, where many are equally near and some are at the same place; some neurons have none."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    chosen = chance.sample(list(neurons), chance.randint(1, len(neurons)))
    return {
        neuron: {
            node: tuple(float(chance.randint(0, 3)) for _ in "xyz")
            for node in chance.sample(range(1, 60), chance.choice([0, 1, 2, 5, 12]))
        }
        for neuron in chosen
    }


def placed(table: Drawn, chance: random.Random) -> list[dict[str, Any]]:
    """The rows with positions, copies of one synapse at the same place; some lack a position, or part of it."""
    made: dict[Any, Any] = {}
    rows = []
    for number, row in enumerate(table.rows):
        key = number if row.get("id") is None else row["id"]
        points = made.setdefault(
            key, [[float(chance.randint(-1, 4)) / chance.choice([1, 2]) for _ in "xyz"] for _ in "ab"]
        )
        for point in points:
            if key not in made and chance.random() < 0.1:
                point[chance.randint(0, 2)] = math.nan
        rows.append({**row, "pre_at": tuple(points[0]), "post_at": tuple(points[1])})
    return rows


def with_positions(table: Drawn, rows: list[dict[str, Any]]) -> pd.DataFrame:
    found = frame(table.rows, table.columns)
    for side in ("pre", "post"):
        for number, axis in enumerate("xyz"):
            found[f"{side}_pt_position_{axis}"] = [float(row[f"{side}_at"][number]) for row in rows]
    return found


@SETTINGS
@given(data=st.data(), table=synapse_tables(), seed=st.integers(0, 2**32 - 1), broken=st.booleans())
def test_every_site_is_where_brute_force_puts_it(data: st.DataObject, table: Drawn, seed: int, broken: bool) -> None:
    """Selection, cleaning, threshold, distance, ties, order, numbers; and the ledgers of synapses and of sites."""
    chance = random.Random(seed)
    rule, drawn = data.draw(rules(table)), data.draw(skeletons(table.neurons))
    rows = placed(table, chance)
    if broken and rows:
        victim = chance.choice(rows)
        key = victim.get("id")
        for row in rows:
            if row is victim or (key is not None and row.get("id") == key):
                row["pre_at"] = (math.nan, *row["pre_at"][1:])
    sides = chance.choice([("pre", "post"), ("pre",), ("post",)])
    limit = chance.choice([0.0, 1.0, 1.5, 10_000.0])
    expected, expected_ledger, expected_sites = oracle.attach(rows, drawn, rule, sides, limit)
    neurons = sorted(drawn)
    with Engine(threads=2) as engine:
        space = Opener(engine)
        space.null_text = AS_DRAWN["null_text"]
        reading = ReadOptions(coordinates="nm", carry="positions", **AS_DRAWN)
        opened = space.table(with_positions(table, rows), reading)
        kept = RowFilter(rule.clean, (0,), rule.min_size, rule.threshold)
        drawings = OpenSkeletons(neurons, None, lambda place: skeleton(drawn[neurons[place]]))
        found = attach(engine, opened, drawings, kept, Attach(None, "pre" in sides, "post" in sides, limit))
        assert engine.execute(found.result.query) == expected
        assert [name for name, _ in engine.columns(found.result.query)] == list(COLUMNS)
        assert found.result.rows == len(expected)
    assert oracle.adds_up(expected_ledger)
    assert found.result.ledger.as_dict() == as_json(expected_ledger, "synapses")
    told: Counter[str] = Counter()
    for (what, _, _), number in expected_sites.items():
        told[what] += number
    facts = found.result.facts["sites"]
    assert facts["removed"] == {reason: told[reason] for reason in ("position", "empty", "distance")}
    assert (facts["found"], facts["attached"]) == (told["found"], told["attached"])
    assert facts["found"] == facts["attached"] + sum(facts["removed"].values())
    for place, neuron in enumerate(neurons):
        for number, side in enumerate(("pre", "post")):
            assert found.tally.attached[place, number] == expected_sites["attached", neuron, side]
            assert found.tally.far[place, number] == expected_sites["distance", neuron, side]


@SETTINGS
@given(
    nodes=st.lists(st.tuples(GRID, GRID, GRID), min_size=1, max_size=40),
    points=st.lists(st.tuples(GRID, GRID, GRID), min_size=1, max_size=20),
    scale=st.sampled_from([(1.0, 1.0), (8.0, 0.5), (0.1, 0.1), (1e6, 1e6 / 3)]),
    order=st.randoms(use_true_random=False),
)
def test_ties_go_to_the_lowest_node(
    nodes: list[Any], points: list[Any], scale: tuple[float, float], order: Any
) -> None:
    """Points between nodes of a grid, many nodes at one place; node IDs in no order."""
    ids = order.sample(range(-50, 1000), len(nodes))
    chain = {node: tuple(scale[0] * value for value in place) for node, place in zip(ids, nodes, strict=True)}
    asked = [tuple(scale[1] * value + scale[0] / 2 for value in point) for point in points]
    found, distance = NearestNode(skeleton(chain)).find(np.array(asked))
    expected = [oracle.nearest(point, chain) for point in asked]
    assert list(zip(found.tolist(), distance.tolist(), strict=True)) == expected


def test_hundreds_of_nodes_at_the_same_distance() -> None:
    """More than are first looked at, at one place and on a sphere."""
    at_one_place = dict.fromkeys(range(700, 0, -1), (1.0, 2.0, 3.0))
    assert NearestNode(skeleton(at_one_place)).find(np.zeros((3, 3)))[0].tolist() == [1, 1, 1]
    corners = [p for p in np.ndindex(19, 19, 19) if sum((c - 9) ** 2 for c in p) == 81]
    assert len(corners) > 100
    sphere = {900 - n: tuple(map(float, place)) for n, place in enumerate(corners)}
    found, distance = NearestNode(skeleton(sphere)).find(np.array([[9.0, 9.0, 9.0]]))
    assert (found.tolist(), distance.tolist()) == ([901 - len(corners)], [9.0])


# ---------------------------------------------------------------------------------------------- one pass, in pieces


class Rows:
    """A batch of sites in plain arrays."""

    def __init__(self, columns: dict[str, np.ndarray[Any, Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["place"])

    def array(self, name: str) -> np.ndarray[Any, Any]:
        return self.columns[name]

    def extended(self, keep: np.ndarray[Any, Any], columns: Mapping[str, Any]) -> Rows:
        return Rows({name: values[keep] for name, values in {**self.columns, **columns}.items()})


def made_sites(places: Sequence[int], seed: int = 5) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray[Any, Any]] = {"place": np.array(places, dtype=np.int64)}
    found |= {"side": rng.integers(0, 2, len(places)), "row": np.arange(len(places))}
    return found | {axis: rng.uniform(0, 100, len(places)) for axis in "xyz"}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_batches_may_be_cut_anywhere(size: int, threads: int) -> None:
    """A neuron's sites go on in the next batch, and the one after; numbers go on with them."""
    places = [1] * 9 + [2] + [4] * 12 + [5] * 2  # 0, 3 and 6 have none
    whole = made_sites(places)
    trees = [
        skeleton({n: tuple(np.random.default_rng(9 * s + n).uniform(0, 100, 3)) for n in range(1, 9)}) for s in range(7)
    ]
    loads: Counter[int] = Counter()

    def load(place: int) -> Skeleton:
        loads[place] += 1
        return trees[place]

    tally, seen = SiteCounts.empty(7), np.zeros(len(places), dtype=bool)
    batches = (
        Rows({name: values[start : start + size] for name, values in whole.items()})
        for start in range(0, len(places), size)
    )
    out = list(SiteAttacher(load, tally, seen, 40.0, threads, True)(batches))
    tally.check()
    joined = {name: np.concatenate([batch.array(name) for batch in out]) for name in out[0].columns}
    expected = []
    numbers: Counter[int] = Counter()
    for n, place in enumerate(places):
        chain = {int(i): tuple(p) for i, p in zip(trees[place].node_id, trees[place].xyz.tolist(), strict=True)}
        node, distance = oracle.nearest((whole["x"][n], whole["y"][n], whole["z"][n]), chain)
        if distance <= 40:
            expected.append((n, node, distance, numbers[place]))
            numbers[place] += 1
    names = ("row", "node_id", "distance", "connector_id")
    assert list(zip(*(joined[name].tolist() for name in names), strict=True)) == expected
    assert 0 < len(expected) < len(places)
    assert seen.tolist() == [n in {row[0] for row in expected} for n in range(len(places))]
    assert tally.nodes.tolist() == [8] * 7
    assert loads == Counter(range(7)), "each skeleton is read once"
    assert tally.cable.tolist() == [tree.cable_length for tree in trees]


def test_few_skeletons_are_in_memory_at_a_time() -> None:
    """However many there are, and the sites of two batches."""
    nodes: list[weakref.ref[Any]] = []
    most = pulled = 0

    def load(place: int) -> Skeleton:
        nonlocal most
        made = skeleton({1: (float(place), 0, 0), 2: (float(place), 1, 0)})
        nodes.append(weakref.ref(made.xyz))
        most = max(most, sum(ref() is not None for ref in nodes))
        return made

    places = np.repeat(np.arange(0, 500, 2), 4)  # every other skeleton has no sites
    whole = made_sites(places.tolist())

    def batches() -> Iterator[Rows]:
        nonlocal pulled
        for start in range(0, len(places), 50):
            pulled += 1
            yield Rows({name: values[start : start + 50] for name, values in whole.items()})

    tally = SiteCounts.empty(500)
    out = SiteAttacher(load, tally, np.zeros(len(places), dtype=bool), math.inf, 2, False)(batches())
    found = 0
    for number, batch in enumerate(out, 1):
        found += len(batch)
        assert pulled <= number + 1
    assert found == len(places)
    assert tally.nodes.tolist() == [2] * 500
    assert most <= 8, "one in each thread, and those that a next batch may need"


def test_nulls_among_numbers_are_nan() -> None:
    """Whatever stands in memory where a null is; and a piece of a column is that piece."""
    column = pa.array([1.5, None, 2.5, 3.5])
    assert np.array_equal(numbers(column), [1.5, np.nan, 2.5, 3.5], equal_nan=True)
    assert np.array_equal(numbers(column[1:3]), [np.nan, 2.5], equal_nan=True)
    assert numbers(pa.array([1, 2, 3], pa.int32())[1:]).tolist() == [2, 3]


def test_the_first_broken_skeleton_is_named_and_the_rest_are_left() -> None:
    started: list[int] = []

    def load(place: int) -> Skeleton:
        started.append(place)
        if place >= 3:
            time.sleep(0.01)
            raise ValueError(f"skeleton {place}")
        return skeleton({1: (0, 0, 0)})

    sweep = SiteAttacher(load, SiteCounts.empty(400), np.zeros(400, dtype=bool), math.inf, 2, False)
    with pytest.raises(ValueError, match="skeleton 3"):
        list(sweep(iter([Rows(made_sites(range(400)))])))
    assert len(started) < 100


# ------------------------------------------------------------------------------------------------- the real thing


def test_five_hemibrain_neurons_against_brute_force(crant: Crant, real: Path) -> None:
    """14,836 measured sites in voxels of 8 nm, each made a synapse with a partner of no skeleton."""
    sites = pd.read_csv(real / "hemibrain" / "connectors.csv")
    assert len(sites) == 14_836
    other, is_pre = 10**9 + np.arange(len(sites)) % 77, sites["type"] == "pre"
    columns = {"id": np.arange(len(sites)) + 1, "pre": np.where(is_pre, sites["bodyId"], other)}
    columns |= {"post": np.where(is_pre, other, sites["bodyId"])}
    columns |= {f"ctr_pt_position_{axis}": sites[axis].to_numpy() for axis in "xyz"}
    parquet_file("hb.parquet", **columns)
    done = crant(
        "attach", "hb.parquet", "--coordinates", "pixels", "--voxel-size", "8,8,8", "--skeleton-units", "pixels",
        "--skeletons", real / "hemibrain" / "swc", "--max-distance", 1500, "-o", "out.parquet", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = pd.read_parquet("out.parquet")
    expected = []
    for neuron, mine in sites.groupby("bodyId"):
        lines = (real / "hemibrain" / "swc" / f"{neuron}.swc").read_text().splitlines()
        nodes = np.array([line.split()[:5] for line in lines if line[0] != "#"], dtype=np.float64)
        nodes = nodes[np.argsort(nodes[:, 0])]
        points, tree = 8.0 * mine[["x", "y", "z"]].to_numpy(), 8.0 * nodes[:, 2:5]
        delta = [points[:, None, axis] - tree[None, :, axis] for axis in range(3)]
        square = delta[0] ** 2 + delta[1] ** 2 + delta[2] ** 2
        best = square.argmin(axis=1)
        part = pd.DataFrame({"neuron_id": neuron, "synapse_id": mine.index + 1, "type": mine["type"]})
        part["node_id"], part["distance"] = nodes[best, 0].astype(np.int64), np.sqrt(square.min(axis=1))
        part[["x", "y", "z"]] = points
        expected.append(part[part["distance"] <= 1500])
    wanted = pd.concat(expected).sort_values(["neuron_id", "synapse_id"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found[wanted.columns], wanted, check_dtype=False, check_exact=True)
    assert 0 < 14_836 - len(wanted) < 2000
    told = json.loads(done.out)
    assert told["sites"]["removed"]["distance"] == told["ledger"]["removed"]["distance"] == 14_836 - len(wanted)
    assert (found.groupby("neuron_id")["connector_id"].max() + 1 == found["neuron_id"].value_counts(sort=False)).all()
    assert set(found["partner_id"]) <= set(other)


def test_the_sample_brain(crant: Crant) -> None:
    done = crant("attach", "-d", SAMPLE / "sample.toml", "-o", "c.parquet", "--summary", "s.csv", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["skeletons"] == {"given": 10, "nodes": 3162, "empty": 0, "without_sites": 0}
    assert told["rows"] == told["sites"]["attached"] == told["sites"]["pre"] + told["sites"]["post"] == 3583
    assert told["sites"] == {**told["sites"], "found": 3594, "removed": {"position": 0, "empty": 0, "distance": 11}}
    found, rows = pd.read_parquet("c.parquet"), pd.read_parquet(SAMPLE / "synapses.parquet").drop_duplicates("id")
    rows = rows.set_index("id").loc[found["synapse_id"]].reset_index()
    for side in ("pre", "post"):  # each site lies at its own side's position, and belongs to its own side's neuron
        mine = found["type"] == side
        position = rows[[f"{side}_pt_position_{axis}" for axis in "xyz"]].to_numpy()
        assert (found[["x", "y", "z"]].to_numpy()[mine] == position[mine]).all()
        assert (found["neuron_id"][mine] == rows[f"{side}_pt_root_id"][mine]).all()
    assert found["distance"].max() <= 10_000
    assert found["distance"].median() < 700
    assert found["distance"].min() > 0


# --------------------------------------------------------------------------------------------------------- options


def test_a_synapse_between_two_skeletons_is_on_both(crant: Crant) -> None:
    synapse_file()
    assert sites(crant(*GIVEN)) == [
        ("1", "11", "pre", "1"), ("1", "12", "pre", "1"), ("2", "11", "post", "1"), ("2", "13", "post", "1"),
    ]  # fmt: skip


def test_an_autapse_is_twice_on_one_without_cleaning(crant: Crant) -> None:
    synapse_file()
    found = sites(crant(*GIVEN, "--no-clean"))
    assert [site for site in found if site[1] == "14"] == [("1", "14", "pre", "1"), ("1", "14", "post", "1")]
    assert ledger(crant(*GIVEN, "--json")) == {"read": 4, "kept": 3, "autapse": 1}
    assert ledger(crant(*GIVEN, "--json", "--no-clean")) == {"read": 4, "kept": 4}


def test_one_side_only(crant: Crant) -> None:
    synapse_file()
    assert {site[2] for site in sites(crant(*GIVEN, "--no-post"))} == {"pre"}
    assert {site[2] for site in sites(crant(*GIVEN, "--no-pre"))} == {"post"}
    assert ledger(crant(*GIVEN, "--no-pre", "--json")) == {"read": 4, "kept": 2, "unselected": 1, "autapse": 1}
    complaint(crant(*GIVEN, "--no-pre", "--no-post"), 2, "pre", "post")


def test_each_side_has_its_own_position(crant: Crant) -> None:
    near, away = {"x": [10000.0]}, {"x": [20000.0]}
    where = {f"pre_pt_position_{a}": near.get(a, [0.0]) for a in "xyz"}
    where |= {f"ctr_pt_position_{a}": away.get(a, [0.0]) for a in "xyz"}
    synapse_file(id=[1], pre=[1], post=[2], **where)
    assert sites(crant(*GIVEN)) == [("1", "1", "pre", "2"), ("2", "1", "post", "5")]
    assert crant(*GIVEN, "-o", "c.parquet").code == 0
    assert record("c.parquet")["positions"] == {"pre": "pre_pt_position", "post": "ctr_pt_position"}
    synapse_file(id=[1], pre=[1], post=[2], **{f"pre_pt_position_{a}": [0] for a in "xyz"})
    complaint(crant(*GIVEN), 3, "post_pt_position", "ctr_pt_position", "pre_pt_position")
    assert len(sites(crant(*GIVEN, "--no-post"))) == 1
    synapse_file(id=[1], pre=[1], post=[2], size=[3], other_position_x=[1])
    complaint(crant(*GIVEN), 3, "pre_pt_position", "ctr_pt_position")


def test_distances_up_to_the_limit_stay(crant: Crant) -> None:
    columns = {"id": [1, 2, 3], "pre": [1] * 3, "post": [9] * 3, "ctr_pt_position_x": [0, 0, 0]}
    synapse_file(**columns, ctr_pt_position_y=[10_000, 10_001, 50], ctr_pt_position_z=[0] * 3)
    done = crant(*GIVEN)
    assert [row[8:] for row in answer(done)] == [("1", "10000.0"), ("3", "50.0")]
    assert "1 of 3 sites are farther than 10,000 nm" in done.err
    assert [row[8] for row in answer(crant(*GIVEN, "--max-distance", 50))] == ["3"]
    assert [row[8] for row in answer(crant(*GIVEN, "--max-distance", "inf"))] == ["1", "2", "3"]
    assert [row[8] for row in answer(crant(*GIVEN, "--no-clean"))] == ["1", "2", "3"]
    done = crant(*GIVEN, "--max-distance", 49, "--json")
    assert ledger(done) == {"read": 3, "kept": 0, "distance": 3}
    assert "units" in done.err, "that most are far away is a hint"
    complaint(crant(*GIVEN, "--max-distance", -1), 2, "max-distance")
    complaint(crant(*GIVEN, "--max-distance", "nan"), 2, "max-distance")
    complaint(crant(*GIVEN, "--max-distance", 5, "--no-clean"), 2, "--max-distance", "--no-clean")


@pytest.mark.parametrize("more", [(), ("--no-clean",), ("--max-distance", "1e9"), ("--no-clean", "--no-post")])
def test_most_sites_far_away_put_the_units_in_doubt(crant: Crant, more: tuple[str, ...]) -> None:
    """A skeleton in micrometres under positions in nm: every site is about as far as the origin, cleaned or not."""
    where = {f"ctr_pt_position_{a}": [300_000.0, 301_000.0, math.nan, math.nan] for a in "xyz"}
    synapse_file(id=[1, 2, 3, 4], pre=[1] * 4, post=[9] * 4, **where)
    text_file("um/1.swc", "1 0 300 300 300 1 -1\n2 0 301 301 301 1 1\n")
    given = (*GIVEN[:4], "--skeletons", "um", *more, "-o", "-")
    done = crant(*given)
    assert len(answer(done)) == (2 if more else 0)
    assert done.err.count("most sites are farther than 10,000 nm from their skeletons; are the units of positions") == 1
    assert "units" not in crant(*given, "--skeleton-units", "um").err
    # One of two is no sign.
    synapse_file(id=[1, 2], pre=[1] * 2, post=[9] * 2, **{f"ctr_pt_position_{a}": [300.0, 301_000.0] for a in "xyz"})
    assert "units" not in crant(*given).err


@pytest.mark.parametrize("more", [(), ("--no-clean",)])
def test_positions_beyond_any_brain_are_no_place(crant: Crant, more: tuple[str, ...]) -> None:
    """Their squares are too large for a number; nobody is warned, and nothing fails."""
    x = [5.0, 1e154, 1e200, -1e308, 2.0**50]
    synapse_file(
        id=range(5), pre=[1] * 5, post=[9] * 5, ctr_pt_position_x=x, **{f"ctr_pt_position_{a}": [0.0] * 5 for a in "yz"}
    )
    done = crant(*GIVEN, *more)
    assert [row[8] for row in answer(done)] == ["0"]
    assert "4 of 5 sites have no position" in done.err


def test_the_threshold_counts_pairs_before_the_distance(crant: Crant) -> None:
    columns = {"id": [1, 2, 3], "pre": [1, 1, 1], "post": [9, 9, 8], "ctr_pt_position_x": [0, FAR, 0]}
    synapse_file(**columns, **{f"ctr_pt_position_{a}": [0.0] * 3 for a in "yz"}, size=[5, 7, 9])
    assert [row[8] for row in answer(crant(*GIVEN, "-t", 2))] == ["1"]
    assert ledger(crant(*GIVEN, "-t", 2, "--json")) == {"read": 3, "kept": 1, "threshold": 1, "distance": 1}
    assert [row[8] for row in answer(crant(*GIVEN, "--min-size", 9))] == ["3"]
    assert answer(crant(*GIVEN, "-t", 2, "--min-size", 7)) == []
    synapse_file()
    complaint(crant(*GIVEN, "--min-size", 9), 3, "--min-size", "size")


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1.0), ("um", 1000.0), ("pixels", 8.0)])
def test_units_of_skeletons(crant: Crant, unit: str, factor: float) -> None:
    synapse_file(id=[1], pre=[1], post=[9], **{f"ctr_pt_position_{a}": [factor * 4] for a in "xyz"})
    text_file("one/1.swc", "1 0 0 0 0 1 -1\n2 0 4 4 3 1 1\n")
    given = (*GIVEN[:4], "--skeletons", "one", "--skeleton-units", unit, "--voxel-size", "8,8,8")
    row = answer(crant(*given, "-o", "-"))[0]
    assert (row[7], float(row[9])) == ("2", factor)


def test_units_of_positions(crant: Crant) -> None:
    """Voxels become nanometres; what is recorded need not be said, and must not be contradicted."""
    voxels = {"ctr_pt_position_x": [1250], "ctr_pt_position_y": [1], "ctr_pt_position_z": [1]}
    synapse_file(id=[1], pre=[1], post=[9], **voxels)
    bare = ("attach", "s.parquet", "--skeletons", "swc")
    complaint(crant(*bare), 2, "--coordinates")
    complaint(crant(*bare, "--coordinates", "pixels"), 2, "--voxel-size")
    expected = ("10000.0", "8.0", "42.0", "pre", "9", "2", "1")
    told = ("--coordinates", "pixels", "--voxel-size", "8,8,42")
    assert answer(crant(*bare, *told))[0][2:9] == expected
    assert crant("synapses", "s.parquet", *told, "-o", "known.parquet").code == 0
    assert answer(crant("attach", "known.parquet", "--skeletons", "swc"))[0][2:9] == expected
    complaint(crant("attach", "known.parquet", "--skeletons", "swc", "--coordinates", "nm"), 3, "pixels")
    complaint(crant("attach", "known.parquet", "--skeletons", "swc", "--voxel-size", "4,4,40"), 3, "8,8,42")
    assert answer(crant(*bare, "--coordinates", "pixels", "--voxel-size", "0.5,3.58,42"))[0][2:5] == (
        "625.0",
        "3.58",
        "42.0",
    )
    complaint(crant(*GIVEN, "--skeleton-units", "pixels"), 2, "--skeleton-units", "--voxel-size")


@pytest.mark.parametrize("name", ["s.parquet", "s.feather"])
def test_positions_in_lists(crant: Crant, name: str) -> None:
    columns = {"id": [1, 2, 3], "pre": [1] * 3, "post": [9] * 3}
    synapse_file(name, **columns, pre_pt_position=[[1, 2, 3.5], None, [1, None, 3]], post_pt_position=[[0, 0, 0]] * 3)
    done = crant("attach", name, *GIVEN[2:], "--json", "-o", "c.csv")
    assert done.code == 0, done.err
    rows = list(csv.reader(Path("c.csv").read_text().splitlines()))
    assert [row[2:5] + row[8:9] for row in rows[1:]] == [["1.0", "2.0", "3.5", "1"]]
    assert json.loads(done.out)["sites"]["removed"] == {"position": 2, "empty": 0, "distance": 0}
    assert ledger(done) == {"read": 3, "kept": 1, "distance": 2}
    assert "2 of 3 sites have no position" in done.err
    assert "CSV does not record units" in done.err


def test_sites_without_a_position(crant: Crant) -> None:
    """NaN and infinity are no place; a synapse counts as long as it has one site."""
    x = [0.0, math.nan, math.inf, 0.0]
    where = {"pre_pt_position_x": x, "pre_pt_position_y": [0.0] * 4, "pre_pt_position_z": [0.0, 0, 0, math.nan]}
    where |= {f"post_pt_position_{a}": [0.0] * 4 for a in "xyz"}
    synapse_file(id=[1, 2, 3, 4], pre=[1] * 4, post=[2, 2, 9, 9], **where)
    done = crant(*GIVEN, "--json", "-o", "c.parquet")
    assert ledger(done) == {"read": 4, "kept": 2, "distance": 2}
    told = json.loads(done.out)["sites"]
    assert (told["found"], told["attached"], told["removed"]["position"]) == (6, 3, 3)
    assert answer(crant(*GIVEN, "--no-clean", "--no-post"))[0][8] == "1", "nor without cleaning"


def test_synapses_without_ids(crant: Crant) -> None:
    where = {"ctr_pt_position_x": [300, 100, 200], "ctr_pt_position_y": [0] * 3, "ctr_pt_position_z": [0] * 3}
    parquet_file("s.parquet", pre=[1, 1, 1], post=[9, 9, 8], **where)
    done = crant(*GIVEN)
    assert [(row[1], row[2], row[6], row[8]) for row in answer(done)] == [
        ("0", "200.0", "8", ""), ("1", "100.0", "9", ""), ("2", "300.0", "9", ""),
    ]  # fmt: skip
    assert "no id column" in done.err
    assert crant(*GIVEN, "-o", "c.parquet").code == 0
    assert str(pq.read_schema("c.parquet").field("synapse_id").type) == "int64"


def test_selected_neurons(crant: Crant) -> None:
    synapse_file()
    done = crant(*GIVEN, "-n", "2,7")
    assert {site[0] for site in sites(done)} == {"2"}
    assert "1 of 2 selected neurons have no skeleton, such as 7" in done.err
    complaint(crant(*GIVEN, "-n", "7,8"), 3, "none of the 2 selected", "7")
    text_file("a.csv", "root_id,cell_type\n1,ER2\n2,ER3\n")
    done = crant(*GIVEN, "-n", "cell_type=ER2", "-a", "a.csv", "-o", "c.parquet")
    assert done.code == 0, done.err
    assert record("c.parquet")["selection"]["neurons"] == {"named": ["cell_type=ER2"], "neurons": 1}
    assert set(pd.read_parquet("c.parquet")["neuron_id"]) == {1}


def test_silent_neurons_and_skeletons(crant: Crant) -> None:
    """An empty skeleton, one of a single node, one without synapses: each in the summary, and told."""
    synapse_file()
    text_file("swc/2.swc", "# nothing yet\n")
    text_file("swc/3.swc", "7 1 5 5 5 1 -1\n")
    text_file("swc/9.swc", "7 1 500 0 0 1 -1\n")
    done = crant(*GIVEN, "--summary", "sum.csv", "-o", "c.parquet", "--json")
    assert done.code == 0, done.err
    assert "1 of 4 skeletons have no nodes, such as that of 2; 2 sites" in done.err
    assert "1 of 4 skeletons have no synapses here, such as 3" in done.err
    rows = {row["neuron_id"]: row for row in csv.DictReader(Path("sum.csv").read_text().splitlines())}
    assert list(rows) == ["1", "2", "3", "9"]
    short = {n: [row[c] for c in ("nodes", "cable_um", "sites", "pre_sites", "post_sites")] for n, row in rows.items()}
    assert short["1"] == ["3", "20.0", "2", "2", "0"]
    assert short["2"] == ["0", "0.0", "0", "0", "0"]
    assert short["3"] == ["1", "0.0", "0", "0", "0"]
    assert short["9"] == ["1", "0.0", "2", "1", "1"]
    assert (rows["2"]["not_placed"], rows["3"]["median_distance_nm"], rows["3"]["sites_per_um"]) == ("2", "", "")
    assert (rows["1"]["median_distance_nm"], rows["1"]["sites_per_um"]) == ("150.0", "0.1")
    assert rows["9"]["median_distance_nm"] == "250.0"
    assert {row[0] for row in tuples(pd.read_parquet("c.parquet"))} == {1, 9}
    assert json.loads(done.out)["skeletons"] == {"given": 4, "nodes": 5, "empty": 1, "without_sites": 1}


def test_the_summary_counts_far_sites_and_medians(crant: Crant) -> None:
    columns = {"id": [1, 2, 3, 4], "pre": [1] * 3 + [9], "post": [9] * 3 + [1]}
    synapse_file(
        **columns, ctr_pt_position_x=[0.0, 0, FAR, 0], ctr_pt_position_y=[1.0, 5, 0, 7], ctr_pt_position_z=[0] * 4
    )
    assert crant(*GIVEN, "-n", 1, "--summary", "sum.parquet").code == 0
    row = pd.read_parquet("sum.parquet").iloc[0].to_dict()
    assert row == {
        "neuron_id": 1, "nodes": 3, "cable_um": 20.0, "sites": 3, "pre_sites": 2, "post_sites": 1, "too_far": 1,
        "not_placed": 0, "median_distance_nm": 5.0, "sites_per_um": 0.15,
    }  # fmt: skip
    assert record("sum.parquet")["rows"] == 1
    shown = crant("info", "sum.parquet").text
    assert "summary of connectors" in shown
    assert "1  distance" in shown


def test_without_synapses_there_is_an_empty_table(crant: Crant) -> None:
    synapse_file(id=[1], pre=[8], post=[9])
    assert crant(*GIVEN, "-o", "c.parquet", "--summary", "s.csv", "--plot", "p.png").code == 0
    found = pq.read_table("c.parquet")
    assert (found.num_rows, tuple(found.column_names)) == (0, COLUMNS)
    assert [str(found.schema.field(name).type) for name in ("x", "node_id", "partner_id", "type")] == [
        "double", "int64", "int64", "string",
    ]  # fmt: skip
    assert len(Path("s.csv").read_text().splitlines()) == 3
    done = crant(*GIVEN, "-o", "d.parquet", "--fail-empty")
    complaint(done, 4, "nothing is left")
    assert not Path("d.parquet").exists()


# -------------------------------------------------------------------------------------------------- whose skeleton


def test_ids_near_those_of_crant_stay_apart(crant: Crant) -> None:
    synapse_file(id=[1, 2], pre=[ONE, TWO], post=[TWO, 9])
    for neuron in (ONE, TWO):
        text_file(f"ids/{neuron}.swc", LINE)
    done = crant(*GIVEN[:4], "--skeletons", "ids", "-o", "c.parquet")
    assert done.code == 0, done.err
    found = pd.read_parquet("c.parquet")
    assert list(zip(found["neuron_id"], found["type"], found["partner_id"], strict=True)) == [
        (ONE, "pre", TWO), (TWO, "post", ONE), (TWO, "pre", 9),
    ]  # fmt: skip


def test_text_ids(crant: Crant) -> None:
    synapse_file(id=[1, 2], pre=["NA", "007"], post=["007", "é b"])
    for neuron in ("NA", "007", "é b"):
        text_file(f"ids/{neuron}.swc", LINE)
    assert [row[:2] for row in sites(crant(*GIVEN[:4], "--skeletons", "ids", "--null-text", ""))] == [
        ("007", "1"), ("007", "2"), ("NA", "1"), ("é b", "2"),
    ]  # fmt: skip


def test_a_name_that_is_no_id(crant: Crant) -> None:
    synapse_file()
    text_file("swc/mine.swc", LINE)
    complaint(crant(*GIVEN), 3, "mine.swc", "--id-map")
    Path("swc/mine.swc").rename("swc/5.76460752641834E+17.swc")
    complaint(crant(*GIVEN), 3, "E+17", "floating-point")


def test_an_id_map(crant: Crant) -> None:
    synapse_file()
    text_file("named/a.swc", LINE)
    text_file("named/deep/b.swc", LINE)
    text_file("named/c.swc", "not read\n")
    given = (*GIVEN[:4], "--skeletons", "named", "--id-map")
    text_file("map.csv", "name,neuron_id\na,1\nb.swc,2\nd,5\n")
    done = crant(*given, "map.csv", "-o", "c.parquet")
    assert done.code == 0, done.err
    assert set(pd.read_parquet("c.parquet")["neuron_id"]) == {1, 2}
    assert "1 skeleton is not in --id-map" in done.err
    assert "named/c.swc" in done.err
    assert "1 name in --id-map without a skeleton, such as d" in done.err
    assert [source["name"] for source in record("c.parquet")["inputs"]] == ["s.parquet", "map.csv", "named"]
    pd.DataFrame({"name": ["a"], "neuron_id": [2]}).to_parquet("map.parquet")
    assert {site[0] for site in sites(crant(*given, "map.parquet"))} == {"2"}
    for content, words in {
        "name,neuron_id\na,1\nb,1\n": ("neuron 1 has two skeletons", "a.swc", "b.swc"),
        "name,neuron_id\na,1\na,2\n": ("a stands for two neurons", "1 and 2"),
        "name,neuron_id\na,1.5e17\n": ("map.csv", "floating-point"),
        "name,neuron_id\na,x\n": ("map.csv", "x"),
        "name,root_id\na,1\n": ("neuron_id", "root_id"),
        "title,neuron_id\na,1\n": ("name", "title"),
        "name,neuron_id\nz,1\n": ("none of the skeletons", "a, b, c"),
    }.items():
        text_file("bad.csv", content)
        complaint(crant(*given, text_file("map.csv", content)), 3, *words)
    complaint(crant(*given, "nowhere.csv"), 2, "nowhere.csv")
    complaint(crant(*given, "map.csv", "-o", "map.csv"), 2, "map.csv", "input")


def test_a_neuron_with_two_skeletons(crant: Crant) -> None:
    synapse_file()
    text_file("swc/copy/1.swc", LINE)
    complaint(crant(*GIVEN), 3, "neuron 1 has two skeletons", "copy/1.swc")
    done = crant(*GIVEN[:4], "--skeletons", "swc/1.swc", "--skeletons", "swc/2.swc", "--skeletons", "swc/1.swc")
    assert len(sites(done)) == 4


def test_where_skeletons_may_be(crant: Crant) -> None:
    """A file, a folder, a pattern, a zip, and the data set's own."""
    synapse_file()
    whole = sites(crant(*GIVEN))
    assert sites(crant(*GIVEN[:4], "--skeletons", "sw?/*.swc")) == whole
    with zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write("swc/1.swc", "some/folder/1.swc")
        archive.write("swc/2.swc", "other/2.SWC")
        archive.writestr("__MACOSX/._1.swc", b"\0\5")
        archive.writestr("readme.txt", "no skeleton")
    done = crant(*GIVEN[:4], "--skeletons", "z.zip", "-o", "c.parquet", "--plot", "p.svg")
    assert done.code == 0, done.err
    found = pd.read_parquet("c.parquet")
    assert [tuple(map(str, row)) for row in found[["neuron_id", "synapse_id", "type", "node_id"]].to_numpy()] == whole
    text_file("brain.toml", '[files]\nsynapses = "s.parquet"\nskeletons = "swc"\ncoordinates = "nm"\n')
    assert sites(crant("attach", "-d", "brain.toml")) == whole
    assert len(sites(crant("attach", "-d", "brain.toml", "--skeletons", "swc/1.swc"))) == 2
    text_file("bare.toml", '[files]\nsynapses = "s.parquet"\ncoordinates = "nm"\n')
    complaint(crant("attach", "-d", "bare.toml"), 2, "--skeletons", "[files]")
    complaint(crant("attach", "s.parquet"), 2, "--skeletons")
    complaint(crant(*GIVEN[:4], "--skeletons", "s.parquet"), 2, "s.parquet", ".swc")
    complaint(crant(*GIVEN[:4], "--skeletons", "nowhere"), 2, "nowhere")
    complaint(crant(*GIVEN[:4], "--skeletons", "no*.swc"), 2, "no*.swc")
    Path("empty").mkdir()
    complaint(crant(*GIVEN[:4], "--skeletons", "empty"), 2, "empty", ".swc")


def test_no_output_overwrites_a_skeleton(crant: Crant) -> None:
    synapse_file()
    Path("swc/3.swc").hardlink_to("swc/1.swc")
    Path("out.csv").hardlink_to("swc/2.swc")
    Path("swc/3.swc").unlink()
    complaint(crant(*GIVEN, "-o", "out.csv"), 2, "out.csv", "input")
    complaint(crant(*GIVEN, "--summary", "out.csv"), 2, "out.csv", "input")
    assert Path("swc/2.swc").read_text() == LINE


# -------------------------------------------------------------------------------------------------- usage, outputs


def test_wrong_usage(crant: Crant) -> None:
    synapse_file()
    text_file("edges.csv", "pre,post,weight\n1,2,3\n")
    complaint(crant("attach", "edges.csv", *GIVEN[2:]), 3, "edges", "one row per synapse")
    complaint(crant(*GIVEN, "--plot", "p.bmp"), 2, "p.bmp", ".png")
    complaint(crant(*GIVEN, "--summary", "s.txt"), 2, "s.txt", ".csv")
    complaint(crant(*GIVEN, "-o", "c.npz"), 2, "c.npz", ".parquet")
    complaint(crant(*GIVEN, "-o", "c.csv", "--summary", "c.csv"), 2, "c.csv")
    complaint(crant(*GIVEN, "-o", "-", "--json"), 2, "stdout")
    complaint(crant(*GIVEN, "--skeleton-units", "mm"), 2, "mm")
    complaint(crant(*GIVEN, "--voxel-size", "8,8"), 2, "8,8")
    complaint(crant("attach", "nowhere.parquet", *GIVEN[2:]), 2, "nowhere.parquet")


@pytest.mark.parametrize("suffix", ["parquet", "feather", "csv", "csv.gz", "tsv"])
def test_formats_say_the_same(crant: Crant, suffix: str) -> None:
    synapse_file()
    expected = answer(crant(*GIVEN))
    done = crant(*GIVEN, "-o", f"c.{suffix}")
    assert done.code == 0, done.err
    readers: dict[str, Any] = {"parquet": pd.read_parquet, "feather": pd.read_feather}
    found = readers.get(suffix, lambda path: pd.read_csv(path, sep="\t" if suffix == "tsv" else ","))(f"c.{suffix}")
    assert [tuple(map(str, row)) for row in tuples(found)] == expected
    shown = json.loads(crant("info", f"c.{suffix}", "--json").out)
    assert (shown["kind"], shown["rows"], shown["columns"]) == ("connectors", 4, list(COLUMNS))
    if suffix in readers:
        assert found.attrs["crantcli"] == {"units": "nm"}
        told = record(f"c.{suffix}")
        assert told["options"]["max_distance"] == 10_000
        assert told["complete_for"] == {
            "inputs_of": ["1", "2"], "outputs_of": ["1", "2"], "origin": "unknown", "thinned_by": "",
        }  # fmt: skip
        assert told["inputs"][1] == {**told["inputs"][1], "name": "swc", "files": 2, "bytes": 2 * len(LINE)}
        assert told["ledger"]["kept"] == 3


def test_the_same_bytes_every_time(crant: Crant) -> None:
    """Whatever the number of threads; and another skeleton is another input."""

    def made(name: str, *more: object) -> list[bytes]:
        sample = ("attach", "-d", SAMPLE / "sample.toml", *more)
        assert crant(*sample, "-o", f"{name}.parquet", "--summary", f"{name}.feather").code == 0
        # A picture of two takes less time than one of ten.
        assert crant(*sample, "-n", "cell_type=ER2", "-o", f"{name}.csv", "--plot", f"{name}.pdf").code == 0
        return [Path(f"{name}.{suffix}").read_bytes() for suffix in ("parquet", "feather", "csv", "pdf")]

    first = made("a", "--threads", 1)
    assert made("b", "--threads", 3) == first
    synapse_file()
    fingerprints = []
    for line in (LINE, LINE.replace("20000", "20001")):
        text_file("swc/2.swc", line)
        assert crant(*GIVEN, "-o", "c.parquet").code == 0
        fingerprints.append(record("c.parquet")["inputs"][1]["sha256"])
    assert len(set(fingerprints)) == 2


def test_large_folders_have_a_quicker_fingerprint(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    synapse_file()
    monkeypatch.setattr("crantcli.sources.shapes.skeletons.WHOLE_FINGERPRINT", 10)
    assert crant(*GIVEN, "-o", "c.parquet").code == 0
    first = record("c.parquet")["inputs"][1]["sha256"]
    text_file("swc/2.swc", LINE.replace("20000", "20001"))
    assert crant(*GIVEN, "-o", "c.parquet").code == 0
    assert first.startswith("crc32:")
    assert record("c.parquet")["inputs"][1]["sha256"] != first


def test_connectors_name_neurons_for_the_next_command(crant: Crant) -> None:
    synapse_file()
    assert crant(*GIVEN, "-o", "c.parquet").code == 0
    assert answer(crant("counts", "s.parquet", "-n", "@c.parquet:partner_id")) == [
        ("2", "0", "2", "0", "2"), ("9", "1", "1", "1", "1"), ("1", "2", "0", "2", "0"),
    ]  # fmt: skip


def test_a_failure_leaves_nothing(crant: Crant) -> None:
    """A skeleton that is broken shows only when it is read."""
    synapse_file()
    text_file("swc/2.swc", LINE + "6 0 1 2\n")
    text_file("c.parquet", "old")
    Path("spill").mkdir()
    complaint(crant(*GIVEN, "-o", "c.parquet", "--plot", "p.png", "--tmp-dir", "spill"), 3, "swc/2.swc, line 4")
    assert Path("c.parquet").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["c.parquet", "s.parquet", "spill", "swc"]
    assert list(Path("spill").iterdir()) == []
