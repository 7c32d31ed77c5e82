"""The flow diagram that `crantcli paths --plot` draws."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from strategies import SETTINGS
from test_paths import dense, networks

from crantcli.core.network.diagram import FlowPanel, FlowPicture, flow_panel
from crantcli.core.network.flow import effective_inputs
from crantcli.output.figures.flow import draw_flow

WORM = (SAMPLE / "celegans_edges.csv", "-a", SAMPLE / "celegans_cells.csv")


def texts(figure: Any) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@SETTINGS
@given(drawn=networks(), steps=st.integers(1, 5), groups=st.integers(1, 4), seed=st.integers(0, 99), to=st.booleans())
def test_what_comes_in_goes_out_or_has_arrived(drawn: Any, steps: int, groups: int, seed: int, to: bool) -> None:
    """Bars without targets are the means of the table; with targets all of the flow is their input from the seeds."""
    edges, seeds = drawn
    neurons, matrix = dense(edges)
    fractions = csr_array(matrix.T)
    starts = np.flatnonzero(np.isin(neurons, seeds))
    shares = effective_inputs(fractions, starts, steps).fraction
    chance = random.Random(seed)
    codes = np.array([chance.randrange(groups) for _ in neurons])
    targets = np.array(sorted(chance.sample(range(len(neurons)), chance.randint(1, len(neurons))))) if to else None
    panel = flow_panel("s", fractions, shares, codes, groups, targets)
    for step in range(1, steps + 1):
        for group in range(groups):
            came = panel.first[group] if step == 1 else panel.links[step - 2, :, group].sum()
            assert came == pytest.approx(panel.heights[step, group], abs=1e-12)
            if targets is None and (codes == group).any():
                assert panel.heights[step, group] == pytest.approx(shares[step, codes == group].mean(), abs=1e-12)
            if targets is not None:
                gone = panel.links[step - 1, group].sum() if step < steps else 0
                assert gone + panel.arrived[step, group] == pytest.approx(panel.heights[step, group], abs=1e-12)
    if targets is not None:
        assert panel.first.sum() == pytest.approx(sum(shares[step, targets].mean() for step in range(1, steps + 1)))
        assert panel.arrived.sum() == pytest.approx(panel.first.sum())


def picture(heights: Any, names: list[str]) -> FlowPicture:
    made = np.array(heights, float)
    steps, groups = made.shape[0] - 1, made.shape[1]
    links = np.zeros((steps - 1, groups, groups))
    for step in range(steps - 1):
        links[step] = made[step + 2][None, :] / groups
    return FlowPicture(names, [FlowPanel("a $set$", made, np.zeros_like(made), made[1].copy(), links)], None)


def test_groups_are_named_and_small_ones_are_one() -> None:
    figure = draw_flow(
        picture([[0, 0, 0, 0], [0.5, 0.1, 0.001, 0.002], [0.2, 0.3, 0.002, 0.001]], ["a", "b", "c"]), dpi=50
    )
    shown = texts(figure)
    assert {"a  0.2", "b  0.3", "2 others  0.003", "seeds", "1 step", "2 steps"} <= set(shown)
    figure = draw_flow(picture([[0, 0], [0.5, 0.001]], ["a", "c"]), dpi=50)
    assert {"a  0.5", "c  0.001"} <= set(texts(figure))
    assert figure.axes[0].get_title(loc="left").startswith("from a $set$: mean part of each group's input, 1 step back")


@pytest.mark.parametrize("heights", [[[0.0, 0.0]] * 3, [[0.0], [1.0]], [[0.0] * 60, [0.01] * 60, [0.02] * 60]])
def test_little_and_much_is_drawn(heights: Any, tmp_path: Path) -> None:
    draw_flow(picture(heights, [f"g{place}" for place in range(len(heights[0]))]), dpi=50).savefig(tmp_path / "p.png")


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_the_command_draws_it_with_the_same_bytes_each_time(crant: Crant, tmp_path: Path, form: str) -> None:
    chosen = ("paths", *WORM, "--from", "smell=cell_type=AWC", "--from", "touch=AVM", "--by", "cell_class", "-q")
    for name in ("one", "two"):
        assert crant(*chosen, "--to", "cell_class=motor", "--plot", f"{name}.{form}").code == 0
    assert (tmp_path / f"one.{form}").read_bytes() == (tmp_path / f"two.{form}").read_bytes()
    assert crant(*chosen, "--list", "2", "--plot", f"list.{form}", "-o", "p.csv").code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--from", "AWCL"], "at most 60 groups, and there are 446; make fewer with --by COLUMN"),
        (["--from", "AWCL", "--by", "type"], "at most 60 groups"),
        ([f"--from={name}=AWCL" for name in "abcdefg"] + ["--by", "cell_class"], "at most 6 sets of seeds"),
    ],
)
def test_what_is_too_much_for_a_picture_is_said_and_nothing_is_written(
    crant: Crant, tmp_path: Path, more: list[str], said: str
) -> None:
    done = crant("paths", *WORM, *more, "-o", "f.csv", "--layers", "l.csv", "--plot", "p.png")
    assert (done.code, said in done.err) == (2, True), done.err
    assert list(tmp_path.glob("*.[cp]*")) == []
