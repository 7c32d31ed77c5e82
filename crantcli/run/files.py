"""Opens tables in files and DataFrames, what goes along with them, and the neurons that were named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.addresses import Dataset
from crantcli.core.questions.base import Neuropils
from crantcli.core.relation import Annotations, Relation, Totals, VoxelSize, merge_filters
from crantcli.core.rows.absent import unrelated_note
from crantcli.engine.duckdb import Engine
from crantcli.errors import ArgumentTypeError, CrantError, UsageError
from crantcli.ids import Criteria, IdFile, Selection, Selector
from crantcli.remote.objects import is_address
from crantcli.remote.settings import LiveOptions
from crantcli.run.viewable import not_viewable
from crantcli.schema import IdType
from crantcli.sources.datasets import unit_metadata
from crantcli.sources.selectors import id_file, id_source, resolve
from crantcli.sources.tables.annotations import open_annotations
from crantcli.sources.tables.expand import expand
from crantcli.sources.tables.files import Source
from crantcli.sources.tables.neuropil_folder import neuropil_folder
from crantcli.sources.tables.open import open_table
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.parts import frame_part, parts
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.text import P, join_names, plural

if TYPE_CHECKING:
    import pandas as pd

    from crantcli.core.geometry.boxes import MeshBoxes
    from crantcli.core.geometry.containment import MeshIndex
    from crantcli.core.neuropils.members import Members
    from crantcli.remote.lockfile import Lock
    from crantcli.sources.shapes.meshes import MeshLocation, NeuropilMesh


def _none(source: Any) -> bool:
    return source is None or (isinstance(source, list | tuple) and not source)


class FileOpener:
    """Opens tables, annotations, neurons that were named, meshes. A data set may have the latter on servers.

    Parameters
    ----------
    engine : Engine
    dataset : Dataset, optional
        Supplies files, units and background IDs where they are not given.
    live : LiveOptions, optional
        How to ask the servers that it is on.
    """

    def __init__(self, engine: Engine, dataset: Dataset | None = None, live: LiveOptions | None = None) -> None:
        self.engine, self.dataset, self.live_options = engine, dataset, live or LiveOptions()
        #: Says what is to be found of the data set.
        self.lock: Lock | None = None
        if self.live_options.lock is not None:
            from crantcli.run.locks import read_lock

            self.lock = read_lock(self.live_options.lock)
        self._selected: dict[tuple[Selector, ...], Selection] = {}
        self.inputs: list[dict[str, Any]] = []
        self.notes: list[str] = []
        #: What a live data set resolved to, for people.
        self.resolved_to: list[str] = []
        #: Words that stand for a missing ID, joined by commas; None for the usual ones.
        self.null_text: str | None = None
        #: What the table was taken for.
        self.read_as: list[str] = []
        self.paths: list[Path] = []
        self._annotations: Annotations | None = None
        self._annotation_columns: tuple[str | None, str | None] = (None, None)
        self._labelled = False
        #: Whether rows with a background ID are dropped, those of the annotations too.
        self.clean = True
        #: Where the annotations came from, for those who ask for nothing else.
        self.origin = ""

    @property
    def background(self) -> tuple[int, ...]:
        """IDs that stand for no neuron."""
        return self.dataset.background if self.dataset else (0,)

    def asks_server(self, source: Sequence[str] | pd.DataFrame | None) -> bool:
        """Whether the table comes from a server: none is given, and the data set has it there."""
        return _none(source) and self.dataset is not None and self.dataset.live is not None

    def table(self, source: Sequence[str] | pd.DataFrame | None, reading: ReadOptions) -> Relation:
        """Open the table; None means the data set's own, which is in a file.

        Raises
        ------
        UsageError
            Where there is neither a source nor a data set.
        """
        own = _none(source)
        if own:
            if self.dataset is None:
                raise UsageError(
                    "nothing to read: give a file (crantcli COMMAND synapses.parquet) or a data set "
                    f"({P.dataset.metavar('NAME')}, or CRANT_DEFAULT_DATASET)"
                )
            source = [self.dataset.synapse_file()]
            reading = replace(reading, dataset=unit_metadata(self.dataset))
        elif self.dataset is not None:
            reading = replace(reading, dataset=replace(unit_metadata(self.dataset), unit="unknown"))
        reading = replace(reading, annotated=self._annotated)
        table = self._opened(source, reading)
        if own and self.lock is not None:
            self.lock.check_files("synapses", table.inputs)
        self.inputs += table.inputs
        self.notes += table.notes
        names = " and ".join(dict.fromkeys(record["name"] for record in table.inputs))
        self.read_as = [f"{names}: {table.read_as}", *table.read_notes]
        if self._labelled:
            self._relate(table)
        return table

    def _opened(self, source: Any, reading: ReadOptions) -> Relation:
        found: list[Part] = []
        try:
            found, files = self._parts(source, reading)
            return open_table(self.engine, found, files, reading)
        except CrantError as error:
            if not reading.comparison:
                raise
            raise not_viewable(error, source, found) from None

    def neuropil_tables(self, source: Any, reading: ReadOptions) -> Neuropils | None:
        """Open the matrices of a folder of neuropils; None where the source is something else."""
        found = neuropil_folder(source)
        if found is None:
            return None
        tables = dict(found.open(self.engine, replace(reading, annotated=self._annotated)))
        self.paths += found.files
        for table in tables.values():
            self.inputs += table.inputs
            self.notes += table.notes
        name = found.path.resolve().name
        self.read_as = [f"{name}: read as matrices of {plural(len(tables), 'neuropil')}"]
        # What is noticed of one matrix is mostly so of all.
        said = (note.removeprefix(f"{record['name']}: ") for table in tables.values() for note in table.read_notes
                for record in table.inputs)  # fmt: skip
        self.read_as += [f"{name}: {note}" for note in dict.fromkeys(said)]
        if found.without:
            self.notes.append(f"{name}: no matrix of {join_names(list(found.without))}, where nothing is connected")
        if self._labelled:
            self._relate(next(iter(tables.values())))
        return Neuropils(name, tables, found.without, found.quantity)

    def other_table(self, source: Any, reading: ReadOptions) -> Relation:
        """Open a second table, which is read as the first one is."""
        found, files = self._parts(source, replace(reading, annotated=self._annotated))
        table = open_table(self.engine, found, files, reading)
        self.inputs += table.inputs
        self.notes += table.notes
        names = " and ".join(dict.fromkeys(record["name"] for record in table.inputs))
        self.read_as += [f"{names}: {table.read_as}", *table.read_notes]
        return table

    def other_annotations(self, source: Any, id_column: str | None, type_column: str | None) -> Annotations:
        """Open annotations of a second table's neurons."""
        found, _ = self._parts(source, named=(id_column, type_column))
        opened = open_annotations(self.engine, found, id_column, type_column, self.background, clean=self.clean)
        self.inputs += opened.inputs
        self.notes += opened.notes
        return opened

    def _relate(self, table: Relation) -> None:
        """See that the annotations that are used are of the table's neurons."""
        if self._annotations is not None:
            self.notes += unrelated_note(self.engine, table, self._annotations)

    def _annotated(self, names: Sequence[str]) -> bool:
        """Whether all names are neurons of the annotations, if any are open."""
        if self._annotations is None:
            return False
        listed = self.engine.id_table("names", names, "VARCHAR")
        found = self.engine.execute(
            f"SELECT count(*) FROM {listed} WHERE id NOT IN "
            f"(SELECT CAST(id AS VARCHAR) FROM {self._annotations.relation})"
        )
        return bool(names) and found[0][0] == 0

    def _parts(
        self, source: Any, given: ReadOptions | None = None, named: Sequence[str | None] = ()
    ) -> tuple[list[Part], list[Any]]:
        if hasattr(source, "iloc"):
            return self._said([frame_part(self.engine, source, given)]), []
        try:
            names = [os.fspath(path) for path in ([source] if isinstance(source, str | os.PathLike) else source)]
        except TypeError:
            raise ArgumentTypeError(
                f"{type(source).__name__} is no source; give a path, a list of paths, or a pandas DataFrame"
            ) from None
        if "" in names:
            raise UsageError("a source is an empty name; give a file")
        files = expand(names, self.engine)
        self.paths += [file.path for file in files]
        if any(map(is_address, names)):
            from crantcli.sources.tables.stored import objects_read

            self.paths += objects_read(self.engine)
        tables = [file for file in files if file.format != "npz"]
        return self._said(parts(self.engine, tables, given, named, later=given is not None)), files

    def _said(self, found: list[Part]) -> list[Part]:
        """Tables, with the words that stand for a missing ID."""
        for part in found:
            part.null_text = self.null_text
        return found

    def annotations(
        self,
        source: str | pd.DataFrame | None,
        id_column: str | None = None,
        type_column: str | None = None,
        needed: bool = True,
    ) -> Annotations | None:
        """Open the annotations, the data set's own if none are given; None where there are none.

        Those on a server are fetched only if `needed`; without, criteria fetch them.
        """
        self._labelled = needed
        if source is None:
            if self.dataset is None:
                return None
            if self.dataset.annotations is None and not needed:
                self._annotation_columns = (id_column, type_column)
                return None
            own = self.annotation_part()
            if own is None:
                return None
            found = [own]
        else:
            found, _ = self._parts(source, named=(id_column, type_column))
        opened = open_annotations(self.engine, found, id_column, type_column, self.background, clean=self.clean)
        self.inputs += opened.inputs
        self.notes += opened.notes
        self._annotations = opened
        return opened

    def annotation_part(self) -> Part | None:
        """The data set's own annotations, as they stand there; None where it has none."""
        assert self.dataset is not None
        if self.dataset.annotations is not None:
            found, _ = self._parts(self.dataset.annotations)
            if len(found) != 1:
                raise UsageError("annotations are one table; give one file")
            if self.lock is not None:
                self.lock.check_files("annotations", found[0].records)
            return found[0]
        if self.dataset.annotation_table is None:
            return None
        from crantcli.sources.seatable.snapshot import annotation_file

        with self.live_options.policy.progress.during("fetching the annotations"):
            fetched = annotation_file(self.dataset.annotation_table, self.engine.scratch, self.live_options, self.lock)
        self.notes += fetched.notes
        self.origin = fetched.origin
        return parts(self.engine, [Source(fetched.path, "parquet", str(fetched.record["name"]), fetched.record)])[0]

    def select(self, selectors: Sequence[Selector], table: Relation) -> Selection | None:
        """Find the neurons that were named; None where none were."""
        if not selectors:
            return None
        if tuple(selectors) in self._selected:
            return self._selected[tuple(selectors)]
        selection = self._resolve(selectors, table.id_type)
        self.notes += selection.notes
        if any(isinstance(selector, Criteria) for selector in selectors):
            self._relate(table)
        return selection

    @property
    def opened_annotations(self) -> Annotations | None:
        """The annotations, where they are open."""
        return self._annotations

    def select_numbers(self, selectors: Sequence[Selector]) -> Selection:
        """Find the neurons that were named, whose IDs are to be numbers, without a table."""
        selection = self._resolve(selectors, "BIGINT")
        self.notes += selection.notes
        return selection

    def _resolve(self, selectors: Sequence[Selector], id_type: IdType) -> Selection:
        for selector in selectors:
            if isinstance(selector, IdFile):
                source, _ = id_source(self.engine, selector)
                self.paths.append(Path(selector.path) if is_address(selector.path) else id_file(selector))
                self.inputs.append(source.record())
        if self._annotations is None and any(isinstance(selector, Criteria) for selector in selectors):
            self.annotations(None, *self._annotation_columns)
        return resolve(self.engine, selectors, id_type, self._annotations, self.null_text)

    def neuropils(
        self,
        folder: str | None,
        names: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        scale: VoxelSize | None = None,
    ) -> tuple[list[str], MeshIndex, MeshBoxes]:
        """Read neuropil meshes, the data set's own if no folder is given: names, the index over them, and boxes.

        Raises
        ------
        UsageError
            Where there are none, or `scale` (nm per unit of mesh files) is given for others.
        DataError
            Where a mesh is not closed, or a name is not known.
        """
        from crantcli.sources.shapes.mesh_index import open_index

        place = self._mesh_location(folder, scale)
        found = self._neuropils_of(place, names, exclude)
        index = open_index(found, self.live_options.cache_dir, self.engine.threads)
        return [mesh.name for mesh in found], index, place.boxes()

    def neuropil_meshes(
        self,
        place: str | None,
        names: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        scale: VoxelSize | None = None,
    ) -> list[NeuropilMesh]:
        """Read neuropil meshes one by one, members of unions too; from the data set's own place if none is given."""
        return self._neuropils_of(self._mesh_location(place, scale), names, exclude, apart=True)

    def _mesh_location(self, place: str | None, scale: VoxelSize | None) -> MeshLocation:
        from crantcli.sources.shapes.meshes import MeshLocation

        if place == "":
            raise UsageError("the meshes are an empty name; give a folder or an address")
        own = None if self.dataset is None else self.dataset.meshes or self.dataset.mesh_source
        source = place or own
        if source is None:
            raise UsageError(
                f"no meshes: give {P.meshes.metavar('FOLDER')}, or a data set whose TOML has [files] meshes = ... "
                "or [neuropils]"
            )
        lock = None if place else self.lock
        if place is not None and is_address(place):
            from crantcli.sources.shapes.stored import mesh_folder_copy

            folder = mesh_folder_copy(self.engine, place)
            if folder is not None:
                return MeshLocation(folder, self.live_options, lock, scale, called=place)
        return MeshLocation(source, self.live_options, lock, scale)

    def _neuropils_of(
        self, place: MeshLocation, names: Sequence[str] | None, exclude: Sequence[str], *, apart: bool = False
    ) -> list[NeuropilMesh]:
        with self.live_options.policy.progress.during("reading the meshes"):
            found = place.neuropils(names, exclude, apart=apart)
        self.inputs += [mesh.record for mesh in found]
        return found

    def members(self, source: str | pd.DataFrame, names: Sequence[str], table: Relation) -> Members:
        """Open a file of assignments, and find the synapses of chosen neuropils.

        Raises
        ------
        DataError
            Where it is something else, does not know a neuropil, or the table has no synapse ids.
        """
        from crantcli.sources.auxiliary import open_members

        found, _ = self._parts(source)
        if len(found) != 1:
            raise UsageError(f"{P.assignments} is one table that neuropil made")
        self.inputs += found[0].records
        return open_members(self.engine, found[0], names, table)

    def totals(self, source: str | pd.DataFrame, filters: dict[str, Any], table: Relation) -> Totals:
        """Open a table of totals that `counts` made.

        `filters` are those of the command that asks, which join those that its source has passed.

        Raises
        ------
        DataError
            Where it is something else, or was filtered otherwise.
        """
        from crantcli.sources.auxiliary import open_totals

        found, _ = self._parts(source)
        if len(found) != 1:
            raise UsageError(f"{P.totals} is one table that counts made")
        opened = open_totals(self.engine, found[0], merge_filters(table.filters, filters))
        self.inputs += opened.inputs
        return opened

    def renames(self, source: str | pd.DataFrame) -> str:
        """Open a table of IDs at two times that `ids` made.

        Raises
        ------
        DataError
            Where it is something else, or gives a neuron two IDs.
        """
        from crantcli.sources.auxiliary import open_renames

        found, _ = self._parts(source)
        if len(found) != 1:
            raise UsageError(f"{P.ids} is one table that ids made")
        self.inputs += found[0].records
        return open_renames(self.engine, found[0])
