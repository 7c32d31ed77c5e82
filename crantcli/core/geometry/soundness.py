"""Whether a surface has an inside: whether it is closed, and encloses volume. Exact for the coordinates given.

Space inside a closed surface is where a ray crosses it an odd number of times. There is none if triangles cover every
place of every plane an even number of times, as those of a sheet that is closed by its own back. Within a plane,
triangles do so if their edges cover every place of every line an even number of times; within a line, edges do so if an
even number of them ends at every point. So it is enough to count, for each vertex, the ends of edges by plane and line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.solids import Surface, connected, open_edges, without_pairs

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Vector = tuple[int, int, int]

#: Largest coordinate of a vertex. Any larger point is outside, so that rounding integers beyond 2^53 does no harm.
LARGEST = 2.0**50

#: Smallest extent of a surface: volumes of a smaller one may be too small for a number.
SMALLEST = 1e-30


def fault(surface: Surface) -> str | None:
    """What keeps a surface from having an inside, for a message; None if nothing does. Its vertices must be welded."""
    if what := opening(surface):
        return what
    if not encloses_volume(surface):
        return "encloses no volume"
    extent = surface.vertices.max(axis=0) - surface.vertices.min(axis=0)
    return None if extent.max() > SMALLEST else f"is smaller than {SMALLEST:g} from end to end"


def opening(surface: Surface) -> str | None:
    """What keeps a surface from being closed, likewise."""
    import numpy as np

    vertices, faces = surface.vertices, surface.faces
    if not (np.abs(vertices) < LARGEST).all():
        return f"has a vertex that is not a number below {LARGEST:.3g}"
    rims = open_edges(faces)
    if len(rims):
        x, y, z = vertices[rims[0]].mean(axis=0).round(1).tolist()
        return f"is not closed: {len(rims):,} open {'edge' if len(rims) == 1 else 'edges'}, one at {x:g}, {y:g}, {z:g}"
    return None


def encloses_volume(surface: Surface) -> bool:
    """Tell whether one of the bodies of a closed surface has an inside.

    Parameters
    ----------
    surface : Surface
        Closed and welded, its vertices finite.
    """
    import numpy as np

    vertices, faces = surface.vertices, without_pairs(surface.faces)
    if not len(faces):
        return False
    # As a rule the first vertex tells, which in the order of coordinates is a corner of the whole.
    first = int(faces.min())
    if _odd_ends(vertices, first, faces[(faces == first).any(axis=1)]) or _any_odd(vertices, faces):
        return True
    # Bodies that cancel each other here may still be bodies.
    labels = connected(faces)
    bodies = np.unique(labels)
    return len(bodies) > 1 and any(_any_odd(vertices, faces[labels == body]) for body in bodies)


def _any_odd(vertices: Array, faces: Array) -> bool:
    return any(_odd_ends(vertices, vertex, around) for vertex, around in _stars(faces))


def _stars(faces: Array) -> Iterator[tuple[int, Array]]:
    """Each vertex and the faces that it is a corner of."""
    import numpy as np

    corner = faces.ravel()
    order = np.argsort(corner, kind="stable")
    used, starts = np.unique(corner[order], return_index=True)
    for vertex, rows in zip(used.tolist(), np.split(order // 3, starts[1:]), strict=True):
        yield vertex, faces[rows]


def _odd_ends(vertices: Array, vertex: int, faces: Array) -> bool:
    """Whether an odd number of edges that are in one plane and on one line ends at a vertex."""
    around = [number for number in dict.fromkeys(faces.ravel().tolist()) if number != vertex]
    steps = dict(zip(around, _steps(vertices[vertex].tolist(), vertices[around].tolist()), strict=True))
    ends: Counter[tuple[Vector, Vector]] = Counter()
    for face in faces.tolist():
        one, other = (steps[number] for number in face if number != vertex)
        plane = _direction(_cross(one, other))
        if any(plane):  # else the triangle is a line
            ends.update([(plane, _direction(one)), (plane, _direction(other))])
    return any(number % 2 for number in ends.values())


def _steps(start: list[float], ends: Iterable[list[float]]) -> list[Vector]:
    """Exact vectors from a point to others, all multiplied by the same number."""
    exact = [[Fraction(b) - Fraction(a) for a, b in zip(start, end, strict=True)] for end in ends]
    scale = lcm(*(number.denominator for step in exact for number in step))
    return [(int(x * scale), int(y * scale), int(z * scale)) for x, y, z in exact]


def _cross(u: Vector, v: Vector) -> Vector:
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


def _direction(vector: Vector) -> Vector:
    """The shortest vector of whole numbers on the same line; one and its opposite give the same."""
    divisor = gcd(*vector) or 1
    if next((number for number in vector if number), 0) < 0:
        divisor = -divisor
    return vector[0] // divisor, vector[1] // divisor, vector[2] // divisor
