"""What was asked for and is not in the table is said: neurons, in every command, and annotations of other IDs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import trimesh
from closed import box
from conftest import Crant
from tables import complaint, text_file

import crantcli as cc
from crantcli.core.rows import absent
from crantcli.core.rows.filters import RowFilter
from crantcli.engine.duckdb import Engine
from crantcli.ids import Selection
from crantcli.run.inputs import Opener
from crantcli.sources.tables.read_options import ReadOptions

#: 101 -> 102 twice, 103 -> 101; 104 with itself only, 105 with the background only, 106 without a partner, 107 rarely.
SYNAPSES = "id,pre,post,x\n1,101,102,1\n2,101,102,2\n3,103,101,3\n4,104,104,4\n5,105,0,5\n6,106,,6\n7,107,101,7\n"
CELLS = "root_id,cell_type,other_id\n101,A,1\n102,B,2\n103,B,3\n999,B,4\n998,C,5\n"
HERE = "have no synapses in the table"
ONE = "has no synapses in the table"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [line.split(",") for line in SYNAPSES.split()]
    placed = ["id,pre,post,ctr_pt_position", *(f'{i},{a},{b},"[{x}, 1, 1]"' for i, a, b, x in rows[1:])]
    # Others, so that no more than a tenth of the rows is without an ID.
    placed += [f'{i},801,802,"[9, 1, 1]"' for i in (51, 52, 53)]
    text_file("synapses.csv", "\n".join(placed) + "\n")
    text_file("edges.csv", "pre,post,weight\n101,102,2\n103,101,1\n107,101,1\n")
    text_file("cells.csv", CELLS)
    Path("meshes").mkdir()
    trimesh.Trimesh(*box((0, 0, 0), (2.5, 8, 8)), process=False).export("meshes/A.ply")
    for neuron in (101, 998, 999):
        text_file(f"skeletons/{neuron}.swc", "1 0 0 0 0 1 -1\n2 0 100 0 0 1 1\n")


NEUROPIL = "neuropil synapses.csv -a cells.csv --meshes meshes --coordinates nm --no-plot -o out"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("connectivity edges.csv -n 101,999", "1 of 2 selected neurons has no edges in the table: 999"),
        ("connectivity synapses.csv -n 999,101,998", f"2 of 3 selected neurons {HERE}: 999, 998"),
        ("connectivity synapses.csv -n 995,996,997,998", f"4 of 4 selected neurons {HERE}, such as 995, 996, 997"),
        (
            "connectivity synapses.csv -n 101,102 --no-upstream",
            "1 of 2 selected presynaptic neurons has no outgoing synapses in the table: 102",
        ),
        ("counts synapses.csv -n 101,999", f"1 of 2 selected neurons {ONE}: 999"),
        ("counts edges.csv -n @ids.txt", "1 of 2 selected neurons has no edges in the table: 999"),
        ("synapses synapses.csv --pre 999,101", "1 of 2 selected presynaptic neurons has no outgoing synapses in the"),
        ("synapses synapses.csv --post 101,999", "1 of 2 selected postsynaptic neurons has no incoming synapses in"),
        (
            "synapses synapses.csv --pre 101,103,999 --post 102",
            "1 of 3 selected presynaptic neurons has no outgoing synapses in the table: 999",
        ),
        ("adjacency edges.csv --pre 101,999", "1 of 2 selected presynaptic neurons has no outgoing edges in the table"),
        (
            "adjacency synapses.csv --pre 101 --post 101,999",
            "1 of 2 selected postsynaptic neurons has no incoming synapses in the table: 999",
        ),
        (
            "nested synapses.csv -a cells.csv --source-neurons 101,999",
            "1 of 2 chosen source neurons are left out for want of synapses, such as 999",
        ),
        (
            "nested synapses.csv -a cells.csv --target-neurons 102,999 --keep-unconnected",
            "1 of 2 chosen target neurons are without synapses, such as 999",
        ),
        (
            "nested synapses.csv -a cells.csv --target-neurons 102,996",
            "1 of 2 chosen target neurons are left out for want of an annotation, such as 996",
        ),
        (
            f"{NEUROPIL} --source-neurons 101,103,999",
            "1 of 3 selected presynaptic neurons has no outgoing synapses in the table: 999",
        ),
        (
            f"{NEUROPIL} --source-neurons 101,103,999 --no-include-other",
            "1 of 3 selected presynaptic neurons has no outgoing synapses in the table: 999",
        ),
        (
            "attach synapses.csv --skeletons skeletons --coordinates nm -n 101,999,998",
            "2 of 3 skeletons have no synapses here, such as 998, 999",
        ),
        (
            "attach synapses.csv --skeletons skeletons --coordinates nm -n 101,996,997",
            "2 of 3 selected neurons have no skeleton, such as 996, 997",
        ),
        ("counts synapses.csv -a cells.csv -n cell_type=A,B", f"1 of 4 selected neurons {ONE}: 999"),
        ("counts edges.csv -a cells.csv -n cell_type=C", "1 of 1 selected neurons has no edges in the table: 998"),
    ],
)  # fmt: skip
def test_neurons_that_are_not_there_are_said(crant: Crant, words: str, said: str) -> None:
    """How many, and three of them; once, and not with --quiet."""
    text_file("ids.txt", "101\n999\n")
    ran = crant(*words.split())
    assert ran.code == 0
    assert ran.err.count(said) == 1, ran.err
    assert crant(*words.split(), "--quiet").err == ""


@pytest.mark.parametrize(
    "words",
    [
        "connectivity synapses.csv -n 101,104,105",
        "connectivity synapses.csv -n 101,107 -t 2",
        "connectivity synapses.csv",
        "counts synapses.csv -n 101,104,107 -t 2",
        "counts synapses.csv -n 0,101",
        "synapses synapses.csv --pre 101,104,105,107 -t 2",
        "synapses synapses.csv --pre 101,103 --post 102",
        "adjacency synapses.csv --pre 101,103,104 --post 102,101",
        "nested synapses.csv -a cells.csv --source-types A",
        f"{NEUROPIL} --source-neurons 101,104,105,107 -t 2",
    ],
)
def test_neurons_whose_synapses_do_not_count_are_not_said_to_be_absent(crant: Crant, words: str) -> None:
    ran = crant(*words.split())
    assert ran.code == 0, ran.err
    assert "in the table" not in ran.err


def test_counts_say_of_whom_nothing_counts(crant: Crant) -> None:
    ran = crant("counts", "synapses.csv", "-n", "101,104,999,105,107", "-t", "2")
    assert f"1 of 5 selected neurons {ONE}: 999" in ran.err
    counted = "3 of 5 selected neurons have none that counts after cleaning and threshold, such as 104, 105, 107"
    assert counted in ran.err
    with pytest.warns(cc.CrantWarning, match="has no synapses in the table: 999"):
        assert cc.get_synapse_counts([101, 999], source="synapses.csv")["pre"].tolist() == [1, 0]


def test_a_row_without_a_partner_is_no_synapse(crant: Crant) -> None:
    """So much is said of 106, and not that the table does not know it."""
    ran = crant("connectivity", "synapses.csv", "-n", "101,106")
    assert f"1 of 2 selected neurons {ONE}: 106" in ran.err


@pytest.mark.parametrize("command", ["synapses", "adjacency"])
def test_a_large_table_is_not_read_again(crant: Crant, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(absent, "SMALL", 5)
    ran = crant(command, "synapses.csv", "--pre", "101,103,999", "--post", "102")
    own = "2 of 3 selected presynaptic neurons have no synapses with the selected postsynaptic ones, such as 103, 999"
    assert own in ran.err
    assert "in the table" not in ran.err
    assert "1 of 2 selected presynaptic neurons has no" in crant(command, "synapses.csv", "--pre", "101,999").err


def test_neurons_of_the_ends_of_a_matrix_are_there(crant: Crant) -> None:
    text_file("wide.csv", "pre/post,1,2\n1,0,3\n4,0,0\n")
    assert "in the table" not in crant("adjacency", "wide.csv", "--pre", "1,4").err
    assert "no outgoing edges in the table: 9" in crant("adjacency", "wide.csv", "--pre", "1,4,9").err
    assert "in the table" not in crant("counts", "wide.csv", "-n", "4").err


def test_within_neuropils_it_is_said_of_these(crant: Crant) -> None:
    assert crant(*NEUROPIL.split(), "--assignments-only").code == 0
    words = ("--assignments", "out/assignments.parquet", "--neuropil", "A", "-n", "101,103")
    for command in ("connectivity", "counts"):
        ran = crant(command, "synapses.csv", *words)
        assert "1 of 2 selected neurons has no synapses in these neuropils: 103" in ran.err


def test_functions_say_it_too() -> None:
    table = pd.read_csv("edges.csv")
    people = pd.read_csv("cells.csv")
    for call in (
        lambda: cc.get_connectivity([101, 999], source=table),
        lambda: cc.get_adjacency([101, 999], source=table),
        lambda: cc.get_synapses([101, 999], source="synapses.csv", return_pixels=False, coordinates="nm"),
        lambda: cc.DirectedNestedMatrix.from_connectivity(table, people, source_neurons=[101, 999]),
    ):
        with pytest.warns(cc.CrantWarning, match="1 of 2 (selected|chosen) .*999"):
            call()


# Annotations of other IDs


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("connectivity TABLE --annotate cell_type", True),
        ("connectivity TABLE --by type", True),
        ("connectivity TABLE -n cell_type=A", True),
        ("counts TABLE -n cell_type=B", True),
        ("adjacency TABLE --pre cell_type=B", True),
        ("nested TABLE", True),
        ("nested TABLE --type-sum t.csv", True),
        ("nested TABLE --source-neurons cell_type=A", True),
        ("connectivity TABLE -n 1", False),
        ("counts TABLE", False),
    ],
)
@pytest.mark.parametrize("kind", ["edges", "synapses", "wide"])
def test_annotations_of_other_ids_are_said(crant: Crant, kind: str, words: str, found: bool) -> None:
    """Where they are used, as labels or to select; and which of their columns has the table's IDs."""
    text_file("edges.other.csv", "pre,post,weight\n1,2,5\n2,3,1\n")
    text_file("synapses.other.csv", "pre,post\n1,2\n2,3\n")
    text_file("wide.other.csv", "pre/post,2,3\n1,0,1\n2,0,0\n")
    ran = crant(*words.replace("TABLE", f"{kind}.other.csv").split(), "-a", "cells.csv")
    assert ran.code == 0, ran.err
    said = "none of the 5 annotated neurons (column root_id) is in the table; column other_id holds 3 of its IDs"
    assert ran.err.count(f"{said}: --neuron-id-column other_id") == found, ran.err
    right = crant(
        *words.replace("TABLE", f"{kind}.other.csv").split(), "-a", "cells.csv", "--neuron-id-column", "other_id"
    )
    assert "annotated neurons" not in right.err


def test_annotations_of_other_ids_are_said_of_neuropils_and_skeletons(crant: Crant) -> None:
    text_file("cells.csv", "root_id,cell_type\n1,A\n999,B\n")
    for words in (NEUROPIL, "attach synapses.csv --skeletons skeletons --coordinates nm -a cells.csv -n cell_type=B"):
        assert "none of the 2 annotated neurons (column root_id) is in the table; do table" in crant(*words.split()).err


def test_annotations_that_share_an_id_are_not_said(crant: Crant) -> None:
    text_file("cells.csv", "root_id,cell_type,other_id\n999,A,101\n998,A,102\n997,A,103\n107,B,5\n")
    assert "annotated neurons" not in crant("nested", "edges.csv", "-a", "cells.csv").err
    text_file("cells.csv", "root_id,cell_type\n0,A\n")
    text_file("zero.csv", "pre,post,weight\n0,5,3\n")
    assert "annotated neurons" not in crant("nested", "zero.csv", "-a", "cells.csv").err
    text_file("cells.csv", "root_id,cell_type\nname,A\n")
    assert (
        "none of the 1 annotated neurons (column root_id) is in" in crant("nested", "edges.csv", "-a", "cells.csv").err
    )
    complaint(crant("counts", "edges.csv", "-a", "cells.csv", "-n", "cell_type=A"), 3, "name")


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
def test_functions_say_that_annotations_are_of_other_ids() -> None:
    table, people = pd.read_csv("edges.csv"), pd.DataFrame({"root_id": [1, 2], "cell_type": ["A", "B"]})
    for call in (
        lambda: cc.get_connectivity(source=table, annotations=people, by="type"),
        lambda: cc.get_synapse_counts(cc.NeuronCriteria(cell_type="A"), source=table, annotations=people),
        lambda: cc.NestedMatrix.from_connectivity(table, people),
    ):
        with pytest.warns(cc.CrantWarning, match="none of the 2 annotated neurons"):
            call()


def test_neurons_are_named_as_they_were_asked_for() -> None:
    """Where IDs were brought to another time, two of them may be one neuron now."""
    with Engine() as engine:
        table = Opener(engine).table(pd.read_csv("edges.csv"), ReadOptions())
        asked = Selection((101, 7, 8), requested=((101, 101), (5, 7), (6, 7), (8, 8)))
        missing = absent.absent(engine, table, asked, table.relation, ("pre", "post"), RowFilter())
        said = absent.absent_note(table, missing, asked, ("pre", "post"))
    assert said == "3 of 4 selected neurons have no edges in the table: 5, 6, 8"
