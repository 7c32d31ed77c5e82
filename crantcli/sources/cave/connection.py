"""The way to the servers of a data set: caveclient's clients, whose requests all go one way, and the token."""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from crantcli.core.addresses import CaveAddress
from crantcli.errors import AuthorisationError, CrantError, DataError, UsageError
from crantcli.remote.adapter import RemoteAdapter
from crantcli.remote.auth import Auth, check_address, is_token
from crantcli.remote.body import parse_json
from crantcli.remote.client import Check, RemoteClient
from crantcli.remote.outcomes import NotReadyError
from crantcli.remote.retry import RetryPolicy
from crantcli.sources.cave.answers import read
from crantcli.text import P

#: Environment variable with a token, before those that lie where caveclient looks for them.
TOKEN_VARIABLE = "CRANTCLI_CAVE_TOKEN"

#: Requests for rows at the same time.
THREADS = 4

#: The first version of the server's engine that sends rows as they are (caveclient 8 asks for it too).
_OLDEST_ENGINE = (5, 13)


class Connection:
    """Clients for the servers of a data set, made when they are first needed.

    Parameters
    ----------
    address : CaveAddress
    policy : RetryPolicy
    """

    def __init__(self, address: CaveAddress, policy: RetryPolicy) -> None:
        self.address, self.progress = address, policy.progress
        server = address.server.rstrip("/")
        self._server = server
        host = server.partition("//")[2]
        self._help = (
            f"get a token from {server}/auth/api/v1/create_token in a browser, and put it into {TOKEN_VARIABLE} or, as "
            f'{{"token": "..."}}, into ~/.cloudvolume/secrets/{host}-cave-secret.json'
        )
        self._policy, self._tokens = policy, Auth(self._help)
        self._remote: RemoteClient | None = None
        self._clients: dict[str, Any] = {}
        self._making, self._asking, self._speaks = threading.Lock(), threading.Lock(), False

    def _auth(self) -> Any:
        if "auth" not in self._clients:
            token = os.environ.get(TOKEN_VARIABLE) or None
            auth = _caveclient("auth")
            try:
                self._clients["auth"] = auth.AuthClient(server_address=self._server, token=token)
            except (json.JSONDecodeError, AttributeError, OSError) as error:
                raise DataError(
                    f"a token file in ~/.cloudvolume/secrets cannot be read ({type(error).__name__}); {self._help}"
                ) from None
            found = self._clients["auth"].token
            if found is not None and not is_token(found):
                raise AuthorisationError(f"the token is not one: it has spaces or other signs; {self._help}")
            if found:
                self._tokens.keep_secret(found)
        return self._clients["auth"]

    def _client(self, name: str, module: str, kind: str, *arguments: Any, **options: Any) -> Any:
        """A client whose sessions send through ours from the first request on."""
        # Of two threads that come at once, one makes it.
        with self._making:
            if name not in self._clients:
                auth = self._auth()
                self._remote = self._remote or RemoteClient(self._policy, self._tokens, 2 * THREADS)
                adapter = RemoteAdapter(self._remote, _is_whole)
                base: Any = getattr(_caveclient(module), kind)

                def get_version(client: Any) -> Any:
                    # The first request of all; sessions have no time limits before, and none can be given to them.
                    client.session.mount("http://", adapter)
                    client.session.mount("https://", adapter)
                    # Else a line for the server in ~/.netrc would take the place of the token.
                    client.session.auth = lambda request: request
                    return base._get_version(client)

                patient = type(kind, (base,), {"_get_version": get_version})
                with self._answers():
                    self._clients[name] = patient(*arguments, auth_client=auth, **options)
            return self._clients[name]

    def post(self, url: str, content: Any, whole: Check) -> Any:
        """Send a document to one of the servers; `whole` is as for `RemoteClient.send`."""
        with self._making:
            token = self._auth().token or ""
            self._remote = self._remote or RemoteClient(self._policy, self._tokens, 2 * THREADS)
        return self._remote.post(url, token, content, whole, scheme="Bearer")

    @property
    def _info(self) -> dict[str, Any]:
        client = self._client(
            "info", "infoservice", "InfoServiceClient", self._server, self.address.datastack, api_version=2
        )
        with self._answers():
            found: dict[str, Any] = client.get_datastack_info()
            local = str(found["local_server"])
        try:
            check_address(local)
        except UsageError:
            raise CrantError(
                f"{self._server}: its info service names {local} as the server of {self.address.datastack}, and no "
                "https address, so that the token could be read on the way; ask those who run it"
            ) from None
        return found

    @property
    def _materialize(self) -> Any:
        client = self._client(
            "materialize", "materializationengine", "MaterializationClient",
            self._info["local_server"], self.address.datastack, api_version=3,
        )  # fmt: skip
        with self._asking:
            if not self._speaks:
                # With its own choice of version, caveclient takes an old one where this request fails once.
                with self._answers():
                    known = client.session.get(f"{client.server_address}/materialize/api/versions").json()
                    ours = client.api_version == 3 and 3 in known
                if not ours:
                    raise CrantError(
                        f"{client.server_address}: speaks versions {known} of CAVE's interface, 3 is needed"
                    )
                engine = client.server_version
                if engine is not None and engine.release[:2] < _OLDEST_ENGINE:
                    raise CrantError(f"{client.server_address}: its engine {engine} is too old; 5.13 is needed")
                self._speaks = True
        return client

    @property
    def _graph(self) -> Any:
        info = self._info
        with self._answers():
            table = str(info["segmentation_source"]).rstrip("/").rpartition("/")[2]
        return self._client(
            "graph", "chunkedgraph", "ChunkedGraphClient", info["local_server"], table, api_version=1
        )  # fmt: skip

    @property
    def _answered(self) -> str:
        """Where the last answer came from."""
        return (self._remote and self._remote.answered) or self._server

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Turn what is raised for an answer of another form into our errors; those of the way are ours already.

        The clients of caveclient say nothing of addresses, and Python's words tell nothing to users: the answer that
        came last is the one that they stumble over.
        """
        import requests

        try:
            yield
        except NotReadyError as error:
            raise NotReadyError(
                f"{error.message}; ask for a version ({P.materialization('latest')}) or an earlier time; nothing is "
                "written"
            ) from None
        except requests.RequestException as error:
            raise CrantError(f"{self._answered}: the answer cannot be read ({type(error).__name__})") from None
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            if isinstance(error, CrantError):
                raise
            raise DataError(
                f"{self._answered}: the answer is not of the form that it should have; is it the address of a CAVE "
                "server, and its interface the one that is meant?"
            ) from None

    def stop(self) -> None:
        """Try nothing again, in whichever thread."""
        if self._remote is not None:
            self._remote.stop()


def _caveclient(module: str) -> Any:
    """A module of caveclient; it takes seconds to load, so only what talks to a server does."""
    from importlib import import_module

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(f"caveclient.{module}")


def _is_whole(answer: Any) -> bool:
    """Whether an answer is what the addresses of CAVE give: rows, raw numbers, or JSON."""
    import pyarrow as pa

    # caveclient would log the notice, and nothing more.
    answer.notice = answer.headers.pop("Warning", "")
    path = urlsplit(answer.url).path
    try:
        if path.endswith("/query"):
            answer.table = read(answer.content)  # which takes as long as to look whether it can be read
        elif not path.endswith("_binary"):
            parse_json(answer.content)
    except (ValueError, pa.ArrowException, OSError):
        return False
    return True
