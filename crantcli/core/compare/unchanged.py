"""Which of many synapses are the same in two versions, told without joining them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crantcli.core import sql
from crantcli.core.engine import SqlEngine

if TYPE_CHECKING:
    import numpy as np

#: What tells a synapse and its neurons from others, and what checks that no two are taken for one.
KEY, CHECK = sql.hashed(("id", "pre", "post")), sql.hashed(("post", "id", "pre", "1"))

#: Numbers that are looked up at a time.
_BLOCK = 1 << 21


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
    everything stays. The numbers of one version are held, and those of the other looked up among them in blocks.
    """
    import numpy as np

    # The numbers of one side at a time, each with a mark, take four fifths of the memory at most.
    parts = max(1, -(-9 * rows // (engine.memory * 4 // 5)))
    kept: dict[str, list[Any]] = {a: [], b: []}
    totals = {a: 0, b: 0}
    for part in range(parts):
        where = f"id IS NOT NULL AND {key} % {parts} = {part}" if parts > 1 else "id IS NOT NULL"
        numbers = {side: f"SELECT {key} AS key, {check} AS checked FROM {side} WHERE {where}" for side in (a, b)}
        count = rows if parts == 1 else int(engine.execute(f"SELECT count(*) FROM {a} WHERE {where}")[0][0])
        known, total = _sorted_numbers(engine, numbers[a], count)
        totals[a] += total
        seen = np.zeros(len(known), dtype=bool)
        for block, total in _blocks(engine, numbers[b]):
            totals[b] += total
            places = np.searchsorted(known, block)
            there = places < len(known)
            there[there] = known[places[there]] == block[there]
            seen[places[there]] = True
            kept[b].append(block[~there])
        kept[a].append(known[~seen])
    rest = [_rows(engine, side, kept[side], key) for side in (a, b)]
    sums = []
    for side, left in zip((a, b), rest, strict=True):
        gone = engine.execute(f"SELECT coalesce(sum({check}), 0) FROM {left} WHERE id IS NOT NULL")[0][0]
        sums.append((totals[side] - int(gone)) % 2**64)
    return (rest[0], rest[1]) if sums[0] == sums[1] else (a, b)


def _sorted_numbers(engine: SqlEngine, query: str, most: int) -> tuple[np.ndarray[Any, Any], int]:
    """The numbers `key` of a query of at most so many rows, sorted, and the sum of `checked` modulo 2^64."""
    import numpy as np

    found, start, total = np.empty(most, dtype=np.int64), 0, 0
    for batch in engine.integer_batches(query):
        values = batch["key"]
        found[start : start + len(values)] = values
        start += len(values)
        total += int(batch["checked"].view(np.uint64).sum())
    found = found[:start]
    found.sort()
    return found, total


def _blocks(engine: SqlEngine, query: str) -> Iterator[tuple[np.ndarray[Any, Any], int]]:
    """The same in sorted blocks of numbers, which are looked up faster than as they come."""
    import numpy as np

    held: list[Any] = []
    total = 0
    for batch in engine.integer_batches(query):
        held.append(batch["key"].copy())
        total += int(batch["checked"].view(np.uint64).sum())
        if sum(map(len, held)) >= _BLOCK:
            yield np.sort(np.concatenate(held)), total
            held, total = [], 0
    if held:
        yield np.sort(np.concatenate(held)), total


def _rows(engine: SqlEngine, side: str, keys: list[Any], key: str) -> str:
    """The rows with one of these keys, and those without an id."""
    import numpy as np

    listed = engine.columns_table("changed_keys", {"key": np.concatenate([np.zeros(0, dtype=np.int64), *keys])})
    return engine.table(
        "changed_rows", f"SELECT id, pre, post FROM {side} WHERE id IS NULL OR {key} IN (SELECT key FROM {listed})"
    )
