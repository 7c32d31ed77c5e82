"""Threads that ask servers."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any


class WorkerPool:
    """Threads that work off what is put to them. An interrupted run does not wait for what they are waiting for."""

    def __init__(self, number: int) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[Any], Any], Any] | None] = queue.SimpleQueue()
        self._number = number
        for _ in range(number):
            threading.Thread(target=self._work, daemon=True).start()

    def submit(self, function: Callable[[Any], Any], argument: Any) -> Future[Any]:
        """Put a call to the threads."""
        future: Future[Any] = Future()
        self._waiting.put((future, function, argument))
        return future

    def map(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> list[Any]:
        """What a function gives for each argument. An error ends that at once, whatever else is under way."""
        futures = [self.submit(function, argument) for argument in arguments]
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
        return [future.result() for future in futures]

    def close(self) -> None:
        """Let the threads end when they are done with what they are at; the rest is not begun."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        for _ in range(self._number):
            self._waiting.put(None)

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            future, function, argument = item
            try:
                future.set_result(function(argument))
            except BaseException as error:
                future.set_exception(error)
