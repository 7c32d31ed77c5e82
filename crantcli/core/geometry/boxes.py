"""The boxes that meshes and positions lie in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Corner = tuple[float, float, float]


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


def _shown(number: float) -> str:
    """A number for people."""
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.4g}"
