"""Looks at one file without reading its rows: kind, columns, provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crantcli.core.manifest import read_manifest
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, DataError, UsageError
from crantcli.remote.objects import is_address
from crantcli.schema import ANNOTATION_IDS, ANNOTATION_TYPES, KEY, MANIFEST, Names
from crantcli.sources.pictures import picture_metadata
from crantcli.sources.tables.access import engine_files
from crantcli.sources.tables.expand import expand, holds_tables
from crantcli.sources.tables.files import Source
from crantcli.sources.tables.metadata import provenance, read_metadata
from crantcli.sources.tables.others import written_kind
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.streams import is_stream, prepared, spooled

#: Endings of pictures and pages.
_PICTURES = (".png", ".svg", ".pdf", ".html")


def describe(name: str) -> dict[str, Any]:
    """What a file, or a folder that we made, is and how it came about.

    Returns
    -------
    dict
        `file, kind, rows, columns, units, voxel_size_nm, provenance`; None for what is not known. Of a folder of ours
        also `files`; of a table `roles` (which column plays which part), `reasons`, `notes`, and `refused`, why
        commands would not read it.

    Raises
    ------
    UsageError
        Where there is no such file, or its suffix is unknown.
    DataError
        Where it is damaged.
    """
    path = Path(name)
    if path.is_dir() and ((path / MANIFEST).is_file() or not holds_tables(path)):
        return _folder(name, path)
    if is_stream(name):
        return _stream(name)
    suffix = path.suffix.lower()
    found: dict[str, Any]
    if suffix in _PICTURES and is_address(name):
        raise UsageError(f"{name}: pictures and pages are read from this machine; copy it from the object store first")
    if suffix in _PICTURES:
        kind = "page" if suffix == ".html" else "picture"
        found = {"kind": kind, "rows": None, "columns": None, "metadata": picture_metadata(path)}
    else:
        found = _table(name)
    metadata = found.pop("metadata")
    recorded = read_metadata(metadata, found["rows"])
    record = provenance(metadata, found["rows"])
    if record is not None and found["kind"] not in ("picture", "page"):
        found["kind"] = recorded.kind or found["kind"]
        found.pop("refused", None)
    voxel = list(recorded.voxel_size) if recorded.voxel_size else None
    return {
        "file": Source(path.resolve(), "csv", path.resolve().name).name,
        **found,
        "units": recorded.unit,
        "voxel_size_nm": voxel,
        "provenance": record,
    }


def _stream(name: str) -> dict[str, Any]:
    """What comes from a pipe or from stdin."""
    with Engine() as engine:
        source = spooled(engine, name)
        return {**describe(str(source.path)), "file": source.name}


def _folder(name: str, path: Path) -> dict[str, Any]:
    manifest = read_manifest(path)
    if manifest is None:
        raise UsageError(f"{name} is a folder without a {MANIFEST} of crantcli; give one file")
    kind, rows = manifest.get("kind"), manifest.get("rows")
    if not isinstance(kind, str) or type(rows) is not int or rows < 0:
        raise DataError(f"{path / MANIFEST}: is damaged, and does not say what the folder holds; make the folder again")
    known = {"kind": kind, "rows": rows, "columns": None, "files": manifest["files"]}
    return {"file": path.resolve().name, **known, "units": "unknown", "voxel_size_nm": None, "provenance": manifest}


def _table(name: str) -> dict[str, Any]:
    from crantcli.sources.tables.parts import parts

    with Engine(files=engine_files(name)) as engine:
        source = prepared(engine, expand([name], engine)[0])
        if source.format == "npz":
            return _npz(source.path)
        part = parts(engine, [source])[0]
        rows = part.rows
        if rows is None:
            rows = int(engine.execute(f"SELECT count(*) FROM {part.relation}")[0][0])
        metadata = file_metadata(engine, source)
        found = {"rows": rows, "columns": list(part.columns), "metadata": metadata}
        return {**_taken_for(engine, part), **found, "notes": part.notes}


def file_metadata(engine: Engine, source: Source) -> dict[str, str]:
    """Key-value metadata of a Parquet or Arrow file; none of others."""
    from crantcli.sources.tables.files import arrow_metadata, literal_path

    if source.format == "arrow":
        return arrow_metadata(source)
    if source.format != "parquet":
        return {}
    pairs = engine.execute(f"SELECT key, value FROM parquet_kv_metadata({literal_path(source.location)})")
    return {bytes(key).decode("utf-8", "replace"): bytes(value).decode("utf-8", "replace") for key, value in pairs}


def _taken_for(engine: Engine, part: Part) -> dict[str, Any]:
    """What commands take the table for: its kind, the column for each role, why; or why they refuse it."""
    from crantcli.sources.tables.open import decide_part, open_table
    from crantcli.sources.tables.read_options import ReadOptions

    names = Names(part.columns)
    given = ReadOptions(carry=True, points=True)
    kind = written_kind(names)
    if kind is not None:
        return {"kind": kind}
    identity = names.first(ANNOTATION_IDS)
    label = names.first(ANNOTATION_TYPES)
    try:
        decision = decide_part(engine, part, given)
    except DataError as error:
        if identity is None:
            return {"kind": "unclear", "refused": error.message}
        roles = {"neuron ID": identity, **({"cell type": label} if label else {})}
        return {"kind": "annotations", "roles": roles, "reasons": [f"a column of neuron IDs ({identity})"]}
    places = {name: ", ".join(columns) for name, columns in decision.positions.items()}
    found: dict[str, Any] = {
        "kind": decision.kind.value,
        "roles": {**decision.roles, **places},
        "reasons": list(decision.reasons),
        "decision_notes": list(decision.notes),
    }
    try:
        opened = open_table(engine, [part], [], given)
        found["decision_notes"] = [note for note in opened.read_notes if note not in part.notes]
    except CrantError as error:
        found["refused"] = error.message
    return found


def _npz(path: Path) -> dict[str, Any]:
    from crantcli.sources.tables.npz import read_npz

    arrays, columns = read_npz(path, path.name, ("shape", KEY))
    shape = arrays["shape"].ravel().tolist() if "shape" in arrays else []
    rows = shape[0] if shape and isinstance(shape[0], int) else None
    record = str(arrays[KEY].item()) if KEY in arrays and arrays[KEY].size == 1 else "null"
    return {"kind": "adjacency", "rows": rows, "columns": columns, "metadata": {KEY: record}}
