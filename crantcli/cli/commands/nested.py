"""`crantcli nested`: a matrix of neurons in blocks of cell types, tables per type, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crantcli.cli.command import command
from crantcli.cli.help import ASK
from crantcli.cli.options import (
    NEURON_HELP,
    EdgeOptions,
    KeepSilent,
    RunOptions,
    Selectors,
    SourceOptions,
    SynapseFetchOptions,
    WeightOptions,
)

if TYPE_CHECKING:
    from crantcli.core.questions.nested import Nested
    from crantcli.output.figures.heatmap import Style

EPILOG = """Example: crantcli nested synapses.parquet -a annotations.csv --weight-mode count -o nested.npz --plot n.png

Square, with the same neurons on both axes, unless rows or columns are chosen (--source-types ER --target-types
EPG/PEG). Without -o, --json or another output, the matrix goes to the terminal or, as CSV, into a pipe.

--weight count, sum:COL and mean:COL say what a weight is, where --weight-mode does not: sum:COL is --weight-mode column
--weight-column COL. Fractions are of synapses. With --by cell_type,side blocks are called ER2:left. Weights with a
--sign are drawn around zero, and fractions of them are of absolute totals."""


TYPE_LIST = "types joined by commas, or @FILE with one a line"


@dataclass(eq=False, repr=False)
class NestedOptions:
    """What a nested matrix shows."""

    source_types: Annotated[
        list[str] | None,
        typer.Option("--source-types", metavar="TYPES", help=f"Cell types of the rows: {TYPE_LIST}; repeat to add."),
    ] = None
    target_types: Annotated[
        list[str] | None,
        typer.Option("--target-types", metavar="TYPES", help="Cell types of the columns, likewise."),
    ] = None
    source_neurons: Annotated[
        Selectors,
        typer.Option(
            "--source-neurons", metavar="NEURONS", help=f"Neurons of the rows, beside the types: {NEURON_HELP}."
        ),
    ] = None
    target_neurons: Annotated[
        Selectors,
        typer.Option("--target-neurons", metavar="NEURONS", help="Neurons of the columns, likewise."),
    ] = None
    directed: Annotated[
        bool,
        typer.Option("--directed", help="Rows and columns of their own, even where none are chosen."),
    ] = False
    keep_unconnected: Annotated[
        bool,
        typer.Option(
            "--keep-unconnected",
            help="Keep chosen neurons without synapses on the axes; on those of a square matrix all annotated ones.",
        ),
    ] = False
    keep_silent: KeepSilent = False
    weight_mode: Annotated[
        Literal["relative_outgoing", "relative_incoming", "count", "column"] | None,
        typer.Option(
            "--weight-mode",
            help="Fractions of a neuron's output or input, counts, or a column added up. Default: relative_outgoing "
            "for synapses, the weights as they are for edges and adjacencies.",
            show_default=False,
        ),
    ] = None
    weight_column: Annotated[
        str | None,
        typer.Option(
            "--weight-column",
            metavar="COLUMN",
            help="The column that --weight-mode column adds up: the same as --weight sum:COLUMN.",
        ),
    ] = None
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="COL,...", help="Blocks by these columns of the annotations. Default: that of cell types."
        ),
    ] = None
    normalization_scope: Annotated[
        Literal["selected", "all"],
        typer.Option("--normalization-scope", help="Fractions of what is shown, or of all partners."),
    ] = "selected"
    totals: Annotated[
        str | None,
        typer.Option(
            "--totals",
            metavar="FILE",
            help="Totals for --normalization-scope all and --min-fraction: counts of the whole table.",
        ),
    ] = None
    annotation_scope: Annotated[
        Literal["annotated_only", "all"],
        typer.Option("--annotation-scope", help="Neurons that are annotated, or all, the unannotated ones last."),
    ] = "annotated_only"
    type_order: Annotated[
        str | None,
        typer.Option(
            "--type-order",
            metavar="TYPES",
            help=f"Types that come first: {TYPE_LIST}; ER stands for ER1, ER2, ..., PEN for PEN_a, ... Or size: the "
            "largest first.",
        ),
    ] = None
    source_type_order: Annotated[
        str | None, typer.Option("--source-type-order", metavar="TYPES", help="The same for the rows only.")
    ] = None
    target_type_order: Annotated[
        str | None, typer.Option("--target-type-order", metavar="TYPES", help="The same for the columns only.")
    ] = None
    neuron_order: Annotated[
        str,
        typer.Option(
            "--neuron-order",
            metavar="annotation|id|weight|@FILE",
            help="Order within a type: of the annotations, by ID, the strongest first, or of the IDs in a file.",
        ),
    ] = "annotation"

    @property
    def rectangular(self) -> bool:
        """Whether rows and columns are chosen by themselves."""
        chosen = (self.source_types, self.target_types, self.source_neurons, self.target_neurons)
        return self.directed or any(chosen)


@dataclass(eq=False, repr=False)
class PlotOptions:
    """How a picture of a nested matrix looks."""

    level: Annotated[
        Literal["neuron", "type_mean", "type_sum"],
        typer.Option("--level", help="Draw neurons, or means or sums of pairs of types."),
    ] = "neuron"
    figsize: Annotated[
        str | None,
        typer.Option(
            "--figsize", metavar="W,H", help="Inches. Default: as large as the matrix needs.", show_default=False
        ),
    ] = None
    show_neuron_labels: Annotated[
        bool, typer.Option("--show-neuron-labels", help="Neuron IDs beside the axes instead of types.")
    ] = False
    vmin_percentile: Annotated[
        float, typer.Option("--vmin-percentile", metavar="P", help="Start of the colour scale, among nonzero values.")
    ] = 0.0
    vmax_percentile: Annotated[
        float, typer.Option("--vmax-percentile", metavar="P", help="End of the colour scale, among nonzero values.")
    ] = 100.0
    min_neurons: Annotated[
        int, typer.Option("--min-neurons", metavar="N", min=1, help="Leave types of fewer neurons out of the picture.")
    ] = 1
    linewidth_scale: Annotated[
        float, typer.Option("--linewidth-scale", metavar="FACTOR", help="Width of the lines between types.")
    ] = 1.0
    cmap: Annotated[str, typer.Option("--cmap", metavar="NAME", help="Colour map of matplotlib.")] = "magma_r"
    log: Annotated[
        bool | None,
        typer.Option(
            "--log/--linear",
            help="Colour scale. Default: logarithmic where weights spread over more than a factor of 10.",
            show_default=False,
        ),
    ] = None
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Title of the picture.")] = ""
    dpi: Annotated[int, typer.Option("--dpi", metavar="N", min=10, help="Pixels per inch.")] = 200


@command("nested", section=ASK, epilog=EPILOG, after="counts")
def nested(
    source: SourceOptions,
    rows: EdgeOptions,
    nest: NestedOptions,
    weights: WeightOptions,
    picture: PlotOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    type_sum: Annotated[str | None, typer.Option("--type-sum", metavar="FILE", help="Sums per pair of types.")] = None,
    type_mean: Annotated[
        str | None, typer.Option("--type-mean", metavar="FILE", help="Means over all pairs of neurons of two types.")
    ] = None,
    relative: Annotated[
        str | None, typer.Option("--relative", metavar="FILE", help="Neurons' weights as fractions of their row.")
    ] = None,
    relative_types: Annotated[
        str | None, typer.Option("--relative-types", metavar="FILE", help="Sums per type as fractions of their row.")
    ] = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw the matrix: .png, .pdf or .svg.")
    ] = None,
    order: Annotated[
        str | None, typer.Option("--order", metavar="FILE", help="The axes as a table: axis, position, neuron, type.")
    ] = None,
    links: Annotated[
        str | None,
        typer.Option(
            "--links", metavar="COLUMN", help="Add this column to --order: links that show a neuron in the viewer."
        ),
    ] = None,
    force_wide: Annotated[
        bool, typer.Option("--force-wide", help="Write wide tables even with more than 5,000 columns.")
    ] = False,
) -> None:
    """A matrix in blocks of cell types, tables per type, pictures."""
    from crantcli.cli.ask import ask, list_files
    from crantcli.errors import UsageError

    if links is not None and order is None:
        raise UsageError("--links adds a column to the table of the axes; say where that goes with --order FILE")
    drawing = drawing_of(picture)
    outputs = {
        "type_sum": type_sum, "type_mean": type_mean, "relative": relative, "relative_types": relative_types,
        "order": order, "plot": plot,
    }  # fmt: skip
    files = list_files(source, lists_of(nest), *others_of(nest))
    question = question_of(nest, weights, source, rows.sum_duplicates, links)
    ask(
        question, source, rows, fetch, run, outputs=outputs, force_wide=force_wide, drawing={"nested": drawing},
        totals=nest.totals, files=files,
    )  # fmt: skip


def style_of(picture: PlotOptions) -> Style:
    """How the picture is to look.

    Raises
    ------
    UsageError
    """
    from crantcli.errors import UsageError
    from crantcli.output.figures.heatmap import Style

    size = None
    if picture.figsize is not None:
        try:
            width, height = (float(side) for side in picture.figsize.split(","))
        except ValueError:
            raise UsageError(f"--figsize {picture.figsize}: two numbers in inches, such as 8,7") from None
        size = (width, height)
    return Style(
        title=picture.title,
        figsize=size,
        dpi=picture.dpi,
        cmap=picture.cmap,
        log=picture.log,
        vmin_percentile=picture.vmin_percentile,
        vmax_percentile=picture.vmax_percentile,
        linewidth_scale=picture.linewidth_scale,
    )


def drawing_of(picture: PlotOptions) -> dict[str, Any]:
    """How nested matrices are drawn."""
    return {
        "style": style_of(picture),
        "level": picture.level,
        "smallest": picture.min_neurons,
        "neuron_labels": picture.show_neuron_labels,
    }


def question_of(
    nest: NestedOptions, weights: WeightOptions, source: SourceOptions, sum_duplicates: bool, links: str | None = None
) -> Nested:
    """The question that the options ask."""
    from functools import cache

    from crantcli.cli.ask import selectors_of
    from crantcli.core.matrix.order import NEURON_ORDERS, SIZE
    from crantcli.core.questions.nested import Nested
    from crantcli.errors import UsageError
    from crantcli.ids import parse_selectors
    from crantcli.schema import ANNOTATION_TYPES
    from crantcli.sources.selectors import read_labels

    labels = cache(lambda value: read_labels([value], ANNOTATION_TYPES))  # a pipe can be read once

    def order(given: str | None) -> Any:
        return given if given in (None, SIZE) else labels(given)

    def neurons(given: str) -> Any:
        if not given.startswith("@") and given not in NEURON_ORDERS:
            raise UsageError(f"--neuron-order {given}: {', '.join(NEURON_ORDERS)}, or @FILE")
        return parse_selectors([given]) if given.startswith("@") else given

    def types(given: list[str] | None) -> Any:
        return tuple(dict.fromkeys(label for value in given for label in labels(value))) if given else None

    return Nested(
        types(nest.source_types),
        types(nest.target_types),
        selectors_of(nest.source_neurons, source),
        selectors_of(nest.target_neurons, source),
        nest.rectangular,
        order(nest.type_order),
        order(nest.source_type_order),
        order(nest.target_type_order),
        nest.weight_mode,
        nest.weight_column,
        nest.normalization_scope,
        nest.annotation_scope,
        neurons(nest.neuron_order),
        nest.keep_unconnected or nest.keep_silent,
        sum_duplicates,
        source.ignore_case,
        weights.weight,
        weights.min_fraction,
        weights.signs,
        nest.by,
        links,
    )


def lists_of(nest: NestedOptions) -> list[str | None]:
    """Types as they were given, each list or file of them."""
    orders = [nest.type_order, nest.source_type_order, nest.target_type_order]
    return [*orders, *(nest.source_types or []), *(nest.target_types or [])]


def others_of(nest: NestedOptions) -> list[str | None]:
    """What else is read, as it was given."""
    return [
        nest.totals,
        nest.neuron_order.removeprefix("@"),
        *(nest.source_neurons or []),
        *(nest.target_neurons or []),
    ]
