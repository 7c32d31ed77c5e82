"""What a question answers with: tables, matrices, figures, and folders of them, each of which knows how it is made.

They are not made yet. Who takes an output decides on its format; see `crantcli.output.writers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from crantcli.core.compare.written import ComparisonForm
    from crantcli.core.matrix.blocks import BlockMatrix
    from crantcli.core.matrix.labelled import LabelledMatrix
    from crantcli.core.neuroglancer import PairLinks
    from crantcli.core.relation import Annotations, Completeness
    from crantcli.schema import IdType

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Graph(NamedTuple):
    """What makes a graph of a table of edges.

    Attributes
    ----------
    relation : str
        Its rows in any order; it can be read several times.
    ends : tuple of str
        Columns of the nodes that an edge comes from and goes to.
    id_type : IdType
        Of these columns.
    apart : tuple of str
        Columns that tell the rows of one pair apart; empty where a pair has one row.
    axes : str or None
        A table `side, id` ("pre" or "post") of nodes that are there without an edge, too.
    annotations : Annotations or None
        What is known of the nodes, where they are neurons.
    """

    relation: str
    ends: tuple[str, str]
    id_type: IdType
    apart: tuple[str, ...] = ()
    axes: str | None = None
    annotations: Annotations | None = None


class Table(NamedTuple):
    """Rows and columns.

    Attributes
    ----------
    query : str
        SELECT text, ORDER BY included. It may be one that can be run once.
    columns : tuple of str
        Names of the columns.
    rows : int
        Number of rows.
    stated : mapping
        What the provenance says of this table otherwise than of the run; None leaves a key out.
    graph : Graph or None
        Of a table of edges, unless its nodes have several names each.
    """

    query: str
    columns: tuple[str, ...]
    rows: int
    stated: Mapping[str, Any] = _NOTHING
    graph: Graph | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What the provenance says of this output in particular."""
        return {**self.stated, "rows": self.rows}


class EdgeTable(Table):
    """A table whose rows are edges, with a column `weight`: it can be written as a graph, too."""

    __slots__ = ()


class Matrix(NamedTuple):
    """A labelled matrix.

    Attributes
    ----------
    make : function
        Makes it. Called once, and only if the matrix is wanted.
    cells : str
        What a cell is where it is no weight: "sum", "mean", "fraction of the row".
    labels : {"neurons", "types", ""}
        What rows and columns are; "" where the file need not say it.
    completeness : Completeness, optional
        Where it is another than that of the run.
    annotations : Annotations or None
        What is known of the neurons on its axes.
    """

    make: Callable[[], LabelledMatrix]
    cells: str = ""
    labels: Literal["neurons", "types", ""] = ""
    completeness: Completeness | None = None
    annotations: Annotations | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What the provenance says of this output in particular; `rows` are added when it is made."""
        complete_for = None if self.completeness is None else self.completeness.as_dict()
        told = {"cells": self.cells, "labels": self.labels, "complete_for": complete_for}
        return {name: value for name, value in told.items() if value}


class Figure(NamedTuple):
    """A picture.

    Attributes
    ----------
    kind : str
        How to draw: "matrix", "nested", "arbors", "bars", "comparison", "flow", "influence", "similarity".
    subject : object
        What to draw; its type depends on the kind.
    options : mapping
        Keywords of the function that draws.
    """

    kind: str
    subject: Any
    options: Mapping[str, Any] = _NOTHING

    @property
    def record(self) -> dict[str, Any]:
        """What the provenance says of this output in particular; what the picture shows is added when it is drawn."""
        return {}


class Mesh(NamedTuple):
    """A closed surface.

    Attributes
    ----------
    vertices : ndarray of float64, shape (n, 3)
        In nm.
    faces : ndarray of int, shape (m, 3)
    """

    vertices: np.ndarray[Any, Any]
    faces: np.ndarray[Any, Any]

    @property
    def record(self) -> dict[str, Any]:
        """What the provenance says of this output in particular."""
        return {}


class Summary(NamedTuple):
    """Figures by name, for programs.

    Attributes
    ----------
    figures : mapping
        Numbers, texts, None, and lists and mappings of them.
    """

    figures: Mapping[str, Any]

    @property
    def record(self) -> dict[str, Any]:
        """What the provenance says of this output in particular: it has no rows."""
        return {"rows": None}


class Page(NamedTuple):
    """A matrix to look at in a browser.

    Attributes
    ----------
    blocks : BlockMatrix
        Whole.
    square : bool
        Rows and columns are the same neurons in the same order.
    orders : mapping of str to tuple of ndarray of int64
        Orders beside that by type: "id", "file" -> which row, and which column, of the matrix comes at each place.
    title : str
    most_bytes : int
        Size of the file, at most.
    ledger : str
        What became of the rows of the table, as a sentence.
    compared : ComparisonForm or None
        Of differences.
    beside : mapping of str to ndarray of int64 or float64, shape (entries,)
        Its columns: what else is known of each entry; NaN where nothing is.
    parts : mapping of str to Page
        Pages of neuropils that this one switches between, the first of which it is itself; empty for one alone.
    viewer : PairLinks or None
        Links that show two neurons.
    """

    blocks: BlockMatrix
    square: bool
    orders: Mapping[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
    title: str
    most_bytes: int
    ledger: str
    compared: ComparisonForm | None = None
    beside: Mapping[str, np.ndarray[Any, Any]] = _NOTHING
    parts: Mapping[str, Page] = _NOTHING
    viewer: PairLinks | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What the provenance says of this output in particular; what was left out is added when it is made."""
        return {}


#: What goes into one file.
Single = Table | Matrix | Figure | Mesh | Summary | Page


class FolderFile(NamedTuple):
    """A file in a folder.

    Attributes
    ----------
    name : str
        Without suffix.
    output : Single
    record : mapping
        The provenance of the run that made it.
    suffix : str
        How it is to be written; "" for the usual format of its kind.
    part : str
        Whose it is, to be named in what is said about it; "" where that is clear.
    """

    name: str
    output: Single
    record: Mapping[str, Any]
    suffix: str = ""
    part: str = ""


class Folder(NamedTuple):
    """A folder of files, and a manifest.

    Attributes
    ----------
    files : iterable of FolderFile
        Made one after another, so that one at a time is in memory.
    manifest : function
        The manifest, asked for when all files are written; names of files are added.
    """

    files: Iterable[FolderFile]
    manifest: Callable[[], Mapping[str, Any]]


Output = Table | Matrix | Figure | Summary | Page | Folder
