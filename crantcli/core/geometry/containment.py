"""Which closed meshes contain a point, for any number of meshes and millions of points at once.

The answer is exact for the coordinates given, as numbers: no tolerance, no ray that may run through a vertex. A point
on a surface counts as if it were moved towards higher x by something infinitely small, towards higher y by something
infinitely smaller, and towards z by less again: a box holds the points with low <= x < high, and so for y and z. Where
two meshes share a face, a point on it thus lies in one of them. What is inside a mesh of several bodies is told in
`crantcli.core.geometry.solids.solids`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.grid import Grid, expanded, extremes
from crantcli.core.geometry.index_build import assemble
from crantcli.core.geometry.predicates import side
from crantcli.core.geometry.solids import Surface, solids, weld
from crantcli.core.geometry.soundness import opening
from crantcli.core.parallel import parallel_map
from crantcli.errors import ArgumentTypeError, DataError, UsageError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: Points that one thread looks at in one go: what it needs for them stays in the processor's cache.
_BLOCK = 16_384

#: Up to so many pairs of a point and a triangle are compared one by one.
_FEW = 20_000_000


@dataclass(frozen=True)
class Membership:
    """Which meshes contain which points.

    Attributes
    ----------
    words : ndarray of uint64, shape (points, ceil(meshes / 64))
        Bit m % 64 of word m // 64 is set if mesh m contains the point.
    meshes : int
        Number of meshes.
    missing : ndarray of bool, shape (points,)
        Points with a coordinate that is NaN. They lie in no mesh.
    """

    words: Array
    meshes: int
    missing: Array

    def __len__(self) -> int:
        return len(self.words)

    def inside(self, mesh: int) -> Array:
        """Whether each point lies in one mesh; bool, shape (points,)."""
        import numpy as np

        if not 0 <= mesh < self.meshes:
            raise IndexError(f"mesh {mesh} of {self.meshes}")
        return np.asarray((self.words[:, mesh // 64] & np.uint64(1 << mesh % 64)) != 0)

    def anywhere(self) -> Array:
        """Whether each point lies in any mesh; bool, shape (points,)."""
        import numpy as np

        return np.asarray((self.words != 0).any(axis=1))

    def pairs(self) -> tuple[Array, Array]:
        """One entry per membership, by point, then mesh: points, int64, and meshes, int32."""
        import numpy as np

        rows, meshes = [], []
        for word in range(self.words.shape[1]):
            at = np.flatnonzero(self.words[:, word])
            left = self.words[at, word]
            while len(at):
                rows.append(at)
                meshes.append((np.bitwise_count((left & -left) - np.uint64(1)) + np.int32(64 * word)).astype(np.int32))
                left = left & (left - np.uint64(1))
                more = left != 0
                at, left = at[more], left[more]
        if len(rows) <= 1:  # as a rule, no point lies in two
            empty = np.zeros(0, dtype=np.int64)
            return (rows[0], meshes[0]) if rows else (empty, empty.astype(np.int32))
        row, mesh = np.concatenate(rows), np.concatenate(meshes)
        order = np.argsort(row, kind="stable")
        return row[order], mesh[order]

    def counts(self) -> Array:
        """Points in each mesh; int64, shape (meshes,)."""
        import numpy as np

        return np.bincount(self.pairs()[1], minlength=self.meshes).astype(np.int64)


@dataclass(frozen=True)
class MeshIndex:
    """An index over closed meshes; make it with `build`.

    A point's cell has a code. From 0 on it is a row of `masks`: the cell lies in these meshes as a whole. Below 0,
    surfaces touch the cell, and ~code is the number k of a touched cell: it lies as a whole in the meshes of row
    `cell_mask[k]`, and its entries from `cell_entries[k]` to `cell_entries[k + 1]` are bodies whose surfaces touch it.

    Attributes
    ----------
    meshes : int
        Number of meshes.
    lattice : Grid
    codes : ndarray of int32, shape (cells,)
    masks : ndarray of uint64, shape (masks, ceil(meshes / 64))
    cell_mask : ndarray of int32, shape (touched,)
    cell_inner : ndarray of float64, shape (touched, 3)
        Inner points.
    cell_entries : ndarray of int64, shape (touched + 1,)
    entry_mesh : ndarray of int32, shape (entries,)
        Mesh that the body belongs to.
    entry_inside : ndarray of bool, shape (entries,)
        Whether the body contains the inner point.
    entry_cones : ndarray of int64, shape (entries + 1,)
        Where the triangles of each entry start.
    cones : ndarray of float32, shape (cones, 13)
        Triangles as seen from the inner point; see `crantcli.core.geometry.grid.cones`.
    cone_triangle : ndarray of int32, shape (cones,)
        Row of `triangles`; ~row where it turns the other way.
    triangles : ndarray of float64, shape (triangles, 3, 3)
    """

    meshes: int
    lattice: Grid
    codes: Array
    masks: Array
    cell_mask: Array
    cell_inner: Array
    cell_entries: Array
    entry_mesh: Array
    entry_inside: Array
    entry_cones: Array
    cones: Array
    cone_triangle: Array
    triangles: Array

    @classmethod
    def build(cls, meshes: Iterable[Surface | Sequence[Surface]], threads: int | None = None) -> MeshIndex:
        """Build an index.

        Parameters
        ----------
        meshes : iterable of Surface or of sequences of Surface
            Several surfaces count as one mesh that is their union.
        threads : int, optional
            All cores if not given. The index is the same for any number.

        Raises
        ------
        DataError
            Where a surface is not closed, a vertex is not finite or beyond 2^50, or a face has no such vertex.
        """
        listed = [[mesh] if isinstance(mesh, Surface) else mesh for mesh in meshes]
        surfaces = [(number, surface) for number, mesh in enumerate(listed) for surface in mesh]
        found = parallel_map(lambda item: solids(_checked(item[1], item[0]), _containment), surfaces, threads)
        owners = [number for (number, _), bodies in zip(surfaces, found, strict=True) for _ in bodies]
        return cls(len(listed), **assemble([body for bodies in found for body in bodies], owners, len(listed), threads))

    def arrays(self) -> dict[str, Array]:
        """Everything as arrays, to be kept in a file; `from_arrays` takes them back."""
        import numpy as np

        found = {name.name: getattr(self, name.name) for name in fields(self) if name.name not in ("meshes", "lattice")}
        lattice = {f"inner_{axis}": self.lattice.inner[number] for number, axis in enumerate("xyz")}
        sizes = np.array([self.lattice.cell, self.lattice.slack])
        counts = np.array([self.meshes, *self.lattice.shape])
        return {**found, **lattice, "origin": self.lattice.origin, "sizes": sizes, "counts": counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> MeshIndex:
        """The index that `arrays` took apart."""
        found = dict(arrays)
        inner = (found.pop("inner_x"), found.pop("inner_y"), found.pop("inner_z"))
        cell, slack = found.pop("sizes").tolist()
        meshes, *shape = found.pop("counts").tolist()
        lattice = Grid(found.pop("origin"), cell, tuple(shape), inner, slack)
        return cls(meshes, lattice, **found)

    def contains(self, points: Array, threads: int | None = None) -> Membership:
        """Tell which meshes contain each of many points.

        Parameters
        ----------
        points : array of floats or integers, shape (n, 3)
            In the meshes' unit. Taken as they are: integers and float32 lose nothing. Quickest with each coordinate
            contiguous, as in `numpy.stack([x, y, z]).T`.
        threads : int, optional
            All cores if not given. The answer is the same for any number.

        Raises
        ------
        ArgumentTypeError
            Where points are not numbers.
        UsageError
            Where they do not have three coordinates.
        """
        import numpy as np

        points = np.asarray(points)
        _check_points(points)
        words = np.empty((len(points), self.masks.shape[1]), dtype=np.uint64)
        missing = np.empty(len(points), dtype=bool)

        def answer(start: int) -> None:
            part = slice(start, start + _BLOCK)
            x, y, z = (np.ascontiguousarray(points[part, axis], dtype=np.float64) for axis in range(3))
            missing[part] = (x != x) | (y != y) | (z != z)
            self._look_up(x, y, z, words[part])

        parallel_map(answer, range(0, len(points), _BLOCK), threads)
        return Membership(words, self.meshes, missing)

    def contains_each(self, batches: Iterable[Array], threads: int | None = None) -> Iterator[Membership]:
        """Answer batches of points one after another, so that only one has to be held in memory."""
        for batch in batches:
            yield self.contains(batch, threads)

    def _look_up(self, x: Array, y: Array, z: Array, words: Array) -> None:
        """Answer one block of points into `words`."""
        import numpy as np

        cell = np.zeros(len(x), dtype=np.int64)
        for axis, values in enumerate((x, y, z)):
            place = (values - self.lattice.origin[axis]) * (1 / self.lattice.cell)
            # The outermost cells lie in no mesh; so much for what is beyond them, and for NaN.
            place = np.fmin(np.fmax(place, 0), self.lattice.shape[axis] - 1)
            cell = cell * self.lattice.shape[axis] + place.astype(np.int64)
        codes = self.codes[cell]
        rows = np.flatnonzero(codes < 0)
        touched = ~codes[rows]
        codes[rows] = self.cell_mask[touched]
        np.take(self.masks, codes, axis=0, out=words, mode="clip")
        if not len(rows):
            return
        inner = self.cell_inner[touched]
        p = np.stack([x[rows], y[rows], z[rows]], axis=1)
        near = ((p - inner) * (1 / self.lattice.cell)).astype(np.float32)
        first = self.cell_entries[touched]
        item, number = expanded(self.cell_entries[touched + 1] - first)
        entry = first[item] + number
        inside = self._inside(entry, item, p, inner, near)
        item, mesh = item[inside], self.entry_mesh[entry[inside]]
        bits = np.left_shift(np.uint64(1), (mesh % 64).astype(np.uint64))
        np.bitwise_or.at(words.reshape(-1), rows[item] * words.shape[1] + mesh // 64, bits)

    def _inside(self, entry: Array, item: Array, p: Array, inner: Array, near: Array) -> Array:
        """Whether bodies contain points of cells that their surfaces touch: the parity of crossed triangles."""
        import numpy as np

        first = self.entry_cones[entry]
        counts = self.entry_cones[entry + 1] - first
        which, number = expanded(counts)
        cone, point = first[which] + number, item[which]
        crossed = self._crossed(cone, point, p, inner, near)
        total = np.zeros(len(cone) + 1, dtype=np.int64)
        np.cumsum(crossed, out=total[1:])
        ends = np.cumsum(counts)
        odd = (total[ends] - total[ends - counts]) & 1
        return np.asarray(self.entry_inside[entry] ^ odd.astype(bool))

    def _crossed(self, cone: Array, point: Array, p: Array, inner: Array, near: Array) -> Array:
        """Whether triangles lie between their inner points and others."""
        import numpy as np

        planes = self.cones.take(cone, axis=0)
        dx, dy, dz = (np.ascontiguousarray(near[:, axis]).take(point) for axis in range(3))
        least = np.negative(planes[:, 12])
        for plane in (9, 0, 3, 6):
            value = planes[:, plane] * dx
            value += planes[:, plane + 1] * dy
            value += planes[:, plane + 2] * dz
            if plane == 9:
                least += value
            else:
                np.minimum(least, value, out=least)
        crossed = least > self.lattice.slack
        open_ = np.flatnonzero(~(crossed | (least < -self.lattice.slack)))
        if len(open_):
            crossed[open_] = self._exactly(cone[open_], p[point[open_]], inner[point[open_]])
        return crossed

    def _exactly(self, cone: Array, p: Array, inner: Array) -> Array:
        """`_crossed` for points on or very near to one of the planes."""
        import numpy as np

        number = self.cone_triangle[cone]
        corners = self.triangles[np.where(number < 0, ~number, number)]
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        b, c = (np.where((number < 0)[:, None], *pair) for pair in ((c, b), (b, c)))
        crossed = np.ones(len(cone), dtype=bool)
        for i, j, k in ((inner, a, b), (inner, b, c), (inner, c, a), (a, b, c)):
            rows = np.flatnonzero(crossed)
            crossed[rows] = side(i[rows], j[rows], k[rows], p[rows]) > 0
        return crossed


def _check_points(points: Array) -> None:
    if points.dtype.kind not in "iuf" or points.dtype.itemsize > 8:
        raise ArgumentTypeError(f"points of type {points.dtype}; integers or floats of at most 64 bits are needed")
    if points.ndim != 2 or points.shape[1] != 3:
        raise UsageError(f"points of shape {points.shape}; (n, 3) is needed")


def _checked(surface: Surface, number: int) -> Surface:
    """The surface with its vertices welded, if it is closed; it may enclose nothing."""
    welded = weld(surface)
    if what := opening(welded):
        raise DataError(f"mesh {number} {what}")
    return welded


def _containment(bodies: list[Array], points: Array) -> Array:
    """Which of some bodies, given by their triangles, contain points; bool, shape (points, bodies)."""
    import numpy as np

    if len(points) * sum(map(len, bodies)) <= _FEW:
        return np.stack([_below_odd(body, points) for body in bodies], axis=1)
    index = MeshIndex(len(bodies), **assemble(bodies, range(len(bodies)), len(bodies), None))
    found = index.contains(points)
    return np.stack([found.inside(body) for body in range(len(bodies))], axis=1)


def _below_odd(triangles: Array, points: Array) -> Array:
    """Whether points lie below an odd number of triangles: for few points, quicker than an index."""
    import numpy as np

    low, high = extremes(triangles)
    near = ((low <= points.max(axis=0)) & (high >= points.min(axis=0)))[:, :2].all(axis=1)
    triangles, low, high = triangles[near], low[near], high[near]
    boxed = np.ones((len(points), len(triangles)), dtype=bool)
    for axis in (0, 1):
        boxed &= (low[:, axis] <= points[:, axis, None]) & (points[:, axis, None] <= high[:, axis])
    point, triangle = np.nonzero(boxed)
    corners, p = triangles[triangle], points[point]
    flat, above = corners * (1.0, 1.0, 0.0), np.array((0.0, 0.0, 1.0))
    # The side of a vertical plane through an edge, seen from above: 1 is to the right.
    turns = [side(flat[:, edge], flat[:, (edge + 1) % 3], flat[:, edge] + above, p * (1, 1, 0)) for edge in range(3)]
    over = (turns[0] == turns[1]) & (turns[1] == turns[2])
    lower = side(corners[:, 0], corners[:, 1], corners[:, 2], p) == turns[0]
    return np.asarray(np.bincount(point[over & lower], minlength=len(points)) % 2 == 1)
