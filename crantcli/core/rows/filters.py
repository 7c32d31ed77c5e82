"""Which rows count: selection, repeated synapses, cleaning, size, threshold.

The way of a row: source view -> picked (selected rows) -> distinct (each synapse once) -> pairs (rows per pair of
neurons) -> kept. The ledger is counted on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.relation import Completeness, Relation
from crantcli.core.rows.deduplicate import deduplicate
from crantcli.core.rows.steps import NULL, cascade
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.schema import IdType, NeuronId
from crantcli.text import P


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

    def check(self, table: Relation) -> None:
        """Refuse `min_size` where there are no sizes."""
        if self.min_size is not None and "size" not in table.roles:
            raise DataError(
                f"{P.min_size} needs a size column, and this table has none; leave the option out, or use a table "
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

    def filtered_by(self, table: Relation) -> str:
        """Why totals are short after this filter, or "": 1 thins out nothing but fractions and negative weights."""
        limit = self.threshold or 0
        return f"a threshold of {limit}" if limit > (1 if table.whole_weights and not table.signed else 0) else ""

    def conditions(self, id_type: IdType) -> dict[str, str]:
        """Steps that look at a row alone -> the condition on which they remove it; "FALSE" where they do not."""
        return {**self.cleaning(id_type), "size": self.small_sql}

    def cleaning(self, id_type: IdType) -> dict[str, str]:
        """Those of these steps that look at its neurons only."""
        return {"null": NULL, "background": self.background_sql(id_type), "autapse": self.autapse_sql}

    @property
    def autapse_sql(self) -> str:
        """A condition that holds for synapses of a neuron with itself."""
        return "(pre = post)" if self.clean else "FALSE"

    @property
    def small_sql(self) -> str:
        """A condition that holds for synapses below the size; a synapse of unknown size is not known to reach it."""
        return f"(coalesce(size, -1) < {self.min_size})" if self.min_size is not None else "FALSE"


@dataclass(frozen=True)
class NeuronFilter:
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
class SelectedRows:
    """Selected rows, each synapse once, with the ledger so far."""

    table: Relation
    relation: str
    ledger: Ledger
    selected: bool


def prepare(engine: SqlEngine, table: Relation, condition: str | None, columns: tuple[str, ...]) -> SelectedRows:
    """Select rows and make each synapse count once.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
        The opened source.
    condition : str or None
        Which rows are selected; None for all.
    columns : tuple of str
        Columns that are needed further on, besides `pre`, `post` and `id`.

    Returns
    -------
    SelectedRows
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
            nulls = count_rows(engine, f"{table.relation} WHERE pre IS NULL OR post IS NULL")
        ledger.remove("null", nulls)
        ledger.remove("unselected", table.rows - nulls - count_rows(engine, relation))
    if "id" in table.roles and not table.unique_ids:
        relation, repeats = deduplicate(engine, relation, needed, table)
        ledger.remove("duplicate", repeats)
    return SelectedRows(table, relation, ledger, condition is not None)


def count_rows(engine: SqlEngine, relation: str) -> int:
    """The number of rows of a relation, with a condition behind it if need be."""
    return int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])


def no_null_ids(engine: SqlEngine, relation: str) -> bool:
    """Whether every row has a synapse id."""
    return count_rows(engine, f"{relation} WHERE id IS NULL") == 0


def pair_completeness(table: Relation, wanted: NeuronFilter, filtered_by: str = "") -> Completeness:
    """What is complete after a selection of pre and post neurons that must both hold."""
    pre, post = wanted.pre, wanted.post
    outputs = frozenset[str]() if post is not None else pre.texts if pre is not None else None
    inputs = frozenset[str]() if pre is not None else post.texts if post is not None else None
    return table.completeness.narrowed(inputs, outputs, filtered_by)


def count_steps(engine: SqlEngine, prepared: SelectedRows, rows: RowFilter) -> None:
    """Count the ledger's steps row by row, for a result that needs no pairs."""
    taken = cascade(rows.conditions(prepared.table.id_type))
    counted = ", ".join(f"count(*) FILTER ({condition})" for condition in taken.values())
    numbers = engine.execute(f"SELECT {counted} FROM {prepared.relation}")[0]
    *removed, kept = zip(taken, numbers, strict=True)
    for step, number in removed:
        prepared.ledger.remove(step, number)
    prepared.ledger.kept = int(kept[1])
