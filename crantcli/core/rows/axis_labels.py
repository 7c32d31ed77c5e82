"""Groups with one label each, for the axes of a matrix: labels of neurons, and what a table says of one side."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.rows.groups import GroupColumns, GroupSums
from crantcli.core.rows.labels import joint, refuse_joint_twins
from crantcli.core.sql import quote


def _as_text(column: str) -> str:
    return f"CAST({quote(column)} AS VARCHAR)"


def blank(columns: Sequence[str]) -> str:
    """A condition that holds where one of these columns has no value, or blanks only, which are no label."""
    return sql.any_of([f"coalesce({sql.trimmed(_as_text(column))}, '') = ''" for column in columns])


def label_sums(
    engine: SqlEngine, sums: GroupSums, columns: GroupColumns, everything: bool
) -> tuple[str, dict[str, str]]:
    """Sums per pair of groups, by the joint labels of each side: those of its neurons, then the table's own.

    Parameters
    ----------
    sums : GroupSums
        Whose own columns all tell of one side, and have values.
    everything : bool
        Groups that have no edge are asked for, too: those of all neurons, with each value that there is on their side.

    Returns
    -------
    str and dict of "pre" and "post" to str
        A table `pre, post, weight`, and tables `id, label` of the neurons that have labels.

    Raises
    ------
    DataError
        Where two groups would have the same label.
    """
    named = {side: _axis_groups(engine, sums, columns, side, everything) for side in ("pre", "post")}
    joins = []
    for alias, number, side in (("x", "a", "pre"), ("y", "b", "post")):
        same = [f"s.{number} = {alias}.code"] if columns.labelled else []
        same += [f"s.{quote(name)} = {alias}.own_{place}" for place, name in enumerate(columns.own_of(side))]
        joins.append(f"JOIN {named[side]} AS {alias} ON {sql.all_of(same)}")
    relation = engine.table(
        "label_sums",
        f"SELECT x.label AS pre, y.label AS post, s.weight FROM {sums.relation} AS s {' '.join(joins)}",
    )
    members = {
        side: engine.view("label_members", f"SELECT m.id, g.label FROM {ids} AS m JOIN {named[side]} AS g USING (code)")
        for side, ids in sums.members.items()
    }
    return relation, members


def _axis_groups(engine: SqlEngine, sums: GroupSums, columns: GroupColumns, side: str, everything: bool) -> str:
    """A table of the groups of one side: `code` where neurons are labelled, `own_0, ...`, and `label`."""
    labels, own = columns.pre if side == "pre" else columns.post, columns.own_of(side)
    keys = (["code"] if labels else []) + [f"own_{place}" for place in range(len(own))]
    values = ", ".join(f"{quote(name)} AS own_{place}" for place, name in enumerate(own))
    source = sums.groups[side] if labels else f"(SELECT DISTINCT {values} FROM {sums.relation})"
    if labels and own:
        code = "" if everything else f"{'a' if side == 'pre' else 'b'} AS code, "
        there = f"(SELECT DISTINCT {code}{values} FROM {sums.relation})"
        source = f"{source} CROSS JOIN {there}" if everything else f"{source} JOIN {there} USING (code)"
    parts = [f"label_{place}" for place in range(len(labels))]
    parts += [_as_text(f"own_{place}") for place in range(len(own))]
    named = engine.table("axis_groups", f"SELECT {', '.join(keys)}, {joint(parts)} AS label FROM {source}")
    refuse_joint_twins(engine, named, [*labels, *own])
    return named
