"""Sources that are pipes, such as a shell makes of <(command), stdin under its other names, and what is no source."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Crant
from tables import answer, complaint, feather_file, parquet_file, record, text_file
from test_process import PROGRAM, start
from waiting import wait_for

pytestmark = pytest.mark.slow

EDGES = b"pre,post,weight\n1,2,2\n2,3,1\n"
CRANTCLI = " ".join(PROGRAM)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crant: Crant) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "pre,post\n1,2\n1,2\n2,3\n"
    text_file("s.csv", rows)
    text_file("s.tsv", rows.replace(",", "\t"))
    text_file("s.csv.gz", rows)
    parquet_file("s.parquet", pre=[1, 1, 2], post=[2, 2, 3])
    feather_file("s.feather", pre=[1, 1, 2], post=[2, 2, 3])
    assert crant("adjacency", "s.csv", "-o", "s.npz").code == 0
    text_file("types.csv", "root_id,cell_type\n1,A\n2,B\n3,B\n")
    Path("spill").mkdir()


def shell(command: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def filled(**pipes: str) -> Iterator[None]:
    """Named pipes into which the content of a file is written once."""
    threads = []
    for name, file in pipes.items():
        os.mkfifo(name)
        content = Path(file).read_bytes()
        threads.append(threading.Thread(target=Path(name).write_bytes, args=(content,)))
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "parquet", "feather", "npz"])
def test_a_pipe_gives_what_its_file_gives(crant: Crant, suffix: str) -> None:
    """Its format is told by its first bytes, whatever the pipe is called."""
    with filled(pipe=f"s.{suffix}"):
        piped = crant("connectivity", "pipe", "--tmp-dir", "spill")
    assert piped.out == EDGES, piped.err
    assert os.listdir("spill") == []
    done = shell(f"{CRANTCLI} connectivity <(cat s.{suffix}) -q")
    assert (done.stdout, done.stderr) == (EDGES, b"")
    done = shell(f"cat s.{suffix} | {CRANTCLI} connectivity - -q")
    assert (done.stdout, done.stderr) == (EDGES, b"")


def test_a_pipe_from_zcat() -> None:
    assert shell(f"{CRANTCLI} connectivity <(zcat s.csv.gz) -q").stdout == EDGES


def test_every_input_may_be_a_pipe(crant: Crant) -> None:
    by_type = b"pre,post,weight,pre_neurons,post_neurons\nA,B,2,1,1\nB,B,1,1,1\n"
    with filled(pipe="s.csv", labels="types.csv"):
        assert crant("connectivity", "pipe", "-a", "labels", "--by", "type").out == by_type
    text_file("ids", "1\n")
    with filled(chosen="ids"):
        assert answer(crant("connectivity", "s.csv", "-n", "@chosen")) == [("1", "2", "2")]
    with filled(columns="types.csv"):
        assert crant("connectivity", "s.csv", "-n", "@columns:root_id").out == EDGES
    text_file("order", "B\nA\n")
    with filled(order_of_types="order"):
        done = crant(
            "nested",
            "s.csv",
            "-a",
            "types.csv",
            "--weight-mode",
            "count",
            "--directed",
            "--type-order",
            "@order_of_types",
        )
    assert done.out == b"pre/post,2,3\n2,0,1\n1,2,0\n"
    assert crant("counts", "s.csv", "-o", "totals.csv").code == 0
    with filled(whole="totals.csv"):
        done = crant("connectivity", "s.csv", "--normalize", "input", "--totals", "whole")
    assert [row[3] for row in answer(done)] == ["1.0", "1.0"]
    text_file("sites.csv", "id,pre,post\n1,1,2\n2,2,3\n")
    text_file("in.csv", "id,neuropil\n1,EB\n")
    with filled(members="in.csv"):
        done = crant("connectivity", "sites.csv", "--assignments", "members", "--neuropil", "EB")
    assert answer(done) == [("1", "2", "1")]
    with filled(looked_at="s.parquet"):
        assert "looked_at\nkind        synapses\nrows        3\n" in crant("info", "looked_at").text


def test_several_pipes() -> None:
    done = shell(f"{CRANTCLI} connectivity <(cat s.csv) <(cat s.parquet) -q")
    assert done.stdout == b"pre,post,weight\n1,2,4\n2,3,2\n"
    done = shell(f"{CRANTCLI} connectivity <(cat s.csv) -a <(cat types.csv) -n @<(echo 1) -q")
    assert done.stdout == b"pre,post,weight\n1,2,2\n"


def test_stdin_under_its_other_names() -> None:
    for name in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
        assert shell(f"cat s.csv | {CRANTCLI} connectivity {name} -q").stdout == EDGES
        assert shell(f"{CRANTCLI} connectivity {name} -q < s.csv").stdout == EDGES
        assert shell(f"echo 1 | {CRANTCLI} connectivity s.csv -n @{name} -q").stdout == b"pre,post,weight\n1,2,2\n"
    assert shell(f"(head -n 0; {CRANTCLI} info /dev/stdin -q) < s.parquet").stdout.startswith(b"file        stdin\n")
    with open("s.csv", "rb") as file:
        number = file.fileno()
        done = subprocess.run(
            [*PROGRAM, "connectivity", f"/dev/fd/{number}", "-q"], capture_output=True, pass_fds=[number], check=True
        )
    assert done.stdout == EDGES


def test_stdin_is_read_once(crant: Crant) -> None:
    for words in (["-", "/dev/stdin"], ["-", "-a", "/dev/stdin"], ["/dev/fd/0", "-n", "-"], ["-", "-n", "@/dev/stdin"]):
        complaint(crant("connectivity", *words, stdin=b"pre,post\n1,2\n"), 2, "stdin", "once")


@pytest.mark.parametrize(
    "words",
    [
        ["nested", "-", "--type-order", "@/dev/stdin"],
        ["nested", "s.csv", "-a", "-", "--source-types", "@/dev/fd/0"],
        ["nested", "s.csv", "-a", "types.csv", "--source-types", "@/dev/fd/0", "--target-types", "@/dev/stdin"],
        ["nested", "s.csv", "-a", "types.csv", "--source-types", "@/dev/stdin", "--source-neurons", "-"],
        ["nested", "s.csv", "-a", "types.csv", "--totals", "-", "--type-order", "@/dev/stdin"],
        ["neuropil", "-", "--exclude", "@/dev/stdin", "--assignments-only", "-o", "out"],
        ["connectivity", "-", "--assignments", "s.csv", "--neuropil", "@/dev/stdin"],
    ],
)
def test_lists_are_readers_of_stdin(crant: Crant, words: list[str]) -> None:
    complaint(crant(*words, stdin=b"A\n"), 2, "stdin", "once")


def test_a_list_that_is_given_twice_is_read_once() -> None:
    given = "--source-types @/dev/stdin --target-types @/dev/stdin --type-order @/dev/stdin -q -o m.csv"
    shell(f"echo A | {CRANTCLI} nested s.csv -a types.csv {given}")
    shell(f"{CRANTCLI} nested s.csv -a types.csv --source-types A --target-types A --type-order A -q -o n.csv")
    assert Path("m.csv").read_bytes() == Path("n.csv").read_bytes() != b""


def test_what_is_said_of_a_pipe(crant: Crant) -> None:
    """The number that a shell picks for it is not in the provenance."""
    shell(f"{CRANTCLI} connectivity <(cat s.csv) -n @<(echo 1) -q -o out.parquet")
    told = record("out.parquet")
    assert [source["name"] for source in told["inputs"]] == ["pipe", "pipe"]
    assert told["inputs"][0]["bytes"] == 21
    with filled(**{"edges.csv": "s.csv"}):
        assert crant("connectivity", "edges.csv", "-o", "out.parquet").code == 0
    assert record("out.parquet")["inputs"][0]["name"] == "edges.csv"
    text_file("cut.csv.gz", "pre,post\n" + "1,2\n" * 1000)
    bad = subprocess.run(
        ["bash", "-c", f"{CRANTCLI} connectivity <(head -c 30 cut.csv.gz)"], capture_output=True, check=False
    )
    assert bad.returncode == 3
    assert b"/dev/fd/" in bad.stderr
    assert b"damaged" in bad.stderr


def test_what_is_no_source(crant: Crant, tmp_path: Path) -> None:
    complaint(crant("connectivity", "/dev/fd/999"), 2, "/dev/fd/999", "not open")
    for name in ("/dev/zero", "/dev/urandom", "/dev/full"):
        complaint(crant("connectivity", name), 2, name, "device")
        complaint(crant("connectivity", "s.csv", "-n", f"@{name}"), 2, name, "device")
    complaint(crant("connectivity", "/dev/null"), 3, "/dev/null", "empty")
    import socket

    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.csv")
    complaint(crant("connectivity", "socket.csv"), 2, "socket.csv", "socket")
    os.symlink("b.csv", "a.csv")
    os.symlink("a.csv", "b.csv")
    complaint(crant("connectivity", "a.csv"), 2, "a.csv", "circle")


def test_a_pipe_in_a_folder_is_no_table(crant: Crant) -> None:
    os.mkdir("folder")
    os.mkfifo("folder/pipe.csv")
    text_file("folder/s.csv", Path("s.csv").read_text())
    assert crant("connectivity", "folder").out == EDGES


def test_a_pipe_is_not_read_from_and_written_to(crant: Crant) -> None:
    os.mkfifo("pipe.csv")
    os.symlink("pipe.csv", "link.csv")
    for words in (["pipe.csv", "-o", "link.csv"], ["s.csv", "-a", "pipe.csv", "-o", "pipe.csv"]):
        complaint(crant("connectivity", *words), 2, "input of this command")
    complaint(crant("connectivity", "s.csv", "-n", "@pipe.csv", "-o", "pipe.csv"), 2, "input of this command")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_while_nobody_writes_to_a_pipe(number: Any, code: int) -> None:
    os.mkfifo("pipe")
    waiting = start("connectivity", "pipe", "-o", "out.csv", "--tmp-dir", "spill")
    assert wait_for(lambda: list(Path("spill").glob("*/stream_1.csv")), waiting)
    waiting.send_signal(number)
    assert waiting.communicate(timeout=60) == (b"", b"")
    assert waiting.returncode == code
    assert os.listdir("spill") == []


def test_a_full_disk_while_a_pipe_is_read() -> None:
    limit = "ulimit -f 1; "
    done = subprocess.run(
        ["bash", "-c", f"{limit}{CRANTCLI} connectivity <(yes 1,2) --tmp-dir spill -o out.csv"],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert b"spill" in done.stderr
    assert b"File too large" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert os.listdir("spill") == []
