"""The order of neurons that is given as a list of them, such as that of a tree's leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine
from crantcli.core.matrix.order import NeuronOrder
from crantcli.core.nested.choice import NeuronList
from crantcli.core.rows.absent import some
from crantcli.schema import IdType
from crantcli.text import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crantcli.core.nested.axes import NeuronIndex


def neuron_places(
    engine: SqlEngine,
    id_type: IdType,
    neurons: NeuronIndex,
    order: NeuronOrder | NeuronList,
    on_axis: dict[str, NDArray[np.bool_]],
    notes: list[str],
) -> NeuronOrder | NDArray[np.int64]:
    """The place of each neuron in a list, by its code; those that are not in it come after all others.

    Parameters
    ----------
    order : {"annotation", "id", "weight"} or NeuronList
        A word is passed on.
    on_axis : dict of "pre" and "post" to ndarray of bool
        Whether the neuron of a code is on the axis.
    notes : list of str
        Gets what the user should be told.
    """
    import numpy as np

    if not isinstance(order, NeuronList):
        return order
    listed = engine.id_table("listed", order.ids, id_type)
    found = engine.arrays(f"SELECT r.code, l.position FROM {neurons.relation} AS r JOIN {listed} AS l ON r.id = l.id")
    places: NDArray[np.int64] = np.full(len(neurons.ids), len(order.ids), dtype=np.int64)
    places[found["code"]] = found["position"]
    shown = on_axis["pre"] | on_axis["post"]
    named = places < len(order.ids)
    unnamed: list[Any] = neurons.ids[shown & ~named].tolist()
    if unnamed:
        notes.append(
            f"{plural(len(unnamed), 'neuron', 'are')} not in the order given, such as {some(unnamed)}: last of their "
            "type, in the order of the annotations"
        )
    unused = len(order.ids) - int(np.count_nonzero(shown & named))
    if unused:
        notes.append(f"{unused:,} of {plural(len(order.ids), 'neuron')} in the order given are on no axis")
    return places
