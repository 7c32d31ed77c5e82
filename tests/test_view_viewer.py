"""Links of a page, and of tables of edges, to the viewer of a data set."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

import pages
import pandas as pd
import pytest
from conftest import Crant
from pages import Screen
from tables import ONE, TWO, complaint, text_file

import crantcli as cc

pytestmark = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")

BRAIN = """
[voxel]
size_nm = [8, 8, 42]
[viewer]
url = "https://viewer.example.org/#!old"
segmentation = "graphene://https://data.example.org/table/ant's"
image = "precomputed://https://data.example.org/em(1)"
"""


@pytest.fixture(autouse=True)
def _brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("brain.toml", BRAIN)
    text_file("e.csv", f"pre,post,weight\n{ONE},{TWO},5\n{TWO},{ONE},3\n{ONE},7,2\n{ONE},{ONE},9\n")


def state(url: str) -> dict[str, Any]:
    """What a link shows."""
    address, _, fragment = url.partition("#!")
    assert address == "https://viewer.example.org/"
    return dict(json.loads(urllib.parse.unquote(fragment)))


def neurons(url: str) -> dict[str, Any]:
    return next(layer for layer in state(url)["layers"] if layer["name"] == "neurons")


def linked(crant: Crant, *options: object) -> pd.DataFrame:
    done = crant("connectivity", "e.csv", "--links", "url", "-o", "out.csv", *options)
    assert done.code == 0, done.err
    return pd.read_csv("out.csv", dtype={"pre": str, "post": str})


def test_edges_with_links(crant: Crant) -> None:
    table = linked(crant, "-d", "brain.toml", "--no-clean")
    assert list(table.columns) == ["pre", "post", "weight", "url"]
    for row in table.itertuples():
        assert neurons(row.url)["segments"] == list(dict.fromkeys([row.pre, row.post]))
        assert set(neurons(row.url)["segmentColors"]) == {row.pre, row.post}
    # But for colours, which are of types there, it is what link shows.
    done = crant("link", f"{ONE},{TWO}", "-d", "brain.toml")
    made = state(table["url"][table.eval(f"pre == '{ONE}' and post == '{TWO}'")].item())
    expected = json.loads(done.out)
    for found in (made, expected):
        for layer in found["layers"]:
            layer.pop("segmentColors", None)
    assert made == expected


def test_links_beside_all_else(crant: Crant) -> None:
    text_file("a.csv", f"root_id,cell_type\n{ONE},ER2\n{TWO},EPG\n")
    text_file("r.csv", f"pre,post,weight,roi\n{ONE},{TWO},5,EB\n{ONE},{TWO},2,FB\n")
    options = ("-a", "a.csv", "--annotate", "cell_type", "--normalize", "input", "--top", 1, "-d", "brain.toml")
    table = linked(crant, *options)
    assert list(table.columns)[-3:] == ["pre_cell_type", "post_cell_type", "url"]
    done = crant("connectivity", "r.csv", "--by", "neuropil", "--links", "url", "-d", "brain.toml", "-o", "p.parquet")
    assert done.code == 0, done.err
    found = pd.read_parquet("p.parquet")
    assert found["url"].nunique() == 1
    assert crant("connectivity", "p.parquet", "-o", "again.csv", "--sum-duplicates").code == 0


def test_python_adds_links() -> None:
    found = cc.get_connectivity(source="e.csv", dataset="brain.toml", links="link")
    assert neurons(found["link"][0])["segments"] == [str(ONE), str(TWO)]
    with pytest.raises(cc.UsageError, match="links needs a viewer"):
        cc.get_connectivity(source="e.csv", links="link")


def test_refused_links(crant: Crant) -> None:
    text_file("none.toml", "[voxel]\nsize_nm = [8, 8, 42]\n")
    text_file("half.toml", '[viewer]\nurl = "https://viewer.example.org/"\n')
    text_file("script.toml", '[viewer]\nurl = "javascript://x%0aalert(1)"\n')
    text_file("names.csv", "pre,post,weight\nA,B,1\n")
    ask = ("connectivity", "e.csv", "-o", "out.csv", "--links")
    complaint(crant(*ask, "url"), 2, "--links needs a viewer that shows neurons, and so a data set that names one")
    for name in ("none", "half"):
        complaint(crant(*ask, "url", "-d", f"{name}.toml"), 2, f"in the TOML of data set {name}")
    complaint(crant(*ask, "url", "-d", "script.toml"), 3, "viewer.url is an address such as https://")
    complaint(crant(*ask, "Weight", "-d", "brain.toml"), 2, "would make a second column Weight")
    complaint(crant(*ask, "url", "-d", "brain.toml", "--by", "type"), 2, "tells no neurons")
    complaint(crant("connectivity", "names.csv", "--links", "url", "-d", "brain.toml"), 3, "are called by names")
    assert not Path("out.csv").exists()


def test_the_order_of_nested_has_links(crant: Crant) -> None:
    text_file("a.csv", f"root_id,cell_type\n{ONE},ER2\n{TWO},EPG\n")
    ask = ("nested", "e.csv", "-a", "a.csv", "-o", "n.csv")
    done = crant(*ask, "-d", "brain.toml", "--order", "order.csv", "--links", "show")
    assert done.code == 0, done.err
    table = pd.read_csv("order.csv", dtype={"neuron": str})
    assert list(table.columns) == ["axis", "position", "neuron", "type", "show"]
    assert sorted(table["neuron"]) == sorted([str(ONE), str(TWO)])
    for row in table.itertuples():
        assert neurons(row.show)["segments"] == [row.neuron]
    complaint(crant(*ask, "-d", "brain.toml", "--links", "show"), 2, "--order FILE")
    complaint(crant(*ask, "--order", "o.csv", "--links", "show"), 2, "--links needs a viewer")
    complaint(crant(*ask, "-d", "brain.toml", "--order", "o.csv", "--links", "Type"), 2, "second column type")


# Pages


def test_a_page_without_a_viewer_has_no_links(crant: Crant) -> None:
    text_file("names.csv", "pre,post,weight\nA,B,1\n")
    assert crant("view", "e.csv", "-o", "p.html").code == 0
    assert pages.about(Path("p.html").read_text())["viewer"] is None
    done = crant("view", "names.csv", "-d", "brain.toml", "-o", "p.html")
    assert "so that the page has no links to the viewer" in done.err
    assert pages.about(Path("p.html").read_text())["viewer"] is None


@pytest.mark.slow
def test_links_of_a_page(screen: Screen, crant: Crant, tmp_path: Path) -> None:
    """They are those of the table of edges, to the last character, and open in a tab that cannot reach the page."""
    table = linked(crant, "-d", "brain.toml", "--no-clean")
    assert crant("view", "e.csv", "-d", "brain.toml", "--no-clean", "-o", "p.html").code == 0
    screen.open(tmp_path / "p.html", width=400)
    screen.run("select({top: 0, bottom: 3, left: 0, right: 3})")
    links = screen.run(
        "return [...document.querySelectorAll('#rows a')].map((one) => [one.getAttribute('href'), one.target, one.rel])"
    )
    assert {href for href, _, _ in links} == set(table["url"])
    assert {tuple(more) for _, *more in links} == {("_blank", "noopener noreferrer")}
    saved = screen.saved("save-csv", "selection.csv")
    assert "viewer" not in saved
    # A key opens the pair under the pointer.
    screen.run("window.opened = [];HTMLAnchorElement.prototype.click = function () { opened.push(this.href); };")
    names = screen.run("return state.sides[0].ids")
    screen.mouse((names.index(str(ONE)) + 0.5, names.index("7") + 0.5))
    assert screen.tip()["viewer"] == "V shows both neurons"
    screen.driver.find_element("tag name", "body").send_keys("v")
    expected = table["url"][table["post"] == "7"].item()
    assert screen.run("return opened") == [expected]
    screen.find("search").send_keys("v")
    assert len(screen.run("return opened")) == 1


@pytest.mark.slow
def test_a_click_opens_a_tab(screen: Screen, crant: Crant, tmp_path: Path) -> None:
    assert crant("view", "e.csv", "-d", "brain.toml", "-o", "p.html").code == 0
    screen.open(tmp_path / "p.html")
    screen.run("select({top: 0, bottom: 3, left: 0, right: 3})")
    screen.driver.find_element("css selector", "#rows a").click()
    driver = screen.driver
    screen.until(lambda: len(driver.window_handles) == 2, "no tab")
    first, second = driver.window_handles
    driver.switch_to.window(second)
    assert screen.run("return window.opener") is None
    driver.close()
    driver.switch_to.window(first)
    screen.errors()
