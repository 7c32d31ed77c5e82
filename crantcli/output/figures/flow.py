"""Draws the flow from seeds through groups of neurons, step by step: bars, and ribbons from each step to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantcli.output.figures.labels import spread_labels, without_marks

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crantcli.core.network.diagram import FlowPanel, FlowPicture

#: Inches between the bars of two steps, of the names beside the last, of a panel, and of what stands around it.
_STEP, _NAMES, _PANEL, _AROUND = 1.55, 1.5, 3.7, 0.75

#: Width of a bar, as a part of the distance between steps, and the gap above it, as a part of the highest pile.
_BAR, _GAP = 0.07, 0.012

#: Groups that are nowhere this part of the highest pile are drawn as one.
_SMALL = 0.015

#: Ribbons that are thinner than this part of it are left out; nobody would see them.
_THIN = 0.0008

#: Points of a name, and of other words.
_SIZE, _WORDS = 6.5, 8

_GREY, _SEEDS, _ARRIVED = "#b5b5b5", "#3b3b3b", "#111111"

#: Colours that differ to readers with any colour vision, and in print (P. Tol 2021, "muted" and "bright").
_COLOURS = (
    "#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#4477AA",
    "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377",
)  # fmt: skip


class _Pile:
    """The bars of one step, from the top: where each starts, and how high it is."""

    def __init__(self, heights: np.ndarray[Any, Any], unit: float) -> None:
        self.heights = heights
        self.tops: list[float] = []
        place = 0.0
        for height in heights.tolist():
            self.tops.append(place)
            place += height + (_GAP * unit if height > 0 else 0.0)
        self.end = place


def draw_flow(shown: FlowPicture, dpi: int = 200) -> Figure:
    """Draw the diagram.

    Parameters
    ----------
    shown : FlowPicture
    dpi : int

    Returns
    -------
    Figure
        A panel for each set of seeds. Bars of all steps of a panel have one scale; a ribbon is as wide as what arrives,
        and where it leaves it has its part of the bar.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = len(shown.panels[0].heights) - 1
    size = (_NAMES + _STEP * steps + 0.5, len(shown.panels) * (_PANEL + _AROUND))
    figure = Figure(figsize=size, dpi=dpi)
    FigureCanvasAgg(figure)
    for place, panel in enumerate(shown.panels):
        bottom = size[1] - (place + 1) * (_PANEL + _AROUND) + 0.35
        left = 0.35
        axes = figure.add_axes((left / size[0], bottom / size[1], 1 - (left + 0.1) / size[0], _PANEL / size[1]))
        _draw_panel(axes, shown, panel)
    return figure


def _draw_panel(axes: Axes, shown: FlowPicture, panel: FlowPanel) -> None:
    import numpy as np

    names = [without_marks(name) for name in shown.groups]
    names += ["no label"] * (panel.heights.shape[1] - len(names))
    unit = float(panel.heights.sum(axis=1).max())
    axes.set_axis_off()
    steps = len(panel.heights) - 1
    back = f"1 to {steps} steps back" if steps > 1 else "1 step back"
    title = f"from {without_marks(panel.name)}: mean part of each group's input, {back}"
    if shown.targets is not None:
        targets = f"{shown.targets:,} target{'s' * (shown.targets != 1)}"
        arrived = float(panel.arrived.sum())
        title = f"from {without_marks(panel.name)} to {targets} (black): {arrived:.3g} of their input, added up, {back}"
    axes.set_title(title, fontsize=_WORDS, loc="left", parse_math=False, pad=10)
    if unit <= 0:
        axes.text(0.5, 0.5, "nothing arrives", transform=axes.transAxes, ha="center", fontsize=_WORDS)
        return
    order, small = _order(panel.heights, unit)
    panel = _rearranged(panel, order, small)
    rest = [names[small[0]] if len(small) == 1 else f"{len(small)} others"] if len(small) else []
    names = [names[group] for group in order] + rest
    colours = [_COLOURS[place % len(_COLOURS)] for place in range(len(order))] + [_GREY] * bool(len(small))
    piles = [_Pile(heights, unit) for heights in panel.heights]
    longest = max(pile.end for pile in piles)
    largest = panel.heights.argmax(axis=0).tolist()
    axes.set_xlim(-_BAR, steps + _NAMES / _STEP)
    axes.set_ylim(longest * 1.06, -0.01 * longest)
    start = _Pile(np.array([float(panel.first.sum())]), unit)
    axes.bar([0], start.heights, width=_BAR, bottom=[0], color=_SEEDS)
    axes.text(0, longest * 1.02, "seeds", ha="center", va="top", fontsize=_WORDS)
    _ribbons(axes, 0, start, piles[1], panel.first[None, :], np.zeros(1), [_SEEDS], unit)
    for step in range(1, steps + 1):
        pile = piles[step]
        axes.bar([step] * len(names), pile.heights, width=_BAR, bottom=pile.tops, color=colours, zorder=3)
        _arrived(axes, step, pile, panel.arrived[step])
        axes.text(step, longest * 1.02, f"{step} step{'s' * (step > 1)}", ha="center", va="top", fontsize=_WORDS)
        _names(axes, step, pile, names, longest, panel.arrived[step], largest, last=step == steps)
        if step < steps:
            _ribbons(axes, step, pile, piles[step + 1], panel.links[step - 1], panel.arrived[step], colours, unit)


def _order(heights: np.ndarray[Any, Any], unit: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Groups that are drawn, the largest first, and those that are drawn as one."""
    import numpy as np

    largest = heights.max(axis=0)
    order = np.argsort(-heights.sum(axis=0), kind="stable")
    small = np.flatnonzero(largest < _SMALL * unit)
    return order[~np.isin(order, small)], small[largest[small] > 0]


def _rearranged(panel: FlowPanel, order: np.ndarray[Any, Any], small: np.ndarray[Any, Any]) -> FlowPanel:
    """The groups in an order, and small ones as one."""
    import numpy as np

    from crantcli.core.network.diagram import FlowPanel

    def chosen(values: np.ndarray[Any, Any], axis: int) -> np.ndarray[Any, Any]:
        parts = [values.take(order, axis)]
        if len(small):
            parts.append(values.take(small, axis).sum(axis=axis, keepdims=True))
        return np.concatenate(parts, axis=axis)

    links = chosen(chosen(panel.links, 1), 2)
    return FlowPanel(panel.name, chosen(panel.heights, 1), chosen(panel.arrived, 1), chosen(panel.first, 0), links)


def _ribbons(
    axes: Axes,
    step: int,
    before: _Pile,
    after: _Pile,
    links: np.ndarray[Any, Any],
    arrived: np.ndarray[Any, Any],
    colours: list[str],
    unit: float,
) -> None:
    """What passes between the bars of two steps."""
    import numpy as np
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    leaving = before.heights - arrived
    sent = links.sum(axis=1)
    scale = np.where(sent > 0, leaving / np.where(sent > 0, sent, 1.0), 0.0)
    left, right = list(before.tops), list(after.tops)
    x0, x1 = step + _BAR / 2, step + 1 - _BAR / 2
    middle = (x0 + x1) / 2
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    for source, widths in enumerate(links.tolist()):
        for target, width in enumerate(widths):
            out = width * float(scale[source])
            (a, b), (c, d) = (left[source], left[source] + out), (right[target], right[target] + width)
            left[source], right[target] = b, d
            if max(width, out) < _THIN * unit:
                continue
            points = [(x0, a), (middle, a), (middle, c), (x1, c), (x1, d), (middle, d), (middle, b), (x0, b), (x0, a)]
            axes.add_patch(PathPatch(Path(points, codes), facecolor=colours[source], alpha=0.38, linewidth=0))


def _arrived(axes: Axes, step: int, pile: _Pile, arrived: np.ndarray[Any, Any]) -> None:
    """Mark the part of each bar that has arrived at targets: the lower one, from which nothing goes on."""
    if not arrived.any():
        return
    bottoms = [top + height - part for top, height, part in zip(pile.tops, pile.heights, arrived, strict=True)]
    axes.bar([step + _BAR * 0.75] * len(bottoms), arrived, width=_BAR / 2, bottom=bottoms, color=_ARRIVED, zorder=3)


def _names(
    axes: Axes,
    step: int,
    pile: _Pile,
    names: list[str],
    longest: float,
    arrived: np.ndarray[Any, Any],
    largest: list[int],
    *,
    last: bool,
) -> None:
    """Name bars, with their figures: all of the last step, those that have room, and each group where it is largest."""
    line = longest * 1.07 / _PANEL * (_SIZE * 1.15 / 72)
    seen = [place for place, height in enumerate(pile.heights.tolist()) if height > 0]
    if not last:
        seen = [place for place in seen if pile.heights[place] >= 0.9 * line or largest[place] == step]
    wanted = [pile.tops[place] + float(pile.heights[place]) / 2 for place in seen]
    places = spread_labels(wanted, line, longest)
    for place, wish, y in zip(seen, wanted, places, strict=True):
        x = step + _BAR * (1.6 if last else 1.2 if arrived[place] > 0 else 0.8)
        if last and abs(y - wish) > line / 2:
            axes.plot([step + _BAR * 1.05, x - 0.01], [wish, y], color=_GREY, linewidth=0.4, clip_on=False)
        text = f"{names[place]}  {float(pile.heights[place]):.3g}"
        axes.text(x, y, text, va="center", fontsize=_SIZE, parse_math=False, zorder=4)
