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
from urllib.parse import urljoin, urlsplit

from crantcli.errors import CrantError, IncompleteError, UsageError
from crantcli.remote.retry import Patience

#: Answers that may be others in a moment: too many requests, and a server, or what stands before it, that is overloaded
#: or starts anew.
RETRYABLE = (408, 429, 502, 503, 504)

#: What is said of a web page that comes in place of data.
WEB_PAGE = "a web page came in place of data, as a proxy or a login sends it"

#: Attempts at an address that gives a web page.
_ATTEMPTS_AT_PAGE = 4

#: How often a server may send us on.
_MOST_REDIRECTS = 10

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
            return parse_json(self.body)
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
                said = "the server gave an answer that is cut or damaged"
            if attempt + 1 == (min(attempts, _ATTEMPTS_AT_PAGE) if said == WEB_PAGE else attempts):
                break
            self._patience.wait(attempt, asked, self.clean(said))
        where = urlsplit(url)
        raise IncompleteError(
            f"{where.scheme}://{where.netloc}{where.path}: {self.clean(said)}, {attempt + 1} "
            f"time{'s' if attempt else ''}; nothing is written; "
            + ("open the address in a browser to see what it is" if said == WEB_PAGE else "try again later")
        )

    def _once(
        self, method: str, url: str, token: str, request: dict[str, Any]
    ) -> tuple[Answer | None, str, str | None]:
        """One request: the answer or, if it failed in a way that may pass, why, and the pause that was asked for."""
        import requests

        damaged = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
        try:
            for _ in range(_MOST_REDIRECTS):
                with self._session.request(
                    method, url, auth=_Authorisation(token), stream=True, allow_redirects=False,
                    timeout=self._patience.limits, **request,
                ) as response:  # fmt: skip
                    body = read_body(response, self._patience)
                if 300 <= response.status_code < 400 and "Location" in response.headers:
                    url = self._redirect(url, response.headers["Location"], token)
                    continue
                return self._judged(response, body)
        except requests.exceptions.SSLError as error:
            raise CrantError(f"{url}: no secure connection ({self.clean(_reason(error))})") from None
        except requests.Timeout:
            return None, "the server did not answer in time", None
        except (requests.ConnectionError, *damaged) as error:
            reason = _reason(error)
            late = "timed out" in reason.lower()
            lost = f"the server could not be reached or broke off ({reason})"
            return None, "the server did not answer in time" if late else lost, None
        except requests.RequestException as error:
            raise CrantError(f"{url}: cannot be asked ({self.clean(_reason(error))})") from None
        except ValueError as error:  # requests looks at where it is sent even where it does not go there
            if isinstance(error, CrantError):
                raise
            raise CrantError(f"{url}: the server sends us to what is no address; check the address") from None
        raise CrantError(f"{url}: the server sends us on and on; check the address")

    def _judged(self, response: Any, body: bytes) -> tuple[Answer | None, str, str | None]:
        status = response.status_code
        if status in RETRYABLE or status == 500:
            return None, f"the server answered {status}", response.headers.get("Retry-After")
        if status < 300 and is_page(response.headers.get("Content-Type", ""), body):
            return None, WEB_PAGE, None
        return Answer(status, body, response.headers.get("Content-Range", "")), "", None

    def _redirect(self, url: str, location: str, token: str) -> str:
        """Where a server sends us, if we may go there."""
        if token:
            raise CrantError(
                f"{url}: the server sends us elsewhere, and the token does not go there; check the address"
            )
        try:
            return check_address(urljoin(url, location))
        except ValueError:  # a UsageError is one, too
            raise CrantError(
                f"{url}: the server sends us to {self.clean(location)}, which is no https address; check the address"
            ) from None


def parse_json(text: str | bytes) -> Any:
    """What a text says in JSON.

    Raises
    ------
    ValueError
        Where it is something else, or more lists within one another than anybody would send.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too many lists within one another") from None


def is_page(kind: str, body: bytes) -> bool:
    """Whether an answer is a web page, by its Content-Type and itself."""
    start = body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html")) or ("html" in kind.lower() and start.startswith(b"<"))


def read_body(response: Any, patience: Patience) -> bytes:
    """The whole of an answer.

    Raises
    ------
    requests.Timeout
        Where it does not come to an end.
    """
    import requests

    read = getattr(response.raw, "read1", None)  # since urllib3 2.1
    if read is not None:
        # As it comes: its own way waits until a block is full, however long that takes.
        response.raw.stream = lambda size, decode_content: iter(
            lambda: read(size, decode_content=decode_content) or b"", b""
        )
    blocks, end = [], time.monotonic() + max(_WHOLE, patience.timeout)
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
