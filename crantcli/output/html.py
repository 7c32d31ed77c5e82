"""Writes pages: one file that a browser opens without a network."""

from __future__ import annotations

from typing import Any

from crantcli.core.question import Page
from crantcli.engine.duckdb import Engine
from crantcli.errors import writing_to
from crantcli.output.writers import Target, Writer, register


def _write(engine: Engine, page: Page, record: dict[str, Any], target: Target) -> list[str]:
    from crantcli.output.pages.document import make_page

    made = make_page(page, record)
    path = target.place()
    with writing_to(target.destination):
        path.write_bytes(made.content)
    return [f"{target.destination}: {note}" for note in made.notes]


register(Page, Writer(".html", _write))
