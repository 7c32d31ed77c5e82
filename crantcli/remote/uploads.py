"""Results that go to an object store: sent in parts, which become an object when the last one has come, or never."""

from __future__ import annotations

import contextlib
import shutil
import threading
from pathlib import Path
from typing import Any

from crantcli.errors import UsageError
from crantcli.remote.objects import ObjectStore, asking
from crantcli.system import signals

#: Bytes of a part. Amazon's store takes 10,000 of them, and of 5 MB at least; Google's, multiples of 256 KiB.
_PART = 64 * 2**20

#: Seconds that a store has to forget what was sent, when the command is told to end.
_LAST = 5.0


class Upload:
    """An object to be written, as a destination that takes a file when that is done.

    Parameters
    ----------
    destination : str
        Its address.
    """

    def __init__(self, destination: str) -> None:
        self.destination, self._file = destination, None
        self._scheme, _, self._path = destination.partition("://")

    @property
    def same_as(self) -> str:
        """What two names of one object have in common."""
        return self.destination

    def check(self) -> None:
        """See whether it may be written, by an upload that is begun and given up.

        Raises
        ------
        UsageError
            Where the address names no object, or there is no such bucket.
        CrantError
            Where the store does not take it.
        """
        bucket, _, key = self._path.partition("/")
        if not bucket or not key or key.endswith("/"):
            raise UsageError(f"{self.destination}: names no object; write {self._scheme}://BUCKET/KEY")
        try:
            with asking(self.destination):
                self._begin()._initiate_upload()
        finally:
            self.release()

    def hold(self) -> None:
        """Nothing has to be held."""

    def prepare(self, path: Path) -> None:
        """Send the content of a file, which nobody sees yet.

        Raises
        ------
        CrantError
            As for `check`.
        """
        file = self._begin()
        signals.on_leave(self._forget)
        with path.open("rb") as source, asking(self.destination):
            shutil.copyfileobj(source, file, _PART)
            file.close()

    def send(self, path: Path) -> None:
        """Let what was sent become the object, all at once."""
        assert self._file is not None, path
        with asking(self.destination):
            self._file.commit()
        self._file = None

    def release(self) -> None:
        """Let the store forget what was sent and did not become an object."""
        file, self._file = self._file, None
        if file is not None:
            file.closed = True  # or it would be sent all the same when Python lets go of it
            with contextlib.suppress(Exception):
                file.discard()

    def _begin(self) -> Any:
        store = ObjectStore().system(self._scheme, self.destination)
        with asking(self.destination):
            self._file = store.open(self._path, "wb", block_size=_PART, autocommit=False)
        return self._file

    def _forget(self) -> None:
        """The same as `release` for a command that ends, which does not wait for a store that is silent."""
        thread = threading.Thread(target=self.release, daemon=True)
        thread.start()
        thread.join(_LAST)
