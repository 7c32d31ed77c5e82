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
    """A materialization."""

    number: int
    time: float
    expired: bool = False


@dataclass
class Brain:
    """A data set.

    Attributes
    ----------
    rows : dict of str to array
        The synapse table without its neuron IDs.
    resolution : tuple of float
        Nanometres per unit of the positions.
    """

    graph: Graph
    rows: dict[str, Any]
    versions: list[Version]
    resolution: tuple[float, float, float] = (1.0, 1.0, 1.0)
    datastack: str = "test_ant"
    table: str = "synapses_v2"
    notice: str | None = None
    _frozen: dict[float, dict[str, Any]] = field(default_factory=dict)

    @property
    def neurons(self) -> list[int]:
        """The neurons of the first state, in order."""
        return sorted(root for root, time in self.graph.created.items() if time == START)

    def at(self, time: float) -> dict[str, Any]:
        """The table as it stood at a time: rows that were there, with the neurons of that time."""
        if time not in self._frozen:
            there = self.rows["created"] <= np.datetime64(int(time * 1e9), "ns")
            columns = {name: values[there] for name, values in self.rows.items()}
            known = np.unique(np.concatenate([columns["pre_pt_supervoxel_id"], columns["post_pt_supervoxel_id"]]))
            roots = np.array([self.graph.root(int(sv), time) for sv in known], dtype=np.int64)
            for side in ("pre", "post"):
                place = np.searchsorted(known, columns[f"{side}_pt_supervoxel_id"])
                columns[f"{side}_pt_root_id"] = roots[place] if len(roots) else np.array([], np.int64)
            self._frozen[time] = columns
        return self._frozen[time]


#: Columns of the table in the order in which the server gives them.
ORDER = (
    "id", "created", "valid", "pre_pt_position", "post_pt_position", "ctr_pt_position", "size",
    "pre_pt_supervoxel_id", "pre_pt_root_id", "post_pt_supervoxel_id", "post_pt_root_id",
)  # fmt: skip


def arrow(columns: dict[str, Any], names: Iterable[str], keep: Any = slice(None)) -> pa.Table:
    """Rows of the table with the types that the server sends."""
    found: dict[str, Any] = {}
    for name in names:
        for part in (f"{name}_x", f"{name}_y", f"{name}_z") if name.endswith("_position") else (name,):
            values = columns[part][keep]
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
