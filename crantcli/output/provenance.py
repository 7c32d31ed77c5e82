"""How the provenance of a file stands in it."""

from __future__ import annotations

import json
from typing import Any

from crantcli.schema import KEY, PANDAS_KEY


def as_text(record: dict[str, Any]) -> str:
    """JSON with sorted keys, so that the same record gives the same bytes."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    # Bytes of a name that are no text become escapes, which JSON has too.
    return text.encode("utf-8", "backslashreplace").decode()


def metadata(record: dict[str, Any]) -> dict[str, str]:
    """Key-value metadata of a file: the record, and the units where pandas looks for attributes.

    Only the units go to pandas, since its attributes outlive any filtering of the frame.
    """
    found = {KEY: as_text(record)}
    units = frame_attributes(record)
    if units:
        found[PANDAS_KEY] = json.dumps(units, sort_keys=True)
    return found


def frame_attributes(record: dict[str, Any]) -> dict[str, Any]:
    """`DataFrame.attrs` for a result."""
    units = {name: record[name] for name in ("units", "voxel_size_nm") if name in record}
    return {KEY: units} if units else {}
