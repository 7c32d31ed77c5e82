"""Runs of the command in processes that are forked from one that has loaded everything, and so begin at once.

`Forked` forks this process, which must not have threads that hold locks. `ServedRuns` has a process of its own for it.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from pathlib import Path
from typing import NoReturn

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
        _run_and_exit(words, folder, self._out, self._err, before)

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


def _run_and_exit(
    words: list[str], folder: Path, out: Path, err: Path, before: Callable[[], None] | None = None
) -> NoReturn:
    """Be the command, and end as it does."""
    code = 99
    try:
        os.chdir(folder)
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        if before:
            before()
        code = run_command(words)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _as_user(words: list[str], folder: Path, out: Path, err: Path, environment: dict[str, str]) -> NoReturn:
    assert "loaded" in sys.modules, "the process that forks has not loaded anything"
    os.environ.clear()
    os.environ.update(environment)
    _run_and_exit(words, folder, out, err)


class ServedRuns:
    """Runs of the command, forked by a process that has loaded everything and has no threads, whatever this one has."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["loaded"])
        # That process looks for modules where an environment says, and goes on without those that it does not find.
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), before]))
        forkserver.ensure_running()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before

    def run(
        self, words: list[str], folder: Path, environment: Mapping[str, str], limit: float
    ) -> tuple[int | None, bytes, bytes]:
        """Run the command in a folder, beside which what it says is kept, with an environment of its own.

        Returns
        -------
        tuple
            Exit code, None where it does not end within so many seconds; stdout and stderr.
        """
        out, err = folder.with_name(f"{folder.name}.out"), folder.with_name(f"{folder.name}.err")
        process = self._context.Process(target=_as_user, args=(words, folder, out, err, dict(environment)))
        process.start()
        process.join(limit)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
        process.close()
        said, told = (path.read_bytes() if path.is_file() else b"" for path in (out, err))
        return code, said, told


def forked(words: list[str], folder: Path) -> tuple[int | None, bytes, bytes]:
    """Run the command to its end."""
    return Forked(words, folder).ended()
