"""Destinations that take bytes one after another: pipes, devices, and descriptors that are open already.

A file is replaced by another one under the same name; these are not. What shall go to them is made elsewhere first,
since some formats are written to and fro, and since nothing half-made shall be sent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
from pathlib import Path

from crantcli.errors import CrantError, UsageError
from crantcli.remote.objects import is_address
from crantcli.remote.uploads import Upload
from crantcli.system.descriptors import descriptor_of

_BLOCK = 1 << 20

_REFUSED = {
    stat.S_IFBLK: "a disk or another block device",
    stat.S_IFSOCK: "a socket",
}


class Stream:
    """A pipe, a device or an open descriptor to write to.

    Parameters
    ----------
    destination : str
        As it was given.
    number : int, optional
        The open descriptor that it stands for.
    """

    def __init__(self, destination: str, number: int | None = None) -> None:
        self.destination, self.number = destination, number
        self._open: int | None = None

    @property
    def same_as(self) -> tuple[int, int] | None:
        """What two names of one stream have in common; None for the null device, which takes anything from anybody."""
        found = os.stat(self.destination) if self.number is None else os.fstat(self.number)
        null = stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev
        return None if null else (found.st_dev, found.st_ino)

    def check(self) -> None:
        """See whether it may be written to.

        Raises
        ------
        CrantError
        """
        if self.number is None:
            why = 0 if os.access(self.destination, os.W_OK) else errno.EACCES
        else:
            import fcntl

            reads = fcntl.fcntl(self.number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
            why = errno.EBADF if reads else 0
        if why:
            raise CrantError(f"{self.destination}: cannot be written ({os.strerror(why)})")

    def hold(self) -> None:
        """Take hold of it before the work begins, if somebody reads from it: they shall see that nobody writes any
        more, where the work fails.
        """
        with contextlib.suppress(OSError):
            if self.number is not None:
                self._open = os.dup(self.number)
            elif stat.S_ISFIFO(os.stat(self.destination).st_mode):
                self._open = os.open(self.destination, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
                os.set_blocking(self._open, True)

    def release(self) -> None:
        """Let go of it."""
        if self._open is None:
            self.hold()  # whoever has come to read meanwhile
        if self._open is not None:
            with contextlib.suppress(OSError):
                os.close(self._open)
            self._open = None

    def prepare(self, path: Path) -> None:
        """Nothing can be sent that is not to be seen."""

    def send(self, path: Path) -> None:
        """Write the content of a file. A pipe that nobody reads is waited for; a reader that leaves has what it wants.

        Raises
        ------
        CrantError
            Where it cannot be written.
        """
        try:
            if self._open is None:
                flags = os.O_WRONLY | os.O_NOCTTY
                self._open = os.dup(self.number) if self.number is not None else os.open(self.destination, flags)
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    _write(self._open, block)
        except BrokenPipeError:
            return
        except OSError as error:
            raise CrantError(f"{self.destination}: cannot be written ({error.strerror})") from None


def _write(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # whoever made the descriptor did not want to wait for it
            select.select([], [descriptor], [])


def find_stream(destination: str) -> Stream | Upload | None:
    """The stream, or object of a store, that a destination is; None where it is a file, a folder, or not there.

    Raises
    ------
    UsageError
        For what is neither file nor stream, such as a block device, a socket, or a descriptor that is not open.
    """
    if is_address(destination):
        return Upload(destination)
    number = descriptor_of(destination)
    try:
        mode = os.stat(destination).st_mode if number is None else os.fstat(number).st_mode
    except OSError:
        if number is None:
            return None
        raise UsageError(f"{destination}: descriptor {number} is not open; open it, or give a file name") from None
    kind = stat.S_IFMT(mode)
    if kind in _REFUSED and not (number is not None and kind == stat.S_IFSOCK):
        raise UsageError(f"{destination} is {_REFUSED[kind]}; give a file name")
    if number is not None or kind in (stat.S_IFIFO, stat.S_IFCHR):
        return Stream(destination, number)
    return None


def is_pipe(name: str) -> bool:
    """Whether a name is that of a pipe, or leads to one."""
    try:
        return stat.S_ISFIFO(os.stat(name).st_mode)
    except (OSError, ValueError):
        return False
