"""What is asked of a live data set, and how. Light: everything imports it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from crantcli.core.relation import Completeness

#: Neurons on the other side that are sent along as a filter; with more, rows are selected when they have come.
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
class QuerySide:
    """Rows of a query that are asked for together: those of some neurons on one side.

    Attributes
    ----------
    side : {"pre", "post"}
        Whose neurons are cut into chunks.
    ids : tuple of int
    along : tuple of int or None
        Neurons on the other side that the server is to select by, too.
    partners : tuple of int or None
        Neurons on the other side that are looked for in the rows that have come.
    take : {"all", "these", "others"}
        Which of the rows that have come: all, those with the partners, or those without.
    """

    side: Literal["pre", "post"]
    ids: tuple[int, ...]
    along: Side = None
    partners: Side = None
    take: Literal["all", "these", "others"] = "all"

    @property
    def columns(self) -> tuple[str, str]:
        """Columns of its neurons, and of those on the other side."""
        own, other = PAIR[1:] if self.side == "pre" else PAIR[:0:-1]
        return own, other


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
    apart : pair of tuples of int, optional
        With `pre` and `post`, instead of both holding: the rows of the one whose other side is none of the second of
        these, and the rows of the other whose first side is none of the first.
    columns : tuple of str, optional
        None means all.
    ordered : bool
        By pre, post and id: for those who pass rows on in the order in which they come.
    """

    pre: Side = None
    post: Side = None
    either: Side = None
    upstream: bool = True
    downstream: bool = True
    columns: tuple[str, ...] | None = PAIR
    ordered: bool = False
    apart: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    @property
    def parts(self) -> list[QuerySide]:
        """What is asked for."""
        if self.apart is not None:
            asked = (
                QuerySide("pre", self.pre or (), partners=self.apart[1], take="others"),
                QuerySide("post", self.post or (), partners=self.apart[0], take="others"),
            )
            return [part for part in asked if part.ids]
        if self.either is not None:
            if self.upstream and self.downstream:
                # Synapses among the neurons come twice, as outputs and as inputs.
                outputs = QuerySide("pre", self.either, partners=self.either)
                return [outputs, QuerySide("post", self.either, partners=self.either, take="others")]
            return [QuerySide("post" if self.upstream else "pre", self.either)]
        if self.pre is not None and self.post is not None:
            fewer = len(self.post) < len(self.pre)
            part = QuerySide("post", self.post) if fewer else QuerySide("pre", self.pre)
            others = self.pre if fewer else self.post
            along = len(others) <= _MOST_ALONG
            return [replace(part, along=others) if along else replace(part, partners=others, take="these")]
        if self.pre is not None:
            return [QuerySide("pre", self.pre)]
        assert self.post is not None
        return [QuerySide("post", self.post)]

    @property
    def completeness(self) -> Completeness:
        """For which neurons the rows are all inputs, and all outputs."""
        nobody = frozenset[str]()
        partly = self.apart is not None or (self.pre is not None and self.post is not None)
        whole = {} if partly else {part.side: frozenset(map(str, part.ids)) for part in self.parts}
        return Completeness(whole.get("post", nobody), whole.get("pre", nobody), known=True)
