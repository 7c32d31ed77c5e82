"""Reads a mesh in STL: triangles one by one, as text or as 50 bytes each.

Source of the format: 3D Systems, StereoLithography Interface Specification (1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.solids import Surface
from crantcli.errors import DataError
from crantcli.sources.shapes.plain import plain_columns

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: Bytes of the head of a binary file, and of each of its triangles.
_HEAD, _TRIANGLE = 84, 50

#: Of text: what stands before a line -> the words that it may begin with, and what then stands before the next one.
_NEXT = {
    "outside": {"solid": "solid"},
    "solid": {"facet normal": "facet", "endsolid": "outside"},
    "facet": {"outer loop": "vertex 1"},
    "vertex 4": {"endloop": "loop"},
    "loop": {"endfacet": "solid"},
}

#: Lines that go on, with a name or a normal. Neither is needed.
_LONGER = ("solid", "facet normal", "endsolid")


def read_stl(data: bytes, name: str) -> Surface:
    """Read a mesh.

    Parameters
    ----------
    data : bytes
        The file. Normals are not needed. Several solids in a text are one mesh.
    name : str
        What to call the file in messages.

    Raises
    ------
    DataError
        Where it is not as long as it says, or a line of text is not what must stand there.
    """
    import numpy as np

    number = int.from_bytes(data[_HEAD - 4 : _HEAD], "little") if len(data) >= _HEAD else 0
    # Some binary files begin with "solid", too.
    if len(data) == _HEAD + _TRIANGLE * number and len(data) >= _HEAD:
        kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", 9), ("attribute", "<u2")])
        corners = np.frombuffer(data, kind, offset=_HEAD)["corners"].astype(np.float64)
    elif data.lstrip()[:5].lower() == b"solid" and b"\0" not in data:
        lines = [line.strip() for line in data.splitlines()]
        tidy = _tidy(lines)
        corners = np.array(_by_line(lines, name), dtype=np.float64) if tidy is None else tidy
    else:
        says = f"says that it has {number:,} triangles, which is not its length" if len(data) >= _HEAD else "is cut"
        raise DataError(f"{name}: is no text of STL, and as binary STL {says}; is it damaged, or another kind of file?")
    vertices = corners.reshape(-1, 3)
    return Surface(vertices, np.arange(len(vertices)).reshape(-1, 3))


def _tidy(lines: Sequence[bytes]) -> Array | None:
    """Coordinates of the triangles of one solid that is written as usual; None for anything else."""
    import numpy as np

    lines = [line for line in lines if line]
    body = lines[1:-1]
    same = {1: b"outer loop", 5: b"endloop", 6: b"endfacet"}
    if (
        not body
        or len(body) % 7
        or not all(line.startswith(b"facet normal ") for line in body[::7])
        or any(set(body[at::7]) != {words} for at, words in same.items())
        or not (lines[0].startswith(b"solid") and lines[-1].split()[:1] == [b"endsolid"])
    ):
        return None
    corners = [line for place, line in enumerate(body) if 2 <= place % 7 <= 4]
    if not all(line.startswith(b"vertex ") for line in corners):
        return None
    columns = plain_columns(b"\n".join(corners), {"word": "", "x": "float64", "y": "float64", "z": "float64"})
    return None if columns is None else np.stack([columns[axis] for axis in "xyz"], axis=1)


def _by_line(lines: Sequence[bytes], name: str) -> list[float]:
    """Coordinates of the triangles in a text, or the line that is at fault."""
    numbers: list[float] = []
    state, line = "outside", 0
    for line, text in enumerate(lines, 1):
        fields = text.split()
        if not fields:
            continue
        if state in ("vertex 1", "vertex 2", "vertex 3"):
            numbers += _vertex(fields, f"{name}, line {line}")
            state = f"vertex {int(state[-1]) + 1}"
            continue
        after = _after(state, fields)
        if after is None:
            wanted = " or ".join(_NEXT[state])
            raise DataError(f"{name}, line {line}: {_shown(fields)} stands where {wanted} must; is the file damaged?")
        state = after
    if state != "outside":
        raise DataError(f"{name}, line {line}: the file ends before endsolid; it is cut")
    return numbers


def _after(state: str, fields: Sequence[bytes]) -> str | None:
    """What stands before the next line; None where this one must not stand here."""
    for begin, after in _NEXT[state].items():
        words = [word.encode() for word in begin.split()]
        same = [field.lower() for field in fields[: len(words)]] == words
        if same and (len(fields) == len(words) or begin in _LONGER):
            return after
    return None


def _vertex(fields: Sequence[bytes], where: str) -> list[float]:
    try:
        if len(fields) != 4 or fields[0].lower() != b"vertex" or any(b"_" in field for field in fields):
            raise ValueError
        return [float(field) for field in fields[1:]]
    except ValueError:
        raise DataError(f"{where}: {_shown(fields)} is not a vertex (vertex x y z); is the file damaged?") from None


def _shown(fields: Sequence[bytes]) -> str:
    """A line for a message."""
    return repr(b" ".join(fields)[:60].decode("utf-8", "replace"))
