"""Conditions on the rows of an input, `COLUMN OP VALUE`: parsed, and made into query text. Never SQL of the user's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crantcli.core.sql import matches, text, trimmed
from crantcli.errors import DataError, UsageError
from crantcli.schema import BLANKS
from crantcli.text import P

_FORM = re.compile(
    r"\s*(?P<column>.+?)\s*(?:"
    r"(?P<null>\bis\s+(?P<not>not\s+)?null)\s*$"
    r"|(?P<op><=|>=|!=|==|=|<|>|~)(?P<value>.*)$"
    r"|\s+(?P<in>in)\s+(?P<values>.+)$)",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_INTEGER_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")
_REAL_TYPES = ("FLOAT", "DOUBLE", "DECIMAL")
_ORDERS = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Condition:
    """One condition on a column.

    Attributes
    ----------
    column : str
    operator : {"=", "!=", "<", "<=", ">", ">=", "~", "in", "is null", "is not null"}
    values : tuple of str
        One, but for `in` (any number) and the tests for null (none).
    """

    column: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it may be typed."""
        return " ".join([self.column, self.operator, ",".join(self.values)]).rstrip()


def parse_condition(given: str) -> Condition:
    """Read `size >= 20`, `nt_type=gaba`, `neuropil in EB,PB`, `side is null`, `cell_type ~ PN_`.

    Raises
    ------
    UsageError
        Where it has not this form.
    """
    match = _FORM.fullmatch(given)
    if match is None:
        raise UsageError(
            f"{P.where} {given!r}: write COLUMN OP VALUE, with =, !=, <, <=, >, >=, ~, in A,B, or COLUMN is null"
        )
    column = match["column"].strip()
    if match["null"]:
        return Condition(column, "is not null" if match["not"] else "is null")
    if match["in"]:
        return Condition(column, "in", tuple(_unquoted(value) for value in _split(match["values"])))
    operator = "=" if match["op"] == "==" else match["op"]
    value = _unquoted(match["value"])
    if operator in _ORDERS and not value:
        raise UsageError(f"{P.where} {given!r}: there is no value behind {operator}")
    if operator == "~":
        try:
            re.compile(value)
        except re.error as error:
            raise UsageError(f"{P.where} {given!r}: {value!r} is no regular expression ({error})") from None
    return Condition(column, operator, (value,))


def _split(values: str) -> list[str]:
    """Values between commas; one in quotes may have a comma."""
    parts = re.findall(r"""\s*("[^"]*"|'[^']*'|[^,]*)\s*(?:,|$)""", values)
    return parts[:-1] if parts and not parts[-1] and not values.rstrip().endswith(",") else parts


def _unquoted(value: str) -> str:
    value = value.strip(BLANKS)
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def is_plain_number(value: str) -> bool:
    """Whether a value of a condition is compared as a number, where the column holds some."""
    return _NUMBER.fullmatch(value) is not None


def condition_sql(condition: Condition, column: str, kind: str, numeric: bool, where: str) -> str:
    """A condition as query text that is never null.

    Parameters
    ----------
    condition : Condition
    column : str
        The column, as query text.
    kind : str
        Its type, as the engine names it.
    numeric : bool
        It is text whose values are all numbers.
    where : str
        File and column, for the message.

    Raises
    ------
    DataError
        Where the value does not go with the column.

    Notes
    -----
    Numbers are compared as numbers, integers exactly; everything else as text without blanks at its ends. A missing
    value differs from every value (`!=` holds), and no order holds of it.
    """
    nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    if nested and condition.values:
        raise DataError(
            f"{P.where} {condition}: {where} holds {kind} values, and a condition compares single ones; is null and is "
            "not null go with it"
        )
    if condition.operator in ("is null", "is not null"):
        missing = f"({column} IS NULL)"
        if kind.startswith("VARCHAR") and not nested:
            missing = f"(coalesce({trimmed(column)}, '') = '')"
        return missing if condition.operator == "is null" else f"(NOT {missing})"
    if condition.operator == "~":
        found = matches(_words(column, kind), f"^(?:{condition.values[0]})")
        return f"coalesce({found}, false)"
    if condition.operator in _ORDERS:
        return f"coalesce({_ordered(condition, column, kind, numeric, where)}, false)"
    equal = " OR ".join(_equal(value, column, kind, numeric) for value in condition.values)
    found = f"coalesce({equal}, false)"
    return f"(NOT {found})" if condition.operator == "!=" else found


def _words(column: str, kind: str) -> str:
    """A column as text, without blanks at its ends."""
    return trimmed(f"CAST({column} AS VARCHAR)") if kind != "BOOLEAN" else f"CAST({column} AS VARCHAR)"


def _equal(value: str, column: str, kind: str, numeric: bool) -> str:
    base = kind.split("(")[0]
    if base in _INTEGER_TYPES and _INTEGER.fullmatch(value):
        return f"({column} = CAST({text(value)} AS HUGEINT))"
    if (base in (*_INTEGER_TYPES, *_REAL_TYPES) or numeric) and is_plain_number(value):
        if numeric and _INTEGER.fullmatch(value):
            whole = f"TRY_CAST({trimmed(column)} AS HUGEINT)"
            return f"({whole} = CAST({text(value)} AS HUGEINT))"
        return f"({_real(column, base)} = {_literal(value, base)})"
    if kind == "BOOLEAN":
        return f"(lower({_words(column, kind)}) = {text(value.lower())})"
    return f"({_words(column, kind)} = {text(value)})"


def _ordered(condition: Condition, column: str, kind: str, numeric: bool, where: str) -> str:
    value, base = condition.values[0], kind.split("(")[0]
    if kind.startswith(("DATE", "TIMESTAMP")):
        return f"({column} {condition.operator} TRY_CAST({text(value)} AS {kind}))"
    if not (base in (*_INTEGER_TYPES, *_REAL_TYPES) or numeric):
        raise DataError(
            f"{P.where} {condition}: {where} holds no numbers, so nothing in it is more or less; use = or ~"
        )
    if not is_plain_number(value):
        raise DataError(f"{P.where} {condition}: {value!r} is not a number, and {where} holds numbers")
    whole = base in _INTEGER_TYPES and _INTEGER.fullmatch(value)
    if whole:
        return f"({column} {condition.operator} CAST({text(value)} AS HUGEINT))"
    return f"({_real(column, base)} {condition.operator} {_literal(value, base)})"


def _real(column: str, base: str) -> str:
    return column if base == "FLOAT" else f"TRY_CAST({column} AS DOUBLE)"


def _literal(value: str, base: str) -> str:
    # A column of single precision has 0.1 in single precision.
    return f"CAST({float(value)!r} AS {'FLOAT' if base == 'FLOAT' else 'DOUBLE'})"
