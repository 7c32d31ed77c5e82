"""`partition_table` and `merge_parts`: what `crantcli partition` and `crantcli merge` do, for callers from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from crantcli.api.frames import FrameSink, answer, frame_of
from crantcli.checks import path_name
from crantcli.core.question import Folder, Output, Table
from crantcli.core.questions.base import Results
from crantcli.core.questions.partition import Partition
from crantcli.engine.duckdb import Engine
from crantcli.engine.limits import DEFAULT_MEMORY
from crantcli.errors import CrantError, UsageError
from crantcli.output.files import FileSink
from crantcli.run.inputs import Opener
from crantcli.run.merging import merge_results, result_names
from crantcli.run.request import Request, Settings
from crantcli.sources.tables.read_options import ReadKeywords, read_options
from crantcli.text import in_python

if TYPE_CHECKING:
    import pandas as pd


def partition_table(
    source: Any,
    folder: Any,
    parts: int,
    *,
    dataset: str | None = None,
    max_memory: str = DEFAULT_MEMORY,
    **reading: Unpack[ReadKeywords],
) -> list[Path]:
    """Write a table of synapses or edges in parts, by presynaptic neuron.

    Parameters
    ----------
    source : path, list of paths, or DataFrame
    folder : path
        Appears whole. One that this has written is replaced; any other that holds something is refused.
    parts : int
        How many, of about as many rows. All rows of a neuron as the presynaptic one are in one part.
    dataset : str, optional
        For the unit of positions, or for its own table where `source` is None.
    max_memory : str
    **reading
        As for `get_synapses`.

    Returns
    -------
    list of Path
        The Parquet files, in the order of their presynaptic neurons.

    Raises
    ------
    UsageError, DataError (ValueErrors)
    """
    where = path_name("output", folder)
    if where is None:
        raise UsageError("say where: folder is None")
    sink = FolderSink("partition", where)
    request = Request(source, dataset, read=read_options(reading), clean=False)
    answer(Partition(parts), request, sink, max_memory=max_memory)
    return sorted(Path(where).glob("part-*.parquet"))


def merge_parts(results: Any, *, max_memory: str = DEFAULT_MEMORY) -> pd.DataFrame:
    """Put together what was made of each part of a partitioned table.

    Parameters
    ----------
    results : path, or list of paths
        Files that `connectivity`, `counts`, `synapses` or `sort` made of the parts, as .parquet or .feather, folders
        or globs of them; or folders of `neuropil`, without matrices.
    max_memory : str

    Returns
    -------
    DataFrame
        What one run on the whole table would have given: of folders of neuropils, the assignments.

    Raises
    ------
    UsageError, DataError (ValueErrors)
        Where a part is missing or comes twice, or they are of several partitions or questions.
    """
    sink = _MergeSink()
    try:
        merge_results(result_names(results), Settings(max_memory), sink)
    except CrantError as error:
        error.args = (in_python(error.message),)
        raise
    sink.warn(2)
    return sink.frame


class _MergeSink(FrameSink):
    """Takes a table; of a folder the assignments."""

    def take(self, name: str, output: Output, results: Results, record: Mapping[str, Any], engine: Engine) -> None:
        """Make the frame."""
        if not isinstance(output, Folder):
            super().take(name, output, results, record, engine)
            return
        for file in output.files:
            if file.name == "assignments" and isinstance(file.output, Table):
                self.frame = frame_of(engine, file.output.query)


class _Unseen:
    """Stands behind stdout where nothing is shown."""

    is_terminal = False

    @property
    def stdout(self) -> BinaryIO:
        """Nobody takes bytes."""
        raise TypeError("a folder is not written to stdout")

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> None:
        """Nothing is shown."""


class FolderSink(FrameSink):
    """Writes the folder that a question makes.

    Parameters
    ----------
    command : str
    folder : str
    """

    def __init__(self, command: str, folder: str) -> None:
        super().__init__()
        self._files = FileSink(command, {"": Folder}, {"": folder}, json=False, terminal=_Unseen())

    def __enter__(self) -> FolderSink:
        self._files.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._files.__exit__(*error)

    @property
    def paths(self) -> list[Path]:
        """Where it is written first."""
        return self._files.paths

    def check_names(self, inputs: Sequence[str]) -> None:
        """Refuse a pipe that is read, too."""
        self._files.check_pipes(inputs)

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse a folder that cannot be written, or holds inputs."""
        self._files.check(inputs)

    def take(self, name: str, output: Output, results: Results, record: Mapping[str, Any], engine: Engine) -> None:
        """Write it."""
        results.notes += self._files.take(name, output, record, engine)

    def finish(self, results: Results, opener: Opener) -> None:
        """Let it appear, and keep what there is to say."""
        self._files.commit()
        super().finish(results, opener)
