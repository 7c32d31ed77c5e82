"""Outputs that are no plain files: pipes, devices and open descriptors are written to, the rest is refused."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from conftest import Crant, Outcome
from tables import answer, complaint, text_file
from test_process import PROGRAM, start, temporary
from waiting import wait_for

pytestmark = pytest.mark.slow

EDGES = b"pre,post,weight\n1,2,2\n2,3,1\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("small.csv", "id,pre,post\n1,1,2\n2,1,2\n3,2,3\n")
    text_file("types.csv", "root_id,cell_type\n1,A\n2,B\n3,B\n")
    Path("spill").mkdir()


@contextmanager
def drained(*pipes: str) -> Iterator[dict[str, bytes]]:
    """Named pipes with somebody who reads them; what has come is there after the block."""
    found: dict[str, bytes] = {}

    def drain(name: str) -> None:
        found[name] = Path(name).read_bytes()

    for name in pipes:
        os.mkfifo(name)
    threads = [threading.Thread(target=drain, args=(name,)) for name in pipes]
    for thread in threads:
        thread.start()
    yield found
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def is_pipe(name: str) -> bool:
    return stat.S_ISFIFO(os.lstat(name).st_mode)


def read(name: str) -> Any:
    """What somebody else's reader finds in a file."""
    if name.endswith(".parquet"):
        return pq.read_table(name).to_pylist()
    if name.endswith(".feather"):
        return pyarrow.feather.read_table(name).to_pylist()
    if name.endswith(".npz"):
        with np.load(name) as arrays:
            return arrays["data"].tolist()
    return Path(name).read_bytes()[:4]


FORMATS = [
    ("connectivity small.csv -o", "csv"),
    ("connectivity small.csv -o", "csv.gz"),
    ("connectivity small.csv -o", "tsv"),
    ("connectivity small.csv -o", "parquet"),
    ("connectivity small.csv -o", "feather"),
    ("adjacency small.csv -o", "npz"),
    ("adjacency small.csv -o", "parquet"),
    ("adjacency small.csv --plot", "png"),
    ("adjacency small.csv --plot", "pdf"),
    ("adjacency small.csv --plot", "svg"),
    ("nested small.csv -a types.csv --type-sum", "csv"),
    ("nested small.csv -a types.csv --type-mean", "npz"),
    ("nested small.csv -a types.csv --relative", "parquet"),
    ("nested small.csv -a types.csv --relative-types", "feather"),
    ("nested small.csv -a types.csv --order", "parquet"),
    ("nested small.csv -a types.csv --plot", "png"),
]


@pytest.mark.parametrize(("command", "suffix"), FORMATS)
def test_a_pipe_gets_what_a_file_would_have(crant: Crant, command: str, suffix: str) -> None:
    name, file = f"pipe.{suffix}", f"file.{suffix}"
    assert crant(*command.split(), file, "-q").code == 0
    with drained(name) as found:
        done = crant(*command.split(), name, "-q", "--tmp-dir", "spill")
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert is_pipe(name)
    if suffix == "csv.gz":  # may hold the time
        Path(f"got.{suffix}").write_bytes(found[name])
        assert answer(crant("connectivity", f"got.{suffix}")) == answer(crant("connectivity", file))
    else:
        assert found[name] == Path(file).read_bytes()
    assert read(file)
    assert os.listdir("spill") == []


def test_several_pipes_and_files_at_once(crant: Crant) -> None:
    with drained("sum.csv", "order.csv") as found:
        done = crant(
            "nested", "small.csv", "-a", "types.csv", "--weight-mode", "count", "-o", "m.npz", "--type-sum", "sum.csv",
            "--order", "order.csv", "--plot", "n.png",
        )  # fmt: skip
    assert done.code == 0, done.err
    assert found["sum.csv"].startswith(b"pre/post,A,B\n")
    assert found["order.csv"].startswith(b"axis,position,neuron,type\n")
    assert Path("m.npz").is_file()
    assert Path("n.png").is_file()


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *arguments], check=False, timeout=60, **options)


def test_dev_stdout_and_its_kin(tmp_path: Path) -> None:
    """Without a suffix they get CSV, like `-o -`."""
    os.symlink("/dev/stdout", "link")
    os.symlink("/dev/fd/1", "link.csv")
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link", "link.csv"):
        done = process("connectivity", "small.csv", "-q", "-o", name, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, EDGES, b"")
    done = process("connectivity", "small.csv", "-q", "-o", "/dev/stderr", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", EDGES)
    assert Path("link").is_symlink()
    assert Path("link.csv").is_symlink()
    os.symlink("/dev/stdout", "link.parquet")
    done = process("connectivity", "small.csv", "-q", "-o", "link.parquet", capture_output=True)
    Path("got.parquet").write_bytes(done.stdout)
    assert read("got.parquet")[0] == {"pre": 1, "post": 2, "weight": 2}


def test_dev_stdout_goes_on_where_a_file_ends() -> None:
    """As in `crantcli ... -o /dev/stdout >> edges.csv`: the file is not replaced, and keeps what it has."""
    for name in ("/dev/stdout", "/dev/fd/1"):
        Path("edges.csv").write_text("before\n")
        with open("edges.csv", "ab") as file:
            assert process("connectivity", "small.csv", "-q", "-o", name, stdout=file).returncode == 0
            file.write(b"after\n")
        assert Path("edges.csv").read_bytes() == b"before\n" + EDGES + b"after\n"


def test_other_descriptors() -> None:
    with open("seven", "wb") as file:
        number = file.fileno()
        done = process(
            "connectivity", "small.csv", "-q", "-o", f"/dev/fd/{number}", capture_output=True, pass_fds=[number]
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert Path("seven").read_bytes() == EDGES


def outcome(done: subprocess.CompletedProcess[bytes]) -> Outcome:
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def test_descriptors_that_cannot_be_written(crant: Crant) -> None:
    complaint(crant("connectivity", "small.csv", "-o", "/dev/fd/999"), 2, "/dev/fd/999", "not open")
    with open("types.csv", "rb") as only_to_read:
        done = process("connectivity", "small.csv", "-o", "/dev/stdin", capture_output=True, stdin=only_to_read)
    complaint(outcome(done), 1, "/dev/stdin", "cannot be written")


def test_a_socket_that_is_open_is_written_to() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        arguments = ("connectivity", "small.csv", "-q", "-o", "/dev/stdout")
        assert process(*arguments, stdout=theirs).returncode == 0
        theirs.close()
        assert ours.makefile("rb").read() == EDGES


def test_the_null_device_takes_everything(crant: Crant) -> None:
    done = crant("adjacency", "small.csv", "-o", "/dev/null", "--plot", "/dev/null")
    assert (done.code, done.out) == (0, b"")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    os.symlink("/dev/null", "null.parquet")
    assert crant("connectivity", "small.csv", "-o", "null.parquet").code == 0
    assert Path("null.parquet").is_symlink()


def test_a_full_device_is_an_error_and_nothing_else_is_written(crant: Crant) -> None:
    done = crant("nested", "small.csv", "-a", "types.csv", "-o", "m.npz", "--type-sum", "/dev/full")
    complaint(done, 1, "/dev/full", "cannot be written", "No space left")
    assert not Path("m.npz").exists()
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_what_is_neither_file_nor_stream_is_refused(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.csv")
    os.symlink("b.csv", "a.csv")
    os.symlink("a.csv", "b.csv")
    refused = {"socket.csv": "is a socket", "a.csv": "circle", "spill": "spill"}
    if os.geteuid() == 0:
        os.mknod("disk.csv", stat.S_IFBLK | 0o600, os.makedev(7, 200))
        refused["disk.csv"] = "block device"
    before = {name: os.lstat(name) for name in refused}
    for name, words in refused.items():
        complaint(crant("connectivity", "small.csv", "-o", name), 2, name, words)
        complaint(crant("nested", "small.csv", "-a", "types.csv", "-o", "m.npz", "--order", name), 2, name, words)
        assert (os.lstat(name).st_ino, os.lstat(name).st_mode) == (before[name].st_ino, before[name].st_mode)
    with drained("folder") as found:
        done = crant("neuropil", "small.csv", "--assignments-only", "--meshes", "spill", "-o", "folder")
        complaint(done, 2, "folder")
        assert is_pipe("folder")
    assert found == {"folder": b""}


def test_one_stream_is_one_output(crant: Crant) -> None:
    os.symlink("/dev/stdout", "link.csv")
    nested = ("nested", "small.csv", "-a", "types.csv")
    complaint(crant(*nested, "-o", "/dev/stdout", "--order", "link.csv"), 2, "two outputs")
    complaint(crant(*nested, "-o", "-", "--order", "/dev/stdout"), 2, "two outputs")
    complaint(crant("connectivity", "small.csv", "-o", "/dev/fd/1", "--json"), 2, "--json", "stdout")
    complaint(crant("adjacency", "small.csv", "-o", "m.npz", "--plot", "/dev/stdout", "--json"), 2, "--json", "stdout")


def test_a_link_to_a_file_stays_a_link(crant: Crant) -> None:
    """Its target is replaced, beside itself."""
    Path("far").mkdir()
    Path("far/real.csv").write_text("old")
    os.symlink("far/real.csv", "link.csv")
    os.symlink("link.csv", "again.csv")
    before = os.stat("far/real.csv").st_ino
    assert crant("connectivity", "small.csv", "-o", "again.csv").code == 0
    assert os.readlink("link.csv") == "far/real.csv"
    assert os.readlink("again.csv") == "link.csv"
    assert Path("far/real.csv").read_bytes() == EDGES
    assert os.stat("far/real.csv").st_ino != before
    os.symlink("nowhere/real.csv", "dangling.csv")
    complaint(crant("connectivity", "small.csv", "-o", "dangling.csv"), 2, "dangling.csv", "no folder", "nowhere")


def test_a_reader_of_a_pipe_that_leaves_is_no_error(crant: Crant) -> None:
    os.mkfifo("pipe.csv")
    reader = os.open("pipe.csv", os.O_RDONLY | os.O_NONBLOCK)
    waiting = start("connectivity", "-", "-q", "-o", "pipe.csv", "--tmp-dir", "spill", stdin=subprocess.PIPE)
    assert wait_for(lambda: list(Path("spill").glob("*/stdin.csv")), waiting)
    os.close(reader)
    assert waiting.communicate(Path("small.csv").read_bytes(), timeout=60) == (b"", b"")
    assert waiting.returncode == 0
    assert os.listdir("spill") == []


def test_a_reader_of_a_pipe_is_let_go_when_the_work_fails(crant: Crant) -> None:
    text_file("bad.csv", "pre,post\n1.5,2\n")
    with drained("pipe.csv") as found:
        complaint(crant("connectivity", "bad.csv", "-o", "pipe.csv"), 3, "bad.csv")
    assert found == {"pipe.csv": b""}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_while_nobody_reads_a_pipe(number: signal.Signals, code: int) -> None:
    os.mkfifo("pipe.csv")
    waiting = start("connectivity", "small.csv", "-q", "-o", "pipe.csv", "--tmp-dir", "spill")
    made = lambda: any(path.stat().st_size == len(EDGES) for path in Path("spill").glob("*/*"))  # noqa: E731
    assert wait_for(made, waiting)
    waiting.send_signal(number)
    assert waiting.communicate(timeout=60) == (b"", b"")
    assert waiting.returncode == code
    assert is_pipe("pipe.csv")
    assert os.listdir("spill") == []
    assert temporary(Path()) == []


def test_a_lock_goes_to_a_pipe_as_well(crant: Crant) -> None:
    text_file("brain.toml", '[files]\nsynapses = "small.csv"\n')
    with drained("crant.lock") as found:
        done = crant("lock", "-d", "brain.toml", "-o", "crant.lock")
    assert done.code == 0, done.err
    assert b'"synapses"' in found["crant.lock"]
    assert is_pipe("crant.lock")


def test_pictures_from_python(crant: Crant) -> None:
    import crantcli as cc

    matrix = cc.NestedMatrix.from_synapses("small.csv", "types.csv", pre_col="pre", post_col="post")
    with drained("pipe.png") as found:
        matrix.plot(output_path="pipe.png")
    assert found["pipe.png"].startswith(b"\x89PNG")
    assert is_pipe("pipe.png")
