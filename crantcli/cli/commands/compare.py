"""`crantcli compare`: what changed between two wiring diagrams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import RunOptions, ServerOptions, SourceOptions, ThresholdOptions

EPILOG = """Example: crantcli compare monday.parquet tuesday.parquet -o changes.csv --summary changes.json

Pairs that differ, largest difference first: pre, post, weight_a, weight_b, difference and status (changed, only_a,
only_b; same with --all). Of synapses with ids, each pair's change is taken apart: pre, post, old, new, added, removed,
moved_in and moved_out, under the IDs of B; --neurons tells merges, splits and new IDs from where synapses went.

--fail-on takes conditions on the figures of the summary, such as "changed>1000"."""


@dataclass(eq=False, repr=False)
class ComparedOptions(SourceOptions):
    """The two tables that are compared."""

    source: Annotated[
        list[str] | None,
        typer.Argument(metavar="A B", help="Two tables of one kind, in any format that is read.", show_default=False),
    ] = None


@command("compare", section=ASK, epilog=EPILOG, after="nested")
def compare(
    source: ComparedOptions,
    rows: ThresholdOptions,
    fetch: ServerOptions,
    run: RunOptions,
    match: Annotated[
        Literal["synapse", "neuron"] | None,
        typer.Option(
            "--match",
            help="What is the same in A and B: synapses, by their ids (the default where both have them), or neurons.",
        ),
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Pairs that are the same, too.")] = False,
    ids: Annotated[
        str | None,
        typer.Option(
            "--ids", metavar="FILE", help="What neurons of A are called at B's time, as crantcli ids writes it."
        ),
    ] = None,
    neurons: Annotated[
        str | None,
        typer.Option("--neurons", metavar="FILE", help="What became of each neuron, told from synapse ids."),
    ] = None,
    summary: Annotated[str | None, typer.Option("--summary", metavar="FILE", help="All figures, as JSON.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="CONDITION",
            help='Exit with 7 where this holds of a figure: "changed>1000"; repeatable.',
        ),
    ] = None,
) -> None:
    """What changed between two versions, sides, brains or methods."""
    from dataclasses import replace

    from crantcli.cli.ask import ask
    from crantcli.core.questions.compare import Compare
    from crantcli.errors import UsageError

    given = source.source or []
    if len(given) != 2:
        raise UsageError(f"two tables are compared, and {len(given)} given; a folder or a quoted glob is one")
    question = Compare(match, all, rows.thresholds, tuple(fail_on or ()), rows.sum_duplicates)
    one, limits = replace(source, source=given[:1]), rows.at_the_lowest
    ask(
        question,
        one,
        limits,
        fetch,
        run,
        outputs={"neurons": neurons, "summary": summary},
        other=given[1:],
        renames=ids,
    )
