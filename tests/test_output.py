"""What is written: every format, the same bytes every time, whole or not at all, and how it came about inside."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from conftest import SAMPLE, Crant
from tables import ONE, answer, complaint, ledger, parquet_file, record, text_file, weights

from crantcli import __version__
from crantcli.errors import CrantError
from crantcli.output.atomic import outputs
from crantcli.system.temporary import sweep, temporary_name

SYNAPSES, TYPES = SAMPLE / "synapses.parquet", SAMPLE / "annotations.csv"
TABLES = ("parquet", "feather", "csv", "csv.gz", "tsv", "tsv.gz")
PICTURES = ("png", "svg", "pdf")
STEPS = [
    "where", "null", "duplicate", "unselected", "background", "autapse", "size", "threshold", "distance", "unannotated",
]  # fmt: skip


def hidden(folder: Path) -> list[str]:
    """Files whose names start with a dot: temporary ones."""
    return sorted(path.name for path in folder.rglob(".*"))


def provenance(crant: Crant, name: str | Path) -> Any:
    """What `info` says of a file's provenance."""
    found = crant("info", name, "--json")
    assert found.code == 0, found.err
    return json.loads(found.out)["provenance"]


# Formats.


def read_back(path: Path) -> pd.DataFrame:
    """A table in any of our formats, by other programs than ours."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pandas(ignore_metadata=True)
    if path.suffix == ".feather":
        return pyarrow.feather.read_table(str(path)).to_pandas(ignore_metadata=True)
    return pd.read_csv(path, sep="\t" if ".tsv" in path.name else ",")


def test_every_suffix_holds_the_same_table(crant: Crant, tmp_path: Path) -> None:
    expected = None
    assert crant("connectivity", SYNAPSES, "-t", "20", "-o", "small.parquet").code == 0
    for suffix in TABLES:
        done = crant("connectivity", "small.parquet", "-o", f"Edges.{suffix.upper()}")
        assert (done.code, done.out) == (0, b""), done.err
        assert f"-> Edges.{suffix.upper()}" in done.err
        os.rename(f"Edges.{suffix.upper()}", f"edges.{suffix}")
        found = read_back(Path(f"edges.{suffix}"))
        assert found.dtypes.astype(str).to_dict() == {"pre": "int64", "post": "int64", "weight": "int64"}
        expected = found if expected is None else expected
        pd.testing.assert_frame_equal(found, expected)
    assert expected is not None
    assert len(expected) > 100
    assert Path("edges.csv.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert gzip.decompress(Path("edges.csv.gz").read_bytes()) == Path("edges.csv").read_bytes()
    assert Path("edges.tsv").read_text().startswith("pre\tpost\tweight\n")
    assert hidden(tmp_path) == []


def test_text_in_csv_is_quoted_where_it_must_be(crant: Crant) -> None:
    names = ["a,b", 'say "hi"', "two\nlines", "tab\there", "NA", "ünïcödé", "semi;colon"]
    parquet_file("t.parquet", pre=names, post=["x"] * len(names))
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        assert crant("connectivity", "t.parquet", "--null-text", "", "-o", f"e.{suffix}").code == 0
        with open(f"e.{suffix}", newline="", encoding="utf-8") as file:
            assert sorted(row[0] for row in csv.reader(file, delimiter=delimiter)) == sorted(["pre", *names])
        assert len(weights(crant("connectivity", f"e.{suffix}", "--null-text", ""))) == len(names)


def test_npz_opens_with_scipy_and_names_its_axes(crant: Crant) -> None:
    text_file("t.csv", f"pre,post,weight\n{ONE},20,2\n{ONE + 1},30,1\n")
    assert crant("adjacency", "t.csv", "-o", "a.npz").code == 0
    matrix = scipy.sparse.load_npz("a.npz")
    assert matrix.toarray().tolist() == [[2, 0], [0, 1]]
    with np.load("a.npz") as archive:
        assert archive["pre"].tolist() == [ONE, ONE + 1]
        assert archive["post"].tolist() == [20, 30]


@pytest.mark.parametrize("suffix", [*TABLES, "npz"])
def test_every_adjacency_goes_back_in(crant: Crant, suffix: str) -> None:
    text_file("t.csv", "pre,post,weight\nER1,EPG/PEG,2\nNA,nan,1\n")
    told = () if suffix in ("parquet", "feather", "npz") else ("--null-text", "")  # our files say what they hold
    assert crant("adjacency", "t.csv", "--null-text", "", "-o", f"a.{suffix}").code == 0
    assert weights(crant("connectivity", f"a.{suffix}", *told)) == {("ER1", "EPG/PEG"): "2", ("NA", "nan"): "1"}


@pytest.mark.parametrize("suffix", PICTURES)
def test_pictures_are_what_their_suffix_says(crant: Crant, suffix: str) -> None:
    text_file("t.csv", "pre,post,weight\n1,20,2\n2,30,1\n")
    done = crant("adjacency", "t.csv", "--plot", f"a.{suffix}")
    assert (done.code, done.out) == (0, b""), done.err
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    assert Path(f"a.{suffix}").read_bytes().startswith(starts[suffix])


# The same bytes.

RUNS = {
    "synapses": ("synapses", SYNAPSES, "--pre", "cell_type~E", "-a", TYPES),
    "connectivity": ("connectivity", SYNAPSES, "-a", TYPES, "--annotate", "cell_type", "--normalize", "input"),
    "counts": ("counts", SYNAPSES),
    "adjacency": ("adjacency", SYNAPSES, "-t", "5"),
}


def digest(path: str) -> str:
    """What tells two files apart."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("command", RUNS)
def test_the_same_bytes_whatever_the_threads(crant: Crant, command: str) -> None:
    suffixes = ["parquet", "feather", "csv.gz"] + ["npz"] * (command == "adjacency")
    for suffix in suffixes:
        made = []
        for threads in (1, 2):
            limits = ("--threads", threads, "--max-memory", f"{threads}GB", "--quiet")
            assert crant(*RUNS[command], *limits, "-o", f"{threads}.{suffix}").code == 0
            made.append(digest(f"{threads}.{suffix}"))
        assert len(set(made)) == 1, suffix


def test_the_same_pictures_from_another_process(crant: Crant) -> None:
    """Hashes of text and memory addresses differ there."""
    text_file("t.csv", "pre,post,weight\nA,B,2\nA,C,100\nD,C,5\n")
    arguments = ["adjacency", "t.csv", "--plot"]
    for suffix in PICTURES:
        assert crant(*arguments, f"a.{suffix}", "--threads", 1).code == 0
    driver = f"from crantcli.cli.app import run\nfor s in {PICTURES}: assert run({arguments} + ['b.' + s]) == 0"
    subprocess.run([sys.executable, "-c", driver], check=True, capture_output=True)
    for suffix in PICTURES:
        assert digest(f"a.{suffix}") == digest(f"b.{suffix}"), suffix


def test_what_stands_below_nulls_is_the_same(crant: Crant) -> None:
    """Nothing of what was in memory gets into a Feather file, and bits of each kind of column stay."""
    kept = {
        "whole": pa.array([None if k % 3 else k for k in range(500)], pa.int64()),
        "small": pa.array([None if k % 5 else k % 100 for k in range(500)], pa.int8()),
        "real": pa.array([None if k % 2 else k / 7 for k in range(500)]),
        "told": pa.array([None if k % 4 else k % 8 == 0 for k in range(500)]),
        "when": pa.array([None if k % 7 else k for k in range(500)], pa.timestamp("us")),
        "exact": pa.array([None if k % 9 else Decimal(k) / 8 for k in range(500)], pa.decimal128(30, 3)),
        "word": pa.array([None if k % 3 else str(k) for k in range(500)]),
        "never": pa.nulls(500, pa.int64()),
    }
    path = Path("t.parquet")
    pq.write_table(pa.table({"id": range(500), "pre": [1] * 500, "post": [2] * 500, **kept}), path)
    assert crant("synapses", path, "-q", "-o", "out.feather").code == 0
    with pa.OSFile("out.feather") as file:
        reader = pa.ipc.open_file(file)
        for batch in (reader.get_batch(number) for number in range(reader.num_record_batches)):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if name in kept:
                    assert column.equals(kept[name]), name
                    content = np.frombuffer(column.buffers()[-1], np.uint8)
                    if name not in ("told", "word"):
                        cells = content[: 500 * column.type.byte_width].reshape(500, -1)
                        assert not cells[np.array(column.is_null())].any(), name


def test_stdout_has_the_bytes_of_a_csv_file(crant: Crant) -> None:
    for command in RUNS.values():
        assert crant(*command, "-o", "file.csv").code == 0
        expected = Path("file.csv").read_bytes()
        assert crant(*command, "-o", "-", "--quiet").out == expected
    assert crant(*RUNS["counts"]).out == crant(*RUNS["counts"], "-o", "-").out


# Provenance.


def test_every_format_carries_the_same_provenance_and_no_more_than_that(crant: Crant, tmp_path: Path) -> None:
    text_file("in/edges.csv", "pre,post,weight\nA,B,2\nA,A,1\n,C,4\nD (x),C\\y,5\n")
    text_file("in/types.csv", 'root_id,label\nA,"ä, (b] and \\ 漢"\nD (x),\n')
    label = 'label="ä, (b] and \\ 漢"'
    named = ("-a", "in/types.csv", "--pre", label, "--pre", "id:D (x)", "--allow-null")
    limits = ("--threads", 1, "--max-memory", "900MB", "--tmp-dir", ".")
    for suffix, picture in (("npz", "png"), ("parquet", "svg"), ("feather", "pdf")):
        done = crant("adjacency", "in/edges.csv", *named, *limits, "-o", f"m.{suffix}", "--plot", f"m.{picture}")
        assert done.code == 0, done.err
    found = record("m.parquet")
    for name in sorted(Path().glob("m.*")):
        told = provenance(crant, name)
        assert ("picture" in told) == (name.suffix in (".png", ".pdf", ".svg"))
        told.pop("picture", None)
        assert told == found, name
        assert str(tmp_path).encode() not in name.read_bytes(), name
    assert (found["crantcli"], found["command"], found["kind"]) == (__version__, "adjacency", "adjacency")
    assert found["options"] == {"allow_null": True, "background_ids": ["0"], "clean": True, "threshold": 1}
    assert found["selection"] == {"pre": {"named": [label, "D (x)"], "neurons": 2}}
    sources = {source["name"]: source for source in found["inputs"]}
    assert set(sources) == {"edges.csv", "types.csv"}
    for name, source in sources.items():
        content = Path("in", name).read_bytes()
        assert source == {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    told = found["ledger"]
    assert sorted(told["removed"]) == sorted(STEPS)
    assert told["read"] == 4 == sum(told["removed"].values()) + told["kept"] + told["merged"]
    assert {step: n for step, n in told["removed"].items() if n} == {"null": 1, "autapse": 1}
    text = json.dumps(found, ensure_ascii=False)
    for word in (
        str(tmp_path),
        "in/",
        "m.npz",
        "threads",
        "memory",
        "900MB",
        "900000000",
        "tmp",
        f"crantcli-{socket.gethostname()}",
    ):
        assert word not in text, word


def test_options_that_bear_on_the_content_are_recorded(crant: Crant) -> None:
    text_file("t.csv", "from,to,weight,neuropil\n1,2,3,A\n1,2,4,A\n2,1,5,B\n")
    text_file("types.csv", "nr,kind\n1,X\n2,Y\n")
    named = ("--pre-col", "from", "--post-col", "to", "--kind", "edges", "--sum-duplicates", "--ignore-case")
    types = ("-a", "types.csv", "--neuron-id-column", "nr", "--cell-type-column", "kind", "-n", "kind=x")
    rules = ("--no-clean", "-t", 2, "--no-upstream", "--top", 3, "--by", "type", "--normalize", "output")
    done = crant("connectivity", "t.csv", *named, *types, *rules, "-o", "e.parquet")
    assert done.code == 0, done.err
    assert record("e.parquet")["options"] == {
        "background_ids": ["0"], "by": "type", "cell_type_column": "kind", "clean": False, "downstream": True,
        "ignore_case": True, "kind": "edges", "neuron_id_column": "nr", "normalize": "output", "post_col": "to",
        "pre_col": "from", "sum_duplicates": True, "threshold": 2, "top": 3, "upstream": False,
    }  # fmt: skip
    parquet_file("s.parquet", id=[1], pre=[1], post=[2], size=[9], ctr_pt_position=[[8, 8, 42]])
    units = ("--coordinates", "nm", "--voxel-size", "8,8,42", "--units", "pixels")
    done = crant("synapses", "s.parquet", "--min-size", 5, *units, "--columns", "id,ctr_pt_position", "-o", "o.parquet")
    assert done.code == 0, done.err
    found = record("o.parquet")
    assert {"min_size": 5, "units": "pixels", "coordinates": "nm", "columns": ["id", "ctr_pt_position"]}.items() <= (
        found["options"].items()
    )
    assert (found["units"], found["voxel_size_nm"]) == ("pixels", [8, 8, 42])


@pytest.mark.parametrize("command", RUNS)
def test_the_ledger_adds_up_on_the_sample(crant: Crant, command: str) -> None:
    found = crant(*RUNS[command], "-o", "o.parquet", "--json")
    told = json.loads(found.out)["ledger"]
    assert told == record("o.parquet")["ledger"]
    assert told["read"] == 40_000 == sum(told["removed"].values()) + told["kept"]


def test_a_large_input_is_told_by_its_ends(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crantcli.sources.tables.files.WHOLE_FINGERPRINT", 1000)
    monkeypatch.setattr("crantcli.sources.tables.files._END", 100)
    prints = []
    content = bytearray(b"pre,post\n" + b"1,2\n" * 1000)
    for position in (None, 50, 2000, len(content) - 5):
        changed = content.copy()
        if position is not None:
            changed[position - position % 4 + 1 : position - position % 4 + 2] = b"3"
        Path("t.csv").write_bytes(changed)
        assert crant("counts", "t.csv", "-o", "c.parquet").code == 0
        prints.append(record("c.parquet")["inputs"][0]["sha256"])
    assert all(text.startswith("ends:") for text in prints)
    assert prints[0] not in (prints[1], prints[3])
    assert prints[0] == prints[2]  # nobody looks at the middle


def test_pandas_restores_units(crant: Crant) -> None:
    assert crant("synapses", "-d", SAMPLE / "sample.toml", "--units", "pixels", "-o", "s.parquet").code == 0
    attributes = {"crantcli": {"units": "pixels", "voxel_size_nm": [8.0, 8.0, 42.0]}}
    assert pd.read_parquet("s.parquet").attrs == attributes
    assert crant("connectivity", "s.parquet", "-o", "e.parquet").code == 0
    assert pd.read_parquet("e.parquet").attrs == {}


# What `info` says.


def test_info_for_people(crant: Crant) -> None:
    run = ("connectivity", SYNAPSES, "-a", TYPES, "-n", "cell_type=ER2", "-t", 5, "-o", "e.parquet")
    assert crant(*run).code == 0
    found = crant("info", "e.parquet")
    assert found.err == ""
    lines = [line.split(maxsplit=1) for line in found.text.splitlines()]
    for expected in (
        ["file", "e.parquet"],
        ["kind", "edges"],
        ["columns", "pre, post, weight"],
        ["made", f"by     crantcli {__version__} connectivity"],
        ["option", "threshold = 5"],
        ["selection", "neurons: cell_type=ER2 (12 neurons)"],
        ["ledger", "40,000 synapses read"],
        ["complete", "for no neuron's totals: thinned by a threshold of 5"],
    ):
        assert expected in lines, expected
    assert sum(line[0] == "input" for line in lines) == 2


@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("s.parquet", "synapses", 2),
        ("s.feather", "synapses", 2),
        ("e.parquet", "edges", 2),
        ("c.feather", "counts", 3),
        ("a.npz", "adjacency", 2),
        ("a.parquet", "adjacency", 2),
        ("a.png", "picture", None),
        ("a.svg", "picture", None),
        ("a.pdf", "picture", None),
    ],
)
def test_info_on_our_files(crant: Crant, name: str, kind: str, rows: int | None) -> None:
    text_file("t.csv", "id,pre,post\n1,10,20\n2,20,30\n")
    command = {"s": "synapses", "e": "connectivity", "c": "counts", "a": "adjacency"}[name[0]]
    option = "--plot" if name.endswith(PICTURES) else "-o"
    assert crant(command, "t.csv", option, name).code == 0
    found = json.loads(crant("info", name, "--json").out)
    assert (found["file"], found["kind"], found["rows"]) == (name, kind, rows)
    assert found["provenance"]["command"] == command
    assert found["provenance"]["complete_for"]["origin"] == "unknown"
    shown = crant("info", name)
    assert (shown.code, shown.err) == (0, "")
    assert f"crantcli {__version__} {command}" in shown.text


def test_info_on_foreign_files(crant: Crant) -> None:
    from matplotlib.figure import Figure

    text_file("s.csv", "pre_pt_root_id,post_pt_root_id\n1,2\n")
    text_file("u.csv", "pre,post,pre_pt_root_id,post_pt_root_id\n1,2,1,2\n")
    text_file("h.csv", "pre,post,weight\n")
    parquet_file("e.parquet", source=[1], target=[2], weight=[3])
    np.savez("n.npz", a=[1, 2])
    for suffix in PICTURES:
        Figure().savefig(f"p.{suffix}")
    expected = {
        "s.csv": ("synapses", 1), "u.csv": ("unclear", 1), "h.csv": ("edges", 0), "e.parquet": ("edges", 1),
        TYPES: ("annotations", 316), "n.npz": ("adjacency", None), "p.png": ("picture", None),
        "p.svg": ("picture", None), "p.pdf": ("picture", None),
    }  # fmt: skip
    for name, (kind, rows) in expected.items():
        found = json.loads(crant("info", name, "--json").out)
        assert (found["kind"].split(":")[0], found["rows"], found["provenance"]) == (kind, rows, None), name
        shown = crant("info", name)
        assert "carries no provenance" in shown.err
        assert crant("info", name, "--quiet").err == ""
    for name, content in {
        "x.png": b"",
        "x.npz": b"PK",
        "x.parquet": b"PAR1",
        "x.csv": b"",
        "x.feather": b"",
        "x.svg": b"",
    }.items():
        text_file(name, content)
        complaint(crant("info", name), 3, name)
    text_file("x.dat", "1\n")
    complaint(crant("info", "x.dat"), 2, "x.dat", "unknown kind of file")


def test_rows_that_others_changed_are_not_believed(crant: Crant) -> None:
    assert crant("synapses", "-d", SAMPLE / "sample.toml", "-o", "s.parquet").code == 0
    assert provenance(crant, "s.parquet")["unique_ids"] is True
    table = pq.read_table("s.parquet")
    pq.write_table(pa.concat_tables([table, table.slice(0, 10)]), "more.parquet")
    pyarrow.feather.write_feather(table.slice(0, 100), "less.feather")
    for name in ("more.parquet", "less.feather"):
        assert record(name)["rows"] == table.num_rows  # the metadata is there as it was
        found = json.loads(crant("info", name, "--json").out)
        assert found["provenance"] is None
        assert found["units"] == "nm"  # rows do not change their unit
    assert ledger(crant("connectivity", "more.parquet", "--json"))["duplicate"] == 10
    assert "origin is not recorded" in crant("connectivity", "less.feather", "--normalize", "input").err
    pq.write_table(table.replace_schema_metadata({b"crantcli": b"{broken"}), "broken.parquet")
    assert provenance(crant, "broken.parquet") is None


# Summaries and notes.


def test_json_says_what_happened(crant: Crant) -> None:
    text_file("t.csv", "pre,post,weight\n1,2,3\n2,2,4\n")
    found = crant("adjacency", "t.csv", "-o", "a.npz", "--plot", "a.svg", "--json")
    told = json.loads(found.out)
    assert told["command"] == "adjacency"
    assert told["outputs"] == ["a.npz", "a.svg"]
    assert told["shape"] == [1, 1]
    assert told["ledger"]["removed"] == {step: int(step == "autapse") for step in STEPS}
    assert list(told["ledger"]["removed"]) == STEPS
    assert "2 edges read, 1 autapse, 1 kept" in found.err
    assert crant("connectivity", "t.csv", "--json", "--quiet").err == ""
    assert json.loads(crant("connectivity", "t.csv", "--json").out)["rows"] == 1


def test_json_keeps_ids_as_text(crant: Crant) -> None:
    text_file("t.csv", f"pre,post,weight\n{ONE},{ONE + 1},3\n")
    assert crant("connectivity", "t.csv", "-n", ONE, "-o", "e.parquet").code == 0
    found = crant("info", "e.parquet", "--json").text
    assert f'"{ONE}"' in found
    assert f" {ONE}" not in found.replace(f'"{ONE}"', "")


def test_quiet_silences_notes_only(crant: Crant) -> None:
    text_file("t.csv", "pre,post,weight,roi\n1,2,3,A\n1,2,4,B\n")
    assert "several neuropils" in crant("connectivity", "t.csv").err
    found = crant("connectivity", "t.csv", "-q")
    assert (found.err, answer(found)) == ("", [("1", "2", "7")])


def test_positions_in_csv_come_with_a_note_on_units(crant: Crant) -> None:
    run = ("synapses", "-d", SAMPLE / "sample.toml", "-o")
    assert "CSV does not record units: the positions are in nm" in crant(*run, "s.csv").err
    assert "units" not in crant(*run, "s.parquet").err
    assert "units" not in crant(*run, "p.csv", "--columns", "id").err


# Whole or not at all.


def test_old_outputs_stay_when_a_run_fails(crant: Crant, tmp_path: Path) -> None:
    text_file("bad.csv", "id,pre,post\n" + "".join(f"{n},{n % 50},{n % 70}\n" for n in range(5000)) + "1,2,3\n")
    for name in ("o.csv", "o.parquet", "o.npz", "o.png"):
        text_file(name, "old")
    complaint(crant("synapses", "bad.csv", "-o", "o.csv"), 3, "synapse 1")
    complaint(crant("connectivity", "bad.csv", "-o", "o.parquet"), 3, "synapse 1")
    complaint(crant("adjacency", "bad.csv", "-o", "o.npz", "--plot", "o.png"), 3, "synapse 1")
    complaint(crant("connectivity", SYNAPSES, "-n", "5", "--fail-empty", "-o", "o.csv"), 4, "nothing is left")
    assert {Path(name).read_text() for name in ("o.csv", "o.parquet", "o.npz", "o.png")} == {"old"}
    assert hidden(tmp_path) == []


def test_a_failing_second_output_leaves_the_first_as_it_was(
    crant: Crant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text_file("t.csv", "pre,post,weight\n1,2,3\n")
    text_file("o.npz", "old")

    def full(*_: Any) -> None:
        assert any(name.startswith(".o.npz.") for name in hidden(tmp_path))  # the first is written, and not in place
        raise CrantError("the disk is full")

    monkeypatch.setattr("crantcli.output.figures.save.save", full)
    complaint(crant("adjacency", "t.csv", "-o", "o.npz", "--plot", "o.png"), 1, "disk is full")
    assert Path("o.npz").read_text() == "old"
    assert not Path("o.png").exists()
    assert hidden(tmp_path) == []


def test_outputs_appear_together(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old")
    with outputs() as pending:
        for path in (one, two):
            temporary = pending.place(str(path))
            assert temporary.parent == tmp_path
            temporary.write_text("new")
        assert (one.read_text(), two.exists()) == ("old", False)
    assert (one.read_text(), two.read_text(), hidden(tmp_path)) == ("new", "new", [])
    with pytest.raises(RuntimeError), outputs() as pending:  # noqa: PT012
        pending.place(str(one)).write_text("newer")
        raise RuntimeError
    assert (one.read_text(), hidden(tmp_path)) == ("new", [])


def test_files_of_dead_processes_are_removed_and_those_of_living_ones_kept(crant: Crant, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    def left_by(process: int, stem: str) -> Path:
        return tmp_path / temporary_name(stem).replace(f"-{os.getpid()}-", f"-{process}-")

    dead, living = left_by(ended.pid, "o.csv"), left_by(os.getppid(), "o.csv")
    other_name, elsewhere = left_by(ended.pid, "x.csv"), tmp_path / ".o.csv.crantcli-another-host-1-0.tmp"
    spill = left_by(ended.pid, "spill")
    spill.mkdir()
    (spill / "blocks").write_text("much")
    for path in (dead, living, other_name, elsewhere):
        path.write_text("half")
    text_file("t.csv", "pre,post\n1,2\n")
    assert crant("connectivity", "t.csv", "-o", "o.csv", "--tmp-dir", ".").code == 0
    assert not dead.exists()
    assert not spill.exists()
    assert living.exists()
    assert elsewhere.exists()
    assert other_name.exists()  # until x.csv is written again
    sweep(tmp_path, "x.csv")
    assert not other_name.exists()


def test_nothing_is_left_in_the_temporary_folder(crant: Crant, tmp_path: Path) -> None:
    Path("tmp").mkdir()
    assert crant("synapses", SYNAPSES, "--tmp-dir", "tmp", "-o", "s.parquet").code == 0
    assert crant("connectivity", "-", "--tmp-dir", "tmp", stdin=b"pre,post\n1,2\n").code == 0
    complaint(crant("connectivity", "-", "--tmp-dir", "tmp", stdin=b"pre,post\n1,2,3\n"), 3, "line 2")
    assert list(Path("tmp").iterdir()) == []


def test_written_files_have_the_usual_permissions(crant: Crant) -> None:
    text_file("t.csv", "pre,post\n1,2\n")
    mask = os.umask(0o027)
    try:
        for name in ("o.csv", "o.parquet", "o.feather"):
            assert crant("connectivity", "t.csv", "-o", name).code == 0
        assert crant("adjacency", "t.csv", "-o", "o.npz", "--plot", "o.png").code == 0
    finally:
        os.umask(mask)
    assert {oct(path.stat().st_mode & 0o777) for path in Path().glob("o.*")} == {"0o640"}


def test_an_answer_can_be_read_while_it_is_written(crant: Crant) -> None:
    """CSV on stdout is read by pandas as it comes."""
    found = pd.read_csv(io.BytesIO(crant("synapses", SYNAPSES).out))
    assert len(found) == 38_765
    assert found["id"].is_unique
