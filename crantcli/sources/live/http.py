"""Asks servers over HTTP: whole answers or an error, timeouts everywhere, retries that outlast a restart of the server.

No text that leaves this module holds a token.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from crantcli.errors import CrantError, IncompleteError, UsageError
from crantcli.sources.live.patience import Patience

#: Answers that may be others in a moment: too many requests, and a server that is overloaded or starts anew.
_PASSING = (408, 429, 500, 502, 503, 504)

#: Bytes that are read at once.
_BLOCK = 2**16

#: Seconds for a whole answer, at most: a server that sends a byte now and then is never silent.
_WHOLE = 900.0


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Attributes
    ----------
    status : int
        HTTP status; one that passes by itself never gets here.
    body : bytes
        The whole of it.
    range : str
        The Content-Range header, or "".
    """

    status: int
    body: bytes
    range: str = ""

    @property
    def content(self) -> Any:
        """The body as JSON; None where it is something else."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


#: Whether an answer is what was asked for.
Check = Callable[[Answer], bool]


def check_address(address: str) -> str:
    """The address, if what it sends and receives cannot be read or changed on the way.

    Raises
    ------
    UsageError
        Unless it is https, or http on this computer.
    """
    try:
        parts = urlsplit(address)
        host, scheme = parts.hostname or "", parts.scheme
    except ValueError:
        host, scheme = "", ""
    if not host or scheme not in ("http", "https"):
        raise UsageError(f"{address}: no web address; it starts with https://")
    if scheme == "http" and not _is_here(host):
        raise UsageError(f"{address}: http can be read and changed on the way; give an https address")
    return address


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Server:
    """Makes requests, over connections that are kept.

    Parameters
    ----------
    patience : Patience
    secrets : sequence of str
        Tokens, which are cut out of whatever is said about a failure.
    """

    def __init__(self, patience: Patience, secrets: tuple[str, ...] = ()) -> None:
        import requests

        self._session, self._patience, self._secrets = requests.Session(), patience, secrets

    def keep_secret(self, token: str) -> None:
        """Cut this out too."""
        self._secrets = (*self._secrets, token)

    def clean(self, text: str) -> str:
        """A text without tokens, on one line, and no longer than a message may be."""
        for secret in self._secrets:
            text = text.replace(secret, "***") if secret else text
        return " ".join(text.split())[:300]

    def __enter__(self) -> Server:
        """For `with`, at whose end the connections are closed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, url: str, token: str = "", span: tuple[int, int] | None = None, whole: Check | None = None) -> Answer:
        """Ask for a document, or for its bytes from the first number of `span` up to before the second.

        An answer with status 200 for which `whole` is false counts as a failure that may pass.
        """
        headers = {"Range": f"bytes={span[0]}-{span[1] - 1}"} if span else {}
        return self._ask("GET", url, token, whole, headers=headers)

    def post(self, url: str, token: str, document: Any, whole: Check | None = None) -> Answer:
        """Send a document as JSON; `whole` as for `get`."""
        return self._ask("POST", url, token, whole, json=document)

    def _ask(self, method: str, url: str, token: str, whole: Check | None, **request: Any) -> Answer:
        check_address(url)
        attempts, said = self._patience.attempts, ""
        for attempt in range(attempts):
            answer, said, asked = self._once(method, url, token, request)
            if answer is not None:
                if answer.status != 200 or whole is None or whole(answer):
                    return answer
                said = "gave an answer that is cut or damaged"
            if attempt + 1 < attempts:
                self._patience.wait(attempt, asked, f"the server {self.clean(said)}")
        where = urlsplit(url)
        raise IncompleteError(
            f"{where.scheme}://{where.netloc}{where.path}: the server {self.clean(said)}, "
            f"{attempts} time{'s' if attempts > 1 else ''}; nothing is written; try again later"
        )

    def _once(
        self, method: str, url: str, token: str, request: dict[str, Any]
    ) -> tuple[Answer | None, str, str | None]:
        """One request: the answer or, if it failed in a way that may pass, why, and the pause that was asked for."""
        import requests

        try:
            with self._session.request(
                method, url, auth=_Authorisation(token), stream=True, allow_redirects=not token,
                timeout=self._patience.limits, **request,
            ) as response:  # fmt: skip
                check_address(response.url)
                body = self._body(response)
                if response.status_code in _PASSING:
                    return None, f"answered {response.status_code}", response.headers.get("Retry-After")
                answer = Answer(response.status_code, body, response.headers.get("Content-Range", ""))
        except requests.exceptions.SSLError as error:
            raise CrantError(f"{url}: no secure connection ({self.clean(_reason(error))})") from None
        except requests.Timeout:
            return None, "did not answer in time", None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            reason = _reason(error)
            late = "timed out" in reason.lower()
            return None, "did not answer in time" if late else f"could not be reached or broke off ({reason})", None
        except requests.RequestException as error:
            raise CrantError(f"{url}: cannot be asked ({self.clean(_reason(error))})") from None
        if token and 300 <= answer.status < 400:
            raise CrantError(
                f"{url}: the server sends us elsewhere, and the token does not go there; check the address"
            )
        return answer, "", None

    def _body(self, response: Any) -> bytes:
        import requests

        blocks, end = [], time.monotonic() + max(_WHOLE, self._patience.timeout)
        for block in response.iter_content(_BLOCK):
            blocks.append(block)
            if time.monotonic() > end:
                raise requests.Timeout
        return b"".join(blocks)


class _Authorisation:
    """Adds the token. Given even without one, since requests else looks for passwords in the user's .netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"Token {self._token}"
        return request


def _reason(error: Exception) -> str:
    """What went wrong at the bottom of it."""
    found = str(error)
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
        found = str(getattr(error, "reason", None) or error)
    return found.rpartition("object at ")[2].partition(">: ")[2] or found
