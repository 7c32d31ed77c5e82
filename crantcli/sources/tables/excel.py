"""Sheets of Excel files, as text: what stands in a cell, not how it is shown."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.sources.tables.files import Source
from crantcli.text import did_you_mean


def stage_sheet(engine: Engine, source: Source) -> Source:
    """Copy a sheet, row by row, to CSV in the scratch folder.

    A whole number below 2^53 is written as one; a larger one as the floating-point number that Excel keeps, so that it
    is refused as an ID.

    Raises
    ------
    DataError
        Where the file is damaged, or has no such sheet.
    """
    import python_calamine

    try:
        with python_calamine.CalamineWorkbook.from_path(str(source.path)) as book:
            names = book.sheet_names
            if source.sheet is not None and source.sheet not in names:
                raise DataError(
                    f"{source.name}: no sheet {source.sheet} ({did_you_mean(source.sheet, names, 'sheets')})"
                )
            if not names:
                raise DataError(f"{source.name}: has no sheet")
            sheet = source.sheet or names[0]
            rows = book.get_sheet_by_name(sheet).iter_rows()
            target = engine.scratch / f"{engine.name('sheet')}.csv"
            with target.open("w", encoding="utf-8", newline="") as out:
                writer = csv.writer(out, lineterminator="\n")
                for row in rows:
                    writer.writerow(_texts(row))
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise DataError(f"{source.name}: cannot be read as Excel ({error}); save it again, or as CSV") from None
    note = "; ".join(filter(None, [source.note, f"{source.name}: read sheet {sheet}" if len(names) > 1 else ""]))
    record = {**source.record(), **({"sheet": sheet} if len(names) > 1 else {})}
    return Source(target, "csv", source.name, record, note=note)


def _texts(row: Sequence[Any]) -> list[str]:
    return [_text(value) for value in row]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
