"""The nested matrices of the Python interface: immutable, sparse inside, the same code as the command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from crantcli.api.collection import NeuropilCollection
from crantcli.api.construct import Ask, Axes, Place, build, build_by_neuropil
from crantcli.core.questions.adjacency import unconnected_kept
from crantcli.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes as PlotAxes
    from matplotlib.figure import Figure
    from scipy.sparse import csr_array

    from crantcli.core.matrix.blocks import Axis, BlockMatrix
    from crantcli.core.matrix.labelled import LabelledMatrix
    from crantcli.core.matrix.order import NeuronOrder
    from crantcli.core.nested.choice import AnnotationScope, Scope, WeightMode
    from crantcli.remote.settings import LiveOptions
    from crantcli.sources.tables.read_options import ReadKeywords, TableKeywords

#: Bytes of a dense frame that is made without being asked twice.
DENSE_LIMIT = 2_000_000_000

Level = Literal["neuron", "type_mean", "type_sum"]


class _Nested:
    """What square and rectangular matrices have in common.

    Attributes are read-only, and nothing can be assigned. Frames refuse edits of any kind; copy them to edit them.
    """

    __slots__ = ("_blocks", "_frames")
    _blocks: BlockMatrix
    _frames: dict[str, Any]

    @classmethod
    def _of(cls, blocks: BlockMatrix) -> Self:
        made = object.__new__(cls)
        object.__setattr__(made, "_blocks", blocks)
        object.__setattr__(made, "_frames", {})
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made from what the matrix holds."""
        return _restored, (type(self), self._blocks)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; {name} is not assigned")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; {name} is not deleted")

    def __repr__(self) -> str:
        """Show the size."""
        rows, columns = self._blocks.matrix.shape
        types = f"{len(self._blocks.source.types):,} x {len(self._blocks.target.types):,} types"
        return (
            f"<{type(self).__name__}: {rows:,} x {columns:,} neurons, {types}, "
            f"{len(self._blocks.matrix.weights):,} connections; {self._blocks.quantity}>"
        )

    @property
    def quantity(self) -> str:
        """What an entry is, such as "synapses" or "fraction of output shown"."""
        return self._blocks.quantity

    @property
    def sparse(self) -> csr_array:
        """The matrix without its zeros, shape (rows, columns); its arrays cannot be written to."""
        from crantcli.core.matrix.readonly import read_only_sparse

        matrix = self._blocks.matrix
        return read_only_sparse(matrix.weights, matrix.indices, matrix.indptr, matrix.shape)

    def dense(self, max_bytes: int = DENSE_LIMIT) -> pd.DataFrame:
        """The matrix with its zeros.

        Parameters
        ----------
        max_bytes : int, default 2e9
            What the frame may take at most.

        Returns
        -------
        DataFrame
            Read-only. Index: presynaptic IDs as text; columns: postsynaptic IDs as text.

        Raises
        ------
        UsageError (a ValueError)
            Where the frame would be larger.
        """
        return self._frame("matrix", lambda: self._blocks.matrix, max_bytes)

    @property
    def matrix(self) -> pd.DataFrame:
        """Read-only matrix of presynaptic neurons (rows) by postsynaptic neurons (columns).

        Raises
        ------
        UsageError (a ValueError)
            Where the frame would take more than 2 GB; `dense(max_bytes)` takes another limit, `sparse` none.
        """
        return self.dense()

    @property
    def sum_type_matrix(self) -> pd.DataFrame:
        """Read-only sums per pair of types: rows presynaptic, columns postsynaptic. Untyped neurons take no part."""
        return self._frame("sum", lambda: self._blocks.type_sum)

    @property
    def mean_type_matrix(self) -> pd.DataFrame:
        """Read-only means over all pairs of neurons of two types, pairs without a connection included."""
        return self._frame("mean", lambda: self._blocks.type_mean)

    def get_relative_weights(self, by_type: bool = False, *, max_bytes: int = DENSE_LIMIT) -> pd.DataFrame:
        """Weights divided by the sum of the absolute weights of their row.

        Parameters
        ----------
        by_type : bool, default False
            Of the sums per type instead of the neurons.
        max_bytes : int, default 2e9
            What the frame may take at most.

        Returns
        -------
        DataFrame
            float64; absolute values of each row add up to 1, or are 0 where there is nothing. A copy of your own.
        """
        matrix = self._blocks.type_sum if by_type else self._blocks.matrix
        return _dense(matrix.normalize("output"), max_bytes).copy()

    def _frame(self, name: str, matrix: Any, max_bytes: int = DENSE_LIMIT) -> pd.DataFrame:
        from crantcli.core.matrix.readonly import read_only_frame

        if name not in self._frames:
            frame = _dense(matrix(), max_bytes)
            self._frames[name] = (frame.to_numpy(), frame.index, frame.columns)
        # A new object each time, so that names of its index stay with the caller.
        return read_only_frame(*self._frames[name])

    def plot(
        self,
        output_path: str | os.PathLike[str] | None = None,
        level: Level = "neuron",
        figsize: tuple[float, float] | None = (16, 14),
        show_neuron_labels: bool = False,
        vmin_percentile: float = 0.0,
        vmax_percentile: float = 100.0,
        min_neurons_for_plot: int = 1,
        linewidth_scale: float = 1.0,
        *,
        cmap: str = "magma_r",
        log: bool | None = None,
        title: str = "",
        dpi: int = 200,
    ) -> tuple[Figure, PlotAxes]:
        """Draw the matrix as a heatmap.

        Parameters
        ----------
        output_path : path, optional
            Where to save the picture: .png, .pdf or .svg. Folders are made.
        level : {"neuron", "type_mean", "type_sum"}, default "neuron"
        figsize : tuple of float, default (16, 14)
            Width and height in inches; None fits the picture to the matrix.
        show_neuron_labels : bool, default False
            IDs instead of types beside the axes, at the level "neuron".
        vmin_percentile, vmax_percentile : float, default 0 and 100
            Ends of the colour scale, among nonzero values. Zeros are white.
        min_neurons_for_plot : int, default 1
            Types of fewer neurons are left out.
        linewidth_scale : float, default 1
            Of the lines between types.
        cmap : str, default "magma_r"
        log : bool, optional
            Default: a logarithmic scale where weights spread over more than a factor of 10.
        title : str
        dpi : int, default 200

        Returns
        -------
        tuple of Figure and Axes

        Raises
        ------
        UsageError (a ValueError)
        """
        from crantcli.api.construct import draw_plot

        options = {
            "figsize": figsize,
            "vmin_percentile": vmin_percentile,
            "vmax_percentile": vmax_percentile,
            "linewidth_scale": linewidth_scale,
            "cmap": cmap,
            "log": log,
            "title": title,
            "dpi": dpi,
        }
        return draw_plot(self._blocks, output_path, level, min_neurons_for_plot, show_neuron_labels, options)


def _restored(cls: type[_Nested], blocks: BlockMatrix) -> _Nested:
    return cls._of(blocks)


def _dense(matrix: LabelledMatrix, max_bytes: int) -> pd.DataFrame:
    """A frame whose cells cannot be written to."""
    import pandas as pd

    from crantcli.core.matrix.readonly import locked

    rows, columns = matrix.shape
    size = rows * columns * matrix.weights.dtype.itemsize
    if size > max_bytes:
        raise UsageError(
            f"a dense frame of {rows:,} x {columns:,} takes {size / 1e9:,.1f} GB, over the limit of "
            f"{max_bytes / 1e9:,.1f} GB; use .sparse, or allow it: .dense(max_bytes=...), "
            ".get_relative_weights(max_bytes=...)"
        )
    values = matrix.dense_rows(0, rows)
    values.flags.writeable = False
    return pd.DataFrame(values, index=locked(_texts(matrix.pre)), columns=locked(_texts(matrix.post)), copy=False)


def _texts(ids: Any) -> list[str]:
    return list(map(str, ids.tolist()))


def _boundaries(axis: Axis) -> Mapping[str, tuple[int, int]]:
    return MappingProxyType({label: (start, stop) for label, start, stop in axis.blocks})


def _types(axis: Axis) -> Mapping[str, Any]:
    labels = [label for label, start, stop in axis.blocks for _ in range(stop - start)]
    labels += [None] * (len(axis.neurons) - len(labels))  # type: ignore[list-item]
    return MappingProxyType(dict(zip(_texts(axis.neurons), labels, strict=True)))


def collected(
    cls: type[_Nested], made: dict[str, BlockMatrix], counts: dict[str, tuple[int, int, int]]
) -> NeuropilCollection:
    return NeuropilCollection({name: cls._of(blocks) for name, blocks in made.items()}, counts)


class NestedMatrix(_Nested):
    """A square connectivity matrix whose neurons are grouped by cell type, the same on both axes.

    Parameters
    ----------
    matrix : DataFrame, or scipy sparse matrix or array
        Weights, presynaptic rows by postsynaptic columns, in the order of `ordered_neurons`.
    type_boundaries : mapping of str to (int, int)
        Type -> first neuron and the one after the last. Blocks follow one another from 0; neurons after the last block
        have no type.
    ordered_neurons : iterable of IDs
    neuron_to_type : mapping of ID to label
        Type of each neuron; None, or nothing, for one without a type.

    Raises
    ------
    DataError (a ValueError)
        Where these contradict each other; the message names the offender.

    Examples
    --------
    >>> import pandas as pd
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 3, 3], "weight": [4, 2, 5]})
    >>> cells = pd.DataFrame({"root_id": [1, 2, 3], "cell_type": ["ER2", "ER10", "ER2"]})
    >>> NestedMatrix.from_connectivity(edges, cells).sum_type_matrix.to_dict("split")["data"]
    [[2, 4], [5, 0]]
    """

    __slots__ = ()

    def __init__(
        self,
        matrix: Any,
        type_boundaries: Mapping[Any, tuple[int, int]],
        ordered_neurons: Iterable[Any],
        neuron_to_type: Mapping[Any, Any],
    ) -> None:
        from crantcli.api.construct import checked

        axis = Axes("", "ordered_neurons", list(ordered_neurons), type_boundaries, neuron_to_type)
        object.__setattr__(self, "_blocks", checked(matrix, axis, axis))
        object.__setattr__(self, "_frames", {})

    @property
    def ordered_neurons(self) -> tuple[str, ...]:
        """Neuron IDs as text, in the order of both axes."""
        return tuple(_texts(self._blocks.source.neurons))

    @property
    def type_boundaries(self) -> Mapping[str, tuple[int, int]]:
        """Type -> (first neuron, the one after the last)."""
        return _boundaries(self._blocks.source)

    @property
    def neuron_to_type(self) -> Mapping[str, Any]:
        """Neuron ID as text -> type; None for neurons without one."""
        return _types(self._blocks.source)

    @classmethod
    def from_connectivity(
        cls,
        connections_df: Any,
        neuron_annotations: Any,
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        type_order: Any = None,
        annotation_scope: AnnotationScope = "annotated_only",
        *,
        keep_unconnected: bool | None = None,
        keep_silent: bool | None = None,
        neuron_order: NeuronOrder = "annotation",
        sum_duplicates: bool = False,
        max_memory: str = "2GB",
        **reading: Unpack[ReadKeywords],
    ) -> Self:
        """Build a matrix from edges or an adjacency; the weights stay as they are, and nothing is cleaned.

        Parameters
        ----------
        connections_df : DataFrame or path
            An adjacency (index and columns are IDs), or edges: `pre, post, weight`, `source, target, weight` or
            `n_syn`, `type.from, type.to, weight` and the other spellings; one row per pair.
        neuron_annotations : DataFrame or path
        cell_type_column, neuron_id_column : str
        type_order : sequence of labels, "size", or None
            Types that come first: labels, or the letters before a label's first digit or underscore for all such. The
            rest follow by letters and number.
        annotation_scope : {"annotated_only", "all"}
            Neurons that are annotated, or all, the others last.
        keep_unconnected : bool, default False
            All annotated neurons are on the axes, also those without connections.
        keep_silent : bool, optional
            Older name of `keep_unconnected`.
        neuron_order : {"annotation", "id", "weight"}
            Order within a type.
        sum_duplicates : bool
            Add up rows that repeat a pair, instead of refusing them.
        max_memory : str
        **reading
            How the table is to be read, where its columns do not tell: `weight_col`, `where` and others, see
            `ReadKeywords`.

        Raises
        ------
        DataError, UsageError (ValueErrors)
        """
        ask = Ask(
            cell_type_column, neuron_id_column, type_order, annotation_scope=annotation_scope,
            keep_silent=unconnected_kept(keep_unconnected, keep_silent), neuron_order=neuron_order,
            sum_duplicates=sum_duplicates,
        )  # fmt: skip
        return cls._of(build(connections_df, neuron_annotations, ask, reading, synapses=False, max_memory=max_memory))

    @classmethod
    def from_synapses(
        cls,
        synapses_df: Any,
        neuron_annotations: Any,
        pre_col: str = "pre_pt_root_id",
        post_col: str = "post_pt_root_id",
        weight_mode: WeightMode = "relative_outgoing",
        weight_column: str | None = None,
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        type_order: Any = None,
        annotation_scope: AnnotationScope = "annotated_only",
        *,
        normalization_scope: Scope = "selected",
        keep_unconnected: bool | None = None,
        keep_silent: bool | None = None,
        neuron_order: NeuronOrder = "annotation",
        max_memory: str = "2GB",
        **reading: Unpack[TableKeywords],
    ) -> Self:
        """Build a matrix from one row per synapse; nothing is cleaned.

        Parameters
        ----------
        synapses_df, neuron_annotations : DataFrame or path
        pre_col, post_col : str
            Columns of the neuron IDs.
        weight_mode : {"relative_outgoing", "relative_incoming", "count", "column"}
            Fractions of a presynaptic neuron's output, fractions of a postsynaptic neuron's input, numbers of synapses,
            or sums of `weight_column`.
        weight_column : str, optional
            With the mode "column", and only then.
        cell_type_column, neuron_id_column, type_order, annotation_scope, keep_unconnected, keep_silent
        neuron_order, max_memory, **reading
            As for `from_connectivity`.
        normalization_scope : {"selected", "all"}
            Fractions of what is shown, or of all partners in the table.

        Raises
        ------
        DataError, UsageError (ValueErrors)
        """
        ask = Ask(
            cell_type_column, neuron_id_column, type_order, weight_mode=weight_mode, weight_column=weight_column,
            normalization_scope=normalization_scope, annotation_scope=annotation_scope,
            keep_silent=unconnected_kept(keep_unconnected, keep_silent), neuron_order=neuron_order,
        )  # fmt: skip
        return cls._of(
            build(
                synapses_df, neuron_annotations, ask, reading,
                synapses=True, pre_col=pre_col, post_col=post_col, max_memory=max_memory,
            )
        )  # fmt: skip

    @classmethod
    def from_synapses_by_neuropil(
        cls,
        synapses_df: Any,
        neuron_annotations: Any,
        neuropil_names: Any = None,
        coordinates: str = "nm",
        position_column: str = "ctr_pt_position",
        pre_col: str = "pre_pt_root_id",
        post_col: str = "post_pt_root_id",
        weight_mode: WeightMode = "relative_outgoing",
        weight_column: str | None = None,
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        type_order: Any = None,
        annotation_scope: AnnotationScope = "annotated_only",
        include_other: bool = True,
        voxel_offset: Any = None,
        *,
        meshes: Any = None,
        mesh_scale: Any = None,
        dataset: str | None = None,
        voxel_size: Any = None,
        live: LiveOptions | None = None,
        normalization_scope: Scope = "selected",
        keep_unconnected: bool | None = None,
        keep_silent: bool | None = None,
        neuron_order: NeuronOrder = "annotation",
        max_memory: str = "2GB",
        **reading: Unpack[TableKeywords],
    ) -> NeuropilCollection:
        """Build a matrix for each neuropil, from the synapses that its mesh contains; nothing is cleaned.

        A synapse belongs to every mesh that contains its position, and to "other" when none does.

        Parameters
        ----------
        synapses_df, neuron_annotations : DataFrame or path
        neuropil_names : sequence of str, optional
            All meshes if not given.
        coordinates : {"nm", "pixels"}, default "nm"
            Unit of the positions; one that the table records and that contradicts it is an error.
        position_column : str
        include_other : bool, default True
        voxel_offset : three floats, optional
            Voxels to add to positions in pixels, before they become nanometres.
        meshes : path or address, optional
            A folder of closed meshes in nm, named by neuropil, or a precomputed source; by default the data set's.
        mesh_scale : float, or three floats, optional
            Nanometres per unit of the mesh files in a folder, where they are not in nm. A precomputed source has a
            transform instead.
        dataset : str, optional
            Name of a data set, or a TOML file: for its meshes and its voxel size.
        voxel_size : three floats, optional
            Nanometres per voxel, where neither table nor data set tells.
        live : LiveOptions, optional
            How servers are asked for the data set's meshes: `LiveOptions(lock=..., cache_dir=..., refresh=...)`.
        pre_col, post_col, weight_mode, weight_column, cell_type_column, neuron_id_column, type_order, annotation_scope
            As for `from_synapses`; so are the others.

        Returns
        -------
        NeuropilCollection
            Neuropils without synapses have no matrix; its `summary` counts all.

        Raises
        ------
        DataError, UsageError (ValueErrors)
            For unknown neuropils and coordinates, and for meshes that are not closed, among others.
        """
        ask = Ask(
            cell_type_column, neuron_id_column, type_order, weight_mode=weight_mode, weight_column=weight_column,
            normalization_scope=normalization_scope, annotation_scope=annotation_scope,
            keep_silent=unconnected_kept(keep_unconnected, keep_silent), neuron_order=neuron_order,
        )  # fmt: skip
        place = Place(
            neuropil_names, coordinates, position_column, include_other, voxel_offset, voxel_size, meshes, dataset,
            live, mesh_scale,
        )  # fmt: skip
        found = build_by_neuropil(
            synapses_df,
            neuron_annotations,
            ask,
            place,
            reading,
            pre_col=pre_col,
            post_col=post_col,
            max_memory=max_memory,
        )
        return collected(cls, *found)


class DirectedNestedMatrix(_Nested):
    """A rectangular connectivity matrix: source neurons by target neurons, each axis grouped by its own types.

    Parameters
    ----------
    matrix : DataFrame, or scipy sparse matrix or array
        Weights, sources by targets, in the order of the neurons.
    source_neurons, target_neurons : iterable of IDs
    source_type_boundaries, target_type_boundaries : mapping of str to (int, int), optional
        As for `NestedMatrix`; None takes them from the mapping of neurons to types, if there is one.
    source_neuron_to_type, target_neuron_to_type : mapping of ID to label, optional
        None takes them from the boundaries.

    Raises
    ------
    DataError (a ValueError)
        Where these contradict each other; the message names the offender.
    """

    __slots__ = ()

    def __init__(
        self,
        matrix: Any,
        source_neurons: Iterable[Any],
        target_neurons: Iterable[Any],
        source_type_boundaries: Mapping[Any, tuple[int, int]] | None = None,
        target_type_boundaries: Mapping[Any, tuple[int, int]] | None = None,
        source_neuron_to_type: Mapping[Any, Any] | None = None,
        target_neuron_to_type: Mapping[Any, Any] | None = None,
    ) -> None:
        from crantcli.api.construct import checked

        source = Axes("source_", "source_neurons", list(source_neurons), source_type_boundaries, source_neuron_to_type)
        target = Axes("target_", "target_neurons", list(target_neurons), target_type_boundaries, target_neuron_to_type)
        object.__setattr__(self, "_blocks", checked(matrix, source, target))
        object.__setattr__(self, "_frames", {})

    @property
    def source_neurons(self) -> tuple[str, ...]:
        """Neuron IDs of the rows as text, in their order."""
        return tuple(_texts(self._blocks.source.neurons))

    @property
    def target_neurons(self) -> tuple[str, ...]:
        """Neuron IDs of the columns as text, in their order."""
        return tuple(_texts(self._blocks.target.neurons))

    @property
    def source_type_boundaries(self) -> Mapping[str, tuple[int, int]]:
        """Type -> (first row, the one after the last)."""
        return _boundaries(self._blocks.source)

    @property
    def target_type_boundaries(self) -> Mapping[str, tuple[int, int]]:
        """Type -> (first column, the one after the last)."""
        return _boundaries(self._blocks.target)

    @property
    def source_neuron_to_type(self) -> Mapping[str, Any]:
        """Neuron ID of a row as text -> type; None for neurons without one."""
        return _types(self._blocks.source)

    @property
    def target_neuron_to_type(self) -> Mapping[str, Any]:
        """Neuron ID of a column as text -> type; None for neurons without one."""
        return _types(self._blocks.target)

    @classmethod
    def from_connectivity(
        cls,
        connections_df: Any,
        neuron_annotations: Any,
        source_types: Any = None,
        target_types: Any = None,
        source_neurons: Any = None,
        target_neurons: Any = None,
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        type_order: Any = None,
        source_type_order: Any = None,
        target_type_order: Any = None,
        annotation_scope: AnnotationScope = "annotated_only",
        *,
        keep_unconnected: bool | None = None,
        keep_silent: bool | None = None,
        neuron_order: NeuronOrder = "annotation",
        sum_duplicates: bool = False,
        max_memory: str = "2GB",
        **reading: Unpack[ReadKeywords],
    ) -> Self:
        """Build a matrix from edges or an adjacency; the weights stay as they are, and nothing is cleaned.

        Parameters
        ----------
        connections_df, neuron_annotations : DataFrame or path
            As for `NestedMatrix.from_connectivity`.
        source_types, target_types : label or iterable of labels, optional
            Types of the rows and columns.
        source_neurons, target_neurons : ID, iterable of IDs, or NeuronCriteria, optional
            Neurons beside those of the types. An axis with neither has all neurons that are there.
        type_order, source_type_order, target_type_order : sequence of labels, "size", or None
            The latter two are for one axis and go before the first.
        keep_unconnected : bool, default False
            Chosen neurons without connections are on the axis.
        keep_silent : bool, optional
            Older name of `keep_unconnected`.
        cell_type_column, neuron_id_column, annotation_scope, neuron_order, sum_duplicates, max_memory, **reading
            As for `NestedMatrix.from_connectivity`.

        Raises
        ------
        DataError, UsageError (ValueErrors)
        """
        ask = Ask(
            cell_type_column, neuron_id_column, type_order,
            (source_types, source_neurons, source_type_order), (target_types, target_neurons, target_type_order),
            annotation_scope=annotation_scope, keep_silent=unconnected_kept(keep_unconnected, keep_silent),
            neuron_order=neuron_order, sum_duplicates=sum_duplicates,
        )  # fmt: skip
        return cls._of(build(connections_df, neuron_annotations, ask, reading, synapses=False, max_memory=max_memory))

    @classmethod
    def from_synapses(
        cls,
        synapses_df: Any,
        neuron_annotations: Any,
        source_types: Any = None,
        target_types: Any = None,
        source_neurons: Any = None,
        target_neurons: Any = None,
        pre_col: str = "pre_pt_root_id",
        post_col: str = "post_pt_root_id",
        weight_mode: WeightMode = "relative_outgoing",
        weight_column: str | None = None,
        normalization_scope: Scope = "selected",
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        type_order: Any = None,
        source_type_order: Any = None,
        target_type_order: Any = None,
        annotation_scope: AnnotationScope = "annotated_only",
        *,
        keep_unconnected: bool | None = None,
        keep_silent: bool | None = None,
        neuron_order: NeuronOrder = "annotation",
        max_memory: str = "2GB",
        **reading: Unpack[TableKeywords],
    ) -> Self:
        """Build a matrix from one row per synapse; nothing is cleaned.

        Parameters
        ----------
        synapses_df, neuron_annotations, pre_col, post_col, weight_mode, weight_column
            As for `NestedMatrix.from_synapses`.
        source_types, target_types, source_neurons, target_neurons, source_type_order, target_type_order
        keep_unconnected, keep_silent
            As for `from_connectivity`.
        normalization_scope : {"selected", "all"}
            Fractions of what is shown, or of all partners in the table of the chosen neurons.
        cell_type_column, neuron_id_column, type_order, annotation_scope, neuron_order, max_memory, **reading
            As for `NestedMatrix.from_connectivity`.

        Raises
        ------
        DataError, UsageError (ValueErrors)
        """
        ask = Ask(
            cell_type_column, neuron_id_column, type_order,
            (source_types, source_neurons, source_type_order), (target_types, target_neurons, target_type_order),
            weight_mode, weight_column, normalization_scope, annotation_scope,
            unconnected_kept(keep_unconnected, keep_silent), neuron_order,
        )  # fmt: skip
        return cls._of(
            build(
                synapses_df, neuron_annotations, ask, reading,
                synapses=True, pre_col=pre_col, post_col=post_col, max_memory=max_memory,
            )
        )  # fmt: skip

    @classmethod
    def from_synapses_by_neuropil(
        cls,
        synapses_df: Any,
        neuron_annotations: Any,
        neuropil_names: Any = None,
        coordinates: str = "nm",
        position_column: str = "ctr_pt_position",
        source_types: Any = None,
        target_types: Any = None,
        source_neurons: Any = None,
        target_neurons: Any = None,
        pre_col: str = "pre_pt_root_id",
        post_col: str = "post_pt_root_id",
        weight_mode: WeightMode = "relative_outgoing",
        weight_column: str | None = None,
        normalization_scope: Scope = "selected",
        cell_type_column: str = "cell_type",
        neuron_id_column: str = "root_id",
        type_order: Any = None,
        source_type_order: Any = None,
        target_type_order: Any = None,
        annotation_scope: AnnotationScope = "annotated_only",
        include_other: bool = True,
        voxel_offset: Any = None,
        *,
        meshes: Any = None,
        mesh_scale: Any = None,
        dataset: str | None = None,
        voxel_size: Any = None,
        live: LiveOptions | None = None,
        keep_unconnected: bool | None = None,
        keep_silent: bool | None = None,
        neuron_order: NeuronOrder = "annotation",
        max_memory: str = "2GB",
        **reading: Unpack[TableKeywords],
    ) -> NeuropilCollection:
        """Build a rectangular matrix for each neuropil; nothing is cleaned.

        Parameters
        ----------
        neuropil_names, coordinates, position_column, include_other, voxel_offset, meshes, dataset
        voxel_size, live
            As for `NestedMatrix.from_synapses_by_neuropil`.
        synapses_df, neuron_annotations, and the others
            As for `from_synapses`.

        Raises
        ------
        DataError, UsageError (ValueErrors)
        """
        ask = Ask(
            cell_type_column, neuron_id_column, type_order,
            (source_types, source_neurons, source_type_order), (target_types, target_neurons, target_type_order),
            weight_mode, weight_column, normalization_scope, annotation_scope,
            unconnected_kept(keep_unconnected, keep_silent), neuron_order,
        )  # fmt: skip
        place = Place(
            neuropil_names, coordinates, position_column, include_other, voxel_offset, voxel_size, meshes, dataset,
            live, mesh_scale,
        )  # fmt: skip
        found = build_by_neuropil(
            synapses_df,
            neuron_annotations,
            ask,
            place,
            reading,
            pre_col=pre_col,
            post_col=post_col,
            max_memory=max_memory,
        )
        return collected(cls, *found)


__all__ = ["DENSE_LIMIT", "DataError", "DirectedNestedMatrix", "NestedMatrix"]
