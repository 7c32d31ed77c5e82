"""Reads a mesh in Wavefront's OBJ format: `v x y z` a vertex, `f a b c ...` a face.

Source of the format: Wavefront Technologies, Advanced Visualizer, appendix B1, "Object Files".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.solids import Surface
from crantcli.errors import DataError
from crantcli.ids import INT64_MAX
from crantcli.sources.shapes.plain import Field, plain_columns

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Fields = list[bytes]

#: Words that statements begin with, and that say nothing of vertices and faces. Any other word is a damaged one: to
#: pass over a vertex would shift the numbers of all that follow.
_OTHER = frozenset(
    b"vt vn vp deg bmat step cstype p l curv curv2 surf parm trim hole scrv sp end con g s mg o bevel c_interp "
    b"d_interp lod usemtl mtllib usemap maplib shadow_obj trace_obj ctech stech call csh".split()
)

#: Words of a vertex: v, and x, y, z; or with a weight; or with a colour of three or four numbers.
_VERTEX = frozenset((4, 5, 7, 8))

#: What may follow the number of a vertex in a face: those of its texture and of its normal.
_BESIDE = re.compile(rb"/(?:-?[1-9][0-9]*)?(?:/(?:-?[1-9][0-9]*)?)?(?=[ \n]|\Z)")


def read_obj(data: bytes, name: str) -> Surface:
    """Read a mesh.

    Parameters
    ----------
    data : bytes
        The file. Its objects and groups are one mesh. Faces of more than three vertices are taken apart like a fan.
    name : str
        What to call the file in messages.

    Raises
    ------
    DataError
        Where a statement cannot be read, or a face has a vertex that is not there; the message names file and line.

    Notes
    -----
    Vertices count from 1. A negative number counts back from the vertices that stand before the face; a positive one
    may be of a vertex that comes later.
    """
    import numpy as np

    found = _Mesh(name)
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\\" in data:
        found.read(_statements(data))
    else:
        lines = enumerate(map(bytes.strip, data.splitlines()), 1)
        for begin, run in itertools.groupby(lines, lambda line: line[1][:2]):
            found.read_run(begin, list(run))
    vertices, faces, lines_of = found.arrays()
    beyond = np.flatnonzero((faces >= len(vertices)).any(axis=1))
    if len(beyond):
        raise DataError(
            f"{name}, line {lines_of[beyond[0]]}: a face has vertex {faces[beyond[0]].max() + 1}, and the file has "
            f"{len(vertices):,} vertices"
        )
    return Surface(vertices, faces)


class _Mesh:
    """What has been read up to here: vertices, and faces with the lines that they stand in."""

    def __init__(self, name: str) -> None:
        self._name, self._number = name, 0
        self._vertices: list[Any] = []
        self._faces: list[Any] = []
        self._lines: list[Any] = []

    def arrays(self) -> tuple[Array, Array, Array]:
        """Vertices, triangles and their lines."""
        import numpy as np

        return (
            np.concatenate([np.zeros((0, 3)), *self._vertices]),
            np.concatenate([np.zeros((0, 3), dtype=np.int64), *self._faces]),
            np.concatenate([np.zeros(0, dtype=np.int64), *self._lines]),
        )

    def read_run(self, begin: bytes, run: list[tuple[int, bytes]]) -> None:
        """Read lines that begin alike, together if they are tidy."""
        import numpy as np

        if begin in (b"v ", b"f "):
            text = b"\n".join([line for _, line in run])
            if begin == b"f " and b"/" in text:
                text = _BESIDE.sub(b"", text)
            kind: Field = "float64" if begin == b"v " else "int64"
            columns = plain_columns(text, {"word": "", "x": kind, "y": kind, "z": kind})
            if columns is not None:
                found = np.stack([columns[axis] for axis in "xyz"], axis=1)
                if begin == b"v ":
                    self._add(vertices=found)
                    return
                counted = np.where(found < 0, found + self._number, found - 1)
                if (found != 0).all() and (counted >= 0).all():
                    self._add(faces=counted, lines=np.array([number for number, _ in run]))
                    return
        self.read((number, line.partition(b"#")[0].split()) for number, line in run)

    def _add(self, vertices: Any = None, faces: Any = None, lines: Any = None) -> None:
        import numpy as np

        if vertices is not None:
            self._number += len(vertices)
            self._vertices.append(np.asarray(vertices, dtype=np.float64))
        if faces is not None and len(faces):
            self._faces.append(np.asarray(faces, dtype=np.int64))
            self._lines.append(np.asarray(lines, dtype=np.int64))

    def read(self, statements: Iterable[tuple[int, Fields]]) -> None:
        """Read statements one by one."""
        points: list[list[float]] = []
        faces: list[list[int]] = []
        lines: list[int] = []
        before = self._number
        for line, fields in statements:
            if not fields:
                continue
            word, where = fields[0], f"{self._name}, line {line}"
            if word == b"v":
                points.append(_vertex(fields, where))
            elif word == b"f":
                found = _triangles(fields, before + len(points), where)
                faces += found
                lines += [line] * len(found)
            elif word not in _OTHER:
                raise DataError(
                    f"{where}: {_shown(fields)} is no statement of OBJ; is the file damaged, or another kind of file?"
                )
        if points:
            self._add(vertices=points)
        self._add(faces=faces, lines=lines)


def _statements(data: bytes) -> Iterator[tuple[int, Fields]]:
    """First line and fields of each statement. A backslash at a line's end continues it, unless in a comment."""
    begun, start = b"", 0
    for number, line in enumerate(data.splitlines(), 1):
        if b"#" not in line and line.endswith(b"\\"):
            begun, start = begun + line[:-1] + b" ", start or number
            continue
        whole = begun + line.partition(b"#")[0]
        yield start or number, whole.split()
        begun, start = b"", 0
    yield start, begun.split()


def _vertex(fields: Fields, where: str) -> list[float]:
    try:
        if len(fields) not in _VERTEX or any(b"_" in field for field in fields):
            raise ValueError
        return [float(field) for field in fields[1:4]]
    except ValueError:
        raise DataError(f"{where}: {_shown(fields)} is not a vertex (v x y z); is the file damaged?") from None


def _triangles(fields: Fields, before: int, where: str) -> list[list[int]]:
    """A face as triangles, vertices counted from 0; `before` vertices stand before it."""
    try:
        found = [_corner(field) for field in fields[1:]]
        if len(found) < 3:
            raise ValueError
    except ValueError:
        raise DataError(
            f"{where}: {_shown(fields)} is not a face of three or more vertices; is the file damaged?"
        ) from None
    if 0 in found:
        raise DataError(f"{where}: a face has vertex 0; OBJ counts vertices from 1, or back from -1")
    if min(found) < -before:
        raise DataError(f"{where}: a face has vertex {min(found)}, and {before:,} vertices stand before it")
    first, *others = [number + before if number < 0 else number - 1 for number in found]
    return [[first, *pair] for pair in itertools.pairwise(others)]


def _corner(field: bytes) -> int:
    """The number of a vertex in `vertex/texture/normal`."""
    number, *others = field.split(b"/")
    if b"_" in field or len(others) > 2 or any(other and not int(other) for other in others):
        raise ValueError
    if abs(int(number)) > INT64_MAX:
        raise ValueError
    return int(number)


def _shown(fields: Fields) -> str:
    """A statement for a message."""
    return repr(b" ".join(fields)[:60].decode("utf-8", "replace"))
