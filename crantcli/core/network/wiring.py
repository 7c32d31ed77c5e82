"""From edges to the matrix of a network: which neurons, which weights, which outputs are silenced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.questions.base import Inputs
from crantcli.core.relation import Relation
from crantcli.core.rows.denominators import check_whole, uncovered
from crantcli.core.rows.edge_list import EdgeList
from crantcli.core.rows.filters import NeuronFilter
from crantcli.core.rows.pairs import edges
from crantcli.core.rows.weights import Signs, Weight
from crantcli.errors import DataError
from crantcli.schema import Kind
from crantcli.text import P, plural

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

#: What an edge weighs: its synapses, or these as a part of all input of the post neuron.
EdgeWeight = Literal["count", "norm"]

#: Which input that is: of the whole table, or of the pairs that reach the threshold.
InputTotals = Literal["whole", "after-threshold"]


@dataclass(frozen=True)
class Wiring:
    """A network as a matrix.

    Attributes
    ----------
    neurons : str
        A table `id, position` of the neurons that have an edge.
    weights : csr_array of float64, shape (neurons, neurons)
        Post neurons are rows; entries ascend in each.
    ledger : Ledger
    notes : list of str
    """

    neurons: str
    weights: csr_array[Any]
    ledger: Ledger
    notes: list[str]

    @property
    def signed(self) -> bool:
        """Whether a weight is negative."""
        return bool((self.weights.data < 0).any())

    def silenced(self, outputs: np.ndarray[Any, Any]) -> csr_array[Any]:
        """The weights without the outputs of some neurons, which are given by their positions."""
        import numpy as np
        from scipy.sparse import csr_array

        if not len(outputs):
            return self.weights
        heard = np.ones(self.weights.shape[0])
        heard[outputs] = 0.0
        found = self.weights
        left = csr_array((found.data * heard[found.indices], found.indices, found.indptr), shape=found.shape, copy=True)
        left.eliminate_zeros()
        return left


@dataclass(frozen=True)
class InputFractions:
    """A network whose weights are parts of all input of the post neuron.

    Attributes
    ----------
    neurons : str
        A table `id, position` of the neurons of the table, in ascending order of their IDs.
    counts : csr_array of float64, shape (neurons, neurons)
        Weights before they were divided, of the edges that are kept. Post neurons are rows; entries ascend in each.
    inputs : ndarray of float64, shape (neurons,)
        What they are divided by; 1 for neurons without input.
    ledger : Ledger
    notes : list of str
    """

    neurons: str
    counts: csr_array[Any]
    inputs: np.ndarray[Any, Any]
    ledger: Ledger
    notes: list[str]

    def fractions(self) -> csr_array[Any]:
        """The weights as parts of all input; with absolute values, a row adds up to 1 at most."""
        import numpy as np
        from scipy.sparse import csr_array

        counts = self.counts
        data = counts.data / np.repeat(self.inputs, np.diff(counts.indptr))
        return csr_array((data, counts.indices, counts.indptr), shape=counts.shape)


def wired(
    engine: SqlEngine,
    given: Inputs,
    weight: EdgeWeight,
    totals: InputTotals,
    signs: Signs | None,
    sum_duplicates: bool,
) -> Wiring:
    """Make the matrix of a network.

    Raises
    ------
    DataError
        Where the table is known to lack inputs of its neurons, or has signs already.
    """
    import numpy as np

    _refuse_lost_signs(given.source, given.rows.threshold)
    # What the matrix was made of need not stay beside it.
    with engine.temporary_tables():
        made = _Matrix(engine, given, totals if weight == "norm" else None, signs, sum_duplicates, "influence")
    matrix = made.entries
    if made.inputs is not None:
        matrix.data /= np.repeat(made.inputs, np.diff(matrix.indptr))
    return Wiring(_named(engine, made.ids), matrix, made.ledger, made.notes)


def input_fractions(
    engine: SqlEngine,
    given: Inputs,
    totals: InputTotals,
    least: float | None,
    signs: Signs | None,
    sum_duplicates: bool,
) -> InputFractions:
    """Make the matrix of a network in which all of a neuron's inputs add up to 1.

    Parameters
    ----------
    least : float or None
        Edges that are a smaller part are dropped, once, and what is left stays as it is.

    Raises
    ------
    DataError
        Where the table is known to lack inputs of its neurons, or has signs already.
    """
    _refuse_lost_signs(given.source, given.rows.threshold)
    with engine.temporary_tables():
        made = _Matrix(engine, given, totals, signs, sum_duplicates, "paths", whole_table=True)
    assert made.inputs is not None
    found = InputFractions(_named(engine, made.ids), made.entries, made.inputs, made.ledger, made.notes)
    return found if least is None else _without_weak(found, least)


def _without_weak(network: InputFractions, least: float) -> InputFractions:
    """The network without edges that are less than this part of the post neuron's input; the ledger counts them."""
    import numpy as np
    from scipy.sparse import csr_array

    counts = network.counts
    # The quotient, as it is told, is compared: 7 of 100 are 0.07, while 0.07 times 100 is more than 7 to a computer.
    weak = np.abs(network.fractions().data) < least
    ledger = network.ledger
    edges = int(weak.sum())
    dropped = int(np.abs(counts.data[weak]).sum()) if ledger.unit == "synapses" else edges
    ledger.remove("threshold", dropped)
    ledger.kept -= dropped
    ledger.check()
    notes = [*network.notes, f"{plural(edges, 'edge')} dropped by {P.min_fraction(least)}"]
    indptr = np.concatenate([[0], np.cumsum(~weak)])[counts.indptr]
    kept = csr_array((counts.data[~weak], counts.indices[~weak], indptr), shape=counts.shape)
    return InputFractions(network.neurons, kept, network.inputs, ledger, notes)


def _named(engine: SqlEngine, ids: np.ndarray[Any, Any]) -> str:
    """A table `id, position`."""
    import numpy as np

    return engine.columns_table("network_neurons", {"id": ids, "position": np.arange(len(ids))})


class _Matrix:
    """Edges as a matrix.

    Parameters
    ----------
    totals : InputTotals or None
        Which input of each neuron is told beside it; None for none.
    subject : str
        What cannot be told where inputs are lacking.
    whole_table : bool
        Neurons of the table have a place even if none of their edges reaches the threshold.

    Attributes
    ----------
    ids : ndarray, shape (neurons,)
        Of the neurons, ascending.
    entries : csr_array of float64, shape (neurons, neurons)
        Weights; post neurons are rows, entries ascend in each.
    inputs : ndarray of float64, shape (neurons,), or None
        1 for neurons without input.
    """

    def __init__(
        self,
        engine: SqlEngine,
        given: Inputs,
        totals: InputTotals | None,
        signs: Signs | None,
        sum_duplicates: bool,
        subject: str,
        whole_table: bool = False,
    ) -> None:
        table, rows = given.source, given.rows
        whole = totals == "whole"
        found = edges(engine, table, None, rows, sum_duplicates=sum_duplicates, weak=whole or whole_table)
        work = EdgeList(
            engine, table, found, (), Weight(), NeuronFilter(), rows, given.annotations, None, sum_duplicates
        )
        counted = work.relation
        among = f"{found.pairs} WHERE NOT dropped AND n <> 0" if whole_table else counted
        neurons = engine.table(
            "network_neurons",
            "SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM "
            f"(SELECT pre AS id FROM {among} UNION SELECT post FROM {among})",
        )
        _check_inputs(engine, table, neurons, whole, subject, work.notes)
        if signs is not None:
            work.sign(signs)
        self.ids = engine.arrays(f"SELECT id FROM {neurons} ORDER BY position")["id"]
        self.entries = _entries(engine, work.relation, neurons, len(self.ids))
        self.inputs: np.ndarray[Any, Any] | None = None
        if whole:
            check_whole(engine, table, "input", neurons, work.notes)
        # Sums of integers are the same in any order; of others they are those that are told elsewhere.
        every = table.whole_weights and (signs is None or signs.unsigned != "drop")
        if totals is not None and every and (not whole or (rows.threshold or 1) == 1):
            self.inputs = _row_sums(self.entries)
        elif totals is not None:
            summed = f"{found.pairs} WHERE NOT dropped" if whole else counted
            self.inputs = _inputs(engine, summed, neurons, table.whole_weights)
        found.ledger.check()
        self.ledger, self.notes = found.ledger, work.notes


def _row_sums(entries: csr_array[Any]) -> np.ndarray[Any, Any]:
    """What the absolute weights of each row add up to; 1 for an empty row."""
    import numpy as np

    found = np.ones(entries.shape[0])
    rows = np.flatnonzero(np.diff(entries.indptr))
    if len(rows):
        found[rows] = np.add.reduceat(np.abs(entries.data), entries.indptr[rows])
    return found


def _inputs(engine: SqlEngine, found: str, neurons: str, whole_weights: bool) -> np.ndarray[Any, Any]:
    """What the absolute numbers `n` of pairs add up to for each post neuron; 1 where there is none."""
    total = sql.total("abs(n)", "pre", whole_weights)
    return engine.arrays(
        "SELECT coalesce(CAST(s.whole AS DOUBLE), 1.0) AS whole "
        f"FROM {neurons} AS n LEFT JOIN (SELECT post AS id, {total} AS whole FROM {found} GROUP BY post) AS s "
        "ON n.id = s.id ORDER BY n.position"
    )["whole"]


def _entries(engine: SqlEngine, found: str, neurons: str, number: int) -> csr_array[Any]:
    """Edges `pre, post, weight` as a matrix."""
    from scipy.sparse import coo_array

    entries = engine.arrays(
        "SELECT CAST(q.position AS INTEGER) AS i, CAST(p.position AS INTEGER) AS j, CAST(e.weight AS DOUBLE) AS weight "
        f"FROM {found} AS e JOIN {neurons} AS p ON e.pre = p.id JOIN {neurons} AS q ON e.post = q.id"
    )
    matrix = coo_array((entries["weight"], (entries["i"], entries["j"])), shape=(number, number)).tocsr()
    matrix.sort_indices()
    return matrix


def _refuse_lost_signs(table: Relation, threshold: int | None) -> None:
    if table.signed and threshold is not None:
        raise DataError(
            f"{P.threshold(threshold)} would remove every negative weight; give weights without a sign, and say who "
            f"inhibits with {P.sign.metavar('COLUMN')} {P.inhibitory.metavar('LABEL,...')}"
        )


def _check_inputs(
    engine: SqlEngine, table: Relation, neurons: str, whole: bool, subject: str, notes: list[str]
) -> None:
    """Refuse a table that is known to lack inputs: what is not there conducts nothing."""
    known, advice = table.completeness, "give the table that it was made of"
    if known.filtered_by:
        # A threshold that the table has passed makes the same network as one that is given here.
        limit = table.filters.get("threshold", 1)
        if whole or known.filtered_by != f"a threshold of {limit}":
            raise DataError(f"{subject} cannot be told: the input was thinned by {known.filtered_by}; {advice}")
        notes.append(f"the network is that of pairs with {limit} synapses or more: the table has no others")
    lacking = uncovered(engine, neurons, known, "input")
    if lacking:
        raise DataError(f"{subject} cannot be told: the input does not hold every input of {lacking}; {advice}")
    if not known.known:
        what = "synapses" if table.kind is Kind.SYNAPSES else "edges"
        notes.append(f"the table is taken to hold all {what} of the network; its origin is not recorded")
