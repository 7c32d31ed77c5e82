"""From edges to the matrix of a network: which neurons, which weights, which outputs are silenced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.questions.base import Inputs
from crantcli.core.relation import Relation
from crantcli.core.rows.denominators import denominators, uncovered
from crantcli.core.rows.edge_list import EdgeList
from crantcli.core.rows.filters import NeuronFilter
from crantcli.core.rows.pairs import edges
from crantcli.core.rows.weights import Signs, Weight
from crantcli.errors import DataError
from crantcli.schema import Kind
from crantcli.text import P

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
        ids, weights, ledger, notes = _matrix(engine, given, weight, totals, signs, sum_duplicates)
    neurons = engine.columns_table("network_neurons", {"id": ids, "position": np.arange(len(ids))})
    return Wiring(neurons, weights, ledger, notes)


def _matrix(
    engine: SqlEngine,
    given: Inputs,
    weight: EdgeWeight,
    totals: InputTotals,
    signs: Signs | None,
    sum_duplicates: bool,
) -> tuple[np.ndarray[Any, Any], csr_array[Any], Ledger, list[str]]:
    """IDs of the neurons, ascending, and their weights."""
    import numpy as np
    from scipy.sparse import coo_array

    table, rows = given.source, given.rows
    whole = weight == "norm" and totals == "whole"
    found = edges(engine, table, None, rows, sum_duplicates=sum_duplicates, weak=whole)
    work = EdgeList(engine, table, found, (), Weight(), NeuronFilter(), rows, given.annotations, None, sum_duplicates)
    counted = work.relation
    neurons = engine.table(
        "network_neurons",
        "SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM "
        f"(SELECT pre AS id FROM {counted} UNION SELECT post FROM {counted})",
    )
    _check_inputs(engine, table, neurons, whole, work.notes)
    number = int(engine.execute(f"SELECT count(*) FROM {neurons}")[0][0])
    if signs is not None:
        work.sign(signs)
    entries = engine.arrays(
        "SELECT CAST(q.position AS INTEGER) AS i, CAST(p.position AS INTEGER) AS j, CAST(e.weight AS DOUBLE) AS weight "
        f"FROM {work.relation} AS e JOIN {neurons} AS p ON e.pre = p.id JOIN {neurons} AS q ON e.post = q.id"
    )
    matrix = coo_array((entries["weight"], (entries["i"], entries["j"])), shape=(number, number)).tocsr()
    del entries
    matrix.sort_indices()
    if weight == "norm" and number:
        sums = f"SELECT post AS id, CAST(sum(abs(weight)) AS DOUBLE) AS whole FROM {counted} GROUP BY post"
        if totals == "whole":
            kept = f"(SELECT pre, post, weight FROM {counted})"
            made = denominators(engine, table, "input", neurons, found.pairs, kept, None, work.notes)
            sums = f"SELECT id, CAST(whole AS DOUBLE) AS whole FROM {made}"
        inputs = engine.arrays(
            f"SELECT coalesce(s.whole, 1.0) AS whole FROM {neurons} AS n LEFT JOIN ({sums}) AS s ON n.id = s.id "
            "ORDER BY n.position"
        )["whole"]
        matrix.data /= np.repeat(inputs, np.diff(matrix.indptr))
    found.ledger.check()
    ids = engine.arrays(f"SELECT id FROM {neurons} ORDER BY position")["id"]
    return ids, matrix, found.ledger, work.notes


def _refuse_lost_signs(table: Relation, threshold: int | None) -> None:
    if table.signed and threshold is not None:
        raise DataError(
            f"{P.threshold(threshold)} would remove every negative weight; give weights without a sign, and say who "
            f"inhibits with {P.sign.metavar('COLUMN')} {P.inhibitory.metavar('LABEL,...')}"
        )


def _check_inputs(engine: SqlEngine, table: Relation, neurons: str, whole: bool, notes: list[str]) -> None:
    """Refuse a table that is known to lack inputs: what is not there conducts nothing."""
    known, advice = table.completeness, "give the table that it was made of"
    if known.filtered_by:
        # A threshold that the table has passed makes the same network as one that is given here.
        limit = table.filters.get("threshold", 1)
        if whole or known.filtered_by != f"a threshold of {limit}":
            raise DataError(f"influence cannot be told: the input was thinned by {known.filtered_by}; {advice}")
        notes.append(f"the network is that of pairs with {limit} synapses or more: the table has no others")
    lacking = uncovered(engine, neurons, known.inputs)
    if lacking:
        raise DataError(f"influence cannot be told: the input does not hold every input of {lacking}; {advice}")
    if not known.known:
        what = "synapses" if table.kind is Kind.SYNAPSES else "edges"
        notes.append(f"the table is taken to hold all {what} of the network; its origin is not recorded")
