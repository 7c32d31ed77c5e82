"""`crantcli adjacency --by`, `--weight`, `--sign` and `--min-fraction`: the table of `connectivity`, as a matrix."""

from __future__ import annotations

import json
from collections import Counter
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
    maybe_asked,
    rules,
    synapse_tables,
    tuples,
)
from weighed import FRACTIONS, SIGNS, WEIGHTS, entries, labelled, rounded, scored, weighed_files

import crantcli as cc
from crantcli.core.rows.weights import Signs

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")

BY = st.sampled_from([None, ("side",), ("cell_type", "side"), ("pre:side", "post:cell_type"), ("type",)])


def spelled_out(signs: Signs | None) -> dict[str, Any]:
    """Signs as the functions take them."""
    return {} if signs is None else {"sign": signs.column, "inhibitory": signs.inhibitory, "unsigned": signs.unsigned}


def pairs_of(table: pd.DataFrame, asked: tuple[Any, Any], groups: bool) -> dict[tuple[Any, Any], Any]:
    """What `connectivity` tells, with joined labels; pairs without a weight are no entries."""
    ends = [[name for name in table.columns if name == end or name.startswith(f"{end}_")] for end in ("pre", "post")]
    ends = [[name for name in names if not name.endswith("_neurons")] for names in ends]
    told = {}
    for values in tuples(table):
        row = dict(zip(table.columns, values, strict=True))
        pre, post = (":".join(row[name] for name in names) if groups else row[names[0]] for names in ends)
        if row["weight"]:
            told[pre, post] = row["weight"]
    return told


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(), table=synapse_tables() | edge_tables(neuropils=False, tidy=True), by=BY, weight=WEIGHTS,
    least=FRACTIONS, signs=SIGNS,
)  # fmt: skip
def test_a_matrix_is_the_table_of_connectivity(
    data: st.DataObject, table: Drawn, by: Any, weight: str, least: float | None, signs: Signs | None
) -> None:
    """For every combination of groups, weights, least fractions and signs."""
    kind = "edges" if table.has("weight") else "synapses"
    table, weight = (table, "count") if kind == "edges" else (scored(table), weight)
    rule = data.draw(rules(table))
    neurons = data.draw(maybe_asked(table))
    labels = labelled(data, table)
    asked: dict[str, Any] = {
        "threshold": rule.threshold, "min_size": rule.min_size, "clean": rule.clean, "source": table.frame,
        "annotations": frame(labels, ANNOTATION_COLUMNS),
        "kind": kind, "weight": weight, "min_fraction": least, **spelled_out(signs), **AS_DRAWN,
    }  # fmt: skip
    found = cc.get_adjacency(neurons, by=by, **asked)
    told = cc.get_connectivity(neurons, upstream=neurons is None, by=("cell_type",) if by == ("type",) else by, **asked)
    expected = pairs_of(told, (neurons, None), by is not None)
    assert rounded(entries(found)) == rounded(expected)
    if by is None and weight == "count" and len(told):
        assert (list(found.index), list(found.columns)) == (sorted({*told["pre"]}), sorted({*told["post"]}))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return weighed_files(tmp_path, "1,A,left,gaba\n2,A,right,ach\n3,B,left,ach\n4,B,,ach\n5,C,right,ach\n")


def test_groups_are_on_the_axes(tables: Path, crant: Crant) -> None:
    done = crant("adjacency", "synapses.csv", "-a", "types.csv", "--by", "cell_type,side", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows() == [
        ["pre/post", "A:left", "A:right", "B:left"],
        ["A:left", "0", "2", "0"],
        ["A:right", "1", "0", "1"],
        ["B:left", "2", "0", "0"],
    ]
    assert "1 synapses of neurons without a label are left out" in done.err
    assert "3 x 3 groups" in done.err
    one = crant("adjacency", "synapses.csv", "-a", "types.csv", "--by", "pre:cell_type,post:side", "-o", "-")
    assert one.rows() == [["pre/post", "left", "right"], ["A", "2", "2"], ["B", "3", "0"]]


def test_groups_without_a_connection_may_stay(tables: Path, crant: Crant) -> None:
    words = ("adjacency", "synapses.csv", "-a", "types.csv", "--by", "cell_type", "--keep-unconnected")
    assert [row[0] for row in crant(*words).rows()[1:]] == ["A", "B", "C"]
    chosen = crant(*words, "--pre", "1,5", "--post", "2,3")
    assert chosen.rows() == [["pre/post", "A", "B"], ["A", "2", "0"], ["C", "0", "0"]]


def test_files_say_what_their_weights_are(tables: Path, crant: Crant) -> None:
    """A signed matrix is read again without being told so, and has no totals where outputs were dropped."""
    signs = ("--sign", "nt", "--inhibitory", "gaba")
    done = crant("adjacency", "synapses.csv", "-a", "types.csv", *signs, "-o", "s.npz", "--plot", "s.png")
    assert done.code == 0, done.err
    again = crant("connectivity", "s.npz", "-o", "-")
    assert again.rows()[1:] == [["3", "1", "2"], ["2", "1", "1"], ["2", "3", "1"], ["4", "1", "1"], ["1", "2", "-2"]]
    told = json.loads(crant("info", "s.npz", "--json").out)["provenance"]
    assert (told["signed"], told["options"]["column"], told["options"]["inhibitory"]) == (True, "nt", ["gaba"])
    twice = crant("adjacency", "s.npz", "-a", "types.csv", *signs)
    assert (twice.code, "the weights have signs already" in twice.err) == (3, True)
    assert crant("adjacency", "synapses.csv", "--weight", "mean:size", "-o", "m.npz").code == 0
    told = json.loads(crant("info", "m.npz", "--json").out)["provenance"]
    assert (told["weights"], told["complete_for"]["thinned_by"]) == ("mean of size", "--weight mean:size")


def test_pairs_that_no_cell_can_tell_are_counted(tables: Path, crant: Crant) -> None:
    done = crant("adjacency", "synapses.csv", "--weight", "mean:size", "-o", "-")
    assert done.rows()[2] == ["2", "5.0", "0.0", "0.0"]
    assert "1 pair has no value to tell, and the cells of pairs without a connection" in done.err
    done = crant("adjacency", "synapses.csv", "--weight", "sum:size", "-o", "-")
    assert done.rows()[2] == ["2", "5", "0", "0"]
    assert "1 pair has a weight of 0, and the cells" in done.err


def test_fractions_are_of_all_input_of_the_columns(tables: Path, crant: Crant) -> None:
    """Whatever the rows are; and totals from a file say what a selection lacks."""
    least = ("--min-fraction", "0.3", "-o", "-")
    done = crant("adjacency", "synapses.csv", "--pre", "2,3", "--post", "1", *least)
    assert done.rows() == [["pre/post", "1"], ["3", "2"]]
    assert "1 threshold" in done.err
    assert crant("adjacency", "synapses.csv", "--pre", "2,3", "--post", "1", "-o", "part.npz").code == 0
    refused = crant("adjacency", "part.npz", *least)
    assert (refused.code, "does not hold every input" in refused.err) == (3, True)
    assert crant("counts", "synapses.csv", "-o", "totals.csv").code == 0
    assert crant("adjacency", "part.npz", *least, "--totals", "totals.csv").rows() == done.rows()


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ("--by neuropil", 2, "neuropil is of the table's rows"),
        ("--by cell_type,neuropil", 2, "neuropil is of the table's rows"),
        ("--by pre:side", 2, "no column for the post neurons"),
        ("--by colour", 3, "neither the annotations nor the table have it"),
        ("--by side,side", 2, "named twice"),
        ("--by pre:side,post:cell_type --symmetric", 2, "--symmetric wants the same"),
        ("--weight median:size", 2, "say count, sum:COL or mean:COL"),
        ("--weight sum:length", 3, "no column length to add up"),
        ("--min-fraction 1.5", 2, "a fraction is from 0 to 1"),
        ("--totals types.csv", 2, "--totals goes with --min-fraction"),
        ("--sign side --inhibitory left", 3, "1 presynaptic neuron has no side that gives a sign, such as 4"),
        ("--inhibitory gaba", 2, "go with --sign COLUMN"),
    ],
)
def test_options_that_are_wrong(tables: Path, crant: Crant, options: str, code: int, told: str) -> None:
    done = crant("adjacency", "synapses.csv", "-a", "types.csv", "-o", "out.npz", *options.split())
    assert (done.code, told in done.err) == (code, True), done.err
    assert not (tables / "out.npz").exists()


def test_joined_labels_that_would_be_one_are_refused(tables: Path, crant: Crant) -> None:
    (tables / "twins.csv").write_text("root_id,cell_type,side\n1,a:b,c\n2,a,b:c\n3,a,b\n")
    for command in (("adjacency", "-o", "out.npz"), ("nested", "-o", "out.npz")):
        done = crant(command[0], "synapses.csv", "-a", "twins.csv", "--by", "cell_type,side", *command[1:])
        assert (done.code, "are both a:b:c" in done.err) == (3, True), done.err
    assert crant("connectivity", "synapses.csv", "-a", "twins.csv", "--by", "cell_type,side").code == 0


def test_c_elegans(crant: Crant, real: Path, tmp_path: Path) -> None:
    """Synapses between classes, signed, from the published edges."""
    edges, cells = real / "celegans" / "ici_edges.csv", real / "celegans" / "ici_neurons.csv"
    signs = ("--sign", "top_nt", "--inhibitory", "gaba", "--unsigned", "positive")
    words = ("adjacency", edges, "-a", cells, "--weight-col", "count", "--by", "super_class", *signs, "--no-clean")
    assert crant(*words, "-o", "c.csv").code == 0
    found = pd.read_csv(tmp_path / "c.csv", index_col=0)
    labels = pd.read_csv(cells, dtype=str)
    of = labels.set_index("root_id")["super_class"].to_dict()
    inhibits = set(labels.loc[labels["top_nt"] == "gaba", "root_id"])
    expected: Counter[tuple[str, str]] = Counter()
    for row in pd.read_csv(edges).rename(columns={"count": "synapses"}).itertuples():
        if isinstance(of.get(row.pre), str) and isinstance(of.get(row.post), str):
            expected[of[row.pre], of[row.post]] += -row.synapses if row.pre in inhibits else row.synapses
    assert entries(found) == {p: w for p, w in expected.items() if w}
