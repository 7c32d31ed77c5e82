"""Pieces of query text. Text is quoted here and nowhere else.

The dialect is kept portable: plain joins, groups and windows. Where engines spell things differently all the same, the
text is made by a function under the last heading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crantcli.errors import DataError
from crantcli.schema import BLANKS, IdType, NeuronId

#: Up to this many IDs stand in the query itself, where they tell a sorted Parquet file which row groups to skip.
INLINE_IDS = 1000


def quote(name: str) -> str:
    """An identifier in double quotes.

    Raises
    ------
    DataError
        Where there is a NUL character in it, at which the engine would end it.
    """
    if "\0" in name:
        raise DataError(
            f"{name!r} has a NUL character, and cannot be the name of a column; mend it, or write edges or .npz where "
            "it is a neuron"
        )
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text literal in single quotes."""
    return "'" + value.replace("'", "''") + "'"


#: Text that has no blank at its ends, as most has: telling so takes a tenth of the time that trimming takes. What it
#: says means the same to every engine.
NO_BLANKS = r"^[!-~]([ -~]*[!-~])?\z"


def trimmed(column: str) -> str:
    """Text without blanks at its ends, as query text."""
    return f"CASE WHEN {matches(column, NO_BLANKS)} THEN {column} ELSE trim({column}, {text(BLANKS)}) END"


def columns(names: Iterable[str]) -> str:
    """Quoted identifiers, separated by commas."""
    return ", ".join(quote(name) for name in names)


def id_literal(value: NeuronId, id_type: IdType) -> str:
    """A neuron ID as a literal of the table's ID type."""
    return str(int(value)) if id_type == "BIGINT" else text(str(value))


def any_of(conditions: Sequence[str]) -> str:
    """The conditions joined by OR; false when there are none."""
    return "(" + " OR ".join(conditions) + ")" if conditions else "FALSE"


def all_of(conditions: Sequence[str]) -> str:
    """The conditions joined by AND; true when there are none."""
    return "(" + " AND ".join(conditions) + ")" if conditions else "TRUE"


# What engines spell differently


def ordered_sum(column: str, order: str, where: str = "TRUE") -> str:
    """The sum of floats, which depends on the order in which they are taken: in this one, where a condition holds."""
    return f"sum({column} ORDER BY {order}){_filter(where)}"


def total(column: str, order: str, whole: bool, where: str = "TRUE") -> str:
    """The sum of a column as BIGINT where it holds integers only, else as `ordered_sum`."""
    return f"CAST(sum({column}){_filter(where)} AS BIGINT)" if whole else ordered_sum(column, order, where)


def total_of_each(column: str, keys: str, order: str, whole: bool) -> str:
    """Beside each row, the sum of a column over all rows with the same keys: of floats, in this order."""
    frame = "" if whole else f" ORDER BY {order}, {column} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    return f"sum({column}) OVER (PARTITION BY {keys}{frame})"


def _filter(where: str) -> str:
    return "" if where == "TRUE" else f" FILTER ({where})"


def first_of_each(query: str, key: str, order: str = "") -> str:
    """A SELECT's first row for each value of an expression, in an order; without one, whichever."""
    ordered = f" ORDER BY {order}" if order else ""
    return f"{query} QUALIFY row_number() OVER (PARTITION BY {key}{ordered}) = 1"


def row_numbers() -> str:
    """The numbers of rows in the order in which they come, from 0."""
    return "row_number() OVER () - 1"


def one_of(values: Iterable[str], number: str) -> str:
    """The text at a number, from 0, among some."""
    return f"[{', '.join(map(text, values))}][{number} + 1]"


def distinct_between(column: str, low: int, high: int) -> str:
    """How many integers from `low` to `high` there are in a column: an aggregate that sets a bit for each."""
    inside = f"FILTER ({column} BETWEEN {low} AND {high})"
    return f"coalesce(bit_count(bitstring_agg({column}, {low}, {high}) {inside}), 0)"


def hashed(columns: Sequence[str]) -> str:
    """A positive integer from columns: different ones where they differ, but for one chance in 2^63."""
    return f"CAST(hash({', '.join(columns)}) >> 1 AS BIGINT)"


def matches(column: str, pattern: str) -> str:
    """A condition that holds where a regular expression fits somewhere in a text."""
    return f"regexp_matches({column}, {text(pattern)})"


def gathered(column: str, order: str, where: str) -> str:
    """An aggregate: values as one text with blanks between them, in an order, where a condition holds."""
    return f"string_agg(CAST({column} AS VARCHAR), ' ' ORDER BY {order}) FILTER ({where})"


def joined(column: str, separator: str) -> str:
    """The entries of a list as one text."""
    return f"array_to_string({column}, {text(separator)})"
