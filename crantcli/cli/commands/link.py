"""`crantcli link`: neurons in Neuroglancer."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import LOOK, NEURONS
from crantcli.cli.options import (
    NEURON_HELP,
    Coordinates,
    DatasetName,
    IgnoreCase,
    NeuronIdColumn,
    RowOptions,
    RunOptions,
    ServerOptions,
    VoxelSizeText,
)

EPILOG = """Example: crantcli link cell_type=ER2 -d brain.toml --synapses synapses.parquet --coordinates nm -o er2.json

A state of Neuroglancer: neurons in the colours of their types, some of their synapses as lines from pre to post or as
points, neuropils. As JSON, with --url as an address, or with --short as one that is short: the state is then kept on a
server of CAVE, where others with its address can read it. A data set's TOML says where things are: [viewer] url (of a
Neuroglancer), segmentation and image (sources of its layers), state_server; [neuropils] source and labels; [voxel]
size_nm.

IDs are shown as they are given: crantcli ids brings them to the state of a segmentation that is edited."""


@command("link", section=LOOK, epilog=EPILOG)
def link(
    neurons: Annotated[
        list[str], typer.Argument(metavar="NEURONS", help=f"Neurons: {NEURON_HELP}.", show_default=False)
    ],
    rows: RowOptions,
    server: ServerOptions,
    run: RunOptions,
    synapses: Annotated[
        str | None,
        typer.Option("--synapses", metavar="FILE", help="A table of synapses, to show theirs."),
    ] = None,
    max_points: Annotated[
        int | None,
        typer.Option("--max-points", metavar="N", min=1, help="Show this many synapses at most. Default: 1,000."),
    ] = None,
    neuropils: Annotated[
        list[str] | None,
        typer.Option("--neuropils", metavar="NAME,...|all", help="Show these neuropils; repeat to add."),
    ] = None,
    url: Annotated[bool, typer.Option("--url", help="The address of the data set's viewer, instead of JSON.")] = False,
    short: Annotated[
        bool, typer.Option("--short", help="A short address, with the state kept on the data set's state server.")
    ] = False,
    coordinates: Coordinates = None,
    voxel_size: VoxelSizeText = None,
    dataset: DatasetName = None,
    annotations: Annotated[
        str | None,
        typer.Option(
            "--annotations",
            "-a",
            metavar="FILE",
            help="Annotation table, for criteria and types.",
            rich_help_panel=NEURONS,
        ),
    ] = None,
    neuron_id_column: NeuronIdColumn = None,
    cell_type_column: Annotated[
        str | None,
        typer.Option(
            "--cell-type-column", metavar="COLUMN", help="Column of types, for colours.", rich_help_panel=NEURONS
        ),
    ] = None,
    ignore_case: IgnoreCase = False,
) -> None:
    """Neurons, synapses and neuropils in Neuroglancer."""
    from crantcli.cli.ask import CommandSink, settings_of
    from crantcli.core.ledger import Ledger
    from crantcli.core.neuroglancer import short_url, state_of, state_text, state_url
    from crantcli.core.questions.base import Needs, Results
    from crantcli.core.relation import Completeness
    from crantcli.errors import UsageError
    from crantcli.ids import parse_selectors
    from crantcli.run.request import Request
    from crantcli.run.runner import opened
    from crantcli.run.views import MAX_POINTS, open_view
    from crantcli.sources.selectors import read_labels
    from crantcli.sources.tables.metadata import parse_voxel_size
    from crantcli.sources.tables.read_options import ReadOptions

    if url and short:
        raise UsageError("--url and --short: give one of them")
    to_stdout = run.output in (None, "-")
    if run.json and to_stdout:
        raise UsageError("--json and the state both go to stdout; write the state to a file with -o FILE")
    if synapses is None:
        of_synapses = {
            "--max-points": max_points, "--threshold": rows.threshold, "--min-size": rows.min_size,
            "--coordinates": coordinates, "--voxel-size": voxel_size, "--no-clean": None if rows.clean else True,
        }  # fmt: skip
        idle = [flag for flag, value in of_synapses.items() if value is not None]
        if idle:
            raise UsageError(f"{idle[0]} is about synapses, and goes with --synapses FILE")
    named = parse_selectors(neurons, ignore_case)
    reading = ReadOptions(
        coordinates=coordinates, voxel_size=None if voxel_size is None else parse_voxel_size(voxel_size)
    )
    request = Request(
        None if synapses is None else [synapses], dataset, annotations, neuron_id_column, cell_type_column, reading,
        rows.clean, rows.min_size, rows.threshold, ignore_case,
    )  # fmt: skip
    sink = CommandSink("link", {"": str}, None, run)
    with opened(request, settings_of(run, server), sink, Needs({"neurons": named})) as opener:
        viewer = None if opener.dataset is None else opener.dataset.viewer.url
        states = None if opener.dataset is None else opener.dataset.viewer.state_server
        flag = "--short" if short else "--url"
        if (url or short) and opener.dataset is not None and viewer is None:
            raise UsageError(
                f"{flag}: data set {opener.dataset.name} names no viewer; its TOML takes [viewer] url = "
                f'"https://..." of a Neuroglancer; leave {flag} out for JSON'
            )
        if short and opener.dataset is not None and states is None:
            raise UsageError(
                f"--short: data set {opener.dataset.name} names no state server; its TOML takes [viewer] state_server "
                '= "https://.../nglstate/api/v1" of CAVE; --url needs none'
            )
        view = open_view(opener, request, named, read_labels(neuropils) if neuropils else (), max_points or MAX_POINTS)
        sink.check(opener.paths)
        state = state_of(view)
        if short and viewer and states:
            from crantcli.sources.cave.states import keep_state

            content = short_url(viewer, keep_state(states, state, opener.live_options.policy))
        else:
            content = state_url(viewer, state) if url and viewer else state_text(state)
        content += "\n"
        opener.check_unchanged()
        number = len(view.neurons)
        if not to_stdout:
            sink.files.put_text("", content)
        results = Results(
            {}, "link", number, Ledger("neurons", number, kept=number), Completeness(), number,
            f"neurons and {len(view.synapses):,} synapses are shown",
        )  # fmt: skip
        sink.finish(results, opener)
        if to_stdout:
            sink.console.stdout.write(content.encode())
            sink.console.stdout.flush()
