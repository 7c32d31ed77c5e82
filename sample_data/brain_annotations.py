"""The annotation table of the sample brain: CRANTb's columns, one row per neuron, two twice."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from brain_neurons import EB_COLUMNS, EPG, NO_COLUMN, Neuron, members
from brain_shapes import VOXEL_SIZE, Ints, points_outside, snap

ANNOTATION_COLUMNS = [
    "root_id",
    "supervoxel_id",
    "position",
    "nucleus_id",
    "nucleus_position",
    "root_position",
    "proofread",
    "status",
    "region",
    "side",
    "nerve",
    "tract",
    "hemilineage",
    "flow",
    "super_class",
    "cell_class",
    "cell_type",
    "cell_subtype",
    "cell_instance",
    "known_nt",
    "known_nt_source",
    "alternative_names",
]
INTEGER_COLUMNS = ("root_id", "supervoxel_id", "nucleus_id")
Annotation = dict[str, Any]  # None stands for an empty cell

# Columns of EPG/PEG neurons (by member number) that are not at the end of cell_instance.
COLUMN_IN_SUBTYPE_ONLY = (3, 12, 21, 30)
COLUMN_NOWHERE = 26


def instance_names(neuron: Neuron) -> tuple[str | None, str | None]:
    """The neuron's `cell_subtype` and `cell_instance`."""
    cell_type = neuron.group.cell_type
    if neuron.column == NO_COLUMN:
        return None, f"{cell_type}_{neuron.side}" if neuron.cell_type else None
    column = EB_COLUMNS[neuron.column]
    if cell_type != EPG:
        return None, f"{cell_type}_{column}"
    subtype = "EPG" if neuron.member < len(EB_COLUMNS) else "PEG"
    if neuron.member in COLUMN_IN_SUBTYPE_ONLY:
        return f"{subtype}_{column}", None
    return subtype, EPG if neuron.member == COLUMN_NOWHERE else f"{EPG}_{column}"


def draw_status(rng: np.random.Generator) -> tuple[bool, list[str]]:
    """Whether a neuron is proofread, and its list of states."""
    proofread = bool(rng.random() < 0.8)
    if proofread:
        extra = rng.choice(["", "DAMAGED", "COMPLETED"], p=[0.7, 0.1, 0.2])
        return True, ["BACKBONE_PROOFREAD", *([str(extra)] if extra else [])]
    return False, [[], ["PRELIM_PROOFREAD"], ["TRACING_ISSUE"]][rng.integers(3)]


def voxel_text(point: Ints) -> str:
    """A point in nm as text in voxels, as in CRANTb's annotation table: `17374, 11836, 2052`."""
    return ", ".join(str(value) for value in point // VOXEL_SIZE)


def annotate(
    rng: np.random.Generator,
    neuron: Neuron,
    root_id: int,
    nucleus_id: int,
    sites: tuple[Ints, Ints],
) -> Annotation:
    """One annotation row; `sites` are supervoxel IDs and points (nm) that the neuron owns."""
    supervoxels, points = sites
    first, second = rng.integers(len(supervoxels), size=2)
    group = neuron.group
    has_nucleus = group.flow != "afferent"
    soma = snap(points_outside(rng, 50))[0]
    proofread, status = draw_status(rng)
    subtype, instance = instance_names(neuron)
    values = (
        root_id,
        int(supervoxels[first]),
        voxel_text(points[first]),
        nucleus_id if has_nucleus else None,
        voxel_text(soma) if has_nucleus else None,
        voxel_text(points[second]),
        proofread,
        status,
        group.region,
        neuron.side,
        group.nerve or None,
        group.tract or None,
        group.hemilineage or None,
        group.flow,
        group.super_class,
        group.cell_class,
        neuron.cell_type or None,
        subtype,
        instance,
        group.transmitter or None,
        "homology" if group.transmitter else None,
        group.other_name or None,
    )
    return dict(zip(ANNOTATION_COLUMNS, values, strict=True))


def annotation_order(rng: np.random.Generator, neurons: Sequence[Neuron]) -> list[int]:
    """Neurons in random order, except that PEN neurons come in the order of their columns."""
    key = rng.random(len(neurons))
    pen = members(neurons, "PEN", None)
    key[pen] = np.sort(key[pen])
    return [int(index) for index in np.argsort(key)]


def annotate_twice(rows: list[Annotation]) -> list[Annotation]:
    """The rows with two neurons annotated twice.

    The first ER3 neuron gets an earlier row without a type; the first hDeltaA neuron a later
    row that calls it hDeltaB.
    """
    ring = next(row for row in rows if row["cell_type"] == "ER3")
    delta = next(row for row in rows if row["cell_type"] == "hDeltaA")
    untyped = {**ring, "cell_type": None, "cell_instance": None}
    renamed = {**delta, "cell_type": "hDeltaB", "cell_instance": None}
    return [untyped, *rows, renamed]


def write_annotations(rows: Sequence[Annotation], folder: Path) -> None:
    """Write the rows as CSV (lists as Python-style text) and Parquet (real lists)."""
    with (folder / "annotations.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ANNOTATION_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    types: dict[str, pa.DataType] = dict.fromkeys(ANNOTATION_COLUMNS, pa.string())
    types.update(dict.fromkeys(INTEGER_COLUMNS, pa.int64()))
    types.update(proofread=pa.bool_(), status=pa.list_(pa.string()))
    table = pa.Table.from_pylist(list(rows), schema=pa.schema(list(types.items())))
    pq.write_table(table, folder / "annotations.parquet", compression="zstd")
