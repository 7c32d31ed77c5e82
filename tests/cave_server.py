"""A CAVE server on this machine, as real as caveclient 8 needs it, which can have every kind of bad day.

Written from what the servers' public source and measurements say of the wire; it knows nothing of crantcli.
`python tests/cave_server.py --neurons 2000 --synapses 1000000` serves until its stdin is closed (for
benchmarks). A line on stdin is a new row limit, or empty; it is answered with what was asked for since the last one.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time as clock
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tokens
from cave_brain import UNKNOWN, Brain, Version, arrow, make_brain, order
from loopback import serving as serving_http

#: What can be done instead of answering: a status; a status, headers and a body; "drop" the connection before the
#: answer; "cut" it in the middle of the answer; "stall" before the answer or "hang" in the middle of it until the test
#: is over; "drip" the answer byte by byte; "says": fail with what `Weather.says`; "busy": too many requests, as the
#: query endpoints say it; "page": a web page, as a proxy sends it.
Action = int | str | tuple[int, dict[str, str], bytes] | None

#: Keys that the bodies of queries may have; others are refused.
_FILTERS = {
    f"filter_{kind}_dict"
    for kind in ("in", "notin", "equal", "greater", "less", "greater_equal", "less_equal", "spatial", "regex")
}
QUERY_KEYS = {*_FILTERS, "select_columns", "offset", "limit", "desired_resolution"}
LIVE_KEYS = {*QUERY_KEYS, "table", "timestamp", "join_tables", "suffixes"}

#: A page that stands before a server.
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please log in to the network</body></html>"

_REASONS = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 406: "Not Acceptable", 410: "Gone",
            429: "Too Many Requests"}  # fmt: skip


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
    private : bool
        Only its owner may read the table.
    local_server : str or None
        What the info service says, instead of where it is.
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
    private: bool = False
    local_server: str | None = None
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


def wrong(message: str, status: int = 0) -> RefusedError:
    """What the servers make of any mistake: 500, with the real reason, and status, in the message."""
    reason = f"{status} {_REASONS[status]}: " if status else ""
    return RefusedError(500, {"code": 500, "message": reason + message, "traceback": ["Traceback ..."]})


def listed(ids: list[int]) -> str:
    """As numpy prints numbers."""
    return str(np.array(ids))


def sent(table: pa.Table) -> pa.Table:
    """Rows as the server sends them: sides that were not looked up as 1."""
    for place, name in enumerate(table.column_names):
        if name.endswith(("_root_id", "_supervoxel_id")):
            table = table.set_column(place, name, pc.fill_null(table.column(name), 1))
    return table


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

        self._open = ExitStack()
        self.url = self._open.enter_context(serving_http(Handler, port))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def close(self) -> None:
        """Stop, and let go of what is stalled."""
        self.released.set()
        self._open.close()

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
            "local_server": self.weather.local_server or self.url,
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
                "id": v.number, "version": v.number, "datastack": self.brain.datastack, "valid": v.valid,
                "time_stamp": iso(v.time), "expires_on": iso(v.time + 30 * 86_400), "is_merged": v.merged,
                "status": v.status or ("EXPIRED" if v.expired else "AVAILABLE"), "parent_version": None,
            }
            for v in self.brain.versions
            if every or v.valid
        ]  # fmt: skip

    def _version(self, number: str) -> Version:
        found = [version for version in self.brain.versions if version.number == int(number)]
        if not found:
            raise wrong(f"version {number} not found in {self.brain.datastack}", 404)
        if not found[0].valid:
            raise wrong("This materialization version is not available", 410)
        return found[0]

    def _table(self, match: re.Match[str]) -> Version:
        version = self._version(match["version"])
        if match["table"] != self.brain.table:
            raise wrong(
                f"Analysis table '{match['table']}' not found for version {match['version']} in datastack "
                f"{self.brain.datastack}", 404,
            )  # fmt: skip
        self._permit()
        return version

    def _permit(self) -> None:
        if self.weather.private:
            raise wrong("Unauthorized: The table can only be read by its owner", 401)

    def table_metadata(self, match: re.Match[str], *_: Any) -> Any:
        """What is known of the table; anybody may know it."""
        self._version(match["version"])
        if match["table"] != self.brain.table:
            said = f"No metadata found for table named {match['table']} in version {match['version']}"
            raise RefusedError(404, said)
        x, y, z = self.brain.resolution
        return {
            "table_name": self.brain.table, "schema_type": "synapse", "reference_table": None, "valid": True,
            "voxel_resolution_x": x, "voxel_resolution_y": y, "voxel_resolution_z": z,
            "notice_text": self.brain.notice,
        }  # fmt: skip

    def table_count(self, match: re.Match[str], *_: Any) -> Any:
        """Valid rows of a version when it was made, looked up or not."""
        return int(self.brain.at(self._table(match).time)["valid"].sum())

    def views(self, match: re.Match[str], *_: Any) -> Any:
        """Views of a version."""
        self._version(match["version"])
        return {name: {"id": number, "description": ""} for number, name in enumerate(self.brain.views, 1)}

    def query(self, match: re.Match[str], parameters: dict[str, str], body: dict[str, Any]) -> Any:
        """Rows of a version, or their number."""
        if match["api"] == "2":
            raise wrong("'ipc_compress'")
        self._check_keys(body, QUERY_KEYS)
        version = self._table(match)
        columns = self.brain.frozen(version)
        keep = np.flatnonzero(self._matching(columns, body) & columns["valid"])
        if parameters.get("count") == "True":
            return pa.table({"count": [len(keep)]}), []
        keep, limit = self._limited(keep, body)
        warnings = [f'201 - "Limited query to {limit} rows'] if len(keep) == limit and self.weather.tell else []
        names = self._selected(body.get("select_columns"), order(version.merged))
        return sent(arrow(columns, names, keep)), warnings

    def live_query(self, _: Any, parameters: dict[str, str], body: dict[str, Any]) -> Any:
        """Rows at any time: those of a version that match, and of all that changed since, joined and filtered again."""
        self._check_keys(body, LIVE_KEYS)
        graph, time = self.brain.graph, datetime.fromisoformat(body["timestamp"]).timestamp()
        if body["table"] != self.brain.table:
            raise wrong("'NoneType' object is not subscriptable")
        past = [version for version in self.brain.versions if version.valid and version.time < time]
        future = [version for version in self.brain.versions if version.valid and version.time > time]
        self._permit()
        if not past and not future:
            raise wrong("there is no future or past version for this timestamp, is materialization broken?", 400)
        base = max(past, key=lambda v: v.time) if past else min(future, key=lambda v: v.time)
        wanted = body.get("filter_in_dict", {}).get(self.brain.table, {})
        roots = {int(root) for name, ids in wanted.items() if name.endswith("_root_id") for root in ids}
        stale = sorted(root for root in roots if not graph.is_latest(root, time))
        if stale and parameters.get("allow_invalid_root_ids") != "True":
            raise wrong(f"Some root_ids passed are not valid at the query timestamp: {listed(stale)}", 400)
        # Old engines follow neurons from a version to a later time, and not to an earlier one.
        follows = past or tuple(map(int, self.weather.version.split("."))) >= (5, 26, 3)
        mapped = {
            root: {graph.root(sv, base.time) for sv in graph.supervoxels(root) if graph.root(sv, time) == root}
            for root in (roots if follows else ())
        }
        columns = self.brain.frozen(base)
        listed_columns = [name for name in order(base.merged) if name != "superceded_id"]
        allowed = self._selected(body.get("select_columns", {}).get(self.brain.table), listed_columns)
        old = np.flatnonzero(self._matching(columns, body, mapped) & columns["valid"])
        old, limit = self._limited(old, body)
        if self._lacking(columns, old):
            raise self._not_looked_up(self._lacking(columns, old))  # whatever is allowed
        notices = self._full(len(old), limit)
        changed, more = self._changed(body, base.time, time, parameters)
        kept = np.isin(self.brain.rows["id"], columns["id"][old]) | np.isin(
            np.arange(len(self.brain.rows["id"])), changed
        )
        now = self.brain.at(time)
        there = kept[self.brain.there(time)]
        keep = np.flatnonzero(there & self._matching(now, body))
        if base.merged and not body.get("select_columns") and not len(old) and self._modified() > min(base.time, time):
            allowed = ["id", "created", *allowed[1:]]  # of the part that changed, which is all that there is
        return sent(arrow(now, allowed, keep)), [*notices, *more]

    def _changed(
        self, body: dict[str, Any], base: float, time: float, parameters: dict[str, str]
    ) -> tuple[Any, list[str]]:
        """Numbers of the rows, whoever's they are, that were created or deleted between two times, and notices."""
        brain, (start, end) = self.brain, sorted((base, time))
        if self._modified() <= start:
            return np.array([], dtype=int), []
        without_roots = {
            kind: {table: {n: v for n, v in by.items() if not n.endswith("_root_id")} for table, by in filters.items()}
            for kind, filters in body.items()
            if kind.startswith("filter_")
        }
        between = [(start < times) & (times < end) for times in (brain.created(), brain.ended())]
        found = np.flatnonzero((between[0] | between[1]) & self._matching(brain.rows, without_roots))
        found, limit = self._limited(found, body)
        lacking = (np.maximum(brain.unknown_until("pre"), brain.unknown_until("post")) == np.inf)[found]
        lacking[: self.weather.not_looked_up] = True
        notices = []
        if lacking.any():
            if parameters.get("allow_missing_lookups") != "True":
                raise self._not_looked_up(int(lacking.sum()))
            notices.append(json.loads(self._not_looked_up(int(lacking.sum())).body)["message"].partition(": ")[2])
            found = found[~lacking]
        return found, [*notices, *self._full(len(found), limit)]

    def _modified(self) -> float:
        ended = self.brain.ended()
        return float(max(self.brain.created().max(), ended[np.isfinite(ended)].max(initial=0)))

    def _full(self, number: int, limit: int) -> list[str]:
        if number < limit or not self.weather.tell:
            return []
        return [
            f"result has {number} entries, which is equal or more         than limit of {limit} there may be more "
            "results which are not shown"
        ]

    @staticmethod
    def _lacking(columns: dict[str, Any], keep: Any) -> int:
        """How many of these rows have a side that was not looked up; of the two sides, the first that has any."""
        numbers = [int((columns[f"{side}_pt_supervoxel_id"][keep] == UNKNOWN).sum()) for side in ("pre", "post")]
        return numbers[0] or numbers[1]

    @staticmethod
    def _not_looked_up(number: int) -> RefusedError:
        return wrong(
            f"There are {number} annotations that need supervoxel lookups, wait till new annotation ingest is done or "
            "pick an less recent timestamp", 406,
        )  # fmt: skip

    @staticmethod
    def _check_keys(body: dict[str, Any], known: set[str]) -> None:
        unknown = sorted(set(body) - known)
        if unknown:
            raise RefusedError(500, {"schema_errors": {name: ["Unknown field."] for name in unknown}})

    def _limited(self, keep: Any, body: dict[str, Any]) -> tuple[Any, int]:
        limit = min(self.weather.limit, body.get("limit", self.weather.limit))
        if self.weather.shuffle:
            with self._lock:
                keep = self._random.permutation(keep)
        return keep[:limit], limit

    def _matching(
        self, columns: dict[str, Any], body: dict[str, Any], mapped: dict[int, set[int]] | None = None
    ) -> Any:
        """Which rows pass the filters; `filter_notin_dict` is accepted and does nothing, as on the real server."""
        found, mapped = np.ones(len(columns["id"]), dtype=bool), mapped or {}
        for name, ids in body.get("filter_in_dict", {}).get(self.brain.table, {}).items():
            values = [root for given in ids for root in mapped.get(int(given), {int(given)})]
            found &= np.isin(self._column(columns, name), np.array(values, dtype=np.int64))
        compared = {"greater_equal": np.greater_equal, "less": np.less, "greater": np.greater, "equal": np.equal}
        for kind, compare in compared.items():
            for name, value in body.get(f"filter_{kind}_dict", {}).get(self.brain.table, {}).items():
                column = self._column(columns, name)
                found &= compare(column, value) & (column != UNKNOWN)
        return found

    def _column(self, columns: dict[str, Any], name: str) -> Any:
        if name not in columns:
            raise wrong(f"{name} not in model or models for {self.brain.table}")
        return columns[name]

    def _selected(self, names: list[str] | None, known: list[str]) -> list[str]:
        if not names:
            return known
        for name in names:
            if name not in known:
                raise wrong(f"{name} not in model or models for {self.brain.table}")
        if len(names) == 1:
            raise wrong("'Series' object has no attribute 'columns'")
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
        """Which of the IDs are known at all: neurons, and supervoxels."""
        end = self._time(parameters, "end_timestamp")
        graph = self.brain.graph
        created = {**{voxel: states[0][0] for voxel, states in graph.history.items()}, **graph.created}
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
    ("GET", _VERSION + r"/table/(?P<table>\w+)/count", CaveServer.table_count),
    ("GET", _VERSION + r"/views", CaveServer.views),
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
            if action == "busy":
                raise wrong("5 per 1 minute", 429)
            if action == "page":
                raise RefusedError(200, PAGE, "text/html; charset=utf-8")
            if isinstance(action, int):
                raise RefusedError(action, b"<html>bad day</html>", "text/html")
            if isinstance(action, tuple):
                status, given, content = action
                headers = list(given.items())
            else:
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
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(content)))
        else:
            self.close_connection = True  # it may be wrong
        self.end_headers()
        if action in ("cut", "hang"):
            content, self.close_connection = content[: len(content) // 2], True
        try:
            while action == "drip" and content and not self.server_of.released.wait(0.02):
                self.wfile.write(content[:1])
                self.wfile.flush()
                content = content[1:]
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
