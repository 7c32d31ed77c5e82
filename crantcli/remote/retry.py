"""How often, and for how long, a server is asked. Light: everything imports it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from crantcli.remote.progress import Progress

#: Longest pause between two attempts, in seconds.
_LONGEST_PAUSE = 30.0

#: Longest pause, in seconds, that a server may ask for.
_LONGEST_ASKED = 120.0

#: Seconds for a connection, at most.
_CONNECT = 15.0


def sleep(seconds: float) -> None:
    """Wait between two attempts; a function of its own so that tests need not wait."""
    time.sleep(seconds)


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and for how long, a server is asked.

    Attributes
    ----------
    retries : int
        Attempts after the first. The pauses between them are 0.5, 1, 2, ... up to 30 seconds: 8 of them take a minute
        and a half, which outlasts the restart of a server.
    timeout : float
        Seconds without a byte from the server after which an attempt has failed.
    progress : Progress
        Is told of pauses, and of what goes on.
    """

    retries: int = 8
    timeout: float = 300.0
    progress: Progress = field(default_factory=Progress, compare=False, repr=False)

    @property
    def attempts(self) -> int:
        """How often a request is made, at most."""
        return self.retries + 1

    @property
    def timeouts(self) -> tuple[float, float]:
        """Seconds for a connection, and between two parts of an answer: what `requests` calls a timeout."""
        return min(self.timeout, _CONNECT), self.timeout

    def backoff(self, attempt: int, retry_after: str | None = None) -> float:
        """Seconds to wait after an attempt (from 0); `retry_after` is what the server says in the header."""
        own: float = min(0.5 * 2.0 ** min(attempt, 30), _LONGEST_PAUSE)
        return max(own, min(_seconds(retry_after), _LONGEST_ASKED))

    def wait(self, attempt: int, retry_after: str | None, why: str, rate_limits: int = 0) -> None:
        """Wait for so long, and tell that and why; longer after so many `rate_limits` of other requests."""
        pause = self.backoff(max(attempt, rate_limits), retry_after)
        with self.progress.pausing(why, pause, f"attempt {attempt + 2} of {self.attempts}"):
            sleep(pause)


def _seconds(retry_after: str | None) -> float:
    """What a Retry-After header asks for, a number or a date; 0 where it is neither."""
    if not retry_after:
        return 0.0
    try:
        return float(retry_after)
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    except ValueError:
        return 0.0
