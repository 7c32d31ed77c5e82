"""Edges: the rows of any kind of table, added up per pair of neurons."""

from __future__ import annotations

from dataclasses import dataclass

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.sql import id_literal, quote
from crantcli.core.synapses import Prepared, RowFilter, pair_strength, prepare, synapse_pairs
from crantcli.core.table import Table
from crantcli.errors import DataError
from crantcli.schema import Kind, NeuronId, listed, number_of


@dataclass(frozen=True)
class Edges:
    """Pairs of neurons with their weights, before and after the threshold.

    Attributes
    ----------
    relation : str
        `pre, post, weight`, with `neuropil` where it was asked for, and with `n` (synapses) beside sums of values: what
        is kept.
    pairs : str
        The pairs before the threshold, as `synapses.synapse_pairs` describes them.
    """

    relation: str
    pairs: str
    ledger: Ledger
    notes: tuple[str, ...] = ()


def edges(
    engine: SqlEngine,
    table: Table,
    condition: str | None,
    rows: RowFilter,
    *,
    by_neuropil: bool = False,
    sum_duplicates: bool = False,
    values: bool = False,
    outside: str = "FALSE",
) -> Edges:
    """Aggregate the rows of any kind of table to edges.

    Parameters
    ----------
    engine : SqlEngine
    table : Table
    condition : str or None
        Which rows are selected; None for all.
    rows : RowFilter
    by_neuropil : bool
        One edge per pair and neuropil. The threshold still counts the whole pair.
    sum_duplicates : bool
        Add up edge rows that repeat a pair within one neuropil, instead of refusing them.
    values : bool
        Weights are the sums of the column `value`. The threshold still counts synapses.
    outside : str
        A condition on `pre` and `post` that holds for pairs whose rows count as unselected. They stay among the edges.
    """
    rows.check(table)
    if by_neuropil and "neuropil" not in table.roles:
        raise DataError("--by neuropil needs a column neuropil or roi, and this table has neither")
    notes: list[str] = []
    if table.kind is Kind.SYNAPSES:
        # Where copies of a synapse differ, the smallest one stays; so its size decides before its neuropil does, and
        # that before its value.
        copies = (by_neuropil or values) and "id" in table.roles and not table.unique_ids
        sized = rows.min_size is not None or (copies and "size" in table.roles)
        placed = by_neuropil or (copies and "neuropil" in table.roles)
        needed = (*(["size"] if sized else []), *(["neuropil"] if placed else []), *(["value"] if values else []))
        prepared = prepare(engine, table, condition, needed)
        pairs = synapse_pairs(engine, prepared, rows, by_neuropil, values=values, outside=outside)
    else:
        needed = ("weight", *table.having("neuropil"), *(["value"] if values else []))
        prepared = prepare(engine, table, condition, needed)
        pairs = _edge_pairs(engine, prepared, rows, by_neuropil, sum_duplicates, notes, values, outside)
    prepared.ledger.check()
    neuropil = "neuropil, " if by_neuropil else ""
    weight = "n, coalesce(value, 0)" if values else "n"
    kept = f"SELECT pre, post, {neuropil}{weight} AS weight FROM {pairs} WHERE NOT dropped"
    if by_neuropil:
        kept = (
            f"SELECT pre, post, neuropil, n AS weight FROM (SELECT *, {pair_strength(True)} AS pair "
            f"FROM {pairs} WHERE NOT dropped) WHERE n <> 0 AND {rows.strong_sql('pair')}"
        )
    else:
        kept += f" AND {rows.strong_sql('n')}"
    return Edges(engine.view("edges", kept), pairs, prepared.ledger, tuple(notes))


def present_pairs(engine: SqlEngine, table: Table, found: Edges, rows: RowFilter) -> str:
    """A view `pre, post` of the pairs that are there after cleaning, size and threshold.

    Beside those that have a weight, they are those whose weight is 0: a row of edges says that both neurons are known.
    """
    weighed = table.kind is Kind.SYNAPSES or bool(rows.thinned_by(table))
    strong = f" AND {rows.strong_sql('n')}" if weighed else ""
    return engine.view("present", f"SELECT pre, post FROM {found.pairs} WHERE NOT dropped{strong}")


def _edge_pairs(
    engine: SqlEngine,
    prepared: Prepared,
    rows: RowFilter,
    by_neuropil: bool,
    sum_duplicates: bool,
    notes: list[str],
    values: bool,
    outside: str,
) -> str:
    """Make edge rows into pairs, shaped like the pairs of synapses, and complete the ledger in edge rows."""
    table = prepared.table
    keys = ", ".join(("pre", "post", *table.having("neuropil")))
    value = f", {sql.total('value', 'value', table.whole_values)} AS value" if values else ""
    weight = sql.total("weight", "weight", table.whole_weights)
    rows_per_key = engine.count_pairs("edge_rows", prepared.relation, keys, f"{weight} AS n, count(*) AS total{value}")
    if not sum_duplicates:
        _refuse_repeats(engine, rows_per_key, table)
    dropped = f"(pre IS NULL OR post IS NULL OR {rows.background_sql(table.id_type)} OR {rows.autapse_sql})"
    grouped = rows_per_key
    if "neuropil" in table.roles and not by_neuropil:
        weight = sql.total("n", "neuropil, n", table.whole_weights)
        sums = f"{weight} AS n, CAST(sum(total) AS BIGINT) AS total{value}"
        grouped = f"(SELECT pre, post, {sums} FROM {rows_per_key} GROUP BY pre, post)"
    pairs = engine.table("pairs", f"SELECT *, {dropped} AS dropped FROM {grouped}")
    _count_edge_rows(engine, prepared, rows, pairs, by_neuropil, outside)
    if prepared.ledger.merged:
        reason = "repeated rows of one pair"
        if "neuropil" in table.roles:
            found = engine.execute(
                f"SELECT DISTINCT neuropil FROM {rows_per_key} WHERE neuropil IS NOT NULL ORDER BY neuropil"
            )
            places = listed([str(row[0]) for row in found])
            reason = f"rows of one pair in several neuropils, of which none may contain another: {places}"
        notes.append(f"{number_of(prepared.ledger.merged, 'edge row', 'are')} added to another ({reason})")
    return pairs


def _refuse_repeats(engine: SqlEngine, rows_per_key: str, table: Table) -> None:
    repeat = engine.execute(
        f"SELECT pre, post, total FROM {rows_per_key} "
        "WHERE total > 1 AND pre IS NOT NULL AND post IS NOT NULL ORDER BY 1, 2 LIMIT 1"
    )
    if repeat:
        pre, post, times = repeat[0]
        place = " in one neuropil" if "neuropil" in table.roles else ""
        raise DataError(
            f"the pair {table.pre_name} {pre}, {table.post_name} {post} stands in {times} rows{place}"
            f"{_difference(engine, table, pre, post)}; an edge table has one row per pair. Use --sum-duplicates to add "
            "them up, or --kind synapses if each row is one synapse"
        )


def _difference(engine: SqlEngine, table: Table, pre: NeuronId, post: NeuronId) -> str:
    """What the rows of one pair differ in beside their weight, for a message, and how to take one kind of them."""
    if table.whole_rows is None:
        return ""
    columns = [name for name, _ in engine.columns(f"SELECT * FROM {table.whole_rows}") if name not in ("pre", "post")]
    where = f"pre = {id_literal(pre, table.id_type)} AND post = {id_literal(post, table.id_type)}"
    for column in columns:
        found = engine.execute(
            f"SELECT DISTINCT {quote(column)} FROM {table.whole_rows} WHERE {where} AND {quote(column)} IS NOT NULL "
            "ORDER BY 1 LIMIT 3"
        )
        if len(found) > 1:
            values = [str(row[0]) for row in found]
            return f", which differ in {column} ({', '.join(values)}; --where '{column} = {values[0]}' takes one kind)"
    return ""


def _count_edge_rows(
    engine: SqlEngine, prepared: Prepared, rows: RowFilter, pairs: str, by_neuropil: bool, outside: str
) -> None:
    background = rows.background_sql(prepared.table.id_type)
    null = "(pre IS NULL OR post IS NULL)"
    inside = f"NOT {null} AND NOT ({outside})"
    kept = f"{inside} AND NOT dropped AND n <> 0 AND {rows.strong_sql('pair')}"
    null_n, outside_n, background_n, autapse_n, weak_n, kept_n, kept_rows = engine.execute(
        f"SELECT sum(total) FILTER ({null}), sum(total) FILTER (NOT {null} AND ({outside})), "
        f"sum(total) FILTER ({inside} AND {background}), "
        f"sum(total) FILTER ({inside} AND NOT {background} AND {rows.autapse_sql}), "
        f"sum(total) FILTER ({inside} AND NOT dropped AND NOT (n <> 0 AND {rows.strong_sql('pair')})), "
        f"count(*) FILTER ({kept}), sum(total) FILTER ({kept}) "
        f"FROM (SELECT *, {pair_strength(by_neuropil)} AS pair FROM {pairs})"
    )[0]
    ledger = prepared.ledger
    counted = {
        "null": null_n,
        "unselected": outside_n,
        "background": background_n,
        "autapse": autapse_n,
        "threshold": weak_n,
    }
    for step, number in counted.items():
        ledger.remove(step, number)
    ledger.kept = int(kept_n)
    ledger.merged = int(kept_rows or 0) - ledger.kept
