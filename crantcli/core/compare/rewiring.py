"""Random graphs with the degrees of a given one: directed, without autapses, no edge twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: Rounds of swaps before the first graph, and between two. In a round each edge is in one swap that is tried.
BURN_IN, BETWEEN = 30, 5


def rewired_graphs(
    pre: np.ndarray[Any, Any], post: np.ndarray[Any, Any], nodes: int, samples: int, seed: int
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Draw graphs in which every node has as many inputs and outputs as in a given one.

    Parameters
    ----------
    pre, post : ndarray of int64, shape (edges,)
        Nodes from 0; no autapse, and no edge twice.
    nodes, samples : int
    seed : int
        The same one gives the same graphs.

    Yields
    ------
    tuple of ndarray of int64, shape (edges,)
        Pre and post of each edge.

    Notes
    -----
    A Markov chain of swaps: a-b and c-d become a-d and c-b (Rao, Jana and Bandyopadhyay 1996, Sankhya A 58:225; Milo et
    al. 2003, arXiv:cond-mat/0312028), `BURN_IN` rounds for the first graph, `BETWEEN` for each further one. All edges
    are paired at random, and all pairs swapped at once, but for those whose edges, old or new, are edges of another
    pair, too, or would be autapses. Whether that holds of a pair does not depend on which of the others are swapped, so
    a round leads back as probably as it led there, and every graph is as likely as any other. (A few special graphs
    cannot reach each other by swaps alone: those that differ by the direction of a triangle that nothing else touches.)
    """
    import numpy as np

    random = np.random.PCG64(seed)
    pre, post = pre.copy(), post.copy()
    for sample in range(samples):
        for _ in range(BETWEEN if sample else BURN_IN):
            swap_round(pre, post, nodes, random)
        yield pre, post


def swap_round(pre: np.ndarray[Any, Any], post: np.ndarray[Any, Any], nodes: int, random: Any) -> int:
    """Try one swap for each pair of edges, in place, and return how many were made."""
    import numpy as np

    number = len(pre)
    half = number // 2
    # From raw numbers, which no version of NumPy draws otherwise.
    order = np.argsort(random.random_raw(number), kind="stable")
    one, other = order[:half], order[half : 2 * half]
    keys = np.concatenate([pre * nodes + post, pre[one] * nodes + post[other], pre[other] * nodes + post[one]])
    sorter = np.argsort(keys)
    equal = np.diff(keys[sorter]) == 0
    shared = np.zeros(len(keys), dtype=bool)
    shared[sorter[1:][equal]] = True
    shared[sorter[:-1][equal]] = True
    new = shared[number:].reshape(2, half).any(axis=0)
    stays = new | shared[one] | shared[other] | (pre[one] == post[other]) | (pre[other] == post[one])
    one, other = one[~stays], other[~stays]
    post[one], post[other] = post[other], post[one]
    return len(one)
