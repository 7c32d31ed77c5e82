"""`crantcli counts`: partners and synapses per neuron."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    MemberOptions,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
)

EPILOG = """Example: crantcli counts synapses.parquet -n @neurons.txt -o counts.csv

pre and post are numbers of distinct partner neurons (outgoing, incoming); pre_synapses and post_synapses
are numbers of synapses. Where a live data set has a neuron under another ID than was asked for, all are told
under the ID that was asked for, and current_id is what was counted."""


@command("counts", section=ASK, epilog=EPILOG, after="adjacency")
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
    """Partners and synapses per neuron. Columns: neuron_id, pre, post, pre_synapses, post_synapses."""
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.questions.counts import Counts

    question = Counts(selectors_of(neurons, source), rows.sum_duplicates)
    ask(question, source, rows, fetch, run, members=members)
