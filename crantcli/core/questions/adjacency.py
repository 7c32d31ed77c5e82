"""A matrix of synapse counts: presynaptic rows by postsynaptic columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from crantcli.core.engine import SqlEngine
from crantcli.core.graph.matrices import matrices_of
from crantcli.core.ledger import Ledger
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.question import Figure, Matrix
from crantcli.core.questions.base import (
    Describe,
    Given,
    Inputs,
    Needs,
    Question,
    Results,
    Scope,
    Selectors,
    normalize_selectors,
)
from crantcli.core.relation import Completeness, Relation
from crantcli.core.rows.absent import absent_notes
from crantcli.core.rows.filters import NeuronFilter, RowFilter, pair_completeness
from crantcli.core.rows.pairs import edges
from crantcli.errors import UsageError
from crantcli.schema import Kind
from crantcli.text import P


@dataclass(frozen=True)
class Adjacency(Question):
    """A matrix of synapse counts, or of weights.

    Attributes
    ----------
    pre, post : neurons or None
        Rows and columns; None for all.
    symmetric : bool
        All neurons of the kept synapses on both axes.
    keep_unconnected : bool
        Neurons that were asked for stay as zero rows or columns when they have no synapses.
    keep_if_empty : bool
        They do where there is no synapse at all.
    sum_duplicates : bool
        Add up edge rows that repeat a pair.
    """

    pre: Selectors = None
    post: Selectors = None
    symmetric: bool = False
    keep_unconnected: bool = False
    keep_if_empty: bool = False
    sum_duplicates: bool = False

    command: ClassVar[str] = "adjacency"
    chosen_by: ClassVar[str] = f"{P.pre} or {P.post}"
    outputs: ClassVar[Mapping[str, type]] = {"": Matrix, "plot": Figure}

    def __post_init__(self) -> None:
        normalize_selectors(self, "pre", "post")

    def needs(self) -> Needs:
        """Neurons, and nothing but pairs."""
        return Needs({"pre": self.pre, "post": self.post})

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Synapses from the one to the other."""
        return Scope(given.neurons["pre"], given.neurons["post"])

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Make the matrix."""
        chosen, table = NeuronFilter(given.neurons["pre"], given.neurons["post"]), given.source
        result = adjacency(engine, table, chosen, given.rows, self)
        matrix = result.matrix
        shape, entries = matrix.shape, len(matrix.weights)
        return Results(
            {
                "": Matrix(lambda: matrix, annotations=given.annotations),
                "plot": Figure("matrix", matrix, {"quantity": "weight" if table.kind is Kind.EDGES else "synapses"}),
            },
            "adjacency",
            shape[0],
            result.ledger,
            result.completeness,
            entries,
            f"entries in {shape[0]:,} x {shape[1]:,} neurons",
            options={
                "symmetric": self.symmetric or None,
                "keep_silent": self.keep_unconnected or None,
                "sum_duplicates": self.sum_duplicates or None,
            },
            facts=result.facts,
            notes=result.notes,
            details={"shape": list(shape), "entries": entries},
            subject=matrix,
        )


@dataclass
class MatrixResult:
    """An adjacency and what to say about it."""

    matrix: LabelledMatrix
    ledger: Ledger
    completeness: Completeness
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def unconnected_kept(keep_unconnected: bool | None, keep_silent: bool | None) -> bool:
    """What the two names of one parameter say; the second is the older one.

    Raises
    ------
    UsageError
        Where they contradict each other.
    """
    given = {bool(value) for value in (keep_unconnected, keep_silent) if value is not None}
    if len(given) > 1:
        raise UsageError(
            f"keep_unconnected={keep_unconnected} and keep_silent={keep_silent}: two names of one parameter; give one"
        )
    return True in given


def adjacency(
    engine: SqlEngine,
    table: Relation,
    wanted: NeuronFilter,
    rows: RowFilter,
    question: Adjacency,
) -> MatrixResult:
    """Synapse counts between pairs of neurons.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
    wanted : NeuronFilter
        `pre` and `post`, both of which must hold.
    rows : RowFilter
    question : Adjacency
        Of an adjacency that is read, `keep_unconnected` holds for the neurons of its axes, too.

    Returns
    -------
    MatrixResult
        IDs ascending on both axes (text by its code points).
    """
    import numpy as np

    condition = None if wanted.everything else wanted.condition(engine, table.id_type)
    found = edges(engine, table, condition, rows, sum_duplicates=question.sum_duplicates, weak=False)
    kept = engine.table("kept_edges", f"SELECT pre, post, weight FROM {found.relation}")
    keep_unconnected = question.keep_unconnected
    if question.keep_if_empty and not engine.execute(f"SELECT count(*) FROM {kept}")[0][0]:
        keep_unconnected = True
    axes = _axes(engine, table, kept, wanted, question.symmetric, keep_unconnected)
    (matrix,) = matrices_of(engine, kept, ("pre", "post"), (axes["pre"], axes["post"]), ["weight"])
    if table.whole_weights:
        matrix = replace(matrix, weights=matrix.weights.astype(np.int64))
    thinned = rows.filtered_by(table)
    facts, notes = _unasked(wanted, question.symmetric)
    notes += absent_notes(engine, table, wanted, found.pairs, rows)
    return MatrixResult(matrix, found.ledger, pair_completeness(table, wanted, thinned), facts, [*found.notes, *notes])


def _axes(
    engine: SqlEngine, table: Relation, kept: str, wanted: NeuronFilter, symmetric: bool, keep_unconnected: bool
) -> dict[str, str]:
    """Tables `id, position` of both axes."""
    sources: dict[str, list[str]] = {"pre": [], "post": []}
    for side, selection in (("pre", wanted.pre), ("post", wanted.post)):
        sources[side].append(f"SELECT {side} AS id FROM {kept}")
        if keep_unconnected and selection is not None:
            sources[side].append(f"SELECT id FROM {engine.id_table('asked', selection.ids, table.id_type)}")
        if keep_unconnected and table.silent is not None and wanted.everything:
            sources[side].append(f"SELECT id FROM {table.silent} WHERE side = '{side}'")
    if symmetric:
        both = [*sources["pre"], *sources["post"]]
        sources = {"pre": both, "post": both}
    return {
        side: engine.table(
            f"{side}_axis",
            "SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM "
            f"(SELECT DISTINCT id FROM ({' UNION ALL '.join(queries)}))",
        )
        for side, queries in sources.items()
    }


def _unasked(wanted: NeuronFilter, symmetric: bool) -> tuple[dict[str, Any], list[str]]:
    """Which cells of a symmetric matrix were never asked for, so that their zeros say nothing."""
    if not symmetric or wanted.everything:
        return {"symmetric": symmetric}, []
    asked = {
        side: "all" if selection is None else sorted(map(str, selection.ids))
        for side, selection in (("pre", wanted.pre), ("post", wanted.post))
    }
    meaning = "a cell was asked for where its row is among asked.pre and its column among asked.post"
    note = (
        "the matrix is symmetric over selected neurons: cells whose pair was not asked for are 0 without having been "
        "counted (the file records which were asked for)"
    )
    return {"symmetric": True, "asked": {**asked, "meaning": meaning}}, [note]
