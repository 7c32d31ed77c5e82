"""Answers to queries for rows of a synapse table: read, checked, and kept as they came."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.engine.batches import column, numbers
from crantcli.errors import DataError
from crantcli.schema import is_id_column
from crantcli.sources.cave.query import PAIR, QuerySide

if TYPE_CHECKING:
    import pyarrow as pa

#: What stands for the neuron, and the supervoxel, of a side that was never looked up.
_NEVER_LOOKED_UP = 1


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes
    ----------
    table : pyarrow.Table
    content : bytes
        The same as it came.
    cut : int or None
        The limit that the server says it has cut the answer at; 0 where it does not say which; None for a whole one.
    left_out : int
        Rows that it says it has left out, whoever's they are, since their neurons are not looked up yet.
    """

    table: pa.Table
    content: bytes
    cut: int | None
    left_out: int = 0


@dataclass(frozen=True)
class ChunkFile:
    """A whole answer, in a file, as it came.

    Attributes
    ----------
    path : Path
    columns : sequence of str, optional
        What was asked for; None means all.
    rows : int
    schema : pyarrow.Schema
        Names and types of the columns that are taken.
    left_out : int
        As in `Answer`.
    """

    path: Path
    columns: Sequence[str] | None
    rows: int
    schema: pa.Schema
    left_out: int = 0

    @classmethod
    def known(cls, path: Path, columns: Sequence[str] | None, left_out: int = 0) -> ChunkFile | None:
        """What a run before has left there; None where that is nothing, or damaged."""
        import pyarrow as pa

        try:
            table = check_rows(read(path.read_bytes()), columns)
        except (OSError, pa.ArrowException):
            return None
        return cls(path, columns, table.num_rows, table.schema, left_out)

    def table(self) -> pa.Table:
        """The columns that are taken."""
        return check_rows(read(self.path.read_bytes()), self.columns)


def read(content: bytes) -> pa.Table:
    """The table that an answer is."""
    import pyarrow as pa
    import pyarrow.ipc

    with pa.ipc.open_stream(content) as reader:
        table = reader.read_all().replace_schema_metadata(None)
    table.validate()
    return table


def cut_at(notice: str) -> int | None:
    """The row limit that a notice tells of. Other notices, such as a table owner's, are not about it."""
    limited = re.search(r"Limited query to (\d+) rows|limit of (\d+)\s+there may be more results", notice)
    if limited:
        return int(limited[1] or limited[2])
    return 0 if "Limited query" in notice or "may be more results" in notice else None


def missing_lookups(notice: str) -> int:
    """How many rows a notice says were left out, since their neurons are not looked up yet."""
    return sum(int(number) for number in re.findall(r"There are (\d+) annotations that need supervoxel", notice))


def check_rows(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    """The columns that were asked for, IDs as int64, and null where a side was never looked up.

    Raises
    ------
    DataError
        Where an ID has gone through a float, or a column or a synapse's ID is not there.
    """
    if columns is not None:
        wanted = {part for name in columns for part in (name, *(f"{name}_{axis}" for axis in "xyz"))}
        table = table.select([name for name in table.column_names if name in wanted])
    for name in PAIR:
        if name not in table.column_names:
            raise DataError(f"the synapse table has no column {name}; is it a synapse table?")
    for place, name in enumerate(table.column_names):
        if is_id_column(name):
            table = table.set_column(place, name, _ids(name, table.column(name)))
    if table.column("id").null_count:
        raise DataError("column id: the server sends synapses without an ID")
    return table


def _ids(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of IDs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if values.type != pa.int64():
        # A column without any value may have whatever type.
        if not pa.types.is_integer(values.type) and values.null_count < len(values):
            raise DataError(f"column {name}: the server sends IDs as {values.type}, which may have lost digits")
        if values.null_count == len(values):
            return pa.chunked_array([pa.nulls(len(values), pa.int64())])
        try:
            values = values.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise DataError(f"column {name}: the server sends an ID that is none of 63 bits ({error})") from None
    if name == "id":
        return values
    # Where synapses and their neurons are two tables, the server puts 1 in place of a neuron that it has not got.
    return pc.if_else(pc.equal(values, _NEVER_LOOKED_UP), pa.scalar(None, pa.int64()), values)


def unrequested(table: pa.Table, filters: Mapping[str, Mapping[str, Any]]) -> int:
    """How many rows are not those that were asked for, with filters as for `Cave.rows`: some servers ignore filters."""
    import numpy as np
    import pyarrow.compute as pc

    wrong = 0
    for name, ids in filters.get("in", {}).items():
        asked = pc.is_in(table.column(name), value_set=column(np.array(ids, dtype=np.int64)))
        wrong += table.num_rows - (pc.sum(asked).as_py() or 0)
    for kind, outside in (("greater_equal", pc.less), ("less", pc.greater_equal)):
        for name, bound in filters.get(kind, {}).items():
            wrong += pc.sum(outside(table.column(name), bound)).as_py() or 0
    return int(wrong)


@dataclass
class Checksum:
    """Number of synapses, sum (modulo 2^64) and XOR of their IDs: what tells whether two sets of them are the same."""

    number: int = 0
    sum: int = 0
    xor: int = 0


def select_side(table: pa.Table, part: QuerySide, checksum: Checksum) -> pa.Table:
    """The rows of an answer that a part of a query takes. Those with its partners are added to the tally."""
    if part.partners is None:
        return table
    import numpy as np
    import pyarrow.compute as pc

    partners = column(np.array(part.partners, dtype=np.int64))
    theirs = pc.is_in(table.column(part.columns[1]), value_set=partners)
    found = table.filter(theirs)
    checksum.number += found.num_rows
    for chunk in found.column("id").chunks:
        ids = numbers(chunk)
        checksum.sum = (checksum.sum + int(ids.sum())) % 2**64
        checksum.xor ^= int(np.bitwise_xor.reduce(ids))
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


def id_range(table: pa.Table) -> tuple[int, int] | None:
    """The lowest of the synapse IDs, and what comes after the highest; None where there are none."""
    import pyarrow.compute as pc

    found = pc.min_max(table.column("id")).as_py()
    return None if found["min"] is None else (found["min"], found["max"] + 1)
