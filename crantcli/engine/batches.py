"""Rows on their way through Python: numbers as arrays, everything else as it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.errors import CrantError, DataError
from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: Rows that are in Python's hands at once.
ROWS = 65_536


def numbers(array: pa.Array) -> np.ndarray[Any, Any]:
    """The numbers of an Arrow array, where they are in memory; nulls among floats are NaN.

    Arrow's own `to_numpy` would import pandas, which takes longer than many a question.
    """
    import numpy as np

    if array.null_count:
        array = array.fill_null(float("nan"))
    kind = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], dtype=kind, count=len(array), offset=array.offset * kind.itemsize)


def fixed_width(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Text as an array of fixed width, which cannot tell NUL characters at the end of a text from none.

    Raises
    ------
    DataError
        Where a text ends in one.
    """
    for value in values:
        if isinstance(value, str) and value.endswith("\0"):
            raise DataError(f"{value!r} ends in a NUL character, and would lose it in a matrix; mend it")
    return values.astype(str)


def column(values: np.ndarray[Any, Any]) -> pa.Array:
    """An array of numbers, truths or text for Arrow, copied only where its memory is laid out otherwise.

    Of an array, `pyarrow.array` would import pandas, like `to_numpy`.
    """
    import numpy as np
    import pyarrow as pa

    if values.dtype.kind == "U":
        return pa.array(values.tolist(), pa.string())
    bits = np.packbits(values, bitorder="little") if values.dtype == bool else np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(bits)])


class ArrowBatch:
    """Some rows of a query.

    Parameters
    ----------
    record : pyarrow.RecordBatch
    """

    def __init__(self, record: pa.RecordBatch) -> None:
        self.record = record

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.record.num_rows)

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """A column of numbers; nulls among floats are NaN."""
        return numbers(self.record.column(name))

    def extended(self, keep: np.ndarray[Any, Any], columns: Mapping[str, np.ndarray[Any, Any]]) -> ArrowBatch:
        """The rows to keep (a boolean each), with further columns that have a value for each row of the batch."""
        import pyarrow as pa

        names = [*self.record.schema.names, *columns]
        arrays = [*self.record.columns, *map(column, columns.values())]
        whole = pa.RecordBatch.from_arrays(arrays, names=names)
        return ArrowBatch(whole if keep.all() else whole.filter(column(keep)))


def spool(
    reader: pa.RecordBatchReader,
    path: Path,
    transform: Callable[[Iterator[ArrowBatch]], Iterator[ArrowBatch]],
    added: Mapping[str, str],
) -> None:
    """Send rows through a function and keep what comes out in an Arrow stream.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
    path : Path
        Where to.
    transform : function
        Takes and gives batches.
    added : dict of str to str
        Columns that it adds -> NumPy's name of their type.

    Raises
    ------
    CrantError
        Where the disk does not take it.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.ipc

    fields = [pa.field(name, pa.from_numpy_dtype(np.dtype(kind))) for name, kind in added.items()]
    schema = pa.schema([*reader.schema, *fields])
    with no_room(path.parent), pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for batch in transform(ArrowBatch(record) for record in reader):
            writer.write_batch(pa.RecordBatch.from_arrays(batch.record.columns, schema=schema))


def even(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of as many each, the last one perhaps of fewer.

    Those of the engine have sizes that depend on which of its threads was faster, and files would show it.
    """
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    number = 0
    for batch in batches:
        start = 0
        while number + batch.num_rows - start >= rows:
            held.append(batch.slice(start, rows - number))
            start += rows - number
            yield pa.concat_batches(held)
            held, number = [], 0
        if start < batch.num_rows:
            held.append(batch.slice(start))
            number += batch.num_rows - start
    if held:
        yield pa.concat_batches(held)


def cut(batches: Iterable[pa.RecordBatch], sizes: Iterable[int]) -> Iterator[Iterator[pa.RecordBatch]]:
    """The same rows in pieces of so many each, one after the other: each is to be used up before the next one."""
    rest: list[pa.RecordBatch] = []
    coming = iter(batches)

    def piece(size: int) -> Iterator[pa.RecordBatch]:
        while size:
            batch = rest.pop() if rest else next(coming)
            if batch.num_rows > size:
                rest.append(batch.slice(size))
                batch = batch.slice(0, size)
            size -= batch.num_rows
            yield batch

    return (piece(size) for size in sizes)


@contextmanager
def no_room(scratch: Path) -> Iterator[None]:
    """Say where the engine's folder is, when the disk does not take what is written to it."""
    try:
        yield
    except OSError as error:
        raise CrantError(
            f"{scratch.parent}: cannot write temporary files there ({error.strerror or error}); use {P.tmp_dir}"
        ) from None
