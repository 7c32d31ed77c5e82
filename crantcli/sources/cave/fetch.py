"""Asks a server for all synapses of many neurons, in pieces, and shows that each answer was whole.

A server cuts an answer at its row limit, in any order of rows. So the neurons go out in pieces. An answer that was cut
is thrown away, and its piece asked again in halves; where one neuron is too much, its synapses are halved by their IDs.
At a materialization the rows are counted by the server too, without limit, and the pieces must add up to that. Between
materializations there are no counts: there the server must have shown, with an answer that was cut on purpose, that its
notice of that arrives here. And there an answer may be cut for what has changed, whoever's it is, so that the range of
synapse IDs is halved and not the neurons.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any

from crantcli.errors import IncompleteError
from crantcli.remote.cache import Store, key_of
from crantcli.remote.outcomes import TooLargeError
from crantcli.remote.pool import WorkerPool
from crantcli.sources.cave.answers import Kept, Rows, checked, id_range, middle, unrequested
from crantcli.sources.cave.client import Cave
from crantcli.sources.cave.connection import THREADS
from crantcli.sources.cave.live_query import ID_END, IdRange, LiveQueryState, split_range
from crantcli.sources.cave.versions import Moment

#: IDs in one query: they are pasted into SQL as a list.
IDS_AT_ONCE = 1000

#: The same between materializations, where each ID costs the server a look at its history. With fewer there would be
#: more requests, and servers allow only so many in a minute.
IDS_AT_ONCE_LIVE = 500

#: Row limit to start from: the default of the server's code. The first answer that is cut tells the real one.
USUAL_LIMIT = 200_000

#: Rows that we take at once ourselves, which bounds memory.
OWN_LIMIT = 500_000

#: How often synapses are looked for near those that came, before their range is halved for good.
_MOST_HINTS = 6

#: How full an answer is meant to be; neurons differ, and an answer over the limit is lost.
_FILL = 0.75


@dataclass(frozen=True)
class Piece:
    """Neurons to ask for at once.

    Attributes
    ----------
    ids : tuple of int
    low, high : int or None
        Synapse IDs from `low` up to but not including `high`, where all are too much.
    expected : int or None
        The number of rows, where it is known.
    guess : int
        About as many rows, where it is not.
    hints : int
        How often it was cut where the IDs that came are, and not by half.
    """

    ids: tuple[int, ...]
    low: int | None = None
    high: int | None = None
    expected: int | None = None
    guess: int = 0
    hints: int = 0

    @property
    def id_range(self) -> IdRange:
        """Synapse IDs that it is about."""
        return self.low or 0, ID_END if self.high is None else self.high

    def within(self, ids: IdRange, hints: int) -> Piece:
        """The part with these synapse IDs."""
        low, high = ids
        return replace(self, low=low or None, high=None if high == ID_END else high, expected=None, hints=hints)


@dataclass(frozen=True)
class Cut:
    """An answer that was not whole.

    Attributes
    ----------
    limit : int
        What it was cut at; 0 where the request was too large.
    middle : int or None
        The median of its synapse IDs.
    rows : int
    seen : IdRange or None
        The span of its synapse IDs.
    """

    limit: int
    middle: int | None
    rows: int = 0
    seen: IdRange | None = None


class Fetch:
    """All rows with one of some neurons on one side, at one moment.

    Parameters
    ----------
    cave : Cave
    moment : Moment
    side : {"pre", "post"}
    more : dict
        Further filters: column -> IDs, any of which must hold.
    columns : sequence of str, optional
        What to ask for; None means all.
    store : Store
        Takes the answers. What a run before has left in there is not asked for again.
    state : LiveQueryState
        What is known of the server, for moments between materializations.
    """

    def __init__(
        self,
        cave: Cave,
        moment: Moment,
        side: str,
        more: dict[str, list[int]],
        columns: Sequence[str] | None,
        store: Store,
        state: LiveQueryState,
    ) -> None:
        self._cave, self._moment, self._store, self._state = cave, moment, store, state
        self._column, self._more, self._columns = f"{side}_pt_root_id", more, columns
        self._what = "fetching outgoing synapses" if side == "pre" else "fetching incoming synapses"
        self._limit = USUAL_LIMIT

    def run(self, ids: Sequence[int]) -> list[Kept]:
        """Fetch everything.

        Raises
        ------
        IncompleteError
            Where it cannot be shown that nothing is missing.
        """
        self._cave.progress.say(self._what)
        size = IDS_AT_ONCE if self._moment.version is not None else IDS_AT_ONCE_LIVE
        groups = [Piece(tuple(ids[start : start + size])) for start in range(0, len(ids), size)] or [Piece(())]
        pool = WorkerPool(THREADS)
        try:
            if self._moment.version is None:
                return list(self._gather(pool, groups, self._ask).values())
            early = pool.submit(self._send_early, groups[0]) if self._is_new(groups) else None
            counted = [future.result() for future in [pool.submit(self._counted, piece) for piece in groups]]
            answer = early.result() if early is not None else None
            if answer is not None:
                whole = self._judged(counted[0], answer)
                if isinstance(whole, Kept):
                    return [whole]
                self._limit = min(self._limit, whole.limit or self._limit)
            if not any(piece.expected for piece in counted):
                counted = [replace(counted[0], expected=0)]  # for the columns and their types
            else:
                counted = [piece for piece in counted if piece.expected]
            found = self._gather(pool, [part for piece in counted for part in self._planned(piece)], self._ask)
            return [kept for piece in counted for kept in self._checked(pool, piece, found)]
        except BaseException:
            self._cave.stop()
            raise
        finally:
            pool.close()

    def _planned(self, piece: Piece) -> list[Piece]:
        """Pieces of about as many rows as the server gives at once, by what was counted."""
        number = min(math.ceil((piece.expected or 0) / (_FILL * self._limit)), len(piece.ids))
        if number <= 1:
            return [piece]
        bounds = [len(piece.ids) * part // number for part in range(number + 1)]
        guess = (piece.expected or 0) // number
        return [Piece(piece.ids[start:end], guess=guess) for start, end in itertools.pairwise(bounds)]

    def _gather(
        self, pool: WorkerPool, pieces: Iterable[Piece], ask: Callable[[Piece], Kept | Cut]
    ) -> dict[Piece, Kept]:
        """Ask for pieces, a few at a time, and for the halves of those that come back cut."""
        waiting, found = list(reversed(list(pieces))), dict[Piece, Kept]()
        running: dict[Future[Kept | Cut], Piece] = {}
        while waiting or running:
            while waiting and len(running) < THREADS:
                piece = waiting.pop()
                if len(piece.ids) > 1 and piece.guess > self._limit:  # a limit that is lower than we thought
                    waiting += reversed(self._halves(piece, Cut(0, None)))
                    continue
                if parts := self._state.parts_of(piece.id_range):
                    waiting += [piece.within(part, piece.hints) for part in reversed(parts)]
                    continue
                running[pool.submit(ask, piece)] = piece
            self._tell(found, len(found) + len(running) + len(waiting))
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                piece, result = running.pop(future), future.result()
                if isinstance(result, Kept):
                    found[piece] = result
                else:
                    self._limit = min(self._limit, result.limit or self._limit)
                    waiting += reversed(self._halves(piece, result))
        return found

    def _tell(self, found: dict[Piece, Kept], pieces: int) -> None:
        rows = sum(kept.rows for kept in found.values())
        told = f"{self._what}: {len(found):,} of {pieces:,} pieces, {rows:,} rows"
        self._cave.progress.say(told, len(found) / pieces)

    def _checked(self, pool: WorkerPool, whole: Piece, found: dict[Piece, Kept]) -> list[Kept]:
        """The answers that make up a piece that was counted. Where rows are missing, each is counted on its own."""
        among = set(whole.ids)
        parts = {piece: kept for piece, kept in found.items() if among.issuperset(piece.ids)}
        if sum(kept.rows for kept in parts.values()) != whole.expected:
            parts = self._gather(pool, list(parts), lambda piece: self._ask(self._counted(piece)))
        rows = sum(kept.rows for kept in parts.values())
        if rows != whole.expected:
            raise IncompleteError(
                f"the server counts {whole.expected:,} synapses and gives {rows:,}, however they are asked for; no "
                "file is written"
            )
        return list(parts.values())

    def _halves(self, piece: Piece, cut: Cut) -> list[Piece]:
        """A piece that is too much for one answer, in two."""
        if self._moment.version is None and (cut.limit or len(piece.ids) == 1):
            return self._spans(piece, cut)
        if len(piece.ids) > 1:
            middle = len(piece.ids) // 2
            parts = (piece.ids[:middle], piece.ids[middle:])
            return [replace(piece, ids=part, expected=None, guess=piece.guess // 2) for part in parts]
        split = cut.middle
        if split is None or split == piece.low:
            raise IncompleteError(
                f"neuron {piece.ids[0]} has more synapses than the server gives at once, and they cannot be asked for "
                "in parts; no file is written"
            )
        return [replace(piece, high=split, expected=None), replace(piece, low=split, expected=None)]

    def _spans(self, piece: Piece, cut: Cut) -> list[Piece]:
        """A piece in two by the range of synapse IDs."""
        hinted = piece.hints < _MOST_HINTS
        parts = split_range(piece.id_range, cut.seen if hinted else None)
        if not parts:
            raise IncompleteError(
                f"the server cuts even answers about the one synapse ID {piece.low}, so that none can be shown to be "
                "complete; ask for a version (--materialization latest); nothing is written"
            )
        if cut.limit > 2 * cut.rows:  # few rows, and more than the limit for the server: it is not these neurons
            self._state.add_split(piece.id_range, parts)
        return [piece.within(part, piece.hints + hinted) for part in parts]

    # One piece, in a thread of its own

    def _key(self, piece: Piece) -> str:
        return key_of(self._column, self._more, self._columns, piece.ids, piece.low, piece.high)

    def _filters(self, piece: Piece) -> dict[str, dict[str, Any]]:
        filters: dict[str, dict[str, Any]] = {"in": {self._column: list(piece.ids), **self._more}}
        if piece.low is not None:
            filters["greater_equal"] = {"id": piece.low}
        if piece.high is not None:
            filters["less"] = {"id": piece.high}
        return filters

    def _counted(self, piece: Piece) -> Piece:
        """The same piece, with its number of rows."""
        name = f"{self._key(piece)}.count.json"
        known = self._store.read_json(name)
        if not isinstance(known, int):
            assert self._moment.version is not None
            try:
                known = self._cave.count(self._moment.version, self._filters(piece))
            except TooLargeError:
                if len(piece.ids) < 2:
                    raise
                middle = len(piece.ids) // 2
                parts = [self._counted(Piece(ids)) for ids in (piece.ids[:middle], piece.ids[middle:])]
                known = sum(part.expected or 0 for part in parts)
            self._store.write_json(name, known)
        return replace(piece, expected=known)

    def _ask(self, piece: Piece) -> Kept | Cut:
        """The rows of a piece, from the store if they are there."""
        key = self._key(piece)
        left_out = self._store.read_json(f"{key}.left_out.json")
        kept = Kept.known(self._store.path(f"{key}.arrows"), self._columns, left_out or 0)
        if kept is not None and piece.expected in (None, kept.rows):
            return kept
        before = self._store.read_json(f"{key}.cut.json")
        if isinstance(before, list):
            return Cut(*before)
        if len(piece.ids) > 1 and (piece.expected or 0) > OWN_LIMIT:
            return Cut(0, None)
        try:
            answer = self._send(piece)
        except TooLargeError:
            if len(piece.ids) < 2:
                raise
            return Cut(0, None)
        return self._judged(piece, answer)

    def _is_new(self, groups: Sequence[Piece]) -> bool:
        """Whether it is one question of which nothing is known yet: then its rows are asked for while they are counted.

        Most questions are small, and would else take twice as long. Of a large one, that answer is lost.
        """
        known = (f"{self._key(groups[0])}{suffix}" for suffix in (".arrows", ".cut.json", ".count.json"))
        return len(groups) == 1 and not any(self._store.path(name).exists() for name in known)

    def _send_early(self, piece: Piece) -> Rows | None:
        try:
            return self._send(piece)
        except TooLargeError:
            return None

    def _judged(self, piece: Piece, answer: Rows) -> Kept | Cut:
        """Keep an answer if it is whole, or that it was not."""
        key, table = self._key(piece), checked(answer.table, self._columns)
        wrong = unrequested(table, self._filters(piece))
        if wrong:
            raise IncompleteError(
                f"the server gives {wrong:,} synapses that were not asked for, and may not heed what it is asked; "
                "nothing is written"
            )
        if self._is_cut(piece, answer):
            cut = Cut(answer.cut or table.num_rows, middle(table), table.num_rows, id_range(table))
            self._store.write_json(f"{key}.cut.json", [cut.limit, cut.middle, cut.rows, cut.seen])
            return cut
        path = self._store.path(f"{key}.arrows")
        if answer.left_out:
            self._store.write_json(f"{key}.left_out.json", answer.left_out)
        with self._store.writing(path.name) as temporary:
            temporary.write_bytes(answer.content)
        return Kept(path, self._columns, table.num_rows, table.schema, answer.left_out)

    def _send(self, piece: Piece) -> Rows:
        if self._moment.version is not None:
            return self._cave.rows(self._moment.version, self._filters(piece), self._columns)
        question = (self._moment.time, self._filters(piece), self._columns)
        allow = self._state.allow_missing
        answer = self._cave.rows_at(*question, allow_missing=allow)
        self._state.check_notices(answer, lambda: self._cave.rows_at(*question, limit=1, allow_missing=allow))
        return answer

    def _is_cut(self, piece: Piece, answer: Rows) -> bool:
        """Whether rows are missing. A notice about exactly as many rows as there are is none of that."""
        rows = answer.table.num_rows
        if piece.expected is not None:
            if rows > piece.expected:
                raise IncompleteError(
                    f"the server counts {piece.expected:,} synapses and gives {rows:,}; is it changing? "
                    "Nothing is written"
                )
            return bool(rows < piece.expected)
        return answer.cut is not None or rows >= OWN_LIMIT
