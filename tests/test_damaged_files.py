"""Damaged mesh and skeleton files: read right, or refused in one sentence of ours that names them. Never half.

Files are changed at random, from fixed seeds: bits flipped, parts cut out, zeroed, doubled or overwritten with what
is known to hurt. EXAMPLES=200 tries ten times as many.
"""

from __future__ import annotations

import io
import json
import math
import random
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import test_mesh_files as whole
from closed import rounded, sphere
from conftest import Crant
from mesh_sources import Levels, grid_box, legacy
from strategies import TIMES
from tables import complaint, text_file
from test_skeletons import WAYS

from crantcli.core.geometry.containment import MeshIndex
from crantcli.core.geometry.skeleton import NearestNode, Skeleton
from crantcli.errors import DataError, UsageError
from crantcli.sources.shapes.meshes import read_neuropils
from crantcli.sources.shapes.skeletons import find_skeletons, match_neurons

pytestmark = pytest.mark.slow

TEXT = [
    b"\n", b"\r", b" ", b"\0", b"-1", b"0", b"1e999", b"-1e308", b"nan", b"inf", b"1e-320", b"9" * 20, b"\xff\xfe",
    b"#", b"\xef\xbb\xbf", b"\\\n", b"/", b"//", b"1_0", b"0x10", b"\nf 1 2 3\n", b"\nv 1 2 3\n", b"end_header\n",
    b"\xd9\xa1", b"element face 1000000000\n", b"property list uchar int x\n", b"'", b'"', b"\xff\xff\xff\xff", b"e",
    b"+", b",", b"1.5",
]  # fmt: skip
JSON = [
    b"null", b"[]", b"{}", b"true", b'"x"', b"1e999", b"-1", b"[" * 3000, b'{"a":' * 2000, b"NaN", b"Infinity",
    b"\\ud800", b'"../../x"', b'"/dev/null"', b"9" * 30, b'"\\u0000"', b",", b":", b'"', b"\xff", b"[1,2,3]", b"0",
    b"1.5", b'""',
]  # fmt: skip

#: Words of other programs, which no message may have.
THEIRS = re.compile(
    r"trimesh|numpy|codec|Traceback|NoneType|object has|buffer|dtype|Error\b|unpack requires|literal|out of range|"
    r"decompress|header b"
)


def damaged(data: bytes, chance: random.Random, harmful: Sequence[bytes] = TEXT) -> bytes:
    """The file with one to six changes."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 6])):
        at, length = chance.randrange(max(len(changed), 1)), chance.choice([1, 2, 4, 8, 50, 200])
        match chance.randrange(8):
            case 0 if changed:
                changed[min(at, len(changed) - 1)] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at:]
            case 2:
                changed[at : at + length] = bytes(len(changed[at : at + length]))
            case 3:
                del changed[at : at + length]
            case 4:
                changed[at:at] = changed[chance.randrange(max(len(changed), 1)) :][:length]
            case 5:
                changed[at:at] = chance.choice(harmful)
            case 6:
                changed[at : at + length] = chance.randbytes(min(length, 8))
            case _:
                changed[at : at + length] = chance.choice(harmful)
    return bytes(changed)


def proper(error: Exception, *names: str) -> None:
    """One line of our own that says which file it is."""
    message = str(error)
    assert any(name in message for name in names), message
    assert "\n" not in message
    assert not THEIRS.search(message), message
    assert len(message) < 600


# -------------------------------------------------------------------------------------------------------- mesh files


def naive_obj(data: bytes) -> tuple[list[list[float]], list[list[int]]]:
    points: list[list[float]] = []
    faces: list[list[int]] = []
    for line in re.split(rb"\r\n|\r|\n", re.sub(rb"\\(\r\n|\r|\n)", b" ", data.removeprefix(b"\xef\xbb\xbf"))):
        match line.split(b"#")[0].split():
            case [b"v", *numbers]:
                points.append([float(number) for number in numbers[:3]])
            case [b"f", *corners]:
                numbers = [int(corner.split(b"/")[0]) for corner in corners]
                faces.append([number - 1 if number > 0 else len(points) + number for number in numbers])
    return points, whole.fans(faces)


def naive_stl(data: bytes) -> tuple[list[list[float]], list[list[int]]]:
    number = struct.unpack_from("<I", data, 80)[0] if len(data) >= 84 else -1
    if len(data) == 84 + 50 * number:
        corners = [struct.unpack_from("<9f", data, 96 + 50 * n) for n in range(number)]
        points = [list(corner[k : k + 3]) for corner in corners for k in (0, 3, 6)]
    else:
        found = re.findall(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)", data, re.IGNORECASE)
        points = [[float(number) for number in corner] for corner in found]
    return points, [[n, n + 1, n + 2] for n in range(0, len(points), 3)]


KINDS = {**whole.KINDS, "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I"}
KINDS |= {"float32": "f", "float64": "d"}


def naive_head(head: bytes) -> tuple[str, list[tuple[str, int, list[list[str]]]]]:
    order, elements = "", list[tuple[str, int, list[list[str]]]]()
    for words in [line.decode("latin-1").split() for line in re.split(rb"[\r\n]+", head)]:
        match words:
            case ["format", form, _]:
                order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[form]
            case ["element", name, number]:
                elements.append((name, int(number), []))
            case ["property", *kinds]:
                elements[-1][2].append(kinds)
    return order, elements


def naive_ply(data: bytes) -> tuple[list[list[float]], list[list[int]]]:
    head, body = re.split(rb"[\r\n]end_header[ \t]*(?:\r\n|\r|\n)", data, maxsplit=1)
    order, elements = naive_head(head)
    tokens, stream = iter(body.split()), io.BytesIO(body)

    def take(kind: str) -> float:
        size = struct.calcsize(order + KINDS[kind])
        value = struct.unpack(order + KINDS[kind], stream.read(size))[0] if order else next(tokens)
        try:
            return float(value)
        except ValueError:
            return math.nan  # which must be of no use then

    def row_of(properties: list[list[str]]) -> dict[str, list[float]]:
        return {p[-1]: [take(p[-2]) for _ in range(int(take(p[1])) if p[0] == "list" else 1)] for p in properties}

    points: list[list[float]] = []
    faces: list[list[int]] = []
    for element, number, properties in elements:
        for _ in range(number):
            row = row_of(properties)
            if element == "vertex":
                points.append([row[axis][0] for axis in "xyz"])
            elif element in ("face", "tristrips"):
                corners = [int(corner) for corner in row.get("vertex_indices", row.get("vertex_index", []))]
                faces += whole.fans([corners]) if element == "face" else strips(corners)
    return points, faces


def strips(corners: list[int]) -> list[list[int]]:
    triples = zip(corners, corners[1:], corners[2:], strict=False)
    return [list(triple) for triple in triples if min(triple) >= 0]


NAIVE: dict[str, Callable[[bytes], tuple[list[list[float]], list[list[int]]]]] = {
    "obj": naive_obj, "stl": naive_stl, "ply": naive_ply,
}  # fmt: skip
MESHES: list[tuple[str, bytes]] = [
    *(("obj", whole.OBJ_WAYS[way].encode()) for way in ("plain", "relative", "both", "other statements", "continued")),
    ("obj", whole.obj(whole.QUADS).encode()),
    ("stl", whole.TEXT.encode()),
    ("stl", whole.binary_stl()),
    ("stl", whole.binary_stl(rounded(sphere(50, around=6, along=4)))),
    *(("ply", whole.ply(form)) for form in whole.FORMS),
    *(("ply", whole.ply(form, whole.QUADS.tolist(), more="faces element vertices")) for form in whole.FORMS),
    *(("ply", whole.ply(form, [[0, 1, 2, 3, -1, 4, 5, 6, -1], [7, 6, 5]], strips=True)) for form in whole.FORMS),
]


@pytest.mark.parametrize("seed", range(4))
def test_meshes(tmp_path: Path, seed: int) -> None:
    chance, accepted = random.Random(seed), 0
    for _ in range(400 * TIMES):
        kind, data = chance.choice(MESHES)
        data = damaged(data, chance)
        path = tmp_path / f"left.{kind}"
        path.write_bytes(data)
        try:
            (found,) = read_neuropils(tmp_path)
        except DataError as error:
            proper(error, path.name)
        else:
            accepted += 1
            points, faces = NAIVE[kind](data)
            expected = [face for face in whole.triangles(points, faces) if len(set(face)) == 3]
            assert whole.triangles(found.vertices, found.faces) == expected
            MeshIndex.build([found.surfaces]).contains(np.array([[402000.0, 212000, 62000], [0, 0, 0]]))
        path.unlink()
    assert accepted >= 5, "the test is of no use where all is refused"


#: As commands see them: a vertex that became another word, a cut line, a color beyond its type, a cut facet.
SEEN: dict[str, tuple[str, bytes, str]] = {
    "OBJ, a damaged word": ("left.obj", whole.PLAIN.replace("v 404000", "n 404000", 1).encode(), "left.obj, line 5"),
    "OBJ, cut": ("left.obj", whole.PLAIN.encode()[:-3], "left.obj, line 20"),
    "STL, a damaged number": ("left.stl", whole.TEXT.replace("404000.0", "4o4000.0", 1).encode(), "left.stl, line 18"),
    "STL, cut": ("left.stl", whole.TEXT.encode()[:2000], "left.stl, line"),
    "STL, bytes, cut": ("left.stl", whole.binary_stl()[:-20], "left.stl"),
    "PLY, a damaged number": ("left.ply", whole.ply().replace(b"404000.0", b"4o4000.0", 1), "left.ply, line 16"),
    "PLY, a number too large": ("left.ply", whole.ply().replace(b"404000.0", b"1e999", 1), "left.ply"),
    "PLY, cut": ("left.ply", whole.ply()[:-40], "left.ply"),
    "PLY, bytes, cut": ("left.ply", whole.ply("binary_little_endian")[:-40], "left.ply"),
}


@pytest.mark.parametrize("what", SEEN)
def test_meshes_of_a_command(crant: Crant, tmp_path: Path, what: str) -> None:
    name, content, said = SEEN[what]
    text_file("s.csv", "id,pre,post,ctr_pt_position_x,ctr_pt_position_y,ctr_pt_position_z\n1,1,2,402000,212000,62000\n")
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / name).write_bytes(content)
    ran = crant("neuropil", "s.csv", "--meshes", "meshes", "--coordinates", "nm", "--assignments-only", "-o", "out")
    assert not THEIRS.search(complaint(ran, 3, said, "--exclude left"))
    assert not (tmp_path / "out").exists()
    (tmp_path / "meshes" / "right.obj").write_text(whole.PLAIN)
    ran = crant("neuropil", "s.csv", "--meshes", "meshes", "--coordinates", "nm", "--assignments-only", "-o", "out",
                "--exclude", "left")  # fmt: skip
    assert ran.code == 0, ran.err
    assert (tmp_path / "out" / "summary.csv").read_text().splitlines()[1:] == ["right,1,1,2", "other,0,0,0"]


# ------------------------------------------------------------------------------------------------ precomputed sources

SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 0, "hash": "identity", "minishard_bits": 1,
    "shard_bits": 1, "minishard_index_encoding": "gzip", "data_encoding": "gzip",
}  # fmt: skip
PLAIN = {**SHARDING, "hash": "murmurhash3_x86_128", "minishard_index_encoding": "raw", "data_encoding": "raw"}


def write_source(form: str, folder: Path) -> None:
    boxes = {1: grid_box((0, 0, 0), (4, 4, 4)), 21: grid_box((4, 0, 0), (8, 4, 4))}
    if form == "legacy":
        legacy(folder, boxes)
    elif form == "volume":
        Levels(boxes).write(folder / "some" / "mesh")
        inline = {"ids": ["21", "1"], "properties": [{"id": "label", "type": "label", "values": ["right", "left"]}]}
        (folder / "names").mkdir()
        info = {"@type": "neuroglancer_segment_properties", "inline": inline}
        (folder / "names" / "info").write_text(json.dumps(info))
        info = {"type": "segmentation", "mesh": "some/mesh", "scales": [], "segment_properties": "names"}
        (folder / "info").write_text(json.dumps(info))
    else:
        sharding = {"levels": None, "zipped": SHARDING, "raw": PLAIN}[form]
        Levels(boxes, sharding=sharding).write(folder)


@pytest.mark.parametrize("form", ["legacy", "levels", "zipped", "raw", "volume"])
def test_precomputed_sources(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "source"
    write_source(form, folder)
    sound = {neuropil.name: neuropil.digest for neuropil in read_neuropils(folder)}
    chance, files = random.Random(form), sorted(path for path in folder.rglob("*") if path.is_file())
    for _ in range(150 * TIMES):
        path = chance.choice(files)
        data = path.read_bytes()
        changed = damaged(data, chance, TEXT if data[:1] != b"{" else JSON)
        if data[:1] == b"{" and chance.random() < 0.5:
            info = json.loads(data)
            value = chance.choice(JSON).decode("latin-1")
            changed = json.dumps({**info, chance.choice(list(info)): "@"}).replace('"@"', value).encode("latin-1")
        path.write_bytes(changed)
        try:
            found = read_neuropils(folder)
        except (DataError, UsageError) as error:
            proper(error, str(folder), *(f"{name}: the mesh" for name in ("1", "21", "left", "right")))
        else:
            # What is neither place nor face of a mesh may change without harm; coordinates are numbers like others.
            digests = {neuropil.digest for neuropil in found}
            assert digests & set(sound.values()) or path.name == "info", path
        path.write_bytes(data)


# ---------------------------------------------------------------------------------------------------------- skeletons

LONG = "".join(f"{n} 2 {n * 10}.5 {n} {-n} 1.0 {n - 1 if n > 1 else -1}\n" for n in range(1, 60))


def naive_swc(data: bytes) -> list[tuple[int, int, list[float]]]:
    lines = re.split(rb"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf"))
    rows = [fields for line in lines if (fields := re.sub(rb"(^|\s)#.*", b"", line).split())]
    return sorted((int(float(r[0])), int(float(r[6].split(b"#")[0])), list(map(float, r[2:5]))) for r in rows)


def nodes(found: Skeleton) -> list[tuple[int, int, list[float]]]:
    ids = found.node_id.tolist()
    parents = [ids[place] if place >= 0 else -1 for place in found.parent.tolist()]
    return sorted(zip(ids, parents, found.xyz.tolist(), strict=True))


@pytest.mark.parametrize("zipped", [False, True])
def test_skeletons(tmp_path: Path, zipped: bool) -> None:
    chance, accepted = random.Random(zipped), 0
    ways = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    for _ in range(400 * TIMES):
        data = chance.choice([*WAYS.values(), LONG, LONG, LONG, LONG]).encode()
        path = tmp_path / ("some.zip" if zipped else "1.swc")
        if zipped:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", chance.choice(ways)) as archive:
                archive.writestr("1.swc", data)
                archive.writestr("deep/2.swc", data)
            path.write_bytes(damaged(packed.getvalue(), chance))
        else:
            path.write_bytes(damaged(data, chance))
        try:
            with find_skeletons([str(path)]) as collections:
                skeletons = match_neurons(collections, "BIGINT")
                found = [skeletons.load(place, (1.0, 1.0, 1.0)) for place in range(len(skeletons.neurons))]
        except (DataError, UsageError) as error:
            proper(error, path.name)
        else:
            accepted += 1
            for skeleton in found:
                assert nodes(skeleton) == naive_swc(data if zipped else path.read_bytes())
                assert math.isfinite(skeleton.cable_length)
                if len(skeleton):
                    NearestNode(skeleton).find(np.array([[0.0, 0, 0], [1e15, 0, 0]]))
        path.unlink()
    assert accepted >= 5
