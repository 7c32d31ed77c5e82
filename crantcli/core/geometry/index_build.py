"""Puts the index of `crantcli.core.geometry.containment` together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.grid import ATTEMPTS, Grid, InPlaneError, cones, crossings, touched
from crantcli.core.geometry.solids import run_starts
from crantcli.core.parallel import parallel_map
from crantcli.errors import CrantError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: Triangles, and cones, that one thread works on in one go.
_TRIANGLES, _CONES = 4_096, 8_192


def assemble(bodies: Sequence[Array], owners: Sequence[int], meshes: int, threads: int | None) -> dict[str, Any]:
    """The fields of a `MeshIndex`.

    Parameters
    ----------
    bodies : sequence of ndarray of float64, shape (n, 3, 3)
        Triangles; a point lies in a body if a ray from it crosses an odd number of them.
    owners : sequence of int, one for each body
        The mesh that a body belongs to.
    meshes : int
    threads : int or None
    """
    import numpy as np

    kept = [number for number, body in enumerate(bodies) if len(body)]
    if not kept:
        return _empty(meshes)
    triangles = np.ascontiguousarray(np.concatenate([bodies[number] for number in kept]))
    body = np.repeat(np.arange(len(kept)), [len(bodies[number]) for number in kept])
    mesh = np.array([owners[number] for number in kept], dtype=np.int32)
    for attempt in range(ATTEMPTS):
        try:
            return _assemble(Grid.over(triangles, attempt), triangles, body, mesh, meshes, threads)
        except InPlaneError:
            continue
    raise CrantError("no inner points were found that lie in no triangle's plane; move the meshes by a fraction")


def _empty(meshes: int) -> dict[str, Any]:
    """An index in which no mesh contains anything."""
    import numpy as np

    one = np.zeros(1)
    nothing: dict[str, Any] = {
        "cell_mask": np.zeros(0, np.int32), "cell_inner": np.zeros((0, 3)), "cell_entries": np.zeros(1, np.int64),
        "entry_mesh": np.zeros(0, np.int32), "entry_inside": np.zeros(0, bool), "entry_cones": np.zeros(1, np.int64),
        "cones": np.zeros((0, 13), np.float32), "cone_triangle": np.zeros(0, np.int32),
        "triangles": np.zeros((0, 3, 3)),
    }  # fmt: skip
    return {
        "lattice": Grid(np.zeros(3), 1.0, (1, 1, 1), (one, one, one), 1e-6),
        "codes": np.zeros(1, np.int32),
        "masks": _words([0], meshes),
        **nothing,
    }


def _words(masks: Sequence[int], meshes: int) -> Array:
    """Sets of meshes, given as the bits of long integers, as rows of uint64."""
    import numpy as np

    number = max(1, -(-meshes // 64))
    words = [[mask >> 64 * word & (2**64 - 1) for word in range(number)] for mask in masks]
    return np.array(words, dtype=np.uint64)


def _assemble(
    lattice: Grid, triangles: Array, body: Array, mesh: Array, meshes: int, threads: int | None
) -> dict[str, Any]:
    """See `assemble`; `body` is the body of each triangle, ascending, and `mesh` the mesh of each body."""
    import numpy as np

    number = len(triangles)

    def cells_of(start: int) -> tuple[Array, Array]:
        cell, triangle = touched(lattice, triangles[start : start + _TRIANGLES])
        return cell, triangle + start

    found = parallel_map(cells_of, range(0, number, _TRIANGLES), threads)
    # One sort by cell, body and triangle, since triangles are in the order of their bodies.
    packed = np.sort(np.concatenate([cell * number + triangle for cell, triangle in found]))
    cell, triangle = packed // number, packed % number
    del found, packed
    entry_starts = run_starts(cell, body[triangle])
    entry_cell, entry_body = cell[entry_starts], body[triangle[entry_starts]]
    codes, masks, inside = _fill(lattice, triangles, body, mesh, entry_cell, entry_body, threads)
    cell_starts = run_starts(entry_cell)
    cells = entry_cell[cell_starts]
    inner = lattice.inner_points(cells)
    cell_mask = codes[cells]
    codes[cells] = ~np.arange(len(cells), dtype=np.int32)
    touched_cell = np.repeat(np.arange(len(cells)), np.diff(entry_starts[cell_starts], append=len(cell)))
    seen, turned = _see(lattice.cell, triangles, triangle, inner, touched_cell, threads)
    return {
        "lattice": lattice,
        "codes": codes,
        "masks": _words(masks, meshes),
        "cell_mask": cell_mask,
        "cell_inner": inner,
        "cell_entries": np.append(cell_starts, len(entry_cell)),
        "entry_mesh": mesh[entry_body],
        "entry_inside": inside,
        "entry_cones": np.append(entry_starts, len(cell)),
        "cones": seen,
        "cone_triangle": np.where(turned, ~triangle, triangle).astype(np.int32),
        "triangles": triangles,
    }


def _see(
    unit: float, triangles: Array, triangle: Array, inner: Array, cell: Array, threads: int | None
) -> tuple[Array, Array]:
    """`cones` of pairs of a triangle and a touched cell."""
    import numpy as np

    seen = np.empty((len(cell), 13), dtype=np.float32)
    turned = np.empty(len(cell), dtype=bool)

    def look(start: int) -> None:
        part = slice(start, start + _CONES)
        seen[part], turned[part] = cones(triangles[triangle[part]], inner[cell[part]], unit)

    parallel_map(look, range(0, len(cell), _CONES), threads)
    return seen, turned


def _fill(
    lattice: Grid,
    triangles: Array,
    body: Array,
    mesh: Array,
    entry_cell: Array,
    entry_body: Array,
    threads: int | None,
) -> tuple[Array, list[int], Array]:
    """Find the cells that lie in bodies as a whole, and which inner points of touched cells lie in theirs.

    Returns
    -------
    codes : ndarray of int32, shape (cells,)
        Row of `masks`.
    masks : list of int
        Sets of meshes as bits.
    inside : ndarray of bool, shape (entries,)
    """
    import numpy as np

    shape = lattice.shape
    codes = np.zeros(shape, dtype=np.int32)
    masks, rows = [0], {0: 0}
    inside = np.zeros(len(entry_cell), dtype=bool)
    by_body = np.argsort(entry_body, kind="stable")
    bounds = np.searchsorted(entry_body[by_body], np.arange(len(mesh) + 1))
    firsts = np.searchsorted(body, np.arange(len(mesh) + 1))
    lines = _lines(lattice, triangles, firsts, threads)
    for number in range(len(mesh)):
        entries = by_body[bounds[number] : bounds[number + 1]]
        places = np.stack(np.unravel_index(entry_cell[entries], shape))
        low, high = places.min(axis=1), places.max(axis=1) + 1
        size = tuple((high - low).tolist())
        filled = _between(lines[number], low, size)
        local = np.ravel_multi_index(tuple(places - low[:, None]), size)
        inside[entries] = filled.reshape(-1)[local]
        filled.reshape(-1)[local] = False
        window = codes[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        before = window[filled]
        after = np.zeros(len(masks), dtype=np.int32)
        for row in np.flatnonzero(np.bincount(before, minlength=len(masks))):
            mask = masks[row] | 1 << int(mesh[number])
            if mask not in rows:
                rows[mask] = len(masks)
                masks.append(mask)
            after[row] = rows[mask]
        window[filled] = after[before]
    return codes.reshape(-1), masks, inside


def _lines(lattice: Grid, triangles: Array, firsts: Array, threads: int | None) -> list[Array]:
    """For each body, where vertical lines cross its surface; int64, shape (3, crossings), see `crossings`."""
    import numpy as np

    starts = range(0, len(triangles), _TRIANGLES)
    found = parallel_map(lambda start: crossings(lattice, triangles[start : start + _TRIANGLES]), starts, threads)
    places = np.concatenate([places for places, _ in found], axis=1)
    triangle = np.concatenate([item + start for (_, item), start in zip(found, starts, strict=True)])
    order = np.argsort(triangle, kind="stable")
    ends = np.searchsorted(triangle[order], firsts)
    return [places[:, order[a:b]] for a, b in pairwise(ends.tolist())]


def _between(places: Array, low: Array, size: tuple[int, ...]) -> Array:
    """Whether inner points of a box of cells have an odd number of crossings below them; bool, of that size."""
    import numpy as np

    local = places - low[:, None]
    local = local[:, local[2] < size[2]]
    toggled = np.bincount(np.ravel_multi_index(tuple(local), size), minlength=int(np.prod(size))) & 1
    filled = toggled.astype(bool).reshape(size)
    np.logical_xor.accumulate(filled, axis=2, out=filled)
    return filled
