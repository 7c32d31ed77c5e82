"""`crantcli merge`: what was made of the parts of a table, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import DATA
from crantcli.cli.options import RunOptions

EPILOG = """Example: crantcli merge part_1.parquet part_2.parquet -o edges.parquet

Takes what connectivity, counts, synapses, sort or neuropil (without matrices) made of each part that crantcli
partition wrote, as .parquet or .feather, and gives what one run on the whole table would have given: rows, order,
ledger, and what it is complete for. A missing part, one that comes twice, and answers to different questions are refused.

Sums per type or group are made from merged edges."""


@command("merge", section=DATA, epilog=EPILOG, after="partition")
def merge(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS", help="What was made of each part: files, globs or folders.", show_default=False
        ),
    ],
    run: RunOptions,
) -> None:
    """Results of the parts of a table, as that of the whole."""
    from crantcli.cli.ask import CommandSink, settings_of
    from crantcli.run.merging import merge_results, merged_kind

    sink = CommandSink("merge", {"": merged_kind(results)}, None, run)
    merge_results(results, settings_of(run), sink)
