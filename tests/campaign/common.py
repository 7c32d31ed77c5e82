"""What the campaigns share: how they are called, how a run of the command is judged, and what it may leave."""

from __future__ import annotations

import argparse
import os
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

#: Exit codes that the README tells.
CODES = {0, 1, 2, 3, 4, 5, 6}

#: What no message may have: Python's own words, and those of the engine below.
_WRONG = re.compile(
    r"Traceback|this is a defect|(?i:duckdb)|Binder|Catalog Error|Conversion Error|Invalid Input|INTERNAL|Out of Range"
    r"|IO Error|INT(?:16|32|64|128)\b|BIGINT|VARCHAR|HUGEINT|DOUBLE|read_csv|read_parquet|\bCAST\b|LINE \d|pyarrow"
    r"|\.crantcli-|Exception ignored|registered as|pickle"
)
_LONGEST = 2_000


def arguments(what: str, number: int, only: Sequence[str] = ()) -> argparse.Namespace:
    """`-n` runs and the seed, which is made up where none is given, and printed, so that a run can be repeated."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("-n", type=int, default=number, help=f"number of runs; default: {number}")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--show", action="store_true", help="print messages that do not name the file, too")
    parser.add_argument("--keep", type=Path, help="folder for what went wrong")
    parser.add_argument("--number", type=int, help="the run of this number only")
    if only:
        parser.add_argument("--only", choices=only, help="runs of this kind only")
    given = parser.parse_args()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    print(f"{what}: {given.n} runs, --seed {given.seed}", flush=True)
    return given


def numbers(given: argparse.Namespace) -> Sequence[int]:
    """Numbers of the runs."""
    return range(given.n) if given.number is None else [given.number]


def faults_of_text(code: int, out: bytes, err: bytes) -> list[str]:
    """What is wrong with a run's exit code and with what it said."""
    found = []
    if code not in CODES:
        found.append(f"exit code {code}")
    text = err.decode("utf-8", "backslashreplace")
    wrong = _WRONG.search(text)
    if wrong:
        found.append(f"says {wrong[0]!r}")
    if any(not mark.isprintable() and mark != "\n" for mark in text):
        found.append("says what steers a terminal")
    if code and (len(text.splitlines()) < 1 or not text.splitlines()[-1].startswith("crantcli")):
        found.append("says nothing")
    if any(len(line) > _LONGEST + 20 for line in text.splitlines()):
        found.append("says too much")
    return found


def patience(seconds: float) -> float:
    """Seconds to wait for what takes so many at most on a machine that does nothing else."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def left(folder: Path) -> list[str]:
    """Temporary files and folders in a folder, and below."""
    return [str(path) for path in folder.rglob("*") if ".crantcli-" in path.name]


class Report:
    """Counts runs, prints what went wrong, and says how to see it again."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.failed, self.kinds = given, 0, dict[str, int]()
        self._start = time.monotonic()

    def count(self, kind: str) -> None:
        """Count a run of a kind."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def fault(self, run: int, what: str, detail: str) -> None:
        """Print what is wrong with a run."""
        self.failed += 1
        print(f"run {run}: {what}\n    {detail[:1500]}", flush=True)

    def finish(self) -> int:
        """Print the figures; the exit code of the campaign."""
        told = ", ".join(f"{kind} {number}" for kind, number in sorted(self.kinds.items()))
        took = time.monotonic() - self._start
        runs = len(numbers(self.given))
        print(f"{runs} runs in {took:.0f} s: {told}; {self.failed} with faults (--seed {self.given.seed})")
        return 1 if self.failed else 0


def environment(folder: Path) -> dict[str, str]:
    """A user without configuration, cache or tokens."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CRANT", "XDG_"))}
    return {**kept, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
