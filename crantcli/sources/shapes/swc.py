"""Reads one skeleton in SWC: a node a line, `id label x y z radius parent`.

Format: Cannon et al., J. Neurosci. Methods 84, 49-54 (1998); neuronland.org keeps its description.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.skeleton import Skeleton
from crantcli.core.geometry.soundness import LARGEST
from crantcli.errors import DataError
from crantcli.ids import FLOAT_EXACT, INT64_MAX
from crantcli.sources.shapes.plain import Field, plain_columns, refuse_other_kinds

if TYPE_CHECKING:
    import numpy as np

    #: IDs, IDs of parents, coordinates.
    Nodes = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]

#: Fields of a line; label and radius may be anything.
_KINDS: dict[str, Field] = {
    "id": "int64", "label": "", "x": "float64", "y": "float64", "z": "float64", "radius": "", "parent": "int64",
}  # fmt: skip


def read_swc(data: bytes, name: str, scale: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Skeleton:
    """Read a skeleton.

    Parameters
    ----------
    data : bytes
        The file. Comments start with `#` and blank lines count for nothing; fields are separated by spaces or tabs,
        and those beyond the seventh are passed over. The parent of a root is -1; there may be several, or no node at
        all.
    name : str
        What to call the file in messages.
    scale : tuple of float
        Nanometres per unit along x, y and z.

    Raises
    ------
    DataError
        Where a line cannot be read, a coordinate is not finite, an ID comes twice or is negative, a parent is missing,
        or nodes are each other's ancestors; the message names file and line.
    """
    import numpy as np

    refuse_other_kinds(data, name)
    node_id, parent_id, xyz = _fast(data) or _fast(_tidied(data)) or _line_by_line(data, name)
    with np.errstate(over="ignore"):  # what is too large in nm is refused like what is so in the file
        nm = xyz * np.array(scale)
    if fault := _fault_of_nodes(node_id, parent_id, xyz, nm):
        raise _at(data, name, *fault)
    skeleton, orphans = Skeleton.linked(node_id, parent_id, nm)
    if (skeleton.node_id[1:] == skeleton.node_id[:-1]).any():
        twice = int(skeleton.node_id[1:][skeleton.node_id[1:] == skeleton.node_id[:-1]].min())
        raise _at(data, name, np.flatnonzero(node_id == twice)[1], f"node {twice} comes a second time")
    if len(orphans):
        row = orphans.min()
        what = f"the parent of node {node_id[row]} is {parent_id[row]}, and there is no such node; a root has -1"
        raise _at(data, name, row, what)
    if cycle := skeleton.cycle():
        raise _at(data, name, *_fault_of_cycle(node_id, skeleton.node_id[cycle]))
    return skeleton


def _fault_of_nodes(node_id: Any, parent_id: Any, xyz: Any, nm: Any) -> tuple[int, str] | None:
    """The first row that is no node, and what is wrong with it."""
    import numpy as np

    if len(rows := np.flatnonzero(~(np.abs(nm) < LARGEST).all(axis=1))):
        what = "larger than any brain" if np.isfinite(xyz[rows[0]]).all() else "not a finite number"
        return rows[0], f"a coordinate is {what}; fix or drop the node"
    if len(rows := np.flatnonzero(node_id < 0)):
        return rows[0], f"node {node_id[rows[0]]} has a negative ID; number the nodes from 0 or 1"
    if len(rows := np.flatnonzero(parent_id < -1)):
        return rows[0], f"the parent of node {node_id[rows[0]]} is {parent_id[rows[0]]}; that of a root is -1"
    return None


def _fault_of_cycle(node_id: Any, cycle: Any) -> tuple[int, str]:
    """The first row of a node in a cycle, and the cycle from there."""
    import numpy as np

    row = int(np.flatnonzero(np.isin(node_id, cycle)).min())
    start = int(np.flatnonzero(cycle == node_id[row])[0])
    chain = [*np.roll(cycle, -start).tolist(), int(node_id[row])]
    shown = " -> ".join(map(str, chain if len(chain) < 9 else [*chain[:5], "...", *chain[-2:]]))
    return row, f"the parents of nodes make a cycle, {shown}; that of a root is -1"


def _fast(data: bytes) -> Nodes | None:
    """Read lines of exactly seven fields with one space between, after a head of comments; None for anything else."""
    import numpy as np

    head = re.match(rb"(?:\xef\xbb\xbf)?(?:[ \t]*(?:#[^\r\n]*)?(?:\r?\n|\Z))*", data)
    body = data[head.end() if head else 0 :]
    if b" #" in body:  # a comment, and no label
        return None
    if not body:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros((0, 3))
    found = plain_columns(body, _KINDS)
    if found is None:
        return None
    return found["id"], found["parent"], np.stack([found[axis] for axis in "xyz"], axis=1)


def _tidied(data: bytes) -> bytes:
    """The same nodes without comments, with seven fields a line and one space between."""
    lines = map(_fields, data.removeprefix(b"\xef\xbb\xbf").splitlines())
    return b"\n".join(b" ".join(fields[:7]) for fields in lines if fields)


def _line_by_line(data: bytes, name: str) -> Nodes:
    """Read what the fast way cannot, such as IDs written as 1.0, or say which line is at fault."""
    import numpy as np

    ids: list[int] = []
    parents: list[int] = []
    points: list[tuple[float, ...]] = []
    for number, fields in _lines(data):
        if len(fields) < len(_KINDS):
            raise DataError(
                f"{name}, line {number}: {len(fields)} fields instead of 7 ({' '.join(_KINDS)}); is it an SWC file?"
            )
        try:
            ids.append(_whole(fields[0]))
            points.append(tuple(map(_real, fields[2:5])))
            parents.append(_whole(fields[6]))
        except ValueError:
            shown = b" ".join(fields[:7])[:80].decode("utf-8", "replace")
            raise DataError(f"{name}, line {number}: {shown!r} is not a node ({' '.join(_KINDS)})") from None
    return np.array(ids, dtype=np.int64), np.array(parents, dtype=np.int64), np.array(points).reshape(-1, 3)


def _whole(field: bytes) -> int:
    """A node ID; `1.0` is 1 as long as a float can tell."""
    try:
        number = int(_plain(field))
    except ValueError:
        value = _real(field)
        if not (math.isfinite(value) and value.is_integer() and abs(value) < FLOAT_EXACT):
            raise ValueError(field) from None
        return int(value)
    if abs(number) > INT64_MAX:
        raise ValueError(field)
    return number


def _real(field: bytes) -> float:
    return float(_plain(field))


def _plain(field: bytes) -> bytes:
    """Refuse what is a number to Python only: 1_000."""
    if b"_" in field:
        raise ValueError(field)
    return field


def _lines(data: bytes) -> list[tuple[int, list[bytes]]]:
    """Number and fields of the lines that have any."""
    lines = enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1)
    split = ((number, _fields(line)) for number, line in lines)
    return [(number, fields) for number, fields in split if fields]


def _fields(line: bytes) -> list[bytes]:
    """The fields of a line up to a comment, which may follow the last one without a space: `1 1 0 0 0 5 -1#root`.

    A radius such as 1.#QNAN has none in it.
    """
    fields = line.split()
    if b"#" in line:
        comment = next((place for place, field in enumerate(fields) if field.startswith(b"#")), len(fields))
        fields = fields[:comment]
        if len(fields) == len(_KINDS):
            fields[-1] = fields[-1].partition(b"#")[0]
    return fields


def _at(data: bytes, name: str, row: Any, what: str) -> DataError:
    """The error for a node, with the line where it stands."""
    return DataError(f"{name}, line {_lines(data)[int(row)][0]}: {what}")
