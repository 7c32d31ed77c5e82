"""Parameters inside messages: Python callers read `min_size`, the command line `--min-size`.

Messages are written below both: `f"{P.min_size} needs a size column"` marks a parameter, and whoever shows the text
spells it: `in_python` for callers from Python, `as_flags` for the command line and for what files record.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

#: Around a parameter: characters that Unicode keeps for the inner use of programs, and that no text of a file has.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"

_MARKED = re.compile(f"{_OPEN}([a-z_]+)(?:=([^{_CLOSE}]*)| ([^{_CLOSE}]*))?{_CLOSE}")


class Param(str):
    """A parameter as it stands in a message."""

    __slots__ = ()

    @property
    def flag(self) -> str:
        """As a command line has it that stands in a message, for Python callers, too."""
        return as_flags(self)

    def __call__(self, value: str | int | float) -> Param:
        """With a value: `by="type"` and `--by type`, `clean=False` and `--no-clean`."""
        given = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
        return Param(f"{self[:-1]}={given}{_CLOSE}")

    def metavar(self, *words: str) -> Param:
        """With what stands for its value on the command line, or several such: `totals` and `--totals FILE`."""
        return Param(f"{self[:-1]} {' '.join(words)}{_CLOSE}")


class _Parameters:
    """Parameters by name: `P.min_size`."""

    def __getattr__(self, name: str) -> Param:
        if name.startswith("_"):
            raise AttributeError(name)
        return Param(f"{_OPEN}{name}{_CLOSE}")


P = _Parameters()


class Flag(NamedTuple):
    """An option: what switches it on or takes its value, and what switches it off."""

    on: str
    off: str


def in_python(text: str, names: Mapping[str, str] | None = None) -> str:
    """A message for callers from Python; `names` are those of parameters that a function calls otherwise."""

    def spelled(found: re.Match[str]) -> str:
        name, value, _ = found.groups()
        name = (names or {}).get(name, name)
        return name if value is None else f"{name}={value}"

    return _MARKED.sub(spelled, text)


def as_flags(text: str, flags: Mapping[str, Flag] | None = None) -> str:
    """A message for the shell; `flags` are those of the command that runs, others are spelled by the rule."""

    def spelled(found: re.Match[str]) -> str:
        name, value, words = found.groups()
        flag = (flags or {}).get(name) or flag_of(name)
        if words is not None:
            return " or ".join(f"{flag.on} {word}" for word in words.split())
        if value is None or value == "True":
            return flag.on
        return flag.off if value == "False" else f"{flag.on} {shlex.quote(_text(value))}"

    return _MARKED.sub(spelled, text)


def _text(value: str) -> str:
    return str(json.loads(value)) if value.startswith('"') else value


def flag_of(name: str) -> Flag:
    """The option of a parameter, by the rule that holds for nearly all of them."""
    dashed = name.replace("_", "-")
    return Flag("--" + dashed, "--no-" + dashed)


def flags_in(value: Any, flags: Mapping[str, Flag] | None = None) -> Any:
    """What holds messages, such as a summary, with all of them as the shell has them."""
    if isinstance(value, str):
        return as_flags(value, flags)
    if isinstance(value, Mapping):
        return {name: flags_in(item, flags) for name, item in value.items()}
    return [flags_in(item, flags) for item in value] if isinstance(value, list | tuple) else value
