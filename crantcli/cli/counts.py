"""`crantcli counts`: partners and synapses per neuron."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    MemberOptions,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    with_options,
)

EPILOG = """Example: crantcli counts synapses.parquet -n @neurons.txt -o counts.csv

pre and post are numbers of distinct partner neurons (outgoing, incoming); pre_synapses and post_synapses
are numbers of synapses. Where a live data set has a neuron under another ID than was asked for, all are told
under the ID that was asked for, and current_id is what was counted."""


@with_options
def counts(
    source: SourceOptions,
    rows: EdgeOptions,
    members: MemberOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    neurons: Annotated[
        Selectors,
        typer.Option("--neurons", "-n", metavar="NEURONS", help=f"Neurons to count: {NEURON_HELP}. Default: all."),
    ] = None,
) -> None:
    """Partners and synapses per neuron: neuron_id, pre, post, pre_synapses, post_synapses."""
    from crantcli.cli.job import Job
    from crantcli.core.questions.counts import counts as answer
    from crantcli.sources.cave.query import needed

    job = Job("counts", source, run, {"neurons": neurons}, members=members, fetch=fetch)
    with job.opened() as work:
        work.annotations(clean=rows.clean)
        table = work.table(
            query=work.query("--neurons", needed(size=rows.min_size is not None), rows.clean, either="neurons")
        )
        kept = work.row_filter(rows, table)
        result = answer(work.engine, table, work.select("neurons", table), kept, rows.sum_duplicates)
        options = {"sum_duplicates": rows.sum_duplicates or None}
        record = work.record("counts", table, kept, result, result.rows, options)
        work.write(result, record)
        if result.facts["silent"] and not neurons:
            of_all = f"{result.facts['silent']:,} of {result.rows:,} neurons"
            result.notes.append(f"{of_all} have no synapses here, such as {result.facts['first_silent']}")
        work.finish("neurons", result.rows, result.ledger, result.notes)
