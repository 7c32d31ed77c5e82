"""A data set's annotations as a Parquet file, from its server or from the cache.

The cache keeps a table for two hours. It is written beside its place and renamed, so that a run that reads it while
another writes it has the one table or the other, never part of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.errors import CrantError
from crantcli.sources.datasets import TableAddress
from crantcli.sources.live.cache import CacheError, cache_store
from crantcli.sources.live.query import LiveOptions
from crantcli.temporary import remove

if TYPE_CHECKING:
    from crantcli.sources.live.seatable import Rows

#: How long a table in the cache is taken for the one on the server, in seconds.
CACHE_SECONDS = 2 * 60 * 60

#: Key of our record in the file. Another version of the form is another key, which makes old files unknown.
_RECORD = b"crantcli.seatable.1"


@dataclass(frozen=True)
class AnnotationFile:
    """A whole annotation table.

    Attributes
    ----------
    path : Path
        A Parquet file of this run's own.
    record : dict
        For the provenance: table, server, base, rows, and a hash of the content.
    notes : tuple of str
        What to say about it.
    origin : str
        Whether it came from the server or from the cache, for people.
    """

    path: Path
    record: dict[str, Any]
    notes: tuple[str, ...]
    origin: str


def annotation_file(
    address: TableAddress,
    folder: Path,
    live: LiveOptions,
) -> AnnotationFile:
    """Bring a table into a folder.

    Parameters
    ----------
    address : TableAddress
    folder : Path
        Of this run's own, so that nobody changes the file while it is read.
    live : LiveOptions

    Raises
    ------
    AuthorisationError, IncompleteError, DataError
        Where the server does not give the whole table.
    """
    store, name = cache_store("annotations", live.cache_dir), f"{_key(address)}.parquet"
    path = folder / name
    found = None if live.refresh else _from_cache(store.path(name), path)
    if found is not None:
        return found
    from crantcli.sources.live.seatable import fetch

    made = _write(fetch(address, live.patience), address, path)
    with contextlib.suppress(CacheError), store.writing(name) as temporary:
        shutil.copyfile(path, temporary)
    return made


def _key(address: TableAddress) -> str:
    parts = (address.server.rstrip("/"), str(address.workspace), address.base, address.table)
    return "seatable-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _write(rows: Rows, address: TableAddress, path: Path) -> AnnotationFile:
    import pyarrow.parquet as pq

    from crantcli.sources.live.columns import arrow_table

    table, notes = arrow_table(rows, address.table)
    record = {
        "name": address.table,
        "server": address.server.rstrip("/"),
        "base": address.base,
        "rows": len(rows.rows),
        "sha256": rows.digest(),
    }
    kept = {"record": record, "notes": notes, "fetched": time.time()}
    try:
        pq.write_table(table.replace_schema_metadata({_RECORD: json.dumps(kept).encode()}), path)
    except OSError as error:
        raise CrantError(f"{path.parent}: cannot be written ({error.strerror or error})") from None
    return AnnotationFile(path, record, tuple(notes), "from the server")


def _from_cache(cached: Path, path: Path) -> AnnotationFile | None:
    """A copy of what the cache has, if it is whole and not too old."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        shutil.copyfile(cached, path)
        with pq.ParquetFile(path) as file:
            kept = json.loads((file.schema_arrow.metadata or {}).get(_RECORD, b"null"))
            rows = file.read().num_rows
        age = time.time() - kept["fetched"]
        if 0 <= age < CACHE_SECONDS and rows == kept["record"]["rows"]:
            origin = f"from the cache, fetched {age / 60:.0f} minutes ago; --refresh fetches it anew"
            return AnnotationFile(path, kept["record"], tuple(kept["notes"]), origin)
    except (OSError, pa.ArrowException, ValueError, TypeError, LookupError):
        pass
    remove(path)
    return None
