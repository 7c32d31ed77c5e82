"""Synapses per pair of groups of neurons, such as types, straight from Parquet files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crantcli.core.parallel import parallel_map
from crantcli.core.rows.steps import STEPS
from crantcli.engine.pairs.counter import counted
from crantcli.engine.pairs.reading import SynapseReader, Told, removing
from crantcli.engine.pairs.runs import Keys, Leading
from crantcli.engine.pairs.stored import ElsewhereError, Rows, sampled

Integers = NDArray[np.int64]

#: Up to so many possible keys for each that is there, a number is held for all of them.
_DENSE = 8


class GroupCounter:
    """Counts rows by the step of the ledger that removes them, and by the groups of both neurons.

    Parameters
    ----------
    reader : SynapseReader
    ids : ndarray of int64
        Neurons that are in groups, ascending.
    codes : ndarray of int64
        The number of the group of each.
    none : int
        The number for all others.
    only : bool
        Rows with one of these are removed as unannotated.
    """

    def __init__(self, reader: SynapseReader, ids: Integers, codes: Integers, none: int, only: bool) -> None:
        self._reader, self._ids, self._codes = reader, ids, codes
        self._only, self._none = only, none
        self._least = min(none, int(codes.min(initial=none)))
        self._number = int(codes.max(initial=none)) - self._least + 1
        self._greatest = (len(STEPS) + 1) * self._number**2 - 1
        if self._greatest >= 2**63:
            raise ElsewhereError

    def counts(self) -> dict[str, Integers]:
        """`step` (a place in `STEPS`, their number for rows that are kept), `pre` and `post` (codes), `n`, all int64.

        Raises
        ------
        ElsewhereError
            Where a synapse id comes twice, or a column is of another type than it should be.
        DataError
            Where a file is damaged.
        """
        order = Leading(0, self._greatest)
        runs = self._reader.sorter(lambda: sampled(self._reader.parts, self._keys), order)

        def take(rows: Rows) -> Told:
            runs.add(order.ordered(self._keys(rows)))
            return Told()

        self._reader.read(take)
        found = parallel_map(lambda bucket: _counted(bucket()), runs.buckets(), self._reader.threads)
        keys = np.concatenate([np.empty(0, np.uint64), *(keys for keys, _ in found)]).astype(np.int64)
        keys, post = np.divmod(keys, self._number)
        step, pre = np.divmod(keys, self._number)
        number = np.concatenate([np.empty(0, np.int64), *(numbers for _, numbers in found)])
        return {"step": step, "pre": pre + self._least, "post": post + self._least, "n": number}

    def _keys(self, rows: Rows) -> Keys:
        pre, post = self._coded(rows, "pre"), self._coded(rows, "post")
        step = np.full(len(pre), len(STEPS), np.int64)
        if self._only:
            step[(pre == self._none) | (post == self._none)] = STEPS.index("unannotated")
        # The first step that holds is the one that counts.
        for name, condition in reversed(removing(rows, self._reader.rules)):
            step[condition()] = STEPS.index(name)
        there = rows.there("pre", "post")
        if there is not None:
            step[~there] = STEPS.index("null")
        for codes in (pre, post):
            step *= self._number
            step += codes
            step -= self._least
        return step.view(np.uint64)

    def _coded(self, rows: Rows, side: str) -> Integers:
        """The code of each row's neuron. Of one neuron there are many rows: it is looked up once."""
        there = rows.there(side)
        once = pa.array(rows.integers(side)).dictionary_encode()
        ids = once.dictionary.to_numpy()
        places = np.searchsorted(self._ids, ids)
        places[places == len(self._ids)] = 0
        known = self._ids[places] == ids if len(self._ids) else np.zeros(len(ids), bool)
        codes = np.full(len(ids), self._none, np.int64)
        codes[known] = self._codes[places[known]]
        found: Integers = codes[once.indices.to_numpy()]
        if there is not None:
            found[~there] = self._none
        return found


def _counted(keys: Keys) -> tuple[Keys, Integers]:
    """Keys, each once, and how often they came. Few groups have so few pairs that these need not be sorted."""
    least = keys.min(initial=2**64 - 1)
    if not len(keys) or int(keys.max() - least) > _DENSE * len(keys):
        return counted(keys)
    keys -= least
    numbers = np.bincount(keys.view(np.int64))
    there = np.flatnonzero(numbers)
    return there.view(np.uint64) + least, numbers[there]
