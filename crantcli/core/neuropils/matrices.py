"""One nested matrix for each neuropil."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from crantcli.core.engine import SqlEngine
from crantcli.core.nested.choice import NestedQuestion
from crantcli.core.nested.matrix import NestedResult, nested, unmatched_order
from crantcli.core.neuropils.assign import Assignment
from crantcli.core.neuropils.members import Count, count, count_alone, in_neuropil
from crantcli.core.relation import Annotations, Totals
from crantcli.core.rows.filters import RowFilter


def matrices(
    engine: SqlEngine,
    assignment: Assignment,
    annotations: Annotations | None,
    question: NestedQuestion,
    rows: RowFilter,
    totals: Totals | None = None,
    further: Assignment | None = None,
) -> Iterator[tuple[str, Count, NestedResult | None]]:
    """One nested matrix after the other: the neuropil's name, what it holds, and the matrix; None where nothing lies.

    `further` are synapses that only say who is there, in the same neuropils. A matrix may be without entries, of
    synapses that are all left out. What the engine made for a neuropil is dropped before the next one.
    """
    # With neurons chosen for both axes, what touches none of them is not read for the matrix.
    partly = all(choice.given for choice in question.axes.values())
    for code, name in enumerate(assignment.names):
        with engine.temporary_tables():
            table = in_neuropil(engine, assignment, code)
            if not table.rows:
                yield name, Count(0, 0, 0), None
                continue
            # A fraction of totals from a file is one of the whole brain, wherever the synapses lie.
            about = replace(question, within="" if totals is not None else name)
            more = None if further is None else in_neuropil(engine, further, code)
            result = nested(engine, table, annotations, about, rows, totals, more, weak=not partly)
            held = count_alone(engine, table, rows) if partly else count(engine, result.edges)
            yield name, held, result


class Remarks:
    """What to say of all matrices at once.

    Parameters
    ----------
    assignment : Assignment
    question : NestedQuestion
    totals : Totals or None
    """

    def __init__(self, assignment: Assignment, question: NestedQuestion, totals: Totals | None) -> None:
        self._assignment, self._question, self._totals = assignment, question, totals
        self._types: dict[str, set[str]] = {"pre": set(), "post": set()}
        self._last: NestedResult | None = None
        self._notes: list[str] = []
        self.left_out = 0

    def add(self, result: NestedResult) -> None:
        """Take note of a matrix."""
        self._last = result
        self.left_out += result.left_out
        self._notes += result.whole_notes
        self._types["pre"] |= set(result.blocks.source.types)
        self._types["post"] |= set(result.blocks.target.types)

    @property
    def notes(self) -> list[str]:
        """Each once."""
        if self._last is None:
            return []
        types: dict[str, Sequence[str]] = {end: sorted(found) for end, found in self._types.items()}
        notes = [*self._notes, *unmatched_order(self._question, types)]
        if self.left_out:
            notes.append(
                f"{self.left_out:,} memberships of neurons without annotation are left out of the matrices "
                "(annotation scope annotated_only)"
            )
        return list(dict.fromkeys(notes))

    @property
    def statement(self) -> str | None:
        """What an entry of a matrix is; None where there is no matrix."""
        if self._last is None:
            return None
        quantity = replace(self._question, within="").quantity(self._assignment.table)
        told = replace(self._last, blocks=replace(self._last.blocks, quantity=quantity)).statement
        if not told.startswith("a weight is"):
            return told
        return f"{told}, whatever the neuropil" if self._totals is not None else f"in each neuropil, {told}"
