"""`crantcli ids`: which IDs neurons have at a time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crantcli.cli.command import command
from crantcli.cli.help import DATA, NEURONS
from crantcli.cli.options import (
    NEURON_HELP,
    DatasetName,
    FetchOptions,
    IgnoreCase,
    NeuronIdColumn,
    RunOptions,
)

EPILOG = """Example: crantcli ids @neurons.txt -d crantb --materialization latest -o ids.csv

Per ID: old_id, new_id, changed, confidence and method. method is current (nothing changed), supervoxel (found by the
supervoxel that the annotations have), chunkedgraph (by its history) or unresolved (kept as it is). confidence is the
share of the neuron's pieces that are in the new one."""


@command("ids", section=DATA, epilog=EPILOG, after="meshes")
def ids(
    neurons: Annotated[
        list[str], typer.Argument(metavar="NEURONS", help=f"Neurons: {NEURON_HELP}.", show_default=False)
    ],
    fetch: FetchOptions,
    run: RunOptions,
    dataset: DatasetName = None,
    annotations: Annotated[
        str | None,
        typer.Option(
            "--annotations",
            "-a",
            metavar="FILE",
            help="Annotation table, for criteria and supervoxels.",
            rich_help_panel=NEURONS,
        ),
    ] = None,
    neuron_id_column: NeuronIdColumn = None,
    ignore_case: IgnoreCase = False,
) -> None:
    """IDs of neurons at a time, after splits and merges. The time is that of a materialization."""
    from crantcli.cli.ask import CommandSink, settings_of
    from crantcli.core.ledger import Ledger
    from crantcli.core.question import Table
    from crantcli.core.questions.base import Needs, Results
    from crantcli.core.relation import Completeness
    from crantcli.errors import UsageError
    from crantcli.ids import parse_selectors
    from crantcli.run.record import table_record
    from crantcli.run.request import Request
    from crantcli.run.runner import opened, pass_on

    if not fetch.update_ids:
        raise UsageError("crantcli ids is there to update IDs; leave --no-update-ids out")
    named = parse_selectors(neurons, ignore_case)
    request = Request(dataset=dataset, annotations=annotations, neuron_id_column=neuron_id_column)
    sink = CommandSink("ids", {"": Table}, None, run)
    with opened(request, settings_of(run, fetch), sink, Needs({"neurons": named})) as opener:
        opener.annotations(annotations, neuron_id_column, None, needed=False)
        updates = opener.updates(named)
        sink.check(opener.paths)
        arrays: dict[str, Any] = {
            "old_id": [update.old for update in updates],
            "new_id": [update.new for update in updates],
            "changed": [update.changed for update in updates],
            "confidence": [update.confidence for update in updates],
            "method": [update.method for update in updates],
        }
        listed = ", ".join(f"unnest(?) AS {name}" for name in arrays)
        relation = opener.engine.name("updates")
        opener.engine.execute(f"CREATE TEMP TABLE {relation} AS SELECT {listed}", list(arrays.values()))
        ledger = Ledger("IDs", len(updates), kept=len(updates))
        nobody = Completeness(frozenset(), frozenset())
        changed, lost = sum(arrays["changed"]), arrays["method"].count("unresolved")
        results = Results(
            {"": Table(f"SELECT * FROM {relation} ORDER BY rowid", tuple(arrays), len(updates))},
            "ids",
            len(updates),
            ledger,
            nobody,
            len(updates),
            f"IDs, {changed:,} changed, {lost:,} not found",
            details={"changed": changed, "unresolved": lost},
        )
        record = table_record("ids", "ids", {}, opener.inputs, ledger)
        pass_on(results, sink, opener, [""], {**record, "complete_for": nobody.as_dict()})
