"""One run of one command: checks options, opens inputs, writes outputs, and says what happened."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.addresses import Dataset
from crantcli.cli.console import Console
from crantcli.cli.options import (
    FetchOptions,
    MemberOptions,
    RowOptions,
    RunOptions,
    ServerOptions,
    SourceOptions,
    SynapseFetchOptions,
)
from crantcli.core.ledger import Ledger
from crantcli.core.synapses import RowFilter
from crantcli.core.table import Annotations, Result, Table, Totals, VoxelSize
from crantcli.descriptors import descriptor_of
from crantcli.engine.duckdb import Engine
from crantcli.errors import EmptyResultError, UsageError
from crantcli.ids import IdFile, IdStdin, Selection, Selector, parse_selectors
from crantcli.output import provenance
from crantcli.output.atomic import Outputs, check_destination, check_folder, outputs
from crantcli.output.matrices import check_width, wide_query, write_npz
from crantcli.output.streams import find_stream, is_pipe
from crantcli.output.tables import TableFormat, table_format, write_csv_stream, write_table
from crantcli.schema import CORNER, Kind
from crantcli.settings import LiveOptions, resolve_live
from crantcli.sources.access import engine_files
from crantcli.sources.cave.query import Query
from crantcli.sources.datasets import find_dataset
from crantcli.sources.read_options import Carry
from crantcli.sources.selection import check_files, id_file, read_labels
from crantcli.workspace import Workspace

if TYPE_CHECKING:
    from crantcli.core.adjacency import LabelledMatrix

#: Rows of a table that is shown on a terminal.
_SHOWN = 20


class Job:
    """What a command needs to do its work.

    Parameters
    ----------
    command : str
    source : SourceOptions
    run : RunOptions
    selectors : dict of str to list of str or None
        Option name (for the provenance) -> values of a neuron selection.
    more_outputs : sequence of str or None
        Destinations beside `-o`.
    matrix : bool
        `-o` may be `.npz`.
    matrices : dict of str to str or None
        Option name -> a further matrix's destination, which may be `.npz` too.
    members : MemberOptions, optional
    folder : bool
        `-o` is a folder, and must be given.
    reads_synapses : bool
        A data set must have them, unless there is another source.
    fetch : ServerOptions, optional
        The command can ask a data set on a server; for its synapses FetchOptions are needed.
    plain : bool
        `-o` is no table, whatever its suffix.
    tables : sequence of str or None
        Further tables that the command reads.
    """

    def __init__(
        self,
        command: str,
        source: SourceOptions,
        run: RunOptions,
        selectors: dict[str, list[str] | None] | None = None,
        more_outputs: Sequence[str | None] = (),
        matrix: bool = False,
        matrices: dict[str, str | None] | None = None,
        members: MemberOptions | None = None,
        folder: bool = False,
        reads_synapses: bool = True,
        fetch: ServerOptions | None = None,
        plain: bool = False,
        tables: Sequence[str | None] = (),
    ) -> None:
        self.reads_synapses = reads_synapses
        self.command, self.source, self.run = command, source, run
        source.reading  # noqa: B018 - what is wrong with the options is said before anything is opened
        self.live = live_options(fetch) if fetch else None
        self.console = Console(f"crantcli {command}", run.quiet)
        self._selectors: dict[str, tuple[Selector, ...]] = {
            name: parse_selectors(values or [], source.ignore_case) for name, values in (selectors or {}).items()
        }
        named = {option: destination for option, destination in (matrices or {}).items() if destination}
        for option, destination in named.items():
            _check_file(option, destination)
        self._more = [*named.values(), *(destination for destination in more_outputs if destination)]
        self.folder = folder
        self._check_stdout()
        self.form = None if folder or plain else self._check_output(matrix)
        if folder and run.output in (None, "-"):
            raise UsageError(f"crantcli {command} makes many files; say where with -o FOLDER")
        self.members = _member_names(members)
        self._tables = [*tables, self.members[0] if self.members else None]
        self._check_stdin()
        for found in self._selectors.values():
            check_files(found)
        self.selected: dict[str, Selection | None] = {}

    def _check_output(self, matrix: bool) -> TableFormat | None:
        output = self.run.output
        if output is None or output == "-":
            return None
        if matrix and output.lower().endswith(".npz"):
            return None
        return table_format(output, more=(".npz",) if matrix else ())

    def _check_stdout(self) -> None:
        for destination in [self.run.output, *self._more] if self.run.json else []:
            if destination == "-" or (destination and descriptor_of(destination) == 1):
                raise UsageError(f"-o {destination} and --json both write to stdout; use one of them")

    def _check_stdin(self) -> None:
        selectors = [selector for found in self._selectors.values() for selector in found]
        readers = ["-" for selector in selectors if isinstance(selector, IdStdin)]
        readers += [name for name in self._inputs() if name == "-" or descriptor_of(name) == 0]
        if len(readers) > 1:
            raise UsageError("- stands for stdin, which can be read once; it is asked for twice")
        # Whoever writes to a pipe keeps its reader waiting, who would be waiting for himself.
        for output in filter(is_pipe, self.destinations):
            if any(os.path.exists(name) and os.path.samefile(name, output) for name in self._inputs()):
                raise UsageError(f"{output} is an input of this command; write to another file")

    def _inputs(self) -> list[str]:
        """Names of what the command reads, as they were given."""
        given = [*(self.source.sources or []), self.source.annotations, *self._tables]
        selectors = [selector for found in self._selectors.values() for selector in found]
        lists = [str(id_file(selector)) for selector in selectors if isinstance(selector, IdFile)]
        return [*(name for name in given if name is not None), *lists]

    @contextmanager
    def opened(self) -> Iterator[Work]:
        """Start the engine, and commit the outputs at the end or leave nothing behind."""
        dataset = find_dataset(self.source.dataset)
        if self.reads_synapses and not self.source.sources and dataset and dataset.live is None:
            dataset.synapse_file()
        with (
            # Outermost, since what is being written can be removed only when the engine has stopped writing it.
            outputs(self.destinations, self.run.tmp_dir) as pending,
            Engine(self.run.max_memory, self.run.threads, self.run.tmp_dir, self._files(dataset, pending)) as engine,
        ):
            space = Workspace(engine, dataset, self.live)
            space.null_text = self.source.null_text
            with self.console.busy(self.command, space.live_options.policy.progress, engine):
                yield Work(self, space, engine, pending)

    def _files(self, dataset: Dataset | None, pending: Outputs) -> list[Path]:
        """What the engine may open."""
        return [*engine_files(self._inputs(), dataset=dataset, live=self.live), *pending.paths]

    @property
    def destinations(self) -> list[str]:
        """Files that the command writes."""
        output = self.run.output
        return [*([output] if output is not None and output != "-" else []), *self._more]

    @property
    def selectors(self) -> dict[str, tuple[Selector, ...]]:
        """Parsed selectors by option name."""
        return self._selectors


def live_options(server: ServerOptions) -> LiveOptions:
    """How servers are asked, checked before anything is loaded."""
    fetch = server if isinstance(server, FetchOptions) else FetchOptions(**vars(server))
    return resolve_live(LiveOptions(
        fetch.materialization, fetch.update_ids, fetch.strict_ids, fetch.lock, fetch.cache_dir, fetch.refresh,
        allow_missing=isinstance(fetch, SynapseFetchOptions) and fetch.allow_missing,
        retries=fetch.retries, timeout=fetch.timeout,
    ))  # fmt: skip


def _member_names(members: MemberOptions | None) -> tuple[str, tuple[str, ...]] | None:
    """The file of assignments and the neuropils that were chosen in it."""
    if members is None or (members.assignments is None and not members.neuropil):
        return None
    if members.assignments is None or not members.neuropil:
        raise UsageError("--assignments FILE and --neuropil NAME go together; give both or none")
    return members.assignments, read_labels(members.neuropil)


def _check_file(option: str, destination: str) -> None:
    if destination == "-":
        raise UsageError(f"{option} - : only -o writes to stdout; give a file name")
    if not destination.lower().endswith(".npz"):
        table_format(destination, more=(".npz",))


def _check_distinct(destinations: Sequence[str]) -> None:
    """Refuse two outputs that are one, unless it is the null device."""
    places: list[object] = []
    for destination in destinations:
        stream = find_stream(destination)
        place = os.path.realpath(destination) if stream is None else stream.same_as
        places += [] if place is None else [place]
    if len(set(places)) < len(places):
        raise UsageError(f"two outputs have the same name: {', '.join(destinations)}")


class Work:
    """A job under way."""

    def __init__(self, job: Job, space: Workspace, engine: Engine, pending: Outputs) -> None:
        self.job, self.space, self.engine, self.pending = job, space, engine, pending
        self.counts_synapses = True

    def table(
        self,
        *,
        carry: Carry = False,
        position: str | None = None,
        value: str | None = None,
        coordinates: str | None = None,
        voxel_size: VoxelSize | None = None,
        points: bool = False,
        query: Query | None = None,
    ) -> Table:
        """Open the source, and see that no output would overwrite an input.

        `query` is what to fetch of it where it is on a server, and None where it is a file.
        """
        source = self.job.source
        reading = replace(
            source.reading, coordinates=coordinates, voxel_size=voxel_size, carry=carry, value=value, position=position
        )
        reading = replace(reading, points=points)
        table = self.space.table(source.sources, reading, query)
        self.counts_synapses = table.kind is not Kind.EDGES
        if self.job.members is not None:
            table = self.space.members(*self.job.members, table).within(table)
        self.check_destinations()
        return table

    @property
    def live(self) -> bool:
        """Whether the table comes from a server."""
        return self.space.asks_server(self.job.source.sources)

    def query(
        self,
        option: str,
        columns: tuple[str, ...] | None,
        clean: bool,
        upstream: bool = True,
        downstream: bool = True,
        **selections: str,
    ) -> Query | None:
        """What to fetch of a live table, None for a file: `pre`, `post` and `either` are names of selection options."""
        if not self.live:
            return None
        self.check_destinations()  # before anything is fetched
        named = {side: self.select_current(name) for side, name in selections.items()}
        return self.space.query(option, columns, clean, named, upstream, downstream)

    def check_destinations(self) -> None:
        """Refuse destinations that cannot be written, or that are inputs."""
        destinations = self.job.destinations
        _check_distinct([*destinations, *(["/dev/stdout"] if self.job.run.output == "-" else [])])
        for destination in destinations:
            check = check_folder if self.job.folder and destination == self.job.run.output else check_destination
            check(destination, self.space.paths)

    def annotations(self, needed: bool = False, *, clean: bool = True) -> Annotations | None:
        """Open the annotations that were given, or the data set's; those on a server only if they are needed.

        Where they are needed as labels, the neurons have the IDs of the table, which may be those of another time.
        `clean` says whether rows of the background are dropped.
        """
        source = self.job.source
        self.space.clean = clean
        opened = self.space.annotations(source.annotations, source.neuron_id_column, source.cell_type_column, needed)
        self.check_destinations()
        return self.space.current_annotations(opened) if needed and self.live else opened

    def select(self, name: str, table: Table) -> Selection | None:
        """The neurons of one selection option."""
        found = self.space.select(self.job.selectors[name], table)
        self.check_destinations()
        self.job.selected[name] = found
        return found

    def select_current(self, name: str) -> Selection | None:
        """The same for a live table that is not fetched yet: the neurons with their IDs of that moment."""
        selectors = self.job.selectors[name]
        return self.space.select_current(selectors) if selectors else None

    def totals(self, source: str, table: Table, filters: dict[str, Any]) -> Totals:
        """Open the totals for fractions."""
        opened = self.space.totals(source, filters, table)
        self.check_destinations()
        return opened

    def row_filter(self, rows: RowOptions, table: Table) -> RowFilter:
        """The filter that the options ask for, checked against the table."""
        made = RowFilter(rows.clean, self.space.background, rows.min_size, rows.threshold)
        made.check(table)
        return made

    def record(
        self,
        kind: str,
        table: Table,
        rows: RowFilter,
        result: Any,
        number: int,
        options: dict[str, Any],
        units: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The provenance of what this run makes."""
        selection = {
            name: {"named": list(found.named), "neurons": len(found.ids)}
            for name, found in self.job.selected.items()
            if found is not None
        }
        source = self.job.source
        common = {
            "clean": rows.clean,
            "min_size": rows.min_size,
            "threshold": rows.threshold or 1,
            "background_ids": [str(neuron) for neuron in rows.background],
            **source.reading.record(),
            "neuron_id_column": source.neuron_id_column,
            "cell_type_column": source.cell_type_column,
            "ignore_case": source.ignore_case or None,
            "neuropil": list(self.job.members[1]) if self.job.members else None,
            **self.space.live_record(),
        }
        return provenance.build(
            self.job.command,
            kind,
            table,
            options={**common, **options},
            inputs=self.space.inputs,
            ledger=result.ledger,
            coverage=result.coverage,
            rows=number,
            filters={"clean": rows.clean, "min_size": rows.min_size, "threshold": rows.threshold or 1},
            units=units,
            facts={**result.facts, **({"selection": selection} if selection else {})},
        )

    def write(self, result: Result, record: dict[str, Any]) -> None:
        """Send a table where it was asked for: a file, stdout, or a short table on a terminal."""
        run = self.job.run
        self.refuse_empty(result.rows, result.ledger)
        if run.output not in (None, "-"):
            assert self.job.form is not None
            path = self.pending.place(str(run.output))
            write_table(self.engine, result.query, path, self.job.form, provenance.metadata(record))
        elif run.output == "-" or (not self.job.destinations and not run.json):
            if run.output is None and sys.stdout.isatty():
                rows = self.engine.execute(f"SELECT * FROM ({result.query}) LIMIT {_SHOWN}")
                self.job.console.rows(result.columns, rows, result.rows)
            else:
                write_csv_stream(self.engine, result.query, sys.stdout.buffer)

    def write_main_matrix(self, matrix: LabelledMatrix, record: dict[str, Any], force_wide: bool) -> None:
        """Send a matrix where `-o` says; without it, to stdout if nothing else was asked for."""
        run = self.job.run
        if run.output not in (None, "-"):
            self.write_matrix(matrix, str(run.output), record, force_wide)
        elif run.output == "-" or (not self.job.destinations and not run.json):
            check_width(matrix.shape[1], "stdout", force_wide)
            columns = (CORNER, *(str(neuron) for neuron in matrix.post.tolist()))
            self.write(Result(wide_query(self.engine, matrix), columns, matrix.shape[0], Ledger("cells", 0)), record)

    def write_matrix(
        self,
        matrix: LabelledMatrix,
        destination: str,
        record: dict[str, Any],
        force_wide: bool,
        path: Path | None = None,
    ) -> None:
        """Write a matrix, sparse or wide as the suffix says; `path` is where, if the file is not an output itself."""
        record = {**record, "rows": matrix.shape[0]}
        sparse = destination.lower().endswith(".npz")
        if not sparse:
            check_width(matrix.shape[1], destination, force_wide)
        path = path or self.pending.place(destination)
        if sparse:
            write_npz(matrix, path, provenance.metadata(record))
            return
        form = table_format(destination, more=(".npz",))
        write_table(self.engine, wide_query(self.engine, matrix), path, form, provenance.metadata(record))

    def unit_notes(
        self,
        recorded: dict[str, Any],
        advice: str = "tell the next command with --coordinates and --voxel-size, or write .parquet",
    ) -> list[str]:
        """What to say of units (none where `recorded` is empty) that the table's format cannot carry."""
        if not recorded or self.job.form is None or self.job.form.carries_metadata:
            return []
        return [f"CSV does not record units: the positions are in {recorded['units']}; {advice}"]

    def refuse_empty(self, number: int, ledger: Ledger) -> None:
        """Stop where nothing is left and that was to be an error.

        Raises
        ------
        EmptyResultError
        """
        if number == 0 and self.job.run.fail_empty:
            raise EmptyResultError(f"nothing is left ({ledger.sentence()}); no file is written")

    def finish(
        self, what: str, number: int, ledger: Ledger, notes: Sequence[str], extra: dict[str, Any] | None = None
    ) -> None:
        """Rename the outputs into place and say what happened."""
        job = self.job
        self.pending.commit()
        for note in dict.fromkeys([*self.space.told, *self.space.read_as, *self.space.notes, *notes]):
            job.console.note(note)
        where = f" -> {', '.join(job.destinations)}" if job.destinations else ""
        job.console.note(f"{ledger.sentence()}; {number:,} {what}{where}")
        if job.run.json:
            job.console.json(
                {
                    "command": job.command,
                    "outputs": job.destinations,
                    "rows": number,
                    "ledger": ledger.as_dict(),
                    "read_as": self.space.read_as,
                    "notes": list(dict.fromkeys([*self.space.notes, *notes])),
                    **(extra or {}),
                }
            )
