"""How servers are asked: what the user says of it, and where requests go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

import pytest
from loopback import serving

import crantcli as cc
from crantcli.errors import CrantError, UsageError
from crantcli.remote.auth import Auth, NoAuth
from crantcli.remote.client import RemoteClient
from crantcli.remote.retry import RetryPolicy

# What the user says


def test_retries_and_timeout_are_options_and_patience_still_is_one() -> None:
    usual = cc.LiveOptions()
    assert (usual.policy.retries, usual.policy.timeout) == (8, 300.0)
    given = cc.LiveOptions(retries=2, timeout=5.0)
    assert given.patience == given.policy == RetryPolicy(2, 5.0)
    before = cc.LiveOptions(patience=RetryPolicy(3, 7.0))
    assert before.policy == RetryPolicy(3, 7.0)
    assert replace(before, retries=1).policy == RetryPolicy(1, 7.0)
    assert replace(given, refresh=True).policy is not usual.policy
    assert replace(given, refresh=True).policy == given.policy


def test_what_goes_on_is_told_to_the_same_place_whatever_is_replaced() -> None:
    given = cc.LiveOptions(retries=2)
    assert replace(given, refresh=True, timeout=1.0).policy.progress is given.policy.progress


def test_options_that_contradict_are_refused_where_they_are_resolved() -> None:
    for options in (cc.LiveOptions(retries=-1), cc.LiveOptions(timeout=0.0), cc.LiveOptions(lock="none.lock")):
        with pytest.raises(UsageError):
            cc.get_synapses(5, dataset="crantb", live=options)


# Where requests go


class Redirecting(NamedTuple):
    """A server's address, and what answers there."""

    url: str
    handler: Any


@pytest.fixture
def server() -> Iterator[Redirecting]:
    """A server that sends /old/X on to /X, and to `elsewhere` where it has one, and says which token came."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        elsewhere = ""

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            old = self.path.startswith("/old/")
            body = f"{self.command} {self.headers.get('Authorization')}".encode()
            self.send_response(307 if old else 200)
            if old:
                self.send_header("Location", self.elsewhere + self.path.removeprefix("/old"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

    with serving(Handler) as address:
        yield Redirecting(address, Handler)


def test_a_token_goes_on_within_its_server_and_not_to_another(server: Redirecting) -> None:
    with RemoteClient(RetryPolicy(0), Auth()) as client:
        assert client.get(f"{server.url}/old/a", "secret").content == b"GET Token secret"
        assert client.post(f"{server.url}/old/a", "secret", {}).content == b"POST Token secret"
        server.handler.elsewhere = server.url.replace("127.0.0.1", "localhost")
        for ask in (lambda: client.get(f"{server.url}/old/a", "secret"), lambda: client.get(f"{server.url}/old/a")):
            with pytest.raises(CrantError, match="sends us elsewhere"):
                ask()
        with pytest.raises(UsageError, match="give an https address"):
            client.get("http://far.example/a", "secret")


def test_who_has_no_token_may_be_sent_elsewhere(server: Redirecting) -> None:
    server.handler.elsewhere = server.url.replace("127.0.0.1", "localhost")
    with RemoteClient(RetryPolicy(0), NoAuth()) as client:
        assert client.get(f"{server.url}/old/a").content == b"GET None"


def test_what_is_said_of_others_has_no_token_in_it() -> None:
    auth = Auth()
    auth.keep_secret("s3cret")
    assert auth.clean("no\n s3cret here " + 400 * "x") == ("no *** here " + 400 * "x")[:300]
