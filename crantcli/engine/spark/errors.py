"""What Spark reports, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from crantcli.errors import CrantError, DataError, UsageError
from crantcli.text import P

#: Conditions that tell of a statement that Spark does not understand as DuckDB does.
_NOT_SAID = re.compile(r"PARSE_SYNTAX|UNRESOLVED|UNSUPPORTED|DATATYPE_MISMATCH|_NOT_SUPPORTED|INVALID_")

#: Of numbers that 64 bits do not hold.
_TOO_LARGE = re.compile(r"ARITHMETIC_OVERFLOW|CAST_OVERFLOW|NUMERIC_VALUE_OUT_OF_RANGE|BINARY_ARITHMETIC")

#: Of files that are damaged, or hold something else than their first footer says.
_DAMAGED = re.compile(r"FAILED_READ_FILE|CANNOT_READ_FILE|ParquetDecodingException|is not a Parquet file|CONVERT_NOT")

#: Of files that are there for this machine, and not for a worker.
_NOT_FOUND = re.compile(r"FAILED_READ_FILE\.FILE_NOT_EXIST|FileNotFoundException")

#: Of a kind of address that Spark does not know.
_NO_CONNECTOR = re.compile(r"Class (\S*fs\.\S+) not found|No FileSystem for scheme \"(\w+)\"")

#: Of workers whose Python has not what is needed.
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


@contextmanager
def told_by_spark(reading: Mapping[str, str], unread: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn what Spark raises into our errors, one line each.

    Parameters
    ----------
    reading : mapping of str to str
        Path of a file that is read -> what to call it in messages.
    unread : mapping of str to str, optional
        Columns that Spark is not let read, and their types.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        raise _explained(error, reading, unread or {}) from error


def _explained(error: Exception, reading: Mapping[str, str], unread: Mapping[str, str]) -> CrantError:
    message = str(error)
    line = _line(message)
    lacking = re.search(r"(?:name|field) `((?:[^`]|``)+)`(?:\.`((?:[^`]|``)+)`)? cannot be resolved", message)
    if lacking is not None:
        column = (lacking[2] or lacking[1]).replace("``", "`")
        if column in unread:
            return UsageError(
                f"{P.engine('spark')}: column {column} holds {unread[column].lower()} values, which Spark decodes in "
                f"another way; leave {P.engine} out, or the column"
            )
    if _TOO_LARGE.search(message):
        return DataError(
            f"{', '.join(reading.values()) or 'the input'}: a number, or what numbers add up to, is beyond 2^63 - 1; "
            "look for values that are no counts"
        )
    named = next((name for path, name in reading.items() if path in message), "a file of the source")
    # Both are told inside of what Spark says of a file that it cannot read.
    connector = _NO_CONNECTOR.search(message)
    if connector is not None:
        return UsageError(
            f"{P.engine('spark')}: Spark has no connector for such addresses ({connector[1] or connector[2]}); give it "
            "one in its configuration, such as spark.jars.packages org.apache.hadoop:hadoop-aws:VERSION for s3a://, or "
            f"leave {P.engine} out"
        )
    if _NOT_FOUND.search(message):
        return CrantError(
            f"{named}: a worker of Spark does not find the file; all of them have to see it under the same path as "
            f"this machine does. What is no Parquet is copied to {P.tmp_dir}, which all have to see then"
        )
    if _DAMAGED.search(message):
        return DataError(f"{named}: cannot be read by Spark ({line}); make it or fetch it again")
    lacks = _NO_MODULE.search(message)
    if lacks is not None or "PYTHON_VERSION_MISMATCH" in message:
        absent = f"lack the package {lacks[1]}" if lacks is not None else "have another Python"
        return CrantError(
            f"Spark's workers {absent}: some of the work is done in Python there; install crantcli where they run, "
            "with the same Python as here, and name it in PYSPARK_PYTHON"
        )
    if "OutOfMemoryError" in message or "TaskResultLost" in message:
        return CrantError(f"Spark is out of memory; raise {P.max_memory}, or what its executors may take")
    if _NOT_SAID.search(line):
        return UsageError(
            f"{P.engine('spark')}: what is asked for is not known to mean the same in Spark ({line}); leave "
            f"{P.engine} out, or the options beside it that ask for more"
        )
    return CrantError(f"Spark has failed ({line}); nothing is written")


def _line(message: str) -> str:
    """What a report of many lines comes down to."""
    lines = [line.strip() for line in message.strip().splitlines()]
    cause = [line for line in lines if line.startswith("Caused by: ")]
    told = next((line for line in lines if line.startswith("[")), "") or (cause[-1] if cause else lines[0])
    return told.removeprefix("Caused by: ")[:400]
