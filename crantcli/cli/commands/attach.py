"""`crantcli attach`: every synapse on its skeleton."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    Coordinates,
    RowOptions,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    VoxelSizeText,
)

EPILOG = """Example: crantcli attach synapses.parquet --coordinates nm --skeletons skeletons -o sites.csv --plot a.pdf

A site is where a synapse touches a neuron: a synapse between two of the neurons has one on each skeleton. x, y, z
and distance are in nm, connector_id counts from 0 within a neuron, node_id is the nearest node of the skeleton.
Where a live data set has a neuron under another ID than its skeleton, current_id is that.
--split tells axon, dendrite and linker by synapse flow centrality (Schneider-Mizell et al. 2016): the linker is where
at least 0.9 of the most paths from inputs to outputs run. compartment is unknown for neurons with fewer than 5 inputs
or 5 outputs, or without axon or dendrite, and on loose pieces; soma and cell body fibre belong to what they hang on.
Afterwards, crantcli connectivity split.parquet --by pre_compartment,post_compartment counts axo-dendritic synapses."""


@command("attach", section=ASK, epilog=EPILOG, after="neuropil")
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
    split: Annotated[
        bool, typer.Option("--split", help="Tell axon, dendrite and linker of each neuron: column compartment.")
    ] = False,
    synapses: Annotated[
        str | None,
        typer.Option(
            "--synapses", metavar="FILE",
            help="With --split: the synapse table with columns pre_compartment, post_compartment.",
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
    """Attach synapses to skeletons. Each pre- and postsynaptic site goes to its nearest node."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.questions.attach import Attach
    from crantcli.errors import UsageError
    from crantcli.run.skeletons import SkeletonCollections, skeleton_paths
    from crantcli.sources.shapes.skeletons import find_skeletons

    if max_distance is not None and not rows.clean:
        raise UsageError("--max-distance goes with cleaning; leave it or --no-clean out")
    if synapses is not None and not split:
        raise UsageError("--synapses FILE is for compartments; it goes with --split")
    question = Attach(selectors_of(neurons, source), pre, post, max_distance, split)
    with find_skeletons(skeleton_paths(skeletons, source.dataset)) as collections:
        ask(
            question, source, rows, fetch, run,
            outputs={"summary": summary, "synapses": synapses, "plot": plot},
            coordinates=coordinates,
            voxel_size=voxel_size,
            skeletons=SkeletonCollections(collections, id_map, skeleton_units),
        )  # fmt: skip
