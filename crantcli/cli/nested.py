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
    from collections.abc import Callable
    from pathlib import Path

    from crantcli.cli.job import Work
    from crantcli.core.adjacency import LabelledMatrix
    from crantcli.core.blocks import Blocks
    from crantcli.core.nested import NestedQuestion, NestedResult
    from crantcli.core.synapses import RowFilter
    from crantcli.core.table import Annotations, Table
    from crantcli.core.type_sums import TypeSums
    from crantcli.ids import Selection
    from crantcli.output.figures.heatmap import Style
    from crantcli.sources.live.query import Query

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
    from crantcli.cli.job import Job
    from crantcli.core.labels import typed
    from crantcli.core.nested import nested as answer
    from crantcli.core.question import Figure
    from crantcli.core.type_sums import one_pass, type_sums
    from crantcli.errors import UsageError
    from crantcli.output.writers import find_writer
    from crantcli.sources.live.query import needed

    style = style_of(picture)
    if plot:
        find_writer(Figure, plot)
    tables = {
        "--type-sum": type_sum, "--type-mean": type_mean, "--relative": relative, "--relative-types": relative_types
    }  # fmt: skip
    neurons = {"source_neurons": nest.source_neurons, "target_neurons": nest.target_neurons}
    job = Job(
        "nested", source, run, neurons, [order, plot], matrix=True, matrices=tables, fetch=fetch, tables=[nest.totals]
    )
    if order:
        _check_order(order)
    if nest.totals and nest.normalization_scope != "all":
        raise UsageError("--totals goes with --normalization-scope all; other fractions are of what is shown")
    with job.opened() as work:
        question = question_of(nest, source.ignore_case, rows.sum_duplicates)
        work.space.paths += label_files(nest)
        annotations = work.annotations(needed=True, clean=rows.clean)
        typed(annotations, "a nested matrix")  # before anything is fetched
        columns = needed([nest.weight_column] if nest.weight_column else [], rows.min_size is not None)
        query = query_of(work, question, annotations, columns, rows.clean, bool(nest.totals))
        table = work.table(value=nest.weight_column, query=query)
        kept = work.row_filter(rows, table)
        question = with_neurons(question, lambda name: work.select(name, table))
        filters = {"clean": rows.clean, "min_size": rows.min_size, "threshold": 1}
        totals = work.totals(nest.totals, table, filters) if nest.totals else None
        more = None
        if query is not None:
            more = further_table(work, question, annotations, table, kept, query, work.table)
        of_neurons = run.output or type_mean or relative or order or plot
        if not of_neurons and (type_sum or relative_types) and one_pass(question, table, kept):
            sums = type_sums(work.engine, table, annotations, question, kept, more)
            _finish_types(work, sums, table, kept, options_of(question, table, nest), tables, force_wide)
            return
        result = answer(work.engine, table, annotations, question, kept, totals, more)
        work.refuse_empty(len(result.blocks.matrix.weights), result.ledger)
        record = work.record(
            "adjacency", table, kept, result, result.blocks.matrix.shape[0], options_of(question, table, nest)
        )
        _write(work, result, record, tables, order, force_wide)
        if plot:
            figure = Figure("nested", result.blocks, drawing_of(picture, style))
            result.notes += work.write_output(figure, plot, record)
        shape = result.blocks.matrix.shape
        entries = len(result.blocks.matrix.weights)
        types = {"source": len(result.blocks.source.types), "target": len(result.blocks.target.types)}
        work.finish(
            f"entries in {shape[0]:,} x {shape[1]:,} neurons, {types['source']:,} x {types['target']:,} types",
            entries,
            result.ledger,
            [*result.notes, result.statement],
            {"shape": list(shape), "entries": entries, "types": types, "weights": result.blocks.quantity},
        )


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


def drawing_of(picture: PlotOptions, style: Style) -> dict[str, Any]:
    """Options of a nested figure."""
    return {
        "style": style,
        "level": picture.level,
        "smallest": picture.min_neurons,
        "neuron_labels": picture.show_neuron_labels,
    }


def _check_order(destination: str) -> None:
    from crantcli.core.question import Table
    from crantcli.errors import UsageError
    from crantcli.output.writers import find_writer

    if destination == "-":
        raise UsageError("--order - : only -o writes to stdout; give a file name")
    find_writer(Table, destination)


def question_of(nest: NestedOptions, ignore_case: bool, sum_duplicates: bool) -> NestedQuestion:
    """The question as far as the options tell it; neurons are found when the table is open."""
    from functools import cache

    from crantcli.core.nested import NestedQuestion
    from crantcli.core.order import SIZE, TypeOrder
    from crantcli.core.roster import AxisChoice
    from crantcli.errors import UsageError
    from crantcli.sources.selection import read_labels

    labels = cache(lambda value: read_labels([value]))  # a pipe can be read once

    def axis(types: list[str] | None, order: str | None) -> AxisChoice:
        found = order or nest.type_order
        ordered = TypeOrder.of(found if found in (None, SIZE) else labels(found))
        return AxisChoice(read_labels(types) if types else None, None, ordered)

    source, target = (
        axis(nest.source_types, nest.source_type_order),
        axis(nest.target_types, nest.target_type_order),
    )
    if not nest.rectangular and (nest.source_type_order or nest.target_type_order):
        raise UsageError(
            "--source-type-order and --target-type-order are for rectangular matrices; use --type-order, or --directed"
        )
    return NestedQuestion(
        source=source,
        target=target if nest.rectangular else None,
        weight_mode=nest.weight_mode,
        weight_column=nest.weight_column,
        scope=nest.normalization_scope,
        annotation_scope=nest.annotation_scope,
        neuron_order=nest.neuron_order,
        keep_silent=nest.keep_unconnected or nest.keep_silent,
        sum_duplicates=sum_duplicates,
        ignore_case=ignore_case,
    )


def label_files(nest: NestedOptions) -> list[Path]:
    """Lists of types that are read, which no output may overwrite."""
    from pathlib import Path

    orders = [nest.type_order, nest.source_type_order, nest.target_type_order]
    given = [*orders, *(nest.source_types or []), *(nest.target_types or [])]
    return [Path(value[1:]) for value in given if value is not None and value.startswith("@")]


def with_neurons(question: NestedQuestion, find: Callable[[str], Selection | None]) -> NestedQuestion:
    """The question with the neurons that were named; `find` takes the name of a selection option."""
    from dataclasses import replace

    source = replace(question.source, neurons=find("source_neurons"))
    if question.target is None:
        return replace(question, source=source)
    target = replace(question.target, neurons=find("target_neurons"))
    return replace(question, source=source, target=target)


def query_of(
    work: Work,
    question: NestedQuestion,
    annotations: Annotations | None,
    columns: tuple[str, ...],
    clean: bool,
    totals: bool,
) -> Query | None:
    """What to fetch of a live table for nested matrices, None for a file; `totals` are given, or not."""
    from crantcli.core.needs import needed_neurons

    if not work.live:
        return None
    work.check_destinations()  # before anything is fetched
    asked = with_neurons(question, work.select_current)
    option = "--source-types, --source-neurons, --target-types or --target-neurons"
    neurons = needed_neurons(work.engine, "BIGINT", annotations, asked, whole_table=totals)
    return work.space.query(option, columns, clean, neurons)


def further_table(
    work: Work,
    question: NestedQuestion,
    annotations: Annotations | None,
    table: Table,
    rows: RowFilter,
    query: Query,
    read: Callable[..., Table],
    everyone: bool = False,
) -> Table | None:
    """Further synapses of a live table that say who is on the axes, None where there is no need for any.

    `query` has fetched the synapses between the neurons of both axes, and `read` opens a table likewise.
    """
    from crantcli.core.needs import further_neurons
    from crantcli.ids import Selection
    from crantcli.schema import number_of

    for end, side in (("pre", "source"), ("post", "target")):
        if question.annotation_scope == "all" and not question.axes[end].given:
            work.space.notes.append(
                f"of neurons without annotation, the {side} axis has those that have synapses with the chosen ones; a "
                "data set on a server is not fetched as a whole"
            )
    needed = {end: None if ids is None else Selection(ids) for end, ids in (("pre", query.pre), ("post", query.post))}
    neurons = further_neurons(work.engine, table, annotations, question, rows, needed, everyone)
    asked = work.space.further_query(query, neurons)
    if asked is None:
        return None
    found = read(query=asked)
    number = len({*(asked.pre or ()), *(asked.post or ())})
    work.space.notes.append(
        f"{found.rows:,} synapses with other neurons were fetched, too, to see where {number_of(number, 'neuron')} of "
        "the axes can be found"
    )
    return found


def options_of(question: NestedQuestion, table: Table, nest: NestedOptions) -> dict[str, Any]:
    """What bears on the content, for the provenance."""
    mode = question.mode(table)
    orders = {
        "source_type_order": question.source.order.record(),
        "target_type_order": question.target.order.record() if question.target else None,
    }
    if question.target is None or question.source.order == question.target.order:
        orders = {"type_order": question.source.order.record()}
    return {
        "source_types": list(question.source.types or ()),
        "target_types": list(question.target.types or ()) if question.target else None,
        "directed": (question.target is not None) or None,
        "keep_silent": question.keep_silent or None,
        "weight_mode": mode,
        "weight_column": question.weight_column,
        "normalization_scope": question.scope if mode.startswith("relative") else None,
        "totals": bool(nest.totals) or None,
        "annotation_scope": question.annotation_scope,
        "neuron_order": question.neuron_order,
        "sum_duplicates": question.sum_duplicates or None,
        **orders,
    }


def _finish_types(
    work: Work,
    sums: TypeSums,
    table: Table,
    kept: RowFilter,
    options: dict[str, Any],
    tables: dict[str, str | None],
    force_wide: bool,
) -> None:
    """Write sums per type that were had without looking at neurons."""
    from crantcli.core.blocks import fractions

    entries = len(sums.matrix.weights)
    work.refuse_empty(entries, sums.ledger)
    record = work.record("adjacency", table, kept, sums, sums.matrix.shape[0], options)
    if tables["--type-sum"]:
        work.write_matrix(sums.matrix, tables["--type-sum"], {**record, "cells": "sum"}, force_wide)
    if tables["--relative-types"]:
        shares = fractions(sums.matrix, "output")
        work.write_matrix(shares, tables["--relative-types"], {**record, "cells": "fraction of the row"}, force_wide)
    shape = sums.matrix.shape
    types = {"source": shape[0], "target": shape[1]}
    work.finish(
        f"entries in {shape[0]:,} x {shape[1]:,} types",
        entries,
        sums.ledger,
        [*sums.notes, f"weights are {sums.quantity}"],
        {"shape": None, "entries": entries, "types": types, "weights": sums.quantity},
    )


def _write(
    work: Work,
    result: NestedResult,
    record: dict[str, Any],
    tables: dict[str, str | None],
    order: str | None,
    force_wide: bool,
) -> None:
    """Write the tables that were asked for."""
    from crantcli.core.blocks import fractions

    blocks = result.blocks
    work.write_main_matrix(blocks.matrix, record, force_wide)
    made: dict[str, tuple[Callable[[], LabelledMatrix], str, str]] = {
        "--type-sum": (lambda: blocks.type_sum, "types", "sum"),
        "--type-mean": (lambda: blocks.type_mean, "types", "mean"),
        "--relative": (lambda: fractions(blocks.matrix, "output"), "neurons", "fraction of the row"),
        "--relative-types": (lambda: fractions(blocks.type_sum, "output"), "types", "fraction of the row"),
    }
    for option, destination in tables.items():
        if destination:
            matrix, labels, what = made[option]
            told = {**record, "labels": labels, "cells": what, "complete_for": _completeness(record, blocks, what)}
            work.write_matrix(matrix(), destination, told, force_wide)
    if order:
        from crantcli.output.matrices import order_table

        axes = {"source": blocks.source, "target": blocks.target}
        if not record["options"].get("directed"):
            axes = {"both": blocks.source}
        work.write_output(order_table(work.engine, axes), order, record)


def _completeness(record: dict[str, Any], blocks: Blocks, what: str) -> dict[str, Any]:
    """What a further table is complete for: of what it is, nobody can take fractions where a part is left out."""
    untyped = any(len(axis.neurons) > axis.typed for axis in (blocks.source, blocks.target))
    reason = "leaving out neurons without a type" if untyped else ""
    complete: dict[str, Any] = record["complete_for"]
    thinned = complete["thinned_by"] or (reason if what == "sum" else f"being a table in which each cell is a {what}")
    return {**complete, "thinned_by": thinned}
