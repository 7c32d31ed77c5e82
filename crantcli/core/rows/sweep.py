"""What is left of a network at several thresholds."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core.engine import SqlEngine
from crantcli.core.sql import columns, total

#: Columns of the table.
SWEEP = ("threshold", "pairs", "synapses", "neurons", "density", "reciprocity")


def told_per_threshold(
    engine: SqlEngine, found: str, thresholds: Sequence[int], split: Sequence[str], whole: bool
) -> str:
    """A table with a row for each threshold.

    Parameters
    ----------
    engine : SqlEngine
    found : str
        A relation `pre, post, n` of what is left at the lowest threshold. A pair may stand in several rows.
    thresholds : sequence of int
    split : sequence of str
        Columns by which a pair stands in several rows.
    whole : bool
        `n` are integers.

    Returns
    -------
    str
        Columns `SWEEP`: pairs that have so many synapses, these synapses, or their weights (int64 where they are
        whole, else float64), neurons in such pairs; density, pairs of different neurons among all that these neurons
        could make; reciprocity, such pairs whose reverse is there, too, among all such pairs (float64, null where
        there are none).
    """
    strength = total("n", columns([*split, "n"]), whole)
    pairs = engine.table("sweep_pairs", f"SELECT pre, post, {strength} AS n FROM {found} GROUP BY pre, post")
    both = engine.table(
        "both_ways",
        f"SELECT p.pre, p.post, p.n, r.n AS back FROM {pairs} AS p "
        f"LEFT JOIN {pairs} AS r ON p.pre = r.post AND p.post = r.pre",
    )
    rows = [_row(both, threshold, whole) for threshold in thresholds]
    return engine.table("sweep", " UNION ALL ".join(rows))


def _row(both: str, threshold: int, whole: bool) -> str:
    left = f"{both} WHERE n >= {threshold}"
    other = "CASE WHEN pre <> post THEN 1 ELSE 0 END"
    back = f"CASE WHEN pre <> post AND back >= {threshold} THEN 1 ELSE 0 END"
    neurons = f"SELECT count(*) FROM (SELECT pre AS id FROM {left} UNION SELECT post FROM {left})"
    counted = (
        f"SELECT count(*) AS pairs, coalesce({total('n', 'pre, post', whole)}, 0) AS synapses, ({neurons}) AS neurons, "
        f"sum({other}) AS others, sum({back}) AS backs FROM {left}"
    )
    possible = "CAST(neurons AS DOUBLE) * (neurons - 1)"
    return (
        f"SELECT CAST({threshold} AS BIGINT) AS threshold, pairs, synapses, neurons, "
        f"others / nullif({possible}, 0) AS density, CAST(backs AS DOUBLE) / nullif(others, 0) AS reciprocity "
        f"FROM ({counted})"
    )
