"""Every wrong input: its exit code, one line that helps, and no file left behind."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant, Outcome
from tables import ONE, answer, complaint, feather_file, parquet_file, text_file, weights

import crantcli.engine.duckdb as engines
from crantcli.sources.tables.pages import ColumnChunk, check_pages

Clean = Callable[..., Outcome]


@pytest.fixture
def folder(crant: Crant, tmp_path: Path) -> Path:
    """A folder with a few good and bad tables."""
    text_file("good.csv", "id,pre,post\n1,10,20\n2,10,20\n3,20,30\n")
    text_file("edges.csv", "pre,post,weight\n10,20,2\n20,30,1\n")
    text_file("types.csv", "root_id,cell_type,side\n10,ER1,left\n20,EPG,right\n")
    text_file("floats.csv", "pre,post\n5.76460752641834E+17,2\n")
    text_file("damaged.csv", "pre,post\n1,2\n3\n")
    text_file("twice.csv", "pre,post,weight\n1,2,3\n1,2,4\n")
    text_file("neuropils.csv", "pre,post,weight,roi\n1,2,3,EB\n1,2,4,EB\n")
    text_file("unclear.csv", "pre,post,weight,source,target\n1,2,3,4,5\n")
    text_file("other.csv", "a,b,c\nx,y,1\n")
    text_file("parts/a.csv", "pre,post\n1,2\n")
    text_file("parts/b.csv", "pre,post\n1,3\n")
    parquet_file("floats.parquet", pre=[float(ONE)], post=[2])
    feather_file("floats.feather", pre=[float(ONE)], post=[2])
    Path("cut.parquet").write_bytes(parquet_file("whole.parquet", pre=[1], post=[2]).read_bytes()[:-20])
    Path("sub").mkdir()
    return tmp_path


def everything(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


CASES: list[tuple[int, str, list[str]]] = [
    # columns
    (3, "connectivity other.csv -o out.csv", ["other.csv", "a, b, c", "--pre-col"]),
    (3, "connectivity unclear.csv -o out.csv", ["unclear.csv", "pre, post", "source, target"]),
    (3, "connectivity good.csv --pre-col prre -o out.csv", ["--pre-col prre", "near names: pre"]),
    (3, "connectivity good.csv --kind edges -o out.csv", ["good.csv", "weight", "id, pre, post"]),
    (3, "synapses edges.csv -o out.csv", ["edges", "one row per synapse"]),
    (3, "synapses good.csv --columns id,sise -o out.csv", ["--columns sise", "id"]),
    (3, "connectivity good.csv --min-size 5 -o out.csv", ["--min-size", "size column"]),
    (3, "synapses good.csv --min-size 5 -o out.csv", ["--min-size", "size column"]),
    (3, "connectivity edges.csv --min-size 5 -o out.csv", ["--min-size", "size column"]),
    (3, "connectivity good.csv --by neuropil -o out.csv", ["--by neuropil", "roi"]),
    (3, "synapses good.csv --units nm -o out.csv", ["--units nm", "no positions"]),
    # IDs
    (3, "connectivity floats.csv -o out.csv", ["floats.csv, column pre, row 1", "5.76460752641834E+17"]),
    (3, "connectivity floats.parquet -o out.csv", ["floats.parquet, column pre", "floating-point"]),
    (3, "connectivity floats.feather -o out.csv", ["floats.feather, column pre", "floating-point"]),
    (3, "counts good.csv -n 10.5 -o out.csv", ["10.5", "floating-point"]),
    # damage
    (3, "connectivity cut.parquet -o out.csv", ["cut.parquet", "truncated or damaged"]),
    (3, "connectivity damaged.csv -o out.csv", ["damaged.csv, line 3", "1 columns instead of the 2"]),
    # repeats
    (3, "connectivity twice.csv -o out.csv", ["pre 1, post 2", "2 rows", "--sum-duplicates"]),
    (3, "counts twice.csv -o out.csv", ["pre 1, post 2", "--sum-duplicates"]),
    (3, "adjacency twice.csv -o out.npz --plot out.png", ["pre 1, post 2", "--sum-duplicates"]),
    (3, "connectivity neuropils.csv -o out.csv", ["pre 1, post 2", "one neuropil"]),
    # annotations and criteria
    (3, "connectivity good.csv -a types.csv --annotate cel_type -o out.csv", ["--annotate cel_type", "cell_type"]),
    (3, "connectivity good.csv -a types.csv -n cel_type=ER1 -o out.csv", ["cel_type", "near names: cell_type"]),
    (3, "connectivity good.csv -a types.csv -n cell_type=ER9 -o out.csv", ["cell_type=ER9", "no neuron matches"]),
    (3, "connectivity good.csv -a other.csv -o out.csv", ["other.csv", "root_id", "--neuron-id-column"]),
    (3, "connectivity good.csv -a types.csv --cell-type-column x -o out.csv", ["--cell-type-column x", "cell_type"]),
    (2, "connectivity good.csv -n cell_type=ER1 -o out.csv", ["cell_type=ER1", "--annotations"]),
    (2, "connectivity good.csv --by type -o out.csv", ["--by type", "--annotations"]),
    (2, "connectivity good.csv --annotate side -o out.csv", ["--annotate", "--annotations"]),
    (2, "connectivity good.csv -a types.csv --by type --annotate side -o out.csv", ["--annotate", "--by type"]),
    (2, "connectivity good.csv -a nowhere.csv -o out.csv", ["nowhere.csv", "no such file"]),
    (2, "counts good.csv -n @nowhere -o out.csv", ["@nowhere", "no such file"]),
    # outputs
    (2, "connectivity good.csv -o out.xlsx", ["out.xlsx", ".parquet", ".csv.gz"]),
    (2, "connectivity good.csv -o out", ["out", "unknown suffix"]),
    (2, "connectivity good.csv -o out.npz", ["out.npz", "unknown suffix"]),
    (
        2,
        "connectivity good.csv -o out.png",
        ["out.png", "adjacency, attach,", "similar draw pictures, with --plot"],
    ),
    (2, "connectivity good.csv -o sub", ["sub", "unknown suffix"]),
    (2, "adjacency good.csv -o out.xlsx", ["out.xlsx", ".npz"]),
    (2, "adjacency good.csv --plot out.jpg", ["out.jpg", ".png, .pdf, .svg"]),
    (2, "connectivity good.csv -o nowhere/out.csv", ["nowhere/out.csv", "no folder nowhere"]),
    (2, "adjacency good.csv -o out.npz --plot nowhere/out.png", ["nowhere/out.png", "no folder nowhere"]),
    (1, "connectivity good.csv -o /proc/out.csv", ["/proc/out.csv", "cannot be written"]),
    (2, "connectivity good.csv -o good.csv", ["good.csv", "input"]),
    (2, "connectivity good.csv -o ./sub/../good.csv", ["good.csv", "input"]),
    (2, "connectivity parts -o parts/b.csv", ["parts/b.csv", "input"]),
    (2, "connectivity parts/*.csv -o parts/b.csv", ["parts/b.csv", "input"]),
    (2, "connectivity good.csv -a types.csv -o types.csv", ["types.csv", "input"]),
    (2, "connectivity good.csv -o - --json", ["--output -", "--json", "stdout"]),
    # sources
    (2, "connectivity", ["nothing to read", "synapses.parquet", "--dataset NAME", "CRANT_DEFAULT_DATASET"]),
    (2, "counts -n 5", ["nothing to read", "--dataset NAME"]),
    (2, "connectivity nowhere.csv -o out.csv", ["nowhere.csv", "no such file"]),
    (2, "connectivity nowhere*.csv -o out.csv", ["nowhere*.csv", "no file matches"]),
    (2, "connectivity sub -o out.csv", ["sub", "no table in this folder"]),
    (2, "connectivity good.txt -o out.csv", ["good.txt", "no such file"]),
    (2, "connectivity - - -o out.csv", ["stdin", "once"]),
    (2, "connectivity - -n - -o out.csv", ["stdin", "once"]),
    (2, "connectivity - -a - -o out.csv", ["stdin", "once"]),
    (2, "adjacency good.csv --pre - --post - -o out.csv", ["stdin", "once"]),
    # values
    (2, "connectivity good.csv -t 0 -o out.csv", ["--threshold", "1"]),
    (2, "connectivity good.csv -t many -o out.csv", ["--threshold", "integer"]),
    (2, "connectivity good.csv --min-size -1 -o out.csv", ["--min-size", "0"]),
    (2, "connectivity good.csv --top 0 -o out.csv", ["--top", "1"]),
    (2, "connectivity good.csv --by layer -o out.csv", ["--by layer", "no such column"]),
    (2, "connectivity good.csv --kind nodes -o out.csv", ["--kind", "'synapses', 'edges', 'adjacency'"]),
    (2, "connectivity good.csv --no-upstream --no-downstream -o out.csv", ["upstream", "downstream"]),
    (2, "connectivity good.csv --totals good.csv -o out.csv", ["--totals", "--normalize"]),
    (2, "connectivity good.csv --max-memory lots -o out.csv", ["--max-memory lots", "2GB"]),
    (2, "connectivity good.csv --max-memory -1GB -o out.csv", ["--max-memory -1GB", "2GB"]),
    (2, "connectivity good.csv --max-memory 1MB -o out.csv", ["--max-memory 1MB", "100MB"]),
    (2, "connectivity good.csv --threads 0 -o out.csv", ["--threads", "1"]),
    (2, "connectivity good.csv --tmp-dir nowhere -o out.csv", ["--tmp-dir nowhere", "no such folder"]),
    (2, "synapses good.csv --voxel-size 8,8 -o out.csv", ["--voxel-size 8,8", "8,8,42"]),
    (2, "synapses good.csv --voxel-size 8,8,-42 -o out.csv", ["--voxel-size 8,8,-42"]),
    (2, "connectivity good.csv --treshold 5 -o out.csv", ["--treshold", "--threshold"]),
    (2, "connectivty good.csv -o out.csv", ["connectivty", "--help"]),
    (2, "--verbose", ["--verbose", "--help"]),
    (2, "info", ["FILE", "--help"]),
    (2, "info nowhere.parquet", ["nowhere.parquet", "no such file"]),
    (2, "info sub", ["sub", "folder"]),
    (3, "info cut.parquet", ["cut.parquet", "damaged"]),
    # data sets
    (2, "connectivity -d nowhere -o out.csv", ["nowhere", "latest", "sandbox", ".toml", "datasets.toml"]),
    (2, "connectivity -d latest -o out.csv", ["latest", "name neurons with --neurons"]),
    # nothing left
    (4, "connectivity good.csv -n 99 --fail-empty -o out.csv", ["nothing is left", "3 synapses read"]),
    (4, "connectivity good.csv -t 9 --fail-empty -o out.csv", ["nothing is left", "3 threshold"]),
    (4, "synapses good.csv --pre 99 --fail-empty -o out.parquet", ["nothing is left"]),
    (4, "adjacency good.csv --pre 99 --fail-empty -o out.npz --plot out.png", ["nothing is left"]),
    (4, "connectivity good.csv -n 99 --fail-empty --json", ["nothing is left"]),
]


@pytest.mark.parametrize(("code", "command", "words"), CASES, ids=[command for _, command, _ in CASES])
def test_wrong_input(crant: Crant, folder: Path, code: int, command: str, words: list[str]) -> None:
    before = everything(folder)
    complaint(crant(*command.split()), code, *words)
    assert everything(folder) == before


def test_debug_shows_where_it_happened(crant: Crant, folder: Path) -> None:
    found = crant("connectivity", "floats.csv", "--debug")
    assert found.code == 3
    assert found.err.startswith("Traceback")
    assert found.err.splitlines()[-1].startswith("crantcli connectivity: floats.csv, column pre, row 1")


def test_quiet_does_not_silence_errors(crant: Crant, folder: Path) -> None:
    complaint(crant("connectivity", "floats.csv", "--quiet"), 3, "floats.csv, column pre, row 1")


def test_a_link_to_an_input_is_the_input(crant: Crant, folder: Path) -> None:
    os.symlink("good.csv", "soft.csv")
    os.link("good.csv", "hard.csv")
    os.symlink(".", "here")
    for name in ("soft.csv", "hard.csv", "here/good.csv", folder / "good.csv"):
        complaint(crant("connectivity", "good.csv", "-o", name), 2, "input")
    complaint(crant("connectivity", "soft.csv", "-o", "good.csv"), 2, "good.csv", "input")
    assert Path("good.csv").read_text().startswith("id,pre,post")


def test_a_link_to_elsewhere_is_written_through(crant: Crant, folder: Path) -> None:
    os.symlink("sub/real.csv", "link.csv")
    assert crant("connectivity", "good.csv", "-o", "link.csv").code == 0
    assert Path("link.csv").is_symlink()
    assert Path("sub/real.csv").read_text().startswith("pre,post,weight")


def test_totals_and_data_sets_are_inputs_too(crant: Crant, folder: Path) -> None:
    assert crant("counts", "good.csv", "-o", "totals.csv").code == 0
    normal = ("connectivity", "good.csv", "--normalize", "input", "--totals", "totals.csv", "-o", "totals.csv")
    complaint(crant(*normal), 2, "totals.csv", "input")
    text_file("brain.toml", '[files]\nsynapses = "good.csv"\nannotations = "types.csv"\n')
    for name in ("good.csv", "types.csv"):
        complaint(crant("connectivity", "-d", "brain.toml", "-o", name), 2, name, "input")


def test_a_repeated_edge_can_be_summed_or_be_synapses(crant: Crant, folder: Path) -> None:
    assert weights(crant("connectivity", "twice.csv", "--sum-duplicates")) == {("1", "2"): "7"}
    assert weights(crant("connectivity", "twice.csv", "--kind", "synapses")) == {("1", "2"): "2"}


def test_an_empty_result_is_otherwise_a_whole_file(crant: Crant, folder: Path) -> None:
    assert answer(crant("connectivity", "good.csv", "-n", "99")) == []
    for name in ("out.csv", "out.parquet", "out.feather"):
        assert crant("connectivity", "good.csv", "-n", "99", "-o", name).code == 0
        again = crant("connectivity", name, "--kind", "edges")
        assert again.text == "pre,post,weight\n", again.err


def test_a_folder_that_cannot_be_written(crant: Crant, folder: Path) -> None:
    locked = Path("locked")
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write everywhere")
    complaint(crant("connectivity", "good.csv", "-o", "locked/out.csv"), 1, "locked/out.csv", "cannot be written")


@pytest.mark.parametrize("more", ["", " --signed"])
@pytest.mark.parametrize("command", ["connectivity", "adjacency", "counts", "sort", "view", "influence --seeds 1"])
def test_the_number_without_an_opposite(crant: Crant, tmp_path: Path, command: str, more: str) -> None:
    """-2^63 has no absolute value in 64 bits."""
    text_file("least.csv", f"pre,post,weight\n1,2,5\n2,3,{-(2**63)}\n3,1,3\n")
    suffix = "html" if command == "view" else "csv"
    complaint(crant(*f"{command} least.csv{more} -q -o out.{suffix}".split()), 3, "least.csv")
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize("command", ["connectivity", "adjacency", "counts"])
def test_statistics_of_other_values(
    crant: Crant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The footer of a Parquet file says that the largest ID is a smaller one."""
    path = parquet_file("told.parquet", pre=[ONE + k % 40 for k in range(900)], post=[ONE + k % 39 for k in range(900)])
    right = crant(command, "told.parquet", "-q").out
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    largest, smaller = (number.to_bytes(8, "little") for number in (ONE + 39, ONE + 1))
    assert largest in data[start:]
    path.write_bytes(data[:start] + data[start:].replace(largest, smaller))
    assert crant(command, "told.parquet", "-q").out == right
    monkeypatch.setattr(engines, "SORTED_FROM", 0)
    complaint(crant(command, "told.parquet", "-q", "-o", "out.csv"), 3, "told.parquet", "its statistics")
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize("column", ["id", "pre", "post", "size"])
@pytest.mark.parametrize("other", [0, 2**62])
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "queried"])
def test_values_of_other_statistics(
    crant: Crant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, other: int, counted: bool
) -> None:
    """Some numbers of a file without checksums are overwritten: by a disk, say. The footer tells of none like them."""
    rows = range(900)
    columns = {"id": [7 + k for k in rows], "pre": [ONE + k % 40 for k in rows], "post": [ONE + k % 39 for k in rows]}
    table = pa.table({**columns, "size": [3 + k % 90 for k in rows]})
    path = tmp_path / "told.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False)
    data, plain = path.read_bytes(), table[column].to_numpy().tobytes()
    start = data.index(plain)
    path.write_bytes(data[: start + 80] + other.to_bytes(8, "little") * 64 + data[start + 80 + 512 :])
    assert pq.read_table(path)[column][10].as_py() == other
    monkeypatch.setattr(engines, "SORTED_FROM", 0 if counted else len(table) + 1)
    words = ("-q", "--min-size", "4", *(() if counted else ("--where", "size > 0")))
    done = crant("connectivity", "told.parquet", *words, "-o", "out.csv")
    if counted or column == "id":
        complaint(done, 3, "told.parquet", "its statistics")
    else:
        pq.write_table(pq.read_table(path), tmp_path / "whole.parquet")
        assert (tmp_path / "out.csv").read_bytes() == crant("connectivity", "whole.parquet", *words).out
        return
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize(
    ("compression", "checksums"), [("gzip", False), ("zstd", True), ("none", True)], ids=["gzip", "zstd", "plain"]
)
@pytest.mark.parametrize("command", ["connectivity", "synapses", "counts -n @told.parquet:pre"])
def test_a_checksum_that_does_not_fit(
    crant: Crant, tmp_path: Path, command: str, compression: str, checksums: bool
) -> None:
    """Every byte of the pages counts: whatever the engine makes of it, no answer has other values."""
    rng = random.Random(1)
    numbers = [rng.randrange(2**60) for _ in range(40)]
    columns = {"pre": [numbers[k % 40] for k in range(90)], "post": [numbers[k % 39] for k in range(90)]}
    path = tmp_path / "told.parquet"
    pq.write_table(pa.table(columns), path, compression=compression, write_page_checksum=checksums)
    data = path.read_bytes()
    words = [*command.split()[:1], "told.parquet", *command.split()[1:], "-q"]
    right = crant(*words).out
    pages = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    refused = 0
    for _ in range(40):
        place = rng.randrange(4, pages)
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :])
        done = crant(*words)
        if done.code:
            complaint(done, 3, "told.parquet", "damaged")
            refused += 1
        assert done.out == (b"" if done.code else right)
    assert refused > 20


@pytest.mark.parametrize(("names", "npz"), [(("\0", "b"), 3), (("a\0", "a"), 3), (("a\0b", "a\0c"), 0)])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_nul_character_in_an_id(
    crant: Crant, tmp_path: Path, names: tuple[str, str], npz: int, suffix: str
) -> None:
    """It is an ID like any other. Names of columns would end there, and texts in a matrix lose it at their end."""
    text_file("nul.csv", f"pre,post,weight\nx,{names[0]},3\nx,{names[1]},4\n")
    assert crant("connectivity", "nul.csv", "-q").rows()[1:] == [["x", names[1], "4"], ["x", names[0], "3"]]
    complaint(crant("adjacency", "nul.csv", "-q", "-o", f"out.{suffix}"), 3, repr(names[0]), "NUL")
    assert crant("adjacency", "nul.csv", "-q", "-o", "out.npz").code == npz
    assert bool(list(tmp_path.glob("out.*"))) == (npz == 0)


def first_pages(path: Path) -> list[ColumnChunk]:
    """Where the pages of each column of each row group begin, and how many values they have."""
    metadata = pq.read_metadata(path)
    found = []
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            one = metadata.row_group(group).column(place)
            start = min(filter(None, (one.dictionary_page_offset, one.data_page_offset)), default=0)
            found.append(ColumnChunk(start, one.num_values, group))
    return found


@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_headers_of_pages(crant: Crant, tmp_path: Path, compression: str, dictionary: bool) -> None:
    """The engine takes fewer values than there are, and other kinds of pages, for true."""
    rows = range(600)
    path = tmp_path / "told.parquet"
    table = pa.table({"pre": [ONE + k % 40 for k in rows], "post": [ONE + k % 39 for k in rows]})
    pq.write_table(table, path, compression=compression, use_dictionary=dictionary, row_group_size=200)
    data, right = path.read_bytes(), crant("connectivity", "told.parquet", "-q").out
    refused = 0
    for place in (1, 9, 10, 11, 12):  # among them the kind of the page, and the number of its values
        for start, *_ in first_pages(path)[:2]:
            for bit in (0, 2, 5):
                at = start + place
                path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
                done = crant("connectivity", "told.parquet", "-q")
                if done.code:
                    complaint(done, 3, "told.parquet", "damaged")
                    refused += 1
                assert done.out == (b"" if done.code else right), (place, bit)
        path.write_bytes(data)
    assert refused > 10


@pytest.mark.parametrize("seed", [241, 248, 475, 577, 682, 941, 1255, 1392])
def test_pages_that_are_not_packed_contradict_themselves(crant: Crant, tmp_path: Path, seed: int) -> None:
    """The engine reads these files: their pages are shorter than they say, or say more values than they have."""
    rows = range(900)
    columns = {"id": [k + 1 for k in rows], "pre": [ONE + k % 40 for k in rows], "post": [ONE + k % 39 for k in rows]}
    path = tmp_path / "told.parquet"
    pq.write_table(pa.table(columns), path, compression="none", use_dictionary=False, row_group_size=200)
    data, rng = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(30):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    with pytest.raises((OSError, pa.ArrowException)):
        pq.ParquetFile(path).read()
    complaint(crant("connectivity", "told.parquet", "-q"), 3, "told.parquet", "damaged")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("checksums", [False, True])
def test_headers_of_whole_files(tmp_path: Path, version: str, compression: str, checksums: bool) -> None:
    """Pages of all kinds: of lists, structures, long text with its statistics, nulls, dictionaries, no rows."""
    rows = range(40_000)
    table = pa.table(
        {
            "list": [[k] * (k % 4) for k in rows],
            "struct": [{"x": k, "text": "long" * 3000 if k == 5 else None} for k in rows],
            "null": pa.array([None] * len(rows), pa.int64()),
            "float": pa.array([k / 3 for k in rows], pa.float32()),
            "flag": [k % 3 == 0 for k in rows],
            "large": [ONE + k for k in rows],
        }
    )
    path = tmp_path / "whole.parquet"
    for some in (table, table.slice(0, 0)):
        pq.write_table(
            some, path, data_page_version=version, compression=compression, write_page_checksum=checksums,
            row_group_size=15_000, data_page_size=20_000, write_page_index=True,
        )  # fmt: skip
        with path.open("rb") as file:
            assert check_pages(file, first_pages(path)) == (checksums and len(some) > 0)
