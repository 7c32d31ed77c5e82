"""`partition`: a table in parts that are the whole again, and say what they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import AS_DRAWN, SETTINGS, Drawn, cell, edge_tables, synapse_tables, tuples
from tables import record

import crantcli as cc

pytestmark = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")


def pre_of(frame: pd.DataFrame) -> list[Any]:
    """The presynaptic neurons of all rows."""
    name = "pre" if "pre" in frame else "pre_pt_root_id"
    return [cell(value) for value in frame[name]]


@SETTINGS
@given(table=synapse_tables() | edge_tables(tidy=True), number=st.integers(2, 5))
def test_parts_are_the_sorted_table_cut_between_neurons(table: Drawn, number: int) -> None:
    whole = cc.ask(cc.questions.Sort(), source=table.frame, clean=False, **AS_DRAWN)
    with TemporaryDirectory() as folder:
        files = cc.partition_table(table.frame, Path(folder, "parts"), number, **AS_DRAWN)
        frames = [pd.read_parquet(file, dtype_backend="numpy_nullable") for file in files]
        told = [record(file) for file in files]
    assert len(files) == number
    assert [row for frame in frames for row in tuples(frame)] == tuples(whole)
    owners = Counter(pre for frame in frames for pre in set(pre_of(frame)))
    assert all(times == 1 for times in owners.values())
    assert not any(None in pre_of(frame) for frame in frames[:-1])
    for place, (frame, part) in enumerate(zip(frames, told, strict=True)):
        assert part["ledger"]["read"] == part["ledger"]["kept"] == part["rows"] == len(frame)
        assert part["complete_for"]["part"]["numbers"] == [place + 1]
        assert part["complete_for"]["inputs_of"] == part["complete_for"]["outputs_of"] == []
