"""Pictures of matrices: every connection is seen, none looks like one, and the file tells where it comes from."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Crant
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import AxesImage

from crantcli.core.adjacency import LabelledMatrix
from crantcli.errors import UsageError
from crantcli.output.heatmap import Style, check_picture, draw, reduce


def matrix(dense: np.ndarray, names: list[str] | None = None) -> LabelledMatrix:
    """A dense array with neurons numbered from 1, or named."""
    rows, columns = np.nonzero(dense)
    indptr = np.concatenate(([0], np.cumsum(np.count_nonzero(dense, axis=1))))
    pre, post = (np.arange(1, size + 1) if names is None else np.array(names) for size in dense.shape)
    return LabelledMatrix(pre, post, indptr, columns.astype(np.int32), dense[rows, columns])


def random_matrix(rows: int, columns: int, share: float = 0.1, largest: int = 9) -> np.ndarray:
    generator = np.random.default_rng(rows * 1000 + columns)
    return generator.integers(1, largest + 1, (rows, columns)) * (generator.random((rows, columns)) < share)


def pixels(drawn: LabelledMatrix, style: Style) -> np.ndarray:
    """The part of the picture that the matrix covers, as RGB in 0..255."""
    made = draw(drawn, style)
    figure, axes = made.figure, made.axes
    axes.spines[:].set_visible(False)
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    everything = np.asarray(canvas.buffer_rgba())[..., :3]
    box, height = axes.get_window_extent(), everything.shape[0]
    return everything[int(height - box.y1) : math.ceil(height - box.y0), int(box.x0) : math.ceil(box.x1)]


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


@pytest.mark.parametrize("neurons", [300, 700, 5000])
def test_no_single_connection_disappears(neurons: int) -> None:
    """Drawn with fewer pixels than neurons, each row and column of a diagonal still has colour."""
    seen = pixels(matrix(np.diag(np.arange(1, neurons + 1))), Style(figsize=(4, 4), dpi=100))
    coloured = (seen != 255).any(axis=2)
    for axis in (0, 1):  # the outermost pixels may lie half outside
        assert coloured.any(axis=axis)[1:-1].all()


@pytest.mark.parametrize("largest", [1, 9, 10_000])
def test_white_is_none_and_nothing_else(largest: int) -> None:
    dense = random_matrix(30, 40, share=0.2, largest=largest)
    dense[0, 0], dense[1, 1] = 1, largest
    drawn = draw(matrix(dense), Style())
    figure, axes = drawn.figure, drawn.axes
    image = axes.images[0]
    assert isinstance(image, AxesImage)
    colours = image.to_rgba(image.get_array())[..., :3]
    white = (colours == 1).all(axis=2)
    np.testing.assert_array_equal(white, dense == 0)
    brightness = colours.mean(axis=2)
    assert brightness[dense > 0].max() < 0.8, "the weakest connection is too light to be seen on white"
    order = np.argsort(dense[dense > 0], kind="stable")
    assert (np.diff(brightness[dense > 0][order]) <= 1e-9).all(), "stronger is not darker"
    bar = figure.axes[1]
    assert bar.get_ylabel() == f"synapses{', log scale' if largest > 10 else ''} (white: none)"
    assert not any("^" in label.get_text() for label in bar.get_yticklabels())


def test_axes_name_the_neurons_where_there_is_room() -> None:
    dense = random_matrix(20, 400)
    dense[0, 0] = 1
    axes = draw(matrix(dense), Style(quantity="weight")).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [str(number) for number in range(1, 21)]
    assert axes.get_ylabel() == "presynaptic (n = 20)"
    assert axes.get_xlabel() == "postsynaptic (n = 400, in order of ID)"
    assert axes.get_aspect() == "auto"
    assert draw(matrix(random_matrix(40, 30)), Style()).axes.get_aspect() == 1


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 200), (97, 97), (200, 3), (0, 0), (0, 3)])
def test_nothing_is_cut_off(shape: tuple[int, int]) -> None:
    dense = np.ones(shape, dtype=np.int64)
    long = [f"576460752{number:09}" for number in range(max(shape))]
    made = matrix(dense)
    figure = draw(
        LabelledMatrix(np.array(long[: shape[0]]), np.array(long[: shape[1]]), made.indptr, made.indices, made.weights),
        Style(),
    ).figure
    figure.draw_without_rendering()
    box, whole = figure.get_tightbbox(), figure.bbox_inches
    assert box.x0 >= -0.01
    assert box.y0 >= -0.01
    assert box.x1 <= whole.x1 + 0.01
    assert box.y1 <= whole.y1 + 0.01


def test_an_empty_matrix_says_so() -> None:
    axes = draw(matrix(np.zeros((2, 3), dtype=np.int64)), Style()).axes
    assert [text.get_text() for text in axes.texts] == ["no connections"]


def test_names_are_no_formulas() -> None:
    drawn = draw(matrix(np.eye(2, dtype=np.int64), ["a$b", "c$_{$"]), Style())
    figure, axes = drawn.figure, drawn.axes
    figure.draw_without_rendering()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a$b", "c$_{$"]


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


def test_an_unknown_suffix_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match=r"matrix\.jpg.*\.png, \.pdf, \.svg"):
        check_picture("matrix.jpg")
