"""What the engine reports, in our words: which file is to blame, what is wrong with it, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import StoredFile
from crantcli.core.sql import text
from crantcli.engine.objects import RemoteFiles
from crantcli.errors import CrantError, DataError, DefectError, IncompleteError, UsageError, damaged
from crantcli.system.temporary import TEMPORARY
from crantcli.text import P

if TYPE_CHECKING:
    import pyarrow as pa


class Reading(dict[str, str]):
    """Paths of files that queries read -> what to call them in messages.

    Attributes
    ----------
    remote : RemoteFiles
        Those of them that are not on this machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.remote = RemoteFiles()
        self._states: dict[Path, tuple[int, int] | None] = {}

    def note(self, path: Path) -> None:
        """Remember a file as it is before anything of it is read."""
        self._states.setdefault(path, _state(path))

    def check_unchanged(self) -> None:
        """See that the files that were noted are what they were: they are read several times, and by several readers.

        Raises
        ------
        IncompleteError
        """
        for path, state in self._states.items():
            if _state(path) != state:
                raise IncompleteError(
                    f"{path}: the file was changed, replaced or removed while it was read; run the command again when "
                    "it stays"
                )


def _state(path: Path) -> tuple[int, int] | None:
    """Bytes of a file, and when it was written; None where it is gone.

    Its number on the disk is not asked for: some remote disks give a file another one now and then.
    """
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_size, told.st_mtime_ns


#: What a damaged Parquet file gives rise to -> what that means. The first that fits.
_DAMAGE = (
    ("magic bytes|too small to be|footer length", "it has no footer, so it is cut off, or no Parquet file"),
    ("decompress|uncompressed data|gzip|snappy|zstd|lz4|brotli", "a compressed part cannot be unpacked"),
    ("invalid unicode|string encoding|not valid utf", "it holds text that is not UTF-8"),
    ("could not read enough|bytes outside file|out of buffer", "it is shorter than it says"),
    ("thrift|tprotocol|ttype|know what type|varint|variable-length|negative size|stats size", "its footer is garbled"),
    ("aggregate group", "its statistics are not those of its values"),
    ("corrupt|invalid parquet|missing its metadata|dictionary|column chunk|page header", "it contradicts itself"),
)

#: Numbers that 64 bits do not hold.
_TOO_LARGE = "out of range for the destination|Overflow (?:in|on)|cannot be cast because the value is out of range"


@contextmanager
def explained(reading: Reading) -> Any:
    """Turn what the engine raises into our errors, one line each.

    Parameters
    ----------
    reading : Reading
        Files that may be to blame; it may grow meanwhile.
    """
    import duckdb

    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        if isinstance(error, duckdb.InterruptException) or "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise
    except duckdb.OutOfMemoryException as error:
        raise CrantError(
            f"out of memory or of temporary disk space ({_first_line(str(error))}); raise {P.max_memory}, lower "
            f"{P.threads}, or point {P.tmp_dir} to a larger disk"
        ) from error
    except duckdb.Error as error:
        raise _explain(error, reading) from error
    if reading.remote.failure is not None:  # whatever the engine has made of it
        raise reading.remote.failure


@contextmanager
def explained_inputs(reading: Reading) -> Iterator[None]:
    """Look for a file that is to blame for an error: one that has changed, or contradicts itself.

    Parameters
    ----------
    reading : Reading
        As for `explained`.

    Raises
    ------
    IncompleteError
        Where a file has changed, whatever has come of that.
    DataError
        Where the rows of a ledger do not add up, since the engine believes a footer that is wrong.
    """
    try:
        yield
    except (AssertionError, CrantError) as error:
        reading.check_unchanged()
        found = _contradicting(reading) if isinstance(error, AssertionError) else None
        if found is None:
            raise
        raise found from None


def explained_batches(reader: pa.RecordBatchReader, reading: Reading) -> pa.RecordBatchReader:
    """The same rows. What the engine reports while they are made comes from Arrow as an error of the system."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except (OSError, pa.ArrowException) as error:
            if "interrupt" in str(error).lower():
                raise KeyboardInterrupt from error
            raise _explain(error, reading) from error

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _first_line(message: str) -> str:
    line = re.sub(r"^[A-Za-z ]+ Error: ", "", message.strip().splitlines()[0])
    inner = re.search(r'"exception_message":"((?:[^"\\]|\\.)*)"', line)
    if inner:
        line = inner[1].replace("\\", "")
    return re.sub(TEMPORARY, r"\1", line)


def _explain(error: Exception, reading: Reading) -> CrantError:
    if reading.remote.failure is not None:
        return reading.remote.failure
    message = str(error)
    if "CSV Error on Line" in message or "CSV Parser state machine" in message:
        return _csv_error(message, reading)
    line = _first_line(message)
    if "cannot encode str as UTF-8" in message:
        return UsageError(
            "an option, or a name that it leads to, is not UTF-8 text, as all text in tables is; change it"
        )
    if "at least one non-root column" in message:
        return DataError(f"{_among(reading)}: has no columns; a table needs those of neuron IDs")
    if "No space left" in message:
        return CrantError(f"the disk is full: {line}; free some space, or write elsewhere")
    if "File too large" in message:
        return CrantError(f"a file grew over the limit of the system: {line}")
    if re.search(_TOO_LARGE, message):
        value = re.search(r"with value (\S+)", message)
        told = f" ({value[1]})" if value else ""
        return DataError(
            f"{_among(reading)}: a number, or what numbers add up to, is beyond 2^63 - 1{told}; look for values that "
            "are no counts"
        )
    text_value = re.search(r"Could not convert string '(.*?)' to ", message, re.DOTALL)
    if text_value:
        return DataError(f"{_among(reading)}: {text_value[1]!r} is not a number; mend it")
    found = _damaged(message, reading) or _contradicting(reading)
    if found:
        return found
    if type(error).__name__ == "IOException":
        return CrantError(line)
    return DefectError(f"the query engine failed ({line}); this is a defect, please report it")


def _among(reading: Reading) -> str:
    """The files that are read, where they are few."""
    names = list(dict.fromkeys(reading.values()))
    return " or ".join(names) if 0 < len(names) <= 3 else "the input"


def _damaged(message: str, reading: Reading) -> DataError | None:
    """The file that cannot be read, if the message or another look at the files tells."""
    names = [name for path, name in reading.items() if path in message]
    for path in reading:  # whose names are not what is wrong
        message = message.replace(path, "")
    reason = next((told for pattern, told in _DAMAGE if re.search(pattern, message, re.IGNORECASE)), "")
    if not names or not reason:
        names = [reading[path] for path in _unreadable(_parquet_files(reading), reading.remote)]
        if not names and not reason:
            return None
    where = names[0] if names else _among(reading)
    return damaged(where, reason or "it cannot be read")


#: Suffixes of Parquet files.
PARQUET = (".parquet", ".pq")


def _parquet_files(reading: Reading) -> list[str]:
    return [path for path in reading if path.lower().endswith(PARQUET)]


def _unreadable(paths: Sequence[str], remote: RemoteFiles) -> list[str]:
    """The first Parquet file that cannot be read on its own. Most errors inside a page do not name their file."""
    import duckdb

    for path in paths:
        with duckdb.connect(config={"threads": 1, "python_enable_replacements": False}) as apart:
            if path in remote:
                apart.register_filesystem(remote.filesystem())
            try:
                apart.execute(f"SELECT bit_xor(hash(read)) FROM read_parquet({text(escape(path))}) AS read").fetchall()
            except duckdb.Error:
                return [path]
    return []


def _contradicting(reading: Reading) -> DataError | None:
    """What is wrong with the first Parquet file whose footer tells other integers than its pages have."""
    import pyarrow as pa

    from crantcli.engine.pairs.stored import check_footer

    remote = reading.remote
    for path in _parquet_files(reading):
        opened = partial(remote.open, path) if path in remote else None
        try:
            check_footer(StoredFile(path, reading[path], {}, opened=opened))
        except DataError as error:
            return error
        except (pa.ArrowException, OSError):
            continue
    return None


def _csv_error(message: str, reading: Reading) -> DataError:
    # What stands in the file comes before what the engine says about it.
    files = re.findall(r"^\s*file = (.+)$", message, re.MULTILINE)
    name = reading.get(files[-1], Path(files[-1]).name) if files else _among(reading)
    number = re.search(r"CSV Error on Line: (\d+)", message)
    if not number:
        return DataError(
            f"{name}: cannot be read as CSV; its lines end in different ways, or a quote is misplaced; save the table "
            "again with one kind of line end"
        )
    where = f"{name}, line {number[1]}"
    told = message.rpartition("Possible fixes:")[0] or message
    expected = re.findall(r"Expected Number of Columns: (\d+) Found: (\d+)", told)
    if expected:
        columns, found = expected[-1]
        return DataError(f"{where}: {found} columns instead of the {columns} of the header; mend the row")
    if "unterminated quote" in told:
        return DataError(f"{where}: a quote is opened and not closed, or stands in the middle; mend the row")
    if "unicode" in told:
        return DataError(f"{where}: is not UTF-8 text; save the table as CSV in UTF-8")
    if "line size" in told.lower():
        return DataError(f"{where}: is longer than 32 MB; is a quote opened and not closed?")
    return DataError(f"{where}: cannot be read as CSV; mend the row")
