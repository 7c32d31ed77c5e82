"""One night: its files, what failed, of which versions they are, and what they sum up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from crantcli.core.report.history import Number, holds, night_name
from crantcli.core.report.origin import DataState, Origin
from crantcli.errors import UsageError

if TYPE_CHECKING:
    from crantcli.core.matrix.labelled import LabelledMatrix


class Excerpt(NamedTuple):
    """The first rows of a table, all as text.

    Attributes
    ----------
    columns : tuple of str
    rows : list of tuple of str or None
    total : int
        Rows that it is taken from.
    what : str
        For its caption.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str | None, ...]]
    total: int
    what: str


@dataclass(frozen=True)
class NightFile:
    """A file, or a folder that we made.

    Attributes
    ----------
    name : str
        What the report calls it, unlike every other of the night.
    path : Path
    state : {"ours", "other", "failed"}
        Whether it carries our provenance; "failed" for what is not there, or cannot be read.
    why : str
        What is wrong, or why nothing is said of it.
    kind : str
    size : int or None
        In bytes.
    fingerprint : str
        As provenance has it of inputs; "" where there is none.
    origin : Origin or None
    states : tuple of DataState
        Of the data on servers that it holds or locks.
    figures : mapping of str to number
        Rows, totals, and figures of a summary.
    excerpt : Excerpt or None
        Of a comparison.
    picture : bytes
        A PNG of ours, whole; empty for what is none.
    matrix : callable or None
        Reads the matrix that it holds.
    members : tuple of str
        Files of a folder of ours.
    """

    name: str
    path: Path
    state: Literal["ours", "other", "failed"]
    why: str = ""
    kind: str = ""
    size: int | None = None
    fingerprint: str = ""
    origin: Origin | None = None
    states: tuple[DataState, ...] = ()
    figures: Mapping[str, Number] = field(default_factory=dict)
    excerpt: Excerpt | None = None
    picture: bytes = b""
    matrix: Callable[[], LabelledMatrix] | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class NightReport:
    """All that a report tells, but for its history.

    Attributes
    ----------
    night : str
        Its name; "" where nothing says which night it is.
    files : tuple of NightFile
        In the order of their names.
    failures : tuple of str
        What makes the night one that failed, in whole sentences without their end.
    warnings : tuple of str
        What a reader should know beside.
    """

    night: str
    files: tuple[NightFile, ...]
    failures: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def figures(self) -> dict[str, dict[str, Number]]:
        """File -> figure -> value, of files that have not failed, and of figures that a history can hold."""
        found = {
            file.name: {name: value for name, value in figures_of(file).items() if holds(value)}
            for file in self.files
            if file.state != "failed"
        }
        return {name: figures for name, figures in found.items() if figures}


def night_report(night: str, files: Sequence[NightFile], failed: Sequence[str]) -> NightReport:
    """Put together what was read, and judge it.

    Parameters
    ----------
    night : str
        "" for the date of the newest version among the files.
    files : sequence of NightFile
    failed : sequence of str
        What failed beside, as whoever calls tells it.
    """
    judged = sorted((_outdated(file, files) for file in files), key=lambda file: file.name)
    failures = [*failed, *(f"{file.name}: {file.why}" for file in judged if file.state == "failed")]
    failures += [] if judged else ["there are no files"]
    versions = states_of(judged)
    night = night or max(map(_date_of, versions), default="")
    return NightReport(night, tuple(judged), tuple(failures), tuple(_warnings(versions)))


def figures_of(file: NightFile) -> dict[str, Number]:
    """What is kept of a file from night to night: its figures, and how many rows were read and kept for it."""
    ledger = file.origin.ledger if file.origin and file.kind not in ("picture", "page") else None
    read = {} if ledger is None else {f"{ledger.unit} read": ledger.read, f"{ledger.unit} kept": ledger.kept}
    return {**file.figures, **read}


def states_of(files: Sequence[NightFile]) -> dict[DataState, list[str]]:
    """Versions of data on servers -> names of the files that are of them."""
    found: dict[DataState, list[str]] = {}
    for file in files:
        for state in dict.fromkeys((*file.states, *(file.origin.states if file.origin else ()))):
            found.setdefault(state, []).append(file.name)
    return {state: found[state] for state in sorted(found)}


def _outdated(file: NightFile, files: Sequence[NightFile]) -> NightFile:
    """The file, as failed where one beside it has the name of one that it was made of, and is another by now."""
    if file.origin is None or file.state != "ours" or file.origin.command == "report":
        return file
    beside = {other.path.name: other for other in files if other.path.parent == file.path.parent and _is_known(other)}
    for name in dict.fromkeys(item.name for item in file.origin.files):
        made_of = {item.sha256 for item in file.origin.files if item.name == name}
        if name in beside and beside[name].fingerprint not in made_of:
            why = f"was made from another {name} than the one that is there now; make it again"
            return replace(file, state="failed", why=why)
    return file


def _date_of(state: DataState) -> str:
    """The date of a version; "" where it has none."""
    try:
        return night_name(state.time[:10])
    except UsageError:
        return ""


def _is_known(file: NightFile) -> bool:
    return bool(file.fingerprint) and file.state != "failed"


def _warnings(versions: Mapping[DataState, Sequence[str]]) -> list[str]:
    """Files of one data set that are of two versions."""
    by_source: dict[str, dict[tuple[str, str], str]] = {}
    for state, names in versions.items():
        by_source.setdefault(state.what, {})[(state.version, state.time)] = names[0]
    return [
        f"{what}: the files are of different versions ("
        + ", ".join(f"{version or time} in {name}" for (version, time), name in sorted(found.items()))
        + ")"
        for what, found in by_source.items()
        if len(found) > 1
    ]
