"""`crantcli adjacency`: a matrix of synapse counts."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    KeepSilent,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
)

EPILOG = """Example: crantcli adjacency edges.parquet --pre "cell_type=ER2" -a annotations.csv -o er2.npz --plot er2.png

Rows are presynaptic, columns postsynaptic neurons. scipy.sparse.load_npz opens the .npz; its arrays pre and
post are the IDs."""


@command("adjacency", section=ASK, epilog=EPILOG, after="connectivity")
def adjacency(
    source: SourceOptions,
    rows: EdgeOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
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
    force_wide: Annotated[
        bool, typer.Option("--force-wide", help="Write a wide table even with more than 5,000 columns.")
    ] = False,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw the matrix: .png, .pdf or .svg.")
    ] = None,
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
    )
    ask(question, source, rows, fetch, run, outputs={"plot": plot}, force_wide=force_wide)
