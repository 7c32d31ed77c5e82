"""The steps in which rows are removed: each row by the first that removes it, however the conditions are given."""

from __future__ import annotations

import itertools

import pytest

from crantcli.core.ledger import Ledger
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.rows.pairs import edges
from crantcli.core.rows.steps import KEPT, NULL, STEPS, cascade, step_number
from crantcli.engine.duckdb import Engine
from crantcli.ids import Selection
from crantcli.schema import Kind

#: Nulls beside every combination of three more reasons to be removed.
ROWS = list(itertools.product((None, 1), (None, 2), (False, True), (False, True), (False, True)))
CONDITIONS = {"threshold": "weak", "null": NULL, "size": "FALSE", "background": "(pre = 1 AND back)", "autapse": "self"}


def expected(row: tuple[int | None, int | None, bool, bool, bool]) -> str:
    pre, post, back, own, weak = row
    reasons = {"null": pre is None or post is None, "background": back, "autapse": own, "threshold": weak}
    return next((step for step, holds in reasons.items() if holds), KEPT)


@pytest.mark.parametrize("order", [list(CONDITIONS), sorted(CONDITIONS), sorted(CONDITIONS, reverse=True)])
def test_a_row_is_removed_by_the_first_step_that_removes_it(order: list[str]) -> None:
    given = {step: CONDITIONS[step] for step in order}
    with Engine(threads=1) as engine:
        listed = ", ".join(str(tuple("NULL" if cell is None else cell for cell in row)) for row in ROWS)
        rows = f"(VALUES {listed.replace(chr(39), '')}) AS t(pre, post, back, self, weak)"
        parts = cascade(given)
        assert list(parts) == [*(step for step in STEPS if step in given), KEPT]
        counted = engine.execute(f"SELECT {', '.join(f'count(*) FILTER ({p})' for p in parts.values())} FROM {rows}")
        numbered = engine.execute(f"SELECT {step_number(given)} FROM {rows}")
    steps = [expected(row) for row in ROWS]
    assert dict(zip(parts, counted[0], strict=True)) == {step: steps.count(step) for step in parts}
    assert [(*STEPS, KEPT)[number] for (number,) in numbered] == steps


def test_the_ledger_tells_the_steps_in_their_order() -> None:
    ledger = Ledger("synapses", len(STEPS))
    for step in reversed(STEPS):
        ledger.remove(step, 1)
    ledger.check()
    assert tuple(ledger.as_dict()["removed"]) == STEPS
    assert ledger.sentence().split(", ")[1:-1] == [f"1 {step}" for step in STEPS]


class Counting(Engine):
    """Counts pairs in Python."""

    asked = 0

    def count_pairs(self, stem: str, rows: str, keys: str, sums: str) -> str:
        assert keys.replace(chr(34), "") == "pre, post"
        self.asked += 1
        found: dict[tuple[object, ...], list[int]] = {}
        weight = "weight" if "weight" in sums else "1"
        for pre, post, number in self.execute(f"SELECT pre, post, {weight} FROM {rows}"):
            entry = found.setdefault((pre, post), [0, 0])
            entry[0], entry[1] = entry[0] + number, entry[1] + 1
        listed = ", ".join(f"({pre}, {post}, {n}, {total})" for (pre, post), (n, total) in found.items())
        return self.table(stem, f"SELECT * FROM (VALUES {listed}) AS t(pre, post, n, total)")


@pytest.mark.parametrize("kind", [Kind.SYNAPSES, Kind.EDGES])
def test_an_engine_may_count_pairs_in_its_own_way(kind: Kind) -> None:
    cells = [(1, 2, 3), (1, 2, 1), (2, 1, 4), (5, 5, 2), (0, 2, 7), (3, 1, 1), (3, 2, 9)]
    chosen = NeuronFilter(pre=Selection((0, 1, 2, 5)))
    made = []
    for kinds in (Engine, Counting):
        with kinds(threads=1) as engine:
            values = ", ".join(map(str, cells))
            view = engine.view("source", f"SELECT * FROM (VALUES {values}) AS t(pre, post, weight)")
            table = Relation(kind, view, "BIGINT", len(cells), roles=frozenset(("pre", "post", "weight")))
            condition = chosen.condition(engine, "BIGINT")
            found = edges(engine, table, condition, RowFilter(threshold=2), sum_duplicates=True)
            made.append((engine.execute(f"SELECT * FROM {found.relation} ORDER BY 1, 2"), found.ledger))
            assert not isinstance(engine, Counting) or engine.asked == 1
    assert made[0] == made[1]
    assert made[0][0] == ([(1, 2, 2)] if kind is Kind.SYNAPSES else [(1, 2, 4), (2, 1, 4)])
