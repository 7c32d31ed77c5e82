"""Live data asked for by processes of their own: two at once on one cache, interrupted ones, and killed ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import mesh_sources
import pyarrow.parquet as pq
import pytest
import seatable_server
from cave_server import Action, Asked, CaveServer
from conftest import Crant
from live import described, ids, rows, saved
from waiting import wait_for

import crantcli as cc
from crantcli.remote.settings import LiveOptions

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]

CACHE = Path("shared")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@contextmanager
def running(name: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes NAME.parquet, and what it says to NAME.txt."""
    words = [*map(str, arguments), "--cache-dir", str(CACHE), "-o", f"{name}.parquet"]
    with open(f"{name}.txt", "wb") as said:
        command = [sys.executable, "-m", "crantcli", *words]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[bytes], name: str) -> bytes:
    """What a process has written that must have succeeded."""
    assert process.wait(60) == 0, Path(f"{name}.txt").read_text()
    return Path(f"{name}.parquet").read_bytes()


def question(server: CaveServer) -> tuple[object, ...]:
    return ("synapses", "-d", described(server), "--pre", ids(server, *range(12)), "--materialization", 3)


def once(server: CaveServer) -> bool:
    """Whether no rows were asked for twice."""
    bodies = [str(asked.body) for asked in server.data_queries()]
    return len(bodies) == len(set(bodies)) > 2


def stalling(server: CaveServer, after: int) -> threading.Event:
    """Let the server fall silent after so many queries for rows; set once it has."""
    reached = threading.Event()

    def act(_: int, asked: Asked) -> Action:
        if asked.is_data and len(server.data_queries()) > after:
            reached.set()
            return "stall"
        return None

    server.weather.action = act
    return reached


def waits_for_lock(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has come to where only one at a time may go on."""
    files = []
    for entry in os.scandir(f"/proc/{process.pid}/fd"):
        with suppress(OSError):  # closed meanwhile
            files.append(os.readlink(entry.path))
    return any(file.endswith(".lock") for file in files)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="without /proc nobody sees who waits")


@needs_proc
def test_two_processes_at_once_share_an_empty_cache(crant: Crant, server: CaveServer) -> None:
    """Both give the whole; one fetches it, and the other waits for that."""
    server.weather.limit, server.weather.delay = 60, 0.02
    both, go_on = threading.Barrier(2), threading.Event()

    def act(_: int, asked: Asked) -> Action:
        if asked.path == "/info/version":  # the first request of each, which finds nothing in the cache
            both.wait(60)
        if asked.is_data:
            go_on.wait(60)
        return None

    server.weather.action = act
    with running("one", *question(server)) as one, running("other", *question(server)) as other:
        assert wait_for(lambda: waits_for_lock(one) and waits_for_lock(other))
        go_on.set()
        assert ended(one, "one") == ended(other, "other")
    assert once(server)
    whole = rows(crant("synapses", saved(server), "--pre", ids(server, *range(12)), "-q"))
    assert rows(crant("synapses", "one.parquet", "-q")) == whole
    assert not list(CACHE.rglob("*.tmp"))


def test_two_processes_at_once_fetch_annotations() -> None:
    """Both give the whole table, though each asks for it, and none spoils what the other has put into the cache."""
    table = seatable_server.SeaTable(seatable_server.rows(25))
    both = threading.Barrier(2)
    table.before = lambda number, _: both.wait(60) and None if number <= 2 else None
    with seatable_server.serve(table):
        Path("brain.toml").write_text(
            f'[annotations]\nseatable_server = "{table.address}/"\nworkspace = {table.workspace}\n'
            f'base = "{table.base}"\ntable = "{table.table}"\n'
        )
        words = ("annotations", "-d", "brain.toml")
        with running("one", *words) as one, running("other", *words) as other:
            assert ended(one, "one") == ended(other, "other")
    assert pq.read_table("one.parquet").num_rows == 25
    assert len(table.pages) == 2
    (kept,) = (CACHE / "annotations").iterdir()
    assert pq.read_table(kept).num_rows == 25


def test_two_threads_share_the_cache(server: CaveServer) -> None:
    """As in a notebook: the second waits for the first, and takes what it has fetched."""
    live, neurons = described(server), server.brain.neurons
    server.weather.limit = 60
    results: list[object] = []

    def fetch() -> None:
        options = LiveOptions(cache_dir=str(CACHE))
        results.append(cc.get_connectivity(neurons, dataset=live, materialization=3, live=options))

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, other = results
    assert one.equals(other)  # type: ignore[attr-defined]
    assert once(server)


def test_a_killed_run_goes_on_where_it_was(crant: Crant, server: CaveServer) -> None:
    """The next may even wait for it already: the lock of one that is killed holds nobody up."""
    server.weather.limit = 100
    reached = stalling(server, after=8)
    whole = rows(crant("synapses", saved(server), "--pre", ids(server, *range(12)), "-q"))
    before: list[Asked] = []

    def kill() -> None:
        before.extend(server.data_queries())
        server.weather.action = lambda *_: None
        process.kill()

    with running("out", *question(server)) as process:
        assert reached.wait(60)
        threading.Timer(1, kill).start()
        again = rows(crant(*question(server), "--cache-dir", CACHE, "-q"))
        assert process.wait() == -signal.SIGKILL
    assert again == whole
    assert not Path("out.parquet").exists()
    fetched = {str(asked.body) for asked in before[:8]}
    asked = {str(query.body) for query in server.data_queries()[len(before) :]}
    assert asked
    # Only what was under way when it was killed is asked for again: at most one request of each thread.
    assert len(asked & fetched) <= 4
    assert len(fetched) > 4


def test_an_interrupted_run_does_not_wait_for_a_silent_server(server: CaveServer) -> None:
    reached = stalling(server, after=0)
    with running("out", *question(server)) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
    assert not Path("out.parquet").exists()


def test_meshes_that_do_not_come_are_not_waited_for(own_home: Path, tmp_path: Path) -> None:
    """Neither by a run that is interrupted, nor by one that has failed already."""
    mesh_sources.legacy(
        tmp_path / "site",
        {1: mesh_sources.grid_box((0, 0, 0), (3, 2, 2)), 2: mesh_sources.grid_box((5, 0, 0), (7, 2, 2))},
    )
    with mesh_sources.serve(tmp_path / "site") as site:
        labels = 'labels = { 1 = "left", 2 = "right" }'
        Path("m.toml").write_text(f'[neuropils]\nsource = "{site.address}"\n{labels}\n')
        words = [sys.executable, "-m", "crantcli", "meshes", "-d", "m.toml", "-o", "out"]
        site.broken["1:0:0"] = "stall"
        process = subprocess.Popen(words)
        while "1:0:0" not in site.requests:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        site.broken |= {"1:0:0": 503, "2:0:0": 404}
        assert subprocess.run(words, check=False, capture_output=True, timeout=30).returncode == 6
    assert not Path("out").exists()
