"""States of Neuroglancer on a state server of CAVE, which gives them short addresses.

What of the server's interface (caveclient 8, `jsonservice.py`) this relies on: `POST SERVER/post` takes a state as JSON
and a token, and answers with an address that ends in the state's number; `SERVER/NUMBER` is the state from then on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from crantcli.core.addresses import CaveAddress
from crantcli.errors import DataError
from crantcli.remote.auth import check_address
from crantcli.remote.body import parse_json
from crantcli.remote.retry import RetryPolicy
from crantcli.sources.cave.connection import Connection


def keep_state(server: str, state: Mapping[str, Any], policy: RetryPolicy) -> str:
    """Have a state kept, and return its address.

    Parameters
    ----------
    server : str
        Such as `https://global.daf-apis.com/nglstate/api/v1`.
    state : mapping
    policy : RetryPolicy

    Raises
    ------
    AuthorisationError
        Where there is no token for this server, or it will not do.
    DataError
        For an answer without a number.
    CrantError
        Where there is none.
    """
    server = check_address(server.rstrip("/"))
    parts = urlsplit(server)
    connection = Connection(CaveAddress(f"{parts.scheme}://{parts.netloc}", ""), policy)
    number = _number(connection.post(f"{server}/post", dict(state), _is_whole))
    if number is None:
        raise DataError(
            f"{server}/post: the answer is not of the form that it should have; is it the address of a state server of "
            "CAVE?"
        )
    return f"{server}/{number}"


def _is_whole(answer: Any) -> bool:
    """Whether an answer is what may be asked for, an address, or at least JSON."""
    try:
        return _number(answer) is not None or parse_json(answer.content) is not None
    except ValueError:
        return False


def _number(answer: Any) -> str | None:
    """The number of a state, at the end of the address that the server answers with."""
    found = re.fullmatch(r'\s*"?[^"\s]*/([0-9]+)"?\s*', answer.text)
    return found and found[1]
