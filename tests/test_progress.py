"""What a terminal shows while a server is asked, and that nothing else does."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cave_server import Action, Asked, CaveServer
from conftest import Crant
from live import described, ids, rows, saved
from terminal import on_screen, read_terminal

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]


class Gate:
    """Lets some requests for rows pass, and holds the others until it is opened."""

    def __init__(self, server: CaveServer, passing: int) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self._server, self._left = server, passing
        self._lock = threading.Lock()
        server.weather.action = self._act

    def _act(self, _: int, asked: Asked) -> Action:
        if asked.is_data:
            with self._lock:
                self._left -= 1
                passes = self._left >= 0
            if not passes:
                self.reached.set()
                self.opened.wait(60)
        return None


def fetch(server: CaveServer, stderr: int, *more: str) -> subprocess.Popen[bytes]:
    words = ["synapses", "-d", described(server), "--pre", ids(server, *range(12)), "--materialization", "3", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "crantcli", *words], stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "150"},
    )  # fmt: skip


def test_a_terminal_shows_how_far_a_fetch_is(crant: Crant, server: CaveServer) -> None:
    expected = rows(crant("synapses", saved(server), "--pre", ids(server, *range(12)), "-q"))
    server.weather.limit = 60
    gate = Gate(server, passing=5)
    outer, inner = pty.openpty()
    process = fetch(server, inner, "-o", "out.csv")
    os.close(inner)
    assert gate.reached.wait(60)
    shown, told = b"", None
    end = time.monotonic() + 60
    while told is None and time.monotonic() < end:
        shown += read_terminal(outer, process, until=b"chunks")
        told = re.search(rb"fetching outgoing synapses: ([1-9]\d*) of (\d+) chunks, ([1-9]\d*) rows", shown)
    gate.opened.set()
    shown += read_terminal(outer, process)
    os.close(outer)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert told is not None
    assert int(told[1]) < int(told[2])
    assert int(told[3]) < 600
    assert [line.partition(":")[0] for line in on_screen(shown)] == ["crantcli synapses"] * len(on_screen(shown))
    assert Path("out.csv").read_bytes() == expected


def test_a_terminal_shows_what_a_run_waits_for(crant: Crant, server: CaveServer) -> None:
    rows(crant("info", saved(server)))
    server.weather.action, server.weather.retry_after = lambda _, asked: 429 if asked.is_data else None, "30"
    outer, inner = pty.openpty()
    process = fetch(server, inner)
    os.close(inner)
    shown = read_terminal(outer, process, until=b"attempt")
    process.send_signal(signal.SIGINT)
    shown += read_terminal(outer, process)
    os.close(outer)
    assert re.search(rb"the server answers 429; trying again in (30|[12]\d) s \(attempt 2 of 9\)", shown)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert on_screen(shown) == []


def test_nothing_is_shown_off_a_terminal_or_to_who_wants_quiet(crant: Crant, server: CaveServer) -> None:
    rows(crant("info", saved(server)))
    server.weather.limit = 60
    gate = Gate(server, passing=0)
    outer, inner = pty.openpty()
    quiet = fetch(server, inner, "--quiet", "--cache-dir", "one", "-o", "one.csv")
    piped = fetch(server, subprocess.PIPE, "--cache-dir", "two", "-o", "two.csv")
    os.close(inner)
    assert gate.reached.wait(60)
    time.sleep(2.5)
    gate.opened.set()
    assert read_terminal(outer, quiet) == b""
    os.close(outer)
    _, said = piped.communicate(timeout=60)
    quiet.communicate(timeout=60)
    assert (quiet.returncode, piped.returncode) == (0, 0)
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()
    assert all(line.startswith("crantcli synapses: ") and line.isprintable() for line in said.decode().splitlines())
    assert b"chunks" not in said
