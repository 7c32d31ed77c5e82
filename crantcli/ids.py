"""Neuron IDs and the ways to name neurons: literal IDs, files of IDs, criteria on annotations.

IDs are int64 or text. Those of CRANT are near 5.8e17, above 2**53, so an ID never passes through a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from crantcli.errors import ArgumentTypeError, DataError, UsageError
from crantcli.schema import BLANKS, IdType, Names, NeuronId

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

#: Integers up to this size are exact as float64 (IEEE 754 binary64 has a 53-bit significand).
FLOAT_EXACT = 2**53

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_POINT_ZERO = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0*")
_FLOAT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")


def parse_id(value: str, id_type: IdType) -> NeuronId:
    """Read one neuron ID from text.

    Parameters
    ----------
    value : str
        The text; `1.0` below 2**53 names neuron 1.
    id_type : {"BIGINT", "VARCHAR"}
        How the table at hand holds IDs.

    Returns
    -------
    int or str
        An int for BIGINT, text for VARCHAR.

    Raises
    ------
    DataError
        For text that went through a float, and for text that cannot be an ID of the table.
    """
    stripped = value.strip(BLANKS)
    if _INTEGER.fullmatch(stripped):
        if id_type == "VARCHAR":
            return stripped
        number = int(stripped)
        if not INT64_MIN <= number <= INT64_MAX:
            raise DataError(f"neuron ID {stripped} does not fit into 64 bits; the table's IDs are integers")
        return number
    pointed = _POINT_ZERO.fullmatch(stripped)
    if pointed and abs(int(pointed[1])) < FLOAT_EXACT:
        return parse_id(pointed[1], id_type)
    if _FLOAT.fullmatch(stripped) and (id_type == "BIGINT" or abs(float(stripped)) >= FLOAT_EXACT):
        raise DataError(
            f"neuron ID {stripped} has gone through a floating-point number and may have lost digits; "
            "use the original ID, written as an integer"
        )
    if id_type == "BIGINT":
        raise DataError(f"{stripped!r} is not a neuron ID of this table, whose IDs are integers")
    return stripped


@dataclass(frozen=True)
class Criterion:
    """One condition on one annotation column.

    Attributes
    ----------
    column : str
    values : tuple of str
        Any of these (all of these with `match_all`, on columns that hold lists).
    operator : {"=", "~", "*"}
        Equal, regular expression matched from the start, or substring.
    negate : bool
        Keep what does not match, nulls included.
    ignore_case, match_all : bool
    """

    column: str
    values: tuple[str, ...]
    operator: str = "="
    negate: bool = False
    ignore_case: bool = False
    match_all: bool = False

    def value_matches(self, wanted: str, label: str) -> bool:
        """Whether one label of the column matches one wanted value."""
        if self.operator == "~":
            return re.match(wanted, label, re.IGNORECASE if self.ignore_case else 0) is not None
        if self.ignore_case:
            wanted, label = wanted.casefold(), label.casefold()
        return wanted in label if self.operator == "*" else wanted == label

    def __str__(self) -> str:
        """As it is typed."""
        operator = {"=": "!=" if self.negate else "=", "~": "~", "*": " contains "}[self.operator]
        return f"{self.column}{operator}{','.join(map(_quoted, self.values))}"


def _quoted(value: str) -> str:
    return f'"{value}"' if "," in value or " and " in value else value


@dataclass(frozen=True)
class Criteria:
    """Conditions that must all hold."""

    criteria: tuple[Criterion, ...]

    def __str__(self) -> str:
        """As it is typed."""
        return " and ".join(map(str, self.criteria))


@dataclass(frozen=True)
class NamedNeurons(Criteria):
    """`NAME=ID,...`: a criterion where the annotations have a column of this name, else neurons under a name.

    Attributes
    ----------
    ids : tuple of LiteralId
    """

    ids: tuple[LiteralId, ...] = ()

    @property
    def name(self) -> str:
        """The column, or the name."""
        return self.criteria[0].column

    def is_criterion(self, columns: Iterable[str] | None) -> bool:
        """Whether the columns of the annotations make it one; None where there are no annotations."""
        return columns is not None and Names(columns).get(self.name) is not None


class NeuronCriteria(Criteria):
    """Neurons whose annotations match, for the Python functions.

    Parameters
    ----------
    regex : bool, default False
        Values are regular expressions, matched from the start of the label.
    case : bool, default False
        Whether regular expressions heed case. Comparison without `regex` always does.
    match_all : bool, default False
        On columns that hold lists: all values must be among the elements, instead of any.
    exact : bool, default True
        Whole labels; False finds values anywhere in the label.
    **columns
        Annotation column = value or list of values. All columns must match.

    Examples
    --------
    >>> NeuronCriteria(cell_type=["ER1", "ER2"], side="left")
    NeuronCriteria(cell_type=ER1,ER2 and side=left)
    """

    def __init__(
        self, *, regex: bool = False, case: bool = False, match_all: bool = False, exact: bool = True, **columns: Any
    ) -> None:
        operator = "~" if regex else "=" if exact else "*"
        criteria = tuple(
            Criterion(column, _labels(column, value), operator, ignore_case=regex and not case, match_all=match_all)
            for column, value in columns.items()
        )
        if not criteria:
            raise UsageError("NeuronCriteria needs at least one column, such as cell_type='ER2'")
        for criterion in criteria:
            _check_patterns(criterion)
        super().__init__(criteria)

    def __repr__(self) -> str:
        """Show the conditions."""
        return f"NeuronCriteria({self})"


def _labels(column: str, value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    if not values or any(item is None for item in values):
        raise UsageError(f"NeuronCriteria: {column} needs a value, not {value!r}")
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in values)


@dataclass(frozen=True)
class LiteralId:
    """A neuron ID as it was typed."""

    value: str

    def __str__(self) -> str:
        """As it is typed."""
        return self.value


@dataclass(frozen=True)
class IdFile:
    """IDs in a file: one a line, or a column of a table."""

    path: str
    column: str | None = None

    def __str__(self) -> str:
        """As it is typed, without folders, which do not bear on the content."""
        name = "@" + re.split(r"[/\\]", self.path)[-1]
        return f"{name}:{self.column}" if self.column else name


@dataclass(frozen=True)
class IdStdin:
    """IDs on standard input, one a line."""

    def __str__(self) -> str:
        """As it is typed."""
        return "-"


Selector = LiteralId | IdFile | IdStdin | Criteria


@dataclass(frozen=True)
class Selection:
    """Neurons that were asked for: as they were named and as they were found.

    Attributes
    ----------
    ids : tuple of int or str
        Without repeats, in the order in which they were asked for.
    named : tuple of str
        The selectors, for the provenance.
    notes : tuple of str
    requested : tuple of pairs of int or str
        Where IDs were brought to another time: those that were asked for, with what they are now. Else empty.
    """

    ids: tuple[NeuronId, ...]
    named: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    requested: tuple[tuple[NeuronId, NeuronId], ...] = ()

    @property
    def texts(self) -> frozenset[str]:
        """The IDs as text."""
        return frozenset(map(str, self.ids))


_CRITERION = re.compile(r"\s*([^\s=!~,\"'@:][^=!~,\"']*?)\s*(!=|=|~)\s*(.*)", re.DOTALL)


def parse_selectors(values: Iterable[str], ignore_case: bool = False) -> tuple[Selector, ...]:
    """Read selectors as they are typed on the command line.

    Parameters
    ----------
    values : iterable of str
        Each an ID, comma-separated IDs, `@FILE`, `@FILE:COLUMN`, `-`, `id:VALUE`, or criteria joined by ` and `.
    ignore_case : bool
        Criteria do not heed case.

    Raises
    ------
    UsageError
        Where a value cannot be read.
    """
    selectors: list[Selector] = []
    for value in values:
        selectors.extend(_parse_selector(value, ignore_case))
    return tuple(selectors)


def _parse_selector(value: str, ignore_case: bool) -> Iterator[Selector]:
    if not value.strip():
        raise UsageError("an empty value selects no neuron; give an ID, @FILE, - or column=value")
    if value == "-":
        yield IdStdin()
    elif value.startswith("id:"):
        yield LiteralId(value[3:])
    elif value.startswith("@"):
        yield _parse_file(value[1:])
    elif _CRITERION.fullmatch(value):
        yield Criteria(tuple(_parse_criterion(part, ignore_case) for part in _split(value, " and ")))
    else:
        for part in value.split(","):
            if not part.strip(BLANKS):
                raise UsageError(f"{value!r}: there is nothing between two commas")
            yield LiteralId(part.strip(BLANKS).removeprefix("id:"))


def _parse_file(value: str) -> IdFile:
    if not value:
        raise UsageError("@ needs a file name: @FILE or @FILE:COLUMN")
    path, colon, column = value.rpartition(":")
    if colon and path and column and not re.search(r"[/\\]", column):
        return IdFile(path, column)
    return IdFile(value)


def _parse_criterion(part: str, ignore_case: bool) -> Criterion:
    match = _CRITERION.fullmatch(part)
    if not match:
        raise UsageError(f"{part!r} is not a criterion; write column=value, column!=value or column~pattern")
    column, operator, values = match.groups()
    if operator == "~":
        criterion = Criterion(column, (_unquoted(values),), "~", ignore_case=ignore_case)
        _check_patterns(criterion)
        return criterion
    labels = tuple(_unquoted(label) for label in _split(values, ","))
    if not all(labels):
        raise UsageError(f"{part.strip()!r} compares with an empty value")
    return Criterion(column, labels, "=", negate=operator == "!=", ignore_case=ignore_case)


def _check_patterns(criterion: Criterion) -> None:
    if criterion.operator != "~":
        return
    for pattern in criterion.values:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"{pattern!r} is not a regular expression: {error}") from None
        if not pattern:
            raise UsageError(f"{criterion.column}~ needs a regular expression")


def parse_labels(value: str) -> tuple[str, ...]:
    """Read labels that are separated by commas; one that has a comma stands in double quotes.

    Raises
    ------
    UsageError
        Where there is nothing between two commas.
    """
    labels = tuple(_unquoted(label) for label in _split(value, ","))
    if not all(labels):
        raise UsageError(f"{value!r}: there is nothing between two commas")
    return labels


def _split(value: str, separator: str) -> list[str]:
    """Split at a separator that does not stand between double quotes."""
    parts, start, quoted = [], 0, False
    for position, character in enumerate(value):
        if character == '"':
            quoted = not quoted
        elif not quoted and position >= start and value.startswith(separator, position):
            parts.append(value[start:position])
            start = position + len(separator)
    if quoted:
        raise UsageError(f"{value!r}: a quote is opened and not closed")
    return [*parts, value[start:]]


def _unquoted(value: str) -> str:
    stripped = value.strip(BLANKS)
    if len(stripped) >= 2 and stripped[0] == stripped[-1] == '"':
        return stripped[1:-1].strip(BLANKS)
    return stripped


def python_selectors(neurons: Any) -> tuple[Selector, ...]:
    """Read what a Python caller gave for neurons.

    Parameters
    ----------
    neurons : int, str, NeuronCriteria, or an iterable of them
        Text is a literal ID. NumPy integers, arrays and pandas Series are fine; floats are not.

    Raises
    ------
    ArgumentTypeError
        For floats and anything else that cannot be an ID.
    """
    if isinstance(neurons, Criteria | LiteralId | IdFile | IdStdin):
        return (neurons,)
    if isinstance(neurons, str):
        return (LiteralId(neurons),)
    if isinstance(neurons, Iterable) and not isinstance(neurons, bytes):
        return tuple(selector for item in neurons for selector in python_selectors(item))
    if isinstance(neurons, bool) or not hasattr(neurons, "__index__"):
        raise ArgumentTypeError(
            f"{neurons!r} ({type(neurons).__name__}) is not a neuron ID; give an int or text, never a float"
        )
    return (LiteralId(str(neurons.__index__())),)
