"""Runs of the command in processes that are forked from one that has loaded everything, and so begin at once."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb  # noqa: F401  (loaded before the processes part)
from common import patience

import crantcli
from crantcli.cli.app import run as run_command

#: Seconds that a run may take, on a machine that does nothing else.
LIMIT = 60


def load() -> None:
    """Import what commands import when they need it, so that no run has to."""
    for module in pkgutil.walk_packages(crantcli.__path__, "crantcli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("scipy.sparse.csgraph", "scipy.spatial", "pandas", "matplotlib.pyplot", "pyarrow.csv", "DracoPy"):
        importlib.import_module(name)
    gc.freeze()


class Forked:
    """A run of the command.

    Parameters
    ----------
    words : list of str
    folder : Path
        Where it runs, and where what it says goes, into two files.
    stdout : Path, optional
    before : callable, optional
        Called in the new process before the command.
    """

    def __init__(
        self, words: list[str], folder: Path, stdout: Path | None = None, before: Callable[[], None] | None = None
    ) -> None:
        self._out, self._err = stdout or folder / "stdout", folder / "stderr"
        self._process = os.fork()
        if self._process:
            return
        code = 99
        try:
            os.chdir(folder)
            for number, path in ((1, self._out), (2, self._err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            if before:
                before()
            code = run_command(words)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def ended(self) -> tuple[int | None, bytes, bytes]:
        """Exit code, None where it does not end in time; stdout and stderr."""
        code, end = None, time.monotonic() + patience(LIMIT)
        while time.monotonic() < end:
            done, status = os.waitpid(self._process, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.003)
        else:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        return code, self._out.read_bytes() if self._out.is_file() else b"", self._err.read_bytes()


def forked(words: list[str], folder: Path) -> tuple[int | None, bytes, bytes]:
    """Run the command to its end."""
    return Forked(words, folder).ended()
