"""What can become of a request, and what each condition is: which error, with which exit code, after how many attempts.

The one table for all servers. Some servers answer every mistake with 500, and tell in the text which status they mean.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from crantcli.errors import AuthorisationError, CrantError, DataError, IncompleteError
from crantcli.text import P


class RefusedError(DataError):
    """A server does not accept what is asked for."""


class NotFoundError(RefusedError):
    """A server does not know what is asked for."""


class GoneError(IncompleteError):
    """A server does not have something any more."""


class NotReadyError(IncompleteError):
    """A server does not have everything yet."""


class NoAnswerError(IncompleteError):
    """A server fails for too long. What it gave before is as good as ever."""


class TooLargeError(CrantError):
    """A request is larger than the server takes."""


class Outcome(NamedTuple):
    """What a condition is.

    Attributes
    ----------
    error : type of CrantError
    attempts : int or None
        How many are worth while; None for as many as the user wants.
    advice : str
        What to do after the last of several attempts.
    """

    error: type[CrantError]
    attempts: int | None = 1
    advice: str = f"try again later, with more {P.retries} or a longer {P.timeout}"


class Failure(NamedTuple):
    """What became of an attempt: a condition of the table, and how to say it."""

    condition: int | str
    text: str


#: Attempts where a server may have a bad moment, but more likely goes on like that.
FEW = 4

_PASSES = Outcome(NoAnswerError, None)
_AT_FAULT = Outcome(NoAnswerError, FEW, "the request may be at fault")

#: Condition, or HTTP status -> what it is.
OUTCOMES: dict[int | str, Outcome] = {
    "no connection": _PASSES,
    "broken": _PASSES,
    "late": _PASSES,
    "damaged": _PASSES,
    "web page": Outcome(NoAnswerError, FEW, "open the address in a browser to see what it is"),
    "not secure": Outcome(CrantError),
    "not asked": Outcome(CrantError),
    "elsewhere": Outcome(CrantError),
    "login": Outcome(AuthorisationError),
    401: Outcome(AuthorisationError),
    403: Outcome(AuthorisationError),
    404: Outcome(NotFoundError),
    406: Outcome(NotReadyError),
    410: Outcome(GoneError),
    413: Outcome(TooLargeError),
    "other 3xx": _AT_FAULT,
    "other 4xx": Outcome(RefusedError),
    **dict.fromkeys((408, 429, 502, 503, 504), _PASSES),
    "500 of a data base": _PASSES,
    "500 that lasts": Outcome(RefusedError),
    "500 with a reason": _AT_FAULT,
    "other 5xx": _PASSES,
}

#: The status that the text of a 500 begins with, such as "406 Not Acceptable: There are ...".
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


def failure_of(status: int, said: str, explained: bool) -> Failure:
    """What an answer is whose status tells of a failure (300 or more, and none that leads elsewhere).

    Parameters
    ----------
    status : int
    said : str
        What it says is wrong.
    explained : bool
        It says so as servers do that answer mistakes with 500.
    """
    meant = _STATUS.match(said) if status == 500 else None
    if meant:
        status, said = int(meant[1]), said[meant.end() :]
    if status in (401, 403):  # in a text: the token has been accepted before
        return Failure(
            status,
            f"the server does not let you read this ({said}); your token is good: ask the owner of the table for leave "
            "to read it",
        )
    if status in _TEXTS:
        return Failure(status, _TEXTS[status].format(said=said))
    if status < 400 or status in OUTCOMES:
        condition = status if status in OUTCOMES else "other 3xx"
        return Failure(condition, f"the server answers {status}{f' ({said})' if meant else ''}")
    if status < 500:
        return Failure("other 4xx", f"the server refuses the request with {status} ({said})")
    if _DATA_BASE.search(said):
        return Failure("500 of a data base", f"the server fails with {status} ({said})")
    if explained and _LASTING.search(said):
        return Failure("500 that lasts", said)
    reason = explained or meant
    return Failure("500 with a reason" if reason else "other 5xx", f"the server fails with {status} ({said})")


_TEXTS = {
    404: "the server does not know it ({said})",
    406: "{said}",
    410: "the server does not have it any more ({said})",
    413: "the request is too large for the server",
}
