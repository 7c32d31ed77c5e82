"""Which state of a brain is asked for: a materialization, or a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crantcli.errors import UsageError

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
class Moment:
    """A state of a brain.

    Attributes
    ----------
    version : int or None
        The materialization; None for a time between them, of which the server makes the table when it is asked.
    time : datetime
        In UTC.
    passing : bool
        It is now, and will not be asked for again.
    """

    version: int | None
    time: datetime
    passing: bool = False

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


def resolve_moment(asked: str | int | datetime, versions: Sequence[Version], datastack: str) -> Moment:
    """Find the state that is asked for among the versions of a data set.

    Raises
    ------
    UsageError
        Where there is no such version, or it has expired.
    """
    usable = [version for version in versions if version.available]
    if isinstance(asked, datetime):
        same = [version for version in usable if version.time == asked]
        return Moment(same[-1].number, asked) if same else Moment(None, asked)
    if asked == "live":
        return Moment(None, datetime.now(UTC), passing=True)
    if asked == "latest":
        if not usable:
            raise UsageError(f"data stack {datastack} has no materialization now; use --materialization live")
        latest = max(usable, key=lambda version: version.number)
        return Moment(latest.number, latest.time)
    listed = ", ".join(str(version.number) for version in usable[-_LISTED:]) or "none"
    advice = f"there are {listed}" if usable else "use live"
    for version in versions:
        if version.number == asked:
            if not version.available:
                older = any(other.time < version.time for other in usable) and version.status != "RUNNING"
                raise UsageError(
                    f"--materialization {asked}: this version of {version.time.isoformat()} {version.gone()}; {advice}"
                    + ("; or ask for its time" if older else "")
                )
            return Moment(version.number, version.time)
    raise UsageError(f"--materialization {asked}: data stack {datastack} has no such version; {advice}")
