"""Manifests and pictures that are damaged are named: `info`, and commands that would replace a folder."""

from __future__ import annotations

import json
import os
import random
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from tables import answer, complaint, text_file
from test_damaged_files import JSON, TEXT, TIMES, damaged, proper

from crantcli.core.ledger import Ledger
from crantcli.errors import DataError, UsageError
from crantcli.output.atomic import check_folder
from crantcli.output.figures.save import save
from crantcli.output.provenance import metadata
from crantcli.remote.lockfile import LOCK_FORMAT
from crantcli.run.record import table_record
from crantcli.sources.inspection import describe

pytestmark = pytest.mark.slow

MANIFEST = {
    "crantcli": "0.1.0", "command": "meshes", "kind": "meshes", "options": {"units": "nm"}, "inputs": [],
    "ledger": {"unit": "meshes", "read": 1, "removed": {}, "kept": 1}, "rows": 1, "files": ["a.ply"],
    "stems": {"a": "a"},
}  # fmt: skip

#: One triangle, for a command that writes a folder.
TRIANGLES = "v 0 0 0\nv 9 0 0\nv 0 9 0\nv 0 0 9\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def folder(content: str | bytes) -> None:
    text_file("out/a.ply", "ply")
    text_file("out/manifest.json", content)


# Manifests

BROKEN: list[tuple[str, str | bytes]] = [
    ("nothing", b""),
    ("cut", json.dumps(MANIFEST)[:100]),
    ("zeros", bytes(300)),
    ("no UTF-8", json.dumps(MANIFEST).replace("a.ply", "é.ply").encode("latin-1")),
    ("nested for ever", "[" * 99_999),
    ("a number of no end", '{"crantcli": ' + "9" * 9_999 + "}"),
    ("another kind", json.dumps({**MANIFEST, "kind": 5})),
    ("no kind", json.dumps({key: value for key, value in MANIFEST.items() if key != "kind"})),
    ("rows as text", json.dumps({**MANIFEST, "rows": "many"})),
    ("rows as truth", json.dumps({**MANIFEST, "rows": True})),
    ("negative rows", json.dumps({**MANIFEST, "rows": -1})),
    ("no files", json.dumps({key: value for key, value in MANIFEST.items() if key != "files"})),
    ("files as a number", json.dumps({**MANIFEST, "files": 5})),
    ("files as text", json.dumps({**MANIFEST, "files": "a.ply"})),
    ("files in lists", json.dumps({**MANIFEST, "files": [["a.ply"]]})),
    ("files as an object", json.dumps({**MANIFEST, "files": {"a.ply": 1}})),
]


@pytest.mark.parametrize(("what", "content"), BROKEN, ids=[what for what, _ in BROKEN])
def test_a_damaged_manifest_is_named(crant: Crant, what: str, content: str | bytes) -> None:
    """For a folder to be replaced it is enough to know which files are ours."""
    folder(content)
    text_file("meshes/a.obj", TRIANGLES)
    complaint(crant("info", "out"), 3, "out/manifest.json", "damaged")
    complaint(crant("info", "out", "--json"), 3, "out/manifest.json", "damaged")
    done = crant("meshes", "meshes", "-o", "out")
    if "kind" in what or "rows" in what:
        assert done.code == 0, done.err
    else:
        complaint(done, 3, "out/manifest.json", "damaged", "another folder")
    assert sorted(os.listdir("out")) == ["a.ply", "manifest.json"]


@pytest.mark.parametrize("content", ["[]", "5", "null", '{"name": "an extension of a browser", "files": 7}'])
def test_a_manifest_of_somebody_else_is_none(crant: Crant, content: str) -> None:
    folder(content)
    text_file("meshes/a.obj", TRIANGLES)
    complaint(crant("info", "out"), 2, "without a manifest.json of crantcli")
    complaint(crant("meshes", "meshes", "-o", "out"), 2, "no manifest.json of crantcli")


def test_a_manifest_that_is_a_pipe_is_not_waited_for(crant: Crant) -> None:
    text_file("meshes/a.obj", TRIANGLES)
    Path("out").mkdir()
    os.mkfifo("out/manifest.json")
    complaint(crant("info", "out"), 2, "without a manifest.json")
    complaint(crant("meshes", "meshes", "-o", "out"), 2, "no manifest.json of crantcli")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_manifest_that_may_not_be_read(crant: Crant) -> None:
    folder(json.dumps(MANIFEST))
    Path("out/manifest.json").chmod(0)
    text_file("meshes/a.obj", TRIANGLES)
    complaint(crant("info", "out"), 2, "out/manifest.json", "permission")
    complaint(crant("meshes", "meshes", "-o", "out"), 2, "out/manifest.json", "permission")


def test_what_a_manifest_says_of_how_it_came_about_may_be_missing(crant: Crant) -> None:
    folder(json.dumps({**MANIFEST, "ledger": 5, "inputs": {}, "options": []}))
    shown = crant("info", "out")
    assert (shown.code, "the provenance of the file is damaged" in shown.text) == (0, True)
    assert crant("info", "out", "--json").code == 0
    text_file("meshes/a.obj", TRIANGLES)
    assert crant("meshes", "meshes", "-o", "out").code == 0


def test_manifests_at_random() -> None:
    folder(json.dumps(MANIFEST))
    chance, data, accepted = random.Random(13), Path("out/manifest.json").read_bytes(), 0
    refused: list[str] = []
    for _ in range(400 * TIMES):
        changed = damaged(data, chance, JSON)
        if chance.random() < 0.4:
            value = chance.choice(JSON).decode("latin-1")
            changed = json.dumps({**MANIFEST, chance.choice(list(MANIFEST)): "@"}).replace('"@"', value).encode()
        text_file("out/manifest.json", changed)
        for look in (lambda: describe("out"), lambda: check_folder("out", [])):
            try:
                look()
            except DataError as error:
                proper(error, "out/manifest.json")
            except UsageError as error:  # the damage is such that it is not ours any more, or not of these files
                refused.append(str(error))
            else:
                accepted += 1
    assert accepted >= 5
    assert refused
    assert all("manifest.json of crantcli" in told or "did not write" in told for told in refused)


# Pictures


SOURCE = "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{GREEK SMALL LETTER ALPHA} \\ (1).csv"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A picture in three formats, with a record that is not Latin."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    figure.add_subplot().imshow([[1, 2], [3, 4]])
    record = table_record("adjacency", "adjacency", {"threshold": 2}, [{"name": SOURCE}], Ledger("synapses", 3, {}, 3))
    made = {suffix: tmp_path_factory.mktemp("drawn") / f"p.{suffix}" for suffix in ("png", "svg", "pdf")}
    for path in made.values():
        save(figure, path, path.suffix, metadata(record))
    return {suffix: path.read_bytes() for suffix, path in made.items()}


@pytest.fixture
def pictures(drawn: dict[str, bytes]) -> dict[str, bytes]:
    """The pictures in the current folder."""
    for suffix, data in drawn.items():
        text_file(f"p.{suffix}", data)
    return drawn


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_whole_picture_says_how_it_was_made(crant: Crant, pictures: dict[str, bytes], suffix: str) -> None:
    record = json.loads(crant("info", f"p.{suffix}", "--json").out)["provenance"]
    assert (record["command"], record["inputs"]) == ("adjacency", [{"name": SOURCE}])
    assert f"input       {SOURCE}" in crant("info", f"p.{suffix}").text


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG without pixels, but with this chunk."""
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0))
    return start + chunk(kind, body) + chunk(b"IEND", b"")


BOMB = zlib.compress(bytes(2**28))

PNG: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("nothing", lambda _: b""),
    ("a signature only", lambda data: data[:8]),
    ("cut in its text", lambda data: data[: data.index(b"crantcli\0") + 40]),
    ("cut in the picture", lambda data: data[: data.index(b"IDAT") + 100]),
    ("without its end", lambda data: data[:-12]),
    ("end cut", lambda data: data[:-1]),
    ("checksum of the text", lambda data: data.replace(b'"kind":"adj', b'"kind":"abj')),
    ("checksum of the picture", lambda data: data[:-40] + b"\0\1\2\3" + data[-36:]),
    ("a length that leads out of it", lambda data: data[:8] + b"\x7f\xff\xff\xff" + data[12:]),
    ("text as another program's", lambda data: data.replace(b"iTXt", b"tEXt")),
    ("iTXt, empty", lambda _: with_chunk(b"iTXt", b"")),
    ("iTXt, a key only", lambda _: with_chunk(b"iTXt", b"crantcli\0")),
    ("iTXt, a key and flags", lambda _: with_chunk(b"iTXt", b"crantcli\0\0\0en")),
    ("iTXt, bytes that are no UTF-8", lambda _: with_chunk(b"iTXt", b'crantcli\0\0\0\0\0{"a":"\xff"}')),
    ("iTXt, not what zlib packs", lambda _: with_chunk(b"iTXt", b"crantcli\0\1\0\0\0junk")),
    ("iTXt, packed and cut", lambda _: with_chunk(b"iTXt", b"crantcli\0\1\0\0\0" + zlib.compress(b"{}" * 99)[:-8])),
    ("iTXt, packed to fill memory", lambda _: with_chunk(b"iTXt", b"crantcli\0\1\0\0\0" + BOMB)),
    ("JSON that is cut", lambda _: with_chunk(b"tEXt", b'crantcli\0{"command":')),
    ("JSON that is no object", lambda _: with_chunk(b"tEXt", b"crantcli\0[1, 2]")),
    ("JSON of no end", lambda _: with_chunk(b"tEXt", b"crantcli\0" + b"[" * 99_999)),
]

SVG: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("nothing", lambda _: b""),
    ("cut before its text", lambda data: data[: data.index(b"<dc:description>")]),
    ("cut in its text", lambda data: data[: data.index(b"<dc:description>") + 90]),
    ("cut in the picture", lambda data: data[: len(data) // 2]),
    ("end cut", lambda data: data[:-3]),
    ("bytes that are no UTF-8", lambda data: data.replace(b'"kind":"adj', b'"kind":"a\xff\xfej')),
    ("a character that XML has not", lambda data: data.replace(b'"kind":"adj', b'"kind":"a\0j')),
    ("JSON that is cut", lambda data: data.replace(b'{"command"', b'"command"')),
    ("an entity that nobody knows", lambda data: data.replace(b'"kind":"adj', b'"kind":"&lol;')),
    ("an encoding that nobody knows", lambda data: data.replace(b'encoding="utf-8"', b'encoding="utf-99"')),
    ("entities that fill memory", lambda data: data.replace(
        b'PUBLIC "-//W3C//DTD SVG 1.1//EN"\n  "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"',
        b'[<!ENTITY a "ha">' + b"".join(
            f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 20}">'.encode() for n in range(9)
        ) + b"]",
    ).replace(b'"kind":"adj', b'"kind":"&j;')),
    ("no drawing", lambda _: b"<html></html>"),
]  # fmt: skip

PDF: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("nothing", lambda _: b""),
    ("cut before its text", lambda data: data[: data.index(b"/Keywords")]),
    ("cut in its text", lambda data: data[: data.index(b"/Keywords") + 90]),
    ("end cut", lambda data: data[:-40]),
    ("text that does not end", lambda data: re.sub(rb"\)(\s*>>\nendobj\nxref)", rb" \1", data)),
    ("UTF-16 that is none", lambda data: data.replace(b"/Keywords (", b"/Keywords (\xfe\xff\xd8\x00")),
    ("JSON that is cut", lambda data: data.replace(b'{\0"\0c\0o\0m\0m\0a\0n\0d', b'"\0c\0o\0m\0m\0a\0n\0d')),
    ("the start overwritten", lambda data: bytes(5) + data[5:]),
]

DAMAGES = [(suffix, *damage) for suffix, damages in (("png", PNG), ("svg", SVG), ("pdf", PDF)) for damage in damages]


@pytest.mark.parametrize(
    ("suffix", "harm"), [(s, harm) for s, _, harm in DAMAGES], ids=[f"{s}, {what}" for s, what, _ in DAMAGES]
)
def test_a_damaged_picture_is_named(
    crant: Crant, pictures: dict[str, bytes], suffix: str, harm: Callable[[bytes], bytes]
) -> None:
    data = harm(pictures[suffix])
    assert data != pictures[suffix]
    text_file(f"bad.{suffix}", data)
    complaint(crant("info", f"bad.{suffix}"), 3, f"bad.{suffix}", "damaged")
    complaint(crant("info", f"bad.{suffix}", "--json"), 3, f"bad.{suffix}", "damaged")


OTHERS = {
    "png": with_chunk(b"tEXt", b"Comment\0[no record"),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><metadata><d:description xmlns:d="http://purl.org/dc/elements/1.1/">'
    b"a drawing</d:description></metadata></svg>",
    "pdf": b"%PDF-1.4\n1 0 obj\n<< /Creator (LaTeX) /Keywords (neurons, \\(and\\) flies) >>\nendobj\n%%EOF\n",
}


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_pictures_of_other_programs_are_none_of_ours(crant: Crant, suffix: str) -> None:
    text_file(f"other.{suffix}", OTHERS[suffix])
    shown = crant("info", f"other.{suffix}")
    assert shown.code == 0, shown.err
    assert "no provenance" in shown.err


def test_keywords_that_another_program_has_written_anew_are_not_damaged(
    crant: Crant, pictures: dict[str, bytes]
) -> None:
    text_file(
        "anew.pdf", re.sub(rb"/Keywords \(.*?\)(?=\s*>>)", b"/Keywords <FEFF007B>", pictures["pdf"], flags=re.DOTALL)
    )
    shown = crant("info", "anew.pdf")
    assert (shown.code, "no provenance" in shown.err) == (0, True)


def test_names_of_pictures_that_cannot_be_read(crant: Crant) -> None:
    complaint(crant("info", "nobody.png"), 2, "nobody.png", "no such file")
    Path("folder.svg").mkdir()
    complaint(crant("info", "folder.svg"), 2, "folder.svg", "manifest.json")
    if os.geteuid():
        text_file("p.pdf", OTHERS["pdf"])
        Path("p.pdf").chmod(0)
        complaint(crant("info", "p.pdf"), 2, "p.pdf", "permission")


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_pictures_at_random(pictures: dict[str, bytes], suffix: str) -> None:
    chance, whole = random.Random(suffix), json.dumps(describe(f"p.{suffix}")["provenance"])
    for _ in range(150 * TIMES):
        text_file(f"bad.{suffix}", damaged(pictures[suffix], chance, TEXT))
        try:
            found = describe(f"bad.{suffix}")
        except DataError as error:
            proper(error, f"bad.{suffix}")
        else:
            json.dumps(found)
            assert suffix != "png" or json.dumps(found["provenance"]) == whole


# Provenance of other forms


@pytest.mark.parametrize("depth", [100, 300, 400, 500, 900])
def test_provenance_of_many_lists_within_one_another(crant: Crant, depth: int) -> None:
    deep: Any = f'{{"crantcli": "0.1.0", "rows": 1, "options": {{"a": {"[" * depth + "]" * depth}}}}}'
    text_file("deep.png", with_chunk(b"tEXt", b"crantcli\0" + deep.encode()))
    for words in (["info", "deep.png"], ["info", "deep.png", "--json"]):
        shown = crant(*words)
        if shown.code:
            complaint(shown, 3, "deep.png", "damaged")


# Data sets


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[files]\nsynapses = " + b"[" * 9_999, "TOML"),
        (b"[files]\nsynapses = \xff", "TOML"),
        (b"background_ids = " + b"9" * 9_999, "TOML"),
        (b"[files\n", "TOML"),
        (b"[voxel]\nsize_nm = [1" + b"0" * 400 + b", 1, 1]", "voxel.size_nm"),
        (b"[voxel]\nsize_nm = [inf, 1, 1]", "voxel.size_nm"),
        (b'[neuropils]\nsource = "x"\ntransform = [nan, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]', "neuropils.transform"),
    ],
)
def test_a_damaged_description_of_a_data_set_is_named(crant: Crant, content: bytes, words: str) -> None:
    text_file("brain.toml", content)
    complaint(crant("connectivity", "-d", "brain.toml"), 3, "brain", words)


@pytest.mark.parametrize("form", ["1e999", "-1e999", "NaN", "1" + "0" * 400, "{}", "[1]", '"1"', "null", "1" * 5_000])
def test_a_lock_with_other_numbers_is_named(crant: Crant, form: str) -> None:
    text_file("edges.csv", "pre,post\n1,2\n")
    text_file("brain.toml", '[files]\nsynapses = "edges.csv"\n')
    for content in (f'{{"crantcli_lock": {form}}}', lock_of_cave(form)):
        text_file("brain.lock", content)
        complaint(crant("connectivity", "-d", "brain.toml", "--lock", "brain.lock"), 3, "brain.lock")


def lock_of_cave(form: str) -> str:
    """A lock with this as a length of its voxels."""
    cave = {"server": "https://x", "datastack": "y", "table": "z", "version": 1, "time": "2026-01-01T00:00:00+00:00"}
    record = {"crantcli_lock": LOCK_FORMAT, "cave": {**cave, "resolution": ["@", 1, 1]}}
    return json.dumps(record).replace('"@"', form)


# Tables: a record of another form than ours says nothing, and the rows are read all the same

DAMAGED: list[dict[str, Any]] = [
    {"voxel_size_nm": [10**400, 1, 1], "units": "nm"},
    {"voxel_size_nm": [float("inf"), float("nan"), -1], "units": "nm"},
    {"filters": {"threshold": "x"}},
    {"filters": {"threshold": [1]}},
    {"filters": {"threshold": 10**30}},
    {"filters": {"min_size": "many"}},
    {"filters": {"where": [1, {}]}},
    {"filters": {"where": 5}},
    {"complete_for": {"inputs_of": 5, "outputs_of": "all"}},
    {"complete_for": {"inputs_of": "12", "outputs_of": "all"}},
    {"complete_for": {"inputs_of": "all", "outputs_of": "all", "thinned_by": 7}},
    {"command": 5},
    {"kind": [1]},
    {"kind": {"a": 1}},
]


@pytest.mark.parametrize("other", DAMAGED, ids=map(str, range(len(DAMAGED))))
def test_a_record_of_another_form_says_nothing(crant: Crant, other: dict[str, Any]) -> None:
    table = pa.table({"id": [1, 2], "pre": [1, 1], "post": [2, 2], "x": [1, 1], "y": [1, 1], "z": [1, 1]})
    record = json.dumps({"crantcli": "0.1.0", "rows": 2, **other})
    pq.write_table(table.replace_schema_metadata({"crantcli": record}), "a.parquet")
    pq.write_table(table, "bare.parquet")
    for words in (["connectivity", "-t", 2], ["connectivity", "--normalize", "input"], ["counts"], ["synapses"]):
        assert answer(crant(*words, "a.parquet")) == answer(crant(*words, "bare.parquet"))
    for words in (["info", "a.parquet"], ["info", "a.parquet", "--json"]):
        assert crant(*words).code == 0
    done = crant("synapses", "a.parquet", "--units", "nm", "-o", "out.parquet")
    assert done.code == crant("synapses", "bare.parquet", "--units", "nm", "-o", "out.parquet").code
