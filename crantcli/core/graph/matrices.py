"""From tables to labelled matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.sql import quote

if TYPE_CHECKING:
    import numpy as np

#: Bytes of an entry while matrices are made (measured: 71 to 79, of 12 and 4 million entries).
PER_ENTRY = 80


def matrices_of(
    engine: SqlEngine,
    relation: str,
    ends: tuple[str, str],
    axes: tuple[str, str],
    values: Sequence[str],
) -> list[LabelledMatrix]:
    """Matrices of the same shape and entries, one for each column of values.

    Parameters
    ----------
    engine : SqlEngine
    relation : str
        Entries, each pair once. Nulls are 0 (of fractions NaN).
    ends : tuple of str
        Its columns of IDs.
    axes : tuple of str
        Tables `id, position` of both axes, positions from 0, with all IDs of `relation`.
    values : sequence of str
        Its columns of numbers.

    Returns
    -------
    list of LabelledMatrix
        Entries may be 0.

    Raises
    ------
    CrantError
        Where there are more entries than the engine can hand over.
    """
    import numpy as np

    engine.check_entries(relation, PER_ENTRY)
    listed = ", ".join(f"e.{quote(name)} AS value_{number}" for number, name in enumerate(values))
    found = engine.arrays(
        f"SELECT r.position AS i, c.position AS j, {listed} FROM {relation} AS e "
        f"JOIN {axes[0]} AS r ON e.{quote(ends[0])} = r.id "
        f"JOIN {axes[1]} AS c ON e.{quote(ends[1])} = c.id ORDER BY i, j"
    )
    pre, post = (engine.arrays(f"SELECT id FROM {axis} ORDER BY position")["id"] for axis in axes)
    indptr = np.zeros(len(pre) + 1, dtype=np.int64)
    np.cumsum(np.bincount(found["i"], minlength=len(pre)), out=indptr[1:])
    indices = found["j"].astype(np.int32 if max(len(pre), len(post)) < 2**31 else np.int64)
    columns = (found[f"value_{number}"] for number in range(len(values)))
    return [LabelledMatrix(pre, post, indptr, indices, _filled(column)) for column in columns]


def _filled(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A column that may have nulls, which the engine masks."""
    import numpy as np

    if not isinstance(column, np.ma.MaskedArray):
        return column
    return column.filled(np.nan if column.dtype.kind == "f" else 0)
