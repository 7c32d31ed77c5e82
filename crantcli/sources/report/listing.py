"""Which files a report is of, and what it calls them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from crantcli.errors import UsageError
from crantcli.schema import MANIFEST


class Listed(NamedTuple):
    """A file or folder of a report.

    Attributes
    ----------
    name : str
        Unlike that of every other.
    path : Path
    must : bool
        It was named: that it is missing, or that nothing can be said of it, is a failure.
    """

    name: str
    path: Path
    must: bool


def list_night(given: Iterable[str], expected: Sequence[str], without: Iterable[Path]) -> list[Listed]:
    """List the files of a night.

    Parameters
    ----------
    given : iterable of str
        Files, and folders: of a folder all that lies in it, but for hidden files.
    expected : sequence of str
        Names of files that must be there, as they would be listed, or as paths in one of the folders.
    without : iterable of Path
        Files that are no part of the night, such as the report itself.

    Returns
    -------
    list of Listed
        In the order of their names; each path once.

    Raises
    ------
    UsageError
        Where a folder may not be read.
    """
    left_out = {os.path.realpath(path) for path in without}
    folders = [Path(name) for name in given if os.path.isdir(name)]
    found: dict[str, tuple[Path, bool]] = {}
    for name in given:
        path = Path(name)
        inside = path in folders
        for each in _entries(path) if inside else [path]:
            if os.path.realpath(each) in left_out or (inside and each.name.startswith(".")):
                continue
            key = os.path.abspath(each)
            found[key] = (each, not inside or (key in found and found[key][1]))
    for name in expected:
        for path in _expected(name, [path for path, _ in found.values()], folders):
            found[os.path.abspath(path)] = (path, True)
    times = Counter(path.name for path, _ in found.values())
    return sorted(
        Listed(_plain(path.name if times[path.name] == 1 else str(path)), path, must) for path, must in found.values()
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except PermissionError:
        raise UsageError(f"{folder}: no permission to read this folder") from None


def _expected(name: str, known: Sequence[Path], folders: Sequence[Path]) -> list[Path]:
    """Where that is what must be there: among those that are known, else where it would be."""
    places = [folder / name for folder in folders] or [Path(name)]
    there = [path for path in places if path.exists() or path in known]
    return there or [path for path in known if name in (path.name, str(path))] or places[:1]


def is_folder_of_ours(path: Path) -> bool:
    """Whether a folder has a manifest."""
    return (path / MANIFEST).is_file()


def _plain(name: str) -> str:
    """A name as text: bytes of it that are none are shown as such."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
