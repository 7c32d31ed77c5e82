"""On which side of a plane a point lies, exactly for the numbers given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: A determinant that is larger than this share of the sum of its terms' sizes has the sign that was computed. The bound
#: is (7 + 56 e) e with e = 2^-53 for the whole and (3 + 16 e) e for a component of the normal (Shewchuk, Adaptive
#: Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates, 1997); this is a little more than either.
_ROUNDING = 1e-15

#: Where terms are so small that digits may have been lost below the smallest number, nothing is taken as certain.
_TINY = 1e-280


def side(a: Array, b: Array, c: Array, p: Array, shifted: bool = True) -> Array:
    """On which side of the plane through three points others lie: the sign of ((b - a) x (c - a)) . (p - a).

    Parameters
    ----------
    a, b, c, p : ndarray of float64, shape (n, 3)
        Finite; zero, or of a size between 1e-60 and 1e60 in what decides.
    shifted : bool
        Take p as p + (e, e^2, e^3) for an infinitely small e > 0, so that a point in the plane has a side too, and the
        same one for all planes through it ("simulation of simplicity", Edelsbrunner and Mücke 1990).

    Returns
    -------
    ndarray of int8, shape (n,)
        1, -1, or 0. Zero, if shifted, means that a, b and c lie on a line; else, that p lies in the plane.
    """
    import numpy as np

    u, v, w = (b - a).T, (c - a).T, (p - a).T
    normal, sizes = _cross(u, v)
    value = sum(normal[i] * w[i] for i in range(3))
    bound = _ROUNDING * sum(sizes[i] * np.abs(w[i]) for i in range(3)) + _TINY
    signs = np.zeros(len(a), dtype=np.int8)
    signs[value > bound] = 1
    signs[value < -bound] = -1
    open_ = np.flatnonzero(signs == 0)
    if not len(open_):
        return signs
    # Points in an axis-aligned plane, which are common, cost no long arithmetic: every term has a factor that is 0.
    decided, found = _plain_zero(u[:, open_], v[:, open_], w[:, open_], shifted)
    signs[open_[decided]] = found[decided]
    rest = open_[~decided]
    if len(rest):
        signs[rest] = _exact_side(a[rest], b[rest], c[rest], p[rest], shifted)
    return signs


def _cross(u: Array, v: Array) -> tuple[list[Array], list[Array]]:
    """Components of u x v, and the sums of the sizes of their two terms."""
    import numpy as np

    normal, sizes = [], []
    for i, j in ((1, 2), (2, 0), (0, 1)):
        left, right = u[i] * v[j], u[j] * v[i]
        normal.append(left - right)
        sizes.append(np.abs(left) + np.abs(right))
    return normal, sizes


def _plain_zero(u: Array, v: Array, w: Array, shifted: bool) -> tuple[Array, Array]:
    """Which determinants are 0 because each of their terms has a factor 0, and the sign that they get."""
    import numpy as np

    decided = np.ones(u.shape[1], dtype=bool)
    signs = np.zeros(u.shape[1], dtype=np.int8)
    ordered = np.ones(u.shape[1], dtype=bool)  # the signs of all components up to here are known
    normal, sizes = _cross(u, v)
    for axis, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        zero = ((u[i] == 0) | (v[j] == 0)) & ((u[j] == 0) | (v[i] == 0))
        decided &= zero | (w[axis] == 0)
        certain = np.abs(normal[axis]) > _ROUNDING * sizes[axis] + _TINY
        take = (signs == 0) & certain
        signs[take] = np.sign(normal[axis][take])
        ordered &= zero | certain | (signs != 0)
    if not shifted:
        return decided, np.zeros_like(signs)
    return decided & ordered, signs


def _exact_side(a: Array, b: Array, c: Array, p: Array, shifted: bool) -> Array:
    """`side` in whole numbers of any length."""
    import numpy as np

    a, b, c, p = _whole(np.stack([a, b, c, p]))
    u, v, w = (b - a).T, (c - a).T, (p - a).T
    normal = [u[i] * v[j] - u[j] * v[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    value = sum(normal[i] * w[i] for i in range(3))
    signs = _signs(value)
    for component in normal if shifted else ():
        signs = np.where(signs == 0, _signs(component), signs)
    return signs


def _signs(values: Any) -> Array:
    import numpy as np

    return np.asarray(values > 0).astype(np.int8) - np.asarray(values < 0).astype(np.int8)


def _whole(values: Array) -> Array:
    """Floats as Python integers, all of them multiplied by the same power of two."""
    import numpy as np

    fraction, exponent = np.frexp(values)
    digits = np.ldexp(fraction, 53).astype(np.int64).astype(object)
    exponent = np.where(fraction == 0, 1100, exponent)  # larger than any: a zero may be shifted by anything
    shift = np.where(fraction == 0, 0, exponent - exponent.min()).astype(object)
    return np.asarray(digits << shift)


def collinear(a: Array, b: Array, c: Array) -> Array:
    """Whether three points lie on a line, or on each other; bool, shape (n,)."""
    import numpy as np

    u, v = (b - a).T, (c - a).T
    normal, sizes = _cross(u, v)
    flat = np.ones(len(a), dtype=bool)
    for component, size in zip(normal, sizes, strict=True):
        flat &= np.abs(component) <= _ROUNDING * size + _TINY
    rows = np.flatnonzero(flat)
    if len(rows):
        # In the plane of a line, a shifted point has no side.
        flat[rows] = _exact_side(a[rows], b[rows], c[rows], a[rows], True) == 0
    return flat
