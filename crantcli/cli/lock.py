"""`crantcli lock`: one brain for a whole pipeline."""

from __future__ import annotations

from crantcli.cli.options import (
    DatasetName,
    FetchOptions,
    Materialization,
    RunOptions,
    ServerOptions,
    SourceOptions,
    with_options,
)

EPILOG = """Example: crantcli lock -d crantb -o crant.lock

Then give --lock crant.lock to every command of the pipeline: all see the same materialization, whatever is published
meanwhile."""


@with_options
def lock(
    server: ServerOptions,
    run: RunOptions,
    dataset: DatasetName = None,
    materialization: Materialization = "latest",
) -> None:
    """Resolve the state of a live data set once, and write it down: version, time, table, resolution."""
    import json

    from crantcli.cli.job import Job
    from crantcli.errors import UsageError
    from crantcli.sources.live.brain import LOCK_FORMAT
    from crantcli.version import __version__

    if server.lock is not None:
        raise UsageError("--lock FILE reads a lock; crantcli lock writes one, with -o FILE")
    if run.output in (None, "-"):
        raise UsageError("say where the lock goes with -o FILE, such as -o crant.lock")
    fetch = FetchOptions(**vars(server), materialization=materialization)
    job = Job("lock", SourceOptions(dataset=dataset), run, reads_synapses=False, fetch=fetch, plain=True)
    with job.opened() as work:
        work.check_destinations()
        brain = work.space.brain
        content = {"crantcli_lock": LOCK_FORMAT, "crantcli": __version__, "dataset": brain.name, "cave": brain.lock()}
        path = work.pending.place(str(run.output))
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        work.pending.commit()
        job.console.note(f"{brain.record()['name']}: {brain.moment} -> {run.output}")
        if run.json:
            job.console.json({"command": "lock", "outputs": [run.output], **content})
