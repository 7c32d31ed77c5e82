"""`crantcli view`: what a page holds, against the table that it was made of; what is refused, and what is left out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pages
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, Crant
from hypothesis import given
from hypothesis import strategies as st
from strategies import ANNOTATION_COLUMNS, AS_DRAWN, SETTINGS, annotation_tables, edge_tables, frame, rules

import crantcli as cc
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.matrix.order import label_key
from crantcli.output.pages import packing

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

SAMPLE = ROOT / "sample_data"
WORM = (SAMPLE / "celegans_edges.csv", "-a", SAMPLE / "celegans_cells.csv")


def page_of(source: Any, annotations: Any = None, **more: Any) -> str:
    fields = {name: more.pop(name) for name in ("title", "max_size", "sum_duplicates") if name in more}
    question = cc.questions.View(**fields)  # type: ignore[attr-defined]
    found = cc.ask(question, source=source, annotations=annotations, **more)
    assert isinstance(found, str)
    return found


def layered(page: str, layer: str = "neurons") -> dict[str, Any]:
    return dict(pages.about(page)["layers"][layer])


@SETTINGS
@given(st.data())
def test_a_page_holds_the_edges_of_its_table(data: st.DataObject) -> None:
    """Weights, totals, orders, types and their sums, read back without the page's script."""
    table = data.draw(edge_tables())
    rule, cells = data.draw(rules(table)), data.draw(annotation_tables(table.neurons))
    edges, ledger = oracle.table_edges(table.rows, rules=rule, sum_duplicates=True)
    page = page_of(
        table.frame, frame(cells, ANNOTATION_COLUMNS), clean=rule.clean,
        threshold=rule.given, sum_duplicates=True, **AS_DRAWN,
    )  # fmt: skip
    expected = {(str(pre), str(post)): weight for (pre, post), weight in edges.items()}
    assert pages.entries(page) == expected
    assert f"{ledger['kept']:,} kept" in pages.about(page)["ledger"]
    side, other = pages.names(page)
    assert side == other
    assert set(side["ids"]) == {neuron for pair in expected for neuron in pair}
    labels = {str(neuron): label for neuron, label in oracle.types(cells).items()}
    typed = {neuron: labels[neuron] for neuron in side["ids"] if neuron in labels}
    assert pages.types(side) == typed
    assert side["types"] == sorted(set(typed.values()), key=label_key)
    whole = layered(page)["whole"]
    for name, end in (("source", 0), ("target", 1)):
        sums = dict(zip(side["ids"], pages.numbers(pages.stream(page, f"totals.{name}") or b"", whole), strict=True))
        for neuron, total in sums.items():
            assert pages.same_sum([w for pair, w in expected.items() if pair[end] == neuron], total)
    if typed:
        of_types: dict[tuple[str, str], list[Any]] = {}
        for (pre, post), weight in expected.items():
            if pre in typed and post in typed:
                of_types.setdefault((str(typed[pre]), str(typed[post])), []).append(weight)
        found = pages.entries(page, "types")
        assert found.keys() == of_types.keys()
        assert all(pages.same_sum(of_types[pair], total) for pair, total in found.items())
    order = pages.stream(page, "order.id.source")
    ids = side["ids"] if order is None else [side["ids"][place] for place in pages.integers(order)]
    assert ids == sorted(ids, key=(lambda one: int(one)) if isinstance(table.neurons[0], int) else None)


@SETTINGS
@given(st.data())
def test_the_strongest_stay_where_not_all_have_room(data: st.DataObject) -> None:
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows, columns = chance.integers(1, 40, 2)
    number = int(chance.integers(0, 400))
    signed, whole = chance.random(2) < 0.5
    weights = np.ceil(chance.lognormal(1, 1, number))
    weights *= chance.choice([-1, 1], number) if signed else 1
    weights = weights.astype(np.int64) if whole else weights / 8
    i, j = chance.integers(0, rows, number), chance.integers(0, columns, number)
    matrix = LabelledMatrix.from_entries(np.arange(rows), np.arange(columns), i, j, weights)
    room = data.draw(st.integers(0, 1200))
    found = packing.fit_matrix(matrix, room)
    strengths = np.abs(matrix.weights)
    assert found.left_out == (strengths <= found.up_to).sum()
    page = f"{_described(matrix, whole)}{_streams(found)}"
    kept = pages.entries(page)
    expected = zip(matrix.rows.tolist(), matrix.indices.tolist(), matrix.weights.tolist(), strict=True)
    assert kept == {(str(row), str(column)): w for row, column, w in expected if abs(w) > found.up_to}
    assert found.bytes <= room or not kept


def _described(matrix: LabelledMatrix, whole: bool) -> str:
    told = json.dumps({"layers": {"neurons": {"whole": bool(whole)}}})
    sides = {
        name: {"ids": [str(one) for one in ids]}
        for name, ids in zip(("source", "target"), (matrix.pre, matrix.post), strict=True)
    }
    names = packing.packed(json.dumps(sides).encode())
    return (
        f'<script type="application/json" id="about">{told}</script>'
        f'<script type="text/plain" data-stream="names">{names}</script>'
    )


def _streams(found: packing.PackedMatrix) -> str:
    return "".join(
        f'<script type="text/plain" data-stream="neurons.{name}">{text}</script>'
        for name, text in found.streams.items()
    )


@given(st.binary(max_size=300))
def test_bytes_come_back_from_text(content: bytes) -> None:
    text = packing.packed(content)
    assert not set(text) & set("\0\r<")
    assert pages.stream(f'data-stream="x">{text}</script>', "x") == content


@given(st.lists(st.integers(0, 2**62), max_size=50))
def test_integers_come_back_from_bytes(values: list[int]) -> None:
    assert pages.integers(packing.varints(np.array(values, dtype=np.int64))) == values


def test_weights_to_the_last_digit(tmp_path: Path) -> None:
    """Large ones, and fractions, with which floats of 32 bits would not do."""
    large = pd.DataFrame({"pre": ["a", "b"], "post": ["b", "a"], "weight": [2**52, 3]})
    assert pages.entries(page_of(large)) == {("a", "b"): 2**52, ("b", "a"): 3}
    shares = pd.DataFrame({"pre": ["a", "b"], "post": ["b", "a"], "weight": [0.1, 1 / 3]})
    assert pages.entries(page_of(shares)) == {("a", "b"): 0.1, ("b", "a"): 1 / 3}
    with pytest.raises(cc.DataError, match="add up to"):
        page_of(large.assign(weight=[2**53, 3]))


def test_ids_of_64_bits(tmp_path: Path) -> None:
    ids = [576460752303423489, 576460752303423488, 2**63 - 1]
    page = page_of(pd.DataFrame({"pre": ids, "post": ids[1:] + ids[:1], "weight": [1, 2, 3]}))
    assert pages.names(page)[0]["ids"] == sorted(map(str, ids))


def test_a_nested_matrix_keeps_its_order(crant: Crant, tmp_path: Path) -> None:
    done = crant("nested", *WORM, "--cell-type-column", "cell_class", "--type-order", "sensory,motor",
                 "--neuron-order", "weight", "-o", "n.npz", "--order", "order.csv")  # fmt: skip
    assert done.code == 0, done.err
    assert crant("view", "n.npz", *WORM[1:], "--cell-type-column", "cell_class", "-o", "n.html").code == 0
    side, _ = pages.names((tmp_path / "n.html").read_text())
    order = pd.read_csv(tmp_path / "order.csv")
    assert side["ids"] == order["neuron"].tolist()
    assert side["types"] == order["type"].dropna().drop_duplicates().tolist()
    assert side["types"][:2] == ["sensory", "motor"]
    # Without annotations the order is that of the file, too.
    assert crant("view", "n.npz", "-o", "n.html").code == 0
    page = (tmp_path / "n.html").read_text()
    assert pages.names(page)[0]["ids"] == order["neuron"].tolist()
    assert pages.about(page)["given"] == "file"


@pytest.mark.parametrize("suffix", ["npz", "csv", "parquet"])
def test_matrices_of_all_forms(suffix: str, crant: Crant, tmp_path: Path) -> None:
    edges = pd.DataFrame({"pre": ["c", "a", "c"], "post": ["x", "x", "b"], "weight": [3, 2, 9]})
    edges.to_csv(tmp_path / "e.csv", index=False)
    assert crant("adjacency", "e.csv", "-o", f"m.{suffix}").code == 0
    assert crant("view", f"m.{suffix}", "-o", "m.html").code == 0
    page = (tmp_path / "m.html").read_text()
    assert pages.entries(page) == {("c", "x"): 3, ("a", "x"): 2, ("c", "b"): 9}
    assert [side["ids"] for side in pages.names(page)] == [["a", "c"], ["b", "x"]]
    assert not pages.about(page)["square"]


def test_a_wide_table_in_an_order_of_its_own(tmp_path: Path) -> None:
    wide = pd.DataFrame([[0, 1, 2], [3, 0, 4]], index=pd.Index(["n9", "n1"], name="pre"), columns=["n5", "n9", "n2"])
    wide.to_csv(tmp_path / "wide.csv")
    page = page_of(tmp_path / "wide.csv")
    assert [side["ids"] for side in pages.names(page)] == [["n9", "n1"], ["n5", "n9", "n2"]]


def test_signed_weights(tmp_path: Path) -> None:
    edges = pd.DataFrame({"pre": ["a", "b"], "post": ["b", "a"], "weight": [-2, 5]})
    page = page_of(edges, signed=True)
    assert pages.entries(page) == {("a", "b"): -2, ("b", "a"): 5}
    assert layered(page)["signed"]


def test_synapses_are_counted(tmp_path: Path) -> None:
    rows = pq.read_table(SAMPLE / "synapses.parquet", columns=["id", "pre_pt_root_id", "post_pt_root_id"]).to_pylist()
    distinct = {row["id"]: (row["pre_pt_root_id"], row["post_pt_root_id"]) for row in rows}
    pairs = Counter(pair for pair in distinct.values() if None not in pair and 0 not in pair and pair[0] != pair[1])
    page = page_of(SAMPLE / "synapses.parquet", threshold=3)
    assert pages.entries(page) == {
        (str(int(pre)), str(int(post))): number for (pre, post), number in pairs.items() if number >= 3
    }
    assert pages.about(page)["quantity"] == "synapses"


@pytest.mark.parametrize(("mode", "told"), [("relative_incoming", "fraction of input shown"), ("count", "synapses")])
def test_entries_are_called_what_the_matrix_calls_them(crant: Crant, mode: str, told: str) -> None:
    made = crant("nested", "-d", SAMPLE / "sample.toml", "--weight-mode", mode, "-q", "-o", "m.npz")
    assert made.code == 0, made.err
    assert pages.about(page_of("m.npz"))["quantity"] == told


# Left out, refused, empty


def test_what_does_not_fit_is_left_out_and_said(crant: Crant, tmp_path: Path) -> None:
    edges = np.random.default_rng(5).integers(0, 2000, (60_000, 2))
    table = pd.DataFrame(np.unique(edges, axis=0), columns=["pre", "post"]) + 1
    table = table[table["pre"] != table["post"]]
    table["weight"] = np.random.default_rng(6).geometric(0.3, len(table))
    table.to_csv(tmp_path / "e.csv", index=False)
    done = crant("view", "e.csv", "--max-size", "150kB", "-o", "p.html")
    assert done.code == 0
    page = (tmp_path / "p.html").read_text()
    assert (tmp_path / "p.html").stat().st_size <= 150_000
    told = layered(page)
    weak = table[table["weight"] <= told["up_to"]]
    assert told["left_out"] == len(weak) > 0
    assert f"{len(weak):,} of {len(table):,} pairs of neurons" in done.err
    assert f"of at most {told['up_to']}" in done.err
    strong = table[table["weight"] > told["up_to"]]
    assert len(pages.entries(page)) == len(strong) > 0
    # From afar everything is there: the strongest of each cell, whether it was left out or not.
    height, width = told["overview"]
    rows, columns = (np.searchsorted(np.unique(table[["pre", "post"]]), table[end]) for end in ("pre", "post"))
    cells = np.zeros(height * width, dtype=int)
    count = told["shape"][0]
    np.maximum.at(cells, rows * height // count * width + columns * width // count, table["weight"])
    assert pages.numbers(pages.stream(page, "neurons.overview") or b"", True) == cells.tolist()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["-o", "p.html", "--max-size", "20kB"], 2, "without a single pair"),
        (["-o", "p.html", "--max-size", "0"], 2, "at least one byte"),
        (["-o", "p.html", "--max-size", "large"], 2, "write it like 25MB or 400kB"),
        ([], 2, "say where with --output FILE.html"),
        (["-o", "-"], 2, "say where with --output FILE.html"),
        (["-o", "p.png"], 2, "write to .html"),
    ],
)
def test_wrong_usage(options: list[str], code: int, words: str, crant: Crant, tmp_path: Path) -> None:
    done = crant("view", WORM[0], *options)
    assert done.code == code
    assert words in done.err
    assert not list(tmp_path.glob("p.*"))


SKELETON = next((SAMPLE / "skeletons").glob("*.swc"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SAMPLE / "annotations.csv", "annotations.csv: looks like a table of neurons, such as annotations"),
        (SAMPLE / "annotations.parquet", "(column root_id)"),
        (SAMPLE / "nested.png", "nested.png: is a picture"),
        (SAMPLE / "sample.toml", "sample.toml: is a description of a data set"),
        (SAMPLE / "skeletons", "skeletons: is a folder of skeletons"),
        (SAMPLE / "meshes", "meshes: is a folder of meshes"),
        (SKELETON, f"{SKELETON.name}: is a skeleton"),
        ("counts.csv", "counts.csv: is a table of partners and synapses per neuron"),
        ("counts.parquet", "counts.parquet: is a table of partners and synapses per neuron"),
        ("sites.csv", "sites.csv: is a table of sites on skeletons"),
        ("sites.parquet", "sites.parquet: is a table of sites on skeletons"),
        ("tree.csv", "tree.csv: is a skeleton, node by node"),
        ("words.txt", "there is one column only"),
        ("lines.txt", "no header"),
        ("page.html", "page.html: is a page"),
        ("binary.bin", "unknown kind of file"),
    ],
)  # fmt: skip
def test_files_that_are_no_matrices(source: Any, words: str, crant: Crant, tmp_path: Path) -> None:
    for suffix in ("csv", "parquet"):
        if source == f"counts.{suffix}":
            assert crant("counts", SAMPLE / "synapses.parquet", "-o", source).code == 0
        if source == f"sites.{suffix}":
            options = ("--skeletons", SAMPLE / "skeletons", "--coordinates", "nm", "-o", source)
            assert crant("attach", SAMPLE / "synapses.parquet", *options).code == 0
    (tmp_path / "tree.csv").write_text("node_id,parent_id,x,y,z\n1,-1,1,2,3\n2,1,2,2,3\n")
    (tmp_path / "words.txt").write_text("hello\n")
    (tmp_path / "lines.txt").write_text("some words here\nand other stuff\nlines of text\n")
    (tmp_path / "page.html").write_text("<html></html>")
    (tmp_path / "binary.bin").write_bytes(bytes(range(256)))
    done = crant("view", source, "-o", "p.html")
    assert (done.code, words in done.err) == (3, True), done.err
    assert "a page shows matrices (.npz, wide tables), edges, synapses" in done.err
    assert not (tmp_path / "p.html").exists()


def test_what_an_option_settles_is_asked_for(crant: Crant, tmp_path: Path) -> None:
    """Edges with two weights can be shown; which of them is the question."""
    (tmp_path / "e.csv").write_text("pre,post,weight,syn_count\nA,B,1,2\n")
    done = crant("view", "e.csv", "-o", "p.html")
    assert (done.code, "--weight-col" in done.err, "a page shows" in done.err) == (3, True, False)
    assert crant("view", "nobody.csv", "-o", "p.html").code == 2


def test_annotations_without_types(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("neuron_id,side\nAVAL,L\n")
    done = crant("view", WORM[0], "-a", "c.csv", "-o", "p.html")
    assert done.code == 3
    assert "--cell-type-column" in done.err


def test_an_empty_table_makes_a_page_that_says_so(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\n")
    assert crant("view", "e.csv", "-o", "p.html").code == 0
    page = (tmp_path / "p.html").read_text()
    assert layered(page)["shape"] == [0, 0]
    assert pages.entries(page) == {}
    assert crant("view", "e.csv", "-o", "q.html", "--fail-empty").code == 4
    assert not (tmp_path / "q.html").exists()


# The file


def test_a_small_page_is_small_and_the_same_each_time(crant_process: Crant, tmp_path: Path) -> None:
    for threads in ("1", "2"):
        done = crant_process("view", *WORM, "--threads", threads, "-o", f"{threads}.html")
        assert done.code == 0, done.err
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()
    assert (tmp_path / "1.html").stat().st_size <= 400_000


def test_info_tells_how_a_page_was_made(crant: Crant, tmp_path: Path) -> None:
    assert crant("view", *WORM, "-t", "5", "-o", "p.html").code == 0
    told = crant("info", "p.html", "--json")
    found = json.loads(told.out)
    assert found["kind"] == "page"
    assert found["provenance"]["command"] == "view"
    assert found["provenance"]["ledger"]["removed"]["threshold"] > 0
    page = (tmp_path / "p.html").read_bytes()
    for name, content, words in (("cut", page[:-2000], "damaged"), ("other", b"<html>log in</html>", "did not make")):
        (tmp_path / f"{name}.html").write_bytes(content)
        done = crant("info", f"{name}.html")
        assert done.code == 3
        assert words in done.err


def test_nothing_runs_but_the_script_of_the_page() -> None:
    """The policy names it by its hash; there are no handlers in the marks, and no addresses."""
    page = page_of(WORM[0], WORM[2])
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    for mark, directive in (("script", "script-src"), ("style", "style-src")):
        inside = re.findall(rf"<{mark}>(.*?)</{mark}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert len(inside) == 1
        assert f"{directive} 'sha256-{digest}'" in policy[1]
    marks = page.partition("<body>")[2].partition("<script")[0]
    assert not re.search(r"\son\w+=|\sstyle=|\ssrc=|\shref=", marks)
    assert "http" not in re.sub(r"(?s)<script type.*?</script>|http-equiv", "", page)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    names = [
        "</script><script>alert(1)</script>",
        "<!-- <script>",
        "\"'`&amp;",
        "\u202eabc\u05d0",
        "x" * 500,
        "\\u003c",
    ]
    edges = pd.DataFrame({"pre": names, "post": names[1:] + names[:1], "weight": 1})
    cells = pd.DataFrame({"neuron_id": names, "cell_type": names[::-1]})
    page = page_of(edges, cells, title=names[0])
    assert page.count("<script>") == page.count("</script>") - len(re.findall("<script type", page)) == 1
    side, _ = pages.names(page)
    assert set(side["ids"]) == set(names)
    assert pages.types(side) == dict(zip(names, names[::-1], strict=True))
    assert pages.about(page)["title"] == names[0]
    told = re.search(r'id="about">(.*?)</script>', page)
    assert told is not None
    assert not set(told[1]) & set("<>&")


def test_the_wheel_has_the_script() -> None:
    """Whatever the page is put together from lies beside the module, and is named as data of the package."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["crantcli"]
    folder = ROOT / "crantcli" / "output" / "pages"
    files = [path for path in folder.iterdir() if path.suffix not in (".py", "") and path.is_file()]
    assert {"view.html", "view.css", "decode.js", "matrix.js", "canvas.js", "page.js"} <= {path.name for path in files}
    for path in files:
        assert any(path.relative_to(ROOT / "crantcli").match(pattern) for pattern in patterns)
