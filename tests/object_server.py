"""An S3 server on this computer: moto's, which counts what it hands out and can be told to misbehave."""

from __future__ import annotations

import contextlib
import re
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from loopback import running

BUCKET = "brain"

#: What the environment says of a user whom the server knows.
USER = {
    "AWS_ACCESS_KEY_ID": "AKIATESTOFCRANTCLI00",
    "AWS_SECRET_ACCESS_KEY": "secretoftestsofcrantcli0000000000000000",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass
class Asked:
    """One request, and what was answered."""

    method: str
    path: str
    query: str
    range: tuple[int, int] | None = None
    status: int = 0
    sent: int = 0


@dataclass
class ObjectServer:
    """An S3 server with one bucket.

    Attributes
    ----------
    url : str
    asked : list of Asked
    meddle : function or None
        Is told of each request before it is answered. What it returns, a status, is answered instead.
    """

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    meddle: Callable[[Asked], int | None] | None = None

    def put(self, key: str, content: bytes | Path) -> str:
        """Put an object there, and give its address."""
        data = content.read_bytes() if isinstance(content, Path) else content
        self._backend().put_object(BUCKET, key, data)
        return f"s3://{BUCKET}/{key}"

    def put_folder(self, key: str, folder: Path) -> str:
        """Put the files of a folder there, and give its address."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder)}", path)
        return f"s3://{BUCKET}/{key}/"

    def get(self, key: str) -> bytes:
        """The content of an object."""
        data: bytes = self._backend().get_object(BUCKET, key).value
        return data

    @staticmethod
    def _backend() -> Any:
        from moto.s3.models import s3_backends

        (account,) = s3_backends.values()
        return account["aws"]

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._backend().delete_object(BUCKET, key)

    def keys(self) -> list[str]:
        """Keys of all objects."""
        return sorted(self._backend().buckets[BUCKET].keys)

    def uploads(self) -> int:
        """Uploads of several parts that were begun, and neither completed nor given up."""
        return len(self._backend().buckets[BUCKET].multiparts)

    def sent(self, key: str) -> int:
        """Bytes of an object that were handed out."""
        return sum(one.sent for one in self.asked if one.method == "GET" and one.path == f"/{BUCKET}/{key}")


def be_known(server: ObjectServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Be a user whom a server knows, which has no objects and was asked nothing."""
    for name, value in {**USER, "AWS_ENDPOINT_URL": server.url, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        patch.setenv(name, value)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        patch.setenv(name, str(folder / "none"))
    for key in list(server.keys()):
        server.delete(key)
    server.asked.clear()
    server.meddle = None


@contextlib.contextmanager
def serving() -> Iterator[ObjectServer]:
    """Run the server."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):  # type: ignore[misc]
        def log(self, *_: Any) -> None:
            pass

    server = ObjectServer()
    inner = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        one = Asked(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        named = re.fullmatch(r"bytes=(\d+)-(\d+)", environ.get("HTTP_RANGE", ""))
        one.range = (int(named[1]), int(named[2]) + 1) if named else None
        server.asked.append(one)
        status = server.meddle(one) if server.meddle else None
        if status is not None:
            one.status = status
            start(f"{status} Told So", [("Content-Length", "0")])
            return []

        def noting(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            one.status = int(status.split()[0])
            return start(status, headers, *more)

        body = b"".join(inner(environ, noting))
        one.sent = len(body)
        return [body]

    for backend in s3_backends.values():
        backend.reset()
    http = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    server.url = f"http://127.0.0.1:{http.server_port}"
    with running(http):
        with urllib.request.urlopen(urllib.request.Request(f"{server.url}/{BUCKET}", method="PUT"), timeout=20):
            server.asked.clear()
        yield server
