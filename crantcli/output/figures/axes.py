"""Draws what stands around the cells of a heatmap: frame, boundaries, ticks, labels, titles and the colour bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantcli.output.figures.colours import Scale, number
from crantcli.output.figures.labels import Labels
from crantcli.output.figures.layout import LEADING, MARGIN, TICK, TITLE, Layout, LayoutRequest, across, boundaries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

#: Width of the frame and of ticks, in points where type is 9 points large.
_LINE = 0.6

#: Where cells are types, hairlines between them are drawn where these are so many points large.
_GRID = 5.0


def draw_bar(figure: Figure, layout: Layout, made: Scale) -> Axes:
    """Draw a colour bar as one image, which no viewer of PDF shows with seams."""
    import numpy as np
    from matplotlib.patches import Polygon

    font, line, (width, height) = layout.font, _LINE * layout.font / 9, layout.size
    axes = figure.add_axes(layout.part(layout.bar), label="colour bar")
    levels = np.linspace(0, 1, 256)
    colours = made.colours(levels)
    shown = colours.copy()
    shown[(levels > made.gap[0]) & (levels < made.gap[1])] = 1
    axes.imshow(shown[:, None], aspect="auto", origin="lower", extent=(0, 1, 0, 1), interpolation="nearest")
    places = np.asarray(made.norm(np.array(made.ticks, dtype=float)), dtype=float).tolist()
    shown_at = _apart(places, LEADING * font / 72 / layout.bar[3])
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[])
    axes.yaxis.tick_right()
    numbers = [number(made.ticks[k]) for k in shown_at]
    axes.set_yticks([places[k] for k in shown_at], numbers, fontsize=font, parse_math=False)
    axes.tick_params(length=0.3 * font, pad=0.25 * font, width=line)
    axes.spines[:].set_linewidth(line)
    # An arrow at an end says that weights lie beyond it.
    tip = 1.2 * layout.bar[2] / layout.bar[3]
    for end, base, rise, colour in (("max", 1.0, tip, colours[-1]), ("min", 0.0, -tip, colours[0])):
        if made.extend in (end, "both"):
            corners = [(0, base), (0.5, base + rise), (1, base)]
            axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="black", linewidth=line, clip_on=False))
    axes.set_ylabel("\n".join(layout.bar_title), fontsize=font, va="top", parse_math=False, linespacing=LEADING)
    axes.yaxis.set_label_coords(layout.bar_title_at / width, layout.middles[2] / height, figure.transFigure)
    return axes


def _apart(places: list[float], least: float) -> list[int]:
    """As many of some ascending places as are so far apart, the first among them."""
    kept: list[int] = []
    for here, place in enumerate(places):
        if not kept or place - places[kept[-1]] >= least:
            kept.append(here)
    return kept


def draw_lines(axes: Axes, request: LayoutRequest, layout: Layout, factor: float) -> dict[str, Any]:
    """Draw boundaries of blocks: whole lines beneath the connections, and faint thin ones above them."""
    from matplotlib.collections import LineCollection

    facts: dict[str, Any] = {}
    for name, text, cells, inches, across_axis in (
        ("rows", request.rows, request.shape[0], layout.matrix[3], axes.get_yaxis_transform()),
        ("columns", request.columns, request.shape[1], layout.matrix[2], axes.get_xaxis_transform()),
    ):
        lines, possible = boundaries(text, cells, 72 * inches, request.dpi)
        grid = not possible and text.what == "types" and 72 * inches >= _GRID * cells
        if grid:  # helps the eye from a cell to its labels
            lines = [(edge, 0.0) for edge in range(1, cells)]
        elif possible:
            facts[name] = {"drawn": len(lines), "of": possible}
        if not lines:
            continue
        ends = [[(0.0, edge - 0.5), (1.0, edge - 0.5)] for edge, _ in lines]
        if name == "columns":
            ends = [[(along, away) for away, along in line] for line in ends]
        widths = [factor * layout.font / 9 * (width or 0.25) for _, width in lines]
        # Lines between small blocks are lighter too: many of them would be grey haze.
        greys = [str(round(0.88 - 0.3 * width, 3)) for _, width in lines]
        for colour, alpha, thinner, zorder in ((greys, 1.0, 1.0, 1.0), ("0.5", 0.35, 0.6, 3.0))[: 1 if grid else 2]:
            axes.add_collection(
                LineCollection(
                    ends, colors=colour, alpha=alpha, linewidths=[thinner * width for width in widths], zorder=zorder,
                    transform=across_axis, capstyle="butt",
                ),
                autolim=False,
            )  # fmt: skip
    return facts


def draw_beside(figure: Figure, axes: Axes, shape: tuple[int, int], layout: Layout) -> None:
    """Write what stands beside the axes; the frame goes beneath the connections, so that it hides none."""
    axes.set(xticks=[], yticks=[])
    _frame(axes, layout)
    for down, labels, inches, cells in (
        (True, layout.rows, layout.matrix[3], shape[0]),
        (False, layout.columns, layout.matrix[2], shape[1]),
    ):
        # Across the axis a point is this part of the matrix's side; along it, this many cells.
        part = 1 / (72 * layout.matrix[2 if down else 3])
        point = max(cells, 1) / (72 * inches)
        transform = axes.get_yaxis_transform() if down else axes.get_xaxis_transform()
        _ticks(axes, labels, (part, point), transform, down, layout.font / 9)
        at = -part * (TICK + 2 + labels.leader)
        turned = 0 if down or labels.kind == "numbers" else 90
        for text, place, grey in zip(labels.texts, labels.places, labels.grey, strict=True):
            along = place * point - 0.5
            axes.text(
                *((at, along) if down else (along, at)), text, fontsize=labels.size, rotation=turned, parse_math=False,
                ha="right" if down else "center", va="center" if down else "top", transform=transform,
                color="0.5" if grey else "black", clip_on=False,
            )  # fmt: skip
    width, height = layout.size
    space = across(layout.rows, layout.font) / 72, across(layout.columns, layout.font) / 72
    told: dict[str, Any] = {"fontsize": layout.font, "parse_math": False, "linespacing": LEADING}
    axes.set_ylabel("\n".join(layout.row_title), va="bottom", **told)
    axes.yaxis.set_label_coords((layout.matrix[0] - space[0]) / width, layout.middles[0] / height, figure.transFigure)
    axes.set_xlabel("\n".join(layout.column_title), va="top", **told)
    axes.xaxis.set_label_coords(layout.middles[1] / width, (layout.matrix[1] - space[1]) / height, figure.transFigure)
    if layout.title:
        told["fontsize"] = TITLE * layout.font
        figure.text(
            layout.middles[3] / width, 1 - MARGIN / height, "\n".join(layout.title), ha="center", va="top", **told
        )


def _frame(axes: Axes, layout: Layout) -> None:
    """Draw a frame that lies wholly outside the matrix, so that it hides no pixel of it."""
    from matplotlib.patches import Rectangle

    line = _LINE * layout.font / 9
    right, up = (line / 72 / 2 / side for side in layout.matrix[2:])
    frame = Rectangle(
        (-right, -up), 1 + 2 * right, 1 + 2 * up, transform=axes.transAxes, fill=False, linewidth=line, zorder=0.5,
        clip_on=False, joinstyle="miter", snap=False,
    )  # fmt: skip
    axes.add_patch(frame)
    axes.spines[:].set_visible(False)


def _ticks(
    axes: Axes, labels: Labels, units: tuple[float, float], transform: Transform, down: bool, factor: float
) -> None:
    """Draw ticks at what the labels name, and lines from there to labels that had to make room for others."""
    from matplotlib.collections import LineCollection

    part, point = units
    lines = []
    for anchor, place in zip(labels.anchors, labels.places, strict=True):
        steps = [(_LINE * factor, anchor), (TICK, anchor)]
        if labels.leader:
            steps += [(TICK + labels.leader - 1, place), (TICK + labels.leader + 1, place)]
        line = [(-part * away, along * point - 0.5) for away, along in steps]
        lines.append(line if down else [(along, away) for away, along in line])
    if lines:
        width = factor * (_LINE if not labels.leader else 0.35)
        axes.add_collection(
            LineCollection(lines, colors="0.25", linewidths=width, transform=transform, clip_on=False), autolim=False
        )
