"""What a column of text holds: IDs, numbers, or names. Decided from every value, never from a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crantcli.core.sql import quote, text, trimmed
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.schema import IdType
from crantcli.text import P, plural

if TYPE_CHECKING:
    from crantcli.sources.tables.part import Part

#: How programs write a missing value into a column of numbers.
NULL_WORDS = ("NA", "N/A", "nan", "NaN", "NAN", "null", "NULL", "None", "<NA>")
_PLAIN = "-?(0|[1-9][0-9]*)"
_POINT_ZERO = rf"{_PLAIN}\.0*"
_FLOAT = r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?"
_EXACT = 2**53
#: Cells that hold more than an ID: lists, several IDs, thousands, Excel's apostrophe, R's L, a word before the number.
_PACKED = (
    r"\[.*\]|\(.*\)|-?[0-9]+(\s*[;,|/]\s*-?[0-9]+)+|-?[0-9]{1,3}(,[0-9]{3})+"
    r"|[''\"]-?[0-9]+[''\"]?|-?[0-9]+[Ln]|[A-Za-z_]+\s*[:=#]\s*[0-9]{4,}"
)


def words_list(words: Sequence[str]) -> str:
    """Words as a list for IN, as query text; one that no text is in where there are none."""
    return "(" + (", ".join(map(text, words)) or "NULL") + ")"


_NULL_LIST = words_list(NULL_WORDS)


def null_words(null_text: str | None) -> tuple[str, ...]:
    """Words that stand for a missing value: those that the user names, else the usual ones."""
    if null_text is None:
        return NULL_WORDS
    return tuple(word.strip() for word in null_text.split(",") if word.strip())


@dataclass(frozen=True)
class TextIds:
    """What a text column of IDs holds, and how to read it.

    Attributes
    ----------
    integer : bool
        Every ID is an int64.
    pointed : bool
        Some are written like `12.0`.
    blanks : int
        Values with blanks at their ends.
    empty : int
        Rows with a text of nothing, or of blanks only, where an ID should be.
    nulls : int
        Rows without an ID, those included.
    words : tuple of str
        Values that stand for a missing one.
    notes : tuple of str
        What the user should be told.
    each_once : str
        A query with all values `v`, each once; "" where they have not been looked at so.
    """

    integer: bool
    pointed: bool
    blanks: int = 0
    empty: int = 0
    nulls: int = 0
    words: tuple[str, ...] = NULL_WORDS
    notes: tuple[str, ...] = ()
    each_once: str = ""

    @property
    def as_written(self) -> bool:
        """Whether each value is an ID as it stands, or null."""
        return not (self.pointed or self.blanks or self.empty or self.words)

    @property
    def all_texts(self) -> str:
        """A query with all IDs as text, where values have been looked at each once; else ""."""
        return f"SELECT {self.expression('v', 'VARCHAR')} AS id FROM ({self.each_once})" if self.each_once else ""

    def expression(self, column: str, id_type: IdType) -> str:
        """The column as IDs of the wanted type."""
        value = trimmed(column)
        if id_type == "BIGINT":
            # A bare TRY_CAST of a CSV column is left to the engine's CSV reader, for which NA is an error.
            return f"TRY_CAST({value} AS BIGINT)"
        name = f"nullif({value}, '')" if self.blanks or self.empty else column
        plain = f"CASE WHEN {value} IN {words_list(self.words)} THEN NULL ELSE {name} END" if self.words else name
        if not self.pointed:
            return plain
        return (
            f"CASE WHEN regexp_full_match({value}, '{_POINT_ZERO}') "
            f"THEN regexp_replace({value}, '\\.0*$', '') ELSE {plain} END"
        )


def _state(column: str, words: Sequence[str], name: str = "") -> str:
    """A query expression that sorts the values of a text column of IDs into classes, `+` behind those with blanks.

    `name` is that of the column: a value like it stands in a header that comes again.
    """
    value = trimmed(column)
    header = f"WHEN {value} = {text(name)} THEN 'header' " if name else ""
    classes = (
        f"CASE WHEN {value} = '' THEN 'empty' "
        f"WHEN regexp_full_match({value}, '{_PLAIN}') "
        f"THEN CASE WHEN TRY_CAST({value} AS BIGINT) IS NULL THEN 'large' ELSE 'integer' END "
        f"WHEN regexp_full_match({value}, '{_POINT_ZERO}') AND abs(TRY_CAST({value} AS DOUBLE)) < {_EXACT} "
        f"THEN 'pointed' "
        f"WHEN regexp_full_match({value}, '{_FLOAT}') "
        f"THEN CASE WHEN abs(TRY_CAST({value} AS DOUBLE)) < {_EXACT} AND NOT regexp_full_match({value}, '[0-9]+') "
        f"THEN 'fraction' WHEN regexp_full_match({value}, '[0-9]+') THEN 'name' ELSE 'damaged' END "
        f"WHEN {value} IN {words_list(words)} THEN 'null word' {header}"
        f"WHEN regexp_full_match({value}, '{_PACKED}', 's') THEN 'packed' ELSE 'name' END"
    )
    return (
        f"CASE WHEN {column} IS NULL THEN 'null' "
        f"WHEN TRY_CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR) = {column} THEN 'integer' "
        f"ELSE {classes} || CASE WHEN {value} = {column} THEN '' ELSE '+' END END"
    )


def inspect_ids(engine: Engine, part: Part, columns: Sequence[str], neurons: bool = True) -> dict[str, TextIds]:
    """Look at every value of text columns that hold IDs.

    Parameters
    ----------
    engine : Engine
    part : Part
    columns : sequence of str
    neurons : bool
        Whether a missing name, or a cell of several IDs, must be refused: not in columns that are only carried along.

    Returns
    -------
    dict of str to TextIds

    Raises
    ------
    DataError
        Where IDs have gone through a floating-point number, where cells hold more than an ID, where a header comes
        again, and for words like NA among names; naming file, column, row and value.
    """
    known = {column: TextIds(False, False, words=()) for column in columns if column in part.text_ids}
    columns = [column for column in columns if column not in known]
    if not columns:
        return known
    # Whatever our own files call a neuron is a name.
    null_text = "" if part.recorded and all(record.command for record in part.recorded) else part.null_text
    words = null_words(null_text)
    names = {column: column if part.text else "" for column in columns}
    found = _states(engine, part.relation, names, words, neurons)
    result = known
    for column, (counts, each_once) in zip(columns, found, strict=True):
        states: dict[str, int] = {}
        for state, number in counts.items():
            states[state.rstrip("+")] = states.get(state.rstrip("+"), 0) + number
        blanks = sum(number for state, number in counts.items() if state.endswith("+") and state != "empty+")

        def first(wanted: str, column: str = column) -> tuple[str, str]:
            state = f"rtrim({_state('v', words, names[column])}, '+')"
            return first_row(engine, part, column, f"{state} = '{wanted}'")

        _refuse(states, first, neurons, null_text)
        result[column] = replace(_text_ids(states, blanks, words, first, column, neurons), each_once=each_once)
    return result


def _states(
    engine: Engine, relation: str, names: Mapping[str, str], words: Sequence[str], repeated: bool
) -> list[tuple[dict[str, int], str]]:
    """How many values of each column are in each class, and a query with its values, each once, if there is one.

    Parameters
    ----------
    names : mapping of str to str
        Column -> what it is called in a header that comes again; "" for no header.
    repeated : bool
        Values come many times, as neurons do, so that each is looked at once.
    """
    if not repeated:
        counted = [f"histogram({_state(quote(column), words, name)})" for column, name in names.items()]
        row = engine.execute(f"SELECT {', '.join(counted)} FROM {relation}")[0]
        return [(dict(counts or {}), "") for counts in row]
    values = [f"v{place}" for place in range(len(names))]
    chosen = ", ".join(f"{quote(column)} AS {value}" for column, value in zip(names, values, strict=True))
    others = ", ".join(f"grouping({value}) AS other_than_{value}" for value in values)
    table = engine.table(
        "values",
        f"SELECT {', '.join(values)}, {others}, count(*) AS n FROM (SELECT {chosen} FROM {relation}) "
        f"GROUP BY GROUPING SETS ({', '.join(f'({value})' for value in values)})",
    )
    found = []
    for value, name in zip(values, names.values(), strict=True):
        each_once = f"SELECT {value} AS v, n FROM {table} WHERE other_than_{value} = 0"
        counts = engine.execute(
            f"SELECT {_state('v', words, name)}, CAST(sum(n) AS BIGINT) FROM ({each_once}) GROUP BY 1"
        )
        found.append(({str(state): int(number) for state, number in counts}, each_once))
    return found


def _refuse(
    states: dict[str, int], first: Callable[[str], tuple[str, str]], neurons: bool, null_text: str | None
) -> None:
    names = states.get("name", 0) + states.get("large", 0) + states.get("packed", 0)
    if states.get("header") and neurons:
        place, value = first("header")
        raise DataError(
            f"{place}: the header comes again ({value}), as in files that were put together with cat; remove that line"
        )
    packed = states.get("packed", 0)
    if neurons and packed and 2 * packed > sum(states.values()) - states.get("null", 0) - states.get("empty", 0):
        place, value = first("packed")
        raise DataError(
            f"{place}: {value} holds more than one neuron ID; write one ID in a cell, digits alone, and a row for each"
        )
    if states.get("damaged") or (states.get("fraction") and not names):
        place, value = first("damaged" if states.get("damaged") else "fraction")
        raise DataError(
            f"{place}: ID {value} has gone through a floating-point number and may have lost digits; export the table "
            "again with this column as integers or text"
        )
    if neurons and names and states.get("null word") and null_text is None:
        place, value = first("null word")
        raise DataError(
            f"{place}: {value} is a missing name, or a neuron called so; say {P.null_text(value)} for the one, "
            f"{P.null_text('')} for the other"
        )


def _text_ids(
    states: dict[str, int],
    blanks: int,
    words: tuple[str, ...],
    first: Callable[[str], tuple[str, str]],
    column: str,
    neurons: bool,
) -> TextIds:
    names = states.get("name", 0) + states.get("large", 0) + states.get("packed", 0) + states.get("header", 0)
    numbers = states.get("integer", 0) + states.get("pointed", 0)
    empty = states.get("empty", 0)
    nulls = states.get("null", 0) + empty + states.get("null word", 0)
    notes = []
    if blanks and neurons:
        notes.append(f"column {column}: blanks at the ends of {plural(blanks, 'ID')} are left out")
    if neurons and states.get("name", 0) and numbers > names:
        place, value = first("name")
        notes.append(f"{place}: {value!r} among numbers, so the IDs are read as text ({plural(names, 'such value')})")
    return TextIds(
        not names, bool(states.get("pointed")), blanks, empty, nulls, words if states.get("null word") else (),
        tuple(notes),
    )  # fmt: skip


def first_row(engine: Engine, part: Part, column: str, condition: str) -> tuple[str, str]:
    """Where the first value `v` of a column that meets a condition stands, and the value; empty text where none does.

    Rows count from 1, the header not counted, in each file anew.
    """
    file = "filename" if len(part.files) > 1 and "filename" not in part.columns else "''"
    found = engine.execute(
        "SELECT file, place, CAST(v AS VARCHAR) FROM (SELECT *, n - min(n) OVER (PARTITION BY file) + 1 AS place FROM "
        f"(SELECT {file} AS file, row_number() OVER () AS n, {quote(column)} AS v, ({part.condition}) AS counts "
        f"FROM {part.base or part.relation})) WHERE counts AND ({condition}) ORDER BY n LIMIT 1"
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
        name = trimmed(quote(column))
        null = f"{name} IS NULL OR {name} = '' OR {name} IN {_NULL_LIST}"
        # What cannot be cast gives null, which bool_and would pass over.
        whole = f"coalesce(TRY_CAST(TRY_CAST({name} AS BIGINT) AS VARCHAR) = {name}, false)"
        real = (
            f"coalesce(regexp_full_match({name}, '{_FLOAT}') AND NOT regexp_full_match({name}, '[-+]?0[0-9]+') "
            f"AND (abs(TRY_CAST({name} AS DOUBLE)) < {_EXACT} OR contains(lower({name}), 'e')), false)"
        )
        tests += [f"coalesce(bool_and({null} OR {test}), false)" for test in (whole, real)]
        tests.append(f"count(*) FILTER (NOT ({null}))")
    found = engine.execute(f"SELECT {', '.join(tests)} FROM {relation}")[0]
    result = {}
    for number, column in enumerate(columns):
        is_whole, is_real, present = found[3 * number : 3 * number + 3]
        result[column] = "VARCHAR" if not present else "BIGINT" if is_whole else "DOUBLE" if is_real else "VARCHAR"
    return result


def as_number(column: str, numeric_type: str) -> str:
    """A text column as numbers, words for a missing value as null."""
    return (
        f"CASE WHEN {trimmed(column)} IN {_NULL_LIST} THEN NULL ELSE TRY_CAST({trimmed(column)} AS {numeric_type}) END"
    )


def without_nan(number: str, kind: str) -> str:
    """A number, or null for NaN.

    Not with isnan, nor compared with NaN: the engine takes both to be false where the statistics of a Parquet file have
    finite ends, and NaN is not in these.
    """
    return number if kind == "BIGINT" else f"CASE WHEN isfinite({number}) OR isinf({number}) THEN {number} END"


def not_number(column: str) -> str:
    """A condition that holds where a value of a text column is there and is not a number."""
    value = trimmed(column)
    return f"({value} <> '' AND {value} NOT IN {_NULL_LIST} AND TRY_CAST({value} AS DOUBLE) IS NULL)"


def refuse_inexact(engine: Engine, part: Part, column: str, role: str) -> None:
    """Refuse text that is to be numbers, and of which some is none, or a number that a double does not hold.

    Raises
    ------
    DataError
    """
    place, value = first_not_numeric(engine, part, column)
    if place:
        raise DataError(f"{place}: {value!r} is not a number ({role})")
    digits = f"regexp_full_match({trimmed('v')}, '[-+]?[0-9]+(\\.[0-9]*)?')"
    place, value = first_row(engine, part, column, f"{digits} AND abs(TRY_CAST({trimmed('v')} AS DOUBLE)) >= {_EXACT}")
    if place:
        raise DataError(
            f"{place}: {value} cannot be added up exactly ({role}): it is beyond 2^63 - 1, or beside fractions beyond "
            "2^53"
        )


def first_not_numeric(engine: Engine, part: Part, column: str) -> tuple[str, str]:
    """Where the first value of a text column stands that is not a number, and the value; empty text if all are."""
    return first_row(engine, part, column, not_number("v"))
