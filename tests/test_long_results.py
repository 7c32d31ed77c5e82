"""`--max-result`: a table that is too long for one file is a folder of files, and one table to every command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE, Crant
from tables import record

from crantcli.core import row_parts
from crantcli.core.row_parts import part_sizes
from crantcli.errors import CrantError
from crantcli.output import row_parts as writing

SYNAPSES = SAMPLE / "synapses.parquet"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(crant: Crant) -> Path:
    """1,969 edges in four files."""
    ran = crant("connectivity", SYNAPSES, "-t", 5, "--max-result", 500, "-o", "edges.parquet")
    assert ran.code == 0, ran.err
    assert "edges.parquet is a folder of Parquet files, since it has more than 500 rows" in ran.err
    return Path("edges.parquet")


@pytest.mark.parametrize("command", ["connectivity", "synapses", "counts", "sort"])
def test_the_rows_are_those_of_one_file(crant: Crant, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert crant(command, SYNAPSES, "-q", "-o", "whole.parquet").code == 0
    whole = pq.read_table("whole.parquet")
    most = len(whole) // 3
    monkeypatch.setattr(row_parts, "PART_ROWS", most // 2)
    assert crant(command, SYNAPSES, "-q", "-o", "in.parts.parquet", "--max-result", most).code == 0
    files = sorted(Path("in.parts.parquet").glob("part-*.parquet"))
    assert len(files) == len(part_sizes(len(whole), most)) >= 6
    assert max(pq.read_metadata(file).num_rows for file in files) == most // 2
    assert pd.concat(map(pd.read_parquet, files), ignore_index=True).equals(whole.to_pandas())
    if command != "counts":  # which nobody reads again
        for name in ("whole", "in.parts"):
            assert crant("sort", f"{name}.parquet", "-q", "-o", f"{name}.csv").code == 0
        assert Path("whole.csv").read_bytes() == Path("in.parts.csv").read_bytes()


def test_a_result_of_just_as_many_rows_is_one_file(crant: Crant) -> None:
    words = ("connectivity", SYNAPSES, "-t", 5, "-o", "edges.parquet", "-q", "--max-result")
    assert crant(*words, 1969).code == 0
    assert Path("edges.parquet").is_file()
    assert crant(*words, 1968).code == 0  # and a file is replaced as by a file
    assert sorted(file.name for file in Path("edges.parquet").iterdir()) == [
        "manifest.json", "part-01.parquet", "part-02.parquet",
    ]  # fmt: skip


def test_other_formats_are_one_file(crant: Crant) -> None:
    for suffix in ("csv", "feather"):
        assert crant("connectivity", SYNAPSES, "-t", 5, "-o", f"e.{suffix}", "--max-result", 10).code == 0
        assert Path(f"e.{suffix}").is_file()


def test_the_bytes_do_not_depend_on_threads(crant: Crant) -> None:
    found = []
    for threads in (1, 4):
        words = ("synapses", SYNAPSES, "-q", "-o", "out.parquet", "--max-result", 9000, "--threads", threads)
        assert crant(*words).code == 0
        found.append({file.name: file.read_bytes() for file in Path("out.parquet").iterdir()})
        shutil.rmtree("out.parquet")
    assert found[0] == found[1]
    assert len(found[0]) == 6


def test_the_whole_says_what_one_file_would(crant: Crant, folder: Path) -> None:
    assert crant("connectivity", SYNAPSES, "-t", 5, "-q", "-o", "whole.parquet").code == 0
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    told = {name: value for name, value in manifest.items() if name not in ("files", "row_parts")}
    assert told == record(Path("whole.parquet"))
    assert [part["rows"] for part in manifest["row_parts"]] == [500, 500, 500, 469]
    assert "rows        1,969" in crant("info", folder).text
    # It is complete for what the whole is, and a part of it for nothing.
    assert crant("connectivity", SYNAPSES, "--max-result", 5000, "-q", "-o", "all.parquet").code == 0
    ran = crant("connectivity", "all.parquet", "--normalize", "input", "-o", "f.csv")
    assert ran.code == 0, ran.err
    ran = crant("connectivity", "all.parquet/part-02.parquet", "--normalize", "input")
    assert ran.code == 3
    assert "being part 2 of" in ran.err
    assert "part-02.parquet: part 2 of" in crant("connectivity", "all.parquet/part-02.parquet", "-o", "p.csv").err


@pytest.mark.parametrize("harm", ["gone", "cut", "damaged", "more", "exchanged", "of another", "manifest", "list"])
def test_what_is_not_the_table_any_more_is_refused_by_name(crant: Crant, folder: Path, harm: str) -> None:
    second, name = folder / "part-02.parquet", "part-02.parquet"
    if harm == "gone":
        second.unlink()
    elif harm == "cut":
        second.write_bytes(second.read_bytes()[:-100])
    elif harm == "damaged":
        data = bytearray(second.read_bytes())
        data[4:400] = bytes(396)
        second.write_bytes(bytes(data))
    elif harm == "more":
        name = "part-05.parquet"
        shutil.copy(second, folder / name)
    elif harm == "exchanged":
        second.rename("kept")
        (folder / "part-03.parquet").rename(second)
        Path("kept").rename(folder / "part-03.parquet")
    elif harm == "of another":
        assert crant("connectivity", SYNAPSES, "-t", 4, "--max-result", 500, "-q", "-o", "o.parquet").code == 0
        shutil.copy("o.parquet/part-02.parquet", second)
    else:
        name, path = "manifest.json", folder / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        manifest["row_parts"] = 5
        path.write_text("{" if harm == "manifest" else json.dumps(manifest), encoding="utf-8")
    ran = crant("connectivity", folder, "-o", "out.csv")
    assert (ran.code, Path("out.csv").exists()) == (3, False), ran.err
    assert name in ran.err


def test_a_folder_is_not_written_into(crant: Crant, folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for most in (500, 5000):
        ran = crant("connectivity", SYNAPSES, "-t", 4, "-o", folder, "--max-result", most)
        assert ran.code == 2
        assert f"{folder} is a folder" in ran.err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_failure_leaves_nothing_behind(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    written = writing.write_parquet

    def fails(batches: object, path: Path, metadata: object) -> None:
        if path.name == "part-03.parquet":
            raise CrantError("the disk is full")
        written(batches, path, metadata)  # type: ignore[arg-type]

    monkeypatch.setattr(writing, "write_parquet", fails)
    ran = crant("connectivity", SYNAPSES, "-t", 5, "--max-result", 500, "-o", "edges.parquet")
    assert (ran.code, list(Path().iterdir())) == (1, [])
    Path("edges.parquet").write_bytes(b"before")
    assert crant("connectivity", SYNAPSES, "-t", 5, "--max-result", 500, "-o", "edges.parquet").code == 1
    assert [file.name for file in Path().iterdir()] == ["edges.parquet"]
    assert Path("edges.parquet").read_bytes() == b"before"


def test_less_than_a_row_is_refused(crant: Crant) -> None:
    assert crant("connectivity", SYNAPSES, "--max-result", 0, "-o", "e.parquet").code == 2
