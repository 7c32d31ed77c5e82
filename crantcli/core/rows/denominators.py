"""What fractions are of: all input or all output of a neuron, from the source or from a file of totals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Completeness, Relation, Totals
from crantcli.errors import DataError, UsageError
from crantcli.text import P

Side = Literal["input", "output"]

#: A file tells the totals of no more neurons, since whoever opens it reads them all.
MOST_TOLD = 50_000

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
    if totals is not None:
        _check_completeness(engine, ids, totals.completeness, side, P.totals, notes)
        return _from_file(engine, table, totals.relation, kept, ids, side, P.totals)
    told = table.totals.get(side, {})
    if _lacking(engine, ids, table.completeness, side, "") and _tells(engine, table, side, ids):
        relative = "" if table.completeness.known else ", if that was whole"
        notes.append(f"fractions are of all {side} in the table that the input was made of, as it tells{relative}")
        return _from_file(engine, table, _as_table(engine, told, side), kept, ids, side, "the provenance of the input")
    check_whole(engine, table, side, ids, notes)
    return _from_pairs(engine, table, ids, pairs, ENDS[side])


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


def _tells(engine: SqlEngine, table: Relation, side: Side, ids: str) -> bool:
    """Whether a file tells the totals of all these neurons in the table that it was made of."""
    told = frozenset(table.totals.get(side, {}))
    return bool(told) and not uncovered(engine, ids, Completeness(told, told), side)


def lacking_totals(engine: SqlEngine, table: Relation, side: Side, ids: str, what: str) -> str:
    """Why a table alone cannot tell fractions of the input or output of some neurons, "" where it can.

    Parameters
    ----------
    ids : str
        A table `id` of the neurons.
    what : str
        What the table is called.
    """
    return "" if _tells(engine, table, side, ids) else _lacking(engine, ids, table.completeness, side, what)


def _check_completeness(
    engine: SqlEngine, ids: str, completeness: Completeness, side: Side, what: str, notes: list[str]
) -> None:
    """Refuse fractions of a whole that is known to be incomplete."""
    lacking = _lacking(engine, ids, completeness, side, what)
    if lacking:
        advice = f"give {P.totals.metavar('FILE')}, made by counts of the whole table with the same cleaning and size"
        raise DataError(f"fractions of {side} cannot be told: {lacking}; {advice}")
    if not completeness.known:
        notes.append(f"fractions take {what} to hold every {side} of the neurons; its origin is not recorded")


def _lacking(engine: SqlEngine, ids: str, completeness: Completeness, side: Side, what: str) -> str:
    """Why not all input or output of some neurons is there, "" where it is."""
    if completeness.filtered_by:
        return f"{what} was thinned by {completeness.filtered_by}"
    missing = uncovered(engine, ids, completeness, side)
    return f"{what} does not hold every {side} of {missing}" if missing else ""


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


def _as_table(engine: SqlEngine, told: Mapping[str, float], side: Side) -> str:
    """A table `id` (text) and the side."""
    import numpy as np

    return engine.columns_table("told_totals", {"id": np.array(list(told)), side: np.array(list(told.values()))})


def told_totals(engine: SqlEngine, table: Relation, found: Mapping[Side, str]) -> dict[str, Any]:
    """What a file of pairs of neurons tells of the whole of these, so that fractions can be made of it.

    Parameters
    ----------
    table : Relation
        What the pairs are of. What it tells is passed on.
    found : mapping of "input" and "output" to str
        Tables `id, whole` that were made on the way.

    Returns
    -------
    dict
        `totals` for the provenance; empty where there is nothing to tell, or of more than `MOST_TOLD` neurons.
    """
    told: dict[str, dict[str, float]] = {side: dict(of) for side, of in table.totals.items()}
    for side, relation in found.items():
        rows = engine.execute(f"SELECT CAST(id AS VARCHAR), whole FROM {relation} WHERE whole IS NOT NULL ORDER BY id")
        told[side] = {**told.get(side, {}), **dict(rows)}
    told = {side: of for side, of in told.items() if 0 < len(of) <= MOST_TOLD}
    return {"totals": told} if told else {}


def _from_file(engine: SqlEngine, table: Relation, totals: str, kept: str, ids: str, side: Side, what: str) -> str:
    end = ENDS[side]
    whole = engine.table(
        "wholes",
        f"SELECT i.id, t.{side} AS whole FROM {ids} AS i LEFT JOIN "
        f"(SELECT TRY_CAST(id AS {table.id_type}) AS id, {side} FROM {totals}) AS t ON i.id = t.id",
    )
    missing = engine.execute(
        f"SELECT id FROM {whole} WHERE whole IS NULL AND id IN (SELECT {end} FROM {kept}) ORDER BY id LIMIT 1"
    )
    if missing:
        raise DataError(f"{what} has no row for neuron {missing[0][0]}; make it with counts of the whole table")
    # Sums of floats depend on the order in which they were added up.
    known = "w.whole" if table.whole_weights else "w.whole * (1 + CAST(1e-12 AS DOUBLE))"
    short = engine.execute(
        f"SELECT e.id, e.weight, w.whole FROM (SELECT {end} AS id, sum(abs(weight)) AS weight FROM {kept} "
        f"GROUP BY {end}) AS e JOIN {whole} AS w ON e.id = w.id WHERE e.weight > {known} ORDER BY e.id LIMIT 1"
    )
    if short:
        neuron, weight, told = short[0]
        raise DataError(
            f"{what} gives neuron {neuron} {told} synapses of {side}, and the input alone has {weight}; "
            "they do not belong together"
        )
    return whole
