"""Opens synapse, edge and adjacency tables as views with canonical columns.

Files of one format and layout are read together as one part; the parts are joined by name. What a part is, `kinds`
decides; how its columns become canonical ones, `reader`. Nothing is loaded here: what comes out are views that the
engine streams.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.relation import Relation
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.schema import CORNER, COUNTS, PAIRS, IdType, Kind, Names, is_index_name
from crantcli.sources.tables import adjacency as adjacencies
from crantcli.sources.tables.delimited import staged, text_form, text_relation
from crantcli.sources.tables.delta import delta_relation
from crantcli.sources.tables.files import Source, arrow_metadata, literal_path, stage_arrow
from crantcli.sources.tables.frames import arrow_table
from crantcli.sources.tables.kinds import SAMPLE, Columns, Decision, decide
from crantcli.sources.tables.metadata import FileMetadata, combine, read_metadata, resolve_units
from crantcli.sources.tables.part import Part, Reader
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.sources.tables.streams import prepared
from crantcli.text import P, join_names

if TYPE_CHECKING:
    import pandas as pd

#: Columns up to which a sample is taken of all at once; of wider tables of as many, and of fewer rows.
_WIDE = 64
_WIDE_SAMPLE = 200


def parts(
    engine: Engine, sources: Sequence[Source], given: ReadOptions | None = None, named: Sequence[str | None] = ()
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

    Raises
    ------
    DataError
        Where a text file has no header, or files of one folder have different columns.
    """
    given = given or ReadOptions()
    sources = [prepared(engine, source) for source in sources]
    engine.reading.update({str(source.path): source.name for source in sources})
    found = [
        _parquet_part(engine, files)
        for files in _same_columns(engine, [source for source in sources if source.format == "parquet"])
    ]
    for source in sources:
        if source.format == "arrow":
            part = _parquet_part(engine, [replace(source, path=stage_arrow(engine, source), format="parquet")])
            part.recorded = [read_metadata(arrow_metadata(source), part.rows)]
            part.records = [source.record()]
            found.append(part)
        elif source.format == "delta":
            found.append(_delta_part(engine, source))
    texts = [source for source in sources if source.format in ("csv", "xlsx")]
    if given.header and not texts:
        raise UsageError(f"{P.header} names the columns of text files, and there is none among the sources")
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
            notes=notes[(form, together)],
            together=together,
        )
        for (form, together), files in layouts.items()
    ]


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
    files = "[" + ", ".join(literal_path(source.path) for source in sources) + "]"
    names = dict(
        engine.execute(f"SELECT file_name, list_sort(list(name)) FROM parquet_schema({files}) GROUP BY file_name")
    )
    groups: dict[tuple[str, ...], list[Source]] = {}
    for source in sources:
        groups.setdefault((source.together, *names[str(source.path)]), []).append(source)
    return list(groups.values())


def _parquet_part(engine: Engine, sources: Sequence[Source]) -> Part:
    files = "[" + ", ".join(literal_path(source.path) for source in sources) + "]"
    relation = f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
    names = {str(source.path): source.name for source in sources}
    part = _footers(engine, relation, files, sources[0].name, names)
    part.records = [source.record() for source in sources]
    part.notes = [source.note for source in sources if source.note]
    part.together = sources[0].together
    return part


def _delta_part(engine: Engine, source: Source) -> Part:
    relation, paths, record = delta_relation(engine, source)
    files = "[" + ", ".join(literal_path(Path(path)) for path in paths) + "]"
    part = _footers(engine, relation, files, source.name, dict.fromkeys(map(str, paths), source.name))
    part.recorded, part.records = [FileMetadata()], [record]
    part.notes = [f"{source.name}: a Delta Lake table, version {record['delta_version']}"]
    return part


def _footers(engine: Engine, relation: str, files: str, name: str, names: dict[str, str]) -> Part:
    """A part of Parquet files, with what their footers tell."""
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
        f"FROM parquet_metadata({files}) GROUP BY path_in_schema HAVING bool_and(stats_null_count IS NOT NULL)"
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


def open_table(engine: Engine, found: Sequence[Part], sources: Sequence[Source], given: ReadOptions) -> Relation:
    """Open the tables that the files hold as one view with canonical columns.

    Parameters
    ----------
    engine : Engine
    found : sequence of Part
        From `parts` or `frame_part`.
    sources : sequence of Source
        All files; those in npz format are read here.
    given : ReadOptions

    Raises
    ------
    DataError
        Where columns, IDs or units are not what a table needs; the message names file, column and row.
    """
    matrices = [source for source in sources if source.format == "npz"]
    if matrices:
        _refuse_for_adjacency(given)
        if found or len(matrices) > 1:
            raise UsageError("an .npz adjacency is read alone; give one file")
        return adjacencies.open_npz(engine, matrices[0], given)
    decisions = [decide_part(engine, part, given) for part in found]
    kinds: dict[Kind, str] = {}
    for part, decision in zip(found, decisions, strict=True):
        kinds.setdefault(decision.kind, part.name)
    if len(kinds) > 1:
        told = ", ".join(f"{name} reads as {kind}" for kind, name in kinds.items())
        raise DataError(f"the files hold different kinds of table ({told}); give one kind at a time")
    if set(kinds) == {Kind.POINTS} and not given.points:
        columns = ", ".join(column for position in decisions[0].positions.values() for column in position)
        raise DataError(
            f"{found[0].name}: columns {columns} are a position, and no pair of columns holds neuron IDs; points are "
            f"read by neuropil {P.assignments_only(True)} alone. Name the ID columns with {P.pre_col} and {P.post_col}"
        )
    if set(kinds) == {Kind.ADJACENCY}:
        _refuse_for_adjacency(given)
        if len(found) > 1 or len(found[0].records) > 1:
            raise UsageError("an adjacency is read alone; give one file")
        return adjacencies.open_wide(engine, found[0], decisions[0], given)
    return _open_long(engine, list(zip(found, decisions, strict=True)), given)


def decide_part(engine: Engine, part: Part, given: ReadOptions) -> Decision:
    """Decide what a part is.

    Raises
    ------
    DataError
        Where that cannot be told; the message names the file.
    """
    ours = _kind_of_ours(part, given)
    columns = Columns(part.columns, _sampler(engine, part), part.text, part.index, max(1, len(part.files)))
    try:
        return decide(columns, given, ours)
    except DataError as error:
        if error.message.startswith(part.name):  # said by the engine, of a row
            raise
        raise DataError(f"{part.name}: {error.message}") from None


def _kind_of_ours(part: Part, given: ReadOptions) -> str | None:
    """The kind that the provenance of our own files says; None for other files."""
    names = Names(part.columns)
    if not given.settled and all(name in part.columns for name in COUNTS):
        raise DataError(
            f"{part.name}: columns {', '.join(COUNTS)} are partner counts, as crantcli counts writes them; "
            "give the synapses or edges that they were counted from"
        )
    kinds = {record.kind for record in part.recorded}
    if given.settled or len(kinds) != 1 or None in kinds:
        return None
    kind = str(kinds.pop())
    if kind in set(Kind):
        return kind
    if names.get(CORNER) is not None:
        return Kind.ADJACENCY.value
    raise DataError(
        f"{part.name}: holds {kind}, as crantcli {part.recorded[0].command} writes them; give synapses, edges or an "
        "adjacency"
    )


def _sampler(engine: Engine, part: Part) -> Callable[[str], Sequence[Any]]:
    """Gives the first values of a column; looked up for many columns at once."""
    seen: dict[str, list[Any]] = {}
    names = list(part.columns)
    rows = SAMPLE if len(names) <= _WIDE else _WIDE_SAMPLE
    head = [*names[: _WIDE - 4], *names[-2:], *(name for name in names if is_index_name(name) or name == CORNER)]

    def sample(column: str) -> list[Any]:
        if column not in seen:
            wanted = list(dict.fromkeys([column, *(name for name in head if name not in seen)]))
            chosen = ", ".join(map(quote, wanted))
            found = engine.execute(f"SELECT {chosen} FROM {part.relation} LIMIT {rows}")
            for place, name in enumerate(wanted):
                seen[name] = [row[place] for row in found]
        return seen[column]

    return sample


def _refuse_for_adjacency(given: ReadOptions) -> None:
    if given.value is not None:
        raise DataError(f"an adjacency has no column {given.value} to add up; its cells are the weights")
    if given.fill_down or given.undirected:
        option = P.fill_down(True) if given.fill_down else P.undirected(True)
        raise UsageError(f"{option} goes with tables that have a row per edge or synapse, and this is an adjacency")


def _open_long(engine: Engine, matched: list[tuple[Part, Decision]], given: ReadOptions) -> Relation:
    kind = matched[0][1].kind
    if given.undirected and kind is not Kind.EDGES:
        raise UsageError(f"{P.undirected(True)} goes with edges, and this is a table of single synapses")
    readers = [Reader(engine, part, match, given) for part, match in matched]
    _refuse_unlike(matched)
    id_type: IdType = "BIGINT" if all(reader.integer_ids for reader in readers) else "VARCHAR"
    selects = [reader.select(id_type) for reader in readers]
    canonical = list(dict.fromkeys(name for reader in readers for name in reader.outputs))
    whole = kind is not Kind.EDGES or all(reader.whole_weights for reader in readers)
    relation = engine.view("source", " UNION ALL BY NAME ".join(selects))
    recorded = combine([record for part, _ in matched for record in part.recorded])
    unit, voxel_size = resolve_units(recorded, given.coordinates, given.voxel_size, given.dataset)
    rows = [reader.rows for reader in readers]
    total = sum(number for number in rows if number is not None)
    if None in rows:
        total = int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])
    positions = tuple(dict.fromkeys(name for reader in readers for name in reader.positions))
    head = {"pre", "post", "id", "size", "weight", "neuropil", "value"}
    names = {(match.roles.get("pre", ""), match.roles.get("post", "")) for _, match in matched}
    pre_name, post_name = next((pair for pair in names if len(names) == 1), PAIRS[0])
    inputs = tuple(record for part, _ in matched for record in part.records)
    notes = [note for part, match in matched for note in (*part.notes, *match.notes)]
    notes += [note for reader in readers for note in reader.notes]
    told: tuple[str, ...] = ()
    if kind is Kind.SYNAPSES and len(inputs) > 1 and "id" not in canonical:
        told = ("the tables have no id column, so a synapse that stands in two of them counts twice",)
    if kind is not Kind.POINTS and not recorded.command:
        notes += _alike(engine, relation) if id_type == "VARCHAR" else _numbered(engine, relation)
    filters = dict(recorded.filters)
    if given.where:
        filters["where"] = [*filters.get("where", ()), *map(str, given.where)]
    return Relation(
        kind=kind,
        relation=relation,
        id_type=id_type,
        rows=total,
        null_rows=0 if all(reader.null_free for reader in readers) else None,
        pre_name=pre_name,
        post_name=post_name,
        roles=frozenset(head.intersection(canonical)),
        whole_weights=whole,
        whole_values=all(reader.whole_values for reader in readers),
        carried=tuple(name for name in canonical if name not in head),
        positions=positions,
        unique_ids=recorded.unique_ids and len(inputs) == 1,
        unit=unit,
        voxel_size=voxel_size,
        completeness=recorded.completeness,
        filters=filters,
        inputs=inputs,
        notes=told,
        read_notes=tuple(dict.fromkeys(notes)),
        filtered=sum(reader.filtered for reader in readers),
        signed=given.signed,
        whole_rows=_whole_rows(engine, kind, readers, id_type),
        read_as="; ".join(dict.fromkeys(match.sentence() for _, match in matched)),
    )


def _whole_rows(engine: Engine, kind: Kind, readers: list[Reader], id_type: IdType) -> str | None:
    if kind is not Kind.EDGES:
        return None
    return engine.view("whole_rows", " UNION ALL BY NAME ".join(reader.whole_rows(id_type) for reader in readers))


def _refuse_unlike(matched: list[tuple[Part, Decision]]) -> None:
    """Refuse tables of which one tells synapses apart, or has their sizes, neuropils or positions, and another not."""
    (first, known), *others = matched
    for part, match in others:
        here, there = ({*found.roles, *found.positions} for found in (match, known))
        for role in sorted(here ^ there):
            with_it, without = (part, first) if role in here else (first, part)
            column = (match if role in here else known).roles.get(role, role)
            raise DataError(
                f"{with_it.name} has a column {column}, and {without.name} has none, so they are not read as one "
                "table; give tables of the same columns"
            )


def _numbered(engine: Engine, relation: str) -> list[str]:
    """Say where 0 may be a neuron: the first of those that are numbered from it."""
    small = 10**7
    first = f"SELECT max(greatest(pre, post)) FROM (SELECT pre, post FROM {relation} LIMIT {SAMPLE})"
    if (engine.execute(first)[0][0] or small) >= small:
        return []
    return adjacencies.numbered_note(engine, f"SELECT pre AS id FROM {relation} UNION ALL SELECT post FROM {relation}")


def _alike(engine: Engine, relation: str) -> list[str]:
    """Say where IDs differ in case only: they are two neurons."""
    ids = f"SELECT pre AS id FROM {relation} UNION SELECT post FROM {relation}"
    found = engine.execute(
        f"SELECT min(id), max(id), count(*) OVER () FROM ({ids}) WHERE id IS NOT NULL "
        "GROUP BY lower(id) HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    )
    if not found:
        return []
    one, other, number = found[0]
    more = f" ({number:,} such names)" if number > 1 else ""
    return [f"{one} and {other} differ in case only, and count as two neurons{more}"]
