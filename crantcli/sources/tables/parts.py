"""Tables as they stand in files and DataFrames, each as one or several parts that the engine can read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.schema import PAIRS, Kind, Names
from crantcli.sources.tables.checksums import check_parquet
from crantcli.sources.tables.delimited import TextFile, TextForm, staged, text_form, text_relation
from crantcli.sources.tables.delta import delta_relation
from crantcli.sources.tables.files import Source, arrow_metadata, literal_path, stage_arrow
from crantcli.sources.tables.frames import arrow_table
from crantcli.sources.tables.metadata import FileMetadata, read_metadata
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.sources.tables.row_parts import whole_table
from crantcli.sources.tables.streams import prepared
from crantcli.text import P, join_names

if TYPE_CHECKING:
    import pandas as pd


def parts(
    engine: Engine,
    sources: Sequence[Source],
    given: ReadOptions | None = None,
    named: Sequence[str | None] = (),
    later: bool = False,
) -> list[Part]:
    """Group files that can be read together, and look at their headers and footers.

    Parameters
    ----------
    engine : Engine
    sources : sequence of Source
    given : ReadOptions, optional
        What the user says of text files.
    named : sequence of str or None
        Columns that options name.
    later : bool
        Of large packed text, `Part.head` alone can be read before `whole_part` was called, as `open_table` does.

    Raises
    ------
    DataError
        Where a text file has no header, or files of one folder have different columns.
    """
    given = given or ReadOptions()
    sources = [prepared(engine, source, later) for source in sources]
    engine.reading.update({source.location: source.name for source in sources})
    found = [
        _parquet_part(engine, files)
        for files in _same_columns(engine, [source for source in sources if source.format == "parquet"])
    ]
    for source in sources:
        if source.format == "arrow":
            part = _parquet_part(engine, [replace(source, path=stage_arrow(engine, source), format="parquet")])
            part.recorded, part.recorded_paths = [read_metadata(arrow_metadata(source), part.rows)], []
            part.records = [source.record()]
            found.append(part)
        elif source.format == "delta":
            found.append(_delta_part(engine, source, given.delta_version))
        elif source.format == "iceberg":
            found.append(_iceberg_part(engine, source))
    texts = [source for source in sources if source.format in ("csv", "xlsx")]
    if given.header and not texts:
        raise UsageError(f"{P.header} names the columns of text files, and there is none among the sources")
    if given.delta_version is not None and not any(source.format == "delta" for source in sources):
        raise UsageError(f"{P.delta_version} is for Delta Lake tables, and there is none among the sources")
    found += _text_parts(engine, texts, given, named)
    _refuse_different(found)
    return found


def _text_parts(
    engine: Engine, sources: Sequence[Source], given: ReadOptions, named: Sequence[str | None]
) -> list[Part]:
    named = (*named, given.pre_col, given.post_col, given.weight_col)
    layouts: dict[Any, list[Source]] = {}
    notes: dict[Any, list[str]] = {}
    for source in sources:
        if source.format == "xlsx":
            from crantcli.sources.tables.excel import stage_sheet

            readable, delimiter = stage_sheet(engine, source), ","
        else:
            readable, delimiter = staged(engine, source, given.delimiter), given.delimiter or ""
            if readable is not source:
                delimiter = delimiter if delimiter not in ("", " ") else "," if delimiter == " " else ""
        form, told = text_form(readable, given.header, delimiter or None, named)
        key = (form, readable.together)
        layouts.setdefault(key, []).append(readable)
        notes.setdefault(key, []).extend([*told, *([readable.note] if readable.note else [])])
    return [
        Part(
            text_relation(files, form),
            dict.fromkeys(form.names, "VARCHAR"),
            files[0].name,
            True,
            recorded=[FileMetadata()],
            records=[source.record() for source in files],
            files={str(source.path): source.name for source in files},
            pieces={str(source.path): TextFile(source, form) for source in files},
            head=_head(files, form),
            notes=notes[(form, together)],
            together=together,
        )
        for (form, together), files in layouts.items()
    ]


def _head(files: Sequence[Source], form: TextForm) -> str:
    """A FROM expression with the first rows of files, where not all of them are unpacked."""
    if not any(source.packed for source in files):
        return ""
    return text_relation([replace(source, path=source.start) for source in files], form)


def _refuse_different(found: Sequence[Part]) -> None:
    """A folder, or what a pattern matches, is one table: its files have the same columns."""
    first: dict[str, Part] = {}
    for part in found:
        if not part.together:
            continue
        other = first.setdefault(part.together, part)
        here, there = set(part.columns), set(other.columns)
        if here != there:
            told = [f"{part.name} has {join_names(sorted(here - there), 5)}"] if here - there else []
            told += [f"{other.name} has {join_names(sorted(there - here), 5)}"] if there - here else []
            raise DataError(
                f"{part.together}: the files are no one table, since their columns differ ({', '.join(told)}); give "
                "files of one table"
            )


def _same_columns(engine: Engine, sources: Sequence[Source]) -> list[list[Source]]:
    """Group Parquet files by the names of their columns, which may be spelled in different ways."""
    if len(sources) < 2:
        return [[source] for source in sources]
    files = "[" + ", ".join(literal_path(source.location) for source in sources) + "]"
    names = dict(
        engine.execute(f"SELECT file_name, list_sort(list(name)) FROM parquet_schema({files}) GROUP BY file_name")
    )
    groups: dict[tuple[str, ...], list[Source]] = {}
    for source in sources:
        groups.setdefault((source.together, *names[source.location]), []).append(source)
    return list(groups.values())


def _parquet_part(engine: Engine, sources: Sequence[Source]) -> Part:
    files = "[" + ", ".join(literal_path(source.location) for source in sources) + "]"
    relation = f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
    names = {source.location: source.name for source in sources}
    part = _footers(engine, relation, files, sources[0].name, names)
    part.records = [source.record() for source in sources]
    part.notes = [source.note for source in sources if source.note]
    part.together = sources[0].together
    part.stored = True
    told = zip(part.recorded_names, part.recorded, strict=True)
    pieces = [f"{name}: {record.piece}" for name, record in told if record.piece]
    if pieces:
        whole = whole_table(engine, sources)
        if whole is not None:
            part.recorded, part.recorded_paths = [whole], []
        else:
            part.notes += [f"{piece}; give its folder to read all of it" for piece in pieces]
    return part


def _delta_part(engine: Engine, source: Source, version: int | None) -> Part:
    relation, constants, record = delta_relation(engine, source, version)
    files = "[" + ", ".join(literal_path(path) for path in constants) + "]"
    engine.reading.update(dict.fromkeys(constants, source.name))
    part = _footers(engine, relation, files, source.name, dict.fromkeys(constants, source.name))
    part.constants = constants
    part.recorded, part.records, part.recorded_paths = [FileMetadata()], [record], []
    part.notes = [f"{source.name}: a Delta Lake table, version {record['delta_version']}"]
    return part


def _iceberg_part(engine: Engine, source: Source) -> Part:
    from crantcli.sources.tables.iceberg import iceberg_relation

    relation, names, record = iceberg_relation(engine, source)
    files = "[" + ", ".join(literal_path(Path(path)) for path in names) + "]"
    part = _footers(engine, relation, files, source.name, dict.fromkeys(names, source.name))
    part.called = names
    part.recorded, part.records, part.recorded_paths = [FileMetadata()], [record], []
    # What footers tell is told of the names that columns had.
    part.null_free, part.nulls = set(), {}
    part.floats = {name: source.name for name, kind in part.columns.items() if kind in ("FLOAT", "DOUBLE")}
    part.notes = [f"{source.name}: an Iceberg table, snapshot {record['iceberg_snapshot']}"]
    return part


def _footers(engine: Engine, relation: str, files: str, name: str, names: dict[str, str]) -> Part:
    """A part of Parquet files, with what their footers tell."""
    check_parquet(engine, files, names)
    types = dict(engine.columns(f"SELECT * FROM {relation}"))
    _refuse_renamed(engine, files, name, list(types))
    rows = dict(engine.execute(f"SELECT file_name, num_rows FROM parquet_file_metadata({files})"))
    metadata: dict[str, dict[str, str]] = {}
    for file, key, value in engine.execute(f"SELECT file_name, key, value FROM parquet_kv_metadata({files})"):
        metadata.setdefault(file, {})[bytes(key).decode("utf-8", "replace")] = bytes(value).decode("utf-8", "replace")
    floats = engine.execute(
        f"SELECT name, file_name FROM parquet_schema({files}) WHERE duckdb_type IN ('FLOAT', 'DOUBLE') "
        "ORDER BY name, file_name DESC"
    )
    nulls = engine.execute(
        "SELECT path_in_schema, CAST(sum(stats_null_count) AS BIGINT) "
        f"FROM parquet_metadata({files}) GROUP BY path_in_schema "
        f"HAVING bool_and(stats_null_count IS NOT NULL) AND count(DISTINCT file_name) = {len(rows)}"
    )
    return Part(
        relation,
        types,
        name,
        False,
        sum(rows.values()),
        {column for column, number in nulls if number == 0},
        [read_metadata(metadata.get(file, {}), number) for file, number in rows.items()],
        files=names,
        floats={column: names.get(file, name) for column, file in floats},
        nulls=dict(nulls),
        recorded_paths=list(rows),
    )


def _refuse_renamed(engine: Engine, files: str, name: str, columns: list[str]) -> None:
    """Refuse columns whose names differ in case only: the engine renames the second, and that may be a neuron's ID."""
    if any(re.search(r"_[0-9]+$", column) for column in columns):
        known = {row[0] for row in engine.execute(f"SELECT name FROM parquet_schema({files})")}
        made_up = next((column for column in columns if column not in known), None)
        if made_up is not None:
            stem = re.sub(r"_[0-9]+$", "", made_up)
            same = sorted(column for column in known if column.lower() == stem.lower())
            raise DataError(f"{name}: columns {' and '.join(map(repr, same))} are called the same; rename one")


def frame_part(engine: Engine, frame: pd.DataFrame, given: ReadOptions | None = None) -> Part:
    """A pandas DataFrame as a part. Its index is data where it has a name, and in an adjacency."""
    import json

    labels = [str(label) for label in frame.columns]
    if len(set(labels)) != len(labels):
        raise DataError("the DataFrame has two columns of the same name")
    _refuse_same_but_for_case(labels)
    if not labels and type(frame.index).__name__ == "RangeIndex":
        raise DataError("the DataFrame has no columns, and its rows have no names")
    plain = frame.set_axis(labels, axis="columns")
    levels = enumerate(frame.index.names)
    named = {str(name): level for level, name in levels if name is not None and str(name) not in labels}
    for number, (name, level) in enumerate(named.items()):
        plain.insert(number, name, frame.index.get_level_values(level))
    index = next(iter(named)) if len(named) == 1 else None
    if not named and frame.index.nlevels == 1 and not _has_pair(labels, given):
        index = next(name for name in ("index", "__index_level_0__") if name not in labels)
        plain.insert(0, index, frame.index)
    data, mixed = arrow_table(plain)
    relation = engine.register("frame", data)
    types = dict(engine.columns(f"SELECT * FROM {relation}"))
    recorded = read_metadata({"PANDAS_ATTRS": json.dumps(frame.attrs, default=str)})
    return Part(
        relation,
        types,
        "DataFrame",
        rows=len(frame),
        recorded=[recorded],
        records=[{"name": "DataFrame", "rows": len(frame)}],
        index=index,
        mixed=mixed,
    )


def _has_pair(labels: Sequence[str], given: ReadOptions | None) -> bool:
    """Whether a table has a pair of ID columns, so that the index of a DataFrame is none."""
    if given is not None and (given.settled and given.kind is not Kind.ADJACENCY):
        return True
    names = Names(labels)
    return any(None not in (names.get(pre), names.get(post)) for pre, post in PAIRS)


def _refuse_same_but_for_case(labels: list[str]) -> None:
    """The engine would rename the second of two such columns, and that may be a neuron's ID."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(label.lower(), label)
        if other != label:
            raise DataError(f"the DataFrame's columns {other!r} and {label!r} are called the same; rename one")
