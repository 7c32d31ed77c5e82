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
    from crantcli.core.matrix.blocks import BlockMatrix
    from crantcli.core.matrix.labelled import LabelledMatrix
    from crantcli.core.nested import NestedQuestion, NestedResult
    from crantcli.core.rows.filters import RowFilter
    from crantcli.core.table import Annotations, Table
    from crantcli.core.type_sums import TypeSums
    from crantcli.ids import Selection
    from crantcli.output.heatmap import Style
    from crantcli.sources.cave.query import Query

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
    from crantcli.core.nested import NestedResult
    from crantcli.core.nested import nested as answer
    from crantcli.core.rows.labels import typed
    from crantcli.core.type_sums import TypeSums, one_pass, type_sums
    from crantcli.errors import UsageError
    from crantcli.output.heatmap import check_picture, save
    from crantcli.output.nested import draw_nested
    from crantcli.output.provenance import metadata
    from crantcli.sources.cave.query import needed

    style = style_of(picture)
    if plot:
        check_picture(plot)
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
        types_only = not (run.output or relative or order or plot) and bool(type_sum or type_mean or relative_types)
        result: NestedResult | TypeSums
        if types_only and not type_mean and one_pass(question, table, kept):
            result = type_sums(work.engine, table, annotations, question, kept, more)
        else:
            result = answer(work.engine, table, annotations, question, kept, totals, more, types_only)
        main = result.type_sum if types_only or isinstance(result, TypeSums) else result.blocks.matrix
        work.refuse_empty(len(main.weights), result.ledger)
        record = work.record("adjacency", table, kept, result, main.shape[0], options_of(question, table, nest))
        if isinstance(result, NestedResult) and not types_only:
            work.write_main_matrix(result.blocks.matrix, record, force_wide)
        _write_tables(work, result, table, record, tables, force_wide)
        if order and isinstance(result, NestedResult):
            _write_order(work, result.blocks, record, order)
        if plot and isinstance(result, NestedResult):
            drawn = draw_nested(result.blocks, style, picture.level, picture.min_neurons, picture.show_neuron_labels)
            save(drawn.figure, work.pending.place(plot), plot, metadata({**record, "picture": drawn.facts}))
            result.notes.extend(drawn.notes)
        types = dict(zip(("source", "target"), result.type_sum.shape, strict=True))
        shown = f"{types['source']:,} x {types['target']:,} types"
        shape = None if types_only else main.shape
        work.finish(
            f"entries in {shown}" if shape is None else f"entries in {shape[0]:,} x {shape[1]:,} neurons, {shown}",
            len(main.weights),
            result.ledger,
            [*result.notes, result.statement],
            {
                "shape": shape and list(shape),
                "entries": len(main.weights),
                "types": types,
                "weights": result.quantity,
            },
        )


def style_of(picture: PlotOptions) -> Style:
    """How the picture is to look.

    Raises
    ------
    UsageError
    """
    from crantcli.errors import UsageError
    from crantcli.output.heatmap import Style

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


def _check_order(destination: str) -> None:
    from crantcli.errors import UsageError
    from crantcli.output.tables import table_format

    if destination == "-":
        raise UsageError("--order - : only -o writes to stdout; give a file name")
    table_format(destination)


def question_of(nest: NestedOptions, ignore_case: bool, sum_duplicates: bool) -> NestedQuestion:
    """The question as far as the options tell it; neurons are found when the table is open."""
    from functools import cache

    from crantcli.core.matrix.order import SIZE, TypeOrder
    from crantcli.core.nested import NestedQuestion
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


def _write_tables(
    work: Work,
    result: NestedResult | TypeSums,
    table: Table,
    record: dict[str, Any],
    tables: dict[str, str | None],
    force_wide: bool,
) -> None:
    """Write the further matrices that were asked for."""
    from crantcli.core.nested import NestedResult, types_completeness

    made: dict[str, tuple[Callable[[], LabelledMatrix], str]] = {
        "--type-sum": (lambda: result.type_sum, "sum"),
        "--relative-types": (lambda: result.type_sum.normalize("output"), "fraction of the row"),
    }
    if isinstance(result, NestedResult):
        blocks = result.blocks
        made["--type-mean"] = (lambda: blocks.type_mean, "mean")
        made["--relative"] = (lambda: blocks.matrix.normalize("output"), "fraction of the row")
    for option, destination in tables.items():
        if destination:
            matrix, what = made[option]
            told = {**record, "labels": "types", "cells": what}
            if option == "--relative":
                complete = record["complete_for"]
                why = complete["thinned_by"] or f"being a table in which each cell is a {what}"
                told |= {"labels": "neurons", "complete_for": {**complete, "thinned_by": why}}
            else:
                told |= {"complete_for": types_completeness(table, result.reasons, what).as_dict()}
            work.write_matrix(matrix(), destination, told, force_wide)


def _write_order(work: Work, blocks: BlockMatrix, record: dict[str, Any], destination: str) -> None:
    from crantcli.output.matrices import order_query
    from crantcli.output.provenance import metadata
    from crantcli.output.tables import table_format, write_table

    axes = {"source": blocks.source, "target": blocks.target}
    if not record["options"].get("directed"):
        axes = {"both": blocks.source}
    query, number = order_query(work.engine, axes)
    told = {**record, "kind": "order", "rows": number}
    write_table(work.engine, query, work.pending.place(destination), table_format(destination), metadata(told))
