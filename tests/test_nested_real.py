"""Nested matrices of real data, and of the sample data, against the oracle or against independent code."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import scipy.sparse as sp
from conftest import SAMPLE, Crant
from nested_cases import npz
from oracle import Rules

import crantcli as cc


def summed(pairs: Counter[tuple[Any, Any]], labels: dict[Any, str]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = defaultdict(int)
    for (a, b), weight in pairs.items():
        if a in labels and b in labels:
            found[labels[a], labels[b]] += weight
    return found


def test_cerebellum(crant: Crant, real: Path, tmp_path: Path) -> None:
    """522 granule by 98 Purkinje cells, in made-up types by the end of their names."""
    source = real / "cerebellum" / "grc_to_pc_synapses_8876.csv"
    table = pd.read_csv(source, usecols=["pre", "post"], dtype=str)
    kinds = {"pre": "GrC", "post": "PC"}
    names = {name: f"{kind}{len(name) % 3}" for column, kind in kinds.items() for name in table[column]}
    pd.DataFrame(names.items(), columns=["root_id", "cell_type"]).to_csv(tmp_path / "cells.csv", index=False)
    words = ("nested", source, "-a", "cells.csv", "--directed", "--weight-mode")
    assert crant(*words, "count", "-o", "m.npz", "--type-sum", "s.npz", "--type-mean", "t.npz").code == 0
    rows, columns, cells = npz(tmp_path / "m.npz")
    pairs = Counter(zip(table["pre"], table["post"], strict=True))
    assert (len(rows), len(columns), cells.sum()) == (522, 98, 8876)
    assert all(cells[i, j] == pairs[a, b] for i, a in enumerate(rows) for j, b in enumerate(columns))
    assert sorted(rows, key=lambda name: names[name]) == rows
    sums, expected = npz(tmp_path / "s.npz"), summed(pairs, names)
    assert {(a, b): n for i, a in enumerate(sums[0]) for j, b in enumerate(sums[1]) if (n := sums[2][i, j])} == expected
    sizes = Counter(names[name] for name in {*rows, *columns})
    means = npz(tmp_path / "t.npz")[2]
    for i, a in enumerate(sums[0]):
        for j, b in enumerate(sums[1]):
            assert means[i, j] == expected.get((a, b), 0) / (sizes[a] * sizes[b])
    assert crant(*words, "relative_outgoing", "-o", "m.npz").code == 0
    assert np.allclose(npz(tmp_path / "m.npz")[2].sum(axis=1), 1)
    assert crant(*words, "relative_incoming", "-o", "m.npz").code == 0
    assert np.allclose(npz(tmp_path / "m.npz")[2].sum(axis=0), 1)


def test_microns(real: Path, tmp_path: Path) -> None:
    """The schema of CAVE: nullable columns, lists, IDs beyond 2^53."""
    path = real / "microns" / "post_df_helper.feather"
    table = pd.read_feather(path)
    pairs = Counter(zip(table["pre_pt_root_id"], table["post_pt_root_id"], strict=True))
    everyone = sorted({neuron for pair in pairs for neuron in pair})
    cells = pd.DataFrame({"root_id": everyone, "cell_type": [f"t{neuron % 7}" for neuron in everyone]})
    made = cc.NestedMatrix.from_synapses(path, cells, weight_mode="count")
    expected = summed(pairs, dict(zip(everyone, cells["cell_type"], strict=True)))
    sums = made.sum_type_matrix
    assert {(a, b): sums.loc[a, b] for a in sums.index for b in sums.columns if sums.loc[a, b]} == expected
    places = {int(neuron): place for place, neuron in enumerate(made.ordered_neurons)}
    entries = sp.coo_array(made.sparse)
    found = {(i, j): n for i, j, n in zip(*entries.coords, entries.data, strict=True)}
    assert found == {(places[a], places[b]): n for (a, b), n in pairs.items()}


def test_sample_brain(crant: Crant, tmp_path: Path) -> None:
    """Types against the oracle; EPG/PEG goes round the ring."""
    words = ("nested", SAMPLE / "synapses.parquet", "-a", SAMPLE / "annotations.parquet", "-t", "2")
    ran = crant(*words, "--weight-mode", "count", "--type-sum", "s.npz", "--order", "order.parquet", "--json")
    synapses = pd.read_parquet(SAMPLE / "synapses.parquet", dtype_backend="numpy_nullable")
    synapses = synapses.rename(columns={"pre_pt_root_id": "pre", "post_pt_root_id": "post"})[["id", "pre", "post"]]
    edges, kept = oracle.synapse_edges(synapses.astype(object).where(synapses.notna(), None).to_dict("records"),
                                       rules=Rules(threshold=2))  # fmt: skip
    people = pd.read_parquet(SAMPLE / "annotations.parquet")
    typed = people.dropna(subset="cell_type").drop_duplicates("root_id")
    labels = dict(typed[["root_id", "cell_type"]].itertuples(index=False))
    sums = npz(tmp_path / "s.npz")
    found = {(a, b): n for i, a in enumerate(sums[0]) for j, b in enumerate(sums[1]) if (n := sums[2][i, j])}
    assert found == summed(Counter(edges), labels)
    known = set(people["root_id"])
    outside = sum(weight for (a, b), weight in edges.items() if a not in known or b not in known)
    told = json.loads(ran.out)["ledger"]
    assert (told["kept"], told["removed"]["unannotated"]) == (kept["kept"] - outside, outside)
    order = pd.read_parquet(tmp_path / "order.parquet")
    ring = ["R1", "L8", "R2", "L7", "R3", "L6", "R4", "L5", "R5", "L4", "R6", "L3", "R7", "L2", "R8", "L1"]
    mine = order[order["type"] == "EPG/PEG"]["neuron"]
    columns = typed.set_index("root_id").loc[mine, "cell_instance"].str[-2:]
    places = [ring.index(column) for column in columns if column in ring]
    assert len(places) > 4
    assert places == sorted(places)


def test_c_elegans(crant: Crant, tmp_path: Path) -> None:
    """By class, against independent pandas code."""
    words = ("nested", SAMPLE / "celegans_edges.csv", "-a", SAMPLE / "celegans_cells.csv", "--cell-type-column")
    assert crant(*words, "cell_class", "--type-sum", "s.csv", "--relative-types", "r.csv", "-o", "m.npz").code == 0
    edges = pd.read_csv(SAMPLE / "celegans_edges.csv", keep_default_na=False)
    edges = edges[edges["pre"] != edges["post"]]
    classes = pd.read_csv(SAMPLE / "celegans_cells.csv", keep_default_na=False).set_index("neuron_id")["cell_class"]
    both = edges.assign(a=edges["pre"].map(classes), b=edges["post"].map(classes)).query("a != '' and b != ''")
    expected = both.pivot_table(index="a", columns="b", values="weight", aggfunc="sum", fill_value=0)
    found = pd.read_csv("s.csv", index_col=0)
    expected = expected.reindex(index=found.index, columns=found.columns, fill_value=0)
    assert (found.to_numpy() == expected.to_numpy()).all()
    assert found.to_numpy().sum() == both["weight"].sum() > 1000
    shares = pd.read_csv("r.csv", index_col=0)
    assert np.allclose(shares.to_numpy(), expected.div(expected.sum(axis=1).replace(0, 1), axis=0).to_numpy())
