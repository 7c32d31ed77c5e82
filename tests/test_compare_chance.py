"""`crantcli compare --against`: groups against random graphs, exactly where these can be listed."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from strategies import SETTINGS

import crantcli as cc
from crantcli.core.compare.rewiring import rewired_graphs, swap_round

pytestmark = [pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

WORM = (SAMPLE / "celegans_edges.csv", "-a", SAMPLE / "celegans_cells.csv")

Graph = frozenset[tuple[int, int]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    nodes = draw(st.integers(2, 8))
    every = [(pre, post) for pre in range(nodes) for post in range(nodes) if pre != post]
    return nodes, sorted(draw(st.sets(st.sampled_from(every), min_size=1)))


def arrays(edges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    return np.array([pre for pre, _ in edges], dtype=np.int64), np.array([post for _, post in edges], dtype=np.int64)


@SETTINGS
@given(graph=graphs(), seed=st.integers(0, 1000))
def test_degrees_stay_and_no_edge_comes_twice(graph: tuple[int, list[tuple[int, int]]], seed: int) -> None:
    nodes, edges = graph
    pre, post = arrays(edges)
    for one, other in rewired_graphs(pre, post, nodes, 3, seed):
        found = list(zip(one.tolist(), other.tolist(), strict=True))
        assert len(set(found)) == len(edges)
        assert all(a != b for a, b in found)
        assert Counter(a for a, _ in found) == Counter(a for a, _ in edges)
        assert Counter(b for _, b in found) == Counter(b for _, b in edges)
    assert list(zip(pre.tolist(), post.tolist(), strict=True)) == edges


def same_degrees(nodes: int, edges: list[tuple[int, int]]) -> list[Graph]:
    """All graphs with the degrees of one."""
    every = [(pre, post) for pre in range(nodes) for post in range(nodes) if pre != post]
    wanted = [Counter(edge[end] for edge in edges) for end in (0, 1)]
    return [
        frozenset(chosen)
        for chosen in itertools.combinations(every, len(edges))
        if [Counter(edge[end] for edge in chosen) for end in (0, 1)] == wanted
    ]


@pytest.mark.parametrize(
    "edges",
    [
        [(0, 1), (0, 2), (1, 2), (2, 3), (3, 0)],
        [(0, 1), (1, 0), (2, 3), (3, 4), (4, 2), (0, 3)],
        [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 1), (4, 0)],
    ],
)
def test_every_graph_of_these_degrees_is_as_likely(edges: list[tuple[int, int]]) -> None:
    nodes = 1 + max(max(edge) for edge in edges)
    listed = same_degrees(nodes, edges)
    pre, post = arrays(edges)
    found = Counter(
        frozenset(zip(one.tolist(), other.tolist(), strict=True))
        for one, other in rewired_graphs(pre, post, nodes, 4000, 7)
    )
    assert set(found) == set(listed)
    assert stats.chisquare([found[graph] for graph in listed]).pvalue > 1e-3


def test_a_round_swaps_most_edges_of_a_sparse_graph() -> None:
    random = np.random.default_rng(3)
    keys = random.choice(400 * 400, 2000, replace=False)
    pre, post = keys // 400, keys % 400
    pre, post = pre[pre != post], post[pre != post]
    assert swap_round(pre, post, 400, np.random.PCG64(1)) > 0.9 * (len(pre) // 2)


def worm_blocks() -> tuple[pd.DataFrame, int, int]:
    """Edges and possible edges per pair of classes, by pandas."""
    edges, cells = pd.read_csv(WORM[0]), pd.read_csv(WORM[2]).set_index("neuron_id")["cell_class"]
    edges = edges[edges["pre"] != edges["post"]]
    named = edges.assign(a=edges["pre"].map(cells), b=edges["post"].map(cells))
    sizes = cells.value_counts()
    rows = named.groupby(["a", "b"]).size().rename("edges").reset_index()
    rows["possible"] = [
        sizes[a] * sizes[b] - (sizes[a] if a == b else 0) for a, b in zip(rows["a"], rows["b"], strict=True)
    ]
    return rows.set_index(["a", "b"]), len(edges), int(sizes.sum())


def test_the_same_density_everywhere_is_binomial(crant: Crant, tmp_path: Path) -> None:
    done = crant("compare", *WORM, "--by", "cell_class", "--against", "erdos-renyi", "-o", "n.csv")
    assert done.code == 0, done.err
    found = pd.read_csv(tmp_path / "n.csv").set_index(["pre_cell_class", "post_cell_class"])
    rows, number, neurons = worm_blocks()
    density = number / (neurons * (neurons - 1))
    assert set(found.index) == set(rows.index)
    for key, row in found.iterrows():
        edges, possible = rows.loc[key, ["edges", "possible"]]
        assert (row["edges"], row["possible"]) == (edges, possible)
        assert row["expected"] == pytest.approx(possible * density)
        sd = math.sqrt(possible * density * (1 - density))
        assert row["z"] == pytest.approx((edges - possible * density) / sd)
        assert row["p"] == pytest.approx(stats.binom.sf(edges - 1, possible, density), rel=1e-6, abs=1e-300)
    assert found["z"].is_monotonic_decreasing


def test_rewired_graphs_give_expectation_and_p(crant: Crant, tmp_path: Path) -> None:
    """The same seed gives the same bytes; expected edges are near those of the degrees, and p is what samples say."""
    asked = ("compare", *WORM, "--by", "cell_class", "--against", "configuration", "--samples", 60, "--complete")
    for name, seed in (("one.csv", 1), ("two.csv", 1), ("three.csv", 2)):
        done = crant(*asked, "--seed", seed, "-o", name)
        assert done.code == 0, done.err
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert (tmp_path / "one.csv").read_bytes() != (tmp_path / "three.csv").read_bytes()
    assert "with 60 samples no p of" in done.err
    found = pd.read_csv(tmp_path / "one.csv").set_index(["pre_cell_class", "post_cell_class"])
    edges, cells = pd.read_csv(WORM[0]), pd.read_csv(WORM[2]).set_index("neuron_id")["cell_class"]
    known = set(cells.dropna().index)
    edges = edges[(edges["pre"] != edges["post"]) & edges["pre"].isin(known) & edges["post"].isin(known)]
    out, into = (edges[end].map(cells).value_counts() for end in ("pre", "post"))
    for (a, b), row in found.iterrows():
        # Of a sparse graph without the two rules (no autapse, no edge twice) it would be this.
        assert row["expected"] == pytest.approx(out.get(a, 0) * into.get(b, 0) / len(edges), rel=0.25, abs=6)
        assert (row["p"] * 61) == pytest.approx(round(row["p"] * 61))
        assert row["p"] < 1.5 / 61 or not row["z"] >= 6
    assert found["expected"].sum() == pytest.approx(len(edges)) == found["edges"].sum()


def test_by_hand_on_a_graph_that_can_be_listed(tmp_path: Path) -> None:
    """Mean, spread and p of one block over all graphs of the same degrees."""
    edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 1), (4, 0)]
    source = pd.DataFrame([(a + 10, b + 10, 1) for a, b in edges], columns=["pre", "post", "weight"])
    cells = pd.DataFrame({"root_id": [10, 11, 12, 13, 14], "team": ["x", "x", "y", "y", "y"]})
    question = cc.questions.Compare(by="team", against="configuration", samples=4000, seed=5, complete=True)
    found = cc.ask(question, source=source, annotations=cells).set_index(["pre_team", "post_team"])
    listed = same_degrees(5, edges)
    teams = dict(enumerate("xxyyy"))
    for (a, b), row in found.iterrows():
        counts = [sum((teams[pre], teams[post]) == (a, b) for pre, post in graph) for graph in listed]
        observed = sum((teams[pre], teams[post]) == (a, b) for pre, post in edges)
        assert row["edges"] == observed
        assert row["expected"] == pytest.approx(np.mean(counts), abs=0.08)
        assert row["sd"] == pytest.approx(np.std(counts), abs=0.08)
        assert row["p"] == pytest.approx(np.mean([count >= observed for count in counts]), abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "--against is about groups; give --by COLUMN"),
        (("--by", "type", "--test", "score"), 2, "--against compares one network with chance; leave --test out"),
        (("--by", "type", "--b", "side=L"), 2, "leave --b out"),
        (("--by", "type", "-t", "1,2"), 2, "--against takes one --threshold"),
        (("--by", "type", "--samples", 1), 2, "--samples"),
        (("--by", "type", "--fail-on", "significant>0"), 7, "significant > 0"),
        (("--by", "type", "--a", "side=L", "--fail-on", "neurons_a>300"), 0, ""),
    ],
)
def test_what_is_wrong_with_chance_is_said(crant: Crant, arguments: tuple[object, ...], code: int, told: str) -> None:
    done = crant("compare", *WORM, "--against", "erdos-renyi", *arguments, "-o", "o.csv")
    assert (done.code, told in done.err) == (code, True), done.err


def test_it_is_drawn(crant: Crant, tmp_path: Path) -> None:
    done = crant("compare", *WORM, "--by", "cell_class", "--against", "erdos-renyi", "--plot", "p.svg")
    assert done.code == 0, done.err
    text = (tmp_path / "p.svg").read_text()
    assert all(word in text for word in ("expected edges", "observed edges", "difference, observed - expected"))
