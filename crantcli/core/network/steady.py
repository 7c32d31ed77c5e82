"""The steady state of a linear network, for one set of seeds after the other.

    tau dr/dt = -r + W r + s,    so that    r = (1 - W)^-1 s

Source: ConnectomeInfluenceCalculator (Z. Ajabi, J. Drugowitsch; BSD-3-Clause).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.errors import CrantError

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

#: Up to so many neurons, the matrix is factorised.
_SMALL = 2000

#: Vectors that the iteration keeps before it starts anew from what it has reached.
RESTART = 250

#: The relative residual that the iteration aims at, and that which is good enough where it gets no further.
AIM, ENOUGH = 1e-13, 1e-10

#: Products of the matrix after which it gives up.
_MOST = 5000


@dataclass(frozen=True)
class SteadyState:
    """What seeds drive a network to.

    Attributes
    ----------
    influence : ndarray of float64, shape (neurons,)
        0, exactly, of neurons that no seed reaches.
    residual : float
        |s - (1 - W) r| / |s|.
    products : int
        Products with the matrix; 0 where it was factorised.
    """

    influence: np.ndarray[Any, Any]
    residual: float
    products: int


class LinearNetwork:
    """A network whose steady states are asked for: set up once, for any number of sets of seeds.

    Parameters
    ----------
    weights : csr_array of float64, shape (neurons, neurons)
        Post neurons are rows. Rescaled, if they are to be.
    acyclic : bool
        There is no cycle.
    """

    def __init__(self, weights: csr_array[Any], acyclic: bool) -> None:
        self._weights, self._acyclic = weights, acyclic
        self._signed = bool((weights.data < 0).any())
        self._solve: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]] | None = None
        if not acyclic and weights.shape[0] <= _SMALL:
            from scipy.sparse import eye_array
            from scipy.sparse.linalg import splu

            try:
                self._solve = splu((eye_array(weights.shape[0], format="csc") - weights).tocsc()).solve
            except RuntimeError:
                raise CrantError(
                    "the network has no steady state (its matrix is singular); nothing is written"
                ) from None

    def steady_state(self, seeds: np.ndarray[Any, Any]) -> SteadyState:
        """What these seeds drive the network to.

        Parameters
        ----------
        seeds : ndarray of float64, shape (neurons,)
            1 at the seeds, else 0.

        Raises
        ------
        CrantError
            Where the residual does not get small enough.
        """
        import numpy as np

        if self._acyclic:
            return self._summed(seeds)
        products = 0
        if self._solve is not None:
            found = np.where(self._reached(seeds), self._solve(seeds), 0.0)
        else:
            found, products = self._iterated(seeds)
        if not self._signed:
            # Where hardly anything arrives, noise may be negative, and products of what is not are not.
            found = seeds + self._weights @ np.maximum(found, 0.0)
        rest = _norm(self._rest(seeds, found))
        residual = rest / _norm(seeds)
        # Of a factorised matrix the residual is as small as numbers allow, which are those of the result.
        whole = _norm(found) if self._solve is not None else 0.0
        if not rest <= ENOUGH * max(_norm(seeds), whole):
            raise CrantError(
                f"the steady state was not found: after {products:,} products the relative residual is {residual:.1e}, "
                f"and {ENOUGH:.0e} is wanted; nothing is written"
            )
        return SteadyState(found, residual, products)

    def _rest(self, seeds: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        rest: np.ndarray[Any, Any] = seeds - found + self._weights @ found
        return rest

    def _summed(self, seeds: np.ndarray[Any, Any]) -> SteadyState:
        """Along all paths, of which there is an end: r = s + W s + W^2 s + ..."""
        found, term, products = seeds.copy(), self._weights @ seeds, 1
        while term.any():
            found += term
            term = self._weights @ term
            products += 1
        return SteadyState(found, _norm(self._rest(seeds, found)) / _norm(seeds), products)

    def _reached(self, seeds: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Which neurons there is a path to."""
        import numpy as np

        links = self._weights.copy()
        links.data = np.ones_like(links.data)
        reached = seeds > 0
        while True:
            more = reached | (links @ reached.astype(np.float64) > 0)
            if (more == reached).all():
                return reached
            reached = more

    def _iterated(self, seeds: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], int]:
        """GMRES, started anew from the true residual after `RESTART` steps, until that gets no smaller."""
        import numpy as np

        whole = _norm(seeds)
        found, rest, products = np.zeros_like(seeds), seeds, 0
        reached = whole
        while reached > AIM * whole and products < _MOST:
            step, used = self._krylov(rest, AIM * whole)
            products += used + 1
            better = found + step
            rest = self._rest(seeds, better)
            left = _norm(rest)
            if not left < reached:
                break
            stuck = left > 0.5 * reached and left <= ENOUGH * whole
            found, reached = better, left
            if stuck:
                break
        return found, products

    def _krylov(self, rest: np.ndarray[Any, Any], aim: float) -> tuple[np.ndarray[Any, Any], int]:
        """The step that leaves the least residual among combinations of rest, A rest, A^2 rest, ...; A = 1 - W.

        Y. Saad and M. H. Schultz 1986, SIAM J. Sci. Stat. Comput. 7, 856; Gram and Schmidt's steps are taken twice.
        """
        import numpy as np

        basis = [rest / _norm(rest)]
        upper = np.zeros((RESTART + 1, RESTART))
        right = np.zeros(RESTART + 1)
        right[0] = _norm(rest)
        turns: list[tuple[float, float]] = []
        steps = 0
        while steps < RESTART and abs(right[steps]) > aim:
            new = basis[-1] - self._weights @ basis[-1]
            size = _norm(new)
            column = upper[:, steps]
            for _ in range(2):
                for place, vector in enumerate(basis):
                    part = _dot(vector, new)
                    column[place] += part
                    new -= part * vector
                if _norm(new) > 0.7 * size:
                    break
            length = _norm(new)
            for place, (cosine, sine) in enumerate(turns):
                one, other = column[place], column[place + 1]
                column[place], column[place + 1] = cosine * one + sine * other, cosine * other - sine * one
            across = float(np.hypot(column[steps], length))
            if across == 0:
                break
            cosine, sine = float(column[steps]) / across, length / across
            turns.append((cosine, sine))
            column[steps] = across
            right[steps], right[steps + 1] = cosine * right[steps], -sine * right[steps]
            steps += 1
            if length <= 1e-14 * size:
                break
            basis.append(new / length)
        step = np.zeros_like(rest)
        factors = np.zeros(steps)
        for place in reversed(range(steps)):
            known = _dot(upper[place, place + 1 : steps], factors[place + 1 :])
            factors[place] = (right[place] - known) / upper[place, place]
        for factor, vector in zip(factors, basis, strict=False):
            step += factor * vector
        return step, steps


def _dot(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """The scalar product in a fixed order; that of `numpy.dot` depends on the number of threads."""
    import numpy as np

    return float(np.einsum("i,i->", one, other))


def _norm(vector: np.ndarray[Any, Any]) -> float:
    return float(_dot(vector, vector) ** 0.5)
