"""Synapses per pair of neurons, straight from Parquet files.

Sorting plain numbers takes less time and memory than a hash table of all pairs does, and what comes out does not depend
on threads. The way of the rows: row groups, read by several threads -> cleaned, packed and sorted runs -> buckets, each
of which has all rows of its pairs -> pairs with their numbers of synapses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crantcli.core.engine import PairRules
from crantcli.core.parallel import in_order, parallel_map
from crantcli.engine.pairs.coding import Codes, Offsets, TooWideError
from crantcli.engine.pairs.naming import TextCodes, numbered
from crantcli.engine.pairs.reading import SynapseReader, Told, kept
from crantcli.engine.pairs.runs import Keys, Leading
from crantcli.engine.pairs.stored import ElsewhereError, Rows, sampled

Integers = NDArray[np.int64]

#: Parts of which some rows are looked at first.
_FEW = 8

#: Numbers between 0 and the greatest by which buckets are cut where all neurons are numbered.
_EVEN = 100_000


class PairCounter:
    """Counts the synapses of each pair of neurons in files.

    Parameters
    ----------
    reader : SynapseReader

    Attributes
    ----------
    removed : Counter of str
        Rows by the step that removed them; complete when all pairs have been given.
    schema : pyarrow.Schema
        What `pairs` gives: `pre`, `post` and `n`.
    """

    def __init__(self, reader: SynapseReader) -> None:
        self._reader, self._rules, self._threads = reader, reader.rules, reader.threads
        self._coder: Offsets | Codes | TextCodes
        self.removed = Told()
        neuron = pa.large_string() if reader.id_type == "VARCHAR" else pa.int64()
        self.schema = pa.schema([("pre", neuron), ("post", neuron), ("n", pa.int64())])

    def read(self) -> None:
        """Read the files.

        Raises
        ------
        ElsewhereError
            Where a synapse id comes twice, or a column is of another type than it should be.
        DataError
            Where a file is damaged.
        """
        codes, limit = self._reader.scratch / "codes", self._reader.memory // 2
        if self._reader.id_type == "VARCHAR":
            self._read_named(TextCodes(codes, limit))
            return
        try:
            self._read_near(Offsets(self._greatest()))
        except TooWideError:
            self._read_far(Codes(codes, limit))

    def _greatest(self) -> int:
        """The greatest ID, from the footers."""
        try:
            ranges = [part.range(side) for part in self._reader.parts for side in ("pre", "post")]
        except ElsewhereError:
            raise TooWideError from None
        return max((found[1] for found in ranges if found is not None), default=0)

    def _read_near(self, coder: Offsets) -> None:
        def keys(rows: Rows) -> Keys:
            return coder.pack(*_cleaned(rows, self._rules, Told()))

        parts = self._reader.parts
        order = _expected(sampled(parts, keys, _FEW))
        runs = self._reader.sorter(lambda: sampled(parts, keys), order)
        self._coder, self._runs = coder, runs
        self._read_all(lambda pre, post: runs.add(order.ordered(coder.pack(pre, post))))

    def _read_far(self, coder: Codes) -> None:
        self._read_all(coder.add)
        self._sort(coder)

    def _read_named(self, coder: TextCodes) -> None:
        def take(rows: Rows) -> Told:
            removed = Told()
            numbers, rules, names = numbered(rows, self._rules)
            coder.add(*_cleaned(numbers, rules, removed), names)
            return removed

        self.removed = self._reader.read(take)
        self._sort(coder)

    def _sort(self, coder: Codes | TextCodes) -> None:
        parts = coder.settle()
        order = Leading(0, coder.greatest)
        runs = self._reader.sorter(lambda: np.linspace(0, coder.greatest, _EVEN).astype(np.uint64), order)
        self._coder, self._runs = coder, runs
        parallel_map(lambda part: runs.add(order.ordered(part())), parts, self._threads)

    def _read_all(self, add: Callable[[Integers, Integers], None]) -> None:
        def take(rows: Rows) -> Told:
            removed = Told()
            add(*_cleaned(rows, self._rules, removed))
            return removed

        self.removed = self._reader.read(take)

    def pairs(self) -> Iterator[pa.RecordBatch]:
        """Batches of `schema` with the pairs that reach the threshold, in ascending order."""
        for keys, numbers, weak in in_order(self._counted, self._runs.buckets(), self._threads):
            self.removed["threshold"] += weak
            if len(keys):
                pre, post = self._coder.unpack(keys)
                yield pa.record_batch([pre, post, numbers], schema=self.schema)

    def _counted(self, bucket: Callable[[], Keys]) -> tuple[Keys, Integers, int]:
        """The pairs of a bucket, their numbers of synapses, and synapses of pairs below the threshold."""
        keys, numbers = counted(bucket())
        if self._rules.threshold <= 1:
            return keys, numbers, 0
        strong = numbers >= self._rules.threshold
        return keys[strong], numbers[strong], int(numbers[~strong].sum())


def _cleaned(rows: Rows, rules: PairRules, removed: Told) -> tuple[Integers, Integers]:
    """Both neurons of the rows that count, to be used up. How many do not is told in `removed`."""
    keep = kept(rows, rules, removed)
    pre, post = rows.integers("pre"), rows.integers("post")
    if keep is None:
        return pre.copy(), post.copy()
    return pre[keep], post[keep]


def counted(keys: Keys) -> tuple[Keys, Integers]:
    """Keys, each once and ascending, and how often they came. The array is used up."""
    keys.sort()
    if not len(keys):
        return keys, np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.diff(starts, append=len(keys))


def _expected(sample: Keys) -> Leading:
    """The order for keys of which these are some."""
    if not len(sample):
        return Leading(0, 2**64 - 1)
    least, greatest = int(sample.min()), int(sample.max())
    margin = (greatest - least) // 8
    return Leading(max(0, least - margin), min(2**64 - 1, greatest + margin))
