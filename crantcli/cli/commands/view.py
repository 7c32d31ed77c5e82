"""`crantcli view`: a page that shows a matrix in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from crantcli.cli.command import command
from crantcli.cli.help import LOOK
from crantcli.cli.options import EdgeOptions, RunOptions, SourceOptions, SynapseFetchOptions

EPILOG = """Example: crantcli view edges.parquet -a annotations.csv -o brain.html

Rows are presynaptic, columns postsynaptic neurons, sorted by cell type where annotations tell it, and as they stand in
a matrix that is sorted by type already. The page is one file, which a browser opens without a network: zoom, search,
switch to types and fractions, save a selection as CSV or as @FILE.

Of a file that crantcli compare has written, the page shows differences, red for more in B and blue for less, with both
weights under the pointer; of groups, differences of probabilities and fractions, too.

Of a folder that crantcli neuropil has written, the page shows a matrix at a time, and switches between neuropils.

With -d and a data set whose TOML has [viewer] url and segmentation, pairs have links to Neuroglancer.

From afar each pixel is the strongest pair in it. Of a table that does not fit into --max-size, the weakest pairs are
left out; the page says how many."""


@command("view", section=LOOK, epilog=EPILOG)
def view(
    source: SourceOptions,
    rows: EdgeOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    title: Annotated[str, typer.Option("--title", help="Heading of the page. Default: name of the file.")] = "",
    max_size: Annotated[
        str, typer.Option("--max-size", metavar="SIZE", help="Bytes of the page, at most, such as 25MB or 400kB.")
    ] = "25MB",
) -> None:
    """A page to look at a matrix: one file for a browser."""
    from crantcli.cli.ask import ask
    from crantcli.core.questions.view import View

    ask(View(title, max_size, rows.sum_duplicates), source, rows, fetch, run)
