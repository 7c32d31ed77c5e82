"""Neuroglancer states: what a viewer is to show, as its documentation of the JSON state has it.

Segment IDs are text throughout: JavaScript's numbers are exact up to 2^53 only.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crantcli.core import sql
from crantcli.core.addresses import Dataset, MeshAddress
from crantcli.core.label_colours import UNLABELLED, label_colours
from crantcli.core.relation import Relation, VoxelSize
from crantcli.core.viewer import Scene, ShownSynapse
from crantcli.errors import DataError, UsageError
from crantcli.text import P

#: Names of the layers.
IMAGE, NEURONS, SYNAPSES, NEUROPILS = "image", "neurons", "synapses", "neuropils"

#: Metres in a nanometre.
_NM = 1e-9

_AXES = "xyz"


def state_of(view: Scene) -> dict[str, Any]:
    """The state that shows a view, ready for JSON."""
    layers = [_neurons(view)]
    if view.viewer.image is not None:
        layers.insert(0, {"type": "image", "source": view.viewer.image, "name": IMAGE})
    if view.synapses:
        layers.append(_synapses(view))
    if view.neuropils is not None:
        layers.append(_neuropils(view.neuropils, view.neuropil_names))
    return {
        "dimensions": _dimensions(view.voxel_size),
        **({"position": _middle(view)} if view.synapses else {}),
        "layers": layers,
        "selectedLayer": {"layer": NEURONS, "visible": True},
        "layout": "4panel" if view.viewer.image is not None else "3d",
    }


def neuron_colours(view: Scene) -> dict[int, str]:
    """The colour of each neuron: that of its type, grey without one."""
    known = label_colours(kind for kind in view.neurons.values() if kind is not None)
    return {neuron: UNLABELLED if kind is None else known[kind] for neuron, kind in view.neurons.items()}


def _neurons(view: Scene) -> dict[str, Any]:
    return {
        "type": "segmentation",
        "source": view.viewer.segmentation or [],
        "segments": [str(neuron) for neuron in view.neurons],
        "segmentColors": {str(neuron): colour for neuron, colour in neuron_colours(view).items()},
        "name": NEURONS,
    }


def _synapses(view: Scene) -> dict[str, Any]:
    dimensions = _dimensions(view.voxel_size)
    return {
        "type": "annotation",
        "source": {"url": "local://annotations", "transform": {"outputDimensions": dimensions}},
        "annotations": [_annotation(number, one, view.voxel_size) for number, one in enumerate(view.synapses)],
        "linkedSegmentationLayer": {"segments": NEURONS},
        "name": SYNAPSES,
    }


def _annotation(number: int, synapse: ShownSynapse, voxel_size: VoxelSize) -> dict[str, Any]:
    points = [_voxels(point, voxel_size) for point in synapse.points]
    shape: dict[str, Any] = {"type": "point", "point": points[0]}
    if len(points) > 1:
        shape = {"type": "line", "pointA": points[0], "pointB": points[1]}
    return {**shape, "id": str(number), "segments": [[str(synapse.pre), str(synapse.post)]]}


def _voxels(point: Sequence[float], voxel_size: VoxelSize) -> list[float]:
    return [round(value / size, 3) for value, size in zip(point, voxel_size, strict=True)]


def _middle(view: Scene) -> list[float]:
    """The middle of the synapses' box, in voxels."""
    points = [point for synapse in view.synapses for point in synapse.points]
    return _voxels([(min(axis) + max(axis)) / 2 for axis in zip(*points, strict=True)], view.voxel_size)


def _dimensions(voxel_size: VoxelSize) -> dict[str, Any]:
    # Nine digits: 8 nm is 8e-9 m, and not 8.000000000000001e-9.
    return {axis: [float(f"{size * _NM:.9g}"), "m"] for axis, size in zip(_AXES, voxel_size, strict=True)}


def _neuropils(place: MeshAddress, names: Mapping[int, str]) -> dict[str, Any]:
    address = place.address if place.address.startswith("precomputed://") else f"precomputed://{place.address}"
    source: dict[str, Any] = {"url": address}
    if place.transform is not None:
        rows = [list(place.transform[start : start + 4]) for start in (0, 4, 8)]
        source["transform"] = {"matrix": rows, "outputDimensions": _dimensions((1.0, 1.0, 1.0))}
    colours = label_colours(names.values())
    return {
        "type": "segmentation",
        "source": source,
        "segments": [str(number) for number in names],
        "segmentColors": {str(number): colours[name] for number, name in names.items()},
        "objectAlpha": 0.2,
        "name": NEUROPILS,
    }


def state_text(state: Mapping[str, Any]) -> str:
    """A state as JSON, one line."""
    return json.dumps(state, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def state_url(viewer: str, state: Mapping[str, Any]) -> str:
    """The address of a viewer that shows a state, which follows `#!`."""
    return f"{viewer_address(viewer)}#!{urllib.parse.quote(state_text(state), safe='')}"


def short_url(viewer: str, kept: str) -> str:
    """The address of a viewer that fetches a state from a server of CAVE, with the reader's own log-in."""
    return f"{viewer_address(viewer)}#!middleauth+{kept}"


def viewer_address(viewer: str) -> str:
    """The address of a viewer without a state."""
    return viewer.split("#")[0]


#: They stand for the two neurons of a pair, and are too large to be neurons.
_PRE, _POST = 10**19 + 1, 10**19 + 2

#: Why a table gets no links.
NAMES = "the neurons of this table are called by names, and segments of a viewer have numbers"


@dataclass(frozen=True)
class PairLinks:
    """Links to a viewer that show both neurons of a pair, each in a colour of its own.

    Attributes
    ----------
    scene : Scene
        Without neurons.
    """

    scene: Scene

    def of_table(self, table: Relation) -> PairLinks:
        """The same, for neurons of a table.

        Raises
        ------
        DataError
            Where these are called by names.
        """
        if table.id_type != "BIGINT":
            raise DataError(f"{P.links}: {NAMES}")
        return self

    @property
    def address(self) -> str:
        """The viewer's."""
        return viewer_address(str(self.scene.viewer.url))

    def template(self, alone: bool = False) -> dict[str, Any]:
        """The state that shows a pair, or a neuron alone, whose IDs are `placeholders`."""
        neurons = {_PRE: "presynaptic"} if alone else {_PRE: "presynaptic", _POST: "postsynaptic"}
        return state_of(Scene(neurons, self.scene.viewer, self.scene.voxel_size))

    @property
    def placeholders(self) -> tuple[str, str]:
        """What stands for the pre- and the postsynaptic neuron in a template."""
        return str(_PRE), str(_POST)

    def neuron_sql(self, neuron: str) -> str:
        """The link that shows a neuron, as query text."""
        return self._filled(self.template(alone=True), {str(_PRE): neuron})

    def pair_sql(self, pre: str, post: str) -> str:
        """The link that shows two neurons, or the one that both are, as query text."""
        both = self._filled(self.template(), {str(_PRE): pre, str(_POST): post})
        return f"CASE WHEN {pre} = {post} THEN {self.neuron_sql(pre)} ELSE {both} END"

    def _filled(self, state: Mapping[str, Any], columns: Mapping[str, str]) -> str:
        """A link with columns in the place of IDs, as query text."""
        pieces = re.split(f"({'|'.join(columns)})", state_url(self.address, state))
        return " || ".join(
            f"CAST({columns[piece]} AS VARCHAR)" if piece in columns else sql.text(piece) for piece in pieces
        )


def pair_links(dataset: Dataset | None) -> PairLinks | None:
    """Links to the viewer of a data set; None where it names none, or no neurons to show in it."""
    if dataset is None or dataset.viewer.url is None or dataset.viewer.segmentation is None:
        return None
    return PairLinks(Scene({}, dataset.viewer, dataset.voxel_size or (1.0, 1.0, 1.0)))


def needed_links(dataset: Dataset | None) -> PairLinks:
    """Links to the viewer of a data set.

    Raises
    ------
    UsageError
        Where it names none.
    """
    links = pair_links(dataset)
    if links is None:
        where = (
            f"a data set that names one: {P.dataset.metavar('NAME')}, or CRANT_DEFAULT_DATASET"
            if dataset is None
            else f'[viewer] url = "https://..." and segmentation = "..." in the TOML of data set {dataset.name}'
        )
        raise UsageError(f"{P.links} needs a viewer that shows neurons, and so {where}")
    return links
