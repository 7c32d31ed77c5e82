"""The strongest single paths from some neurons to others: exact, by best-first search, without listing all of them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

#: What the best path is: that with the largest product of fractions, the least sum of 1 / fraction, or the fewest steps
#: (of equals the largest product).
PathCost = Literal["product", "inverse", "hops"]

#: Costs that are this near, as parts of 1 + their size, are compared as fractions of whole numbers.
_NEAR = 1e-11


@dataclass(frozen=True)
class Route:
    """A path: its neurons, by their places, and what it is worth.

    Attributes
    ----------
    neurons : tuple of int
    product : Fraction
        Of the absolute fractions of its steps.
    inverse : Fraction
        The sum of their inverses.
    """

    neurons: tuple[int, ...]
    product: Fraction
    inverse: Fraction


class _Worth(NamedTuple):
    """What a part of a path is worth, exactly."""

    steps: int
    product: Fraction
    inverse: Fraction

    def then(self, other: _Worth) -> _Worth:
        """With another part behind it."""
        return _Worth(self.steps + other.steps, self.product * other.product, self.inverse + other.inverse)


_NOTHING = _Worth(0, Fraction(1), Fraction(0))


class _Next(NamedTuple):
    """A way to go on from a neuron: to `neuron`, and there to end, or (`on`) to take the best way from there.

    `place` is that among all ways from the neuron, best first.
    """

    key: tuple[Any, ...]
    rank: int
    on: bool
    neuron: int
    place: int
    step: _Worth
    whole: _Worth


class _Branch(NamedTuple):
    """A path that is not finished, and the ways to go on from its end."""

    path: tuple[int, ...]
    worth: _Worth
    ways: _Ways
    #: What was found out about ways that keep clear of the path.
    known: dict[tuple[int, int], _Worth | None]


class _Entry(NamedTuple):
    """A way to go on, on the heap; no result that it leads to comes before it in their order.

    `sure` says that its key is that of the best path that it leads to; before that, of the best walk.
    """

    key: tuple[Any, ...]
    ranks: tuple[int, ...]
    on: bool
    sure: bool
    branch: _Branch
    way: _Next


class RouteFinder:
    """Finds the best paths in a network that is set up once.

    Best-first search. What lies ahead of an unfinished path is first estimated by the best walk of the steps that are
    left, from a backward pass over the edges per step (R. Bellman 1958, Q. Appl. Math. 16, 87). That may come back to
    the path; so when its turn comes, the best walk that keeps clear of the path is looked for, among those that may be
    better than the best one so far. Since no step makes a path better, that is as good as the best path. What goes on
    from there is one that is told, as in E. L. Lawler 1972 (Management Science 18, 401): the work grows with the number
    of paths that are told, and not with the number that there are.

    Floats put ways in order, and those that are too near to tell are compared as fractions of whole numbers. So paths
    leave the heap in their final order, ties included.

    Parameters
    ----------
    counts : csr_array of float64, shape (neurons, neurons)
        Weights; post neurons are rows. Their signs do not matter.
    inputs : ndarray of float64, shape (neurons,)
        All input of each neuron, in absolute weights.
    ranks : ndarray of int64, shape (neurons,)
        Which neuron comes first where paths are worth the same.
    cost : {"product", "inverse", "hops"}
    """

    def __init__(
        self, counts: csr_array[Any], inputs: np.ndarray[Any, Any], ranks: np.ndarray[Any, Any], cost: PathCost
    ) -> None:
        import numpy as np

        sent = counts.T.tocsr()  # pre neurons are rows
        self._starts, self.heads = sent.indptr, sent.indices
        self.weights = np.abs(sent.data)
        self.inputs, self.ranks, self.cost = inputs, ranks, cost

    def edges_from(self, neuron: int) -> slice:
        """Which edges leave a neuron."""
        return slice(int(self._starts[neuron]), int(self._starts[neuron + 1]))

    def best(self, seeds: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], steps: int, number: int) -> list[Route]:
        """The best paths, in order: no neuron comes twice; seeds and targets may lie on the way.

        Parameters
        ----------
        seeds, targets : ndarray of int64
            Positions.
        steps : int
            The most that a path may have.
        number : int
            How many; there may be fewer.
        """
        search = _Search(self, targets, steps)
        heap: list[_Entry] = []
        search.push(heap, _Branch((), _NOTHING, search.start(seeds, steps), {}), 0)
        found: list[Route] = []
        while heap and len(found) < number:
            entry = heapq.heappop(heap)
            branch, way = entry.branch, entry.way
            path, worth = (*branch.path, way.neuron), branch.worth.then(way.step)
            if not entry.sure:
                search.push(heap, branch, way.place + 1)
                if way.on:
                    ahead = search.clear_of(branch, way.neuron, steps - worth.steps)
                    key = None if ahead is None else search.key(worth.then(ahead))
                    if key is None or key > entry.key:
                        if key is not None:
                            heapq.heappush(heap, entry._replace(key=key, sure=True))
                        continue
            if way.on:
                search.push(heap, _Branch(path, worth, search.ways(way.neuron, steps - worth.steps), {}), 0)
            else:
                found.append(Route(path, worth.product, worth.inverse))
        return found


class _Search:
    """One search: its targets, and what was found out about the ways to them."""

    def __init__(self, finder: RouteFinder, targets: np.ndarray[Any, Any], steps: int) -> None:
        import numpy as np

        self.finder = finder
        number = len(finder.inputs)
        self.ends = np.zeros(number, dtype=bool)
        self.ends[targets] = True
        self.costs = self._edge_costs(steps)
        self.ahead = self._ahead(steps)
        self._known: dict[tuple[int, int], _Ways] = {}

    def _edge_costs(self, steps: int) -> np.ndarray[Any, Any]:
        """What each edge adds, as a float: less is better."""
        import numpy as np

        finder = self.finder
        ratio = finder.inputs[finder.heads] / finder.weights
        if finder.cost == "inverse":
            return np.asarray(ratio)
        found: np.ndarray[Any, Any] = np.log(ratio)
        if finder.cost == "hops":
            # One step more is worse than any product.
            found += 1.0 + steps * float(found.max(initial=0.0))
        return found

    def _ahead(self, steps: int) -> list[np.ndarray[Any, Any]]:
        """For each number of steps that are left, from 0: the cost of the best walk from each neuron to a target."""
        import numpy as np

        finder = self.finder
        starts = finder._starts
        sending = np.flatnonzero(np.diff(starts))
        found = [np.full(len(self.ends), np.inf)]
        for _ in range(steps):
            rest = np.where(self.ends, 0.0, found[-1])
            nearest = np.full(len(self.ends), np.inf)
            if len(sending):
                nearest[sending] = np.minimum.reduceat(self.costs + rest[finder.heads], starts[sending])
            found.append(nearest)
        return found

    def key(self, worth: _Worth) -> tuple[Any, ...]:
        """What orders paths, before their IDs do."""
        if self.finder.cost == "inverse":
            return (worth.inverse,)
        return (-worth.product,) if self.finder.cost == "product" else (worth.steps, -worth.product)

    def start(self, seeds: np.ndarray[Any, Any], steps: int) -> _Ways:
        """The ways to begin: at each seed."""
        import numpy as np

        return _Ways(self, seeds, np.ones(len(seeds), dtype=bool), self.ahead[steps][seeds], None, steps)

    def ways(self, neuron: int, left: int) -> _Ways:
        """The ways to go on from a neuron with some steps left."""
        import numpy as np

        known = self._known.get((neuron, left))
        if known is None:
            chosen = self.finder.edges_from(neuron)
            heads, costs, weights = self.finder.heads[chosen], self.costs[chosen], self.finder.weights[chosen]
            ends = self.ends[heads]
            further = np.concatenate([heads[ends], heads])
            on = np.arange(len(further)) >= int(ends.sum())
            total = np.concatenate([costs[ends], costs + self.ahead[left - 1][heads]])
            weights = np.concatenate([weights[ends], weights])
            known = self._known[neuron, left] = _Ways(self, further, on, total, weights, left - 1)
        return known

    def push(self, heap: list[_Entry], branch: _Branch, place: int) -> None:
        """Put the next way to go on that leads to no neuron of the path on the heap."""
        while (way := branch.ways.at(place)) is not None:
            if way.neuron not in branch.path:
                ranks = tuple(int(self.finder.ranks[neuron]) for neuron in (*branch.path, way.neuron))
                heapq.heappush(heap, _Entry(self.key(branch.worth.then(way.whole)), ranks, way.on, False, branch, way))
                return
            place += 1

    def clear_of(self, branch: _Branch, neuron: int, left: int) -> _Worth | None:
        """The best walk from a neuron to a target that keeps clear of a path; None where there is none."""
        if (neuron, left) in branch.known:
            return branch.known[neuron, left]
        best: _Worth | None = None
        ways, place = self.ways(neuron, left), 0
        while (way := ways.at(place)) is not None and (best is None or way.key < self.key(best)):
            place += 1
            if way.neuron in branch.path:
                continue
            ahead = self.clear_of(branch, way.neuron, left - 1) if way.on else _NOTHING
            if ahead is not None and (best is None or self.key(way.step.then(ahead)) < self.key(best)):
                best = way.step.then(ahead)
        branch.known[neuron, left] = best
        return best


class _Ways:
    """Ways to go on from a neuron, best first; put in order as far as they are looked at.

    Parameters
    ----------
    search : _Search
    neurons : ndarray of int, shape (ways,)
        Where each leads.
    on : ndarray of bool, shape (ways,)
        Whether it goes on from there.
    costs : ndarray of float64, shape (ways,)
        To the nearest target; infinite where there is none.
    weights : ndarray of float64, shape (ways,), or None
        Of the edges; None where a path begins.
    left : int
        Steps that are left there.
    """

    def __init__(
        self,
        search: _Search,
        neurons: np.ndarray[Any, Any],
        on: np.ndarray[Any, Any],
        costs: np.ndarray[Any, Any],
        weights: np.ndarray[Any, Any] | None,
        left: int,
    ) -> None:
        import numpy as np

        order = np.argsort(costs, kind="stable")[: int(np.isfinite(costs).sum())]
        self._search, self._left = search, left
        self._neurons, self._on, self._costs = neurons[order], on[order], costs[order]
        self._weights = None if weights is None else weights[order]
        self._sorted: list[_Next] = []

    def at(self, place: int) -> _Next | None:
        """The way at a place in their order; None beyond the last."""
        while len(self._sorted) <= place and len(self._sorted) < len(self._costs):
            self._sort_more()
        return self._sorted[place] if place < len(self._sorted) else None

    def _sort_more(self) -> None:
        """Put the next ways whose costs cannot be told apart as floats in order."""
        start, costs = len(self._sorted), self._costs
        end = start + 1
        while end < len(costs) and costs[end] - costs[end - 1] <= _NEAR * (1 + abs(costs[end])):
            end += 1
        ways = sorted(map(self._exact, range(start, end)), key=lambda way: way[:3])
        self._sorted += [way._replace(place=place) for place, way in enumerate(ways, start=start)]

    def _exact(self, place: int) -> _Next:
        search, neuron = self._search, int(self._neurons[place])
        step = _NOTHING
        if self._weights is not None:
            fraction = Fraction(float(self._weights[place])) / Fraction(float(search.finder.inputs[neuron]))
            step = _Worth(1, fraction, 1 / fraction)
        on, whole = bool(self._on[place]), step
        if on:
            best = search.ways(neuron, self._left).at(0)
            assert best is not None
            whole = step.then(best.whole)
        return _Next(search.key(whole), int(search.finder.ranks[neuron]), on, neuron, place, step, whole)
