"""Delta Lake tables: the files that their log says are alive, with the values that stand in the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from crantcli.core.sql import quote, text
from crantcli.errors import DataError
from crantcli.sources.tables.files import Source, literal_path

#: Values of partition columns, by their names: text, or None for null.
Values = tuple[tuple[str, str | None], ...]


def live_files(source: Source, wanted: int | None) -> tuple[dict[Values, list[Path]], dict[str, str], int]:
    """Read the log, up to a version that is wanted.

    Returns
    -------
    tuple
        Values of the partition columns -> the live files that have them; types of the partition columns; the version.

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
    try:
        table = deltalake.DeltaTable(str(source.path))
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
    found: dict[Values, list[Path]] = {}
    for row in rows:
        path = source.path / unquote(row["path"])
        if not path.exists():
            raise DataError(f"{source.name}: version {version} has the file {row['path']}, which is not there any more")
        values = row.get("partition") or row.get("partition_values") or {}
        texts = {name: None if values.get(name) is None else str(values[name]) for name in partitions}
        found.setdefault(tuple(texts.items()), []).append(path)
    return found, {name: fields[name] for name in partitions}, version


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
    source: Source, wanted: int | None = None
) -> tuple[str, dict[str, dict[str, str | None]], dict[str, Any]]:
    """How the live files of a Delta Lake table are read.

    Parameters
    ----------
    source : Source
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
        As of `live_files`, and where there is no file.
    """
    groups, types, version = live_files(source, wanted)
    record = {"name": source.name, "delta_version": version}
    if not groups:
        raise DataError(f"{source.name}: the Delta Lake table has no rows, and so no file that tells its columns")
    selects = []
    constants: dict[str, dict[str, str | None]] = {}
    for values, files in sorted(groups.items(), key=str):
        listed = ", ".join(map(literal_path, sorted(files)))
        made = [
            f"CAST({'NULL' if value is None else text(value)} AS {_TYPES.get(types[name], 'VARCHAR')}) AS {quote(name)}"
            for name, value in values
        ]
        chosen = ", ".join(["*", *made])
        selects.append(
            f"SELECT {chosen} FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        )
        constants |= {str(path): dict(values) for path in files}
    return f"({' UNION ALL BY NAME '.join(selects)})", constants, record
