"""Writes graphs as SQLite databases: tables of edges and neurons, with indices, and the provenance."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from crantcli.core.graph.nodes import NODE, PLACE
from crantcli.core.sql import columns, quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError, DataError
from crantcli.output.graphs import GraphTables, offer_graph
from crantcli.output.provenance import as_text
from crantcli.output.writers import Target
from crantcli.schema import KEY

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES = {"BIGINT": "INTEGER", "DOUBLE": "REAL", "BOOLEAN": "INTEGER", "VARCHAR": "TEXT"}

#: The file appears when it is whole, so that nothing has to be undone; pages go to disk as they fill.
_SETTINGS = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536")

#: Rows that are in Python's hands at once.
_ROWS = 65_536


def _write(engine: Engine, graph: GraphTables, record: dict[str, Any], target: Target) -> list[str]:
    of_nodes = {NODE: _node_kind(engine, graph), **graph.nodes.attributes}
    of_edges = {**dict.fromkeys(graph.ends, of_nodes[NODE]), **graph.attributes}
    for name in (*of_nodes, *of_edges):
        if "\0" in name:
            raise DataError(f"the column {name!r} has a character in its name that SQLite cannot hold; rename it")
    nodes = f"SELECT {columns(of_nodes)} FROM {graph.nodes.relation} ORDER BY {PLACE}"
    edges = f"SELECT {columns(of_edges)} FROM ({graph.edges})"
    try:
        with closing(sqlite3.connect(target.place(), isolation_level=None)) as base:
            for setting in _SETTINGS:
                base.execute(f"PRAGMA {setting}")
            base.execute("BEGIN")
            base.execute(f"CREATE TABLE {KEY} (key TEXT PRIMARY KEY, value TEXT)")
            base.execute(f"INSERT INTO {KEY} VALUES ('provenance', ?)", [as_text(record)])
            _fill(base, "neurons", of_nodes, engine.reader(nodes, _ROWS), f" PRIMARY KEY ({quote(NODE)})")
            _fill(base, "edges", of_edges, engine.reader(edges, _ROWS))
            pre, post = graph.ends
            base.execute(f"CREATE INDEX edges_out ON edges ({columns((pre, post))})")
            base.execute(f"CREATE INDEX edges_in ON edges ({columns((post, pre))})")
            base.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise CrantError(f"{target.destination}: cannot be written ({error})") from None
    return []


def _node_kind(engine: Engine, graph: GraphTables) -> str:
    return dict(engine.columns(f"SELECT {NODE} FROM {graph.nodes.relation}"))[NODE]


def _fill(
    base: sqlite3.Connection, table: str, kinds: dict[str, str], reader: pa.RecordBatchReader, key: str = ""
) -> None:
    """Make a table of rows."""
    listed = ", ".join(f"{quote(name)} {_TYPES[kind]}" for name, kind in kinds.items())
    base.execute(f"CREATE TABLE {table} ({listed}{',' + key if key else ''})")
    marks = ", ".join("?" * len(kinds))
    base.executemany(f"INSERT INTO {table} VALUES ({marks})", _rows(reader))


def _rows(reader: pa.RecordBatchReader) -> Iterator[Sequence[Any]]:
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


offer_graph(".sqlite", _write)
