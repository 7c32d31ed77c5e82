"""The pictures of a night: those that were made, and heat maps of matrices that have none."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.report.night import NightFile
from crantcli.output.provenance import metadata
from crantcli.system.temporary import remove, temporary_path

#: Bytes up to which a picture goes into the page.
_MOST = 8 * 2**20

#: Pixels per inch of what is drawn here.
_DPI = 110


class ShownPicture(NamedTuple):
    """A picture, and what is said of it.

    Attributes
    ----------
    name : str
        Of the file that it is of.
    path : Path
    content : bytes
        A PNG; empty for one that is too large for a page.
    note : str
    """

    name: str
    path: Path
    content: bytes
    note: str


def pictures_of(files: Sequence[NightFile], tmp_dir: str | None = None) -> list[ShownPicture]:
    """Pictures of ours among files, and one of each matrix of which there is none from the same run.

    Parameters
    ----------
    files : sequence of NightFile
    tmp_dir : str, optional
        Where they are drawn; default: the system's temporary folder.
    """
    drawn = {file.origin.run for file in files if file.picture and file.origin and file.origin.shows}
    found = []
    for file in files:
        if file.picture:
            large = len(file.picture) > _MOST
            told = f": {len(file.picture):,} bytes, too large for this page" if large else ""
            found.append(ShownPicture(file.name, file.path, b"" if large else file.picture, told))
        elif file.matrix is not None and file.origin is not None and file.origin.run not in drawn:
            content = _heat_map(file.matrix(), file.name, file.origin.quantity, Path(tmp_dir or tempfile.gettempdir()))
            found.append(ShownPicture(file.name, file.path, content, ": drawn for this page"))
    return found


def _heat_map(matrix: LabelledMatrix, title: str, quantity: str, folder: Path) -> bytes:
    from crantcli.output.figures.heatmap import Style, draw_heatmap
    from crantcli.output.figures.save import save

    drawn = draw_heatmap(matrix, Style(title=title[:80], quantity=quantity or "entries", dpi=_DPI))
    path = temporary_path(folder, "picture")
    try:
        save(drawn.figure, path, ".png", metadata({"command": "report"}))
        return path.read_bytes()
    finally:
        remove(path)
