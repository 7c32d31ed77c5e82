"""Finds the neurons that selectors name."""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from crantcli.core.relation import Annotations
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.ids import Criteria, IdFile, IdStdin, LiteralId, NamedNeurons, Selection, Selector, parse_id, parse_labels
from crantcli.remote.objects import base_name, is_address, read_object
from crantcli.schema import ANNOTATION_IDS, BLANKS, IdType, Names, NeuronId, fold, is_word
from crantcli.sources.tables.annotations import matching, open_annotations
from crantcli.sources.tables.files import Source, content_format
from crantcli.sources.tables.parts import parts
from crantcli.sources.tables.streams import is_stream, prepared, source_of
from crantcli.text import P, did_you_mean, join_names


def check_files(selectors: Sequence[Selector]) -> None:
    """Refuse files that do not exist, before any work is done."""
    for selector in selectors:
        if isinstance(selector, IdFile) and not is_address(selector.path) and not _is_there(id_file(selector)):
            raise UsageError(f"{selector}: there is no such file")


def _is_there(path: Path) -> bool:
    """Whether there is a file, or a stream of bytes."""
    return path.is_file() or is_stream(str(path))


def id_file(selector: IdFile) -> Path:
    """The file of a selector; a colon may be part of its name."""
    whole = Path(f"{selector.path}:{selector.column}")
    return whole if selector.column and whole.is_file() else Path(selector.path)


def id_source(engine: Engine, selector: IdFile) -> tuple[Source, str | None]:
    """The file of a selector as a source, and the column that is meant in it.

    Raises
    ------
    UsageError
        Where it is in an object store, and not there.
    """
    if is_address(selector.path):
        return _stored_ids(engine, selector)
    path = id_file(selector)
    return source_of(engine, path), selector.column if path == Path(selector.path) else None


def _stored_ids(engine: Engine, selector: IdFile) -> tuple[Source, str | None]:
    from crantcli.sources.tables.stored import local_copy, object_store

    store = object_store(engine)
    whole = store.find(f"{selector.path}:{selector.column}") if selector.column else None
    found = whole or store.find(selector.path)
    if found is None:
        raise UsageError(f"@{selector.path}: there is no such bucket or object")
    return source_of(engine, local_copy(engine, found)), None if whole else selector.column


def resolve(
    engine: Engine,
    selectors: Sequence[Selector],
    id_type: IdType,
    annotations: Annotations | None,
    null_text: str | None = None,
) -> Selection:
    """Find the neurons that selectors name.

    Parameters
    ----------
    engine : Engine
    selectors : sequence of Selector
        Their neurons are unioned.
    id_type : {"BIGINT", "VARCHAR"}
        How the table at hand holds IDs.
    annotations : Annotations, optional
        Needed for criteria.
    null_text : str, optional
        Words that stand for a missing ID in files of IDs.

    Raises
    ------
    UsageError
        For criteria without annotations.
    DataError
        For text that is not an ID, and for criteria that select nothing.
    """
    found: dict[NeuronId, None] = {}
    notes: list[str] = []
    for selector in selectors:
        found.update(dict.fromkeys(_ids(engine, selector, id_type, annotations, notes, null_text)))
    named = tuple(str(selector) for selector in selectors)
    if not found:
        raise DataError(f"{', '.join(named)}: no neuron ID in there")
    if len(named) > 20:
        named = (*named[:20], f"and {len(named) - 20} more")
    return Selection(tuple(found), named, tuple(notes))


def read_labels(values: Iterable[str], headers: Sequence[str] = ()) -> tuple[str, ...]:
    """Labels as they are typed: separated by commas, or `@FILE` with one a line, below one of the headers or none.

    Raises
    ------
    UsageError
        Where a file is not there, or there is nothing between two commas.
    DataError
        Where a file has no label.
    """
    found: list[str] = []
    for value in values:
        if value.startswith("@"):
            lines = [line.strip() for line in _label_lines(value[1:])]
            labels = [line.strip('"') for line in lines if line and not line.startswith("#")]
            labels = labels[len(labels) > 1 and fold(labels[0]) in set(map(fold, headers)) :]
            if not labels:
                raise DataError(f"{value}: no label in there; write one a line")
            found += labels
        else:
            found += parse_labels(value)
    return tuple(dict.fromkeys(found))


def _label_lines(name: str) -> list[str]:
    """The lines of a file of labels."""
    if not name:
        raise UsageError("@ needs a file name: @FILE")
    if is_address(name):
        content, called = read_object(name), base_name(name)
        with _sound(called):
            return _decoded(gzip.decompress(content) if name.endswith(".gz") else content, called)
    path = Path(name)
    if not _is_there(path):
        raise UsageError(f"@{name}: there is no such file")
    return _lines(Source(path, "csv", path.name))


def _ids(
    engine: Engine,
    selector: Selector,
    id_type: IdType,
    annotations: Annotations | None,
    notes: list[str],
    null_text: str | None,
) -> Iterable[NeuronId]:
    if isinstance(selector, LiteralId):
        return [_literal(selector.value, id_type)]
    if isinstance(selector, IdStdin):
        return _from_lines(_decoded(sys.stdin.buffer.read(), "stdin"), "stdin", id_type)
    if isinstance(selector, IdFile):
        return _from_file(engine, selector, id_type, null_text)
    columns = None if annotations is None else annotations.columns
    if isinstance(selector, NamedNeurons) and not selector.is_criterion(columns):
        return [_under_name(selector, one.value, id_type, annotations) for one in selector.ids]
    assert isinstance(selector, Criteria)
    if annotations is None:
        raise UsageError(
            f"{selector}: criteria need {P.annotations.metavar('FILE')}, or a data set that has annotations"
        )
    ids, said = matching(engine, annotations, selector)
    notes += said
    return _typed(ids, id_type, str(selector))


def _literal(value: str, id_type: IdType) -> NeuronId:
    try:
        return parse_id(value, id_type)
    except DataError as error:
        if re.fullmatch(r"[^\W\d][\w/.-]*", value):
            raise DataError(
                f"{error.message}; to select by annotation write COLUMN=VALUE, such as cell_type={value}"
            ) from None
        raise


def _under_name(selector: NamedNeurons, value: str, id_type: IdType, annotations: Annotations | None) -> NeuronId:
    try:
        return parse_id(value, id_type)
    except DataError as error:
        near = f" ({did_you_mean(selector.name, annotations.columns)})" if annotations is not None else ""
        where = "there are no annotations" if annotations is None else "the annotations have no such column"
        raise DataError(f"{selector}: {error.message}; and {where}{near}") from None


def _typed(ids: Iterable[NeuronId], id_type: IdType, what: str) -> list[NeuronId]:
    try:
        return [parse_id(str(neuron), id_type) for neuron in ids]
    except DataError as error:
        raise DataError(f"{what}: {error.message}") from None


def _from_file(engine: Engine, selector: IdFile, id_type: IdType, null_text: str | None) -> list[NeuronId]:
    source, column = id_source(engine, selector)
    source = prepared(engine, replace(source, format=content_format(source.path) or source.format))
    if source.format in ("parquet", "arrow", "xlsx"):
        return _from_table(engine, source, column, id_type, null_text)
    lines = _lines(source)
    if column is not None or _is_table(source.name, [line for line in lines if line.strip() and line[0] != "#"]):
        return _from_table(engine, source, column, id_type, null_text)
    return _from_lines(lines, source.name, id_type)


def _is_table(name: str, lines: Sequence[str]) -> bool:
    """Whether a file of IDs is a table: its first line has several fields, and one of them is a known name.

    Raises
    ------
    DataError
        Where it may be a table as well as lists of names.
    """
    fields = [part.strip(BLANKS + '"') for part in re.split(r"[,;\t|]", lines[0])] if lines else []
    if len(fields) < 2:
        return False
    if any(map(is_word, fields)):
        return True
    words = not any(re.fullmatch(r"[\[({'\"\s]*-?[0-9]+.*", field) for field in fields)
    if words and len(lines) > 1 and not lines[0].lstrip().startswith(("[", "(", "{")):
        raise DataError(
            f"{name}: has several names in a line, and none is known as that of a column of IDs (root_id, ...); name "
            f"the column with @{name}:COLUMN, or write one ID a line"
        )
    return False


def _lines(source: Source) -> list[str]:
    opener = gzip.open if source.path.name.endswith(".gz") else open
    with _sound(source.name), opener(source.path, "rb") as file:
        return _decoded(file.read(), source.name)


@contextmanager
def _sound(name: str) -> Iterator[None]:
    """Say of which file it is that it cannot be read or unpacked."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: cannot be read ({error}); is it damaged?") from None


def _decoded(content: bytes, name: str) -> list[str]:
    try:
        return content.decode("utf-8-sig").splitlines() or [""]
    except UnicodeDecodeError:
        raise DataError(f"{name}: is not UTF-8 text; write one ID a line, or give a table") from None


def _from_lines(lines: Iterable[str], name: str, id_type: IdType) -> list[NeuronId]:
    """IDs one a line; empty lines, comments and a header among them count for nothing."""
    found: list[NeuronId] = []
    ids = {fold(known) for known in ANNOTATION_IDS}
    for number, line in enumerate(lines, 1):
        value = line.strip(BLANKS)
        if not value or value.startswith("#") or (not found and fold(value.strip('"')) in ids):
            continue
        try:
            found += [parse_id(one, id_type) for one in _several(value)]
        except DataError as error:
            raise DataError(f"{name}, line {number}: {error.message}; write one ID a line") from None
    return found


def _several(line: str) -> list[str]:
    """The IDs on a line: one, or several as programs write lists, with commas, brackets and quotes."""
    inner = re.sub(r"^[\[({]\s*|\s*[\])}],?$", "", line)
    parts = [part.strip(BLANKS + "'\"") for part in re.split(r"[,;]", inner)]
    return [part for part in parts if part] if len(parts) > 1 or inner != line else [line.strip("'\"" + BLANKS)]


def _from_table(
    engine: Engine, source: Source, column: str | None, id_type: IdType, null_text: str | None
) -> list[NeuronId]:
    found = parts(engine, [source], named=(column,))
    found[0].null_text = null_text
    names = list(found[0].columns)
    column = Names(names).get(column) or column if column is not None else None
    if column is not None and column not in names:
        raise DataError(f"@{source.name}:{column}: there is no such column ({did_you_mean(column, names)})")
    if column is None and Names(names).first(ANNOTATION_IDS) is None:
        raise DataError(
            f"{source.name}: no column for neuron IDs ({', '.join(ANNOTATION_IDS)}) among {join_names(names)}; "
            f"name it with @{source.name}:COLUMN, or write one ID a line"
        )
    opened = open_annotations(engine, found, column)
    rows = engine.execute(f"SELECT id FROM {opened.every_row} WHERE id IS NOT NULL ORDER BY row")
    return _typed([row[0] for row in rows], id_type, source.name)
