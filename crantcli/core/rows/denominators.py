"""What fractions are of: all input or all output of a neuron, from the source or from a file of totals."""

from __future__ import annotations

from typing import Literal

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Completeness, Relation, Totals
from crantcli.errors import DataError, UsageError
from crantcli.text import P

Side = Literal["input", "output"]

#: The end of a pair whose neuron's total it is.
ENDS: dict[Side, Literal["pre", "post"]] = {"input": "post", "output": "pre"}


def denominators(
    engine: SqlEngine,
    table: Relation,
    side: Side,
    ids: str,
    pairs: str,
    kept: str,
    totals: Totals | None,
    notes: list[str],
) -> str:
    """Totals of neurons, after cleaning and size and before the threshold.

    Parameters
    ----------
    ids : str
        A table `id` of the neurons.
    pairs : str
        Pairs before the threshold, with all rows of these neurons on this side.
    kept : str
        Pairs after the threshold, which a file of totals must account for.
    totals : Totals or None
        Totals from a file, instead of `pairs`.
    notes : list of str
        Gets what the user should be told.

    Returns
    -------
    str
        A table `id, whole`.

    Raises
    ------
    DataError
        Where the whole is known to be incomplete, or the file does not belong to the table.
    """
    if table.signed and totals is not None:
        raise UsageError(f"{P.totals} holds sums, and fractions of signed weights are of absolute ones; leave it out")
    if totals is None:
        check_whole(engine, table, side, ids, notes)
        return _from_pairs(engine, table, ids, pairs, ENDS[side])
    _check_completeness(engine, ids, totals.completeness, side, P.totals, notes)
    return _from_file(engine, table, totals, kept, ids, side)


def check_whole(engine: SqlEngine, table: Relation, side: Side, ids: str, notes: list[str]) -> None:
    """Refuse fractions of what is known not to be all input or output of neurons in the table.

    Parameters
    ----------
    ids : str
        A table `id` of the neurons.
    notes : list of str
        Gets what the user should be told.

    Raises
    ------
    DataError
    """
    if table.signed:
        notes.append("fractions of signed weights are of the total of absolute weights")
    _check_completeness(engine, ids, table.completeness, side, "the input", notes)


def _check_completeness(
    engine: SqlEngine, ids: str, completeness: Completeness, side: Side, what: str, notes: list[str]
) -> None:
    """Refuse fractions of a whole that is known to be incomplete."""
    advice = f"give {P.totals.metavar('FILE')}, made by counts of the whole table with the same cleaning and size"
    if completeness.filtered_by:
        raise DataError(
            f"fractions of {side} cannot be told: {what} was thinned by {completeness.filtered_by}; {advice}"
        )
    lacking = uncovered(engine, ids, completeness, side)
    if lacking:
        raise DataError(f"fractions of {side} cannot be told: {what} does not hold every {side} of {lacking}; {advice}")
    if not completeness.known:
        notes.append(f"fractions take {what} to hold every {side} of the neurons; its origin is not recorded")


def uncovered(engine: SqlEngine, ids: str, completeness: Completeness, side: Side) -> str:
    """Which neurons of a table `id` lack inputs, or outputs, in words; "" where all have theirs."""
    if (completeness.inputs if side == "input" else completeness.outputs) is None:
        return ""
    neurons = [row[0] for row in engine.execute(f"SELECT id FROM {ids} ORDER BY id")]
    missing = [neuron for neuron in neurons if not completeness.covers(side, neuron)]
    return f"{len(missing):,} of {len(neurons):,} neurons, such as {missing[0]}" if missing else ""


def _from_pairs(engine: SqlEngine, table: Relation, ids: str, pairs: str, end: str) -> str:
    weight = "abs(n)" if table.signed else "n"
    total = f"sum({weight})" if table.whole_weights else sql.ordered_sum(weight, "pre, post")
    return engine.table(
        "wholes",
        f"SELECT {end} AS id, {total} AS whole FROM {pairs} WHERE NOT dropped AND {end} IN (SELECT id FROM {ids}) "
        f"GROUP BY {end}",
    )


def _from_file(engine: SqlEngine, table: Relation, totals: Totals, kept: str, ids: str, side: Side) -> str:
    end = ENDS[side]
    whole = engine.table(
        "wholes",
        f"SELECT i.id, t.{side} AS whole FROM {ids} AS i LEFT JOIN "
        f"(SELECT TRY_CAST(id AS {table.id_type}) AS id, {side} FROM {totals.relation}) AS t ON i.id = t.id",
    )
    missing = engine.execute(
        f"SELECT id FROM {whole} WHERE whole IS NULL AND id IN (SELECT {end} FROM {kept}) ORDER BY id LIMIT 1"
    )
    if missing:
        raise DataError(f"{P.totals} has no row for neuron {missing[0][0]}; make it with counts of the whole table")
    short = engine.execute(
        f"SELECT e.id, e.weight, w.whole FROM (SELECT {end} AS id, sum(weight) AS weight FROM {kept} "
        f"GROUP BY {end}) AS e JOIN {whole} AS w ON e.id = w.id WHERE e.weight > w.whole ORDER BY e.id LIMIT 1"
    )
    if short:
        neuron, weight, known = short[0]
        raise DataError(
            f"{P.totals} gives neuron {neuron} {known} synapses of {side}, and the input alone has {weight}; "
            "they do not belong together"
        )
    return whole
