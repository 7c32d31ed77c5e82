"""Neurons that were named, with the IDs that they have at the moment of a live data set; and what to say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crantcli.core.relation import Annotations, annotation_column
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.ids import Selection
from crantcli.sources.cave.id_updates import Supervoxels, Update
from crantcli.sources.cave.live import CaveDataset
from crantcli.sources.tables.annotations import integer_ids
from crantcli.text import P, join_names

#: Column of the annotations with a supervoxel of each neuron.
SUPERVOXEL_COLUMN = "supervoxel_id"


def supervoxels_of(engine: Engine, annotations: Annotations | None, ids: Sequence[int]) -> dict[int, list[int]]:
    """Supervoxels that the annotations have for neurons. Those that may have lost digits are left out."""
    if annotations is None or SUPERVOXEL_COLUMN not in annotations.columns or not ids:
        return {}
    column = annotation_column(SUPERVOXEL_COLUMN)
    kind = dict(engine.columns(f"SELECT {column} FROM {annotations.every_row}"))[f"c:{SUPERVOXEL_COLUMN}"]
    if kind in ("FLOAT", "DOUBLE"):
        return {}
    with engine.temporary_tables():
        asked = engine.id_table("asked", ids, "BIGINT")
        # Text such as 7.2E16 has gone through a float, and would be read as a number.
        number = (
            f"CASE WHEN regexp_full_match(CAST({column} AS VARCHAR), '[0-9]+') THEN TRY_CAST({column} AS BIGINT) END"
        )
        rows = engine.execute(
            f"SELECT DISTINCT a.id, s.{quote('voxel')} FROM {asked} AS a JOIN (SELECT CAST(id AS VARCHAR) AS id, "
            f"{number} AS voxel FROM {annotations.every_row}) AS s ON CAST(a.id AS VARCHAR) = s.id "
            "WHERE s.voxel > 0 ORDER BY ALL"
        )
    found: dict[int, list[int]] = {}
    for neuron, voxel in rows:
        found.setdefault(int(neuron), []).append(int(voxel))
    return found


def brought_to(dataset: CaveDataset, asked: Selection, supervoxels: Supervoxels) -> Selection:
    """The same neurons under the IDs that they have at the moment of the data set.

    Raises
    ------
    DataError
        Where one cannot be found, and that was to be an error.
    """
    if not dataset.options.update_ids or not asked.ids:
        return asked
    updates = dataset.update([int(neuron) for neuron in asked.ids], supervoxels)
    refuse_unresolved(dataset, updates)
    changed = any(update.changed for update in updates)
    return replace(
        asked,
        ids=tuple(dict.fromkeys(update.new for update in updates)),
        notes=(*asked.notes, *notes_about(updates, dataset)),
        requested=tuple((update.old, update.new) for update in updates) if changed else (),
    )


def annotated_changes(
    engine: Engine, dataset: CaveDataset, annotations: Annotations, supervoxels: Supervoxels
) -> tuple[list[tuple[int, int]], list[str]]:
    """Which annotated neurons have other IDs at the moment of the data set, and what to say about it.

    An annotation whose neuron cannot be found stays as it is, and says nothing about any synapse.
    """
    updates = dataset.update(integer_ids(engine, annotations), supervoxels)
    changed = [(update.old, update.new) for update in updates if update.changed]
    notes = []
    lost = [update for update in updates if update.method == "unresolved"]
    if lost:
        notes.append(
            f"{len(lost):,} of {len(updates):,} annotated neurons cannot be found at {dataset.data_version}: "
            f"{_named(lost)}"
        )
    if changed:
        first = changed[0]
        notes.append(
            f"{len(changed):,} of {len(updates):,} annotated neurons have another ID at {dataset.data_version}, "
            f"such as {first[0]} -> {first[1]}"
        )
    return changed, notes


def refuse_unresolved(dataset: CaveDataset, updates: Sequence[Update]) -> None:
    """Stop where an ID could not be found, if it was asked to.

    Raises
    ------
    DataError
    """
    lost = [update for update in updates if update.method == "unresolved"]
    if lost and dataset.options.strict_ids:
        raise DataError(
            f"{len(lost):,} of {len(updates):,} IDs cannot be found at {dataset.data_version}: {_named(lost)}; leave "
            f"{P.strict_ids(True)} out to go on with the others"
        )


def ids_to_fetch(dataset: CaveDataset, selection: Selection) -> tuple[int, ...]:
    """The IDs to ask the server for. Between materializations it refuses all where one is unknown to it."""
    ids = tuple(int(neuron) for neuron in selection.ids)
    if dataset.data_version.version is not None or not dataset.options.update_ids or not ids:
        return ids
    current = dataset.are_current(ids)
    return tuple(neuron for neuron, there in zip(ids, current, strict=True) if there)


def notes_about(updates: Sequence[Update], dataset: CaveDataset) -> list[str]:
    """What the user should know about IDs that are not what they were."""
    notes = []
    changed = [update for update in updates if update.changed]
    if changed:
        first = changed[0]
        notes.append(
            f"{len(changed):,} of {len(updates):,} IDs were updated to {dataset.data_version}, such as {first.old} -> "
            f"{first.new}"
        )
    unsure = [update for update in changed if update.confidence < 1]
    for update in unsure[:5]:
        share = f"{update.confidence:.0%} of its pieces are in {update.new}, which is taken for it"
        notes.append(f"neuron {update.old}: {update.why}; {share}")
    if len(unsure) > 5:
        notes.append(f"and {len(unsure) - 5:,} more such neurons; crantcli ids lists them")
    notes += _merged(updates)
    lost = [update for update in updates if update.method == "unresolved"]
    if lost:
        notes.append(
            f"{len(lost):,} of {len(updates):,} IDs cannot be found at {dataset.data_version} and are kept as they "
            f"are: {_named(lost)}"
        )
    return notes


def _merged(updates: Sequence[Update]) -> list[str]:
    """Which IDs are one neuron now."""
    together: dict[int, list[int]] = {}
    for update in updates:
        together.setdefault(update.new, []).append(update.old)
    several: Mapping[int, list[int]] = {new: olds for new, olds in together.items() if len(olds) > 1}
    if not several:
        return []
    new, olds = next(iter(several.items()))
    more = f", and {len(several) - 1:,} more such groups" if len(several) > 1 else ""
    return [f"{join_names([str(old) for old in olds])} are one neuron, {new}, which is asked for once{more}"]


def _named(lost: Sequence[Update]) -> str:
    return join_names([f"{update.old} ({update.why})" for update in lost], most=5)
