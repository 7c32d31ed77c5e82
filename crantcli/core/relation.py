"""What core knows about an opened source and hands on about a result. No values, only descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from crantcli.core import sql
from crantcli.core.compare.written import ComparisonForm
from crantcli.core.ledger import Ledger
from crantcli.core.partition import PartsOf, ids_listed, listed_ids
from crantcli.errors import DataError
from crantcli.schema import AXES, PAIRS, IdType, Kind, NeuronId
from crantcli.text import as_flags

Unit = Literal["nm", "pixels", "unknown"]
VoxelSize = tuple[float, float, float]


@dataclass(frozen=True)
class Completeness:
    """For which neurons a table holds every input and every output.

    Attributes
    ----------
    inputs, outputs : frozenset of str, or None
        IDs as text; None means all neurons.
    known : bool
        False where the table's origin is unknown, so that the two are only relative to that table.
    filtered_by : str
        Why the totals are short even so (a threshold, `--top`), or "".
    part : PartsOf or None
        The parts of a partitioned table that these rows are. Then `outputs` are those of nobody: see `covers`.
    """

    inputs: frozenset[str] | None = None
    outputs: frozenset[str] | None = None
    known: bool = False
    filtered_by: str = ""
    part: PartsOf | None = None

    @property
    def whole(self) -> bool:
        """Whether a table holds everything of everybody."""
        return self.inputs is None and self.outputs is None and not self.filtered_by

    def narrowed(
        self, inputs: frozenset[str] | None, outputs: frozenset[str] | None, filtered_by: str = ""
    ) -> Completeness:
        """What is still covered after a selection."""
        part = self.part
        if part is not None:
            part = replace(part, inputs=_both(part.inputs, inputs), outputs=_both(part.outputs, outputs))
        reason = self.filtered_by or filtered_by
        return Completeness(_both(self.inputs, inputs), _both(self.outputs, outputs), self.known, reason, part)

    def covers(self, side: Literal["input", "output"], neuron: NeuronId) -> bool:
        """Whether every input, or every output, of a neuron is here."""
        covered = self.inputs if side == "input" else self.outputs
        if covered is None or str(neuron) in covered:
            return True
        if self.part is None or side == "input" or not self.part.holds(neuron):
            return False
        return self.part.outputs is None or str(neuron) in self.part.outputs

    def of_parts(self, part: PartsOf) -> Completeness:
        """What parts of a table of this completeness cover; the same where these are all."""
        if part.complete:
            return replace(self, part=None)
        nobody = frozenset[str]()
        return replace(
            self, inputs=nobody, outputs=nobody, part=replace(part, inputs=self.inputs, outputs=self.outputs)
        )

    def as_dict(self) -> dict[str, Any]:
        """For the provenance; IDs sorted as text."""
        return {
            "inputs_of": listed_ids(self.inputs),
            "outputs_of": listed_ids(self.outputs),
            "origin": "known" if self.known else "unknown",
            "thinned_by": as_flags(self.filtered_by),
            **({} if self.part is None else {"part": self.part.as_dict()}),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Completeness:
        """Read back what `as_dict` wrote."""
        part = PartsOf.from_dict(record["part"]) if "part" in record else None
        inputs, outputs = (ids_listed(record[side]) for side in ("inputs_of", "outputs_of"))
        return cls(inputs, outputs, record.get("origin") == "known", record.get("thinned_by", ""), part)


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None:
        return other
    return one if other is None else one & other


def merge_filters(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Filters that rows have passed when they have passed both."""
    sizes = [f["min_size"] for f in (one, other) if f.get("min_size") is not None]
    return {
        "clean": bool(one.get("clean")) or bool(other.get("clean")),
        "min_size": max(sizes) if sizes else None,
        "threshold": max(one.get("threshold", 1), other.get("threshold", 1)),
        **({"where": where} if (where := [*one.get("where", ()), *other.get("where", ())]) else {}),
    }


@dataclass(frozen=True)
class Relation:
    """An opened source: a view named `relation` with canonical column names.

    A view of points has the coordinates of its positions, and perhaps `id`, and nothing else of what follows.
    Synapse and edge views have `pre` and `post` (never null only after preparation); synapse views may have `id`
    and `size`; edge views have `weight`. Either may have `neuropil`, and `value` where a column was asked for to be
    added up. Other columns keep their names.

    Attributes
    ----------
    roles : frozenset of str
        Which of these columns it has.
    rows : int
        Rows of the whole table, without those that `--where` left out.
    filtered : int
        Rows that it left out.
    null_rows : int or None
        Rows with a null neuron ID, where the file's footer tells; else None.
    pre_name, post_name : str
        What the ID columns are called in the source.
    carried : tuple of str
        Further columns, in the source's order, positions taken apart into `_x _y _z`.
    known : tuple of str
        Names of all columns of the source, for messages.
    positions : tuple of str
        Names of the positions among them; "" is that of columns x, y, z.
    unique_ids : bool
        The file is known to hold no synapse id twice.
    inputs : tuple of dict
        Base name, size and fingerprint of each input, for the provenance.
    silent : str or None
        A table (`side`, `id`) of the neurons on the axes of an adjacency.
    filters : dict
        What the file was filtered by when it was made: clean, min_size, threshold.
    within : str or None
        A condition on the rows that belong to the table, as query text; the others count as unselected.
    signed : bool
        Weights may be negative.
    read_as : str
        What the table was taken for, for people and for the provenance.
    read_notes : tuple of str
        What else was noticed when it was read.
    whole_rows : str or None
        A view of the rows with all their columns, under the names that they have in the source, beside `pre` and
        `post`: to tell what rows of one pair differ in.
    totals : mapping of "input" and "output" to mapping of str to number
        All input and all output of neurons, by IDs as text, where the file tells what they were in a larger table.
    partial : bool
        It was fetched for the neurons that were asked for, and says nothing of others.
    compared : ComparisonForm or None
        Of edges whose weights are differences, as `compare` has written them.
    types : str or None
        A view `id, label` of the types of its neurons, where files beside it tell them.
    quantity : str
        What the entries of a matrix are, where the file tells.
    """

    kind: Kind
    relation: str
    id_type: IdType
    rows: int
    null_rows: int | None = None
    pre_name: str = "pre"
    post_name: str = "post"
    roles: frozenset[str] = frozenset()
    whole_weights: bool = True
    whole_values: bool = True
    carried: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()
    unique_ids: bool = False
    unit: Unit = "unknown"
    voxel_size: VoxelSize | None = None
    completeness: Completeness = Completeness()
    inputs: tuple[dict[str, Any], ...] = ()
    silent: str | None = None
    filters: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    within: str | None = None
    filtered: int = 0
    signed: bool = False
    read_as: str = ""
    read_notes: tuple[str, ...] = ()
    whole_rows: str | None = None
    totals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    partial: bool = False
    compared: ComparisonForm | None = None
    types: str | None = None
    quantity: str = ""

    @property
    def written_names(self) -> tuple[str, str]:
        """What the ID columns are called in what is passed on: as in the source, where we write such names."""
        spelled = (self.pre_name, self.post_name)
        return spelled if spelled in PAIRS[:2] else PAIRS[0]

    def having(self, *roles: str) -> tuple[str, ...]:
        """Those of these columns that the table has, in the order given."""
        return tuple(role for role in roles if role in self.roles)

    def ledger(self) -> Ledger:
        """The ledger of the table's rows, from which `--where` has taken some."""
        unit = self.kind.value if self.kind in (Kind.SYNAPSES, Kind.POINTS) else "edges"
        unit = unit if self.compared is None else "pairs"
        ledger = Ledger(unit, self.rows + self.filtered)
        ledger.remove("where", self.filtered)
        return ledger

    def axes(self, position: str) -> list[str]:
        """Columns of the coordinates of a position."""
        named = [f"{position}_{axis}" for axis in AXES]
        return named if position or named[0] in self.carried else list(AXES)

    def require_synapses(self, command: str) -> None:
        """Refuse a table that has not one row per synapse.

        Raises
        ------
        DataError
        """
        if self.kind is not Kind.SYNAPSES:
            what = "a table of points" if self.kind is Kind.POINTS else f"an {self.kind} table"
            raise DataError(f"this is {what}; {command} needs one row per synapse")


def annotation_column(name: str) -> str:
    """What a column of an annotation table is called in our views, as query text.

    The prefix keeps the table's own names apart from ours, whatever they are.
    """
    return sql.quote("c:" + name)


@dataclass(frozen=True)
class Annotations:
    """An annotation table, one row per neuron, in a view named `relation`.

    The view has `id`, `place` (row number of the neuron's first row, from 1) and the table's columns under the names
    that `annotation_column` gives.

    Attributes
    ----------
    relation : str
    id_column : str
    columns : tuple of str
        All columns of the table, the ID column included.
    type_column : str or None
    list_columns : frozenset of str
        Columns that hold lists of labels.
    every_row : str
        A table of all rows of neurons; `row` instead of `place`.
    background : tuple of str
        IDs that stand for no neuron.
    numbers : function
        Columns that are text in `relation`, as labels are, and numbers or truths in the file -> query text that gives
        these, and its SQL type: BIGINT, DOUBLE or BOOLEAN. It looks at all values.
    """

    relation: str
    every_row: str
    id_column: str
    columns: tuple[str, ...]
    type_column: str | None
    list_columns: frozenset[str] = frozenset()
    inputs: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    numbers: Callable[[], Mapping[str, tuple[str, str]]] = dict


@dataclass(frozen=True)
class Totals:
    """Totals per neuron from a file: a view `id, input, output`, complete for `completeness`."""

    relation: str
    completeness: Completeness
    filters: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[dict[str, Any], ...] = ()


@dataclass
class Result:
    """A finished table: the query that gives its rows in their order, and what to say about it.

    Attributes
    ----------
    query : str
        SELECT text, ORDER BY included.
    columns : tuple of str
        Names of the columns.
    rows : int
        Number of rows.
    facts : dict
        What goes into the provenance beside options, inputs and ledger.
    notes : list of str
        What the user should be told.
    """

    query: str
    columns: tuple[str, ...]
    rows: int
    ledger: Ledger
    completeness: Completeness = Completeness()
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
