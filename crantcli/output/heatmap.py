"""Draws labelled matrices as heatmaps, never dense: a picture has fewer pixels than a brain has pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.adjacency import LabelledMatrix
from crantcli.errors import CrantError, UsageError
from crantcli.output.heatmap_colours import DEFAULT, Scale, check_colours, draw_bar, number, scale
from crantcli.output.heatmap_labels import AxisText, Labels, Ruler
from crantcli.output.heatmap_page import LEADING, TICK, TITLE, Page, Request, across, boundaries, lay_out
from crantcli.schema import KEY

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

__all__ = ["PICTURES", "AxisText", "Drawn", "Style", "check_picture", "draw", "reduce", "save"]

PICTURES = (".png", ".pdf", ".svg")

#: Smallest page in inches, most pixels of a page, and the size in inches that a page may grow to where none is given.
_SMALLEST_PAGE, _MOST_PIXELS, _GROWN = 2.0, 250_000_000, 12.0

#: Entries of a matrix that are put into the picture at a time.
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Style:
    """How a heatmap looks.

    Attributes
    ----------
    title : str
    quantity : str
        What a cell's colour stands for; labels the colour bar.
    figsize : tuple of float, or None
        Width and height in inches; None fits the picture to the matrix, about as wide as a paper's page.
    dpi : int
        Pixels per inch; also of the matrix in PDF and SVG.
    cmap : str
        A colour map of matplotlib. Colours too light to be told from white are left out of it. For weights of both
        signs it must be a diverging one, otherwise a diverging one takes its place.
    log : bool or None
        Colours by the logarithm of the weights; None: where they spread by more than a factor of 10.
    vmin_percentile, vmax_percentile : float
        The scale's ends as percentiles, in 0..100, of the nonzero weights (of their magnitudes, where some are
        negative). Weights beyond take the end colours.
    linewidth_scale : float
        Factor for the width of boundaries between blocks.

    Raises
    ------
    UsageError
        Where a value makes no picture.
    """

    title: str = ""
    quantity: str = "synapses"
    figsize: tuple[float, float] | None = None
    dpi: int = 200
    cmap: str = DEFAULT
    log: bool | None = None
    vmin_percentile: float = 0.0
    vmax_percentile: float = 100.0
    linewidth_scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what would fail, or be of no use, only after a long computation."""
        low, high = self.vmin_percentile, self.vmax_percentile
        for option, value in (("--vmin-percentile", low), ("--vmax-percentile", high)):
            if not 0 <= value <= 100:
                raise UsageError(f"{option} {value:g}: a percentile lies between 0 and 100")
        if low >= high:
            raise UsageError(f"--vmin-percentile {low:g} is not below --vmax-percentile {high:g}")
        if not 0 < self.linewidth_scale < math.inf:
            raise UsageError(f"--linewidth-scale {self.linewidth_scale:g}: must be above 0")
        if not 0 < self.dpi < math.inf:
            raise UsageError(f"--dpi {self.dpi:g}: must be above 0")
        self._check_size()
        check_colours(self.cmap)

    def _check_size(self) -> None:
        width, height = self.figsize or (_GROWN, _GROWN)
        asked = f"--figsize {width:g},{height:g}"
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise UsageError(f"{asked}: width and height in inches must be above 0")
        if min(width, height) < _SMALLEST_PAGE:
            raise UsageError(f"{asked}: a picture needs at least {_SMALLEST_PAGE:g} inches each way")
        pixels = width * self.dpi, height * self.dpi
        # Agg, which draws, counts pixels of a side in 16 bits.
        if max(pixels) >= 2**16 or pixels[0] * pixels[1] > _MOST_PIXELS:
            raise UsageError(
                f"{asked if self.figsize else '--dpi'} at {self.dpi:g} dpi: too large a picture; at most "
                f"{_MOST_PIXELS:,} pixels, and {2**16 - 1:,} a side"
            )


@dataclass(frozen=True)
class Drawn:
    """A picture.

    Attributes
    ----------
    figure : Figure
    axes : Axes
        Of the matrix. Its data coordinates are rows and columns, counted from 0.
    facts : dict
        What a caption has to say: colour scale, size of the matrix, how it was reduced, how many labels and boundaries
        there are. Fit for JSON.
    notes : list of str
        What to tell the user.
    """

    figure: Figure
    axes: Axes
    facts: dict[str, Any]
    notes: list[str]


def check_picture(destination: str) -> None:
    """Refuse a suffix that is not a picture's.

    Raises
    ------
    UsageError
    """
    if not destination.lower().endswith(PICTURES):
        raise UsageError(f"{destination}: unknown suffix; a picture ends in {', '.join(PICTURES)}")


def reduce(matrix: LabelledMatrix, height: int, width: int) -> np.ndarray[Any, Any]:
    """Shrink a matrix to at most `height` by `width` cells, each the strongest weight that falls into it.

    Returns
    -------
    ndarray of float64, shape (min(rows, height), min(columns, width))
        NaN where there is no connection, so that zero never looks like a weak connection. The maximum, and not a
        sample or a mean, so that no strong single connection disappears; of weights of both signs, the one that is
        largest by magnitude (the positive one of two that are equal).
    """
    import numpy as np

    rows, columns = matrix.shape
    shape = (min(rows, height), min(columns, width))
    signed = len(matrix.weights) > 0 and matrix.weights.min() < 0
    image = np.full(shape[0] * shape[1], -np.inf)
    lowest = np.full(image.size if signed else 0, np.inf)
    row_at = np.arange(rows) * shape[0] // max(rows, 1) * shape[1]
    column_at = np.arange(columns) * shape[1] // max(columns, 1)
    start = 0
    while start < rows:
        # As many whole rows as make a chunk, so that a large matrix needs little memory on top of its own.
        stop = int(np.searchsorted(matrix.indptr, matrix.indptr[start] + _CHUNK, side="right")) - 1
        stop = min(rows, max(stop, start + 1))
        first, last = int(matrix.indptr[start]), int(matrix.indptr[stop])
        at = np.repeat(row_at[start:stop], np.diff(matrix.indptr[start : stop + 1]))
        at += column_at[matrix.indices[first:last]]
        weights = matrix.weights[first:last].astype(np.float64)
        np.maximum.at(image, at, weights)
        if signed:
            np.minimum.at(lowest, at, weights)
        start = stop
    if signed:
        stronger = -lowest > image
        image[stronger] = lowest[stronger]
    image[np.isinf(image)] = np.nan
    return image.reshape(shape)


def draw(matrix: LabelledMatrix, style: Style, rows: AxisText | None = None, columns: AxisText | None = None) -> Drawn:
    """Draw a matrix: rows are presynaptic, columns postsynaptic.

    Parameters
    ----------
    matrix : LabelledMatrix
    style : Style
    rows, columns : AxisText, optional
        What stands beside the axes; None: neurons labelled by their IDs where they fit.

    Returns
    -------
    Drawn

    Raises
    ------
    UsageError
        Where the page size given leaves no room for a matrix.
    """
    import matplotlib as mpl

    beside = rows or AxisText("presynaptic", matrix.pre), columns or AxisText("postsynaptic", matrix.post)
    for text, cells in zip(beside, matrix.shape, strict=True):
        if len(text.cells) != cells:
            raise ValueError(f"{len(text.cells)} {text.name} labels for a matrix with {cells}")
    # What a user's settings could add that would spoil the picture.
    with mpl.rc_context({"text.usetex": False, "axes.grid": False, "axes.unicode_minus": True}):
        return _draw(matrix, style, *beside)


def _draw(matrix: LabelledMatrix, style: Style, rows: AxisText, columns: AxisText) -> Drawn:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    percentiles = style.vmin_percentile, style.vmax_percentile
    made = scale(matrix.weights, style.cmap, style.log, percentiles, style.quantity) if len(matrix.weights) else None
    bar = f"{style.quantity}{', log scale' if made and made.logarithmic else ''} (white: none)"
    numbers = [number(tick) for tick in made.ticks] if made else []
    ruler = Ruler()
    request = Request(
        rows, columns, matrix.shape, (lambda blocks: _weigh(matrix, 0, blocks), lambda blocks: _weigh(matrix, 1, blocks)),
        style.figsize, style.dpi, style.title, bar, numbers,
    )  # fmt: skip
    page = lay_out(request, ruler)
    figure = Figure(figsize=page.size, dpi=style.dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_axes(_part(page, page.matrix))
    axes.set(xlim=(-0.5, max(matrix.shape[1], 1) - 0.5), ylim=(max(matrix.shape[0], 1) - 0.5, -0.5))
    facts: dict[str, Any] = {"matrix": list(matrix.shape), "connections": len(matrix.weights)}
    if made is None:
        axes.text(0.5, 0.5, "no connections", ha="center", va="center", transform=axes.transAxes, fontsize=page.font)
    else:
        facts |= _fill(axes, matrix, made, page, style)
        _bar(figure, page, made)
    facts["boundaries"] = _lines(axes, request, page, style.linewidth_scale)
    _beside(figure, axes, matrix.shape, page)
    facts["labels"] = {
        name: {"written": labels.written, "of": labels.of, "what": text.what if labels.kind == "cells" else "types"}
        for name, text, labels in (("rows", rows, page.rows), ("columns", columns, page.columns))
        if labels.kind != "numbers"
    }
    return Drawn(figure, axes, facts, [*(made.notes if made else []), *_notes(rows, columns, page, ruler)])


def _part(page: Page, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A box in inches as fractions of the page."""
    width, height = page.size
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _weigh(matrix: LabelledMatrix, axis: int, blocks: Sequence[tuple[str, int, int]]) -> list[float]:
    """Sum of the magnitudes in each block of rows (axis 0) or columns (axis 1)."""
    import numpy as np

    magnitudes = np.abs(matrix.weights).astype(np.float64)
    edges = np.array([block[1:] for block in blocks])
    if axis == 0:
        edges = matrix.indptr[edges]
    else:
        magnitudes = np.bincount(matrix.indices, weights=magnitudes, minlength=matrix.shape[1])
    running = np.concatenate(([0.0], np.cumsum(magnitudes)))
    return list((running[edges[:, 1]] - running[edges[:, 0]]).tolist())


def _fill(axes: Axes, matrix: LabelledMatrix, made: Scale, page: Page, style: Style) -> dict[str, Any]:
    """Put the matrix into its place, with no more cells than that has pixels, and say so."""
    height, width = round(page.matrix[3] * style.dpi), round(page.matrix[2] * style.dpi)
    image = reduce(matrix, height, width)
    rows, columns = matrix.shape
    axes.imshow(
        image, cmap=made.colours, norm=made.norm, interpolation="nearest", aspect="auto", zorder=2,
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )  # fmt: skip
    facts: dict[str, Any] = {"colour_scale": made.facts}
    if image.shape != matrix.shape:
        rule = "maximum per pixel" if made.facts["vmin"] >= 0 else "strongest per pixel"
        facts |= {"reduced_to": list(image.shape), "reduction": rule}
    return facts


def _bar(figure: Figure, page: Page, made: Scale) -> None:
    axes = draw_bar(figure, _part(page, page.bar), made, page.font)
    left = (page.size[0] - 0.08 - LEADING * page.font / 72 * len(page.bar_title)) / page.size[0]
    if page.bar_title:
        axes.set_ylabel(
            "\n".join(page.bar_title), fontsize=page.font, va="top", rotation=90, parse_math=False, linespacing=LEADING
        )
        axes.yaxis.set_label_coords(left, page.middles[2] / page.size[1], transform=figure.transFigure)


def _lines(axes: Axes, request: Request, page: Page, factor: float) -> dict[str, Any]:
    """Draw boundaries of blocks: whole lines beneath the connections, and faint thin ones above them."""
    from matplotlib.collections import LineCollection

    facts: dict[str, Any] = {}
    for name, text, cells, inches, across_axis in (
        ("rows", request.rows, request.shape[0], page.matrix[3], axes.get_yaxis_transform()),
        ("columns", request.columns, request.shape[1], page.matrix[2], axes.get_xaxis_transform()),
    ):
        lines, possible = boundaries(text, cells, 72 * inches, request.dpi)
        if not possible:
            continue
        facts[name] = {"drawn": len(lines), "of": possible}
        ends = [((0, edge - 0.5), (1, edge - 0.5)) for edge, _ in lines]
        if name == "columns":
            ends = [((b, a), (d, c)) for (a, b), (c, d) in ends]
        widths = [factor * width for _, width in lines]
        # Lines between small blocks are lighter too: many of them would be grey haze.
        greys = [str(round(0.88 - 0.3 * width, 3)) for _, width in lines]
        for colour, alpha, thinner, zorder in ((greys, 1.0, 1.0, 1.0), ("0.5", 0.35, 0.6, 3.0)):
            axes.add_collection(
                LineCollection(
                    ends, colors=colour, alpha=alpha, linewidths=[thinner * width for width in widths], zorder=zorder,
                    transform=across_axis, capstyle="butt",
                ),
                autolim=False,
            )  # fmt: skip
    return facts


def _beside(figure: Figure, axes: Axes, shape: tuple[int, int], page: Page) -> None:
    """Write what stands beside the axes; the frame goes beneath the connections, so that it hides none."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(linewidth=0.6, zorder=0.5)
    for down, labels, inches, cells in (
        (True, page.rows, page.matrix[3], shape[0]),
        (False, page.columns, page.matrix[2], shape[1]),
    ):
        # Across the axis a point is this part of the matrix's side; along it, this many cells.
        part = 1 / (72 * page.matrix[2 if down else 3])
        point = max(cells, 1) / (72 * inches)
        transform = axes.get_yaxis_transform() if down else axes.get_xaxis_transform()
        _ticks(axes, labels, part, point, transform, down)
        at = -part * (TICK + 2 + labels.leader)
        turned = 0 if down or labels.kind == "numbers" else 90
        for text, place, grey in zip(labels.texts, labels.places, labels.grey, strict=True):
            along = place * point - 0.5
            axes.text(
                *((at, along) if down else (along, at)), text, fontsize=labels.size, rotation=turned, parse_math=False,
                ha="right" if down else "center", va="center" if down else "top", transform=transform,
                color="0.5" if grey else "black", clip_on=False,
            )  # fmt: skip
    width, height = page.size
    space = across(page.rows, page.font) / 72, across(page.columns, page.font) / 72
    told = {"fontsize": page.font, "parse_math": False, "linespacing": LEADING}
    axes.set_ylabel("\n".join(page.row_title), va="bottom", **told)
    axes.yaxis.set_label_coords((page.matrix[0] - space[0]) / width, page.middles[0] / height, figure.transFigure)
    axes.set_xlabel("\n".join(page.column_title), va="top", **told)
    axes.xaxis.set_label_coords(page.middles[1] / width, (page.matrix[1] - space[1]) / height, figure.transFigure)
    if page.title:
        told["fontsize"] = TITLE * page.font
        figure.text(page.middles[3] / width, 1 - 0.08 / height, "\n".join(page.title), ha="center", va="top", **told)


def _ticks(axes: Axes, labels: Labels, part: float, point: float, transform: Transform, down: bool) -> None:
    """Draw ticks at what the labels name, and lines from there to labels that had to make room for others."""
    from matplotlib.collections import LineCollection

    lines = []
    for anchor, place in zip(labels.anchors, labels.places, strict=True):
        steps = [(0.0, anchor), (TICK, anchor)]
        if labels.leader:
            steps += [(TICK + labels.leader - 1, place), (TICK + labels.leader + 1, place)]
        line = [(-part * away, along * point - 0.5) for away, along in steps]
        lines.append(line if down else [(along, away) for away, along in line])
    if lines:
        width = 0.6 if not labels.leader else 0.35
        axes.add_collection(
            LineCollection(lines, colors="0.25", linewidths=width, transform=transform, clip_on=False), autolim=False
        )


def _notes(rows: AxisText, columns: AxisText, page: Page, ruler: Ruler) -> list[str]:
    """What the user is told about labels, once where it holds for both axes."""
    notes = [f"both axes: {note}" for note in page.rows.notes if note in page.columns.notes]
    for text, labels, other in ((rows, page.rows, page.columns), (columns, page.columns, page.rows)):
        notes += [f"{text.name} axis: {note}" for note in labels.notes if note not in other.notes]
    if ruler.missing:
        letters = ", ".join(sorted(ruler.missing)[:10])
        notes.append(f"the picture's font lacks some letters, which become boxes in PNG and PDF: {letters}")
    return notes


def save(figure: Figure, path: Path, destination: str, metadata: dict[str, str]) -> None:
    """Save a figure with its provenance, in the format of the destination's suffix, with the same bytes every time.

    Raises
    ------
    CrantError
        Where the file cannot be written.
    """
    import matplotlib as mpl

    suffix = destination.lower().rsplit(".", 1)[-1]
    told = {
        "png": {KEY: metadata[KEY], "Software": "crantcli"},
        "pdf": {"Keywords": metadata[KEY], "Creator": "crantcli", "Producer": "crantcli", "CreationDate": None},
        "svg": {"Description": metadata[KEY], "Creator": "crantcli", "Date": None},
    }[suffix]
    try:
        # Text stays text in SVG and PDF, and SVG ids do not change from run to run.
        with mpl.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "crantcli"}):
            figure.savefig(path, format=suffix, metadata=told)
    except OSError as error:
        raise CrantError(f"{path.parent}: cannot be written ({error.strerror or error})") from None
