"""Where the parts of a data set are, as data: its files, its CAVE server, its annotation table, its meshes."""

from __future__ import annotations

from dataclasses import dataclass

from crantcli.core import crantb
from crantcli.core.relation import Unit, VoxelSize
from crantcli.errors import UsageError
from crantcli.text import P


@dataclass(frozen=True)
class CaveAddress:
    """Where a data set is: the [cave] part of its description.

    Attributes
    ----------
    server : str
        Address of the global server.
    datastack : str
    synapse_table : str or None
        None means the one that the data stack names.
    """

    server: str
    datastack: str
    synapse_table: str | None = None


@dataclass(frozen=True)
class TableAddress:
    """Where a table is on a SeaTable server.

    Attributes
    ----------
    server : str
        Its address, such as `https://cloud.seatable.io/`.
    base, table : str
    workspace : int, optional
        The base's; needed with the token of an account, not with one of the base.
    """

    server: str
    base: str
    table: str
    workspace: int | None = None

    def __str__(self) -> str:
        return f"{self.base}/{self.table} at {self.server.rstrip('/')}"


@dataclass(frozen=True)
class MeshAddress:
    """Where neuropil meshes are, in neuroglancer's precomputed format.

    Attributes
    ----------
    address : str
        Of a server, or a folder.
    transform : tuple of 12 float, optional
        From the coordinates in the files to nm: the rows of a 3 by 4 matrix. Overrides what the source says.
    labels : tuple of (int, str), optional
        IDs of the meshes to use, and their neuropils. Overrides what the source says.
    """

    address: str
    transform: tuple[float, ...] | None = None
    labels: tuple[tuple[int, str], ...] | None = None


@dataclass(frozen=True)
class ViewerAddress:
    """Where a data set can be looked at: the [viewer] part of its description.

    Attributes
    ----------
    url : str or None
        Of a Neuroglancer.
    image, segmentation : str or None
        Sources of its layers, such as `precomputed://https://...` or `graphene://https://...`.
    state_server : str or None
        Of CAVE, such as `https://global.daf-apis.com/nglstate/api/v1`: it keeps states under short addresses.
    """

    url: str | None = None
    image: str | None = None
    segmentation: str | None = None
    state_server: str | None = None


@dataclass(frozen=True)
class Dataset:
    """What a data set's description says.

    Attributes
    ----------
    name : str
    synapses, annotations, meshes, skeletons : str or None
        Local files; a folder of neuropil meshes in nm; a folder or zip of skeletons.
    unit : {"nm", "pixels", "unknown"}
        Of the positions in the local synapse file.
    voxel_size : tuple of float, or None
        In nm.
    background : tuple of int
        IDs that stand for no neuron.
    cave : CaveAddress or None
        The CAVE server that has its synapses.
    annotation_table : TableAddress, optional
        The annotations on a server, where no file is named.
    mesh_source : MeshAddress, optional
        The neuropils' meshes, where no folder is named.
    viewer : ViewerAddress
        Of which nothing may be known.
    """

    name: str
    synapses: str | None = None
    annotations: str | None = None
    unit: Unit = "unknown"
    voxel_size: VoxelSize | None = None
    background: tuple[int, ...] = crantb.BACKGROUND_IDS
    cave: CaveAddress | None = None
    meshes: str | None = None
    skeletons: str | None = None
    annotation_table: TableAddress | None = None
    mesh_source: MeshAddress | None = None
    viewer: ViewerAddress = ViewerAddress()

    def synapse_file(self) -> str:
        """The local synapse table.

        Raises
        ------
        UsageError
            Where the data set has none.
        """
        if self.synapses is not None:
            return self.synapses
        where = (
            f"names no synapse table; give a file as {P.source}, or a data set whose TOML has [files] synapses = ..."
        )
        if self.cave is not None:
            fetched = f"{P.dataset(self.name).flag} {P.pre.metavar('NEURONS').flag} {P.output.metavar('FILE').flag}"
            where = (
                "is on a server, and this question is answered from files; fetch its synapses with crantcli synapses "
                f"{fetched}, and give that file as {P.source}"
            )
        raise UsageError(f"data set {self.name} {where}")

    @property
    def live(self) -> CaveAddress | None:
        """The server of its synapses, unless they are in a local file."""
        return self.cave if self.synapses is None else None
