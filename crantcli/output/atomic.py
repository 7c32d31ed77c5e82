"""Files that appear whole or not at all.

A file is written beside its destination under a temporary name and renamed when everything is there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from crantcli.errors import CrantError, UsageError
from crantcli.temporary import remove, sweep, temporary_name


def check_destination(destination: str, inputs: list[Path]) -> None:
    """Refuse a destination that cannot be written or that would overwrite an input, before any work is done.

    Raises
    ------
    UsageError
        Where the destination is an input, a folder, or in a folder that does not exist or cannot be written.
    """
    path = Path(destination)
    if path.is_dir():
        raise UsageError(f"{destination} is a folder; give a file name")
    parent = path.parent
    if not parent.is_dir():
        raise UsageError(f"{destination}: there is no folder {parent}; make it first")
    probe = parent / temporary_name(path.name)
    try:
        probe.touch()
    except OSError as error:
        raise CrantError(f"{destination}: cannot be written there ({error.strerror})") from None
    finally:  # also where a signal comes in between
        remove(probe)
    for source in inputs:
        same = path.exists() and source.exists() and path.samefile(source)
        if same or path.absolute() == source.absolute():
            raise UsageError(f"{destination} is an input of this command; write to another file")


class Outputs:
    """Destinations of one command: all are written before the first is renamed."""

    def __init__(self) -> None:
        self._pending: list[tuple[Path, Path]] = []

    def place(self, destination: str) -> Path:
        """Where to write what shall appear at `destination`."""
        final = Path(os.path.realpath(destination))
        sweep(final.parent, final.name)
        temporary = final.parent / temporary_name(final.name)
        self._pending.append((temporary, final))
        return temporary

    def commit(self) -> None:
        """Rename everything into place."""
        for temporary, final in self._pending:
            try:
                os.replace(temporary, final)
            except OSError as error:
                raise CrantError(f"{final}: cannot be written ({error.strerror})") from None
        self._pending.clear()

    def discard(self) -> None:
        """Remove what was not committed."""
        for temporary, _ in self._pending:
            remove(temporary)
        self._pending.clear()


@contextlib.contextmanager
def outputs() -> Iterator[Outputs]:
    """Collect outputs; commit them at the end, or leave nothing behind."""
    pending = Outputs()
    try:
        yield pending
        pending.commit()
    finally:
        pending.discard()
