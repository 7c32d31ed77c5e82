"""Text that gzip has packed (RFC 1952): unpacked here, since the engine does not compare its checksums."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from crantcli.errors import CrantError, damaged
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.sources.tables.files import Source

_BLOCK = 1 << 20

#: What zlib says, in our words.
_REASONS = {
    "incorrect data check": "its content does not fit its checksum",
    "incorrect length check": "its content does not fit its checksum",
    "incorrect header check": "there is something else after its end",
}


class _DamageError(Exception):
    """What is wrong with a packed file."""


def is_gzip(path: Path) -> bool:
    """Whether a file begins as gzip's do."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def unpack_lines(path: Path, name: str, target: Path, most: int) -> bool:
    """Unpack the first lines of a file into another one, so many bytes at most.

    Returns
    -------
    bool
        False where a line is longer than that, and nothing is written.

    Raises
    ------
    DataError, CrantError
        As of `unpack`.
    """
    found = b""
    for block in _told(path, name, target.parent):
        found += block
        if len(found) >= most:
            break
    lines, newline, _ = found[:most].rpartition(b"\n")
    if newline:
        try:
            with target.open("wb") as file:
                file.write(lines + newline)
        except OSError as error:
            raise not_kept(name, target.parent, error) from None
    return bool(newline)


def unpack(path: Path, name: str, target: Path) -> None:
    """Unpack a file into another one, which appears when it is whole.

    Raises
    ------
    DataError
        Where the content does not fit its checksums, or its end is missing.
    CrantError
        Where it cannot be read, or not kept.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            for block in _told(path, name, target.parent):
                file.write(block)
        unfinished.rename(target)
    except OSError as error:
        raise not_kept(name, target.parent, error) from None


def blocks_of_text(source: Source, scratch: Path) -> Iterator[bytes]:
    """All text of a source, whether it is packed or not, in blocks.

    Raises
    ------
    DataError, CrantError
        As of `unpack`.
    """
    if source.packed is None or source.path.exists():
        with source.path.open("rb") as file:
            yield from iter(lambda: file.read(_BLOCK), b"")
    else:
        yield from _told(source.packed.path, source.name, scratch)


def not_kept(name: str, scratch: Path, error: OSError) -> CrantError:
    """What to say of a file of which no copy can be made."""
    return CrantError(
        f"{name}: cannot be read, or not copied to {scratch.parent} ({error.strerror}); use {P.tmp_dir} for another "
        "folder"
    )


def _told(path: Path, name: str, scratch: Path) -> Iterator[bytes]:
    """The content of a file, with errors that name it."""
    try:
        with path.open("rb") as packed:
            yield from _contents(packed)
    except _DamageError as error:
        raise damaged(name, error) from None
    except OSError as error:
        raise not_kept(name, scratch, error) from None


def _contents(packed: IO[bytes]) -> Iterator[bytes]:
    """The content of all members of a gzip file, whose checksums are compared."""
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
            yield data
            rest = member.unconsumed_tail
            if not rest and len(data) < _BLOCK and not member.eof:
                rest = packed.read(_BLOCK)
                if not rest:
                    raise _DamageError("its end is missing")
        rest = member.unused_data or packed.read(_BLOCK)
