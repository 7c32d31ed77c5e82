"""Files that appear whole or not at all.

A file is written beside its destination under a temporary name and renamed when everything is there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from crantcli.errors import CrantError, UsageError
from crantcli.schema import KEY, MANIFEST
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


def check_folder(destination: str, inputs: list[Path]) -> None:
    """Refuse a folder that cannot be written, that holds something that is not ours, or an input.

    Raises
    ------
    UsageError, CrantError
    """
    path = Path(destination)
    if path.exists() and not path.is_dir():
        raise UsageError(f"{destination} is a file; give a folder")
    if path.is_dir() and any(path.iterdir()) and not is_ours(path):
        raise UsageError(
            f"{destination}: the folder is not empty, and has no {MANIFEST} of crantcli; give another folder"
        )
    # What the folder holds is replaced as a whole, so an input in it would be gone.
    for source in inputs:
        if path.is_dir() and path.resolve() in source.resolve().parents:
            raise UsageError(f"{destination} holds {source.name}, an input of this command; write to another folder")
    check_destination(str(path.parent / f"{path.name}.{MANIFEST}"), [])


def is_ours(folder: Path) -> bool:
    """Whether we made a folder: it has a manifest that says so."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and KEY in found


class Outputs:
    """Destinations of one command: all are written before the first is renamed."""

    def __init__(self) -> None:
        self._pending: list[tuple[Path, Path]] = []

    def place_folder(self, destination: str) -> Path:
        """A folder to fill, which shall appear at `destination` and replace what is there."""
        temporary = self.place(destination)
        try:
            temporary.mkdir()
        except OSError as error:
            raise CrantError(f"{destination}: cannot be written there ({error.strerror})") from None
        return temporary

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
                if temporary.is_dir():
                    _replace_folder(temporary, final)
                else:
                    os.replace(temporary, final)
            except OSError as error:
                raise CrantError(f"{final}: cannot be written ({error.strerror})") from None
        self._pending.clear()

    def discard(self) -> None:
        """Remove what was not committed."""
        for temporary, _ in self._pending:
            remove(temporary)
        self._pending.clear()


def _replace_folder(temporary: Path, final: Path) -> None:
    """Rename a folder; one that is there already is moved aside first, and removed when the new one stands."""
    if not final.exists():
        os.rename(temporary, final)
        return
    aside = final.parent / temporary_name(final.name)
    os.rename(final, aside)
    try:
        os.rename(temporary, final)
    except OSError:
        os.rename(aside, final)
        raise
    remove(aside)


@contextlib.contextmanager
def outputs() -> Iterator[Outputs]:
    """Collect outputs; commit them at the end, or leave nothing behind."""
    pending = Outputs()
    try:
        yield pending
        pending.commit()
    finally:
        pending.discard()
