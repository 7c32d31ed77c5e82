"""Draws skeletons with their synapses, seen from the front and from the side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.compartments import COMPARTMENTS, SPLIT, Split, split
from crantcli.core.geometry.skeleton import Skeleton
from crantcli.engine.duckdb import Engine
from crantcli.output.figures.save import save, save_pages
from crantcli.schema import NeuronId

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Rows and columns of a full page, which is A4, in inches; a picture of fewer skeletons is smaller.
_ROWS, _COLUMNS = 5, 2
_WIDTH, _CELL, _HEAD, _MARGIN = 8.27, 2.16, 0.55, 0.25

#: A second line of the legend, in inches.
_LINE = 0.2

#: Colours that the colour-blind tell apart (Okabe & Ito 2008), and grey for the skeleton.
COLOURS = {"pre": "#D55E00", "post": "#0072B2"}
_SKELETON = "#8C8C8C"

#: Those of compartments: lighter than sites that lie on them, and warm or cold as the sites that they have most of.
COMPARTMENT_COLOURS = {"axon": "#E69F00", "dendrite": "#56B4E9", "linker": "#404040", "unknown": "#BDBDBD"}

#: Widths of a skeleton, in points: one with compartments has to be seen between its sites.
_THIN, _THICK = 0.5, 1.1

#: Skeletons of more nodes, and more sites than this, become pixels in PDF and SVG, which would take megabytes of lines.
_VECTORS = 10_000
_DPI = 300

#: Type, in points.
_TYPE, _SMALL = 8.0, 6.5


@dataclass(frozen=True)
class Arbor:
    """A skeleton and its attached sites.

    Attributes
    ----------
    neuron : int or str
    skeleton : Skeleton
    sites : ndarray of float64, shape (sites, 3)
        In nm.
    side : ndarray of int, shape (sites,)
        0 for pre, 1 for post.
    split : Split or None
        Its compartments, where they are to be shown.
    """

    neuron: NeuronId
    skeleton: Skeleton
    sites: np.ndarray[Any, Any]
    side: np.ndarray[Any, Any]
    split: Split | None = None


def draw_pages(
    engine: Engine,
    relation: str,
    neurons: Sequence[NeuronId],
    load: Callable[[int], Skeleton],
    path: Path,
    suffix: str,
    metadata: dict[str, str],
    compartments: bool = False,
) -> int:
    """Draw skeletons with their sites: a PDF has as many pages as they need, another picture has one.

    Parameters
    ----------
    engine : Engine
    relation : str
        Sites as `core.attach.Attached` describes them.
    neurons : sequence of int or str
    load : function
        Gives the skeleton at a place.
    path : Path
        Where to write.
    suffix : {".png", ".pdf", ".svg"}
    metadata : dict of str to str
    compartments : bool
        Whether they are split into these.

    Returns
    -------
    int
        Number of skeletons drawn.
    """
    each = _ROWS * _COLUMNS
    starts = range(0, len(neurons), each)
    pages = (
        _page(list(_arbors(engine, relation, neurons, load, compartments, start, start + each)), compartments)
        for start in starts
    )
    if suffix != ".pdf":
        save(next(pages), path, suffix, metadata)
        return min(each, len(neurons))
    save_pages(pages, path, metadata)
    return len(neurons)


def _arbors(
    engine: Engine,
    relation: str,
    neurons: Sequence[NeuronId],
    load: Callable[[int], Skeleton],
    compartments: bool,
    start: int,
    stop: int,
) -> Iterator[Arbor]:
    """Skeletons `start` to `stop` with their sites, read again: only a page of them is held at a time."""
    import numpy as np

    found = engine.arrays(
        f"SELECT place, side, node_id, x, y, z FROM {relation} WHERE place >= {start} AND place < {stop} "
        "ORDER BY place, connector_id"
    )
    points = np.stack([found[axis] for axis in "xyz"], axis=1)
    for place in range(start, min(stop, len(neurons))):
        mine = slice(*np.searchsorted(found["place"], [place, place + 1]))
        skeleton, side = load(place), found["side"][mine]
        parts = None
        if compartments:
            node = np.searchsorted(skeleton.node_id, found["node_id"][mine])
            sites = (np.bincount(node[side == number], minlength=len(skeleton)) for number in (0, 1))
            parts = split(skeleton, *sites)
        yield Arbor(neurons[place], skeleton, points[mine], side, parts)


def _page(arbors: list[Arbor], compartments: bool) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 1 if len(arbors) <= 2 else _COLUMNS
    rows = -(-len(arbors) // columns)
    cell = _CELL * (1.6 if columns == 1 else 1.0)
    head = _HEAD + (_LINE if compartments else 0)
    height = head + rows * cell + _MARGIN
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    _legend(figure, height, compartments)
    width = (_WIDTH - 2 * _MARGIN) / columns
    for number, arbor in enumerate(arbors):
        row, column = divmod(number, columns)
        left, bottom = _MARGIN + column * width, height - head - (row + 1) * cell
        box = ((left + 0.1) / _WIDTH, (bottom + 0.3) / height, (width - 0.25) / _WIDTH, (cell - 0.68) / height)
        draw_arbors(figure.add_axes(box), arbor)
    return figure


def _legend(figure: Figure, height: float, compartments: bool) -> None:
    from matplotlib.lines import Line2D

    dots = [
        Line2D([], [], linestyle="none", marker="o", markersize=4, color=COLOURS[side], label=label)
        for side, label in (("pre", "presynaptic sites (outputs)"), ("post", "postsynaptic sites (inputs)"))
    ]
    if compartments:
        lines = [
            Line2D([], [], linewidth=2, color=colour, label="unknown (not split)" if name == "unknown" else name)
            for name, colour in COMPARTMENT_COLOURS.items()
        ]
        figure.legend(
            handles=lines, loc="center left", bbox_to_anchor=(_MARGIN / _WIDTH, 1 - (_HEAD / 2 + _LINE) / height),
            ncols=4, frameon=False, fontsize=_TYPE, handlelength=1.2, handletextpad=0.4, columnspacing=1.2,
            borderaxespad=0,
        )  # fmt: skip
    figure.legend(
        handles=dots, loc="center left", bbox_to_anchor=(_MARGIN / _WIDTH, 1 - _HEAD / 2 / height), ncols=2,
        frameon=False, fontsize=_TYPE, handlelength=1.2 if compartments else None,
        handletextpad=0.4 if compartments else 0.2, columnspacing=1.2, borderaxespad=0,
    )  # fmt: skip
    figure.text(
        1 - _MARGIN / _WIDTH, 1 - _HEAD / 2 / height, "front: x right, y down    side: z right, y down",
        ha="right", va="center", fontsize=_SMALL, color="0.35",
    )  # fmt: skip


def draw_arbors(axes: Axes, arbor: Arbor) -> None:
    """Draw one skeleton: front view, side view and scale bar in one coordinate system, so that all have one scale."""
    import numpy as np
    from matplotlib.collections import LineCollection

    points = np.concatenate([arbor.skeleton.xyz, arbor.sites])
    outputs, inputs = (int((arbor.side == number).sum()) for number in (0, 1))
    unsplit = "   not split" if arbor.split is not None and arbor.split.outcome != SPLIT else ""
    axes.set_title(
        f"{arbor.neuron}   {outputs:,} pre, {inputs:,} post{unsplit}",
        loc="left",
        fontsize=_TYPE,
        pad=12,
        parse_math=False,
    )
    axes.set_axis_off()
    if not len(points):
        axes.text(0.5, 0.5, "no nodes", ha="center", va="center", transform=axes.transAxes, fontsize=_TYPE)
        return
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(high - low, 1e-3 * max(float((high - low).max()), 1000.0))
    gap = 0.12 * (size[0] + size[2])
    views = ((0, 0.0, "front"), (2, float(size[0] + gap), "side"))
    lines, inks = _lines(arbor)
    colours = np.array([COLOURS["pre"], COLOURS["post"]])[arbor.side.astype(np.int64)]
    for axis, offset, label in views:
        seen = [np.stack([p[:, axis] - low[axis] + offset, p[:, 1] - low[1]], axis=1) for p in lines]
        axes.add_collection(
            LineCollection(
                seen, colors=inks, linewidths=_THIN if arbor.split is None else _THICK, capstyle="round",
                clip_on=False, rasterized=len(arbor.skeleton) > _VECTORS,
            )
        )  # fmt: skip
        axes.scatter(
            arbor.sites[:, axis] - low[axis] + offset, arbor.sites[:, 1] - low[1], c=colours, s=_dot(len(colours)),
            linewidths=0, zorder=2, clip_on=False, rasterized=len(colours) > _VECTORS,
        )  # fmt: skip
        axes.annotate(
            label, (offset, 0), (0, 2), textcoords="offset points", fontsize=_SMALL, color="0.35", annotation_clip=False
        )
    whole = float(size[0] + gap + size[2])
    _scale_bar(axes, whole, float(size[1]))
    axes.set(xlim=(0, whole), ylim=(size[1], 0))
    axes.set_aspect("equal", anchor="NW")


def _lines(arbor: Arbor) -> tuple[list[np.ndarray[Any, Any]], list[str]]:
    """The skeleton as lines of points, and the colour of each: an edge is of the compartment of its far end."""
    import numpy as np

    chains = arbor.skeleton.chains()
    if arbor.split is None:
        return [arbor.skeleton.xyz[chain] for chain in chains], [_SKELETON] * len(chains)
    lines, colours = [], []
    for chain in chains:
        codes = arbor.split.code[chain[:-1] or chain]
        cuts = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(codes)]
        for start, stop in pairwise(cuts):
            lines.append(arbor.skeleton.xyz[chain[start : stop + 1]])
            colours.append(COMPARTMENT_COLOURS[COMPARTMENTS[codes[start]]])
    return lines, colours


def _dot(sites: int) -> float:
    """Area of a dot in square points: fewer sites are larger."""
    return float(min(5.0, max(0.4, 500 / max(sites, 1))))


def _scale_bar(axes: Axes, width: float, height: float) -> None:
    """A bar of 1, 2 or 5 times a power of ten, at most a fifth of the width, below the views."""
    from matplotlib.transforms import ScaledTranslation

    length = scale_length(width / 5)
    figure = axes.get_figure(root=True)
    assert figure is not None
    below = axes.transData + ScaledTranslation(0, -8 / 72, figure.dpi_scale_trans)
    axes.plot(
        [0, length], [height] * 2, color="black", linewidth=1.2, solid_capstyle="butt", transform=below, clip_on=False
    )
    axes.annotate(
        f"{length / 1000:g} µm", (length, height), (4, -8), textcoords="offset points", fontsize=_SMALL, va="center",
        annotation_clip=False,
    )  # fmt: skip


def scale_length(most: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... nm that is not longer than `most`."""
    import math

    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most * (1 + 1e-9))
