"""The complete, pinned Parquet file of what a question needs of a live synapse table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.errors import IncompleteError
from crantcli.schema import KEY
from crantcli.sources.files import literal_path
from crantcli.sources.live.cache import Store, key_of
from crantcli.sources.live.cave import Cave
from crantcli.sources.live.fetch import Fetch, Kept
from crantcli.sources.live.moment import Moment
from crantcli.sources.live.query import Query
from crantcli.version import __version__

#: Raised when what is in a snapshot changes, so that older ones are fetched anew.
_FORMAT = 1


@dataclass(frozen=True)
class Place:
    """Where snapshots come from and go to."""

    cave: Cave
    engine: Engine
    store: Store
    refresh: bool = False


def snapshot(place: Place, moment: Moment, table: str, resolution: Callable[[], Any], query: Query) -> Path:
    """Fetch the rows of a query, unless they were fetched before.

    Parameters
    ----------
    place : Place
    moment : Moment
    table : str
        Name of the synapse table.
    resolution : callable
        Gives nanometres per unit of the positions.
    query : Query

    Returns
    -------
    Path
        A Parquet file sorted by pre, post, id, which stays as long as the engine.

    Raises
    ------
    IncompleteError
        Where it cannot be shown that nothing is missing.
    """
    facts = place.cave.facts
    key = key_of(
        _FORMAT, facts.server, facts.datastack, table, moment.record(), query.parts, sorted(query.columns or ("*",))
    )
    store = Store(place.engine.scratch / "live") if moment.passing else place.store
    name = f"snapshots/{key}.parquet"
    with store.locked(name):
        if place.refresh or not _is_whole(store.path(name)):
            pieces = Store(store.path(f"chunks/{key}"))
            if place.refresh:
                shutil.rmtree(pieces.folder, ignore_errors=True)
            found = _fetch(place, moment, query, pieces)
            with store.writing(name) as path:
                _assemble(place.engine, found, query, _record(moment, place, table, resolution(), query), path)
            shutil.rmtree(pieces.folder, ignore_errors=True)
        return _pinned(place.engine, store.path(name))


def _fetch(place: Place, moment: Moment, query: Query, store: Store) -> list[tuple[str, tuple[int, ...], list[Kept]]]:
    found = []
    for side, ids, more in query.parts:
        columns = query.columns
        fetched = Fetch(place.cave, moment, side, more, columns, store).run(sorted(set(ids)))
        found.append((side, ids, fetched))
    return found


def _assemble(
    engine: Engine,
    found: list[tuple[str, tuple[int, ...], list[Kept]]],
    query: Query,
    record: dict[str, Any],
    path: Path,
) -> None:
    """Join the answers, each synapse once, and check them for the last time."""
    relations = [
        "read_parquet([" + ", ".join(literal_path(kept.path) for kept in fetched) + "], union_by_name = true)"
        for _, _, fetched in found
    ]
    chosen = [f"SELECT * FROM {relation}" for relation in relations]
    expected = sum(kept.rows for _, _, fetched in found for kept in fetched)
    with engine.forgotten():
        if len(found) == 2:
            asked = engine.id_table("asked", found[0][1], "BIGINT")
            within = f"IN (SELECT id FROM {asked})"
            # Synapses among the neurons come twice, as inputs and as outputs: a check for nothing.
            outputs, inputs = (
                engine.execute(f"SELECT count(*), bit_xor(id) FROM {relation} WHERE {column} {within}")[0]
                for relation, column in zip(relations, ("post_pt_root_id", "pre_pt_root_id"), strict=True)
            )
            if outputs != inputs:
                raise IncompleteError(
                    "synapses among the neurons differ between their inputs and their outputs: the server is changing, "
                    "or gives rows at random; nothing is written"
                )
            chosen[1] += f" WHERE coalesce(pre_pt_root_id NOT {within}, true)"
            expected -= outputs[0]
        rows = engine.view("fetched", " UNION ALL BY NAME ".join(chosen))
        number, different = engine.execute(f"SELECT count(*), count(DISTINCT id) FROM {rows}")[0]
        if (number, different) != (expected, expected):
            raise IncompleteError(
                f"{expected:,} synapses were fetched, and {different:,} of their IDs differ; an ID stands for one "
                "synapse, so nothing is written"
            )
        told = json.dumps({**record, "rows": number}, sort_keys=True)
        engine.copy(
            f"SELECT * FROM {rows} ORDER BY {', '.join(map(quote, ('pre_pt_root_id', 'post_pt_root_id', 'id')))}",
            str(path),
            {"FORMAT": "parquet", "KV_METADATA": f"{{{KEY}: {text(told)}}}"},
        )


def _record(moment: Moment, place: Place, table: str, resolution: Any, query: Query) -> dict[str, Any]:
    """What the file says of itself: as if a command had made it of the whole table."""
    unit: dict[str, Any] = {"units": "nm"}
    if tuple(resolution) != (1.0, 1.0, 1.0):
        unit = {"units": "pixels", "voxel_size_nm": list(resolution)}
    facts = place.cave.facts
    return {
        "crantcli": __version__,
        "command": "snapshot",
        "kind": "synapses",
        "complete_for": query.coverage.as_dict(),
        "unique_ids": True,
        "filters": {},
        "source": {"server": facts.server, "datastack": facts.datastack, "table": table, **moment.record()},
        **unit,
    }


def _is_whole(path: Path) -> bool:
    """Whether a snapshot is there, and its end too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
        record = json.loads((metadata.metadata or {})[KEY.encode()])
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return False
    return bool(record.get("rows") == metadata.num_rows)


def _pinned(engine: Engine, path: Path) -> Path:
    """The file under a name of this run's own, so that nobody takes it away meanwhile."""
    own = engine.scratch / f"{engine.name('snapshot')}.parquet"
    try:
        own.hardlink_to(path)
    except OSError:  # the cache is on another disk
        return path
    return own
