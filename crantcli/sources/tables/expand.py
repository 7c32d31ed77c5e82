"""Finds the files that the sources of a command name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.remote.objects import is_address
from crantcli.sources.tables.files import SUFFIXES, Source, is_table_of_folder, source_file
from crantcli.sources.tables.iceberg import METADATA, latest_metadata
from crantcli.sources.tables.streams import is_stream, spooled
from crantcli.text import P

#: What makes a folder a Delta Lake table.
_DELTA_LOG = "_delta_log"


def expand(names: Iterable[str], engine: Engine) -> list[Source]:
    """Find the files that the sources of a command name.

    Parameters
    ----------
    names : iterable of str
        Files, folders, globs, pipes, or `-` for standard input.
    engine : Engine
        Its scratch folder takes what comes from pipes and standard input.

    Raises
    ------
    UsageError
        Where there is no such file, or its suffix is not known.
    """
    found: list[Source] = []
    for name in names:
        if not name.strip():
            raise UsageError(f"{P.source} is empty (an unset variable of a shell?); name a file, a folder or a glob")
        if is_address(name):
            from crantcli.sources.tables.stored import object_sources

            found += object_sources(engine, name)
        elif is_stream(name):
            found.append(spooled(engine, name, again=False))
        else:
            found += _named(engine, name)
    unique = {source.remote or os.path.realpath(source.path): source for source in found}
    return list(unique.values())


def _named(engine: Engine, name: str) -> list[Source]:
    """The files that one name stands for."""
    path = Path(name)
    if path.is_dir():
        return _folder(engine, name, path)
    if path.name.endswith(METADATA) and path.is_file():
        return [_iceberg(path)]
    if path.exists():
        return [_file(engine, path)]
    if glob.has_magic(name):
        files = sorted(Path(match) for match in glob.glob(name, recursive=True))
        files = [match for match in files if match.is_file()]
        if not files:
            raise UsageError(f"{name}: no file matches")
        _refuse_lakes(name, files)
        return [replace(_file(engine, file), together=name) for file in files]
    book, _, sheet = name.rpartition(":")
    if sheet and book.lower().endswith(".xlsx") and Path(book).is_file():
        return [replace(_file(engine, Path(book)), sheet=sheet)]
    raise UsageError(f"{name}: there is no such file or folder")


def _file(engine: Engine, path: Path) -> Source:
    """A file as a source, which is to stay what it is until the command has ended."""
    engine.reading.note(path)
    return source_file(path)


def _folder(engine: Engine, name: str, path: Path) -> list[Source]:
    """A folder is one table: all its files, or what the log of a Delta Lake or Iceberg table says."""
    if (path / _DELTA_LOG).is_dir():
        return [Source(path, "delta", path.resolve().name)]
    metadata = latest_metadata(path)
    if metadata is not None:
        return [_iceberg(metadata)]
    inside = _tables_in(path)
    _refuse_lakes(name, [path / "any", *inside])
    if not inside:
        raise UsageError(f"{name}: no table in this folder ({', '.join(SUFFIXES)})")
    return [replace(_file(engine, file), together=name) for file in inside]


def _iceberg(metadata: Path) -> Source:
    return Source(metadata, "iceberg", metadata.resolve().parents[1].name)


def _tables_in(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and is_table_of_folder(file.name))


def holds_tables(path: Path) -> bool:
    """Whether a folder is a table: of Delta Lake or Iceberg, or of files."""
    return (path / _DELTA_LOG).is_dir() or latest_metadata(path) is not None or bool(_tables_in(path))


def _refuse_lakes(name: str, files: Sequence[Path]) -> None:
    """Refuse files of tables whose log says which of them are alive."""
    for folder in dict.fromkeys(parent for file in files for parent in list(file.parents)[:4]):
        if (folder / _DELTA_LOG).is_dir():
            raise DataError(
                f"{name}: {folder} is a Delta Lake table, whose log says which files are alive; give that folder, and "
                "it is read by its log (crantcli[delta])"
            )
        if any(folder.glob(f"metadata/*{METADATA}")):
            raise DataError(
                f"{name}: {folder} is an Iceberg table, whose metadata say which files are alive; give that folder, "
                "and it is read by them (crantcli[iceberg])"
            )
