"""Servers on 127.0.0.1 for as long as a block lasts, each in a thread of its own."""

from __future__ import annotations

import contextlib
import socketserver
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that do not wait for the end."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    """Let a server answer, and close it at the end."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler], port: int = 0, **bound: object) -> Iterator[str]:
    """Serve HTTP, and give the address.

    Parameters
    ----------
    handler : type
    port : int
        A free one unless given.
    **bound
        What answers of this server have as attributes of their handler.
    """
    server = _Server(("127.0.0.1", port), type("Bound", (handler,), bound))
    with running(server):
        yield f"http://127.0.0.1:{server.server_port}"
