"""Meshes in neuroglancer's precomputed format, from a folder or over https.

Source of the format: google/neuroglancer, src/datasource/precomputed/mesh.rst. Both of its forms are read: the older
one, of JSON manifests and fragments of float32, and the one of several levels of detail in Draco's encoding, sharded
or not, of which the finest level is taken. Draco is decoded by DracoPy, which needs numpy only (cloud-volume, which
reads these sources too, brings some sixty packages).

A source may be given with a transform and with labels of its own, which go before those that it has. What comes from a
server is kept in the user's cache under its address, and is not asked for again unless that is wanted.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.core.geometry.solids import Surface, proper_faces, weld
from crantcli.core.geometry.soundness import LARGEST
from crantcli.errors import CrantError, DataError
from crantcli.remote.body import parse_json
from crantcli.remote.stores import FileStore, LocalStore
from crantcli.sources.shapes.sharded import Shards
from crantcli.text import join_names

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: Rows of the matrix that changes nothing.
IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)

_VOLUMES = ("neuroglancer_multiscale_volume",)
_LEGACY = "neuroglancer_legacy_mesh"
_LEVELS = "neuroglancer_multilod_draco"


@dataclass(frozen=True)
class Catalogue:
    """What a source says about itself.

    Attributes
    ----------
    address, path : str
        The address that was given, and that of the folder of the meshes relative to it.
    kind : str
        The form of its meshes, as its `@type` has it.
    info : dict
        Its metadata; empty where there is none.
    labels : dict of int to str
        The name of each mesh by its ID.
    """

    address: str
    path: str
    kind: str
    info: dict[str, Any] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)

    @property
    def transform(self) -> tuple[float, ...]:
        """From the coordinates in the files to those that neuroglancer takes for nm."""
        found = self.info.get("transform", IDENTITY)
        numbers = isinstance(found, list | tuple) and all(isinstance(number, int | float) for number in found)
        if not numbers or len(found) != 12 or not all(abs(number) <= LARGEST for number in found):
            raise DataError(f"{self.address}: its transform is not 12 numbers, the rows of a 3 by 4 matrix")
        return tuple(float(number) for number in found)

    def as_text(self) -> str:
        """JSON, for the cache."""
        labels = {str(key): name for key, name in self.labels.items()}
        return json.dumps([self.address, self.path, self.kind, self.info, labels], sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Catalogue:
        """Read back what `as_text` made."""
        address, path, kind, info, labels = parse_json(text)
        return cls(address, path, kind, info, {int(key): name for key, name in labels.items()})


@dataclass(frozen=True)
class RawMesh:
    """A mesh as it is stored.

    Attributes
    ----------
    vertices : ndarray of float64, shape (n, 3)
        In the coordinates of the files.
    faces : ndarray of int64, shape (m, 3)
    digest : str
        SHA-256 of the files' bytes that it was made from.
    """

    vertices: Array
    faces: Array
    digest: str

    def surface(self, transform: Sequence[float]) -> Surface:
        """The mesh in nm, with vertices at one place made one."""
        import numpy as np

        x, y, z = self.vertices.T
        rows = np.asarray(transform, dtype=np.float64).reshape(3, 4)
        # Numbers of damaged files may be too large to be multiplied.
        with np.errstate(all="ignore"):
            # One by one, and not as a product of matrices, which may round the same vertex of two parts differently.
            moved = np.stack([a * x + b * y + c * z + d for a, b, c, d in rows], axis=1)
            welded = weld(Surface(moved, self.faces))
        return Surface(welded.vertices, proper_faces(welded.faces))


def read_catalogue(store: FileStore, labelled: bool) -> Catalogue:
    """Read what a source says about itself.

    Parameters
    ----------
    store : FileStore
    labelled : bool
        The user has said which meshes there are, so the source need not.

    Raises
    ------
    DataError
        Where it is no source of meshes, or does not say which it has.
    """
    info, path, address = _json(store, "info"), ".", store.address
    if info is not None and (info.get("@type") in _VOLUMES or ("@type" not in info and "scales" in info)):
        if not isinstance(info.get("mesh"), str):
            raise DataError(f"{store.address}: is a volume without meshes")
        path, outer, store = info["mesh"], info, store.child(info["mesh"])
        # Older volumes have meshes in a folder without metadata of its own.
        info = _json(store, "info") or {"@type": _LEGACY}
        if "segment_properties" in outer:
            upwards = "../" * len(path.strip("/").split("/"))
            info.setdefault("segment_properties", f"{upwards}{outer['segment_properties']}")
    if info is None:
        if not labelled:
            raise DataError(f"{store.address}: there is no file info; is this a precomputed source?")
        info = {"@type": _LEGACY}
    kind = info.get("@type")
    if kind not in (_LEGACY, _LEVELS):
        raise DataError(f"{store.address}: its info is of the kind {str(kind)[:60]}; meshes are {_LEGACY} or {_LEVELS}")
    return Catalogue(address, path, kind, info, {} if labelled else _labels(store, info))


def _json(store: FileStore, name: str) -> dict[str, Any] | None:
    """A JSON file with an object; None where there is none."""
    data = store.read(name)
    if data is None:
        return None
    try:
        found = parse_json(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise store.broken(f"{name} is damaged, or something else than JSON")
    return found


def _labels(store: FileStore, info: dict[str, Any]) -> dict[int, str]:
    """Names of the meshes: from the source's properties of segments, else their numbers."""
    where = info.get("segment_properties")
    properties = _json(store.child(where), "info") if isinstance(where, str) and where else None
    if properties is not None:
        try:
            inline = properties["inline"]
            (names,) = (item["values"] for item in inline["properties"] if item["type"] == "label")
            pairs = zip(inline["ids"], names, strict=True)
            return {int(key): str(name) for key, name in pairs}
        except (KeyError, TypeError, ValueError):
            pass  # properties without labels
    if info.get("sharding"):
        return {key: str(key) for key in Shards(store, info["sharding"]).ids()}
    if isinstance(store, LocalStore):
        suffix = ":0" if info["@type"] == _LEGACY else ".index"
        stems = [name.removesuffix(suffix) for name in store.names() if name.endswith(suffix)]
        return {int(stem): stem for stem in stems if stem.isdecimal()}
    raise DataError(f"{store.address}: does not say which meshes there are; name them in labels of [neuropils]")


def reader(store: FileStore, catalogue: Catalogue) -> Callable[[int], RawMesh]:
    """What reads a mesh by its ID, from the folder in which the source's meshes are. It may be used in threads."""
    read = _reader(store, catalogue)

    def quietly(key: int) -> RawMesh:
        import numpy as np

        # Numbers of damaged files may be too large for anything, or signal that they are none.
        with np.errstate(all="ignore"):
            return read(key)

    return quietly


def _reader(store: FileStore, catalogue: Catalogue) -> Callable[[int], RawMesh]:
    if catalogue.kind == _LEGACY:
        return lambda key: _read_legacy(store, key)
    shards = Shards(store, catalogue.info["sharding"]) if catalogue.info.get("sharding") else None
    bits = catalogue.info.get("vertex_quantization_bits")
    if not isinstance(bits, int) or not 1 <= bits <= 31:
        raise DataError(f"{store.address}: its vertex_quantization_bits are {bits}")
    return lambda key: _read_levels(store, shards, bits, key)


def _missing(store: FileStore, key: int) -> CrantError:
    return store.broken(f"there is no mesh with the ID {key}")


# -------------------------------------------------------------------------------------- manifests and fragments


def _read_legacy(store: FileStore, key: int) -> RawMesh:
    """A mesh from its manifest and the fragments that this names."""
    import numpy as np

    manifest = _json(store, f"{key}:0")
    if manifest is None:
        raise _missing(store, key)
    names = manifest.get("fragments")
    if not isinstance(names, list) or not all(isinstance(name, str) and _is_inside(name) for name in names):
        raise store.broken(f"{key}:0 does not list fragments")
    digest, vertices, faces, number = hashlib.sha256(), [np.empty((0, 3))], [np.empty((0, 3), np.int64)], 0
    for name in names:
        data = store.read(name)
        if data is None:
            raise store.broken(f"the fragment {name} of the mesh {key} is missing")
        count = struct.unpack_from("<I", data)[0] if len(data) >= 4 else 0
        rest = len(data) - 4 - 12 * count
        if len(data) < 4 or rest < 0 or rest % 12:
            raise store.broken(f"the fragment {name} of the mesh {key} is cut or damaged")
        vertices.append(np.frombuffer(data, "<f4", 3 * count, 4).reshape(-1, 3).astype(np.float64))
        corners = np.frombuffer(data, "<u4", offset=4 + 12 * count).reshape(-1, 3).astype(np.int64)
        if len(corners) and corners.max() >= count:
            raise store.broken(f"the fragment {name} of the mesh {key} has a face without its vertex")
        faces.append(corners + number)
        number += count
        digest.update(data)
    return RawMesh(np.concatenate(vertices), np.concatenate(faces), digest.hexdigest())


def _is_inside(name: str) -> bool:
    return bool(name) and not name.startswith("/") and ".." not in name.split("/") and "\\" not in name


# ---------------------------------------------------------------------------------------- levels of detail


@dataclass(frozen=True)
class _Manifest:
    """The parts of a mesh at its finest level, and the size in bytes of all levels."""

    chunk: Array
    origin: Array
    offset: Array
    positions: Array
    sizes: list[int]
    total: int


def _read_levels(store: FileStore, shards: Shards | None, bits: int, key: int) -> RawMesh:
    """A mesh from the finest level of its manifest."""
    import numpy as np

    if shards is None:
        file, data, end = str(key), store.read(f"{key}.index"), None
    else:
        entry = shards.find(key)
        file, data, end = (entry.file, shards.read(entry), entry.start) if entry else ("", None, None)
    if data is None:
        raise _missing(store, key)
    try:
        manifest = _parse_manifest(data)
    except (struct.error, ValueError):
        raise store.broken(f"the manifest of the mesh {key} is cut or damaged") from None
    # In a sharded source the parts stand right before the manifest.
    start, length = 0 if end is None else end - manifest.total, sum(manifest.sizes)
    parts = store.read(file, (start, start + length)) if length and start >= 0 else b""
    if parts is None or start < 0 or len(parts) < length:
        raise store.broken(f"the parts of the mesh {key} are missing or cut")
    vertices, faces, number, at = [np.empty((0, 3))], [np.empty((0, 3), np.int64)], 0, 0
    for position, size in zip(manifest.positions, manifest.sizes, strict=True):
        if size:
            points, corners = _decode(parts[at : at + size], bits, store, key)
            place = position + points / (2**bits - 1)
            vertices.append(manifest.origin + manifest.offset + manifest.chunk * place)
            faces.append(corners + number)
            number, at = number + len(points), at + size
    digest = hashlib.sha256(data + parts).hexdigest()
    return RawMesh(np.concatenate(vertices), np.concatenate(faces), digest)


def _parse_manifest(data: bytes) -> _Manifest:
    """Take a manifest apart.

    Raises
    ------
    ValueError, struct.error
        Where it is not as long as it says, or has no levels.
    """
    import numpy as np

    chunk, origin = (np.frombuffer(data, "<f4", 3, at).astype(np.float64) for at in (0, 12))
    (levels,) = struct.unpack_from("<I", data, 24)
    if not 0 < levels < 100:
        raise ValueError("levels")
    offset = np.frombuffer(data, "<f4", 3, 28 + 4 * levels).astype(np.float64)
    counts = np.frombuffer(data, "<u4", levels, 28 + 16 * levels).tolist()
    start = 28 + 20 * levels
    if len(data) != start + 16 * sum(counts):
        raise ValueError("length")
    positions = np.frombuffer(data, "<u4", 3 * counts[0], start).reshape(3, -1).T.astype(np.float64)
    total, sizes = 0, list[int]()
    for level, count in enumerate(counts):
        found = np.frombuffer(data, "<u4", count, start + 12 * count).tolist()
        start, total = start + 16 * count, total + sum(found)
        sizes = found if level == 0 else sizes
    return _Manifest(chunk, origin, offset, positions, sizes, total)


def _decode(data: bytes, bits: int, store: FileStore, key: int) -> tuple[Array, Array]:
    """Vertices, as multiples of the quantisation, and faces of a part."""
    import DracoPy
    import numpy as np

    try:
        found = DracoPy.decode(data)
        points = np.asarray(found.points, dtype=np.float64).reshape(-1, 3)
        faces = np.asarray(found.faces, dtype=np.int64).reshape(-1, 3)
    except Exception:  # whatever the decoder raises for bytes that are something else
        raise store.broken(f"a part of the mesh {key} cannot be decoded; it is damaged") from None
    whole = (points == np.floor(points)).all() and (not len(points) or (points.min() >= 0 and points.max() < 2**bits))
    if not whole or (len(faces) and not (faces.min() >= 0 and faces.max() < len(points))):
        raise store.broken(f"a part of the mesh {key} has vertices that are not of {bits} bits, or too few of them")
    return points, faces


def check_labels(labels: Iterable[tuple[int, str]], address: str) -> dict[str, int]:
    """IDs by name.

    Raises
    ------
    DataError
        Where two meshes have one name; names that differ only in case are one on some systems.
    """
    found: dict[str, int] = {}
    seen: dict[str, int] = {}
    for key, name in labels:
        if not name.isprintable() or not name.strip():
            raise DataError(
                f"{address}: the mesh {key} has a name that cannot be printed; name it in labels of [neuropils]"
            )
        if name.casefold() in seen:
            raise DataError(f"{address}: the meshes {seen[name.casefold()]} and {key} are both named {name}")
        seen[name.casefold()] = found[name] = key
    if not found:
        raise DataError(f"{address}: no mesh has a name ({join_names([])})")
    return found
