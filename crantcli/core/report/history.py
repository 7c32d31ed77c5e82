"""Figures of every night, and what became of them since the night before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from crantcli.errors import UsageError
from crantcli.text import P

Number = int | float

#: Up to here every whole number is one of the floats that a history holds.
EXACT = 2**53


class HistoryRow(NamedTuple):
    """One figure of one night.

    Attributes
    ----------
    night : str
        As `night_name` writes it.
    file, figure : str
    value : float
    """

    night: str
    file: str
    figure: str
    value: float


class Merged(NamedTuple):
    """A history to which a night was added.

    Attributes
    ----------
    rows : list of HistoryRow
        Sorted.
    replaced : int
        Rows that the night had before.
    """

    rows: list[HistoryRow]
    replaced: int


class Change(NamedTuple):
    """A figure tonight and the night before; None where a night has none."""

    file: str
    figure: str
    before: float | None
    now: float | None


def night_name(given: str) -> str:
    """The name of a night: `2026-11-29`, or with a time, `2026-11-29T03:10`. Such names sort by time.

    Raises
    ------
    UsageError
        For anything else.
    """
    try:
        when = datetime.fromisoformat(given)
        if when.tzinfo is None:
            return when.date().isoformat() if len(given) <= 10 else when.isoformat(timespec="minutes")
    except ValueError:
        pass
    raise UsageError(f"{P.night} {given}: a date such as 2026-11-29, or with a time, 2026-11-29T03:10")


def with_night(rows: Iterable[HistoryRow], night: str, figures: Mapping[str, Mapping[str, Number]]) -> Merged:
    """Add a night to a history. What the same night had before goes.

    Parameters
    ----------
    rows : iterable of HistoryRow
    night : str
    figures : mapping of str to mapping of str to number
        File -> figure -> value; `holds` must be true of each.
    """
    before = list(rows)
    others = [row for row in before if row.night != night]
    new = [HistoryRow(night, file, name, float(value)) for file, of in figures.items() for name, value in of.items()]
    return Merged(sorted([*others, *new]), len(before) - len(others))


def holds(value: Number) -> bool:
    """Whether a history can hold a figure: what is not finite, or is rounded as a float, it cannot."""
    return abs(value) <= EXACT if isinstance(value, int) else math.isfinite(value)


def nights_of(rows: Iterable[HistoryRow]) -> list[str]:
    """All nights of a history, the oldest first."""
    return sorted({row.night for row in rows})


def series_of(rows: Sequence[HistoryRow]) -> dict[tuple[str, str], list[float | None]]:
    """File and figure -> its value in each of `nights_of`, None where a night has none; in the order of their names."""
    place = {night: number for number, night in enumerate(nights_of(rows))}
    found: dict[tuple[str, str], list[float | None]] = {}
    for row in rows:
        found.setdefault((row.file, row.figure), [None] * len(place))[place[row.night]] = row.value
    return {name: found[name] for name in sorted(found)}


def changes_since(rows: Sequence[HistoryRow], night: str) -> tuple[str | None, list[Change]]:
    """The night before one, and the figures that changed since, largest part first.

    Returns
    -------
    tuple of str or None, and list of Change
        None and nothing where there is no night before.
    """
    earlier = [name for name in nights_of(rows) if name < night]
    if not earlier:
        return None, []
    values = {
        name: {(row.file, row.figure): row.value for row in rows if row.night == name} for name in (earlier[-1], night)
    }
    before, now = values[earlier[-1]], values[night]
    found = [Change(*key, before.get(key), now.get(key)) for key in sorted(before.keys() | now.keys())]
    changed = [change for change in found if change.before != change.now]
    return earlier[-1], sorted(changed, key=lambda change: -_part(change))


def _part(change: Change) -> float:
    """How large a change is, as a part of the larger of both values; what came or went is larger than all others."""
    if change.before is None or change.now is None:
        return 2.0
    return abs(change.now - change.before) / max(abs(change.now), abs(change.before))
