"""`crantcli similar --weight`, `--sign` and `--min-fraction`: cosines of the weights that `connectivity` tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    ANNOTATION_COLUMNS,
    AS_DRAWN,
    SETTINGS,
    Drawn,
    edge_tables,
    frame,
    maybe_asked,
    rules,
    synapse_tables,
    tuples,
)
from test_similar import OF, cosine, read, vectors
from weighed import FRACTIONS, SIGNS, WEIGHTS, labelled, scored

import crantcli as cc
from crantcli.core.rows.weights import Signs

pytestmark = [pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]


@SETTINGS
@given(
    data=st.data(), table=synapse_tables() | edge_tables(neuropils=False, tidy=True), of=OF, weight=WEIGHTS,
    least=FRACTIONS, signs=SIGNS, grouped=st.booleans(),
)  # fmt: skip
def test_a_matrix_is_that_of_vectors_of_weights(
    data: st.DataObject, table: Drawn, of: str, weight: str, least: float | None, signs: Signs | None, grouped: bool
) -> None:
    """Of all neurons or some; fractions are of all input in the table."""
    kind, rule = "edges" if table.has("weight") else "synapses", data.draw(rules(table))
    if kind == "synapses":
        table = scored(table)
    weighed: dict[str, Any] = {
        "weight": weight if kind == "synapses" else "count",
        "min_fraction": least,
        "signs": signs,
    }
    labels = {row["root_id"]: row for row in labelled(data, table)}
    by = ("cell_type",) if grouped and not weighed["weight"].startswith("mean") else ()
    types = {neuron: row["cell_type"] for neuron, row in oracle.annotated(list(labels.values())).items()}
    asked = {"annotations": frame(labels.values(), ANNOTATION_COLUMNS), "threshold": rule.given, **AS_DRAWN}
    asked |= {"min_size": rule.min_size, "clean": rule.clean, "kind": kind, "source": table.frame}
    told = cc.ask(cc.questions.Connectivity(**weighed), **asked)
    weights = {(pre, post): weight for pre, post, weight in tuples(told[["pre", "post", "weight"]]) if weight}
    chosen = data.draw(maybe_asked(table))
    rows_of = {neuron for pair in weights for neuron in pair} if chosen is None else set(chosen)
    made = vectors(
        weights, {neuron: neuron for neuron in rows_of},
        {neuron: label for neuron, label in types.items() if label} if by else None,
    )  # fmt: skip
    found = cc.ask(cc.questions.Similar(chosen, of, by, **weighed), **asked)
    sides = {"input": [0], "output": [1]}.get(of, [0, 1])
    there = sorted(row for row, vector in made.items() if any(any(vector[side].values()) for side in sides))
    assert found.index.tolist() == found.columns.tolist() == there
    whole = [sum(abs(weight) for row in there for weight in made[row][side].values()) for side in (0, 1)]
    for place, a in enumerate(there):
        for other, b in enumerate(there):
            if of == "weighted":
                expected = sum(cosine(made[a][side], made[b][side]) * whole[side] for side in (0, 1)) / sum(whole)
            else:
                one, two = ({(side, p): w for side in sides for p, w in made[row][side].items()} for row in (a, b))
                expected = cosine(one, two)
            assert np.isclose(found.iat[place, other], expected, rtol=0, atol=1e-9)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "synapses.csv").write_text(
        "pre,post,size\n1,3,10\n1,3,10\n1,4,5\n2,3,5\n2,4,20\n2,4,0\n5,3,20\n5,4,5\n5,4,\n6,4,\n"
    )
    (tmp_path / "types.csv").write_text("root_id,cell_type,side,nt\n1,A,L,ach\n2,A,R,gaba\n5,B,L,ach\n6,,R,\n")
    return tmp_path


def matrix(path: str) -> dict[tuple[str, str], float]:
    found = {}
    for row in read(path):
        (_, neuron), *cells = row.items()
        found |= {(neuron, other): float(value) for other, value in cells}
    return found


def test_by_hand(tables: Path, crant: Crant) -> None:
    """1 and 5 have the same sizes in their outputs, and other numbers of synapses."""
    asked = ("similar", "synapses.csv", "--of", "output", "-o")
    done = crant(*asked, "s.csv", "--weight", "sum:size", "--summary", "s.json")
    assert done.code == 0, done.err
    assert matrix("s.csv")["1", "1"] == 1
    assert matrix("s.csv")["1", "5"] == pytest.approx(1)
    assert matrix("s.csv")["1", "2"] == pytest.approx((20 * 5 + 5 * 20) / 425)
    assert "1 pair has a sum of size of 0, or none, like pairs without a connection" in done.err
    assert json.loads(Path("s.json").read_text())["without_partners"] == ["3", "4", "6"]
    assert crant(*asked, "c.csv").code == 0
    assert matrix("c.csv")["1", "5"] == pytest.approx((2 * 1 + 1 * 2) / 5)
    signs = ("-a", "types.csv", "--sign", "nt", "--inhibitory", "gaba", "--unsigned", "positive")
    done = crant(*asked, "n.npz", *signs)
    assert done.code == 0, done.err
    assert crant(*asked, "n.csv", *signs).code == 0
    assert matrix("n.csv")["1", "2"] == pytest.approx(-(2 * 1 + 1 * 2) / 5)
    facts = json.loads(crant("info", "n.npz", "--json").out)["provenance"]
    assert (facts["signed"], facts["options"]["column"], facts["options"]["inhibitory"]) == (True, "nt", ["gaba"])
    # 3 has 4 inputs, of which 1 sends 2; 4 has 6, of which 2 and 5 send 2 each.
    assert crant(*asked, "m.csv", "--min-fraction", "0.3").code == 0
    assert matrix("m.csv") == {(one, other): float((one == "1") == (other == "1")) for one in "125" for other in "125"}


@pytest.mark.parametrize("seed", range(4))
def test_whole_numbers_that_are_too_large_to_add_up_exactly_are_added_in_the_order_of_neurons(seed: int) -> None:
    """Large inputs of one type cancel out, and what small ones are left depends on the order of all."""
    chance = np.random.default_rng(seed)
    partners, receiver, other = 10 + np.sort(chance.choice(10**6, 12, replace=False)), 1, 2
    weights = chance.permutation([2**53, -(2**53), 2**53, -(2**53), *[3, 5, 7, 11, 13, 17, 19, 23]])
    left = 0.0
    for weight in weights.tolist():
        left += weight
    rows = [(partner, receiver, abs(weight)) for partner, weight in zip(partners, weights, strict=True)]
    rows += [(3, receiver, 40), (partners[weights > 0][0], other, 1)]
    signs = ["minus" if weight < 0 else "plus" for weight in weights]
    cells = pd.DataFrame({"root_id": [*partners, 3], "cell_type": ["A"] * 12 + ["B"], "sign": [*signs, "plus"]})
    for _ in range(3):
        edges = pd.DataFrame(
            [rows[place] for place in chance.permutation(len(rows))], columns=["pre", "post", "weight"]
        )
        question = cc.questions.Similar(of="input", by="cell_type", signs=Signs("sign", ("minus",)))
        found = cc.ask(question, source=edges, annotations=cells)
        assert found.loc[receiver, other] == pytest.approx(left / np.hypot(left, 40), abs=1e-12)


def test_fractions_may_be_of_totals_in_a_file(tables: Path, crant: Crant) -> None:
    """Outputs of a few neurons do not tell all input of those that receive them."""
    assert crant("synapses", "synapses.csv", "--pre", "1,2,5", "-o", "some.parquet").code == 0
    asked = ("similar", "some.parquet", "-n", "1,2,5", "--of", "output", "--min-fraction", "0.3", "-o")
    done = crant(*asked, "lost.csv")
    assert (done.code, "--totals FILE" in done.err) == (3, True), done.err
    assert not Path("lost.csv").exists()
    assert crant("counts", "synapses.csv", "-o", "totals.parquet").code == 0
    done = crant(*asked, "told.csv", "--totals", "totals.parquet")
    assert done.code == 0, done.err
    assert crant(*asked[:1], "synapses.csv", *asked[2:], "whole.csv").code == 0
    assert read("told.csv") == read("whole.csv")


def test_rows_without_a_partner_are_counted_in_synapses(tables: Path, crant: Crant) -> None:
    """Whatever their weights are: that of 6, which has no type."""
    asked = ("similar", "synapses.csv", "-a", "types.csv", "--by", "cell_type", "--of", "input")
    done = crant(*asked, "--weight", "sum:size", "-o", "s.csv")
    assert done.code == 0, done.err
    assert "10 synapses read, 1 unannotated, 9 kept" in done.err
    signs = ("--sign", "nt", "--inhibitory", "gaba", "--unsigned", "drop")
    assert "10 synapses read, 1 unannotated, 9 kept" in crant(*asked, *signs, "-o", "d.csv").err


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ("--weight median:size", 2, "say count, sum:COL or mean:COL"),
        ("--weight sum:length", 3, "no column length to add up"),
        ("--weight mean:size --by cell_type", 2, "take --weight sum:size, or leave --by out"),
        ("--weight mean:size --rows-by cell_type", 2, "--rows-by adds up the weights of several pairs"),
        ("--weight mean:size --match side=L,R --pair nt", 2, "--pair adds up"),
        ("--min-fraction 1.5", 2, "a fraction is from 0 to 1"),
        ("--totals types.csv", 2, "--totals goes with --min-fraction"),
        ("--sign nt", 2, "--sign nt needs --inhibitory LABEL,..."),
        ("--sign nt --inhibitory gaba", 3, "1 presynaptic neuron has no nt that gives a sign, such as 6"),
    ],
)
def test_options_that_are_wrong(tables: Path, crant: Crant, options: str, code: int, told: str) -> None:
    done = crant("similar", "synapses.csv", "-a", "types.csv", "-o", "out.csv", *options.split())
    assert (done.code, told in done.err) == (code, True), done.err
    assert not (tables / "out.csv").exists()


def test_means_of_matched_sides_are_of_pairs(tables: Path, crant: Crant) -> None:
    """Where no partner is two neurons, nothing is added up."""
    done = crant("similar", "synapses.csv", "-a", "types.csv", "--match", "side=L,R", "--of", "output",
                 "--weight", "mean:size", "-o", "m.csv")  # fmt: skip
    assert done.code == 0, done.err
    found = {(row["neuron_id"], row["match_id"]): float(row["cosine"]) for row in read("m.csv")}
    one, two, five = (10, 5), (5, 10), (20, 5)
    assert found["1", "2"] == pytest.approx(np.dot(one, two) / np.linalg.norm(one) / np.linalg.norm(two))
    assert found["5", "2"] == pytest.approx(np.dot(five, two) / np.linalg.norm(five) / np.linalg.norm(two))
