"""What is being asked of servers: said by those who ask, shown by whoever owns the screen."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator


class Progress:
    """What goes on, in words and as a share. Any thread may tell, and any may look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text, self._share = "", -1.0
        self._pauses: list[tuple[float, str, str]] = []

    def say(self, text: str, share: float = -1.0) -> None:
        """Tell what goes on, and which share of it is done, if that is known."""
        with self._lock:
            self._text, self._share = text, share

    @contextlib.contextmanager
    def during(self, text: str) -> Iterator[None]:
        """Tell what goes on in a block; at its end that is nothing any more."""
        self.say(text)
        try:
            yield
        finally:
            self.say("")

    @contextlib.contextmanager
    def pausing(self, why: str, seconds: float, which: str) -> Iterator[None]:
        """Tell that a request failed, and which attempt comes after the pause that the block is."""
        pause = (time.monotonic() + seconds, why, which)
        with self._lock:
            self._pauses.append(pause)
        try:
            yield
        finally:
            with self._lock:
                self._pauses.remove(pause)

    def describe(self) -> str:
        """Of requests that failed, the one that is tried again first, and what goes on; "" for nothing."""
        with self._lock:
            told = [self._text] if self._text else []
            if self._pauses:
                end, why, which = min(self._pauses)
                left = max(math.ceil(end - time.monotonic()), 0)
                told.insert(0, f"{why}; trying again in {left} s ({which})")
        return "; ".join(told)

    def progress(self) -> float:
        """Percent of what goes on, or -1 where that is unknown."""
        with self._lock:
            return 100 * self._share
