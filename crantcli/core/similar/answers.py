"""What is told of how alike neurons are: a matrix or the most similar ones, trees, and matches of two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from crantcli.core.engine import SqlEngine
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.question import Matrix, Table
from crantcli.core.questions.base import Inputs
from crantcli.core.rows.partners import matched_neurons, unmatched_notes
from crantcli.core.rows.weights import Weighing
from crantcli.core.similar.cosine import Cosines, check_cells
from crantcli.core.similar.matching import PartnerRanks, partner_ranks
from crantcli.core.similar.trees import ClusterTree, Linkage, cluster_tree
from crantcli.core.similar.vectors import Compared, ConnectivityVectors, RowChoice, connectivity_vectors
from crantcli.errors import DataError
from crantcli.ids import Selection
from crantcli.schema import NeuronId
from crantcli.text import P, plural

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SimilarityPicture:
    """What a picture of similarities shows.

    Attributes
    ----------
    cosines : LabelledMatrix
    tree : ClusterTree
    clusters : ndarray of int64 or None
        Of each row, where the tree is cut.
    what : str
        What rows are: "neurons" or "types".
    title : str
    """

    cosines: LabelledMatrix
    tree: ClusterTree
    clusters: Array | None
    what: str
    title: str


@dataclass(frozen=True)
class Likeness:
    """How alike some neurons, or types, are among themselves.

    Attributes
    ----------
    vectors : ConnectivityVectors
    of : {"input", "output", "joined", "weighted"}
    grouped : bool
        Rows are whole groups of neurons.
    top : int or None
    method, cut
        Of trees.
    """

    engine: SqlEngine
    vectors: ConnectivityVectors
    cosines: Cosines
    of: Compared
    grouped: bool
    top: int | None
    method: Linkage
    cut: int | float | None
    totals: dict[str, float]

    @property
    def main(self) -> Matrix | Table:
        """The matrix, or the table of the most similar ones."""
        return (
            Matrix(lambda: self._matrix, "cosine similarity", self.what) if self._strongest is None else self._strongest
        )

    @property
    def what(self) -> Literal["neurons", "types"]:
        """What rows are."""
        return "types" if self.grouped else "neurons"

    @property
    def rows(self) -> int:
        """Of the main output."""
        return len(self.vectors.labels) if self._strongest is None else self._strongest.rows

    @property
    def sentence(self) -> str:
        """What the summary counts."""
        return self.what if self._strongest is None else f"rows for {len(self.vectors.labels):,} {self.what}"

    @property
    def figures(self) -> dict[str, Any]:
        """For the summary and the provenance."""
        return {
            self.what: len(self.vectors.labels),
            "without_partners": [str(label) for label in self.vectors.without],
            **{f"{side}_weight": total for side, total in self.totals.items()},
        }

    @cached_property
    def _matrix(self) -> LabelledMatrix:
        return self.cosines.matrix(self.vectors.labels, self.engine.threads)

    @cached_property
    def _strongest(self) -> Table | None:
        if self.top is None:
            return None
        found = self.cosines.strongest(self.top, True, self.engine.threads)
        labels = self.vectors.labels
        columns = {
            "row": found["row"], "place": found["rank"], "one": labels[found["row"]], "other": labels[found["column"]],
            "cosine": found["cosine"],
        }  # fmt: skip
        made = self.engine.columns_table("strongest", columns)
        names = (self._key, "rank", "similar_type" if self.grouped else "similar_id", "cosine")
        query = f"SELECT one AS {names[0]}, place AS rank, other AS {names[2]}, cosine FROM {made} ORDER BY row, place"
        return Table(query, names, len(found["row"]))

    @cached_property
    def _tree(self) -> ClusterTree:
        check_cells(self.cosines.shape)
        return cluster_tree(self._matrix, self.method)

    @property
    def _key(self) -> str:
        return "type" if self.grouped else "neuron_id"

    def tables(self, wanted: frozenset[str]) -> dict[str, Table]:
        """Of the tree: those that are wanted."""
        import numpy as np

        made: dict[str, Table] = {}
        if not wanted & {"clusters", "order", "tree"}:
            return made
        tree, labels = self._tree, self.vectors.labels
        place = np.arange(len(labels))
        if "order" in wanted:
            listed = self.engine.columns_table("leaves", {"place": place, "label": labels[tree.leaves]})
            query = f"SELECT label AS {self._key} FROM {listed} ORDER BY place"
            made["order"] = Table(query, (self._key,), len(labels), {"kind": "order"})
        if "clusters" in wanted:
            assert self.cut is not None
            clusters = tree.clusters(self.cut)[tree.leaves]
            columns = {"place": place, "label": labels[tree.leaves], "cluster": clusters}
            listed = self.engine.columns_table("clusters", columns)
            query = f"SELECT label AS {self._key}, cluster, place AS position FROM {listed} ORDER BY place"
            made["clusters"] = Table(query, (self._key, "cluster", "position"), len(labels), {"kind": "clusters"})
        if "tree" in wanted:
            names = ("step", "left", "right", "height", "size")
            merges = (np.arange(len(tree.height)), tree.left, tree.right, tree.height, tree.size)
            renamed = {f"{name}_": values for name, values in zip(names, merges, strict=True)}
            listed = self.engine.columns_table("merges", renamed)
            query = ", ".join(f'{name}_ AS "{name}"' for name in names)
            query = f"SELECT {query} FROM {listed} ORDER BY step_"
            made["tree"] = Table(query, names, len(tree.height), {"kind": "tree"})
        return made

    def picture(self) -> SimilarityPicture:
        """What is drawn."""
        clusters = None if self.cut is None else self._tree.clusters(self.cut)
        words = {"input": "inputs", "output": "outputs", "joined": "inputs and outputs",
                 "weighted": "inputs and outputs, weighted"}  # fmt: skip
        title = f"Similarity of {words[self.of]}"
        return SimilarityPicture(self._matrix, self._tree, clusters, self.what, title)


def likeness(
    engine: SqlEngine,
    given: Inputs,
    of: Compared,
    by: tuple[str, ...],
    rows_by: tuple[str, ...],
    top: int | None,
    method: Linkage,
    cut: int | float | None,
    weighing: Weighing,
    sum_duplicates: bool,
) -> Likeness:
    """Compare neurons, or groups of them, among themselves."""
    chosen = given.neurons["neurons"]
    asked = None if chosen is None else engine.id_table("asked", chosen.ids, given.source.id_type)
    vectors = connectivity_vectors(engine, given, RowChoice(of, asked, by, rows_by), weighing, sum_duplicates)
    totals = _totals(of, vectors)
    cosines = Cosines(of, vectors.sides, None, totals)
    if top is None:
        check_cells(cosines.shape)
    return Likeness(engine, vectors, cosines, of, bool(rows_by), top, method, cut, totals)


@dataclass(frozen=True)
class MatchedLikeness:
    """The most similar neurons of one side for each of the other.

    Attributes
    ----------
    vectors : ConnectivityVectors
        Of both sides.
    main : Table
    figures : dict
    """

    vectors: ConnectivityVectors
    main: Table
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Of the main output."""
        return self.main.rows

    @property
    def sentence(self) -> str:
        """What the summary counts."""
        found = self.figures
        told = f"rows for {plural(found['neurons'], 'neuron')}, among {found['candidates']:,} candidates"
        if found.get("share") is None:
            return told
        return (
            f"{told}; the partner is the best match of {found['best_or_tied']:,} ({100 * found['share']:.2f} %), among "
            f"the first five of {found['among_first_5']:,}"
        )

    def tables(self, wanted: frozenset[str]) -> dict[str, Table]:
        """None but the main one."""
        return {}


def matched_likeness(
    engine: SqlEngine,
    given: Inputs,
    of: Compared,
    by: tuple[str, ...],
    names: Sequence[str],
    pair: str | None,
    top: int,
    weighing: Weighing,
    sum_duplicates: bool,
) -> MatchedLikeness:
    """Match the neurons of two sides.

    Candidates are all neurons of the second side that have partners. With `pair`, only neurons of the first side are
    told whose partner is a candidate; and in the vectors, unless `by` groups partners, those that are matched are one.

    Raises
    ------
    DataError
        Where a neuron is on both sides, or the column does not match neurons one to one.
    """
    import numpy as np

    table = given.source
    whole = [engine.id_table("side", _ids(given.neurons[name]), table.id_type) for name in "ab"]
    both = engine.execute(f"SELECT id FROM {whole[0]} WHERE id IN (SELECT id FROM {whole[1]}) ORDER BY id")
    if both:
        raise DataError(
            f"{plural(len(both), 'neuron', 'are')} on both sides, {names[0]} and {names[1]}, such as {both[0][0]}; "
            "a neuron can be on one"
        )
    sides, chosen = whole, given.neurons["neurons"]
    if chosen is not None:
        listed = engine.id_table("chosen", chosen.ids, table.id_type)
        sides = [
            engine.view("chosen_side", f"SELECT id FROM {side} WHERE id IN (SELECT id FROM {listed})") for side in whole
        ]
    matched, notes = None, list[str]()
    if pair is not None:
        # As partners in vectors, neurons that were not named are matched, too.
        among = sides if by else whole
        matched = matched_neurons(engine, given.annotations, pair, table.id_type, among, names)
        notes += unmatched_notes(engine, matched, pair, sides[:1], names[:1])
        paired = f"SELECT id FROM {sides[0]} WHERE id IN (SELECT a FROM {matched})"
        sides = [engine.view("matched_side", paired), sides[1]]
    elif not by:
        notes.append(
            f"partners are single neurons, of which {names[0]} and {names[1]} may share few; "
            f"{P.pair.metavar('COLUMN')} says which belong together, and {P.by.metavar('COLUMN')} groups them"
        )
    asked = engine.view("both_sides", f"SELECT id FROM {sides[0]} UNION ALL SELECT id FROM {sides[1]}")
    choice = RowChoice(of, asked, by, matched=None if by else matched)
    vectors = connectivity_vectors(engine, given, choice, weighing, sum_duplicates)
    there = engine.columns_table("with_partners", {"id": vectors.labels, "place": np.arange(len(vectors.labels))})
    places = [
        engine.arrays(f"SELECT t.place FROM {there} AS t JOIN {side} AS s ON t.id = s.id ORDER BY t.place")["place"]
        for side in sides
    ]
    partner = None
    if matched is not None:
        found = engine.arrays(
            f"SELECT p.place AS a, q.place AS b FROM {matched} AS m JOIN {there} AS p ON m.a = p.id "
            f"JOIN {there} AS q ON m.b = q.id WHERE m.a IN (SELECT id FROM {sides[0]}) "
            f"AND m.b IN (SELECT id FROM {sides[1]}) ORDER BY p.place"
        )
        if len(found["a"]) < len(places[0]):
            lost = len(places[0]) - len(found["a"])
            notes.append(f"{plural(lost, 'neuron')} of {names[0]} left out, whose partner by {pair} is no candidate")
        places[0], partner = found["a"], np.searchsorted(places[1], found["b"])
    vectors.notes[:0] = notes
    kept = np.sort(np.concatenate(places))
    totals = _totals(of, vectors, kept)
    cosines = Cosines(of, vectors.subset(places[0]), vectors.subset(places[1]), totals)
    labels = [vectors.labels[place] for place in places]
    ranks = None if partner is None else partner_ranks(cosines, partner, engine.threads)
    figures: dict[str, Any] = {"neurons": len(places[0]), "candidates": len(places[1])}
    if ranks is not None:
        figures = ranks.figures()
    figures |= {"without_partners": [str(label) for label in vectors.without]}
    figures |= {f"{side}_weight": total for side, total in totals.items()}
    strongest = cosines.strongest(top, False, engine.threads)
    main = _match_table(engine, labels, strongest, partner, ranks)
    return MatchedLikeness(vectors, main, figures)


def _ids(chosen: Selection | None) -> tuple[NeuronId, ...]:
    return () if chosen is None else chosen.ids


def _match_table(
    engine: SqlEngine,
    labels: Sequence[Array],
    strongest: dict[str, Array],
    partner: Array | None,
    ranks: PartnerRanks | None,
) -> Table:
    """Matches of each neuron, one a row; a neuron without a match has a row of its own."""
    import numpy as np

    rows = {"row": np.arange(len(labels[0])), "id": labels[0]}
    names = ["neuron_id", "rank", "match_id", "cosine"]
    told = ["n.id AS neuron_id", "m.place AS rank", "m.id AS match_id", "m.cosine AS cosine"]
    if partner is not None and ranks is not None:
        further = {"partner_id": labels[1][partner], "partner_rank": ranks.rank, "partner_ties": ranks.ties,
                   "partner_cosine": ranks.cosine}  # fmt: skip
        rows |= further
        names += further
        told += [f"n.{name}" for name in further]
    listed = engine.columns_table("matched_rows", rows)
    found = {"row": strongest["row"], "place": strongest["rank"], "id": labels[1][strongest["column"]],
             "cosine": strongest["cosine"]}  # fmt: skip
    matches = engine.columns_table("matches", found)
    query = (
        f"SELECT {', '.join(told)} FROM {listed} AS n LEFT JOIN {matches} AS m ON n.row = m.row ORDER BY n.row, m.place"
    )
    alone = len(labels[0]) - len(np.unique(strongest["row"]))
    return Table(query, tuple(names), len(strongest["row"]) + alone)


def _totals(of: Compared, vectors: ConnectivityVectors, rows: Array | None = None) -> dict[str, float]:
    """All synapses of the rows in both directions, where cosines are weighted by them; signs do not matter."""
    if of != "weighted":
        return {}
    chosen = vectors.sides if rows is None else vectors.subset(rows)
    import numpy as np

    return {side: float(np.abs(matrix.data).sum()) for side, matrix in chosen.items()}
