"""`crantcli nested`: a matrix of neurons in blocks of cell types, tables per type, and pictures of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crantcli.cli.options import (
    EdgeOptions,
    NestedOptions,
    PlotOptions,
    RunOptions,
    SourceOptions,
    SynapseFetchOptions,
    with_options,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crantcli.core.questions.nested import Nested
    from crantcli.output.figures.heatmap import Style

EPILOG = """Example: crantcli nested synapses.parquet -a annotations.csv --weight-mode count -o nested.npz --plot n.png

Square, with the same neurons on both axes, unless rows or columns are chosen (--source-types ER --target-types
EPG/PEG). Without -o, --json or another output, the matrix goes to the terminal or, as CSV, into a pipe."""


@with_options
def nested(
    source: SourceOptions,
    rows: EdgeOptions,
    nest: NestedOptions,
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
    force_wide: Annotated[
        bool, typer.Option("--force-wide", help="Write wide tables even with more than 5,000 columns.")
    ] = False,
) -> None:
    """A matrix of neurons grouped into blocks of cell types, with tables per type and pictures."""
    from crantcli.cli.ask import ask

    drawing = drawing_of(picture)
    outputs = {
        "type_sum": type_sum, "type_mean": type_mean, "relative": relative, "relative_types": relative_types,
        "order": order, "plot": plot,
    }  # fmt: skip
    question = question_of(nest, source, rows.sum_duplicates)
    ask(
        question, source, rows, fetch, run, outputs=outputs, force_wide=force_wide, drawing={"nested": drawing},
        totals=nest.totals, files=label_files(nest),
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


def question_of(nest: NestedOptions, source: SourceOptions, sum_duplicates: bool) -> Nested:
    """The question that the options ask."""
    from functools import cache

    from crantcli.cli.ask import selectors_of
    from crantcli.core.matrix.order import SIZE
    from crantcli.core.questions.nested import Nested
    from crantcli.sources.selectors import read_labels

    labels = cache(lambda value: read_labels([value]))  # a pipe can be read once

    def order(given: str | None) -> Any:
        return given if given in (None, SIZE) else labels(given)

    return Nested(
        read_labels(nest.source_types) if nest.source_types else None,
        read_labels(nest.target_types) if nest.target_types else None,
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
        nest.neuron_order,
        nest.keep_unconnected or nest.keep_silent,
        sum_duplicates,
        source.ignore_case,
    )


def label_files(nest: NestedOptions) -> tuple[Path, ...]:
    """Lists of types that are read, which no output may overwrite."""
    from pathlib import Path

    orders = [nest.type_order, nest.source_type_order, nest.target_type_order]
    given = [*orders, *(nest.source_types or []), *(nest.target_types or [])]
    return tuple(Path(value[1:]) for value in given if value is not None and value.startswith("@"))
