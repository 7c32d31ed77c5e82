"""Draws labelled matrices as heatmaps, never dense: a picture has fewer pixels than a brain has pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.adjacency import LabelledMatrix
from crantcli.errors import CrantError, UsageError
from crantcli.schema import KEY

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = (".png", ".pdf", ".svg")

#: More neurons than this on an axis, and their IDs are not written beside it.
_LABELLED = 60


@dataclass(frozen=True)
class Style:
    """How a heatmap looks.

    Attributes
    ----------
    title : str
    quantity : str
        What a cell's colour stands for; labels the colour bar.
    figsize : tuple of float
        Width and height in inches.
    dpi : int
    cmap : str
        A perceptually uniform map that is readable in grey and for the colour-blind.
    """

    title: str = ""
    quantity: str = "synapses"
    figsize: tuple[float, float] = (8.0, 7.0)
    dpi: int = 150
    cmap: str = "viridis_r"


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


def draw(matrix: LabelledMatrix, style: Style) -> tuple[Figure, Axes]:
    """Draw a matrix: rows are presynaptic, columns postsynaptic neurons.

    Returns
    -------
    tuple of Figure and Axes
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=style.figsize, dpi=style.dpi, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    pixels = int(min(style.figsize) * style.dpi)
    image = reduce(matrix, pixels, pixels)
    present = image[np.isfinite(image)]
    low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 1.0)
    spread = low > 0 and high / low > 30
    norm = LogNorm(low, high) if spread else Normalize(min(low, 0.0), high if high > low else low + 1)
    rows, columns = matrix.shape
    if image.size:
        shown = axes.imshow(
            image,
            cmap=colormaps[style.cmap].with_extremes(bad="white"),
            norm=norm,
            interpolation="nearest",
            aspect="auto",
            extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        )
        bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02)
        bar.set_label(style.quantity + " (white: none" + (", logarithmic scale)" if spread else ")"))
    else:
        axes.text(0.5, 0.5, "no connections", ha="center", va="center", transform=axes.transAxes)
    _label(axes, matrix)
    if style.title:
        axes.set_title(style.title, fontsize=11)
    return figure, axes


def _label(axes: Axes, matrix: LabelledMatrix) -> None:
    rows, columns = matrix.shape
    axes.set_ylabel(f"presynaptic neurons (n = {rows:,})")
    axes.set_xlabel(f"postsynaptic neurons (n = {columns:,})")
    for axis, ids, turned in ((axes.yaxis, matrix.pre, 0), (axes.xaxis, matrix.post, 90)):
        if 0 < len(ids) <= _LABELLED:
            size = max(3.5, min(9.0, 330.0 / len(ids)))
            axis.set_ticks(range(len(ids)), [str(neuron) for neuron in ids.tolist()], fontsize=size, rotation=turned)
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
