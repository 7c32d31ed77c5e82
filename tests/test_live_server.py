"""What CAVE's servers do otherwise than one would think, as their public code has it: never a wrong number, and errors
that say what to do.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokens
from boxes import mesh_folder
from cave_brain import DAY, START, UNKNOWN, Brain, Version, make_brain
from cave_server import Action, Asked, CaveServer, serving
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from live import described, ids, rows, saved
from tables import answer, complaint, ledger, record

import crantcli as cc
from crantcli.remote import retry
from crantcli.sources.cave.live_query import ID_END, split_range

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between attempts are taken down, not taken."""
    taken: list[float] = []
    monkeypatch.setattr(retry, "sleep", taken.append)
    return taken


def first(times: int, action: Action, where: str = "/query") -> Callable[[int, Asked], Action]:
    """Do this to the first so many requests of a kind."""
    left, lock = [times], threading.Lock()

    def act(_: int, asked: Asked) -> Action:
        with lock:
            if where not in asked.path or not left[0]:
                return None
            left[0] -= 1
            return action

    return act


def at(days: float) -> str:
    return datetime.fromtimestamp(START + days * DAY, UTC).isoformat()


# Sides that were never looked up


def half_known(late: float = np.inf, **more: Any) -> Brain:
    """A brain whose version 3 is split; of some synapses the pre side is looked up late, of others the post side."""
    brain = make_brain(synapses=900, **more)
    brain.versions[2] = replace(brain.versions[2], merged=False)
    number = np.arange(900)
    for side, chosen in (("pre", number % 7 == 0), ("post", number % 11 == 0)):
        brain.looked_up[side] = np.where(chosen, late, -np.inf)
    return brain


ONES = {
    "synapses": "synapses --pre #0,1,2 --columns id,pre,post,pre_pt_supervoxel_id,post_pt_supervoxel_id",
    "inputs": "synapses --post #0,1,2 --columns id,pre,post,pre_pt_supervoxel_id,post_pt_supervoxel_id",
    "all columns": "synapses --pre #0,1,2 --no-clean",
    "connectivity": "connectivity -n #0,1,2",
    "all of them": "connectivity -n #0,1,2 --no-clean",
    "threshold": "connectivity -n #0,1,2,3,4,5 -t 6 --no-clean",
    "counts": "counts -n #0,1,2",
    "adjacency": "adjacency --pre #0,1,2 --keep-silent",
    "square": "adjacency --pre #0,1,2 --symmetric",
    "fractions": "nested --source-neurons #0,1,2 --annotation-scope all --normalization-scope all",
    "nested": "nested --weight-mode count --source-types A",
    "attach": "attach --skeletons swc --max-distance 900000",
}


@pytest.mark.parametrize("case", ONES)
def test_a_side_that_was_never_looked_up_is_no_neuron(crant: Crant, case: str) -> None:
    """The server says 1 where the table has a null."""
    with serving(half_known()) as server:
        neurons = server.brain.neurons
        Path("a.csv").write_text("root_id,cell_type\n" + "".join(f"{n},{'AB'[n // 2 % 2]}\n" for n in neurons[:6]))
        Path("swc").mkdir(exist_ok=True)
        for neuron in neurons[:3]:
            Path("swc", f"{neuron}.swc").write_text("1 0 0 0 0 1 -1\n2 0 90000 90000 300000 1 1\n")
        command, *words = ONES[case].split()
        words = [ids(server, *map(int, word[1:].split(","))) if word[0] == "#" else word for word in words]
        words += ["-a", "a.csv"] if command == "nested" else []
        found = rows(crant(command, "-d", described(server), *words, "-q"))
        assert found == rows(crant(command, saved(server), *words, "-q", "--allow-null"))
        assert found.count(b"\n") > 2
        assert b"1" not in found.replace(b"\n", b",").split(b",")[:12] or command not in ("connectivity", "counts")


def test_the_ledger_counts_them_as_null(crant: Crant) -> None:
    with serving(half_known()) as server:
        columns, neuron = server.brain.frozen(server.brain.versions[2]), server.brain.neurons[0]
        own = columns["pre_pt_root_id"] == neuron
        nulls = int((own & (columns["post_pt_root_id"] == UNKNOWN)).sum())
        assert nulls > 2
        for command in ("synapses --pre", "connectivity --no-upstream -n", "counts --json -n"):
            name, *words = command.split()
            done = crant(name, "-d", described(server), *words, neuron, "-o", "out.csv", *{"--json"} - {*words})
            told = ledger(done)
            if name != "counts":
                assert (told["read"], told["null"]) == (int(own.sum()), nulls)
            assert told["null"] >= nulls


def test_neuropils_of_split_versions(crant: Crant) -> None:
    with serving(half_known()) as server:
        everyone = ids(server, *range(12))
        fetch = ("synapses", "-d", described(server), "--pre", everyone, "--no-clean", "-o", "same.parquet")
        rows(crant(*fetch))
        where = ("--meshes", str(mesh_folder(Path("boxes"))), "--mesh-scale", "9000", "--assignments-only", "-o")
        rows(crant("neuropil", "-d", described(server), "--source-neurons", everyone, *where, "live"))
        rows(crant("neuropil", "same.parquet", *where, "file"))
        assert Path("live/summary.csv").read_bytes() == Path("file/summary.csv").read_bytes()


# Between versions, on a split version


def live(server: CaveServer, *more: str) -> tuple[str, ...]:
    return ("connectivity", "-d", described(server), "-n", ids(server, 0, 1), "--materialization", "live", *more)


def now(server: CaveServer, name: str = "now.parquet") -> str:
    """The table as it is now, in a file."""
    server.brain.versions.append(Version(99, START + 1000 * DAY))
    path = Path(saved(server, 99)).rename(name)
    server.brain.versions.pop()
    return str(path)


def test_synapses_that_were_looked_up_after_a_split_version_are_not_passed_over(crant: Crant) -> None:
    """The server would leave them out without a word."""
    with serving(half_known(late=START + 4 * DAY)) as server:
        brain = server.brain
        late = int(((brain.looked_up["pre"] > 0) | (brain.looked_up["post"] > 0)).sum())
        words = (
            "version 3",
            f"{late:,} of 900 synapses have no neurons",
            "--materialization latest",
            "--allow-missing",
        )
        complaint(crant(*live(server), "-o", "out.csv"), 6, *words)
        assert server.data_queries() == []
        assert not Path("out.csv").exists()
        # What is known of a version is kept.
        server.forget()
        complaint(crant(*live(server), "-o", "out.csv"), 6, *words)
        assert not [asked for asked in server.asked if "/count" in asked.path or "count=True" in asked.path]
        complaint(crant(*live(server), "-o", "out.csv", "--refresh"), 6, *words)
        assert [asked for asked in server.asked if "/count" in asked.path]


def test_synapses_without_neurons_may_be_missing_where_that_is_allowed(crant: Crant, tmp_path: Path) -> None:
    """Of neurons whose synapses have all, nothing is missing; else some, and it is said."""
    brain = half_known(late=START + 4 * DAY)
    brain.looked_up["post"][:] = -np.inf
    with serving(brain) as server:
        question = (*live(server), "--no-upstream", "--allow-missing")
        done = crant(*question, "-o", "out.parquet")
        assert done.code == 0, done.err
        late = int((brain.looked_up["pre"] > 0).sum())
        assert f"{late:,} of the version that the server builds on" in done.err
        told = record("out.parquet")
        assert told["options"]["allow_missing"] is True
        assert told["inputs"][0]["left_out"] == {"base": late}
        assert "without neurons" in told["complete_for"]["thinned_by"]
        whole = rows(crant("connectivity", now(server), "-n", ids(server, 0, 1), "--no-upstream", "-q"))
        assert (
            0
            < sum(int(r[2]) for r in answer(crant("connectivity", "out.parquet")))
            < sum(int(line.split(b",")[2]) for line in whole.split()[1:])
        )
        inputs = (*live(server, "--allow-missing")[:5], "--no-downstream", "--materialization", at(3.5))
        complaint(crant(*inputs), 6, "have no neurons")
        # A second run takes it from the cache, and says so too.
        again = [crant(*question[:5], "--no-upstream", "--allow-missing", "--materialization", at(3.5)) for _ in "ab"]
        assert again[0].out == again[1].out
        assert all(f"{late:,} of the version" in outcome.err for outcome in again)
        with pytest.warns(cc.CrantWarning, match="without neurons may be missing"):
            cc.get_connectivity(
                brain.neurons[:1], dataset=described(server, name=str(tmp_path / "l.toml")), upstream=False,
                materialization="live", live=cc.LiveOptions(allow_missing=True),
            )  # fmt: skip


def test_a_split_version_without_gaps_is_no_reason_to_stop(crant: Crant) -> None:
    with serving(half_known(late=START)) as server:
        assert rows(crant(*live(server), "-q")) == rows(
            crant("connectivity", now(server), "-n", ids(server, 0, 1), "-q")
        )
        server.forget()
        rows(crant(*live(server), "-q"))
        assert not [asked for asked in server.asked if "count" in asked.path]


def test_new_synapses_without_neurons_may_be_missing_too(crant: Crant) -> None:
    with serving(make_brain(late=100)) as server:
        server.brain.versions.pop()
        server.weather.not_looked_up = 3
        complaint(crant(*live(server), "-o", "out.csv"), 6, "3 annotations", "--allow-missing")
        done = crant(*live(server), "--allow-missing", "-o", "out.parquet")
        assert done.code == 0, done.err
        assert "at least 3 new ones" in done.err
        assert record("out.parquet")["inputs"][0]["left_out"] == {"new": 3}
        # Nothing allows for neurons of the version itself that have a partner without neuron.
    with serving(half_known()) as server:
        done = crant(*live(server), "--allow-missing", "-o", "none.csv")
        assert "--allow-missing" not in complaint(done, 6, "need supervoxel lookups", "--materialization latest")


def test_commands_that_fetch_no_synapses_have_no_such_option(crant: Crant) -> None:
    for command in ("ids", "lock", "annotations", "meshes"):
        assert "--allow-missing" not in crant(command, "--help").text
    assert "--allow-missing" in crant("nested", "--help").text


# Between versions, more changes than the row limit


@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
def test_few_synapses_are_found_among_many_changes(crant: Crant, shuffle: bool) -> None:
    """The server's limit counts what has changed, whoever's it is."""
    brain = make_brain(neurons=40, synapses=3000, late=700)
    brain.versions.pop()
    brain.deleted = np.where(np.arange(3000) % 5 == 1, START + 2 * DAY, np.inf)
    with serving(brain) as server:
        server.weather.limit, server.weather.shuffle = 60, shuffle
        pair = ("--pre", ids(server, 0, 1), "--post", ids(server, 2))
        question = ("synapses", *pair, "--columns", "id,pre,post,size", "-q")
        found = rows(crant(*question, "-d", described(server), "--materialization", "live"))
        assert found == rows(crant(*question, now(server)))
        assert 1 < found.count(b"\n") < 60
        assert len(server.asked) < 150  # 1,240 rows have changed: at least 21 answers


def test_all_columns_are_the_same_in_all_answers(crant: Crant) -> None:
    """Only rows that are new have some, where none of the version goes with them."""
    brain = make_brain(synapses=600, late=300)
    brain.versions.pop()
    with serving(brain) as server:
        server.weather.limit = 50
        question = ("synapses", "--pre", ids(server, 0, 1), "-q")
        found = rows(crant(*question, "-d", described(server), "--materialization", "live"))
        assert found == rows(crant(*question, now(server)))


@given(low=st.integers(0, ID_END - 1), width=st.integers(1, ID_END), data=st.data())
def test_a_range_is_halved_until_one_id_is_left(low: int, width: int, data: st.DataObject) -> None:
    span, steps = (low, min(low + width, ID_END)), 0
    hints = data.draw(st.integers(0, 6))
    while True:
        came = None
        if steps < hints:
            start = data.draw(st.integers(span[0], span[1] - 1))
            came = (start, data.draw(st.integers(start + 1, span[1])))
        parts = split_range(span, came)
        if not parts:
            break
        (start, middle), (again, end) = parts
        assert (start, end) == span
        assert start < middle == again < end
        span, steps = max(parts, key=lambda part: part[1] - part[0]), steps + 1
    assert span[1] - span[0] == 1
    assert steps < 80


def test_a_server_that_says_of_everything_that_it_is_cut_is_not_asked_for_ever(
    crant: Crant, server: CaveServer
) -> None:
    server.weather.limit = 1
    complaint(crant(*live(server), "-o", "out.csv"), 6, "one synapse ID", "--materialization latest")
    assert len(server.asked) < 250


def test_few_requests_are_made(crant: Crant) -> None:
    """Servers allow only so many in a minute."""
    with serving(make_brain(neurons=450, synapses=3000)) as server:
        for numbers in ([0], range(450)):
            server.forget()
            words = ("-n", ids(server, *numbers), "--materialization", "live", "-q")
            assert rows(crant("connectivity", "-d", described(server), *words)).count(b"\n") > 1
            assert len(server.asked) <= 11, [asked.path for asked in server.asked]


# What errors look like


def test_too_many_requests_pass_by_themselves(crant: Crant, server: CaveServer, pauses: list[float]) -> None:
    server.weather.action = first(6, "busy")
    question = ("synapses", "--pre", ids(server, 0), "-q")
    assert rows(crant(*question, "-d", described(server))) == rows(crant(*question, saved(server)))
    assert pauses
    assert max(pauses) >= 4
    server.weather.action = first(10_000, "busy")
    pauses.clear()
    asked = ("synapses", "-d", described(server), "--pre", ids(server, 1), "-o", "out.csv")
    complaint(crant(*asked), 6, "429 (5 per 1 minute)", "9 times", "try again later")
    assert sum(sorted(pauses)[-5:]) > 60
    assert not Path("out.csv").exists()


def test_pauses_grow_from_one_request_to_the_next(crant: Crant, server: CaveServer, pauses: list[float]) -> None:
    """One that comes after another that was too much waits for longer than half a second."""
    server.weather.limit = 60
    server.weather.action = lambda number, asked: "busy" if asked.is_data and number % 2 else None
    everyone = ids(server, *range(12))
    assert rows(crant("connectivity", "-d", described(server), "-n", everyone, "-q")) == rows(
        crant("connectivity", saved(server), "-n", everyone, "-q")
    )
    assert len(pauses) > 5


@pytest.mark.parametrize(
    "said",
    [
        "(sqlalchemy.exc.InvalidRequestError) Can't reconnect until invalid transaction is rolled back",
        "(psycopg2.OperationalError) server closed the connection unexpectedly",
        "(psycopg2.errors.AdminShutdown) terminating connection due to administrator command",
    ],
)
def test_a_data_base_in_trouble_is_asked_again(crant: Crant, server: CaveServer, said: str) -> None:
    server.weather.says = {"code": 500, "message": said}
    server.weather.action = first(7, "says")
    question = ("synapses", "--pre", ids(server, 0), "-q")
    assert rows(crant(*question, "-d", described(server))) == rows(crant(*question, saved(server)))


@pytest.mark.parametrize("status", [408, 503])
def test_a_server_that_was_too_slow_is_asked_again(crant: Crant, server: CaveServer, status: int) -> None:
    server.weather.action = first(5, status)
    question = ("synapses", "--pre", ids(server, 0), "-q")
    assert rows(crant(*question, "-d", described(server))) == rows(crant(*question, saved(server)))


def test_what_a_server_does_not_take_is_named(crant: Crant, server: CaveServer, pauses: list[float]) -> None:
    ask = ("synapses", "-d", described(server), "--pre", ids(server, 0), "-o", "out.csv")
    for says in (
        {"schema_errors": {"filter_in_dict": ["Unknown field."]}},
        {"errors": {"filter_in_dict": "Unknown field."}, "message": "Input payload validation failed"},
    ):
        server.weather.says = says
        server.weather.action = first(10_000, "says")
        complaint(crant(*ask), 3, "filter_in_dict", "Unknown field")
    assert pauses == []
    server.weather.says = {"code": 500, "message": "410 Gone: This materialization version is not available"}
    complaint(crant(*ask), 6, "materialization 3", "has expired", "another version")
    server.weather.says = {"code": 500, "message": "406 Not Acceptable: There are 9 annotations that need supervoxel"}
    complaint(crant(*ask), 6, "There are 9 annotations", "--materialization latest")
    server.weather.says = {"code": 500, "message": "400 Bad Request: do not use live live query"}
    complaint(crant(*ask), 3, "refuses the request with 400")
    assert pauses == []


def test_an_outage_in_the_middle_does_not_lose_what_has_come(crant: Crant, server: CaveServer) -> None:
    server.weather.limit = 60
    asked: list[str] = []

    def act(_: int, request: Asked) -> Action:
        if request.is_data:
            asked.append(str(request.body))
            return 503 if len(asked) > 8 else None
        return None

    server.weather.action = act
    question = ("synapses", "-d", described(server), "--pre", ids(server, *range(12)), "--cache-dir", "kept", "-q")
    complaint(crant(*question, "--retries", 0), 6, "503")
    done = set(asked[:8])
    server.weather.action = lambda *_: None
    server.forget()
    assert rows(crant(*question)) == rows(crant("synapses", saved(server), "--pre", ids(server, *range(12)), "-q"))
    assert not done & {str(query.body) for query in server.data_queries()}


# Tables, versions and IDs that are not there


def test_a_table_that_is_not_there_is_named_between_versions_too(crant: Crant, server: CaveServer) -> None:
    Path("t.toml").write_text(f'[cave]\nserver = "{server.url}"\ndatastack = "test_ant"\nsynapse_table = "syn"\n')
    for state in ("live", at(2), "latest"):
        done = crant("counts", "-d", "t.toml", "-n", ids(server, 0), "--materialization", state, "-o", "out.csv")
        complaint(done, 3, "data stack test_ant has no table syn", "is the name right")
    server.brain.views = ("syn",)
    for state in ("live", "latest"):
        done = crant("counts", "-d", "t.toml", "-n", ids(server, 0), "--materialization", state, "-o", "out.csv")
        complaint(done, 3, "syn is a view", "/version/3/views/syn/query", "synapse_table")
    assert not Path("out.csv").exists()


def test_a_private_table_is_its_owners(crant: Crant, server: CaveServer) -> None:
    """The token is good, and another would not help."""
    server.weather.private = True
    for state in ("live", "latest"):
        done = crant("counts", "-d", described(server), "-n", ids(server, 0), "--materialization", state)
        told = complaint(done, 5, "can only be read by its owner", "ask the owner")
        assert "create_token" not in told


def test_an_id_of_another_time_is_named(crant: Crant, server: CaveServer) -> None:
    graph, old = server.brain.graph, server.brain.neurons
    graph.edit(START + 2 * DAY, [old[0]], {old[0] + 1: graph.supervoxels(old[0])})
    done = crant(
        "counts", "-d", described(server), "-n", f"{old[0]},{old[1]}", "--materialization", "live", "--no-update-ids"
    )
    complaint(done, 3, f"have these IDs: {old[0]};", "--no-update-ids", "crantcli ids")


def test_versions_that_never_came_to_be_are_none_that_have_expired(crant: Crant, server: CaveServer) -> None:
    server.brain.versions += [
        Version(4, START + 4 * DAY, status="FAILED"),
        Version(5, START + 5 * DAY, status="RUNNING"),
    ]
    ask = ("counts", "-d", described(server), "-n", ids(server, 0), "-q", "--materialization")
    complaint(crant(*ask, 4), 2, "could not be made on the server", "there are 1, 2, 3")
    told = complaint(crant(*ask, 5), 2, "is not ready yet", "there are 1, 2, 3")
    assert "ask for its time" not in told
    assert rows(crant(*ask, "latest")) == rows(crant("counts", saved(server), "-n", ids(server, 0), "-q"))


def test_a_time_before_all_versions_can_be_asked_of_new_engines(crant: Crant) -> None:
    """They follow neurons back, and know what was deleted since."""
    brain = make_brain(late=100)
    brain.deleted = np.where(np.arange(600) % 5 == 1, START + 2.5 * DAY, np.inf)
    with serving(brain) as server:
        old = brain.neurons
        brain.graph.edit(START + 2 * DAY, [old[0]], {old[0] + 1: brain.graph.supervoxels(old[0])})
        truth = rows(crant("counts", saved(server, 2), "-n", f"{old[0]},{old[1]}", "-q"))
        brain.versions[:2] = [replace(version, expired=True) for version in brain.versions[:2]]
        ask = ("counts", "-d", described(server), "-n", f"{old[0]},{old[1]}", "-q", "--materialization", at(1.5))
        assert rows(crant(*ask)) == truth
        for version in ("5.26.2", "5.13.0"):
            server.weather.version = version
            complaint(crant(*ask, "--refresh"), 6, "no version that is as old", "later time")
        brain.versions[2] = replace(brain.versions[2], expired=True)
        complaint(crant(*ask, "--refresh"), 6, "there is no version")


def test_synapses_that_nobody_asked_for_are_not_taken(crant: Crant, server: CaveServer) -> None:
    """As from a server that does not know a filter."""
    query = CaveServer.query

    def careless(self: CaveServer, match: Any, parameters: dict[str, str], body: dict[str, Any]) -> Any:
        return query(self, match, parameters, {**body, "filter_in_dict": {}})

    server.routes["query"] = careless
    complaint(crant("counts", "-d", described(server), "-n", ids(server, 0), "-o", "o.csv"), 6, "were not asked for")
    assert not Path("o.csv").exists()


# Where a token goes


def test_a_token_goes_over_secure_connections_only(crant: Crant, server: CaveServer) -> None:
    Path("p.toml").write_text('[cave]\nserver = "http://cave.example"\ndatastack = "test_ant"\n')
    complaint(
        crant("counts", "-d", "p.toml", "-n", 5, "--retries", 0), 2, "http://cave.example", "give an https address"
    )
    for address in ("http://data.example:8080", "ftp://data.example", "data.example"):
        server.weather.local_server = address
        server.forget()
        done = crant("counts", "-d", described(server), "-n", ids(server, 0), "--retries", 0)
        complaint(done, 1, address, "no https address", "ask those who run it")
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("path", ["/info/version", "/metadata", "is_latest_roots", "/query"])
def test_a_token_does_not_follow_a_redirection_to_another_server(
    crant: Crant, server: CaveServer, status: int, path: str
) -> None:
    with serving(server.brain) as elsewhere:
        server.weather.action = first(1, (status, {"Location": f"{elsewhere.url}/some/where"}, b""), path)
        done = crant("counts", "-d", described(server), "-n", ids(server, 0), "-o", "out.csv")
        complaint(done, 1, "sends us elsewhere", elsewhere.url, "the token does not go there")
        assert elsewhere.asked == []
    assert not Path("out.csv").exists()
    assert tokens.arrived <= {tokens.CAVE_TOKEN}


def test_a_redirection_to_nowhere_is_not_followed(crant: Crant, server: CaveServer) -> None:
    for place in ("http://[x/", "//127.0.0.1:1/x", "https:///"):
        server.weather.action = first(10_000, (302, {"Location": place}, b""))
        complaint(crant("counts", "-d", described(server), "-n", ids(server, 0)), 1, "sends us elsewhere")
    server.weather.action = first(10_000, (304, {}, b""))
    complaint(crant("counts", "-d", described(server), "-n", ids(server, 0)), 6, "the server answers 304, 4 times")


def test_a_connection_that_is_not_secure_is_not_tried_again(
    crant: Crant, server: CaveServer, pauses: list[float]
) -> None:
    Path("s.toml").write_text(described(server) and Path("live.toml").read_text().replace("http://", "https://"))
    complaint(crant("counts", "-d", "s.toml", "-n", ids(server, 0)), 1, "no secure connection")
    assert pauses == []


def test_a_redirection_within_a_server_is_followed(crant: Crant, server: CaveServer) -> None:
    def act(_: int, asked: Asked) -> Action:
        path, _, more = asked.path.partition("?")
        if path.endswith("/metadata") and "table" not in path and "again" not in more:
            return 308, {"Location": f"{path}?{more}&again=1"}, b""
        return None

    server.weather.action = act
    assert rows(crant("counts", "-d", described(server), "-n", ids(server, 0), "-q"))


@pytest.mark.parametrize("path", ["/info/version", "/metadata", "is_latest_roots", "roots_binary", "/query"])
def test_a_web_page_in_place_of_data_is_named(crant: Crant, server: CaveServer, path: str, pauses: list[float]) -> None:
    graph, old = server.brain.graph, server.brain.neurons
    graph.edit(
        START + 2 * DAY, [old[0]], {old[0] + 1: graph.supervoxels(old[0])[:1], 9_000: graph.supervoxels(old[0])[1:]}
    )
    ask = ("counts", "-d", described(server), "-n", old[0], "-q")
    server.weather.action = first(10_000, "page", path)
    complaint(crant(*ask, "-o", "out.csv"), 6, path, "a web page came in place of data", "4 times", "in a browser")
    assert len(pauses) >= 3
    assert not Path("out.csv").exists()
    server.weather.action = first(2, "page", path)
    assert rows(crant(*ask))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"[1]", b'"5"', b"17", b"\xff\xff\xff\xff", b"ARROW1", b'{"a": []}', b"[" * 5000],
    ids=lambda body: repr(body[:12]),
)
@pytest.mark.parametrize("path", ["/full/", "/metadata", "is_latest_roots", "/query", "count=True"])
def test_answers_of_another_form_are_errors(crant: Crant, server: CaveServer, path: str, body: bytes) -> None:
    """One line, with a code of the table, and no file."""
    server.weather.action = first(10_000, (200, {"Content-Type": "application/json"}, body), path)
    done = crant("counts", "-d", described(server), "-n", ids(server, 0), "-o", "out.csv", "--retries", 1)
    assert done.code in (1, 2, 3, 6), done.err
    complaint(done, done.code)
    assert not Path("out.csv").exists()


def test_an_answer_that_comes_byte_by_byte_ends(
    crant: Crant, server: CaveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never silent for long, and would take hours."""
    from crantcli.remote import body

    monkeypatch.setattr(body, "_WHOLE", 0.3)
    server.weather.action = first(10_000, "drip")
    done = crant("counts", "-d", described(server), "-n", ids(server, 0), "--retries", 1, "--timeout", 0.3)
    complaint(done, 6, "no answer in time, 2 times")


def test_what_was_asked_for_stands_in_the_summary(crant: Crant) -> None:
    """Also where nothing is missing."""
    with serving(make_brain(late=50)) as server:
        done = crant(*live(server), "--allow-missing", "-o", "out.parquet", "--json")
        assert json.loads(done.out)["notes"] == []
        assert record("out.parquet")["options"]["allow_missing"] is True
        assert "left_out" not in record("out.parquet")["inputs"][0]
