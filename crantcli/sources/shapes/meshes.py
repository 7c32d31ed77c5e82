"""Neuropil meshes: closed surfaces named by neuropil, from files or a precomputed source."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from crantcli.core import crantb
from crantcli.core.addresses import MeshAddress
from crantcli.core.geometry.boxes import Box, MeshBoxes
from crantcli.core.geometry.solids import Surface
from crantcli.core.geometry.soundness import fault
from crantcli.core.relation import VoxelSize
from crantcli.errors import DataError, UsageError
from crantcli.remote.cache import CacheError, cache_store
from crantcli.remote.lockfile import Lock
from crantcli.remote.settings import LiveOptions
from crantcli.remote.stores import web_address
from crantcli.sources.shapes.mesh_cache import locked_meshes, read_source
from crantcli.sources.shapes.mesh_files import mesh_files, read_mesh
from crantcli.text import P, did_you_mean, join_names

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: A folder, or a precomputed source by its address or as a data set describes it.
Place = str | os.PathLike[str] | MeshAddress

#: Takes the meshes that there are, by name, and gives the names of those to read.
Choose = Callable[[Mapping[str, Any]], Sequence[str]]

Made = TypeVar("Made")

#: Meshes that cannot be used and are told with the reason; of any further ones only the files are.
_EXPLAINED = 3


@dataclass(frozen=True)
class NeuropilMesh:
    """A brain region.

    Attributes
    ----------
    name : str
    surfaces : tuple of Surface
        Closed, in nm, vertices welded and in the order of their coordinates. The neuropil is their union; as a rule it
        is one.
    digest : str
        SHA-256 of the geometry: that of equal surfaces is equal, whatever their files and names.
    source : str
        Address of the server that it came from, or "".
    """

    name: str
    surfaces: tuple[Surface, ...]
    digest: str
    source: str = ""

    @property
    def record(self) -> dict[str, str]:
        """For the provenance."""
        found = {"name": self.name, "sha256": self.digest}
        return {**found, "source": self.source} if self.source else found

    @property
    def vertices(self) -> Array:
        """Vertices of all surfaces in nm; float64, shape (n, 3)."""
        import numpy as np

        return np.concatenate([surface.vertices for surface in self.surfaces])

    @property
    def faces(self) -> Array:
        """Faces of all surfaces, as rows of `vertices`; int64, shape (m, 3)."""
        import numpy as np

        starts = np.cumsum([0, *(len(surface.vertices) for surface in self.surfaces)])
        return np.concatenate([surface.faces + start for surface, start in zip(self.surfaces, starts, strict=False)])


@dataclass(frozen=True)
class _FoundMesh:
    """A mesh as it was found: what messages call it, and its surface, or what is wrong with its file."""

    file: str
    surface: Surface | None
    error: str = ""


def read_neuropils(
    folder: Place,
    names: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    unions: Mapping[str, Sequence[str]] = crantb.NEUROPIL_UNIONS,
    *,
    apart: bool = False,
    live: LiveOptions | None = None,
    lock: Lock | None = None,
    scale: VoxelSize | None = None,
) -> list[NeuropilMesh]:
    """Read neuropil meshes; the parameters are those of `MeshLocation` and of its `neuropils`."""
    return MeshLocation(folder, live, lock, scale).neuropils(names, exclude, unions, apart=apart)


class MeshLocation:
    """Where meshes are, and how they are read.

    Parameters
    ----------
    place : path, address or MeshAddress
        A folder with PLY, OBJ or STL files, each named by its neuropil (folders in it are not looked into), or a
        precomputed source.
    live : LiveOptions, optional
        How a server is asked, and where what it gives is kept.
    lock : Lock, optional
        Says which meshes there are, and what they must be.
    scale : tuple of three floats, optional
        Nanometres per unit of the files in a folder, along x, y and z. Without it they are in nm.
    called : str
        What messages call the place, where it is a copy of what was named.

    Raises
    ------
    UsageError
        Where `scale` is given for meshes that are known to be in nm: those of a precomputed source, by its transform,
        and those that are locked.
    """

    def __init__(
        self,
        place: Place,
        live: LiveOptions | None = None,
        lock: Lock | None = None,
        scale: VoxelSize | None = None,
        *,
        called: str = "",
    ) -> None:
        self._called = called
        self._place, self._live, self._lock, self._scale = place, live or LiveOptions(), lock, scale
        self._source, self._remote = _source(place), _web_address(place)
        self._chosen: dict[str, NeuropilMesh] = {}
        if scale is not None and self._source is not None:
            raise UsageError(
                f"{P.mesh_scale} is for folders of mesh files; {self._source.address} is a precomputed source, whose "
                "transform makes nm of its meshes (or that of [neuropils] in a data set)"
            )
        if scale is not None and lock is not None:
            raise UsageError(f"{P.mesh_scale}: {P.lock} {lock.path} holds these meshes in nm; leave one of the two out")

    def neuropils(
        self,
        names: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        unions: Mapping[str, Sequence[str]] = crantb.NEUROPIL_UNIONS,
        *,
        apart: bool = False,
    ) -> list[NeuropilMesh]:
        """Read meshes.

        Parameters
        ----------
        names : sequence of str, optional
            The neuropils to read; all files' if not given.
        exclude : sequence of str
            Those not to read.
        unions : mapping
            Names that may be asked for too, and the neuropils that each is the union of. A file of the same name goes
            before.
        apart : bool
            Give the members of a union, not the union.

        Returns
        -------
        list of NeuropilMesh
            By name.

        Raises
        ------
        UsageError
            Where there is no such folder, or no mesh in it, or a file that is to be scaled says that it is in nm.
        DataError
            Where two files have one name, a name is unknown, or a mesh is not the one that is locked. Meshes that
            cannot be read, are not closed or enclose nothing are all named in one message.
        """
        choice: dict[str, Sequence[str]] = {}
        where = self._called or str(self._place.address if isinstance(self._place, MeshAddress) else self._place)
        if self._lock is not None:
            where = f"{P.lock} {self._lock.path}"

        def choose(known: Mapping[str, Any]) -> list[str]:
            choice.update(_choice(known, where, names, exclude, unions))
            return sorted({member for members in choice.values() for member in members})

        read = self._chosen = self._read(choose)
        if apart:
            return [read[member] for member in sorted(read)]
        return [_union(name, [read[member] for member in members]) for name, members in choice.items()]

    def boxes(self) -> MeshBoxes:
        """The boxes of the meshes that `neuropils` has read, and of the others here, which are read when asked for."""
        chosen = [Box.of(neuropil.vertices) for neuropil in self._chosen.values()]
        if self._source is not None:
            unit = "as their source has it"
            advice = f"a transform in [neuropils] of a data set makes nm of meshes, {P.coordinates} is of positions"
        else:
            unit = "as the files are taken to be" if self._scale is None else f"as {P.mesh_scale} makes them"
            advice = f"{P.mesh_scale} says how many nm a unit of the meshes is, {P.coordinates} what positions are in"
        scalable = self._source is None and self._scale is None
        return MeshBoxes([box for box in chosen if box], self._other_boxes, unit, advice, scalable)

    def _other_boxes(self) -> list[Box]:
        """The boxes of the meshes that were not chosen, of those that can be read: nobody has asked for the others."""
        others: list[str] = []

        def choose(known: Mapping[str, Any]) -> list[str]:
            others[:] = [name for name in known if name not in self._chosen]
            return others

        if self._lock is not None:
            locked = [Box.of(neuropil.vertices) for neuropil in self._read(choose).values()]
            return [box for box in locked if box]
        try:
            return list(self._look(choose, _boxes, self._live).values())
        except DataError:
            boxes: list[Box] = []
            for names in [[name] for name in others]:
                with contextlib.suppress(DataError):
                    boxes += self._look(lambda _, names=names: names, _boxes, self._live).values()  # type: ignore[misc]
            return boxes

    def _read(self, choose: Choose) -> dict[str, NeuropilMesh]:
        """The meshes that are chosen among the names of all."""
        if self._lock is not None:
            return self._read_locked(choose, self._lock)
        return self._look(choose, self._sound, self._live)

    def _look(
        self, choose: Choose, accept: Callable[[Mapping[str, _FoundMesh]], dict[str, Made]], live: LiveOptions
    ) -> dict[str, Made]:
        """What `accept` makes of the meshes that are chosen."""
        if self._source is None:
            files = mesh_files(Path(str(self._place)))
            return accept({name: _found(files[name], self._scale) for name in choose(files)})

        def take(surfaces: Mapping[str, Surface]) -> dict[str, Made]:
            return accept({name: _FoundMesh(name, surface) for name, surface in surfaces.items()})

        return read_source(self._source, choose, take, live)

    def _sound(self, found: Mapping[str, _FoundMesh]) -> dict[str, NeuropilMesh]:
        """The meshes as neuropils, if all of them have an inside."""
        made, wrong = dict[str, NeuropilMesh](), dict[str, tuple[str, str]]()
        for name, mesh in found.items():
            what = mesh.error
            if mesh.surface is not None and (told := fault(mesh.surface)):
                what = f"{mesh.file}: the mesh {told}{' nm' if 'open' in told else ''}"
            if what or mesh.surface is None:
                wrong[name] = mesh.file, what
            else:
                made[name] = NeuropilMesh(name, (mesh.surface,), _digest(mesh.surface), self._remote)
        if wrong:
            raise _refusal(wrong)
        return made

    def _read_locked(self, choose: Choose, lock: Lock) -> dict[str, NeuropilMesh]:
        """Meshes as a lock has them."""
        locked = locked_meshes(lock, place_name(self._place))
        chosen = choose(locked)
        kept = [] if self._live.refresh else [_kept(name, locked[name], self._remote, self._live) for name in chosen]
        found = {neuropil.name: neuropil for neuropil in kept if neuropil is not None}
        if len(found) == len(chosen):
            return found

        changed: list[str] = []
        # What the cache has of the source may be older than the lock.
        for live in dict.fromkeys((self._live, replace(self._live, refresh=True))):
            read = self._look(lambda known: [name for name in chosen if name in known], self._sound, live)
            changed = [name for name in chosen if name not in read or read[name].digest != locked[name]]
            if not changed:
                keep_meshes(read.values(), self._live)
                return read
        raise lock.changed("neuropils", f"{'mesh' if len(changed) == 1 else 'meshes'} {join_names(changed)}")


def _found(path: Path, scale: VoxelSize | None) -> _FoundMesh:
    try:
        return _FoundMesh(path.name, read_mesh(path, scale))
    except DataError as error:
        return _FoundMesh(path.name, None, error.message)


def _boxes(found: Mapping[str, _FoundMesh]) -> dict[str, Box]:
    boxes = {name: Box.of(mesh.surface.vertices) for name, mesh in found.items() if mesh.surface is not None}
    return {name: box for name, box in boxes.items() if box}


def _refusal(wrong: Mapping[str, tuple[str, str]]) -> DataError:
    """The error for meshes that cannot be used: by name, its file and what is wrong with it."""
    whole = [what for _, what in list(wrong.values())[:_EXPLAINED]]
    further = [file for file, _ in list(wrong.values())[_EXPLAINED:]]
    if further:
        whole.append(f"and {', '.join(further)} likewise")
    head = f"{len(wrong):,} meshes cannot be used: " if len(wrong) > 1 else ""
    what = "them" if len(wrong) > 1 else "it"
    return DataError(f"{head}{'; '.join(whole)}; repair {what}, or leave {what} out with {P.exclude(','.join(wrong))}")


def keep_meshes(neuropils: Iterable[NeuropilMesh], live: LiveOptions) -> None:
    """Keep meshes of a server in the cache under their content, for those who come with a lock that names it."""
    store = cache_store("meshes", live.cache_dir)
    for neuropil in neuropils:
        if neuropil.source:
            (surface,) = neuropil.surfaces
            with contextlib.suppress(CacheError):
                store.write_arrays(f"mesh-{neuropil.digest}.npz", asdict(surface))


def _kept(name: str, digest: str, source: str, live: LiveOptions) -> NeuropilMesh | None:
    """A mesh of that content; None where the cache does not have it, or something else."""
    arrays = cache_store("meshes", live.cache_dir).read_arrays(f"mesh-{digest}.npz") if source else None
    if arrays is None or arrays.keys() != {"vertices", "faces"}:
        return None
    surface = Surface(**arrays)
    return NeuropilMesh(name, (surface,), digest, source) if _digest(surface) == digest else None


def place_name(place: Place) -> str:
    """What a lock calls the place of meshes: its web address, or the name of a folder."""
    if remote := _web_address(place):
        return remote
    address = place.address if isinstance(place, MeshAddress) else place
    return Path(address).resolve().name


def _web_address(place: Place) -> str:
    """Where meshes are on a server, or ""."""
    source = _source(place)
    return "" if source is None else web_address(source.address) or ""


def _source(place: Place) -> MeshAddress | None:
    """A precomputed source; None for a folder of mesh files."""
    if isinstance(place, MeshAddress):
        return place
    text = os.fspath(place)
    return MeshAddress(text) if "://" in text or (Path(text) / "info").is_file() else None


def _choice(
    known: Mapping[str, Any],
    where: str,
    names: Sequence[str] | None,
    exclude: Sequence[str],
    unions: Mapping[str, Sequence[str]],
) -> dict[str, Sequence[str]]:
    """The neuropils to read, by name, and the meshes of each."""
    possible = [*known, *(name for name in unions if name not in known)]
    for option, given in ((P.neuropils, names or ()), (P.exclude, exclude)):
        for name in given:
            if name not in possible:
                others = did_you_mean(name, possible, "neuropils")
                raise DataError(f"{option} {name}: there is no such mesh in {where} ({others})")
    dropped = {member for name in exclude for member in [name, *_members(name, known, unions)]}
    chosen = [name for name in sorted(set(known if names is None else names)) if name not in dropped]
    if not chosen:
        raise UsageError(f"{where}: every mesh that was asked for is excluded")
    found = {name: _members(name, known, unions) for name in chosen}
    for name, members in found.items():
        if missing := sorted(set(members) - set(known)):
            raise DataError(f"{name} is the union of {', '.join(members)}; {', '.join(missing)} is not in {where}")
    return found


def _members(name: str, known: Mapping[str, Any], unions: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return [name] if name in known else unions[name]


def _digest(surface: Surface) -> str:
    digest = hashlib.sha256()
    for array, kind in ((surface.vertices, "<f8"), (surface.faces, "<i8")):
        digest.update(len(array).to_bytes(8, "little"))
        digest.update(array.astype(kind).tobytes())
    return digest.hexdigest()


def _union(name: str, members: Sequence[NeuropilMesh]) -> NeuropilMesh:
    if len(members) == 1:
        return replace(members[0], name=name)
    joined = hashlib.sha256("+".join(member.digest for member in members).encode()).hexdigest()
    return NeuropilMesh(
        name, tuple(surface for member in members for surface in member.surfaces), joined, members[0].source
    )
