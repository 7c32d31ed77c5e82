"""Neuroglancer states: what a viewer is to show, as its documentation of the JSON state has it.

Segment IDs are text throughout: JavaScript's numbers are exact up to 2^53 only.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from crantcli.core.addresses import MeshAddress
from crantcli.core.relation import VoxelSize
from crantcli.core.viewer import Scene, ShownSynapse
from crantcli.output.figures.colours import UNLABELLED, label_colours

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
    return f"{viewer.split('#')[0]}#!{urllib.parse.quote(state_text(state), safe='')}"
