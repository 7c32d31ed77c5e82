"""A CAVE server on this machine, as real as caveclient 8 needs it, which can have every kind of bad day.

Written from what the servers' public source and measurements say of the wire; it knows nothing of crantcli.
`python tests/cave_server.py --neurons 2000 --synapses 1000000` serves until its stdin is closed (for
benchmarks). A line on stdin is a new row limit, or empty; it is answered with what was asked for since the last one.
"""

from __future__ import annotations

import json
import re
import threading
import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import tokens
from cave_brain import ORDER, Brain, arrow, make_brain

#: What can be done instead of answering: a status; "drop" the connection before the answer; "cut" it in the middle of
#: the answer; "stall" before the answer or "hang" in the middle of it until the test is over; "says": fail with what
#: `Weather.says`.
Action = int | str | None


@dataclass
class Asked:
    """One request that came."""

    method: str
    path: str
    sent: int
    body: dict[str, Any]
    answered: int = 0

    @property
    def is_data(self) -> bool:
        """A query for rows."""
        return (
            self.path.partition("?")[0].endswith("/query")
            and "count=True" not in self.path
            and self.body.get("limit") != 1
        )


@dataclass
class Weather:
    """How the server behaves.

    Attributes
    ----------
    limit : int
        Rows of one answer.
    tell : bool
        Whether an answer that was cut says so.
    token : str or None
        The token that is asked for.
    refuse : {"missing_permission", "missing_tos"} or None
        What a good token lacks.
    action : callable
        From the number of the request (from 0) and the request, what to do instead of answering.
    delay : float
        Seconds before each answer.
    largest : int
        Bytes of a request that is not too large.
    not_looked_up : int
        New synapses whose supervoxels are still to be found.
    """

    limit: int = 200_000
    tell: bool = True
    shuffle: bool = False
    token: str | None = None
    refuse: str | None = None
    action: Callable[[int, Asked], Action] = lambda number, asked: None
    delay: float = 0.0
    largest: int = 10_000_000
    not_looked_up: int = 0
    retry_after: str | None = None
    api_versions: tuple[int, ...] = (2, 3)
    version: str = "5.26.4"
    says: Any = None


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: Any, kind: str = "application/json") -> None:
        super().__init__(status)
        self.status, self.kind = status, kind
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def wrong(message: str) -> RefusedError:
    """What the servers make of any mistake: 500, with the real reason in the message."""
    return RefusedError(500, {"code": 500, "message": message})


def iso(time: float) -> str:
    """A time as the servers write it: in UTC, with no zone."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


class CaveServer:
    """The server: answers for one brain, and keeps what it was asked."""

    def __init__(self, brain: Brain, port: int = 0) -> None:
        self.brain, self.weather = brain, Weather()
        self.asked: list[Asked] = []
        #: Functions that answer instead of those of this class, by their names.
        self.routes: dict[str, Callable[..., Any]] = {}
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._random = np.random.default_rng(1)
        outer = self

        class Handler(_Handler):
            server_of = outer

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop, and let go of what is stalled."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)

    def data_queries(self) -> list[Asked]:
        """Queries for rows that came, failed ones included."""
        return [asked for asked in self.asked if asked.is_data]

    def forget(self) -> None:
        """Start counting anew."""
        self.asked.clear()

    # What it answers: a route is a method, a pattern and a function of the match, the parameters and the body.

    def info(self, *_: Any) -> Any:
        """The description of the data set."""
        return {
            "local_server": self.url,
            "segmentation_source": f"graphene://{self.url}/segmentation/table/ant_cg",
            "synapse_table": self.brain.table,
            "aligned_volume": {"id": 1, "name": "ant_volume"},
            "viewer_resolution_x": 8.0, "viewer_resolution_y": 8.0, "viewer_resolution_z": 42.0,
        }  # fmt: skip

    def versions(self, match: re.Match[str], parameters: dict[str, str], _: Any) -> Any:
        """Numbers of the versions."""
        return [version["version"] for version in self.metadata(match, parameters, _)]

    def metadata(self, _: Any, parameters: dict[str, str], __: Any) -> Any:
        """What is known of the versions."""
        every = parameters.get("expired") == "True"
        return [
            {
                "id": v.number, "version": v.number, "datastack": self.brain.datastack, "valid": not v.expired,
                "time_stamp": iso(v.time), "expires_on": iso(v.time + 30 * 86_400), "is_merged": True,
                "status": "EXPIRED" if v.expired else "AVAILABLE", "parent_version": None,
            }
            for v in self.brain.versions
            if every or not v.expired
        ]  # fmt: skip

    def _version(self, number: str) -> float:
        found = [version for version in self.brain.versions if version.number == int(number)]
        if not found:
            raise wrong(f"404 Not Found: analysis version {number} not found")
        if found[0].expired:
            raise wrong("410 Gone: This materialization version is not available")
        return found[0].time

    def table_metadata(self, match: re.Match[str], *_: Any) -> Any:
        """What is known of the table."""
        self._version(match["version"])
        if match["table"] != self.brain.table:
            raise wrong(
                f"404 Not Found: analysis table {match['table']} not found for version {match['version']} in "
                f"datastack {self.brain.datastack}"
            )
        x, y, z = self.brain.resolution
        return {
            "table_name": self.brain.table, "schema_type": "synapse", "reference_table": None, "valid": True,
            "voxel_resolution_x": x, "voxel_resolution_y": y, "voxel_resolution_z": z,
            "notice_text": self.brain.notice,
        }  # fmt: skip

    def query(self, match: re.Match[str], parameters: dict[str, str], body: dict[str, Any]) -> Any:
        """Rows of a version, or their number."""
        time = self._version(match["version"])
        self.table_metadata(match)
        columns = self.brain.at(time)
        keep = np.flatnonzero(self._matching(columns, body, {}))
        if parameters.get("count") == "True":
            return pa.table({"count": [len(keep)]}), []
        keep, limit = self._limited(keep, body)
        warnings = [f'201 - "Limited query to {limit} rows'] if len(keep) == limit and self.weather.tell else []
        return arrow(columns, self._selected(body.get("select_columns")), keep), warnings

    def live_query(self, _: Any, parameters: dict[str, str], body: dict[str, Any]) -> Any:
        """Rows at any time: asked of the version before, cut, and only then filtered by the neurons of that time."""
        graph, time = self.brain.graph, datetime.fromisoformat(body["timestamp"]).timestamp()
        if body["table"] != self.brain.table:
            raise wrong(f"404 Not Found: table {body['table']} not found")
        wanted = body.get("filter_in_dict", {}).get(self.brain.table, {})
        roots = {int(root) for ids in wanted.values() for root in ids}
        expired = sorted(root for root in roots if not graph.is_latest(root, time))
        if expired and parameters.get("allow_invalid_root_ids") != "True":
            raise RefusedError(
                400, f"<p>Some root_ids passed are not valid at {body['timestamp']}: {expired}</p>".encode()
            )
        usable = [version for version in self.brain.versions if not version.expired]
        past = [version.time for version in usable if version.time <= time]
        frozen = max(past) if past else min(version.time for version in usable)
        # The real server follows neurons from a version to a later time, and not to an earlier one.
        before = {
            root: {graph.root(sv, frozen) for sv in graph.supervoxels(root) if graph.root(sv, time) == root}
            for root in (roots if past else ())
        }
        now, then = self.brain.at(time), self.brain.at(frozen)
        old = np.flatnonzero(self._matching(then, body, before))
        old, limit = self._limited(old, body)
        warnings = []
        if len(old) == limit and self.weather.tell:
            warnings.append(f"Materialized query returned {limit} rows: there may be more results which are not shown")
        old_ids = then["id"][old]
        new = np.flatnonzero(self._matching(now, body, {}) & ~np.isin(now["id"], then["id"]))
        if self.weather.not_looked_up:
            said = f"There are {self.weather.not_looked_up} annotations that need supervoxel lookups, wait till ..."
            if parameters.get("allow_missing_lookups") != "True":
                raise RefusedError(406, {"message": said})
            new = new[self.weather.not_looked_up :]
            warnings.append(said)
        new, _ = self._limited(new, body)
        keep = np.concatenate([np.flatnonzero(np.isin(now["id"], old_ids) & self._matching(now, body, {})), new])
        names = body.get("select_columns", {}).get(self.brain.table)
        return arrow(now, self._selected(names), keep), warnings

    def _limited(self, keep: Any, body: dict[str, Any]) -> tuple[Any, int]:
        limit = min(self.weather.limit, body.get("limit", self.weather.limit))
        if self.weather.shuffle:
            with self._lock:
                keep = self._random.permutation(keep)
        return keep[:limit], limit

    def _matching(self, columns: dict[str, Any], body: dict[str, Any], before: dict[int, set[int]]) -> Any:
        """Which rows pass the filters; `filter_notin_dict` is accepted and does nothing, as on the real server."""
        found = columns["valid"].copy()
        for name, ids in body.get("filter_in_dict", {}).get(self.brain.table, {}).items():
            values = [root for given in ids for root in before.get(int(given), {int(given)})]
            found &= np.isin(self._column(columns, name), np.array(values, dtype=np.int64))
        compared = {"greater_equal": np.greater_equal, "less": np.less, "greater": np.greater, "equal": np.equal}
        for kind, compare in compared.items():
            for name, value in body.get(f"filter_{kind}_dict", {}).get(self.brain.table, {}).items():
                found &= compare(self._column(columns, name), value)
        return found

    def _column(self, columns: dict[str, Any], name: str) -> Any:
        if name not in columns:
            raise wrong(f"{name} not in model or models for {self.brain.table}")
        return columns[name]

    def _selected(self, names: list[str] | None) -> list[str]:
        if not names:
            return list(ORDER)
        for name in names:
            if name not in ORDER:
                raise wrong(f"{name} not in model or models for {self.brain.table}")
        # Neurons come with their supervoxels, asked for or not.
        more = [name.replace("_root_id", "_supervoxel_id") for name in names if name.endswith("_root_id")]
        return list(dict.fromkeys([*names, *more]))

    def is_latest(self, _: Any, parameters: dict[str, str], body: dict[str, Any]) -> Any:
        """Which neurons were there at a time."""
        time = self._time(parameters)
        return {"is_latest": [self.brain.graph.is_latest(int(root), time) for root in body["node_ids"]]}

    def root_timestamps(self, _: Any, __: Any, body: dict[str, Any]) -> Any:
        """When neurons were made."""
        created = self.brain.graph.created
        for root in body["node_ids"]:
            if int(root) not in created:
                raise wrong(f"{root} is not a node")
        return {"timestamp": [created[int(root)] for root in body["node_ids"]]}

    def valid_nodes(self, _: Any, parameters: dict[str, str], body: dict[str, Any]) -> Any:
        """Which of the IDs are known at all."""
        end = self._time(parameters, "end_timestamp")
        created = self.brain.graph.created
        return {"valid_roots": [n for n in map(int, body["node_ids"]) if n in created and created[n] <= end]}

    def lineage(self, _: Any, parameters: dict[str, str], body: dict[str, Any]) -> Any:
        """All that came of neurons, or that they came of, between two times."""
        graph = self.brain.graph
        start, end = (self._time(parameters, f"timestamp_{side}", 0.0) for side in ("past", "future"))
        nodes: dict[int, None] = {}
        for root in map(int, body["root_ids"]):
            for relation in (graph.children, graph.parents):
                for node in graph.related(root, relation):
                    # The neighbours across the two times are in it too.
                    near = [*graph.parents.get(node, []), *graph.children.get(node, []), node]
                    if any(start <= graph.created[other] <= end for other in near):
                        nodes[node] = None
        links = [{"source": p, "target": n} for n in nodes for p in graph.parents.get(n, []) if p in nodes]
        listed = [{"id": node, "timestamp": graph.created[node]} for node in nodes]
        return {"directed": True, "multigraph": False, "graph": {}, "nodes": listed, "links": links}

    def past_ids(self, _: Any, parameters: dict[str, str], body: dict[str, Any]) -> Any:
        """What neurons were before."""
        graph, time = self.brain.graph, self._time(parameters, "timestamp_past")
        past = {
            str(root): sorted({graph.root(sv, time) for sv in graph.supervoxels(int(root))} - {0})
            for root in body["root_ids"]
        }
        return {"past_id_map": past, "future_id_map": {}}

    def leaves(self, match: re.Match[str], *_: Any) -> Any:
        """What a neuron is made of; each supervoxel stands in a chunk of its own."""
        return {"leaf_ids": self.brain.graph.supervoxels(int(match["root"]))}

    def roots(self, _: Any, parameters: dict[str, str], body: bytes) -> bytes:
        """The neurons of supervoxels at a time, as raw numbers both ways."""
        time = self._time(parameters)
        found = [self.brain.graph.root(int(sv), time) for sv in np.frombuffer(body, "<u8")]
        return np.array(found, dtype="<u8").tobytes()

    @staticmethod
    def _time(parameters: dict[str, str], name: str = "timestamp", default: float = 1e12) -> float:
        value = parameters.get(name)
        if value is None:
            return default
        try:
            return float(value)
        except ValueError:
            raise RefusedError(400, b"<p>timestamp is no number</p>", "text/html") from None


_DATASTACK = r"/materialize/api/v(?P<api>[23])/datastack/(?P<datastack>\w+)"
_VERSION = _DATASTACK + r"/version/(?P<version>-?\d+)"
_GRAPH = r"/segmentation/api/v1/table/ant_cg"
ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", r"/info/version", lambda *_: "4.3.3"),
    ("GET", r"/info/api/versions", lambda *_: [2]),
    ("GET", r"/info/api/v2/datastacks", lambda s, *_: [s.brain.datastack]),
    ("GET", r"/info/api/v2/datastack/full/(?P<datastack>\w+)", CaveServer.info),
    ("GET", r"/materialize/api/versions", lambda s, *_: list(s.weather.api_versions)),
    ("GET", r"/materialize/version", lambda s, *_: s.weather.version),
    ("GET", _DATASTACK + "/versions", CaveServer.versions),
    ("GET", _DATASTACK + "/metadata", CaveServer.metadata),
    ("GET", _VERSION + "/tables", lambda s, *_: [s.brain.table]),
    ("GET", _VERSION + r"/table/(?P<table>\w+)/metadata", CaveServer.table_metadata),
    ("POST", _VERSION + r"/table/(?P<table>\w+)/query", CaveServer.query),
    ("POST", _DATASTACK + "/query", CaveServer.live_query),
    ("GET", r"/segmentation/api/versions", lambda *_: [0, 1]),
    ("GET", r"/segmentation/api/version", lambda *_: "2.21.1"),
    ("POST", _GRAPH + "/is_latest_roots", CaveServer.is_latest),
    ("POST", _GRAPH + "/root_timestamps", CaveServer.root_timestamps),
    ("POST", _GRAPH + "/lineage_graph_multiple", CaveServer.lineage),
    ("POST", _GRAPH + "/roots_binary", CaveServer.roots),
    ("GET", _GRAPH + "/past_id_mapping", CaveServer.past_ids),
    ("GET", _GRAPH + "/valid_nodes", CaveServer.valid_nodes),
    ("GET", _GRAPH + r"/node/(?P<root>\d+)/leaves", CaveServer.leaves),
)


class _Handler(BaseHTTPRequestHandler):
    server_of: CaveServer
    protocol_version = "HTTP/1.1"
    # Header and body go out as one; the answer to each small request would else wait for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server, weather = self.server_of, self.server_of.weather
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw) if raw[:1] == b"{" else {}
        except ValueError:
            body = {}
        asked = Asked(self.command, self.path, len(raw), body)
        with server._lock:
            number = len(server.asked)
            server.asked.append(asked)
        action = weather.action(number, asked)
        if action == "stall":
            server.released.wait(30)
        if action in ("drop", "stall"):
            self.close_connection = True
            return
        if weather.delay:
            clock.sleep(weather.delay)
        try:
            if action == "says":
                raise RefusedError(500, weather.says)
            if isinstance(action, int):
                raise RefusedError(action, b"<html>bad day</html>", "text/html")
            status, headers, content = self._result(raw, body)
        except RefusedError as error:
            status, content = error.status, error.body
            headers = [("Content-Type", error.kind)]
            if error.status == 429 and weather.retry_after is not None:
                headers.append(("Retry-After", weather.retry_after))
        asked.answered = len(content)
        self._send(status, headers, content, action)

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes, action: Action) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if action in ("cut", "hang"):
            content, self.close_connection = content[: len(content) // 2], True
        try:
            self.wfile.write(content)
            self.wfile.flush()
            if action == "hang":
                self.server_of.released.wait(30)
        except OSError:
            self.close_connection = True

    def _result(self, raw: bytes, body: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
        server, parts = self.server_of, urlsplit(self.path)
        if len(raw) > server.weather.largest:
            raise RefusedError(413, b"<html>413 Request Entity Too Large</html>", "text/html")
        if parts.path == "/auth/authorize":
            return 200, [("Content-Type", "text/html")], b"<html>please log in</html>"
        refused = self._unauthorised()
        if refused is not None:
            return refused
        parameters = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for method, pattern, function in ROUTES:
            match = re.fullmatch(pattern, parts.path)
            if match and method == self.command:
                if "datastack" in match.groupdict() and match["datastack"] != server.brain.datastack:
                    raise RefusedError(404, {"message": "datastack not found"})
                function = server.routes.get(getattr(function, "__name__", ""), function)
                found = function(server, match, parameters, raw if parts.path.endswith("binary") else body)
                return 200, *self._encoded(found, parameters)
        raise RefusedError(404, {"message": f"404 Not Found: {parts.path}"})

    def _unauthorised(self) -> tuple[int, list[tuple[str, str]], bytes] | None:
        server, weather = self.server_of, self.server_of.weather
        given = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
        tokens.arrived |= {given} - {""}
        if weather.token is None:
            return None
        if not given:
            return 302, [("Location", f"{server.url}/auth/authorize?redirect={server.url}{self.path}")], b""
        if given != weather.token:
            raise RefusedError(401, {"error": "invalid_token", "message": "Invalid or expired token"})
        if weather.refuse == "missing_permission":
            raise RefusedError(403, {"error": "missing_permission", "message": "Missing permission: view"})
        if weather.refuse == "missing_tos":
            data = {"tos_id": 1, "tos_name": "Terms", "tos_form_url": f"{server.url}/tos/1/accept"}
            raise RefusedError(
                403, {"error": "missing_tos", "message": "Need to accept Terms of Service", "data": data}
            )
        return None

    def _encoded(self, found: Any, parameters: dict[str, str]) -> tuple[list[tuple[str, str]], bytes]:
        brain = self.server_of.brain
        notices = [("Warning", f"Table Owner Notice on {brain.table}: {brain.notice}")] if brain.notice else []
        if isinstance(found, bytes):
            return [("Content-Type", "application/octet-stream")], found
        if not isinstance(found, tuple):
            return [("Content-Type", "application/json"), *notices], json.dumps(found).encode()
        table, warnings = found
        zstd = "zstd" in (self.headers.get("Accept-Encoding") or "")
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd" if zstd else None)
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            writer.write_table(table)
        resolution = ", ".join(map(str, brain.resolution))
        headers = [("Content-Type", "data.arrow"), ("dataframe_resolution", resolution), ("column_names", "{}")]
        headers += [("Warning", warning) for warning in warnings]
        return [*headers, *notices], sink.getvalue().to_pybytes()


@contextmanager
def serving(brain: Brain) -> Iterator[CaveServer]:
    """A server for as long as the block lasts."""
    server = CaveServer(brain)
    try:
        yield server
    finally:
        server.close()


def main() -> None:
    """Serve a generated brain, and tell what was asked for when a line comes on stdin."""
    import argparse
    import sys

    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("neurons", 2000), ("synapses", 1_000_000), ("limit", 200_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--delay", type=float, default=0.0)
    given = parser.parse_args()
    with serving(make_brain(given.neurons, given.synapses)) as server:
        server.weather.limit, server.weather.delay = given.limit, given.delay
        ids = server.brain.neurons
        server.brain.at(server.brain.versions[-1].time)
        print(json.dumps({"url": server.url, "ids": [str(root) for root in ids]}), flush=True)
        for line in sys.stdin:
            if line.strip():
                server.weather.limit = int(line)
            data = [asked for asked in server.asked if asked.path.partition("?")[0].endswith("/query")]
            told = {"bytes": sum(a.answered for a in server.asked), "queries": len(data), "all": len(server.asked)}
            told["data"] = len([asked for asked in data if asked.is_data])
            server.forget()
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
