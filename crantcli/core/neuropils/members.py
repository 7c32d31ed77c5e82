"""What lies in one neuropil: its synapses as a table of their own, and how many they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crantcli.core.engine import SqlEngine
from crantcli.core.neuropils.assign import Assignment
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.pairs import Edges, edges
from crantcli.schema import Kind


def in_neuropil(engine: SqlEngine, assignment: Assignment, code: int) -> Relation:
    """The synapses of one neuropil, each once."""
    source, division = assignment.table, assignment.division
    return replace(
        source,
        relation=engine.group("in_neuropil", division, code),
        rows=division.numbers.get(code, 0),
        null_rows=None,
        roles=frozenset({*source.having("pre", "post"), *assignment.counted}),
        carried=(),
        positions=(),
        unique_ids=True,
    )


@dataclass(frozen=True)
class Count:
    """What a neuropil holds, after cleaning and size, whatever the threshold and the annotations.

    Attributes
    ----------
    synapses, pairs, neurons : int
        Synapses, pairs of neurons, and neurons on either side; of points, only how many they are is known.
    """

    synapses: int
    pairs: int | None
    neurons: int | None


def count(engine: SqlEngine, found: Edges) -> Count:
    """Count the synapses, pairs and neurons of a neuropil from its edges."""
    passing = f"FROM {found.pairs} WHERE NOT dropped AND n > 0"
    synapses, pairs = engine.execute(f"SELECT coalesce(sum(n), 0), count(*) {passing}")[0]
    neurons = engine.execute(f"SELECT count(*) FROM (SELECT pre {passing} UNION SELECT post {passing})")[0][0]
    return Count(int(synapses), int(pairs), int(neurons))


def count_alone(engine: SqlEngine, table: Relation, rows: RowFilter) -> Count:
    """Count what a neuropil holds where no matrix is made of it."""
    if table.kind is Kind.POINTS:
        return Count(table.rows, None, None)
    return count(engine, edges(engine, table, None, rows))


@dataclass(frozen=True)
class Members:
    """Synapses that a file of assignments puts into chosen neuropils.

    Attributes
    ----------
    relation : str
        A table `id` of these synapses, each once.
    names : tuple of str
    """

    relation: str
    names: tuple[str, ...]

    def within(self, table: Relation) -> Relation:
        """The table with only these synapses; the others count as unselected."""
        reason = f"the neuropil {', '.join(self.names)}"
        filtered_by = f"{table.completeness.filtered_by} and {reason}" if table.completeness.filtered_by else reason
        return replace(
            table,
            within=f"id IN (SELECT id FROM {self.relation})",
            completeness=replace(table.completeness, filtered_by=filtered_by),
        )
