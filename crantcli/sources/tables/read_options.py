"""How the user says that a table is to be read: options of the commands, keywords of the Python functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from crantcli.checks import check_names, check_switches, whole_number
from crantcli.core.relation import VoxelSize
from crantcli.core.rows.where import Condition, parse_condition
from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.schema import Kind
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.sources.tables.metadata import FileMetadata

#: Which columns are wanted beside those that counting needs: all, none, or positions only.
Carry = bool | Literal["positions"] | tuple[str, ...]


#: Options that are on or off.
_SWITCHES = ("fill_down", "allow_null", "undirected", "signed", "drop_totals")


@dataclass(frozen=True)
class ReadOptions:
    """How the user says a table is to be read. What is not said is found out from the table, or refused.

    Attributes
    ----------
    kind : Kind or None
    pre_col, post_col, weight_col : str or None
        Columns that are named outright, and no longer looked for among the spellings.
    header : tuple of str
        Names of the columns of a text file that has no header line; "" leaves a column out.
    delimiter : str or None
        Of text files.
    null_text : str or None
        Words, joined by commas, that stand for a missing ID or number; "" for no word. None: the usual ones.
    fill_down : bool
        An empty ID is that of the row above.
    allow_null : bool
        Rows without an ID may be more than a tenth of all.
    undirected : bool
        An edge counts in both directions.
    signed : bool
        Weights may be negative.
    drop_totals : bool
        A row and a column of sums are left out of an adjacency.
    delta_version : int or None
        Of a Delta Lake table; None: the latest.
    where : tuple of Condition
        Rows that count.
    coordinates, voxel_size
        Unit of the positions, and nanometres per voxel.
    dataset : FileMetadata or None
        What the data set says where the file does not.
    carry : bool, "positions" or tuple of str
        Whether further columns are wanted, or only those that counting needs; or these and positions, or those that are
        named, as far as there are such.
    value : str or None
        A column of numbers to add up per pair of neurons; it is called `value`.
    position : str or None
        A further column that holds a position, where positions are carried.
    annotated : callable or None
        Whether names of columns are all neurons of the annotations.
    points : bool
        Positions without neurons are enough.
    comparison : bool
        What `compare` has written is read, too, as edges that differ.
    """

    kind: Kind | None = None
    pre_col: str | None = None
    post_col: str | None = None
    weight_col: str | None = None
    header: tuple[str, ...] = ()
    delimiter: str | None = None
    null_text: str | None = None
    fill_down: bool = False
    allow_null: bool = False
    undirected: bool = False
    signed: bool = False
    drop_totals: bool = False
    delta_version: int | None = None
    where: tuple[Condition, ...] = ()
    coordinates: str | None = None
    voxel_size: VoxelSize | None = None
    dataset: FileMetadata | None = None
    carry: Carry = False
    value: str | None = None
    position: str | None = None
    annotated: Callable[[Sequence[str]], bool] | None = None
    points: bool = False
    comparison: bool = False

    @property
    def as_written(self) -> bool:
        """Whether rows of a file of ours are what they were when it was written."""
        others = (self.kind, self.pre_col, self.post_col, self.weight_col, self.fill_down, self.undirected, self.where)
        return not any(others)

    def __post_init__(self) -> None:
        if self.weight_col is not None and self.kind not in (None, Kind.EDGES):
            raise UsageError(f"{P.weight_col} goes with edges, and {P.kind} says {self.kind}; use one of them")
        if self.delta_version is not None and self.delta_version < 0:
            raise UsageError(f"{P.delta_version(self.delta_version)}: versions are numbered from 0")
        if self.weight_col is not None and self.weight_col in (self.pre_col, self.post_col):
            raise UsageError(f"{P.weight_col} {self.weight_col}: that column holds the neuron IDs")

    @property
    def named(self) -> tuple[str, ...]:
        """Columns that are carried by their names."""
        return self.carry if isinstance(self.carry, tuple) else ()

    @property
    def settled(self) -> bool:
        """Whether an option says what the table is."""
        return any((self.kind, self.pre_col, self.post_col, self.weight_col))

    def record(self) -> dict[str, Any]:
        """What was said of the table, for the provenance."""
        names = ("pre_col", "post_col", "weight_col", "delimiter", "null_text", "delta_version")
        return {
            "kind": self.kind.value if self.kind else None,
            **{name: getattr(self, name) for name in names},
            **{name: getattr(self, name) or None for name in _SWITCHES},
            "header": list(self.header),
            "where": [str(condition) for condition in self.where],
        }


class TableKeywords(TypedDict, total=False):
    """Keywords of the Python functions that say how a source is to be read, beside its kind and its ID columns.

    Attributes
    ----------
    weight_col : str
        Column of weights; it makes the table one of edges.
    header : sequence of str
        Names of the columns of a text file without a header line.
    delimiter : str
        Of a text file.
    null_text : str
        Words, joined by commas, that stand for a missing ID; "" for none.
    fill_down, allow_null : bool
        An empty ID is that of the row above; or is meant, even in more than a tenth of the rows.
    undirected : bool
        An edge counts in both directions.
    signed : bool
        Weights may be negative.
    drop_totals : bool
        Leave out a row and a column of sums.
    delta_version : int
        Of a Delta Lake table, instead of the latest.
    where : str or sequence of str
        Rows that count, such as "size >= 20"; several are joined by and.
    """

    weight_col: str
    header: Sequence[str]
    delimiter: str
    null_text: str
    fill_down: bool
    allow_null: bool
    undirected: bool
    signed: bool
    drop_totals: bool
    delta_version: int
    where: str | Sequence[str]


class ReadKeywords(TableKeywords, total=False):
    """All keywords of the Python functions that say how a source is to be read.

    Attributes
    ----------
    kind : {"synapses", "edges", "adjacency"}
        What one row stands for, where the columns do not tell.
    pre_col, post_col : str
        Columns of neuron IDs, whatever they are called.
    """

    kind: str
    pre_col: str
    post_col: str


#: The names of all keywords.
_KEYWORDS = {**TableKeywords.__annotations__, **ReadKeywords.__annotations__}


def read_options(given: ReadKeywords | TableKeywords, **more: Any) -> ReadOptions:
    """Options out of the keywords of a Python function, and others beside them.

    Raises
    ------
    ArgumentTypeError
        For a keyword that there is not.
    UsageError
        For a value that has no meaning.
    """
    values: dict[str, Any] = dict(given)
    unknown = sorted(set(values) - set(_KEYWORDS))
    if unknown:
        raise ArgumentTypeError(f"there is no parameter {unknown[0]!r}")
    check_switches(**{name: values[name] for name in _SWITCHES if name in values})
    whole_number("delta_version", values.get("delta_version"))
    check_names(**{name: values.get(name) for name in ("pre_col", "post_col", "weight_col", "delimiter")})
    if not isinstance(values.get("null_text"), str | None):
        raise ArgumentTypeError(f"{P.null_text}={values['null_text']!r}: words, joined by commas")
    for name in ("header", "where"):
        if not isinstance(values.get(name, ()), Iterable | None) or (name, type(values.get(name))) == ("header", str):
            raise ArgumentTypeError(f"{getattr(P, name)}={values[name]!r}: give a list")
    if values.get("kind") is not None:
        values["kind"] = parse_kind(values["kind"])
    if values.get("delimiter") is not None:
        from crantcli.sources.tables.delimited import parse_delimiter

        values["delimiter"] = parse_delimiter(values["delimiter"])
    if "header" in values:
        values["header"] = tuple(str(name).strip() for name in values["header"] or ())
    if "where" in values:
        where = values["where"] or ()
        values["where"] = tuple(map(parse_condition, [where] if isinstance(where, str) else where))
    return ReadOptions(**values, **more)


def parse_kind(value: str) -> Kind:
    """A kind of table by its name.

    Raises
    ------
    UsageError
    """
    try:
        return Kind(value)
    except ValueError:
        raise UsageError(f"kind {value!r}: one of {', '.join(kind.value for kind in Kind)}") from None


#: Fields that an option of the same name sets.
SAID = tuple(item.name for item in fields(ReadOptions) if item.name in _KEYWORDS)
