"""`crantcli report`: what the page of a night says, what it does not let in, and the history of its figures."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from strategies import SETTINGS
from tables import ONE, TWO, complaint, left_by_the_dead, parquet_file, text_file

import crantcli as cc
from crantcli.core.report.history import HistoryRow, changes_since, nights_of, series_of, with_night
from crantcli.errors import ConditionError
from crantcli.output.pages.charts import line_chart

EDGES, CELLS = SAMPLE / "celegans_edges.csv", SAMPLE / "celegans_cells.csv"

#: What labels may hold.
HOSTILE = (
    "</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onclick='x", "&lt;&amp;", "<!-- -->",
    "\u202eright to left", "אבג", "x" * 500, "</style></title>", "javascript:alert(1)", "\x01\x7f", "\u2028", "🪰", "",
)  # fmt: skip

#: Tags that a page of ours has, and attributes.
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section", "h1", "h2", "h3",
    "h4", "p", "div", "span", "ul", "li", "a", "b", "bdi", "strong", "table", "thead", "tbody", "tr", "th", "td",
    "details", "summary", "figure", "figcaption", "img", "svg", "line", "polyline", "circle", "text",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "role", "title", "tabindex", "scope",
    "src", "alt", "aria-label", "aria-labelledby", "viewbox", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r",
    "points", "text-anchor",
}  # fmt: skip
EMPTY = {"meta", "img", "line", "polyline", "circle"}


class Page(HTMLParser):
    """What stands in a page: its elements are closed in the order in which they are opened."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.source = Path(path).read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.section, self._cell = "", False
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "div" and found.get("role") == "region":
            self.rows = self.tables.setdefault(found["aria-label"], [])
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data + " "

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def row(self, table: str, start: str) -> list[str]:
        """The row of a table whose first cell begins so, with its cells' words."""
        (found,) = (row for row in self.tables[table] if row[0].strip().startswith(start))
        return [" ".join(cell.split()) for cell in found]

    def links(self) -> list[str]:
        return [found["href"] for tag, found in self.tags if tag == "a" and not found["href"].startswith("#")]

    def pictures(self) -> dict[str, bytes]:
        """Names of pictures, and what they hold."""
        found = {}
        for tag, its in self.tags:
            if tag == "img":
                start, data = its["src"].split(",", 1)
                assert start == "data:image/png;base64"
                found[its["alt"]] = base64.b64decode(data)
        return found


def check_page(path: str | Path) -> Page:
    """A page that asks for nothing, runs nothing, and holds no mark that is not ours."""
    page = Page(path)
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {name for _, found in page.tags for name in found} <= ATTRIBUTES
    (policy,) = (found["content"] for tag, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert re.fullmatch(
        r"default-src 'none'; img-src data:; style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'; form-action 'none'",
        policy,
    )
    assert "http:" not in page.source
    assert "https:" not in page.source
    for link in page.links():
        assert urllib.parse.urlsplit(link)[:2] == ("", ""), link
        assert (Path(path).parent / os.fsdecode(urllib.parse.unquote_to_bytes(link))).exists(), link
    return page


def night(crant: Crant, *more: object, code: int = 0) -> Page:
    """The page of the folder `n`, which is of a night given or of none."""
    done = crant("report", "n", "-o", "night.html", "-q", *more)
    assert done.code == code, done.err
    return check_page("night.html")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("n").mkdir()


#: What `made` has made once: tests may change it.
_MADE: dict[str, bytes] = {}


@pytest.fixture
def made(crant: Crant) -> Path:
    """A folder with edges, a matrix with its picture, one without, and a comparison."""
    run = ("--quiet", "-a", CELLS)
    for arguments in (
        ("connectivity", EDGES, *run, "-t", "5", "-o", "n/edges.parquet"),
        ("connectivity", EDGES, *run, "--by", "type", "-o", "n/types.csv"),
        ("adjacency", EDGES, *run, "--pre", "cell_class=motor", "-o", "n/motor.npz", "--plot", "n/motor.png"),
        ("adjacency", EDGES, *run, "--pre", "cell_type=AWC", "-o", "n/smell.npz"),
        ("compare", EDGES, "n/edges.parquet", "--quiet", "-o", "n/changes.csv", "--summary", "n/changes.json"),
    ):
        if "n/changes.json" not in _MADE:
            assert crant(*arguments).code == 0
    _MADE.update({str(path): path.read_bytes() for path in Path("n").iterdir()})
    for name, content in _MADE.items():
        Path(name).write_bytes(content)
    return Path("n")


def history(path: str = "h.parquet") -> pd.DataFrame:
    return pq.read_table(path).to_pandas()


# -- the page --------------------------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_files(crant: Crant, made: Path) -> None:
    page = night(crant)
    edges = pq.read_table(made / "edges.parquet").to_pandas()
    told = page.row("Files and totals", "edges.parquet")
    assert told[1] == "edges"
    assert told[2] == (
        f"rows {len(edges):,} distinct pre {edges['pre'].nunique():,} distinct post {edges['post'].nunique():,} "
        f"sum of weights {edges['weight'].sum():,}"
    )
    assert told[3] == f"{(made / 'edges.parquet').stat().st_size:,}"
    assert told[4].startswith("connectivity")
    with __import__("numpy").load(made / "motor.npz") as arrays:
        rows, columns = arrays["shape"].tolist()
        total, entries = int(arrays["data"].sum()), len(arrays["data"])
    assert page.row("Files and totals", "motor.npz")[2] == (
        f"rows {rows:,} columns {columns:,} entries {entries:,} sum of entries {total:,}"
    )
    types = pd.read_csv(made / "types.csv")
    assert f"sum of weights {types['weight'].sum():,}" in page.row("Other files", "types.csv")[2]
    whole = pd.read_csv(EDGES)
    autapses = int((whole["pre"] == whole["post"]).sum())
    heads = [" ".join(cell.split()) for cell in page.tables["Ledgers"][0]]
    row = dict(zip(heads, page.row("Ledgers", "edges.parquet"), strict=True))
    assert row["Read"] == f"{len(whole):,}"
    assert row["− autapse"] == f"{autapses:,}"
    assert row["Kept"] == f"{len(edges):,}"
    assert row["− threshold"] == f"{len(whole) - autapses - len(edges):,}"
    assert page.row("Ledgers", "motor.npz")[0] == "motor.npz , motor.png", "one run, once"


def test_the_largest_changes_are_those_of_compare(crant: Crant, made: Path) -> None:
    page = night(crant)
    changes = pd.read_csv(made / "changes.csv", dtype=str)
    size = changes["difference"].astype(int).abs()
    assert size.is_monotonic_decreasing
    shown = [[cell.strip() for cell in row] for row in page.tables["Rows of changes.csv"]]
    assert shown[0] == list(changes)
    assert shown[1:] == changes.head(20).to_numpy().tolist()
    assert f"20 of {len(changes):,} rows: largest changes first" in page.text
    for name, value in json.loads((made / "changes.json").read_text()).items():
        if type(value) is int:
            assert f"{name} {value:,}" in page.text
    assert "celegans_edges.csv (" in page.text


def test_ids_of_changes_are_whole(crant: Crant) -> None:
    parquet_file("a.parquet", id=[1, 2, 3], pre=[ONE, ONE, TWO], post=[TWO, TWO, 7])
    parquet_file("b.parquet", id=[1, 3, 4], pre=[TWO, TWO, TWO], post=[TWO, 7, 8])
    done = crant("compare", "a.parquet", "b.parquet", "-o", "n/c.parquet", "--neurons", "n/neurons.csv", "-q")
    assert done.code == 0, done.err
    page = night(crant)
    assert {row[0].strip() for row in page.tables["Rows of c.parquet"][1:]} == {str(TWO)}
    neurons = pd.read_csv("n/neurons.csv", dtype=str)
    assert [row[0].strip() for row in page.tables["Rows of neurons.csv"][1:]] == sorted(
        neurons.loc[neurons["change"] != "same", "neuron"]
    )


def test_pictures_are_embedded_and_matrices_without_one_are_drawn(crant: Crant, made: Path) -> None:
    found = night(crant).pictures()
    assert found["motor.png"] == (made / "motor.png").read_bytes()
    assert set(found) == {"motor.png", "smell.npz"}
    assert found["smell.npz"].startswith(b"\x89PNG")


def test_a_picture_that_is_too_large_is_linked(crant: Crant, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crantcli.output.pages.pictures._MOST", 1000)
    page = night(crant)
    assert set(page.pictures()) == {"smell.npz"}
    assert "too large for this page" in page.text


def test_the_same_night_gives_the_same_bytes(crant: Crant, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--history", "h.parquet", "--night")
    night(crant, *arguments, "2026-11-28")
    night(crant, *arguments, "2026-11-29")
    first, kept = Path("night.html").read_bytes(), Path("h.parquet").read_bytes()
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        night(crant, *arguments, "2026-11-29")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert Path("night.html").read_bytes() == first
    assert Path("h.parquet").read_bytes() == kept


def test_python_makes_the_same_page(crant: Crant, made: Path) -> None:
    done = crant("report", made, "-o", "night.html", "--night", "2026-11-29", "--json", "-q")
    page = Path("night.html").read_bytes()
    told = cc.report(made, Path("night.html"), night="2026-11-29")
    assert told == json.loads(done.out)
    assert Path("night.html").read_bytes() == page
    with pytest.raises(ConditionError, match=r"lost\.csv: is not there"):
        cc.report([made], "night.html", expect=["lost.csv"])
    with pytest.raises(TypeError, match="expect"):
        cc.report([made], "night.html", expect="lost.csv")


def test_hostile_texts_stay_texts(crant: Crant) -> None:
    rows = "\n".join(
        '"' + text.replace('"', '""') + f'",{ONE},{number},0,{-number},only_a' for number, text in enumerate(HOSTILE, 1)
    )
    text_file("n/c.csv", f"pre,post,weight_a,weight_b,difference,status\n{rows}\n")
    names = ['"><b>.csv', "javascript:x.csv", "\u202ecsv.exe.csv", "a b#?%.csv", "</title>.csv".replace("/", "∕")]
    for name in names:
        text_file(f"n/{name}", "pre,post,weight\n1,2,3\n")
    os.write(descriptor := os.open(b"n/\xff.csv", os.O_CREAT | os.O_WRONLY), b"pre,post,weight\n1,2,3\n")
    os.close(descriptor)
    page = night(crant, "--failed", HOSTILE[0], "--history", "h.parquet", "--night", "2026-11-28", code=7)
    cells = {row[0].strip(): row[1].strip() for row in page.tables["Rows of c.csv"][1:]}
    for text in HOSTILE:
        if text.isprintable() and len(text) < 100:
            assert cells[text.strip()] == str(ONE)
    assert any(cell.startswith("x" * 120 + "…") and "(500 characters)" in cell for cell in cells)
    assert any(found.get("title") == "x" * 500 for _, found in page.tags)
    assert "\x01" not in page.source
    shown = {row[0].strip() for row in page.tables["Other files"][1:]}
    assert {*names, r"\xff.csv"} <= shown
    text_file(f"n/{names[0]}", "pre,post,weight\n1,2,3\n3,4,4\n")
    Path(f"n/{names[1]}").unlink()
    page = night(crant, "--history", "h.parquet", "--night", "2026-11-29")
    assert names[0] in {row[0].strip() for row in page.tables["Figures that changed"]}
    assert f"Only in the night before: {names[1]} : distinct post, distinct pre, rows, sum of weights" in page.text


def test_other_files_are_listed_as_such(crant: Crant, made: Path) -> None:
    text_file("n/Makefile", "all:\n")
    text_file("n/.hidden.csv", "pre,post\n1,2\n")
    text_file("n/broken.csv", b"\xff\xfe\x00")
    text_file("n/log/x.csv", "pre,post\n1,2\n")
    text_file("n/other.json", "[1, 2]")
    os.mkfifo("n/pipe.csv")
    import matplotlib.image

    matplotlib.image.imsave("n/other.png", [[0.0, 1.0]])
    page = night(crant)
    whys = {row[0].strip(): row[3].strip() for row in page.tables["Other files"][1:]}
    assert set(whys) == {
        "Makefile",
        "broken.csv",
        "changes.csv",
        "log",
        "other.json",
        "other.png",
        "pipe.csv",
        "types.csv",
    }
    assert whys["types.csv"] == whys["other.png"] == "carries no provenance of crantcli"
    assert whys["pipe.csv"] == "is no file"
    assert "not looked into" in whys["log"]
    assert "other.png" not in page.pictures()


def test_files_of_one_name_are_told_apart(crant: Crant, made: Path) -> None:
    Path("m").mkdir()
    Path("m/edges.parquet").write_bytes((made / "edges.parquet").read_bytes())
    done = crant("report", "n", "m", "n/edges.parquet", "-o", "night.html", "-q", "--history", "h.parquet",
                 "--night", "2026-11-29")  # fmt: skip
    assert done.code == 0, done.err
    names = {row[0].strip() for row in check_page("night.html").tables["Files and totals"][1:]}
    assert {"m/edges.parquet", "n/edges.parquet", "motor.npz"} <= names
    assert "edges.parquet" not in names


# -- nights that failed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["edges.parquet", "motor.npz", "motor.png", "changes.json"])
def test_a_damaged_file_is_a_failure(crant: Crant, made: Path, name: str) -> None:
    content = (made / name).read_bytes()
    (made / name).write_bytes(content[: len(content) // 2])
    page = night(crant, "--history", "h.parquet", "--night", "2026-11-29", code=7)
    assert "This night failed: 1 problem" in page.text
    assert f"{name}: is truncated or damaged" in page.text or f"{name}: cannot be read" in page.text
    assert name not in set(history()["file"])
    assert len(history()) > 10, "everything else is there"


def test_a_file_that_is_missing_is_a_failure(crant: Crant, made: Path) -> None:
    text_file("n/empty.csv", "")
    done = crant(
        "report", "n", "-o", "night.html", "-q", "--expect", "motor.png,lost.npz,empty.csv", "--expect", "gone"
    )
    complaint(done, 7, "lost.npz: is not there", "gone: is not there", "empty.csv")
    page = check_page("night.html")
    assert "This night failed: 3 problems" in page.text
    assert page.row("Files and totals", "lost.npz")[0] == "lost.npz is not there"
    done = crant("report", "n/edges.parquet", "elsewhere.csv", "-o", "night.html", "-q")
    complaint(done, 7, "elsewhere.csv: is not there")


def test_what_must_be_there_may_lie_in_a_folder(crant: Crant, made: Path) -> None:
    text_file("n/sub/x.csv", "pre,post,weight\n1,2,3\n")
    page = night(crant, "--expect", "sub/x.csv,types.csv")
    assert page.row("Other files", "x.csv")[1] == "edges"
    complaint(crant("report", "n", "-o", "night.html", "-q", "--expect", "sub/y.csv"), 7, "y.csv: is not there")
    complaint(crant("report", "n", "-o", "night.html", "-q", "--expect", "sub"), 7, "sub: is a folder without")


def test_an_empty_folder_is_a_failure(crant: Crant) -> None:
    assert "there are no files" in night(crant, code=7).text


def test_a_failure_that_the_caller_tells_is_one(crant: Crant, made: Path) -> None:
    page = night(crant, "--failed", "make ended with exit code 2", code=7)
    assert "make ended with exit code 2" in page.text


def test_a_file_made_of_another_than_the_one_beside_it_is_a_failure(crant: Crant, made: Path) -> None:
    assert crant("connectivity", "n/edges.parquet", "-t", "9", "-q", "-o", "n/strong.parquet").code == 0
    night(crant)
    assert crant("connectivity", EDGES, "-t", "6", "-q", "-o", "n/edges.parquet").code == 0
    page = night(crant, "--history", "h.parquet", "--night", "2026-11-29", code=7)
    assert "strong.parquet: was made from another edges.parquet than the one that is there now" in page.text
    assert "strong.parquet" not in set(history()["file"])


def test_two_inputs_of_one_name_are_both_known(crant: Crant, made: Path) -> None:
    """The edges of the night before and those of this one have one name."""
    Path("before").mkdir()
    assert crant("connectivity", EDGES, "-t", "7", "-q", "-o", "before/edges.parquet").code == 0
    run = ("compare", "before/edges.parquet", "n/edges.parquet", "-q", "--summary", "n/c.json")
    assert crant(*run).code == 0
    night(crant)


def test_a_folder_of_ours_must_be_whole(crant: Crant) -> None:
    done = crant("meshes", "-d", SAMPLE / "sample.toml", "--neuropils", "ellipsoid_body", "-q", "-o", "n/meshes")
    assert done.code == 0, done.err
    assert page_row(night(crant, "--expect", "meshes/manifest.json"), "meshes").startswith("rows 1 files 1")
    next(Path("n/meshes").glob("*.ply")).unlink()
    assert "of it is not there" in night(crant, code=7).text
    text_file("n/meshes/manifest.json", '{"crantcli": "1"}')
    assert "is damaged" in night(crant, code=7).text


def page_row(page: Page, start: str) -> str:
    return page.row("Files and totals", start)[2]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ledger": {"unit": "edges", "read": 5, "kept": 3, "removed": {"null": 1}}}, "its ledger does not add up"),
        ({"ledger": {"unit": "edges", "read": "5", "kept": 5, "removed": {}}}, "its provenance is damaged"),
        ({"ledger": {"unit": "edges", "read": 5, "kept": 5, "removed": {"x": 0}}}, "its provenance is damaged"),
        ({"inputs": 7}, "its provenance is damaged"),
        ({"options": []}, "its provenance is damaged"),
    ],
)
def test_provenance_that_cannot_be_true_is_a_failure(crant: Crant, change: dict[str, Any], told: str) -> None:
    with_record("n/x.parquet", **change)
    assert f"x.parquet: {told}" in night(crant, code=7).text


def with_record(path: str, **change: Any) -> None:
    """Edges with a provenance."""
    record = {
        "crantcli": "0",
        "command": "connectivity",
        "kind": "edges",
        "options": {},
        "inputs": [],
        "rows": 1,
        **change,
    }
    table = pa.table({"pre": [1], "post": [2], "weight": [3]})
    pq.write_table(table.replace_schema_metadata({"crantcli": json.dumps(record)}), path)


# -- versions --------------------------------------------------------------------------------------------------------


def live(version: int, day: int) -> dict[str, Any]:
    return {"name": "ants/synapses", "materialization": version, "time": f"2026-11-{day:02}T03:10:00+00:00"}


def locked(version: int, day: int) -> str:
    cave = {"server": "https://x.example", "datastack": "ants", "table": "synapses", "resolution": [8, 8, 42]}
    cave |= {"version": version, "time": live(version, day)["time"]}
    return json.dumps({"crantcli_lock": 2, "crantcli": "0", "dataset": "ants", "cave": cave})


def test_the_night_is_that_of_the_newest_version(crant: Crant) -> None:
    with_record("n/a.parquet", inputs=[live(4, 12)])
    text_file("n/ant.lock", locked(4, 12))
    page = night(crant, "--history", "h.parquet")
    assert page.text.startswith("Night of 2026-11-12")
    assert page.row("Versions", "ants/synapses")[1:] == ["4", "2026-11-12T03:10:00+00:00", "a.parquet , ant.lock"]
    assert set(history()["night"]) == {"2026-11-12"}
    assert night(crant, "--night", "2026-12-01T04:30").text.startswith("Night of 2026-12-01T04:30")
    with_record("n/strange.parquet", inputs=[{**live(4, 12), "name": "x", "time": "z<b>"}])
    assert night(crant).text.startswith("Night of 2026-11-12"), "what is no date is none"
    Path("n/strange.parquet").unlink()
    with_record("n/b.parquet", inputs=[live(5, 13)])
    page = night(crant)
    assert page.text.startswith("Night of 2026-11-13")
    assert "ants/synapses: the files are of different versions (4 in a.parquet, 5 in b.parquet)" in page.text


def test_a_damaged_lock_is_a_failure(crant: Crant) -> None:
    text_file("n/ant.lock", locked(4, 12).replace("2026", "x"))
    assert "ant.lock: is no lock file of crantcli, or damaged" in night(crant, code=7).text
    text_file("n/ant.lock", "{}")
    text_file("n/other.lock", "x")
    page = night(crant)
    assert {row[0].strip() for row in page.tables["Other files"][1:]} == {"ant.lock", "other.lock"}


# -- the history -----------------------------------------------------------------------------------------------------


def test_a_history_has_a_row_per_night_and_figure(crant: Crant, made: Path) -> None:
    for path in made.glob("changes.*"):
        path.unlink()
    for number, threshold in ((27, 5), (28, 6), (29, 7)):
        assert crant("connectivity", EDGES, "-t", threshold, "-q", "-o", "n/edges.parquet").code == 0
        page = night(crant, "--history", "h.parquet", "--night", f"2026-11-{number}")
    found = history()
    assert list(found) == ["night", "file", "figure", "value"]
    assert not found.duplicated(["night", "file", "figure"]).any()
    of_rows = found[(found["file"] == "edges.parquet") & (found["figure"] == "rows")].set_index("night")["value"]
    weights = pd.read_csv(EDGES).query("pre != post")["weight"]
    assert of_rows.to_dict() == {
        f"2026-11-{number}": (weights >= threshold).sum() for number, threshold in ((27, 5), (28, 6), (29, 7))
    }
    before, now = of_rows["2026-11-28"], of_rows["2026-11-29"]
    changed = next(
        row for row in page.tables["Figures that changed"] if [c.strip() for c in row[:2]] == ["edges.parquet", "rows"]
    )
    assert [cell.strip() for cell in changed[2:5]] == [f"{before:,.0f}", f"{now:,.0f}", f"−{before - now:,.0f}"]
    labels = [found["aria-label"] for tag, found in page.tags if tag == "svg"]
    assert any(label.startswith("rows of edges.parquet: 3 nights from 2026-11-27 to 2026-11-29") for label in labels)
    assert "sum of entries" in page.tables["Figures that are the same in every night"][2][1] or len(labels) < 20
    for file, kind in (("h.parquet", "history"), ("night.html", "page")):
        told = crant("info", file).text
        assert f"kind        {kind}" in told
        assert "crantcli 0.1.0 report" in told
    night(crant)
    Path("n/last.html").write_bytes(Path("night.html").read_bytes())
    assert crant("view", EDGES, "-q", "-o", "n/view.html").code == 0
    Path("n/strange.html").write_text("<p>hello</p>")
    page = night(crant, "--night", "2026-11-30")
    assert page.row("Files and totals", "last.html")[1] == page.row("Files and totals", "view.html")[1] == "page"
    assert "did not make" in page.row("Other files", "strange.html")[3]


def test_the_same_night_again_takes_the_place_of_its_rows(crant: Crant, made: Path) -> None:
    arguments = ("report", "n", "-o", "n/night.html", "--history", "n/h.parquet", "--night")
    assert "already" not in crant(*arguments, "2026-11-28").err
    assert "already" not in crant(*arguments, "2026-11-29").err
    number = len(history("n/h.parquet"))
    Path("n/types.csv").unlink()
    done = crant(*arguments, "2026-11-29")
    assert (
        f"2026-11-29 was in the history already; its {number // 2} rows are replaced by {number // 2 - 4}" in done.err
    )
    found = history("n/h.parquet")
    assert len(found) == number - 4
    assert not {"h.parquet", "night.html"} & set(found["file"]), "neither is a file of the night"


@pytest.mark.parametrize("content", ["cut", "empty", "csv", "other", "twice", "night", "null", "nan", "columns"])
def test_a_history_that_is_none_is_refused_and_left(crant: Crant, made: Path, content: str) -> None:
    night(crant, "--history", "h.parquet", "--night", "2026-11-28")
    table, page = pq.read_table("h.parquet"), Path("night.html").read_bytes()
    whole, columns = Path("h.parquet").read_bytes(), table.to_pydict()
    if content in ("twice", "night", "null", "nan", "columns"):
        changed = {
            "twice": {name: [*column, column[0]] for name, column in columns.items()},
            "night": {**columns, "night": ["yesterday"] * len(table)},
            "null": {**columns, "file": [None, *columns["file"][1:]]},
            "nan": {**columns, "value": [float("nan"), *columns["value"][1:]]},
            "columns": {**columns, "more": columns["file"]},
        }[content]
        schema = None if content == "columns" else table.schema
        wrong = pa.table(changed, schema=schema).replace_schema_metadata(table.schema.metadata)
        pq.write_table(wrong, "h.parquet")
    else:
        wrong = {"cut": whole[:-20], "empty": b"", "csv": b"a,b\n", "other": Path("n/edges.parquet").read_bytes()}[
            content
        ]
        Path("h.parquet").write_bytes(wrong)
    before = Path("h.parquet").read_bytes()
    arguments = ("report", "n", "-o", "night.html", "--history", "h.parquet", "--night", "2026-11-29", "-q")
    complaint(crant(*arguments), 3, "h.parquet: is damaged, or no history")
    assert Path("h.parquet").read_bytes() == before
    assert Path("night.html").read_bytes() == page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-o", "night.txt"), "a report ends in .html"),
        (("-o", "x/night.html"), "there is no folder x"),
        (("-o", "night.html", "--history", "h.csv"), "a history ends in .parquet"),
        (("-o", "night.html", "--night", "yesterday"), "--night yesterday: a date such as 2026-11-29"),
        (("-o", "night.html", "--night", "2026-11-29T03:10+01:00"), "a date such as"),
        (("-o", "night.html", "--history", "h.parquet"), "give --night DATE"),
    ],
)
def test_wrong_usage_is_told(crant: Crant, made: Path, arguments: tuple[str, ...], told: str) -> None:
    complaint(crant("report", "n", "-q", *arguments), 2, told)
    assert not Path("h.parquet").exists()
    assert not Path("night.html").exists()


DAYS = st.integers(1, 9).map(lambda day: f"2026-11-0{day}")
ROWS = st.dictionaries(
    st.tuples(DAYS, st.sampled_from("ab"), st.sampled_from("xy")), st.integers(-3, 3).map(float), max_size=20
)
FIGURES = st.dictionaries(st.sampled_from("ab"), st.dictionaries(st.sampled_from("xy"), st.integers(-3, 3), min_size=1))


@SETTINGS
@given(ROWS, DAYS, FIGURES)
def test_nights_are_put_in_as_by_hand(
    rows: dict[tuple[str, str, str], float], night: str, figures: dict[str, dict[str, int]]
) -> None:
    merged = with_night([HistoryRow(*key, value) for key, value in rows.items()], night, figures)
    by_hand = {key: value for key, value in rows.items() if key[0] != night}
    assert merged.replaced == len(rows) - len(by_hand)
    by_hand |= {(night, file, name): value for file, of in figures.items() for name, value in of.items()}
    assert merged.rows == sorted(HistoryRow(*key, value) for key, value in by_hand.items())
    nights = sorted({key[0] for key in by_hand})
    assert nights_of(merged.rows) == nights
    series = series_of(merged.rows)
    assert list(series) == sorted({key[1:] for key in by_hand})
    assert all(values == [by_hand.get((day, *key)) for day in nights] for key, values in series.items())
    before, changes = changes_since(merged.rows, night)
    earlier = [day for day in nights if day < night]
    assert before == (earlier[-1] if earlier else None)
    assert {(c.file, c.figure): (c.before, c.now) for c in changes} == {
        key: (by_hand.get((earlier[-1], *key)), by_hand.get((night, *key)))
        for key in series
        if earlier and by_hand.get((earlier[-1], *key)) != by_hand.get((night, *key))
    }


def test_a_chart_has_a_gap_where_a_night_has_no_figure() -> None:
    nights = ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04", "2026-11-08"]
    drawn = line_chart(nights, [1, 3, None, 2, 5], "x")
    lines = re.findall(r'<polyline class="line" points="([^"]*)"', drawn)
    assert len(lines) == 2
    points = [tuple(map(float, pair.split(","))) for line in lines for pair in line.split()]
    (x1, y1), (x2, y2), (x4, y4), (x8, y8) = points
    assert x4 - x1 == pytest.approx(3 * (x2 - x1), abs=0.2), "by time"
    assert x8 - x4 == pytest.approx(4 * (x2 - x1), abs=0.2)
    assert (y1 - y2) == pytest.approx((y1 - y8) / 2, abs=0.2)
    assert (y1 - y4) == pytest.approx((y1 - y8) / 4, abs=0.2)
    single = line_chart(nights, [None, 7, None, None, None], "x")
    assert "polyline" not in single
    assert single.count("<circle") == 1


#: Puts nights into a history, one after another, and says of each when it is in it. With a number of runs, does so in
#: as many processes, each of which is killed at some time, and keeps what it left.
WRITER = """
import os, random, shutil, signal, sys, time
from dataclasses import replace
from crantcli.output.pages.publish import publish
from crantcli.run.report import read_night
page, year, number, runs = sys.argv[1], *map(int, sys.argv[2:])
report, chance = read_night(["n/types.csv"], "2000-01-01"), random.Random(7)
publish(report, page, "warm.parquet")

def write():
    said = os.open(f"{page}.txt", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for count in range(number):
        night = f"{year + count // 336}-{count // 28 % 12 + 1:02}-{count % 28 + 1:02}"
        publish(replace(report, night=night), page, "h.parquet")
        os.write(said, f"{night}\\n".encode())

open(f"{page}.txt", "a").close()
for run in range(runs):
    before = os.path.getsize(f"{page}.txt")
    child = os.fork()
    if child == 0:
        year += 10 * run
        write()
        os._exit(0)
    wanted = before + 11 * chance.randrange(4)
    while os.path.getsize(f"{page}.txt") < wanted:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it has ended by itself"
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.06))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    if os.path.exists("h.parquet"):
        shutil.copyfile("h.parquet", f"kept{run}.parquet")
        shutil.copyfile(f"{page}.txt", f"said{run}.txt")
if not runs:
    write()
"""


def writer(page: str, year: int, number: int, runs: int = 0) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-W", "ignore", "-c", WRITER, page, *map(str, (year, number, runs))]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE)


def said(path: str) -> set[str]:
    """Nights that a writer has said to be in the history."""
    return set(Path(path).read_text().split())


def nights_kept(path: str = "h.parquet") -> set[str]:
    """Nights of a history that is sound, each of which is whole."""
    found, rows_each = history(path), 4
    assert (found.groupby("night").size() == rows_each).all()
    return set(found["night"])


@pytest.mark.slow
@pytest.mark.slow
def test_a_history_survives_kills(crant: Crant) -> None:
    text_file("n/types.csv", "pre,post,weight\na,b,1\nb,a,2\n")
    process = writer("page.html", 2000, 3000, runs=30)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told.decode()
    kept = sorted(path.name for path in Path().glob("kept*"))
    assert len(kept) > 20
    for name in kept:
        assert said(name.replace("kept", "said").replace("parquet", "txt")) <= nights_kept(name)
    assert len(said("page.html.txt")) > 30
    text_file(left_by_the_dead("h.parquet"), "x")
    done = crant("report", "n/types.csv", "-o", "page.html", "--history", "h.parquet", "--night", "2400-01-01", "-q")
    assert done.code == 0
    assert not list(Path().glob("*.tmp")), "what the killed ones had begun is gone"
    assert nights_kept() >= said("page.html.txt") | {"2400-01-01"}


@pytest.mark.slow
@pytest.mark.slow
def test_two_writers_at_once_are_both_in_the_history() -> None:
    text_file("n/types.csv", "pre,post,weight\na,b,1\nb,a,2\n")
    both = [writer("one.html", 2000, 60), writer("other.html", 2010, 60)]
    for process in both:
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0, told.decode()
    written = said("one.html.txt") | said("other.html.txt")
    assert len(written) == 120
    assert nights_kept() == written


def luminance(colour: str) -> float:
    """Relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_can_be_read_in_the_light_and_in_the_dark_and_on_paper() -> None:
    """Contrast of at least 4.5, which WCAG 2 wants at level AA."""
    style = (Path(cc.__file__).parent / "output" / "pages" / "report.css").read_text()
    schemes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{[^}]*\}", style)
    ]
    assert len(schemes) == 3
    for scheme in schemes:
        pairs = [(text, paper) for text in ("ink", "soft", "mark") for paper in ("paper", "panel")]
        for text, paper in [
            *pairs,
            ("bad", "bad-paper"),
            ("bad", "paper"),
            ("warn", "warn-paper"),
            ("good", "good-paper"),
        ]:
            high, low = sorted((luminance(scheme[text]), luminance(scheme[paper])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, paper)
