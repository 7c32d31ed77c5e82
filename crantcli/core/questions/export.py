"""EdgeTable or a matrix in the formats of other programs, nodes with what the annotations say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.question import EdgeTable, Graph
from crantcli.core.questions.base import Describe, Given, Inputs, Needs, Question, Results, Scope
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import RowFilter, count_rows
from crantcli.core.rows.pairs import edges, refuse_repeated_pairs
from crantcli.core.rows.steps import NULL
from crantcli.errors import DataError, UsageError
from crantcli.schema import Kind
from crantcli.text import join_names


@dataclass(frozen=True)
class Export(Question):
    """All edges of a table, or entries of a matrix, as they are: autapses and background stay.

    Attributes
    ----------
    sum_duplicates : bool
        Add up rows that repeat a pair, in whichever neuropil. Their further columns are left out then.
    """

    sum_duplicates: bool = False

    command: ClassVar[str] = "export"
    outputs: ClassVar[Mapping[str, type]] = {"": EdgeTable}

    def needs(self) -> Needs:
        """The table with all that it has, and what is known of its neurons."""
        return Needs({}, labels=True, carry=True)

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """A table on a server is not exported: it would have to be fetched whole.

        Raises
        ------
        UsageError
        """
        raise UsageError(
            "export takes edges or a matrix in a file; connectivity and adjacency write what they fetch in the same "
            "formats"
        )

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Find the edges.

        Raises
        ------
        DataError
            Where it is another kind of table, or a pair stands in several rows.
        """
        table = given.source
        if table.kind not in (Kind.EDGES, Kind.ADJACENCY):
            raise DataError(
                f"this is a table of {table.kind}; export takes edges or a matrix, and crantcli connectivity or "
                "adjacency makes these of synapses, in the same formats"
            )
        found = _summed(engine, table) if self.sum_duplicates else _as_they_are(engine, table)
        graph = Graph(found.relation, ("pre", "post"), table.id_type, found.apart, table.silent, given.annotations)
        keys = sql.columns(("pre", "post", *found.apart))
        query = f"SELECT {sql.columns(found.columns)} FROM {found.relation} ORDER BY weight DESC, {keys}"
        number = count_rows(engine, found.relation)
        return Results(
            {"": EdgeTable(query, found.columns, number, graph=graph)},
            "edges",
            number,
            found.ledger,
            table.completeness,
            number,
            "edges",
            options={"sum_duplicates": self.sum_duplicates or None},
            facts={"labels": "neurons"},
            notes=found.notes,
        )


class _Kept(NamedTuple):
    """EdgeTable: a relation, its columns, those that tell rows of a pair apart, the ledger, and what to say."""

    relation: str
    columns: tuple[str, ...]
    apart: tuple[str, ...]
    ledger: Ledger
    notes: list[str]


def _as_they_are(engine: SqlEngine, table: Relation) -> _Kept:
    """All rows that have both neurons, with all their columns."""
    columns = ("pre", "post", "weight", *table.having("neuropil"), *table.carried)
    kept = engine.table("exported", f"SELECT {sql.columns(columns)} FROM {table.relation} WHERE NOT {NULL}")
    ledger = table.ledger()
    ledger.kept = count_rows(engine, kept)
    ledger.remove("null", table.rows - ledger.kept)
    ledger.check()
    apart: tuple[str, ...] = ()
    if table.kind is Kind.EDGES:
        keys = sql.columns(("pre", "post", *table.having("neuropil")))
        counted = engine.count_pairs("edge_rows", kept, keys, "count(*) AS total")
        refuse_repeated_pairs(engine, counted, table)
        if "neuropil" in table.roles:
            pairs = engine.execute(f"SELECT count(*) FROM (SELECT DISTINCT pre, post FROM {counted})")[0][0]
            apart = ("neuropil",) if pairs < ledger.kept else ()
    return _Kept(kept, columns, apart, ledger, [])


def _summed(engine: SqlEngine, table: Relation) -> _Kept:
    """One row per pair, with its weight."""
    found = edges(engine, table, None, RowFilter(clean=False), sum_duplicates=True)
    found.ledger.check()
    notes = list(found.notes)
    if table.carried:
        notes.append(f"rows are added up, so that their further columns are left out: {join_names(table.carried)}")
    return _Kept(found.relation, ("pre", "post", "weight"), (), found.ledger, notes)
