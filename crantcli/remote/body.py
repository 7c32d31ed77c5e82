"""Bodies of answers: read to their end, and what they are."""

from __future__ import annotations

import json
import time
from typing import Any

#: Bytes that are read at once.
_BLOCK = 2**16

#: Seconds for a whole answer, at most: a server that sends a byte now and then is never silent.
_WHOLE = 900.0


def read_body(response: Any, timeout: float) -> bytes:
    """The whole of an answer.

    Raises
    ------
    requests.Timeout
        Where it does not come to an end.
    """
    import requests

    read = getattr(response.raw, "read1", None)  # since urllib3 2.1
    if read is not None:
        # As it comes: its own way waits until a block is full, however long that takes.
        response.raw.stream = lambda size, decode_content: iter(
            lambda: read(size, decode_content=decode_content) or b"", b""
        )
    blocks, end = [], time.monotonic() + max(_WHOLE, timeout)
    for block in response.iter_content(_BLOCK):
        blocks.append(block)
        if time.monotonic() > end:
            raise requests.Timeout
    return b"".join(blocks)


def parse_json(text: str | bytes) -> Any:
    """What a text says in JSON.

    Raises
    ------
    ValueError
        Where it is something else, or more lists within one another than anybody would send.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too many lists within one another") from None


def document(response: Any) -> dict[str, Any] | None:
    """The JSON object that an answer is; None where it is something else."""
    try:
        found = parse_json(response.content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def is_page(kind: str, body: bytes) -> bool:
    """Whether an answer is a web page, by its Content-Type and itself."""
    start = body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html")) or ("html" in kind.lower() and start.startswith(b"<"))
