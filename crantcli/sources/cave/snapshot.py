"""The complete, pinned Parquet file of what a question needs of a live synapse table."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crantcli import __version__
from crantcli.core.rows.deduplicate import ids_differ
from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, IncompleteError
from crantcli.remote.cache import CacheFolder, key_of
from crantcli.remote.outcomes import NoAnswerError
from crantcli.schema import KEY
from crantcli.sources.cave.answers import Checksum, ChunkFile, select_side
from crantcli.sources.cave.client import Cave
from crantcli.sources.cave.fetch import Fetch
from crantcli.sources.cave.live_query import LiveQueryState, count_left_out, find_base
from crantcli.sources.cave.query import PAIR, Query, QuerySide
from crantcli.sources.cave.versions import DataVersion
from crantcli.sources.tables.files import literal_path
from crantcli.sources.tables.metadata import provenance
from crantcli.system.temporary import remove

#: Raised when what is in a snapshot changes, so that older ones are fetched anew.
_FORMAT = 3


@dataclass(frozen=True)
class SnapshotPlace:
    """Where snapshots come from and go to."""

    cave: Cave
    engine: Engine
    store: CacheFolder
    refresh: bool = False
    allow_missing: bool = False


@dataclass(frozen=True)
class Snapshot:
    """The rows of a query.

    Attributes
    ----------
    path : Path
        A Parquet file, its rows in no order unless the query says so, which stays as long as the engine.
    left_out : dict of str to int
        Synapses that may be missing in it, if any: `base` and `new`, as `missing_note` tells them.
    """

    path: Path
    left_out: dict[str, int]


@dataclass(frozen=True)
class _Fetched:
    """Answers that came.

    Attributes
    ----------
    parts : list of (QuerySide, list of ChunkFile)
    left_out : dict of str to int
        As in `Snapshot`.
    dropped : tuple of str
        Columns that some of the answers may have, and others not.
    """

    parts: list[tuple[QuerySide, list[ChunkFile]]]
    left_out: dict[str, int] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()


def snapshot(
    place: SnapshotPlace, data_version: DataVersion, table: str, resolution: Callable[[], Any], query: Query
) -> Snapshot:
    """Fetch the rows of a query, unless they were fetched before.

    Parameters
    ----------
    place : SnapshotPlace
    data_version : DataVersion
    table : str
        Name of the synapse table.
    resolution : callable
        Gives nanometres per unit of the positions.
    query : Query

    Raises
    ------
    IncompleteError
        Where it cannot be shown that nothing is missing.
    """
    address = place.cave.address
    asked = [*map(vars, query.parts), sorted(query.columns or ("*",)), query.ordered]
    asked += ["allow missing"] if place.allow_missing and data_version.version is None else []
    key = key_of(_FORMAT, address.server, address.datastack, table, data_version.record(), asked)
    store = CacheFolder(place.engine.scratch / "live") if data_version.is_now else place.store
    name = f"snapshots/{key}.parquet"
    with store.locked(name):
        told = _told(place.engine, store.path(name)) if not place.refresh and store.sealed(name) else None
        if told is None:
            chunks = CacheFolder(store.path(f"chunks/{key}"))
            if place.refresh:
                shutil.rmtree(chunks.folder, ignore_errors=True)
            try:
                found = _fetch(place, data_version, query, chunks)
                place.cave.progress.say("putting the answers together")
                told = _record(data_version, place, table, resolution(), query, found.left_out)
                with store.writing(name) as path:
                    _assemble(found, told, path, query.either is not None)
                    _check(place.engine, path)
                    if query.ordered:
                        _sort(place.engine, path)
                store.seal(name)
            except NoAnswerError:
                raise
            except IncompleteError:
                # Answers that do not add up would not do so in the next run either.
                shutil.rmtree(chunks.folder, ignore_errors=True)
                raise
            shutil.rmtree(chunks.folder, ignore_errors=True)
        return Snapshot(_pinned(place.engine, store.path(name)), told.get("left_out", {}))


def _fetch(place: SnapshotPlace, data_version: DataVersion, query: Query, store: CacheFolder) -> _Fetched:
    base = find_base(place.cave, data_version) if data_version.version is None else None
    missing = 0
    if base is not None:
        missing = count_left_out(base, place.cave, data_version, place.store, place.allow_missing, place.refresh)
    state, found = LiveQueryState(place.allow_missing), []
    for part in query.parts:
        more = {} if part.along is None else {part.columns[1]: list(part.along)}
        fetch = Fetch(place.cave, data_version, part.side, more, query.columns, store, state)
        found.append((part, fetch.run(sorted(set(part.ids)))))
    new = max((kept.left_out for _, fetched in found for kept in fetched), default=0)
    left_out = {name: number for name, number in (("base", missing), ("new", new)) if number}
    # Rows that are new have it where none of a merged version goes with them.
    dropped = ("created",) if base is not None and base.merged and query.columns is None else ()
    return _Fetched(found, left_out, dropped)


def _assemble(found: _Fetched, record: dict[str, Any], path: Path, twice: bool) -> None:
    """Join the answers, of which one at a time is in memory; `twice`: synapses among the neurons are in two parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Types may differ: a column that has no values in one answer has no type there.
    schemas = [kept.schema for _, fetched in found.parts for kept in fetched]
    joined = pa.unify_schemas(schemas, promote_options="permissive")
    schema = pa.schema([column for column in joined if column.name not in found.dropped])
    checksums, rows = [], 0
    # It will be read a few times: quickly written is better than small, and most commands sort for themselves.
    with pq.ParquetWriter(path, schema, use_dictionary=False, store_schema=False) as writer:
        for part, fetched in found.parts:
            checksum = Checksum()
            for kept in fetched:
                table = select_side(kept.table(), part, checksum)
                table = table.select([name for name in table.column_names if name not in found.dropped])
                rows += table.num_rows
                if table.schema != schema:
                    table = pa.concat_tables([schema.empty_table(), table], promote_options="permissive")
                writer.write_table(table)
            checksums.append(checksum)
        writer.add_key_value_metadata({KEY: json.dumps({**record, "rows": rows}, sort_keys=True)})
    # A check for nothing.
    if twice and len(checksums) == 2 and checksums[0] != checksums[1]:
        raise IncompleteError(
            "synapses among the neurons differ between their inputs and their outputs: the server is changing, or "
            "gives rows at random; nothing is written"
        )


def _check(engine: Engine, path: Path) -> None:
    """See that each synapse stands in the file once.

    Raises
    ------
    IncompleteError
    """
    rows = f"read_parquet({literal_path(path)})"
    number = engine.execute(f"SELECT count(*) FROM {rows}")[0][0]
    if not ids_differ(engine, rows, number):
        different = engine.execute(f"SELECT count(DISTINCT id) FROM {rows}")[0][0]
        raise IncompleteError(
            f"{number:,} synapses were fetched, and {different:,} of their IDs differ; an ID stands for one synapse, "
            "so nothing is written"
        )


def _sort(engine: Engine, path: Path) -> None:
    """Bring the rows of the file into an order."""
    file, made = literal_path(path), path.with_name(f"{path.name}.sorted")
    ((told,),) = engine.execute(
        f"SELECT decode(value) FROM parquet_kv_metadata({file}) WHERE decode(key) = {text(KEY)}"
    )
    try:
        engine.copy(
            f"SELECT * FROM read_parquet({file}) ORDER BY {', '.join(map(quote, (*PAIR[1:], PAIR[0])))}",
            str(made),
            {"FORMAT": "parquet", "KV_METADATA": f"{{{KEY}: {text(told)}}}"},
        )
        os.replace(made, path)
    finally:
        remove(made)


def _record(
    data_version: DataVersion, place: SnapshotPlace, table: str, resolution: Any, query: Query, left_out: dict[str, int]
) -> dict[str, Any]:
    """What the file says of itself: as if a command had made it of the whole table."""
    unit: dict[str, Any] = {"units": "nm"}
    if tuple(resolution) != (1.0, 1.0, 1.0):
        unit = {"units": "pixels", "voxel_size_nm": list(resolution)}
    address, completeness = place.cave.address, query.completeness
    if left_out:
        completeness = replace(completeness, filtered_by="synapses without neurons, which the server leaves out")
    return {
        "crantcli": __version__,
        "command": "snapshot",
        "kind": "synapses",
        "complete_for": completeness.as_dict(),
        "unique_ids": True,
        "filters": {},
        "source": {"server": address.server, "datastack": address.datastack, "table": table, **data_version.record()},
        **({"left_out": left_out} if left_out else {}),
        **unit,
    }


def _told(engine: Engine, path: Path) -> dict[str, Any] | None:
    """What a snapshot says of itself, if it is there, and its end too."""
    if not path.is_file():
        return None
    file = literal_path(path)
    try:
        rows = engine.execute(f"SELECT num_rows FROM parquet_file_metadata({file})")[0][0]
        told = engine.execute(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata({file})")
    except CrantError:
        return None
    return provenance(dict(told), rows)


def _pinned(engine: Engine, path: Path) -> Path:
    """The file under a name of this run's own, so that nobody takes it away meanwhile."""
    own = engine.scratch / f"{engine.name('snapshot')}.parquet"
    try:
        own.hardlink_to(path)
    except OSError:  # the cache is on another disk
        return path
    return own
