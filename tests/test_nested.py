"""`crantcli nested`: its options, outputs, notes and complaints."""

from __future__ import annotations

import csv
import json
import random
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import Crant
from nested_cases import npz
from tables import complaint, ledger, parquet_file, record, text_file

SYNAPSES = "pre,post,size,area\n1,2,5,0.5\n1,2,1,1\n1,3,5,2\n2,3,5,\n3,1,5,4\n2,9,5,8\n0,1,5,1\n2,2,5,1\n"
EDGES = "pre,post,weight\n1,2,2\n1,3,1\n2,3,1\n3,1,1\n2,9,1\n0,1,1\n2,2,1\n"
CELLS = "root_id,cell_type\n3,FB\n1,ER2\n2,ER10\n4,ER10\n5,\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four neurons of three types, and one without; 9 is not annotated."""
    monkeypatch.chdir(tmp_path)
    text_file("synapses.csv", SYNAPSES)
    text_file("edges.csv", EDGES)
    text_file("cells.csv", CELLS)


def grid(text: str) -> list[list[str]]:
    """The table that is meant: cells separated by blanks, rows by bars."""
    return [row.split() for row in text.split("|")]


EDGE = ("nested", "edges.csv", "-a", "cells.csv")
SYNAPSE = ("nested", "synapses.csv", "-a", "cells.csv")


# ------------------------------------------------------------------------------------------ what is shown


@pytest.mark.usefixtures("files")
def test_the_default_is_fractions_of_synapses_and_the_weights_of_edges(crant: Crant) -> None:
    ran = crant(*SYNAPSE)
    third, two = str(1 / 3), str(2 / 3)
    assert ran.rows() == grid(f"pre/post 1 2 3|1 0.0 {two} {third}|2 0.0 0.0 1.0|3 1.0 0.0 0.0")
    assert "a weight is the fraction of output shown of the presynaptic neuron" in ran.err
    assert "8 synapses read, 1 background, 1 autapse, 1 unannotated, 5 kept" in ran.err
    assert "1 synapses of neurons without annotation are left out" in ran.err
    ran = crant(*EDGE)
    assert ran.rows() == grid("pre/post 1 2 3|1 0 2 1|2 0 0 1|3 1 0 0")
    assert "weights are as they come in the table" in ran.err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "quantity", "statement", "expected"),
    [
        (("count",), "synapses", "weights are synapses", "1 0 2 1|2 0 0 1|3 1 0 0"),
        (("column", "--weight-column", "area"), "sum of area", "weights are sum of area", "1 0 1.5 2|2 0 0 0|3 4 0 0"),
        (
            ("relative_incoming",),
            "fraction of input shown",
            "fraction of input shown of the postsynaptic neuron",
            "1 0 1 0.5|2 0 0 0.5|3 1 0 0",
        ),
        (
            ("relative_outgoing", "--normalization-scope", "all"),
            "fraction of all output",
            "a weight is the fraction of all output of the presynaptic neuron",
            f"1 0 {2 / 3} {1 / 3}|2 0 0 0.5|3 1 0 0",
        ),
    ],
)
def test_what_an_entry_is_is_said(
    crant: Crant, words: tuple[str, ...], quantity: str, statement: str, expected: str
) -> None:
    """On stderr, in the summary, and in every file."""
    tables = ("--type-sum", "sum.parquet", "--type-mean", "mean.feather", "--relative", "rel.npz")
    ran = crant(*SYNAPSE, "--weight-mode", *words, "-o", "out.npz", *tables, "--order", "order.parquet", "--json")
    assert statement in ran.err
    told = json.loads(ran.out)
    assert told["weights"] == quantity
    assert ledger(ran) == {"read": 8, "kept": 5, "background": 1, "autapse": 1, "unannotated": 1}
    assert any(statement in note for note in told["notes"])
    rows = [[float(cell) for cell in row] for row in grid(expected)]
    assert npz(Path("out.npz"))[2].tolist() == [row[1:] for row in rows]
    for name, labels in (("out.npz", "neurons"), ("sum.parquet", "types"), ("mean.feather", "types")):
        made = record(name)
        assert (made["weights"], made["labels"]) == (quantity, labels)
        assert made["options"]["weight_mode"] == words[0]
        assert made["options"].get("normalization_scope") == ("all" if "all" in words else None) or words[0] in (
            "relative_incoming",
        )
        assert made["options"].get("weight_column") == ("area" if "area" in words else None)
    assert (record("sum.parquet")["cells"], record("mean.feather")["cells"]) == ("sum", "mean")
    assert record("rel.npz")["cells"] == "fraction of the row"
    assert record("order.parquet")["kind"] == "order"
    assert ("no value to add up" in ran.err) == ("area" in words)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("mode", ["count", "relative_outgoing", "relative_incoming"])
@pytest.mark.parametrize("scope", [(), ("--normalization-scope", "all"), ("--annotation-scope", "all")])
def test_synapses_and_edges_give_the_same_matrix(crant: Crant, mode: str, scope: tuple[str, ...]) -> None:
    if mode == "count" and "--normalization-scope" in scope:
        return
    words = ("--weight-mode", mode, *scope, "--source-types", "ER2,ER10")
    assert crant("adjacency", "synapses.csv", "--no-clean", "-o", "wide.npz").code == 0
    assert crant("connectivity", "synapses.csv", "--no-clean", "-o", "edges.parquet").code == 0
    first = crant(*SYNAPSE, *words).out
    assert first.count(b"\n") == 3
    for other in ("edges.csv", "edges.parquet", "wide.npz"):
        assert crant("nested", other, "-a", "cells.csv", *words).out == first


@pytest.mark.usefixtures("files")
def test_selected_and_all_differ_by_what_is_not_shown(crant: Crant) -> None:
    """Trap 9: of all output means of unannotated partners and of weak pairs, too."""
    words = (*SYNAPSE, "--target-types", "FB", "--weight-mode", "relative_outgoing")
    assert crant(*words).rows() == grid("pre/post 3|1 1.0|2 1.0|3 0.0")
    assert crant(*words, "--normalization-scope", "all").rows() == grid(f"pre/post 3|1 {1 / 3}|2 0.5|3 0.0")
    strong = (*words, "--normalization-scope", "all", "-t", "2", "--keep-silent")
    assert crant(*strong).rows() == grid("pre/post 3|1 0.0")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("source", [EDGE, (*SYNAPSE, "--weight-mode", "count")])
def test_a_scope_of_fractions_does_not_change_counts(crant: Crant, source: tuple[str, ...]) -> None:
    ran = crant(*source, "--normalization-scope", "all")
    assert ran.code == 0, ran.err
    assert ran.out == crant(*source).out
    assert crant(*source, "--normalization-scope", "all", "-o", "m.npz").code == 0
    assert "normalization_scope" not in record("m.npz")["options"]


@pytest.mark.usefixtures("files")
def test_fractions_of_an_incomplete_whole_are_refused(crant: Crant) -> None:
    """Trap 9: a table of the outputs of 1 does not hold the inputs of its partners; --totals has them."""
    assert crant("synapses", "synapses.csv", "--pre", "1", "-o", "of1.parquet").code == 0
    words = ("nested", "of1.parquet", "-a", "cells.csv", "--normalization-scope", "all", "--weight-mode")
    complaint(crant(*words, "relative_incoming"), 3, "--totals", "input")
    assert crant(*words, "relative_outgoing").rows()[1] == ["1", "0.0", str(2 / 3), str(1 / 3)]
    assert crant("counts", "synapses.csv", "-o", "counts.parquet").code == 0
    ran = crant(*words, "relative_incoming", "--totals", "counts.parquet")
    assert ran.rows() == grid("pre/post 1 2 3|1 0.0 1.0 0.5|2 0.0 0.0 0.0|3 0.0 0.0 0.0")
    made = (*words, "relative_incoming", "--totals", "counts.parquet", "-o", "m.npz")
    assert crant(*made).code == 0
    assert record("m.npz")["options"]["totals"] is True
    assert "counts.parquet" in {item["name"] for item in record("m.npz")["inputs"]}
    complaint(crant(*words[:4], "--totals", "counts.parquet"), 2, "--totals goes with --normalization-scope all")


@pytest.mark.usefixtures("files")
def test_a_neuron_of_an_unannotated_partner_does_not_stop_fractions(crant: Crant) -> None:
    """What is not shown need not be complete: here the output of 2, which goes to 9 alone."""
    text_file("edges.csv", "pre,post,weight\n1,2,2\n1,3,1\n2,9,1\n2,8,1\n")
    assert crant("connectivity", "edges.csv", "-n", "1,9", "-o", "some.parquet").code == 0
    words = ("nested", "some.parquet", "-a", "cells.csv", "--weight-mode", "relative_outgoing")
    words = (*words, "--normalization-scope", "all")
    assert crant(*words).rows()[1] == ["1", "0.0", str(2 / 3), str(1 / 3)]
    complaint(crant(*words, "--annotation-scope", "all"), 3, "of 1 of 2 neurons, such as 2")


# ------------------------------------------------------------------------------------------ axes and order


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--source-types ER10", "pre/post 1 2 3|2 0 0 1"),
        ("--source-types ER10 --keep-silent", "pre/post 1 2 3|2 0 0 1|4 0 0 0"),
        ("--source-types ER2,ER10 --source-types FB", "pre/post 1 2 3|1 0 2 1|2 0 0 1|3 1 0 0"),
        ("--source-types ER2 --source-neurons 3", "pre/post 1 2 3|1 0 2 1|3 1 0 0"),
        ("--source-neurons cell_type=FB --target-neurons @ids.csv:who", "pre/post 1|3 1"),
        ("--target-types @types.txt", "pre/post 1 3|1 0 1|2 0 1|3 1 0"),
        ("--target-types er2,fb --ignore-case", "pre/post 1 3|1 0 1|2 0 1|3 1 0"),
        ("--source-neurons 2 --target-neurons 9 --annotation-scope all", "pre/post 9|2 1"),
        ("--directed", "pre/post 1 2 3|1 0 2 1|2 0 0 1|3 1 0 0"),
        ("--directed --annotation-scope all --no-clean", "pre/post 1 2 3 9|1 0 2 1 0|2 0 1 1 1|3 1 0 0 0|0 1 0 0 0"),
        ("--annotation-scope all", "pre/post 1 2 3 9|1 0 2 1 0|2 0 0 1 1|3 1 0 0 0|9 0 0 0 0"),
        ("-t 2", "pre/post 1 2|1 0 2|2 0 0"),
        ("--type-order FB", "pre/post 3 1 2|3 0 1 0|1 1 0 2|2 1 0 0"),
        ("--type-order @types.txt", "pre/post 3 1 2|3 0 1 0|1 1 0 2|2 1 0 0"),
        ("--type-order er10,ER", "pre/post 2 1 3|2 0 0 1|1 2 0 1|3 0 1 0"),
        ("--directed --type-order FB --target-type-order ER10", "pre/post 2 1 3|3 0 1 0|1 2 0 1|2 0 0 1"),
        ("--directed --source-type-order size", "pre/post 1 2 3|1 0 2 1|2 0 0 1|3 1 0 0"),
    ],
)
def test_axes(crant: Crant, words: str, expected: str) -> None:
    text_file("types.txt", '# which\n\nFB\n"ER2"\n')
    text_file("ids.csv", "who,what\n1,x\n5,y\n")
    ran = crant(*EDGE, *words.split())
    assert ran.code == 0, ran.err
    assert ran.rows() == grid(expected)


@pytest.mark.usefixtures("files")
def test_untyped_neurons_come_after_the_blocks_and_unannotated_ones_last(crant: Crant) -> None:
    text_file("edges.csv", "pre,post,weight\n10,9,1\n9,8,1\n8,7,1\n7,70,1\n70,1,1\n")
    text_file("cells.csv", "root_id,cell_type\n9,\n10,\n1,A\n8,\n9,\n")
    ran = crant(*EDGE, "--annotation-scope", "all", "--order", "order.csv")
    assert list(csv.reader(Path("order.csv").read_text().splitlines())) == [
        ["axis", "position", "neuron", "type"],
        *(["both", str(place), *pair] for place, pair in enumerate(
            [("1", "A"), ("10", ""), ("8", ""), ("9", ""), ("7", ""), ("70", "")]
        )),
    ]  # fmt: skip
    assert "3 annotated neurons without a type, after the typed blocks" in ran.err
    assert "2 neurons without annotation, at the end" in ran.err
    assert "1 neuron is annotated more than once" in ran.err
    sums = crant(*EDGE, "--annotation-scope", "all", "--type-sum", "sum.csv")
    assert sums.out == b""
    assert Path("sum.csv").read_text() == "pre/post,A\nA,0\n"


@pytest.mark.usefixtures("files")
def test_the_first_row_with_a_type_at_the_place_of_the_first_row(crant: Crant) -> None:
    text_file("cells.csv", "root_id,cell_type\n3,\n1,A\n2,A\n3,A\n3,B\n")
    assert crant(*EDGE).rows()[0] == ["pre/post", "3", "1", "2"]


@pytest.mark.usefixtures("files")
def test_neurons_in_the_order_of_weight_and_of_ids(crant: Crant) -> None:
    text_file("cells.csv", "root_id,cell_type\n3,A\n2,A\n10,A\n1,A\n")
    text_file("edges.csv", "pre,post,weight\n1,2,2\n1,3,5\n2,10,1\n")
    head = {order: crant(*EDGE, "--neuron-order", order).rows()[0][1:] for order in ("annotation", "id", "weight")}
    assert head == {"annotation": ["3", "2", "10", "1"], "id": ["1", "2", "3", "10"], "weight": ["1", "3", "2", "10"]}
    assert crant(*EDGE, "--directed", "--neuron-order", "weight").rows()[0][1:] == ["3", "2", "10"]


@pytest.mark.usefixtures("files")
def test_what_is_not_there_is_said(crant: Crant) -> None:
    ran = crant(*EDGE, "--source-types", "ER10", "--source-neurons", "9,77", "--source-type-order", "X,ER,Y")
    assert "type order: no type on the source axis is X, Y" in ran.err
    assert "2 of 4 chosen source neurons are left out for want of an annotation, such as 9, 77 (annotation" in ran.err
    left_out = "1 of 4 chosen source neurons are left out for want of edges, such as 4 (--keep-unconnected keeps them)"
    assert left_out in ran.err
    assert "target" not in ran.err
    ran = crant(*EDGE, "--target-neurons", "2,9,77", "--annotation-scope", "all")
    assert "1 of 3 chosen target neurons are left out for want of edges, such as 77" in ran.err
    ran = crant(*EDGE, "--target-neurons", "2,9,77", "--annotation-scope", "all", "--keep-unconnected")
    assert "1 of 3 chosen target neurons are without edges, such as 77" in ran.err
    assert "want of an annotation" not in ran.err
    assert crant(*EDGE, "--source-types", "ER10", "-q").err == ""
    assert crant(*EDGE, "--type-order", "X").err.count("type order: ") == 1
    assert "chosen" not in crant(*EDGE, "--source-types", "ER2").err


#: A1 talks to B1, A2 to nobody who is annotated, and C likewise; nobody talks to D but one who is not annotated.
LONELY = {"A1": ["B1", 8], "A2": ["who", 5], "C": ["who", 1], "who": ["D", 2]}
LONELY_CELLS = "root_id,cell_type\nA1,A\nA2,A\nB1,B\nC,C\nD,D\nE,E\n,A\n"


def lonely(kind: str) -> str:
    """The same network as a table of each kind."""
    text_file("people.csv", LONELY_CELLS)
    pairs = [(pre, post, weight) for pre, (post, weight) in LONELY.items()]
    if kind == "synapses":
        text_file("s.csv", "pre,post\n" + "".join(f"{a},{b}\n" * weight for a, b, weight in pairs))
        return "s.csv"
    if kind == "edges":
        text_file("e.csv", "pre,post,weight\n" + "".join(f"{a},{b},{weight}\n" for a, b, weight in pairs))
        return "e.csv"
    names = ["A1", "A2", "B1", "C", "D", "who"]
    weights = {(a, b): weight for a, b, weight in pairs}
    cells = pd.DataFrame([[weights.get((a, b), 0) for b in names] for a in names], names, names)
    cells.to_csv("w.csv", index_label="pre/post")
    return "w.csv"


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("kind", ["synapses", "edges", "adjacency"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "pre/post A B C D|A 0 4 0 0|B 0 0 0 0|C 0 0 0 0|D 0 0 0 0"),
        ("--source-types A,C", "pre/post B D|A 4 0|C 0 0"),
        ("--source-types A,C --target-types B,D", "pre/post B D|A 4 0|C 0 0"),
        ("--source-neurons A1,A2 --target-types D", "pre/post D|A 0"),
        ("--target-types D,B --target-type-order D", "pre/post D B|A 0 4|C 0 0"),
        ("-t 5 --source-types A,C --target-types B", "pre/post B|A 4"),
        ("-t 6 --source-types A --target-types B", "pre/post B|A 8"),
    ],
)
def test_a_neuron_counts_whatever_its_partners_are(crant: Crant, kind: str, words: str, expected: str) -> None:
    """Means are over all neurons of a type that are in the table, also those whose partners are not shown."""
    source = lonely(kind)
    if kind == "adjacency":  # whoever is at its ends is there, whatever they talk to
        if "-t" in words:
            return
        everyone = ("--source-types" not in words and "--source-neurons" not in words, "--target-types" not in words)
        if any(everyone) and words:
            expected = {
                "--source-types A,C": "pre/post A B C D|A 0 4 0 0|C 0 0 0 0",
                "--target-types D,B --target-type-order D": "pre/post D B|A 0 4|B 0 0|C 0 0|D 0 0",
            }[words]
    ran = crant(
        "nested", source, "-a", "people.csv", "--weight-mode", "count", *words.split(),
        "--type-mean", "mean.csv", "--type-sum", "sum.csv", "--order", "order.csv", "--json",
    )  # fmt: skip
    found = [[cell.removesuffix(".0") for cell in row.split(",")] for row in Path("mean.csv").read_text().split()]
    assert found == grid(expected), ran.err
    told = json.loads(ran.out)["ledger"]
    assert told["read"] == told["kept"] + sum(told["removed"].values())
    alone = crant("nested", source, "-a", "people.csv", "--weight-mode", "count", *words.split(), "--type-sum", "a.csv")
    assert alone.code == 0
    assert Path("a.csv").read_bytes() == Path("sum.csv").read_bytes()


@pytest.mark.usefixtures("files")
def test_a_row_of_weight_0_says_that_both_neurons_are_there(crant: Crant) -> None:
    """Until a threshold is given, which it does not reach; so do rows that cancel each other."""
    text_file("zero.csv", "pre,post,roi,weight\n1,3,EB,6\n2,3,EB,0\n4,9,EB,2\n4,9,FB,-2\n5,5,EB,0\n")
    words = ("nested", "zero.csv", "-a", "cells.csv", "--directed", "--signed")
    assert crant(*words).rows() == grid("pre/post 3|1 6|2 0|4 0")
    assert crant(*words, "--source-types", "ER10").rows() == grid("pre/post 3|2 0|4 0")
    assert crant(*words, "--no-clean").rows() == grid("pre/post 3 5|1 6 0|2 0 0|4 0 0|5 0 0")
    assert crant(*words, "-t", "2").rows() == grid("pre/post 3|1 6")
    assert ledger(crant(*words, "--json")) == {
        "read": 5, "kept": 1, "autapse": 1, "threshold": 3,
    }  # fmt: skip
    everyone = crant(*words, "--annotation-scope", "all").rows()
    assert everyone == grid("pre/post 3 9|1 6 0|2 0 0|4 0 0")


@pytest.mark.usefixtures("files")
def test_fractions_are_of_the_same_with_neurons_whose_partners_are_not_shown(crant: Crant) -> None:
    words = ("nested", lonely("synapses"), "-a", "people.csv", "--directed", "--weight-mode")
    assert crant(*words, "relative_outgoing").rows() == grid("pre/post B1 D|A1 1.0 0.0|A2 0.0 0.0|C 0.0 0.0")
    assert crant(*words, "relative_incoming").rows() == grid("pre/post B1 D|A1 1.0 0.0|A2 0.0 0.0|C 0.0 0.0")
    whole = (*words, "relative_outgoing", "--normalization-scope", "all", "--annotation-scope", "all")
    assert crant(*whole).rows()[1:3] == grid("A1 1.0 0.0 0.0|A2 0.0 0.0 1.0")


@pytest.mark.usefixtures("files")
def test_unconnected_neurons_are_kept_where_that_is_asked(crant: Crant) -> None:
    """By either name. Those of a square matrix are all that are annotated, by the scope of annotations or not."""
    kept = "pre/post 1 2 4 3 5|1 0 2 0 1 0|2 0 0 0 1 0|4 0 0 0 0 0|3 1 0 0 0 0|5 0 0 0 0 0"
    for option in ("--keep-unconnected", "--keep-silent"):
        assert crant(*EDGE, option).rows() == grid(kept)
        assert crant(*EDGE, "--source-types", "ER10", option).rows() == grid("pre/post 1 2 3|2 0 0 1|4 0 0 0")
        assert crant(*EDGE, option, "-o", "m.npz", "--type-mean", "mean.csv").code == 0
        assert record("m.npz")["options"]["keep_silent"] is True
        assert Path("mean.csv").read_text().split()[1] == "ER2,0.0,1.0,1.0"
    everyone = crant(*EDGE, "--keep-unconnected", "--annotation-scope", "all").rows()
    assert everyone[0] == ["pre/post", "1", "2", "4", "3", "5", "9"]
    helped = crant("nested", "--help").text
    assert "--keep-unconnected" in helped
    assert "--keep-silent" not in helped


@pytest.mark.usefixtures("files")
def test_an_annotation_of_the_background_is_of_no_neuron(crant: Crant) -> None:
    """Cells whose segment is missing have the ID 0; with --no-clean it may be a neuron's, where the table has it."""
    text_file("cells.csv", "root_id,cell_type\n0,ER2\n1,ER2\n2,ER10\n0,FB\n3,FB\n")
    for words in ((), ("--keep-unconnected",), ("--annotation-scope", "all", "--keep-unconnected")):
        ran = crant(*EDGE, *words)
        assert "0" not in ran.rows()[0] + [row[0] for row in ran.rows()]
        assert "left out: 2 annotation rows of the background (ID 0), which is no neuron" in ran.err
        assert "more than once" not in ran.err
    chosen = crant(*EDGE, "--source-neurons", "0,1", "--annotation-scope", "all", "--keep-unconnected")
    assert [row[0] for row in chosen.rows()] == ["pre/post", "1"]
    uncleaned = crant(*EDGE, "--directed", "--no-clean")
    assert [row[0] for row in uncleaned.rows()] == ["pre/post", "0", "1", "2", "3"]
    text_file("clean.csv", "pre,post,weight\n1,2,2\n")
    uncleaned = crant("nested", "clean.csv", "-a", "cells.csv", "--no-clean", "--keep-unconnected")
    assert uncleaned.rows()[0] == ["pre/post", "1", "2", "3"]
    assert "more than once" not in uncleaned.err


@pytest.mark.usefixtures("files")
def test_the_axes_of_an_adjacency_stay(crant: Crant) -> None:
    """Neurons without connections too, chosen or not, unless they are the background that cleaning removes."""
    text_file("wide.csv", "pre/post,1,2,4\n1,0,3,0\n4,0,0,0\n0,1,0,0\n9,0,0,0\n")
    words = ("nested", "wide.csv", "-a", "cells.csv")
    assert crant(*words).rows() == grid("pre/post 1 2 4|1 0 3 0|2 0 0 0|4 0 0 0")
    assert crant(*words, "--directed").rows() == grid("pre/post 1 2 4|1 0 3 0|4 0 0 0")
    assert crant(*words, "--directed", "--annotation-scope", "all").rows()[3:] == grid("9 0 0 0")
    cleaned = crant(*words, "--directed", "--annotation-scope", "all", "--no-clean").rows()
    assert cleaned[3:] == grid("0 1 0 0|9 0 0 0")
    assert crant(*words, "--target-types", "ER10").rows() == grid("pre/post 2 4|1 3 0|4 0 0")
    assert crant(*words, "--source-neurons", "1,9").rows() == grid("pre/post 1 2 4|1 0 3 0")
    complaint(crant(*words, "--weight-mode", "column", "--weight-column", "4"), 3, "no column 4 to add up")


# ------------------------------------------------------------------------------------------ complaints


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("size", ["300,2", "60,2", "2,300"])
def test_a_picture_may_be_wide_and_flat(crant: Crant, size: str) -> None:
    done = crant("nested", "edges.csv", "-a", "cells.csv", "--figsize", size, "--dpi", 20, "--plot", "picture.png")
    assert done.code == 0, done.err
    width, height = (round(20 * float(side)) for side in size.split(","))
    assert Path("picture.png").read_bytes()[16:24] == struct.pack(">II", width, height)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("nested edges.csv", 2, "--annotations"),
        ("nested -a cells.csv", 2, "nothing to read"),
        ("nested none.csv -a cells.csv", 2, "none.csv"),
        ("nested edges.csv -a none.csv", 2, "none.csv"),
        ("nested edges.csv -a untyped.csv", 3, "cell_type|--cell-type-column"),
        ("nested edges.csv -a edges.csv", 3, "edges.csv|--neuron-id-column"),
        ("nested edges.csv -a broken.parquet", 3, "broken.parquet"),
        ("nested broken.npz -a cells.csv", 3, "broken.npz"),
        ("nested empty.csv -a cells.csv", 3, "empty.csv"),
        ("@ --cell-type-column typ", 3, "typ|near names: cell_type"),
        ("@ --neuron-id-column root", 3, "root|root_id"),
        ("@ --source-types ER3", 3, "ER3|near names: ER2"),
        ("@ --target-types er10", 3, "er10|near names: ER10"),
        ("@ --source-types ER2,", 2, "two commas"),
        ("@ --source-types @none.txt", 2, "none.txt"),
        ("@ --source-types @nobody.txt", 3, "@nobody.txt|no label"),
        ("@ --type-order @nobody.txt", 3, "@nobody.txt|no label"),
        ("@ --source-neurons ER2", 3, "ER2|cell_type=ER2"),
        ("@ --source-neurons cell_type=XX", 3, "no neuron matches"),
        ("@ --source-type-order ER2", 2, "--type-order|--directed"),
        ("@ --target-type-order ER2", 2, "--type-order|--directed"),
        ("@ --weight-mode column", 2, "weight column"),
        ("@ --weight-column weight", 2, "weight column"),
        ("@ --weight-mode count --weight-column weight", 2, "weight column"),
        ("@ --weight-mode column --weight-column wait", 3, "wait|near names: weight"),
        ("nested synapses.csv -a text.csv --weight-mode column --weight-column what", 3, "no column what"),
        ("nested words.csv -a cells.csv --weight-mode column --weight-column what", 3, "words.csv|what|row 2|'x'"),
        ("@ --weight-mode sum", 2, "--weight-mode|count"),
        ("@ --normalization-scope all --totals counts.csv", 2, "totals are for fractions"),
        ("@ --normalization-scope some", 2, "--normalization-scope"),
        ("@ --annotation-scope some", 2, "--annotation-scope"),
        ("@ --neuron-order place", 2, "--neuron-order"),
        ("@ --min-size 2", 3, "size column"),
        ("@ -t 0", 2, "--threshold"),
        ("@ -o out.txt", 2, "out.txt|.npz"),
        ("@ -o out.npz --type-sum out.npz", 2, "two outputs"),
        ("@ --type-mean a.csv --order ./a.csv", 2, "two outputs"),
        ("@ -o edges.csv", 2, "edges.csv is an input"),
        ("@ --relative cells.csv", 2, "cells.csv is an input"),
        ("@ --source-types @types.csv --order types.csv", 2, "types.csv is an input"),
        ("@ --type-order @types.csv --type-sum types.csv", 2, "types.csv is an input"),
        ("@ --target-neurons @ids.csv -o ids.csv", 2, "ids.csv is an input"),
        ("@ --relative-types -", 2, "--relative-types -: only"),
        ("@ --order -", 2, "--order -: only"),
        ("@ --order axes.npz", 2, "axes.npz"),
        ("@ -o - --json", 2, "stdout"),
        ("@ --plot picture.jpg", 2, "picture.jpg"),
        ("@ --plot - ", 2, "-"),
        ("@ --figsize 8", 2, "--figsize 8"),
        ("@ --figsize a,b", 2, "--figsize a,b"),
        ("@ --figsize nan,3", 2, "--figsize nan,3"),
        ("@ --figsize 1e300,1e300", 2, "--figsize|too large"),
        ("@ --plot picture.png --figsize 4,4 --dpi 100000", 2, "--figsize 4,4 at 100000 dpi|too large"),
        ("@ --plot picture.png --dpi 100000", 2, "--dpi|too large"),
        ("@ --level types", 2, "--level"),
        ("@ --min-neurons 0", 2, "--min-neurons"),
        ("@ -t 50 --fail-empty -o out.npz", 4, "nothing is left|5 threshold"),
        ("nested - -a -", 2, "stdin"),
        ("nested - -a cells.csv --source-neurons -", 2, "stdin"),
        ("@ --source-neurons", 2, "--source-neurons"),
        ("@ -d nowhere", 2, "nowhere"),
        ("nested doubled.csv -a cells.csv", 3, "pre 1, post 2|--sum-duplicates"),
        ("nested synapses.csv edges.csv -a cells.csv", 3, "synapses.csv reads as synapses"),
    ],
)
def test_complaints_are_one_line_with_their_code(crant: Crant, words: str, code: int, said: str) -> None:
    text_file("untyped.csv", "root_id,side\n1,left\n")
    text_file("broken.parquet", b"PAR1 is not all that it takes PAR1")
    text_file("broken.npz", b"PK nothing")
    text_file("empty.csv", "")
    text_file("text.csv", CELLS)
    text_file("words.csv", "pre,post,what\n1,2,3\n2,3,x\n")
    text_file("nobody.txt", "# nobody\n\n")
    text_file("types.csv", "FB\n")
    text_file("ids.csv", "1\n")
    text_file("doubled.csv", "pre,post,weight\n1,2,1\n1,2,3\n")
    assert crant("counts", "edges.csv", "-o", "counts.csv").code == 0
    before = sorted(Path().iterdir())
    complaint(crant(*words.replace("@ ", " ".join(EDGE) + " ", 1).split()), code, *said.split("|"))
    assert sorted(Path().iterdir()) == before


@pytest.mark.usefixtures("files")
def test_more_than_5000_columns_need_to_be_asked_for(crant: Crant) -> None:
    neurons = list(range(1, 5003))
    parquet_file("star.parquet", pre=[1] * 5001, post=neurons[1:], weight=[1] * 5001)
    parquet_file("all.parquet", root_id=neurons, cell_type=[f"T{neuron}" for neuron in neurons])
    words = ("nested", "star.parquet", "-a", "all.parquet", "--source-neurons", "1")
    complaint(crant(*words), 2, "stdout", "5,001 columns", ".npz")
    complaint(crant(*words, "-o", "wide.parquet"), 2, "5,001 columns")
    complaint(crant(*words, "-o", "fine.npz", "--type-sum", "wide.csv"), 2, "wide.csv")
    assert not list(Path().glob("fine*"))
    assert crant(*words, "-o", "fine.npz").code == 0
    assert crant(*words, "-o", "wide.csv", "--force-wide").code == 0
    assert Path("wide.csv").read_text().count("\n") == 2


# ------------------------------------------------------------------------------------------ outputs


@pytest.mark.usefixtures("files")
def test_where_things_go(crant: Crant) -> None:
    """stdout has the matrix only if nothing else was asked for, or with `-o -`; --json is alone there."""
    alone = crant(*EDGE).out
    assert alone.startswith(b"pre/post,1,2,3\n")
    assert crant(*EDGE, "-o", "-", "--type-sum", "a.csv").out == alone
    assert crant(*EDGE, "--type-sum", "a.csv").out == b""
    assert crant(*EDGE, "--order", "b.csv").out == b""
    assert crant(*EDGE, "--plot", "c.png", "--level", "type_sum").out == b""
    told = json.loads(crant(*EDGE, "--json", "-q").out)
    assert {key: told[key] for key in ("command", "outputs", "shape", "entries", "types", "weights")} == {
        "command": "nested", "outputs": [], "shape": [3, 3], "entries": 4, "types": {"source": 3, "target": 3},
        "weights": "weight",
    }  # fmt: skip
    ran = crant(*EDGE, "--json", "-q", "-o", "m.csv", "--relative", "r.csv", "--relative-types", "t.csv")
    assert json.loads(ran.out)["outputs"] == ["m.csv", "r.csv", "t.csv"]
    assert ran.err == ""
    assert Path("m.csv").read_bytes() == alone
    assert [row.split(",")[0] for row in Path("t.csv").read_text().split()] == ["pre/post", "ER2", "ER10", "FB"]
    assert ledger(crant(*EDGE, "--json")) == {"read": 7, "kept": 4, "background": 1, "autapse": 1, "unannotated": 1}


@pytest.mark.usefixtures("files")
def test_provenance_says_what_was_asked(crant: Crant) -> None:
    words = ("--source-types", "ER2", "--target-neurons", "2,3", "--type-order", "FB", "--neuron-order", "id")
    assert crant(*EDGE, *words, "--keep-silent", "-o", "m.npz", "--type-sum", "s.parquet").code == 0
    made = record("m.npz")
    expected = {
        "source_types": ["ER2"], "directed": True, "keep_silent": True, "weight_mode": "count", "type_order": ["FB"],
        "annotation_scope": "annotated_only", "neuron_order": "id", "threshold": 1, "clean": True,
    }  # fmt: skip
    assert {name: made["options"].get(name) for name in expected} == expected
    assert made["selection"]["target_neurons"]["named"] == ["2", "3"]
    assert {item["name"] for item in made["inputs"]} == {"edges.csv", "cells.csv"}
    assert made["command"] == "nested"
    assert made["ledger"]["kept"] == 2
    assert record("s.parquet")["ledger"] == made["ledger"]
    shown = crant("info", "m.npz")
    assert shown.code == 0
    assert "nested" in shown.text
    assert crant(*EDGE, "--directed", "--source-type-order", "FB", "--type-order", "size", "-o", "m.npz").code == 0
    options = record("m.npz")["options"]
    assert (options["source_type_order"], options["target_type_order"]) == (["FB"], "size")


@pytest.mark.usefixtures("files")
def test_the_matrix_is_a_source_that_knows_what_it_holds(crant: Crant) -> None:
    """Fractions of a matrix that lacks something are refused; a whole one is read back as its edges."""
    assert crant(*EDGE, "--source-types", "ER2", "--annotation-scope", "all", "-o", "rows.npz").code == 0
    assert crant("connectivity", "rows.npz", "--normalize", "output").code == 0
    complaint(crant("connectivity", "rows.npz", "--normalize", "input"), 3, "--totals")
    for words in (("-t", "2"), (), ("--weight-mode", "relative_outgoing", "--annotation-scope", "all")):
        assert crant(*EDGE, *words, "-o", "m.npz").code == 0
        complaint(crant("connectivity", "m.npz", "--normalize", "output"), 3, "thinned")
    tables = ("--type-sum", "sum.parquet", "--type-mean", "mean.parquet", "--relative", "relative.parquet")
    assert crant(*EDGE, "--annotation-scope", "all", "-o", "m.npz", *tables).code == 0
    for name, why in (("sum", "sums per type"), ("mean", "means per type"), ("relative", "a fraction of the row")):
        complaint(crant("connectivity", f"{name}.parquet", "--normalize", "output"), 3, why)
    assert crant("connectivity", "m.npz").out == crant("connectivity", "edges.csv").out


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("scope", ["annotated_only", "all"])
@pytest.mark.parametrize("mode", ["count", "column", "relative_outgoing", "relative_incoming"])
def test_tables_per_type_are_the_same_whatever_else_is_asked_for(crant: Crant, mode: str, scope: str) -> None:
    """Bytes with footers; the summary is that of what was asked for, whichever way it was computed."""
    column = ("--weight-column", "size") if mode == "column" else ()
    asked = (*SYNAPSE, "--weight-mode", mode, *column, "--annotation-scope", scope)
    tables = ("--type-sum", "sum.parquet", "--relative-types", "shares.npz")
    alone = crant(*asked, *tables)
    assert alone.code == 0, alone.err
    first = {name: Path(name).read_bytes() for name in ("sum.parquet", "shares.npz")}
    with_means = crant(*asked, *tables, "--type-mean", "mean.parquet")  # which need the pairs of neurons
    assert with_means.err.replace(", mean.parquet", "") == alone.err
    mean = Path("mean.parquet").read_bytes()
    assert {name: Path(name).read_bytes() for name in first} == first
    assert crant(*asked, *tables, "--type-mean", "mean.parquet", "-o", "m.npz").code == 0
    assert {name: Path(name).read_bytes() for name in first} == first
    assert Path("mean.parquet").read_bytes() == mean
    for name in ("sum.parquet", "mean.parquet"):
        complete = record(name)["complete_for"]
        assert (complete["inputs_of"], complete["outputs_of"]) == ([], [])


@pytest.mark.usefixtures("files")
def test_nothing_is_a_valid_answer(crant: Crant) -> None:
    text_file("empty.csv", "pre,post,weight\n")
    text_file("nobody.csv", "root_id,cell_type\n")
    for words in (("empty.csv", "-a", "cells.csv"), ("edges.csv", "-a", "nobody.csv")):
        outputs = ("-o", "m.parquet", "--type-sum", "s.csv", "--type-mean", "t.npz", "--order", "o.parquet")
        ran = crant("nested", *words, *outputs)
        assert ran.code == 0, ran.err
        assert list(pd.read_parquet("m.parquet").columns) == ["pre/post"]
        assert Path("s.csv").read_text().strip() == "pre/post"
        assert npz(Path("t.npz"))[:2] == ([], [])
        assert list(pd.read_parquet("o.parquet").columns) == ["axis", "position", "neuron", "type"]


@pytest.mark.usefixtures("files")
def test_trap_10_and_11_labels_are_labels(crant: Crant) -> None:
    """NA and nan are types, and none is a file name."""
    text_file("cells.csv", "root_id,cell_type\n1,NA\n2,nan\n3,../x\n9,EPG/PEG\n")
    ran = crant(*EDGE, "--type-sum", "s.csv")
    assert ran.code == 0
    assert Path("s.csv").read_text().split()[0] == "pre/post,../x,EPG/PEG,NA,nan"
    assert crant(*EDGE, "--source-types", "NA,nan").rows()[1:] == grid("1 1 0 0 2|2 1 1 0 0")
    text_file("cells.csv", "root_id,cell_type\n1,a\n2,A\n")
    complaint(crant(*EDGE, "--type-sum", "s.csv"), 2, "A", ".npz")
    assert crant(*EDGE, "--type-sum", "s.npz").code == 0
    assert npz(Path("s.npz"))[0] == ["A", "a"]


@pytest.mark.usefixtures("files")
def test_trap_14_rows_per_neuropil_are_one_pair(crant: Crant) -> None:
    text_file("codex.csv", "pre_root_id,post_root_id,roi,syn_count\n1,2,EB,2\n1,2,FB,3\n2,3,EB,1\n2,9,EB,1\n2,9,FB,1\n")
    ran = crant("nested", "codex.csv", "-a", "cells.csv", "-t", "2", "--json")
    told = json.loads(ran.out)["ledger"]
    assert (told["read"], told["kept"], told["merged"]) == (5, 1, 2)
    assert (told["removed"]["threshold"], told["removed"]["unannotated"]) == (1, 1)
    assert crant("nested", "codex.csv", "-a", "cells.csv").rows() == grid("pre/post 1 2 3|1 0 5 0|2 0 0 1|3 0 0 0")


@pytest.mark.usefixtures("files")
def test_nan_in_a_column_to_add_up_is_no_value(crant: Crant) -> None:
    """The engine takes isnan to be false in Parquet files whose statistics leave NaN out."""
    parquet_file("nan.parquet", pre=[1, 1, 2], post=[2, 2, 3], size=pa.array([1.0, float("nan"), 2.0]))
    words = ("nested", "nan.parquet", "-a", "cells.csv", "--weight-mode")
    ran = crant(*words, "column", "--weight-column", "size")
    assert ran.rows()[1:] == grid("1 0.0 1.0 0.0|2 0.0 0.0 2.0|3 0.0 0.0 0.0")
    assert "1 rows have no value to add up" in ran.err
    assert crant(*words, "count", "--min-size", "2", "--directed").rows() == grid("pre/post 3|2 1")


@pytest.mark.usefixtures("files")
def test_fractions_of_signed_weights_are_of_absolute_totals(crant: Crant) -> None:
    """Weights that cancel each other do not make others larger."""
    text_file("signed.csv", "pre,post,weight\n1,2,3\n1,3,-1\n2,3,4\n")
    words = ("nested", "signed.csv", "-a", "cells.csv", "--weight-mode", "relative_outgoing", "-o", "m.npz")
    complaint(crant(*words), 3, "-1", "--signed")
    for scope in ("selected", "all"):
        ran = crant(*words, "--signed", "--normalization-scope", scope)
        assert ran.code == 0, ran.err
        assert "absolute" in ran.err
        with np.load("m.npz") as arrays:
            assert arrays["data"].tolist() == [0.75, -0.25, 1.0]


@pytest.mark.usefixtures("files")
def test_copies_of_a_synapse_have_one_value(crant: Crant) -> None:
    """That of the smallest copy, whatever else is asked."""
    text_file("twice.csv", "id,pre,post,size,area\n7,1,2,1,9\n7,1,2,2,3\n8,1,2,5,1\n")
    words = (
        "nested",
        "twice.csv",
        "-a",
        "cells.csv",
        "--weight-mode",
        "column",
        "--weight-column",
        "area",
        "--directed",
    )
    assert crant(*words).rows() == crant(*words, "--min-size", "0").rows() == grid("pre/post 2|1 10")


def seeded(number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    chance = random.Random(7)
    rows = [(chance.randrange(1, 90), chance.randrange(1, 90), chance.random()) for _ in range(number)]
    types = [*(f"T{number}" for number in range(9)), "EPG/PEG"]
    cells = [(neuron, chance.choice(types), chance.choice(["R1", "L8", "x"])) for neuron in range(1, 80)]
    return (
        pd.DataFrame(rows, columns=["pre", "post", "area"]),
        pd.DataFrame(cells, columns=["root_id", "cell_type", "cell_instance"]),
    )


@pytest.mark.parametrize("mode", ["relative_outgoing", "relative_incoming", "column"])
def test_bytes_do_not_depend_on_threads(crant: Crant, tmp_path: Path, mode: str) -> None:
    table, cells = seeded(4000)
    table.to_parquet(tmp_path / "in.parquet", row_group_size=500)
    cells.to_csv(tmp_path / "cells.csv", index=False)
    words = ["nested", "in.parquet", "--kind", "synapses", "-a", "cells.csv", "--weight-mode", mode]
    words += ["--neuron-order", "weight"]
    words += ["--weight-column", "area"] if mode == "column" else []
    found = []
    for threads in (1, 2, 4):
        outputs = ["-o", "m.npz", "--type-sum", "s.parquet", "--type-mean", "t.csv", "--order", "o.feather"]
        assert crant(*words, *outputs, "--threads", threads).code == 0
        found.append([(tmp_path / name).read_bytes() for name in outputs[1::2]])
    assert found[0] == found[1] == found[2]


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    import subprocess
    import sys

    table, cells = seeded(3000)
    table = table.assign(id=range(len(table)))
    table.to_csv(tmp_path / "in.csv", index=False)
    cells.to_csv(tmp_path / "cells.csv", index=False)
    command = f"{sys.executable} -m crantcli nested in.csv -a cells.csv -q | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, cwd=tmp_path, check=True, timeout=60)
    assert done.stdout.startswith(b"pre/post,")
    assert done.stderr == b""
