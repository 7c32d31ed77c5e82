"""What an engine may take of the machine."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.system.temporary import is_text
from crantcli.text import P

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
DEFAULT_MEMORY = "2GB"

#: Rows of a result that is one file, and that come here from a spread engine for one.
MAX_RESULT = 50_000_000

#: More threads than any machine has cores for; the engine would start them all.
MOST_THREADS = 1024


def parse_memory(value: str) -> int:
    """Bytes of `2GB`, `500MB`, `1.5g`.

    Raises
    ------
    UsageError
        For anything else, and for less than 100 MB, with which the engine cannot work.
    """
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{P.max_memory}={value!r}: write it like '2GB' or '500MB'")
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", value.lower())
    if not match:
        raise UsageError(f"{P.max_memory} {value}: write it like 2GB or 500MB")
    scale = _UNITS[match[2]]
    if match[3]:
        scale = 1024 ** list(_UNITS).index(match[2])
    size = int(float(match[1]) * scale)
    if size < 100 * 10**6:
        raise UsageError(f"{P.max_memory} {value} is too little; give at least 100MB")
    return size


def allowed_places(scratch: Path, files: Iterable[str | os.PathLike[str]]) -> tuple[list[str], list[str]]:
    """Folders and files that an engine may open: its own scratch folder, and these. It follows links before it looks.

    Returns
    -------
    tuple
        Folders, and files.
    """
    # What is written to stdout goes through a pipe, which the engine opens by its descriptor; a file that is open
    # under a descriptor is looked up under its own name.
    folders, paths = [os.path.realpath(scratch), "/dev/fd"], list[str]()
    for file in files:
        name = os.fspath(file)
        # Names are also given as patterns, in which their special characters are escaped.
        real = os.path.realpath(name)
        spelled = [real, glob.escape(real), glob.escape(os.path.abspath(name))]
        # A name that is no text cannot be told in a query; such files are read from the scratch folder.
        spelled = [spelling for spelling in spelled if is_text(spelling)]
        there = os.path.exists(name)
        folders += spelled if os.path.isdir(name) or not there else []
        paths += spelled if not os.path.isdir(name) else []
    return list(dict.fromkeys(folders)), list(dict.fromkeys(paths))
