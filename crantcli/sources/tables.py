"""Opens synapse, edge and adjacency tables as views with canonical columns.

Files of one format and layout are read together as one part; the parts are joined by name. Nothing is loaded here:
what comes out are views that the engine streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.core.sql import quote, text
from crantcli.core.table import Table, VoxelSize
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.schema import (
    AXES,
    INDEX_COLUMNS,
    POSITIONS,
    SYNAPSE_PAIRS,
    IdType,
    Kind,
    Recognition,
    is_id_column,
    recognise,
)
from crantcli.sources import adjacencies
from crantcli.sources.files import Source, arrow_metadata, csv_relation, read_header, stage_arrow
from crantcli.sources.inference import (
    TextIds,
    as_number,
    first_not_numeric,
    inspect_ids,
    numeric_types,
)
from crantcli.sources.recorded import Recorded, combine, read_recorded, resolve_units

if TYPE_CHECKING:
    import pandas as pd

_INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT",
}  # fmt: skip


@dataclass
class Part:
    """Files of one format and layout, read by one FROM expression.

    Attributes
    ----------
    text : bool
        Every column is text whose types are for us to find (CSV).
    rows : int or None
        Where the format tells.
    null_free : set of str
        Columns known to have no nulls.
    """

    relation: str
    columns: dict[str, str]
    name: str
    text: bool = False
    rows: int | None = None
    null_free: set[str] = field(default_factory=set)
    recorded: list[Recorded] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """How the user says a table is to be read.

    Attributes
    ----------
    carry : bool
        Whether further columns are wanted, or only those that counting needs.
    """

    kind: Kind | None = None
    pre_col: str | None = None
    post_col: str | None = None
    coordinates: str | None = None
    voxel_size: VoxelSize | None = None
    dataset: Recorded | None = None
    carry: bool = False


def parts(engine: Engine, sources: Sequence[Source]) -> list[Part]:
    """Group files that can be read together, and look at their headers and footers."""
    parquet = [source for source in sources if source.format == "parquet"]
    found = [_parquet_part(engine, parquet)] if parquet else []
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
        names = {name or "Unnamed: 0": "VARCHAR" for name in header.columns}
        records = [source.record() for source in files]
        found.append(Part(csv_relation(files, header), names, files[0].name, True, None, set(), [Recorded()], records))
    return found


def _parquet_part(engine: Engine, sources: Sequence[Source]) -> Part:
    files = "[" + ", ".join(text(str(source.path)) for source in sources) + "]"
    relation = f"read_parquet({files}, union_by_name = true)"
    types = dict(engine.columns(f"SELECT * FROM {relation}"))
    rows = dict(engine.execute(f"SELECT file_name, num_rows FROM parquet_file_metadata({files})"))
    metadata: dict[str, dict[str, str]] = {}
    for file, key, value in engine.execute(f"SELECT file_name, key, value FROM parquet_kv_metadata({files})"):
        metadata.setdefault(file, {})[bytes(key).decode()] = bytes(value).decode("utf-8", "replace")
    _refuse_float_ids(engine, files, sources)
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
    )


def _refuse_float_ids(engine: Engine, files: str, sources: Sequence[Source]) -> None:
    """Look at each file's own types: read together, integers beside floats would become floats."""
    known = {name for pair in SYNAPSE_PAIRS for name in pair}
    floating = engine.execute(
        f"SELECT file_name, name FROM parquet_schema({files}) WHERE duckdb_type IN ('FLOAT', 'DOUBLE') ORDER BY ALL"
    )
    names = {str(source.path): source.name for source in sources}
    for file, column in floating:
        if is_id_column(column) or column in known:
            raise DataError(_float_message(column, names.get(file, file)))


def _float_message(column: str, file: str) -> str:
    return (
        f"{file}, column {column}: IDs are stored as floating-point numbers, which cannot hold them exactly; "
        "export the table again with this column as integers or text"
    )


def frame_part(engine: Engine, frame: pd.DataFrame) -> Part:
    """A pandas DataFrame as a part. Its index is data only in an adjacency."""
    import json

    import pyarrow as pa

    labels = [str(label) for label in frame.columns]
    if len(set(labels)) != len(labels):
        raise DataError("the DataFrame has two columns of the same name")
    plain = frame.set_axis(labels, axis="columns")
    if recognise(labels) is None and len(plain.columns):
        plain = plain.reset_index(names="index")
    try:
        data = pa.Table.from_pandas(plain, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"the DataFrame has a column of mixed types: {str(error).splitlines()[0]}") from None
    relation = engine.register("frame", data)
    types = dict(engine.columns(f"SELECT * FROM {relation}"))
    recorded = read_recorded({"PANDAS_ATTRS": json.dumps(frame.attrs, default=str)})
    return Part(
        relation, types, "DataFrame", False, len(frame), set(), [recorded], [{"name": "DataFrame", "rows": len(frame)}]
    )


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
        if found or len(matrices) > 1:
            raise UsageError("an .npz adjacency is read alone; give one file")
        return adjacencies.open_npz(engine, matrices[0])
    recognised = [_recognise(part, reading) for part in found]
    kinds = {match.kind if match else Kind.ADJACENCY for match in recognised}
    if len(kinds) > 1:
        raise DataError(
            f"the files hold different kinds of table ({', '.join(sorted(kinds))}); give one kind at a time"
        )
    if kinds == {Kind.ADJACENCY}:
        if len(found) > 1 or len(found[0].records) > 1:
            raise UsageError("an adjacency is read alone; give one file")
        return adjacencies.open_wide(engine, found[0], reading.kind is Kind.ADJACENCY)
    matches = [match for match in recognised if match is not None]
    return _open_long(engine, list(zip(found, matches, strict=True)), reading)


def _recognise(part: Part, reading: Reading) -> Recognition | None:
    if reading.kind is Kind.ADJACENCY:
        return None
    names = [name for name in part.columns if name not in INDEX_COLUMNS]
    try:
        return recognise(names, reading.kind, reading.pre_col, reading.post_col)
    except DataError as error:
        raise DataError(f"{part.name}: {error}") from None


def _open_long(engine: Engine, matched: list[tuple[Part, Recognition]], reading: Reading) -> Table:
    kind = matched[0][1].kind
    readers = [_Reader(engine, part, match, reading.carry) for part, match in matched]
    id_type: IdType = "BIGINT" if all(reader.integer_ids for reader in readers) else "VARCHAR"
    selects = [reader.select(id_type) for reader in readers]
    canonical = list(dict.fromkeys(name for reader in readers for name in reader.outputs))
    if kind is Kind.EDGES:
        whole = all(reader.whole_weights for reader in readers)
    else:
        whole = True
    relation = engine.view("source", " UNION ALL BY NAME ".join(selects))
    recorded = combine([record for part, _ in matched for record in part.recorded])
    unit, voxel_size = resolve_units(recorded, reading.coordinates, reading.voxel_size, reading.dataset)
    rows = [part.rows for part, _ in matched]
    total = sum(number for number in rows if number is not None)
    if None in rows:
        total = int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])
    positions = tuple(dict.fromkeys(name for reader in readers for name in reader.positions))
    head = {"pre", "post", "id", "size", "weight", "neuropil"}
    names = {(match.pre, match.post) for _, match in matched}
    spelled = names.pop() if len(names) == 1 else SYNAPSE_PAIRS[0]
    pre_name, post_name = spelled if spelled in SYNAPSE_PAIRS else SYNAPSE_PAIRS[0]
    inputs = tuple(record for part, _ in matched for record in part.records)
    notes = ()
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


class _Reader:
    """Turns one part into a SELECT with canonical columns."""

    def __init__(self, engine: Engine, part: Part, match: Recognition, carry: bool) -> None:
        self._engine, self._part, self._match = engine, part, match
        types = part.columns
        self._roles = {"pre": match.pre, "post": match.post}
        if match.kind is Kind.SYNAPSES:
            self._roles |= {name: name for name in ("id", "size") if name in types}
        if match.weight is not None:
            self._roles["weight"] = match.weight
        if match.neuropil is not None:
            self._roles["neuropil"] = match.neuropil
        used = {column.lower() for column in self._roles.values()} | set(self._roles)
        self.positions, split, lists = _positions(types) if carry else ((), {}, {})
        self._split, self._lists = split, lists
        hidden = {*split.values(), *lists, *INDEX_COLUMNS}
        self._others = [name for name in types if name.lower() not in used and name not in hidden] if carry else []
        clashes = [name for name in types if name.lower() in used and name not in self._roles.values()]
        if carry and clashes:
            raise DataError(
                f"{part.name}: column {clashes[0]} would stand beside {match.pre} and {match.post} under the same name; drop it"
            )
        self._ids = self._inspect()
        self._weight_type = self._numeric("weight", match.weight) if match.weight else None

    def _inspect(self) -> dict[str, TextIds]:
        id_columns = [self._roles[role] for role in ("pre", "post", "id") if role in self._roles]
        id_columns += [name for name in self._others if is_id_column(name)]
        in_text = []
        for column in id_columns:
            kind = self._part.columns[column]
            if kind in ("FLOAT", "DOUBLE"):
                raise DataError(_float_message(column, self._part.name))
            if kind.startswith(("VARCHAR", "ENUM")):
                in_text.append(column)
            elif kind not in _INTEGERS and kind != "DECIMAL" and kind != '"NULL"':
                raise DataError(f"{self._part.name}, column {column}: IDs are integers or text, not {kind}")
        try:
            return inspect_ids(self._engine, self._part.relation, in_text)
        except DataError as error:
            raise DataError(f"{self._part.name}, {error}") from None

    @property
    def integer_ids(self) -> bool:
        """Whether all neuron IDs fit into int64."""
        return all(self._is_integer(self._roles[role]) for role in ("pre", "post"))

    def _is_integer(self, column: str) -> bool:
        if column in self._ids:
            return self._ids[column].integer
        if self._part.columns[column] in ("UBIGINT", "HUGEINT", "UHUGEINT"):
            largest = self._engine.execute(f"SELECT max({quote(column)}) FROM {self._part.relation}")[0][0]
            return largest is None or int(largest) < 2**63
        return True

    @property
    def null_free(self) -> bool:
        """Whether the footers tell that no neuron ID is null."""
        names = {self._match.pre, self._match.post}
        return not self._part.text and names <= self._part.null_free and not names & set(self._ids)

    @property
    def whole_weights(self) -> bool:
        """Whether all weights are whole numbers."""
        return self._weight_type == "BIGINT"

    @property
    def outputs(self) -> list[str]:
        """Canonical names of the columns, in their order."""
        coordinates = [f"{name}_{axis}" for name in self.positions for axis in AXES]
        return [*self._roles, *self._others, *coordinates]

    def _id_expression(self, column: str, id_type: IdType) -> str:
        if column in self._ids:
            return self._ids[column].expression(quote(column), id_type)
        return quote(column) if self._part.columns[column] == id_type else f"CAST({quote(column)} AS {id_type})"

    def _numeric(self, role: str, column: str) -> str:
        """Type of a column that must hold numbers; refuse it where a value is none."""
        relation, name = self._part.relation, quote(column)
        kind = self._part.columns[column]
        if kind.startswith("VARCHAR"):
            kind = numeric_types(self._engine, relation, [column])[column]
            present = self._engine.execute(f"SELECT count({name}) FROM {relation}")[0][0]
            if kind == "VARCHAR" and present:
                row, value = first_not_numeric(self._engine, relation, column)
                raise DataError(f"{self._part.name}, column {column}, row {row}: {value!r} is not a number ({role})")
            kind = "BIGINT" if kind == "VARCHAR" else kind
        elif kind in _INTEGERS or kind == "BOOLEAN":
            kind = "BIGINT"
        elif kind not in ("FLOAT", "DOUBLE") and not kind.startswith("DECIMAL"):
            raise DataError(f"{self._part.name}, column {column}: a {role} is a number, not {kind}")
        else:
            kind = "DOUBLE"
        if role == "weight":
            number = self._number(column, kind)
            missing, whole = self._engine.execute(
                f"SELECT count(*) FILTER ({number} IS NULL OR isnan(CAST({number} AS DOUBLE))), "
                f"coalesce(bool_and({number} = trunc({number}) AND abs({number}) < 9e15), true) FROM {relation}"
            )[0]
            if missing:
                raise DataError(f"{self._part.name}, column {column}: {missing:,} rows have no weight")
            kind = "BIGINT" if whole else "DOUBLE"
        return kind

    def _number(self, column: str, kind: str) -> str:
        if self._part.columns[column].startswith("VARCHAR"):
            return as_number(quote(column), kind)
        return quote(column) if self._part.columns[column] == kind else f"CAST({quote(column)} AS {kind})"

    def select(self, id_type: IdType) -> str:
        """The SELECT with canonical columns."""
        chosen = []
        for role, column in self._roles.items():
            if role in ("pre", "post"):
                expression = self._id_expression(column, id_type)
            elif role == "id":
                expression = self._id_expression(column, "BIGINT" if self._is_integer(column) else "VARCHAR")
            elif role == "size":
                expression = self._number(column, self._numeric("size", column))
            elif role == "weight":
                expression = f"CAST({self._number(column, 'DOUBLE')} AS {self._weight_type})"
                if self._part.columns[column] in _INTEGERS or self._weight_type == "BIGINT":
                    expression = self._number(column, "BIGINT")
            else:
                expression = f"CAST({quote(column)} AS VARCHAR)"
            chosen.append(f"{expression} AS {role}")
        chosen += self._carried()
        return f"SELECT {', '.join(chosen)} FROM {self._part.relation}"

    def _carried(self) -> list[str]:
        plain = [name for name in self._others if not is_id_column(name)]
        chosen = {
            name: self._id_expression(name, "BIGINT" if self._is_integer(name) else "VARCHAR")
            for name in self._others
            if is_id_column(name)
        }
        in_text = [*plain, *self._split.values()] if self._part.text else []
        types = numeric_types(self._engine, self._part.relation, in_text)
        for name in [*plain, *self._split.values()]:
            kind = types.get(name, "VARCHAR")
            chosen[name] = quote(name) if kind == "VARCHAR" else as_number(quote(name), kind)
        listed = [f"{chosen[name]} AS {quote(name)}" for name in self._others]
        for name in self.positions:
            for number, axis in enumerate(AXES):
                column = f"{name}_{axis}"
                expression = chosen[self._split[column]] if column in self._split else self._element(name, number)
                listed.append(f"{expression} AS {quote(column)}")
        return listed

    def _element(self, name: str, number: int) -> str:
        """One coordinate of a position that is a list, a struct or text."""
        kind, column = self._part.columns[name], quote(name)
        if kind.startswith("STRUCT"):
            return f"{column}.{AXES[number]}"
        if kind.endswith("]"):
            self._check_lengths(name, f"len({column}) <> 3")
            return f"{column}[{number + 1}]"
        numbers = f"regexp_extract_all({column}, '[-+]?[0-9]+\\.?[0-9]*(?:[eE][-+]?[0-9]+)?')"
        self._check_lengths(name, f"len({numbers}) <> 3")
        real = self._engine.execute(
            f"SELECT coalesce(bool_or(regexp_matches({column}, '[.eE]')), false) FROM {self._part.relation}"
        )[0][0]
        return f"TRY_CAST({numbers}[{number + 1}] AS {'DOUBLE' if real else 'BIGINT'})"

    def _check_lengths(self, name: str, wrong: str) -> None:
        found = self._engine.execute(
            f"SELECT n, v FROM (SELECT row_number() OVER () AS n, CAST({quote(name)} AS VARCHAR) AS v, {wrong} AS bad "
            f"FROM {self._part.relation}) WHERE bad ORDER BY n LIMIT 1"
        )
        if found:
            row, value = found[0]
            raise DataError(f"{self._part.name}, column {name}, row {row}: {value} is not a position of three numbers")


def _positions(types: dict[str, str]) -> tuple[tuple[str, ...], dict[str, str], dict[str, None]]:
    """Which positions a table has: their names, their split columns, and their joint columns."""
    names: list[str] = []
    split: dict[str, str] = {}
    joint: dict[str, None] = {}
    for name in POSITIONS:
        three = {f"{name}_{axis}": f"{name}_{axis}" for axis in AXES}
        if all(column in types for column in three):
            split |= three
        elif name not in types:
            continue
        if name in types:
            joint[name] = None
        names.append(name)
    return tuple(names), split, joint
