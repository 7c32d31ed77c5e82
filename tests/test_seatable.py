"""Annotations from a SeaTable server, through real HTTP: the whole table or an error, and never a token in a text."""

from __future__ import annotations

import concurrent.futures
import contextlib
import email.utils
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import seatable_server
from conftest import Crant, Outcome
from seatable_server import SeaTable, serve
from tables import answer, complaint, left_by_the_dead, parquet_file, record
from tokens import ACCOUNT_TOKEN, BASE_TOKEN, UNSENDABLE_TOKENS, WRONG_TOKEN

import crantcli as cc
from crantcli.core import crantb
from crantcli.core.addresses import Dataset, TableAddress
from crantcli.errors import IncompleteError
from crantcli.remote import retry
from crantcli.remote.settings import LiveOptions
from crantcli.sources.datasets import find_dataset
from crantcli.sources.seatable import client as seatable
from crantcli.sources.seatable import snapshot as cache

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]

FIRST = 576460752641833774


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between attempts."""
    monkeypatch.setattr(retry, "sleep", lambda _: None)


@pytest.fixture
def table() -> Iterator[SeaTable]:
    """A table of 25 rows, in pages of at most 10 where the server caps them."""
    with serve(SeaTable(seatable_server.rows(25))) as made:
        yield made


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seatable, "PAGE", 10)


def brain(table: SeaTable, folder: Path, workspace: bool = True) -> Path:
    """A data set whose annotations are on the server, and whose synapses are a file."""
    path = folder / "brain.toml"
    place = f"workspace = {table.workspace}" if workspace else ""
    path.write_text(
        f'[annotations]\nseatable_server = "{table.address}/"\n{place}\nbase = "CRANTb"\ntable = "CRANTb_meta"\n'
        '[files]\nsynapses = "synapses.parquet"\n'
    )
    parquet_file(str(folder / "synapses.parquet"), pre=[FIRST, FIRST + 1], post=[FIRST + 2, FIRST + 5])
    return path


def fetched(crant: Crant, table: SeaTable, folder: Path, *more: str, file: str = "a.parquet") -> pa.Table:
    """What `annotations` writes."""
    done = crant("annotations", "-d", brain(table, folder), "-o", file, "--cache-dir", folder / "cache", *more)
    assert done.code == 0, done.err
    return pq.read_table(folder / file)


def failed(crant: Crant, table: SeaTable, folder: Path, code: int, **options: Any) -> Outcome:
    """A run of `annotations` that has to fail, and to leave nothing behind."""
    toml = brain(table, folder, **options)
    done = crant("annotations", "-d", toml, "-o", "a.parquet", "--cache-dir", folder / "cache")
    assert done.code == code, done.err
    assert done.err.count("\n") == 1
    assert not (folder / "a.parquet").exists()
    assert not list((folder / "cache").rglob("*"))
    return done


def expected(table: SeaTable) -> list[int]:
    return [int(row["root_id"]) for row in sorted(table.rows, key=lambda row: (row["_ctime"], row["_id"]))]


# What a table becomes


def test_the_whole_table_with_types_that_can_be_relied_on(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    found = fetched(crant, table, tmp_path)
    assert found.schema.names == list(seatable_server.COLUMNS)
    assert [str(kind) for kind in found.schema.types] == [
        "int64", "int64", "list<element: int64>", "bool", "list<element: string>", "string", "string",
    ]  # fmt: skip
    assert found["root_id"].to_pylist() == expected(table)
    rows = {row["root_id"]: row for row in found.to_pylist()}
    assert rows[FIRST + 1] == {
        "root_id": FIRST + 1, "supervoxel_id": 72691531949599417, "position": [1, 2, 3], "proofread": False,
        "status": ["DAMAGED", "TRACING, BRANCHES"], "side": "left", "cell_type": "ER1",
    }  # fmt: skip
    assert rows[FIRST + 4]["cell_type"] is None
    assert rows[FIRST]["status"] is None


def test_the_same_table_gives_the_same_bytes(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    fetched(crant, table, tmp_path)
    table.rows.reverse()
    fetched(crant, table, tmp_path, "--refresh", file="b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_lists_survive_as_labels_in_every_format(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    """A label with a comma in it stays one."""
    answers = []
    for file in ("a.parquet", "a.feather", "a.csv"):
        toml = brain(table, tmp_path)
        assert crant("annotations", "-d", toml, "-o", file).code == 0
        for criterion in ('status="TRACING, BRANCHES"', "proofread=true", "side!=left"):
            done = crant("connectivity", "synapses.parquet", "-a", file, "-n", criterion)
            assert done.code == 0, done.err
            answers.append(done.out)
    assert answers[:3] == answers[3:6] == answers[6:]


def test_provenance_tells_of_the_table(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    found = fetched(crant, table, tmp_path, "--proofread-only")
    assert found.num_rows == 9
    assert found["proofread"].to_pylist() == [True] * 9
    told = record(tmp_path / "a.parquet")
    (source,) = told["inputs"]
    assert (source["name"], source["server"], source["base"]) == ("CRANTb_meta", table.address, "CRANTb")
    assert (source["rows"], told["rows"], told["options"]) == (25, 9, {"proofread_only": True})
    assert told["ledger"]["removed"]["unselected"] == 16
    shown = crant("info", "a.parquet")
    assert shown.code == 0
    assert "CRANTb_meta" in shown.text


ODD = {
    "an ID that is none": ("root_id", lambda n: "soon" if n == 3 else str(n), "string", "root_id stays text"),
    "an empty ID": ("root_id", lambda n: " " if n == 3 else str(n), "int64", ""),
    "an ID with a zero before it": ("supervoxel_id", lambda n: f"0{n + 1}", "string", ""),
    "text IDs": ("root_id", lambda n: f"cell {n}", "string", ""),
    "a position that is none": ("position", lambda n: "?" if n == 3 else "1, 2, 3", "string", "position stays text"),
    "brackets": ("position", lambda n: f"[{n} 2 3]", "list<element: int64>", ""),
    "fractions": ("position", lambda n: f"{n}.5, 2, 3", "list<element: double>", ""),
    "a text that looks like a list": ("cell_type", lambda n: "[1, 2]", "string", ""),
}


@pytest.mark.parametrize("case", ODD)
def test_a_column_is_a_number_or_a_list_only_where_all_of_it_is(
    crant: Crant, table: SeaTable, tmp_path: Path, case: str
) -> None:
    name, value, kind, note = ODD[case]
    table.rows = seatable_server.rows(25, **{name: value})
    done = crant("annotations", "-d", brain(table, tmp_path), "-o", "a.parquet")
    assert done.code == 0, done.err
    found = pq.read_table(tmp_path / "a.parquet")
    assert str(found.schema.field(name).type) == kind
    assert note in done.err
    if kind == "string":
        assert sorted(found[name].to_pylist()) == sorted(value(n) for n in range(25))


def test_ids_that_seatable_has_rounded_are_refused(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    table.columns["root_id"] = ("number", [])
    table.rows = seatable_server.rows(25, root_id=lambda n: 5.764607526418338e17 + n)
    assert "need a column of text" in failed(crant, table, tmp_path, 3).err
    table.rows = seatable_server.rows(25, root_id=lambda n: 576460752641833774 + n)
    assert "need a column of text" in failed(crant, table, tmp_path, 3).err
    table.columns["nucleus_id"] = ("number", [])
    table.rows = seatable_server.rows(25, root_id=lambda n: 1000 + n, nucleus_id=lambda n: 576460752641833774 + n)
    done = crant("annotations", "-d", brain(table, tmp_path), "-o", "b.parquet")
    assert "nucleus_id is left out" in done.err
    assert "nucleus_id" not in pq.read_schema(tmp_path / "b.parquet").names
    assert fetched(crant, table, tmp_path)["root_id"].to_pylist() == expected(table)


def test_other_types_of_columns(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    links = [{"row_id": "a", "display_value": "one"}, {"row_id": "b", "display_value": "two"}]
    cells: dict[str, tuple[str, Any, Any]] = {
        "links": ("link", links, ["one", "two"]),
        "who": ("collaborator", ["x@auth.local"], ["x@auth.local"]),
        "found": ("link-formula", ["one", None], ["one"]),
        "size": ("number", 2.5, 2.5),
        "seen": ("date", "2025-06-20T00:00:00+02:00", "2025-06-20T00:00:00+02:00"),
        "formula": ("formula", 3, 3),
        "place": ("geolocation", {"lng": 8.2, "lat": 50}, '{"lat": 50, "lng": 8.2}'),
        "nothing": ("number", None, None),
        "files": ("file", [{"name": "a.pdf", "size": 3}], ["a.pdf"]),
    }  # fmt: skip
    for name, (kind, value, _) in cells.items():
        table.columns[name] = (kind, [])
        for row in table.rows[:-1]:
            row[name] = value
    (row, *_, last) = sorted(fetched(crant, table, tmp_path).to_pylist(), key=lambda row: row["root_id"])
    assert {name: row[name] for name in cells} == {name: value for name, (_, _, value) in cells.items()}
    assert not any(last[name] for name in cells)


def with_cells(table: SeaTable, **cells: tuple[str, dict[str, Any], list[Any]]) -> None:
    """Columns of the types and settings, with these cells in the first rows."""
    table.rows.sort(key=lambda row: int(row["root_id"]))
    for name, (kind, settings, values) in cells.items():
        table.columns[name], table.settings[name] = (kind, []), settings
        for row, value in zip(table.rows, [*values, *[None] * len(table.rows)], strict=False):
            row[name] = value


SELECT = {
    "array_type": "single-select",
    "array_data": {"options": [{"id": "17", "name": "GABA"}, {"id": "18", "name": "ACh"}]},
}


def test_cells_are_what_seatable_shows(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    """SQL gives dates as times with a zone, and options of linked rows by their IDs."""
    link = {"row_id": "a", "display_value": ["17", "18"]}
    with_cells(
        table,
        day=("date", {"format": "YYYY-MM-DD"}, ["2025-06-20T00:00:00+02:00", "2025-01-02T23:30:00Z"]),
        minute=("date", {"format": "YYYY-MM-DD HH:mm"}, ["2025-06-20T13:45:00+02:00"]),
        german=("date", {"format": "DD.MM.YYYY"}, ["2025-06-20T00:00:00+02:00", "soon"]),
        plain=("date", {}, ["2025-06-20T00:00:00+02:00"]),
        due=("formula", {"result_type": "date", "format": "YYYY-MM-DD"}, ["2025-06-20T00:00:00+00:00"]),
        seen=("link-formula", {"array_type": "date", "array_data": {"format": "YYYY-MM-DD"}}, [["2025-06-20T00:00Z"]]),
        total=("formula", {"result_type": "number"}, [3, 4.5]),
        whole=("formula", {"result_type": "number"}, [3, 4]),
        known=("formula", {"result_type": "bool"}, [True, False]),
        broken=("formula", {"result_type": "number"}, [3, "#VALUE!"]),
        sizes=("link-formula", {"array_type": "number"}, [[1, 2], [3.5], []]),
        transmitter=("link", SELECT, [[link, {"row_id": "b", "display_value": "18"}]]),
        shown=("link-formula", SELECT, [["17", "glutamate"], [["18"], ["17"]]]),
    )  # fmt: skip
    found = fetched(crant, table, tmp_path)
    rows = sorted(found.to_pylist(), key=lambda row: row["root_id"])
    assert {name: [rows[0][name], rows[1][name]] for name in found.schema.names[7:]} == {
        "day": ["2025-06-20", "2025-01-02"],
        "minute": ["2025-06-20 13:45", None],
        "german": ["2025-06-20", "soon"],
        "plain": ["2025-06-20T00:00:00+02:00", None],
        "due": ["2025-06-20", None],
        "seen": [["2025-06-20"], None],
        "total": [3.0, 4.5],
        "whole": [3, 4],
        "known": [True, False],
        "broken": ["3", "#VALUE!"],
        "sizes": [[1.0, 2.0], [3.5]],
        "transmitter": [['["GABA", "ACh"]', "ACh"], None],
        "shown": [["GABA", "glutamate"], ["ACh", "GABA"]],
    }
    kinds = {name: str(found.schema.field(name).type) for name in ("total", "whole", "known", "broken", "sizes")}
    assert list(kinds.values()) == ["double", "int64", "bool", "string", "list<element: double>"]
    chosen = crant("connectivity", "synapses.parquet", "-a", "a.parquet", "-n", "day=2025-06-20")
    assert [row[0] for row in answer(chosen)] == [str(FIRST)]


def test_a_cell_may_have_more_links_than_came(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    links = [{"row_id": str(number), "display_value": str(number)} for number in range(50)]
    with_cells(
        table, partners=("link", {}, [links, links[:49], links]), sums=("link-formula", {}, [list(range(50))]),
        tags=("multiple-select", {}, [["x"] * 50]),
    )  # fmt: skip
    done = crant("annotations", "-d", brain(table, tmp_path), "-o", "a.csv")
    assert done.code == 0, done.err
    assert "CRANTb_meta: partners has 50 links in 2 cells" in done.err
    assert "CRANTb_meta: sums has 50 links in 1 cell," in done.err
    assert "tags" not in done.err
    again = crant("annotations", "-d", brain(table, tmp_path), "-o", "a.csv")
    assert "partners has 50 links" in again.err  # from the cache, too


@pytest.mark.parametrize("gateway", [False, None])
def test_servers_without_the_gateway_are_asked_too(
    crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None, gateway: bool | None
) -> None:
    plain = fetched(crant, table, tmp_path)
    table.gateway = gateway
    table.requests.clear()
    assert fetched(crant, table, tmp_path, "--refresh").equals(plain)
    assert {request for request in table.requests if "POST" in request} == {
        f"POST /dtable-db/api/v1/query/{seatable_server.UUID}/"
    }


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("http://db.example", "http://db.example, which is no https address"),
        ("", "names no address"),
        ("db", "names db"),
    ],
)
def test_a_server_without_a_safe_address_for_queries(
    crant: Crant, table: SeaTable, tmp_path: Path, database: str, said: str
) -> None:
    table.gateway, table.database = False, database
    assert said in failed(crant, table, tmp_path, 1).err
    assert table.queries == []


def test_what_was_locked_in_another_form_stays(
    crant: Crant, table: SeaTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was not locked is fetched anew."""
    toml, kept = brain(table, tmp_path), ("--cache-dir", tmp_path / "cache")
    with monkeypatch.context() as then:
        then.setattr(cache, "_RECORD", cache._FORMER[0])
        assert crant("lock", "-d", toml, *kept, "-o", "brain.lock").code == 0
    table.rows = seatable_server.rows(3)
    locked = crant("annotations", "-d", toml, *kept, "--lock", "brain.lock", "-q")
    assert (locked.code, len(locked.rows())) == (0, 26), locked.err
    assert len(crant("annotations", "-d", toml, *kept, "-q").rows()) == 4


def test_options_given_by_their_id_are_named(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    plain = fetched(crant, table, tmp_path)
    table.as_keys = True
    assert fetched(crant, table, tmp_path, "--refresh").equals(plain)


def test_a_table_without_rows(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    table.rows = []
    found = fetched(crant, table, tmp_path)
    assert (found.num_rows, found.schema.names) == (0, list(seatable_server.COLUMNS))


# Pages


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 19, 20, 28, 29])
@pytest.mark.parametrize("counts", [True, False])
def test_every_page_whatever_their_number(
    crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None, number: int, counts: bool
) -> None:
    table.rows, table.counts = seatable_server.rows(number), counts
    assert fetched(crant, table, tmp_path)["root_id"].to_pylist() == expected(table)


@pytest.mark.parametrize("number", [10_000, 10_001])
def test_ten_thousand_rows(crant: Crant, tmp_path: Path, number: int) -> None:
    """As many as one answer may hold."""
    with serve(SeaTable(seatable_server.rows(number))) as table:
        assert fetched(crant, table, tmp_path)["root_id"].to_pylist() == expected(table)
        assert len(table.pages) == (1 if number == 10_000 else 2)


@pytest.mark.parametrize("counts", [True, False])
def test_a_server_that_gives_fewer_rows_than_were_asked_for(
    crant: Crant, table: SeaTable, tmp_path: Path, counts: bool
) -> None:
    table.cap, table.counts = 4, counts
    assert fetched(crant, table, tmp_path).num_rows == 25


@pytest.mark.parametrize("counts", [True, False])
def test_rows_in_another_order_each_time_are_no_table(
    crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None, counts: bool
) -> None:
    table.ordered, table.counts = False, counts
    assert "cannot be told whether all rows came" in failed(crant, table, tmp_path, 6).err


def test_a_row_that_comes_twice_is_an_error(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    table.rows.append(dict(table.rows[3]))
    assert "a row comes twice" in failed(crant, table, tmp_path, 6).err


def meddling(table: SeaTable, when: int, how: Any) -> None:
    """Let something happen to the table before one of the queries."""

    def before(number: int, _: str) -> None:
        if number == when:
            how(table.rows)

    table.before = before


def swap(rows: list[Any]) -> None:
    """One row goes and one comes, so that their number tells nothing."""
    rows.sort(key=lambda row: (row["_ctime"], row["_id"]))
    rows.append({**rows.pop(0), "_id": "new", "root_id": "77", "_ctime": "2026-01-01T00:00:00.000+00:00"})


CHANGES = {
    "a row is added": lambda rows: rows.append({**rows[0], "_id": "new", "root_id": "77"}),
    "a row is added at the end": lambda rows: rows.append(
        {**rows[0], "_id": "new", "root_id": "77", "_ctime": "2026-01-01T00:00:00.000+00:00"}
    ),
    "a row goes": lambda rows: rows.pop(0),
    "one goes and one comes": swap,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", [2, 3, 4, 5])
def test_a_table_that_changes_between_pages_is_read_again(
    crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None, change: str, when: int
) -> None:
    before = expected(table)
    meddling(table, when, CHANGES[change])
    found = fetched(crant, table, tmp_path)["root_id"].to_pylist()
    # When the last count is asked for, all pages have come, of the table as it was.
    assert found == (before if (change, when) == ("one goes and one comes", 5) else expected(table))


def test_a_table_that_never_rests_is_an_error(crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None) -> None:
    table.before = lambda number, _: table.rows.append({**table.rows[0], "_id": f"new{number}"})
    assert "try again when nobody edits it" in failed(crant, table, tmp_path, 6).err


def test_a_column_that_comes_between_pages(crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None) -> None:
    meddling(table, 3, lambda _: table.columns.update(new=("text", [])))
    assert "new" in fetched(crant, table, tmp_path).schema.names


# Bad weather


def second_page(behaviour: Any, times: int) -> Any:
    """Fail so often on the second of three pages."""
    left = [times]

    def before(_: int, sql: str) -> Any:
        if sql.endswith("OFFSET 9") and left[0]:
            left[0] -= 1
            return behaviour
        return None

    return before


WEATHER: dict[str, Any] = {
    "408": (408, {}), "500": (500, {}), "502": (502, {}), "503": (503, {}), "504": (504, {}),
    "429": (429, {"Retry-After": "0"}), "deep": "deep", "429 without a word": (429, {}), "cut": "cut", "half": "half",
}  # fmt: skip


@pytest.mark.parametrize("kind", WEATHER)
def test_a_page_that_fails_is_asked_for_again(
    crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None, kind: str
) -> None:
    table.before = second_page(WEATHER[kind], 2)
    assert fetched(crant, table, tmp_path)["root_id"].to_pylist() == expected(table)
    assert [page.endswith("OFFSET 9") for page in table.pages].count(True) == 3


@pytest.mark.parametrize("kind", WEATHER)
def test_a_page_that_goes_on_failing_is_an_error(
    crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None, kind: str
) -> None:
    table.before = second_page(WEATHER[kind], 99)
    assert "9 times; nothing is written" in failed(crant, table, tmp_path, 6).err


def test_a_web_page_in_place_of_data_is_named(crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None) -> None:
    table.before = second_page("page", 2)
    assert fetched(crant, table, tmp_path)["root_id"].to_pylist() == expected(table)
    table.before = second_page("page", 99)
    toml = brain(table, tmp_path)
    told = crant("annotations", "-d", toml, "-o", "b.parquet", "--refresh")
    complaint(told, 6, "/sql: a web page came in place of data", "4 times", "in a browser")
    assert not (tmp_path / "b.parquet").exists()


def test_a_server_that_stalls_is_not_waited_for(
    crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None
) -> None:
    toml = brain(table, tmp_path)
    ask = ("counts", "-d", toml, "-n", "cell_type=ER1")
    table.before = second_page("stall", 99)
    complaint(crant(*ask, "--timeout", 0.2, "--retries", 1), 6, "no answer in time, 2 times")
    table.before = second_page("stall", 1)
    assert crant(*ask, "--timeout", 1, "--retries", 5).code == 0


def test_how_often_a_server_is_asked_is_up_to_the_user(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    table.before = lambda *_: (503, {})
    ask = ("annotations", "-d", brain(table, tmp_path), "--retries")
    complaint(crant(*ask, 1), 6, "answers 503, 2 times")
    complaint(crant(*ask, 0), 6, "answers 503, 1 time;")
    complaint(crant(*ask, 1, "--timeout", 0), 2, "--timeout more than 0 seconds")


def test_a_server_that_is_away(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    with serve(SeaTable([])) as gone:
        pass
    table.address = gone.address
    assert "no connection" in failed(crant, table, tmp_path, 6).err


def test_pauses_grow_and_outlast_a_restart() -> None:
    usual = retry.RetryPolicy()
    pauses = [usual.backoff(attempt) for attempt in range(usual.retries)]
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert 60 <= sum(pauses) <= 120


def test_a_server_may_ask_for_a_longer_pause() -> None:
    """As a number or as a date; and not for any length of time."""
    usual = retry.RetryPolicy()
    soon = email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=45), usegmt=True)
    assert 40 < usual.backoff(0, soon) <= 45
    for asked, pause in (("45", 45), ("2.5", 2.5), ("1e9", 120), ("0", 0.5), ("-3", 0.5), ("nan", 0.5), ("soon", 0.5)):
        assert usual.backoff(0, asked) == pause
    assert usual.backoff(6, "17") == 30


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that users have, taken down and not taken."""
    taken: list[float] = []
    monkeypatch.setattr(retry, "sleep", taken.append)
    return taken


def test_a_server_may_be_gone_for_twenty_seconds(
    crant: Crant, table: SeaTable, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens; then somebody does again."""
    with contextlib.ExitStack() as later:
        with serve(SeaTable([])) as gone:
            port = int(gone.address.rpartition(":")[2])

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if sum(pauses) > 20 and not table.requests:
                later.enter_context(serve(table, port))

        monkeypatch.setattr(retry, "sleep", pause)
        table.address = gone.address
        assert fetched(crant, table, tmp_path).num_rows == 25
    assert pauses == [0.5, 1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        (None, 0.5),
        ("45", 45),
        ("1e9", 120),
        ("soon", 0.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.5),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 120),
    ],
)
def test_a_server_that_is_asked_too_often_may_say_when_to_come_back(
    crant: Crant, table: SeaTable, tmp_path: Path, pauses: list[float], said: str | None, pause: float
) -> None:
    headers = {"Retry-After": said} if said else {}
    table.before = lambda number, _: (429, headers) if number == 1 else None
    assert fetched(crant, table, tmp_path).num_rows == 25
    assert pauses == [pause]


def test_a_server_that_stays_away_is_waited_for_a_minute(
    crant: Crant, table: SeaTable, tmp_path: Path, pauses: list[float]
) -> None:
    table.before = lambda *_: (503, {})
    assert "answers 503, 9 times" in failed(crant, table, tmp_path, 6).err
    assert 60 <= sum(pauses) <= 120


# Tokens


@pytest.mark.parametrize("token", [ACCOUNT_TOKEN, BASE_TOKEN], ids=["account", "base"])
@pytest.mark.parametrize("workspace", [True, False])
def test_tokens_of_accounts_and_of_bases(
    crant: Crant, table: SeaTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, workspace: bool
) -> None:
    monkeypatch.setenv("CRANTTABLE_TOKEN", f" {token}\n")
    if token == ACCOUNT_TOKEN and not workspace:
        failed(crant, table, tmp_path, 5, workspace=False)
        return
    assert crant("annotations", "-d", brain(table, tmp_path, workspace), "-o", "a.parquet").code == 0


@pytest.mark.parametrize(
    "token", ["", WRONG_TOKEN, *UNSENDABLE_TOKENS], ids=["none", "wrong", "two words", "other letters"]
)
def test_no_token_and_wrong_ones(
    crant: Crant, table: SeaTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("CRANTTABLE_TOKEN", token)
    done = failed(crant, table, tmp_path, 5)
    assert "CRANTTABLE_TOKEN" in done.err
    assert len(table.requests) <= 2, "a refusal is asked for again"


def test_a_forbidden_token(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    table.refuses = True
    assert "Permission denied for ***" in failed(crant, table, tmp_path, 5).err
    assert len(table.requests) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_expires_between_pages(
    crant: Crant, table: SeaTable, tmp_path: Path, small_pages: None, status: int
) -> None:
    table.before = second_page((status, {}), 99)
    failed(crant, table, tmp_path, 5)
    assert len(table.pages) == 2


def test_a_token_of_another_base(
    crant: Crant, table: SeaTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRANTTABLE_TOKEN", BASE_TOKEN)
    table.base = "Diary"
    assert "is for the base Diary" in failed(crant, table, tmp_path, 5).err


def test_a_token_does_not_follow_a_redirection(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    with serve(SeaTable([])) as elsewhere:
        table.before = lambda *_: (307, {"Location": f"{elsewhere.address}/"})
        failed(crant, table, tmp_path, 1)
        assert not elsewhere.requests


def test_a_password_file_is_not_asked(
    crant: Crant, table: SeaTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert fetched(crant, table, tmp_path).num_rows == 25


def test_a_token_goes_out_over_secure_connections_only(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    table.address = "http://seatable.example"
    assert "https" in failed(crant, table, tmp_path, 2).err


@pytest.mark.parametrize(("attribute", "value"), [("base", "CRANTa"), ("table", "notes")])
def test_names_that_are_not_there(crant: Crant, table: SeaTable, tmp_path: Path, attribute: str, value: str) -> None:
    setattr(table, attribute, value)
    assert "CRANTb/CRANTb_meta" in failed(crant, table, tmp_path, 3).err


def test_no_token_in_a_traceback(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    table.before = second_page((403, {}), 99)
    done = crant("annotations", "-d", brain(table, tmp_path), "-o", "a.parquet", "--debug")
    assert done.code == 0 or "Traceback" in done.err
    table.before = lambda *_: (403, {})
    done = crant("annotations", "-d", brain(table, tmp_path), "-o", "a.parquet", "--debug", "--refresh")
    assert "Traceback" in done.err


# The cache


def test_a_table_is_fetched_once_in_two_hours(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    first = fetched(crant, table, tmp_path)
    asked = len(table.requests)
    table.rows = seatable_server.rows(3)
    done = crant("annotations", "-d", brain(table, tmp_path), "-o", "b.parquet", "--cache-dir", tmp_path / "cache")
    assert "from the cache, fetched 0 minutes ago" in done.err
    assert pq.read_table(tmp_path / "b.parquet").equals(first)
    assert len(table.requests) == asked
    assert fetched(crant, table, tmp_path, "--refresh").num_rows == 3


def test_an_old_or_damaged_table_is_fetched_anew(
    crant: Crant, table: SeaTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(crant, table, tmp_path)
    (file,) = (tmp_path / "cache" / "annotations").iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:200] + b"\0" * 400 + whole[600:]):
        file.write_bytes(damaged)
        asked = len(table.pages)
        assert fetched(crant, table, tmp_path).num_rows == 25
        assert len(table.pages) == asked + 1
    part = pq.read_table(file).slice(0, 3)  # its metadata tells of 25 rows
    pq.write_table(part, file)
    assert fetched(crant, table, tmp_path).num_rows == 25
    now = cache.time.time()
    for clock in (now + cache.CACHE_SECONDS + 60, now - 60):  # too late, and set back
        monkeypatch.setattr(cache.time, "time", lambda clock=clock: clock)
        asked = len(table.pages)
        fetched(crant, table, tmp_path)
        assert len(table.pages) == asked + 1


def test_tables_do_not_share_a_place_in_the_cache(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    fetched(crant, table, tmp_path)
    with serve(SeaTable(seatable_server.rows(3))) as other:
        assert fetched(crant, other, tmp_path).num_rows == 3


def test_the_cache_is_where_the_variable_says(
    crant: Crant, table: SeaTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRANTCLI_CACHE_DIR", str(tmp_path / "mine"))
    assert crant("annotations", "-d", brain(table, tmp_path), "-o", "a.parquet").code == 0
    assert len(list((tmp_path / "mine" / "annotations").iterdir())) == 1
    held = json.loads(crant("cache", "info", "--json").out)["kinds"]
    assert held["annotations"]["files"] == 1


def test_what_a_killed_run_left_in_the_cache_goes(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "annotations"
    folder.mkdir(parents=True)
    left, others = folder / left_by_the_dead("seatable-x.parquet"), folder / "other.tmp"
    left.touch()
    others.touch()
    fetched(crant, table, tmp_path)
    assert (left.exists(), others.exists()) == (False, True)


def test_a_cache_that_cannot_be_written_is_done_without(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert fetched(crant, table, tmp_path).num_rows == 25


def test_two_runs_at_once(table: SeaTable, tmp_path: Path) -> None:
    """Each has the whole table, and none leaves anything behind."""
    address = TableAddress(table.address, "CRANTb", "CRANTb_meta", table.workspace)

    def run(number: int) -> int:
        folder = tmp_path / str(number)
        folder.mkdir()
        live = LiveOptions(cache_dir=tmp_path / "cache", refresh=number % 2 == 0)
        found = cache.annotation_file(address, folder, live)
        return pq.read_table(found.path).num_rows

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert set(pool.map(run, range(24))) == {25}
    assert len(list((tmp_path / "cache" / "annotations").iterdir())) == 1


def test_the_installed_command_in_a_process_of_its_own(crant_process: Crant, table: SeaTable, tmp_path: Path) -> None:
    """No prompt, nothing on stdout but data."""
    toml = brain(table, tmp_path)
    env = {"CRANTCLI_CACHE_DIR": str(tmp_path / "home")}
    done = crant_process("annotations", "-d", toml, env=env)
    assert (done.code, len(done.rows())) == (0, 26), done.err
    assert list((tmp_path / "home").rglob("*.parquet")) or os.name != "posix"
    refused = crant_process("annotations", "-d", toml, "--refresh", env={**env, "CRANTTABLE_TOKEN": WRONG_TOKEN})
    assert (refused.code, refused.out) == (5, b"")


# Commands that need annotations


COMMANDS = {
    "criteria": ("connectivity", "-n", "cell_type=ER1"),
    "annotate": ("connectivity", "--annotate", "cell_type"),
    "by type": ("connectivity", "--by", "type"),
    "counts": ("counts", "-n", "cell_type=ER0,ER1"),
    "adjacency": ("adjacency", "--pre", "cell_type~^ER"),
    "synapses": ("synapses", "--pre", "side=left"),
    "nested": ("nested",),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_fetches_what_it_needs_and_answers_as_from_a_file(
    crant: Crant, table: SeaTable, tmp_path: Path, name: str
) -> None:
    fetched(crant, table, tmp_path)
    command, *options = COMMANDS[name]
    toml = brain(table, tmp_path)
    live = crant(command, "-d", toml, *options, "-o", "-")
    from_file = crant(command, "synapses.parquet", "-a", "a.parquet", *options, "-o", "-")
    assert live.code == 0, live.err
    assert live.out == from_file.out


UNNEEDED = {
    "an ID": ("connectivity", "-n", str(FIRST)),
    "all": ("counts",),
    "adjacency": ("adjacency",),
    "synapses": ("synapses", "--pre", f"{FIRST},{FIRST + 1}"),
}


@pytest.mark.parametrize("name", UNNEEDED)
def test_nothing_is_fetched_that_is_not_needed(crant: Crant, table: SeaTable, tmp_path: Path, name: str) -> None:
    command, *options = UNNEEDED[name]
    done = crant(command, "-d", brain(table, tmp_path), *options, "-o", "-")
    assert done.code == 0, done.err
    assert not table.requests


def test_a_file_of_annotations_goes_before_the_server(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(f"root_id,cell_type\n{FIRST},X\n")
    toml = brain(table, tmp_path)
    assert crant("counts", "-d", toml, "-a", "own.csv", "-n", "cell_type=X").code == 0
    toml.write_text(toml.read_text() + 'annotations = "own.csv"\n')
    assert crant("counts", "-d", toml, "-n", "cell_type=X").code == 0
    assert crant("annotations", "-d", toml, "-o", "-").text == f"root_id,cell_type\n{FIRST},X\n"
    assert not table.requests


def test_an_incomplete_answer_ends_the_command_that_needs_it(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    table.before = lambda *_: (503, {})
    done = crant("connectivity", "-d", brain(table, tmp_path), "-n", "cell_type=ER1", "-o", "edges.csv")
    assert done.code == 6
    assert not (tmp_path / "edges.csv").exists()


def test_python_fetches_too(table: SeaTable, tmp_path: Path) -> None:
    toml = str(brain(table, tmp_path))
    source = str(tmp_path / "synapses.parquet")
    with pytest.warns(cc.CrantWarning, match="3 of 5 selected neurons have no synapses in the table"):
        found = cc.get_connectivity(cc.NeuronCriteria(cell_type="ER1"), dataset=toml, source=source)
    assert found["pre"].tolist() == [FIRST + 1]
    annotated = cc.get_connectivity(dataset=toml, source=source, annotate="cell_type")
    assert set(annotated["pre_cell_type"]) == {"ER0", "ER1"}


def test_python_does_not_fetch_what_it_does_not_need(table: SeaTable, tmp_path: Path) -> None:
    toml = str(brain(table, tmp_path))
    cc.get_connectivity([FIRST], dataset=toml, source=str(tmp_path / "synapses.parquet"))
    assert not table.requests
    table.before = lambda *_: (503, {})
    with pytest.raises(IncompleteError):
        cc.get_synapse_counts(cc.NeuronCriteria(cell_type="ER1"), dataset=toml)


# The data set


def test_crantb_has_its_annotations() -> None:
    for name in ("crantb", "latest", "sandbox"):
        found = find_dataset(name)
        assert found is not None
        assert found.annotation_table == TableAddress("https://cloud.seatable.io/", "CRANTb", "CRANTb_meta", 62919)
    assert crantb.ANNOTATIONS["workspace"] == 62919


@pytest.mark.parametrize(
    "section",
    [
        'base = "b"\ntable = "t"',
        'seatable_server = "s"\nbase = 3\ntable = "t"',
        'seatable_server = "s"\nbase = "b"\ntable = "t`; DROP"',
        'seatable_server = "s"\nbase = "b"\ntable = "t"\nworkspace = "x"',
    ],
)
def test_a_broken_description_is_an_error(crant: Crant, tmp_path: Path, section: str) -> None:
    (tmp_path / "brain.toml").write_text(f"[annotations]\n{section}\n")
    done = crant("annotations", "-d", "brain.toml")
    assert done.code == 3
    assert "annotations." in done.err


def test_a_data_set_without_annotations(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "brain.toml").write_text('[files]\nsynapses = "s.parquet"\n')
    assert "has no annotations" in crant("annotations", "-d", "brain.toml").err
    assert "Give a data set" in crant("annotations").err
    assert Dataset("x").annotation_table is None


def test_the_summary(crant: Crant, table: SeaTable, tmp_path: Path) -> None:
    done = crant("annotations", "-d", brain(table, tmp_path), "-o", "a.csv", "--json")
    assert json.loads(done.out)["rows"] == 25
