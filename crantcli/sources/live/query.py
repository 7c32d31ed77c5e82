"""What is asked of a live data set, and how. Light: everything imports it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crantcli.core.table import Coverage
from crantcli.errors import UsageError
from crantcli.sources.live.moment import parse_materialization
from crantcli.sources.live.patience import Patience

#: Neurons on the other side that are sent along as a filter; with more, it is the engine that selects them.
_MOST_ALONG = 500

#: Columns that tell who is connected to whom.
PAIR = ("id", "pre_pt_root_id", "post_pt_root_id")


def needed(names: Sequence[str] = (), size: bool = False) -> tuple[str, ...]:
    """Columns to ask for: who is connected to whom, and those named; a coordinate stands for its position."""
    bases = {"pre": "pre_pt_root_id", "post": "post_pt_root_id"}
    plain = [bases.get(name, re.sub(r"(_position)_[xyz]$", r"\1", name)) for name in names]
    return tuple(dict.fromkeys((*PAIR, *(["size"] if size else []), *plain)))


Side = tuple[int, ...] | None


@dataclass(frozen=True)
class Query:
    """Which rows of a synapse table are needed, and which columns.

    Attributes
    ----------
    pre, post : tuple of int or None
        Neurons on these sides; with both, both must hold.
    either : tuple of int or None
        Neurons on whichever side, instead.
    upstream, downstream : bool
        With `either`: their inputs, their outputs.
    columns : tuple of str, optional
        None means all.
    """

    pre: Side = None
    post: Side = None
    either: Side = None
    upstream: bool = True
    downstream: bool = True
    columns: tuple[str, ...] | None = PAIR

    @property
    def parts(self) -> list[tuple[str, tuple[int, ...], dict[str, list[int]]]]:
        """What is asked for: the side that is cut into pieces, its neurons, further filters."""
        if self.either is not None:
            sides = [side for side, wanted in (("pre", self.downstream), ("post", self.upstream)) if wanted]
            return [(side, self.either, {}) for side in sides]
        if self.pre is not None and self.post is not None:
            side, ids, other = ("pre", self.pre, self.post)
            if len(self.post) < len(self.pre):
                side, ids, other = ("post", self.post, self.pre)
            name = "post_pt_root_id" if side == "pre" else "pre_pt_root_id"
            return [(side, ids, {name: list(other)} if len(other) <= _MOST_ALONG else {})]
        if self.pre is not None:
            return [("pre", self.pre, {})]
        assert self.post is not None
        return [("post", self.post, {})]

    @property
    def coverage(self) -> Coverage:
        """For which neurons the rows are all inputs, and all outputs."""
        nobody = frozenset[str]()
        whole = {side: frozenset(map(str, ids)) for side, ids, more in self.parts if not more}
        return Coverage(whole.get("post", nobody), whole.get("pre", nobody), known=True)


@dataclass(frozen=True)
class LiveOptions:
    """How a live data set is asked.

    Attributes
    ----------
    materialization : str
        `latest`, `live`, a number, or a time.
    update_ids, strict_ids : bool
        Bring IDs to the time that is queried; an ID for which that fails is an error.
    lock : str or None
        A file that `crantcli lock` made, which says the moment, the annotations and the meshes.
    cache_dir : path, optional
        Where to keep what was fetched; CRANTCLI_CACHE_DIR or the user's cache folder if not given.
    refresh : bool
        Take nothing from the cache.
    patience : Patience
    """

    materialization: str = "latest"
    update_ids: bool = True
    strict_ids: bool = False
    lock: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    refresh: bool = False
    patience: Patience = field(default_factory=Patience)

    def check(self) -> None:
        """Refuse what has no meaning, before anything is asked.

        Raises
        ------
        UsageError
        """
        asked = parse_materialization(self.materialization)
        if self.lock is not None:
            if asked != "latest":
                raise UsageError("--lock says which materialization it is; leave --materialization out")
            if not Path(self.lock).is_file():
                raise UsageError(f"--lock {self.lock}: there is no such file; make it with crantcli lock")
        if self.strict_ids and not self.update_ids:
            raise UsageError("--strict-ids and --no-update-ids contradict each other")
        if self.patience.retries < 0 or not self.patience.timeout > 0:
            raise UsageError("--retries is 0 or more, and --timeout more than 0 seconds")
