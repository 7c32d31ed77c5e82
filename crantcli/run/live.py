"""Opens what is on a server: synapses at one moment, and neurons under the IDs that they have then."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crantcli.core.addresses import Dataset
from crantcli.core.relation import Annotations, Relation
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError
from crantcli.ids import Selection, Selector
from crantcli.remote.settings import LiveOptions
from crantcli.run.files import FileOpener
from crantcli.schema import NeuronId
from crantcli.sources.datasets import unit_metadata
from crantcli.sources.tables.annotations import open_annotations, renamed, renamed_part
from crantcli.sources.tables.files import Source
from crantcli.sources.tables.open import open_table
from crantcli.sources.tables.part import Part
from crantcli.sources.tables.parts import parts
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.sources.cave.id_updates import Update
    from crantcli.sources.cave.live import CaveDataset
    from crantcli.sources.cave.query import Query


class LiveOpener(FileOpener):
    """Opens what is on a server, too: synapses at one moment, and neurons under the IDs that they have then."""

    def __init__(self, engine: Engine, dataset: Dataset | None = None, live: LiveOptions | None = None) -> None:
        super().__init__(engine, dataset, live)
        self._requested: tuple[tuple[NeuronId, NeuronId], ...] = ()
        #: Neurons of skeletons, and the IDs that they have at the moment of a live table.
        self._renamed: dict[NeuronId, NeuronId] = {}

    @cached_property
    def live(self) -> CaveDataset:
        """The data set on its server, at the moment that is asked for.

        Raises
        ------
        UsageError
            Where the data set is on no server.
        """
        from crantcli.sources.cave.live import CaveDataset

        if self.dataset is None or self.dataset.cave is None:
            raise UsageError(
                f"this needs a data set on a CAVE server: {P.dataset('crantb')}, or a TOML file with [cave]"
            )
        return CaveDataset(self.dataset.name, self.dataset.cave, self.live_options, self.lock)

    def further_query(self, query: Query, neurons: Mapping[str, Selection]) -> Query | None:
        """What to fetch beside a query for the neurons on both sides: synapses of some of them with others.

        None where that is nothing.
        """
        from crantcli.sources.cave.neurons import ids_to_fetch

        pre, post = (ids_to_fetch(self.live, neurons[end]) if neurons[end].ids else () for end in ("pre", "post"))
        if not pre and not post:
            return None
        return replace(query, pre=pre, post=post, apart=(query.pre or (), query.post or ()))

    def live_table(self, query: Query, reading: ReadOptions) -> Relation:
        """Fetch what a question needs, and open it like any file."""
        assert self.dataset is not None
        path = self.live.snapshot(self.engine, query)
        reading = replace(reading, dataset=replace(unit_metadata(self.dataset), unit="unknown"), allow_null=True)
        record = self.live.record()
        found = [Source(path, "parquet", record["name"], record)]
        table = replace(open_table(self.engine, parts(self.engine, found), found, reading), partial=True)
        self.resolved_to = [f"{record['name']}: {self.live.data_version}"]
        self.inputs += [item for item in table.inputs if item not in self.inputs]
        self.notes += [*table.notes, *filter(None, [self.live.missing()])]
        return table

    def live_record(self) -> dict[str, Any]:
        """Options that bear on what a live data set gave, for the provenance."""
        if not self.resolved_to:
            return {}
        changed = dict.fromkeys(pair for pair in self._requested if pair[0] != pair[1])
        options = self.live.options
        return {
            "update_ids": options.update_ids,
            "updated_ids": [f"{old} -> {new}" for old, new in changed],
            "allow_missing": options.allow_missing or None,
        }

    def updates(self, selectors: Sequence[Selector]) -> list[Update]:
        """What became of the neurons that were named, at the moment of the live data set."""
        from crantcli.sources.cave.neurons import notes_about, refuse_unresolved

        found = self.live.update([int(neuron) for neuron in self._resolve(selectors, "BIGINT").ids], self._supervoxels)
        refuse_unresolved(self.live, found)
        self.notes += notes_about(found, self.live)
        record = self.live.record()
        self.resolved_to = [f"{record['name']}: {self.live.data_version}"]
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

        found = brought_to(self.live, asked, self._supervoxels)
        self.notes += found.notes
        self._requested += found.requested
        return found

    def current_annotations(self, annotations: Annotations | None) -> Annotations | None:
        """Annotations under the IDs that the neurons have at the moment of the live data set."""
        from crantcli.sources.cave.neurons import annotated_changes

        if annotations is None or not self.live.options.update_ids:
            return annotations
        changed, notes = annotated_changes(self.engine, self.live, annotations, self._supervoxels)
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
        changed, notes = annotated_changes(self.engine, self.live, self._annotations, self._supervoxels)
        self.notes += notes
        record = self.live.record()
        self.resolved_to = [f"{record['name']}: {self.live.data_version}"]
        found = renamed_part(self.engine, part, self._annotations.id_column, changed) if changed else part
        return replace(found, records=[*part.records, record])

    def _supervoxels(self, ids: Sequence[int]) -> dict[int, list[int]]:
        """Supervoxels of neurons, as the annotations have them; those of the data set where none are open."""
        from crantcli.sources.cave.neurons import supervoxels_of
        from crantcli.sources.seatable.client import TOKEN_VARIABLE

        if self._annotations is None and self.dataset is not None and self.dataset.annotation_table is not None:
            why = ""
            if self.lock is not None:
                why = "" if "annotations" in self.lock.sections else f"{P.lock} {self.lock.path} holds no annotations"
            elif not os.environ.get(TOKEN_VARIABLE):
                why = f"there is no token in {TOKEN_VARIABLE}"
            if why:
                self.notes.append(f"{why}, so supervoxels are not known; IDs are updated by the neurons' history alone")
            else:
                self.annotations(None, *self._annotation_columns)
        return supervoxels_of(self.engine, self._annotations, ids)
