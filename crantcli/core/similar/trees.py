"""Trees of what is alike: agglomerative clustering of distances 1 - cos, cuts through it, the order of its leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.errors import UsageError
from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: How the distance of two clusters follows from those of their members.
Linkage = Literal["average", "ward", "complete", "single"]


@dataclass(frozen=True)
class ClusterTree:
    """A tree of rows.

    Attributes
    ----------
    method : {"average", "ward", "complete", "single"}
    left, right : ndarray of int64, shape (rows - 1,)
        What each step merges: rows, and from their number on clusters that earlier steps have made.
    height : ndarray of float64, shape (rows - 1,)
        Not descending.
    size : ndarray of int64, shape (rows - 1,)
        Rows in the cluster that is made.
    leaves : ndarray of int64, shape (rows,)
        Rows from one end of the tree to the other.
    """

    method: Linkage
    left: Array
    right: Array
    height: Array
    size: Array
    leaves: Array

    def clusters(self, cut: int | float) -> Array:
        """The cluster of each row, from 1, in the order of the leaves.

        Parameters
        ----------
        cut : int or float
            How many clusters, or the height up to which rows are merged.

        Raises
        ------
        UsageError
            Where there are not so many rows.
        """
        import numpy as np

        rows = len(self.leaves)
        if isinstance(cut, int):
            if cut > rows:
                raise UsageError(f"{P.cut(cut)}: there are {rows:,} to be put into clusters")
            merges = rows - cut
        else:
            merges = int(np.searchsorted(self.height, cut, side="right"))
        cluster_of = np.arange(rows + merges)
        # From the root on, each member is in the cluster of what it was merged into.
        for step in reversed(range(merges)):
            cluster_of[[self.left[step], self.right[step]]] = cluster_of[rows + step]
        _, first, members = np.unique(cluster_of[self.leaves], return_index=True, return_inverse=True)
        number = np.empty(len(first), dtype=np.int64)
        number[np.argsort(first)] = np.arange(1, len(first) + 1)
        found = np.empty(rows, dtype=np.int64)
        found[self.leaves] = number[members]
        return found


def cluster_tree(cosines: LabelledMatrix, method: Linkage) -> ClusterTree:
    """Make the tree of rows, by their distances 1 - cos, of which none is below 0.

    `average`, `complete` and `single` are those of scipy and of R. `ward` is R's `ward.D` of these distances, which is
    scipy's of their square roots with heights squared: Ward's criterion is of squared Euclidean distances, and of
    vectors of length 1 these are 2 (1 - cos).

    Parameters
    ----------
    cosines : LabelledMatrix
        Symmetric.
    """
    import numpy as np

    rows = cosines.shape[0]
    if rows < 2:
        nothing = np.zeros(0, dtype=np.int64)
        return ClusterTree(method, nothing, nothing, np.zeros(0), nothing, np.arange(rows))
    from scipy.cluster.hierarchy import leaves_list, linkage

    distances = _distances(cosines)
    if method == "ward":
        np.sqrt(distances, out=distances)
    merges = linkage(distances, method)
    leaves = leaves_list(merges).astype(np.int64)
    height = merges[:, 2] ** 2 if method == "ward" else merges[:, 2]
    left, right, size = (merges[:, place].astype(np.int64) for place in (0, 1, 3))
    return ClusterTree(method, left, right, height, size, leaves)


def _distances(cosines: LabelledMatrix) -> Array:
    """1 - cos of each pair of rows, in scipy's condensed form."""
    import numpy as np

    rows = cosines.shape[0]
    found = np.ones(rows * (rows - 1) // 2)
    own = cosines.rows
    upper = own < cosines.indices
    i, j = own[upper], cosines.indices[upper].astype(np.int64)
    found[rows * i - i * (i + 1) // 2 + j - i - 1] -= cosines.weights[upper]
    return np.maximum(found, 0.0, out=found)
