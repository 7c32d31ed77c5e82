"""Asks a server for all synapses of many neurons, in chunks, and shows that each answer was whole.

A server cuts an answer at its row limit, in any order of rows. So the neurons go out in chunks. An answer that was cut
is thrown away, and its chunk asked again in halves; where one neuron is too much, its synapses are halved by their IDs.
At a materialization the rows are counted by the server too, without limit, and the chunks must add up to that. Between
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
from crantcli.remote.cache import CacheFolder, key_of
from crantcli.remote.outcomes import TooLargeError
from crantcli.remote.pool import WorkerPool
from crantcli.sources.cave.answers import Answer, ChunkFile, check_rows, id_range, middle, unrequested
from crantcli.sources.cave.client import Cave
from crantcli.sources.cave.connection import THREADS
from crantcli.sources.cave.live_query import ID_END, IdRange, LiveQueryState, split_range
from crantcli.sources.cave.versions import DataVersion
from crantcli.text import P

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
class Chunk:
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

    def within(self, ids: IdRange, hints: int) -> Chunk:
        """The part with these synapse IDs."""
        low, high = ids
        return replace(self, low=low or None, high=None if high == ID_END else high, expected=None, hints=hints)


@dataclass(frozen=True)
class Truncated:
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
    data_version : DataVersion
    side : {"pre", "post"}
    more : dict
        Further filters: column -> IDs, any of which must hold.
    columns : sequence of str, optional
        What to ask for; None means all.
    store : CacheFolder
        Takes the answers. What a run before has left in there is not asked for again.
    state : LiveQueryState
        What is known of the server, for moments between materializations.
    """

    def __init__(
        self,
        cave: Cave,
        data_version: DataVersion,
        side: str,
        more: dict[str, list[int]],
        columns: Sequence[str] | None,
        store: CacheFolder,
        state: LiveQueryState,
    ) -> None:
        self._cave, self._data_version, self._store, self._state = cave, data_version, store, state
        self._column, self._more, self._columns = f"{side}_pt_root_id", more, columns
        self._what = "fetching outgoing synapses" if side == "pre" else "fetching incoming synapses"
        self._limit = USUAL_LIMIT

    def run(self, ids: Sequence[int]) -> list[ChunkFile]:
        """Fetch everything.

        Raises
        ------
        IncompleteError
            Where it cannot be shown that nothing is missing.
        """
        self._cave.progress.say(self._what)
        size = IDS_AT_ONCE if self._data_version.version is not None else IDS_AT_ONCE_LIVE
        groups = [Chunk(tuple(ids[start : start + size])) for start in range(0, len(ids), size)] or [Chunk(())]
        pool = WorkerPool(THREADS)
        try:
            if self._data_version.version is None:
                return list(self._gather(pool, groups, self._ask).values())
            early = pool.submit(self._send_early, groups[0]) if self._is_new(groups) else None
            counted = [future.result() for future in [pool.submit(self._counted, chunk) for chunk in groups]]
            answer = early.result() if early is not None else None
            if answer is not None:
                whole = self._judged(counted[0], answer)
                if isinstance(whole, ChunkFile):
                    return [whole]
                self._limit = min(self._limit, whole.limit or self._limit)
            if not any(chunk.expected for chunk in counted):
                counted = [replace(counted[0], expected=0)]  # for the columns and their types
            else:
                counted = [chunk for chunk in counted if chunk.expected]
            found = self._gather(pool, [part for chunk in counted for part in self._planned(chunk)], self._ask)
            return [kept for chunk in counted for kept in self._checked(pool, chunk, found)]
        except BaseException:
            self._cave.stop()
            raise
        finally:
            pool.close()

    def _planned(self, chunk: Chunk) -> list[Chunk]:
        """Chunks of about as many rows as the server gives at once, by what was counted."""
        number = min(math.ceil((chunk.expected or 0) / (_FILL * self._limit)), len(chunk.ids))
        if number <= 1:
            return [chunk]
        bounds = [len(chunk.ids) * part // number for part in range(number + 1)]
        guess = (chunk.expected or 0) // number
        return [Chunk(chunk.ids[start:end], guess=guess) for start, end in itertools.pairwise(bounds)]

    def _gather(
        self, pool: WorkerPool, chunks: Iterable[Chunk], ask: Callable[[Chunk], ChunkFile | Truncated]
    ) -> dict[Chunk, ChunkFile]:
        """Ask for chunks, a few at a time, and for the halves of those that come back cut."""
        waiting, found = list(reversed(list(chunks))), dict[Chunk, ChunkFile]()
        running: dict[Future[ChunkFile | Truncated], Chunk] = {}
        while waiting or running:
            while waiting and len(running) < THREADS:
                chunk = waiting.pop()
                if len(chunk.ids) > 1 and chunk.guess > self._limit:  # a limit that is lower than we thought
                    waiting += reversed(self._halves(chunk, Truncated(0, None)))
                    continue
                if parts := self._state.parts_of(chunk.id_range):
                    waiting += [chunk.within(part, chunk.hints) for part in reversed(parts)]
                    continue
                running[pool.submit(ask, chunk)] = chunk
            self._tell(found, len(found) + len(running) + len(waiting))
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                chunk, result = running.pop(future), future.result()
                if isinstance(result, ChunkFile):
                    found[chunk] = result
                else:
                    self._limit = min(self._limit, result.limit or self._limit)
                    waiting += reversed(self._halves(chunk, result))
        return found

    def _tell(self, found: dict[Chunk, ChunkFile], chunks: int) -> None:
        rows = sum(kept.rows for kept in found.values())
        told = f"{self._what}: {len(found):,} of {chunks:,} chunks, {rows:,} rows"
        self._cave.progress.say(told, len(found) / chunks)

    def _checked(self, pool: WorkerPool, whole: Chunk, found: dict[Chunk, ChunkFile]) -> list[ChunkFile]:
        """The answers that make up a chunk that was counted. Where rows are missing, each is counted on its own."""
        among = set(whole.ids)
        parts = {chunk: kept for chunk, kept in found.items() if among.issuperset(chunk.ids)}
        if sum(kept.rows for kept in parts.values()) != whole.expected:
            parts = self._gather(pool, list(parts), lambda chunk: self._ask(self._counted(chunk)))
        rows = sum(kept.rows for kept in parts.values())
        if rows != whole.expected:
            raise IncompleteError(
                f"the server counts {whole.expected:,} synapses and gives {rows:,}, however they are asked for; no "
                "file is written"
            )
        return list(parts.values())

    def _halves(self, chunk: Chunk, cut: Truncated) -> list[Chunk]:
        """A chunk that is too much for one answer, in two."""
        if self._data_version.version is None and (cut.limit or len(chunk.ids) == 1):
            return self._spans(chunk, cut)
        if len(chunk.ids) > 1:
            middle = len(chunk.ids) // 2
            parts = (chunk.ids[:middle], chunk.ids[middle:])
            return [replace(chunk, ids=part, expected=None, guess=chunk.guess // 2) for part in parts]
        split = cut.middle
        if split is None or split == chunk.low:
            raise IncompleteError(
                f"neuron {chunk.ids[0]} has more synapses than the server gives at once, and they cannot be asked for "
                "in parts; no file is written"
            )
        return [replace(chunk, high=split, expected=None), replace(chunk, low=split, expected=None)]

    def _spans(self, chunk: Chunk, cut: Truncated) -> list[Chunk]:
        """A chunk in two by the range of synapse IDs."""
        hinted = chunk.hints < _MOST_HINTS
        parts = split_range(chunk.id_range, cut.seen if hinted else None)
        if not parts:
            raise IncompleteError(
                f"the server cuts even answers about the one synapse ID {chunk.low}, so that none can be shown to be "
                f"complete; ask for a version ({P.materialization('latest')}); nothing is written"
            )
        if cut.limit > 2 * cut.rows:  # few rows, and more than the limit for the server: it is not these neurons
            self._state.add_split(chunk.id_range, parts)
        return [chunk.within(part, chunk.hints + hinted) for part in parts]

    # One chunk, in a thread of its own

    def _key(self, chunk: Chunk) -> str:
        return key_of(self._column, self._more, self._columns, chunk.ids, chunk.low, chunk.high)

    def _filters(self, chunk: Chunk) -> dict[str, dict[str, Any]]:
        filters: dict[str, dict[str, Any]] = {"in": {self._column: list(chunk.ids), **self._more}}
        if chunk.low is not None:
            filters["greater_equal"] = {"id": chunk.low}
        if chunk.high is not None:
            filters["less"] = {"id": chunk.high}
        return filters

    def _counted(self, chunk: Chunk) -> Chunk:
        """The same chunk, with its number of rows."""
        name = f"{self._key(chunk)}.count.json"
        known = self._store.read_json(name)
        if not isinstance(known, int):
            assert self._data_version.version is not None
            try:
                known = self._cave.count(self._data_version.version, self._filters(chunk))
            except TooLargeError:
                if len(chunk.ids) < 2:
                    raise
                middle = len(chunk.ids) // 2
                parts = [self._counted(Chunk(ids)) for ids in (chunk.ids[:middle], chunk.ids[middle:])]
                known = sum(part.expected or 0 for part in parts)
            self._store.write_json(name, known)
        return replace(chunk, expected=known)

    def _ask(self, chunk: Chunk) -> ChunkFile | Truncated:
        """The rows of a chunk, from the store if they are there."""
        key = self._key(chunk)
        left_out = self._store.read_json(f"{key}.left_out.json")
        kept = ChunkFile.known(self._store.path(f"{key}.arrows"), self._columns, left_out or 0)
        if kept is not None and chunk.expected in (None, kept.rows):
            return kept
        before = self._store.read_json(f"{key}.cut.json")
        if isinstance(before, list):
            return Truncated(*before)
        if len(chunk.ids) > 1 and (chunk.expected or 0) > OWN_LIMIT:
            return Truncated(0, None)
        try:
            answer = self._send(chunk)
        except TooLargeError:
            if len(chunk.ids) < 2:
                raise
            return Truncated(0, None)
        return self._judged(chunk, answer)

    def _is_new(self, groups: Sequence[Chunk]) -> bool:
        """Whether it is one question of which nothing is known yet: then its rows are asked for while they are counted.

        Most questions are small, and would else take twice as long. Of a large one, that answer is lost.
        """
        known = (f"{self._key(groups[0])}{suffix}" for suffix in (".arrows", ".cut.json", ".count.json"))
        return len(groups) == 1 and not any(self._store.path(name).exists() for name in known)

    def _send_early(self, chunk: Chunk) -> Answer | None:
        try:
            return self._send(chunk)
        except TooLargeError:
            return None

    def _judged(self, chunk: Chunk, answer: Answer) -> ChunkFile | Truncated:
        """Keep an answer if it is whole, or that it was not."""
        key, table = self._key(chunk), check_rows(answer.table, self._columns)
        wrong = unrequested(table, self._filters(chunk))
        if wrong:
            raise IncompleteError(
                f"the server gives {wrong:,} synapses that were not asked for, and may not heed what it is asked; "
                "nothing is written"
            )
        if self._is_cut(chunk, answer):
            cut = Truncated(answer.cut or table.num_rows, middle(table), table.num_rows, id_range(table))
            self._store.write_json(f"{key}.cut.json", [cut.limit, cut.middle, cut.rows, cut.seen])
            return cut
        path = self._store.path(f"{key}.arrows")
        if answer.left_out:
            self._store.write_json(f"{key}.left_out.json", answer.left_out)
        with self._store.writing(path.name) as temporary:
            temporary.write_bytes(answer.content)
        return ChunkFile(path, self._columns, table.num_rows, table.schema, answer.left_out)

    def _send(self, chunk: Chunk) -> Answer:
        if self._data_version.version is not None:
            return self._cave.rows(self._data_version.version, self._filters(chunk), self._columns)
        question = (self._data_version.time, self._filters(chunk), self._columns)
        allow = self._state.allow_missing
        answer = self._cave.rows_at(*question, allow_missing=allow)
        self._state.check_notices(answer, lambda: self._cave.rows_at(*question, limit=1, allow_missing=allow))
        return answer

    def _is_cut(self, chunk: Chunk, answer: Answer) -> bool:
        """Whether rows are missing. A notice about exactly as many rows as there are is none of that."""
        rows = answer.table.num_rows
        if chunk.expected is not None:
            if rows > chunk.expected:
                raise IncompleteError(
                    f"the server counts {chunk.expected:,} synapses and gives {rows:,}; is it changing? "
                    "Nothing is written"
                )
            return bool(rows < chunk.expected)
        return answer.cut is not None or rows >= OWN_LIMIT
