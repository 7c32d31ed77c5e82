"""Iceberg tables: the files that their metadata say are alive, with the names that columns have today.

Columns are known by their numbers, which the files hold, too: names may have changed since a file was written.
Source: https://iceberg.apache.org/spec/#column-projection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.sources.tables.files import Source, literal_path

#: What the name of a metadata file ends in.
METADATA = ".metadata.json"

#: What levels of lists and maps are called, by whoever has written the file.
_LEVELS = ("list", "element", "item", "array", "bag", "array_element", "key_value", "map", "key", "value")

_ADVICE = "export the table as plain Parquet files"


def latest_metadata(folder: Path) -> Path | None:
    """The newest metadata file of a table; None where the folder is none.

    Raises
    ------
    DataError
        Where two are equally new: a catalogue knows which of them holds.
    """
    found: dict[int, list[Path]] = {}
    for path in (folder / "metadata").glob(f"*{METADATA}"):
        number = re.match(r"v?(\d+)", path.name)
        if number is not None:
            found.setdefault(int(number[1]), []).append(path)
    if not found:
        return None
    newest = sorted(found[max(found)])
    if len(newest) > 1:
        names = " and ".join(str(path) for path in newest)
        raise DataError(f"{folder}: is an Iceberg table of which {names} are equally new; give the one that holds")
    return newest[0]


def iceberg_relation(engine: Engine, source: Source) -> tuple[str, dict[str, dict[str, str]], dict[str, Any]]:
    """How the live files of an Iceberg table are read.

    Parameters
    ----------
    engine : Engine
    source : Source
        Its path is a metadata file.

    Returns
    -------
    tuple
        A FROM expression; path of each file -> names of the columns that stand in it, and what they are called there; a
        record for the provenance.

    Raises
    ------
    DataError
        Where the package is not there, or the table uses something of which the files alone tell too little.
    """
    schema, identity, paths, snapshot = _live_files(source)
    if not paths:
        raise DataError(f"{source.name}: the Iceberg table has no rows, and so no file that tells its columns")
    layouts: dict[tuple[tuple[int, str], ...], list[str]] = {}
    for path, columns in _columns(engine, source.name, paths, schema).items():
        missing = [name for name, number in identity.items() if number not in columns]
        if missing:
            raise DataError(
                f"{source.name}: column {missing[0]} is not in the files of the Iceberg table, which is split by it; "
                f"{_ADVICE}"
            )
        layouts.setdefault(tuple(columns.items()), []).append(path)
    fields = {field.field_id: field for field in schema.fields}
    selects = []
    called: dict[str, dict[str, str]] = {}
    for layout, files in layouts.items():
        names = dict(layout)
        there = {field.name: names[number] for number, field in fields.items() if number in names}
        called |= dict.fromkeys(files, there)
        chosen = [f"{quote(column)} AS {quote(name)}" for name, column in there.items()]
        for number, field in fields.items():
            if number not in names and field.initial_default is not None:
                raise DataError(
                    f"{source.name}: column {field.name} of the Iceberg table has a value for rows of older files; "
                    f"{_ADVICE}"
                )
        listed = ", ".join(literal_path(Path(path)) for path in files)
        selects.append(f"SELECT {', '.join(chosen)} FROM read_parquet([{listed}], hive_partitioning = false)")
    return f"({' UNION ALL BY NAME '.join(selects)})", called, {"name": source.name, "iceberg_snapshot": snapshot}


def _live_files(source: Source) -> tuple[Any, dict[str, int], list[str], int | None]:
    """The schema, the columns by whose values the table is split, paths of the live files, and the snapshot."""
    try:
        from pyiceberg.table import StaticTable
        from pyiceberg.transforms import IdentityTransform
    except ImportError:
        raise DataError(
            f"{source.name}: is an Iceberg table, which is read by its metadata; install crantcli[iceberg], or "
            f"{_ADVICE}"
        ) from None
    try:
        table = StaticTable.from_metadata(str(source.path))
        schema, snapshot = table.schema(), table.current_snapshot()
        tasks = list(table.scan().plan_files())
        splits = [field for spec in table.specs().values() for field in spec.fields]
    except Exception as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{source.name}: its Iceberg metadata cannot be read ({told})") from None
    _refuse_unknown(source, tasks)
    split_by = {field.source_id for field in splits if isinstance(field.transform, IdentityTransform)}
    identity = {name: number for number in split_by if (name := schema.find_column_name(number)) is not None}
    paths = sorted(str(_local(source, task.file.file_path)) for task in tasks)
    return schema, identity, paths, None if snapshot is None else int(snapshot.snapshot_id)


def _refuse_unknown(source: Source, tasks: Sequence[Any]) -> None:
    """Refuse deleted rows, and files of other formats."""
    if any(task.delete_files for task in tasks):
        raise DataError(
            f"{source.name}: rows of the Iceberg table are deleted without their files having been written anew; "
            f"compact it, or {_ADVICE}"
        )
    other = next((str(task.file.file_format) for task in tasks if "PARQUET" not in str(task.file.file_format)), None)
    if other is not None:
        raise DataError(f"{source.name}: files of the Iceberg table are {other}, and Parquet is read; {_ADVICE}")


def _local(source: Source, address: str) -> Path:
    """Where a file of the table is: in its folder."""
    folder = source.path.resolve().parents[1]
    path = Path(re.sub("^file:(//)?(?=/)", "", address))
    if not path.is_absolute() or not path.exists():
        raise DataError(f"{source.name}: the Iceberg table has the file {address}, which is not there")
    if folder not in path.resolve().parents:
        raise DataError(f"{source.name}: the Iceberg table has the file {address}, outside of {folder}; {_ADVICE}")
    return path


def _columns(engine: Engine, name: str, paths: Sequence[str], schema: Any) -> Mapping[str, dict[int, str]]:
    """File -> numbers and names of its columns.

    Raises
    ------
    DataError
        Where files do not tell the numbers, or what is inside of a column has other names today.
    """
    listed = "[" + ", ".join(literal_path(Path(path)) for path in paths) + "]"
    found: dict[str, dict[int, str]] = {path: {} for path in paths}
    inside = dict.fromkeys(paths, 0)  # how many of the next elements are below one that was told
    query = f"SELECT file_name, name, field_id, coalesce(num_children, 0) FROM parquet_schema({listed})"
    started: set[str] = set()
    for path, column, number, children in engine.execute(query):
        if path not in started:  # the first element is the whole schema
            started.add(path)
            continue
        if inside[path]:
            inside[path] += children - 1
            today = None if number is None else schema.find_column_name(number)
            if column not in _LEVELS and (today is None or today.rpartition(".")[2] != column):
                raise DataError(f"{name}: {column}, inside of a column of the Iceberg table, was renamed; {_ADVICE}")
            continue
        inside[path] = children
        if number is None:
            raise DataError(
                f"{name}: files of the Iceberg table do not tell the numbers of their columns, so that these are known "
                f"by name alone; {_ADVICE}"
            )
        found[path][number] = column
    return found
