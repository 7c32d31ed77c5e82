"""Files that appear whole or not at all.

A file is written beside its destination under a temporary name and renamed when everything is there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crantcli.errors import CrantError, UsageError
from crantcli.schema import KEY, MANIFEST, listed
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
    _check_writable(destination, path)
    for source in inputs:
        same = path.exists() and source.exists() and path.samefile(source)
        if same or path.absolute() == source.absolute():
            raise UsageError(f"{destination} is an input of this command; write to another file")


def _check_writable(destination: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{destination}: there is no folder {path.parent}; make it first")
    probe = path.parent / temporary_name(path.name)
    try:
        probe.touch()
    except OSError as error:
        raise CrantError(f"{destination}: cannot be written there ({error.strerror})") from None
    finally:  # also where a signal comes in between
        remove(probe)


def check_folder(destination: str, inputs: list[Path]) -> None:
    """Refuse a folder that cannot be written, that holds something that is not ours, or an input.

    It is replaced as a whole, so what stands in it beside our files would be gone.

    Raises
    ------
    UsageError, CrantError
    """
    path = Path(destination)
    if path.exists() and not path.is_dir():
        raise UsageError(f"{destination} is a file; give a folder")
    real = path.resolve()
    if path.is_dir():
        if Path.cwd().resolve().is_relative_to(real):
            raise UsageError(f"{destination} is the current folder, or around it, and would be replaced; give another")
        for source in inputs:
            if source.resolve().is_relative_to(real):
                raise UsageError(
                    f"{destination} holds {source.name}, an input of this command; write to another folder"
                )
        _check_ours(destination, path)
    _check_writable(destination, real)


#: Files that other programs leave in any folder.
_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini", ".snakemake_timestamp")


def _check_ours(destination: str, folder: Path) -> None:
    """Refuse a folder that holds what we did not write."""
    there = {entry.name for entry in folder.iterdir()}
    if not there - set(_LITTER):
        return
    manifest = read_manifest(folder)
    if manifest is None:
        raise UsageError(
            f"{destination}: the folder is not empty, and has no {MANIFEST} of crantcli; give another folder"
        )
    others = sorted(there - {MANIFEST, *_LITTER, *manifest.get("files", ())})
    if others:
        raise UsageError(
            f"{destination} would be replaced, and holds {listed(others, 3)}, which crantcli did not write there; "
            "move it, or give another folder"
        )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What the manifest in a folder says; None where there is none of ours."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and KEY in found else None


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
    """Rename a folder; one that is there already is removed when the new one stands."""
    if not final.exists():
        os.rename(temporary, final)
        return
    if _exchanged(temporary, final):
        remove(temporary)
        return
    aside = final.parent / temporary_name(final.name)
    try:
        os.rename(final, aside)
        os.rename(temporary, final)
    except BaseException:  # also where a signal comes in between
        if not final.exists():
            os.rename(aside, final)
        raise
    remove(aside)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two names change places in one step, so that there is no moment without either, where the system can."""
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, TypeError, AttributeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


@contextlib.contextmanager
def outputs() -> Iterator[Outputs]:
    """Collect outputs; commit them at the end, or leave nothing behind."""
    pending = Outputs()
    try:
        yield pending
        pending.commit()
    finally:
        pending.discard()
