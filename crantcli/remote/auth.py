"""Tokens: where they may go, that they are never shown, and what to say where one does not do."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from crantcli.errors import UsageError

#: Signs of a text of others that a message may have.
_LONGEST = 300


def check_address(address: str) -> str:
    """The address, if what it sends and receives cannot be read or changed on the way.

    Raises
    ------
    UsageError
        Unless it is https, or http on this computer.
    """
    try:
        parts = urlsplit(address)
        host, scheme = parts.hostname or "", parts.scheme
    except ValueError:
        host, scheme = "", ""
    if not host or scheme not in ("http", "https"):
        raise UsageError(f"{address}: no web address; it starts with https://")
    if scheme == "http" and not _is_here(host):
        raise UsageError(f"{address}: http can be read and changed on the way; give an https address")
    return address


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_token(text: Any) -> bool:
    """Whether a text can be a token: those have letters, digits, dots and dashes only."""
    return isinstance(text, str) and text.isascii() and text.isprintable() and bool(text) and " " not in text


def leads_to_login(location: str) -> bool:
    """Whether a server sends us to where people log in: how some tell that there is no token."""
    return re.search(r"/(sticky_)?auth/|/authorize|/login|/oauth", location) is not None


class Auth:
    """What a client knows of the tokens for a server, which stay on it.

    Parameters
    ----------
    help_token : str
        What to do about a missing or wrong token, for messages.
    """

    #: Whether there are no tokens, so that a server may send us on to another one.
    anonymous = False

    def __init__(self, help_token: str = "") -> None:
        self._help = help_token
        self._secrets: list[str] = []

    def keep_secret(self, token: str) -> None:
        """Cut this out of whatever is said about a failure."""
        self._secrets.append(token)

    def clean(self, text: str) -> str:
        """A text of others without tokens, on one line, and no longer than a message may be."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:_LONGEST]

    def refusal(self, status: int, said: str, body: dict[str, Any]) -> str:
        """What to do about 401, 403 and a way to the login page (another status).

        Parameters
        ----------
        status : int
        said : str
            What the server says is wrong.
        body : dict
            The answer, where it is JSON.
        """
        if body.get("error") == "missing_tos":
            data = body.get("data")
            form = data.get("tos_form_url") if isinstance(data, dict) else None
            address = self.clean(str(form or "the server's page of terms"))
            return f"the terms of service are not accepted yet; open {address} in a browser and accept them"
        if status == 403:
            return f"this token has no right to read this ({said}); ask the data set's owners"
        if status == 401:
            return f"the token is not accepted (wrong, or expired); {self._help}"
        return f"the server wants a token; {self._help}"


class NoAuth(Auth):
    """For what everybody may read."""

    anonymous = True

    def refusal(self, status: int, said: str, body: dict[str, Any]) -> str:
        """As for Auth."""
        return "the server does not let everybody read this; is the address right?"
