"""The folder that `crantcli neuropil` makes: whole or not at all, replaced or refused, the same bytes every time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from boxes import cells, few
from conftest import SAMPLE, Crant
from tables import complaint
from test_process import limited, start, temporary, tiny_disk
from waiting import wait_for

from crantcli.output import atomic

pytestmark = pytest.mark.slow

__all__ = ["tiny_disk"]

USUAL = ("few.parquet", "--meshes", "meshes", "--coordinates", "nm", "--no-plot", "--assignments-only", "-o", "out")
FILES = ["assignments.parquet", "manifest.json", "summary.csv"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, meshes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few().to_parquet("few.parquet")
    cells().to_csv("types.csv", index=False)
    os.symlink(meshes, "meshes")


def content(folder: str = "out") -> dict[str, bytes]:
    """Name and bytes of every file."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_it_needs_a_folder_of_its_own(crant: Crant) -> None:
    complaint(crant("neuropil", *USUAL[:-2]), 2, "--output FOLDER")
    complaint(crant("neuropil", *USUAL[:-1], "-"), 2, "--output FOLDER")
    complaint(crant("neuropil", *USUAL[:-1], "few.parquet"), 2, "is a file")
    said = complaint(crant("neuropil", *USUAL[:-1], "nowhere/out"), 2, "nowhere/out: there is no folder nowhere")
    assert "manifest" not in said
    for around in (".", ".."):
        complaint(crant("neuropil", *USUAL[:-1], around), 2, "the current folder")
    assert temporary(Path()) == []


def test_a_folder_of_somebody_else_is_refused(crant: Crant) -> None:
    Path("out").mkdir()
    Path("out/.DS_Store").touch()
    assert crant("neuropil", *USUAL).code == 0  # as good as empty
    Path("out/manifest.json").write_text("[]")
    complaint(crant("neuropil", *USUAL), 2, "not empty", "manifest.json")
    Path("out/manifest.json").unlink()
    complaint(crant("neuropil", *USUAL), 2, "not empty", "manifest.json")
    assert sorted(content()) == ["assignments.parquet", "summary.csv"]


def test_a_folder_of_ours_is_replaced_whole(crant: Crant) -> None:
    words = [word for word in USUAL if word != "--assignments-only"]
    assert crant("neuropil", *words, "-a", "types.csv").code == 0
    assert "A.matrix.npz" in content()
    assert crant("neuropil", *USUAL).code == 0
    assert sorted(content()) == FILES
    assert temporary(Path()) == []


def test_files_of_others_in_our_folder_are_not_deleted(crant: Crant) -> None:
    assert crant("neuropil", *USUAL).code == 0
    Path("out/notes.txt").write_text("mine")
    complaint(crant("neuropil", *USUAL), 2, "notes.txt", "would be replaced")
    assert Path("out/notes.txt").read_text() == "mine"


def test_an_input_in_the_folder_is_refused(crant: Crant) -> None:
    assert crant("neuropil", *USUAL).code == 0
    ran = crant("neuropil", "out/assignments.parquet", *USUAL[1:], "--pre-col", "id", "--post-col", "neuropil")
    complaint(ran, 2, "holds assignments.parquet, an input")
    assert sorted(content()) == FILES


def test_a_link_stays_a_link(crant: Crant) -> None:
    Path("real").mkdir()
    os.symlink("real", "out")
    assert crant("neuropil", *USUAL).code == 0
    assert Path("out").is_symlink()
    assert sorted(content("real")) == FILES


@pytest.mark.parametrize("can", [True, False])
def test_there_is_always_one_of_both_folders(crant: Crant, monkeypatch: pytest.MonkeyPatch, can: bool) -> None:
    """The old one goes as the new one comes; where the system cannot exchange them, it comes back after a failure."""
    assert crant("neuropil", *USUAL).code == 0
    before = content()
    if not can:
        monkeypatch.setattr(atomic, "_exchanged", lambda *_: False)
    assert crant("neuropil", *USUAL, "--no-include-other").code == 0
    assert content() != before
    old, rename = content(), os.rename

    def interrupted(one: Path, other: Path) -> None:
        rename(one, other)
        raise KeyboardInterrupt

    monkeypatch.setattr("crantcli.output.atomic.os.rename", interrupted)
    assert crant("neuropil", *USUAL).code == (0 if can else 130)
    assert (content() == old) == (not can)
    assert temporary(Path()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is known to exchange two names")
def test_names_are_exchanged_in_one_step() -> None:
    for name in ("one", "other"):
        Path(name).mkdir()
        Path(name, name).touch()
    assert atomic._exchanged(Path("one"), Path("other"))
    assert (os.listdir("one"), os.listdir("other")) == (["other"], ["one"])
    assert not atomic._exchanged(Path("one"), Path("nobody"))


# Failures and signals.


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_run_that_is_stopped_leaves_the_old_folder(crant: Crant, number: signal.Signals, code: int) -> None:
    assert crant("neuropil", *USUAL).code == 0
    before = content()
    Path("spill").mkdir()
    words = [word for word in USUAL if word not in ("--assignments-only", "--no-plot")]
    process = start("neuropil", *words, "-a", "types.csv", "--tmp-dir", "spill", "--dpi", 300, "--figsize", "6,6")
    try:
        assert wait_for(lambda: list(Path().glob(".out.crantcli-*/A.order.csv")), process), process.communicate()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out, err) == (code, b"", b"")
    assert content() == before
    killed = number == signal.SIGKILL
    assert (len(temporary(Path())), len(temporary(Path("spill")))) == (killed, killed)
    assert crant("neuropil", *USUAL, "--tmp-dir", "spill").code == 0
    assert temporary(Path()) == temporary(Path("spill")) == []


def test_a_full_disk_leaves_the_old_folder(crant: Crant, tiny_disk: Path) -> None:
    assert crant("neuropil", *USUAL[:-1], tiny_disk / "out").code == 0
    before = content(str(tiny_disk / "out"))
    some = ["--neuropils", "ellipsoid_body,fan_shaped_body", "--no-plot"]
    words = ["-d", str(SAMPLE / "sample.toml"), *some, "-o", str(tiny_disk / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "crantcli", "neuropil", *words], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, b""), done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert b"Exception ignored" not in done.stderr
    assert b".crantcli-" not in done.stderr, done.stderr
    assert content(str(tiny_disk / "out")) == before
    assert os.listdir(tiny_disk) == ["out"]


def test_a_file_that_may_not_grow_leaves_the_old_folder(crant: Crant) -> None:
    assert crant("neuropil", *USUAL).code == 0
    before = content()
    done = limited("neuropil", "-d", SAMPLE / "sample.toml", "-o", "out", "--max-memory", "500MB", "--tmp-dir", ".")
    assert (done.returncode, done.stdout) == (1, b""), done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert b"too large" in done.stderr
    assert content() == before
    assert temporary(Path()) == []


# Bytes.


def test_the_same_bytes_whatever_the_threads_and_batches(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the pictures, which are tested by themselves, of a table in many batches; in a few of one."""
    table = pd.concat([few()] * 2000, ignore_index=True)
    table.assign(id=[n * 7919 % 10_007 for n in range(len(table))]).to_parquet("few.parquet")
    words = [word for word in USUAL if word not in ("--assignments-only", "out")]
    found = []
    for number, batch in ((1, 500_000), (2, 999), (3, 4_096)):
        monkeypatch.setattr("crantcli.engine.division.BATCH", batch)
        ran = crant("neuropil", *words, f"out{number}", "-a", "types.csv", "--threads", number)
        assert ran.code == 0, ran.err
        found.append(content(f"out{number}"))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 4 * 4 + 3


def test_pictures_have_the_same_bytes(crant: Crant) -> None:
    words = [word for word in USUAL if word not in ("--assignments-only", "--no-plot")]
    pictures = []
    for _ in range(2):
        assert crant("neuropil", *words, "-a", "types.csv", "--dpi", 20, "--neuropils", "A").code == 0
        pictures.append({name: data for name, data in content().items() if name.endswith(".png")})
    assert list(pictures[0]) == list(pictures[1])
    assert set(pictures[0]) == {"A.png", "other.png", "summary.png"}
    assert pictures[0] == pictures[1]


def test_info_of_the_folder(crant: Crant) -> None:
    crant("neuropil", *USUAL)
    found = crant("info", "out")
    assert found.code == 0, found.err
    lines = found.text.splitlines()
    assert lines[:3] == ["file        out", "kind        neuropils", "rows        5"]
    assert "input       few.parquet" in found.text
    assert "5  kept" in found.text
    assert "kind        assignments" in crant("info", "out/assignments.parquet").text
    Path("else").mkdir()
    complaint(crant("info", "else"), 2, "manifest.json")
