"""Files of ours that go along with a table: neuropils of its synapses, totals for fractions, IDs at two times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crantcli.core.neuropils.members import Members
from crantcli.core.relation import Relation, Totals
from crantcli.core.sql import text
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.sources.tables.annotations import id_expression, open_annotations
from crantcli.sources.tables.part import Part
from crantcli.text import P, did_you_mean


def open_members(engine: Engine, part: Part, names: Sequence[str], table: Relation) -> Members:
    """The synapses of chosen neuropils, from the assignments that `neuropil` makes.

    Raises
    ------
    DataError
        Where the file is something else, does not know a neuropil, or the table has no synapse ids.
    """
    missing = {"id", "neuropil"} - set(part.columns)
    if missing:
        why = (
            "it was made from a table without synapse ids, and tells rows by their number"
            if "row" in part.columns
            else f"{P.assignments} is the assignments.parquet that crantcli neuropil makes"
        )
        raise DataError(f"{part.name}: no column {', '.join(sorted(missing))}; {why}")
    if "id" not in table.roles:
        raise DataError(f"{part.name} tells synapses by their id, and the table has no column id")
    found_in = engine.execute(f"SELECT DISTINCT neuropil FROM {part.relation} WHERE neuropil IS NOT NULL")
    # One that was looked into may well be empty.
    known = {*(str(row[0]) for row in found_in), *part.recorded[0].neuropils}
    for name in names:
        if name not in known:
            raise DataError(
                f"{P.neuropil} {name}: no synapse lies in it ({did_you_mean(name, sorted(known), 'neuropils')})"
            )
    listed = ", ".join(map(text, names))
    # In another table the same ids may be text, because of one that is no number.
    kind = dict(engine.columns(f"SELECT id FROM {table.relation}"))["id"]
    relation = engine.table(
        "members",
        f"SELECT DISTINCT TRY_CAST({id_expression(engine, part, 'id')} AS {kind}) AS id "
        f"FROM {part.relation} WHERE neuropil IN ({listed})",
    )
    return Members(relation, tuple(names))


def open_totals(engine: Engine, part: Part, passed: dict[str, Any]) -> Totals:
    """Totals per neuron, from a table that `counts` made.

    Parameters
    ----------
    engine : Engine
    part : Part
    passed : dict
        Filters that the edges have passed.

    Raises
    ------
    DataError
        Where the file is something else, or was filtered otherwise.
    """
    missing = {"neuron_id", "pre_synapses", "post_synapses"} - set(part.columns)
    if missing:
        raise DataError(f"{part.name}: no column {', '.join(sorted(missing))}; {P.totals} is a table that counts made")
    # Of IDs that were brought to another time, edges have the new ones.
    opened = open_annotations(engine, [part], "current_id" if "current_id" in part.columns else "neuron_id")
    twice = engine.execute(f"SELECT id FROM {opened.every_row} GROUP BY id HAVING count(*) > 1 ORDER BY 1 LIMIT 1")
    if twice:
        raise DataError(
            f"{part.name}: neuron {twice[0][0]} stands in several rows, and a neuron has one total; make it without "
            f"{P.by}"
        )
    recorded = part.recorded[0]
    for name in ("clean", "min_size"):
        if recorded.command and recorded.filters.get(name) != passed[name]:
            raise DataError(
                f"{part.name}: made with {name} = {recorded.filters.get(name)}, and the edges with {passed[name]}; "
                "make it again with the same"
            )
    if recorded.command and list(recorded.filters.get("where", ())) != list(passed.get("where", ())):
        made = " and ".join(recorded.filters.get("where", ())) or "of no kind"
        raise DataError(
            f"{part.name}: made with {P.where} {made}, and the edges with another; make it again with the same"
        )
    relation = engine.view(
        "totals",
        'SELECT id, TRY_CAST("c:post_synapses" AS DOUBLE) AS input, TRY_CAST("c:pre_synapses" AS DOUBLE) AS output '
        f"FROM {opened.relation}",
    )
    return Totals(relation, recorded.completeness, recorded.filters, opened.inputs)


def open_renames(engine: Engine, part: Part) -> str:
    """What neurons are called at another time, from a table that `ids` made.

    Returns
    -------
    str
        A table `old_id, new_id, resolved`: text, one row for each old ID.

    Raises
    ------
    DataError
        Where the file is something else, has a row without an ID, or gives a neuron two IDs.
    """
    missing = {"old_id", "new_id"} - set(part.columns)
    if missing:
        raise DataError(f"{part.name}: no column {', '.join(sorted(missing))}; {P.ids} is a table that ids made")
    old, new = (f"CAST({id_expression(engine, part, name)} AS VARCHAR)" for name in ("old_id", "new_id"))
    resolved = "coalesce(CAST(method AS VARCHAR) <> 'unresolved', TRUE)" if "method" in part.columns else "TRUE"
    found = engine.table(
        "renames",
        f"SELECT DISTINCT {old} AS old_id, {new} AS new_id, {resolved} AS resolved FROM {part.relation}",
    )
    if engine.execute(f"SELECT 1 FROM {found} WHERE old_id IS NULL OR new_id IS NULL LIMIT 1"):
        raise DataError(f"{part.name}: a row has no old_id or no new_id; make it again with crantcli ids")
    twice = engine.execute(
        f"SELECT old_id, min(new_id), max(new_id) FROM {found} GROUP BY old_id HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    )
    if twice:
        neuron, one, other = twice[0]
        raise DataError(f"{part.name}: neuron {neuron} has two new IDs, {one} and {other}; it can have one")
    return found
