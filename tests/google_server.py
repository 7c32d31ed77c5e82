"""As much of Google's object store as crantcli needs, on this computer, as its JSON interface is documented."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import serving

BUCKET = "brain"


@dataclass
class GoogleServer:
    """A bucket, whose objects have one generation each.

    Attributes
    ----------
    objects : dict of str to tuple of int and bytes
        Key -> generation, content.
    sent : int
        Bytes of content that were handed out.
    change_after : tuple of int and bytes, or None
        Number of pieces of content after which an object has another content.
    sessions : dict of str to tuple of str and bytes
        Uploads that were begun: their name -> key, what has come.
    pieces_sent : int
        Requests with a piece of an upload.
    refuse : function
        Content-Range of a piece of an upload, "" for the beginning of one, "reading" for a question -> a status instead
        of doing it, or None.
    """

    url: str = ""
    objects: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    sent: int = 0
    pieces: int = 0
    change_after: tuple[int, bytes] | None = None
    sessions: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    pieces_sent: int = 0
    refuse: Callable[[str], int | None] = lambda _: None

    def put(self, key: str, content: bytes) -> str:
        """Put an object there, and give its address."""
        self.objects[key] = (self.objects.get(key, (1000, b""))[0] + 1, content)
        return f"gs://{BUCKET}/{key}"

    def about(self, key: str) -> dict[str, str]:
        """What the store says of an object."""
        generation, content = self.objects[key]
        return {
            "kind": "storage#object", "id": f"{BUCKET}/{key}/{generation}", "name": key, "bucket": BUCKET,
            "generation": str(generation), "size": str(len(content)), "contentType": "application/octet-stream",
            "updated": "2026-01-01T00:00:00.000Z", "timeCreated": "2026-01-01T00:00:00.000Z", "etag": str(generation),
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    store: GoogleServer

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def missing(self) -> None:
        self.no(404)

    def no(self, status: int) -> None:
        self.answer(status, json.dumps({"error": {"code": status, "message": "no"}}).encode())

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match = re.fullmatch(rf"(/download)?/storage/v1/b/{BUCKET}/o(?:/(.*))?", parts.path)
        if (status := self.store.refuse("reading")) is not None:
            self.no(status)
        elif match is None:
            self.missing()
        elif match[2] is None:
            self.listing(query.get("prefix", ""), query.get("delimiter", ""))
        elif (key := unquote(match[2])) not in self.store.objects:
            self.missing()
        elif query.get("alt") == "media":
            self.content(key, query.get("generation"))
        else:
            self.answer(200, json.dumps(self.store.about(key)).encode())

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        span = self.headers.get("Content-Range", "")
        status = self.store.refuse(span)
        if status is not None:
            self.no(status)
        elif parts.path == f"/upload/storage/v1/b/{BUCKET}/o" and query.get("uploadType") == "resumable":
            name = f"session{len(self.store.sessions)}"
            self.store.sessions[name] = (query["name"], b"")
            self.send_response(200)
            self.send_header("Location", f"{self.store.url}/upload/{name}?upload_id={name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif query.get("upload_id") in self.store.sessions:
            self.piece(query["upload_id"], body, span)
        else:
            self.missing()

    def piece(self, name: str, body: bytes, span: str) -> None:
        """A piece of an upload, whose last one makes it an object."""
        key, before = self.store.sessions[name]
        named = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", span)
        assert named is not None, span
        assert named[1] is None or (int(named[1]), int(named[2])) == (len(before), len(before) + len(body) - 1)
        whole = before + body
        self.store.pieces_sent += 1
        self.store.sessions[name] = (key, whole)
        if named[3] == "*":
            assert len(body) % 2**18 == 0
            self.send_response(308)
            self.send_header("Range", f"bytes=0-{len(whole) - 1}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        assert len(whole) == int(named[3])
        del self.store.sessions[name]
        self.store.put(key, whole)
        self.answer(200, json.dumps(self.store.about(key)).encode())

    def do_DELETE(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.store.sessions.pop(query.get("upload_id", [""])[0], None)
        self.answer(499, b"")

    def listing(self, prefix: str, delimiter: str) -> None:
        items, prefixes = [], set()
        for key in sorted(self.store.objects):
            rest = key.removeprefix(prefix)
            if not key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                items.append(self.store.about(key))
        found = {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}
        self.answer(200, json.dumps(found).encode())

    def content(self, key: str, generation: str | None) -> None:
        self.store.pieces += 1
        if self.store.change_after is not None and self.store.pieces == self.store.change_after[0] + 1:
            self.store.put(key, self.store.change_after[1])
        known, data = self.store.objects[key]
        if generation is not None and generation != str(known):
            self.missing()
            return
        named = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        piece = data[int(named[1]) : int(named[2]) + 1] if named else data
        self.store.sent += len(piece)
        self.answer(206 if named else 200, piece, "application/octet-stream")


@contextlib.contextmanager
def serving_google() -> Iterator[GoogleServer]:
    """Run the server."""
    server = GoogleServer()
    with serving(_Handler, store=server) as server.url:
        yield server
