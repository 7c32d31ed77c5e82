"""Writes a table that is too long for one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.question import Table
from crantcli.core.row_parts import ROW_PARTS, part_record, part_sizes
from crantcli.engine.batches import cut, even
from crantcli.engine.duckdb import Engine
from crantcli.errors import DefectError, writing_to
from crantcli.output.parquet import ROW_GROUP, write_parquet
from crantcli.output.provenance import as_text, metadata
from crantcli.schema import MANIFEST

if TYPE_CHECKING:
    import pyarrow as pa


def write_row_parts(engine: Engine, table: Table, folder: Path, record: dict[str, Any], most: int) -> None:
    """Write a folder of Parquet files with a table's rows, in order, and, last, the manifest.

    Parameters
    ----------
    engine : Engine
    table : Table
    folder : Path
        A name that is not taken.
    record : dict
        Provenance of the table.
    most : int
        Rows of a file, at most.

    Raises
    ------
    CrantError
        Where it cannot be written.
    """
    sizes = part_sizes(table.rows, most)
    with writing_to(folder.parent):
        folder.mkdir()
    counted = 0

    def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        nonlocal counted
        for batch in batches:
            counted += batch.num_rows
            yield batch

    coming = rows_of(engine.reader(table.query))
    pieces = cut(coming, sizes.values())
    for number, ((name, rows), piece) in enumerate(zip(sizes.items(), pieces, strict=True), 1):
        about = metadata(part_record(record, number, len(sizes), rows))
        write_parquet(even(piece, ROW_GROUP), folder / name, about)
    for _ in coming:
        pass
    if counted != table.rows:
        raise DefectError(f"a result of {table.rows:,} rows has {counted:,}")
    listed = [{"file": name, "rows": rows} for name, rows in sizes.items()]
    manifest = {**record, ROW_PARTS: listed, "files": sorted(sizes)}
    with writing_to(folder.parent):
        (folder / MANIFEST).write_text(as_text(manifest) + "\n", encoding="utf-8")
