"""Neuropil meshes: closed surfaces named by neuropil, from files or a precomputed source, and the index over them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli import crantb
from crantcli.core.bodies import Surface, fault, proper_faces, weld
from crantcli.core.containment import MeshIndex
from crantcli.errors import DataError, UsageError
from crantcli.schema import listed, near
from crantcli.sources.datasets import MeshSource
from crantcli.sources.live.cache import CacheError, cache_store
from crantcli.sources.live.lock import Lock
from crantcli.sources.live.query import LiveOptions

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: Suffixes of mesh files.
SUFFIXES = (".ply", ".obj", ".stl")

#: A folder, or a precomputed source by its address or as a data set describes it.
Place = str | os.PathLike[str] | MeshSource

#: Version of the index: another one is another cache file. To be raised when its arrays or its answers change.
INDEX_FORMAT = 1


@dataclass(frozen=True)
class Neuropil:
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


def read_neuropils(
    folder: Place,
    names: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    unions: Mapping[str, Sequence[str]] = crantb.NEUROPIL_UNIONS,
    *,
    apart: bool = False,
    live: LiveOptions | None = None,
    lock: Lock | None = None,
) -> list[Neuropil]:
    """Read neuropil meshes.

    Parameters
    ----------
    folder : path, address or MeshSource
        A folder with PLY, OBJ or STL files in nm, each named by its neuropil (folders in it are not looked into), or a
        precomputed source.
    names : sequence of str, optional
        The neuropils to read; all files' if not given.
    exclude : sequence of str
        Those not to read.
    unions : mapping
        Names that may be asked for too, and the neuropils that each is the union of. A file of the same name goes
        before.
    apart : bool
        Give the members of a union, not the union.
    live : LiveOptions, optional
        How a server is asked, and where what it gives is kept.
    lock : Lock, optional
        Says which meshes there are, and what they must be.

    Returns
    -------
    list of Neuropil
        By name.

    Raises
    ------
    UsageError
        Where there is no such folder, or no mesh in it.
    DataError
        Where two files have one name, a name is unknown, a file cannot be read, its surface is not closed, or it is not
        the one that is locked.
    """
    live = live or LiveOptions()
    choice: dict[str, Sequence[str]] = {}
    where = str(folder.address if isinstance(folder, MeshSource) else folder)
    if lock is not None:
        where = f"--lock {lock.path}"

    def choose(known: Mapping[str, Any]) -> list[str]:
        choice.update(_choice(known, where, names, exclude, unions))
        return sorted({member for members in choice.values() for member in members})

    read = _read_all(folder, choose, live) if lock is None else _read_locked(folder, choose, live, lock)
    if apart:
        return [read[member] for member in sorted(read)]
    return [_union(name, [read[member] for member in members]) for name, members in choice.items()]


def _read_all(place: Place, choose: Callable[[Mapping[str, Any]], list[str]], live: LiveOptions) -> dict[str, Neuropil]:
    """Meshes of a place, those that are chosen among its names."""
    source = _source(place)
    if source is None:
        files = _files(Path(str(place)))
        return {member: _read(member, files[member]) for member in choose(files)}
    from crantcli.sources.live.meshes import read_source

    remote = _web_address(place)

    def accept(member: str, surface: Surface) -> Neuropil:
        return _checked(member, surface, member, remote)

    return read_source(source, choose, accept, live)


def _read_locked(
    place: Place, choose: Callable[[Mapping[str, Any]], list[str]], live: LiveOptions, lock: Lock
) -> dict[str, Neuropil]:
    """Meshes as a lock has them, those that are chosen among its names."""
    locked = lock.neuropils(place_name(place))
    chosen = choose(locked)
    remote = _web_address(place)
    kept = [] if live.refresh else [_kept(member, locked[member], remote, live) for member in chosen]
    found = {neuropil.name: neuropil for neuropil in kept if neuropil is not None}
    if len(found) == len(chosen):
        return found

    changed: list[str] = []
    # What the cache has of the source may be older than the lock.
    for asked in dict.fromkeys((live, replace(live, refresh=True))):
        read = _read_all(place, lambda known: [member for member in chosen if member in known], asked)
        changed = [member for member in chosen if member not in read or read[member].digest != locked[member]]
        if not changed:
            keep_for_good(read.values(), live)
            return read
    raise lock.changed("neuropils", f"{'mesh' if len(changed) == 1 else 'meshes'} {listed(changed)}")


def keep_for_good(neuropils: Iterable[Neuropil], live: LiveOptions) -> None:
    """Keep meshes of a server in the cache under their content, for those who come with a lock that names it."""
    store = cache_store("meshes", live.cache_dir)
    for neuropil in neuropils:
        if neuropil.source:
            (surface,) = neuropil.surfaces
            with contextlib.suppress(CacheError):
                store.write_arrays(f"mesh-{neuropil.digest}.npz", asdict(surface))


def _kept(name: str, digest: str, source: str, live: LiveOptions) -> Neuropil | None:
    """A mesh of that content; None where the cache does not have it, or something else."""
    arrays = cache_store("meshes", live.cache_dir).read_arrays(f"mesh-{digest}.npz") if source else None
    if arrays is None or arrays.keys() != {"vertices", "faces"}:
        return None
    surface = Surface(**arrays)
    return Neuropil(name, (surface,), digest, source) if _digest(surface) == digest else None


def place_name(place: Place) -> str:
    """What a lock calls the place of meshes: its web address, or the name of a folder."""
    if remote := _web_address(place):
        return remote
    address = place.address if isinstance(place, MeshSource) else place
    return Path(address).resolve().name


def _web_address(place: Place) -> str:
    """Where meshes are on a server, or ""."""
    from crantcli.sources.live.store import web_address

    source = _source(place)
    return "" if source is None else web_address(source.address) or ""


def _source(place: Place) -> MeshSource | None:
    """A precomputed source; None for a folder of mesh files."""
    if isinstance(place, MeshSource):
        return place
    text = os.fspath(place)
    return MeshSource(text) if "://" in text or (Path(text) / "info").is_file() else None


def _choice(
    known: Mapping[str, Any],
    where: str,
    names: Sequence[str] | None,
    exclude: Sequence[str],
    unions: Mapping[str, Sequence[str]],
) -> dict[str, Sequence[str]]:
    """The neuropils to read, by name, and the meshes of each."""
    possible = [*known, *(name for name in unions if name not in known)]
    for option, given in (("--neuropils", names or ()), ("--exclude", exclude)):
        for name in given:
            if name not in possible:
                others = near(name, possible, "neuropils")
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


def _files(folder: Path) -> dict[str, Path]:
    """Mesh files by neuropil."""
    if not folder.is_dir():
        what = "is a file; give the folder that it is in" if folder.exists() else "there is no such folder"
        raise UsageError(f"{folder}: {what}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            # On some systems names that differ only in case are one file, and so would be what is made from them.
            twin = next((other for name, other in found.items() if name.casefold() == path.stem.casefold()), None)
            if twin is not None:
                raise DataError(f"{folder}: {twin.name} and {path.name} are both named {path.stem}; keep one of them")
            found[path.stem] = path
    if not found:
        raise UsageError(f"{folder}: no mesh in this folder ({', '.join(SUFFIXES)})")
    return found


def _read(name: str, path: Path) -> Neuropil:
    import trimesh

    hint = "is it damaged, or another kind of file?"
    try:
        loaded: Any = trimesh.load_mesh(str(path), process=False, skip_materials=True)
        surface = weld(Surface(loaded.vertices, loaded.faces))
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror or error})") from None
    except ImportError:  # trimesh looks for a package that guesses the encoding of bytes that are no text
        raise DataError(f"{path.name}: cannot be read as {path.suffix[1:].upper()}; {hint}") from None
    except Exception as error:  # whatever a parser raises that was handed something else
        raise DataError(f"{path.name}: cannot be read as {path.suffix[1:].upper()} ({error}); {hint}") from None
    return _checked(name, Surface(surface.vertices, proper_faces(surface.faces)), path.name)


def _checked(name: str, surface: Surface, file: str, source: str = "") -> Neuropil:
    """A neuropil of one surface, which must be closed; `file` is what messages call it."""
    if what := fault(surface):
        unit = " nm" if "open" in what else ""
        raise DataError(f"{file}: the mesh {what}{unit}; repair it, or leave it out with --exclude {name}")
    return Neuropil(name, (surface,), _digest(surface), source)


def _digest(surface: Surface) -> str:
    digest = hashlib.sha256()
    for array, kind in ((surface.vertices, "<f8"), (surface.faces, "<i8")):
        digest.update(len(array).to_bytes(8, "little"))
        digest.update(array.astype(kind).tobytes())
    return digest.hexdigest()


def _union(name: str, members: Sequence[Neuropil]) -> Neuropil:
    if len(members) == 1:
        return replace(members[0], name=name)
    joined = hashlib.sha256("+".join(member.digest for member in members).encode()).hexdigest()
    return Neuropil(
        name, tuple(surface for member in members for surface in member.surfaces), joined, members[0].source
    )


# --------------------------------------------------------------------------------------------- the index


def open_index(
    neuropils: Sequence[Neuropil], cache_dir: str | os.PathLike[str] | None = None, threads: int | None = None
) -> MeshIndex:
    """The index over neuropils, from the cache if it is there, else built and put there.

    Mesh m of the index is `neuropils[m]`. A cache that cannot be written is done without, and a damaged file in it is
    replaced.

    Parameters
    ----------
    neuropils : sequence of Neuropil
    cache_dir : path, optional
        The user's cache folder if not given.
    threads : int, optional
    """
    store, name = cache_store("meshes", cache_dir), f"index-{_key(neuropils)}.npz"
    index = _index(store.read_arrays(name))
    if index is None:
        index = MeshIndex.build([neuropil.surfaces for neuropil in neuropils], threads)
        with contextlib.suppress(CacheError):
            store.write_arrays(name, index.arrays())
    return index


def _key(neuropils: Iterable[Neuropil]) -> str:
    text = " ".join([str(INDEX_FORMAT), *(neuropil.digest for neuropil in neuropils)])
    return hashlib.sha256(text.encode()).hexdigest()


def _index(arrays: dict[str, Any] | None) -> MeshIndex | None:
    """A cached index; None where there is none, or something else."""
    if arrays is None:
        return None
    try:
        return MeshIndex.from_arrays(arrays)
    except (KeyError, TypeError, ValueError):
        return None
