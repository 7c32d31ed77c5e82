"""A data set's annotations as a Parquet file, from its server or from the cache.

The cache keeps a table for two hours, and one that was locked for good. It is written beside its place and renamed, so
that a run that reads it while another writes it has the one table or the other, never part of one.
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

from crantcli.core.addresses import TableAddress
from crantcli.errors import writing_to
from crantcli.remote.body import parse_json
from crantcli.remote.cache import CacheError, CacheFolder, cache_store
from crantcli.remote.lockfile import Lock, check_file_section, require
from crantcli.remote.settings import LiveOptions
from crantcli.system.temporary import remove
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.sources.seatable.client import SeatableRows

#: How long a table in the cache is taken for the one on the server, in seconds.
CACHE_SECONDS = 2 * 60 * 60

#: Key of our record in the file. Another version of the form is another key, which makes old files unknown.
_RECORD = b"crantcli.seatable.2"

#: Keys of forms that were; what was locked in one of them stays what it was.
_FORMER = (b"crantcli.seatable.1",)


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


def annotation_file(address: TableAddress, folder: Path, live: LiveOptions, lock: Lock | None = None) -> AnnotationFile:
    """Bring a table into a folder.

    Parameters
    ----------
    address : TableAddress
    folder : Path
        Of this run's own, so that nobody changes the file while it is read.
    live : LiveOptions
    lock : Lock, optional
        Says what the table must be; what the cache has of it does not grow old then.

    Raises
    ------
    AuthorisationError, IncompleteError, DataError
        Where the server does not give the whole table, or not the one that is locked.
    """
    locked = None if lock is None else locked_digest(lock, address)
    store, path = _store(live), folder / _name(address)
    places = [_name(address)] if locked is None else [_name(address, locked), _name(address)]
    for name in [] if live.refresh else places:
        found = _from_cache(store.path(name), path, locked)
        if found is not None:
            if name != places[0]:
                keep_annotations(found, address, live)
            return found
    from crantcli.sources.seatable.client import fetch

    made = _write(fetch(address, live.policy), address, path)
    _keep(store, path, _name(address))
    if lock is not None:
        if made.record["sha256"] != locked:
            raise lock.changed("annotations", str(address))
        keep_annotations(made, address, live)
    return made


def keep_annotations(made: AnnotationFile, address: TableAddress, live: LiveOptions) -> None:
    """Keep a table in the cache under its content, for those who come with a lock that names it."""
    _keep(_store(live), made.path, _name(address, made.record["sha256"]))


def _store(live: LiveOptions) -> CacheFolder:
    return cache_store("annotations", live.cache_dir)


def _name(address: TableAddress, *content: str) -> str:
    parts = (address.server.rstrip("/"), str(address.workspace), address.base, address.table)
    place = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    return "-".join(["seatable", place, *content]) + ".parquet"


def _keep(store: CacheFolder, path: Path, name: str) -> None:
    """Put a file into the cache; one that cannot be written is done without."""
    with contextlib.suppress(CacheError), store.writing(name) as temporary:
        shutil.copyfile(path, temporary)


def _write(rows: SeatableRows, address: TableAddress, path: Path) -> AnnotationFile:
    import pyarrow.parquet as pq

    from crantcli.sources.seatable.columns import to_arrow

    table, notes = to_arrow(rows, address.table)
    record = {
        "name": address.table,
        "server": address.server.rstrip("/"),
        "base": address.base,
        "rows": len(rows.rows),
        "sha256": rows.digest(),
    }
    kept = {"record": record, "notes": notes, "fetched": time.time()}
    with writing_to(path.parent):
        pq.write_table(
            table.replace_schema_metadata({_RECORD: json.dumps(kept).encode()}), path, write_page_checksum=True
        )
    return AnnotationFile(path, record, tuple(notes), "from the server")


def _from_cache(cached: Path, path: Path, locked: str | None) -> AnnotationFile | None:
    """A copy of what the cache has, if it is whole, and not too old or else what is locked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        shutil.copyfile(cached, path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            told = file.schema_arrow.metadata or {}
            keys = (_RECORD,) if locked is None else (_RECORD, *_FORMER)
            kept = parse_json(next((told[key] for key in keys if key in told), b"null"))
            rows = file.read().num_rows
        age = time.time() - kept["fetched"]
        origin = f"from the cache, fetched {age / 60:.0f} minutes ago; {P.refresh(True)} fetches it anew"
        good = 0 <= age < CACHE_SECONDS
        if locked is not None:
            origin, good = "from the cache, as it was locked", kept["record"]["sha256"] == locked
        if good and rows == kept["record"]["rows"]:
            return AnnotationFile(path, kept["record"], tuple(kept["notes"]), origin)
    except (OSError, pa.ArrowException, ValueError, TypeError, LookupError):
        pass
    remove(path)
    return None


def locked_digest(lock: Lock, address: TableAddress) -> str:
    """SHA-256 of the annotations in a lock, which must be those of a table on a server.

    It says of them `server, base, table, rows, sha256`, or of a local table `files` as in the provenance.

    Raises
    ------
    DataError
        Where there are none, or those of another table.
    """
    known = lock.section("annotations")
    there = "a file" if "files" in known else str(TableAddress(known["server"], known["base"], known["table"]))
    if there != str(address):
        raise lock.error(f"locks the annotations in {there}, and not those in {address}")
    return str(known["sha256"])


def check_annotation_section(section: Any) -> None:
    """Raise an error unless that is what a lock says of annotations."""
    if "files" in section:
        check_file_section(section)
    else:
        require(all(isinstance(section[name], str) for name in ("server", "base", "table", "sha256")))
