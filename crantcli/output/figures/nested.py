"""Draws nested matrices: neurons in blocks of types, or a cell per pair of types."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from crantcli.output.figures.heatmap import AxisText, RenderedFigure, Style, draw_heatmap

if TYPE_CHECKING:
    from crantcli.core.matrix.blocks import BlockMatrix

Level = Literal["neuron", "type_mean", "type_sum"]
LEVELS: tuple[Level, ...] = ("neuron", "type_mean", "type_sum")


def draw_nested(
    blocks: BlockMatrix, style: Style, level: Level = "neuron", smallest: int = 1, neuron_labels: bool = False
) -> RenderedFigure:
    """Draw a nested matrix.

    Parameters
    ----------
    blocks : BlockMatrix
    style : Style
        Its `quantity` is set here, from that of the matrix and the level.
    level : {"neuron", "type_mean", "type_sum"}
    smallest : int
        Types of fewer neurons are left out, on each axis by itself.
    neuron_labels : bool
        Neuron IDs beside the axes of the level "neuron", instead of types.
    """
    shown = blocks.of_types(smallest) if smallest > 1 else blocks
    style = replace(style, quantity=quantity(blocks, level))
    axes = (("presynaptic", shown.source), ("postsynaptic", shown.target))
    if level == "neuron":
        texts = [
            AxisText(name, axis.neurons, "neurons", "grouped by type", axis.blocks, neuron_labels)
            for name, axis in axes
        ]
        drawn = draw_heatmap(shown.matrix, style, *texts)
    else:
        texts = [AxisText(name, axis.types, "types", "in the order of types") for name, axis in axes]
        drawn = draw_heatmap(shown.type_mean if level == "type_mean" else shown.type_sum, style, *texts)
    notes = []
    for (name, axis), whole in zip(axes, (blocks.source, blocks.target), strict=True):
        left_out = len(whole.types) - len(axis.types)
        if left_out:
            notes.append(f"{left_out:,} {name} types of fewer than {smallest} neurons are left out of the picture")
    facts = {**drawn.facts, "level": level, "min_neurons": smallest, "shows": style.quantity}
    return replace(drawn, facts=facts, notes=[*drawn.notes, *notes])


def quantity(blocks: BlockMatrix, level: Level) -> str:
    """What a cell of the picture stands for."""
    if level == "type_mean":
        return f"{blocks.quantity}, mean of all pairs"
    if level == "type_sum" and blocks.quantity not in ("synapses", "weight"):
        return f"{blocks.quantity}, summed"
    return blocks.quantity
