"""What a question is asked about, and with what means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crantcli.checks import check_names, check_switches, whole_number
from crantcli.core.questions.base import Needs
from crantcli.core.relation import Relation, VoxelSize
from crantcli.engine.limits import DEFAULT_MEMORY, MAX_RESULT
from crantcli.errors import UsageError
from crantcli.ids import IdFile, IdStdin
from crantcli.remote.objects import is_address
from crantcli.remote.settings import LiveOptions
from crantcli.sources.selectors import check_files, id_file
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.system.descriptors import descriptor_of
from crantcli.text import P

if TYPE_CHECKING:
    from crantcli.run.skeletons import SkeletonSource


def take_any(table: Relation) -> None:
    """Take any table."""


@dataclass(frozen=True)
class Request:
    """What a question is asked about, whatever the question is.

    Attributes
    ----------
    source : path, sequence of paths, DataFrame or None
        None means the data set's own.
    dataset : str or None
        A name, or a TOML file.
    annotations : path, DataFrame or None
        None means the data set's own.
    neuron_id_column, cell_type_column : str or None
        Of the annotations.
    read : ReadOptions
        How the source is to be read.
    clean : bool
        Drop autapses and rows with a background ID.
    min_size, threshold : int or None
    ignore_case : bool
        Of criteria and types.
    assignments : path, DataFrame or None
        Where the source's synapses lie.
    neuropil : tuple of str
        With `assignments`: synapses in any of these only.
    totals : path, DataFrame or None
        Totals of whole neurons.
    meshes : str or None
        A folder or an address; None means the data set's own.
    mesh_scale : tuple of float, or None
        Nanometres per unit of mesh files.
    skeletons : SkeletonSource or None
    other : path, sequence of paths, DataFrame or None
        A second table, read as the source is.
    other_annotations : path, DataFrame or None
        Of the second table's neurons; None means those of the source.
    renames : path, DataFrame or None
        What neurons of the source are called at another time, as `ids` writes it.
    files : tuple of Path
        Files that have been read already, which no output may overwrite.
    refuse : function
        Refuses a source that the caller has no use for, when it is open.
    """

    source: Any = None
    dataset: str | None = None
    annotations: Any = None
    neuron_id_column: str | None = None
    cell_type_column: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    clean: bool = True
    min_size: int | None = None
    threshold: int | None = None
    ignore_case: bool = False
    assignments: Any = None
    neuropil: tuple[str, ...] = ()
    totals: Any = None
    meshes: str | None = None
    mesh_scale: VoxelSize | None = None
    skeletons: SkeletonSource | None = None
    other: Any = None
    other_annotations: Any = None
    renames: Any = None
    files: tuple[Path, ...] = ()
    refuse: Callable[[Relation], None] = take_any

    def __post_init__(self) -> None:
        check_switches(clean=self.clean, ignore_case=self.ignore_case)
        for name in ("min_size", "threshold"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        check_names(
            dataset=self.dataset, neuron_id_column=self.neuron_id_column, cell_type_column=self.cell_type_column
        )

    @property
    def tables(self) -> list[Any]:
        """Whatever is read as a table: paths, lists of paths, DataFrames."""
        more = [] if self.skeletons is None else self.skeletons.tables
        beside = [self.other, self.other_annotations, self.renames]
        return [self.source, self.annotations, self.totals, self.assignments, *beside, *more]

    @property
    def skeleton_tables(self) -> list[Path]:
        """Tables that say whose the skeletons are."""
        return [] if self.skeletons is None else [Path(name) for name in self.skeletons.tables if name is not None]

    def names(self, needs: Needs) -> list[str]:
        """Names of what is read, as they were given."""
        listed = [name for table in self.tables for name in _names(table)]
        selectors = [selector for chosen in needs.neurons.values() for selector in chosen or ()]
        files = [selector for selector in selectors if isinstance(selector, IdFile)]
        return [*listed, *(one.path if is_address(one.path) else str(id_file(one)) for one in files)]

    def check(self, needs: Needs) -> None:
        """Refuse what can be seen to be wrong before anything is opened.

        Raises
        ------
        UsageError
        """
        if self.totals is not None and needs.without_totals:
            raise UsageError(needs.without_totals)
        if needs.other and (self.other is None or self.has_no_source):
            raise UsageError("two tables are needed; give both, as files")
        if not needs.other and (self.other is not None or self.other_annotations is not None):
            raise UsageError("one table is read here, and a second one is given")
        if self.renames is not None and not needs.renames:
            raise UsageError(f"{P.ids} brings IDs of one table to the time of another; leave it out")
        if needs.meshes is None and (self.meshes is not None or self.mesh_scale is not None):
            raise UsageError(f"{P.meshes} and {P.mesh_scale} go with questions about neuropils; leave them out")
        if self.skeletons is not None and not needs.skeletons:
            raise UsageError(f"{P.skeletons} goes with questions about sites on skeletons; leave it out")
        selectors = [selector for chosen in needs.neurons.values() for selector in chosen or ()]
        readers = ["-" for selector in selectors if isinstance(selector, IdStdin)]
        refuse_two_readers([*readers, *self.names(needs), *map(str, self.files)])
        for chosen in needs.neurons.values():
            check_files(chosen or ())

    def reading(self, needs: Needs) -> ReadOptions:
        """How the source is read for a question."""
        read = replace(self.read, carry=needs.carry, value=needs.value)
        return replace(read, position=needs.position, points=needs.points, comparison=needs.comparison)

    @property
    def has_no_source(self) -> bool:
        """The table is the data set's."""
        return self.source is None or (isinstance(self.source, list | tuple) and not self.source)

    @property
    def filters(self) -> dict[str, Any]:
        """What rows are filtered by before they are counted."""
        return {"clean": self.clean, "min_size": self.min_size, "threshold": 1}


def refuse_two_readers(names: Iterable[str]) -> None:
    """Refuse to read stdin twice, by `-` or another of its names.

    Raises
    ------
    UsageError
    """
    if sum(name == "-" or descriptor_of(name) == 0 for name in names) > 1:
        raise UsageError("- stands for stdin, which can be read once; it is asked for twice")


def _names(table: Any) -> Iterator[str]:
    if isinstance(table, str):
        yield table
    elif isinstance(table, Sequence):
        yield from (name for name in table if isinstance(name, str))


@dataclass(frozen=True)
class Settings:
    """With what means a question is answered.

    Attributes
    ----------
    max_memory : str
        What the engine may hold in memory.
    threads : int or None
        None means all cores.
    tmp_dir : str or None
    live : LiveOptions
        How servers are asked.
    engine : {"duckdb", "spark"}
        What reads and counts rows.
    spark : str or None
        Where Spark runs; None for this machine.
    max_result : int
        Rows that come here from Spark for one file.
    """

    max_memory: str = DEFAULT_MEMORY
    threads: int | None = None
    tmp_dir: str | None = None
    live: LiveOptions = field(default_factory=LiveOptions)
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark: str | None = None
    max_result: int = MAX_RESULT
