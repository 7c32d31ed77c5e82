"""`crantcli counts --by`, `--weight`, `--sign` and `--min-fraction`; `crantcli synapses --min-fraction`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import EVERYTHING, Chosen, Rules
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
from weighed import FRACTIONS, weighed_files

import crantcli as cc

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")


def strong(table: Drawn, rule: Rules, weights: dict[Any, int], least: float | None) -> dict[Any, int]:
    """Pairs, or pairs in a neuropil, that are at least a part of the input of the post neuron."""
    if least is None:
        return weights
    make = oracle.table_edges if table.has("weight") else oracle.synapse_edges
    whole = oracle.totals(make(table.rows, EVERYTHING, Rules(rule.clean, rule.min_size, 1))[0], "input")
    pairs: dict[Any, int] = defaultdict(int)
    for key, weight in weights.items():
        pairs[key[:2]] += weight
    return {key: weight for key, weight in weights.items() if pairs[key[:2]] >= least * whole[key[1]]}


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(), table=synapse_tables(neuropils=True) | edge_tables(neuropils=True, tidy=True), least=FRACTIONS,
    by=st.sampled_from([(), ("side",), ("cell_type", "side"), ("neuropil",), ("side", "neuropil")]),
    signed=st.booleans(),
)  # fmt: skip
def test_partners_are_counted_by_their_group(
    data: st.DataObject, table: Drawn, least: float | None, by: tuple[str, ...], signed: bool
) -> None:
    """Each neuron's partners and synapses, one row for each group of partners; nobody is left out."""
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    labels = [*data.draw(annotation_tables(table.neurons)), {"root_id": table.neurons[-1], "side": "left"}]
    labels = [{"cell_type": None, "side": None, **row} for row in labels]
    known, in_neuropils = oracle.annotated(labels), "neuropil" in by
    make = oracle.table_edges if table.has("weight") else oracle.synapse_edges
    try:
        weights, _ = make(table.rows, oracle.partners_of(neurons), rule, by_neuropil=in_neuropils)
    except oracle.ConflictError:
        return
    weights = strong(table, rule, weights, least)

    def group(partner: Any, place: tuple[Any, ...]) -> tuple[Any, ...]:
        row = known.get(partner, {})
        return (*((row.get(name) or "").strip() or None for name in by if name != "neuropil"), *place)

    sign = {neuron: -1 if (row.get("side") or "") == "left" else 1 for neuron, row in known.items()}
    cells: dict[Any, list[int]] = defaultdict(lambda: [0] * 6)
    for (pre, post, *place), weight in weights.items():
        for neuron, partner, at in ((pre, post, 0), (post, pre, 1)):
            row = cells[neuron, group(partner, tuple(place))]
            for figure, number in ((at, 1), (at + 2, weight), (at + 4, weight * sign.get(pre, 1))):
                row[figure] += number
    there = {neuron for neuron, _ in cells}
    for neuron in neurons or ():
        if neuron not in there:
            cells[neuron, (None,) * len(by)] = [0] * 6
    order = {neuron: place for place, neuron in enumerate(neurons if neurons is not None else sorted(there))}
    expected = [
        (neuron, *labels, *figures[: 6 if signed else 4])
        for (neuron, labels), figures in sorted(
            cells.items(), key=lambda cell: (order.get(cell[0][0], -1), *oracle.nulls_last(*cell[0][1]))
        )
        if neuron in order
    ]
    if any(isinstance(row.get("weight"), float) and row["weight"] % 1 for row in table.rows):
        return  # fractions are no numbers of synapses
    more = {"sign": "side", "inhibitory": "left", "unsigned": "positive"} if signed else {}
    found = cc.get_synapse_counts(
        neurons, rule.threshold, rule.min_size, clean=rule.clean, source=table.frame, min_fraction=least,
        annotations=frame(labels, ANNOTATION_COLUMNS), by=by or None, **AS_DRAWN, **more,
    )  # fmt: skip
    assert tuples(found.reset_index()) == expected


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables(), least=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_rows_of_strong_inputs(data: st.DataObject, table: Drawn, least: float) -> None:
    """Rows of a pair stay or go together, by its part of all input of the post neuron."""
    rule = data.draw(rules(table))
    chosen = Chosen(data.draw(maybe_asked(table)), data.draw(maybe_asked(table)))
    pairs = strong(table, rule, oracle.synapse_edges(table.rows, chosen, rule)[0], least)
    rows, _ = oracle.synapses(table.rows, chosen, rule)
    expected = sorted(str((row["pre"], row["post"])) for row in rows if (row["pre"], row["post"]) in pairs)
    found = cc.get_synapses(
        chosen.pre, chosen.post, rule.threshold, rule.min_size, clean=rule.clean, source=table.frame,
        min_fraction=least, kind="synapses", **AS_DRAWN,
    )  # fmt: skip
    ends = [name for name in found.columns if name.startswith(("pre", "post"))]
    assert sorted(str(pair) for pair in tuples(found[ends])) == expected


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return weighed_files(tmp_path, "1,A,left,gaba\n2,A,right,ach\n3,B,left,ach\n4,,left,ach\n")


FIGURES = ["pre", "post", "pre_synapses", "post_synapses"]


def test_groups_of_partners(tables: Path, crant: Crant) -> None:
    done = crant("counts", "synapses.csv", "-a", "types.csv", "-n", "1,7", "--by", "cell_type", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows() == [
        ["neuron_id", "partner_cell_type", *FIGURES],
        ["1", "A", "1", "1", "2", "1"],
        ["1", "B", "0", "1", "0", "2"],
        ["1", "", "0", "1", "0", "1"],
        ["7", "", "0", "0", "0", "0"],
    ]
    assert "4 groups of partners" in done.err


def test_weights_of_columns_stand_beside_synapses(tables: Path, crant: Crant) -> None:
    words = ("counts", "synapses.csv", "-o", "-")
    sums = crant(*words, "--weight", "sum:size").rows()
    assert sums[0] == ["neuron_id", *FIGURES, "pre_weight", "post_weight"]
    assert sums[1:3] == [["1", "1", "3", "2", "4", "30", "22"], ["2", "2", "1", "2", "2", "5", "30"]]
    means = crant(*words, "--weight", "mean:size").rows()
    assert means[1:3] == [["1", "1", "3", "2", "4", "15.0", "5.5"], ["2", "2", "1", "2", "2", "5.0", "15.0"]]
    signed = crant(*words, "-a", "types.csv", "--sign", "nt", "--inhibitory", "gaba").rows()
    assert signed[1:3] == [["1", "1", "3", "2", "4", "-2", "4"], ["2", "2", "1", "2", "2", "2", "-2"]]


def test_counts_of_groups_are_no_totals(tables: Path, crant: Crant) -> None:
    """And counts of strong inputs are not, either."""
    assert crant("counts", "synapses.csv", "--by", "neuropil", "-o", "by.csv").code == 0
    done = crant("connectivity", "synapses.csv", "--normalize", "input", "--totals", "by.csv")
    assert (done.code, "neuron 1 stands in several rows" in done.err) == (3, True), done.err
    assert crant("counts", "synapses.csv", "--min-fraction", "0.5", "-o", "strong.parquet").code == 0
    done = crant("connectivity", "synapses.csv", "--normalize", "input", "--totals", "strong.parquet")
    assert (done.code, "thinned by --min-fraction 0.5" in done.err) == (3, True), done.err


def test_synapses_of_strong_inputs(tables: Path, crant: Crant) -> None:
    """Of all input, whatever was selected; and what is left has no totals."""
    words = ("synapses", "synapses.csv", "--pre", "3,4", "--min-fraction", "0.5")
    done = crant(*words, "-o", "-")
    assert [row[0] for row in done.rows()[1:]] == ["5", "6"]
    assert "1 threshold" in done.err
    assert crant(*words, "-o", "strong.parquet").code == 0
    refused = crant("connectivity", "strong.parquet", "--normalize", "output")
    assert (refused.code, "thinned by --min-fraction 0.5" in refused.err) == (3, True)
    assert crant("synapses", "synapses.csv", "--pre", "3,4", "-o", "part.parquet").code == 0
    refused = crant("synapses", "part.parquet", "--min-fraction", "0.5")
    assert (refused.code, "does not hold every input" in refused.err) == (3, True)
    assert crant("counts", "synapses.csv", "-o", "totals.csv").code == 0
    whole = crant("synapses", "part.parquet", "--min-fraction", "0.5", "--totals", "totals.csv", "-o", "-")
    assert whole.rows() == done.rows()


@pytest.mark.parametrize(
    ("command", "options", "code", "told"),
    [
        ("counts", "--by pre:side", 2, "columns of the partners, on whichever side"),
        ("counts", "--by colour", 3, "neither the annotations nor the table have it"),
        ("counts", "--weight sum:length", 3, "no column length to add up"),
        ("counts", "--weight total", 2, "say count, sum:COL or mean:COL"),
        ("counts", "--min-fraction 2", 2, "a fraction is from 0 to 1"),
        ("counts", "--totals types.csv", 2, "--totals goes with --min-fraction"),
        ("counts", "--sign cell_type --inhibitory A", 3, "1 presynaptic neuron has no cell_type that gives a sign"),
        ("synapses", "--min-fraction -1", 2, "a fraction is from 0 to 1"),
        ("synapses", "--totals types.csv", 2, "--totals goes with --min-fraction"),
    ],
)
def test_options_that_are_wrong(tables: Path, crant: Crant, command: str, options: str, code: int, told: str) -> None:
    done = crant(command, "synapses.csv", "-a", "types.csv", "-o", "out.csv", *options.split())
    assert (done.code, told in done.err) == (code, True), done.err
    assert not (tables / "out.csv").exists()


def test_larva(crant: Crant, real: Path, tmp_path: Path) -> None:
    """Inputs of each neuron by the type of the partner add up to all of them."""
    edges, cells = real / "larva" / "edges.parquet", real / "larva" / "neurons.csv"
    words = ("counts", edges, "-a", cells)
    assert crant(*words, "--by", "cell_type", "-o", "by.csv").code == 0
    assert crant(*words, "-o", "all.csv").code == 0
    by, whole = (pd.read_csv(tmp_path / name) for name in ("by.csv", "all.csv"))
    sums = by.groupby("neuron_id")[FIGURES].sum().reset_index()
    pd.testing.assert_frame_equal(sums, whole)
    assert by["partner_cell_type"].nunique() == 18
