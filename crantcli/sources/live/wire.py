"""How requests to a server are sent: with time limits, again where that helps, and never past a refusal.

caveclient's own sessions wait for ever and give up within a second; all of its requests go through `Wire` instead.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from crantcli.errors import AuthorisationError, CrantError, DataError, IncompleteError
from crantcli.sources.live.patience import Patience

#: Answers that mean that the server, or what stands before it, cannot answer just now.
_PASSING = {429, 502, 503, 504}

#: Attempts at an answer of 500: it may be a bad moment, but the servers give it for any mistake, too.
_ATTEMPTS_AT_500 = 4

#: What a 500 says when the request is at fault.
_LASTING = re.compile(
    r"\b4\d\d\b|not in model|not found|cannot find|keyerror|not a node|invalid|unknown", re.IGNORECASE
)


class NotFoundError(DataError):
    """A server does not know a table, a column or a version."""


class TooLargeError(CrantError):
    """A request is larger than the server takes."""


class Wire:
    """Sends requests; what a session of `requests` mounts in place of its own adapter.

    Parameters
    ----------
    patience : Patience
    help_token : str
        What to do about a missing or wrong token, for the message.
    secrets : list of str
        Never to be shown; what a server says is searched for them.
    connections : int
        That are kept open at most.
    """

    def __init__(self, patience: Patience, help_token: str, secrets: list[str], connections: int = 10) -> None:
        import requests.adapters

        self._adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections, max_retries=0)
        self._patience, self._help, self._secrets = patience, help_token, secrets
        self._notices = threading.local()
        self._stopped = threading.Event()

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
        AuthorisationError
            Where the server wants a token, or does not accept it, without a second attempt.
        NotFoundError, TooLargeError
            Where the request is at fault.
        IncompleteError
            Where the server does not have everything yet.
        CrantError
            Where the server fails for too long.
        """
        import requests

        broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
        for attempt in range(self._patience.attempts):
            answer, trouble = None, ""
            try:
                answer = self._adapter.send(request, **{**options, "timeout": self._patience.limits})
                # Read here, so that a connection that breaks in the middle counts as a failed attempt.
                _ = answer.content
            except broken as error:
                trouble = _reason(error)
            else:
                if answer.status_code < 400 and not _to_login(answer):
                    # caveclient would log the notice, and nothing more.
                    self._notices.text = answer.headers.pop("Warning", "")
                    return answer
                trouble = self._trouble(answer, attempt)
            if self._stopped.is_set():
                break
            if attempt < self._patience.retries:
                asked = answer.headers.get("Retry-After") if answer is not None else None
                # Without what the server says of itself.
                self._patience.wait(attempt, asked, trouble.partition(" (")[0])
        where = f"{request.method} {_address(request.url)}"
        raise CrantError(
            f"{where}: {trouble}, {self._patience.attempts} times; try again later, with more --retries or a longer "
            "--timeout"
        )

    def _trouble(self, answer: Any, attempt: int) -> str:
        """What is wrong with an answer that may be better next time; else an error is raised."""
        status, said = answer.status_code, self._said(answer)
        where = _address(answer.url)
        if status in (401, 403) or _to_login(answer):
            raise AuthorisationError(self._refusal(answer, where))
        if status == 413:
            raise TooLargeError(f"{where}: the request is too large for the server")
        if status == 406:
            raise IncompleteError(
                f"{where}: {said}; ask for a version (--materialization latest) or an earlier time; nothing is written"
            )
        if status in _PASSING:
            return f"the server answers {status}"
        if status == 404:
            raise NotFoundError(f"{where}: the server does not know it ({said})")
        if status < 500:
            raise CrantError(f"{where}: the server refuses the request with {status} ({said})")
        if re.search(r"\b40[13]\b|unauthori[sz]ed|permission", said, re.IGNORECASE):
            raise AuthorisationError(f"{where}: no right to read this ({said}); {self._help}")
        if _LASTING.search(said):
            raise NotFoundError(f"{where}: {said}")
        if attempt + 1 >= _ATTEMPTS_AT_500:
            raise CrantError(f"{where}: the server fails with {status} ({said}) each time; the request may be at fault")
        return f"the server fails with {status} ({said})"

    def _refusal(self, answer: Any, where: str) -> str:
        """What to do about 401, 403 and a way to the login page."""
        body = _json(answer)
        kind = body.get("error")
        if kind == "missing_tos":
            address = self.clean(str((body.get("data") or {}).get("tos_form_url", "the server's page of terms")))
            return f"{where}: the terms of service are not accepted yet; open {address} in a browser and accept them"
        if answer.status_code == 403:
            return f"{where}: this token has no right to read this ({self._said(answer)}); ask the data set's owners"
        if answer.status_code == 401:
            return f"{where}: the token is not accepted (wrong, or expired); {self._help}"
        return f"{where}: the server wants a token; {self._help}"

    def _said(self, answer: Any) -> str:
        """What the server says is wrong, in a few words, without secrets."""
        said = _json(answer).get("message") or re.sub(r"<[^>]*>", " ", answer.text)
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
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _address(url: str) -> str:
    """An address without what stands behind the question mark."""
    return url.partition("?")[0]


def _reason(error: Exception) -> str:
    """What went wrong on the way, in a few words."""
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    return "no connection" if "refused" in str(error) or "resolve" in str(error) else "the connection broke"
