"""`sort`: all rows as they are, in the order of their neurons."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from hypothesis import given
from strategies import AS_DRAWN, SETTINGS, Drawn, edge_tables, synapse_tables, tuples
from tables import complaint, ledger, parquet_file, record, text_file

import crantcli as cc


def key(value: Any) -> tuple[bool, Any]:
    """Missing values come last."""
    return (value is None, 0 if value is None else value)


@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
@SETTINGS
@given(table=synapse_tables() | edge_tables(tidy=True))
def test_rows_are_the_same_in_another_order(table: Drawn) -> None:
    """Repeated synapses, autapses, background and rows without an ID stay."""
    found = cc.ask(cc.questions.Sort(), source=table.frame, clean=False, **AS_DRAWN)
    drawn = table.frame
    renamed = {"pre_pt_root_id": "pre", "post_pt_root_id": "post"}
    names = [renamed.get(name, name) for name in drawn.columns]
    known = found.rename(columns=renamed)
    assert sorted(known.columns) == sorted(names)
    assert Counter(tuples(known[names])) == Counter(tuples(drawn))
    first = [name for name in ("pre", "post", "id") if name in names]
    keys = [tuple(map(key, row)) for row in tuples(known[first])]
    assert keys == sorted(keys)


def test_a_sorted_file_says_so(crant: Crant) -> None:
    parquet_file("raw.parquet", id=[3, 1, 2], pre=[2, 1, 1], post=[1, 2, 1], size=[5, 6, 7])
    ran = crant("sort", "raw.parquet", "-o", "sorted.parquet")
    assert ran.code == 0, ran.err
    assert pd.read_parquet("sorted.parquet")["id"].tolist() == [2, 1, 3]
    assert record("sorted.parquet")["sorted_by"] == ["pre", "post", "id"]
    assert "sorted by   pre, post, id" in crant("info", "sorted.parquet").text
    before, after = (crant("connectivity", name, "-q").out for name in ("raw.parquet", "sorted.parquet"))
    assert before == after


def test_look_ups_skip_row_groups(crant: Crant) -> None:
    """Each holds other presynaptic neurons than the next."""
    number = 300_000
    parquet_file("raw.parquet", pre=[n % 1000 for n in range(number)], post=[1] * number, id=list(range(number)))
    assert crant("sort", "raw.parquet", "-o", "sorted.parquet").code == 0
    assert record("sorted.parquet")["sorted_by"] == ["pre", "post", "id"]
    footer = pq.read_metadata("sorted.parquet")
    ranges = [footer.row_group(n).column(1).statistics for n in range(footer.num_row_groups)]
    assert footer.schema.names[1] == "pre"
    assert len(ranges) > 1
    assert all(one.max <= other.min for one, other in pairwise(ranges))


def test_edges_text_ids_and_further_columns(crant: Crant) -> None:
    text_file("e.csv", "pre,post,weight,note\nb,a,1,x\na,b,2,y\na,a,3,\n")
    assert crant("sort", "e.csv").out == b"pre,post,weight,note\na,a,3,\na,b,2,y\nb,a,1,x\n"
    kept = crant("sort", "e.csv", "--where", "weight >= 2", "--json")
    assert ledger(kept) == {"read": 3, "where": 1, "kept": 2}


def test_what_cannot_be_sorted(crant: Crant) -> None:
    text_file("cells.csv", "root_id,cell_type\n1,A\n")
    complaint(crant("sort", "cells.csv", "-o", "out.csv"), 3, "cells.csv")
    complaint(crant("sort", "-d", "crantb", "-o", "out.csv"), 2, "a table in a file")
    text_file("e.csv", "pre,post,weight\n2,1,1\n1,2,2\n")
    complaint(crant("sort", "e.csv", "-o", "e.csv"), 2, "is an input")
    assert not Path("out.csv").exists()
