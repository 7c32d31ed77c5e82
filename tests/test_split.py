"""`crantcli attach --split`: axon, dendrite and linker, against paths that are counted one by one."""

from __future__ import annotations

import csv
import json
import math
import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Crant
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import SETTINGS
from tables import answer, complaint, parquet_file, record, text_file

import crantcli as cc
from crantcli.core.geometry.compartments import COMPARTMENTS, OUTCOMES, Split, SplitCounts, segregation_index, split
from crantcli.core.geometry.forest import Forest
from crantcli.core.geometry.nearest import SiteAttacher, SiteCounts
from crantcli.core.geometry.skeleton import Skeleton
from crantcli.core.questions.attach import Attach
from crantcli.core.sites.compartments import synapses_with_compartments
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.output.figures.arbors import COMPARTMENT_COLOURS, Arbor, draw_arbors

Parents = dict[int, int]
Sites = Counter[int]


# ------------------------------------------------------------------------------------------------- the naive rules


def neighbours(parents: Parents) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {node: set() for node in parents}
    for node, parent in parents.items():
        if parent >= 0:
            found[node].add(parent)
            found[parent].add(node)
    return found


def pieces(nodes: set[int], beside: Mapping[int, set[int]]) -> list[set[int]]:
    """Connected sets of nodes."""
    left, found = set(nodes), []
    while left:
        piece, new = set[int](), {min(left)}
        while new:
            piece |= new
            new = {other for node in new for other in beside[node] if other in nodes} - piece
        left -= piece
        found.append(piece)
    return found


def way(start: int, end: int, beside: Mapping[int, set[int]], within: set[int] | None = None) -> list[int]:
    """The nodes from one to another; empty where they are not connected."""
    came, waiting = {start: start}, deque([start])
    while waiting:
        node = waiting.popleft()
        for other in beside[node] - came.keys():
            if within is None or other in within:
                came[other] = node
                waiting.append(other)
    if end not in came:
        return []
    found = [end]
    while found[-1] != start:
        found.append(came[found[-1]])
    return found


def counted_flow(parents: Parents, pre: Sites, post: Sites) -> dict[frozenset[int], int]:
    """Each path from an input to an output, edge by edge."""
    beside = neighbours(parents)
    flow: Counter[frozenset[int]] = Counter()
    for start, inputs in post.items():
        for end, outputs in pre.items():
            path = way(start, end, beside)
            for edge in pairwise(path):
                flow[frozenset(edge)] += inputs * outputs
    return flow


def naive(parents: Parents, pre: Sites, post: Sites) -> tuple[str, dict[int, str], dict[int, int]]:
    """What became of the neuron, the compartment of each node, and the flow from each to its parent."""
    beside, edges = neighbours(parents), counted_flow(parents, pre, post)
    flow = {node: edges[frozenset((node, parent))] for node, parent in parents.items()}
    code = dict.fromkeys(parents, "unknown")

    def number(sites: Sites, nodes: set[int]) -> int:
        return sum(sites[node] for node in nodes)

    trees = pieces(set(parents), beside)
    if not trees:
        return "few", code, flow
    tree = min(trees, key=lambda nodes: (-number(pre, nodes) * number(post, nodes), min(nodes)))
    if min(number(pre, tree), number(post, tree)) < 5:
        return "few", code, flow
    most = max(flow[node] for node in tree)
    strong = [edge for edge, paths in edges.items() if edge <= tree and 10 * paths >= 9 * most]
    if not most:
        return "undivided", code, flow
    linker = set().union(*strong)
    rest = tree - linker
    all_pre, all_post = number(pre, rest), number(post, rest)
    found: dict[str, set[int]] = {"axon": set(), "dendrite": set()}
    small = []
    for piece in pieces(rest, beside):
        shares = [number(pre, piece) / all_pre if all_pre else 0, number(post, piece) / all_post if all_post else 0]
        if max(shares) < 0.01:
            small.append(piece)
        else:
            found["axon" if shares[0] >= shares[1] else "dendrite"] |= piece
    for kind in ("axon", "dendrite"):
        own = found[kind]
        joined = {
            node
            for node in linker
            if any(
                node in way(one, other, beside, linker | own)
                for one in own & set().union(*(beside[n] for n in linker))
                for other in own & set().union(*(beside[n] for n in linker))
            )
        }
        found[kind] = own | joined
        linker -= joined
    told = {**dict.fromkeys(linker, "linker"), **{node: kind for kind, nodes in found.items() for node in nodes}}
    hung = {}
    for piece in small:
        kinds = {told[other] for node in piece for other in beside[node] - piece}
        hung.update(dict.fromkeys(piece, kinds.pop() if len(kinds) == 1 else "linker"))
    told |= hung
    if not {"axon", "dendrite"} <= set(told.values()):
        return "undivided", code, flow
    return "split", code | told, flow


# ------------------------------------------------------------------------------------------------------ neurons


@st.composite
def neurons(draw: st.DrawFn) -> tuple[Parents, Sites, Sites]:
    """Trees, nodes numbered in any order, with inputs and outputs that tend to lie apart."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    count = chance.choice([1, 2, 5, 12, 30])
    roots, straight = chance.choice([0, 0.1]), chance.choice([0.2, 0.8])
    ids = list(range(count))
    if chance.random() < 0.5:
        ids = chance.sample(range(3 * count), count)
    parents: Parents = {}
    for place, node in enumerate(ids):
        alone = not place or chance.random() < roots
        parents[node] = -1 if alone else ids[place - 1 if chance.random() < straight else chance.randrange(place)]
    cut, mixed = chance.randrange(count), chance.choice([0.0, 0.1, 0.5])
    sites: dict[str, Sites] = {"pre": Counter(), "post": Counter()}
    for _ in range(chance.choice([0, 8, 20, 60, 300])):
        place = chance.randrange(count)
        side = (place > cut) != (chance.random() < mixed)
        sites["pre" if side else "post"][ids[place]] += 1
    return parents, sites["pre"], sites["post"]


def skeleton(parents: Parents) -> Skeleton:
    made, orphans = Skeleton.linked(
        np.array(list(parents), dtype=np.int64),
        np.array(list(parents.values()), dtype=np.int64),
        np.zeros((len(parents), 3)),
    )
    assert not len(orphans)
    return made


def divided(parents: Parents, pre: Sites, post: Sites) -> tuple[Split, dict[int, str], dict[int, int]]:
    made = skeleton(parents)
    ids = made.node_id.tolist()
    found = split(made, *(np.array([sites[node] for node in ids], dtype=np.int64) for sites in (pre, post)))
    told = {node: COMPARTMENTS[code] for node, code in zip(ids, found.code.tolist(), strict=True)}
    return found, told, dict(zip(ids, found.flow.tolist(), strict=True))


def line(*sites: tuple[int, int]) -> tuple[Parents, Sites, Sites]:
    """A chain of nodes with so many outputs and inputs each."""
    parents = {node: node - 1 for node in range(len(sites))}
    return parents, *(Counter({node: pair[side] for node, pair in enumerate(sites) if pair[side]}) for side in (0, 1))


#: Inputs at one end, outputs at the other.
CLEAR = line((0, 5), (0, 1), (0, 1), (0, 0), (0, 0), (2, 0), (1, 0), (4, 0))


def tree(parents: list[int], pre: list[int], post: list[int]) -> tuple[Parents, Sites, Sites]:
    """Nodes 0, 1, ... with so many outputs and inputs each."""
    return dict(enumerate(parents)), Counter(dict(enumerate(pre))), Counter(dict(enumerate(post)))


#: Two inputs' tips, 0 and 1, and two outputs' tips, 6 and 7, with a linker of nodes 2 to 5, and a twig off it, 8.
FORKS = [2, 2, -1, 2, 3, 4, 5, 5, 3]

#: A twig of one input of 100, and of 101: a dendrite of its own, and none.
TWIG, TWIGLET = (
    tree(FORKS, [0, 0, 0, 0, 0, 0, 60, 60, 0], [50, number - 51, 0, 0, 0, 0, 0, 0, 1]) for number in (100, 101)
)

#: A twig with as large a part of the outputs as of the inputs.
EVEN = tree(FORKS, [0, 0, 0, 0, 0, 0, 48, 48, 2], [24, 24, 0, 0, 0, 0, 0, 0, 1])

#: Node 2 has less flow than both its neighbours: 1 is axon, 3 linker.
BETWEEN = tree(
    [-1, 0, 1, 2, 3, 4, 5, 1, 0, 0, 6, 6],
    [0, 0, 0, 1, 107, 0, 0, 12, 440, 440, 0, 0],
    [0, 4, 0, 0, 0, 0, 0, 11, 25, 25, 467, 468],
)

#: Two equal trees. The lowest ID is in the one, and the lowest tip in the other.
EQUAL: tuple[Parents, Sites, Sites] = ({-1: -1}, Counter(), Counter())
for _ids in ([10, 0, 12, 13, 14, 15, 16, 17], [21, 22, 23, 24, 25, 26, 27, 5]):
    EQUAL[0].update(
        {node: _ids[parent] if parent >= 0 else -1 for node, parent in zip(_ids, CLEAR[0].values(), strict=True)}
    )
    for _all, _sites in zip(EQUAL[1:], CLEAR[1:], strict=True):
        _all.update({_ids[node]: number for node, number in _sites.items()})
del EQUAL[0][-1]


@SETTINGS
@example(neuron=CLEAR)
@example(neuron=TWIG)
@example(neuron=TWIGLET)
@example(neuron=EVEN)
@example(neuron=BETWEEN)
@example(neuron=EQUAL)
@example(neuron=line((6, 6)))
@example(neuron=line((0, 5), (0, 0), (5, 0)))
@given(neuron=neurons())
def test_compartments_are_those_of_paths_counted_one_by_one(neuron: tuple[Parents, Sites, Sites]) -> None:
    outcome, told, flow = naive(*neuron)
    found, compartments, flows = divided(*neuron)
    assert flows == flow
    assert OUTCOMES[found.outcome] == outcome
    assert compartments == told


def rerooted(parents: Parents, root: int) -> Parents:
    """The same tree, with another root."""
    made, above = dict(parents), -1
    while root >= 0:
        made[root], above, root = above, root, parents[root]
    return made


@SETTINGS
@given(neuron=neurons(), seed=st.integers(0, 2**32 - 1))
def test_the_root_and_the_order_of_nodes_do_not_matter(neuron: tuple[Parents, Sites, Sites], seed: int) -> None:
    parents, pre, post = neuron
    chance = random.Random(seed)
    found, compartments, _ = divided(parents, pre, post)
    other, same, _ = divided(rerooted(parents, chance.choice(list(parents))), pre, post)
    assert (other.outcome, same) == (found.outcome, compartments)
    shuffled = chance.sample(list(parents), len(parents))
    assert divided({node: parents[node] for node in shuffled}, pre, post)[1] == compartments
    if sum(parent < 0 for parent in parents.values()) == 1:
        # Another numbering; among equal trees the lowest ID decides.
        new = dict(zip(parents, chance.sample(range(9999), len(parents)), strict=True)) | {-1: -1}
        renumbered = {new[node]: new[parent] for node, parent in parents.items()}
        again = divided(renumbered, *(Counter({new[n]: k for n, k in sites.items()}) for sites in (pre, post)))[1]
        assert {node: again[new[node]] for node in parents} == compartments


@SETTINGS
@given(neuron=neurons(), seed=st.integers(0, 2**32 - 1))
def test_sums_and_ancestors_of_trees(neuron: tuple[Parents, Sites, Sites], seed: int) -> None:
    chance = random.Random(seed)
    parents = {place: chance.randrange(-1, place) for place in range(len(neuron[0]))}
    forest = Forest(np.array(list(parents.values()), dtype=np.int64))
    values = [chance.randint(-3, 9) for _ in parents]
    chosen = [chance.random() < 0.3 for _ in parents]
    sums, above = dict(enumerate(values)), {}
    for node in reversed(parents):
        if parents[node] >= 0:
            sums[parents[node]] += sums[node]
    for node, parent in parents.items():
        above[node] = node if chosen[node] else above[parent] if parent >= 0 else -1
    assert forest.sums(np.array(values)).tolist() == list(sums.values())
    assert forest.nearest_above(np.array(chosen)).tolist() == list(above.values())


def test_by_hand() -> None:
    """Seven inputs, seven outputs: 49 paths over the middle; two inputs less than that is below nine tenths."""
    found, told, flow = divided(*CLEAR)
    assert flow == {0: 0, 1: 35, 2: 42, 3: 49, 4: 49, 5: 49, 6: 35, 7: 28}
    assert [told[node] for node in range(8)] == [*["dendrite"] * 2, *["linker"] * 4, *["axon"] * 2]
    assert OUTCOMES[found.outcome] == "split"
    few = line((0, 4), (0, 0), (0, 0), (9, 0))
    assert OUTCOMES[divided(*few)[0].outcome] == "few"
    assert set(divided(*few)[1].values()) == {"unknown"}


def test_the_cell_body_fibre_belongs_to_what_it_hangs_on() -> None:
    """A soma off the linker is linker, one off the dendrite is dendrite."""
    parents, pre, post = CLEAR
    for at, expected in ((3, "linker"), (0, "dendrite"), (7, "axon")):
        whole = {**parents, 90: at, 91: 90, 92: 91}
        told = divided(whole, pre, post)[1]
        assert {told[node] for node in (90, 91, 92)} == {expected}
        assert divided(rerooted(whole, 92), pre, post)[1] == told


def test_small_pieces() -> None:
    assert [divided(*given)[1][8] for given in (TWIG, TWIGLET, EVEN)] == ["dendrite", "linker", "axon"]
    told = divided(*BETWEEN)[1]
    assert [told[node] for node in (1, 2, 3)] == ["axon", "linker", "linker"]
    told = divided(*EQUAL)[1]
    assert (told[17], told[5]) == ("axon", "unknown")


def test_loose_pieces_are_unknown() -> None:
    parents, pre, post = CLEAR
    loose = {**parents, 50: -1, 51: 50}
    _, told, flow = divided(loose, pre, post + Counter({51: 3}))
    assert (told[50], told[51], flow[51]) == ("unknown", "unknown", 0)
    assert {told[node] for node in parents} == {"axon", "dendrite", "linker"}


def test_segregation() -> None:
    assert segregation_index(np.array([7, 0]), np.array([0, 9])) == 1
    assert segregation_index(np.array([2, 4]), np.array([3, 6])) == pytest.approx(0, abs=1e-15)
    assert math.isnan(segregation_index(np.array([0, 0]), np.array([3, 6])))
    p, q = 3 / 4, 1 / 4
    mixed = -(p * math.log(p) + q * math.log(q))  # 4 sites here, 4 there, half of all are inputs
    assert segregation_index(np.array([3, 1]), np.array([1, 3])) == pytest.approx(1 - mixed / math.log(2))


# ---------------------------------------------------------------------------------------------- one pass, in pieces


class Rows:
    """A batch of sites in plain arrays."""

    def __init__(self, columns: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["place"])

    def array(self, name: str) -> np.ndarray[Any, Any]:
        return self.columns[name]

    def extended(self, keep: np.ndarray[Any, Any], columns: Mapping[str, Any]) -> Rows:
        return Rows({name: values[keep] for name, values in {**self.columns, **columns}.items()})


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_batches_may_be_cut_anywhere(size: int, threads: int) -> None:
    """A compartment needs all sites of its neuron, in however many batches they come; far ones do not count."""
    rng = np.random.default_rng(2)
    places = np.array([0] * 40 + [1] * 3 + [2] * 60 + [4] * 25)
    whole = {
        "place": places, "side": rng.integers(0, 2, len(places)), "row": np.arange(len(places)),
        "x": rng.integers(0, 12, len(places)).astype(float), "y": np.zeros(len(places)), "z": np.zeros(len(places)),
    }  # fmt: skip
    whole["side"] = np.where(rng.random(len(places)) < 0.9, whole["x"] > 6, whole["side"]).astype(np.int64)
    whole["y"][::9] = 50.0
    chain = Skeleton(np.arange(12), np.arange(-1, 11), np.stack([np.arange(12.0), *[np.zeros(12)] * 2], axis=1))

    def batches() -> Iterator[Rows]:
        for start in range(0, len(places), size):
            yield Rows({name: values[start : start + size] for name, values in whole.items()})

    tally, seen = SiteCounts.empty(5, split=True), np.zeros(len(places), dtype=bool)
    out = list(SiteAttacher(lambda place: chain, tally, seen, 10.0, threads, False)(batches()))
    tally.check()
    keep = whole["y"] < 10
    expected, outcomes = [], []
    for place in range(5):
        mine = keep & (places == place)
        at, side = whole["x"][mine].astype(int), whole["side"][mine]
        found = split(chain, *(np.bincount(at[side == s], minlength=12) for s in (0, 1)))
        expected += found.code[at].tolist()
        outcomes.append(found.outcome)
    assert np.concatenate([batch.array("compartment") for batch in out]).tolist() == expected
    assert tally.split is not None
    assert tally.split.outcome.tolist() == outcomes
    assert Counter(OUTCOMES[outcome] for outcome in outcomes) == {"split": 3, "few": 2}
    told = np.bincount(np.array(expected), minlength=4)
    assert tally.split.sites.sum(axis=(0, 1)).tolist() == told.tolist()


# ---------------------------------------------------------------------------------------------------- the command

GIVEN = ("s.parquet", "--coordinates", "nm", "--skeletons", "swc")

#: Nodes at 0, 1, ..., 7 um along x, the first one the root.
CHAIN = "".join(f"{n + 1} 0 {1000 * n} 0 0 1 {n or -1}\n" for n in range(8))


@pytest.fixture
def _two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neuron 1 has inputs at its nodes 1 to 3 and outputs at 6 to 8, and a loose node; neuron 2 has inputs only."""
    monkeypatch.chdir(tmp_path)
    text_file("swc/1.swc", CHAIN + "20 0 5000 3000 0 1 -1\n")
    text_file("swc/2.swc", CHAIN)
    text_file("swc/3.swc", CHAIN)
    at = [0] * 5 + [1, 2] + [5, 5, 6] + [7] * 4
    number = len(at)
    columns: dict[str, Any] = {
        "id": list(range(1, number + 2)),
        "pre": [9] * 7 + [1] * 7 + [9],
        "post": [1] * 7 + [2, 8] * 3 + [2, 1],
        "size": list(range(20, 20 + number + 1)),
        "neuropil": ["A", "B"] * 7 + ["A"],
        "ctr_pt_position_x": [1000 * place for place in at] + [5000],
        "ctr_pt_position_y": [0] * number + [2900],
        "ctr_pt_position_z": [0] * (number + 1),
    }
    parquet_file("s.parquet", **columns)


@pytest.mark.usefixtures("_two")
def test_every_connector_has_a_compartment(crant: Crant) -> None:
    done = crant(
        "attach", *GIVEN, "--split", "-o", "c.parquet", "--summary", "sum.csv", "--synapses", "t.parquet", "--json"
    )
    assert done.code == 0, done.err
    found = pd.read_parquet("c.parquet")
    assert found.columns[-1] == "compartment"
    one = found[found["neuron_id"] == 1]
    told = one.groupby(["type", "compartment"], observed=True).size().to_dict()
    assert told == {
        ("post", "dendrite"): 6, ("post", "linker"): 1, ("post", "unknown"): 1,
        ("pre", "axon"): 5, ("pre", "linker"): 2,
    }  # fmt: skip
    assert set(found[found["neuron_id"] == 2]["compartment"]) == {"unknown"}
    facts = record("c.parquet")["compartments"]
    assert facts["neurons"] == {"split": 1, "few": 2, "undivided": 0}
    assert facts["sites"] == {"axon": 5, "dendrite": 6, "linker": 3, "unknown": 5}
    assert facts["loose"] == 1
    assert sum(facts["sites"].values()) == len(found)
    assert json.loads(done.out)["compartments"] == facts
    assert record("c.parquet")["options"]["split"] is True
    for words in (
        "2 of 3 neurons have fewer than 5 inputs or 5 outputs",
        "1 site of 1 neuron",
        "origin is not recorded",
    ):
        assert words in done.err
    with open("sum.csv", newline="") as file:
        rows = {row["neuron_id"]: row for row in csv.DictReader(file)}
    assert rows["1"]["outcome"] == "split"
    assert rows["2"]["outcome"] == "few"
    for row in rows.values():
        parts = sum(int(row[f"{part}_{side}"]) for part in COMPARTMENTS for side in ("pre", "post"))
        assert parts == int(row["sites"])
    assert float(rows["1"]["segregation_index"]) == pytest.approx(
        segregation_index(np.array([5, 0, 2]), np.array([0, 6, 1]))
    )
    assert rows["2"]["segregation_index"] == ""


@pytest.mark.usefixtures("_two")
def test_a_synapse_table_with_compartments(crant: Crant) -> None:
    assert crant("attach", *GIVEN, "--split", "-o", "c.csv", "--synapses", "t.parquet").code == 0
    table, source = pd.read_parquet("t.parquet"), pd.read_parquet("s.parquet")
    assert list(table.columns) == [*source.columns, "pre_compartment", "post_compartment"]
    merged = table.sort_values("id").reset_index(drop=True)
    pd.testing.assert_frame_equal(merged[source.columns], source, check_dtype=False)
    assert merged["pre_compartment"].tolist() == ["unknown"] * 7 + ["linker"] * 2 + ["axon"] * 5 + ["unknown"]
    assert merged["post_compartment"].tolist() == ["dendrite"] * 6 + ["linker"] + ["unknown"] * 8
    assert table[["pre", "post", "id"]].to_numpy().tolist() == sorted(source[["pre", "post", "id"]].to_numpy().tolist())
    told = record("t.parquet")
    assert (told["kind"], told["rows"], told["ledger"]["kept"], told["unique_ids"]) == ("synapses", 15, 15, True)
    assert told["complete_for"]["inputs_of"] == told["complete_for"]["outputs_of"] == ["1", "2", "3"]
    assert told["units"] == "nm"
    groups = answer(crant("connectivity", "t.parquet", "--by", "pre_compartment,post_compartment"))
    assert groups == [
        ("unknown", "dendrite", "6", "1", "1", "1"), ("axon", "unknown", "5", "2", "1", "2"),
        ("linker", "unknown", "2", "2", "1", "2"), ("unknown", "linker", "1", "1", "1", "1"),
        ("unknown", "unknown", "1", "1", "1", "1"),
    ]  # fmt: skip
    split_up = answer(crant("connectivity", "t.parquet", "--by", "neuropil,pre_compartment"))
    assert sum(int(row[2]) for row in split_up) == 15
    # One pair of compartments, in whatever command.
    axonal = answer(crant("connectivity", "t.parquet", "--where", "pre_compartment = axon"))
    assert axonal == [("1", "2", "3"), ("1", "8", "2")]
    # And again: the columns are replaced.
    again = crant("attach", "t.parquet", *GIVEN[1:], "--split", "-o", "d.csv", "--synapses", "u.parquet")
    assert again.code == 0
    assert "are replaced" in again.err
    pd.testing.assert_frame_equal(pd.read_parquet("u.parquet"), table)


@pytest.mark.usefixtures("_two")
def test_synapses_that_are_not_attached_stay_in_their_table(crant: Crant) -> None:
    """Far ones are of unknown compartment; the weights of pairs are what they were."""
    files = ("-o", "c.parquet", "--synapses", "t.parquet")
    assert crant("attach", *GIVEN, "--split", "--max-distance", "5", *files).code == 0
    assert record("c.parquet")["ledger"]["removed"]["distance"] == 1
    assert record("c.parquet")["complete_for"]["thinned_by"] == "sites that could not be attached"
    told = record("t.parquet")
    assert (told["ledger"]["removed"].get("distance", 0), told["ledger"]["kept"], told["rows"]) == (0, 15, 15)
    assert told["complete_for"]["thinned_by"] == ""
    last = pd.read_parquet("t.parquet").set_index("id").loc[15]
    assert (last["pre_compartment"], last["post_compartment"]) == ("unknown", "unknown")
    assert answer(crant("connectivity", "t.parquet")) == answer(crant("connectivity", "s.parquet"))
    text_file("types.csv", "neuron_id,cell_type\n1,A\n2,B\n8,B\n9,C\n")
    axonal = ("t.parquet", "-a", "types.csv", "--where", "pre_compartment = axon")
    assert crant("nested", *axonal, "--weight-mode", "count", "--type-sum", "sums.csv").code == 0
    with open("sums.csv", newline="") as file:
        cells = {
            (row["pre/post"], name): row[name] for row in csv.DictReader(file) for name in ("A", "B") if name in row
        }
    assert float(cells["A", "B"]) == 5
    # Of neurons without a skeleton, the table has not all input.
    text_file("types.csv", "neuron_id,cell_type\n1,A\n2,B\n")
    both = crant("compare", "t.parquet", *axonal, "--by", "cell_type", "-o", "same.csv")
    assert both.code == 0, both.err
    with open("same.csv", newline="") as file:
        found = [(row["pre_cell_type"], row["post_cell_type"], row["weight_a"]) for row in csv.DictReader(file)]
    assert found == [("A", "B", "3")]


@pytest.mark.usefixtures("_two")
def test_the_same_bytes_every_time(crant: Crant) -> None:
    """At any number of threads, in any order of rows and nodes, with or without a file, and from Python."""
    made = {}
    for name, more in (("a", ["--threads", 1]), ("b", ["--threads", 3])):
        files = [f"{name}.parquet", f"{name}.feather", f"{name}.csv", f"{name}.svg"]
        options = ["-o", files[0], "--synapses", files[1], "--summary", files[2], "--plot", files[3], *more]
        assert crant("attach", *GIVEN, "--split", *options).code == 0
        made[name] = [Path(file).read_bytes() for file in files]
    assert made["a"] == made["b"]
    shown = answer(crant("attach", *GIVEN, "--split"))
    whole = pd.read_parquet("a.parquet")
    assert [(row[0], row[8], row[-1]) for row in shown] == [
        tuple(map(str, row)) for row in whole[["neuron_id", "synapse_id", "compartment"]].itertuples(index=False)
    ]
    shuffled = pd.read_parquet("s.parquet").sample(frac=1, random_state=3)
    shuffled.to_parquet("s.parquet")
    for path in Path("swc").iterdir():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(reversed(lines)))
    assert answer(crant("attach", *GIVEN, "--split")) == shown


@pytest.mark.usefixtures("_two")
def test_what_is_asked_for_in_vain(crant: Crant) -> None:
    complaint(crant("attach", *GIVEN, "--split", "--no-pre"), 2, "--split", "--no-pre")
    complaint(crant("attach", *GIVEN, "--split", "--no-post"), 2, "--split", "--no-post")
    complaint(crant("attach", *GIVEN, "--synapses", "t.csv"), 2, "--synapses", "--split")
    complaint(crant("attach", *GIVEN, "--split", "--synapses", "t.npz"), 2, "t.npz", ".parquet")
    complaint(crant("attach", *GIVEN, "--split", "--synapses", "s.parquet"), 2, "s.parquet")
    complaint(crant("attach", *GIVEN, "--split", "-o", "t.csv", "--synapses", "t.csv"), 2, "t.csv")
    assert sorted(path.name for path in Path().iterdir()) == ["s.parquet", "swc"]
    with pytest.raises(cc.UsageError, match="leave pre=False out"):
        Attach(pre=False, split=True)
    with pytest.raises(cc.UsageError, match="split=True"):
        Attach(post=False, split=True)


@pytest.mark.usefixtures("_two")
def test_tables_that_lack_synapses_are_refused(crant: Crant) -> None:
    """A neuron is split elsewhere if part of its synapses is not there."""
    assert crant("synapses", "s.parquet", "--pre", "1", "-o", "outputs.parquet").code == 0
    assert crant("synapses", "s.parquet", "--threshold", "2", "-o", "thin.parquet").code == 0
    assert crant("synapses", "s.parquet", "--post", "1", "-o", "inputs.parquet").code == 0
    lacking = {
        "outputs": "every input of 1 of 1 neurons", "inputs": "every output of 1 of 1 neurons",
        "thin": "a threshold of 2",
    }  # fmt: skip
    for name, words in lacking.items():
        again = ("attach", f"{name}.parquet", *GIVEN[1:], "-n", "1", "-o", "c.csv")
        complaint(crant(*again, "--split"), 3, "compartments cannot be told", words)
        assert not Path("c.csv").exists()
        assert crant(*again).code == 0
        Path("c.csv").unlink()
    done = crant("attach", *GIVEN, "--split", "--threshold", "2", "-o", "c.csv")
    assert done.code == 0
    assert "left after a threshold of 2" in done.err


def test_a_neuron_with_two_skeletons_has_no_one_compartment() -> None:
    with Engine() as engine, pytest.raises(DataError, match="neuron 5 has several skeletons"):
        synapses_with_compartments(engine, None, None, "sites", [5, 6, 5], [])  # type: ignore[arg-type]


def test_counts_add_up() -> None:
    counts = SplitCounts.empty(3)
    counts.outcome[:] = [0, 1, 2]
    counts.sites[0, 1, 3], counts.sites[2, 0, 3] = 4, 5
    assert counts.loose.tolist() == [4, 0, 0]
    assert counts.facts() == {
        "neurons": {"split": 1, "few": 1, "undivided": 1},
        "sites": {"axon": 0, "dendrite": 0, "linker": 0, "unknown": 9},
        "loose": 4,
    }


def test_a_picture_shows_each_edge_in_its_compartment() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import to_hex
    from matplotlib.figure import Figure

    parents, pre, post = CLEAR
    made = skeleton(parents)
    drawn = Skeleton(made.node_id, made.parent, np.stack([np.arange(8.0) * 1000, *[np.zeros(8)] * 2], axis=1))
    found = divided(parents, pre, post)[0]
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw_arbors(axes, Arbor(1, drawn, np.zeros((0, 3)), np.zeros(0, dtype=np.int64), found))
    lines: Any = axes.collections[0]
    seen = {}
    for points, colour in zip(lines.get_segments(), lines.get_colors(), strict=True):
        for x in points[:-1, 0]:  # from the tip inwards: an edge is of the compartment of its far end
            seen[round(x / 1000)] = to_hex(colour).upper()
    expected = {node: COMPARTMENT_COLOURS[COMPARTMENTS[found.code[node]]] for node in range(1, 8)}
    assert seen == expected
    assert "not split" not in axes.get_title(loc="left")
    few = divided(*line((0, 4), (9, 0)))[0]
    axes = Figure().add_subplot()
    draw_arbors(
        axes, Arbor(1, Skeleton(drawn.node_id[:2], drawn.parent[:2], drawn.xyz[:2]), drawn.xyz[:0], few.flow[:0], few)
    )
    assert axes.get_title(loc="left").endswith("not split")


# ------------------------------------------------------------------------------------------------- the real thing


def hemibrain(real: Path, name: str) -> tuple[Skeleton, pd.DataFrame]:
    """A hemibrain neuron in nm, and its sites with the places of their nearest nodes."""
    from crantcli.core.geometry.skeleton import NearestNode
    from crantcli.sources.shapes.swc import read_swc

    made = read_swc((real / "hemibrain" / "swc" / f"{name}.swc").read_bytes(), name)
    sites = pd.read_csv(real / "hemibrain" / "connectors.csv")
    sites = sites[sites["bodyId"] == int(name)].reset_index(drop=True)
    node_id, _ = NearestNode(made).find(sites[["x", "y", "z"]].to_numpy(dtype=float))
    return made, sites.assign(node_id=node_id, place=np.searchsorted(made.node_id, node_id))


NEURONS = ["1734350788", "1734350908", "722817260", "754534424", "754538881"]


@pytest.mark.parametrize("name", NEURONS)
def test_hemibrain_flow_as_fastcore_has_it(real: Path, name: str) -> None:
    """At every node."""
    fastcore = pytest.importorskip("navis_fastcore", reason="navis-fastcore is not installed: pip install '.[dev]'")
    made, sites = hemibrain(real, name)
    counts = [np.bincount(sites["place"][sites["type"] == side], minlength=len(made)) for side in ("pre", "post")]
    parent_id = np.where(made.parent >= 0, made.node_id[made.parent], -1)
    expected = fastcore.synapse_flow_centrality(made.node_id, parent_id, *counts, mode="sum")
    assert np.array_equal(split(made, *counts).flow, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", NEURONS)
def test_hemibrain_neurons_as_navis_splits_them(real: Path, name: str) -> None:
    """Every node in the same compartment. Of the neuron in two pieces navis splits none: it gets the larger one."""
    navis = pytest.importorskip("navis", reason="navis is not installed: pip install 'crantcli[navis]'")
    made, sites = hemibrain(real, name)
    counts = [np.bincount(sites["place"][sites["type"] == side], minlength=len(made)) for side in ("pre", "post")]
    found = split(made, *counts)
    assert OUTCOMES[found.outcome] == "split"
    one = found.code != COMPARTMENTS.index("unknown")
    assert (made.parent < 0).sum() == 1 or not one.all()
    parent_id = np.where(made.parent >= 0, made.node_id[made.parent], -1)
    nodes = pd.DataFrame(
        {"node_id": made.node_id, "parent_id": parent_id, **dict(zip("xyz", made.xyz.T, strict=True)), "radius": 1.0}
    )[one]
    neuron = navis.TreeNeuron(nodes, id=1)
    neuron.connectors = sites[np.isin(sites["node_id"], nodes["node_id"])][["connector_id", "node_id", *"xyz", "type"]]
    neuron.soma = None
    labelled = navis.split_axon_dendrite(neuron, label_only=True, reroot_soma=False)
    theirs = labelled.nodes.set_index("node_id")["compartment"].astype(str)
    ours = pd.Series(np.array(COMPARTMENTS)[found.code], index=made.node_id)[one]
    assert theirs.loc[ours.index].tolist() == ours.tolist()
    parts = navis.split_axon_dendrite(neuron, reroot_soma=False)
    pre, post = (np.bincount(found.code, weights=count, minlength=4)[:3].astype(int) for count in counts)
    assert segregation_index(pre, post) == pytest.approx(navis.segregation_index(parts), rel=1e-9)


def test_hemibrain_from_the_command_line(crant: Crant, real: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """What the five neurons have where; 21 sites of one of them are on a loose piece."""
    monkeypatch.chdir(tmp_path)
    sites = pd.read_csv(real / "hemibrain" / "connectors.csv")
    is_pre = sites["type"] == "pre"
    columns = {"id": np.arange(len(sites)) + 1, "pre": np.where(is_pre, sites["bodyId"], 5)}
    columns |= {"post": np.where(is_pre, 5, sites["bodyId"])}
    columns |= {f"ctr_pt_position_{axis}": sites[axis].to_numpy() for axis in "xyz"}
    parquet_file("hb.parquet", **columns)
    swc = real / "hemibrain" / "swc"
    options = ("--coordinates", "pixels", "--voxel-size", "8,8,8", "--skeleton-units", "pixels", "--skeletons", swc)
    assert crant("attach", "hb.parquet", *options, "--split", "-o", "c.parquet").code == 0
    told = record("c.parquet")["compartments"]
    assert told == {
        "neurons": {"split": 5, "few": 0, "undivided": 0},
        "sites": {"axon": 2804, "dendrite": 11958, "linker": 53, "unknown": 21}, "loose": 21,
    }  # fmt: skip
    assert sum(told["sites"].values()) == 14_836
