"""The one client as what a session of `requests` mounts in place of its own adapter.

Sessions of others wait for ever, or give up within a second.
"""

from __future__ import annotations

from typing import Any

from crantcli.remote.client import Check, RemoteClient, anything


class RemoteAdapter:
    """Sends the requests of a session.

    Parameters
    ----------
    client : RemoteClient
    whole : callable
        As for `RemoteClient.send`.
    """

    def __init__(self, client: RemoteClient, whole: Check = anything) -> None:
        self._client, self._whole = client, whole

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request and return the answer, or raise what `RemoteClient.send` does."""
        return self._client.send(request, self._whole, **options)

    def close(self) -> None:
        """Nothing: the connections are the client's."""
