"""A sparse matrix whose rows and columns have labels: neurons, or types of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


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

    pre: Array
    post: Array
    indptr: Array
    indices: Array
    weights: Array

    @classmethod
    def from_entries(cls, pre: Array, post: Array, rows: Array, columns: Array, weights: Array) -> LabelledMatrix:
        """A matrix from its entries in any order; entries of one cell are added up, in the order given.

        Parameters
        ----------
        pre, post : ndarray, shapes (n,) and (m,)
            IDs or labels of the rows and columns.
        rows, columns : ndarray of integers, shape (entries,)
            Places on the axes.
        weights : ndarray, shape (entries,)

        Returns
        -------
        LabelledMatrix
            Without zeros.
        """
        import numpy as np

        keys = rows.astype(np.int64) * max(len(post), 1) + columns
        # Only sums of floats depend on the order in which they are taken.
        order = np.argsort(keys, kind="stable" if weights.dtype.kind == "f" else None)
        keys, weights = keys[order], weights[order]
        if len(keys):
            first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
            if len(first) < len(keys):
                keys, weights = keys[first], np.add.reduceat(weights, first)
        if not weights.all():
            keys, weights = keys[weights != 0], weights[weights != 0]
        rows, columns = np.divmod(keys, max(len(post), 1))
        indptr = np.zeros(len(pre) + 1, dtype=np.int64)
        np.cumsum(np.bincount(rows, minlength=len(pre)), out=indptr[1:])
        small = max(len(pre), len(post)) < 2**31
        return cls(pre, post, indptr, columns.astype(np.int32 if small else np.int64), weights)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return len(self.pre), len(self.post)

    @property
    def rows(self) -> Array:
        """The row of each entry, shape (entries,)."""
        import numpy as np

        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    def subset(self, rows: Array, columns: Array) -> LabelledMatrix:
        """The chosen rows and columns, in their order: a boolean for each."""
        import numpy as np

        owners = self.rows
        kept = rows[owners] & columns[self.indices]
        new_row, new_column = np.cumsum(rows) - 1, np.cumsum(columns) - 1
        return self.from_entries(
            self.pre[rows],
            self.post[columns],
            new_row[owners[kept]],
            new_column[self.indices[kept]],
            self.weights[kept],
        )

    def chosen(self, kept: Array) -> LabelledMatrix:
        """The same rows and columns with some of the entries: a boolean for each."""
        import numpy as np

        before = np.concatenate([[0], np.cumsum(kept)])
        return replace(self, indptr=before[self.indptr], indices=self.indices[kept], weights=self.weights[kept])

    def row_totals(self) -> Array:
        """The sum of each row, shape (rows,)."""
        return _totals(self.weights, self.rows, self.shape[0])

    def column_totals(self) -> Array:
        """The sum of each column, shape (columns,)."""
        return _totals(self.weights, self.indices, self.shape[1])

    def normalize(self, side: str, totals: Array | None = None) -> LabelledMatrix:
        """Each entry divided by the total of its row (`side` "output") or of its column ("input").

        Totals are of absolute weights, so that inhibition does not cancel excitation.

        Parameters
        ----------
        totals : ndarray, optional
            Totals per row or column, instead of those of the matrix.

        Returns
        -------
        LabelledMatrix
            Weights are float64. Where a total is 0, there are no entries.
        """
        import numpy as np

        if totals is None:
            sizes = replace(self, weights=np.abs(self.weights))
            totals = sizes.row_totals() if side == "output" else sizes.column_totals()
        whole = totals[self.rows if side == "output" else self.indices]
        weights = np.divide(self.weights, whole, out=np.zeros(len(whole)), where=whole != 0)
        if not weights.all():
            return self.from_entries(self.pre, self.post, self.rows, self.indices, weights)
        return replace(self, weights=weights)

    def dense_rows(self, start: int, stop: int) -> Array:
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


def _totals(weights: Array, owners: Array, length: int) -> Array:
    import numpy as np

    totals = np.zeros(length, dtype=weights.dtype)
    # One after the other, so that integers stay exact and sums of floats do not depend on how they are split up.
    np.add.at(totals, owners, weights)
    return totals
