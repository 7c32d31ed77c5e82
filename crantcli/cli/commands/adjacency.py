"""`crantcli adjacency`: a matrix of synapse counts, or of other weights."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    InputTotalsFile,
    KeepSilent,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    WeightOptions,
)

EPILOG = """Example: crantcli adjacency edges.parquet --pre "cell_type=ER2" -a annotations.csv -o er2.npz --plot er2.png

Rows are presynaptic, columns postsynaptic neurons. scipy.sparse.load_npz opens the .npz; its arrays pre and
post are the IDs. With --by cell_type,side they are groups, called ER2:left; a neuron without a label is in none.
Columns of the table that tell of one side are on its axis: --by cell_type,pre_compartment,post_compartment has rows
and columns such as ER2:axon, and a synapse without a value is in none."""


@command("adjacency", section=ASK, epilog=EPILOG, after="connectivity")
def adjacency(
    source: SourceOptions,
    rows: EdgeOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    *,
    pre: Annotated[
        Selectors, typer.Option("--pre", metavar="NEURONS", help=f"Presynaptic neurons, the rows: {NEURON_HELP}.")
    ] = None,
    post: Annotated[
        Selectors, typer.Option("--post", metavar="NEURONS", help="Postsynaptic neurons, the columns, likewise.")
    ] = None,
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="All neurons of the kept synapses on both axes.")
    ] = False,
    keep_unconnected: Annotated[
        bool,
        typer.Option("--keep-unconnected", help="Keep requested neurons without synapses as zero rows or columns."),
    ] = False,
    keep_silent: KeepSilent = False,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COL,...",
            help="Groups, by columns of annotations (COL, pre:COL) or table (pre_COL).",
        ),
    ] = None,
    totals: InputTotalsFile = None,
    force_wide: Annotated[
        bool, typer.Option("--force-wide", help="Write a wide table even with more than 5,000 columns.")
    ] = False,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw the matrix: .png, .pdf or .svg.")
    ] = None,
    weights: WeightOptions,
) -> None:
    """A matrix of synapse counts: pre in rows, post in columns."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.questions.adjacency import Adjacency

    question = Adjacency(
        selectors_of(pre, source),
        selectors_of(post, source),
        symmetric,
        keep_silent or keep_unconnected,
        sum_duplicates=rows.sum_duplicates,
        by=by,
        weight=weights.weight or "count",
        min_fraction=weights.min_fraction,
        signs=weights.signs,
    )
    ask(question, source, rows, fetch, run, outputs={"plot": plot}, force_wide=force_wide, totals=totals)
