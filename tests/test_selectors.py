"""Naming neurons: on the command line, in files, by criteria, from Python; and data sets by name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import SAMPLE, Crant
from tables import ONE, answer, complaint, feather_file, parquet_file, record, text_file, weights

import crantcli as cc
from crantcli.ids import Criteria, IdFile, IdStdin, LiteralId, parse_selectors

A, B, C, D, E = range(ONE, ONE + 5)

ANNOTATIONS = f"""root_id,cell_type,cell_class,side,status,proofread
{A},ER1,ER,left,"['DAMAGED', 'OK']",True
{B},ER10,ER,right,['OK'],False
{C},"LT57,LT58",optic,,"[]",True
{D},salt and pepper,,left,,True
{E},NA,nan,right,['DAMAGED'],False
"""


@pytest.fixture
def brain(crant: Crant) -> Crant:
    """A run of `counts` on a table of five neurons, with annotations."""
    text_file(
        "edges.csv", "pre,post,weight\n" + "".join(f"{neuron},7,{n}\n" for n, neuron in enumerate((A, B, C, D, E), 1))
    )
    text_file("types.csv", ANNOTATIONS)
    columns = pd.read_csv("types.csv", keep_default_na=False, na_values=[""])
    lists = [["DAMAGED", "OK"], ["OK"], [], None, ["DAMAGED"]]
    parquet_file(
        "types.parquet", **{name: pa.array(columns[name], from_pandas=True) for name in columns} | {"status": lists}
    )

    def call(*arguments: object, types: str | None = "types.csv", stdin: bytes = b"") -> Any:
        given = ("-a", types) if types else ()
        return crant("counts", "edges.csv", *arguments, *given, stdin=stdin)

    return call


def chosen(outcome: Any) -> list[int]:
    """The neurons in an answer of `counts`, in their order."""
    return [int(row[0]) for row in answer(outcome)]


# The grammar.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", [LiteralId("5")]),
        ("5,6", [LiteralId("5"), LiteralId("6")]),
        (" 5 , 6 ", [LiteralId("5"), LiteralId("6")]),
        ("id:cell_type=x", [LiteralId("cell_type=x")]),
        ("id:@x", [LiteralId("@x")]),
        ("id:a,b", [LiteralId("a,b")]),
        ("5,id:6", [LiteralId("5"), LiteralId("6")]),
        ("-", [IdStdin()]),
        ("-5", [LiteralId("-5")]),
        ("@ids.txt", [IdFile("ids.txt")]),
        ("@a/b.csv:root_id", [IdFile("a/b.csv", "root_id")]),
        ("@C:\\ids.csv", [IdFile("C:\\ids.csv")]),
        ("EPG/PEG", [LiteralId("EPG/PEG")]),
    ],
)
def test_values_that_are_no_criteria(value: str, expected: list[Any]) -> None:
    assert list(parse_selectors([value])) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a=x", [("a", "=", False, ("x",))]),
        (" a = x ", [("a", "=", False, ("x",))]),
        ("a=x,y", [("a", "=", False, ("x", "y"))]),
        ('a="x,y",z', [("a", "=", False, ("x,y", "z"))]),
        ('a="x and y"', [("a", "=", False, ("x and y",))]),
        ("a!=x", [("a", "=", True, ("x",))]),
        ("a~^P[NM]_,x", [("a", "~", False, ("^P[NM]_,x",))]),
        ('a~"x and y"', [("a", "~", False, ("x and y",))]),
        ("a=x and b!=y and c~z", [("a", "=", False, ("x",)), ("b", "=", True, ("y",)), ("c", "~", False, ("z",))]),
        ("type.from=x", [("type.from", "=", False, ("x",))]),
        ("a=x=y", [("a", "=", False, ("x=y",))]),
    ],
)
def test_criteria_are_read(value: str, expected: list[Any]) -> None:
    (selector,) = parse_selectors([value])
    assert isinstance(selector, Criteria)
    assert [(c.column, c.operator, c.negate, c.values) for c in selector.criteria] == expected
    assert parse_selectors([str(selector)]) == (selector,)  # what the provenance says can be typed again


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", ["empty value"]),
        ("5,,6", ["between two commas"]),
        ("@", ["@FILE"]),
        ('cell_type="ER1', ["quote", "not closed"]),
        ("cell_type~[", ["'['", "regular expression"]),
        ("cell_type~", ["regular expression"]),
        ("cell_type=", ["empty value"]),
        ("cell_type=ER1,", ["empty value"]),
        ("cell_type=ER1 and side", ["'side' is not a criterion"]),
        ("@nowhere.txt", ["nowhere.txt", "no such file"]),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(brain: Crant, value: str, words: list[str]) -> None:
    complaint(brain("-n", value), 2, *words)


# Literal IDs.


def test_ids_and_lists_keep_their_order_and_union(brain: Crant) -> None:
    assert chosen(brain("-n", f"{C},{A}", "-n", A, "-n", f"id:{B}")) == [C, A, B]
    assert chosen(brain("-n", f"{A}", "-n", "cell_class=ER and side=right and cell_type=ER10", "-n", 7)) == [A, B, 7]


@pytest.mark.parametrize("value", [f"{A}.0", "5.76460752641834E+17", "2.5", "99999999999999999999", "1e3"])
def test_ids_that_were_floats_or_do_not_fit_are_refused(brain: Crant, value: str) -> None:
    complaint(brain("-n", value), 3, value)


def test_one_point_zero_names_neuron_one(crant: Crant) -> None:
    text_file("t.csv", "pre,post\n1,2\n")
    assert chosen(crant("counts", "t.csv", "-n", "1.0")) == [1]
    text_file("t.csv", "pre,post\nA,1\n007,1\n")
    assert answer(crant("counts", "t.csv", "-n", "1.0,007")) == [("1", "0", "2", "0", "2"), ("007", "1", "0", "1", "0")]


def test_a_name_among_integers_is_told_how_to_write_a_criterion(brain: Crant) -> None:
    complaint(brain("-n", "ER1"), 3, "'ER1'", "integers", "cell_type=ER1")


def test_id_takes_its_value_as_it_is(crant: Crant) -> None:
    text_file("t.csv", 'pre,post\ncell_type=ER1,B\n@x,B\n"a,b",B\n-,B\n')
    for neuron in ("cell_type=ER1", "@x", "a,b", "-"):
        assert answer(crant("counts", "t.csv", "-n", f"id:{neuron}"))[0][:2] == (neuron, "1")


# Files and stdin.

LINES = {
    "plain": f"{B}\n{A}\n",
    "crlf": f"{B}\r\n{A}\r\n",
    "no end": f"{B}\n{A}",
    "bom": f"\ufeff{B}\n{A}\n",
    "comments": f"# two neurons, B and A\n\n{B}\n# and\n  {A}  \n",
    "header": f"root_id\n{B}\n{A}\n",
    "quoted": f'"pt_root_id"\n"{B}"\n"{A}"\n',
    "comment and header": f"# mine\nroot_id\n{B}\n{A}\n",
    "repeats": f"{B}\n{A}\n{B}\n",
}


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("name", ["ids.txt", "ids.csv"])
def test_files_with_one_id_a_line(brain: Crant, form: str, name: str) -> None:
    text_file(name, LINES[form])
    assert chosen(brain("-n", f"@{name}")) == [B, A]


@pytest.mark.parametrize("name", ["ids", "ids.txt.gz", "ids.csv.gz"])
def test_files_of_ids_may_have_any_name(brain: Crant, name: str) -> None:
    text_file(name, LINES["comment and header"])
    assert chosen(brain("-n", f"@{name}")) == [B, A]


@pytest.mark.parametrize("form", ["plain", "bom", "comments", "header"])
def test_stdin_with_one_id_a_line(brain: Crant, form: str) -> None:
    assert chosen(brain("-n", "-", stdin=LINES[form].encode())) == [B, A]


def test_files_that_are_tables(brain: Crant) -> None:
    text_file("t.csv", f"name,root_id,other\nx,{B},{C}\ny,{A},\n")
    text_file("t.tsv", f"name\tother\nx\t{C}\ny\t\n")
    parquet_file("t.parquet", neuron_id=[B, None, A], other=pa.array([str(C), None, str(D)]))
    feather_file("t.feather", bodyId=pa.array([B, A], pa.uint64()))
    assert chosen(brain("-n", "@t.csv")) == [B, A]
    assert chosen(brain("-n", "@t.csv:other")) == [C]
    assert chosen(brain("-n", "@t.tsv:other")) == [C]
    assert chosen(brain("-n", "@t.parquet")) == [B, A]
    assert chosen(brain("-n", "@t.parquet:other")) == [C, D]
    assert chosen(brain("-n", "@t.feather")) == [B, A]
    assert chosen(brain("-n", "@types.csv")) == [A, B, C, D, E]


def test_a_colon_may_be_part_of_a_file_name(brain: Crant) -> None:
    text_file("in/a:b", f"{A}\n")
    text_file("in/c:d.csv", f"x,root_id\n1,{B}\n")
    assert chosen(brain("-n", "@in/a:b")) == [A]
    assert chosen(brain("-n", "@in/c:d.csv")) == [B]
    assert chosen(brain("-n", "@in/c:d.csv:root_id")) == [B]


@pytest.mark.parametrize(
    ("name", "content", "selector", "words"),
    [
        ("f.txt", "", "@f.txt", ["f.txt", "no neuron ID"]),
        ("f.txt", "# nothing\n\n", "@f.txt", ["f.txt", "no neuron ID"]),
        ("f.txt", f"{A}\nx\n", "@f.txt", ["f.txt, line 2", "'x'"]),
        ("f.txt", "5.76460752641834E+17\n", "@f.txt", ["f.txt, line 1", "5.76460752641834E+17", "floating-point"]),
        ("f.txt", "AVA, AVB\nAVC, AVD\n", "@f.txt", ["f.txt", "@f.txt:COLUMN", "one ID a line"]),
        ("f.csv", "a,b\n1,2\n", "@f.csv", ["f.csv", "root_id", "@f.csv:COLUMN"]),
        ("f.csv", "root,b\n1,2\n", "@f.csv:rot", ["@f.csv:rot", "near names: root"]),
        ("f.csv", "root_id,b\n5.7E17,2\n", "@f.csv", ["f.csv, column root_id, row 1", "5.7E17"]),
        ("f.csv", "root_id,b\nx,2\n", "@f.csv", ["f.csv", "'x'"]),
        ("f.txt", b"\xff\xfe1\x00", "@f.txt", ["f.txt", "UTF-8"]),
        ("f.txt", f"{A}\n".encode() + b"\xe9\n", "@f.txt", ["f.txt", "UTF-8"]),
    ],
)
def test_files_without_ids_are_refused(
    brain: Crant, name: str, content: str | bytes, selector: str, words: list[str]
) -> None:
    text_file(name, content)
    complaint(brain("-n", selector), 3, *words)


def test_float_ids_in_a_parquet_list_are_refused(brain: Crant) -> None:
    parquet_file("f.parquet", root_id=[float(A)])
    complaint(brain("-n", "@f.parquet"), 3, "f.parquet, column root_id", "floating-point")


def test_stdin_without_ids_is_refused(brain: Crant) -> None:
    complaint(brain("-n", "-"), 3, "no neuron ID")
    complaint(brain("-n", "-", stdin=b"\xff\xfe"), 3, "stdin", "UTF-8")


def test_files_of_ids_are_inputs(brain: Crant) -> None:
    text_file("ids.csv", f"root_id\n{A}\n")
    assert brain("-n", "@ids.csv", "-o", "c.parquet").code == 0
    made = record("c.parquet")
    assert made["selection"]["neurons"] == {"named": ["@ids.csv"], "neurons": 1}
    assert {source["name"]: source["bytes"] for source in made["inputs"]}["ids.csv"] == Path("ids.csv").stat().st_size
    complaint(brain("-n", "@ids.csv", "-o", "ids.csv"), 2, "ids.csv", "input")
    assert Path("ids.csv").read_text() == f"root_id\n{A}\n"


# Criteria.


@pytest.mark.parametrize("types", ["types.csv", "types.parquet"])
@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("cell_type=ER1", [A]),
        ("cell_type=ER1,ER10", [A, B]),
        ("cell_class=ER,optic", [A, B, C]),
        ('cell_type="LT57,LT58"', [C]),
        ('cell_type="LT57,LT58",ER1', [A, C]),
        ('cell_type="salt and pepper" and side=left', [D]),
        ("cell_type~ER1", [A, B]),
        ("cell_type~ER1$", [A]),
        ("cell_type~^ER", [A, B]),
        ("cell_type~.*R1", [A, B]),
        ("cell_type~E|L", [A, B, C]),
        ("side!=left", [B, C, E]),  # null is not left
        ("cell_class!=ER,optic", [D, E]),
        ("side=right and cell_class=ER", [B]),
        ("cell_type=NA", [E]),  # trap 10
        ("cell_class=nan", [E]),
        ("cell_type!=NA", [A, B, C, D]),
        ("status=DAMAGED", [A, E]),
        ("status=OK,DAMAGED", [A, B, E]),
        ("status!=DAMAGED", [B, C, D]),
        ("status~DAM", [A, E]),
        ("proofread=True", [A, C, D]),
        ("proofread=false", [B, E]),
        ("proofread!=true", [B, E]),
        (f"root_id={A}", [A]),
        (f"root_id={A},{C}", [A, C]),
    ],
)
def test_criteria_select_the_same_from_csv_and_parquet(
    brain: Crant, types: str, selector: str, expected: list[int]
) -> None:
    assert chosen(brain("-n", selector, types=types)) == expected


def test_comparison_heeds_case_unless_told_otherwise(brain: Crant) -> None:
    complaint(brain("-n", "cell_type=er1"), 3, "cell_type=er1", "cell_type has ER1", "heeds case")
    complaint(brain("-n", "cell_type~er"), 3, "no neuron matches")
    assert chosen(brain("-n", "cell_type=er1", "--ignore-case")) == [A]
    assert chosen(brain("-n", "cell_type~er", "--ignore-case")) == [A, B]
    assert chosen(brain("-n", "side!=LEFT", "--ignore-case")) == [B, C, E]
    assert chosen(brain("-n", "side!=LEFT")) == [A, B, C, D, E]


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("celltype=ER1", ["celltype", "near names: cell_type"]),
        ("colour=red", ["colour", "columns: root_id, cell_type"]),
        ("cell_type=ER", ["cell_type=ER", "ER1"]),
        ("cell_type~R", ["cell_type~R", "from the start"]),
        ("cell_type=ER1 and side=right", ["cell_type=ER1 and side=right"]),
        ("cell_type=ER1 AND side=left", ["ER1 AND side=left"]),
    ],
)
def test_criteria_that_select_nothing_say_why(brain: Crant, selector: str, words: list[str]) -> None:
    complaint(brain("-n", selector), 3, *words)


def test_a_label_of_several_that_nothing_has_is_noted(brain: Crant) -> None:
    found = brain("-n", "cell_type=ER1,ER2")
    assert chosen(found) == [A]
    assert "cell_type: no neuron has ER2" in found.err


def test_criteria_need_annotations(brain: Crant) -> None:
    complaint(brain("-n", "cell_type=ER1", types=None), 2, "cell_type=ER1", "--annotations", "data set")


def test_columns_of_annotations_can_be_said(crant: Crant) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,3\n2,3,4\n")
    text_file("odd.csv", "id,nr,kind,cell_type\n9,1,X,Z\n8,2,Y,Z\n")
    run = ("connectivity", "edges.csv", "-a", "odd.csv")
    assert weights(crant(*run, "--by", "type")) == {}  # ids 8 and 9 are not in the table
    said = ("--neuron-id-column", "nr", "--cell-type-column", "kind")
    assert weights(crant(*run, *said, "--by", "type")) == {("X", "Y"): "3"}
    assert weights(crant(*run, *said, "-n", "kind=X")) == {("1", "2"): "3"}
    complaint(crant(*run, "--neuron-id-column", "n"), 3, "--neuron-id-column n", "near names: nr")
    complaint(crant(*run, "--cell-type-column", "knd"), 3, "--cell-type-column knd", "near names: kind")
    text_file("none.csv", "name,kind\na,b\n")
    complaint(crant(*run[:3], "none.csv"), 3, "none.csv", "root_id", "--neuron-id-column")


@pytest.mark.parametrize("column", ["root_id", "pt_root_id", "bodyId", "neuron_id", "id"])
@pytest.mark.parametrize("label", ["cell_type", "type", "primary_type", "celltype"])
def test_every_spelling_of_annotations(crant: Crant, column: str, label: str) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,3\n")
    text_file("types.csv", f"{label},{column}\nX,1\nY,2\n")
    assert weights(crant("connectivity", "edges.csv", "-a", "types.csv", "--by", "type")) == {("X", "Y"): "3"}


def test_the_first_spelling_of_annotations_counts(crant: Crant) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,3\n")
    text_file("types.csv", "id,root_id,type,cell_type\n7,1,no,X\n8,2,no,Y\n")
    assert weights(crant("connectivity", "edges.csv", "-a", "types.csv", "--by", "type")) == {("X", "Y"): "3"}


def test_criteria_look_at_the_row_that_counts(crant: Crant) -> None:
    """A neuron is selected by what it is labelled with, and by nothing that only another of its rows says."""
    text_file("t.csv", "pre,post,weight\n11,21,5\n12,21,7\n13,21,1\n14,22,2\n")
    text_file("types.csv", "root_id,cell_type,side\n11,,left\n11,A,right\n11,B,left\n12,A,left\n14,B,right\n13,,left\n")
    words = ("connectivity", "t.csv", "-a", "types.csv", "--no-upstream", "--annotate", "cell_type", "-n")

    def asked(criteria: str) -> tuple[list[str], str]:
        ran = crant(*words, criteria)
        return [row[0] for row in answer(ran)], ran.err

    found, told = asked("cell_type=B")
    assert found == ["14"]
    assert "cell_type=B: 1 neuron meets it by another of its rows, such as 11, and the first row with a type" in told
    assert asked("cell_type=A")[0] == ["12", "11"]
    assert "another of its rows" not in asked("cell_type=A")[1]
    assert asked("side=left")[0] == ["12", "13"]
    assert asked("side!=right")[0] == ["12", "13"]
    assert asked("cell_type=A and side=right")[0] == ["11"]
    assert "another of its rows" in asked("cell_type~^[B]")[1]
    complaint(crant(*words, "cell_type=B and side=left"), 3, "no neuron matches; 1 neuron meets it by another", "11")
    with pytest.warns(cc.CrantWarning, match="another of its rows|annotated more than once"):
        frame = cc.get_connectivity(cc.NeuronCriteria(cell_type="B"), source="t.csv", annotations="types.csv")
    assert frame["pre"].tolist() == [14]


def test_a_neuron_annotated_twice_takes_its_first_row_with_a_type(crant: Crant) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,3\n")
    text_file("types.csv", "root_id,cell_type,side\n1,,left\n2,Y,left\n1,X,right\n2,Z,right\n")
    found = crant("connectivity", "edges.csv", "-a", "types.csv", "--annotate", "cell_type,side")
    assert answer(found) == [("1", "2", "3", "X", "right", "Y", "left")]
    assert "2 neurons are annotated more than once" in found.err
    assert answer(crant("counts", "edges.csv", "-a", "types.csv", "-n", "cell_type=Y"))[0][0] == "2"
    complaint(crant("counts", "edges.csv", "-a", "types.csv", "-n", "cell_type=Z"), 3, "by another of its rows", "2")


def test_rows_of_annotations_without_an_id_are_left_out_and_counted(crant: Crant) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,3\n")
    text_file("types.csv", "root_id,cell_type\n1,X\nNA,X\n,Y\n")
    found = crant("counts", "edges.csv", "-a", "types.csv", "-n", "cell_type=X")
    assert chosen(found) == [1]
    assert "2 annotation rows without a neuron ID" in found.err


@pytest.mark.parametrize("value", ["5.76460752641834E+17", f"{ONE}.0"])
def test_ids_of_annotations_must_not_have_been_floats(crant: Crant, value: str) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,3\n")
    text_file("types.csv", f"root_id,cell_type\n1,X\n{value},Y\n")
    complaint(crant("connectivity", "edges.csv", "-a", "types.csv"), 3, "types.csv, column root_id, row 2", value)
    parquet_file("types.parquet", root_id=[float(ONE)], cell_type=["X"])
    complaint(crant("connectivity", "edges.csv", "-a", "types.parquet"), 3, "types.parquet, column root_id")


def test_ids_of_annotations_have_the_types_of_ids(crant: Crant) -> None:
    text_file("edges.csv", f"pre,post,weight\n{2**63 + 1},2,3\n")
    parquet_file("types.parquet", root_id=pa.array([2**63 + 1, 2], pa.uint64()), cell_type=["X", "Y"])
    run = ("connectivity", "edges.csv", "-a", "types.parquet", "--by", "type")
    assert weights(crant(*run)) == {("X", "Y"): "3"}
    parquet_file("types.parquet", root_id=[True, False], cell_type=["X", "Y"])
    complaint(crant(*run), 3, "types.parquet, column root_id", "integers or text")


def test_other_columns_of_annotations_may_be_floats(crant: Crant) -> None:
    text_file("edges.csv", "pre,post,weight\n1,2,3\n")
    parquet_file("types.parquet", root_id=[1, 2], nucleus_id=[1.5, None], pre=[0.5, 1.0], cell_type=["X", "Y"])
    assert weights(crant("connectivity", "edges.csv", "-a", "types.parquet", "--by", "type")) == {("X", "Y"): "3"}


def test_annotations_and_table_may_hold_ids_in_different_types(crant: Crant) -> None:
    text_file("edges.csv", f"pre,post,weight\n{A},ER1,3\n")
    parquet_file("types.parquet", root_id=[A, B], cell_type=["X", "Y"])
    assert weights(crant("connectivity", "edges.csv", "-a", "types.parquet", "-n", "cell_type=X")) == {
        (str(A), "ER1"): "3"
    }
    text_file("edges.csv", f"pre,post,weight\n{A},7,3\n")
    parquet_file("types.parquet", root_id=[str(A), "glia"], cell_type=["X", "Y"])
    assert weights(crant("connectivity", "edges.csv", "-a", "types.parquet", "-n", "cell_type=X")) == {
        (str(A), "7"): "3"
    }
    complaint(
        crant("connectivity", "edges.csv", "-a", "types.parquet", "-n", "cell_type=Y"), 3, "cell_type=Y", "'glia'"
    )


# From Python.

TABLE = pd.DataFrame({"pre": [A, B, C, D, E], "post": [7] * 5, "weight": [1, 2, 3, 4, 5]})
TYPES = pd.DataFrame(
    {
        "root_id": [A, B, C, D, E],
        "cell_type": ["ER1", "er10", "LT57,LT58", None, "NA"],
        "status": [["a", "b"], ["b"], [], None, ["c"]],
        "proofread": [True, False, True, True, False],
    }
)


def asked(neurons: Any, **options: Any) -> list[int]:
    """The neurons that Python finds."""
    return cc.get_synapse_counts(neurons, source=TABLE, annotations=TYPES, **options).index.tolist()


@pytest.mark.parametrize(
    "neurons",
    [
        A,
        str(A),
        np.int64(A),
        np.uint64(A),
        [A],
        (A, A),
        {A},
        [str(A), A],
        np.array([A]),
        np.array([str(A)]),
        pd.Series([A], index=[5]),
        pd.Index([A]),
        pd.array([A], dtype="Int64"),
        iter([A]),
        {A: "x"},
        [[A], A],
        cc.NeuronCriteria(cell_type="ER1"),
        [A, cc.NeuronCriteria(cell_type="ER1")],
    ],
    ids=lambda value: type(value).__name__,
)
def test_everything_that_names_a_neuron_in_python(neurons: Any) -> None:
    assert asked(neurons) == [A]


def test_order_is_kept_and_none_means_all() -> None:
    with pytest.warns(cc.CrantWarning, match="1 of 3 selected neurons has no edges in the table: 99"):
        assert asked([C, A, 99]) == [C, A, 99]
    assert asked(None) == [7, A, B, C, D, E]
    assert asked([]) == []
    assert asked(range(B, D)) == [B, C]


@pytest.mark.parametrize(
    "neurons",
    [5.0, [5.0], float(A), np.float64(5), np.array([5.0]), pd.Series([A, None]), True, [True], np.bool_(True), b"5",
     None.__class__, [None], pd.array([A, None], dtype="Int64"), object()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_everything_else_is_a_type_error(neurons: Any) -> None:
    with pytest.raises(TypeError, match="is not a neuron ID"):
        asked(neurons)


def test_text_from_python_is_an_id_and_no_criterion() -> None:
    with pytest.raises(ValueError, match="cell_type=ER1"):
        asked("cell_type=ER1")
    with pytest.raises(ValueError, match="floating-point"):
        asked("5.76460752641834E+17")


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"cell_type": "ER1"}, [A]),
        ({"cell_type": ["ER1", "NA"]}, [A, E]),
        ({"cell_type": {"ER1"}}, [A]),
        ({"cell_type": "LT57,LT58"}, [C]),
        ({"cell_type": "ER1", "status": "a"}, [A]),
        ({"cell_type": "er", "regex": True}, [A, B]),
        ({"cell_type": "er", "regex": True, "case": True}, [B]),
        ({"cell_type": ["ER1$", "N"], "regex": True}, [A, E]),
        ({"cell_type": "R1", "exact": False}, [A]),
        ({"cell_type": "T5", "exact": False}, [C]),
        ({"status": "b"}, [A, B]),
        ({"status": ["a", "b"]}, [A, B]),
        ({"status": ["a", "b"], "match_all": True}, [A]),
        ({"status": ["a", "c"], "match_all": True, "regex": True, "cell_type": "E"}, None),
        ({"proofread": True}, [A, C, D]),
        ({"proofread": False}, [B, E]),
        ({"root_id": A}, [A]),
        ({"root_id": [np.int64(A), str(B)]}, [A, B]),
        ({"cell_type": "er1"}, None),
        ({"cell_type": "er1", "case": True}, None),
    ],
    ids=str,
)
def test_neuron_criteria(criteria: dict[str, Any], expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="no neuron matches"):
            asked(cc.NeuronCriteria(**criteria))
    else:
        assert asked(cc.NeuronCriteria(**criteria)) == expected


@pytest.mark.parametrize(
    ("criteria", "words"),
    [
        ({}, "at least one column"),
        ({"cell_type": None}, "needs a value"),
        ({"cell_type": []}, "needs a value"),
        ({"cell_type": ["ER1", None]}, "needs a value"),
        ({"cell_type": "[", "regex": True}, "not a regular expression"),
    ],
)
def test_neuron_criteria_without_sense_are_refused_at_once(criteria: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cc.NeuronCriteria(**criteria)


def test_neuron_criteria_on_columns_that_are_not_there() -> None:
    with pytest.raises(ValueError, match=r"celltype.*near names: cell_type"):
        asked(cc.NeuronCriteria(celltype="ER1"))
    with pytest.raises(ValueError, match="annotations"):
        cc.get_synapse_counts(cc.NeuronCriteria(cell_type="ER1"), source=TABLE)


def test_neuron_criteria_show_themselves() -> None:
    assert repr(cc.NeuronCriteria(cell_type=["ER1", "ER2"], side="left")) == (
        "NeuronCriteria(cell_type=ER1,ER2 and side=left)"
    )


# Data sets.


def data_set(folder: str, more: str = "", files: Iterable[str] = ("synapses", "annotations")) -> Path:
    """The TOML file of a data set of local files, beside them."""
    text_file(f"{folder}/syn.csv", f"id,pre,post,ctr_pt_position\n1,{A},{B},[1 2 3]\n2,{B},{A},[4 5 6]\n3,1,{B},\n")
    text_file(f"{folder}/ann.csv", f"root_id,cell_type\n{A},ER1\n{B},ER2\n")
    names = {"synapses": "syn.csv", "annotations": "ann.csv"}
    listed = "\n".join(f'{key} = "{names[key]}"' for key in files)
    return text_file(f"{folder}/brain.toml", f"{more}\n[voxel]\nsize_nm = [8, 8, 42]\n[files]\n{listed}\n")


def test_a_data_set_file_stands_for_tables_annotations_and_voxels(crant: Crant) -> None:
    data_set("my brain", "background_ids = [1]")
    expected = {(str(A), str(B)): "1"}
    assert (
        weights(crant("connectivity", "-d", "my brain/brain.toml", "-n", "cell_type=ER1", "--no-upstream")) == expected
    )
    found = crant("connectivity", "-d", "my brain/brain.toml")
    assert "1 background" in found.err
    nm = ("--coordinates", "pixels", "--units", "nm")
    assert answer(crant("synapses", "-d", "my brain/brain.toml", *nm))[0][3:] == ("8", "16", "126")
    assert list(cc.get_connectivity([A], dataset="my brain/brain.toml")["weight"]) == [1, 1]


def test_a_data_set_lends_its_annotations_and_voxels_to_a_source(crant: Crant) -> None:
    data_set("brain")
    text_file("other.csv", f"pre,post\n{A},5\n{B},5\n")
    found = crant("connectivity", "other.csv", "-d", "brain/brain.toml", "-n", "cell_type=ER1")
    assert weights(found) == {(str(A), "5"): "1"}


def test_data_sets_by_name(crant: Crant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data_set("config/crantcli")
    text_file(
        "config/crantcli/datasets.toml",
        '[mine.files]\nsynapses = "syn.csv"\n[other.cave]\nserver = "x"\n'
        '[third.cave]\nserver = "https://no.server"\ndatastack = "ant"\n',
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert len(weights(crant("connectivity", "-d", "mine"))) == 3
    monkeypatch.setenv("CRANT_DEFAULT_DATASET", "mine")
    assert len(weights(crant("connectivity"))) == 3
    assert len(cc.get_connectivity([A])) == 2
    text_file("t.csv", "pre,post\n1,2\n")
    assert weights(crant("connectivity", "t.csv")) == {("1", "2"): "1"}  # a source comes first
    monkeypatch.setenv("CRANT_DEFAULT_DATASET", "mime")
    complaint(crant("connectivity"), 2, "--dataset mime", "near names: mine", "datasets.toml")
    complaint(crant("connectivity", "-d", "zzz"), 2, "zzz", "known names: latest, crantb, sandbox, mine, other, third")
    complaint(crant("connectivity", "-d", "other"), 3, "data set other", "cave.datastack")
    complaint(crant("connectivity", "-d", "third"), 2, "data set third", "server", "--neurons", "give a file")


@pytest.mark.parametrize("name", ["latest", "sandbox", "crantb"])
def test_live_data_sets_are_not_fetched_as_a_whole(crant: Crant, name: str) -> None:
    complaint(crant("connectivity", "-d", name), 2, f"data set {name}", "name neurons with --neurons")
    with pytest.raises(ValueError, match="give neuron_ids"):
        cc.get_connectivity(dataset=name)


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("[files\n", 3, ["brain.toml", "TOML"]),
        (b"\xff\xfe", 3, ["brain.toml", "TOML"]),
        ("", 2, ["brain", "names no synapse table", "SOURCE"]),
        ("files = 5\n", 3, ["brain", "[files]"]),
        ("[files]\nsynapses = 5\n", 3, ["files.synapses", "path in quotes"]),
        ('[files]\nsynapses = "nowhere.csv"\n', 2, ["nowhere.csv", "no such file"]),
        ('[files]\nsynapses = "a"\ncoordinates = "um"\n', 3, ["coordinates", "'um'"]),
        ("[voxel]\nsize_nm = [8, 8]\n", 3, ["size_nm", "three positive numbers"]),
        ("[voxel]\nsize_nm = [8, 8, 0]\n", 3, ["size_nm", "three positive numbers"]),
        ('background_ids = "0"\n', 3, ["background_ids", "integers"]),
    ],
)
def test_broken_data_sets_are_refused(crant: Crant, content: str | bytes, code: int, words: list[str]) -> None:
    text_file("brain.toml", content)
    complaint(crant("connectivity", "-d", "brain.toml"), code, *words)


def test_a_data_set_file_that_is_not_there(crant: Crant) -> None:
    complaint(crant("connectivity", "-d", "nowhere.toml"), 2, "nowhere.toml", "no such file")


def test_the_sample_data_set(crant: Crant) -> None:
    found = crant("counts", "-d", SAMPLE / "sample.toml", "-n", "cell_type=ER2", "--json", "-o", "er2.parquet")
    assert json.loads(found.out)["rows"] == 12
    assert [source["name"] for source in record("er2.parquet")["inputs"]] == ["annotations.csv", "synapses.parquet"]
