"""Rows in groups, such as the synapses of each neuropil, kept in two Parquet files.

The way of the rows: batches, of a query or straight from Parquet files -> in several threads, groups are told, and rows
of each are put together -> in their order again, they are written. A row group of the file of rows is of one group, so
that whoever asks for a group reads nothing else, and its pairs can be counted like those of any Parquet file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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
from crantcli.engine.pairs.cleaning import cleaned
from crantcli.engine.pairs.distinct import Ids, ids_of
from crantcli.engine.pairs.stored import ElsewhereError, RowGroups, row_groups

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
    removed : dict of str to int
        Rows by the step of the ledger that would remove them.
    """

    keys: pa.RecordBatch
    groups: dict[int, pa.RecordBatch]
    removed: dict[str, int] = field(default_factory=dict)


def divided_batch(
    record: pa.RecordBatch, rows: NDArray[np.int64], codes: NDArray[np.int32], removed: dict[str, int]
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
    removed : dict of str to int
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
        kept = record.select([name for name in record.schema.names if name not in names])
        return divided_batch(kept, rows, codes, {})

    yield from in_order(divide, records, threads)


class StoredDivider:
    """Divides the synapses of Parquet files by some of their columns.

    Parameters
    ----------
    stored : StoredSynapses
    names : sequence of str
        Coordinates by which groups are told.
    rules : PairRules
        For the ledger.
    threads : int
    memory : int
        Bytes that may be held.
    scratch : Path
        A folder for what does not fit.

    Raises
    ------
    ElsewhereError
        Where a column is of another type than it should be, or row groups are too large to be read at once.
    """

    def __init__(
        self,
        stored: StoredSynapses,
        names: Sequence[str],
        rules: PairRules,
        threads: int,
        memory: int,
        scratch: Path,
    ) -> None:
        known = stored.files[0].columns
        self._names, self._rules, self._threads = tuple(names), rules, threads
        self._key = "id" if "id" in known else None
        self._sized = ("size",) if rules.min_size is not None else ()
        if not all(name in file.columns for file in stored.files for name in (*names, *self._sized)):
            raise ElsewhereError
        roles = ("pre", "post", *([self._key] if self._key else []), *self._sized, *names)
        parts = row_groups(stored.files, roles)
        if any(part.rows > _MOST for part in parts):
            raise ElsewhereError
        for file in stored.files:
            _check(pq.read_schema(file.path), file, stored.files[0], names, self._sized, self._key)
        self._parts = list(zip(parts, accumulate((part.rows for part in parts), initial=0), strict=False))
        self._ids: Ids | None = None
        if self._key is not None and rules.distinct:
            self._ids = ids_of(parts, stored.rows, memory // 4, scratch / "ids.keys")

    @property
    def schema(self) -> pa.Schema:
        """Columns that are kept."""
        return pa.schema([(name, pa.int64()) for name in ("synapse", "pre", "post", *self._sized)])

    def batches(self, groups_of: GroupsOf) -> Iterator[DividedBatch]:
        """All rows.

        Raises
        ------
        ElsewhereError
            Where a synapse may stand in two rows, perhaps only after the last batch.
        DataError
            Where a file is damaged.
        """

        def divide(part: tuple[RowGroups, int]) -> list[DividedBatch]:
            return self._divided(*part, groups_of)

        for found in in_order(divide, self._parts, self._threads):
            yield from found
        if self._ids is not None:
            self._ids.check(self._threads)

    def _divided(self, part: RowGroups, start: int, groups_of: GroupsOf) -> list[DividedBatch]:
        found, seen = [], []
        for rows in part.batches():
            members, codes = groups_of([rows.floats(name) for name in self._names])
            removed: dict[str, int] = {}
            cleaned(rows, self._rules, removed)
            if self._ids is not None:
                # A row without a neuron may share its id with another one, which of the two stays is not told here.
                if removed.get("null"):
                    raise ElsewhereError
                known, ids = rows.there("id"), rows.integers("id")
                seen.append(ids if known is None else ids[known])
            number = len(rows.columns["pre"])
            key = column(np.arange(start, start + number)) if self._key is None else rows.columns[self._key]
            kept = [key, *(rows.columns[name] for name in ("pre", "post", *self._sized))]
            record = pa.RecordBatch.from_arrays([values.cast(pa.int64()) for values in kept], schema=self.schema)
            found.append(divided_batch(record, members, codes, removed))
            start += number
        if self._ids is not None and seen:
            self._ids.add(seen[0] if len(seen) == 1 else np.concatenate(seen))
        return found


def _check(
    schema: pa.Schema, file: StoredFile, first: StoredFile, names: Sequence[str], sized: Sequence[str], key: str | None
) -> None:
    """Refuse columns that statements would convert in a way of their own."""
    kinds = {name: schema.field(file.columns[name]).type for name in (*names, *sized)}
    if key is not None and pa.types.is_uint64(schema.field(file.columns[key]).type):
        raise ElsewhereError
    if any(not pa.types.is_integer(kinds[name]) for name in sized):
        raise ElsewhereError
    if file is not first:
        others = pq.read_schema(first.path)
        if any(kinds[name] != others.field(first.columns[name]).type for name in names):
            raise ElsewhereError


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
    removed : dict of str to int
        Rows by the step of the ledger that would remove them.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.keys, self.rows = folder / "keys.parquet", folder / "rows.parquet"
        self.groups: dict[int, list[int]] = {}
        self.numbers: dict[int, int] = {}
        self.removed: dict[str, int] = {}
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
        for step, number in batch.removed.items():
            self.removed[step] = self.removed.get(step, 0) + number
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


def _writer(path: Path, fields: Sequence[pa.Field]) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, pa.schema(fields), compression="NONE", use_dictionary=["code"])


__all__ = ["BATCH", "PER_BATCH", "ElsewhereError", "GroupFiles", "StoredDivider", "divided_query"]
