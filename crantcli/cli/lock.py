"""`crantcli lock`: one brain for a whole pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.options import FetchOptions, RunOptions, SourceOptions, with_options

EPILOG = """Example: crantcli lock -d crantb -o crant.lock

Then give --lock crant.lock to every command of the pipeline: all see the same materialization, whatever is published
meanwhile."""


@with_options
def lock(
    fetch: FetchOptions,
    run: RunOptions,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", "-d", metavar="NAME", help="Data set: a name, or a TOML file. Default: CRANT_DEFAULT_DATASET."
        ),
    ] = None,
) -> None:
    """Resolve the state of a live data set once, and write it down: version, time, table, resolution."""
    import json

    from crantcli.cli.job import Job
    from crantcli.errors import UsageError
    from crantcli.sources.live.brain import LOCK_FORMAT
    from crantcli.version import __version__

    if fetch.lock is not None:
        raise UsageError("--lock FILE reads a lock; crantcli lock writes one, with -o FILE")
    if run.output in (None, "-"):
        raise UsageError("say where the lock goes with -o FILE, such as -o crant.lock")
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
