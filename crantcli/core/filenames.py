"""File names for what is named by the user or by the data: neuropils, cell types."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

#: Longest name that is made, leaving room for suffixes and for the names of temporary files (255 bytes in all).
_LONGEST = 80

#: Names that Windows keeps for devices, whatever their suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_file_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """File names, without suffix, for any names.

    Letters, digits and `. _ + -` stay as they are; anything else becomes `_`, so that there are no path parts. Where
    names would share a file, also on systems that take `A` and `a` for the same, each gets a hash of itself. A name's
    file does not depend on the order of names.

    Parameters
    ----------
    names : iterable of str
    taken : iterable of str
        File names that are used for something else.

    Returns
    -------
    dict
        Name -> file name: at most 80 ASCII characters, the first one a letter, a digit, `_` or `+`.
    """
    plain = {name: _plain(name) for name in names}
    shared = [file.lower() for file in plain.values()]
    used = {file.lower() for file in taken}
    found = {name: file for name, file in plain.items() if shared.count(file.lower()) == 1 and file.lower() not in used}
    used |= {file.lower() for file in found.values()}
    for name in sorted(plain.keys() - found.keys()):
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        for length in range(8, len(digest) + 1, 8):
            file = f"{plain[name][: _LONGEST - 1 - length]}-{digest[:length]}"
            if file.lower() not in used:
                break
        found[name] = file
        used.add(file.lower())
    return {name: found[name] for name in plain}


def _plain(name: str) -> str:
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    file = re.sub(r"[^A-Za-z0-9._+-]", "_", letters)[:_LONGEST].lstrip(".-").rstrip(".")
    if _DEVICES.fullmatch(file):
        file = f"_{file}"[:_LONGEST]
    return file or "_"
