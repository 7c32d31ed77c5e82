"""Draws similarities as a heat map in the order of a tree, with the tree beside it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from crantcli.output.figures.colours import DEFAULT, DIVERGING
from crantcli.output.figures.heatmap import RenderedFigure
from crantcli.output.figures.labels import SMALLEST_CELL, TextMeasurer
from crantcli.output.figures.save import PLAIN

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crantcli.core.matrix.labelled import LabelledMatrix
    from crantcli.core.similar.answers import SimilarityPicture
    from crantcli.core.similar.trees import ClusterTree

    Array = np.ndarray[Any, Any]

#: Inches: of the map's side where labels do not ask for another, at least and at most; of a cell at most, and where it
#: has a label at least; of the tree; between the parts; of the colour bar.
_SIDE, _LEAST, _MOST, _CELL, _LABELLED = 5.6, 2.4, 7.2, 0.32, 5.2 / 72
_TREE, _GAP, _MARGIN, _BAR, _BAR_HEIGHT = 1.15, 0.14, 0.12, 0.13, 1.5

#: Largest type in points, and of titles.
_TYPE, _TITLE = 8.0, 9.0

#: Characters of a label that are shown.
_NAME = 28

#: Of the branches of clusters, one after another: dark, apart in hue and in grey. Above the cut they are grey.
_CLUSTERS, _ABOVE = ("#3b0f70", "#d1495b", "#00798c", "#b07d12", "#5b8e3e", "#8c2981"), "#7d7d7d"


def draw_similarity(shown: SimilarityPicture, dpi: int = 200) -> RenderedFigure:
    """Draw the page: tree, map, labels where each row has room for its own, colour bar.

    Parameters
    ----------
    shown : SimilarityPicture
    dpi : int

    Returns
    -------
    RenderedFigure
        Rows and columns are in the order of the tree. Where there are more rows than pixels, a pixel is the mean of the
        cosines that fall into it.
    """
    import matplotlib as mpl

    settings: Any = PLAIN
    with mpl.rc_context(settings):
        return _draw(shown, dpi)


def _draw(shown: SimilarityPicture, dpi: int) -> RenderedFigure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = len(shown.tree.leaves)
    side = _side(rows, dpi)
    names = [_short(str(label)) for label in shown.cosines.pre[shown.tree.leaves].tolist()]
    # Where a row has less room than its label needs, none has one.
    size = min(_TYPE, 0.92 * 72 * side / max(rows, 1))
    labelled = rows > 0 and size >= SMALLEST_CELL
    measurer = TextMeasurer()
    room = max(map(measurer.width, names)) * size / 72 + 0.08 if labelled else 0.28
    left = _MARGIN + _TREE + _GAP
    width = left + side + (room if labelled else 0.0) + 0.3 + _BAR + 0.72
    bottom = _MARGIN + max(room, 0.5)
    height = bottom + side + 0.34
    figure = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(figure)

    def part(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / width, y / height, w / width, h / height

    axes = figure.add_axes(part(left, bottom, side, side))
    signed = len(shown.cosines.weights) > 0 and float(shown.cosines.weights.min()) < 0
    facts = _fill(axes, shown, round(side * dpi), signed)
    _name(axes, names if labelled else [], size, f"{shown.what} (n = {rows:,}, in the order of the tree)")
    _outline(axes, shown)
    beside = figure.add_axes(part(_MARGIN, bottom, _TREE, side), sharey=axes)
    _grow(beside, shown)
    if rows:
        at = part(width - 0.72 - _BAR, bottom + side - _BAR_HEIGHT, _BAR, _BAR_HEIGHT)
        _bar(figure, axes, figure.add_axes(at, label="colour bar"))
    figure.text((left + side / 2) / width, (bottom + side + 0.13) / height, shown.title, ha="center", fontsize=_TITLE,
                parse_math=False)  # fmt: skip
    facts |= {"labels": rows if labelled else 0, "clustering": shown.tree.method}
    return RenderedFigure(figure, axes, facts, [])


def _side(rows: int, dpi: int) -> float:
    """Inches of the map, of whole pixels per cell where these are some."""
    side = max(_LEAST, min(_SIDE, _CELL * rows))
    if side < _LABELLED * rows <= _MOST:
        side = _LABELLED * rows
    each = round(side * dpi / max(rows, 1))
    return each * rows / dpi if each >= 3 else side


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _fill(axes: Axes, shown: SimilarityPicture, pixels: int, signed: bool) -> dict[str, Any]:
    """Put the map into its place."""
    rows = len(shown.tree.leaves)
    low = -1.0 if signed else 0.0
    if rows:
        image = ordered_means(shown.cosines, shown.tree.leaves, pixels)
        axes.imshow(
            image, cmap=DIVERGING if signed else DEFAULT, vmin=low, vmax=1.0, interpolation="nearest", aspect="auto",
            extent=(-0.5, rows - 0.5, rows - 0.5, -0.5),
        )  # fmt: skip
    else:
        axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", transform=axes.transAxes, fontsize=_TITLE)
    axes.set(xlim=(-0.5, max(rows, 1) - 0.5), ylim=(max(rows, 1) - 0.5, -0.5))
    axes.spines[:].set_linewidth(0.6)
    return {"matrix": [rows, rows], "vmin": low, "vmax": 1.0, "pixel": "mean" if rows > pixels else "cell"}


def ordered_means(matrix: LabelledMatrix, order: Array, pixels: int) -> Array:
    """A square matrix in an order of its rows, shrunk to so many cells a side, each the mean of what falls into it.

    Returns
    -------
    ndarray of float64, shape (min(rows, pixels), min(rows, pixels))
    """
    import numpy as np

    rows = len(order)
    cells = min(rows, pixels)
    start = -(-np.arange(cells + 1) * rows // cells)
    number = np.diff(start)
    place = np.empty(rows, dtype=np.int64)
    place[order] = np.arange(rows)
    image = np.zeros((cells, cells))
    line = np.zeros(rows)
    for cell in range(cells):
        line[:] = 0.0
        for row in order[start[cell] : start[cell + 1]]:
            ends = slice(matrix.indptr[row], matrix.indptr[row + 1])
            line[place[matrix.indices[ends]]] += matrix.weights[ends]
        image[cell] = np.add.reduceat(line, start[:-1]) / (number * number[cell])
    return image


def _name(axes: Axes, names: list[str], size: float, title: str) -> None:
    """Labels beside rows and below columns, or what these are where there is no room for labels."""
    if names:
        axes.yaxis.tick_right()
        axes.set_yticks(range(len(names)), names, fontsize=size, parse_math=False)
        axes.set_xticks(range(len(names)), names, fontsize=size, rotation=90, parse_math=False)
        axes.tick_params(length=1.5, pad=1.5, width=0.4)
    else:
        axes.set_xticks([])
        axes.tick_params(axis="y", left=False, right=False, labelleft=False, labelright=False)
        axes.set_xlabel(title, fontsize=_TYPE, parse_math=False)


def _outline(axes: Axes, shown: SimilarityPicture) -> None:
    """A frame around each cluster."""
    import numpy as np
    from matplotlib.patches import Rectangle

    if shown.clusters is None or not len(shown.tree.leaves):
        return
    clusters = shown.clusters[shown.tree.leaves]
    edges = [0, *(np.flatnonzero(np.diff(clusters)) + 1).tolist(), len(clusters)]
    for number, (start, stop) in enumerate(pairwise(edges), 1):
        axes.add_patch(
            Rectangle(
                (start - 0.5, start - 0.5), stop - start, stop - start, fill=False, linewidth=1.1,
                edgecolor=_colour(number), zorder=3,
            )
        )  # fmt: skip


def _colour(cluster: int) -> str:
    return _CLUSTERS[(cluster - 1) % len(_CLUSTERS)]


def _grow(axes: Axes, shown: SimilarityPicture) -> None:
    """Draw the tree, its root on the left."""
    from matplotlib.collections import LineCollection

    lines, colours = branches(shown.tree, shown.clusters)
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=0.8 if len(lines) < 400 else 0.35,
                                       capstyle="projecting"))  # fmt: skip
    top = float(shown.tree.height.max()) if len(lines) else 1.0
    axes.set_xlim(1.03 * (top or 1.0), 0)
    axes.tick_params(axis="y", left=False, right=False, labelleft=False, labelright=False)
    axes.tick_params(axis="x", labelsize=7, length=2, width=0.5)
    axes.locator_params(axis="x", nbins=3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_linewidth(0.6)
    words = "Ward's distance" if shown.tree.method == "ward" else "1 \N{MINUS SIGN} cosine"
    axes.set_xlabel(words, fontsize=_TYPE)


def branches(tree: ClusterTree, clusters: Array | None) -> tuple[list[list[tuple[float, float]]], list[str]]:
    """The lines of a tree: for each step the four corners of a bracket, as height and place among the leaves.

    Returns
    -------
    list of list of tuple, and list of str
        Corners, and a colour for each: that of the cluster, within one.
    """
    rows = len(tree.leaves)
    places, heights = [0.0] * rows, [0.0] * rows
    owners: list[int] = [0] * rows
    for place, leaf in enumerate(tree.leaves.tolist()):
        places[leaf] = float(place)
        owners[leaf] = 0 if clusters is None else int(clusters[leaf])
    lines, colours = [], []
    for left, right, height in zip(tree.left.tolist(), tree.right.tolist(), tree.height.tolist(), strict=True):
        ends = [(heights[left], places[left]), (height, places[left]), (height, places[right])]
        lines.append([*ends, (heights[right], places[right])])
        owner = owners[left] if owners[left] == owners[right] else 0
        colours.append(_colour(owner) if owner else _ABOVE if clusters is not None else "black")
        places.append((places[left] + places[right]) / 2)
        heights.append(height)
        owners.append(owner)
    return lines, colours


def _bar(figure: Figure, axes: Axes, place: Axes) -> None:
    bar = figure.colorbar(axes.images[0], cax=place)
    bar.set_label("cosine", fontsize=_TYPE)
    bar.ax.tick_params(labelsize=7, length=2, width=0.5)
    bar.outline.set_linewidth(0.6)
