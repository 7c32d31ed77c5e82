"""A matrix of neurons in blocks of cell types, and tables per pair of types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from crantcli.checks import check_names
from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.matrix.order import NEURON_ORDERS, NeuronOrder, TypeOrder, label_text
from crantcli.core.nested.axes import block_columns
from crantcli.core.nested.choice import AnnotationScope, AxisChoice, NestedQuestion, WeightMode
from crantcli.core.nested.choice import Scope as NormalizationScope
from crantcli.core.nested.matrix import NestedResult, nested, types_completeness
from crantcli.core.nested.scope import further_neurons, needed_neurons
from crantcli.core.nested.type_sums import TypeSums, one_pass, type_sums
from crantcli.core.question import Figure, Matrix, Output, Table
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
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.groups import parse_by
from crantcli.core.rows.weights import Signs, Weighing, Weight
from crantcli.errors import UsageError
from crantcli.ids import Selection, Selector
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.core.matrix.blocks import BlockMatrix
    from crantcli.core.matrix.labelled import LabelledMatrix

#: Outputs that have a row and a column per type.
OF_TYPES = frozenset({"type_sum", "type_mean", "relative_types"})

_OF_ROW = "fraction of the row"

_CHOICES: dict[str, tuple[Any, ...]] = {
    "weight_mode": (None, "relative_outgoing", "relative_incoming", "count", "column"),
    "normalization_scope": ("selected", "all"),
    "annotation_scope": ("annotated_only", "all"),
}


#: Columns of the table of the axes.
_ORDER = ("axis", "position", "neuron", "type")


@dataclass(frozen=True)
class Nested(Question):
    """A matrix of neurons in blocks of cell types.

    Attributes
    ----------
    source_types, target_types : labels or None
        Cell types of the rows; of the columns.
    source_neurons, target_neurons : neurons or None
        Neurons beside those of the types. An axis for which nothing is chosen has all neurons.
    directed : bool
        Rows and columns are chosen by themselves; else the choice for the rows is that for both.
    type_order : TypeOrder, labels, "size" or None
        Types that come first, on both axes.
    source_type_order, target_type_order : the same
        On one axis.
    weight_mode : {"relative_outgoing", "relative_incoming", "count", "column"} or None
        None means `relative_outgoing` for synapses, and the weights as they are for other tables.
    weight_column : str or None
        What the mode `column` adds up.
    weight : {"count", "sum:COL", "mean:COL"} or None
        The same as commands without a mode have it: `count` is the mode of that name, `sum:COL` is the mode `column`
        with this column, and `mean:COL` is of it, too. Fractions are of synapses.
    min_fraction : float or None
        Show pairs that are at least this part of the post neuron's input. Who is on the axes does not depend on it.
    signs : Signs or None
        Weights of inhibitory neurons are negative; fractions are of absolute totals.
    by : names of columns, or None
        Columns of the annotations whose labels, joined by a colon, make the blocks, instead of that of cell types.
    links : str or None
        A column of the table of the axes, `order`, with links that show the neuron in the data set's viewer.
    normalization_scope : {"selected", "all"}
        Fractions of what is shown, or of all partners.
    annotation_scope : {"annotated_only", "all"}
        Neurons that are annotated, or all.
    neuron_order : {"annotation", "id", "weight"}, or neurons
        Within a type; neurons in their order, as `Similar` tells it, and others after them.
    keep_unconnected : bool
        Chosen neurons without synapses are on the axis; of a square matrix for which nobody is chosen, all that are
        annotated.
    sum_duplicates : bool
        Add up edge rows that repeat a pair.
    ignore_case : bool
        Of types.
    """

    source_types: tuple[str, ...] | None = None
    target_types: tuple[str, ...] | None = None
    source_neurons: Selectors = None
    target_neurons: Selectors = None
    directed: bool = False
    type_order: Any = None
    source_type_order: Any = None
    target_type_order: Any = None
    weight_mode: WeightMode | None = None
    weight_column: str | None = None
    normalization_scope: NormalizationScope = "selected"
    annotation_scope: AnnotationScope = "annotated_only"
    neuron_order: NeuronOrder | tuple[Selector, ...] = "annotation"
    keep_unconnected: bool = False
    sum_duplicates: bool = False
    ignore_case: bool = False
    weight: str | Weight | None = None
    min_fraction: float | None = None
    signs: Signs | None = None
    by: str | tuple[str, ...] | None = None
    links: str | None = None

    command: ClassVar[str] = "nested"
    chosen_by: ClassVar[str] = f"{P.source_types}, {P.source_neurons}, {P.target_types} or {P.target_neurons}"
    outputs: ClassVar[Mapping[str, type]] = {
        "": Matrix, "type_sum": Matrix, "type_mean": Matrix, "relative": Matrix, "relative_types": Matrix,
        "order": Table, "plot": Figure,
    }  # fmt: skip
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                listed = ", ".join(repr(choice) for choice in choices if choice is not None)
                raise UsageError(f"{name}={value!r}: one of {listed}")
        check_names(links=self.links)
        if self.links is not None and self.links.lower() in _ORDER:
            raise UsageError(f"{P.links} {self.links} would make a second column {self.links.lower()}")
        if isinstance(self.neuron_order, str):
            if self.neuron_order not in NEURON_ORDERS:
                listed = ", ".join(map(repr, NEURON_ORDERS))
                raise UsageError(f"neuron_order={self.neuron_order!r}: one of {listed}, or a list of neurons")
        else:
            normalize_selectors(self, "neuron_order")
        for name in ("source_types", "target_types"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_labels(getattr(self, name)))
        normalize_selectors(self, "source_neurons", "target_neurons")
        self._settle_weight()
        _ = self.weighing  # refuses what is no fraction
        by = parse_by(self.by)
        object.__setattr__(self, "by", by or None)
        if any(name.startswith(("pre:", "post:")) for name in by):
            raise UsageError(f"{P.by(','.join(by))}: columns of the annotations, which make blocks of both axes")
        own = self.source_type_order is not None or self.target_type_order is not None
        if own and not self.directed:
            raise UsageError(
                f"{P.source_type_order} and {P.target_type_order} are for rectangular matrices; use {P.type_order}, "
                f"or {P.directed(True)}"
            )

    def _settle_weight(self) -> None:
        """Take a weight for the mode and the column that it means.

        Raises
        ------
        UsageError
            Where one contradicts the other.
        """
        given = None if self.weight is None else Weight.parse(self.weight)
        if given is not None:
            mode, column = ("column", given.column) if given.column else (self.weight_mode or "count", None)
            if (self.weight_mode or mode) != mode or (mode == "column") != (given.column is not None):
                raise UsageError(f"{P.weight(str(given))} and {P.weight_mode(str(self.weight_mode))}: give one of them")
            if self.weight_column is not None and (self.weight_column != column or given.how != "sum"):
                raise UsageError(f"{P.weight(str(given))} and {P.weight_column(self.weight_column)}: give one of them")
            for name, value in (("weight", given), ("weight_mode", mode), ("weight_column", column)):
                object.__setattr__(self, name, value)
        if (self.weight_mode == "column") != (self.weight_column is not None):
            raise UsageError("a weight column and the weight mode 'column' go together: give both or none")

    @property
    def weighing(self) -> Weighing:
        """What is told of pairs, and which are strong enough."""
        how: Literal["count", "sum", "mean"] = "count" if self.weight_column is None else "sum"
        if isinstance(self.weight, Weight):
            how = self.weight.how
        return Weighing(Weight(how, self.weight_column), self.min_fraction, self.signs)

    def about(self, neurons: Mapping[str, Selection | None]) -> NestedQuestion:
        """What is asked of these neurons."""
        source = self._axis("source", neurons)
        return NestedQuestion(
            source,
            self._axis("target", neurons) if self.directed else None,
            self.weight_mode,
            self.weighing,
            self.by if isinstance(self.by, tuple) else (),
            self.normalization_scope,
            self.annotation_scope,
            self.neuron_order if isinstance(self.neuron_order, str) else neurons.get("neuron_order") or Selection(()),
            self.keep_unconnected,
            self.sum_duplicates,
            self.ignore_case,
        )

    def _axis(self, side: str, neurons: Mapping[str, Selection | None]) -> AxisChoice:
        own = getattr(self, f"{side}_type_order")
        order = TypeOrder.of(self.type_order if own is None else own)
        return AxisChoice(getattr(self, f"{side}_types"), neurons[f"{side}_neurons"], order)

    def needs(self) -> Needs:
        """Neurons with their types, and what is added up."""
        useless = (
            f"{P.totals} goes with {P.normalization_scope('all')} or {P.min_fraction}; other fractions are of what is "
            "shown"
        )
        whole = self.normalization_scope == "all" or self.min_fraction is not None
        return Needs(
            {
                "source_neurons": self.source_neurons,
                "target_neurons": self.target_neurons,
                **({} if isinstance(self.neuron_order, str) else {"neuron_order": self.neuron_order}),
            },
            labels=True,
            columns=() if self.weight_column is None else (self.weight_column,),
            value=self.weight_column,
            viewer="" if self.links is None else "needed",
            without_totals="" if whole else useless,
        )

    def check_annotations(self, annotations: Annotations | None) -> None:
        """They must have types."""
        block_columns(annotations, self.by if isinstance(self.by, tuple) else ())

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Synapses between the axes, and with others where fractions are of all partners."""
        question = self.about(given.neurons)
        needed = needed_neurons(engine, "BIGINT", given.annotations, question, whole_table=given.has_totals)
        notes = tuple(
            f"of neurons without annotation, the {side} axis has those that have synapses with the chosen ones; a data "
            "set on a server is not fetched as a whole"
            for end, side in (("pre", "source"), ("post", "target"))
            if question.annotation_scope == "all" and not question.axes[end].given
        )
        return Scope(needed["pre"], needed["post"], notes=notes)

    def further(self, engine: SqlEngine, given: Inputs, scope: Scope, everyone: bool = False) -> dict[str, Selection]:
        """Neurons that are on an axis if they have a synapse with a neuron of which none was fetched."""
        needed = {"pre": scope.pre, "post": scope.post}
        question = self.about(given.neurons)
        return further_neurons(engine, given.source, given.annotations, question, given.rows, needed, everyone)

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Make the matrix, or tables per type alone, which can be had in one pass."""
        question, table = self.about(given.neurons), given.source
        types_only = bool(wanted) and wanted <= OF_TYPES
        result: NestedResult | TypeSums
        if types_only and "type_mean" not in wanted and one_pass(question, table, given.rows):
            result = type_sums(engine, table, given.annotations, question, given.rows, given.further)
        else:
            result = nested(
                engine, table, given.annotations, question, given.rows, given.totals, given.further, types_only
            )
        results = self.results(engine, result, table, wanted)
        for name in ("", "relative"):
            matrix = results.outputs.get(name)
            if isinstance(matrix, Matrix):
                results.outputs = {**results.outputs, name: matrix._replace(annotations=given.annotations)}
        order = results.outputs.get("order")
        if self.links is not None and given.viewer is not None and isinstance(order, Table):
            link = given.viewer.of_table(table).neuron_sql("neuron")
            query = f"SELECT *, {link} AS {sql.quote(self.links)} FROM ({order.query}) ORDER BY axis, position"
            order = order._replace(query=query, columns=(*order.columns, self.links))
            results.outputs = {**results.outputs, "order": order}
            results.options["links"] = self.links
        results.options["totals"] = (given.totals is not None) or None
        return results

    def results(
        self, engine: SqlEngine, result: NestedResult | TypeSums, table: Relation, wanted: frozenset[str]
    ) -> Results:
        """What to say of a matrix. It follows from what is wanted, and not from how it was computed."""
        types_only = bool(wanted) and wanted <= OF_TYPES
        blocks = result.blocks if isinstance(result, NestedResult) else None
        main = result.type_sum if blocks is None or types_only else blocks.matrix
        shape_of_types = main.shape if blocks is None else (len(blocks.source.types), len(blocks.target.types))
        types = dict(zip(("source", "target"), shape_of_types, strict=True))
        shown = f"{types['source']:,} x {types['target']:,} types"
        shape = None if types_only else main.shape
        entries = len(main.weights)
        return Results(
            self._outputs(engine, result, blocks, table, wanted),
            "adjacency",
            main.shape[0],
            result.ledger,
            result.completeness,
            entries,
            f"entries in {shown}" if shape is None else f"entries in {shape[0]:,} x {shape[1]:,} neurons, {shown}",
            options=self.options(table),
            facts=result.facts,
            notes=result.notes,
            remarks=[result.statement],
            details={
                "shape": shape and list(shape),
                "entries": entries,
                "types": types,
                "weights": result.quantity,
            },
            subject=result,
        )

    def _outputs(
        self,
        engine: SqlEngine,
        result: NestedResult | TypeSums,
        blocks: BlockMatrix | None,
        table: Relation,
        wanted: frozenset[str],
    ) -> dict[str, Output]:
        def of_types(cells: str) -> dict[str, Any]:
            return {"cells": cells, "labels": "types", "completeness": types_completeness(table, result.reasons, cells)}

        made: dict[str, Output] = {
            "type_sum": Matrix(lambda: result.type_sum, **of_types("sum")),
            "relative_types": Matrix(lambda: result.type_sum.normalize("output"), **of_types(_OF_ROW)),
        }
        if blocks is not None:
            why = result.completeness.filtered_by or f"being a table in which each cell is a {_OF_ROW}"
            shares = replace(result.completeness, filtered_by=why)
            made[""] = Matrix(lambda: blocks.matrix)
            made["type_mean"] = Matrix(lambda: blocks.type_mean, **of_types("mean"))
            made["relative"] = Matrix(lambda: _of_rows(blocks), _OF_ROW, "neurons", shares)
            made["plot"] = Figure("nested", blocks)
            if "order" in wanted:
                made["order"] = self.order_table(engine, blocks)
        return made

    def order_table(self, engine: SqlEngine, blocks: BlockMatrix) -> Table:
        """The axes as a table `axis, position, neuron, type`; positions count from 0, and no type is null."""
        axes = {"source": blocks.source, "target": blocks.target} if self.directed else {"both": blocks.source}
        parts: dict[str, list[Any]] = {"axis": [], "position": [], "neuron": [], "type": []}
        for name, axis in axes.items():
            number = len(axis.neurons)
            types = [label for label, start, stop in axis.blocks for _ in range(stop - start)]
            parts["axis"].append(np.array([name] * number, dtype=str))
            parts["position"].append(np.arange(number))
            parts["neuron"].append(axis.neurons)
            parts["type"].append(np.array([*types, *([""] * (number - axis.typed))], dtype=str))
        relation = engine.columns_table("axes", {name: np.concatenate(arrays) for name, arrays in parts.items()})
        total = sum(len(axis.neurons) for axis in axes.values())
        query = f"SELECT axis, position, neuron, nullif(type, '') AS type FROM {relation} ORDER BY axis, position"
        return Table(query, tuple(parts), total, {"kind": "order"})

    def options(self, table: Relation) -> dict[str, Any]:
        """What bears on the content, for the provenance."""
        asked = self.about({"source_neurons": None, "target_neurons": None})
        source, target = (asked.axes[end].order.record() for end in ("pre", "post"))
        orders = (
            {"type_order": source} if source == target else {"source_type_order": source, "target_type_order": target}
        )
        mode = asked.mode(table)
        return {
            "source_types": list(self.source_types or ()),
            "target_types": list(self.target_types or ()) if self.directed else None,
            "directed": self.directed or None,
            "keep_silent": self.keep_unconnected or None,
            "weight_mode": mode,
            "weight_column": self.weight_column,
            **self.weighing.record(),
            "weight": str(self.weight) if self.weighing.weight.how == "mean" else None,
            "by": list(asked.by),
            "normalization_scope": self.normalization_scope if mode.startswith("relative") else None,
            "annotation_scope": self.annotation_scope,
            "neuron_order": self.neuron_order if isinstance(self.neuron_order, str) else "listed",
            "sum_duplicates": self.sum_duplicates or None,
            **orders,
        }


def _of_rows(blocks: BlockMatrix) -> LabelledMatrix:
    """Weights as fractions of their row."""
    blocks.check_sums()
    return blocks.matrix.normalize("output")


def as_labels(given: Any) -> tuple[str, ...]:
    """Labels as text, from one or several."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [given]
    return tuple(map(label_text, given))
