"""Sorts the neurons of a roster and the edges between them into the blocks of both axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crantcli.core.matrix.blocks import Axis, BlockMatrix
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.matrix.order import NeuronOrder, TypeOrder
from crantcli.core.nested.axes import NOWHERE, NeuronIndex


def sorted_blocks(
    neurons: NeuronIndex,
    entries: dict[str, NDArray[Any]],
    on_axis: dict[str, NDArray[np.bool_]],
    orders: Mapping[str, TypeOrder],
    neuron_order: NeuronOrder | NDArray[np.int64],
    square: bool,
    quantity: str,
) -> BlockMatrix:
    """Put neurons and entries into the order of the axes.

    Parameters
    ----------
    neurons : NeuronIndex
    entries : dict of str to ndarray
        `i`, `j`, codes of neurons, and `weight`.
    on_axis : dict of "pre" and "post" to ndarray of bool
        Whether the neuron of a code is on the axis.
    orders : mapping of "pre" and "post" to TypeOrder
    neuron_order : {"annotation", "id", "weight"} or ndarray of int64
        Within a type; an array has the place of each code, and those of one place are in the annotations' order.
    square : bool
        A neuron's weight is that of both its ends.
    quantity : str
        What an entry is.
    """
    shown = on_axis["pre"][entries["i"]] & on_axis["post"][entries["j"]]
    ends = {"pre": entries["i"][shown], "post": entries["j"][shown]}
    weights = entries["weight"][shown]
    strength = {end: np.zeros(len(neurons.ids), dtype=weights.dtype) for end in ends}
    if isinstance(neuron_order, str) and neuron_order == "weight":
        in_order = np.lexsort((ends["post"], ends["pre"]))
        for end, codes in ends.items():
            np.add.at(strength[end], codes[in_order], np.abs(weights[in_order]))
        if square:
            strength["pre"] = strength["post"] = strength["pre"] + strength["post"]
    axes, places = {}, {}
    for end, order in orders.items():
        codes, axes[end] = _axis(neurons, on_axis[end], order, neuron_order, strength[end])
        places[end] = np.full(len(neurons.ids), -1)
        places[end][codes] = np.arange(len(codes))
    matrix = LabelledMatrix.from_entries(
        axes["pre"].neurons,
        axes["post"].neurons,
        places["pre"][ends["pre"]],
        places["post"][ends["post"]],
        weights,
    )
    return BlockMatrix(matrix, axes["pre"], axes["post"], quantity)


def _axis(
    neurons: NeuronIndex,
    chosen: NDArray[np.bool_],
    order: TypeOrder,
    neuron_order: NeuronOrder | NDArray[np.int64],
    strength: NDArray[Any],
) -> tuple[NDArray[np.int64], Axis]:
    """Codes of the neurons of an axis in their order, and the axis."""
    codes = np.flatnonzero(chosen)
    of_type = neurons.type_code[codes]
    counts = np.bincount(of_type[of_type >= 0], minlength=len(neurons.types))
    sizes = {neurons.types[number]: int(counts[number]) for number in np.flatnonzero(counts)}
    types = order.sorted(sizes)
    number_of = {name: number for number, name in enumerate(neurons.types)}
    rank = np.full(len(neurons.types) + 1, len(types))  # the last is found by code -1: neurons without a type
    rank[[number_of[name] for name in types]] = np.arange(len(types))
    untyped = codes[of_type < 0]
    unannotated = neurons.place[untyped] == NOWHERE
    listed = np.zeros(len(neurons.ids), dtype=np.int64) if isinstance(neuron_order, str) else neuron_order
    untyped = untyped[np.lexsort((neurons.ids[untyped].astype(str), listed[untyped], unannotated))]
    members = codes[of_type >= 0]
    within: dict[str, tuple[NDArray[Any], ...]] = {
        "annotation": (neurons.place[members], neurons.ring[members]),
        "id": (neurons.ids[members],),
        "weight": (neurons.place[members], -strength[members]),
    }
    keys = within[neuron_order if isinstance(neuron_order, str) else "annotation"]
    members = members[np.lexsort((*keys, listed[members], rank[neurons.type_code[members]]))]
    ordered = np.concatenate([members, untyped])
    bounds = np.concatenate([[0], np.cumsum([sizes[name] for name in types], dtype=np.int64)])
    return ordered, Axis(neurons.ids[ordered], tuple(types), bounds)
