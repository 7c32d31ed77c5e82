"""Answers to queries for rows of a synapse table: read, checked, and kept as they came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crantcli.engine.batches import column, numbers
from crantcli.errors import DataError
from crantcli.schema import is_id_column
from crantcli.sources.live.query import PAIR, Part

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Rows:
    """One answer.

    Attributes
    ----------
    table : pyarrow.Table
    content : bytes
        The same as it came.
    cut : int or None
        The limit that the server says it has cut the answer at; 0 where it does not say which; None for a whole one.
    """

    table: pa.Table
    content: bytes
    cut: int | None


@dataclass(frozen=True)
class Kept:
    """A whole answer, in a file, as it came.

    Attributes
    ----------
    path : Path
    columns : sequence of str, optional
        What was asked for; None means all.
    rows : int
    schema : pyarrow.Schema
        Names and types of the columns that are taken.
    """

    path: Path
    columns: Sequence[str] | None
    rows: int
    schema: pa.Schema

    @classmethod
    def known(cls, path: Path, columns: Sequence[str] | None) -> Kept | None:
        """What a run before has left there; None where that is nothing, or damaged."""
        import pyarrow as pa

        try:
            table = checked(read(path.read_bytes()), columns)
        except (OSError, pa.ArrowException):
            return None
        return cls(path, columns, table.num_rows, table.schema)

    def table(self) -> pa.Table:
        """The columns that are taken."""
        return checked(read(self.path.read_bytes()), self.columns)


def read(content: bytes) -> pa.Table:
    """The table that an answer is."""
    import pyarrow as pa
    import pyarrow.ipc

    with pa.ipc.open_stream(content) as reader:
        return reader.read_all().replace_schema_metadata(None)


def cut_at(notice: str) -> int | None:
    """The row limit that a notice tells of. Other notices, such as a table owner's, are not about it."""
    limited = re.search(r"Limited query to (\d+) rows", notice)
    if limited:
        return int(limited[1])
    return 0 if "Limited query" in notice or "may be more results" in notice else None


def checked(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    """The columns that were asked for, IDs as int64.

    Raises
    ------
    DataError
        Where an ID has gone through a float, or a column or a synapse's ID is not there.
    """
    import pyarrow as pa

    if columns is not None:
        wanted = {part for name in columns for part in (name, *(f"{name}_{axis}" for axis in "xyz"))}
        table = table.select([name for name in table.column_names if name in wanted])
    for name in PAIR:
        if name not in table.column_names:
            raise DataError(f"the synapse table has no column {name}; is it a synapse table?")
    for place, name in enumerate(table.column_names):
        kind, values = table.schema.field(name).type, table.column(name)
        if is_id_column(name) and kind != pa.int64():
            # A column without any value may have whatever type.
            if not pa.types.is_integer(kind) and values.null_count < table.num_rows:
                raise DataError(f"column {name}: the server sends IDs as {kind}, which may have lost digits")
            if values.null_count == table.num_rows:
                values = pa.nulls(table.num_rows, pa.int64())
            try:
                table = table.set_column(place, name, values.cast(pa.int64()))
            except pa.ArrowInvalid as error:
                raise DataError(f"column {name}: the server sends an ID that is none of 63 bits ({error})") from None
    if table.column("id").null_count:
        raise DataError("column id: the server sends synapses without an ID")
    return table


@dataclass
class Tally:
    """Number of synapses, sum (modulo 2^64) and XOR of their IDs: what tells whether two sets of them are the same."""

    number: int = 0
    sum: int = 0
    xor: int = 0


def taken(table: pa.Table, part: Part, tally: Tally) -> pa.Table:
    """The rows of an answer that a part of a query takes. Those with its partners are added to the tally."""
    if part.partners is None:
        return table
    import numpy as np
    import pyarrow.compute as pc

    partners = column(np.array(part.partners, dtype=np.int64))
    theirs = pc.is_in(table.column(part.columns[1]), value_set=partners)
    found = table.filter(theirs)
    tally.number += found.num_rows
    for chunk in found.column("id").chunks:
        ids = numbers(chunk)
        tally.sum = (tally.sum + int(ids.sum())) % 2**64
        tally.xor ^= int(np.bitwise_xor.reduce(ids))
    if part.take == "all":
        return table
    return found if part.take == "these" else table.filter(pc.invert(theirs))


def middle(table: pa.Table) -> int | None:
    """The median of the synapse IDs; None where there are fewer than two."""
    import numpy as np

    if table.num_rows < 2:
        return None
    ids = np.concatenate([numbers(chunk) for chunk in table.column("id").chunks])
    return int(np.partition(ids, len(ids) // 2)[len(ids) // 2])
