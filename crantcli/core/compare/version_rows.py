"""Two versions of one brain row by row: the pairs of the old one, and what is left of both without what is the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crantcli.core.compare.edges import common_type
from crantcli.core.compare.unchanged import without_unchanged
from crantcli.core.engine import PairRules, SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import RowFilter, SelectedRows, prepare
from crantcli.core.rows.steps import KEPT, cascade


@dataclass(frozen=True)
class VersionRows:
    """Both versions row by row.

    Attributes
    ----------
    counted : str
        `pre, post, n`: all synapses of the old version per pair.
    sides : tuple of str
        `id, pre, post`: all synapses of each version, without some that are the same in both.
    ids : tuple of str
        Queries `id`, of all synapses of each.
    ledgers : tuple of Ledger
        Of each version, with the steps that look at a row alone.
    """

    counted: str
    sides: tuple[str, str]
    ids: tuple[str, str]
    ledgers: tuple[Ledger, Ledger]


def version_rows(engine: SqlEngine, a: Relation, b: Relation, rows: RowFilter) -> VersionRows:
    """Read both versions: in the engine's own way, if it has one, else by statements."""
    return _stored(engine, a, b, rows) or _told_apart(engine, a, b, rows)


def _stored(engine: SqlEngine, a: Relation, b: Relation, rows: RowFilter) -> VersionRows | None:
    """The rows of both versions in the engine's own way, if it has one."""
    if not all(table.id_type == "BIGINT" and table.within is None for table in (a, b)):
        return None
    rules = PairRules(rows.clean, rows.background, rows.min_size, 1, distinct=True, autapses=True)
    changed = engine.changed_stored(a.relation, b.relation, rules)
    if changed is None:
        return None
    counted = engine.count_stored("counted", a.relation, replace(rules, distinct=False))
    if counted is None:
        return None
    ledgers = a.ledger(), b.ledger()
    for ledger, removed in zip(ledgers, changed.removed, strict=True):
        for step, number in removed.items():
            ledger.remove(step, number)
    ids = (f"SELECT id FROM {table.relation} WHERE {_taken(table, rows)[KEPT]}" for table in (a, b))
    sides = (engine.view("changed_rows", query) for query in changed.rows)
    return VersionRows(counted.relation, (next(sides), next(sides)), (next(ids), next(ids)), ledgers)


def _told_apart(engine: SqlEngine, a: Relation, b: Relation, rows: RowFilter) -> VersionRows:
    """The rows of both versions, by statements."""
    prepared = [prepare(engine, table, None, ("size",) if rows.min_size is not None else ()) for table in (a, b)]
    kinds = {dict(engine.columns(f"SELECT id FROM {side.relation}"))["id"] for side in prepared}
    kind, id_type = kinds.pop() if len(kinds) == 1 else "VARCHAR", common_type(a.id_type, b.id_type)
    sides = []
    for side in prepared:
        ends = ", ".join(f"CAST({end} AS {id_type}) AS {end}" for end in ("pre", "post"))
        kept = f"SELECT CAST(id AS {kind}) AS id, {ends} FROM {side.relation} WHERE {_taken(side.table, rows)[KEPT]}"
        sides.append(engine.view("version", kept))
    rest = without_unchanged(engine, sides[0], sides[1], a.rows + b.rows)
    for side in prepared:
        _count_rows(engine, side, rows)
    return VersionRows(
        engine.count_pairs("counted", sides[0], "pre, post", "count(*) AS n"),
        rest,
        (f"SELECT id FROM {sides[0]}", f"SELECT id FROM {sides[1]}"),
        (prepared[0].ledger, prepared[1].ledger),
    )


def _taken(table: Relation, rows: RowFilter) -> dict[str, str]:
    """The steps that look at a row alone. Autapses come last, when neurons have merged."""
    return cascade({**rows.conditions(table.id_type), "autapse": "FALSE"})


def _count_rows(engine: SqlEngine, side: SelectedRows, rows: RowFilter) -> None:
    """Rows of a version that are left out one by one, for its ledger."""
    taken, steps = _taken(side.table, rows), ("null", "background", "size")
    counted = ", ".join(f"count(*) FILTER ({taken[step]})" for step in steps)
    for step, number in zip(steps, engine.execute(f"SELECT {counted} FROM {side.relation}")[0], strict=True):
        side.ledger.remove(step, number)
