"""How often each combination of two weights occurs: all that totals, ranks and pictures of compared pairs need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class WeightHistogram:
    """Combinations of the weights that a pair of neurons has in A and in B, each once, ascending.

    Attributes
    ----------
    a, b : ndarray of int64 or float64, shape (n,)
        The weights; 0 where a pair is in the other table only.
    pairs : ndarray of int64, shape (n,)
        Pairs of neurons with these weights.
    """

    a: np.ndarray[Any, Any]
    b: np.ndarray[Any, Any]
    pairs: np.ndarray[Any, Any]

    def above(self, threshold: int) -> WeightHistogram:
        """What is left of each side where a pair needs this weight, whatever its sign."""
        import numpy as np

        a, b = (np.where(np.abs(weights) >= threshold, weights, 0) for weights in (self.a, self.b))
        kept = (a != 0) | (b != 0)
        return WeightHistogram(a[kept], b[kept], self.pairs[kept])

    def _count(self, where: np.ndarray[Any, Any]) -> int:
        return int(self.pairs[where].sum())

    def figures(self) -> dict[str, Any]:
        """Numbers of pairs and what the two sides have in common; None where something has no value.

        Returns
        -------
        dict
            `pairs` in A or in B; `pairs_a`, `pairs_b`; `same`, `changed`, `only_a`, `only_b`, which add up to `pairs`;
            `weight_a`, `weight_b`; `spearman` over all pairs, `spearman_both` over those in both; `jaccard`, pairs in
            both / pairs in either.
        """
        in_a, in_b = self.a != 0, self.b != 0
        both, either = self._count(in_a & in_b), self._count(in_a | in_b)
        same = self._count(in_a & (self.a == self.b))
        whole = self.a.dtype.kind == "i" and self.b.dtype.kind == "i"
        totals = [(weights * self.pairs).sum() for weights in (self.a, self.b)]
        return {
            "pairs": either,
            "pairs_a": self._count(in_a),
            "pairs_b": self._count(in_b),
            "same": same,
            "changed": both - same,
            "only_a": self._count(in_a & ~in_b),
            "only_b": self._count(in_b & ~in_a),
            "weight_a": int(totals[0]) if whole else float(totals[0]),
            "weight_b": int(totals[1]) if whole else float(totals[1]),
            "spearman": self.spearman(),
            "spearman_both": WeightHistogram(*(column[in_a & in_b] for column in self._columns)).spearman(),
            "jaccard": both / either if either else None,
        }

    @property
    def _columns(self) -> tuple[np.ndarray[Any, Any], ...]:
        return self.a, self.b, self.pairs

    def spearman(self) -> float | None:
        """Spearman's rank correlation of the weights, ties with their mean rank; None where all of a side are equal."""
        import numpy as np

        number = int(self.pairs.sum())
        if not number:
            return None
        centred = [_mean_ranks(weights, self.pairs) - (number + 1) / 2 for weights in (self.a, self.b)]
        spreads = [float((ranks**2 * self.pairs).sum()) for ranks in centred]
        if not all(spreads):
            return None
        together = float((centred[0] * centred[1] * self.pairs).sum())
        return float(np.clip(together / (spreads[0] ** 0.5 * spreads[1] ** 0.5), -1, 1))


def _mean_ranks(weights: np.ndarray[Any, Any], pairs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The mean rank, from 1, of the pairs of each row."""
    import numpy as np

    _, places = np.unique(weights, return_inverse=True)
    numbers = np.bincount(places, weights=pairs)
    last = np.cumsum(numbers)
    ranks: np.ndarray[Any, Any] = (last - (numbers - 1) / 2)[places]
    return ranks


def weight_histogram(engine: SqlEngine, compared: str, pairs: str = "count(*)") -> WeightHistogram:
    """The histogram of a relation with `weight_a` and `weight_b`; `pairs` counts them."""
    found = engine.arrays(
        f"SELECT weight_a AS a, weight_b AS b, CAST({pairs} AS BIGINT) AS pairs FROM {compared} GROUP BY ALL "
        "ORDER BY a, b"
    )
    return WeightHistogram(found["a"], found["b"], found["pairs"])
