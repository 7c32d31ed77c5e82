"""`crantcli adjacency`: presynaptic rows by postsynaptic columns, silent neurons, and what can be read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pytest
import scipy.sparse
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import EVERYTHING, Chosen, Rules
from strategies import (
    ABSENT,
    AS_DRAWN,
    SETTINGS,
    Drawn,
    as_csv,
    as_json,
    cell,
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

Matrix = tuple[list[Any], list[Any], list[list[Any]]]


def parts(found: pd.DataFrame) -> Matrix:
    """Index, columns and cells of a frame."""
    cells = [[cell(value) for value in row] for row in found.to_numpy()]
    return [cell(i) for i in found.index], [cell(c) for c in found.columns], cells


def ask(table: Drawn, chosen: Chosen, rule: Rules, **more: Any) -> pd.DataFrame:
    """The Python function, with the oracle's rules."""
    return cc.get_adjacency(
        chosen.pre, chosen.post, rule.threshold, rule.min_size, clean=rule.clean, source=table.frame, **AS_DRAWN, **more
    )


# ------------------------------------------------------------------------------------------ rules against the oracle


@SETTINGS
@given(data=st.data(), table=synapse_tables(), symmetric=st.booleans(), keep_silent=st.booleans())
def test_matrix_follows_the_rules(data: st.DataObject, table: Drawn, symmetric: bool, keep_silent: bool) -> None:
    """Rectangular or symmetric, with silent neurons or without; IDs ascending; zeros where there is no synapse."""
    rule = data.draw(rules(table))
    chosen = Chosen(data.draw(maybe_asked(table)), data.draw(maybe_asked(table)))
    weights, _ = oracle.synapse_edges(table.rows, chosen, rule)
    # Where nothing is found, Python returns zeros for all neurons that were asked for.
    expected = oracle.matrix(weights, chosen, symmetric, keep_silent or not weights)
    found = ask(table, chosen, rule, symmetric=symmetric, keep_silent=keep_silent)
    assert found.shape == (len(expected[0]), len(expected[1]))
    assert parts(found) == expected
    if table.neurons[0] == 0 and found.size:
        assert (found.index.dtype, found.columns.dtype) == ("int64", "int64")
    assert all(kind == "int64" for kind in found.dtypes)


@SETTINGS
@given(data=st.data(), table=edge_tables(), symmetric=st.booleans(), summed=st.booleans())
def test_matrix_of_edges_follows_the_rules(data: st.DataObject, table: Drawn, symmetric: bool, summed: bool) -> None:
    rule = data.draw(rules(table))
    chosen = Chosen(data.draw(maybe_asked(table)), data.draw(maybe_asked(table)))
    try:
        weights, _ = oracle.table_edges(table.rows, chosen, rule, sum_duplicates=summed)
    except oracle.ConflictError:
        with pytest.raises(cc.DataError, match="the pair"):
            ask(table, chosen, rule)
        return
    expected = oracle.matrix(weights, chosen, symmetric, not weights)
    assert parts(ask(table, chosen, rule, symmetric=symmetric, sum_duplicates=summed)) == expected


@SETTINGS
@given(data=st.data(), table=synapse_tables(), symmetric=st.booleans())
def test_matrix_is_read_back_as_its_edges(data: st.DataObject, table: Drawn, symmetric: bool) -> None:
    """The frame that Python returns is a source: its zeros are no edges, its silent neurons are counted as zeros."""
    chosen = Chosen(data.draw(maybe_asked(table)), data.draw(maybe_asked(table)))
    weights, _ = oracle.synapse_edges(table.rows, chosen)
    if not weights:
        return
    found = ask(table, chosen, Rules(), symmetric=symmetric, keep_silent=True)
    pre, post, _ = oracle.matrix(weights, chosen, symmetric, keep_silent=True)
    if len({str(name).casefold() for name in post}) < len(post):
        with pytest.raises(cc.DataError, match="are called the same"):
            cc.get_connectivity(source=found, kind="adjacency", **AS_DRAWN)
        return
    read: dict[str, Any] = {"source": found, "kind": "adjacency", **AS_DRAWN}
    assert tuples(cc.get_connectivity(**read)) == oracle.ordered(weights)
    expected = oracle.counts(weights, sorted({*pre, *post}))
    assert tuples(cc.get_synapse_counts(**read).reset_index()) == expected


# ------------------------------------------------------------------------------------------ the command, on one table


@pytest.fixture(scope="module")
def seeded() -> list[dict[str, Any]]:
    return seeded_synapses()


def first_neurons(rows: list[dict[str, Any]], number: int) -> list[Any]:
    return sorted({row["pre"] for row in rows} - {None, 0})[:number]


def wide(expected: Matrix) -> list[list[str]]:
    """A matrix as a wide CSV, without the name of its corner."""
    pre, post, cells = expected
    return [list(map(str, post)), *as_csv([neuron, *row] for neuron, row in zip(pre, cells, strict=True))]


def without_corner(rows: list[list[str]]) -> list[list[str]]:
    return [rows[0][1:], *rows[1:]]


@pytest.mark.parametrize("options", [(), ("--symmetric",), ("--keep-silent",), ("--symmetric", "--keep-silent")])
@pytest.mark.parametrize("sides", [0, 1, 3])
def test_command_follows_the_rules(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], options: tuple[str, ...], sides: int
) -> None:
    """CSV on a pipe, `.npz` and the ledger are the oracle's."""
    seeded_frame(seeded).to_parquet(tmp_path / "in.parquet")
    neurons = [*first_neurons(seeded, 5), ABSENT[int]]
    chosen = Chosen(neurons[:3] if sides & 1 else None, neurons[2:] if sides & 2 else None)
    words = [
        word
        for side, ids in (("--pre", chosen.pre), ("--post", chosen.post))
        for word in ((side, ",".join(map(str, ids))) if ids else ())
    ]
    weights, ledger = oracle.synapse_edges(seeded, chosen, Rules(threshold=2, min_size=3))
    expected = oracle.matrix(weights, chosen, "--symmetric" in options, "--keep-silent" in options)
    words = ["in.parquet", *words, *options, "-t", 2, "--min-size", 3]
    ran = crant("adjacency", *words)
    assert ran.code == 0, ran.err
    assert without_corner(ran.rows()) == wide(expected)
    assert ("asked for" in ran.err) == ("--symmetric" in options and sides > 0)
    ran = crant("adjacency", *words, "--json", "-o", "out.npz")
    assert json.loads(ran.text)["ledger"] == as_json(ledger, "synapses")
    matrix = scipy.sparse.load_npz(tmp_path / "out.npz")
    assert matrix.toarray().tolist() == expected[2]
    assert matrix.has_canonical_format
    with np.load(tmp_path / "out.npz") as arrays:
        assert (arrays["pre"].tolist(), arrays["post"].tolist()) == expected[:2]
        assert (arrays["pre"].dtype, arrays["data"].dtype) == ("int64", "int64")


def test_cells_that_were_not_asked_for_are_recorded(crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]]) -> None:
    """In a symmetric matrix of selected neurons a zero may mean that nobody asked: stderr and the file say so."""
    seeded_frame(seeded).to_parquet(tmp_path / "in.parquet")
    neurons = first_neurons(seeded, 2)
    ran = crant("adjacency", "in.parquet", "--symmetric", "--pre", ",".join(map(str, neurons)), "-o", "out.npz")
    assert "not asked for" in ran.err
    with np.load(tmp_path / "out.npz") as arrays:
        record = json.loads(str(arrays["crantcli"]))
    assert record["asked"]["pre"] == list(map(str, neurons))
    assert record["asked"]["post"] == "all"
    ran = crant("adjacency", "in.parquet", "--symmetric")
    assert "asked for" not in ran.err


def test_c_elegans_agrees_with_the_oracle(crant: Crant, tmp_path: Path) -> None:
    """Text IDs in a rectangular wide table and in `.npz`."""
    import csv

    with (SAMPLE / "celegans_edges.csv").open(newline="") as file:
        rows = [{**row, "weight": int(row["weight"])} for row in csv.DictReader(file)]
    chosen = Chosen(pre=["AVAL", "AVAR", "PVCL"])
    weights, _ = oracle.table_edges(rows, chosen, Rules(threshold=2))
    words = (SAMPLE / "celegans_edges.csv", "--pre", "AVAL,AVAR", "--pre", "PVCL", "-t", 2)
    expected = oracle.matrix(weights)
    assert without_corner(crant("adjacency", *words).rows()) == wide(expected)
    assert crant("adjacency", *words, "-o", "out.npz").code == 0
    with np.load(tmp_path / "out.npz") as arrays:
        assert (arrays["pre"].tolist(), arrays["post"].tolist()) == expected[:2]


# ------------------------------------------------------------------------------------------ traps


def test_trap_4_silent_neurons_stay_or_go_by_one_rule(crant: Crant, tmp_path: Path) -> None:
    """Trap 4: requested but silent neurons dropped in one case and kept in another."""
    silent = ABSENT[int]
    table = frame([{"pre": 1, "post": 2}, {"pre": 3, "post": 2}], ("pre", "post"))
    table.to_parquet(tmp_path / "in.parquet")
    for some in ([1, silent], [silent], [silent, 2]):
        words = ("adjacency", "in.parquet", "--pre", ",".join(map(str, some)))
        heard = [neuron for neuron in some if neuron == 1]
        assert [row[0] for row in crant(*words).rows()[1:]] == list(map(str, heard))
        kept = crant(*words, "--keep-silent").rows()
        assert [row[0] for row in kept[1:]] == list(map(str, sorted(some)))
        assert kept[0][1:] == (["2"] if heard else [])
        both = crant(*words, "--keep-silent", "--symmetric").rows()
        assert both[0][1:] == [row[0] for row in both[1:]] == list(map(str, sorted({*some, *([2] if heard else [])})))


def test_nothing_found_has_the_shape_of_what_was_asked_for() -> None:
    table = frame([{"pre": 1, "post": 2}], ("pre", "post"))
    assert parts(cc.get_adjacency([5, 4], [7], source=table)) == ([4, 5], [7], [[0], [0]])
    assert parts(cc.get_adjacency([5, 4], [7, 5], symmetric=True, source=table)) == (
        [4, 5, 7],
        [4, 5, 7],
        [[0] * 3] * 3,
    )
    assert cc.get_adjacency([5, 4], source=table).shape == (2, 0)
    assert cc.get_adjacency(source=table, threshold=9).shape == (0, 0)


def test_a_data_set_of_files_may_be_taken_whole(tmp_path: Path) -> None:
    table = frame([{"pre": 1, "post": 2}, {"pre": 3, "post": 2}], ("pre", "post"))
    table.to_parquet(tmp_path / "s.parquet")
    (tmp_path / "local.toml").write_text('[files]\nsynapses = "s.parquet"\n')
    found = cc.get_adjacency(dataset=str(tmp_path / "local.toml"))
    assert parts(found) == parts(cc.get_adjacency(source=table)) == ([1, 3], [2], [[1], [1]])
    with pytest.raises(cc.UsageError, match="nothing to read"):
        cc.get_adjacency()


def test_trap_10_labels_beyond_a_float_stay_apart(crant: Crant, tmp_path: Path) -> None:
    """Trap 10: IDs that are one float, as rows and as columns, in every format and back."""
    first = 576460752641833773
    rows = [{"pre": first + a, "post": first + b} for a in range(3) for b in range(4) if a != b]
    frame(rows, ("pre", "post")).to_parquet(tmp_path / "in.parquet")
    expected = oracle.ordered(oracle.synapse_edges(rows)[0])
    for suffix in ("npz", "parquet", "feather", "csv", "csv.gz", "tsv"):
        assert crant("adjacency", "in.parquet", "-o", f"out.{suffix}").code == 0
        assert crant("connectivity", f"out.{suffix}").rows()[1:] == as_csv(expected)


def test_more_than_5000_columns_need_to_be_asked_for(crant: Crant, tmp_path: Path) -> None:
    frame([{"pre": 1, "post": n} for n in range(2, 5003)], ("pre", "post")).to_parquet(tmp_path / "in.parquet")
    ran = crant("adjacency", "in.parquet", "-o", "out.parquet")
    assert ran.code == 2
    assert ".npz" in ran.err
    assert not (tmp_path / "out.parquet").exists()
    assert crant("adjacency", "in.parquet", "-o", "out.npz").code == 0


def test_neurons_that_differ_only_in_case_are_not_mixed_up(crant: Crant, tmp_path: Path) -> None:
    """Column names do not heed case in most tables, IDs do."""
    rows = [{"pre": "a", "post": "pc"}, {"pre": "a", "post": "PC"}, {"pre": "A", "post": "PC"}]
    frame(rows, ("pre", "post")).to_parquet(tmp_path / "in.parquet")
    ran = crant("adjacency", "in.parquet", "-o", "out.csv")
    assert ran.code == 2
    assert ".npz" in ran.err
    assert not (tmp_path / "out.csv").exists()
    assert crant("adjacency", "in.parquet", "-o", "out.npz").code == 0
    edges = oracle.ordered(oracle.synapse_edges(rows)[0])
    assert (
        crant("connectivity", "out.npz").rows()[1:] == crant("connectivity", "in.parquet").rows()[1:] == as_csv(edges)
    )


# ------------------------------------------------------------------------------------------ real data


def test_cerebellum(crant: Crant, real: Path, tmp_path: Path) -> None:
    """522 granule cells by 98 Purkinje cells, 8,876 synapses."""
    source = real / "cerebellum" / "grc_to_pc_synapses_8876.csv"
    assert crant("adjacency", source, "-o", "out.npz").code == 0
    matrix = scipy.sparse.load_npz(tmp_path / "out.npz")
    assert (matrix.shape, matrix.nnz, matrix.sum()) == ((522, 98), 3543, 8876)
    table = pd.read_csv(source, usecols=["pre", "post"])
    pre, post, cells = oracle.matrix(oracle.synapse_edges(table.to_dict("records"), EVERYTHING)[0])
    assert matrix.toarray().tolist() == cells
    with np.load(tmp_path / "out.npz") as arrays:
        assert (arrays["pre"].tolist(), arrays["post"].tolist()) == (pre, post)
    assert crant("counts", "out.npz").out == crant("counts", source).out
