"""Who writes what: the type of an output and the suffix of its destination choose the writer.

A module of this folder offers a format by calling `register` when it is imported; all of them are imported before a
writer is looked for. That is all that a new format takes.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from crantcli import output as folder
from crantcli.core.question import EdgeTable, Figure, Matrix, Single, Table
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError
from crantcli.output.streams import Stream, find_stream
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.core.relation import Annotations

#: What is said before the suffixes that there are.
_ADVICE: dict[type, str] = {Figure: "a picture ends in"}

#: Commands that have a picture beside their result.
DRAWING = ("adjacency", "attach", "compare", "influence", "nested", "neuropil", "paths", "similar")

#: What is also something else, and can be written in the formats of that.
_MORE_GENERAL: dict[type, type] = {EdgeTable: Table}

Subject = TypeVar("Subject")


class Target(NamedTuple):
    """Where an output goes.

    Attributes
    ----------
    destination : str
        As it was given, for messages.
    suffix : str
        The one that the writer was registered for.
    place : function
        Gives the path to write to, which is a temporary one. Called once, when there is something to write.
    force_wide : bool
        A table may have any number of columns.
    sidecars : function
        Gives the paths of the further files of the format. Called once, like `place`.
    annotations : Annotations or None
        What is known of the neurons on the axes of a matrix.
    most_rows : int or None
        A longer table becomes a folder of files; None where it does not.
    """

    destination: str
    suffix: str
    place: Callable[[], Path]
    force_wide: bool = False
    sidecars: Callable[[], list[Path]] = list
    annotations: Annotations | None = None
    most_rows: int | None = None


#: Writes an output, of a Matrix its LabelledMatrix, with its provenance, and returns what to say about it.
Write = Callable[[Engine, Any, dict[str, Any], Target], list[str]]


class Writer(NamedTuple):
    """A format.

    Attributes
    ----------
    suffix : str
        With its dot, in lower case.
    write : function
    carries_metadata : bool
        Units and provenance fit into the file.
    for_streams : bool
        Taken for pipes and devices whose name has no suffix.
    sidecars : tuple of str
        Suffixes of further files that the format consists of.
    package : str
        What has to be installed beside crantcli, which is also the name of the extra that has it.
    """

    suffix: str
    write: Write
    carries_metadata: bool = True
    for_streams: bool = False
    sidecars: tuple[str, ...] = ()
    package: str = ""


_WRITERS: dict[type, dict[str, Writer]] = {}


def register(kind: type, writer: Writer) -> None:
    """Offer a format for a type of output.

    Raises
    ------
    ValueError
        Where another writer has that suffix already.
    """
    known = _WRITERS.setdefault(kind, {}).setdefault(writer.suffix, writer)
    if known != writer:
        raise ValueError(f"{kind.__name__}: two writers for {writer.suffix}")


def _writers(kind: type) -> dict[str, Writer]:
    """The writers of a type by suffix, in the order in which they are named."""
    _load()
    general = _MORE_GENERAL.get(kind)
    return {**(_writers(general) if general else {}), **_WRITERS[kind]}


def known_suffixes(kind: type) -> tuple[str, ...]:
    """Suffixes that outputs of a type can have, in the order in which they are named."""
    return tuple(_writers(kind))


def sidecars(kind: type, destination: str) -> list[str]:
    """Destinations of the further files of an output's format."""
    if destination == "-":
        return []
    _load()
    if kind not in _WRITERS:
        return []
    writer = find_writer(kind, destination)
    return [destination[: -len(writer.suffix)] + suffix for suffix in writer.sidecars]


def find_writer(kind: type, destination: str) -> Writer:
    """The writer for a destination. Case does not matter in suffixes.

    Raises
    ------
    UsageError
        For a suffix that no writer of the type has, and for one whose writer lacks a package.
    """
    suffixes = known_suffixes(kind)
    writers, lower = _writers(kind).values(), destination.lower()
    for writer in writers:
        if lower.endswith(writer.suffix):
            _refuse_without(writer, destination)
            return writer
    if isinstance(find_stream(destination), Stream):
        for writer in writers:
            if writer.for_streams:
                return writer
    listed = f"{', '.join(DRAWING[:-1])} and {DRAWING[-1]}"
    picture = f"; {listed} draw pictures, with {P.plot}" if _is_picture(kind, lower) else ""
    raise UsageError(f"{destination}: unknown suffix; {_ADVICE.get(kind, 'write to')} {', '.join(suffixes)}{picture}")


def _is_picture(kind: type, destination: str) -> bool:
    """Whether a picture is wanted where there is to be something else."""
    return kind is not Figure and destination.endswith(known_suffixes(Figure))


def _refuse_without(writer: Writer, destination: str) -> None:
    """Refuse a format whose package is not installed, before there is work to be lost."""
    if writer.package and importlib.util.find_spec(writer.package) is None:
        raise UsageError(
            f"{destination}: {writer.suffix} files are written by the package {writer.package}, which is not "
            f"installed; pip install 'crantcli[{writer.package}]'"
        )


def write(
    engine: Engine,
    output: Single,
    record: Mapping[str, Any],
    destination: str,
    place: Callable[[str], Path],
    *,
    force_wide: bool = False,
    most_rows: int | None = None,
) -> list[str]:
    """Write an output in the format of its destination.

    Parameters
    ----------
    engine : Engine
    output : Single
    record : mapping
        Provenance of the run; what is special about this output is added.
    destination : str
    place : function
        Gives the path to write to for a destination: this one, or that of a further file of the format.
    force_wide, most_rows
        See `Target`.

    Returns
    -------
    list of str
        What the user is to be told.

    Raises
    ------
    UsageError
        For an unknown suffix, or for a table that is too wide.
    CrantError
        Where the file cannot be written.
    """
    writer = find_writer(type(output), destination)
    about = {**record, **output.record}
    subject: Any = output
    annotations = None
    if isinstance(output, Matrix):
        subject, annotations = output.make(), output.annotations
        about["rows"] = subject.shape[0]
    about = {name: value for name, value in about.items() if output.record.get(name, value) is not None}
    target = Target(
        destination, writer.suffix, lambda: place(destination), force_wide,
        lambda: [place(name) for name in sidecars(type(output), destination)], annotations, most_rows,
    )  # fmt: skip
    return writer.write(engine, subject, about, target)


@cache
def _load() -> None:
    """Let every module of the folder offer what it writes; the tables' first, which are named first."""
    names = [module.name for module in pkgutil.iter_modules(folder.__path__) if not module.ispkg]
    for name in sorted(names, key=lambda name: (name != "tables", name)):
        importlib.import_module(f"{folder.__name__}.{name}")
