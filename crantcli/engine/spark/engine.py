"""Many rows on Spark, few ones here.

Statements that read a source go to Spark, and so does whatever reads what came out of them and is still large. Small
results come here, and are DuckDB's from then on, as are annotations and selections; where a statement reads both, the
small tables are handed to Spark. DuckDB knows each of Spark's tables, too, without its rows: so it tells the names and
types of the columns of a statement, and what comes from Spark must have these.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.engine.limits import DEFAULT_MEMORY
from crantcli.engine.spark.errors import told_by_spark
from crantcli.engine.spark.start import check_installed, spark_started, stop_spark
from crantcli.engine.spark.text import identifier, names_in, spelled, unordered
from crantcli.errors import CrantError, DataError, DefectError
from crantcli.text import P

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows up to which a result comes here.
GATHERED = 1_000_000

#: Rows of a result, at most, of which a file is made here.
MOST_BROUGHT = 50_000_000

#: Types as DuckDB calls them -> what Spark reads them as. They hold the same values in both.
_READ_AS = {
    "TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INTEGER": "INT", "BIGINT": "BIGINT", "UTINYINT": "SMALLINT",
    "USMALLINT": "INT", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20, 0)", "FLOAT": "FLOAT", "DOUBLE": "DOUBLE",
    "BOOLEAN": "BOOLEAN", "VARCHAR": "STRING",
}  # fmt: skip


@dataclass(frozen=True)
class Scan:
    """Parquet files with the same columns.

    Attributes
    ----------
    reading : str
        What reads them, as query text.
    columns : mapping of str to str
        Names and types of their columns.
    paths : tuple of str
    name : str
        What to call them in messages.
    """

    reading: str
    columns: Mapping[str, str]
    paths: tuple[str, ...]
    name: str


class SparkEngine(Engine):
    """DuckDB, with Spark for what is large. It starts when it is first needed.

    Parameters
    ----------
    master : str or None
        Where Spark runs; None for this machine.
    max_memory, threads, tmp_dir, files
        As of an `Engine`. A local Spark takes as much memory again.
    """

    spread = True

    def __init__(
        self,
        master: str | None,
        max_memory: str = DEFAULT_MEMORY,
        threads: int | None = None,
        tmp_dir: str | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
    ) -> None:
        check_installed()
        self._master = master
        self._spark: Any = None
        self._started = False
        #: Names that were given here, those of them whose rows Spark has, and those that it was handed.
        self._given: set[str] = set()
        self._there: dict[str, Any] = {}
        self._handed: set[str] = set()
        #: Columns that Spark does not read, and what they hold.
        self._unread: dict[str, str] = {}
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
        if self._spark is None:
            self._spark, self._started = spark_started(self._master, self.memory, self.threads, self.scratch)
        whole: Any = None
        for select, source in zip(selects, scans, strict=True):
            made = self._frame(spelled(select, {source.reading: self._opened(source)}))
            whole = made if whole is None else whole.unionByName(made, allowMissingColumns=True)
        self._keep(relation, whole)

    def _opened(self, source: Scan) -> str:
        """A view of files, with the columns that mean the same to both engines."""
        name = self.name("scanned")
        known = {column: _read_as(kind) for column, kind in source.columns.items()}
        self._unread.update({column: source.columns[column] for column, kind in known.items() if kind is None})
        schema = ", ".join(f"{identifier(column)} {kind}" for column, kind in known.items() if kind is not None)
        with told_by_spark(self.reading):
            frame = self._spark.read.schema(schema).parquet(*map(_as_path, source.paths))
            found = len(frame.inputFiles())
        if found != len(source.paths):
            # It leaves out files whose names begin with a dot or an underscore, and says nothing.
            raise DataError(
                f"{source.name}: Spark reads {found} of {len(source.paths)} files; it passes over names that begin "
                "with _ or a dot, so rename them"
            )
        self._keep(name, frame)
        return name

    def _keep(self, name: str, frame: Any, kept: bool = False) -> None:
        frame.createOrReplaceTempView(name)
        self._there[name] = frame if kept else None

    def _frame(self, statement: str) -> Any:
        """What Spark makes of a statement in its words."""
        with told_by_spark(self.reading, self._unread):
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
            chosen = ", ".join(f"{_as_plain(column, kind)} AS {quote(column)}" for column, kind in kinds)
            rows = super().reader(f"SELECT {chosen} FROM {name}").read_all()
            with told_by_spark(self.reading):
                self._spark.createDataFrame(rows).createOrReplaceTempView(name)
            self._handed.add(name)

    def _answer(self, query: str) -> pa.Table:
        """The rows that Spark has for a query, with the names and types that DuckDB would give them."""
        self._hand_over(query)
        frame = self._frame(spelled(query))
        with told_by_spark(self.reading, self._unread):
            return self._as_ours(frame.toArrow(), query)

    def _refuse_large(self, query: str) -> None:
        """Refuse a result that has more rows than come here, before any of them does."""
        if not self._asks_spark(query):
            return
        rows = self.execute(f"SELECT count(*) FROM ({unordered(query)})")[0][0]
        if rows > MOST_BROUGHT:
            raise CrantError(
                f"the result has {rows:,} rows, and at most {MOST_BROUGHT:,} come here from Spark; ask for fewer, with "
                f"{P.threshold} or some neurons, or divide the table with crantcli partition"
            )

    def _as_ours(self, rows: pa.Table, query: str) -> pa.Table:
        import pyarrow as pa

        with self._here():
            schema = super().reader(f"SELECT * FROM ({query}) LIMIT 0").schema
        columns = []
        for place, field in enumerate(schema):
            found = rows.column(place)
            if _kind(found.type) != _kind(field.type) and not pa.types.is_null(found.type):
                raise DefectError(f"Spark gives {found.type} for column {field.name}, which is {field.type}")
            columns.append(found.cast(field.type))
        return pa.Table.from_arrays(columns, schema=schema)

    @contextlib.contextmanager
    def _brought(self, query: str) -> Iterator[str]:
        """Query text for what Spark has for a query, in its order; the query itself where it does not ask Spark."""
        if not self._asks_spark(query):
            yield query
            return
        name = self._loaded("brought", self._answer(query), query)
        try:
            yield f"SELECT * FROM {name}"
        finally:
            super().execute(f"DROP TABLE {name}")

    def _loaded(self, stem: str, rows: pa.Table, query: str) -> str:
        """A table of a query's rows. Of those that stay in Arrow, files would be written in another way."""
        registered = super().register("arrived", rows)
        name = self.name(stem)
        chosen = ", ".join(f"CAST({quote(c)} AS {kind}) AS {quote(c)}" for c, kind in self.columns(query))
        super().execute(f"CREATE TEMP TABLE {name} AS SELECT {chosen} FROM {registered}")
        self._connection.unregister(registered)
        return name

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
        frame = self._frame(spelled(query)).persist()
        with told_by_spark(self.reading, self._unread):
            rows = frame.count()
            if rows > GATHERED:
                name = self._named_here(stem, query, frame, rows)
                self._keep(name, frame, kept=True)
                return name
        with told_by_spark(self.reading, self._unread):
            found = self._as_ours(frame.toArrow(), query)
        frame.unpersist()
        name = self._loaded(stem, found, query)
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
        self._refuse_large(query)
        return super().reader(f"SELECT * FROM {self._loaded('brought', self._answer(query), query)}", rows)

    def arrays(self, query: str) -> dict[str, Any]:
        """Run a query and return its columns as arrays: integers as int64, text as fixed-width text."""
        with self._brought(query) as found:
            return super().arrays(found)

    def ordered(self, query: str, keys: Sequence[str], rows: int) -> str:
        """A query's rows in order, which Spark makes of its own."""
        if self._asks_spark(query):
            return SqlEngine.ordered(self, query, keys, rows)
        return super().ordered(query, keys, rows)

    def copy(self, query: str, path: str, options: dict[str, str]) -> None:
        """Write the result of a query to a file. Option values are query text."""
        self._refuse_large(query)
        with self._brought(query) as found:
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


def _read_as(kind: str) -> str | None:
    """What Spark reads a type as; None where it holds something else there."""
    if re.fullmatch(r"DECIMAL\(\d+,\s*\d+\)", kind):
        return kind
    if kind.endswith("[]") and kind[:-2] in _READ_AS:
        return f"ARRAY<{_READ_AS[kind[:-2]]}>"
    return _READ_AS.get(kind)


def _as_plain(column: str, kind: str) -> str:
    """A column in a type that Spark takes."""
    name = quote(column)
    if kind in ("HUGEINT", "UBIGINT", "UHUGEINT", "UINTEGER", "USMALLINT", "UTINYINT"):
        return f"CAST({name} AS BIGINT)"
    if _read_as(kind) is None:
        return f"CAST({name} AS VARCHAR)"
    return name


def _as_path(path: str) -> str:
    """A path in which nothing stands for something else."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", os.path.abspath(path))


def _kind(kind: pa.DataType) -> str:
    """What kind of values a type holds: these are the same, whatever their width."""
    import pyarrow as pa

    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return "integers"
    if pa.types.is_floating(kind):
        return "floats"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_list(kind):
        return f"lists of {_kind(kind.value_type)}"
    return str(kind)
