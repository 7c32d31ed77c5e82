"""Best matches between the neurons of two sides, and where the annotated partner stands among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.core.similar.cosine import Cosines

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

    Array = np.ndarray[Any, Any]

#: Cosines that differ by no more count as equal, where a partner is ranked.
TIE = 1e-12

#: How far down a partner still counts as found, for the figures.
FIRST = 5


@dataclass(frozen=True)
class PartnerRanks:
    """Where the partner of each row stands among all columns.

    Attributes
    ----------
    cosine : ndarray of float64, shape (rows,)
    rank : ndarray of int64, shape (rows,)
        One more than the columns that are more alike, by more than 1e-12.
    ties : ndarray of int64, shape (rows,)
        Other columns that are as alike.
    """

    cosine: Array
    rank: Array
    ties: Array
    candidates: int = field(default=0)

    def figures(self) -> dict[str, Any]:
        """How many partners are found."""
        import numpy as np

        neurons, best = len(self.rank), self.rank == 1
        return {
            "neurons": neurons,
            "candidates": self.candidates,
            "best_or_tied": int(best.sum()),
            "best_alone": int((best & (self.ties == 0)).sum()),
            f"among_first_{FIRST}": int((self.rank <= FIRST).sum()),
            "share": int(best.sum()) / neurons if neurons else None,
            "median_cosine": float(np.median(self.cosine)) if neurons else None,
        }


def partner_ranks(cosines: Cosines, partner: Array, threads: int) -> PartnerRanks:
    """Rank the partner of each row.

    Parameters
    ----------
    cosines : Cosines
    partner : ndarray of int64, shape (rows,)
        Columns.
    threads : int
    """
    import numpy as np

    columns = cosines.shape[1]

    def ranked(start: int, block: csr_array[Any]) -> tuple[Array, Array, Array]:
        number = block.shape[0]
        row = np.repeat(np.arange(number), np.diff(block.indptr))
        own = np.zeros(number)
        there = block.indices == partner[start + row]
        own[row[there]] = block.data[there]
        better, equal = (
            np.bincount(row[told], minlength=number)
            for told in (block.data > own[row] + TIE, np.abs(block.data - own[row]) <= TIE)
        )
        # Columns without a common partner are not among the entries.
        rest = columns - np.diff(block.indptr)
        better += np.where(own < -TIE, rest, 0)
        equal += np.where(np.abs(own) <= TIE, rest, 0)
        return own, better + 1, equal - 1

    parts = list(cosines.each_block(ranked, threads)) or [(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))]
    cosine, rank, ties = (np.concatenate([part[place] for part in parts]) for place in range(3))
    return PartnerRanks(cosine, rank, ties, columns)
