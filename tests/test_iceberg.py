"""Iceberg tables, as pyiceberg writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from tables import complaint, parquet_file, record, text_file

pytest.importorskip("pyiceberg")

from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.table import DataScan
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, StringType

LARGE = 576460752641833774
PLAIN = pa.table({"pre": [1, 2], "post": [2, 3], "weight": [3, 4], "region": ["a", "b"]})


@pytest.fixture
def lake(tmp_path: Path) -> InMemoryCatalog:
    """A catalogue of tables in the folder `lake`."""
    catalogue = InMemoryCatalog("here", warehouse=f"file://{tmp_path}")
    catalogue.create_namespace("lake")
    return catalogue


def made(lake: InMemoryCatalog, name: str, table: pa.Table) -> Any:
    created = lake.create_table(f"lake.{name}", schema=table.schema)
    created.append(table)
    return created


def metadata(table: Any) -> Path:
    return Path(table.metadata_location.removeprefix("file://"))


def rows(crant: Crant, *words: object) -> list[str]:
    done = crant("connectivity", *words)
    assert done.code == 0, done.err
    return done.text.splitlines()[1:]


def test_columns_are_known_by_their_numbers(crant: Crant, lake: InMemoryCatalog) -> None:
    """Whatever they were called when a file was written; and rows that are gone do not count."""
    table = made(lake, "edges", pa.table({"source": [LARGE, 5], "post": [7, 8], "weight": [3, 4]}))
    first = metadata(table)
    for names in ({"source": "pre", "post": "source", "weight": "n"}, {"source": "post", "n": "weight"}):
        with table.update_schema() as schema:
            for old, new in names.items():
                schema.rename_column(old, new)
    with table.update_schema() as schema:
        schema.add_column("neuropil", StringType())
    table.append(pa.table({"pre": [LARGE], "post": [9], "weight": [6], "neuropil": ["EB"]}))
    table.delete("post = 8")
    assert rows(crant, "lake/edges") == [f"{LARGE},9,6", f"{LARGE},7,3"]
    assert f"snapshot {table.current_snapshot().snapshot_id}" in crant("connectivity", "lake/edges").err
    assert rows(crant, "lake/edges", "--where", "neuropil = EB") == [f"{LARGE},9,6"]
    assert rows(crant, first, "--pre-col", "source", "--post-col", "post") == ["5,8,4", f"{LARGE},7,3"]
    shown = crant("connectivity", "lake/edges", "-o", "edges.parquet")
    assert shown.code == 0, shown.err
    assert record("edges.parquet")["inputs"] == [
        {"name": "edges", "iceberg_snapshot": table.current_snapshot().snapshot_id}
    ]


def test_of_two_equally_new_versions_one_has_to_be_given(crant: Crant, lake: InMemoryCatalog) -> None:
    newest = metadata(made(lake, "edges", PLAIN))
    right = rows(crant, "lake/edges")
    twin = newest.with_name(f"{newest.name.partition('-')[0]}-another.metadata.json")
    twin.write_bytes(newest.read_bytes())
    complaint(crant("connectivity", "lake/edges"), 3, newest.name, twin.name, "give the one that holds")
    assert rows(crant, newest) == right


def test_nulls_of_rows_older_than_a_column_count(crant: Crant, lake: InMemoryCatalog) -> None:
    """Files that lack a column have no number of nulls for it, and other files' numbers are not theirs."""
    table = made(lake, "edges", pa.table({"post": [7, 8], "weight": [3, 4]}))
    with table.update_schema() as schema:
        schema.add_column("pre", LongType())
    table.append(pa.table({"post": [9], "weight": [1], "pre": pa.array([5], pa.int64())}))
    complaint(crant("connectivity", "lake/edges"), 3, "edges", "2 of 3 rows have no ID", "--allow-null")
    outcome = crant("connectivity", "lake/edges", "-n", "5", "--allow-null", "--json")
    assert json.loads(outcome.out)["ledger"]["removed"]["null"] == 2, outcome.err


def test_other_ways_in(crant: Crant, lake: InMemoryCatalog) -> None:
    made(lake, "edges", PLAIN)
    for name in ("lake/edges/data", "lake/edges/data/*.parquet", "lake"):
        complaint(crant("connectivity", name), 3, "lake/edges", "Iceberg", "give that folder")
    complaint(crant("connectivity", "lake/edges", "--delta-version", 1), 2, "--delta-version")
    assert "an Iceberg table" in crant("info", "lake/edges").text


def test_what_a_table_is_split_by(crant: Crant, lake: InMemoryCatalog) -> None:
    split = lake.create_table("lake.split", schema=PLAIN.schema)
    with split.update_spec() as spec:
        spec.add_field("region", IdentityTransform())
    split.append(PLAIN)
    assert rows(crant, "lake/split", "--by", "neuropil") == ["2,3,b,4", "1,2,a,3"]
    for file in Path("lake/split/data").rglob("*.parquet"):
        pq.write_table(pq.ParquetFile(file).read().drop_columns(["region"]), file)
    complaint(crant("connectivity", "lake/split"), 3, "split", "region", "split by it")


def test_files_tell_too_little(crant: Crant, lake: InMemoryCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(lake, "edges", PLAIN)
    (file,) = Path("lake/edges/data").rglob("*.parquet")
    whole = file.read_bytes()
    pq.write_table(PLAIN, file)  # as of a table that was taken over from Hive
    complaint(crant("connectivity", "lake/edges"), 3, "edges", "do not tell the numbers")
    file.unlink()
    complaint(crant("connectivity", "lake/edges"), 3, "edges", file.name, "not there")
    file.write_bytes(whole)
    planned = list(table.scan().plan_files())
    planned[0].delete_files.add(planned[0].file)
    with monkeypatch.context() as patched:  # pyiceberg reads deleted rows, and does not write them
        patched.setattr(DataScan, "plan_files", lambda _: planned)
        complaint(crant("connectivity", "lake/edges"), 3, "edges", "deleted")
    metadata(table).write_text("{}", encoding="utf-8")
    complaint(crant("connectivity", "lake/edges"), 3, "edges", "metadata cannot be read")


def test_names_inside_of_columns(crant: Crant, lake: InMemoryCatalog) -> None:
    placed = made(lake, "placed", pa.table({"pre": [1], "post": [2], "position": [{"x": 1, "y": 2, "z": 3}]}))
    assert crant("connectivity", "lake/placed", "--kind", "synapses").rows()[1:] == [["1", "2", "1"]]
    with placed.update_schema() as schema:
        schema.rename_column("position.x", "a")
    complaint(crant("connectivity", "lake/placed", "--kind", "synapses"), 3, "placed", "x", "renamed")


def test_an_empty_table(crant: Crant, lake: InMemoryCatalog) -> None:
    lake.create_table("lake.empty", schema=PLAIN.schema)
    complaint(crant("connectivity", "lake/empty"), 3, "empty", "no rows")


def test_without_the_package(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet_file("e/data/a.parquet", pre=[1], post=[2], weight=[3])
    text_file("e/metadata/1.metadata.json", "{}")
    monkeypatch.setitem(sys.modules, "pyiceberg.table", None)
    complaint(crant("connectivity", "e"), 3, "crantcli[iceberg]")
