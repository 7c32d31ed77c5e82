"""`crantcli similar`: against dense algebra on generated tables, by hand, and against published figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import Rules
from strategies import AS_DRAWN, SETTINGS, Drawn, annotation_tables, edge_tables, frame, maybe_asked, synapse_tables

import crantcli as cc
from crantcli.core.similar import cosine as cosine_module

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

Question = cc.questions.Similar  # type: ignore[attr-defined]
WORM = (ROOT / "sample_data" / "celegans_edges.csv", ROOT / "sample_data" / "celegans_cells.csv")

#: 1 and 2 are alike in their outputs, 3 has twice those of 1, 4 has others, 5 has none.
EDGES = "pre,post,weight\n1,5,2\n1,6,1\n2,5,2\n2,6,2\n3,5,4\n3,6,2\n4,7,3\n5,4,1\n"


def ask(source: Any, output: str = "", threshold: int | None = None, **more: Any) -> pd.DataFrame:
    given = {name: more.pop(name) for name in ("annotations", "clean", *AS_DRAWN, "signed") if name in more}
    found = cc.ask(Question(**more), source=source, output=output, threshold=threshold, **given)
    assert isinstance(found, pd.DataFrame)
    return found


def read(path: Path | str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


# The oracle: dense vectors, one row and one pair at a time


def vectors(
    weights: Mapping[tuple[Any, Any], float],
    rows: Mapping[Any, Any],
    partners: Mapping[Any, Any] | None,
) -> dict[Any, tuple[dict[Any, float], dict[Any, float]]]:
    """Row -> its inputs and its outputs, by partner; neurons are in the row, and are the partner, that these name."""
    found: dict[Any, tuple[dict[Any, float], dict[Any, float]]] = {row: ({}, {}) for row in rows.values()}
    for (pre, post), weight in weights.items():
        for own, other, side in ((post, pre, 0), (pre, post, 1)):
            partner = other if partners is None else partners.get(other)
            if own in rows and partner is not None:
                vector = found[rows[own]][side]
                vector[partner] = vector.get(partner, 0) + weight
    return found


def cosine(one: Mapping[Any, float], other: Mapping[Any, float]) -> float:
    product = sum(weight * other.get(partner, 0) for partner, weight in one.items())
    squares = [sum(weight * weight for weight in vector.values()) for vector in (one, other)]
    return float(product / np.sqrt(float(squares[0]) * float(squares[1]))) if all(squares) else 0.0


def similarities(made: Mapping[Any, tuple[dict[Any, float], dict[Any, float]]], of: str) -> pd.DataFrame:
    """All cosines of rows that have partners, these in their order."""
    sides = {"input": [0], "output": [1]}.get(of, [0, 1])
    there = sorted(row for row, vector in made.items() if any(vector[side] for side in sides))
    whole = [sum(sum(made[row][side].values()) for row in there) for side in (0, 1)]

    def value(a: Any, b: Any) -> float:
        if of == "weighted":
            found = [cosine(made[a][side], made[b][side]) * whole[side] for side in (0, 1)]
            return sum(found) / sum(whole)
        one, other = ({(side, p): w for side in sides for p, w in made[row][side].items()} for row in (a, b))
        return cosine(one, other)

    return pd.DataFrame([[value(a, b) for b in there] for a in there], index=there, columns=there, dtype=float)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found.index.tolist() == expected.index.tolist()
    assert found.columns.tolist() == expected.columns.tolist()
    assert np.allclose(found.to_numpy(dtype=float), expected.to_numpy(dtype=float), rtol=0, atol=1e-12)


OF = st.sampled_from(["input", "output", "joined", "weighted"])


def weights_of(table: Drawn, rule: Rules) -> dict[Any, float]:
    if table.has("weight"):
        found, _ = oracle.table_edges(table.rows, rules=rule, sum_duplicates=True)
    else:
        found, _ = oracle.synapse_edges(table.rows, rules=rule)
    return {pair: weight for pair, weight in found.items() if weight}  # type: ignore[misc]


@SETTINGS
@given(
    data=st.data(), table=synapse_tables() | edge_tables(neuropils=False), of=OF, threshold=st.sampled_from([1, 1, 2])
)
def test_a_matrix_is_that_of_dense_vectors(data: st.DataObject, table: Drawn, of: str, threshold: int) -> None:
    """Of all neurons or some, partners by themselves or by type, rows neurons or types."""
    chosen = data.draw(maybe_asked(table))
    labels = data.draw(annotation_tables(table.neurons))
    by, rows_by = data.draw(st.sampled_from([(), ("cell_type",)])), data.draw(st.sampled_from([(), ("cell_type",)]))
    rule = Rules(threshold=threshold)
    weights = weights_of(table, rule)
    types = {neuron: row["cell_type"] for neuron, row in oracle.annotated(labels).items() if row["cell_type"]}
    known = {neuron for pair in weights for neuron in pair} if chosen is None else set(chosen)
    known -= {0, "0"}
    rows = {neuron: types[neuron] for neuron in known if neuron in types} if rows_by else {n: n for n in known}
    found = ask(
        table.frame, of=of, by=by, rows_by=rows_by, neurons=chosen, threshold=rule.given, sum_duplicates=True,
        annotations=frame(labels, ("root_id", "cell_type", "side")), **AS_DRAWN,
    )  # fmt: skip
    same(found, similarities(vectors(weights, rows, types if by else None), of))
    values = found.to_numpy(dtype=float)
    assert (values == values.T).all()
    if of != "weighted":
        assert (np.diag(values) == 1).all()
    assert not np.isnan(values).any()
    assert (np.abs(values) <= 1).all()


@st.composite
def networks(draw: st.DrawFn) -> pd.DataFrame:
    """Edges in which vectors are often proportional to each other, so that cosines tie."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    number = draw(st.integers(1, 60))
    pairs = np.unique(chance.integers(1, 13, (number, 2)), axis=0)
    weights = chance.choice([1, 1, 2, 3], len(pairs))
    return pd.DataFrame({"pre": pairs[:, 0], "post": pairs[:, 1], "weight": weights})


@SETTINGS
@given(edges=networks(), of=OF, factor=st.sampled_from([2, 3, 1000, 0.1]), seed=st.integers(0, 99))
def test_neither_the_order_of_rows_nor_the_scale_of_weights_matters(
    edges: pd.DataFrame, of: str, factor: float, seed: int
) -> None:
    whole = ask(edges, of=of)
    pd.testing.assert_frame_equal(ask(edges.sample(frac=1, random_state=seed), of=of), whole, check_exact=True)
    same(ask(edges.assign(weight=edges["weight"] * factor), of=of), whole)


@SETTINGS
@given(edges=networks(), of=OF, top=st.integers(1, 14))
def test_the_strongest_are_the_largest_of_the_matrix(edges: pd.DataFrame, of: str, top: int) -> None:
    """Also where a block has one row; ties go to the smaller ID."""
    whole = ask(edges, of=of)
    expected = []
    for neuron, row in whole.iterrows():
        others = sorted((-value, other) for other, value in row.items() if other != neuron and value > 0)[:top]
        expected += [(neuron, rank, other, -value) for rank, (value, other) in enumerate(others, 1)]
    for block in (1, 20, 8_000_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cosine_module, "_BLOCK", block)
            found = ask(edges, of=of, top=top)
            assert found.columns.tolist() == ["neuron_id", "rank", "similar_id", "cosine"]
            assert list(found.itertuples(index=False, name=None)) == expected
            pd.testing.assert_frame_equal(ask(edges, of=of), whole, check_exact=True)


def test_proportional_vectors_have_a_cosine_of_1_and_neurons_without_partners_are_listed(
    crant: Crant, tmp_path: Path
) -> None:
    (tmp_path / "e.csv").write_text(EDGES)
    done = crant("similar", "e.csv", "--of", "output", "-o", "s.csv", "--summary", "s.json")
    assert done.code == 0, done.err
    found = {row["pre/post"]: row for row in read("s.csv")}
    assert list(found) == ["1", "2", "3", "4", "5"]
    assert found["1"]["3"] == found["4"]["4"] == "1.0"
    assert float(found["1"]["2"]) == pytest.approx(6 / np.sqrt(5 * 8), abs=1e-15)
    assert found["1"]["4"] == "0.0"
    assert "2 of 7 neurons have no outputs that count, and are left out: 6, 7" in done.err
    assert json.loads((tmp_path / "s.json").read_text())["without_partners"] == ["6", "7"]


def test_groups_of_partners_may_be_more_than_neurons(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\n1,3,2\n2,3,1\n")
    (tmp_path / "c.csv").write_text("root_id,t\n" + "".join(f"{n},t{9 - n}\n" for n in range(1, 9)))
    done = crant("similar", "e.csv", "-a", "c.csv", "--by", "t", "--neurons", "1,2", "--of", "output", "-o", "s.csv")
    assert done.code == 0, done.err
    assert [list(row.values()) for row in read("s.csv")] == [["1", "1.0", "1.0"], ["2", "1.0", "1.0"]]


def test_squares_of_large_and_small_weights_do_not_overflow() -> None:
    """Sums of squares of int32 weights do, where they are multiplied as such; of floats, beyond 1e154."""
    for factor in (1, 2**31 - 1, 1e200, 1e-200):
        edges = pd.DataFrame({"pre": [1, 1, 2, 2], "post": [3, 4, 3, 4], "weight": np.array([1, 2, 2, 1]) * factor})
        found = ask(edges, of="output")
        assert found.loc[1, 2] == pytest.approx(0.8, abs=1e-15)
        assert found.loc[1, 1] == 1


def test_signed_weights(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\n1,3,2\n1,4,-2\n2,3,2\n2,4,2\n5,3,-2\n5,4,2\n")
    assert crant("similar", "e.csv", "-o", "s.csv").code == 3
    assert crant("similar", "e.csv", "--signed", "--of", "output", "-o", "s.csv").code == 0
    rows = read("s.csv")
    assert [[float(row[name]) for name in "125"] for row in rows] == [[1, 0, -1], [0, 1, 0], [-1, 0, 1]]
    done = crant("similar", "e.csv", "--signed", "--of", "output", "--top", "2", "-o", "t.csv")
    assert (done.code, read("t.csv")) == (0, [])
    assert crant("similar", "e.csv", "--signed", "-t", "1", "-o", "u.csv").code == 3


# Trees


@pytest.mark.parametrize("method", ["average", "ward", "complete", "single"])
def test_trees_are_those_of_scipy(method: str) -> None:
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    edges, cells = WORM
    whole = ask(edges)
    distances = np.maximum(squareform(1 - whole.to_numpy(), checks=False), 0)
    merges = linkage(np.sqrt(distances) if method == "ward" else distances, method)
    order = ask(edges, output="order", cluster=method)
    assert order["neuron_id"].tolist() == whole.index[leaves_list(merges)].tolist()
    tree = ask(edges, output="tree", cluster=method)
    assert tree.columns.tolist() == ["step", "left", "right", "height", "size"]
    heights = merges[:, 2] ** 2 if method == "ward" else merges[:, 2]
    assert np.allclose(tree["height"], heights, rtol=1e-12, atol=1e-15)
    assert tree[["left", "right", "size"]].to_numpy().tolist() == merges[:, [0, 1, 3]].astype(int).tolist()
    for cut in (1, 2, 7, len(whole), float(heights[-4]), 0.0, float(heights[-1])):
        found = ask(edges, output="clusters", cluster=method, cut=cut)
        assert found["neuron_id"].tolist() == order["neuron_id"].tolist()
        assert found["position"].tolist() == list(range(len(whole)))
        numbers = found["cluster"].to_numpy()
        assert numbers[0] == 1
        assert set(np.diff(numbers)) <= {0, 1}
        if isinstance(cut, int):
            assert numbers[-1] == cut
        else:
            limit = np.sqrt(cut) if method == "ward" else cut
            expected = fcluster(merges, limit, "distance")[leaves_list(merges)]
            assert (np.diff(numbers) != 0).tolist() == (np.diff(expected) != 0).tolist()
    assert cells.exists()


def test_an_order_goes_into_nested(crant: Crant) -> None:
    """Of neurons as CSV or Parquet, and of types; neurons that are not in it come last in their type."""
    edges, cells = WORM
    made = ("similar", edges, "-a", cells, "--neurons", "cell_class=interneuron", "--of", "output", "--order")
    nest = ("nested", edges, "-a", cells, "--cell-type-column", "cell_class", "-o", "n.npz", "--order", "n.csv")
    for name in ("o.csv", "o.parquet"):
        assert crant(*made, name).code == 0
        done = crant(*nest, "--neuron-order", f"@{name}")
        assert done.code == 0
        assert "not in the order given" in done.err
        order = [row["neuron_id"] for row in read("o.csv")]
        found = [row["neuron"] for row in read("n.csv") if row["type"] == "interneuron"]
        assert found[: len(order)] == order
        assert found != sorted(found)
    assert crant("similar", edges, "-a", cells, "--rows-by", "cell_class", "--order", "t.csv").code == 0
    assert crant(*nest, "--type-order", "@t.csv").code == 0
    types = [row["type"] for row in read("t.csv")]
    assert list(dict.fromkeys(row["type"] for row in read("n.csv") if row["type"])) == types
    done = crant(*nest, "--neuron-order", "size")
    assert (done.code, "annotation, id, weight, or @FILE" in done.err) == (2, True)
    assert crant(*nest, "--neuron-order", "@nothing.csv").code == 2


def test_clusters_and_matrices_are_taken_by_the_next_command(crant: Crant) -> None:
    edges, cells = WORM
    asked = ("similar", edges, "-a", cells, "--neurons", "cell_class=interneuron")
    done = crant(*asked, "--cut", "5", "--clusters", "c.csv", "-o", "s.npz", "--tree", "t.csv")
    assert done.code == 0, done.err
    assert crant("nested", edges, "-a", "c.csv", "--cell-type-column", "cluster", "--type-sum", "n.csv").code == 0
    assert [row["pre/post"] for row in read("n.csv")] == ["1", "2", "3", "4", "5"]
    assert crant("nested", "s.npz", "-a", cells, "-o", "again.npz").code == 0
    # It is no table of synapses: what is told of their totals is refused.
    assert crant("connectivity", "s.npz", "--normalize", "input", "-o", "f.csv").code == 3
    assert crant(*asked, "--top", "3", "-o", "t.parquet").code == 0
    done = crant("connectivity", "t.parquet", "-o", "f.csv")
    assert (done.code, "holds similarity" in done.err) == (3, True)


# Two sides


SIDES = "root_id,side,pair,cell_type\n1,L,2,a\n2,R,1,a\n3,L,4,b\n4,R,3,b\n5,L,,b\n6,R,,a\n7,C,,c\n"
PAIRED = "pre,post,weight\n1,3,2\n2,4,2\n3,7,1\n4,7,1\n5,7,2\n6,7,1\n6,2,1\n7,6,5\n"


def test_matches_by_hand(crant: Crant, tmp_path: Path) -> None:
    """3 and 4 are one partner, so that 1 and 2 are alike; 6 is as like to 3 in its outputs as 4 is."""
    (tmp_path / "e.csv").write_text(PAIRED)
    (tmp_path / "c.csv").write_text(SIDES)
    asked = ("similar", "e.csv", "-a", "c.csv", "--match", "side=L,R", "--pair", "pair", "--of", "output")
    done = crant(*asked, "-o", "m.csv", "--summary", "m.json")
    assert done.code == 0, done.err
    rows = read("m.csv")
    assert list(rows[0]) == [
        "neuron_id", "rank", "match_id", "cosine", "partner_id", "partner_rank", "partner_ties", "partner_cosine",
    ]  # fmt: skip
    assert [(row["neuron_id"], row["rank"], row["match_id"]) for row in rows] == [
        ("1", "1", "2"), ("3", "1", "4"), ("3", "2", "6"),
    ]  # fmt: skip
    assert [(row["partner_rank"], row["partner_ties"]) for row in rows] == [("1", "0"), ("1", "0"), ("1", "0")]
    figures = json.loads((tmp_path / "m.json").read_text())
    assert (figures["neurons"], figures["candidates"], figures["best_alone"], figures["share"]) == (2, 3, 2, 1.0)
    assert "1 of 3 neurons of L have no partner by pair" in done.err
    # Without partners that belong together, neurons of both sides share the one in the middle only.
    done = crant("similar", "e.csv", "-a", "c.csv", "--match", "side=L,R", "--of", "output", "-o", "n.csv")
    assert done.code == 0
    assert "partners are single neurons" in done.err
    rows = read("n.csv")
    assert [(row["neuron_id"], row["match_id"]) for row in rows] == [
        ("1", ""), ("3", "4"), ("3", "6"), ("5", "4"), ("5", "6"),
    ]  # fmt: skip
    # Some neurons only, whose partners are matched even if they are not among them.
    assert crant(*asked, "--neurons", "1,2", "-o", "o.csv").code == 0
    assert [(row["neuron_id"], row["match_id"], row["cosine"]) for row in read("o.csv")] == [("1", "2", "1.0")]


@SETTINGS
@given(edges=networks(), of=OF, top=st.integers(1, 7))
def test_matches_are_those_of_dense_vectors(edges: pd.DataFrame, of: str, top: int) -> None:
    """Odd neurons on the left, the next even one their partner on the right; 11 and 12 have none."""
    cells = pd.DataFrame(
        {"root_id": range(1, 13), "side": ["L", "R"] * 6, "p": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, None, None]}
    )
    weights = {(a, b): w for a, b, w in edges.itertuples(index=False, name=None) if a != b}
    label = {neuron: neuron - 1 if neuron % 2 == 0 and neuron < 11 else neuron for neuron in range(1, 13)}
    sides = {"input": [0], "output": [1]}.get(of, [0, 1])
    everyone = vectors(weights, {neuron: neuron for neuron in range(1, 13)}, label)
    there = {neuron for neuron, vector in everyone.items() if any(vector[side] for side in sides)}
    lefts = [n for n in range(1, 11, 2) if {n, n + 1} <= there]
    rights = [n for n in range(2, 13, 2) if n in there]
    whole = similarities({n: everyone[n] for n in [*lefts, *rights]}, of)
    question = Question(of=of, match="side=L,R", pair="p", top=top)
    try:
        found = cc.ask(question, source=edges, annotations=cells)
    except cc.DataError:
        assert not weights
        return
    for neuron in lefts:
        own = found[found["neuron_id"] == neuron]
        values = whole.loc[neuron, rights]
        best = sorted((-value, other) for other, value in values.items() if value > 0)[:top]
        got = own.dropna(subset=["match_id"])
        assert np.allclose(sorted(-got["cosine"].astype(float)), [value for value, _ in best], atol=1e-12)
        partner = values[neuron + 1]
        assert (own["partner_id"] == neuron + 1).all()
        assert (own["partner_rank"] == 1 + (values > partner + 1e-12).sum()).all()
        assert (own["partner_ties"] == (np.abs(values - partner) <= 1e-12).sum() - 1).all()
        assert np.allclose(own["partner_cosine"], partner, atol=1e-12)
    assert sorted(set(found["neuron_id"])) == lefts
    figures = found.attrs["crantcli"]["figures"]
    assert (figures["neurons"], figures["candidates"]) == (len(lefts), len(rights))


# What is refused


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--top", "0"], 2, "--top"),
        (["--of", "both"], 2, "--of"),
        (["--cut", "5"], 2, "--clusters FILE"),
        (["--cut", "many", "--clusters", "c.csv"], 2, "--cut many"),
        (["--cut", "0", "--clusters", "c.csv"], 2, "at least one cluster"),
        (["--cut", "-3", "--clusters", "c.csv"], 2, "at least one cluster"),
        (["--cut", "-0.5", "--clusters", "c.csv"], 2, "a number from 0.0"),
        (["--cut", "nan", "--clusters", "c.csv"], 2, "a number from 0.0"),
        (["--cut", "inf", "--clusters", "c.csv"], 2, "a number from 0.0"),
        (["--cut", "99", "--clusters", "c.csv"], 2, "7 to be put into clusters"),
        (["--clusters", "c.csv"], 2, "--cut K"),
        (["--cluster", "ward"], 2, "--cluster ward is for"),
        (["--cluster", "median", "--order", "c.csv"], 2, "--cluster"),
        (["--top", "3", "--order", "c.csv"], 2, "--order is about a tree"),
        (["--top", "3", "--cluster", "ward"], 2, "--cluster is about a tree"),
        (["--pair", "pair"], 2, "--match COLUMN=A,B"),
        (["--match", "side"], 2, "such as side=L,R"),
        (["--match", "side=L"], 2, "such as side=L,R"),
        (["--match", "side=L,R,C"], 2, "such as side=L,R"),
        (["--match", "side!=L,R"], 2, "such as side=L,R"),
        (["--match", "side=L,L"], 2, "the two sides are one"),
        (["--match", "side=L,R"], 2, "--annotations"),
        (["--match", "side=L,R", "-a", "c.csv", "--plot", "c.png"], 2, "--plot is about a tree"),
        (["--match", "side=L,R", "-a", "c.csv", "--rows-by", "cell_type"], 2, "--rows-by"),
        (["--match", "side=L,Q", "-a", "c.csv"], 3, "side=Q"),
        (["--match", "side=L,R", "-a", "c.csv", "--pair", "partner"], 3, "--pair partner"),
        (["--match", "side=L,R", "-a", "c.csv", "--pair", "cell_type"], 3, "is not one to one: neuron"),
        (["--by", "cell_type"], 2, "--annotations"),
        (["--by", "colour", "-a", "c.csv"], 3, "no column colour"),
        (["--rows-by", "colour", "-a", "c.csv"], 3, "no column colour"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    crant: Crant, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "e.csv").write_text(PAIRED)
    (tmp_path / "c.csv").write_text(SIDES.replace("6,R,,a", "6,R,,b"))
    done = crant("similar", "e.csv", *arguments, "-o", "s.csv")
    assert (done.code, said in done.err) == (code, True), done.err
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"top": 1.5}, {"cut": True}, {"cut": "5"}, {"of": "both"}, {"sum_duplicates": 1}, {"match": 5}, {"cut": []}],
)
def test_python_values_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises((cc.UsageError, TypeError)):
        Question(**wrong)


def test_empty_tables_and_single_neurons(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\n")
    files = ("-o", "s.npz", "--order", "o.csv", "--tree", "t.csv", "--plot", "s.png")
    done = crant("similar", "e.csv", *files)
    assert done.code == 0, done.err
    assert read("o.csv") == read("t.csv") == []
    assert crant("similar", "e.csv", "--fail-empty", "-o", "f.npz").code == 4
    assert crant("similar", "e.csv", "--top", "2", "-o", "t.csv").code == 0
    (tmp_path / "e.csv").write_text(EDGES)
    done = crant("similar", "e.csv", "--neurons", "1", *files, "--cut", "1", "--clusters", "c.csv")
    assert done.code == 0, done.err
    assert read("c.csv") == [{"neuron_id": "1", "cluster": "1", "position": "0"}]
    done = crant("similar", "e.csv", "--neurons", "1,99", "-o", "s.csv")
    assert done.code == 0
    assert "1 of 2 neurons have no partners that count, and are left out: 99" in done.err


def test_partners_and_rows_without_a_label_are_counted(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(EDGES)
    (tmp_path / "c.csv").write_text("root_id,cell_type\n5,x\n6,y\n1,z\n2,z\n")
    done = crant("similar", "e.csv", "-a", "c.csv", "--by", "cell_type", "--of", "output", "-o", "s.csv", "--json")
    assert done.code == 0
    assert "2 connections have a partner without a label, and are left out" in done.err
    assert json.loads(done.out)["ledger"]["removed"]["unannotated"] == 2
    done = crant("similar", "e.csv", "-a", "c.csv", "--rows-by", "cell_type", "--of", "output", "-o", "s.csv", "--json")
    assert done.code == 0
    assert "3 neurons without a label are in no row" in done.err
    assert [row["pre/post"] for row in read("s.csv")] == ["x", "z"]
    # A label that two groups would have.
    (tmp_path / "c.csv").write_text("root_id,a,b\n1,x:y,z\n2,x,y:z\n")
    done = crant("similar", "e.csv", "-a", "c.csv", "--rows-by", "a,b", "-o", "t.csv")
    assert (done.code, "two groups would be called" in done.err) == (3, True)


def test_tables_that_lack_what_is_compared_are_refused(crant: Crant) -> None:
    edges, _ = WORM
    assert crant("connectivity", edges, "-n", "AVAL,AVAR", "--no-downstream", "-o", "in.parquet").code == 0
    done = crant("similar", "in.parquet", "--neurons", "AVAL,AVAR", "-o", "s.csv")
    assert (done.code, "every output of 2 of 2 neurons" in done.err) == (3, True)
    done = crant("similar", "in.parquet", "--of", "input", "-o", "s.csv")
    assert (done.code, "every input" in done.err) == (3, True)
    assert crant("similar", "in.parquet", "--of", "input", "--neurons", "AVAL,AVAR", "-o", "s.csv").code == 0
    assert crant("similar", edges, "--of", "input", "--neurons", "AVAL,AVAR", "-o", "t.csv").code == 0
    assert Path("s.csv").read_bytes() == Path("t.csv").read_bytes()
    assert crant("connectivity", edges, "--top", "3", "-o", "top.parquet").code == 0
    done = crant("similar", "top.parquet", "-o", "u.csv")
    assert (done.code, "thinned by --top" in done.err) == (3, True)
    assert crant("connectivity", edges, "-t", "5", "-o", "strong.parquet").code == 0
    assert crant("similar", "strong.parquet", "-o", "s.csv").code == 0
    assert crant("similar", edges, "-t", "5", "-o", "t.csv").code == 0
    assert Path("s.csv").read_bytes() == Path("t.csv").read_bytes()


def test_matrices_synapses_and_edges_give_the_same(crant: Crant) -> None:
    sample = ROOT / "sample_data" / "synapses.parquet"
    assert crant("connectivity", sample, "-o", "e.parquet").code == 0
    assert crant("adjacency", sample, "-o", "a.npz").code == 0
    made = []
    for source in (sample, "e.parquet", "a.npz"):
        assert crant("similar", source, "--top", "4", "-o", "s.csv").code == 0
        made.append(Path("s.csv").read_bytes())
    assert made[0] == made[1] == made[2]


def test_a_matrix_that_is_too_large_is_refused(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosine_module, "MOST_CELLS", 1000)
    done = crant("similar", WORM[0], "-o", "s.npz")
    assert (done.code, "--top N" in done.err) == (2, True)
    assert crant("similar", WORM[0], "--top", "2", "-o", "s.csv").code == 0


@pytest.mark.parametrize("of", ["joined", "weighted"])
@pytest.mark.parametrize("whole", [True, False])
def test_bytes_do_not_depend_on_threads(crant_process: Crant, tmp_path: Path, of: str, whole: bool) -> None:
    chance = np.random.default_rng(3)
    pairs = np.unique(chance.integers(0, 2000, (60_000, 2)), axis=0)
    chance.shuffle(pairs)
    weights = chance.integers(1, 30, len(pairs)) if whole else chance.random(len(pairs))
    edges = pd.DataFrame({"pre": pairs[:, 0] + 1, "post": pairs[:, 1] + 1, "weight": weights})
    edges.to_parquet(tmp_path / "e.parquet")
    pd.DataFrame({"root_id": range(1, 2001), "cell_type": [f"t{n % 40}" for n in range(2000)]}).to_csv(
        tmp_path / "c.csv", index=False
    )
    for threads in ("1", "2"):
        for more in ((), ("--by", "cell_type", "-a", "c.csv")):
            name = f"{threads}{len(more)}"
            common = ("similar", "e.parquet", "--of", of, *more, "--threads", threads)
            done = crant_process(*common, "-o", f"{name}.npz", "--order", f"{name}.csv")
            assert done.code == 0, done.err
            assert crant_process(*common, "--top", "5", "-o", f"{name}.parquet").code == 0
    for number in ("0", "4"):
        for suffix in ("npz", "csv", "parquet"):
            one, other = (tmp_path / f"{threads}{number}.{suffix}" for threads in "12")
            assert one.read_bytes() == other.read_bytes(), suffix


def test_the_provenance_says_what_was_compared(crant: Crant) -> None:
    edges, cells = WORM
    done = crant(
        "similar", edges, "-a", cells, "--of", "weighted", "--top", "2", "--by", "cell_class", "-o", "t.parquet"
    )
    assert done.code == 0
    facts = json.loads(pq.read_table("t.parquet").schema.metadata[b"crantcli"])
    assert facts["kind"] == "similarity"
    assert (facts["options"]["of"], facts["options"]["top"], facts["options"]["by"]) == ("weighted", 2, ["cell_class"])
    assert facts["figures"]["input_weight"] > 0


def test_a_picture_has_the_order_of_the_tree() -> None:
    """Cells where there is room for each, and else means of what falls into a pixel."""
    from crantcli.core.matrix.labelled import LabelledMatrix
    from crantcli.core.similar.trees import cluster_tree
    from crantcli.output.figures.similarity import branches, ordered_means

    chance = np.random.default_rng(1)
    dense = 0.9 * chance.random((30, 30))
    dense[dense < 0.1] = 0
    dense = (dense + dense.T) / 2
    np.fill_diagonal(dense, 1)
    rows, columns = np.nonzero(dense)
    labels = np.arange(30)
    matrix = LabelledMatrix.from_entries(labels, labels, rows, columns, dense[rows, columns])
    tree = cluster_tree(matrix, "average")
    ordered = dense[np.ix_(tree.leaves, tree.leaves)]
    assert np.allclose(ordered_means(matrix, tree.leaves, 30), ordered)
    assert np.allclose(ordered_means(matrix, tree.leaves, 10), ordered.reshape(10, 3, 10, 3).mean(axis=(1, 3)))
    lines, colours = branches(tree, tree.clusters(4))
    assert len(lines) == len(colours) == 29
    # Each bracket starts where that of what it merges ends, and no two lines of leaves are at one place.
    ends = sorted(place for line in lines for height, place in (line[0], line[3]) if height == 0)
    assert ends == list(range(30))
    assert colours.count("#7d7d7d") == 3
    assert all(line[1][0] == line[2][0] >= max(line[0][0], line[3][0]) for line in lines)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_pictures_are_written(crant: Crant, suffix: str) -> None:
    edges, cells = WORM
    for more in ((), ("--cut", "0.8", "--cluster", "complete"), ("--rows-by", "cell_class", "--cut", "2")):
        done = crant("similar", edges, "-a", cells, "--neurons", "side=L", *more, "--plot", f"s.{suffix}")
        assert done.code == 0, done.err
        assert Path(f"s.{suffix}").stat().st_size > 5000


# Published figures


def larva(real: Path, output: str = "", clean: bool = True, **more: Any) -> pd.DataFrame:
    return ask(
        real / "larva" / "edges.parquet", output, annotations=real / "larva" / "neurons.csv", clean=clean, **more
    )


MBON = cc.NeuronCriteria(cell_type="MBON")


def table(path: Path, kind: type) -> pd.DataFrame:
    found = pd.read_csv(path, index_col=0)
    found.columns = found.columns.map(kind)
    return found


def test_published_figures_of_homologues(real: Path) -> None:
    rows = read(real.parent / "truths" / "similar_homologues.csv")
    assert rows
    for row in rows:
        other = {"L": "R", "R": "L"}[row["from_side"]]
        for pair in ("pair", "pair_id"):
            found = larva(real, of=row["combine"], match=f"side={row['from_side']},{other}", pair=pair)
            figures = found.attrs["crantcli"]["figures"]
            for name in ("neurons", "candidates", "best_or_tied", "best_alone", "among_first_5"):
                assert figures[name] == int(row[name]), (row, name)
            for name in ("share", "median_cosine"):
                assert figures[name] == pytest.approx(float(row[name]), rel=1e-9)


def test_published_figures_of_types(real: Path) -> None:
    truths = real.parent / "truths"
    known = table(truths / "similar_mbon_by_type_joined.csv", int)
    found = larva(real, neurons=MBON, by="cell_type")
    assert np.allclose(found.loc[known.index, known.columns], known, rtol=1e-9)
    for row in read(truths / "similar_mbon_pairs.csv"):
        for of, name in (("joined", "joined"), ("weighted", "weighted"), ("input", "in"), ("output", "out")):
            found = larva(real, neurons=MBON, by="cell_type", of=of)
            assert found.loc[int(row["a"]), int(row["b"])] == pytest.approx(float(row[name]), rel=1e-9)
    known = table(truths / "similar_types_joined.csv", str)
    found = larva(real, by="cell_type", rows_by="cell_type")
    assert np.allclose(found.loc[known.index, known.columns], known, rtol=1e-9)


def test_published_orders(real: Path) -> None:
    lines = (real.parent / "truths" / "similar_mbon_orders.csv").read_text().split()
    known = [int(word) for word in lines if word.isdigit()]
    assert len(known) == 48
    found = larva(real, "order", neurons=MBON, by="cell_type")["neuron_id"].tolist()
    assert found == known
    heights = larva(real, "tree", neurons=MBON, by="cell_type")["height"].tolist()[-3:]
    assert heights == pytest.approx([0.18081436, 0.22278753, 0.3596947], rel=1e-7)
    ward = larva(real, "order", neurons=MBON, by="cell_type", cluster="ward")["neuron_id"].tolist()
    assert ward[:4] == [4598109, 15253921, 8980589, 16223537]
