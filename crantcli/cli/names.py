"""Names that are empty, as a shell makes them of a variable that is not set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crantcli.errors import UsageError

#: What options and arguments that name something call their values.
_NAMES = ("FILE", "FOLDER", "PATH", "SOURCE", "[SOURCE]", "FOLDER|URL")


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
    found = {}
    for name, hint in hints.items():
        for told in getattr(hint, "__metadata__", ()):
            if getattr(told, "metavar", None) in _NAMES or name == "dataset":
                # Typer takes the first word for the default, which stands elsewhere here.
                words = (told.default, *(told.param_decls or ()))
                options = [word for word in words if isinstance(word, str) and word.startswith("--")]
                found[name] = options[0] if options else told.metavar.strip("[]")
    return found
