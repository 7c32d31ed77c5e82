"""What goes into every file we write, so that it can be told how it came about. No times, no paths, no secrets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from crantcli.core.ledger import Ledger
from crantcli.core.table import Completeness, Table, merge_filters
from crantcli.schema import KEY, PANDAS_KEY
from crantcli.version import __version__


def build(
    command: str,
    kind: str,
    table: Table,
    *,
    options: dict[str, Any],
    inputs: Sequence[dict[str, Any]],
    ledger: Ledger,
    completeness: Completeness,
    rows: int,
    filters: dict[str, Any],
    units: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Put a file's provenance together.

    Parameters
    ----------
    command, kind : str
        The command, and what a row of the file stands for.
    table : Table
        The source.
    options : dict
        Resolved options that bear on the content.
    inputs : sequence of dict
        Base name, size and fingerprint of every input.
    rows : int
        Rows of the file; a reader that finds another number does not rely on the rest.
    filters : dict
        What this command filtered by; joined with what the source was filtered by.
    units : dict, optional
        `units` and `voxel_size_nm` of positions in the file.
    facts : dict, optional
        Whatever else is known.
    """
    return {
        "crantcli": __version__,
        "command": command,
        "kind": kind,
        "options": {name: value for name, value in options.items() if value not in (None, (), [])},
        "inputs": list(inputs),
        "ledger": ledger.as_dict(),
        "complete_for": completeness.as_dict(),
        "filters": merge_filters(table.filters, filters),
        "rows": rows,
        **({"read_as": table.read_as} if table.read_as else {}),
        **(units or {}),
        **(facts or {}),
    }


def table_record(
    command: str, kind: str, options: dict[str, Any], inputs: Sequence[dict[str, Any]], ledger: Ledger
) -> dict[str, Any]:
    """The provenance of a file that holds neither synapses nor what is counted from them.

    Parameters
    ----------
    command, kind, options, inputs, ledger
        As for `build`; the file has as many rows as the ledger kept.
    """
    return {
        "crantcli": __version__,
        "command": command,
        "kind": kind,
        "options": {name: value for name, value in options.items() if value not in (None, (), [])},
        "inputs": list(inputs),
        "ledger": ledger.as_dict(),
        "rows": ledger.kept,
    }


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
