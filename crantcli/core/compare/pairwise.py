"""Tables of the same synapses or neurons, compared pair of neurons by pair of neurons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crantcli.core import sql
from crantcli.core.compare.comparison import CompareOptions, Comparison, filter_notes, filters_of, sweep_table
from crantcli.core.compare.edges import (
    ComparedPairs,
    WeightedPairs,
    carried_over,
    compare_pairs,
    compare_rows,
    difference_query,
)
from crantcli.core.compare.histogram import WeightHistogram, weight_histogram
from crantcli.core.compare.picture import ComparisonPicture, largest_changes
from crantcli.core.compare.sides import compared_edges, one_table
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
from crantcli.core.question import Table
from crantcli.core.questions.base import Inputs
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.pairs import Edges
from crantcli.core.rows.weighed import weights_of_pairs
from crantcli.core.rows.weights import Weighing
from crantcli.errors import DataError
from crantcli.schema import Kind


def versions(engine: SqlEngine, given: Inputs, options: CompareOptions) -> Comparison:
    """Two versions of one brain, by their synapses' ids."""
    assert given.other is not None
    a, b = given.source, given.other.table
    found = compare_versions(engine, a, b, given.rows)
    histogram = weight_histogram(engine, found.tally, "sum(pairs)")
    figures = _figures(histogram, given.rows, options) | version_figures(engine, found)
    rows = figures["pairs"] - (0 if options.everything else figures["same"])
    neurons = f"SELECT {sql.columns(NEURON_COLUMNS)} FROM {found.neurons} ORDER BY neuron"
    table, told = Table(pair_query(found, options.everything), PAIR_COLUMNS, rows), _version_sentence(figures)
    return Comparison(
        table,
        "pairs",
        found.ledgers[0] + found.ledgers[1],
        figures,
        told,
        lambda: ComparisonPicture(histogram, largest_changes(engine, table, 1, 1, ("old", "new")), "pairs", told),
        filter_notes(a, b, filters_of(given.rows)),
        _told(*found.ledgers),
        {"neurons": Table(neurons, NEURON_COLUMNS, figures["neurons"]), "sweep": _sweep(engine, histogram, options)},
    )


def same_neurons(engine: SqlEngine, given: Inputs, options: CompareOptions) -> Comparison:
    """Pairs of A with the same pairs of B."""
    assert given.other is not None
    a, b = given.source, given.other.table
    notes = filter_notes(a, b, filters_of(given.rows))
    joined = None
    if (
        options.weighing.plain
        and given.renames is None
        and not any(t.kind is Kind.SYNAPSES or "neuropil" in t.roles for t in (a, b))
    ):
        joined = compare_rows(engine, a, b, given.rows)
    compared, *ledgers = joined or _added_up(engine, given, options, notes)
    found = _of_pairs(engine, compared, given.rows, options, ledgers[0] + ledgers[1])
    found.notes += notes
    found.facts |= _told(*ledgers)
    return found


def matched_sides(engine: SqlEngine, given: Inputs, options: CompareOptions) -> Comparison:
    """Pairs of neurons on one side with those of their partners on the other, under the IDs of A."""
    sides, matched = one_table(engine, given, options)
    table, weighing = given.source, options.weighing
    edges_a, edges_b = (Edges(side.kept, side.whole, sides.ledgers[0]) for side in (sides.a, sides.b))
    kept_a, notes_a = weights_of_pairs(engine, edges_a, weighing, "A")
    kept_b, notes_b = weights_of_pairs(engine, edges_b, weighing, "B")
    carried = engine.view(
        "carried_side",
        f"SELECT m.a AS pre, n.a AS post, e.weight FROM {kept_b} AS e JOIN {matched} AS m ON e.pre = m.b "
        f"JOIN {matched} AS n ON e.post = n.b",
    )
    pairs = [WeightedPairs(relation, table.id_type, weighing.whole(table)) for relation in (kept_a, carried)]
    compared = compare_pairs(engine, pairs[0], pairs[1])
    both = engine.view(
        "both_ids",
        f"SELECT c.*, m.b AS pre_b, n.b AS post_b FROM {compared.relation} AS c JOIN {matched} AS m ON c.pre = m.a "
        f"JOIN {matched} AS n ON c.post = n.a",
    )
    found = _of_pairs(
        engine, replace(compared, relation=both), given.rows, options, sides.ledgers[0], ("pre_b", "post_b")
    )
    found.notes += [*sides.notes, *notes_a, *notes_b]
    found.figures["matched"] = int(engine.execute(f"SELECT count(*) FROM {matched}")[0][0])
    return found


def _of_pairs(
    engine: SqlEngine,
    compared: ComparedPairs,
    rows: RowFilter,
    options: CompareOptions,
    ledger: Ledger,
    more: tuple[str, ...] = (),
) -> Comparison:
    query, columns = difference_query(compared, options.everything, more)
    figures = _figures(compared.histogram, rows, options)
    number = figures["pairs"] - (0 if options.everything else figures["same"])
    table, told = Table(query, tuple(columns), number), _sentence(figures)
    weights = ("weight_a", "weight_b")
    return Comparison(
        table,
        "pairs",
        ledger,
        figures,
        told,
        lambda: ComparisonPicture(compared.histogram, largest_changes(engine, table, 1, 1, weights), "pairs", told),
        tables={"sweep": _sweep(engine, compared.histogram, options)},
    )


def _added_up(
    engine: SqlEngine, given: Inputs, options: CompareOptions, notes: list[str]
) -> tuple[ComparedPairs, Ledger, Ledger]:
    """Pairs of two tables whose rows have to be added up first."""
    assert given.other is not None
    a, b = given.source, given.other.table
    late = given.rows if given.renames is None else replace(given.rows, threshold=None)
    found_a = compared_edges(engine, "A", a, late, given.annotations, options)
    found_b = compared_edges(engine, "B", b, given.rows, given.other.annotations, options)
    notes += [*found_a.notes, *found_b.notes]
    pairs_a = _weighted(engine, "A", a, found_a, options.weighing, notes)
    pairs_b = _weighted(engine, "B", b, found_b, options.weighing, notes)
    if given.renames is not None:
        pairs_a, told = carried_over(engine, a, pairs_a, given.renames, given.rows, found_a.ledger, pairs_b)
        notes += told
    return compare_pairs(engine, pairs_a, pairs_b), found_a.ledger, found_b.ledger


def _weighted(
    engine: SqlEngine, name: str, table: Relation, found: Edges, weighing: Weighing, notes: list[str]
) -> WeightedPairs:
    relation, told = weights_of_pairs(engine, found, weighing, name)
    notes += told
    return WeightedPairs(relation, table.id_type, weighing.whole(table))


def _told(a: Ledger, b: Ledger) -> dict[str, Any]:
    return {"ledgers": {"a": a.as_dict(), "b": b.as_dict()}}


def _figures(histogram: WeightHistogram, rows: RowFilter, options: CompareOptions) -> dict[str, Any]:
    """Figures of all pairs, and the Jaccard index at each threshold."""
    thresholds = options.thresholds or (rows.threshold or 1,)
    strong = [_above(histogram, limit, options) for limit in thresholds]
    jaccard = {str(limit): left.figures()["jaccard"] for limit, left in zip(thresholds, strong, strict=True)}
    return {**histogram.figures(), "jaccard_at": jaccard}


def _sweep(engine: SqlEngine, histogram: WeightHistogram, options: CompareOptions) -> Table:
    """Figures at each threshold."""
    return sweep_table(
        [{"threshold": limit, **_above(histogram, limit, options).figures()} for limit in options.thresholds]
    )


def _above(histogram: WeightHistogram, threshold: int, options: CompareOptions) -> WeightHistogram:
    """What reaches a threshold, which counts synapses: weights that are others are those of its only one."""
    return histogram if options.weighing.column is not None else histogram.above(threshold)


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


def _version_sentence(figures: Mapping[str, Any]) -> str:
    """The figures of versions in words."""
    moved = max(figures["moved_in"], figures["moved_out"])
    neurons = ", ".join(f"{figures[f'neurons_{c}']:,} {c}" for c in CHANGES if figures[f"neurons_{c}"])
    return (
        f"{figures['pairs']:,} pairs: {figures['same']:,} same; synapses: {figures['added']:,} added, "
        f"{figures['removed']:,} removed, {moved:,} moved; neurons: {neurons or 'none'}"
    )


def _sentence(figures: Mapping[str, Any]) -> str:
    """The figures of pairs in words."""
    parts = [f"{figures['pairs']:,} pairs: {figures['same']:,} same, {figures['changed']:,} changed"]
    parts += [f"{figures['only_a']:,} only in A, {figures['only_b']:,} only in B"]
    for name, words in (("spearman", "Spearman's rho"), ("jaccard", "Jaccard")):
        if figures[name] is not None:
            parts.append(f"{words} {figures[name]:.4f}")
    return ", ".join(parts)
