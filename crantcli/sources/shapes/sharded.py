"""Neuroglancer's sharded format, "neuroglancer_uint64_sharded_v1": many small entries in a few files.

Source: google/neuroglancer, src/datasource/precomputed/sharded.rst. A file begins with the index of its minishards
(start and end of each); a minishard's index is three rows of uint64: IDs, starts, and sizes of entries, the IDs as
differences from one to the next and the starts as gaps after the entry before. Offsets count from the end of the
first index.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import Any

from crantcli.errors import DataError
from crantcli.remote.stores import FileStore

_MASK32 = 2**32 - 1
_MASK64 = 2**64 - 1

#: Files that are looked through, at most, to find which entries there are.
_MOST_SHARDS = 256


@dataclass(frozen=True)
class Entry:
    """Where an entry is.

    Attributes
    ----------
    file : str
    start, end : int
        Bytes of the file.
    """

    file: str
    start: int
    end: int


class Shards:
    """The entries of a sharded source.

    Parameters
    ----------
    store : FileStore
    settings : dict
        `sharding` of the source's info.

    Raises
    ------
    DataError
        Where these are not as the format has them.
    """

    def __init__(self, store: FileStore, settings: dict[str, Any]) -> None:
        self._store = store
        try:
            self._preshift, self._minishard_bits, self._shard_bits = (
                int(settings[name]) for name in ("preshift_bits", "minishard_bits", "shard_bits")
            )
            self._hashed = {"identity": False, "murmurhash3_x86_128": True}[settings["hash"]]
            encodings = (settings.get(f"{part}_encoding", "raw") for part in ("minishard_index", "data"))
            self._index_zipped, self._data_zipped = ({"raw": False, "gzip": True}[name] for name in encodings)
            known = settings["@type"] == "neuroglancer_uint64_sharded_v1"
        except (KeyError, TypeError, ValueError, OverflowError):
            known = False
        if not known or not all(0 <= bits <= 64 for bits in (self._preshift, self._minishard_bits, self._shard_bits)):
            raise DataError(f"{store.address}: its sharding is not of the kind neuroglancer_uint64_sharded_v1")
        self._indices: dict[tuple[str, int], dict[int, Entry]] = {}

    def find(self, key: int) -> Entry | None:
        """Where the entry with an ID is; None where there is none."""
        spot = key >> self._preshift
        if self._hashed:
            spot = murmurhash3_x86_128_low(spot)
        minishard = spot & ((1 << self._minishard_bits) - 1)
        shard = (spot >> self._minishard_bits) & ((1 << self._shard_bits) - 1)
        return self._index(self._file(shard), minishard).get(key)

    def read(self, entry: Entry) -> bytes:
        """The content of an entry."""
        data = self.raw(entry.file, entry.start, entry.end)
        return self._unzipped(data, entry.file) if self._data_zipped else data

    def raw(self, file: str, start: int, end: int) -> bytes:
        """Bytes of a file, all of them."""
        if not start <= end < _MASK64 // 2:
            raise self._store.broken(f"{file}: an index is damaged")
        data = self._store.read(file, (start, end))
        if data is None or len(data) < end - start:
            raise self._store.broken(f"{file} ends too early; it is cut")
        return data

    def ids(self) -> list[int]:
        """IDs of all entries."""
        if 1 << self._shard_bits > _MOST_SHARDS:
            raise DataError(f"{self._store.address}: too many files to look through; name the meshes in labels")
        found: list[int] = []
        for shard in range(1 << self._shard_bits):
            for minishard in range(1 << self._minishard_bits):
                found += self._index(self._file(shard), minishard)
        return sorted(found)

    def _file(self, shard: int) -> str:
        return f"{shard:0{-(-self._shard_bits // 4) or 1}x}.shard"

    def _index(self, file: str, minishard: int) -> dict[int, Entry]:
        """The entries of a minishard."""
        if (file, minishard) not in self._indices:
            self._indices[file, minishard] = self._read_index(file, minishard)
        return self._indices[file, minishard]

    def _read_index(self, file: str, minishard: int) -> dict[int, Entry]:
        import numpy as np

        base = 16 << self._minishard_bits
        bounds = self._store.read(file, (16 * minishard, 16 * minishard + 16))
        if bounds is None:  # a file without entries need not be there
            return {}
        if len(bounds) < 16:
            raise self._store.broken(f"{file} ends too early; it is cut")
        start, end = (int.from_bytes(bounds[at : at + 8], "little") for at in (0, 8))
        if start == end:
            return {}
        data = self.raw(file, base + start, base + end)
        if self._index_zipped:
            data = self._unzipped(data, file)
        if len(data) % 24:
            raise self._store.broken(f"{file}: an index is damaged")
        steps, gaps, sizes = np.frombuffer(data, "<u8").reshape(3, -1).tolist()
        found, key, place = {}, 0, base
        for step, gap, size in zip(steps, gaps, sizes, strict=True):
            key, place = (key + step) & _MASK64, place + gap
            found[key] = Entry(file, place, place + size)
            place += size
        return found

    def _unzipped(self, data: bytes, file: str) -> bytes:
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise self._store.broken(f"{file}: an entry is damaged") from None


def murmurhash3_x86_128_low(key: int) -> int:
    """The lower 64 bits of MurmurHash3_x86_128 with seed 0 of a uint64's 8 bytes (Austin Appleby's smhasher)."""

    def rotated(value: int, bits: int) -> int:
        return ((value << bits) | (value >> (32 - bits))) & _MASK32

    def mixed(value: int) -> int:
        value = ((value ^ (value >> 16)) * 0x85EBCA6B) & _MASK32
        value = ((value ^ (value >> 13)) * 0xC2B2AE35) & _MASK32
        return value ^ (value >> 16)

    low, high = key & _MASK32, (key >> 32) & _MASK32
    # 8 bytes are no whole block of 16, so only the rest of the function takes part.
    h1 = (rotated((low * 0x239B961B) & _MASK32, 15) * 0xAB0E9789) & _MASK32
    h2 = (rotated((high * 0xAB0E9789) & _MASK32, 16) * 0x38B34AE5) & _MASK32
    h3 = h4 = 0
    h1, h2, h3, h4 = h1 ^ 8, h2 ^ 8, h3 ^ 8, h4 ^ 8
    h1 = (h1 + h2 + h3 + h4) & _MASK32
    h2, h3, h4 = ((h + h1) & _MASK32 for h in (h2, h3, h4))
    h1, h2, h3, h4 = map(mixed, (h1, h2, h3, h4))
    h1 = (h1 + h2 + h3 + h4) & _MASK32
    return h1 | ((h2 + h1) & _MASK32) << 32
