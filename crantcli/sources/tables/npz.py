"""Reads `.npz` files, and believes nothing that a file says about itself before it has made sure.

A small file can say that it holds an array of a terabyte. Here each array is compared with the room that it has in the
file before memory is taken for it.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from crantcli.errors import CrantError, DataError
from crantcli.schema import KEY
from crantcli.system.archives import DAMAGED

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: Arrays of a matrix, as `output.matrices` writes them.
MATRIX = ("format", "shape", "data", "indices", "indptr", "pre", "post")

#: No content shrinks more than this when it is deflated (zlib's own figure).
_MOST_DEFLATED = 1032

#: Arrays that need more than this are refused where they shrink more than matrices do: their column numbers do not
#: repeat as often as the bytes of a file that is made to fill memory.
_LARGE, _SUSPICIOUS = 2**30, 200


@dataclass(frozen=True)
class _Member:
    """An array in an archive: where it is, and what it says of itself."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: Path, name: str, wanted: Sequence[str]) -> tuple[dict[str, Array], list[str]]:
    """Read some arrays of an archive.

    Parameters
    ----------
    path : Path
    name : str
        What to call it in messages.
    wanted : sequence of str
        Arrays to read, where they are there.

    Returns
    -------
    tuple of dict and list
        The arrays; the names of all that are there.

    Raises
    ------
    DataError
        Where it is damaged, or is not what it says it is.
    """
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                raise DataError("it is no zip archive")
            size = os.fstat(file.fileno()).st_size
            with zipfile.ZipFile(file) as archive:
                infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                for info in infos.values():  # the directory and the files in it name each array, and have to agree
                    archive.open(info).close()
                members = {array: _described(archive, infos[array]) for array in wanted if array in infos}
                _refuse_bombs(name, size, list(members.values()))
                return {array: _read(archive, member) for array, member in members.items()}, list(infos)
    except DataError as error:
        raise DataError(f"{name}: cannot be read as .npz ({error.message}); make it again") from None
    except DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{name}: cannot be read as .npz ({reason}); is it damaged? Make it again") from None


def _described(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    """What an array says of itself, compared with the room that it has."""
    from numpy.lib import format as npy

    with archive.open(info) as file:
        # Longer headers than version 1.0 has room for are for records of many fields.
        if npy.read_magic(file) != (1, 0):
            raise DataError(f"{info.filename} is of a version that is not known")
        try:
            shape, _, dtype = npy.read_array_header_1_0(file)
        except (*DAMAGED, MemoryError):  # of what is nested too deeply, too
            raise DataError(f"{info.filename} does not say what it holds") from None
        start = file.tell()
    if dtype.hasobject or dtype.names or dtype.kind not in "biufSU":
        raise DataError(f"{info.filename} holds neither numbers nor text")
    member = _Member(info, shape, dtype)
    room = info.compress_size if info.compress_type == zipfile.ZIP_STORED else info.compress_size * _MOST_DEFLATED
    if any(length < 0 for length in shape) or member.bytes != info.file_size - start or info.file_size > room:
        raise DataError(f"{info.filename} says that it holds {member.bytes:,} bytes, for which it has no room")
    return member


def _refuse_bombs(name: str, size: int, members: Sequence[_Member]) -> None:
    total = sum(member.bytes for member in members)
    if total > _LARGE and total > size * _SUSPICIOUS:
        raise DataError(f"it would fill {total:,} bytes of memory from {size:,}, which is no matrix of neurons")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else total
    if total > memory:
        raise CrantError(f"{name}: its arrays take {total:,} bytes, and this machine has {memory:,}; use a larger one")


def _read(archive: zipfile.ZipFile, member: _Member) -> Array:
    from numpy.lib import format as npy

    with archive.open(member.info) as file:
        found: Array = npy.read_array(file, allow_pickle=False)
        _at_end(file)
    return found


def _at_end(file: IO[bytes]) -> None:
    """The checksum is compared where the end is reached."""
    if file.read(1):
        raise DataError("an array is longer than it says")


def read_matrix(path: Path, name: str) -> dict[str, Array]:
    """The arrays of a matrix in compressed sparse row form, with its IDs, and its provenance where it has one.

    Raises
    ------
    DataError
        Where it is damaged, or its arrays do not fit together.
    """
    arrays, _ = read_npz(path, name, (*MATRIX, KEY))
    missing = set(MATRIX) - set(arrays)
    if missing:
        raise DataError(f"{name}: has no array {', '.join(sorted(missing))}; not an adjacency made by crantcli")
    if arrays["format"].ndim or arrays["format"].item() not in ("csr", b"csr"):
        raise DataError(f"{name}: is not in compressed sparse row form with one ID per row")
    wrong = _misfit(arrays) or _wrong_ids(arrays)
    if wrong:
        raise DataError(f"{name}: {wrong}; make it again")
    return arrays


def _misfit(arrays: dict[str, Array]) -> str:
    """What does not fit together in a matrix; "" where all does."""
    import numpy as np

    pre, post, data, indices, indptr = (arrays[key] for key in ("pre", "post", "data", "indices", "indptr"))
    if any(array.ndim != 1 for array in (pre, post, data, indices, indptr)):
        return "an array of it is no list"
    if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu" or data.dtype.kind not in "iuf":
        return "an array of it does not hold numbers"
    if data.dtype.itemsize > 8 or not np.isfinite(data).all():
        return "a weight of it is not a finite number"
    if KEY in arrays and arrays[KEY].size != 1:
        return "its provenance is not one text"
    if arrays["shape"].shape != (2,) or arrays["shape"].tolist() != [len(pre), len(post)]:
        return f"its shape is not that of {len(pre):,} by {len(post):,} neurons"
    if len(indptr) != len(pre) + 1:
        return "is not in compressed sparse row form with one ID per row"
    rising = indptr[0] == 0 and bool(np.all(indptr[1:] >= indptr[:-1]))
    if not rising or indptr[-1] != len(indices) or len(indices) != len(data):
        return "its rows do not hold as many entries as it has"
    if len(indices) and not (indices.min() >= 0 and indices.max() < len(post)):
        return "an entry of it is in a column that it does not have"
    return ""


def _wrong_ids(arrays: dict[str, Array]) -> str:
    """What is wrong with the neuron IDs of a matrix; "" where nothing is. Text in bytes becomes text."""
    import numpy as np

    for key in ("pre", "post"):
        ids = arrays[key]
        if ids.dtype.kind == "S":
            try:
                arrays[key] = ids = np.char.decode(ids, "utf-8")
            except UnicodeDecodeError:
                return f"its {key} IDs are no UTF-8 text"
        if ids.dtype.kind not in "iuU":
            return f"its {key} IDs are neither integers nor text"
        if ids.dtype.kind == "u" and len(ids) and ids.max() >= 2**63:
            return f"one of its {key} IDs does not fit into 64 bits"
        if ids.dtype.kind == "U" and ids.size:
            codes = np.ascontiguousarray(ids).view(
                np.uint32 if ids.dtype.isnative else np.dtype(np.uint32).newbyteorder()
            )
            if codes.max(initial=0) > 0x10FFFF or ((codes >= 0xD800) & (codes < 0xE000)).any():
                return f"one of its {key} IDs is no text"
        if len(np.unique(ids)) < len(ids):
            return f"one of its {key} IDs stands there twice"
    return ""
