"""Words for messages: parameters, names that are like another, lists, numbers of things.

Messages are written below the command line and the Python functions, which call parameters otherwise. So a parameter is
marked, as in `f"{P.min_size} needs a size column"`, and whoever shows the text spells it: `min_size` for callers from
Python (`in_python`), `--min-size` for the shell and in what files record (`as_flags`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


def did_you_mean(name: str, names: Iterable[str], what: str = "columns") -> str:
    """Names like `name`, for an error message: `near names: ...`, or all of them."""
    known = list(names)
    lower = {candidate.lower(): candidate for candidate in known}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, n=4, cutoff=0.5)]
    return f"near names: {', '.join(close)}" if close else f"{what}: {join_names(known)}"


def join_names(names: Sequence[str], most: int = 20) -> str:
    """Names for a message, not too many of them."""
    more = f", ... ({len(names):,} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def plural(number: int, thing: str, verb: str = "") -> str:
    """How many things, for a message, with a verb in the plural: `1 neuron has`, `2 neurons have`."""
    if number != 1:
        return f"{number:,} {thing}s {verb}".rstrip()
    return f"1 {thing} {({'are': 'is', 'have': 'has'}.get(verb, verb + 's')) if verb else ''}".rstrip()


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
        import json

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
    import shlex

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
    import json

    return str(json.loads(value)) if value.startswith('"') else value


def flag_of(name: str) -> Flag:
    """The option of a parameter, by the rule that holds for nearly all of them: `from_` is `--from`."""
    dashed = name.rstrip("_").replace("_", "-")
    return Flag(*(f"--{word}" for word in (dashed, f"no-{dashed}")))


def flags_in(value: Any, flags: Mapping[str, Flag] | None = None) -> Any:
    """What holds messages, such as a summary, with all of them as the shell has them."""
    try:
        return _flags_in(value, flags)
    except RecursionError:  # of what a damaged file holds: nothing of ours is that deep
        return value


def _flags_in(value: Any, flags: Mapping[str, Flag] | None) -> Any:
    if isinstance(value, str):
        return as_flags(value, flags)
    if isinstance(value, Mapping):
        return {name: _flags_in(item, flags) for name, item in value.items()}
    return [_flags_in(item, flags) for item in value] if isinstance(value, list | tuple) else value
