"""The Python functions: the same code as the commands, returning pandas objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Unpack

from crantcli.api.frames import FrameSink, answer, checked_voxel_size, neuropil_names
from crantcli.core.question import Table
from crantcli.core.questions.adjacency import Adjacency, unconnected_kept
from crantcli.core.questions.base import Results
from crantcli.core.questions.connectivity import Connectivity
from crantcli.core.questions.counts import Counts
from crantcli.core.questions.synapses import Synapses
from crantcli.core.relation import Relation, Unit, VoxelSize
from crantcli.core.rows.weights import signs_of
from crantcli.engine.limits import DEFAULT_MEMORY
from crantcli.errors import ArgumentTypeError, DataError, UsageError
from crantcli.remote.settings import LiveOptions
from crantcli.run.request import Request, take_any
from crantcli.schema import AXES, Kind
from crantcli.sources.tables.read_options import ReadKeywords, read_options

if TYPE_CHECKING:
    import pandas as pd


#: Parameters of questions that these functions call otherwise.
_NAMES = {"neurons": "neuron_ids", "pre": "pre_ids", "post": "post_ids"}


def get_synapses(
    pre_ids: Any = None,
    post_ids: Any = None,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str | int | datetime = "latest",
    return_pixels: bool = True,
    clean: bool = True,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    annotations: Any = None,
    coordinates: str | None = None,
    voxel_size: VoxelSize | None = None,
    min_fraction: float | None = None,
    totals: Any = None,
    assignments: Any = None,
    neuropil: str | Sequence[str] | None = None,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
    **reading: Unpack[ReadKeywords],
) -> pd.DataFrame:
    """Synapses of chosen pre- and postsynaptic neurons.

    Parameters
    ----------
    pre_ids, post_ids : int, str, list of them, or NeuronCriteria, optional
        Neurons on either side; with both, both must hold. From a file neither need be given.
    threshold : int, default 1
        Synapses that a pair of neurons must have, counted after `clean` and `min_size`.
    min_size : int, optional
        Smallest size of a synapse.
    materialization : "latest", "live", int, or datetime, default "latest"
        State of a live data set: a version, or a time (UTC); a file has one version.
    return_pixels : bool, default True
        Positions in voxels, floor(nm / voxel size), instead of nanometres. Positions of unknown unit stay as they are,
        with a warning.
    clean : bool, default True
        Drop autapses and rows with a background ID.
    update_ids : bool, default True
        Bring IDs to the time that is queried, in a live data set; no effect on files.
    dataset : str, optional
        Name of a data set, or a TOML file.
    source : path, list of paths, or DataFrame, optional
        The synapse table; None means the data set's.
    annotations : path or DataFrame, optional
        For NeuronCriteria.
    coordinates : {"nm", "pixels"}, optional
        Unit of the source's positions, where it does not record it.
    voxel_size : tuple of three floats, optional
        Nanometres per voxel, where the source does not record it.
    min_fraction : float, optional
        Synapses of pairs that are at least this part of the post neuron's input.
    totals : path or DataFrame, optional
        That input: `get_synapse_counts` of the whole table with `neuron_id` as a column.
    assignments : path or DataFrame, optional
        The assignments.parquet that `crantcli neuropil` makes: `id`, `neuropil`.
    neuropil : str or sequence of str, optional
        With `assignments`: synapses that lie in any of these only.
    live : LiveOptions, optional
        How a live data set is asked: `LiveOptions(lock=..., strict_ids=..., allow_missing=..., refresh=..., ...)`.
    max_memory : str, default "2GB"
        What the engine may hold in memory.
    **reading
        How the source is to be read, where its columns do not tell: `pre_col`, `post_col`, `weight_col`, `where` and
        others, see `ReadKeywords`.

    Returns
    -------
    DataFrame
        One row per synapse, sorted by pre, post, id. Positions are columns of arrays [x, y, z]. `attrs["crantcli"]`
        holds `units` and `voxel_size_nm`, and for a live data set `source`: which version, of which time.

    Raises
    ------
    UsageError (a ValueError)
        For a live data set without `pre_ids` and `post_ids`, and for wrong arguments.
    DataError (a ValueError)
        For tables that do not hold what is needed.
    ArgumentTypeError (a TypeError)
        For IDs given as floats.
    """
    if pre_ids is None and post_ids is None and source is None:
        raise UsageError("from a data set, give pre_ids or post_ids; only a source= can be taken whole")
    units: Unit = "pixels" if return_pixels else "nm"
    question = Synapses(pre_ids, post_ids, units, units_required=False, min_fraction=min_fraction)
    voxel = checked_voxel_size(voxel_size)
    request = _request(
        source, dataset, annotations, reading, clean, min_size, threshold, assignments, neuropil, totals,
        coordinates=coordinates, voxel_size=voxel, refuse=_refuse_others,
    )  # fmt: skip
    sink = _SynapseSink()
    answer(
        question, request, sink,
        materialization=materialization, update_ids=update_ids, live=live, max_memory=max_memory, names=_NAMES,
    )  # fmt: skip
    return sink.frame


def _refuse_others(table: Relation) -> None:
    if table.kind is not Kind.SYNAPSES:
        raise DataError(f"source is an {table.kind} table; get_synapses needs one row per synapse")


class _SynapseSink(FrameSink):
    """Makes each position one list."""

    def query(self, output: Table, results: Results) -> str:
        table: Relation = results.subject
        parts = {f"{name}_{axis}" for name in table.positions for axis in AXES}
        chosen = [f'"{column}"' for column in output.columns if column not in parts]
        for name in table.positions:
            listed = ", ".join(f'"{name}_{axis}"' for axis in AXES)
            chosen.append(f'CASE WHEN "{name}_x" IS NULL THEN NULL ELSE [{listed}] END AS "{name}"')
        return f"SELECT {', '.join(chosen)} FROM ({output.query})"


def _request(
    source: Any,
    dataset: str | None,
    annotations: Any,
    reading: ReadKeywords,
    clean: bool,
    min_size: int | None,
    threshold: int,
    assignments: Any = None,
    neuropil: str | Sequence[str] | None = None,
    totals: Any = None,
    refuse: Callable[[Relation], None] = take_any,
    **more: Any,
) -> Request:
    """What is asked about, from the parameters that functions share."""
    names = neuropil_names(assignments, neuropil)
    return Request(
        source,
        dataset,
        annotations,
        read=read_options(reading, **more),
        clean=clean,
        min_size=min_size,
        threshold=None if threshold == 1 else threshold,
        assignments=assignments,
        neuropil=names,
        totals=totals,
        refuse=refuse,
    )


def get_connectivity(
    neuron_ids: Any = None,
    upstream: bool = True,
    downstream: bool = True,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str | int | datetime = "latest",
    clean: bool = True,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    annotations: Any = None,
    by: str | Sequence[str] | None = None,
    annotate: Sequence[str] = (),
    top: int | None = None,
    normalize: str | None = None,
    totals: Any = None,
    sum_duplicates: bool = False,
    complete: bool = False,
    weight: str = "count",
    min_fraction: float | None = None,
    sign: str | None = None,
    inhibitory: str | Sequence[str] = (),
    excitatory: str | Sequence[str] = (),
    unsigned: Literal["error", "drop", "positive"] = "error",
    links: str | None = None,
    assignments: Any = None,
    neuropil: str | Sequence[str] | None = None,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
    **reading: Unpack[ReadKeywords],
) -> pd.DataFrame:
    """Edges of chosen neurons: who talks to whom, and how strongly.

    Parameters
    ----------
    neuron_ids : int, str, list of them, or NeuronCriteria, optional
        None means all neurons, from a file only.
    upstream, downstream : bool, default True
        Their inputs; their outputs.
    threshold, min_size, materialization, clean, update_ids, dataset
        As for `get_synapses`.
    source : path, list of paths, or DataFrame, optional
        Synapses, edges or an adjacency; None means the data set's synapses.
    annotations : path or DataFrame, optional
        For NeuronCriteria, `annotate` and `by="type"`.
    by : {"type", "neuropil"}, str, or sequence of str, optional
        Add up to cell types, split by neuropil, or add up by columns of the annotations or of the table: `COL`,
        `pre:COL`, `post:COL`.
    complete : bool, default False
        With columns: groups without an edge, too.
    weight : {"count", "sum:COL", "mean:COL"}, default "count"
        What is told of the synapses of a pair. Thresholds and fractions are of their number all the same.
    min_fraction : float, optional
        Keep pairs that are at least this part of the post neuron's input.
    sign : str, optional
        Column of the annotations, such as the transmitter, by which weights are negative.
    inhibitory, excitatory : str or sequence of str
        Its labels of neurons whose weights are negative, and are not; default of the latter: all others.
    unsigned : {"error", "drop", "positive"}
        What becomes of the output of neurons with neither.
    links : str, optional
        A column to add, with links that show both neurons in the data set's viewer.
    annotate : sequence of str
        Annotation columns to add as `pre_COL` and `post_COL`.
    top : int, optional
        Strongest partners per neuron, in each direction.
    normalize : {"input", "output"}, optional
        Add `fraction`, of the post neuron's total input or the pre neuron's total output.
    totals : path or DataFrame, optional
        Totals for `normalize`: `get_synapse_counts` of the whole table with `neuron_id` as a column.
    sum_duplicates : bool, default False
        Add up edge rows that repeat a pair.
    assignments, neuropil, live, max_memory, **reading
        As for `get_synapses`.

    Returns
    -------
    DataFrame
        `pre`, `post`, `weight` and what was asked for; weight descending, then pre, then post.

    Raises
    ------
    UsageError (a ValueError)
        Where both `upstream` and `downstream` are False, and for other wrong arguments.
    DataError (a ValueError)
        For tables that do not hold what is needed, and for fractions of an incomplete whole.
    """
    if neuron_ids is None and source is None:
        raise UsageError("from a data set, give neuron_ids; only a source= can be taken whole")
    added = (annotate,) if isinstance(annotate, str) else tuple(annotate)
    question = Connectivity(
        neuron_ids, upstream, downstream, by, added, top, normalize, sum_duplicates, complete,  # type: ignore[arg-type]
        weight, min_fraction, signs_of(sign, inhibitory, excitatory, unsigned), links=links,
    )  # fmt: skip
    request = _request(source, dataset, annotations, reading, clean, min_size, threshold, assignments, neuropil, totals)
    sink = FrameSink()
    answer(
        question, request, sink,
        materialization=materialization, update_ids=update_ids, live=live, max_memory=max_memory, names=_NAMES,
    )  # fmt: skip
    return sink.frame


def get_synapse_counts(
    neuron_ids: Any = None,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str | int | datetime = "latest",
    clean: bool = True,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    annotations: Any = None,
    sum_duplicates: bool = False,
    by: str | Sequence[str] | None = None,
    weight: str = "count",
    min_fraction: float | None = None,
    sign: str | None = None,
    inhibitory: str | Sequence[str] = (),
    excitatory: str | Sequence[str] = (),
    unsigned: Literal["error", "drop", "positive"] = "error",
    totals: Any = None,
    assignments: Any = None,
    neuropil: str | Sequence[str] | None = None,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
    **reading: Unpack[ReadKeywords],
) -> pd.DataFrame:
    """Partners and synapses per neuron.

    Parameters
    ----------
    neuron_ids : int, str, list of them, or NeuronCriteria, optional
        None means all neurons, from a file only.
    by : str or sequence of str, optional
        A row for each group of a neuron's partners: by columns of the annotations (`partner_COL`), or of the table.
    threshold, min_size, materialization, clean, update_ids, dataset, source, annotations, sum_duplicates
    weight, min_fraction, sign, inhibitory, excitatory, unsigned, totals
    assignments, neuropil, live, max_memory, **reading
        As for `get_connectivity`.

    Returns
    -------
    DataFrame
        Index `neuron_id`: the neurons asked for in their order, zeros where silent. Columns `pre`, `post`: distinct
        partner neurons, outgoing and incoming; `pre_synapses`, `post_synapses`: synapses; `pre_weight`, `post_weight`
        where weights are others. Where a live data set has one of the neurons under another ID, `current_id` is what
        was counted.

    Raises
    ------
    UsageError, DataError (ValueErrors)
    """
    if neuron_ids is None and source is None:
        raise UsageError("from a data set, give neuron_ids; only a source= can be taken whole")
    question = Counts(
        neuron_ids, sum_duplicates, by, weight, min_fraction,  # type: ignore[arg-type]
        signs_of(sign, inhibitory, excitatory, unsigned),
    )  # fmt: skip
    request = _request(source, dataset, annotations, reading, clean, min_size, threshold, assignments, neuropil, totals)
    sink = FrameSink()
    answer(
        question, request, sink,
        materialization=materialization, update_ids=update_ids, live=live, max_memory=max_memory, names=_NAMES,
    )  # fmt: skip
    attrs = sink.frame.attrs
    frame = sink.frame.set_index("neuron_id")
    frame.attrs.update(attrs)
    return frame


def get_adjacency(
    pre_ids: Any = None,
    post_ids: Any = None,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str | int | datetime = "latest",
    symmetric: bool = False,
    clean: bool = True,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    annotations: Any = None,
    keep_unconnected: bool | None = None,
    keep_silent: bool | None = None,
    sum_duplicates: bool = False,
    by: str | Sequence[str] | None = None,
    weight: str = "count",
    min_fraction: float | None = None,
    sign: str | None = None,
    inhibitory: str | Sequence[str] = (),
    excitatory: str | Sequence[str] = (),
    unsigned: Literal["error", "drop", "positive"] = "error",
    totals: Any = None,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
    **reading: Unpack[ReadKeywords],
) -> pd.DataFrame:
    """A matrix of synapse counts, or of other weights.

    Parameters
    ----------
    pre_ids, post_ids : int, str, list of them, or NeuronCriteria, optional
        Rows and columns; None means all. A data set on a server is not fetched as a whole: there one must be given.
    symmetric : bool, default False
        All neurons of the kept synapses on both axes.
    keep_unconnected : bool, default False
        Keep requested neurons without synapses.
    keep_silent : bool, optional
        Older name of `keep_unconnected`.
    by : str or sequence of str, optional
        Groups of neurons instead, by columns of the annotations: `COL`, `pre:COL`, `post:COL`. Labels of several
        columns are joined by a colon.
    threshold, min_size, materialization, clean, update_ids, dataset, source, annotations, sum_duplicates
    weight, min_fraction, sign, inhibitory, excitatory, unsigned, totals, live, max_memory, **reading
        As for `get_connectivity`.

    Returns
    -------
    DataFrame
        Index: presynaptic IDs, ascending; columns: postsynaptic IDs, ascending. Where no synapse is found, zeros for
        all requested neurons (for their union on both axes, if symmetric).

    Raises
    ------
    UsageError, DataError (ValueErrors)
    """
    question = Adjacency(
        pre_ids,
        post_ids,
        symmetric,
        unconnected_kept(keep_unconnected, keep_silent),
        keep_if_empty=True,
        sum_duplicates=sum_duplicates,
        by=by,  # type: ignore[arg-type]
        weight=weight,
        min_fraction=min_fraction,
        signs=signs_of(sign, inhibitory, excitatory, unsigned),
    )
    request = _request(source, dataset, annotations, reading, clean, min_size, threshold, totals=totals)
    sink = FrameSink()
    answer(
        question, request, sink,
        materialization=materialization, update_ids=update_ids, live=live, max_memory=max_memory, names=_NAMES,
    )  # fmt: skip
    return sink.frame


__all__ = ["ArgumentTypeError", "get_adjacency", "get_connectivity", "get_synapse_counts", "get_synapses"]
