"""Checksums that Parquet files may carry: of gzip, and of pages. The engine does not look at them.

Other files have none, and a number that changed in one of those is as good as any other. Where they are not packed, not
even a page's size is compared by the engine with what there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crantcli.engine.duckdb import Engine
from crantcli.errors import damaged
from crantcli.sources.tables.pages import ColumnChunk, PageError, check_pages, has_checksum

#: Files of fewer rows are looked at page by page. What is counted in larger ones is read by a reader that does, and of
#: those that are elsewhere as little is fetched as is needed.
FEW_ROWS = 8_000_000

#: Rows that are read at once, and bytes of a column.
_ROWS, _BYTES = 65_536, 1 << 20


def check_parquet(engine: Engine, files: str, names: Mapping[str, str]) -> None:
    """Read files once that carry checksums or are not packed, and refuse those that contradict themselves.

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
    rows = dict(engine.execute(f"SELECT file_name, num_rows FROM parquet_file_metadata({files})"))
    chunks: dict[str, list[ColumnChunk]] = {}
    unprotected: set[str] = set()
    remote = engine.reading.remote
    columns = f"file_name, {first}, num_values, row_group_id, compression"
    for path, start, values, group, compression in engine.execute(f"SELECT {columns} FROM parquet_metadata({files})"):
        chunks.setdefault(path, []).append(ColumnChunk(max(0, start or 0), values or 0, group))
        if compression == "GZIP" or (compression == "UNCOMPRESSED" and path not in remote):
            unprotected.add(path)
    for path, of_file in sorted(chunks.items()):
        each = path not in remote and rows.get(path, 0) < FEW_ROWS
        try:
            with remote.open(path) if path in remote else open(path, "rb") as file:
                checksums = check_pages(file, of_file) if each else has_checksum(file, of_file[0])
        except PageError as error:
            raise damaged(names.get(path, path), error) from None
        wrong = _wrong(remote.opened(path)) if checksums or path in unprotected else ""
        if wrong:
            raise damaged(names.get(path, path), wrong)


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
