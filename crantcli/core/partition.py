"""Parts of a partitioned table: each has all rows of some presynaptic neurons, whose IDs lie between two bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crantcli.errors import DataError
from crantcli.schema import NeuronId
from crantcli.text import join_names

#: The first ID of a range and the first one after it; None where there is no bound.
IdRange = tuple[NeuronId | None, NeuronId | None]


@dataclass(frozen=True)
class PartsOf:
    """Which parts of a partitioned table some rows are, or an answer was made of.

    Attributes
    ----------
    partition : str
        What tells this partition from any other: a digest of its table, its options and its bounds.
    of : int
        How many parts it has.
    numbers : tuple of int
        Which of them these are, from 1, ascending.
    ranges : tuple of IdRange
        Of the presynaptic neurons of these parts: everybody in there has all its outputs here.
    unique_ids : bool
        Every row of the table has a synapse id, and none comes twice.
    inputs, outputs : frozenset of str, or None
        For which neurons all parts together hold every input and every output; None means all.
    """

    partition: str
    of: int
    numbers: tuple[int, ...]
    ranges: tuple[IdRange, ...] = ()
    unique_ids: bool = False
    inputs: frozenset[str] | None = None
    outputs: frozenset[str] | None = None

    @property
    def complete(self) -> bool:
        """Whether these are all parts."""
        return self.numbers == tuple(range(1, self.of + 1))

    @property
    def missing(self) -> list[int]:
        """The parts that are not here."""
        return [number for number in range(1, self.of + 1) if number not in set(self.numbers)]

    @property
    def words(self) -> str:
        """Which parts these are, for people."""
        return f"{named_parts(self.numbers)} of {self.of}"

    def holds(self, neuron: NeuronId) -> bool:
        """Whether a neuron's rows, as the presynaptic one, are in these parts."""
        return any(_between(neuron, first, end) for first, end in self.ranges)

    def as_dict(self) -> dict[str, Any]:
        """For the provenance."""
        return {
            "partition": self.partition,
            "of": self.of,
            "numbers": list(self.numbers),
            "outputs_between": [list(found) for found in self.ranges],
            "unique_ids": self.unique_ids,
            "together": {"inputs_of": listed_ids(self.inputs), "outputs_of": listed_ids(self.outputs)},
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> PartsOf:
        """Read back what `as_dict` wrote.

        Raises
        ------
        TypeError, ValueError, KeyError
            Where it is not of that form.
        """
        of, numbers = record["of"], tuple(record["numbers"])
        if not all(type(number) is int for number in (of, *numbers)) or not numbers:
            raise TypeError("parts are numbered")
        if list(numbers) != sorted(set(numbers)) or numbers[0] < 1 or numbers[-1] > of:
            raise ValueError("there are no such parts")
        ranges = tuple((first, end) for first, end in record["outputs_between"])
        if not all(bound is None or type(bound) in (int, str) for found in ranges for bound in found):
            raise TypeError("bounds are IDs")
        inputs, outputs = (ids_listed(record["together"][side]) for side in ("inputs_of", "outputs_of"))
        return cls(str(record["partition"]), of, numbers, ranges, bool(record["unique_ids"]), inputs, outputs)


def listed_ids(ids: frozenset[str] | None) -> Any:
    """A set of IDs for the provenance: sorted as text; "all" for None."""
    return "all" if ids is None else sorted(ids)


def ids_listed(listed: Any) -> frozenset[str] | None:
    """Read back what `listed_ids` gave.

    Raises
    ------
    TypeError
        Where it is not of that form.
    """
    if listed == "all":
        return None
    if not isinstance(listed, list):
        raise TypeError("IDs are listed")
    return frozenset(map(str, listed))


def _between(neuron: NeuronId, first: NeuronId | None, end: NeuronId | None) -> bool:
    """Whether an ID lies in a range, in the order in which IDs of its type sort."""
    number = isinstance(first if first is not None else end, int)
    key: Any = int(neuron) if number else str(neuron)
    return (first is None or first <= key) and (end is None or key < end)


def joined_parts(parts: Sequence[PartsOf], names: Sequence[str]) -> PartsOf | None:
    """Parts of one partition together; None where they are of several.

    Parameters
    ----------
    parts : sequence of PartsOf
    names : sequence of str
        What to call the file of each in messages.

    Raises
    ------
    DataError
        Where a part is there twice.
    """
    if len({(part.partition, part.of) for part in parts}) > 1:
        return None
    seen: dict[int, str] = {}
    for part, name in zip(parts, names, strict=True):
        for number in part.numbers:
            if number in seen:
                raise DataError(
                    f"part {number} of {part.of} is given twice, by {seen[number]} and {name}, so that its rows "
                    "would count twice"
                )
            seen[number] = name
    ranges = tuple(found for part in sorted(parts, key=lambda part: part.numbers) for found in part.ranges)
    return PartsOf(parts[0].partition, parts[0].of, tuple(sorted(seen)), ranges, all(part.unique_ids for part in parts))


def named_parts(numbers: Sequence[int]) -> str:
    """`part 3`, or `parts 1, 2`."""
    return f"part{'' if len(numbers) == 1 else 's'} {join_names([str(number) for number in numbers])}"
