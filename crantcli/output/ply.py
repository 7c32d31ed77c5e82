"""Writes meshes as PLY."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.question import Mesh
from crantcli.engine.duckdb import Engine
from crantcli.errors import writing_to
from crantcli.output.writers import Target, Writer, register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def write_ply(vertices: Array, faces: Array, path: Path) -> None:
    """Write a mesh as binary PLY, with coordinates as doubles, so that a mesh that is read back is the same mesh.

    Parameters
    ----------
    vertices : ndarray, shape (n, 3)
        In nm.
    faces : ndarray of int, shape (m, 3)
    path : Path

    Raises
    ------
    CrantError
        Where the file cannot be written.
    """
    import numpy as np

    header = (
        f"ply\nformat binary_little_endian 1.0\ncomment units nm\nelement vertex {len(vertices)}\n"
        "property double x\nproperty double y\nproperty double z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(faces), dtype=[("corners", "u1"), ("vertices", "<i4", 3)])
    rows["corners"], rows["vertices"] = 3, faces
    with writing_to(path.parent):
        path.write_bytes(header.encode() + np.ascontiguousarray(vertices, dtype="<f8").tobytes() + rows.tobytes())


def _write(engine: Engine, surface: Mesh, record: dict[str, Any], target: Target) -> list[str]:
    write_ply(surface.vertices, surface.faces, target.place())
    return []


register(Mesh, Writer(".ply", _write, carries_metadata=False))
