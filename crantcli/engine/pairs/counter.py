"""Synapses per pair of neurons, straight from Parquet files.

Sorting plain numbers takes less time and memory than a hash table of all pairs does, and what comes out does not depend
on threads. The way of the rows: row groups, read by several threads -> cleaned, packed and sorted runs -> buckets, each
of which has all rows of its pairs -> pairs with their numbers of synapses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crantcli.core.engine import PairRules, StoredSynapses
from crantcli.core.parallel import in_order, parallel_map
from crantcli.engine.pairs.cleaning import cleaned
from crantcli.engine.pairs.coding import Codes, Offsets, TooWideError
from crantcli.engine.pairs.distinct import Ids, ids_of
from crantcli.engine.pairs.runs import Keys, Leading, SortedRuns
from crantcli.engine.pairs.stored import ElsewhereError, RowGroups, Rows, row_groups, sampled

Integers = NDArray[np.int64]

#: Parts of which some rows are looked at first.
_FEW = 8

#: Numbers between 0 and the greatest by which buckets are cut where all neurons are numbered.
_EVEN = 100_000

#: What `PairCounter.pairs` gives.
SCHEMA = pa.schema([("pre", pa.int64()), ("post", pa.int64()), ("n", pa.int64())])


class PairCounter:
    """Counts the synapses of each pair of neurons in files.

    Parameters
    ----------
    stored : StoredSynapses
    rules : PairRules
    threads : int
    memory : int
        Bytes that may be held.
    scratch : Path
        A folder for what does not fit.

    Attributes
    ----------
    removed : dict of str to int
        Rows by the step that removed them; complete when all pairs have been given.
    """

    def __init__(self, stored: StoredSynapses, rules: PairRules, threads: int, memory: int, scratch: Path) -> None:
        self._rules, self._threads, self._memory, self._scratch = rules, threads, memory, scratch
        self._rows = stored.rows
        roles = ["pre", "post", *(["id"] if rules.distinct else []), *(["size"] if rules.min_size is not None else [])]
        self._parts = row_groups(stored.files, roles)
        self._coder: Offsets | Codes
        self.removed: dict[str, int] = {}

    def read(self) -> None:
        """Read the files.

        Raises
        ------
        ElsewhereError
            Where a synapse id comes twice, or a column is of another type than it should be.
        DataError
            Where a file is damaged.
        """
        try:
            self._read_near(Offsets(self._greatest()))
        except TooWideError:
            self._read_far(Codes(self._scratch / "codes", self._memory // 2))

    def _greatest(self) -> int:
        """The greatest ID, from the footers."""
        try:
            ranges = [part.range(side) for part in self._parts for side in ("pre", "post")]
        except ElsewhereError:
            raise TooWideError from None
        return max((found[1] for found in ranges if found is not None), default=0)

    def _read_near(self, coder: Offsets) -> None:
        def keys(rows: Rows) -> Keys:
            return coder.pack(*self._cleaned(rows, {}))

        order = _expected(sampled(self._parts, keys, _FEW))
        runs = self._sorter(lambda: sampled(self._parts, keys), order)
        self._coder, self._runs = coder, runs
        self._read_all(lambda pre, post: runs.add(order.ordered(coder.pack(pre, post))))

    def _read_far(self, coder: Codes) -> None:
        self._read_all(coder.add)
        parts = coder.settle()
        order = Leading(0, coder.greatest)
        runs = self._sorter(lambda: np.linspace(0, coder.greatest, _EVEN).astype(np.uint64), order)
        self._coder, self._runs = coder, runs
        parallel_map(lambda part: runs.add(order.ordered(part())), parts, self._threads)

    def _sorter(self, sample: Callable[[], Keys], order: Leading) -> SortedRuns:
        return SortedRuns(self._scratch / "pairs.keys", self._memory // 2, self._rows, sample, order)

    def _read_all(self, add: Callable[[Integers, Integers], None]) -> None:
        """Read all parts. What counts goes to a function."""
        ids = None
        if self._rules.distinct:
            ids = ids_of(self._parts, self._rows, self._memory // 4, self._scratch / "ids.keys")
        self.removed = {}
        for removed in parallel_map(lambda part: self._read_part(part, add, ids), self._parts, self._threads):
            self._remove(removed)
        if ids is not None:
            ids.check(self._threads)

    def _read_part(self, part: RowGroups, add: Callable[[Integers, Integers], None], ids: Ids | None) -> dict[str, int]:
        removed: dict[str, int] = {}
        seen = []
        for rows in part.batches():
            add(*self._cleaned(rows, removed))
            if ids is not None:
                known, values = rows.there("pre", "post", "id"), rows.integers("id")
                seen.append(values if known is None else values[known])
        if ids is not None and seen:
            ids.add(seen[0] if len(seen) == 1 else np.concatenate(seen))
        return removed

    def _remove(self, removed: dict[str, int]) -> None:
        for step, number in removed.items():
            self.removed[step] = self.removed.get(step, 0) + number

    def _cleaned(self, rows: Rows, removed: dict[str, int]) -> tuple[Integers, Integers]:
        """Both neurons of the rows that count, to be used up. How many do not is told in `removed`."""
        pre, post, keep = cleaned(rows, self._rules, removed)
        if keep is None:
            return pre.copy(), post.copy()
        return pre[keep], post[keep]

    def pairs(self) -> Iterator[pa.RecordBatch]:
        """Batches of `SCHEMA` with the pairs that reach the threshold, in ascending order."""
        for keys, numbers, weak in in_order(self._counted, self._runs.buckets(), self._threads):
            self._remove({"threshold": weak})
            if len(keys):
                pre, post = self._coder.unpack(keys)
                yield pa.record_batch([pa.array(pre), pa.array(post), pa.array(numbers)], schema=SCHEMA)

    def _counted(self, bucket: Callable[[], Keys]) -> tuple[Keys, Integers, int]:
        """The pairs of a bucket, their numbers of synapses, and synapses of pairs below the threshold."""
        keys = bucket()
        if not len(keys):
            return keys, np.empty(0, np.int64), 0
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        numbers = np.diff(starts, append=len(keys))
        if self._rules.threshold <= 1:
            return keys[starts], numbers, 0
        strong = numbers >= self._rules.threshold
        numbers = numbers[strong]
        return keys[starts[strong]], numbers, len(keys) - int(numbers.sum())


def _expected(sample: Keys) -> Leading:
    """The order for keys of which these are some."""
    if not len(sample):
        return Leading(0, 2**64 - 1)
    least, greatest = int(sample.min()), int(sample.max())
    margin = (greatest - least) // 8
    return Leading(max(0, least - margin), min(2**64 - 1, greatest + margin))


__all__ = ["SCHEMA", "ElsewhereError", "PairCounter"]
