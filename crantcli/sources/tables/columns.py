"""The columns of a table and a sample of their values: what a decision on its kind looks at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crantcli.errors import DataError
from crantcli.schema import (
    AXES,
    BLANKS,
    POSITION_COLUMNS,
    POSITION_SPELLINGS,
    PREFIXED_DIGITS,
    Names,
)

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

#: How programs write an empty cell.
EMPTY_CELLS = ("nan", "na", "none", "null")

#: Rows that are looked at.
SAMPLE = 2000


#: From here on a number is a root ID rather than the number of a row.
ROOT_ID = 10**15


_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT",
            "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip


class Columns:
    """The columns of a table, and a sample of their values.

    Parameters
    ----------
    types : mapping of str to str
        Column -> its type, as the engine names it.
    sample : callable
        Gives the first values of a column.
    text : bool
        Types are not known: every column is text.
    index : str, optional
        The column that was the index of a DataFrame.
    files : int
        How many files the sample may come from; their rows may be numbered anew in each.
    """

    def __init__(
        self,
        types: Mapping[str, str],
        sample: Callable[[str], Sequence[Any]],
        text: bool = False,
        index: str | None = None,
        files: int = 1,
    ) -> None:
        self.types, self.text, self.index, self.files = dict(types), text, index, files
        self._sample = sample
        self._seen: dict[str, list[Any]] = {}

    def without(self, dropped: Sequence[str]) -> Columns:
        """The same but for some columns."""
        kept = {name: kind for name, kind in self.types.items() if name not in dropped}
        index = None if self.index in dropped else self.index
        return Columns(kept, self.values, self.text, index, self.files)

    def values(self, column: str) -> list[Any]:
        """The first values of a column; text without blanks at its ends, and None for empty text."""
        if column not in self._seen:
            found = [value.strip(BLANKS) or None if isinstance(value, str) else value for value in self._sample(column)]
            self._seen[column] = found
        return self._seen[column]

    def numbers(self, column: str) -> bool | None:
        """Whether a column holds numbers; None where no value is there to tell."""
        kind = self.types[column]
        if kind.startswith(_NUMERIC):
            return True
        if not kind.startswith(("VARCHAR", "ENUM")):
            return None if kind == '"NULL"' else False
        there = [value for value in self.values(column) if value is not None]
        return all(map(is_number, there)) if there else None


def find_positions(types: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Which positions a table has: the name that we give to each -> its three columns, else the one that holds it.

    Raises
    ------
    DataError
        Where a position is spelled twice.
    """
    names = Names(types)
    found: dict[str, tuple[str, ...]] = {}
    for position, spellings in POSITION_SPELLINGS.items():
        places: list[tuple[str, ...]] = []
        for spelling in spellings:
            three = tuple(names.get(f"{spelling}_{axis}") for axis in AXES)
            joint = names.get(spelling)
            if None not in three:
                places.append(three)  # type: ignore[arg-type]
            elif joint is not None:
                places.append((joint,))
        for columns in POSITION_COLUMNS[position]:
            three = tuple(names.get(column) for column in columns)
            if None not in three and (places or all(_holds_numbers(types[str(name)]) for name in three)):
                places.append(three)  # type: ignore[arg-type]
        if position == "ctr_pt_position" and len(places) > 1:
            places = places[:1]  # bare x, y, z beside it are carried along
        if len(places) > 1:
            told = " and ".join(", ".join(place) for place in places)
            raise DataError(f"columns {told} are the same position twice; drop or rename one")
        if places:
            found[position] = places[0]
    return found


def _holds_numbers(kind: str) -> bool:
    return kind.startswith((*_NUMERIC, "VARCHAR"))


def prefixed_id(column: str, prefix: str) -> str:
    """A neuron ID whose first digits stand in the column's name, as query text: null where the value is too long."""
    missing = PREFIXED_DIGITS - len(prefix)
    digits = f"CAST({column} AS VARCHAR)"
    return f"CASE WHEN length({digits}) <= {missing} THEN '{prefix}' || lpad({digits}, {missing}, '0') END"


def is_number(value: object) -> bool:
    """Whether a value is a number, or stands for an empty cell."""
    return value is None or str(value).casefold() in EMPTY_CELLS or _NUMBER.fullmatch(str(value)) is not None


def named_positions(
    found: dict[str, tuple[str, ...]], types: dict[str, str], named: str | None
) -> dict[str, tuple[str, ...]]:
    """The positions of a table, and the one that an option names, by the name that we give to each -> its columns."""
    if named is None or named in found:
        return found
    names = Names(types)
    three = tuple(column for axis in AXES if (column := names.get(f"{named}_{axis}")) is not None)
    joint = names.get(named)
    place = three if len(three) == len(AXES) else (joint,) if joint is not None else None
    if place is None:
        return found
    rest = {name: columns for name, columns in found.items() if columns != place}
    return {**rest, named: place}
