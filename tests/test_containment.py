"""Points in closed meshes: against arithmetic, and against exact rays, one point and one mesh at a time."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from closed import (
    SMALLER,
    Mesh,
    box,
    contains,
    inverted,
    joined,
    rounded,
    soup,
    sphere,
    torus,
    turned,
    voxels,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from crantcli.core.geometry import containment, grid
from crantcli.core.geometry.containment import MeshIndex
from crantcli.core.geometry.predicates import collinear, side
from crantcli.core.geometry.solids import Surface, connected, solids, weld
from crantcli.errors import ArgumentTypeError, CrantError, DataError, UsageError
from crantcli.sources.shapes.meshes import read_neuropils

Array = np.ndarray[Any, Any]


def index(*meshes: Mesh, threads: int | None = None) -> MeshIndex:
    return MeshIndex.build([Surface(*mesh) for mesh in meshes], threads)


def inside(mesh: Mesh, points: Any) -> list[bool]:
    return index(mesh).contains(np.array(points, float).reshape(-1, 3)).inside(0).tolist()


def lattice_points(low: float, high: float, step: float) -> Array:
    values = np.arange(low, high + step / 2, step)
    return np.stack(np.meshgrid(values, values, values), axis=-1).reshape(-1, 3)


# ------------------------------------------------------------------------------------ against exact rays

NEEDLE = (
    np.array([[1e6, 1e6, 1e6], [1e6 + 1000, 1e6 + 999, 1e6 + 998], [1e6 + 1000, 1e6 + 999, 1e6 + 998.25],
              [1e6 + 1000, 1e6 + 999.5, 1e6 + 998]]),
    np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]),
)  # fmt: skip
HAIR = (np.array([[0, 0, 0], [1000, 999, 998], [1000, 999, 998 + 2**-11], [1000, 999 + 2**-11, 998]]), NEEDLE[1])
MESHES: dict[str, Mesh] = {
    "box": box((-1, 0, 2), (1, 3, 2.5)),
    "turned box": rounded(turned(box())),
    "sphere": rounded(sphere(around=8, along=5)),
    "inverted sphere": inverted(rounded(sphere(around=8, along=5))),
    "vertices doubled": soup(rounded(sphere(around=6, along=4))),
    "torus": rounded(torus(around=9, across=5)),
    "needle": NEEDLE,
    "hair": HAIR,
    "far away": (box()[0] * 0.125 + 2.0**33, box()[1]),
}


def hard_points(mesh: Mesh, made: MeshIndex) -> Array:
    """Where implementations err: on vertices, edges and faces, above and beside them, at borders of cells."""
    rng = np.random.default_rng(7)
    vertices, faces = mesh
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    corners = vertices[rng.permutation(faces)[:12]]
    some = rng.permutation(vertices)[:8]
    loose = rng.uniform(low, high, (12, 3))
    on_lines = [np.where(np.arange(3) == axis, loose[: len(some)], some) for axis in range(3)]
    in_planes = [np.where(np.arange(3) == axis, some, loose[: len(some)]) for axis in range(3)]
    cells = rng.integers(0, made.lattice.shape, (6, 3))
    borders = made.lattice.origin + cells * made.lattice.cell
    touched = rng.integers(0, len(made.cell_inner), 6)
    # In the plane through an inner point and an edge that its cell sees.
    numbers = made.cone_triangle[made.entry_cones[made.cell_entries[touched]]]
    edge = made.triangles[np.where(numbers < 0, ~numbers, numbers)][:, :2].mean(axis=1)
    middles = (corners + np.roll(corners, 1, axis=1)) / 2
    between = [middles.reshape(-1, 3), corners.mean(axis=1), (made.cell_inner[touched] + edge) / 2]
    return np.concatenate([loose, some, *on_lines, *in_planes, borders, made.cell_inner[touched], *between])


@pytest.mark.parametrize("name", MESHES)
def test_agrees_with_exact_rays(name: str) -> None:
    mesh = MESHES[name]
    made = index(mesh)
    points = hard_points(mesh, made)
    assert made.contains(points).inside(0).tolist() == [contains(mesh, point) for point in points]


def test_agrees_with_exact_rays_where_coordinates_use_every_bit() -> None:
    mesh = turned(sphere(around=6, along=4))
    points = np.concatenate([mesh[0], mesh[0][mesh[1]].mean(axis=1)])
    assert inside(mesh, points) == [contains(mesh, point, SMALLER) for point in points]


@pytest.mark.parametrize("size", [1e-9, 1e-20, 1e-200])
def test_agrees_with_exact_rays_where_a_triangle_is_a_point_to_the_grid(size: float) -> None:
    """A box with a corner cut off, so near to it that its three vertices have one place in a cell."""
    ends = [[size, 0, 0], [0, size, 0], [0, 0, size], [8, 0, 0], [0, 8, 0], [0, 0, 8], [8, 8, 0], [8, 0, 8], [0, 8, 8]]
    sides = ([0, 2, 1], [0, 1, 4, 6, 3], [1, 2, 5, 8, 4], [2, 0, 3, 7, 5], [3, 6, 9, 7], [4, 8, 9, 6], [5, 7, 9, 8])
    faces = [[side[0], side[k], side[k + 1]] for side in sides for k in range(1, len(side) - 1)]
    mesh = np.array([*ends, [8, 8, 8]]), np.array(faces)
    places = (-1.0, 0.0, size / 4, size / 2, size, 3.0, 8.0)
    points = np.array([(x, y, z) for x in places for y in places[1:] for z in places[1:]])
    assert inside(mesh, points) == [contains(mesh, point, SMALLER) for point in points]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_agrees_with_exact_rays_on_small_integers(data: st.DataObject) -> None:
    """Tetrahedra and points among few places: almost every point lies on a vertex, an edge or in a plane."""
    place = st.tuples(*[st.integers(0, 4)] * 3)
    solids = data.draw(st.lists(st.lists(place, min_size=4, max_size=4, unique=True), min_size=1, max_size=3))
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    meshes = [(np.array(corners, float), faces) for corners in solids]
    points = np.array(data.draw(st.lists(place, min_size=1, max_size=12)))
    found = index(*meshes).contains(points)
    for number, mesh in enumerate(meshes):
        assert found.inside(number).tolist() == [contains(mesh, point) for point in points], mesh


# ------------------------------------------------------------------------------------ against arithmetic


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**27 - 1), st.integers(0, 1000))
def test_any_solid_of_voxels(bits: int, seed: int) -> None:
    """With hollows, bodies in hollows, bodies that touch at edges and corners, and faces that wind at random."""
    filled = (bits >> np.arange(27) & 1).astype(bool).reshape(3, 3, 3)
    vertices, faces = voxels(filled)
    rng = np.random.default_rng(seed)
    flipped = np.where(rng.random(len(faces))[:, None] < 0.5, faces[:, ::-1], faces)
    points = np.concatenate([lattice_points(-0.5, 3.5, 0.5), rng.uniform(-0.5, 3.5, (50, 3))])
    place = np.floor(points).astype(int)
    expected = np.pad(filled, 1)[tuple(np.clip(place + 1, 0, 4).T)]
    assert inside((vertices, rng.permutation(flipped)), points) == expected.tolist()


def test_a_hollow_whose_corners_all_touch_the_outside() -> None:
    filled = np.ones((3, 3, 3), bool)
    filled[1, 1, 1] = False
    filled[::2, ::2, ::2] = False
    points = lattice_points(0.5, 2.5, 1)
    assert inside(voxels(filled), points) == filled[tuple(np.floor(points).astype(int).T)].tolist()


def test_a_hollow_whose_corners_all_touch_another_hollow_around_it() -> None:
    filled = np.ones((7, 7, 7), bool)
    filled[1:6, 1:6, 1:6] = False
    filled[2:5, 2:5, 2:5] = True
    filled[2:5:2, 2:5:2, 2:5:2] = False
    filled[3, 3, 3] = False
    filled[3, 3, 1] = True  # holds the core, and makes the hollow around it one surface
    points = lattice_points(0.5, 6.5, 1)
    assert inside(voxels(filled), points) == filled[tuple(np.floor(points).astype(int).T)].tolist()


def test_a_hollow_that_shares_the_tip_of_a_pyramid() -> None:
    """What lies beside the tip is outside, on whichever side."""
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [1, 3, 2], [1, 4, 3]])
    base = np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]])
    outer, inner = (np.concatenate([[[0, 0, 4]], base * width + (0, 0, low)]) for width, low in ((2, 0), (0.5, 1)))
    mesh = joined((outer, faces), (inner, faces))
    assert inside(mesh, [(0, 0, 2), (0, 0, 0.5), (1, 0, 0.5), (0, 0, 4)]) == [False, True, True, False]


def test_a_hollow_of_which_only_the_middles_of_edges_tell() -> None:
    """Stands for one whose corners all touch the surface around it, so that each lies in and out of that."""
    small = box((1, 1, 1), (2, 2, 2))
    asked: list[Array] = []

    def containment(bodies: list[Array], points: Array) -> Array:
        asked.append(points)
        corners = (abs(points) % 1 == 0).all(axis=1)
        return np.where(corners, len(asked) == 1, True)[:, None]

    surface = weld(Surface(*joined(box((0, 0, 0), (4, 4, 4)), small)))
    assert len(solids(surface, containment)) == 1
    assert len(asked) == 2
    assert (asked[0] == -asked[1]).all()


def test_sphere_torus_and_box_away_from_their_surfaces() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(-4.5, 4.5, (20_000, 3))
    ball, ring, block = sphere(4, around=48, along=24), torus(around=60, across=30), box((-2, -1, -3), (1, 4, 2))
    found = index(ball, ring, turned(inverted(ball)), block).contains(points)
    radius = np.linalg.norm(points, axis=1)
    tube = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 3, points[:, 2])
    for mesh, distance, size in ((0, radius, 4), (1, tube, 1), (2, radius, 4)):
        sure = (distance < 0.97 * size) | (distance > size)
        assert sure.sum() > 18_000
        assert (found.inside(mesh) == (distance < size))[sure].all()
    within = ((points >= (-2, -1, -3)) & (points < (1, 4, 2))).all(axis=1)
    assert (found.inside(3) == within).all()
    assert not index(ring).contains(np.zeros((1, 3))).anywhere().any()


def test_a_box_owns_its_lower_faces_and_not_its_upper_ones() -> None:
    points = lattice_points(-1, 2, 0.5)
    expected = ((points >= 0) & (points < 1)).all(axis=1)
    for mesh in (box(), inverted(box()), soup(box())):
        assert inside(mesh, points) == expected.tolist()


@pytest.mark.parametrize("inner", [sphere(0.5), inverted(sphere(0.5))], ids=["as outside", "reversed"])
@pytest.mark.parametrize("outer", [sphere(1), inverted(sphere(1))], ids=["as is", "reversed"])
def test_a_shell_is_hollow_whichever_way_its_surfaces_wind(inner: Mesh, outer: Mesh) -> None:
    at = [(0, 0, 0), (0.7, 0.1, 0), (1.1, 0, 0), (0.3, 0.2, 0.1)]
    assert inside(joined(outer, inner), at) == [False, True, False, False]
    core = joined(outer, inner, sphere(0.2))
    assert inside(core, at) == [True, True, False, False]


@pytest.mark.parametrize("few", [0, 10**9], ids=["by index", "one by one"])
def test_hollows_are_found_in_either_way(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containment, "_FEW", few)
    mesh = joined(
        box((0, 0, 0), (9, 9, 9)), box((1, 1, 1), (5, 5, 5)), box((2, 2, 2), (3, 3, 3)), box((6, 6, 6), (9.5, 7, 7))
    )
    assert inside(mesh, [(0.5, 1, 1), (4, 4, 4), (2.5, 2.5, 2.5), (8, 6.5, 6.5), (9.2, 6.5, 6.5), (9.2, 8, 8)]) == [
        True, False, True, True, True, False,
    ]  # fmt: skip


def test_bodies_of_one_mesh_that_overlap_do_not_cancel() -> None:
    mesh = joined(box((0, 0, 0), (2, 2, 2)), inverted(box((1, 1, 1), (3, 3, 3))))
    assert inside(mesh, [(0.5, 0.5, 0.5), (1.5, 1.5, 1.5), (2.5, 2.5, 2.5), (0.5, 2.5, 0.5)]) == [
        True,
        True,
        True,
        False,
    ]
    crossed = joined(box((0, 1, 1), (3, 2, 2)), box((1, 0, 1.25), (2, 3, 1.75)))
    assert inside(crossed, [(1.5, 1.5, 1.5), (0.5, 1.5, 1.5), (1.5, 0.5, 1.5), (0.5, 0.5, 1.5)]) == [
        True,
        True,
        True,
        False,
    ]


def test_two_bodies_apart() -> None:
    mesh = joined(sphere(1), sphere(1, (5, 0, 0)))
    assert inside(mesh, [(0, 0, 0), (5, 0, 0), (2.5, 0, 0)]) == [True, True, False]


def test_a_hollow_that_opens_flush_with_the_outside() -> None:
    """The hollow's upper face lies in that of the block, without a common edge."""
    mesh = joined(box((0, 0, 0), (4, 4, 4)), box((1, 1, 1), (2, 2, 4)))
    assert inside(mesh, [(1.5, 1.5, 2), (0.5, 0.5, 2), (1.5, 1.5, 0.5)]) == [False, True, True]


def test_overlapping_and_touching_meshes() -> None:
    found = index(box(), box((0.5, 0, 0), (1.5, 1, 1)), box((1, 0, 0), (2, 1, 1))).contains(
        np.array([(0.25, 0.5, 0.5), (0.75, 0.5, 0.5), (1, 0.5, 0.5), (1.75, 0, 0), (2, 0, 0)])
    )
    assert [found.inside(mesh).tolist() for mesh in range(3)] == [
        [True, True, False, False, False], [False, True, True, False, False], [False, False, True, True, False],
    ]  # fmt: skip


def test_touching_meshes_share_no_point_and_leave_none_out() -> None:
    """Two parts of a turned box, along a face that is parallel to no axis."""
    left, right = (rounded(turned(box((low, 0, 0), (low + 1, 1, 1)))) for low in (0, 1))
    corners = left[0][[4, 5, 6, 7]]
    assert (corners == right[0][[0, 1, 2, 3]]).all()
    middle = corners.mean(axis=0)
    points = np.concatenate([(corners + np.roll(corners, 1, axis=0)) / 2, (corners + middle) / 2, [middle]])
    found = index(left, right, joined(left, right)).contains(points)
    assert (found.inside(0) ^ found.inside(1))[4:].all()
    assert found.inside(2).tolist() == (found.inside(0) | found.inside(1)).tolist()


def test_coincident_opposite_faces_bound_nothing() -> None:
    vertices, faces = sphere()
    sheet = faces[[5, 5]]
    sheet[1] = sheet[1, ::-1]
    plain = index((vertices, faces))
    for mesh in ((vertices, np.concatenate([faces, sheet])), joined((vertices, faces), (vertices * 0.5, sheet))):
        made = index(mesh)
        assert len(made.triangles) == len(plain.triangles)
        points = np.concatenate([vertices[faces[5]].mean(axis=0) * np.linspace(0.2, 1.5, 50)[:, None], vertices])
        assert (made.contains(points).words == plain.contains(points).words).all()


def test_boxes_joined_by_a_face_are_one_solid() -> None:
    mesh = joined(box(), (box()[0] * (-1, 1, 1) + (2, 0, 0), box()[1]))
    assert inside(mesh, [(0.5, 0.5, 0.5), (1, 0.5, 0.5), (1.5, 0.5, 0.5), (2, 0.5, 0.5)]) == [True, True, True, False]


def test_several_surfaces_count_as_their_union() -> None:
    surfaces = [Surface(*box()), Surface(*box((0.5, 0, 0), (1.5, 1, 1))), Surface(*sphere(0.2, (0.25, 0.5, 0.5)))]
    found = MeshIndex.build([Surface(*box((9, 9, 9), (10, 10, 10))), surfaces]).contains(
        np.array([(0.25, 0.5, 0.5), (0.75, 0.5, 0.5), (1.25, 0.5, 0.5), (9.5, 9.5, 9.5), (2, 0, 0)])
    )
    assert found.pairs()[0].tolist() == [0, 1, 2, 3]
    assert found.pairs()[1].tolist() == [1, 1, 1, 0]


def test_faces_that_are_lines() -> None:
    """A vertex in the middle of an edge, closed by a triangle without area."""
    vertices = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2], [1, 1, 0]], float)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 4, 3], [4, 2, 3], [1, 2, 4]])
    points = lattice_points(-0.5, 2, 0.25)
    assert inside((vertices, faces), points) == [contains((vertices, faces), point) for point in points]


# --------------------------------------------------------------------------------------- many meshes, kinds of input


def test_more_meshes_than_bits_in_a_word() -> None:
    lows = lattice_points(0, 5, 1)[:150]
    meshes = [box(low, low + 1) for low in lows]
    meshes[70] = box((-1, -1, -1), (7, 7, 7))
    points = np.random.default_rng(0).uniform(-2, 8, (5000, 3))
    made = index(*meshes)
    found = made.contains(points)
    assert found.words.shape == (5000, 3)
    expected = np.array([((points >= m[0].min(axis=0)) & (points < m[0].max(axis=0))).all(axis=1) for m in meshes])
    assert (np.array([found.inside(mesh) for mesh in range(150)]) == expected).all()
    rows, numbers = np.nonzero(expected.T)
    assert [part.tolist() for part in found.pairs()] == [rows.tolist(), numbers.tolist()]
    assert found.counts().tolist() == expected.sum(axis=1).tolist()
    assert found.anywhere().tolist() == expected.any(axis=0).tolist()
    assert len(found) == 5000
    for wrong in (-1, 150):
        with pytest.raises(IndexError):
            found.inside(wrong)


@pytest.mark.parametrize("kind", ["int8", "int64", "uint16", "float16", "float32"])
def test_numbers_are_taken_as_they_are(kind: str) -> None:
    points = np.array([[10, 20, 30], [40, 50, 60], [39, 49, 59], [9, 20, 30]], dtype=kind)
    assert index(box((10, 20, 30), (40, 50, 60))).contains(points).inside(0).tolist() == [True, False, True, False]


def test_rounding_moves_no_point_across_a_surface() -> None:
    near = np.nextafter(np.float32(0.1), np.float32(1))
    low = (float(near), 0, 0)
    assert inside(box(low), [(float(near), 0.5, 0.5), (np.nextafter(float(near), 0), 0.5, 0.5)]) == [True, False]
    made = index(box(low))
    assert made.contains(np.array([[near, 0.5, 0.5], [np.float32(0.1), 0.5, 0.5]], np.float32)).inside(0).tolist() == [
        True,
        False,
    ]
    large = index(box((2**49, 0, 0), (2**49 + 1, 1, 1))).contains(
        np.array([[2**49, 0, 0], [2**49 + 1, 0, 0], [2**62 + 1, 0, 0], [-(2**63), 0, 0]])
    )
    assert large.inside(0).tolist() == [True, False, False, False]


def test_points_that_are_nowhere() -> None:
    nan, inf = np.nan, np.inf
    points = np.array(
        [[nan, 0.5, 0.5], [0.5, nan, 0.5], [0.5, 0.5, nan], [inf, 0.5, 0.5], [0.5, -inf, 0.5], [0.5, 0.5, 0.5]]
    )
    found = index(box()).contains(points)
    assert found.missing.tolist() == [True, True, True, False, False, False]
    assert found.anywhere().tolist() == [False] * 5 + [True]


def test_no_points_no_meshes_no_faces() -> None:
    assert len(index(box()).contains(np.zeros((0, 3)))) == 0
    assert index().contains(np.zeros((2, 3))).counts().tolist() == []
    nothing = MeshIndex.build([Surface(np.zeros((0, 3)), np.zeros((0, 3), int)), Surface(*box())])
    assert nothing.contains(np.full((2, 3), 0.5)).counts().tolist() == [0, 2]
    flat = (
        np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]]),
        np.array([[0, 1, 2], [0, 2, 3], [0, 1, 3], [1, 2, 3]]),
    )
    assert not index(flat).contains(lattice_points(0, 1, 0.25)).anywhere().any()


def test_answers_do_not_depend_on_batches_or_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    meshes = [sphere(2), torus(), box((-1, -1, -1), (1, 1, 1))]
    points = np.concatenate([np.random.default_rng(1).uniform(-4, 4, (3000, 3)), lattice_points(-1, 1, 0.5)])
    made, other = index(*meshes, threads=1), index(*meshes, threads=3)
    for name, array in made.arrays().items():
        assert array.tobytes() == other.arrays()[name].tobytes(), name
    expected = made.contains(points, threads=1).words
    batches = np.array_split(points, 7)
    assert (np.concatenate([found.words for found in made.contains_each(batches)]) == expected).all()
    assert (made.contains(np.asfortranarray(points), threads=2).words == expected).all()
    monkeypatch.setattr(containment, "_BLOCK", 50)
    assert (made.contains(points, threads=3).words == expected).all()
    monkeypatch.setattr(grid, "_AT_ONCE", 10)
    monkeypatch.setattr("crantcli.core.geometry.index_build._TRIANGLES", 7)
    monkeypatch.setattr("crantcli.core.geometry.index_build._CONES", 13)
    assert (index(*meshes, threads=2).contains(points).words == expected).all()


@pytest.mark.parametrize("kind", ["U1", "complex128", "bool", "object", "longdouble", "datetime64[s]"])
def test_points_that_are_no_numbers(kind: str) -> None:
    with pytest.raises(ArgumentTypeError, match="integers or floats"):
        index(box()).contains(np.zeros((1, 3), int).astype(kind))


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 3, 1)])
def test_points_without_three_coordinates(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="shape"):
        index(box()).contains(np.zeros(shape))


def test_surfaces_without_an_inside() -> None:
    vertices, faces = box()
    far = vertices.copy()
    far[3, 1] = 2.0**50
    broken = vertices.copy()
    broken[3, 1] = np.nan
    for mesh, message in (
        ((vertices, faces[1:]), "mesh 1 is not closed: 3 open edges, one at"),
        ((broken, faces), "mesh 1 has a vertex that is not a number"),
        ((far, faces), "mesh 1 has a vertex that is not a number below 1.13e"),
        ((vertices[:7], faces), "a face has a vertex that is not there"),
        ((vertices, faces - 1), "a face has a vertex that is not there"),
    ):
        with pytest.raises(DataError, match=message):
            index(box(), mesh)


# --------------------------------------------------------------------------------------------------- inner parts


def test_inner_points_in_planes_of_triangles_are_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    made = index(box())
    first = (0.5, 0.47, 0.51)  # in the plane x = 0, that of a face, since the lattice starts 1.5 cells before it
    monkeypatch.setattr(grid, "_INNER", (first, *grid._INNER[1:]))
    moved = index(box())
    assert moved.lattice.inner[0][0] == moved.lattice.origin[0] + grid._INNER[1][0] * moved.lattice.cell
    points = lattice_points(-0.5, 1.5, 0.25)
    assert (moved.contains(points).words == made.contains(points).words).all()
    monkeypatch.setattr(grid, "_INNER", (first,) * 4)
    with pytest.raises(CrantError, match="no inner points"):
        index(box())


@pytest.mark.parametrize(
    "values",
    [
        (0, 1, 2, 3),
        (0, 1, 1 + 2**-52, 1 - 2**-53),
        (0, 0.1, 0.3, 3, 2.0**40),
        (0, 1e-30, 1, 0.1),
        (1e-200, 1e-190, 1, 0),
    ],
    ids=["integers", "ones", "binary fractions", "sizes", "tiny"],
)
def test_sides_are_exact(values: tuple[float, ...]) -> None:
    """On points of which most lie in a plane or nearly so."""
    points = np.random.default_rng(4).choice(np.array(values, float), (3000, 4, 3))
    points[::3, 3] = points[::3, 0]
    columns = [np.ascontiguousarray(points[:, corner]) for corner in range(4)]
    plain, shifted, flat = side(*columns, shifted=False), side(*columns), collinear(*columns[:3])
    scale = 2**1200
    for row, corners in enumerate(points.tolist()):
        a, b, c, p = ([int(Fraction(x) * scale) for x in corner] for corner in corners)
        u, v, w = ([y - x for x, y in zip(a, other, strict=True)] for other in (b, c, p))
        normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
        value = sum(n * x for n, x in zip(normal, w, strict=True))
        first = next((x for x in (value, *normal) if x != 0), 0)
        assert plain[row] == (value > 0) - (value < 0), corners
        assert shifted[row] == (first > 0) - (first < 0), corners
        assert flat[row] == (not any(normal)), corners


def near_planes(rng: np.random.Generator, points: Array) -> Array:
    """Triangles in whose planes the points lie, but for rounding; shape (n, 3, 3)."""
    a, b = points + rng.uniform(-0.3, 0.3, (2, *points.shape))
    c = (
        points
        + rng.uniform(0.2, 1, (len(points), 1)) * (points - a)
        + rng.uniform(0.2, 1, (len(points), 1)) * (points - b)
    )
    return np.stack([a, b, c], axis=1)


def test_crossings_and_cones_are_exact_next_to_inner_points() -> None:
    rng = np.random.default_rng(8)
    block = box((0, 0, 0), (8, 8, 8))
    lattice = grid.Grid.over(block[0][block[1]], 0)
    cells = rng.integers(12, 24, (400, 3))
    inner = np.stack([lattice.inner[axis][cells[:, axis]] for axis in range(3)], axis=1)
    triangles = near_planes(rng, inner)
    exact = [
        [[Fraction(x) - Fraction(o) for x, o in zip(corner, origin, strict=True)] for corner in triangle]
        for triangle, origin in zip(triangles.tolist(), inner.tolist(), strict=True)
    ]
    volumes = [
        sum(a[i] * (b[(i + 1) % 3] * c[(i + 2) % 3] - b[(i + 2) % 3] * c[(i + 1) % 3]) for i in range(3))
        for a, b, c in exact
    ]
    known = np.array([volume != 0 for volume in volumes])
    assert known.sum() > 200
    signs = np.array([volume > 0 for volume in volumes]) * 2 - 1
    _, flipped = grid.cones(triangles[known], inner[known], lattice.cell)
    assert (flipped == (signs[known] < 0)).all()
    places, item = grid.crossings(lattice, triangles[known])
    upward = np.sign(np.cross(*np.diff(triangles[known], axis=1).transpose(1, 0, 2))[:, 2])
    own = (cells[known][item, :2] == places[:2].T).all(axis=1)
    assert own.sum() > 150
    # The corners seen from the inner point turn as the triangle does, seen from above, where it lies below the point.
    above = np.where(upward * signs[known] < 0, cells[known][:, 2], cells[known][:, 2] + 1)
    assert (places[2] == above[item])[own].all()


def test_inner_points_above_edges_are_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    faces = np.array([[x, y, z] for x in (0, 1) for y in (2, 3) for z in (4, 5)])
    over, attempts = grid.Grid.over, []

    def on_edges(triangles: Array, attempt: int) -> grid.Grid:
        attempts.append(attempt)
        made = over(triangles, attempt)
        x, y, z = made.inner
        # At first, lines run through the tip and along edges; the points themselves lie in no plane.
        return made if attempt else replace(made, inner=(np.round(x * 16) / 16, np.round(y * 16) / 16, z))

    monkeypatch.setattr(grid.Grid, "over", on_edges)
    points = np.random.default_rng(6).uniform(-1, 1, (2000, 3))
    expected = np.abs(points).sum(axis=1) < 1
    assert inside((corners, faces), points) == expected.tolist()
    assert attempts == [0, 1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 15), min_size=3, max_size=3, unique=True), min_size=1, max_size=14))
def test_faces_that_hang_together(faces: list[list[int]]) -> None:
    labels = connected(np.array(faces))
    groups = [{number} for number in range(len(faces))]
    for i, one in enumerate(faces):
        for j, other in enumerate(faces):
            if len({*one} & {*other}) >= 2 and groups[i] is not groups[j]:
                groups[i] |= groups[j]
                for member in groups[j]:
                    groups[member] = groups[i]
    assert [min(group) for group in groups] == labels.tolist()


# ------------------------------------------------------------------------------------------------------- real data


def winding(vertices: Array, faces: Array, points: Array) -> Array:
    """How often a surface goes around points, from solid angles (Van Oosterom and Strackee 1983); float."""
    found = np.empty(len(points))
    for row, point in enumerate(points):
        a, b, c = (vertices[faces[:, corner]] - point for corner in range(3))
        la, lb, lc = (np.linalg.norm(corner, axis=1) for corner in (a, b, c))
        above = np.einsum("ij,ij->i", a, np.cross(b, c))
        below = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        found[row] = np.arctan2(above, below).sum() / (2 * np.pi)
    return found


def test_real_neuropils_agree_with_solid_angles(real: Path) -> None:
    neuropils = read_neuropils(real / "crantb_neuropils")
    made = MeshIndex.build([neuropil.surfaces for neuropil in neuropils])
    rng = np.random.default_rng(5)
    for number, neuropil in enumerate(neuropils):
        vertices, faces = neuropil.vertices, neuropil.faces
        near = vertices[faces[rng.integers(0, len(faces), 12)]].mean(axis=1) + rng.normal(0, 300, (12, 3))
        points = np.concatenate([near, rng.uniform(vertices.min(axis=0), vertices.max(axis=0), (8, 3))])
        around = winding(vertices, faces, points)
        assert (abs(around - around.round()) < 1e-6).all()
        assert made.contains(points).inside(number).tolist() == (around.round() % 2 == 1).tolist(), neuropil.name


def test_real_synapses_lie_in_the_neuropils_that_they_are_known_to(real: Path) -> None:
    names = {
        2: "mushroom_body_medial_calyx_left", 3: "mushroom_body_lateral_calyx_left",
        5: "mushroom_body_medial_calyx_right", 6: "mushroom_body_lateral_calyx_right",
        7: "antennal_lobe_left", 8: "antennal_lobe_right",
    }  # fmt: skip
    with (real / "crantb_synapses_10rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    points = np.array([json.loads(row["ctr_pt_position"]) for row in rows]) * (8, 8, 42)
    neuropils = read_neuropils(real / "crantb_neuropils")
    at, meshes = MeshIndex.build([neuropil.surfaces for neuropil in neuropils]).contains(points).pairs()
    assert at.tolist() == list(range(10))
    assert [neuropils[mesh].name for mesh in meshes] == [names[int(row["expected_label_id"])] for row in rows]
