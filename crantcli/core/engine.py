"""All that core asks of an engine: to run query text, to keep what comes out, and to hand it over in arrays.

An engine derives from `SqlEngine` and is asked for nothing else. `core.sql` has the pieces of text that engines may
spell differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, Self

from crantcli.schema import IdType, NeuronId

if TYPE_CHECKING:
    import numpy as np


class Batch(Protocol):
    """Some rows of a query, on their way through Python."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """A column of numbers; nulls among floats are NaN."""
        ...

    def taken(
        self, rows: np.ndarray[Any, Any], columns: Mapping[str, np.ndarray[Any, Any]], dropped: Sequence[str]
    ) -> Self:
        """Chosen rows (their numbers, in any order), with a value for each in further columns, and without some."""
        ...

    def extended(self, keep: np.ndarray[Any, Any], columns: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        """The rows to keep (a boolean each), with further columns that have a value for each row of the batch."""
        ...


class SqlEngine(Protocol):
    """Runs query text and keeps results under names.

    Attributes
    ----------
    memory : int
        Bytes that may be held in memory.
    threads : int
    """

    memory: int
    threads: int

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        ...

    def table(self, stem: str, query: str) -> str:
        """Keep the result of a query in a temporary table, and return its name."""
        ...

    def view(self, stem: str, query: str) -> str:
        """Name a query without running it."""
        ...

    def temporary_tables(self) -> AbstractContextManager[None]:
        """A context at whose end the tables and views that were made in it are dropped."""
        ...

    def columns(self, query: str) -> list[tuple[str, str]]:
        """Names and types of a query's columns."""
        ...

    def arrays(self, query: str) -> dict[str, np.ndarray[Any, Any]]:
        """Run a query and return its columns as arrays: integers as int64, text as fixed-width text."""
        ...

    def integers(self, query: str) -> np.ndarray[Any, Any]:
        """A query's only column, int64 without nulls, as an array."""
        ...

    def id_table(self, stem: str, ids: Iterable[NeuronId], id_type: IdType) -> str:
        """Make a table with columns `id` and `position` (0, 1, ...) out of IDs."""
        ...

    def columns_table(self, stem: str, columns: Mapping[str, np.ndarray[Any, Any]]) -> str:
        """Name a table made of arrays of numbers or text of the same length."""
        ...

    def mapped(
        self,
        stem: str,
        query: str,
        transform: Callable[[Iterator[Any]], Iterator[Any]],
        added: Mapping[str, str],
        dropped: Sequence[str] = (),
        rows: int = ...,
    ) -> str:
        """Keep the rows of a query, sent through a function, in a temporary table, and return its name.

        Parameters
        ----------
        transform : function
            Takes and gives each `Batch`. It must not use the engine.
        added : mapping of str to str
            Columns that it adds, and NumPy's names of their types.
        dropped : sequence of str
            Columns that it leaves out.
        rows : int
            About as many it gets at a time.
        """
        ...

    def count_pairs(self, stem: str, rows: str, keys: str, sums: str) -> str:
        """Add up rows per pair of neurons in a temporary table, and return its name.

        Parameters
        ----------
        rows : str
            A table or view.
        keys : str
            Columns, `pre` and `post` first, as query text. A null is a value like any other.
        sums : str
            Aggregates with their names, as query text.

        Notes
        -----
        Whatever is asked for per pair begins with this, the largest group of all.
        """
        return self.table(stem, f"SELECT {keys}, {sums} FROM {rows} GROUP BY {keys}")
