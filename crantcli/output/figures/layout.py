"""Where the parts of a heatmap stand on its page: computed, since laying out by drawing first costs twice the time."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crantcli.errors import UsageError
from crantcli.output.figures.labels import SMALLEST, AxisText, Labels, Side, TextMeasurer, write_labels
from crantcli.text import P

#: Where no size is given, in inches: the longer side of a matrix, the same where many labels stand beside it, its
#: shorter side at least, and its cells at most. With labels and colour bar that is about as wide as a paper's page.
_LONG_SIDE, _LABELLED_SIDE, _SHORT_SIDE, _CELL = 5.6, 6.4, 2.5, 0.4

#: Room for names across an axis, in inches where no size is given, else as a part of the page.
_NAMES, _NAMES_PART = 3.0, 0.3

MARGIN = 0.08

#: Smallest side of a matrix on a page of a given size.
_LEAST = 0.4

#: Type of the axes on a page of a given size, in points.
_SMALLEST, _LARGEST = 6.0, 16.0

#: Line distance in ems, and the length of ticks in points.
LEADING, TICK = 1.25, 2.5

#: Width of the colour bar in ems.
_BAR = 1.3

#: Type of the title against that of the axes.
TITLE = 1.1

#: Boundaries of blocks stand at least this far apart: in pixels, and in points.
_APART = 7.0, 2.5

Box = tuple[float, float, float, float]
Weigh = Callable[[Sequence[tuple[str, int, int]]], Sequence[float]]


@dataclass(frozen=True)
class LayoutRequest:
    """What has to have a place on the page.

    Attributes
    ----------
    rows, columns : AxisText
    shape : tuple of int
        Cells of both axes.
    weigh : tuple of callable
        Total weights of blocks of rows, and of columns.
    figsize : tuple of float, or None
    dpi : int
    title, bar : str
        Title of the picture and label of the colour bar.
    numbers : list of str
        What stands beside the colour bar; empty without one.
    """

    rows: AxisText
    columns: AxisText
    shape: tuple[int, int]
    weigh: tuple[Weigh, Weigh]
    figsize: tuple[float, float] | None
    dpi: int
    title: str
    bar: str
    numbers: list[str]


@dataclass(frozen=True)
class Layout:
    """Places in inches; boxes are left, bottom, width and height.

    Attributes
    ----------
    size : tuple of float
        Width and height.
    lacking : tuple of float
        By how much a page of a given size is too low and too narrow; not above 0 where all is well.
    matrix, bar : tuple of float
        The matrix covers whole pixels.
    rows, columns : Labels
    title, row_title, column_title, bar_title : list of str
        Lines.
    bar_title_at : float
        Left edge of the colour bar's title.
    middles : tuple of float
        Middles of titles: the rows' and (third) the colour bar's, above the page's lower edge; the columns' and
        (fourth) the picture's, right of its left edge.
    font : float
        Type size in points.
    """

    size: tuple[float, float]
    lacking: tuple[float, float]
    matrix: Box
    bar: Box
    rows: Labels
    columns: Labels
    title: list[str]
    row_title: list[str]
    column_title: list[str]
    bar_title: list[str]
    bar_title_at: float
    middles: tuple[float, float, float, float]
    font: float

    def part(self, box: Box) -> Box:
        """A box as fractions of the page."""
        width, height = self.size
        return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def lay_out(request: LayoutRequest, measurer: TextMeasurer) -> Layout:
    """Find a place for everything, so that nothing overlaps and nothing leaves the page.

    On a page of a given size, labels and matrix take room from each other until both fit. The matrix only ever shrinks
    on the way, and the labels with it, so that this comes to an end. Where they do not fit, as on a page that is wide
    and flat, the type is made smaller.

    Raises
    ------
    UsageError
        Where a page of the size given has no room for a matrix.
    """
    if request.figsize is None:
        sides = _fitted_sides(request)
        rows, columns = _labels(request, measurer, sides, 9.0, (_NAMES, _NAMES))
        return _page(request, measurer, sides, rows, columns, 9.0)
    width, height = request.figsize
    fonts = [min(_LARGEST, max(_SMALLEST, 9 * math.sqrt(max(width, height) / 7.2)))]
    while fonts[-1] > _SMALLEST:
        fonts.append(max(_SMALLEST, 0.8 * fonts[-1]))
    for font in fonts:
        if layout := _given_page(request, measurer, (width, height), font):
            return layout
    raise UsageError(
        f"{P.figsize} {width:g},{height:g}: too small for the matrix with its labels and colour bar; "
        "make it larger, or leave it out for a size that fits"
    )


def _given_page(
    request: LayoutRequest, measurer: TextMeasurer, size: tuple[float, float], font: float
) -> Layout | None:
    """A page of a given size; None where type of that size leaves no room for the matrix or the colour bar."""
    width, height = size
    free = height, width
    while min(free) >= _LEAST:
        sides = _given_sides(request, free)
        # Names of rows take from the width, names of columns from the height.
        rows, columns = _labels(request, measurer, sides, font, (_NAMES_PART * width, _NAMES_PART * height))
        layout = _page(request, measurer, sides, rows, columns, font)
        if max(layout.lacking) <= 0:
            return layout if not request.numbers or layout.bar[3] >= font / 72 else None
        free = tuple(  # type: ignore[assignment]
            side - lack - 0.01 if lack > 0 else old for old, side, lack in zip(free, sides, layout.lacking, strict=True)
        )
    return None


def _labels(
    request: LayoutRequest, measurer: TextMeasurer, sides: tuple[float, float], font: float, names: tuple[float, float]
) -> tuple[Labels, Labels]:
    """Labels of rows and of columns, which have `names` inches of room across their axes."""
    rows, columns = (
        write_labels(Side(text, cells, 72 * side, font, 72 * room, 72 / request.dpi, weigh), measurer)
        for text, cells, side, room, weigh in zip(
            (request.rows, request.columns), request.shape, sides, names, request.weigh, strict=True
        )
    )
    return rows, columns


def _fitted_sides(request: LayoutRequest) -> tuple[float, float]:
    """Height and width of the matrix in inches, of whole pixels per cell where a cell has any."""
    rows, columns = (max(1, cells) for cells in request.shape)
    most = max(_wanted(request.rows, rows), _wanted(request.columns, columns))
    longest = min(_LABELLED_SIDE, max(_LONG_SIDE, most * SMALLEST * 1.3 / 72))
    cell = min(_CELL, longest / max(rows, columns))
    sides = (max(_SHORT_SIDE, cell * rows), max(_SHORT_SIDE, cell * columns))
    height, width = (
        _whole(request.dpi * side, cells, near=True) / request.dpi
        for side, cells in zip(sides, (rows, columns), strict=True)
    )
    return height, width


def _wanted(text: AxisText, cells: int) -> int:
    """How many labels an axis would have if there were room for all."""
    return len(text.blocks) or (cells if text.label_cells and text.what == "types" else 0)


def _given_sides(request: LayoutRequest, free: tuple[float, float]) -> tuple[float, float]:
    """Height and width of the matrix in inches, within what is free: square cells, unless it were too thin."""
    rows, columns = (max(1, cells) for cells in request.shape)
    cell = min(free[0] / rows, free[1] / columns)
    sides = (max(cell * rows, min(_SHORT_SIDE, free[0])), max(cell * columns, min(_SHORT_SIDE, free[1])))
    height, width = (
        _whole(request.dpi * side, cells, near=False) / request.dpi
        for side, cells in zip(sides, (rows, columns), strict=True)
    )
    return height, width


def _whole(pixels: float, cells: int, *, near: bool) -> int:
    """Pixels for so many cells: the same number for each where that changes the size little enough.

    Cells of 2 and 3 pixels side by side look like a pattern in the data. `near` may round up.
    """
    each = pixels / cells
    if not near:
        return int(each + 1e-9) * cells if each >= 4 else max(1, int(pixels + 1e-9))
    fewer, more = int(each + 1e-9), int(each + 1e-9) + 1
    if more <= 1.1 * each or (fewer < 0.75 * each and each >= 0.75):
        return more * cells
    return fewer * cells if fewer else round(pixels)


def _page(
    request: LayoutRequest,
    measurer: TextMeasurer,
    sides: tuple[float, float],
    rows: Labels,
    columns: Labels,
    font: float,
) -> Layout:
    """Put the parts beside each other."""
    em = font / 72
    height, width = sides
    # A title may be longer than a very short axis, not than the page.
    long, wide = (
        side if side >= 2 or request.figsize is None else page - 2 * MARGIN
        for side, page in zip(sides, (request.figsize or (0.0, 0.0))[::-1], strict=True)
    )
    row_title = measurer.wrap(_title(request.rows, request.shape[0], rows), long / em)
    column_title = measurer.wrap(_title(request.columns, request.shape[1], columns), wide / em)
    bar_title = measurer.wrap(request.bar, long / em) if request.numbers else []
    left, bottom = (
        MARGIN + across(labels, font) / 72 + LEADING * em * len(lines)
        for labels, lines in ((rows, row_title), (columns, column_title))
    )
    # Gap, bar, ticks, their numbers and another gap.
    bar_room = 1.4 + _BAR + 0.65 + max(map(measurer.width, request.numbers)) + 0.5 if request.numbers else 1.5
    right = MARGIN + (bar_room + LEADING * len(bar_title)) * em
    across_page = request.figsize[0] if request.figsize else left + width + right
    title = measurer.wrap(request.title, (across_page - 2 * MARGIN) / em / TITLE)
    top = MARGIN + (LEADING * TITLE * len(title) + 0.6) * em
    needed = left + width + right, bottom + height + top
    size = request.figsize or (_up(needed[0], request.dpi), _up(needed[1], request.dpi))
    spare = size[0] - needed[0], size[1] - needed[1]
    left, bottom = (
        _up(start + max(0.0, free) / 2, request.dpi, down=True)
        for start, free in ((left, spare[0]), (bottom, spare[1]))
    )
    bar_height = min(height - (3.6 * em if request.numbers else 0), max(13 * em, 0.55 * height))
    middle = bottom + height / 2
    bar = left + width + 1.4 * em, middle - bar_height / 2, _BAR * em, bar_height
    ends = (size[1], size[0], size[1], size[0])
    middles = tuple(
        _inside(at, max(map(measurer.width, lines), default=0) * em * (TITLE if lines is title else 1), end)
        for at, lines, end in zip(
            (middle, left + width / 2, middle, left + width / 2),
            (row_title, column_title, bar_title, title),
            ends,
            strict=True,
        )
    )
    return Layout(
        size, (-spare[1] - 1 / request.dpi, -spare[0] - 1 / request.dpi), (left, bottom, width, height), bar,
        rows, columns, title, row_title, column_title, bar_title, left + width + bar_room * em, middles, font,  # type: ignore[arg-type]
    )  # fmt: skip


def _up(inches: float, dpi: int, *, down: bool = False) -> float:
    """The next larger (or smaller) length of whole pixels."""
    return (math.floor(inches * dpi + 1e-6) if down else math.ceil(inches * dpi - 1e-6)) / dpi


def _inside(middle: float, length: float, end: float) -> float:
    """Move what is `length` long around `middle` onto the page, if it is not longer than that."""
    return min(max(middle, MARGIN + length / 2), max(end - MARGIN - length / 2, end / 2))


def across(labels: Labels, font: float) -> float:
    """How far the labels of an axis reach from the matrix, with the gap to its title, in points."""
    return TICK + 2 + labels.leader + labels.width + 0.5 * font


def _title(text: AxisText, cells: int, labels: Labels) -> str:
    order = f", {text.order}" if labels.kind == "numbers" and text.order else ""
    return f"{text.name} {text.what} (n = {cells:,}{order})"


def boundaries(text: AxisText, cells: int, length: float, dpi: int) -> tuple[list[tuple[int, float]], int]:
    """Lines between the blocks of an axis.

    Where blocks are so small that lines would crowd, those of the largest blocks stay.

    Parameters
    ----------
    length : float
        Length of the axis in points.

    Returns
    -------
    list of tuple, and int
        First cell after each line and the line's width in points, ascending; and how many lines there could be.
    """
    edges = sorted({0, cells, *(edge for _, start, stop in text.blocks for edge in (start, stop))})
    point = length / max(cells, 1)
    apart = max(_APART[0] * 72 / dpi, _APART[1]) / max(point, 1e-12)
    beside = {
        edge: (edge - before, after - edge) for before, edge, after in zip(edges, edges[1:], edges[2:], strict=False)
    }
    kept = [0, cells]
    for edge in sorted(beside, key=lambda edge: (-max(beside[edge]), -min(beside[edge]), edge)):
        place = bisect.bisect(kept, edge)
        if edge - kept[place - 1] >= apart and kept[place] - edge >= apart:
            kept.insert(place, edge)
    return [(edge, min(0.8, 0.25 + 0.02 * point * min(beside[edge]))) for edge in kept[1:-1]], len(beside)
