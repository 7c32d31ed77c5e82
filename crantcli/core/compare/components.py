"""Weakly connected components of pairs of neurons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine

if TYPE_CHECKING:
    import numpy as np


def components(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any], nodes: int) -> np.ndarray[Any, Any]:
    """The component of each node of an undirected graph.

    Parameters
    ----------
    one, other : ndarray of int64, shape (edges,)
        The nodes of each edge, from 0.
    nodes : int

    Returns
    -------
    ndarray of int64, shape (nodes,)
        Numbers of components, in the order of their first nodes.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(nodes, nodes))
    found: np.ndarray[Any, Any] = connected_components(graph.tocsr(), directed=False)[1].astype(np.int64)
    return found


def largest_component(engine: SqlEngine, pairs: str, neurons: str) -> str:
    """A table `id` of the neurons of the largest weakly connected component of the graph that pairs induce on some.

    Parameters
    ----------
    pairs : str
        A relation `pre, post`.
    neurons : str
        A relation `id`. Of components of one size that with the smallest ID counts.
    """
    import numpy as np

    placed = engine.table("placed", f"SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM {neurons}")
    number = int(engine.execute(f"SELECT count(*) FROM {placed}")[0][0])
    if not number:
        return placed
    found = engine.arrays(
        f"SELECT a.place AS i, b.place AS j FROM {pairs} AS e JOIN {placed} AS a ON e.pre = a.id "
        f"JOIN {placed} AS b ON e.post = b.id"
    )
    groups = components(found["i"], found["j"], number)
    kept = engine.columns_table("kept_places", {"place": np.flatnonzero(groups == np.bincount(groups).argmax())})
    return engine.table("component", f"SELECT id FROM {placed} WHERE place IN (SELECT place FROM {kept})")
