"""Rows in groups, such as the synapses of each neuropil, kept in two Parquet files.

The way of the rows: batches, of a query or straight from Parquet files -> in several threads, groups are told, and rows
of each are put together -> in their order again, they are written. A row group of the file of rows is of one group, so
that whoever asks for a group reads nothing else, and its pairs can be counted like those of any Parquet file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crantcli.core.engine import GroupsOf, PairRules, StoredFile, StoredSynapses
from crantcli.core.parallel import in_order
from crantcli.engine.batches import column, no_room, numbers
from crantcli.engine.pairs.reading import SynapseReader, Told, kept
from crantcli.engine.pairs.stored import ElsewhereError, Rows
from crantcli.system.temporary import remove

#: Rows of a query that one thread gets at a time.
BATCH = 500_000

#: About as many bytes are held for each of the batches under way.
PER_BATCH = 200_000_000

#: More rows than this of one part of a file are not held at once.
_MOST = 4_000_000

#: Rows of a row group of keys. Whatever batches they came in, they are passed on in the same ones.
_KEYS = 491_520

#: Rows of a group that are written together, and rows of all groups that wait for that.
_TOGETHER, _WAITING = 250_000, 4_000_000


@dataclass(frozen=True)
class DividedBatch:
    """Some rows, in groups.

    Attributes
    ----------
    keys : pyarrow.RecordBatch
        `synapse, code`, in the order of the rows.
    groups : dict of int to pyarrow.RecordBatch
        All other columns of the rows of each group.
    removed : Counter of str
        Rows by the step of the ledger that would remove them.
    """

    keys: pa.RecordBatch
    groups: dict[int, pa.RecordBatch]
    removed: Told


def divided_batch(
    record: pa.RecordBatch, rows: NDArray[np.int64], codes: NDArray[np.int32], removed: Told
) -> DividedBatch:
    """Put rows of each group together.

    Parameters
    ----------
    record : pyarrow.RecordBatch
        With a column `synapse`.
    rows : ndarray of int64
        Numbers of rows, ascending; one that is in several groups stands there several times.
    codes : ndarray of int32
        Their groups.
    removed : Counter of str
    """
    keys = [record.column("synapse").take(column(rows)), column(codes)]
    rest = record.select([name for name in record.schema.names if name != "synapse"])
    groups = {}
    if len(codes):
        # Small numbers are sorted by counting them.
        order = np.argsort(codes.astype(np.min_scalar_type(int(codes.max()))), kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        for start, end in pairwise([*starts.tolist(), len(order)]):
            place = order[start:end]
            chosen = rest.take(column(rows[place]))
            groups[int(codes[place[0]])] = pa.RecordBatch.from_arrays(
                [*chosen.columns, column(codes[place])], names=[*rest.schema.names, "code"]
            )
    return DividedBatch(pa.RecordBatch.from_arrays(keys, names=["synapse", "code"]), groups, removed)


def divided_query(
    records: Iterable[pa.RecordBatch], names: Sequence[str], groups_of: GroupsOf, threads: int
) -> Iterator[DividedBatch]:
    """Divide the rows of a query by some of its columns."""

    def divide(record: pa.RecordBatch) -> DividedBatch:
        rows, codes = groups_of([numbers(record.column(name)) for name in names])
        rest = record.select([name for name in record.schema.names if name not in names])
        return divided_batch(rest, rows, codes, Told())

    yield from in_order(divide, records, threads)


def further_columns(stored: StoredSynapses, names: Sequence[str], rules: PairRules) -> tuple[str, ...]:
    """Columns of synapses in Parquet files that are needed to divide them by some, beside the neurons.

    Raises
    ------
    ElsewhereError
        Where statements would convert one of them in a way of their own.
    """
    first, *_ = stored.files
    further = (*(["id"] if "id" in first.columns else []), *(["size"] if rules.min_size is not None else []), *names)
    schemas = []
    for file in stored.files:
        if not all(name in file.columns for name in further):
            raise ElsewhereError
        schema = pq.read_schema(file.path)
        schemas.append({name: schema.field(file.columns[name]).type for name in further})
    for kinds in schemas:
        if any(kinds[name] != schemas[0][name] for name in names):
            raise ElsewhereError
        if not pa.types.is_integer(kinds.get("size", pa.int64())):
            raise ElsewhereError
    return further


def divided_rows(
    reader: SynapseReader, further: Sequence[str], names: Sequence[str], groups_of: GroupsOf, threads: int
) -> tuple[pa.Schema, Iterator[DividedBatch]]:
    """Divide synapses of Parquet files by some of their columns.

    Parameters
    ----------
    reader : SynapseReader
    further : sequence of str
        Those of `further_columns`, which the reader reads.

    Returns
    -------
    pyarrow.Schema
        Columns that are kept.
    iterator of DividedBatch
        May raise what `SynapseReader.in_order` raises.

    Raises
    ------
    ElsewhereError
        Where row groups are too large to be held.
    """
    if any(part.rows > _MOST for part in reader.parts):
        raise ElsewhereError
    columns = ("pre", "post", *(["size"] if "size" in further else []))
    schema = pa.schema([(name, pa.int64()) for name in ("synapse", *columns)])

    def divide(rows: Rows, start: int) -> DividedBatch:
        removed = Told()
        kept(rows, reader.rules, removed)
        # A row without a neuron may share its id with another one, and which of the two stays is not told here.
        if reader.rules.distinct and removed["null"]:
            raise ElsewhereError
        members, codes = groups_of([rows.floats(name) for name in names])
        key = rows.columns["id"] if "id" in further else column(np.arange(start, start + len(rows)))
        values = [key, *(rows.columns[name] for name in columns)]
        record = pa.RecordBatch.from_arrays([array.cast(pa.int64()) for array in values], schema=schema)
        return divided_batch(record, members, codes, removed)

    return schema, reader.in_order(divide, threads)


class GroupFiles:
    """The two files. A context manager: they are whole when it is left.

    Parameters
    ----------
    folder : Path
    schema : pyarrow.Schema
        Columns of the rows, `synapse` among them.

    Attributes
    ----------
    keys, rows : Path
    groups : dict of int to list of int
        Row groups of `rows` that hold a group.
    numbers : dict of int to int
        Rows of each group.
    removed : Counter of str
        Rows by the step of the ledger that would remove them.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.keys, self.rows = folder / "keys.parquet", folder / "rows.parquet"
        self.groups: dict[int, list[int]] = {}
        self.numbers: dict[int, int] = {}
        self.removed = Told()
        self._waiting: dict[int, list[pa.RecordBatch]] = {}
        self._held = self._written = 0
        self._next_keys: list[pa.RecordBatch] = []
        code = pa.field("code", pa.int32())
        rest = [known for known in schema if known.name != "synapse"]
        self.plain = all(schema.field(name).type == pa.int64() for name in ("pre", "post") if name in schema.names)
        self._scratch = folder.parent
        with no_room(self._scratch):
            self._keys = _writer(self.keys, [schema.field("synapse"), code])
            self._rows = _writer(self.rows, [*rest, code])

    def __enter__(self) -> GroupFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            with no_room(self._scratch):
                self._write(sorted(self._waiting))
                self._write_keys(1)
                self._keys.close()
                self._rows.close()
            return
        for writer in (self._keys, self._rows):
            with suppress(Exception):
                writer.close()

    def add(self, batch: DividedBatch) -> None:
        """Take the next rows.

        Raises
        ------
        CrantError
            Where the disk does not take them.
        """
        self.removed += batch.removed
        for code, record in batch.groups.items():
            self._waiting.setdefault(code, []).append(record)
            self.numbers[code] = self.numbers.get(code, 0) + len(record)
            self._held += len(record)
        self._next_keys.append(batch.keys)
        with no_room(self._scratch):
            self._write_keys(_KEYS)
            sizes = {code: sum(map(len, records)) for code, records in self._waiting.items()}
            self._write([code for code, size in sizes.items() if size >= _TOGETHER])
            if self._held > _WAITING:
                largest = sorted(self._waiting, key=lambda code: -sizes[code])
                left = accumulate((sizes[code] for code in largest), lambda rest, size: rest - size, initial=self._held)
                self._write([code for code, rest in zip(largest, left, strict=False) if rest > _WAITING // 2])

    def _write_keys(self, least: int) -> None:
        """Write the keys that wait, as long as so many do."""
        number = sum(map(len, self._next_keys))
        if number < least:
            return
        keys = pa.Table.from_batches(self._next_keys)
        whole = number // least * least
        self._keys.write_table(keys.slice(0, whole), row_group_size=_KEYS)
        self._next_keys = keys.slice(whole).combine_chunks().to_batches()

    def _write(self, codes: Sequence[int]) -> None:
        for code in codes:
            records = self._waiting.pop(code)
            number = sum(map(len, records))
            self._rows.write_table(pa.Table.from_batches(records), row_group_size=number)
            self.groups.setdefault(code, []).append(self._written)
            self._written += 1
            self._held -= number

    def stored(self, code: int) -> StoredSynapses | None:
        """Where a group stands, if its neurons are plain numbers."""
        if not self.plain or code not in self.numbers:
            return None
        names = {name: name for name in ("pre", "post", "size") if name in self._rows.schema.names}
        file = StoredFile(str(self.rows), self.rows.name, names, tuple(self.groups[code]))
        return StoredSynapses((file,), self.numbers[code])


def group_files(folder: Path, columns: Iterable[pa.Field], batches: Iterable[DividedBatch]) -> GroupFiles:
    """Keep rows in a new folder, of which nothing is left where that fails."""
    folder.mkdir()
    try:
        with GroupFiles(folder, pa.schema(columns)) as files:
            for batch in batches:
                files.add(batch)
    except BaseException:
        remove(folder)
        raise
    return files


def _writer(path: Path, fields: Sequence[pa.Field]) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, pa.schema(fields), compression="NONE", use_dictionary=["code"])
