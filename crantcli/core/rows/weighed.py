"""All edges of a table as they are weighed: strong inputs, sums and means of a column, signs."""

from __future__ import annotations

from dataclasses import replace

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations, Relation, Totals
from crantcli.core.rows.denominators import lacking_totals
from crantcli.core.rows.edge_list import EdgeList
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.rows.pairs import Edges, edges
from crantcli.core.rows.weights import Weighing
from crantcli.errors import DataError
from crantcli.text import P, plural


def weighed_edges(
    engine: SqlEngine,
    table: Relation,
    rows: RowFilter,
    weighing: Weighing,
    annotations: Annotations | None,
    *,
    totals: Totals | None = None,
    split: tuple[str, ...] = (),
    sum_duplicates: bool = False,
    outside: str = "FALSE",
    weak: bool = True,
    named: str = "the input",
    advice: str = "",
) -> Edges:
    """Edges between all neurons, or some.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
    rows : RowFilter
    weighing : Weighing
    annotations : Annotations or None
        What signs are by.
    totals : Totals or None
        All input of each neuron, instead of that in the table.
    split, sum_duplicates, outside, weak
        As of `edges`.
    named : str
        What the table is called in messages.
    advice : str
        What to do where it lacks inputs that fractions are of, unless that is to give totals.

    Returns
    -------
    Edges
        `relation` has `pre, post`, the columns of `split`, `n` (synapses, which thresholds count; of an edge table, its
        weight) and `weight`, and beside sums and means of a column `valued`; pairs that are `outside` are not in it.
        `Weight.total` and `Weight.single` make of these what is told.

    Raises
    ------
    DataError, UsageError
        As of `EdgeList.weigh`.
    """
    column = weighing.column
    found = edges(
        engine,
        table,
        None,
        rows,
        split=split,
        sum_duplicates=sum_duplicates,
        values=column is not None,
        outside=outside,
        weak=weak or (weighing.min_fraction is not None and totals is None),
    )
    names = sql.columns(("pre", "post", *split))
    numbers = "weight AS n, weight" if column is None else "n, valued, weight"
    inside = found.relation if outside == "FALSE" else f"{found.relation} WHERE NOT {outside}"
    relation = engine.view("inside_edges", f"SELECT {names}, {numbers} FROM {inside}")
    if weighing.plain:
        return replace(found, relation=relation)
    if weighing.min_fraction is not None and advice:
        ids = engine.table("of_neurons", f"SELECT DISTINCT post AS id FROM {relation}")
        lacking = lacking_totals(engine, table, "input", ids, named)
        if lacking:
            raise DataError(f"{P.min_fraction(weighing.min_fraction)} cannot be told: {lacking}; {advice}")
    work = EdgeList(
        engine, table, replace(found, relation=relation), split, weighing.weight, NeuronFilter(), rows, annotations,
        totals, sum_duplicates,
    )  # fmt: skip
    work.weigh(weighing)
    return Edges(work.relation, found.pairs, found.ledger, tuple(work.notes))


def weights_of_pairs(engine: SqlEngine, found: Edges, weighing: Weighing, name: str = "") -> tuple[str, list[str]]:
    """A relation `pre, post, n, weight` of what is told of each pair, and what to say of pairs without such a weight.

    Parameters
    ----------
    name : str
        What their table is called in messages.
    """
    if weighing.column is None:
        return found.relation, []
    relation = engine.view(
        "weights_of_pairs",
        f"SELECT pre, post, n, coalesce({weighing.weight.single}, 0) AS weight FROM {found.relation}",
    )
    number = int(engine.execute(f"SELECT count(*) FROM {relation} WHERE weight = 0")[0][0])
    said = f"{plural(number, 'pair', 'have')} a {weighing.words} of 0, or none, like pairs without a connection"
    return relation, [f"{name}: {said}" if name else said] if number else []
