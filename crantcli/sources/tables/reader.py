"""Turns the columns of one part of a source into canonical ones, and refuses what cannot be relied on."""

from __future__ import annotations

import re
from dataclasses import replace

from crantcli.core.engine import StoredFile
from crantcli.core.rows.where import Condition, condition_sql
from crantcli.core.sql import columns as sql_columns
from crantcli.core.sql import quote, text, trimmed
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, DataError, UsageError
from crantcli.schema import AXES, UNDIRECTED, IdType, Kind, Names, is_id_column, is_index_name
from crantcli.sources.tables.columns import named_positions, prefixed_id
from crantcli.sources.tables.inference import (
    TextIds,
    as_number,
    first_not_numeric,
    first_row,
    inspect_ids,
    numeric_types,
    refuse_inexact,
    without_nan,
)
from crantcli.sources.tables.kinds import Decision
from crantcli.sources.tables.part import INTEGERS, LARGE_INTEGERS, Part, check_id_type, fits_int64, type_words
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.text import P, did_you_mean, plural

#: A position as text: `[1, 2, 3]`, `[1 2 3]`, NumPy's `[ 1.  2.5  3. ]`, or without brackets.
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_POSITION = rf"\s*(?:array)?[\[(\s]*{_NUMBER}(?:[\s,;]+{_NUMBER}){{2}}[\s,\])]*"


class Reader:
    """Turns one part into a SELECT with canonical columns.

    Parameters
    ----------
    engine : Engine
    part : Part
    match : Decision
        What the part is, and which column plays which part.
    given : ReadOptions
    """

    def __init__(self, engine: Engine, part: Part, match: Decision, given: ReadOptions) -> None:
        self._engine, self._part, self._match, self._given = engine, part, match, given
        self.filtered = 0
        types, carry, value = part.columns, given.carry, given.value
        self._roles = dict(match.roles)
        if value is not None:
            found = Names(types).get(value)
            if found is None:
                raise DataError(f"{part.name}: no column {value} to add up ({did_you_mean(value, types)})")
            self._roles["value"] = found
        self.notes: list[str] = []
        used = {column.lower() for column in self._roles.values()} | set(self._roles)
        positions = named_positions(match.positions, types, given.position) if carry else {}
        self.positions = {} if isinstance(carry, tuple) else positions
        hidden = {column for columns in positions.values() for column in columns}
        hidden |= {joint for name in positions if (joint := Names(types).get(name)) is not None}
        everything, named = carry is True, set(Names(types).all(given.named))
        self._others = [
            name
            for name in types
            if (everything or name in named)
            and name.lower() not in used
            and name not in hidden
            and name not in match.dropped
            and not is_index_name(name)
        ]
        clashes = [name for name in types if name.lower() in used and name not in self._roles.values()]
        if everything and clashes:
            ids = " and ".join(match.roles[role] for role in ("pre", "post") if role in match.roles)
            raise DataError(
                f"{part.name}: column {clashes[0]} would get the same name as the ID columns {ids}; drop or rename it"
            )
        if given.where:
            self._filter()
        if given.fill_down:
            self._fill_down()
        self.ids = self._inspect()
        self._refuse_nulls()
        self._weight_type = self._numeric("weight", match.roles["weight"]) if "weight" in match.roles else None
        self._value_type = self._numeric("value", self._roles["value"]) if value else None

    @property
    def _sides(self) -> list[str]:
        return [self._roles[role] for role in ("pre", "post") if role in self._roles]

    def _inspect(self) -> dict[str, TextIds]:
        id_columns = [self._roles[role] for role in ("pre", "post", "id") if role in self._roles]
        carried = [name for name in self._others if is_id_column(name)]
        for column in (*id_columns, *carried):
            check_id_type(self._part, column)
        sides, others = (
            [name for name in names if self._part.columns[name].startswith(("VARCHAR", "ENUM"))]
            for names in (self._sides, [name for name in (*id_columns, *carried) if name not in self._sides])
        )
        found = inspect_ids(self._engine, self._part, sides)
        self.notes += [note for ids in found.values() for note in ids.notes]
        return found | inspect_ids(self._engine, self._part, others, neurons=False)

    def _fill_down(self) -> None:
        """Give a row without an ID that of the row above it, in each file by itself."""
        part = self._part
        file = "filename" if len(part.files) > 1 and "filename" not in part.columns else "''"
        row, place = quote("crantcli row"), quote("crantcli file")
        filled = []
        for column in self._sides:
            name = quote(column)
            value = f"nullif({trimmed(name)}, '')" if part.columns[column].startswith("VARCHAR") else name
            filled.append(
                f"last_value({value} IGNORE NULLS) OVER (PARTITION BY {place} ORDER BY {row} "
                f"ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS {name}"
            )
        numbered = f"SELECT {sql_columns(part.columns)}, row_number() OVER () AS {row}, {file} AS {place} "
        self._part = replace(
            part,
            relation=self._engine.table(
                "filled",
                f"SELECT * EXCLUDE ({row}, {place}) REPLACE ({', '.join(filled)}) "
                f"FROM ({numbered} FROM {part.relation}) ORDER BY {row}",
            ),
            null_free=set(),
            nulls={},
            files={},
            stored=False,
        )
        self.notes.append(f"{part.name}: empty IDs in columns {', '.join(self._sides)} are those of the row above")

    def _refuse_nulls(self) -> None:
        """Stop where so many rows have no ID that something else may be meant.

        More than a tenth: a table whose blanks stand for the ID above has most.
        """
        if self._given.allow_null or self._part.recorded[0].command or not self._sides:
            return
        for column in self._sides:
            nulls, rows = self._nulls(column)
            if 10 * nulls > rows:
                raise DataError(
                    f"{self._part.name}, column {column}: {nulls:,} of {plural(rows, 'row', 'have')} no ID. Say "
                    f"{P.fill_down(True)} if an empty ID is that of the row above, or {P.allow_null(True)} to leave "
                    "these rows out"
                )

    def _nulls(self, column: str) -> tuple[int, int]:
        """Rows without an ID in a column, and all rows; looked up where the footers or the inspection tell."""
        part = self._part
        if column in part.null_free:
            return 0, part.rows or 0
        known = self.ids[column].nulls if column in self.ids else part.nulls.get(column)
        if known == 0:
            return 0, 0
        if known is not None and part.rows is not None:
            return known, part.rows
        found = self._engine.execute(
            f"SELECT count(*) FILTER ({quote(column)} IS NULL), count(*) FROM {part.relation}"
        )[0]
        return (int(found[0]) if known is None else known), int(found[1])

    def _filter(self) -> None:
        """Leave out the rows that do not meet the conditions, before anything else is looked at."""
        part = self._part
        kept = part.filtered(" AND ".join(self._condition_on(condition) for condition in self._given.where))
        rows = part.rows
        if rows is None:
            rows = int(self._engine.execute(f"SELECT count(*) FROM {part.relation}")[0][0])
        kept.rows = int(self._engine.execute(f"SELECT count(*) FROM {kept.relation}")[0][0])
        self.filtered = rows - kept.rows
        if not kept.rows and rows:
            self.notes.append(f"{part.name}: no row meets {P.where} {' and '.join(map(str, self._given.where))}")
        self._part = kept

    def _condition_on(self, condition: Condition) -> str:
        part = self._part
        known = {role: column for role, column in self._roles.items() if role != "value"}
        column = Names(part.columns).get(condition.column) or known.get(condition.column)
        if column is None:
            raise DataError(
                f"{P.where} {condition}: there is no such column ({did_you_mean(condition.column, part.columns)})"
            )
        kind = part.columns[column]
        numeric = False
        if kind.startswith(("VARCHAR", "ENUM")) and not kind.endswith("]"):
            found = numeric_types(self._engine, part.relation, [column])[column]
            numeric = found != "VARCHAR"
        expression = quote(column)
        if self._match.prefix and column in self._sides:
            expression, kind, numeric = (
                prefixed_id(f"CAST({expression} AS BIGINT)", self._match.prefix),
                "VARCHAR",
                True,
            )
        made = condition_sql(condition, expression, kind, numeric, f"{part.name}, column {column}")
        if condition.operator == "~":
            try:
                self._engine.execute(f"SELECT regexp_matches('', {text(condition.values[0])})")
            except CrantError as error:
                raise UsageError(
                    f"{P.where} {condition}: no regular expression that can be used ({error.message})"
                ) from None
        return made

    @property
    def rows(self) -> int | None:
        """Rows that are left, where that is known."""
        return self._part.rows

    @property
    def integer_ids(self) -> bool:
        """Whether all neuron IDs fit into int64."""
        return all(self._is_integer(column) for column in self._sides)

    def _is_integer(self, column: str) -> bool:
        if column in self.ids:
            return self.ids[column].integer
        return fits_int64(self._engine, self._part, column)

    @property
    def null_free(self) -> bool:
        """Whether the footers tell that no neuron ID is null."""
        names = set(self._sides)
        return names <= self._part.null_free and not names & set(self.ids)

    def stored_files(self) -> list[StoredFile]:
        """The files, where neuron IDs stand in them as they are and no row is left out; else nothing."""
        if self._match.prefix or not all(self.ids[side].as_written for side in self._sides if side in self.ids):
            return []
        coordinates = {name: zip(AXES, columns, strict=False) for name, columns in self.positions.items()}
        places = {f"{name}_{axis}": column for name, parts in coordinates.items() for axis, column in parts}
        return self._part.stored_files(self._roles, places)

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
        if self._match.prefix and column in self._sides:
            return f"CAST({prefixed_id(self._plain_id(column, 'BIGINT'), self._match.prefix)} AS {id_type})"
        return self._plain_id(column, id_type)

    def _plain_id(self, column: str, id_type: IdType) -> str:
        if column in self.ids:
            return self.ids[column].expression(quote(column), id_type)
        return quote(column) if self._part.columns[column] == id_type else f"CAST({quote(column)} AS {id_type})"

    def _numeric(self, role: str, column: str) -> str:
        """Type of a column that must hold numbers; refuse it where a value is none."""
        relation = self._part.relation
        kind = self._part.columns[column]
        if kind.startswith("VARCHAR"):
            kind = numeric_types(self._engine, relation, [column])[column]
            if kind == "VARCHAR":
                refuse_inexact(self._engine, self._part, column, role)
                kind = "DOUBLE"
        elif kind in INTEGERS or (kind == "BOOLEAN" and role == "value"):
            kind = "BIGINT"
        elif kind not in ("FLOAT", "DOUBLE", '"NULL"') and not kind.startswith("DECIMAL"):
            raise DataError(
                f"{self._part.name}, column {column}: a {role} is a number, and it holds {type_words(kind)}"
            )
        else:
            kind = "DOUBLE"
        if role == "value" and kind == "DOUBLE":
            infinite = f"isinf({self._as_number(column, 'v', kind)})"
            place, value = first_row(self._engine, self._part, column, infinite)
            if place:
                raise DataError(f"{place}: {value} cannot be added up")
        return self._checked_weights(column, kind) if role == "weight" else kind

    def _checked_weights(self, column: str, kind: str) -> str:
        """Type of a column of weights, all of which are finite, and not negative unless that is said."""
        part = self._part
        if part.columns[column] in LARGE_INTEGERS and not fits_int64(self._engine, part, column):
            place, value = first_row(self._engine, part, column, f"v > {2**63 - 1}")
            raise DataError(f"{place}: {value} is beyond 2^63 - 1, the largest weight that can be added up exactly")
        number = self._number(column, kind)
        missing, whole, least = self._engine.execute(
            f"SELECT count(*) FILTER (NOT coalesce(isfinite(CAST({number} AS DOUBLE)), false)), "
            f"coalesce(bool_and({number} = trunc({number}) AND abs({number}) < 9e15), true), min({number}) "
            f"FROM {part.relation}"
        )[0]
        if missing:
            place, value = first_row(self._engine, part, column, "NOT coalesce(isfinite(TRY_CAST(v AS DOUBLE)), false)")
            raise DataError(
                f"{place}: no weight, or not a finite one ({value}; {plural(missing, 'such row')}); leave such rows "
                f"out with {P.where(f'{column} ...')}, or mend them"
            )
        if least is not None and least < 0 and not (self._given.signed or any(file.signed for file in part.recorded)):
            place, value = first_row(self._engine, part, column, "TRY_CAST(v AS DOUBLE) < 0")
            raise DataError(
                f"{place}: the weight {value} is negative, which changes sums and orders; "
                f"say {P.signed(True)} if that is meant"
            )
        if not whole and kind != "BIGINT":
            self.notes.append(f"{part.name}: weights are fractions, and no numbers of synapses")
        return "BIGINT" if whole or kind == "BIGINT" else "DOUBLE"

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
                expression = without_nan(self._number(column, kind), kind)
            elif role == "weight":
                expression = f"CAST({self._number(column, 'DOUBLE')} AS {self._weight_type})"
                if self._part.columns[column] in INTEGERS or self._weight_type == "BIGINT":
                    expression = self._number(column, "BIGINT")
            elif role == "value":
                expression = self._value(column)
            else:
                expression = f"nullif({trimmed(f'CAST({quote(column)} AS VARCHAR)')}, '')"
            chosen.append(f"{expression} AS {role}")
        chosen += self._carried()
        query = f"SELECT {', '.join(chosen)} FROM {self._part.relation}"
        return self._both_ways(chosen, query) if self._match.kind is Kind.EDGES else query

    def _both_ways(self, chosen: list[str], query: str) -> str:
        """Edges, and those without a direction in the other one, too; refused where the user does not say so."""
        column = self._match.directedness
        lacks = "TRUE" if column is None else f"(lower({trimmed(quote(column))}) = '{UNDIRECTED}')"
        if not self._given.undirected:
            if column is not None:
                place, value = first_row(self._engine, self._part, column, f"lower({trimmed('v')}) = '{UNDIRECTED}'")
                if place:
                    raise DataError(
                        f"{place}: the edge is {value}, so it is input and output of both neurons; say "
                        f"{P.undirected(True)} to count such edges in both directions, or leave them out "
                        f"with {P.where(f'{column} = Directed')}"
                    )
            return query
        reversed_rows = f"SELECT {', '.join(chosen)} FROM {self._part.relation} WHERE {lacks}"
        self.notes.append(f"{self._part.name}: edges without a direction count in both")
        self._part = replace(self._part, rows=None)
        return (
            f"{query} UNION ALL BY NAME SELECT * REPLACE (post AS pre, pre AS post) FROM ({reversed_rows}) "
            "WHERE pre IS DISTINCT FROM post"
        )

    @property
    def ids_as_text(self) -> str:
        """A SELECT with all neuron IDs as text, of each column once where they have been looked at."""
        chosen = []
        for column in self._sides:
            known = self.ids[column].all_texts if column in self.ids and not self._match.prefix else ""
            chosen.append(known or f"SELECT {self._id_expression(column, 'VARCHAR')} AS id FROM {self._part.relation}")
        return " UNION ".join(chosen)

    def whole_rows(self, id_type: IdType) -> str:
        """The SELECT with the neuron IDs and all columns that play no part, as text under their own names."""
        used = {*self._roles.values(), *self._match.dropped}
        rest = [name for name in self._part.columns if name not in used and name.lower() not in ("pre", "post")]
        ids = [f"{self._id_expression(self._roles[role], id_type)} AS {role}" for role in ("pre", "post")]
        texts = [f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" for name in rest]
        return f"SELECT {', '.join([*ids, *texts])} FROM {self._part.relation}"

    def _value(self, column: str) -> str:
        """Values to add up."""
        assert self._value_type is not None
        return without_nan(self._number(column, self._value_type), self._value_type)

    def _carried(self) -> list[str]:
        plain = [name for name in self._others if not is_id_column(name)]
        chosen = {
            name: self._id_expression(name, "BIGINT" if self._is_integer(name) else "VARCHAR")
            for name in self._others
            if is_id_column(name)
        }
        single = [column for columns in self.positions.values() if len(columns) == 3 for column in columns]
        of_text = [name for name in [*plain, *single] if self._part.columns[name].startswith("VARCHAR")]
        in_text = [name for name in of_text if self._part.text or name in single]
        types = numeric_types(self._engine, self._part.relation, in_text)
        for name in [*plain, *single]:
            kind = types.get(name, "VARCHAR")
            if name in in_text and name not in plain and kind == "VARCHAR" and not self._has_values(name):
                kind = "DOUBLE"  # a coordinate, of no synapse
            chosen[name] = quote(name) if kind == "VARCHAR" else as_number(quote(name), kind)
        listed = [f"{chosen[name]} AS {quote(name)}" for name in self._others]
        for name, columns in self.positions.items():
            for number, axis in enumerate(AXES):
                split = len(columns) == 3
                expression = chosen[columns[number]] if split else self._element(columns[0], number)
                if self._part.columns[columns[number if split else 0]].startswith("UBIGINT"):
                    expression = f"CAST({expression} AS BIGINT)"
                listed.append(f"{expression} AS {quote(f'{name}_{axis}')}")
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
            fields = {field.lower() for field in re.findall(r'[(,]\s*"?(\w+)"? ', kind)}
            if not set(AXES) <= fields:
                raise DataError(f"{self._part.name}, column {name}: a position that is a struct has fields x, y and z")
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
