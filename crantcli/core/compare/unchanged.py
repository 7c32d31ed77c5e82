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
        As many as either has, at most.
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
    # Both sides' numbers at a time take four fifths of the memory at most.
    parts = max(1, -(-16 * rows // (engine.memory * 4 // 5)))
    told = {
        side: {
            part: (number, total)
            for part, number, total in engine.execute(
                f"SELECT {key} % {parts} AS part, count(*), sum({check}) FROM {side} WHERE id IS NOT NULL GROUP BY part"
            )
        }
        for side in (a, b)
    }
    kept: dict[str, list[Any]] = {a: [], b: []}
    for part in range(parts):
        where = f"id IS NOT NULL AND {key} % {parts} = {part}" if parts > 1 else "id IS NOT NULL"
        one, other = (
            engine.integers(f"SELECT {key} AS key FROM {side} WHERE {where}", told[side].get(part, (0, 0))[0])
            for side in (a, b)
        )
        one.sort()
        other.sort()
        kept[a].append(_not_in(one, other))
        kept[b].append(_not_in(other, one))
    rest = [_rows(engine, side, kept[side], key) for side in (a, b)]
    sums = []
    for side, left in zip((a, b), rest, strict=True):
        gone = engine.execute(f"SELECT coalesce(sum({check}), 0) FROM {left} WHERE id IS NOT NULL")[0][0]
        sums.append(sum(total for _, total in told[side].values()) - gone)
    return (rest[0], rest[1]) if sums[0] == sums[1] else (a, b)


def _not_in(values: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which values are not among others, both sorted; piece by piece, so that little is held beside them."""
    import numpy as np

    if not len(others):
        return values
    found = [values[:0]]
    for start in range(0, len(values), 1 << 20):
        some = values[start : start + (1 << 20)]
        places = np.minimum(np.searchsorted(others, some), len(others) - 1)
        found.append(some[others[places] != some])
    return np.concatenate(found)


def _rows(engine: SqlEngine, side: str, keys: list[Any], key: str) -> str:
    """The rows with one of these keys, and those without an id."""
    import numpy as np

    listed = engine.columns_table("changed_keys", {"key": np.concatenate(keys)})
    return engine.table(
        "changed_rows", f"SELECT id, pre, post FROM {side} WHERE id IS NULL OR {key} IN (SELECT key FROM {listed})"
    )
