"""Reads a mesh in PLY: a head that says what the elements are made of, then these, as text or as bytes.

Source of the format: Greg Turk, The PLY Polygon File Format (1994), with the Stanford repository's strips of triangles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.solids import Surface
from crantcli.errors import DataError
from crantcli.sources.shapes.plain import Field, plain_columns

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Lines = list[tuple[int, bytes]]

#: What is needed of an element: numbers of a property, one a row; of a list a matrix of the rows of each length.
Values = dict[str, Any]

#: NumPy's names of the types.
_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip

_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}

#: A head of more bytes than this is none.
_LONGEST_HEAD = 100_000

#: Properties of which the mesh is made.
_AXES, _CORNERS = ("x", "y", "z"), ("vertex_indices", "vertex_index")


@dataclass(frozen=True)
class _Property:
    """A property; `count` is the type of a list's length, "" where it is no list."""

    name: str
    type: str
    count: str = ""


@dataclass
class _Element:
    name: str
    number: int
    properties: list[_Property] = field(default_factory=list)

    @property
    def needed(self) -> list[_Property]:
        """The properties that the mesh is made of."""
        names = {"vertex": _AXES, "face": _CORNERS, "tristrips": _CORNERS}.get(self.name, ())
        return [prop for prop in self.properties if prop.name in names]

    @property
    def sound(self) -> bool:
        """Whether these can be read in one way only."""
        names = [prop.name for prop in self.properties]
        as_meant = all(not prop.count if self.name == "vertex" else self._lists_corners(prop) for prop in self.needed)
        return len(set(names)) == len(names) and as_meant and (self.name == "vertex" or len(self.needed) < 2)

    def _lists_corners(self, prop: _Property) -> bool:
        return bool(prop.count) and prop.type[0] != "f"


@dataclass
class _Head:
    """What a head says; `lines` and `length` are its own."""

    order: str | None = None
    elements: list[_Element] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    lines: int = 0
    length: int = 0


def read_ply(data: bytes, name: str) -> tuple[Surface, str | None]:
    """Read a mesh.

    Parameters
    ----------
    data : bytes
        The file. Faces of more than three vertices are taken apart like a fan.
    name : str
        What to call the file in messages.

    Returns
    -------
    tuple of Surface, and str or None
        And the unit, where a comment `units ...` says it, as in files that we write.

    Raises
    ------
    DataError
        Where the file is not what its head says, or a face has a vertex that is not there.
    """
    import numpy as np

    head = _read_head(data, name)
    found = _read_bytes(data, head, name) if head.order else _read_text(data, head, name)
    vertices = found.get("vertex", {})
    if missing := [axis for axis in _AXES if axis not in vertices]:
        raise DataError(f"{name}: its vertices have no {', '.join(missing)}; is it a mesh?")
    points = np.stack([np.asarray(vertices[axis], dtype=np.float64) for axis in _AXES], axis=1)
    faces = [np.zeros((0, 3), dtype=np.int64)]
    for element, triangles in (("face", _fan), ("tristrips", _strip)):
        for rows in [rows for groups in found.get(element, {}).values() for rows in groups]:
            _check_corners(rows, len(points), -1 if element == "tristrips" else 0, name)
            faces += triangles(rows)
    units = [text.split()[1] for text in head.comments if text.startswith("units ")]
    return Surface(points, np.concatenate(faces)), units[0] if units else None


def _check_corners(rows: Array, vertices: int, lowest: int, name: str) -> None:
    """Refuse faces that are none."""
    if rows.shape[1] < 3:
        raise DataError(f"{name}: a face has {rows.shape[1]} vertices instead of three or more; is it damaged?")
    if len(wrong := rows[(rows < lowest) | (rows >= vertices)]):
        raise DataError(f"{name}: a face has vertex {wrong[0]}, and there are {vertices:,}, from 0; is it damaged?")


def _fan(rows: Array) -> list[Array]:
    """Triangles of polygons."""
    return [rows[:, [0, k, k + 1]] for k in range(1, rows.shape[1] - 1)]


def _strip(rows: Array) -> list[Array]:
    """Triangles of strips, each of which ends with -1."""
    import numpy as np

    three = np.stack([rows[:, :-2], rows[:, 1:-1], rows[:, 2:]], axis=-1).reshape(-1, 3)
    return [three[(three >= 0).all(axis=1)]]


# ------------------------------------------------------------------------------------------------------------ the head


def _read_head(data: bytes, name: str) -> _Head:
    begin = re.match(rb"ply[ \t]*(\r\n|\n|\r)", data)
    if begin is None:
        raise DataError(f"{name}: does not begin like a PLY file; is it damaged, or another kind of file?")
    end = re.search(rb"[\r\n]end_header[ \t]*" + begin[1], data[:_LONGEST_HEAD])
    if end is None:
        raise DataError(f"{name}: has no end_header; is it cut?")
    lines = data[begin.end() : end.start() + 1].decode("utf-8", "replace").splitlines()
    head = _Head(lines=len(lines) + 2, length=end.end())
    for number, line in enumerate(lines, 2):
        try:
            _add_to(head, line.split())
        except (KeyError, ValueError, IndexError):
            shown = line.strip()[:60]
            raise DataError(f"{name}, line {number}: the head says {shown!r}, which PLY does not know") from None
    if head.order is None:
        raise DataError(f"{name}: its head does not say its format; is it damaged?")
    for element in head.elements:
        if not element.sound:
            raise DataError(f"{name}: its head gives {element.name} properties that contradict each other")
    return head


def _add_to(head: _Head, words: list[str]) -> None:
    """Take a line of a head in.

    Raises
    ------
    KeyError, ValueError, IndexError
        Where it says nothing that is known.
    """
    match words:
        case [] | ["obj_info", *_]:
            pass
        case ["comment", *text]:
            head.comments.append(" ".join(text))
        case ["format", form, "1.0"] if head.order is None:
            head.order = _ORDERS[form]
        case ["element", name, count] if count.isascii() and count.isdecimal():
            if any(name == element.name for element in head.elements):
                raise ValueError
            head.elements.append(_Element(name, int(count)))
        case ["property", "list", count, kind, name] if _TYPES[count][0] != "f":
            head.elements[-1].properties.append(_Property(name, _TYPES[kind], _TYPES[count]))
        case ["property", kind, name]:
            head.elements[-1].properties.append(_Property(name, _TYPES[kind]))
        case _:
            raise ValueError


# ------------------------------------------------------------------------------------------------------------ as text


def _read_text(data: bytes, head: _Head, name: str) -> dict[str, Values]:
    """Elements of a file of text, one a line."""
    every = enumerate(map(bytes.strip, data[head.length :].splitlines()), head.lines + 1)
    lines = [(number, line) for number, line in every if line]
    start, found = 0, dict[str, Values]()
    for element in head.elements:
        if not element.properties:
            continue
        rows = lines[start : start + element.number]
        if len(rows) < element.number:
            raise DataError(f"{name}: has {len(rows):,} of {element.number:,} lines of {element.name}; is it cut?")
        tidy = _tidy_rows(element, rows)
        found[element.name] = _text_rows(element, rows, name) if tidy is None else tidy
        start += element.number
    if start < len(lines):
        raise DataError(f"{name}, line {lines[start][0]}: goes on after all that its head says; is it damaged?")
    return found


def _tidy_rows(element: _Element, rows: Lines) -> Values | None:
    """What is needed of an element with one list at most, and that of one length; None for anything else."""
    import numpy as np

    if not rows or sum(bool(prop.count) for prop in element.properties) > 1:
        return None
    first = rows[0][1].split()
    fields: dict[str, Field] = {}
    columns: dict[str, list[str]] = {}
    length = 0
    for prop in element.properties:
        number = 1
        if prop.count:
            here = first[len(fields)] if len(fields) < len(first) else b""
            number = length = int(here) if here.isdigit() and len(here) < 5 else 0
            fields["length"] = "int64"
        if number < 1:
            return None
        columns[prop.name] = [f"{len(fields) + k} {prop.name}" for k in range(number)]
        needed: Field = "int64" if prop.count else "float64"
        fields |= dict.fromkeys(columns[prop.name], needed if prop in element.needed else "")
    found = plain_columns(b"\n".join([line for _, line in rows]), fields)
    if found is None or (length and (found["length"] != length).any()):
        return None
    return {
        prop.name: [np.stack([found[column] for column in columns[prop.name]], axis=1)]
        if prop.count
        else found[columns[prop.name][0]]
        for prop in element.needed
    }


def _text_rows(element: _Element, rows: Lines, name: str) -> Values:
    """What is needed of an element, or the line that is at fault."""
    import numpy as np

    scalars: dict[str, list[float]] = {prop.name: [] for prop in element.needed if not prop.count}
    lists: dict[str, dict[int, list[int]]] = {prop.name: {} for prop in element.needed if prop.count}
    for line, text in rows:
        fields = text.split()[::-1]
        try:
            for prop in element.properties:
                number = _whole(fields.pop()) if prop.count else 1
                if not 0 <= number <= len(fields):
                    raise ValueError
                values = [fields.pop() for _ in range(number)]
                if prop.name in lists:
                    lists[prop.name].setdefault(number, []).extend(map(_whole, values))
                elif prop.name in scalars:
                    scalars[prop.name].append(_real(values[0]))
            if fields:
                raise ValueError
        except (ValueError, IndexError):
            shown = text[:60].decode("utf-8", "replace")
            raise DataError(
                f"{name}, line {line}: {shown!r} is not the {element.name} that the head describes; is it damaged?"
            ) from None
    made: Values = {prop: np.array(values, dtype=np.float64) for prop, values in scalars.items()}
    for prop_name, groups in lists.items():
        made[prop_name] = [
            np.array(values, dtype=np.int64).reshape(-1, number) if number else np.zeros((1, 0), dtype=np.int64)
            for number, values in groups.items()
        ]
    return made


def _whole(text: bytes) -> int:
    number = int(text)
    if b"_" in text or abs(number) >= 2**62:
        raise ValueError
    return number


def _real(text: bytes) -> float:
    if b"_" in text:
        raise ValueError
    return float(text)


# ----------------------------------------------------------------------------------------------------------- as bytes


def _read_bytes(data: bytes, head: _Head, name: str) -> dict[str, Values]:
    """Elements of a binary file."""
    at, found = head.length, dict[str, Values]()
    for element in head.elements:
        read = _same_rows(data, at, element, str(head.order)) or _any_rows(data, at, element, str(head.order))
        if read is None:
            raise DataError(
                f"{name}: ends before the {element.number:,} of {element.name} that its head says; is it cut?"
            )
        found[element.name], at = read
    if data[at:].strip(b"\r\n"):
        raise DataError(f"{name}: has {len(data) - at:,} bytes more than its head says; is it damaged?")
    return found


def _same_rows(data: bytes, at: int, element: _Element, order: str) -> tuple[Values, int] | None:
    """Rows of one length, as those of elements without lists, or of triangles; None where they are not so."""
    import numpy as np

    lengths = _lengths(data, at, element, order) if element.number else [0] * len(element.properties)
    if lengths is None:
        return None
    kinds: list[Any] = []
    for prop, length in zip(element.properties, lengths, strict=True):
        if prop.count:
            kinds.append((f"length {prop.name}", order + prop.count))
        kinds.append((prop.name, order + prop.type, (length,) if prop.count else ()))
    kind = np.dtype(kinds)
    end = at + kind.itemsize * element.number
    if end > len(data):
        return None
    rows = np.frombuffer(data, kind, element.number, at) if end > at else np.zeros(0, kind)
    for prop, length in zip(element.properties, lengths, strict=True):
        if prop.count and (rows[f"length {prop.name}"] != length).any():
            return None
    return {
        prop.name: [rows[prop.name].astype(np.int64)] * bool(len(rows)) if prop.count else rows[prop.name]
        for prop in element.needed
    }, end


def _lengths(data: bytes, at: int, element: _Element, order: str) -> list[int] | None:
    """Length of each property in the row that begins at a place; None where the file ends before it does."""
    import numpy as np

    found = []
    for prop in element.properties:
        length = 1
        if prop.count:
            start, at = at, at + int(prop.count[1])
            length = int(np.frombuffer(data, order + prop.count, 1, start)[0]) if at <= len(data) else -1
        at += length * int(prop.type[1])
        if length < 0 or at > len(data):
            return None
        found.append(length)
    return found


def _any_rows(data: bytes, at: int, element: _Element, order: str) -> tuple[Values, int] | None:
    """Rows one by one; None where the file ends before."""
    import numpy as np

    groups: dict[str, dict[int, list[Array]]] = {prop.name: {} for prop in element.needed}
    if not any(prop.count for prop in element.properties):
        return None
    for _ in range(element.number):
        lengths = _lengths(data, at, element, order)
        if lengths is None:
            return None
        for prop, length in zip(element.properties, lengths, strict=True):
            at += int(prop.count[1]) if prop.count else 0
            if prop.name in groups:
                groups[prop.name].setdefault(length, []).append(np.frombuffer(data, order + prop.type, length, at))
            at += length * int(prop.type[1])
    made: Values = {}
    for prop in element.needed:
        stacked = [np.stack(rows) for rows in groups[prop.name].values()]
        made[prop.name] = [rows.astype(np.int64) for rows in stacked] if prop.count else np.concatenate(stacked).ravel()
    return made, at
