"""Who talks to whom: edges of chosen neurons, added up to types or split by neuropil, with fractions and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.question import Table
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
from crantcli.core.relation import Annotations, Completeness, Relation, Result, Totals, annotation_column
from crantcli.core.rows.absent import absent_notes
from crantcli.core.rows.denominators import ENDS, Side, denominators
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.rows.groups import group_columns, grouped, parse_by
from crantcli.core.rows.labels import key, typed, types_view
from crantcli.core.rows.pairs import Edges, edges
from crantcli.core.sql import quote
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.schema import Kind
from crantcli.text import P, did_you_mean


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
    annotate : tuple of str
        Annotation columns to add for both sides.
    top : int or None
        Strongest partners per neuron, in each direction.
    normalize : {"input", "output"} or None
        Add `fraction`: of the post neuron's total input, or of the pre neuron's total output.
    sum_duplicates : bool
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

    command: ClassVar[str] = "connectivity"
    outputs: ClassVar[Mapping[str, type]] = {"": Table}

    def __post_init__(self) -> None:
        normalize_selectors(self, "neurons")
        object.__setattr__(self, "annotate", as_names(self.annotate))
        if not (self.upstream or self.downstream):
            raise UsageError("without upstream and without downstream partners nothing is left; drop one of the two")
        if self.top is not None and self.top < 1:
            raise UsageError(f"top {self.top}: at least 1 partner per neuron")
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
        if self.normalize not in (None, "input", "output"):
            raise UsageError(f"normalize={self.normalize!r}: 'input' or 'output'")
        if self.by == "type" and self.annotate:
            raise UsageError(f"{P.annotate} adds columns per neuron, and {P.by('type')} has none; use one of them")

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of columns by which edges are added up."""
        return self.by if isinstance(self.by, tuple) else ()

    def needs(self) -> Needs:
        """Neurons, their labels where columns come of these, and totals for fractions."""
        useless = "" if self.normalize else f"{P.totals} goes with {P.normalize('input')} or {P.normalize('output')}"
        labels = bool(self.annotate) or self.by == "type"
        return Needs({"neurons": self.neurons}, labels, carry=bool(self.groups), without_totals=useless)

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Inputs and outputs of these neurons, as far as they are asked for."""
        return Scope(either=given.neurons["neurons"], inputs=self.upstream, outputs=self.downstream)

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Find the edges."""
        asked = given.neurons["neurons"]
        result = connectivity(engine, given.source, self, asked, given.rows, given.annotations, given.totals)
        options = {
            "upstream": self.upstream,
            "downstream": self.downstream,
            "annotate": self.annotate,
            "by": list(self.groups) or self.by,
            "complete": self.complete or None,
            "top": self.top,
            "normalize": self.normalize,
            "sum_duplicates": self.sum_duplicates or None,
        }
        kind, what = ("groups", "pairs of groups") if self.groups else ("edges", "edges")
        return Results.of_table(result, kind, what, options=options)

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


def connectivity(
    engine: SqlEngine,
    table: Relation,
    question: Connectivity,
    neurons: Selection | None,
    rows: RowFilter,
    annotations: Annotations | None = None,
    totals: Totals | None = None,
) -> Result:
    """Who talks to whom, and how strongly: weight descending, then pre, then post.

    Returns
    -------
    Result
        Columns `pre`, `post`, `weight` (int64 where all weights are whole), then as asked: `neuropil`, `pre_neurons`
        and `post_neurons`, `fraction` (float64), `pre_COL` and `post_COL`.

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
    found = edges(
        engine,
        table,
        condition,
        rows,
        split=("neuropil",) if question.by == "neuropil" else groups.own,
        sum_duplicates=question.sum_duplicates,
        weak=question.normalize is not None and totals is None,
    )
    notes = [*found.notes, *absent_notes(engine, table, wanted, found.pairs, rows)]
    relation, columns = found.relation, ["pre", "post", "weight"]
    if question.by == "neuropil":
        columns = ["pre", "post", "neuropil", "weight"]
    members: dict[str, str] = {}
    if question.by == "type":
        relation = _by_type(engine, table, found, annotations, notes)
        columns += ["pre_neurons", "post_neurons"]
    if question.groups:
        told = question.completeness(table, neurons, rows.filtered_by(table))
        made = grouped(engine, table, found.relation, groups, annotations, told, rows, question.complete)
        relation, columns, members = made.relation, made.columns, made.members
        notes += [*made.notes, *_left_out(found, made.unlabelled, "a label")]
    if question.normalize and members:
        whole = _group_wholes(engine, table, found, members, relation, question, neurons, rows, totals, notes)
        relation = _with_fraction(engine, relation, columns, question.normalize, whole, {"pre": "a", "post": "b"})
        columns.append("fraction")
    elif question.normalize:
        whole = _denominators(engine, table, found, relation, question, neurons, rows, annotations, totals, notes)
        relation = _with_fraction(engine, relation, columns, question.normalize, whole)
        columns.append("fraction")
    if question.top is not None:
        relation = _strongest(engine, table, relation, question, neurons, annotations)
    if question.annotate:
        relation, added = _annotated(engine, table, relation, columns, question.annotate, annotations)
        columns += added
    order = "weight DESC, pre, post" + (", neuropil" if question.by == "neuropil" else "")
    if question.groups:
        order = f"weight DESC, {sql.columns(groups.names)}"
    number = engine.execute(f"SELECT count(*) FROM {relation}")[0][0]
    found.ledger.check()
    return Result(
        f"SELECT {sql.columns(columns)} FROM {relation} ORDER BY {order}",
        tuple(columns),
        int(number),
        found.ledger,
        question.completeness(table, neurons, _filtered_by(question, table, rows)),
        {"labels": "groups" if question.groups else "types" if question.by == "type" else "neurons"},
        notes,
    )


def _filtered_by(question: Connectivity, table: Relation, rows: RowFilter) -> str:
    reasons = [filtered_by] if (filtered_by := rows.filtered_by(table)) else []
    if question.top is not None:
        reasons.append(P.top(question.top))
    if question.by == "type":
        reasons.append(f"{P.by('type')}, which leaves out untyped neurons")
    if question.groups:
        reasons.append(f"{P.by(','.join(question.groups))}, which leaves out neurons without a label")
    return " and ".join(reasons)


def _by_type(
    engine: SqlEngine, table: Relation, found: Edges, annotations: Annotations | None, notes: list[str]
) -> str:
    types = types_view(engine, table, *typed(annotations, P.by("type")))
    joined = engine.table(
        "typed_edges",
        f"SELECT e.pre AS pre_id, e.post AS post_id, e.weight, a.label AS pre, b.label AS post "
        f"FROM {found.relation} AS e LEFT JOIN {types} AS a ON e.pre = a.id LEFT JOIN {types} AS b ON e.post = b.id",
    )
    amount = "sum(weight)" if table.kind is Kind.SYNAPSES else "count(*)"
    untyped = engine.execute(f"SELECT {amount} FROM {joined} WHERE pre IS NULL OR post IS NULL")[0][0]
    notes += _left_out(found, int(untyped or 0), "a type")
    weight = sql.total("weight", "pre_id, post_id", table.whole_weights)
    return engine.table(
        "by_type",
        f"SELECT pre, post, {weight} AS weight, count(DISTINCT pre_id) AS pre_neurons, "
        f"count(DISTINCT post_id) AS post_neurons FROM {joined} "
        "WHERE pre IS NOT NULL AND post IS NOT NULL GROUP BY pre, post",
    )


def _left_out(found: Edges, unlabelled: int, what: str) -> list[str]:
    """Count rows of neurons that lack a label, and say so."""
    found.ledger.remove("unannotated", unlabelled)
    found.ledger.kept -= unlabelled
    return [f"{unlabelled:,} {found.ledger.unit} of neurons without {what} are left out"] if unlabelled else []


def _group_wholes(
    engine: SqlEngine,
    table: Relation,
    found: Edges,
    members: Mapping[str, str],
    relation: str,
    question: Connectivity,
    asked: Selection | None,
    rows: RowFilter,
    totals: Totals | None,
    notes: list[str],
) -> str:
    """`id, whole`: what the fractions are of, per group of neurons."""
    side = question.normalize
    assert side is not None
    end = ENDS[side]
    code = {"pre": "a", "post": "b"}[end]
    neurons = f"SELECT id FROM {members[end]} WHERE code IN (SELECT {code} FROM {relation})"
    whole = _wholes(engine, table, found, neurons, question, asked, rows, totals, notes)
    return engine.table(
        "group_wholes",
        f"SELECT m.code AS id, {sql.ordered_sum('w.whole', 'm.id')} AS whole FROM {whole} AS w "
        f"JOIN {members[end]} AS m ON w.id = m.id GROUP BY m.code",
    )


def _denominators(
    engine: SqlEngine,
    table: Relation,
    found: Edges,
    relation: str,
    question: Connectivity,
    asked: Selection | None,
    rows: RowFilter,
    annotations: Annotations | None,
    totals: Totals | None,
    notes: list[str],
) -> str:
    """`id, whole`: what the fractions are of, per neuron or per type."""
    side = question.normalize
    assert side is not None
    end = ENDS[side]
    types = None
    if question.by == "type":
        types = types_view(engine, table, *typed(annotations, P.by("type")))
        neurons = f"SELECT id FROM {types} WHERE label IN (SELECT {end} FROM {relation})"
    else:
        neurons = f"SELECT {end} AS id FROM {relation}"
    whole = _wholes(engine, table, found, neurons, question, asked, rows, totals, notes)
    if types is None:
        return whole
    return engine.table(
        "type_wholes",
        f"SELECT t.label AS id, {sql.ordered_sum('w.whole', 't.id')} AS whole FROM {whole} AS w "
        f"JOIN {types} AS t ON w.id = t.id GROUP BY t.label",
    )


def _wholes(
    engine: SqlEngine,
    table: Relation,
    found: Edges,
    neurons: str,
    question: Connectivity,
    asked: Selection | None,
    rows: RowFilter,
    totals: Totals | None,
    notes: list[str],
) -> str:
    """`id, whole`: all input or all output of each neuron that a query `id` gives."""
    assert question.normalize is not None
    ids = engine.table("of_neurons", f"SELECT DISTINCT id FROM ({neurons}) WHERE id IS NOT NULL")
    pairs = found.pairs
    if totals is None and asked is not None:
        condition = f"{ENDS[question.normalize]} IN (SELECT id FROM {ids})"
        pairs = edges(engine, table, condition, rows, sum_duplicates=question.sum_duplicates).pairs
    return denominators(engine, table, question.normalize, ids, pairs, found.relation, totals, notes)


def _with_fraction(
    engine: SqlEngine,
    relation: str,
    columns: list[str],
    side: Side,
    whole: str,
    keys: Mapping[str, str] | None = None,
) -> str:
    end = ENDS[side] if keys is None else keys[ENDS[side]]
    kept = ", ".join(f"e.{quote(column)}" for column in columns)
    return engine.table(
        "fractions",
        f"SELECT {kept}, CAST(e.weight AS DOUBLE) / CAST(w.whole AS DOUBLE) AS fraction "
        f"FROM {relation} AS e JOIN {whole} AS w ON e.{end} = w.id",
    )


def _strongest(
    engine: SqlEngine,
    table: Relation,
    relation: str,
    question: Connectivity,
    neurons: Selection | None,
    annotations: Annotations | None,
) -> str:
    """Keep the `top` strongest partners of each neuron that was asked for, in each direction that was asked for."""
    asked = "TRUE"
    if neurons is not None:
        ids = engine.id_table("asked", neurons.ids, table.id_type)
        chosen = f"SELECT id FROM {ids}"
        if question.by == "type":
            types = types_view(engine, table, *typed(annotations, P.by("type")))
            chosen = f"SELECT label FROM {types} WHERE id IN ({chosen})"
        asked = "{end} IN (" + chosen + ")"
    strength = "sum(weight) OVER (PARTITION BY pre, post)" if question.by == "neuropil" else "weight"
    ranks, conditions = [], []
    for wanted, end, partner in ((question.downstream, "pre", "post"), (question.upstream, "post", "pre")):
        if wanted:
            # Ties go to the partner that sorts first, so the choice is total.
            ranks.append(f"dense_rank() OVER (PARTITION BY {end} ORDER BY strength DESC, {partner}) AS {end}_rank")
            conditions.append(f"({end}_rank <= {question.top} AND {asked.format(end=end)})")
    return engine.table(
        "strongest",
        f"SELECT * FROM (SELECT *, {', '.join(ranks)} FROM (SELECT *, {strength} AS strength FROM {relation})) "
        f"WHERE {sql.any_of(conditions)}",
    )


def _annotated(
    engine: SqlEngine,
    table: Relation,
    relation: str,
    columns: list[str],
    annotate: tuple[str, ...],
    annotations: Annotations | None,
) -> tuple[str, list[str]]:
    if annotations is None:
        raise UsageError(f"{P.annotate} needs {P.annotations.metavar('FILE')}, or a data set that has annotations")
    for column in annotate:
        if column not in annotations.columns:
            raise DataError(
                f"{P.annotate} {column}: no such column in the annotations "
                f"({did_you_mean(column, annotations.columns)})"
            )
    wanted = list(dict.fromkeys(annotate))
    picked = ", ".join(f"{annotation_column(column)} AS label_{number}" for number, column in enumerate(wanted))
    labels = engine.view("labels", f"SELECT {key(table.id_type)} AS neuron, {picked} FROM {annotations.relation}")
    added: list[str] = []
    chosen = [f"e.{quote(column)}" for column in columns]
    for side, alias in (("pre", "a"), ("post", "b")):
        for number, column in enumerate(wanted):
            name = f"{side}_{column}"
            if name in columns:
                raise UsageError(f"{P.annotate} {column} would make a second column {name}")
            chosen.append(f"{alias}.label_{number} AS {quote(name)}")
            added.append(name)
    return engine.view(
        "annotated",
        f"SELECT {', '.join(chosen)} FROM {relation} AS e LEFT JOIN {labels} AS a ON e.pre = a.neuron "
        f"LEFT JOIN {labels} AS b ON e.post = b.neuron",
    ), added
