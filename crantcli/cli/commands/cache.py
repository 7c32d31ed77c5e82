"""`crantcli cache`: what was fetched and is kept."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import LIVE, OUTPUT
from crantcli.cli.options import Debug, Quiet

EPILOG = """Example: crantcli cache info

The cache is your system's cache folder, CRANTCLI_CACHE_DIR, or --cache-dir. What is cleared is fetched again when it is
needed; but annotations and meshes that a lock file names are lost if their servers have others by now."""


@command("cache", section=LIVE, epilog=EPILOG, after="lock")
def cache(
    action: Annotated[
        Literal["info", "clear"],
        typer.Argument(metavar="info|clear", help="Show what the cache holds, or empty it.", show_default=False),
    ],
    cache_dir: Annotated[
        str | None,
        typer.Option(
            "--cache-dir", metavar="FOLDER", help="This folder, instead of the usual one.", show_default=False
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print a summary as one JSON object on stdout.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show or empty the cache of what was fetched from servers."""
    from crantcli.cli.console import Console
    from crantcli.remote.cache import cache_folder, clear, contents

    console = Console("crantcli cache", quiet)
    folder = cache_folder(cache_dir)
    held = contents(folder)
    if action == "clear":
        clear(folder)
    if json:
        kinds = {content.kind: {"files": content.files, "bytes": content.bytes} for content in held}
        console.json({"command": f"cache {action}", "folder": str(folder), "kinds": kinds})
        return
    total = sum(content.bytes for content in held)
    if action == "clear":
        console.note(f"{sum(content.files for content in held):,} files ({total / 1e6:,.1f} MB) removed from {folder}")
        return
    print(f"{'folder':12}{folder}")
    for content in held:
        print(f"{content.kind:12}{content.files:>8,} files {content.bytes / 1e6:>12,.1f} MB")
    if not held:
        console.note("the cache is empty")
