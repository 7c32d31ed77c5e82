"""Nested matrices against the oracle: through the Python classes, and through the command with all its outputs."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import nested_oracle
import pandas as pd
import pytest
from conftest import Crant
from hypothesis import given
from nested_cases import Case, case, cases, check, npz, same
from oracle import ConflictError, adds_up
from strategies import AS_DRAWN, AS_TYPED, SETTINGS, TIMES, as_json, tuples
from tables import record

import crantcli as cc

pytestmark = [
    pytest.mark.filterwarnings("ignore::crantcli.CrantWarning"),
]


def ask(made: Case) -> Any:
    """The Python class for the case."""
    query = made.query
    more: dict[str, Any] = {"annotation_scope": query.annotation_scope, "neuron_order": query.neuron_order}
    if made.kind == "synapses":
        more |= {"weight_mode": query.mode, "normalization_scope": query.scope, "pre_col": "pre", "post_col": "post"}
        more |= {"weight_column": "value"} if query.mode == "column" else {}
    else:
        more |= {"sum_duplicates": query.sum_duplicates}
        more |= {"kind": made.kind} if made.kind == "adjacency" else {}
    more |= {"keep_unconnected": query.keep_silent, **AS_DRAWN}
    name = "from_synapses" if made.kind == "synapses" else "from_connectivity"
    if query.target is None:
        return getattr(cc.NestedMatrix, name)(made.table, made.people, type_order=query.source.order or None, **more)
    for side, choice in (("source", query.source), ("target", query.target)):
        more |= {f"{side}_types": choice.types, f"{side}_neurons": choice.neurons}
        more |= {f"{side}_type_order": choice.order or None}
    return getattr(cc.DirectedNestedMatrix, name)(made.table, made.people, **more)


@SETTINGS
@given(made=cases("synapses", clean=False))
def test_synapses_follow_the_rules(made: Case) -> None:
    check(ask(made), made.expected)


@SETTINGS
@given(made=cases("edges", clean=False) | cases("adjacency", clean=False))
def test_connections_follow_the_rules(made: Case) -> None:
    made = Case(**{**vars(made), "query": replace(made.query, mode=None, scope="selected")})
    try:
        expected = made.expected
    except ConflictError:
        with pytest.raises(cc.DataError, match=r"the pair .* stands in"):
            ask(made)
        return
    check(ask(made), expected)


@pytest.mark.parametrize("seed", range(14 * TIMES))
def test_command_follows_the_rules(crant: Crant, tmp_path: Path, seed: int) -> None:
    """Every table that the command writes, the order of the axes, the ledger and the summary."""
    made = case(random.Random(seed))
    made.table.to_parquet(tmp_path / "in.parquet", index=made.kind == "adjacency")
    made.people.to_parquet(tmp_path / "cells.parquet")
    words = ("nested", "in.parquet", "-a", "cells.parquet", *made.words(), *AS_TYPED)
    outputs = {"-o": "m", "--type-sum": "sum", "--type-mean": "mean", "--relative": "rel", "--relative-types": "types"}
    named = [word for option, stem in outputs.items() for word in (option, f"{stem}.npz")]
    ran = crant(*words, *named, "--order", "order.parquet", "--json")
    try:
        expected = made.expected
    except ConflictError:
        assert (ran.code, list(tmp_path.glob("*.npz"))) == (3, [])
        assert "stands in" in ran.err
        return
    assert ran.code == 0, ran.err
    neurons, types = (expected.source, expected.target), (expected.source_blocks, expected.target_blocks)
    same(npz(tmp_path / "m.npz"), *neurons, expected.cells)
    same(npz(tmp_path / "sum.npz"), *types, expected.type_sum)
    same(npz(tmp_path / "mean.npz"), *types, expected.type_mean)
    same(npz(tmp_path / "rel.npz"), *neurons, nested_oracle.relative(expected.cells))
    same(npz(tmp_path / "types.npz"), *types, nested_oracle.relative(expected.type_sum))
    axes = [("both", expected.source)] if made.square else [("source", expected.source), ("target", expected.target)]
    assert tuples(pd.read_parquet(tmp_path / "order.parquet")) == [
        (axis, place, neuron, expected.type_of([neuron])[str(neuron)])
        for axis, ids in axes
        for place, neuron in enumerate(ids)
    ]
    assert adds_up(expected.ledger)
    unit = "synapses" if made.kind == "synapses" else "edges"
    told = json.loads(ran.out)
    assert told["ledger"] == record(tmp_path / "m.npz")["ledger"] == as_json(expected.ledger, unit)
    assert told["shape"] == list(map(len, neurons))
    assert told["types"] == {"source": len(types[0]), "target": len(types[1])}
    assert told["entries"] == told["rows"] == sum(cell != 0 for row in expected.cells for cell in row)
    alone = json.loads(crant(*words, "--type-sum", "alone.npz", "--json").out)
    assert alone["ledger"] == told["ledger"]
    assert alone["notes"][-1] == told["notes"][-1]
    same(npz(tmp_path / "alone.npz"), *types, expected.type_sum)
    # Sums that were had without looking at neurons say less of what they are complete for.
    short, full = (
        {key: value for key, value in record(tmp_path / name).items() if key != "complete_for"}
        for name in ("alone.npz", "sum.npz")
    )
    assert short == full
