"""Matrices seen from afar: fewer cells, none of whose strong connections is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantcli.core.matrix.labelled import LabelledMatrix

if TYPE_CHECKING:
    import numpy as np

#: Entries of a matrix that are put into the picture at a time.
_CHUNK = 2_000_000


def reduce(matrix: LabelledMatrix, height: int, width: int) -> np.ndarray[Any, Any]:
    """Shrink a matrix to at most `height` by `width` cells, each the strongest weight that falls into it.

    Returns
    -------
    ndarray of float64, shape (min(rows, height), min(columns, width))
        NaN where there is no connection, so that zero never looks like a weak connection. The maximum, and not a
        sample or a mean, so that no strong single connection disappears; of weights of both signs, the one that is
        largest by magnitude (the positive one of two that are equal).
    """
    import numpy as np

    rows, columns = matrix.shape
    shape = (min(rows, height), min(columns, width))
    signed = len(matrix.weights) > 0 and matrix.weights.min() < 0
    image = np.full(shape[0] * shape[1], -np.inf)
    lowest = np.full(image.size if signed else 0, np.inf)
    row_at = np.arange(rows) * shape[0] // max(rows, 1) * shape[1]
    column_at = np.arange(columns) * shape[1] // max(columns, 1)
    start = 0
    while start < rows:
        # As many whole rows as make a chunk, so that a large matrix needs little memory on top of its own.
        stop = int(np.searchsorted(matrix.indptr, matrix.indptr[start] + _CHUNK, side="right")) - 1
        stop = min(rows, max(stop, start + 1))
        first, last = int(matrix.indptr[start]), int(matrix.indptr[stop])
        at = np.repeat(row_at[start:stop], np.diff(matrix.indptr[start : stop + 1]))
        at += column_at[matrix.indices[first:last]]
        weights = matrix.weights[first:last].astype(np.float64)
        np.maximum.at(image, at, weights)
        if signed:
            np.minimum.at(lowest, at, weights)
        start = stop
    if signed:
        stronger = -lowest > image
        image[stronger] = lowest[stronger]
    image[np.isinf(image)] = np.nan
    return image.reshape(shape)
