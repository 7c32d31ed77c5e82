"""Neuropil meshes in an object store: a folder of objects like a folder of files, which is copied and read there."""

from __future__ import annotations

from pathlib import Path

from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, DataError, UsageError
from crantcli.remote.objects import base_name
from crantcli.sources.shapes.mesh_files import SUFFIXES
from crantcli.sources.tables.stored import object_store


def mesh_folder_copy(engine: Engine, address: str) -> Path | None:
    """The meshes of a folder of objects, as files in the scratch folder; objects further below are not looked at.

    Returns
    -------
    Path or None
        None for a precomputed source on Google's storage, which is asked as a web server.

    Raises
    ------
    UsageError
        Where there is no mesh.
    DataError
        Where two objects have one name but for case, or it is a precomputed source.
    """
    google = address.startswith("gs://")
    try:
        inside = object_store(engine).below(address)
    except CrantError:
        if google:  # it may be public all the same
            return None
        raise
    begin = address.rstrip("/") + "/"
    here = {name.removeprefix(begin): name for name in inside if "/" not in name.removeprefix(begin)}
    meshes = {name: where for name, where in here.items() if name.lower().endswith(SUFFIXES) and name[0] != "."}
    if google and ("info" in here or not meshes):
        return None
    if "info" in here:
        raise DataError(f"{address}: is a precomputed source; give its web address, as precomputed://https://...")
    if not meshes:
        raise UsageError(f"{address}: no mesh in this folder of objects ({', '.join(SUFFIXES)})")
    stems: dict[str, str] = {}
    for name in sorted(meshes):
        twin = stems.setdefault(Path(name).stem.casefold(), name)
        if twin != name:
            raise DataError(f"{address}: {twin} and {name} are both named {Path(name).stem}; keep one of them")
    folder = engine.scratch / engine.name("meshes") / base_name(address)
    folder.mkdir(parents=True)
    for name, where in meshes.items():
        found = object_store(engine).find(where)
        if found is None:
            raise UsageError(f"{where}: the object was there, and is gone")
        found.save(folder / name)
    return folder
