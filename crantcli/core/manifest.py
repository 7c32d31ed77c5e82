"""What stands in the folders that we write, beside their files: how they came about, and which files are ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crantcli.errors import DataError, UsageError
from crantcli.schema import KEY, MANIFEST

_ADVICE = "make the folder again, or give another folder"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest of a folder.

    Returns
    -------
    dict or None
        The provenance, and `files` (list of str); None where there is no manifest, or one of another program.

    Raises
    ------
    UsageError
        Where it may not be read.
    DataError
        Where it is no JSON, or ours, and does not say which files are.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except PermissionError:
        raise UsageError(f"{path}: no permission to read this file") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path}: is truncated or damaged, and no JSON; {_ADVICE}") from None
    if not isinstance(found, dict) or KEY not in found:
        return None
    files = found.get("files")
    if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
        raise DataError(f"{path}: is damaged, and does not say which files crantcli wrote; {_ADVICE}")
    return found
