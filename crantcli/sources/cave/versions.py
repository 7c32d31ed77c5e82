"""Which state of a brain is asked for: a materialization, or a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crantcli.core.addresses import CaveAddress
from crantcli.errors import UsageError
from crantcli.remote.lockfile import Lock, require
from crantcli.text import P

#: Versions that a message lists at most.
_LISTED = 8


@dataclass(frozen=True)
class Version:
    """A materialization.

    Attributes
    ----------
    number : int
    time : datetime
        In UTC.
    available : bool
        It can be queried.
    status : str
        What the server says of it: AVAILABLE, RUNNING, FAILED, EXPIRED, or "" where it says nothing.
    merged : bool
        Synapses and their neurons are one table, in which none is without. Where the server does not say so they may
        be two, and a synapse may not have been looked up.
    """

    number: int
    time: datetime
    available: bool
    status: str = ""
    merged: bool = False

    def gone(self) -> str:
        """Why it cannot be queried."""
        reasons = {"RUNNING": "is not ready yet", "FAILED": "could not be made on the server"}
        return reasons.get(self.status, "has expired")


@dataclass(frozen=True)
class DataVersion:
    """A state of a brain.

    Attributes
    ----------
    version : int or None
        The materialization; None for a time between them, of which the server makes the table when it is asked.
    time : datetime
        In UTC.
    is_now : bool
        It is now, and will not be asked for again.
    """

    version: int | None
    time: datetime
    is_now: bool = False

    @property
    def name(self) -> str:
        """For names of files: the version, or the time."""
        return str(self.version) if self.version is not None else self.time.strftime("%Y%m%dT%H%M%S.%f")

    def __str__(self) -> str:
        """For people."""
        stated = self.time.isoformat()
        return f"live table at {stated}" if self.version is None else f"materialization {self.version} of {stated}"

    def record(self) -> dict[str, Any]:
        """For the provenance and the lock file."""
        return {"version": self.version, "time": self.time.isoformat()}


def base_of(time: datetime, versions: Sequence[Version]) -> Version | None:
    """The version that a server starts from for a time between them: the last before it, else the first after it."""
    usable = [version for version in versions if version.available]
    before = [version for version in usable if version.time < time]
    if before:
        return max(before, key=lambda version: version.time)
    return min((version for version in usable if version.time > time), key=lambda v: v.time, default=None)


def resolve_version(asked: str | int | datetime, versions: Sequence[Version], datastack: str) -> DataVersion:
    """Find the state that is asked for among the versions of a data set.

    Raises
    ------
    UsageError
        Where there is no such version, or it has expired.
    """
    usable = [version for version in versions if version.available]
    if isinstance(asked, datetime):
        same = [version for version in usable if version.time == asked]
        return DataVersion(same[-1].number, asked) if same else DataVersion(None, asked)
    if asked == "live":
        return DataVersion(None, datetime.now(UTC), is_now=True)
    if asked == "latest":
        if not usable:
            raise UsageError(f"data stack {datastack} has no materialization now; use {P.materialization('live')}")
        latest = max(usable, key=lambda version: version.number)
        return DataVersion(latest.number, latest.time)
    listed = ", ".join(str(version.number) for version in usable[-_LISTED:]) or "none"
    advice = f"there are {listed}" if usable else "use live"
    for version in versions:
        if version.number == asked:
            if not version.available:
                older = any(other.time < version.time for other in usable) and version.status != "RUNNING"
                raise UsageError(
                    f"{P.materialization} {asked}: this version of {version.time.isoformat()} {version.gone()}; "
                    f"{advice}" + ("; or ask for its time" if older else "")
                )
            return DataVersion(version.number, version.time)
    raise UsageError(f"{P.materialization} {asked}: data stack {datastack} has no such version; {advice}")


@dataclass(frozen=True)
class LockedCave:
    """The state of a CAVE server that a lock names.

    Attributes
    ----------
    table : str
        Name of the synapse table.
    resolution : tuple of three floats
        Nanometres per unit of the positions.
    data_version : DataVersion
    """

    table: str
    resolution: tuple[float, float, float]
    data_version: DataVersion


def locked_cave(lock: Lock, address: CaveAddress, dataset: str) -> LockedCave:
    """The state of a data set's server in a lock, which says `server, datastack, table, resolution, version, time`.

    Raises
    ------
    DataError
        Where it is not in the lock, or that of another data set is.
    """
    known = lock.section("cave")
    there = (known["server"], known["datastack"], known["table"])
    if there != (address.server, address.datastack, address.synapse_table or known["table"]):
        raise lock.error(
            f"locks data stack {there[1]}, table {there[2]} on {there[0]}, and not those of data set {dataset}"
        )
    x, y, z = map(float, known["resolution"])
    return LockedCave(known["table"], (x, y, z), DataVersion(known["version"], datetime.fromisoformat(known["time"])))


def check_cave_section(section: Any) -> None:
    """Raise an error unless that is what a lock says of a server."""
    require(all(isinstance(section[name], str) for name in ("server", "datastack", "table")))
    require(section["version"] is None or type(section["version"]) is int)
    require(datetime.fromisoformat(section["time"]).tzinfo is not None)
    require(len(section["resolution"]) == 3 and all(float(size) > 0 for size in section["resolution"]))
