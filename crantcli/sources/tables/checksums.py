"""Checksums that Parquet files may carry: of gzip, and of pages. The engine does not look at them.

Other files have none, and a number that changed in one of those is as good as any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

from crantcli.engine.duckdb import Engine
from crantcli.engine.objects import RangeFile
from crantcli.errors import DataError

#: Rows that are read at once, and bytes of a column.
_ROWS, _BYTES = 65_536, 1 << 20


def check_parquet(engine: Engine, files: str, names: Mapping[str, str]) -> None:
    """Read files that carry checksums once, and refuse those of which one does not fit.

    Parameters
    ----------
    engine : Engine
    files : str
        A list of them, as query text.
    names : mapping of str to str
        Path -> what to call the file in messages.

    Raises
    ------
    DataError
    """
    first = "least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset))"
    found = engine.execute(
        f"SELECT file_name, bool_or(compression = 'GZIP'), min({first}) FILTER (row_group_id = 0 AND column_id = 0) "
        f"FROM parquet_metadata({files}) GROUP BY file_name ORDER BY file_name"
    )
    for path, packed, start in found:
        remote = engine.reading.remote
        with remote.open(path) if path in remote else open(path, "rb") as file:
            checked = packed or _has_checksum(file, start)
        if checked:
            wrong = _wrong(remote.opened(path))
            if wrong:
                name = names.get(path, path)
                raise DataError(f"{name}: is truncated or damaged ({wrong}); make it or fetch it again")


def _wrong(path: Any) -> str:
    """What is wrong with the pages of a file; empty text where nothing is, or the engine will say what."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, buffer_size=_BYTES, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return ""
    with file:
        try:
            for _ in file.iter_batches(_ROWS):
                pass
        except NotImplementedError:  # not read here, but by the engine
            return ""
        except (OSError, pa.ArrowException) as error:
            fits = not re.search("CRC checksum|GZipCodec", str(error))
            return "it contradicts itself" if fits else "a checksum is not that of its page"
    return ""


def _has_checksum(file: IO[bytes] | RangeFile, start: int | None) -> bool:
    """Whether the header of the page at a place has the fields 1 to 4, all int32; the fourth is the checksum.

    Source: PageHeader in parquet.thrift of the Parquet format; it is written in Thrift's compact form.
    """
    file.seek(max(0, start or 0))  # a damaged footer may say anything
    header = file.read(32)
    number = b"[\x80-\xff]{0,4}[\x00-\x7f]"
    return re.match(b"(?:\x15" + number + b"){4}", header, re.DOTALL) is not None
