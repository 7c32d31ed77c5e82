"""Rows in groups, told by workers: what runs there, and what comes of it.

Workers import this module, so crantcli has to be installed where they run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from crantcli import __version__
from crantcli.core.engine import GroupsOf
from crantcli.errors import CrantError

if TYPE_CHECKING:
    import pyarrow as pa

#: A column of what a worker has counted beside the rows; `code` is then ~(which number it is).
COUNTED = "counted beside"


class Divide:
    """Puts the rows of one partition in groups: a function for `mapInArrow`, which is sent to workers.

    Parameters
    ----------
    numbers : sequence of str
        Columns by which groups are told. They are not passed on.
    groups_of : GroupsOf
        Each partition has a copy of its own, which has counted nothing yet.
    """

    def __init__(self, numbers: Sequence[str], groups_of: GroupsOf) -> None:
        self._numbers, self._groups_of, self._version = tuple(numbers), groups_of, __version__

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Each row with `code`, once for each of its groups; last, what was counted."""
        import numpy as np
        import pyarrow as pa

        from crantcli.engine.batches import column, numbers

        if self._version != __version__:
            raise CrantError(f"a worker has crantcli {__version__}, and was sent work by {self._version}")
        schema = None
        for batch in batches:
            rows, codes = self._groups_of([numbers(batch.column(name)) for name in self._numbers])
            rest = batch.select([name for name in batch.schema.names if name not in self._numbers])
            chosen = [values.take(column(rows)) for values in rest.columns]
            fields = [*rest.schema, pa.field("code", pa.int32()), pa.field(COUNTED, pa.int64())]
            schema = pa.schema(fields)
            made = [*chosen, column(codes.astype(np.int32)), pa.nulls(len(codes), pa.int64())]
            yield pa.RecordBatch.from_arrays(made, schema=schema)
        if schema is not None:
            counted = np.array(self._groups_of.counted(), dtype=np.int64)
            nothing = [pa.nulls(len(counted), kind) for kind in schema.types[:-2]]
            which = column(~np.arange(len(counted), dtype=np.int32))
            yield pa.RecordBatch.from_arrays([*nothing, which, column(counted)], schema=schema)


def divided_frame(frame: Any, numbers: Sequence[str], groups_of: GroupsOf) -> Any:
    """What workers make of a DataFrame: its other columns, with `code` and `COUNTED`."""
    from pyspark.sql.types import IntegerType, LongType, StructField, StructType

    fields = [StructField(field.name, field.dataType) for field in frame.schema if field.name not in numbers]
    more = [StructField("code", IntegerType()), StructField(COUNTED, LongType())]
    return frame.mapInArrow(Divide(numbers, groups_of), StructType([*fields, *more]))


def counted_in(frame: Any, groups_of: GroupsOf) -> dict[int, int]:
    """Rows of each group that has some; what the workers have counted is added to what is counted here."""
    found = frame.groupBy("code").agg({"*": "count", COUNTED: "sum"}).collect()
    numbers = {int(row["code"]): int(row["count(1)"]) for row in found if row["code"] >= 0}
    beside = {~int(row["code"]): int(row[f"sum({COUNTED})"]) for row in found if row["code"] < 0}
    groups_of.add([beside.get(number, 0) for number in range(len(groups_of.counted()))])
    return dict(sorted(numbers.items()))
