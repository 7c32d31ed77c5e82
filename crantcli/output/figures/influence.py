"""Draws what sets of seeds drive: a row for each group or neuron, and a column for each set."""

from __future__ import annotations

from dataclasses import replace

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.output.figures.heatmap import RenderedFigure, Style, draw_heatmap
from crantcli.output.figures.labels import AxisText


def draw_influence(influences: LabelledMatrix, what: str, of: int) -> RenderedFigure:
    """Draw adjusted influences, on a scale that is not logarithmic again.

    Parameters
    ----------
    influences : LabelledMatrix
        Rows are groups or neurons, the most driven first; columns are sets of seeds.
    what : {"groups", "neurons"}
    of : int
        How many there are, of which the first are shown.
    """
    shown = len(influences.pre)
    told = "" if shown == of else f"the {shown} most driven of {of:,}, "
    quantity = "adjusted influence" + (" of the mean" if what == "groups" else "")
    style = Style(title=f"{told}seeds left out".capitalize(), quantity=quantity, log=False)
    rows = AxisText("driven", influences.pre, what, order="most driven first")
    drawn = draw_heatmap(influences, style, rows, AxisText("seed", influences.post, "sets", order="as given"))
    notes = [f"the picture shows the {shown} most driven of {of:,} {what}"] if told else []
    return replace(drawn, notes=[*drawn.notes, *notes])
