"""`crantcli ids`: which IDs neurons have at a time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crantcli.cli.options import (
    NEURON_HELP,
    DatasetName,
    FetchOptions,
    IgnoreCase,
    NeuronIdColumn,
    RunOptions,
    SourceOptions,
    with_options,
)

EPILOG = """Example: crantcli ids @neurons.txt -d crantb --materialization latest -o ids.csv

Per ID: old_id, new_id, changed, confidence and method. method is current (nothing changed), supervoxel (found by the
supervoxel that the annotations have), chunkedgraph (by its history) or unresolved (kept as it is). confidence is the
share of the neuron's pieces that are in the new one."""


@with_options
def ids(
    neurons: Annotated[
        list[str], typer.Argument(metavar="NEURONS", help=f"Neurons: {NEURON_HELP}.", show_default=False)
    ],
    fetch: FetchOptions,
    run: RunOptions,
    dataset: DatasetName = None,
    annotations: Annotated[
        str | None,
        typer.Option("--annotations", "-a", metavar="FILE", help="Annotation table, for criteria and supervoxels."),
    ] = None,
    neuron_id_column: NeuronIdColumn = None,
    ignore_case: IgnoreCase = False,
) -> None:
    """IDs that neurons have at the time of a materialization, after splits and merges."""
    from crantcli.cli.job import Job
    from crantcli.core.ledger import Ledger
    from crantcli.core.table import Completeness, Result
    from crantcli.errors import UsageError
    from crantcli.version import __version__

    if not fetch.update_ids:
        raise UsageError("crantcli ids is there to update IDs; leave --no-update-ids out")
    source = SourceOptions(
        dataset=dataset, annotations=annotations, neuron_id_column=neuron_id_column, ignore_case=ignore_case
    )
    job = Job("ids", source, run, {"neurons": neurons}, reads_synapses=False, fetch=fetch)
    with job.opened() as work:
        work.annotations()
        updates = work.space.updates(job.selectors["neurons"])
        arrays: dict[str, Any] = {
            "old_id": [update.old for update in updates],
            "new_id": [update.new for update in updates],
            "changed": [update.changed for update in updates],
            "confidence": [update.confidence for update in updates],
            "method": [update.method for update in updates],
        }
        listed = ", ".join(f"unnest(?) AS {name}" for name in arrays)
        relation = work.engine.name("updates")
        work.engine.execute(f"CREATE TEMP TABLE {relation} AS SELECT {listed}", list(arrays.values()))
        ledger = Ledger("IDs", len(updates), kept=len(updates))
        result = Result(f"SELECT * FROM {relation} ORDER BY rowid", tuple(arrays), len(updates), ledger)
        record = {
            "crantcli": __version__,
            "command": "ids",
            "kind": "ids",
            "options": {},
            "inputs": work.space.inputs,
            "ledger": ledger.as_dict(),
            "complete_for": Completeness(frozenset(), frozenset()).as_dict(),
            "rows": len(updates),
        }
        work.write(result, record)
        changed = sum(arrays["changed"])
        lost = arrays["method"].count("unresolved")
        work.finish(
            f"IDs, {changed:,} changed, {lost:,} not found",
            len(updates),
            ledger,
            [],
            {"changed": changed, "unresolved": lost},
        )
