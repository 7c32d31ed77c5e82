"""One skeleton: its nodes, its cable, and the node that is nearest to a point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from scipy.spatial import cKDTree

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Ints = np.ndarray[Any, np.dtype[np.int64]]

#: Distances of the tree that are so close together, relative to their size, are compared again: a processor may round
#: them in ways of its own (fused multiply-add), and a tie must be a tie everywhere.
_SLACK = 1e-12

#: Candidates for ties that are looked at together, so that memory stays bounded.
_TOGETHER = 1_000_000

#: Nodes in a leaf of the tree. Measured with 20,000 nodes and 5,000 points: cutting boxes in the middle instead of at
#: the median halves the time to build and costs the search nothing.
_LEAF = 32


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The nodes of a neuron's skeleton, by ascending ID.

    Attributes
    ----------
    node_id : ndarray of int64, shape (nodes,)
    parent : ndarray of int64, shape (nodes,)
        Position of each node's parent in these arrays; -1 for a root.
    xyz : ndarray of float64, shape (nodes, 3)
        In nm.
    """

    node_id: Ints
    parent: Ints
    xyz: Floats

    @classmethod
    def linked(cls, node_id: Ints, parent_id: Ints, xyz: Floats) -> tuple[Skeleton, Ints]:
        """Sort nodes by ID and find their parents, whose IDs are negative for roots.

        Returns
        -------
        tuple of Skeleton and ndarray of int64
            And the rows whose parent is missing, as they came; they are roots of the skeleton.
        """
        import numpy as np

        order = np.arange(len(node_id))
        ids, wanted = node_id, parent_id
        if not (ids[1:] > ids[:-1]).all():
            order = np.argsort(node_id, kind="stable")
            ids, wanted, xyz = node_id[order], parent_id[order], xyz[order]
        if not len(ids):
            return cls(ids, wanted, xyz), order
        last = len(ids) - 1
        # Most files number their nodes without gaps: then a parent's place is known, and need not be searched for.
        numbered = int(ids[last]) - int(ids[0]) == last
        place = np.clip(wanted - ids[0], 0, last) if numbered else np.minimum(np.searchsorted(ids, wanted), last)
        child = wanted >= 0
        found = (ids[place] == wanted) & child
        return cls(ids, np.where(found, place, -1), xyz), order[child & ~found]

    def cycle(self) -> list[int]:
        """Positions of nodes that are each other's ancestors, in a row; empty where all nodes descend from roots."""
        import numpy as np

        if not (self.parent >= np.arange(len(self))).any():  # as most files number their nodes
            return []
        ancestor, steps = self.parent, 1
        while (ancestor >= 0).any():
            if steps > len(self):  # whoever still has an ancestor has one in a cycle
                node = int(ancestor[ancestor >= 0][0])
                found = [node]
                while (node := int(self.parent[node])) != found[0]:
                    found.append(node)
                return found
            # A root's ancestor is none; -1 would be the last node.
            ancestor, steps = np.where(ancestor >= 0, ancestor[ancestor], -1), 2 * steps
        return []

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.node_id)

    @property
    def cable_length(self) -> float:
        """Length of all edges together, in nm; rounded once, so that it does not depend on the order of the nodes."""
        import numpy as np

        child = np.flatnonzero(self.parent >= 0)
        edges = self.xyz[child] - self.xyz[self.parent[child]]
        return math.fsum(np.sqrt(_squared(edges)).tolist())

    def chains(self) -> list[list[int]]:
        """The skeleton as unbranched lines of node positions, each from a tip to where another line or a root is."""
        import numpy as np

        parent: list[int] = self.parent.tolist()
        has_child = np.zeros(len(self), dtype=bool)
        has_child[self.parent[self.parent >= 0]] = True
        drawn, lines = [False] * len(parent), []
        # A circle of nodes has no tip; its nodes come last.
        for tip in [*np.flatnonzero(~has_child).tolist(), *np.flatnonzero(has_child).tolist()]:
            line, node = [], tip
            while node >= 0 and not drawn[node]:
                drawn[node] = True
                line.append(node)
                node = parent[node]
            if line:
                lines.append([*line, node] if node >= 0 else line)
        return lines


class NearestNode:
    """Finds nearest nodes of a skeleton that has at least one.

    Parameters
    ----------
    skeleton : Skeleton
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._nodes, self._node_id = skeleton.xyz, skeleton.node_id

    @cached_property
    def _tree(self) -> cKDTree:
        return _built(self._nodes)

    @cached_property
    def _distinct(self) -> tuple[Ints, cKDTree]:
        """The first of the nodes at each place, and their tree. Only ties need it."""
        import numpy as np

        first = np.sort(np.unique(self._nodes, axis=0, return_index=True)[1])
        return first, _built(self._nodes[first])

    def find(self, points: Floats) -> tuple[Ints, Floats]:
        """Find the nearest node of each point; of several at the same distance that with the lowest ID.

        Parameters
        ----------
        points : ndarray of float64, shape (points, 3)
            In nm, finite.

        Returns
        -------
        node_id : ndarray of int64, shape (points,)
        distance : ndarray of float64, shape (points,)
            In nm. Squares are added up in the order x, y, z in float64: exact for whole nanometres up to 5 cm.
        """
        import numpy as np

        if not len(points):
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        distance, index = _query(self._tree, points, 2)
        nearest = index[:, 0]
        tied = np.flatnonzero(distance[:, 1] <= distance[:, 0] * (1 + _SLACK))
        if len(tied):
            nearest[tied] = self._lowest(points[tied])
        return self._node_id[nearest], np.sqrt(_squared(points - self._nodes[nearest]))

    def _lowest(self, points: Floats) -> Ints:
        """Positions of the nearest nodes of points that may have several: look at 4, 8, ... until one is farther."""
        import numpy as np

        first, tree = self._distinct
        found = np.empty(len(points), dtype=np.int64)
        left, wanted = np.arange(len(points)), 4
        while len(left):
            number = min(wanted, len(first))
            undecided = []
            for some in np.array_split(left, -(-len(left) * number // _TOGETHER)):
                distance, index = _query(tree, points[some], number)
                squared = _squared(points[some, None, :] - self._nodes[first[index]])
                best = squared.min(axis=1, keepdims=True)
                found[some] = np.where(squared == best, first[index], len(self._nodes)).min(axis=1)
                if number < len(first):
                    undecided.append(some[distance[:, -1] <= distance[:, 0] * (1 + _SLACK)])
            left = np.concatenate(undecided) if undecided else left[:0]
            wanted *= 2
        return found


def _built(nodes: Floats) -> cKDTree:
    from scipy.spatial import cKDTree

    return cKDTree(nodes, leafsize=_LEAF, balanced_tree=False)


def _query(tree: cKDTree, points: Floats, number: int) -> tuple[Floats, Ints]:
    """Distances and positions of so many nearest nodes of each point, shapes (points, number)."""
    import numpy as np

    distance, index = tree.query(points, k=number)
    shape = (len(points), number)
    return np.reshape(np.asarray(distance), shape), np.reshape(np.asarray(index), shape)


def _squared(vectors: Floats) -> Floats:
    """Squared lengths of vectors along the last axis."""
    squares = vectors * vectors
    total: Floats = squares[..., 0] + squares[..., 1] + squares[..., 2]
    return total
