"""Files of meshes and skeletons: which are something else, and numbers in tidy lines at the engine's speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from crantcli.engine.batches import numbers
from crantcli.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: A column of whole numbers, of any numbers, or of something that is not needed.
Field = Literal["int64", "float64", ""]

#: What files that are something else begin with, and what to say of them.
_OTHERS = {
    b"version https://git-lfs.": "is a pointer of Git LFS and not the file itself; fetch it with git lfs pull",
    b"<!doctype html": "is a web page; was it saved from a link that needs a login?",
    b"<html": "is a web page; was it saved from a link that needs a login?",
    b"\x1f\x8b": "is gzipped; unpack it with gunzip",
    b"PK\x03\x04": "is a zip; unpack it",
}


def plain_columns(text: bytes, fields: Mapping[str, Field]) -> dict[str, Array] | None:
    """Read lines that have exactly these fields, with one space between.

    Parameters
    ----------
    text : bytes
        Not empty.
    fields : mapping
        Name -> what it is, in their order.

    Returns
    -------
    dict of str to ndarray, or None
        The columns that are needed; None where a line has more or fewer fields, or a number is none.
    """
    import pyarrow as pa
    import pyarrow.csv

    # Arrow takes 0x10 for a number, and would have an empty field between two spaces, and one field around a tab.
    if any(mark in text for mark in (b"0x", b"  ", b"\t", b"\v", b"\f")):
        return None
    types = {name: pa.int64() if kind == "int64" else pa.float64() for name, kind in fields.items() if kind}
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            pyarrow.csv.ReadOptions(column_names=list(fields), use_threads=False, block_size=len(text) + 1),
            pyarrow.csv.ParseOptions(delimiter=" ", quote_char=False),
            pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    return {name: numbers(table[name].combine_chunks()) for name in types}


def refuse_other_kinds(data: bytes, name: str) -> None:
    """Refuse what is known by its first bytes to be something else, whatever it is called.

    Raises
    ------
    DataError
    """
    head = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for begin, what in _OTHERS.items():
        if head.startswith(begin.lower()):
            raise DataError(f"{name}: {what}")
