"""Tables in object stores, recognised by the rules that hold for files.

Of Parquet, the engine fetches the parts that a question needs. Everything else is copied into the scratch folder first:
whoever reads text, sheets or Arrow files reads the whole of them.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.remote.objects import ObjectStore, StoredObject, base_name
from crantcli.sources.tables.files import (
    START,
    SUFFIXES,
    Source,
    file_format,
    format_note,
    is_table_of_folder,
    is_zip,
    source_file,
    start_format,
    unknown_kind,
)

#: Folders of a Delta Lake and of an Iceberg table that say which files are alive.
_DELTA, _ICEBERG = "_delta_log", "metadata"


def object_store(engine: Engine) -> ObjectStore:
    """The object stores, as an engine's run sees them."""
    if "object stores" not in engine.copies:
        engine.copies["object stores"] = ObjectStore(_of_spark(engine) if engine.spread else None)
    store: ObjectStore = engine.copies["object stores"]
    return store


def _of_spark(engine: Engine) -> dict[str, Any]:
    from crantcli.engine.spark.engine import SparkEngine
    from crantcli.engine.spark.hadoop import HadoopFiles

    assert isinstance(engine, SparkEngine)
    return {"hdfs": HadoopFiles(engine.session)}


def objects_read(engine: Engine) -> list[Path]:
    """Addresses of the objects that a run has looked at, which it must not write to."""
    return [Path(address) for address in object_store(engine).objects]


def object_sources(engine: Engine, name: str) -> list[Source]:
    """The tables that an address stands for: an object, all below it, or all that match a pattern.

    Raises
    ------
    UsageError
        Where there is no such object, or it is of an unknown kind.
    DataError
        Where it is no table, or belongs to one of Delta Lake or Iceberg.
    """
    store = object_store(engine)
    found = store.find(name)
    if found is not None:
        return [_source(engine, found)]
    inside = store.below(name)
    if _beginning(inside, f"{name.rstrip('/')}/{_DELTA}"):
        return [Source(Path(name), "delta", base_name(name), remote=name.rstrip("/"))]
    if inside:
        return _folder(engine, name, inside)
    if glob.has_magic(name):
        matching = store.matching(name)
        if not matching:
            raise UsageError(f"{name}: no object matches")
        _refuse_lakes(store, name, matching)
        return [replace(_at(engine, address), together=name) for address in matching]
    book, _, sheet = name.rpartition(":")
    if sheet and book.lower().endswith(".xlsx") and (found := store.find(book)) is not None:
        return [replace(_source(engine, found), sheet=sheet)]
    raise UsageError(f"{name}: there is no such bucket, object or folder of objects")


def _folder(engine: Engine, name: str, inside: Sequence[str]) -> list[Source]:
    """All objects below an address are one table, as the files of a folder are."""
    tables = [address for address in inside if is_table_of_folder(base_name(address))]
    _refuse_lakes(object_store(engine), name, [f"{name.rstrip('/')}/any", *inside])
    if not tables:
        raise UsageError(f"{name}: no table in this folder of objects ({', '.join(SUFFIXES)})")
    return [replace(_at(engine, address), together=name) for address in tables]


def _refuse_lakes(store: ObjectStore, name: str, addresses: Sequence[str]) -> None:
    """Refuse objects of tables whose log says which of them are alive."""
    listed = name if not glob.has_magic(name) else ""
    for folder in dict.fromkeys(folder for address in addresses for folder in _parents(address)):
        # All below what was named is known; of what lies above, the store is asked.
        known = addresses if listed and folder.startswith(listed.rstrip("/") + "/") else None
        for inner, refused in ((_DELTA, _refuse_delta), (_ICEBERG, _refuse_iceberg)):
            begin = f"{folder}/{inner}"
            refused(name, folder, store.below(begin) if known is None else _beginning(known, begin))


def _beginning(addresses: Sequence[str], begin: str) -> list[str]:
    return [address for address in addresses if address.startswith(begin + "/")]


def _refuse_delta(name: str, folder: str, log: Sequence[str]) -> None:
    if log:
        raise DataError(
            f"{name}: {folder} is a Delta Lake table, whose log says which objects are alive; give that address, and "
            "it is read by its log (crantcli[delta])"
        )


def _refuse_iceberg(name: str, folder: str, metadata: Sequence[str]) -> None:
    if any(address.endswith(".metadata.json") for address in metadata):
        raise DataError(
            f"{name}: {folder} is an Iceberg table, whose metadata say which objects are alive; export it as plain "
            "Parquet files"
        )


def _parents(address: str) -> list[str]:
    """The folders that an object may lie in, nearest first: four, as of files, and none above the bucket."""
    scheme, _, path = address.partition("://")
    parts = path.split("/")[:-1]
    return [f"{scheme}://{'/'.join(parts[:end])}" for end in range(len(parts), max(0, len(parts) - 4), -1)]


def _at(engine: Engine, address: str) -> Source:
    return _source(engine, _still_there(object_store(engine), address))


def _still_there(store: ObjectStore, address: str) -> StoredObject:
    """An object that was listed."""
    found = store.find(address)
    if found is None:
        raise UsageError(f"{address}: the object was there, and is gone")
    return found


def _source(engine: Engine, found: StoredObject) -> Source:
    """An object as a source, the same one however often it is asked for."""
    key = f"table {found.address}"
    if key not in engine.copies:
        engine.copies[key] = _recognised(engine, found)
    source: Source = engine.copies[key]
    return source


def _recognised(engine: Engine, found: StoredObject) -> Source:
    start = found.read(0, START)
    if not is_zip(start):
        kind = start_format(start, found.name)
        if kind is None and file_format(found.name) is None:
            raise unknown_kind(found.address)
        if kind == "parquet":
            path = engine.add_remote(found, found.name, ".parquet")
            note = format_note(found.name, kind)
            return Source(Path(found.address), kind, found.name, found.record, note=note, remote=path)
    return source_file(local_copy(engine, found))


def copy_of_delta_log(engine: Engine, address: str, wanted: int | None) -> Path:
    """A folder with the log of a Delta Lake table, as much of it as tells a version, and nothing else of the table.

    Parameters
    ----------
    engine : Engine
    address : str
        Of the table.
    wanted : int or None
        The version; None for the latest.
    """
    store = object_store(engine)
    folder = engine.scratch / engine.name("delta")
    begin = f"{address}/{_DELTA}/"
    checkpoint = _last_checkpoint(store, begin)
    first = 0 if wanted is not None and wanted < checkpoint else checkpoint
    for logged in store.below(begin):
        name = logged.removeprefix(begin)
        number = re.match(r"\d{20}\.", name)
        if name.endswith(".crc") or (number is not None and int(name[:20]) < first):
            continue
        path = folder / _DELTA / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _still_there(store, logged).save(path)
    return folder


def _last_checkpoint(store: ObjectStore, begin: str) -> int:
    """The version up to which one file of the log tells all; 0 where the log does not say."""
    found = store.find(f"{begin}_last_checkpoint")
    try:
        return 0 if found is None else int(json.loads(found.read(0, found.size))["version"])
    except (ValueError, KeyError, TypeError):
        return 0


def location_of(engine: Engine, address: str) -> str | None:
    """The path under which the engine reads an object; None where there is none."""
    found = object_store(engine).find(address)
    return None if found is None else _source(engine, found).location


def local_copy(engine: Engine, found: StoredObject) -> Path:
    """An object as a file in the scratch folder, under its own name; copied once."""
    key = f"copy {found.address}"
    if key not in engine.copies:
        folder = engine.scratch / engine.name("object")
        folder.mkdir()
        path = folder / found.name
        found.save(path)
        engine.copies[key] = path
    copy: Path = engine.copies[key]
    return copy
