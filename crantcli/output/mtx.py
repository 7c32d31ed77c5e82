"""Writes matrices in the Matrix Market format (https://math.nist.gov/MatrixMarket), with a table for each axis beside.

The format has no place for names: line n of a table, after its header, is row or column n of the matrix.
"""

from __future__ import annotations

import json
from typing import Any

from crantcli.core.graph.nodes import PLACE, NodeTable
from crantcli.core.question import Table
from crantcli.core.sql import columns
from crantcli.engine.duckdb import Engine
from crantcli.output.graphs import MatrixTables, offer_matrix
from crantcli.output.markup import text_output, write_lines
from crantcli.output.matrices import entries
from crantcli.output.provenance import as_text
from crantcli.output.tables import write_table
from crantcli.output.writers import Target
from crantcli.schema import KEY
from crantcli.text import join_names

#: Tables of the rows and the columns.
_ROWS, _COLUMNS = ".rows.csv", ".columns.csv"

#: A line has at most 1,024 characters in this format.
_LONGEST = 1000


def _comment(record: dict[str, Any]) -> str:
    """The provenance in lines of a comment, which are one JSON text when they are put together."""
    written = json.dumps(json.loads(as_text(record)), sort_keys=True, separators=(",", ":"))
    pieces = [written[start : start + _LONGEST] for start in range(0, len(written), _LONGEST)]
    return "".join(f"%{KEY} {piece}\n" for piece in pieces)


def _write(engine: Engine, given: MatrixTables, record: dict[str, Any], target: Target) -> list[str]:
    matrix = given.matrix
    kind = "integer" if matrix.weights.dtype.kind == "i" else "real"
    number = int((matrix.weights != 0).sum())
    rows, cells = matrix.shape
    with text_output(target.place(), target.destination) as file:
        file.write(f"%%MatrixMarket matrix coordinate {kind} general\n{_comment(record)}".encode())
        file.write(f"{rows} {cells} {number}\n".encode())
        relation = engine.register("entries", entries(matrix))
        write_lines(
            engine,
            f"SELECT (i + 1) || ' ' || (j + 1) || ' ' || weight || chr(10) FROM {relation} WHERE weight <> 0",
            file,
        )
    for table, path in zip((given.rows, given.columns), target.sidecars(), strict=True):
        _write_axis(engine, table, path)
    lost = [*given.layers, *given.left_out]
    return [f"a .mtx file has one number for a cell, the weight; {join_names(lost)} is not in it"] if lost else []


def _write_axis(engine: Engine, table: NodeTable, path: Any) -> None:
    query = f"SELECT {columns(table.columns)} FROM {table.relation} ORDER BY {PLACE}"
    write_table(engine, Table(query, tuple(table.columns), table.number), path, ".csv", {})


offer_matrix(".mtx", _write, (_ROWS, _COLUMNS))
