"""Who talks to whom: edges of chosen neurons, added up to types or split by neuropil, with fractions and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from crantcli.checks import check_names
from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.neuroglancer import PairLinks
from crantcli.core.question import EdgeTable, Graph, Table
from crantcli.core.questions.base import (
    Describe,
    Given,
    Inputs,
    Needs,
    Question,
    Results,
    Scope,
    Selectors,
    as_names,
    normalize_selectors,
)
from crantcli.core.relation import Annotations, Completeness, Relation, Result, Totals
from crantcli.core.rows.absent import absent_notes
from crantcli.core.rows.denominators import Side, told_totals
from crantcli.core.rows.edge_list import EdgeList
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.rows.groups import GroupColumns, group_columns, named_columns, parse_by
from crantcli.core.rows.pairs import edges
from crantcli.core.rows.sweep import SWEEP, told_per_threshold
from crantcli.core.rows.weights import Signs, Weighing, Weight
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.text import P


@dataclass(frozen=True)
class Connectivity(Question):
    """Who talks to whom, and how strongly.

    Attributes
    ----------
    neurons : neurons or None
        Neurons whose partners are wanted; None for all.
    upstream, downstream : bool
        Inputs of these neurons; outputs of them.
    by : {"type", "neuropil"}, names of columns, or None
        Of the annotations, for both sides or as `pre:COL` and `post:COL` for one, or of the table itself.
    complete : bool
        With names of columns: groups without an edge, too.
    weight : {"count", "sum:COL", "mean:COL"} or Weight
        What is told of each pair. Thresholds and fractions are of synapses all the same.
    min_fraction : float or None
        Keep pairs that are at least this part of the post neuron's input.
    signs : Signs or None
        Weights of inhibitory neurons are negative.
    thresholds : tuple of int
        What is told in the table of thresholds, `sweep`: `threshold, pairs, synapses, neurons, density, reciprocity`.
    annotate : tuple of str
        Annotation columns to add for both sides.
    top : int or None
        Strongest partners per neuron, in each direction.
    normalize : {"input", "output"} or None
        Add `fraction`: of the post neuron's total input, or of the pre neuron's total output.
    sum_duplicates : bool
    links : str or None
        A column to add, with links that show both neurons in the data set's viewer.
    """

    neurons: Selectors = None
    upstream: bool = True
    downstream: bool = True
    by: str | tuple[str, ...] | None = None
    annotate: tuple[str, ...] = ()
    top: int | None = None
    normalize: Side | None = None
    sum_duplicates: bool = False
    complete: bool = False
    weight: str | Weight = "count"
    min_fraction: float | None = None
    signs: Signs | None = None
    thresholds: tuple[int, ...] = ()
    links: str | None = None

    command: ClassVar[str] = "connectivity"
    outputs: ClassVar[Mapping[str, type]] = {"": EdgeTable, "sweep": Table}
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        normalize_selectors(self, "neurons")
        object.__setattr__(self, "annotate", as_names(self.annotate))
        if not (self.upstream or self.downstream):
            raise UsageError("without upstream and without downstream partners nothing is left; drop one of the two")
        if self.top is not None and self.top < 1:
            raise UsageError(f"top {self.top}: at least 1 partner per neuron")
        object.__setattr__(self, "weight", Weight.parse(self.weight))
        if self.weighing.column and self.normalize:
            raise UsageError(
                f"{P.normalize(self.normalize)} is of synapses, and {P.weight(str(self.weight))} of others"
            )
        by = parse_by(self.by)
        object.__setattr__(self, "by", None if not by else by[0] if by in (("type",), ("neuropil",)) else by)
        if self.complete and not self.groups:
            raise UsageError(f"{P.complete(True)} goes with {P.by.metavar('COL,...')}, names of columns")
        if self.groups and self.annotate:
            raise UsageError(
                f"{P.annotate} adds columns per neuron, and {P.by(','.join(by))} has none; use one of them"
            )
        if self.groups and self.top is not None:
            raise UsageError(f"{P.top(self.top)} is of neurons or types, and {P.by(','.join(by))} makes other groups")
        check_names(links=self.links)
        if self.links is not None and by not in ((), ("neuropil",)):
            raise UsageError(f"{P.links} shows two neurons, and {P.by(','.join(by))} tells no neurons; use one of them")
        if self.normalize not in (None, "input", "output"):
            raise UsageError(f"normalize={self.normalize!r}: 'input' or 'output'")
        if self.by == "type" and self.annotate:
            raise UsageError(f"{P.annotate} adds columns per neuron, and {P.by('type')} has none; use one of them")

    @property
    def weighing(self) -> Weighing:
        """What is told of pairs, and which are strong enough."""
        return Weighing(Weight.parse(self.weight), self.min_fraction, self.signs)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of columns by which edges are added up."""
        return self.by if isinstance(self.by, tuple) else ()

    def needs(self) -> Needs:
        """Neurons, their labels where columns come of these, and totals for fractions."""
        useless = f"{P.totals} goes with {P.normalize('input')}, {P.normalize('output')} or {P.min_fraction}"
        column = self.weighing.column
        return Needs(
            {"neurons": self.neurons},
            labels=bool(self.annotate) or self.by == "type" or bool(self.groups) or self.signs is not None,
            columns=() if column is None else (column,),
            carry=named_columns(self.groups),
            value=column,
            viewer="" if self.links is None else "needed",
            without_totals="" if self.normalize or self.min_fraction is not None else useless,
        )

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Inputs and outputs of these neurons, as far as they are asked for."""
        return Scope(either=given.neurons["neurons"], inputs=self.upstream, outputs=self.downstream)

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Find the edges."""
        asked = given.neurons["neurons"]
        result = connectivity(
            engine, given.source, self, asked, given.rows, given.annotations, given.totals, given.viewer
        )
        options = {
            "upstream": self.upstream,
            "downstream": self.downstream,
            "annotate": self.annotate,
            "by": list(self.groups) or self.by,
            "complete": self.complete or None,
            **self.weighing.record(),
            "top": self.top,
            "normalize": self.normalize,
            "sum_duplicates": self.sum_duplicates or None,
            "links": self.links,
        }
        kind, what = ("groups", "pairs of groups") if self.groups else ("edges", "edges")
        results = Results.of_table(result, kind, what, options=options)
        main = EdgeTable(result.query, result.columns, result.rows, graph=result.graph)
        results = replace(results, outputs={"": main})
        if result.sweep is not None:
            query = f"SELECT * FROM {result.sweep} ORDER BY threshold"
            sweep = Table(query, SWEEP, len(self.thresholds), {"kind": "sweep"})
            results = replace(results, outputs={**results.outputs, "sweep": sweep})
        return results

    def wanted(self, neurons: Selection | None) -> NeuronFilter:
        """The rows that must be read."""
        if neurons is None or (self.upstream and self.downstream):
            return NeuronFilter(either=neurons)
        return NeuronFilter(post=neurons) if self.upstream else NeuronFilter(pre=neurons)

    def completeness(self, table: Relation, neurons: Selection | None, filtered_by: str) -> Completeness:
        """What is complete in the answer."""
        asked = None if neurons is None else neurons.texts
        nothing = frozenset[str]()
        outputs = asked if self.downstream or asked is None else nothing
        inputs = asked if self.upstream or asked is None else nothing
        return table.completeness.narrowed(inputs, outputs, filtered_by)


@dataclass
class ConnectivityResult(Result):
    """Edges as a graph, too, and where several thresholds were given, a relation with what is left at each."""

    sweep: str | None = None
    graph: Graph | None = None


def connectivity(
    engine: SqlEngine,
    table: Relation,
    question: Connectivity,
    neurons: Selection | None,
    rows: RowFilter,
    annotations: Annotations | None = None,
    totals: Totals | None = None,
    viewer: PairLinks | None = None,
) -> ConnectivityResult:
    """Who talks to whom, and how strongly: weight descending, then pre, then post.

    Returns
    -------
    ConnectivityResult
        Columns `pre`, `post`, `weight` (int64 where all weights are whole), then as asked: `neuropil`, `pre_neurons`
        and `post_neurons`, `fraction` (float64), `pre_COL` and `post_COL`. By columns: those of `grouped`.

    Raises
    ------
    DataError
        Where columns are missing, or a fraction's whole is known to be incomplete.
    """
    wanted = question.wanted(neurons)
    condition = None if wanted.everything else wanted.condition(engine, table.id_type)
    groups = group_columns(table, question.groups, annotations)
    if question.by == "neuropil" and "neuropil" not in table.roles:
        raise DataError(f"{P.by('neuropil')} needs a column neuropil or roi, and this table has neither")
    if question.normalize and question.groups and not groups.labelled:
        raise UsageError(f"{P.normalize(question.normalize)} is of neurons, and the groups have no label of these")
    split = ("neuropil",) if question.by == "neuropil" else groups.own
    found = edges(
        engine,
        table,
        condition,
        rows,
        split=split,
        sum_duplicates=question.sum_duplicates,
        values=question.weighing.column is not None,
        weak=totals is None and (question.normalize is not None or question.min_fraction is not None),
    )
    work = EdgeList(
        engine, table, found, split, question.weighing.weight, wanted, rows, annotations, totals,
        question.sum_duplicates,
    )  # fmt: skip
    work.notes += absent_notes(engine, table, wanted, found.pairs, rows)
    if question.min_fraction is not None:
        work.keep_strong_inputs(question.min_fraction)
    per_threshold = (engine, work.relation, question.thresholds, split, table.whole_weights)
    sweep = told_per_threshold(*per_threshold) if question.thresholds else None
    if question.signs is not None:
        work.sign(question.signs)
    if question.by == "type":
        work.add_up_types()
    elif question.groups:
        told = question.completeness(table, neurons, rows.filtered_by(table))
        work.add_up(groups, told, question.complete)
    else:
        work.leave_pairs()
    if question.normalize:
        work.add_fraction(question.normalize)
    if question.top is not None:
        work.keep_strongest(question.top, question.upstream, question.downstream)
    if question.annotate:
        work.annotate(question.annotate)
    if question.links is not None and viewer is not None:
        work.add_links(question.links, viewer.of_table(table).pair_sql("pre", "post"))
    number = engine.execute(f"SELECT count(*) FROM {work.relation}")[0][0]
    found.ledger.check()
    labels = "groups" if question.groups else "types" if question.by == "type" else "neurons"
    facts: dict[str, Any] = {"labels": labels, **question.weighing.facts(table)}
    counts = labels == "neurons" and question.weighing.column is None
    told = question.completeness(table, neurons, _filtered_by(question, table, rows))
    if counts and not told.whole:
        facts |= told_totals(engine, table, work.denominators)
    return ConnectivityResult(
        f"SELECT {sql.columns(work.columns)} FROM {work.relation} ORDER BY weight DESC, {sql.columns(work.keys)}",
        tuple(work.columns),
        int(number),
        found.ledger,
        told,
        facts,
        work.notes,
        sweep,
        _graph(question, work, groups, table, annotations),
    )


def _graph(
    question: Connectivity, work: EdgeList, groups: GroupColumns, table: Relation, annotations: Annotations | None
) -> Graph | None:
    """The edges as a graph: of neurons, types, or groups that have one name on each side."""
    if question.groups:
        if (len(groups.pre), len(groups.post)) != (1, 1):
            return None
        return Graph(work.relation, (f"pre_{groups.pre[0]}", f"post_{groups.post[0]}"), "VARCHAR", groups.own)
    if question.by == "type":
        return Graph(work.relation, ("pre", "post"), "VARCHAR")
    apart = ("neuropil",) if question.by == "neuropil" else ()
    return Graph(work.relation, ("pre", "post"), table.id_type, apart, annotations=annotations)


def _filtered_by(question: Connectivity, table: Relation, rows: RowFilter) -> str:
    reasons = [filtered_by] if (filtered_by := rows.filtered_by(table)) else []
    reasons += question.weighing.reasons()
    if question.top is not None:
        reasons.append(P.top(question.top))
    if question.by == "type":
        reasons.append(f"{P.by('type')}, which leaves out untyped neurons")
    if question.groups:
        reasons.append(f"{P.by(','.join(question.groups))}, which leaves out neurons without a label")
    return " and ".join(reasons)
