"""Draws labelled matrices as heatmaps, never dense: a picture has fewer pixels than a brain has pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.matrix.pooling import reduce
from crantcli.errors import UsageError
from crantcli.output.figures.axes import draw_bar, draw_beside, draw_lines
from crantcli.output.figures.colours import DEFAULT, Scale, check_colours, number, scale
from crantcli.output.figures.labels import AxisText, TextMeasurer
from crantcli.output.figures.layout import Layout, LayoutRequest, lay_out
from crantcli.output.figures.save import PLAIN
from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["AxisText", "RenderedFigure", "Style", "draw_heatmap", "reduce"]

#: Smallest page in inches, most pixels of a page, and the size in inches that a page may grow to where none is given.
_SMALLEST_PAGE, _MOST_PIXELS, _GROWN = 2.0, 250_000_000, 12.0

#: Lines that are so many times wider cover everything.
_WIDEST = 1000.0


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
        for option, value in ((P.vmin_percentile, low), (P.vmax_percentile, high)):
            if not 0 <= value <= 100:
                raise UsageError(f"{option} {value:g}: a percentile lies between 0 and 100")
        if low >= high:
            raise UsageError(f"{P.vmin_percentile} {low:g} is not below {P.vmax_percentile} {high:g}")
        if not 0 < self.linewidth_scale <= _WIDEST:
            raise UsageError(f"{P.linewidth_scale} {self.linewidth_scale:g}: must be above 0, and at most {_WIDEST:,g}")
        if not 0 < self.dpi < math.inf:
            raise UsageError(f"{P.dpi} {self.dpi:g}: must be above 0")
        self._check_size()
        check_colours(self.cmap)

    def _check_size(self) -> None:
        width, height = self.figsize or (_GROWN, _GROWN)
        asked = f"{P.figsize} {width:g},{height:g}"
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise UsageError(f"{asked}: width and height in inches must be above 0")
        if min(width, height) < _SMALLEST_PAGE:
            raise UsageError(f"{asked}: a picture needs at least {_SMALLEST_PAGE:g} inches each way")
        pixels = width * self.dpi, height * self.dpi
        # Agg, which draws, counts pixels of a side in 16 bits.
        if max(pixels) >= 2**16 or pixels[0] * pixels[1] > _MOST_PIXELS:
            raise UsageError(
                f"{asked if self.figsize else P.dpi} at {self.dpi:g} dpi: too large a picture; at most "
                f"{_MOST_PIXELS:,} pixels, and {2**16 - 1:,} a side"
            )


@dataclass(frozen=True)
class RenderedFigure:
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


def draw_heatmap(
    matrix: LabelledMatrix,
    style: Style,
    rows: AxisText | None = None,
    columns: AxisText | None = None,
    *,
    what: str = "neurons",
) -> RenderedFigure:
    """Draw a matrix: rows are presynaptic, columns postsynaptic.

    Parameters
    ----------
    matrix : LabelledMatrix
    style : Style
    rows, columns : AxisText, optional
        What stands beside the axes; None: neurons labelled by their IDs where they fit.
    what : str
        What rows and columns are, where nothing else stands beside them: "neurons" or "groups".

    Returns
    -------
    RenderedFigure

    Raises
    ------
    UsageError
        Where the page size given leaves no room for a matrix.
    """
    import matplotlib as mpl

    beside = (
        rows or AxisText("presynaptic", matrix.pre, what),
        columns or AxisText("postsynaptic", matrix.post, what),
    )
    for text, cells in zip(beside, matrix.shape, strict=True):
        if len(text.cells) != cells:
            raise ValueError(f"{len(text.cells)} {text.name} labels for a matrix with {cells}")
    settings: Any = PLAIN
    with mpl.rc_context(settings):
        return _draw(matrix, style, *beside)


def _draw(matrix: LabelledMatrix, style: Style, rows: AxisText, columns: AxisText) -> RenderedFigure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    percentiles = style.vmin_percentile, style.vmax_percentile
    made = scale(matrix.weights, style.cmap, style.log, percentiles, style.quantity) if len(matrix.weights) else None
    bar = f"{style.quantity}{', log scale' if made and made.logarithmic else ''} (white: none)"
    numbers = [number(tick) for tick in made.ticks] if made else []
    measurer = TextMeasurer()
    request = LayoutRequest(
        rows, columns, matrix.shape, (partial(_weigh, matrix, 0), partial(_weigh, matrix, 1)),
        style.figsize, style.dpi, style.title, bar, numbers,
    )  # fmt: skip
    layout = lay_out(request, measurer)
    figure = Figure(figsize=layout.size, dpi=style.dpi)
    figure.set_layout_engine("none")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(layout.part(layout.matrix))
    axes.set(xlim=(-0.5, max(matrix.shape[1], 1) - 0.5), ylim=(max(matrix.shape[0], 1) - 0.5, -0.5))
    facts: dict[str, Any] = {"matrix": list(matrix.shape), "connections": len(matrix.weights)}
    if made is None:
        axes.text(0.5, 0.5, "no connections", ha="center", va="center", transform=axes.transAxes, fontsize=layout.font)
    else:
        facts |= _fill(axes, matrix, made, layout, style)
        draw_bar(figure, layout, made)
    facts["boundaries"] = draw_lines(axes, request, layout, style.linewidth_scale)
    draw_beside(figure, axes, matrix.shape, layout)
    facts["labels"] = {
        name: {"written": labels.written, "of": labels.of, "what": text.what if labels.kind == "cells" else "types"}
        for name, text, labels in (("rows", rows, layout.rows), ("columns", columns, layout.columns))
        if labels.kind != "numbers"
    }
    return RenderedFigure(
        figure, axes, facts, [*(made.notes if made else []), *_notes(rows, columns, layout, measurer)]
    )


def _weigh(matrix: LabelledMatrix, axis: int, blocks: Sequence[tuple[str, int, int]]) -> list[float]:
    """Sum of the magnitudes in each block of rows (axis 0) or columns (axis 1)."""
    import numpy as np

    magnitudes: np.ndarray[Any, Any] = np.abs(matrix.weights).astype(np.float64)
    edges = np.array([block[1:] for block in blocks])
    if axis == 0:
        edges = matrix.indptr[edges]
    else:
        magnitudes = np.bincount(matrix.indices, weights=magnitudes, minlength=matrix.shape[1])
    running = np.concatenate(([0.0], np.cumsum(magnitudes)))
    return list((running[edges[:, 1]] - running[edges[:, 0]]).tolist())


def _fill(axes: Axes, matrix: LabelledMatrix, made: Scale, layout: Layout, style: Style) -> dict[str, Any]:
    """Put the matrix into its place, with no more cells than that has pixels, and say so."""
    height, width = round(layout.matrix[3] * style.dpi), round(layout.matrix[2] * style.dpi)
    image = reduce(matrix, height, width)
    rows, columns = matrix.shape
    axes.imshow(
        _to_pixels(_to_pixels(image, height, 0), width, 1),
        cmap=made.colours, norm=made.norm, interpolation="nearest", aspect="auto", zorder=2,
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )  # fmt: skip
    facts: dict[str, Any] = {"colour_scale": made.facts}
    if image.shape != matrix.shape:
        rule = "maximum per pixel" if made.facts["vmin"] >= 0 else "strongest per pixel"
        facts |= {"reduced_to": list(image.shape), "reduction": rule}
    return facts


def _to_pixels(image: np.ndarray[Any, Any], pixels: int, axis: int) -> np.ndarray[Any, Any]:
    """Repeat cells along an axis where they are not all of the same number of pixels.

    Where they are, matplotlib does this exactly; otherwise it puts some edges a pixel beside where they belong.
    """
    import numpy as np

    cells = image.shape[axis]
    return image.take((2 * np.arange(pixels) + 1) * cells // (2 * pixels), axis) if pixels % max(cells, 1) else image


def _notes(rows: AxisText, columns: AxisText, layout: Layout, measurer: TextMeasurer) -> list[str]:
    """What the user is told about labels, once where it holds for both axes."""
    notes = [f"both axes: {note}" for note in layout.rows.notes if note in layout.columns.notes]
    for text, labels, other in ((rows, layout.rows, layout.columns), (columns, layout.columns, layout.rows)):
        notes += [f"{text.name} axis: {note}" for note in labels.notes if note not in other.notes]
    if measurer.missing:
        letters = ", ".join(sorted(measurer.missing)[:10])
        notes.append(f"the picture's font lacks some letters, which become boxes in PNG and PDF: {letters}")
    return notes
