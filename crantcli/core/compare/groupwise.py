"""Networks whose neurons are not the same, compared group by group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crantcli.core.compare.columns import ComparedColumns, compared_columns
from crantcli.core.compare.comparison import CompareOptions, Comparison, filter_notes, filters_of, sweep_table
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
from crantcli.core.rows.groups import side_of
from crantcli.core.rows.labels import label_columns
from crantcli.errors import UsageError
from crantcli.text import P, join_names


def groups_of_sides(engine: SqlEngine, given: Inputs, options: CompareOptions) -> Comparison:
    """Groups of two tables, or of two sides of one."""
    notes: list[str] = []
    columns = _columns(given, options, notes)
    by, own = columns.labels, columns.own[0]
    if given.other is None:
        sides, _ = one_table(engine, given, options, columns)
    else:
        sides = two_tables(engine, given, options, columns)
        if not by:
            notes += filter_notes(given.source, given.other.table, filters_of(given.rows))
    limits = options.thresholds or (given.rows.threshold or 1,)
    notes += sides.notes
    a, b = (
        labelled_side(engine, side, by, limits, ledger, notes, len(own))
        for side, ledger in zip((sides.a, sides.b), sides.ledgers, strict=True)
    )
    notes += missing_labels(engine, a, b, by)
    groups = group_table(engine, a, b, by, limits, options.complete, len(own))
    tests: list[GroupTests] = []
    if options.test is not None:
        tests = [group_tests(engine, groups, a, b, options.test, place) for place in range(len(limits))]
    rows = [
        {**group_figures(engine, groups, a, b, place), **(tests[place].figures if tests else {})}
        for place in range(len(limits))
    ]
    names = label_columns(given.annotations, by) if by else ()
    query, told_columns = group_query(
        engine, groups, names, tests[0] if tests else None, own, a.side.named, options.weighing.column is None
    )
    number = int(engine.execute(f"SELECT count(*) FROM {groups}")[0][0])
    ledger = sides.ledgers[0] if sides.ledgers[0] is sides.ledgers[1] else sides.ledgers[0] + sides.ledgers[1]
    facts = {}
    if given.other is not None:
        facts["ledgers"] = {name: each.as_dict() for name, each in zip("ab", sides.ledgers, strict=True)}
    sweep = sweep_table([{"threshold": limit, **row} for limit, row in zip(limits, rows, strict=True)])
    table, told, ends = Table(query, told_columns, number), _sentence(rows[0]), len(by)

    def picture() -> ComparisonPicture:
        # A neuropil, which is of neither side, stands behind both names.
        of_sides = [[name for name in own if (side_of(name) == "pre") == first] for first in (True, False)]
        changes = largest_changes(engine, table, ends, ends, ("weight_a", "weight_b"), of_sides)
        return ComparisonPicture(
            weight_histogram(engine, f"(SELECT * FROM {groups} WHERE weight_a <> 0 OR weight_b <> 0)"),
            changes,
            "pairs of groups",
            told,
        )

    return Comparison(table, "pairs of groups", ledger, rows[0], told, picture, notes, facts, {"sweep": sweep})


def _columns(given: Inputs, options: CompareOptions, notes: list[str]) -> ComparedColumns:
    """The columns that groups are by.

    Raises
    ------
    UsageError
        Where what is asked for is about neurons, and the groups are of rows of the tables alone.
    """
    tables = [("the table" if given.other is None else "A", given.source, given.annotations)]
    if given.other is not None:
        tables.append(("B", given.other.table, given.other.annotations))
    columns = compared_columns(tables, options.by, notes)
    if given.other is not None and not columns.labels and (options.test or options.complete):
        which = P.test(options.test) if options.test else P.complete(True)
        raise UsageError(
            f"{which} is about neurons that could be connected, and {join_names(list(columns.own[0]))} is of the "
            "tables' rows; add a column of the annotations"
        )
    return columns


def _sentence(figures: Mapping[str, Any]) -> str:
    """The figures of groups in words."""
    density = [figures.get(f"density_{side}") for side in "ab"]
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
