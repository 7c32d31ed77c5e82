"""pandas DataFrames as Arrow tables, whatever their columns hold.

A table of annotations has columns that nobody asks for. One that Arrow has no type for, such as numbers and words
together, becomes text, or lists of text; what is made of it is for those who use it to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from crantcli.ids import FLOAT_EXACT

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def arrow_table(frame: pd.DataFrame) -> tuple[pa.Table, dict[str, str]]:
    """A frame as an Arrow table, without its index.

    Returns
    -------
    tuple of pyarrow.Table and dict of str to str
        The second names columns that may not serve as IDs, with the reason: those of mixed or unknown types. Integers
        beside integers in text are not among them.
    """
    import pyarrow as pa

    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        table = None
    if table is not None and not any(map(_unknown, table.schema.types)):
        return table, {}
    columns, mixed = {}, {}
    for name in frame.columns:
        columns[name], reason = _column(frame[name])
        if reason:
            mixed[name] = reason
    return pa.table(columns), mixed


def _column(series: pd.Series[Any]) -> tuple[pa.Array, str]:
    """A column, as text or lists of text where Arrow has no type for it, and why it may hold no IDs."""
    import pyarrow as pa

    reason = f"of type {series.dtype}"
    try:
        found = pa.Array.from_pandas(series)
        if pa.types.is_float16(found.type):
            return found.cast(pa.float32()), ""
        if not _unknown(found.type):
            return found, ""
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        reason = "; ".join(map(str, error.args)).splitlines()[0]
    values = [None if _missing(value) else value for value in series.astype(object)]
    if any(_is_list(value) for value in values):
        lists = [None if value is None else list(value) if _is_list(value) else [value] for value in values]
        texts = [None if items is None else [_text(item) for item in items] for items in lists]
        for place, value in enumerate(values):
            if isinstance(value, set | frozenset):  # has no order of its own
                texts[place] = sorted(texts[place] or (), key=str)
        return pa.array(texts, pa.list_(pa.string())), reason
    plain = all(value is None or _is_integer(value) for value in values)
    return pa.array([None if value is None else _text(value) for value in values], pa.string()), "" if plain else reason


def _unknown(kind: pa.DataType) -> bool:
    """Whether the engine has no such type."""
    import pyarrow as pa

    return isinstance(kind, pa.BaseExtensionType) or pa.types.is_float16(kind)


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | dict)


def _missing(value: Any) -> bool:
    """Whether a value is none. A list is none that is missing."""
    return value is None or (not _is_list(value) and str(value) in ("<NA>", "NaT")) or _is_nan(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def _is_integer(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\s*-?[0-9]+\s*", value) is not None
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _text(value: Any) -> str | None:
    """A value as a label: 1.0, which pandas makes of 1 in a column with gaps, is 1 as far as that is exact."""
    if _missing(value):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < FLOAT_EXACT:
        return str(int(value))
    return str(value)
