"""Many rows on Spark, few ones here.

Statements that read a source go to Spark, and so does whatever reads what came out of them and is still large. Small
results come here, and are DuckDB's from then on, as are annotations and selections; where a statement reads both, the
small tables are handed to Spark. DuckDB knows each of Spark's tables, too, without its rows: so it tells the names and
types of the columns of a statement, and what comes from Spark must have these.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import Division, GroupsOf, SqlEngine
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.engine.limits import DEFAULT_MEMORY, MAX_RESULT
from crantcli.engine.spark.division import counted_in, divided_frame
from crantcli.engine.spark.errors import told_by_spark
from crantcli.engine.spark.scan import Scan, scanned, unread_columns
from crantcli.engine.spark.start import check_installed, partitions_of, settings, spark_started, stop_spark
from crantcli.engine.spark.text import identifier, names_in, spelled, unordered
from crantcli.engine.spark.types import arrow_stream, as_ours, as_place, as_plain, read_as
from crantcli.errors import CrantError
from crantcli.text import P

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows up to which a result comes here.
GATHERED = 1_000_000

#: Rows that come at once: Spark holds them several times on their way, in the memory of one process.
PIECE = 1_000_000


class SparkEngine(Engine):
    """DuckDB, with Spark for what is large. It starts when it is first needed.

    Parameters
    ----------
    master : str or None
        Where Spark runs; None for this machine.
    max_memory, threads, tmp_dir, files
        As of an `Engine`. A local Spark takes as much memory again.
    most : int
        Rows of a result that come here at once; of longer ones some come after the other.
    """

    spread = True

    def __init__(
        self,
        master: str | None,
        max_memory: str = DEFAULT_MEMORY,
        threads: int | None = None,
        tmp_dir: str | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
        *,
        most: int = MAX_RESULT,
    ) -> None:
        check_installed()
        self._most = most
        self._master = master
        self._spark: Any = None
        self._started = False
        #: Names that were given here, those of them whose rows Spark has, and those that it was handed.
        self._given: set[str] = set()
        self._there: dict[str, Any] = {}
        self._handed: set[str] = set()
        #: Columns that Spark does not read, and what they hold.
        self._unread: dict[str, str] = {}
        #: Files that Spark reads, where they are, and what to call them in messages.
        self._called: dict[str, str] = {}
        self._only_here = False
        super().__init__(max_memory, threads, tmp_dir, files)

    def close(self) -> None:
        """Close the connection, stop Spark if it was started here, and remove what was spilled."""
        if self._spark is not None:
            with contextlib.suppress(Exception):
                for frame in self._there.values():
                    if frame is not None:
                        frame.unpersist()
            if self._started:
                stop_spark(self._spark)
        super().close()

    def interrupt(self) -> None:
        """Stop what is running in another thread."""
        if self._spark is not None:
            with contextlib.suppress(Exception):
                self._spark.sparkContext.cancelAllJobs()
        super().interrupt()

    def name(self, stem: str) -> str:
        """A name that is not yet taken."""
        name = super().name(stem)
        self._given.add(name)
        return name

    # What Spark is asked, and what comes of it.

    def session(self) -> Any:
        """Spark's session, which starts when it is first asked for.

        Raises
        ------
        UsageError
            Where Spark does not start.
        """
        if self._spark is None:
            self._spark, self._started = spark_started(self._master, self.memory, self.threads, self.scratch)
        return self._spark

    def scan(self, relation: str, selects: Sequence[str], scans: Sequence[Scan]) -> None:
        """From here on, let Spark read the files behind a view.

        Parameters
        ----------
        relation : str
            The view.
        selects : sequence of str
            The queries that it is made of.
        scans : sequence of Scan
            What each of them reads.

        Raises
        ------
        UsageError
            Where Spark does not start, or the queries are not known to mean the same there.
        DataError
            Where files would be read otherwise.
        """
        self.session()
        whole: Any = None
        # Of integers and floats in a column, Spark would make another type.
        kinds = dict(self.columns(f"SELECT * FROM {relation}")) if len(scans) > 1 else {}
        for select, source in zip(selects, scans, strict=True):
            made = self._frame(spelled(select, {source.reading: self._opened(source)}))
            if kinds:
                told = [(name, made[identifier(name)], read_as(kinds[name])) for name in made.columns]
                cast = (column.cast(kind).alias(name) if kind else column for name, column, kind in told)
                made = made.select(*cast)
            whole = made if whole is None else whole.unionByName(made, allowMissingColumns=True)
        self._keep(relation, whole)

    def _opened(self, source: Scan) -> str:
        """A view of files, with the columns that mean the same to both engines."""
        name = self.name("scanned")
        self._unread.update(unread_columns(source))
        places = {path: as_place(self.reading.remote.address(path)) for path in source.paths}
        self._called.update({place: self.reading.get(path, source.name) for path, place in places.items()})
        with told_by_spark(self._called):
            self._keep(name, scanned(self._spark, source, places))
        return name

    def _keep(self, name: str, frame: Any, kept: bool = False) -> None:
        frame.createOrReplaceTempView(name)
        self._there[name] = frame if kept else None

    def _frame(self, statement: str) -> Any:
        """What Spark makes of a statement in its words."""
        with told_by_spark(self._called, self._unread):
            return self._spark.sql(statement)

    def _asks_spark(self, query: str) -> bool:
        return not self._only_here and not self._there.keys().isdisjoint(names_in(query))

    @contextlib.contextmanager
    def _here(self) -> Iterator[None]:
        """For statements about names and types, which DuckDB knows of all tables."""
        before, self._only_here = self._only_here, True
        try:
            yield
        finally:
            self._only_here = before

    def _hand_over(self, query: str) -> None:
        """Let Spark have the small tables that a query reads."""
        for name in sorted((names_in(query) & self._given) - self._there.keys() - self._handed):
            kinds = self.columns(f"SELECT * FROM {name}")
            chosen = ", ".join(f"{as_plain(column, kind)} AS {quote(column)}" for column, kind in kinds)
            rows = super().reader(f"SELECT {chosen} FROM {name}").read_all()
            with told_by_spark(self._called):
                self._spark.createDataFrame(rows).createOrReplaceTempView(name)
            self._handed.add(name)

    def _answer(self, query: str) -> pa.Table:
        """The rows that Spark has for a query, with the names and types that DuckDB would give them."""
        self._hand_over(query)
        frame = self._frame(spelled(query))
        with told_by_spark(self._called, self._unread):
            return as_ours(frame.toArrow(), self._schema(query))

    def _rows(self, query: str) -> int:
        return int(self.execute(f"SELECT count(*) FROM ({unordered(query)})")[0][0])

    def check_entries(self, relation: str, size: int) -> None:
        """Refuse a matrix with more entries than fit here."""
        if not self._asks_spark(relation):
            return
        entries = self._rows(f"SELECT * FROM {relation}")
        if entries * size > self.memory:
            raise CrantError(
                f"the matrix has {entries:,} entries, and holding them here takes about {entries * size / 10**9:,.1f} "
                f"GB, which is more than {P.max_memory} allows; raise that, ask for fewer with {P.threshold} or some "
                "neurons, or write edges with crantcli connectivity"
            )

    def _schema(self, query: str) -> pa.Schema:
        """Names and types that DuckDB would give the columns of a query."""
        with self._here():
            return super().reader(f"SELECT * FROM ({query}) LIMIT 0").schema

    @contextlib.contextmanager
    def _brought(self, query: str, rows: int = 0) -> Iterator[str]:
        """Query text for what Spark has for a query, in its order; the query itself where it does not ask Spark.

        `rows` is how many these are, where they may be many.
        """
        if not self._asks_spark(query):
            yield query
            return
        name = self._loaded("brought", self._pieces(query, rows) if rows > PIECE else [self._answer(query)], query)
        try:
            yield f"SELECT * FROM {name}"
        finally:
            super().execute(f"DROP TABLE {name}")

    def _loaded(self, stem: str, pieces: Iterable[pa.Table], query: str) -> str:
        """A table of a query's rows. Of those that stay in Arrow, files would be written in another way."""
        name = self.name(stem)
        chosen = ", ".join(f"CAST({quote(c)} AS {kind}) AS {quote(c)}" for c, kind in self.columns(query))
        into = f"CREATE TEMP TABLE {name} AS"
        for rows in pieces:
            registered = super().register("arrived", rows)
            super().execute(f"{into} SELECT {chosen} FROM {registered}")
            self._connection.unregister(registered)
            into = f"INSERT INTO {name}"
        return name

    def _pieces(self, query: str, rows: int) -> Iterator[pa.Table]:
        """The result of a query in its order, of which Spark hands over about `PIECE` of all its rows at a time."""
        self._hand_over(query)
        schema, parts = self._schema(query), -(-rows // PIECE)
        with settings(self._spark, partitions_of(self._spark, parts)):
            frame = self._frame(spelled(query))
            if unordered(query) == query:
                frame = frame.repartition(parts)
            with told_by_spark(self._called, self._unread):
                came = 0
                for table in arrow_stream(frame):
                    came += len(table)
                    yield as_ours(table, schema)
        if came != rows:
            raise CrantError(f"Spark has counted {rows:,} rows, and given {came:,}; nothing is written, so try again")

    # The protocol.

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        if parameters:
            return super().execute(sql, parameters)
        with self._brought(sql) as found:
            return super().execute(found)

    def columns(self, query: str) -> list[tuple[str, str]]:
        """Names and types of a query's columns."""
        with self._here():
            return super().columns(query)

    def table(self, stem: str, query: str) -> str:
        """Keep the result of a query, here where it is small, and return its name."""
        if not self._asks_spark(query):
            return super().table(stem, query)
        self._hand_over(query)
        return self._table_of(stem, query, self._frame(spelled(query)))

    def _table_of(self, stem: str, query: str, frame: Any) -> str:
        """Keep what Spark has for a query, here where it is small, and return its name."""
        frame = frame.persist()
        with told_by_spark(self._called, self._unread):
            rows = frame.count()
            if rows > GATHERED:
                name = self._named_here(stem, query, frame, rows)
                self._keep(name, frame, kept=True)
                return name
        with told_by_spark(self._called, self._unread):
            found = as_ours(frame.toArrow(), self._schema(query))
        frame.unpersist()
        name = self._loaded(stem, [found], query)
        self._made.append(f"TABLE {name}")
        return name

    def _named_here(self, stem: str, query: str, frame: Any, rows: int) -> str:
        """A table without rows that has the columns of a query, of which the same is known as if it had the rows."""
        with self._here():
            name = super().table(stem, f"SELECT * FROM ({query}) LIMIT 0")
        columns = [identifier(column) for column in frame.columns]
        asked = [f"{what}({column})" for what in ("min", "max", "count") for column in columns]
        found = list(frame.selectExpr(*asked).first())
        least, most, filled = (found[len(columns) * part : len(columns) * (part + 1)] for part in range(3))
        nothing = [value if number == rows else None for value, number in zip(least, filled, strict=True)]
        marks = ", ".join("?" for _ in columns)
        for row in (least, most, nothing) if rows else ():
            super().execute(f"INSERT INTO {name} VALUES ({marks})", row)
        super().execute(f"DELETE FROM {name}")
        return name

    def view(self, stem: str, query: str) -> str:
        """Name a query without running it."""
        with self._here():
            name = super().view(stem, query)
        if self._asks_spark(query):
            self._hand_over(query)
            self._keep(name, self._frame(spelled(query)))
        return name

    @contextlib.contextmanager
    def temporary_tables(self) -> Iterator[None]:
        """At the end, drop the tables and views that were made meanwhile."""
        before = set(self._there)
        with super().temporary_tables():
            try:
                yield
            finally:
                for name in self._there.keys() - before:
                    frame = self._there.pop(name)
                    if frame is not None:
                        frame.unpersist()
                    self._spark.catalog.dropTempView(name)

    def reader(self, query: str, rows: int = 122_880) -> pa.RecordBatchReader:
        """The result of a query as a stream of Arrow batches."""
        if not self._asks_spark(query):
            return super().reader(query, rows)
        found = self._rows(query)
        if found <= PIECE:
            return super().reader(f"SELECT * FROM {self._loaded('brought', [self._answer(query)], query)}", rows)
        import pyarrow as pa

        batches = (batch for table in self._pieces(query, found) for batch in table.to_batches())
        return pa.RecordBatchReader.from_batches(self._schema(query), batches)

    def arrays(self, query: str) -> dict[str, Any]:
        """Run a query and return its columns as arrays: integers as int64, text as fixed-width text."""
        with self._brought(query, self._rows(query) if self._asks_spark(query) else 0) as found:
            return super().arrays(found)

    def ordered(self, query: str, keys: Sequence[str], rows: int) -> str:
        """A query's rows in order, which Spark makes of its own."""
        if self._asks_spark(query):
            return SqlEngine.ordered(self, query, keys, rows)
        return super().ordered(query, keys, rows)

    def divided(self, stem: str, query: str, numbers: Sequence[str], groups_of: GroupsOf) -> Division:
        """Keep the rows of a query in groups, which workers tell."""
        if not self._asks_spark(query):
            return super().divided(stem, query, numbers, groups_of)
        self._hand_over(query)
        rest = [column for column, _ in self.columns(query) if column not in (*numbers, "synapse")]
        frame = divided_frame(self._frame(spelled(query)), numbers, groups_of).persist()
        with told_by_spark(self._called, self._unread):
            found = counted_in(frame, groups_of)
        members = frame.where("code >= 0")
        coded = f"SELECT *, CAST(0 AS INTEGER) AS code FROM ({query})"
        keys, rows = (
            self._table_of(f"{stem}_{what}", f"SELECT {', '.join(map(quote, names))} FROM ({coded})",
                           members.select(*map(identifier, names)))
            for what, names in (("keys", ["synapse", "code"]), ("rows", [*rest, "code"]))
        )  # fmt: skip
        frame.unpersist()
        return Division(keys, rows, found, {})

    def group(self, stem: str, division: Division, code: int) -> str:
        """Name the rows of one group."""
        here = division.rows in self._divided
        return super().group(stem, division, code) if here else SqlEngine.group(self, stem, division, code)

    def copy(self, query: str, path: str, options: dict[str, str]) -> None:
        """Write the result of a query to a file. Option values are query text."""
        rows = self._rows(query) if self._asks_spark(query) else 0
        if rows > self._most:
            raise CrantError(
                f"the result has {rows:,} rows, and at most {self._most:,} come here from Spark for a text file; write "
                f"a .parquet file, which becomes a folder of such, raise {P.max_result}, or ask for fewer, with "
                f"{P.threshold} or some neurons"
            )
        with self._brought(query, rows) as found:
            if found != query and options.get("FORMAT") == "parquet":
                found = self._with_nulls_as_there(query, found)
            super().copy(found, path, options)

    def _with_nulls_as_there(self, query: str, found: str) -> str:
        """Query text for the same rows, whose columns may be null where DuckDB would take those of a query to be so.

        A Parquet file says of each column whether it may be, which DuckDB tells from what it knows of the tables.
        """
        import pyarrow.parquet as pq

        path = self.scratch / f"{self.name('columns')}.parquet"
        with self._here():
            super().copy(f"SELECT * FROM ({unordered(query)}) LIMIT (SELECT 0)", str(path), {"FORMAT": "parquet"})
        chosen = [
            f"CASE WHEN rowid < 0 THEN NULL ELSE {quote(field.name)} END AS {quote(field.name)}"
            if field.nullable
            else quote(field.name)
            for field in pq.read_schema(path)
        ]
        path.unlink()
        return found.replace("*", ", ".join(chosen), 1)

    def _many_stored(self, rows: str, of_text: bool = False) -> bool:
        return False
