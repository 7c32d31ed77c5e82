"""`crantcli compare`: what changed between two wiring diagrams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    ThresholdOptions,
    WeightOptions,
)

EPILOG = """Example: crantcli compare monday.parquet tuesday.parquet -o changes.csv --summary changes.json

Pairs that differ, largest difference first: pre, post, weight_a, weight_b, difference and status (changed, only_a,
only_b; same with --all). Of synapses with ids, each pair's change is taken apart: pre, post, old, new, added, removed,
moved_in and moved_out, under the IDs of B; --neurons tells merges, splits and new IDs from where synapses went.

Brains whose neurons are not the same are compared with --by COLUMN; two sides of one table with --a side=left
--b side=right, group by group with --by, or neuron by neuron with --pair; groups of one table with chance by --against.
--by takes columns of the tables, too, such as pre_compartment,post_compartment, where both have them.

--weight, --min-fraction and --sign are those of connectivity, for A and B alike; of synapses with ids they want
--match neuron.

--fail-on takes conditions on the figures of the summary, such as "changed>1000"."""


@dataclass(eq=False, repr=False)
class ComparedOptions(SourceOptions):
    """The two tables that are compared."""

    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="A [B]", help="Two tables of one kind, in any format that is read; or one.", show_default=False
        ),
    ] = None


@command("compare", section=ASK, epilog=EPILOG, after="nested")
def compare(
    source: ComparedOptions,
    rows: ThresholdOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    *,
    a: Annotated[
        Selectors, typer.Option("--a", metavar="NEURONS", help=f"One side of a single table: {NEURON_HELP}.")
    ] = None,
    b: Annotated[Selectors, typer.Option("--b", metavar="NEURONS", help="The other side, likewise.")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="COL,...", help="Compare groups, by columns of the annotations or of the tables."),
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option(
            "--pair", metavar="COLUMN", help="Match neurons of both sides one to one: their partner, or a common label."
        ),
    ] = None,
    largest_component: Annotated[
        bool,
        typer.Option(
            "--largest-component", help="Of both sides, and then of each, the largest connected component only."
        ),
    ] = False,
    test: Annotated[
        Literal["score", "fisher"] | None,
        typer.Option("--test", help="Test whether densities differ, and those of each pair of groups."),
    ] = None,
    against: Annotated[
        Literal["configuration", "erdos-renyi"] | None,
        typer.Option(
            "--against", help="Compare groups of one table with chance: with the same degrees, or the same density."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", min=2, help="Random graphs of the same degrees.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="What they are drawn from.")] = 0,
    complete: Annotated[bool, typer.Option("--complete", help="Pairs of groups without an edge, too.")] = False,
    other_annotations: Annotated[
        str | None,
        typer.Option("--other-annotations", metavar="FILE", help="Annotations of B, where they are not those of A."),
    ] = None,
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
    sweep: Annotated[
        str | None, typer.Option("--sweep", metavar="FILE", help="All figures at each threshold of -t 1,2,5.")
    ] = None,
    summary: Annotated[str | None, typer.Option("--summary", metavar="FILE", help="All figures, as JSON.")] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw weights against each other, differences, and the largest changes: .png, .pdf or .svg.",
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="CONDITION",
            help='Exit with 7 where this holds of a figure: "changed>1000"; repeat to add.',
        ),
    ] = None,
    weights: WeightOptions,
) -> None:
    """What changed between two versions, sides, brains or methods."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.questions.compare import Compare
    from crantcli.errors import UsageError

    question = Compare(
        selectors_of(a, source),
        selectors_of(b, source),
        tuple(name.strip() for names in by or [] for name in names.split(",") if name.strip()),
        pair,
        largest_component,
        test,
        against,
        samples,
        seed,
        complete,
        match,
        all,
        rows.thresholds,
        tuple(fail_on or ()),
        rows.sum_duplicates,
        weights.weight or "count",
        weights.min_fraction,
        weights.signs,
    )
    given, two = source.source or [], question.needs().other
    if two and len(given) != 2:
        raise UsageError(f"two tables are compared, and {len(given)} given; a folder or a quoted glob is one")
    if not two and len(given) > 1:
        raise UsageError(f"one table is compared with itself, and {len(given)} given; a folder or a quoted glob is one")
    ask(
        question,
        replace(source, source=given[:1]),
        rows.at_the_lowest,
        fetch,
        run,
        outputs={"neurons": neurons, "sweep": sweep, "summary": summary, "plot": plot},
        other=given[1:] or None,
        other_annotations=other_annotations,
        renames=ids,
    )
