"""`crantcli annotations`: the whole annotation table of a data set."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crantcli.cli.options import DatasetName, FetchOptions, RunOptions, ServerOptions, SourceOptions, with_options

EPILOG = """Example: crantcli annotations -d brain.toml -o annotations.parquet

The token of a SeaTable account, or of its base, is read from the environment variable CRANTTABLE_TOKEN. A table that
was fetched in the last two hours comes from the cache. In Parquet and Feather lists of labels stay lists. With --lock
or --materialization, neurons have the IDs that they have in that state, as synapses of it do."""

#: What `--proofread-only` takes for yes, where the column is text.
_YES = "('true', 't', 'yes', 'y', '1')"


@with_options
def annotation_table(
    server: ServerOptions,
    run: RunOptions,
    dataset: DatasetName = None,
    proofread_only: Annotated[
        bool, typer.Option("--proofread-only", help="Only neurons whose column proofread says so.")
    ] = False,
    materialization: Annotated[
        str | None,
        typer.Option(
            "--materialization", metavar="VERSION", show_default=False,
            help="Bring the neurons' IDs to this state: latest, live, a number, or a time. Default: that of the lock, "
            "or IDs as they are.",
        ),
    ] = None,
    update_ids: Annotated[
        bool, typer.Option("--update-ids/--no-update-ids", help="With --lock, bring the neurons' IDs to its state.")
    ] = True,
) -> None:  # fmt: skip
    """The whole annotation table of a data set, every page of it or an error."""
    from crantcli.cli.job import Job
    from crantcli.core.ledger import Ledger
    from crantcli.core.sql import quote
    from crantcli.core.table import Result
    from crantcli.errors import DataError, UsageError
    from crantcli.output.provenance import table_record

    if materialization and not update_ids:
        raise UsageError("--materialization brings IDs to a state, and --no-update-ids leaves them alone; use one")
    fetch = FetchOptions(**vars(server), materialization=materialization or "latest")
    job = Job("annotations", SourceOptions(dataset=dataset), run, reads_synapses=False, fetch=fetch)
    with job.opened() as work:
        space = work.space
        if space.dataset is None:
            raise UsageError("whose annotations? Give a data set with -d NAME, or CRANT_DEFAULT_DATASET")
        work.check_destinations()
        part = space.annotation_part()
        if part is None:
            raise UsageError(f"data set {space.dataset.name} has no annotations; its TOML needs [annotations]")
        work.check_destinations()
        if update_ids and (materialization or (space.lock is not None and "cave" in space.lock.sections)):
            part = space.current_part(part)
        columns, query = tuple(part.columns), f"SELECT * FROM {part.relation}"
        read = work.engine.execute(f"SELECT count(*) FROM {part.relation}")[0][0]
        if proofread_only:
            if "proofread" not in columns:
                raise DataError(f"{part.name}: --proofread-only needs a column proofread")
            query += f" WHERE lower(CAST({quote('proofread')} AS VARCHAR)) IN {_YES}"
        kept = work.engine.execute(f"SELECT count(*) FROM ({query})")[0][0]
        ledger = Ledger("annotations", read, {"unselected": read - kept}, kept)
        options: dict[str, Any] = {"proofread_only": proofread_only or None}
        record = table_record("annotations", "annotations", options, part.records, ledger)
        work.write(Result(query, columns, kept, ledger), record)
        work.finish("annotations", kept, ledger, [f"{part.name}: {space.origin}"] if space.origin else [])
