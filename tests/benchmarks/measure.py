"""Runs commands as processes of their own and tells what each took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

# This module and `run` import nothing heavy: Linux counts what a process held before it became another program, so the
# peak of a child is never below the peak of its parent.


@dataclass(frozen=True)
class Usage:
    """What a process took.

    Attributes
    ----------
    wall, cpu : float
        Seconds by the clock; seconds of all threads, user and system.
    peak : float
        Largest resident set, in MB (10^6 bytes).
    """

    wall: float
    cpu: float
    peak: float

    def __str__(self) -> str:
        return f"{self.wall:8.2f} s {self.cpu:8.2f} cpu {self.peak:6.0f} MB"


def run(command: Sequence[str]) -> Usage:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        Where it fails, with what it said.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            message = said.read().decode(errors="replace").strip()
            raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}\n{message}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6)


def medians(repeat: int, *commands: Sequence[str]) -> list[Usage]:
    """Run commands in turns, so that a busy minute hurts all of them: each one's median times and highest peak."""
    rounds = [[run(command) for command in commands] for _ in range(repeat)]
    return [
        Usage(median(use.wall for use in uses), median(use.cpu for use in uses), max(use.peak for use in uses))
        for uses in zip(*rounds, strict=True)
    ]
