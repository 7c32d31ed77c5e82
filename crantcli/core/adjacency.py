"""A labelled sparse matrix of synapse counts, presynaptic rows by postsynaptic columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class LabelledMatrix:
    """A matrix in compressed sparse row form, with the neurons of both axes.

    Attributes
    ----------
    pre, post : ndarray of int64 or text, shapes (rows,) and (columns,)
        Neuron IDs of the rows and columns.
    indptr : ndarray of int64, shape (rows + 1,)
        Where each row starts in `indices` and `weights`.
    indices : ndarray of int32 or int64, shape (entries,)
        Column of each entry, ascending within a row.
    weights : ndarray of int64 or float64, shape (entries,)
        Synapses of each pair; no zeros.
    """

    pre: np.ndarray[Any, Any]
    post: np.ndarray[Any, Any]
    indptr: np.ndarray[Any, Any]
    indices: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return len(self.pre), len(self.post)

    def dense_rows(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Rows `start` to `stop` with their zeros, shape (stop - start, columns)."""
        import numpy as np

        block = np.zeros((stop - start, self.shape[1]), dtype=self.weights.dtype)
        first, last = self.indptr[start], self.indptr[stop]
        rows = np.repeat(np.arange(stop - start), np.diff(self.indptr[start : stop + 1]))
        block[rows, self.indices[first:last]] = self.weights[first:last]
        return block

    def frame(self) -> pd.DataFrame:
        """As a dense DataFrame, index `pre`, columns `post`."""
        import pandas as pd

        index, columns = (pd.Index(labels.tolist(), dtype=None) for labels in (self.pre, self.post))
        return pd.DataFrame(self.dense_rows(0, self.shape[0]), index=index, columns=columns)
