"""Lock files: one state of a data set, which every command of a pipeline sees.

A lock names the materialization, and holds annotations, meshes and local files to their fingerprints. What it does not
name, such as a table that is given on the command line, is not its business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from crantcli.addresses import CaveAddress, TableAddress
from crantcli.errors import DataError
from crantcli.remote.client import parse_json
from crantcli.sources.live.moment import Moment
from crantcli.version import __version__

#: Version of what a lock file says.
LOCK_FORMAT = 2

#: What a lock may hold, and what to do about it where a lock does not.
_SECTIONS = {
    "cave": ("materialization", ""),
    "synapses": ("synapse file", ", or give the file as SOURCE"),
    "annotations": ("annotations", ", or give a table with -a FILE"),
    "neuropils": ("meshes", ", or give --meshes FOLDER"),
}


@dataclass(frozen=True)
class LockedCave:
    """The state of a CAVE server that a lock names.

    Attributes
    ----------
    table : str
        Name of the synapse table.
    resolution : tuple of three floats
        Nanometres per unit of the positions.
    moment : Moment
    """

    table: str
    resolution: tuple[float, float, float]
    moment: Moment


@dataclass(frozen=True)
class Lock:
    """A lock file.

    Attributes
    ----------
    path : str
        For messages.
    sections : dict
        `cave`: `server, datastack, table, resolution, version, time`. `annotations`: `server, base, table, rows,
        sha256`, or of a local table `files` as in the provenance. `neuropils`: `source`, `sha256` of all, and in
        `meshes` that of each. `synapses`: `files`. A section that is not there was not locked.
    """

    path: str
    sections: Mapping[str, Any]

    def cave(self, facts: CaveAddress, dataset: str) -> LockedCave:
        """The state of a data set's server.

        Raises
        ------
        DataError
            Where it is not in the lock, or that of another data set is.
        """
        known = self._section("cave")
        there = (known["server"], known["datastack"], known["table"])
        if there != (facts.server, facts.datastack, facts.synapse_table or known["table"]):
            raise DataError(
                f"--lock {self.path}: locks data stack {there[1]}, table {there[2]} on {there[0]}, and not those of "
                f"data set {dataset}"
            )
        x, y, z = map(float, known["resolution"])
        return LockedCave(known["table"], (x, y, z), Moment(known["version"], datetime.fromisoformat(known["time"])))

    def annotations(self, address: TableAddress) -> str:
        """SHA-256 of the annotations that are locked, which must be those of a table on a server.

        Raises
        ------
        DataError
            Where there are none, or those of another table.
        """
        known = self._section("annotations")
        there = "a file" if "files" in known else str(TableAddress(known["server"], known["base"], known["table"]))
        if there != str(address):
            raise DataError(f"--lock {self.path}: locks the annotations in {there}, and not those in {address}")
        return str(known["sha256"])

    def neuropils(self, source: str) -> dict[str, str]:
        """SHA-256 of each mesh that is locked, by name; they must be those of a source.

        Raises
        ------
        DataError
            Where there are none, or those of another source.
        """
        known = self._section("neuropils")
        if known["source"] != source:
            raise DataError(f"--lock {self.path}: locks the meshes of {known['source']}, and not those of {source}")
        return dict(known["meshes"])

    def check_files(self, section: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Compare local files, given as in the provenance, with those that are locked.

        Raises
        ------
        DataError
            Where they are not the same.
        """
        if self._section(section) != file_section(records):
            raise self.changed(section, ", ".join(str(record["name"]) for record in records))

    def changed(self, section: str, what: str) -> DataError:
        """The error for what is not as it was."""
        _, instead = _SECTIONS[section]
        return DataError(
            f"{what}: not what it was when --lock {self.path} was made; make a new lock with crantcli lock{instead}"
        )

    def _section(self, name: str) -> dict[str, Any]:
        if name not in self.sections:
            what, instead = _SECTIONS[name]
            raise DataError(f"--lock {self.path}: holds no {what}; make a new lock with crantcli lock{instead}")
        return dict(self.sections[name])


def read_lock(path: str) -> Lock:
    """Read a lock file.

    Raises
    ------
    DataError
        Where it is none, damaged, or of another version.
    """
    try:
        record = parse_json(Path(path).read_text(encoding="utf-8"))
        form = record["crantcli_lock"]
        if form == LOCK_FORMAT:
            sections = {name: record[name] for name in _SECTIONS if name in record}
            for name, section in sections.items():
                _CHECKS[name](section)
            return Lock(path, sections)
        said = f"is of format {int(form)}, and this crantcli {__version__} reads {LOCK_FORMAT}"
        if form < LOCK_FORMAT:
            before = record["cave"]["version"] or record["cave"]["time"]
            said = "was made by an older crantcli, and does not say which annotations and meshes"
            said += f"; make it anew with crantcli lock --materialization {before}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        said = "is no lock file of crantcli, or damaged; make it with crantcli lock"
    raise DataError(f"--lock {path}: {said}")


def lock_text(dataset: str, sections: Mapping[str, Any]) -> str:
    """What a lock file says. The same state of a data set gives the same text."""
    content = {"crantcli_lock": LOCK_FORMAT, "crantcli": __version__, "dataset": dataset, **sections}
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def file_section(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a lock says of local files, given as in the provenance."""
    return {"files": sorted(map(dict, records), key=lambda record: (record["name"], record["sha256"]))}


def mesh_section(source: str, meshes: Mapping[str, str]) -> dict[str, Any]:
    """What a lock says of meshes: where they are, and the SHA-256 of each by its name."""
    listed = "".join(f"{meshes[name]} {name}\n" for name in sorted(meshes))
    return {"source": source, "sha256": hashlib.sha256(listed.encode()).hexdigest(), "meshes": dict(meshes)}


def _check_cave(section: Any) -> None:
    _check(all(isinstance(section[name], str) for name in ("server", "datastack", "table")))
    _check(section["version"] is None or type(section["version"]) is int)
    _check(datetime.fromisoformat(section["time"]).tzinfo is not None)
    _check(len(section["resolution"]) == 3 and all(float(size) > 0 for size in section["resolution"]))


def _check_files(section: Any) -> None:
    _check(all(isinstance(record["sha256"], str) for record in section["files"]))


def _check_annotations(section: Any) -> None:
    if "files" in section:
        _check_files(section)
    else:
        _check(all(isinstance(section[name], str) for name in ("server", "base", "table", "sha256")))


def _check_neuropils(section: Any) -> None:
    _check(section == mesh_section(section["source"], section["meshes"]))


def _check(sound: bool) -> None:
    if not sound:
        raise ValueError


_CHECKS = {
    "cave": _check_cave,
    "synapses": _check_files,
    "annotations": _check_annotations,
    "neuropils": _check_neuropils,
}
