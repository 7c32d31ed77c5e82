"""`crantcli paths --list`: against all simple paths, one by one, and against Dijkstra."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from strategies import SETTINGS
from test_paths import Network, ask, edge_frame

import crantcli as cc
from crantcli.core.network import routes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

COSTS = ("product", "inverse", "hops")


@st.composite
def tied(draw: st.DrawFn) -> tuple[Network, list[int], list[int], int]:
    """Networks in which many paths are worth the same, seeds, targets and steps; IDs differ as text and as numbers."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    neurons = chance.sample([1, 2, 3, 10, 11, 20, 100, 9, 21], draw(st.integers(2, 8)))
    weights = draw(st.sampled_from([(1,), (1, 2), (1, 2, 3, 6), tuple(range(1, 10))]))
    edges: Network = {(neurons[0], neurons[1]): 1}
    for _ in range(draw(st.integers(0, 40))):
        edges[chance.choice(neurons), chance.choice(neurons)] = chance.choice(weights)
    there = sorted({neuron for pair in edges for neuron in pair})
    some = [chance.sample(there, chance.randint(1, min(3, len(there)))) for _ in range(2)]
    return edges, *some, draw(st.integers(1, 6))


def simple_paths(edges: Network, path: tuple[int, ...], targets: list[int], steps: int) -> Iterator[tuple[int, ...]]:
    """All continuations of a path that end at a target."""
    if len(path) > 1 and path[-1] in targets:
        yield path
    if steps:
        for pre, post in edges:
            if pre == path[-1] and post not in path:
                yield from simple_paths(edges, (*path, post), targets, steps - 1)


def worth(edges: Network, path: tuple[int, ...], cost: str) -> tuple[Any, ...]:
    """What a path is ordered by, exactly."""
    parts = []
    for pre, post in pairwise(path):
        parts.append(Fraction(edges[pre, post], sum(weight for (_, other), weight in edges.items() if other == post)))
    product = math.prod(parts, start=Fraction(1))
    key = {"product": (-product,), "inverse": (sum(1 / part for part in parts),), "hops": (len(parts), -product)}[cost]
    return (*key, [str(neuron) for neuron in path])


def found_paths(found: Any) -> list[tuple[int, ...]]:
    paths = []
    for number, (path, part) in enumerate(found.groupby("path", sort=True), start=1):
        assert path == number
        assert part["hop"].tolist() == list(range(1, len(part) + 1))
        assert part["pre"].tolist()[1:] == part["post"].tolist()[:-1]
        paths.append((*part["pre"].tolist(), part["post"].tolist()[-1]))
    return paths


@SETTINGS
@given(drawn=tied(), number=st.integers(1, 30), cost=st.sampled_from(COSTS))
def test_the_list_is_the_beginning_of_all_paths_in_order(drawn: Any, number: int, cost: Any) -> None:
    edges, seeds, targets, hops = drawn
    every = [path for seed in seeds for path in simple_paths(edges, (seed,), targets, hops)]
    expected = sorted(every, key=lambda path: worth(edges, path, cost))[:number]
    found = ask(edge_frame(edges), seeds, to=targets, hops=hops, list=number, cost=cost)
    assert found_paths(found) == expected
    for path, part in found.groupby("path"):
        product = -worth(edges, expected[path - 1], "product")[0]
        assert part["product"].tolist() == [float(product)] * len(part)
        assert math.prod(part["fraction"]) == pytest.approx(float(product))
        told = {"product": -math.log(product), "inverse": sum(1 / part["fraction"]), "hops": len(part)}[cost]
        assert part["cost"].tolist() == pytest.approx([told] * len(part))


@SETTINGS
@given(drawn=tied(), cost=st.sampled_from(COSTS))
def test_floats_that_cannot_be_told_apart_are_compared_exactly(drawn: Any, cost: Any) -> None:
    """As if every number were near every other: all is sorted by fractions of whole numbers then."""
    edges, seeds, targets, hops = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "_NEAR", 1e9)
        one = ask(edge_frame(edges), seeds, to=targets, hops=hops, list=10, cost=cost)
    other = ask(edge_frame(edges), seeds, to=targets, hops=hops, list=10, cost=cost)
    assert found_paths(one) == found_paths(other)


def test_products_that_floats_put_in_a_wrong_order_are_ties() -> None:
    """The same factors in another order: 3/10 1/7 1/10 and so on. The IDs decide, and not the last bit."""
    parts = [(3, 10), (1, 7), (1, 10), (7, 11)]
    edges: Network = {}
    for way in range(24):
        order = random.Random(way).sample(parts, 4)
        nodes = [1, *(100 * (way + 1) + place for place in range(1, 4)), 2]
        for place, (weight, whole) in enumerate(order[:3]):
            edges[nodes[place], nodes[place + 1]] = weight
            edges[9999, nodes[place + 1]] = whole - weight
        edges[nodes[3], 2] = order[3][0] * 7 * 11 * 10 // order[3][1]
    found = found_paths(ask(edge_frame(edges), 1, to=2, list=24))
    assert found == sorted(found, key=lambda path: worth(edges, path, "product"))
    assert len({worth(edges, path, "product")[0] for path in found}) == 1
    floats = set()
    for path in found:
        shares = [edges[pair] / sum(w for (_, post), w in edges.items() if post == pair[1])
                  for pair in pairwise(path)]  # fmt: skip
        floats.add(math.prod(shares))
    assert len(floats) > 1


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1))
def test_the_best_path_is_that_of_dijkstra(seed: int) -> None:
    chance = np.random.default_rng(seed)
    number = 40
    edges: Network = {(1, 2): 3}
    for pre, post in chance.integers(1, number + 1, (160, 2)).tolist():
        if pre != post:
            edges[pre, post] = int(chance.integers(1, 50))
    there = sorted({neuron for pair in edges for neuron in pair})
    totals = {post: sum(w for (_, other), w in edges.items() if other == post) for _, post in edges}
    start, end = there[0], there[int(chance.integers(1, len(there)))]
    for cost, weigh in (
        ("product", lambda part: -math.log(part) + 1e-300), ("inverse", lambda part: 1 / part),
        ("hops", lambda part: 1.0),
    ):  # fmt: skip
        lengths = {pair: weigh(weight / totals[pair[1]]) for pair, weight in edges.items()}
        matrix = csr_array(
            (list(lengths.values()), ([p - 1 for p, _ in lengths], [q - 1 for _, q in lengths])), shape=(number,) * 2
        )
        nearest = dijkstra(matrix, indices=start - 1)[end - 1]
        found = ask(edge_frame(edges), start, to=end, list=1, cost=cost, hops=number)
        if np.isinf(nearest):
            assert found.empty
        else:
            assert found["cost"].tolist() == pytest.approx([nearest] * len(found))
            assert (found["pre"].iloc[0], found["post"].iloc[-1]) == (start, end)


def test_ties_do_not_have_to_be_listed_to_be_broken() -> None:
    """Of 200^3 paths of one worth, the first five."""
    layers = [[1], list(range(1001, 1201)), list(range(2001, 2201)), list(range(3001, 3201)), [2]]
    edges = {(i, j): 1 for one, other in pairwise(layers) for i in one for j in other}
    found = found_paths(ask(edge_frame(edges), 1, to=2, list=5))
    assert found == [(1, 1001, 2001, 3000 + place, 2) for place in range(1, 6)]


def test_dead_ends_are_not_followed_one_by_one() -> None:
    """From 60 neurons that are all connected, targets are reached only through the seed: 60^6 walks, and one path."""
    others = range(10, 70)
    edges = {(i, j): 1 for i in others for j in others if i != j} | {(1, 2): 7}
    edges |= {(1, i): 5 for i in others} | {(i, 1): 3 for i in others}
    assert found_paths(ask(edge_frame(edges), 1, to=2, list=10, hops=8)) == [(1, 2)]


def test_each_set_has_its_own_paths_and_says_where_there_are_fewer(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\nA,B,1\nB,C,2\nA,C,2\nC,D,5\n")
    chosen = ("paths", "e.csv", "--from", "one=A", "--from", "two=B", "--to", "C", "--list", "2")
    done = crant(*chosen, "-o", "p.csv")
    assert done.code == 0
    assert "two: 1 path of at most 4 steps, and 2 were asked for" in done.err
    with (tmp_path / "p.csv").open() as file:
        rows = [(row["from"], row["path"], row["pre"], row["post"]) for row in csv.DictReader(file)]
    assert rows == [("one", "1", "A", "B"), ("one", "1", "B", "C"), ("one", "2", "A", "C"), ("two", "1", "B", "C")]
    done = crant(*chosen[:2], "--from", "D", "--to", "A", "--list", "2", "--fail-empty", "-o", "q.csv")
    assert done.code == 4
    assert "no path of at most 4 steps leads to a target" in done.err
    assert not (tmp_path / "q.csv").exists()


# Published figures


def test_published_paths(real: Path) -> None:
    worm, larva = real / "celegans" / "ici_edges.csv", real / "larva"
    queries: dict[str, Any] = {
        "ASE to RMDD": lambda: ask(worm, ["ASEL", "ASER"], to=["RMDDL", "RMDDR"], list=20),
        "sens-ORN to MBON": lambda: ask(
            larva / "edges.parquet", cc.NeuronCriteria(cell_subclass="sens-ORN"),
            to=cc.NeuronCriteria(cell_type="MBON"), list=20, annotations=larva / "neurons.csv",
        ),
    }  # fmt: skip
    with (real.parent / "truths" / "paths_strongest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for query, asked in queries.items():
        found = asked()
        paths = [" ".join(map(str, path)) for path in found_paths(found)]
        products = found.groupby("path")["product"].first().tolist()
        for row in rows:
            if row["query"] == query:
                assert paths[int(row["rank"]) - 1] == row["path"]
                assert products[int(row["rank"]) - 1] == pytest.approx(float(row["product"]), rel=1e-9)


def test_published_best_paths(real: Path) -> None:
    with (real.parent / "truths" / "paths_best.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    asked = dict.fromkeys((row["source"], row["target"], row["method"]) for row in rows)
    for source, target, method in asked:
        cost: Any = method
        found = ask(real / "celegans" / "ici_edges.csv", source, to=target, list=1, cost=cost, hops=20)
        steps = [row for row in rows if (row["source"], row["target"], row["method"]) == (source, target, method)]
        assert found["pre"].tolist() == [row["pre"] for row in steps]
        assert found["post"].tolist() == [row["post"] for row in steps]
        assert found["weight"].tolist() == [int(row["weight"]) for row in steps]
        for name in ("fraction", "cost", "product"):
            assert found[name].tolist() == pytest.approx([float(row[name]) for row in steps], rel=1e-9)
