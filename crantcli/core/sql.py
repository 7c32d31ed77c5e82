"""Pieces of query text, and the one thing core asks of an engine: to run it.

The dialect is kept portable: plain joins, groups and windows. Text is quoted here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from crantcli.schema import BLANKS, IdType, NeuronId

if TYPE_CHECKING:
    import numpy as np

#: Up to this many IDs stand in the query itself, where they tell a sorted Parquet file which row groups to skip.
INLINE_IDS = 1000


class SqlEngine(Protocol):
    """What core needs: run text, keep a result under a name, put IDs into a table."""

    @property
    def memory(self) -> int:
        """Bytes that may be held in memory."""
        ...

    @property
    def threads(self) -> int:
        """Number of threads."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        ...

    def table(self, stem: str, query: str) -> str:
        """Keep the result of a query in a temporary table, and return its name."""
        ...

    def view(self, stem: str, query: str) -> str:
        """Name a query without running it."""
        ...

    def columns(self, query: str) -> list[tuple[str, str]]:
        """Names and types of a query's columns."""
        ...

    def integers(self, query: str) -> np.ndarray[Any, Any]:
        """A query's only column, int64 without nulls, as an array."""
        ...

    def id_table(self, stem: str, ids: Iterable[NeuronId], id_type: IdType) -> str:
        """Make a table with columns `id` and `position` (0, 1, ...) out of IDs."""
        ...


def quote(name: str) -> str:
    """An identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text literal in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def trimmed(column: str) -> str:
    """Text without blanks at its ends, as query text."""
    return f"trim({column}, {text(BLANKS)})"


def columns(names: Iterable[str]) -> str:
    """Quoted identifiers, separated by commas."""
    return ", ".join(quote(name) for name in names)


def id_literal(value: NeuronId, id_type: IdType) -> str:
    """A neuron ID as a literal of the table's ID type."""
    return str(int(value)) if id_type == "BIGINT" else text(str(value))


def any_of(conditions: Sequence[str]) -> str:
    """The conditions joined by OR; false when there are none."""
    return "(" + " OR ".join(conditions) + ")" if conditions else "FALSE"


def all_of(conditions: Sequence[str]) -> str:
    """The conditions joined by AND; true when there are none."""
    return "(" + " AND ".join(conditions) + ")" if conditions else "TRUE"
