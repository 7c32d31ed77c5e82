"""A made-up brain whose neurons are split and merged over time, and its synapse table: what the test server serves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

#: Above 2**53, like those of CRANT, and odd: a float would show.
FIRST_ROOT = 576460752641833771
FIRST_SUPERVOXEL = 72057594037927937

#: Seconds since 1970 of the first state and of each day after it.
START = 1_780_000_000.25
DAY = 86_400.0

#: Stands for a null among IDs: a side that was not looked up.
UNKNOWN = -1


@dataclass
class Graph:
    """Supervoxels and the neurons that they belonged to, over time."""

    created: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    parents: dict[int, list[int]] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=dict)
    history: dict[int, list[tuple[float, int]]] = field(default_factory=dict)

    def new(self, root: int, supervoxels: Iterable[int], time: float = START) -> None:
        """A neuron that is made of these supervoxels from a time on."""
        self.created[root] = time
        for supervoxel in supervoxels:
            self.history.setdefault(supervoxel, []).append((time, root))

    def edit(self, time: float, old: Iterable[int], new: dict[int, list[int]]) -> None:
        """A split or a merge: old neurons end, and new ones are made of their supervoxels."""
        old = list(old)
        for root, supervoxels in new.items():
            self.new(root, supervoxels, time)
            self.parents[root] = old
        for root in old:
            self.ended[root] = time
            self.children.setdefault(root, []).extend(new)

    def root(self, supervoxel: int, time: float) -> int:
        """The neuron of a supervoxel at a time; 0 where there is none."""
        found = [root for since, root in self.history.get(supervoxel, []) if since <= time]
        return found[-1] if found else 0

    def supervoxels(self, root: int) -> list[int]:
        """What a neuron was made of."""
        return [sv for sv, states in self.history.items() if any(known == root for _, known in states)]

    def is_latest(self, root: int, time: float) -> bool:
        """Whether a neuron was there at a time."""
        return root in self.created and self.created[root] <= time < self.ended.get(root, float("inf"))

    def related(self, root: int, relation: dict[int, list[int]]) -> list[int]:
        """A neuron and all that came of it, or that it came of."""
        found, todo = [], [root]
        while todo:
            node = todo.pop()
            if node not in found:
                found.append(node)
                todo += relation.get(node, [])
        return found


@dataclass(frozen=True)
class Version:
    """A materialization.

    Attributes
    ----------
    merged : bool
        Synapses and their neurons are one table. Else they are two, and a synapse may not have been looked up.
    status : str or None
        RUNNING or FAILED, for one that never came to be.
    """

    number: int
    time: float
    expired: bool = False
    merged: bool = True
    status: str | None = None

    @property
    def valid(self) -> bool:
        """Whether it can be asked for."""
        return not self.expired and self.status is None


@dataclass
class Brain:
    """A data set.

    Attributes
    ----------
    rows : dict of str to array
        The synapse table without its neuron IDs.
    resolution : tuple of float
        Nanometres per unit of the positions.
    deleted : array of float or None
        When rows were deleted, in seconds since 1970; infinity for never.
    looked_up : dict of str to array of float
        Of `pre` and `post`, when the side was looked up; infinity for not yet. Without, all were from the beginning.
    views : tuple of str
    """

    graph: Graph
    rows: dict[str, Any]
    versions: list[Version]
    resolution: tuple[float, float, float] = (1.0, 1.0, 1.0)
    datastack: str = "test_ant"
    table: str = "synapses_v2"
    notice: str | None = None
    deleted: Any = None
    looked_up: dict[str, Any] = field(default_factory=dict)
    views: tuple[str, ...] = ()
    _frozen: dict[float, dict[str, Any]] = field(default_factory=dict)

    @property
    def neurons(self) -> list[int]:
        """The neurons of the first state, in order."""
        return sorted(root for root, time in self.graph.created.items() if time == START)

    def at(self, time: float) -> dict[str, Any]:
        """The table as it stood at a time: rows that were there, with the neurons of that time."""
        if time not in self._frozen:
            there = self.there(time)
            columns = {name: values[there] for name, values in self.rows.items()}
            known = np.unique(np.concatenate([columns["pre_pt_supervoxel_id"], columns["post_pt_supervoxel_id"]]))
            roots = np.array([self.graph.root(int(sv), time) for sv in known], dtype=np.int64)
            for side in ("pre", "post"):
                place = np.searchsorted(known, columns[f"{side}_pt_supervoxel_id"])
                columns[f"{side}_pt_root_id"] = roots[place] if len(roots) else np.array([], np.int64)
            self._frozen[time] = columns
        return self._frozen[time]

    def created(self) -> Any:
        """When rows were created, in seconds since 1970."""
        return self.rows["created"].astype("i8") / 1e9

    def ended(self) -> Any:
        """When rows were deleted; infinity for never."""
        return np.full(len(self.rows["id"]), np.inf) if self.deleted is None else self.deleted

    def there(self, time: float) -> Any:
        """Which rows there were at a time."""
        return (self.created() <= time) & (self.ended() > time)

    def unknown_until(self, side: str) -> Any:
        """When sides were looked up; infinity for not yet."""
        return self.looked_up.get(side, np.full(len(self.rows["id"]), -np.inf))

    def unknown(self, side: str, time: float) -> Any:
        """Which rows had a side by a time that was not looked up."""
        return self.unknown_until(side) > time

    def frozen(self, version: Version) -> dict[str, Any]:
        """The table of a version: `UNKNOWN` where a side was not looked up."""
        columns, there = dict(self.at(version.time)), self.there(version.time)
        for side in ("pre", "post"):
            unknown = self.unknown(side, version.time)[there]
            assert not version.merged or not unknown.any(), "the server publishes no such version"
            for kind in ("root", "supervoxel"):
                name = f"{side}_pt_{kind}_id"
                columns[name] = np.where(unknown, UNKNOWN, columns[name])
        return columns


#: Columns of a split table in the order in which the server gives them, and those that a merged one does not have.
ORDER = (
    "id", "created", "superceded_id", "valid", "pre_pt_position", "post_pt_position", "ctr_pt_position", "size",
    "pre_pt_supervoxel_id", "pre_pt_root_id", "post_pt_supervoxel_id", "post_pt_root_id",
)  # fmt: skip
SPLIT_ONLY = ("created", "superceded_id")


def order(merged: bool) -> list[str]:
    """Columns of a table."""
    return [name for name in ORDER if not merged or name not in SPLIT_ONLY]


def arrow(columns: dict[str, Any], names: Iterable[str], keep: Any = slice(None)) -> pa.Table:
    """Rows of the table with the types that the server sends; sides that were not looked up are null."""
    found: dict[str, Any] = {}
    for name in names:
        for part in (f"{name}_x", f"{name}_y", f"{name}_z") if name.endswith("_position") else (name,):
            if part == "superceded_id":
                found[part] = pa.nulls(len(columns["id"][keep]))
                continue
            values = columns[part][keep]
            if part.endswith(("_root_id", "_supervoxel_id")):
                found[part] = pa.array(values, mask=values == UNKNOWN)
                continue
            kind = {"valid": pa.bool_(), "created": pa.timestamp("ns", tz="UTC"), "size": pa.float32()}.get(part)
            found[part] = pa.array(values, type=kind)
    return pa.table(found)


def make_brain(
    neurons: int = 12,
    synapses: int = 600,
    seed: int = 7,
    resolution: tuple[float, float, float] = (1.0, 1.0, 1.0),
    late: int = 0,
    **more: Any,
) -> Brain:
    """Neurons of two supervoxels each, and synapses between them at random, background and autapses included.

    `late` synapses are created on day 2, after the first two of the versions 1, 2 and 3 (days 0, 1, 3). Positions are
    whole multiples of 8, 8 and 42 nm, so that they can be told in either unit without loss.
    """
    random = np.random.default_rng(seed)
    graph = Graph()
    supervoxels = np.arange(2 * neurons, dtype=np.int64) + FIRST_SUPERVOXEL
    for number in range(neurons):
        graph.new(FIRST_ROOT + 2 * number, [int(sv) for sv in supervoxels[2 * number : 2 * number + 2]])
    pick = np.concatenate([[0], supervoxels])
    created = np.full(synapses, int(START * 1e9) - 10**9, dtype=np.int64)
    created[synapses - late :] = int((START + 2 * DAY) * 1e9)
    rows: dict[str, Any] = {
        "id": random.permutation(synapses).astype(np.int64) + 5_000_000_001,
        "created": created.astype("datetime64[ns]"),
        "valid": np.ones(synapses, dtype=bool),
        "size": random.integers(1, 200, synapses).astype(np.float32),
        "pre_pt_supervoxel_id": random.choice(pick, synapses),
        "post_pt_supervoxel_id": random.choice(pick, synapses),
    }
    for name in ("pre_pt_position", "post_pt_position", "ctr_pt_position"):
        for axis, size, unit in zip("xyz", (8, 8, 42), resolution, strict=True):
            voxels = random.integers(100, 40_000, synapses)
            rows[f"{name}_{axis}"] = (voxels * size // int(unit)).astype(np.int32)
    versions = [Version(1, START + 1), Version(2, START + DAY), Version(3, START + 3 * DAY)]
    return Brain(graph, rows, more.pop("versions", versions), resolution, **more)
