"""Tables, annotations, meshes and results in an object store: the same answers, few bytes, and never a mixture."""

from __future__ import annotations

import gc
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import readme
from conftest import ROOT, SAMPLE, Crant, Outcome
from google_server import GoogleServer, serving_google
from object_server import BUCKET, USER, Asked, ObjectServer, be_known, serving
from tables import complaint, feather_file, parquet_file, text_file

from crantcli.engine import duckdb as engine
from crantcli.schema import KEY

fsspec = pytest.importorskip("fsspec", reason="fsspec (crantcli[cloud]) is not installed")
pytest.importorskip("s3fs", reason="s3fs (crantcli[cloud]) is not installed")
pytest.importorskip("moto.server", reason="moto[server] is not installed")

pytestmark = pytest.mark.slow

TABLE = SAMPLE / "synapses.parquet"
ANNOTATIONS = SAMPLE / "annotations.csv"


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    """What an upload left open would be sent when Python lets go of it; that is to be now, and not in another test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def _server() -> Iterator[ObjectServer]:
    with serving() as server:
        yield server


@pytest.fixture
def store(_server: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ObjectServer]:
    """The server, empty, and a user whom it knows."""
    be_known(_server, monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield _server
    assert _server.uploads() == 0
    _server.meddle = None


def content(path: Path) -> Any:
    """What stands in a file, without where it says that it came from."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name].tolist() for name in arrays if name != KEY}
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        record = json.loads(table.schema.metadata[KEY.encode()])
        record.pop("inputs")
        return table.replace_schema_metadata(), record
    return path.read_bytes()


#: Commands on a table and annotations, and the files that they write.
COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "synapses": (["synapses", "T", "--pre", "cell_type=ER2", "-a", "A", "-o", "out.parquet"], ["out.parquet"]),
    "connectivity": (["connectivity", "T", "-t", "3", "-o", "out.parquet"], ["out.parquet"]),
    "types": (["connectivity", "T", "-a", "A", "--by", "type", "-o", "out.csv"], ["out.csv"]),
    "adjacency": (["adjacency", "T", "-o", "out.npz"], ["out.npz"]),
    "counts": (["counts", "T", "-o", "out.csv"], ["out.csv"]),
    "nested": (
        "nested T -a A --weight-mode count -o out.npz --type-sum sums.csv --order order.csv".split(),  # noqa: SIM905
        ["out.npz", "sums.csv", "order.csv"],
    ),
    "sort": (["sort", "T", "-o", "out.parquet"], ["out.parquet"]),
}


def told(outcome: Outcome) -> tuple[int, bytes, str]:
    return outcome.code, outcome.out, outcome.err


@pytest.mark.parametrize("name", COMMANDS)
def test_answers_are_those_of_files(crant: Crant, store: ObjectServer, name: str) -> None:
    arguments, files = COMMANDS[name]
    there = {"T": store.put("t/synapses.parquet", TABLE), "A": store.put("t/annotations.csv", ANNOTATIONS)}
    here = {"T": str(TABLE), "A": str(ANNOTATIONS)}
    found = []
    for names in (here, there):
        outcome = crant(*(names.get(argument, argument) for argument in arguments))
        assert outcome.code == 0, outcome.err
        found.append((told(outcome), [content(Path(file)) for file in files]))
        for file in files:
            Path(file).unlink()
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["plain.csv", "packed.csv.gz", "marks.tsv", "wide.csv", "table.feather", "really.csv"])
def test_formats_are_recognised_as_those_of_files_are(crant: Crant, store: ObjectServer, name: str) -> None:
    ids = {"pre": [1, 1, 2, 7], "post": [2, 3, 3, 8]}
    lines = "".join(f"{pre},{post}\n" for pre, post in zip(*ids.values(), strict=True))
    texts = {
        "plain.csv": "# a comment\n\npre,post\n" + lines,
        "packed.csv.gz": "pre,post\n" + lines,
        "marks.tsv": ("pre,post\n" + lines).replace(",", "\t").encode("utf-16"),
        "wide.csv": "pre/post,1,2\n1,0,3\n2,4,0\n",
    }
    if name in texts:
        path = text_file(name, texts[name])
    elif name == "table.feather":
        path = feather_file(name, **ids)
    else:
        path = parquet_file("real.parquet", **ids).rename(name)
    here = crant("connectivity", path)
    assert here.code == 0, here.err
    assert told(crant("connectivity", store.put(f"some/where/{name}", path))) == told(here)


def test_sheets_and_matrices(crant: Crant, store: ObjectServer) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["pre", "post"])
    book.active.append([1, 2])
    sheet = book.create_sheet("Further")
    for row in (["pre", "post"], [5, 6], [5, 7]):
        sheet.append(row)
    book.save("book.xlsx")
    address = store.put("book.xlsx", Path("book.xlsx"))
    assert told(crant("connectivity", f"{address}:Further")) == told(crant("connectivity", "book.xlsx:Further"))
    assert crant("adjacency", TABLE, "-o", "matrix.npz").code == 0
    matrix = store.put("m/matrix.npz", Path("matrix.npz"))
    assert told(crant("connectivity", matrix)) == told(crant("connectivity", "matrix.npz"))


def test_what_is_no_table_is_refused_as_a_file_is_and_not_fetched(crant: Crant, store: ObjectServer) -> None:
    page = b"<!DOCTYPE html><html>" + b" " * 5_000_000
    complaint(crant("connectivity", store.put("a/t.csv", page)), 3, "t.csv: is an HTML page")
    complaint(crant("connectivity", store.put("a/t.unknown", b"1 2\n" * 10**6)), 2, "a/t.unknown: unknown kind of file")
    assert store.sent("a/t.csv") + store.sent("a/t.unknown") <= 1024


def parts_of(folder: Path) -> None:
    """A table in three files, and what lies beside it."""
    for number in range(3):
        parquet_file(str(folder / f"n={number}" / f"part-{number}.parquet"), pre=[number, 5], post=[8, number + 10])
    text_file(str(folder / "notes.txt"), "pre post\n")
    text_file(str(folder / ".hidden.csv"), "pre,post\n1,2\n")


def test_folders_and_patterns_are_one_table(crant: Crant, store: ObjectServer) -> None:
    parts_of(Path("parts"))
    address = store.put_folder("deep/parts", Path("parts"))
    here = crant("connectivity", "parts", "--no-clean")
    assert here.code == 0, here.err
    for name in (address, address.rstrip("/")):
        assert told(crant("connectivity", name, "--no-clean")) == told(here)
    pattern = "parts/n=[12]/*.parquet"
    assert told(crant("connectivity", address.replace("parts/", pattern))) == told(crant("connectivity", pattern))
    several = [address + f"n={number}/part-{number}.parquet" for number in (2, 0)]
    assert crant("connectivity", *several, several[0]).out == crant("connectivity", "parts/n=[20]/*.parquet").out
    different = store.put("deep/parts/other.parquet", parquet_file("o.parquet", pre=[1], post=[2], size=[3]))
    complaint(crant("connectivity", address), 3, address, "columns differ", "size")
    assert different.endswith("other.parquet")


def test_delta_tables_are_read_by_their_log(crant: Crant, store: ObjectServer) -> None:
    """Each version, with and without a checkpoint, and with values that stand in the log alone."""
    deltalake = pytest.importorskip("deltalake")
    pre = np.arange(1, 41)
    edges = {"pre": pre, "post": pre + 1, "weight": pre}
    first = pa.table({**edges, "region": ["a b", "c"] * 20})
    for name in ("plain", "checked"):
        deltalake.write_deltalake(name, first, partition_by=["region"])
        deltalake.DeltaTable(name).delete("weight > 30")
        if name == "checked":
            deltalake.DeltaTable(name).create_checkpoint()
        later = pa.table({**edges, "region": ["c"] * 40, "note": ["x"] * 40})
        deltalake.write_deltalake(name, later, mode="append", schema_mode="merge")
        address = store.put_folder(f"lake/{name}", Path(name))
        for version in ([], ["--delta-version", "0"], ["--delta-version", "1"], ["--delta-version", "2"]):
            options = [*version, "--by", "neuropil", "--sum-duplicates"]
            here = crant("connectivity", name, *options)
            assert here.code == 0, here.err
            assert told(crant("connectivity", address, *options)) == told(here)
            assert told(crant("connectivity", address.rstrip("/"), *options)) == told(here)
        store.asked.clear()
        assert crant("connectivity", address, "--sum-duplicates").code == 0
        logs = {one.path for one in store.asked if one.method == "GET" and one.path.endswith(".json")}
        assert len(logs) == (3 if name == "plain" else 2), logs
        assert crant("connectivity", address, "--sum-duplicates", "-o", "edges.parquet").code == 0
        (known,) = json.loads(pq.read_metadata("edges.parquet").metadata[KEY.encode()])["inputs"]
        assert known == {"name": name, "delta_version": 2}
        complaint(crant("connectivity", address, "--delta-version", "3"), 3, name, "no version 3", "the latest is 2")
    written = [key for key in store.keys() if key.startswith("lake/plain/region=c")]  # noqa: SIM118
    (key,) = (key for key in written if b"note" in store.get(key))
    store.delete(key)
    complaint(crant("connectivity", "s3://brain/lake/plain"), 3, "plain", "version 2", "not there any more")
    assert crant("connectivity", "s3://brain/lake/plain", "--delta-version", "1").code == 0
    store.put("lake/plain/_delta_log/00000000000000000002.json", b"{nothing")
    complaint(crant("connectivity", "s3://brain/lake/plain"), 3, "plain", "log cannot be read")


def test_tables_whose_log_says_what_is_alive_are_refused(crant: Crant, store: ObjectServer) -> None:
    table = parquet_file("t.parquet", pre=[1], post=[2])
    store.put("lake/delta/_delta_log/00000000000000000000.json", b"{}")
    one = store.put("lake/delta/n=1/t.parquet", table)
    for name in ("s3://brain/lake/delta/n=1", "s3://brain/lake/", "s3://brain/lake/*/n=1/*.parquet"):
        complaint(crant("connectivity", name), 3, name, "Delta Lake", "s3://brain/lake/delta", "crantcli[delta]")
    assert crant("connectivity", one).code == 0  # as of files: what is named outright is read
    store.put("lake/ice/metadata/v1.metadata.json", b"{}")
    store.put("lake/ice/data/t.parquet", table)
    for name in ("s3://brain/lake/ice", "s3://brain/lake/ice/data/", "s3://brain/lake/ice/data/*.parquet"):
        complaint(crant("connectivity", name), 3, name, "Iceberg")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("s3://brain/no/such.parquet", "no such bucket, object or folder"),
        ("s3://brain/no/such/", "no such bucket, object or folder"),
        ("s3://brain/no/*.parquet", "no object matches"),
        ("s3://nobody/has/this.parquet", "no such bucket, object or folder"),
        ("s3://", "names no bucket"),
        ("s3:///key.parquet", "names no bucket"),
    ],
)
def test_what_is_not_there_is_named(crant: Crant, store: ObjectServer, name: str, words: str) -> None:
    complaint(crant("connectivity", name), 2, name, words)


def test_wrong_and_missing_credentials(crant: Crant, store: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto import settings

    address = store.put("t.parquet", TABLE)
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # from here on the server looks at signatures
    text = complaint(crant("connectivity", address), 5, address, "credentials do not allow that", "AWS_PROFILE")
    assert not any(secret in text for secret in USER.values())
    text = complaint(crant("connectivity", "s3://brain/t/"), 5, "s3://brain/t/", "credentials do not allow that")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    complaint(crant("connectivity", address), 5, address, "no credentials are found", "FSSPEC_S3_ANON")


def test_secrets_stand_in_no_file(crant: Crant, store: ObjectServer) -> None:
    outcome = crant("connectivity", store.put("t.parquet", TABLE), "-o", "o.parquet", "--json")
    assert outcome.code == 0
    written = Path("o.parquet").read_bytes() + outcome.out + outcome.err.encode()
    assert not any(secret.encode() in written for secret in USER.values() if "us-east" not in secret)
    assert store.url.encode() not in written
    record = json.loads(pq.read_metadata("o.parquet").metadata[KEY.encode()])
    (known,) = record["inputs"]
    import hashlib

    content = TABLE.read_bytes()
    assert known == {"name": "t.parquet", "bytes": len(content), "etag": hashlib.md5(content).hexdigest()}


def test_a_server_that_fails_is_no_answer(crant: Crant, store: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    address = store.put("t.parquet", TABLE)
    store.meddle = lambda one: 501 if one.method == "GET" else None
    complaint(crant("connectivity", address, "-o", "o.csv"), 6, address, "does not answer as it should")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # where nobody listens
    complaint(crant("connectivity", address, "-o", "o.csv"), 6, address, "does not answer as it should")
    assert not Path("o.csv").exists()


def test_without_the_package_the_message_says_how_to_get_it(
    crant: Crant, store: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = store.put("t.parquet", TABLE)
    for package, scheme in (("s3fs", "s3"), ("gcsfs", "gs")):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
    complaint(crant("connectivity", address), 2, address, "s3fs", "pip install 'crantcli[cloud]'")
    complaint(crant("connectivity", "gs://brain/t.parquet"), 2, "gs://brain/t.parquet", "gcsfs", "crantcli[cloud]")


# ---------------------------------------------------------------------------------------------------------------------
# Selections, lists, meshes, data sets.


def test_selections_and_lists_are_read_from_there(crant: Crant, store: ObjectServer) -> None:
    table = str(TABLE)
    rows = [line.split(",") for line in ANNOTATIONS.read_text().splitlines()]
    ids = text_file("ids.txt", "".join(f"{row[0]}\n" for row in rows[1:9]))
    types = text_file("types.txt.gz", "cell_type\nER2\nER3\n")
    for arguments in (
        ["adjacency", table, "--pre", "@ids.txt"],
        ["adjacency", table, "--pre", f"@annotations.csv:{rows[0][0]}"],
        ["nested", table, "-a", str(ANNOTATIONS), "--source-types", "@types.txt.gz", "--type-sum", "sums.csv"],
    ):
        shutil.copy(ANNOTATIONS, "annotations.csv")
        found = []
        for where in ("", f"s3://{BUCKET}/lists/"):
            for path in (ids, types, Path("annotations.csv")):
                store.put(f"lists/{path.name}", path)
            outcome = crant(*(argument.replace("@", f"@{where}") for argument in arguments))
            assert outcome.code == 0, outcome.err
            found.append((outcome, Path("sums.csv").read_bytes() if Path("sums.csv").exists() else b""))
        assert found[0] == found[1]
    headless = text_file("headless.csv", "1,2\n1,3\n")
    names = store.put("names.txt", b"pre,post\n")
    text_file("names.txt", "pre,post\n")
    there = crant("connectivity", store.put("headless.csv", headless), "--header", f"@{names}")
    assert told(there) == told(crant("connectivity", headless, "--header", "@names.txt"))
    complaint(crant("adjacency", table, "--pre", "@s3://brain/no.txt"), 2, "@s3://brain/no.txt", "no such")
    complaint(crant("connectivity", headless, "--header", "@s3://brain/no.txt"), 2, "s3://brain/no.txt", "no such")


def test_meshes_are_read_from_there(crant: Crant, store: ObjectServer) -> None:
    meshes = store.put_folder("shapes/meshes", SAMPLE / "meshes")
    table = store.put("t/synapses.parquet", TABLE)
    annotations = store.put("t/annotations.csv", ANNOTATIONS)
    common = ["--coordinates", "nm", "--no-plot"]
    here = crant("neuropil", TABLE, "-a", ANNOTATIONS, "--meshes", SAMPLE / "meshes", *common, "-o", "here")
    assert here.code == 0, here.err
    there = crant("neuropil", table, "-a", annotations, "--meshes", meshes, *common, "-o", "there")
    assert there.code == 0, there.err
    assert there.err.replace("-> there", "-> here") == here.err
    files = sorted(path.name for path in Path("here").iterdir())
    assert files == sorted(path.name for path in Path("there").iterdir())
    for name in set(files) - {"manifest.json"}:
        assert content(Path("here", name)) == content(Path("there", name)), name
    complaint(
        crant("neuropil", table, "--meshes", f"s3://{BUCKET}/t/", "--assignments-only", "-o", "o"), 2, "no mesh in this"
    )
    text = complaint(
        crant("neuropil", table, "--meshes", meshes, "--neuropils", "NO", "--assignments-only", "-o", "o"), 3, meshes
    )
    assert "crantcli-" not in text  # the name of a scratch folder
    store.put("shapes/meshes/broken.ply", b"ply\nnonsense")
    complaint(crant("neuropil", table, "--meshes", meshes, "--assignments-only", "-o", "o"), 3, "broken.ply")


def test_a_data_set_may_have_its_tables_there_and_be_locked(crant: Crant, store: ObjectServer) -> None:
    table = store.put("t/synapses.parquet", TABLE)
    annotations = store.put("t/annotations.csv", ANNOTATIONS)
    text_file("there.toml", f'[files]\nsynapses = "{table}"\nannotations = "{annotations}"\n')
    text_file("here.toml", f'[files]\nsynapses = "{TABLE}"\nannotations = "{ANNOTATIONS}"\n')
    question = ["adjacency", "--pre", "cell_type=ER2"]
    there = crant(*question, "-d", "there.toml")
    assert there.code == 0, there.err
    assert there.out == crant(*question, "-d", "here.toml").out
    assert crant("lock", "-d", "there.toml", "-o", "state.lock").code == 0
    assert crant(*question, "-d", "there.toml", "--lock", "state.lock").out == there.out
    store.put("t/synapses.parquet", parquet_file("other.parquet", pre=[1], post=[2]))
    complaint(crant(*question, "-d", "there.toml", "--lock", "state.lock"), 3, "state.lock", "synapses")
    text_file("meshes.toml", '[files]\nsynapses = "x.csv"\nmeshes = "s3://brain/meshes"\n')
    complaint(crant("connectivity", "-d", "meshes.toml"), 3, "files.meshes", "this machine")


# ---------------------------------------------------------------------------------------------------------------------
# Damage and change.


#: An ID near CRANT's.
FIRST = 576460752641833774


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A sorted table of some row groups, with columns that questions do not need."""
    number = 400_000
    rng = np.random.default_rng(5)
    pre = np.sort(rng.integers(FIRST, FIRST + 4000, number))
    columns = {
        "id": np.arange(number),
        "pre": pre,
        "post": rng.integers(FIRST, FIRST + 4000, number),
        "size": rng.integers(1, 500, number),
        **{name: rng.random(number) * 1e6 for name in ("ctr_pt_position_x", "ctr_pt_position_y", "ctr_pt_position_z")},
    }
    path = tmp_path / "many.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=40_000)
    return path


#: A way of counting that needs no statements takes over from so many rows.
WAYS = {"statements": 8_000_000, "sorting": 1}


@pytest.mark.parametrize("way", WAYS)
def test_both_ways_of_counting_read_objects(
    crant: Crant, store: ObjectServer, many: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(engine, "SORTED_FROM", WAYS[way])
    there = crant("connectivity", store.put("many.parquet", many), "--min-size", "20")
    assert there.code == 0, there.err
    assert told(there) == told(crant("connectivity", many, "--min-size", "20"))


@pytest.mark.parametrize("way", WAYS)
def test_an_object_that_changes_is_never_half_read(
    crant: Crant, store: ObjectServer, many: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Another table of the same layout is put there, after each of the first requests in turn."""
    monkeypatch.setattr(engine, "SORTED_FROM", WAYS[way])
    table = pq.read_table(many)
    other = Path("other.parquet")
    swapped = table.set_column(1, "pre", table["post"]).set_column(2, "post", table["pre"])
    pq.write_table(swapped, other, row_group_size=40_000)
    expected = set()
    for path in (many, other):
        assert crant("connectivity", path, "-o", "o.csv").code == 0
        expected.add(Path("o.csv").read_bytes())
    Path("o.csv").unlink()
    assert len(expected) == 2
    refused = 0
    for after in (1, 2, 3, 5, 8, 12):
        address = store.put("many.parquet", many)
        asked = 0

        def meddle(one: Asked, after: int = after) -> None:
            nonlocal asked
            asked += 1
            if asked == after + 1:
                store.put("many.parquet", other)

        store.meddle = meddle
        outcome = crant("connectivity", address, "-o", "o.csv")
        store.meddle = None
        if outcome.code:
            complaint(outcome, 6, address, "changed or removed while it was read")
            assert not Path("o.csv").exists()
            refused += 1
        else:
            assert Path("o.csv").read_bytes() in expected
            Path("o.csv").unlink()
    assert refused >= 4


def test_an_object_that_goes_while_it_is_read(crant: Crant, store: ObjectServer, many: Path) -> None:
    address = store.put("many.parquet", many)
    store.meddle = lambda one: store.delete("many.parquet") if one.method == "GET" else None
    complaint(crant("connectivity", address), 6, address, "changed or removed while it was read")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("damage", ["page", "footer", "cut"])
def test_a_damaged_object_is_named(
    crant: Crant, store: ObjectServer, many: Path, monkeypatch: pytest.MonkeyPatch, damage: str, way: str
) -> None:
    monkeypatch.setattr(engine, "SORTED_FROM", WAYS[way])
    data = bytearray(many.read_bytes())
    chunk = pq.read_metadata(many).row_group(4).column(2)
    place = chunk.dictionary_page_offset or chunk.data_page_offset
    if damage == "page":
        data[place : place + 2000] = b"\xff" * 2000
    elif damage == "footer":
        start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        data[start + 20 : start + 60] = b"\xff" * 40
    else:
        del data[-1000:]
    sound = store.put("sound.parquet", many)
    address = store.put("damaged.parquet", bytes(data))
    text = complaint(crant("connectivity", sound, address, "-o", "o.csv"), 3, "damaged.parquet", "damaged")
    assert "sound.parquet" not in text


# ---------------------------------------------------------------------------------------------------------------------
# Bytes.


def test_only_the_columns_and_row_groups_that_are_needed_are_read(
    crant: Crant, store: ObjectServer, many: Path
) -> None:
    metadata = pq.read_metadata(many)
    whole = many.stat().st_size

    def chunks(names: tuple[str, ...], groups: range = range(metadata.num_row_groups)) -> int:
        columns = [metadata.row_group(group).column(place) for group in groups for place in range(7)]
        return sum(one.total_compressed_size for one in columns if one.path_in_schema in names)

    address = store.put("many.parquet", many)
    assert crant("counts", address, "-o", "o.csv").code == 0
    two = store.sent("many.parquet")
    store.asked.clear()
    named = ",".join(str(FIRST + number) for number in range(100))
    assert crant("synapses", address, "--pre", named, "-o", "o.csv").code == 0
    few = store.sent("many.parquet")
    footer = 40_000
    everything = tuple(pq.read_schema(many).names)
    assert two <= chunks(("pre", "post", "id")) + footer
    assert few <= chunks(everything, range(1)) + footer
    assert few < whole / 9 < two < whole / 2
    # Small numbers may be places in a list and not IDs, so that columns are looked at before they are read.
    table = pq.read_table(many)
    for side in ("pre", "post"):
        small = pa.array(table[side].to_numpy() - FIRST + 1)
        table = table.set_column(table.schema.get_field_index(side), side, small)
    pq.write_table(table, many, row_group_size=40_000)
    metadata = pq.read_metadata(many)
    assert crant("counts", store.put("small.parquet", many), "-o", "o.csv").code == 0
    assert store.sent("small.parquet") <= chunks(("pre", "post", "id")) + footer


# ---------------------------------------------------------------------------------------------------------------------
# Writing.

#: Suffixes of results, and a command that writes such.
WRITTEN = {
    ".parquet": ["connectivity"],
    ".feather": ["connectivity"],
    ".csv.gz": ["counts"],
    ".npz": ["adjacency"],
    ".graphml": ["connectivity"],
    ".mtx": ["adjacency"],
}


@pytest.mark.parametrize("suffix", WRITTEN)
def test_results_have_the_bytes_of_files(crant: Crant, store: ObjectServer, suffix: str) -> None:
    here = crant(*WRITTEN[suffix], TABLE, "-o", f"here{suffix}")
    assert here.code == 0, here.err
    there = crant(*WRITTEN[suffix], TABLE, "-o", f"s3://{BUCKET}/results/here{suffix}")
    assert there.code == 0, there.err
    assert there.err == here.err.replace("here", f"s3://{BUCKET}/results/here") if suffix != ".mtx" else True
    files = sorted(path.name for path in Path().glob("here*"))
    assert store.keys() == [f"results/{name}" for name in files]
    for name in files:
        assert store.get(f"results/{name}") == Path(name).read_bytes(), name


def test_results_replace_what_was_there_and_are_read_again(crant: Crant, store: ObjectServer) -> None:
    address = store.put("edges.parquet", b"something old")
    assert crant("connectivity", TABLE, "-o", address).code == 0
    assert crant("info", address).code == 0
    assert crant("connectivity", address, "-t", "5").out == crant("connectivity", TABLE, "-t", "5").out
    assert crant("connectivity", TABLE, "-o", address, "--json").code == 0


def test_large_results_go_in_parts(
    crant: Crant, store: ObjectServer, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crantcli.remote import uploads

    monkeypatch.setattr(uploads, "_PART", 5 * 2**20)
    assert crant("sort", many, "-o", "sorted.parquet").code == 0
    assert crant("sort", many, "-o", f"s3://{BUCKET}/sorted.parquet").code == 0
    parts = [one for one in store.asked if one.method == "PUT" and "partNumber" in one.query]
    assert len(parts) >= 2
    assert store.get("sorted.parquet") == Path("sorted.parquet").read_bytes()


@pytest.mark.parametrize("old", [None, b"what was there before"])
def test_nothing_is_seen_where_an_upload_fails(crant: Crant, store: ObjectServer, old: bytes | None) -> None:
    address = f"s3://{BUCKET}/out.parquet"
    if old is not None:
        store.put("out.parquet", old)
    for status in (403, 501):
        for failing in (
            lambda one: one.method == "PUT" and "partNumber" in one.query,
            lambda one: one.method == "POST" and "uploadId" in one.query,
        ):
            store.meddle = lambda one, failing=failing, status=status: status if failing(one) else None
            outcome = crant("connectivity", TABLE, "-o", address, "--sweep", "sweep.csv", "-t", "1,2")
            store.meddle = None
            complaint(outcome, 5 if status == 403 else 6, address)
            assert store.keys() == ([] if old is None else ["out.parquet"])
            assert old is None or store.get("out.parquet") == old
            assert store.uploads() == 0
            assert not Path("sweep.csv").exists()


def test_nothing_is_seen_where_the_command_is_told_to_end(store: ObjectServer, tmp_path: Path) -> None:
    """While parts are on their way, and when all have come."""
    for moment in ("partNumber", "uploadId"):
        running: list[subprocess.Popen[bytes]] = []

        def meddle(one: Asked, moment: str = moment, running: list[subprocess.Popen[bytes]] = running) -> int | None:
            if one.method != ("PUT" if moment == "partNumber" else "POST") or moment not in one.query:
                return None
            running[0].send_signal(signal.SIGTERM)
            time.sleep(1)
            return 503

        store.meddle = meddle
        program = [sys.executable, "-m", "crantcli", "connectivity", str(TABLE), "-o", f"s3://{BUCKET}/out.csv"]
        running.append(subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path))
        _, said = running[0].communicate(timeout=60)
        store.meddle = None
        assert running[0].returncode == 143, said.decode()
        assert store.keys() == []
        assert store.uploads() == 0


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        ("s3://nobody/has/this.csv", "no such bucket"),
        ("s3://brain/", "unknown suffix"),
        ("s3://brain", "unknown suffix"),
        ("s3://brain/out.unknown", "unknown suffix"),
        ("s3://.csv", "names no object"),
    ],
)
def test_destinations_are_checked_before_any_work(
    crant: Crant, store: ObjectServer, destination: str, words: str
) -> None:
    complaint(crant("connectivity", "missing.csv", "-o", destination), 2, destination) if "suffix" in words else None
    complaint(crant("connectivity", TABLE, "-o", destination), 2, destination, words)
    assert store.keys() == []


def test_an_input_is_never_overwritten(crant: Crant, store: ObjectServer) -> None:
    one = store.put("folder/one.csv", b"pre,post\n1,2\n")
    two = store.put("folder/two.parquet", parquet_file("two.parquet", pre=[1], post=[2]))
    for source in (one, two, "s3://brain/folder/", "s3://brain/folder/*"):
        for destination in (one, two):
            if source in ("s3://brain/folder/", "s3://brain/folder/*") or source == destination:
                complaint(crant("connectivity", source, "-o", destination), 2, destination, "is an input")
    ids = store.put("ids.csv", b"root_id\n1\n")
    complaint(crant("adjacency", one, "--pre", f"@{ids}", "-o", ids), 2, ids, "is an input")
    complaint(
        crant("connectivity", one, "-o", "s3://brain/o.csv", "--sweep", "s3://brain/o.csv", "-t", "1,2"),
        2,
        "the same name",
    )


def test_folders_are_written_on_this_machine(crant: Crant, store: ObjectServer) -> None:
    outcome = crant("partition", TABLE, "--parts", "2", "-o", "s3://brain/parts")
    complaint(outcome, 2, "s3://brain/parts", "on this machine")


def test_the_page_shows_what_commands_print(crant: Crant, store: ObjectServer) -> None:
    (shown,) = readme.fences("sh-session", (ROOT / "docs" / "scale.md").read_text(encoding="utf-8"))
    Path("sample_data").symlink_to(SAMPLE)
    printed = []
    for line in shown.splitlines():
        if line.startswith("$ "):
            outcome = crant(*shlex.split(line)[2:])
            printed += [line, *(outcome.text + outcome.err).splitlines()]
    assert printed == shown.splitlines()


# ---------------------------------------------------------------------------------------------------------------------
# Google's store, which is asked in a way of its own: by processes, since gcsfs looks at the environment once.


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GoogleServer]:
    pytest.importorskip("gcsfs", reason="gcsfs (crantcli[cloud]) is not installed")
    monkeypatch.chdir(tmp_path)
    with serving_google() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # which asks Google whatever the host is
        yield server


def test_tables_of_google_are_read_likewise(
    crant: Crant, crant_process: Crant, google: GoogleServer, many: Path
) -> None:
    address = google.put("t/many.parquet", many.read_bytes())
    here = crant("connectivity", many)
    assert told(crant_process("connectivity", address)) == told(here)
    assert google.sent < many.stat().st_size / 2
    assert crant_process("connectivity", "gs://brain/t/").out == here.out
    complaint(crant_process("connectivity", "gs://brain/no.csv"), 2, "gs://brain/no.csv", "no such bucket, object")
    assert crant_process("connectivity", address, "-o", "o.parquet").code == 0
    (known,) = json.loads(pq.read_metadata("o.parquet").metadata[KEY.encode()])["inputs"]
    assert known == {"name": "many.parquet", "bytes": many.stat().st_size, "generation": "1001"}


def test_an_object_of_google_that_changes_is_never_half_read(
    crant_process: Crant, google: GoogleServer, many: Path
) -> None:
    address = google.put("many.parquet", many.read_bytes())
    table = pq.read_table(many)
    pq.write_table(table.set_column(1, "pre", table["post"]), "other.parquet", row_group_size=40_000)
    google.change_after = (6, Path("other.parquet").read_bytes())
    complaint(crant_process("connectivity", address), 6, address, "changed or removed while it was read")


def test_results_are_written_to_google(crant: Crant, crant_process: Crant, google: GoogleServer, many: Path) -> None:
    """Small ones in one piece, large ones in several; the same bytes as in a file."""
    for words, name in ((["connectivity", TABLE], "edges.parquet"), (["sort", many], "sorted.parquet")):
        google.pieces_sent = 0
        google.put(name, b"what was there before")
        here = crant(*words, "-o", name)
        there = crant_process(*words, "-o", f"gs://brain/{name}")
        assert there.code == 0, there.err
        assert there.err == here.err.replace(name, f"gs://brain/{name}")
        assert google.objects[name][1] == Path(name).read_bytes()
        assert google.sessions == {}
        assert (google.pieces_sent > 1) == (name == "sorted.parquet")


#: When an upload is refused, and by what its request is known: the span of bytes that it sends, and of how many.
REFUSED = {"at the beginning": "", "in the middle": r"bytes \d+-\d+/\*", "at the end": r"bytes .*/\d+"}


@pytest.mark.parametrize("old", [None, b"what was there before"])
@pytest.mark.parametrize("when", REFUSED)
def test_nothing_is_seen_where_google_does_not_take_it(
    crant_process: Crant, google: GoogleServer, many: Path, old: bytes | None, when: str
) -> None:
    if old is not None:
        google.put("out.parquet", old)
    google.refuse = lambda span: 403 if re.fullmatch(REFUSED[when], span) else None
    outcome = crant_process("sort", many, "-o", "gs://brain/out.parquet")
    complaint(outcome, 5, "gs://brain/out.parquet", "the credentials do not allow that")
    found = {key: content for key, (_, content) in google.objects.items()}
    assert found == ({} if old is None else {"out.parquet": old})
    assert google.sessions == {}


def test_credentials_that_google_does_not_take_are_told_of(crant_process: Crant, google: GoogleServer) -> None:
    address = google.put("t.csv", b"pre,post\n1,2\n")
    google.refuse = lambda span: 403 if span == "reading" else None
    complaint(crant_process("connectivity", address), 5, address, "the credentials do not allow that", "GOOGLE_")


def test_a_bucket_of_google_that_is_not_there_is_told_before_any_work(
    crant_process: Crant, google: GoogleServer
) -> None:
    outcome = crant_process("connectivity", TABLE, "-o", "gs://nobody/has/this.csv")
    complaint(outcome, 2, "gs://nobody/has/this.csv", "no such bucket")
