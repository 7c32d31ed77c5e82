"""Writes Parquet files, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from crantcli.errors import writing_to

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows in a Parquet row group. A sorted table in groups of this size answers for 100 neurons from a few groups.
ROW_GROUP = 200_000


def write_parquet(batches: Iterator[pa.RecordBatch], path: Path, metadata: dict[str, str]) -> None:
    """Write row groups of the same size."""
    import pyarrow.parquet as pq

    first = next(batches)
    schema = first.schema.remove_metadata()
    repeating = [name for place, name in enumerate(schema.names) if _repeats(first.column(place))]
    with writing_to(path.parent), pq.ParquetWriter(
        str(path), schema, use_dictionary=repeating, compression="snappy", store_schema=False
    ) as writer:  # fmt: skip
        for batch in chain([first], batches):
            writer.write_batch(batch.replace_schema_metadata(), row_group_size=ROW_GROUP)
        # The metadata of a schema that is not stored would be lost.
        writer.add_key_value_metadata(metadata)


def _repeats(values: pa.Array) -> bool:
    """Whether a dictionary of the values is much shorter than they are."""
    import pyarrow.compute as pc

    try:
        return bool(pc.count_distinct(values).as_py() * 4 < len(values))
    except NotImplementedError:  # lists and the like
        return False
