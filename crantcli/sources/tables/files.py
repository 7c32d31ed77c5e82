"""Which files a source names, what format each has, and how to tell one from another."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from crantcli.core.sql import text
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, DataError, UsageError, damaged

Format = Literal["parquet", "arrow", "csv", "npz", "xlsx", "delta", "iceberg"]

#: Endings that are known, and the formats they stand for.
SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "arrow",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".csv": "csv",
    ".tsv": "csv",
    ".csv.gz": "csv",
    ".tsv.gz": "csv",
    ".npz": "npz",
    ".txt": "csv",
    ".txt.gz": "csv",
    ".edges": "csv",
    ".edgelist": "csv",
    ".xlsx": "xlsx",
}


#: First bytes -> what the file is: a format that is read whatever the name says, or words to refuse it with.
_MAGIC: dict[bytes, Format] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\x1f\x8b": "csv"}
_STRANGE = {
    b"version https://git-lfs": "is a Git LFS pointer and not the table; fetch it with: git lfs pull",
    b"\xd0\xcf\x11\xe0": "is an old Excel file (.xls); save it as .xlsx or CSV",
    b"FEA1": "is a Feather file of version 1; write it again as version 2",
    b"%PDF": "is a PDF and no table",
    b"\x89PNG": "is a picture and no table",
    b"\x89HDF": "is an HDF5 file; export the table from it as Parquet or CSV",
    b"SQLite format 3": "is an SQLite data base; export the table from it as Parquet or CSV",
    b"BZh": "is packed with bzip2; unpack it",
    b"\xfd7zXZ": "is packed with xz; unpack it",
    b"\x28\xb5\x2f\xfd": "is packed with zstd; unpack it",
}

#: Files of these endings are no tables of a folder unless they are named: notes lie beside tables, too.
_ONLY_NAMED = (".txt", ".txt.gz", ".edges", ".edgelist", ".xlsx")

_WORDS: dict[Format, str] = {"parquet": "Parquet", "arrow": "Arrow", "csv": "text", "npz": ".npz", "xlsx": "Excel"}

#: Up to this size a file is fingerprinted whole; beyond it by its head and tail, where Parquet keeps its footer.
WHOLE_FINGERPRINT = 64 * 2**20
_END = 2**20

#: Bytes at the start of a file by which formats are told.
START = 512


class Packed(NamedTuple):
    """A text file that gzip has packed, and that has not been unpacked yet.

    Attributes
    ----------
    path : Path
    head : Path
        Its first lines, unpacked.
    """

    path: Path
    head: Path


@dataclass(frozen=True)
class Source:
    """One file to read.

    Attributes
    ----------
    path : Path
    format : {"parquet", "arrow", "csv", "npz", "xlsx", "delta", "iceberg"}
    name : str
        What to call it in messages and in the provenance: its base name, or "stdin".
    origin : dict, optional
        For the provenance, where the file itself is only a copy of what the user named.
    sheet : str, optional
        Of an Excel file; the first if none is named.
    note : str
        What the user should be told of it.
    together : str
        The folder or pattern that named it: its files are one table.
    packed : Packed, optional
        What `path` is made of when all of it is needed, and does not exist before.
    remote : str
        The path that the engine knows it by, where it is read from an object store piece by piece, or the address of
        a Delta Lake table there; `path` is its address then.
    """

    path: Path
    format: Format
    name: str
    origin: dict[str, Any] | None = None
    sheet: str | None = None
    note: str = ""
    together: str = ""
    packed: Packed | None = None
    remote: str = ""

    def __post_init__(self) -> None:
        """Bytes of a name that are no text are shown as such."""
        object.__setattr__(self, "name", os.fsencode(self.name).decode("utf-8", "backslashreplace"))

    @property
    def start(self) -> Path:
        """A file with its first lines."""
        return self.path if self.packed is None else self.packed.head

    @property
    def location(self) -> str:
        """The path that the engine knows it by."""
        return self.remote or str(self.path)

    def record(self) -> dict[str, Any]:
        """For the provenance: base name, size and fingerprint, or the origin."""
        if self.origin is not None:
            return self.origin
        size = self.path.stat().st_size
        return {"name": self.name, "bytes": size, "sha256": fingerprint(self.path, size)}


def fingerprint(path: Path, size: int) -> str:
    """SHA-256 of the whole content up to 64 MB; beyond that `ends:` and that of size, first and last megabyte."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= WHOLE_FINGERPRINT:
            for block in iter(lambda: file.read(_END), b""):
                digest.update(block)
            return digest.hexdigest()
        digest.update(str(size).encode())
        digest.update(file.read(_END))
        file.seek(-8, os.SEEK_END)
        end = file.read(8)
        # A Parquet file ends with the length of its footer and "PAR1"; the footer is taken whole.
        footer = int.from_bytes(end[:4], "little") + 8 if end[4:] == b"PAR1" else 0
        file.seek(-min(size, max(_END, footer)), os.SEEK_END)
        digest.update(file.read())
    return "ends:" + digest.hexdigest()


def file_format(name: str) -> Format | None:
    """The format that a file name's suffix stands for."""
    lower = name.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if lower.endswith(suffix)), None)


def is_table_of_folder(name: str) -> bool:
    """Whether a file is one of the tables of its folder, by its name."""
    return file_format(name) is not None and not name.lower().endswith(_ONLY_NAMED) and name[0] not in "._"


def content_format(path: Path) -> Format | None:
    """The format that a file's first bytes tell; None where they tell nothing (text).

    Raises
    ------
    DataError
        Where they tell that it is no table.
    """
    with path.open("rb") as file:
        start = file.read(START)
    return _zip_format(path) if is_zip(start) else start_format(start, path.name)


def is_zip(start: bytes) -> bool:
    """Whether a file that begins so is a zip archive, whose directory says what it holds."""
    return start.startswith(b"PK\x03\x04")


def start_format(start: bytes, name: str) -> Format | None:
    """The format of a file that begins so; as for `content_format`, but for zip archives."""
    for magic, what in _STRANGE.items():
        if start.startswith(magic):
            raise DataError(f"{name}: {what}")
    found = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if found is not None:
        return found
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        raise DataError(f"{name}: is an HTML page and no table (of a login or an error, perhaps); download it again")
    if text.startswith(b"<?xml"):
        raise DataError(f"{name}: is XML and no table; export it as CSV or Parquet")
    if re.match(rb'\{\s*["}]|\[\s*[\[{"]', text):
        raise DataError(f"{name}: is JSON and no table; convert it to CSV or Parquet")
    return None


def _zip_format(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        if file_format(path.name) == "npz":
            return "npz"
        raise DataError(f"{path.name}: is a damaged zip archive ({error}); fetch it again") from None
    if "xl/workbook.xml" in names:
        return "xlsx"
    if any(name.endswith(".npy") for name in names) or file_format(path.name) == "npz":
        return "npz"
    raise DataError(f"{path.name}: is a zip archive and no table; unpack it")


def source_file(path: Path) -> Source:
    """A file as a source, of the format that its name and its first bytes tell.

    Raises
    ------
    UsageError
        Where it may not be read, or nothing tells its format.
    DataError
        Where it is no table.
    """
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path}: no permission to read this file")
    named = file_format(path.name)
    found = content_format(path)
    if named is None and (found is None or path.suffix.lower() == ".gz"):
        raise unknown_kind(path)
    packed = path.suffix.lower() == ".gz"
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    note = ""
    if named == "csv" and found in (None, named) and gzipped != packed and path.stat().st_size:
        what = "packed with gzip" if gzipped else "text that is not packed"
        note = f"{path.name}: read as {what}, as its first bytes say"
    return Source(path, found or named or "csv", path.name, note=note or format_note(path.name, found))


def unknown_kind(name: object) -> UsageError:
    """The error for a file of which nothing tells the format."""
    return UsageError(f"{name}: unknown kind of file; tables end in {', '.join(SUFFIXES)}")


def format_note(name: str, found: Format | None) -> str:
    """What to say of a file whose first bytes tell another format than its name does."""
    different = found is not None and found != file_format(name)
    return f"{name}: read as {_WORDS[found]}, as its first bytes say" if found and different else ""


def literal_path(path: Path | str) -> str:
    """A path as query text, for the engine to read this file, and not those that it would match as a pattern."""
    return text(glob.escape(str(path)))


def stage_arrow(engine: Engine, source: Source) -> Path:
    """Copy an Arrow file, batch by batch, to Parquet in the scratch folder, since the engine reads that natively."""
    import pyarrow as pa
    import pyarrow.ipc

    target = engine.scratch / f"{engine.name('staged')}.parquet"
    damage: list[str] = []

    def batches(file: Any) -> Iterator[Any]:
        try:
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                batch.validate(full=True)  # places in memory that are read from the file must not lead out of it
                yield batch
        except (pa.ArrowException, OSError) as error:
            damage.append(str(error).splitlines()[0])
            raise

    try:
        with pa.memory_map(str(source.path)) as mapped:
            file = pa.ipc.open_file(mapped)
            if not file.schema.names:
                raise DataError(f"{source.name}: has no columns; a table needs those of neuron IDs")
            name = engine.register("arrow", pa.RecordBatchReader.from_batches(file.schema, batches(file)))
            engine.copy(f"SELECT * FROM {name}", str(target), {"FORMAT": "parquet"})
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source.name}: cannot be read as Arrow or Feather ({str(error).splitlines()[0]})") from None
    except CrantError as error:
        if damage:
            raise damaged(source.name, damage[0]) from None
        if "Arrow Type" in error.message:
            raise DataError(f"{source.name}: has columns of types that are not known ({error.message})") from None
        raise
    return target


def arrow_metadata(source: Source) -> dict[str, str]:
    """The key-value metadata of an Arrow file."""
    import pyarrow as pa
    import pyarrow.ipc

    with pa.memory_map(str(source.path)) as mapped:
        metadata = pa.ipc.open_file(mapped).schema.metadata or {}
    return {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in metadata.items()}
