"""The largest real part of the eigenvalues of a network, one strongly connected component after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.errors import CrantError

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

#: Up to so many neurons, all eigenvalues of a component are computed.
_SMALL = 300

#: ARPACK keeps so many vectors between restarts, where weights have signs and where they have none.
_KEPT = {True: 60, False: 20}

#: ARPACK may restart so often.
_RESTARTS = 1000


@dataclass(frozen=True)
class Eigenvalue:
    """The eigenvalue with the largest real part.

    Attributes
    ----------
    real : float
        That part; 0, exactly, of a network without a cycle.
    residual : float
        |W x - l x| / (|l| |x|) of its eigenvector; 0 where there is none to look at.
    products : int
        Products with the matrix that it took; 0 where all eigenvalues were computed.
    cyclic : bool
        Whether there is a cycle at all.
    scale : float
        The Frobenius norm of the component that it belongs to: what is far below is noise.
    """

    real: float
    residual: float = 0.0
    products: int = 0
    cyclic: bool = False
    scale: float = 0.0


def largest_eigenvalue(weights: csr_array[Any]) -> Eigenvalue:
    """The eigenvalue with the largest real part.

    The eigenvalues of a network are those of its strongly connected components. A neuron that is a component alone has
    its autapse as eigenvalue, or 0, so a network without a cycle has none but 0, for which a solver would answer noise.

    Parameters
    ----------
    weights : csr_array of float64, shape (neurons, neurons)
        Post neurons are rows.

    Raises
    ------
    CrantError
        Where the iteration does not converge.
    """
    import numpy as np
    from scipy.sparse.csgraph import connected_components

    number, component = connected_components(weights, directed=True, connection="strong")
    sizes = np.bincount(component, minlength=number)
    autapses = weights.diagonal()
    alone = sizes[component] == 1
    found = Eigenvalue(0.0)
    if (alone & (autapses != 0)).any():
        real = float(autapses[alone].max())
        found = Eigenvalue(real, cyclic=True, scale=abs(real))
    if number < len(component):
        found = Eigenvalue(found.real, cyclic=True, scale=found.scale)
    order = np.argsort(component, kind="stable")
    ends = np.cumsum(sizes)
    best = found if alone.any() else None
    bounds = np.zeros(number)
    totals = np.asarray(abs(weights).sum(axis=1)).ravel()
    np.maximum.at(bounds, component, totals)
    for place in np.lexsort((np.arange(number), -sizes)):
        if sizes[place] == 1:
            break
        # No eigenvalue is larger than the largest sum of a row.
        if best is not None and bounds[place] <= best.real:
            continue
        neurons = np.sort(order[ends[place] - sizes[place] : ends[place]])
        block = weights if len(neurons) == len(component) else weights[neurons][:, neurons]
        one = _of_component(block)
        if best is None or one.real > best.real:
            best = one
    return best or found


def _of_component(block: csr_array[Any]) -> Eigenvalue:
    import numpy as np

    scale = float(np.sqrt((block.data**2).sum()))
    if block.shape[0] <= _SMALL:
        values, vectors = np.linalg.eig(block.toarray())
        place = int(np.argmax(values.real))
        return Eigenvalue(float(values[place].real), _residual(block, values[place], vectors[:, place]), 0, True, scale)
    value, vector, products = _by_arpack(block)
    return Eigenvalue(float(value.real), _residual(block, value, vector), products, True, scale)


def _residual(block: csr_array[Any], value: complex, vector: np.ndarray[Any, Any]) -> float:
    import numpy as np

    rest = np.linalg.norm(block @ vector - value * vector)
    size = abs(value) * np.linalg.norm(vector)
    return float(rest / size) if size else float(rest)


def _by_arpack(block: csr_array[Any]) -> tuple[complex, np.ndarray[Any, Any], int]:
    import numpy as np
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigs

    products = 0

    def product(vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        nonlocal products
        products += 1
        found: np.ndarray[Any, Any] = block @ vector.ravel()
        return found

    # Power iteration would find the largest modulus, which need not be a real part where weights have signs.
    signed = bool((block.data < 0).any())
    number = block.shape[0]
    # Fixed, and of no symmetry: ones are an eigenvector where all neurons have the same input.
    start = 2 + np.cos(np.arange(number, dtype=np.float64))
    try:
        values, vectors = eigs(
            LinearOperator(block.shape, matvec=product, dtype=np.float64),
            k=1, which="LR", v0=start, ncv=_KEPT[signed], maxiter=_RESTARTS, tol=0,
        )  # fmt: skip
    except ArpackError:  # it did not converge, as a rule
        raise CrantError(
            f"the largest eigenvalue of {number:,} neurons was not found in {products:,} products; nothing is written"
        ) from None
    return complex(values[0]), vectors[:, 0], products
