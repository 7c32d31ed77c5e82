"""Reads a night: its files, one after another, and what they say together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from crantcli.core.report.history import night_name
from crantcli.core.report.night import NightReport, night_report
from crantcli.errors import UsageError
from crantcli.sources.report.listing import list_night
from crantcli.sources.report.reading import read_night_file
from crantcli.text import P


def read_night(
    given: Iterable[str],
    night: str | None = None,
    expected: Sequence[str] = (),
    failed: Sequence[str] = (),
    without: Iterable[Path] = (),
    named: bool = False,
) -> NightReport:
    """Read the files of a night.

    Parameters
    ----------
    given : iterable of str
        Files and folders.
    night : str, optional
        A date, or date and time; default: the date of the newest version of live data among the files.
    expected : sequence of str
        Names of files that must be there.
    failed : sequence of str
        What failed, as whoever calls knows.
    without : iterable of Path
        Files that are no part of the night.
    named : bool
        The night must have a name.

    Raises
    ------
    UsageError
        Where the night is no date, or has no name and must have one.
    """
    name = "" if night is None else night_name(night)
    files = [read_night_file(listed) for listed in list_night(list(given), expected, without)]
    found = night_report(name, files, failed)
    if named and not found.night:
        raise UsageError(
            f"{P.history}: no file tells which night it is, since none is of a version of live data; give "
            f"{P.night.metavar('DATE')}"
        )
    return found
