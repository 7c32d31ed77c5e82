"""Nanometres and voxels ("pixels")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from crantcli.core.relation import Relation, Unit, VoxelSize
from crantcli.core.sql import quote
from crantcli.errors import DataError, UsageError
from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np


def position_columns(table: Relation) -> list[tuple[str, int]]:
    """Coordinate columns of the table's positions, with the number of their axis."""
    return [(column, number) for name in table.positions for number, column in enumerate(table.axes(name))]


def convert_positions(table: Relation, units: Unit | None) -> tuple[dict[str, str], Unit, VoxelSize | None]:
    """Expressions that convert a table's positions.

    Parameters
    ----------
    table : Relation
    units : {"nm", "pixels"} or None
        The wanted unit; None leaves positions as they are.

    Returns
    -------
    tuple of dict, str, tuple or None
        Column -> expression, empty where nothing is to be done; the unit after conversion; the voxel size in nm.
        Voxels are floor(nm / size), int64. Nanometres of whole voxels of whole size are int64, else float64.

    Raises
    ------
    UsageError
        Where unit or voxel size are not known.
    DataError
        Where the table has no positions.
    """
    if units is None:
        return {}, table.unit, table.voxel_size
    if not table.positions:
        raise DataError(f"{P.units} {units}: the table has no positions")
    if table.unit == "unknown":
        raise UsageError(
            f"{P.units} {units}: the unit of the positions is not recorded; say {P.coordinates('nm')} "
            f"or {P.coordinates('pixels')}"
        )
    if table.unit == units:
        return {}, units, table.voxel_size
    if table.voxel_size is None:
        raise UsageError(
            f"{P.units} {units}: the voxel size is not recorded; say {P.voxel_size.metavar('X,Y,Z')} in nm"
        )
    conversions = {}
    for column, axis in position_columns(table):
        convert = _pixels if units == "pixels" else _nanometres
        conversions[column] = convert(quote(column), table.voxel_size[axis])
    return conversions, units, table.voxel_size


@dataclass(frozen=True)
class Nanometres:
    """How a coordinate becomes nanometres, float64: exactly for whole voxels of whole size.

    Attributes
    ----------
    column : str
        What the relation calls the coordinate.
    step : float or None
        Voxels to add before.
    size : float
        Nanometres of one unit.
    """

    column: str
    step: float | None
    size: float

    @property
    def number(self) -> str:
        """The coordinate as it stands, as query text."""
        return f"CAST({quote(self.column)} AS DOUBLE)"

    @property
    def sql(self) -> str:
        """The nanometres, as query text."""
        moved = self.number if self.step is None else f"({self.number} + CAST({self.step!r} AS DOUBLE))"
        return moved if self.size == 1 else f"{moved} * CAST({self.size!r} AS DOUBLE)"

    def of(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The nanometres of values of `number`."""
        moved = values if self.step is None else values + self.step
        return moved if self.size == 1 else moved * self.size


def in_nanometres(table: Relation, position: str, offset: VoxelSize | None = None) -> list[Nanometres]:
    """How x, y and z of a position become nm.

    `offset` is added to positions in pixels, in voxels, before they become nanometres.

    Raises
    ------
    UsageError
        Where unit or voxel size are not known.
    """
    if table.unit == "unknown":
        raise UsageError(
            f"the unit of the positions is not recorded; say {P.coordinates('nm')} or {P.coordinates('pixels')}, or "
            "use a data set that says it"
        )
    if table.unit == "pixels" and table.voxel_size is None:
        raise UsageError(
            f"the positions are in pixels, and the voxel size is not recorded; "
            f"say {P.voxel_size.metavar('X,Y,Z')} in nm"
        )
    sizes = table.voxel_size if table.unit == "pixels" and table.voxel_size else (1.0, 1.0, 1.0)
    if offset is not None and table.unit != "pixels":
        raise UsageError(f"an offset in voxels goes with positions in pixels only ({P.coordinates('pixels')})")
    if offset is not None and not all(map(isfinite, offset)):
        raise UsageError(f"an offset of {', '.join(map(str, offset))} voxels: three finite numbers")
    steps = offset or (None, None, None)
    return [Nanometres(*parts) for parts in zip(table.axes(position), steps, sizes, strict=True)]


def _pixels(nm: str, size: float) -> str:
    if size.is_integer():
        return f"CAST(floor({nm} / {size!r}) AS BIGINT)"
    # What was a whole number of voxels is that voxel again, though 5 * 3.58 / 3.58 is a little less than 5.
    voxels = f"({nm} / CAST({size!r} AS DOUBLE))"
    whole = f"round({voxels}) * CAST({size!r} AS DOUBLE) = {nm}"
    return f"CAST(CASE WHEN {whole} THEN round({voxels}) ELSE floor({voxels}) END AS BIGINT)"


def _nanometres(pixels: str, size: float) -> str:
    # A product of narrow integers would overflow.
    return f"{pixels} * CAST({int(size)} AS BIGINT)" if size.is_integer() else f"{pixels} * CAST({size!r} AS DOUBLE)"


def unit_record(table: Relation, columns: Sequence[str], unit: Unit, voxel_size: VoxelSize | None) -> dict[str, Any]:
    """What a file with these columns records about units; nothing where it has no positions."""
    if not any(column in columns for column, _ in position_columns(table)):
        return {}
    return {"units": unit, **({"voxel_size_nm": list(voxel_size)} if voxel_size else {})}
