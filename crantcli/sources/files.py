"""Which files a source names, what format each has, and how to tell one from another."""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, DataError, UsageError

Format = Literal["parquet", "arrow", "csv", "npz"]

_SUFFIXES: dict[str, Format] = {
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
}

#: What NumPy raises for a damaged .npz file.
DAMAGED_NPZ = (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)

#: Up to this size a file is fingerprinted whole; beyond it by its head and tail, where Parquet keeps its footer.
WHOLE_FINGERPRINT = 64 * 2**20
_END = 2**20


@dataclass(frozen=True)
class Source:
    """One file to read.

    Attributes
    ----------
    path : Path
    format : {"parquet", "arrow", "csv", "npz"}
    name : str
        What to call it in messages and in the provenance: its base name, or "stdin".
    origin : dict, optional
        For the provenance, where the file itself is only a copy of what the user named.
    """

    path: Path
    format: Format
    name: str
    origin: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Bytes of a name that are no text are shown as such."""
        object.__setattr__(self, "name", os.fsencode(self.name).decode("utf-8", "backslashreplace"))

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
    return next((kind for suffix, kind in _SUFFIXES.items() if lower.endswith(suffix)), None)


def expand(names: Iterable[str], engine: Engine) -> list[Source]:
    """Find the files that the sources of a command name.

    Parameters
    ----------
    names : iterable of str
        Files, folders, globs, pipes, or `-` for standard input.
    engine : Engine
        Its scratch folder takes what comes from pipes and standard input.

    Raises
    ------
    UsageError
        Where there is no such file, or its suffix is not known.
    """
    from crantcli.sources.streams import is_stream, spooled

    found: list[Source] = []
    for name in names:
        if is_stream(name):
            found.append(spooled(engine, name, again=False))
        else:
            found += [_source(path) for path in _paths(name)]
    unique = {os.path.realpath(source.path): source for source in found}
    return list(unique.values())


def _paths(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file() and file_format(p.name) and p.name[0] not in "._")
        if not inside:
            raise UsageError(f"{name}: no table in this folder ({', '.join(_SUFFIXES)})")
        return inside
    if path.exists():
        return [path]
    matched = sorted(Path(match) for match in glob.glob(name, recursive=True)) if glob.has_magic(name) else []
    files = [match for match in matched if match.is_file()]
    if not files:
        what = "no file matches" if glob.has_magic(name) else "there is no such file or folder"
        raise UsageError(f"{name}: {what}")
    return files


def _source(path: Path) -> Source:
    kind = file_format(path.name)
    if kind is None:
        raise UsageError(f"{path}: unknown kind of file; tables end in {', '.join(_SUFFIXES)}")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path}: no permission to read this file")
    return Source(path, kind, path.name)


def literal_path(path: Path) -> str:
    """A path as query text, for the engine to read this file, and not those that it would match as a pattern."""
    return text(glob.escape(str(path)))


@dataclass(frozen=True)
class CsvHeader:
    """The first line of a CSV file."""

    columns: tuple[str, ...]
    delimiter: str


def read_header(source: Source) -> CsvHeader:
    """Read column names and find the delimiter: a comma, unless only tabs or semicolons are there."""
    opener = gzip.open if source.path.name.endswith(".gz") else open
    try:
        with opener(source.path, "rt", encoding="utf-8-sig", newline="") as file:
            line = _whole_line(file, source.name)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{source.name}: cannot be read ({error}); is it damaged?") from None
    except UnicodeDecodeError:
        raise DataError(f"{source.name}: is not UTF-8 text; save it as CSV in UTF-8") from None
    if not line.strip():
        raise DataError(f"{source.name}: is empty; a table needs a header line")
    candidates = "\t,;" if ".tsv" in source.path.name.lower() else ",\t;"
    delimiter = next((mark for mark in candidates if mark in line), candidates[0])
    try:
        names = tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:
        raise DataError(
            f"{source.name}, line 1: the name of a column is longer than any name is; is a quote opened and not closed?"
        ) from None
    if "" in names:  # pandas calls an index that it reads back so, and one more the second time
        unnamed = "Unnamed: 0" if "Unnamed: 0" not in names else "Unnamed: 0.1"
        names = tuple(name or unnamed for name in names)
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise DataError(
                f"{source.name}: columns {seen[name.lower()]!r} and {name!r} are called the same; rename one"
            )
        seen[name.lower()] = name
    return CsvHeader(names, delimiter)


#: Characters in a header; the engine takes lines of as many bytes.
_LONGEST_LINE = 2**25


def _whole_line(file: IO[str], name: str) -> str:
    """The first line, which goes on where a quote in it does."""
    lines = [file.readline(_LONGEST_LINE)]
    length, quotes = len(lines[0]), lines[0].count('"')
    while quotes % 2 and length < _LONGEST_LINE and (more := file.readline(_LONGEST_LINE)):
        lines.append(more)
        length, quotes = length + len(more), quotes + more.count('"')
    if quotes % 2:
        raise DataError(f"{name}, line 1: a quote is opened and not closed; mend the header")
    return "".join(lines)


def csv_relation(sources: Sequence[Source], header: CsvHeader) -> str:
    """A FROM expression that reads CSV files as text, refusing rows that do not fit the header."""
    listed = ", ".join(literal_path(source.path) for source in sources)
    names = ", ".join(f"{quote(name)}: 'VARCHAR'" for name in header.columns)
    return (
        f"read_csv([{listed}], auto_detect = false, header = true, delim = {text(header.delimiter)}, quote = '\"', "
        f"escape = '\"', columns = {{{names}}}, null_padding = false, nullstr = '', max_line_size = 33554432)"
    )


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
            name = engine.register("arrow", pa.RecordBatchReader.from_batches(file.schema, batches(file)))
            engine.copy(f"SELECT * FROM {name}", str(target), {"FORMAT": "parquet"})
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source.name}: cannot be read as Arrow or Feather ({str(error).splitlines()[0]})") from None
    except CrantError as error:
        if damage:
            raise DataError(
                f"{source.name}: is truncated or damaged ({damage[0]}); make it or fetch it again"
            ) from None
        if "Arrow Type" in str(error):
            raise DataError(f"{source.name}: has columns of types that are not known ({error})") from None
        raise
    return target


def arrow_metadata(source: Source) -> dict[str, str]:
    """The key-value metadata of an Arrow file."""
    import pyarrow as pa
    import pyarrow.ipc

    with pa.memory_map(str(source.path)) as mapped:
        metadata = pa.ipc.open_file(mapped).schema.metadata or {}
    return {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in metadata.items()}
