"""What was asked for and is not there: neurons without synapses in the table, annotations of other IDs.

Everything here looks at what was made for the answer, such as the pairs of the neurons that were asked for. Only where
that leaves a doubt, the table itself is looked at, and only if it is small or the look ends with the first row that
settles it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations, Relation, annotation_column
from crantcli.core.rows.labels import key
from crantcli.core.sql import text
from crantcli.ids import Selection
from crantcli.schema import Kind, NeuronId
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.core.rows.filters import NeuronFilter, RowFilter

#: Up to this many rows, a table is read once more to tell who is not in it.
SMALL = 10_000_000

#: Rows in which IDs of a further column of the annotations are looked for.
_SAMPLE = 1_000_000

_NAMES = {
    ("pre", "post"): ("neurons", "{what}"),
    ("pre",): ("presynaptic neurons", "outgoing {what}"),
    ("post",): ("postsynaptic neurons", "incoming {what}"),
}


def some(neurons: Sequence[NeuronId]) -> str:
    """Up to three neurons, for a message."""
    return ", ".join(map(str, neurons[:3]))


def absent(
    engine: SqlEngine, table: Relation, chosen: Selection, relation: str, sides: Sequence[str], rows: RowFilter
) -> list[NeuronId]:
    """Neurons that were asked for and have no row, in their order, under the IDs that they were asked for.

    Parameters
    ----------
    relation : str
        Rows or pairs of the table, in which each neuron would be that is there.
    sides : sequence of str
        "pre", "post", or both: where it would be.
    """
    asked = engine.id_table("asked", chosen.ids, table.id_type)
    # Of many rows, those of a few neurons: the other way round would hold all rows in memory.
    known = [f"SELECT DISTINCT {side} FROM {relation} WHERE {side} IN (SELECT id FROM {asked})" for side in sides]
    if table.silent is not None:
        listed = ", ".join(map(text, sides))
        known.append(f"SELECT id FROM {table.silent} WHERE side IN ({listed})")
    background = f" AND NOT {rows.is_background('id', table.id_type)}" if rows.clean else ""
    found = engine.execute(
        f"SELECT id FROM {asked} WHERE id NOT IN ({' UNION ALL '.join(known)}){background} ORDER BY position"
    )
    named: dict[NeuronId, list[NeuronId]] = {}
    for old, new in chosen.requested:
        named.setdefault(new, []).append(old)
    return [old for row in found for old in named.get(row[0], [row[0]])]


def absent_note(table: Relation, missing: Sequence[NeuronId], chosen: Selection, sides: Sequence[str]) -> str:
    """What to say of neurons without rows, which may be there all the same: without a partner, or on the other side."""
    neurons, what = _NAMES[tuple(sides)]
    number = len(chosen.requested or chosen.ids)
    what = what.format(what="synapses" if table.kind is Kind.SYNAPSES else "edges")
    have = "has" if len(missing) == 1 else "have"
    where = "in the table" if table.within is None else "in these neuropils"
    which = f": {some(missing)}" if len(missing) <= 3 else f", such as {some(missing)}"
    return f"{len(missing):,} of {number:,} selected {neurons} {have} no {what} {where}{which}"


def absent_notes(engine: SqlEngine, table: Relation, wanted: NeuronFilter, relation: str, rows: RowFilter) -> list[str]:
    """What to say of neurons that were asked for and are not in the table.

    Parameters
    ----------
    relation : str
        The rows that were asked for, or their pairs, before cleaning and threshold.
    """
    notes = []
    if wanted.either is not None:
        missing = absent(engine, table, wanted.either, relation, ("pre", "post"), rows)
        notes = [absent_note(table, missing, wanted.either, ("pre", "post"))] if missing else []
    both = wanted.pre is not None and wanted.post is not None
    for side, chosen in (("pre", wanted.pre), ("post", wanted.post)):
        missing = absent(engine, table, chosen, relation, (side,), rows) if chosen is not None else []
        if chosen is None or not missing or (both and table.partial):
            continue
        if both and (table.rows > SMALL or table.within is not None):
            names = ("presynaptic", "postsynaptic")
            own, other = names if side == "pre" else names[::-1]
            notes.append(
                f"{len(missing):,} of {len(chosen.ids):,} selected {own} neurons have no synapses with the selected "
                f"{other} ones, such as {some(missing)}"
            )
            continue
        if both:
            missing = absent(engine, table, Selection(tuple(missing)), table.relation, (side,), rows)
        if missing:
            notes.append(absent_note(table, missing, chosen, (side,)))
    return notes


def axis_notes(
    engine: SqlEngine, table: Relation, chosen: Mapping[str, Selection | None], relation: str, rows: RowFilter
) -> list[str]:
    """The same for neurons that are chosen for a side, whatever their partners are.

    Parameters
    ----------
    chosen : mapping of "pre" and "post" to Selection or None
    relation : str
        Most rows of the table; who is not in there is looked for in the table.
    """
    notes = []
    for side, selection in chosen.items():
        if selection is None or table.partial:
            continue
        missing = absent(engine, table, selection, relation, (side,), rows)
        if missing:
            missing = absent(engine, table, Selection(tuple(missing)), table.relation, (side,), rows)
        if missing:
            notes.append(absent_note(table, missing, selection, (side,)))
    return notes


def chosen_notes(
    engine: SqlEngine,
    table: Relation,
    asked: Mapping[str, str | None],
    labels: str | None,
    present: str,
    rows: RowFilter,
    kept: bool,
) -> list[str]:
    """What to say of neurons chosen for the axes of a nested matrix that have no annotation, or nothing that counts.

    Parameters
    ----------
    asked : mapping of "pre" and "post" to str or None
        Tables `id` of the chosen neurons.
    labels : str or None
        A table `id` of the annotated neurons, if others are left out.
    present : str
        Pairs after cleaning and threshold.
    kept : bool
        Neurons that are not among them are on the axes nevertheless.
    """
    unit, notes = "synapses" if table.kind is Kind.SYNAPSES else "edges", []
    for end, side in (("pre", "source"), ("post", "target")):
        if asked[end] is None:
            continue
        known = f"id IN (SELECT id FROM {labels})" if labels is not None else "TRUE"
        chosen = engine.execute(f"SELECT id, {known} AS known FROM {asked[end]} ORDER BY id")
        able, unknown = ([neuron for neuron, told in chosen if told is wanted] for wanted in (True, False))
        of_all = f"of {len(chosen):,} chosen {side} neurons are"
        if unknown:
            notes.append(
                f"{len(unknown):,} {of_all} left out for want of an annotation, such as {some(unknown)} "
                "(annotation scope annotated_only)"
            )
        missing = absent(engine, table, Selection(tuple(able)), present, (end,), rows)
        if missing and not kept:
            which = f"for want of {unit}, such as {some(missing)} ({P.keep_unconnected(True)} keeps them)"
            notes.append(f"{len(missing):,} {of_all} left out {which}")
        elif missing and not table.partial:  # of that it was not fetched whether they are there
            notes.append(f"{len(missing):,} {of_all} without {unit}, such as {some(missing)}")
    return notes


def unrelated_note(engine: SqlEngine, table: Relation, annotations: Annotations) -> list[str]:
    """What to say of annotations none of whose neurons is in the table, and which of their columns has its IDs."""
    if table.partial or not table.rows:
        return []
    ids = f"SELECT {key(table.id_type)} AS id FROM {annotations.relation} WHERE {key(table.id_type)} IS NOT NULL"
    number = engine.execute(f"SELECT count(*) FROM {annotations.relation}")[0][0]
    rows = table.relation
    if not number or engine.execute(f"SELECT 1 FROM {rows} WHERE pre IN ({ids}) OR post IN ({ids}) LIMIT 1"):
        return []
    if table.silent is not None and engine.execute(f"SELECT 1 FROM {table.silent} WHERE id IN ({ids}) LIMIT 1"):
        return []
    others = [name for name in annotations.columns if name not in {annotations.id_column, *annotations.list_columns}]
    columns = [
        f"SELECT {text(name)} AS name, trim(CAST({annotation_column(name)} AS VARCHAR)) AS value "
        f"FROM {annotations.relation}"
        for name in others
    ]
    note = f"none of the {number:,} annotated neurons (column {annotations.id_column}) is in the table"
    if not columns:
        return [note]
    # Which rows come first is not told where many places read them.
    sample = f"(SELECT pre, post FROM {rows}{'' if engine.spread else f' LIMIT {_SAMPLE}'})"
    ends = [f"SELECT pre AS id FROM {sample}", f"SELECT post FROM {sample}"]
    ends += [f"SELECT id FROM {table.silent}"] if table.silent is not None else []
    seen = f"SELECT CAST(id AS VARCHAR) AS id FROM ({' UNION '.join(ends)})"
    found = engine.execute(
        f"SELECT name, count(DISTINCT id) AS n FROM ({seen}) AS t JOIN ({' UNION ALL '.join(columns)}) AS c "
        "ON t.id = c.value GROUP BY name ORDER BY n DESC, name LIMIT 1"
    )
    if not found:
        return [f"{note}; do table and annotations hold the same kind of IDs?"]
    column, matched = found[0]
    return [f"{note}; column {column} holds {matched:,} of its IDs: {P.neuron_id_column(column)}"]
