"""The order of cell types and of the neurons within them.

Labels are compared as text. `ER2` comes before `ER10`, and `ER` after both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

#: In place of a list of types: the largest first.
SIZE = "size"

NeuronOrder = Literal["annotation", "id", "weight"]
NEURON_ORDERS: tuple[NeuronOrder, ...] = ("annotation", "id", "weight")

#: The type whose neurons follow the columns of the ellipsoid body, and the annotation columns that tell these.
COLUMNAR_TYPE = "EPG/PEG"
COLUMN_FIELDS = ("cell_instance", "cell_subtype")

#: Columns of the ellipsoid body once around the ring, the hemispheres interleaved.
RING = ("R1", "L8", "R2", "L7", "R3", "L6", "R4", "L5", "R5", "L4", "R6", "L3", "R7", "L2", "R8", "L1")

_DIGITS = re.compile(r"[0-9]+")
_COLUMN = re.compile(r"([LR][1-8])\s*$")


def label_text(label: object) -> str:
    """A label as text; 1.0, which pandas makes of 1 in a column with gaps, is 1."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label).strip()


def prefix(label: str) -> str:
    """The letters before a label's first digit; all of it where there is none."""
    found = _DIGITS.search(label)
    return label[: found.start()] if found else label


def family(label: str) -> str:
    """What stands before a label's first digit or underscore; all of it where there is neither."""
    return prefix(label).split("_")[0]


def label_key(label: str) -> tuple[str, float | int, str]:
    """A sort key: letters without case, then the number as a number (none comes last), then the label itself."""
    found = _DIGITS.search(label)
    return prefix(label).casefold(), int(found[0]) if found else float("inf"), label


@dataclass(frozen=True)
class TypeOrder:
    """Which types come first.

    Attributes
    ----------
    preferred : tuple of str
        Labels, or the letters before a label's first digit or underscore, which then stand for all such labels: `ER`
        for `ER1` and `ER10`, not for `ERx1`, and `PEN` for `PEN_a` and `PEN_b`. Compared without case; a label that is
        named whole goes before any other reading.
    by_size : bool
        The largest types first, instead.
    """

    preferred: tuple[str, ...] = ()
    by_size: bool = False

    @classmethod
    def of(cls, given: object) -> TypeOrder:
        """Read what a caller gives: None, "size", one entry, or several; entries are compared as text."""
        if given is None:
            return cls()
        if isinstance(given, TypeOrder):
            return given
        if isinstance(given, str):
            return cls(by_size=True) if given == SIZE else cls((given,))
        if not isinstance(given, Iterable):
            given = (given,)
        return cls(tuple(label_text(entry) for entry in given))

    def sorted(self, sizes: Mapping[str, int]) -> list[str]:
        """The labels in order.

        Parameters
        ----------
        sizes : mapping of str to int
            Label -> its number of neurons.
        """
        if self.by_size:
            return sorted(sizes, key=lambda label: (-sizes[label], label_key(label)))
        exact: dict[str, int] = {}
        folded: dict[str, int] = {}
        for place, entry in enumerate(self.preferred):
            exact.setdefault(entry, place)
            folded.setdefault(entry.casefold(), place)

        def rank(label: str) -> int:
            found = exact.get(label, folded.get(label.casefold()))
            if found is None:
                found = folded.get(family(label).casefold())
            return len(self.preferred) if found is None else found

        return sorted(sizes, key=lambda label: (rank(label), label_key(label)))

    def unmatched(self, labels: Iterable[str]) -> list[str]:
        """Entries that stand for none of the labels."""
        known = {form.casefold() for label in labels for form in (label, family(label))}
        return [entry for entry in self.preferred if entry.casefold() not in known]

    def record(self) -> str | list[str] | None:
        """For the provenance."""
        return SIZE if self.by_size else list(self.preferred) or None


def ring_place(fields: Sequence[str | None]) -> int:
    """Place of a neuron around the ellipsoid body, from the end of the first of its fields that ends in a column.

    Neurons whose column is not known come last.
    """
    for value in fields:
        found = _COLUMN.search(value or "")
        if found:
            return RING.index(found[1])
    return len(RING)
