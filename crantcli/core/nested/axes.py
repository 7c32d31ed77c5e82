"""The neurons that may be on the axes of a nested matrix: what annotations say of them, and which were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.matrix.order import COLUMN_FIELDS, COLUMNAR_TYPE, ring_place
from crantcli.core.nested.choice import AxisChoice
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.groups import side_of
from crantcli.core.rows.labels import joint, key, label, label_columns, refuse_joint_twins, typed
from crantcli.errors import DataError, UsageError
from crantcli.schema import IdType, Names
from crantcli.text import P, did_you_mean

#: Place of a neuron that is not annotated.
NOWHERE = 2**62


@dataclass(frozen=True)
class NeuronIndex:
    """All neurons that may be on an axis, each with a code 0, 1, ... by which its arrays are indexed.

    Attributes
    ----------
    relation : str
        A table `id, code, ...`.
    ids : ndarray of int64 or text
    types : list of str
        Labels; `type_code` is a place in it, or -1.
    place : ndarray of int64
        Row of the annotations.
    ring : ndarray of int64
        Place around the ellipsoid body, for the columnar type; else 0.
    """

    relation: str
    ids: NDArray[Any]
    types: list[str]
    type_code: NDArray[np.int64]
    place: NDArray[np.int64]
    ring: NDArray[np.int64]


def block_columns(annotations: Annotations | None, by: tuple[str, ...]) -> tuple[Annotations, tuple[str, ...]]:
    """The annotations, and their columns whose labels make the blocks: those that are named, else that of cell types.

    Raises
    ------
    UsageError, DataError
    """
    if not by:
        annotations, column = typed(annotations, "a nested matrix")
        return annotations, (column,)
    _refuse_columns_of_synapses(annotations, by)
    columns = label_columns(annotations, by)
    assert annotations is not None
    return annotations, columns


def _refuse_columns_of_synapses(annotations: Annotations | None, by: tuple[str, ...]) -> None:
    """Say what to do with a column that tells of synapses, by its name, and that the annotations have not.

    Raises
    ------
    UsageError
    """
    known = Names(() if annotations is None else annotations.columns)
    for name in by:
        if known.get(name) is None and (side_of(name) or name.lower() in ("neuropil", "roi")):
            command = "adjacency" if side_of(name) else "connectivity"
            raise UsageError(
                f"{P.by(name)}: blocks are of neurons, by columns of the annotations, and a column {name} of the "
                f"table is of its synapses; {P.where(f'{name} = VALUE')} keeps one kind of them, and crantcli "
                f"{command} {P.by.flag} tells all kinds"
            )


def label_table(engine: SqlEngine, id_type: IdType, annotations: Annotations, columns: tuple[str, ...]) -> str:
    """A table of the annotated neurons: `id, place, label`, and the fields that tell the column of columnar ones.

    Raises
    ------
    DataError
        Where joined labels of two groups are one.
    """
    parts = [label(column, annotations) for column in columns]
    if len(parts) > 1:
        apart = ", ".join(f"{part} AS label_{number}" for number, part in enumerate(parts))
        groups = engine.view(
            "block_groups", f"SELECT DISTINCT {joint(parts)} AS label, {apart} FROM {annotations.relation}"
        )
        refuse_joint_twins(engine, groups, columns)
    block = joint(parts)
    fields = [
        f"coalesce(CASE WHEN {block} = {sql.text(COLUMNAR_TYPE)} "
        f"THEN {label(name, annotations) if name in annotations.columns else 'NULL'} END, '') AS field_{number}"
        for number, name in enumerate(COLUMN_FIELDS)
    ]
    return engine.table(
        "labels",
        sql.first_of_each(
            f"SELECT {key(id_type)} AS id, place, {block} AS label, {', '.join(fields)} "
            f"FROM {annotations.relation} WHERE {key(id_type)} IS NOT NULL",
            key(id_type),
            "place",
        ),
    )


def asked_table(engine: SqlEngine, id_type: IdType, labels: str, choice: AxisChoice, ignore_case: bool) -> str | None:
    """A table `id` of the neurons chosen for an axis; None for all."""
    if not choice.given:
        return None
    chosen = []
    if choice.types is not None:
        known = known_types(engine, labels)
        named = [sql.text(name) for name in matching_types(choice.types, known, ignore_case)]
        listed = f"label IN ({', '.join(named)})" if named else "FALSE"
        chosen.append(f"SELECT id FROM {labels} WHERE {listed}")
    if choice.neurons is not None:
        chosen.append(f"SELECT id FROM {engine.id_table('chosen', choice.neurons.ids, id_type)}")
    return engine.table("axis_choice", " UNION ".join(chosen))


def known_types(engine: SqlEngine, labels: str) -> list[str]:
    """All labels of a table of neurons."""
    query = f"SELECT DISTINCT label FROM {labels} WHERE label IS NOT NULL ORDER BY label"
    return [str(row[0]) for row in engine.execute(query)]


def matching_types(wanted: tuple[str, ...], known: list[str], ignore_case: bool) -> list[str]:
    """Labels that are named."""
    found: list[str] = []
    for name in wanted:
        same = [word for word in known if word == name or (ignore_case and word.casefold() == name.casefold())]
        if not same:
            raise DataError(
                f"type {name}: no neuron is annotated with it ({did_you_mean(name, sorted(known), 'types')})"
            )
        found += same
    return found


def neuron_index(
    engine: SqlEngine, table: Relation, labels: str, pairs: str, asked: dict[str, str | None], everybody: bool
) -> NeuronIndex:
    """List the annotated neurons and, with `everybody`, all others that the pairs or the choices name."""
    sources = [f"SELECT * FROM {labels}"]
    if everybody:
        ends = [f"SELECT {end} AS id FROM {pairs}" for end in ("pre", "post")]
        ends += [f"SELECT id FROM {chosen}" for chosen in asked.values() if chosen is not None]
        ends += [f"SELECT id FROM {table.silent}"] if table.silent is not None else []
        fields = ", ".join(f"'' AS field_{number}" for number in range(len(COLUMN_FIELDS)))
        sources.append(
            f"SELECT id, {NOWHERE} AS place, NULL AS label, {fields} FROM ({' UNION '.join(ends)}) "
            f"WHERE id NOT IN (SELECT id FROM {labels})"
        )
    relation = engine.table(
        "roster", f"SELECT *, row_number() OVER (ORDER BY id) - 1 AS code FROM ({' UNION ALL '.join(sources)})"
    )
    types = known_types(engine, relation)
    numbered = engine.id_table("type_codes", types, "VARCHAR")
    found_arrays = engine.arrays(
        f"SELECT r.id AS id, r.place AS place, coalesce(t.position, -1) AS type_code FROM {relation} AS r "
        f"LEFT JOIN {numbered} AS t ON r.label = t.id ORDER BY r.code"
    )
    ring = np.zeros(len(found_arrays["id"]), dtype=np.int64)
    fields = ", ".join(f"field_{number}" for number in range(len(COLUMN_FIELDS)))
    for code, *words in engine.execute(
        f"SELECT code, {fields} FROM {relation} WHERE label = {sql.text(COLUMNAR_TYPE)}"
    ):
        ring[code] = ring_place(words)
    return NeuronIndex(relation, found_arrays["id"], types, found_arrays["type_code"], found_arrays["place"], ring)
