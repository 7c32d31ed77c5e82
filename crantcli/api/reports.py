"""The page of a night, for callers from Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crantcli.errors import ArgumentTypeError
from crantcli.output.pages.publish import check_failures, check_report, publish, summary
from crantcli.run.report import read_night

Name = str | os.PathLike[str]


def report(
    files: Name | Sequence[Name],
    output: Name,
    *,
    history: Name | None = None,
    night: str | None = None,
    expect: Sequence[str] = (),
    failed: Sequence[str] = (),
) -> dict[str, Any]:
    """Write the page of a night's files, as `crantcli report` does.

    Parameters
    ----------
    files : path, or sequence of them
        Files, or folders: all that lies in them.
    output : path
        The page, a .html file.
    history : path, optional
        Figures of every night, a .parquet file, into which this night is put.
    night : str, optional
        Which night this is, such as "2026-11-29". Default: the date of the newest version of live data among the files.
    expect : sequence of str
        Names of files that must be there.
    failed : sequence of str
        What failed, in words.

    Returns
    -------
    dict
        What was done: `command, outputs, night, files, others, failures, warnings, figures, nights, replaced`.

    Raises
    ------
    ConditionError
        Where the night failed; all is written then.
    UsageError
        For a destination that cannot be written, a night that is no date, and a history without a night.
    DataError
        Where the history is damaged; nothing is written then.
    """
    given = [files] if isinstance(files, str | os.PathLike) else list(files)
    for name, value in (("expect", expect), ("failed", failed)):
        if isinstance(value, str):
            raise ArgumentTypeError(f"{name}: give a list of texts, not one text")
    page, kept = os.fspath(output), None if history is None else os.fspath(history)
    check_report(page, kept)
    destinations = [page] if kept is None else [page, kept]
    names = [os.fspath(file) for file in given]
    found = read_night(names, night, expect, failed, map(Path, destinations), named=kept is not None)
    told = summary(found, publish(found, page, kept), destinations)
    check_failures(found)
    return told
