"""The ledger: what happened to every row that was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crantcli.core.rows.steps import STEPS


@dataclass
class Ledger:
    """Rows read, removed by each step, and kept.

    Attributes
    ----------
    unit : str
        What is counted: "synapses", "edges", "points", or "pairs" of a comparison: rows of a table of these.
    read, kept : int
        Rows that came in and rows that count in the result.
    removed : dict of str to int
        Rows removed, by step. Each step is counted on its own.
    merged : int
        Edge rows that were added to another row of the same pair of neurons.
    """

    unit: str
    read: int
    removed: dict[str, int] = field(default_factory=dict)
    kept: int = 0
    merged: int = 0

    def remove(self, step: str, rows: int | None) -> None:
        """Count rows as removed by a step."""
        if step not in STEPS:
            raise ValueError(f"unknown ledger step {step!r}")
        self.removed[step] = self.removed.get(step, 0) + int(rows or 0)

    def __add__(self, other: Ledger) -> Ledger:
        """The ledger of two tables of the same unit that are answered with one table."""
        total = Ledger(self.unit, self.read + other.read, dict(self.removed), self.kept + other.kept)
        total.merged = self.merged + other.merged
        for step, rows in other.removed.items():
            total.remove(step, rows)
        return total

    def check(self) -> None:
        """Fail if the steps do not add up to what was read: that would be a defect of the program."""
        total = sum(self.removed.values()) + self.kept + self.merged
        if total != self.read:
            raise AssertionError(f"the ledger does not add up: {self.read} read, {total} accounted for: {self}")

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every step in its order, zeros included."""
        steps = {step: self.removed.get(step, 0) for step in STEPS}
        merged = {"merged": self.merged} if self.unit == "edges" else {}
        return {"unit": self.unit, "read": self.read, "removed": steps, **merged, "kept": self.kept}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Ledger:
        """Read back what `as_dict` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where it is not of that form, or does not add up.
        """
        found = cls(str(record["unit"]), record["read"], kept=record["kept"], merged=record.get("merged", 0))
        for step, rows in record["removed"].items():
            found.remove(step, rows)
        numbers = (found.read, found.kept, found.merged, *found.removed.values())
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise TypeError("numbers of rows are whole")
        if sum(numbers[1:]) != found.read:
            raise ValueError("the steps do not add up")
        return found

    def sentence(self) -> str:
        """For people: `1,000 synapses read, 12 null, 30 autapse, 958 kept`."""
        losses = [f"{self.removed[step]:,} {step}" for step in STEPS if self.removed.get(step)]
        merged = [f"{self.merged:,} merged"] if self.merged else []
        return ", ".join([f"{self.read:,} {self.unit} read", *losses, *merged, f"{self.kept:,} kept"])
