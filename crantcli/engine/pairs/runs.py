"""Numbers from several threads, put together in buckets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

#: About as many keys are sorted at once, so that they stay in a core's own cache.
_BUCKET = 100_000
_MOST_BUCKETS = 4096

#: Keys that are looked at to tell where buckets begin.
_SAMPLE = 100_000


class Leading:
    """An order by 16 leading bits, in which buckets can be cut.

    NumPy sorts 16 bits by counting them, which takes a sixth of the time that sorting whole keys does.

    Parameters
    ----------
    least, greatest : int
        Between which keys are expected. Others make it slow, and not wrong.
    """

    def __init__(self, least: int, greatest: int) -> None:
        self._shift = np.uint64(max(0, (greatest - least).bit_length() - 16))
        self._base = np.uint64(least)
        self._last = np.uint64(min(least + (2**16 << int(self._shift)), 2**64) - 1)

    def ordered(self, keys: Keys) -> Keys:
        """Keys in this order, at least."""
        if not len(keys) or keys.min() < self._base or keys.max() > self._last:
            return np.sort(keys)
        bits = keys - self._base
        bits >>= self._shift
        return keys[np.argsort(bits.astype(np.uint16), kind="stable")]

    def boundaries(self, keys: Keys) -> Keys:
        """Keys at or before these at which an ordered run can be cut, each once."""
        inside = (keys >= self._base) & (keys <= self._last)
        rounded = ((keys - self._base) >> self._shift << self._shift) + self._base
        return np.unique(np.where(inside, rounded, keys))


class SortedRuns:
    """Runs of keys, held in memory up to a limit and then in a file, given back in buckets.

    Parameters
    ----------
    path : Path
        The file, made where it is needed.
    limit : int
        Bytes to hold.
    expected : int
        About as many keys will come.
    sample : function
        Gives some keys from all parts of what will come, to cut buckets by where not all can be held.
    order : Leading
        The order of each run.
    """

    def __init__(self, path: Path, limit: int, expected: int, sample: Callable[[], Keys], order: Leading) -> None:
        self._path, self._limit, self._order = path, limit, order
        self._held: list[Keys] = []
        self._bytes = self._written = 0
        self._lock = threading.Lock()
        self._edges = self._cut(sample(), expected) if expected * 8 > limit else None
        #: For each bucket, where its parts lie in the file, and of how many keys they are.
        self._pieces: list[list[tuple[int, int]]] = [] if self._edges is None else _lists(self._edges)

    def add(self, run: Keys) -> None:
        """Take a run."""
        with self._lock:
            self._held.append(run)
            self._bytes += run.nbytes
            if self._edges is not None and self._bytes > self._limit:
                self._write(self._edges)

    def _cut(self, sample: Keys, keys: int) -> Keys:
        """Where buckets of about the same number of keys begin, but for the first."""
        number = min(_MOST_BUCKETS, -(-keys // _BUCKET))
        if number <= 1 or not len(sample):
            return np.empty(0, np.uint64)
        sample = np.sort(sample)
        edges = sample[np.arange(1, number) * len(sample) // number]
        return self._order.boundaries(edges)

    def _write(self, edges: Keys) -> None:
        """Write what is held, bucket by bucket."""
        runs, self._held, self._bytes = self._held, [], 0
        cuts = [_cuts(run, edges) for run in runs]
        with self._path.open("ab") as file:
            for number, pieces in enumerate(self._pieces):
                keys = np.concatenate([run[cut[number] : cut[number + 1]] for run, cut in zip(runs, cuts, strict=True)])
                if len(keys):
                    keys.tofile(file)
                    pieces.append((self._written, len(keys)))
                    self._written += keys.nbytes

    def buckets(self) -> list[Callable[[], Keys]]:
        """Functions that give the keys of one bucket each, in no order; buckets ascend, and equal keys are in one."""
        runs, edges = self._held, self._edges
        if edges is None:
            total = sum(map(len, runs))
            step = max(1, total // _SAMPLE)
            edges = self._cut(np.concatenate([run[::step] for run in runs] or [np.empty(0, np.uint64)]), total)
            self._pieces = _lists(edges)
        cuts = [_cuts(run, edges) for run in runs]

        def bucket(number: int) -> Keys:
            parts = [run[cut[number] : cut[number + 1]] for run, cut in zip(runs, cuts, strict=True)]
            parts += [np.fromfile(self._path, np.uint64, count, offset=place) for place, count in self._pieces[number]]
            return np.concatenate(parts) if parts else np.empty(0, np.uint64)

        return [lambda number=number: bucket(number) for number in range(len(self._pieces))]  # type: ignore[misc]


def _lists(edges: Keys) -> list[list[tuple[int, int]]]:
    return [[] for _ in range(len(edges) + 1)]


def _cuts(run: Keys, edges: Keys) -> list[int]:
    return [0, *np.searchsorted(run, edges).tolist(), len(run)]
