"""The one way to servers over HTTP: whole answers or an error, time limits everywhere, again where that helps.

No text that leaves this module holds a token.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Container
from contextlib import closing
from typing import Any
from urllib.parse import urljoin, urlsplit

from crantcli.errors import CrantError, UsageError
from crantcli.remote.auth import Auth, check_address, leads_to_login
from crantcli.remote.body import document, is_page, read_body
from crantcli.remote.outcomes import OUTCOMES, Failure, failure_of
from crantcli.remote.retry import RetryPolicy

#: How often a server may send us on.
_MOST_REDIRECTS = 10

#: Whether an answer with a good status is what was asked for, and all of it.
Check = Callable[[Any], bool]


def anything(_: Any) -> bool:
    """Whether an answer is one: where nobody can tell more."""
    return True


class RemoteClient:
    """Makes requests, from any thread, over connections that are kept.

    Parameters
    ----------
    policy : RetryPolicy
    auth : Auth
        What is secret, and what to say where the server wants a token.
    connections : int
        That are kept open at most.
    """

    def __init__(self, policy: RetryPolicy, auth: Auth, connections: int = 10) -> None:
        import requests.adapters

        self._policy, self.auth = policy, auth
        self._session = requests.Session()  # makes requests, and knows of proxies; they are sent from here
        self._adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections, max_retries=0)
        self._stopped = threading.Event()
        self._rate_limits, self._counting = 0, threading.Lock()
        self._last = threading.local()

    def __enter__(self) -> RemoteClient:
        """For `with`, at whose end the connections are closed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._adapter.close()

    @property
    def answered(self) -> str:
        """Where the last whole answer came from, among those that this thread has asked for; "" before the first."""
        return getattr(self._last, "address", "")

    def stop(self) -> None:
        """Try nothing again: the run has failed, and other threads may still be at it."""
        self._stopped.set()

    def get(
        self,
        url: str,
        token: str = "",
        span: tuple[int, int] | None = None,
        whole: Check = anything,
        judged: Container[int] = (),
    ) -> Any:
        """Ask for a document, or for its bytes from the first number of `span` up to before the second.

        `whole`, `judged` and what is raised are as for `send`.
        """
        headers = {"Range": f"bytes={span[0]}-{span[1] - 1}"} if span else {}
        return self._ask("GET", url, token, whole, judged, headers=headers)

    def post(
        self,
        url: str,
        token: str,
        content: Any,
        whole: Check = anything,
        judged: Container[int] = (),
        scheme: str = "Token",
    ) -> Any:
        """Send a document as JSON; `scheme` is the word before the token, and the rest as for `get`."""
        return self._ask("POST", url, token, whole, judged, scheme, json=content)

    def _ask(
        self,
        method: str,
        url: str,
        token: str,
        whole: Check,
        judged: Container[int],
        scheme: str = "Token",
        **more: Any,
    ) -> Any:
        """Send a request, and go where the server sends us, as far as we may."""
        import requests

        for _ in range(_MOST_REDIRECTS):
            check_address(url)
            try:
                request = self._session.prepare_request(
                    requests.Request(method, url, auth=_Authorisation(token, scheme), **more)
                )
            except requests.RequestException as error:
                raise CrantError(f"{url}: cannot be asked ({self.auth.clean(str(error))})") from None
            options = self._session.merge_environment_settings(str(request.url), {}, None, None, None)
            response = self.send(request, whole, judged, **options)
            if not response.is_redirect:
                return response
            url = urljoin(url, response.headers["Location"])
        raise CrantError(f"{url}: the server sends us on and on; check the address")

    def send(self, request: Any, whole: Check = anything, judged: Container[int] = (), **options: Any) -> Any:
        """Send a request and return the answer, whole; or one that leads to where we may go.

        Parameters
        ----------
        request : requests.PreparedRequest
        whole : callable
            Whether an answer with a good status is what was asked for; if not, that counts as a failure that may pass.
        judged : container of int
            Statuses that do not pass by themselves, and that the caller judges itself.
        **options
            Of the adapters of `requests`: proxies, verify, cert.

        Returns
        -------
        requests.Response

        Raises
        ------
        UsageError
            Where it could be read on the way, and the token with it.
        CrantError
            By the table of outcomes: at once, or after as many attempts as that says.
        """
        where = check_address(request.url).partition("?")[0]
        for attempt in itertools.count():
            response, failure = self._once(request, whole, judged, options)
            if failure is None:
                self._forget_rate_limit()
                self._last.address = where
                return response
            outcome = OUTCOMES[failure.condition]
            if outcome.attempts == 1:
                raise outcome.error(f"{where}: {failure.text}")
            most = min(self._policy.attempts, outcome.attempts or self._policy.attempts)
            if attempt + 1 >= most or self._stopped.is_set():
                times = f"{attempt + 1} time{'s' if attempt else ''}"
                raise outcome.error(f"{where}: {failure.text}, {times}; nothing is written; {outcome.advice}")
            wanted = response.headers.get("Retry-After") if response is not None else None
            rate_limits = self._count_rate_limit() if failure.condition == 429 else 0
            # Without what the server says of itself.
            self._policy.wait(attempt, wanted, failure.text.partition(" (")[0], rate_limits)
        return None

    def _once(
        self, request: Any, whole: Check, judged: Container[int], options: dict[str, Any]
    ) -> tuple[Any, Failure | None]:
        """The answer, if there is one, and what is wrong with it."""
        import requests

        try:
            options = {**options, "timeout": self._policy.timeouts, "stream": True}
            with closing(self._adapter.send(request, **options)) as response:
                # Read here, so that a connection that breaks in the middle counts as a failed attempt.
                response._content = read_body(response, self._policy.timeout)
        except requests.RequestException as error:
            return None, self._lost(error)
        if response.status_code in judged:
            return response, None
        return response, self._failure(request, response, whole)

    def _lost(self, error: Exception) -> Failure:
        """What a request is that has no answer."""
        from requests import exceptions

        reason = self.auth.clean(_reason(error))
        if isinstance(error, exceptions.SSLError):
            return Failure("not secure", f"no secure connection ({reason})")
        if isinstance(error, exceptions.ChunkedEncodingError | exceptions.ContentDecodingError):
            return Failure("damaged", "the answer is cut or damaged")
        if isinstance(error, exceptions.Timeout) or "timed out" in str(error).lower():
            return Failure("late", "no answer in time")
        if isinstance(error, exceptions.ConnectionError):
            if re.search("establish|resolve", str(error)):
                return Failure("no connection", f"no connection ({reason})")
            return Failure("broken", f"the connection broke ({reason})")
        return Failure("not asked", f"cannot be asked ({reason})")

    def _failure(self, request: Any, response: Any, whole: Check) -> Failure | None:
        """What is wrong with an answer."""
        status = response.status_code
        if response.is_redirect:
            return self._redirect(request, response)
        if status < 300:
            if is_page(response.headers.get("Content-Type", ""), response.content):
                return Failure("web page", "a web page came in place of data, as a proxy or a login sends it")
            return None if whole(response) else Failure("damaged", "the answer is cut or damaged")
        body = document(response) or {}
        said = self._said(response, body)
        if status in (401, 403):
            return Failure(status, self.auth.refusal(status, said, body))
        return failure_of(status, said, bool(_details(body) or body.get("message")))

    def _redirect(self, request: Any, response: Any) -> Failure | None:
        """What is wrong with where an answer leads: a login page, or another server, where no token must go."""
        location = response.headers["Location"]
        if leads_to_login(location):
            return Failure("login", self.auth.refusal(response.status_code, "", {}))
        try:
            here, there = (urlsplit(url) for url in (request.url, urljoin(request.url, location)))
            same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
            place = f"{there.scheme}://{there.netloc}"
        except ValueError:
            same, place = False, "what is no address"
        if not self.auth.anonymous and not same:
            return Failure(
                "elsewhere",
                f"the server sends us elsewhere (to {self.auth.clean(place)}), and the token does not go there; check "
                "the address",
            )
        try:
            check_address(urljoin(request.url, location))
        except UsageError:
            shown = f"{self.auth.clean(location)}, which is no https address"
        except ValueError:
            shown = "what is no address"
        else:
            return None
        return Failure("elsewhere", f"the server sends us to {shown}; check the address")

    def _said(self, response: Any, body: dict[str, Any]) -> str:
        """What the server says is wrong, in a few words, without secrets."""
        details = _details(body)
        said = next((body[key] for key in ("message", "error_message", "error_msg") if body.get(key)), "")
        said = f"it does not take {json.dumps(details)}, unknown to it" if details else said
        said = said or re.sub(r"<[^>]*>", " ", response.text).strip().strip('"')
        return self.auth.clean(str(said)) or str(response.reason)

    def _count_rate_limit(self) -> int:
        """How many answers have told of too many requests since the last that did not: pauses grow with that."""
        with self._counting:
            self._rate_limits += 1
            return self._rate_limits - 1

    def _forget_rate_limit(self) -> None:
        with self._counting:
            self._rate_limits = max(self._rate_limits - 1, 0)


def _details(body: dict[str, Any]) -> Any:
    """What of a request a server does not take, if it lists that."""
    return body.get("schema_errors") or body.get("errors")


class _Authorisation:
    """Adds the token. Given even without one, since requests else looks for passwords in the user's .netrc."""

    def __init__(self, token: str, scheme: str) -> None:
        self._token, self._scheme = token, scheme

    def __call__(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"{self._scheme} {self._token}"
        return request


def _reason(error: Exception) -> str:
    """What went wrong at the bottom of it."""
    found = str(error)
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
        found = str(getattr(error, "reason", None) or error)
    found = found.rpartition("object at ")[2].partition(">: ")[2] or found
    return found.removeprefix("Failed to establish a new connection: ")
