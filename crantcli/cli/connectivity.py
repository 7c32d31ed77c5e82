"""`crantcli connectivity`: who talks to whom."""

from __future__ import annotations

from typing import Annotated, Literal

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

EPILOG = """Example: crantcli connectivity synapses.parquet -n "cell_type=ER2" -a annotations.csv -t 5 -o er2.csv

--by type adds up pairs of cell types; --by neuropil keeps the neuropil column of the table apart."""


@with_options
def connectivity(
    source: SourceOptions,
    rows: EdgeOptions,
    members: MemberOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
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
        Literal["type", "neuropil"] | None, typer.Option("--by", help="Add up to cell types, or split by neuropil.")
    ] = None,
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
        str | None, typer.Option("--totals", metavar="FILE", help="Totals for --normalize: counts of the whole table.")
    ] = None,
) -> None:
    """Edges between neurons: pre, post, weight; strongest first."""
    from crantcli.cli.job import Job
    from crantcli.core.questions.connectivity import Question
    from crantcli.core.questions.connectivity import connectivity as answer
    from crantcli.errors import UsageError
    from crantcli.sources.cave.query import needed

    added = tuple(name.strip() for names in annotate or [] for name in names.split(",") if name.strip())
    if totals and not normalize:
        raise UsageError("--totals goes with --normalize input or --normalize output")
    question = Question(None, upstream, downstream, by, added, top, normalize, rows.sum_duplicates)
    job = Job("connectivity", source, run, {"neurons": neurons}, members=members, fetch=fetch, tables=[totals])
    with job.opened() as work:
        annotations = work.annotations(needed=bool(annotate) or by == "type", clean=rows.clean)
        columns = needed(size=rows.min_size is not None)
        table = work.table(query=work.query("--neurons", columns, rows.clean, upstream, downstream, either="neurons"))
        kept = work.row_filter(rows, table)
        question = question.about(work.select("neurons", table))
        filters = {"clean": rows.clean, "min_size": rows.min_size, "threshold": 1}
        whole = work.totals(totals, table, filters) if totals else None
        result = answer(work.engine, table, question, kept, annotations, whole)
        options = {
            "upstream": upstream,
            "downstream": downstream,
            "annotate": added,
            "by": by,
            "top": top,
            "normalize": normalize,
            "sum_duplicates": rows.sum_duplicates or None,
        }
        record = work.record("edges", table, kept, result, result.rows, options)
        work.write(result, record)
        work.finish("edges", result.rows, result.ledger, result.notes)
