"""Headers of the pages of Parquet files, compared with what the footer says of them.

The engine believes a header that says too few values, or another kind of page, and gives other rows or nulls. Nothing
is unpacked here. Source: PageHeader in parquet.thrift of the Parquet format, which is written in Thrift's compact form
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

#: Types of fields in the compact form: true and false, whole numbers (a byte, then varints), a float, text, lists.
_TRUE, _FALSE, _BYTE, _DOUBLE, _TEXT, _LISTS, _STRUCT = 1, 2, 3, 7, 8, (9, 10), 12
_VARINTS = (4, 5, 6)

#: Fields of a page header: its kind and sizes, the checksum, and what there is besides of each kind of page.
_KIND, _UNPACKED, _PACKED, _CHECKSUM = 1, 2, 3, 4
_BY_KIND = {0: 5, 2: 7, 3: 8}
_DICTIONARY = 2

_GARBLED = "the header of a page is garbled"

#: Bytes of most headers, and those of the longest that is taken for one: statistics of long text stand in them.
_FEW, _MOST = 128, 1 << 20


#: Header of a page of data with statistics of numbers, as most are: its sizes, perhaps its checksum, its values. What
#: is read by this, `_struct` would read alike, five times as slowly.
_NUMBER = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_USUAL = re.compile(
    rb"\x15\x00\x15%(n)b\x15(%(n)b)(?:\x2c|\x15(%(n)b)\x1c)\x15(%(n)b)\x15%(n)b\x15%(n)b\x15%(n)b"
    rb"(?:\x1c(?:[\x18\x28]\x08.{8}|[\x18\x28]\x04.{4}|[\x16\x26]%(n)b|[\x11\x12])*\x00)?\x00\x00" % {b"n": _NUMBER},
    re.DOTALL,
)


class ColumnChunk(NamedTuple):
    """A column of a row group: where its first page is, how many values it has, and the group's number from 0."""

    start: int
    values: int
    group: int


class Readable(Protocol):
    """A binary file."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""
        ...

    def read(self, size: int, /) -> bytes:
        """So many bytes."""
        ...


class PageError(Exception):
    """What is wrong with a page."""


def check_pages(file: Readable, chunks: Iterable[ColumnChunk]) -> bool:
    """Walk through the headers of pages.

    Parameters
    ----------
    file : binary file
    chunks : iterable of ColumnChunk

    Returns
    -------
    bool
        Whether a page has a checksum.

    Raises
    ------
    PageError
        Where a header cannot be read, or pages do not hold as many values as their chunk.
    """
    checksums = False
    for chunk in chunks:
        try:
            checksums |= _check_chunk(file, chunk)
        except PageError as error:
            raise PageError(f"row group {chunk.group + 1}: {error}") from None
    return checksums


def _check_chunk(file: Readable, chunk: ColumnChunk) -> bool:
    place, left, checksums = chunk.start, chunk.values, False
    while left > 0:
        size, packed, number, checksum = _page(file, place)
        checksums |= checksum
        place += size + packed
        left -= number
    if left:
        raise PageError("pages do not hold as many values as the footer says")
    return checksums


def has_checksum(file: Readable, chunk: ColumnChunk) -> bool:
    """Whether the first page of a chunk has one.

    Raises
    ------
    PageError
        Where its header cannot be read.
    """
    return chunk.values > 0 and _page(file, chunk.start)[3]


def _page(file: Readable, place: int) -> tuple[int, int, int, bool]:
    """Lengths of a header and of what follows, the values of a page of data, and whether there is a checksum."""
    file.seek(place)
    usual = _USUAL.match(file.read(_FEW))
    if usual is not None:
        numbers = _zigzag(usual[1], 0)[0], _zigzag(usual[3], 0)[0]
        size, checksum = usual.end(), usual[2] is not None
    else:
        header, size = _header(file, place)
        kind, packed = header.get(_KIND), header.get(_PACKED)
        of_kind = header.get(_BY_KIND[kind]) if isinstance(kind, int) and kind in _BY_KIND else {1: 0}
        number = of_kind.get(1) if isinstance(of_kind, dict) else None
        if not isinstance(packed, int) or not isinstance(number, int):
            raise PageError(_GARBLED)
        numbers, checksum = (packed, number if kind != _DICTIONARY else 0), _CHECKSUM in header
    if min(numbers) < 0:
        raise PageError(_GARBLED)
    return size, *numbers, checksum


Struct = dict[int, "int | Struct | None"]


def _header(file: Readable, place: int) -> tuple[Struct, int]:
    """A page header and its length."""
    for length in (_FEW, _MOST):
        file.seek(place)
        with contextlib.suppress(IndexError):
            return _struct(file.read(length), 0, 0)
    raise PageError(_GARBLED)


def _struct(data: bytes, at: int, depth: int) -> tuple[Struct, int]:
    """The fields of a structure by their numbers, and where it ends. Raises IndexError where the data end before."""
    if depth > 8:
        raise PageError(_GARBLED)
    found: Struct = {}
    field = 0
    while True:
        head = data[at]
        at += 1
        if head == 0:
            return found, at
        if head >> 4:
            field += head >> 4
        else:
            field, at = _zigzag(data, at)
        found[field], at = _value(data, at, head & 15, depth)


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[int | Struct | None, int]:
    """A value of a type, or None for one that is not needed, and where it ends."""
    if kind in (_TRUE, _FALSE):
        return None, at
    if kind in _VARINTS:
        return _zigzag(data, at)
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    if kind == _BYTE:
        at += 1
    elif kind == _DOUBLE:
        at += 8
    elif kind == _TEXT:
        length, at = _varint(data, at)
        at += length
    elif kind in _LISTS:
        head = data[at]
        number, at = (head >> 4, at + 1) if head >> 4 < 15 else _varint(data, at + 1)
        for _ in range(number):
            if at >= len(data):
                raise IndexError
            _, at = _value(data, at, head & 15, depth + 1) if head & 15 not in (_TRUE, _FALSE) else (None, at + 1)
    else:
        raise PageError(_GARBLED)
    if at > len(data):
        raise IndexError
    return None, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise PageError(_GARBLED)


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
