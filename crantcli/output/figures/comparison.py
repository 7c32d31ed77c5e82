"""Draws a comparison as a page of three panels: weights against each other, differences, the largest changes."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crantcli.core.compare.picture import ComparisonPicture

#: Of A, of B (dark colours of the heatmaps' map), and of what is neither.
_A, _B, _GREY = "#8a8a8a", "#721f81", "#c9c9c9"

#: Up to so many pairs each is a dot; more are counted in hexagons.
_DOTS = 2_000

#: Characters of a name that are shown.
_NAME = 40

#: Characters in a line of the title.
_TITLE = 150

_EMPTY = "nothing to show"


def draw_comparison(shown: ComparisonPicture, dpi: int = 200) -> Figure:
    """Draw the page.

    Parameters
    ----------
    shown : ComparisonPicture
    dpi : int

    Returns
    -------
    Figure
        Axes are logarithmic; a pair that one side has not stands on a line of its own, below and left of weight 1 or of
        the smallest one.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.6), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3, width_ratios=(1.1, 1, 1.1))
    figure.suptitle(textwrap.fill(shown.title, _TITLE), fontsize=9, parse_math=False)
    _weights(figure, axes[0], shown)
    _differences(axes[1], shown)
    _changes(axes[2], shown)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=8)
    return figure


def _weights(figure: Figure, axes: Axes, shown: ComparisonPicture) -> None:
    """Weights against each other, with the line on which they are equal."""
    import numpy as np

    found = shown.histogram
    axes.set_xlabel(_side(shown, 0), fontsize=9)
    axes.set_ylabel(_side(shown, 1), fontsize=9)
    # Weights below 0 have no logarithm.
    seen = (found.a >= 0) & (found.b >= 0)
    a, b, pairs = found.a[seen], found.b[seen], found.pairs[seen]
    if not len(pairs):
        axes.text(0.5, 0.5, _EMPTY, transform=axes.transAxes, ha="center", fontsize=9)
        return
    positive = np.concatenate([a[a > 0], b[b > 0]]).astype(np.float64)
    low, high = np.log10(positive.min()), np.log10(positive.max())
    step = max(0.12 * (high - low), 0.2)
    x, y = (_logged(values, low - step) for values in (a, b))
    axes.plot([low, high], [low, high], color="#333333", linewidth=0.8, linestyle="dashed", zorder=3)
    if pairs.sum() <= _DOTS:
        axes.scatter(x, y, s=6 + 4 * np.log2(pairs), color=_B, alpha=0.6, linewidths=0, zorder=2)
    else:
        counted = axes.hexbin(
            x, y, C=pairs, reduce_C_function=np.sum, gridsize=36, bins="log", cmap="magma_r", mincnt=1, linewidths=0.1,
            extent=(low - 1.5 * step, high + step / 2, low - 1.5 * step, high + step / 2),
        )  # fmt: skip
        bar = figure.colorbar(counted, ax=axes, shrink=0.7)
        bar.set_label(shown.what, fontsize=8)
        bar.ax.tick_params(labelsize=7)
    ticks, names = _decades(low, high)
    ticks, names = [low - step, *ticks], ["0", *names]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    limits = (low - 1.6 * step, high + 0.6 * step)
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_aspect("equal")


def _side(shown: ComparisonPicture, side: int) -> str:
    name = shown.sides[side]
    return f"{shown.unit} in {name}" if name in "AB" else f"{name} {shown.unit}"


def _in(shown: ComparisonPicture) -> str:
    return f"in {shown.sides[1]}" if shown.sides[1] in "AB" else shown.sides[1]


def _decades(low: float, high: float) -> tuple[list[float], list[str]]:
    """Logarithms that are marked between two, and their names: powers of ten, with 2 and 5 where these are few."""
    import numpy as np

    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    steps = (1, 2, 5) if high - low < 2 else (1,)
    values = [step * 10.0**power for power in powers for step in steps]
    seen = [value for value in values if low - 1e-9 <= np.log10(value) <= high + 1e-9] or [10.0**low]
    return [float(np.log10(value)) for value in seen], [_number(value) for value in seen]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def _logged(values: np.ndarray[Any, Any], zero: float) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.where(values > 0, np.log10(np.maximum(values, np.finfo(np.float64).tiny)), zero)


def _differences(axes: Axes, shown: ComparisonPicture) -> None:
    """How many pairs differ by how much; equal ones are told, and not drawn."""
    import numpy as np
    from matplotlib.ticker import FuncFormatter, NullFormatter

    difference = (shown.histogram.b - shown.histogram.a).astype(np.float64)
    pairs = shown.histogram.pairs
    axes.set_xlabel(f"difference, {shown.sides[1]} - {shown.sides[0]}", fontsize=9)
    axes.set_ylabel(shown.what, fontsize=9)
    same = int(pairs[difference == 0].sum())
    axes.set_title(f"{same:,} of {int(pairs.sum()):,} do not differ", fontsize=8)
    changed = difference != 0
    if not changed.any():
        axes.text(0.5, 0.5, _EMPTY, transform=axes.transAxes, ha="center", fontsize=9)
        return
    largest = float(np.abs(difference).max())
    # A logarithm in both directions, so that a few large differences leave room for the many small ones.
    scale = np.sign(difference) * np.log1p(np.abs(difference))
    edges = _difference_edges(largest, whole=bool((difference == difference.round()).all()))
    numbers, _ = np.histogram(scale[changed], bins=edges, weights=pairs[changed])
    centres = (edges[1:] + edges[:-1]) / 2
    axes.bar(centres, numbers, width=np.diff(edges) * 0.96, color=np.where(centres < 0, _A, _B), linewidth=0)
    axes.set_yscale("log")
    axes.set_ylim(0.7, max(4.0, float(numbers.max()) * 3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    marks = [10.0**power for power in range(int(np.floor(np.log10(max(largest, 1)))) + 1)]
    ticks = np.array([*(-mark for mark in reversed(marks)), 0.0, *marks])
    axes.set_xticks(np.sign(ticks) * np.log1p(np.abs(ticks)), [_number(tick) for tick in ticks.tolist()])
    axes.text(0.02, 0.97, f"less {_in(shown)}", transform=axes.transAxes, va="top", fontsize=8, color=_A)
    axes.text(0.98, 0.97, f"more {_in(shown)}", transform=axes.transAxes, va="top", ha="right", fontsize=8, color=_B)


def _difference_edges(largest: float, whole: bool) -> np.ndarray[Any, Any]:
    """Edges of bins of differences, as log(1 + difference); of whole ones each has the same number of them, or more."""
    import numpy as np

    if not whole:
        reach = float(np.log1p(largest)) * 1.0001
        return np.linspace(-reach, reach, 52)
    edges = [0.5]
    while edges[-1] < largest:
        edges.append(max(edges[-1] + 1, np.floor(edges[-1] * 1.25) + 0.5))
    upper = np.log1p(np.array(edges))
    return np.concatenate([-upper[::-1], upper])


def _changes(axes: Axes, shown: ComparisonPicture) -> None:
    """The largest changes: each a line from its weight in A to that in B."""
    axes.set_xlabel(shown.unit, fontsize=9)
    axes.set_title("largest changes", fontsize=8)
    if not shown.changes:
        axes.text(0.5, 0.5, _EMPTY, transform=axes.transAxes, ha="center", fontsize=9)
        axes.set_yticks([])
        return
    places = range(len(shown.changes))
    before, after = ([change[side] for change in shown.changes] for side in (2, 3))
    axes.hlines(places, before, after, color=_GREY, linewidth=2, zorder=1)
    axes.scatter(before, places, s=22, color=_A, label=shown.sides[0], zorder=2)
    axes.scatter(after, places, s=22, color=_B, label=shown.sides[1], zorder=3)
    names = [f"{_short(pre)} → {_short(post)}" if pre or post else "all" for pre, post, _, _ in shown.changes]
    size = 7 if max(map(len, names)) <= 30 else 5.5
    axes.set_yticks(places, names, fontsize=size, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(shown.changes) - 0.5, -0.5)
    # Above the panel: in every corner of it there may be a change.
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
