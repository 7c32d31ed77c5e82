"""`ask`: any question from Python."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Unpack

from crantcli.api.frames import FrameSink, answer, checked_voxel_size, neuropil_names
from crantcli.checks import check_choice, path_name
from crantcli.core.question import Folder, Page, Table
from crantcli.core.questions.base import Question
from crantcli.core.relation import VoxelSize
from crantcli.engine.limits import DEFAULT_MEMORY
from crantcli.errors import UsageError
from crantcli.remote.settings import LiveOptions
from crantcli.run.request import Request
from crantcli.sources.tables.metadata import parse_mesh_scale
from crantcli.sources.tables.read_options import ReadKeywords, read_options
from crantcli.text import join_names


def ask(
    question: Question,
    *,
    source: Any = None,
    dataset: str | None = None,
    annotations: Any = None,
    neuron_id_column: str | None = None,
    cell_type_column: str | None = None,
    clean: bool = True,
    min_size: int | None = None,
    threshold: int | None = None,
    assignments: Any = None,
    neuropil: str | Sequence[str] | None = None,
    totals: Any = None,
    meshes: str | None = None,
    mesh_scale: Any = None,
    output: str = "",
    other: Any = None,
    other_annotations: Any = None,
    ids: Any = None,
    skeletons: Any = None,
    skeleton_units: str = "nm",
    coordinates: str | None = None,
    voxel_size: VoxelSize | None = None,
    materialization: str | int | datetime = "latest",
    update_ids: bool = True,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
    **reading: Unpack[ReadKeywords],
) -> Any:
    """Ask any question of a table: what the commands ask, with the same answer.

    Parameters
    ----------
    question : Question
        Such as `crantcli.questions.Connectivity(neurons=..., by="type")`.
    source : path, list of paths, or DataFrame, optional
        None means the data set's own.
    dataset, annotations, neuron_id_column, cell_type_column, assignments, neuropil, totals
    meshes, mesh_scale, coordinates, voxel_size
        As the options of the commands.
    clean, min_size, threshold
        Which rows count.
    output : str, default ""
        Another table of the answer, such as "neurons" or "sweep" of `Compare`, instead of the main one.
    other : path, list of paths, or DataFrame, optional
        The second table, for questions about two.
    other_annotations : path or DataFrame, optional
        Annotations of its neurons; default: those of the source.
    ids : path or DataFrame, optional
        What neurons of the source are called at the time of the other table, as `update_ids` gives it.
    skeletons : path, or list of paths, optional
        SWC files, folders or zip files of them; None means the data set's own.
    skeleton_units : {"nm", "um", "pixels"}, default "nm"
    materialization, update_ids, live, max_memory, **reading
        As for `get_synapses`.

    Returns
    -------
    DataFrame, NestedMatrix, DirectedNestedMatrix, NeuropilCollection or str
        A table or a matrix as a DataFrame; a nested matrix as an object of its class, several as a collection of them;
        where `Neuropil` is to make no matrices, the table of assignments; of `View` the text of the page.

    Raises
    ------
    UsageError, DataError (ValueErrors)
    """
    from crantcli.api.sinks import AssignmentSink, CollectionSink, MatrixSink, PageSink
    from crantcli.core.questions.neuropil import Neuropil
    from crantcli.run.skeletons import SkeletonCollections, skeleton_paths
    from crantcli.sources.shapes.skeletons import SKELETON_UNITS, find_skeletons

    check_choice("skeleton_units", skeleton_units, SKELETON_UNITS)
    given = skeletons if skeletons is None or isinstance(skeletons, list | tuple) else [skeletons]
    places = [path for path in (path_name("skeletons", one) for one in given or ()) if path is not None]
    names, voxel = neuropil_names(assignments, neuropil), checked_voxel_size(voxel_size)
    tables = [name for name, kind in question.outputs.items() if kind is Table and name]
    if output and output not in tables:
        raise UsageError(f"output={output!r}: {question.command} has {join_names(tables) or 'none but the usual one'}")
    if question.outputs.get("") is Folder and not isinstance(question, Neuropil):
        raise UsageError(f"{question.command} makes a folder of files, and no DataFrame; see partition_table")
    sink: Any = FrameSink(output)
    if question.command == "nested" and not output:
        sink = MatrixSink()
    elif question.outputs.get("") is Page:
        sink = PageSink()
    elif isinstance(question, Neuropil) and not output:
        sink = AssignmentSink() if question.assignments_only else CollectionSink()
    with ExitStack() as stack:
        found = None
        if places or question.needs().skeletons:
            paths = skeleton_paths(places, dataset)
            found = SkeletonCollections(stack.enter_context(find_skeletons(paths)), None, skeleton_units)
        request = Request(
            source,
            dataset,
            annotations,
            neuron_id_column,
            cell_type_column,
            read_options(reading, coordinates=coordinates, voxel_size=voxel),
            clean,
            min_size,
            threshold,
            assignments=assignments,
            neuropil=names,
            totals=totals,
            meshes=path_name("meshes", meshes),
            mesh_scale=None if mesh_scale is None else parse_mesh_scale(mesh_scale),
            skeletons=found,
            other=other,
            other_annotations=other_annotations,
            renames=ids,
        )
        answer(
            question, request, sink,
            materialization=materialization, update_ids=update_ids, live=live, max_memory=max_memory,
        )  # fmt: skip
    return _pandas(question, sink)


def _pandas(question: Any, sink: Any) -> Any:
    """What the sink has taken, as users know it."""
    from crantcli.api.nested import DirectedNestedMatrix, NestedMatrix, collected
    from crantcli.api.sinks import CollectionSink, MatrixSink, PageSink

    if isinstance(sink, PageSink):
        return sink.page
    if isinstance(sink, MatrixSink):
        kind = DirectedNestedMatrix if question.directed else NestedMatrix
        return kind._of(sink.results.subject.blocks)
    if isinstance(sink, CollectionSink):
        kind = DirectedNestedMatrix if question.nested.directed else NestedMatrix
        return collected(kind, sink.made, sink.counts)
    return sink.frame
