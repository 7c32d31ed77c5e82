"""Writes labelled matrices: sparse as `.npz`, wide as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.question import Matrix, Table
from crantcli.core.sql import quote
from crantcli.engine.batches import column
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError, writing_to
from crantcli.output.provenance import metadata
from crantcli.output.tables import offer, write_table
from crantcli.output.writers import Target, Writer, register
from crantcli.schema import CORNER, KEY
from crantcli.text import P

if TYPE_CHECKING:
    import pyarrow as pa


#: A wide table with more columns than this is refused unless it is asked for twice.
WIDE_LIMIT = 5000

#: Cells of a dense block that is in memory while a wide table is written (8 bytes each).
_BLOCK_CELLS = 4_000_000

#: Entries that are in memory as rows of a table at a time.
_BLOCK_ENTRIES = 1_000_000


def write_npz(matrix: LabelledMatrix, path: Path, metadata: dict[str, str]) -> None:
    """Write a matrix so that `scipy.sparse.load_npz` opens it; IDs are the arrays `pre` and `post`.

    Raises
    ------
    CrantError
        Where the file cannot be written.
    """
    import numpy as np

    arrays = {
        "format": np.array(b"csr"),
        "shape": np.array(matrix.shape, dtype=np.int64),
        "data": matrix.weights,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "pre": matrix.pre,
        "post": matrix.post,
        KEY: np.array(metadata[KEY]),
    }
    import zipfile

    # As numpy.savez_compressed does it, but at a quarter of the time for files that are 4 % larger. Names that are
    # given as text get a fixed date, so the bytes repeat.
    packed: Any = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
    with writing_to(path.parent), zipfile.ZipFile(path, "w", **packed) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def entries(matrix: LabelledMatrix) -> pa.RecordBatchReader:
    """The entries of a matrix as `i, j, weight`, a block at a time."""
    import numpy as np
    import pyarrow as pa

    kinds = {"i": np.dtype(np.int64), "j": matrix.indices.dtype, "weight": matrix.weights.dtype}
    schema = pa.schema([(name, pa.from_numpy_dtype(kind)) for name, kind in kinds.items()])

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, len(matrix.weights), _BLOCK_ENTRIES):
            stop = min(start + _BLOCK_ENTRIES, len(matrix.weights))
            rows = np.searchsorted(matrix.indptr, np.arange(start, stop), side="right") - 1
            values = (rows.astype(np.int64), matrix.indices[start:stop], matrix.weights[start:stop])
            yield pa.RecordBatch.from_arrays([column(array) for array in values], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def check_width(columns: int, destination: str, force: bool) -> None:
    """Refuse a wide table with too many columns.

    Raises
    ------
    UsageError
        Above 5,000 columns, unless forced.
    """
    if columns > WIDE_LIMIT and not force:
        raise UsageError(
            f"{destination}: a wide table with {columns:,} columns is slow everywhere; write to a .npz file, or use "
            f"the edge list of `crantcli connectivity`; {P.force_wide(True)} writes it all the same"
        )


def wide_query(engine: Engine, matrix: LabelledMatrix) -> str:
    """A query for the wide table: `pre/post`, then one column per postsynaptic neuron. It can be run once.

    Rows are made dense a block at a time, so that the whole is never in memory.
    """
    import pyarrow as pa

    names = [str(neuron) for neuron in matrix.post.tolist()]
    _refuse_same_names(names)
    number_type = pa.int64() if matrix.weights.dtype.kind == "i" else pa.float64()
    id_type = pa.string() if matrix.pre.dtype.kind == "U" else pa.int64()
    schema = pa.schema([("pre", id_type), *((f"c{number}", number_type) for number in range(len(names)))])
    reader = pa.RecordBatchReader.from_batches(schema, _batches(matrix, schema))
    relation = engine.register("wide", reader)
    chosen = ", ".join(
        [f"pre AS {quote(CORNER)}", *(f"c{number} AS {quote(name)}" for number, name in enumerate(names))]
    )
    return f"SELECT {chosen} FROM {relation}"


def may_be_wide(matrix: LabelledMatrix) -> bool:
    """Whether a matrix can be written as a table: it has not too many columns, and their names differ in a table."""
    names = {CORNER, *(str(name).lower() for name in matrix.post.tolist())}
    return matrix.shape[1] <= WIDE_LIMIT and len(names) == matrix.shape[1] + 1


def _refuse_same_names(names: list[str]) -> None:
    """Column names of a table do not heed case, so neurons that differ in nothing else would become one."""
    seen = {CORNER: "the column of presynaptic IDs"}
    for name in names:
        if name.lower() in seen:
            raise UsageError(
                f"neuron {name} and {seen[name.lower()]} cannot both name a column of a wide table; write a .npz file"
            )
        seen[name.lower()] = f"neuron {name}"


def _batches(matrix: LabelledMatrix, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import numpy as np
    import pyarrow as pa

    rows, columns = matrix.shape
    step = max(1, _BLOCK_CELLS // max(1, columns))
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        block = np.ascontiguousarray(matrix.dense_rows(start, stop).T)
        arrays = [column(matrix.pre[start:stop])]
        arrays += [
            pa.Array.from_buffers(schema.field(number + 1).type, stop - start, [None, pa.py_buffer(block[number])])
            for number in range(columns)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def wide_table(engine: Engine, matrix: LabelledMatrix, destination: str, force: bool) -> Table:
    """A matrix as a table; it can be written once.

    Raises
    ------
    UsageError
        As `check_width`, and for IDs that cannot be names of columns.
    """
    check_width(matrix.shape[1], destination, force)
    columns = (CORNER, *(str(neuron) for neuron in matrix.post.tolist()))
    return Table(wide_query(engine, matrix), columns, matrix.shape[0])


def _write_wide(engine: Engine, matrix: LabelledMatrix, record: dict[str, Any], target: Target) -> list[str]:
    table = wide_table(engine, matrix, target.destination, target.force_wide)
    write_table(engine, table, target.place(), target.suffix, metadata(record))
    return []


def _write_sparse(engine: Engine, matrix: LabelledMatrix, record: dict[str, Any], target: Target) -> list[str]:
    write_npz(matrix, target.place(), metadata(record))
    return []


offer(Matrix, _write_wide)
register(Matrix, Writer(".npz", _write_sparse))
