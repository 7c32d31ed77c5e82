"""Delta Lake tables: the files that their log says are alive, with the values that stand in the log."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.sources.tables.files import Source, literal_path
from crantcli.sources.tables.stored import copy_of_delta_log, location_of

#: Values of partition columns, by their names: text, or None for null.
Values = tuple[tuple[str, str | None], ...]


def _live_files(
    engine: Engine, source: Source, wanted: int | None
) -> tuple[dict[Values, list[str]], dict[str, str], int]:
    """Read the log, up to a version that is wanted.

    Returns
    -------
    tuple
        Values of the partition columns -> paths of the live files that have them, as the engine knows these; types of
        the partition columns; the version.

    Raises
    ------
    DataError
        Where the package is not there, or the table uses something of which the files alone tell too little.
    """
    try:
        import deltalake
    except ImportError:
        raise DataError(
            f"{source.name}: is a Delta Lake table, which is read by its log; install crantcli[delta], or export the "
            "table as plain Parquet files"
        ) from None
    folder = copy_of_delta_log(engine, source.remote, wanted) if source.remote else source.path
    try:
        table = deltalake.DeltaTable(str(folder))
        latest = int(table.version())
        if wanted is not None:
            table.load_as_version(min(wanted, latest))
        features = set(table.protocol().reader_features or ())
        properties = table.metadata().configuration
        actions = table.get_add_actions(flatten=False)
        rows = [dict(row) for row in _rows(actions)]
        fields = {field.name: str(getattr(field.type, "type", field.type)) for field in table.schema().fields}
        partitions = list(table.metadata().partition_columns)
        version = int(table.version())
    except Exception as error:
        raise DataError(f"{source.name}: its Delta Lake log cannot be read ({str(error).splitlines()[0]})") from None
    if wanted is not None and wanted > latest:
        raise DataError(f"{source.name}: has no version {wanted}; the latest is {latest}")
    unread = features - {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
    if unread or properties.get("delta.columnMapping.mode", "none") != "none":
        told = ", ".join(sorted(unread)) or "columnMapping"
        raise DataError(
            f"{source.name}: the Delta Lake table uses {told}, so its files alone do not tell its rows; export it as "
            "plain Parquet files"
        )
    found: dict[Values, list[str]] = {}
    for row in sorted(rows, key=lambda row: str(row["path"])):
        path = _location(engine, source, unquote(row["path"]))
        if path is None:
            raise DataError(f"{source.name}: version {version} has the file {row['path']}, which is not there any more")
        values = row.get("partition") or row.get("partition_values") or {}
        texts = {name: None if values.get(name) is None else str(values[name]) for name in partitions}
        found.setdefault(tuple(texts.items()), []).append(path)
    return found, {name: fields[name] for name in partitions}, version


def _location(engine: Engine, source: Source, relative: str) -> str | None:
    """The path of a file that the log names; None where there is none."""
    if source.remote:
        return location_of(engine, f"{source.remote}/{relative}")
    path = source.path / relative
    return str(path) if path.exists() else None


def _rows(actions: Any) -> list[dict[str, Any]]:
    """Rows of what the package gives, an Arrow table of its own kind or of pyarrow's."""
    import pyarrow as pa

    table = pa.table(actions) if not isinstance(actions, pa.Table | pa.RecordBatch) else actions
    return list(table.to_pylist())


_TYPES = {
    "string": "VARCHAR", "long": "BIGINT", "integer": "INTEGER", "short": "SMALLINT", "byte": "TINYINT",
    "boolean": "BOOLEAN", "date": "DATE", "double": "DOUBLE", "float": "FLOAT",
}  # fmt: skip


def delta_relation(
    engine: Engine, source: Source, wanted: int | None = None
) -> tuple[str, dict[str, dict[str, str | None]], dict[str, Any]]:
    """How the live files of a Delta Lake table are read.

    Parameters
    ----------
    engine : Engine
    source : Source
        A folder, or the address of one in an object store.
    wanted : int or None
        A version; None for the latest.

    Returns
    -------
    tuple
        A FROM expression; path of each file -> values of the columns that do not stand in it, as text; a record for
        the provenance.

    Raises
    ------
    DataError
        Where the package is not there, the log cannot be read, or the table uses something of which the files alone
        tell too little; where the version has no file, or one that is not there.
    """
    groups, types, version = _live_files(engine, source, wanted)
    record = {"name": source.name, "delta_version": version}
    if not groups:
        raise DataError(f"{source.name}: the Delta Lake table has no rows, and so no file that tells its columns")
    selects = []
    constants: dict[str, dict[str, str | None]] = {}
    for values, files in sorted(groups.items(), key=str):
        listed = ", ".join(literal_path(path) for path in files)
        made = [
            f"CAST({'NULL' if value is None else text(value)} AS {_TYPES.get(types[name], 'VARCHAR')}) AS {quote(name)}"
            for name, value in values
        ]
        chosen = ", ".join(["*", *made])
        selects.append(
            f"SELECT {chosen} FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        )
        constants |= {path: dict(values) for path in files}
    return f"({' UNION ALL BY NAME '.join(selects)})", constants, record
