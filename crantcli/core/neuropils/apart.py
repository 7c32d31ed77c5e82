"""Where no position of a table lies in the box of any mesh, their units are in doubt."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core.engine import SqlEngine
from crantcli.core.geometry.boxes import Box, Corner, MeshBoxes
from crantcli.core.relation import Relation
from crantcli.core.sql import any_of
from crantcli.errors import DataError
from crantcli.text import P

#: The largest finite number: what is larger is no position.
_FINITE = 1.7976931348623157e308


def refuse_apart(
    engine: SqlEngine, table: Relation, relation: str, nanometres: Sequence[str], meshes: MeshBoxes
) -> None:
    """Stop where no position of a table lies in the box of any mesh. Rows without a position do not count.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
        The source.
    relation : str
        Its rows.
    nanometres : sequence of str
        Expressions for x, y and z in nm.
    meshes : MeshBoxes

    Raises
    ------
    DataError
        Shows the box of the positions and that of the meshes.
    """
    columns = ", ".join(f"{expression} AS {axis}" for expression, axis in zip(nanometres, "xyz", strict=True))
    finite = " AND ".join(f"abs({axis}) <= {_double(_FINITE)}" for axis in "xyz")
    points = f"FROM (SELECT {columns} FROM {relation}) WHERE {finite}"
    number, *ends = engine.execute(f"SELECT count(*), min(x), min(y), min(z), max(x), max(y), max(z) {points}")[0]
    if not number:
        return
    boxes: list[Box] = []
    for others in (False, True):
        new = meshes.others() if others else meshes.chosen
        boxes += new
        if engine.execute(f"SELECT count(*) {points} AND {any_of([_in_box(box) for box in new])}")[0][0]:
            return
    here = Box((ends[0], ends[1], ends[2]), (ends[3], ends[4], ends[5]))
    there = Box.around(boxes)
    voxel = table.voxel_size
    of_voxels = f" (voxels of {_listed(voxel)} nm)" if table.unit == "pixels" and voxel else ""
    advice = meshes.advice
    if voxel and meshes.scalable and there.scaled(voxel).meets(here):
        advice = f"meshes in voxels would be where the positions are: {P.mesh_scale} {_listed(voxel, ',')}"
    elif voxel and table.unit == "nm" and here.scaled(voxel).meets(there):
        advice = f"positions in voxels would be where the meshes are: {P.coordinates('pixels')}"
    raise DataError(
        f"no position lies in the box of any mesh: positions have {here} nm{of_voxels}, and meshes {there} nm "
        f"({meshes.unit}); are the units right? {advice}"
    )


def _in_box(box: Box) -> str:
    """Whether x, y and z lie in a box, as query text."""
    sides = zip("xyz", box.low, box.high, strict=True)
    return "(" + " AND ".join(f"{axis} BETWEEN {_double(low)} AND {_double(high)}" for axis, low, high in sides) + ")"


def _double(number: float) -> str:
    return f"CAST({number!r} AS DOUBLE)"


def _listed(numbers: Corner, between: str = " x ") -> str:
    return between.join(f"{number:g}" for number in numbers)
