"""What can go wrong, and the exit code of each kind (the one table of them).

Core, sources, engine and output raise these; the command line prints their text as one line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from crantcli.text import in_python


class CrantError(Exception):
    """Something failed at run time: a file that cannot be written, a full disk, too little memory.

    Parameters
    ----------
    message : str
        Its parameters are marked (see `crantcli.text`). `str(error)` has them as Python callers know them.

    Attributes
    ----------
    message : str
        As it was given: for the command line, and for errors that say more.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(in_python(message))
        self.message = message


class DefectError(CrantError):
    """Something failed that should not: a defect of crantcli."""


class UsageError(CrantError, ValueError):
    """An option, a value or a file name is wrong."""

    exit_code = 2


class ArgumentTypeError(UsageError, TypeError):
    """A Python argument has a type that the function does not take, such as a float for a neuron ID."""


class DataError(CrantError, ValueError):
    """The data does not say what is needed: columns, IDs, types, units, criteria."""

    exit_code = 3


class EmptyResultError(CrantError):
    """Nothing is left, and `--fail-empty` asked for that to be an error."""

    exit_code = 4


class AuthorisationError(CrantError):
    """A server wants a token, or does not accept the one it got."""

    exit_code = 5


class IncompleteError(CrantError):
    """What was read is not known to be whole: a server's answer, or a file that changed meanwhile."""

    exit_code = 6


class ConditionError(CrantError):
    """A condition holds that `--fail-on` asked to be an error, or a night failed. All is written all the same."""

    exit_code = 7


def damaged(name: object, reason: object) -> DataError:
    """What to raise for a file that is not what it was when it was written."""
    return DataError(f"{name}: is truncated or damaged ({reason}); make it or fetch it again")


@contextlib.contextmanager
def writing_to(place: object) -> Iterator[None]:
    """Say where the disk does not take what is written to it.

    Raises
    ------
    CrantError
        For any `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise CrantError(f"{place}: cannot be written ({error.strerror or error})") from None


#: Exit code after SIGHUP: 128 + SIGHUP.
HUNG_UP = 129

#: Exit code after Ctrl-C, as shells count it: 128 + SIGINT.
INTERRUPTED = 130

#: Exit code after SIGTERM: 128 + SIGTERM.
TERMINATED = 143


class CrantWarning(UserWarning):
    """What the command line would print as a note, for callers from Python."""
