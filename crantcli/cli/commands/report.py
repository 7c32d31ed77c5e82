"""`crantcli report`: the page that a nightly run leaves."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import LOOK, OUTPUT
from crantcli.cli.options import Debug, Quiet

EPILOG = """Example: crantcli report edges.parquet --night 2026-11-29 -o night.html --history history.parquet

The page is one file without a script, and asks for nothing else: versions, what was read, removed and kept, totals, the
largest changes of a compare among the files, charts of the history, pictures. It is the same for the same files.
A file that is missing, damaged, or made from another than the one beside it makes the night one that failed: the page
says so, and the command ends with 7, when everything is written."""


@command("report", section=LOOK, epilog=EPILOG)
def report(
    files: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Files, or folders: all that lies in them.", show_default=False),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The page, a .html file.", rich_help_panel=OUTPUT)
    ],
    history: Annotated[
        str | None,
        typer.Option(
            "--history", metavar="FILE", help="Figures of every night, a .parquet file: this night is put into it."
        ),
    ] = None,
    night: Annotated[
        str | None,
        typer.Option("--night", metavar="DATE", help="Which night this is. Default: the date of the newest version."),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="NAME,...", help="Files that must be there; repeat to add."),
    ] = None,
    failed: Annotated[
        list[str] | None,
        typer.Option("--failed", metavar="TEXT", help="What failed tonight, in words; repeat to add."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print a summary as one JSON object on stdout.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a page of a night's files. Versions, ledgers, totals, changes, history, pictures, in one file."""
    from pathlib import Path

    from crantcli.cli.console import Console
    from crantcli.output.pages.publish import check_failures, check_report, notes_of, publish, summary
    from crantcli.run.report import read_night
    from crantcli.text import plural

    console = Console("crantcli report", quiet)
    check_report(output, history)
    expected = [name for value in expect or () for name in value.split(",") if name]
    destinations = [output] if history is None else [output, history]
    found = read_night(files, night, expected, failed or (), map(Path, destinations), named=history is not None)
    published = publish(found, output, history)
    told = summary(found, published, destinations)
    for note in notes_of(found, published):
        console.note(note)
    console.note(
        f"{plural(told['files'], 'file')}, {told['others']:,} without provenance, {len(found.failures):,} failed; "
        f"{plural(published.figures, 'figure')} -> {', '.join(destinations)}"
    )
    if json:
        console.json(told)
    check_failures(found)
