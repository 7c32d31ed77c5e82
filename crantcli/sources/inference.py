"""What a column of text holds: IDs, numbers, or names. Decided from every value, never from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.schema import IdType

if TYPE_CHECKING:
    from crantcli.sources.reader import Part

#: How programs write a missing value into a column of numbers.
_NULL_WORDS = "('NA', 'N/A', 'nan', 'NaN', 'NAN', 'null', 'NULL', 'None', '<NA>')"
_PLAIN = "-?(0|[1-9][0-9]*)"
_POINT_ZERO = rf"{_PLAIN}\.0*"
_FLOAT = r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?"
_EXACT = 2**53


@dataclass(frozen=True)
class TextIds:
    """What a text column of IDs holds, and how to read it."""

    integer: bool
    pointed: bool

    def expression(self, column: str, id_type: IdType) -> str:
        """The column as IDs of the wanted type."""
        value = f"trim({column})"
        if id_type == "BIGINT":
            # A bare TRY_CAST of a CSV column is left to the engine's CSV reader, for which NA is an error.
            return f"TRY_CAST({value} AS BIGINT)"
        plain = f"CASE WHEN {value} IN {_NULL_WORDS} THEN NULL ELSE {value} END" if self.integer else column
        if not self.pointed:
            return plain
        return (
            f"CASE WHEN regexp_full_match({value}, '{_POINT_ZERO}') "
            f"THEN regexp_replace({value}, '\\.0*$', '') ELSE {plain} END"
        )


def _state(column: str) -> str:
    """A query expression that sorts the values of a text column of IDs into classes."""
    value = f"trim({column})"
    return (
        f"CASE WHEN {column} IS NULL THEN 'null' "
        f"WHEN TRY_CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR) = {column} THEN 'integer' "
        f"WHEN regexp_full_match({value}, '{_PLAIN}') "
        f"THEN CASE WHEN TRY_CAST({value} AS BIGINT) IS NULL THEN 'large' ELSE 'integer' END "
        f"WHEN regexp_full_match({value}, '{_POINT_ZERO}') AND abs(TRY_CAST({value} AS DOUBLE)) < {_EXACT} "
        f"THEN 'pointed' "
        f"WHEN regexp_full_match({value}, '{_FLOAT}') "
        f"THEN CASE WHEN abs(TRY_CAST({value} AS DOUBLE)) < {_EXACT} AND NOT regexp_full_match({value}, '[0-9]+') "
        f"THEN 'fraction' WHEN regexp_full_match({value}, '[0-9]+') THEN 'name' ELSE 'damaged' END "
        f"WHEN {value} IN {_NULL_WORDS} THEN 'null word' ELSE 'name' END"
    )


def inspect_ids(engine: Engine, part: Part, columns: Sequence[str]) -> dict[str, TextIds]:
    """Look at every value of text columns that hold IDs.

    Parameters
    ----------
    engine : Engine
    part : Part
    columns : sequence of str

    Returns
    -------
    dict of str to TextIds

    Raises
    ------
    DataError
        Where IDs have gone through a floating-point number, naming file, column, row and value.
    """
    if not columns:
        return {}
    counted = ", ".join(f"histogram({_state(quote(column))})" for column in columns)
    found = engine.execute(f"SELECT {counted} FROM {part.relation}")[0]
    result = {}
    for column, counts in zip(columns, found, strict=True):
        states: dict[str, int] = dict(counts or {})
        names = states.get("name", 0) + states.get("large", 0)
        if states.get("damaged") or (states.get("fraction") and not names):
            wrong = "damaged" if states.get("damaged") else "fraction"
            place, value = first_row(engine, part, column, f"{_state('v')} = '{wrong}'")
            raise DataError(
                f"{place}: ID {value} has gone through a floating-point number and may have lost "
                "digits; export the table again with this column as integers or text"
            )
        result[column] = TextIds(integer=not names, pointed=bool(states.get("pointed")))
    return result


def first_row(engine: Engine, part: Part, column: str, condition: str) -> tuple[str, str]:
    """Where the first value `v` of a column that meets a condition stands, and the value; empty text where none does.

    Rows count from 1, the header not counted, in each file anew.
    """
    file = "filename" if len(part.files) > 1 and "filename" not in part.columns else "''"
    found = engine.execute(
        "SELECT file, place, CAST(v AS VARCHAR) FROM (SELECT *, n - min(n) OVER (PARTITION BY file) + 1 AS place FROM "
        f"(SELECT {file} AS file, row_number() OVER () AS n, {quote(column)} AS v FROM {part.relation})) "
        f"WHERE {condition} ORDER BY n LIMIT 1"
    )
    if not found:
        return "", ""
    path, row, value = found[0]
    return f"{part.files.get(path, part.name)}, column {column}, row {row}", str(value)


def numeric_types(engine: Engine, relation: str, columns: Sequence[str]) -> dict[str, str]:
    """The narrowest of BIGINT, DOUBLE and VARCHAR that holds every value of each text column unchanged."""
    if not columns:
        return {}
    tests = []
    for column in columns:
        name = quote(column)
        null = f"{name} IS NULL OR trim({name}) IN {_NULL_WORDS}"
        # What cannot be cast gives null, which bool_and would pass over.
        whole = f"coalesce(TRY_CAST(TRY_CAST({name} AS BIGINT) AS VARCHAR) = {name}, false)"
        real = (
            f"coalesce(regexp_full_match({name}, '{_FLOAT}') AND NOT regexp_full_match({name}, '[-+]?0[0-9]+') "
            f"AND (abs(TRY_CAST({name} AS DOUBLE)) < {_EXACT} OR contains(lower({name}), 'e')), false)"
        )
        tests += [f"coalesce(bool_and({null} OR {test}), false)" for test in (whole, real)]
        tests.append(f"count(*) FILTER ({name} IS NOT NULL AND trim({name}) NOT IN {_NULL_WORDS})")
    found = engine.execute(f"SELECT {', '.join(tests)} FROM {relation}")[0]
    result = {}
    for number, column in enumerate(columns):
        is_whole, is_real, present = found[3 * number : 3 * number + 3]
        result[column] = "VARCHAR" if not present else "BIGINT" if is_whole else "DOUBLE" if is_real else "VARCHAR"
    return result


def as_number(column: str, numeric_type: str) -> str:
    """A text column as numbers, words for a missing value as null."""
    return f"CASE WHEN trim({column}) IN {_NULL_WORDS} THEN NULL ELSE TRY_CAST({column} AS {numeric_type}) END"


def not_number(column: str) -> str:
    """A condition that holds where a value of a text column is there and is not a number."""
    return f"({column} IS NOT NULL AND trim({column}) NOT IN {_NULL_WORDS} AND TRY_CAST({column} AS DOUBLE) IS NULL)"


def first_not_numeric(engine: Engine, part: Part, column: str) -> tuple[str, str]:
    """Where the first value of a text column stands that is not a number, and the value; empty text if all are."""
    return first_row(engine, part, column, not_number("v"))
