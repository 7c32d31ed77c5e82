"""What the command does when it is told to stop: it removes what it has not finished, says nothing, and ends.

This is the first thing that the command loads, so it imports next to nothing. A library that is imported by somebody
else's program has no say in signals: `install` is for the command alone.
"""

from __future__ import annotations

# The module `signal` wraps this one in enumerations, which take longer to make than Ctrl-C to come.
import _signal  # type: ignore[import-not-found]
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Signals that end the command. Shells count the exit code as 128 and the signal: 129, 130, 143.
_ENDING = tuple(getattr(_signal, name) for name in ("SIGHUP", "SIGINT", "SIGTERM") if hasattr(_signal, name))

_cleanups: list[Callable[[], None]] = []
_waiting: list[int] = []
_leaving = False


def install() -> None:
    """Let the command end in order when it is told to. What is ignored, as under nohup, stays ignored."""
    for number in _ENDING:
        if _signal.getsignal(number) in (_signal.SIG_DFL, _signal.default_int_handler):
            _signal.signal(number, _leave)


def ignore() -> None:
    """Everything is done and written, so nothing is left to be stopped."""
    for number in _ENDING:
        _signal.signal(number, _signal.SIG_IGN)


def leaving() -> bool:
    """Whether the command is ending, so that nothing new may be begun by other threads."""
    return _leaving


def on_leave(cleanup: Callable[[], None]) -> None:
    """Have something done when a signal ends the command, after what was told before; it must not wait for what the
    main thread may hold.
    """
    _cleanups.append(cleanup)


class Held:
    """A block, which must be short, that signals do not leave half done: they wait for its end."""

    _depth = 0

    def __enter__(self) -> None:
        """Let signals wait."""
        Held._depth += 1

    def __exit__(self, *_: object) -> None:
        """End the command if it has been told to meanwhile."""
        Held._depth -= 1
        if _waiting and not Held._depth:
            _leave(_waiting[0], None)


def _leave(number: int, _frame: object) -> None:
    """End here and now.

    An exception would not do: raised while a package is being loaded, or while the engine or Arrow call back, it is
    taken for a fault of theirs, printed, or lost.
    """
    global _leaving
    if Held._depth:
        _waiting.append(number)
        return
    _leaving = True
    ignore()  # so that a second one does not stop the cleaning
    for cleanup in _cleanups:
        try:
            cleanup()
        except Exception:  # nobody is left to be told
            continue
    os._exit(128 + number)
