"""Reads one file of a night: what it is, how it came about, what it sums up to."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.report.history import Number
from crantcli.core.report.night import NightFile
from crantcli.core.report.origin import DataState, read_origin
from crantcli.errors import CrantError, DataError
from crantcli.remote.body import parse_json
from crantcli.schema import KEY, MANIFEST
from crantcli.sources.cave.versions import check_cave_section
from crantcli.sources.inspection import describe
from crantcli.sources.report.listing import Listed, is_folder_of_ours
from crantcli.sources.report.totals import table_totals
from crantcli.sources.tables.files import file_format, fingerprint
from crantcli.sources.tables.npz import read_matrix

#: Formats that cannot be taken for another's: one that cannot be read is damaged.
_TELLING = (".parquet", ".pq", ".feather", ".arrow", ".ipc", ".npz", ".png", ".svg", ".pdf", ".json")

#: What is no table, and has its provenance in it all the same.
_SHOWING = (".png", ".svg", ".pdf", ".html")


def read_night_file(listed: Listed) -> NightFile:
    """Read one file.

    Returns
    -------
    NightFile
        Failed where it is not there, damaged, or of no use though it was named.
    """
    path = listed.path
    found = NightFile(listed.name, path, "failed")
    if not os.path.exists(path):
        return replace(found, why="is not there")
    if path.is_dir():
        if is_folder_of_ours(path):
            return _tried(found, _folder, failing=True)
        return _nothing(found, "a folder without a manifest of crantcli, which is not looked into", listed.must)
    if not path.is_file():
        return _nothing(found, "no file", listed.must)
    if path.name == MANIFEST and is_folder_of_ours(path.parent):
        return _tried(found, lambda one: _folder(replace(one, path=path.parent)), failing=True)
    suffix = path.suffix.lower()
    read = _json if suffix == ".json" else _table if suffix in _SHOWING or file_format(path.name) else _unknown
    return _tried(found, read, failing=listed.must or suffix in _TELLING)


def _nothing(found: NightFile, why: str, must: bool) -> NightFile:
    return replace(found, state="failed" if must else "other", why=f"is {why}")


def _tried(found: NightFile, read: Callable[[NightFile], NightFile], failing: bool) -> NightFile:
    """What was read; where that cannot be, what is wrong."""
    try:
        if found.path.is_file():
            size = found.path.stat().st_size
            found = replace(found, size=size, fingerprint=fingerprint(found.path, size))
        return read(found)
    except CrantError as error:
        why = error.message.removeprefix(f"{found.path}: ").removeprefix(f"{found.path.name}: ")
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    return replace(found, state="failed" if failing else "other", why=why)


def _with_origin(found: NightFile, record: Mapping[str, Any] | None) -> NightFile:
    """The file with what its provenance says; one without is another's."""
    if record is None:
        return replace(found, state="other", why=found.why or "carries no provenance of crantcli")
    try:
        origin = read_origin(record)
    except ValueError as error:
        raise DataError(f"{error}; make it again") from None
    return replace(found, state="ours", origin=origin)


def _folder(found: NightFile) -> NightFile:
    described = describe(str(found.path))
    members, record = described["files"], described["provenance"]
    missing = sorted(name for name in members if not (found.path / name).is_file())
    if missing:
        raise DataError(f"{', '.join(missing[:3])} of it {'is' if len(missing) == 1 else 'are'} not there")
    figures = {"rows": described["rows"], "files": len(members)}
    made = replace(found, kind=described["kind"], figures=figures, members=tuple(sorted(members)))
    return _with_origin(made, record)


def _json(found: NightFile) -> NightFile:
    try:
        content = parse_json(found.path.read_bytes())
    except (ValueError, RecursionError):
        raise DataError("is truncated or damaged, and no JSON") from None
    if isinstance(content, dict) and "crantcli_lock" in content:
        return _lock(found, content)
    record = content.get(KEY) if isinstance(content, dict) else None
    if not isinstance(record, dict):
        return _with_origin(found, None)
    figures = {name: value for name, value in content.items() if name != KEY and _is_number(value)}
    return _with_origin(replace(found, kind=f"figures of {record.get('command')}", figures=figures), record)


def _is_number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _lock(found: NightFile, content: Mapping[str, Any]) -> NightFile:
    """A lock file, which says its versions itself."""
    states: tuple[DataState, ...] = ()
    try:
        if "cave" in content:
            check_cave_section(content["cave"])
            cave = content["cave"]
            version = "live" if cave["version"] is None else str(cave["version"])
            states = (DataState(f"{cave['datastack']}/{cave['table']}", version, str(cave["time"])),)
    except (ValueError, LookupError, TypeError, AttributeError):
        return replace(found, why="is no lock file of crantcli, or damaged; make it with crantcli lock")
    return replace(found, state="ours", kind="lock", states=states)


def _unknown(found: NightFile) -> NightFile:
    if found.path.suffix.lower() == ".lock":
        return _json(found)
    return replace(found, state="other", why="is of a format that carries no provenance that can be read")


def _table(found: NightFile) -> NightFile:
    described = describe(str(found.path))
    kind, record = described["kind"], described["provenance"]
    figures: dict[str, Number] = {} if described["rows"] is None else {"rows": described["rows"]}
    made = _with_origin(replace(found, kind=kind, figures=figures), record)
    if kind == "picture":
        png = found.path.suffix.lower() == ".png" and made.state == "ours"
        return replace(made, picture=found.path.read_bytes() if png else b"")
    if kind == "page":
        return made
    if file_format(found.path.name) == "npz":
        return made if record is None else _matrix(made)
    totals = table_totals(found.path, described)
    return replace(made, figures={**made.figures, **totals.figures}, excerpt=totals.excerpt)


def _matrix(found: NightFile) -> NightFile:
    load = partial(load_matrix, found.path)
    matrix = load()
    figures: dict[str, Number] = {"rows": matrix.shape[0], "columns": matrix.shape[1], "entries": len(matrix.weights)}
    if matrix.weights.dtype.kind in "iu":
        figures["sum of entries"] = _sum(matrix)
    return replace(found, figures={**found.figures, **figures}, matrix=load)


def _sum(matrix: LabelledMatrix) -> int:
    """Their exact sum, by halves of 32 bits, neither of which can overflow."""
    weights = matrix.weights.astype("int64")
    return (int((weights >> 32).sum()) << 32) + int((weights & 0xFFFFFFFF).sum())


def load_matrix(path: Path) -> LabelledMatrix:
    """Read a matrix of ours.

    Raises
    ------
    DataError
        Where it is damaged.
    """
    arrays = read_matrix(path, path.name)
    rows = [arrays[name] for name in ("pre", "post", "indptr", "indices", "data")]
    return LabelledMatrix(rows[0], rows[1], rows[2].astype("int64"), rows[3], rows[4])
