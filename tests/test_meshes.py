"""Folders of neuropil meshes, the index in the cache, and the sample's meshes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh
from closed import Mesh, box, joined, soup, sphere, torus, turned
from conftest import ROOT, SAMPLE

from crantcli.core.geometry.containment import MeshIndex
from crantcli.errors import DataError, UsageError
from crantcli.sources.datasets import find_dataset
from crantcli.sources.shapes import mesh_index
from crantcli.sources.shapes.mesh_index import open_index
from crantcli.sources.shapes.meshes import read_neuropils

Array = np.ndarray[Any, Any]
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a mesh into the folder of the test."""
    folder = tmp_path / "meshes"
    folder.mkdir()

    def write(name: str, mesh: Mesh) -> Path:
        trimesh.Trimesh(*mesh, process=False).export(folder / name)
        return folder

    return write


# ------------------------------------------------------------------------------------------------------------ reading


def test_formats_and_order(save: Save) -> None:
    mesh = (np.round(torus()[0] * 64), torus()[1])
    for name in ("b.ply", "C.STL", "a.obj"):
        folder = save(name, mesh)
    (folder / "notes.txt").touch()
    (folder / "._b.ply").touch()
    (folder / "more.ply").mkdir()
    found = read_neuropils(folder)
    assert [neuropil.name for neuropil in found] == ["C", "a", "b"]
    for neuropil in found:
        assert neuropil.vertices.dtype == np.float64
        assert neuropil.faces.shape == mesh[1].shape
        assert len(neuropil.vertices) == len(mesh[0])
        corners = np.sort(neuropil.vertices[neuropil.faces].reshape(-1, 9), axis=0)
        assert (corners == np.sort(mesh[0][mesh[1]].reshape(-1, 9), axis=0)).all() or neuropil.name == "C"


def test_vertices_are_welded_and_faces_without_area_dropped(save: Save) -> None:
    vertices, faces = soup(box((0, 0, 0), (8, 8, 8)))
    folder = save("a.ply", (vertices, np.concatenate([faces, [[0, 0, 1], [2, 2, 2]]])))
    found = read_neuropils(folder)[0]
    assert (found.vertices.shape, found.faces.shape) == ((8, 3), (12, 3))


def test_the_digest_is_that_of_the_geometry(save: Save) -> None:
    save("a.ply", box((0, 0, 0), (8, 8, 8)))
    save("b.ply", soup(box((0, 0, 0), (8, 8, 8))))
    save("c.ply", (np.where(box()[0] == 0, -0.0, 8), box()[1]))
    folder = save("d.ply", box((0, 0, 0), (8, 8, 9)))
    a, b, c, d = read_neuropils(folder)
    assert a.digest == b.digest == c.digest != d.digest
    assert len(a.digest) == 64


def test_polygons_and_text(save: Save) -> None:
    folder = save("a.ply", box())
    x, y = 0.1, 123456.789012345
    lines = [f"v {i} {j} {k}" for i in (0, x) for j in (0, y) for k in (0, 1)]
    quads = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
    (folder / "q.obj").write_text("\n".join([*lines, *(f"f {quad}" for quad in quads)]) + "\n")
    found = read_neuropils(folder, ["q"])[0]
    assert len(found.faces) == 12
    assert found.vertices.max(axis=0).tolist() == [x, y, 1]


def test_selecting_and_excluding(save: Save) -> None:
    for name in ("a", "b", "c"):
        folder = save(f"{name}.ply", box())
    assert [n.name for n in read_neuropils(folder, ["c", "a", "c"])] == ["a", "c"]
    assert [n.name for n in read_neuropils(folder, exclude=["b"])] == ["a", "c"]
    assert [n.name for n in read_neuropils(folder, ["a", "b"], ["b"])] == ["a"]
    with pytest.raises(UsageError, match="every mesh that was asked for is excluded"):
        read_neuropils(folder, ["a"], ["a"])


@pytest.mark.parametrize(("option", "given"), [("neuropils", {"names": ["bulb"]}), ("exclude", {"exclude": ["bulb"]})])
def test_unknown_names_are_told_near_ones(save: Save, option: str, given: dict[str, list[str]]) -> None:
    folder = save("bulb_left.ply", box())
    with pytest.raises(DataError, match=f"{option} bulb: there is no such mesh in {folder} .near names: bulb_left"):
        read_neuropils(folder, **given)  # type: ignore[arg-type]


def test_only_what_is_asked_for_has_to_be_sound(save: Save) -> None:
    save("open.ply", (box()[0], box()[1][2:]))
    folder = save("a.ply", box())
    assert [n.name for n in read_neuropils(folder, exclude=["open"])] == ["a"]


UNION = {"all": ("a", "b")}


def test_a_union_of_meshes(save: Save) -> None:
    save("a.ply", box())
    folder = save("b.ply", box((0.5, 0, 0), (2, 1, 1)))
    assert [n.name for n in read_neuropils(folder, unions=UNION)] == ["a", "b"]
    both, b = read_neuropils(folder, ["b", "all"], unions=UNION)
    assert (len(both.surfaces), both.vertices.shape, both.faces.shape, both.faces.max()) == (2, (16, 3), (24, 3), 15)
    assert both.digest != b.digest
    found = MeshIndex.build([both.surfaces, b.surfaces]).contains(
        np.array([[x, 0.5, 0.5] for x in (0.25, 0.75, 1.5, 3)])
    )
    assert found.inside(0).tolist() == [True, True, True, False]
    assert found.inside(1).tolist() == [False, True, True, False]
    for names in (None, ["all"]):
        with pytest.raises(UsageError, match="excluded"):
            read_neuropils(folder, names, ["all"], UNION)


def test_a_mesh_goes_before_a_union_of_its_name(save: Save) -> None:
    save("all.ply", sphere(5))
    folder = save("a.ply", box())
    assert len(read_neuropils(folder, ["all"], unions=UNION)[0].vertices) == len(sphere()[0])
    assert [n.name for n in read_neuropils(folder, exclude=["all"], unions=UNION)] == ["a"]


def test_a_union_of_meshes_that_are_not_all_there(save: Save) -> None:
    folder = save("NOc_r.ply", box())
    with pytest.raises(DataError, match=r"nodulus_right is the union of .*; NOm1_r, NOm2_r, NOs_r is not in"):
        read_neuropils(folder, ["nodulus_right"])


# ------------------------------------------------------------------------------------------------------- what is wrong


def test_folders_without_meshes(tmp_path: Path, save: Save) -> None:
    with pytest.raises(UsageError, match="no mesh in this folder"):
        read_neuropils(tmp_path)
    with pytest.raises(UsageError, match="there is no such folder"):
        read_neuropils(tmp_path / "none")
    with pytest.raises(UsageError, match="is a file; give the folder"):
        read_neuropils(save("a.ply", box()) / "a.ply")


@pytest.mark.parametrize(("one", "other"), [("a.ply", "a.obj"), ("Bulb.ply", "bulb.ply")])
def test_two_files_of_one_name(save: Save, one: str, other: str) -> None:
    save(one, box())
    folder = save(other, box())
    with pytest.raises(DataError, match="are both named") as caught:
        read_neuropils(folder)
    assert one in str(caught.value)
    assert other in str(caught.value)


def test_a_mesh_that_is_not_closed(save: Save) -> None:
    vertices, faces = box((0, 0, 0), (8, 8, 8))
    folder = save("bulb_left.ply", (vertices, faces[1:]))
    message = r"bulb_left.ply: the mesh is not closed: 3 open edges, one at \S+, \S+, \S+ nm; .*exclude=.bulb_left."
    with pytest.raises(DataError, match=message) as caught:
        read_neuropils(folder)
    place = [float(x) for x in str(caught.value).split("one at ")[1].split(" nm")[0].split(", ")]
    assert place in [((vertices[a] + vertices[b]) / 2).tolist() for a, b in ((0, 1), (1, 3), (0, 3))]


def test_meshes_that_enclose_nothing(save: Save) -> None:
    vertices, faces = box()
    folder = save("sheet.ply", (vertices, faces[[0, 0]]))
    with pytest.raises(DataError, match=r'sheet\.ply: the mesh encloses no volume; .*exclude="sheet"'):
        read_neuropils(folder)
    (folder / "sheet.ply").rename(folder / "sheet.txt")
    header = (
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (folder / "empty.ply").write_text(header + "0 0 0\n")
    with pytest.raises(DataError, match=r"empty\.ply: the mesh encloses no volume"):
        read_neuropils(folder)


def test_all_meshes_without_an_inside_are_named_at_once(save: Save) -> None:
    vertices, faces = box()
    for name in ("a", "b", "c", "d", "e"):
        save(f"{name}.ply", (vertices, faces[1:]))
    save("flat.ply", (vertices * (1, 1, 0), faces))
    folder = save("sound.ply", box())
    (folder / "text.obj").write_text("f 1 2 3\n")
    with pytest.raises(DataError) as caught:
        read_neuropils(folder, exclude=["b"])
    assert str(caught.value) == (
        "6 meshes cannot be used: a.ply: the mesh is not closed: 3 open edges, one at 0, 0, 0.5 nm; "
        "c.ply: the mesh is not closed: 3 open edges, one at 0, 0, 0.5 nm; "
        "d.ply: the mesh is not closed: 3 open edges, one at 0, 0, 0.5 nm; and e.ply, flat.ply, text.obj likewise; "
        'repair them, or leave them out with exclude="a,c,d,e,flat,text"'
    )
    with pytest.raises(
        DataError, match=r"^2 meshes cannot be used: flat.ply: the mesh encloses no volume; text.obj, line"
    ):
        read_neuropils(folder, ["text", "sound", "flat"])
    assert [neuropil.name for neuropil in read_neuropils(folder, ["sound"])] == ["sound"]


def test_vertices_that_are_no_numbers(save: Save) -> None:
    vertices, faces = box()
    vertices[2, 1] = np.nan
    with pytest.raises(DataError, match=r"a\.ply: the mesh has a vertex that is not a number below"):
        read_neuropils(save("a.ply", (vertices, faces)))


def test_reading_loads_numpy_late() -> None:
    code = "import sys, crantcli.sources.shapes.meshes as m; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ----------------------------------------------------------------------------------------------------------- the cache

POINTS = np.random.default_rng(2).uniform(-4, 4, (2000, 3))


def _never(*_: Any) -> MeshIndex:
    raise AssertionError("the index was built")


@pytest.fixture
def folder(save: Save) -> Path:
    save("ring.ply", torus())
    return save("ball.ply", turned(joined(sphere(2), sphere(1))))


def test_a_cached_index_gives_the_same_answers(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    neuropils, cache = read_neuropils(folder), tmp_path / "cache"
    built = open_index(neuropils, cache)
    assert built.contains(POINTS).anywhere().any()
    assert len(list(cache.rglob("*"))) == 2  # a folder, a file
    with monkeypatch.context() as patch:
        patch.setattr(MeshIndex, "build", _never)
        loaded = open_index(neuropils, cache)
        assert (loaded.contains(POINTS).words == built.contains(POINTS).words).all()
        assert {name: array.dtype for name, array in loaded.arrays().items()} == {
            name: array.dtype for name, array in built.arrays().items()
        }
        # Other names, equal geometry.
        (folder / "ring.ply").rename(folder / "band.ply")
        open_index(sorted(read_neuropils(folder), key=lambda neuropil: neuropil.digest != neuropils[0].digest), cache)
        for others in (neuropils[:1], neuropils[::-1]):
            with pytest.raises(AssertionError, match="was built"):
                open_index(others, cache)
        patch.setattr(mesh_index, "INDEX_FORMAT", mesh_index.INDEX_FORMAT + 1)
        with pytest.raises(AssertionError, match="was built"):
            open_index(neuropils, cache)


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "other"])
def test_a_damaged_cache_file_is_replaced(
    folder: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    neuropils = read_neuropils(folder)
    expected = open_index(neuropils, tmp_path).contains(POINTS).words
    (path,) = (tmp_path / "meshes").glob("index-*.npz")
    whole = bytearray(path.read_bytes())
    if damage == "other":
        with path.open("wb") as file:
            np.savez(file, codes=np.zeros(3))
    else:
        whole[len(whole) // 2] ^= 4
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "bit": whole}[damage])
    assert (open_index(neuropils, tmp_path).contains(POINTS).words == expected).all()
    monkeypatch.setattr(MeshIndex, "build", _never)
    assert (open_index(neuropils, tmp_path).contains(POINTS).words == expected).all()


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert open_index(read_neuropils(folder), tmp_path / "file").contains(POINTS).anywhere().any()
    assert (tmp_path / "file").read_bytes() == b""


def test_a_write_that_fails_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    open_index(read_neuropils(folder), tmp_path / "cache")
    assert list((tmp_path / "cache" / "meshes").iterdir()) == []


def test_the_cache_is_in_the_users_cache_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "user" / name))
    open_index(read_neuropils(folder))
    assert len(list((tmp_path / "user" / "crantcli" / "meshes").glob("index-*.npz"))) == 1


# ---------------------------------------------------------------------------------------------------- the sample brain

#: Rows of sample_data/README.md.
COUNTS = {
    "ellipsoid_body": 17_240, "fan_shaped_body": 3_589, "protocerebral_bridge": 5_477, "bulb_left": 1_240,
    "bulb_right": 1_027, "nodulus_left": 78, "nodulus_right": 156, "mushroom_body_medial_calyx_left": 1_068,
    "mushroom_body_medial_calyx_right": 880, "mushroom_body_pedunculus_and_lobes_left": 2_035,
    "mushroom_body_pedunculus_and_lobes_right": 2_278, "antennal_lobe_left": 2_410, "antennal_lobe_right": 2_264,
}  # fmt: skip
OUTSIDE = 258


@pytest.mark.parametrize("place", ["ctr", "pre", "post"])
def test_the_samples_synapses_lie_where_its_readme_says(place: str) -> None:
    readme = (SAMPLE / "README.md").read_text()
    for name, rows in COUNTS.items():
        assert f"`{name}` | {rows:,} |" in readme
    assert f"none of them | {OUTSIDE} |" in readme
    dataset = find_dataset(str(SAMPLE / "sample.toml"))
    assert dataset is not None
    assert dataset.meshes is not None
    neuropils = read_neuropils(dataset.meshes)
    table = pq.read_table(SAMPLE / "synapses.parquet")
    points = np.array([table[f"{place}_pt_position_{axis}"].to_numpy() for axis in "xyz"]).T
    found = MeshIndex.build([neuropil.surfaces for neuropil in neuropils]).contains(points)
    assert dict(zip([n.name for n in neuropils], found.counts().tolist(), strict=True)) == COUNTS
    assert int((~found.anywhere()).sum()) == OUTSIDE


def test_the_samples_meshes_are_those_that_the_script_makes(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, 'sample_data'); import brain_meshes, brain_shapes; "
        f"brain_meshes.write_meshes(brain_shapes.SHAPES, pathlib.Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (SAMPLE / "meshes").iterdir()}
    assert made == kept
    assert sum(map(len, kept.values())) < 300_000


def test_the_samples_meshes_wind_outwards() -> None:
    for path in sorted((SAMPLE / "meshes").glob("*.ply")):
        mesh = trimesh.load_mesh(path, process=False)
        assert mesh.is_watertight
        assert mesh.volume > 0
        assert mesh.euler_number == (0 if path.stem == "ellipsoid_body" else 2)


def test_real_meshes_are_read(real: Path) -> None:
    found = read_neuropils(real / "crantb_neuropils")
    assert len(found) == 21
    assert sum(len(neuropil.faces) for neuropil in found) == 110_936
