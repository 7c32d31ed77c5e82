"""Files that appear whole or not at all.

A file is written beside its destination under a temporary name and renamed when everything is there. Where that cannot
be, because the destination is a pipe or a device, or has a name that the engine cannot be told, it is made elsewhere
and copied.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crantcli.core.manifest import read_manifest
from crantcli.errors import CrantError, UsageError, writing_to
from crantcli.output.streams import Stream, find_stream
from crantcli.remote.objects import is_address
from crantcli.remote.uploads import Upload
from crantcli.schema import MANIFEST
from crantcli.system.signals import Held
from crantcli.system.temporary import forget, is_text, remove, sweep, temporary_path
from crantcli.text import P, join_names


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
    stream = find_stream(destination)
    if stream is not None:
        stream.check()
    else:
        _check_writable(destination, path.resolve() if path.is_symlink() else path)
    for source in inputs:
        same = path.exists() and source.exists() and path.samefile(source)
        if same or path.absolute() == source.absolute():
            raise UsageError(f"{destination} is an input of this command; write to another file")


def _check_writable(destination: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{destination}: there is no folder {path.parent}; make it first")
    probe = temporary_path(path.parent, path.name)
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
    DataError
        Where its manifest is damaged.
    """
    if is_address(destination):
        raise UsageError(f"{destination}: folders are written on this machine; give one, and copy it there")
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
    _check_writable(destination, real if path.is_symlink() else path)


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
    others = sorted(there - {MANIFEST, *_LITTER, *manifest["files"]})
    if others:
        raise UsageError(
            f"{destination} would be replaced, and holds {join_names(others, 3)}, which crantcli did not write there; "
            "move it, or give another folder"
        )


@dataclass
class _Output:
    """One destination.

    Attributes
    ----------
    written : Path
        Where it is written first.
    final : Path
        Where it goes; links to it stay links.
    stream : Stream or None
        What it is copied to, where it is no file.
    """

    written: Path
    final: Path
    stream: Stream | Upload | None = None


class Outputs:
    """Destinations of one command: all are written before the first is renamed.

    Parameters
    ----------
    destinations : sequence of str
        Those that are known from the start.
    tmp_dir : str, optional
        Where what cannot be written beside its destination is made. Default: the system's temporary folder.
    """

    def __init__(self, destinations: Sequence[str] = (), tmp_dir: str | None = None) -> None:
        self._parent = Path(tmp_dir or tempfile.gettempdir())
        self._aside: Path | None = None
        self._known: dict[str, _Output] = {}
        self._pending: list[_Output] = []
        for destination in destinations:
            self._known[destination] = output = self._output(destination)
            if output.stream is not None:
                output.stream.hold()

    def _output(self, destination: str) -> _Output:
        stream = find_stream(destination)
        final = Path(os.path.realpath(destination))
        if stream is None and is_text(str(final.parent)):
            return _Output(temporary_path(final.parent, final.name), final)
        if self._aside is None:
            self._aside = temporary_path(self._parent, "spill")
        return _Output(self._aside / str(len(self._known)), final, stream)

    @property
    def paths(self) -> list[Path]:
        """Where everything that is known from the start is written first."""
        return [output.written for output in self._known.values()]

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
        output = self._known.get(destination) or self._output(destination)
        self._known[destination] = output
        if self._aside is not None and output.written.parent == self._aside:
            self._make_aside(destination)
        else:
            sweep(output.final.parent, output.final.name)
        self._pending.append(output)
        return output.written

    def _make_aside(self, destination: str) -> None:
        assert self._aside is not None
        try:
            self._aside.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CrantError(
                f"{destination} is made in {self._parent} first, which cannot be written ({error.strerror}); "
                f"use {P.tmp_dir}"
            ) from None

    def commit(self) -> None:
        """Send everything where it goes: streams first, since what they took cannot be taken back.

        Of objects all parts are sent before anything is seen anywhere.
        """
        streams = [(output.stream, output.written) for output in self._pending if output.stream is not None]
        for stream, written in streams:
            stream.prepare(written)
        for stream, written in sorted(streams, key=lambda pair: isinstance(pair[0], Upload)):
            stream.send(written)
        files = [output for output in self._pending if output.stream is None]
        for output in files:
            if output.written.parent == self._aside:
                output.written = _copied(output.written, output.final)
        with Held():
            for output in files:
                with writing_to(output.final):
                    if output.written.is_dir():
                        _replace_folder(output.written, output.final)
                    else:
                        os.replace(output.written, output.final)
                forget(output.written)
        self._pending.clear()

    def discard(self) -> None:
        """Remove what was not committed."""
        for output in self._known.values():
            if output.stream is not None:
                output.stream.release()
            remove(output.written)
        if self._aside is not None:
            remove(self._aside)
        self._pending.clear()


def _copied(written: Path, final: Path) -> Path:
    """A copy of a file or folder beside its destination."""
    sweep(final.parent, final.name)
    temporary = temporary_path(final.parent, final.name)
    try:
        if written.is_dir():
            shutil.copytree(written, temporary)
        else:
            shutil.copyfile(written, temporary)
    except OSError as error:
        remove(temporary)
        raise CrantError(f"{final}: cannot be written ({error.strerror or error})") from None
    return temporary


def _replace_folder(temporary: Path, final: Path) -> None:
    """Rename a folder; one that is there already is removed when the new one stands."""
    if not final.exists():
        os.rename(temporary, final)
        return
    if _exchanged(temporary, final):
        remove(temporary)
        return
    aside = temporary_path(final.parent, final.name)
    try:
        os.rename(final, aside)
        os.rename(temporary, final)
    except BaseException:
        if not final.exists():
            os.rename(aside, final)
        forget(aside)
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
def outputs(destinations: Sequence[str] = (), tmp_dir: str | None = None) -> Iterator[Outputs]:
    """Collect outputs; commit them at the end, or leave nothing behind. For the parameters see `Outputs`."""
    pending = Outputs(destinations, tmp_dir)
    try:
        yield pending
        pending.commit()
    finally:
        pending.discard()
