"""`crantcli paths`: through the network, step by step."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    Excitatory,
    Inhibitory,
    RunOptions,
    Selectors,
    Sign,
    SourceOptions,
    SynapseFetchOptions,
    UnsignedOutput,
)

EPILOG = """Example: crantcli paths edges.parquet --from cell_type=ER2 --by cell_type -a annotations.csv -o shares.csv

The effective input fraction: what part of a target's input comes from the seeds, 1, 2, ... steps back. The fractions of
all of a neuron's inputs add up to 1, those of paths are multiplied, and the shares of all seeds and paths are added.
Columns: from, to, hops, fraction and root (fraction^(1/hops)); with --sign, or signed weights, excitatory and
inhibitory, by the number of inhibitory steps. --by cell_type tells means over groups of targets.

--list 20 tells the 20 strongest single paths, a step in each row: from, path, hop, pre, post, weight, fraction, and of
the whole path product and cost. No neuron comes twice in a path; ties are in the order of their IDs as text.

--from orn=cell_class=ORN names a set of seeds; several sets are answered in one file. NAME=WORD is a criterion where
the annotations have a column NAME, and else a set of IDs."""


@command("paths", section=ASK, epilog=EPILOG, after="influence")
def paths(
    source: SourceOptions,
    rows: EdgeOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    from_: Annotated[
        Selectors,
        typer.Option("--from", metavar="[NAME=]NEURONS", help=f"Where paths start, or a set by name: {NEURON_HELP}."),
    ] = None,
    to: Annotated[
        Selectors, typer.Option("--to", metavar="NEURONS", help="Where they end, likewise. Default: all neurons.")
    ] = None,
    hops: Annotated[
        int, typer.Option("--hops", metavar="K", min=1, max=100, help="Steps that are followed, at most.")
    ] = 4,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COL,...", help="Groups of targets, by columns of the annotations.")
    ] = None,
    list: Annotated[
        int | None, typer.Option("--list", metavar="N", min=1, help="The best N single paths, instead of fractions.")
    ] = None,
    cost: Annotated[
        Literal["product", "inverse", "hops"] | None,
        typer.Option(
            "--cost",
            help="With --list, the best: largest product of fractions (default), least sum of 1 / fraction, or fewest "
            "steps.",
        ),
    ] = None,
    min_fraction: Annotated[
        float | None,
        typer.Option(
            "--min-fraction", metavar="F", help="Drop edges below this part of the post neuron's input; no rescaling."
        ),
    ] = None,
    totals: Annotated[
        Literal["whole", "after-threshold"],
        typer.Option("--totals", help="Fractions of all input in the table, or of that which --threshold leaves."),
    ] = "whole",
    sign: Sign = None,
    inhibitory: Inhibitory = None,
    excitatory: Excitatory = None,
    unsigned: UnsignedOutput = "error",
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers", metavar="FILE", help="How far each neuron is: fewest steps, and the mean over what arrives."
        ),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw the flow between groups, step by step: .png, .pdf or .svg; at most 60."
        ),
    ] = None,
) -> None:
    """What comes from seeds, step by step, and over which paths."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.network.seeds import parse_seeds
    from crantcli.core.questions.paths import Paths
    from crantcli.core.rows.weights import signs_of

    question = Paths(
        parse_seeds(from_, source.ignore_case) if from_ else None,
        selectors_of(to, source),
        hops,
        list,
        cost,
        tuple(name.strip() for name in (by or "").split(",") if name.strip()),
        min_fraction,
        totals,
        signs_of(sign, inhibitory, excitatory, unsigned),
        rows.sum_duplicates,
    )
    ask(question, source, rows, fetch, run, outputs={"layers": layers, "plot": plot})
