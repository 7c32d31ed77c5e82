"""Tables that Spark reads by their own records, and those of which it reads a copy."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant
from spark_session import missing, on, on_both
from strategies import seeded_frame, seeded_synapses

from crantcli.engine.spark import engine
from crantcli.sources.tables import convert

pytestmark = [pytest.mark.spark, pytest.mark.skipif(bool(missing()), reason=missing())]

DELTA = {
    "of all rows": "connectivity lake --allow-null --sum-duplicates",
    "by what stands in the log": "connectivity lake --allow-null --sum-duplicates --by neuropil",
    "of one value": "connectivity lake --allow-null --sum-duplicates --where region=b",
    "of a version": "connectivity lake --allow-null --sum-duplicates --delta-version 0",
    "of numbers in the log": "adjacency lake --allow-null --sum-duplicates --where layer>1",
    "of a version that is not there": "connectivity lake --delta-version 9",
}


@pytest.mark.parametrize("name", DELTA)
def test_delta_tables_are_read_by_their_log(spark: Any, crant: Crant, name: str) -> None:
    """Rows taken away, a column that came later, and values that stand in the log alone."""
    deltalake = pytest.importorskip("deltalake")
    edges = {"pre": [1, 2, 3, 4], "post": [2, 3, 1, 1], "weight": [3, 4, 5, 6]}
    first = pa.table({**edges, "region": ["a", "b c", None, "b"], "layer": [1, 2, 2, None]})
    later = pa.table({**edges, "region": ["b", "b", "a%", "b"], "layer": [1, 1, 1, 3], "note": list("xyzw")})
    deltalake.write_deltalake("lake", first, partition_by=["region", "layer"])
    deltalake.write_deltalake("lake", later, partition_by=["region", "layer"], mode="append", schema_mode="merge")
    deltalake.DeltaTable("lake").delete("weight = 4")
    output = "out.npz" if name == "of numbers in the log" else "out.parquet"
    answer = on_both(crant, *DELTA[name].split(), outputs=(output,))
    assert answer.outcome.code == (3 if "not there" in name else 0), answer.outcome.err


ICEBERG = {
    "of all rows": "connectivity lake/edges --allow-null --sum-duplicates",
    "by a column that came later": "connectivity lake/edges --allow-null --sum-duplicates --by neuropil",
    "of one value": "adjacency lake/edges --where neuropil=EB",
    "of columns by name": "counts lake/edges --pre-col post --post-col source --allow-null --sum-duplicates",
}


@pytest.mark.parametrize("name", ICEBERG)
def test_iceberg_tables_are_read_by_their_metadata(spark: Any, crant: Crant, name: str, tmp_path: Path) -> None:
    """Columns that were called otherwise when a file was written, one that came later, and rows taken away."""
    pytest.importorskip("pyiceberg")
    from pyiceberg.catalog.memory import InMemoryCatalog
    from pyiceberg.types import LongType, StringType

    lake = InMemoryCatalog("here", warehouse=f"file://{tmp_path}")
    lake.create_namespace("lake")
    first = pa.table({"source": [2**60, 5, 6], "post": [7, 8, 9], "weight": pa.array([3, 4, 5], pa.int32())})
    table = lake.create_table("lake.edges", schema=first.schema)
    table.append(first)
    for names in ({"source": "pre", "post": "source", "weight": "n"}, {"source": "post", "n": "weight"}):
        with table.update_schema() as schema:
            for old, new in names.items():
                schema.rename_column(old, new)
    with table.update_schema() as schema:
        schema.add_column("neuropil", StringType())
        schema.add_column("source", LongType())
        schema.update_column("weight", LongType())
    edges = {"pre": [2**60, 1], "post": [9, 7], "weight": [6, 2**33], "neuropil": ["EB", None], "source": [3, None]}
    table.append(pa.table(edges))
    table.delete("post = 8")
    output = "out.npz" if name == "of one value" else "out.parquet"
    answer = on_both(crant, *ICEBERG[name].split(), outputs=(output,))
    assert answer.outcome.code == 0, answer.outcome.err


COPIED = {
    "text": "counts t.csv",
    "packed text": "connectivity t.csv.gz -t 2",
    "a dump without a header": "connectivity dump.csv.gz --header @header.csv -t 2",
    "positions in text": "synapses t.csv --columns pre,post,id,ctr_pt_position",
    "numbers in text": "counts odd.csv --weight sum:size",
    "a pattern": "counts t.csv --where neuropil~^E",
    "Arrow": "counts t.feather --min-size 20",
    "a sheet": "connectivity edges.xlsx --sum-duplicates",
    "a pipe of Parquet": "counts -",
    "a pipe of text": "connectivity - -t 2",
    "text and Parquet": "connectivity t.csv more.parquet -t 3",
    "an empty ID": "counts gaps.parquet --fill-down",
    "both directions": "connectivity edges.parquet --undirected --sum-duplicates",
    "types": "nested t.csv -a a.csv --type-sum sums.csv",
    "nothing": "counts none.csv",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copied")
    rows = seeded_frame(seeded_synapses())
    rows.to_csv(folder / "t.csv", index=False)
    rows.iloc[:0].to_csv(folder / "none.csv", index=False)
    (folder / "t.csv.gz").write_bytes(gzip.compress((folder / "t.csv").read_bytes()))
    (folder / "dump.csv.gz").write_bytes(gzip.compress(rows.to_csv(header=False, index=False).encode()))
    kinds = ["bigint" if name not in ("neuropil", "nt") else "text" for name in rows.columns]
    (folder / "header.csv").write_text("".join(f"{n},{k}\n" for n, k in zip(rows.columns, kinds, strict=True)))
    rows.to_feather(folder / "t.feather")
    rows.to_parquet(folder / "t.parquet")
    rows.assign(id=rows["id"] + 10**12).to_parquet(folder / "more.parquet")
    rows.assign(size=[f"{size}.0" for size in range(len(rows))]).to_csv(folder / "odd.csv", index=False)
    rows.drop(columns="id").assign(pre=rows["pre"].where(rows.index % 3 == 0)).to_parquet(folder / "gaps.parquet")
    edges = pd.DataFrame({"pre": [1, 2, 3, 3], "post": [2, 3, 1, 2], "weight": [4, 5, 6, 1]})
    edges.to_parquet(folder / "edges.parquet")
    edges.to_excel(folder / "edges.xlsx", index=False)
    types = "".join(f"{neuron},{'xyz'[int(neuron) % 3]}\n" for neuron in rows["pre"].dropna().unique())
    (folder / "a.csv").write_text(f"root_id,cell_type\n{types}")
    return folder


@pytest.mark.parametrize("name", COPIED)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_what_is_no_parquet_is_copied_as_it_is_read_here(
    spark: Any, crant: Crant, tables: Path, name: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`large` text is copied once before that, in blocks of lines."""
    if large:
        monkeypatch.setattr(convert, "CONVERT_FROM", 0)
        if ".csv" not in COPIED[name]:
            pytest.skip("is no text")
    for file in tables.iterdir():
        Path(file.name).symlink_to(file)
    stdin = Path("t.csv" if "text" in name else "t.parquet").read_bytes()
    outputs = ("out.npz", "sums.csv") if name == "types" else ("out.parquet",)
    found = {}
    for which in ("duckdb", "spark"):
        answer = on(which, crant, *COPIED[name].split(), outputs=outputs, stdin=stdin)
        assert answer.outcome.code == 0, answer.outcome.err
        found[which] = (answer.outcome.err, answer.files)
    assert found["spark"] == found["duckdb"]
    assert set(found["spark"][1]) == set(outputs)


def test_what_spark_has_of_text_is_all_of_it(spark: Any, crant: Crant, tables: Path, monkeypatch: Any) -> None:
    """Rows come from Spark: with another copy, there is another answer."""
    shutil.copy(tables / "t.csv", "t.csv")
    right = on("spark", crant, "connectivity", "t.csv").files["out.parquet"]
    copy = engine.Engine.copy

    def shortened(self: Any, query: str, path: str, options: dict[str, str]) -> None:
        copy(self, f"{query} LIMIT 7" if "copied" in Path(path).name else query, path, options)

    monkeypatch.setattr(engine.Engine, "copy", shortened)
    Path("out.parquet").write_bytes(on("spark", crant, "connectivity", "t.csv").files["out.parquet"])
    assert pq.read_metadata("out.parquet").num_rows <= 7
    assert Path("out.parquet").read_bytes() != right
