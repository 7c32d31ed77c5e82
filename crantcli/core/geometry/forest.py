"""Trees whose nodes are numbered from the root outwards: sums over all that hangs on a node, nearest ancestors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Ints = np.ndarray[Any, np.dtype[np.int64]]
    Truths = np.ndarray[Any, np.dtype[np.bool_]]


class Forest:
    """Rooted trees.

    Nodes that follow one another, each the child of the one before, are a run. Along runs NumPy works; Python steps
    from run to run only, of which a neuron has about as many as tips.

    Parameters
    ----------
    parent : ndarray of int64, shape (nodes,)
        Position of each node's parent, which comes before the node itself; -1 for a root.
    """

    def __init__(self, parent: Ints) -> None:
        import numpy as np

        self.parent = parent
        first = np.ones(len(parent), dtype=bool)
        first[1:] = parent[1:] != np.arange(len(parent) - 1)
        first[parent < 0] = True
        self._start: Ints = np.flatnonzero(first)
        self._run: Ints = np.cumsum(first) - 1
        self._stem: Ints = parent[self._start]

    @cached_property
    def _stem_run(self) -> list[int]:
        """The run that each run hangs on; -1 for none."""
        import numpy as np

        found: list[int] = np.where(self._stem >= 0, self._run[self._stem], -1).tolist()
        return found

    def per_parent(self, chosen: Truths) -> Ints:
        """How many of the chosen nodes each node has as children. No root may be among them."""
        import numpy as np

        return np.bincount(self.parent[chosen], minlength=len(self.parent))

    def sums(self, values: Ints) -> Ints:
        """Sum of the values of each node and all its descendants."""
        import numpy as np

        if not len(values):
            return values
        whole: list[int] = np.add.reduceat(values, self._start).tolist()
        for run, stem in zip(range(len(whole) - 1, -1, -1), reversed(self._stem_run), strict=True):
            if stem >= 0:
                whole[stem] += whole[run]
        hanging = self._stem >= 0
        own = values.copy()
        np.add.at(own, self._stem[hanging], np.array(whole, dtype=np.int64)[hanging])
        # Along a run: what is left from here to its end.
        total = np.append(np.cumsum(own[::-1])[::-1], 0)
        end = np.append(self._start[1:], len(values))
        found: Ints = total[:-1] - total[end][self._run]
        return found

    def nearest_above(self, chosen: Truths) -> Ints:
        """The nearest of the chosen nodes on the way from each node to its root, itself included; -1 for none."""
        import numpy as np

        last = np.maximum.accumulate(np.where(chosen, np.arange(len(chosen)), -1))
        within = last >= self._start[self._run]
        stem_has = np.where(self._stem >= 0, within[self._stem], False).tolist()
        stem_last = last[self._stem].tolist() if len(last) else []
        handed: list[int] = []
        for stem, has, here in zip(self._stem_run, stem_has, stem_last, strict=True):
            handed.append(here if has else handed[stem] if stem >= 0 else -1)
        return np.where(within, last, np.array(handed, dtype=np.int64)[self._run])
