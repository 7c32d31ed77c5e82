"""Files that are elsewhere, such as in an object store, of which only the bytes that are needed are fetched.

The engine, and whoever else reads Parquet here, know them under paths that nothing else answers to: no query opens
anything there but what was added.
"""

from __future__ import annotations

import io
import itertools
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from crantcli.core.engine import StoredSynapses
from crantcli.errors import CrantError

_numbers = itertools.count()


class Ranges(Protocol):
    """A file that gives its bytes in pieces, to several threads."""

    @property
    def address(self) -> str:
        """Where it is."""
        ...

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from the first number up to before the second, all of them."""
        ...


class RangeFile(io.RawIOBase):
    """A file that gives its bytes in pieces, open for reading.

    Whoever reads moves to a place first, and threads may share the file: each has a place of its own, so that none
    reads where another one has moved to.
    """

    def __init__(self, ranges: Ranges) -> None:
        self._ranges, self._places = ranges, threading.local()
        self._places.here = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where this thread reads next."""
        place: int = self._places.here
        return place

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Let this thread read somewhere else."""
        start = {os.SEEK_SET: 0, os.SEEK_END: self._ranges.size}
        self._places.here = offset + (self.tell() if whence == os.SEEK_CUR else start[whence])
        return self.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes; fewer at the end of the file only."""
        start, end = self.tell(), self._ranges.size
        stop = end if size is None or size < 0 else min(start + size, end)
        data = self._ranges.read(start, stop) if start < stop else b""
        self._places.here = start + len(data)
        return data


class RemoteFiles:
    """The files of one engine that are elsewhere.

    Attributes
    ----------
    protocol, folder : str
        What the paths of all of them begin with.
    failure : CrantError or None
        Why one of them could not be read, which the engine tells in its own words or not at all.
    """

    def __init__(self) -> None:
        self.protocol = f"objects{next(_numbers)}"
        self.folder = f"{self.protocol}://files/"
        self.failure: CrantError | None = None
        self._files: dict[str, Ranges] = {}

    def __contains__(self, path: object) -> bool:
        """Whether a path is that of one of them."""
        return path in self._files

    @property
    def there(self) -> bool:
        """Whether there is any."""
        return bool(self._files)

    def add(self, file: Ranges, suffix: str) -> str:
        """Take a file, and give its path; in the order in which they are added, paths ascend."""
        path = f"{self.folder}{len(self._files):09}{suffix}"
        self._files[path] = _Watched(file, self)
        return path

    def open(self, path: str) -> RangeFile:
        """Open one of them.

        Raises
        ------
        FileNotFoundError
            Where it was not added.
        """
        if path not in self._files:
            raise FileNotFoundError(path)
        return RangeFile(self._files[path])

    def opened(self, path: str) -> Any:
        """What Arrow reads of any path: one of these files, open, or the path."""
        return self.open(path) if path in self else path

    def size(self, path: str) -> int:
        """Its number of bytes."""
        return self._files[path].size

    def address(self, path: str) -> str:
        """Where one of them is; any other path as it is."""
        return self._files[path].address if path in self else path

    def filesystem(self) -> Any:
        """All of them as a file system of fsspec, as the engine takes one."""
        import fsspec

        files = self

        class FileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
            protocol = files.protocol
            cachable = False

            def info(self, path: str, **_: Any) -> dict[str, Any]:
                full = files.folder + path.rpartition("/")[2]
                if full not in files:
                    raise FileNotFoundError(path)
                return {"name": full, "size": files.size(full), "type": "file"}

            def glob(self, path: str, **_: Any) -> list[str]:
                return [path] if path in files else []

            def modified(self, path: str) -> datetime:
                return datetime.fromtimestamp(0, UTC)  # they stay as they were when they were added

            def open(self, path: str, mode: str = "rb", **_: Any) -> RangeFile:
                if mode != "rb":
                    raise PermissionError(path)
                return files.open(path)

        return FileSystem()


def reachable(stored: StoredSynapses, files: RemoteFiles) -> StoredSynapses:
    """The same, where those of its files that are elsewhere can be opened."""
    there = [
        replace(file, opened=partial(files.open, file.path)) if file.path in files else file for file in stored.files
    ]
    return replace(stored, files=tuple(there))


class _Watched:
    """A file of which is noted why it could not be read."""

    def __init__(self, file: Ranges, files: RemoteFiles) -> None:
        self._file, self._files = file, files

    @property
    def address(self) -> str:
        return self._file.address

    @property
    def size(self) -> int:
        return self._file.size

    def read(self, start: int, stop: int) -> bytes:
        try:
            return self._file.read(start, stop)
        except CrantError as error:
            self._files.failure = self._files.failure or error
            raise
