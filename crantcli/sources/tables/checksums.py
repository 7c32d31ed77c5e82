"""Checksums that Parquet files may carry: of gzip, and of pages. The engine does not look at them.

Other files have none, and a number that changed in one of those is as good as any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from crantcli.errors import DataError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

#: Rows that are read at once, and bytes of a column.
_ROWS, _BYTES = 65_536, 1 << 20


def check_parquet(files: Mapping[str, str]) -> None:
    """Read files that carry checksums once, and refuse those of which one does not fit.

    Parameters
    ----------
    files : mapping of str to str
        Path -> what to call the file in messages.

    Raises
    ------
    DataError
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path, name in files.items():
        try:
            with pq.ParquetFile(path, buffer_size=_BYTES, page_checksum_verification=True) as file:
                wrong = _wrong(file) if _carries(file, path) else ""
        except (OSError, pa.ArrowException):  # the engine says what is wrong with it, if anything
            continue
        if wrong:
            raise DataError(f"{name}: is truncated or damaged ({wrong}); make it or fetch it again")


def _wrong(file: pq.ParquetFile) -> str:
    """What is wrong with the pages of a file; empty text where nothing is."""
    import pyarrow as pa

    try:
        for _ in file.iter_batches(_ROWS):
            pass
    except NotImplementedError:  # not read here, but by the engine
        return ""
    except (OSError, pa.ArrowException) as error:
        fits = not re.search("CRC checksum|GZipCodec", str(error))
        return "it contradicts itself" if fits else "a checksum is not that of its page"
    return ""


def _carries(file: pq.ParquetFile, path: str) -> bool:
    """Whether a file has checksums: a column in gzip, or a first page with one."""
    if not file.metadata.num_row_groups or not file.metadata.num_columns:
        return False
    group = file.metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    if any(column.compression == "GZIP" for column in columns):
        return True
    start = columns[0].data_page_offset
    if columns[0].has_dictionary_page and columns[0].dictionary_page_offset:
        start = min(start, columns[0].dictionary_page_offset)
    with open(path, "rb") as data:
        data.seek(start)
        return _has_checksum(data.read(32))


def _has_checksum(header: bytes) -> bool:
    """Whether a page's header, in Thrift's compact form, has the fields 1 to 4, all int32; the fourth is the checksum.

    Source: PageHeader in parquet.thrift of the Parquet format.
    """
    number = b"[\x80-\xff]{0,4}[\x00-\x7f]"
    return re.match(b"(?:\x15" + number + b"){4}", header, re.DOTALL) is not None
