"""Values of options that come from Python, where no command line has seen to their types.

A switch that is text counts as on, whatever the text says, and half a synapse as a number: such values end here.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from typing import Any

from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.text import P


def _wrong(name: str, value: Any, right: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"{getattr(P, name)}={value!r}: {right}")


def check_switches(**values: Any) -> None:
    """See that these parameters are True or False.

    Raises
    ------
    ArgumentTypeError
    """
    for name, value in values.items():
        if not isinstance(value, bool):
            raise _wrong(name, value, "True or False")


def whole_number(name: str, value: Any) -> int | None:
    """A whole number of any kind, such as NumPy's, as Python's own; None where none is given.

    Raises
    ------
    ArgumentTypeError
    """
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise _wrong(name, value, "a whole number")
    return operator.index(value)


def check_names(**values: Any) -> None:
    """See that these parameters are text that is not empty, or None.

    Raises
    ------
    ArgumentTypeError
        Where one is no text.
    UsageError
        Where one is empty, as a variable may be that is not set.
    """
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            raise _wrong(name, value, "text")
        if value == "":
            raise UsageError(f"{getattr(P, name)} is an empty name; is a variable not set?")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """See that a parameter is one of some words.

    Raises
    ------
    UsageError
    """
    if value not in choices:
        raise UsageError(f"{getattr(P, name)}={value!r}: {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}")


def path_name(name: str, value: Any) -> str | None:
    """A path as text; None where none is given.

    Raises
    ------
    ArgumentTypeError
        Where it is no path.
    UsageError
        Where it is empty: that would be the current folder.
    """
    if value is None:
        return None
    try:
        found = os.fspath(value)
    except TypeError:
        raise _wrong(name, value, "a path") from None
    check_names(**{name: found})
    return str(found)
