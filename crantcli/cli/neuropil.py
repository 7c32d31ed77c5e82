"""`crantcli neuropil`: which brain region each synapse lies in, and a nested matrix for each region."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crantcli.cli.options import (
    NestedOptions,
    PlaceOptions,
    PlotOptions,
    RowOptions,
    RunOptions,
    SourceOptions,
    SynapseFetchOptions,
    with_options,
)

if TYPE_CHECKING:
    from crantcli.cli.job import Work
    from crantcli.core.nested import NestedResult
    from crantcli.core.neuropil import Assignment, Count
    from crantcli.core.rows.filters import RowFilter
    from crantcli.core.table import Result, Table, VoxelSize
    from crantcli.output.heatmap import Style

EPILOG = """Example: crantcli neuropil synapses.parquet -a annotations.csv --coordinates nm --meshes meshes -o neuropils

Into the folder: NAME.matrix.npz, NAME.type_sum.csv, NAME.type_mean.csv, NAME.order.csv and NAME.png of each neuropil,
summary.csv and summary.png, assignments.parquet and, last, manifest.json. Later commands take --assignments FILE
--neuropil NAME."""


@with_options
def neuropil(
    source: SourceOptions,
    rows: RowOptions,
    place: PlaceOptions,
    nest: NestedOptions,
    picture: PlotOptions,
    fetch: SynapseFetchOptions,
    run: RunOptions,
    assignments_only: Annotated[
        bool, typer.Option("--assignments-only", help="No matrices, only the assignments and their summary.")
    ] = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw each matrix, and the summary.")] = True,
    relative: Annotated[
        bool, typer.Option("--relative", help="Also NAME.relative.npz: weights as fractions of their row.")
    ] = False,
    relative_types: Annotated[
        bool, typer.Option("--relative-types", help="Also NAME.relative_types.csv: sums per type likewise.")
    ] = False,
) -> None:
    """The neuropils of each synapse, from meshes, and a nested matrix for each neuropil, into a folder."""
    from dataclasses import replace
    from functools import partial

    from crantcli.cli.job import Job
    from crantcli.cli.nested import (
        further_table,
        label_files,
        options_of,
        query_of,
        question_of,
        style_of,
        with_neurons,
    )
    from crantcli.core.neuropil import OTHER, POSITION, assign
    from crantcli.core.rows.absent import axis_notes
    from crantcli.errors import EmptyResultError, UsageError
    from crantcli.sources.cave.query import needed
    from crantcli.sources.recorded import parse_mesh_scale, parse_voxel_size
    from crantcli.sources.selection import read_labels

    style = style_of(picture)
    offset = parse_offset(place.voxel_offset)
    voxel = parse_voxel_size(place.voxel_size) if place.voxel_size else None
    scale = parse_mesh_scale(place.mesh_scale) if place.mesh_scale is not None else None
    wanted = read_labels(place.neuropils) if place.neuropils else None
    dropped = read_labels(place.exclude) if place.exclude else ()
    if nest.totals and nest.normalization_scope != "all":
        raise UsageError("--totals goes with --normalization-scope all; other fractions are of what is shown")
    neurons = {"source_neurons": nest.source_neurons, "target_neurons": nest.target_neurons}
    job = Job("neuropil", source, run, neurons, folder=True, fetch=fetch, tables=[nest.totals])
    with job.opened() as work:
        question = question_of(nest, source.ignore_case, False)
        work.space.paths += label_files(nest)
        # Of a live table, neurons that are not named are those that are annotated.
        annotations = work.annotations(needed=work.live or not assignments_only, clean=rows.clean)
        if annotations is None and not assignments_only:
            raise UsageError(
                "a nested matrix needs the neurons' types: --annotations FILE, or a data set that has annotations; "
                "--assignments-only does without"
            )
        columns = [place.position_column or POSITION, *([nest.weight_column] if nest.weight_column else [])]
        asked = needed(columns, rows.min_size is not None)
        query = query_of(work, question, annotations, asked, rows.clean, bool(nest.totals))
        read = partial(
            work.table,
            carry="positions",
            position=place.position_column,
            value=nest.weight_column,
            coordinates=place.coordinates,
            voxel_size=voxel,
            points=assignments_only,
        )
        # The assignments come in the order of the synapses.
        table = read(query=query and replace(query, ordered=True))
        kept = _row_filter(work, rows, table, assignments_only)
        question = with_neurons(question, lambda name: work.select(name, table))
        filters = {"clean": rows.clean, "min_size": rows.min_size, "threshold": 1}
        totals = work.totals(nest.totals, table, filters) if nest.totals else None
        names, index, boxes = work.space.neuropils(place.meshes, wanted, dropped, scale)
        look_up = partial(
            assign, position=place.position_column, offset=offset, include_other=place.include_other, boxes=boxes
        )
        found = look_up(work.engine, table, index, names, kept)
        more = None
        if query is not None and not assignments_only:
            # Whoever is in the brain may be in one neuropil by synapses that are not of the matrix.
            more = further_table(work, question, annotations, table, kept, query, read, everyone=True)
        further = look_up(work.engine, more, index, names, kept) if more is not None else None
        if run.fail_empty and not found.memberships:
            raise EmptyResultError(f"none of the {found.ledger.unit} lie in any of the neuropils; no file is written")
        where = {
            "neuropils": list(found.names),
            "include_other": place.include_other,
            "position_column": place.position_column,
            "coordinates": table.unit,
            "voxel_size_nm": list(table.voxel_size) if table.voxel_size else None,
            "voxel_offset": list(offset) if offset else None,
            "mesh_scale": list(scale) if scale else None,
        }
        told = {"assignments_only": True} if assignments_only else options_of(question, table, nest)
        folder = _Folder(work, table, kept, found, where, {**where, **told}, work.pending.place_folder(str(run.output)))
        if assignments_only:
            folder.count()
        else:
            extras = {"relative": relative, "relative_types": relative_types}
            named = {end: choice.neurons for end, choice in question.axes.items()}
            folder.notes += axis_notes(work.engine, table, named, found.relation, kept)
            folder.matrices(annotations, question, totals, further, extras, (style, picture) if plot else None)
            if run.fail_empty and not folder.stems:
                raise EmptyResultError(f"no neuropil has a matrix ({found.ledger.sentence()}); no file is written")
        folder.finish(plot)
        inside = [name for name, count in folder.counts.items() if count.synapses and name != OTHER]
        in_meshes = found.memberships - (found.outside if place.include_other else 0)
        work.finish(
            f"memberships: {in_meshes:,} in {len(inside):,} of {len(names):,} neuropils"
            + (f", {found.outside:,} {found.ledger.unit} in none" if found.outside else "")
            + (f", {found.unplaced:,} without a position" if found.unplaced else ""),
            found.memberships,
            found.ledger,
            [*found.notes, *folder.notes],
            {"assigned": found.counts(), "matrices": sorted(folder.stems)},
        )


def _row_filter(work: Work, rows: RowOptions, table: Table, assignments_only: bool) -> RowFilter:
    """Which rows count, of a table that can be had in neuropils; points have no neurons by which they could be dropped.

    Raises
    ------
    DataError
        Where a row is no synapse, and no point that is only assigned.
    """
    from crantcli.core.rows.filters import RowFilter
    from crantcli.errors import DataError
    from crantcli.schema import Kind

    points = table.kind is Kind.POINTS
    if points and not assignments_only:
        raise DataError("this is a table of points, which have no neurons for a matrix; --assignments-only takes them")
    if not points:
        table.require_synapses("neuropil")
    asked = work.row_filter(rows, table)
    return RowFilter(clean=False, background=()) if points else asked


def _as_sql(number: int | None) -> str:
    return f"CAST({'NULL' if number is None else number} AS BIGINT)"


def parse_offset(given: str | None) -> VoxelSize | None:
    """Read `X,Y,Z`, which may be negative.

    Raises
    ------
    UsageError
    """
    from crantcli.errors import UsageError

    if given is None:
        return None
    try:
        x, y, z = (float(part) for part in given.split(","))
    except ValueError:
        raise UsageError(f"--voxel-offset {given}: three numbers of voxels, such as 0,0,-3") from None
    return x, y, z


@dataclass
class _Folder:
    """The folder that is being filled.

    Attributes
    ----------
    where, options : dict
        What bears on the assignments, and on everything.
    """

    work: Work
    table: Table
    rows: RowFilter
    assignment: Assignment
    where: dict[str, Any]
    options: dict[str, Any]
    path: Path
    counts: dict[str, Count] = field(default_factory=dict)
    stems: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self) -> None:
        """Count what each neuropil holds, without matrices."""
        from crantcli.core.neuropil import count_alone, in_neuropil

        for code, name in enumerate(self.assignment.names):
            with self.work.engine.forgotten():
                table = in_neuropil(self.work.engine, self.assignment, code)
                self.counts[name] = count_alone(self.work.engine, table, self.rows)

    def matrices(
        self,
        annotations: Any,
        question: Any,
        totals: Any,
        further: Assignment | None,
        extras: dict[str, bool],
        drawing: tuple[Style, PlotOptions] | None,
    ) -> None:
        """Make the matrix, the tables and the picture of each neuropil."""
        from crantcli.core.neuropil import Remarks, matrices
        from crantcli.output.names import safe_file_names

        stems = safe_file_names(self.assignment.names, ("summary", "assignments", "manifest"))
        remarks = Remarks(self.assignment, question, totals)
        for name, count, result in matrices(
            self.work.engine, self.assignment, annotations, question, self.rows, totals, further
        ):
            self.counts[name] = count
            if result is None:
                continue
            remarks.add(result)
            if len(result.blocks.matrix.weights):
                self.stems[name] = stems[name]
                self._write(name, result, extras, drawing)
        self.notes += remarks.notes
        if self.stems and remarks.statement:
            self.notes.append(remarks.statement)

    def _write(
        self, name: str, result: NestedResult, extras: dict[str, bool], drawing: tuple[Style, PlotOptions] | None
    ) -> None:
        from crantcli.output.matrices import WIDE_LIMIT, order_query
        from crantcli.output.provenance import metadata
        from crantcli.output.tables import table_format, write_table

        blocks, stem = result.blocks, self.stems[name]
        record = self.work.record(
            "adjacency", self.table, self.rows, result, blocks.matrix.shape[0], {**self.options, "neuropil": [name]}
        )
        suffix = ".csv" if len(blocks.target.types) <= WIDE_LIMIT else ".npz"
        of_row = "fraction of the row"
        made: list[tuple[str, Any, dict[str, str]]] = [(f"{stem}.matrix.npz", blocks.matrix, {})]
        if extras["relative"]:
            made.append((f"{stem}.relative.npz", blocks.matrix.normalize("output"), {"cells": of_row}))
        of_types = {"labels": "types"}
        made.append((f"{stem}.type_sum{suffix}", blocks.type_sum, {**of_types, "cells": "sum"}))
        made.append((f"{stem}.type_mean{suffix}", blocks.type_mean, {**of_types, "cells": "mean"}))
        if extras["relative_types"]:
            shares = blocks.type_sum.normalize("output")
            made.append((f"{stem}.relative_types{suffix}", shares, {**of_types, "cells": of_row}))
        for file, matrix, told in made:
            self.work.write_matrix(matrix, file, {**record, **told}, False, self.path / file)
        axes = {"source": blocks.source, "target": blocks.target}
        if not self.options.get("directed"):
            axes = {"both": blocks.source}
        query, _ = order_query(self.work.engine, axes)
        file = f"{stem}.order.csv"
        write_table(self.work.engine, query, self.path / file, table_format(file), {})
        if drawing is not None:
            from dataclasses import replace

            from crantcli.output.heatmap import save
            from crantcli.output.nested import draw_nested

            style, picture = drawing
            titled = style if style.title else replace(style, title=name)
            drawn = draw_nested(blocks, titled, picture.level, picture.min_neurons, picture.show_neuron_labels)
            file = f"{stem}.png"
            save(drawn.figure, self.path / file, file, metadata({**record, "picture": drawn.facts}))
            self.notes += [f"{name}: {note}" for note in drawn.notes]

    def finish(self, plot: bool) -> None:
        """Write the summary, the assignments and, last, the manifest."""
        from crantcli.core.sql import text
        from crantcli.core.table import Result
        from crantcli.errors import CrantError
        from crantcli.output.provenance import as_text, metadata
        from crantcli.output.tables import table_format, write_table
        from crantcli.schema import KEY, MANIFEST

        engine, found = self.work.engine, self.assignment
        rows = ", ".join(
            f"({text(n)}, {c.synapses}, {_as_sql(c.pairs)}, {_as_sql(c.neurons)})" for n, c in self.counts.items()
        )
        summary = f"SELECT * FROM (VALUES {rows}) AS held(neuropil, synapses, pairs, neurons)"
        result = Result("", (), found.memberships, found.ledger, self.table.completeness, {"assigned": found.counts()})
        record = self.work.record("assignments", self.table, self.rows, result, found.memberships, self.options)
        write_table(engine, summary, self.path / "summary.csv", table_format("summary.csv"), {})
        if plot:
            from crantcli.core.neuropil import OTHER
            from crantcli.output.bars import draw_bars
            from crantcli.output.heatmap import save

            quantity = f"{found.ledger.unit} after cleaning" if self.rows.clean else found.ledger.unit
            figure = draw_bars({name: count.synapses for name, count in self.counts.items()}, quantity, OTHER)
            save(figure, self.path / "summary.png", "summary.png", metadata(record))
        file = "assignments.parquet"
        told = metadata(self._record_of_assignments(result))
        write_table(engine, found.query, self.path / file, table_format(file), told)
        files = sorted(path.name for path in self.path.iterdir())
        manifest = {**record, KEY: record[KEY], "kind": "neuropils", "files": files, "stems": self.stems}
        try:
            (self.path / MANIFEST).write_text(as_text(manifest) + "\n", encoding="utf-8")
        except OSError as error:
            raise CrantError(f"{self.path.parent}: cannot be written ({error.strerror})") from None

    def _record_of_assignments(self, result: Result) -> dict[str, Any]:
        """Their provenance: they hold every synapse, those too that the matrices do not count."""
        from dataclasses import replace

        from crantcli.core.ledger import Ledger
        from crantcli.core.rows.filters import RowFilter

        found = self.assignment
        removed = {"duplicate": found.ledger.read - found.rows}
        every = replace(result, ledger=Ledger(found.ledger.unit, found.ledger.read, removed, found.rows))
        number = self.work.engine.execute(f"SELECT count(*) FROM ({found.query})")[0][0]
        everything = RowFilter(clean=False, background=())
        return self.work.record("assignments", self.table, everything, every, number, self.where)
