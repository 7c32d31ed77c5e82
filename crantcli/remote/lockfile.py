"""Lock files: one state of a data set, which every command of a pipeline sees.

A lock has sections, one for each source of a data set. What it does not have, such as a table that is given on the
command line, is not its business. What a section says is known to its source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crantcli import __version__
from crantcli.errors import DataError
from crantcli.remote.body import parse_json
from crantcli.text import P

#: Version of what a lock file says.
LOCK_FORMAT = 2


@dataclass(frozen=True)
class Section:
    """What a lock may hold.

    Attributes
    ----------
    what : str
        For messages.
    check : callable
        Raises ValueError, LookupError, TypeError or AttributeError for content of another form.
    instead : str
        What to do where a lock does not hold it, beside making a new one; begins with a comma.
    """

    what: str
    check: Callable[[Any], None]
    instead: str = ""


@dataclass(frozen=True)
class Lock:
    """A lock file.

    Attributes
    ----------
    path : str
        For messages.
    sections : dict
        By name; a section that is not there was not locked.
    known : dict of str to Section
    """

    path: str
    sections: Mapping[str, Any]
    known: Mapping[str, Section]

    def section(self, name: str) -> dict[str, Any]:
        """What it says of one source.

        Raises
        ------
        DataError
            Where that was not locked.
        """
        if name not in self.sections:
            section = self.known[name]
            raise self.error(f"holds no {section.what}; make a new lock with crantcli lock{section.instead}")
        return dict(self.sections[name])

    def check_files(self, name: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Compare local files, given as in the provenance, with those that are locked.

        Raises
        ------
        DataError
            Where they are not the same.
        """
        if self.section(name) != file_section(records):
            raise self.changed(name, ", ".join(str(record["name"]) for record in records))

    def changed(self, name: str, what: str) -> DataError:
        """The error for what is not as it was."""
        return DataError(
            f"{what}: not what it was when {P.lock} {self.path} was made; make a new lock with crantcli "
            f"lock{self.known[name].instead}"
        )

    def error(self, what: str) -> DataError:
        """The error for a lock that is of something else."""
        return DataError(f"{P.lock} {self.path}: {what}")


def read_sections(path: str, known: Mapping[str, Section]) -> Lock:
    """Read a lock file.

    Parameters
    ----------
    path : str
    known : dict of str to Section
        What it may hold, by name.

    Raises
    ------
    DataError
        Where it is none, damaged, or of another version.
    """
    try:
        record = parse_json(Path(path).read_text(encoding="utf-8"))
        form = record["crantcli_lock"]
        if form == LOCK_FORMAT:
            sections = {name: record[name] for name in known if name in record}
            for name, content in sections.items():
                known[name].check(content)
            return Lock(path, sections, known)
        said = f"is of format {int(form)}, and this crantcli {__version__} reads {LOCK_FORMAT}"
        if form < LOCK_FORMAT:
            before = record["cave"]["version"] or record["cave"]["time"]
            said = "was made by an older crantcli, and does not say which annotations and meshes"
            said += f"; make it anew with crantcli lock {P.materialization.flag} {before}"
    except (OSError, ValueError, OverflowError, LookupError, TypeError, AttributeError):
        said = "is no lock file of crantcli, or damaged; make it with crantcli lock"
    raise DataError(f"{P.lock} {path}: {said}")


def lock_text(dataset: str, sections: Mapping[str, Any]) -> str:
    """What a lock file says. The same state of a data set gives the same text."""
    content = {"crantcli_lock": LOCK_FORMAT, "crantcli": __version__, "dataset": dataset, **sections}
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def file_section(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a lock says of local files, given as in the provenance."""
    return {"files": sorted(map(dict, records), key=lambda record: (record["name"], _content_mark(record)))}


def check_file_section(section: Any) -> None:
    """Raise an error unless that is what a section says."""
    require(all(isinstance(_content_mark(record), str) for record in section["files"]))


def _content_mark(record: Mapping[str, Any]) -> Any:
    """What tells the content of a file from any other: its SHA-256, or what its object store says."""
    name = next((name for name in ("etag", "generation") if name in record and "sha256" not in record), "sha256")
    return record[name]


def require(sound: bool) -> None:
    """Raise ValueError where a section is not of its form."""
    if not sound:
        raise ValueError
