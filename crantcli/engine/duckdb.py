"""The embedded engine: DuckDB in memory, spilling to a folder of its own."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import (
    ChangedRows,
    CountedPairs,
    Division,
    GroupsOf,
    NeuronGroups,
    PairRules,
    SqlEngine,
    StoredSynapses,
)
from crantcli.core.sql import text
from crantcli.engine.batches import ROWS, ArrowBatch, column, fixed_width, spool
from crantcli.engine.explain import Reading, explained, explained_batches
from crantcli.engine.limits import DEFAULT_MEMORY, MOST_THREADS, allowed_places, parse_memory
from crantcli.engine.objects import Ranges, reachable
from crantcli.errors import CrantError, UsageError
from crantcli.schema import IdType, NeuronId
from crantcli.system.temporary import is_text, remove, sweep, temporary_path
from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from crantcli.engine.division import DividedBatch, GroupFiles
    from crantcli.engine.pairs.reading import SynapseReader

#: Rows from which sorting takes less time than a hash table, with all that is imported for it (measured).
SORTED_FROM = 8_000_000

#: Rows from which sorting bucket by bucket takes less time than the engine's own (measured).
ORDERED_FROM = 4_000_000


class Engine(SqlEngine):
    """A connection with limits. Use it in a `with` block: leaving it removes what was spilled.

    Parameters
    ----------
    max_memory : str
        What the engine may hold in memory; beyond that it spills.
    threads : int, optional
        Default: all cores.
    tmp_dir : path, optional
        Where to spill; default: the system's temporary folder.
    files : iterable of path
        Files and folders that queries may open, to read and to write, beside the scratch folder. Nothing else is
        opened, whatever a query says, and no extension is loaded. The engine takes no more once it is closed off.
    """

    def __init__(
        self,
        max_memory: str = DEFAULT_MEMORY,
        threads: int | None = None,
        tmp_dir: str | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
    ) -> None:
        import duckdb

        if threads is not None and not 1 <= threads <= MOST_THREADS:
            raise UsageError(f"{P.threads} {threads}: from 1 to {MOST_THREADS}")
        parent = Path(tmp_dir or tempfile.gettempdir())
        if not parent.is_dir():
            raise UsageError(f"{P.tmp_dir} {parent}: there is no such folder")
        if not is_text(os.path.realpath(parent)):
            raise UsageError(f"{P.tmp_dir} {parent}: its name is not UTF-8 text; give another folder")
        self.memory = parse_memory(max_memory)
        self.threads = threads or os.cpu_count() or 1
        sweep(parent, "spill")
        self.scratch = temporary_path(parent, "spill")
        self._names: dict[str, int] = {}
        self._made: list[str] = []
        #: Relations that have all their rows from files, as they stand there.
        self.stored: dict[str, StoredSynapses] = {}
        #: Divisions by the names of their rows, and where these stand.
        self._divided: dict[str, GroupFiles] = {}
        #: Streams by the queries that ask for the whole of them, which need not go through the engine.
        self._streams: dict[str, pa.RecordBatchReader] = {}
        #: Files that are read, by their paths, and what to call them in messages.
        self.reading = Reading()
        #: What has been copied into the scratch folder to be read there.
        self.copies: dict[str, Any] = {}
        try:
            self.scratch.mkdir(mode=0o700)
            self._connection = duckdb.connect(
                config={
                    "threads": self.threads,
                    # Writing in threads of its own, DuckDB 2.0.0 can wait for ever for a write that failed (full disk).
                    "async_threads": 0,
                    "memory_limit": f"{self.memory}B",
                    "temp_directory": str(self.scratch / "blocks"),
                    "preserve_insertion_order": True,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    "allow_community_extensions": False,
                    # A name in a query stands for a table, and never for a variable of the program around.
                    "python_enable_replacements": False,
                    # Where a footer is wrong about the values of its file, this would change the values.
                    "disabled_optimizers": "statistics_propagation",
                }
            )
            # Where it takes Python to be interactive, DuckDB draws a bar of its own on stdout, among the data.
            self.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            self._close_off(files)
        except OSError as error:
            raise CrantError(
                f"{parent}: cannot write temporary files there ({error.strerror}); use {P.tmp_dir}"
            ) from None

    def _close_off(self, files: Iterable[str | os.PathLike[str]]) -> None:
        """Let queries open these files and folders only, for good, and what is added of those that are elsewhere."""
        folders, paths = allowed_places(self.scratch, files)
        self.execute(f"SET allowed_directories = [{', '.join(map(text, [*folders, self.reading.remote.folder]))}]")
        self.execute(f"SET allowed_paths = [{', '.join(map(text, paths))}]")
        self.execute("SET enable_external_access = false")
        self.execute("SET lock_configuration = true")

    def __enter__(self) -> Engine:
        """Hand over the engine."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection and remove what was spilled."""
        self.close()

    def close(self) -> None:
        """Close the connection and remove what was spilled."""
        with contextlib.suppress(Exception):
            if self.reading.remote.there:
                self._connection.unregister_filesystem(self.reading.remote.protocol)
            self._connection.close()
        remove(self.scratch)

    def interrupt(self) -> None:
        """Stop the query that is running in another thread."""
        self._connection.interrupt()

    def progress(self) -> float:
        """Percent of the running query, or -1 where that is unknown."""
        return float(self._connection.query_progress())

    def add_remote(self, file: Ranges, name: str, suffix: str) -> str:
        """Let queries read a file that is elsewhere, and give its path; `name` is what messages call it."""
        if not self.reading.remote.there:
            self._connection.register_filesystem(self.reading.remote.filesystem())
        path = self.reading.remote.add(file, suffix)
        self.reading[path] = name
        return path

    def name(self, stem: str) -> str:
        """A name that is not yet taken."""
        self._names[stem] = self._names.get(stem, 0) + 1
        return f"{stem}_{self._names[stem]}"

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows.

        Raises
        ------
        CrantError
            What the engine reports, in one line, as the kind it is.
        """
        with explained(self.reading):
            return list(self._connection.execute(sql, parameters or []).fetchall())

    def table(self, stem: str, query: str) -> str:
        """Keep the result of a query in a temporary table, and return its name."""
        name = self.name(stem)
        self.execute(f"CREATE TEMP TABLE {name} AS {query}")
        self._made.append(f"TABLE {name}")
        return name

    def view(self, stem: str, query: str) -> str:
        """Name a query without running it."""
        name = self.name(stem)
        self.execute(f"CREATE TEMP VIEW {name} AS {query}")
        self._made.append(f"VIEW {name}")
        return name

    @contextlib.contextmanager
    def temporary_tables(self) -> Iterator[None]:
        """At the end, drop the tables and views that were made meanwhile, so that many questions fit in memory."""
        before = len(self._made)
        try:
            yield
        finally:
            for made in reversed(self._made[before:]):
                self.execute(f"DROP {made}")
            del self._made[before:]

    def id_table(self, stem: str, ids: Iterable[NeuronId], id_type: IdType) -> str:
        """Make a table with columns `id` and `position` (0, 1, ...) out of IDs."""
        name = self.name(stem)
        self.execute(
            f"CREATE TEMP TABLE {name} AS SELECT id, n - 1 AS position FROM (SELECT unnest(ids) AS id, "
            f"generate_subscripts(ids, 1) AS n FROM (SELECT CAST(? AS {id_type}[]) AS ids))",
            [list(ids)],
        )
        self._made.append(f"TABLE {name}")
        return name

    def columns(self, query: str) -> list[tuple[str, str]]:
        """Names and types of a query's columns."""
        return [(row[0], row[1]) for row in self.execute(f"DESCRIBE {query}")]

    def register(self, stem: str, reader: pa.RecordBatchReader | pa.Table) -> str:
        """Name Arrow data. A reader can be read once."""
        name = self.name(stem)
        with explained(self.reading):
            self._connection.register(name, reader)
        return name

    def reader(self, query: str, rows: int = 122_880) -> pa.RecordBatchReader:
        """The result of a query as a stream of Arrow batches."""
        if (stream := self._streams.pop(query, None)) is not None:
            return explained_batches(stream, self.reading)
        with explained(self.reading):
            return explained_batches(self._connection.sql(query).to_arrow_reader(rows), self.reading)

    def arrays(self, query: str) -> dict[str, np.ndarray[Any, Any]]:
        """Run a query and return its columns as arrays: integers as int64, text as fixed-width text."""
        with explained(self.reading):
            found: dict[str, Any] = self._connection.execute(query).fetchnumpy()
        return {name: fixed_width(column) if column.dtype == object else column for name, column in found.items()}

    def integers(self, query: str, count: int | None = None) -> np.ndarray[Any, Any]:
        """A query's only column, int64 without nulls, as an array: filled batch by batch, so held in memory once."""
        import numpy as np

        if count is None:
            count = self.execute(f"SELECT count(*) FROM ({query})")[0][0]
        found = np.empty(count, dtype=np.int64)
        start = 0
        for batch in self.integer_batches(query):
            (values,) = batch.values()
            found[start : start + len(values)] = values
            start += len(values)
        return found

    def integer_batches(self, query: str) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """A query's columns, int64 without nulls, as arrays, so many rows at a time; no other query meanwhile."""
        import numpy as np

        with explained(self.reading):
            for batch in self.reader(query):
                yield {
                    name: np.frombuffer(
                        column.buffers()[1], dtype=np.int64, count=len(column), offset=column.offset * 8
                    )
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                }

    def mapped(
        self,
        stem: str,
        query: str,
        transform: Callable[[Iterator[ArrowBatch]], Iterator[ArrowBatch]],
        added: Mapping[str, str],
    ) -> str:
        """Keep the rows of a query, sent through a function, in a temporary table, and return its name.

        `added` names the columns that the function adds, with NumPy's names of their types. The function must not use
        the engine. Rows wait on disk until the last one has come, since a connection answers one question at a time.
        """
        import pyarrow.ipc

        path = self.scratch / f"{self.name('spool')}.arrows"
        with explained(self.reading):
            spool(self.reader(query, ROWS), path, transform, added)
        with pyarrow.OSFile(str(path), "rb") as file, pyarrow.ipc.open_stream(file) as stream:
            name = self.table(stem, f"SELECT * FROM {self.register('spooled', stream)}")
        path.unlink()
        return name

    def divided(self, stem: str, query: str, numbers: Sequence[str], groups_of: GroupsOf) -> Division:
        """Keep the rows of a query in groups, in files."""
        from crantcli.engine.division import BATCH, PER_BATCH, divided_query

        with explained(self.reading):
            reader = self.reader(query, BATCH)
            threads = max(1, min(self.threads, self.memory // PER_BATCH))
            schema = [known for known in reader.schema if known.name not in numbers]
            return self._division(stem, schema, divided_query(reader, numbers, groups_of, threads))

    def divided_stored(
        self, stem: str, rows: str, numbers: Sequence[str], rules: PairRules, groups_of: GroupsOf
    ) -> Division | None:
        """Keep synapses in groups, straight from Parquet files, where the rows stand in such and are many."""
        if not self._many_stored(rows):
            return None
        from crantcli.engine.division import PER_BATCH, divided_rows, further_columns
        from crantcli.engine.pairs.stored import ElsewhereError

        threads = max(1, min(self.threads, self.memory // PER_BATCH))
        with contextlib.suppress(ElsewhereError):
            further = further_columns(self.stored[rows], numbers, rules)
            with self._stored_reader(rows, rules, further) as reader:
                schema, batches = divided_rows(reader, further, numbers, groups_of, threads)
                return self._division(stem, schema, batches)
        return None

    def _division(self, stem: str, columns: Iterable[pa.Field], batches: Iterable[DividedBatch]) -> Division:
        from crantcli.engine.division import group_files

        files = group_files(self.scratch / self.name("divided"), columns, batches)
        keys, rows = (
            self.view(stem, f"SELECT * FROM read_parquet({text(glob.escape(str(path)))})")
            for path in (files.keys, files.rows)
        )
        self._divided[rows] = files
        return Division(keys, rows, files.numbers, files.removed)

    def group(self, stem: str, division: Division, code: int) -> str:
        """Name the rows of one group, whose pairs can be counted by sorting."""
        name = super().group(stem, division, code)
        stored = self._divided[division.rows].stored(code)
        if stored is not None:
            self.stored[name] = stored
        return name

    def in_one_only(self, queries: tuple[str, str], rows: int) -> list[tuple[np.ndarray[Any, Any], int]]:
        """Find the numbers that only one of two queries has."""
        from crantcli.engine.pairs.onesided import in_one_only

        spill = self.scratch / self.name("numbers")
        return in_one_only(self.integer_batches, queries, rows, spill, self.memory, self.threads)

    def count_stored(self, stem: str, rows: str, rules: PairRules) -> CountedPairs | None:
        """Count synapses per pair by sorting, where the rows stand in Parquet files and are many."""
        if not self._many_stored(rows, of_text=True):
            return None
        from crantcli.engine.pairs.counter import PairCounter
        from crantcli.engine.pairs.stored import ElsewhereError

        with contextlib.suppress(ElsewhereError), self._stored_reader(rows, rules) as reader:
            counter = PairCounter(reader)
            counter.read()
            return CountedPairs(self._kept(stem, counter.schema, counter.pairs()), counter.removed)
        return None

    def changed_stored(self, one: str, other: str, rules: PairRules) -> ChangedRows | None:
        """Leave out what is the same in two versions, where both stand in Parquet files and are many."""
        if not (self._many_stored(one) and self._many_stored(other)):
            return None
        from crantcli.engine.pairs.changed import left_over
        from crantcli.engine.pairs.stored import ElsewhereError

        readers = (self._stored_reader(rows, rules, ["id"]) for rows in (one, other))
        with contextlib.suppress(ElsewhereError), next(readers) as a, next(readers) as b:
            found = left_over((a, b))
            rest = [side.query(self.columns_table) for side in found]
            return ChangedRows((rest[0], rest[1]), (found[0].removed, found[1].removed))
        return None

    def count_groups(self, rows: str, groups: NeuronGroups, rules: PairRules) -> dict[str, np.ndarray[Any, Any]] | None:
        """Count synapses per pair of groups by sorting, where the rows stand in Parquet files and are many."""
        if not self._many_stored(rows):
            return None
        from crantcli.engine.pairs.groups import GroupCounter
        from crantcli.engine.pairs.stored import ElsewhereError

        numbered = f"SELECT neuron, CAST(code AS BIGINT) AS code FROM {groups.relation}"
        known = self.arrays(f"{numbered} WHERE neuron IS NOT NULL ORDER BY neuron")
        with contextlib.suppress(ElsewhereError), self._stored_reader(rows, rules) as reader:
            return GroupCounter(reader, known["neuron"], known["code"], groups.none, groups.only).counts()
        return None

    def _many_stored(self, rows: str, of_text: bool = False) -> bool:
        stored = self.stored.get(rows)
        return stored is not None and stored.rows >= SORTED_FROM and (of_text or stored.id_type == "BIGINT")

    @contextlib.contextmanager
    def _stored_reader(self, rows: str, rules: PairRules, further: Sequence[str] = ()) -> Iterator[SynapseReader]:
        """What reads a relation's files, with a folder for what does not fit into memory."""
        from crantcli.engine.pairs.reading import SynapseReader

        folder = self.scratch / self.name("pairs")
        folder.mkdir()
        try:
            stored = reachable(self.stored[rows], self.reading.remote)
            yield SynapseReader(stored, rules, self.threads, self.memory, folder, further)
        finally:
            remove(folder)

    def ordered(self, query: str, keys: Sequence[str], rows: int) -> str:
        """The rows of a query in order. Many are sorted at once, and can be asked for once, as a whole."""
        stream = self._ordered_stream(query, keys, rows)
        return super().ordered(query, keys, rows) if stream is None else self._streamed("ordered", stream)

    def ordered_parts(self, query: str, keys: Sequence[str], parts: Sequence[tuple[str, int]]) -> Iterator[str]:
        """The rows of a query in order, part by part. Many are sorted at once, and cut then."""
        stream = self._ordered_stream(query, keys, sum(rows for _, rows in parts))
        if stream is None:
            yield from super().ordered_parts(query, keys, parts)
            return
        import pyarrow as pa

        from crantcli.engine.batches import cut

        for batches in cut(stream, [rows for _, rows in parts]):
            yield self._streamed("ordered", pa.RecordBatchReader.from_batches(stream.schema, batches))

    def _ordered_stream(self, query: str, keys: Sequence[str], rows: int) -> pa.RecordBatchReader | None:
        """The rows of a query in order, where they are many, and can be sorted here."""
        if rows < ORDERED_FROM:
            return None
        from crantcli.engine.ordering import ordered_stream

        path = self.scratch / self.name("rows")
        with explained(self.reading):
            return ordered_stream(self.reader, self.arrays, query, keys, rows, path, self.memory, self.threads)

    def _streamed(self, stem: str, stream: pa.RecordBatchReader) -> str:
        """A query that gives the rows of a stream, once."""
        made = f"SELECT * FROM {self.register(stem, stream)}"
        self._streams[made] = stream
        return made

    def _kept(self, stem: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> str:
        """Keep Arrow batches in a temporary table."""
        import pyarrow as pa

        name = self.register("batches", pa.RecordBatchReader.from_batches(schema, batches))
        try:
            return self.table(stem, f"SELECT * FROM {name}")
        finally:
            self._connection.unregister(name)

    def columns_table(self, stem: str, columns: Mapping[str, np.ndarray[Any, Any]]) -> str:
        """Name a table made of arrays of numbers of the same length."""
        import pyarrow as pa

        return self.register(stem, pa.table({name: column(values) for name, values in columns.items()}))

    def copy(self, query: str, path: str, options: dict[str, str]) -> None:
        """Write the result of a query to a file. Option values are query text."""
        listed = ", ".join(f"{name} {value}" for name, value in options.items())
        self.execute(f"COPY ({query}) TO {text(path)} ({listed}, USE_TMP_FILE false)")
