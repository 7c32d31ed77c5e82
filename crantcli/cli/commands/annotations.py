"""`crantcli annotations`: the whole annotation table of a data set."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crantcli.cli.command import command
from crantcli.cli.help import DATA
from crantcli.cli.options import DatasetName, FetchOptions, RunOptions, ServerOptions

EPILOG = """Example: crantcli annotations -d brain.toml -o annotations.parquet

The token of a SeaTable account, or of its base, is read from the environment variable CRANTTABLE_TOKEN. A table that
was fetched in the last two hours comes from the cache. In Parquet and Feather lists of labels stay lists. With --lock
or --materialization, neurons have the IDs that they have in that state, as synapses of it do."""

#: What `--proofread-only` takes for yes, where the column is text.
_YES = "('true', 't', 'yes', 'y', '1')"


@command("annotations", section=DATA, epilog=EPILOG)
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
    """The whole annotation table of a data set. Every page of it, or an error."""
    from crantcli.cli.ask import CommandSink, settings_of
    from crantcli.core.ledger import Ledger
    from crantcli.core.question import Table
    from crantcli.core.questions.base import Results
    from crantcli.core.relation import Completeness
    from crantcli.core.sql import quote
    from crantcli.errors import DataError, UsageError
    from crantcli.run.record import table_record
    from crantcli.run.request import Request
    from crantcli.run.runner import opened, pass_on

    if materialization and not update_ids:
        raise UsageError("--materialization brings IDs to a state, and --no-update-ids leaves them alone; use one")
    settings = settings_of(run, FetchOptions(**vars(server), materialization=materialization or "latest"))
    sink = CommandSink("annotations", {"": Table}, None, run)
    with opened(Request(dataset=dataset), settings, sink) as opener:
        if opener.dataset is None:
            raise UsageError("whose annotations? Give a data set with -d NAME, or CRANT_DEFAULT_DATASET")
        sink.check(opener.paths)
        part = opener.annotation_part()
        if part is None:
            raise UsageError(f"data set {opener.dataset.name} has no annotations; its TOML needs [annotations]")
        sink.check(opener.paths)
        if update_ids and (materialization or (opener.lock is not None and "cave" in opener.lock.sections)):
            part = opener.current_part(part)
        columns, query = tuple(part.columns), f"SELECT * FROM {part.relation}"
        read = opener.engine.execute(f"SELECT count(*) FROM {part.relation}")[0][0]
        if proofread_only:
            if "proofread" not in columns:
                raise DataError(f"{part.name}: --proofread-only needs a column proofread")
            query += f" WHERE lower(CAST({quote('proofread')} AS VARCHAR)) IN {_YES}"
        kept = opener.engine.execute(f"SELECT count(*) FROM ({query})")[0][0]
        ledger = Ledger("annotations", read, {"unselected": read - kept}, kept)
        notes = [f"{part.name}: {opener.origin}"] if opener.origin else []
        results = Results(
            {"": Table(query, columns, kept)},
            "annotations",
            kept,
            ledger,
            Completeness(),
            kept,
            "annotations",
            notes=notes,
        )
        options: dict[str, Any] = {"proofread_only": proofread_only or None}
        record = table_record("annotations", "annotations", options, part.records, ledger)
        pass_on(results, sink, opener, [""], record)
