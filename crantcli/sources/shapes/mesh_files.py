"""Reads one mesh from a PLY, OBJ or STL file, strictly: what may be damaged is refused, and never mended."""

from __future__ import annotations

from pathlib import Path

from crantcli.core.geometry.solids import Surface, proper_faces, weld
from crantcli.core.relation import VoxelSize
from crantcli.errors import DataError, UsageError
from crantcli.sources.shapes.obj import read_obj
from crantcli.sources.shapes.plain import refuse_other_kinds
from crantcli.sources.shapes.ply import read_ply
from crantcli.sources.shapes.stl import read_stl
from crantcli.text import P

#: Suffixes of mesh files, and readers of those that do not say their unit.
SUFFIXES = (".ply", ".obj", ".stl")
_BARE = {".obj": read_obj, ".stl": read_stl}


def mesh_files(folder: Path) -> dict[str, Path]:
    """The mesh files of a folder by the names of their neuropils.

    Raises
    ------
    UsageError
        Where there is no such folder, or no mesh in it.
    DataError
        Where two files have one name.
    """
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


def read_mesh(path: Path, scale: VoxelSize | None = None) -> Surface:
    """Read a mesh.

    Parameters
    ----------
    path : Path
    scale : tuple of three floats, optional
        Factors for x, y and z.

    Returns
    -------
    Surface
        Vertices welded, faces with fewer than three different vertices left out.

    Raises
    ------
    DataError
        Where the file is something else, damaged or cut; the message names it.
    UsageError
        Where the file says that it is in nm, and is to be scaled.
    """
    import numpy as np

    name, kind = path.name, path.suffix.lower()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror or error})") from None
    if not data.strip():
        raise DataError(f"{name}: is empty; fetch or make it again")
    refuse_other_kinds(data, name)
    # Numbers of damaged files may be too large to be multiplied, or signal that they are none.
    with np.errstate(all="ignore"):
        surface, unit = read_ply(data, name) if kind == ".ply" else (_BARE[kind](data, name), None)
        welded = weld(surface if scale is None else Surface(surface.vertices * np.array(scale), surface.faces))
    if scale is not None and unit == "nm":
        raise UsageError(f"{name}: the file records that it is in nm, which {P.mesh_scale} contradicts; leave that out")
    return Surface(welded.vertices, proper_faces(welded.faces))
