"""Opens what was made of the parts of a table, and passes on what it makes together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crantcli.core.manifest import read_manifest
from crantcli.core.merge.agreement import PartAnswer, in_order_of_parts
from crantcli.core.question import Folder, Table
from crantcli.core.questions.base import Results
from crantcli.core.sql import columns as sql_columns
from crantcli.engine.duckdb import Engine
from crantcli.errors import ArgumentTypeError, DataError, UsageError
from crantcli.run.inputs import Opener
from crantcli.run.request import Request, Settings
from crantcli.run.runner import Sink, opened, pass_on
from crantcli.sources.inspection import file_metadata
from crantcli.sources.tables.expand import expand
from crantcli.sources.tables.files import Source
from crantcli.sources.tables.metadata import provenance
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.parts import parts
from crantcli.sources.tables.stored import objects_read
from crantcli.sources.tables.streams import prepared
from crantcli.text import P, join_names

#: Formats that say which part an answer is of.
_TELLING = ("parquet", "arrow")


def result_names(given: Any) -> list[str]:
    """Names of files and folders, from one or several.

    Raises
    ------
    ArgumentTypeError, UsageError
        Where these are no names, or there is none.
    """
    listed = [given] if isinstance(given, str | os.PathLike) else given
    try:
        names = [os.fspath(name) for name in listed]
    except TypeError:
        raise ArgumentTypeError(f"{P.results}={given!r}: a path, or a list of paths") from None
    if not names:
        raise UsageError("nothing to put together: give what was made of each part")
    return [str(name) for name in names]


def are_folders(names: Sequence[str]) -> bool:
    """Whether folders of neuropils are put together.

    Raises
    ------
    UsageError
        Where some are, and others are not.
    """
    kinds = [_manifest_kind(name) for name in names]
    folders = [name for name, kind in zip(names, kinds, strict=True) if kind == "neuropils"]
    if folders and len(folders) != len(names):
        other = next(name for name in names if name not in folders)
        raise UsageError(f"{folders[0]} is a folder of neuropils, and {other} is not; put alike things together")
    return bool(folders)


def _manifest_kind(name: str) -> Any:
    manifest = read_manifest(Path(name)) if Path(name).is_dir() else None
    if manifest is not None and manifest.get("kind") == "partition":
        raise DataError(
            f"{name} holds the parts of the table itself, and every command reads it as the whole table; merge takes "
            "what was made of each part"
        )
    return None if manifest is None else manifest.get("kind")


def merge_results(names: Sequence[str], settings: Settings, sink: Sink) -> Results:
    """Put together what was made of each part of a table.

    Parameters
    ----------
    names : sequence of str
        Files, folders or globs of them; or folders of neuropils.
    settings : Settings
    sink : Sink
        Takes a table, or of folders a folder.

    Raises
    ------
    DataError
        Where they are not of all parts of one table, each once, or cannot be put together.
    """
    folders = are_folders(names)
    with opened(Request(source=list(names)), settings, sink) as opener:
        results, record = _folders(opener, names, sink) if folders else _tables(opener, names, sink)
        pass_on(results, sink, opener, [""], record)
    return results


def _tables(opener: Opener, names: Sequence[str], sink: Sink) -> tuple[Results, dict[str, Any]]:
    from crantcli.core.merge.tables import merged_table

    engine = opener.engine
    answers, sources = _answers(engine, expand(names, engine))
    sink.check([*(source.path for source in sources), *objects_read(engine)])
    relation, columns = _together(engine, sources)
    return merged_table(engine, answers, relation, columns)


def _answers(engine: Engine, sources: Sequence[Source]) -> tuple[list[PartAnswer], list[Source]]:
    """What the files say of themselves, and the files, in the order of the parts."""
    found = {}
    for source in sources:
        if source.format not in _TELLING:
            raise DataError(
                f"{source.name}: does not say which part it is of; write what is made of each part as .parquet or "
                ".feather"
            )
        source = prepared(engine, source)
        engine.reading[source.location] = source.name
        rows = parts(engine, [source])[0].rows
        answer = PartAnswer.of(source.name, provenance(file_metadata(engine, source), rows))
        found[id(answer)] = (answer, source)
    answers = in_order_of_parts([answer for answer, _ in found.values()])
    return answers, [found[id(answer)][1] for answer in answers]


def _together(engine: Engine, sources: Sequence[Source]) -> tuple[str, dict[str, str]]:
    """The rows of all files one after the other, as query text, and their columns with types.

    Raises
    ------
    DataError
        Where their columns differ.
    """
    stored = all(source.format == "parquet" for source in sources)
    each: list[list[Source]] = [[*sources]] if stored else [[source] for source in sources]
    found: list[Part] = [part for some in each for part in parts(engine, [replace(one, together="") for one in some])]
    first = found[0]
    for part in found[1:]:
        if set(part.columns) != set(first.columns):
            differing = sorted(set(part.columns) ^ set(first.columns))
            raise DataError(
                f"{first.name} and {part.name} have not the same columns ({join_names(differing, 5)}); make all with "
                "the same options"
            )
    names = sql_columns(first.columns)
    relation = "(" + " UNION ALL ".join(f"SELECT {names} FROM {part.relation}" for part in found) + ")"
    return relation, dict(engine.columns(f"SELECT * FROM {relation}"))


def _folders(opener: Opener, names: Sequence[str], sink: Sink) -> tuple[Results, dict[str, Any]]:
    from crantcli.core.merge.neuropils import merged_folder

    engine = opener.engine
    folders = {}
    for name in names:
        answer = PartAnswer.of(name, read_manifest(Path(name)))
        folders[id(answer)] = (answer, Path(name))
    ordered = in_order_of_parts([answer for answer, _ in folders.values()])
    places = [folders[id(answer)][1] for answer in ordered]
    sink.check(places)
    listed = [_named(place, "assignments.parquet") for place in places]
    assignments, sources = _answers(engine, listed)
    relation, columns = _together(engine, sources)
    summaries = []
    for place in places:
        part = parts(engine, [_named(place, "summary.csv")])[0]
        numbers = ", ".join(f"TRY_CAST({name} AS BIGINT) AS {name}" for name in ("synapses", "pairs"))
        summaries.append(f"(SELECT neuropil, {numbers} FROM {part.relation})")
    results = merged_folder(engine, ordered, assignments, relation, columns, summaries)
    return results, {}


def _named(folder: Path, name: str) -> Source:
    """A file of a folder of ours."""
    path = folder / name
    if not path.is_file():
        raise DataError(f"{folder}: has no {name}; make the folder again")
    return Source(path, "parquet" if name.endswith(".parquet") else "csv", f"{folder.name}/{name}")


def merged_kind(names: Sequence[str]) -> type:
    """What is made: a table, or of folders of neuropils a folder."""
    return Folder if are_folders(names) else Table
