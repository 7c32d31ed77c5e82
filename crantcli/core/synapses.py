"""Rows of synapses: those of the `synapses` command, in their order."""

from __future__ import annotations

from typing import NamedTuple

from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Relation, Result, Totals
from crantcli.core.rows.absent import absent_notes
from crantcli.core.rows.denominators import Side, told_totals
from crantcli.core.rows.edge_list import EdgeList
from crantcli.core.rows.filters import (
    NeuronFilter,
    RowFilter,
    SelectedRows,
    count_rows,
    no_null_ids,
    pair_completeness,
    prepare,
)
from crantcli.core.rows.pairs import Edges, kept_condition, synapse_pairs
from crantcli.core.rows.steps import KEPT, cascade
from crantcli.core.rows.weights import Weight
from crantcli.core.sql import all_of, quote
from crantcli.errors import DataError
from crantcli.schema import AXES
from crantcli.text import P, did_you_mean


class StrongInputs(NamedTuple):
    """Pairs that are at least a part of the post neuron's input: of that in the table, or in a file of totals."""

    least: float
    totals: Totals | None


def synapse_rows(
    engine: SqlEngine,
    table: Relation,
    wanted: NeuronFilter,
    rows: RowFilter,
    conversions: dict[str, str] | None = None,
    columns: tuple[str, ...] = (),
    strong: StrongInputs | None = None,
) -> Result:
    """The rows of the `synapses` command.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
        A synapse table.
    wanted : NeuronFilter
        `pre` and `post`, both of which must hold.
    rows : RowFilter
    conversions : dict of str to str, optional
        Column name -> expression that replaces it on the way out (positions in another unit).
    columns : tuple of str, optional
        Names of the columns that are wanted, in their order; a position's name stands for its three columns.
    strong : StrongInputs, optional
        Rows of such pairs only.

    Returns
    -------
    Result
        Columns as in the source, sorted by pre, post, id and then by all others.
    """
    rows.check(table)
    extra = (*table.having("size", "neuropil"), *table.carried)
    prepared = prepare(engine, table, _selecting(engine, table, wanted), extra)
    of_whole: list[str] = []
    denominators: dict[Side, str] = {}
    if strong is None:
        kept = kept_condition(engine, prepared, rows)
    else:
        kept = _strong_condition(engine, prepared, rows, wanted, strong, of_whole, denominators)
    ledger = prepared.ledger
    names = output_columns(table)
    shown = _chosen_columns(table, names, columns)
    chosen = [f"{(conversions or {}).get(inner, quote(inner))} AS {quote(outer)}" for inner, outer in shown.items()]
    unique = "id" in table.roles and no_null_ids(engine, prepared.relation)
    order = (
        ["pre", "post", "id"] if unique else ["pre", "post", *(name for name in names if name not in ("pre", "post"))]
    )
    query = f"SELECT {', '.join(chosen)} FROM {prepared.relation} AS r WHERE {kept}"
    if all(name in shown and name not in (conversions or {}) for name in order):
        query = engine.ordered(query, [shown[name] for name in order], ledger.kept)
    else:
        query += f" ORDER BY {', '.join('r.' + quote(name) for name in order)}"
    reasons = [thinned] if (thinned := rows.filtered_by(table)) else []
    reasons += [P.min_fraction(strong.least)] if strong is not None and strong.least else []
    completeness = pair_completeness(table, wanted, " and ".join(reasons))
    notes = of_whole + absent_notes(engine, table, wanted, prepared.relation, rows)
    facts = {"unique_ids": unique, **({} if completeness.whole else told_totals(engine, table, denominators))}
    return Result(query, tuple(shown.values()), ledger.kept, ledger, completeness, facts, notes)


def _strong_condition(
    engine: SqlEngine,
    prepared: SelectedRows,
    rows: RowFilter,
    wanted: NeuronFilter,
    strong: StrongInputs,
    notes: list[str],
    denominators: dict[Side, str],
) -> str:
    """As `kept_condition`, for rows of strong inputs. What these are told by goes to `denominators`."""
    table = prepared.table
    pairs = synapse_pairs(engine, prepared, rows)
    kept = engine.view(
        "edges", f"SELECT pre, post, n AS weight FROM {pairs} WHERE NOT dropped AND {rows.strong_sql('n')}"
    )
    found = Edges(kept, pairs, prepared.ledger)
    work = EdgeList(engine, table, found, (), Weight(), wanted, rows, None, strong.totals, False)
    work.keep_strong_inputs(strong.least)
    notes += work.notes
    denominators.update(work.denominators)
    prepared.ledger.check()
    there = engine.table("strong", f"SELECT pre, post FROM {work.relation}")
    passing = f"EXISTS (SELECT 1 FROM {there} AS s WHERE s.pre = r.pre AND s.post = r.post)"
    return all_of([cascade(rows.conditions(table.id_type))[KEPT], passing])


def _selecting(engine: SqlEngine, table: Relation, wanted: NeuronFilter) -> str | None:
    """The selection as a condition; None where it holds for all rows, as in a file that was made for these neurons.

    To copy such rows would take as long as to read them, and as much memory as they take. Only where the file says that
    it may be so is it worth a look at all IDs.
    """
    if wanted.everything:
        return None
    condition = wanted.condition(engine, table.id_type)
    covered = (table.completeness.outputs, table.completeness.inputs)
    asked = wanted.either or wanted.pre or wanted.post
    if asked is not None and any(covered) and all(side is not None and side <= asked.texts for side in covered):
        return None if count_rows(engine, f"{table.relation} WHERE {condition}") == table.rows else condition
    return condition


def output_columns(table: Relation) -> dict[str, str]:
    """Canonical column -> its name on the way out, in the order of a table of synapses or edges."""
    ends = dict(zip(("pre", "post"), table.written_names, strict=True))
    named = ("id", *ends, "weight", "size", "neuropil")
    return {name: ends.get(name, name) for name in (*table.having(*named), *table.carried)}


def _chosen_columns(table: Relation, names: dict[str, str], columns: tuple[str, ...]) -> dict[str, str]:
    """The wanted ones of the output columns, in the wanted order; all when none are named."""
    if not columns:
        return names
    outer = {**{inner: inner for inner in names if inner in ("pre", "post")}, **{o: i for i, o in names.items()}}
    found: dict[str, str] = {}
    for name in columns:
        parts = [f"{name}_{axis}" for axis in AXES] if name in table.positions else [name]
        for part in parts:
            if part not in outer:
                raise DataError(
                    f"{P.columns} {name}: the table has no such column ({did_you_mean(name, names.values())})"
                )
            found[outer[part]] = names[outer[part]]
    return found
