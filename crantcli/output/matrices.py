"""Writes labelled matrices: sparse as `.npz`, wide as a table."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, UsageError
from crantcli.schema import CORNER, KEY

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from crantcli.core.matrix.blocks import Axis

#: A wide table with more columns than this is refused unless it is asked for twice.
WIDE_LIMIT = 5000

#: Cells of a dense block that is in memory while a wide table is written (8 bytes each).
_BLOCK_CELLS = 4_000_000


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
    try:
        # As numpy.savez_compressed does it, but at a quarter of the time for files that are 4 % larger. Names that are
        # given as text get a fixed date, so the bytes repeat.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
    except OSError as error:
        raise CrantError(f"{path.parent}: cannot be written ({error.strerror or error})") from None


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
            "the edge list of `crantcli connectivity`; --force-wide writes it all the same"
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


def order_query(engine: Engine, axes: dict[str, Axis]) -> tuple[str, int]:
    """A query for the axes as a table `axis, position, neuron, type`, and its number of rows. It can be run once.

    Positions count from 0; a neuron without a type has null.
    """
    import numpy as np
    import pyarrow as pa

    parts: dict[str, list[Any]] = {"axis": [], "position": [], "neuron": [], "type": []}
    for name, axis in axes.items():
        number = len(axis.neurons)
        untyped = ["" for _ in range(number - axis.typed)]
        types = [label for label, start, stop in axis.blocks for _ in range(stop - start)]
        parts["axis"].append(id_array(np.array([name] * number, dtype=str)))
        parts["position"].append(id_array(np.arange(number)))
        parts["neuron"].append(id_array(axis.neurons))
        parts["type"].append(id_array(np.array([*types, *untyped], dtype=str)))
    columns = [pa.chunked_array(arrays) for arrays in parts.values()]
    relation = engine.register("axes", pa.Table.from_arrays(columns, names=list(parts)))
    total = sum(len(axis.neurons) for axis in axes.values())
    return f"SELECT axis, position, neuron, nullif(type, '') AS type FROM {relation} ORDER BY axis, position", total


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
        arrays = [id_array(matrix.pre[start:stop])]
        arrays += [
            pa.Array.from_buffers(schema.field(number + 1).type, stop - start, [None, pa.py_buffer(block[number])])
            for number in range(columns)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def id_array(ids: np.ndarray[Any, Any]) -> pa.Array:
    """IDs as an Arrow array, made from buffers: pyarrow would import pandas to look at Python objects."""
    import numpy as np
    import pyarrow as pa

    if ids.dtype.kind != "U":
        values = np.ascontiguousarray(ids, dtype=np.int64)
        return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])
    encoded = [name.encode() for name in ids.tolist()]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(name) for name in encoded], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)
