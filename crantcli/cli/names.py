"""Names that are empty, as a shell makes them of a variable that is not set."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from crantcli.errors import UsageError

#: What options and arguments that name something call their values.
_NAMES = ("FILE", "FOLDER", "PATH", "SOURCE", "[SOURCE]", "FOLDER|URL")


def without_empty_names(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command refuse empty names: as a path, one is the current folder, and as an option it seems not given."""
    hints = get_type_hints(command, include_extras=True)
    labels = _labels(hints)

    @functools.wraps(command)
    def checked(**values: Any) -> None:
        for name, label in labels.items():
            value = values.get(name)
            if value == "" or (isinstance(value, list) and "" in value):
                raise UsageError(f"{label} is given an empty name; is a variable of the shell not set?")
        command(**values)

    parameters = [
        parameter.replace(annotation=hints[name]) for name, parameter in inspect.signature(command).parameters.items()
    ]
    del checked.__wrapped__
    checked.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    checked.__annotations__ = hints
    return checked


def _labels(hints: dict[str, Any]) -> dict[str, str]:
    """Parameters that name something, and what the user calls them."""
    found = {}
    for name, hint in hints.items():
        for told in getattr(hint, "__metadata__", ()):
            if getattr(told, "metavar", None) in _NAMES or name == "dataset":
                # Typer takes the first word for the default, which stands elsewhere here.
                words = (told.default, *(told.param_decls or ()))
                options = [word for word in words if isinstance(word, str) and word.startswith("--")]
                found[name] = options[0] if options else told.metavar.strip("[]")
    return found
