"""Synapses of two versions that have the same id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

#: Odd numbers by which ids are spread, 2^64 by the golden ratio first; the others are for ids that then fall together.
_ODD = tuple(np.uint64((0x9E3779B97F4A7C15 + 0x2545F4914F6CDD1C * step) % 2**64) for step in range(0, 16, 2))


@dataclass(frozen=True)
class SynapseRows:
    """Some synapses, each with its id and its neurons.

    Attributes
    ----------
    id, pre, post : ndarray of int64
    counts : ndarray of bool, or None
        Which of them are meant; None for all.
    """

    id: Integers
    pre: Integers
    post: Integers
    counts: Mask | None = None

    #: What one takes.
    BYTES: ClassVar[int] = 24

    def __len__(self) -> int:
        return len(self.id)

    def at(self, places: Places) -> SynapseRows:
        """Some of them, all of which are meant."""
        return SynapseRows(self.id[places], self.pre[places], self.post[places])

    def without(self, these: Mask) -> SynapseRows:
        """All others that are meant."""
        return self.at(np.flatnonzero(~these if self.counts is None else ~these & self.counts))

    def counting(self) -> SynapseRows:
        """Those that are meant."""
        return self if self.counts is None else self.at(np.flatnonzero(self.counts))


def together(synapses: Sequence[SynapseRows]) -> SynapseRows:
    """All of them; all are meant."""
    none = np.empty(0, np.int64)
    return SynapseRows(*(np.concatenate([none, *(getattr(some, name) for some in synapses)])
                      for name in ("id", "pre", "post")))  # fmt: skip


class Partners:
    """Finds synapses that have the same id, in numbers that have it once each.

    Each id has a slot, which its product with a large odd number says. Arrays are used again: fresh memory, which the
    system has to empty first, would cost as much as the work.
    """

    def __init__(self) -> None:
        self._held: dict[str, NDArray[Any]] = {}

    def told_apart(
        self, one: SynapseRows, other: SynapseRows
    ) -> tuple[SynapseRows, SynapseRows, tuple[SynapseRows, SynapseRows]]:
        """What is not known to be in the other, of each, and, of what is in both, those with other neurons there."""
        if len(one) > len(other):
            other, one, theirs = self.told_apart(other, one)
            return one, other, (theirs[1], theirs[0])
        moved: list[tuple[SynapseRows, SynapseRows]] = []
        for odd in _ODD:
            if not len(one) or not len(other):
                break
            places, same, equal = self._found(one, other, odd)
            if not same.any():
                break
            differ = np.flatnonzero(same & ~equal)
            moved.append((one.at(places[differ]), other.at(differ)))
            # A synapse that had to share its slot comes again, with all that have no partner.
            there = np.zeros(len(one), bool)
            there[places[same]] = True
            one, other = one.without(there), other.without(same)
        return one, other, (together([a for a, _ in moved]), together([b for _, b in moved]))

    def _found(self, one: SynapseRows, other: SynapseRows, odd: np.uint64) -> tuple[Places, Mask, Mask]:
        """For each of the second its place in the first, whether it is there, and whether its neurons are the same."""
        bits = len(one).bit_length() + 1
        table = self._array("table", 1 << bits, np.int32)
        table.fill(0)  # an empty slot has the first synapse, to which it need not belong
        table[self._slots(one.id, odd, bits)] = np.arange(len(one), dtype=np.int32)
        places = self._array("places", len(other), np.intp)
        places[:] = table[self._slots(other.id, odd, bits)]
        same = self._taken(one.id, places) == other.id
        if one.counts is not None:
            same &= one.counts[places]
        if other.counts is not None:
            same &= other.counts
        equal = self._taken(one.pre, places) == other.pre
        equal &= self._taken(one.post, places) == other.post
        return places, same, equal

    def _slots(self, numbers: Integers, odd: np.uint64, bits: int) -> Integers:
        slots = self._array("slots", len(numbers), np.uint64)
        np.multiply(numbers.view(np.uint64), odd, out=slots)
        np.right_shift(slots, np.uint64(64 - bits), out=slots)
        return slots.view(np.int64)

    def _taken(self, values: Integers, places: Places) -> Integers:
        found: Integers = self._array("taken", len(places), np.int64)
        np.take(values, places, out=found, mode="clip")
        return found

    def _array(self, name: str, number: int, kind: Any) -> NDArray[Any]:
        if name not in self._held or len(self._held[name]) < number:
            self._held[name] = np.empty(number, kind)
        return self._held[name][:number]
