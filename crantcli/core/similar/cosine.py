"""Cosines of connectivity vectors, a block of rows at a time: never all pairs of a whole brain at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.parallel import in_order
from crantcli.core.similar.vectors import Compared
from crantcli.errors import UsageError
from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

    Array = np.ndarray[Any, Any]

Result = TypeVar("Result")

#: Entries that a block of rows has at most. Arrays of 16 MB are kept by the allocator for the next block; larger ones
#: come from the system each time, which took a quarter of the work.
_BLOCK = 2_000_000

#: Cells of a matrix that is made as a whole: 12 bytes each.
MOST_CELLS = 150_000_000


class _Part(NamedTuple):
    """Vectors of rows and of columns in one direction, or in both laid end to end.

    Attributes
    ----------
    rows : csr_array
    columns : csr_array
        Transposed.
    row_squares, column_squares : ndarray of float64
        Their squared lengths.
    share : float or None
        What its cosines are multiplied by.
    """

    rows: csr_array[Any]
    columns: csr_array[Any]
    row_squares: Array
    column_squares: Array
    share: float | None


class Cosines:
    """Cosines between some vectors and others, or between some among themselves.

    cos(a, b) = a.b / sqrt(|a|^2 |b|^2) in double precision. With weights that are whole numbers the products are exact,
    so that the result depends on the order of neither rows nor partners, is the same both ways round, and 1 of vectors
    that have the same direction. Of "weighted" it is (cos_in W_in + cos_out W_out) / (W_in + W_out), where a cosine
    without a value counts as 0 (coconatfly's `multi_cosine_matrix`).

    Parameters
    ----------
    of : {"input", "output", "joined", "weighted"}
    rows, columns : mapping of "input" and "output" to csr_array of float64
        Columns may be None: the rows.
    totals : mapping of "input" and "output" to float
        W_in and W_out, of "weighted".

    Attributes
    ----------
    shape : tuple of int
    """

    def __init__(
        self,
        of: Compared,
        rows: Mapping[str, csr_array[Any]],
        columns: Mapping[str, csr_array[Any]] | None,
        totals: Mapping[str, float],
    ) -> None:
        import numpy as np

        others = rows if columns is None else columns
        if of == "weighted":
            whole = sum(totals.values())
            shares = {side: total / whole if whole else 0.0 for side, total in totals.items()}
            self._parts = [_part([rows[side]], [others[side]], shares[side]) for side in rows]
        else:
            self._parts = [_part(list(rows.values()), list(others.values()), None)]
        self.shape = (self._parts[0].rows.shape[0], self._parts[0].columns.shape[1])
        work = np.zeros(self.shape[0])
        for part in self._parts:
            links = part.rows.copy()
            links.data = np.ones_like(links.data)
            work += np.minimum(links @ np.diff(part.columns.indptr).astype(np.float64), self.shape[1])
        self._work = work

    def each_block(self, task: Callable[[int, csr_array[Any]], Result], threads: int) -> Iterator[Result]:
        """The results of a task for each block: it is given the block's first row, and its cosines."""
        yield from in_order(lambda ends: task(ends[0], self._block(*ends)), self._blocks(), threads)

    def _blocks(self) -> list[tuple[int, int]]:
        """Rows where blocks start and end."""
        import numpy as np

        running = np.cumsum(self._work)
        found, start = [], 0
        while start < self.shape[0]:
            before = running[start - 1] if start else 0.0
            stop = max(start + 1, int(np.searchsorted(running, before + _BLOCK, side="right")))
            found.append((start, stop))
            start = stop
        return found

    def _block(self, start: int, stop: int) -> csr_array[Any]:
        """Cosines of some rows with all columns; columns of a row in no order, and none that is 0 for want of a common
        partner.
        """
        import numpy as np

        parts: list[csr_array[Any]] = []
        for part in self._parts:
            found = part.rows[start:stop] @ part.columns
            squares = np.repeat(part.row_squares[start:stop], np.diff(found.indptr))
            squares *= part.column_squares[found.indices]
            np.sqrt(squares, out=squares)
            found.data /= squares
            np.clip(found.data, -1.0, 1.0, out=found.data)
            if part.share is not None:
                found.data *= part.share
            parts.append(found)
        whole: csr_array[Any] = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return whole

    def matrix(self, labels: Array, threads: int) -> LabelledMatrix:
        """All cosines, of rows with themselves.

        Raises
        ------
        UsageError
            Where these are too many.
        """
        import numpy as np

        check_cells(self.shape)

        def made(_: int, block: csr_array[Any]) -> tuple[Array, Array, Array]:
            block.eliminate_zeros()
            block.sort_indices()
            return np.diff(block.indptr), block.indices.astype(np.int32), block.data

        parts = list(self.each_block(made, threads))
        lengths = np.concatenate([np.zeros(1, dtype=np.int64), *(part[0] for part in parts)])
        indices = np.concatenate([np.zeros(0, dtype=np.int32), *(part[1] for part in parts)])
        weights = np.concatenate([np.zeros(0), *(part[2] for part in parts)])
        return LabelledMatrix(labels, labels, np.cumsum(lengths), indices, weights)

    def strongest(self, number: int, itself: bool, threads: int) -> dict[str, Array]:
        """The columns with the largest cosines above 0 of each row.

        Parameters
        ----------
        number : int
            So many of each row, or fewer.
        itself : bool
            Whether rows and columns are the same, and a row does not count for itself.

        Returns
        -------
        dict of ndarray
            `row`, `column` (int64), `cosine` and `rank` (from 1), rows ascending and then ranks. Of equal cosines the
            smaller column comes first.
        """
        import numpy as np

        def chosen(start: int, block: csr_array[Any]) -> tuple[Array, Array, Array]:
            rows, columns, values = [], [], []
            for row in range(block.shape[0]):
                ends = slice(block.indptr[row], block.indptr[row + 1])
                places, data = _largest(block.indices[ends], block.data[ends], number, start + row if itself else None)
                rows.append(np.full(len(places), start + row, dtype=np.int64))
                columns.append(places)
                values.append(data)
            return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)

        parts = list(self.each_block(chosen, threads)) or [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
        row, column, cosine = (np.concatenate([part[place] for part in parts]) for place in range(3))
        first = np.searchsorted(row, row, side="left")
        return {"row": row, "column": column, "cosine": cosine, "rank": np.arange(len(row)) - first + 1}


def _largest(places: Array, values: Array, number: int, own: int | None) -> tuple[Array, Array]:
    """Places of the largest values above 0, in their order."""
    import numpy as np

    if len(values) > number + 1:
        # One more, since a row may find itself.
        least = np.partition(values, len(values) - number - 1)[len(values) - number - 1]
        kept = values >= least
        places, values = places[kept], values[kept]
    kept = values > 0
    if own is not None:
        kept &= places != own
    places, values = places[kept].astype(np.int64), values[kept]
    order = np.lexsort((places, -values))[:number]
    return places[order], values[order]


def check_cells(shape: tuple[int, int]) -> None:
    """Refuse a matrix that is too large to be made as a whole.

    Raises
    ------
    UsageError
    """
    if shape[0] * shape[1] > MOST_CELLS:
        raise UsageError(
            f"a matrix of {shape[0]:,} x {shape[1]:,} cosines is not made; {P.top.metavar('N')} tells the most similar "
            f"ones of each, {P.neurons} takes some neurons, {P.rows_by} adds up types"
        )


def _part(rows: Sequence[csr_array[Any]], columns: Sequence[csr_array[Any]], share: float | None) -> _Part:
    from scipy.sparse import hstack

    own, other = (_scaled(found[0] if len(found) == 1 else hstack(found, format="csr")) for found in (rows, columns))
    transposed = other.T.tocsr()
    transposed.sort_indices()
    return _Part(own, transposed, _squares(own), _squares(other), share)


def _scaled(vectors: csr_array[Any]) -> csr_array[Any]:
    """Each vector times a power of two that makes its largest entry about 1.

    That changes no digit of a cosine, and no square is too large or too small for a float.
    """
    import numpy as np
    from scipy.sparse import csr_array

    lengths = np.diff(vectors.indptr)
    largest = np.zeros(vectors.shape[0])
    filled = np.flatnonzero(lengths)
    if len(filled):
        largest[filled] = np.maximum.reduceat(np.abs(vectors.data), vectors.indptr[filled])
    _, exponents = np.frexp(largest)
    data = np.ldexp(vectors.data, -np.repeat(exponents, lengths))
    return csr_array((data, vectors.indices, vectors.indptr), shape=vectors.shape)


def _squares(vectors: csr_array[Any]) -> Array:
    """The squared length of each, added up in the order of the partners."""
    import numpy as np

    found = np.zeros(vectors.shape[0])
    np.add.at(found, np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr)), vectors.data * vectors.data)
    return found
