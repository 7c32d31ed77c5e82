"""Pairs of 64-bit IDs as one number of 64 bits, which sorts as they do."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crantcli.engine.pairs.stored import ElsewhereError

Integers = NDArray[np.int64]
Keys = NDArray[np.uint64]

_BITS = np.uint64(32)
_LOW = np.uint64(2**32 - 1)

#: IDs that one side of a pair can tell apart.
WINDOW = 2**32


class TooWideError(Exception):
    """IDs lie further apart than `Offsets` can tell."""


class Offsets:
    """IDs within a window of 2^32 as their distance from its lower end.

    Parameters
    ----------
    greatest : int
        Of all IDs.
    """

    def __init__(self, greatest: int) -> None:
        self._least = max(greatest - WINDOW + 1, -(2**63))

    def pack(self, pre: Integers, post: Integers) -> Keys:
        """Pairs as one number each. The arrays are used up.

        Raises
        ------
        TooWideError
        """
        return high_and_low(self._coded(pre), self._coded(post))

    def _coded(self, ids: Integers) -> Keys:
        ids -= self._least
        codes = ids.view(np.uint64)
        if len(codes) and int(codes.max()) >= WINDOW:
            raise TooWideError
        return codes

    def unpack(self, keys: Keys) -> tuple[Integers, Integers]:
        """The pairs again."""
        pre, post = halves(keys)
        pre += self._least
        post += self._least
        return pre, post


class PartCodes(ABC):
    """IDs as their places among all of them, for which all rows must have come first.

    Until then, an ID is its place among those of its part of the rows.

    Parameters
    ----------
    path : Path
        What files that are made are called, but for a number: those of parts that do not fit.
    limit : int
        Bytes to hold.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit, self._bytes = path, limit, 0
        self._lock = threading.Lock()
        #: Of each part first the codes of the pre neurons, then as many of the post neurons.
        self._parts: list[NDArray[np.int32] | Path] = []
        #: All IDs, each once, ascending.
        self._ids: Any = ()

    @abstractmethod
    def _learn(self, ids: Any) -> None:
        """Take the IDs of a part, which its codes are places in. Nobody else does so meanwhile."""

    @abstractmethod
    def _all_ids(self) -> Any:
        """All IDs that have come, each once, ascending."""

    @abstractmethod
    def _places(self, number: int) -> Keys:
        """Where the IDs of a part stand among all of them."""

    def _keep(self, codes: NDArray[np.int32], ids: Any) -> None:
        """Take a part, whose codes are places in its IDs. Several threads may do so."""
        with self._lock:
            number, full = len(self._parts), self._bytes + codes.nbytes > self._limit
            self._bytes += 0 if full else codes.nbytes
            file = self._path.with_suffix(f".{number}")
            self._parts.append(file if full else codes)
            self._learn(ids)
        if full:
            codes.tofile(file)

    def settle(self) -> list[Callable[[], Keys]]:
        """Functions that give the pairs of one part each as numbers. Each can be called once.

        Raises
        ------
        ElsewhereError
            Where there are too many IDs.
        """
        self._ids = self._all_ids()
        if len(self._ids) > WINDOW:
            raise ElsewhereError
        return [partial(self._packed, number) for number in range(len(self._parts))]

    def _packed(self, number: int) -> Keys:
        part, self._parts[number] = self._parts[number], np.empty(0, np.int32)
        codes = np.fromfile(part, np.int32) if isinstance(part, Path) else part
        places, half = self._places(number), len(codes) // 2
        return high_and_low(places[codes[:half]], places[codes[half:]])

    @property
    def greatest(self) -> int:
        """The greatest number that a pair may be."""
        return (len(self._ids) << 32) - 1 if len(self._ids) else 0


class Codes(PartCodes):
    """IDs that lie anywhere in 64 bits."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, limit)
        self._ids_of: list[Integers] = []

    def add(self, pre: Integers, post: Integers) -> None:
        """Take the pairs of some rows."""
        both = pa.array(np.concatenate([pre, post])).dictionary_encode()
        self._keep(both.indices.to_numpy(), both.dictionary.to_numpy())

    def _learn(self, ids: Integers) -> None:
        self._ids_of.append(ids)

    def _all_ids(self) -> Integers:
        return np.unique(np.concatenate([np.empty(0, np.int64), *self._ids_of]))

    def _places(self, number: int) -> Keys:
        ids, self._ids_of[number] = self._ids_of[number], np.empty(0, np.int64)
        return np.searchsorted(self._ids, ids).view(np.uint64)

    def unpack(self, keys: Keys) -> tuple[Integers, Integers]:
        """The pairs again."""
        pre, post = halves(keys)
        return self._ids[pre], self._ids[post]


def high_and_low(high: Keys, low: Keys) -> Keys:
    """Both as one number, in the memory of the first."""
    high <<= _BITS
    high |= low
    return high


def halves(keys: Keys) -> tuple[Integers, Integers]:
    """Both numbers again."""
    return (keys >> _BITS).view(np.int64), (keys & _LOW).view(np.int64)
