"""Numbers that only one of two queries has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crantcli.core.parallel import parallel_map
from crantcli.engine.pairs.runs import Keys, Leading, SortedRuns

Integers = NDArray[np.int64]

_ONE = np.uint64(1)

#: Numbers come in the order of their leading 16 bits.
_LEADING = np.arange(2**16, dtype=np.uint64) << np.uint64(48)


def in_one_only(
    batches: Callable[[str], Iterator[Mapping[str, Integers]]],
    queries: tuple[str, str],
    rows: int,
    path: Path,
    memory: int,
    threads: int,
) -> list[tuple[Integers, int]]:
    """Find what only one query has, by sorting the numbers of both together.

    Parameters
    ----------
    batches : function
        Gives the columns of a query, piece by piece.
    queries, rows
        As for `SqlEngine.in_one_only`.
    path : Path
        A file for numbers that do not fit into memory.
    memory, threads : int
    """
    order = Leading(0, 2**64 - 1)
    runs = SortedRuns(path, memory // 2, rows, lambda: _LEADING, order)
    totals = []
    for side, query in enumerate(queries):
        total = 0
        for batch in batches(query):
            # The last bit says whose number it is.
            runs.add(order.ordered((batch["key"].view(np.uint64) << _ONE) | np.uint64(side)))
            total += int(batch["checked"].view(np.uint64).sum())
        totals.append(total % 2**64)
    found = np.concatenate([np.empty(0, np.uint64), *parallel_map(_once, runs.buckets(), threads)])
    path.unlink(missing_ok=True)
    sides = found & _ONE
    return [((found[sides == side] >> _ONE).view(np.int64), total) for side, total in enumerate(totals)]


def _once(bucket: Callable[[], Keys]) -> Keys:
    """Marked numbers of which there is one."""
    keys = bucket()
    keys.sort()
    numbers = keys >> _ONE
    again = np.zeros(len(keys) + 1, bool)
    np.equal(numbers[1:], numbers[:-1], out=again[1:-1])
    return keys[~(again[1:] | again[:-1])]
