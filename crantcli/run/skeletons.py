"""Where skeletons come from: files, or whatever else can say whose they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from crantcli.core.relation import Relation
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError
from crantcli.schema import IdType, NeuronId
from crantcli.sources.datasets import find_dataset
from crantcli.sources.shapes.skeletons import (
    Collection,
    SkeletonFiles,
    match_neurons,
    read_id_map,
    selected,
    skeleton_scale,
)
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.core.geometry.skeleton import Skeleton


def skeleton_paths(given: Sequence[str] | None, dataset: str | None) -> Sequence[str]:
    """Where the skeletons are: as given, else the data set's own.

    Raises
    ------
    UsageError
        Where there are none.
    """
    if given:
        return given
    found = find_dataset(dataset)
    if found is not None and found.skeletons is not None:
        return [found.skeletons]
    raise UsageError(
        f"nothing to attach to: give {P.skeletons.metavar('PATH')} (SWC files, a folder or a .zip of them), or a data "
        'set whose TOML has [files] skeletons = "..."'
    )


class KnownSkeletons(Protocol):
    """Skeletons of which is known whose they are."""

    @property
    def neurons(self) -> Sequence[NeuronId]:
        """The neuron of each skeleton."""
        ...

    @property
    def notes(self) -> list[str]:
        """What was left out."""
        ...

    @property
    def paths(self) -> list[Path]:
        """Files that they are in, and that say whose they are."""
        ...

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """Tables that say whose they are, for the provenance."""
        ...

    def chosen(self, wanted: Sequence[NeuronId], current: Sequence[NeuronId] | None) -> KnownSkeletons:
        """Those of some neurons; `current` is the ID of each where the wanted ones are those of another time."""
        ...

    def loader(self, table: Relation) -> Callable[[int], Skeleton]:
        """What gives the skeleton at a place in `neurons`, in nm."""
        ...

    def records(self) -> list[dict[str, Any]]:
        """For the provenance, when all have been loaded."""
        ...


class SkeletonSource(Protocol):
    """Something that has skeletons."""

    @property
    def tables(self) -> list[Any]:
        """Tables that are read for them."""
        ...

    @property
    def units(self) -> str | None:
        """Their unit, where it was said."""
        ...

    def open(self, engine: Engine, id_type: IdType) -> KnownSkeletons:
        """Find out whose they are, as the synapse table holds IDs."""
        ...


@dataclass(frozen=True)
class OpenSkeletons:
    """What a question sees of skeletons; see `core.questions.base.Skeletons`."""

    neurons: Sequence[NeuronId]
    current: Sequence[NeuronId] | None
    load: Callable[[int], Skeleton]


@dataclass(frozen=True)
class SkeletonCollections:
    """Skeletons in files.

    Attributes
    ----------
    collections : sequence of Collection
        As `find_skeletons` gives them.
    id_map : str or None
        A table that says whose each is; else their names do.
    units : {"nm", "um", "pixels"}
    """

    collections: Sequence[Collection]
    id_map: str | None = None
    units: str = "nm"

    @property
    def tables(self) -> list[Any]:
        """The table that says whose they are."""
        return [self.id_map]

    def open(self, engine: Engine, id_type: IdType) -> KnownSkeletons:
        """Each skeleton with its neuron."""
        paths = [file.path for collection in self.collections for file in collection.files]
        names, records = None, list[dict[str, Any]]()
        if self.id_map:
            names, records, more = read_id_map(engine, self.id_map, id_type)
            paths += more
        return _Known(match_neurons(self.collections, id_type, names), self.units, paths, records)


class _Known:
    """Skeletons in files, with their neurons."""

    def __init__(self, files: SkeletonFiles, units: str, paths: list[Path], inputs: list[dict[str, Any]]) -> None:
        self._files, self._units = files, units
        self.neurons, self.notes = files.neurons, files.notes
        self.paths, self.inputs = paths, inputs

    def chosen(self, wanted: Sequence[NeuronId], current: Sequence[NeuronId] | None) -> KnownSkeletons:
        return _Known(selected(self._files, wanted, current), self._units, self.paths, self.inputs)

    def loader(self, table: Relation) -> Callable[[int], Skeleton]:
        scale = skeleton_scale(self._units, table)
        return lambda place: self._files.load(place, scale)

    def records(self) -> list[dict[str, Any]]:
        return self._files.records()
