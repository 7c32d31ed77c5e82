"""The Python functions: the same code as the commands, returning pandas objects."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crantcli.core.adjacency import adjacency
from crantcli.core.connectivity import Question, connectivity
from crantcli.core.counts import counts
from crantcli.core.synapses import RowFilter, Wanted, synapse_rows
from crantcli.core.table import Annotations, Result, Table, Unit, VoxelSize
from crantcli.core.units import convert_positions, unit_record
from crantcli.engine.duckdb import DEFAULT_MEMORY, Engine
from crantcli.errors import ArgumentTypeError, CrantWarning, DataError, UsageError
from crantcli.ids import Selection, python_selectors
from crantcli.schema import AXES, KEY, Kind
from crantcli.sources.datasets import find_dataset
from crantcli.sources.recorded import parse_voxel_size
from crantcli.sources.tables import Reading
from crantcli.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


class _Session:
    """One call: its engine, its inputs, its selections."""

    def __init__(self, space: Workspace, engine: Engine, annotations: Annotations | None) -> None:
        self.space, self.engine, self.annotations = space, engine, annotations

    def table(self, source: Any, **reading: Any) -> Table:
        """Open the source."""
        return self.space.table(source, Reading(**reading))

    def select(self, neurons: Any, table: Table) -> Selection | None:
        """The neurons that a parameter names; None for None."""
        if neurons is None:
            return None
        selectors = python_selectors(neurons)
        return self.space.select(selectors, table) if selectors else Selection(())

    def within(self, table: Table, assignments: Any, neuropil: Any) -> Table:
        """The table with the synapses of chosen neuropils only, if any are."""
        if assignments is None and neuropil is None:
            return table
        names = [neuropil] if isinstance(neuropil, str) else list(neuropil or ())
        if assignments is None or not names:
            raise UsageError("assignments and neuropil go together; give both or none")
        return self.space.members(assignments, names, table).within(table)

    def rows(self, table: Table, clean: bool, min_size: int | None, threshold: int) -> RowFilter:
        """The filter, checked against the table."""
        made = RowFilter(clean, self.space.background, min_size, threshold)
        made.check(table)
        return made

    def warn(self, notes: Sequence[str]) -> None:
        """Pass on what the command line would note."""
        for note in dict.fromkeys([*self.space.notes, *notes]):
            warnings.warn(note, CrantWarning, stacklevel=4)


@contextmanager
def _session(
    source: Any, dataset: str | None, materialization: Any, annotations: Any, max_memory: str, labelled: bool = False
) -> Iterator[_Session]:
    found = find_dataset(dataset)
    if source is None and found is None:
        raise UsageError("nothing to read: give source= (a path or a DataFrame) or dataset= (a name or a TOML file)")
    if source is None and found is not None:
        found.synapse_file()
    if materialization not in ("latest", "live"):
        raise UsageError(f"materialization={materialization!r}: 'latest' or 'live'; files have one version only")
    with Engine(max_memory) as engine:
        space = Workspace(engine, found)
        yield _Session(space, engine, space.annotations(annotations, needed=labelled))


def _frame(engine: Engine, query: str) -> pd.DataFrame:
    """A query's result; integers with gaps as nullable Int64, never as floats."""
    import pandas as pd
    import pyarrow as pa

    table = engine.reader(query).read_all()
    nullable = {
        field.name
        for field, column in zip(table.schema, table.columns, strict=True)
        if pa.types.is_integer(field.type) and column.null_count
    }
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
    return frame.astype(dict.fromkeys(nullable, pd.Int64Dtype())) if nullable else frame


def get_synapses(
    pre_ids: Any = None,
    post_ids: Any = None,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str = "latest",
    return_pixels: bool = True,
    clean: bool = True,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    annotations: Any = None,
    coordinates: str | None = None,
    voxel_size: VoxelSize | None = None,
    assignments: Any = None,
    neuropil: str | Sequence[str] | None = None,
    max_memory: str = DEFAULT_MEMORY,
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
    materialization : {"latest", "live"}, default "latest"
        Version of a live data set; a file has one version.
    return_pixels : bool, default True
        Positions in voxels, floor(nm / voxel size), instead of nanometres. Positions of unknown unit stay as they are,
        with a warning.
    clean : bool, default True
        Drop autapses and rows with a background ID.
    update_ids : bool, default True
        Bring IDs up to date in a live data set; no effect on files.
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
    assignments : path or DataFrame, optional
        The assignments.parquet that `crantcli neuropil` makes: `id`, `neuropil`.
    neuropil : str or sequence of str, optional
        With `assignments`: synapses that lie in any of these only.
    max_memory : str, default "2GB"
        What the engine may hold in memory.

    Returns
    -------
    DataFrame
        One row per synapse, sorted by pre, post, id. Positions are columns of arrays [x, y, z]. `attrs["crantcli"]`
        holds `units` and `voxel_size_nm`.

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
    with _session(source, dataset, materialization, annotations, max_memory) as session:
        voxel = None if voxel_size is None else parse_voxel_size(",".join(map(str, voxel_size)))
        table = session.table(source, coordinates=coordinates, voxel_size=voxel, carry=True)
        if table.kind is not Kind.SYNAPSES:
            raise DataError(f"source is an {table.kind} table; get_synapses needs one row per synapse")
        table = session.within(table, assignments, neuropil)
        rows = session.rows(table, clean, min_size, threshold)
        wanted = Wanted(session.select(pre_ids, table), session.select(post_ids, table))
        target: Unit | None = "pixels" if return_pixels else "nm"
        notes = []
        if not table.positions or table.unit == "unknown":
            if table.positions:
                notes.append(
                    "the unit of the positions is not recorded, so they are not converted; say coordinates="
                    "'nm' or 'pixels'"
                )
            target = None
        conversions, unit, known_voxel = convert_positions(table, target)
        result = synapse_rows(session.engine, table, wanted, rows, conversions)
        frame = _frame(session.engine, _joined_positions(result, table))
        frame.attrs[KEY] = unit_record(table, result.columns, unit, known_voxel)
        session.warn([*notes, *result.notes])
        return frame


def _joined_positions(result: Result, table: Table) -> str:
    """The same rows with each position as one list."""
    parts = {f"{name}_{axis}" for name in table.positions for axis in AXES}
    chosen = [f'"{column}"' for column in result.columns if column not in parts]
    for name in table.positions:
        listed = ", ".join(f'"{name}_{axis}"' for axis in AXES)
        chosen.append(f'CASE WHEN "{name}_x" IS NULL THEN NULL ELSE [{listed}] END AS "{name}"')
    return f"SELECT {', '.join(chosen)} FROM ({result.query})"


def get_connectivity(
    neuron_ids: Any = None,
    upstream: bool = True,
    downstream: bool = True,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str = "latest",
    clean: bool = True,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    annotations: Any = None,
    by: str | None = None,
    annotate: Sequence[str] = (),
    top: int | None = None,
    normalize: str | None = None,
    totals: Any = None,
    sum_duplicates: bool = False,
    assignments: Any = None,
    neuropil: str | Sequence[str] | None = None,
    max_memory: str = DEFAULT_MEMORY,
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
    by : {"type", "neuropil"}, optional
        Add up to cell types, or split by neuropil.
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
    assignments, neuropil
        As for `get_synapses`.
    max_memory : str, default "2GB"

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
    if by not in (None, "type", "neuropil"):
        raise UsageError(f"by={by!r}: 'type' or 'neuropil'")
    if normalize not in (None, "input", "output"):
        raise UsageError(f"normalize={normalize!r}: 'input' or 'output'")
    if isinstance(annotate, str):
        annotate = (annotate,)
    question = Question(None, upstream, downstream, by, tuple(annotate), top, normalize, sum_duplicates)  # type: ignore[arg-type]
    labelled = bool(annotate) or by == "type"
    with _session(source, dataset, materialization, annotations, max_memory, labelled) as session:
        table = session.within(session.table(source), assignments, neuropil)
        rows = session.rows(table, clean, min_size, threshold)
        filters = {"clean": clean, "min_size": min_size, "threshold": 1}
        whole = None if totals is None else session.space.totals(totals, filters, table)
        asked = question.about(session.select(neuron_ids, table))
        result = connectivity(session.engine, table, asked, rows, session.annotations, whole)
        session.warn(result.notes)
        return _frame(session.engine, result.query)


def get_synapse_counts(
    neuron_ids: Any = None,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str = "latest",
    clean: bool = True,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    annotations: Any = None,
    sum_duplicates: bool = False,
    assignments: Any = None,
    neuropil: str | Sequence[str] | None = None,
    max_memory: str = DEFAULT_MEMORY,
) -> pd.DataFrame:
    """Partners and synapses per neuron.

    Parameters
    ----------
    neuron_ids : int, str, list of them, or NeuronCriteria, optional
        None means all neurons, from a file only.
    threshold, min_size, materialization, clean, update_ids, dataset, source, annotations, sum_duplicates, max_memory
        As for `get_connectivity`; so are assignments and neuropil.

    Returns
    -------
    DataFrame
        Index `neuron_id`: the neurons asked for in their order, zeros where silent. Columns `pre`, `post`: distinct
        partner neurons, outgoing and incoming; `pre_synapses`, `post_synapses`: synapses.

    Raises
    ------
    UsageError, DataError (ValueErrors)
    """
    if neuron_ids is None and source is None:
        raise UsageError("from a data set, give neuron_ids; only a source= can be taken whole")
    with _session(source, dataset, materialization, annotations, max_memory) as session:
        table = session.within(session.table(source), assignments, neuropil)
        rows = session.rows(table, clean, min_size, threshold)
        result = counts(session.engine, table, session.select(neuron_ids, table), rows, sum_duplicates)
        session.warn(result.notes)
        return _frame(session.engine, result.query).set_index("neuron_id")


def get_adjacency(
    pre_ids: Any = None,
    post_ids: Any = None,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str = "latest",
    symmetric: bool = False,
    clean: bool = True,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    annotations: Any = None,
    keep_silent: bool = False,
    sum_duplicates: bool = False,
    max_memory: str = DEFAULT_MEMORY,
) -> pd.DataFrame:
    """A matrix of synapse counts.

    Parameters
    ----------
    pre_ids, post_ids : int, str, list of them, or NeuronCriteria, optional
        Rows and columns; None means all.
    symmetric : bool, default False
        All neurons of the kept synapses on both axes.
    keep_silent : bool, default False
        Keep requested neurons without synapses.
    threshold, min_size, materialization, clean, update_ids, dataset, source, annotations, sum_duplicates, max_memory
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
    if pre_ids is None and post_ids is None and source is None:
        raise UsageError("from a data set, give pre_ids or post_ids; only a source= can be taken whole")
    with _session(source, dataset, materialization, annotations, max_memory) as session:
        table = session.table(source)
        rows = session.rows(table, clean, min_size, threshold)
        wanted = Wanted(session.select(pre_ids, table), session.select(post_ids, table))
        options = {"symmetric": symmetric, "sum_duplicates": sum_duplicates}
        result = adjacency(session.engine, table, wanted, rows, keep_silent=keep_silent, **options)
        if not len(result.matrix.weights):
            result = adjacency(session.engine, table, wanted, rows, keep_silent=True, **options)
        session.warn(result.notes)
        return result.matrix.frame()


__all__ = ["ArgumentTypeError", "get_adjacency", "get_connectivity", "get_synapse_counts", "get_synapses"]
