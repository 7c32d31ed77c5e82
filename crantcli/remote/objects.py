"""Object stores: what an address such as s3://bucket/key stands for, and its bytes as they were when first looked at.

Requests, credentials and endpoints are those of s3fs and gcsfs, which look for them where the tools of the stores do.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from crantcli.errors import AuthorisationError, CrantError, IncompleteError, UsageError, writing_to
from crantcli.text import P

#: Beginnings of addresses -> the package that asks the store.
SCHEMES = {"s3": "s3fs", "gs": "gcsfs", "hdfs": "pyspark"}

#: Where credentials are looked for.
_CREDENTIALS = {
    "s3": "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or `aws configure`; "
    "FSSPEC_S3_ANON=true asks without",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`; FSSPEC_GS_TOKEN=anon asks "
    "without",
    "hdfs": "Hadoop's configuration (HADOOP_CONF_DIR), and kinit",
}

#: Names of errors that stand for credentials that are missing or not accepted.
_NOT_ALLOWED = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound",
    "TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError", "DefaultCredentialsError", "RefreshError",
}  # fmt: skip

#: Bytes that are fetched at once of what is fetched whole.
_BLOCK = 32 * 2**20

#: Bytes that are kept of what was fetched last: one question may look at a column more than once.
_KEPT = 128 * 2**20


def is_address(name: object) -> bool:
    """Whether a name is the address of something in an object store."""
    return isinstance(name, str) and any(name.startswith(f"{scheme}://") for scheme in SCHEMES)


def read_object(address: str) -> bytes:
    """The content of an object that is read whole, and by itself.

    Raises
    ------
    UsageError
        Where there is none.
    CrantError
        As for `StoredObject.read`.
    """
    found = ObjectStore().find(address)
    if found is None:
        raise UsageError(f"{address}: there is no such bucket or object")
    return found.read(0, found.size)


def base_name(address: str) -> str:
    """The last part of an address."""
    return address.rstrip("/").rpartition("/")[2]


class StoredObject:
    """An object as it was when it was found. Several threads may read it.

    Parameters
    ----------
    address : str
    size : int
        Bytes.
    fingerprint : dict of str to str
        Its ETag or generation, for the provenance.
    fetch : function
        Gives its bytes from one number up to before another, if it is still that object.
    kept : KeptRanges
        Takes what was fetched.
    """

    def __init__(
        self,
        address: str,
        size: int,
        fingerprint: dict[str, str],
        fetch: Callable[[int, int], bytes],
        kept: KeptRanges,
    ) -> None:
        self.address, self.size, self.fingerprint = address, size, fingerprint
        self._fetch, self._kept = fetch, kept

    @property
    def name(self) -> str:
        """The last part of the address."""
        return base_name(self.address)

    @property
    def record(self) -> dict[str, Any]:
        """For the provenance."""
        return {"name": self.name, "bytes": self.size, **self.fingerprint}

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from the first number up to before the second, or to the end.

        Raises
        ------
        IncompleteError
            Where the object has changed, or is gone, or the store does not answer.
        AuthorisationError
            Where the store does not let us.
        """
        stop = min(stop, self.size)
        if start >= stop:
            return b""
        known = self._kept.get(self.address, start, stop)
        if len(known) == stop - start:
            return known
        rest = self._fetched(start + len(known), stop)
        self._kept.put(self.address, start + len(known), rest)
        return known + rest

    def _fetched(self, start: int, stop: int) -> bytes:
        with asking(self.address, found=True):
            data = bytes(self._fetch(start, stop))
        if len(data) != stop - start:
            raise IncompleteError(
                f"{self.address}: the store gave {len(data):,} bytes of the {stop - start:,} that were asked for; try "
                "again"
            )
        return data

    def save(self, path: Path) -> None:
        """Copy it to a file.

        Raises
        ------
        CrantError
            As for `read`, and where the disk does not take it.
        """
        with writing_to(path.parent), path.open("wb") as file:
            for start in range(0, self.size, _BLOCK):
                file.write(self._fetched(start, min(start + _BLOCK, self.size)))


class KeptRanges:
    """What was fetched last of objects, up to a number of bytes; several threads may use it."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, Lock()
        self._ranges: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def get(self, address: str, start: int, stop: int) -> bytes:
        """The bytes of a range, as far as what is kept covers it from its start on."""
        pieces = []
        with self._lock:
            while start < stop and (address, start) in self._ranges:
                self._ranges.move_to_end((address, start))
                pieces.append(self._ranges[address, start][: stop - start])
                start += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def put(self, address: str, start: int, data: bytes) -> None:
        """Keep a range, and let go of those that were not asked for the longest."""
        with self._lock:
            self._held += len(data) - len(self._ranges.pop((address, start), b""))
            self._ranges[address, start] = data
            while self._held > self._most:
                self._held -= len(self._ranges.popitem(last=False)[1])


class ObjectStore:
    """The object stores of one run. What was found in them once stays what it was, or cannot be read any more.

    Parameters
    ----------
    systems : mapping of str to object, optional
        Beginnings of addresses -> what asks such stores, where that is no package of fsspec.
    """

    def __init__(self, systems: Mapping[str, Any] | None = None) -> None:
        self._systems: dict[str, Any] = dict(systems or {})
        self._found: dict[str, StoredObject | None] = {}
        self._kept = KeptRanges(_KEPT)

    def find(self, address: str) -> StoredObject | None:
        """The object of an address; None where there is none.

        Raises
        ------
        UsageError
            Where the package is missing that asks the store, or the address names no bucket.
        AuthorisationError, IncompleteError
            Where the store does not let us, or does not answer.
        """
        if address not in self._found:
            self._found[address] = None if address.endswith("/") else self._look(address)
        return self._found[address]

    def _look(self, address: str) -> StoredObject | None:
        scheme, path = _split(address)
        system = self.system(scheme, address)
        if "/" not in path:
            return None
        with asking(address):
            try:
                # A file of s3fs asks for the object of the ETag that it found alone.
                file = system.open(path, "rb", cache_type="none") if scheme == "s3" else None
                details = system.info(path) if file is None else file.details
            except FileNotFoundError:
                return None
            if details["type"] != "file":
                return None
            if file is None:
                version = {"generation": str(details["generation"])}
                fetch = partial(_of_generation, system, path, version["generation"])
            else:
                version = {"etag": str(details["ETag"]).strip('"')}
                fetch = file._fetch_range
            return StoredObject(address, int(details["size"]), version, fetch, self._kept)

    @property
    def objects(self) -> list[str]:
        """Addresses of all objects that were found."""
        return [address for address, found in self._found.items() if found is not None]

    def check_unchanged(self) -> None:
        """See that the objects are those that were found, where somebody else has read them, in a way of their own.

        Raises
        ------
        IncompleteError, AuthorisationError
        """
        for address, found in self._found.items():
            if found is None:
                continue
            now = self._look(address)
            if now is None or now.record != found.record:
                raise _changed(address)

    def below(self, address: str) -> list[str]:
        """Addresses of all objects whose keys begin with an address and a slash, in the order of their parts."""
        scheme, path = _split(address)
        with asking(address):
            try:
                found = self.system(scheme, address).find(path.rstrip("/") + "/")
            except FileNotFoundError:
                found = []
        listed = [f"{scheme}://{name}" for name in found if not name.endswith("/")]
        return sorted(listed, key=lambda name: name.split("/"))

    def matching(self, pattern: str) -> list[str]:
        """Addresses of all objects that match a pattern, in the order of their parts."""
        scheme, path = _split(pattern)
        with asking(pattern):
            found = self.system(scheme, pattern).glob(path, detail=True)
        listed = [f"{scheme}://{name}" for name, details in found.items() if details["type"] == "file"]
        return sorted(listed, key=lambda name: name.split("/"))

    def system(self, scheme: str, address: str) -> Any:
        """The file system of fsspec that asks a store.

        Raises
        ------
        UsageError
            Where its package is not there.
        """
        if scheme not in self._systems:
            package = SCHEMES[scheme]
            if scheme == "hdfs":
                raise UsageError(
                    f"{address}: Hadoop is asked through Spark alone, for tables and what is read beside them; say "
                    f"{P.engine('spark')}, or copy the file"
                )
            try:
                import fsspec

                # Another run in this process may have known other objects, or other credentials.
                with asking(address):
                    self._systems[scheme] = fsspec.filesystem(scheme, skip_instance_cache=True)
            except ImportError:
                raise UsageError(
                    f"{address}: object stores are asked by the package {package}, which is not installed; pip install "
                    "'crantcli[cloud]'"
                ) from None
        return self._systems[scheme]


def _split(address: str) -> tuple[str, str]:
    """Scheme, and bucket with key.

    Raises
    ------
    UsageError
        Where no bucket is named.
    """
    scheme, _, path = address.partition("://")
    if not path.partition("/")[0]:
        raise UsageError(f"{address}: names no bucket; write {scheme}://BUCKET/KEY")
    return scheme, path


def _of_generation(system: Any, path: str, generation: str, start: int, stop: int) -> bytes:
    data: bytes = system.cat_file(path, start=start, end=stop, generation=generation)
    return data


@contextlib.contextmanager
def asking(address: str, *, found: bool = False) -> Iterator[None]:
    """Turn what asking a store raises into our errors. No word of theirs is passed on that may hold a secret.

    Parameters
    ----------
    address : str
    found : bool
        It was there before.
    """
    try:
        yield
    except (CrantError, ImportError):
        raise
    except Exception as error:
        raise _error(address, error, found) from None


def _changed(address: str) -> IncompleteError:
    return IncompleteError(
        f"{address}: the object was changed or removed while it was read; run the command again when it stays"
    )


def _error(address: str, error: Exception, found: bool) -> CrantError:
    kind = type(error).__name__
    refused = getattr(error, "code", None) in (401, 403) or str(error).startswith("Forbidden: ")  # as gcsfs says it
    if isinstance(error, PermissionError) or kind in _NOT_ALLOWED or refused:
        missing = kind in _NOT_ALLOWED
        scheme = address.partition("://")[0]
        return AuthorisationError(
            f"{address}: {'no credentials are found' if missing else 'the credentials do not allow that'}; they come "
            f"from {_CREDENTIALS[scheme]}"
        )
    if found and (kind == "FileExpired" or isinstance(error, FileNotFoundError)):
        return _changed(address)
    if isinstance(error, FileNotFoundError):
        return UsageError(f"{address}: there is no such bucket or object")
    return IncompleteError(f"{address}: the store does not answer as it should ({kind}); try again")
