"""Live data in bad weather, through real HTTP: whole or failed, and nothing of a token anywhere."""

from __future__ import annotations

import itertools
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tokens
from cave_brain import DAY, START, make_brain
from cave_server import Action, Asked, CaveServer, serving
from conftest import Crant
from live import described, ids, rows, saved
from tables import complaint

from crantcli.remote import retry

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between attempts are taken down, not taken."""
    taken: list[float] = []
    monkeypatch.setattr(retry, "sleep", taken.append)
    return taken


def only(condition: Callable[[Asked], bool], action: Action, times: int = 1_000_000) -> Callable[[int, Asked], Action]:
    """Do this to the first so many of some requests."""
    left = [times]
    lock = threading.Lock()

    def act(_: int, asked: Asked) -> Action:
        with lock:
            if not condition(asked) or not left[0]:
                return None
            left[0] -= 1
            return action

    return act


def data(asked: Asked) -> bool:
    return asked.is_data


def everything(_: Asked) -> bool:
    return True


def question(server: CaveServer, *numbers: int) -> tuple[str, ...]:
    """Synapses of some neurons, in both directions."""
    return ("connectivity", "-d", described(server), "-n", ids(server, *numbers), "-q")


def expected(crant: Crant, server: CaveServer, *numbers: int) -> bytes:
    return rows(crant("connectivity", saved(server), "-n", ids(server, *numbers), "-q"))


def outgoing(server: CaveServer, number: int) -> int:
    """Synapses that a neuron makes."""
    columns = server.brain.at(server.brain.versions[-1].time)
    return int((columns["pre_pt_root_id"] == server.brain.neurons[number]).sum())


# The row limit


@pytest.mark.parametrize("tell", [True, False], ids=["told", "silent"])
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("limit", [100, 40, 12], ids=["of a chunk", "of one neuron", "far below"])
def test_what_was_cut_at_the_row_limit_is_never_taken_as_whole(
    crant: Crant, server: CaveServer, limit: int, shuffle: bool, tell: bool
) -> None:
    server.weather.limit, server.weather.shuffle, server.weather.tell = limit, shuffle, tell
    assert sum(outgoing(server, number) for number in range(3)) > 100 > outgoing(server, 0) > 40
    assert rows(crant(*question(server, 0, 1, 2))) == expected(crant, server, 0, 1, 2)


def test_exactly_as_many_rows_as_the_limit_are_whole(crant: Crant, server: CaveServer) -> None:
    server.weather.limit = outgoing(server, 0)
    alone = ("synapses", "-d", described(server), "--pre", ids(server, 0), "-q")
    assert rows(crant(*alone)) == rows(crant("synapses", saved(server), "--pre", ids(server, 0), "-q"))
    assert len(server.data_queries()) == 1


def test_a_notice_about_something_else_is_none_about_rows(crant: Crant, server: CaveServer) -> None:
    server.brain.notice = "Please cite us; there are limited warranties"
    assert rows(crant(*question(server, 0, 1))) == expected(crant, server, 0, 1)
    assert len(server.data_queries()) == 2
    between = ("synapses", "-d", described(server), "--pre", ids(server, 0, 1), "--materialization", "live", "-q")
    assert rows(crant(*between)) == rows(crant("synapses", saved(server), "--pre", ids(server, 0, 1), "-q"))


def test_a_limit_that_leaves_nothing_to_split_is_an_incomplete_answer(crant: Crant, server: CaveServer) -> None:
    server.weather.limit = 1
    refused(crant, question(server, 0), "more synapses than the server gives at once", "no file is written")


def meddle(server: CaveServer, change: Callable[[pa.Table, list[int], str], pa.Table]) -> None:
    """Change answers: rows or, in a column `count`, their number, of neurons on one side."""
    query = CaveServer.query

    def meddled(self: CaveServer, match: Any, parameters: dict[str, str], body: dict[str, Any]) -> Any:
        table, notices = query(self, match, parameters, body)
        ((column, neurons),) = body["filter_in_dict"]["synapses_v2"].items()
        return change(table, neurons, column), notices

    server.routes["query"] = meddled


def without(table: pa.Table, lost: Any) -> pa.Table:
    return table.filter(~np.isin(table.column("id").to_numpy(), lost)) if "id" in table.column_names else table


def one_more(table: pa.Table, more: int = 1) -> pa.Table:
    counts = "count" in table.column_names
    return pa.table({"count": [table.column("count")[0].as_py() + more]}) if counts else table


def refused(crant: Crant, words: tuple[str, ...], *said: str) -> None:
    """No file, and what is wrong."""
    complaint(crant(*words, "-o", "out.csv"), 6, *said)
    assert not Path("out.csv").exists()


def altered(server: CaveServer, change: Callable[[pa.Table, dict[str, object]], pa.Table]) -> None:
    """From now on the rows of answers are changed, with a look at what was asked for; numbers of rows are not."""
    query = CaveServer.query

    def answer(self: CaveServer, match: object, parameters: dict[str, str], body: dict[str, object]) -> object:
        table, notices = query(self, match, parameters, body)  # type: ignore[arg-type]
        return change(table, body) if "id" in table.column_names else table, notices

    server.routes["query"] = answer


def test_a_server_that_counts_more_than_it_gives_is_not_believed(crant: Crant, server: CaveServer) -> None:
    """Some rows never come, however they are asked for."""
    meddle(server, lambda table, *_: without(table, server.brain.rows["id"][:20]))
    refused(crant, question(server, *range(12)), "synapses", "no file is written")


def test_counts_that_do_not_add_up_are_not_believed(crant: Crant, server: CaveServer) -> None:
    """Of each neuron as many rows come as are counted, and of all together one more is counted."""
    meddle(server, lambda table, neurons, _: one_more(table) if len(neurons) == 3 else table)
    refused(crant, question(server, 0, 1, 2), "however they are asked for", "no file is written")


def test_a_synapse_that_comes_twice_in_place_of_another_is_not_believed(crant: Crant, server: CaveServer) -> None:
    """Their number is right."""

    def change(table: pa.Table, *_: object) -> pa.Table:
        if "id" not in table.column_names:
            return table
        return pa.concat_tables([table.slice(0, 1), table.slice(0, 1), table.slice(2)])

    meddle(server, change)
    words = ("synapses", "-d", described(server), "--pre", ids(server, 0, 1))
    refused(crant, words, "an ID stands for one synapse", "nothing is written")


def test_inputs_and_outputs_that_do_not_fit_are_not_believed(crant: Crant, server: CaveServer) -> None:
    """A synapse among the neurons is one of the outputs and none of the inputs, and their numbers are right."""
    columns, neurons = server.brain.at(server.brain.versions[-1].time), server.brain.neurons[:3]
    among = np.isin(columns["pre_pt_root_id"], neurons) & np.isin(columns["post_pt_root_id"], neurons)

    def change(table: pa.Table, _: object, column: str) -> pa.Table:
        return one_more(without(table, columns["id"][among][:1]), -1) if column.startswith("post") else table

    meddle(server, change)
    refused(crant, question(server, 0, 1, 2), "differ between their inputs and their outputs", "nothing is written")


def test_a_synapse_that_is_another_among_inputs_is_not_believed(crant: Crant, server: CaveServer) -> None:
    def other(table: pa.Table, body: dict[str, object]) -> pa.Table:
        ids = table.column("id").to_numpy() + 10**12 * ("post_pt_root_id" in str(body["filter_in_dict"]))
        return table.set_column(table.column_names.index("id"), "id", pa.array(ids))

    altered(server, other)
    complaint(crant(*question(server, *range(12)), "-o", "out.csv"), 6, "differ between their inputs and their outputs")
    assert not Path("out.csv").exists()


def test_ids_may_be_large(crant: Crant, server: CaveServer) -> None:
    """So large that a sum of a few is none that 64 bits hold."""
    server.brain.rows["id"] += 2**61
    server.weather.limit = 60
    assert rows(crant(*question(server, *range(5)))) == expected(crant, server, *range(5))


def test_an_id_that_comes_twice_is_not_believed(crant: Crant, server: CaveServer) -> None:
    def repeated(table: pa.Table, _: object) -> pa.Table:
        ids = table.column("id").to_numpy().copy()
        ids[0] = ids[1]
        return table.set_column(table.column_names.index("id"), "id", pa.array(ids))

    altered(server, repeated)
    live = ("synapses", "-d", described(server), "-o", "out.csv", "--pre")
    complaint(crant(*live, ids(server, 0)), 6, "IDs differ", "nothing is written")
    missing = pa.array([None], pa.int64())
    altered(server, lambda table, _: table.slice(0, 1).set_column(table.column_names.index("id"), "id", missing))
    complaint(crant(*live, ids(server, 1)), 3, "column id", "without an ID")
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("wrong", ["ids", "counts"])
def test_what_does_not_add_up_is_not_kept(crant: Crant, server: CaveServer, wrong: str) -> None:
    """A server that was in trouble may be asked again; what it gave then is not taken for rows of a run that died."""
    query = CaveServer.query

    def answer(self: CaveServer, *asked: object) -> object:
        table, notices = query(self, *asked)  # type: ignore[arg-type]
        if "count" in table.column_names:
            number = table.column("count")[0].as_py() - 3 * (wrong == "counts")
            return pa.table({"count": [number]}), notices
        return (pa.concat_tables([table.slice(1), table.slice(1, 1)]) if wrong == "ids" else table), notices

    server.routes["query"] = answer
    complaint(crant(*question(server, 0)), 6, "othing is written" if wrong == "counts" else "IDs differ")
    server.routes.clear()
    assert rows(crant(*question(server, 0))) == expected(crant, server, 0)


def test_types_may_differ_from_one_answer_to_the_next(crant: Crant, server: CaveServer) -> None:
    """A column without a value in an answer has no type there."""
    whole = rows(crant("synapses", saved(server), "--pre", ids(server, *range(6)), "-q")).decode().splitlines()
    assert whole[0].split(",")[3] == "size"
    bare = [",".join([*cells[:3], "", *cells[4:]]) for cells in (line.split(",") for line in whole)]
    server.weather.limit = 60
    number = itertools.count()

    def untyped(table: pa.Table, _: object) -> pa.Table:
        if next(number) % 2:
            return table
        size, pre = table.column_names.index("size"), table.column_names.index("pre_pt_root_id")
        table = table.set_column(pre, "pre_pt_root_id", table.column("pre_pt_root_id").cast(pa.uint64()))
        return table.set_column(size, "size", pa.nulls(table.num_rows))

    altered(server, untyped)
    done = rows(crant("synapses", "-d", described(server), "--pre", ids(server, *range(6)), "-q"))
    found = done.decode().splitlines()
    assert len(found) == len(whole)
    assert all(line in (one, other) for line, one, other in zip(found, whole, bare, strict=True))
    assert 0 < sum(line == other for line, other in zip(found, bare, strict=True)) < len(found) - 1


def test_answers_without_rows_may_have_any_types(crant: Crant, server: CaveServer) -> None:
    """A server tells the types of columns by their values: without any it has none, or takes them for numbers."""
    silent = "4242"
    whole = saved(server)
    for kind in (pa.null(), pa.float64()):
        altered(server, lambda table, _, kind=kind: pa.table({n: pa.nulls(0, kind) for n in table.column_names}))  # type: ignore[misc]
        for command, *more in (
            ("synapses", "--pre"), ("synapses", "--units", "pixels", "--pre"), ("counts", "--min-size", "3", "-n"),
            ("connectivity", "--min-size", "3", "-n"), ("adjacency", "--min-size", "3", "--keep-silent", "--pre"),
        ):  # fmt: skip
            words = (*more, silent, "--no-update-ids", "-q")
            voxel = ("--voxel-size", "8,8,42") if "--units" in more else ()
            live = rows(crant(command, "-d", described(server), *words, "--refresh"))
            assert live == rows(crant(command, whole, *words, *voxel))


def test_ids_that_are_none_of_ours_are_refused(crant: Crant, server: CaveServer) -> None:
    for column in ("id", "post_pt_root_id"):

        def large(table: pa.Table, _: object, column: str = column) -> pa.Table:
            values = table.column(column).to_numpy().astype("u8").copy()
            values[0] = 2**63
            return table.set_column(table.column_names.index(column), column, pa.array(values))

        altered(server, large)
        complaint(crant(*question(server, 0), "--refresh"), 3, f"column {column}", "9223372036854775808")


def test_between_versions_a_silent_cut_cannot_be_ruled_out(crant: Crant, server: CaveServer) -> None:
    """Rows cannot be counted there, so that a server must show that its notices arrive."""
    between = ("synapses", "-d", described(server), "--pre", ids(server, 0, 1), "--materialization", "live", "-q")
    server.weather.limit = 30
    assert rows(crant(*between)) == rows(crant("synapses", saved(server), "--pre", ids(server, 0, 1), "-q"))
    server.weather.tell = False
    refused(crant, between, "without a notice", "--materialization latest")


def test_synapses_without_neurons_are_not_passed_over(crant: Crant) -> None:
    """Between versions a server leaves them out, if it is asked to, whoever's they are."""
    with serving(make_brain(late=100)) as server:
        server.brain.versions.pop()
        neurons = ids(server, *range(12))
        live = ("synapses", "-d", described(server), "--pre", neurons, "--materialization", "live", "-o", "out.csv")
        server.weather.not_looked_up = 3
        complaint(crant(*live), 6, "3 annotations that need supervoxel lookups", "--materialization latest")
        assert not Path("out.csv").exists()
        server.weather.not_looked_up = 0
        assert crant(*live).code == 0


def test_a_time_before_all_versions_cannot_be_asked_for(crant: Crant, server: CaveServer) -> None:
    """There a server leaves out the synapses of neurons that were edited until its first version."""
    brain, neuron = server.brain, server.brain.neurons[0]
    brain.graph.edit(START + 2 * DAY, [neuron], {neuron + 1: brain.graph.supervoxels(neuron)})
    server.weather.version = "5.26.2"
    moment = datetime.fromtimestamp(START + 1.5 * DAY, UTC).isoformat()
    ask = ("counts", "-d", described(server), "-q", "-n")
    before = rows(crant(*ask, neuron, "--materialization", moment))
    assert crant("lock", "-d", described(server), "--materialization", moment, "-o", "crant.lock").code == 0
    brain.versions[:2] = [replace(version, expired=True) for version in brain.versions[:2]]
    assert rows(crant(*ask, neuron, "--materialization", moment)) == before  # it is in the cache
    for state in (("--materialization", moment), ("--lock", "crant.lock")):
        complaint(crant(*ask, brain.neurons[1], *state, "-o", "out.csv"), 6, "no version", "as old", "later time")
    told = complaint(crant(*ask, neuron, "--materialization", 1), 2, "has expired")
    assert "ask for its time" not in told
    assert not Path("out.csv").exists()


def test_notices_are_seen_whichever_thread_asks_first(crant: Crant) -> None:
    """Between versions the first requests for rows are those of several threads at once."""
    with serving(make_brain(neurons=220, synapses=1500)) as server:
        server.weather.delay, server.weather.limit = 0.02, 300
        neurons = ids(server, *range(220))
        live = ("connectivity", "-d", described(server), "-n", neurons, "--materialization", "live", "-q")
        assert rows(crant(*live)) == rows(crant("connectivity", saved(server), "-n", neurons, "-q"))
        assert len([asked for asked in server.asked if asked.path == "/materialize/version"]) == 1


# A server that fails


@pytest.mark.parametrize("action", [503, 500, 502, 504, 429, "drop", "cut"])
def test_every_third_request_may_fail(crant: Crant, server: CaveServer, action: Action, pauses: list[float]) -> None:
    server.weather.limit = 100
    server.weather.action = lambda number, _: action if number % 3 == 2 else None
    assert rows(crant(*question(server, 0, 1, 2))) == expected(crant, server, 0, 1, 2)
    assert len(pauses) >= 3


def test_a_server_may_be_away_while_it_restarts(crant: Crant, server: CaveServer, pauses: list[float]) -> None:
    """Seven failures in a row of each request that is sent are more than 20 seconds of pauses."""
    server.weather.action = only(data, 503, times=7)
    assert rows(crant("synapses", "-d", described(server), "--pre", ids(server, 0), "-q"))
    assert sum(pauses) > 60
    server.weather.action = only(everything, "drop", times=6)
    pauses.clear()
    assert rows(crant("synapses", "-d", described(server), "--pre", ids(server, 1), "-q"))
    assert sum(pauses) > 30


def test_a_server_may_be_gone_for_twenty_seconds(
    crant: Crant, server: CaveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of a question nobody listens any more; then somebody does again."""
    back: list[CaveServer] = []
    waited: dict[int, float] = {}
    one_at_a_time = threading.Lock()

    def pause(seconds: float) -> None:
        with one_at_a_time:
            waited[threading.get_ident()] = waited.get(threading.get_ident(), 0.0) + seconds
            if max(waited.values()) > 20 and not back:
                back.append(CaveServer(server.brain, server.port))

    def act(_: int, asked: Asked) -> Action:
        if asked.is_data:
            server.weather.action = only(everything, "drop")  # for connections that are open
            server.close()
            return "drop"
        return None

    monkeypatch.setattr(retry, "sleep", pause)
    question = ("synapses", "--pre", ids(server, 0), "-q")
    expected = rows(crant(*question, saved(server)))
    server.weather.action = act
    try:
        assert rows(crant(*question, "-d", described(server))) == expected
    finally:
        for other in back:
            other.close()
    assert len(back[0].data_queries()) == 1


def test_a_server_that_stays_away_ends_the_run(crant: Crant, server: CaveServer, pauses: list[float]) -> None:
    live, neuron = described(server), ids(server, 0)
    server.weather.action = only(everything, 503)
    words = ("/info/version", "the server answers 503, 3 times", "--retries")
    complaint(crant("synapses", "-d", live, "--pre", neuron, "--retries", 2, "-o", "out.csv"), 6, *words)
    assert pauses == [0.5, 1.0]
    server.close()
    complaint(crant("synapses", "-d", live, "--pre", neuron, "--retries", 1, "-o", "out.csv"), 6, "no connection")
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("said", "pause"),
    [(None, 0.5), ("17", 17.0), ("0", 0.5), ("86400", 120.0), ("Wed, 21 Oct 2065 07:28:00 GMT", 120)],
)
def test_a_server_that_is_asked_too_often_may_say_when_to_come_back(
    crant: Crant, server: CaveServer, pauses: list[float], said: str | None, pause: float
) -> None:
    server.weather.action, server.weather.retry_after = only(data, 429, times=1), said
    rows(crant("synapses", "-d", described(server), "--pre", ids(server, 0), "-q"))
    assert pauses == [pause]


@pytest.mark.parametrize("action", ["stall", "hang"])
@pytest.mark.parametrize("path", ["/info/version", "is_latest_roots", "/query"])
def test_a_stalled_answer_is_asked_for_again(
    crant: Crant, server: CaveServer, pauses: list[float], action: Action, path: str
) -> None:
    question = ("synapses", "--pre", ids(server, 0), "-q")
    expected = rows(crant(*question, saved(server)))
    server.weather.action = only(lambda asked: path in asked.path, action, times=1)
    assert rows(crant(*question, "-d", described(server), "--timeout", 2)) == expected
    assert len(pauses) == 1


def test_a_request_that_is_too_large_is_made_smaller(crant: Crant, server: CaveServer) -> None:
    server.weather.largest = 250
    assert rows(crant(*question(server, *range(12)))) == expected(crant, server, *range(12))
    server.weather.largest = 60
    complaint(crant(*question(server, 0), "--refresh"), 1, "too large")


def test_mistakes_are_not_repeated(crant: Crant, server: CaveServer, pauses: list[float]) -> None:
    """Servers answer 500 to them, too."""
    complaint(crant("synapses", "-d", described(server), "--pre", ids(server, 0), "--columns", "colour"), 3, "colour")
    assert pauses == []
    server.weather.says = {"code": 500, "message": "boolean index did not match"}
    server.weather.action = only(data, "says")
    complaint(crant("synapses", "-d", described(server), "--pre", ids(server, 0)), 6, "fails with 500", "4 times")
    assert len(pauses) == 3
    pauses.clear()
    server.weather.action = only(data, 500)  # of what stands before it, and says nothing of the request
    complaint(crant("synapses", "-d", described(server), "--pre", ids(server, 0)), 6, "fails with 500", "9 times")
    assert len(pauses) == 8


def test_an_old_interface_is_refused(crant: Crant, server: CaveServer) -> None:
    server.weather.api_versions = (2,)
    complaint(crant(*question(server, 0)), 1, "3 is needed")
    server.weather.api_versions, server.weather.version = (2, 3), "5.12.0"
    complaint(crant(*question(server, 0)), 1, "5.12.0 is too old")


@pytest.mark.parametrize("body", [b"5", b"null", b'["a"]', b'"newest"', b'{"a": 1}'])
@pytest.mark.parametrize(
    "place",
    [
        "/info/version",
        "/info/api/v2/datastack/full/test_ant",
        "/materialize/version",
        "/materialize/api/v3/datastack/test_ant/metadata",
        "/is_latest_roots",
    ],
)
def test_an_answer_of_another_form_is_named_by_its_address(
    crant: Crant, server: CaveServer, place: str, body: bytes
) -> None:
    """In words for users: it is whole, and sound JSON, and not what stands there."""
    answer = (200, {"Content-Type": "application/json"}, body)
    server.weather.action = only(lambda asked: asked.path.partition("?")[0].endswith(place), answer)
    done = crant(*question(server, 0), "--refresh")
    complaint(done, 3, server.url, f"{place}: the answer is not of the form that it should have")
    assert not re.search(r"object|NoneType|subscript|'int'|expected|argument", done.err)


# Tokens


def token_file(home: Path, name: str, content: str) -> Path:
    """Where caveclient looks for them."""
    folder = home / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    return folder / name


def test_a_token_is_taken_from_the_environment_or_the_usual_files(
    crant: Crant, server: CaveServer, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = (*question(server, 0), "--refresh")
    rows(crant(*ask))
    monkeypatch.delenv("CRANTCLI_CAVE_TOKEN")
    host = server.url.partition("//")[2]
    for name in (f"{host}-cave-secret.json", "cave-secret.json", "chunkedgraph-secret.json"):
        file = token_file(own_home, name, f'{{"token": "{tokens.CAVE_TOKEN}"}}')
        rows(crant(*ask))
        file.unlink()
    complaint(crant(*ask), 5, "wants a token")
    assert not list(own_home.rglob("cave_datastack_to_server_map.json"))


def test_a_refusal_says_what_to_do_and_is_not_repeated(
    crant: Crant, server: CaveServer, own_home: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    ask = (*question(server, 0), "-o", "out.csv")
    for lack, words in (
        ("missing_permission", ("no right to read", "Missing permission")),
        ("missing_tos", ("terms of service", f"{server.url}/tos/1/accept")),
    ):
        server.weather.refuse = lack
        server.forget()
        complaint(crant(*ask), 5, *words)
        assert len(server.asked) == 1
    for token in tokens.UNSENDABLE_TOKENS:
        monkeypatch.setenv("CRANTCLI_CAVE_TOKEN", token)
        complaint(crant(*ask), 5, "is not one")
    monkeypatch.delenv("CRANTCLI_CAVE_TOKEN")
    server.forget()
    complaint(crant(*ask), 5, "wants a token", "CRANTCLI_CAVE_TOKEN", "create_token")
    assert len(server.asked) == 1
    token_file(own_home, "cave-secret.json", f'{{"token": "{tokens.WRONG_TOKEN}"}}')
    server.forget()
    complaint(crant(*ask), 5, "not accepted", "CRANTCLI_CAVE_TOKEN")
    assert len(server.asked) == 1
    token_file(own_home, "cave-secret.json", f'{{"token": "{tokens.CAVE_TOKEN}"')
    complaint(crant(*ask), 3, "token file", "cannot be read")
    assert pauses == []
    assert not Path("out.csv").exists()


def test_the_token_is_nowhere_whatever_goes_wrong(
    crant: Crant, server: CaveServer, own_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Even if the server says it. As after each test, all that is said, logged and left is searched for it."""
    # Another password for the same machine must not be sent in its place.
    (own_home / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    (own_home / ".netrc").chmod(0o600)
    live, neuron = described(server), ids(server, 0)
    runs = [
        ("synapses", "-d", live, "--pre", neuron, "-o", "s.parquet", "--json"),
        ("connectivity", "-d", live, "-n", neuron, "-o", "c.feather"),
        ("adjacency", "-d", live, "--pre", neuron, "-o", "a.npz", "--plot", "a.png"),
        ("counts", "-d", live, "-n", neuron, "-o", "n.csv"),
        ("ids", neuron, "-d", live, "-o", "i.csv"),
        ("lock", "-d", live, "-o", "crant.lock"),
        ("cache", "info", "--json"),
        ("info", "s.parquet", "--json"),
    ]
    for run in runs:
        rows(crant(*run))
    for length in (0, 265):  # where a message ends, it has a part of it
        server.weather.says = {"code": 500, "message": f"{'x' * length} not found for Bearer {tokens.CAVE_TOKEN}"}
        for action in ("says", 503, "cut", "drop", 500, 404, 413):
            server.weather.action = only(everything, action)
            done = crant("synapses", "-d", live, "--pre", neuron, "--refresh", "--retries", 1, "--debug")
            assert done.code != 0
            assert "Traceback" in done.err
    assert "127.0.0.1" in caplog.text
    assert tokens.arrived == {tokens.CAVE_TOKEN}


def test_a_run_without_trouble_says_nothing_of_caveclient(
    crant: Crant, server: CaveServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither notices of tables nor warnings of its own, which Python writes to the user's terminal."""
    server.brain.notice = "Cite us"
    assert crant(*question(server, 0)).err == ""
    done = crant("synapses", "-d", described(server), "--pre", ids(server, 0), "--materialization", "live", "-q")
    assert (done.code, done.err) == (0, "")
    assert caplog.records
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
