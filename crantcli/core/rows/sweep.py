"""What is left of a network at several thresholds."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core.engine import SqlEngine

#: Columns of the table.
SWEEP = ("threshold", "pairs", "synapses", "neurons", "density", "reciprocity")


def told_per_threshold(engine: SqlEngine, found: str, thresholds: Sequence[int]) -> str:
    """A table with a row for each threshold.

    Parameters
    ----------
    engine : SqlEngine
    found : str
        A relation `pre, post, n` of what is left at the lowest threshold. A pair may stand in several rows.
    thresholds : sequence of int

    Returns
    -------
    str
        Columns `SWEEP`: pairs that have so many synapses, these synapses, neurons in such pairs (int64 where `n` is);
        density, pairs of different neurons among all that these neurons could make; reciprocity, such pairs whose
        reverse is there, too, among all such pairs (float64, null where there are none).
    """
    pairs = engine.table("sweep_pairs", f"SELECT pre, post, sum(n) AS n FROM {found} GROUP BY pre, post")
    both = engine.table(
        "both_ways",
        f"SELECT p.pre, p.post, p.n, r.n AS back FROM {pairs} AS p "
        f"LEFT JOIN {pairs} AS r ON p.pre = r.post AND p.post = r.pre",
    )
    rows = [_row(both, threshold) for threshold in thresholds]
    return engine.table("sweep", " UNION ALL ".join(rows))


def _row(both: str, threshold: int) -> str:
    left = f"{both} WHERE n >= {threshold}"
    other = "CASE WHEN pre <> post THEN 1 ELSE 0 END"
    back = f"CASE WHEN pre <> post AND back >= {threshold} THEN 1 ELSE 0 END"
    neurons = f"SELECT count(*) FROM (SELECT pre AS id FROM {left} UNION SELECT post FROM {left})"
    counted = (
        f"SELECT count(*) AS pairs, CAST(coalesce(sum(n), 0) AS BIGINT) AS synapses, ({neurons}) AS neurons, "
        f"sum({other}) AS others, sum({back}) AS backs FROM {left}"
    )
    possible = "CAST(neurons AS DOUBLE) * (neurons - 1)"
    return (
        f"SELECT CAST({threshold} AS BIGINT) AS threshold, pairs, synapses, neurons, "
        f"others / nullif({possible}, 0) AS density, CAST(backs AS DOUBLE) / nullif(others, 0) AS reciprocity "
        f"FROM ({counted})"
    )
