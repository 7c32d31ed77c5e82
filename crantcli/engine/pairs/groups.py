"""Synapses per pair of groups of neurons, such as types, straight from Parquet files."""

from __future__ import annotations

import numpy as np
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

#: 2^64 by the golden ratio, which spreads numbers however they lie (Knuth, The Art of Computer Programming 3, 6.4).
_ODD = np.uint64(0x9E3779B97F4A7C15)


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
        self._reader, self._codes = reader, CodeTable(ids, codes, none)
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
        """The code of each row's neuron."""
        found, there = self._codes.of(rows.integers(side)), rows.there(side)
        if there is not None:
            found[~there] = self._none
        return found


class CodeTable:
    """Finds codes of numbers among those of many, most of them in one step.

    Each number has a slot, which its product with a large odd number says; eight times as many slots as numbers leave
    few with more than one. In these it is looked for by halving.

    Parameters
    ----------
    numbers : ndarray of int64
        Ascending.
    codes : ndarray of int64
    none : int
        The code of all other numbers.
    """

    def __init__(self, numbers: Integers, codes: Integers, none: int) -> None:
        self._numbers, self._codes, self._none = numbers, codes, none
        bits = max(4, len(numbers).bit_length() + 3)
        self._shift = np.uint64(64 - bits)
        slots = self._slots(numbers)
        # An empty slot has a number that belongs to another one.
        self._number_in = np.full(1 << bits, numbers[0] if len(numbers) else 0)
        self._code_in = np.full(1 << bits, none)
        self._number_in[slots], self._code_in[slots] = numbers, codes
        self._crowded = np.bincount(slots, minlength=1 << bits) > 1

    def _slots(self, numbers: Integers) -> Integers:
        return ((numbers.view(np.uint64) * _ODD) >> self._shift).view(np.int64)

    def of(self, numbers: Integers) -> Integers:
        """The code of each number."""
        slots = self._slots(numbers)
        found: Integers = self._code_in[slots]
        other = np.flatnonzero(self._number_in[slots] != numbers)
        found[other] = self._none
        unclear = other[self._crowded[slots[other]]]
        sought = numbers[unclear]
        places = np.minimum(np.searchsorted(self._numbers, sought), len(self._numbers) - 1)
        found[unclear] = np.where(self._numbers[places] == sought, self._codes[places], self._none)
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
