"""What changed between two wiring diagrams: which pairs of neurons are in one only, and whose weights differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from crantcli.core import sql
from crantcli.core.compare.comparison import Comparison, both_ledgers, filter_notes
from crantcli.core.compare.conditions import held, parse_figure_condition
from crantcli.core.compare.edges import (
    ComparedPairs,
    WeightedPairs,
    all_edges,
    carried_over,
    compare_pairs,
    compare_rows,
    difference_query,
)
from crantcli.core.compare.histogram import WeightHistogram, weight_histogram
from crantcli.core.compare.versions import (
    CHANGES,
    NEURON_COLUMNS,
    PAIR_COLUMNS,
    compare_versions,
    pair_query,
    version_figures,
)
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.question import Output, Summary, Table
from crantcli.core.questions.base import Describe, Given, Inputs, Needs, Question, Results, Scope, as_names
from crantcli.core.relation import Completeness, Relation
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.pairs import Edges
from crantcli.errors import DataError, UsageError
from crantcli.schema import Kind
from crantcli.text import P

#: Figures that conditions may be about.
FIGURES = (
    "pairs", "pairs_a", "pairs_b", "same", "changed", "only_a", "only_b", "weight_a", "weight_b", "spearman",
    "spearman_both", "jaccard", "added", "removed", "moved_in", "moved_out", "neurons",
    *(f"neurons_{change}" for change in CHANGES),
)  # fmt: skip


@dataclass(frozen=True)
class Compare(Question):
    """What changed between A, the source, and B, the other table.

    Attributes
    ----------
    match : {"synapse", "neuron"} or None
        What is the same in A and in B: synapses, by their ids, or neurons; None means synapses where both have ids.
    all : bool
        Pairs that are the same in both, too.
    thresholds : tuple of int
        Thresholds at which the Jaccard index is taken; none means that of the rows.
    fail_on : tuple of str
        Conditions on figures, such as "changed > 1000": where one holds, that is an error once all is written.
    sum_duplicates : bool
    """

    match: Literal["synapse", "neuron"] | None = None
    all: bool = False
    thresholds: tuple[int, ...] = ()
    fail_on: tuple[str, ...] = ()
    sum_duplicates: bool = False

    command: ClassVar[str] = "compare"
    outputs: ClassVar[Mapping[str, type]] = {"": Table, "neurons": Table, "summary": Summary}

    def __post_init__(self) -> None:
        object.__setattr__(self, "fail_on", as_names(self.fail_on))
        object.__setattr__(self, "thresholds", tuple(sorted(set(self.thresholds))))
        if self.thresholds and self.thresholds[0] < 1:
            raise UsageError(f"threshold {self.thresholds[0]}: a pair needs at least 1 synapse to be kept")
        if self.match not in (None, "synapse", "neuron"):
            raise UsageError(f"match={self.match!r}: 'synapse' or 'neuron'")
        for condition in self.fail_on:
            parse_figure_condition(condition, FIGURES)

    def needs(self) -> Needs:
        """Two tables."""
        return Needs({}, other=True, renames=True)

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Nothing is fetched: two tables are compared as a whole."""
        return Scope()

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Compare them."""
        smallest = given.rows.threshold or 1
        if self.thresholds and self.thresholds[0] < smallest:
            raise UsageError(f"threshold {smallest} leaves nothing to be told of threshold {self.thresholds[0]}")
        refuse_unlike(given)
        if self._by_synapse(given):
            found = self._versions(engine, given)
        else:
            found = self._same_neurons(engine, given)
            if "neurons" in wanted:
                raise UsageError(f"{P.neurons} tells what became of neurons from synapses with ids, in both tables")
        found.ledger.check()
        outputs: dict[str, Output] = {"": found.table, **found.tables, "summary": Summary(found.figures)}
        nobody = Completeness(frozenset(), frozenset())
        return Results(
            outputs,
            "comparison",
            found.table.rows,
            found.ledger,
            nobody,
            found.table.rows,
            f"{found.what} ({found.sentence})",
            options={
                "match": self.match,
                "all": self.all or None,
                "thresholds": list(self.thresholds),
                "sum_duplicates": self.sum_duplicates or None,
            },
            facts={**found.facts, "figures": found.figures},
            notes=found.notes,
            details={"figures": found.figures},
            empty=[] if found.table.rows else [f"A and B are the same ({found.sentence})"],
            failed=held([parse_figure_condition(condition, FIGURES) for condition in self.fail_on], found.figures),
        )

    def _by_synapse(self, given: Inputs) -> bool:
        """Whether synapses stay, and not neurons.

        Raises
        ------
        DataError, UsageError
            Where they cannot, and were to.
        """
        assert given.other is not None
        without = [name for name, table in (("A", given.source), ("B", given.other.table)) if "id" not in table.roles]
        if self.match == "synapse" and without:
            raise DataError(f"{P.match('synapse')}: {' and '.join(without)} has no column of synapse ids")
        if without or self.match == "neuron":
            return False
        if given.renames is not None:
            raise UsageError(
                f"both tables have synapse ids, which tell what became of neurons without {P.ids}; leave it out, or "
                f"compare pairs of neurons with {P.match('neuron')}"
            )
        return True

    def _versions(self, engine: SqlEngine, given: Inputs) -> Comparison:
        """Two versions of one brain."""
        assert given.other is not None
        a, b = given.source, given.other.table
        found = compare_versions(engine, a, b, given.rows)
        figures = self._figures(weight_histogram(engine, found.pairs), given.rows) | version_figures(engine, found)
        rows = figures["pairs"] - (0 if self.all else figures["same"])
        ledger, facts = both_ledgers(*found.ledgers)
        neurons = Table(
            f"SELECT {sql.columns(NEURON_COLUMNS)} FROM {found.neurons} ORDER BY neuron",
            NEURON_COLUMNS,
            figures["neurons"],
        )
        return Comparison(
            Table(pair_query(found, self.all), PAIR_COLUMNS, rows),
            "pairs",
            ledger,
            figures,
            version_sentence(figures),
            filter_notes(a, b, self._filters(given)),
            facts,
            {"neurons": neurons},
        )

    def _filters(self, given: Inputs) -> dict[str, Any]:
        rows = given.rows
        return {"clean": rows.clean, "min_size": rows.min_size, "threshold": rows.threshold or 1}

    def _same_neurons(self, engine: SqlEngine, given: Inputs) -> Comparison:
        """Pairs of A with the same pairs of B."""
        assert given.other is not None
        a, b = given.source, given.other.table
        notes = filter_notes(a, b, self._filters(given))
        joined = None
        if given.renames is None and not any(t.kind is Kind.SYNAPSES or "neuropil" in t.roles for t in (a, b)):
            joined = compare_rows(engine, a, b, given.rows)
        compared, *ledgers = joined or self._by_pair(engine, given, notes)
        query, columns = difference_query(compared, self.all)
        figures = self._figures(compared.histogram, given.rows)
        rows = figures["pairs"] - (0 if self.all else figures["same"])
        ledger, facts = both_ledgers(*ledgers)
        return Comparison(Table(query, tuple(columns), rows), "pairs", ledger, figures, sentence(figures), notes, facts)

    def _by_pair(self, engine: SqlEngine, given: Inputs, notes: list[str]) -> tuple[ComparedPairs, Ledger, Ledger]:
        """The same where rows have to be added up first."""
        assert given.other is not None
        a, b = given.source, given.other.table
        late = given.rows if given.renames is None else replace(given.rows, threshold=None)
        found_a = all_edges(engine, a, late, self.sum_duplicates)
        found_b = all_edges(engine, b, given.rows, self.sum_duplicates)
        notes += [*found_a.notes, *found_b.notes]
        pairs_a, pairs_b = _weighted(a, found_a), _weighted(b, found_b)
        if given.renames is not None:
            pairs_a, told = carried_over(engine, a, pairs_a, given.renames, given.rows, found_a.ledger, pairs_b)
            notes += told
        return compare_pairs(engine, pairs_a, pairs_b), found_a.ledger, found_b.ledger

    def _figures(self, histogram: WeightHistogram, rows: RowFilter) -> dict[str, Any]:
        """Figures of all pairs, and the Jaccard index at each threshold."""
        figures = histogram.figures()
        thresholds = self.thresholds or (rows.threshold or 1,)
        jaccard = {str(limit): histogram.above(limit).figures()["jaccard"] for limit in thresholds}
        return {**figures, "jaccard_at": jaccard}


def _weighted(table: Relation, found: Edges) -> WeightedPairs:
    return WeightedPairs(found.relation, table.id_type, table.whole_weights)


def refuse_unlike(given: Inputs) -> None:
    """Refuse tables of which one has a row per synapse and the other a row per pair.

    Raises
    ------
    DataError
    """
    assert given.other is not None
    a, b = given.source, given.other.table
    if (a.kind is Kind.SYNAPSES) == (b.kind is Kind.SYNAPSES):
        return
    kinds = [f"{name} is a table of {table.kind}" for name, table in (("A", a), ("B", b))]
    raise DataError(
        f"{kinds[0]} and {kinds[1]}, which are not compared; make edges of the synapses first, with connectivity"
    )


def version_sentence(figures: Mapping[str, Any]) -> str:
    """The figures of versions in words."""
    moved = max(figures["moved_in"], figures["moved_out"])
    neurons = ", ".join(f"{figures[f'neurons_{c}']:,} {c}" for c in CHANGES if figures[f"neurons_{c}"])
    return (
        f"{figures['pairs']:,} pairs: {figures['same']:,} same; synapses: {figures['added']:,} added, "
        f"{figures['removed']:,} removed, {moved:,} moved; neurons: {neurons or 'none'}"
    )


def sentence(figures: Mapping[str, Any]) -> str:
    """The figures of pairs in words."""
    parts = [f"{figures['pairs']:,} pairs: {figures['same']:,} same, {figures['changed']:,} changed"]
    parts += [f"{figures['only_a']:,} only in A, {figures['only_b']:,} only in B"]
    for name, words in (("spearman", "Spearman's rho"), ("jaccard", "Jaccard")):
        if figures[name] is not None:
            parts.append(f"{words} {figures[name]:.4f}")
    return ", ".join(parts)
