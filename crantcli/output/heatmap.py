"""Draws labelled matrices as heatmaps, never dense: a picture has fewer pixels than a brain has pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.adjacency import LabelledMatrix
from crantcli.errors import CrantError, UsageError
from crantcli.schema import KEY

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

PICTURES = (".png", ".pdf", ".svg")

#: Where no size is given, in inches: the longer side of a matrix at most, its shorter side at least, and its cells at
#: most.
_LONG_SIDE, _SHORT_SIDE, _CELL = 6.0, 2.5, 0.4

#: Room for titles of axes and the colour bar, in inches.
_BESIDE = 1.4

#: Smallest and largest type, in points. IDs beside the axes that would need smaller type are left out.
_SMALLEST, _LARGEST = 4.0, 9.0

#: A scale that spans more than this factor is logarithmic.
_SPREAD = 10

#: Part of the colour map that is used: its lightest colours would be lost on white.
_COLOURS = (0.18, 1.0)


@dataclass(frozen=True)
class Style:
    """How a heatmap looks.

    Attributes
    ----------
    title : str
    quantity : str
        What a cell's colour stands for; labels the colour bar.
    figsize : tuple of float, or None
        Width and height in inches; None fits the picture to the matrix, with square cells where it is not too long.
    dpi : int
    cmap : str
        A perceptually uniform map from light to dark, readable in grey and for the colour-blind.
    """

    title: str = ""
    quantity: str = "synapses"
    figsize: tuple[float, float] | None = None
    dpi: int = 200
    cmap: str = "magma_r"
    log: bool | None = None
    vmin_percentile: float = 0.0
    vmax_percentile: float = 100.0
    linewidth_scale: float = 1.0


@dataclass(frozen=True)
class AxisText:
    """What stands beside one axis.

    Attributes
    ----------
    name : str
        Such as "presynaptic".
    cells : sequence of str, or ndarray
        Label of every cell.
    what : str
        What the cells are: "neurons" or "types".
    order : str
        Said beside the axis where neither cells nor blocks carry labels.
    blocks : tuple of (label, start, stop)
        Contiguous and ascending; cells after the last one are untyped.
    label_cells : bool
        Write each cell's own label where it fits, instead of those of the blocks.
    """

    name: str
    cells: Sequence[str] | np.ndarray[Any, Any]
    what: str = "neurons"
    order: str = "in order of ID"
    blocks: tuple[tuple[str, int, int], ...] = ()
    label_cells: bool = True


@dataclass(frozen=True)
class Drawn:
    """A picture, what its caption has to say, and what to tell the user."""

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
        sample or a mean, so that no strong single connection disappears.
    """
    import numpy as np

    rows, columns = matrix.shape
    shape = (min(rows, height), min(columns, width))
    image = np.full(shape, -np.inf)
    owner = np.repeat(np.arange(rows), np.diff(matrix.indptr))
    np.maximum.at(
        image,
        (owner * shape[0] // max(rows, 1), matrix.indices.astype(np.int64) * shape[1] // max(columns, 1)),
        matrix.weights,
    )
    image[np.isneginf(image)] = np.nan
    return image


def draw(matrix: LabelledMatrix, style: Style, rows: AxisText | None = None, columns: AxisText | None = None) -> Drawn:
    """Draw a matrix."""
    figure, axes = _draw(matrix, style)
    return Drawn(figure, axes, {}, [])


def _draw(matrix: LabelledMatrix, style: Style) -> tuple[Figure, Axes]:
    """Draw a matrix: rows are presynaptic, columns postsynaptic neurons.

    Returns
    -------
    tuple of Figure and Axes
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    rows, columns = matrix.shape
    sides = _sides(rows, columns, style.figsize)
    figure = Figure(figsize=style.figsize or _fitted(matrix, sides), dpi=style.dpi, layout="compressed")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(xlim=(-0.5, max(columns, 1) - 0.5), ylim=(max(rows, 1) - 0.5, -0.5), title=style.title)
    square = style.figsize is None and math.isclose(sides[0] * columns, sides[1] * rows)
    axes.set_aspect("equal" if square else "auto")
    _label(axes, matrix, sides)
    if not len(matrix.weights):
        axes.text(0.5, 0.5, "no connections", ha="center", va="center", transform=axes.transAxes)
        return figure, axes
    norm, colours = _norm(matrix), _colours(style.cmap)
    _colour_bar(figure, axes, ScalarMappable(norm, colours), matrix, style.quantity)
    # Lay everything out once: then it is known how many pixels the matrix has. Of more cells, some would not be drawn.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    box = axes.get_window_extent()
    axes.imshow(
        reduce(matrix, max(1, int(box.height)), max(1, int(box.width))),
        cmap=colours,
        norm=norm,
        interpolation="nearest",
        aspect=axes.get_aspect(),
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )
    return figure, axes


def _sides(rows: int, columns: int, figsize: tuple[float, float] | None) -> tuple[float, float]:
    """Height and width of the matrix in inches: square cells, unless it is too long or too small for them."""
    if figsize is not None:
        return max(1.0, figsize[1] - _BESIDE), max(1.0, figsize[0] - _BESIDE)
    longest = max(rows, columns, 1)
    longer = min(_LONG_SIDE, max(_SHORT_SIDE, _CELL * longest))
    return max(_SHORT_SIDE, longer * rows / longest), max(_SHORT_SIDE, longer * columns / longest)


def _fitted(matrix: LabelledMatrix, sides: tuple[float, float]) -> tuple[float, float]:
    """Width and height of a picture in inches: the matrix, and what stands beside it."""
    height, width = sides
    left = _written(matrix.pre, _type_size(len(matrix.pre), height))
    bottom = _written(matrix.post, _type_size(len(matrix.post), width))
    return width + left + _BESIDE, height + bottom + _BESIDE / 2


def _written(ids: np.ndarray[Any, Any], size: float) -> float:
    """Room for the longest ID, in inches: a character is about 0.64 of its type's size wide."""
    return 0.64 / 72 * size * max(map(len, map(str, ids.tolist()))) if size and len(ids) else 0.0


def _type_size(neurons: int, side: float) -> float:
    """Type for the IDs of so many neurons along so many inches, in points; 0 where it would be too small."""
    size = min(_LARGEST, 0.9 * 72 * side / max(neurons, 1))
    return size if size >= _SMALLEST else 0.0


def _norm(matrix: LabelledMatrix) -> Normalize:
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(matrix.weights.min()), float(matrix.weights.max())
    if low > 0 and high / low > _SPREAD:
        return LogNorm(low, high)
    # The scale starts at the weakest connection there can be: none is white, and no colour of the scale.
    low = min(low, 1.0)
    return Normalize(low, high if high > low else low + 1)


def _colours(name: str) -> Colormap:
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps[name](np.linspace(*_COLOURS, 256)), name).with_extremes(bad="white")


def _colour_bar(figure: Figure, axes: Axes, scale: Any, matrix: LabelledMatrix, quantity: str) -> None:
    """Numbers as people read them: 1, 2, 5, 10, and not powers of ten."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    bar = figure.colorbar(scale, ax=axes, shrink=0.8, pad=0.02)
    spread = isinstance(scale.norm, LogNorm)
    whole = matrix.weights.dtype.kind == "i"
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if spread else MaxNLocator(6, integer=whole))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    bar.ax.tick_params(labelsize=_LARGEST)
    bar.set_label(f"{quantity}{', log scale' if spread else ''} (white: none)", fontsize=_LARGEST)


def _label(axes: Axes, matrix: LabelledMatrix, sides: tuple[float, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis, ids, side, name in (
        (axes.yaxis, matrix.pre, sides[0], "presynaptic"),
        (axes.xaxis, matrix.post, sides[1], "postsynaptic"),
    ):
        size = _type_size(len(ids), side)
        axis.set_label_text(f"{name} (n = {len(ids):,}{'' if size else ', in order of ID'})", fontsize=_LARGEST)
        if size:
            names = [str(neuron) for neuron in ids.tolist()]
            turned = 90 if axis is axes.xaxis else 0
            # A dollar sign in an ID is no formula.
            axis.set_ticks(range(len(ids)), names, fontsize=size, rotation=turned, parse_math=False)
        else:
            axis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
            axis.set_tick_params(labelsize=_LARGEST)
    axes.tick_params(length=2)


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
