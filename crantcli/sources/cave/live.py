"""A live data set at one moment: what a run asks of it, from the cache or from the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from crantcli.core.addresses import CaveAddress
from crantcli.engine.duckdb import Engine
from crantcli.errors import IncompleteError
from crantcli.remote.cache import CacheFolder, cache_folder, key_of
from crantcli.remote.lockfile import Lock
from crantcli.remote.outcomes import GoneError
from crantcli.remote.settings import LiveOptions, parse_materialization
from crantcli.sources.cave.client import Cave
from crantcli.sources.cave.id_updates import Supervoxels, Update, find_updates
from crantcli.sources.cave.live_query import missing_note
from crantcli.sources.cave.query import Query
from crantcli.sources.cave.snapshot import SnapshotPlace, snapshot
from crantcli.sources.cave.versions import DataVersion, locked_cave, resolve_version
from crantcli.text import P


class CaveDataset:
    """A data set on a CAVE server, at one moment.

    Parameters
    ----------
    name : str
        Of the data set, for messages.
    address : CaveAddress
    options : LiveOptions
    lock : Lock, optional
        Says which moment it is, and of which table.
    """

    def __init__(self, name: str, address: CaveAddress, options: LiveOptions, lock: Lock | None) -> None:
        options.check()
        self._locked = None if lock is None else locked_cave(lock, address, name)
        self.name, self.options = name, options
        # The data stack may come to name another table.
        self.address = address if self._locked is None else replace(address, synapse_table=self._locked.table)
        self.cave = Cave(self.address, options.policy)
        folder = f"{address.datastack}-{key_of(address.server, address.datastack, address.synapse_table)[:8]}"
        self.store = CacheFolder(cache_folder(options.cache_dir) / "cave" / folder)
        self._known: dict[str, Any] | None = None
        self._current: dict[int, bool] = {}
        #: Synapses that may be missing in what was fetched, as `missing_note` tells them.
        self.left_out: dict[str, int] = {}

    @cached_property
    def data_version(self) -> DataVersion:
        """The state that is asked for. A version that was asked for before is remembered, and needs no server."""
        if self._locked is not None:
            return self._locked.data_version
        asked = parse_materialization(self.options.materialization)
        known = self._known_versions().get(str(asked)) if isinstance(asked, int) and not self.options.refresh else None
        if known is not None:
            return DataVersion(int(str(asked)), datetime.fromisoformat(known["time"]))
        found = resolve_version(asked, [] if asked == "live" else self.cave.versions(), self.address.datastack)
        self._remember(found, {})
        return found

    def _known_versions(self) -> dict[str, Any]:
        if self._known is None:
            self._known = self.store.read_json("versions.json") or {}
        return self._known

    def _remember(self, data_version: DataVersion, details: Mapping[str, Any]) -> None:
        """Keep what does not change about a version."""
        if data_version.is_now:
            return
        known = self.store.read_json("versions.json") or {}
        entry = {**known.get(data_version.name, {}), "time": data_version.time.isoformat()}
        entry |= {name: details[name] for name in ("table", "resolution") if name in details}
        if known.get(data_version.name) != entry:
            self.store.write_json("versions.json", {**known, data_version.name: entry})
        self._known = None

    @cached_property
    def table(self) -> str:
        """Name of the synapse table."""
        if self._locked is not None:
            return self._locked.table
        kept = self._known_versions().get(self.data_version.name, {}).get("table")
        name = str(self.address.synapse_table or kept or self.cave.synapse_table)
        if kept is None:
            self._remember(self.data_version, {"table": name})
        return name

    @cached_property
    def resolution(self) -> tuple[float, float, float]:
        """Nanometres per unit of the positions."""
        if self._locked is not None:
            return self._locked.resolution
        known = self._known_versions().get(self.data_version.name, {}).get("resolution")
        if known is None or self.options.refresh:
            version = self.data_version.version
            if version is None:
                # A table has the same resolution in all versions; a time between them has none of its own.
                version = resolve_version("latest", self.cave.versions(), self.address.datastack).version
            assert version is not None
            known = list(self.cave.resolution(version))
        self._remember(self.data_version, {"table": self.table, "resolution": known})
        x, y, z = map(float, known)
        return x, y, z

    def snapshot(self, engine: Engine, query: Query) -> Path:
        """A Parquet file with the rows of a query."""
        place = SnapshotPlace(self.cave, engine, self.store, self.options.refresh, self.options.allow_missing)
        try:
            with self.cave.progress.during("fetching synapses"):
                made = snapshot(place, self.data_version, self.table, lambda: self.resolution, query)
        except GoneError:
            # Versions that were asked for before, or are locked, are not looked for among those that there are.
            raise IncompleteError(
                f"{self.data_version} has expired, and these rows of it are not in the cache; ask for another version, "
                f"or for its time with {P.materialization(self.data_version.time.isoformat())}; nothing is written"
            ) from None
        self.left_out = made.left_out
        return made.path

    def missing(self) -> str:
        """What to say of synapses that may be missing in what was fetched; "" for none."""
        return missing_note(self.left_out.get("base", 0), self.left_out.get("new", 0))

    def update(self, ids: Sequence[int], supervoxels: Supervoxels) -> list[Update]:
        """Find the IDs of neurons at the moment."""
        with self.cave.progress.during("looking up the neurons' IDs"):
            found = find_updates(self.cave, self.data_version, ids, supervoxels, self.store, self.options.refresh)
        self._current |= {update.new: update.method != "unresolved" for update in found}
        return found

    def are_current(self, ids: Sequence[int]) -> list[bool]:
        """Which IDs are those of neurons at the moment. Those that were updated before are not asked for again."""
        new = [neuron for neuron in ids if neuron not in self._current]
        if new:
            self._current |= dict(zip(new, self.cave.are_current(new, self.data_version.time), strict=True))
        return [self._current[neuron] for neuron in ids]

    def record(self) -> dict[str, Any]:
        """For the provenance: where the rows come from."""
        return {
            "name": f"{self.address.datastack}/{self.table}",
            "server": self.address.server,
            "datastack": self.address.datastack,
            "table": self.table,
            "materialization": self.data_version.version if self.data_version.version is not None else "live",
            "time": self.data_version.time.isoformat(),
            **({"left_out": self.left_out} if self.left_out else {}),
        }

    def lock(self) -> dict[str, Any]:
        """What a lock file says of the server."""
        return {
            "server": self.address.server,
            "datastack": self.address.datastack,
            "table": self.table,
            "resolution": list(self.resolution),
            **self.data_version.record(),
        }
