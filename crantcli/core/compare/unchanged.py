"""Which of many synapses are the same in two versions, told without joining them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantcli.core import sql
from crantcli.core.engine import SqlEngine

if TYPE_CHECKING:
    import numpy as np

#: What tells a synapse and its neurons from others, and what checks that no two are taken for one.
KEY, CHECK = sql.hashed(("id", "pre", "post")), sql.hashed(("post", "id", "pre", "1"))


def without_unchanged(
    engine: SqlEngine, a: str, b: str, rows: int, key: str = KEY, check: str = CHECK
) -> tuple[str, str]:
    """What is left of two versions without the synapses that have the same id and the same neurons in both.

    Parameters
    ----------
    a, b : str
        Relations `id, pre, post`; no id twice, but for nulls, which stay.
    rows : int
        About as many as both have.
    key, check : str
        Expressions of these columns: positive integers, of which equal rows have equal ones.

    Returns
    -------
    tuple of str
        Two relations of the same columns.

    Notes
    -----
    Between two versions nearly all synapses are the same, and joining 100 million rows with as many takes longer than
    to sort one number for each. Two different synapses may have the same number (one chance in a thousand for 100
    million of each), so the sums of another number over all that is taken for the same are compared; where they differ,
    everything stays.
    """
    one, other = (f"SELECT {key} AS key, {check} AS checked FROM {side} WHERE id IS NOT NULL" for side in (a, b))
    rest, sums = [], []
    for side, (keys, total) in zip((a, b), engine.in_one_only((one, other), rows), strict=True):
        left = _rows(engine, side, keys, key)
        gone = engine.execute(f"SELECT coalesce(sum({check}), 0) FROM {left} WHERE id IS NOT NULL")[0][0]
        rest.append(left)
        sums.append((total - int(gone)) % 2**64)
    return (rest[0], rest[1]) if sums[0] == sums[1] else (a, b)


def _rows(engine: SqlEngine, side: str, keys: np.ndarray[Any, Any], key: str) -> str:
    """The rows with one of these keys, and those without an id."""
    listed = engine.columns_table("changed_keys", {"key": keys})
    return engine.table(
        "changed_rows", f"SELECT id, pre, post FROM {side} WHERE id IS NULL OR {key} IN (SELECT key FROM {listed})"
    )
