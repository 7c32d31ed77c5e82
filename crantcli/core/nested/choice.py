"""What a nested matrix is to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from crantcli.core.matrix.order import NeuronOrder, TypeOrder
from crantcli.core.relation import Relation
from crantcli.core.rows.denominators import Side
from crantcli.core.rows.weights import Weighing
from crantcli.errors import UsageError
from crantcli.ids import Selection
from crantcli.schema import Kind

WeightMode = Literal["relative_outgoing", "relative_incoming", "count", "column"]
Scope = Literal["selected", "all"]
AnnotationScope = Literal["annotated_only", "all"]

#: Neurons in the order in which they are to stand.
NeuronList = Selection

#: Modes whose weights are fractions, and of what.
FRACTIONS: dict[str, Side] = {"relative_outgoing": "output", "relative_incoming": "input"}


@dataclass(frozen=True)
class AxisChoice:
    """Which neurons one axis is to have, and the order of their types.

    Attributes
    ----------
    types : tuple of str or None
        Labels of types.
    neurons : Selection or None
        Neurons, beside those of the types. Where both are None, the axis has all neurons.
    order : TypeOrder
    """

    types: tuple[str, ...] | None = None
    neurons: Selection | None = None
    order: TypeOrder = field(default_factory=TypeOrder)

    @property
    def given(self) -> bool:
        """Whether the axis has chosen neurons only."""
        return self.types is not None or self.neurons is not None


@dataclass(frozen=True)
class NestedQuestion:
    """What a nested matrix is to show, beside the rows that count.

    Attributes
    ----------
    source : AxisChoice
        The rows; of a square matrix both axes.
    target : AxisChoice or None
        The columns; None makes the matrix square.
    weight_mode : {"relative_outgoing", "relative_incoming", "count", "column"} or None
        None means `relative_outgoing` for synapses, and the weights as they are for other tables.
    weighing : Weighing
        What is told of pairs, and which are strong enough; of a column in the mode `column`, and only then. The table
        has that as `value`.
    by : tuple of str
        Columns of the annotations whose labels make the blocks; those of cell types if none.
    scope : {"selected", "all"}
        Fractions of what is shown, or of all partners; of no bearing on other weights.
    annotation_scope : {"annotated_only", "all"}
    neuron_order : {"annotation", "id", "weight"}, or NeuronList
    keep_silent : bool
        Chosen neurons without synapses are on the axis; of a square matrix for which nobody is chosen, all that are
        annotated.
    sum_duplicates, ignore_case : bool
    within : str
        The neuropil that the table is about, if it is about one.
    """

    source: AxisChoice = field(default_factory=AxisChoice)
    target: AxisChoice | None = None
    weight_mode: WeightMode | None = None
    weighing: Weighing = field(default_factory=Weighing)
    by: tuple[str, ...] = ()
    scope: Scope = "selected"
    annotation_scope: AnnotationScope = "annotated_only"
    neuron_order: NeuronOrder | NeuronList = "annotation"
    keep_silent: bool = False
    sum_duplicates: bool = False
    ignore_case: bool = False
    within: str = ""

    def __post_init__(self) -> None:
        if (self.weight_mode == "column") != (self.weighing.column is not None):
            raise UsageError("a weight column and the weight mode 'column' go together: give both or none")

    @property
    def axes(self) -> dict[str, AxisChoice]:
        """The choice for each end of a pair."""
        return {"pre": self.source, "post": self.target or self.source}

    def mode(self, table: Relation) -> WeightMode:
        """How the weights of this table are made."""
        return self.weight_mode or ("relative_outgoing" if table.kind is Kind.SYNAPSES else "count")

    def quantity(self, table: Relation) -> str:
        """What an entry of the matrix is."""
        mode = self.mode(table)
        told = "synapses" if table.kind is Kind.SYNAPSES else "weight"
        if mode in FRACTIONS:
            place = f" in {self.within}" if self.within else ""
            whole = f"all {FRACTIONS[mode]}" if self.scope == "all" else f"{FRACTIONS[mode]} shown"
            told = f"fraction of {whole}{place}"
        return self.weighing.quantity(told)

    @property
    def selective(self) -> bool:
        """Whether pairs have to be looked at beyond their number of synapses."""
        return self.weighing.min_fraction is not None or self.weighing.signs is not None
