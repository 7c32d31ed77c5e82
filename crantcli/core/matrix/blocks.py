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

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.errors import UsageError

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
class BlockMatrix:
    """A matrix of pre- by postsynaptic neurons, both sorted into types.

    Attributes
    ----------
    matrix : LabelledMatrix
        Its `pre` and `post` are the neurons of the axes.
    source, target : Axis
    quantity : str
        What an entry is: "synapses", "fraction of output shown".
    additive : bool
        Whether entries can be added up: means cannot.
    """

    matrix: LabelledMatrix
    source: Axis
    target: Axis
    quantity: str = "weight"
    additive: bool = True

    @cached_property
    def type_sum(self) -> LabelledMatrix:
        """Entries added up per pair of types, types as IDs. Integers stay integers.

        Raises
        ------
        UsageError
            Where entries are means.
        """
        self.check_sums()
        rows, columns = self.source.codes[self.matrix.rows], self.target.codes[self.matrix.indices]
        typed = (rows >= 0) & (columns >= 0)
        return LabelledMatrix.from_entries(
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
        pairs = self.source.sizes[sums.rows] * self.target.sizes[sums.indices]
        return replace(sums, weights=sums.weights / pairs)

    def of_types(self, smallest: int) -> BlockMatrix:
        """What is left when types of fewer neurons are left out, on each axis by itself."""
        source, rows = self.source.of_types(smallest)
        target, columns = self.target.of_types(smallest)
        return replace(self, matrix=self.matrix.subset(rows, columns), source=source, target=target)

    def check_sums(self) -> None:
        """Refuse to add up what cannot be.

        Raises
        ------
        UsageError
        """
        if not self.additive:
            raise UsageError(
                f"weights are the {self.quantity}, and do not add up to rows or types; crantcli connectivity tells the "
                "means of pairs of types, over all of their synapses"
            )


def label_array(labels: Sequence[str]) -> Ids:
    """Labels as an array of text, shape (labels,)."""
    return np.array(labels, dtype=str if len(labels) else "U1")
