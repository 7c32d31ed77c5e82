"""Files in a folder or on a server, whole or in part, read in the same way."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from crantcli.errors import CrantError, DataError, IncompleteError, UsageError
from crantcli.remote.auth import check_address
from crantcli.remote.client import RemoteClient

Span = tuple[int, int]

#: Statuses for a file that is not there, and for a part of one that begins after its end.
_NO_FILE, _NO_SUCH_PART = 404, 416


class FileStore(Protocol):
    """A place with files.

    Attributes
    ----------
    address : str
        Of the folder, without a slash at its end.
    remote : bool
        It is on a server.
    """

    address: str
    remote: bool

    def read(self, name: str, span: Span | None = None) -> bytes | None:
        """A file, or its bytes from the first number of `span` up to before the second; None where there is none.

        A file that ends before gives fewer bytes.
        """
        ...

    def child(self, path: str) -> FileStore:
        """A folder by its relative path, which may lead upwards."""
        ...

    def broken(self, what: str) -> CrantError:
        """The error for a file that is missing or damaged."""
        ...


class LocalStore:
    """Files on this computer."""

    remote = False

    def __init__(self, path: Path) -> None:
        self.path, self.address = path, str(path)

    def checked(self) -> LocalStore:
        """The same.

        Raises
        ------
        UsageError
            Where it is not there.
        """
        if not self.path.is_dir():
            raise UsageError(f"{self.path}: there is no such folder")
        return self

    def read(self, name: str, span: Span | None = None) -> bytes | None:
        """As for FileStore."""
        try:
            with (self.path / name).open("rb") as file:
                if span is None:
                    return file.read()
                # Damaged files name bytes far beyond their end, which would be made room for.
                start, end = (min(place, os.fstat(file.fileno()).st_size) for place in span)
                file.seek(start)
                return file.read(max(end - start, 0))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except ValueError:  # no file has a zero byte in its name
            return None
        except OSError as error:
            raise CrantError(f"{self.path / name}: cannot be read ({error.strerror or error})") from None

    def child(self, path: str) -> LocalStore:
        """As for FileStore."""
        return LocalStore(self.path / path)

    def broken(self, what: str) -> DataError:
        """As for FileStore."""
        return DataError(f"{self.address}: {what}")

    def names(self) -> list[str]:
        """Files in it; none where there is no such folder."""
        try:
            return sorted(entry.name for entry in self.path.iterdir() if entry.is_file())
        except (OSError, ValueError):
            return []


class HttpStore:
    """Files on a server."""

    remote = True

    def __init__(self, address: str, client: RemoteClient) -> None:
        self.address, self._client = check_address(address).rstrip("/"), client
        self._whole: dict[str, bytes] = {}

    def read(self, name: str, span: Span | None = None) -> bytes | None:
        """As for FileStore."""
        if span is not None and span[0] >= span[1]:
            return b""
        if name in self._whole:
            return self._whole[name] if span is None else self._whole[name][slice(*span)]
        url = f"{self.address}/{quote(name, safe='/:')}"
        answer = self._client.get(url, span=span, judged=(_NO_FILE, _NO_SUCH_PART))
        if answer.status_code == _NO_FILE:
            return None
        if answer.status_code == _NO_SUCH_PART:
            return b""
        body: bytes = answer.content
        if (
            answer.status_code == 206
            and span
            and answer.headers.get("Content-Range", "").startswith(f"bytes {span[0]}-")
        ):
            return body[: span[1] - span[0]]
        if answer.status_code != 200:
            raise IncompleteError(f"{url}: the server answers {answer.status_code}")
        # Some servers give the whole file whatever part is asked for.
        if span is not None:
            self._whole[name] = body
            return body[slice(*span)]
        return body

    def child(self, path: str) -> HttpStore:
        """As for FileStore."""
        parts = urlsplit(self.address)
        joined = posixpath.normpath(posixpath.join(parts.path or "/", quote(path, safe="/")))
        return HttpStore(urlunsplit(parts._replace(path=joined)), self._client)

    def broken(self, what: str) -> IncompleteError:
        """As for FileStore."""
        return IncompleteError(f"{self.address}: {what}")


def web_address(address: str) -> str | None:
    """The web address of a source as neuroglancer writes it; None for a folder.

    `precomputed://` before and `|neuroglancer-precomputed:` behind are left out, and `gs://` stands for Google's
    storage.

    Raises
    ------
    UsageError
        For addresses that cannot be read.
    """
    bare = address.strip().removeprefix("precomputed://").partition("|")[0]
    if bare.startswith("gs://"):
        bare = "https://storage.googleapis.com/" + bare.removeprefix("gs://")
    if "://" not in bare or bare.startswith("file://"):
        return None
    return check_address(bare)


def local_path(address: str) -> Path:
    """The folder of a source that has no web address."""
    bare = address.strip().removeprefix("precomputed://").partition("|")[0]
    return Path(bare.removeprefix("file://")).expanduser()
