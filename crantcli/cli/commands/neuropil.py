"""`crantcli neuropil`: which brain region each synapse lies in, and a nested matrix for each region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.commands.nested import NestedOptions, PlotOptions, drawing_of, lists_of, others_of, question_of
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    Coordinates,
    ExcludedNames,
    MeshScale,
    NeuropilNames,
    RowOptions,
    RunOptions,
    SourceOptions,
    SynapseFetchOptions,
    VoxelSizeText,
    WeightOptions,
)

if TYPE_CHECKING:
    from crantcli.core.relation import VoxelSize

EPILOG = """Example: crantcli neuropil synapses.parquet -a annotations.csv --coordinates nm --meshes meshes -o neuropils

Into the folder: NAME.matrix.npz, NAME.type_sum.csv, NAME.type_mean.csv, NAME.order.csv and NAME.png of each neuropil,
summary.csv and summary.png, assignments.parquet and, last, manifest.json. Later commands take --assignments FILE
--neuropil NAME."""


@dataclass(eq=False, repr=False)
class PlaceOptions:
    """Where synapses lie."""

    meshes: Annotated[
        str | None,
        typer.Option(
            "--meshes",
            metavar="FOLDER|URL",
            help="Closed meshes in nm, named by neuropil (.ply, .obj, .stl), or a precomputed source.",
        ),
    ] = None
    mesh_scale: MeshScale = None
    neuropils: NeuropilNames = None
    exclude: ExcludedNames = None
    include_other: Annotated[
        bool,
        typer.Option("--include-other/--no-include-other", help="Synapses in none of them make a matrix other."),
    ] = True
    position_column: Annotated[
        str | None,
        typer.Option(
            "--position-column",
            metavar="COLUMN",
            help="Position that tells where a synapse lies. Default: ctr_pt_position.",
            show_default=False,
        ),
    ] = None
    coordinates: Coordinates = None
    voxel_size: VoxelSizeText = None
    voxel_offset: Annotated[
        str | None,
        typer.Option("--voxel-offset", metavar="X,Y,Z", help="Voxels to add to positions in pixels."),
    ] = None


@command("neuropil", section=ASK, epilog=EPILOG, after="nested")
def neuropil(
    source: SourceOptions,
    rows: RowOptions,
    place: PlaceOptions,
    nest: NestedOptions,
    weights: WeightOptions,
    picture: PlotOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    assignments_only: Annotated[
        bool, typer.Option("--assignments-only", help="No matrices, only the assignments and their summary.")
    ] = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw each matrix, and the summary.")] = True,
    relative: Annotated[
        bool, typer.Option("--relative", help="Also NAME.relative.npz: weights as fractions of their row.")
    ] = False,
    relative_types: Annotated[
        bool, typer.Option("--relative-types", help="Also NAME.relative_types.csv: sums per type likewise.")
    ] = False,
) -> None:
    """The neuropils of each synapse, and a nested matrix for each. From closed meshes, into a folder."""
    from crantcli.cli.ask import ask, list_files
    from crantcli.core.questions.neuropil import Neuropil
    from crantcli.sources.selectors import read_labels
    from crantcli.sources.tables.metadata import parse_mesh_scale

    drawing = drawing_of(picture)
    lists = [*lists_of(nest), *(place.neuropils or []), *(place.exclude or [])]
    files = list_files(source, lists, *others_of(nest))
    question = Neuropil(
        question_of(nest, weights, source, False),
        assignments_only,
        read_labels(place.neuropils) if place.neuropils else None,
        read_labels(place.exclude) if place.exclude else (),
        place.include_other,
        place.position_column,
        parse_offset(place.voxel_offset),
        relative,
        relative_types,
        plot,
    )
    ask(
        question, source, rows, fetch, run, drawing={"nested": drawing},
        coordinates=place.coordinates,
        voxel_size=place.voxel_size,
        totals=nest.totals,
        meshes=place.meshes,
        mesh_scale=parse_mesh_scale(place.mesh_scale) if place.mesh_scale is not None else None,
        files=files,
    )  # fmt: skip


def parse_offset(given: str | None) -> VoxelSize | None:
    """Read `X,Y,Z`, which may be negative.

    Raises
    ------
    UsageError
    """
    from crantcli.errors import UsageError

    if given is None:
        return None
    try:
        x, y, z = (float(part) for part in given.split(","))
    except ValueError:
        raise UsageError(f"--voxel-offset {given}: three numbers of voxels, such as 0,0,-3") from None
    return x, y, z
