"""Pairs of IDs of text as one number of 64 bits, which sorts as they do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crantcli.core.engine import PairRules
from crantcli.engine.pairs.coding import Keys, PartCodes, halves
from crantcli.engine.pairs.stored import Rows

Integers = NDArray[np.int64]


def numbered(rows: Rows, rules: PairRules) -> tuple[Rows, PairRules, pa.LargeStringArray]:
    """The same with numbers for neurons, and what they stand for: each is the place of a text, each text once."""
    pre, post = rows.columns["pre"], rows.columns["post"]
    pre, post = pa.chunked_array([pre, post]).unify_dictionaries().chunks
    names = pre.dictionary
    places = [pc.index(names, str(neuron)).as_py() for neuron in rules.background]
    columns = {**rows.columns, "pre": pre.indices, "post": post.indices}
    return Rows(columns), replace(rules, background=tuple(place for place in places if place >= 0)), names


class TextCodes(PartCodes):
    """IDs of text."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, limit)
        #: Texts that are known, and where those of each part stand among them.
        self._known = pa.array([], pa.large_string())
        self._known_places: list[NDArray[np.int32]] = []
        #: Texts of parts that have not been looked up yet, and their bytes.
        self._fresh: list[pa.LargeStringArray] = []
        self._fresh_bytes = 0

    def add(self, pre: Integers, post: Integers, names: pa.LargeStringArray) -> None:
        """Take the pairs of some rows, as places among texts."""
        self._keep(np.concatenate([pre, post]).astype(np.int32), names)

    def _learn(self, ids: pa.LargeStringArray) -> None:
        self._fresh.append(ids)
        self._fresh_bytes += ids.nbytes
        # Most parts have the same texts, which are held once.
        if self._fresh_bytes > self._limit // 8:
            self._look_up()

    def _look_up(self) -> None:
        """Add texts to those that are known, which keep their places."""
        found = pa.concat_arrays([self._known, *self._fresh]).dictionary_encode()
        ends = np.cumsum([len(self._known), *map(len, self._fresh)])
        self._known_places += np.split(found.indices.to_numpy(), ends)[1:-1]
        self._known = found.dictionary
        self._fresh, self._fresh_bytes = [], 0

    def _all_ids(self) -> pa.LargeStringArray:
        self._look_up()
        order = pc.sort_indices(self._known)
        self._rank = np.empty(len(order), np.uint64)
        self._rank[order.to_numpy()] = np.arange(len(order), dtype=np.uint64)
        return self._known.take(order)

    def _places(self, number: int) -> Keys:
        return self._rank[self._known_places[number]]

    def unpack(self, keys: Keys) -> tuple[pa.LargeStringArray, pa.LargeStringArray]:
        """The pairs again."""
        pre, post = halves(keys)
        return self._ids.take(pa.array(pre)), self._ids.take(pa.array(post))
