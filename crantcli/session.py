"""One call of a Python function: what its parameters name, opened, and how its answer comes as pandas objects."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crantcli.core.synapses import RowFilter
from crantcli.core.table import Annotations, Table
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantWarning, UsageError
from crantcli.ids import Selection, Selector, python_selectors
from crantcli.schema import KEY
from crantcli.settings import LiveOptions, resolve_live
from crantcli.sources.access import engine_files
from crantcli.sources.cave.query import Query
from crantcli.sources.datasets import find_dataset
from crantcli.sources.read_options import ReadOptions
from crantcli.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


class Session:
    """One call: its engine, its inputs, its selections."""

    def __init__(self, space: Workspace, engine: Engine, annotations: Annotations | None) -> None:
        self.space, self.engine, self.annotations = space, engine, annotations

    def table(self, source: Any, query: Query | None, reading: ReadOptions) -> Table:
        """Open the source; `query` is what to fetch of it, if it is on a server."""
        return self.space.table(source, reading, query)

    def query(
        self,
        source: Any,
        option: str,
        columns: tuple[str, ...] | None,
        clean: bool,
        upstream: bool = True,
        downstream: bool = True,
        **selectors: tuple[Selector, ...] | None,
    ) -> Query | None:
        """What to fetch of a live table, None for a file: neurons for `pre`, `post` and `either`, None for any."""
        if not self.space.asks_server(source):
            return None
        named = {side: self.space.select_current(chosen) for side, chosen in selectors.items() if chosen is not None}
        return self.space.query(option, columns, clean, named, upstream, downstream)

    def attributes(self, more: dict[str, Any] | None = None) -> dict[str, Any]:
        """`DataFrame.attrs` of a result: units, and what a live data set resolved to."""
        source = self.space.brain.record() if self.space.told else None
        found = {**(more or {}), **({"source": source} if source else {})}
        if self.space.read_as:
            found["read_as"] = list(self.space.read_as)
        return {KEY: found} if found else {}

    def select(self, selectors: tuple[Selector, ...] | None, table: Table) -> Selection | None:
        """The neurons that a parameter names; None for None."""
        if selectors is None:
            return None
        return self.space.select(selectors, table) if selectors else Selection(())

    def within(self, table: Table, assignments: Any, neuropil: Any) -> Table:
        """The table with the synapses of chosen neuropils only, if any are."""
        if assignments is None and neuropil is None:
            return table
        names = [neuropil] if isinstance(neuropil, str) else list(neuropil or ())
        if assignments is None or not names:
            raise UsageError("assignments and neuropil go together; give both or none")
        return self.space.members(assignments, names, table).within(table)

    def rows(self, table: Table, clean: bool, min_size: int | None, threshold: int) -> RowFilter:
        """The filter, checked against the table."""
        made = RowFilter(clean, self.space.background, min_size, None if threshold == 1 else threshold)
        made.check(table)
        return made

    def warn(self, notes: Sequence[str]) -> None:
        """Pass on what the command line would note."""
        for note in dict.fromkeys([*self.space.notes, *notes]):
            warnings.warn(note, CrantWarning, stacklevel=3)


def named_neurons(neurons: Any) -> tuple[Selector, ...] | None:
    """What a parameter names; None for None. It is read once, since it may be an iterator."""
    return None if neurons is None else python_selectors(neurons)


@contextmanager
def opened(
    source: Any,
    dataset: str | None,
    materialization: Any,
    update_ids: bool,
    live: LiveOptions | None,
    annotations: Any,
    max_memory: str,
    labelled: bool = False,
    tables: Sequence[Any] = (),
    *,
    clean: bool,
    null_text: str | None = None,
) -> Iterator[Session]:
    """Open what a function works on: its parameters of these names; `labelled` where it needs annotations as labels,
    `tables` are further ones that it reads.
    """
    found = find_dataset(dataset)
    if source is None and found is None:
        raise UsageError("nothing to read: give source= (a path or a DataFrame) or dataset= (a name or a TOML file)")
    if source is None and found is not None and found.live is None:
        found.synapse_file()
    options = resolve_live(live, materialization, update_ids)
    asked = options.materialization
    if (source is not None or (found and found.live is None)) and asked not in ("latest", "live"):
        raise UsageError(f"materialization={asked!r}: 'latest' or 'live'; files have one version only")
    files = engine_files(source, annotations, *tables, dataset=found, live=options)
    with Engine(max_memory, files=files) as engine:
        space = Workspace(engine, found, options)
        space.clean, space.null_text = clean, null_text
        opened = space.annotations(annotations, needed=labelled)
        if labelled and space.asks_server(source):
            opened = space.current_annotations(opened)
        yield Session(space, engine, opened)


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
