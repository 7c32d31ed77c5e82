"""Sets of seeds, the network of each, and what it is driven to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine
from crantcli.core.network.eigenvalue import Eigenvalue, largest_eigenvalue
from crantcli.core.network.steady import LinearNetwork
from crantcli.core.network.wiring import Wiring
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.absent import some
from crantcli.errors import DataError, UsageError
from crantcli.ids import LiteralId, NamedNeurons, Selection, Selector, parse_id
from crantcli.schema import IdType, NeuronId
from crantcli.text import P, join_names, plural

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

#: What is added to the logarithm of an influence.
CONSTANT = 24

#: Of signed weights, what is this small beside their norm is 0; up to the second, it cannot be told from 0.
_ZERO, _DOUBTFUL = 1e-12, 1e-7


@dataclass(frozen=True)
class SeedSet:
    """Seeds that drive the network together.

    Attributes
    ----------
    name : str or None
        None where there is one set without a name.
    ids : tuple of int or str
    typed : tuple of LiteralId
        Those that were named one by one, and not by their labels or in a file.
    """

    name: str | None
    ids: tuple[NeuronId, ...]
    typed: tuple[LiteralId, ...]

    def says(self, note: str) -> str:
        """A note with the name of the set before it."""
        return note if self.name is None else f"{self.name}: {note}"


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


def named_sets(
    seeds: Mapping[str, Sequence[Selector]],
    selected: Mapping[str, Selection | None],
    annotations: Annotations | None,
) -> list[SeedSet]:
    """The sets of seeds: `NAME=ID` is one where the annotations have no column of this name.

    Raises
    ------
    UsageError
        Where some seeds have a name and others have none.
    """
    columns = None if annotations is None else annotations.columns
    found: list[SeedSet] = []
    unnamed: list[SeedSet] = []
    for name, chosen in seeds.items():
        criteria = [isinstance(one, NamedNeurons) and one.is_criterion(columns) for one in chosen]
        if any(criteria) and not all(criteria):
            raise UsageError(f"{P.seeds(name)}: the annotations have a column {name}; give the set another name")
        typed = [one for one in chosen if isinstance(one, LiteralId)]
        typed += [each for one in chosen if isinstance(one, NamedNeurons) and not any(criteria) for each in one.ids]
        own = selected[name]
        ids = () if own is None else own.ids
        if name and not all(criteria):
            found.append(SeedSet(name, ids, tuple(typed)))
        else:
            unnamed.append(SeedSet(None, ids, tuple(typed)))
    if unnamed and found:
        raise UsageError(
            f"{P.seeds}: some sets have names ({join_names([str(one.name) for one in found])}), and others have none; "
            f"give each as {P.seeds.metavar('NAME=SELECTOR')}"
        )
    if not unnamed:
        return found
    ids = tuple(dict.fromkeys(neuron for one in unnamed for neuron in one.ids))
    return [SeedSet(None, ids, tuple(each for one in unnamed for each in one.typed))]


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
        silenced, absent = _positions(engine, table, wiring, silence.ids)
        if absent:
            notes.append(
                f"{plural(len(absent), 'silenced neuron', 'have')} no edge that counts, such as {some(absent)}"
            )
    driven = [_seeded(engine, table, wiring, one, notes) for one in sets]
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


def _positions(
    engine: SqlEngine, table: Relation, wiring: Wiring, ids: Sequence[NeuronId]
) -> tuple[np.ndarray[Any, Any], list[NeuronId]]:
    """Where neurons stand in the network, ascending, and those that do not."""
    asked = engine.id_table("asked", ids, table.id_type)
    found = engine.arrays(f"SELECT n.position FROM {wiring.neurons} AS n JOIN {asked} AS a USING (id) ORDER BY 1")
    lost = engine.execute(
        f"SELECT id FROM {asked} WHERE id NOT IN (SELECT id FROM {wiring.neurons}) ORDER BY {asked}.position"
    )
    return found["position"].astype("int64"), [row[0] for row in lost]


def _seeded(
    engine: SqlEngine, table: Relation, wiring: Wiring, seeds: SeedSet, notes: list[str]
) -> np.ndarray[Any, Any]:
    """Where the seeds of a set stand.

    Raises
    ------
    DataError
        Where none has an edge, or one that was named by its ID is not in the table.
    """
    positions, absent = _positions(engine, table, wiring, seeds.ids)
    if absent:
        asked = engine.id_table("asked", absent, table.id_type)
        rows = f"SELECT pre AS id FROM {table.relation} UNION ALL SELECT post FROM {table.relation}"
        if table.silent is not None:
            rows += f" UNION ALL SELECT id FROM {table.silent}"
        there = {
            row[0] for row in engine.execute(f"SELECT DISTINCT id FROM ({rows}) WHERE id IN (SELECT id FROM {asked})")
        }
        unknown = [neuron for neuron in absent if neuron not in there]
        wrong = _typed(seeds.typed, table.id_type) & set(unknown)
        which = [neuron for neuron in unknown if neuron in wrong] if wrong else unknown
        if wrong or (unknown and not len(positions)):
            raise DataError(
                seeds.says(f"{P.seeds}: {len(which):,} of {len(seeds.ids):,} are not in the table: {some(which)}")
            )
        if not len(positions):
            raise DataError(
                seeds.says(
                    f"{P.seeds}: none of {plural(len(seeds.ids), 'neuron')} has an edge that counts: {some(absent)}"
                )
            )
        notes.append(
            seeds.says(
                f"{len(absent):,} of {len(seeds.ids):,} seeds have no edge that counts, such as {some(absent)}; "
                "they drive nothing and are not in the answer"
            )
        )
    if not len(positions):
        raise DataError(seeds.says(f"{P.seeds}: no neuron is named"))
    return positions


def _typed(typed: Sequence[LiteralId], id_type: IdType) -> set[NeuronId]:
    return {parse_id(one.value, id_type) for one in typed}


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
