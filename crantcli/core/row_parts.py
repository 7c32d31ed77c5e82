"""A table that is too long for one file: a folder of files with its rows, in order, and a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What the manifest calls the list of files.
ROW_PARTS = "row_parts"

#: Rows of a file.
PART_ROWS = 10_000_000


def part_stems(count: int) -> list[str]:
    """Names of so many parts without a suffix, which sort as the parts do."""
    width = max(2, len(str(count)))
    return [f"part-{number:0{width}d}" for number in range(1, count + 1)]


def part_sizes(rows: int, most: int) -> dict[str, int]:
    """Names of the files, in order, and their rows, of which none has more than `most`."""
    size = min(most, PART_ROWS)
    count = -(-rows // size)
    return {f"{stem}.parquet": min(size, rows - place * size) for place, stem in enumerate(part_stems(count))}


def part_record(record: Mapping[str, Any], number: int, parts: int, rows: int) -> dict[str, Any]:
    """The provenance of one file, which alone is complete for nobody's totals.

    Parameters
    ----------
    record : mapping
        Provenance of the whole.
    number, parts, rows : int
        Which file it is, from 1, of how many; its rows.
    """
    found = {**record, "rows": rows, "row_part": [number, parts]}
    complete = record.get("complete_for")
    if isinstance(complete, Mapping):
        reasons = [complete.get("thinned_by"), f"being part {number} of {parts} of a larger result"]
        found["complete_for"] = {**complete, "thinned_by": " and ".join(filter(None, reasons))}
    return found
