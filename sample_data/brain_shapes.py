"""The neuropils of the sample brain as simple solids: data for the synapses and for meshes.

All lengths are nanometres (nm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Vector = tuple[float, float, float]

VOXEL_SIZE = np.array([8, 8, 42])


def points_in_unit_ball(rng: np.random.Generator, count: int) -> Floats:
    """Uniform points in the unit ball, (count, 3)."""
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points: Floats = direction * np.cbrt(rng.random((count, 1)))
    return points


@dataclass(frozen=True)
class Ellipsoid:
    """Solid ellipsoid; `axes` are the orthonormal directions of `semi_axes`."""

    center: Vector
    semi_axes: Vector
    axes: tuple[Vector, Vector, Vector] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))

    def contains(self, points: Floats, scale: float = 1.0) -> Bools:
        """Whether each of (n, 3) points lies in the shape grown by `scale`."""
        local = (points - self.center) @ np.array(self.axes, float).T
        inside: Bools = np.linalg.norm(local / self.semi_axes, axis=1) <= scale
        return inside

    def sample(self, rng: np.random.Generator, along: Floats, scale: float) -> Floats:
        """One uniform point per entry of `along`, whose values play no part here."""
        local = points_in_unit_ball(rng, len(along)) * self.semi_axes * scale
        points: Floats = local @ np.array(self.axes, float) + self.center
        return points


@dataclass(frozen=True)
class Torus:
    """Solid ring around `center`; `normal` is the unit vector of its axis."""

    center: Vector
    normal: Vector
    major_radius: float
    minor_radius: float

    def contains(self, points: Floats, scale: float = 1.0) -> Bools:
        """Whether each of (n, 3) points lies in the ring with its tube grown by `scale`."""
        offset = points - self.center
        height = offset @ np.array(self.normal)
        radial = np.sqrt(np.maximum((offset**2).sum(axis=1) - height**2, 0))
        inside: Bools = np.hypot(radial - self.major_radius, height) <= scale * self.minor_radius
        return inside

    def sample(self, rng: np.random.Generator, along: Floats, scale: float) -> Floats:
        """One point per entry of `along`, the fraction of a turn around the ring."""
        turn = 2 * np.pi * along
        tube_angle = 2 * np.pi * rng.random(len(along))
        tube_radius = scale * self.minor_radius * np.sqrt(rng.random(len(along)))
        radial = self.major_radius + tube_radius * np.cos(tube_angle)
        local = (
            radial * np.cos(turn),
            radial * np.sin(turn),
            tube_radius * np.sin(tube_angle),
        )
        # The turn starts in the direction of x, which must not be the ring's own axis.
        ring_y = np.cross(self.normal, (1.0, 0.0, 0.0))
        ring_y /= np.linalg.norm(ring_y)
        axes = np.array([np.cross(ring_y, self.normal), ring_y, self.normal])
        points: Floats = np.transpose(local) @ axes + self.center
        return points


@dataclass(frozen=True)
class Capsule:
    """All points within `radius` of the segment from `start` to `end`."""

    start: Vector
    end: Vector
    radius: float

    def contains(self, points: Floats, scale: float = 1.0) -> Bools:
        """Whether each of (n, 3) points lies in the capsule with its radius grown by `scale`."""
        axis = np.subtract(self.end, self.start)
        fraction = np.clip((points - self.start) @ axis / (axis @ axis), 0, 1)
        nearest = self.start + np.outer(fraction, axis)
        inside: Bools = np.linalg.norm(points - nearest, axis=1) <= scale * self.radius
        return inside

    def sample(self, rng: np.random.Generator, along: Floats, scale: float) -> Floats:
        """One point per entry of `along`, the fraction of the way from `start` to `end`."""
        fraction = np.clip(along, 0, 1)
        offset = points_in_unit_ball(rng, len(along)) * scale * self.radius
        points: Floats = self.start + np.outer(fraction, np.subtract(self.end, self.start)) + offset
        return points


Shape = Ellipsoid | Torus | Capsule

# Named and placed after CRANTb's neuropils (left = low x), simplified so that no two touch.
# Synapses lie inside a shape at INNER_SCALE or outside every shape at OUTER_SCALE: any mesh
# whose surface stays between the two assigns each of them to the same neuropil.
INNER_SCALE, OUTER_SCALE = 0.86, 1.08
SHAPES: dict[str, Shape] = {
    "ellipsoid_body": Torus((205_000, 136_000, 100_000), (0, 0.8, -0.6), 13_000, 6_500),
    "fan_shaped_body": Ellipsoid(
        (205_000, 119_000, 112_800),
        (32_000, 14_000, 9_500),
        ((1, 0, 0), (0, 0.6, 0.8), (0, 0.8, -0.6)),
    ),
    "protocerebral_bridge": Capsule((152_000, 146_000, 143_000), (241_000, 138_000, 141_000), 6_500),
    "bulb_left": Ellipsoid((162_700, 170_500, 102_200), (5_000, 8_500, 5_000)),
    "bulb_right": Ellipsoid((241_600, 161_900, 100_500), (5_000, 8_500, 5_000)),
    "nodulus_left": Ellipsoid((191_000, 137_500, 125_000), (7_000, 5_500, 7_000)),
    "nodulus_right": Ellipsoid((211_700, 136_500, 125_000), (7_000, 5_500, 7_000)),
    "mushroom_body_medial_calyx_left": Ellipsoid((150_000, 81_300, 112_900), (45_000, 30_000, 55_000)),
    "mushroom_body_medial_calyx_right": Ellipsoid((257_200, 75_400, 112_700), (45_000, 30_000, 55_000)),
    "mushroom_body_pedunculus_and_lobes_left": Capsule((134_000, 126_000, 150_000), (172_000, 150_000, 25_000), 14_000),
    "mushroom_body_pedunculus_and_lobes_right": Capsule(
        (266_000, 120_000, 150_000), (228_000, 144_000, 25_000), 14_000
    ),
    "antennal_lobe_left": Ellipsoid((137_800, 252_000, 63_300), (50_000, 55_000, 45_000)),
    "antennal_lobe_right": Ellipsoid((260_300, 246_000, 58_600), (50_000, 55_000, 45_000)),
}
SHAPE_NAMES = list(SHAPES)
OUTSIDE = -1  # stands for "in no shape" where a shape's index is expected
BRAIN_BOX = np.array([[60_000, 50_000, 10_000], [340_000, 310_000, 190_000]])


def points_outside(rng: np.random.Generator, count: int) -> Floats:
    """Uniform points of BRAIN_BOX that lie in no shape."""
    low, high = BRAIN_BOX
    candidates = rng.uniform(low, high, size=(4 * count, 3))
    inside = [shape.contains(candidates, OUTER_SCALE) for shape in SHAPES.values()]
    points: Floats = candidates[~np.any(inside, axis=0)][:count]
    return points


def snap(points: Floats) -> Ints:
    """Points in nm moved to the nearest multiples of the voxel size."""
    snapped: Ints = np.rint(points / VOXEL_SIZE).astype(np.int64) * VOXEL_SIZE
    return snapped
