"""`crantcli attach`: every synapse on its skeleton."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crantcli.cli.options import (
    NEURON_HELP,
    Coordinates,
    RowOptions,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    VoxelSizeText,
    with_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crantcli.cli.job import Work
    from crantcli.core.attach import Attached
    from crantcli.core.geometry.skeleton import Skeleton
    from crantcli.core.table import Table
    from crantcli.ids import Selection
    from crantcli.schema import IdType
    from crantcli.sources.skeletons import Collection, Skeletons

EPILOG = """Example: crantcli attach synapses.parquet --coordinates nm --skeletons skeletons -o sites.csv --plot a.pdf

A site is where a synapse touches a neuron: a synapse between two of the neurons has one on each skeleton. x, y, z
and distance are in nm, connector_id counts from 0 within a neuron, node_id is the nearest node of the skeleton.
Where a live data set has a neuron under another ID than its skeleton, current_id is that."""


@with_options
def attach(
    source: SourceOptions,
    rows: RowOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    skeletons: Annotated[
        list[str] | None,
        typer.Option(
            "--skeletons", metavar="PATH", show_default=False,
            help="SWC files, a folder or a .zip of them, named by neuron ID; repeat to add. Default: the data set's.",
        ),
    ] = None,
    id_map: Annotated[
        str | None,
        typer.Option("--id-map", metavar="FILE", help="Table with columns name, neuron_id: whose each skeleton is."),
    ] = None,
    skeleton_units: Annotated[
        Literal["nm", "um", "pixels"], typer.Option("--skeleton-units", help="Unit of the skeletons.")
    ] = "nm",
    neurons: Annotated[
        Selectors,
        typer.Option(
            "--neurons", "-n", metavar="NEURONS", help=f"Skeletons of these only: {NEURON_HELP}. Default: all."
        ),
    ] = None,
    pre: Annotated[bool, typer.Option("--pre/--no-pre", help="Presynaptic sites: their outputs.")] = True,
    post: Annotated[bool, typer.Option("--post/--no-post", help="Postsynaptic sites: their inputs.")] = True,
    max_distance: Annotated[
        float | None,
        typer.Option(
            "--max-distance", metavar="NM", show_default=False,
            help="Leave out sites farther from their skeleton, in nm; none with --no-clean. Default: 10000.",
        ),
    ] = None,
    coordinates: Coordinates = None,
    voxel_size: VoxelSizeText = None,
    summary: Annotated[
        str | None,
        typer.Option("--summary", metavar="FILE", help="One row per skeleton: sites, distances, cable length."),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw skeletons and sites from two sides: .pdf (all), .png or .svg (10)."
        ),
    ] = None,
) -> None:  # fmt: skip
    """Attach synapses to skeletons: each pre- and postsynaptic site goes to its nearest node."""
    from functools import partial

    from crantcli.cli.job import Job
    from crantcli.core.attach import MAX_DISTANCE, Question
    from crantcli.core.attach import attach as answer
    from crantcli.errors import UsageError
    from crantcli.output.arbors import check_picture
    from crantcli.output.tables import table_format
    from crantcli.sources.cave.query import needed
    from crantcli.sources.recorded import parse_voxel_size
    from crantcli.sources.skeletons import find_skeletons, selected, skeleton_scale

    if plot:
        check_picture(plot)
    if summary:
        table_format(summary)
    if max_distance is not None and not rows.clean:
        raise UsageError("--max-distance goes with cleaning; leave it or --no-clean out")
    farthest = MAX_DISTANCE if max_distance is None else max_distance
    question = Question(pre, post, farthest, measure=summary is not None)
    voxel = parse_voxel_size(voxel_size) if voxel_size else None
    job = Job("attach", source, run, {"neurons": neurons}, [summary, plot], fetch=fetch, tables=[id_map])
    with find_skeletons(_paths(skeletons, source)) as collections, job.opened() as work:
        work.annotations(clean=rows.clean)
        read = partial(work.table, carry="positions", coordinates=coordinates, voxel_size=voxel)
        if work.live:
            known = _skeletons(work, collections, id_map, "BIGINT")
            found, asked = _current(work, known)
            columns = needed([f"{side}_pt_position" for side in question.sides], rows.min_size is not None)
            table = read(query=work.space.query("--skeletons", columns, rows.clean, {"either": asked}, post, pre))
            work.select("neurons", table)
            current = [new for _, new in asked.requested] or None
        else:
            table = read()
            table.require_synapses("attach")
            known, wanted = _skeletons(work, collections, id_map, table.id_type), work.select("neurons", table)
            found, current = known if wanted is None else selected(known, wanted.ids), None
        load = partial(found.load, scale=skeleton_scale(skeleton_units, table))
        kept = work.row_filter(rows, table)
        attached = answer(work.engine, table, found.neurons, load, kept, question, current)
        attached.result.notes[:0] = found.notes
        work.space.inputs += found.records()
        options = {
            "pre": pre,
            "post": post,
            "max_distance": farthest if rows.clean else None,
            "skeleton_units": skeleton_units,
            "coordinates": coordinates,
        }
        units = {"units": "nm", **({"voxel_size_nm": list(table.voxel_size)} if table.voxel_size else {})}
        result = attached.result
        record = work.record("connectors", table, kept, result, result.rows, options, units)
        work.write(result, record)
        if summary:
            _summarise(work, table, found, attached, record, summary)
        if plot:
            result.notes += _draw(work, found, load, attached, record, plot)
        result.notes += work.unit_notes(units, "write .parquet to keep that in the file")
        facts = {name: result.facts[name] for name in ("sites", "skeletons")}
        work.finish("sites", result.rows, result.ledger, result.notes, facts)


def _paths(skeletons: Sequence[str] | None, source: SourceOptions) -> Sequence[str]:
    """Where the skeletons are: as given, else the data set's own."""
    from crantcli.errors import UsageError
    from crantcli.sources.datasets import find_dataset

    if skeletons:
        return skeletons
    dataset = find_dataset(source.dataset)
    if dataset is not None and dataset.skeletons is not None:
        return [dataset.skeletons]
    raise UsageError(
        "nothing to attach to: give --skeletons PATH (SWC files, a folder or a .zip of them), or a data set whose TOML "
        'has [files] skeletons = "..."'
    )


def _skeletons(work: Work, collections: Sequence[Collection], id_map: str | None, id_type: IdType) -> Skeletons:
    """The skeletons, each with its neuron; no output may overwrite one of their files."""
    from crantcli.sources.skeletons import assign, read_id_map

    work.space.paths += {file.path for collection in collections for file in collection.files}
    names = None
    if id_map:
        names, records, paths = read_id_map(work.engine, id_map, id_type)
        work.space.inputs += records
        work.space.paths += paths
    work.check_destinations()
    return assign(collections, id_type, names)


def _current(work: Work, known: Skeletons) -> tuple[Skeletons, Selection]:
    """The skeletons that sites go to, and their neurons with the IDs of the moment of a live table."""
    from dataclasses import replace

    from crantcli.ids import Selection
    from crantcli.sources.skeletons import selected

    asked = work.space.current(Selection(known.neurons))
    wanted = work.select_current("neurons")
    if wanted is None:
        return known, asked
    pairs = asked.requested or tuple(zip(known.neurons, known.neurons, strict=True))
    found = selected(known, wanted.ids, [new for _, new in pairs])
    chosen = tuple(pair for pair in pairs if pair[0] in found.neurons)
    ids = tuple(dict.fromkeys(new for _, new in chosen))
    return found, replace(asked, ids=ids, requested=chosen if any(old != new for old, new in chosen) else ())


def _summarise(
    work: Work, table: Table, found: Skeletons, attached: Attached, record: dict[str, Any], destination: str
) -> None:
    """Write one row per skeleton."""
    from crantcli.core.attach import summary
    from crantcli.output.provenance import metadata
    from crantcli.output.tables import table_format, write_table

    told = summary(work.engine, table, found.neurons, attached)
    about = {name: value for name, value in record.items() if name != "units"}
    about |= {"kind": "summary of connectors", "rows": told.rows}
    write_table(work.engine, told.query, work.pending.place(destination), table_format(destination), metadata(about))


def _draw(
    work: Work,
    found: Skeletons,
    load: Callable[[int], Skeleton],
    attached: Attached,
    record: dict[str, Any],
    destination: str,
) -> list[str]:
    """Draw the skeletons with their sites, and return what to say about it."""
    from crantcli.output.arbors import draw_pages
    from crantcli.output.provenance import metadata

    path = work.pending.place(destination)
    drawn = draw_pages(work.engine, attached.relation, found.neurons, load, path, destination, metadata(record))
    if drawn == len(found.neurons):
        return []
    return [f"{destination} shows the first {drawn} of {len(found.neurons):,} skeletons; a .pdf has pages for all"]
