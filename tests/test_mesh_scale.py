"""Meshes that are not in nm: what shows it, what converts them, and where a conversion would be one too many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trimesh
from boxes import cells, few, mesh_folder
from closed import box
from conftest import Crant
from mesh_sources import legacy, serve
from tables import complaint, record

import crantcli as cc
from crantcli.core.geometry.boxes import Box
from crantcli.sources.shapes.mesh_index import open_index
from crantcli.sources.shapes.meshes import read_neuropils

#: Nanometres per voxel; the boxes of `boxes.py`, whose coordinates are nm, are whole voxels of it.
VOXEL = (2.0, 1.0, 0.5)
SCALE = ("--mesh-scale", "2,1,0.5")
USUAL = ("few.parquet", "--coordinates", "nm", "--no-plot", "--assignments-only", "-o", "out")

#: Where the synapses of `few` lie.
MEMBERS = [(11, "A"), (12, "A"), (12, "C.1"), (13, "B, b"), (14, "other")]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, meshes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synapses, the boxes in nm and in voxels, and synapses that lie far from all of them."""
    monkeypatch.chdir(tmp_path)
    few().to_parquet("few.parquet")
    cells().to_csv("types.csv", index=False)
    (tmp_path / "nm").symlink_to(meshes)
    Path("voxels").mkdir()
    for path in meshes.iterdir():
        mesh = trimesh.load_mesh(path, process=False)
        trimesh.Trimesh(mesh.vertices / VOXEL, mesh.faces, process=False).export(Path("voxels") / path.name)
    far()


def far(*ends: list[float]) -> None:
    """A table of synapses far from all meshes, or elsewhere."""
    places = pd.Series([*(ends or ([200, 2000, 300], [1000, 250, 3000])), None], dtype=object)
    number = range(len(places))
    pd.DataFrame({"id": number, "pre": 1, "post": 2, "ctr_pt_position": places}, index=number).to_parquet("far.parquet")


FAR = ("far.parquet", *USUAL[1:])
APART = "positions have x 200 to 1,000, y 250 to 2,000, z 300 to 3,000 nm"


def assigned() -> list[tuple[int, str]]:
    """Memberships in the folder out."""
    found = pd.read_parquet("out/assignments.parquet")
    return sorted(zip(found["id"].tolist(), found["neuropil"].tolist(), strict=True))


def options() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path("out/manifest.json").read_text())["options"]
    return told


# ---------------------------------------------------------------------------------------------------------- the scale


def test_meshes_in_voxels_become_nm(crant: Crant) -> None:
    assert crant("neuropil", *USUAL, "--meshes", "nm").code == 0
    in_nm, digests = assigned(), json.loads(Path("out/manifest.json").read_text())["inputs"]
    assert in_nm == MEMBERS
    assert "mesh_scale" not in options()
    done = crant("neuropil", *USUAL, "--meshes", "voxels", *SCALE)
    assert done.code == 0, done.err
    assert assigned() == in_nm
    # The same geometry in nm, and how it came about.
    assert json.loads(Path("out/manifest.json").read_text())["inputs"] == digests
    assert options()["mesh_scale"] == [2, 1, 0.5]
    assert record("out/assignments.parquet")["options"]["mesh_scale"] == [2, 1, 0.5]


def test_one_factor_is_for_all_axes(crant: Crant) -> None:
    for one, three in (("3", "3,3,3"), ("0.5", "0.5, 0.5,5e-1")):
        found = []
        for scale in (one, three):
            assert crant("neuropil", *USUAL, "--meshes", "nm", "--mesh-scale", scale).code == 0
            found.append((assigned(), options()["mesh_scale"]))
        assert found[0] == found[1]
        assert found[0][1] == [float(one)] * 3
        assert found[0][0] != MEMBERS


@pytest.mark.parametrize("scale", ["0", "-1", "8,8", "8,8,42,1", "nan", "inf", "8,0,42", "a", "", "8;8;42", "8,,42"])
def test_scales_that_are_none(crant: Crant, scale: str) -> None:
    for words in (("neuropil", *USUAL, "--meshes"), ("meshes", "-o", "out")):
        complaint(crant(*words, "voxels", "--mesh-scale", scale), 2, "--mesh-scale", "8,8,42")
    assert not Path("out").exists()


def test_a_scale_that_leaves_no_mesh(crant: Crant) -> None:
    """Beyond all numbers, or so small that nothing is left of it: the files are named, and nobody is warned."""
    for scale in ("1e300", "1e308", "1e-320"):
        complaint(crant("neuropil", *USUAL, "--meshes", "voxels", "--mesh-scale", scale), 3, "A.ply", "C.1.ply")


def test_the_index_in_the_cache_is_that_of_the_scale(crant: Crant, tmp_path: Path) -> None:
    """Meshes of one folder have an index for each scale, found again by the geometry in nm."""
    plain, scaled = read_neuropils("voxels", ["A"]), read_neuropils("voxels", ["A"], scale=VOXEL)
    assert plain[0].digest != scaled[0].digest == read_neuropils("nm", ["A"])[0].digest
    points = np.array([[7.5, 7.5, 7.5], [7.5, 7.5, 15.5], [3.5, 7.5, 15.5]])
    for _ in range(2):  # built, and from the cache
        assert open_index(plain, tmp_path / "cache").contains(points).anywhere().tolist() == [False, False, True]
        assert open_index(scaled, tmp_path / "cache").contains(points).anywhere().tolist() == [True, False, False]
    assert len(list((tmp_path / "cache" / "meshes").glob("index-*.npz"))) == 2
    for scale, members in ((SCALE, MEMBERS), ((), None), (SCALE, MEMBERS)):
        words = ("neuropil", *USUAL, "--meshes", "voxels", "--cache-dir", tmp_path / "cache", *scale)
        assert crant(*words).code == 0
        assert (assigned() == members) == bool(members)


def test_meshes_writes_them_in_nm(crant: Crant) -> None:
    done = crant("meshes", "voxels", *SCALE, "-o", "made")
    assert done.code == 0, done.err
    assert json.loads(Path("made/manifest.json").read_text())["options"]["mesh_scale"] == [2, 1, 0.5]
    assert crant("neuropil", *USUAL, "--meshes", "made").code == 0
    assert [number for number, _ in assigned()] == [number for number, _ in MEMBERS]
    # They say so, and are not multiplied again.
    for words in (("neuropil", *USUAL, "--meshes", "made"), ("meshes", "made", "-o", "again")):
        complaint(crant(*words, *SCALE), 2, "A.ply", "in nm", "--mesh-scale")


def test_precomputed_sources_have_a_transform(crant: Crant, tmp_path: Path) -> None:
    legacy(tmp_path / "source", {1: box((0, 0, 0), (8, 8, 8))})
    Path("brain.toml").write_text('[neuropils]\nsource = "source"\n')
    with serve(tmp_path / "source") as site:
        for place in (("--meshes", "source"), ("--meshes", site.address), ("-d", "brain.toml")):
            complaint(crant("neuropil", *USUAL, *place, *SCALE), 2, "--mesh-scale", "transform")
        assert site.requests == []
    complaint(crant("meshes", "source", "-o", "out", *SCALE), 2, "--mesh-scale", "transform")
    assert crant("neuropil", *USUAL, "--meshes", "source").code == 0


def test_the_folder_of_a_data_set_may_be_scaled_and_locked_meshes_may_not(crant: Crant) -> None:
    Path("brain.toml").write_text('[files]\nmeshes = "voxels"\n')
    words = ("neuropil", *USUAL, "-d", "brain.toml")
    assert crant(*words, *SCALE).code == 0
    assert assigned() == MEMBERS
    assert crant("lock", "-d", "brain.toml", "-o", "crant.lock").code == 0
    complaint(crant(*words, "--lock", "crant.lock", *SCALE), 2, "--mesh-scale", "--lock crant.lock", "in nm")
    # Meshes on the command line are not the lock's business.
    assert crant(*words, "--lock", "crant.lock", *SCALE, "--meshes", "voxels").code == 0
    assert assigned() == MEMBERS


@pytest.mark.parametrize("scale", [VOXEL, [2, 1, "0.5"], "2,1,0.5", np.array(VOXEL)], ids=str)
def test_from_python(scale: Any) -> None:
    for kind in (cc.NestedMatrix, cc.DirectedNestedMatrix):
        with pytest.warns(cc.CrantWarning, match="no position"):
            found = kind.from_synapses_by_neuropil(
                "few.parquet", "types.csv", meshes="voxels", mesh_scale=scale, weight_mode="count"
            )
        assert found.summary["synapses"].to_dict() == {
            "A": 2, "B, b": 1, "C.1": 1, "d'or": 0, "empty": 0, "other": 1,
        }  # fmt: skip


def test_from_python_wrong(tmp_path: Path) -> None:
    legacy(tmp_path / "source", {1: box((0, 0, 0), (8, 8, 8))})
    build = cc.NestedMatrix.from_synapses_by_neuropil
    for meshes, scale in (
        ("voxels", 0),
        ("voxels", (8, 8)),
        ("voxels", True and "x"),
        ("source", 8),
        ("source", VOXEL),
    ):
        with pytest.raises(cc.UsageError, match="mesh_scale"):
            build("few.parquet", "types.csv", meshes=meshes, mesh_scale=scale)
    with pytest.raises(cc.DataError, match="no position lies in the box of any mesh"):
        build("few.parquet", "types.csv", meshes="voxels", mesh_scale=1e-6)


# ---------------------------------------------------------------------------------------------------------- the boxes


def test_positions_beyond_all_meshes_stop_the_command(crant: Crant) -> None:
    told = complaint(crant("neuropil", *FAR, "--meshes", "nm"), 3, APART, "are the units right?", "--mesh-scale")
    assert "and meshes x 0 to 108, y 0 to 108, z 0 to 108 nm (as the files are taken to be)" in told
    assert not Path("out").exists()
    words = (*FAR, "--meshes", "nm", "--mesh-scale", "0.1")
    told = complaint(crant("neuropil", *words), 3, APART, "--coordinates")
    assert "z 0 to 10.8 nm (as --mesh-scale makes them)" in told


def test_the_voxel_size_tells_what_would_help(crant: Crant, tmp_path: Path) -> None:
    words = ("--meshes", "nm", "--voxel-size", "10,20,30")
    told = complaint(crant("neuropil", *FAR, *words), 3, APART)
    assert told.endswith("meshes in voxels would be where the positions are: --mesh-scale 10,20,30")
    told = complaint(crant("neuropil", *FAR, *words, "--mesh-scale", "0.1"), 3, APART)
    assert told.endswith("--mesh-scale says how many nm a unit of the meshes is, --coordinates what positions are in")
    pixels = ("far.parquet", "--coordinates", "pixels", *USUAL[3:], *words)
    told = complaint(crant("neuropil", *pixels), 3, "x 2,000 to 10,000, y 5,000 to 40,000, z 9,000 to 90,000 nm")
    assert "(voxels of 10 x 20 x 30 nm), and meshes x 0 to 108" in told
    mesh_folder(tmp_path / "some", ["empty"])  # from 100 to 108
    far([10.5, 5.25, 3.5])
    told = complaint(crant("neuropil", *FAR, "--meshes", "some", *words[2:]), 3)
    assert told.endswith("positions in voxels would be where the meshes are: --coordinates pixels")


def test_a_mesh_that_was_not_chosen_counts(crant: Crant) -> None:
    """Synapses that lie in other regions are no sign of wrong units."""
    for choice in (("--neuropils", "empty"), ("--exclude", "A,C.1,d'or"), ("--neuropils", "empty", "--exclude", "A")):
        done = crant("neuropil", *USUAL, "--meshes", "nm", *choice)
        assert done.code == 0, done.err
        assert {name for _, name in assigned()} <= {"other", "B, b"}


def test_meshes_that_were_not_chosen_need_not_be_sound(crant: Crant, tmp_path: Path) -> None:
    mesh_folder(tmp_path / "some", ["empty"])
    (tmp_path / "some" / "damaged.obj").write_text("v 1 2\n")
    words = ("neuropil", *USUAL, "--meshes", "some", "--neuropils", "empty")
    complaint(crant(*words), 3, "no position lies in the box of any mesh")
    vertices, faces = box((0, 0, 0), (8, 8, 8))
    trimesh.Trimesh(vertices, faces[1:], process=False).export(tmp_path / "some" / "open.ply")
    assert crant(*words).code == 0


def test_the_side_of_a_box_is_in_it(crant: Crant, tmp_path: Path) -> None:
    mesh_folder(tmp_path / "some", ["empty"])  # from 100 to 108
    for place, code in (([108, 100, 104], 0), ([108, 100, 108.001], 3), ([108, 99.999, 104], 3)):
        few(ctr_pt_position=pd.Series([place, None, None, None, [1, 1, 1]], dtype=object)).to_parquet("few.parquet")
        assert crant("neuropil", *USUAL, "--meshes", "some").code == code


@pytest.mark.parametrize("place", [None, [np.inf, 1e6, 1e6], [np.nan, 1e6, 1e6]], ids=str)
def test_tables_without_any_position_are_not_beyond(crant: Crant, place: Any) -> None:
    table = few().drop(columns="ctr_pt_position")
    table[[f"ctr_pt_position_{axis}" for axis in "xyz"]] = np.array([place or [np.nan] * 3] * 5)
    for rows in (5, 0):
        table.head(rows).to_parquet("few.parquet")
        done = crant("neuropil", *USUAL, "--meshes", "nm")
        assert done.code == 0, done.err
        assert {name for _, name in assigned()} <= {"other"}


def test_positions_beyond_a_precomputed_source(crant: Crant, tmp_path: Path) -> None:
    """Its other meshes are read, from a server too; none of its fragments need be sound."""
    here, there, beyond = ((box((n, n, n), (n + 8, n + 8, n + 8))) for n in (0, 50, 5000))
    legacy(tmp_path / "source", {1: here, 2: there, 3: beyond})
    words = ("neuropil", *USUAL, "--neuropils", "3", "--meshes")
    with serve(tmp_path / "source") as site:
        Path("brain.toml").write_text(
            f'[neuropils]\nsource = "{site.address}"\nlabels = {{ 1 = "1", 2 = "2", 3 = "3" }}\n'
        )
        assert crant("neuropil", *USUAL, "--neuropils", "3", "-d", "brain.toml").code == 0
    assert crant(*words, "source").code == 0
    (tmp_path / "source" / "2:0:0").unlink()
    assert crant(*words, "source").code == 0
    (tmp_path / "source" / "1:0:0").unlink()
    told = complaint(crant(*words, "source"), 3, "no position lies in the box of any mesh", "transform")
    assert "meshes x 5,000 to 5,008" in told


def test_boxes() -> None:
    one, other = Box((0, 0, 0), (1, 2, 3)), Box((1, 2, 3), (4, 5, 6.25))
    assert Box.around([one, other]) == Box((0, 0, 0), (4, 5, 6.25))
    assert one.meets(other)
    assert other.meets(one)
    assert not one.meets(Box((1.5, 0, 0), (2, 2, 2)))
    assert other.scaled((8, 8, 42)) == Box((8, 16, 126), (32, 40, 262.5))
    assert str(other) == "x 1 to 4, y 2 to 5, z 3 to 6.25"
    assert Box.of(np.array([[1.0, 5, 3], [4, 2, 9]])) == Box((1, 2, 3), (4, 5, 9))
    assert Box.of(np.zeros((0, 3))) is None
    assert Box.of(np.array([[1.0, np.nan, 3]])) is None
