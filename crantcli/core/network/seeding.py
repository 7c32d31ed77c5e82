"""The network of each set of seeds, and what it is driven to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine
from crantcli.core.network.eigenvalue import Eigenvalue, largest_eigenvalue
from crantcli.core.network.seeds import SeedSet, located, positions
from crantcli.core.network.steady import LinearNetwork
from crantcli.core.network.wiring import Wiring
from crantcli.core.relation import Relation
from crantcli.core.rows.absent import some
from crantcli.errors import DataError
from crantcli.ids import Selection
from crantcli.text import P, plural

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

#: What is added to the logarithm of an influence.
CONSTANT = 24

#: Of signed weights, what is this small beside their norm is 0; up to the second, it cannot be told from 0.
_ZERO, _DOUBTFUL = 1e-12, 1e-7


@dataclass
class Driven:
    """What a set of seeds drives.

    Attributes
    ----------
    influence : ndarray of float64, shape (neurons,)
    seeded : ndarray of bool, shape (neurons,)
    eigenvalue : Eigenvalue
        Of the network before it was rescaled.
    rescaled : bool
    residual : float
    products : int
    """

    name: str | None
    influence: np.ndarray[Any, Any]
    seeded: np.ndarray[Any, Any]
    silenced: int
    eigenvalue: Eigenvalue
    rescaled: bool
    residual: float
    products: int
    notes: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """For the provenance."""
        return {
            **({} if self.name is None else {"seed": self.name}),
            "seeds": int(self.seeded.sum()),
            "silenced": self.silenced,
            "eigenvalue": self.eigenvalue.real,
            "eigenvalue_residual": self.eigenvalue.residual,
            "eigenvalue_products": self.eigenvalue.products,
            "rescaled": self.rescaled,
            "residual": self.residual,
            "iterations": self.products,
        }


def drive(
    engine: SqlEngine,
    table: Relation,
    wiring: Wiring,
    sets: Sequence[SeedSet],
    silence: Selection | None,
    gain: float | None,
) -> list[Driven]:
    """The steady state of each set of seeds. What is the same for several of them is made once.

    Raises
    ------
    DataError
        Where seeds are not there, or the network cannot be scaled, or has no steady state.
    CrantError
        Where an iteration does not converge.
    """
    import numpy as np

    silenced = np.zeros(0, dtype=np.int64)
    notes: list[str] = []
    if silence is not None:
        silenced, absent = positions(engine, table, wiring.neurons, silence.ids)
        if absent:
            notes.append(
                f"{plural(len(absent), 'silenced neuron', 'have')} no edge that counts, such as {some(absent)}"
            )
    fate = "they drive nothing and are not in the answer"
    driven = [located(engine, table, wiring.neurons, one, "seeds", fate, notes) for one in sets]
    # Seeds are not silenced, so sets that hold some of the neurons in question have networks of their own.
    groups: dict[bytes, list[int]] = {}
    for place, seeds in enumerate(driven):
        groups.setdefault(np.setdiff1d(silenced, seeds).tobytes(), []).append(place)
    answers: dict[int, Driven] = {}
    for key, places in groups.items():
        outputs = np.frombuffer(key, dtype=np.int64)
        weights = wiring.silenced(outputs)
        eigenvalue = largest_eigenvalue(weights)
        factor = _factor(eigenvalue, gain, wiring.signed, notes)
        network = LinearNetwork(_rescaled(weights, factor), not eigenvalue.cyclic)
        for place in places:
            seeded = np.zeros(weights.shape[0])
            seeded[driven[place]] = 1.0
            state = network.steady_state(seeded)
            answers[place] = Driven(
                sets[place].name, state.influence, seeded > 0, len(outputs), eigenvalue, factor is not None,
                state.residual, state.products,
            )  # fmt: skip
    answers[0].notes += notes
    return [answers[place] for place in range(len(sets))]


def adjusted(influence: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """sign(r) (ln max(|r|, e^-24) + 24), to 6 significant digits; 0 where |r| <= e^-24."""
    import numpy as np

    size = np.abs(influence)
    # The logarithm of 0 is not asked for.
    large = np.where(size > math.exp(-CONSTANT), size, math.exp(-CONSTANT))
    found = np.where(size > math.exp(-CONSTANT), np.sign(influence) * (np.log(large) + CONSTANT), 0.0)
    return np.array([float(f"{value:.6g}") for value in found.tolist()], dtype=np.float64)


def _factor(eigenvalue: Eigenvalue, gain: float | None, signed: bool, notes: list[str]) -> float | None:
    """What the weights are multiplied by; None where they stay as they are."""
    real = eigenvalue.real
    if signed and abs(real) <= _ZERO * eigenvalue.scale:
        real = 0.0
    if gain is None:
        if real >= 1:
            raise DataError(
                f"the largest eigenvalue is {real:.6g}, and from 1 on there is no steady state, since activity grows; "
                f"leave {P.gain('none')} out"
            )
        return None
    if not eigenvalue.cyclic:
        raise DataError(
            "the network has no cycle, so its largest eigenvalue is 0, and it cannot be scaled by it; "
            f"{P.gain('none')} leaves the weights as they are"
        )
    if real <= 0:
        notes.append(f"the largest real part of the eigenvalues is {real:.6g}, so the weights are not rescaled")
        return None
    if signed and real <= _DOUBTFUL * eigenvalue.scale:
        raise DataError(
            f"the largest real part of the eigenvalues, {real:.1e}, cannot be told from 0; "
            f"{P.gain('none')} leaves the weights as they are"
        )
    return gain / real


def _rescaled(weights: csr_array[Any], factor: float | None) -> csr_array[Any]:
    from scipy.sparse import csr_array

    if factor is None:
        return weights
    return csr_array((weights.data * factor, weights.indices, weights.indptr), shape=weights.shape)
