"""Folders that hold one table in several files, since it was too long for one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crantcli.core.manifest import read_manifest
from crantcli.core.row_parts import ROW_PARTS, part_record
from crantcli.core.sql import text
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.schema import KEY, MANIFEST
from crantcli.sources.tables.files import Source, literal_path
from crantcli.sources.tables.metadata import FileMetadata, provenance, read_metadata

_ADVICE = "make the folder again"


def whole_table(engine: Engine, files: Sequence[Source]) -> FileMetadata | None:
    """What a folder of files that are one table says about itself; None where the files are no such folder.

    Parameters
    ----------
    engine : Engine
    files : sequence of Source
        All tables of one folder, or what else was named together.

    Raises
    ------
    DataError
        Where a file is missing, is none of the table, or is of another one.
    """
    folder = Path(files[0].together)
    if not files[0].together or not folder.is_dir():
        return None
    manifest = read_manifest(folder)
    if manifest is None or ROW_PARTS not in manifest:
        return None
    record = {name: value for name, value in manifest.items() if name not in (ROW_PARTS, "files")}
    told = _listed(folder, manifest[ROW_PARTS])
    there = {str(file.path.relative_to(folder)): file for file in files}
    for name in told:
        if name not in there:
            raise DataError(f"{folder / name}: is not there, and {MANIFEST} of the folder names it; {_ADVICE}")
    for name in there:
        if name not in told:
            raise DataError(f"{folder / name}: is no part of the table that {MANIFEST} tells of; move it elsewhere")
    for number, (name, rows) in enumerate(told.items(), 1):
        if _record(engine, there[name], rows) != part_record(record, number, len(told), rows):
            raise DataError(f"{folder / name}: is of another table than {MANIFEST} tells of; {_ADVICE}")
    return read_metadata({KEY: json.dumps(record)})


def _record(engine: Engine, file: Source, rows: int) -> dict[str, Any] | None:
    """The provenance in a file of so many rows."""
    found = engine.execute(
        f"SELECT k.value, f.num_rows FROM parquet_kv_metadata({literal_path(file.location)}) AS k, "
        f"parquet_file_metadata({literal_path(file.location)}) AS f WHERE CAST(k.key AS VARCHAR) = {text(KEY)}"
    )
    if not found or found[0][1] != rows:
        return None
    return provenance({KEY: bytes(found[0][0]).decode("utf-8", "replace")}, rows)


def _listed(folder: Path, parts: Any) -> dict[str, int]:
    """Names of the files, in order, and their rows."""
    try:
        return {str(part["file"]): int(part["rows"]) for part in parts}
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{folder / MANIFEST}: is damaged, and does not say which parts there are; {_ADVICE}") from None
