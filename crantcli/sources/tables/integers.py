"""Text of integers alone: told from its bytes, which takes a small part of the time that looking at values takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

#: Bytes that are looked at together, few enough for a core's own cache.
_BLOCK = 2**16

_NEWLINE, _MINUS, _ZERO, _NINE = b"\n-09"


def holds_integers_only(path: Path, delimiter: str) -> bool:
    """Whether each field below the first line of a file is empty, or an integer as it is written, of any size.

    No sign but a minus, no zero before other digits, no blank, no quote; lines end with a newline alone.

    Parameters
    ----------
    path : Path
    delimiter : str
        One whose code is below that of the digits; there are no integers only under another.
    """
    if ord(delimiter) >= _ZERO:
        return False
    return all(_plain(block, ord(delimiter)) for block in _blocks(path))


def _blocks(path: Path) -> Iterator[Bytes]:
    """The bytes below the first line, between two newlines; each block begins with the last two of the one before."""
    import numpy as np

    with path.open("rb") as file:
        file.readline()
        held = bytearray(b"\n\n" + bytes(_BLOCK))
        while number := file.readinto(memoryview(held)[2:]):
            yield np.frombuffer(held, np.uint8, number + 2)
            held[:2] = held[number : number + 2]
    yield np.frombuffer(bytes(held[:2]) + b"\n", np.uint8)


def _plain(block: Bytes, delimiter: int) -> bool:
    """Whether no byte but the first two is another than such a text has, and each but the two ends may stand there."""
    import numpy as np

    low, rest = block < _ZERO, block[2:]
    minus = np.count_nonzero(rest == _MINUS)
    known = np.count_nonzero(rest == _NEWLINE) + np.count_nonzero(rest == delimiter) + minus
    if np.count_nonzero(low[2:]) != known or rest.max(initial=0) > _NINE:
        return False
    if (low[:-2] & (block[1:-1] == _ZERO) & ~low[2:]).any():
        return False
    if not minus and block[1] != _MINUS:
        return True
    signs = block[1:-1] == _MINUS
    return not (signs & (~low[:-2] | (block[:-2] == _MINUS) | (rest <= _ZERO))).any()
