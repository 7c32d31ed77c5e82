"""`--by` with columns of the table that tell of one side of a synapse, such as pre_compartment and post_compartment."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pytest
from conftest import SAMPLE, Crant
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
from weighed import entries, rounded

import crantcli as cc

pytestmark = pytest.mark.slow

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
TABLES = synapse_tables(neuropils=False) | edge_tables(neuropils=True, tidy=True)
SEEDS = st.integers(0, 2**16)


def text(value: Any) -> str | None:
    """A value as a label; none where it is blank."""
    return None if value is None or not str(value).strip() else str(value)


def split_edges(table: Drawn, chosen: Chosen, rule: Rules, raw: bool = False) -> dict[tuple[Any, ...], Any]:
    """Weights of pairs of neurons and parts: `pre, post, (pre_part, post_part)`; `raw`: parts may be blank, or none."""
    show = (lambda value: "none" if value is None else str(value)) if raw else (lambda value: text(value) or "")
    parts = [[show(row[f"{end}_part"]) for end in ("pre", "post")] for row in table.rows]
    rows = [{**row, "neuropil": "|".join(both)} for row, both in zip(table.rows, parts, strict=True)]
    make = oracle.table_edges if table.has("weight") else oracle.synapse_edges
    found = make(rows, chosen, rule, by_neuropil=True)[0]
    split = {key: tuple(None if raw and part == "none" else part for part in key[2].split("|")) for key in found}
    return {(*key[:2], split[key]): weight for key, weight in found.items()}


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
    assert rounded(entries(found)) == rounded({pair: weight for pair, weight in expected.items() if weight})
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
    assert rounded(entries(found)) == rounded(again)


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


# ------------------------------------------------------------------------------------------ compare


def share(part: float, whole: float | None) -> float | None:
    return part / whole if whole else None


def sides_by_hand(
    kept: list[dict[Any, Any]], whole: list[dict[Any, Any]], labels: list[dict[Any, Any]] | None
) -> dict[tuple[Any, ...], list[Any]]:
    """Groups by label, where there are labels, and by parts: weights, edges, and what could be."""
    found: dict[Any, dict[str, Any]] = defaultdict(
        lambda: {f"{n}_{side}": 0 for n in ("weight", "edges") for side in "ab"}
    )
    for side, edges, known in zip("ab", kept, labels or [None, None], strict=True):
        connected = defaultdict(set)
        for (pre, post, parts), weight in edges.items():
            if known is None or (pre in known and post in known):
                key = (*(() if known is None else (known[pre], known[post])), *parts)
                found[key][f"weight_{side}"] += weight
                connected[key] |= {(pre, post)} - {(pre, pre)}
        for key, pairs in connected.items():
            found[key][f"edges_{side}"] = len(pairs)
    if labels is None:
        return {key: [row[n] for n in ("weight_a", "weight_b", "edges_a", "edges_b")] for key, row in found.items()}
    told = {}
    for key, row in found.items():
        numbers: dict[str, Any] = dict(row)
        for side, edges, known in zip("ab", whole, labels, strict=True):
            sizes = [sum(label == one for label in known.values()) for one in key[:2]]
            numbers[f"possible_{side}"] = sizes[0] * sizes[1] - (sizes[0] if key[0] == key[1] else 0)
            numbers[f"probability_{side}"] = share(row[f"edges_{side}"], numbers[f"possible_{side}"])
            received = sum(weight for (_, post, _), weight in edges.items() if known.get(post) == key[1])
            numbers[f"fraction_{side}"] = share(row[f"weight_{side}"], received)
        fractions = numbers["fraction_a"], numbers["fraction_b"]
        numbers["ratio"] = share(fractions[1], fractions[0]) if None not in fractions else None
        told[key] = [numbers[name] for name in GROUPED]
    return told


GROUPED = ["weight_a", "weight_b", "edges_a", "possible_a", "edges_b", "possible_b", "probability_a", "probability_b",
           "fraction_a", "fraction_b", "ratio"]  # fmt: skip


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), seed=SEEDS, labelled=st.booleans(), kind=st.sampled_from([synapse_tables, edge_tables]))
def test_parts_of_two_brains_are_compared_as_by_hand(data: st.DataObject, seed: int, labelled: bool, kind: Any) -> None:
    more = {} if kind is synapse_tables else {"tidy": True}
    neuropils = kind is edge_tables
    drawn = [data.draw(kind(neuropils=neuropils, **more)) for _ in "ab"]
    tables = [with_parts(table, seed + place) for place, table in enumerate(drawn)]
    rule = data.draw(rules(tables[0]))
    if not all(table.has("size") for table in tables):
        rule = Rules(rule.clean, None, rule.threshold)
    cells = [data.draw(annotation_tables(table.neurons)) for table in tables]
    for rows in cells:
        rows[-1] |= {"cell_type": "other"}
    labels = [{n: row["cell_type"].strip() for n, row in oracle.annotated(rows).items() if text(row["cell_type"])}
              for rows in cells]  # fmt: skip
    kept, whole = (
        [split_edges(table, Chosen(), Rules(rule.clean, rule.min_size, limit), raw=True) for table in tables]
        for limit in (rule.threshold, 1)
    )
    by = ("cell_type", "pre_part", "post_part") if labelled else ("post_part", "pre_part")
    found = cc.ask(
        cc.questions.Compare(by=by), source=tables[0].frame, other=tables[1].frame,
        kind="edges" if kind is edge_tables else "synapses", clean=rule.clean, min_size=rule.min_size,
        threshold=rule.given, **({"annotations": frame(cells[0], ANNOTATION_COLUMNS),
        "other_annotations": frame(cells[1], ANNOTATION_COLUMNS)} if labelled else {}), **AS_DRAWN,
    )  # fmt: skip
    expected = sides_by_hand(kept, whole, labels if labelled else None)
    at = 4 if labelled else 2
    told = {}
    for row in tuples(found):
        parts = [None if value is None else str(value) for value in row[at - 2 : at]]
        told[(*row[: at - 2], tuple(parts if labelled else parts[::-1]))] = list(row[at:])
    again = {(*key[:-2], tuple(key[-2:])): row for key, row in expected.items()}
    assert {key: rounded(dict(enumerate(row))) for key, row in told.items()} == {
        key: rounded(dict(enumerate(row))) for key, row in again.items()
    }
    assert len(found) == len(expected)
    sizes = [abs(b - a) for a, b in zip(found["weight_a"], found["weight_b"], strict=True)]
    assert sizes == sorted(sizes, reverse=True)


def test_compartments_of_two_tables(tables: Path, crant: Crant) -> None:
    content = (tables / "s.csv").read_text().replace("5,3,2,,dendrite,FB\n", "5,3,2,axon,axon,FB\n8,3,2,axon,axon,EB\n")
    (tables / "b.csv").write_text(content)
    by = ("--by", "pre_compartment,post_compartment")
    done = crant("compare", "s.csv", "b.csv", *by, "-o", "-", "--summary", "f.json", "--plot", "f.png")
    assert done.code == 0, done.err
    assert done.rows() == [
        ["pre_compartment", "post_compartment", "weight_a", "weight_b", "edges_a", "edges_b"],
        ["axon", "axon", "1", "3", "1", "2"],
        ["", "dendrite", "1", "0", "1", "0"],
        ["axon", "dendrite", "3", "3", "3", "3"],
        ["dendrite", "dendrite", "1", "1", "1", "1"],
    ]
    figures = json.loads((tables / "f.json").read_text())
    assert (figures["edges_a"], figures["edges_b"], figures["groups_only_a"]) == (5, 5, 1)
    assert not any(name.startswith(("density", "possible")) for name in figures)
    labels = ("-a", "t.csv", "--by", "cell_type,post_compartment", "--test", "score", "--complete", "-t", "1,2")
    done = crant("compare", "s.csv", "b.csv", *labels, "-o", "g.csv", "--sweep", "w.csv")
    assert done.code == 0, done.err
    found = pd.read_csv(tables / "g.csv").set_index(["pre_cell_type", "post_cell_type", "post_compartment"])
    assert len(found) == 3 * 3 * 2
    # Neurons 1 and 2 have an edge with both compartments, and with two synapses an edge at threshold 2.
    assert found.loc[("A", "A", "axon"), ["edges_a", "possible_a"]].tolist() == [1, 2]
    assert found.loc[("B", "A", "axon"), ["edges_a", "edges_b"]].tolist() == [0, 1]
    sweep = pd.read_csv(tables / "w.csv")
    assert sweep["edges_a"].tolist() == [4, 1]
    assert sweep["groups_both"].tolist()[1] == 2


def test_compartments_of_two_sides(tables: Path, crant: Crant) -> None:
    """Who is named is known, so that it is known what could be."""
    sides = ("-a", "t.csv", "--a", "1,2", "--b", "3,9", "--by", "post_compartment", "-o", "-")
    done = crant("compare", "s.csv", *sides)
    assert done.code == 0, done.err
    assert [row[:6] for row in done.rows()] == [
        ["post_compartment", "weight_a", "weight_b", "edges_a", "possible_a", "edges_b"],
        ["dendrite", "2", "0", "2", "2", "0"],
        ["axon", "1", "0", "1", "2", "0"],
    ]


def test_text_in_one_table_and_numbers_in_the_other(tables: Path, crant: Crant) -> None:
    pd.DataFrame({"pre": [1, 2], "post": [2, 3], "pre_part": [7, 8]}).to_parquet(tables / "n.parquet")
    (tables / "m.csv").write_text("pre,post,pre_part\n1,2,7\n2,3,x\n")
    done = crant("compare", "n.parquet", "m.csv", "--kind", "synapses", "--by", "pre_part", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows()[1:] == [["8", "1", "0", "1", "0"], ["x", "0", "1", "0", "1"], ["7", "1", "1", "1", "1"]]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("--by neuropil,pre_part", 3, "B has no column neuropil, and A has; both need it"),
        ("--by pre_part --test score", 2, "--test score is about neurons that could be connected, and pre_part is of"),
        ("--by pre_part --complete", 2, "add a column of the annotations"),
        ("--by pre_part,pre-part", 2, "a column is named twice"),
        ("--by colour", 2, "the table has no column colour, and there are no annotations"),
        ("--by colour -a t.csv", 3, "no column colour in the annotations"),
    ],
)
def test_what_does_not_go_with_parts_is_said(tables: Path, crant: Crant, arguments: str, code: int, told: str) -> None:
    (tables / "p.csv").write_text("pre,post,pre_part,neuropil\n1,2,x,EB\n")
    (tables / "q.csv").write_text("pre,post,pre_part\n1,2,x\n")
    done = crant("compare", "p.csv", "q.csv", "--kind", "synapses", "-o", "out.csv", *arguments.split())
    assert (done.code, told in done.err) == (code, True), done.err
    assert not (tables / "out.csv").exists()
    chance = crant("compare", "p.csv", "--kind", "synapses", "--by", "pre_part", "--against", "erdos-renyi")
    assert (chance.code, "--where 'pre_part = VALUE'" in chance.err) == (2, True), chance.err


# ------------------------------------------------------------------------------------------ others


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("pre_compartment,post_compartment", "'pre_compartment = VALUE' keeps one kind of them, and crantcli adj"),
        ("cell_type,neuropil", "--where 'neuropil = VALUE' keeps one kind of them, and crantcli connectivity --by"),
    ],
)  # fmt: skip
def test_blocks_of_neurons_cannot_be_by_synapses(tables: Path, crant: Crant, by: str, told: str) -> None:
    for labels in (("-a", "t.csv"), ()):
        done = crant("nested", "s.csv", *labels, "--by", by, "-o", "n.npz")
        assert (done.code, told in done.err) == (2, True), done.err
    assert not (tables / "n.npz").exists()
    axons = ("--where", "pre_compartment = axon", "-a", "t.csv", "--weight-mode", "count", "--type-sum", "n.csv")
    assert crant("nested", "s.csv", *axons).code == 0
    assert (tables / "n.csv").read_text() == "pre/post,A\nA,3\n"


def test_partners_are_counted_by_compartment(tables: Path, crant: Crant) -> None:
    """Of outgoing synapses it is the partner's, of incoming ones the neuron's own."""
    done = crant("counts", "s.csv", "-n", "1,2", "--by", "post_compartment", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows() == [
        ["neuron_id", "post_compartment", "pre", "post", "pre_synapses", "post_synapses"],
        ["1", "axon", "1", "0", "1", "0"],
        ["1", "dendrite", "2", "2", "2", "2"],
        ["2", "axon", "0", "1", "0", "1"],
        ["2", "dendrite", "1", "2", "1", "2"],
    ]


def test_what_attach_splits(crant: Crant, tmp_path: Path) -> None:
    """The table of the example, through each command that takes groups."""
    split = ("-d", SAMPLE / "sample.toml", "-n", "576460752650373913", "--split")
    done = crant("attach", *split, "-o", "c.parquet", "--synapses", "split.parquet")
    assert done.code == 0, done.err
    table = pd.read_parquet(tmp_path / "split.parquet")
    ends = ["pre_compartment", "post_compartment"]
    counted = {key: len(rows) for key, rows in table.groupby(ends)}
    by = ",".join(ends)
    assert crant("adjacency", "split.parquet", "--by", by, "-o", "a.csv").code == 0
    assert rounded(entries(pd.read_csv(tmp_path / "a.csv", index_col=0))) == counted
    rows = crant("connectivity", "split.parquet", "--by", by, "-o", "-").rows()[1:]
    assert {(row[0], row[1]): int(row[2]) for row in rows} == counted
    compared = crant("compare", "split.parquet", "split.parquet", "--by", by, "-o", "-").rows()[1:]
    assert {(row[0], row[1]): (int(row[2]), int(row[3])) for row in compared} == {k: (n, n) for k, n in counted.items()}


def test_a_picture_says_that_its_axes_are_groups(tables: Path, crant: Crant) -> None:
    by = ("--by", "pre_compartment,post_compartment")
    assert crant("adjacency", "s.csv", *by, "-o", "a.csv", "--plot", "a.svg").code == 0
    drawn = (tables / "a.svg").read_text()
    assert ("presynaptic groups (n = 2)" in drawn, "neurons" in drawn) == (True, False)
