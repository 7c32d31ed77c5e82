"""`crantcli sort`: a table in the order of its neurons."""

from __future__ import annotations

from crantcli.cli.command import command
from crantcli.cli.help import DATA
from crantcli.cli.options import RowOptions, ServerOptions, SourceOptions, TableOptions

EPILOG = """Example: crantcli sort raw.csv.gz -o sorted.parquet

In a sorted Parquet file, questions about a few presynaptic neurons read only the parts that hold them. All rows are
kept, also those that later questions leave out; info says by what a file is sorted."""


@command("sort", section=DATA, epilog=EPILOG)
def sort(source: SourceOptions, run: TableOptions) -> None:
    """All rows of synapses or edges, sorted by pre, post, id."""
    from crantcli.cli.ask import ask
    from crantcli.core.questions.sort import Sort

    ask(Sort(), source, RowOptions(clean=False), ServerOptions(), run)
