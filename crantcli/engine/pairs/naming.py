"""Pairs of IDs of text as one number of 64 bits, which sorts as they do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crantcli.core.engine import PairRules
from crantcli.engine.pairs.coding import WINDOW, Keys, halves, high_and_low
from crantcli.engine.pairs.stored import ElsewhereError, Rows

Integers = NDArray[np.int64]


def numbered(rows: Rows, rules: PairRules) -> tuple[Rows, PairRules, pa.LargeStringArray]:
    """The same with numbers for neurons, and what they stand for: each is the place of a text, each text once."""
    pre, post = rows.columns["pre"], rows.columns["post"]
    pre, post = pa.chunked_array([pre, post]).unify_dictionaries().chunks
    names = pre.dictionary
    places = [pc.index(names, str(neuron)).as_py() for neuron in rules.background]
    columns = {**rows.columns, "pre": pre.indices, "post": post.indices}
    return Rows(columns), replace(rules, background=tuple(place for place in places if place >= 0)), names


class TextCodes:
    """IDs of text as their places among all of them.

    All rows must have come before the first place is known. Until then, an ID is its place among those of its part.

    Parameters
    ----------
    path : Path
        What files that are made are called, but for a number: those of parts that do not fit.
    limit : int
        Bytes to hold.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit, self._bytes = path, limit, 0
        self._lock = threading.Lock()
        #: Both sides of each part, one behind the other, and where each of its texts stands among `_known`.
        self._parts: list[NDArray[np.int32] | Path] = []
        self._places: list[NDArray[np.int32]] = []
        self._known = pa.array([], pa.large_string())
        #: Texts of parts that have not been looked up yet, and their bytes.
        self._fresh: list[pa.LargeStringArray] = []
        self._fresh_bytes = 0

    def add(self, pre: Integers, post: Integers, names: pa.LargeStringArray) -> None:
        """Take the pairs of some rows, as places among texts."""
        codes = np.concatenate([pre, post]).astype(np.int32)
        with self._lock:
            number, full = len(self._parts), self._bytes + codes.nbytes > self._limit
            self._bytes += 0 if full else codes.nbytes
            file = self._path.with_suffix(f".{number}")
            self._parts.append(file if full else codes)
            self._fresh.append(names)
            self._fresh_bytes += names.nbytes
            # Most parts have the same texts, which are held once.
            if self._fresh_bytes > self._limit // 8:
                self._look_up()
        if full:
            codes.tofile(file)

    def _look_up(self) -> None:
        """Add texts to those that are known, which keep their places."""
        found = pa.concat_arrays([self._known, *self._fresh]).dictionary_encode()
        ends = np.cumsum([len(self._known), *map(len, self._fresh)])
        self._places += np.split(found.indices.to_numpy(), ends)[1:-1]
        self._known = found.dictionary
        self._fresh, self._fresh_bytes = [], 0

    def settle(self) -> list[Callable[[], Keys]]:
        """Functions that give the pairs of one part each as numbers. Each can be called once.

        Raises
        ------
        ElsewhereError
            Where there are too many IDs.
        """
        self._look_up()
        if len(self._known) > WINDOW:
            raise ElsewhereError
        order = pc.sort_indices(self._known)
        self._ids = self._known.take(order)
        self._rank = np.empty(len(order), np.uint64)
        self._rank[order.to_numpy()] = np.arange(len(order), dtype=np.uint64)
        return [lambda number=number: self._packed(number) for number in range(len(self._parts))]  # type: ignore[misc]

    def _packed(self, number: int) -> Keys:
        part, self._parts[number] = self._parts[number], np.empty(0, np.int32)
        codes = np.fromfile(part, np.int32) if isinstance(part, Path) else part
        ranks = self._rank[self._places[number]]
        half = len(codes) // 2
        return high_and_low(ranks[codes[:half]], ranks[codes[half:]])

    @property
    def greatest(self) -> int:
        """The greatest number that a pair may be."""
        return (len(self._ids) << 32) - 1 if len(self._ids) else 0

    def unpack(self, keys: Keys) -> tuple[pa.LargeStringArray, pa.LargeStringArray]:
        """The pairs again."""
        pre, post = halves(keys)
        return self._ids.take(pa.array(pre)), self._ids.take(pa.array(post))
