"""`crantcli connectivity`: who talks to whom."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    MemberOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    TableOptions,
    ThresholdOptions,
    WeightOptions,
)

EPILOG = """Example: crantcli connectivity synapses.parquet -n "cell_type=ER2" -a annotations.csv -t 5 -o er2.csv

--by type adds up pairs of cell types; --by neuropil keeps the neuropil column of the table apart. --by cell_type,side
adds up by any columns of the annotations or of the table, with edges (pairs that are connected), possible (pairs that
could be), probability (edges / possible) and mean (weight / possible); --by pre:cell_class,post:cell_type names one for
each side."""


@command("connectivity", section=ASK, epilog=EPILOG, after="synapses")
def connectivity(
    source: SourceOptions,
    rows: ThresholdOptions,
    members: MemberOptions,
    fetch: SynapseFetchOptions,
    run: TableOptions,
    *,
    neurons: Annotated[
        Selectors,
        typer.Option("--neurons", "-n", metavar="NEURONS", help=f"Neurons whose partners to find: {NEURON_HELP}."),
    ] = None,
    upstream: Annotated[bool, typer.Option("--upstream/--no-upstream", help="Their inputs.")] = True,
    downstream: Annotated[bool, typer.Option("--downstream/--no-downstream", help="Their outputs.")] = True,
    annotate: Annotated[
        list[str] | None, typer.Option("--annotate", metavar="COL,...", help="Add pre_COL and post_COL; repeat to add.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="type|neuropil|COL,...",
            help="Add up to types, split by neuropil, or add up by columns, of annotations or table: COL, pre:COL.",
        ),
    ] = None,
    complete: Annotated[bool, typer.Option("--complete", help="With --by COL: groups without an edge, too.")] = False,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", metavar="N", min=1, help="Keep this many strongest partners per neuron, in each direction."
        ),
    ] = None,
    normalize: Annotated[
        Literal["input", "output"] | None,
        typer.Option(
            "--normalize", help="Add fraction: of the post neuron's total input, or the pre neuron's total output."
        ),
    ] = None,
    totals: Annotated[
        str | None,
        typer.Option(
            "--totals", metavar="FILE", help="Totals for --normalize and --min-fraction: counts of the whole table."
        ),
    ] = None,
    links: Annotated[
        str | None,
        typer.Option(
            "--links", metavar="COLUMN", help="Add this column: links that show both neurons in the data set's viewer."
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="FILE",
            help="Pairs, synapses, neurons, density and reciprocity at each of several --threshold; the table has the "
            "lowest.",
        ),
    ] = None,
    weights: WeightOptions,
) -> None:
    """Edges between neurons: pre, post, weight; strongest first."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.questions.connectivity import Connectivity
    from crantcli.errors import UsageError

    if len(rows.thresholds) > 1 and sweep is None:
        raise UsageError("several thresholds are for --sweep FILE; edges have one")
    if sweep is not None and not rows.thresholds:
        raise UsageError("--sweep tells what is left at each of several thresholds; give them as --threshold 1,2,5")
    question = Connectivity(
        selectors_of(neurons, source),
        upstream,
        downstream,
        by,
        tuple(name.strip() for names in annotate or [] for name in names.split(",") if name.strip()),
        top,
        normalize,
        rows.sum_duplicates,
        complete,
        weights.weight or "count",
        weights.min_fraction,
        weights.signs,
        rows.thresholds if sweep is not None else (),
        links,
    )
    limits = rows.at_the_lowest
    ask(question, source, limits, fetch, run, members=members, totals=totals, outputs={"sweep": sweep})
