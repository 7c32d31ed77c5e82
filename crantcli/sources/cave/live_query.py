"""What has to be known of a server to ask it for rows between its versions.

There it joins two parts: rows of a version, by the neurons that are asked for, and rows that were created or deleted
since, whoever's they are. Each part is cut at the row limit for itself. So even an answer for a few synapses may not be
whole, where more than that has changed; it can be had in parts by synapse IDs alone, since those reach both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from crantcli.errors import IncompleteError
from crantcli.sources.cave.versions import DataVersion, Version, base_of
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.remote.cache import CacheFolder
    from crantcli.sources.cave.answers import Answer
    from crantcli.sources.cave.client import Cave

#: Synapse IDs are below this.
ID_END = 2**63

#: Synapse IDs from the first number up to before the second.
IdRange = tuple[int, int]

#: How far from the synapse IDs that came others are looked for first, at least.
_NEAR = 2**16


class LiveQueryState:
    """What the fetches of one run learn of a server, and tell one another.

    Attributes
    ----------
    allow_missing : bool
        Synapses whose neurons are not looked up yet may be left out.
    """

    def __init__(self, allow_missing: bool = False) -> None:
        self.allow_missing = allow_missing
        self._splits: dict[IdRange, list[IdRange]] = {}
        self._lock, self._proven = threading.Lock(), False

    def add_split(self, ids: IdRange, parts: list[IdRange]) -> None:
        """Note that in a range more has changed than the server gives at once: all may begin with its parts."""
        self._splits.setdefault(ids, parts)

    def parts_of(self, ids: IdRange) -> list[IdRange]:
        """The parts of a range of which that is known; none of others."""
        return self._splits.get(ids, [])

    def check_notices(self, answer: Answer, cut_on_purpose: Callable[[], Answer]) -> None:
        """See that the server's notices of what it has cut arrive here: once, with an answer that is cut on purpose.

        Raises
        ------
        IncompleteError
            Where none arrives.
        """
        with self._lock:
            if not self._proven and answer.cut is None and answer.table.num_rows and cut_on_purpose().cut is None:
                raise IncompleteError(
                    "the server cuts answers without a notice, so that none of them can be shown to be complete; ask "
                    f"for a materialization ({P.materialization('latest')}), whose rows are counted"
                )
            # An empty answer proves nothing.
            self._proven |= answer.cut is not None or bool(answer.table.num_rows)


def split_range(ids: IdRange, seen: IdRange | None = None) -> list[IdRange]:
    """A range in two; none where it is a single ID. It may begin far below, and end far above all IDs that there are.

    Parameters
    ----------
    ids : IdRange
    seen : IdRange, optional
        The IDs that came of it lie in this, and others may be near: what is far from there is cut off first.
    """
    low, high = ids
    if high - low < 2:
        return []
    if seen is not None:
        near = max(seen[1] - seen[0], _NEAR)
        start, end = max(seen[0] - near, low), min(seen[1] + near, high)
        if 4 * (end - start) < high - low:
            split = start if start > low else end
            return [(low, split), (split, high)]
    # Of spans that are large for where they begin, the number of digits is halved: 2^63 in six steps to a factor of 2.
    wide = high > 4 * max(low, 1)
    split = 2 ** ((max(low, 1).bit_length() + high.bit_length()) // 2) if wide else (low + high) // 2
    return [(low, split), (split, high)]


def find_base(cave: Cave, data_version: DataVersion) -> Version:
    """The version that a server starts from for a time between versions.

    Raises
    ------
    IncompleteError
        Where it cannot go from there to that time.
    """
    base = base_of(data_version.time, cave.versions())
    if base is None:
        raise IncompleteError(
            f"{data_version}: there is no version, without which the server gives no rows; try again later; nothing is "
            "written"
        )
    if base.time > data_version.time and not cave.follows_back:
        raise IncompleteError(
            f"{data_version}: there is no version that is as old, without which the server leaves out synapses of "
            "neurons that were edited since; ask for a version or a later time; nothing is written"
        )
    return base


def count_left_out(
    base: Version,
    cave: Cave,
    data_version: DataVersion,
    store: CacheFolder,
    allow_missing: bool = False,
    refresh: bool = False,
) -> int:
    """Synapses of a version that a server leaves out at a later time, since they had no neurons when it was made.

    Parameters
    ----------
    base : Version
    cave : Cave
    data_version : DataVersion
    store : CacheFolder
        Keeps what was found of a version, which does not change.
    allow_missing : bool
        There may be some.
    refresh : bool
        Take nothing from the store.

    Raises
    ------
    IncompleteError
        Where there are some. They may be none of those that are asked for.
    """
    if base.merged:
        return 0
    rows, known = _numbers(cave, base.number, store, refresh)
    if known < rows and not allow_missing:
        raise IncompleteError(
            f"{data_version}: the server builds on version {base.number}, in which {rows - known:,} of {rows:,} "
            "synapses have no neurons yet, and leaves those out that have got them since; ask for a version "
            f"({P.materialization('latest')}), or go on without them with {P.allow_missing(True)}; nothing is written"
        )
    return max(rows - known, 0)


def _numbers(cave: Cave, version: int, store: CacheFolder, refresh: bool) -> tuple[int, int]:
    """Rows of a version, and those of them that have both neurons."""
    name = "looked_up.json"
    key = f"{cave.synapse_table} {version}"
    kept = store.read_json(name)
    known = kept.get(key) if isinstance(kept, dict) and not refresh else None
    if not isinstance(known, list) or len(known) != 2 or not all(isinstance(number, int) for number in known):
        known = list(cave.rows_and_known(version))
        kept = store.read_json(name)
        store.write_json(name, {**(kept if isinstance(kept, dict) else {}), key: known})
    return known[0], known[1]


def missing_note(base: int, new: int) -> str:
    """What to say of synapses that were left out, "" for none: of the version, and of those that are new since."""
    parts = [f"{base:,} of the version that the server builds on"] if base else []
    parts += [f"at least {new:,} new ones"] if new else []
    if not parts:
        return ""
    allowed = f"as {P.allow_missing(True)} allows"
    return f"synapses without neurons may be missing, {allowed}: {' and '.join(parts)}, whoever's they are"
