"""Networks whose neurons are not the same, compared group by group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crantcli.core.compare.comparison import CompareOptions, Comparison, sweep_table
from crantcli.core.compare.groups import (
    GroupTests,
    group_figures,
    group_query,
    group_table,
    group_tests,
    labelled_side,
    missing_labels,
)
from crantcli.core.compare.histogram import weight_histogram
from crantcli.core.compare.picture import ComparisonPicture, largest_changes
from crantcli.core.compare.sides import one_table, two_tables
from crantcli.core.engine import SqlEngine
from crantcli.core.question import Table
from crantcli.core.questions.base import Inputs
from crantcli.core.rows.labels import label_columns


def groups_of_sides(engine: SqlEngine, given: Inputs, options: CompareOptions) -> Comparison:
    """Groups of two tables, or of two sides of one."""
    if given.other is None:
        sides, _ = one_table(engine, given, options.sum_duplicates, options.largest_component, None)
    else:
        sides = two_tables(engine, given, options.sum_duplicates, options.by)
    limits = options.thresholds or (given.rows.threshold or 1,)
    notes = sides.notes
    a, b = (
        labelled_side(engine, side, options.by, limits, ledger, notes)
        for side, ledger in zip((sides.a, sides.b), sides.ledgers, strict=True)
    )
    notes += missing_labels(engine, a, b, options.by)
    groups = group_table(engine, a, b, options.by, limits, options.complete)
    tests: list[GroupTests] = []
    if options.test is not None:
        tests = [group_tests(engine, groups, a, b, options.test, place) for place in range(len(limits))]
    rows = [
        {**group_figures(engine, groups, a, b, place), **(tests[place].figures if tests else {})}
        for place in range(len(limits))
    ]
    names = label_columns(given.annotations, options.by) if options.by else ()
    query, columns = group_query(engine, groups, names, tests[0] if tests else None)
    number = int(engine.execute(f"SELECT count(*) FROM {groups}")[0][0])
    ledger = sides.ledgers[0] if sides.ledgers[0] is sides.ledgers[1] else sides.ledgers[0] + sides.ledgers[1]
    facts = {}
    if given.other is not None:
        facts["ledgers"] = {name: each.as_dict() for name, each in zip("ab", sides.ledgers, strict=True)}
    sweep = sweep_table([{"threshold": limit, **row} for limit, row in zip(limits, rows, strict=True)])
    table, told, ends = Table(query, columns, number), _sentence(rows[0]), len(options.by)

    def picture() -> ComparisonPicture:
        changes = largest_changes(engine, table, ends, ends, ("weight_a", "weight_b"))
        return ComparisonPicture(
            weight_histogram(engine, f"(SELECT * FROM {groups} WHERE weight_a <> 0 OR weight_b <> 0)"),
            changes,
            "pairs of groups",
            told,
        )

    return Comparison(table, "pairs of groups", ledger, rows[0], told, picture, notes, facts, {"sweep": sweep})


def _sentence(figures: Mapping[str, Any]) -> str:
    """The figures of groups in words."""
    density = [figures[f"density_{side}"] for side in "ab"]
    parts = [f"{figures['edges_a']:,} and {figures['edges_b']:,} edges"]
    if None not in density:
        parts.append(f"densities {density[0]:.6g} and {density[1]:.6g}")
    if "tested" in figures:
        if figures["p_density"] is not None:
            parts[-1] += f" (p {figures['p_density']:.4g})"
        for many, p, what in (
            ("significant", "p_groups", ""),
            ("significant_adjusted", "p_adjusted", "adjusted for density: "),
        ):
            told = "" if figures[p] is None else f", combined p {figures[p]:.4g}"
            parts.append(f"{what}{figures[many]:,} of {figures['tested']:,} pairs of groups differ{told}")
    return "; ".join(parts)
