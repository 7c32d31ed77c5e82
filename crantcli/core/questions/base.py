"""What a question is: what it needs, whose synapses suffice for it, and how it is answered.

A question knows no files, no servers and no formats. `crantcli.run` opens what it needs and passes its results on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.neuroglancer import PairLinks
from crantcli.core.question import Output, Table
from crantcli.core.relation import Annotations, Completeness, Relation, Result, Totals
from crantcli.core.rows.filters import RowFilter
from crantcli.ids import Selection, Selector, python_selectors
from crantcli.schema import NeuronId
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.core.geometry.boxes import MeshBoxes
    from crantcli.core.geometry.containment import MeshIndex
    from crantcli.core.geometry.skeleton import Skeleton

#: Which neurons a parameter names; None for all, an empty tuple for none.
Selectors = tuple[Selector, ...] | None


def normalize_selectors(question: object, *names: str) -> None:
    """Read what a caller gave for some fields of a question: IDs, text, criteria, or a list of them."""
    for name in names:
        given = getattr(question, name)
        if given is not None:
            object.__setattr__(question, name, python_selectors(given))


def as_names(given: str | Sequence[str]) -> tuple[str, ...]:
    """Names of columns, from one or several."""
    return (given,) if isinstance(given, str) else tuple(given)


@dataclass(frozen=True)
class Needs:
    """What a question has to be given; said before anything is opened.

    Attributes
    ----------
    neurons : mapping of str to tuple of Selector, or None
        Parameter -> the neurons that it names, None for all.
    labels : bool
        Annotations are part of the answer, and not only a way to name neurons.
    labels_for_scope : bool
        They say which synapses are fetched from a server.
    synapses : bool
        One row has to be one synapse.
    columns : tuple of str, or None
        Columns to fetch from a server beside neurons and sizes; None for all that there are.
    ordered : bool
        The rows are passed on in the order in which they come: of a server's, by pre, post and id.
    carry : bool, "positions" or tuple of str
        Whether further columns are kept, or positions only, or those that are named, as far as there are such.
    value, position : str or None
        A column to add up; a further column that is a position.
    points : bool
        Positions without neurons will do.
    comparison, neuropils : bool
        What `compare` has written will do; and what `neuropil` has.
    viewer : {"", "offered", "needed"}
        Links to the data set's viewer, if it has one; or in any case.
    without_totals : str
        Why totals of whole neurons are of no use, where they are not.
    meshes : MeshChoice or None
        Which neuropil meshes are needed.
    skeletons : bool
    other : bool
        A second table is needed beside the source.
    renames : bool
        IDs of the source may be carried over to another time.
    """

    neurons: Mapping[str, Selectors]
    labels: bool = False
    labels_for_scope: bool = False
    synapses: bool = False
    columns: tuple[str, ...] | None = ()
    ordered: bool = False
    carry: bool | Literal["positions"] | tuple[str, ...] = False
    value: str | None = None
    position: str | None = None
    points: bool = False
    comparison: bool = False
    neuropils: bool = False
    viewer: Literal["", "offered", "needed"] = ""
    without_totals: str = ""
    meshes: MeshChoice | None = None
    skeletons: bool = False
    other: bool = False
    renames: bool = False


class MeshChoice(NamedTuple):
    """Which neuropil meshes are needed: `names`, all if None, without those of `exclude`."""

    names: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()


class Scope(NamedTuple):
    """Whose synapses suffice for an answer; of a table on a server no others are fetched.

    Attributes
    ----------
    pre, post : Selection or None
        Neurons on these sides; with both, both must hold.
    either : Selection or None
        Neurons on whichever side, instead.
    inputs, outputs : bool
        With `either`: their inputs, their outputs.
    notes : tuple of str
        What the user should know of it.
    """

    pre: Selection | None = None
    post: Selection | None = None
    either: Selection | None = None
    inputs: bool = True
    outputs: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """What was opened for a question.

    Attributes
    ----------
    source : Relation
    rows : RowFilter
        Which of its rows count.
    neurons : mapping of str to Selection or None
        By the parameters of `Needs.neurons`.
    annotations : Annotations or None
    totals : Totals or None
        Of whole neurons, for fractions.
    further : Relation or None
        More synapses of neurons that are chosen, with others: they say who is there, and count for nothing else.
    meshes : Meshes or None
    skeletons : Skeletons or None
    other : Other or None
        The second table.
    renames : str or None
        A view `old_id, new_id, resolved`, IDs as text: what neurons of the source are called at another time.
    neuropils : Neuropils or None
        Matrices of a folder, of which the source is the first.
    viewer : PairLinks or None
        Links to the data set's viewer.
    """

    source: Relation
    rows: RowFilter
    neurons: Mapping[str, Selection | None]
    annotations: Annotations | None = None
    totals: Totals | None = None
    further: Relation | None = None
    meshes: Meshes | None = None
    skeletons: Skeletons | None = None
    other: Other | None = None
    renames: str | None = None
    neuropils: Neuropils | None = None
    viewer: PairLinks | None = None


class Neuropils(NamedTuple):
    """A folder of matrices.

    Attributes
    ----------
    name : str
        Of the folder.
    tables : mapping of str to Relation
        Neuropils in their order -> their matrices.
    without : tuple of str
        Neuropils that have none.
    quantity : str
        What an entry is.
    """

    name: str
    tables: Mapping[str, Relation]
    without: tuple[str, ...]
    quantity: str


class Other(NamedTuple):
    """A second table, and the annotations of its neurons; those of the source where it has none of its own."""

    table: Relation
    annotations: Annotations | None


@dataclass(frozen=True)
class Given:
    """What is known before a table is fetched from a server: `Inputs` without the table."""

    rows: RowFilter
    neurons: Mapping[str, Selection | None]
    annotations: Annotations | None
    has_totals: bool = False


class Meshes(NamedTuple):
    """Neuropil meshes: their names, the index that finds points in them, and the boxes that they fill."""

    names: list[str]
    find: MeshIndex
    boxes: MeshBoxes


class Skeletons(Protocol):
    """Skeletons, each of a neuron."""

    @property
    def neurons(self) -> Sequence[NeuronId]:
        """The neuron of each skeleton. A neuron may have several."""
        ...

    @property
    def current(self) -> Sequence[NeuronId] | None:
        """The IDs of these neurons in the table, where these are others."""
        ...

    def load(self, place: int) -> Skeleton:
        """The skeleton at a place in `neurons`, in nm. It is called in several threads."""
        ...


@dataclass
class Results:
    """The answer to a question, and what there is to say about it.

    Attributes
    ----------
    outputs : mapping of str to Output
        Those that were wanted, and perhaps others, by name; "" is the main one. None is made yet.
    kind : str
        What a row of the main file stands for.
    rows : int
        Rows of the main file.
    ledger : Ledger
    completeness : Completeness
    count : int
        What the summary counts.
    what : str
        What it counts, in words.
    options : dict
        Options of the question that bear on the content, for the provenance.
    facts : dict
        Whatever else the provenance has to know.
    units : dict
        `units` and `voxel_size_nm` of positions.
    units_advice : str
        What to do where the file cannot say them.
    notes : list of str
        What everybody should be told.
    remarks : list of str
        What those should be told who read the answer, and do not compute with it.
    details : dict
        More for a summary that is read by programs.
    empty : list of str
        Why there is nothing, where that is so.
    rules : RowFilter or None
        Which rows count in this output, where these are others than were asked for.
    failed : list of str
        Conditions that were to be an error and hold, once everything is written.
    subject : object
        What the outputs are made of, for callers in Python.
    """

    outputs: Mapping[str, Output]
    kind: str
    rows: int
    ledger: Ledger
    completeness: Completeness
    count: int
    what: str
    options: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    units: dict[str, Any] = field(default_factory=dict)
    units_advice: str = ""
    notes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    rules: RowFilter | None = None
    failed: list[str] = field(default_factory=list)
    subject: Any = None

    def __post_init__(self) -> None:
        if not self.count and not self.empty:
            self.empty.append(f"nothing is left ({self.ledger.sentence()})")

    @classmethod
    def of_table(cls, result: Result, kind: str, what: str, **more: Any) -> Results:
        """The results of a question whose one output is a table."""
        table = Table(result.query, result.columns, result.rows)
        return cls(
            {"": table}, kind, result.rows, result.ledger, result.completeness, result.rows, what,
            facts=result.facts, notes=result.notes, **more,
        )  # fmt: skip


class Question(ABC):
    """What is asked: a frozen dataclass of options, which are checked when it is made.

    Attributes
    ----------
    command : str
        Name of the command that asks it.
    outputs : mapping of str to type
        Names of outputs -> `Table`, `Matrix`, `Figure` or `Folder`; "" is the main one.
    chosen_by : str
        What names the neurons without which nothing is fetched from a server.
    spreads : bool
        A spread engine can answer it.
    """

    command: ClassVar[str]
    chosen_by: ClassVar[str] = P.neurons
    outputs: ClassVar[Mapping[str, type]]
    spreads: ClassVar[bool] = False

    @abstractmethod
    def needs(self) -> Needs:
        """What has to be opened."""

    def check_annotations(self, annotations: Annotations | None) -> None:
        """Refuse annotations that will not do, before anything else is opened."""
        return

    @abstractmethod
    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Whose synapses suffice, of a table that is on a server."""

    def further(self, engine: SqlEngine, given: Inputs, scope: Scope) -> Mapping[str, Selection] | None:
        """Neurons ("pre", "post") whose synapses with others than those of the scope are to be fetched, too."""
        return None

    @abstractmethod
    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Answer it.

        Parameters
        ----------
        engine : SqlEngine
        given : Inputs
        wanted : frozenset of str
            Names of the outputs that will be made.
        describe : function
            Gives the provenance of results, for files in a folder that have their own.
        """


#: Results -> their provenance.
Describe = Callable[[Results], dict[str, Any]]
