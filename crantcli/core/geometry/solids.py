"""Closed surfaces taken apart into solid bodies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.predicates import collinear
from crantcli.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: Takes the triangles of some bodies, each (n, 3, 3), and points, (m, 3); returns bool, shape (m, bodies).
Containment = Callable[[list["Array"], "Array"], "Array"]


@dataclass(frozen=True)
class Surface:
    """A triangle mesh.

    Attributes
    ----------
    vertices : ndarray of float64, shape (n, 3)
        In any one unit; neuropil meshes are in nm.
    faces : ndarray of int64, shape (m, 3)
        Rows of `vertices`. Their winding plays no part.
    """

    vertices: Array
    faces: Array


def weld(surface: Surface) -> Surface:
    """The surface with vertices at one place made one, in the order of their coordinates, and unused ones left out.

    Raises
    ------
    DataError
        Where a face has a vertex that is not there.
    """
    import numpy as np

    vertices = np.ascontiguousarray(surface.vertices, dtype=np.float64) + 0.0  # -0.0 is 0.0
    faces = np.asarray(surface.faces, dtype=np.int64).reshape(-1, 3)
    if len(faces) and not (faces.min() >= 0 and faces.max() < len(vertices)):
        raise DataError("a face has a vertex that is not there")
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    rows = np.flatnonzero(used)
    order = rows[np.lexsort(vertices[rows].T[::-1])]
    starts = run_starts(*vertices[order].T)
    number = np.zeros(len(vertices), dtype=np.int64)
    number[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    return Surface(vertices[order[starts]], number[faces])


def proper_faces(faces: Array) -> Array:
    """The faces with three different vertices."""
    import numpy as np

    a, b, c = faces.T
    return np.asarray(faces[(a != b) & (b != c) & (c != a)])


def edges_of(faces: Array) -> Array:
    """The three edges of each face, lower vertex first, shape (2, 3 m): all faces' first edges, then the others."""
    import numpy as np

    start, end = faces.T.ravel(), faces[:, [1, 2, 0]].T.ravel()
    return np.stack([np.minimum(start, end), np.maximum(start, end)])


def open_edges(faces: Array) -> Array:
    """Edges that an odd number of faces share, shape (n, 2). A surface without such is closed: it has an inside."""
    import numpy as np

    low, high = edges_of(proper_faces(faces))
    vertices = int(high.max()) + 1 if len(high) else 1
    key = np.sort(low * vertices + high)
    starts = run_starts(key)
    odd = key[starts[np.diff(starts, append=len(key)) % 2 == 1]]
    return np.stack([odd // vertices, odd % vertices], axis=1)


def run_starts(*columns: Array) -> Array:
    """Where runs of equal rows start, given column by column; int64."""
    import numpy as np

    new = np.ones(len(columns[0]), dtype=bool)
    new[1:] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def without_pairs(faces: Array) -> Array:
    """The faces without those that lie on one another in pairs, which together bound nothing."""
    import numpy as np

    faces = proper_faces(faces)
    low, high = (functools.reduce(choose, faces.T) for choose in (np.minimum, np.maximum))
    first = low * (int(high.max()) + 1 if len(high) else 1) + (faces.sum(axis=1) - low - high)
    order = np.lexsort((high, first))
    starts = run_starts(first[order], high[order])
    odd = np.diff(starts, append=len(order)) % 2 == 1
    return faces if odd.all() and len(odd) == len(faces) else np.asarray(faces[np.sort(order[starts[odd]])])


def connected(faces: Array) -> Array:
    """Which faces hang together by edges: for each face the lowest row among its likes; int64, shape (m,)."""
    import numpy as np

    # SciPy's connected components take as long to import as all else takes.
    low, high = edges_of(faces)
    key = low * (int(high.max()) + 1) + high
    order = np.argsort(key)
    same = key[order[1:]] == key[order[:-1]]
    face = order % len(faces)
    one, other = face[:-1][same], face[1:][same]
    label = np.arange(len(faces))
    while len(one):
        # Each root takes the lowest root that it is linked with; then all look up their roots' roots.
        np.minimum.at(label, np.maximum(label[one], label[other]), np.minimum(label[one], label[other]))
        while (label[label] != label).any():
            label = label[label]
        apart = label[one] != label[other]
        one, other = one[apart], other[apart]
    return label


def solids(surface: Surface, containment: Containment) -> list[Array]:
    """The bodies of a closed mesh, each by the triangles that bound it.

    Faces that hang together by edges bound a body: what a ray leaves through an odd number of them. A body whose
    vertices all lie in another one is a hollow in it, a body within a hollow is solid again, and so on, whichever way
    the faces wind. The mesh is the union of its bodies less their hollows: where bodies overlap in part, they do not
    cancel each other.

    Parameters
    ----------
    surface : Surface
        Closed, and welded.
    containment : callable
        Tells which of some bodies contain points; see `Containment`.

    Returns
    -------
    list of ndarray of float64, shape (n, 3, 3)
        Triangle, corner, axis. A point lies in the mesh if a ray from it crosses one of these an odd number of times.
    """
    import numpy as np

    vertices, faces = surface.vertices, without_pairs(surface.faces)
    if not len(faces):
        return []
    labels = connected(faces)
    order = np.argsort(labels, kind="stable")
    bodies = np.split(faces[order], np.flatnonzero(np.diff(labels[order])) + 1)
    groups = [bodies] if len(bodies) == 1 else _with_hollows(vertices, bodies, containment)
    return [_triangles(vertices, np.concatenate(group)) for group in groups]


def _triangles(vertices: Array, faces: Array) -> Array:
    corners = vertices[faces]
    # A triangle that is a line is never crossed: the planes through its edges and any point are one.
    return corners[~collinear(corners[:, 0], corners[:, 1], corners[:, 2])]


def _with_hollows(vertices: Array, bodies: Sequence[Array], containment: Containment) -> list[list[Array]]:
    """Bodies, each with its hollows."""
    import numpy as np

    within = _boxed(vertices, bodies)
    if within.any():
        within = _within(vertices, bodies, within, containment)
    depth = within.sum(axis=1)
    groups = {body: [bodies[body]] for body in range(len(bodies)) if depth[body] % 2 == 0}
    for body in range(len(bodies)):
        if depth[body] % 2:
            around = np.flatnonzero(within[body] & (depth == depth[body] - 1)).tolist()
            # Where bodies overlap and none is the next one around, the others fill the hollow anyway.
            groups.setdefault(around[0] if around else body, []).append(bodies[body])
    return list(groups.values())


def _boxed(vertices: Array, bodies: Sequence[Array]) -> Array:
    """Whether the bounds of each body (row) lie in those of each other one (column); bool."""
    import numpy as np

    low = np.array([vertices[body].min(axis=(0, 1)) for body in bodies])
    high = np.array([vertices[body].max(axis=(0, 1)) for body in bodies])
    boxed = np.array([(low <= low[i]).all(axis=1) & (high >= high[i]).all(axis=1) for i in range(len(bodies))])
    np.fill_diagonal(boxed, False)
    return boxed


def _within(vertices: Array, bodies: Sequence[Array], boxed: Array, containment: Containment) -> Array:
    """Whether each body (row) lies in each other one (column), as far as vertices and middles of edges tell; bool."""
    import numpy as np

    within = np.zeros_like(boxed)
    inner, outer = (np.flatnonzero(boxed.any(axis=axis)).tolist() for axis in (1, 0))
    corners = [_triangles(vertices, bodies[body]) for body in outer]
    own = [np.unique(bodies[body]) for body in inner]
    middles = [vertices[edges_of(bodies[body])].mean(axis=0) for body in inner]
    points = [np.concatenate([vertices[rows], more]) for rows, more in zip(own, middles, strict=True)]
    # A point on the other's surface is in it or not by the side to which it is shifted: ask for both.
    every = np.concatenate(points)
    one, other = containment(corners, every), containment([-triangles for triangles in corners], -every)
    ends = np.cumsum([len(part) for part in points])
    for body, rows, part, end in zip(inner, own, points, ends, strict=True):
        sure, possible = (one & other)[end - len(part) : end], (one | other)[end - len(part) : end]
        for column, around in enumerate(outer):
            if boxed[body, around]:
                free = np.flatnonzero(~np.isin(rows, bodies[around]))  # a vertex of both tells nothing
                within[body, around] = bool(possible[free, column].all() and sure[:, column].any())
    return within
