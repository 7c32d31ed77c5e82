"""Which rows of Parquet files count, and what becomes of the others: the same as statements tell of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from crantcli.core.engine import PairRules
from crantcli.engine.pairs.stored import Rows

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


def cleaned(rows: Rows, rules: PairRules, removed: dict[str, int]) -> tuple[Integers, Integers, Mask | None]:
    """Both neurons of some rows, and which rows count, None for all. How many do not is added to `removed`."""
    keep = rows.there("pre", "post")
    pre, post = rows.integers("pre"), rows.integers("post")
    if keep is not None:
        removed["null"] = removed.get("null", 0) + len(keep) - int(np.count_nonzero(keep))
    steps: list[tuple[str, Callable[[], Mask]]] = []
    if rules.clean:
        steps += [("background", lambda: _any_is(pre, post, rules.background))] if rules.background else []
        steps.append(("autapse", lambda: pre == post))
    if rules.min_size is not None:
        least = rules.min_size
        steps.append(("size", lambda: rows.below("size", least)))
    for step, condition in steps:
        found = condition()
        if keep is not None:
            found &= keep
        removed[step] = removed.get(step, 0) + int(np.count_nonzero(found))
        keep = ~found if keep is None else np.logical_and(keep, ~found, out=keep)
    return pre, post, keep


def _any_is(pre: Integers, post: Integers, ids: Sequence[int]) -> Mask:
    found = np.zeros(len(pre), dtype=bool)
    for neuron in ids:
        found |= pre == neuron
        found |= post == neuron
    return found
