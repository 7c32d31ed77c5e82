"""Nested matrices: neurons grouped into blocks of cell types, from any kind of table.

The way of an edge: table -> pairs of neurons (as in `edges`) -> both ends looked up in the roster of neurons, in the
engine -> two places and a weight -> sorted into the blocks of both axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.matrix.blocks import Axis, BlockMatrix
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.nested.axes import NOWHERE, NeuronIndex, asked_table, block_columns, label_table, neuron_index
from crantcli.core.nested.choice import FRACTIONS, NestedQuestion
from crantcli.core.nested.listed import neuron_places
from crantcli.core.nested.sorting import sorted_blocks
from crantcli.core.relation import Annotations, Completeness, Relation, Totals
from crantcli.core.rows.absent import chosen_notes
from crantcli.core.rows.denominators import ENDS, denominators
from crantcli.core.rows.edge_list import EdgeList
from crantcli.core.rows.filters import NeuronFilter, RowFilter, member
from crantcli.core.rows.pairs import Edges, edges, present_pairs
from crantcli.errors import UsageError
from crantcli.text import plural

#: Bytes of an entry while a matrix is made and normalized (measured: 132 to 143, of 12 and 4 million entries).
PER_ENTRY = 150


@dataclass
class NestedResult:
    """A nested matrix and what to say about it."""

    blocks: BlockMatrix
    ledger: Ledger
    completeness: Completeness
    edges: Edges
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: Those of the notes that are about what fractions are of.
    whole_notes: list[str] = field(default_factory=list)
    #: Why the matrix does not hold all synapses.
    reasons: list[str] = field(default_factory=list)
    #: Rows that are left out as their neurons have no annotation.
    left_out: int = 0

    @property
    def type_sum(self) -> LabelledMatrix:
        """Entries added up per pair of types."""
        return self.blocks.type_sum

    @property
    def quantity(self) -> str:
        """What an entry of the matrix is."""
        return self.blocks.quantity

    @property
    def statement(self) -> str:
        """What an entry is, for those who read the numbers."""
        side = next((side for side in ENDS if f" {side}" in self.blocks.quantity), None)
        if side is None or not self.blocks.quantity.startswith("fraction"):
            what = self.blocks.quantity
            return f"weights are {'as they come in the table' if what == 'weight' else what}"
        return f"a weight is the {self.blocks.quantity} of the {ENDS[side]}synaptic neuron"


def nested(
    engine: SqlEngine,
    table: Relation,
    annotations: Annotations | None,
    question: NestedQuestion,
    rows: RowFilter,
    totals: Totals | None = None,
    further: Relation | None = None,
    types_only: bool = False,
    weak: bool = False,
) -> NestedResult:
    """Build a nested matrix.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
        Opened with `value` where a column is to be added up.
    annotations : Annotations or None
        With a column of types.
    question : NestedQuestion
    rows : RowFilter
    totals : Totals, optional
        What fractions of scope `all` are of, instead of the totals of the table.
    further : Relation, optional
        More synapses of neurons of the axes, with neurons that the table was not made for. They say who is there, and
        count for nothing else.
    types_only : bool
        Tables per type are all that is asked for, so that the notes speak of them.
    weak : bool
        Pairs below the threshold are to be among the pairs of `NestedResult.edges`.

    Raises
    ------
    UsageError, DataError
        Where options contradict each other, a chosen type is not there, or a fraction's whole is incomplete.
    """
    weighing, whole = question.weighing, question.scope == "all" and question.mode(table) in FRACTIONS
    if totals is not None and not whole and weighing.min_fraction is None:
        raise UsageError(
            "totals are for fractions of the normalization scope 'all' (weight mode relative_outgoing or "
            "relative_incoming); other weights are of what is shown"
        )
    labels = label_table(engine, table.id_type, *block_columns(annotations, question.by))
    asked = {
        end: asked_table(engine, table.id_type, labels, choice, question.ignore_case)
        for end, choice in question.axes.items()
    }
    outside = _outside(asked)
    values = weighing.column is not None
    condition = read_condition(engine, table, asked)
    found = edges(
        engine,
        table,
        condition,
        rows,
        sum_duplicates=question.sum_duplicates,
        values=values,
        outside=outside,
        weak=weak or (totals is None and (whole or weighing.min_fraction is not None)),
    )
    inside = found
    if question.selective and outside != "FALSE":
        inside = replace(found, relation=f"(SELECT * FROM {found.relation} WHERE NOT ({outside}))")
    work = EdgeList(
        engine, table, inside, (), weighing.weight, NeuronFilter(), rows, annotations, totals, question.sum_duplicates
    )
    work.notes += missing_values(engine, table, weighing.weight.how)
    if weighing.min_fraction is not None:
        work.keep_strong_inputs(weighing.min_fraction)
    left_out = 0
    if question.annotation_scope == "annotated_only":
        left_out = work.leave_out_strangers(labels, outside, weighing.signs is not None)
        work.notes += unannotated_note(found.ledger.unit, left_out)
    told = len(work.notes)
    if weighing.signs is not None:
        work.sign(weighing.signs)
    of_signs = [f"{question.within}: {note}" if question.within else note for note in work.notes[told:]]
    notes = [*work.notes[:told], *of_signs]
    work.leave_pairs()
    present = present_pairs(engine, table, found, rows)
    if further is not None:
        more = present_pairs(engine, further, edges(engine, further, None, rows), rows)
        present = engine.view("present", f"SELECT pre, post FROM {present} UNION ALL SELECT pre, post FROM {more}")
    neurons = neuron_index(engine, table, labels, present, asked, question.annotation_scope == "all")
    listed = engine.view(
        "entries",
        "SELECT CAST(a.code AS INTEGER) AS i, CAST(b.code AS INTEGER) AS j, e.weight AS weight "
        f"FROM {work.relation} AS e JOIN {neurons.relation} AS a ON e.pre = a.id "
        f"JOIN {neurons.relation} AS b ON e.post = b.id{' WHERE e.weight IS NOT NULL' if values else ''}",
    )
    engine.check_entries(listed, PER_ENTRY)
    entries = engine.arrays(f"SELECT * FROM {listed}")
    if table.whole_weights and not values:
        entries["weight"] = entries["weight"].astype(np.int64)
    on_axis = _on_axes(engine, table, neurons, present, asked, question, rows)
    orders = {end: choice.order for end, choice in question.axes.items()}
    square, quantity = question.target is None, question.quantity(table)
    neuron_order = neuron_places(engine, table.id_type, neurons, question.neuron_order, on_axis, notes)
    blocks = sorted_blocks(neurons, entries, on_axis, orders, neuron_order, square, quantity)
    blocks = replace(blocks, additive=weighing.weight.how != "mean")
    found.ledger.check()
    of_whole: list[str] = []
    blocks = _normalised(engine, table, blocks, neurons, found, question, totals, of_whole, outside, labels)
    notes += [*of_whole, *_axis_notes(neurons, on_axis, blocks, question, types_only)]
    annotated_only = question.annotation_scope == "annotated_only"
    notes += chosen_notes(engine, table, asked, labels if annotated_only else None, present, rows, question.keep_silent)
    reasons = completeness_reasons(question, table, rows, left_out)
    return NestedResult(
        blocks,
        found.ledger,
        _completeness(table, blocks, asked, reasons),
        found,
        {**weighing.facts(table), "weights": blocks.quantity, "labels": "neurons"},
        notes,
        [*of_signs, *of_whole],
        reasons,
        left_out,
    )


def _outside(asked: dict[str, str | None]) -> str:
    """A condition that holds for pairs that are not on both axes."""
    inside = [f"{end} IN (SELECT id FROM {chosen})" for end, chosen in asked.items() if chosen is not None]
    return f"NOT {sql.all_of(inside)}" if inside else "FALSE"


def read_condition(engine: SqlEngine, table: Relation, asked: dict[str, str | None]) -> str | None:
    """Which rows must be read: an axis of all neurons needs them all, two chosen ones need what touches either."""
    parts = []
    for end, chosen in asked.items():
        if chosen is None:
            return None
        ids = tuple(row[0] for row in engine.execute(f"SELECT id FROM {chosen} ORDER BY id"))
        parts.append(member(engine, end, ids, table.id_type))
    return sql.any_of(parts)


def missing_values(engine: SqlEngine, table: Relation, how: str) -> list[str]:
    """What to say of rows that have no value to add up, or to be in a mean: `how` is that of a `Weight`."""
    if how == "count":
        return []
    missing = engine.execute(f"SELECT count(*) FROM {table.relation} WHERE value IS NULL")[0][0]
    became = "to add up, and count as 0" if how == "sum" else "that could be in a mean"
    return [f"{missing:,} rows have no value {became}"] if missing else []


def unannotated_note(unit: str, left_out: int) -> list[str]:
    """What to say of rows that are left out, as their neurons have no annotation."""
    if not left_out:
        return []
    return [f"{left_out:,} {unit} of neurons without annotation are left out (annotation scope annotated_only)"]


def _on_axes(
    engine: SqlEngine,
    table: Relation,
    neurons: NeuronIndex,
    pairs: str,
    asked: dict[str, str | None],
    question: NestedQuestion,
    rows: RowFilter,
) -> dict[str, NDArray[np.bool_]]:
    """Which neurons of the roster are on each axis: those that are there, whatever their partners are.

    A mean is over all neurons of a type. One that talks to nobody who is shown counts in it, too.
    """
    background = rows.is_background("id", table.id_type)
    cleaned = f" AND NOT {background}" if rows.clean else ""

    def among(query: str) -> NDArray[np.bool_]:
        mask = np.zeros(len(neurons.ids), dtype=bool)
        codes = engine.arrays(f"SELECT r.code AS code FROM ({query}) AS q JOIN {neurons.relation} AS r ON q.id = r.id")
        mask[codes["code"].astype(np.int64)] = True
        return mask

    present = {}
    for end in ("pre", "post"):
        present[end] = among(f"SELECT DISTINCT {end} AS id FROM {pairs}")
        if table.silent is not None:
            present[end] |= among(f"SELECT DISTINCT id FROM {table.silent} WHERE side = '{end}'{cleaned}")
    if question.target is None:
        both = present["pre"] | present["post"]
        present = {"pre": both, "post": both}
    for end, chosen in asked.items():
        # Of a square matrix for which nobody is chosen, all that are annotated are.
        wanted = neurons.place != NOWHERE if chosen is None else among(f"SELECT id FROM {chosen}")
        if question.keep_silent and (chosen is not None or question.target is None):
            # The background is no neuron that could be without synapses.
            neuron = ~among(f"SELECT id FROM {neurons.relation} WHERE {background}")
            present[end] = present[end] | (wanted & neuron)
        if chosen is not None:
            present[end] = present[end] & wanted
    return present


def _normalised(
    engine: SqlEngine,
    table: Relation,
    blocks: BlockMatrix,
    neurons: NeuronIndex,
    found: Edges,
    question: NestedQuestion,
    totals: Totals | None,
    notes: list[str],
    outside: str,
    labels: str,
) -> BlockMatrix:
    """Make fractions of the weights, where the mode asks for them."""
    side = FRACTIONS.get(question.mode(table))
    if side is None:
        return blocks
    if (table.signed and question.scope == "selected") or question.weighing.signs is not None:
        notes.append("fractions of signed weights are of the total of absolute weights")
    if question.scope == "selected":
        return replace(blocks, matrix=blocks.matrix.normalize(side))
    end = ENDS[side]
    annotated = ""
    if question.annotation_scope == "annotated_only":
        annotated = f" AND pre IN (SELECT id FROM {labels}) AND post IN (SELECT id FROM {labels})"
    ids = engine.table(
        "of_neurons", f"SELECT DISTINCT {end} AS id FROM {found.relation} WHERE NOT ({outside}){annotated}"
    )
    whole = denominators(engine, table, side, ids, found.pairs, found.relation, totals, notes)
    arrays = engine.arrays(
        f"SELECT r.id AS id, CAST(w.whole AS DOUBLE) AS whole FROM {whole} AS w "
        f"JOIN {neurons.relation} AS r ON w.id = r.id ORDER BY r.id"
    )
    axis = blocks.source if side == "output" else blocks.target
    of_axis = np.zeros(len(axis.neurons))
    if len(arrays["id"]):
        spot = np.minimum(np.searchsorted(arrays["id"], axis.neurons), len(arrays["id"]) - 1)
        of_axis = np.where(arrays["id"][spot] == axis.neurons, arrays["whole"][spot], 0.0)
    return replace(blocks, matrix=blocks.matrix.normalize(side, of_axis))


def _axis_notes(
    neurons: NeuronIndex,
    on_axis: dict[str, NDArray[np.bool_]],
    blocks: BlockMatrix,
    question: NestedQuestion,
    types_only: bool,
) -> list[str]:
    """What to say of untyped neurons, of neurons that are not there, and of entries of the type order that are not."""
    notes = []
    shown = on_axis["pre"] | on_axis["post"]
    untyped = shown & (neurons.type_code < 0)
    annotated = int((untyped & (neurons.place != NOWHERE)).sum())
    if types_only:
        notes += untyped_note(annotated)
    elif annotated:
        notes.append(f"{plural(annotated, 'annotated neuron')} without a type, after the typed blocks")
    if int(untyped.sum()) > annotated and not types_only:
        unknown = plural(int(untyped.sum()) - annotated, "neuron")
        notes.append(f"{unknown} without annotation, at the end")
    return notes + unmatched_order(question, {"pre": blocks.source.types, "post": blocks.target.types})


def unmatched_order(question: NestedQuestion, types: dict[str, Sequence[str]]) -> list[str]:
    """What to say of entries of the type order that stand for no type of their axis."""
    notes = []
    source, target = question.axes["pre"].order, question.axes["post"].order
    # One order for both axes says nothing about either of them.
    sides = {" on the source axis": ["pre"], " on the target axis": ["post"]}
    if source == target:
        sides = {"": ["pre", "post"]}
    for where, ends in sides.items():
        missing = question.axes[ends[0]].order.unmatched([name for end in ends for name in types[end]])
        if missing:
            notes.append(f"type order: no type{where} is {', '.join(missing)}")
    return notes


def completeness_reasons(question: NestedQuestion, table: Relation, rows: RowFilter, left_out: int) -> list[str]:
    """Why the matrix, read as a table of edges, does not hold all synapses."""
    reasons = [filtered_by] if (filtered_by := rows.filtered_by(table)) else []
    reasons += [f"the neuropil {question.within}"] if question.within else []
    if question.mode(table) in FRACTIONS or question.mode(table) == "column":
        reasons.append(f"the weight mode {question.mode(table)}")
    reasons += question.weighing.reasons()
    if left_out:
        reasons.append("the annotation scope annotated_only")
    return reasons


def untyped_note(neurons: int) -> list[str]:
    """What to say of annotated neurons that no table per type has."""
    if not neurons:
        return []
    verb = "takes" if neurons == 1 else "take"
    return [f"{plural(neurons, 'annotated neuron')} without a type {verb} no part in tables per type"]


def types_completeness(table: Relation, reasons: Sequence[str], cells: str) -> Completeness:
    """What a table per pair of types is complete for: nobody's totals, since its IDs are no neurons.

    Parameters
    ----------
    table : Relation
    reasons : sequence of str
        Those of `completeness_reasons`.
    cells : str
        What a cell is: a "sum", a "mean" or a "fraction of the row".
    """
    nobody = frozenset[str]()
    plural = {"sum": "sums", "mean": "means"}.get(cells, "fractions")
    return table.completeness.narrowed(nobody, nobody, " and ".join([*reasons, f"{plural} per type"]))


def _completeness(
    table: Relation, blocks: BlockMatrix, asked: dict[str, str | None], reasons: Sequence[str]
) -> Completeness:
    """What is complete in the matrix, when it is read as a table of edges."""

    def texts(axis: Axis, end: str, other: str) -> frozenset[str] | None:
        if asked[other] is not None:
            return frozenset()
        return None if asked[end] is None else frozenset(map(str, axis.neurons.tolist()))

    outputs, inputs = texts(blocks.source, "pre", "post"), texts(blocks.target, "post", "pre")
    return table.completeness.narrowed(inputs, outputs, " and ".join(reasons))
