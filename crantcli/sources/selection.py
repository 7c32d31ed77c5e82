"""Finds the neurons that selectors name."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from crantcli.core.table import Annotations
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.ids import Criteria, IdFile, IdStdin, LiteralId, Selection, Selector, parse_id
from crantcli.schema import ANNOTATION_IDS, IdType, NeuronId
from crantcli.sources.annotations import matching, open_annotations
from crantcli.sources.files import Source, expand, file_format, read_header
from crantcli.sources.tables import parts


def check_files(selectors: Sequence[Selector]) -> None:
    """Refuse files that do not exist, before any work is done."""
    for selector in selectors:
        if isinstance(selector, IdFile) and not _path(selector).is_file():
            raise UsageError(f"{selector}: there is no such file")


def _path(selector: IdFile) -> Path:
    """The file of a selector; a colon may be part of its name."""
    whole = Path(f"{selector.path}:{selector.column}")
    return whole if selector.column and whole.is_file() else Path(selector.path)


def resolve(
    engine: Engine, selectors: Sequence[Selector], id_type: IdType, annotations: Annotations | None
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
        found.update(dict.fromkeys(_ids(engine, selector, id_type, annotations, notes)))
    named = tuple(str(selector) for selector in selectors)
    if not found:
        raise DataError(f"{', '.join(named)}: no neuron ID in there")
    if len(named) > 20:
        named = (*named[:20], f"and {len(named) - 20} more")
    return Selection(tuple(found), named, tuple(notes))


def _ids(
    engine: Engine, selector: Selector, id_type: IdType, annotations: Annotations | None, notes: list[str]
) -> Iterable[NeuronId]:
    if isinstance(selector, LiteralId):
        return [parse_id(selector.value, id_type)]
    if isinstance(selector, IdStdin):
        return _from_lines(sys.stdin.read().splitlines(), "stdin", id_type)
    if isinstance(selector, IdFile):
        return _from_file(engine, selector, id_type)
    assert isinstance(selector, Criteria)
    if annotations is None:
        raise UsageError(f"{selector}: criteria need --annotations FILE, or a data set that has annotations")
    ids, said = matching(engine, annotations, selector)
    notes += said
    return _typed(ids, id_type, str(selector))


def _typed(ids: Iterable[NeuronId], id_type: IdType, what: str) -> list[NeuronId]:
    try:
        return [parse_id(str(neuron), id_type) for neuron in ids]
    except DataError as error:
        raise DataError(f"{what}: {error}") from None


def _from_file(engine: Engine, selector: IdFile, id_type: IdType) -> list[NeuronId]:
    path = _path(selector)
    column = None if path.name == f"{selector.path}:{selector.column}" else selector.column
    kind = file_format(path.name)
    source = Source(path, kind or "csv", path.name)
    if kind in ("parquet", "arrow"):
        return _from_table(engine, source, column, id_type)
    header = read_header(source)
    is_table = column is not None or len(header.columns) > 1 or header.columns[0] in ANNOTATION_IDS
    if is_table:
        return _from_table(engine, source, column, id_type)
    import gzip

    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig") as file:
        return _from_lines(file.read().splitlines(), path.name, id_type)


def _from_lines(lines: Iterable[str], name: str, id_type: IdType) -> list[NeuronId]:
    found = []
    for number, line in enumerate(lines, 1):
        value = line.strip()
        if not value or value.startswith("#") or (number == 1 and value in ANNOTATION_IDS):
            continue
        try:
            found.append(parse_id(value.strip('"'), id_type))
        except DataError as error:
            raise DataError(f"{name}, line {number}: {error}") from None
    return found


def _from_table(engine: Engine, source: Source, column: str | None, id_type: IdType) -> list[NeuronId]:
    opened = open_annotations(
        engine, parts(engine, expand([str(source.path)], engine) if source.format != "csv" else [source]), column
    )
    rows = engine.execute(f"SELECT id FROM {opened.every_row} WHERE id IS NOT NULL ORDER BY row")
    return _typed([row[0] for row in rows], id_type, source.name)
