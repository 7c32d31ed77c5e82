"""Columns of a SeaTable table as Arrow columns: IDs exact, lists as lists, positions as numbers where clean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from crantcli.errors import DataError
from crantcli.schema import ANNOTATION_IDS
from crantcli.sources.seatable.client import Column, SeatableRows

if TYPE_CHECKING:
    import pyarrow as pa

#: Names of columns that hold IDs, such as root_id, root_id_processed, bodyId.
_IDS = re.compile(r"(^|_)id($|_)|^bodyId$")

#: Those that neurons are found by: without them the table is of no use.
_NEEDED_IDS = (*ANNOTATION_IDS, "supervoxel_id")

#: Names of columns that hold positions, and what a clean one looks like: `1, 2, 3`, with or without brackets.
_POSITIONS = re.compile(r"(^|_)position$")
_TRIPLE = re.compile(r"[\[(]?\s*(-?\d+(?:\.\d+)?)\s*[,\s]\s*(-?\d+(?:\.\d+)?)\s*[,\s]\s*(-?\d+(?:\.\d+)?)\s*[\])]?")

#: SeaTable's types whose cells hold several values, and those of numbers, or of whatever a formula gives.
_LISTS = ("multiple-select", "collaborator", "link", "image", "file")
_FORMULAS = ("formula", "link-formula")
_NUMBERS = ("number", "rate", "duration", *_FORMULAS)

#: Linked rows in a cell that SQL gives, at most.
_MOST_LINKS = 50

#: SeaTable keeps numbers as float64, which holds every integer up to here.
_EXACT = 2**53


def to_arrow(rows: SeatableRows, name: str) -> tuple[pa.Table, list[str]]:
    """A table in Arrow's form, and what to say about it.

    Parameters
    ----------
    rows : SeatableRows
    name : str
        Of the table, for messages.

    Raises
    ------
    DataError
        Where IDs of neurons or supervoxels have been rounded, or two columns are called the same.
    """
    import pyarrow as pa

    arrays: dict[str, pa.Array] = {}
    notes: list[str] = []
    seen: dict[str, str] = {}
    for column in rows.columns:
        # The engine does not heed case in names.
        if column.name.lower() in seen:
            raise DataError(f"{name}: columns {seen[column.name.lower()]} and {column.name} are called the same")
        seen[column.name.lower()] = column.name
        values = [_display_value(row.get(column.name), column) for row in rows.rows]
        array, note = _array(column, values, name)
        notes += [text for text in (note, _link_limit_note(column, values, name)) if text]
        if array is not None:
            arrays[column.name] = array
    return pa.table(arrays), notes


def _array(column: Column, values: list[Any], name: str) -> tuple[pa.Array | None, str]:
    """A column, None for one to leave out, and what to say about it."""
    import pyarrow as pa

    values = [None if value == "" else value for value in values]
    present = [value for value in values if value is not None]
    if _IDS.search(column.name):
        return _ids(column, values, name)
    if _POSITIONS.search(column.name) and all(isinstance(value, str) for value in present):
        return _positions(column, values, name)
    if column.type in _LISTS or any(isinstance(value, list) for value in present):
        lists = [value if isinstance(value, list) or value is None else [value] for value in values]
        if column.type == "link-formula" and _are_numbers(item for value in lists for item in value or ()):
            return _numbers(lists), ""
        words = [None if v is None else [_word(item) for item in v if item is not None] for v in lists]
        return pa.array(words, pa.list_(pa.string())), ""
    # Without any value a formula tells nothing of what it gives.
    kind = column.type if present or column.type not in _FORMULAS else ""
    if kind in ("checkbox", *_FORMULAS) and all(isinstance(value, bool) for value in present):
        return pa.array(values, pa.bool_()), ""
    if kind in _NUMBERS and _are_numbers(present):
        return _numbers(values), ""
    return pa.array([None if value is None else _word(value) for value in values], pa.string()), ""


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _numbers(values: list[Any]) -> pa.Array:
    """Numbers, or lists of them: integers where all are."""
    import pyarrow as pa

    flat = [item for value in values for item in (value if isinstance(value, list) else [value]) if item is not None]
    whole = all(isinstance(item, int) and abs(item) <= _EXACT for item in flat)
    kind = pa.int64() if whole else pa.float64()
    return pa.array(values, pa.list_(kind) if any(isinstance(value, list) for value in values) else kind)


def _link_limit_note(column: Column, values: Sequence[Any], name: str) -> str:
    """What to say of cells that may have more links than came."""
    if column.type not in ("link", "link-formula"):
        return ""
    full = sum(isinstance(value, list) and len(value) == _MOST_LINKS for value in values)
    if not full:
        return ""
    cells = f"{full:,} cell{'s' if full > 1 else ''}"
    return f"{name}: {column.name} has {_MOST_LINKS} links in {cells}, the most that SeaTable gives; there may be more"


def _ids(column: Column, values: Sequence[Any], name: str) -> tuple[pa.Array | None, str]:
    """IDs as int64 where all of them are, else as text, never by way of a float; None where they have been rounded."""
    import pyarrow as pa

    texts: list[str | None] = []
    for value in values:
        if isinstance(value, bool | list | dict):
            value = _word(value)
        elif isinstance(value, int | float):
            if not abs(value) <= _EXACT or value != int(value):
                said = f"holds the number {value}, and SeaTable rounds numbers beyond 2^53; IDs need a column of text"
                if column.name in _NEEDED_IDS:
                    raise DataError(f"{name}: {column.name} {said}")
                return None, f"{name}: {column.name} is left out: it {said}"
            value = str(int(value))
        texts.append(value.strip() or None if value is not None else None)
    present = [value for value in texts if value is not None]
    odd = [value for value in present if not re.fullmatch(r"-?(0|[1-9]\d{0,18})", value) or abs(int(value)) >= 2**63]
    if present and not odd:
        return pa.array([None if value is None else int(value) for value in texts], pa.int64()), ""
    # Text IDs are as good as numbers; a few of one kind among the other are not.
    note = f"{name}: {column.name} stays text, since {len(odd):,} of {len(present):,} are no numbers, such as {odd[:1]}"
    return pa.array(texts, pa.string()), note if 0 < len(odd) < len(present) else ""


def _positions(column: Column, values: Sequence[str | None], name: str) -> tuple[pa.Array, str]:
    """Positions as lists of three numbers where all of them are clean, else as the text that they are."""
    import pyarrow as pa

    found = [None if value is None else _TRIPLE.fullmatch(value.strip()) for value in values]
    odd = [value for value, match in zip(values, found, strict=True) if value is not None and match is None]
    present = [match for match in found if match is not None]
    if odd or not present:
        note = f"{name}: {column.name} stays text, since {len(odd):,} are no three numbers, such as {odd[:1]}"
        return pa.array(values, pa.string()), note if odd and present else ""
    whole = all("." not in match[0] for match in present)
    number = int if whole else float
    lists = [None if match is None else [number(part) for part in match.groups()] for match in found]
    return pa.array(lists, pa.list_(pa.int64() if whole else pa.float64())), ""


def _display_value(value: Any, column: Column) -> Any:
    """A cell as SeaTable shows it: options by their names, where a server gave their IDs, and dates in short."""
    names = dict(column.options)
    known = set(names.values())

    def named(item: Any) -> Any:
        return item if not isinstance(item, str) or item in known else names.get(item, item)

    if names:
        value = _map_values(value, named)
    return _map_values(value, lambda item: _date(item, column.date_format)) if column.date_format else value


def _map_values(value: Any, change: Callable[[Any], Any]) -> Any:
    """A cell with each of its values changed: itself, those of a list, what links show."""
    if isinstance(value, list):
        return [_map_values(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _map_values(item, change) if key == "display_value" else item for key, item in value.items()}
    return change(value)


def _date(value: Any, date_format: str) -> Any:
    """A date as its column shows it, in the one order of year, month and day; what is none stays as it is."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return time.strftime("%Y-%m-%d %H:%M" if "H" in date_format else "%Y-%m-%d")


def _word(value: Any) -> str:
    """A value as text: of a link what it shows, of a file its name."""
    if isinstance(value, dict):
        shown = next((value[key] for key in ("display_value", "name", "url", "text") if value.get(key)), None)
        return _word(shown) if shown is not None else json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1:
        return _word(value[0])
    return json.dumps(value, ensure_ascii=False)
