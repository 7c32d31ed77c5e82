"""Which synapses two versions of a table do not have in common, told while both are read side by side.

Most synapses are the same in both, and stand in about the same order. So the rows of one file wait for those of the
other only for a while; what has not found its like by then is left over, however the files are ordered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crantcli.core.parallel import in_order
from crantcli.engine.pairs.partners import Partners, SynapseRows, together
from crantcli.engine.pairs.reading import SynapseReader, Told, kept, looked_at
from crantcli.engine.pairs.stored import ElsewhereError, RowGroups, Rows

Integers = NDArray[np.int64]

#: Rows that a part may have: some are held at once.
_MOST = 5_000_000

#: Rows wait while so many times the rows of the largest part are read of the other file.
_WAIT = 8

#: Of which part of its rows a part has few.
_FEW = 8

#: At most this part of all rows is told apart here; where more has changed, or stands elsewhere, sorting is faster.
_CHANGED = 4


@dataclass(frozen=True)
class LeftOver:
    """Synapses of one version that count, and are not known to be the same in the other.

    Attributes
    ----------
    synapses, nameless : SynapseRows
        Those with ids, and those without; the ids of these are any numbers.
    removed : Counter of str
        Step of the ledger -> rows that it removed.
    """

    synapses: SynapseRows
    nameless: SynapseRows
    removed: Told

    def query(self, table: Callable[[str, dict[str, Integers]], str]) -> str:
        """Their `id`, `pre` and `post`, out of tables that an engine makes of columns."""
        named, nameless = (
            table("changed", {"id": some.id, "pre": some.pre, "post": some.post})
            for some in (self.synapses, self.nameless)
        )
        return f"SELECT id, pre, post FROM {named} UNION ALL SELECT NULL, pre, post FROM {nameless}"


def left_over(readers: tuple[SynapseReader, SynapseReader]) -> tuple[LeftOver, LeftOver]:
    """Read two versions and leave out the synapses that have the same id and the same neurons in both.

    Parameters
    ----------
    readers : tuple of SynapseReader
        Of columns `id`, `pre` and `post`.

    Raises
    ------
    ElsewhereError
        Where a synapse id comes twice, where too much is left over, or a column is of another type than it should be.
    DataError
        Where a file is damaged.
    """
    one, other = readers
    sizes = [part.rows for reader in readers for part in reader.parts]
    largest = max(sizes, default=0)
    if largest > _MOST:
        raise ElsewhereError
    limit = min(sum(sizes) // _CHANGED, one.memory // 4 // SynapseRows.BYTES)
    ids = [reader.ids() for reader in readers]

    def read(item: tuple[int, RowGroups]) -> tuple[int, list[LeftOver]]:
        side, part = item
        return side, [_named(some, readers[side]) for some in looked_at(part, ids[side])]

    partners = Partners()
    sides = _Side(_WAIT * largest, partners), _Side(_WAIT * largest, partners)
    with closing(in_order(read, side_by_side(one.parts, other.parts), one.threads)) as parts:
        for side, found in parts:
            for some in found:
                sides[side].take(some, sides[1 - side])
            if sum(map(len, sides)) > limit:
                raise ElsewhereError
    for reader, known in zip(readers, ids, strict=True):
        if known is not None:
            known.check(reader.threads)
    return sides[0].rest(), sides[1].rest()


def _named(rows: Rows, reader: SynapseReader) -> LeftOver:
    """Rows as they came, with what is not to be compared."""
    removed = Told()
    keep, there = kept(rows, reader.rules, removed), rows.there("id")
    id, pre, post = (rows.integers(role) for role in ("id", "pre", "post"))
    nameless = np.empty(0, np.intp)
    if there is not None:
        nameless = np.flatnonzero(~there if keep is None else keep & ~there)
        keep = there if keep is None else keep & there
    return LeftOver(SynapseRows(id, pre, post, keep), SynapseRows(id, pre, post).at(nameless), removed)


class _Side:
    """What was read of one version and is not known to be the same in the other.

    Parameters
    ----------
    wait : int
        Rows of the other version that are read before a row is given up.
    partners : Partners
    """

    def __init__(self, wait: int, partners: Partners) -> None:
        self._wait, self._read, self._partners = wait, 0, partners
        #: What is left over for good.
        self._nameless: list[SynapseRows] = []
        self._over: list[SynapseRows] = []
        self._removed = Told()
        #: Rows of which most have not met theirs, and few that were left of such, oldest first: with how many rows of
        #: the other version had been read when they came, and how many came.
        self._whole = deque[tuple[int, int, SynapseRows]]()
        self._few = deque[tuple[int, SynapseRows]]()

    def __len__(self) -> int:
        """Rows that are held."""
        held = [*self._nameless, *self._over, *(some for *_, some in self._whole), *(some for _, some in self._few)]
        return sum(map(len, held))

    def take(self, rows: LeftOver, other: _Side) -> None:
        """Take rows, and look for the same ones among those of the other version that wait."""
        self._removed += rows.removed
        self._nameless.append(rows.nameless)
        number, synapses = len(rows.synapses), rows.synapses
        waiting, other._whole = other._whole, deque()
        for since, came, some in waiting:
            synapses, some = self._without_same(synapses, some, other)
            if len(some) <= came // _FEW or since + other._wait <= self._read:
                other._retire(some, self)
            else:
                other._whole.append((since, came, some))
        self._read += number
        if len(synapses) <= number // _FEW:
            self._retire(synapses, other)
        else:
            self._whole.append((other._read, number, synapses))

    def _retire(self, few: SynapseRows, other: _Side) -> None:
        """Look for rows among the few that are left of the other version, and let those wait that are not there."""
        waiting, other._few = other._few, deque()
        for since, some in waiting:
            few, some = self._without_same(few, some, other)
            if since + other._wait <= self._read:
                other._leave(some)
            elif len(some):
                other._few.append((since, some))
        self._few.append((other._read, few))

    def _without_same(self, one: SynapseRows, others: SynapseRows, other: _Side) -> tuple[SynapseRows, SynapseRows]:
        one, others, moved = self._partners.told_apart(one, others)
        self._leave(moved[0])
        other._leave(moved[1])
        return one, others

    def _leave(self, synapses: SynapseRows) -> None:
        self._over.append(synapses.counting())

    def rest(self) -> LeftOver:
        """All that is left over at the end."""
        waiting = [*(some for *_, some in self._whole), *(some for _, some in self._few)]
        every = [*self._over, *(some.counting() for some in waiting)]
        return LeftOver(together(every), together(self._nameless), self._removed)


def side_by_side(one: Sequence[RowGroups], other: Sequence[RowGroups]) -> Iterator[tuple[int, RowGroups]]:
    """Parts of two tables, as 0 and 1, so that those which may have the same rows follow each other.

    What footers say decides nothing but the order in which parts are read.
    """
    orders = [_shares(one), _shares(other)]
    for role in ("id", "pre", "post"):
        found = [_order(parts, role) for parts in (one, other)]
        if None not in found:
            orders = found
            break
    every: list[tuple[Any, int, RowGroups]] = []
    for side, (order, parts) in enumerate(zip(orders, (one, other), strict=True)):
        every += [(place, side, part) for place, part in zip(order, parts, strict=True)]
    every.sort(key=lambda item: item[:2])
    return ((side, part) for _, side, part in every)


def _order(parts: Sequence[RowGroups], role: str) -> Any:
    """The least value of a column in each part, where the parts are in its order by what footers say; else None."""
    try:
        ranges = [found for part in parts if (found := part.range(role)) is not None]
    except ElsewhereError:
        return None
    if len(ranges) < len(parts) or any(this[1] > following[0] for this, following in pairwise(ranges)):
        return None
    return [least for least, _ in ranges]


def _shares(parts: Sequence[RowGroups]) -> Any:
    """The part of all rows that come before each."""
    before = np.cumsum([0, *(part.rows for part in parts)])
    return (before[:-1] / max(1, before[-1])).tolist()
