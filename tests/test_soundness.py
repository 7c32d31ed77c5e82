"""Whether a closed surface encloses any volume: against points that lie in it, and by what is known."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from closed import Mesh, box, joined, rounded, soup, sphere, torus, turned
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_sources import grid_box

from crantcli.core.geometry.containment import MeshIndex
from crantcli.core.geometry.solids import Surface, weld
from crantcli.core.geometry.soundness import encloses_volume, fault

#: A square, and its two triangulations.
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
ONE, OTHER = [[0, 1, 2], [0, 2, 3]], [[0, 1, 3], [1, 2, 3]]


def welded(mesh: Mesh) -> Surface:
    return weld(Surface(np.asarray(mesh[0], float), np.asarray(mesh[1])))


def sheet(height: Any, back: list[list[int]]) -> Mesh:
    """A bent sheet of squares, and its back, cut into triangles along the same or the other diagonals."""
    size, corners = 4, list(itertools.product(range(4), repeat=2))
    points = np.array([[x, y, height(x, y)] for x, y in corners], float)
    faces = []
    for x, y in itertools.product(range(size - 1), repeat=2):
        square = [corners.index(place) for place in ((x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1))]
        faces += [[square[k] for k in face] for face in ONE + back]
    return points, np.array(faces)


FLAT: dict[str, Mesh] = {
    "a square and its back": (SQUARE, np.array(ONE + OTHER)),
    "a square and its back, alike": (SQUARE, np.array(ONE + ONE)),
    "a flat box": (box()[0] * (1, 0, 1), box()[1]),
    "a box that is a line": (box()[0] * (0, 0, 1), box()[1]),
    "a sloping sheet": sheet(lambda x, y: 2 * x + 3 * y, OTHER),
    "a roof": sheet(lambda x, _: abs(2 * x - 2), OTHER),
    "a bent sheet, alike": sheet(lambda x, y: x * y, ONE),
    "two sheets": joined(sheet(lambda x, y: x - y, OTHER), (SQUARE + 9, np.array(ONE + OTHER))),
    "nothing": (np.zeros((0, 3)), np.zeros((0, 3), int)),
}  # fmt: skip
SOLID: dict[str, Mesh] = {
    "a box": box(),
    "a turned box": turned(box()),
    "a box with a sheet before it": joined((SQUARE - 9, np.array(ONE + OTHER)), box()),
    "a sphere": turned(sphere()),
    "a torus": rounded(torus()),
    "a soup": soup(sphere()),
    "a bent sheet with another back": sheet(lambda x, y: x * y, OTHER),
    "a thin box": box((0, 0, 0), (2.0**40, 2.0**40, 2.0**-40)),
    # Two bodies, though a ray that meets one meets the other.
    "a box twice, cut otherwise": joined(box((0, 0, 0), (2, 2, 2)), grid_box((0, 0, 0), (2, 2, 2))),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAT)
def test_surfaces_that_enclose_nothing(name: str) -> None:
    assert not encloses_volume(welded(FLAT[name]))
    assert fault(welded(FLAT[name])) == "encloses no volume"


@pytest.mark.parametrize("name", SOLID)
def test_surfaces_that_enclose_something(name: str) -> None:
    assert encloses_volume(welded(SOLID[name]))
    assert MeshIndex.build([welded(SOLID[name])]).contains(welded(SOLID[name]).vertices).anywhere().any()
    assert fault(welded(SOLID[name])) is None


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=4, max_size=4), min_size=1, max_size=3))
def test_volume_is_where_points_are(solids: list[list[tuple[int, int, int]]]) -> None:
    """Tetrahedra with corners among few places, many of them flat, some of them cancelling each other."""
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    surface = welded(joined(*((np.array(corners, float), faces) for corners in solids)))
    points = np.random.default_rng(3).uniform(0, 2, (4000, 3))
    assert encloses_volume(surface) == MeshIndex.build([surface]).contains(points).anywhere().any()
