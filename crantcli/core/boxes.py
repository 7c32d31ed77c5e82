"""The boxes that meshes and positions lie in: where no position lies in that of any mesh, their units are in doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Relation
from crantcli.core.sql import any_of
from crantcli.errors import DataError
from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np

Corner = tuple[float, float, float]

#: Larger than any finite position.
_FINITE = 1.7976931348623157e308


@dataclass(frozen=True)
class Box:
    """A box along the axes, in nm; what lies on its sides is in it."""

    low: Corner
    high: Corner

    @classmethod
    def of(cls, points: np.ndarray[Any, Any]) -> Box | None:
        """The box of points, shape (n, 3); None where one of them is not finite, or there are none."""
        import numpy as np

        if not len(points) or not np.isfinite(points).all():
            return None
        (a, b, c), (x, y, z) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return cls((a, b, c), (x, y, z))

    @classmethod
    def around(cls, boxes: Iterable[Box]) -> Box:
        """The box of some boxes."""
        (a, x), (b, y), (c, z) = (
            (min(box.low[axis] for box in boxes), max(box.high[axis] for box in boxes)) for axis in range(3)
        )
        return cls((a, b, c), (x, y, z))

    def scaled(self, scale: Corner) -> Box:
        """The box with each axis multiplied by a positive number."""
        (a, b, c), (x, y, z) = ([n * s for n, s in zip(end, scale, strict=True)] for end in (self.low, self.high))
        return Box((a, b, c), (x, y, z))

    def meets(self, other: Box) -> bool:
        """Whether the two have a point in common."""
        return all(self.low[axis] <= other.high[axis] and other.low[axis] <= self.high[axis] for axis in range(3))

    def holds(self) -> str:
        """A condition on x, y and z, as query text."""
        sides = zip("xyz", self.low, self.high, strict=True)
        return (
            "(" + " AND ".join(f"{axis} BETWEEN {_double(low)} AND {_double(high)}" for axis, low, high in sides) + ")"
        )

    def __str__(self) -> str:
        sides = zip("xyz", self.low, self.high, strict=True)
        return ", ".join(
            f"{axis} {_shown(low)}" if low == high else f"{axis} {_shown(low)} to {_shown(high)}"
            for axis, low, high in sides
        )


@dataclass(frozen=True)
class MeshBoxes:
    """The boxes of all meshes of a place.

    Attributes
    ----------
    chosen : sequence of Box
        Of the meshes that were chosen.
    others : callable
        Gives those of the others. It is called only where no position lies in one that was chosen.
    unit : str
        Where the meshes have their unit from, for a message.
    advice : str
        What to do where it is wrong.
    scalable : bool
        Whether the user may say how many nm a unit of the meshes is, and has not.
    """

    chosen: Sequence[Box]
    others: Callable[[], Sequence[Box]]
    unit: str
    advice: str
    scalable: bool = False


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
        if engine.execute(f"SELECT count(*) {points} AND {any_of([box.holds() for box in new])}")[0][0]:
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


def _double(number: float) -> str:
    return f"CAST({number!r} AS DOUBLE)"


def _shown(number: float) -> str:
    """A number for people."""
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.4g}"


def _listed(numbers: Corner, between: str = " x ") -> str:
    return between.join(f"{number:g}" for number in numbers)
