"""From edges to connectivity vectors: the synapses of each neuron, or type, with each of its partners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.questions.base import Inputs
from crantcli.core.relation import Relation
from crantcli.core.rows.absent import some
from crantcli.core.rows.denominators import uncovered
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.labels import label_columns, labelled_neurons
from crantcli.core.rows.pairs import Edges, edges
from crantcli.core.rows.weighed import weighed_edges, weights_of_pairs
from crantcli.core.rows.weights import Weighing
from crantcli.errors import DataError
from crantcli.schema import Kind
from crantcli.text import P, join_names, plural

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

    Array = np.ndarray[Any, Any]

#: What of a neuron is compared: synapses from its partners, onto them, both as one vector, or both by their weight.
Compared = Literal["input", "output", "joined", "weighted"]

#: Up to here whole numbers, and so sums of them, are exact as float64.
_EXACT = 2**53

#: What stands between labels where a row is named by several.
_BETWEEN = ":"


@dataclass(frozen=True)
class RowChoice:
    """What the rows are, and what their partners.

    Attributes
    ----------
    of : {"input", "output", "joined", "weighted"}
    asked : str or None
        A table `id` of the neurons whose vectors are made; None for all.
    by : tuple of str
        Columns of the annotations by which partners are grouped.
    rows_by : tuple of str
        Columns by which neurons are: each row is what their vectors add up to.
    matched : str or None
        A table `a, b` of neurons that are one partner.
    """

    of: Compared
    asked: str | None = None
    by: tuple[str, ...] = ()
    rows_by: tuple[str, ...] = ()
    matched: str | None = None

    @property
    def sides(self) -> tuple[str, ...]:
        """The directions that are needed."""
        return (self.of,) if self.of in ("input", "output") else ("input", "output")


@dataclass
class ConnectivityVectors:
    """Vectors of those rows that have partners.

    Attributes
    ----------
    labels : ndarray of int64 or text, shape (rows,)
        Neuron IDs, or labels of groups, ascending.
    sides : dict of "input" and "output" to csr_array of float64, shape (rows, partners)
        Those that were asked for. Partners ascend in each row; there are no zeros.
    without : list
        Labels of rows without partners, which are not among the others.
    ledger : Ledger
    notes : list of str
    """

    labels: Array
    sides: dict[str, csr_array[Any]]
    without: list[Any]
    ledger: Ledger
    notes: list[str] = field(default_factory=list)

    def subset(self, rows: Array) -> dict[str, csr_array[Any]]:
        """The vectors of some rows, by their places."""
        return {side: matrix[rows] for side, matrix in self.sides.items()}


def connectivity_vectors(
    engine: SqlEngine, given: Inputs, choice: RowChoice, weighing: Weighing, sum_duplicates: bool
) -> ConnectivityVectors:
    """Make the connectivity vectors of neurons.

    Raises
    ------
    DataError
        Where the table is known to lack inputs or outputs that are needed.
    """
    table, rows = given.source, given.rows
    if table.signed and rows.threshold is not None:
        raise DataError(f"{P.threshold(rows.threshold)} would remove every negative weight; leave it out")
    found, notes = _edges(engine, given, choice, weighing, sum_duplicates)
    neurons = _neurons(engine, table, found, choice, rows)
    maker = _VectorMaker(engine, given, choice, weighing, replace(found, notes=(*found.notes, *notes)), neurons)
    with engine.temporary_tables():
        return maker.make()


def _edges(
    engine: SqlEngine, given: Inputs, choice: RowChoice, weighing: Weighing, sum_duplicates: bool
) -> tuple[Edges, list[str]]:
    """The edges of the neurons that were asked for, with `n` beside other weights, and what to say of them."""
    table, rows, condition = given.source, given.rows, _condition(choice)
    if weighing.plain:
        return edges(engine, table, condition, rows, sum_duplicates=sum_duplicates, weak=False), []
    found = weighed_edges(
        engine, table, rows, weighing, given.annotations, totals=given.totals, sum_duplicates=sum_duplicates,
        outside="FALSE" if condition is None else f"(NOT {condition})", weak=False,
    )  # fmt: skip
    relation, notes = weights_of_pairs(engine, found, weighing)
    return replace(found, relation=relation), notes


def _condition(choice: RowChoice) -> str | None:
    """Which edges are looked at."""
    if choice.asked is None:
        return None
    ends = {"input": "post", "output": "pre"}
    return sql.any_of([f"{ends[side]} IN (SELECT id FROM {choice.asked})" for side in choice.sides])


def _neurons(engine: SqlEngine, table: Relation, found: Edges, choice: RowChoice, rows: RowFilter) -> str:
    """A table `id, position` of all neurons that are on an edge, or were asked for."""
    parts = [f"SELECT {end} AS id FROM {found.relation}" for end in ("pre", "post")]
    if choice.asked is not None:
        parts.append(f"SELECT id FROM {choice.asked}")
    elif table.silent is not None:
        parts.append(f"SELECT id FROM {table.silent}")
    background = f"WHERE NOT {rows.is_background('id', table.id_type)}" if rows.clean else ""
    return engine.table(
        "vector_neurons",
        f"SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM ({' UNION '.join(parts)}) {background}",
    )


class _VectorMaker:
    """Numbers rows and partners, and adds edges up."""

    def __init__(
        self, engine: SqlEngine, given: Inputs, choice: RowChoice, weighing: Weighing, found: Edges, neurons: str
    ) -> None:
        self._engine, self._given, self._choice, self._weighing = engine, given, choice, weighing
        self._found, self._neurons = found, neurons
        self._number = int(engine.execute(f"SELECT count(*) FROM {neurons}")[0][0])
        self.notes = list(found.notes)

    def make(self) -> ConnectivityVectors:
        """Make the vectors."""
        import numpy as np

        row_of, labels = self._rows()
        partner_of = self._partners()
        pre, post, weight, amount = self._entries()
        shape = (len(labels), int(partner_of.max(initial=-1)) + 1)
        made, used = {}, np.zeros(len(weight), dtype=bool)
        unlabelled = 0
        for side in self._choice.sides:
            own, partner = (post, pre) if side == "input" else (pre, post)
            asked = row_of[own] >= 0
            counted = asked & (partner_of[partner] >= 0)
            unlabelled += int(np.count_nonzero(asked & ~counted))
            used |= counted
            made[side] = _matrix(weight[counted], row_of[own[counted]], partner_of[partner[counted]], shape)
        self._count(amount, used, unlabelled)
        there = np.zeros(len(labels), dtype=bool)
        for matrix in made.values():
            there |= np.diff(matrix.indptr) > 0
        if not there.all():
            made = {side: matrix[np.flatnonzero(there)] for side, matrix in made.items()}
        without = labels[~there].tolist()
        self._say_without(without, len(labels))
        return ConnectivityVectors(labels[there], made, without, self._found.ledger, self.notes)

    def _rows(self) -> tuple[Array, Array]:
        """The row of each neuron, -1 where it is in none, and the labels of the rows."""
        import numpy as np

        engine, choice, asked = self._engine, self._choice, self._choice.asked
        chosen = f"{self._neurons} AS n" if asked is None else f"{self._neurons} AS n JOIN {asked} AS a ON n.id = a.id"
        members = engine.table("row_neurons", f"SELECT DISTINCT n.id, n.position FROM {chosen}")
        row_of = np.full(self._number, -1, dtype=np.int32)
        if not choice.rows_by:
            found = engine.arrays(f"SELECT id, position FROM {members} ORDER BY position")
            row_of[found["position"]] = np.arange(len(found["id"]))
            self._check_complete(members)
            return row_of, found["id"]
        coded, labels = self._groups(choice.rows_by, P.rows_by)
        found = engine.arrays(
            f"SELECT m.position, g.code FROM {members} AS m JOIN {coded} AS g ON m.id = g.id ORDER BY m.position"
        )
        self._check_complete(engine.view("row_ids", f"SELECT id FROM {members} WHERE id IN (SELECT id FROM {coded})"))
        lost = int(engine.execute(f"SELECT count(*) FROM {members}")[0][0]) - len(found["position"])
        if lost:
            self.notes.append(f"{plural(lost, 'neuron')} without a label are in no row")
        present, code = np.unique(found["code"], return_inverse=True)
        row_of[found["position"]] = code
        return row_of, labels[present]

    def _partners(self) -> Array:
        """The number of each neuron as a partner, -1 where it is none."""
        import numpy as np

        engine, choice = self._engine, self._choice
        if choice.by:
            coded, _ = self._groups(choice.by, P.by)
            found = engine.arrays(
                f"SELECT n.position, g.code FROM {self._neurons} AS n JOIN {coded} AS g ON n.id = g.id"
            )
            partner_of = np.full(self._number, -1, dtype=np.int32)
            partner_of[found["position"]] = found["code"]
            return partner_of
        partner_of = np.arange(self._number, dtype=np.int32)
        if choice.matched is not None:
            found = engine.arrays(
                f"SELECT p.position AS a, q.position AS b FROM {choice.matched} AS m "
                f"JOIN {self._neurons} AS p ON m.a = p.id JOIN {self._neurons} AS q ON m.b = q.id"
            )
            partner_of[found["b"]] = found["a"]
        return partner_of

    def _groups(self, by: Sequence[str], parameter: str) -> tuple[str, Array]:
        """A table `id, code` of neurons that have all labels, and the labels of each code."""
        import numpy as np

        engine, annotations = self._engine, self._given.annotations
        columns = label_columns(annotations, by)
        assert annotations is not None
        known = labelled_neurons(engine, self._given.source.id_type, annotations, columns)
        listed = ", ".join(f"label_{number}" for number in range(len(columns)))
        coded = engine.table(
            "vector_groups", f"SELECT id, {listed}, dense_rank() OVER (ORDER BY {listed}) - 1 AS code FROM {known}"
        )
        rows = engine.execute(f"SELECT DISTINCT code, {listed} FROM {coded} ORDER BY code")
        names = [_BETWEEN.join(map(str, row[1:])) for row in rows]
        same = [name for name, other in zip(sorted(names), sorted(names)[1:], strict=False) if name == other]
        if same:
            raise DataError(f"{parameter}: two groups would be called {same[0]!r}; name one column, or other ones")
        return coded, np.array(names, dtype=str)

    def _entries(self) -> tuple[Array, Array, Array, Array]:
        """Both ends of each edge by their positions, its weight, and its synapses.

        Floats are added up in the order of the neurons, so that sums do not depend on that of the rows.
        """
        import numpy as np

        number = "" if self._weighing.plain else ", CAST(e.n AS DOUBLE) AS n"
        found = self._engine.arrays(
            "SELECT CAST(p.position AS INTEGER) AS i, CAST(q.position AS INTEGER) AS j, "
            f"CAST(e.weight AS DOUBLE) AS weight{number} FROM {self._found.relation} AS e "
            f"JOIN {self._neurons} AS p ON e.pre = p.id JOIN {self._neurons} AS q ON e.post = q.id"
        )
        pre, post, weight = found["i"].astype(np.int32), found["j"].astype(np.int32), found["weight"]
        amount = found.get("n", weight)
        del found
        if not self._weighing.whole(self._given.source) or np.abs(weight).sum() >= _EXACT:
            order = np.lexsort((post, pre))
            pre, post, weight, amount = pre[order], post[order], weight[order], amount[order]
        return pre, post, weight, amount

    def _count(self, amount: Array, used: Array, unlabelled: int) -> None:
        """Complete the ledger."""
        ledger, table = self._found.ledger, self._given.source
        lost = int(amount[~used].sum()) if table.kind is Kind.SYNAPSES else int((~used).sum())
        ledger.remove("unannotated", lost)
        ledger.kept -= lost
        ledger.check()
        if unlabelled:
            self.notes.append(f"{plural(unlabelled, 'connection', 'have')} a partner without a label, and are left out")

    def _say_without(self, without: list[Any], number: int) -> None:
        if not without:
            return
        things = "row" if self._choice.rows_by else "neuron"
        what = {"input": "inputs", "output": "outputs"}.get(self._choice.of, "partners")
        which = some(without) if len(without) > 3 else join_names([str(one) for one in without])
        such = ", such as" if len(without) > 3 else ":"
        self.notes.append(
            f"{len(without):,} of {plural(number, things, 'have')} no {what} that count, and are left out{such} {which}"
        )

    def _check_complete(self, ids: str) -> None:
        """Refuse a table that is known to lack what these neurons are compared by."""
        table = self._given.source
        known, advice = table.completeness, "give the table that it was made of"
        if known.filtered_by:
            limit = table.filters.get("threshold", 1)
            # A threshold that the table has passed makes the same vectors as one that is given here.
            if known.filtered_by != f"a threshold of {limit}":
                raise DataError(f"similarity cannot be told: the input was thinned by {known.filtered_by}; {advice}")
            self.notes.append(f"pairs have {limit} synapses or more: the table has no others")
        for side in self._choice.sides:
            lacking = uncovered(self._engine, ids, known, "input" if side == "input" else "output")
            if lacking:
                raise DataError(
                    f"similarity cannot be told: the input does not hold every {side} of {lacking}; {advice}, or name "
                    f"neurons that it was made for with {P.neurons}"
                )
        if not known.known:
            what = "synapses" if table.kind is Kind.SYNAPSES else "edges"
            self.notes.append(f"the table is taken to hold all {what} of these neurons; its origin is not recorded")


def _matrix(weight: Array, rows: Array, partners: Array, shape: tuple[int, int]) -> csr_array[Any]:
    """Entries added up, without zeros."""
    from scipy.sparse import coo_array

    matrix = coo_array((weight, (rows, partners)), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix
