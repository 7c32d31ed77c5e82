"""Where a command's outputs go: files, folders and stdout, all of which appear together at the end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from crantcli.core.question import EdgeTable, Figure, Folder, FolderFile, Matrix, Output, Page, Single, Summary, Table
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError, writing_to
from crantcli.output.atomic import Outputs, check_destination, check_folder
from crantcli.output.matrices import may_be_wide, wide_table
from crantcli.output.provenance import as_text
from crantcli.output.streams import find_stream, is_pipe
from crantcli.output.tables import write_csv_stream
from crantcli.output.writers import Writer, find_writer, sidecars, write
from crantcli.schema import MANIFEST
from crantcli.system.descriptors import descriptor_of
from crantcli.text import P

#: Rows of a table that is shown on a terminal.
_SHOWN = 20

#: How files of a folder are written that do not say it; matrices as tables as long as these are not too wide.
_USUAL = {Table: ".csv", Figure: ".png"}


class TableViewer(Protocol):
    """What stands behind stdout."""

    @property
    def stdout(self) -> BinaryIO:
        """Takes tables as bytes."""
        ...

    @property
    def is_terminal(self) -> bool:
        """Whether somebody looks at it."""
        ...

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> None:
        """Show the first rows of a table that has `total` of them."""
        ...


class FileSink:
    """Takes the outputs of a question and writes them where they were asked for.

    A context manager: it is to be the outermost one, since what is being written can be removed only when the engine
    has stopped writing it. Options are checked when it is made, files by `check`.

    Parameters
    ----------
    command : str
    outputs : mapping of str to type
        Names of outputs -> `Table`, `Matrix`, `Figure` or `Folder`; "" is that of `-o`, the others have options of
        their names. Another type has no writer here: it may have any suffix, and its path is that of `place`.
    destinations : mapping of str to str or None
        Names of outputs -> where they go, as given; None where that was not said.
    json : bool
        A summary goes to stdout.
    terminal : TableViewer
    tmp_dir : str, optional
        Where what cannot be written beside its destination is made. Default: the system's temporary folder.
    force_wide : bool
        Tables of matrices may have any number of columns.
    drawing : mapping of str to mapping, optional
        Kind of figure -> keywords that say how it is to look.
    most_rows : int, optional
        A longer table in a Parquet file becomes a folder of such.

    Attributes
    ----------
    destinations : list of str
        Files and folders that are written, in the order of `outputs`, and then files that belong to one of them.
    wanted : frozenset of str
        Names of the outputs to take; stdout takes "" where nothing else is asked for.

    Raises
    ------
    UsageError
        For a suffix that nobody writes, for an output other than `-o` on stdout, and where stdout is asked for twice.
    """

    def __init__(
        self,
        command: str,
        outputs: Mapping[str, type],
        destinations: Mapping[str, str | None],
        *,
        json: bool,
        terminal: TableViewer,
        tmp_dir: str | None = None,
        force_wide: bool = False,
        drawing: Mapping[str, Mapping[str, Any]] | None = None,
        most_rows: int | None = None,
    ) -> None:
        self._command, self._outputs, self._json, self._most_rows = command, outputs, json, most_rows
        self._given = {name: where for name in outputs if (where := destinations.get(name)) is not None}
        self._terminal, self._tmp_dir = terminal, tmp_dir
        self._force_wide, self._drawing = force_wide, drawing or {}
        self._pending: Outputs | None = None
        self.destinations = [where for name, where in self._given.items() if (name, where) != ("", "-")]
        self._writer = self._check_options()
        #: Further files of outputs, by the names of these.
        self._beside = {name: sidecars(outputs[name], where) for name, where in self._given.items()}
        self.destinations += [where for listed in self._beside.values() for where in listed]
        shown = not self.destinations and not json
        self.wanted = frozenset(self._given) | ({""} if shown else frozenset())

    def _check_options(self) -> Writer | None:
        """Check suffixes and stdout, and find the writer of `-o` where that is a file."""
        for kind in (Figure, Matrix, Summary):
            self._check_further(kind)
        for where in self._given.values() if self._json else ():
            if where == "-" or descriptor_of(where) == 1:
                raise UsageError(f"{P.output(where)} and {P.json} both write to stdout; use one of them")
        asked, main = self._outputs.get(""), self._given.get("", "-")
        if asked is Folder and main == "-":
            raise UsageError(f"crantcli {self._command} makes many files; say where with {P.output.metavar('FOLDER')}")
        if asked is Page and main == "-":
            raise UsageError(f"crantcli {self._command} makes a page; say where with {P.output.metavar('FILE.html')}")
        writer = None
        if asked is not None and asked in (Table, EdgeTable, Matrix, Figure, Page) and main != "-":
            writer = find_writer(asked, main)
        self._check_further(Table)
        return writer

    def _check_further(self, kind: type) -> None:
        for name, where in self._given.items():
            if name == "" or self._outputs[name] is not kind:
                continue
            if where == "-" and kind is not Figure:
                given = getattr(P, name)(where)
                raise UsageError(f"{given}: only {P.output} writes to stdout; give a file name")
            find_writer(kind, where)

    def check_pipes(self, inputs: Iterable[str]) -> None:
        """Refuse a pipe that is read, too: whoever writes to it keeps its reader waiting, who would be waiting for
        himself. `inputs` are names as they were given.

        Raises
        ------
        UsageError
        """
        named = [name for name in inputs if os.path.exists(name)]
        for output in filter(is_pipe, self.destinations):
            if any(os.path.samefile(name, output) for name in named):
                raise UsageError(f"{output} is an input of this command; write to another file")

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse destinations that cannot be written, that are one, or that are inputs.

        Raises
        ------
        UsageError, CrantError
        """
        check_distinct([*self.destinations, *(["/dev/stdout"] if self._given.get("") == "-" else [])])
        for name, where in self._given.items():
            if (name, where) != ("", "-"):
                (check_folder if self._outputs[name] is Folder else check_destination)(where, list(inputs))
            for further in self._beside[name]:
                check_destination(further, list(inputs))

    def __enter__(self) -> FileSink:
        self._pending = Outputs(self.destinations, self._tmp_dir)
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.discard()

    @property
    def _entered(self) -> Outputs:
        if self._pending is None:
            raise ValueError("outputs are taken inside of `with` only")
        return self._pending

    @property
    def paths(self) -> list[Path]:
        """What the engine must be allowed to open: where outputs are written first."""
        return self._entered.paths

    def place(self, name: str) -> Path:
        """Where to write an output that has no writer here."""
        return self._entered.place(self._given[name])

    def put_text(self, name: str, content: str) -> None:
        """Write an output that is text."""
        self.place(name).write_text(content, encoding="utf-8")

    def take(self, name: str, output: Output, record: Mapping[str, Any], engine: Engine) -> list[str]:
        """Write an output that is wanted.

        Parameters
        ----------
        name : str
        output : Table, Matrix, Figure or Folder
        record : mapping
            Provenance of the run; what is special about the output is added. Files of a folder have their own.
        engine : Engine

        Returns
        -------
        list of str
            What the user is to be told.

        Raises
        ------
        UsageError
            For a table that is too wide.
        CrantError
            Where it cannot be written.
        """
        where = self._given.get(name, "-")
        if isinstance(output, Folder):
            return self._fill(self._entered.place_folder(where), output, engine)
        if (name, where) == ("", "-"):
            self._show(output, engine)
            return []
        return write(
            engine, self._drawn(output), record, where, self._entered.place, force_wide=self._force_wide,
            most_rows=self._most_rows,
        )  # fmt: skip

    def _drawn(self, output: Single) -> Single:
        """The output, where it is a figure with the keywords of its kind."""
        if not isinstance(output, Figure):
            return output
        return output._replace(options={**output.options, **self._drawing.get(output.kind, {})})

    def _show(self, output: Output, engine: Engine) -> None:
        """Send a table to stdout: as CSV, or its first rows to a terminal."""
        if isinstance(output, Matrix):
            output = wide_table(engine, output.make(), "stdout", self._force_wide)
        if not isinstance(output, Table):
            raise TypeError(f"stdout takes no {type(output).__name__}")
        if "" not in self._given and self._terminal.is_terminal:
            rows = engine.execute(f"SELECT * FROM ({output.query}) LIMIT {_SHOWN}")
            self._terminal.rows(output.columns, rows, output.rows)
        else:
            write_csv_stream(engine, output.query, self._terminal.stdout)

    def _fill(self, folder: Path, output: Folder, engine: Engine) -> list[str]:
        """Write the files of a folder and, last, the manifest."""
        notes = []
        files = iter(output.files)
        try:
            for file in files:
                part, suffix = _with_suffix(file)
                name = f"{file.name}{suffix}"
                told = write(engine, self._drawn(part), file.record, name, folder.joinpath)
                notes += [f"{file.part}: {note}" if file.part else note for note in told]
        finally:
            # Whoever makes them drops what the engine holds, which must not wait until the engine is gone.
            getattr(files, "close", lambda: None)()
        manifest = {**output.manifest(), "files": sorted(path.name for path in folder.iterdir())}
        with writing_to(folder.parent):
            (folder / MANIFEST).write_text(as_text(manifest) + "\n", encoding="utf-8")
        return notes

    def unit_notes(self, recorded: Mapping[str, Any], advice: str) -> list[str]:
        """What to say of units (none where `recorded` is empty) that the format of `-o` cannot carry."""
        if not recorded or self._writer is None or self._writer.carries_metadata:
            return []
        return [f"CSV does not record units: the positions are in {recorded['units']}; {advice}"]

    def commit(self) -> None:
        """Let everything appear at once."""
        self._entered.commit()


def _with_suffix(file: FolderFile) -> tuple[Single, str]:
    """The output of a file and how it is written; a matrix is made for that, where its width decides."""
    output = file.output
    if file.suffix or not isinstance(output, Matrix):
        return output, file.suffix or _USUAL[type(output)]
    matrix = output.make()
    return output._replace(make=lambda: matrix), ".csv" if may_be_wide(matrix) else ".npz"


def check_distinct(destinations: Sequence[str]) -> None:
    """Refuse two outputs that are one, unless it is the null device.

    Raises
    ------
    UsageError
    """
    places: list[object] = []
    for destination in destinations:
        stream = find_stream(destination)
        place = os.path.realpath(destination) if stream is None else stream.same_as
        places += [] if place is None else [place]
    if len(set(places)) < len(places):
        raise UsageError(f"two outputs have the same name: {', '.join(destinations)}")
