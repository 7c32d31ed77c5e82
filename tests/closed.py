"""Closed meshes for tests, and a slow exact answer to what is inside them, by code that shares nothing with ours."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from math import cos, pi, sin
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Mesh = tuple[Array, Array]

#: 2^-SMALL stands for "infinitely small": for vertices that are multiples of 2^-12, no determinant is that near to 0
#: without being 0. Vertices that use every bit need one that is smaller.
SMALL, SMALLER = 160, 1000

CUBE_CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))
CUBE_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 7, 5], [4, 6, 7], [0, 5, 1], [0, 4, 5], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 7, 3], [1, 5, 7]]
)  # fmt: skip


def box(low: Iterable[float] = (0, 0, 0), high: Iterable[float] = (1, 1, 1)) -> Mesh:
    low, high = np.array(low, float), np.array(high, float)
    return low + CUBE_CORNERS * (high - low), CUBE_FACES


def sphere(radius: float = 1.0, center: Iterable[float] = (0, 0, 0), around: int = 12, along: int = 7) -> Mesh:
    """Rings between two poles, none of it at round numbers."""
    points = [(0.0, 0.0, 1.0)]
    for ring in range(1, along):
        tilt = pi * ring / along
        for step in range(around):
            turn = 2 * pi * (step + ring / 2) / around
            points.append((sin(tilt) * cos(turn), sin(tilt) * sin(turn), cos(tilt)))
    points.append((0.0, 0.0, -1.0))
    last = len(points) - 1
    faces = [(0, 1 + s, 1 + (s + 1) % around) for s in range(around)]
    for ring in range(along - 2):
        upper, lower = 1 + ring * around, 1 + (ring + 1) * around
        for s in range(around):
            t = (s + 1) % around
            faces += [(upper + s, lower + s, upper + t), (upper + t, lower + s, lower + t)]
    bottom = 1 + (along - 2) * around
    faces += [(last, bottom + (s + 1) % around, bottom + s) for s in range(around)]
    return np.array(points) * radius + np.array(center, float), np.array(faces)


def torus(major: float = 3.0, minor: float = 1.0, around: int = 18, across: int = 9) -> Mesh:
    points, faces = [], []
    for i in range(around):
        for j in range(across):
            turn, tilt = 2 * pi * i / around, 2 * pi * j / across
            radial = major + minor * cos(tilt)
            points.append((radial * cos(turn), radial * sin(turn), minor * sin(tilt)))
            here, right = i * across + j, (i + 1) % around * across + j
            up, both = i * across + (j + 1) % across, (i + 1) % around * across + (j + 1) % across
            faces += [(here, right, both), (here, both, up)]
    return np.array(points), np.array(faces)


def rounded(mesh: Mesh) -> Mesh:
    """The mesh with vertices at multiples of 2^-12."""
    return np.round(mesh[0] * 4096) / 4096, mesh[1]


def joined(*meshes: Mesh) -> Mesh:
    """One mesh of several bodies."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in meshes)])
    return (
        np.concatenate([vertices for vertices, _ in meshes]),
        np.concatenate([faces + start for (_, faces), start in zip(meshes, starts, strict=False)]),
    )


def inverted(mesh: Mesh) -> Mesh:
    return mesh[0], mesh[1][:, ::-1]


def soup(mesh: Mesh) -> Mesh:
    """Every face with vertices of its own."""
    return mesh[0][mesh[1]].reshape(-1, 3), np.arange(3 * len(mesh[1])).reshape(-1, 3)


def turned(mesh: Mesh, seed: int = 1) -> Mesh:
    """The mesh turned at random, so that nothing is parallel to an axis."""
    axes, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    return mesh[0] @ axes, mesh[1]


def voxels(filled: Array) -> Mesh:
    """The surface between filled and empty unit voxels of a block, with a vertex at every corner of a face."""
    padded = np.pad(filled, 1)
    corners, faces = [], []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        differ = np.argwhere(np.diff(padded.astype(int), axis=axis) != 0)
        for place in differ:
            # The face between this voxel and the next along the axis; the padding moves all by one.
            start = place - 1 + np.eye(3, dtype=int)[axis]
            u, v = np.eye(3, dtype=int)[first], np.eye(3, dtype=int)[second]
            base = len(corners)
            corners += [start, start + u, start + u + v, start + v]
            faces += [(base, base + 1, base + 2), (base, base + 2, base + 3)]
    return np.array(corners, float).reshape(-1, 3), np.array(faces, int).reshape(-1, 3)


# ------------------------------------------------------------------------------------------ the slow answer

Vector = list[int]

#: Directions of rays, none of them special; the next is tried where a ray meets an edge.
DIRECTIONS = ((10_007, 20_011, 30_013), (-40_009, 7_001, 11_003), (5_003, -60_013, 9_001))


def contains(mesh: Mesh, point: Iterable[float], small: int = SMALL) -> bool:
    """Whether a ray from the point, moved by (e, e^2, e^3), crosses an odd number of faces: in whole numbers.

    e is 2^-small.
    """
    scale = 2 ** (3 * small)  # makes every number whole
    origin = [int(Fraction(float(x)) * scale) + 2 ** (small * (2 - axis)) for axis, x in enumerate(point)]
    corners = [[int(Fraction(float(x)) * scale) for x in vertex] for vertex in mesh[0]]
    whole = [[corners[vertex] for vertex in face] for face in mesh[1]]
    for direction in DIRECTIONS:
        crossed = [_crosses(origin, list(direction), face) for face in whole]
        if None not in crossed:
            return sum(map(bool, crossed)) % 2 == 1
    raise AssertionError("every direction met an edge")


def _crosses(origin: Vector, direction: Vector, face: list[Vector]) -> bool | None:
    """Whether a ray crosses a face; None where it meets its rim."""
    a, b, c = ([x - o for x, o in zip(corner, origin, strict=True)] for corner in face)
    volumes = [_det(direction, b, c), _det(a, direction, c), _det(a, b, direction)]
    total = sum(volumes)
    if total == 0:  # parallel
        return None if all(v == 0 for v in volumes) and any(map(any, (a, b, c))) and _det(a, b, c) == 0 else False
    signs = {(v > 0) - (v < 0) for v in volumes}
    if {1, -1} <= signs:
        return False
    if 0 in signs:
        return None
    # origin + t direction lies in the plane for t = det(a, b, c) / total.
    return _det(a, b, c) * total > 0


def _det(u: Vector, v: Vector, w: Vector) -> int:
    return u[0] * (v[1] * w[2] - v[2] * w[1]) - u[1] * (v[0] * w[2] - v[2] * w[0]) + u[2] * (v[0] * w[1] - v[1] * w[0])
