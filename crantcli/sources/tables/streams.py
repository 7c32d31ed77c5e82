"""Sources that cannot be read where they are: they are copied into the scratch folder, and read there.

A pipe gives what it has once, and a table is looked at more than once. What is packed by gzip is unpacked, and so
checked, when all of it is needed. A name that is no text cannot be told to the engine.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, UsageError
from crantcli.sources.tables.files import Format, Packed, Source, content_format, file_format
from crantcli.sources.tables.gzipped import is_gzip, not_kept, unpack, unpack_lines
from crantcli.system.descriptors import descriptor_of
from crantcli.system.temporary import is_text

_BLOCK = 1 << 20

_REFUSED = {
    stat.S_IFBLK: "a disk or another block device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device, which may have no end",
}


def is_stream(name: str) -> bool:
    """Whether a source is stdin, a pipe, or an open descriptor, such as a shell makes of <(command).

    Raises
    ------
    UsageError
        For other devices, sockets, and descriptors that are not open.
    """
    number = 0 if name == "-" else descriptor_of(name)
    try:
        mode = os.stat(name).st_mode if number is None else 0 if number == 0 else os.fstat(number).st_mode
    except (OSError, ValueError):
        if number is None:
            return False
        raise UsageError(f"{name}: descriptor {number} is not open; open it, or give a file name") from None
    if number is not None:
        return not stat.S_ISDIR(mode)
    kind = stat.S_IFMT(mode)
    if kind in _REFUSED and not (kind == stat.S_IFCHR and _ends(name)):
        raise UsageError(f"{name} is {_REFUSED[kind]}; give a file name")
    return kind in (stat.S_IFIFO, stat.S_IFCHR)


def _ends(device: str) -> bool:
    """Whether a device is one whose content ends: a terminal, or the null device."""
    found = os.stat(device).st_rdev
    with open(device, "rb", buffering=0) as file:
        return file.isatty() or found == os.stat(os.devnull).st_rdev


def source_of(engine: Engine, path: Path) -> Source:
    """A file as a source, whatever its suffix; a stream is copied first, and once however often it is asked for."""
    if is_stream(str(path)):
        return spooled(engine, str(path))
    engine.reading.note(path)
    return Source(path, file_format(path.name) or "csv", path.name)


def spooled(engine: Engine, name: str, again: bool = True) -> Source:
    """Keep what a stream gives in a file.

    Parameters
    ----------
    engine : Engine
    name : str
        `-` for stdin.
    again : bool
        What has been read before may be had again.

    Raises
    ------
    UsageError
        Where stdin has been read before.
    CrantError
        Where it cannot be read, or not kept.
    """
    number = 0 if name == "-" else descriptor_of(name)
    key = f"descriptor {number}" if number is not None else os.path.realpath(name)
    if key in engine.copies:
        if number == 0 and not again:
            raise UsageError("- stands for stdin, which can be read once; it is asked for twice")
        known: Source = engine.copies[key]
        return known
    is_pipe = number is None and stat.S_ISFIFO(os.stat(name).st_mode)
    label = "stdin" if number == 0 else os.path.basename(name) if is_pipe else name
    path = engine.scratch / ("stdin.csv" if number == 0 else f"{engine.name('stream')}.csv")
    try:
        with path.open("wb") as file, _opened(name, number) as stream:
            shutil.copyfileobj(stream, file, _BLOCK)
    except OSError as error:
        raise CrantError(
            f"{label}: cannot be read, or not kept in {engine.scratch.parent} ({error.strerror})"
        ) from None
    kind, suffix = _content(path)
    path = path.rename(path.with_suffix(suffix))
    # In the provenance, a number that a shell has picked would change from run to run.
    base = "pipe" if number else label
    source = Source(path, kind, label, Source(path, kind, base).record())
    engine.copies[key] = source
    return source


def _opened(name: str, number: int | None) -> Any:
    if number == 0:
        return nullcontext(sys.stdin.buffer)
    return open(name, "rb") if number is None else os.fdopen(os.dup(number), "rb")


#: Ending under which what a stream gave is kept.
_SUFFIX: dict[Format, str] = {"parquet": ".parquet", "arrow": ".feather", "npz": ".npz", "xlsx": ".xlsx"}


def _content(path: Path) -> tuple[Format, str]:
    """Format and suffix of a file by its first bytes."""
    kind = content_format(path) or "csv"
    return kind, _SUFFIX.get(kind, ".csv")


#: Bytes of packed text from which it is worth while to unpack it when it is read, and not before.
LATER_FROM = 16_000_000

#: Bytes of text that are looked at before.
_HEAD = 2**20


def prepared(engine: Engine, source: Source, later: bool = False) -> Source:
    """The same content where the engine can read it.

    Parameters
    ----------
    engine : Engine
    source : Source
    later : bool
        Whoever asks calls `whole` before the engine reads it.
    """
    if source.remote:
        return source
    key = f"prepared {os.path.realpath(source.path)}"
    if key not in engine.copies:
        engine.copies[key] = _readable(engine, _unpacked(engine, source))
    copy: Source = engine.copies[key]
    found = replace(source, path=copy.path, origin=copy.origin, packed=copy.packed)
    return found if later else whole(found)


def whole(source: Source) -> Source:
    """The same, with all of its text where the engine looks for it: there is no such file before."""
    if source.packed is None:
        return source
    if not source.path.exists():
        unpack(source.packed.path, source.name, source.path)
    return replace(source, packed=None)


def _unpacked(engine: Engine, source: Source) -> Source:
    """What gzip has packed, unpacked, or its first lines."""
    if source.format != "csv":
        return source
    try:
        if not is_gzip(source.path):
            return source
        large = source.path.stat().st_size >= LATER_FROM
        name = engine.name("unpacked")
        path = engine.scratch / f"{name}{'.tsv' if '.tsv' in source.path.name.lower() else '.csv'}"
        found = replace(source, path=path, origin=source.record())
        head = path.with_stem(f"{name}-head")
        if large and unpack_lines(source.path, source.name, head, _HEAD):
            return replace(found, packed=Packed(source.path, head))
    except OSError as error:
        raise not_kept(source.name, engine.scratch, error) from None
    unpack(source.path, source.name, path)
    return found


def _readable(engine: Engine, source: Source) -> Source:
    """A file under a name that the engine understands as we do."""
    if source.format == "npz" or source.packed is not None:
        return source
    if not (is_text(os.path.realpath(source.path)) and is_text(str(source.path))):
        path = engine.scratch / f"{engine.name('named')}{''.join(source.path.suffixes[-2:])}"
        try:
            try:
                os.link(os.path.realpath(source.path), path)
            except OSError:  # on another disk
                shutil.copyfile(source.path, path)
        except OSError as error:
            raise not_kept(source.name, engine.scratch, error) from None
        return replace(source, path=path, origin=source.record())
    if str(source.path).startswith("~"):  # in which the engine would look for somebody's home
        return replace(source, path=source.path.absolute())
    return source
