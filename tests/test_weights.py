"""`crantcli connectivity --weight`, `--sign`, `--min-fraction` and `--sweep`."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import permutations
from pathlib import Path
from typing import Any

import oracle
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import EVERYTHING, Rules
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

import crantcli as cc

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")


def ask(table: Drawn, neurons: Any, rule: Rules, **more: Any) -> list[tuple[Any, ...]]:
    return tuples(
        cc.get_connectivity(
            neurons, threshold=rule.threshold, min_size=rule.min_size, clean=rule.clean, source=table.frame, **AS_DRAWN,
            **more,
        )
    )  # fmt: skip


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables(neuropils=True), how=st.sampled_from(["sum", "mean"]), split=st.booleans())
def test_weights_are_sums_and_means_of_a_column(data: st.DataObject, table: Drawn, how: str, split: bool) -> None:
    """Of the synapses that count; thresholds are of how many they are. A synapse without a value counts in no mean."""
    table = Drawn([{**row, "score": row.get("size")} for row in table.rows], (*table.columns, "score"), table.neurons)
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    chosen = oracle.partners_of(neurons)
    kept, _ = oracle.synapses(table.rows, chosen, Rules(rule.clean, rule.min_size, 1))
    strong, _ = oracle.synapse_edges(table.rows, chosen, rule)
    values: dict[Any, list[Any]] = defaultdict(list)
    for row in kept:
        if (row["pre"], row["post"]) in strong:
            values[(row["pre"], row["post"], *([row["neuropil"]] if split else []))].append(row["score"])
    known = {pair: [value for value in found if value is not None] for pair, found in values.items()}
    expected = {
        pair: sum(found) if how == "sum" else sum(found) / len(found) if found else None
        for pair, found in known.items()
    }
    found = ask(table, neurons, rule, weight=f"{how}:score", **({"by": "neuropil"} if split else {}))
    assert {row[:-1]: row[-1] for row in found} == expected
    order = [(row[-1] is None, -(row[-1] or 0), *oracle.nulls_last(*row[:-1])) for row in found]
    assert order == sorted(order)


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables() | edge_tables(neuropils=False, tidy=True), least=st.floats(0, 1))
def test_strong_inputs_are_kept(data: st.DataObject, table: Drawn, least: float) -> None:
    """A part of all input of the post neuron, before the threshold."""
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    least = data.draw(st.sampled_from([least, 0.5, 0.25, 1.0]))
    make = oracle.table_edges if table.has("weight") else oracle.synapse_edges
    everything, _ = make(table.rows, EVERYTHING, Rules(rule.clean, rule.min_size, 1))
    whole = oracle.totals(everything, "input")
    edges, _ = make(table.rows, oracle.partners_of(neurons), rule)
    expected = {pair: weight for pair, weight in edges.items() if weight >= least * whole[pair[1]]}
    assert ask(table, neurons, rule, min_fraction=least) == oracle.ordered(expected)


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(),
    table=synapse_tables() | edge_tables(neuropils=False, tidy=True),
    unsigned=st.sampled_from(["drop", "positive", "error"]),
    listed=st.booleans(),
)
def test_signs_are_those_of_the_pre_neuron(data: st.DataObject, table: Drawn, unsigned: str, listed: bool) -> None:
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    labels = [*data.draw(annotation_tables(table.neurons)), {"root_id": table.neurons[-1], "side": "right"}]
    sides = {neuron: row.get("side") for neuron, row in oracle.annotated(map(padded, labels)).items()}
    signs = {neuron: -1 if side == "left" else 1 for neuron, side in sides.items() if side is not None}
    make = oracle.table_edges if table.has("weight") else oracle.synapse_edges
    edges, _ = make(table.rows, oracle.partners_of(neurons), rule)
    given_signs = {"sign": "side", "inhibitory": "LEFT", "excitatory": ["right"] if listed else ()}
    annotations = frame(map(padded, labels), ANNOTATION_COLUMNS)

    def found() -> list[tuple[Any, ...]]:
        return ask(table, neurons, rule, annotations=annotations, unsigned=unsigned, **given_signs)

    if listed and "right" not in sides.values():
        with pytest.raises(cc.DataError, match="excitatory right: no neuron has this side"):
            found()
        return
    lacking = {pair[0] for pair in edges} - signs.keys()
    if lacking and unsigned == "error":
        with pytest.raises(cc.DataError, match=f"{len(lacking)} presynaptic neuron"):
            found()
        return
    expected = {
        pair: weight * signs.get(pair[0], 1)
        for pair, weight in edges.items()
        if pair[0] in signs or unsigned == "positive"
    }
    assert found() == oracle.ordered(expected)


def padded(row: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": None, "side": None, **row}


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "synapses.csv").write_text(
        "id,pre,post,size\n1,1,2,10\n2,1,2,20\n3,2,1,5\n4,2,3,\n5,3,1,7\n6,3,1,9\n7,3,1,2\n8,4,4,1\n"
    )
    (tmp_path / "types.csv").write_text("root_id,cell_type,nt\n1,A,gaba\n2,A,ACh\n3,B,\n")
    return tmp_path


def test_sums_and_means_of_types(tables: Path, crant: Crant) -> None:
    """The mean of types is that of their synapses, and not of pairs."""
    by = ("synapses.csv", "-a", "types.csv", "--by", "type", "-o", "-")
    sums, means = (crant("connectivity", *by, "--weight", weight) for weight in ("sum:size", "mean:size"))
    assert [row[:3] for row in sums.rows()[1:]] == [["A", "A", "35"], ["B", "A", "18"], ["A", "B", "0"]]
    assert [row[:3] for row in means.rows()[1:]] == [["A", "A", str(35 / 3)], ["B", "A", "6.0"], ["A", "B", ""]]
    groups = crant("connectivity", *by[:4], "cell_type", *by[5:], "--weight", "sum:size")
    assert [row[2] for row in groups.rows()[1:]] == ["35", "18", "0"]


def test_a_signed_file_says_so(tables: Path, crant: Crant) -> None:
    """It is read again without being told that weights may be negative; fractions are of absolute totals."""
    signed = ("--sign", "nt", "--inhibitory", "GABA", "--unsigned", "positive")
    done = crant("connectivity", "synapses.csv", "-a", "types.csv", *signed, "--normalize", "input", "-o", "s.parquet")
    assert done.code == 0, done.err
    assert "1 presynaptic neuron has no nt that gives a sign, such as 3: 1 edge is counted as excitatory" in done.err
    again = crant("connectivity", "s.parquet", "-o", "-")
    assert again.rows()[1:] == [["3", "1", "3"], ["2", "1", "1"], ["2", "3", "1"], ["1", "2", "-2"]]
    assert json.loads(crant("info", "s.parquet", "--json").out)["provenance"]["signed"] is True


def test_what_is_left_at_several_thresholds(tables: Path, crant: Crant) -> None:
    done = crant("connectivity", "synapses.csv", "-t", "3,1,2", "--sweep", "sweep.csv", "-o", "-")
    assert done.code == 0, done.err
    assert len(done.rows()) == 5
    assert (tables / "sweep.csv").read_text().splitlines() == [
        "threshold,pairs,synapses,neurons,density,reciprocity",
        f"1,4,7,3,{4 / 6},0.5",
        f"2,2,5,3,{2 / 6},0.0",
        "3,1,3,2,0.5,0.0",
    ]


def test_fractional_weights_at_several_thresholds_are_not_rounded(tables: Path, crant: Crant) -> None:
    (tables / "fractions.csv").write_text("pre,post,weight\n1,2,10.7\n2,1,1.5\n2,3,0.25\n")
    done = crant("connectivity", "fractions.csv", "-t", "1,2", "--sweep", "sweep.csv", "-o", "-")
    assert done.code == 0, done.err
    assert (tables / "sweep.csv").read_text().splitlines()[1:] == ["1,2,12.2,2,1.0,1.0", "2,1,10.7,2,0.5,0.0"]


def test_parts_of_a_pair_are_added_up_in_one_order(tables: Path, crant: Crant) -> None:
    """0.1, 0.2 and 0.7 are 1, or a little less, as they come."""
    for parts in permutations((("a", 0.1), ("b", 0.2), ("c", 0.7))):
        lines = "".join(f"1,2,{name},{weight}\n" for name, weight in parts)
        (tables / "parts.csv").write_text(f"pre,post,roi,weight\n{lines}")
        done = crant("connectivity", "parts.csv", "--by", "neuropil", "--sum-duplicates", "-t", "1", "-o", "-")
        assert done.text == "pre,post,neuropil,weight\n1,2,c,0.7\n1,2,b,0.2\n1,2,a,0.1\n", done.err


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ("--weight median:size", 2, "say count, sum:COL or mean:COL"),
        ("--weight sum:", 2, "say count, sum:COL or mean:COL"),
        ("--weight sum:length", 3, "no column length to add up"),
        ("--weight sum:size --normalize input", 2, "--normalize input is of synapses"),
        ("--min-fraction 1.5", 2, "a fraction is from 0 to 1"),
        ("--sign nt", 2, "--sign nt needs --inhibitory LABEL,..."),
        ("--inhibitory gaba", 2, "go with --sign COLUMN"),
        ("--sign nt --inhibitory gaba --excitatory GABA", 2, "both name gaba"),
        ("--sign transmitter --inhibitory gaba", 3, "the annotations have no such column"),
        ("--sign nt --inhibitory gabba", 3, "--inhibitory gabba: no neuron has this nt"),
        ("--sign nt --inhibitory gaba", 3, "1 presynaptic neuron has no nt that gives a sign, such as 3"),
        ("-t 1,2", 2, "several thresholds are for --sweep FILE"),
        ("--sweep s.csv", 2, "give them as --threshold 1,2,5"),
    ],
)
def test_options_that_are_wrong(tables: Path, crant: Crant, options: str, code: int, told: str) -> None:
    done = crant("connectivity", "synapses.csv", "-a", "types.csv", "-o", "out.csv", *options.split())
    assert (done.code, told in done.err) == (code, True), done.err
    assert not (tables / "out.csv").exists()
    assert not (tables / "s.csv").exists()


def test_strong_inputs_of_signed_weights_are_told_by_their_size(tables: Path, crant: Crant) -> None:
    """As the input is the sum of absolute weights; signs that are there already cannot be given again."""
    (tables / "signed.csv").write_text("pre,post,weight\n1,3,-6\n2,3,4\n")
    done = crant("connectivity", "signed.csv", "--signed", "--min-fraction", "0.5", "-o", "-")
    assert done.rows()[1:] == [["1", "3", "-6"]]
    twice = ("--signed", "-a", "types.csv", "--sign", "nt", "--inhibitory", "gaba")
    done = crant("connectivity", "signed.csv", *twice)
    assert (done.code, "the weights have signs already" in done.err) == (3, True)
