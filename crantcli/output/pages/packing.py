"""Packs arrays into the text of a page, from which its script reads them back to the last bit.

A sparse matrix is four streams: how many entries each row has; the gaps between their columns, low bytes and the rest
apart, since the low ones are noise and the others are not; and the weights. Each stream is deflated, and written with
seven bits in a character, where base64 has six. `decode.js` is the other half.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crantcli.core.matrix.labelled import LabelledMatrix

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_NOTHING: Mapping[str, Any] = MappingProxyType({})

#: zlib's usual effort: more takes three times as long for one part in a hundred.
_EFFORT = 6

_STRATEGIES = (zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY)

#: Integers, or groups of seven bytes, that are worked on at a time.
_CHUNK = 2_000_000

#: Characters that HTML would change or that could end a script, and those that stand for them: two bytes in UTF-8.
_STANDING_FOR = {"\0": "\xc0", "\r": "\xc1", "<": "\xc2"}


def packed(content: bytes) -> str:
    """Deflated without a header, as text; with what repeats, or without looking for it, whichever is shorter.

    What repeats by chance makes noise longer, as the gaps of a sparse matrix are.
    """
    return seven_bits(min((_deflated(content, how) for how in _STRATEGIES), key=len))


def _deflated(content: bytes, how: int) -> bytes:
    deflate = zlib.compressobj(_EFFORT, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, how)
    return deflate.compress(content) + deflate.flush()


def seven_bits(content: bytes) -> str:
    """Bytes as characters of seven bits each, the first bit first; the last character is filled up with zeros."""
    import numpy as np

    parts = []
    for start in range(0, len(content), 7 * _CHUNK):
        bits = np.unpackbits(np.frombuffer(content[start : start + 7 * _CHUNK], dtype=np.uint8))
        filled = np.concatenate([bits, np.zeros(-len(bits) % 7, dtype=np.uint8)])
        parts.append((np.packbits(filled.reshape(-1, 7), axis=1) >> 1).tobytes())
    made = b"".join(parts)
    for character, other in _STANDING_FOR.items():
        made = made.replace(character.encode(), other.encode())
    return made.decode()


def size_of(text: str) -> int:
    """Bytes that a stream takes in a file."""
    return len(text.encode("utf-8"))


def varints(values: Array) -> bytes:
    """Integers from 0 in as few bytes as each needs: seven bits in each byte, low ones first (LEB128).

    Parameters
    ----------
    values : ndarray of integers, shape (n,)
        From 0, below 2^63.
    """
    import numpy as np

    parts = []
    for start in range(0, len(values), _CHUNK):
        left = values[start : start + _CHUNK].astype(np.uint64)
        columns, more = [], [np.ones(len(left), dtype=bool)]
        while more[-1].any():
            rest = left >> np.uint64(7)
            columns.append((left & np.uint64(127)).astype(np.uint8) | ((rest > 0).astype(np.uint8) << 7))
            more.append(more[-1] & (rest > 0))
            left = rest
        table, there = np.stack(columns, axis=1), np.stack(more[:-1], axis=1)
        parts.append(table[there].tobytes())
    return b"".join(parts)


def zigzag(values: Array) -> Array:
    """Integers of both signs as integers from 0: 0, -1, 1, -2, ... become 0, 1, 2, 3, ..."""
    import numpy as np

    wide = values.astype(np.int64)
    return ((wide << 1) ^ (wide >> 63)).astype(np.uint64)


def floats(values: Array) -> bytes:
    """Numbers as eight planes of bytes, of which those of the exponents repeat."""
    import numpy as np

    planes = np.ascontiguousarray(values.astype("<f8")).view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(planes.T).tobytes()


def number_bytes(values: Array) -> bytes:
    """Integers as varints, other numbers as floats."""
    return varints(zigzag(values)) if values.dtype.kind in "iu" else floats(values)


@dataclass(frozen=True)
class PackedMatrix:
    """Entries of a matrix as text.

    Attributes
    ----------
    streams : dict of str to str
        "counts", "gaps", "high", "weights", and "beside.NAME" of each column beside them.
    left_out : int
        Entries that are not there.
    up_to : int or float
        Magnitude of the strongest of these; all that are as weak are left out, too.
    """

    streams: dict[str, str]
    left_out: int = 0
    up_to: float = 0

    @cached_property
    def bytes(self) -> int:
        """Room that it takes."""
        return sum(map(size_of, self.streams.values()))


def pack_matrix(matrix: LabelledMatrix, beside: Mapping[str, Array] = _NOTHING) -> dict[str, str]:
    """All entries of a matrix as streams, and what is beside each."""
    import numpy as np

    counts = np.diff(matrix.indptr)
    columns = matrix.indices.astype(np.int64)
    gaps = np.diff(columns, prepend=0) - 1
    first = matrix.indptr[:-1][counts > 0]
    gaps[first] = columns[first]
    return {
        "counts": packed(varints(counts)),
        "gaps": packed((gaps & 255).astype(np.uint8).tobytes()),
        "high": packed(varints(gaps >> 8)),
        "weights": packed(number_bytes(matrix.weights)),
        **{f"beside.{name}": packed(number_bytes(values)) for name, values in beside.items()},
    }


def fit_matrix(matrix: LabelledMatrix, room: int, beside: Mapping[str, Array] = _NOTHING) -> PackedMatrix:
    """The strongest entries of a matrix that fit into so many bytes: of entries of one weight all, or none.

    Parameters
    ----------
    matrix : LabelledMatrix
    room : int
    beside : mapping of str to ndarray, shape (entries,)
        What else is known of each entry; it is left out with it.

    Returns
    -------
    PackedMatrix
    """
    import numpy as np

    whole = PackedMatrix(pack_matrix(matrix, beside))
    if whole.bytes <= room or not len(matrix.weights):
        return whole
    strengths = np.abs(matrix.weights)
    levels, sizes = np.unique(strengths, return_counts=True)
    gone = np.cumsum(sizes)  # entries that are left out up to each level
    # Where the others go, gaps widen, and an entry takes more: the first guess leaves out too few, if it is wrong.
    weight = whole.bytes / len(strengths)
    place = -1
    while True:
        place = max(place + 1, int(np.searchsorted(gone, len(strengths) - room / weight)))
        place = min(place, len(levels) - 1)
        kept = strengths > levels[place]
        chosen = matrix.chosen(kept)
        there = {name: values[kept] for name, values in beside.items()}
        found = PackedMatrix(pack_matrix(chosen, there), int(gone[place]), levels[place].item())
        if found.bytes <= room or place == len(levels) - 1:
            return found
        weight = found.bytes / len(chosen.weights)
