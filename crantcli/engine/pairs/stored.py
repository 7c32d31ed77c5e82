"""Rows of Parquet files, some row groups at a time and only the columns that are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crantcli.core.engine import StoredFile
from crantcli.engine.batches import numbers
from crantcli.errors import DataError, damaged
from crantcli.schema import IdType

Integers = NDArray[np.int64]
Keys = NDArray[np.uint64]
Mask = NDArray[np.bool_]

#: About as many rows are read at once.
ROWS = 500_000

#: Rows of a batch, where a row group has more.
_MOST = 1_000_000

#: Bytes that are read at once for the first rows of a row group.
_PIECE = 1 << 17


class ElsewhereError(Exception):
    """Raised for what is not counted here: statements count it."""


@dataclass(frozen=True)
class Rows:
    """Some rows.

    Attributes
    ----------
    columns : dict of str to pyarrow.Array
        By the parts that they play: `pre`, `post`, and as asked for `id`, `size` and coordinates. Neurons are integers,
        or, where all of the relation's are text, dictionaries of it.
    """

    columns: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.columns["pre"])

    def integers(self, role: str) -> Integers:
        """A column of integers; what stands for a null is any number. Not to be written to."""
        column = self.columns[role]
        if column.null_count:
            column = column.fill_null(0)
        values: Integers = column.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        return values

    def floats(self, role: str) -> NDArray[np.float64]:
        """A column of numbers as float64; nulls are NaN. Not to be written to."""
        return numbers(self.columns[role].cast(pa.float64(), safe=False))

    def there(self, *roles: str) -> Mask | None:
        """Rows in which no column is null; None for all."""
        found: Mask | None = None
        for role in roles:
            if self.columns[role].null_count:
                here = self.columns[role].is_valid().to_numpy(zero_copy_only=False)
                found = here if found is None else found & here
        return found

    def below(self, role: str, least: int) -> Mask:
        """Rows in which a number is less, or not known."""
        column = self.columns[role]
        if column.null_count:
            column = column.fill_null(-1)
        values = column.to_numpy(zero_copy_only=False)
        found: Mask = ~(values >= least)  # NaN is not known
        return found


@dataclass(frozen=True)
class RowGroups:
    """Some row groups of a file.

    Attributes
    ----------
    file : StoredFile
    metadata : pyarrow.parquet.FileMetaData
    numbers : tuple of int
    roles : tuple of str
        Which columns are read.
    id_type : {"BIGINT", "VARCHAR"}
        What neurons are to be.
    texts : tuple of str
        Columns of the file that hold neurons as text.
    """

    file: StoredFile
    metadata: Any
    numbers: tuple[int, ...]
    roles: tuple[str, ...]
    id_type: IdType
    texts: tuple[str, ...]

    def batches(self) -> Iterator[Rows]:
        """All rows.

        Raises
        ------
        DataError
            Where a row group is damaged, or has other integers than the footer says: pairs are coded, and ids told
            apart, by what that says.
        """
        for number in self.numbers:
            promised = self._promised(number)
            for rows in self._read(number, _MOST):
                for role, ends in promised.items():
                    if not _within(rows, role, ends):
                        raise damaged(self.file.name, "its statistics are not those of its values")
                yield rows

    def head(self, rows: int = 10_000) -> Rows:
        """The first rows, of which there is one at least."""
        first = next(number for number in self.numbers if self.metadata.row_group(number).num_rows)
        return next(self._read(first, rows))

    def _read(self, number: int, rows: int) -> Iterator[Rows]:
        names = [self.file.columns[role] for role in self.roles]
        try:
            # Of a file that is elsewhere a whole column would be fetched, however few of its rows are asked for.
            pieces = _PIECE if rows < _MOST else 0
            with pq.ParquetFile(
                self.file.source, metadata=self.metadata, read_dictionary=self.texts, buffer_size=pieces
            ) as file:
                for batch in file.iter_batches(rows, row_groups=[number], columns=names, use_threads=False):
                    columns = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
                    found = {role: columns[self.file.columns[role]] for role in self.roles}
                    yield Rows(
                        found | {side: _as_ids(found[side], self.id_type) for side in found.keys() & {"pre", "post"}}
                    )
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{self.file.name}: row group {number + 1} of {self.metadata.num_row_groups} cannot be read, so the "
                f"file is damaged ({_first_line(error)}); make or fetch it again"
            ) from error

    def _promised(self, number: int) -> dict[str, tuple[int, int]]:
        """Least and greatest value of each column of integers in a row group, where the footer tells."""
        places, group = _places(self.metadata), self.metadata.row_group(number)
        names = () if self.id_type == "BIGINT" else ("pre", "post")
        roles = [role for role in self.roles if role not in names]
        told = {role: group.column(places[self.file.columns[role]]).statistics for role in roles}
        return {
            role: (statistics.min, statistics.max)
            for role, statistics in told.items()
            if statistics is not None and statistics.has_min_max and isinstance(statistics.min, int)
        }

    def range(self, role: str) -> tuple[int, int] | None:
        """Least and greatest value of a column of integers, from the footer; None where there is no value.

        Raises
        ------
        ElsewhereError
            Where the footer does not tell.
        """
        if self.file.columns[role] in self.texts:
            raise ElsewhereError
        place = _places(self.metadata)[self.file.columns[role]]
        found: list[int] = []
        for number in self.numbers:
            group = self.metadata.row_group(number)
            statistics = group.column(place).statistics
            if statistics is None or not statistics.has_min_max:
                if group.num_rows and (statistics is None or statistics.null_count != group.num_rows):
                    raise ElsewhereError
                continue
            found += [int(statistics.min), int(statistics.max)]
        return (min(found), max(found)) if found else None

    @property
    def rows(self) -> int:
        """Their number."""
        return sum(self.metadata.row_group(number).num_rows for number in self.numbers)


def row_groups(files: Sequence[StoredFile], roles: Sequence[str], id_type: IdType) -> list[RowGroups]:
    """The row groups of files, small ones together.

    Raises
    ------
    ElsewhereError
        Where a column is of a type that is not read here.
    """
    found = []
    for file in files:
        with pq.ParquetFile(file.source) as opened:
            metadata, schema = opened.metadata, opened.schema_arrow
        for role in roles:
            _check(schema, file.columns[role], role)
        sides = dict.fromkeys(file.columns[side] for side in ("pre", "post"))
        texts = tuple(name for name in sides if _is_text(schema.field(name).type))
        held: list[int] = []
        rows, groups = 0, range(metadata.num_row_groups) if file.groups is None else file.groups
        for number in groups:
            held.append(number)
            rows += metadata.row_group(number).num_rows
            if rows >= ROWS or (rows and number == groups[-1]):
                found.append(RowGroups(file, metadata, tuple(held), tuple(roles), id_type, texts))
                held, rows = [], 0
    return found


def check_footer(file: StoredFile) -> None:
    """Read all integers of a Parquet file, whatever columns are named of it.

    Raises
    ------
    DataError
        Where the file is damaged, or its footer tells others.
    """
    with pq.ParquetFile(file.source) as opened:
        metadata, schema = opened.metadata, opened.schema_arrow
    columns = {field.name: field.name for field in schema if _is_int64(field.type)}
    whole = replace(file, columns=columns)
    for _ in RowGroups(whole, metadata, tuple(range(metadata.num_row_groups)), tuple(columns), "BIGINT", ()).batches():
        pass


def sampled(parts: Sequence[RowGroups], keys: Callable[[Rows], Keys], most: int = 64) -> Keys:
    """Keys of the first rows of some parts, evenly spread."""
    some = parts[:: -(-len(parts) // most)] if parts else []
    return np.concatenate([np.empty(0, np.uint64), *(keys(part.head()) for part in some)])


def _is_int64(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) and not pa.types.is_uint64(kind))


def _within(rows: Rows, role: str, ends: tuple[int, int]) -> bool:
    known, values = rows.there(role), rows.integers(role)
    if known is not None:
        values = values[known]
    return not len(values) or bool(ends[0] <= values.min() and values.max() <= ends[1])


def _check(schema: pa.Schema, name: str, role: str) -> None:
    places = schema.get_all_field_indices(name)
    kind = schema.field(places[0]).type if len(places) == 1 else None
    real = role not in ("pre", "post", "id")
    number = kind is not None and (pa.types.is_integer(kind) or (real and pa.types.is_floating(kind)))
    if role in ("pre", "post") and kind is not None and _is_text(kind):
        return
    # Neurons are known to be int64, whatever they are stored as; synapse ids may be larger.
    if not number or (role == "id" and pa.types.is_uint64(kind)):
        raise ElsewhereError


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column is one of text, of whose values each is written once."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _as_ids(column: pa.Array, id_type: IdType) -> pa.Array:
    """Neurons as they are to be. What is a number in every row may be written as text, and the other way round."""
    if id_type == "BIGINT":
        if not pa.types.is_dictionary(column.type):
            return column
        return column.dictionary.cast(pa.int64()).take(column.indices)
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(coded.indices, coded.dictionary.cast(pa.large_string()))


def _places(metadata: Any) -> dict[str, int]:
    return {metadata.schema.column(place).path: place for place in range(metadata.num_columns)}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
