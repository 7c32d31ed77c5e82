"""A connectivity matrix in blocks of cell types: its axes, and the tables per type that follow from it.

Everything is computed from the sparse form; nothing here is as large as the matrix with its zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crantcli.core.adjacency import LabelledMatrix

Ids = NDArray[Any]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """Neurons along one side of a matrix: blocks of types one after the other, then the neurons without a type.

    Attributes
    ----------
    neurons : ndarray of int64 or text, shape (n,)
    types : tuple of str
        Labels in the order of their blocks.
    bounds : ndarray of int64, shape (types + 1,)
        Block `k` is `neurons[bounds[k]:bounds[k + 1]]`; `bounds[0]` is 0.
    """

    neurons: Ids
    types: tuple[str, ...]
    bounds: Integers

    @property
    def sizes(self) -> Integers:
        """Neurons of each type, shape (types,)."""
        return np.diff(self.bounds)

    @property
    def typed(self) -> int:
        """Neurons that have a type."""
        return int(self.bounds[-1])

    @property
    def codes(self) -> Integers:
        """Number of each neuron's type, -1 for none; shape (n,)."""
        untyped = np.full(len(self.neurons) - self.typed, -1)
        return np.concatenate([np.repeat(np.arange(len(self.types)), self.sizes), untyped])

    @property
    def blocks(self) -> tuple[tuple[str, int, int], ...]:
        """Label, first neuron and the one after the last, of each block."""
        return tuple(zip(self.types, self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True))

    def of_types(self, smallest: int) -> tuple[Axis, NDArray[np.bool_]]:
        """The axis without types of fewer than `smallest` neurons, and which of its neurons are left."""
        kept = self.sizes >= smallest
        chosen = np.concatenate([np.repeat(kept, self.sizes), np.ones(len(self.neurons) - self.typed, dtype=bool)])
        types = tuple(label for label, keep in zip(self.types, kept.tolist(), strict=True) if keep)
        return Axis(self.neurons[chosen], types, np.concatenate([[0], np.cumsum(self.sizes[kept])])), chosen


@dataclass(frozen=True)
class Blocks:
    """A matrix of pre- by postsynaptic neurons, both sorted into types.

    Attributes
    ----------
    matrix : LabelledMatrix
        Its `pre` and `post` are the neurons of the axes.
    source, target : Axis
    quantity : str
        What an entry is: "synapses", "fraction of output shown".
    """

    matrix: LabelledMatrix
    source: Axis
    target: Axis
    quantity: str = "weight"

    @cached_property
    def type_sum(self) -> LabelledMatrix:
        """Entries added up per pair of types, types as IDs. Integers stay integers."""
        rows, columns = self.source.codes[_owners(self.matrix)], self.target.codes[self.matrix.indices]
        typed = (rows >= 0) & (columns >= 0)
        return labelled(
            label_array(self.source.types),
            label_array(self.target.types),
            rows[typed],
            columns[typed],
            self.matrix.weights[typed],
        )

    @cached_property
    def type_mean(self) -> LabelledMatrix:
        """Mean over all pairs of neurons of two types, pairs without a connection included."""
        sums = self.type_sum
        pairs = self.source.sizes[_owners(sums)] * self.target.sizes[sums.indices]
        return replace(sums, weights=sums.weights / pairs)

    def of_types(self, smallest: int) -> Blocks:
        """What is left when types of fewer neurons are left out, on each axis by itself."""
        source, rows = self.source.of_types(smallest)
        target, columns = self.target.of_types(smallest)
        return Blocks(taken(self.matrix, rows, columns), source, target, self.quantity)


def labelled(pre: Ids, post: Ids, rows: Integers, columns: Integers, weights: NDArray[Any]) -> LabelledMatrix:
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
    return LabelledMatrix(pre, post, indptr, columns.astype(np.int32 if small else np.int64), weights)


def taken(matrix: LabelledMatrix, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> LabelledMatrix:
    """The chosen rows and columns of a matrix, in their order."""
    owners = _owners(matrix)
    kept = rows[owners] & columns[matrix.indices]
    new_row, new_column = np.cumsum(rows) - 1, np.cumsum(columns) - 1
    return labelled(
        matrix.pre[rows],
        matrix.post[columns],
        new_row[owners[kept]],
        new_column[matrix.indices[kept]],
        matrix.weights[kept],
    )


def row_totals(matrix: LabelledMatrix) -> NDArray[Any]:
    """The sum of each row, shape (rows,)."""
    return _totals(matrix.weights, _owners(matrix), matrix.shape[0])


def column_totals(matrix: LabelledMatrix) -> NDArray[Any]:
    """The sum of each column, shape (columns,)."""
    return _totals(matrix.weights, matrix.indices, matrix.shape[1])


def _totals(weights: NDArray[Any], owners: NDArray[Any], length: int) -> NDArray[Any]:
    totals = np.zeros(length, dtype=weights.dtype)
    # One after the other, so that integers stay exact and sums of floats do not depend on how they are split up.
    np.add.at(totals, owners, weights)
    return totals


def fractions(matrix: LabelledMatrix, side: str, totals: NDArray[Any] | None = None) -> LabelledMatrix:
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
    if totals is None:
        sizes = replace(matrix, weights=np.abs(matrix.weights))
        totals = row_totals(sizes) if side == "output" else column_totals(sizes)
    whole = totals[_owners(matrix) if side == "output" else matrix.indices]
    weights = np.divide(matrix.weights, whole, out=np.zeros(len(whole)), where=whole != 0)
    if not weights.all():
        return labelled(matrix.pre, matrix.post, _owners(matrix), matrix.indices, weights)
    return replace(matrix, weights=weights)


def _owners(matrix: LabelledMatrix) -> Integers:
    """The row of each entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def label_array(labels: Sequence[str]) -> Ids:
    """Labels as an array of text, shape (labels,)."""
    return np.array(labels, dtype=str if len(labels) else "U1")
