"""Data sets as data: a TOML file says where a brain's tables are and how large its voxels."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from crantcli.core import crantb
from crantcli.core.addresses import CaveAddress, Dataset, MeshAddress, TableAddress, ViewerAddress
from crantcli.core.relation import VoxelSize
from crantcli.errors import DataError, UsageError
from crantcli.remote.objects import is_address
from crantcli.sources.tables.metadata import FileMetadata
from crantcli.text import P, did_you_mean

#: Environment variable with the name of the data set to use when none is given.
DEFAULT_VARIABLE = "CRANT_DEFAULT_DATASET"


def find_dataset(name: str | None) -> Dataset | None:
    """The data set that was asked for by name or file, or by CRANT_DEFAULT_DATASET; None if none was.

    Raises
    ------
    UsageError
        Where there is no such data set.
    DataError
        Where its description cannot be read.
    """
    name = name or os.environ.get(DEFAULT_VARIABLE) or None
    if name is None:
        return None
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"{P.dataset} {name}: there is no such file")
        return _parse(path.stem, _load(path), path.parent)
    listed = user_file()
    own = _load(listed) if listed.is_file() else {}
    if isinstance(own.get(name), dict):
        return _parse(name, own[name], listed.parent)
    if name in crantb.DATASTACKS:
        address = CaveAddress(crantb.CAVE_SERVER, crantb.DATASTACKS[name], crantb.SYNAPSE_TABLE)
        table, meshes = _annotations(crantb.ANNOTATIONS, name), _meshes(crantb.NEUROPILS, name, Path())
        return Dataset(name, voxel_size=crantb.VOXEL_SIZE_NM, cave=address, annotation_table=table, mesh_source=meshes)
    known = [*crantb.DATASTACKS, *own]
    raise UsageError(
        f"{P.dataset} {name}: unknown ({did_you_mean(name, known, 'known names')}); "
        f"a file must end in .toml, names stand in {listed}"
    )


def unit_metadata(dataset: Dataset) -> FileMetadata:
    """Unit and voxel size of a data set, as if a file recorded them."""
    return FileMetadata(dataset.unit, dataset.voxel_size)


def user_file() -> Path:
    """`datasets.toml` in the user's configuration folder: one table `[NAME]` per data set."""
    import platformdirs

    return Path(platformdirs.user_config_dir("crantcli")) / "datasets.toml"


def _load(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read as TOML ({error})") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path}: cannot be read as TOML (a number or a list in it is too long)") from None


def _parse(name: str, record: dict[str, Any], folder: Path) -> Dataset:
    files, voxel = _section(record, "files", name), _section(record, "voxel", name)
    known = ("synapses", "annotations", "meshes", "skeletons")
    paths = {key: _path(files[key], folder, f"{name}: files.{key}") for key in known if key in files}
    unit = files.get("coordinates", "unknown")
    if unit not in ("nm", "pixels", "unknown"):
        raise DataError(f"data set {name}: files.coordinates is {unit!r}; nm or pixels")
    background = record.get("background_ids", list(crantb.BACKGROUND_IDS))
    if not isinstance(background, list) or not all(isinstance(item, int) for item in background):
        raise DataError(f"data set {name}: background_ids is a list of integers")
    return Dataset(
        name, paths.get("synapses"), paths.get("annotations"), unit, _voxel(voxel, name), tuple(background),
        _cave(_section(record, "cave", name), name), paths.get("meshes"), paths.get("skeletons"),
        _annotations(_section(record, "annotations", name), name),
        _meshes(_section(record, "neuropils", name), name, folder),
        _viewer(_section(record, "viewer", name), name),
    )  # fmt: skip


def _section(record: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    section = record.get(key, {})
    if not isinstance(section, dict):
        raise DataError(f"data set {name}: [{key}] is a table of settings")
    return section


def _path(value: Any, folder: Path, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise DataError(f"data set {where} is a path in quotes")
    if is_address(value):
        if not where.endswith(("synapses", "annotations")):
            raise DataError(f"data set {where} is on this machine; tables alone may be in an object store")
        return value
    return str(folder / Path(value).expanduser())


def _annotations(section: dict[str, Any], name: str) -> TableAddress | None:
    """The table that [annotations] names."""
    if not section:
        return None
    needed = ("seatable_server", "base", "table")
    for key in needed:
        if not isinstance(section.get(key), str) or not section[key] or "`" in section[key]:
            raise DataError(f"data set {name}: annotations.{key} is a name in quotes, and needed")
    workspace = section.get("workspace")
    if workspace is not None and not isinstance(workspace, int):
        raise DataError(f"data set {name}: annotations.workspace is a number")
    return TableAddress(section["seatable_server"], section["base"], section["table"], workspace)


def _meshes(section: dict[str, Any], name: str, folder: Path) -> MeshAddress | None:
    """The source that [neuropils] names."""
    if not section:
        return None
    address, transform, labels = (section.get(key) for key in ("source", "transform", "labels"))
    if not isinstance(address, str) or not address:
        raise DataError(f"data set {name}: neuropils.source is an address or a folder in quotes, and needed")
    bare = address.removeprefix("precomputed://")
    if "://" not in bare:
        address = str(folder / Path(bare).expanduser())
    if transform is not None:
        numbers = isinstance(transform, list) and all(map(_is_number, transform))
        if not numbers or len(transform) != 12:
            raise DataError(f"data set {name}: neuropils.transform is 12 numbers, the rows of a 3 by 4 matrix")
        transform = tuple(float(item) for item in transform)
    if labels is not None:
        if not isinstance(labels, dict) or not all(k.isdecimal() and isinstance(v, str) for k, v in labels.items()):
            raise DataError(f'data set {name}: neuropils.labels is like {{ 1 = "fan_shaped_body" }}')
        labels = tuple((int(key), label) for key, label in labels.items())
    return MeshAddress(address, transform, labels)


def _cave(section: dict[str, Any], name: str) -> CaveAddress | None:
    if not section:
        return None
    texts = {key: section.get(key) for key in ("server", "datastack", "synapse_table")}
    for key, value in texts.items():
        if not isinstance(value, str) and (value is not None or key != "synapse_table"):
            raise DataError(f"data set {name}: cave.{key} is a text in quotes")
    server, datastack = str(texts["server"]), str(texts["datastack"])
    if not re.match(r"https?://[^/]", server):
        raise DataError(f"data set {name}: cave.server is an address such as https://proofreading.zetta.ai")
    table = texts["synapse_table"]
    return CaveAddress(server.rstrip("/"), datastack, None if table is None else str(table))


def _viewer(section: dict[str, Any], name: str) -> ViewerAddress:
    """What [viewer] names."""
    known = ("url", "image", "segmentation", "state_server")
    for key, value in section.items():
        if key not in known:
            raise DataError(f"data set {name}: viewer.{key} is unknown; known are {', '.join(known)}")
        if not isinstance(value, str) or not value:
            raise DataError(f"data set {name}: viewer.{key} is an address in quotes")
        if "://" not in value:
            raise DataError(
                f"data set {name}: viewer.{key} is an address such as precomputed://https://..., or https://"
            )
    if not re.match(r"https?://[^/]", section.get("url", "https://x")):
        raise DataError(f"data set {name}: viewer.url is an address such as https://neuroglancer-demo.appspot.com")
    if not re.match(r"https?://[^/]", section.get("state_server", "https://x")):
        raise DataError(
            f"data set {name}: viewer.state_server is an address such as https://global.daf-apis.com/nglstate/api/v1"
        )
    return ViewerAddress(**section)


def _is_number(value: Any) -> bool:
    """Whether a value is a number, and one that floating-point numbers reach."""
    return isinstance(value, int | float) and -sys.float_info.max <= value <= sys.float_info.max


def _voxel(section: dict[str, Any], name: str) -> VoxelSize | None:
    sizes = section.get("size_nm")
    if sizes is None:
        return None
    numbers = isinstance(sizes, list) and len(sizes) == 3 and all(_is_number(size) and size > 0 for size in sizes)
    if not numbers:
        raise DataError(f"data set {name}: voxel.size_nm is three positive numbers, such as [8, 8, 42]")
    return (float(sizes[0]), float(sizes[1]), float(sizes[2]))
