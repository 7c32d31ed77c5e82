"""What the user calls the parameters of a command: its options, and its arguments by what stands for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from crantcli.errors import UsageError
from crantcli.text import Flag

#: What options and arguments that name something call their values.
_NAMES = ("FILE", "FOLDER", "PATH", "SOURCE", "[SOURCE]", "FOLDER|URL")

#: `crantcli COMMAND` -> what gives its parameters, with what Typer is told of them.
_HINTS: dict[str, Callable[[], Mapping[str, Any]]] = {}


def declare(label: str, hints: Callable[[], Mapping[str, Any]]) -> None:
    """Learn where what Typer is told of a command's parameters comes from."""
    _HINTS[label] = hints


def flags_of(label: str) -> Mapping[str, Flag]:
    """The options of a command, such as `crantcli nested`, by parameter; none where no command is meant."""
    return _declared(label) if label in _HINTS else {}


@cache
def _declared(label: str) -> Mapping[str, Flag]:
    return {name: _flag(told) for name, told in _declarations(_HINTS[label]())}


def refuse_empty_names(values: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """Refuse empty names: as a path, one is the current folder, and as an option it seems not given.

    Raises
    ------
    UsageError
    """
    for name, label in labels.items():
        value = values.get(name)
        if value == "" or (isinstance(value, list) and "" in value):
            raise UsageError(f"{label} is given an empty name; is a variable of the shell not set?")


def labels_of(hints: Mapping[str, Any]) -> dict[str, str]:
    """Parameters that name something, and what the user calls them."""
    return {
        name: _flag(told).on
        for name, told in _declarations(hints)
        if getattr(told, "metavar", None) in _NAMES or name == "dataset"
    }


def _declarations(hints: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Parameters, and what Typer is told of each."""
    for name, hint in hints.items():
        for told in getattr(hint, "__metadata__", ()):
            yield name, told


def _flag(told: Any) -> Flag:
    """`--clean` and `--no-clean` of an option, `SOURCE` of an argument."""
    # Typer takes the first word for the default, which stands elsewhere here.
    words = (told.default, *(told.param_decls or ()))
    options = [word for word in words if isinstance(word, str) and word.startswith("--")]
    if not options:
        return Flag(told.metavar.strip("[]"), "")
    on, _, off = options[0].partition("/")
    return Flag(on, off)
