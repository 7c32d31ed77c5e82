"""Neurons over time: which ID a neuron has at the time that is queried.

Proofreading gives a neuron a new ID with every split and merge. An ID that is not one of the queried time is looked up
by a supervoxel of its own, where the annotations have one: that never changes. Else the chunkedgraph tells what came of
the neuron (or, of one that was made later, what it was); of several, it is the one with the most of its pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from crantcli.remote.cache import CacheFolder
from crantcli.remote.pool import WorkerPool
from crantcli.sources.cave.client import Cave, distinct
from crantcli.sources.cave.connection import THREADS
from crantcli.sources.cave.versions import DataVersion

Method = Literal["current", "supervoxel", "chunkedgraph", "unresolved"]

#: Gives supervoxels of neurons, as far as any are known. It is asked about those only whose ID is another one now.
Supervoxels = Callable[[Sequence[int]], Mapping[int, Sequence[int]]]

#: Raised when what is kept of an ID changes.
_FORMAT = 2

#: Neurons whose history is asked for in one request.
_HISTORIES = 200


@dataclass(frozen=True)
class Update:
    """What became of one ID.

    Attributes
    ----------
    old, new : int
        Equal where it is current, and where nothing could be found.
    confidence : float
        1 where there is one answer only; of several, the share of the neuron's pieces that are in the chosen one;
        0 where nothing could be found.
    method : {"current", "supervoxel", "chunkedgraph", "unresolved"}
    why : str
        What happened, in a few words.
    """

    old: int
    new: int
    confidence: float
    method: Method
    why: str = ""

    @property
    def changed(self) -> bool:
        """Whether it is another ID now."""
        return self.old != self.new


def find_updates(
    cave: Cave,
    data_version: DataVersion,
    ids: Iterable[int],
    supervoxels: Supervoxels,
    store: CacheFolder,
    refresh: bool = False,
) -> list[Update]:
    """Find the IDs of neurons at a moment.

    Parameters
    ----------
    cave : Cave
    data_version : DataVersion
    ids : iterable of int
    supervoxels : callable
        ID -> supervoxels that the annotations have for it.
    store : CacheFolder
        Keeps what was found, by moment, ID and supervoxels: with other annotations, another neuron may be found.
    refresh : bool
        Take nothing from there.

    Returns
    -------
    list of Update
        One for each ID, in their order, without repeats.
    """
    asked = distinct(ids)
    name = f"ids/{data_version.name}-{_FORMAT}.json"
    kept = not data_version.is_now
    known: dict[str, list[Any]] = (store.read_json(name) if kept and not refresh else None) or {}
    have = _Voxels(supervoxels)
    have.look_up([neuron for neuron in asked if known.get(str(neuron), [0, 0, "current"])[2] != "current"])
    found = {
        neuron: Update(neuron, int(r[0]), *r[1:4])
        for neuron in asked
        if (r := known.get(str(neuron))) and r[4] == have.of(neuron)
    }
    missing = [neuron for neuron in asked if neuron not in found]
    if missing:
        fresh = _look_up(cave, data_version.time, missing, have)
        found |= fresh
        if kept:
            # Read again: another run may have added to it. What cannot be found may be there tomorrow.
            latest = store.read_json(name) or {}
            latest |= {
                str(u.old): [str(u.new), u.confidence, u.method, u.why, have.of(u.old)]
                for u in fresh.values()
                if u.method != "unresolved"
            }
            store.write_json(name, latest)
    return [found[neuron] for neuron in asked]


class _Voxels:
    """Supervoxels of neurons, each asked for once."""

    def __init__(self, ask: Supervoxels) -> None:
        self._ask = ask
        self._known: dict[int, list[int]] = {}

    def look_up(self, ids: Sequence[int]) -> None:
        """Ask for those of neurons that are not known yet."""
        if new := [neuron for neuron in ids if neuron not in self._known]:
            found = self._ask(new)
            self._known |= {neuron: sorted(found.get(neuron, ())) for neuron in new}

    def of(self, neuron: int) -> list[int]:
        """Those of one neuron; none, where nobody asked for them."""
        return self._known.get(neuron, [])


def _look_up(cave: Cave, time: datetime, ids: Sequence[int], supervoxels: _Voxels) -> dict[int, Update]:
    # The chunkedgraph numbers from 1; it fails for anything else.
    sound = [neuron for neuron in ids if neuron > 0]
    found = {neuron: Update(neuron, neuron, 0.0, "unresolved", "no such neuron") for neuron in ids}
    current = dict(zip(sound, cave.are_current(sound, time), strict=True))
    for neuron, latest in current.items():
        if latest:
            found[neuron] = Update(neuron, neuron, 1.0, "current")
    outdated = [neuron for neuron in sound if not current[neuron]]
    supervoxels.look_up(outdated)
    found |= _by_supervoxel(cave, time, {neuron: supervoxels.of(neuron) for neuron in outdated})
    rest = [neuron for neuron in outdated if found[neuron].method == "unresolved"]
    known = [neuron for neuron, there in zip(rest, cave.are_known(rest), strict=True) if there]
    made = dict(zip(known, cave.made(known), strict=True))
    older = [neuron for neuron in known if made[neuron] <= time]
    newer = [neuron for neuron in known if made[neuron] > time]
    candidates: dict[int, tuple[list[int], str]] = {}
    for start in range(0, len(older), _HISTORIES):
        some = older[start : start + _HISTORIES]
        later, links = cave.lineage(some, min(made[neuron] for neuron in some), time)
        came = [(source, target) for source, target in links if later.get(target, 0.0) <= time.timestamp()]
        candidates |= {neuron: (heirs, "split") for neuron, heirs in _heirs(came, some).items()}
    for start in range(0, len(newer), _HISTORIES):
        past = cave.past(newer[start : start + _HISTORIES], time)
        candidates |= {neuron: (sorted(set(before)), "made later, of") for neuron, before in past.items()}
    found |= _choices(cave, time, candidates)
    return _confirmed(cave, time, found)


def _by_supervoxel(cave: Cave, time: datetime, supervoxels: Mapping[int, Sequence[int]]) -> dict[int, Update]:
    """Those whose supervoxels are all in one neuron."""
    wanted = distinct(voxel for voxels in supervoxels.values() for voxel in voxels if voxel > 0)
    roots = dict(zip(wanted, cave.roots(wanted, time), strict=True))
    found = {}
    for neuron, voxels in supervoxels.items():
        there = {roots[voxel] for voxel in voxels if roots.get(voxel, 0) > 0}
        if len(there) == 1:
            found[neuron] = Update(neuron, there.pop(), 1.0, "supervoxel")
    return found


def _heirs(links: Sequence[tuple[int, int]], ids: Sequence[int]) -> dict[int, list[int]]:
    """What came of each neuron, of which nothing else has come; links tell what came of what."""
    children: dict[int, list[int]] = {}
    for source, target in links:
        children.setdefault(source, []).append(target)
    found = {}
    for neuron in ids:
        seen, todo, ends = set[int](), [neuron], []
        while todo:
            node = todo.pop()
            if node in seen:
                continue
            seen.add(node)
            todo += children.get(node, [])
            ends += [] if children.get(node) else [node]
        found[neuron] = sorted(end for end in ends if end != neuron)
    return found


def _choices(cave: Cave, time: datetime, candidates: Mapping[int, tuple[Sequence[int], str]]) -> dict[int, Update]:
    """What is chosen of each neuron's candidates. Where there are several, the server is asked, about a few at once."""

    def choose(neuron: int) -> Update:
        return _chosen(cave, time, neuron, *candidates[neuron])

    try:
        with closing(WorkerPool(THREADS)) as pool:
            return dict(zip(candidates, pool.map(choose, candidates), strict=True))
    except BaseException:
        cave.stop()
        raise


def _chosen(cave: Cave, time: datetime, neuron: int, candidates: Sequence[int], what: str) -> Update:
    """The candidate with the most of the neuron's pieces; of equals the lowest."""
    if not candidates:
        return Update(neuron, neuron, 0.0, "unresolved", "its history tells of no neuron at that time")
    if len(candidates) == 1:
        return Update(neuron, candidates[0], 1.0, "chunkedgraph")
    pieces = cave.pieces(neuron)
    shares = Counter(root for root in cave.roots(pieces, time) if root in candidates)
    best = min(candidates, key=lambda root: (-shares[root], root))
    why = f"{what} {len(candidates)} neurons"
    if not shares[best]:
        return Update(neuron, neuron, 0.0, "unresolved", f"{why}, and none has a piece of it")
    return Update(neuron, best, round(shares[best] / len(pieces), 4), "chunkedgraph", why)


def _confirmed(cave: Cave, time: datetime, found: dict[int, Update]) -> dict[int, Update]:
    """New IDs are those of neurons at that time, or they are not taken."""
    new = distinct(update.new for update in found.values() if update.changed)
    there = dict(zip(new, cave.are_current(new, time), strict=True))
    return {
        old: update
        if not update.changed or there[update.new]
        else Update(old, old, 0.0, "unresolved", f"leads to {update.new}, which is no neuron of that time")
        for old, update in found.items()
    }
