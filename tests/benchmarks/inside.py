"""Which meshes contain points: `python inside.py HOW MESHES POINTS N RESULT`, each way as a process of its own.

Points are made in the process. What is timed starts with meshes and points in memory and ends with the answer; our
index is built within that time and kept nowhere.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from crantcli.core.geometry.containment import MeshIndex
from crantcli.sources.shapes.meshes import NeuropilMesh, read_neuropils

Array = np.ndarray[Any, Any]

SEED = 5


def uniform(neuropils: list[NeuropilMesh], number: int) -> Array:
    """Points in the bounds of all meshes."""
    every = np.concatenate([neuropil.vertices for neuropil in neuropils])
    return np.random.default_rng(SEED).uniform(every.min(axis=0), every.max(axis=0), (number, 3))


def concentrated(neuropils: list[NeuropilMesh], number: int) -> Array:
    """Points between the vertices and the middle of a mesh, as many for each mesh by its bounds: nearly all inside."""
    rng = np.random.default_rng(SEED)
    sizes = np.array([np.prod(np.ptp(neuropil.vertices, axis=0)) for neuropil in neuropils])
    parts = []
    for neuropil, share in zip(neuropils, rng.multinomial(number, sizes / sizes.sum()), strict=True):
        vertices = neuropil.vertices
        middle = vertices.mean(axis=0)
        away = np.cbrt(rng.random((share, 1)))
        parts.append(middle + (vertices[rng.integers(0, len(vertices), share)] - middle) * away)
    return rng.permutation(np.concatenate(parts))


def crantcli(neuropils: list[NeuropilMesh], points: Array) -> Array:
    index = MeshIndex.build([neuropil.surfaces for neuropil in neuropils])
    batches = (points[start : start + 1_000_000] for start in range(0, len(points), 1_000_000))
    return np.sum([found.counts() for found in index.contains_each(batches)], axis=0)


def embree(neuropils: list[NeuropilMesh], points: Array) -> Array:
    """trimesh with Embree, mesh by mesh."""
    import trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    meshes = (trimesh.Trimesh(neuropil.vertices, neuropil.faces, process=False) for neuropil in neuropils)
    return np.array([RayMeshIntersector(mesh).contains_points(points).sum() for mesh in meshes])


def ncollpyde(neuropils: list[NeuropilMesh], points: Array) -> Array:
    """ncollpyde, mesh by mesh, on all cores."""
    from ncollpyde import Volume

    meshes = (Volume(neuropil.vertices, neuropil.faces, validate=False) for neuropil in neuropils)
    return np.array([mesh.contains(points).sum() for mesh in meshes])


WAYS: dict[str, Callable[[list[NeuropilMesh], Array], Array]] = {f.__name__: f for f in (crantcli, embree, ncollpyde)}
KINDS: dict[str, Callable[[list[NeuropilMesh], int], Array]] = {f.__name__: f for f in (uniform, concentrated)}


def main(how: str, folder: str, kind: str, number: str, result: str) -> None:
    neuropils = read_neuropils(folder)
    points = KINDS[kind](neuropils, int(number))
    WAYS[how](neuropils, points[:100])  # loads what is loaded on first use
    wall, cpu = time.perf_counter(), time.process_time()
    counts = WAYS[how](neuropils, points)
    found = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "counts": counts.tolist()}
    with open(result, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
