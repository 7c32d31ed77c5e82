"""`crantcli partition`: a table in parts, for work on several machines."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import DATA
from crantcli.cli.options import RowOptions, RunOptions, ServerOptions, SourceOptions

EPILOG = """Example: crantcli partition synapses.parquet --parts 4 -o parts

A folder of Parquet files, each with all rows of some presynaptic neurons, sorted as sort does, and a manifest. All rows
are kept; those without a presynaptic ID are in the last part. The folder as a source is the whole table again.

Each part says which one it is, and that it has all outputs of its neurons and not their inputs. crantcli merge puts
what was made of each part together; see docs/scale.md for a cluster."""


@command("partition", section=DATA, epilog=EPILOG, after="sort")
def partition(
    source: SourceOptions,
    run: RunOptions,
    parts: Annotated[
        int,
        typer.Option("--parts", metavar="N", min=2, help="How many parts of about as many rows.", show_default=False),
    ],
) -> None:
    """All rows of a table in parts, by presynaptic neuron."""
    from crantcli.cli.ask import ask
    from crantcli.core.questions.partition import Partition

    ask(Partition(parts), source, RowOptions(clean=False), ServerOptions(), run)
