"""How requests to a CAVE server are sent: with time limits, again where that helps, and never past a refusal.

caveclient's own sessions wait for ever and give up within a second; all of its requests go through `Wire` instead. The
query endpoints answer every mistake with 500, and tell the status that they mean in the text.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from crantcli.errors import AuthorisationError, CrantError, DataError, IncompleteError
from crantcli.remote.client import RETRYABLE, WEB_PAGE, check_address, is_page, parse_json, read_body
from crantcli.remote.retry import Patience

#: Attempts where a server may have a bad moment, but more likely goes on like that: at a 500, which the servers give
#: for any mistake, too, and at a web page in place of an answer.
_FEW_ATTEMPTS = 4

#: The status that an error's text begins with, such as "406 Not Acceptable: There are ...".
_STATUS = re.compile(r"([45]\d\d) [A-Z]\w+[ \w]*: *")

#: What a 500 says when the data base behind the server has a bad moment.
_DATA_BASE = re.compile(
    r"invalid transaction is rolled back|closed the connection|connection (is |was |already |has been )*closed"
    r"|connection timed out|too many clients|deadlock detected|could not connect|terminating connection",
    re.IGNORECASE,
)

#: What a 500 says when the request is at fault.
_LASTING = re.compile(
    r"not in model|not found|cannot find|keyerror|not a node|not subscriptable|invalid|unknown|payload validation",
    re.IGNORECASE,
)


class RefusedError(DataError):
    """A server does not accept what is asked for."""


class NotFoundError(RefusedError):
    """A server does not know a table, a column or a version."""


class GoneError(IncompleteError):
    """A server does not have a version any more."""


class NotReadyError(IncompleteError):
    """A server has not looked up everything yet."""


class NoAnswerError(IncompleteError):
    """A server fails for too long. What it gave before is as good as ever."""


class TooLargeError(CrantError):
    """A request is larger than the server takes."""


@dataclass(frozen=True)
class _Failure:
    """Why an answer is none, where the next may be better.

    Attributes
    ----------
    text, advice : str
    attempts : int or None
        How many are worth while; None for as many as the user wants.
    rate_limited : bool
        It has had too many requests.
    """

    text: str
    advice: str = "try again later, with more --retries or a longer --timeout"
    attempts: int | None = None
    rate_limited: bool = False


class Wire:
    """Sends requests; what a session of `requests` mounts in place of its own adapter.

    Parameters
    ----------
    patience : Patience
    help_token : str
        What to do about a missing or wrong token, for the message.
    secrets : list of str
        Never to be shown; what a server says is searched for them.
    whole : callable
        Whether an answer with status 200 is what was asked for, and all of it.
    connections : int
        That are kept open at most.
    """

    def __init__(
        self,
        patience: Patience,
        help_token: str,
        secrets: list[str],
        whole: Callable[[Any], bool],
        connections: int = 10,
    ) -> None:
        import requests.adapters

        self._adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections, max_retries=0)
        self._patience, self._help, self._secrets, self._whole = patience, help_token, secrets, whole
        self._notices = threading.local()
        self._stopped = threading.Event()
        self._rate_limits, self._counting = 0, threading.Lock()

    def stop(self) -> None:
        """Try nothing again: the run has failed, and other threads may still be at it."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    @property
    def notice(self) -> str:
        """The Warning header of the answer that this thread got last."""
        return getattr(self._notices, "text", "")

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request and return the answer, whole.

        Raises
        ------
        UsageError
            Where it could be read on the way, and the token with it.
        AuthorisationError
            Where the server wants a token, or does not accept it, without a second attempt.
        RefusedError, NotFoundError, TooLargeError
            Where the request is at fault.
        NotReadyError, GoneError
            Where the server does not have everything yet, or not any more.
        NoAnswerError
            Where it fails for too long.
        """
        check_address(request.url)
        for attempt in itertools.count():
            answer, failure = self._once(request, options)
            if failure is None:
                # caveclient would log the notice, and nothing more.
                self._notices.text = answer.headers.pop("Warning", "")
                self._forget_rate_limit()
                return answer
            most = min(self._patience.attempts, failure.attempts or self._patience.attempts)
            if attempt + 1 >= most or self._stopped.is_set():
                times = f"{attempt + 1} time{'s' if attempt else ''}"
                where = f"{request.method} {_address(request.url)}"
                raise NoAnswerError(f"{where}: {failure.text}, {times}; nothing is written; {failure.advice}")
            asked = answer.headers.get("Retry-After") if answer is not None else None
            # Without what the server says of itself.
            told = failure.text.partition(" (")[0]
            self._patience.wait(attempt, asked, told, self._count_rate_limit() if failure.rate_limited else 0)
        return None

    def _once(self, request: Any, options: dict[str, Any]) -> tuple[Any, _Failure | None]:
        """The answer, if there is one, and what is wrong with it, if that may pass."""
        import requests

        damaged = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
        options = {**options, "timeout": self._patience.limits, "stream": True}
        try:
            with closing(self._adapter.send(request, **options)) as answer:
                # Read here, so that a connection that breaks in the middle counts as a failed attempt.
                answer._content = read_body(answer, self._patience)
        except requests.exceptions.SSLError as error:
            raise CrantError(
                f"{_address(request.url)}: no secure connection ({self.clean(str(error))[:200]})"
            ) from None
        except requests.Timeout:
            return None, _Failure("no answer in time")
        except damaged:
            return None, _Failure("the answer broke off, or is damaged")
        except requests.ConnectionError as error:
            late = "timed out" in str(error).lower()
            lost = "no connection" if re.search("refused|resolve", str(error)) else "the connection broke"
            return None, _Failure("no answer in time" if late else lost)
        return answer, self._failure(request, answer)

    def _failure(self, request: Any, answer: Any) -> _Failure | None:
        """What is wrong with an answer, if the next may be better; where it will not be, an error is raised."""
        where, status = _address(answer.url), answer.status_code
        if answer.is_redirect:
            self._check_redirect(request, answer)
            return None
        if 300 <= status < 400:
            return _Failure(f"the server answers {status}", "the request may be at fault", _FEW_ATTEMPTS)
        if status < 300:
            if is_page(answer.headers.get("Content-Type", ""), answer.content):
                return _Failure(WEB_PAGE, f"open {where} in a browser to see what it is", _FEW_ATTEMPTS)
            return None if self._whole(answer) else _Failure("the answer is cut or damaged")
        if status in (401, 403):
            raise AuthorisationError(self._refusal(answer, where))
        said, told = self._said(answer), None
        if status == 500:
            told = _STATUS.match(said)
            status = int(told[1]) if told else 500
            said = said[told.end() :] if told else said
        if status in RETRYABLE:
            return _Failure(f"the server answers {status}{f' ({said})' if told else ''}", rate_limited=status == 429)
        self._refuse(where, status, said, meant=told is not None)
        if _DATA_BASE.search(said):
            return _Failure(f"the server fails with {status} ({said})")
        if _LASTING.search(said):
            raise RefusedError(f"{where}: {said}")
        return _Failure(f"the server fails with {status} ({said})", "the request may be at fault", _FEW_ATTEMPTS)

    def _refuse(self, where: str, status: int, said: str, meant: bool) -> None:
        """Raise the error for a status below 500; `meant` where it stands in the text of a 500."""
        if status in (401, 403):  # in a text: the token has been accepted before
            raise AuthorisationError(
                f"{where}: the server does not let you read this ({said}); your token is good: ask the owner of the "
                "table for leave to read it"
            )
        if status == 413:
            raise TooLargeError(f"{where}: the request is too large for the server")
        if status == 406:
            raise NotReadyError(
                f"{where}: {said}; ask for a version (--materialization latest) or an earlier time; nothing is written"
            )
        if status == 410:
            raise GoneError(f"{where}: {said}")
        if status == 404:
            raise NotFoundError(f"{where}: the server does not know it ({said})")
        if status < 500:
            error = RefusedError if meant else CrantError
            raise error(f"{where}: the server refuses the request with {status} ({said})")

    def _check_redirect(self, request: Any, answer: Any) -> None:
        """Raise an error where an answer leads to a login page, or to another server, where no token must go."""
        if _to_login(answer):
            raise AuthorisationError(self._refusal(answer, _address(answer.url)))
        try:
            here, there = (urlsplit(url) for url in (request.url, urljoin(request.url, answer.headers["Location"])))
            same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
            place = f"{there.scheme}://{there.netloc}"
        except ValueError:
            same, place = False, "what is no address"
        if not same:
            raise CrantError(
                f"{_address(request.url)}: the server sends us elsewhere (to {self.clean(place)}), and the token does "
                "not go there; check the address"
            )

    def _count_rate_limit(self) -> int:
        """How many answers have told of too many requests since the last that did not: pauses grow with that."""
        with self._counting:
            self._rate_limits += 1
            return self._rate_limits - 1

    def _forget_rate_limit(self) -> None:
        with self._counting:
            self._rate_limits = max(self._rate_limits - 1, 0)

    def _refusal(self, answer: Any, where: str) -> str:
        """What to do about 401, 403 and a way to the login page."""
        body = _json(answer)
        kind = body.get("error")
        if kind == "missing_tos":
            data = body.get("data")
            form = data.get("tos_form_url") if isinstance(data, dict) else None
            address = self.clean(str(form or "the server's page of terms"))
            return f"{where}: the terms of service are not accepted yet; open {address} in a browser and accept them"
        if answer.status_code == 403:
            return f"{where}: this token has no right to read this ({self._said(answer)}); ask the data set's owners"
        if answer.status_code == 401:
            return f"{where}: the token is not accepted (wrong, or expired); {self._help}"
        return f"{where}: the server wants a token; {self._help}"

    def _said(self, answer: Any) -> str:
        """What the server says is wrong, in a few words, without secrets."""
        body = _json(answer)
        details = body.get("schema_errors") or body.get("errors")
        said = f"it does not take {json.dumps(details)}, unknown to it" if details else body.get("message")
        said = said or re.sub(r"<[^>]*>", " ", answer.text).strip().strip('"')
        return self.clean(" ".join(str(said).split()))[:300] or str(answer.reason)

    def clean(self, text: str) -> str:
        """Text of others without our secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _to_login(answer: Any) -> bool:
    """Whether an answer leads to where people log in: how CAVE tells that there is no token."""
    way = answer.headers.get("Location", "") if answer.is_redirect else ""
    return re.search(r"/(sticky_)?auth/|/authorize|/login|/oauth", way) is not None


def _json(answer: Any) -> dict[str, Any]:
    try:
        body = parse_json(answer.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _address(url: str) -> str:
    """An address without what stands behind the question mark."""
    return url.partition("?")[0]
