"""A table in the order of its neurons, so that later questions about a few of them read little of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from crantcli.core.engine import SqlEngine
from crantcli.core.question import Table
from crantcli.core.questions.base import Describe, Given, Inputs, Needs, Question, Results, Scope
from crantcli.core.relation import Relation
from crantcli.core.rows.denominators import told_totals
from crantcli.core.rows.units import unit_record
from crantcli.core.sql import quote
from crantcli.core.synapses import output_columns
from crantcli.errors import UsageError
from crantcli.schema import Kind
from crantcli.text import P


@dataclass(frozen=True)
class Sort(Question):
    """All rows of a table of synapses or edges as they are, sorted by pre, post and id, then by all other columns.

    Nothing is dropped but what a condition on rows drops: repeated synapses, autapses and rows without an ID stay, the
    last ones at the end.
    """

    command: ClassVar[str] = "sort"
    outputs: ClassVar[Mapping[str, type]] = {"": Table}

    def needs(self) -> Needs:
        """The table with all that it has."""
        return Needs({}, carry=True)

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """A table on a server is not sorted: it would have to be fetched whole.

        Raises
        ------
        UsageError
        """
        raise UsageError("sort takes a table in a file; what synapses fetches is sorted already")

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Sort it."""
        table = given.source
        sort = sorting(table)
        query = engine.ordered(sort.query, sort.keys, table.rows)
        ledger = table.ledger()
        ledger.kept = table.rows
        ledger.check()
        units = unit_record(table, sort.columns, table.unit, table.voxel_size)
        kind = "synapses" if table.kind is Kind.SYNAPSES else "edges"
        return Results(
            {"": Table(query, sort.columns, table.rows)},
            kind,
            table.rows,
            ledger,
            table.completeness,
            table.rows,
            kind,
            facts={
                "sorted_by": sort.first,
                "unique_ids": table.unique_ids,
                **told_totals(engine, table, {}),
            },
            units=units,
            units_advice=f"tell the next command with {P.coordinates} and {P.voxel_size}, or write .parquet",
            details=units,
        )


class Sorting(NamedTuple):
    """How a table is sorted.

    Attributes
    ----------
    query : str
        Its rows, in any order.
    columns : tuple of str
        Their names.
    keys : list of str
        All columns, in the order in which they count.
    first : list of str
        Those of neurons and synapses, which come first.
    """

    query: str
    columns: tuple[str, ...]
    keys: list[str]
    first: list[str]


def sorting(table: Relation) -> Sorting:
    """All rows of a table as they are, to be sorted by pre, post and id, then by all other columns."""
    names = output_columns(table)
    first = [name for name in ("pre", "post", "id") if name in names]
    order = [*first, *(name for name in names if name not in first)]
    chosen = ", ".join(f"{quote(inner)} AS {quote(outer)}" for inner, outer in names.items())
    return Sorting(
        f"SELECT {chosen} FROM {table.relation}",
        tuple(names.values()),
        [names[name] for name in order],
        [names[name] for name in first],
    )
