"""Numbers in tidy lines of text, read at the engine's speed; whatever is not tidy is left to those who read by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from crantcli.engine.batches import numbers

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: A column of whole numbers, of any numbers, or of something that is not needed.
Field = Literal["int64", "float64", ""]


def plain_columns(text: bytes | memoryview, fields: Mapping[str, Field]) -> dict[str, Array] | None:
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

    if b"0x" in bytes(text):  # a number to Arrow
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
