"""Whether a synapse id comes twice, told while the rows are read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crantcli.core.parallel import parallel_map
from crantcli.engine.pairs.runs import Keys, Leading, SortedRuns
from crantcli.engine.pairs.stored import ElsewhereError, RowGroups, Rows, sampled

Integers = NDArray[np.int64]

#: Up to so many numbers for each id, all from the least to the greatest are held as a byte each.
_MARKS_PER_ID = 16

#: Rows that are sorted at once.
_MOST = 5_000_000


class Ids(Protocol):
    """Looks at ids as they are read."""

    def add(self, ids: Integers) -> None:
        """Ids of some row groups. May raise `ElsewhereError` where one comes twice."""
        ...

    def check(self, threads: int) -> None:
        """At the end, raise `ElsewhereError` where one comes twice."""
        ...


def ids_of(parts: Sequence[RowGroups], rows: int, memory: int, path: Path) -> Ids:
    """The cheapest way to tell, by what footers say of the ids.

    Parameters
    ----------
    parts : sequence of RowGroups
    rows : int
    memory : int
        Bytes that may be held.
    path : Path
        A file for what does not fit.
    """
    ranges = [found for part in parts if (found := part.range("id")) is not None]
    ranges.sort()
    apart = all(one[1] < other[0] for one, other in pairwise(ranges))
    if apart and max((part.rows for part in parts), default=0) <= _MOST:
        return IdsApart()
    least, greatest = ranges[0][0], max(high for _, high in ranges)
    if greatest - least < min(memory, _MARKS_PER_ID * rows):
        return MarkedIds(least, greatest)
    return SortedIds(parts, rows, memory, path, least, greatest)


class IdsApart:
    """Ids of parts whose ranges do not overlap: each part is looked at by itself."""

    def add(self, ids: Integers) -> None:
        """Look at the ids of a part."""
        if (ids[1:] > ids[:-1]).all():
            return
        least, greatest = int(ids.min()), int(ids.max())
        if greatest - least < _MARKS_PER_ID * len(ids):
            marks = MarkedIds(least, greatest)
            marks.add(ids)
            marks.check(1)
            return
        ids = np.sort(ids)
        if (ids[1:] == ids[:-1]).any():
            raise ElsewhereError

    def check(self, threads: int) -> None:
        """Nothing is left to be told."""


class MarkedIds:
    """Ids that lie close together: a byte is set for each, and the bytes are counted at the end."""

    def __init__(self, least: int, greatest: int) -> None:
        self._least, self._number = least, 0
        self._marks = np.zeros(greatest - least + 1, dtype=np.uint8)
        self._lock = threading.Lock()

    def add(self, ids: Integers) -> None:
        """Mark ids."""
        if len(ids) and (ids.min() < self._least or ids.max() - self._least >= len(self._marks)):
            raise ElsewhereError  # the footer is wrong
        self._marks[ids - self._least] = 1
        with self._lock:
            self._number += len(ids)

    def check(self, threads: int) -> None:
        """As many marks as ids?"""
        if np.count_nonzero(self._marks) != self._number:
            raise ElsewhereError


class SortedIds:
    """Ids that lie anywhere: sorted like pairs."""

    def __init__(
        self, parts: Sequence[RowGroups], rows: int, memory: int, path: Path, least: int, greatest: int
    ) -> None:
        self._least, self._order = least, Leading(0, greatest - least)
        self._runs = SortedRuns(path, memory, rows, lambda: sampled(parts, self._keys), self._order)

    def _keys(self, rows: Rows) -> Keys:
        return (rows.integers("id") - self._least).view(np.uint64)

    def add(self, ids: Integers) -> None:
        """Sort ids."""
        self._runs.add(self._order.ordered((ids - self._least).view(np.uint64)))

    def check(self, threads: int) -> None:
        """Look for equal neighbours."""
        if any(parallel_map(_repeats, self._runs.buckets(), threads)):
            raise ElsewhereError


def _repeats(bucket: object) -> bool:
    keys = bucket()  # type: ignore[operator]
    keys.sort()
    return bool((keys[1:] == keys[:-1]).any())
