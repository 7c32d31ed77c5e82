"""Mesh files as programs write them, and what is wrong with them: read right, or refused with file and line."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from closed import Mesh, box, rounded, sphere

from crantcli.core.geometry.solids import Surface, weld
from crantcli.errors import DataError, UsageError
from crantcli.sources.shapes.mesh_files import read_mesh
from crantcli.sources.shapes.obj import read_obj
from crantcli.sources.shapes.ply import read_ply
from crantcli.sources.shapes.stl import read_stl

#: A box as three quarters of the files here have it.
LOW, HIGH = (400000, 210000, 60000), (404000, 214000, 64000.5)
VERTICES, FACES = box(LOW, HIGH)
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


def triangles(vertices: Any, faces: Any) -> list[list[tuple[float, ...]]]:
    """Each triangle as its corners, wherever it begins, whatever their order."""
    points = [tuple(point) for point in np.asarray(vertices, float).tolist()]
    return sorted(sorted(points[corner] for corner in face) for face in np.asarray(faces).tolist())


def same(found: Surface, expected: Mesh = (VERTICES, FACES)) -> None:
    assert (found.vertices.dtype, found.faces.dtype) == (np.float64, np.int64)
    assert triangles(found.vertices, found.faces) == triangles(*expected)


def fans(polygons: Any) -> Any:
    """Polygons as triangles."""
    return [[face[0], face[k], face[k + 1]] for face in polygons for k in range(1, len(face) - 1)]


def refused(read: Any, data: bytes, *words: str) -> None:
    """The file is refused in one line of our own, which has these words."""
    with pytest.raises(DataError) as error:
        read(data, "some.mesh")
    message = str(error.value)
    assert message.startswith("some.mesh"), message
    assert "\n" not in message
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"


# ------------------------------------------------------------------------------------------------------------------ OBJ


def obj(faces: Any = FACES, pattern: str = "{}", base: int = 1) -> str:
    """The box as text; `pattern` is how a corner is written, `base` what stands for the first vertex."""
    lines = [f"v {x:g} {y:g} {z:.1f}" for x, y, z in VERTICES.tolist()]
    lines += [" ".join(["f", *(pattern.replace("{}", str(corner + base)) for corner in face)]) for face in faces]
    return "\n".join(lines) + "\n"


PLAIN = obj()
VERTEX_LINES, FACE_LINES = PLAIN.split("\nf", 1)[0] + "\n", "f" + PLAIN.split("\nf", 1)[1]
OBJ_WAYS = {
    "plain": PLAIN,
    "no last line end": PLAIN.rstrip(),
    "windows": PLAIN.replace("\n", "\r\n"),
    "old mac": PLAIN.replace("\n", "\r"),
    "byte order mark": "\ufeff" + PLAIN,
    "relative": obj(base=-8),
    "faces first": FACE_LINES + VERTEX_LINES,
    "comments": "# made by hand\n" + PLAIN.replace("\nf", " # a vertex, or a face\n\nf"),
    "a path in a comment": "# from C:\\meshes\\\n" + PLAIN,
    "aligned": PLAIN.replace(" ", "   "),
    "tabs": PLAIN.replace(" ", "\t"),
    "spaces at both ends": "".join(f"  {line} \n" for line in PLAIN.splitlines()),
    "blank lines": PLAIN.replace("\n", "\n\n \t\n"),
    "texture": "vt 0.5 0.5\n" + obj(pattern="{}/1"),
    "normals": "vn 0 0 1\n" + obj(pattern="{}//1"),
    "both": "vt 0 0\nvn 0 0 1\n" + obj(pattern="{}/1/1"),
    "both, relative": "vt 0 0\nvn 0 0 1\n" + obj(pattern="{}/-1/-1", base=-8),
    "texture is optional": obj(pattern="{}/"),
    "weights": PLAIN.replace("\nv", " 1.0\nv"),
    "colours": VERTEX_LINES.replace("\n", " 0.1 0.2 0.3\n") + FACE_LINES,
    "colours with alpha": VERTEX_LINES.replace("\n", " 0.1 0.2 0.3 1\n") + FACE_LINES,
    "other statements": "mtllib a_b.mtl\no a\n" + VERTEX_LINES + "g\ns off\nusemtl a_b\nl 1 2\np 1\n" + FACE_LINES,
    "underscores in names, colours": "o a_b\n" + VERTEX_LINES.replace("\n", " 0 0 0\n") + FACE_LINES,
    "continued": PLAIN.replace(" 2", " \\\n2"),
    "continued, windows": PLAIN.replace(" 2", " \\\r\n2"),
    "exponents": PLAIN.replace("400000", "4e+05"),
    "signs": PLAIN.replace("v ", "v +"),
}  # fmt: skip


@pytest.mark.parametrize("way", OBJ_WAYS)
def test_obj_as_programs_write_it(way: str) -> None:
    same(read_obj(OBJ_WAYS[way].encode(), "x.obj"))


@pytest.mark.parametrize("pattern", ["{}", "{}/1/1"])
def test_obj_polygons(pattern: str) -> None:
    same(read_obj(obj(QUADS, pattern).encode(), "x.obj"), (VERTICES, fans(QUADS)))
    # Two triangles and what stands between them.
    mixed = [QUADS[0].tolist(), *FACES[2:4].tolist(), *QUADS[2:].tolist()]
    same(read_obj(obj(mixed, pattern, -8).encode(), "x.obj"), (VERTICES, fans(mixed)))
    ring = [(np.cos(k), np.sin(k), 0.5) for k in range(7)]
    text = "".join(f"v {x!r} {y!r} {z!r}\n" for x, y, z in np.array(ring).tolist()) + "f 1 2 3 4 5 6 7\n"
    same(read_obj(text.encode(), "x.obj"), (np.array(ring), fans([range(7)])))


@pytest.mark.parametrize("again", ["", "# the second\n", "o second\n"])
def test_relative_indices_count_back_from_where_the_face_stands(again: str) -> None:
    """Two bodies in one file, each with its own vertices and relative faces."""
    one, other = box((0, 0, 0), (4, 4, 4)), box((20, 0, 0), (23, 3, 3))
    text = again
    for vertices, faces in (one, other):
        text += "".join(f"v {x:g} {y:g} {z:g}\n" for x, y, z in vertices.tolist()) + again
        text += "".join(f"f {a - 8} {b - 8} {c - 8}\n" for a, b, c in faces.tolist())
    both = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1] + 8])
    same(read_obj(text.encode(), "x.obj"), both)
    # A face between vertices: -1 is the last that stands before it.
    scattered = text.replace("v 23 3 3\n", "f -1 -2 -3\nv 23 3 3\n")
    same(read_obj(scattered.encode(), "x.obj"), (both[0], [*both[1].tolist(), [14, 13, 12]]))


OBJ_BROKEN: dict[str, tuple[str | bytes, ...]] = {
    "vertex zero": (obj(base=0), "line 9", "vertex 0", "from 1"),
    "vertex zero among others": (PLAIN.replace("f 1 2 4", "f 3 0 4"), "line 9", "vertex 0"),
    "zero with a texture": (obj(pattern="{}/1").replace("f 1/1", "f 0/1"), "line 9", "vertex 0"),
    "too high": (PLAIN.replace("f 5 8", "f 5 9"), "line 11", "vertex 9", "8 vertices"),
    "too high, in a later line": (PLAIN + "f 1 2 12\n" + "f 1 2 3\n", "line 21", "vertex 12", "8 vertices"),
    "too high, in a polygon": (PLAIN + "f 1 2 3 99\n", "line 21", "vertex 99"),
    "back too far": (PLAIN + "f -9 -1 -2\n", "line 21", "vertex -9", "8 vertices stand before it"),
    "back from too early": ("f -1 -2 -3\n" + PLAIN, "line 1", "vertex -3", "0 vertices stand before it"),
    "back too far, among many": (obj(base=-8).replace("f -8 -7", "f -10 -7"), "line 9", "vertex -10"),
    "two corners": (PLAIN + "f 1 2\n", "line 21", "'f 1 2' is not a face"),
    "no corners": (PLAIN + "f\n", "line 21", "'f' is not a face"),
    "a word for a corner": (PLAIN + "f 1 2 x\n", "line 21", "'f 1 2 x' is not a face"),
    "a fraction": (PLAIN + "f 1 2 3.0\n", "line 21", "is not a face"),
    "an underscore": (PLAIN + "f 1 2 1_0\n", "line 21", "is not a face"),
    "hexadecimal": (PLAIN.replace("f 1 2 4", "f 0x1 2 4"), "line 9", "is not a face"),
    "four parts": (PLAIN + "f 1/1/1/1 2 3\n", "line 21", "is not a face"),
    "texture zero": (obj(pattern="{}/0"), "line 9", "is not a face"),
    "texture in words": (obj(pattern="{}/a"), "line 9", "is not a face"),
    "beyond any number": (PLAIN + f"f 1 2 {2**70}\n", "line 21", "is not a face"),
    "two coordinates": (PLAIN.replace("v 400000 210000", "v 210000"), "line 1", "is not a vertex (v x y z)"),
    "a damaged coordinate": (PLAIN.replace("v 404000", "v 40400O"), "line 5", "'v 40400O 210000 60000.0' is not a"),
    "an underscore in a coordinate": (PLAIN.replace("v 404000", "v 404_000"), "line 5", "is not a vertex"),
    "a comma": (PLAIN.replace("400000 210000", "400000,210000"), "line 1", "is not a vertex"),
    "five numbers": (PLAIN.replace("v 404000", "v 1 2 404000"), "line 5", "is not a vertex"),
    "a damaged word": (PLAIN.replace("v 404000", "w 404000", 1), "line 5", "'w 404000", "no statement of OBJ"),
    "in a continued line": (PLAIN + "f 1 \\\n 2 \\\n 12\n", "line 21", "vertex 12"),
    "after a continued line": (PLAIN + "f 1 \\\n 2 3\nf 1 2\n", "line 23", "'f 1 2'"),
    "continued at the end": (PLAIN + "f 1 2 \\", "line 21", "'f 1 2'"),
    "bytes": (b"\x89PNG\r\n\x1a\n\0\0", "line 1", "no statement of OBJ"),
    "UTF-16": (PLAIN.encode("utf-16"), "line 1", "no statement of OBJ"),
    "a PLY file": (b"ply\nformat ascii 1.0\n", "line 1", "'ply'", "another kind of file"),
}


@pytest.mark.parametrize("what", OBJ_BROKEN)
def test_a_broken_obj_is_named_with_its_line(what: str) -> None:
    text, *words = OBJ_BROKEN[what]
    refused(read_obj, text if isinstance(text, bytes) else text.encode(), *map(str, words))


# ------------------------------------------------------------------------------------------------------------------ STL


def stl(mesh: Mesh = (VERTICES, FACES), name: str = "a box") -> str:
    text = f"solid {name}\n"
    for face in np.asarray(mesh[0])[mesh[1]].tolist():
        corners = "".join(f"      vertex {x!r} {y!r} {z!r}\n" for x, y, z in face)
        text += f"  facet normal 0 0 1\n    outer loop\n{corners}    endloop\n  endfacet\n"
    return text + f"endsolid {name}\n"


def binary_stl(mesh: Mesh = (VERTICES, FACES), head: bytes = b"") -> bytes:
    rows = [struct.pack("<12fH", 0, 0, 1, *face.ravel(), 7) for face in np.asarray(mesh[0])[mesh[1]].astype(np.float32)]
    return head.ljust(80, b"\0") + struct.pack("<I", len(rows)) + b"".join(rows)


TEXT = stl()
STL_WAYS: dict[str, str | bytes] = {
    "text": TEXT,
    "no last line end": TEXT.rstrip(),
    "windows": TEXT.replace("\n", "\r\n"),
    "without a name": TEXT.replace(" a box", ""),
    "not indented": "\n".join(line.strip() for line in TEXT.splitlines()),
    "tabs and blank lines": TEXT.replace("  ", "\t").replace("\n", "\n\n"),
    "upper case": TEXT.upper().replace("E+", "e+"),
    "normals that are none": TEXT.replace("normal 0 0 1", "normal -nan(ind) nan 1.#QNAN"),
    "several solids": stl((VERTICES, FACES[:5])) + stl((VERTICES, FACES[5:]), "second"),
    "exponents": TEXT.replace("400000.0", "4.000000e+05"),
    "binary": binary_stl(),
    "binary that says solid": binary_stl(head=b"solid a box"),
}


@pytest.mark.parametrize("way", STL_WAYS)
def test_stl_as_programs_write_it(way: str) -> None:
    data = STL_WAYS[way]
    same(read_stl(data if isinstance(data, bytes) else data.encode(), "x.stl"))


STL_BROKEN: dict[str, tuple[str | bytes, ...]] = {
    "cut": (TEXT[: len(TEXT) // 2], "some.mesh"),
    "cut after a triangle": (TEXT[: TEXT.index("endfacet") + 9], "line 8", "ends before endsolid"),
    "a vertex is missing": (TEXT.replace("      vertex 400000.0", "", 1), "line 4", "is not a vertex"),
    "four vertices": (TEXT.replace("    endloop", "vertex 1 2 3\n    endloop", 1), "line 7", "where endloop must"),
    "a damaged word": (TEXT.replace("facet n", "facft n", 1), "line 2", "'facft normal", "facet normal or endsolid"),
    "a damaged number": (TEXT.replace("404000.0", "40400O.0", 1), "line 18", "is not a vertex"),
    "an underscore": (TEXT.replace("404000.0", "404_000.0", 1), "line 18", "is not a vertex"),
    "two numbers": (TEXT.replace("404000.0 ", "", 1), "line 18", "is not a vertex"),
    "words after the end": (TEXT + "something\n", "line 87", "where solid must"),
    "no solid": (TEXT.replace("solid", "silod", 1), "no text of STL", "binary"),
    "binary, cut": (binary_stl()[:-7], "says that it has 12 triangles"),
    "binary, grown": (binary_stl() + b"\0", "says that it has 12 triangles"),
    "binary, another number": (binary_stl()[:80] + b"\x0b" + binary_stl()[81:], "says that it has 11 triangles"),
    "binary, head alone": (binary_stl()[:70], "is cut"),
    "binary, cut, says solid": (binary_stl(head=b"solid")[:-7], "no text of STL"),
}  # fmt: skip


@pytest.mark.parametrize("what", STL_BROKEN)
def test_a_broken_stl_is_named(what: str) -> None:
    text, *words = STL_BROKEN[what]
    refused(read_stl, text if isinstance(text, bytes) else text.encode(), *map(str, words))


# ------------------------------------------------------------------------------------------------------------------ PLY

KINDS = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}


def ply(
    form: str = "ascii",
    faces: Sequence[Sequence[int]] = FACES.tolist(),
    *,
    coordinate: str = "double",
    count: str = "uchar",
    index: str = "int",
    more: str = "",
    comment: str = "",
    end: str = "\n",
    strips: bool = False,
) -> bytes:
    """The box; `more` adds colours to vertices, numbers and a list to faces, or a further element before them."""
    order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[form]
    element, prop = ("tristrips", "vertex_indices") if strips else ("face", "vertex_indices")
    head = ["ply", f"format {form} 1.0", f"comment {comment}", "obj_info none"]
    body: list[list[tuple[str, Any]]] = []
    if "element" in more:
        head += ["element camera 2", "property float view", "property list uchar short of"]
        body += [[("float", 1.5), ("uchar", 2), ("short", 3), ("short", 4)], [("float", 0.5), ("uchar", 0)]]
    head += [f"element vertex {len(VERTICES)}", *(f"property {coordinate} {axis}" for axis in "xyz")]
    head += ["property uchar red", "property float quality"] if "vertices" in more else []
    for point in VERTICES.tolist():
        extra = [("uchar", 200), ("float", 0.5)] if "vertices" in more else []
        body.append([*((coordinate, value) for value in point), *extra])
    head += [f"element {element} {len(faces)}"]
    head += ["property int flags"] if "faces" in more else []
    head += [f"property list {count} {index} {prop}"]
    head += ["property list uchar float texcoord"] if "faces" in more else []
    for face in faces:
        row: list[tuple[str, Any]] = [("int", 7)] if "faces" in more else []
        row += [(count, len(face)), *((index, corner) for corner in face)]
        row += [("uchar", 2), ("float", 0.25), ("float", 0.75)] if "faces" in more else []
        body.append(row)
    text = end.join([*head, "end_header", ""]).encode()
    if not order:
        return text + end.join([" ".join(str(value) for _, value in row) for row in body] + [""]).encode()
    packed = [struct.pack(order + "".join(KINDS[kind] for kind, _ in row), *(v for _, v in row)) for row in body]
    return text + b"".join(packed)


FORMS = ("ascii", "binary_little_endian", "binary_big_endian")
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "single precision": {"coordinate": "float"},
    "integers": {"count": "int", "index": "uint"},
    "short": {"count": "ushort", "index": "short"},
    "more of vertices": {"more": "vertices"},
    "more of faces": {"more": "faces"},
    "more elements": {"more": "element"},
    "more of all": {"more": "element vertices faces"},
    "windows": {"end": "\r\n"},
    "old mac": {"end": "\r"},
    "a unit": {"comment": "units nm"},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", SETTINGS)
def test_ply_as_programs_write_it(form: str, what: str) -> None:
    found, unit = read_ply(ply(form, **SETTINGS[what]), "x.ply")
    same(found)
    assert unit == ("nm" if what == "a unit" else None)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("more", ["", "faces"])
def test_ply_polygons(form: str, more: str) -> None:
    same(read_ply(ply(form, QUADS.tolist(), more=more), "x.ply")[0], (VERTICES, fans(QUADS)))
    mixed = [QUADS[0].tolist(), *FACES[2:4].tolist(), *QUADS[2:].tolist(), [0, 1, 2, 3, 4]]
    same(read_ply(ply(form, mixed, more=more), "x.ply")[0], (VERTICES, fans(mixed)))


@pytest.mark.parametrize("form", FORMS)
def test_ply_strips(form: str) -> None:
    """Of n corners n - 2 triangles, up to the next -1."""
    found, _ = read_ply(ply(form, [[0, 1, 2, 3, -1, 4, 5, 6, -1], [7, 6, 5]], strips=True), "x.ply")
    same(found, (VERTICES, [[0, 1, 2], [1, 2, 3], [4, 5, 6], [7, 6, 5]]))


def test_ply_without_faces() -> None:
    for form in FORMS:
        assert read_ply(ply(form, []), "x.ply")[0].faces.shape == (0, 3)


ASCII, BINARY = ply(), ply("binary_little_endian")
MANY = b"element face 99999999999"
PLY_BROKEN: dict[str, tuple[bytes | str, ...]] = {
    "another file": (b"solid a\n", "does not begin like a PLY file"),
    "no end of the head": (BINARY[:100], "no end_header", "cut"),
    "no format": (ASCII.replace(b"format ascii 1.0\n", b""), "does not say its format"),
    "another format": (ASCII.replace(b"ascii", b"ascij"), "line 2", "'format ascij 1.0'"),
    "two formats": (ASCII.replace(b"obj_info none", b"format ascii 1.0"), "line 4", "format ascii"),
    "a damaged word": (ASCII.replace(b"property double y", b"propersy double y"), "line 7", "propersy"),
    "an unknown type": (ASCII.replace(b"property double y", b"property dpuble y"), "line 7", "dpuble"),
    "lists of fractions": (ASCII.replace(b"list uchar int", b"list float int"), "line 10", "list float int"),
    "corners that are fractions": (ASCII.replace(b"list uchar int", b"list uchar float"), "contradict each other"),
    "corners without a list": (ASCII.replace(b"list uchar int", b"int"), "contradict each other"),
    "two lists of corners": (
        ASCII.replace(b"end_header", b"property list uchar int vertex_index\nend_header"), "contradict each other",
    ),
    "x twice": (ASCII.replace(b"double y", b"double x"), "contradict each other"),
    "no y": (ply("binary_little_endian").replace(b"double y", b"double Y"), "no y"),
    "vertices twice": (ASCII.replace(b"element face", b"element vertex"), "line 9", "element vertex 12"),
    "a number in words": (ASCII.replace(b"element face 12", b"element face 1Z"), "line 9", "1Z"),
    "a property of nothing": (ASCII.replace(b"obj_info none", b"property int x"), "line 4", "property int x"),
    "text, cut": (ASCII[:-30], "of 12 lines of face"),
    "text, cut in a line": (ASCII[:-3], "line 31", "is not the face"),
    "text, more": (ASCII + b"3 1 2 3\n", "line 32", "goes on"),
    "text, a damaged number": (ASCII.replace(b"404000.0", b"40400O.0", 1), "line 16", "is not the vertex"),
    "text, an underscore": (ASCII.replace(b"404000.0", b"404_000.0", 1), "line 16", "is not the vertex"),
    "text, two coordinates": (ASCII.replace(b"404000.0 ", b"", 1), "line 16", "is not the vertex"),
    "text, too many": (ASCII.replace(b"404000.0 ", b"404000.0 1 ", 1), "line 16", "is not the vertex"),
    "text, a longer face": (ASCII.replace(b"3 0 1 3", b"4 0 1 3"), "line 20", "is not the face"),
    "text, a negative length": (ASCII.replace(b"3 0 1 3", b"-3 0 1 3"), "line 20", "is not the face"),
    "text, a beyond face": (ASCII.replace(b"3 0 1 3", b"3 0 1 8"), "vertex 8", "there are 8, from 0"),
    "text, a negative vertex": (ASCII.replace(b"3 0 1 3", b"3 0 1 -1"), "vertex -1"),
    "text, two corners": (ASCII.replace(b"3 0 1 3", b"2 0 1"), "a face has 2 vertices"),
    "text, no corners": (ASCII.replace(b"3 0 1 3", b"0"), "a face has 0 vertices"),
    "text, beyond any number": (ASCII.replace(b"3 0 1 3", b"3 0 1 %d" % 2**80), "line 20", "is not the face"),
    "text, many": (ASCII.replace(b"element face 12", MANY), "of 99,999,999,999 lines of face"),
    "binary, cut": (BINARY[:-5], "ends before the 12 of face"),
    "binary, cut at vertices": (BINARY[:300], "ends before the 8 of vertex"),
    "binary, more": (BINARY + bytes(4), "4 bytes more"),
    "binary, many": (BINARY.replace(b"element face 12", MANY), "ends before the 99,999,999,999 of face"),
    "binary, beyond": (ply("binary_big_endian", [[0, 1, 8]]), "vertex 8"),
    "binary, two corners": (ply("binary_big_endian", [[0, 1], [0, 1, 2]]), "a face has 2 vertices"),
    "binary, a negative length": (ply("binary_big_endian", count="char").replace(b"\3", b"\xfd"), "ends before"),
}  # fmt: skip


@pytest.mark.parametrize("what", PLY_BROKEN)
def test_a_broken_ply_is_named(what: str) -> None:
    data, *words = PLY_BROKEN[what]
    assert isinstance(data, bytes)
    refused(read_ply, data, *map(str, words))


def test_a_small_count_makes_no_small_mesh() -> None:
    """Half of the faces would be a mesh with holes at best, and half of the vertices another one."""
    for data in (ASCII, BINARY):
        for old, new in ((b"element face 12", b"element face 6"), (b"element vertex 8", b"element vertex 4")):
            refused(read_ply, data.replace(old, new))


# ---------------------------------------------------------------------------------------------------------- any of them


@pytest.mark.parametrize("how", [("a.ply", {}), ("a.ply", {"encoding": "ascii"}), ("a.obj", {}), ("a.stl", {}),
                                 ("a.stl", {"file_type": "stl_ascii"})])  # fmt: skip
def test_another_programs_files(how: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    """What trimesh writes, and what it reads of it."""
    mesh = trimesh.Trimesh(*rounded(sphere(1000)), process=False)
    mesh.export(tmp_path / how[0], **how[1])
    theirs = trimesh.load_mesh(tmp_path / how[0], process=False)
    found, expected = read_mesh(tmp_path / how[0]), weld(Surface(theirs.vertices, theirs.faces))
    assert (found.faces == expected.faces).all()
    # trimesh reads numbers of text in single precision.
    assert np.allclose(found.vertices, expected.vertices, rtol=1e-6, atol=1e-4)


OTHERS = {
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "Git LFS", "git lfs pull"),
    "a web page": (b"\n<!DOCTYPE html><html>", "web page"),
    "gzip": (b"\x1f\x8b\x08\0\0", "gzipped"),
    "zip": (b"PK\x03\x04\0\0", "a zip"),
    "empty": (b"", "is empty"),
    "blank": (b" \n" * 100, "is empty"),
}


@pytest.mark.parametrize("name", ["a.ply", "a.obj", "a.stl"])
@pytest.mark.parametrize("what", OTHERS)
def test_files_that_are_something_else(name: str, what: str, tmp_path: Path) -> None:
    content, *words = OTHERS[what]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as error:
        read_mesh(tmp_path / name)
    assert all(word in str(error.value) for word in words), error.value


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.ply: cannot be read \(No such file"):
        read_mesh(tmp_path / "a.ply")


def test_scaling(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(BINARY)
    same(read_mesh(tmp_path / "a.ply", (8, 0.5, 42)), (VERTICES * (8, 0.5, 42), FACES))
    (tmp_path / "a.ply").write_bytes(ply(comment="units nm"))
    same(read_mesh(tmp_path / "a.ply"))
    with pytest.raises(UsageError, match=r"a\.ply: .*in nm.*mesh_scale"):
        read_mesh(tmp_path / "a.ply", (8, 8, 42))
