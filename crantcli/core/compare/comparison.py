"""What a comparison comes to, whichever kind it is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from crantcli.core.compare.picture import ComparisonPicture
from crantcli.core.compare.statistics import TestName
from crantcli.core.ledger import Ledger
from crantcli.core.question import Table
from crantcli.core.relation import Relation, merge_filters
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.weights import Weighing


@dataclass(frozen=True)
class CompareOptions:
    """What a comparison is asked for; see `Compare`."""

    everything: bool = False
    thresholds: tuple[int, ...] = ()
    sum_duplicates: bool = False
    by: tuple[str, ...] = ()
    complete: bool = False
    pair: str | None = None
    largest_component: bool = False
    test: TestName | None = None
    against: Literal["configuration", "erdos-renyi"] | None = None
    samples: int = 200
    seed: int = 0
    weighing: Weighing = field(default_factory=Weighing)


@dataclass
class Comparison:
    """The answer to a comparison.

    Attributes
    ----------
    table : Table
    what : str
        What a row of it is, in the plural.
    ledger : Ledger
        Of both tables.
    figures : dict
        Numbers by name.
    sentence : str
        The figures that matter most, in words.
    picture : function
        Makes what is drawn.
    notes : list of str
    facts : dict
        For the provenance.
    tables : mapping of str to Table
        Further outputs.
    """

    table: Table
    what: str
    ledger: Ledger
    figures: dict[str, Any]
    sentence: str
    picture: Callable[[], ComparisonPicture]
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)


def sweep_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Figures at several thresholds: one row each, all with the same names."""
    columns = (
        tuple(name for name, value in rows[0].items() if not isinstance(value, Mapping)) if rows else ("threshold",)
    )
    lines = [
        "SELECT " + ", ".join(f"{_value(row[name])} AS {name}" for name in columns) + f", {place} AS place"
        for place, row in enumerate(rows)
    ]
    whole = " UNION ALL ".join(lines) or "SELECT NULL AS threshold, 0 AS place WHERE FALSE"
    return Table(f"SELECT {', '.join(columns)} FROM ({whole}) ORDER BY place", columns, len(rows))


def _value(value: float | int | None) -> str:
    if value is None:
        return "CAST(NULL AS DOUBLE)"
    return f"CAST({value!r} AS {'BIGINT' if isinstance(value, int) else 'DOUBLE'})"


def filters_of(rows: RowFilter) -> dict[str, Any]:
    """What rows are filtered by, as `Relation.filters` has it."""
    return {"clean": rows.clean, "min_size": rows.min_size, "threshold": rows.threshold or 1}


def filter_notes(a: Relation, b: Relation, given: Mapping[str, Any]) -> list[str]:
    """What to say where two files were filtered otherwise when they were made, which is a difference that none is."""
    one, other = (merge_filters(table.filters, dict(given)) for table in (a, b))
    found = []
    for name in sorted({*one, *other}):
        values = [filters.get(name) for filters in (one, other)]
        if values[0] != values[1]:
            found.append(f"{name} {_told(values[0])} and {_told(values[1])}")
    return [f"A and B were made otherwise: {'; '.join(found)}"] if found else []


def _told(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " and ".join(map(str, value))
    return "none" if value is None else str(value).lower()
