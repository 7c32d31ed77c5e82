"""Keeps figures of every night in a Parquet file, which is whole at any moment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from crantcli import __version__
from crantcli.core.report.history import HistoryRow, night_name
from crantcli.errors import CrantError, DataError, UsageError, writing_to
from crantcli.output.provenance import metadata
from crantcli.schema import KEY
from crantcli.system.locking import one_at_a_time

_COLUMNS = {"night": "string", "file": "string", "figure": "string", "value": "double"}


@contextlib.contextmanager
def history_lock(path: Path) -> Iterator[None]:
    """Let nobody else write a history meanwhile.

    Raises
    ------
    CrantError
        Where the file that stands for the lock, hidden beside the history, cannot be made.
    """
    real = Path(os.path.realpath(path))
    lock = real.with_name(f".{real.name}.lock")
    with contextlib.ExitStack() as entered:
        try:
            entered.enter_context(one_at_a_time(lock))
        except OSError as error:
            raise CrantError(f"{lock}: cannot be written ({error.strerror}), so the history is not") from None
        yield


def read_history(path: Path) -> list[HistoryRow]:
    """Read a history; one that is not there yet is empty.

    Raises
    ------
    UsageError
        Where it may not be read.
    DataError
        Where it is damaged, or is another file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return []
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
        if KEY.encode() not in (table.schema.metadata or {}):
            raise ValueError("it is no history that crantcli report wrote")
        if {field.name: str(field.type) for field in table.schema} != _COLUMNS:
            raise ValueError("its columns are not night, file, figure, value")
        rows = [HistoryRow(*row) for row in zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True)]
        _check(rows)
    except PermissionError:
        raise UsageError(f"{path}: no permission to read this file") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path}: is damaged, or no history ({reason.rstrip('.')}); it was left as it is. Bring back a copy of it, "
            "or give another file, which begins anew"
        ) from None
    return rows


def _check(rows: Sequence[HistoryRow]) -> None:
    """Raise ValueError for what no history has."""
    for night in {row.night for row in rows}:
        try:
            known = night is not None and night_name(night) == night
        except UsageError:
            known = False
        if not known:
            raise ValueError("one of its nights is no date")
    if any(None in row or row.value - row.value != 0 for row in rows):
        raise ValueError("a value of it is missing, or no number")
    if len({row[:3] for row in rows}) < len(rows):
        raise ValueError("a figure stands in it twice for one night")


def write_history(path: Path, rows: Sequence[HistoryRow]) -> None:
    """Write a history.

    Raises
    ------
    CrantError
        Where it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    record: dict[str, Any] = {
        "crantcli": __version__,
        "command": "report",
        "kind": "history",
        "options": {},
        "inputs": [],
    }
    record["rows"] = len(rows)
    about = {name.encode(): text.encode() for name, text in metadata(record).items()}
    fields = [pa.field(name, pa.string() if kind == "string" else pa.float64()) for name, kind in _COLUMNS.items()]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in fields]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)]
    with writing_to(path.parent), path.open("wb") as file:
        pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields, about)), file, compression="zstd")
