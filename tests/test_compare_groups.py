"""`crantcli compare`: groups of two brains, two sides of one, pairs of neurons, and tests of all of it."""

from __future__ import annotations

import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import Rules, Weights
from scipy import stats
from strategies import AS_DRAWN, SETTINGS, TYPES, Drawn, edge_tables, frame, rules, tuples

import crantcli as cc
from crantcli.core.compare.statistics import (
    EdgeCounts,
    fisher_test,
    holm,
    score_statistic,
    score_test,
    share_test,
    tippett,
)

pytestmark = [pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

NUMBERS = ["weight_a", "weight_b", "edges_a", "possible_a", "edges_b", "possible_b", "probability_a", "probability_b",
           "fraction_a", "fraction_b", "ratio"]  # fmt: skip


def share(part: float, whole: float | None) -> float | None:
    return part / whole if whole else None


def groups_by_hand(
    kept: Sequence[Weights], whole: Sequence[Weights], labels: Sequence[Mapping[Any, Any]], complete: bool
) -> dict[tuple[Any, Any], list[Any]]:
    """`NUMBERS` of each pair of groups. `labels` are those of all neurons of a side."""
    found: dict[tuple[Any, Any], list[Any]] = {}
    sizes = [Counter(side.values()) for side in labels]
    sums: list[Any] = [defaultdict(lambda: [0, 0]) for _ in "ab"]
    inputs: list[Any] = [Counter() for _ in "ab"]
    for side in (0, 1):
        for (pre, post), weight in kept[side].items():
            if pre in labels[side] and post in labels[side]:
                pair = sums[side][labels[side][pre], labels[side][post]]
                pair[0] += weight
                pair[1] += pre != post
        for (_, post), weight in whole[side].items():
            if post in labels[side]:
                inputs[side][labels[side][post]] += weight
    known = {*sizes[0], *sizes[1]}
    keys = {(x, y) for x in known for y in known} if complete else {*sums[0], *sums[1]}
    for x, y in keys:
        numbers: dict[str, Any] = {}
        for side, name in enumerate("ab"):
            weight, edges = sums[side].get((x, y), (0, 0))
            possible = sizes[side][x] * sizes[side][y] - (sizes[side][x] if x == y else 0)
            numbers |= {f"weight_{name}": weight, f"edges_{name}": edges, f"possible_{name}": possible}
            numbers[f"probability_{name}"] = share(edges, possible)
            numbers[f"fraction_{name}"] = share(weight, inputs[side][y])
        fractions = numbers["fraction_a"], numbers["fraction_b"]
        numbers["ratio"] = share(fractions[1], fractions[0]) if None not in fractions else None
        found[x, y] = [numbers[name] for name in NUMBERS]
    return found


def same_groups(found: pd.DataFrame, told: dict[tuple[Any, Any], list[Any]]) -> bool:
    rows = tuples(found)
    for pre, post, *numbers in rows:
        for name, one, other in zip(NUMBERS, numbers, told[pre, post], strict=True):
            assert one == other or math.isclose(one, other, rel_tol=1e-12), (pre, post, name, one, other)
    assert len(rows) == len(told)
    differences = [(-abs(row[3] - row[2]), row[0], row[1]) for row in rows]
    assert differences == sorted(differences)
    return True


@st.composite
def annotated(draw: st.DrawFn, table: Drawn) -> list[dict[str, Any]]:
    """A type and a side for most neurons of a table."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    rows = [
        {"root_id": neuron, "cell_type": chance.choice(TYPES[:4]), "side": chance.choice("LR"), "lobe": "x"}
        for neuron in table.neurons
        if str(neuron) != "0" and chance.random() < 0.9
    ]
    return [
        *rows,
        {"root_id": 77 if isinstance(table.neurons[0], int) else "x77", "cell_type": "other", "side": "L", "lobe": "x"},
    ]


# ------------------------------------------------------------------------------------------ by label


@SETTINGS
@given(data=st.data(), complete=st.booleans())
def test_groups_of_two_brains_are_compared_as_by_hand(data: st.DataObject, complete: bool) -> None:
    tables = [data.draw(edge_tables(tidy=True, neuropils=False)) for _ in "ab"]
    cells = [data.draw(annotated(table)) for table in tables]
    rule = data.draw(rules(tables[0]))
    labels = [{row["root_id"]: row["cell_type"] for row in rows} for rows in cells]
    kept, whole = (
        [oracle.table_edges(table.rows, rules=Rules(rule.clean, None, limit))[0] for table in tables]
        for limit in (rule.threshold, 1)
    )
    frames = [frame(rows, ("root_id", "cell_type", "side")) for rows in cells]
    found = cc.ask(
        cc.questions.Compare(by="cell_type", complete=complete),
        source=tables[0].frame, other=tables[1].frame, annotations=frames[0], other_annotations=frames[1],
        clean=rule.clean, threshold=rule.given, **AS_DRAWN,
    )  # fmt: skip
    assert list(found.columns) == ["pre_cell_type", "post_cell_type", *NUMBERS]
    assert same_groups(found, groups_by_hand(kept, whole, labels, complete))


@SETTINGS
@given(data=st.data(), table=edge_tables(tidy=True, neuropils=False))
def test_sides_of_one_table_are_compared_as_by_hand(data: st.DataObject, table: Drawn) -> None:
    """Edges within a side; fractions of all input in the table."""
    cells, rule = data.draw(annotated(table)), data.draw(rules(table))
    sides = [{row["root_id"]: row["cell_type"] for row in cells if row["side"] == side} for side in "LR"]
    if not all(sides):
        return
    every, whole = (
        oracle.table_edges(table.rows, rules=Rules(rule.clean, None, limit))[0] for limit in (rule.threshold, 1)
    )
    kept = [{pair: w for pair, w in every.items() if pair[0] in side and pair[1] in side} for side in sides]
    asked = {"annotations": frame(cells, ("root_id", "cell_type", "side", "lobe")), "clean": rule.clean}
    asked |= {"threshold": rule.given, **AS_DRAWN}
    left, right = (cc.NeuronCriteria(side=side) for side in "LR")
    question = cc.questions.Compare(left, right, by="type")
    if not {*sides[0].values()} & {*sides[1].values()}:
        with pytest.raises(cc.DataError, match="A and B share no label of type"):
            cc.ask(question, source=table.frame, **asked)
        return
    found = cc.ask(question, source=table.frame, **asked)
    assert same_groups(found, groups_by_hand(kept, [whole, whole], sides, False))
    two = cc.ask(cc.questions.Compare(left, right, by=("cell_type", "lobe")), source=table.frame, **asked)
    assert list(two.columns[:4]) == ["pre_cell_type", "pre_lobe", "post_cell_type", "post_lobe"]
    assert sum(two["weight_a"]) == sum(found["weight_a"])
    # Without labels, all neurons of a side are one group.
    (row,) = tuples(cc.ask(cc.questions.Compare(left, right), source=table.frame, **asked)) or [(0,) * 11]
    assert row[2] == sum(pre != post for pre, post in kept[0])


def partners_table(tmp_path: Path, rows: Sequence[tuple[Any, ...]]) -> Path:
    frame = pd.DataFrame(list(rows), columns=["root_id", "side", "partner", "pair"])
    frame.to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path / "cells.csv"


CELLS = [
    (1, "L", 11, "x"),
    (2, "L", 12, "y"),
    (3, "L", "", ""),
    (11, "R", 1, "x"),
    (12, "R", 2, "y"),
    (13, "R", "", ""),
]


def edge_list(path: Path, rows: Sequence[tuple[Any, ...]]) -> Path:
    pd.DataFrame(list(rows), columns=["pre", "post", "weight"]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("column", ["partner", "pair"])
def test_neurons_are_matched_one_to_one(crant: Crant, tmp_path: Path, column: str) -> None:
    edges = edge_list(tmp_path / "e.csv", [(1, 2, 5), (2, 1, 3), (1, 3, 9), (1, 12, 4), (11, 12, 7), (12, 13, 1)])
    sides = ("-a", partners_table(tmp_path, CELLS), "--a", "side=L", "--b", "side=R", "--pair", column)
    done = crant("compare", edges, *sides, "-o", "-")
    assert done.code == 0, done.err
    assert done.rows() == [
        ["pre", "post", "pre_b", "post_b", "weight_a", "weight_b", "difference", "status"],
        ["2", "1", "12", "11", "3", "0", "-3", "only_a"],
        ["1", "2", "11", "12", "5", "7", "2", "changed"],
    ]
    assert f"1 of 3 neurons of A have no partner by {column}, and are left out" in done.err
    assert "6 edges read, 3 unselected, 3 kept; 2 pairs" in done.err


@pytest.mark.parametrize(
    ("cells", "column", "told"),
    [
        ([*CELLS, (14, "R", 1, "")], "partner", "column partner is not one to one: neuron 1 goes with 11, 14 of B"),
        ([*CELLS, (14, "R", "", "x")], "pair", "column pair is not one to one: neuron 1 goes with 11, 14 of B"),
        ([(4, "L", 99, ""), *CELLS, (14, "R", 4, "")], "partner", "neuron 14 goes with 4, which goes with 99"),
        (CELLS, "side", "--pair side: column side matches no neuron of A with one of B"),
        (CELLS, "pear", "--pair pear: no such column in the annotations (near names: pair"),
    ],
)
def test_a_column_that_does_not_match_one_to_one_is_refused(
    crant: Crant, tmp_path: Path, cells: Any, column: str, told: str
) -> None:
    edges = edge_list(tmp_path / "e.csv", [(1, 2, 5), (11, 12, 7)])
    sides = ("-a", partners_table(tmp_path, cells), "--a", "side=L", "--b", "side=R")
    done = crant("compare", edges, *sides, "--pair", column)
    assert (done.code, told in done.err) == (3, True), done.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--a", "side=L"), 2, "--a and --b are the two sides of one table; give both or none"),
        (("--a", "side=L", "--b", "side=L"), 3, "3 neurons are on both sides, --a and --b, such as 1"),
        (("--a", "side=L", "--b", "side=Q"), 3, "side"),
        (("e.csv", "--pair", "pair"), 2, "--pair is about two sides of one table"),
        (("e.csv", "--test", "score"), 2, "--test is about groups"),
        (("e.csv", "--by", "pair", "--all"), 2, "--all is about pairs of neurons"),
        (("e.csv", "--by", "pear"), 3, "--by pear: no column pear in the annotations (near names: pair"),
        (("--a", "side=L", "--b", "side=R", "--by", "side"), 3, "A and B share no label of side: A has L, B has R"),
        (("--a", "side=L", "--b", "side=R", "--by", "pair", "--pair", "pair"), 2, "use one of the two"),
        (("--a", "side=L", "--b", "side=R", "e.csv"), 2, "one table is compared with itself, and 2 given"),
        (("--a", "side=L", "--b", "side=R", "--sweep", "s.csv"), 2, "give them with --threshold N,..."),
        (("thin.parquet", "--by", "pair"), 3, "B was thinned by a threshold of 5, so that neither fractions nor"),
        (("part.parquet", "--by", "pair"), 3, "B does not hold every input of 4 of 4 neurons, such as 1"),
    ],
)
def test_what_is_wrong_with_sides_is_said(
    crant: Crant, tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    edge_list(tmp_path / "e.csv", [(1, 2, 5), (11, 12, 7)])
    partners_table(tmp_path, CELLS)
    assert crant("connectivity", "e.csv", "-t", 5, "-o", "thin.parquet").code == 0
    assert crant("connectivity", "e.csv", "-n", 2, "--no-upstream", "-o", "part.parquet").code == 0
    done = crant("compare", "e.csv", "-a", "cells.csv", *arguments)
    assert (done.code, told in done.err) == (code, True), done.err


def test_labels_on_one_side_are_counted(crant: Crant, tmp_path: Path) -> None:
    edge_list(tmp_path / "e.csv", [(1, 2, 5), (3, 2, 4), (11, 12, 7)])
    partners_table(tmp_path, [*CELLS[:3], (11, "R", "", "x"), (12, "R", "", "z")])
    done = crant("compare", "e.csv", "-a", "cells.csv", "--a", "side=L", "--b", "side=R", "--by", "pair", "-o", "-")
    assert done.code == 0, done.err
    assert "1 label is in A only: y" in done.err
    assert "1 label is in B only: z" in done.err
    assert "A: 1 edges of neurons without pair are left out" in done.err
    assert "3 edges read, 1 unannotated, 2 kept; 2 pairs of groups" in done.err


# ------------------------------------------------------------------------------------------ tests


COUNTS = st.tuples(st.integers(1, 300), st.integers(1, 300)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


def counts_of(rows: Sequence[tuple[int, int, int, int]]) -> EdgeCounts:
    return EdgeCounts(*np.array(rows, dtype=np.int64).T)


@SETTINGS
@given(row=COUNTS)
def test_fishers_test_is_scipys(row: tuple[int, int, int, int]) -> None:
    x1, n1, x2, n2 = row
    found = float(fisher_test(counts_of([row]))[0])
    assert found == pytest.approx(stats.fisher_exact([[x1, n1 - x1], [x2, n2 - x2]]).pvalue, rel=1e-9)


@SETTINGS
@given(row=COUNTS, ratio=st.sampled_from([0.5, 0.9297, 1.7]))
def test_the_score_test_has_the_likeliest_shares(row: tuple[int, int, int, int], ratio: float) -> None:
    """The constrained maximum found by search instead of by formula; and the sides change places."""
    x1, n1, x2, n2 = row
    if not 0 < x1 + x2 < n1 + n2:
        return
    shares = np.linspace(0, min(1, 1 / ratio), 200_001)[1:-1]
    with np.errstate(divide="ignore"):
        likely = (
            x1 * np.log(ratio * shares) + (n1 - x1) * np.log1p(-ratio * shares) + x2 * np.log(shares)
            + (n2 - x2) * np.log1p(-shares)
        )  # fmt: skip
    q2 = shares[likely.argmax()]
    q1, total = ratio * q2, n1 + n2
    variance = total / (total - 1) * (q1 * (1 - q1) / n1 + ratio**2 * q2 * (1 - q2) / n2)
    z = float(score_statistic(counts_of([row]), ratio)[0])
    assert z == pytest.approx((x1 / n1 - ratio * x2 / n2) / math.sqrt(variance), rel=2e-2, abs=2e-2)
    swapped = counts_of([(x2, n2, x1, n1)])
    assert float(score_test(swapped)[0]) == pytest.approx(float(score_test(counts_of([row]))[0]), rel=1e-9)
    assert float(score_test(swapped, 1 / ratio)[0]) == pytest.approx(
        float(score_test(counts_of([row]), ratio)[0]), rel=1e-6
    )


@SETTINGS
@given(p=st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), max_size=12))
def test_corrections_follow_their_definitions(p: list[float]) -> None:
    known = sorted(value for value in p if value == value)
    expected = {}
    for k, value in enumerate(known):
        expected[value] = max(min(1.0, (len(known) - j) * known[j]) for j in range(k + 1))
    found = holm(np.array(p, dtype=np.float64))
    assert [None if value != value else pytest.approx(expected[value]) for value in p] == [
        None if value != value else value for value in found.tolist()
    ]
    combined = tippett(np.array(p, dtype=np.float64))
    assert combined == (pytest.approx(1 - (1 - known[0]) ** len(known), abs=1e-12) if known else None)


def test_a_side_without_an_edge_is_not_tested() -> None:
    found = share_test("score", counts_of([(0, 5, 3, 5), (3, 5, 0, 5), (5, 5, 5, 5), (2, 5, 3, 5)]))
    assert np.isnan(found).tolist() == [True, True, False, False]
    assert found[2] == 1


# ------------------------------------------------------------------------------------------ a published brain

SIDES = [word for side in "LR" for group in ("paper", "accessory")
         for word in ("--a" if side == "L" else "--b", f"{group}=True and side={side}")]  # fmt: skip


def test_the_published_larva_comes_out(crant: Crant, tmp_path: Path, real: Path) -> None:
    """Pedigo et al. 2023, eLife 12:e83739, figures 3 to 5."""
    larva = (real / "larva" / "edges.parquet", "-a", real / "larva" / "neurons.csv", *SIDES, "--largest-component")
    done = crant("compare", *larva, "--by", "cell_type", "--test", "score", "--complete", "-t", "1,2,5",
                 "-o", "g.csv", "--sweep", "s.csv", "--summary", "f.json")  # fmt: skip
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "f.json").read_text())
    assert (figures["neurons_a"], figures["neurons_b"]) == (1506, 1506)
    assert (figures["edges_a"], figures["edges_b"]) == (36500, 39260)
    assert (figures["density_a"], figures["density_b"]) == (0.016103912147644197, 0.01732163262784962)
    assert figures["p_density"] == pytest.approx(4.87394e-24, rel=1e-5)
    assert figures["p_groups"] == pytest.approx(3.2645011493987496e-08, rel=1e-9)
    assert figures["p_adjusted"] == pytest.approx(0.0046509184480731805, rel=1e-9)
    sweep = pd.read_csv(tmp_path / "s.csv").set_index("threshold")
    columns = ["edges_a", "edges_b", "tested", "significant", "significant_adjusted"]
    assert sweep[columns].to_numpy().tolist() == [
        [36500, 39260, 285, 7, 2], [19462, 21037, 247, 3, 1], [6694, 7720, 206, 1, 1],
    ]  # fmt: skip
    assert sweep["p_density"].tolist() == pytest.approx([4.873936e-24, 3.794681e-15, 1.133923e-17], rel=1e-6)
    assert sweep["p_groups"].tolist() == pytest.approx([3.2645011e-08, 1.052319e-06, 7.943763e-04], rel=1e-6)
    assert sweep["p_adjusted"].tolist() == pytest.approx([0.004650918, 0.041181, 0.023796], rel=1e-4)
    groups = pd.read_csv(tmp_path / "g.csv").set_index(["pre_cell_type", "post_cell_type"])
    assert len(groups) == 18 * 18
    kc = groups.loc["KC", "KC"]
    assert (kc["edges_a"], kc["possible_a"], kc["edges_b"], kc["possible_b"]) == (3314, 6162, 3227, 5402)
    assert (kc["p"], kc["p_holm"]) == (pytest.approx(1.14543901842e-10, rel=1e-6), pytest.approx(3.2645e-08, rel=1e-4))
    assert groups.loc[("LHN", "Other"), "p_holm"] == pytest.approx(0.03539353, rel=1e-6)
    done = crant("compare", *larva, "--by", "cell_type", "--test", "fisher", "--summary", "f.json")
    figures = json.loads((tmp_path / "f.json").read_text())
    assert (figures["significant"], figures["p_groups"]) == (7, pytest.approx(3.5863970815e-08, rel=1e-6))
    assert figures["p_density"] == pytest.approx(5.00372e-24, rel=1e-5)


def test_pairs_of_the_larva_are_found_by_either_column(crant: Crant, real: Path) -> None:
    """1,639 pairs name each other; a few labels of pairs are also IDs of neurons."""
    larva = (real / "larva" / "edges.parquet", "-a", real / "larva" / "neurons.csv", "--a", "side=L", "--b", "side=R")
    partner, label = (crant("compare", *larva, "--pair", column, "-o", "-") for column in ("pair", "pair_id"))
    assert partner.code == 0, partner.err
    assert partner.out == label.out
    assert "148 of 1,787 neurons of A have no partner by pair" in partner.err


def test_the_worm_of_the_sample_has_two_sides(crant: Crant) -> None:
    worm = (SAMPLE / "celegans_edges.csv", "-a", SAMPLE / "celegans_cells.csv", "--a", "side=L", "--b", "side=R")
    done = crant("compare", *worm, "--by", "cell_class", "--test", "score", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows()[0][:2] == ["pre_cell_class", "post_cell_class"]
