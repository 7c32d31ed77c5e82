"""A matrix of weights: presynaptic rows by postsynaptic columns, of neurons or of groups."""

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
from crantcli.core.relation import Annotations, Completeness, Relation, Totals
from crantcli.core.rows.absent import absent_notes
from crantcli.core.rows.denominators import told_totals
from crantcli.core.rows.edge_list import EdgeList
from crantcli.core.rows.filters import NeuronFilter, RowFilter, pair_completeness
from crantcli.core.rows.groups import GroupColumns, group_columns, named_columns, parse_by
from crantcli.core.rows.pairs import edges
from crantcli.core.rows.weights import Signs, Weighing, Weight
from crantcli.errors import UsageError
from crantcli.schema import Kind, fold
from crantcli.text import P, join_names, plural


@dataclass(frozen=True)
class Adjacency(Question):
    """A matrix of synapse counts, or of other weights.

    Attributes
    ----------
    pre, post : neurons or None
        Rows and columns; None for all.
    symmetric : bool
        All neurons of the kept synapses on both axes.
    keep_unconnected : bool
        Neurons that were asked for stay as zero rows or columns when they have no synapses; with `by` their groups do,
        or all groups where nobody was asked for.
    keep_if_empty : bool
        They do where there is no synapse at all.
    sum_duplicates : bool
        Add up edge rows that repeat a pair.
    by : names of columns, or None
        Rows and columns are groups: labels of the annotations, for both sides or as `pre:COL` and `post:COL` for one,
        then values of the table's columns `pre_COL` and `post_COL`, each on its side; those of several columns joined
        by a colon.
    weight, min_fraction, signs
        As of `Connectivity`.
    """

    pre: Selectors = None
    post: Selectors = None
    symmetric: bool = False
    keep_unconnected: bool = False
    keep_if_empty: bool = False
    sum_duplicates: bool = False
    by: str | tuple[str, ...] | None = None
    weight: str | Weight = "count"
    min_fraction: float | None = None
    signs: Signs | None = None

    command: ClassVar[str] = "adjacency"
    chosen_by: ClassVar[str] = f"{P.pre} or {P.post}"
    outputs: ClassVar[Mapping[str, type]] = {"": Matrix, "plot": Figure}
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        normalize_selectors(self, "pre", "post")
        object.__setattr__(self, "weight", Weight.parse(self.weight))
        object.__setattr__(self, "by", parse_by(self.by) or None)
        _ = self.weighing  # refuses what is no fraction

    @property
    def weighing(self) -> Weighing:
        """What is told of pairs, and which are strong enough."""
        return Weighing(Weight.parse(self.weight), self.min_fraction, self.signs)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of columns by which neurons are grouped."""
        return self.by if isinstance(self.by, tuple) else ()

    def needs(self) -> Needs:
        """Neurons, pairs, and labels where these count."""
        column = self.weighing.column
        return Needs(
            {"pre": self.pre, "post": self.post},
            labels=bool(self.groups) or self.signs is not None,
            columns=() if column is None else (column,),
            carry=named_columns(self.groups),
            value=column,
            without_totals="" if self.min_fraction is not None else f"{P.totals} goes with {P.min_fraction}",
        )

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Synapses from the one to the other; all inputs of the latter where these are what fractions are of."""
        pre, post = given.neurons["pre"], given.neurons["post"]
        whole = self.min_fraction is not None and not given.has_totals and post is not None
        return Scope(None if whole else pre, post)

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Make the matrix."""
        chosen, table = NeuronFilter(given.neurons["pre"], given.neurons["post"]), given.source
        result = adjacency(engine, table, chosen, given.rows, self, given.annotations, given.totals)
        matrix, rows = result.matrix, "groups" if self.groups else "neurons"
        shape, entries = matrix.shape, len(matrix.weights)
        quantity = self.weighing.quantity("weight" if table.kind is Kind.EDGES else "synapses")
        return Results(
            {
                "": Matrix(lambda: matrix, annotations=None if self.groups else given.annotations),
                "plot": Figure("matrix", matrix, {"quantity": quantity, "what": rows}),
            },
            "adjacency",
            shape[0],
            result.ledger,
            result.completeness,
            entries,
            f"entries in {shape[0]:,} x {shape[1]:,} {rows}",
            options={
                "symmetric": self.symmetric or None,
                "keep_silent": self.keep_unconnected or None,
                "sum_duplicates": self.sum_duplicates or None,
                "by": list(self.groups),
                **self.weighing.record(),
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
    annotations: Annotations | None = None,
    totals: Totals | None = None,
) -> MatrixResult:
    """Synapse counts, or other weights, between pairs of neurons or of groups.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
    wanted : NeuronFilter
        `pre` and `post`, both of which must hold.
    rows : RowFilter
    question : Adjacency
        Of an adjacency that is read, `keep_unconnected` holds for the neurons of its axes, too.
    annotations : Annotations or None
        Labels of groups, and what signs are by.
    totals : Totals or None
        All input of each neuron, instead of that in the table.

    Returns
    -------
    MatrixResult
        IDs or labels ascending on both axes (text by its code points). A pair whose weight is 0 or none is on them,
        and has no entry.
    """
    import numpy as np

    weighing = question.weighing
    groups = _groups(table, question, annotations)
    condition = None if wanted.everything else wanted.condition(engine, table.id_type)
    split = () if groups is None else groups.own
    found = edges(
        engine,
        table,
        condition,
        rows,
        split=split,
        sum_duplicates=question.sum_duplicates,
        values=weighing.column is not None,
        weak=weighing.min_fraction is not None and totals is None,
    )
    work = EdgeList(
        engine, table, found, split, weighing.weight, wanted, rows, annotations, totals, question.sum_duplicates
    )
    work.weigh(weighing)
    members = None
    if groups is None:
        work.leave_pairs()
    else:
        members = work.add_up_labels(groups, question.keep_unconnected)
    found.ledger.check()
    kept = engine.table("kept_edges", f"SELECT pre, post, weight FROM {work.relation}")
    keep_unconnected = question.keep_unconnected
    if question.keep_if_empty and not engine.execute(f"SELECT count(*) FROM {kept}")[0][0]:
        keep_unconnected = True
    axes = _axes(engine, table, kept, wanted, question.symmetric, keep_unconnected, members)
    entries = engine.view("entries", f"SELECT pre, post, weight FROM {kept} WHERE weight <> 0")
    (matrix,) = matrices_of(engine, entries, ("pre", "post"), (axes["pre"], axes["post"]), ["weight"])
    if weighing.whole(table):
        matrix = replace(matrix, weights=matrix.weights.astype(np.int64))
    facts, notes = _unasked(wanted, question.symmetric)
    facts |= {**({"labels": "groups"} if groups else {}), **weighing.facts(table)}
    notes += [*_without_weight(engine, kept), *absent_notes(engine, table, wanted, found.pairs, rows)]
    reasons = [*([thinned] if (thinned := rows.filtered_by(table)) else []), *weighing.reasons()]
    if groups is not None:
        lacking = "neurons without a label" if groups.labelled else "rows without a value"
        reasons.append(f"{P.by(','.join(question.groups))}, which leaves out {lacking}")
    completeness = pair_completeness(table, wanted, " and ".join(reasons))
    if groups is None and weighing.column is None and not completeness.whole:
        facts |= told_totals(engine, table, work.denominators)
    return MatrixResult(matrix, found.ledger, completeness, facts, [*work.notes, *notes])


def _groups(table: Relation, question: Adjacency, annotations: Annotations | None) -> GroupColumns | None:
    """The columns whose labels are on the axes; None where neurons are.

    Raises
    ------
    UsageError, DataError
        Where there is no such column, it is no label of neurons, or the axes of a symmetric matrix would differ.
    """
    if not question.groups:
        return None
    found, given = group_columns(table, question.groups, annotations), P.by(",".join(question.groups))
    if found.of_rows:
        raise UsageError(
            f"{given}: {join_names(list(found.of_rows))} is of the table's rows, and the axes of a matrix are neurons "
            "or groups of them; crantcli connectivity takes such columns"
        )
    own = {side: found.own_of(side) for side in ("pre", "post")}
    lacking = [side for side, columns in own.items() if not (columns or found.labelled)]
    if lacking:
        raise UsageError(f"{given}: no column for the {lacking[0]} side; a matrix has both, so name a {lacking[0]}_COL")
    bare = [[fold(name[len(side) :]) for name in columns] for side, columns in own.items()]
    if question.symmetric and (found.pre != found.post or bare[0] != bare[1]):
        raise UsageError(f"{given} has other columns for rows than for columns, and {P.symmetric(True)} wants the same")
    if question.keep_unconnected and not found.labelled:
        raise UsageError(
            f"{given}: {P.keep_unconnected(True)} keeps groups of neurons, and these are of the table's rows; add a "
            "column of the annotations"
        )
    return found


def _without_weight(engine: SqlEngine, kept: str) -> list[str]:
    """What to say of pairs that no cell of the matrix tells from pairs without a connection."""
    none, zero = engine.execute(f"SELECT count(*) FILTER (weight IS NULL), count(*) FILTER (weight = 0) FROM {kept}")[0]
    lost = [(none, "no value to tell"), (zero, "a weight of 0")]
    return [
        f"{plural(number, 'pair', 'have')} {what}, and the cells of pairs without a connection"
        for number, what in lost
        if number
    ]


def _axes(
    engine: SqlEngine,
    table: Relation,
    kept: str,
    wanted: NeuronFilter,
    symmetric: bool,
    keep_unconnected: bool,
    members: dict[str, str] | None,
) -> dict[str, str]:
    """Tables `id, position` of both axes; `members` say which groups neurons are of, where groups are on them."""
    sources: dict[str, list[str]] = {"pre": [], "post": []}
    for side, selection in (("pre", wanted.pre), ("post", wanted.post)):
        sources[side].append(f"SELECT {side} AS id FROM {kept}")
        if members is not None:
            if keep_unconnected and side in members:  # none are labelled where groups are of the table's rows
                chosen = f"SELECT label AS id FROM {members[side]}"
                if selection is not None:
                    chosen += f" WHERE id IN (SELECT id FROM {engine.id_table('asked', selection.ids, table.id_type)})"
                sources[side].append(chosen)
            continue
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
