"""A SeaTable server on this computer, made from what SeaTable documents of its interface, and able to misbehave.

It knows one base with one table. Bases are asked for with an account's token or with one of the base. Queries are the
SQL that SeaTable documents: without LIMIT 100 rows, with it 10,000 at most, in a new order each time unless ordered.
Without the gateway they go to another address, and rows come back by keys of columns and IDs of options.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

import tokens
from loopback import serving
from tokens import ACCESS_TOKEN, ACCOUNT_TOKEN, BASE_TOKEN, PASSING_TOKEN

UUID = "650d8a0d-7e27-46a8-8b18-6cc6f384aa11"

#: Type and, for select columns, options of each column.
COLUMNS: dict[str, tuple[str, list[str]]] = {
    "root_id": ("text", []),
    "supervoxel_id": ("text", []),
    "position": ("text", []),
    "proofread": ("checkbox", []),
    "status": ("multiple-select", ["DAMAGED", "TRACING, BRANCHES", "BACKBONE_PROOFREAD"]),
    "side": ("single-select", ["left", "right"]),
    "cell_type": ("text", []),
}

Row = dict[str, Any]

#: A page that stands before a server.
PAGE = b"<html><head><title>Sign in</title></head><body>Please log in to the network</body></html>"


def rows(number: int, **columns: Callable[[int], Any]) -> list[Row]:
    """Rows of the table; `_id` is in no relation to the order in which they were made."""
    shuffled = list(range(number))
    random.Random(7).shuffle(shuffled)
    made: list[Row] = []
    for place, key in enumerate(shuffled):
        row = {
            "_id": f"row{key:07d}-{key * 7919 % 1000:03d}",
            "_ctime": f"2025-01-{1 + place // 5000:02d}T00:00:{place % 5000 // 100:02d}.000+00:00",
            "_mtime": "2025-06-01T00:00:00.000+00:00",
            "_creator": "somebody@auth.local",
            "root_id": str(576460752641833774 + place),
            "supervoxel_id": str(72691531949599416 + place),
            "position": f"{place}, {2 * place}, 3",
            "proofread": place % 3 == 0,
            "status": ["DAMAGED", "TRACING, BRANCHES"] if place % 2 else None,
            "side": "left" if place % 2 else "right",
            "cell_type": "" if place % 5 == 4 else f"ER{place % 4}",
        }
        row.update({name: value(place) for name, value in columns.items()})
        made.append(row)
    return made


@dataclass
class SeaTable:
    """The server: what it has, and how it behaves.

    Attributes
    ----------
    rows : list of dict
        In the order in which they were made.
    columns : dict
        Name -> type and options.
    cap : int
        Rows in an answer, at most.
    ordered : bool
        ORDER BY is heeded.
    counts : bool
        COUNT(*) is known.
    as_keys : bool
        Rows have IDs of options.
    gateway : bool or None
        Queries go through it, and through nothing else; None for a server that does not say.
    settings : dict
        Name of a column -> more of what is said of it, such as the format of dates.
    database : str or None
        What it says of where queries go without the gateway, in place of where they do.
    before : callable, optional
        Called with the number of the query (from 1) and its text before it is answered; returns None, or a status and
        headers to answer with instead, "stall" (headers, half of the body, and no more), "cut" (the connection ends
        there), "half" (half of the body, as if that were all), "page" (a web page, as a proxy sends it), or "deep"
        (JSON that nobody would send).
    """

    rows: list[Row]
    columns: dict[str, tuple[str, list[str]]] = field(default_factory=lambda: dict(COLUMNS))
    cap: int = 10_000
    ordered: bool = True
    counts: bool = True
    as_keys: bool = False
    gateway: bool | None = True
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    database: str | None = None
    table: str = "CRANTb_meta"
    base: str = "CRANTb"
    workspace: int = 62919
    refuses: bool = False
    before: Callable[[int, str], Any] | None = None
    address: str = ""
    requests: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    unstall: threading.Event = field(default_factory=threading.Event)

    @property
    def pages(self) -> list[str]:
        """The queries for rows."""
        return [query for query in self.queries if "COUNT" not in query]

    def metadata(self) -> list[dict[str, Any]]:
        """The columns, as an answer describes them."""
        found = [{"key": "_id", "name": "_id", "type": "text", "data": None}]
        for number, (name, (kind, options)) in enumerate(self.columns.items()):
            listed = [{"id": f"{1000 + place}", "name": option} for place, option in enumerate(options)]
            data = {**({"options": listed} if options else {}), **self.settings.get(name, {})} or None
            found.append({"key": f"c{number:03d}", "name": name, "type": kind, "data": data})
        return found

    def query(self, sql: str) -> tuple[int, dict[str, Any]]:
        """Answer a query."""
        shape = r"SELECT (\*|COUNT\(\*\)) FROM `([^`]+)`(?: ORDER BY ([\w, ]+?))?(?: LIMIT (\d+))?(?: OFFSET (\d+))?"
        match = re.fullmatch(shape, sql)
        if match is None:
            return 400, {"success": False, "error_message": "syntax error"}
        what, table, order, limit, offset = match.groups()
        if table != self.table:
            return 400, {"success": False, "error_message": f"no table with name {table}"}
        if what != "*":
            if not self.counts:
                return 400, {"success": False, "error_message": "unsupported function"}
            results: list[Row] = [{"COUNT(*)": len(self.rows)}]
            return 200, {"success": True, "error_message": "", "metadata": [], "results": results}
        found = list(self.rows)
        if order and self.ordered:
            found.sort(key=lambda row: tuple(row[name] for name in order.split(", ")))
        else:
            random.shuffle(found)
        start, number = int(offset or 0), min(int(limit or 100), self.cap)
        results = [self._spelled(row) for row in found[start : start + number]]
        return 200, {"success": True, "error_message": "", "metadata": self.metadata(), "results": results}

    def _spelled(self, row: Row) -> Row:
        """A row with the IDs of options, as servers gave them before they converted keys."""
        if not self.as_keys and self.gateway:
            return row
        made = dict(row)
        for name, (_, options) in self.columns.items():
            value = row.get(name)
            if options and value is not None:
                ids = {option: f"{1000 + place}" for place, option in enumerate(options)}
                made[name] = [ids[item] for item in value] if isinstance(value, list) else ids[value]
        if self.gateway:
            return made
        keys = {item["name"]: item["key"] for item in self.metadata()}
        return {keys.get(name, name): value for name, value in made.items()}


class Handler(BaseHTTPRequestHandler):
    table: SeaTable
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits for 40 ms

    def do_GET(self) -> None:
        table = self.table
        table.requests.append(f"GET {self.path}")
        token = self.headers.get("Authorization", "").removeprefix("Token ")
        tokens.arrived |= {token} - {""}
        if table.refuses:
            return self.say(403, {"error_msg": f"Permission denied for {token}."})
        where = re.fullmatch(r"/api/v2.1/workspace/(\d+)/dtable/([^/]+)/temp-api-token/", self.path)
        if where:
            if token != ACCOUNT_TOKEN:
                return self.say(401, {"detail": "Invalid token"})
            if (int(where[1]), unquote(where[2])) != (table.workspace, table.base):
                return self.say(404, {"error_msg": f"dtable {where[2]} not found."})
            return self.say(200, {"api_token": PASSING_TOKEN})
        if self.path != "/api/v2.1/dtable/app-access-token/":
            return self.say(404, {"error_msg": "not found"})
        if token not in (BASE_TOKEN, PASSING_TOKEN):
            return self.say(403, {"error_msg": "Permission denied."})
        found = {"access_token": ACCESS_TOKEN, "dtable_uuid": UUID, "dtable_name": table.base}
        database = table.database if table.database is not None else f"{table.address}/dtable-db/"
        found |= {"workspace_id": table.workspace, "dtable_db": database}
        return self.say(200, found if table.gateway is None else {**found, "use_api_gateway": table.gateway})

    def do_POST(self) -> None:
        table = self.table
        table.requests.append(f"POST {self.path}")
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        way = f"/api-gateway/api/v2/dtables/{UUID}/sql" if table.gateway else f"/dtable-db/api/v1/query/{UUID}/"
        if self.path != way or set(sent) != ({"sql", "convert_keys"} if table.gateway else {"sql"}):
            return self.say(404, {"error_msg": "not found"})
        if self.headers.get("Authorization") != f"Token {ACCESS_TOKEN}":
            return self.say(401, {"error_msg": "invalid token"})
        table.queries.append(sent["sql"])
        behaviour = table.before(len(table.queries), sent["sql"]) if table.before else None
        if isinstance(behaviour, tuple):
            status, headers = behaviour
            return self.say(status, {"error_msg": f"failing {ACCESS_TOKEN}"}, headers)
        return self.say(*table.query(sent["sql"]), behaviour=behaviour)

    def say(self, status: int, document: Any, headers: Any = (), behaviour: str | None = None) -> None:
        body = {"page": PAGE, "deep": b'{"a":' * 5000}.get(behaviour or "", json.dumps(document).encode())
        sent = body[: len(body) // 2] if behaviour in ("half", "cut", "stall") else body
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if behaviour == "page" else "application/json")
        self.send_header("Content-Length", str(len(sent if behaviour == "half" else body)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)
        if behaviour == "stall":
            self.wfile.flush()
            self.table.unstall.wait(2)
        if behaviour in ("cut", "stall"):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serve(table: SeaTable, port: int = 0) -> Iterator[SeaTable]:
    """Run the server on a port of 127.0.0.1, a free one unless given."""
    with serving(Handler, port, table=table) as table.address:
        try:
            yield table
        finally:
            table.unstall.set()
