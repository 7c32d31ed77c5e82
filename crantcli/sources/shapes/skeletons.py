"""Finds skeletons in SWC files, folders and zips, and says whose they are. They are read one at a time, in memory."""

from __future__ import annotations

import glob
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from crantcli.core.geometry.skeleton import Skeleton
from crantcli.core.relation import Relation, VoxelSize
from crantcli.core.rows.absent import some
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, UsageError
from crantcli.ids import parse_id
from crantcli.remote.objects import is_address
from crantcli.schema import IdType, NeuronId
from crantcli.sources.shapes.swc import read_swc
from crantcli.sources.tables.annotations import open_annotations
from crantcli.sources.tables.expand import expand
from crantcli.sources.tables.files import WHOLE_FINGERPRINT, Source
from crantcli.sources.tables.parts import parts
from crantcli.text import P, join_names, plural

#: A skeleton larger than this many bytes is refused: ten million nodes, fifty times what a large neuron has.
LARGEST = 2**29

#: How many times its size a zip may unpack to. Text of coordinates shrinks to a third or a fifth.
_LARGEST_RATIO = 100


@dataclass(frozen=True)
class SkeletonFile:
    """One skeleton that has not been read yet.

    Attributes
    ----------
    name : str
        File name without folder and suffix, by which the neuron is told.
    label : str
        What to call it in messages: its path as given.
    path : Path
        The file, or the zip that it is in.
    archive : zipfile.ZipFile or None
    member : zipfile.ZipInfo or None
        Where it is in a zip.
    """

    name: str
    label: str
    path: Path
    archive: zipfile.ZipFile | None = None
    member: zipfile.ZipInfo | None = None

    def content(self) -> bytes:
        """Read the file, whatever its size is said to be."""
        try:
            if self.archive is not None and self.member is not None:
                with self.archive.open(self.member) as file:
                    data = file.read(LARGEST + 1)
                if not data and any(self._head(self.member)):
                    raise zipfile.BadZipFile
            else:
                with self.path.open("rb") as plain:
                    data = plain.read(LARGEST + 1)
        except Exception as error:  # whatever zipfile raises for a damaged archive, beside what files do
            raise DataError(f"{self.label}: cannot be read{_reason(error)}; is it damaged or locked?") from None
        if len(data) > LARGEST:
            raise DataError(f"{self.label}: is larger than {LARGEST // 2**20} MB, which is no skeleton of a neuron")
        return data

    def _head(self, member: zipfile.ZipInfo) -> bytes:
        """Checksum and size that stand before the file in the zip; in a directory zeros may be damage."""
        with self.path.open("rb") as archive:
            archive.seek(member.header_offset + 14)
            head = archive.read(12)
        return head[:4] + head[8:]


@dataclass
class Collection:
    """The skeletons that one `--skeletons` names, and what is known of their content.

    Attributes
    ----------
    name : str
        Base name of the file, folder or zip.
    files : list of SkeletonFile
    whole : Path or None
        The file or zip, where it is one.
    digests : dict of str to str
        Label -> name, size and digest of those that have been read.
    """

    name: str
    files: list[SkeletonFile]
    whole: Path | None = None
    digests: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _large(self) -> bool:
        return sum(file.path.stat().st_size for file in self.files) > WHOLE_FINGERPRINT

    def note(self, file: SkeletonFile, data: bytes) -> None:
        """Take the fingerprint of a skeleton in a folder: SHA-256; in a large folder CRC-32, an eighth of the work."""
        if self.whole is None and file.label not in self.digests:
            digest = f"{zlib.crc32(data):08x}" if self._large else hashlib.sha256(data).hexdigest()
            self.digests[file.label] = f"{file.path.name} {len(data)} {digest}\n"

    def record(self) -> dict[str, Any]:
        """For the provenance: name, size and fingerprint of a file or zip; of a folder those of all that was read."""
        if self.whole is not None:
            return Source(self.whole, "csv", self.name).record()
        lines = sorted(self.digests.values())
        digest = hashlib.sha256("".join(lines).encode()).hexdigest()
        size = sum(int(line.rsplit(maxsplit=2)[1]) for line in lines)
        return {"name": self.name, "files": len(lines), "bytes": size, "sha256": "crc32:" * self._large + digest}


@contextmanager
def find_skeletons(names: Sequence[str]) -> Iterator[list[Collection]]:
    """List the skeletons that files, folders, globs and zips hold, without reading them. Zips stay open meanwhile.

    Raises
    ------
    UsageError
        Where there is no such file, or no skeleton in it.
    DataError
        Where a zip is damaged, or unpacks to much more than skeletons would.
    """
    with ExitStack() as stack:
        yield [_collection(name, stack) for name in dict.fromkeys(names)]


def _collection(name: str, stack: ExitStack) -> Collection:
    if is_address(name):
        raise UsageError(f"{name}: skeletons are read from this machine; copy them from the object store first")
    path = Path(name)
    if path.is_dir():
        inside = [file for file in path.rglob("*") if _is_skeleton(file.name) and file.is_file()]
        if not inside:
            raise UsageError(f"{name}: no skeleton (.swc) in this folder")
        return Collection(path.resolve().name, [_plain(file) for file in sorted(inside)])
    if path.is_file():
        if path.suffix.lower() == ".zip":
            return Collection(path.name, _members(path, stack), whole=path)
        if path.suffix.lower() != ".swc":
            raise UsageError(f"{name}: unknown kind of file; skeletons are .swc files, a folder or a .zip of them")
        return Collection(path.name, [_plain(path)], whole=path)
    found = [Path(match) for match in sorted(glob.glob(name, recursive=True))] if glob.has_magic(name) else []
    inside = [match for match in found if _is_skeleton(match.name) and match.is_file()]
    if not inside:
        raise UsageError(
            f"{name}: {'no skeleton matches' if glob.has_magic(name) else 'there is no such file or folder'}"
        )
    return Collection(path.name, [_plain(file) for file in inside])


def _is_skeleton(name: str) -> bool:
    return name.lower().endswith(".swc") and not name.startswith(".")  # ._NAME is what macOS adds to a zip


def _reason(error: Exception) -> str:
    """What the system says about a file; nothing where others say it in words of theirs."""
    return f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""


def _plain(path: Path) -> SkeletonFile:
    return SkeletonFile(path.stem, str(path), path)


def _members(path: Path, stack: ExitStack) -> list[SkeletonFile]:
    """The skeletons in a zip, in whatever folders. Nothing is unpacked to disk, so that no name can lead anywhere."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except Exception as error:  # likewise
        raise DataError(f"{path}: cannot be read as a zip{_reason(error)}; is it damaged?") from None
    files = [info for info in archive.infolist() if info.filename and not info.is_dir()]
    inside = [info for info in files if _is_skeleton(PurePosixPath(info.filename).name)]
    if not inside:
        raise UsageError(f"{path}: no skeleton (.swc) in this zip")
    total, packed = sum(info.file_size for info in inside), path.stat().st_size
    if total > _LARGEST_RATIO * packed + LARGEST:
        raise DataError(
            f"{path}: unpacks to {total / 1e9:,.1f} GB, {total / packed:,.0f} times its size, which no skeletons do"
        )
    inside.sort(key=lambda info: info.filename)
    return [
        SkeletonFile(PurePosixPath(info.filename).stem, f"{path}/{info.filename}", path, archive, info)
        for info in inside
    ]


class SkeletonFiles:
    """SkeletonFiles with their neurons, by ascending neuron ID.

    Attributes
    ----------
    neurons : tuple of int or str
    notes : list of str
        What was left out.
    """

    def __init__(
        self,
        collections: Sequence[Collection],
        chosen: dict[NeuronId, tuple[Collection, SkeletonFile]],
        notes: list[str],
    ) -> None:
        self.neurons = tuple(sorted(chosen, key=lambda neuron: (str(type(neuron)), neuron)))
        self._files = [chosen[neuron] for neuron in self.neurons]
        self._collections, self.notes = collections, notes

    def load(self, place: int, scale: VoxelSize) -> Skeleton:
        """Read the skeleton of the neuron at a place; `scale` is nm per unit. May be called in several threads."""
        collection, file = self._files[place]
        data = file.content()
        collection.note(file, data)
        return read_swc(data, file.label, scale)

    def records(self) -> list[dict[str, Any]]:
        """For the provenance, when all have been read."""
        return [collection.record() for collection in self._collections]


def match_neurons(
    collections: Sequence[Collection], id_type: IdType, names: dict[str, NeuronId] | None = None
) -> SkeletonFiles:
    """Say whose each skeleton is.

    Parameters
    ----------
    collections : sequence of Collection
    id_type : {"BIGINT", "VARCHAR"}
        How the synapse table holds IDs.
    names : dict of str to int or str, optional
        Name of a skeleton -> neuron; without it, the names are IDs.

    Raises
    ------
    DataError
        Where a name is no ID, or a neuron has two skeletons.
    """
    chosen: dict[NeuronId, tuple[Collection, SkeletonFile]] = {}
    unknown: list[SkeletonFile] = []
    for collection in collections:
        for file in collection.files:
            neuron = _neuron(file, id_type) if names is None else names.get(file.name)
            if neuron is None:
                unknown.append(file)
                continue
            if neuron in chosen and chosen[neuron][1].label != file.label:
                raise DataError(
                    f"neuron {neuron} has two skeletons, {chosen[neuron][1].label} and {file.label}; keep one of them"
                )
            chosen[neuron] = (collection, file)
    notes = []
    if unknown:
        notes.append(
            f"{plural(len(unknown), 'skeleton', 'are')} not in {P.id_map} and left out, such as {unknown[0].label}"
        )
    if names is not None:
        present = {file.name for collection in collections for file in collection.files}
        missing = [name for name in names if name not in present]
        if missing:
            notes.append(f"{plural(len(missing), 'name')} in {P.id_map} without a skeleton, such as {missing[0]}")
        if not chosen:
            raise DataError(
                f"{P.id_map} names none of the skeletons, which are called {join_names(sorted(present), 5)}"
            )
    return SkeletonFiles(collections, chosen, notes)


def _neuron(file: SkeletonFile, id_type: IdType) -> NeuronId:
    try:
        return parse_id(file.name, id_type)
    except DataError as error:
        raise DataError(
            f"{file.label}: {error.message}; name the file by its neuron ID, or give {P.id_map.metavar('FILE')} "
            "with columns name, neuron_id"
        ) from None


def selected(
    skeletons: SkeletonFiles, wanted: Sequence[NeuronId], current: Sequence[NeuronId] | None = None
) -> SkeletonFiles:
    """The skeletons of some neurons.

    Parameters
    ----------
    skeletons : SkeletonFiles
    wanted : sequence of int or str
    current : sequence of int or str, optional
        For each skeleton the ID that its neuron has among those that are wanted, if it is another.

    Raises
    ------
    DataError
        Where none of them has a skeleton.
    """
    have: dict[NeuronId, list[int]] = {}
    for place, neuron in enumerate(current or skeletons.neurons):
        have.setdefault(neuron, []).append(place)
    missing = [neuron for neuron in wanted if neuron not in have]
    chosen = {skeletons.neurons[place]: skeletons._files[place] for neuron in wanted for place in have.get(neuron, [])}
    if not chosen:
        raise DataError(f"none of the {len(missing):,} selected neurons has a skeleton, such as {some(missing)}")
    notes = [*skeletons.notes]
    if missing:
        notes.append(f"{len(missing):,} of {len(wanted):,} selected neurons have no skeleton, such as {some(missing)}")
    return SkeletonFiles(skeletons._collections, chosen, notes)


def read_id_map(
    engine: Engine, path: str, id_type: IdType
) -> tuple[dict[str, NeuronId], list[dict[str, Any]], list[Path]]:
    """Read a table that says which neuron each skeleton is of.

    Parameters
    ----------
    engine : Engine
    path : str
        A table with columns `name` (of a file, with or without `.swc`) and `neuron_id`.
    id_type : {"BIGINT", "VARCHAR"}

    Returns
    -------
    tuple of dict, list of dict, and list of Path
        Name -> neuron ID; the file for the provenance; its path.

    Raises
    ------
    DataError
        Where a column is missing, an ID went through a float, or a name stands for two neurons.
    """
    sources = expand([path], engine)
    found = parts(engine, sources)
    if len(found) != 1:
        raise UsageError(f"{P.id_map} is one table; give one file")
    part = found[0]
    for column in ("name", "neuron_id"):
        if column not in part.columns:
            raise DataError(
                f"{part.name}: no column {column} among {join_names(list(part.columns))}; {P.id_map} has name, "
                "neuron_id"
            )
    if part.columns["name"] in ("FLOAT", "DOUBLE"):
        raise DataError(
            f"{part.name}, column name: names of skeletons are text or integers, not floating-point numbers"
        )
    opened = open_annotations(engine, found, "neuron_id")
    rows = engine.execute(
        f"SELECT CAST({quote('c:name')} AS VARCHAR), id FROM {opened.every_row} WHERE id IS NOT NULL AND "
        f"{quote('c:name')} IS NOT NULL ORDER BY row"
    )
    names: dict[str, NeuronId] = {}
    for written, neuron in rows:
        name = written.strip()
        name = name[:-4] if name.lower().endswith(".swc") else name
        try:
            known = names.setdefault(name, parse_id(str(neuron), id_type))
        except DataError as error:
            raise DataError(f"{part.name}: {error.message}") from None
        if str(known) != str(neuron):
            raise DataError(f"{part.name}: {name} stands for two neurons, {known} and {neuron}; keep one of them")
    return names, list(part.records), [source.path for source in sources]


#: Units that skeletons may be in.
SKELETON_UNITS = ("nm", "um", "pixels")


def skeleton_scale(units: str, table: Relation) -> VoxelSize:
    """Nanometres per unit of the skeletons.

    Raises
    ------
    UsageError
        For pixels of unknown size.
    """
    if units != "pixels":
        size = 1000.0 if units == "um" else 1.0
        return (size, size, size)
    if table.voxel_size is None:
        raise UsageError(
            f"{P.skeleton_units('pixels')}: the voxel size is not known; say {P.voxel_size.metavar('X,Y,Z')} in nm"
        )
    return table.voxel_size
