"""`crantcli connectivity`: edges, partners, fractions, types, neuropils; and what a file is complete for."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pytest
from conftest import SAMPLE, Crant, Outcome
from hypothesis import given
from hypothesis import strategies as st
from oracle import EVERYTHING, Chosen, Rules
from strategies import (
    ABSENT,
    ANNOTATION_COLUMNS,
    AS_DRAWN,
    SETTINGS,
    Drawn,
    annotation_tables,
    as_csv,
    as_json,
    asked,
    edge_tables,
    frame,
    maybe_asked,
    rules,
    seeded_frame,
    seeded_synapses,
    synapse_tables,
    tuples,
)

import crantcli as cc
from crantcli.core.questions.connectivity import Connectivity, connectivity
from crantcli.core.rows.filters import RowFilter
from crantcli.engine.duckdb import Engine
from crantcli.ids import Selection
from crantcli.run.inputs import Opener
from crantcli.sources.tables.read_options import ReadOptions

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
SIDES = st.sampled_from([(True, True), (True, False), (False, True)])


def ask(table: Drawn, neurons: Any, rule: Rules, sides: tuple[bool, bool] = (True, True), **more: Any) -> pd.DataFrame:
    """The Python function, with the oracle's rules."""
    return cc.get_connectivity(
        neurons, *sides, rule.threshold, rule.min_size, clean=rule.clean, source=table.frame, **AS_DRAWN, **more
    )


def ledger_of(
    table: Drawn, neurons: Any, question: Connectivity, rule: Rules, annotations: Any = None
) -> dict[str, Any]:
    """The ledger that the commands print and record."""
    with Engine() as engine:
        space = Opener(engine)
        space.null_text = AS_DRAWN["null_text"]
        labels = None if annotations is None else space.annotations(annotations)
        opened = space.table(table.frame, ReadOptions(**AS_DRAWN))
        # A threshold of 1 is none, as in the functions: it keeps each pair that has a weight, be it a fraction.
        threshold = rule.threshold if rule.threshold > 1 else None
        filters = RowFilter(rule.clean, (0,), rule.min_size, threshold)
        result = connectivity(engine, opened, question, selection(neurons), filters, labels)
        assert len(engine.execute(result.query)) == result.rows
        return result.ledger.as_dict()


def selection(neurons: Any) -> Selection | None:
    return None if neurons is None else Selection(tuple(neurons))


# ------------------------------------------------------------------------------------------ rules against the oracle


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables(), sides=SIDES)
def test_edges_follow_the_rules(data: st.DataObject, table: Drawn, sides: tuple[bool, bool]) -> None:
    """Upstream and downstream, cleaning, size, threshold on the pair, weight descending, then pre, then post."""
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    weights, _ = oracle.synapse_edges(table.rows, oracle.partners_of(neurons, *sides), rule)
    found = ask(table, neurons, rule, sides)
    assert list(found.columns) == ["pre", "post", "weight"]
    assert tuples(found) == oracle.ordered(weights)
    assert found["weight"].dtype == "int64"


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=edge_tables(), sides=SIDES, summed=st.booleans())
def test_edge_tables_follow_the_rules(
    data: st.DataObject, table: Drawn, sides: tuple[bool, bool], summed: bool
) -> None:
    """Repeated pairs add up over neuropils; within one they are an error, unless that was asked for."""
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    chosen = oracle.partners_of(neurons, *sides)
    question = Connectivity(None, *sides, sum_duplicates=summed)
    try:
        weights, ledger = oracle.table_edges(table.rows, chosen, rule, sum_duplicates=summed)
    except oracle.ConflictError:
        with pytest.raises(cc.DataError, match=r"the pair .* stands in"):
            ask(table, neurons, rule, sides)
        return
    assert oracle.adds_up(ledger)
    assert tuples(ask(table, neurons, rule, sides, sum_duplicates=summed)) == oracle.ordered(weights)
    assert ledger_of(table, neurons, question, rule) == as_json(ledger, "edges")


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables(neuropils=True) | edge_tables(neuropils=True, tidy=True))
def test_by_neuropil_thresholds_the_whole_pair(data: st.DataObject, table: Drawn) -> None:
    """One row per pair and neuropil; a pair is kept or dropped by what it has in all of them."""
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    edges = oracle.table_edges if table.has("weight") else oracle.synapse_edges
    weights, ledger = edges(table.rows, Chosen(either=neurons), rule, by_neuropil=True)
    found = ask(table, neurons, rule, by="neuropil")
    assert list(found.columns) == ["pre", "post", "neuropil", "weight"]
    assert tuples(found) == oracle.ordered(weights)
    assert oracle.adds_up(ledger)
    unit = "edges" if table.has("weight") else "synapses"
    assert ledger_of(table, neurons, Connectivity(by="neuropil"), rule) == as_json(ledger, unit)


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables(neuropils=True), sides=SIDES, top=st.integers(1, 3), split=st.booleans())
def test_top_keeps_the_strongest_partners(
    data: st.DataObject, table: Drawn, sides: tuple[bool, bool], top: int, split: bool
) -> None:
    """Per neuron that was asked for, and per direction; ties to the lower ID; a pair's neuropils stay together."""
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    weights, _ = oracle.synapse_edges(table.rows, oracle.partners_of(neurons, *sides), rule, by_neuropil=split)
    expected = oracle.ordered(oracle.strongest(weights, top, neurons, *sides))
    assert tuples(ask(table, neurons, rule, sides, top=top, by="neuropil" if split else None)) == expected


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(),
    table=synapse_tables(neuropils=True) | edge_tables(neuropils=True),
    sides=SIDES,
    side=st.sampled_from(["input", "output"]),
    split=st.booleans(),
    top=st.none() | st.integers(1, 2),
)
def test_trap_9_fractions_are_of_everything(
    data: st.DataObject, table: Drawn, sides: tuple[bool, bool], side: str, split: bool, top: int | None
) -> None:
    """Trap 9: fractions of what was selected, or of what passed the threshold, read as fractions of all input.

    The whole is taken over all synapses of the table, after cleaning and size, before the threshold and `--top`.
    """
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    edges = partial(oracle.table_edges, sum_duplicates=True) if table.has("weight") else oracle.synapse_edges
    weights, _ = edges(table.rows, oracle.partners_of(neurons, *sides), rule, by_neuropil=split)
    everything, _ = edges(table.rows, EVERYTHING, Rules(rule.clean, rule.min_size))
    parts = oracle.fractions(weights, side, oracle.totals(everything, side))
    kept = weights if top is None else oracle.strongest(weights, top, neurons, *sides)
    by = "neuropil" if split else None
    found = ask(table, neurons, rule, sides, normalize=side, by=by, top=top, sum_duplicates=True)
    assert found.columns[-1] == "fraction"
    assert tuples(found) == [(*row, parts[row[:-1]]) for row in oracle.ordered(kept)]


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(),
    table=synapse_tables() | edge_tables(tidy=True),
    side=st.sampled_from([None, "input", "output"]),
    top=st.none() | st.just(1),
)
def test_by_type_follows_the_rules(data: st.DataObject, table: Drawn, side: str | None, top: int | None) -> None:
    """Neurons without a type are dropped and counted; numbers of distinct neurons on both sides.

    Traps 10 and 11: "NA" is a type, and so are two that differ only in case.
    """
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    annotations = data.draw(annotation_tables(table.neurons))
    labels = oracle.types(annotations)
    unit, edges_of = ("edges", oracle.table_edges) if table.has("weight") else ("synapses", oracle.synapse_edges)
    edges, ledger = edges_of(table.rows, Chosen(either=neurons), rule)
    weights, numbers, dropped = oracle.by_type(edges, labels)
    wanted = None if neurons is None else [labels[neuron] for neuron in neurons if neuron in labels]
    kept = weights if top is None else oracle.strongest(weights, top, wanted)
    expected = [(*row, *numbers[row[:2]]) for row in oracle.ordered(kept)]
    columns = ["pre", "post", "weight", "pre_neurons", "post_neurons"]
    if side:
        everything, _ = edges_of(table.rows, EVERYTHING, Rules(rule.clean, rule.min_size))
        whole: dict[str, int] = {}
        for neuron, total in oracle.totals(everything, side).items():
            if neuron in labels:
                whole[labels[neuron]] = whole.get(labels[neuron], 0) + total
        parts = oracle.fractions(weights, side, whole)
        expected = [(*row, parts[row[:2]]) for row in expected]
        columns.append("fraction")
    table_of_types = frame(annotations, ANNOTATION_COLUMNS)
    found = ask(table, neurons, rule, annotations=table_of_types, by="type", normalize=side, top=top)
    assert list(found.columns) == columns
    assert tuples(found) == expected
    if side is None:
        ledger["unannotated"] = sum(dropped.values()) if unit == "synapses" else len(dropped)
        ledger["kept"] -= ledger["unannotated"]
        question = Connectivity(by="type")
        assert ledger_of(table, neurons, question, rule, table_of_types) == as_json(ledger, unit)


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables())
def test_annotate_adds_columns_for_both_sides(data: st.DataObject, table: Drawn) -> None:
    """A neuron annotated twice has its first row with a type; one that is not annotated has nulls."""
    neurons = data.draw(maybe_asked(table))
    annotations = data.draw(annotation_tables(table.neurons))
    rows = oracle.annotated(annotations)
    weights, _ = oracle.synapse_edges(table.rows, Chosen(either=neurons))
    found = ask(
        table,
        neurons,
        Rules(),
        annotations=frame(annotations, ANNOTATION_COLUMNS),
        annotate=["side", "cell_type", "side"],
    )
    assert list(found.columns) == ["pre", "post", "weight", "pre_side", "pre_cell_type", "post_side", "post_cell_type"]
    expected = [
        (*row, *(rows.get(neuron, {}).get(column) for neuron in row[:2] for column in ("side", "cell_type")))
        for row in oracle.ordered(weights)
    ]
    assert tuples(found) == expected


# ------------------------------------------------------------------------------------------ single rules


def test_neither_upstream_nor_downstream_is_an_error(crant: Crant, tmp_path: Path) -> None:
    table = frame([{"pre": 1, "post": 2}], ("pre", "post"))
    with pytest.raises(ValueError, match="upstream"):
        cc.get_connectivity(1, upstream=False, downstream=False, source=table)
    table.to_parquet(tmp_path / "in.parquet")
    assert crant("connectivity", "in.parquet", "-n", 1, "--no-upstream", "--no-downstream").code == 2


def test_an_empty_selection_is_no_selection_of_everything() -> None:
    table = frame([{"pre": 1, "post": 2}], ("pre", "post"))
    for answer in (cc.get_connectivity, cc.get_synapse_counts, cc.get_adjacency, cc.get_synapses):
        assert len(answer([], source=table)) == 0


def test_trap_4_a_neuron_without_edges_is_no_error(crant: Crant, tmp_path: Path) -> None:
    """Trap 4: a silent neuron gives an empty table with the right columns, alone and beside others."""
    frame([{"pre": 1, "post": 2}], ("pre", "post")).to_parquet(tmp_path / "in.parquet")
    ran = crant("connectivity", "in.parquet", "-n", ABSENT[int])
    assert (ran.code, ran.rows()) == (0, [["pre", "post", "weight"]])
    assert crant("connectivity", "in.parquet", "-n", ABSENT[int], "-n", 2).rows()[1:] == [["1", "2", "1"]]
    assert crant("connectivity", "in.parquet", "-n", ABSENT[int], "--fail-empty").code == 4


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "parquet"])
def test_trap_10_a_type_called_na_is_a_type(crant: Crant, tmp_path: Path, suffix: str) -> None:
    """Trap 10: a cell type called "NA" or "nan" read as missing."""
    frame([{"pre": 1, "post": 2}, {"pre": 2, "post": 3}, {"pre": 3, "post": 4}], ("pre", "post")).to_csv(
        tmp_path / "in.csv", index=False
    )
    labels = frame(
        [{"root_id": 1, "cell_type": "NA"}, {"root_id": 2, "cell_type": "nan"}, {"root_id": 3, "cell_type": None}],
        ("root_id", "cell_type"),
    )
    if suffix == "parquet":
        labels.to_parquet(tmp_path / "types.parquet")
    else:
        labels.to_csv(tmp_path / f"types.{suffix}", index=False, sep="\t" if suffix == "tsv" else ",")
    ran = crant("connectivity", "in.csv", "-a", f"types.{suffix}", "--by", "type")
    assert ran.rows()[1:] == [["NA", "nan", "1", "1", "1"]]
    assert "2 unannotated" in ran.err
    assert "without a type" in ran.err
    ran = crant("connectivity", "in.csv", "-a", f"types.{suffix}", "--annotate", "cell_type", "-n", "cell_type=NA,nan")
    assert ran.rows()[1:] == [["1", "2", "1", "NA", "nan"], ["2", "3", "1", "nan", ""]]


@pytest.mark.parametrize(
    ("columns", "name"),
    [(("pre_root_id", "post_root_id", "syn_count"), "neuropil"), (("bodyId_pre", "bodyId_post", "weight"), "roi")],
)
def test_trap_14_one_row_per_pair_and_neuropil(
    crant: Crant, tmp_path: Path, columns: tuple[str, str, str], name: str
) -> None:
    """Trap 14: one table row per pair *per neuropil*, as Codex and neuPrint have it, read as one row per pair."""
    rows = [(1, 2, "EB", 3), (1, 2, "FB", 4), (2, 1, "EB", 5), (1, 3, None, 1)]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([(columns[0], columns[1], name, columns[2]), *rows])
    ran = crant("connectivity", "in.csv", "--json", "-o", "out.csv")
    assert ran.code == 0
    assert "1 edge row is added to another" in ran.err
    assert (json.loads(ran.text)["ledger"]["merged"], json.loads(ran.text)["ledger"]["kept"]) == (1, 3)
    assert (tmp_path / "out.csv").read_text() == "pre,post,weight\n1,2,7\n2,1,5\n1,3,1\n"
    assert crant("connectivity", "in.csv", "-t", 6).rows()[1:] == [["1", "2", "7"]]
    assert crant("counts", "in.csv", "-n", 1).rows()[1:] == [["1", "2", "1", "8", "5"]]
    by = crant("connectivity", "in.csv", "--by", "neuropil", "-t", 6).rows()
    assert by == [["pre", "post", "neuropil", "weight"], ["1", "2", "FB", "4"], ["1", "2", "EB", "3"]]
    with (tmp_path / "in.csv").open("a", newline="") as file:
        csv.writer(file).writerow((1, 2, "EB", 9))
    for command in ("connectivity", "counts", "adjacency"):
        ran = crant(command, "in.csv", "-o", "never.csv")
        assert ran.code == 3
        assert "the pair" in ran.err
        assert "--sum-duplicates" in ran.err
        assert not (tmp_path / "never.csv").exists()
    assert crant("connectivity", "in.csv", "--sum-duplicates", "-t", 6).rows()[1:] == [["1", "2", "16"]]


def test_repeated_rows_without_a_neuron_are_dropped_not_refused() -> None:
    rows = [{"pre": None, "post": 5, "weight": 1}] * 2 + [{"pre": 1, "post": 5, "weight": 2}]
    assert tuples(cc.get_connectivity(source=frame(rows, ("pre", "post", "weight")), **AS_DRAWN)) == [(1, 5, 2)]


def test_ids_beside_each_other_are_not_one_neuron() -> None:
    """Trap 10: as floats these would be one neuron."""
    first = 576460752641833773
    assert float(first) == float(first + 2)
    rows = [{"pre": first, "post": first + n} for n in (1, 2)]
    assert len(cc.get_connectivity(first + 1, source=frame(rows, ("pre", "post")))) == 1


# ------------------------------------------------------------------------------------------ the command, on one table


@pytest.fixture(scope="module")
def seeded() -> list[dict[str, Any]]:
    return seeded_synapses()


def put(folder: Path, rows: list[dict[str, Any]], name: str = "in.parquet") -> str:
    """Write a seeded table."""
    seeded_frame(rows).to_parquet(folder / name)
    return name


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def first_neurons(rows: list[dict[str, Any]], number: int) -> list[Any]:
    return sorted({row["pre"] for row in rows} - {None, 0})[:number]


def numbers(ran: Outcome, text: int) -> list[tuple[Any, ...]]:
    """Rows on stdout, the columns after the first few as floats."""
    assert ran.code == 0, ran.err
    return [(*row[:text], *map(float, row[text:])) for row in ran.rows()[1:]]


@pytest.mark.parametrize(
    ("options", "sides", "rule"),
    [
        ((), (True, True), Rules()),
        (("--no-upstream", "-t", 3), (False, True), Rules(threshold=3)),
        (("--no-downstream", "--min-size", 50), (True, False), Rules(min_size=50)),
        (("--no-clean", "-t", 2, "--min-size", 5), (True, True), Rules(False, 5, 2)),
    ],
)
@pytest.mark.parametrize("number", [0, 3])
def test_command_follows_the_rules(
    crant: Crant,
    tmp_path: Path,
    seeded: list[dict[str, Any]],
    options: tuple[Any, ...],
    sides: tuple[bool, bool],
    rule: Rules,
    number: int,
) -> None:
    """CSV on a pipe, and the ledger in `--json`, are the oracle's."""
    neurons = first_neurons(seeded, number) if number else None
    words = [word for neuron in neurons or [] for word in ("-n", neuron)]
    weights, ledger = oracle.synapse_edges(seeded, oracle.partners_of(neurons, *sides), rule)
    assert len(weights) > 5
    ran = crant("connectivity", put(tmp_path, seeded), *words, *options)
    assert ran.rows() == [["pre", "post", "weight"], *as_csv(oracle.ordered(weights))]
    ran = crant("connectivity", "in.parquet", *words, *options, "--json", "-o", "out.feather")
    assert json.loads(ran.text)["ledger"] == as_json(ledger, "synapses")
    assert json.loads(ran.text)["rows"] == len(weights)


def test_command_adds_fractions_tops_types_and_labels(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]]
) -> None:
    neurons = first_neurons(seeded, 4)
    words = ("-n", ",".join(map(str, neurons)))
    labels = [
        {"root_id": neuron, "cell_type": label, "side": side}
        for neuron, label, side in zip(
            first_neurons(seeded, 8),
            ("NA", "ER2", "ER2", "EPG/PEG", None, "ER10", "NA", "x,y"),
            "LRLRLRLR",
            strict=True,
        )
    ]
    pd.DataFrame(labels).to_csv(tmp_path / "types.csv", index=False)
    put(tmp_path, seeded)
    weights, _ = oracle.synapse_edges(seeded, Chosen(either=neurons), Rules(threshold=2))
    everything, _ = oracle.synapse_edges(seeded)
    parts = oracle.fractions(weights, "input", oracle.totals(everything, "input"))
    ran = crant("connectivity", "in.parquet", *words, "-t", 2, "--normalize", "input", "--top", 2)
    expected = oracle.ordered(oracle.strongest(weights, 2, neurons))
    assert numbers(ran, 2) == [(str(a), str(b), float(w), parts[a, b]) for a, b, w in expected]
    sums, distinct, dropped = oracle.by_type(weights, oracle.types(labels))
    ran = crant("connectivity", "in.parquet", *words, "-t", 2, "-a", "types.csv", "--by", "type")
    assert ran.rows()[1:] == as_csv((*row, *distinct[row[:2]]) for row in oracle.ordered(sums))
    assert f"{sum(dropped.values()):,} unannotated" in ran.err
    ran = crant(
        "connectivity", "in.parquet", *words, "-a", "types.csv", "--annotate", "side", "--annotate", "cell_type"
    )
    first = ran.rows()[1]
    by_id = {str(row["root_id"]): row for row in labels}
    blank = {"side": "", "cell_type": ""}
    assert first[3:] == [
        by_id.get(neuron, blank)[column] or "" for neuron in first[:2] for column in ("side", "cell_type")
    ]


def test_sample_data_holds_what_its_readme_says(crant: Crant, tmp_path: Path) -> None:
    """Numbers of pairs in the synthetic brain, counted when it was made; and its two twice annotated neurons."""
    source = SAMPLE / "synapses.parquet"
    for threshold, pairs in ((1, 8807), (5, 1969), (10, 896)):
        assert json.loads(crant("connectivity", source, "-t", threshold, "--json").text)["rows"] == pairs
    ran = crant("connectivity", source, "--top", 1, "-o", "top.csv")
    assert ran.code == 0
    ran = crant("connectivity", source, "-a", SAMPLE / "annotations.csv", "--by", "type", "-o", "types.csv")
    assert "2 neurons are annotated more than once" in ran.err
    found = {row["pre"]: int(row["pre_neurons"]) for row in read_csv(tmp_path / "types.csv")}
    annotations = [{**row, "cell_type": row["cell_type"] or None} for row in read_csv(SAMPLE / "annotations.csv")]
    sizes = Counter(oracle.types(annotations).values())
    assert (sizes["NA"], sizes["ER3"]) == (3, sizes["ER3"])
    assert set(found) <= set(sizes)
    assert all(number <= sizes[label] for label, number in found.items())
    assert "NA" in found


def test_c_elegans_agrees_with_the_oracle(crant: Crant) -> None:
    """Measured wiring with text IDs, 4,879 edges, 38 of them autapses."""
    rows = [{**row, "weight": int(row["weight"])} for row in read_csv(SAMPLE / "celegans_edges.csv")]
    weights, _ = oracle.table_edges(rows, Chosen(either=["AVAL", "AVAR"]), Rules(threshold=3))
    ran = crant("connectivity", SAMPLE / "celegans_edges.csv", "-n", "AVAL,AVAR", "-t", 3)
    assert ran.rows()[1:] == as_csv(oracle.ordered(weights))
    ran = crant("connectivity", SAMPLE / "celegans_edges.csv", "--json")
    assert json.loads(ran.text)["ledger"]["removed"]["autapse"] == 38
    everything, _ = oracle.table_edges(rows)
    ran = crant("connectivity", SAMPLE / "celegans_edges.csv", "-n", "AVAL", "--no-downstream", "--normalize", "input")
    parts = [row[3] for row in numbers(ran, 2)]
    whole = oracle.totals(everything, "input")["AVAL"]
    assert parts == [row[2] / whole for row in oracle.ordered({k: w for k, w in everything.items() if k[1] == "AVAL"})]
    assert sum(parts) == pytest.approx(1)


# ------------------------------------------------------------------------------------------ completeness


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, seeded: list[dict[str, Any]]) -> Path:
    """A whole table, the synapses of three neurons from it in each direction, and totals."""
    from crantcli.cli.app import run

    folder = tmp_path_factory.mktemp("made")
    whole = folder / put(folder, seeded, "whole.parquet")
    listed = ",".join(map(str, first_neurons(seeded, 3)))
    for command, *words, output in (
        ("synapses", "--pre", listed, "outputs.parquet"),
        ("synapses", "--pre", listed, "outputs.feather"),
        ("synapses", "--pre", listed, "outputs.csv"),
        ("synapses", "--post", listed, "inputs.parquet"),
        ("counts", "totals.parquet"),
    ):
        assert run([command, str(whole), *words, "-q", "-o", str(folder / output)]) == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, seeded: list[dict[str, Any]]) -> list[Any]:
    """These files, here; the three neurons."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return first_neurons(seeded, 3)


def refused(crant: Crant, tmp_path: Path, *arguments: Any) -> str:
    """Run a command that must refuse, and leave no file."""
    ran = crant("connectivity", *arguments, "-o", "never.csv")
    assert ran.code == 3, ran.err
    assert not (tmp_path / "never.csv").exists()
    assert ran.err.count("\n") == 1
    return ran.err


def expected_fractions(
    rows: list[dict[str, Any]], chosen: Chosen, side: str, rule: Rules = oracle.USUAL
) -> list[tuple[Any, ...]]:
    """Edges with their part of the whole table."""
    weights, _ = oracle.synapse_edges(rows, chosen, rule)
    everything, _ = oracle.synapse_edges(rows, EVERYTHING, Rules(rule.clean, rule.min_size))
    parts = oracle.fractions(weights, side, oracle.totals(everything, side))
    return [(str(a), str(b), float(w), parts[a, b]) for a, b, w in oracle.ordered(weights)]


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_trap_9_outputs_hold_not_all_inputs(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], folder: list[Any], suffix: str
) -> None:
    """Trap 9: `synapses --pre X`, then a fraction of input: refused, and right with the totals of the whole table."""
    source = f"outputs.{suffix}"
    assert "--totals" in refused(crant, tmp_path, source, "--normalize", "input")
    ran = crant("connectivity", source, "--normalize", "input", "--totals", "totals.parquet")
    assert numbers(ran, 2) == expected_fractions(seeded, Chosen(pre=folder), "input")
    ran = crant("connectivity", source, "--normalize", "output", "-t", 2)
    assert numbers(ran, 2) == expected_fractions(seeded, Chosen(pre=folder), "output", Rules(threshold=2))
    with pytest.raises(cc.DataError, match="totals"):
        cc.get_connectivity(source=tmp_path / source, normalize="input")


def test_trap_9_inputs_hold_not_all_outputs(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], folder: list[Any]
) -> None:
    """Trap 9, the other way round."""
    assert "--totals" in refused(crant, tmp_path, "inputs.parquet", "--normalize", "output")
    ran = crant("connectivity", "inputs.parquet", "--normalize", "input")
    assert numbers(ran, 2) == expected_fractions(seeded, Chosen(post=folder), "input")
    ran = crant("connectivity", "inputs.parquet", "--normalize", "output", "--totals", "totals.parquet")
    assert numbers(ran, 2) == expected_fractions(seeded, Chosen(post=folder), "output")


def test_trap_9_both_sides_selected_is_complete_for_nothing(crant: Crant, tmp_path: Path, folder: list[Any]) -> None:
    """Trap 9: neither all inputs nor all outputs of anyone."""
    listed = ",".join(map(str, folder))
    assert crant("synapses", "whole.parquet", "--pre", listed, "--post", listed, "-o", "both.parquet").code == 0
    for side in ("input", "output"):
        refused(crant, tmp_path, "both.parquet", "--normalize", side)


def test_trap_9_completeness_goes_along_the_chain(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], folder: list[Any]
) -> None:
    """Trap 9: what the first file lacks, all that are made from it lack too, whatever their format."""
    for how in (
        ("synapses", "outputs.parquet", "--min-size", 0, "-o", "chain.parquet"),
        ("connectivity", "outputs.feather", "-o", "chain.feather"),
        ("adjacency", "outputs.parquet", "-o", "chain.npz"),
        ("adjacency", "outputs.parquet", "-o", "wide.parquet"),
        ("adjacency", "outputs.parquet", "-o", "wide.feather"),
        ("adjacency", "whole.parquet", "--pre", ",".join(map(str, folder)), "-o", "direct.npz"),
    ):
        assert crant(*how).code == 0
        assert "--totals" in refused(crant, tmp_path, how[-1], "--normalize", "input")
        if "--min-size" not in how:
            ran = crant("connectivity", how[-1], "--normalize", "input", "--totals", "totals.parquet")
            assert numbers(ran, 2) == expected_fractions(seeded, Chosen(pre=folder), "input")
            assert numbers(crant("connectivity", how[-1], "--normalize", "output"), 2) == expected_fractions(
                seeded, Chosen(pre=folder), "output"
            )


def test_trap_9_partners_of_partners_are_not_all_there(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], folder: list[Any]
) -> None:
    """Trap 9: the edges of X hold all inputs and outputs of X, and not those of its partners."""
    crant("connectivity", "whole.parquet", "-n", folder[0], "-o", "edges.parquet")
    refused(crant, tmp_path, "edges.parquet", "--normalize", "input")
    refused(crant, tmp_path, "edges.parquet", "--normalize", "output")
    ran = crant("connectivity", "edges.parquet", "-n", folder[0], "--no-downstream", "--normalize", "input")
    assert numbers(ran, 2) == expected_fractions(seeded, Chosen(post=folder[:1]), "input")
    ran = crant("connectivity", "edges.parquet", "-n", folder[0], "--no-upstream", "--normalize", "output")
    assert numbers(ran, 2) == expected_fractions(seeded, Chosen(pre=folder[:1]), "output")
    # The inputs of several neurons hold some outputs of each, those to one another, and the other way round.
    listed = ",".join(map(str, folder))
    assert crant("synapses", "outputs.parquet", "--post", folder[0], "-o", "both.parquet").code == 0
    assert len(crant("connectivity", "both.parquet").rows()) > 1
    refused(crant, tmp_path, "both.parquet", "--normalize", "input")
    refused(crant, tmp_path, "both.parquet", "--normalize", "output")
    for flag, other, side in (
        ("--no-upstream", "--no-downstream", "input"),
        ("--no-downstream", "--no-upstream", "output"),
    ):
        assert crant("connectivity", "whole.parquet", "-n", listed, flag, "-o", "half.parquet").code == 0
        assert len(crant("connectivity", "half.parquet", "-n", folder[0], other).rows()) > 1
        refused(crant, tmp_path, "half.parquet", "-n", folder[0], other, "--normalize", side)


def test_trap_9_files_together_are_complete_for_both(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], folder: list[Any]
) -> None:
    """Trap 9: inputs of A in one file and of B in another are the inputs of A and B; outputs are still lacking."""
    for neuron in folder[:2]:
        crant("synapses", "whole.parquet", "--post", neuron, "-o", f"{neuron}.parquet")
    names = [f"{neuron}.parquet" for neuron in folder[:2]]
    rows = [row for row in seeded if row["id"] is not None or row["post"] not in folder[:2]]
    ran = crant("connectivity", *names, "--normalize", "input")
    assert numbers(ran, 2) == expected_fractions(seeded, Chosen(post=folder[:2]), "input")
    assert len(rows) < len(seeded)
    refused(crant, tmp_path, *names, "--normalize", "output")
    refused(crant, tmp_path, *names, "outputs.parquet", "--normalize", "input")


@pytest.mark.parametrize(
    "how", [("connectivity", "-t", 2), ("synapses", "-t", 2), ("adjacency", "-t", 2), ("connectivity", "--top", 1)]
)
def test_a_thinned_file_has_no_totals(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], folder: list[Any], how: tuple[Any, ...]
) -> None:
    """Totals are taken before the threshold, so a file that has passed one cannot give them."""
    assert crant(how[0], "whole.parquet", *how[1:], "-o", "thin.parquet").code == 0
    assert crant("connectivity", "thin.parquet", "-o", "again.parquet").code == 0
    assert crant("adjacency", "thin.parquet", "-o", "again.npz").code == 0
    for source in ("thin.parquet", "again.parquet", "again.npz"):
        for side in ("input", "output"):
            assert "thinned" in refused(crant, tmp_path, source, "--normalize", side)
    if "-t" in how:
        ran = crant("connectivity", "again.parquet", "--normalize", "input", "--totals", "totals.parquet")
        assert numbers(ran, 2) == expected_fractions(seeded, EVERYTHING, "input", Rules(threshold=2))


def test_unknown_origin_is_only_noted(crant: Crant, folder: list[Any]) -> None:
    for source in ("whole.parquet", "outputs.csv"):
        ran = crant("connectivity", source, "--normalize", "input")
        assert ran.code == 0
        assert "origin is not recorded" in ran.err
    with pytest.warns(cc.CrantWarning, match="origin is not recorded"):
        cc.get_connectivity(source="whole.parquet", normalize="input")


def test_a_record_that_tells_of_other_rows_is_not_relied_on(crant: Crant, tmp_path: Path, folder: list[Any]) -> None:
    """Programs that filter a table copy its metadata: the record is then no longer true."""
    import pyarrow.parquet as pq

    crant("synapses", "whole.parquet", "-o", "recorded.parquet")
    table = pq.read_table(tmp_path / "recorded.parquet")
    assert b"crantcli" in table.schema.metadata
    pq.write_table(pq.read_table(tmp_path / "outputs.parquet").slice(1), tmp_path / "cut.parquet")
    ran = crant("connectivity", "cut.parquet", "--normalize", "input")
    assert ran.code == 0
    assert "origin is not recorded" in ran.err


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (("counts", "whole.parquet", "--no-clean"), "clean"),
        (("counts", "whole.parquet", "--min-size", 3), "min_size"),
        (("counts", "whole.parquet", "-t", 2), "thinned"),
        (("counts", "outputs.parquet"), "does not hold every input"),
        (("counts", "whole.parquet", "-n", "first"), "does not hold every input"),
        (("connectivity", "whole.parquet"), "no column neuron_id"),
    ],
)
def test_totals_of_something_else_are_refused(
    crant: Crant, tmp_path: Path, folder: list[Any], how: tuple[Any, ...], why: str
) -> None:
    how = tuple(folder[0] if word == "first" else word for word in how)
    assert crant(*how, "-o", "wrong.parquet").code == 0
    err = refused(crant, tmp_path, "outputs.parquet", "--normalize", "input", "--totals", "wrong.parquet")
    assert why in err


def test_totals_that_cannot_be_right_are_refused(crant: Crant, tmp_path: Path, folder: list[Any]) -> None:
    """Totals without a record are checked against the edges at hand."""
    totals = pd.read_parquet(tmp_path / "totals.parquet")
    totals.to_csv(tmp_path / "right.csv", index=False)
    words = ("outputs.parquet", "--normalize", "input", "--totals")
    assert crant("connectivity", *words, "right.csv").out == crant("connectivity", *words, "totals.parquet").out
    totals[~totals["neuron_id"].isin(folder)].to_csv(tmp_path / "short.csv", index=False)
    assert "no row for neuron" in refused(crant, tmp_path, *words, "short.csv")
    totals.assign(post_synapses=1).to_csv(tmp_path / "small.csv", index=False)
    assert "do not belong together" in refused(crant, tmp_path, *words, "small.csv")


def test_totals_go_with_the_size_of_the_file(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], folder: list[Any]
) -> None:
    """A file made with `--min-size` needs totals made with it, though the command at hand names none."""
    listed = ",".join(map(str, folder))
    crant("synapses", "whole.parquet", "--pre", listed, "--min-size", 30, "-o", "large.parquet")
    crant("counts", "whole.parquet", "--min-size", 30, "-o", "large_totals.parquet")
    err = refused(crant, tmp_path, "large.parquet", "--normalize", "input", "--totals", "totals.parquet")
    assert "min_size" in err
    expected = expected_fractions(seeded, Chosen(pre=folder), "input", Rules(min_size=30))
    for smaller in ((), ("--min-size", 10)):
        words = ("large.parquet", *smaller, "--normalize", "input", "--totals", "large_totals.parquet")
        assert numbers(crant("connectivity", *words), 2) == expected


def test_python_takes_totals_as_a_frame(tmp_path: Path, seeded: list[dict[str, Any]]) -> None:
    whole = seeded_frame(seeded)
    neurons = first_neurons(seeded, 2)
    totals = cc.get_synapse_counts(source=whole).reset_index()
    part = whole[whole["pre"].isin(neurons).fillna(False)]
    with pytest.warns(cc.CrantWarning, match="origin"):
        found = cc.get_connectivity(source=part, normalize="input", totals=totals)
    expected = expected_fractions(seeded, Chosen(pre=neurons), "input")
    assert [(str(a), str(b), float(w), f) for a, b, w, f in tuples(found)] == expected


# ------------------------------------------------------------------------------------------ real data


def test_cerebellum(crant: Crant, real: Path) -> None:
    """Granule cells to Purkinje cells: 8,876 synapses, 522 x 98 neurons with text IDs, 3,543 pairs."""
    source = real / "cerebellum" / "grc_to_pc_synapses_8876.csv"
    rows = read_csv(source)
    weights, ledger = oracle.synapse_edges(rows)
    assert (len(rows), len(weights)) == (8876, 3543)
    assert (len({pre for pre, _ in weights}), len({post for _, post in weights})) == (522, 98)
    ran = crant("connectivity", source)
    assert ran.rows()[1:] == as_csv(oracle.ordered(weights))
    assert json.loads(crant("connectivity", source, "--json").text)["ledger"] == as_json(ledger, "synapses")
    target = oracle.ordered(weights)[0][1]
    part, _ = oracle.synapse_edges(rows, Chosen(post=[target]), Rules(threshold=4))
    whole = oracle.totals(weights, "input")[target]
    ran = crant("connectivity", source, "-n", target, "-t", 4, "--normalize", "input")
    assert numbers(ran, 2) == [(pre, post, float(n), n / whole) for pre, post, n in oracle.ordered(part)]


def test_microns_edges(crant: Crant, real: Path) -> None:
    """The two tables of one MICrONS neuron, alone and together."""
    import pyarrow.feather

    sources = [real / "microns" / f"{name}_df_helper.feather" for name in ("post", "pre")]
    rows = [
        {"id": row["id"], "pre": row["pre_pt_root_id"], "post": row["post_pt_root_id"], "size": row["size"]}
        for source in sources
        for row in pyarrow.feather.read_table(source).to_pylist()
    ]
    assert len(rows) == 4944 + 149
    weights, ledger = oracle.synapse_edges(rows, EVERYTHING, Rules(threshold=2, min_size=500))
    ran = crant("connectivity", *sources, "-t", 2, "--min-size", 500)
    assert ran.rows()[1:] == as_csv(oracle.ordered(weights))
    ran = crant("connectivity", *sources, "-t", 2, "--min-size", 500, "--json")
    assert json.loads(ran.text)["ledger"] == as_json(ledger, "synapses")


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables())
def test_several_neurons_are_the_union_of_each(data: st.DataObject, table: Drawn) -> None:
    """No edge is lost or doubled where both its neurons were asked for."""
    neurons = data.draw(asked(table))
    together = set(tuples(ask(table, neurons, Rules())))
    assert together == {row for neuron in neurons for row in tuples(ask(table, neuron, Rules()))}
