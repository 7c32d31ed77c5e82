"""Draws how many synapses each neuropil holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Inches that a bar, and what stands above and below the bars, takes.
_BAR, _BESIDE = 0.22, 1.0

#: A dark colour of the same map as that of the heatmaps.
_COLOUR = "#721f81"

#: For what is no neuropil.
_GREY = "#9a9a9a"


def draw_bars(numbers: Mapping[str, int], quantity: str, rest: str = "", dpi: int = 200) -> Figure:
    """Draw horizontal bars, the longest first, with their numbers.

    Parameters
    ----------
    numbers : mapping of str to int
        Of each neuropil.
    quantity : str
        What is counted, for the axis.
    rest : str
        The one that is no neuropil but what lies in none; it comes last, in grey.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    names = sorted(numbers, key=lambda name: (name == rest, -numbers[name], name))
    figure = Figure(figsize=(7, _BESIDE + _BAR * max(len(names), 1)), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(len(names))
    colours = [_GREY if name == rest else _COLOUR for name in names]
    axes.barh(places, [numbers[name] for name in names], height=0.75, color=colours)
    axes.set_yticks(places, names, fontsize=8, parse_math=False)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_xlim(0, max([1, *numbers.values()]) * 1.14)
    for place, name in enumerate(names):
        axes.annotate(
            f"{numbers[name]:,}", (numbers[name], place), (3, 0), textcoords="offset points", va="center", fontsize=7
        )
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel(quantity, fontsize=9)
    return figure
