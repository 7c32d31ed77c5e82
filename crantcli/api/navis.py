"""`attach_synapses`: synapses as connectors of navis neurons.

navis takes seconds to import and is not needed for this: whoever has a navis neuron has imported it already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from crantcli.api.frames import FrameSink, answer, checked_voxel_size, frame_of
from crantcli.checks import check_choice
from crantcli.core.geometry.skeleton import Skeleton
from crantcli.core.question import Output
from crantcli.core.questions.attach import COMPARTMENT, CURRENT, MAX_DISTANCE, Attach, Attached
from crantcli.core.questions.base import Results
from crantcli.core.relation import Relation, VoxelSize
from crantcli.engine.duckdb import Engine
from crantcli.engine.limits import DEFAULT_MEMORY
from crantcli.errors import ArgumentTypeError, DataError
from crantcli.ids import parse_id
from crantcli.remote.settings import LiveOptions
from crantcli.run.request import Request
from crantcli.schema import IdType, NeuronId
from crantcli.sources.shapes.skeletons import SKELETON_UNITS, skeleton_scale
from crantcli.sources.tables.read_options import ReadKeywords, read_options

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a neuron's connectors.
CONNECTORS = ("connector_id", "x", "y", "z", "type", "partner_id", "node_id", "synapse_id", "distance")


def attach_synapses(
    neurons: Any,
    pre: bool = True,
    post: bool = True,
    threshold: int = 1,
    min_size: int | None = None,
    materialization: str | int | datetime = "latest",
    clean: bool = True,
    max_distance: float = MAX_DISTANCE,
    update_ids: bool = True,
    dataset: str | None = None,
    *,
    source: Any = None,
    coordinates: str | None = None,
    voxel_size: VoxelSize | None = None,
    skeleton_units: str | None = None,
    split: bool = False,
    annotations: Any = None,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
    **reading: Unpack[ReadKeywords],
) -> Any:
    """Attach synapses to skeletons as connectors, each to its nearest node.

    Parameters
    ----------
    neurons : navis.TreeNeuron or navis.NeuronList
        Skeletons whose `id` is the neuron's ID in the synapse table or, in a live data set, was so once. Two that share
        an ID get the same synapses, each on its own nodes.
    pre, post : bool, default True
        Presynaptic sites (outputs) and postsynaptic sites (inputs) of the neurons.
    threshold : int, default 1
        Synapses that a pair of neurons must have, counted after `clean` and `min_size` and before `max_distance`.
    min_size : int, optional
        Smallest size of a synapse.
    materialization : "latest", "live", int, or datetime, default "latest"
        State of a live data set: a version, or a time (UTC); a file has one version.
    clean : bool, default True
        Drop autapses, rows with a background ID, and sites farther than `max_distance`.
    max_distance : float, default 10000
        In nm.
    update_ids : bool, default True
        Bring IDs to the time that is queried, in a live data set; no effect on files.
    dataset : str, optional
        Name of a data set, or a TOML file.
    source : path, list of paths, or DataFrame, optional
        The synapse table; None means the data set's.
    coordinates : {"nm", "pixels"}, optional
        Unit of the source's positions, where neither source nor data set record it.
    voxel_size : tuple of three floats, optional
        Nanometres per voxel, likewise.
    skeleton_units : {"nm", "um", "pixels"}, optional
        Unit of the skeletons. Default: what their `units` say (such as `8 nanometer` for voxels of 8 nm), and nm where
        they say nothing.
    split : bool, default False
        Tell axon, dendrite and linker of each neuron by synapse flow centrality.
    annotations : path or DataFrame, optional
        A supervoxel that they have for a neuron is what finds its ID first.
    live : LiveOptions, optional
        How a live data set is asked: `LiveOptions(lock=..., strict_ids=..., allow_missing=..., refresh=..., ...)`.
    max_memory : str, default "2GB"
    **reading
        How the source is to be read, where its columns do not tell; see `ReadKeywords`.

    Returns
    -------
    navis.TreeNeuron or navis.NeuronList
        The same object. Each neuron's `connectors` are replaced by a DataFrame, empty where there are no synapses:
        `connector_id` (0, 1, ...), `x`, `y`, `z` (float64, in nm or, where `units` says another one, in the unit of the
        skeleton, so that navis draws and converts them with it), `type` (categorical: pre, post), `partner_id`,
        `node_id`, `synapse_id`, and `distance` to the node (float64, nm); by synapse and type. Where a live data set
        has one of the neurons under another ID, `current_id` is that. With `split`, `compartment` is axon, dendrite,
        linker or unknown (categorical), and so is that of each node in the neurons' `nodes`.

    Raises
    ------
    ArgumentTypeError (a TypeError)
        Where `neurons` is not a TreeNeuron or a NeuronList of them.
    UsageError (a ValueError)
        Where both `pre` and `post` are False, for positions of unknown unit, and for other wrong arguments.
    DataError (a ValueError)
        For tables that do not hold what is needed, such as all synapses of neurons that are to be split, and neurons
        whose `id` is no ID of theirs. The neurons are then as they were.

    Notes
    -----
    Positions are never rounded to voxels. Of several nodes at the same distance the one with the lowest ID counts.
    """
    listed = _tree_neurons(neurons)
    if skeleton_units is not None:
        check_choice("skeleton_units", skeleton_units, SKELETON_UNITS)
    question = Attach(None, pre, post, max_distance, split)
    if not listed:
        return neurons
    voxel = checked_voxel_size(voxel_size)
    skeletons = _NavisSkeletons(listed, skeleton_units)
    request = Request(
        source,
        dataset,
        annotations,
        read=read_options(reading, coordinates=coordinates, voxel_size=voxel),
        clean=clean,
        min_size=min_size,
        threshold=None if threshold == 1 else threshold,
        skeletons=skeletons,
    )
    sink = _ConnectorSink(skeletons)
    answer(
        question, request, sink,
        materialization=materialization, update_ids=update_ids, live=live, max_memory=max_memory,
    )  # fmt: skip
    for place, (neuron, connectors) in enumerate(zip(listed, sink.tables, strict=True)):
        neuron.connectors = connectors
        if split:
            neuron.nodes["compartment"] = _compartments_of_nodes(neuron, skeletons.load(place))
    return neurons


class _NavisSkeletons:
    """The skeletons of navis neurons."""

    def __init__(self, listed: Sequence[Any], units: str | None) -> None:
        self._listed, self.units = listed, units
        self.neurons: list[NeuronId] = []
        self.scales: list[VoxelSize] = []
        self.notes: list[str] = []
        self.tables: list[Any] = []
        self.paths: list[Path] = []
        self.inputs: list[dict[str, Any]] = []

    def open(self, engine: Engine, id_type: IdType) -> _NavisSkeletons:
        """Read their IDs."""
        self.neurons = [_neuron_id(neuron, id_type) for neuron in self._listed]
        return self

    def chosen(self, wanted: Sequence[NeuronId], current: Sequence[NeuronId] | None) -> _NavisSkeletons:
        """All: they are given one by one."""
        return self

    def loader(self, table: Relation) -> Callable[[int], Skeleton]:
        """Their nodes in nm."""
        self.scales = [_scale(neuron, self.units, table) for neuron in self._listed]
        pairs = zip(self._listed, self.scales, strict=True)
        self.load = [_skeleton(neuron, scale) for neuron, scale in pairs].__getitem__
        return self.load

    def records(self) -> list[dict[str, Any]]:
        """They are no files."""
        return []


class _ConnectorSink(FrameSink):
    """Takes a table of connectors for each neuron."""

    def __init__(self, skeletons: _NavisSkeletons) -> None:
        super().__init__()
        self._skeletons = skeletons

    def take(self, name: str, output: Output, results: Results, record: Mapping[str, Any], engine: Engine) -> None:
        """Make the tables."""
        self.tables = _connectors(engine, results.subject, self._skeletons.scales)


def _tree_neurons(neurons: Any) -> list[Any]:
    """The neurons one by one.

    Raises
    ------
    ArgumentTypeError
        Where there is something else among them.
    """
    navis = sys.modules.get("navis")
    if navis is not None and isinstance(neurons, navis.TreeNeuron):
        return [neurons]
    if navis is None or not isinstance(neurons, navis.NeuronList):
        raise ArgumentTypeError(f"{type(neurons).__name__} is no navis.TreeNeuron or NeuronList of them")
    listed = list(neurons)
    for neuron in listed:
        if not isinstance(neuron, navis.TreeNeuron):
            raise ArgumentTypeError(
                f"neuron {neuron.id} is a {type(neuron).__name__}; synapses are attached to TreeNeurons (skeletons)"
            )
    return listed


def _neuron_id(neuron: Any, id_type: IdType) -> NeuronId:
    if isinstance(neuron.id, float):
        raise DataError(f"neuron {neuron.id!r}: its id is a float, which cannot hold IDs exactly; set an int or text")
    try:
        return parse_id(str(neuron.id), id_type)
    except DataError as error:
        raise DataError(f"{error.message}; set the neuron's id to its ID in the table") from None


def _scale(neuron: Any, units: str | None, table: Relation) -> VoxelSize:
    """Nanometres per unit of a skeleton along x, y and z."""
    if units is not None:
        return skeleton_scale(units, table)
    own = neuron.units_xyz
    if own.dimensionless:
        return (1.0, 1.0, 1.0)
    try:
        sizes = [float(size) for size in own.to("nm").magnitude]
    except Exception as error:  # of pint, which need not be there
        raise DataError(f"neuron {neuron.id}: its units, {neuron.units}, are no length ({error})") from None
    # 1 micrometre is 1000 nm, and not 1000.0000000000001.
    x, y, z = (round(size) if abs(size - round(size)) < 1e-9 * size else size for size in sizes)
    return float(x), float(y), float(z)


def _skeleton(neuron: Any, scale: VoxelSize) -> Skeleton:
    """A navis neuron's nodes, in nm.

    Raises
    ------
    DataError
        Where a coordinate is not finite, or a node ID comes twice.
    """
    import numpy as np

    nodes: pd.DataFrame = neuron.nodes
    ids, parents = (nodes[column].to_numpy().astype(np.int64) for column in ("node_id", "parent_id"))
    xyz = nodes[["x", "y", "z"]].to_numpy(dtype=np.float64) * np.array(scale)
    if not np.isfinite(xyz).all():
        wrong = ids[~np.isfinite(xyz).all(axis=1)][0]
        raise DataError(f"neuron {neuron.id}: a coordinate of node {wrong} is not a finite number")
    skeleton, _ = Skeleton.linked(ids, parents, xyz)
    if (skeleton.node_id[1:] == skeleton.node_id[:-1]).any():
        raise DataError(f"neuron {neuron.id}: two of its nodes have the same node_id")
    return skeleton


def _connectors(engine: Engine, found: Attached, scales: Sequence[VoxelSize]) -> list[pd.DataFrame]:
    """A table of connectors for each neuron."""
    import numpy as np
    import pandas as pd

    names = [*CONNECTORS, *(name for name in (CURRENT, COMPARTMENT) if name in found.result.columns)]
    columns = ", ".join("side" if name == "type" else name for name in names)
    whole = frame_of(engine, f"SELECT place, {columns} FROM {found.relation} ORDER BY place, connector_id")
    whole["type"] = pd.Categorical.from_codes(whole.pop("side").to_numpy(np.int8), categories=pd.Index(["pre", "post"]))
    if COMPARTMENT in names:
        whole[COMPARTMENT] = _categories(whole[COMPARTMENT].to_numpy(np.int8))
    places = whole.pop("place").to_numpy()
    cuts = np.searchsorted(places, np.arange(len(scales) + 1))
    tables = []
    for number, scale in enumerate(scales):
        mine = whole.iloc[cuts[number] : cuts[number + 1]].reset_index(drop=True)
        for axis, size in zip("xyz", scale, strict=True):
            mine[axis] = mine[axis] / size
        tables.append(mine[names])
    return tables


def _compartments_of_nodes(neuron: Any, skeleton: Skeleton) -> Any:
    """The compartment of each node, in the order of the neuron's table, by the connectors that it has now."""
    import numpy as np

    from crantcli.core.geometry.compartments import split

    at = np.searchsorted(skeleton.node_id, neuron.connectors["node_id"].to_numpy())
    kinds = neuron.connectors["type"].to_numpy()
    pre, post = (np.bincount(at[kinds == side], minlength=len(skeleton)) for side in ("pre", "post"))
    place = np.searchsorted(skeleton.node_id, neuron.nodes["node_id"].to_numpy().astype(np.int64))
    return _categories(split(skeleton, pre, post).code[place])


def _categories(codes: Any) -> Any:
    """A categorical column of compartments."""
    import pandas as pd

    from crantcli.core.geometry.compartments import COMPARTMENTS

    return pd.Categorical.from_codes(codes, categories=pd.Index(COMPARTMENTS))


__all__ = ["CONNECTORS", "attach_synapses"]
