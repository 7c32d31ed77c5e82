"""How the nested matrices of the Python interface come about: from tables, or from parts that are checked."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli import __version__
from crantcli.api.frames import answer, checked_voxel_size, warn
from crantcli.api.sinks import CollectionSink, MatrixSink
from crantcli.checks import path_name
from crantcli.core.matrix.order import label_text
from crantcli.core.relation import Relation
from crantcli.errors import ArgumentTypeError, DataError, UsageError
from crantcli.remote.settings import LiveOptions
from crantcli.run.request import Request
from crantcli.schema import KEY, Kind
from crantcli.sources.tables.metadata import parse_mesh_scale
from crantcli.sources.tables.read_options import ReadKeywords, ReadOptions, TableKeywords, read_options

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes as PlotAxes
    from matplotlib.figure import Figure

    from crantcli.core.matrix.blocks import Axis, BlockMatrix
    from crantcli.core.questions.nested import Nested


#: Parameters of questions and requests that the public constructors call otherwise.
_NAMES = {"annotations": "neuron_annotations", "neuropils": "neuropil_names"}


@dataclass(frozen=True)
class Ask:
    """What a caller asks of a nested matrix, as the parameters of the public constructors have it.

    Attributes
    ----------
    source, target : tuple of types, neurons and type order
        The choice for each axis; `target` None makes the matrix square.
    """

    cell_type_column: str
    neuron_id_column: str
    type_order: Any = None
    source: tuple[Any, Any, Any] = (None, None, None)
    target: tuple[Any, Any, Any] | None = None
    weight_mode: Any = None
    weight_column: str | None = None
    normalization_scope: Any = "selected"
    annotation_scope: Any = "annotated_only"
    keep_silent: bool = False
    neuron_order: Any = "annotation"
    sum_duplicates: bool = False

    def question(self) -> Nested:
        """The question that these parameters ask."""
        from crantcli.core.questions.nested import Nested

        types, neurons, order = self.source
        target_types, target_neurons, target_order = self.target or (None, None, None)
        return Nested(
            types, target_types, neurons, target_neurons, self.target is not None, self.type_order, order, target_order,
            self.weight_mode, self.weight_column, self.normalization_scope, self.annotation_scope, self.neuron_order,
            self.keep_silent, self.sum_duplicates,
        )  # fmt: skip


def _refuse_synapses(table: Relation) -> None:
    if table.kind is Kind.SYNAPSES:
        raise DataError("connections_df has one row per synapse; use from_synapses, or give a weight column")


def _refuse_edges(table: Relation) -> None:
    if table.kind is not Kind.SYNAPSES:
        raise DataError("synapses_df is an adjacency, which has no rows per synapse; use from_connectivity")


def build(
    table: Any,
    annotations: Any,
    ask: Ask,
    reading: ReadKeywords | TableKeywords,
    *,
    synapses: bool,
    pre_col: str | None = None,
    post_col: str | None = None,
    max_memory: str = "2GB",
) -> BlockMatrix:
    """Build a nested matrix from a table of synapses, or of edges, which may be an adjacency."""
    if not synapses and getattr(table, "shape", None) == (0, 0):  # an adjacency of nobody, whatever made it
        table = table.set_axis(table.index.astype(object))
    request = Request(
        table,
        annotations=annotations,
        neuron_id_column=ask.neuron_id_column,
        cell_type_column=ask.cell_type_column,
        read=_options(reading, Kind.SYNAPSES if synapses else None, pre_col, post_col),
        clean=False,  # as in the functions that the classes follow
        refuse=_refuse_edges if synapses else _refuse_synapses,
    )
    sink = MatrixSink()
    answer(ask.question(), request, sink, max_memory=max_memory, stacklevel=4, names=_NAMES)
    blocks: BlockMatrix = sink.results.subject.blocks
    return blocks


def _options(
    reading: ReadKeywords | TableKeywords, kind: Kind | None, pre_col: str | None, post_col: str | None, **more: Any
) -> ReadOptions:
    """How the table is to be read: the keywords, and what has a parameter of its own."""
    own = {"kind": None if kind is None else kind.value, "pre_col": pre_col, "post_col": post_col}
    said: Any = {**reading, **{name: value for name, value in own.items() if value is not None}}
    return read_options(said, **more)


@dataclass(frozen=True)
class Place:
    """Where synapses lie, as the parameters of `from_synapses_by_neuropil` have it."""

    neuropil_names: Any = None
    coordinates: str = "nm"
    position_column: str = "ctr_pt_position"
    include_other: bool = True
    voxel_offset: Any = None
    voxel_size: Any = None
    meshes: Any = None
    dataset: str | None = None
    live: LiveOptions | None = None
    mesh_scale: Any = None


def build_by_neuropil(
    table: Any,
    annotations: Any,
    ask: Ask,
    place: Place,
    reading: TableKeywords,
    *,
    pre_col: str,
    post_col: str,
    max_memory: str = "2GB",
) -> tuple[dict[str, BlockMatrix], dict[str, tuple[int, int, int]]]:
    """Build a nested matrix for each neuropil.

    Returns
    -------
    tuple of dict
        Matrices of the neuropils that have any synapses to show; synapses, pairs and neurons of every neuropil.
    """
    from crantcli.core.questions.nested import as_labels
    from crantcli.core.questions.neuropil import Neuropil

    if place.coordinates not in ("nm", "pixels"):
        raise UsageError(f"coordinates={place.coordinates!r}: 'nm' or 'pixels'")
    voxel = checked_voxel_size(place.voxel_size)
    offset = None if place.voxel_offset is None else tuple(map(float, place.voxel_offset))
    if offset is not None and len(offset) != 3:
        raise UsageError(f"voxel_offset={place.voxel_offset!r}: three numbers of voxels")
    wanted = None if place.neuropil_names is None else as_labels(place.neuropil_names)
    if wanted == ():
        raise UsageError("neuropil_names is empty; None stands for all neuropils")
    question = Neuropil(
        ask.question(),
        neuropils=wanted,
        include_other=place.include_other,
        position_column=place.position_column,
        voxel_offset=offset,
        plot=False,
    )
    request = Request(
        table,
        place.dataset,
        annotations,
        ask.neuron_id_column,
        ask.cell_type_column,
        _options(reading, Kind.SYNAPSES, pre_col, post_col, coordinates=place.coordinates, voxel_size=voxel),
        clean=False,
        meshes=path_name("meshes", place.meshes),
        mesh_scale=None if place.mesh_scale is None else parse_mesh_scale(place.mesh_scale),
    )
    sink = CollectionSink()
    answer(question, request, sink, live=place.live, max_memory=max_memory, stacklevel=4, names=_NAMES)
    return sink.made, sink.counts


@dataclass(frozen=True)
class Axes:
    """What a caller says of one axis.

    Attributes
    ----------
    prefix : str
        Of the parameters' names: "", "source_" or "target_".
    parameter : str
        The one that holds the neurons.
    """

    prefix: str
    parameter: str
    neurons: list[Any]
    boundaries: Mapping[Any, tuple[int, int]] | None
    types: Mapping[Any, Any] | None

    def checked(self) -> Axis:
        """The axis, if what is said of it agrees.

        Raises
        ------
        DataError
            Names the parameter and the neuron or type that contradicts another.
        """
        import numpy as np

        from crantcli.core.matrix.blocks import Axis

        names = [_id_text(neuron, self.parameter) for neuron in self.neurons]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{self.parameter}: neuron {twice} stands there twice")
        types = self._types(names)
        blocks = self._blocks(names, types)
        for label, start, stop in blocks:
            for name in names[start:stop]:
                if types is not None and types.get(name) != label:
                    raise DataError(
                        f"{self.prefix}neuron_to_type: neuron {name} is {types.get(name)!r}, and "
                        f"{self.prefix}type_boundaries puts it among {label!r}"
                    )
        end = blocks[-1][2] if blocks else 0
        for name in names[end:]:
            if types is not None and types.get(name) is not None:
                raise DataError(
                    f"{self.prefix}neuron_to_type: neuron {name} is {types[name]!r}, and is in no block of "
                    f"{self.prefix}type_boundaries"
                )
        bounds = np.array([0, *(stop for _, _, stop in blocks)], dtype=np.int64)
        neurons = np.array(names, dtype=str) if names else np.array([], dtype="U1")
        return Axis(neurons, tuple(label for label, _, _ in blocks), bounds)

    def _types(self, names: list[str]) -> dict[str, str | None] | None:
        """Neuron -> label, as text."""
        if self.types is None:
            return None
        _check_mapping(self.types, f"{self.prefix}neuron_to_type")
        known = set(names)
        found: dict[str, str | None] = {}
        for neuron, label in self.types.items():
            name = _id_text(neuron, f"{self.prefix}neuron_to_type")
            if name not in known:
                raise DataError(f"{self.prefix}neuron_to_type: neuron {name} is not among {self.parameter}")
            found[name] = None if _missing(label) else label_text(label)
        return found

    def _blocks(self, names: list[str], types: dict[str, str | None] | None) -> list[tuple[str, int, int]]:
        """The blocks in their order, one following the other."""
        where = f"{self.prefix}type_boundaries"
        if self.boundaries is None:
            return _runs(names, types or {}, f"{self.prefix}neuron_to_type")
        _check_mapping(self.boundaries, where)
        blocks = []
        for label, bounds in self.boundaries.items():
            try:
                start, stop = (bound.__index__() for bound in bounds)
            except (TypeError, ValueError, AttributeError):
                raise DataError(f"{where}: {label!r} has {bounds!r} instead of two integers (start, end)") from None
            if not 0 <= start < stop <= len(names):
                raise DataError(f"{where}: {label!r} is ({start}, {stop}); there are {len(names)} neurons, from 0")
            if _missing(label):
                raise DataError(
                    f"{where}: ({start}, {stop}) has no type but {label!r}; leave the neurons without a type at the end"
                )
            blocks.append((label_text(label), start, stop))
        blocks.sort(key=lambda block: block[1:])
        end = 0
        for label, start, stop in blocks:
            if start != end:
                what = "overlaps the block before it" if start < end else f"leaves out neuron {names[end]} before it"
                raise DataError(f"{where}: {label!r} starts at {start} and {what}; blocks follow one another from 0")
            end = stop
        labels = [label for label, _, _ in blocks]
        if len(set(labels)) < len(labels):
            raise DataError(
                f"{where}: two types are {next(name for name in labels if labels.count(name) > 1)!r} as text"
            )
        return blocks


def _runs(names: list[str], types: Mapping[str, str | None], where: str) -> list[tuple[str, int, int]]:
    """Blocks as the types of consecutive neurons make them."""
    blocks: list[tuple[str, int, int]] = []
    for place, name in enumerate(names):
        label = types.get(name)
        if label is None:
            continue
        end = blocks[-1][2] if blocks else 0
        if blocks and blocks[-1][0] == label and end == place:
            blocks[-1] = (label, blocks[-1][1], place + 1)
        elif end < place:
            raise DataError(f"{where}: neuron {name} has a type and stands after neuron {names[end]}, which has none")
        elif any(label == other for other, _, _ in blocks):
            raise DataError(f"{where}: the neurons of {label!r} do not stand together; neuron {name} is apart")
        else:
            blocks.append((label, place, place + 1))
    return blocks


def checked(matrix: Any, source: Axes, target: Axes) -> BlockMatrix:
    """A matrix that a caller gives, if it agrees with its axes.

    Raises
    ------
    DataError
        Names what contradicts what.
    ArgumentTypeError
        Where the matrix is neither a DataFrame nor a sparse one.
    """
    import numpy as np

    from crantcli.core.matrix.blocks import BlockMatrix
    from crantcli.core.matrix.labelled import LabelledMatrix

    rows = source.checked()
    columns = rows if target is source else target.checked()
    for axis, end, name in ((rows, 0, source.parameter), (columns, 1, target.parameter)):
        if getattr(matrix, "ndim", 0) == 2 and matrix.shape[end] != len(axis.neurons):
            what = ("rows", "columns")[end]
            raise DataError(f"matrix has {matrix.shape[end]:,} {what}, and {name} has {len(axis.neurons):,} neurons")
    if hasattr(matrix, "tocoo") and getattr(matrix, "ndim", 0) == 2:
        entries = matrix.tocoo()
        places: tuple[Any, ...] = (entries.row, entries.col)
        weights = entries.data
    elif hasattr(matrix, "iloc") and getattr(matrix, "ndim", 0) == 2:
        for axis, words, name in (
            (rows, matrix.index, source.parameter),
            (columns, matrix.columns, target.parameter),
        ):
            given = [_id_text(word, "matrix") for word in words]
            for known, other in zip(axis.neurons.tolist(), given, strict=True):
                if known != other:
                    raise DataError(f"matrix has neuron {other} where {name} has {known}")
        dense = matrix.to_numpy(dtype=None if matrix.size else "int64")
        _check_numbers(dense.dtype if dense.dtype != object else None)
        places = np.nonzero(dense)
        weights = dense[places]
    else:
        raise ArgumentTypeError(f"matrix is a {type(matrix).__name__}; give a DataFrame or a scipy sparse matrix")
    _check_numbers(weights.dtype)
    wrong = np.flatnonzero(~np.isfinite(weights))
    if len(wrong):
        pre, post = rows.neurons[places[0][wrong[0]]], columns.neurons[places[1][wrong[0]]]
        raise DataError(f"matrix: the weight from {pre} to {post} is {weights[wrong[0]]}, which is no finite number")
    if weights.dtype.kind == "u" and len(weights) and weights.max() >= 2**63:
        raise DataError(f"matrix: the weight {weights.max()} is beyond int64")
    kind = np.int64 if weights.dtype.kind in "bui" else np.float64
    made = LabelledMatrix.from_entries(
        rows.neurons, columns.neurons, np.asarray(places[0]), np.asarray(places[1]), weights.astype(kind)
    )
    return BlockMatrix(made, rows, columns)


def _check_numbers(dtype: np.dtype[Any] | None) -> None:
    if dtype is None or dtype.kind not in "buif":
        raise DataError("matrix holds something else than numbers; convert it first, such as with .astype(int)")


def _check_mapping(given: Any, where: str) -> None:
    if not hasattr(given, "items"):
        raise ArgumentTypeError(f"{where} is a {type(given).__name__}; give a mapping, such as a dict")


def _missing(label: Any) -> bool:
    """Whether a label is none. Text is always one, also "NA" and "nan", unless it is blank."""
    if isinstance(label, str):
        return not label.strip()
    return label is None or (isinstance(label, float) and math.isnan(label)) or str(label) in ("<NA>", "NaT")


def _id_text(neuron: Any, where: str) -> str:
    """A neuron ID as text; a float is refused, which may have lost digits."""
    if isinstance(neuron, str):
        return neuron
    if isinstance(neuron, bool) or not hasattr(neuron, "__index__"):
        raise DataError(f"{where}: {neuron!r} ({type(neuron).__name__}) is not a neuron ID; use integers or text")
    return str(neuron.__index__())


def draw_plot(
    blocks: BlockMatrix,
    output_path: str | os.PathLike[str] | None,
    level: Any,
    smallest: int,
    neuron_labels: bool,
    options: dict[str, Any],
) -> tuple[Figure, PlotAxes]:
    """Draw a nested matrix, and save the picture where a path is given."""
    from crantcli.core import question
    from crantcli.output.atomic import outputs
    from crantcli.output.figures.heatmap import Style
    from crantcli.output.figures.nested import LEVELS, draw_nested
    from crantcli.output.figures.save import save
    from crantcli.output.provenance import as_text
    from crantcli.output.writers import find_writer

    if level not in LEVELS:
        raise UsageError(f"level={level!r}: one of {', '.join(LEVELS)}")
    if smallest < 1:
        raise UsageError(f"min_neurons_for_plot={smallest}: at least 1")
    destination = None if output_path is None else os.fspath(output_path)
    suffix = "" if destination is None else find_writer(question.Figure, destination).suffix
    drawn = draw_nested(blocks, Style(**options), level, smallest, neuron_labels)
    warn(drawn.notes, 3)
    if destination is not None:
        Path(destination).parent.mkdir(parents=True, exist_ok=True)
        told = {"crantcli": __version__, "command": "plot", "weights": blocks.quantity, "picture": drawn.facts}
        with outputs() as pending:
            save(drawn.figure, pending.place(destination), suffix, {KEY: as_text(told)})
            pending.commit()
    return drawn.figure, drawn.axes
