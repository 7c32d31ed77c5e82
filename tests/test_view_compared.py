"""Pages of what `crantcli compare` writes: what they hold, against sums by hand, and what a browser shows of it."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import oracle
import pages
import pandas as pd
import pytest
from conftest import ROOT, Crant
from hypothesis import given
from hypothesis import strategies as st
from pages import Screen
from strategies import AS_DRAWN, SETTINGS, changed_tables, edge_tables

import crantcli as cc

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

SAMPLE = ROOT / "sample_data"
WORM, CELLS = SAMPLE / "celegans_edges.csv", SAMPLE / "celegans_cells.csv"


def page_of(source: Any, **more: Any) -> str:
    found = cc.ask(cc.questions.View(), source=source, **more)  # type: ignore[attr-defined]
    assert isinstance(found, str)
    return found


def beside(page: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Names of a pair -> what is beside its difference."""
    told = pages.about(page)["layers"]["neurons"]["beside"]
    columns = [pages.numbers(pages.stream(page, f"neurons.beside.{name}") or b"", told[name]) for name in told]
    pairs = list(pages.entries(page))
    return {pair: dict(zip(told, values, strict=True)) for pair, *values in zip(pairs, *columns, strict=True)}


@SETTINGS
@given(data=st.data(), everything=st.booleans())
def test_differences_are_those_of_both_tables(data: st.DataObject, everything: bool) -> None:
    table = data.draw(edge_tables(tidy=True, neuropils=False))
    other = data.draw(changed_tables(table))
    a, b = (oracle.table_edges(drawn.rows)[0] for drawn in (table, other))
    ends = [{neuron for pair in side for neuron in pair} for side in (a, b)]
    if all(ends) and not ends[0] & ends[1]:
        return  # compare refuses them
    question = cc.questions.Compare(all=everything)  # type: ignore[attr-defined]
    compared = cc.ask(question, source=table.frame, other=other.frame, **AS_DRAWN)
    page = page_of(compared, null_text="")
    both = {pair: (a.get(pair, 0), b.get(pair, 0)) for pair in {**a, **b}}
    listed = {pair: pair_weights for pair, pair_weights in both.items() if everything or len(set(pair_weights)) > 1}
    named = {(str(pre), str(post)): weights for (pre, post), weights in listed.items()}
    assert pages.entries(page) == {pair: new - old for pair, (old, new) in named.items()}
    assert beside(page) == {pair: {"weight_a": old, "weight_b": new} for pair, (old, new) in named.items()}
    about = pages.about(page)
    assert about["quantity"] == "difference"
    assert about["ledger"] == f"{len(listed):,} pairs read, {len(listed):,} kept"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("pre,post,weight\nA,B,5\nB,C,3\nC,A,2\nA,D,7\n")
    (tmp_path / "b.csv").write_text("pre,post,weight\nA,B,9\nB,C,3\nC,D,2\nA,D,1\n")
    return tmp_path


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather", "tsv.gz"])
def test_in_every_format(suffix: str, crant: Crant, tables: Path) -> None:
    assert crant("compare", "a.csv", "b.csv", "-o", f"d.{suffix}").code == 0
    done = crant("view", f"d.{suffix}", "-o", "p.html")
    assert done.code == 0, done.err
    assert "a comparison of pairs of neurons: A = weight_a, B = weight_b" in done.err
    page = (tables / "p.html").read_text()
    assert pages.entries(page) == {("A", "B"): 4, ("A", "D"): -6, ("C", "A"): -2, ("C", "D"): 2}


def test_64_bit_ids(tmp_path: Path) -> None:
    neurons = [576460752649090487, 576460752649090488]
    frames = [pd.DataFrame({"pre": neurons, "post": neurons[::-1], "weight": weights}) for weights in ([1, 2], [5, 1])]
    page = page_of(cc.ask(cc.questions.Compare(), source=frames[0], other=frames[1]))  # type: ignore[attr-defined]
    one, other = map(str, neurons)
    assert pages.entries(page) == {(one, other): 4, (other, one): -1}


def test_synapses_of_two_versions(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("id,pre_pt_root_id,post_pt_root_id\n1,1,2\n2,1,2\n3,2,3\n")
    (tmp_path / "new.csv").write_text("id,pre_pt_root_id,post_pt_root_id\n1,1,2\n3,2,3\n4,2,3\n5,1,3\n")
    assert crant("compare", "old.csv", "new.csv", "-o", "d.csv").code == 0
    done = crant("view", "d.csv", "-o", "p.html")
    assert done.code == 0, done.err
    page = (tmp_path / "p.html").read_text()
    assert pages.entries(page) == {("1", "2"): -1, ("2", "3"): 1, ("1", "3"): 1}
    assert beside(page)["1", "2"] == {"old": 2, "new": 1, "added": 0, "removed": 1, "moved_in": 0, "moved_out": 0}


def groups(tmp_path: Path, crant: Crant, *options: str) -> list[dict[str, str]]:
    """A comparison of groups of the worm's neurons with itself, every third edge left out."""
    lines = WORM.read_text().splitlines()
    (tmp_path / "b.csv").write_text("\n".join([lines[0], *(line for i, line in enumerate(lines[1:]) if i % 3)]) + "\n")
    done = crant("compare", WORM, "b.csv", "--by", "cell_class", "-a", CELLS, "-o", "g.csv", *options)
    assert done.code == 0, done.err
    with (tmp_path / "g.csv").open() as file:
        return list(csv.DictReader(file))


def test_groups_with_all_that_is_known_of_them(crant: Crant, tmp_path: Path) -> None:
    """Groups with themselves are no autapses; what a test left empty stays empty."""
    rows = groups(tmp_path, crant, "--test", "score", "--complete")
    done = crant("view", "g.csv", "-o", "p.html")
    assert done.code == 0, done.err
    page = (tmp_path / "p.html").read_text()
    expected = {(row["pre_cell_class"], row["post_cell_class"]): row for row in rows}
    assert any(pre == post for pre, post in expected)
    assert pages.entries(page) == {pair: int(row["weight_b"]) - int(row["weight_a"]) for pair, row in expected.items()}
    found = beside(page)
    empty = 0
    for pair, row in expected.items():
        for name in ("weight_a", "possible_b", "probability_b", "fraction_a", "ratio", "p", "p_adjusted_holm"):
            if row[name]:
                assert found[pair][name] == float(row[name])
            else:
                empty += 1
                assert math.isnan(found[pair][name])
    assert empty


def test_groups_of_several_columns_and_numbers(crant: Crant, tmp_path: Path) -> None:
    """A group called 0 is no background, and NA is a name."""
    head = "pre_side,pre_layer,post_side,post_layer,weight_a,weight_b,edges_a,edges_b\n"
    (tmp_path / "g.csv").write_text(f"{head}L,0,R,0,1,3,1,2\nL,0,L,0,4,4,1,3\n")
    assert crant("view", "g.csv", "-o", "p.html").code == 0
    assert pages.entries((tmp_path / "p.html").read_text()) == {("L, 0", "R, 0"): 2, ("L, 0", "L, 0"): 0}
    (tmp_path / "n.csv").write_text("pre_layer,post_layer,weight_a,weight_b,edges_a,edges_b\n0,NA,1,3,1,2\n")
    assert crant("view", "n.csv", "-o", "n.html").code == 0
    assert pages.entries((tmp_path / "n.html").read_text()) == {("0", "NA"): 2}


def test_against_chance(crant: Crant, tmp_path: Path) -> None:
    options = ("--against", "erdos-renyi", "--by", "cell_class", "-a", CELLS, "-o", "c.csv")
    assert crant("compare", WORM, *options).code == 0
    done = crant("view", "c.csv", "-o", "p.html")
    assert done.code == 0, done.err
    with (tmp_path / "c.csv").open() as file:
        rows = {(row["pre_cell_class"], row["post_cell_class"]): row for row in csv.DictReader(file)}
    page = (tmp_path / "p.html").read_text()
    assert pages.entries(page) == {pair: int(r["edges"]) - float(r["expected"]) for pair, r in rows.items()}
    assert pages.about(page)["compared"]["measures"] == [{"name": "z", "b": "z", "a": ""}]


def test_what_does_not_fit_leaves_with_all_that_is_beside_it(tmp_path: Path) -> None:
    number = 3000
    frame = pd.DataFrame({
        "pre": [f"a{i % 50}" for i in range(number)], "post": [f"b{i // 50}" for i in range(number)],
        "weight_a": range(number), "weight_b": [(7 * i) % 1000 for i in range(number)],
    })  # fmt: skip
    frame = frame.assign(difference=frame["weight_b"] - frame["weight_a"], status="changed")
    whole = page_of(frame)
    question = cc.questions.View(max_size=len(whole.encode()) - 3000)  # type: ignore[attr-defined]
    page = str(cc.ask(question, source=frame))
    told = pages.about(page)["layers"]["neurons"]
    assert 0 < told["left_out"] < number
    expected = {(r.pre, r.post): r for r in frame.itertuples() if abs(r.difference) > told["up_to"]}
    assert len(expected) == number - told["left_out"]
    assert pages.entries(page) == {pair: r.difference for pair, r in expected.items()}
    assert beside(page) == {pair: {"weight_a": r.weight_a, "weight_b": r.weight_b} for pair, r in expected.items()}


@pytest.mark.parametrize(
    ("content", "options", "code", "words"),
    [
        ("A,B,1,x,3,changed", [], 3, "'x' is not a number"),
        ("A,B,1,,3,changed", [], 3, "not a finite one"),
        ("A,B,1,2,1,changed\nA,B,1,2,1,changed", [], 3, "stands in 2 rows"),
        ("A,B,1,2,1,changed", ["-t", "2"], 2, "--threshold goes with weights"),
        ("A,B,1,2,1,changed", ["--sum-duplicates"], 2, "--sum-duplicates goes with weights"),
        ("A,B,0,9007199254740993,9007199254740993,only_b", [], 3, "exactly"),
    ],
)  # fmt: skip
def test_what_is_no_comparison(
    content: str, options: list[str], code: int, words: str, crant: Crant, tmp_path: Path
) -> None:
    (tmp_path / "d.csv").write_text(f"pre,post,weight_a,weight_b,difference,status\n{content}\n")
    done = crant("view", "d.csv", "-o", "p.html", *options)
    assert (done.code, words in done.err) == (code, True), done.err
    assert not (tmp_path / "p.html").exists()


def test_a_side_alone_is_a_table_of_edges(crant: Crant, tables: Path) -> None:
    assert crant("compare", "a.csv", "b.csv", "-o", "d.csv").code == 0
    assert crant("view", "d.csv", "--weight-col", "weight_b", "-o", "p.html").code == 0
    assert pages.entries((tables / "p.html").read_text()) == {("A", "B"): 9, ("A", "D"): 1, ("C", "D"): 2}
    # Other commands do not take differences for weights.
    assert crant("connectivity", "d.csv", "-o", "e.csv").code == 3


# In a browser


def test_hover_scale_and_table(screen: Screen, crant: Crant, tables: Path) -> None:
    assert crant("compare", "a.csv", "b.csv", "--all", "-o", "d.csv").code == 0
    assert crant("view", "d.csv", "-o", "p.html").code == 0
    screen.open(tables / "p.html")
    assert "Red is more in weight_b, blue is less" in screen.text("size")
    assert (screen.text("low"), screen.text("high")) == ("-6", "6")
    assert screen.text("bar-name").startswith("difference (weight_b − weight_a)")
    assert not screen.find("kind").is_enabled()
    names = screen.run("return state.sides[0].ids")
    assert names == ["A", "B", "C", "D"]
    # A → D has fallen by the most, A → B has risen, B → C is the same, and painted as if there were nothing.
    assert screen.colour(0.5, 3.5) == tuple(screen.run("return plot.colours.negative[255]"))
    assert screen.colour(0.5, 1.5) in map(tuple, screen.run("return plot.colours.positive"))
    assert screen.colour(1.5, 2.5) == (255, 255, 255)
    for place, pre, post, a, b, difference in (
        ((0.5, 3.5), "A", "D", "7", "1", "-6"), ((0.5, 1.5), "A", "B", "5", "9", "+4"),
        ((1.5, 2.5), "B", "C", "3", "3", "0"),
    ):  # fmt: skip
        screen.mouse(place)
        expected = {"pre": pre, "post": post, "weight_a": a, "weight_b": b, "difference": difference}
        assert screen.tip() == expected
    screen.choose("order", "weight")
    screen.run("select({top: 0, bottom: 4, left: 0, right: 4})")
    rows = {tuple(row) for row in screen.table()}
    assert ("A", "D", "7", "1", "-6") in rows
    assert ("C", "A", "2", "0", "-2") in rows
    saved = list(csv.DictReader(io.StringIO(screen.saved("save-csv", "selection.csv"))))
    listed = {tuple(row.values()) for row in saved}
    with (tables / "d.csv").open() as file:
        assert listed == {tuple(list(row.values())[:5]) for row in csv.DictReader(file)}
    assert list(saved[0]) == ["pre", "post", "weight_a", "weight_b", "difference"]


def test_groups_by_other_differences(screen: Screen, crant: Crant, tmp_path: Path) -> None:
    rows = groups(tmp_path, crant)
    assert crant("view", "g.csv", "-o", "p.html").code == 0
    screen.open(tmp_path / "p.html", width=400)
    assert "7 presynaptic × 7 postsynaptic groups" in screen.text("size")
    screen.choose("kind", "difference of probabilities")
    changes = {
        (row["pre_cell_class"], row["post_cell_class"]): float(row["probability_b"]) - float(row["probability_a"])
        for row in rows
    }
    largest = max(changes, key=lambda pair: abs(changes[pair]))
    assert float(screen.text("high")) == pytest.approx(abs(changes[largest]), rel=1e-4)
    assert screen.text("bar-name").startswith("difference of probabilities")
    names = screen.run("return state.sides[0].ids")
    place = names.index(largest[0]) + 0.5, names.index(largest[1]) + 0.5
    assert screen.colour(*place) == tuple(screen.run("return plot.colours.negative[255]"))
    screen.choose("order", "weight")
    screen.run("select({top: 0, bottom: 7, left: 0, right: 7})")
    assert len(screen.table()) == len(rows)
    screen.choose("kind", "count")


def test_types_of_a_comparison_add_up(screen: Screen, crant: Crant, tmp_path: Path) -> None:
    groups(tmp_path, crant)
    assert crant("compare", WORM, "b.csv", "-o", "d.parquet").code == 0
    assert crant("view", "d.parquet", "-a", CELLS, "--cell-type-column", "cell_class", "-o", "p.html").code == 0
    screen.open(tmp_path / "p.html", dark=True)
    screen.choose("layer", "sum")
    frame = pd.read_parquet(tmp_path / "d.parquet")
    cells = pd.read_csv(CELLS)
    classes = dict(zip(cells.iloc[:, 0], cells["cell_class"], strict=True))
    sums = frame.groupby([frame["pre"].map(classes), frame["post"].map(classes)])["difference"].sum()
    assert screen.text("high") == f"{sums.abs().max():,}"
    assert not screen.find("kind").is_enabled()
    screen.mouse((0.5, 0.5))
    told = screen.tip()
    assert told["difference"].replace(",", "") == str(sums[told["pre"], told["post"]])
    assert "of input" not in told


def test_without_a_difference_the_page_says_so(screen: Screen, crant: Crant, tables: Path) -> None:
    assert crant("compare", "a.csv", "a.csv", "-o", "none.csv").code == 0
    assert crant("compare", "a.csv", "a.csv", "--all", "-o", "same.csv").code == 0
    for name in ("none", "same"):
        assert crant("view", f"{name}.csv", "-o", f"{name}.html").code == 0
        screen.open(tables / f"{name}.html")
        assert screen.text("size").startswith("No differences")
