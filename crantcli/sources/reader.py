"""Turns the columns of one part of a source into canonical ones, and refuses what cannot be relied on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.schema import AXES, INDEX_COLUMNS, POSITIONS, IdType, Kind, Recognition, is_id_column, near
from crantcli.sources.inference import TextIds, as_number, first_not_numeric, first_row, inspect_ids, numeric_types
from crantcli.sources.recorded import Recorded

_INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT",
}  # fmt: skip

#: Which columns are wanted beside those that counting needs: all, none, or positions only.
Carry = bool | Literal["positions"]

#: A position as text: `[1, 2, 3]`, `[1 2 3]`, NumPy's `[ 1.  2.5  3. ]`, or without brackets.
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_POSITION = rf"\s*(?:array)?[\[(\s]*{_NUMBER}(?:[\s,;]+{_NUMBER}){{2}}[\s,\])]*"


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
    files : dict of str to str
        Path -> what to call the file in messages.
    floats : dict of str to str
        Columns that hold floats in one of the files -> that file. Beside integers they would become floats.
    index : str or None
        The column that was the index of a DataFrame.
    mixed : dict of str to str
        Columns of a DataFrame that are text for want of a type, and why: they hold no IDs.
    """

    relation: str
    columns: dict[str, str]
    name: str
    text: bool = False
    rows: int | None = None
    null_free: set[str] = field(default_factory=set)
    recorded: list[Recorded] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    floats: dict[str, str] = field(default_factory=dict)
    index: str | None = None
    mixed: dict[str, str] = field(default_factory=dict)


def float_message(column: str, file: str) -> str:
    """What to say of IDs that are stored as floats."""
    return (
        f"{file}, column {column}: IDs are stored as floating-point numbers, which cannot hold them exactly; "
        "export the table again with this column as integers or text"
    )


def check_id_type(part: Part, column: str) -> None:
    """Refuse a column whose type cannot hold IDs."""
    kind = part.columns[column]
    if part.rows == 0:  # there is no ID that could have lost digits
        return
    if column in part.mixed:
        raise DataError(
            f"the {part.name} has a column of mixed or unknown types: {column} ({part.mixed[column]}); "
            "IDs are integers or text"
        )
    if kind in ("FLOAT", "DOUBLE") or column in part.floats:
        raise DataError(float_message(column, part.floats.get(column, part.name)))
    if kind not in _INTEGERS and kind != '"NULL"' and not kind.startswith(("VARCHAR", "ENUM")):
        raise DataError(f"{part.name}, column {column}: IDs are integers or text, not {kind}")


def fits_int64(engine: Engine, part: Part, column: str) -> bool:
    """Whether all values of a column of integers are int64."""
    if part.columns[column] not in ("UBIGINT", "HUGEINT", "UHUGEINT"):
        return True
    largest = engine.execute(f"SELECT max({quote(column)}) FROM {part.relation}")[0][0]
    return largest is None or int(largest) < 2**63


class Reader:
    """Turns one part into a SELECT with canonical columns."""

    def __init__(
        self,
        engine: Engine,
        part: Part,
        match: Recognition,
        carry: Carry = False,
        value: str | None = None,
        position: str | None = None,
    ) -> None:
        self._engine, self._part, self._match = engine, part, match
        types = part.columns
        self._roles = {"pre": match.pre, "post": match.post}
        if match.kind is Kind.SYNAPSES:
            self._roles |= {name: name for name in ("id", "size") if name in types}
        if match.weight is not None:
            self._roles["weight"] = match.weight
        if match.neuropil is not None:
            self._roles["neuropil"] = match.neuropil
        if value is not None:
            if value not in types:
                raise DataError(f"{part.name}: no column {value} to add up ({near(value, types)})")
            self._roles["value"] = value
        used = {column.lower() for column in self._roles.values()} | set(self._roles)
        self.positions, split, lists = _positions(types, position) if carry else ((), {}, {})
        self._split, self._lists = split, lists
        hidden = {*split.values(), *lists, *INDEX_COLUMNS}
        everything = carry is True
        self._others = [name for name in types if name.lower() not in used and name not in hidden] if everything else []
        clashes = [name for name in types if name.lower() in used and name not in self._roles.values()]
        if everything and clashes:
            raise DataError(
                f"{part.name}: column {clashes[0]} would get the same name as the ID columns "
                f"{match.pre} and {match.post}; drop or rename it"
            )
        self._ids = self._inspect()
        self._weight_type = self._numeric("weight", match.weight) if match.weight else None
        self._value_type = self._numeric("value", value) if value else None

    def _inspect(self) -> dict[str, TextIds]:
        id_columns = [self._roles[role] for role in ("pre", "post", "id") if role in self._roles]
        id_columns += [name for name in self._others if is_id_column(name)]
        in_text = []
        for column in id_columns:
            check_id_type(self._part, column)
            if self._part.columns[column].startswith(("VARCHAR", "ENUM")):
                in_text.append(column)
        return inspect_ids(self._engine, self._part, in_text)

    @property
    def integer_ids(self) -> bool:
        """Whether all neuron IDs fit into int64."""
        return all(self._is_integer(self._roles[role]) for role in ("pre", "post"))

    def _is_integer(self, column: str) -> bool:
        if column in self._ids:
            return self._ids[column].integer
        return fits_int64(self._engine, self._part, column)

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
    def whole_values(self) -> bool:
        """Whether the values to add up are integers."""
        return self._value_type == "BIGINT"

    @property
    def outputs(self) -> list[str]:
        """Canonical names of the columns, in their order."""
        coordinates = [f"{name}_{axis}" for name in self.positions for axis in AXES]
        return [*self._roles, *self._others, *coordinates]

    def _id_expression(self, column: str, id_type: IdType) -> str:
        if self._part.rows == 0:
            return f"CAST(NULL AS {id_type})"
        if column in self._ids:
            return self._ids[column].expression(quote(column), id_type)
        return quote(column) if self._part.columns[column] == id_type else f"CAST({quote(column)} AS {id_type})"

    def _numeric(self, role: str, column: str) -> str:
        """Type of a column that must hold numbers; refuse it where a value is none."""
        relation = self._part.relation
        kind = self._part.columns[column]
        if kind.startswith("VARCHAR"):
            kind = numeric_types(self._engine, relation, [column])[column]
            if kind == "VARCHAR":
                place, value = first_not_numeric(self._engine, self._part, column)
                if place:
                    raise DataError(f"{place}: {value!r} is not a number ({role})")
                kind = "DOUBLE"
        elif kind in _INTEGERS or kind == "BOOLEAN":
            kind = "BIGINT"
        elif kind not in ("FLOAT", "DOUBLE", '"NULL"') and not kind.startswith("DECIMAL"):
            raise DataError(f"{self._part.name}, column {column}: a {role} is a number, not {kind}")
        else:
            kind = "DOUBLE"
        if role == "value" and kind == "DOUBLE":
            infinite = f"isinf({self._as_number(column, 'v', kind)})"
            place, value = first_row(self._engine, self._part, column, infinite)
            if place:
                raise DataError(f"{place}: {value} cannot be added up")
        if role == "weight":
            number = self._number(column, kind)
            missing, whole = self._engine.execute(
                f"SELECT count(*) FILTER (NOT coalesce(isfinite(CAST({number} AS DOUBLE)), false)), "
                f"coalesce(bool_and({number} = trunc({number}) AND abs({number}) < 9e15), true) FROM {relation}"
            )[0]
            if missing:
                place, _ = first_row(
                    self._engine, self._part, column, "NOT coalesce(isfinite(TRY_CAST(v AS DOUBLE)), false)"
                )
                raise DataError(f"{place}: no weight, or not a finite one ({missing:,} such rows)")
            kind = "BIGINT" if whole else "DOUBLE"
        return kind

    def _number(self, column: str, kind: str) -> str:
        return self._as_number(column, quote(column), kind)

    def _as_number(self, column: str, expression: str, kind: str) -> str:
        """An expression with the column's values as a number."""
        if self._part.columns[column].startswith("VARCHAR"):
            return as_number(expression, kind)
        return expression if self._part.columns[column] == kind else f"CAST({expression} AS {kind})"

    def select(self, id_type: IdType) -> str:
        """The SELECT with canonical columns."""
        chosen = []
        for role, column in self._roles.items():
            if role in ("pre", "post"):
                expression = self._id_expression(column, id_type)
            elif role == "id":
                expression = self._id_expression(column, "BIGINT" if self._is_integer(column) else "VARCHAR")
            elif role == "size":
                kind = self._numeric("size", column)
                expression = _without_nan(self._number(column, kind), kind)
            elif role == "weight":
                expression = f"CAST({self._number(column, 'DOUBLE')} AS {self._weight_type})"
                if self._part.columns[column] in _INTEGERS or self._weight_type == "BIGINT":
                    expression = self._number(column, "BIGINT")
            elif role == "value":
                expression = self._value(column)
            else:
                expression = f"CAST({quote(column)} AS VARCHAR)"
            chosen.append(f"{expression} AS {role}")
        chosen += self._carried()
        return f"SELECT {', '.join(chosen)} FROM {self._part.relation}"

    def _value(self, column: str) -> str:
        """Values to add up."""
        assert self._value_type is not None
        return _without_nan(self._number(column, self._value_type), self._value_type)

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
            if name in in_text and name not in plain and kind == "VARCHAR" and not self._has_values(name):
                kind = "DOUBLE"  # a coordinate, of no synapse
            chosen[name] = quote(name) if kind == "VARCHAR" else as_number(quote(name), kind)
        listed = [f"{chosen[name]} AS {quote(name)}" for name in self._others]
        for name in self.positions:
            for number, axis in enumerate(AXES):
                column = f"{name}_{axis}"
                expression = chosen[self._split[column]] if column in self._split else self._element(name, number)
                if self._part.columns[self._split.get(column, name)].startswith("UBIGINT"):
                    expression = f"CAST({expression} AS BIGINT)"
                listed.append(f"{expression} AS {quote(column)}")
        return listed

    def _has_values(self, name: str) -> bool:
        """Whether a column of text holds anything but words for a missing value."""
        return bool(first_not_numeric(self._engine, self._part, name)[0])

    def _element(self, name: str, number: int) -> str:
        """One coordinate of a position that is a list, a struct or text."""
        kind, column = self._part.columns[name], quote(name)
        if kind == '"NULL"' or self._part.rows == 0:  # of no synapse at all
            return "CAST(NULL AS DOUBLE)"
        if kind.startswith("STRUCT"):
            return f"{column}.{AXES[number]}"
        if kind.endswith("]"):
            self._check(name, "len(v) <> 3")
            return f"{column}[{number + 1}]"
        if not kind.startswith("VARCHAR"):
            raise DataError(f"{self._part.name}, column {name}: a position is a list, or text such as [1, 2, 3]")
        self._check(name, f"NOT regexp_full_match(v, '{_POSITION}')")
        numbers = f"regexp_extract_all({column}, '{_NUMBER}')"
        real = self._engine.execute(
            f"SELECT coalesce(bool_or(regexp_matches({column}, '[.eE]')), false) FROM {self._part.relation}"
        )[0][0]
        return f"TRY_CAST({numbers}[{number + 1}] AS {'DOUBLE' if real else 'BIGINT'})"

    def _check(self, name: str, wrong: str) -> None:
        place, value = first_row(self._engine, self._part, name, wrong)
        if place:
            raise DataError(f"{place}: {value} is not a position of three numbers")


def _without_nan(number: str, kind: str) -> str:
    """A number, or null for NaN.

    Not with isnan, nor compared with NaN: the engine takes both to be false where the statistics of a Parquet file have
    finite ends, and NaN is not in these.
    """
    return number if kind == "BIGINT" else f"CASE WHEN isfinite({number}) OR isinf({number}) THEN {number} END"


def _positions(
    types: dict[str, str], more: str | None = None
) -> tuple[tuple[str, ...], dict[str, str], dict[str, None]]:
    """Which positions a table has: their names, their split columns, and their joint columns."""
    names: list[str] = []
    split: dict[str, str] = {}
    joint: dict[str, None] = {}
    for name in (*POSITIONS, *([more] if more and more not in POSITIONS else [])):
        three = {f"{name}_{axis}": f"{name}_{axis}" for axis in AXES}
        if all(column in types for column in three):
            split |= three
        elif name not in types:
            continue
        if name in types:
            joint[name] = None
        names.append(name)
    return tuple(names), split, joint
