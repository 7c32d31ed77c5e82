"""Meshes from precomputed sources: each form of them, from folders and through real HTTP; whole meshes or an error."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import Crant, Outcome
from mesh_sources import MURMUR, TRANSFORM, Levels, Site, grid_box, legacy, moved, serve
from tables import parquet_file

from crantcli.core.addresses import MeshAddress
from crantcli.core.geometry.solids import Surface, weld
from crantcli.core.geometry.soundness import fault
from crantcli.errors import CrantError, DataError, IncompleteError
from crantcli.remote import retry
from crantcli.remote.settings import LiveOptions
from crantcli.sources.datasets import find_dataset
from crantcli.sources.shapes import mesh_cache as live_meshes
from crantcli.sources.shapes.meshes import NeuropilMesh, read_neuropils
from crantcli.sources.shapes.sharded import murmurhash3_x86_128_low

#: Two boxes that do not touch, cut into several parts, by ID.
BOXES = {1: grid_box((0, 0, 0), (8, 6, 4)), 21: grid_box((20, 3, 1), (23, 9, 6))}
NAMES = ((1, "left"), (21, "right"))

SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 0, "hash": "murmurhash3_x86_128", "minishard_bits": 0,
    "shard_bits": 0, "minishard_index_encoding": "gzip", "data_encoding": "raw",
}  # fmt: skip

FORMS: dict[str, Any] = {
    "legacy": "legacy",
    "a file per mesh": None,
    "sharded": {},
    "identity": {"hash": "identity"},
    "raw index, zipped data": {"minishard_index_encoding": "raw", "data_encoding": "gzip"},
    "many shards": {"minishard_bits": 2, "shard_bits": 5},
    "minishards": {"hash": "identity", "minishard_bits": 1, "preshift_bits": 2},
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between attempts."""
    monkeypatch.setattr(retry, "sleep", lambda _: None)


def write(form: str, folder: Path) -> MeshAddress:
    """A source of the two boxes, as a data set would name it."""
    made = FORMS[form]
    if made == "legacy":
        legacy(folder, BOXES)
        return MeshAddress(str(folder), TRANSFORM, NAMES)
    Levels(BOXES, sharding=None if made is None else SHARDING | made).write(folder)
    return MeshAddress(str(folder), None, NAMES)


def read_source(
    source: MeshAddress, choose: Any, cache_dir: Path | None = None, refresh: bool = False, timeout: float = 30
) -> dict[str, Surface]:
    """Surfaces in nm, closed or not."""
    live = LiveOptions(cache_dir=cache_dir, refresh=refresh, retries=2, timeout=timeout)
    return live_meshes.read_source(source, choose, dict, live)


def everything(known: Any) -> list[str]:
    return list(known)


def check(found: dict[str, Surface], tolerance: float) -> None:
    """Both boxes in nm, closed, with as many vertices and faces as they were made with."""
    assert set(found) == {"left", "right"}
    for (key, _), surface in zip(NAMES, (found["left"], found["right"]), strict=True):
        expected = weld(Surface(*moved(BOXES[key])))
        assert fault(surface) is None
        assert (surface.vertices.shape, surface.faces.shape) == (expected.vertices.shape, expected.faces.shape)
        distances = np.abs(surface.vertices[:, None] - expected.vertices[None]).max(axis=2)
        nearest = distances.argmin(axis=1)
        assert distances.min(axis=1).max() <= tolerance
        ours = {tuple(sorted(nearest[face])) for face in surface.faces}
        assert ours == {tuple(sorted(face)) for face in expected.faces}


#: Half a step of the quantisation of parts of 4 units of 840 nm, to 10 bits.
STEP = 4 * 840 / 1023 / 2 + 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_every_form_from_a_folder(tmp_path: Path, form: str) -> None:
    check(read_source(write(form, tmp_path / "source"), everything), 1e-6 if form == "legacy" else STEP)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_from_a_server(tmp_path: Path, form: str, ranges: bool) -> None:
    local = write(form, tmp_path / "pub" / "deep" / "source")
    with serve(tmp_path / "pub", ranges=ranges) as site:
        remote = MeshAddress(f"precomputed://{site.address}/deep/source/", local.transform, NAMES)
        found = read_source(remote, everything, tmp_path / "cache")
    for name, surface in read_source(local, everything).items():
        assert np.array_equal(surface.vertices, found[name].vertices)
        assert np.array_equal(surface.faces, found[name].faces)


def test_sixteen_bits_and_parts_of_other_shapes(tmp_path: Path) -> None:
    Levels(BOXES, (8, 2, 1), 16).write(tmp_path)
    check(read_source(MeshAddress(str(tmp_path), labels=NAMES), everything), 8 * 840 / 65535 / 2 + 1e-6)


def test_hashes_are_those_of_the_format() -> None:
    assert {key: murmurhash3_x86_128_low(key) for key in MURMUR} == MURMUR


# What a source says, and what the user says


def test_a_transform_of_the_user_goes_before_that_of_the_source(tmp_path: Path) -> None:
    Levels(BOXES, transform=(1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0)).write(tmp_path)
    check(read_source(MeshAddress(str(tmp_path), TRANSFORM, NAMES), everything), STEP)
    plain = read_source(MeshAddress(str(tmp_path), None, NAMES), everything)
    assert plain["left"].vertices.max() <= 8.01


def properties(folder: Path, ids: list[str], names: list[str]) -> None:
    folder.mkdir(parents=True)
    inline = {"ids": ids, "properties": [{"id": "label", "type": "label", "values": names}]}
    (folder / "info").write_text(json.dumps({"@type": "neuroglancer_segment_properties", "inline": inline}))


def amend(path: Path, **more: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


@pytest.mark.parametrize("volume", [True, False])
@pytest.mark.parametrize("remote", [True, False])
def test_names_from_the_source(tmp_path: Path, volume: bool, remote: bool) -> None:
    """They stand beside the meshes or, where a volume has the meshes, beside its metadata."""
    folder = tmp_path / "pub" / "brain"
    where = folder / "some" / "mesh" if volume else folder
    Levels(BOXES, sharding=SHARDING).write(where)
    properties(folder / "names", ["21", "1"], ["right", "left"])
    if volume:
        info = {"type": "segmentation", "mesh": "some/mesh", "scales": [], "segment_properties": "names"}
        (folder / "info").write_text(json.dumps(info))
    else:
        amend(folder / "info", segment_properties="names")
    with serve(tmp_path / "pub") as site:
        address = f"{site.address}/brain|neuroglancer-precomputed:" if remote else str(folder)
        check(read_source(MeshAddress(address), everything, tmp_path / "cache"), STEP)


def test_labels_of_the_user_go_before_those_of_the_source(tmp_path: Path) -> None:
    Levels(BOXES).write(tmp_path / "a")
    properties(tmp_path / "a" / "names", ["1", "21"], ["right", "left"])
    amend(tmp_path / "a" / "info", segment_properties="names")
    check(read_source(MeshAddress(str(tmp_path / "a"), None, NAMES), everything), STEP)


@pytest.mark.parametrize("form", FORMS)
def test_meshes_without_names_are_called_by_their_number(tmp_path: Path, form: str) -> None:
    source = write(form, tmp_path)
    assert set(read_source(MeshAddress(str(tmp_path), source.transform), everything)) == {"1", "21"}


def test_an_old_volume_whose_meshes_have_no_metadata(tmp_path: Path) -> None:
    legacy(tmp_path / "mesh", BOXES, info=False)
    (tmp_path / "info").write_text(json.dumps({"@type": "neuroglancer_multiscale_volume", "mesh": "mesh"}))
    check(read_source(MeshAddress(str(tmp_path), TRANSFORM, NAMES), everything), 1e-6)


def test_fragments_without_metadata_where_the_user_names_the_meshes(tmp_path: Path) -> None:
    legacy(tmp_path, BOXES, info=False)
    check(read_source(MeshAddress(str(tmp_path), TRANSFORM, NAMES), everything), 1e-6)
    with pytest.raises(DataError, match="no file info"):
        read_source(MeshAddress(str(tmp_path)), everything)


# Damage: an error, never part of a mesh


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[:-5])
    elif how == "cut at a face":
        path.write_bytes(data[:-12])
    elif how == "grown":
        path.write_bytes(data + bytes(16))
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(b"\xff" * len(data))


WAYS = ("gone", "cut", "empty", "noise")


def damaged_read(source: MeshAddress, folder: Path, said: str | None = None) -> None:
    """Reading through `read_neuropils` fails from a folder, and from a server."""
    with pytest.raises(CrantError, match=said) as caught:
        read_neuropils(source)
    assert isinstance(caught.value, DataError)
    with serve(folder) as site:
        remote = MeshAddress(site.address, source.transform, source.labels)
        with pytest.raises(CrantError) as caught:
            read_neuropils(remote, live=LiveOptions(cache_dir=folder.parent / "cache"))
    assert isinstance(caught.value, IncompleteError | DataError)
    kept = [path for path in (folder.parent / "cache").rglob("*.npz") if path.stat().st_size > 5000]
    assert not kept, "a broken mesh is kept"


@pytest.mark.parametrize("how", [*WAYS, "cut at a face"])
@pytest.mark.parametrize("name", ["21:0", "21:0:1"])
def test_damaged_manifests_and_fragments(tmp_path: Path, name: str, how: str) -> None:
    source = write("legacy", tmp_path / "source")
    damage(tmp_path / "source" / name, how)
    damaged_read(source, tmp_path / "source")


@pytest.mark.parametrize(("name", "how"), [*itertools.product(["21", "21.index"], WAYS), ("21.index", "grown")])
def test_damaged_levels(tmp_path: Path, name: str, how: str) -> None:
    source = write("a file per mesh", tmp_path / "source")
    if (name, how) == ("21", "cut"):  # what is cut is the coarser level, which nobody needs
        (tmp_path / "source" / name).write_bytes((tmp_path / "source" / name).read_bytes()[:200])
    else:
        damage(tmp_path / "source" / name, how)
    said = {"21.index": "manifest of the mesh 21" if how != "gone" else "no mesh", "21": "parts? of the mesh 21"}[name]
    damaged_read(source, tmp_path / "source", "missing or cut" if (name, how) == ("21", "cut") else said)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("form", ["sharded", "raw index, zipped data"])
def test_damaged_shards(tmp_path: Path, form: str, how: str) -> None:
    source = write(form, tmp_path / "source")
    damage(tmp_path / "source" / "0.shard", how)
    damaged_read(source, tmp_path / "source", "it is cut" if how == "cut" else None)


@pytest.mark.parametrize(
    ("name", "what"), [("21:0", {"fragments": ["../21:0:0"]}), ("21:0", {"fragments": ["/etc/hostname"]}),
                       ("21:0", {"fragments": "21:0:0"}), ("21:0", {})]
)  # fmt: skip
def test_manifests_that_lead_elsewhere(tmp_path: Path, name: str, what: Any) -> None:
    source = write("legacy", tmp_path)
    (tmp_path / name).write_text(json.dumps(what))
    with pytest.raises(DataError, match="does not list fragments"):
        read_source(source, everything)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"@type": "neuroglancer_skeletons"}, "neuroglancer_skeletons"),
        ({"vertex_quantization_bits": 99}, "quantization"),
        ({"vertex_quantization_bits": 8}, "not of 8 bits"),
        ({"transform": [1, 2, 3]}, "12 numbers"),
        ({"sharding": {"@type": "of another kind"}}, "sharding"),
        ({"sharding": SHARDING | {"hash": "md5"}}, "sharding"),
    ],
)
def test_metadata_that_cannot_be(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    source = write("a file per mesh", tmp_path)
    amend(tmp_path / "info", **more)
    with pytest.raises(DataError, match=said):
        read_source(source, everything)


def test_a_mesh_that_is_not_closed_is_named(tmp_path: Path) -> None:
    vertices, faces = BOXES[21]
    legacy(tmp_path, {**BOXES, 21: (vertices, faces[:-1])})
    with pytest.raises(DataError, match="right: the mesh is not closed"):
        read_neuropils(MeshAddress(str(tmp_path), TRANSFORM, NAMES))


def test_a_label_without_a_mesh_and_two_meshes_of_one_name(tmp_path: Path) -> None:
    write("sharded", tmp_path)
    with pytest.raises(DataError, match="no mesh with the ID 5"):
        read_source(MeshAddress(str(tmp_path), None, (*NAMES, (5, "third"))), everything)
    with pytest.raises(DataError, match="1 and 21 are both named Left"):
        read_source(MeshAddress(str(tmp_path), None, ((1, "left"), (21, "Left"))), everything)


# Servers


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    write("a file per mesh", tmp_path / "pub")
    with serve(tmp_path / "pub") as made:
        yield made


@pytest.mark.parametrize(
    ("behaviour", "kind", "said"),
    [
        (503, IncompleteError, "3 times"), ("cut", IncompleteError, "3 times"), ("stall", IncompleteError, "in time"),
        (404, IncompleteError, "parts of the mesh 21 are missing"), (410, IncompleteError, "any more"),
        (408, IncompleteError, "answers 408, 3 times"), ("page", IncompleteError, "a web page came in place of data"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_come(site: Site, tmp_path: Path, behaviour: Any, kind: type, said: str) -> None:
    site.broken["21"] = behaviour
    timeout = 0.3 if behaviour == "stall" else 30
    with pytest.raises(kind, match=said):
        read_source(MeshAddress(site.address, None, NAMES), everything, tmp_path / "cache", timeout=timeout)


def test_how_often_a_server_is_asked_is_up_to_the_user(site: Site, crant: Crant) -> None:
    site.broken["info"] = 503
    refused(crant("meshes", site.address, "-o", "out", "--retries", "1"), 6, "answers 503, 2 times")


@pytest.mark.parametrize("name", ["info", "1.index", "21"])
def test_a_web_page_in_place_of_a_file_is_named(site: Site, tmp_path: Path, crant: Crant, name: str) -> None:
    (tmp_path / "m.toml").write_text(f'[neuropils]\nsource = "{site.address}"\nlabels = {{ 1 = "a", 21 = "b" }}\n')
    site.broken[name] = "page"
    done = crant("meshes", "-d", "m.toml", "-o", "out", "--retries", "1")
    refused(done, 6, f"/{name}: a web page came in place of data, as a proxy or a login sends it, 2 times")
    assert not (tmp_path / "out").exists()


def test_a_server_may_send_us_on_but_not_to_where_data_can_be_changed(site: Site, tmp_path: Path, crant: Crant) -> None:
    with serve(tmp_path / "pub") as other:
        site.broken["21"] = f"{other.address}/21"
        check(read_source(MeshAddress(site.address, None, NAMES), everything, tmp_path / "one"), STEP)
        assert other.requests == ["21"]
    for there, said in (
        ("http://meshes.example/21", "sends us to http://meshes.example/21, which is no https address"),
        ("http://[meshes/21", "sends us to what is no address"),
    ):
        site.broken["info"] = there
        refused(crant("meshes", site.address, "-o", "out"), 1, said)
    site.broken["info"] = f"{site.address}/info"
    refused(crant("meshes", site.address, "-o", "out"), 1, "sends us on and on")


def test_metadata_that_nobody_would_write(site: Site, crant: Crant) -> None:
    (site.folder / "info").write_text('{"a":' * 5000)
    refused(crant("meshes", site.address, "-o", "out"), 6, "info is damaged, or something else than JSON")


def test_a_file_that_may_not_be_read(site: Site, crant: Crant) -> None:
    site.broken["info"] = 403
    done = crant("meshes", site.address, "-o", "out")
    assert done.code == 5


def test_a_source_that_does_not_name_its_meshes(site: Site, crant: Crant) -> None:
    done = crant("meshes", site.address, "-o", "out")
    assert done.code == 3
    assert "name them in labels" in done.err


@pytest.mark.parametrize("address", ["http://meshes.example/a", "ftp://meshes.example/a", "https://"])
def test_addresses_that_are_not_read(crant: Crant, address: str) -> None:
    done = crant("meshes", address, "-o", "out")
    assert done.code == 2
    assert "https" in done.err


def test_what_was_fetched_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    source, cache = MeshAddress(site.address, None, NAMES), tmp_path / "cache"
    first = read_source(source, everything, cache)
    asked = len(site.requests)
    again = read_source(source, everything, cache)
    assert len(site.requests) == asked
    assert all(np.array_equal(first[name].vertices, again[name].vertices) for name in first)
    moved_elsewhere = read_source(MeshAddress(site.address, (1.0, 0, 0, 0) * 3, NAMES), everything, cache)
    assert len(site.requests) == asked
    assert not np.array_equal(first["left"].vertices, moved_elsewhere["left"].vertices)
    read_source(source, everything, cache, refresh=True)
    assert len(site.requests) == 2 * asked
    read_source(source, lambda _: ["left"], cache)
    assert len(site.requests) == 2 * asked + 2


def test_the_cache_is_where_the_variable_says(
    site: Site, tmp_path: Path, crant: Crant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of meshes, and that of the index over them."""
    monkeypatch.setenv("CRANTCLI_CACHE_DIR", str(tmp_path / "mine"))
    synapses(tmp_path)
    assigned(crant, tmp_path, "-d", brain(MeshAddress(site.address, None, NAMES), tmp_path))
    kept = [path.name.partition("-")[0] for path in (tmp_path / "mine" / "meshes").iterdir()]
    assert sorted(kept) == ["index", "source", "source"]


def test_a_cache_that_cannot_be_written_is_done_without(
    site: Site, tmp_path: Path, crant: Crant, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CRANTCLI_CACHE_DIR", str(tmp_path / "file"))
    synapses(tmp_path)
    toml = brain(MeshAddress(site.address, None, NAMES), tmp_path)
    assert assigned(crant, tmp_path, "-d", toml) == [(1, "left"), (2, "right"), (3, "other")]


def test_a_damaged_cache_is_fetched_again(site: Site, tmp_path: Path) -> None:
    source, cache = MeshAddress(site.address, None, NAMES), tmp_path / "cache"
    first = read_source(source, everything, cache)
    asked = len(site.requests)
    for path in cache.rglob("*.npz"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    again = read_source(source, everything, cache)
    assert len(site.requests) > asked
    assert np.array_equal(first["right"].vertices, again["right"].vertices)


def test_changed_meshes_come_with_refresh(site: Site, tmp_path: Path, crant: Crant) -> None:
    toml = brain(MeshAddress(site.address, None, NAMES), tmp_path)
    assert crant("meshes", "-d", toml, "-o", "a").code == 0
    Levels({1: BOXES[21], 21: BOXES[1]}).write(site.folder)
    for folder, more, same in (("b", [], True), ("c", ["--refresh"], False)):
        done = crant("meshes", "-d", toml, "-o", folder, *more)
        assert done.code == 0, done.err
        assert site.address in done.err
        assert ((tmp_path / "a" / "left.ply").read_bytes() == (tmp_path / folder / "left.ply").read_bytes()) is same


# Commands


def brain(source: MeshAddress, folder: Path) -> Path:
    """A data set with neuropils from a source."""
    labels = ", ".join(f'{key} = "{name}"' for key, name in source.labels or ())
    lines = ["[neuropils]", f'source = "{source.address}"']
    lines += [f"transform = {list(source.transform)}"] if source.transform else []
    lines += [f"labels = {{ {labels} }}"] if labels else []
    path = folder / "brain.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def synapses(folder: Path) -> None:
    """One in each box, one in none."""
    inside = [moved((np.array([point]), BOXES[1][1]))[0][0] for point in ([4, 3, 2], [21, 5, 3], [15, 3, 2])]
    places = {f"ctr_pt_position_{axis}": [point[n] for point in inside] for n, axis in enumerate("xyz")}
    ids = {"id": [1, 2, 3], "pre_pt_root_id": [10, 10, 11], "post_pt_root_id": [20, 21, 20]}
    parquet_file(str(folder / "synapses.parquet"), **ids, **places)


def assigned(crant: Crant, folder: Path, *options: object) -> list[tuple[int, str]]:
    """Which synapse lies where, as `neuropil` says."""
    shutil.rmtree(folder / "assigned", ignore_errors=True)
    done = crant(
        "neuropil", "synapses.parquet", "--coordinates", "nm", "--assignments-only", "--no-plot", "-o", "assigned",
        *options,
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = pq.read_table(folder / "assigned" / "assignments.parquet").to_pylist()
    return sorted((row["id"], row["neuropil"]) for row in rows)


@pytest.mark.parametrize("form", ["legacy", "sharded"])
def test_neuropil_reads_the_data_sets_source(crant: Crant, tmp_path: Path, form: str) -> None:
    toml = brain(write(form, tmp_path / "source"), tmp_path)
    synapses(tmp_path)
    expected = [(1, "left"), (2, "right"), (3, "other")]
    assert assigned(crant, tmp_path, "-d", toml) == expected
    inputs = json.loads((tmp_path / "assigned" / "manifest.json").read_text())["inputs"]
    assert {record["name"] for record in inputs} == {"synapses.parquet", "left", "right"}
    assert assigned(crant, tmp_path, "-d", toml, "--exclude", "left") == [(1, "other"), (2, "right"), (3, "other")]


def test_neuropil_reads_an_address(crant: Crant, tmp_path: Path) -> None:
    write("sharded", tmp_path / "pub")
    synapses(tmp_path)
    with serve(tmp_path / "pub") as site:
        assert assigned(crant, tmp_path, "--meshes", site.address) == [(1, "1"), (2, "21"), (3, "other")]
        inputs = json.loads((tmp_path / "assigned" / "manifest.json").read_text())["inputs"]
        assert {record.get("source") for record in inputs} == {None, site.address}


def test_meshes_written_are_the_meshes_read(crant: Crant, tmp_path: Path) -> None:
    """PLY in doubles: another command that reads them has the same geometry, down to its hash."""
    toml = brain(write("sharded", tmp_path / "source"), tmp_path)
    done = crant("meshes", "-d", toml, "-o", "out", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["meshes"] == ["left", "right"]
    found = find_dataset(str(toml))
    assert found is not None
    assert found.mesh_source is not None

    def digests(neuropils: list[NeuropilMesh]) -> dict[str, str]:
        return {neuropil.name: neuropil.digest for neuropil in neuropils}

    assert digests(read_neuropils(tmp_path / "out")) == digests(read_neuropils(found.mesh_source))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["files"] == ["left.ply", "right.ply"]
    assert (manifest["command"], manifest["options"]) == ("meshes", {"units": "nm"})
    assert manifest["inputs"] == [
        {"name": name, "sha256": value} for name, value in digests(read_neuropils(tmp_path / "out")).items()
    ]
    assert crant("meshes", "out", "-o", "again", "--exclude", "right").code == 0
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["left.ply", "manifest.json"]
    assert (tmp_path / "again" / "left.ply").read_bytes() == (tmp_path / "out" / "left.ply").read_bytes()


def refused(outcome: Outcome, code: int, said: str) -> None:
    assert outcome.code == code, outcome.err
    assert said in outcome.err
    assert outcome.err.count("\n") == 1


def test_meshes_refuses_what_it_cannot_do(crant: Crant, tmp_path: Path) -> None:
    toml = brain(write("sharded", tmp_path / "source"), tmp_path)
    refused(crant("meshes", "-d", toml), 2, "--output FOLDER")
    refused(crant("meshes", "-o", "out"), 2, "no meshes")
    refused(crant("meshes", "-d", toml, "-o", "out", "--neuropils", "lft"), 3, "left")
    refused(crant("meshes", "-d", toml, "-o", "source"), 2, "not empty")
    refused(crant("meshes", "nowhere", "-o", "out"), 2, "no such folder")
    assert crant("meshes", "-d", toml, "-o", "out").code == 0
    refused(crant("meshes", "out", "-o", "out"), 2, "an input")
    assert not (tmp_path / "nowhere").exists()


def test_a_union_is_written_as_its_members(crant: Crant, tmp_path: Path) -> None:
    """Which are the union again for who reads the folder."""
    names = ["NOc_r", "NOm1_r", "NOm2_r", "NOs_r"]
    boxes = {n: grid_box((10 * n, 0, 0), (10 * n + 3, 3, 3)) for n in range(4)}
    legacy(tmp_path / "source", boxes)
    toml = brain(MeshAddress(str(tmp_path / "source"), TRANSFORM, tuple(enumerate(names))), tmp_path)
    assert crant("meshes", "-d", toml, "-o", "out", "--neuropils", "nodulus_right").code == 0
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.ply")) == names
    (union,) = read_neuropils(tmp_path / "out", ["nodulus_right"])
    assert len(union.surfaces) == 4


@pytest.mark.parametrize(
    "section",
    ['source = 3', 'transform = [1]', 'source = "a"\ntransform = [1, 2]', 'source = "a"\nlabels = { x = "y" }',
     'source = "a"\nlabels = ["y"]', 'source = "a"\nlabels = { 1 = 2 }'],
)  # fmt: skip
def test_a_broken_description_is_an_error(crant: Crant, tmp_path: Path, section: str) -> None:
    (tmp_path / "brain.toml").write_text(f"[neuropils]\n{section}\n")
    refused(crant("meshes", "-d", "brain.toml", "-o", "out"), 3, "neuropils.")


def test_crantb_has_its_meshes() -> None:
    found = find_dataset("crantb")
    assert found is not None
    assert found.mesh_source is not None
    assert "6d007140ff8b15dd20b4110b8c22b556e76c6f14" in found.mesh_source.address
    labels = dict(found.mesh_source.labels or ())
    assert list(labels) == list(range(1, 37))
    told = {6: "mushroom_body_lateral_calyx_right", 20: "pb_glomerulus_L8", 24: "pb_glomerulus_R5", 36: "NOs_r"}
    assert {key: labels[key] for key in told} == told


# Real meshes


@pytest.fixture(scope="module")
def crantb(real: Path) -> MeshAddress:
    """The published meshes, whose own transform is not nm."""
    folder = real / "crantb_neuropils" / "precomputed" / "mesh"
    if not folder.is_dir():
        pytest.skip("the published CRANTb meshes are not here")
    return MeshAddress(str(folder), TRANSFORM)


def volume(surface: Surface) -> float:
    a, b, c = np.moveaxis(surface.vertices[surface.faces] - surface.vertices.mean(axis=0), 1, 0)
    return abs(float(np.einsum("ij,ij->", a, np.cross(b, c)))) / 6


def test_crantb_meshes_are_those_of_the_ply_files(crantb: MeshAddress, real: Path) -> None:
    from_files = {neuropil.name: neuropil.surfaces[0] for neuropil in read_neuropils(real / "crantb_neuropils")}
    found = read_neuropils(crantb)
    assert len(found) == len(from_files) == 21
    for neuropil in found:
        (surface,) = neuropil.surfaces
        ends = {
            name: np.abs(other.vertices.max(axis=0) - surface.vertices.max(axis=0)).max()
            for name, other in from_files.items()
        }
        nearest = min(ends, key=lambda name: ends[name])
        twin = from_files.pop(nearest)
        assert (surface.vertices.shape, surface.faces.shape) == (twin.vertices.shape, twin.faces.shape)
        # The files hold float32, which at 390,000 nm is a step of 0.03 nm.
        assert np.abs(np.sort(surface.vertices, axis=0) - np.sort(twin.vertices, axis=0)).max() < 0.035
        assert volume(surface) == pytest.approx(volume(twin), rel=1e-6)


def test_crantb_synapses_fall_into_their_meshes(crantb: MeshAddress, real: Path, crant: Crant, tmp_path: Path) -> None:
    with (real / "crantb_synapses_10rows.csv").open() as file:
        expected = sorted((int(row["id"]), row["expected_label_id"]) for row in csv.DictReader(file))
    shutil.copyfile(real / "crantb_synapses_10rows.csv", tmp_path / "ten.csv")
    done = crant(
        "neuropil", "ten.csv", "-d", brain(crantb, tmp_path), "--coordinates", "pixels", "--voxel-size", "8,8,42",
        "--assignments-only", "--no-plot", "-o", "assigned",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = pq.read_table(tmp_path / "assigned" / "assignments.parquet").to_pylist()
    assert sorted((row["id"], row["neuropil"]) for row in rows) == expected
