"""One pass over sites that are sorted by neuron, with a few skeletons in memory at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import Batch
from crantcli.core.geometry.compartments import COMPARTMENTS, UNKNOWN, Split, SplitCounts, split
from crantcli.core.geometry.skeleton import NearestNode, Skeleton
from crantcli.core.geometry.soundness import LARGEST

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Ints = np.ndarray[Any, np.dtype[np.int64]]
    Truths = np.ndarray[Any, np.dtype[np.bool_]]
    Codes = np.ndarray[Any, np.dtype[np.int8]]

#: Hardly any site is farther than this from its skeleton, in nm, where both are in the units that are told.
IMPLAUSIBLE = 10_000.0


@dataclass
class SiteCounts:
    """What became of the sites of each skeleton.

    Attributes
    ----------
    nodes : ndarray of int64, shape (skeletons,)
    cable : ndarray of float64, shape (skeletons,)
        In nm; 0 unless it was asked for.
    found, attached, far, unplaced, bare : ndarray of int64, shape (skeletons, 2)
        Sites, pre and post: all; attached; too far; without a position; of a skeleton without nodes.
    implausible : int
        Sites farther than `IMPLAUSIBLE` from their skeletons, attached or not.
    split : SplitCounts or None
        Of the sites that are attached, where compartments are wanted.
    """

    nodes: Ints
    cable: Floats
    found: Ints
    attached: Ints
    far: Ints
    unplaced: Ints
    bare: Ints
    implausible: int = 0
    split: SplitCounts | None = None

    @classmethod
    def empty(cls, skeletons: int, split: bool = False) -> SiteCounts:
        """All zero; compartments are counted, and told, if `split`."""
        import numpy as np

        found, attached, far, unplaced, bare = (np.zeros((skeletons, 2), dtype=np.int64) for _ in range(5))
        nodes, cable = np.zeros(skeletons, dtype=np.int64), np.zeros(skeletons)
        counted = SplitCounts.empty(skeletons) if split else None
        return cls(nodes, cable, found, attached, far, unplaced, bare, split=counted)

    def check(self) -> None:
        """Fail if the sites do not add up: that would be a defect of the program."""
        if (self.found != self.attached + self.far + self.unplaced + self.bare).any():
            raise AssertionError(f"the sites do not add up: {self}")
        if self.split is not None and (self.split.sites.sum(axis=2) != self.attached).any():
            raise AssertionError(f"the compartments do not add up: {self}")

    def sites(self) -> dict[str, Any]:
        """Sites found, removed by each reason, and attached, for the provenance."""
        removed = {"position": self.unplaced, "empty": self.bare, "distance": self.far}
        attached = {side: int(self.attached[:, number].sum()) for number, side in enumerate(("pre", "post"))}
        return {
            "found": int(self.found.sum()),
            "removed": {reason: int(sites.sum()) for reason, sites in removed.items()},
            "attached": int(self.attached.sum()),
            **attached,
        }

    def skeletons(self) -> dict[str, int]:
        """Numbers of skeletons and nodes, for the provenance."""
        return {
            "given": len(self.nodes),
            "nodes": int(self.nodes.sum()),
            "empty": int((self.nodes == 0).sum()),
            "without_sites": int((self.found.sum(axis=1) == 0).sum()),
        }


@dataclass(frozen=True)
class _Arbor:
    """A skeleton with the sites at its nodes, from which compartments are told."""

    skeleton: Skeleton
    sites: Ints  # shape (2, nodes): pre and post
    split: Split | None = None

    def with_sites(self, node_id: Ints, side: Ints) -> _Arbor:
        """With further sites."""
        import numpy as np

        count = len(self.skeleton)
        cell = np.searchsorted(self.skeleton.node_id, node_id) + count * side
        return _Arbor(self.skeleton, self.sites + np.bincount(cell, minlength=2 * count).reshape(2, count))

    def divided(self) -> _Arbor:
        """With compartments."""
        return _Arbor(self.skeleton, self.sites, split(self.skeleton, *self.sites))

    def parts(self, node_id: Ints) -> Codes:
        """The compartment of each of these nodes."""
        import numpy as np

        assert self.split is not None
        if not len(self.skeleton):
            return np.full(len(node_id), UNKNOWN, dtype=np.int8)
        found: Codes = self.split.code[np.searchsorted(self.skeleton.node_id, node_id)]
        return found

    @property
    def outcome(self) -> int:
        """Whether there are compartments, or why not."""
        assert self.split is not None
        return self.split.outcome


@dataclass(frozen=True)
class _Found:
    """What a look at one skeleton gave.

    `nearest` and `arbor` are there only where the next batch may need them again; `part` and `outcome`, where
    compartments are told, only where it cannot: all sites of the neuron have been seen.
    """

    node_id: Ints
    distance: Floats
    nodes: int
    cable: float
    nearest: NearestNode | None
    arbor: _Arbor | None = None
    part: Codes | None = None
    outcome: int = 0


@dataclass(eq=False)
class _Piece:
    """Sites `start` to `stop` of a batch, all of one neuron, and the look that is under way for them.

    `whole` gives the arbor with all sites of the neuron, where these may go on in the next batch.
    """

    place: int
    start: int
    stop: int
    look: Future[_Found]
    whole: Future[_Arbor] | None = None


class SiteAttacher:
    """Finds the nearest nodes of sites, batch by batch; call it with the batches.

    Threads load skeletons, build their trees and search them while the next batch is fetched. At most two batches are
    on their way, so that memory holds their sites and as many skeletons as there are threads, and two. Where
    compartments are wanted, batches wait until all sites of their neurons have come.

    Parameters
    ----------
    load : function
        Gives the skeleton at a place.
    tally : SiteCounts
        Is filled.
    seen : ndarray of bool, shape (synapses,)
        Becomes true for synapses with a site that is attached.
    limit : float
        In nm; sites farther away are left out.
    threads : int
    measure : bool
        Whether cable is measured.
    """

    def __init__(
        self,
        load: Callable[[int], Skeleton],
        tally: SiteCounts,
        seen: Truths,
        limit: float,
        threads: int,
        measure: bool,
    ) -> None:
        self._load, self._tally, self._seen, self._limit = load, tally, seen, limit
        self._threads, self._measure = threads, measure
        self._next = 0  # the first place that no look has been started for
        self._last: Future[_Found] | None = None
        self._open: list[_Piece] = []  # of the neuron whose sites may not all have come

    def __call__(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Give back the sites that are attached, with node, distance, number and perhaps compartment."""
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="skeleton")
        try:
            waiting: deque[tuple[Batch, Floats, Truths, list[_Piece]]] = deque()
            for batch in filter(len, batches):
                waiting.append(self._started(pool, batch))
                while len(waiting) > 1 and waiting[0][-1][-1] not in self._open:
                    yield self._finished(*waiting.popleft())
            self._close(pool)
            while waiting:
                yield self._finished(*waiting.popleft())
            for piece in self._without_sites(pool, len(self._tally.nodes), 0):
                self._note(piece)
        finally:
            pool.shutdown(cancel_futures=True)

    def _started(self, pool: ThreadPoolExecutor, batch: Batch) -> tuple[Batch, Floats, Truths, list[_Piece]]:
        """Start a look at every skeleton that the batch has sites of, and at those passed over since the last one."""
        import numpy as np

        place, side = batch.array("place"), batch.array("side")
        points: Floats = np.stack([batch.array(axis) for axis in "xyz"], axis=1)
        # Squares of larger ones may be too large for a number.
        usable: Truths = np.asarray((np.abs(points) < LARGEST).all(axis=1))
        whole = bool(usable.all())
        cuts = np.flatnonzero(place[1:] != place[:-1]) + 1
        pieces: list[_Piece] = []
        for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(batch)], strict=True):
            here = int(place[start])
            pieces += self._without_sites(pool, here, start)
            before = self._last if here < self._next else None
            if before is None:
                self._close(pool)
            chosen, sides = points[start:stop], side[start:stop]
            if not whole:
                chosen, sides = chosen[usable[start:stop]], sides[usable[start:stop]]
            again = stop == len(batch)
            look = pool.submit(self._look, here, chosen, sides, before, again)
            pieces.append(_Piece(here, start, stop, look))
            if self._tally.split is not None and (again or before is not None):
                self._open.append(pieces[-1])
            self._next = here + 1
        self._last = pieces[-1].look
        return batch, points, usable, pieces

    def _close(self, pool: ThreadPoolExecutor) -> None:
        """Tell the compartments of the neuron that was open: all its sites have come."""
        if self._open:
            whole = pool.submit(_divided, self._open[-1].look)
            for piece in self._open:
                piece.whole = whole
            self._open = []

    def _without_sites(self, pool: ThreadPoolExecutor, end: int, start: int) -> list[_Piece]:
        """Looks at the skeletons up to `end`, which have no sites: they are read and counted all the same."""
        import numpy as np

        none, sides = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
        pieces = [
            _Piece(here, start, start, pool.submit(self._look, here, none, sides, None, False))
            for here in range(self._next, end)
        ]
        self._next = max(self._next, end)
        return pieces

    def _look(self, place: int, points: Floats, side: Ints, before: Future[_Found] | None, again: bool) -> _Found:
        """Load a skeleton, unless the look before had it, and find the nearest nodes. Runs in a thread."""
        import numpy as np

        found = before.result() if before is not None else None
        arbor = None
        if found is not None and found.nearest is not None:
            nearest, nodes, cable, arbor = found.nearest, found.nodes, found.cable, found.arbor
        else:
            skeleton = self._load(place)
            nearest, nodes = NearestNode(skeleton), len(skeleton)
            cable = skeleton.cable_length if self._measure else 0.0
            if self._tally.split is not None and len(points):
                arbor = _Arbor(skeleton, np.zeros((2, nodes), dtype=np.int64))
        if nodes:
            node_id, distance = nearest.find(points)
        else:
            node_id, distance = np.zeros(len(points), dtype=np.int64), np.full(len(points), np.nan)
        held = nearest if again else None
        if arbor is None:
            return _Found(node_id, distance, nodes, cable, held)
        keep = distance <= self._limit
        arbor = arbor.with_sites(node_id[keep], side[keep])
        if again or before is not None:
            return _Found(node_id, distance, nodes, cable, held, arbor)
        arbor = arbor.divided()
        return _Found(node_id, distance, nodes, cable, held, None, arbor.parts(node_id), arbor.outcome)

    def _note(self, piece: _Piece) -> _Found:
        found = piece.look.result()
        self._tally.nodes[piece.place], self._tally.cable[piece.place] = found.nodes, found.cable
        return found

    def _finished(self, batch: Batch, points: Floats, usable: Truths, pieces: list[_Piece]) -> Batch:
        """Wait for the looks of a batch, count its sites, and keep those that are attached."""
        import numpy as np

        node_id, distance = np.zeros(len(points), dtype=np.int64), np.full(len(points), np.nan)
        part = np.full(len(points), UNKNOWN, dtype=np.int8)
        for piece in pieces:
            found, here = self._note(piece), slice(piece.start, piece.stop)
            node_id[here][usable[here]], distance[here][usable[here]] = found.node_id, found.distance
            if self._tally.split is not None and piece.stop > piece.start:
                part[here][usable[here]], self._tally.split.outcome[piece.place] = _parts(piece, found)
        bare = usable & np.isnan(distance)
        keep = distance <= self._limit  # false for those without a distance
        self._tally.implausible += int((distance > IMPLAUSIBLE).sum())
        place, side = batch.array("place"), batch.array("side")
        connector = self._numbered(place, keep)
        reasons = {"found": np.ones_like(keep), "attached": keep, "unplaced": ~usable, "bare": bare}
        reasons["far"] = usable & ~bare & ~keep
        first, last = int(place[0]), int(place[-1]) + 1
        cell = 2 * (place - first) + side
        for name, sites in reasons.items():
            counted = np.bincount(cell[sites], minlength=2 * (last - first))
            getattr(self._tally, name)[first:last] += counted.reshape(-1, 2)
        self._seen[batch.array("row")[keep]] = True
        added: dict[str, np.ndarray[Any, Any]] = {"node_id": node_id, "distance": distance, "connector_id": connector}
        if self._tally.split is not None:
            kinds = len(COMPARTMENTS)
            counted = np.bincount(kinds * cell[keep] + part[keep], minlength=2 * kinds * (last - first))
            self._tally.split.sites[first:last] += counted.reshape(-1, 2, kinds)
            added["compartment"] = part
        return batch.extended(keep, added)

    def _numbered(self, place: Ints, keep: Truths) -> Ints:
        """Number the attached sites of each neuron from 0, going on from the batches before."""
        import numpy as np

        numbers = np.zeros(len(place), dtype=np.int64)
        kept = place[keep]
        start = np.flatnonzero(np.diff(kept, prepend=-1))
        before = self._tally.attached[kept[start]].sum(axis=1)
        numbers[keep] = np.arange(len(kept)) - np.repeat(start - before, np.diff(start, append=len(kept)))
        return numbers


def _divided(look: Future[_Found]) -> _Arbor:
    """The compartments of a neuron whose last look this was. Runs in a thread."""
    arbor = look.result().arbor
    assert arbor is not None
    return arbor.divided()


def _parts(piece: _Piece, found: _Found) -> tuple[Codes, int]:
    """The compartments of a piece's sites, and what became of its neuron."""
    if piece.whole is not None:
        arbor = piece.whole.result()
        return arbor.parts(found.node_id), arbor.outcome
    assert found.part is not None
    return found.part, found.outcome
