"""Whether two shares differ: the score test and Fisher's, Holm's correction, and one p-value from many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np

TestName = Literal["score", "fisher"]

#: What counts as significant.
ALPHA = 0.05


class EdgeCounts(NamedTuple):
    """Edges of possible edges on two sides, for each test.

    Attributes
    ----------
    x1, n1, x2, n2 : ndarray of int64, shape (tests,)
        x1 of n1, and x2 of n2.
    """

    x1: np.ndarray[Any, Any]
    n1: np.ndarray[Any, Any]
    x2: np.ndarray[Any, Any]
    n2: np.ndarray[Any, Any]


def share_test(name: TestName, counts: EdgeCounts, ratio: float = 1.0) -> np.ndarray[Any, Any]:
    """Two-sided p-values that the first share is `ratio` times the second.

    Parameters
    ----------
    name : {"score", "fisher"}
    counts : EdgeCounts
    ratio : float
        Fisher's test takes the ratio of the odds that belongs to it at the share of both together.

    Returns
    -------
    ndarray of float64, shape (tests,)
        NaN where a side has no edge: there is nothing to be tested.
    """
    import numpy as np

    tested = (counts.x1 > 0) & (counts.x2 > 0)
    found = np.full(counts.x1.shape, np.nan)
    test = score_test if name == "score" else fisher_test
    found[tested] = test(EdgeCounts(*(values[tested] for values in counts)), ratio)
    return found


def score_statistic(counts: EdgeCounts, ratio: float = 1.0) -> np.ndarray[Any, Any]:
    """The z of the score test (Miettinen and Nurminen 1985, Statistics in Medicine 4:213) of p1 = ratio p2.

    z = (x1/n1 - ratio x2/n2) / sqrt(N/(N-1) (q1 (1-q1) / n1 + ratio^2 q2 (1-q2) / n2)), N = n1 + n2, where q1 and q2
    are the likeliest shares with q1 = ratio q2. It is 0 where both sides are all or nothing.
    """
    import numpy as np

    x1, n1, x2, n2 = (np.asarray(values, dtype=np.float64) for values in counts)
    total = n1 + n2
    if ratio == 1:
        q2 = (x1 + x2) / total
    else:
        a, b, c = total * ratio, -(n1 * ratio + x1 + n2 + x2 * ratio), x1 + x2
        # Of the two solutions that which is a share; rounding must not make the root of a little less than 0.
        q2 = (-b - np.sqrt(np.maximum(b * b - 4 * a * c, 0))) / (2 * a)
    q1 = ratio * q2
    variance = total / (total - 1) * (q1 * (1 - q1) / n1 + ratio**2 * q2 * (1 - q2) / n2)
    difference = x1 / n1 - ratio * x2 / n2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, difference / np.sqrt(variance), 0.0)


def score_test(counts: EdgeCounts, ratio: float = 1.0) -> np.ndarray[Any, Any]:
    """Two-sided p-values of `score_statistic`."""
    import numpy as np
    from scipy.special import ndtr

    found: np.ndarray[Any, Any] = 2 * ndtr(-np.abs(score_statistic(counts, ratio)))
    return found


def fisher_test(counts: EdgeCounts, ratio: float = 1.0) -> np.ndarray[Any, Any]:
    """Two-sided p-values of Fisher's exact test: of all tables with the same margins, those no likelier than this one.

    With a ratio of shares other than 1, tables are as likely as Fisher's noncentral hypergeometric distribution says,
    for the ratio of odds that shares have in this ratio where both together have the share (x1 + x2) / (n1 + n2).
    """
    import numpy as np

    rows = zip(*(values.tolist() for values in counts), strict=True)
    return np.array([_fisher(x1, n1, x2, n2, ratio) for x1, n1, x2, n2 in rows], dtype=np.float64)


def _fisher(x1: int, n1: int, x2: int, n2: int, ratio: float) -> float:
    import numpy as np
    from scipy.special import gammaln

    edges = x1 + x2
    x = np.arange(max(0, edges - n2), min(edges, n1) + 1, dtype=np.float64)

    def log_choose(n: Any, k: Any) -> Any:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    log = log_choose(n1, x) + log_choose(n2, edges - x)
    if ratio != 1:
        # Shares that have the ratio and make as many edges; rounding or a large ratio must not make one of them all.
        second = edges / (n1 * ratio + n2)
        first, second = (min(share, 1 - 1e-12) for share in (ratio * second, second))
        log = log + x * np.log(first / (1 - first) * (1 - second) / second)
    log -= log.max()
    likely = np.exp(log)
    here = x1 - int(x[0])
    # Tables that are as likely as this one are not quite so after rounding.
    return float(min(1.0, likely[log <= log[here] + 1e-7].sum() / likely.sum()))


def holm(p: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """P-values corrected for their number by Holm's method; NaN where there was no test.

    Sorted ascending, the k-th of m becomes the largest of min(1, (m - j + 1) p_j) for j up to k.
    """
    import numpy as np

    found = np.full(p.shape, np.nan)
    places = np.flatnonzero(~np.isnan(p))
    order = places[np.argsort(p[places], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    found[order] = np.maximum.accumulate(np.minimum(1, factors * p[order]))
    return found


def tippett(p: np.ndarray[Any, Any]) -> float | None:
    """One p-value from many by Tippett's method, 1 - (1 - min p)^m; None without any."""
    import numpy as np

    known = p[~np.isnan(p)]
    if not len(known):
        return None
    smallest = float(known.min())
    return 1.0 if smallest >= 1 else float(-np.expm1(len(known) * np.log1p(-smallest)))
