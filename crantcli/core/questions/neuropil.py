"""Which brain regions synapses lie in, and a nested matrix for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from crantcli.core.engine import SqlEngine
from crantcli.core.filenames import safe_file_names
from crantcli.core.ledger import Ledger
from crantcli.core.nested.choice import NestedQuestion
from crantcli.core.nested.matrix import NestedResult
from crantcli.core.neuropils.assign import OTHER, POSITION, Assignment, assign
from crantcli.core.neuropils.matrices import Remarks, matrices
from crantcli.core.neuropils.members import Count, count_alone, in_neuropil
from crantcli.core.question import Figure, Folder, FolderFile, Table
from crantcli.core.questions.base import (
    Describe,
    Given,
    Inputs,
    MeshChoice,
    Needs,
    Question,
    Results,
    Scope,
)
from crantcli.core.questions.nested import Nested, as_labels
from crantcli.core.relation import Annotations, VoxelSize
from crantcli.core.rows.absent import axis_notes
from crantcli.core.rows.filters import RowFilter
from crantcli.core.sql import text
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.schema import Kind
from crantcli.text import P

#: Names of files that are not of one neuropil.
_OWN = ("summary", "assignments", "manifest")


@dataclass(frozen=True)
class Neuropil(Question):
    """Which neuropils each synapse lies in, and a nested matrix for each neuropil.

    Attributes
    ----------
    nested : Nested
        What each matrix shows.
    assignments_only : bool
        No matrices.
    neuropils : tuple of str or None
        These only; None for all.
    exclude : tuple of str
        Not these.
    include_other : bool
        Synapses in none of the meshes are those of "other".
    position_column : str or None
        Position that tells where a synapse lies; None for the centre of the synapse.
    voxel_offset : tuple of float, or None
        Voxels to add to positions in pixels.
    relative, relative_types : bool
        Weights, and sums per type, as fractions of their row, too.
    plot : bool
        Draw each matrix, and what each neuropil holds.
    """

    nested: Nested = field(default_factory=Nested)
    assignments_only: bool = False
    neuropils: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    include_other: bool = True
    position_column: str | None = None
    voxel_offset: VoxelSize | None = None
    relative: bool = False
    relative_types: bool = False
    plot: bool = True

    command: ClassVar[str] = "neuropil"
    chosen_by: ClassVar[str] = f"{P.source_types}, {P.source_neurons}, {P.target_types} or {P.target_neurons}"
    outputs: ClassVar[Mapping[str, type]] = {"": Folder}
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("neuropils", "exclude"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_labels(getattr(self, name)))
        if self.nested.weighing.weight.how == "mean" and not self.assignments_only:
            raise UsageError(
                f"{P.weight(str(self.nested.weighing.weight))}: tables of each neuropil add weights up, and means do "
                "not add up; crantcli nested draws them"
            )

    def needs(self) -> Needs:
        """Meshes, and synapses with positions; what a nested matrix needs, unless there is to be none."""
        inner = self.nested.needs()
        return replace(
            inner,
            labels=not self.assignments_only,
            labels_for_scope=True,
            synapses=True,
            columns=(self.position_column or POSITION, *(inner.columns or ())),
            ordered=True,  # as the assignments come out
            carry="positions",
            position=self.position_column,
            points=self.assignments_only,
            meshes=MeshChoice(self.neuropils, self.exclude),
        )

    def check_annotations(self, annotations: Annotations | None) -> None:
        """Matrices need them."""
        if annotations is None and not self.assignments_only:
            raise UsageError(
                f"a nested matrix needs the neurons' types: {P.annotations.metavar('FILE')}, or a data set that has "
                f"annotations; {P.assignments_only(True)} does without"
            )

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """As of a nested matrix."""
        return self.nested.scope(engine, given)

    def further(self, engine: SqlEngine, given: Inputs, scope: Scope) -> dict[str, Selection] | None:
        """Whoever is in the brain may be in one neuropil by synapses that are not of the matrix."""
        if self.assignments_only:
            return None
        return self.nested.further(engine, given, scope, everyone=True)

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Assign the synapses; matrices are made one by one, when their files are."""
        table = given.source
        points = table.kind is Kind.POINTS
        if points and not self.assignments_only:
            raise DataError(
                f"this is a table of points, which have no neurons for a matrix; {P.assignments_only(True)} takes them"
            )
        if points:  # they have no neurons by which they could be dropped
            given = replace(given, rows=RowFilter(clean=False, background=()))
        found = self._assign(engine, given, given.source)
        further = None if given.further is None else self._assign(engine, given, given.further)
        work = NeuropilMatrices(engine, given, self, found, further)
        results = Results(
            {},
            "assignments",
            found.memberships,
            found.ledger,
            table.completeness,
            found.memberships,
            "memberships",
            options=self.options(given, found),
            facts={"assigned": found.counts()},
            notes=list(found.notes),
            rules=given.rows if points else None,
            empty=[] if found.memberships else [f"none of the {found.ledger.unit} lie in any of the neuropils"],
            subject=work,
        )
        # The provenance is that of what was assigned; what is said of matrices comes while they are made.
        record = describe(results)
        results.outputs = {"": Folder(work.files(results, record, describe), lambda: work.manifest(record))}
        return results

    def _assign(self, engine: SqlEngine, given: Inputs, table: Any) -> Assignment:
        assert given.meshes is not None
        return assign(
            engine,
            table,
            given.meshes.find,
            given.meshes.names,
            given.rows,
            position=self.position_column,
            offset=self.voxel_offset,
            include_other=self.include_other,
            boxes=given.meshes.boxes,
        )

    def where(self, given: Inputs, found: Assignment) -> dict[str, Any]:
        """What bears on the assignments, for the provenance."""
        table = given.source
        return {
            "neuropils": list(found.names),
            "include_other": self.include_other,
            "position_column": self.position_column,
            "coordinates": table.unit,
            "voxel_size_nm": list(table.voxel_size) if table.voxel_size else None,
            "voxel_offset": list(self.voxel_offset) if self.voxel_offset else None,
        }

    def options(self, given: Inputs, found: Assignment) -> dict[str, Any]:
        """What bears on everything, for the provenance."""
        if self.assignments_only:
            return {**self.where(given, found), "assignments_only": True}
        totals = {"totals": (given.totals is not None) or None}
        return {**self.where(given, found), **self.nested.options(given.source), **totals}


class NeuropilMatrices:
    """The nested matrices of all neuropils, one in memory at a time.

    Attributes
    ----------
    counts : dict of str to Count
        What each neuropil holds, as far as they were made.
    """

    def __init__(
        self, engine: SqlEngine, given: Inputs, asked: Neuropil, found: Assignment, further: Assignment | None
    ) -> None:
        self._engine, self._given, self._asked = engine, given, asked
        self._found, self._further = found, further
        self.counts: dict[str, Count] = {}
        self._stems: dict[str, str] = {}

    @property
    def question(self) -> NestedQuestion:
        """What each matrix shows."""
        return self._asked.nested.about(self._given.neurons)

    def each(self, results: Results) -> Iterator[tuple[str, NestedResult]]:
        """Neuropils with their matrices, where these have entries; the rest is counted. Notes go to the results."""
        given, found, question = self._given, self._found, self.question
        remarks = Remarks(found, question, given.totals)
        named = {end: choice.neurons for end, choice in question.axes.items()}
        results.notes += axis_notes(self._engine, given.source, named, found.division.rows, given.rows)
        made = matrices(self._engine, found, given.annotations, question, given.rows, given.totals, self._further)
        shown = False
        for name, count, result in made:
            self.counts[name] = count
            if result is None:
                continue
            remarks.add(result)
            if len(result.blocks.matrix.weights):
                shown = True
                yield name, result
        results.notes += remarks.notes
        if shown and remarks.statement:
            results.remarks.append(remarks.statement)
        if not shown:
            results.empty.append(f"no neuropil has a matrix ({found.ledger.sentence()})")

    def _count(self) -> None:
        """Count what each neuropil holds, without matrices."""
        for code, name in enumerate(self._found.names):
            with self._engine.temporary_tables():
                table = in_neuropil(self._engine, self._found, code)
                self.counts[name] = count_alone(self._engine, table, self._given.rows)

    def files(self, results: Results, record: dict[str, Any], describe: Describe) -> Iterator[FolderFile]:
        """All files of the folder but the manifest."""
        asked, found = self._asked, self._found
        if asked.assignments_only:
            self._count()
        else:
            stems = safe_file_names(found.names, _OWN)
            for name, result in self.each(results):
                self._stems[name] = stems[name]
                yield from self._files_of(name, result, describe)
        rows = ", ".join(
            f"({text(n)}, {c.synapses}, {_as_sql(c.pairs)}, {_as_sql(c.neurons)})" for n, c in self.counts.items()
        )
        columns = ("neuropil", "synapses", "pairs", "neurons")
        summary = f"SELECT * FROM (VALUES {rows}) AS held({', '.join(columns)})"
        yield FolderFile("summary", Table(summary, columns, len(self.counts)), record)
        if asked.plot:
            unit = found.ledger.unit
            quantity = f"{unit} after cleaning" if self._given.rows.clean else unit
            numbers = {name: count.synapses for name, count in self.counts.items()}
            yield FolderFile("summary", Figure("bars", numbers, {"quantity": quantity, "rest": OTHER}), record)
        yield self._assignments(results, describe)
        self._conclude(results)

    def _files_of(self, name: str, result: NestedResult, describe: Describe) -> Iterator[FolderFile]:
        asked, stem = self._asked, self._stems[name]
        made = asked.nested.results(self._engine, result, self._found.table, frozenset(Nested.outputs))
        made.options = {**asked.options(self._given, self._found), "neuropil": [name]}
        record = describe(made)
        wanted = {
            "": ("matrix", True, ".npz"),
            "relative": ("relative", asked.relative, ".npz"),
            "type_sum": ("type_sum", True, ""),
            "type_mean": ("type_mean", True, ""),
            "relative_types": ("relative_types", asked.relative_types, ""),
            "order": ("order", True, ""),
        }
        for output, (file, asked_for, suffix) in wanted.items():
            if asked_for:
                yield FolderFile(f"{stem}.{file}", made.outputs[output], record, suffix)  # type: ignore[arg-type]
        if asked.plot:
            yield FolderFile(stem, Figure("nested", result.blocks, {"title": name}), record, part=name)

    def assignments(self) -> Table:
        """Where each synapse lies: all of them, those too that the matrices do not count."""
        found = self._found
        number = int(self._engine.execute(f"SELECT count(*) FROM ({found.query})")[0][0])
        return Table(found.query, ("id" if found.table.having("id") else "row", "neuropil"), number)

    def _assignments(self, results: Results, describe: Describe) -> FolderFile:
        found, table = self._found, self.assignments()
        where = found.ledger.removed.get("where", 0)
        removed = {"where": where, "duplicate": found.ledger.read - where - found.rows}
        every = replace(
            results,
            rows=table.rows,
            ledger=Ledger(found.ledger.unit, found.ledger.read, removed, found.rows),
            options=self._asked.where(self._given, found),
            rules=RowFilter(clean=False, background=()),
        )
        return FolderFile("assignments", table, describe(every), ".parquet")

    def manifest(self, record: dict[str, Any]) -> dict[str, Any]:
        """The manifest of the folder."""
        return {**record, "kind": "neuropils", "stems": self._stems}

    def _conclude(self, results: Results) -> None:
        """Say what was made, now that it is known."""
        found = self._found
        inside = [name for name, count in self.counts.items() if count.synapses and name != OTHER]
        meshes = self._given.meshes
        assert meshes is not None
        in_meshes = found.memberships - (found.outside if self._asked.include_other else 0)
        results.what = (
            f"memberships: {in_meshes:,} in {len(inside):,} of {len(meshes.names):,} neuropils"
            + (f", {found.outside:,} {found.ledger.unit} in none" if found.outside else "")
            + (f", {found.unplaced:,} without a position" if found.unplaced else "")
        )
        results.details = {"assigned": found.counts(), "matrices": sorted(self._stems)}


def _as_sql(number: int | None) -> str:
    return f"CAST({'NULL' if number is None else number} AS BIGINT)"
