"""One process at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock, which goes with the process: the next one waits until the block ends, or the process does.

    Parameters
    ----------
    path : Path
        A file that stands for the lock, and may say something of what is locked. It is made, and stays: whoever
        removed it would part those who wait for it from those who come later.

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
