"""What a file says about itself: the provenance that we wrote into it, or units that pandas carried over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crantcli.core.partition import joined_parts
from crantcli.core.relation import Completeness, Unit, VoxelSize, merge_filters
from crantcli.errors import DataError, UsageError
from crantcli.schema import KEY, PANDAS_KEY
from crantcli.text import P


@dataclass(frozen=True)
class FileMetadata:
    """What one or several files say about themselves, as far as it can be relied on.

    Attributes
    ----------
    unit : {"nm", "pixels", "unknown"}
    voxel_size : tuple of float, or None
        Nanometres per voxel.
    neuropils : tuple of str
        Where synapses were looked for, of a file of assignments.
    kind : str or None
        What one row stands for, of a file that we made.
    signed : bool
        Weights are negative on purpose.
    text_ids : frozenset of str
        Columns whose IDs are text, even where they look like numbers: in other parts of the table they do not.
    totals : mapping of "input" and "output" to mapping of str to number
        All input and all output of neurons, as they were in the table that the file was made of.
    quantity : str
        What the numbers of a matrix are; "" where that is not told.
    piece : str
        Which part of a longer table the file is, in words; "" where it is none.
    """

    unit: Unit = "unknown"
    voxel_size: VoxelSize | None = None
    completeness: Completeness = field(default_factory=Completeness)
    unique_ids: bool = False
    filters: dict[str, Any] = field(default_factory=dict)
    command: str | None = None
    neuropils: tuple[str, ...] = ()
    kind: str | None = None
    signed: bool = False
    text_ids: frozenset[str] = frozenset()
    totals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    quantity: str = ""
    piece: str = ""


def provenance(metadata: dict[str, str], rows: int | None = None) -> dict[str, Any] | None:
    """Our provenance in a file's metadata; None where there is none, or where the rows are no longer those it tells of.

    Other programs copy metadata to tables that they have filtered; the number of rows gives that away.
    """
    try:
        record = json.loads(metadata.get(KEY, "null"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or (rows is not None and record.get("rows") != rows):
        return None
    return record


def read_metadata(metadata: dict[str, str], rows: int | None = None) -> FileMetadata:
    """Read what a file says about itself. What is not of the form that we write says nothing."""
    try:
        return _read(metadata, rows)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return FileMetadata()


def _read(metadata: dict[str, str], rows: int | None) -> FileMetadata:
    record = provenance(metadata, rows)
    if record is None:
        try:
            attributes = json.loads(metadata.get(PANDAS_KEY, "{}"))
            bare = json.loads(metadata.get(KEY, "{}"))
        except ValueError:
            return FileMetadata()
        units = {**_units(attributes.get(KEY) if isinstance(attributes, dict) else None), **_units(bare)}
        return FileMetadata(**units)
    return FileMetadata(
        **_units(record),
        completeness=_completeness(record["complete_for"]) if "complete_for" in record else Completeness(),
        unique_ids=bool(record.get("unique_ids")),
        filters=_filters(record.get("filters", {})),
        command=_text(record.get("command")),
        kind=_text(record.get("kind")),
        signed=bool(record.get("signed")),
        totals=_totals(record.get("totals", {})),
        neuropils=tuple(map(str, record.get("options", {}).get("neuropils", ()))),
        text_ids=frozenset(map(str, record.get("text_ids", ()))),
        quantity=_text(record.get("weights")) or "",
        piece=_piece(record.get("row_part")),
    )


def _piece(record: Any) -> str:
    if record is None:
        return ""
    number, parts = record
    return f"part {int(number)} of {int(parts)} of a longer table"


def _completeness(record: dict[str, Any]) -> Completeness:
    if any(record[side] != "all" and not isinstance(record[side], list) for side in ("inputs_of", "outputs_of")):
        raise TypeError
    _text(record.get("thinned_by"))
    return Completeness.from_dict(record)


def _filters(record: dict[str, Any]) -> dict[str, Any]:
    """What rows have passed: `threshold`, `min_size`, `clean`, `where`."""
    numbers = (record.get("threshold", 1), record.get("min_size") or 0)
    if not all(isinstance(number, int | float) and 0 <= number < 2**63 for number in numbers):
        raise TypeError
    if not all(isinstance(condition, str) for condition in record.get("where", ())):
        raise TypeError
    return dict(record)


def _totals(record: Any) -> dict[str, dict[str, float]]:
    """All input and output of neurons; what is no such thing is left out, and all else that the file says holds."""

    def numbers(side: Any) -> bool:
        return isinstance(side, dict) and all(
            type(value) in (int, float) and 0 <= value < float("inf") for value in side.values()
        )

    sides = record if isinstance(record, dict) else {}
    return {side: sides[side] for side in ("input", "output") if numbers(sides.get(side))}


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value


def _units(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        return {}
    unit, voxel = record.get("units"), record.get("voxel_size_nm")
    found: dict[str, Any] = {"unit": unit} if unit in ("nm", "pixels") else {}
    if isinstance(voxel, list) and len(voxel) == 3:
        found["voxel_size"] = sizes = tuple(float(size) for size in voxel)
        if not all(0 < size < float("inf") for size in sizes):
            raise ValueError
    return found


def combine(records: Sequence[FileMetadata], names: Sequence[str]) -> FileMetadata:
    """What several files together say; `names` are what to call them in messages.

    Raises
    ------
    DataError
        Where their units or voxel sizes differ, or one part of a table comes twice.
    """
    if len(records) == 1:
        return records[0]
    units = {record.unit for record in records}
    voxels = {record.voxel_size for record in records if record.voxel_size is not None}
    if {"nm", "pixels"} <= units or len(voxels) > 1:
        raise DataError(
            f"the files record different units or voxel sizes; convert them with synapses {P.units.flag} nm first"
        )
    known = all(record.completeness.known for record in records)
    parts = [record.completeness.part for record in records if record.completeness.part is not None]
    joined = joined_parts(parts, names) if len(parts) == len(records) else None
    completeness = Completeness()
    if joined is not None:
        one = records[0].completeness
        completeness = replace(one, inputs=parts[0].inputs, outputs=parts[0].outputs).of_parts(joined)
    elif parts:  # beside other tables
        completeness = Completeness(frozenset(), frozenset(), known)
    elif all(record.command for record in records):
        sides = [[getattr(record.completeness, side) for record in records] for side in ("inputs", "outputs")]
        inputs, outputs = (None if None in found else frozenset().union(*found) for found in sides)
        filtered_by = next(
            (record.completeness.filtered_by for record in records if record.completeness.filtered_by), ""
        )
        completeness = Completeness(inputs, outputs, known, filtered_by)
    filters: dict[str, Any] = {}
    for record in records:
        filters = merge_filters(filters, record.filters)
    unit = units.pop() if len(units) == 1 else "unknown"
    signed = any(record.signed for record in records)
    found = FileMetadata(unit, voxels.pop() if voxels else None, completeness, False, filters, signed=signed)
    if joined is None:
        return found
    return replace(found, unique_ids=joined.unique_ids, totals=records[0].totals)  # which are those of the whole table


def resolve_units(
    recorded: FileMetadata, coordinates: str | None, voxel_size: VoxelSize | None, dataset: FileMetadata | None = None
) -> tuple[Unit, VoxelSize | None]:
    """Unit and voxel size of the positions, from the file, the options and the data set.

    Raises
    ------
    DataError
        Where an option contradicts what the file records.
    UsageError
        Where an option has no meaning.
    """
    if coordinates not in (None, "nm", "pixels"):
        raise UsageError(f"{P.coordinates} {coordinates}: nm or pixels")
    if recorded.unit != "unknown" and coordinates not in (None, recorded.unit):
        raise DataError(f"{P.coordinates} {coordinates}: the file records that its positions are in {recorded.unit}")
    if recorded.voxel_size and voxel_size and recorded.voxel_size != voxel_size:
        raise DataError(
            f"{P.voxel_size} {','.join(map(_number, voxel_size))}: the file records "
            f"{','.join(map(_number, recorded.voxel_size))} nm"
        )
    of_dataset = dataset or FileMetadata()
    unit: Unit = recorded.unit
    if unit == "unknown":
        unit = "nm" if coordinates == "nm" else "pixels" if coordinates == "pixels" else of_dataset.unit
    return unit, recorded.voxel_size or voxel_size or of_dataset.voxel_size


def parse_voxel_size(value: str) -> VoxelSize:
    """Read `8,8,42`.

    Raises
    ------
    UsageError
        Unless these are three positive numbers.
    """
    try:
        sizes = tuple(float(part) for part in value.split(","))
    except ValueError:
        sizes = ()
    if len(sizes) != 3 or not all(0 < size < float("inf") for size in sizes):
        raise UsageError(f"{P.voxel_size} {value}: three positive numbers in nm, such as 8,8,42")
    return (sizes[0], sizes[1], sizes[2])


def parse_mesh_scale(given: Any) -> VoxelSize:
    """Read a scale: one positive factor, or three, as numbers or as text with commas.

    Raises
    ------
    UsageError
        For anything else.
    """
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, Iterable) else [given]
    try:
        sizes = [float(part) for part in parts]
    except (TypeError, ValueError):
        sizes = []
    if len(sizes) not in (1, 3) or not all(0 < size < float("inf") for size in sizes):
        raise UsageError(f"{P.mesh_scale} {given}: one positive factor, or three, of nm per unit, such as 8,8,42")
    x, y, z = sizes if len(sizes) == 3 else sizes * 3
    return x, y, z


def _number(value: float) -> str:
    return f"{value:g}"
