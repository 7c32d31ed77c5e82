"""The guarantee that a synapse counts once."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Relation
from crantcli.core.rows.steps import NULL
from crantcli.errors import DataError

#: Up to so many ids that lie far apart, grouping them is done before an array of them is made.
_FEW = 300_000


def deduplicate(engine: SqlEngine, relation: str, needed: tuple[str, ...], table: Relation) -> tuple[str, int]:
    """Drop repeated synapses: rows equal in id, pre and post.

    Parameters
    ----------
    engine : SqlEngine
    relation : str
        A table or view with the needed columns, `id` among them.
    needed : tuple of str
        Columns to keep.
    table : Relation
        The source, for messages.

    Returns
    -------
    tuple of str and int
        A relation in which each synapse stands once, and the number of rows dropped.

    Raises
    ------
    DataError
        Where one id stands for different neurons.
    """
    if _ids_are_unique(engine, relation):
        return relation, 0
    repeated = _repeated(engine, relation)
    rows, distinct = engine.execute(f"SELECT coalesce(sum(n), 0), count(*) FROM {repeated}")[0]
    if not distinct:
        return relation, 0
    whole = _WHOLE
    copies = engine.table(
        "copies", f"SELECT {sql.columns(needed)} FROM {relation} WHERE {whole} AND id IN (SELECT id FROM {repeated})"
    )
    _refuse_conflicts(engine, copies, table)
    # Where the copies differ in what they carry, the one that sorts first stays, size before all else, so that
    # every command keeps the same one whatever columns it reads.
    order = ["size"] if "size" in needed else []
    order += [column for column in needed if column not in ("id", "pre", "post", "size")]
    first = sql.first_of_each(f"SELECT {sql.columns(needed)} FROM {copies}", "id", sql.columns(order))
    kept = engine.table("first", first)
    distinct_rows = engine.view(
        "distinct_rows",
        f"SELECT {sql.columns(needed)} FROM {relation} AS r "
        f"WHERE NOT ({whole} AND EXISTS (SELECT 1 FROM {repeated} AS d WHERE d.id = r.id)) "
        f"UNION ALL SELECT {sql.columns(needed)} FROM {kept}",
    )
    return distinct_rows, int(rows) - int(distinct)


#: A condition that holds for rows that can be a synapse that stands in another row, too.
_WHOLE = "id IS NOT NULL AND pre IS NOT NULL AND post IS NOT NULL"


def _repeated(engine: SqlEngine, relation: str) -> str:
    """A table `id, n` of synapses that stand in several rows."""
    return engine.table(
        "repeated", f"SELECT id, count(*) AS n FROM {relation} WHERE {_WHOLE} GROUP BY id HAVING count(*) > 1"
    )


def refuse_conflicts(engine: SqlEngine, table: Relation) -> bool:
    """Refuse a table in which one synapse id stands for different neurons.

    Returns
    -------
    bool
        Whether every row has an id, and none comes twice.

    Raises
    ------
    DataError
    """
    relation = table.relation
    nulls, rows = engine.execute(f"SELECT count(*) FILTER (id IS NULL), count(*) FROM {relation}")[0]
    if _ids_are_unique(engine, relation):
        return not nulls
    repeated = _repeated(engine, relation)
    if engine.execute(f"SELECT 1 FROM {repeated} LIMIT 1"):
        copies = f"(SELECT id, pre, post FROM {relation} WHERE {_WHOLE} AND id IN (SELECT id FROM {repeated}))"
        _refuse_conflicts(engine, copies, table)
        return False
    # Rows that lack a neuron may have the id of another row.
    return not nulls and bool(engine.execute(f"SELECT count(DISTINCT id) = {rows} FROM {relation}")[0][0])


def _ids_are_unique(engine: SqlEngine, relation: str) -> bool:
    """Tell cheaply whether any synapse id comes twice, which is rare. False also where that cannot be told cheaply."""
    if engine.spread:  # to group them tells as much
        return False
    if dict(engine.columns(f"SELECT id FROM {relation}"))["id"] != "BIGINT":
        return False
    low, high, count = engine.execute(f"SELECT min(id), max(id), count(id) FROM {relation}")[0]
    if not count:
        return True
    span = high - low + 1
    if span < count:
        return False
    if span <= min(engine.memory // engine.threads, 64 * count):
        return _fills_bitmap(engine, relation, low, high, count)
    if count <= _FEW:
        return False
    return ids_differ(engine, relation, count)


def _fills_bitmap(engine: SqlEngine, relation: str, low: int, high: int, count: int) -> bool:
    """One pass that sets a bit per id: as many bits as ids means that no id came twice. For ids close together.

    Every thread holds a bitmap, so together they take an eighth of the memory limit at most.
    """
    # One aggregate holds at most a billion bits, so a wide range is cut into windows, all filled in the same pass.
    window = 500_000_000
    bounds = [(start, min(start + window, high + 1) - 1) for start in range(low, high + 1, window)]
    bits = " + ".join(sql.distinct_between("id", start, end) for start, end in bounds)
    return bool(engine.execute(f"SELECT {bits} FROM {relation}")[0][0] == count)


def ids_differ(engine: SqlEngine, relation: str, count: int) -> bool:
    """Whether no synapse id comes twice, wherever they lie.

    They are sorted as plain integers, in as many parts as half the memory limit asks for. Grouping them in the engine
    takes three times as long for 100 million.
    """
    parts = -(-count * 8 // (engine.memory // 2))
    for part in range(parts):
        ids = engine.integers(f"SELECT id FROM {relation} WHERE id IS NOT NULL AND abs(id % {parts}) = {part}")
        ids.sort()
        if (ids[1:] == ids[:-1]).any():
            return False
    return True


def _refuse_conflicts(engine: SqlEngine, copies: str, table: Relation) -> None:
    clash = engine.execute(
        f"SELECT id, min(pre), max(pre), min(post), max(post) FROM {copies} GROUP BY id "
        "HAVING min(pre) <> max(pre) OR min(post) <> max(post) ORDER BY id LIMIT 1"
    )
    if clash:
        synapse, pre, other_pre, post, other_post = clash[0]
        where, one, other = (
            (table.pre_name, pre, other_pre) if pre != other_pre else (table.post_name, post, other_post)
        )
        raise DataError(
            f"column id: synapse {synapse} stands for different neurons ({where} {one} and {other}); are these row "
            "numbers instead of synapse ids? Drop or rename the column, or read the files one by one"
        )


def ids_once(engine: SqlEngine, relation: str, columns: Sequence[str]) -> str:
    """Synapses that stand once, without rows that lack a neuron and have the id of another row.

    They count nowhere, and their position must not decide where the synapse of that id lies.
    """
    names = ", ".join(map(sql.quote, dict.fromkeys(("id", "pre", "post", *columns))))
    lone = engine.table(
        "lone",
        sql.first_of_each(
            f"SELECT {names} FROM {relation} WHERE {NULL} AND id IS NOT NULL", "id", sql.columns(columns)
        ),
    )
    known = engine.table(
        "known",
        f"SELECT DISTINCT id FROM {relation} WHERE NOT {NULL} AND id IN (SELECT id FROM {lone})",
    )
    every, once, twice = engine.execute(
        f"SELECT (SELECT count(id) FROM {relation} WHERE {NULL}), (SELECT count(*) FROM {lone}), "
        f"(SELECT count(*) FROM {known})"
    )[0]
    if every == once and not twice:
        return relation
    return engine.view(
        "ids_once",
        f"SELECT {names} FROM {relation} WHERE NOT {NULL} OR id IS NULL UNION ALL "
        f"SELECT {names} FROM {lone} WHERE id NOT IN (SELECT id FROM {known})",
    )
