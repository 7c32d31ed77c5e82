"""Neuropil meshes from a precomputed source, from the cache where they were fetched before.

The cache keeps, for each address, what the source says about itself and the meshes that were read together. It does not
grow old: an address that names a version never means another mesh, and for others there is `--refresh`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from crantcli.core.addresses import MeshAddress
from crantcli.core.geometry.solids import Surface
from crantcli.errors import DataError
from crantcli.remote.auth import NoAuth
from crantcli.remote.cache import CacheError, cache_store
from crantcli.remote.client import RemoteClient
from crantcli.remote.lockfile import Lock, require
from crantcli.remote.pool import WorkerPool
from crantcli.remote.retry import RetryPolicy
from crantcli.remote.settings import LiveOptions
from crantcli.remote.stores import FileStore, HttpStore, LocalStore, local_path, web_address
from crantcli.sources.shapes.precomputed import Catalogue, RawMesh, check_labels, read_catalogue, reader

Made = TypeVar("Made")

#: Version of the cache files: another one is another file.
_FORMAT = 2

#: Meshes that are asked for at once.
_AT_ONCE = 6


def read_source(
    source: MeshAddress,
    choose: Callable[[Mapping[str, Any]], Sequence[str]],
    accept: Callable[[Mapping[str, Surface]], dict[str, Made]],
    live: LiveOptions,
) -> dict[str, Made]:
    """Read meshes of a source.

    Parameters
    ----------
    source : MeshAddress
    choose : callable
        Takes the names of all meshes and returns those to read.
    accept : callable
        Takes the meshes in nm by name, vertices welded, and returns what to make of them. If it raises an error,
        nothing is kept.
    live : LiveOptions
        Where the cache is, whether to ask the server whatever it has, and how long to wait for the server.

    Returns
    -------
    dict of str
        What `accept` made of the meshes.

    Raises
    ------
    DataError, IncompleteError, UsageError, AuthorisationError
        Where a mesh is not there, not whole, or cannot be read.
    """
    with _opened(source.address, live.policy) as store:
        cache = _Cache(store.address, live.cache_dir) if store.remote else None
        fresh = cache if not live.refresh else None
        labelled = source.labels is not None
        catalogue = fresh.catalogue(labelled) if fresh else None
        if catalogue is None:
            catalogue = read_catalogue(store, labelled)
            if cache:
                cache.keep_catalogue(catalogue, labelled)
        ids = check_labels(source.labels or tuple(catalogue.labels.items()), store.address)
        transform = source.transform or catalogue.transform
        chosen = {name: ids[name] for name in choose(ids)}
        keys = sorted(chosen.values())
        kept = fresh.meshes(catalogue, keys) if fresh else None
        raw = kept or _read(store, catalogue, keys)
        made = accept({name: _surface(raw[key], transform, name) for name, key in chosen.items()})
        if cache and not kept:
            cache.keep_meshes(catalogue, raw)
        return made


@contextlib.contextmanager
def _opened(address: str, policy: RetryPolicy) -> Iterator[FileStore]:
    web = web_address(address)
    if web is None:
        yield LocalStore(local_path(address)).checked()
        return
    with RemoteClient(policy, NoAuth()) as client:
        yield HttpStore(web, client)


def _read(store: FileStore, catalogue: Catalogue, keys: Collection[int]) -> dict[int, RawMesh]:
    read = reader(store.child(catalogue.path), catalogue)
    if not store.remote:
        return {key: read(key) for key in keys}
    # Those of a pool would be waited for, however long a server is silent.
    with contextlib.closing(WorkerPool(_AT_ONCE)) as pool:
        return dict(zip(keys, pool.map(read, keys), strict=True))


def _surface(raw: RawMesh, transform: Sequence[float], name: str) -> Surface:
    try:
        return raw.surface(transform)
    except DataError as error:
        raise DataError(f"{name}: {error.message}") from None


class _Cache:
    """What has been read of a source. A file that cannot be written is done without, a damaged one is replaced."""

    def __init__(self, address: str, cache_dir: str | os.PathLike[str] | None) -> None:
        self._address, self._store = address, cache_store("meshes", cache_dir)

    def _name(self, *parts: str) -> str:
        text = "\n".join([str(_FORMAT), self._address, *parts])
        return f"source-{hashlib.sha256(text.encode()).hexdigest()[:40]}.npz"

    def catalogue(self, labelled: bool) -> Catalogue | None:
        """What the source said about itself."""
        found = self._load(self._name(str(labelled)))
        return Catalogue.from_text(str(found["catalogue"])) if found else None

    def keep_catalogue(self, catalogue: Catalogue, labelled: bool) -> None:
        """Keep what it says."""
        self._save(self._name(str(labelled)), catalogue=catalogue.as_text())

    def meshes(self, catalogue: Catalogue, keys: Sequence[int]) -> dict[int, RawMesh] | None:
        """Meshes that were read together."""
        found = self._load(self._name(catalogue.as_text(), json.dumps(keys)))
        if not found:
            return None
        return {
            key: RawMesh(found[f"vertices {key}"], found[f"faces {key}"], str(found[f"digest {key}"])) for key in keys
        }

    def keep_meshes(self, catalogue: Catalogue, raw: Mapping[int, RawMesh]) -> None:
        """Keep meshes."""
        arrays: dict[str, Any] = {}
        for key, mesh in raw.items():
            arrays |= {f"vertices {key}": mesh.vertices, f"faces {key}": mesh.faces, f"digest {key}": mesh.digest}
        self._save(self._name(catalogue.as_text(), json.dumps(list(raw))), **arrays)

    def _load(self, name: str) -> dict[str, Any] | None:
        """A file's arrays; None where it is not there, damaged, or another source's."""
        found = self._store.read_arrays(name)
        return found if found and str(found.get("address")) == self._address else None

    def _save(self, name: str, **arrays: Any) -> None:
        with contextlib.suppress(CacheError):
            self._store.write_arrays(name, {"address": self._address, **arrays})


def mesh_section(source: str, meshes: Mapping[str, str]) -> dict[str, Any]:
    """What a lock says of meshes: where they are, and the SHA-256 of each by its name."""
    listed = "".join(f"{meshes[name]} {name}\n" for name in sorted(meshes))
    return {"source": source, "sha256": hashlib.sha256(listed.encode()).hexdigest(), "meshes": dict(meshes)}


def locked_meshes(lock: Lock, source: str) -> dict[str, str]:
    """SHA-256 of each mesh in a lock, by name; they must be those of a source.

    Raises
    ------
    DataError
        Where there are none, or those of another source.
    """
    known = lock.section("neuropils")
    if known["source"] != source:
        raise lock.error(f"locks the meshes of {known['source']}, and not those of {source}")
    return dict(known["meshes"])


def check_mesh_section(section: Any) -> None:
    """Raise an error unless that is what a lock says of meshes."""
    require(section == mesh_section(section["source"], section["meshes"]))
