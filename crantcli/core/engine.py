"""All that core asks of an engine: to run query text, to keep what comes out, and to hand it over in arrays.

An engine derives from `SqlEngine` and is asked for nothing else. `core.sql` has the pieces of text that engines may
spell differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from crantcli.core.sql import quote
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

    def extended(self, keep: np.ndarray[Any, Any], columns: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        """The rows to keep (a boolean each), with further columns that have a value for each row of the batch."""
        ...


@dataclass(frozen=True)
class StoredFile:
    """A Parquet file of synapses.

    Attributes
    ----------
    path : str
    name : str
        What to call it in messages.
    columns : dict of str to str
        `pre`, `post` and, where there are such, `id`, `size` and coordinates under the names that the relation has for
        them -> what the file calls them. They hold plain numbers, those of neurons perhaps text.
    groups : tuple of int, or None
        Numbers of the row groups that belong to it; None for all.
    opened : function or None
        Opens it for reading, where it is not on this machine.
    """

    path: str
    name: str
    columns: Mapping[str, str]
    groups: tuple[int, ...] | None = None
    opened: Callable[[], Any] | None = None

    @property
    def source(self) -> Any:
        """What Arrow reads."""
        return self.path if self.opened is None else self.opened()


@dataclass(frozen=True)
class StoredSynapses:
    """Files that a relation has all its rows from, each as it stands there.

    Attributes
    ----------
    files : tuple of StoredFile
    rows : int
        Of all files.
    id_type : {"BIGINT", "VARCHAR"}
        What the IDs of neurons are, however a file holds them.
    """

    files: tuple[StoredFile, ...]
    rows: int
    id_type: IdType = "BIGINT"


@dataclass(frozen=True)
class PairRules:
    """Which synapses count for a pair of neurons.

    Attributes
    ----------
    clean : bool
        No autapses, and no background.
    background : tuple of int
        IDs that stand for no neuron.
    min_size : int or None
        The least size.
    threshold : int
        Synapses that a pair must have; of those that have fewer only the rows are counted.
    distinct : bool
        Rows may have equal ids, which is to be looked at.
    autapses : bool
        They stay where all else is cleaned.
    """

    clean: bool
    background: tuple[int, ...]
    min_size: int | None
    threshold: int
    distinct: bool
    autapses: bool = False


@dataclass(frozen=True)
class ChangedRows:
    """Synapses of two versions without those that are known to have the same id and the same neurons in both.

    Attributes
    ----------
    rows : tuple of str
        Queries `id, pre, post`, of rows that count.
    removed : tuple of dict of str to int
        Step of the ledger -> rows of each version that it removed.
    """

    rows: tuple[str, str]
    removed: tuple[Mapping[str, int], Mapping[str, int]]


@dataclass(frozen=True)
class NeuronGroups:
    """Groups of neurons, by their numbers.

    Attributes
    ----------
    relation : str
        A table `neuron, code` (int64): each neuron once, and the number of its group.
    none : int
        The number for all other neurons, and for none.
    only : bool
        Rows with one of these are removed as unannotated.
    """

    relation: str
    none: int
    only: bool


@dataclass(frozen=True)
class CountedPairs:
    """Synapses per pair of neurons.

    Attributes
    ----------
    relation : str
        A table `pre, post, n`, without pairs that do not count.
    removed : dict of str to int
        Step of the ledger -> rows that it removed.
    """

    relation: str
    removed: Mapping[str, int]


class GroupsOf(Protocol):
    """Tells in which groups the rows of a batch belong. Several threads call it, or copies of it elsewhere."""

    def __call__(self, columns: Sequence[np.ndarray[Any, Any]], /) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """By columns of float64, in which nulls are NaN: numbers of rows, ascending, and of groups, int32.

        A row may be in several groups, or in none.
        """
        ...

    def counted(self) -> list[int]:
        """What it has counted on the way; a copy that is sent elsewhere begins with zeros."""
        ...

    def add(self, counted: Sequence[int], /) -> None:
        """Take what copies have counted."""
        ...


@dataclass(frozen=True)
class Division:
    """Rows in groups.

    Attributes
    ----------
    keys : str
        A table `synapse, code` of what is in which group, in the order in which the rows came.
    rows : str
        A table of all other columns and `code`, in which rows of a group stand together.
    numbers : dict of int to int
        Rows of each group that has some, by its code.
    removed : dict of str to int
        Step of the ledger -> rows that it would remove; empty where that was not looked at.
    """

    keys: str
    rows: str
    numbers: Mapping[int, int]
    removed: Mapping[str, int]


class SqlEngine(Protocol):
    """Runs query text and keeps results under names.

    Attributes
    ----------
    memory : int
        Bytes that may be held in memory.
    threads : int
    spread : bool
        Rows lie in many places, each of which sees its own ones only: nothing is to be had by looking at them first.
    """

    memory: int
    threads: int
    spread: bool = False

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

    def check_entries(self, relation: str, size: int) -> None:
        """Refuse a matrix whose entries have to come here and do not fit into memory, before any of them does.

        Parameters
        ----------
        relation : str
            A table or view with a row per entry.
        size : int
            Bytes that an entry takes until the matrix is there.

        Raises
        ------
        CrantError
        """
        return

    def integers(self, query: str, count: int | None = None) -> np.ndarray[Any, Any]:
        """A query's only column, int64 without nulls, as an array; `count` of them, where that is known."""
        ...

    def integer_batches(self, query: str) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """A query's columns, int64 without nulls, as arrays, so many rows at a time; no other query meanwhile."""
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
    ) -> str:
        """Keep the rows of a query, sent through a function, in a temporary table, and return its name.

        Parameters
        ----------
        transform : function
            Takes and gives each `Batch`. It must not use the engine.
        added : mapping of str to str
            Columns that it adds, and NumPy's names of their types.
        """
        ...

    def divided(self, stem: str, query: str, numbers: Sequence[str], groups_of: GroupsOf) -> Division:
        """Keep the rows of a query in groups.

        Parameters
        ----------
        query : str
            With a column `synapse`, which is kept apart from the others.
        numbers : sequence of str
            Columns of float64 by which groups are told. They are not kept.
        groups_of : function
            It must not use the engine.
        """
        ...

    def divided_stored(
        self, stem: str, rows: str, numbers: Sequence[str], rules: PairRules, groups_of: GroupsOf
    ) -> Division | None:
        """Keep synapses in groups, and count them for the ledger, in a way of the engine's own.

        Parameters
        ----------
        rows : str
            A table or view of synapses. Their `id`, or number from 0, is the key; `pre` and `post` are kept, and `size`
            if there is a least one.
        numbers : sequence of str
            Columns by which groups are told.
        rules : PairRules
            For the ledger: all rows are kept.

        Returns
        -------
        Division or None
            None where the engine has no such way for these rows, or a synapse may stand in two of them.
        """
        return None

    def group(self, stem: str, division: Division, code: int) -> str:
        """Name the rows of one group."""
        return self.view(stem, f"SELECT * FROM {division.rows} WHERE code = {code}")

    def ordered(self, query: str, keys: Sequence[str], rows: int) -> str:
        """A query's rows in order.

        Parameters
        ----------
        query : str
            Query text.
        keys : sequence of str
            Columns to sort by, nulls last.
        rows : int
            Their number.

        Returns
        -------
        str
            Query text, which may be one that can be run once.
        """
        return f"SELECT * FROM ({query}) ORDER BY {', '.join(f'{quote(name)} NULLS LAST' for name in keys)}"

    def ordered_parts(self, query: str, keys: Sequence[str], parts: Sequence[tuple[str, int]]) -> Iterator[str]:
        """A query's rows in order, part by part. Each is to be run before the next one is asked for.

        Parameters
        ----------
        query, keys
            As for `ordered`.
        parts : sequence of tuple of str and int
            Conditions on the query's columns, of which one holds for each row, in the order of the first key; rows.

        Yields
        ------
        str
            Query text of each part, which may be one that can be run once.
        """
        for condition, rows in parts:
            yield self.ordered(f"SELECT * FROM ({query}) WHERE {condition}", keys, rows)

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

    def in_one_only(self, queries: tuple[str, str], rows: int) -> list[tuple[np.ndarray[Any, Any], int]]:
        """Find the numbers that only one of two queries has.

        Parameters
        ----------
        queries : tuple of str
            Of columns `key`, which is not negative, and `checked`, both int64 without nulls.
        rows : int
            About as many rows as both have.

        Returns
        -------
        list
            For each query the keys that it has once and the other has not (int64, in no order), and the sum of
            `checked` of all its rows, modulo 2^64.
        """
        ...

    def count_stored(self, stem: str, rows: str, rules: PairRules) -> CountedPairs | None:
        """Count synapses per pair in a way of the engine's own, which must give what statements would.

        Parameters
        ----------
        rows : str
            A table or view of synapses.

        Returns
        -------
        CountedPairs or None
            None where the engine has no such way for these rows, or a synapse id comes twice among them.
        """
        return None

    def changed_stored(self, one: str, other: str, rules: PairRules) -> ChangedRows | None:
        """Leave out what is the same in two versions in a way of the engine's own.

        Parameters
        ----------
        one, other : str
            Tables or views of synapses with ids.

        Returns
        -------
        ChangedRows or None
            None where the engine has no such way for these rows, a synapse id comes twice among them, or much is left.
        """
        return None

    def count_groups(self, rows: str, groups: NeuronGroups, rules: PairRules) -> dict[str, np.ndarray[Any, Any]] | None:
        """Count synapses per pair of groups in a way of the engine's own, which must give what statements would.

        Returns
        -------
        dict or None
            `step` (a place in `STEPS`, their number for rows that are kept), `pre` and `post` (groups), `n`; in no
            order. None as for `count_stored`.
        """
        return None
