"""The page of three panels that `crantcli compare --plot` draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle
from strategies import SETTINGS

from crantcli.core.compare.histogram import WeightHistogram
from crantcli.core.compare.picture import ComparisonPicture
from crantcli.output.figures.comparison import draw_comparison

pytestmark = [pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]


def picture(rows: list[tuple[Any, Any, int]], changes: list[Any]) -> ComparisonPicture:
    a, b, pairs = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.array([], int),) * 3
    return ComparisonPicture(WeightHistogram(a, b, pairs), changes, "pairs", "a title with $signs$")


def bars(axes: Any) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


@SETTINGS
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 5000)).filter(lambda row: row[0] + row[1]),
        min_size=1, max_size=30, unique_by=lambda row: row[:2],
    )
)  # fmt: skip
def test_each_pair_is_counted_once_in_both_panels(rows: list[tuple[int, int, int]]) -> None:
    figure = draw_comparison(picture(rows, [("x", "y", *row[:2]) for row in rows[:15]]), dpi=50)
    weights, differences, changes = figure.axes[:3]
    changed = [row for row in rows if row[0] != row[1]]
    assert sum(bar.get_height() for bar in bars(differences)) == sum(row[2] for row in changed)
    less = sum(bar.get_height() for bar in bars(differences) if bar.get_x() < 0)
    assert less == sum(row[2] for row in changed if row[1] < row[0])
    total = sum(row[2] for row in rows)
    (drawn,) = weights.collections
    if total > 2000:
        assert isinstance(drawn, PolyCollection)
        counts: Any = drawn.get_array()
        assert counts.sum() == total
    else:
        assert len(drawn.get_offsets()) == len(rows)
    assert len(changes.get_yticks()) == min(15, len(rows))
    assert f"of {total:,} do not differ" in differences.get_title()


def test_one_more_synapse_has_a_bar_of_its_own() -> None:
    figure = draw_comparison(picture([(1, 2, 10), (2, 4, 5), (9, 1, 3)], []), dpi=50)
    heights = [bar.get_height() for bar in bars(figure.axes[1]) if bar.get_height()]
    assert heights == [3, 10, 5]


def test_the_legend_hides_no_change() -> None:
    """Nor does the title: both stand above the panel, whatever the last weights are."""
    changes = [(f"{n}", "x", 10, 1000) for n in range(15)]
    figure = draw_comparison(picture([(10, 1000, 15)], changes), dpi=50)
    figure.draw_without_rendering()
    axes = figure.axes[2]
    legend = axes.get_legend()
    assert legend is not None
    box = legend.get_window_extent()
    assert box.y0 >= axes.bbox.y1
    assert box.x0 >= axes.title.get_window_extent().x1


@pytest.mark.parametrize("rows", [[], [(0.5, 0.25, 3)], [(-3, 2, 1), (2, 2, 1)], [(5, 5, 1)]])
def test_little_is_drawn_too(rows: list[Any], tmp_path: Path) -> None:
    draw_comparison(picture(rows, []), dpi=50).savefig(tmp_path / "p.png")


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_the_command_draws_it_with_the_same_bytes_each_time(crant: Crant, tmp_path: Path, form: str) -> None:
    worm = (SAMPLE / "celegans_edges.csv", "-a", SAMPLE / "celegans_cells.csv", "--a", "side=L", "--b", "side=R")
    for name in ("one", "two"):
        done = crant("compare", *worm, "--by", "type", "--complete", "--plot", f"{name}.{form}")
        assert done.code == 0, done.err
    assert (tmp_path / f"one.{form}").read_bytes() == (tmp_path / f"two.{form}").read_bytes()


def test_the_largest_changes_stand_there_by_name(crant: Crant, tmp_path: Path) -> None:
    for name, weights in (("a", (5, 9)), ("b", (50, 9))):
        rows = zip(("x<y", "z"), ("q", "x<y"), weights, strict=True)
        pd.DataFrame(rows, columns=["pre", "post", "weight"]).to_csv(tmp_path / f"{name}.csv", index=False)
    done = crant("compare", "a.csv", "b.csv", "--all", "--plot", "p.svg")
    assert done.code == 0, done.err
    text = (tmp_path / "p.svg").read_text()
    assert "x&lt;y → q" in text
    assert "z → x" not in text
