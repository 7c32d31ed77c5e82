"""File names for whatever neuropils and types are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

#: Characters of a name at most; a few more may follow to keep names apart.
_LONGEST = 80


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A safe file name (without suffix) for each name.

    Letters, digits, `.`, `-` and `_` stay; anything else becomes `_`. No name starts with a dot or a dash, and no two
    are the same on a system that does not heed case: later ones, in the order of the names, get a number.

    Examples
    --------
    >>> file_names(["EPG/PEG", "../x", "epg_peg"])
    {'../x': '_x', 'EPG/PEG': 'EPG_PEG', 'epg_peg': 'epg_peg_2'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(names)):
        stem = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).lstrip(".-")[:_LONGEST].rstrip(".") or "_"
        candidate, number = stem, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{stem}_{number}"
        taken.add(candidate.casefold())
        found[name] = candidate
    return found
