"""`crantcli synapses`: rows of a synapse table."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crantcli.cli.options import (
    NEURON_HELP,
    Coordinates,
    MemberOptions,
    RowOptions,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    VoxelSizeText,
    with_options,
)

EPILOG = """Example: crantcli synapses raw.parquet --pre "cell_type=ER2" -a annotations.csv --min-size 50 -o er2.parquet

The file is sorted by pre, post, id, so that later questions about a few neurons read little of it."""


@with_options
def synapses(
    source: SourceOptions,
    rows: RowOptions,
    members: MemberOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    pre: Annotated[
        Selectors, typer.Option("--pre", metavar="NEURONS", help=f"Presynaptic neurons: {NEURON_HELP}.")
    ] = None,
    post: Annotated[
        Selectors,
        typer.Option("--post", metavar="NEURONS", help="Postsynaptic neurons, likewise; with --pre both must hold."),
    ] = None,
    coordinates: Coordinates = None,
    voxel_size: VoxelSizeText = None,
    units: Annotated[
        Literal["nm", "pixels"] | None,
        typer.Option("--units", help="Convert positions to this unit. Default: as they come."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B,...", help="Write these columns only, in this order.")
    ] = None,
) -> None:
    """Rows of a synapse table for chosen neurons, each synapse once, sorted by pre, post, id."""
    from crantcli.cli.job import Job
    from crantcli.core.rows.filters import NeuronFilter
    from crantcli.core.rows.units import convert_positions, unit_record
    from crantcli.core.synapses import synapse_rows
    from crantcli.sources.cave.query import needed
    from crantcli.sources.recorded import parse_voxel_size

    voxel = parse_voxel_size(voxel_size) if voxel_size else None
    job = Job("synapses", source, run, {"pre": pre, "post": post}, members=members, fetch=fetch)
    with job.opened() as work:
        work.annotations(clean=rows.clean)
        chosen = _names(columns)
        asked = needed(chosen, rows.min_size is not None) if chosen else None
        query = work.query("--pre or --post", asked, rows.clean, pre="pre", post="post")
        table = work.table(carry=True, coordinates=coordinates, voxel_size=voxel, query=query)
        table.require_synapses("synapses")
        kept = work.row_filter(rows, table)
        wanted = NeuronFilter(work.select("pre", table), work.select("post", table))
        conversions, unit, voxel = convert_positions(table, units)
        result = synapse_rows(work.engine, table, wanted, kept, conversions, chosen)
        recorded = unit_record(table, result.columns, unit, voxel)
        options = {"units": units, "columns": chosen, "coordinates": coordinates}
        record = work.record("synapses", table, kept, result, result.rows, options, recorded)
        work.write(result, record)
        result.notes += work.unit_notes(recorded)
        work.finish("synapses", result.rows, result.ledger, result.notes, recorded)


def _names(columns: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in columns.split(",") if name.strip()) if columns else ()
