"""Pairs of neurons, and edges: the rows of any kind of table, added up per pair."""

from __future__ import annotations

from dataclasses import dataclass

from crantcli.core import sql
from crantcli.core.engine import PairRules, SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import RowFilter, SelectedRows, count_steps, prepare
from crantcli.core.rows.steps import KEPT, cascade
from crantcli.core.sql import id_literal, quote
from crantcli.errors import DataError
from crantcli.schema import Kind, NeuronId
from crantcli.text import P, join_names, plural


@dataclass(frozen=True)
class Edges:
    """Pairs of neurons with their weights, before and after the threshold.

    Attributes
    ----------
    relation : str
        `pre, post, weight`, with the columns by which they are split, and beside sums of values with `n` (synapses)
        and `valued` (those that have a value): what is kept.
    pairs : str
        The pairs before the threshold, as `synapse_pairs` describes them. Where `edges` was told that these are not
        needed, they may be those that are kept.
    """

    relation: str
    pairs: str
    ledger: Ledger
    notes: tuple[str, ...] = ()


#: Columns by which pairs are split may not be called as what is made of pairs on the way to an answer.
_MADE = frozenset(
    {"a", "b", "dropped", "edges", "fraction", "id", "mean", "n", "p", "p_in", "pair", "possible", "post",
     "post_neurons", "pre", "pre_neurons", "probability", "s", "s_in", "sign", "strong", "total", "v", "v_in",
     "value", "valued", "weight", "whole"}
)  # fmt: skip


def _refuse_made_names(split: tuple[str, ...]) -> None:
    """Refuse columns whose names would be taken for others.

    Raises
    ------
    DataError
    """
    taken = [name for name in split if name.lower() in _MADE]
    if taken:
        raise DataError(
            f"{P.by(taken[0])}: the table's column {taken[0]} has the name of a figure that is made here; rename it"
        )


def edges(
    engine: SqlEngine,
    table: Relation,
    condition: str | None,
    rows: RowFilter,
    *,
    split: tuple[str, ...] = (),
    sum_duplicates: bool = False,
    values: bool = False,
    outside: str = "FALSE",
    weak: bool = True,
) -> Edges:
    """Aggregate the rows of any kind of table to edges.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
    condition : str or None
        Which rows are selected; None for all.
    rows : RowFilter
    split : tuple of str
        Further columns of the table, such as `neuropil`, for one edge per pair and their values. The threshold still
        counts the whole pair.
    sum_duplicates : bool
        Add up edge rows that repeat a pair within one neuropil, instead of refusing them.
    values : bool
        Weights are the sums of the column `value`. The threshold still counts synapses.
    outside : str
        A condition on `pre` and `post` that holds for pairs whose rows count as unselected. They stay among the edges.
    weak : bool
        Pairs below the threshold are asked for, too.
    """
    rows.check(table)
    _refuse_made_names(split)
    notes: list[str] = []
    stored = None
    if table.kind is Kind.SYNAPSES and not (split or values) and condition is None and table.within is None:
        prepared = SelectedRows(table, table.relation, table.ledger(), False)
        distinct = "id" in table.roles and not table.unique_ids
        stored = _stored_pairs(engine, prepared, rows, distinct, weak, outside)
    if stored is not None:
        pairs = stored
    elif table.kind is Kind.SYNAPSES:
        # Where copies of a synapse differ, the smallest one stays; so its size decides before its neuropil does, and
        # that before its value.
        copies = (split or values) and "id" in table.roles and not table.unique_ids
        sized = rows.min_size is not None or (copies and "size" in table.roles)
        needed = (*(["size"] if sized else []), *(table.having("neuropil") if copies else []), *split)
        prepared = prepare(engine, table, condition, (*needed, *(["value"] if values else [])))
        pairs = synapse_pairs(engine, prepared, rows, split, values=values, outside=outside)
    else:
        needed = ("weight", *table.having("neuropil"), *split, *(["value"] if values else []))
        prepared = prepare(engine, table, condition, needed)
        pairs = _edge_pairs(engine, prepared, rows, split, sum_duplicates, notes, values, outside)
    prepared.ledger.check()
    weight = "n, valued, coalesce(value, 0)" if values else "n"
    kept = f"SELECT {sql.columns(('pre', 'post', *split))}, {weight} AS weight FROM {pairs} WHERE NOT dropped"
    if split:
        kept = (
            f"SELECT {sql.columns(('pre', 'post', *split))}, {weight} AS weight FROM "
            f"(SELECT *, {pair_strength(split, table.whole_weights)} AS pair FROM {pairs} WHERE NOT dropped) "
            f"WHERE n <> 0 AND {rows.strong_sql('pair')}"
        )
    else:
        kept += f" AND {rows.strong_sql('n')}"
    return Edges(engine.view("edges", kept), pairs, prepared.ledger, tuple(notes))


def kept_condition(engine: SqlEngine, prepared: SelectedRows, rows: RowFilter) -> str:
    """Count the steps up to the threshold, and return the condition on `prepared.relation AS r` for rows that pass."""
    table, kept_where = prepared.table, "TRUE"
    if rows.threshold is not None and rows.threshold > 1:
        pairs = _stored_pairs(engine, prepared, rows, weak=False) or synapse_pairs(engine, prepared, rows)
        strong = engine.table("strong", f"SELECT pre, post FROM {pairs} WHERE {rows.strong_sql('n')} AND NOT dropped")
        kept_where = f"EXISTS (SELECT 1 FROM {strong} AS s WHERE s.pre = r.pre AND s.post = r.post)"
    else:
        count_steps(engine, prepared, rows)
    prepared.ledger.check()
    return sql.all_of([cascade(rows.conditions(table.id_type))[KEPT], kept_where])


def synapse_pairs(
    engine: SqlEngine,
    prepared: SelectedRows,
    rows: RowFilter,
    split: tuple[str, ...] = (),
    *,
    values: bool = False,
    outside: str = "FALSE",
) -> str:
    """Count synapses per pair of neurons, and complete the ledger from the pairs.

    Parameters
    ----------
    values : bool
        Add up the column `value` of synapses that reach the size.
    outside : str
        A condition on `pre` and `post` that holds for pairs whose rows count as unselected. They stay among the pairs.

    Returns
    -------
    str
        A view `pre, post, n, total, dropped`, with `split` and `value` if asked for: synapses that reach the size,
        all synapses, and whether cleaning drops the pair. One pass over the rows makes both the result and the ledger.
    """
    keys = sql.columns(("pre", "post", *split))
    # Only what cannot be told from the rest is kept: a brain has tens of millions of pairs.
    numbers, total = "count(*) AS n", "n"
    if rows.min_size is not None:
        numbers, total = f"count(*) FILTER (NOT {rows.small_sql}) AS n, count(*) AS total", "total"
    if values:
        reaching = f"NOT {rows.small_sql}"
        numbers += f", {sql.total('value', 'value', prepared.table.whole_values, reaching)} AS value"
        numbers += f", count(value) FILTER ({reaching}) AS valued"
    counted = engine.count_pairs("counted", prepared.relation, keys, numbers)
    pairs = engine.view(
        "pairs",
        f"SELECT {keys}, n, {total} AS total, {'value, valued, ' if values else ''}"
        f"{dropped_sql(prepared.table, rows)} AS dropped FROM {counted}",
    )
    count_pair_steps(engine, prepared, rows, pairs, outside, split)
    return pairs


def _stored_pairs(
    engine: SqlEngine,
    prepared: SelectedRows,
    rows: RowFilter,
    distinct: bool = False,
    weak: bool = True,
    outside: str = "FALSE",
) -> str | None:
    """The same as `synapse_pairs`, if the engine has a way of its own to count these rows; else None.

    Pairs that do not count are left out, unless rows of theirs may count as unselected.
    """
    everything = outside != "FALSE"
    if everything and rows.min_size is not None:
        return None
    rules = PairRules(
        clean=rows.clean and not everything,
        background=rows.background,
        min_size=rows.min_size,
        threshold=1 if weak or everything else rows.threshold or 1,
        distinct=distinct,
    )
    counted = engine.count_stored("counted", prepared.relation, rules)
    if counted is None:
        return None
    pairs = engine.view(
        "pairs",
        f"SELECT pre, post, n, n AS total, {dropped_sql(prepared.table, rows)} AS dropped FROM {counted.relation}",
    )
    for step, number in counted.removed.items():
        prepared.ledger.remove(step, number)
    count_pair_steps(engine, prepared, rows, pairs, outside)
    return pairs


def pair_strength(split: tuple[str, ...], whole: bool) -> str:
    """The number of synapses of a pair, or its weight, however it is split, from one row of `pairs`."""
    return sql.total_of_each("n", "pre, post", sql.columns(split), whole) if split else "n"


def count_pair_steps(
    engine: SqlEngine,
    prepared: SelectedRows,
    rows: RowFilter,
    pairs: str,
    outside: str = "FALSE",
    split: tuple[str, ...] = (),
) -> None:
    """Complete the ledger from pairs: of synapses, or of edge rows, which have no size and may be merged."""
    table, ledger = prepared.table, prepared.ledger
    # Rows of a pair that reach the size.
    reaching = "n" if table.kind is Kind.SYNAPSES else "total"
    cleaned = {**rows.cleaning(table.id_type), "unselected": outside}
    taken = cascade({**cleaned, "threshold": f"(NOT (n <> 0 AND {rows.strong_sql('pair')}))"})
    sums = {step: f"sum(total) FILTER ({condition})" for step, condition in taken.items()}
    sums["size"] = f"sum(total - {reaching}) FILTER ({cascade(cleaned)[KEPT]})"
    sums |= {step: f"sum({reaching}) FILTER ({taken[step]})" for step in ("threshold", KEPT)}
    sums["pairs"] = f"count(*) FILTER ({taken[KEPT]})"
    numbers = engine.execute(
        f"SELECT {', '.join(sums.values())} FROM "
        f"(SELECT *, {pair_strength(split, table.whole_weights)} AS pair FROM {pairs})"
    )[0]
    removed = {step: int(number or 0) for step, number in zip(sums, numbers, strict=True)}
    kept, kept_pairs = removed.pop(KEPT), removed.pop("pairs")
    for step, number in removed.items():
        ledger.remove(step, number)
    ledger.kept = kept
    if table.kind is not Kind.SYNAPSES:
        ledger.kept, ledger.merged = kept_pairs, kept - kept_pairs


def dropped_sql(table: Relation, rows: RowFilter) -> str:
    """A condition that holds for pairs that cleaning drops, and for those without a neuron."""
    return sql.any_of([condition for condition in rows.cleaning(table.id_type).values() if condition != "FALSE"])


def present_pairs(engine: SqlEngine, table: Relation, found: Edges, rows: RowFilter) -> str:
    """A view `pre, post` of the pairs that are there after cleaning, size and threshold.

    Beside those that have a weight, they are those whose weight is 0: a row of edges says that both neurons are known.
    """
    weighed = table.kind is Kind.SYNAPSES or bool(rows.filtered_by(table))
    strong = f" AND {rows.strong_sql('n')}" if weighed else ""
    return engine.view("present", f"SELECT pre, post FROM {found.pairs} WHERE NOT dropped{strong}")


def _edge_pairs(
    engine: SqlEngine,
    prepared: SelectedRows,
    rows: RowFilter,
    split: tuple[str, ...],
    sum_duplicates: bool,
    notes: list[str],
    values: bool,
    outside: str,
) -> str:
    """Make edge rows into pairs, shaped like the pairs of synapses, and complete the ledger in edge rows."""
    table = prepared.table
    wanted = ("pre", "post", *split)
    keys = sql.columns(dict.fromkeys((*wanted, *table.having("neuropil"))))
    value = f", {sql.total('value', 'value', table.whole_values)} AS value, {{}} AS valued" if values else ""
    weight = sql.total("weight", "weight", table.whole_weights)
    sums = f"{weight} AS n, count(*) AS total{value.format('count(value)')}"
    rows_per_key = engine.count_pairs("edge_rows", prepared.relation, keys, sums)
    if not sum_duplicates:
        refuse_repeated_pairs(engine, rows_per_key, table)
    grouped = rows_per_key
    if "neuropil" in table.roles and "neuropil" not in split:
        weight = sql.total("n", "neuropil, n", table.whole_weights)
        valued = value.format("CAST(sum(valued) AS BIGINT)")
        sums = f"{weight} AS n, CAST(sum(total) AS BIGINT) AS total{valued}"
        grouped = f"(SELECT {sql.columns(wanted)}, {sums} FROM {rows_per_key} GROUP BY {sql.columns(wanted)})"
    # What is a table already is not copied: a brain has tens of millions of pairs.
    keep = engine.view if grouped == rows_per_key else engine.table
    pairs = keep("pairs", f"SELECT *, {dropped_sql(table, rows)} AS dropped FROM {grouped}")
    count_pair_steps(engine, prepared, rows, pairs, outside, split)
    if prepared.ledger.merged:
        reason = "repeated rows of one pair"
        if "neuropil" in table.roles:
            found = engine.execute(
                f"SELECT DISTINCT neuropil FROM {rows_per_key} WHERE neuropil IS NOT NULL ORDER BY neuropil"
            )
            places = join_names([str(row[0]) for row in found])
            reason = f"rows of one pair in several neuropils, of which none may contain another: {places}"
        notes.append(f"{plural(prepared.ledger.merged, 'edge row', 'are')} added to another ({reason})")
    return pairs


def refuse_repeated_pairs(engine: SqlEngine, rows_per_key: str, table: Relation) -> None:
    """Refuse a table `pre, post, total` that has more than one row for a pair.

    Raises
    ------
    DataError
    """
    repeat = engine.execute(
        f"SELECT pre, post, total FROM {rows_per_key} "
        "WHERE total > 1 AND pre IS NOT NULL AND post IS NOT NULL ORDER BY 1, 2 LIMIT 1"
    )
    if repeat:
        pre, post, times = repeat[0]
        place = " in one neuropil" if "neuropil" in table.roles else ""
        raise DataError(
            f"the pair {table.pre_name} {pre}, {table.post_name} {post} stands in {times} rows{place}"
            f"{_difference(engine, table, pre, post)}; an edge table has one row per pair. Use "
            f"{P.sum_duplicates(True)} to add them up, or {P.kind('synapses')} if each row is one synapse"
        )


def _difference(engine: SqlEngine, table: Relation, pre: NeuronId, post: NeuronId) -> str:
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
            return (
                f", which differ in {column} ({', '.join(values)}; {P.where(f'{column} = {values[0]}')} takes one kind)"
            )
    return ""
