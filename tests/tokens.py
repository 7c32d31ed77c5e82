"""The tokens of all tests, declared here and nowhere else, and the search for where one must never get to.

All have `MARK` in them, so that one search finds each of them, and a part of one as well.
"""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from pathlib import Path

#: Letters and digits only, which look the same in JSON, in an address and in XML; short, so that a token that was cut
#: off in a message is found too.
MARK = "0sekret7q0"

#: Of the CAVE server.
CAVE_TOKEN = f"{MARK}0cave0123456789"

#: That no server accepts, and that no header can carry.
WRONG_TOKEN = f"{MARK}-wrong-0815"
UNSENDABLE_TOKENS = (f"two {MARK}s", f"döner{MARK}")

#: Of a SeaTable account, of one of its bases, what the server makes of the former, and what it gives for either.
ACCOUNT_TOKEN = f"{MARK}-account-5f1d2c"
BASE_TOKEN = f"{MARK}-base-77ab01"
PASSING_TOKEN = f"{MARK}-passing-c0ffee"
ACCESS_TOKEN = f"{MARK}.eyJ0eXAi.90ab"

#: What came to the servers of the tests.
arrived: set[str] = set()


def _in_base64(mark: bytes) -> list[bytes]:
    """What is the same of it in base64 whatever stands before and behind, at each of the three places for it."""
    return [
        base64.b64encode(bytes(before) + mark)[-(-8 * before // 6) : 8 * (before + len(mark)) // 6]
        for before in range(3)
    ]


_NEEDLES = (MARK.encode(), *_in_base64(MARK.encode()))


def shows(said: str | bytes) -> bool:
    """Whether a token is in it, as it is or in base64; also with more bytes for each letter, as in arrays of text."""
    data = said.encode(errors="replace") if isinstance(said, str) else said
    return any(needle in form for form in (data, data.replace(b"\0", b"")) for needle in _NEEDLES)


def holds(path: Path) -> bool:
    """Whether a token is in a file, or in what is packed into it. Compressed pages of Parquet are not opened."""
    data = path.read_bytes()
    packed = [data]
    if data[:2] == b"\x1f\x8b":
        packed.append(gzip.decompress(data))
    if data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            packed += [archive.read(name) for name in archive.namelist()]
    return any(map(shows, packed))
