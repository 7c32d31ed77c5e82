"""`partition`: a table in parts that are the whole again, and say what they are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from strategies import AS_DRAWN, SETTINGS, Drawn, cell, edge_tables, synapse_tables, tuples
from tables import ONE, TWO, complaint, ledger, parquet_file, record, text_file
from test_ordering import random_table

import crantcli as cc
from crantcli.cli.app import run
from crantcli.engine import duckdb, ordering

pytestmark = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")


def pre_of(frame: pd.DataFrame) -> list[Any]:
    """The presynaptic neurons of all rows."""
    name = "pre" if "pre" in frame else "pre_pt_root_id"
    return [cell(value) for value in frame[name]]


@SETTINGS
@given(table=synapse_tables() | edge_tables(), number=st.integers(2, 5))
def test_parts_are_the_sorted_table_cut_between_neurons(table: Drawn, number: int) -> None:
    whole = cc.ask(cc.questions.Sort(), source=table.frame, clean=False, **AS_DRAWN)
    with TemporaryDirectory() as folder:
        files = cc.partition_table(table.frame, Path(folder, "parts"), number, **AS_DRAWN)
        frames = [pd.read_parquet(file, dtype_backend="numpy_nullable") for file in files]
        told = [record(file) for file in files]
        manifest = json.loads(Path(folder, "parts", "manifest.json").read_text())
    assert len(files) == number
    assert [row for frame in frames for row in tuples(frame)] == tuples(whole)
    owners = Counter(pre for frame in frames for pre in set(pre_of(frame)))
    assert all(times == 1 for times in owners.values())
    assert not any(None in pre_of(frame) for frame in frames[:-1])
    rows = Counter(pre_of(whole))
    limit = len(whole) / number + max(rows.values(), default=0)
    assert all(len(frame) <= limit + rows[None] for frame in frames), "a neuron's rows are not cut, and no more is over"
    for place, (frame, part) in enumerate(zip(frames, told, strict=True)):
        assert part["ledger"]["read"] == part["ledger"]["kept"] == part["rows"] == len(frame)
        assert part["complete_for"]["part"]["numbers"] == [place + 1]
        assert part["complete_for"]["inputs_of"] == part["complete_for"]["outputs_of"] == []
        within = [f"{first}..{end}" for first, end in part["complete_for"]["part"]["outputs_between"]]
        assert len(within) == bool(set(pre_of(frame)) - {None})
    assert [part["rows"] for part in manifest["parts"]] == [len(frame) for frame in frames]


@pytest.mark.parametrize("text", [False, True])
def test_parts_have_the_same_bytes_however_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bool
) -> None:
    """With one thread or more, with much memory or little; large parts by statements, and bucket by bucket."""
    made = random_table(30_000 if text else 900_000)
    if text:
        made = made.set_column(1, "pre", made["pre"].cast("string"))
    pq.write_table(made, tmp_path / "t.parquet", row_group_size=30_000)
    monkeypatch.setattr(ordering, "_BUCKET", 40_000)
    found = []
    ways = [(1, ["--threads", "1"]), (1, ["--threads", "4"]), (1, ["--max-memory", "100MB"])]
    ways += [] if text else [(10**9, [])]
    for least, more in ways:
        monkeypatch.setattr(duckdb, "ORDERED_FROM", least)
        out = tmp_path / "parts"
        assert run(["partition", str(tmp_path / "t.parquet"), "--parts", "3", "-o", str(out), "-q", *more]) == 0
        found.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert sorted(found[0]) == ["manifest.json", "part-01.parquet", "part-02.parquet", "part-03.parquet"]
    assert all(other == found[0] for other in found[1:])
    assert record(tmp_path / "parts" / "part-02.parquet")["complete_for"]["part"]["numbers"] == [2]


def test_one_id_for_several_neurons_is_seen_before_they_are_apart(crant: Crant) -> None:
    """Each part alone would look sound, and the whole is refused."""
    parquet_file("s.parquet", id=[1, 2, 1], pre=[ONE, ONE, TWO], post=[5, 6, 5])
    said = complaint(
        crant("partition", "s.parquet", "--parts", "2", "-o", "parts"), 3, "synapse 1 stands for different"
    )
    assert str(ONE) in said
    assert not Path("parts").exists()
    parquet_file("s.parquet", id=[1, 2, 1], pre=[ONE, ONE, ONE], post=[5, 6, 5])
    assert crant("partition", "s.parquet", "--parts", "2", "-o", "parts").code == 0
    assert record("parts/part-01.parquet")["unique_ids"] is False
    assert ledger(crant("counts", "parts", "--json")) == {"read": 3, "duplicate": 1, "kept": 2}


def test_rows_without_neurons_and_parts_without_rows(crant: Crant) -> None:
    parquet_file("e.parquet", pre=[7, None, 7, None], post=[1, 1, None, None], weight=[1, 2, 3, 4])
    ran = crant("partition", "e.parquet", "--allow-null", "--parts", "4", "-o", "parts")
    assert "2 rows without a presynaptic ID stand in the last part" in ran.err
    rows = [pq.read_metadata(f"parts/part-0{number}.parquet").num_rows for number in (1, 2, 3, 4)]
    assert (sum(rows), rows[3], rows.count(0)) == (4, 2, 2)
    for number in (1, 2, 3, 4):
        assert crant("connectivity", f"parts/part-0{number}.parquet", "-o", f"e{number}.parquet").code == 0
    assert crant("merge", "e?.parquet").out == b"pre,post,weight\n7,1,1\n"
    assert "kind        partition" in crant("info", "parts").text


def test_conditions_count_and_files_of_text_are_parted(crant: Crant) -> None:
    text_file("e.csv.gz", "from,to,weight,note\na,b,1,x\nb,a,2,y\n007,7,3,\n7,a,3,\n")
    ran = crant("partition", "e.csv.gz", "--where", "weight >= 2", "--parts", "2", "-o", "parts", "--json")
    assert ledger(ran) == {"read": 4, "where": 1, "kept": 3}
    # 007 and 7 are two names, here and in each part.
    assert record("parts/part-01.parquet")["text_ids"] == ["pre_pt_root_id", "post_pt_root_id"]
    assert crant("connectivity", "parts/part-01.parquet", "parts/part-02.parquet").text.count("\n") == 4
    assert crant("connectivity", "parts/part-01.parquet").out == b"pre,post,weight\n007,7,3\n"


def test_signs_units_and_totals_stay(crant: Crant) -> None:
    parquet_file("e.parquet", pre=[1, 2], post=[2, 1], weight=[-1, 2])
    assert crant("partition", "e.parquet", "--signed", "--parts", "2", "-o", "parts").code == 0
    assert crant("connectivity", "parts").code == 0
    parquet_file("s.parquet", id=[1, 2], pre=[1, 2], post=[2, 1], x=[8, 16], y=[8, 8], z=[42, 42])
    told = ("--coordinates", "nm", "--voxel-size", "8,8,42")
    assert crant("synapses", "s.parquet", *told, "-o", "nm.parquet").code == 0
    assert crant("partition", "nm.parquet", "--parts", "2", "-o", "parts").code == 0
    assert crant("synapses", "parts/part-02.parquet", "--units", "pixels").code == 0
    parquet_file("e.parquet", pre=[1, 2, 3], post=[2, 1, 1], weight=[1, 2, 4])
    share = ("connectivity", "-n", "1", "--no-downstream", "--normalize", "input")
    assert crant(*share, "e.parquet", "-t", "3", "-o", "strong.parquet").code == 0
    assert crant("partition", "strong.parquet", "--parts", "2", "-o", "parts").code == 0
    assert crant(*share, "parts").out == crant(*share, "strong.parquet").out


def test_what_is_not_partitioned(crant: Crant) -> None:
    parquet_file("s.parquet", id=[1, 2], pre=[1, 2], post=[2, 1])
    for number in ("1", "0", "10001"):
        complaint(crant("partition", "s.parquet", "--parts", number, "-o", "parts"), 2, "parts")
    complaint(crant("partition", "s.parquet", "--parts", "2"), 2, "--output FOLDER")
    complaint(crant("partition", "-d", "crantb", "--parts", "2", "-o", "parts"), 2, "a table in a file")
    text_file("m.csv", "pre/post,1,2\n1,0,3\n2,4,0\n")
    complaint(crant("partition", "m.csv", "--parts", "2", "-o", "parts"), 3, "adjacency")
    assert crant("partition", "s.parquet", "--parts", "2", "-o", "parts").code == 0
    complaint(crant("partition", "parts/part-01.parquet", "--parts", "2", "-o", "again"), 3, "parts of a partition")
    complaint(crant("partition", "parts", "--parts", "2", "-o", "parts"), 2, "an input")
    assert crant("partition", "parts", "--parts", "2", "-o", "again").code == 0  # all parts are the table
    with pytest.raises(cc.UsageError, match="partition_table"):
        cc.ask(cc.questions.Partition(2), source="s.parquet")
    with pytest.raises(cc.UsageError, match="parts=1"):
        cc.partition_table("s.parquet", "other", 1)
    assert not Path("other").exists()
