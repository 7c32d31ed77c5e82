"""Synapses per pair of types in one pass, where no table of neurons is asked for.

Sums per pair of neurons, which a nested matrix is made of, take three times as long; the result is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crantcli.core import sql
from crantcli.core.engine import NeuronGroups, PairRules, SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.matrix.blocks import label_array
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.nested.axes import asked_table, block_columns, known_types, label_table, matching_types
from crantcli.core.nested.choice import AxisChoice, NestedQuestion
from crantcli.core.nested.matrix import (
    completeness_reasons,
    missing_values,
    read_condition,
    types_completeness,
    unannotated_note,
    unmatched_order,
    untyped_note,
)
from crantcli.core.relation import Annotations, Completeness, Relation
from crantcli.core.rows.filters import RowFilter, prepare
from crantcli.core.rows.steps import STEPS, step_number
from crantcli.schema import Kind

#: Numbers of steps: of rows that are kept, that lack a neuron, and of those in which both neurons are in the table.
_KEPT, _NULL, _THERE = len(STEPS), STEPS.index("null"), (len(STEPS), STEPS.index("unannotated"))

_UNANNOTATED = -1


@dataclass
class TypeSums:
    """Sums per pair of types and what to say about them.

    Attributes
    ----------
    type_sum : LabelledMatrix
        Types as IDs.
    quantity : str
    reasons : list of str
        Why not all synapses are in it.
    """

    type_sum: LabelledMatrix
    quantity: str
    ledger: Ledger
    completeness: Completeness
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def statement(self) -> str:
        """What an entry is; `one_pass` admits no fractions."""
        return f"weights are {self.quantity}"


def one_pass(question: NestedQuestion, table: Relation, rows: RowFilter) -> bool:
    """Whether sums per pair of types can be had without looking at pairs of neurons."""
    mode = question.mode(table)
    return (
        table.kind is Kind.SYNAPSES
        and not rows.filtered_by(table)
        and (mode == "count" or (mode == "column" and table.whole_values))
        and not any(choice.order.by_size or choice.neurons is not None for choice in question.axes.values())
        and not question.keep_silent
        and not question.selective
        and question.weighing.weight.how != "mean"
    )


def type_sums(
    engine: SqlEngine,
    table: Relation,
    annotations: Annotations | None,
    question: NestedQuestion,
    rows: RowFilter,
    further: Relation | None = None,
) -> TypeSums:
    """Add up synapses per pair of types.

    Parameters
    ----------
    engine, table, annotations, question, rows, further
        As for `nested`, of which this gives the `type_sum`; `one_pass` must hold.
    """
    rows.check(table)
    labels = label_table(engine, table.id_type, *block_columns(annotations, question.by))
    types = known_types(engine, labels)
    values = question.weight_mode == "column"
    needed = (*(["size"] if rows.min_size is not None else []), *(["value"] if values else []))
    asked = {
        end: asked_table(engine, table.id_type, labels, choice, question.ignore_case)
        for end, choice in question.axes.items()
    }
    condition, codes = read_condition(engine, table, asked), _codes(engine, labels, types)
    whole = None if condition or values or table.within else _stored_counts(engine, codes, table, question, rows)
    if whole is not None:
        ledger, found = table.ledger(), whole
    else:
        prepared = prepare(engine, table, condition, needed)
        ledger, found = prepared.ledger, _counted(engine, prepared.relation, codes, table, question, rows)
    if further is not None:
        relation = prepare(engine, further, None, needed).relation
        found = _also_there(found, _counted(engine, relation, codes, further, question, rows))
    inside = found["step"] != _NULL
    shown: dict[str, list[str]] = {}
    untyped = set[int]()
    # A type is on the axis if one of its neurons is there, whatever the partners are.
    there = np.isin(found["step"], _THERE)
    for end, choice in question.axes.items():
        on_axis = _on_axis(found, end, types, choice, question)
        inside &= on_axis[found[end]]
        present = np.unique(np.concatenate([found[side][there] for side in _sides(end, question)]))
        shown[end] = [types[code] for code in present[present >= 0].tolist() if on_axis[code]]
        untyped.update(code for code in present[present < _UNANNOTATED].tolist() if on_axis[code])
    numbers = found["n"]
    null, kept = found["step"] == _NULL, inside & (found["step"] == _KEPT)
    ledger.remove("null", int(numbers[null].sum()))
    ledger.remove("unselected", int(numbers[~inside & ~null].sum()))
    for number, step in enumerate(STEPS):
        ledger.remove(step, int(numbers[inside & (found["step"] == number)].sum()))
    ledger.kept = int(numbers[kept].sum())
    ledger.check()
    left_out = ledger.removed.get("unannotated", 0)
    reasons = completeness_reasons(question, table, rows, left_out)
    return TypeSums(
        _matrix(found, kept, types, shown, question),
        question.quantity(table),
        ledger,
        types_completeness(table, reasons, "sum"),
        {"weights": question.quantity(table), "labels": "types"},
        [
            *missing_values(engine, table, question.weighing.weight.how),
            *unannotated_note(ledger.unit, left_out),
            *untyped_note(len(untyped)),
            *unmatched_order(question, {"pre": shown["pre"], "post": shown["post"]}),
        ],
        reasons,
    )


def _codes(engine: SqlEngine, labels: str, types: list[str]) -> str:
    """A table `neuron, code`.

    A code is a place in `types`, or `_UNANNOTATED`; each neuron without a type has one of its own below that, so that
    they can be counted.
    """
    numbered = engine.id_table("type_codes", types, "VARCHAR")
    own = f"{_UNANNOTATED - 1} - ({sql.row_numbers()})"
    return engine.table(
        "codes",
        f"SELECT l.id AS neuron, CAST(coalesce(t.position, {own}) AS INTEGER) AS code "
        f"FROM {labels} AS l LEFT JOIN {numbered} AS t ON l.label = t.id",
    )


def _also_there(found: dict[str, NDArray[Any]], more: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What was counted, with rows that say who is there, and count for nothing."""
    there = np.isin(more["step"], _THERE)
    added = {name: values[there] for name, values in more.items()}
    added["step"] = np.full_like(added["step"], STEPS.index("unannotated"))
    for name in added.keys() & {"n", "value"}:
        added[name] = np.zeros_like(added[name])
    return {name: np.concatenate([values, added[name]]) for name, values in found.items()}


def _stored_counts(
    engine: SqlEngine, codes: str, table: Relation, question: NestedQuestion, rows: RowFilter
) -> dict[str, NDArray[Any]] | None:
    """The same as `_counted`, if the engine has a way of its own to count all rows; else None."""
    if table.id_type != "BIGINT":
        return None
    only = question.annotation_scope == "annotated_only"
    rules = PairRules(
        clean=rows.clean,
        background=rows.background,
        min_size=rows.min_size,
        threshold=1,
        distinct="id" in table.roles and not table.unique_ids,
    )
    return engine.count_groups(table.relation, NeuronGroups(codes, _UNANNOTATED, only), rules)


def _counted(
    engine: SqlEngine,
    relation: str,
    codes: str,
    table: Relation,
    question: NestedQuestion,
    rows: RowFilter,
) -> dict[str, NDArray[Any]]:
    """Rows, and sums of values, by step of the ledger and by the codes of both ends."""
    conditions = rows.conditions(table.id_type)
    if question.annotation_scope == "annotated_only":
        conditions["unannotated"] = "(a.code IS NULL OR b.code IS NULL)"
    value = ", CAST(coalesce(sum(value), 0) AS BIGINT) AS value" if question.weight_mode == "column" else ""
    return engine.arrays(
        f"SELECT step, pre_code AS pre, post_code AS post, count(*) AS n{value} FROM ("
        f"SELECT {step_number(conditions)} AS step, coalesce(a.code, {_UNANNOTATED}) AS pre_code, "
        f"coalesce(b.code, {_UNANNOTATED}) AS post_code{', value' if value else ''} FROM {relation} AS r "
        f"LEFT JOIN {codes} AS a ON r.pre = a.neuron LEFT JOIN {codes} AS b ON r.post = b.neuron) GROUP BY ALL"
    )


def _sides(end: str, question: NestedQuestion) -> tuple[str, ...]:
    return (end,) if question.target is not None else ("pre", "post")


def _on_axis(
    found: dict[str, NDArray[Any]], end: str, types: list[str], choice: AxisChoice, question: NestedQuestion
) -> NDArray[np.bool_]:
    """Whether each code may be on an axis; codes below 0 count from the end of the array."""
    lowest = min((int(found[side].min(initial=0)) for side in ("pre", "post")), default=0)
    if choice.types is None:
        return np.ones(len(types) - lowest, dtype=bool)
    chosen = set(matching_types(choice.types, types, question.ignore_case))
    mask = np.zeros(len(types) - lowest, dtype=bool)
    mask[[number for number, name in enumerate(types) if name in chosen]] = True
    return mask


def _matrix(
    found: dict[str, NDArray[Any]],
    kept: NDArray[np.bool_],
    types: list[str],
    shown: dict[str, list[str]],
    question: NestedQuestion,
) -> LabelledMatrix:
    """The sums, types in the order of each axis."""
    counted = kept & (found["pre"] >= 0) & (found["post"] >= 0)
    axes, places = {}, {}
    code_of = {name: code for code, name in enumerate(types)}
    for end, choice in question.axes.items():
        ordered = choice.order.sorted(dict.fromkeys(shown[end], 0))
        place = np.full(len(types), -1)
        place[[code_of[name] for name in ordered]] = np.arange(len(ordered))
        axes[end], places[end] = label_array(ordered), place[found[end][counted]]
    weights = found["value" if question.weight_mode == "column" else "n"][counted]
    return LabelledMatrix.from_entries(
        axes["pre"], axes["post"], places["pre"], places["post"], weights.astype(np.int64)
    )
