"""`--by` with columns of the table that tell of one side of a synapse, such as pre_compartment and post_compartment."""

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
from oracle import Chosen, Rules
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
    with_parts,
)

import crantcli as cc

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
TABLES = synapse_tables(neuropils=False) | edge_tables(neuropils=True, tidy=True)
SEEDS = st.integers(0, 2**16)


def text(value: Any) -> str | None:
    """A value as a label; none where it is blank."""
    return None if value is None or not str(value).strip() else str(value)


def split_edges(table: Drawn, chosen: Chosen, rule: Rules) -> dict[tuple[Any, ...], Any]:
    """Weights of pairs of neurons and parts: `pre, post, (pre_part, post_part)`."""
    parts = [[text(row[f"{end}_part"]) or "" for end in ("pre", "post")] for row in table.rows]
    rows = [{**row, "neuropil": "|".join(both)} for row, both in zip(table.rows, parts, strict=True)]
    make = oracle.table_edges if table.has("weight") else oracle.synapse_edges
    found = make(rows, chosen, rule, by_neuropil=True)[0]
    return {(pre, post, tuple(both.split("|"))): weight for (pre, post, both), weight in found.items()}


def entries(found: pd.DataFrame) -> dict[tuple[str, str], Any]:
    cells = {(a, b): value for a, *row in tuples(found.reset_index()) for b, value in zip(found, row, strict=True)}
    return rounded({pair: value for pair, value in cells.items() if value})


def rounded(cells: dict[Any, Any]) -> dict[Any, Any]:
    """Sums of fractions depend on their order in the last digits."""
    return {key: round(value, 9) if isinstance(value, float) else value for key, value in cells.items()}


# ------------------------------------------------------------------------------------------ adjacency


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(), drawn=TABLES, seed=SEEDS,
    labels=st.sampled_from([(), ("side",), ("cell_type", "side"), ("pre:side", "post:cell_type")]),
    own=st.sampled_from([("pre_part", "post_part"), ("post_part", "pre_part"), ("post_part",)]),
)  # fmt: skip
def test_a_matrix_by_parts_is_the_table_of_connectivity(
    data: st.DataObject, drawn: Drawn, seed: int, labels: tuple[str, ...], own: tuple[str, ...]
) -> None:
    """Cell by cell, and as the rows say one by one; who has no label or part is on no axis."""
    if not labels:
        own = ("pre_part", "post_part")
    table = with_parts(drawn, seed)
    if table.has("weight") and "pre_part" not in own:
        own = ("post_part", "pre_part")  # what tells the rows of a pair apart
    rule, chosen = data.draw(rules(table)), Chosen(data.draw(maybe_asked(table)), None)
    cells = data.draw(annotation_tables(table.neurons))
    known = oracle.annotated(cells)

    def label(neuron: Any, part: str | None, end: str) -> str | None:
        columns = [name.rpartition(":")[2] for name in labels if name.partition(":")[0] in (end, name)]
        words: list[str | None] = [text(known.get(neuron, {}).get(name)) for name in columns]
        words = [word and word.strip() for word in words] + ([part] if f"{end}_part" in own else [])
        if rule.clean and str(neuron) == "0":
            return None
        return ":".join(map(str, words)) if all(words) else None

    expected: dict[Any, Any] = defaultdict(int)
    for (pre, post, parts), weight in split_edges(table, chosen, rule).items():
        if all(part for name, part in zip(("pre_part", "post_part"), parts, strict=True) if name in own):
            pair = label(pre, parts[0], "pre"), label(post, parts[1], "post")
            if None not in pair:
                expected[pair] += weight
    asked: dict[str, Any] = {
        "threshold": rule.threshold, "min_size": rule.min_size, "clean": rule.clean, "source": table.frame,
        "by": (*labels, *own), "kind": "edges" if table.has("weight") else "synapses",
        "annotations": frame(cells, ANNOTATION_COLUMNS), **AS_DRAWN,
    }  # fmt: skip
    found = cc.get_adjacency(chosen.pre, **asked)
    assert entries(found) == rounded({pair: weight for pair, weight in expected.items() if weight})
    told = cc.get_connectivity(chosen.pre, upstream=chosen.pre is None, **asked)
    again: dict[Any, Any] = {}
    for values in tuples(told):
        row = dict(zip(told.columns, values, strict=True))
        ends = []
        for end in ("pre", "post"):
            names = [name for name in told.columns if name.startswith(f"{end}_") and name != f"{end}_neurons"]
            names.sort(key=lambda name: name.endswith("_part"))
            ends.append([text(row[name]) for name in names])
        if all(map(all, ends)) and row["weight"]:
            again[":".join(map(str, ends[0])), ":".join(map(str, ends[1]))] = row["weight"]
    assert entries(found) == rounded(again)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "s.csv").write_text(
        "id,pre,post,pre_compartment,post_compartment,neuropil\n1,1,2,axon,dendrite,EB\n2,1,2,axon,axon,EB\n"
        "3,1,3,dendrite,dendrite,EB\n4,2,1,axon,dendrite,FB\n5,3,2,,dendrite,FB\n6,9,1,axon,dendrite,FB\n"
    )
    (tmp_path / "t.csv").write_text("root_id,cell_type,side\n1,A,left\n2,A,right\n3,B,left\n4,C,right\n9,,left\n")
    return tmp_path


def test_compartments_are_on_the_axes(tables: Path, crant: Crant) -> None:
    done = crant("adjacency", "s.csv", "--by", "pre_compartment,post_compartment", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows() == [["pre/post", "axon", "dendrite"], ["axon", "1", "3"], ["dendrite", "0", "1"]]
    assert "1 synapses without a value of pre_compartment or post_compartment are left out" in done.err
    assert "6 synapses read, 1 unannotated, 5 kept; 3 entries in 2 x 2 groups" in done.err


def test_compartments_stand_beside_labels(tables: Path, crant: Crant) -> None:
    words = ("adjacency", "s.csv", "-a", "t.csv", "--by", "cell_type,pre_compartment,post_compartment", "-o", "-")
    done = crant(*words)
    assert done.rows() == [
        ["pre/post", "A:axon", "A:dendrite", "B:dendrite"], ["A:axon", "1", "2", "0"], ["A:dendrite", "0", "0", "1"],
    ]  # fmt: skip
    assert "6 synapses read, 2 unannotated, 4 kept" in done.err
    assert crant(*words, "--symmetric").rows()[3] == ["B:dendrite", "0", "0", "0"]
    kept = crant(*words, "--keep-unconnected").rows()
    assert kept[0][1:] == [f"{kind}:{part}" for kind in "ABC" for part in ("axon", "dendrite")]
    chosen = crant(*words, "--keep-unconnected", "--pre", "1,4", "--post", "2")
    assert [row[0] for row in chosen.rows()[1:]] == ["A:axon", "C:axon"]
    one = crant("adjacency", "s.csv", "-a", "t.csv", "--by", "cell_type,post_compartment", "-o", "-")
    assert one.rows()[1:] == [["A", "1", "2", "1"], ["B", "0", "1", "0"]]


@pytest.mark.parametrize(
    ("by", "code", "told"),
    [
        ("pre_compartment", 2, "no column for the post side; a matrix has both, so name a post_COL"),
        ("neuropil", 2, "neuropil is of the table's rows"),
        ("cell_type,neuropil,pre_compartment", 2, "neuropil is of the table's rows"),
        ("pre_compartent,post_compartment", 3, "near names: pre_compartment"),
        ("cell_type,post_compartment --symmetric", 2, "--symmetric wants the same"),
        ("pre_compartment,post_compartment --keep-unconnected", 2, "add a column of the annotations"),
    ],
)
def test_what_no_axis_can_show_is_refused(tables: Path, crant: Crant, by: str, code: int, told: str) -> None:
    done = crant("adjacency", "s.csv", "-a", "t.csv", "-o", "out.npz", "--by", *by.split())
    assert (done.code, told in done.err) == (code, True), done.err
    assert not (tables / "out.npz").exists()


def test_a_label_and_a_value_that_read_as_two_others_are_refused(tables: Path, crant: Crant) -> None:
    rows = "pre,post,pre_part,post_part\n1,2,b:c,x\n2,1,c,x\n"
    (tables / "twins.csv").write_text(rows)
    (tables / "types.csv").write_text("root_id,cell_type\n1,a\n2,a:b\n")
    by = ("-a", "types.csv", "--by", "cell_type,pre_part,post_part", "-o", "out.npz")
    done = crant("adjacency", "twins.csv", "--kind", "synapses", *by)
    assert (done.code, "are both a:b:c" in done.err) == (3, True), done.err


@pytest.mark.parametrize("command", ["connectivity", "counts"])
@pytest.mark.parametrize("name", ["a", "B", "n", "weight", "edges", "p"])
def test_a_column_that_is_called_as_a_figure_is_not_taken_for_it(
    tmp_path: Path, crant: Crant, command: str, name: str
) -> None:
    """Numbers in it would be added up, or group numbers be taken for its values."""
    (tmp_path / "named.csv").write_text(f"pre,post,size,{name}\n1,2,3,5\n1,2,3,6\n2,3,3,7\n")
    (tmp_path / "types.csv").write_text("root_id,cell_type\n1,A\n2,A\n3,B\n")
    done = crant(command, "named.csv", "--kind", "synapses", "-a", "types.csv", "--by", f"cell_type,{name}")
    assert done.code == 3, done.err
    assert f"column {name} has the name of a figure that is made here; rename it" in done.err or "have it" in done.err
