"""Opens what a viewer is to show: neurons with their types, some of their synapses, neuropils."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crantcli.core import sql
from crantcli.core.addresses import Dataset, MeshAddress
from crantcli.core.neuroglancer import NAMES
from crantcli.core.questions.base import Needs
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.rows.labels import key, label
from crantcli.core.rows.units import convert_positions
from crantcli.core.synapses import synapse_rows
from crantcli.core.viewer import Scene, ShownSynapse
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection, Selector
from crantcli.run.inputs import Opener
from crantcli.run.request import Request
from crantcli.text import P, did_you_mean

#: Synapses that are shown, where nothing else is said: browsers take as long for an address as for a file.
MAX_POINTS = 1000

#: Positions of which the first that a table has is a synapse's, where it has not those of both sides.
_POINTS = ("ctr_pt_position", "pre_pt_position", "post_pt_position")


def open_view(
    opener: Opener, request: Request, neurons: Sequence[Selector], neuropils: Sequence[str], max_points: int
) -> Scene:
    """What a viewer is to show of neurons.

    Parameters
    ----------
    opener : Opener
        Its notes get what there is to say.
    request : Request
        Its source is a table of synapses, or nothing.
    neurons : sequence of Selector
    neuropils : sequence of str
        Names, or "all".
    max_points : int
        Synapses to show at most.

    Raises
    ------
    UsageError
        Where the data set lacks what is asked for.
    DataError
        For synapses without positions, and for neuropils that there are not.
    """
    dataset = opener.dataset
    if dataset is None:
        raise UsageError(
            f"a link needs to know where a brain is: {P.dataset.metavar('NAME')}, or CRANT_DEFAULT_DATASET"
        )
    opener.annotations(request.annotations, request.neuron_id_column, request.cell_type_column)
    table = (
        None if request.has_no_source else opener.table(request.source, request.reading(Needs({}, carry="positions")))
    )
    if table is not None:
        table.require_synapses("link")
        if table.id_type != "BIGINT":
            raise DataError(NAMES)
    chosen = opener.select_numbers(neurons)
    if dataset.viewer.segmentation is None:
        opener.notes.append(
            f"data set {dataset.name} names no segmentation, so the layer of neurons has no source yet; its TOML takes "
            '[viewer] segmentation = "graphene://..." or "precomputed://..."'
        )
    shown = [] if table is None else _synapses(opener, table, chosen, request, max_points)
    place, names = _neuropils(dataset, neuropils) if neuropils else (None, {})
    voxel = dataset.voxel_size or (None if table is None else table.voxel_size)
    if voxel is None:
        opener.notes.append("the voxel size is not known, so that coordinates are in nm; [voxel] size_nm says it")
    return Scene(_types(opener, chosen), dataset.viewer, voxel or (1.0, 1.0, 1.0), shown, place, names)


def _types(opener: Opener, chosen: Selection) -> dict[int, str | None]:
    """Neurons in their order, and their types."""
    annotations = opener.opened_annotations
    found: dict[Any, str | None] = dict.fromkeys(chosen.ids)
    if annotations is not None and annotations.type_column is not None:
        ids = opener.engine.id_table("shown", chosen.ids, "BIGINT")
        rows = opener.engine.execute(
            f"SELECT s.id, a.label FROM {ids} AS s JOIN (SELECT {key('BIGINT')} AS id, "
            f"{label(annotations.type_column, annotations)} AS label FROM {annotations.relation}) AS a ON s.id = a.id"
        )
        found.update(rows)
    missing = sum(kind is None for kind in found.values())
    if missing:
        opener.notes.append(f"{missing:,} of {len(found):,} neurons have no type, and are grey")
    return found


def _synapses(opener: Opener, table: Relation, chosen: Selection, request: Request, most: int) -> list[ShownSynapse]:
    """Some synapses of these neurons, which do not depend on the order of the table."""
    both = ("pre_pt_position", "post_pt_position")
    named = both if set(both) <= set(table.positions) else ()
    points = named or tuple(name for name in (*_POINTS, "") if name in table.positions)[:1]
    if not points:
        raise DataError("link shows synapses where they are, and this table has no positions")
    conversions, _, _ = convert_positions(table, "nm")
    rows = RowFilter(request.clean, opener.background, request.min_size, request.threshold)
    found = synapse_rows(opener.engine, table, NeuronFilter(either=chosen), rows, conversions)
    opener.notes += found.notes
    axes = [axis for name in points for axis in table.axes(name)]
    pre, post = table.written_names
    picked = ", ".join(f"CAST({sql.quote(axis)} AS DOUBLE) AS p{number}" for number, axis in enumerate(axes))
    places = ", ".join(f"p{number}" for number in range(len(axes)))
    there = opener.engine.table(
        "shown_synapses",
        f"SELECT {sql.quote(pre)} AS pre, {sql.quote(post)} AS post, {picked} FROM ({found.query})",
    )
    located = f"{there} WHERE {' AND '.join(f'p{number} IS NOT NULL' for number in range(len(axes)))}"
    number, whole = (
        int(opener.engine.execute(f"SELECT count(*) FROM {relation}")[0][0]) for relation in (located, there)
    )
    if number < whole:
        opener.notes.append(f"{whole - number:,} synapses have no position, and are not shown")
    if number > most:
        opener.notes.append(f"{most:,} of {number:,} synapses are shown, spread over all; {P.max_points} shows more")
    # Numbers that mix: which ones are taken has nothing to do with where they are, and never changes.
    mixed = f"md5(concat_ws(',', pre, post, {places}))"
    rows_shown = opener.engine.execute(
        f"SELECT * FROM (SELECT * FROM {located} ORDER BY {mixed}, pre, post, {places} LIMIT {most}) "
        f"ORDER BY pre, post, {places}"
    )
    return [
        ShownSynapse(row[0], row[1], tuple(tuple(row[start : start + 3]) for start in range(2, len(row), 3)))
        for row in rows_shown
    ]


def _neuropils(dataset: Dataset, wanted: Sequence[str]) -> tuple[MeshAddress, dict[int, str]]:
    """Where the meshes of neuropils are, and those that are wanted."""
    place = dataset.mesh_source
    if place is None or "://" not in place.address:
        raise UsageError(
            f"{P.neuropils}: data set {dataset.name} has no meshes that a browser can read; its TOML takes "
            '[neuropils] source = "precomputed://https://..."'
        )
    if place.labels is None:
        raise UsageError(f"{P.neuropils}: data set {dataset.name} does not say which meshes are which neuropils; its "
                         "TOML takes [neuropils] labels")  # fmt: skip
    known = {name: number for number, name in place.labels}
    names = list(known) if list(wanted) == ["all"] else list(dict.fromkeys(wanted))
    for name in names:
        if name not in known:
            raise DataError(f"no neuropil is called {name} ({did_you_mean(name, known, 'neuropils')})")
    return place, {known[name]: name for name in names}
