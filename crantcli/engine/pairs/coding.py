"""Pairs of 64-bit IDs as one number of 64 bits, which sorts as they do."""

from __future__ import annotations

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
        keys, low = self._coded(pre), self._coded(post)
        keys <<= _BITS
        keys |= low
        return keys

    def _coded(self, ids: Integers) -> Keys:
        ids -= self._least
        codes = ids.view(np.uint64)
        if len(codes) and int(codes.max()) >= WINDOW:
            raise TooWideError
        return codes

    def unpack(self, keys: Keys) -> tuple[Integers, Integers]:
        """The pairs again."""
        pre, post = (keys >> _BITS).view(np.int64), (keys & _LOW).view(np.int64)
        pre += self._least
        post += self._least
        return pre, post


class Codes:
    """IDs that lie anywhere as their places among all of them.

    Parameters
    ----------
    ids : ndarray of int64
        All IDs, ascending.
    """

    def __init__(self, ids: Integers) -> None:
        if len(ids) > WINDOW:
            raise ElsewhereError
        self._ids = ids

    def pack(self, pre: Integers, post: Integers) -> Keys:
        """Pairs as one number each."""
        keys, low = self._places(pre), self._places(post)
        keys <<= _BITS
        keys |= low
        return keys

    def _places(self, ids: Integers) -> Keys:
        # Of the same ID there are many rows: it is looked up once.
        once = pa.array(ids).dictionary_encode()
        places = np.searchsorted(self._ids, once.dictionary.to_numpy())
        return places[once.indices.to_numpy()].view(np.uint64)

    def unpack(self, keys: Keys) -> tuple[Integers, Integers]:
        """The pairs again."""
        return self._ids[(keys >> _BITS).view(np.int64)], self._ids[(keys & _LOW).view(np.int64)]
