"""What part of each neuron's input comes from seeds, some steps back, and how far from them it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Flow:
    """Effective input fractions after each number of steps.

    Attributes
    ----------
    fraction : ndarray of float64, shape (steps + 1, neurons)
        f_k: the part of a neuron's input, k steps back, that comes from the seeds; row 0 is 1 at the seeds.
    excitatory, inhibitory : ndarray of float64, shape (steps + 1, neurons)
        What of it comes over an even and over an odd number of inhibitory steps.
    """

    fraction: np.ndarray[Any, Any]
    excitatory: np.ndarray[Any, Any]
    inhibitory: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layers:
    """How far neurons are from seeds.

    Attributes
    ----------
    shortest : ndarray of int64, shape (neurons,)
        The fewest steps from a seed, of which there are no more than were asked for; 0 for seeds, -1 for neurons that
        are not reached.
    mean : ndarray of float64, shape (neurons,)
        Sum of k f_k / sum of f_k, k from 1; NaN where nothing arrives.
    """

    shortest: np.ndarray[Any, Any]
    mean: np.ndarray[Any, Any]


def effective_inputs(fractions: csr_array[Any], seeds: np.ndarray[Any, Any], steps: int) -> Flow:
    """Follow the shares of seeds from step to step: x_k = P' x_(k-1), never a power of P.

    Where weights have signs, E_k = P_e' E_(k-1) + P_i' I_(k-1) and I_k = P_i' E_(k-1) + P_e' I_(k-1), with P_e and P_i
    the absolute fractions of positive and of negative weights: an even number of inhibitory steps excites. As in
    connectome_interpreter (Y. Yin), `compress_paths`.

    Parameters
    ----------
    fractions : csr_array of float64, shape (neurons, neurons)
        Input fractions; post neurons are rows.
    seeds : ndarray of int64
        Positions of the seeds.
    steps : int

    Returns
    -------
    Flow
    """
    import numpy as np

    excites = np.zeros((steps + 1, fractions.shape[0]))
    excites[0, seeds] = 1.0
    inhibits = np.zeros_like(excites)
    if not (fractions.data < 0).any():
        for step in range(1, steps + 1):
            excites[step] = fractions @ excites[step - 1]
        return Flow(excites, excites, inhibits)
    positive, negative = (_part(fractions, sign) for sign in (1, -1))
    for step in range(1, steps + 1):
        before = excites[step - 1], inhibits[step - 1]
        excites[step] = positive @ before[0] + negative @ before[1]
        inhibits[step] = negative @ before[0] + positive @ before[1]
    return Flow(excites + inhibits, excites, inhibits)


def _part(fractions: csr_array[Any], sign: int) -> csr_array[Any]:
    """The absolute values of entries of one sign; the others are 0."""
    import numpy as np
    from scipy.sparse import csr_array

    data = np.maximum(sign * fractions.data, 0.0)
    return csr_array((data, fractions.indices, fractions.indptr), shape=fractions.shape)


def layers(fractions: csr_array[Any], flow: Flow) -> Layers:
    """How far neurons are from the seeds of a flow.

    Parameters
    ----------
    fractions : csr_array of float64, shape (neurons, neurons)
        The matrix that it was followed in.
    flow : Flow
    """
    import numpy as np
    from scipy.sparse import csr_array

    steps = len(flow.fraction) - 1
    # Links and not fractions tell who is reached: products of many small fractions end at 0 in a computer.
    links = csr_array((np.ones(fractions.nnz, dtype=bool), fractions.indices, fractions.indptr), shape=fractions.shape)
    new = flow.fraction[0] > 0
    shortest = np.where(new, 0, -1)
    for step in range(1, steps + 1):
        new = (links @ new) & (shortest < 0)
        if not new.any():
            break
        shortest[new] = step
    weighted, whole = np.zeros(len(shortest)), np.zeros(len(shortest))
    for step in range(1, steps + 1):
        weighted += step * flow.fraction[step]
        whole += flow.fraction[step]
    return Layers(shortest, np.where(whole > 0, weighted / np.where(whole > 0, whole, 1.0), np.nan))
