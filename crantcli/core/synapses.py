"""Which rows count: selection, repeated synapses, cleaning, size, threshold. And the `synapses` command's rows.

The way of a row: source view -> picked (selected rows) -> distinct (each synapse once) -> pairs (rows per pair of
neurons) -> kept. The ledger is counted on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

from crantcli.core import sql
from crantcli.core.absent import absent_notes
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.repeats import each_once
from crantcli.core.sql import quote
from crantcli.core.table import Coverage, Result, Table
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.schema import AXES, IdType, NeuronId, near


@dataclass(frozen=True)
class RowFilter:
    """Which synapses count, after the neurons have been selected.

    Attributes
    ----------
    clean : bool
        Drop autapses and rows with a background ID.
    background : tuple of int
        IDs that stand for no neuron.
    min_size : int or None
        Keep synapses of at least this size.
    threshold : int or None
        Keep pairs of neurons with at least this many synapses, or this weight, counted after cleaning and `min_size`.
        None keeps every pair that has a weight.
    """

    clean: bool = True
    background: tuple[int, ...] = (0,)
    min_size: int | None = None
    threshold: int | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and self.threshold < 1:
            raise UsageError(f"threshold {self.threshold}: a pair needs at least 1 synapse to be kept")
        if self.min_size is not None and self.min_size < 0:
            raise UsageError(f"min-size {self.min_size}: a size is not negative")

    def check(self, table: Table) -> None:
        """Refuse `min_size` where there are no sizes."""
        if self.min_size is not None and "size" not in table.roles:
            raise DataError(
                "--min-size needs a size column, and this table has none; leave the option out, or use a table "
                "with one row per synapse and a column size"
            )

    def background_sql(self, id_type: IdType) -> str:
        """A condition that holds for rows with a background ID on either side, where these are dropped."""
        if not self.clean or not self.background:
            return "FALSE"
        return f"({self.is_background('pre', id_type)} OR {self.is_background('post', id_type)})"

    def is_background(self, column: str, id_type: IdType) -> str:
        """A condition that holds where a column has an ID that stands for no neuron."""
        ids = ", ".join(sql.id_literal(neuron, id_type) for neuron in self.background)
        return f"({column} IN ({ids}))" if ids else "FALSE"

    def strong_sql(self, weight: str) -> str:
        """A condition that holds for the weight of a pair that is kept."""
        return f"({weight} <> 0)" if self.threshold is None else f"({weight} >= {self.threshold})"

    def thinned_by(self, table: Table) -> str:
        """Why totals are short after this filter, or "": 1 thins out nothing but fractions and negative weights."""
        limit = self.threshold or 0
        return f"a threshold of {limit}" if limit > (1 if table.whole_weights and not table.signed else 0) else ""

    @property
    def autapse_sql(self) -> str:
        """A condition that holds for synapses of a neuron with itself."""
        return "(pre = post)" if self.clean else "FALSE"

    @property
    def small_sql(self) -> str:
        """A condition that holds for synapses below the size; a synapse of unknown size is not known to reach it."""
        return f"(coalesce(size, -1) < {self.min_size})" if self.min_size is not None else "FALSE"


@dataclass(frozen=True)
class Wanted:
    """Neurons that rows are selected by; None where a side was not asked for.

    `either` selects rows with one of these neurons on whichever side; `pre` and `post` must both hold.
    """

    pre: Selection | None = None
    post: Selection | None = None
    either: Selection | None = None

    @property
    def everything(self) -> bool:
        """No selection at all."""
        return self.pre is None and self.post is None and self.either is None

    def condition(self, engine: SqlEngine, id_type: IdType) -> str:
        """The selection as a condition on `pre` and `post`."""
        parts = [
            member(engine, side, selection.ids, id_type)
            for side, selection in (("pre", self.pre), ("post", self.post))
            if selection is not None
        ]
        if self.either is not None:
            both = [member(engine, side, self.either.ids, id_type) for side in ("pre", "post")]
            parts.append(sql.any_of(both))
        return sql.all_of(parts)


def member(engine: SqlEngine, column: str, ids: tuple[NeuronId, ...], id_type: IdType) -> str:
    """A condition that holds where a column has one of the IDs."""
    if len(ids) <= sql.INLINE_IDS:
        listed = ", ".join(sql.id_literal(neuron, id_type) for neuron in ids)
        return f"{column} IN ({listed})" if listed else "FALSE"
    return f"{column} IN (SELECT id FROM {engine.id_table('selected', ids, id_type)})"


@dataclass(frozen=True)
class Prepared:
    """Selected rows, each synapse once, with the ledger so far."""

    table: Table
    relation: str
    ledger: Ledger
    selected: bool


def prepare(engine: SqlEngine, table: Table, condition: str | None, columns: tuple[str, ...]) -> Prepared:
    """Select rows and make each synapse count once.

    Parameters
    ----------
    engine : SqlEngine
    table : Table
        The opened source.
    condition : str or None
        Which rows are selected; None for all.
    columns : tuple of str
        Columns that are needed further on, besides `pre`, `post` and `id`.

    Returns
    -------
    Prepared
        Null IDs are out of it only where there was a selection; else they are left for the pairs to count.

    Notes
    -----
    With a selection, repeated rows are looked for among the selected rows only: rows that are equal in pre and post are
    all selected or all not, so the result is the same, and a sorted file need not be read as a whole. Repeated rows
    of other neurons are counted as unselected.
    """
    ledger = table.ledger()
    needed = tuple(dict.fromkeys(("pre", "post", *table.having("id"), *columns)))
    relation = table.relation
    if table.within is not None:
        condition = table.within if condition is None else f"{table.within} AND ({condition})"
    if condition is not None:
        relation = engine.table(
            "picked",
            f"SELECT {sql.columns(needed)} FROM {relation} WHERE {condition} AND pre IS NOT NULL AND post IS NOT NULL",
        )
        nulls = table.null_rows
        if nulls is None:
            nulls = _count(engine, f"{table.relation} WHERE pre IS NULL OR post IS NULL")
        ledger.remove("null", nulls)
        ledger.remove("unselected", table.rows - nulls - _count(engine, relation))
    if "id" in table.roles and not table.unique_ids:
        relation, repeats = each_once(engine, relation, needed, table)
        ledger.remove("duplicate", repeats)
    return Prepared(table, relation, ledger, condition is not None)


def _count(engine: SqlEngine, relation: str) -> int:
    return int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])


def synapse_rows(
    engine: SqlEngine,
    table: Table,
    wanted: Wanted,
    rows: RowFilter,
    conversions: dict[str, str] | None = None,
    columns: tuple[str, ...] = (),
) -> Result:
    """The rows of the `synapses` command.

    Parameters
    ----------
    engine : SqlEngine
    table : Table
        A synapse table.
    wanted : Wanted
        `pre` and `post`, both of which must hold.
    rows : RowFilter
    conversions : dict of str to str, optional
        Column name -> expression that replaces it on the way out (positions in another unit).
    columns : tuple of str, optional
        Names of the columns that are wanted, in their order; a position's name stands for its three columns.

    Returns
    -------
    Result
        Columns as in the source, sorted by pre, post, id and then by all others.
    """
    rows.check(table)
    extra = (*table.having("size", "neuropil"), *table.carried)
    prepared = prepare(engine, table, _selecting(engine, table, wanted), extra)
    kept = kept_condition(engine, prepared, rows)
    ledger = prepared.ledger
    names = output_columns(table)
    shown = _chosen_columns(table, names, columns)
    chosen = [f"{(conversions or {}).get(inner, quote(inner))} AS {quote(outer)}" for inner, outer in shown.items()]
    unique = "id" in table.roles and no_null_ids(engine, prepared.relation)
    order = (
        ["pre", "post", "id"] if unique else ["pre", "post", *(name for name in names if name not in ("pre", "post"))]
    )
    query = (
        f"SELECT {', '.join(chosen)} FROM {prepared.relation} AS r WHERE {kept} "
        f"ORDER BY {', '.join('r.' + quote(name) for name in order)}"
    )
    thinned = rows.thinned_by(table)
    coverage = pair_coverage(table, wanted, thinned)
    notes = absent_notes(engine, table, wanted, prepared.relation, rows)
    return Result(query, tuple(shown.values()), ledger.kept, ledger, coverage, {"unique_ids": unique}, notes)


def _selecting(engine: SqlEngine, table: Table, wanted: Wanted) -> str | None:
    """The selection as a condition; None where it holds for all rows, as in a file that was made for these neurons.

    To copy such rows would take as long as to read them, and as much memory as they take. Only where the file says that
    it may be so is it worth a look at all IDs.
    """
    if wanted.everything:
        return None
    condition = wanted.condition(engine, table.id_type)
    covered = (table.coverage.outputs, table.coverage.inputs)
    asked = wanted.either or wanted.pre or wanted.post
    if asked is not None and any(covered) and all(side is not None and side <= asked.texts for side in covered):
        return None if _count(engine, f"{table.relation} WHERE {condition}") == table.rows else condition
    return condition


def kept_condition(engine: SqlEngine, prepared: Prepared, rows: RowFilter) -> str:
    """Count the steps up to the threshold, and return the condition on `prepared.relation AS r` for rows that pass."""
    table, kept_where = prepared.table, "TRUE"
    if rows.threshold is not None and rows.threshold > 1:
        pairs = synapse_pairs(engine, prepared, rows)
        strong = engine.table("strong", f"SELECT pre, post FROM {pairs} WHERE {rows.strong_sql('n')} AND NOT dropped")
        kept_where = f"EXISTS (SELECT 1 FROM {strong} AS s WHERE s.pre = r.pre AND s.post = r.post)"
    else:
        count_steps(engine, prepared, rows)
    prepared.ledger.check()
    dropped = [rows.background_sql(table.id_type), rows.autapse_sql, rows.small_sql]
    conditions = ["pre IS NOT NULL", "post IS NOT NULL", *(f"NOT {d}" for d in dropped if d != "FALSE"), kept_where]
    return sql.all_of(conditions)


def no_null_ids(engine: SqlEngine, relation: str) -> bool:
    """Whether every row has a synapse id."""
    return _count(engine, f"{relation} WHERE id IS NULL") == 0


def output_columns(table: Table) -> dict[str, str]:
    """Canonical column -> its name on the way out, in the order of a synapse table."""
    ends = dict(zip(("pre", "post"), table.written_names, strict=True))
    named = ("id", *ends, "size", "neuropil")
    return {name: ends.get(name, name) for name in (*table.having(*named), *table.carried)}


def _chosen_columns(table: Table, names: dict[str, str], columns: tuple[str, ...]) -> dict[str, str]:
    """The wanted ones of the output columns, in the wanted order; all when none are named."""
    if not columns:
        return names
    outer = {**{inner: inner for inner in names if inner in ("pre", "post")}, **{o: i for i, o in names.items()}}
    found: dict[str, str] = {}
    for name in columns:
        parts = [f"{name}_{axis}" for axis in AXES] if name in table.positions else [name]
        for part in parts:
            if part not in outer:
                raise DataError(f"--columns {name}: the table has no such column ({near(name, names.values())})")
            found[outer[part]] = names[outer[part]]
    return found


def position_columns(table: Table) -> list[tuple[str, int]]:
    """Coordinate columns of the table's positions, with the number of their axis."""
    return [(column, number) for name in table.positions for number, column in enumerate(table.axes(name))]


def pair_coverage(table: Table, wanted: Wanted, thinned: str = "") -> Coverage:
    """What is complete after a selection of pre and post neurons that must both hold."""
    pre, post = wanted.pre, wanted.post
    outputs = frozenset[str]() if post is not None else pre.texts if pre is not None else None
    inputs = frozenset[str]() if pre is not None else post.texts if post is not None else None
    return table.coverage.narrowed(inputs, outputs, thinned)


def count_steps(engine: SqlEngine, prepared: Prepared, rows: RowFilter) -> None:
    """Count the ledger's steps row by row, for a result that needs no pairs."""
    background = rows.background_sql(prepared.table.id_type)
    null = "(pre IS NULL OR post IS NULL)"
    steps = {
        "null": null,
        "background": f"(NOT {null} AND {background})",
        "autapse": f"(NOT {null} AND NOT {background} AND {rows.autapse_sql})",
        "size": f"(NOT {null} AND NOT {background} AND NOT {rows.autapse_sql} AND {rows.small_sql})",
    }
    counted = ", ".join(f"count(*) FILTER ({condition})" for condition in steps.values())
    kept = f"count(*) FILTER (NOT {null} AND NOT {background} AND NOT {rows.autapse_sql} AND NOT {rows.small_sql})"
    *removed, total = engine.execute(f"SELECT {counted}, {kept} FROM {prepared.relation}")[0]
    for step, number in zip(steps, removed, strict=True):
        prepared.ledger.remove(step, number)
    prepared.ledger.kept = int(total)


def synapse_pairs(
    engine: SqlEngine,
    prepared: Prepared,
    rows: RowFilter,
    by_neuropil: bool = False,
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
        A view `pre, post, n, total, dropped`, with `neuropil` and `value` if asked for: synapses that reach the size,
        all synapses, and whether cleaning drops the pair. One pass over the rows makes both the result and the ledger.
    """
    keys = "pre, post, neuropil" if by_neuropil else "pre, post"
    # Only what cannot be told from the rest is kept: a brain has tens of millions of pairs.
    numbers, total = "count(*) AS n", "n"
    if rows.min_size is not None:
        numbers, total = f"count(*) FILTER (NOT {rows.small_sql}) AS n, count(*) AS total", "total"
    if values:
        reaching = f"NOT {rows.small_sql}"
        numbers += f", {sql.total('value', 'value', prepared.table.whole_values, reaching)} AS value"
    counted = engine.count_pairs("counted", prepared.relation, keys, numbers)
    background = rows.background_sql(prepared.table.id_type)
    pairs = engine.view(
        "pairs",
        f"SELECT {keys}, n, {total} AS total, {'value, ' if values else ''}"
        f"(pre IS NULL OR post IS NULL OR {background} OR {rows.autapse_sql}) AS dropped FROM {counted}",
    )
    count_pairs(engine, prepared, rows, pairs, by_neuropil, outside)
    return pairs


def pair_strength(by_neuropil: bool) -> str:
    """The number of synapses of a pair, over all neuropils, from one row of `pairs`."""
    return "sum(n) OVER (PARTITION BY pre, post)" if by_neuropil else "n"


def count_pairs(
    engine: SqlEngine, prepared: Prepared, rows: RowFilter, pairs: str, by_neuropil: bool, outside: str
) -> None:
    """Complete the ledger of synapses from their pairs."""
    background = rows.background_sql(prepared.table.id_type)
    weak = f"NOT {rows.strong_sql('pair')}"
    null = "(pre IS NULL OR post IS NULL)"
    inside = f"NOT {null} AND NOT ({outside})"
    null_n, outside_n, background_n, autapse_n, small_n, weak_n, kept = engine.execute(
        f"SELECT sum(total) FILTER ({null}), "
        f"sum(total) FILTER (NOT {null} AND ({outside})), "
        f"sum(total) FILTER ({inside} AND {background}), "
        f"sum(total) FILTER ({inside} AND NOT {background} AND {rows.autapse_sql}), "
        f"sum(total - n) FILTER ({inside} AND NOT dropped), "
        f"sum(n) FILTER ({inside} AND NOT dropped AND {weak}), "
        f"sum(n) FILTER ({inside} AND NOT dropped AND NOT {weak}) "
        f"FROM (SELECT *, {pair_strength(by_neuropil)} AS pair FROM {pairs})"
    )[0]
    ledger = prepared.ledger
    for step, number in (
        ("null", null_n),
        ("unselected", outside_n),
        ("background", background_n),
        ("autapse", autapse_n),
        ("size", small_n),
        ("threshold", weak_n),
    ):
        ledger.remove(step, number)
    ledger.kept = int(kept or 0)
