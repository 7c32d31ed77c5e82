"""What a picture of a comparison shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crantcli.core.compare.histogram import WeightHistogram
from crantcli.core.engine import SqlEngine
from crantcli.core.question import Table

#: Changes that are shown by name.
NAMED = 15


@dataclass(frozen=True)
class ComparisonPicture:
    """The content of a page of three panels.

    Attributes
    ----------
    histogram : WeightHistogram
        Of all pairs.
    changes : list of tuple of str, str, float, float
        The largest changes: two names, and the weights in A and in B.
    what : str
        What a pair is one of, in the plural.
    title : str
    sides : tuple of str
        What A and B are.
    unit : str
        What a weight is.
    """

    histogram: WeightHistogram
    changes: list[tuple[str, str, Any, Any]]
    what: str
    title: str
    sides: tuple[str, str] = ("A", "B")
    unit: str = "weight"


def largest_changes(
    engine: SqlEngine,
    table: Table,
    pre: int,
    post: int,
    weights: tuple[str, str],
    more: Sequence[Sequence[str]] = ((), ()),
) -> list[tuple[str, str, Any, Any]]:
    """The first rows of a table that is in the order of changes.

    Parameters
    ----------
    pre, post : int
        How many columns name each end: the first ones of the table.
    weights : tuple of str
        Columns of the weights in A and in B.
    more : sequence of two sequences of str
        Further columns that name each end.
    """
    firsts, lasts = (
        [*range(start, start + number), *map(table.columns.index, names)]
        for start, number, names in ((0, pre, more[0]), (pre, post, more[1]))
    )
    found = engine.execute(f"SELECT * FROM ({table.query}) LIMIT {NAMED}")
    places = [table.columns.index(name) for name in weights]
    return [
        (
            " ".join(str(row[place]) for place in firsts),
            " ".join(str(row[place]) for place in lasts),
            row[places[0]],
            row[places[1]],
        )
        for row in found
        if row[places[0]] != row[places[1]]
    ]
