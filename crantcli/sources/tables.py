"""Opens synapse, edge and adjacency tables as views with canonical columns.

Files of one format and layout are read together as one part; the parts are joined by name. Nothing is loaded here:
what comes out are views that the engine streams.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.table import Table, VoxelSize
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.schema import (
    COUNTS,
    INDEX_COLUMNS,
    SYNAPSE_PAIRS,
    IdType,
    Kind,
    Recognition,
    recognise,
)
from crantcli.sources import adjacencies
from crantcli.sources.files import Source, arrow_metadata, csv_relation, literal_path, read_header, stage_arrow
from crantcli.sources.reader import Carry, Part, Reader
from crantcli.sources.recorded import Recorded, combine, read_recorded, resolve_units
from crantcli.sources.streams import prepared

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Reading:
    """How the user says a table is to be read.

    Attributes
    ----------
    carry : bool or "positions"
        Whether further columns are wanted, or only those that counting needs; or these and positions.
    value : str or None
        A column of numbers to add up per pair of neurons; it is called `value`.
    position : str or None
        A further column that holds a position, where positions are carried.
    """

    kind: Kind | None = None
    pre_col: str | None = None
    post_col: str | None = None
    coordinates: str | None = None
    voxel_size: VoxelSize | None = None
    dataset: Recorded | None = None
    carry: Carry = False
    value: str | None = None
    position: str | None = None


def parts(engine: Engine, sources: Sequence[Source]) -> list[Part]:
    """Group files that can be read together, and look at their headers and footers."""
    sources = [prepared(engine, source) for source in sources]
    engine.reading.update({str(source.path): source.name for source in sources})
    parquet = [source for source in sources if source.format == "parquet"]
    found = [_parquet_part(engine, files) for files in _same_columns(engine, parquet)]
    for source in sources:
        if source.format == "arrow":
            staged = _parquet_part(engine, [Source(stage_arrow(engine, source), "parquet", source.name)])
            staged.recorded = [read_recorded(arrow_metadata(source), staged.rows)]
            staged.records = [source.record()]
            found.append(staged)
    layouts: dict[Any, list[Source]] = {}
    for source in sources:
        if source.format == "csv":
            layouts.setdefault(read_header(source), []).append(source)
    for header, files in layouts.items():
        names = dict.fromkeys(header.columns, "VARCHAR")
        records = [source.record() for source in files]
        named = {str(source.path): source.name for source in files}
        relation = csv_relation(files, header)
        found.append(Part(relation, names, files[0].name, True, None, set(), [Recorded()], records, named))
    return found


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
        groups.setdefault(tuple(names[str(source.path)]), []).append(source)
    return list(groups.values())


def _parquet_part(engine: Engine, sources: Sequence[Source]) -> Part:
    files = "[" + ", ".join(literal_path(source.path) for source in sources) + "]"
    relation = f"read_parquet({files}, union_by_name = true)"
    types = dict(engine.columns(f"SELECT * FROM {relation}"))
    _refuse_renamed(engine, files, sources[0].name, list(types))
    rows = dict(engine.execute(f"SELECT file_name, num_rows FROM parquet_file_metadata({files})"))
    metadata: dict[str, dict[str, str]] = {}
    for file, key, value in engine.execute(f"SELECT file_name, key, value FROM parquet_kv_metadata({files})"):
        metadata.setdefault(file, {})[bytes(key).decode("utf-8", "replace")] = bytes(value).decode("utf-8", "replace")
    names = {str(source.path): source.name for source in sources}
    floats = engine.execute(
        f"SELECT name, file_name FROM parquet_schema({files}) WHERE duckdb_type IN ('FLOAT', 'DOUBLE') "
        "ORDER BY name, file_name DESC"
    )
    null_free = engine.execute(
        f"SELECT path_in_schema FROM parquet_metadata({files}) GROUP BY path_in_schema "
        "HAVING bool_and(coalesce(stats_null_count, 1) = 0)"
    )
    recorded = [read_recorded(metadata.get(file, {}), number) for file, number in rows.items()]
    return Part(
        relation,
        types,
        sources[0].name,
        False,
        sum(rows.values()),
        {row[0] for row in null_free},
        recorded,
        [source.record() for source in sources],
        names,
        {column: names.get(file, sources[0].name) for column, file in floats},
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


def frame_part(engine: Engine, frame: pd.DataFrame) -> Part:
    """A pandas DataFrame as a part. Its index is data where it has a name, and in an adjacency."""
    import json

    import pyarrow as pa

    labels = [str(label) for label in frame.columns]
    if len(set(labels)) != len(labels):
        raise DataError("the DataFrame has two columns of the same name")
    _refuse_same_but_for_case(labels)
    plain = frame.set_axis(labels, axis="columns")
    levels = enumerate(frame.index.names)
    named = {str(name): level for level, name in levels if name is not None and str(name) not in labels}
    for number, (name, level) in enumerate(named.items()):
        plain.insert(number, name, frame.index.get_level_values(level))
    index = next(iter(named)) if len(named) == 1 else None
    if not named and labels and frame.index.nlevels == 1 and recognise(labels) is None:
        index = next(name for name in ("index", "__index_level_0__") if name not in labels)
        plain.insert(0, index, frame.index)
    try:
        data = pa.Table.from_pandas(plain, preserve_index=False)
    except (pa.ArrowException, OverflowError) as error:
        reason = "; ".join(map(str, error.args)).splitlines()[0]
        raise DataError(f"the DataFrame has a column of mixed or unknown types: {reason}") from None
    relation = engine.register("frame", data)
    types = dict(engine.columns(f"SELECT * FROM {relation}"))
    recorded = read_recorded({"PANDAS_ATTRS": json.dumps(frame.attrs, default=str)})
    return Part(
        relation,
        types,
        "DataFrame",
        rows=len(frame),
        recorded=[recorded],
        records=[{"name": "DataFrame", "rows": len(frame)}],
        index=index,
    )


def _refuse_same_but_for_case(labels: list[str]) -> None:
    """The engine would rename the second of two such columns, and that may be a neuron's ID."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(label.lower(), label)
        if other != label:
            raise DataError(f"the DataFrame's columns {other!r} and {label!r} are called the same; rename one")


def open_table(engine: Engine, found: Sequence[Part], sources: Sequence[Source], reading: Reading) -> Table:
    """Open the tables that the files hold as one view with canonical columns.

    Parameters
    ----------
    engine : Engine
    found : sequence of Part
        From `parts` or `frame_part`.
    sources : sequence of Source
        All files; those in npz format are read here.
    reading : Reading

    Raises
    ------
    DataError
        Where columns, IDs or units are not what a table needs; the message names file, column and row.
    """
    matrices = [source for source in sources if source.format == "npz"]
    if matrices:
        _refuse_value(reading)
        if found or len(matrices) > 1:
            raise UsageError("an .npz adjacency is read alone; give one file")
        return adjacencies.open_npz(engine, matrices[0])
    recognised = [_recognise(part, reading) for part in found]
    kinds: dict[Kind, str] = {}
    for part, match in zip(found, recognised, strict=True):
        kinds.setdefault(match.kind if match else Kind.ADJACENCY, part.name)
    if len(kinds) > 1:
        told = ", ".join(f"{name} reads as {kind}" for kind, name in kinds.items())
        raise DataError(f"the files hold different kinds of table ({told}); give one kind at a time")
    if set(kinds) == {Kind.ADJACENCY}:
        _refuse_value(reading)
        if len(found) > 1 or len(found[0].records) > 1:
            raise UsageError("an adjacency is read alone; give one file")
        return adjacencies.open_wide(engine, found[0], reading.kind is Kind.ADJACENCY)
    matches = [match for match in recognised if match is not None]
    return _open_long(engine, list(zip(found, matches, strict=True)), reading)


def _refuse_value(reading: Reading) -> None:
    if reading.value is not None:
        raise DataError(f"an adjacency has no column {reading.value} to add up; its cells are the weights")


def _recognise(part: Part, reading: Reading) -> Recognition | None:
    if reading.kind is Kind.ADJACENCY:
        return None
    names = [name for name in part.columns if name not in INDEX_COLUMNS]
    if reading.kind is None and reading.pre_col is None and set(COUNTS) <= set(names):
        raise DataError(
            f"{part.name}: columns {', '.join(COUNTS)} are partner counts, as crantcli counts writes them; "
            "give the synapses or edges that they were counted from"
        )
    try:
        return recognise(names, reading.kind, reading.pre_col, reading.post_col)
    except DataError as error:
        raise DataError(f"{part.name}: {error}") from None


def _open_long(engine: Engine, matched: list[tuple[Part, Recognition]], reading: Reading) -> Table:
    kind = matched[0][1].kind
    readers = [Reader(engine, part, match, reading.carry, reading.value, reading.position) for part, match in matched]
    id_type: IdType = "BIGINT" if all(reader.integer_ids for reader in readers) else "VARCHAR"
    selects = [reader.select(id_type) for reader in readers]
    canonical = list(dict.fromkeys(name for reader in readers for name in reader.outputs))
    whole = kind is not Kind.EDGES or all(reader.whole_weights for reader in readers)
    relation = engine.view("source", " UNION ALL BY NAME ".join(selects))
    recorded = combine([record for part, _ in matched for record in part.recorded])
    unit, voxel_size = resolve_units(recorded, reading.coordinates, reading.voxel_size, reading.dataset)
    rows = [part.rows for part, _ in matched]
    total = sum(number for number in rows if number is not None)
    if None in rows:
        total = int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])
    positions = tuple(dict.fromkeys(name for reader in readers for name in reader.positions))
    head = {"pre", "post", "id", "size", "weight", "neuropil", "value"}
    names = {(match.pre, match.post) for _, match in matched}
    spelled = names.pop() if len(names) == 1 else SYNAPSE_PAIRS[0]
    pre_name, post_name = spelled if spelled in SYNAPSE_PAIRS else SYNAPSE_PAIRS[0]
    inputs = tuple(record for part, _ in matched for record in part.records)
    notes: tuple[str, ...] = ()
    if kind is Kind.SYNAPSES and len(inputs) > 1 and "id" not in canonical:
        notes = ("the tables have no id column, so a synapse that stands in two of them counts twice",)
    return Table(
        kind=kind,
        relation=relation,
        id_type=id_type,
        rows=total,
        null_rows=0 if all(reader.null_free for reader in readers) else None,
        pre_name=pre_name,
        post_name=post_name,
        has_id="id" in canonical,
        has_size="size" in canonical,
        has_neuropil="neuropil" in canonical,
        whole_weights=whole,
        has_value="value" in canonical,
        whole_values=all(reader.whole_values for reader in readers),
        carried=tuple(name for name in canonical if name not in head),
        positions=positions,
        unique_ids=recorded.unique_ids and len(inputs) == 1,
        unit=unit,
        voxel_size=voxel_size,
        coverage=recorded.coverage,
        filters=recorded.filters,
        inputs=inputs,
        notes=notes,
    )
