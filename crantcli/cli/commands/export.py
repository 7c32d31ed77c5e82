"""`crantcli export`: edges or a matrix in the formats of other programs."""

from __future__ import annotations

from crantcli.cli.command import command
from crantcli.cli.help import DATA
from crantcli.cli.options import RowOptions, RunOptions, ServerOptions, SourceOptions, SumDuplicates

EPILOG = """Example: crantcli export edges.parquet -a annotations.csv -o edges.graphml

Edges, or a matrix, as .graphml (Gephi, Cytoscape, igraph, networkx), .gexf (Gephi), .sqlite, .mtx (Matrix Market, with
its rows and columns in two tables beside it) or .h5ad (AnnData; pip install 'crantcli[anndata]'). Columns of the
annotations become attributes of the nodes. IDs are text wherever a format would make other numbers of them.

Nothing is left out but rows without an ID. connectivity, adjacency and nested write the same formats."""


@command("export", section=DATA, epilog=EPILOG, after="sort")
def export(source: SourceOptions, run: RunOptions, sum_duplicates: SumDuplicates = False) -> None:
    """Edges or a matrix in the formats of other programs."""
    from crantcli.cli.ask import ask
    from crantcli.core.questions.export import Export

    ask(Export(sum_duplicates), source, RowOptions(clean=False), ServerOptions(), run)
