"""The page in a browser, offline: each control, what is said on the screen against the table, and hostile names."""

from __future__ import annotations

import csv
import io
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pages
import pandas as pd
import pytest
from conftest import ROOT, Crant
from pages import Screen

import crantcli as cc

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

EDGES, CELLS = ROOT / "sample_data" / "celegans_edges.csv", ROOT / "sample_data" / "celegans_cells.csv"


@pytest.fixture(scope="module")
def worm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("worm") / "worm.html"
    question = cc.questions.View()  # type: ignore[attr-defined]
    path.write_text(cc.ask(question, source=EDGES, annotations=CELLS, cell_type_column="cell_class"), encoding="utf-8")
    return path


def table() -> pd.DataFrame:
    """The edges of the worm without autapses, with the classes of both cells and fractions."""
    edges = pd.read_csv(EDGES)
    edges = edges[edges["pre"] != edges["post"]].copy()
    cells = pd.read_csv(CELLS)
    classes = dict(zip(cells.iloc[:, 0], cells["cell_class"], strict=True))
    edges["pre_type"], edges["post_type"] = edges["pre"].map(classes), edges["post"].map(classes)
    edges["of_input"] = edges["weight"] / edges.groupby("post")["weight"].transform("sum")
    edges["of_output"] = edges["weight"] / edges.groupby("pre")["weight"].transform("sum")
    return edges


def ids(screen: Screen) -> list[str]:
    return list(screen.run("return state.sides[0].ids"))


def percent(value: float) -> str:
    """Three digits; halves go up, as in JavaScript."""
    exact = Decimal(100 * value)
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 2), ROUND_HALF_UP)
    return f"{float(rounded):g} %"


def test_the_first_picture(screen: Screen, worm: Path) -> None:
    screen.open(worm)
    edges = table()
    assert screen.text("title") == "celegans_edges.csv"
    assert f"{len(edges):,} connected pairs" in screen.text("size")
    assert (screen.text("low"), screen.text("high")) == ("1", str(edges["weight"].max()))
    assert not screen.find("left-out").is_displayed()
    # The picture fits on the page, and the strongest pair has the last colour of the scale.
    strongest = edges.loc[edges["weight"].idxmax()]
    names = ids(screen)
    place = names.index(strongest["pre"]) + 0.5, names.index(strongest["post"]) + 0.5
    assert screen.colour(*place) == tuple(screen.run("return plot.colours.positive[255]"))


def test_a_strong_pair_is_seen_from_afar(screen: Screen, tmp_path: Path) -> None:
    """A single strong pair among 4,000 neurons, in a canvas of a few hundred pixels, at every step of zooming."""
    number = 4000
    ring = pd.DataFrame({"pre": range(1, number), "post": range(2, number + 1), "weight": 1})
    # Weak ones around it, before it and behind it in every cell.
    near = pd.DataFrame(
        [(row, column, 1) for row in range(3202, 3219) for column in range(9, 26)], columns=ring.columns
    )
    near.loc[(near["pre"] == 3210) & (near["post"] == 17), "weight"] = 500
    edges = pd.concat([ring, near])
    path = tmp_path / "p.html"
    path.write_text(cc.ask(cc.questions.View(), source=edges), encoding="utf-8")  # type: ignore[attr-defined]
    screen.open(path, width=500)
    for _ in range(8):
        seen = screen.drawn(
            "const {area, canvas, colours} = plot;"
            "const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');"
            "copy.drawImage(canvas, 0, 0);"
            "const data = copy.getImageData(area.x, area.y, area.width, area.height).data;"
            "const [r, g, b] = colours.positive[255]; let n = 0;"
            "for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i+1] === g && data[i+2] === b) n++;"
            "return n;"
        )
        assert seen >= 1
        screen.run("plot.zoom(1.7, plot.x(16.5), plot.y(3209.5))")


def test_what_is_said_of_a_pair(screen: Screen, worm: Path) -> None:
    screen.open(worm)
    names, edges = ids(screen), table()
    for row in edges.sample(5, random_state=1).itertuples():
        place = names.index(row.pre), names.index(row.post)
        screen.run("plot.look({top: arguments[0] - 5, left: arguments[1] - 5, height: 11, width: 11})", *place)
        screen.mouse((place[0] + 0.5, place[1] + 0.5))
        assert screen.tip() == {
            "pre": f"{row.pre} ({row.pre_type})", "post": f"{row.post} ({row.post_type})", "weight": str(row.weight),
            "of input": percent(row.of_input), "of output": percent(row.of_output),
        }  # fmt: skip
    linked = set(zip(edges["pre"], edges["post"], strict=True))
    place = next((i, j) for i in range(len(names)) for j in range(len(names)) if (names[i], names[j]) not in linked)
    screen.run("plot.look({top: arguments[0] - 5, left: arguments[1] - 5, height: 11, width: 11})", *place)
    screen.mouse((place[0] + 0.5, place[1] + 0.5))
    assert screen.tip()["weight"] == "none"


def test_from_afar_the_strongest_is_named(screen: Screen, worm: Path) -> None:
    screen.open(worm, width=400)
    names, edges = ids(screen), table()
    strongest = edges.loc[edges["weight"].idxmax()]
    assert screen.run("return plot.levels()") == [1, 1]
    # The middle of the two by two pairs that are one pixel.
    screen.mouse((names.index(strongest["pre"]) // 2 * 2 + 1, names.index(strongest["post"]) // 2 * 2 + 1))
    told = screen.tip()
    assert told["weight"] == str(strongest["weight"])
    assert told["here"].endswith("of 4 pairs in this pixel")


def test_layers_values_scales_and_orders(screen: Screen, worm: Path) -> None:
    screen.open(worm)
    edges = table()
    for kind, column in (("input", "of_input"), ("output", "of_output")):
        screen.choose("kind", kind)
        assert float(screen.text("high")) == pytest.approx(edges[column].max(), rel=1e-4)
        assert f"fraction of the {kind} shown" in screen.text("bar-name")
    screen.choose("kind", "count")
    screen.choose("scale", "linear")
    assert screen.text("low") == "0"
    screen.choose("order", "id")
    placed = screen.run("return Array.from(state.layer.toItem[0], (item) => state.sides[0].ids[item])")
    assert placed == sorted(ids(screen))
    matrix = screen.run(
        "const {layer, sides} = state; const name = (axis, place) => sides[axis].ids[layer.item(axis, place)];"
        "return [...entriesOf({top: 0, bottom: 446, left: 0, right: 446})]"
        ".map(([row, column, at]) => [name(0, row), name(1, column), layer.matrix.weights[at]])"
    )  # fmt: skip
    assert sorted(map(tuple, matrix)) == sorted(zip(edges["pre"], edges["post"], edges["weight"], strict=True))
    screen.choose("order", "weight")
    totals = edges.groupby("pre")["weight"].sum().add(edges.groupby("post")["weight"].sum(), fill_value=0)
    first = screen.run("return state.sides[0].ids[state.layer.item(0, 0)]")
    assert totals[first] == totals.max()
    screen.choose("layer", "sum")
    sums = edges.groupby(["pre_type", "post_type"])["weight"].sum()
    assert screen.text("high") == f"{sums.max():,}"
    screen.choose("layer", "mean")
    sizes = pd.Series(screen.run("return state.layer.sides[0].sizes"), screen.run("return state.layer.sides[0].ids"))
    means = sums / [sizes[pre] * sizes[post] for pre, post in sums.index]
    assert float(screen.text("high")) == pytest.approx(means.max(), rel=1e-4)
    assert not screen.find("kind").is_enabled()


def test_a_click_goes_into_a_block_and_back(screen: Screen, worm: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    screen.open(worm)
    bounds = dict(zip(*screen.run("return [state.sides[0].types, state.sides[0].bounds]"), strict=False))
    screen.mouse((bounds["motor"] + 5, bounds["muscle"] + 5), press=True)
    assert screen.run("return [plot.view.top, plot.view.left]") == [bounds["motor"], bounds["muscle"]]
    assert screen.text("crumbs") == "All neuronsmotor → muscle"
    screen.keys(Keys.ESCAPE)
    assert screen.run("return plot.view.top") == 0
    screen.choose("layer", "sum")
    types = screen.run("return state.layer.sides[0].ids")
    screen.mouse((types.index("motor") + 0.5, types.index("muscle") + 0.5), press=True)
    screen.until(lambda: screen.text("crumbs") == "All neuronsmotor → muscle", "the block")
    screen.run("document.querySelector('#crumbs button').click()")
    assert screen.run("return plot.view.height") == len(ids(screen))


def test_search(screen: Screen, worm: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    screen.open(worm)
    screen.find("search").send_keys("aval")
    assert screen.run("return [...document.querySelectorAll('#found li')].map((one) => one.textContent)") == [
        "AVAL interneuron"
    ]
    screen.find("search").send_keys(Keys.ENTER)
    place = ids(screen).index("AVAL")
    top, height = screen.run("return [plot.view.top, plot.view.height]")
    assert top <= place < top + height <= top + 120
    assert screen.run("return plot.marks.found") == [place, place]
    screen.find("search").clear()
    screen.find("search").send_keys("pharynx", Keys.ARROW_DOWN, Keys.ENTER)
    assert screen.text("status") == "At pharynx"
    screen.find("search").clear()
    screen.find("search").send_keys("no such neuron")
    assert screen.text("status") == "nothing found"


def test_a_selection_as_a_table_and_files(screen: Screen, worm: Path, crant: Crant, tmp_path: Path) -> None:
    screen.open(worm)
    bounds = dict(zip(*screen.run("return [state.sides[0].types, state.sides[0].bounds]"), strict=False))
    start, end = bounds["motor"], bounds["muscle"]
    screen.mouse((start + 2, end + 2), (end - 2, bounds["other"] - 2), press=True)
    chosen = screen.run("return state.selected.rectangle")
    names, edges = ids(screen), table()
    rows, columns = names[chosen["top"] : chosen["bottom"]], names[chosen["left"] : chosen["right"]]
    inside = edges[edges["pre"].isin(rows) & edges["post"].isin(columns)]
    assert f"{len(inside):,} connected pairs, weight {inside['weight'].sum():,}" in screen.text("selected")
    shown = screen.table()
    assert len(shown) == min(200, len(inside))
    assert [int(line[4]) for line in shown] == sorted(inside["weight"], reverse=True)[: len(shown)]
    told = {(row.pre, row.post): row for row in inside.itertuples()}
    for pre, pre_type, post, post_type, weight, of_input, of_output in shown:
        row = told[pre, post]
        assert (pre_type, post_type, weight) == (row.pre_type, row.post_type, str(row.weight))
        assert (of_input, of_output) == (percent(row.of_input), percent(row.of_output))
    screen.run("document.querySelectorAll('#head button')[0].click()")
    assert [line[0] for line in screen.table()] == sorted((line[0] for line in shown), key=_by_number)
    saved = list(csv.DictReader(io.StringIO(screen.saved("save-csv", "selection.csv"))))
    assert {(row["pre"], row["post"]): int(row["weight"]) for row in saved} == {
        pair: row.weight for pair, row in told.items()
    }
    assert all(float(row["fraction_of_input_shown"]) == told[row["pre"], row["post"]].of_input for row in saved)
    listed = screen.saved("save-pre", "presynaptic.txt")
    assert set(listed.split()) == set(inside["pre"])
    (tmp_path / "pre.txt").write_text(listed)
    (tmp_path / "post.txt").write_text(screen.saved("save-post", "postsynaptic.txt"))
    # What was saved selects the same in the other commands.
    done = crant("adjacency", EDGES, "--pre", "@pre.txt", "--post", "@post.txt", "--json", "-o", "a.npz")
    assert json.loads(done.out)["entries"] == len(inside)


def _by_number(text: str) -> Any:
    import re

    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"([0-9]+)", text)]


def test_keys_alone(screen: Screen, worm: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    screen.open(worm)
    whole = screen.run("return plot.view.height")
    screen.keys("+")
    assert screen.run("return plot.view.height") < whole
    screen.keys("-", Keys.HOME)
    assert screen.run("return plot.view.height") == whole
    screen.keys(Keys.ARROW_DOWN)
    assert screen.text("status").startswith("pre ")
    screen.keys(Keys.SHIFT + Keys.ARROW_RIGHT)
    screen.keys(Keys.SHIFT + Keys.ARROW_DOWN)
    assert screen.text("selected").startswith("2 × 2 neurons")
    screen.keys(Keys.ESCAPE)
    assert not screen.find("selection").is_displayed()
    screen.keys(Keys.ARROW_LEFT, Keys.ENTER)
    assert screen.run("return state.path.length") == 2
    # Focus is seen, on the canvas too.
    assert screen.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_wheel_and_moving(screen: Screen, worm: Path) -> None:
    screen.open(worm)
    middle = screen.run("return [plot.area.x + plot.area.width / 2, plot.area.y + plot.area.height / 2]")
    screen.run(
        "plot.canvas.dispatchEvent(new WheelEvent('wheel', {deltaY: -300, cancelable: true,"
        " clientX: plot.canvas.getBoundingClientRect().left + arguments[0],"
        " clientY: plot.canvas.getBoundingClientRect().top + arguments[1]}))",
        *middle,
    )
    view = screen.run("return plot.view")
    assert view["height"] < len(ids(screen))
    screen.choose("drag", "move")
    screen.mouse((view["top"] + 50, view["left"] + 50), (view["top"] + 80, view["left"] + 90), press=True)
    moved = screen.run("return plot.view")
    assert moved["top"] == pytest.approx(view["top"] - 30, abs=2)
    assert moved["left"] == pytest.approx(view["left"] - 40, abs=2)
    assert not screen.find("selection").is_displayed()


HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"'`&amp;", "\u202eabc\u05d0",
           "x" * 500, "\\u003c", "a,b\n\"c\"", "=1+1"]  # fmt: skip


@pytest.mark.parametrize("width", [400, 1000])
def test_hostile_names_are_shown_as_text(width: int, screen: Screen, tmp_path: Path) -> None:
    names = [*HOSTILE, "z"]
    edges = pd.DataFrame({"pre": names, "post": names[1:] + names[:1], "weight": range(1, len(names) + 1)})
    cells = pd.DataFrame({"neuron_id": names, "cell_type": names[::-1]})
    path = tmp_path / "p.html"
    question = cc.questions.View(title=HOSTILE[1])  # type: ignore[attr-defined]
    path.write_text(cc.ask(question, source=edges, annotations=cells), encoding="utf-8")
    screen.open(path, width=width)
    assert screen.text("title") == HOSTILE[1]
    assert screen.run("return document.querySelectorAll('img, script:not([type])').length") == 1
    screen.run("select({top: 0, bottom: 9, left: 0, right: 9})")
    typed = dict(zip(names, names[::-1], strict=True))
    expected = {(row.pre, typed[row.pre], row.post, typed[row.post], str(row.weight)) for row in edges.itertuples()}
    assert {tuple(line[:5]) for line in screen.table()} == expected
    saved = csv.DictReader(io.StringIO(screen.saved("save-csv", "selection.csv"), newline=""))
    assert {(row["pre"], row["post"]) for row in saved} == set(zip(edges["pre"], edges["post"], strict=True))
    screen.mouse((0.5, 0.5))
    screen.find("search").send_keys("</script")
    assert "</script><script>" in screen.text("found")
    assert screen.run("return document.documentElement.scrollWidth") <= width


def test_ids_of_64_bits_stay_text(screen: Screen, tmp_path: Path) -> None:
    names = ["576460752303423489", "576460752303423488", "9223372036854775807"]
    edges = pd.DataFrame({"pre": list(map(int, names)), "post": list(map(int, names[1:] + names[:1])), "weight": 1})
    path = tmp_path / "p.html"
    path.write_text(cc.ask(cc.questions.View(), source=edges), encoding="utf-8")  # type: ignore[attr-defined]
    screen.open(path)
    screen.run("select({top: 0, bottom: 3, left: 0, right: 3})")
    assert {line[0] for line in screen.table()} == set(names)
    assert set(screen.saved("save-pre", "presynaptic.txt").split()) == set(names)


def test_signed_weights_and_fractions(screen: Screen, tmp_path: Path) -> None:
    edges = pd.DataFrame({"pre": ["a", "b", "c"], "post": ["b", "c", "a"], "weight": [-0.5, 0.25, 1 / 3]})
    path = tmp_path / "p.html"
    path.write_text(cc.ask(cc.questions.View(), source=edges, signed=True), encoding="utf-8")  # type: ignore[attr-defined]
    screen.open(path)
    assert (screen.text("low"), screen.text("high")) == ("-0.5", "0.5")
    assert screen.colour(0.5, 1.5) == tuple(screen.run("return plot.colours.negative[255]"))
    screen.run("select({top: 0, bottom: 3, left: 0, right: 3})")
    saved = {
        row["pre"]: row["weight"] for row in csv.DictReader(io.StringIO(screen.saved("save-csv", "selection.csv")))
    }
    assert {name: float(weight) for name, weight in saved.items()} == {"a": -0.5, "b": 0.25, "c": 1 / 3}


def test_an_empty_page_says_so(screen: Screen, tmp_path: Path) -> None:
    path = tmp_path / "p.html"
    edges = pd.DataFrame({"pre": ["a"], "post": ["a"], "weight": [1]})
    path.write_text(cc.ask(cc.questions.View(), source=edges), encoding="utf-8")  # type: ignore[attr-defined]
    screen.open(path)
    assert screen.text("size").startswith("No connections")
    screen.keys("+")
    screen.choose("order", "weight")


def test_what_was_left_out_is_said(screen: Screen, crant: Crant, tmp_path: Path) -> None:
    import numpy as np

    pairs = np.unique(np.random.default_rng(5).integers(1, 3000, (90_000, 2)), axis=0)
    edges = pd.DataFrame(pairs, columns=["pre", "post"])
    edges["weight"] = np.random.default_rng(6).geometric(0.3, len(edges))
    edges.to_csv(tmp_path / "e.csv", index=False)
    done = crant("view", "e.csv", "--max-size", "200kB", "-o", "p.html")
    assert done.code == 0, done.err
    path = tmp_path / "p.html"
    told = pages.about(path.read_text())["layers"]["neurons"]
    screen.open(path)
    assert f"Left out: {told['left_out']:,} of {told['entries']:,} pairs" in screen.text("left-out")
    assert screen.text("high") == f"{edges['weight'].max():,}"
    # The picture of the whole is that of all pairs: cells that hold weak ones only are not empty.
    assert screen.run("return plot.isFar(...plot.levels())")
    filled = screen.run("return state.layer.overview.reduce((n, cell) => n + (cell !== 0), 0)")
    strong = screen.run("return state.layer.overview.reduce((n, cell) => n + (cell > arguments[0]), 0)", told["up_to"])
    assert filled > strong
    screen.run("select({top: 0, bottom: 2999, left: 0, right: 2999})")
    assert f"a weight of at most {told['up_to']} are not in this page" in screen.text("selected")
    assert "pre,post" in screen.saved("save-csv", f"selection_above_{told['up_to']}.csv")


@pytest.mark.parametrize("dark", [False, True])
def test_colours_have_contrast(dark: bool, screen: Screen, worm: Path) -> None:
    """Text 4.5:1, the weakest pair 3:1 (WCAG 2.2, AA)."""
    screen.open(worm, dark=dark)
    paper = screen.run("return getComputedStyle(document.body).backgroundColor")
    for name in ("size", "keys", "title", "in"):
        assert (
            _contrast(screen.run("return getComputedStyle(document.getElementById(arguments[0])).color", name), paper)
            >= 4.5
        )
    for side in ("positive", "negative"):
        for colour in screen.run(f"return plot.colours.{side}"):
            assert _contrast(f"rgb({colour[0]}, {colour[1]}, {colour[2]})", paper) >= 3


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("width", [400, 1000, 2000])
def test_every_width_holds_the_page(width: int, screen: Screen, worm: Path) -> None:
    screen.open(worm, width=width)
    assert screen.run("return document.documentElement.scrollWidth") <= width
    assert screen.run("return plot.area.width") >= 250
    screen.run("select({top: 0, bottom: 446, left: 0, right: 446})")
    assert screen.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1300, 2000])
def test_the_selection_stands_beside_the_matrix(width: int, screen: Screen, worm: Path) -> None:
    """No gap between them, and all columns in sight."""
    screen.open(worm, width=width)
    screen.run("select({top: 0, bottom: 90, left: 0, right: 90})")
    right, left = screen.run(
        "return [plot.canvas.getBoundingClientRect().right, byId('selection').getBoundingClientRect().left]"
    )
    assert 0 < left - right < 40
    screen.until(
        lambda: screen.run("const box = document.querySelector('.scroll'); return box.scrollWidth <= box.clientWidth"),
        "a column is out of sight",
    )
    screen.choose("layer", "sum")
    screen.choose("layer", "neurons")
    assert screen.run("return plot.canvas.getBoundingClientRect().right") == right


def test_single_neurons_are_named_with_their_types(screen: Screen, worm: Path) -> None:
    screen.open(worm)
    cells = pd.read_csv(CELLS)
    classes = dict(zip(cells["neuron_id"], cells["cell_class"], strict=True))
    spans = "namedSpans(plot.layer, plot.layer.sides[0], 0, 0, 3, 20)"
    named = f"return {spans}.map(({{ text, type }}) => [text, type ?? null])"
    assert screen.run(named) == [[name, "interneuron"] for name in ("ADAL", "ADAR", "AIAL")]
    screen.choose("order", "weight")
    strongest = screen.run(named)
    assert strongest == [[name, classes[name]] for name, _ in strongest]
    assert len(set(map(tuple, strongest))) == 3
    screen.choose("layer", "sum")
    assert {kind for _, kind in screen.run(named)} == {None}


def test_long_ids_keep_their_ends(screen: Screen, worm: Path) -> None:
    screen.open(worm)
    cut = "return fitted(plot.context, arguments[0], 60).replace(/[\\u2068\\u2069]/g, '')"
    shown = screen.run(cut, "576460752687185532")
    assert shown.startswith("…")
    assert "576460752687185532".endswith(shown[1:])
    assert len(shown) > 4
    assert screen.run(cut.replace("60", "30"), "16141217").startswith("…")
    shown = screen.run(cut, "a name that is too long")
    assert shown.endswith("…")
    assert "a name that is too long".startswith(shown[:-1])
