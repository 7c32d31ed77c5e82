"""`crantcli counts`: partners and synapses per neuron; and the chain of commands that ends with it."""

from __future__ import annotations

import csv
import functools
import json
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
    ABSENT,
    AS_DRAWN,
    AS_TYPED,
    SETTINGS,
    Drawn,
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

pytestmark = [
    pytest.mark.filterwarnings("ignore::crantcli.CrantWarning"),
]

COLUMNS = ["neuron_id", "pre", "post", "pre_synapses", "post_synapses"]
TABLES = ("parquet", "feather", "csv", "csv.gz", "tsv")


def ask(table: Drawn, neurons: Any, rule: Rules, **more: Any) -> pd.DataFrame:
    """The Python function, with the oracle's rules."""
    return cc.get_synapse_counts(
        neurons, rule.threshold, rule.min_size, clean=rule.clean, source=table.frame, **AS_DRAWN, **more
    ).reset_index()


# ------------------------------------------------------------------------------------------ rules against the oracle


@SETTINGS
@given(data=st.data(), table=synapse_tables())
def test_counts_follow_the_rules(data: st.DataObject, table: Drawn) -> None:
    """Distinct partners and synapses, out and in; requested order with zeros, or all neurons, sorted."""
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    weights, _ = oracle.synapse_edges(table.rows, Chosen(either=neurons), rule)
    found = ask(table, neurons, rule)
    assert list(found.columns) == COLUMNS
    assert tuples(found) == oracle.counts(weights, neurons)
    assert all(found[column].dtype == "int64" for column in COLUMNS[1:])


@SETTINGS
@given(data=st.data(), table=edge_tables(), summed=st.booleans())
def test_counts_of_edges_follow_the_rules(data: st.DataObject, table: Drawn, summed: bool) -> None:
    rule, neurons = data.draw(rules(table)), data.draw(maybe_asked(table))
    # Weights of the whole table are looked at first, and pairs afterwards.
    if any(row["weight"] != int(row["weight"]) for row in table.rows):
        with pytest.raises(cc.DataError, match="fractions"):
            ask(table, neurons, rule, sum_duplicates=summed)
        return
    try:
        weights, _ = oracle.table_edges(table.rows, Chosen(either=neurons), rule, sum_duplicates=summed)
    except oracle.ConflictError:
        with pytest.raises(cc.DataError, match="the pair"):
            ask(table, neurons, rule)
        return
    assert tuples(ask(table, neurons, rule, sum_duplicates=summed)) == oracle.counts(weights, neurons)


@SETTINGS
@given(data=st.data(), table=synapse_tables())
def test_counts_do_not_depend_on_who_else_is_asked_for(data: st.DataObject, table: Drawn) -> None:
    """Trap 4: each neuron has the numbers that it has in the whole table, silent ones zeros."""
    neurons, rule = data.draw(asked(table)), data.draw(rules(table))
    whole = {row[0]: row for row in tuples(ask(table, None, rule))}
    assert tuples(ask(table, neurons, rule)) == [whole.get(neuron, (neuron, 0, 0, 0, 0)) for neuron in neurons]


# ------------------------------------------------------------------------------------------ the command


@pytest.fixture(scope="module")
def seeded() -> list[dict[str, Any]]:
    return seeded_synapses()


@pytest.mark.parametrize(
    ("options", "rule"),
    [((), Rules()), (("-t", 3, "--min-size", 10), Rules(min_size=10, threshold=3)), (("--no-clean",), Rules(False))],
)
@pytest.mark.parametrize("number", [0, 4])
def test_command_follows_the_rules(
    crant: Crant,
    tmp_path: Path,
    seeded: list[dict[str, Any]],
    options: tuple[Any, ...],
    rule: Rules,
    number: int,
) -> None:
    """CSV on a pipe, and the ledger in `--json`, are the oracle's; neurons in the order of the file that names them."""
    seeded_frame(seeded).to_parquet(tmp_path / "in.parquet")
    every = sorted({row["pre"] for row in seeded} - {None})
    neurons = [ABSENT[int], *every[number::-1], ABSENT[int] + 3] if number else None
    (tmp_path / "neurons.txt").write_text("\n".join(map(str, neurons or [])))
    words = ("in.parquet", *(("-n", "@neurons.txt") if neurons else ()), *options)
    weights, ledger = oracle.synapse_edges(seeded, Chosen(either=neurons), rule)
    assert crant("counts", *words).rows() == [COLUMNS, *as_csv(oracle.counts(weights, neurons))]
    ran = crant("counts", *words, "--json")
    assert json.loads(ran.text)["ledger"] == as_json(ledger, "synapses")


def test_traps_1_and_2_ids_are_not_updated_in_files(seeded: list[dict[str, Any]]) -> None:
    """Traps 1 and 2: a file is one version, and is asked and answered under the IDs that were given."""
    source = seeded_frame(seeded)
    neurons = [ABSENT[int] + 5, *sorted({row["pre"] for row in seeded} - {None, 0})[:3]]
    found = [cc.get_synapse_counts(neurons, update_ids=update, source=source) for update in (True, False)]
    assert list(found[0].index) == neurons
    pd.testing.assert_frame_equal(*found)


def test_trap_4_silent_neurons_have_zeros(crant: Crant, tmp_path: Path) -> None:
    """Trap 4: requested but silent neurons dropped in one case and kept in another."""
    frame([{"pre": 1, "post": 2}, {"pre": 0, "post": 4}, {"pre": 5, "post": 5}], ("pre", "post")).to_parquet(
        tmp_path / "in.parquet"
    )
    ran = crant("counts", "in.parquet", "-n", "9,5,4,1", "-n", 0)
    assert ran.rows()[1:] == [["9", *"0000"], ["5", *"0000"], ["4", *"0000"], ["1", *"1010"], ["0", *"0000"]]
    assert crant("counts", "in.parquet", "-n", 9).rows()[1:] == [["9", *"0000"]]
    assert crant("counts", "in.parquet", "-t", 5).rows() == [COLUMNS]
    assert crant("counts", "in.parquet", "-n", 2, "-t", 5).rows()[1:] == [["2", *"0000"]]


def test_partners_are_neurons_not_synapses_or_rows(crant: Crant, tmp_path: Path) -> None:
    """Trap 14: a pair that stands in three neuropils is one partner."""
    (tmp_path / "in.csv").write_text("pre,post,roi,weight\n1,2,EB,3\n1,2,FB,4\n1,2,PB,0\n2,1,EB,5\n1,3,EB,0\n")
    assert crant("counts", "in.csv", "-n", "1,2,3").rows()[1:] == [["1", *"1175"], ["2", *"1157"], ["3", *"0000"]]


def test_c_elegans_agrees_with_the_oracle(crant: Crant) -> None:
    with (SAMPLE / "celegans_edges.csv").open(newline="") as file:
        rows = [{**row, "weight": int(row["weight"])} for row in csv.DictReader(file)]
    weights, _ = oracle.table_edges(rows)
    assert crant("counts", SAMPLE / "celegans_edges.csv").rows()[1:] == as_csv(oracle.counts(weights))


def test_cerebellum(crant: Crant, real: Path) -> None:
    """Granule cells only send, Purkinje cells only receive, here."""
    source = real / "cerebellum" / "grc_to_pc_synapses_8876.csv"
    with source.open(newline="") as file:
        weights, _ = oracle.synapse_edges(csv.DictReader(file))
    rows = crant("counts", source).rows()[1:]
    assert rows == as_csv(oracle.counts(weights))
    assert len(rows) == 522 + 98
    assert sum(int(row[3]) for row in rows) == sum(int(row[4]) for row in rows) == 8876


# ------------------------------------------------------------------------------------------ chains


@functools.cache
def chained(text: bool) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """A table with IDs near 5.8e17, or with awkward text IDs; and the counts that every chain must end with."""
    rows = seeded_synapses(number=300, text=text)
    weights, _ = oracle.synapse_edges(rows, rules=Rules(min_size=5))
    return rows, [COLUMNS, *as_csv(oracle.counts(weights))]


@pytest.mark.parametrize(
    ("text", "suffix"), [*((False, suffix) for suffix in TABLES), *((True, suffix) for suffix in TABLES[:3])]
)
def test_chain_of_commands_loses_nothing(crant: Crant, tmp_path: Path, text: bool, suffix: str) -> None:
    """synapses -> connectivity -> adjacency -> counts, each step read from the file of the one before."""
    rows, expected = chained(text)
    seeded_frame(rows).to_parquet(tmp_path / "raw.parquet")
    names = AS_TYPED[1:] if text else ()  # one neuron is called NA, which our own files need not be told
    assert crant("counts", "raw.parquet", "--min-size", 5, *names).rows() == expected
    for command, source, output, *options in (
        ("synapses", "raw.parquet", f"syn.{suffix}", "--min-size", 5),
        ("connectivity", f"syn.{suffix}", f"edges.{suffix}"),
        ("connectivity", f"syn.{suffix}", f"neuropils.{suffix}", "--by", "neuropil"),
        ("adjacency", f"edges.{suffix}", "matrix.npz"),
        ("adjacency", f"edges.{suffix}", f"wide.{suffix}", "--symmetric"),
        ("adjacency", "matrix.npz", f"again.{suffix}"),
        ("connectivity", f"again.{suffix}", f"edges_again.{suffix}"),
    ):
        told = names if source.endswith((".csv", ".tsv", ".gz")) or source == "raw.parquet" else ()
        ran = crant(command, source, "-o", output, *options, *told)
        assert ran.code == 0, ran.err
        ran = crant("counts", output, *(names if suffix == "csv" else ()))
        assert ran.rows() == expected, (command, output, ran.err)
    assert (tmp_path / f"edges_again.{suffix}").stat().st_size
    sources = (f"edges.{suffix}", f"edges_again.{suffix}", "matrix.npz")
    edges = [crant("connectivity", source, *(names if suffix == "csv" else ())).out for source in sources]
    assert edges[0] == edges[1] == edges[2]


@pytest.mark.parametrize("suffix", [*TABLES, "npz"])
@pytest.mark.parametrize("kept", [(), ("--keep-silent",)])
def test_an_empty_result_can_be_read_by_the_next_command(
    crant: Crant, tmp_path: Path, suffix: str, kept: tuple[str, ...]
) -> None:
    """An empty result is a valid file; neurons that were kept in it come out with zeros."""
    frame([{"pre": 1, "post": 2}], ("pre", "post")).to_parquet(tmp_path / "raw.parquet")
    assert crant("adjacency", "raw.parquet", "--pre", "1,7", "-t", 5, *kept, "-o", f"empty.{suffix}").code == 0
    ran = crant("counts", f"empty.{suffix}")
    assert ran.code == 0, ran.err
    assert ran.rows() == [COLUMNS, *([["1", *"0000"], ["7", *"0000"]] if kept else [])]
    if suffix != "npz":
        assert crant("connectivity", "raw.parquet", "-t", 5, "-o", f"edges.{suffix}").code == 0
        assert crant("counts", f"edges.{suffix}").rows() == [COLUMNS]
        assert crant("synapses", "raw.parquet", "-t", 5, "-o", f"syn.{suffix}").code == 0
        assert crant("counts", f"syn.{suffix}").rows() == [COLUMNS]
