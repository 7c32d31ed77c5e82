"""The best single paths as the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crantcli.core.network.routes import PathCost, RouteFinder
from crantcli.core.network.wiring import InputFractions

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array


def path_steps(
    network: InputFractions,
    fractions: csr_array[Any],
    ids: np.ndarray[Any, Any],
    seeds: Sequence[np.ndarray[Any, Any]],
    targets: np.ndarray[Any, Any] | None,
    steps: int,
    number: int,
    cost: PathCost,
) -> tuple[dict[str, np.ndarray[Any, Any]], list[int]]:
    """The best paths from each set of seeds.

    Parameters
    ----------
    network : InputFractions
    fractions : csr_array of float64, shape (neurons, neurons)
        The weights of the network as parts of all input.
    ids : ndarray, shape (neurons,)
        Paths that are worth the same are in the order of these as text, from the start.
    seeds : sequence of ndarray of int64
        Positions of each set.
    targets : ndarray of int64, or None
        None for all neurons.
    steps, number : int
        The most steps of a path, and the most paths of a set.
    cost : {"product", "inverse", "hops"}

    Returns
    -------
    dict of str to ndarray
        A step in each row: `place` (of the set), `path` and `hop` (from 1), `pre` and `post` (positions), `weight` and
        `fraction` with their signs, and of the whole path `product` (of the signed fractions) and `cost` (-ln of the
        absolute product, the sum of 1 / fraction, or the number of steps).
    list of int
        How many paths each set has.
    """
    import numpy as np

    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[np.argsort(ids.astype(str), kind="stable")] = np.arange(len(ids))
    finder = RouteFinder(network.counts, network.inputs, ranks, cost)
    ends = np.arange(len(ids)) if targets is None else targets
    rows: list[tuple[Any, ...]] = []
    counts = []
    for place, starts in enumerate(seeds):
        routes = finder.best(starts, ends, steps, number)
        counts.append(len(routes))
        for path, route in enumerate(routes, start=1):
            pairs = list(zip(route.neurons, route.neurons[1:], strict=False))
            entries = [_entry(network.counts, pre, post) for pre, post in pairs]
            parts = [float(fractions.data[entry]) for entry in entries]
            product = math.copysign(float(route.product), math.prod(math.copysign(1.0, part) for part in parts))
            costs = {
                "product": -math.fsum(math.log(abs(part)) for part in parts),
                "inverse": float(route.inverse),
                "hops": float(len(pairs)),
            }
            for hop, ((pre, post), entry, part) in enumerate(zip(pairs, entries, parts, strict=True), start=1):
                rows.append(
                    (place, path, hop, pre, post, float(network.counts.data[entry]), part, product, costs[cost])
                )
    names = ("place", "path", "hop", "pre", "post", "weight", "fraction", "product", "cost")
    kinds = (np.int64,) * 5 + (np.float64,) * 4
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {
        name: np.array(values, dtype=kind) for name, kind, values in zip(names, kinds, columns, strict=True)
    }, counts


def _entry(counts: csr_array[Any], pre: int, post: int) -> int:
    """Where an edge stands among the entries of a matrix."""
    import numpy as np

    start, end = int(counts.indptr[post]), int(counts.indptr[post + 1])
    return start + int(np.searchsorted(counts.indices[start:end], pre))
