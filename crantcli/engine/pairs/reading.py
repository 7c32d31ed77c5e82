"""All rows of some files, read by several threads, with a look at their ids on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crantcli.core.engine import PairRules, StoredSynapses
from crantcli.core.parallel import in_order, parallel_map
from crantcli.engine.pairs.distinct import Ids, ids_of
from crantcli.engine.pairs.runs import Keys, Leading, SortedRuns
from crantcli.engine.pairs.stored import RowGroups, Rows, row_groups

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Made = TypeVar("Made")

#: What becomes of rows: step -> how many.
Told = Counter[str]


class SynapseReader:
    """Reads the columns that rules need, and others.

    Parameters
    ----------
    stored : StoredSynapses
    rules : PairRules
    threads : int
    memory : int
        Bytes that may be held: a half of these in keys, a quarter in ids.
    scratch : Path
        A folder for what does not fit.
    further : sequence of str
        More columns, by the parts that they play.

    Attributes
    ----------
    parts : list of RowGroups
    id_type : {"BIGINT", "VARCHAR"}
        What neurons are.
    """

    def __init__(
        self,
        stored: StoredSynapses,
        rules: PairRules,
        threads: int,
        memory: int,
        scratch: Path,
        further: Sequence[str] = (),
    ) -> None:
        self.rules, self.threads, self.memory, self.scratch = rules, threads, memory, scratch
        self._rows, self.id_type = stored.rows, stored.id_type
        roles = ["pre", "post", *(["id"] if rules.distinct else []), *(["size"] if rules.min_size is not None else [])]
        self.parts = row_groups(stored.files, list(dict.fromkeys([*roles, *further])), stored.id_type)

    def read(self, take: Callable[[Rows], Told]) -> Told:
        """Hand all rows to a function, from several threads, and return what it tells, added up.

        Raises
        ------
        ElsewhereError
            Where a synapse id comes twice.
        DataError
            Where a file is damaged.
        """
        ids, told = self.ids(), Told()

        def read(part: RowGroups) -> Told:
            return sum(map(take, looked_at(part, ids)), Told())

        for one in parallel_map(read, self.parts, self.threads):
            told += one
        if ids is not None:
            ids.check(self.threads)
        return told

    def in_order(self, make: Callable[[Rows, int], Made], threads: int) -> Iterator[Made]:
        """What a function makes of rows and the number of the first of them, in several threads, in their order.

        Raises
        ------
        ElsewhereError
            Where a synapse id comes twice, perhaps only after the last rows.
        DataError
            Where a file is damaged.
        """
        ids = self.ids()

        def read(item: tuple[RowGroups, int]) -> list[Made]:
            part, start = item
            found = []
            for rows in looked_at(part, ids):
                found.append(make(rows, start))
                start += len(rows)
            return found

        starts = accumulate((part.rows for part in self.parts), initial=0)
        for found in in_order(read, zip(self.parts, starts, strict=False), threads):
            yield from found
        if ids is not None:
            ids.check(self.threads)

    def ids(self) -> Ids | None:
        """What looks at ids, if that is asked for."""
        if not self.rules.distinct:
            return None
        return ids_of(self.parts, self._rows, self.memory // 4, self.scratch / "ids.keys")

    def sorter(self, sample: Callable[[], Keys], order: Leading) -> SortedRuns:
        """What sorts a key per row."""
        return SortedRuns(self.scratch / "pairs.keys", self.memory // 2, self._rows, sample, order)


def looked_at(part: RowGroups, ids: Ids | None) -> Iterator[Rows]:
    """The rows of a part, whose ids are looked at when they have passed."""
    seen = []
    for rows in part.batches():
        yield rows
        if ids is not None:
            known, values = rows.there("pre", "post", "id"), rows.integers("id")
            seen.append(values if known is None else values[known])
    if ids is not None and seen:
        ids.add(seen[0] if len(seen) == 1 else np.concatenate(seen))


def kept(rows: Rows, rules: PairRules, removed: Told) -> Mask | None:
    """Which rows no step removes that looks at a row alone, None for all. How many each does is told in `removed`."""
    keep = rows.there("pre", "post")
    if keep is not None:
        removed["null"] += len(keep) - int(np.count_nonzero(keep))
    for step, condition in removing(rows, rules):
        found = condition()
        if keep is not None:
            found &= keep
        removed[step] += int(np.count_nonzero(found))
        keep = ~found if keep is None else np.logical_and(keep, ~found, out=keep)
    return keep


def removing(rows: Rows, rules: PairRules) -> list[tuple[str, Callable[[], Mask]]]:
    """Steps that look at a row alone, in their order, and for which rows each holds; but for null."""
    pre, post = rows.integers("pre"), rows.integers("post")
    steps: list[tuple[str, Callable[[], Mask]]] = []
    if rules.clean:
        steps += [("background", lambda: _any_is(pre, post, rules.background))] if rules.background else []
        steps += [] if rules.autapses else [("autapse", lambda: pre == post)]
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
