"""Closed triangle meshes of the sample brain's neuropils, as PLY files in nm.

A mesh is a closed tube: rings of vertices around the shape, from pole to pole, or round and round
for a torus. Vertices lie on the shape, moved to whole nm, so that the surface stays between 0.95
and 1.0 of the shape's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from brain_shapes import Ellipsoid, Floats, Ints, Shape, Torus
from numpy.typing import NDArray

AROUND = 20  # vertices of a ring
RINGS = 12  # from pole to pole
TURNS = 36  # rings of a torus


def tube_faces(rings: int, around: int, closed: bool) -> Ints:
    """Triangles between consecutive rings of vertices; `closed` joins the last ring to the first."""
    ring, step = np.divmod(np.arange((rings if closed else rings - 1) * around), around)
    after, beside = (ring + 1) % rings, (step + 1) % around
    here, there = ring * around + step, after * around + step
    here_beside, there_beside = ring * around + beside, after * around + beside
    faces: Ints = np.concatenate(
        [np.stack([here, there, here_beside], 1), np.stack([here_beside, there, there_beside], 1)]
    )
    return faces


def ball() -> tuple[Floats, Ints]:
    """The unit ball around z: rings, then the lower and the upper pole; its equator is a ring."""
    tilt = np.pi * np.arange(1, RINGS) / RINGS
    turn = 2 * np.pi * np.arange(AROUND) / AROUND
    height = np.repeat(-np.cos(tilt), AROUND)
    radius = np.repeat(np.sin(tilt), AROUND)
    points = np.stack([radius * np.tile(f(turn), RINGS - 1) for f in (np.cos, np.sin)] + [height], 1)
    poles = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    low, high, last = len(points), len(points) + 1, (RINGS - 2) * AROUND
    step = np.arange(AROUND)
    beside = (step + 1) % AROUND
    caps = [
        np.stack([np.full(AROUND, low), step, beside], 1),
        np.stack([np.full(AROUND, high), last + beside, last + step], 1),
    ]
    faces: Ints = np.concatenate([tube_faces(RINGS - 1, AROUND, closed=False), *caps])
    return np.concatenate([points, poles]), faces[:, ::-1]


def mesh(shape: Shape) -> tuple[Floats, Ints]:
    """Vertices in nm, (n, 3), and triangles, (m, 3), counter-clockwise from outside."""
    if isinstance(shape, Torus):
        return ring(shape)
    points, faces = ball()
    if isinstance(shape, Ellipsoid):
        axes = np.array(shape.axes, float)
        mirrored = np.linalg.det(axes) < 0
        return points * shape.semi_axes @ axes + shape.center, faces[:, ::-1] if mirrored else faces
    # A capsule: the ball around the axis, its upper half at the end and its lower half at the start.
    axis = np.subtract(shape.end, shape.start)
    length = float(np.linalg.norm(axis))
    basis = perpendicular(axis / length)
    local = points * shape.radius
    upper = points[:, 2] > 1e-9
    middle = np.abs(points[:, 2]) <= 1e-9
    local[upper, 2] += length
    local[middle, 2] = 0  # the equator stands at the start, the ring after it at the end
    return local @ basis + shape.start, faces


def ring(shape: Torus) -> tuple[Floats, Ints]:
    """A torus."""
    turn, tilt = (
        2 * np.pi * np.divmod(np.arange(TURNS * AROUND), AROUND)[part] / count
        for part, count in ((0, TURNS), (1, AROUND))
    )
    radial = shape.major_radius + shape.minor_radius * np.cos(tilt)
    local = np.stack([radial * np.cos(turn), radial * np.sin(turn), shape.minor_radius * np.sin(tilt)], 1)
    points: Floats = local @ perpendicular(np.array(shape.normal)) + shape.center
    return points, tube_faces(TURNS, AROUND, closed=True)


def perpendicular(axis: Floats) -> Floats:
    """Three orthonormal rows of positive orientation, the last of them `axis`."""
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    return np.array([first, np.cross(axis, first), axis])


def write_ply(vertices: Floats, faces: Ints, path: Path) -> None:
    """Write a binary PLY file with vertices at whole nm."""
    lines = (
        "ply", "format binary_little_endian 1.0", "comment synthetic sample brain, nm",
        f"element vertex {len(vertices)}", "property float x", "property float y", "property float z",
        f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", "",
    )  # fmt: skip
    records: NDArray[np.void] = np.empty(len(faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    records["count"], records["corners"] = 3, faces
    rounded = np.rint(vertices).astype("<f4")  # exact: far below 2^24
    path.write_bytes("\n".join(lines).encode() + rounded.tobytes() + records.tobytes())


def write_meshes(shapes: Mapping[str, Shape], folder: Path) -> None:
    """Write one mesh per neuropil, `NAME.ply`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, shape in shapes.items():
        write_ply(*mesh(shape), folder / f"{name}.ply")
