"""Damaged meshes, skeletons, precomputed sources and descriptions of data sets, and commands that read them."""

from __future__ import annotations

import contextlib
import random
import struct
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import values
from damage import BYTES
from table_cases import Case, unjudged

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import closed
import mesh_sources
import oracle

Run = Callable[[list[str]], int | None]

#: Corners of the boxes that are neuropils; synapses lie around them.
_BOXES = {"a": ((0, 0, 0), (40, 40, 40)), "b": ((30, 30, 30), (70, 80, 90)), "c": ((90, 0, 0), (100, 100, 100))}
_ODD = ["nan", "inf", "-1", "0", "1e300", "1e-300", "", "x", "9" * 400, "-0", "1,5", "\x00", "é", "7", "#"]


def synapses(folder: Path, rng: random.Random) -> list[dict[str, Any]]:
    """Write syn.parquet; its rows."""
    rows = [
        {
            "id": number,
            "pre": rng.randint(1, 6),
            "post": rng.randint(1, 6),
            "at": [rng.randint(0, 110) + 0.5 for _ in "xyz"],
        }
        for number in range(50)
    ]
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in ("id", "pre", "post")}
    for place, axis in enumerate("xyz"):
        columns[f"ctr_pt_position_{axis}"] = [row["at"][place] for row in rows]
    pq.write_table(pa.table(columns), folder / "syn.parquet")
    return rows


# Text


def words_changed(rng: random.Random, data: bytes) -> bytes:
    """Some of the words of a text changed into what should not be there."""
    lines = data.decode("latin-1").split("\n")
    for _ in range(rng.choice([1, 1, 2, 10])):
        row = rng.randrange(len(lines))
        words = lines[row].split(" ")
        words[rng.randrange(len(words))] = rng.choice(_ODD)
        lines[row] = " ".join(words)
    return "\n".join(lines).encode("latin-1", "replace")


def lines_moved(rng: random.Random, data: bytes) -> bytes:
    """Lines of a text lost, doubled, or in another place."""
    lines = data.decode("latin-1").split("\n")
    for _ in range(rng.choice([1, 1, 3])):
        line = lines.pop(rng.randrange(len(lines))) if lines else ""
        for _ in range(rng.choice([0, 1, 2])):
            lines.insert(rng.randrange(len(lines) + 1), line)
    return "\n".join(lines).encode("latin-1", "replace")


def harmed(rng: random.Random, path: Path, text: bool) -> str:
    """Damage a file; what was done."""
    harm = rng.choice([words_changed, lines_moved]) if text and rng.random() < 0.5 else rng.choice(BYTES)
    path.write_bytes(harm(rng, path.read_bytes()))
    return harm.__name__


# Meshes


def write_mesh(mesh: closed.Mesh, path: Path, text: bool) -> None:
    """Write a mesh in the format of the suffix."""
    vertices, faces = mesh[0].tolist(), mesh[1].tolist()
    if path.suffix == ".obj":
        lines = [f"v {x} {y} {z}" for x, y, z in vertices]
        lines += [f"f {' '.join(str(corner + 1) for corner in face)}" for face in faces]
        path.write_text("\n".join(lines) + "\n")
    elif path.suffix == ".stl" and text:
        lines = ["solid made"]
        for face in faces:
            corners = [f"vertex {' '.join(map(str, vertices[corner]))}" for corner in face]
            lines += ["facet normal 0 0 0", "outer loop", *corners, "endloop", "endfacet"]
        path.write_text("\n".join([*lines, "endsolid made"]) + "\n")
    elif path.suffix == ".stl":
        body = [struct.pack("<12fH", 0, 0, 0, *(x for corner in face for x in vertices[corner]), 0) for face in faces]
        path.write_bytes(bytes(80) + struct.pack("<I", len(faces)) + b"".join(body))
    else:
        head = _ply_head(len(vertices), len(faces), text)
        if text:
            lines = [*(f"{x} {y} {z}" for x, y, z in vertices), *(f"3 {a} {b} {c}" for a, b, c in faces)]
            path.write_text(head + "\n".join(lines) + "\n")
        else:
            body = np.array(vertices, "<f4").tobytes() + b"".join(struct.pack("<B3i", 3, *face) for face in faces)
            path.write_bytes(head.encode() + body)


def _ply_head(vertices: int, faces: int, text: bool) -> str:
    form = "ascii" if text else "binary_little_endian"
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    return (
        f"ply\nformat {form} 1.0\nelement vertex {vertices}\n{properties}element face {faces}\n"
        "property list uchar int vertex_indices\nend_header\n"
    )


def read_mesh(path: Path, vertices: int, faces: int) -> closed.Mesh:
    """Read a mesh as `write_mesh` writes them: what is anything else is not judged."""
    data = path.read_bytes()
    try:
        if path.suffix == ".obj":
            rows = [line.split(" ") for line in data.decode("ascii").removesuffix("\n").split("\n")]
            if any(len(row) != 4 or row[0] not in ("v", "f") for row in rows):
                raise values.NotJudgedError
            points = np.array([[float(x) for x in row[1:]] for row in rows if row[0] == "v"])
            # A negative number counts back from the last vertex above.
            above = np.cumsum([row[0] == "v" for row in rows])
            faces_of = [(row[1:], number) for row, number in zip(rows, above, strict=True) if row[0] == "f"]
            corners = np.array([[k - 1 if (k := int(x)) >= 0 else n + k for x in row] for row, n in faces_of])
        elif path.suffix == ".stl":
            if len(data) != 84 + 50 * faces or data[80:84] != struct.pack("<I", faces):
                raise values.NotJudgedError
            found = [struct.unpack_from("<9f", data, 84 + 50 * number + 12) for number in range(faces)]
            points, corners = np.array(found).reshape(-1, 3), np.arange(3 * faces).reshape(-1, 3)
        else:
            head = _ply_head(vertices, faces, text=False).encode()
            if not data.startswith(head) or len(data) != len(head) + 12 * vertices + 13 * faces:
                raise values.NotJudgedError
            points = np.frombuffer(data, "<f4", 3 * vertices, len(head)).reshape(-1, 3).astype(float)
            found = [struct.unpack_from("<B3i", data, len(head) + 12 * vertices + 13 * k) for k in range(faces)]
            if any(face[0] != 3 for face in found):
                raise values.NotJudgedError
            corners = np.array([face[1:] for face in found])
    except ValueError as error:
        raise values.NotJudgedError from error
    if not np.isfinite(points).all() or corners.size == 0 or corners.min() < 0 or corners.max() >= len(points):
        raise values.UnreadableError("corners that are not there")
    return points, corners


def meshes(rng: random.Random, folder: Path) -> Case:
    """A mesh in a folder of three is damaged."""
    rows = synapses(folder, rng)
    (folder / "meshes").mkdir()
    suffix, text, hurt = rng.choice([".ply", ".obj", ".stl"]), rng.random() < 0.5, rng.choice(list(_BOXES))
    made = {name: closed.box(*corners) for name, corners in _BOXES.items()}
    for name, mesh in made.items():
        write_mesh(mesh, folder / "meshes" / f"{name}{suffix}", text)
    path = folder / "meshes" / f"{hurt}{suffix}"
    harm = harmed(rng, path, text or suffix == ".obj")
    words = [
        "neuropil",
        "syn.parquet",
        "--coordinates",
        "nm",
        "--meshes",
        "meshes",
        "--assignments-only",
        "-o",
        "out.d",
    ]

    def judge(where: Path, run: Run) -> str | None:
        try:
            read = {**made, hurt: read_mesh(where / "meshes" / path.name, 8, 12)}
        except values.UnreadableError as error:
            return f"an answer from a mesh that has no shape: {error}"
        if np.abs(read[hurt][0]).max() > 2**20 or ((read[hurt][0] * 4096) % 1).any():
            raise values.NotJudgedError  # whole numbers would be too large
        right = []
        for row in rows:
            held = [name for name, mesh in read.items() if closed.contains(mesh, row["at"])]
            right += [(row["id"], name) for name in held or ["other"]]
        answer = pq.read_table(where / "out.d" / "assignments.parquet", columns=["id", "neuropil"])
        found = sorted(zip(*(column.to_pylist() for column in answer.columns), strict=True))
        return None if found == sorted(right) else f"wrong values: {len(found)} rows for {len(right)}"

    return Case(words, f"{harm} {suffix}", path.name, judge)


# Skeletons


def skeletons(rng: random.Random, folder: Path) -> Case:
    """A skeleton in a folder is damaged."""
    rows = synapses(folder, rng)
    (folder / "swc").mkdir()
    nodes: dict[int, dict[int, tuple[float, float, float]]] = {}
    for neuron in (1, 2, 3):
        nodes[neuron] = {k: (k * 5 % 97 + 0.25, k * neuron % 89, k * 31 % 83) for k in range(1, 25)}
        lines = [f"{k} 0 {x} {y} {z} 1 {k - 1 or -1}" for k, (x, y, z) in nodes[neuron].items()]
        (folder / "swc" / f"{neuron}.swc").write_text("# made\n" + "\n".join(lines) + "\n")
    hurt = rng.choice(list(nodes))
    path = folder / "swc" / f"{hurt}.swc"
    harm = harmed(rng, path, True)
    more = rng.choice([[], ["--split"], ["--summary", "more.csv"]])
    words = ["attach", "syn.parquet", "--coordinates", "nm", "--skeletons", "swc", *more, "-o", "out.parquet"]

    def judge(where: Path, run: Run) -> str | None:
        read = {**nodes, hurt: _read_swc(where / "swc" / path.name)}
        sites = [{**row, "pre_at": row["at"], "post_at": row["at"]} for row in rows]
        right, _, _ = oracle.attach(sites, read)
        names = ["neuron_id", "type", "partner_id", "node_id", "synapse_id", "distance"]
        answer = pq.read_table(where / "out.parquet", columns=names)
        found = sorted(zip(*(column.to_pylist() for column in answer.columns), strict=True))
        wanted = sorted((row[0], *row[5:9], row[9]) for row in right)
        if len(found) != len(wanted) or any(
            a[:5] != b[:5] or abs(a[5] - b[5]) > 1e-6 * b[5] for a, b in zip(found, wanted, strict=True)
        ):
            return f"wrong values: {len(found)} connectors for {len(wanted)}"
        return None

    return Case(words, f"{harm} .swc", path.name, judge)


def _read_swc(path: Path) -> dict[int, tuple[float, float, float]]:
    """Nodes of a skeleton as `skeletons` writes them."""
    found: dict[int, tuple[float, float, float]] = {}
    with contextlib.suppress(UnicodeDecodeError):
        for line in path.read_bytes().decode("ascii").split("\n"):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) != 7 or not all(values._WHOLE.fullmatch(words[place]) for place in (0, 6)):
                raise values.NotJudgedError
            try:
                x, y, z = (float(word) for word in words[2:5])
            except ValueError as error:
                raise values.NotJudgedError from error
            if int(words[0]) in found:
                raise values.NotJudgedError
            found[int(words[0])] = (x, y, z)
        return found
    raise values.NotJudgedError


# Precomputed meshes


def precomputed(rng: random.Random, folder: Path) -> Case:
    """A file of a folder of precomputed meshes is damaged; what is in it then, nobody else can tell."""
    synapses(folder, rng)
    boxes = {1: mesh_sources.grid_box((0, 0, 0), (3, 2, 2)), 2: mesh_sources.grid_box((5, 0, 0), (7, 2, 2))}
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 0, "hash": "identity", "minishard_bits": 1,
        "shard_bits": 1, "minishard_index_encoding": "gzip", "data_encoding": "raw",
    }  # fmt: skip
    kind = rng.choice(["legacy", "levels", "sharded"])
    if kind == "legacy":
        mesh_sources.legacy(folder / "site", boxes)
    else:
        mesh_sources.Levels(boxes, sharding=sharding if kind == "sharded" else None).write(folder / "site")
    path = rng.choice(sorted(file for file in (folder / "site").rglob("*") if file.is_file()))
    harm = harmed(rng, path, path.name == "info" or path.name.endswith(":0"))
    (folder / "d.toml").write_text('[neuropils]\nsource = "site"\nlabels = { 1 = "left", 2 = "right" }\n')
    command = rng.choice([["meshes"], ["neuropil", "syn.parquet", "--coordinates", "nm", "--assignments-only"]])
    return Case([*command, "-d", "d.toml", "-o", "out.d"], f"{harm} {kind}", path.name, unjudged)


# Descriptions of data sets

_DESCRIPTION = """background_ids = [0, 5]
[voxel]
size_nm = [8, 8, 42]
[files]
synapses = "syn.parquet"
annotations = "types.csv"
coordinates = "nm"
"""


def dataset(rng: random.Random, folder: Path) -> Case:
    """A description of a data set is damaged: the same answer where it says the same, as TOML has it."""
    synapses(folder, rng)
    (folder / "types.csv").write_text("root_id,cell_type\n" + "".join(f"{k},T{k % 2}\n" for k in range(1, 7)))
    (folder / "whole.toml").write_text(_DESCRIPTION)
    path = folder / "d.toml"
    path.write_text(_DESCRIPTION)
    harm = harmed(rng, path, True)
    command = rng.choice(
        [
            ["connectivity", "--by", "type"],
            ["counts", "-n", "cell_type=T1"],
            ["synapses", "--units", "pixels"],
            ["adjacency"],
        ]
    )

    def judge(where: Path, run: Run) -> str | None:
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            return f"an answer from what is no TOML: {error}"
        if said != tomllib.loads(_DESCRIPTION):
            raise values.NotJudgedError
        first = values.answered(where / "out.csv")
        (where / "out.csv").rename(where / "first")
        if run([*command, "-d", "whole.toml", "-o", "out.csv"]) != 0:
            return "the undamaged description is refused"
        return None if values.answered(where / "out.csv") == first else "the undamaged description gives another answer"

    return Case([*command, "-d", "d.toml", "-o", "out.csv"], f"{harm} .toml", path.name, judge)
