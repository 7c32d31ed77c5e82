"""The index over neuropils, from the user's cache where it has been built before."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

from crantcli.core.geometry.containment import MeshIndex
from crantcli.remote.cache import CacheError, cache_store
from crantcli.sources.shapes.meshes import NeuropilMesh

#: Version of the index: another one is another cache file. To be raised when its arrays or its answers change.
INDEX_FORMAT = 2


def open_index(
    neuropils: Sequence[NeuropilMesh], cache_dir: str | os.PathLike[str] | None = None, threads: int | None = None
) -> MeshIndex:
    """The index over neuropils, from the cache if it is there, else built and put there.

    Mesh m of the index is `neuropils[m]`. A cache that cannot be written is done without, and a damaged file in it is
    replaced.

    Parameters
    ----------
    neuropils : sequence of NeuropilMesh
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


def _key(neuropils: Iterable[NeuropilMesh]) -> str:
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
