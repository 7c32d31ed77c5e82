"""`crantcli similar`: how alike neurons are in their partners."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    InputTotalsFile,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    WeightOptions,
)

EPILOG = """Example: crantcli similar edges.parquet --neurons "cell_type=ER2" -a annotations.csv -o similar.npz

The cosine of the angle between connectivity vectors, whose entries are the synapses with each partner: 1 where
neurons spread their synapses over the same partners in the same way, 0 where they share none. Neurons without partners
are left out and listed. --by cell_type takes types as partners, --rows-by cell_type compares whole types.

--top N tells the N most similar of each, and is the way for a whole brain. nested takes what --order FILE writes as
its --neuron-order @FILE, and of types as its --type-order @FILE.

--match side=L,R --pair COLUMN finds each left neuron's most similar right ones, and the rank of the annotated
partner."""


@command("similar", section=ASK, epilog=EPILOG, after="influence")
def similar(
    source: SourceOptions,
    rows: EdgeOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    *,
    neurons: Annotated[
        Selectors, typer.Option("--neurons", "-n", metavar="NEURONS", help=f"Neurons to compare: {NEURON_HELP}.")
    ] = None,
    of: Annotated[
        Literal["input", "output", "joined", "weighted"],
        typer.Option(
            "--of", help="Inputs, outputs, both laid end to end, or both cosines weighted by all synapses compared."
        ),
    ] = "joined",
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="COL,...", help="Group partners by columns of the annotations."),
    ] = None,
    rows_by: Annotated[
        str | None,
        typer.Option(
            "--rows-by", metavar="COL,...", help="Compare whole groups, such as types: their neurons' vectors added up."
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            min=1,
            help="A table of the N most similar of each, instead of a matrix. Default with --match: 5.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        Literal["average", "ward", "complete", "single"] | None,
        typer.Option(
            "--cluster",
            help="How clusters of the tree are merged; ward is R's ward.D of 1 - cos. Default: average.",
            show_default=False,
        ),
    ] = None,
    cut: Annotated[
        str | None,
        typer.Option(
            "--cut", metavar="K|H", help="Where the tree is cut: clusters (8), or a height with a point (0.5)."
        ),
    ] = None,
    clusters: Annotated[
        str | None, typer.Option("--clusters", metavar="FILE", help="The cluster of each, in the order of the tree.")
    ] = None,
    order: Annotated[
        str | None, typer.Option("--order", metavar="FILE", help="The order of the tree's leaves, for nested.")
    ] = None,
    tree: Annotated[
        str | None,
        typer.Option("--tree", metavar="FILE", help="The steps that make the tree, as scipy numbers them."),
    ] = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw the matrix with its tree: .png, .pdf or .svg.")
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(
            "--match", metavar="COLUMN=A,B", help="For each neuron of side A the most similar ones of B: side=L,R."
        ),
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option("--pair", metavar="COLUMN", help="With --match: who is whose partner, by ID or a common label."),
    ] = None,
    summary: Annotated[str | None, typer.Option("--summary", metavar="FILE", help="All figures, as JSON.")] = None,
    force_wide: Annotated[
        bool, typer.Option("--force-wide", help="Write a wide table even with more than 5,000 columns.")
    ] = False,
    totals: InputTotalsFile = None,
    weights: WeightOptions,
) -> None:
    """How alike neurons are in their partners, and which match."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.questions.similar import Similar, parse_cut

    question = Similar(
        selectors_of(neurons, source),
        of,
        _names(by),
        _names(rows_by),
        top,
        cluster,
        None if cut is None else parse_cut(cut),
        match,
        pair,
        rows.sum_duplicates,
        source.ignore_case,
        weights.weight or "count",
        weights.min_fraction,
        weights.signs,
    )
    outputs = {"clusters": clusters, "order": order, "tree": tree, "summary": summary, "plot": plot}
    ask(question, source, rows, fetch, run, outputs=outputs, force_wide=force_wide, totals=totals)


def _names(given: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (given or "").split(",") if name.strip())
