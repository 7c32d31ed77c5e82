"""Pages of folders that `crantcli neuropil` writes: every matrix is there, and a browser switches between them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pytest
from conftest import ROOT, Crant
from pages import Screen

import crantcli as cc

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

SAMPLE = ROOT / "sample_data"
CHOSEN = "bulb_left,ellipsoid_body,nodulus_left"


@pytest.fixture
def folder(crant: Crant, tmp_path: Path) -> Path:
    """Counts in three neuropils, and in none of them."""
    return made(crant, tmp_path / "found", "--weight-mode", "count")


def made(crant: Crant, path: Path, *options: str) -> Path:
    done = crant(
        "neuropil", SAMPLE / "synapses.parquet", "--meshes", SAMPLE / "meshes", "-a", SAMPLE / "annotations.csv",
        "--coordinates", "nm", "--neuropils", CHOSEN, "--no-plot", "-o", path, *options,
    )  # fmt: skip
    assert done.code == 0, done.err
    return path


def matrix(path: Path) -> dict[tuple[str, str], Any]:
    """Names of a pair -> its entry."""
    with np.load(path) as found:
        rows = np.repeat(found["pre"], np.diff(found["indptr"])).tolist()
        columns, weights = found["post"][found["indices"]].tolist(), found["data"].tolist()
    return {(str(row), str(column)): weight for row, column, weight in zip(rows, columns, weights, strict=True)}


def order(path: Path) -> list[tuple[str, str]]:
    with path.open() as file:
        return [(row["neuron"], row["type"]) for row in csv.DictReader(file)]


def test_every_matrix_is_there(crant: Crant, folder: Path, tmp_path: Path) -> None:
    done = crant("view", "found", "-o", "p.html", "--json")
    assert done.code == 0, done.err
    page = (tmp_path / "p.html").read_text()
    names = [part["name"] for part in pages.about(page)["parts"]]
    assert names == [*CHOSEN.split(","), "other"]
    total = 0
    for place, name in enumerate(names):
        expected = matrix(folder / f"{name}.matrix.npz")
        assert pages.entries(page, part=place) == expected
        side, _ = pages.names(page, f"{place}.")
        neurons = order(folder / f"{name}.order.csv")
        assert side["ids"] == [neuron for neuron, _ in neurons]
        assert pages.types(side) == {neuron: label for neuron, label in neurons if label}
        total += len(expected)
    assert pages.about(page)["title"] == "found"
    assert {part["quantity"] for part in pages.about(page)["parts"]} == {"synapses"}
    told = json.loads(done.out)
    assert told["entries"] == total == sum(one["entries"] for one in told["neuropils"].values())
    assert told["ledger"]["kept"] == total
    record = json.loads(pages.about(page)["record"])
    assert [one["name"] for one in record["inputs"]] == [f"{name}.matrix.npz" for name in names]


def test_annotations_may_say_other_types(crant: Crant, folder: Path, tmp_path: Path) -> None:
    options = ("-a", SAMPLE / "annotations.csv", "--cell-type-column", "super_class")
    assert crant("view", "found", *options, "-o", "p.html").code == 0
    side, _ = pages.names((tmp_path / "p.html").read_text(), "1.")
    with (SAMPLE / "annotations.csv").open() as file:
        known = {row["super_class"] for row in csv.DictReader(file)}
    assert set(side["types"]) <= known
    assert side["types"]


def test_from_python(crant: Crant, folder: Path) -> None:
    page = cc.ask(cc.questions.View(title="Here"), source=folder)  # type: ignore[attr-defined]
    assert pages.about(str(page))["title"] == "Here"
    assert len(pages.about(str(page))["parts"]) == 4


def test_what_does_not_fit_is_told_of_each(crant: Crant, tmp_path: Path) -> None:
    """Small matrices stay whole, large ones give up their weakest pairs, and the page keeps to its size."""
    chance, folder = np.random.default_rng(1), tmp_path / "found"
    folder.mkdir()
    sizes = {"small": 50, "large": 30_000, "larger": 60_000}
    for name, number in sizes.items():
        pairs = chance.choice(500 * 500, number, replace=False)
        rows = zip(pairs // 500 + 1, pairs % 500 + 501, chance.integers(1, 60, number), strict=True)
        lines = "".join(f"{pre},{post},{weight}\n" for pre, post, weight in rows)
        (tmp_path / "e.csv").write_text(f"pre,post,weight\n{lines}")
        done = crant("adjacency", "e.csv", "-o", folder / f"{name}.matrix.npz")
        assert done.code == 0, done.err
        (folder / f"{name}.order.csv").write_text("axis,position,neuron,type\n")
    record = {
        "crantcli": "1", "command": "neuropil", "kind": "neuropils", "files": [], "rows": 1,
        "options": {"neuropils": [*sizes, "empty"], "weight_mode": "count"}, "stems": {name: name for name in sizes},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(record))
    assert crant("view", "found", "-o", "whole.html").code == 0
    most = int(0.8 * (tmp_path / "whole.html").stat().st_size)
    done = crant("view", "found", "-o", "p.html", "--max-size", str(most))
    assert done.code == 0, done.err
    assert "no matrix of empty" in done.err
    assert 0.9 * most < (tmp_path / "p.html").stat().st_size <= most
    page, short = (tmp_path / "p.html").read_text(), []
    for place, part in enumerate(pages.about(page)["parts"]):
        name, told = part["name"], part["layers"]["neurons"]
        expected = matrix(folder / f"{name}.matrix.npz")
        left = {pair: weight for pair, weight in expected.items() if weight > told["up_to"]}
        assert pages.entries(page, part=place) == left
        assert told["left_out"] == len(expected) - len(left)
        if told["left_out"]:
            short.append(name)
            words = f"{name}: {told['left_out']:,} of {told['entries']:,} pairs of neurons, all with synapses of"
            assert words in done.err
    assert short in (["larger"], ["large", "larger"])
    done = crant("view", "found", "-o", "q.html", "--max-size", "50kB")
    assert (done.code, "without a single pair" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: (path / "nodulus_left.matrix.npz").unlink(), "nodulus_left.matrix.npz: is not there"),
        (lambda path: (path / "nodulus_left.matrix.npz").write_bytes(b"PK cut"), "nodulus_left.matrix.npz: cannot be"),
        (lambda path: (path / "bulb_left.order.csv").unlink(), "bulb_left.order.csv: cannot be read"),
        (lambda path: (path / "bulb_left.order.csv").write_text("a,b\n1,2\n"), "bulb_left.order.csv: cannot be read"),
        (lambda path: (path / "manifest.json").write_text('{"crantcli'), "manifest.json: is truncated"),
        (lambda path: changed(path, stems={"a": "../a"}), "does not say which neuropils"),
        (lambda path: changed(path, stems={}), "holds no matrices"),
        (lambda path: changed(path, options={}), "does not say which neuropils"),
    ],
)  # fmt: skip
def test_damaged_folders(change: Any, words: str, crant: Crant, folder: Path, tmp_path: Path) -> None:
    change(folder)
    done = crant("view", "found", "-o", "p.html")
    assert (done.code, words in done.err) == (3, True), done.err
    assert not (tmp_path / "p.html").exists()


def changed(path: Path, **values: Any) -> None:
    """Change the manifest of a folder."""
    content = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**content, **values}))


def test_a_folder_without_matrices(crant: Crant, tmp_path: Path) -> None:
    made(crant, tmp_path / "found", "--assignments-only")
    done = crant("view", "found", "-o", "p.html")
    assert (done.code, "holds no matrices" in done.err) == (3, True)


def test_no_input_is_overwritten(crant: Crant, folder: Path) -> None:
    shutil.copy(folder / "bulb_left.order.csv", folder / "copy.csv")
    (folder / "p.html").symlink_to(folder / "bulb_left.order.csv")
    assert crant("view", "found", "-o", "found/p.html").code == 2
    assert (folder / "bulb_left.order.csv").read_bytes() == (folder / "copy.csv").read_bytes()


def test_switching(screen: Screen, crant: Crant, folder: Path, tmp_path: Path) -> None:
    """What was chosen stays chosen; what was selected or searched is gone."""
    assert crant("view", "found", "-o", "p.html").code == 0
    screen.open(tmp_path / "p.html")
    assert screen.find("part").is_displayed()
    first = matrix(folder / "bulb_left.matrix.npz")
    assert f"{len(first):,} connected pairs" in screen.text("size")
    screen.choose("kind", "input")
    screen.choose("order", "weight")
    screen.run("select({top: 0, bottom: 3, left: 0, right: 3})")
    screen.choose("part", "ellipsoid_body")
    second = matrix(folder / "ellipsoid_body.matrix.npz")
    assert f"{len(second):,} connected pairs" in screen.text("size")
    assert not screen.find("selection").is_displayed()
    assert screen.run("return [byId('kind').value, byId('order').value]") == ["input", "weight"]
    totals: dict[str, int] = {}
    inputs: dict[str, int] = {}
    for (pre, post), weight in second.items():
        totals[pre], totals[post] = totals.get(pre, 0) + weight, totals.get(post, 0) + weight
        inputs[post] = inputs.get(post, 0) + weight
    leader = screen.run("return state.sides[0].ids[state.layer.item(0, 0)]")
    assert totals[leader] == max(totals.values())
    largest = max(weight / inputs[post] for (_, post), weight in second.items())
    assert float(screen.text("high")) == pytest.approx(largest, rel=1e-4)
    assert "ellipsoid_body" in screen.text("status")
    screen.choose("layer", "sum")
    screen.choose("part", "nodulus_left")
    assert screen.run("return [byId('layer').value, state.layer.name]") == ["sum", "types"]
    # Back to one that is unpacked already.
    screen.choose("part", "bulb_left")
    screen.choose("layer", "neurons")
    screen.choose("kind", "count")
    assert f"{len(first):,} connected pairs" in screen.text("size")
    screen.run("select({top: 0, bottom: plot.shape[0], left: 0, right: plot.shape[1]})")
    with_pairs = list(csv.DictReader(screen.saved("save-csv", "selection.csv").splitlines()))
    assert {(row["pre"], row["post"]): int(row["weight"]) for row in with_pairs} == first


def test_fractions_are_no_counts(screen: Screen, crant: Crant, tmp_path: Path) -> None:
    folder = made(crant, tmp_path / "found")
    assert crant("view", "found", "-o", "p.html").code == 0
    screen.open(tmp_path / "p.html", width=400, dark=True)
    assert screen.text("kind").strip() == "fraction of output"
    assert not screen.find("kind").is_enabled()
    found = matrix(folder / "bulb_left.matrix.npz")
    (pre, post), weight = max(found.items(), key=lambda item: item[1])
    names = screen.run("return state.sides[0].ids")
    screen.mouse((names.index(pre) + 0.5, names.index(post) + 0.5))
    told = screen.tip()
    assert float(told["fraction of output"]) == pytest.approx(weight, rel=1e-4)
    assert "of input" not in told
    screen.choose("part", "other")
    assert screen.run("return document.documentElement.scrollWidth <= innerWidth")
