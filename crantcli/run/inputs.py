"""Opens what a command or a Python function works on: the table, its annotations, the neurons that were named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.addresses import Dataset
from crantcli.core.neuroglancer import PairLinks, needed_links, pair_links
from crantcli.core.questions.base import Given, Inputs, Meshes, Needs, Other, Question, Scope, Selectors
from crantcli.core.relation import Annotations, Relation, merge_filters
from crantcli.core.rows.filters import RowFilter
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError
from crantcli.ids import Selection
from crantcli.remote.settings import LiveOptions
from crantcli.run.live import LiveOpener
from crantcli.schema import IdType, Kind, NeuronId
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.text import plural

if TYPE_CHECKING:
    from crantcli.run.request import Request
    from crantcli.run.skeletons import KnownSkeletons, OpenSkeletons
    from crantcli.sources.cave.query import Query


def _counted_alike(table: Relation, request: Request) -> bool:
    """Whether the totals that a file tells are those of the rows that count."""
    now = merge_filters(table.filters, request.filters)
    same = all(table.filters.get(name) == now[name] for name in ("clean", "min_size"))
    return same and request.read.as_written and request.assignments is None


class Opener(LiveOpener):
    """Opens what a question needs."""

    def __init__(self, engine: Engine, dataset: Dataset | None = None, live: LiveOptions | None = None) -> None:
        super().__init__(engine, dataset, live)
        self._late_records: list[Callable[[], list[dict[str, Any]]]] = []

    def open(self, question: Question, request: Request, check: Callable[[Sequence[Path]], None]) -> Inputs:
        """Open what a question needs; `check` refuses inputs that would be overwritten.

        A table in a file comes first, and then the neurons that are named, in the way in which it holds IDs. A table on
        a server comes last, since only synapses of these neurons are fetched.
        """
        needs, fetched = question.needs(), self.asks_server(request.source)
        viewer = self._viewer(needs)
        self.clean = request.clean
        self.paths += [*request.files, *request.skeleton_tables]
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
        folder = self.neuropil_tables(request.source, reading) if needs.neuropils and query is None else None
        if folder is not None:
            table = next(iter(folder.tables.values()))
        else:
            table = self.table(request.source, reading) if query is None else self.live_table(query, reading)
        request.refuse(table)
        if table.totals and not _counted_alike(table, request):
            table = replace(table, totals={})
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
        other = self._other(request, reading, annotations) if needs.other else None
        renames = None if request.renames is None else self.renames(request.renames)
        check(self.paths)
        given = Inputs(
            table,
            rows,
            neurons,
            annotations,
            totals,
            None,
            meshes,
            opened,
            other,
            renames,
            folder,
            viewer if needs.viewer else None,
        )
        if query is not None:
            given = replace(given, further=self._further(question, given, scope, query, reading))
        return given

    def _viewer(self, needs: Needs) -> PairLinks | None:
        """Links to the data set's viewer, where a question has a use for them."""
        if needs.viewer == "needed":
            return needed_links(self.dataset)
        return pair_links(self.dataset) if needs.viewer else None

    def _other(self, request: Request, reading: ReadOptions, annotations: Annotations | None) -> Other:
        """The second table, with the annotations of its neurons."""
        table = self.other_table(request.other, reading)
        request.refuse(table)
        if request.other_annotations is not None:
            annotations = self.other_annotations(
                request.other_annotations, request.neuron_id_column, request.cell_type_column
            )
        return Other(table, annotations)

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
        from crantcli.sources.cave.query import Query, needed

        assert self.dataset is not None
        # Synapses of the background are not needed, even where it is named, as by a row of the annotations.
        unneeded = frozenset[NeuronId](self.background if request.clean else ())
        sides = {
            side: tuple(neuron for neuron in ids_to_fetch(self.live, selection) if neuron not in unneeded)
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
        found = self.live_table(asked, reading)
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

    def check_unchanged(self) -> None:
        """See that all that was read has stayed what it was.

        Raises
        ------
        IncompleteError
        """
        self.engine.reading.check_unchanged()
        if self.engine.spread:
            from crantcli.sources.tables.stored import object_store

            object_store(self.engine).check_unchanged()

    def records(self) -> list[dict[str, Any]]:
        """What was read, for the provenance: asked for when all of it has been."""
        return [*self.inputs, *(record for late in self._late_records for record in late())]
