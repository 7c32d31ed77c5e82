"""Words for messages: names that are like another, lists, numbers of things."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


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
