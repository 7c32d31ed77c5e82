"""Writes small precomputed sources of meshes, by code of its own, and serves folders over HTTP."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import DracoPy
import numpy as np
from loopback import serving

Array = np.ndarray[Any, Any]
Mesh = tuple[Array, Array]

#: From the coordinates in the files to nm; not the identity, and no scale only.
TRANSFORM = (800.0, 0, 0, -43200.0, 0, 800.0, 0, -43200.0, 0, 0, 840.0, -2520.0)

#: MurmurHash3_x86_128 (seed 0, lower 64 bits) of some IDs, from the package mmh3.
MURMUR = {
    0: 5148371408780832321, 1: 16770674756601302682, 21: 11555306883920872143,
    576460752641833774: 3748444575222683124,
}  # fmt: skip


def moved(mesh: Mesh, transform: Sequence[float] = TRANSFORM) -> Mesh:
    """A mesh in nm."""
    matrix = np.array(transform, float).reshape(3, 4)
    return np.asarray(mesh[0], float) @ matrix[:, :3].T + matrix[:, 3], mesh[1]


def grid_box(low: Sequence[int], high: Sequence[int]) -> Mesh:
    """A box with a vertex at every whole number of its surface, so that it may be cut along them."""
    points: dict[tuple[int, ...], int] = {}
    faces = []

    def corner(*point: int) -> int:
        return points.setdefault(point, len(points))

    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for side in (low[axis], high[axis]):
            ranges = [range(low[other], high[other]) for other in others]
            for a, b in itertools.product(*ranges):
                square = []
                for da, db in ((0, 0), (1, 0), (1, 1), (0, 1)):
                    point = [0, 0, 0]
                    point[axis], point[others[0]], point[others[1]] = side, a + da, b + db
                    square.append(corner(*point))
                faces += [(square[0], square[1], square[2]), (square[0], square[2], square[3])]
    return np.array(list(points), float), np.array(faces)


def legacy(folder: Path, meshes: Mapping[int, Mesh], fragments: int = 2, info: bool = True) -> None:
    """Write a source of manifests and fragments."""
    folder.mkdir(parents=True, exist_ok=True)
    if info:
        (folder / "info").write_text(json.dumps({"@type": "neuroglancer_legacy_mesh"}))
    for key, (vertices, faces) in meshes.items():
        names = []
        for number, part in enumerate(np.array_split(faces, fragments)):
            name = f"{key}:0:{number}"
            used, corners = np.unique(part, return_inverse=True)
            body = struct.pack("<I", len(used)) + vertices[used].astype("<f4").tobytes()
            (folder / name).write_bytes(body + corners.astype("<u4").tobytes())
            names.append(name)
        (folder / f"{key}:0").write_text(json.dumps({"fragments": names}))


@dataclass
class Levels:
    """A source with levels of detail.

    Attributes
    ----------
    meshes : mapping
        With coordinates that are whole numbers.
    chunk : tuple of int
        Extent of a part at the finest level.
    bits : int
    sharding : dict, optional
        Settings; none for a file per mesh.
    """

    meshes: Mapping[int, Mesh]
    chunk: tuple[int, int, int] = (4, 4, 4)
    bits: int = 10
    sharding: dict[str, Any] | None = None
    transform: Sequence[float] = TRANSFORM

    def write(self, folder: Path) -> None:
        """Write it."""
        folder.mkdir(parents=True, exist_ok=True)
        info: dict[str, Any] = {
            "@type": "neuroglancer_multilod_draco", "vertex_quantization_bits": self.bits,
            "transform": list(self.transform), "lod_scale_multiplier": 1.0,
        }  # fmt: skip
        if self.sharding:
            info["sharding"] = self.sharding
        (folder / "info").write_text(json.dumps(info))
        entries = {key: self.encoded(mesh) for key, mesh in self.meshes.items()}
        if self.sharding:
            for name, body in shards(entries, self.sharding).items():
                (folder / name).write_bytes(body)
            return
        for key, (manifest, parts) in entries.items():
            (folder / f"{key}.index").write_bytes(manifest)
            (folder / str(key)).write_bytes(parts)

    def encoded(self, mesh: Mesh) -> tuple[bytes, bytes]:
        """Manifest and parts: the mesh at the finest level, cut along the chunks, an empty part, and one coarser."""
        vertices, faces = np.asarray(mesh[0], float), mesh[1]
        origin = vertices.min(axis=0) - 0.5 * np.array(self.chunk)
        offset = np.array([0.25, 0.0, -0.5])
        chunk = np.array(self.chunk, float)
        # The whole numbers at which the mesh is cut: chunk borders must be among them.
        origin = np.floor(origin / chunk) * chunk
        cells = np.floor((vertices[faces].mean(axis=1) - origin) / chunk).astype(int)
        positions, parts = [], []
        for cell in np.unique(cells, axis=0):
            chosen = faces[(cells == cell).all(axis=1)]
            used, corners = np.unique(chosen, return_inverse=True)
            local = (vertices[used] - origin) / chunk - cell
            positions.append(tuple(int(number) for number in cell))
            parts.append(self.draco(local, corners.reshape(-1, 3)))
        positions.append((7, 7, 7))
        parts.append(b"")
        coarse = self.draco(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]), np.array([[0, 1, 2], [0, 1, 3]]))
        head = np.concatenate([chunk, origin - offset]).astype("<f4").tobytes() + struct.pack("<I", 2)
        head += np.array([1, 2, *offset, 9, 9, 9], "<f4").tobytes() + struct.pack("<II", len(parts), 1)
        head += np.array(positions, "<u4").T.tobytes() + np.array([len(part) for part in parts], "<u4").tobytes()
        head += np.zeros(3, "<u4").tobytes() + struct.pack("<I", len(coarse))
        return head, b"".join(parts) + coarse

    def draco(self, local: Array, faces: Array) -> bytes:
        """A part, whose coordinates are in units of its extent."""
        whole = np.rint(local * (2**self.bits - 1)).astype("<u4")
        made: bytes = DracoPy.encode(
            whole, faces.astype("<u4"), quantization_bits=self.bits, quantization_range=2**self.bits - 1,
            quantization_origin=np.zeros(3), compression_level=5,
        )  # fmt: skip
        return made


def shards(entries: Mapping[int, tuple[bytes, bytes]], settings: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a sharded source, with parts before their manifests and gaps between entries."""
    minibits, bits, shift = (settings[f"{name}_bits"] for name in ("minishard", "shard", "preshift"))
    homes: dict[int, dict[int, list[int]]] = {}
    for key in sorted(entries):
        spot = MURMUR[key >> shift] if settings["hash"] != "identity" else key >> shift
        mini, shard = spot % 2**minibits, (spot >> minibits) % 2**bits
        homes.setdefault(shard, {}).setdefault(mini, []).append(key)
    files = {}
    for shard, minishards in homes.items():
        body, index = b"", []
        for mini in range(2**minibits):
            rows, last_key, last_end = [], 0, 0
            for key in minishards.get(mini, []):
                manifest, parts = entries[key]
                stored = gzip.compress(manifest) if settings["data_encoding"] == "gzip" else manifest
                body += parts
                rows.append((key - last_key, len(body) - last_end, len(stored)))
                body += stored
                last_key, last_end = key, len(body)
            packed = np.array(rows, "<u8").reshape(-1, 3).T.tobytes()
            if settings["minishard_index_encoding"] == "gzip" and packed:
                packed = gzip.compress(packed)
            index += [len(body), len(body) + len(packed)]
            body += packed
        width = -(-bits // 4) or 1
        files[f"{shard:0{width}x}.shard"] = np.array(index, "<u8").tobytes() + body
    return files


@dataclass
class Site:
    """A server of files.

    Attributes
    ----------
    folder : Path
    ranges : bool
        Parts of files can be asked for; else the whole is given.
    broken : dict of str to int or str
        Path -> status, "cut" (the connection ends after half of it), "stall", "page" (a web page, as a proxy sends it),
        or an address to send to.
    """

    folder: Path
    ranges: bool = True
    broken: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    requests: list[str] = field(default_factory=list)
    unstall: threading.Event = field(default_factory=threading.Event)


class _Files(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        name = unquote(self.path).lstrip("/")
        self.site.requests.append(name)
        behaviour = self.site.broken.get(name)
        path = self.site.folder / name
        if isinstance(behaviour, int) or not path.is_file():
            self.send_response(behaviour or 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if behaviour == "page" or "://" in (behaviour or ""):
            body = b"\n<!doctype html><title>Sign in</title>" if behaviour == "page" else b""
            self.send_response(200 if behaviour == "page" else 302)
            self.send_header("Location", behaviour)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        body = path.read_bytes()
        asked = self.headers.get("Range") if self.site.ranges else None
        if asked:
            start, end = (int(number) for number in asked.removeprefix("bytes=").split("-"))
            total, body = len(body), body[start : end + 1]
            self.send_response(206 if body else 416)
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{total}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if behaviour else body)
        if behaviour == "stall":
            self.site.unstall.wait(20)
        if behaviour:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serve(folder: Path, **options: Any) -> Iterator[Site]:
    """Serve a folder on a free port of 127.0.0.1."""
    site = Site(folder, **options)
    with serving(_Files, site=site) as site.address:
        try:
            yield site
        finally:
            site.unstall.set()
