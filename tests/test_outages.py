"""One condition, one exit code, one wording: whichever server it is of, and whichever command asks it."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tokens
from conftest import Crant
from loopback import serving
from tables import complaint, parquet_file
from waiting import wait_for

from crantcli.remote import retry
from crantcli.remote.outcomes import FEW, OUTCOMES
from crantcli.text import as_flags

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]


class Condition(NamedTuple):
    """What a server does with every request, and what comes of it.

    Attributes
    ----------
    status : int
    headers : dict
    body : bytes
    code : int
        Exit code.
    said : str
        What is said of it, a pattern.
    how : str
        "cut", "drop" or "stall", where the answer does not come, or not to its end.
    attempts : int
    """

    status: int
    headers: dict[str, str]
    body: bytes
    code: int
    said: str
    how: str = ""
    attempts: int = 1


def passing(status: int, said: str, how: str = "", attempts: int = 6, body: bytes = b"<p>bad day</p>") -> Condition:
    """A condition that may pass, so that it is tried again."""
    kind = "application/json" if body.startswith(b"{") else "text/html"
    return Condition(status, {"Content-Type": kind}, body, 6, said, how, attempts)


def refusing(status: int, code: int, said: str, body: bytes = b"{}", **headers: str) -> Condition:
    """A condition that does not pass."""
    return Condition(status, {"Content-Type": "application/json", **headers}, body, code, said)


MISTAKE = b'{"code": 500, "message": "boolean index did not match"}'

CONDITIONS = {
    "cut": passing(200, "the answer is cut or damaged", "cut"),
    "drop": passing(200, r"the connection broke \(.+\)", "drop"),
    "stall": passing(200, "no answer in time", "stall"),
    "web page": passing(
        200, "a web page came in place of data, as a proxy or a login sends it",
        attempts=FEW, body=b"<html>log in</html>",
    ),
    **{str(status): passing(status, f"the server answers {status}") for status in (408, 429, 502, 503, 504)},
    "500": passing(500, r"the server fails with 500 \(bad day\)"),
    "501": passing(501, r"the server fails with 501 \(bad day\)"),
    "500 of a data base": passing(
        500, r"the server fails with 500 \(.*rolled back\)",
        body=b'{"message": "Can\'t reconnect until invalid transaction is rolled back"}',
    ),
    "500 with a reason": passing(500, r"the server fails with 500 \(boolean.*\)", attempts=FEW, body=MISTAKE),
    "304": passing(304, "the server answers 304", attempts=FEW, body=b""),
    "500 that lasts": refusing(500, 3, "column x not found", b'{"code": 500, "message": "column x not found"}'),
    "400": refusing(400, 3, "refuse"),
    "401": refusing(401, 5, "not accept|not let"),
    "403": refusing(403, 5, "no right|not accept|not let"),
    "404": refusing(404, 3, "not know|refused|no file|no such"),
    "413": refusing(413, 1, "the request is too large for the server"),
    "login": refusing(302, 5, "wants a token; .*_TOKEN|not let", b"", Location="/auth/authorize?x=1"),
    "no address": refusing(302, 1, "sends us (elsewhere|to)", b"", Location="http://[x/"),
    "in clear": refusing(302, 1, "sends us (elsewhere|to)", b"", Location="http://elsewhere.example/info"),
    "another form": refusing(200, 3, ""),
}  # fmt: skip

#: What to do, at the end of what is said.
ADVICE = {as_flags(outcome.advice) for outcome in OUTCOMES.values() if outcome.attempts != 1}

#: Server -> commands that ask it first of all.
COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "cave": [
        ("connectivity", "-n", "5"), ("synapses", "--pre", "5"), ("counts", "-n", "5"), ("ids", "5"), ("lock",),
        ("adjacency", "--pre", "5"),
    ],
    "seatable": [
        ("annotations",), ("connectivity", "s.parquet", "-n", "cell_type=ER1"), ("lock",),
        ("nested", "s.parquet", "--source-types", "ER1"),
    ],
    "states": [("link", "5", "--short")],
    "meshes": [("meshes",), ("neuropil", "s.parquet", "--assignments-only", "--coordinates", "nm"), ("lock",)],
}  # fmt: skip
ASKED = [(server, command) for server, commands in COMMANDS.items() for command in commands]

PARTS = {
    "cave": '[cave]\nserver = "{}"\ndatastack = "ant"\n',
    "seatable": '[annotations]\nseatable_server = "{}"\nbase = "b"\ntable = "t"\n',
    "states": '[viewer]\nurl = "https://viewer.example.org"\nstate_server = "{}"\n',
    "meshes": '[neuropils]\nsource = "{}"\n',
}


class Failing:
    """A server that does the same with every request."""

    def __init__(self, condition: Condition) -> None:
        self.condition, self.requests = condition, 0
        self.released, self._counting = threading.Event(), threading.Lock()
        self._open = contextlib.ExitStack()
        self.address = self._open.enter_context(serving(_Handler, failing=self))

    def count(self) -> None:
        """Take note of a request."""
        with self._counting:
            self.requests += 1

    def close(self) -> None:
        self.released.set()
        self._open.close()


class _Handler(BaseHTTPRequestHandler):
    failing: Failing
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = (self.headers.get("Authorization") or "").split()[-1:]
        tokens.arrived |= set(given)
        condition = self.failing.condition
        self.failing.count()
        if condition.how == "stall":
            self.failing.released.wait(10)
        if condition.how in ("stall", "drop"):
            self.close_connection = True
            return
        self.send_response(condition.status)
        for name, value in condition.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(condition.body)))
        self.end_headers()
        self.wfile.write(condition.body[: len(condition.body) // 2] if condition.how == "cut" else condition.body)
        self.close_connection = condition.how == "cut"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()


@contextlib.contextmanager
def failing(condition: Condition) -> Iterator[Failing]:
    """Such a server for as long as the block lasts."""
    server = Failing(condition)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(autouse=True)
def _pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "sleep", lambda _: None)
    monkeypatch.setenv("CRANTTABLE_TOKEN", tokens.BASE_TOKEN)


def run(crant: Crant, server: str, command: tuple[str, ...], address: str, *more: object) -> Any:
    """Run a command whose data set is on a server, and has nothing else."""
    Path("d.toml").write_text(PARTS[server].format(address))
    positions = {f"ctr_pt_position_{axis}": [1, 2] for axis in "xyz"}
    parquet_file("s.parquet", id=[1, 2], pre_pt_root_id=[5, 6], post_pt_root_id=[6, 5], **positions)
    name, *words = command
    return crant(name, *words, "-d", "d.toml", "-o", "out" if name in ("meshes", "neuropil") else "out.csv", *more)


@pytest.mark.parametrize(("server", "command"), ASKED, ids=lambda value: value if isinstance(value, str) else value[0])
@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_has_one_exit_code_and_one_wording(
    crant: Crant, name: str, server: str, command: tuple[str, ...]
) -> None:
    condition = CONDITIONS[name]
    timeout = 0.2 if condition.how == "stall" else 30
    with failing(condition) as there:
        done = run(crant, server, command, there.address, "--retries", 5, "--timeout", timeout)
        said = complaint(done, condition.code)
        assert re.search(condition.said, said), said
        if condition.attempts > 1:
            # One that was given up may have to be taken note of.
            assert wait_for(lambda: there.requests == condition.attempts), there.requests
            where = rf"crantcli {command[0]}: {there.address}/\S*: "
            times = f", {condition.attempts} times; nothing is written; "
            assert re.match(f"{where}{condition.said}{times}({'|'.join(ADVICE)})$", said), said
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize(("server", "command"), ASKED, ids=lambda value: value if isinstance(value, str) else value[0])
def test_servers_that_are_not_reached(crant: Crant, server: str, command: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said = complaint(run(crant, server, command, address, "--retries", 1), 6)
        assert re.match(
            rf"crantcli {command[0]}: {address}/\S*: no connection \(.*refused\), 2 times; nothing is", said
        )
    complaint(run(crant, server, command, "http://far.example", "--retries", 1), 2, "give an https address")
    with failing(CONDITIONS["404"]) as plain:
        address = plain.address.replace("http:", "https:")
        complaint(run(crant, server, command, address), 1, "no secure connection (")
    assert not list(Path().glob("out*"))


def test_the_table_knows_each_condition_once() -> None:
    """What passes is tried as often as the user wants, or a few times; what does not is tried once."""
    assert {outcome.attempts for outcome in OUTCOMES.values()} == {None, FEW, 1}
    assert all((outcome.error.exit_code == 6) for outcome in OUTCOMES.values() if outcome.attempts != 1)
