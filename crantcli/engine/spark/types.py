"""Types of columns, rows on their way, and paths, as both engines have them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crantcli.core.sql import quote
from crantcli.errors import DefectError

if TYPE_CHECKING:
    import pyarrow as pa

#: Types as DuckDB calls them -> what Spark reads them as. They hold the same values in both.
_READ_AS = {
    "TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INTEGER": "INT", "BIGINT": "BIGINT", "UTINYINT": "SMALLINT",
    "USMALLINT": "INT", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20, 0)", "FLOAT": "FLOAT", "DOUBLE": "DOUBLE",
    "BOOLEAN": "BOOLEAN", "VARCHAR": "STRING",
}  # fmt: skip


#: Schemes of addresses -> those under which Hadoop has what asks such a store.
_CONNECTORS = {"s3": "s3a", "gs": "gs", "hdfs": "hdfs"}


def read_as(kind: str) -> str | None:
    """What Spark reads a type as; None where it holds something else there."""
    if re.fullmatch(r"DECIMAL\(\d+,\s*\d+\)", kind):
        return kind
    if kind.endswith("[]") and kind[:-2] in _READ_AS:
        return f"ARRAY<{_READ_AS[kind[:-2]]}>"
    return _READ_AS.get(kind)


def as_plain(column: str, kind: str) -> str:
    """A column in a type that Spark takes."""
    name = quote(column)
    if kind in ("HUGEINT", "UBIGINT", "UHUGEINT", "UINTEGER", "USMALLINT", "UTINYINT"):
        return f"CAST({name} AS BIGINT)"
    if read_as(kind) is None:
        return f"CAST({name} AS VARCHAR)"
    return name


def as_place(path: str) -> str:
    """Where a file is, as Spark tells of it: an absolute path, or an address."""
    scheme, mark, rest = path.partition("://")
    return f"{_CONNECTORS[scheme]}{mark}{rest}" if mark and scheme in _CONNECTORS else os.path.abspath(path)


def as_path(place: str) -> str:
    """The same as Spark is told of it: nothing in it stands for something else."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", place)


def _kind(kind: pa.DataType) -> str:
    """What kind of values a type holds: these are the same, whatever their width."""
    import pyarrow as pa

    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return "integers"
    if pa.types.is_floating(kind):
        return "floats"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_list(kind):
        return f"lists of {_kind(kind.value_type)}"
    return str(kind)


def as_ours(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows that Spark has, with the names and types that DuckDB would give them.

    Raises
    ------
    DefectError
        Where they hold values of another kind.
    """
    import pyarrow as pa

    columns = []
    for place, field in enumerate(schema):
        found = rows.column(place)
        if _kind(found.type) != _kind(field.type) and not pa.types.is_null(found.type):
            raise DefectError(f"Spark gives {found.type} for column {field.name}, which is {field.type}")
        columns.append(found.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def arrow_stream(frame: Any) -> Iterator[pa.Table]:
    """The rows of a DataFrame in their order, of which one partition at a time is in memory."""
    import pyarrow as pa

    def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # What is defined here goes to workers as it is; they need pyarrow, and not crantcli.
        for batch in batches:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            yield pa.RecordBatch.from_arrays([pa.array([sink.getvalue().to_pybytes()], pa.binary())], names=["rows"])

    # Through a DataFrame's own iterator, Spark 4.3 keeps what each partition has given until the last one has come.
    for row in frame.mapInArrow(packed, "rows binary").rdd.toLocalIterator(prefetchPartitions=True):
        yield pa.ipc.open_stream(row["rows"]).read_all()
