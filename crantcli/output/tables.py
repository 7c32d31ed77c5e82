"""Writes the result of a query as a table, in the format that the file name asks for."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from crantcli.core.question import Table
from crantcli.core.sql import text
from crantcli.engine.batches import even
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, writing_to
from crantcli.output.parquet import ROW_GROUP, write_parquet
from crantcli.output.provenance import metadata
from crantcli.output.streams import find_stream
from crantcli.output.writers import Target, Write, Writer, register
from crantcli.schema import PANDAS_KEY

if TYPE_CHECKING:
    import pyarrow as pa

#: Suffix -> delimiter of what is text, which has no place for units and provenance.
_DELIMITERS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}

#: Suffixes of tables.
SUFFIXES = (".parquet", ".feather", *_DELIMITERS)

#: Rows in a batch of a Feather file.
BATCH = 122_880


def write_table(engine: Engine, table: Table, path: Path, suffix: str, metadata: dict[str, str]) -> None:
    """Write a table.

    Parameters
    ----------
    engine : Engine
    table : Table
    path : Path
        Where to; a temporary name, whatever its suffix.
    suffix : str
        One of `SUFFIXES`.
    metadata : dict of str to str
        Goes into Parquet and Feather files.

    Raises
    ------
    CrantError
        Where the file cannot be written.
    """
    query = table.query
    if suffix == ".feather":
        _write_feather(engine, query, path, metadata)
        return
    if suffix == ".parquet" and table.rows > ROW_GROUP:
        write_parquet(even(engine.reader(query), ROW_GROUP), path, metadata)
        return
    if suffix == ".parquet":  # one row group, for which Arrow need not be loaded
        pairs = ", ".join(f"{text(key)}: {text(value)}" for key, value in sorted(metadata.items()))
        options = {"FORMAT": "parquet", "ROW_GROUP_SIZE": str(ROW_GROUP), "KV_METADATA": f"{{{pairs}}}"}
        if not metadata:
            del options["KV_METADATA"]
    else:
        options = {"FORMAT": "csv", "HEADER": "true", "DELIMITER": text(_DELIMITERS[suffix])}
        options["COMPRESSION"] = "'gzip'" if suffix.endswith(".gz") else "'none'"
    engine.copy(query, str(path), options)


def _write_feather(engine: Engine, query: str, path: Path, metadata: dict[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.ipc

    reader = engine.reader(query)
    if PANDAS_KEY in metadata:
        # `pandas.read_feather` restores attributes from its own record, `read_parquet` from PANDAS_KEY.
        record: dict[str, Any] = {"columns": [], "column_indexes": [], "index_columns": []}
        record["attributes"] = json.loads(metadata[PANDAS_KEY])
        metadata = {**metadata, "pandas": json.dumps(record)}
    schema = reader.schema.with_metadata(metadata)
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with (
        writing_to(path.parent),
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, schema, options=options) as writer,
    ):
        for batch in even(reader, BATCH):
            columns = [_nothing_below_nulls(column) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _nothing_below_nulls(values: pa.Array) -> pa.Array:
    """The same values, zeros in memory where there is none: what happens to stand there would go into the file."""
    import numpy as np
    import pyarrow as pa

    if not values.null_count or values.type.num_fields or pa.types.is_null(values.type):
        return values
    valid = values.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(values.type):
        return pa.array(values.fill_null(False).to_numpy(zero_copy_only=False), mask=~valid)
    try:
        width = values.type.byte_width
    except ValueError:  # text, which has no bytes there
        return values
    size = len(values)
    cells = np.frombuffer(values.buffers()[1], np.uint8)[: (values.offset + size) * width].reshape(-1, width)
    cells = np.where(valid[:, None], cells[values.offset :], np.uint8(0))
    mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(values.type, size, [mask, pa.py_buffer(cells)])


def write_csv_stream(engine: Engine, query: str, stream: BinaryIO) -> None:
    """Write the result of a query as CSV to an open stream, with the bytes that a file would have.

    A reader that goes away ends the writing without an error.
    """
    read_end, write_end = os.pipe()
    failure: list[BaseException] = []

    def pump() -> None:
        try:
            engine.copy(
                query,
                f"/dev/fd/{write_end}",
                {"FORMAT": "csv", "HEADER": "true", "DELIMITER": "','", "COMPRESSION": "'none'"},
            )
        except BaseException as error:
            failure.append(error)
        finally:
            os.close(write_end)

    writer = threading.Thread(target=pump, name="csv")
    writer.start()
    gone = False
    try:
        for block in _blocks(read_end):
            stream.write(block)
        stream.flush()
    except BrokenPipeError:
        gone = True
    except OSError as error:
        engine.interrupt()
        raise CrantError(f"stdout: cannot be written ({error.strerror})") from None
    except BaseException:
        engine.interrupt()
        raise
    finally:
        os.close(read_end)
        with contextlib.suppress(KeyboardInterrupt):
            if gone:
                engine.interrupt()
        writer.join()
    if gone:
        raise BrokenPipeError
    if failure:
        raise failure[0]


def _blocks(descriptor: int) -> Iterator[bytes]:
    while block := os.read(descriptor, 1 << 20):
        yield block


def offer(kind: type, write: Write) -> None:
    """Register a writer for each of `SUFFIXES`; text is what goes to pipes and devices."""
    for suffix in SUFFIXES:
        register(kind, Writer(suffix, write, suffix not in _DELIMITERS, suffix == ".csv"))


def _write(engine: Engine, table: Table, record: dict[str, Any], target: Target) -> list[str]:
    most = target.most_rows
    if most is not None and table.rows > most and target.suffix == ".parquet" and not find_stream(target.destination):
        from crantcli.output.row_parts import write_row_parts

        write_row_parts(engine, table, target.place(), record, most)
        return [f"{target.destination} is a folder of Parquet files, since it has more than {most:,} rows"]
    write_table(engine, table, target.place(), target.suffix, metadata(record))
    return []


offer(Table, _write)
