"""`crantcli adjacency`: a matrix of synapse counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    KeepSilent,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    with_options,
)

if TYPE_CHECKING:
    from crantcli.cli.job import Work
    from crantcli.core.adjacency import MatrixResult

EPILOG = """Example: crantcli adjacency edges.parquet --pre "cell_type=ER2" -a annotations.csv -o er2.npz --plot er2.png

Rows are presynaptic, columns postsynaptic neurons. scipy.sparse.load_npz opens the .npz; its arrays pre and
post are the IDs."""


@with_options
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
    """A matrix of synapse counts: presynaptic rows by postsynaptic columns."""
    from crantcli.cli.job import Job
    from crantcli.core.adjacency import adjacency as answer
    from crantcli.core.rows.filters import NeuronFilter
    from crantcli.output.heatmap import check_picture
    from crantcli.sources.cave.query import needed

    keep_silent = keep_silent or keep_unconnected
    if plot:
        check_picture(plot)
    job = Job("adjacency", source, run, {"pre": pre, "post": post}, [plot], matrix=True, fetch=fetch)
    with job.opened() as work:
        work.annotations(clean=rows.clean)
        columns = needed(size=rows.min_size is not None)
        table = work.table(query=work.query("--pre or --post", columns, rows.clean, pre="pre", post="post"))
        kept = work.row_filter(rows, table)
        wanted = NeuronFilter(work.select("pre", table), work.select("post", table))
        result = answer(
            work.engine, table, wanted, kept,
            symmetric=symmetric, keep_silent=keep_silent, sum_duplicates=rows.sum_duplicates,
        )  # fmt: skip
        work.refuse_empty(len(result.matrix.weights), result.ledger)
        options = {
            "symmetric": symmetric or None,
            "keep_silent": keep_silent or None,
            "sum_duplicates": rows.sum_duplicates or None,
        }
        record = work.record("adjacency", table, kept, result, result.matrix.shape[0], options)
        _write(work, result, record, force_wide, plot)
        shape = {"shape": list(result.matrix.shape), "entries": len(result.matrix.weights)}
        size = f"entries in {result.matrix.shape[0]:,} x {result.matrix.shape[1]:,} neurons"
        work.finish(size, len(result.matrix.weights), result.ledger, result.notes, shape)


def _write(work: Work, result: MatrixResult, record: dict[str, Any], force_wide: bool, plot: str | None) -> None:
    """Write the matrix and the picture that were asked for."""
    from crantcli.output.provenance import metadata

    work.write_main_matrix(result.matrix, record, force_wide)
    if plot is not None:
        from crantcli.output.heatmap import Style, draw, save

        drawn = draw(result.matrix, Style(quantity="synapses" if work.counts_synapses else "weight"))
        save(drawn.figure, work.pending.place(plot), plot, metadata({**record, "picture": drawn.facts}))
        result.notes.extend(drawn.notes)
