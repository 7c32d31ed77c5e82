"""`crantcli influence`: what seed neurons drive."""

from __future__ import annotations

import os
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

EPILOG = """Example: crantcli influence edges.parquet --seeds "cell_type=ER2" -a annotations.csv -t 5 -o driven.csv

The steady state of a linear network: r = (1 - G/lambda W)^-1 s, with W the weights, lambda the largest real part of
their eigenvalues, and s = 1 at the seeds. adjusted_influence is sign(r) (ln |r| + 24), and 0 below e^-24.

--seeds orn=cell_class=ORN names a set of seeds; several sets are answered in one file with a column seed. NAME=WORD is
a criterion where the annotations have a column NAME, and else a set of IDs. A network without a cycle has lambda 0, and
wants --gain none, which leaves the weights as they are.

--by cell_type tells groups: neurons, seeds among them, influence (sum), mean_influence, its adjusted_influence, and
mean_without_seeds.

--per-target adds by_targets and by_sources_and_targets: the adjusted influence of r / targets, and of
r / (seeds x targets), with all neurons of the network as targets, also of groups, whose r are added up."""


@command("influence", section=ASK, epilog=EPILOG, after="compare")
def influence(
    source: SourceOptions,
    rows: EdgeOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    seeds: Annotated[
        Selectors,
        typer.Option(
            "--seeds",
            metavar="[NAME=]NEURONS",
            help=f"Neurons that drive the network, or a set by name: {NEURON_HELP}.",
        ),
    ] = None,
    gain: Annotated[
        str | None,
        typer.Option(
            "--gain", metavar="G|none", help="Scale the largest eigenvalue to this, above 0 and below 1. Default: 0.99."
        ),
    ] = None,
    weight: Annotated[
        Literal["count", "norm"],
        typer.Option("--weight", help="Synapses, or these as a part of all input of the post neuron."),
    ] = "count",
    totals: Annotated[
        Literal["whole", "after-threshold"],
        typer.Option("--totals", help="With --weight norm: all input in the table, or that which --threshold leaves."),
    ] = "whole",
    silence: Annotated[
        Selectors,
        typer.Option("--silence", metavar="NEURONS", help="Cut the outputs of these neurons first; never of seeds."),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COL,...", help="Groups of neurons, by columns of the annotations.")
    ] = None,
    per_target: Annotated[
        bool,
        typer.Option("--per-target", help="Add influences by the number of targets, and by that of seeds and targets."),
    ] = False,
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw what each set drives: .png, .pdf or .svg; the 60 groups or neurons that are driven most.",
        ),
    ] = None,
    sign: Sign = None,
    inhibitory: Inhibitory = None,
    excitatory: Excitatory = None,
    unsigned: UnsignedOutput = "error",
) -> None:
    """What seed neurons drive, directly and through others."""
    # Sums must not depend on the number of cores; what takes long here waits for memory, not for cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from crantcli.cli.ask import ask, selectors_of
    from crantcli.core.network.seeds import parse_seeds
    from crantcli.core.questions.influence import GAIN, Influence
    from crantcli.core.rows.weights import signs_of
    from crantcli.errors import UsageError

    scaled = None if gain == "none" else GAIN
    if gain not in (None, "none"):
        try:
            scaled = float(gain)
        except ValueError:
            raise UsageError(f"--gain {gain}: a number above 0 and below 1, or none") from None
    question = Influence(
        parse_seeds(seeds, source.ignore_case) if seeds else None,
        scaled,
        weight,
        totals,
        selectors_of(silence, source),
        tuple(name.strip() for name in (by or "").split(",") if name.strip()),
        signs_of(sign, inhibitory, excitatory, unsigned),
        rows.sum_duplicates,
        per_target,
    )
    ask(question, source, rows, fetch, run, outputs={"plot": plot})
