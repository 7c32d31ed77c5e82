"""Faults of servers, one in each run of a real command: `python tests/campaign/servers.py -n 200 --seed 1`.

Between the command and a stand-in of a server (CAVE, SeaTable, precomputed meshes) there is a proxy, which does to some
of the answers what servers, proxies and networks do to them. Whatever that is, the command must end in time and with an
exit code of the table; it must say so in one line; what it leaves is either the right bytes, with exit code 0, or
nothing; no token may be in anything that it says or leaves, or get to another server. And a second run on the same
cache, without a fault, must give the right bytes.

Not part of `make test`: a run takes some seconds, most of which it waits. The seed is printed, and a run of the same
seed and number has the same fault: `--seed S --number K` does it again, and keeps its folder.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gzip
import http.client
import itertools
import json
import os
import random
import shutil
import socket
import socketserver
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cave_server
import mesh_sources
import pyarrow as pa
import seatable_server
import tokens
from cave_brain import DAY, START, Version, make_brain
from common import arguments, patience
from forking import ServedRuns

#: Exit codes that the README has.
CODES = {0, 1, 2, 3, 4, 5, 6}

#: Seconds for a command, at most, on a machine that does nothing else; retries and time limits are short here.
LONGEST = 90.0

#: Commands at once: most of a run is waiting for servers that do not answer.
_JOBS = 4


@dataclass
class Reply:
    """An answer on its way."""

    status: int
    headers: dict[str, str]
    body: bytes

    def head(self, length: int | None = None, **more: str) -> bytes:
        """Status line and headers; the length may be wrong, and -1 is for none."""
        lines = [f"HTTP/1.1 {self.status} {http.client.responses.get(self.status, 'Odd')}"]
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("content-length",)}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        if length != -1:
            headers["Content-Length"] = str(len(self.body) if length is None else length)
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items())]).encode() + b"\r\n\r\n"

    def like(self, body: bytes, kind: str | None = None, status: int | None = None) -> Reply:
        """Another one in its place."""
        headers = {**self.headers, **({"Content-Type": kind} if kind else {})}
        return Reply(self.status if status is None else status, headers, body)


class LostError(Exception):
    """The connection ends here."""


# What can be done to an answer: the socket, the answer, and what is drawn by lot; True if the connection goes on.
Fault = Callable[[socket.socket, Reply, random.Random], bool]


def sent(to: socket.socket, reply: Reply) -> bool:
    """As it should be."""
    to.sendall(reply.head() + reply.body)
    return True


def replaced(change: Callable[[Reply, random.Random], Reply]) -> Fault:
    """Another answer, sent as it should be."""
    return lambda to, reply, lot: sent(to, change(reply, lot))


def reset(to: socket.socket) -> bool:
    to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise LostError


def reset_midway(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    to.sendall((reply.head() + reply.body)[: lot.randrange(1, len(reply.head()) + len(reply.body))])
    time.sleep(0.02)
    return reset(to)


def cut(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    to.sendall((reply.head() + reply.body)[: lot.randrange(len(reply.head()) + len(reply.body))])
    raise LostError


def short_length(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    to.sendall(reply.head(lot.randrange(len(reply.body)) if reply.body else 0) + reply.body)
    raise LostError


def long_length(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    to.sendall(reply.head(len(reply.body) + lot.choice([1, 7, 10_000])) + reply.body)
    raise LostError


def no_length(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    to.sendall(reply.head(-1, Connection="close") + reply.body[: lot.randrange(len(reply.body) + 1)])
    raise LostError


def odd_length(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    head = reply.head(-1, Content_Length=lot.choice(["-1", "many", "", "1e3", "18446744073709551616"]))
    to.sendall(head + reply.body)
    raise LostError


def chunks(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    """In chunks, of which the last does not come, or whose sizes are wrong, or which are right."""
    how = lot.choice(["no end", "wrong sizes", "right", "cut"])
    out = reply.head(-1, Transfer_Encoding="chunked")
    for start in range(0, len(reply.body), 1000):
        part = reply.body[start : start + 1000]
        size = len(part) + (lot.choice([-3, 5]) if how == "wrong sizes" else 0)
        out += f"{max(size, 1):x}\r\n".encode() + part + b"\r\n"
    out += b"0\r\n\r\n" if how == "right" else b""
    to.sendall(out if how != "cut" else out[: len(out) - lot.randrange(1, 900)])
    if how == "right":
        return True
    raise LostError


#: What is no HTTP, or hardly any.
_ODD = (
    b"SSH-2.0-OpenSSH_9.6\r\n", b"\0" * 400, b"HTTP/1.1 999 \r\n", b"HTTP/1.1 twenty OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
)  # fmt: skip


def garbage(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    to.sendall(lot.choice(_ODD))
    raise LostError


def slow(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    """Late, or in small pieces; some of it slower than the command is told to bear with."""
    time.sleep(lot.choice([0.3, 0.3, 2.5]))
    whole, step = reply.head() + reply.body, lot.choice([1, 40, 400])
    for start in range(0, min(len(whole), 40 * step), step):
        to.sendall(whole[start : start + step])
        time.sleep(0.01)
    to.sendall(whole[40 * step :])
    return True


def stalled(to: socket.socket, reply: Reply, lot: random.Random) -> bool:
    """Silence, before or in the midst of the answer."""
    to.sendall((reply.head() + reply.body)[: lot.choice([0, 10, len(reply.head()) + len(reply.body) // 2])])
    time.sleep(4)
    raise LostError


def status(reply: Reply, lot: random.Random) -> Reply:
    number = lot.choice([408, 429, 500, 502, 503, 504, 507, 520])
    headers = {"Retry-After": lot.choice(["0", "1", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])}
    body = lot.choice(
        [b"", b"<html><h1>Bad Gateway</h1></html>", b'{"message": "bad day"}', b"[]", b"null", b"\xff\xfe"]
    )
    return Reply(number, headers if lot.random() < 0.5 else {}, body)


def refusal(reply: Reply, lot: random.Random) -> Reply:
    number = lot.choice([400, 401, 403, 404, 405, 406, 409, 410, 413, 416, 422, 451])
    body = lot.choice(
        [b"", b"<html>no</html>", b'{"error": "missing_tos", "data": null}', b'{"detail": "no"}', b'"no"']
    )
    return Reply(number, {"Content-Type": "application/json"}, body)


def text_of_500(reply: Reply, lot: random.Random) -> Reply:
    """A 500 that says in its text what it means, as CAVE's query endpoints do."""
    text = lot.choice(
        ["429 Too Many Requests: 5 per 1 minute", "406 Not Acceptable: There are 9 annotations that need supervoxel",
         "410 Gone: This materialization version is not available", "404 Not Found: Analysis table 'x' not found",
         "401 Unauthorized: The table can only be read by its owner", "'NoneType' object is not subscriptable",
         "(psycopg2.OperationalError) server closed the connection unexpectedly", "'ipc_compress'",
         "Can't reconnect until invalid transaction is rolled back", "400 Bad Request: no"]
    )  # fmt: skip
    body = lot.choice([{"code": 500, "message": text}, {"schema_errors": {"limit": ["Unknown field."]}}])
    return Reply(500, {"Content-Type": "application/json"}, json.dumps(body).encode())


def odd_status(reply: Reply, lot: random.Random) -> Reply:
    """A success that is none, or not the one that was asked for."""
    return Reply(lot.choice([201, 202, 203, 204, 205, 206, 226, 304]), reply.headers, lot.choice([b"", reply.body]))


def page(reply: Reply, lot: random.Random) -> Reply:
    text = lot.choice(
        [b"<!DOCTYPE html>\n<html><body>Please log in</body></html>", b"\n\n<html><head></head></html>",
         b"\xef\xbb\xbf<!doctype HTML><title>Proxy</title>", b"<!-- proxy --><html></html>"]
    )  # fmt: skip
    kind = lot.choice(["text/html", "text/html; charset=utf-8", "application/json", "application/octet-stream"])
    return Reply(200, {"Content-Type": "text/html" if text.startswith(b"<!--") else kind}, text)


def other_type(reply: Reply, lot: random.Random) -> Reply:
    kind = lot.choice(["text/html", "text/plain", "application/json", "image/png", "", "a;b;c", "application/xml"])
    return reply.like(reply.body, kind)


def other_encoding(reply: Reply, lot: random.Random) -> Reply:
    packed = gzip.compress(reply.body)
    how, body = lot.choice(
        [("gzip", reply.body), ("gzip", packed[: len(packed) // 2]), ("gzip", packed), ("deflate", reply.body),
         ("br", reply.body), ("zstd", reply.body), ("rot13", reply.body)]
    )  # fmt: skip
    return Reply(reply.status, {**reply.headers, "Content-Encoding": how}, body)


def damaged(reply: Reply, lot: random.Random) -> Reply:
    """Cut, empty, with something in front, or with its beginning or middle overwritten, so that its form is broken."""
    body, half = reply.body, len(reply.body) // 2
    return reply.like(
        lot.choice(
            [b"", body[:half], body[half:], b"\0" * len(body), b"x" + body, body[: max(len(body) - 1, 0)],
             lot.randbytes(200), lot.randbytes(min(len(body), 48)) + body[48:], body[:16] + b"\xff" * half]
        )
    )  # fmt: skip


def other_json(reply: Reply, lot: random.Random) -> Reply:
    """JSON of another form."""
    text = lot.choice(
        ["null", "[]", "{}", "17", '"x"', "[null]", "[[1]]", '{"results": null}', '{"success": false}', "true",
         '{"results": [], "metadata": []}', '{"results": [1], "metadata": {}}', '{"is_latest": null}', "NaN", "1e999",
         '{"access_token": 3, "dtable_uuid": []}', '{"@type": "x"}', '{"fragments": [1, null]}', '[{"version": "x"}]',
         '{"local_server": 5}', '{"voxel_resolution_x": "a"}', "[" * 3000, '{"a":' * 2000]
    )  # fmt: skip
    return reply.like(text.encode(), "application/json")


def thinned(reply: Reply, lot: random.Random) -> Reply:
    """Rows, or counts, that are other ones than they should be: fewer, more, twice, of somebody else."""
    with contextlib.suppress(pa.ArrowException, ValueError, TypeError, KeyError, IndexError, AttributeError):
        if reply.body[:4] == b"\xff\xff\xff\xff":
            return reply.like(_other_rows(reply.body, lot))
        said = json.loads(reply.body)
        results = said["results"]
        if "COUNT(*)" in results[0]:
            results[0]["COUNT(*)"] += lot.choice([-1, 1, 1000, -(10**6)])
        else:
            said["results"] = lot.choice([results[1:], results[:-1], [*results, results[-1]], [*results, {}], []])
        return reply.like(json.dumps(said).encode())
    return damaged(reply, lot)


def _other_rows(body: bytes, lot: random.Random) -> bytes:
    table = pa.ipc.open_stream(body).read_all()
    if table.column_names == ["count"]:
        number = table.column(0)[0].as_py() + lot.choice([-1, 1, 1000])
        table = pa.table({"count": lot.choice([[number], [], [None], [number, number], ["x"], [1.5]])})
    else:
        last = table.slice(max(table.num_rows - 1, 0))
        without = table.drop_columns([lot.choice(table.column_names)])
        choices = [table.slice(1), table.slice(0, table.num_rows // 2), pa.concat_tables([table, last]), without]
        place = table.column_names.index(name := lot.choice(["pre_pt_root_id", "post_pt_root_id", "id"]))
        for kind in (pa.float64(), pa.string(), pa.int8()):
            with contextlib.suppress(pa.ArrowException):
                choices.append(table.set_column(place, name, table.column(name).cast(kind, safe=False)))
        table = lot.choice(choices)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


FAULTS: dict[str, Fault] = {
    "reset": lambda to, reply, lot: reset(to),
    "reset midway": reset_midway,
    "cut": cut,
    "short length": short_length,
    "long length": long_length,
    "no length": no_length,
    "odd length": odd_length,
    "chunks": chunks,
    "no HTTP": garbage,
    "slow": slow,
    "stalled": stalled,
    "status": replaced(status),
    "refusal": replaced(refusal),
    "status in text": replaced(text_of_500),
    "odd status": replaced(odd_status),
    "web page": replaced(page),
    "other type": replaced(other_type),
    "other encoding": replaced(other_encoding),
    "damaged": replaced(damaged),
    "other JSON": replaced(other_json),
    "other rows": replaced(thinned),
    "sent on": lambda to, reply, lot: sent(to, reply),  # the proxy knows where to
}


class Proxy:
    """Passes on what it is asked, and does something to some of the answers.

    Attributes
    ----------
    fault, lot, part, times, skip
        What to do, what it draws from, to requests with what in their address, how often, and after how many.
    stolen : list of str
        What the server was sent that redirections lead to.
    """

    def __init__(self) -> None:
        self.upstream = ("127.0.0.1", 0)
        self.fault, self.lot, self.part, self.times, self.skip = "", random.Random(0), "", 0, 0
        self.done: list[str] = []
        self.stolen: list[str] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(LostError, OSError, http.client.HTTPException):
                    while outer._serve(self.rfile, self.request):
                        pass

        class Thief(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(2)
                with contextlib.suppress(OSError):
                    outer.stolen.append(self.request.recv(65536).decode("latin-1"))
                    self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, allow_reuse_address, block_on_close = True, True, False

        self._servers = [Server(("127.0.0.1", 0), kind) for kind in (Handler, Thief)]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url, self.elsewhere = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def plan(self, fault: str, lot: random.Random, part: str, times: int, skip: int) -> None:
        """What to do from now on; "" for nothing."""
        self.fault, self.lot, self.part, self.times, self.skip, self.done = fault, lot, part, times, skip, []

    def _serve(self, source: Any, to: socket.socket) -> bool:
        line = source.readline(65536).decode("latin-1")
        if not line.strip():
            return False
        method, path, _ = line.split(" ", 2)
        headers = {}
        while (entry := source.readline(65536).decode("latin-1").strip()) != "":
            name, _, value = entry.partition(":")
            headers[name] = value.strip()
        body = source.read(int(headers.get("Content-Length") or 0))
        with self._lock:
            hit = bool(self.fault) and self.part in path and self.times > 0
            self.skip -= hit
            hit = hit and self.skip < 0
            self.times -= hit
            if hit:
                self.done.append(f"{method} {path.partition('?')[0]}")
            fault, lot = self.fault, random.Random(self.lot.random())
        reply = self._ask(method, path, headers, body)
        if not hit:
            return sent(to, reply)
        if fault == "sent on":
            number = lot.choice([301, 302, 303, 307, 308])
            where = lot.choice([f"{self.elsewhere}{path}", f"{self.elsewhere}/login", "//127.0.0.1:1/x", "http://[x/"])
            reply = Reply(number, {"Location": where}, b"")
        return FAULTS[fault](to, reply, lot)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        with contextlib.closing(http.client.HTTPConnection(*self.upstream, timeout=30)) as connection:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            kept = {
                n: v for n, v in answer.getheaders() if n.lower() not in ("transfer-encoding", "connection", "date")
            }
            return Reply(answer.status, kept, answer.read())


@dataclass(frozen=True)
class Scene:
    """A command, and the parts of addresses of the requests that it makes.

    Attributes
    ----------
    words : tuple of str
        `{...}` stands for what the set-up knows.
    output : str
        The file or folder that it writes.
    """

    service: str
    words: tuple[str, ...]
    output: str
    parts: tuple[str, ...]


_CAVE = ("", "/info/version", "/full/", "/materialize/version", "/api/versions", "/metadata", "is_latest", "/query")
_COUNTED = (*_CAVE, "count=True", "/table/")
_SEATABLE = ("", "temp-api-token", "app-access-token", "/sql")
_MESHES = ("", "/info", "/1", "/2")

SCENES = [
    Scene("CAVE", ("synapses", "--pre", "{some}", "--post", "{all}", "--materialization", "3"), "o.parquet", _COUNTED),
    Scene("CAVE", ("connectivity", "-n", "{some}", "--min-size", "20"), "o.csv", _COUNTED),
    Scene("CAVE", ("counts", "-n", "{some}", "--materialization", "live"), "o.csv", _CAVE),
    Scene("CAVE", ("adjacency", "--pre", "{some}", "--materialization", "{time}"), "o.npz", _CAVE),
    Scene("CAVE", ("ids", "{old}"), "o.csv", (*_CAVE[:7], "roots_binary", "lineage", "leaves", "valid_nodes")),
    Scene("CAVE", ("nested", "-a", "a.csv", "--weight-mode", "count"), "o.csv", _COUNTED),
    Scene("SeaTable", ("annotations",), "o.parquet", _SEATABLE),
    Scene("SeaTable", ("counts", "-n", "cell_type=ER1"), "o.csv", _SEATABLE),
    Scene("meshes", ("meshes",), "o", _MESHES),
    Scene("meshes", ("neuropil", "s.parquet", "--assignments-only"), "o", _MESHES),
]


@dataclass
class Stage:
    """Stand-ins of all servers, and a proxy before the one that is asked."""

    proxy: Proxy
    cave: cave_server.CaveServer
    table: seatable_server.SeaTable
    site: mesh_sources.Site
    folder: Path
    runs: ServedRuns
    right: dict[int, dict[str, bytes]] = field(default_factory=dict)

    def words(self, scene: Scene) -> list[str]:
        """The command line of a scene, without options about faults."""
        neurons = self.cave.brain.neurons
        known = {
            "some": ",".join(map(str, neurons[:5])), "all": ",".join(map(str, neurons)),
            "old": f"{neurons[0]},{neurons[1]},{neurons[5] + 1}", "time": cave_server.iso(START + 3.5 * DAY),
        }  # fmt: skip
        return [*(word.format(**known) for word in scene.words), "-d", "d.toml", "-o", scene.output]

    def dress(self, scene: Scene, folder: Path) -> None:
        """Files that a command of the scene finds in its folder, and the server behind the proxy."""
        address = {"CAVE": self.cave.url, "SeaTable": self.table.address, "meshes": self.site.address}[scene.service]
        self.proxy.upstream = ("127.0.0.1", int(address.rpartition(":")[2]))
        texts = {
            "CAVE": f'[cave]\nserver = "{self.proxy.url}"\ndatastack = "test_ant"\n',
            "SeaTable": f'[annotations]\nseatable_server = "{self.proxy.url}"\nworkspace = {self.table.workspace}\n'
            f'base = "{self.table.base}"\ntable = "{self.table.table}"\n[files]\nsynapses = "s.parquet"\n',
            "meshes": f'[neuropils]\nsource = "{self.proxy.url}"\nlabels = {{ 1 = "left", 2 = "right" }}\n',
        }
        folder.mkdir(parents=True)
        (folder / "d.toml").write_text(texts[scene.service])
        shutil.copy(self.folder / "s.parquet", folder)
        shutil.copy(self.folder / "a.csv", folder)


@contextlib.contextmanager
def stage(folder: Path, runs: ServedRuns) -> Iterator[Stage]:
    """Set everything up."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    brain = make_brain(neurons=12, synapses=800, late=40)
    brain.versions[2:] = [Version(3, START + 3 * DAY, merged=False)]
    graph, old = brain.graph, brain.neurons
    graph.edit(
        START + 2.5 * DAY, [old[0]], {old[0] + 1: graph.supervoxels(old[0])[:1], 9001: graph.supervoxels(old[0])[1:]}
    )
    graph.edit(START + 2.5 * DAY, [old[1]], {old[1] + 1: graph.supervoxels(old[1])})
    types = "".join(f"{neuron},{'ABC'[place % 3]}\n" for place, neuron in enumerate(old[2:9]))
    (folder / "a.csv").write_text(f"root_id,cell_type\n{types}")
    rows = seatable_server.rows(120)
    roots = [int(row["root_id"]) for row in rows]
    corners = {"x": (-43200, 5600), "y": (-43200, 1600), "z": (-2520, 1680)}
    columns = {
        f"ctr_pt_position_{axis}": [low + index * 997 % size for index in range(300)]
        for axis, (low, size) in corners.items()
    }
    table = pa.table({"id": range(300), "pre": (roots * 3)[:300], "post": (roots[7:] * 3)[:300], **columns})
    units = json.dumps({"units": "nm"})
    pq.write_table(table.replace_schema_metadata({"crantcli": units}), folder / "s.parquet")
    boxes = {1: mesh_sources.grid_box((0, 0, 0), (3, 2, 2)), 2: mesh_sources.grid_box((5, 0, 0), (7, 2, 2))}
    mesh_sources.Levels(boxes).write(folder / "site")
    proxy = Proxy()
    with (
        contextlib.closing(proxy),
        cave_server.serving(brain) as cave,
        seatable_server.serve(seatable_server.SeaTable(rows)) as seatable,
        mesh_sources.serve(folder / "site") as site,
    ):
        cave.weather.token, cave.weather.local_server, cave.weather.limit = tokens.CAVE_TOKEN, proxy.url, 90
        yield Stage(proxy, cave, seatable, site, folder, runs)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: bytes
    err: str


def run(runs: ServedRuns, words: list[str], folder: Path, *more: str) -> Ended:
    """Run the command in a folder, with a home of its own beside it."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    own = {"HOME": str(home), "CRANTCLI_CACHE_DIR": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config")}
    own |= {"CRANTCLI_CAVE_TOKEN": tokens.CAVE_TOKEN, "CRANTTABLE_TOKEN": tokens.ACCOUNT_TOKEN, "TMPDIR": str(home)}
    clean = {n: v for n, v in os.environ.items() if "proxy" not in n.lower() and n != "CRANT_DEFAULT_DATASET"}
    code, out, err = runs.run([*words, *more], folder, {**clean, **own}, patience(LONGEST))
    return Ended(-1 if code is None else code, out, err.decode(errors="replace"))


def left(folder: Path) -> dict[str, bytes]:
    """All files in a folder, and below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclass
class Found:
    """What came of one run."""

    number: int
    scene: Scene
    fault: str
    where: str
    code: int
    said: str
    hits: int
    seconds: float
    wrong: list[str]


def attempt(at: Stage, number: int, given: argparse.Namespace) -> Found:
    """One run with a fault, and one after it without."""
    lot = random.Random(f"{given.seed}/{number}")
    scene, fault = lot.choice(SCENES), lot.choice(list(FAULTS))
    part, times, skip = lot.choice(scene.parts), lot.choice([1, 1, 2, 3, 10**6]), lot.choice([0, 0, 0, 1, 2, 5])
    place = Path(tempfile.mkdtemp(prefix="servers-run-", dir=given.keep))
    folder, again = place / "run", place / "again"
    right = right_bytes(at, scene)
    at.dress(scene, folder)
    before = left(folder)
    at.proxy.plan(fault, lot, part, times, skip)
    begun = time.monotonic()
    ended = run(at.runs, at.words(scene), folder, "--retries", lot.choice("0123"), "--timeout", "1.5")
    seconds, hits = time.monotonic() - begun, len(at.proxy.done)
    at.proxy.plan("", lot, "", 0, 0)
    wrong = judged(ended, before, left(folder), right)
    at.dress(scene, again)
    second = run(at.runs, at.words(scene), again, "--retries", "1", "--timeout", "20")
    made = {name: body for name, body in left(again).items() if before.get(name) != body}
    if second.code or made != right:
        wrong.append(f"the next run gives something else: code {second.code}, {second.err.strip()[-200:]}")
    wrong += [f"a token is in {path}" for path in place.rglob("*") if path.is_file() and tokens.holds(path)]
    wrong += ["a token got to another server"] * any(map(tokens.shows, at.proxy.stolen))
    at.proxy.stolen.clear()
    if wrong or given.number is not None:
        wrong.append(f"see {place}") if wrong else print(f"see {place}")
    else:
        shutil.rmtree(place, ignore_errors=True)
    where = f"{part or 'any'} x{times if times < 1000 else 'all'} after {skip}"
    said = ended.err.strip().splitlines()[-1][:300] if ended.err.strip() else ""
    return Found(number, scene, fault, where, ended.code, said, hits, seconds, wrong)


def right_bytes(at: Stage, scene: Scene) -> dict[str, bytes]:
    """What a command of the scene writes when all is well."""
    place = SCENES.index(scene)
    if place not in at.right:
        folder = at.folder / f"right-{place}" / "run"
        at.dress(scene, folder)
        before = left(folder)
        at.proxy.plan("", random.Random(0), "", 0, 0)
        ended = run(at.runs, at.words(scene), folder)
        assert ended.code == 0, ended.err
        at.right[place] = {name: body for name, body in left(folder).items() if name not in before}
        assert at.right[place]
    return at.right[place]


def judged(ended: Ended, before: dict[str, bytes], after: dict[str, bytes], right: dict[str, bytes]) -> list[str]:
    """What is wrong with how a run ended."""
    wrong = []
    if ended.code not in CODES:
        wrong.append("it hangs" if ended.code == -1 else f"exit code {ended.code}")
    words = ("Traceback", "defect", "unexpected ", "Error:")
    wrong += [f"{word!r} on stderr" for word in words if word in ended.err]
    made = {name: body for name, body in after.items() if before.get(name) != body}
    if ended.code == 0 and made != right:
        wrong.append(f"exit code 0, and {'files' if set(made) != set(right) else 'bytes'} that are not right")
    if ended.code != 0 and made:
        wrong.append(f"left behind: {', '.join(made)}")
    if ended.code != 0 and (ended.err.count("\n") != 1 or not ended.err.startswith("crantcli")):
        wrong.append("not one line on stderr")
    if ended.out:
        wrong.append("something on stdout")
    if tokens.shows(ended.out) or tokens.shows(ended.err):
        wrong.append("a token is in what it says")
    return wrong


def told(result: Found) -> str:
    """A run, for people."""
    command = f"{result.scene.service} {result.scene.words[0]}"
    first = f"run {result.number}: {result.fault} of {result.where} ({result.hits} met), {command}"
    return "\n  ".join([f"{first}: code {result.code} in {result.seconds:.1f} s", result.said, *result.wrong])


def main() -> int:
    """Make so many faults, and say what came of them."""
    given = arguments("server faults", 200)
    runs = ServedRuns()  # its process must be there before there are threads
    numbers, found = itertools.count(), list[Found]()
    base = Path(tempfile.mkdtemp(prefix="servers-stage-"))

    def work(job: int) -> None:
        with stage(base / str(job), runs) as at:
            # A run may end before the fault is met: then it was none.
            while given.number is None and sum(result.hits > 0 for result in found) < given.n:
                found.append(attempt(at, next(numbers), given))
                if found[-1].wrong:
                    print(told(found[-1]), flush=True)
            if given.number is not None and job == 0:
                found.append(attempt(at, given.number, given))
                print(told(found[-1]))

    with ThreadPoolExecutor(_JOBS) as jobs:
        for ended in [jobs.submit(work, job) for job in range(_JOBS)]:
            ended.result()
    shutil.rmtree(base, ignore_errors=True)
    return summed_up(found, given.seed)


def summed_up(found: list[Found], seed: int) -> int:
    """Say how many runs ended how; 1 where any went wrong."""
    met = [result for result in found if result.hits]
    longest = max((result.seconds for result in found), default=0.0)
    print(f"{len(found)} runs, {len(met)} with a fault that was met, the longest took {longest:.1f} s")
    for service in ("CAVE", "SeaTable", "meshes"):
        codes = collections.Counter(result.code for result in met if result.scene.service == service)
        print(f"  {service}: {', '.join(f'code {code}: {n}' for code, n in sorted(codes.items()))}")
    kinds = collections.Counter(result.fault for result in met)
    print("  " + ", ".join(f"{kind}: {number}" for kind, number in sorted(kinds.items())))
    bad = sorted(result.number for result in found if result.wrong)
    print(f"{len(bad)} with faults (--seed {seed})" + (f": {bad}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
