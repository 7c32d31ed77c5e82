"""Opens what a command or a Python function works on: the table, its annotations, the neurons that were named."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.addresses import Dataset
from crantcli.core.neuropil import Members
from crantcli.core.questions.base import Given, Inputs, Meshes, Question, Scope, Selectors
from crantcli.core.relation import Annotations, Relation, Totals, VoxelSize, merge_filters
from crantcli.core.rows.absent import unrelated_note
from crantcli.core.rows.filters import RowFilter
from crantcli.engine.duckdb import Engine
from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.ids import Criteria, IdFile, Selection, Selector
from crantcli.run.locks import read_lock
from crantcli.schema import IdType, Kind, NeuronId
from crantcli.settings import LiveOptions
from crantcli.sources.auxiliary import open_members, open_totals
from crantcli.sources.cave.query import Query
from crantcli.sources.datasets import recorded
from crantcli.sources.selectors import id_file, resolve
from crantcli.sources.tables.annotations import open_annotations, renamed, renamed_part
from crantcli.sources.tables.files import Source, expand
from crantcli.sources.tables.open import frame_part, open_table, parts
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.sources.tables.streams import source_of
from crantcli.text import plural

if TYPE_CHECKING:
    import pandas as pd

    from crantcli.core.boxes import MeshBoxes
    from crantcli.core.geometry.containment import MeshIndex
    from crantcli.run.request import Request
    from crantcli.run.skeletons import KnownSkeletons, OpenSkeletons
    from crantcli.sources.cave.id_updates import Update
    from crantcli.sources.cave.live import CaveDataset
    from crantcli.sources.shapes.meshes import MeshLocation, Neuropil


def _none(source: Any) -> bool:
    return source is None or (isinstance(source, list | tuple) and not source)


class Opener:
    """The inputs of one question.

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
        self.lock = read_lock(self.live_options.lock) if self.live_options.lock is not None else None
        self._selected: dict[tuple[Selector, ...], Selection] = {}
        self._requested: tuple[tuple[NeuronId, NeuronId], ...] = ()
        #: Neurons of skeletons, and the IDs that they have at the moment of a live table.
        self._renamed: dict[NeuronId, NeuronId] = {}
        self._late_records: list[Callable[[], list[dict[str, Any]]]] = []
        self.inputs: list[dict[str, Any]] = []
        self.notes: list[str] = []
        #: What a live data set resolved to, for people.
        self.told: list[str] = []
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

    @cached_property
    def brain(self) -> CaveDataset:
        """The data set on its server, at the moment that is asked for.

        Raises
        ------
        UsageError
            Where the data set is on no server.
        """
        from crantcli.sources.cave.live import CaveDataset

        if self.dataset is None or self.dataset.cave is None:
            raise UsageError("this needs a data set on a CAVE server: -d crantb, or a TOML file with [cave]")
        return CaveDataset(self.dataset.name, self.dataset.cave, self.live_options, self.lock)

    def asks_server(self, source: Sequence[str] | pd.DataFrame | None) -> bool:
        """Whether the table comes from a server: none is given, and the data set has it there."""
        return _none(source) and self.dataset is not None and self.dataset.live is not None

    def open(self, question: Question, request: Request, check: Callable[[Sequence[Path]], None]) -> Inputs:
        """Open what a question needs; `check` refuses inputs that would be overwritten.

        A table in a file comes first, and then the neurons that are named, in the way in which it holds IDs. A table on
        a server comes last, since only synapses of these neurons are fetched.
        """
        needs, fetched = question.needs(), self.asks_server(request.source)
        self.clean = request.clean
        self.paths += request.files
        labels = needs.labels or (needs.labels_for_scope and fetched)
        annotations = self.annotations(request.annotations, request.neuron_id_column, request.cell_type_column, labels)
        question.check_annotations(annotations)
        if labels and fetched:
            annotations = self.current_annotations(annotations)
        rows = RowFilter(request.clean, self.background, request.min_size, request.threshold)
        reading, query, scope, skeletons = request.reading(needs), None, Scope(), None
        if fetched:
            check(self.paths)  # before anything is fetched
            named = {
                name: None if chosen is None else self.select_current(chosen) for name, chosen in needs.neurons.items()
            }
            if needs.skeletons:
                skeletons, named["skeletons"] = self._current_skeletons(request, named["neurons"])
            scope = question.scope(self.engine, Given(rows, named, annotations, request.totals is not None))
            query = self._query(question, request, scope)
        table = self.table(request.source, reading, query)
        request.refuse(table)
        if request.assignments is not None:
            table = self.members(request.assignments, request.neuropil, table).within(table)
        check(self.paths)
        if needs.synapses and not (needs.points and table.kind is Kind.POINTS):
            table.require_synapses(question.command)
        rows.check(table)
        if needs.skeletons and skeletons is None:
            skeletons = self._skeletons(request, table.id_type)
        neurons = {name: self._named(chosen, table) for name, chosen in needs.neurons.items()}
        opened = None
        if skeletons is not None:
            opened = self._open_skeletons(skeletons, None if fetched else neurons["neurons"], table)
        totals = None if request.totals is None else self.totals(request.totals, request.filters, table)
        meshes = None
        if needs.meshes is not None:
            chosen = needs.meshes
            meshes = Meshes(*self.neuropils(request.meshes, chosen.names, chosen.exclude, request.mesh_scale))
        check(self.paths)
        given = Inputs(table, rows, neurons, annotations, totals, None, meshes, opened, fetched)
        if query is not None:
            given = replace(given, further=self._further(question, given, scope, query, reading))
        return given

    def _named(self, chosen: Selectors, table: Relation) -> Selection | None:
        """The neurons that a parameter names; an empty list names none."""
        if chosen is None:
            return None
        return self.select(chosen, table) if chosen else Selection(())

    def _query(self, question: Question, request: Request, scope: Scope) -> Query:
        """What to fetch of a table on a server.

        Raises
        ------
        UsageError
            Where no side has neurons.
        """
        from crantcli.sources.cave.neurons import ids_to_fetch
        from crantcli.sources.cave.query import needed

        assert self.dataset is not None
        # Synapses of the background are not needed, even where it is named, as by a row of the annotations.
        unneeded = frozenset[NeuronId](self.background if request.clean else ())
        sides = {
            side: tuple(neuron for neuron in ids_to_fetch(self.brain, selection) if neuron not in unneeded)
            for side, selection in (("pre", scope.pre), ("post", scope.post), ("either", scope.either))
            if selection is not None
        }
        if not sides:
            raise UsageError(
                f"data set {self.dataset.name} is on a server, and is not fetched as a whole; name neurons with "
                f"{question.chosen_by}, or give a file"
            )
        needs = question.needs()
        columns = None if needs.columns is None else needed(needs.columns, request.min_size is not None)
        pre, post, either = (sides.get(side) for side in ("pre", "post", "either"))
        return Query(pre, post, either, scope.inputs, scope.outputs, columns, needs.ordered)

    def _further(
        self, question: Question, given: Inputs, scope: Scope, query: Query, reading: ReadOptions
    ) -> Relation | None:
        """Further synapses that say who is among the neurons that were chosen; None where there is no need for any."""
        self.notes += scope.notes
        neurons = question.further(self.engine, given, scope)
        asked = None if neurons is None else self.further_query(query, neurons)
        if asked is None:
            return None
        found = self.table(None, reading, asked)
        number = len({*(asked.pre or ()), *(asked.post or ())})
        self.notes.append(
            f"{found.rows:,} synapses with other neurons were fetched, too, to see where "
            f"{plural(number, 'neuron')} of the axes can be found"
        )
        return found

    def _skeletons(self, request: Request, id_type: IdType) -> KnownSkeletons:
        assert request.skeletons is not None
        known = request.skeletons.open(self.engine, id_type)
        self.inputs += known.inputs
        self.paths += known.paths
        return known

    def _current_skeletons(self, request: Request, wanted: Selection | None) -> tuple[KnownSkeletons, Selection]:
        """The skeletons that are wanted, and their neurons with the IDs of the moment of a live table."""
        known = self._skeletons(request, "BIGINT")
        asked = self.current(Selection(tuple(dict.fromkeys(known.neurons))))
        self._renamed = dict(asked.requested)
        if wanted is not None:
            known = known.chosen(wanted.ids, [self._renamed.get(neuron, neuron) for neuron in known.neurons])
        now = tuple(dict.fromkeys(self._renamed.get(neuron, neuron) for neuron in known.neurons))
        return known, replace(asked, ids=now, requested=())

    def _open_skeletons(self, known: KnownSkeletons, wanted: Selection | None, table: Relation) -> OpenSkeletons:
        """The skeletons as a question sees them."""
        from crantcli.run.skeletons import OpenSkeletons

        if wanted is not None:
            known = known.chosen(wanted.ids, None)
        self.notes += known.notes
        self._late_records.append(known.records)
        current = [self._renamed.get(neuron, neuron) for neuron in known.neurons]
        changed = current if current != list(known.neurons) else None
        return OpenSkeletons(known.neurons, changed, known.loader(table))

    def records(self) -> list[dict[str, Any]]:
        """What was read, for the provenance: asked for when all of it has been."""
        return [*self.inputs, *(record for late in self._late_records for record in late())]

    def table(
        self, source: Sequence[str] | pd.DataFrame | None, reading: ReadOptions, query: Query | None = None
    ) -> Relation:
        """Open the table; None means the data set's own. `query` is what to fetch of it, if it is on a server.

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
                    "(crantcli COMMAND -d NAME, or CRANT_DEFAULT_DATASET)"
                )
            if query is not None:
                return self._live_table(query, reading)
            source = [self.dataset.synapse_file()]
            reading = replace(reading, dataset=recorded(self.dataset))
        elif self.dataset is not None:
            reading = replace(reading, dataset=replace(recorded(self.dataset), unit="unknown"))
        reading = replace(reading, annotated=self._annotated)
        found, files = self._parts(source, reading)
        table = open_table(self.engine, found, files, reading)
        if own and self.lock is not None:
            self.lock.check_files("synapses", table.inputs)
        self.inputs += table.inputs
        self.notes += table.notes
        names = " and ".join(dict.fromkeys(record["name"] for record in table.inputs))
        self.read_as = [f"{names}: {table.read_as}", *table.read_notes]
        if self._labelled:
            self._relate(table)
        return table

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

    def further_query(self, query: Query, neurons: Mapping[str, Selection]) -> Query | None:
        """What to fetch beside a query for the neurons on both sides: synapses of some of them with others.

        None where that is nothing.
        """
        from crantcli.sources.cave.neurons import ids_to_fetch

        pre, post = (ids_to_fetch(self.brain, neurons[end]) if neurons[end].ids else () for end in ("pre", "post"))
        if not pre and not post:
            return None
        return replace(query, pre=pre, post=post, apart=(query.pre or (), query.post or ()))

    def _live_table(self, query: Query, reading: ReadOptions) -> Relation:
        """Fetch what a question needs, and open it like any file."""
        assert self.dataset is not None
        path = self.brain.snapshot(self.engine, query)
        reading = replace(reading, dataset=replace(recorded(self.dataset), unit="unknown"), allow_null=True)
        record = self.brain.record()
        found = [Source(path, "parquet", record["name"], record)]
        table = replace(open_table(self.engine, parts(self.engine, found), found, reading), partial=True)
        self.told = [f"{record['name']}: {self.brain.data_version}"]
        self.inputs += [item for item in table.inputs if item not in self.inputs]
        self.notes += [*table.notes, *filter(None, [self.brain.missing()])]
        return table

    def live_record(self) -> dict[str, Any]:
        """Options that bear on what a live data set gave, for the provenance."""
        if not self.told:
            return {}
        changed = dict.fromkeys(pair for pair in self._requested if pair[0] != pair[1])
        options = self.brain.options
        return {
            "update_ids": options.update_ids,
            "updated_ids": [f"{old} -> {new}" for old, new in changed],
            "allow_missing": options.allow_missing or None,
        }

    def updates(self, selectors: Sequence[Selector]) -> list[Update]:
        """What became of the neurons that were named, at the moment of the live data set."""
        from crantcli.sources.cave.neurons import notes_about, refuse_unresolved

        found = self.brain.update([int(neuron) for neuron in self._resolve(selectors, "BIGINT").ids], self._supervoxels)
        refuse_unresolved(self.brain, found)
        self.notes += notes_about(found, self.brain)
        record = self.brain.record()
        self.told = [f"{record['name']}: {self.brain.data_version}"]
        self.inputs.append(record)
        return found

    def select_current(self, selectors: Sequence[Selector]) -> Selection:
        """The neurons that were named, with the IDs that they have at the moment of the live data set."""
        key = tuple(selectors)
        if key not in self._selected:
            self._selected[key] = self.current(self._resolve(selectors, "BIGINT") if selectors else Selection(()))
        return self._selected[key]

    def current(self, asked: Selection) -> Selection:
        """Neurons under the IDs that they have at the moment of the live data set."""
        from crantcli.sources.cave.neurons import brought_to

        found = brought_to(self.brain, asked, self._supervoxels)
        self.notes += found.notes
        self._requested += found.requested
        return found

    def current_annotations(self, annotations: Annotations | None) -> Annotations | None:
        """Annotations under the IDs that the neurons have at the moment of the live data set."""
        from crantcli.sources.cave.neurons import annotated_changes

        if annotations is None or not self.brain.options.update_ids:
            return annotations
        changed, notes = annotated_changes(self.engine, self.brain, annotations, self._supervoxels)
        self.notes += notes
        if not changed:
            return annotations
        found = renamed(self.engine, annotations, changed)
        self.notes += found.notes
        return found

    def current_part(self, part: Part) -> Part:
        """An annotation table as it stands there, under the IDs that the neurons have at that moment."""
        from crantcli.sources.cave.neurons import annotated_changes

        self._annotations = open_annotations(self.engine, [part], background=self.background)
        changed, notes = annotated_changes(self.engine, self.brain, self._annotations, self._supervoxels)
        self.notes += notes
        record = self.brain.record()
        self.told = [f"{record['name']}: {self.brain.data_version}"]
        found = renamed_part(self.engine, part, self._annotations.id_column, changed) if changed else part
        return replace(found, records=[*part.records, record])

    def _supervoxels(self, ids: Sequence[int]) -> dict[int, list[int]]:
        """Supervoxels of neurons, as the annotations have them; those of the data set where none are open."""
        from crantcli.sources.cave.neurons import supervoxels_of
        from crantcli.sources.seatable.client import TOKEN_VARIABLE

        if self._annotations is None and self.dataset is not None and self.dataset.annotation_table is not None:
            why = ""
            if self.lock is not None:
                why = "" if "annotations" in self.lock.sections else f"--lock {self.lock.path} holds no annotations"
            elif not os.environ.get(TOKEN_VARIABLE):
                why = f"there is no token in {TOKEN_VARIABLE}"
            if why:
                self.notes.append(f"{why}, so supervoxels are not known; IDs are updated by the neurons' history alone")
            else:
                self.annotations(None, *self._annotation_columns)
        return supervoxels_of(self.engine, self._annotations, ids)

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
        tables = [file for file in files if file.format != "npz"]
        return self._said(parts(self.engine, tables, given, named)), files

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

    def _resolve(self, selectors: Sequence[Selector], id_type: IdType) -> Selection:
        for path in (id_file(selector) for selector in selectors if isinstance(selector, IdFile)):
            self.paths.append(path)
            self.inputs.append(source_of(self.engine, path).record())
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
    ) -> list[Neuropil]:
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
                "no meshes: give --meshes FOLDER, or a data set whose TOML has [files] meshes = ... or [neuropils]"
            )
        return MeshLocation(source, self.live_options, None if place else self.lock, scale)

    def _neuropils_of(
        self, place: MeshLocation, names: Sequence[str] | None, exclude: Sequence[str], *, apart: bool = False
    ) -> list[Neuropil]:
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
        found, _ = self._parts(source)
        if len(found) != 1:
            raise UsageError("--assignments is one table that neuropil made")
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
        found, _ = self._parts(source)
        if len(found) != 1:
            raise UsageError("--totals is one table that counts made")
        opened = open_totals(self.engine, found[0], merge_filters(table.filters, filters))
        self.inputs += opened.inputs
        return opened
