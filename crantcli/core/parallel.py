"""Several threads for work that numpy does, which lets go of the interpreter while it computes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(task: Callable[[Item], Result], items: Sequence[Item], threads: int | None) -> list[Result]:
    """Do a task for each item, on as many threads as there are cores if not said otherwise; results in order."""
    wanted = min(threads or os.cpu_count() or 1, len(items))
    if wanted <= 1:
        return [task(item) for item in items]
    with ThreadPoolExecutor(wanted) as pool:
        return list(pool.map(task, items))


def in_order(task: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result]:
    """Results of a task for each item, in order. No more than a few wait to be taken."""
    if threads <= 1:
        yield from map(task, items)
        return
    waiting = deque[Future[Result]]()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(task, item))
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
