"""All rows of some files, read by several threads, with a look at their ids on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crantcli.core.engine import PairRules, StoredSynapses
from crantcli.core.parallel import parallel_map
from crantcli.engine.pairs.distinct import Ids, ids_of
from crantcli.engine.pairs.runs import Keys, Leading, SortedRuns
from crantcli.engine.pairs.stored import RowGroups, Rows, row_groups

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: What becomes of rows: step -> how many.
Told = Counter[str]


class SynapseReader:
    """Reads the columns that rules need.

    Parameters
    ----------
    stored : StoredSynapses
    rules : PairRules
    threads : int
    memory : int
        Bytes that may be held: a half of these in keys, a quarter in ids.
    scratch : Path
        A folder for what does not fit.

    Attributes
    ----------
    parts : list of RowGroups
    """

    def __init__(self, stored: StoredSynapses, rules: PairRules, threads: int, memory: int, scratch: Path) -> None:
        self.rules, self.threads, self.memory, self.scratch = rules, threads, memory, scratch
        self._rows = stored.rows
        roles = ["pre", "post", *(["id"] if rules.distinct else []), *(["size"] if rules.min_size is not None else [])]
        self.parts = row_groups(stored.files, roles)

    def read(self, take: Callable[[Rows], Told]) -> Told:
        """Hand all rows to a function, from several threads, and return what it tells, added up.

        Raises
        ------
        ElsewhereError
            Where a synapse id comes twice.
        DataError
            Where a file is damaged.
        """
        ids = None
        if self.rules.distinct:
            ids = ids_of(self.parts, self._rows, self.memory // 4, self.scratch / "ids.keys")
        told = Told()
        for one in parallel_map(lambda part: _read(part, take, ids), self.parts, self.threads):
            told += one
        if ids is not None:
            ids.check(self.threads)
        return told

    def sorter(self, sample: Callable[[], Keys], order: Leading) -> SortedRuns:
        """What sorts a key per row."""
        return SortedRuns(self.scratch / "pairs.keys", self.memory // 2, self._rows, sample, order)


def _read(part: RowGroups, take: Callable[[Rows], Told], ids: Ids | None) -> Told:
    told, seen = Told(), []
    for rows in part.batches():
        told += take(rows)
        if ids is not None:
            known, values = rows.there("pre", "post", "id"), rows.integers("id")
            seen.append(values if known is None else values[known])
    if ids is not None and seen:
        ids.add(seen[0] if len(seen) == 1 else np.concatenate(seen))
    return told


def removing(rows: Rows, rules: PairRules) -> list[tuple[str, Callable[[], Mask]]]:
    """Steps that look at a row alone, in their order, and for which rows each holds; but for null."""
    pre, post = rows.integers("pre"), rows.integers("post")
    steps: list[tuple[str, Callable[[], Mask]]] = []
    if rules.clean:
        steps += [("background", lambda: _any_is(pre, post, rules.background))] if rules.background else []
        steps.append(("autapse", lambda: pre == post))
    if rules.min_size is not None:
        least = rules.min_size
        steps.append(("size", lambda: rows.below("size", least)))
    return steps


def _any_is(pre: Integers, post: Integers, ids: tuple[int, ...]) -> Mask:
    found = np.zeros(len(pre), dtype=bool)
    for neuron in ids:
        found |= pre == neuron
        found |= post == neuron
    return found
