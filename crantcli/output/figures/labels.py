"""Labels beside the axes of a heatmap: which are written, how large, and where, so that none overlaps another."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np

#: Smallest type in points: of labels that stand each beside its own cell, and of labels that a line leads to.
SMALLEST_CELL, SMALLEST = 4.0, 5.0

#: How densely labels of blocks are packed at most before they get smaller, and how densely where they must be chosen:
#: what is left over lets them stand near their blocks.
_PACKED, _CHOSEN = 0.75, 0.8

#: Line height that is reckoned with before labels are measured, in ems.
_LINE = 1.0

UNTYPED = "untyped"


@dataclass(frozen=True)
class AxisText:
    """What stands beside one axis.

    Attributes
    ----------
    name : str
        What the axis is, such as "presynaptic".
    cells : sequence of str, or ndarray
        Label of every row or column: neuron IDs, or cell types.
    what : str
        What the cells are: "neurons" or "types". Said with their number: "presynaptic neurons (n = 1,234)".
    order : str
        Said beside the axis where neither cells nor blocks carry labels.
    blocks : tuple of (label, start, stop)
        Cells `start` to `stop` (exclusive) belong together. Contiguous and ascending; cells after the last block are
        untyped.
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
class Labels:
    """Labels of one axis as they are written.

    Attributes
    ----------
    texts : list of str
    anchors : list of float
        Middle of what each label names, in points from the axis's start.
    places : list of float
        Middle of each label, in points from the axis's start.
    grey : list of bool
        Labels of what has no name.
    size : float
        Type size in points.
    width : float
        Room for the longest label across the axis, in points.
    leader : float
        Length of the lines from blocks to labels across the axis, in points; 0 without such lines.
    of : int
        How many could have been written.
    kind : str
        "cells", "blocks", or "numbers".
    notes : list of str
    """

    texts: list[str] = field(default_factory=list)
    anchors: list[float] = field(default_factory=list)
    places: list[float] = field(default_factory=list)
    grey: list[bool] = field(default_factory=list)
    size: float = 0.0
    width: float = 0.0
    leader: float = 0.0
    of: int = 0
    kind: str = "numbers"
    notes: list[str] = field(default_factory=list)

    @property
    def written(self) -> int:
        """How many labels name a cell or a block."""
        return 0 if self.kind == "numbers" else len(self.texts) - sum(self.grey)


class TextMeasurer:
    """Measures text in ems, character by character, as the picture's font has them.

    Attributes
    ----------
    missing : set of str
        Characters met that the font does not have.
    """

    def __init__(self) -> None:
        from matplotlib.backends.backend_agg import RendererAgg
        from matplotlib.font_manager import FontProperties

        # At a large size no rounding to pixels disturbs.
        self._renderer: Any = RendererAgg(8, 8, 72)  # type: ignore[no-untyped-call]
        self._font = FontProperties(size=100)
        self._known: dict[str, tuple[float, float, float]] = {}
        self.missing: set[str] = set()

    def _character(self, character: str) -> tuple[float, float, float]:
        """Advance, height above and depth below the base line."""
        if character not in self._known:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                measure = self._renderer.get_text_width_height_descent
                width, height, depth = measure(f"x{character}x", self._font, False)
            if any("missing from" in str(warning.message) for warning in told):
                self.missing.add(character)
            between = self._character("")[0] if character else 0.0
            self._known[character] = width / 100 - between, (height - depth) / 100, depth / 100
        return self._known[character]

    def width(self, text: str) -> float:
        """Width of a text in ems, a little generous: rounding to pixels must not push it off the page."""
        return 1.03 * sum(self._character(character)[0] for character in text) + 0.1

    def line(self, texts: Sequence[str]) -> float:
        """Height of the tallest line in ems; no less than that of letters with a tail."""
        sizes = [self._character(character) for character in {*"lp", *"".join(texts)}]
        return max(size[1] for size in sizes) + max(size[2] for size in sizes) + 0.02

    def wrap(self, text: str, ems: float) -> list[str]:
        """Break a text between words into lines no wider than so many ems; a word that is wider stands alone."""
        lines: list[str] = []
        for word in text.split():
            if lines and self.width(f"{lines[-1]} {word}") <= ems:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return lines

    def shorten(self, text: str, ems: float) -> str:
        """Leave out the middle of a text that is wider than so many ems."""
        if self.width(text) <= ems:
            return text
        keep = len(text) - 1
        while keep > 1 and self.width(_without_middle(text, keep)) > ems:
            keep -= 1
        return _without_middle(text, keep)


def _without_middle(text: str, keep: int) -> str:
    return f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}"


def without_marks(label: Any) -> str:
    """A label as one line."""
    return "".join(character if character.isprintable() else " " for character in str(label))


def spread_labels(wanted: Sequence[float], apart: float, length: float) -> list[float]:
    """Move points along a line as little as possible until they are `apart`, and within the line.

    The smallest sum of squared displacements. With `apart` taken off step by step it is a regression by a sequence
    that does not fall, which pooling adjacent violators solves exactly (Ayer et al. 1955, Ann. Math. Stat. 26:641);
    its solution between bounds is the free one, cut to them.

    Parameters
    ----------
    wanted : sequence of float
        Ascending.
    apart : float
    length : float
        Points stay within apart / 2 and length - apart / 2, if there is room for them all.

    Returns
    -------
    list of float
        Ascending, in the order of `wanted`.
    """
    pools: list[tuple[float, int]] = []  # mean of what was wanted, how many
    for position, place in enumerate(wanted):
        mean, many = place - position * apart, 1
        while pools and pools[-1][0] >= mean:
            before, members = pools.pop()
            mean, many = (before * members + mean * many) / (members + many), members + many
        pools.append((mean, many))
    free = [mean for mean, many in pools for _ in range(many)]
    low, high = apart / 2, length - apart / 2 - (len(free) - 1) * apart
    if high < low:
        low = high = (low + high) / 2
    return [min(max(place, low), high) + position * apart for position, place in enumerate(free)]


@dataclass(frozen=True)
class Side:
    """One axis of a picture: what stands beside it and how much room there is.

    Attributes
    ----------
    text : AxisText
    cells : int
    length : float
        Length of the axis in points.
    largest : float
        Largest type in points.
    room : float
        How wide labels may be across the axis, in points.
    pixel : float
        Size of a pixel in points.
    weigh : callable
        Total weight of cells `start` to `stop` of each of the blocks given: of equally large ones the strongest are
        labelled.
    """

    text: AxisText
    cells: int
    length: float
    largest: float
    room: float
    pixel: float
    weigh: Callable[[Sequence[tuple[str, int, int]]], Sequence[float]]


def write_labels(side: Side, measurer: TextMeasurer) -> Labels:
    """Choose the labels of an axis: of each cell where they fit, else of blocks, else numbers."""
    text, notes = side.text, []
    if text.label_cells and side.cells:
        if side.length / side.cells >= SMALLEST_CELL * _LINE:
            labels = [without_marks(cell) for cell in _as_list(text.cells)]
            line = measurer.line(labels)
            size = min(side.largest, (side.length / side.cells - 1.5 * side.pixel) / line)
            if size >= SMALLEST_CELL:
                return _cells(side, measurer, labels, size)
        if text.blocks:
            needed = side.cells * (SMALLEST_CELL * measurer.line(()) + 1.5 * side.pixel) / 72
            notes = [
                f"labels of {text.what} would be smaller than {SMALLEST_CELL:g} pt, so types are labelled: that would "
                f"take a matrix {needed:,.0f} inches long ({P.figsize})"
            ]
    blocks = list(text.blocks)
    if not blocks and text.label_cells and text.what == "types":
        blocks = [(label, place, place + 1) for place, label in enumerate(_as_list(text.cells))]
    if blocks:
        return _blocks(side, measurer, blocks, notes)
    return _numbers(side, measurer)


def _as_list(cells: Sequence[str] | np.ndarray[Any, Any]) -> list[Any]:
    return list(cells) if isinstance(cells, Sequence) else list(cells.tolist())


def _fitted(
    measurer: TextMeasurer, texts: list[str], size: float, smallest: float, room: float
) -> tuple[list[str], float]:
    """Make type smaller, and then names shorter, until they fit across; texts and size."""
    widest = max(map(measurer.width, texts), default=0.0)
    if widest * size > room:
        size = max(smallest, min(size, room / widest))
        texts = [measurer.shorten(text, room / size) for text in texts]
    return texts, size


def _shortened(texts: list[str], whole: list[str]) -> list[str]:
    many = sum(text != other for text, other in zip(texts, whole, strict=True))
    return [f"{many:,} labels are shortened to fit the picture: make {P.figsize} larger"] if many else []


def _cells(side: Side, measurer: TextMeasurer, labels: list[str], size: float) -> Labels:
    texts, size = _fitted(measurer, labels, size, SMALLEST_CELL, side.room)
    middles = [(place + 0.5) * side.length / side.cells for place in range(side.cells)]
    return Labels(
        texts, middles, middles, [False] * side.cells, size, max(map(measurer.width, texts)) * size,
        of=side.cells, kind="cells", notes=_shortened(texts, labels),
    )  # fmt: skip


def _blocks(side: Side, measurer: TextMeasurer, named: list[tuple[str, int, int]], notes: list[str]) -> Labels:
    blocks = [(label, start, stop, False) for label, start, stop in named if stop > start]
    if blocks and blocks[-1][2] < side.cells:
        blocks.append((UNTYPED, blocks[-1][2], side.cells, True))
    most = int(_CHOSEN * side.length / (SMALLEST * measurer.line(()) + 1.5 * side.pixel))
    chosen = blocks
    if len(blocks) * SMALLEST > side.length * _CHOSEN:
        weights = side.weigh([block[:3] for block in blocks])
        rank = sorted(range(len(blocks)), key=lambda i: (blocks[i][1] - blocks[i][2], -weights[i], i))
        chosen = [blocks[i] for i in sorted(rank[: max(1, most)])]
    whole = [without_marks(block[0]) for block in chosen]
    line = measurer.line(whole)
    size = (_PACKED * side.length / max(len(chosen), 1) - 1.5 * side.pixel) / line
    size = min(side.largest, max(SMALLEST, size))
    texts, size = _fitted(measurer, whole, size, SMALLEST, side.room)
    apart = line * size + 1.5 * side.pixel
    if len(texts) > (fit := max(1, int(side.length / apart))):  # taller letters than reckoned with
        weights = [block[2] - block[1] for block in chosen]
        keep = sorted(sorted(range(len(texts)), key=lambda i: (-weights[i], i))[:fit])
        texts, whole, chosen = [texts[i] for i in keep], [whole[i] for i in keep], [chosen[i] for i in keep]
    anchors = [(block[1] + block[2]) / 2 * side.length / side.cells for block in chosen]
    places = spread_labels(anchors, apart, side.length)
    farthest = max((abs(a - b) for a, b in zip(anchors, places, strict=True)), default=0.0)
    named_all, written = sum(not block[3] for block in blocks), sum(not block[3] for block in chosen)
    if written < named_all:
        which = "largest" if len({block[2] - block[1] for block in blocks}) > 1 else "strongest"
        notes = [
            *notes,
            f"{written:,} of {named_all:,} types are labelled, the {which}: make {P.figsize} larger for more",
        ]
    return Labels(
        texts, anchors, places, [block[3] for block in chosen], size, max(map(measurer.width, texts), default=0) * size,
        leader=0.0 if farthest < 0.35 * apart else side.largest / 9 * min(26.0, 8 + 0.3 * farthest),
        of=named_all, kind="blocks", notes=[*notes, *_shortened(texts, whole)],
    )  # fmt: skip


def _numbers(side: Side, measurer: TextMeasurer) -> Labels:
    """Positions along the axis, counted from 0, as many as have room."""
    size = side.largest
    if not side.cells:
        return Labels(size=size)
    longest = measurer.width(f"{side.cells:,}") * size
    step = 1
    while math.ceil(side.cells / step) > max(2, min(6, side.length / (1.4 * longest))):
        step = {1: 2, 2: 5, 5: 10}[int(str(step)[0])] * 10 ** (len(str(step)) - 1)
    numbers = range(0, side.cells, step)
    middles = [(number + 0.5) * side.length / side.cells for number in numbers]
    texts = [f"{number:,}" for number in numbers]
    return Labels(texts, middles, middles, [False] * len(texts), size, max(map(measurer.width, texts)) * size)
