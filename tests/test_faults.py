"""Damaged inputs end with exit 3 and the name of the file; hostile ones say nothing that steers a terminal."""

from __future__ import annotations

import gzip
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from tables import answer, complaint, feather_file, parquet_file, text_file, weights

import crantcli as cc
from crantcli.sources.tables.files import Packed, Source
from crantcli.sources.tables.gzipped import blocks_of_text
from crantcli.sources.tables.npz import read_npz

pytestmark = pytest.mark.slow

ROWS = 60_000


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("small.csv", "pre,post\n1,2\n1,2\n2,3\n")


def lines() -> str:
    return "id,pre,post\n" + "".join(f"{n},{n * 7919 % 211},{n * 104729 % 223 + 300}\n" for n in range(ROWS))


def changed(path: str, start: int, new: bytes) -> None:
    """Put other bytes into a file."""
    data = bytearray(Path(path).read_bytes())
    data[start : start + len(new)] = new
    Path(path).write_bytes(data)


# gzip


def packed(content: str) -> bytes:
    return gzip.compress(content.encode(), mtime=0)


GZIP: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("start", lambda data: data[:12] + b"\xff" * 40 + data[52:], "garbled"),
    ("middle", lambda data: data[: len(data) // 2] + b"\xff" * 64 + data[len(data) // 2 + 64 :], ""),
    ("cut", lambda data: data[: len(data) // 2], "end is missing"),
    ("end", lambda data: data[:-4], "end is missing"),
    ("checksum", lambda data: data[:-8] + b"\1\2\3\4" + data[-4:], "checksum"),
    ("length", lambda data: data[:-4] + b"\1\2\3\4", "checksum"),
    ("junk after it", lambda data: data + b"junk", "after its end"),
    ("second member", lambda data: data + data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], ""),
    ("junk", lambda data: b"\x1f\x8b" + bytes(range(256)), "garbled"),
]


@pytest.mark.parametrize(("what", "damage", "words"), GZIP, ids=[what for what, _, _ in GZIP])
@pytest.mark.parametrize("suffix", ["csv.gz", "tsv.gz"])
def test_damaged_gzip(crant: Crant, what: str, damage: Callable[[bytes], bytes], words: str, suffix: str) -> None:
    content = lines() if suffix == "csv.gz" else lines().replace(",", "\t")
    Path(f"bad.{suffix}").write_bytes(damage(packed(content)))
    for command in ("connectivity", "counts", "info"):
        complaint(crant(command, f"bad.{suffix}"), 3, f"bad.{suffix}", "damaged", words)
    complaint(crant("connectivity", "small.csv", "-a", f"bad.{suffix}", "-n", "pre=1"), 3, f"bad.{suffix}", words)
    complaint(crant("connectivity", "small.csv", "-n", f"@bad.{suffix}:pre"), 3, f"bad.{suffix}", words)


def test_a_list_of_ids_in_damaged_gzip(crant: Crant) -> None:
    data = packed("\n".join(map(str, range(1, 5000))))
    Path("ids.gz").write_bytes(data[:12] + b"\xff" * 40 + data[52:])
    complaint(crant("connectivity", "small.csv", "-n", "@ids.gz"), 3, "ids.gz", "damaged")
    complaint(crant("nested", "small.csv", "-a", "small.csv", "--source-types", "@ids.gz"), 3, "ids.gz", "damaged")


def test_gzip_of_several_members(crant: Crant) -> None:
    """As bgzip and cat make them, also with zeros at the end."""
    rows = lines().splitlines(keepends=True)
    parts = [packed("".join(rows[start : start + 1000])) for start in range(0, len(rows), 1000)]
    text_file("plain.csv", lines())
    Path("many.csv.gz").write_bytes(b"".join(parts) + bytes(1024))
    assert answer(crant("connectivity", "many.csv.gz")) == answer(crant("connectivity", "plain.csv"))


# CSV


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('id,"pre,post\n' + "1,2,3\n" * 50_000, "quote"),
        ('"id,pre,post\n1,2,3\n', "quote"),
        ('id,pre,post\n1,2,3\n4,"5,6\n' + "1,2,3\n" * 50_000, "line 3"),
        ("x" * 200_000 + ",pre,post\n1,2,3\n", "longer"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_quotes_that_do_not_close_and_headers_without_end(crant: Crant, content: str, words: str, suffix: str) -> None:
    text_file(f"bad.{suffix}", content)
    complaint(crant("connectivity", f"bad.{suffix}"), 3, f"bad.{suffix}", words)
    complaint(crant("connectivity", "small.csv", "-a", f"bad.{suffix}", "-n", "pre=1"), 3, f"bad.{suffix}", words)


def test_what_stands_in_a_row_is_not_taken_for_a_message(crant: Crant) -> None:
    text_file("bad.csv", 'pre,post\n1,"x"y  file = other.csv\n')
    assert "other.csv" not in complaint(crant("connectivity", "bad.csv"), 3, "bad.csv, line 2", "quote")


# Parquet


def columns() -> dict[str, Any]:
    return {
        "id": np.arange(ROWS),
        "pre": np.arange(ROWS) % 211,
        "post": np.arange(ROWS) % 223 + 300,
        "remark": [f"remark {number * 7919 % 100_003}" for number in range(ROWS)],
    }


def damaged_page(name: str, codec: str, column: int, group: int = 3) -> None:
    """A table whose page in the middle is zeros."""
    pq.write_table(pa.table(columns()), name, row_group_size=10_000, compression=codec, use_dictionary=False)
    chunk = pq.ParquetFile(name).metadata.row_group(group).column(column)
    if codec != "none":  # in which zeros are content
        changed(name, chunk.data_page_offset + chunk.total_compressed_size // 2, bytes(2_000))
    changed(name, chunk.data_page_offset, bytes(40))


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip", "lz4", "brotli", "none"])
@pytest.mark.parametrize("column", [1, 3])
def test_a_damaged_page_names_its_file(crant: Crant, codec: str, column: int) -> None:
    """Column 3 is read last, when what goes before it has been written."""
    parquet_file("whole.parquet", **columns())
    damaged_page("bad.parquet", codec, column)
    for suffix in ("parquet", "feather", "csv"):
        done = crant("synapses", "whole.parquet", "bad.parquet", "-o", f"out.{suffix}")
        assert "whole" not in complaint(done, 3, "bad.parquet", "damaged", "again")
        assert not Path(f"out.{suffix}").exists()
    with pytest.raises(cc.DataError, match=r"^bad\.parquet: is truncated or damaged"):
        cc.get_synapses(source="bad.parquet")


@pytest.mark.parametrize("where", ["length", "start", "end"])
def test_a_damaged_footer_names_its_file(crant: Crant, where: str) -> None:
    parquet_file("whole.parquet", **columns())
    data = parquet_file("bad.parquet", **columns()).read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    start = {"length": 8, "start": 8 + length, "end": 4}[where]
    changed("bad.parquet", len(data) - start, b"\xff" * 4)
    for command in (("connectivity",), ("synapses", "-o", "out.csv"), ("info",)):
        sources = ["bad.parquet"] if command[0] == "info" else ["whole.parquet", "bad.parquet"]
        assert "whole" not in complaint(crant(command[0], *sources, *command[1:]), 3, "bad.parquet", "damaged")


# Feather


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
@pytest.mark.parametrize("where", [0.0, 0.8, 0.999])
def test_damaged_feather_names_its_file(crant: Crant, compression: str, where: float) -> None:
    feather_file("whole.feather", **columns())
    path = feather_file("bad.feather", compression=compression, **columns())
    data = path.read_bytes()
    start = int(len(data) * where)
    text = columns()["remark"]
    if compression == "uncompressed" and where == 0.8:
        # Places of texts in memory that lead far out of it.
        offsets = np.cumsum([0, *(len(value) for value in text)], dtype=np.int32).tobytes()
        start = data.index(offsets[400:800])
        path.write_bytes(data[:start] + struct.pack("<i", 2**30) * 100 + data[start + 400 :])
    else:
        path.write_bytes(data[:start] + bytes(3_000) + data[start + 3_000 :])
    for command in ("synapses", "connectivity"):
        done = crant(command, "whole.feather", "bad.feather", "-o", "out.csv")
        told = complaint(done, 3, "bad.feather")
        assert "whole" not in told
        assert "registered" not in told
        assert not Path("out.csv").exists()


# npz


def matrix(name: str = "a.npz", **other: Any) -> dict[str, Any]:
    """A matrix of ours, with some arrays in other forms; None leaves one out."""
    arrays: dict[str, Any] = {
        "format": np.array(b"csr"), "shape": np.array([2, 3]), "data": np.array([5, 6, 7]),
        "indices": np.array([0, 2, 1]), "indptr": np.array([0, 2, 3]), "pre": np.array([10, 20]),
        "post": np.array([10, 20, 30]), "crantcli": np.array("{}"),
    }  # fmt: skip
    arrays |= other
    np.savez_compressed(name, **{key: value for key, value in arrays.items() if value is not None})
    return arrays


def test_a_matrix_that_is_whole(crant: Crant) -> None:
    matrix()
    assert weights(crant("connectivity", "a.npz", "--no-clean")) == {
        ("10", "10"): "5", ("10", "30"): "6", ("20", "20"): "7"
    }  # fmt: skip
    matrix(pre=np.array([b"a", "é".encode()]), post=np.array(["a", "b", "c"]))
    assert weights(crant("connectivity", "a.npz", "--no-clean"))[("é", "b")] == "7"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"pre": None}, "no array pre"),
        ({"format": np.array(b"csc")}, "row form"),
        ({"format": np.array([b"csr", b"csr"])}, "row form"),
        ({"shape": np.array([3, 3])}, "shape"),
        ({"shape": np.array([2, 3, 1])}, "shape"),
        ({"indptr": np.array([0, 2])}, "row form"),
        ({"indptr": np.array([0, 5, 3])}, "entries"),
        ({"indptr": np.array([1, 2, 3])}, "entries"),
        ({"indptr": np.array([0, 2, 4])}, "entries"),
        ({"indptr": np.array([0.0, 2.0, 3.0])}, "numbers"),
        ({"indices": np.array([0, 3, 1])}, "column"),
        ({"indices": np.array([0, -1, 1])}, "column"),
        ({"indices": np.array([[0, 2, 1]])}, "list"),
        ({"data": np.array([5, 6])}, "entries"),
        ({"data": np.array(["5", "6", "7"])}, "numbers"),
        ({"data": np.array([True, False, True])}, "numbers"),
        ({"data": np.array([1.0, np.nan, 2.0])}, "finite"),
        ({"data": np.array([1.0, np.inf, 2.0])}, "finite"),
        ({"data": np.array([1, 2, 3], dtype=np.longdouble)}, "finite"),
        ({"pre": np.array([10, 10])}, "twice"),
        ({"pre": np.array([1.0, 2.0])}, "integers nor text"),
        ({"pre": np.array([2**64 - 1, 1], dtype=np.uint64)}, "64 bits"),
        ({"pre": np.array([b"\xff", b"a"])}, "UTF-8"),
        ({"pre": np.frombuffer(struct.pack("<2I", 0x110000, 65), "<U1")}, "no text"),
        ({"pre": np.frombuffer(struct.pack("<2I", 0xD800, 65), "<U1")}, "no text"),
        ({"crantcli": np.array(["a", "b"])}, "provenance"),
        ({"data": np.array([{}, {}, {}], dtype=object)}, "neither numbers nor text"),
        ({"data": np.zeros(3, dtype=[("a", int)])}, "neither numbers nor text"),
    ],
)
def test_a_matrix_whose_arrays_do_not_fit(crant: Crant, other: dict[str, Any], words: str) -> None:
    matrix(**other)
    complaint(crant("connectivity", "a.npz"), 3, "a.npz", words)


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        "5",
        '{"complete_for": 5}',
        '{"filters": 5}',
        '{"options": []}',
        '{"crantcli": "0", "command": {}}',
        "[" * 99_999,
    ],
)
def test_provenance_that_is_none(crant: Crant, record: str) -> None:
    """It says nothing, and the table is read all the same."""
    matrix(crantcli=np.array(record))
    assert len(weights(crant("connectivity", "a.npz", "--no-clean"))) == 3
    assert crant("info", "a.npz").code == 0
    table = pa.table({"pre": [1], "post": [2]})
    pq.write_table(table.replace_schema_metadata({"crantcli": record, "PANDAS_ATTRS": record}), "a.parquet")
    assert len(weights(crant("connectivity", "a.parquet"))) == 1
    assert crant("info", "a.parquet").code == 0


def member(shape: tuple[int, ...], content: bytes, version: int = 1) -> bytes:
    header = repr({"descr": "<i8", "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + content
    )


def archive(content: bytes, size: int | None = None, deflated: bool = True) -> None:
    """An .npz whose array `data` is this; `size` is what its directory says that it unpacks to."""
    matrix(data=None)
    with zipfile.ZipFile("a.npz", "a", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as file:
        file.writestr("data.npy", content)
    if size is not None:
        whole = Path("a.npz").read_bytes()
        place = whole.rindex(b"PK\1\2")
        Path("a.npz").write_bytes(whole[: place + 24] + struct.pack("<I", size) + whole[place + 28 :])


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2**40,), None),
        ((2**62, 2**62), None),
        ((-1,), None),
        ((2**28,), 2**31 + 128),
        ((3, 2**33), None),
        ((2,), None),
    ],
)  # fmt: skip
def test_an_array_is_not_larger_than_the_room_that_it_has(
    crant: Crant, shape: tuple[int, ...], size: int | None
) -> None:
    archive(member(shape, bytes(24)), size)
    told = complaint(crant("connectivity", "a.npz"), 3, "a.npz", "no room")
    assert "emory" not in told


def test_arrays_that_fill_memory_from_next_to_nothing(crant: Crant) -> None:
    """Everything in the file is true."""
    header, zeros = member((2**28,), b""), bytes(2**20)
    with (
        zipfile.ZipFile("a.npz", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("data.npy", "w", force_zip64=True) as data,
    ):
        data.write(header)
        for _ in range(2**31 // len(zeros)):
            data.write(zeros)
    complaint(crant("connectivity", "a.npz"), 3, "a.npz", "no matrix")


def test_headers_of_other_versions(crant: Crant) -> None:
    archive(member((3,), bytes(24), version=2))
    complaint(crant("connectivity", "a.npz"), 3, "a.npz", "version")
    archive(b"\x93NUMPY\1\0\xff\xff{'descr'")
    complaint(crant("connectivity", "a.npz"), 3, "a.npz", "cannot be read")


def test_every_byte_of_an_archive_counts(tmp_path: Path) -> None:
    """A file with one byte changed is refused, or gives the same arrays."""
    expected = matrix()
    whole = Path("a.npz").read_bytes()
    for place in range(len(whole)):
        Path("b.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            arrays, _ = read_npz(Path("b.npz"), "b.npz", list(expected))
        except cc.DataError:
            continue
        for key, array in arrays.items():
            assert np.array_equal(array, expected[key])


# Text that is not meant for a terminal


NASTY = "a\x1b[31mb\x07c\x00d\x9be\u202ef\r\ng"


def test_what_stands_in_a_file_does_not_steer_the_terminal(crant: Crant) -> None:
    parquet_file("a.parquet", **{NASTY: [1], "b": [2]})
    told = complaint(crant("connectivity", "a.parquet"), 3, "a.parquet", r"a\x1b[31mb\x07c\x00d\x9be\u202ef\r\ng")
    assert told.isprintable()
    shown = crant("info", "a.parquet")
    assert shown.code == 0
    assert all(line.isprintable() for line in shown.text.splitlines())
    in_json = crant("info", "a.parquet", "--json")
    assert all(line.isprintable() for line in in_json.text.splitlines())
    assert json.loads(in_json.out)["columns"] == [NASTY, "b"]
    parquet_file("b.parquet", pre=["x"], post=["y"], weight=[NASTY])
    complaint(crant("connectivity", "b.parquet"), 3, "b.parquet", r"\x1b[31m")
    text_file("types.csv", "root_id,cell_type\n1,A\n")
    done = crant("connectivity", "small.csv", "-a", "types.csv", "-n", f"cell_type=A,{NASTY.replace(chr(0), '')}", "-q")
    assert done.code == 0
    done = crant("connectivity", "small.csv", "-a", "types.csv", "-n", "cell_type=A,\x1b[2J")
    assert r"\x1b[2J" in done.err
    assert all(line.isprintable() for line in done.err.splitlines())


@pytest.mark.parametrize("value", ["x" * 3_000_000, "\x1b" * 3_000_000])
def test_a_line_is_not_longer_than_can_be_read(crant: Crant, value: str) -> None:
    parquet_file("long.parquet", pre=["a"], post=["b"], weight=[value])
    told = complaint(crant("connectivity", "long.parquet"), 3, "long.parquet, column weight, row 1", "is not a number")
    assert len(told) <= 2_000
    assert told.isprintable()
    parquet_file("wide.parquet", **{value: [1], "b": [2]})
    assert len(complaint(crant("connectivity", "wide.parquet"), 3, "wide.parquet", "--kind adjacency")) <= 2_000


def test_numbers_that_are_too_large(crant: Crant) -> None:
    text_file("sum.csv", "pre,post,weight\n" + f"1,2,{2**52}\n" * 3000)
    told = complaint(crant("connectivity", "sum.csv", "--sum-duplicates"), 3, "sum.csv")
    for word in ("INT", "Conversion", "cast"):
        assert word not in told


# Names


def test_names_that_the_engine_would_take_for_something_else(crant: Crant) -> None:
    expected = answer(crant("connectivity", "small.csv"))
    for name in (
        "~x.csv",
        "~root.csv",
        "~",
        "-.csv",
        "a*b.csv",
        "a?.csv",
        "[a].csv",
        "a'b.csv",
        'a"b.csv',
        "a\tb\nc.csv",
        " .csv",
    ):
        text_file(name if name.endswith(".csv") else f"{name}/a.csv", "pre,post\n1,2\n1,2\n2,3\n")
        source = f"./{name}" if name[0] == "-" else name
        assert answer(crant("connectivity", source)) == expected, name
        assert crant("connectivity", source, "-o", "out.csv").code == 0
        if name.endswith(".csv"):
            assert answer(crant("connectivity", "small.csv", "-n", f"@{source}:pre")) == expected
            assert crant("connectivity", "small.csv", "-o", f"sub-{name}").code == 0
            assert answer(crant("connectivity", f"sub-{name}")) == expected
            assert crant("info", source).code == 0


@pytest.fixture
def not_text() -> str:
    """A name whose bytes are no UTF-8, where the system has such."""
    name = os.fsdecode(b"caf\xe9")
    try:
        Path(f"{name}.csv").write_text("pre,post\n1,2\n1,2\n2,3\n")
    except OSError:
        pytest.skip("names are text here")
    return name


def test_names_that_are_no_text(crant: Crant, not_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answer(crant("connectivity", "small.csv"))
    source = f"{not_text}.csv"
    assert answer(crant("connectivity", source)) == expected
    assert answer(crant("connectivity", "small.csv", "-n", f"@{source}:pre")) == expected
    os.mkdir(not_text)
    text_file(f"{not_text}/{not_text}.csv", "pre,post\n1,2\n1,2\n2,3\n")
    assert answer(crant("connectivity", not_text)) == expected
    for suffix in ("csv", "parquet", "feather"):
        for folder in (".", not_text):
            output = f"{folder}/out-{not_text}.{suffix}"
            done = crant("connectivity", source, "-n", f"@{source}:pre", "-o", output, "--json")
            assert done.code == 0, done.err
            assert json.loads(done.out)["outputs"] == [output]
            assert answer(crant("connectivity", output)) == expected
            shown = crant("info", output)
            assert rf"out-caf\xe9.{suffix}" in shown.text
            if suffix != "csv":
                assert r"input       caf\xe9.csv (" in shown.text
                assert (
                    json.loads(crant("info", output, "--json").out)["provenance"]["inputs"][0]["name"] == r"caf\xe9.csv"
                )
    assert crant("adjacency", source, "-o", f"{not_text}/m.npz", "--plot", f"{not_text}/m.png").code == 0
    complaint(crant("connectivity", f"no-{source}"), 2, r"no-caf\xe9.csv", "no such file")
    complaint(crant("connectivity", source, "--tmp-dir", not_text), 2, r"caf\xe9", "UTF-8")
    text_file("types.csv", "root_id,cell_type\n1,A\n")
    complaint(crant("connectivity", "small.csv", "-a", "types.csv", "-n", f"cell_type={not_text}"), 3, r"caf\xe9")
    done = crant("connectivity", "small.csv", "-a", "types.csv", "-n", f"cell_type!={not_text}", "-o", "o.parquet")
    assert done.code == 0, done.err
    monkeypatch.chdir(not_text)
    assert crant("connectivity", source, "-o", "here.parquet").code == 0
    assert answer(crant("connectivity", "here.parquet")) == expected
    assert not [name for folder in (".", "..") for name in os.listdir(folder) if ".crantcli-" in name]


# Empty names

EMPTY = [
    ("connectivity", [""], "SOURCE"),
    ("connectivity", ["small.csv", ""], "SOURCE"),
    ("connectivity", ["small.csv", "-a", ""], "--annotations"),
    ("connectivity", ["small.csv", "-o", ""], "--output"),
    ("connectivity", ["small.csv", "-d", ""], "--dataset"),
    ("connectivity", ["small.csv", "--tmp-dir", ""], "--tmp-dir"),
    ("connectivity", ["small.csv", "--lock", ""], "--lock"),
    ("connectivity", ["small.csv", "--normalize", "input", "--totals", ""], "--totals"),
    ("connectivity", ["small.csv", "--assignments", "", "--neuropil", "a"], "--assignments"),
    ("connectivity", ["small.csv", "-n", "@"], "@"),
    ("nested", ["small.csv", "-a", "small.csv", "--type-order", "@"], "@"),
    ("nested", ["small.csv", "-a", "small.csv", "--type-sum", ""], "--type-sum"),
    ("nested", ["small.csv", "-a", "small.csv", "--order", ""], "--order"),
    ("adjacency", ["small.csv", "--plot", ""], "--plot"),
    ("neuropil", ["small.csv", "--meshes", "", "-o", "n"], "--meshes"),
    ("attach", ["small.csv", "--skeletons", ""], "--skeletons"),
    ("attach", ["small.csv", "--skeletons", "small.csv", "--id-map", ""], "--id-map"),
    ("meshes", ["", "-o", "n"], "SOURCE"),
    ("info", [""], "FILE"),
    ("ids", ["1", "-a", ""], "--annotations"),
    ("lock", ["-d", "latest", "-o", ""], "--output"),
]


@pytest.mark.parametrize(("command", "words", "label"), EMPTY, ids=[" ".join([c, *w]) for c, w, _ in EMPTY])
def test_an_empty_name_is_wrong_usage(crant: Crant, command: str, words: list[str], label: str) -> None:
    before = os.listdir()
    complaint(crant(command, *words), 2, label, "name")
    assert os.listdir() == before


def test_empty_names_in_python_and_in_data_sets(crant: Crant) -> None:
    for source in ("", [""], ["small.csv", ""]):
        with pytest.raises(cc.UsageError, match="empty name"):
            cc.get_connectivity(source=source)
    for other in ({"annotations": ""}, {"assignments": "", "neuropil": "a"}, {"totals": "", "normalize": "input"}):
        with pytest.raises(cc.UsageError, match="empty name"):
            cc.get_connectivity(source="small.csv", **other)
    for key in ("synapses", "annotations", "meshes", "skeletons"):
        text_file("brain.toml", f'[files]\n{key} = ""\n')
        complaint(crant("connectivity", "-d", "brain.toml"), 3, f"files.{key}", "path")


def test_unpacking_takes_little_memory(tmp_path: Path) -> None:
    """A block at a time, however much it gives."""
    packer = zlib.compressobj(wbits=31)
    data = b"".join([*(packer.compress(bytes(2**20)) for _ in range(64)), packer.flush()])
    path = tmp_path / "t.csv.gz"
    path.write_bytes(data)
    source = Source(tmp_path / "t.csv", "csv", "t.csv", packed=Packed(path, path))
    sizes = [len(block) for block in blocks_of_text(source, tmp_path)]
    assert (sum(sizes), max(sizes) <= 2**20) == (2**26, True)
