"""Writes figures that belong together as JSON, with their provenance."""

from __future__ import annotations

import json
from typing import Any

from crantcli.core.question import Summary
from crantcli.engine.duckdb import Engine
from crantcli.errors import writing_to
from crantcli.output.writers import Target, Writer, register
from crantcli.schema import KEY


def _write(engine: Engine, summary: Summary, record: dict[str, Any], target: Target) -> list[str]:
    content = json.dumps({**summary.figures, KEY: record}, ensure_ascii=False, indent=2, allow_nan=False)
    path = target.place()
    with writing_to(target.destination):
        path.write_bytes(content.encode("utf-8", "backslashreplace") + b"\n")
    return []


register(Summary, Writer(".json", _write, for_streams=True))
