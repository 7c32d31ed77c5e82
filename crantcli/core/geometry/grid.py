"""A grid over closed bodies: which cells lie in each of them, and which are touched by their surfaces.

Every cell has an inner point at the same place in it. Where a surface touches a cell, it is known whether that cell's
inner point lies in the body, and which triangles come near the cell; a point of the cell lies in the body too if the
straight line to the inner point crosses an even number of these triangles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.predicates import side

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: Where the inner point lies in its cell, along x, y and z: at no simple fraction, since an inner point in the plane of
#: a triangle would be of no use. The next is tried if one is.
_INNER = ((0.5377, 0.4713, 0.5129), (0.4391, 0.5527, 0.5893), (0.5639, 0.5171, 0.4237), (0.4813, 0.4159, 0.5471))

ATTEMPTS = len(_INNER)

#: Bounds of the number of cells: enough for a few large triangles, and not more than 64 MB.
_FEWEST, _MOST = 2**15, 2**24

#: Edge length of a cell: so many times the root of the median triangle's area. Smaller cells hold fewer triangles and
#: make a quicker look-up and a slower build.
_COARSENESS = 1.4

#: No more cells than about three times this are touched, however much larger some triangles are than most.
_TOUCHED = 500_000

#: Candidates, pairs of a triangle and a cell, that are looked at in one go.
_AT_ONCE = 400_000


class InPlaneError(Exception):
    """An inner point lies in the plane of a triangle, or above its edge: another place has to be tried."""


@dataclass(frozen=True)
class Grid:
    """Cubic cells.

    Attributes
    ----------
    origin : ndarray of float64, shape (3,)
        Lowest corner.
    cell : float
        Edge length of a cell.
    shape : tuple of int
        Cells along x, y and z. The outermost cells touch no body.
    inner : tuple of ndarray of float64
        Coordinates of the inner points along x, y and z.
    slack : float
        In cells: how far a point may lie outside the cell that is computed for it, generously.
    """

    origin: Array
    cell: float
    shape: tuple[int, int, int]
    inner: tuple[Array, Array, Array]
    slack: float

    @classmethod
    def over(cls, triangles: Array, attempt: int) -> Grid:
        """A lattice over triangles, shape (n, 3, 3), with cells about as large as they."""
        import numpy as np

        low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
        extent = high - low
        normals = _product((triangles[:, 1] - triangles[:, 0]).T, (triangles[:, 2] - triangles[:, 0]).T)
        areas = np.sqrt((normals**2).sum(axis=0)) / 2
        area = max(float(np.median(areas)) * _COARSENESS**2, float(areas.sum()) / _TOUCHED)
        volume = float(np.prod(np.maximum(extent, extent.max() / 1000)))
        wanted = volume / max(area, (volume / _MOST) ** (2 / 3)) ** 1.5
        cell = (volume / min(max(wanted, _FEWEST), _MOST)) ** (1 / 3)
        # Far from the origin numbers lie further apart, and a cell must hold many.
        largest = float(max(np.abs(low).max(), np.abs(high).max()))
        cell = max(cell, 2.0**14 * float(np.spacing(largest)))
        shape = tuple(int(size / cell) + 4 for size in extent)
        origin = low - 1.5 * cell
        places = _INNER[attempt]
        inner = tuple(origin[axis] + (np.arange(shape[axis]) + places[axis]) * cell for axis in range(3))
        return cls(origin, cell, shape, inner, 1e-6 + 64 * np.finfo(float).eps * largest / cell)  # type: ignore[arg-type]

    def inner_points(self, cells: Array) -> Array:
        """Inner points of cells given by number; float64, shape (n, 3)."""
        import numpy as np

        places = np.unravel_index(cells, self.shape)
        return np.stack([self.inner[axis][places[axis]] for axis in range(3)], axis=1)


def extremes(corners: Array) -> tuple[Array, Array]:
    """Lowest and highest coordinates of triangles, shape (n, 3 corners, axes)."""
    import numpy as np

    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    low = np.minimum(np.minimum(first, second), third)
    return low, np.maximum(np.maximum(first, second), third)


def expanded(counts: Array) -> tuple[Array, Array]:
    """For items that have some parts each: the item of every part, and its number within the item; int64."""
    import numpy as np

    items = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    return items, np.arange(len(items)) - starts[items]


def chunks(counts: Array) -> Iterator[slice]:
    """Consecutive items with about `_AT_ONCE` parts in all, one item at least."""
    import numpy as np

    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _AT_ONCE, side="right")))
        yield slice(start, stop)
        start = stop


# ------------------------------------------------------------------------- cells that triangles touch


def touched(lattice: Grid, triangles: Array) -> tuple[Array, Array]:
    """Pairs of a cell and a triangle that may touch it: none is missing, a few too many do no harm.

    Returns
    -------
    tuple of ndarray of int64, shape (pairs,)
        Numbers of cells and of triangles.
    """
    import numpy as np

    # In cells, the axis along which the triangle's normal is longest last: over a column of cells along it the triangle
    # is no steeper than 45 degrees.
    local = (triangles - lattice.origin) / lattice.cell
    normals = _product((local[:, 1] - local[:, 0]).T, (local[:, 2] - local[:, 0]).T)
    axis = np.argmax(np.abs(normals), axis=0)
    cells, owners = [], []
    for last in range(3):
        rows = np.flatnonzero(axis == last)
        order = [(last + 1) % 3, (last + 2) % 3, last]
        size = np.array(lattice.shape)[order]
        corners = np.ascontiguousarray(local[rows][:, :, order])
        least, most = extremes(corners)
        low = np.clip(np.floor(least - lattice.slack), 0, size - 1).astype(np.int64)
        high = np.clip(np.floor(most + lattice.slack), 0, size - 1).astype(np.int64)
        counts = (high - low + 1)[:, 0] * (high - low + 1)[:, 1]
        for part in chunks(counts):
            found = _in_columns(corners[part], low[part], high[part], counts[part], lattice.slack)
            place = [found[order.index(axis)] for axis in range(3)]
            cells.append((place[0] * lattice.shape[1] + place[1]) * lattice.shape[2] + place[2])
            owners.append(rows[part][found[3]])
    return np.concatenate(cells), np.concatenate(owners)


def _in_columns(corners: Array, low: Array, high: Array, counts: Array, slack: float) -> tuple[Array, ...]:
    """Places of touched cells along u, v and w, and the triangle of each. Corners are in cells."""
    import numpy as np

    item, number = expanded(counts)
    wide = (high - low + 1)[:, 1]
    u, v = low[item, 0] + number // wide[item], low[item, 1] + number % wide[item]
    a, b, c = corners[:, 0].T, corners[:, 1].T, corners[:, 2].T
    normal = _product(b - a, c - a)
    longest = np.maximum(np.abs(b - a).sum(axis=0), np.abs(c - a).sum(axis=0))
    # Of a needle, neither side nor slope is known well enough: all cells of its bounds that are near its longest edge.
    needle = np.abs(normal[2]) <= 1e-6 * longest**2
    half = 0.5 + slack
    touches = np.ones(len(item), dtype=bool)
    turn = np.sign(normal[2])
    for p, q in ((a, b), (b, c), (c, a)):
        # How far the middle of the column lies to the left of an edge, at most: du v - dv u + constant.
        du, dv = turn * (q[0] - p[0]), turn * (q[1] - p[1])
        constant = du * (0.5 - p[1]) - dv * (0.5 - p[0]) + (np.abs(du) + np.abs(dv)) * half
        touches &= du[item] * v - dv[item] * u + constant[item] >= 0
    if needle.any():
        touches = np.where(needle[item], _near_longest_edge(corners, (u, v), item, half), touches)
    kept = np.flatnonzero(touches)
    item, u, v = item[kept], u[kept], v[kept]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope_u, slope_v = -normal[0] / normal[2], -normal[1] / normal[2]
    slope_u[needle] = slope_v[needle] = 0
    reach = np.where(needle, np.inf, (np.abs(slope_u) + np.abs(slope_v)) * half + slack)
    constant = a[2] + slope_u * (0.5 - a[0]) + slope_v * (0.5 - a[1])
    middle = constant[item] + slope_u[item] * u + slope_v[item] * v
    first = np.maximum(np.floor(middle - reach[item] - slack), low[item, 2]).astype(np.int64)
    last = np.minimum(np.floor(middle + reach[item] + slack), high[item, 2]).astype(np.int64)
    again, above = expanded(np.maximum(last - first + 1, 0))
    cells, item = np.stack([u[again], v[again], first[again] + above]), item[again]
    if needle.any():
        kept = ~needle[item] | _near_longest_edge(corners, tuple(cells), item, half)
        cells, item = cells[:, kept], item[kept]
    return cells[0], cells[1], cells[2], item


def _near_longest_edge(corners: Array, cells: tuple[Array, ...], item: Array, half: float) -> Array:
    """Whether cells, or columns if two places are given, may touch their triangle: by the distance from its longest
    edge.
    """
    import numpy as np

    along = np.roll(corners, -1, axis=1) - corners
    which = np.abs(along).sum(axis=2).argmax(axis=1)
    rows = np.arange(len(corners))
    p, edge = corners[rows, which].T, along[rows, which].T
    width = np.abs(_product(along[:, 0].T, along[:, 1].T)).sum(axis=0)
    near = np.ones(len(item), dtype=bool)
    for i, j in ((0, 1), (1, 2), (2, 0))[: 1 if len(cells) == 2 else 3]:
        away = edge[i][item] * (cells[j] + 0.5 - p[j][item]) - edge[j][item] * (cells[i] + 0.5 - p[i][item])
        near &= np.abs(away) <= ((np.abs(edge[i]) + np.abs(edge[j])) * half + width)[item]
    return near


# --------------------------------------------------------------------- inner points that lie in bodies


def crossings(lattice: Grid, triangles: Array) -> tuple[Array, Array]:
    """Where vertical lines through inner points cross triangles.

    Returns
    -------
    tuple of ndarray of int64, shapes (3, crossings) and (crossings,)
        Places along x, y and z of the cell with the first inner point above the crossing; the triangle.

    Raises
    ------
    InPlaneError
        Where an inner point lies on a triangle, or its line meets an edge.
    """
    import numpy as np

    bounds = []
    least, most = extremes(triangles)
    for axis in (0, 1):
        low = np.searchsorted(lattice.inner[axis], least[:, axis])
        bounds.append((low, np.searchsorted(lattice.inner[axis], most[:, axis], side="right")))
    wide = bounds[1][1] - bounds[1][0]
    counts = (bounds[0][1] - bounds[0][0]) * wide
    found = []
    for part in chunks(counts):
        item, number = expanded(counts[part])
        item += part.start
        i, j = bounds[0][0][item] + number // wide[item], bounds[1][0][item] + number % wide[item]
        hit, turn = _over(triangles, item, lattice.inner[0][i], lattice.inner[1][j])
        item, i, j = item[hit], i[hit], j[hit]
        above = _first_above(lattice, triangles[item], i, j, turn)
        found.append((np.stack([i, j, above]), item))
    return np.concatenate([places for places, _ in found], axis=1), np.concatenate([item for _, item in found])


def _over(triangles: Array, item: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Which vertical lines cross their triangle, and for these which way the triangle turns: 1 is counter-clockwise."""
    import numpy as np

    signs = []
    for edge in range(3):
        a, b = triangles[:, edge, :2], triangles[:, (edge + 1) % 3, :2]
        left = (b - a)[item, 0] * (y - a[item, 1])
        right = (b - a)[item, 1] * (x - a[item, 0])
        sign = np.sign(left - right)
        sign[np.abs(left - right) <= 1e-15 * (np.abs(left) + np.abs(right)) + 1e-280] = 0
        signs.append(sign)
    # A line that is certainly left of one edge and right of another misses the triangle.
    lowest, highest = (function(function(signs[0], signs[1]), signs[2]) for function in (np.minimum, np.maximum))
    for row in np.flatnonzero((lowest == 0) | (highest == 0)):
        for edge in range(3):
            if signs[edge][row] == 0:
                a, b = triangles[item[row], edge], triangles[item[row], (edge + 1) % 3]
                signs[edge][row] = _exact_turn(a, b, float(x[row]), float(y[row]))
    total = signs[0] + signs[1] + signs[2]
    hit = np.flatnonzero(np.abs(total) == 3)
    return hit, total[hit] / 3


def _exact_turn(a: Array, b: Array, x: float, y: float) -> int:
    """Whether a vertical line lies left (1) or right (-1) of an edge, seen from above."""
    import numpy as np

    low, high, above, p = np.array([[[a[0], a[1], 0]], [[b[0], b[1], 0]], [[a[0], a[1], 1]], [[x, y, 0]]], dtype=float)
    found = -int(side(low, high, above, p, shifted=False)[0])
    if found == 0:
        raise InPlaneError
    return found


def _first_above(lattice: Grid, triangles: Array, i: Array, j: Array, turn: Array) -> Array:
    """Place along z of the first inner point above each triangle, on the line through it."""
    import numpy as np

    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    normal = _product((b - a).T, (c - a).T)
    x, y, z = lattice.inner[0][i], lattice.inner[1][j], lattice.inner[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        height = a[:, 2] - (normal[0] * (x - a[:, 0]) + normal[1] * (y - a[:, 1])) / normal[2]
    least, most = extremes(triangles)
    height = np.clip(np.nan_to_num(height), least[:, 2], most[:, 2])
    above = np.searchsorted(z, height, side="right")
    # The height was rounded; the last word is with the exact test.
    rows = np.arange(len(above))
    while len(rows):
        step = np.zeros(len(rows), dtype=np.int64)
        for offset, wanted in ((0, 1), (-1, -1)):
            p = np.stack([x[rows], y[rows], z[above[rows] + offset]], axis=1)
            found = side(a[rows], b[rows], c[rows], p, shifted=False) * turn[rows]
            if not found.all():
                raise InPlaneError
            step[found != wanted] = wanted
        above[rows] += step
        rows = rows[step != 0]
    return np.asarray(above)


# ------------------------------------------------------------------------------- triangles seen from inner points


def cones(corners: Array, inner: Array, cell: float) -> tuple[Array, Array]:
    """The cones from inner points over triangles, in single precision.

    Parameters
    ----------
    corners : ndarray of float64, shape (n, 3, 3)
    inner : ndarray of float64, shape (n, 3)
    cell : float
        Unit of length of the result.

    Returns
    -------
    tuple of ndarray of float32, shape (n, 13), and of bool, shape (n,)
        Three normals of the planes through the inner point and an edge, the normal of the triangle, and that plane's
        distance: a point d, from the inner point in cells, lies behind the triangle if its products with the first
        three are positive and that with the fourth is larger than the distance. Normals have |x| + |y| + |z| = 1, so
        that products are exact to 5e-7; those that are not are NaN. And whether the triangle turns the other way.

    Raises
    ------
    InPlaneError
        Where an inner point lies in the plane of its triangle.
    """
    import numpy as np

    local = [np.ascontiguousarray(((corners[:, corner] - inner) / cell).T) for corner in range(3)]
    lengths = [np.abs(corner).sum(axis=0) for corner in local]
    u, v = (np.ascontiguousarray(((corners[:, corner] - corners[:, 0]) / cell).T) for corner in (1, 2))
    normal = _product(u, v)
    distance = (normal * local[0]).sum(axis=0)
    doubt = 1e-14 * (1 + lengths[0]) * np.abs(u).sum(axis=0) * np.abs(v).sum(axis=0)
    flipped = distance < 0
    rows = np.flatnonzero(np.abs(distance) <= doubt + 1e-280)
    if len(rows):
        signs = side(inner[rows], corners[rows, 0], corners[rows, 1], corners[rows, 2], shifted=False)
        if not signs.all():
            raise InPlaneError
        flipped[rows] = signs < 0
    turn = np.where(flipped, -1.0, 1.0)
    found = np.empty((13, len(corners)), dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for edge in range(3):
            following = (edge + 1) % 3
            plane = _product(local[edge], local[following])
            size = np.abs(plane).sum(axis=0)
            sure = 1e-14 * lengths[edge] * lengths[following] < 1e-7 * size
            np.multiply(
                plane, np.where(sure, turn / size, np.nan), out=found[3 * edge : 3 * edge + 3], casting="same_kind"
            )
        size = np.abs(normal).sum(axis=0)
        scale = np.where(doubt < 1e-7 * size, turn / size, np.nan)
        np.multiply(normal, scale, out=found[9:12], casting="same_kind")
        found[12] = distance * scale
    return np.ascontiguousarray(found.T), flipped


def _product(u: Array, v: Array) -> Array:
    """Vector products of (3, n) arrays."""
    import numpy as np

    found = np.empty_like(u, order="C")
    for axis, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        np.multiply(u[i], v[j], out=found[axis])
        found[axis] -= u[j] * v[i]
    return found
