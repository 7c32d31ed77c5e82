"""Which neurons' synapses a nested matrix is made of, for those who have to fetch them."""

from __future__ import annotations

from collections.abc import Mapping

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.nested.axes import asked_table, block_columns, label_table
from crantcli.core.nested.choice import FRACTIONS, AxisChoice, NestedQuestion
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.denominators import ENDS
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.pairs import edges, present_pairs
from crantcli.ids import Selection
from crantcli.schema import IdType


def needed_neurons(
    engine: SqlEngine,
    id_type: IdType,
    annotations: Annotations | None,
    question: NestedQuestion,
    whole_table: bool = False,
) -> dict[str, Selection | None]:
    """Neurons without whose synapses on a side the entries of a matrix are not what the whole table would give.

    Who is on the axes may depend on further synapses: those of `further_neurons`.

    Parameters
    ----------
    engine : SqlEngine
    id_type : {"BIGINT", "VARCHAR"}
        How the synapse table holds IDs.
    annotations : Annotations or None
        Needed where types are chosen. Without, an axis for which nothing is chosen has all neurons.
    question : NestedQuestion
    whole_table : bool, default False
        Totals for fractions are at hand, and need not come from the synapses.

    Returns
    -------
    dict
        "pre" and "post": the neurons on that side, both of which must hold; None for any.
    """
    needed: dict[str, Selection | None] = {}
    for end, choice in question.axes.items():
        if not choice.given and (annotations is None or question.annotation_scope == "all"):
            needed[end] = None
        else:
            needed[end] = _chosen(engine, id_type, annotations, choice, question)
    mode = question.weight_mode or "relative_outgoing"
    if question.weighing.min_fraction is not None and not whole_table:
        needed["pre"] = None
    if question.scope == "all" and mode in FRACTIONS and not whole_table:
        # The whole of a fraction has all partners of a neuron.
        needed["pre" if ENDS[FRACTIONS[mode]] == "post" else "post"] = None
    return needed


def further_neurons(
    engine: SqlEngine,
    table: Relation,
    annotations: Annotations | None,
    question: NestedQuestion,
    rows: RowFilter,
    needed: Mapping[str, Selection | None],
    everyone: bool = False,
) -> dict[str, Selection]:
    """Neurons that are on an axis if they have a synapse with a neuron that was not needed for the entries.

    A neuron is on its axis if it is in the brain, whoever its partners are. Most are there by synapses of the matrix.
    Where an axis has all neurons, that is so of the annotated ones only: others are on it by these synapses, since a
    data set on a server is not fetched as a whole.

    Parameters
    ----------
    engine, annotations, question, rows
        As for `nested`.
    table : Relation
        The synapses of `needed_neurons`, which gave `needed`.
    everyone : bool, default False
        Also those that are there: where they may be in one part of the brain and not in another.

    Returns
    -------
    dict
        "pre" and "post": whose synapses on that side are to be known, too, those that are in the table apart.
    """
    labels = label_table(engine, table.id_type, *block_columns(annotations, question.by))
    pairs = None if everyone else present_pairs(engine, table, edges(engine, table, None, rows), rows)
    found = {}
    for end, other in (("pre", "post"), ("post", "pre")):
        choice = question.axes[end]
        chosen = asked_table(engine, table.id_type, labels, choice, question.ignore_case)
        kept = question.keep_silent and (chosen is not None or question.target is None)
        if kept or needed[other] is None:
            found[end] = Selection(())
            continue
        conditions = [f"NOT {rows.is_background('id', table.id_type)}"] if rows.clean else []
        if chosen is not None and question.annotation_scope == "annotated_only":
            conditions.append(f"id IN (SELECT id FROM {labels})")
        ends = (end,) if question.target is not None else ("pre", "post")
        known = f"(SELECT id FROM {chosen or labels})"
        seen = [f"SELECT DISTINCT {side} FROM {pairs} WHERE {side} IN {known}" for side in ends if pairs is not None]
        conditions += [f"id NOT IN ({query})" for query in seen]
        query = f"SELECT id FROM {chosen or labels} WHERE {sql.all_of(conditions)} ORDER BY id"
        found[end] = Selection(tuple(row[0] for row in engine.execute(query)))
    return found


def _chosen(
    engine: SqlEngine,
    id_type: IdType,
    annotations: Annotations | None,
    choice: AxisChoice,
    question: NestedQuestion,
) -> Selection:
    """The neurons of one axis: those that were chosen, else all that are annotated."""
    if choice.types is None and choice.neurons is not None:
        return choice.neurons
    labels = label_table(engine, id_type, *block_columns(annotations, question.by))
    relation = asked_table(engine, id_type, labels, choice, question.ignore_case) or labels
    return Selection(tuple(row[0] for row in engine.execute(f"SELECT id FROM {relation} ORDER BY id")))
