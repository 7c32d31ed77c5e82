"""What a viewer of a brain is to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crantcli.core.addresses import MeshAddress, ViewerAddress
from crantcli.core.relation import VoxelSize


@dataclass(frozen=True)
class ShownSynapse:
    """A synapse, as a point or as a line from its pre to its post side.

    Attributes
    ----------
    pre, post : int
        Neurons.
    points : tuple of (float, float, float)
        One, or two, in nm.
    """

    pre: int
    post: int
    points: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Scene:
    """What a viewer is to show.

    Attributes
    ----------
    neurons : mapping of int to str or None
        In their order -> their type, None without one.
    viewer : ViewerAddress
    voxel_size : tuple of float
        In nm: the unit of coordinates.
    synapses : sequence of ShownSynapse
    neuropils : MeshAddress or None
        Their meshes.
    neuropil_names : mapping of int to str
        Those to show, by the IDs of their meshes.
    """

    neurons: Mapping[int, str | None]
    viewer: ViewerAddress
    voxel_size: VoxelSize
    synapses: Sequence[ShownSynapse] = ()
    neuropils: MeshAddress | None = None
    neuropil_names: Mapping[int, str] = field(default_factory=dict)
