"""Query text as Spark has it.

Core writes statements for DuckDB. Most mean the same in Spark; what does not is spelled in another way here, and a
function that is not known to mean the same is refused, so that nothing is answered in another way in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crantcli.core.sql import NO_BLANKS, text
from crantcli.errors import UsageError
from crantcli.text import P

_TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*')|(?P<name>\"(?:[^\"]|\"\")*\")|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<blank>\s+)|(?P<mark><>|!=|<=|>=|\|\||>>|.)",
    re.DOTALL,
)

#: Types that are called otherwise.
_TYPES = {"VARCHAR": "STRING", "HUGEINT": "DECIMAL(38, 0)", "UBIGINT": "DECIMAL(20, 0)"}

#: Functions that mean the same, and what Spark calls them.
_FUNCTIONS = {
    **{name: name for name in (
        "abs", "bool_and", "bool_or", "cast", "coalesce", "count", "dense_rank", "greatest", "least", "max", "min",
        "nullif", "rank", "row_number", "sum", "try_cast",
    )},
    # `trim` of two arguments is said in other words.
    "trim": "btrim",
}  # fmt: skip

#: Words behind which a parenthesis opens that is no call.
_NO_CALLS = frozenset((
    "all", "and", "any", "as", "between", "by", "case", "cross", "distinct", "else", "except", "exists", "filter",
    "from", "having", "in", "intersect", "is", "join", "like", "not", "on", "or", "over", "partition", "replace",
    "select", "then", "union", "using", "values", "when", "where", "with",
))  # fmt: skip

#: What an ORDER BY ends with, beside a parenthesis.
_AFTER_ORDER = frozenset(["limit", "offset", "range", "rows", "groups", "union", "intersect", "except"])

_OPENING, _CLOSING = {"(": ")", "[": "]"}, {")", "]"}


@dataclass
class Token:
    """A piece of query text; `inside` are the pieces between it, where it is a bracket, and its other half."""

    kind: str
    text: str
    inside: list[Token] | None = None

    @property
    def lower(self) -> str:
        """As keywords are compared."""
        return self.text.lower() if self.kind == "word" else self.text


def _pieces(statement: str) -> Iterator[Token]:
    """The pieces of a statement, blanks left out."""
    for found in _TOKEN.finditer(statement):
        if found.lastgroup != "blank":
            yield Token(found.lastgroup or "", found.group())


def names_in(statement: str) -> set[str]:
    """Names and keywords of a statement, as they stand there outside of quotes."""
    return {token.text for token in _pieces(statement) if token.kind == "word"}


def spelled(statement: str, scans: Mapping[str, str] | None = None) -> str:
    """A statement in Spark's words.

    Parameters
    ----------
    statement : str
        As DuckDB has it.
    scans : mapping of str to str, optional
        What reads files, as it stands in the statement -> the name that Spark has for it.

    Raises
    ------
    UsageError
        For what is not known to mean the same.
    """
    for reading, name in (scans or {}).items():
        statement = statement.replace(reading, name)
    return _sequence(_nested(_pieces(statement)))


def unordered(statement: str) -> str:
    """A query without the order of its rows, which it ends with."""
    depth = 0
    for found in _TOKEN.finditer(statement):
        depth += (found.group() in _OPENING) - (found.group() in _CLOSING)
        if not depth and found.lastgroup == "word" and found.group().lower() == "order":
            return statement[: found.start()]
    return statement


def identifier(name: str) -> str:
    """A name as Spark quotes it."""
    return "`" + name.replace("`", "``") + "`"


def literal(value: str) -> str:
    """Text as Spark quotes it, in which a backslash is no character of its own."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _nested(found: Iterator[Token], until: str = "") -> list[Token]:
    listed: list[Token] = []
    for token in found:
        if token.kind == "mark" and token.text in _OPENING:
            token.inside = _nested(found, _OPENING[token.text])
        elif token.kind == "mark" and token.text in _CLOSING:
            assert token.text == until, "brackets do not match"
            return listed
        listed.append(token)
    assert not until, "brackets do not match"
    return listed


def _sequence(listed: list[Token]) -> str:
    """The pieces between two brackets, or of the whole statement."""
    made: list[str] = []
    place = 0
    while place < len(listed):
        if listed[place].lower == "order" and place + 1 < len(listed) and listed[place + 1].lower == "by":
            text, place = _order(listed, place + 2)
        else:
            text, place = _piece(listed, place)
        made.append(text)
    return " ".join(made)


def _order(listed: list[Token], place: int) -> tuple[str, int]:
    """What rows are ordered by: nulls last, as everywhere."""
    end = next((at for at in range(place, len(listed)) if listed[at].lower in _AFTER_ORDER), len(listed))
    items = _split(listed[place:end])
    told = [
        _sequence(item) + ("" if any(token.lower == "nulls" for token in item) else " NULLS LAST") for item in items
    ]
    return f"ORDER BY {', '.join(told)}", end


def _split(listed: list[Token]) -> list[list[Token]]:
    """What stands between commas."""
    items: list[list[Token]] = [[]]
    for token in listed:
        if token.text == "," and token.kind == "mark":
            items.append([])
        else:
            items[-1].append(token)
    return items


def _piece(listed: list[Token], place: int) -> tuple[str, int]:
    """A piece and those that belong to it, and where the next one stands."""
    token = listed[place]
    following = listed[place + 1] if place + 1 < len(listed) else None
    if token.kind == "word" and (found := _membership(listed, place)) is not None:
        return found
    if token.kind == "text":
        return literal(token.text[1:-1].replace("''", "'")), place + 1
    if token.kind == "name":
        return identifier(token.text[1:-1].replace('""', '"')), place + 1
    if token.inside is not None and following is not None and token.text == following.text == "[":
        if not all(entry.kind == "text" or entry.text == "," for entry in token.inside):
            raise _unknown("[...][...]")
        # `core.sql.one_of`: entries are counted from 1 by this function, too.
        return f"element_at(array({_sequence(token.inside)}), {_sequence(following.inside or [])})", place + 2
    if token.inside is not None:
        return _bracket(token), place + 1
    if token.kind != "word":
        return token.text, place + 1
    if token.lower in ("all", "union") and following is not None and following.lower == "by":
        raise _unknown("BY NAME")
    if following is None or following.text != "(" or following.inside is None or token.lower in _NO_CALLS - {"filter"}:
        return _TYPES.get(token.text.upper(), token.text), place + 1
    if token.lower == "filter":
        where = following.inside[0].lower == "where"
        return f"FILTER ({'' if where else 'WHERE '}{_sequence(following.inside)})", place + 2
    return _call(listed, place)


def _membership(listed: list[Token], place: int) -> tuple[str, int] | None:
    """`column [NOT] IN (SELECT id FROM table)`, where it stands: of a table whose ids are never null.

    Where that is negated, or one of several conditions, Spark compares every row with every id, for fear of nulls.
    """
    before = listed[place - 1] if place else None
    if before is not None and before.kind == "mark" and before.text != ",":  # the end of a longer expression
        return None
    end = place + (3 if place + 1 < len(listed) and listed[place + 1].text == "." else 1)
    negated = end < len(listed) and listed[end].lower == "not"
    at = end + negated
    if at + 1 >= len(listed) or listed[at].lower != "in":
        return None
    inside = listed[at + 1].inside
    if inside is None or [token.lower for token in inside[:3]] != ["select", "id", "from"] or len(inside) != 4:
        return None
    column = "".join(token.text for token in listed[place:end])
    # Its own name for the id, so that the column is one of the rows that are asked about.
    ids = f"(SELECT id AS `the id` FROM {inside[3].text})"
    exists = f"{'NOT ' if negated else ''}EXISTS (SELECT 1 FROM {ids} WHERE `the id` = {column})"
    return f"CASE WHEN {column} IS NOT NULL THEN {exists} END", at + 2


def _bracket(token: Token) -> str:
    assert token.inside is not None
    if token.text == "(":
        return f"({_sequence(token.inside)})"
    # Entries of lists are counted from 0.
    if len(token.inside) != 1 or token.inside[0].kind != "number":
        raise _unknown("[...]")
    return f"[{int(token.inside[0].text) - 1}]"


def _call(listed: list[Token], place: int) -> tuple[str, int]:
    """A function with its arguments."""
    name, inside = listed[place].lower, listed[place + 1].inside
    assert inside is not None
    if name == "sum" and any(token.lower == "order" for token in inside):
        return _ordered_sum(listed, place)
    if name in ("isfinite", "isinf"):
        # NaN is the largest number of all.
        return f"(abs({_sequence(inside)}) {'<' if name == 'isfinite' else '='} double('Infinity'))", place + 2
    if name == "row_number":
        return f"row_number() {_window(listed, place)}", place + 4
    if name == "decimal":
        return f"DECIMAL({_sequence(inside)})", place + 2
    if name == "regexp_matches" and inside and inside[-1].text == text(NO_BLANKS):
        return f"regexp_like({_sequence(inside)})", place + 2
    if name not in _FUNCTIONS:
        raise _unknown(name)
    return f"{_FUNCTIONS[name]}({_sequence(inside)})", place + 2


def _window(listed: list[Token], place: int) -> str:
    """The window of `row_number()`, which has an order: where any row may come first, it is that of the groups."""
    inside = listed[place + 3].inside if place + 3 < len(listed) else None
    if inside is None or not inside:
        raise _unknown("the order of rows in a file")
    if any(token.lower == "order" for token in inside):
        return f"OVER ({_sequence(inside)})"
    return f"OVER ({_sequence(inside)} ORDER BY {_sequence(inside[2:])})"


def _ordered_sum(listed: list[Token], place: int) -> tuple[str, int]:
    """The sum of floats in an order: `core.sql.ordered_sum`."""
    inside = listed[place + 1].inside or []
    at = next(number for number, token in enumerate(inside) if token.lower == "order")
    value = _sequence(inside[:at])
    # As an order has them, nulls are last.
    keys = ", ".join(f"{key} IS NULL, {key}" for key in map(_sequence, _split(inside[at + 2 :])))
    condition, place = f"{value} IS NOT NULL", place + 2
    if place < len(listed) and listed[place].lower == "filter":
        kept = listed[place + 1].inside or []
        condition += f" AND ({_sequence(kept[1:] if kept[0].lower == 'where' else kept)})"
        place += 2
    rows = f"array_sort(collect_list(struct({keys}, {value} AS `the value`)) FILTER (WHERE {condition}))"
    added = f"aggregate({rows}, double(0), (made, entry) -> made + entry.`the value`)"
    return f"CASE WHEN count({value}) FILTER (WHERE {condition}) > 0 THEN {added} END", place


def _unknown(what: str) -> UsageError:
    return UsageError(
        f"{P.engine('spark')}: what is asked for needs {what}, which is not known to mean the same in Spark; leave "
        f"{P.engine} out, or the options beside it that ask for more"
    )
