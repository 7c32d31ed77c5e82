"""`crantcli connectivity --by COL,...`: edges added up by columns of the annotations and of the table."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import Rules
from strategies import (
    ANNOTATION_COLUMNS,
    AS_DRAWN,
    SETTINGS,
    Drawn,
    annotation_tables,
    edge_tables,
    frame,
    maybe_asked,
    rules,
    synapse_tables,
    tuples,
)
from weighed import rounded

import crantcli as cc

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
SIDES = st.sampled_from([(True, True), (True, False), (False, True)])
BY = st.sampled_from(
    [
        ("cell_type", "side"),
        ("side",),
        ("pre:side", "post:cell_type"),
        ("pre:cell_type", "pre:side", "post:side"),
        ("cell_type", "neuropil"),
        ("roi", "side"),
    ]
)


def expected(
    table: Drawn,
    neurons: Any,
    rule: Rules,
    sides: tuple[bool, bool],
    by: tuple[str, ...],
    labels: Any,
    everything: bool,
) -> list[tuple[Any, ...]]:
    """What is told, by looking at each pair of neurons."""
    own = [name for name in by if name in ("neuropil", "roi")]
    columns = {
        end: [name.removeprefix(f"{end}:") for name in by if name not in own and name.partition(":")[0] in (end, name)]
        for end in ("pre", "post")
    }
    known = oracle.annotated(labels)

    def group(neuron: Any, end: str) -> tuple[str, ...] | None:
        row = known.get(neuron, {})
        found = tuple((row.get(name) or "").strip() for name in columns[end])
        return found if all(found) and not (rule.clean and neuron in (0, "0")) else None

    chosen = oracle.partners_of(neurons, *sides)
    make = oracle.table_edges if table.has("weight") else oracle.synapse_edges
    weights, _ = make(table.rows, chosen, rule, by_neuropil=bool(own))
    cells: dict[Any, list[Any]] = defaultdict(list)
    for (pre, post, *place), weight in weights.items():
        a, b = group(pre, "pre"), group(post, "post")
        if a is not None and b is not None:
            cells[(a, b, *place)].append((pre, post, weight))
    possible: dict[Any, int] = defaultdict(int)
    for pre in known:
        for post in known:
            a, b = group(pre, "pre"), group(post, "post")
            wanted = neurons is None or (sides[0] and post in neurons) or (sides[1] and pre in neurons)
            if a is not None and b is not None:
                possible[a, b] += int(wanted and pre != post)
    if everything:
        places = {key[2:] for key in cells}
        for a, b in possible:
            for place in places if own else [()]:
                cells.setdefault((a, b, *place), [])
    rows = []
    for (a, b, *place), edges in cells.items():
        weight, number = sum(edge[2] for edge in edges), sum(pre != post for pre, post, _ in edges)
        pairs = possible[a, b]
        shares = (number / pairs, weight / pairs) if pairs else (None, None)
        ends = (len({edge[0] for edge in edges}), len({edge[1] for edge in edges}))
        rows.append((*a, *b, *place, weight, number, pairs, *shares, *ends))
    at = len(columns["pre"]) + len(columns["post"]) + len(own)
    return sorted(rows, key=lambda row: (-row[at], *oracle.nulls_last(*row[:at])))


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(),
    table=synapse_tables(neuropils=True) | edge_tables(neuropils=True, tidy=True),
    sides=SIDES,
    by=BY,
    everything=st.booleans(),
)
def test_groups_follow_the_rules(
    data: st.DataObject, table: Drawn, sides: tuple[bool, bool], by: tuple[str, ...], everything: bool
) -> None:
    """Weights, connected and possible pairs, probability and mean, and the neurons that take part."""
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    labels = data.draw(annotation_tables(table.neurons))
    annotations = frame(labels, ANNOTATION_COLUMNS)
    found = cc.get_connectivity(
        neurons, *sides, rule.threshold, rule.min_size, clean=rule.clean, source=table.frame, annotations=annotations,
        by=by, complete=everything, **AS_DRAWN,
    )  # fmt: skip
    wanted = expected(table, neurons, rule, sides, by, labels, everything)
    assert [rounded(dict(enumerate(row))) for row in tuples(found)] == [rounded(dict(enumerate(row))) for row in wanted]


FIGURES = ("weight", "edges", "possible", "probability", "mean", "pre_neurons", "post_neurons")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "synapses.csv").write_text(
        "id,pre,post,compartment,score\n1,1,2,axon,5\n2,1,2,axon,6\n3,1,3,dendrite,7\n4,2,1,axon,8\n5,3,2,,9\n6,9,1,axon,1\n"
    )
    (tmp_path / "types.csv").write_text("root_id,cell_type,side\n1,A,left\n2,A,right\n3,B,left\n4,B,right\n9,,left\n")
    return tmp_path


def test_columns_of_the_annotations(tables: Path, crant: Crant) -> None:
    done = crant("connectivity", "synapses.csv", "-a", "types.csv", "--by", "cell_type", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows() == [
        ["pre_cell_type", "post_cell_type", *FIGURES],
        ["A", "A", "3", "2", "2", "1.0", "1.5", "2", "2"],
        ["A", "B", "1", "1", "4", "0.25", "0.25", "1", "1"],
        ["B", "A", "1", "1", "4", "0.25", "0.25", "1", "1"],
    ]
    assert "1 synapses of neurons without a label are left out" in done.err


def test_columns_of_the_table_alone(tables: Path, crant: Crant) -> None:
    done = crant("connectivity", "synapses.csv", "--by", "compartment", "-o", "-")
    assert done.rows() == [
        ["compartment", "weight", "edges", "pre_neurons", "post_neurons"],
        ["axon", "4", "3", "3", "2"],
        ["dendrite", "1", "1", "1", "1"],
        ["", "1", "1", "1", "1"],
    ]


@NOTES_ARE_FINE
def test_fractions_are_of_all_that_the_groups_get(tables: Path) -> None:
    found = cc.get_connectivity(
        source=tables / "synapses.csv", annotations=tables / "types.csv", by=("pre:cell_type", "post:side"),
        normalize="input",
    )  # fmt: skip
    shares = {tuple(row[:2]): row[-1] for row in tuples(found)}
    # Left neurons (1, 3, 9) get 3 synapses, of which one comes from 9, which has no type.
    assert shares == {("A", "right"): 2 / 3, ("B", "right"): 1 / 3, ("A", "left"): 2 / 3}


def test_possible_pairs_are_those_that_a_file_may_hold(tables: Path, crant: Crant) -> None:
    """A file of some neurons' outputs says nothing of other neurons' outputs."""
    assert crant("synapses", "synapses.csv", "--pre", "1", "-o", "one.parquet").code == 0
    by_type = ("-a", "types.csv", "--by", "cell_type", "-o", "-")
    done = crant("connectivity", "one.parquet", *by_type)
    whole = crant("connectivity", "synapses.csv", "-n", "1", "--no-upstream", *by_type)
    assert [row[:5] for row in done.rows()[1:]] == [["A", "A", "2", "1", "1"], ["A", "B", "1", "1", "2"]]
    assert whole.rows() == done.rows()


@pytest.mark.parametrize(
    ("by", "code", "told"),
    [
        ("celltype,sid", 3, "neither the annotations nor the table have it"),
        ("pre:cell_type", 2, "no column for the post neurons; name one as post:COL"),
        ("cell_type,pre:cell_type", 2, "a column is named twice"),
        ("cell_type,,side", 2, "name columns as COL, pre:COL or post:COL"),
        ("side,side", 2, "side is named twice"),
        ("both:side", 2, "name columns as COL, pre:COL or post:COL"),
        ("score", 0, ""),
        ("neuropil,side", 3, "needs a column neuropil or roi, and this table has neither"),
    ],
)
def test_names_that_are_wrong(tables: Path, crant: Crant, by: str, code: int, told: str) -> None:
    done = crant("connectivity", "synapses.csv", "-a", "types.csv", "--by", by, "-o", "out.csv")
    assert (done.code, told in done.err) == (code, True), done.err
    assert (tables / "out.csv").exists() == (code == 0)


def test_a_column_that_both_have_must_be_told(tables: Path, crant: Crant) -> None:
    content = (tables / "synapses.csv").read_text().replace("compartment", "side")
    (tables / "synapses.csv").write_text(content)
    done = crant("connectivity", "synapses.csv", "-a", "types.csv", "--by", "side")
    assert done.code == 2
    assert "the annotations and the table have a column side; say --by pre:side,post:side" in done.err
    assert crant("connectivity", "synapses.csv", "-a", "types.csv", "--by", "pre:side,post:side").code == 0


@pytest.mark.parametrize(
    "more", [("--top", "3"), ("--annotate", "side"), ("--by", "type", "--complete"), ("--complete", "--by", "neuropil")]
)
def test_options_that_do_not_go_with_groups(tables: Path, crant: Crant, more: tuple[str, ...]) -> None:
    assert crant("connectivity", "synapses.csv", "-a", "types.csv", "--by", "cell_type,side", *more).code == 2


@NOTES_ARE_FINE
def test_groups_of_the_sample_add_up() -> None:
    """Types split by side have the sums of types."""
    given_files = {"source": SAMPLE / "synapses.parquet", "annotations": SAMPLE / "annotations.csv"}
    fine = cc.get_connectivity(by="cell_type,side", **given_files)
    coarse = cc.get_connectivity(by="cell_type", **given_files)
    names = ["pre_cell_type", "post_cell_type"]
    summed = fine.groupby(names)[["weight", "edges"]].sum()
    pd.testing.assert_frame_equal(summed, coarse.set_index(names)[["weight", "edges"]].loc[summed.index])


def test_the_first_column_that_is_filled_is_the_type(tables: Path, crant: Crant) -> None:
    """In every command that takes types; how many come from which column is said."""
    (tables / "types.csv").write_text(
        "root_id,cell_type,hemibrain,cell_class\n1,A,X,m\n2,,B,m\n3, ,,C\n9,,,\n3,,,C\n2,,Z,\n"
    )
    columns = ("-a", "types.csv", "--cell-type-column", "cell_type,hemibrain, Cell Class")
    done = crant("connectivity", "synapses.csv", *columns, "--by", "type", "-o", "-")
    assert done.code == 0, done.err
    assert [row[:3] for row in done.rows()[1:]] == [["A", "B", "2"], ["A", "C", "1"], ["B", "A", "1"], ["C", "B", "1"]]
    told = "the type is the first column that is filled: cell_type in 1, hemibrain in 2, cell_class in 2 rows"
    assert told in done.err
    grouped = crant("connectivity", "synapses.csv", *columns, "--by", "type,cell_class", "-o", "-")
    assert grouped.rows()[0][:4] == ["pre_type", "pre_cell_class", "post_type", "post_cell_class"]
    done = crant("nested", "synapses.csv", *columns, "--type-sum", "sums.csv", "--weight-mode", "count")
    assert done.code == 0, done.err
    assert (tables / "sums.csv").read_text().splitlines()[0] == "pre/post,A,B,C"
    done = crant("nested", "synapses.csv", "-a", "types.csv", "--cell-type-column", "cell_type,no_such", "-o", "n.csv")
    assert (done.code, "no_such: the annotations have no such column" in done.err) == (3, True), done.err
