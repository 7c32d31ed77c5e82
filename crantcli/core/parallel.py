"""Several threads for work that numpy does, which lets go of the interpreter while it computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
