"""`crantcli synapses`: rows of a synapse table."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    Coordinates,
    InputTotalsFile,
    MemberOptions,
    MinFraction,
    RowOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    TableOptions,
    VoxelSizeText,
)

EPILOG = """Example: crantcli synapses raw.parquet --pre "cell_type=ER2" -a annotations.csv --min-size 50 -o er2.parquet

The file is sorted by pre, post, id, so that later questions about a few neurons read little of it."""


@command("synapses", section=ASK, epilog=EPILOG)
def synapses(
    source: SourceOptions,
    rows: RowOptions,
    members: MemberOptions,
    fetch: SynapseFetchOptions,
    run: TableOptions,
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
    min_fraction: MinFraction = None,
    totals: InputTotalsFile = None,
) -> None:
    """Rows of a synapse table for chosen neurons. Each synapse once, sorted by pre, post, id."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.questions.synapses import Synapses

    chosen = tuple(name.strip() for name in (columns or "").split(",") if name.strip())
    question = Synapses(selectors_of(pre, source), selectors_of(post, source), units, True, chosen, min_fraction)
    ask(
        question, source, rows, fetch, run, members=members, coordinates=coordinates, voxel_size=voxel_size,
        totals=totals,
    )  # fmt: skip
