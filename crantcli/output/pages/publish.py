"""Writes the page of a night, and its figures into the history, both or neither."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from crantcli.core.report.history import HistoryRow, nights_of, with_night
from crantcli.core.report.night import NightReport
from crantcli.errors import ConditionError, UsageError, writing_to
from crantcli.output.atomic import check_destination, outputs
from crantcli.output.pages.history import history_lock, read_history, write_history
from crantcli.output.pages.pictures import pictures_of
from crantcli.output.pages.report import report_page
from crantcli.remote.objects import is_address
from crantcli.text import P, plural

#: Failures that are named in an error.
_NAMED = 5


class Published(NamedTuple):
    """What was written.

    Attributes
    ----------
    figures : int
        Of this night.
    nights : int
        In the history, this one included; 0 where none is kept.
    replaced : int
        Rows that the same night had in the history before.
    """

    figures: int
    nights: int
    replaced: int


def check_report(page: str, history: str | None) -> None:
    """Refuse destinations of a report before any file is read; a history that is there must be one.

    Raises
    ------
    UsageError, DataError, CrantError
    """
    if not page.lower().endswith((".html", ".htm")):
        raise UsageError(f"{page}: unknown suffix; a report ends in .html")
    check_destination(page, [])
    if history is not None:
        if not history.lower().endswith(".parquet"):
            raise UsageError(f"{P.history} {history}: unknown suffix; a history ends in .parquet")
        if is_address(history):
            raise UsageError(f"{P.history} {history}: a history is read and written on this machine; give a file")
        check_destination(history, [])
        read_history(Path(history))


def publish(report: NightReport, page: str, history: str | None = None, tmp_dir: str | None = None) -> Published:
    """Write a report.

    Parameters
    ----------
    report : NightReport
    page : str
        Where the page goes.
    history : str, optional
        Where figures of every night are; this night is put into it, in the place of what it had there before.
    tmp_dir : str, optional
        For temporary files.

    Raises
    ------
    DataError
        Where the history is damaged; nothing is written then.
    CrantError
        Where a file cannot be written.
    """
    pictures = pictures_of(report.files, tmp_dir)
    figures = report.figures
    written = [page] if history is None else [page, history]
    rows: list[HistoryRow] | None = None
    replaced = 0
    with contextlib.ExitStack() as entered:
        if history is not None:
            entered.enter_context(history_lock(Path(history)))
            rows, replaced = with_night(read_history(Path(history)), report.night, figures)
        out = entered.enter_context(outputs(written, tmp_dir))
        content = report_page(report, rows, pictures, Path(page))
        with writing_to(page):
            out.place(page).write_bytes(content)
        if history is not None and rows is not None:
            write_history(out.place(history), rows)
    return Published(sum(map(len, figures.values())), len(nights_of(rows or ())), replaced)


def summary(report: NightReport, published: Published, destinations: Sequence[str]) -> dict[str, Any]:
    """What was done, for programs.

    Returns
    -------
    dict
        `command`; `outputs`; `night` (str or None); `files`, `others` (numbers of files of ours, and of others);
        `failures`, `warnings` (lists of str); `figures` (of this night), `nights` (in the history), `replaced` (rows of
        the history).
    """
    ours, others = (sum(file.state == state for file in report.files) for state in ("ours", "other"))
    return {
        "command": "report",
        "outputs": list(destinations),
        "night": report.night or None,
        "files": ours,
        "others": others,
        "failures": list(report.failures),
        "warnings": list(report.warnings),
        "figures": published.figures,
        "nights": published.nights,
        "replaced": published.replaced,
    }


def notes_of(report: NightReport, published: Published) -> list[str]:
    """What to say of a report."""
    notes = list(report.warnings)
    if published.replaced:
        rows = plural(published.replaced, "row", "are")
        notes.append(f"{report.night} was in the history already; its {rows} replaced by {published.figures:,}")
    return notes


def check_failures(report: NightReport) -> None:
    """Raise an error for a night that failed, once its page is written.

    Raises
    ------
    ConditionError
    """
    if report.failures:
        more = f"; and {len(report.failures) - _NAMED:,} more" if len(report.failures) > _NAMED else ""
        raise ConditionError(f"the night failed: {'; '.join(report.failures[:_NAMED])}{more}")
