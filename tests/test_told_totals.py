"""Files of some neurons tell the totals that fractions were taken of, so that the next command needs no other file."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import Neuron
from strategies import AS_DRAWN, SETTINGS, Drawn, asked, edge_tables, synapse_tables
from tables import complaint, parquet_file, record

import crantcli as cc
from crantcli.cli.app import run


@pytest.fixture
def run_here(crant: Crant) -> Crant:
    """1 and 2 are asked for; 3 has more input than what comes from them."""
    pre = [1, 1, 1, 2, 2, 3, 4, 4, 4, 4, 5, 3, 1]
    post = [2, 3, 3, 3, 1, 1, 3, 3, 2, 5, 5, 3, 1]
    parquet_file("s.parquet", id=list(range(13)), pre=pre, post=post, size=[9] * 12 + [1])
    Path("cells.csv").write_text("root_id,cell_type\n1,A\n2,A\n3,B\n4,B\n5,C\n")
    return crant


def fractions(out: str) -> dict[tuple[int, int], float]:
    found = pd.read_parquet(out)
    return {(int(row.pre), int(row.post)): row.fraction for row in found.itertuples()}


def made(run_here: Crant, *more: str, of: str = "s.parquet", out: str = "some.parquet") -> str:
    ran = run_here("connectivity", of, "-n", "1,2", "--no-upstream", "-o", out, *more)
    assert ran.code == 0, ran.err
    return out


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")
@SETTINGS
@given(data=st.data())
def test_fractions_of_a_file_are_those_of_the_whole_table(data: st.DataObject, side: Any) -> None:
    """For any neurons, of synapses and of edges, also where a threshold has thinned the file."""
    drawn: Drawn = data.draw(synapse_tables() | edge_tables(tidy=True))
    neurons = data.draw(asked(drawn))
    threshold = data.draw(st.sampled_from([None, 2]))
    with TemporaryDirectory() as folder:
        compared(Path(folder), drawn.frame, neurons, side, threshold)


def compared(folder: Path, frame: pd.DataFrame, neurons: list[Neuron], side: Any, threshold: int | None) -> None:
    """Fractions of the whole table for some neurons, and of the file of these."""
    source, out, ids = folder / "t.parquet", folder / "some.parquet", folder / "ids.txt"
    frame.to_parquet(source, index=False)
    ids.write_text("".join(f"{neuron}\n" for neuron in neurons))
    more = ["-t", str(threshold)] if threshold else []
    wanted = ["-n", f"@{ids}", "--normalize", side, "--sum-duplicates", "-q", *more]
    code = run(["connectivity", str(source), *wanted, "-o", str(out)])
    assert code in (0, 3)
    expected = pd.read_parquet(out) if code == 0 else []
    if len(expected):
        found = cc.ask(cc.questions.Connectivity(normalize=side), source=out, **AS_DRAWN)
        shown = ["pre", "post", "weight", "fraction"]
        assert found[shown].to_dict("list") == expected[shown].to_dict("list")


def test_the_next_command_takes_them(run_here: Crant) -> None:
    """In Parquet and Feather, sorted, as a matrix, and for the fractions of a nested matrix."""
    expected = {(1, 3): 2 / 5, (2, 3): 1 / 5, (1, 2): 1 / 2, (2, 1): 1 / 2}
    for out in ("some.parquet", "some.feather"):
        made(run_here, "--normalize", "input", out=out)
        ran = run_here("connectivity", out, "--normalize", "input", "-o", "again.parquet")
        assert "as it tells, if that was whole" in ran.err
        assert fractions("again.parquet") == expected
    assert run_here("sort", "some.parquet", "-o", "sorted.parquet").code == 0
    assert run_here("connectivity", "sorted.parquet", "--normalize", "input", "-o", "again.parquet").code == 0
    assert fractions("again.parquet") == expected
    assert run_here("adjacency", "some.parquet", "-o", "m.npz").code == 0
    assert run_here("connectivity", "m.npz", "--normalize", "input", "-o", "again.parquet").code == 0
    assert fractions("again.parquet") == expected
    relative = ("--weight-mode", "relative_incoming", "--normalization-scope", "all", "--directed", "-a", "cells.csv")
    ran = run_here("nested", "some.parquet", *relative, "-o", "n.csv")
    assert ran.code == 0, ran.err
    assert pd.read_csv("n.csv", index_col=0).loc[1, "3"] == 2 / 5
    ran = run_here("synapses", "s.parquet", "--pre", "1,2", "--min-fraction", "0.3", "-o", "strong.parquet")
    assert ran.code == 0, ran.err
    assert record("strong.parquet")["totals"]["input"] == {"1": 2, "2": 2, "3": 5}


def test_what_is_told_and_what_is_not(run_here: Crant) -> None:
    assert record(made(run_here, "--normalize", "input"))["totals"] == {"input": {"1": 2, "2": 2, "3": 5}}
    assert "all input of 3 neurons in the table" in run_here("info", "some.parquet").text
    for more in ([], ["--by", "type", "-a", "cells.csv", "--normalize", "input"], ["--weight", "sum:size"]):
        assert "totals" not in record(made(run_here, *more))
    assert run_here("connectivity", "s.parquet", "--normalize", "input", "-o", "all.parquet").code == 0
    assert "totals" not in record("all.parquet")
    ran = run_here("connectivity", "s.parquet", "--normalize", "input", "--min-fraction", "0.3", "-o", "thin.parquet")
    assert ran.code == 0
    assert record("thin.parquet")["totals"]["input"]["3"] == 5


@pytest.mark.parametrize(
    ("made_with", "asked"),
    [
        (["--no-clean"], []),  # totals with autapses are not those of rows without
        (["--normalize", "output"], ["--normalize", "input"]),
        ([], ["--where", "weight >= 1"]),
        ([], ["--undirected", "--sum-duplicates"]),
        ([], ["--pre-col", "post", "--post-col", "pre"]),
        ([], ["--weight-col", "fraction"]),
    ],
)
def test_totals_of_other_rows_are_not_taken(run_here: Crant, made_with: list[str], asked: list[str]) -> None:
    made(run_here, "--normalize", "input", *made_with)
    ran = run_here("connectivity", "some.parquet", "--normalize", "input", *asked, "-o", "again.parquet")
    complaint(ran, 3, "fractions of input cannot be told")


def test_totals_that_cannot_be_are_refused(run_here: Crant) -> None:
    """A record that somebody wrote over says nothing, and numbers less than what is there are an error."""
    made(run_here, "--normalize", "input")
    written = pq.read_table("some.parquet")
    told = json.loads(written.schema.metadata[b"crantcli"])
    for totals, words in (
        ({"input": {"1": -1, "2": 2, "3": 5}}, "fractions of input cannot be told"),
        ({"input": {"1": "2", "2": 2, "3": 5}}, "fractions of input cannot be told"),
        ({"input": {"1": 2, "2": 2}}, "fractions of input cannot be told"),
        ({"input": {"1": 2, "2": 2, "3": 1}}, "do not belong together"),
    ):
        text = json.dumps({**told, "totals": totals})
        pq.write_table(written.replace_schema_metadata({b"crantcli": text.encode()}), "odd.parquet")
        complaint(run_here("connectivity", "odd.parquet", "--normalize", "input", "-o", "again.parquet"), 3, words)
