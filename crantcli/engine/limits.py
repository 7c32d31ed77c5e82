"""What an engine may take of the machine."""

from __future__ import annotations

import re

from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.text import P

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
DEFAULT_MEMORY = "2GB"

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
