"""Options of the engine: which one, and what it may take."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crantcli.cli.help import ENGINE, OUTPUT

MaxMemory = Annotated[
    str,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="What the engine may hold in memory; beyond, it uses disk.",
        rich_help_panel=ENGINE,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", metavar="N", min=1, help="Threads. Default: all cores.", show_default=False, rich_help_panel=ENGINE
    ),
]
TemporaryFolder = Annotated[
    str | None,
    typer.Option(
        "--tmp-dir",
        metavar="FOLDER",
        help="Folder for temporary files.",
        show_default=False,
        rich_help_panel=ENGINE,
    ),
]
MaxResult = Annotated[
    int,
    typer.Option(
        "--max-result",
        metavar="N",
        min=1,
        help="Rows of a .parquet result; a longer one becomes a folder of such files.",
        rich_help_panel=OUTPUT,
    ),
]
EngineName = Annotated[
    Literal["duckdb", "spark"] | None,
    typer.Option(
        "--engine",
        help="What reads and counts rows. Default: CRANTCLI_ENGINE, or duckdb.",
        show_default=False,
        rich_help_panel=ENGINE,
    ),
]
SparkAddress = Annotated[
    str | None,
    typer.Option(
        "--spark",
        metavar="URL",
        help="With --engine spark: where it runs, such as spark://HOST:7077. Default: this machine.",
        show_default=False,
        rich_help_panel=ENGINE,
    ),
]
