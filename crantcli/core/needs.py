"""Which neurons' synapses a nested matrix is made of, for those who have to fetch them."""

from __future__ import annotations

from crantcli.core.adjacency import ArrayEngine
from crantcli.core.labels import typed
from crantcli.core.nested import FRACTIONS, NestedQuestion
from crantcli.core.roster import AxisChoice, asked_table, label_table
from crantcli.core.table import Annotations
from crantcli.core.wholes import ENDS
from crantcli.ids import Selection
from crantcli.schema import IdType


def needed_neurons(
    engine: ArrayEngine,
    id_type: IdType,
    annotations: Annotations | None,
    question: NestedQuestion,
    whole_table: bool = False,
) -> dict[str, Selection | None]:
    """Neurons without whose synapses on a side a matrix is not what the whole synapse table would give.

    Parameters
    ----------
    engine : ArrayEngine
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
            needed[end] = _chosen(engine, id_type, annotations, choice, question.ignore_case)
    mode = question.weight_mode or "relative_outgoing"
    if question.scope == "all" and mode in FRACTIONS and not whole_table:
        # The whole of a fraction has all partners of a neuron.
        needed["pre" if ENDS[FRACTIONS[mode]] == "post" else "post"] = None
    return needed


def _chosen(
    engine: ArrayEngine, id_type: IdType, annotations: Annotations | None, choice: AxisChoice, ignore_case: bool
) -> Selection:
    """The neurons of one axis: those that were chosen, else all that are annotated."""
    if choice.types is None and choice.neurons is not None:
        return choice.neurons
    labels = label_table(engine, id_type, *typed(annotations, "a nested matrix"))
    relation = asked_table(engine, id_type, labels, choice, ignore_case) or labels
    return Selection(tuple(row[0] for row in engine.execute(f"SELECT id FROM {relation} ORDER BY id")))
