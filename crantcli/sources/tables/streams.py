"""Sources that cannot be read where they are: they are copied into the scratch folder, and read there.

A pipe gives what it has once, and a table is looked at more than once. What is packed by gzip is unpacked once, and so
checked by its checksums, which the engine does not do. A name that is no text cannot be told to the engine.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, UsageError, damaged
from crantcli.sources.tables.files import Format, Source, content_format, file_format
from crantcli.system.descriptors import descriptor_of
from crantcli.system.temporary import is_text
from crantcli.text import P

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


def prepared(engine: Engine, source: Source) -> Source:
    """The same content where the engine can read it."""
    if source.remote:
        return source
    key = f"prepared {os.path.realpath(source.path)}"
    if key not in engine.copies:
        engine.copies[key] = _readable(engine, _unpacked(engine, source))
    copy: Source = engine.copies[key]
    return replace(source, path=copy.path, origin=copy.origin)


def _unpacked(engine: Engine, source: Source) -> Source:
    """What gzip has packed, unpacked."""
    if source.format != "csv":
        return source
    try:
        with source.path.open("rb") as packed:
            if packed.read(2) != b"\x1f\x8b":
                return source
            packed.seek(0)
            path = (
                engine.scratch / f"{engine.name('unpacked')}{'.tsv' if '.tsv' in source.path.name.lower() else '.csv'}"
            )
            with path.open("wb") as file:
                _unpack(packed, file)
    except _DamageError as error:
        raise damaged(source.name, error) from None
    except OSError as error:
        raise _not_kept(source.name, engine, error) from None
    return replace(source, path=path, origin=source.record())


class _DamageError(Exception):
    """What is wrong with a packed file."""


def _unpack(packed: IO[bytes], file: IO[bytes]) -> None:
    """Unpack all members of a gzip file (RFC 1952), comparing their checksums."""
    # Says the same of damage as zlib, in less than half the time.
    from zlib_ng.zlib_ng import decompressobj
    from zlib_ng.zlib_ng import error as refusal

    rest = packed.read(_BLOCK)
    while rest.strip(b"\0"):  # some programs fill the end up with zeros
        member = decompressobj(wbits=31)
        while not member.eof:
            try:
                data = member.decompress(rest, _BLOCK)
            except refusal as error:  # type: ignore[misc]  # its stub says that it is no class
                reason = str(error).rpartition(": ")[2]
                raise _DamageError(_REASONS.get(reason, "its compressed content is garbled")) from None
            file.write(data)
            rest = member.unconsumed_tail
            if not rest and len(data) < _BLOCK and not member.eof:
                rest = packed.read(_BLOCK)
                if not rest:
                    raise _DamageError("its end is missing")
        rest = member.unused_data or packed.read(_BLOCK)


#: What zlib says, in our words.
_REASONS = {
    "incorrect data check": "its content does not fit its checksum",
    "incorrect length check": "its content does not fit its checksum",
    "incorrect header check": "there is something else after its end",
}


def _not_kept(name: str, engine: Engine, error: OSError) -> CrantError:
    return CrantError(
        f"{name}: cannot be read, or not copied to {engine.scratch.parent} ({error.strerror}); use {P.tmp_dir} for "
        "another folder"
    )


def _readable(engine: Engine, source: Source) -> Source:
    """A file under a name that the engine understands as we do."""
    if source.format == "npz":
        return source
    if not (is_text(os.path.realpath(source.path)) and is_text(str(source.path))):
        path = engine.scratch / f"{engine.name('named')}{''.join(source.path.suffixes[-2:])}"
        try:
            try:
                os.link(os.path.realpath(source.path), path)
            except OSError:  # on another disk
                shutil.copyfile(source.path, path)
        except OSError as error:
            raise _not_kept(source.name, engine, error) from None
        return replace(source, path=path, origin=source.record())
    if str(source.path).startswith("~"):  # in which the engine would look for somebody's home
        return replace(source, path=source.path.absolute())
    return source
