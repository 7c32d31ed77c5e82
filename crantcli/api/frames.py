"""How the answer to a question comes as pandas objects."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.question import Matrix, Output, Table
from crantcli.core.questions.base import Question, Results
from crantcli.core.relation import VoxelSize
from crantcli.engine.duckdb import Engine
from crantcli.engine.limits import DEFAULT_MEMORY
from crantcli.errors import ArgumentTypeError, CrantError, CrantWarning, UsageError
from crantcli.remote.progress import Progress
from crantcli.remote.settings import LiveOptions, resolve_live
from crantcli.run.inputs import Opener
from crantcli.run.request import Request, Settings
from crantcli.run.runner import run_question
from crantcli.schema import KEY
from crantcli.sources.datasets import find_dataset
from crantcli.sources.tables.metadata import parse_voxel_size
from crantcli.text import in_python

if TYPE_CHECKING:
    import pandas as pd


class FrameSink:
    """Takes an output of a question as a DataFrame.

    Parameters
    ----------
    output : str
        Its name; "" is the main one.

    Attributes
    ----------
    frame : DataFrame
        A matrix has its neurons as index and columns.
    results : Results
    notes : list of str
        What the command line would note.
    """

    wanted = frozenset({""})
    frame: pd.DataFrame
    results: Results

    def __init__(self, output: str = "") -> None:
        self.notes: list[str] = []
        if output:
            self.wanted = frozenset({output})

    def __enter__(self) -> FrameSink:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def paths(self) -> list[Path]:
        """Nothing is written."""
        return []

    def check_names(self, inputs: Sequence[str]) -> None:
        """Nothing is written."""

    def check(self, inputs: Sequence[Path]) -> None:
        """Nothing is written."""

    def working(self, engine: Engine, progress: Progress) -> AbstractContextManager[None]:
        """Nothing is shown."""
        return nullcontext()

    def take(self, name: str, output: Output, results: Results, record: Mapping[str, Any], engine: Engine) -> None:
        """Make the frame."""
        if isinstance(output, Matrix):
            self.frame = output.make().frame()
        elif isinstance(output, Table):
            self.frame = frame_of(engine, self.query(output, results))

    def query(self, output: Table, results: Results) -> str:
        """The rows of a table, as a frame is to have them."""
        return output.query

    def finish(self, results: Results, opener: Opener) -> None:
        """Keep what there is to say."""
        self.results = results
        self.notes += [*opener.notes, *results.notes]
        if hasattr(self, "frame"):
            self.frame.attrs.update(attributes(results, opener))

    def warn(self, stacklevel: int, names: Mapping[str, str] | None = None) -> None:
        """Pass on what the command line would note; `stacklevel` counts from the caller, `names` as for `answer`."""
        warn(self.notes, stacklevel + 1, names)


def warn(notes: Sequence[str], stacklevel: int, names: Mapping[str, str] | None = None) -> None:
    """Warn of each note once; `stacklevel` counts from the caller, `names` as for `answer`."""
    for note in dict.fromkeys(notes):
        warnings.warn(in_python(note, names), CrantWarning, stacklevel=stacklevel + 1)


def attributes(results: Results, opener: Opener) -> dict[str, Any]:
    """`DataFrame.attrs` of a result: units, what a live data set resolved to, and what the table was taken for."""
    found: dict[str, Any] = dict(results.units)
    if opener.resolved_to:
        found["source"] = opener.live.record()
    if opener.read_as:
        found["read_as"] = [in_python(line) for line in opener.read_as]
    if "figures" in results.details:
        found["figures"] = results.details["figures"]
    return {KEY: found} if found else {}


def frame_of(engine: Engine, query: str) -> pd.DataFrame:
    """A query's result; integers with gaps as nullable Int64, never as floats."""
    import pandas as pd
    import pyarrow as pa

    table = engine.reader(query).read_all()
    nullable = {
        field.name
        for field, column in zip(table.schema, table.columns, strict=True)
        if pa.types.is_integer(field.type) and column.null_count
    }
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
    return frame.astype(dict.fromkeys(nullable, pd.Int64Dtype())) if nullable else frame


def neuropil_names(assignments: Any, neuropil: str | Sequence[str] | None) -> tuple[str, ...]:
    """The neuropils that synapses are to lie in, which go with the assignments.

    Raises
    ------
    UsageError
        Where one is given without the other.
    """
    names = (neuropil,) if isinstance(neuropil, str) else neuropil or ()
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ArgumentTypeError(f"neuropil={neuropil!r}: a name, or a list of names")
    names = tuple(names)
    if (assignments is None) != (not names):
        raise UsageError("assignments and neuropil go together; give both or none")
    return names


def checked_voxel_size(given: Any) -> VoxelSize | None:
    """Nanometres per voxel, as the command line reads them; None where they are not given.

    Raises
    ------
    UsageError
    """
    if given is None:
        return None
    several = isinstance(given, Iterable) and not isinstance(given, str)
    return parse_voxel_size(",".join(map(str, given)) if several else str(given))


def answer(
    question: Question,
    request: Request,
    sink: FrameSink,
    *,
    materialization: Any = "latest",
    update_ids: bool = True,
    live: LiveOptions | None = None,
    max_memory: str = DEFAULT_MEMORY,
    stacklevel: int = 3,
    names: Mapping[str, str] | None = None,
) -> None:
    """Answer a question for a Python caller, and warn of what there is to note.

    Parameters
    ----------
    question, request, sink
    materialization, update_ids, live, max_memory
        As the functions have them.
    stacklevel : int
        Where warnings are to point: 3 is the caller of the function that calls this one.
    names : mapping of str to str, optional
        Parameters that messages name -> what the function calls them.

    Raises
    ------
    UsageError
        Where there is nothing to read, or a version is asked for of files.
    """
    found = find_dataset(request.dataset)
    if request.has_no_source and found is None:
        raise UsageError("nothing to read: give source= (a path or a DataFrame) or dataset= (a name or a TOML file)")
    options = resolve_live(live, materialization, update_ids)
    asked = options.materialization
    if (not request.has_no_source or (found and found.live is None)) and asked not in ("latest", "live"):
        raise UsageError(f"materialization={asked!r}: 'latest' or 'live'; files have one version only")
    try:
        run_question(question, request, Settings(max_memory, live=options), sink)
    except CrantError as error:
        error.args = (in_python(error.message, names),)
        raise
    sink.warn(stacklevel, names)
