"""`crantcli counts`: partners and synapses per neuron."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    InputTotalsFile,
    MemberOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    TableOptions,
    WeightOptions,
)

EPILOG = """Example: crantcli counts synapses.parquet -n @neurons.txt -o counts.csv

pre and post are numbers of distinct partner neurons (outgoing, incoming); pre_synapses and post_synapses
are numbers of synapses. Where a live data set has a neuron under another ID than was asked for, all are told
under the ID that was asked for, and current_id is what was counted.
--by cell_type makes a row for each group of a neuron's partners (partner_cell_type; empty where they have no label),
and --by neuropil or --by post_compartment, columns of the table, one for each of their values. --weight sum:COL and
--sign add pre_weight and post_weight."""


@command("counts", section=ASK, epilog=EPILOG, after="adjacency")
def counts(
    source: SourceOptions,
    rows: EdgeOptions,
    members: MemberOptions,
    fetch: SynapseFetchOptions,
    run: TableOptions,
    *,
    neurons: Annotated[
        Selectors,
        typer.Option("--neurons", "-n", metavar="NEURONS", help=f"Neurons to count: {NEURON_HELP}. Default: all."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="COL,...", help="Groups of partners, by columns of the annotations or of the table."
        ),
    ] = None,
    totals: InputTotalsFile = None,
    weights: WeightOptions,
) -> None:
    """Partners and synapses per neuron. Columns: neuron_id, pre, post, pre_synapses, post_synapses."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.questions.counts import Counts

    question = Counts(
        selectors_of(neurons, source),
        rows.sum_duplicates,
        by,
        weights.weight or "count",
        weights.min_fraction,
        weights.signs,
    )
    ask(question, source, rows, fetch, run, members=members, totals=totals)
