"""Pictures of matrices: every connection is seen, none looks like one, and the file tells where it comes from."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from matplotlib.text import Text

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.question import Figure
from crantcli.errors import UsageError
from crantcli.output.figures.colours import lightness, number
from crantcli.output.figures.heatmap import AxisText, RenderedFigure, Style, draw_heatmap, reduce
from crantcli.output.figures.labels import spread_labels
from crantcli.output.figures.save import save
from crantcli.output.writers import find_writer
from crantcli.schema import KEY
from crantcli.text import in_python


def matrix(dense: np.ndarray, names: list[str] | None = None) -> LabelledMatrix:
    """A dense array with neurons numbered from 1, or named."""
    rows, columns = np.nonzero(dense)
    indptr = np.concatenate(([0], np.cumsum(np.count_nonzero(dense, axis=1))))
    pre, post = (np.arange(1, size + 1) if names is None else np.array(names) for size in dense.shape)
    return LabelledMatrix(pre, post, indptr, columns.astype(np.int32), dense[rows, columns])


def random_matrix(rows: int, columns: int, share: float = 0.1, largest: int = 9) -> np.ndarray:
    generator = np.random.default_rng(rows * 1000 + columns)
    return generator.integers(1, largest + 1, (rows, columns)) * (generator.random((rows, columns)) < share)


def typed(name: str, sizes: Sequence[int], untyped: int = 0, what: str = "neurons", cells: bool = False) -> AxisText:
    """An axis with blocks of these sizes."""
    ends = np.cumsum(sizes).tolist()
    families = ("ER", "hΔ", "PFN_", "MBON", "Å")
    blocks = tuple(
        (f"{families[i % 5]}{i}", end - size, end) for i, (size, end) in enumerate(zip(sizes, ends, strict=True))
    )
    labels = [str(576460752_000000000 + i) for i in range(ends[-1] + untyped)]
    return AxisText(name, labels, what=what, order="grouped by type", blocks=blocks, label_cells=cells)


def many_sizes(types: int, neurons: int) -> list[int]:
    """Sizes as in a brain: a few large types and many of one or two neurons."""
    share = np.random.default_rng(types).lognormal(0, 1.2, types)
    return np.maximum(1, share / share.sum() * neurons).astype(int).tolist()


def rendered(made: RenderedFigure) -> np.ndarray:
    """The part of the picture that the matrix covers, as RGB in 0..255."""
    canvas = made.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    everything = np.asarray(canvas.buffer_rgba())[..., :3]
    box, height = made.axes.get_window_extent(), everything.shape[0]
    edges = np.array([height - box.y1, height - box.y0, box.x0, box.x1])
    np.testing.assert_allclose(edges, edges.round(), atol=1e-6, err_msg="the matrix does not cover whole pixels")
    top, bottom, left, right = edges.round().astype(int)
    return everything[top:bottom, left:right]


def image_of(made: RenderedFigure) -> AxesImage:
    image = made.axes.images[0]
    assert isinstance(image, AxesImage)
    return image


def beside(made: RenderedFigure, axis: str) -> list[Text]:
    """Labels of the rows ("y") or columns ("x") in their order."""
    return [text for text in made.axes.texts if (text.get_horizontalalignment() == "right") == (axis == "y")]


def written(made: RenderedFigure, axis: str) -> list[str]:
    return [text.get_text() for text in beside(made, axis)]


def lines(made: RenderedFigure, zorder: float) -> list[np.ndarray]:
    """Positions of the boundaries of rows and of columns."""
    found = [made for made in made.axes.collections if made.get_zorder() == zorder]
    return [
        np.array([line[0, 1 if rows else 0] for line in collection.get_segments()])
        for rows, collection in zip((True, False), found, strict=True)
        if isinstance(collection, LineCollection)
    ]


def assert_tidy(made: RenderedFigure) -> None:
    """No text overlaps another or the matrix, and all of it is on the page."""
    renderer = made.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    everywhere = [
        text
        for text in made.figure.findobj(Text)
        if isinstance(text, Text) and text.get_visible() and text.get_text() not in ("", "no connections")
    ]
    boxes = np.array([text.get_window_extent(renderer).extents for text in everywhere])
    width, height = made.figure.bbox.size
    assert boxes[:, :2].min() >= 0
    assert boxes[:, 2].max() <= width
    assert boxes[:, 3].max() <= height
    everything = np.vstack([boxes, made.axes.get_window_extent().extents, made.figure.axes[-1].bbox.extents])
    low, high = everything[:, None, :2], everything[:, None, 2:]
    apart = ((high <= low.swapaxes(0, 1) + 0.5) | (high.swapaxes(0, 1) <= low + 0.5)).any(axis=2)
    clash = np.argwhere(~apart & ~np.eye(len(everything), dtype=bool))
    clash = clash[(clash < len(boxes)).any(axis=1)]
    names = [text.get_text() for text in everywhere] + ["matrix", "bar"]
    assert not len(clash), [(names[one], names[other]) for one, other in clash[:5]]


@pytest.mark.parametrize("shape", [(5, 7), (12, 3), (20, 20), (1, 40)])
@pytest.mark.parametrize("target", [(4, 4), (6, 9), (100, 100)])
def test_reduce_keeps_the_strongest_of_each_cell(shape: tuple[int, int], target: tuple[int, int]) -> None:
    dense = random_matrix(*shape, share=0.4)
    height, width = (min(size, limit) for size, limit in zip(shape, target, strict=True))
    expected = np.zeros((height, width))
    for row in range(shape[0]):
        for column in range(shape[1]):
            place = row * height // shape[0], column * width // shape[1]
            expected[place] = max(expected[place], dense[row, column])
    reduced = reduce(matrix(dense), *target)
    np.testing.assert_array_equal(np.nan_to_num(reduced), expected)
    np.testing.assert_array_equal(np.isnan(reduced), expected == 0)


def test_reduce_keeps_the_strongest_of_both_signs() -> None:
    dense = np.array([[1, -3, 0, 0], [0, 2, -1, 0], [5, 0, 0, 0], [-5, 0, 0, -4]])
    np.testing.assert_array_equal(reduce(matrix(dense), 2, 2), [[-3, -1], [5, -4]])
    np.testing.assert_array_equal(reduce(matrix(-np.abs(dense)), 2, 2), [[-3, -1], [-5, -4]])


def test_a_whole_brain_is_never_dense() -> None:
    neurons, many = 139_255, 300_000
    generator = np.random.default_rng(0)
    rows, columns = np.sort(generator.integers(0, neurons, many)), generator.integers(0, neurons, many)
    indptr = np.searchsorted(rows, np.arange(neurons + 1))
    ids = np.arange(neurons)
    made = draw_heatmap(LabelledMatrix(ids, ids, indptr, columns, np.ones(many, dtype=np.int64)), Style())
    assert made.facts["matrix"] == [neurons, neurons]
    assert made.facts["reduction"] == "maximum per pixel"
    assert made.facts["reduced_to"] == list(image_of(made).get_array().shape)  # type: ignore[union-attr]


@pytest.mark.parametrize("shape", [(7, 5), (30, 200), (260, 90)])
@pytest.mark.parametrize("figsize", [None, (5.3, 4.1)])
def test_every_cell_is_where_it_belongs(shape: tuple[int, int], figsize: tuple[float, float] | None) -> None:
    """Pixel by pixel: a cell covers its part of the picture, in the colour of its weight."""
    dense = random_matrix(*shape, share=0.3, largest=500)
    made = draw_heatmap(matrix(dense), Style(figsize=figsize, dpi=90))
    seen = rendered(made)
    image = image_of(made)
    colours = np.where(dense[..., None] > 0, image.to_rgba(np.where(dense > 0, dense, 1), bytes=True)[..., :3], 255)
    # The cell that the middle of a pixel lies in.
    rows, columns = (
        ((np.arange(pixels) + 0.5) * cells / pixels).astype(int)
        for pixels, cells in zip(seen.shape[:2], shape, strict=True)
    )
    np.testing.assert_array_equal(seen, colours[np.ix_(rows, columns)])


@pytest.mark.parametrize("neurons", [300, 700, 5000])
def test_no_single_connection_disappears(neurons: int) -> None:
    """Each row and column of a diagonal has dark colour, though boundaries and the frame pass everywhere."""
    axis = typed("presynaptic", [1] * (neurons // 2), untyped=neurons - neurons // 2)
    for style in (Style(figsize=(4, 4), dpi=100), Style(figsize=(4, 4), dpi=100, linewidth_scale=20)):
        made = draw_heatmap(matrix(np.diag(np.arange(1, neurons + 1))), style, axis, axis)
        dark = lightness(rendered(made) / 255) < 85
        for direction in (0, 1):
            assert dark.any(axis=direction).all()


@pytest.mark.parametrize("largest", [1, 9, 10_000])
def test_white_is_none_and_nothing_else(largest: int) -> None:
    dense = random_matrix(30, 40, share=0.2, largest=largest)
    dense[0, 0], dense[1, 1] = 1, largest
    made = draw_heatmap(matrix(dense), Style())
    image = image_of(made)
    colours = image.to_rgba(image.get_array())
    np.testing.assert_array_equal(colours[..., 3] == 0, dense == 0)
    brightness = lightness(colours)
    assert brightness[dense > 0].max() < 83, "the weakest connection is too light to be seen on white, in grey too"
    order = np.argsort(dense[dense > 0], kind="stable")
    assert (np.diff(brightness[dense > 0][order]) <= 1e-9).all(), "stronger is not darker"
    bar = made.figure.axes[1]
    assert bar.get_ylabel() == f"synapses{', log scale' if largest > 10 else ''} (white: none)"
    assert made.facts["colour_scale"]["zero"] == "white: no connection"


@pytest.mark.parametrize("cmap", ["viridis", "gray", "Greys", "cividis_r", "RdBu"])
def test_any_map_leaves_white_to_none(cmap: str) -> None:
    made = draw_heatmap(matrix(random_matrix(30, 40, share=0.4, largest=50)), Style(cmap=cmap))
    image = image_of(made)
    found = lightness(image.cmap(np.linspace(0, 1, 50)))
    assert found.max() < 83
    assert np.ptp(found) > 25


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("percentiles", [(0, 100), (5, 95), (0, 99.5), (30, 100), (50, 50.5)])
def test_percentiles_are_those_of_the_nonzero_weights(whole: bool, percentiles: tuple[float, float]) -> None:
    dense = random_matrix(80, 60, share=0.2, largest=1000)
    weights = dense if whole else dense / 7000
    low, high = np.percentile(weights[weights != 0], percentiles)
    style = Style(vmin_percentile=percentiles[0], vmax_percentile=percentiles[1], log=False)
    made = draw_heatmap(matrix(weights), style)
    scale = made.facts["colour_scale"]
    np.testing.assert_allclose((scale["vmin"], scale["vmax"]), (low, high), rtol=1e-12)
    norm = image_of(made).norm
    np.testing.assert_allclose((norm.vmin, norm.vmax), (low, high), rtol=1e-12)
    arrows = len(made.figure.axes[1].patches)
    assert arrows == int(low > weights[weights != 0].min()) + int(high < weights.max())
    colours = image_of(made).to_rgba(np.array([weights.max(), high, low, weights[weights != 0].min()]))
    np.testing.assert_array_equal(colours[0], colours[1])
    np.testing.assert_array_equal(colours[2], colours[3])


def test_a_scale_is_logarithmic_where_weights_spread_or_as_asked() -> None:
    narrow, wide = matrix(np.array([[1, 10]])), matrix(np.array([[1, 11]]))
    kinds = {
        (name, log): draw_heatmap(drawn, Style(log=log)).facts["colour_scale"]["kind"]
        for name, drawn in (("narrow", narrow), ("wide", wide))
        for log in (None, True, False)
    }
    assert kinds == {
        ("narrow", None): "linear", ("wide", None): "logarithmic",
        ("narrow", True): "logarithmic", ("wide", True): "logarithmic",
        ("narrow", False): "linear", ("wide", False): "linear",
    }  # fmt: skip


@pytest.mark.parametrize("log", [True, False])
def test_weights_of_both_signs_are_told_apart(log: bool) -> None:
    dense = np.array([[1, -1, 0], [200, -200, 30], [0, -7, 7]])
    made = draw_heatmap(matrix(dense), Style(log=log))
    image = image_of(made)
    assert (image.norm.vmin, image.norm.vmax) == (-200, 200)
    assert image.norm(-7) == pytest.approx(1 - image.norm(7))
    red, blue = (image.to_rgba(np.array([sign, 7 * sign, 200 * sign])) for sign in (1, -1))
    assert (red[:, 0] > red[:, 2]).all()
    assert (blue[:, 2] > blue[:, 0]).all()
    for side in (red, blue):
        assert lightness(side).max() < 83
        assert (np.diff(lightness(side)) < 0).all()
    assert made.facts["colour_scale"]["map"] == "RdBu_r"
    assert not made.notes
    told = map(in_python, draw_heatmap(matrix(dense), Style(cmap="viridis")).notes)
    assert list(told) == ["weights have both signs, which cmap viridis cannot show: drawn with RdBu_r"]
    assert draw_heatmap(matrix(dense), Style(cmap="PuOr")).facts["colour_scale"]["map"] == "PuOr"


@pytest.mark.parametrize("log", [True, False])
def test_of_negative_weights_the_strongest_is_darkest(log: bool) -> None:
    image = image_of(draw_heatmap(matrix(-np.array([[1, 5, 40, 300]])), Style(log=log)))
    assert (np.diff(lightness(image.to_rgba(-np.array([1.0, 5, 40, 300])))) < 0).all()


@pytest.mark.parametrize("weight", [1, 0.003, -2])
def test_equal_weights_have_one_colour(weight: float) -> None:
    made = draw_heatmap(matrix(np.eye(3) * weight), Style())
    assert [label.get_text() for label in made.figure.axes[1].get_yticklabels()] == [number(weight)]
    assert not made.figure.axes[1].patches


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (0.5, "0.5"), (1e-5, "0.00001"), (139_255, "139,255"), (0, "0"), (-20, "−20"), (1e6, "1,000,000")],
)
def test_numbers_are_for_people(value: float, text: str) -> None:
    assert number(value) == text


def test_axes_name_the_neurons_where_there_is_room() -> None:
    dense = random_matrix(20, 400)
    dense[0, 0] = 1
    made = draw_heatmap(matrix(dense), Style(quantity="weight"))
    assert written(made, "y") == [str(number) for number in range(1, 21)]
    assert written(made, "x") == ["0", "100", "200", "300"]
    assert made.axes.get_ylabel() == "presynaptic neurons (n = 20)"
    assert made.axes.get_xlabel() == "postsynaptic neurons (n = 400, in order of ID)"
    assert made.notes == []
    assert made.facts["labels"] == {"rows": {"written": 20, "of": 20, "what": "neurons"}}


def test_cells_are_square_unless_that_is_too_thin() -> None:
    box = draw_heatmap(matrix(random_matrix(40, 30)), Style()).axes.get_window_extent()
    assert box.height / box.width == pytest.approx(40 / 30)
    box = draw_heatmap(matrix(random_matrix(50, 50)), Style(figsize=(12, 5))).axes.get_window_extent()
    assert box.height == pytest.approx(box.width)
    box = draw_heatmap(matrix(random_matrix(3, 200)), Style()).axes.get_window_extent()
    assert box.height > 400


@pytest.mark.parametrize("figsize", [None, (16, 14), (5, 4)])
@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (50, 50), (500, 500), (50, 5), (12, 500)])
def test_labels_of_blocks_do_not_overlap(rows: int, columns: int, figsize: tuple[float, float] | None) -> None:
    axes = (
        typed(name, many_sizes(types, 12 * types), untyped=types // 10)
        for name, types in (("presynaptic", rows), ("postsynaptic", columns))
    )
    pre, post = axes
    dense = random_matrix(len(pre.cells), 1)
    made = draw_heatmap(
        LabelledMatrix(*(np.array(axis.cells) for axis in (pre, post)), *_spread_out(dense, len(post.cells))),
        Style(
            title="A title", quantity="fraction of the presynaptic neuron's output to neurons shown", figsize=figsize
        ),
        pre,
        post,
    )
    assert_tidy(made)
    told = made.facts["labels"]
    for name, axis, types, side in (("rows", pre, rows, "y"), ("columns", post, columns, "x")):
        labels = written(made, side)
        named = [label for label in labels if label != "untyped"]
        assert told[name] == {"written": len(named), "of": types, "what": "types"}
        order = {label: place for place, (label, *_) in enumerate(axis.blocks)}
        assert named == sorted(named, key=order.__getitem__)
        sizes = {label: stop - start for label, start, stop in axis.blocks}
        left_out = [size for label, size in sizes.items() if label not in named]
        assert min(sizes[label] for label in named) >= max(left_out, default=0), "not the largest"
        assert all(text.get_fontsize() >= 5 for text in beside(made, side))
        # What room there is, is used.
        assert len(named) == types or len(labels) > 0.07 * made.axes.get_window_extent().size["xy".index(side)] / 2.78


def _spread_out(column: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One connection in each row that has any, somewhere among so many columns."""
    rows = np.flatnonzero(column[:, 0])
    indptr = np.searchsorted(rows, np.arange(len(column) + 1))
    return indptr, rows * 7 % columns, column[rows, 0]


def test_a_line_leads_from_each_block_to_its_label() -> None:
    sizes = [1, 1, 1, 1, 200, 1, 1, 1]
    axis = typed("presynaptic", sizes)
    made = draw_heatmap(matrix(random_matrix(207, 207)), Style(), axis, axis)
    pointers = [each for each in made.axes.collections if each.get_zorder() not in (1, 3)]
    for side, collection, along in zip("yx", pointers, (1, 0), strict=True):
        assert isinstance(collection, LineCollection)
        for label, (_, start, stop), line in zip(
            beside(made, side), axis.blocks, collection.get_segments(), strict=True
        ):
            assert line[0][along] == pytest.approx((start + stop) / 2 - 0.5)
            assert line[-1][along] == pytest.approx(label.get_position()[along])


@given(st.lists(st.floats(0, 100), max_size=12).map(sorted), st.floats(0.1, 8))
def test_labels_move_as_little_as_possible(wanted: list[float], apart: float) -> None:
    """Against the max-min formula of isotonic regression."""
    found = spread_labels(wanted, apart, 1000.0)
    free = [place - position * apart for position, place in enumerate(wanted)]
    for i in range(len(free)):
        best = max(min(np.mean(free[j : k + 1]) for k in range(i, len(free))) for j in range(i + 1))
        assert found[i] - i * apart == pytest.approx(max(best, apart / 2), abs=1e-9)


def test_labels_stay_beside_their_axis() -> None:
    assert spread_labels([9.9, 9.9, 9.9], 2, 10) == [5, 7, 9]
    assert spread_labels([0, 0.1], 2, 10) == [1, 3]
    assert spread_labels([], 2, 10) == []


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_boundaries_stand_between_blocks(scale: float) -> None:
    pre, post = typed("presynaptic", [3, 1, 8], untyped=2), typed("postsynaptic", [5, 4])
    made = draw_heatmap(matrix(random_matrix(14, 9, share=0.5)), Style(linewidth_scale=scale), pre, post)
    for zorder in (1, 3):
        rows, columns = lines(made, zorder)
        assert sorted(rows) == [2.5, 3.5, 11.5]
        assert sorted(columns) == [4.5]
    assert made.facts["boundaries"] == {"rows": {"drawn": 3, "of": 3}, "columns": {"drawn": 1, "of": 1}}
    # As wide as asked.
    beneath = next(each for each in made.axes.collections if each.get_zorder() == 1)
    plain = draw_heatmap(matrix(random_matrix(14, 9, share=0.5)), Style(), pre, post)
    first = next(each for each in plain.axes.collections if each.get_zorder() == 1).get_linewidth()
    np.testing.assert_allclose(beneath.get_linewidth(), scale * np.asarray(first))


def test_boundaries_are_seen_through_empty_cells_and_do_not_crowd() -> None:
    axis = typed("presynaptic", [*[1] * 300, 300, 200])
    made = draw_heatmap(matrix(np.eye(800, dtype=np.int64)), Style(), axis, axis)
    found, _ = lines(made, 1)
    assert {299.5, 599.5} <= set(found.tolist())
    pixels = np.diff(np.sort(found)) * made.axes.get_window_extent().height / 800
    assert pixels.min() >= 7 - 1e-6
    assert made.facts["boundaries"]["rows"] == {"drawn": len(found), "of": 301}
    widths = next(each for each in made.axes.collections if each.get_zorder() == 1).get_linewidth()
    assert widths[found.tolist().index(599.5)] > 2 * widths[0], "not wider where blocks are larger"
    seen = rendered(made)
    row = round(600 * seen.shape[0] / 800)
    assert (seen[row - 2 : row + 3, : seen.shape[1] // 2].min(axis=(0, 2)) < 235).mean() > 0.95


def test_types_as_cells_are_labelled_the_strongest_first() -> None:
    names = [f"T{i}" for i in range(400)]
    dense = random_matrix(400, 400, share=0.05)
    axes = [AxisText(name, names, what="types") for name in ("presynaptic", "postsynaptic")]
    made = draw_heatmap(matrix(dense), Style(), *axes)
    assert_tidy(made)
    for side, total in (("y", dense.sum(axis=1)), ("x", dense.sum(axis=0))):
        chosen = [int(label[1:]) for label in written(made, side)]
        rest = np.delete(total, chosen)
        assert 30 < len(chosen) < 400
        assert total[chosen].min() >= rest.max()
    assert made.axes.get_ylabel() == "presynaptic types (n = 400)"
    assert in_python(made.notes[0]).endswith("of 400 types are labelled, the strongest: make figsize larger for more")
    few = draw_heatmap(
        matrix(dense[:30, :30]), Style(), *(AxisText(axis.name, names[:30], what="types") for axis in axes)
    )
    assert written(few, "y") == names[:30]


def test_labels_of_neurons_give_way_to_those_of_types() -> None:
    axis = typed("presynaptic", [40, 160], untyped=100, cells=True)
    made = draw_heatmap(matrix(random_matrix(300, 300)), Style(), axis, axis)
    assert written(made, "y") == ["ER0", "hΔ1", "untyped"]
    assert [text.get_color() for text in beside(made, "x")] == ["black", "black", "0.5"]
    assert len(made.notes) == 1
    assert made.notes[0].startswith("both axes: labels of neurons would be smaller than 4 pt")
    made = draw_heatmap(matrix(random_matrix(300, 300)), Style(figsize=(30, 30), dpi=60), axis, axis)
    assert written(made, "y") == list(axis.cells)
    assert made.notes == []


@pytest.mark.parametrize("figsize", [None, (4, 3)])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 200), (97, 97), (200, 3), (0, 0), (0, 3), (1, 40)])
def test_nothing_is_cut_off(shape: tuple[int, int], figsize: tuple[float, float] | None) -> None:
    dense = np.ones(shape, dtype=np.int64)
    long = [f"576460752{number:09}" for number in range(max(shape))]
    made = matrix(dense)
    ids = (np.array(long[:size], dtype="U18") for size in shape)
    assert_tidy(
        draw_heatmap(LabelledMatrix(*ids, made.indptr, made.indices, made.weights), Style("A title", figsize=figsize))
    )


@pytest.mark.parametrize("figsize", [None, (6, 5)])
def test_long_names_stay_on_the_page(figsize: tuple[float, float] | None) -> None:
    names = [f"a hemilineage-based name of a cell type {'with much to say ' * 9}{i}" for i in range(12)]
    axes = [AxisText(name, names, what="types") for name in ("presynaptic", "postsynaptic")]
    long = "quantity of which a great deal has to be said, and then said once more for safety"
    made = draw_heatmap(matrix(np.diag(np.arange(1, 13))), Style(title=long, quantity=long, figsize=figsize), *axes)
    assert_tidy(made)
    assert [in_python(note) for note in made.notes] == [
        "both axes: 12 labels are shortened to fit the picture: make figsize larger"
    ]
    assert all(label.endswith(f" {i}") and "…" in label for i, label in enumerate(written(made, "y")))


def test_a_page_too_small_is_refused() -> None:
    with pytest.raises(UsageError, match=r"figsize 2,2: too small"):
        draw_heatmap(matrix(np.eye(3)), Style(title="many words " * 40, figsize=(2, 2)))


@pytest.mark.parametrize("figsize", [(300, 2), (60, 2), (20, 2.5), (8, 2), (4, 2), (2, 300), (2, 9), (2.5, 2.5)])
@pytest.mark.parametrize("shape", [(3, 3), (1, 40), (40, 1), (200, 30)])
def test_pages_may_be_wide_and_flat(figsize: tuple[float, float], shape: tuple[int, int]) -> None:
    """Type is as small as they need, and beside the colour bar are as many numbers as have room."""
    made = draw_heatmap(matrix(random_matrix(*shape, share=0.5)), Style(figsize=figsize, dpi=50))
    assert_tidy(made)
    bar = made.figure.axes[-1]
    assert bar.get_window_extent().height > 3
    assert bar.get_yticklabels()


SIDES = (2, 2.6, 20, 300, 6000)


@pytest.mark.parametrize(("dpi", "title"), [(10, ""), (50, "a title"), (32_000, "")])
def test_any_page_is_drawn_or_refused(dpi: int, title: str) -> None:
    made = matrix(random_matrix(6, 4, share=0.5))
    blocks = AxisText("presynaptic", made.pre, blocks=(("ER2", 0, 2), ("a rather long name of a type", 2, 5)))
    refused = set()
    for figsize in itertools.product(SIDES, SIDES):
        try:
            draw_heatmap(made, Style(title=title, figsize=figsize, dpi=dpi), replace(blocks, label_cells=False))
        except UsageError as error:
            refused.add(str(error).split(" ")[0])
    assert refused == {"figsize"}


def test_an_empty_matrix_says_so() -> None:
    made = draw_heatmap(matrix(np.zeros((2, 3), dtype=np.int64)), Style())
    assert "no connections" in [text.get_text() for text in made.axes.texts]
    assert made.facts["connections"] == 0


def test_names_are_no_formulas() -> None:
    made = draw_heatmap(matrix(np.eye(2, dtype=np.int64), ["a$b", "c$_{$"]), Style("$t_1$", "$x_2$"))
    made.figure.draw_without_rendering()
    assert written(made, "x") == ["a$b", "c$_{$"]
    assert not any(text.get_parse_math() for text in made.figure.findobj(Text) if "$" in text.get_text())  # type: ignore[attr-defined]


def test_letters_that_the_font_lacks_are_noted(tmp_path: Path) -> None:
    made = draw_heatmap(matrix(np.eye(2, dtype=np.int64), ["hΔA", "字形"]), Style())
    assert made.notes == ["the picture's font lacks some letters, which become boxes in PNG and PDF: 字, 形"]
    save(made.figure, tmp_path / "new", ".svg", {KEY: "{}"})
    text = (tmp_path / "new").read_text()
    assert ">字形</text>" in text
    assert ">hΔA</text>" in text
    assert text.count("<image") == 2, "matrix and colour bar are one image each"
    save(made.figure, tmp_path / "new", ".png", {KEY: "{}"})


def test_a_users_settings_do_not_spoil_a_picture(tmp_path: Path) -> None:
    drawn = matrix(random_matrix(9, 9))
    for name, settings in (
        ("plain", {}),
        (
            "own",
            {
                "axes.grid": True,
                "figure.autolayout": True,
                "axes.linewidth": 4,
                "savefig.dpi": 30,
                "savefig.transparent": True,
            },
        ),
    ):
        with mpl.rc_context(settings):  # type: ignore[arg-type]
            save(draw_heatmap(drawn, Style()).figure, tmp_path / name, ".png", {KEY: "{}"})
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "own").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vmin_percentile": -1}, "vmin_percentile -1"),
        ({"vmax_percentile": 100.5}, "vmax_percentile 100.5"),
        ({"vmax_percentile": float("nan")}, "vmax_percentile nan"),
        ({"vmin_percentile": 50, "vmax_percentile": 50}, "50 is not below"),
        ({"figsize": (0, 5)}, "figsize 0,5"),
        ({"figsize": (5, -1)}, "figsize 5,-1"),
        ({"figsize": (5, float("inf"))}, "figsize 5,inf"),
        ({"figsize": (1, 1)}, "at least 2 inches"),
        ({"figsize": (400, 4)}, "too large"),
        ({"figsize": (100, 100), "dpi": 300}, "too large"),
        ({"dpi": 0}, "dpi 0"),
        ({"dpi": 100_000}, "dpi at 100000 dpi: too large"),
        ({"linewidth_scale": 0}, "linewidth_scale 0"),
        ({"linewidth_scale": float("nan")}, "linewidth_scale nan"),
        ({"linewidth_scale": 1e308}, "linewidth_scale 1e.308"),
        ({"figsize": (float("nan"), 5)}, "figsize nan,5"),
        ({"figsize": (1e308, 1e308)}, "too large"),
        ({"figsize": (2, 2), "dpi": 40_000}, "too large"),
        ({"dpi": 10**30}, "too large"),
        ({"cmap": "virdis"}, "cmap virdis: .*near names: viridis"),
        ({"cmap": "Pastel1"}, "cmap Pastel1: too light"),
    ],
)
def test_a_style_that_makes_no_picture_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Style(**changes)


def test_a_style_is_checked_without_matplotlib() -> None:
    code = (
        "import sys; from crantcli.output.figures.heatmap import Style; Style(); sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_labels_must_be_as_many_as_cells() -> None:
    with pytest.raises(ValueError, match="2 presynaptic labels for a matrix with 3"):
        draw_heatmap(matrix(np.eye(3)), Style(), AxisText("presynaptic", ["a", "b"]))


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_a_picture_tells_where_it_comes_from(suffix: str, crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "edges (1).csv").write_text("pre,post,weight\na,b,3\nβ,c\\),2\n<d>&,a,1\n")
    asked = ("adjacency", "edges (1).csv", "--pre", "β,<d>&,a", "--post", "id:c\\)", "--post", "b")
    for name in ("one", "two"):
        assert crant(*asked, "--plot", f"{name}.{suffix}").code == 0
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    told = json.loads(crant("info", f"one.{suffix}", "--json").text)
    assert told["kind"] == "picture"
    record = told["provenance"]
    assert record["command"] == "adjacency"
    assert [source["name"] for source in record["inputs"]] == ["edges (1).csv"]
    assert record["selection"]["pre"]["named"] == ["β", "<d>&", "a"]
    assert record["selection"]["post"]["named"] == ["c\\)", "b"]
    assert record["ledger"]["kept"] == 2
    assert record["picture"]["matrix"] == [2, 2]
    assert record["picture"]["colour_scale"]["kind"] == "linear"


def test_an_unknown_suffix_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match=r"matrix\.jpg.*\.png, \.pdf, \.svg"):
        find_writer(Figure, "matrix.jpg")
