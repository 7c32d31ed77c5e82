"""`crantcli compare --weight`, `--sign` and `--min-fraction`: the pairs that `connectivity` tells, compared."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

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
    rules,
    synapse_tables,
    tuples,
)
from test_compare import by_hand, changed_tables, strangers
from weighed import FRACTIONS, SIGNS, WEIGHTS, labelled, scored

import crantcli as cc
from crantcli.core.rows.weights import Signs

pytestmark = [pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]


Pairs = dict[tuple[Any, Any], Any]


class Asked:
    """A table once and once more, each with annotations of its own, and how their rows are weighed."""

    def __init__(self, data: st.DataObject, table: Drawn, weight: str, least: float | None, signs: Signs | None):
        self.kind, rule = "edges" if table.has("weight") else "synapses", data.draw(rules(table))
        tables = [table, data.draw(changed_tables(table))]
        if self.kind == "synapses":
            tables = [scored(each) for each in tables]
        self.weighed = {"weight": weight if self.kind == "synapses" else "count", "min_fraction": least, "signs": signs}
        self.frames = [each.frame for each in tables]
        self.labels = [{row["root_id"]: row for row in labelled(data, table)} for _ in "ab"]
        self.rows = {"threshold": rule.given, "min_size": rule.min_size, "clean": rule.clean, "kind": self.kind}
        self.rows |= AS_DRAWN

    def cells(self, side: int) -> pd.DataFrame:
        return frame(self.labels[side].values(), ANNOTATION_COLUMNS)

    def pairs(self, side: int) -> Pairs:
        """All pairs that `connectivity` tells, also those without a weight."""
        question = cc.questions.Connectivity(**self.weighed)
        found = cc.ask(question, source=self.frames[side], annotations=self.cells(side), **self.rows)
        return {(pre, post): weight for pre, post, weight in tuples(found[["pre", "post", "weight"]])}


@SETTINGS
@given(
    data=st.data(), table=synapse_tables() | edge_tables(neuropils=False, tidy=True), weight=WEIGHTS, least=FRACTIONS,
    signs=SIGNS,
)  # fmt: skip
def test_pairs_are_those_of_connectivity(
    data: st.DataObject, table: Drawn, weight: str, least: float | None, signs: Signs | None
) -> None:
    """Pairs whose weight is 0, or none, count as not connected."""
    asked = Asked(data, table, weight, least, signs)
    a, b = ({pair: w for pair, w in asked.pairs(side).items() if w} for side in (0, 1))
    if strangers(a, b):
        return
    question = cc.questions.Compare(match="neuron", all=True, **asked.weighed)
    found = cc.ask(
        question, source=asked.frames[0], other=asked.frames[1], annotations=asked.cells(0),
        other_annotations=asked.cells(1), **asked.rows,
    )  # fmt: skip
    assert tuples(found) == by_hand(a, b, True)


def close(one: Any, other: Any) -> bool:
    return one == other or (None not in (one, other) and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9))


def by_type(pairs: Pairs, labels: dict[Any, dict[str, Any]]) -> dict[tuple[Any, Any], list[tuple[Any, Any]]]:
    """The pairs of each pair of types."""
    found = defaultdict(list)
    types = {neuron: row["cell_type"].strip() for neuron, row in labels.items() if (row["cell_type"] or "").strip()}
    for pre, post in pairs:
        if pre in types and post in types:
            found[types[pre], types[post]].append((pre, post))
    return found


@SETTINGS
@given(
    data=st.data(), table=synapse_tables() | edge_tables(neuropils=False, tidy=True), weight=WEIGHTS, least=FRACTIONS,
    signs=SIGNS,
)  # fmt: skip
def test_groups_are_of_these_pairs(
    data: st.DataObject, table: Drawn, weight: str, least: float | None, signs: Signs | None
) -> None:
    """Sums, and means of synapses, as `connectivity --by` tells them; edges are pairs, whatever their weight."""
    asked = Asked(data, table, weight, least, signs)
    grouped = cc.questions.Connectivity(by="type", **asked.weighed)
    told: list[Pairs] = []
    edges = []
    for side in (0, 1):
        found = cc.ask(grouped, source=asked.frames[side], annotations=asked.cells(side), **asked.rows)
        told.append({(pre, post): w for pre, post, w in tuples(found[["pre", "post", "weight"]])})
        edges.append(by_type(asked.pairs(side), asked.labels[side]))
    given_to_all = {"annotations": asked.cells(0), "other_annotations": asked.cells(1), **asked.rows}
    question = cc.questions.Compare(by="cell_type", **asked.weighed)
    found = cc.ask(question, source=asked.frames[0], other=asked.frames[1], **given_to_all)
    columns = ["weight_a", "weight_b", "edges_a", "edges_b"]
    rows = tuples(found[["pre_cell_type", "post_cell_type", *columns]])
    assert {row[:2] for row in rows} == {*told[0], *told[1]}
    for pre, post, *numbers in rows:
        for side in (0, 1):
            assert close(numbers[side], told[side].get((pre, post)) or 0)
            assert numbers[2 + side] == sum(one != other for one, other in edges[side][pre, post])
    assert ("fraction_a" in found) == (asked.weighed["weight"] == "count")


@SETTINGS
@given(
    data=st.data(), table=synapse_tables() | edge_tables(neuropils=False, tidy=True), weight=WEIGHTS, least=FRACTIONS,
    signs=SIGNS, matched=st.booleans(),
)  # fmt: skip
def test_sides_of_one_table_have_these_pairs(
    data: st.DataObject, table: Drawn, weight: str, least: float | None, signs: Signs | None, matched: bool
) -> None:
    """Fractions are of all input in the table, and what is on no side needs no sign."""
    asked = Asked(data, table, weight, least, signs)
    a, b = [neuron for neuron in table.neurons if str(neuron) != "0"][:2], table.neurons[3:5]
    every, cells = asked.pairs(0), asked.cells(0)
    inside = [{pair: w for pair, w in every.items() if pair[0] in side and pair[1] in side} for side in (a, b)]
    chosen = [cc.questions.Compare, [str(n) for n in a], [str(n) for n in b]]
    if matched:
        partners = {one: f"p{place}" for side in (a, b) for place, one in enumerate(side)}
        cells = cells.merge(pd.DataFrame({"root_id": list(partners), "pair": list(partners.values())}), how="outer")
        carried = {(a[b.index(pre)], a[b.index(post)]): w for (pre, post), w in inside[1].items()}
        one, other = ({pair: w for pair, w in side.items() if w} for side in (inside[0], carried))
        if strangers(one, other):
            return
        question = chosen[0](*chosen[1:], pair="pair", **asked.weighed)
        found = cc.ask(question, source=asked.frames[0], annotations=cells, **asked.rows)
        columns = ["pre", "post", "weight_a", "weight_b", "difference", "status"]
        assert tuples(found[columns]) == by_hand(one, other)
        return
    found = cc.ask(chosen[0](*chosen[1:], **asked.weighed), source=asked.frames[0], annotations=cells, **asked.rows)
    rows = tuples(found)
    if not any(inside):
        assert not rows
        return
    (row,) = rows
    numbers = dict(zip(found.columns, row, strict=True))
    for name, side in zip("ab", inside, strict=True):
        assert numbers[f"edges_{name}"] == sum(pre != post for pre, post in side)
        if not weight.startswith("mean") or asked.kind == "edges":
            assert close(numbers[f"weight_{name}"], sum(w or 0 for w in side.values()))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(
        "pre,post,size,neuropil\n1,2,10,EB\n1,2,20,EB\n2,1,5,FB\n2,3,,FB\n3,1,7,EB\n3,1,9,EB\n"
    )
    (tmp_path / "b.csv").write_text("pre,post,size,neuropil\n1,2,10,EB\n1,2,25,EB\n2,1,5,FB\n2,3,4,FB\n3,1,7,EB\n")
    for name in "ab":
        lines = (tmp_path / f"{name}.csv").read_text().splitlines()
        numbered = [f"{place or 'id'},{line}" for place, line in enumerate(lines)]
        (tmp_path / f"{name}_ids.csv").write_text("\n".join(numbered) + "\n")
    (tmp_path / "types.csv").write_text("root_id,cell_type,nt\n1,A,gaba\n2,A,ach\n3,B,\n")
    (tmp_path / "ids.csv").write_text("old_id,new_id\n1,1\n2,2\n3,3\n")
    return tmp_path


def test_by_hand(tables: Path, crant: Crant) -> None:
    done = crant("compare", "a.csv", "b.csv", "--weight", "sum:size", "--summary", "s.json", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows()[1:] == [
        ["3", "1", "16", "7", "-9", "changed"],
        ["1", "2", "30", "35", "5", "changed"],
        ["2", "3", "0", "4", "4", "only_b"],
    ]
    assert "A: 1 pair has a sum of size of 0, or none, like pairs without a connection" in done.err
    assert json.loads((tables / "s.json").read_text())["weight_a"] == 51
    signs = ("-a", "types.csv", "--sign", "nt", "--inhibitory", "GABA", "--unsigned", "positive")
    done = crant("compare", "a.csv", "b.csv", *signs, "--all", "-o", "c.parquet")
    assert done.code == 0, done.err
    facts = json.loads(crant("info", "c.parquet", "--json").out)["provenance"]
    assert facts["signed"] is True
    assert (facts["options"]["column"], facts["options"]["inhibitory"]) == ("nt", ["GABA"])
    done = crant("compare", "a.csv", "b.csv", *signs, "--all", "--plot", "c.png", "-o", "-")
    assert ["1", "2", "-2", "-2", "0", "same"] in done.rows()
    done = crant("compare", "a.csv", "b.csv", "--min-fraction", "0.5", "--all", "-o", "-")
    assert [row[:2] for row in done.rows()[1:]] == [["2", "1"], ["3", "1"], ["1", "2"], ["2", "3"]]
    done = crant("compare", "a.csv", "b.csv", "--min-fraction", "0.6", "--all", "-o", "-")
    assert [row[:2] for row in done.rows()[1:]] == [["3", "1"], ["1", "2"], ["2", "3"]]


def test_what_is_on_no_side_is_neither_weighed_nor_counted_twice(tables: Path, crant: Crant) -> None:
    """It counts as unselected, whatever its fraction; and its neurons need no sign."""
    sides = ("compare", "a.csv", "-a", "types.csv", "--a", "1,2", "--b", "3", "-o", "-")
    done = crant(*sides, "--min-fraction", "0.7")
    assert done.code == 0, done.err
    assert "6 synapses read, 3 unselected, 1 threshold, 2 kept" in done.err
    done = crant(*sides, "--sign", "nt", "--inhibitory", "gaba")
    assert done.code == 0, done.err
    assert done.rows()[1][:2] == ["-1", "0"]


def test_groups_by_columns_of_the_table_are_weighed(tables: Path, crant: Crant) -> None:
    done = crant("compare", "a.csv", "b.csv", "--by", "neuropil", "--weight", "mean:size", "-t", "1,2", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows() == [
        ["neuropil", "weight_a", "weight_b", "edges_a", "edges_b"],
        ["EB", "11.5", "14.0", "2", "2"],
        ["FB", "5.0", "4.5", "2", "2"],
    ]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ("a_ids.csv b_ids.csv --weight sum:size", 2, "--match neuron compares these"),
        ("a_ids.csv b_ids.csv --min-fraction 0.1", 2, "--min-fraction 0.1 is about pairs of neurons"),
        ("a_ids.csv b_ids.csv --match synapse --sign nt --inhibitory gaba", 2, "which --match neuron compares"),
        ("a.csv b.csv --ids ids.csv --weight sum:size", 2, "compare those with --ids"),
        ("a.csv b.csv --weight sum:size -t 1,2 --sweep w.csv", 2, "are told of --weight count; give one"),
        ("a.csv b.csv --weight sum:length", 3, "no column length to add up"),
        ("a.csv b.csv --min-fraction 2", 2, "a fraction is from 0 to 1"),
        ("a.csv b.csv --sign nt --inhibitory gaba", 3, "1 presynaptic neuron has no nt that gives a sign, such as 3"),
        ("a.csv --by cell_type --against erdos-renyi --weight sum:size", 2, "leave --weight sum:size out"),
        ("a.csv --by cell_type --against erdos-renyi --sign nt --inhibitory gaba", 2, "leave --sign nt out"),
        ("some.parquet b.csv --min-fraction 0.1", 3, "A does not hold every input of"),
    ],
)
def test_options_that_are_wrong(tables: Path, crant: Crant, options: str, code: int, told: str) -> None:
    assert crant("synapses", "a.csv", "--pre", "1", "-o", "some.parquet").code == 0
    done = crant("compare", *options.split(), "-a", "types.csv", "-o", "out.csv")
    assert (done.code, told in done.err) == (code, True), done.err
    assert not (tables / "out.csv").exists()


def test_least_fractions_go_with_chance(tables: Path, crant: Crant) -> None:
    """They say which pairs are edges, and edges are what is counted."""
    asked = ("compare", "a.csv", "-a", "types.csv", "--by", "cell_type", "--against", "erdos-renyi", "-o", "-")
    assert sum(int(row[2]) for row in crant(*asked).rows()[1:]) == 4
    assert sum(int(row[2]) for row in crant(*asked, "--min-fraction", "0.6").rows()[1:]) == 3
