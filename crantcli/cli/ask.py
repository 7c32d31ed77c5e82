"""From the options of a command to an answered question: its request, its settings, and where its outputs go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

from crantcli.cli.console import Console
from crantcli.cli.options import (
    FetchOptions,
    MemberOptions,
    RowOptions,
    RunOptions,
    ServerOptions,
    SourceOptions,
    SynapseFetchOptions,
    TableOptions,
)
from crantcli.core.question import Output
from crantcli.core.questions.base import Question, Results, Selectors
from crantcli.engine.duckdb import Engine
from crantcli.engine.limits import MAX_RESULT
from crantcli.errors import EmptyResultError, UsageError
from crantcli.ids import parse_selectors
from crantcli.output.files import FileSink
from crantcli.remote.progress import Progress
from crantcli.remote.settings import LiveOptions, resolve_live
from crantcli.run.inputs import Opener
from crantcli.run.request import Request, Settings, refuse_two_readers
from crantcli.run.runner import run_question
from crantcli.sources.selectors import read_labels


def ask(
    question: Question,
    source: SourceOptions,
    rows: RowOptions,
    fetch: ServerOptions,
    to: RunOptions,
    *,
    members: MemberOptions | None = None,
    outputs: Mapping[str, str | None] | None = None,
    force_wide: bool = False,
    drawing: Mapping[str, Mapping[str, Any]] | None = None,
    coordinates: str | None = None,
    voxel_size: str | None = None,
    **more: Any,
) -> None:
    """Ask a question with the options that commands share, and write the answer.

    Parameters
    ----------
    question : Question
    source, rows, fetch, to, members
        Groups of options.
    outputs : mapping of str to str or None
        Outputs beside that of `-o`, and where they go.
    force_wide, drawing
        As for `FileSink`.
    coordinates, voxel_size : str or None
        Unit of positions, and nanometres per voxel, as given.
    **more
        Further fields of the request.
    """
    settings = settings_of(to, fetch)
    asked = request_of(source, rows, members, coordinates, voxel_size, **more)
    sink = CommandSink(question.command, question.outputs, outputs, to, force_wide, drawing)
    run_question(question, asked, settings, sink)


def list_files(source: SourceOptions, values: Iterable[str | None], *more: str | None) -> tuple[Path, ...]:
    """Files of lists, such as `@FILE` of types: they are read before all else, and no output may overwrite them.

    Parameters
    ----------
    source : SourceOptions
    values : iterable of str or None
        Lists as they were given.
    more : str or None
        Other names of what is read.

    Raises
    ------
    UsageError
        Where stdin would be read twice.
    """
    files = dict.fromkeys(value[1:] for value in values if value is not None and value.startswith("@"))
    read = [*files, *(source.source or []), source.annotations, *more]
    refuse_two_readers(name for name in read if name is not None)
    return tuple(map(Path, files))


def request_of(
    source: SourceOptions,
    rows: RowOptions,
    members: MemberOptions | None = None,
    coordinates: str | None = None,
    voxel_size: str | None = None,
    **more: Any,
) -> Request:
    """What is asked about."""
    from dataclasses import replace

    from crantcli.sources.tables.metadata import parse_voxel_size

    voxel = parse_voxel_size(voxel_size) if voxel_size else None
    chosen = [] if members is None else members.neuropil or []
    files = dict.fromkeys([*more.pop("files", ()), *list_files(source, [*chosen, source.header])])
    assignments, neuropil = _members(members)
    return Request(
        source.source,
        source.dataset,
        source.annotations,
        source.neuron_id_column,
        source.cell_type_column,
        replace(source.reading, coordinates=coordinates, voxel_size=voxel),
        rows.clean,
        rows.min_size,
        rows.threshold,
        source.ignore_case,
        assignments,
        neuropil,
        files=tuple(files),
        **more,
    )


def _members(members: MemberOptions | None) -> tuple[str | None, tuple[str, ...]]:
    """The file of assignments and the neuropils that were chosen in it."""
    if members is None or (members.assignments is None and not members.neuropil):
        return None, ()
    if members.assignments is None or not members.neuropil:
        raise UsageError("--assignments FILE and --neuropil NAME go together; give both or none")
    return members.assignments, read_labels(members.neuropil)


def settings_of(to: RunOptions, fetch: ServerOptions | None = None) -> Settings:
    """With what means."""
    live = LiveOptions() if fetch is None else live_options(fetch)
    return Settings(
        to.max_memory, to.threads, to.tmp_dir, live, engine_name(to.engine), to.spark, most_rows(to) or MAX_RESULT
    )


def most_rows(to: RunOptions) -> int | None:
    """Rows of a file, of commands whose tables may be too long for one."""
    return to.max_result if isinstance(to, TableOptions) else None


def engine_name(given: Literal["duckdb", "spark"] | None) -> Literal["duckdb", "spark"]:
    """The engine that is named, by the option or else in the environment.

    Raises
    ------
    UsageError
        Where the environment names another.
    """
    name = given or os.environ.get("CRANTCLI_ENGINE") or "duckdb"
    if name not in ("duckdb", "spark"):
        raise UsageError(f"CRANTCLI_ENGINE is {name!r}: it says duckdb or spark")
    return "spark" if name == "spark" else "duckdb"


def live_options(server: ServerOptions) -> LiveOptions:
    """How servers are asked, checked before anything is loaded."""
    fetch = server if isinstance(server, FetchOptions) else FetchOptions(**vars(server))
    return resolve_live(LiveOptions(
        fetch.materialization, fetch.update_ids, fetch.strict_ids, fetch.lock, fetch.cache_dir, fetch.refresh,
        allow_missing=isinstance(fetch, SynapseFetchOptions) and fetch.allow_missing,
        retries=fetch.retries, timeout=fetch.timeout,
    ))  # fmt: skip


def selectors_of(values: list[str] | None, source: SourceOptions) -> Selectors:
    """The neurons of one option; None where it is not given."""
    return parse_selectors(values, source.ignore_case) if values else None


class CommandSink:
    """Writes what a command was asked for, and says what happened.

    Parameters
    ----------
    command : str
    outputs : mapping of str to type
        As of a `Question`.
    destinations : mapping of str to str or None
        Where outputs other than that of `-o` go.
    to : RunOptions
    force_wide, drawing
        As for `FileSink`.
    """

    def __init__(
        self,
        command: str,
        outputs: Mapping[str, type],
        destinations: Mapping[str, str | None] | None,
        to: RunOptions,
        force_wide: bool = False,
        drawing: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.command, self._to = command, to
        self.console = Console(f"crantcli {command}", to.quiet)
        given = {"": to.output, **(destinations or {})}
        self.files = FileSink(
            command, outputs, given, json=to.json, terminal=self.console,
            tmp_dir=to.tmp_dir, force_wide=force_wide, drawing=drawing, most_rows=most_rows(to),
        )  # fmt: skip
        self.wanted = self.files.wanted

    def __enter__(self) -> CommandSink:
        self.files.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.files.__exit__(*error)

    @property
    def paths(self) -> list[Path]:
        """Where outputs are written first."""
        return self.files.paths

    def check_names(self, inputs: Sequence[str]) -> None:
        """Refuse a pipe that is read, too."""
        self.files.check_pipes(inputs)

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse destinations that cannot be written, that are one, or that are inputs."""
        self.files.check(inputs)

    def working(self, engine: Engine, progress: Progress) -> AbstractContextManager[None]:
        """Show on a terminal what goes on."""
        return self.console.busy(self.command, progress, engine)

    def take(self, name: str, output: Output, results: Results, record: Mapping[str, Any], engine: Engine) -> None:
        """Write an output, unless there is nothing, and that was to be an error."""
        self._refuse_empty(results)
        results.notes += self.files.take(name, output, record, engine)

    def finish(self, results: Results, opener: Opener) -> None:
        """Rename the outputs into place and say what happened."""
        self._refuse_empty(results)
        self.files.commit()
        notes = [*results.notes, *self.files.unit_notes(results.units, results.units_advice), *results.remarks]
        self.say([*opener.resolved_to, *opener.read_as, *opener.notes, *notes], results)
        if self._to.json:
            self.console.json(
                {
                    "command": self.command,
                    "outputs": self.files.destinations,
                    "rows": results.count,
                    "ledger": results.ledger.as_dict(),
                    "read_as": opener.read_as,
                    "notes": list(dict.fromkeys([*opener.notes, *notes])),
                    **results.details,
                }
            )

    def say(self, notes: Sequence[str], results: Results) -> None:
        """Say each note once, and what became of all rows."""
        for note in dict.fromkeys(notes):
            self.console.note(note)
        where = f" -> {', '.join(self.files.destinations)}" if self.files.destinations else ""
        self.console.note(f"{results.ledger.sentence()}; {results.count:,} {results.what}{where}")

    def _refuse_empty(self, results: Results) -> None:
        if self._to.fail_empty and results.empty:
            raise EmptyResultError(f"{results.empty[0]}; no file is written")
