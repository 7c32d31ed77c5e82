"""The rows of a table of points: positions, and perhaps an id, without neurons."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import SelectedRows
from crantcli.core.sql import quote
from crantcli.errors import DataError


def points_once(engine: SqlEngine, table: Relation, axes: Sequence[str]) -> SelectedRows:
    """Make each point count once: rows of one id and position are one point.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
        Points.
    axes : sequence of str
        The columns of their position.

    Raises
    ------
    DataError
        Where one id stands for points at different places.
    """
    ledger = Ledger(table.kind.value, table.rows, kept=table.rows)
    made = SelectedRows(table, table.relation, ledger, False)
    if "id" not in table.roles or table.unique_ids:
        return made
    ids, distinct = engine.execute(f"SELECT count(id), count(DISTINCT id) FROM {table.relation}")[0]
    if ids == distinct:
        return made
    columns = [quote(axis) for axis in axes]
    differ = " OR ".join(f"min({c}) <> max({c}) OR count({c}) NOT IN (0, count(*))" for c in columns)
    clash = engine.execute(
        f"SELECT id FROM {table.relation} WHERE id IS NOT NULL GROUP BY id HAVING {differ} ORDER BY id LIMIT 1"
    )
    if clash:
        raise DataError(
            f"column id: {clash[0][0]} stands for points at different places; are these the ids of something else? "
            "Drop or rename the column"
        )
    ledger.remove("duplicate", ids - distinct)
    ledger.kept -= ids - distinct
    one = ", ".join(f"min({c}) AS {c}" for c in columns)
    relation = engine.view(
        "points_once",
        f"SELECT id, {', '.join(columns)} FROM {table.relation} WHERE id IS NULL UNION ALL "
        f"SELECT id, {one} FROM {table.relation} WHERE id IS NOT NULL GROUP BY id",
    )
    return SelectedRows(table, relation, ledger, False)
