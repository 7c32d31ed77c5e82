"""Saves pictures with their provenance, with the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.errors import writing_to
from crantcli.schema import KEY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Settings of matplotlib with which a user's own could spoil a picture.
PLAIN = {"text.usetex": False, "axes.grid": False, "savefig.bbox": None, "savefig.transparent": False}


def save(figure: Figure, path: Path, suffix: str, metadata: dict[str, str]) -> None:
    """Save a figure.

    Parameters
    ----------
    figure : Figure
    path : Path
        Where to; a temporary name, whatever its suffix.
    suffix : {".png", ".pdf", ".svg"}
    metadata : dict of str to str

    Raises
    ------
    CrantError
        Where the file cannot be written.
    """
    import warnings

    import matplotlib as mpl

    told = {
        ".png": {KEY: metadata[KEY], "Software": "crantcli"},
        ".pdf": _of_pdf(metadata),
        ".svg": {"Description": metadata[KEY], "Creator": "crantcli", "Date": None},
    }[suffix]
    # Text stays text in SVG and PDF, and SVG ids do not change from run to run.
    settings: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "crantcli", **PLAIN}
    # More effort makes a PNG of many small cells no smaller.
    effort: Any = {"pil_kwargs": {"compress_level": 3}} if suffix == ".png" else {}
    with writing_to(path.parent), mpl.rc_context(settings), warnings.catch_warnings():
        # Whoever draws has noted letters that the font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(path, format=suffix[1:], metadata=told, dpi="figure", facecolor="white", **effort)


def save_pages(pages: Iterable[Figure], path: Path, metadata: dict[str, str]) -> None:
    """Save figures as the pages of a PDF, one at a time.

    Raises
    ------
    CrantError
        Where the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    told = _of_pdf(metadata)
    with writing_to(path.parent), mpl.rc_context({"pdf.fonttype": 42}), PdfPages(path, metadata=told) as pdf:
        for page in pages:
            pdf.savefig(page)


def _of_pdf(metadata: dict[str, str]) -> dict[str, Any]:
    return {"Keywords": metadata[KEY], "Creator": "crantcli", "Producer": "crantcli", "CreationDate": None}
