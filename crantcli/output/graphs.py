"""EdgeTable and matrices as what formats of graphs, and of matrices with tables beside them, are written from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crantcli.core.graph.matrices import matrices_of
from crantcli.core.graph.nodes import NodeTable, axis_nodes, edge_attributes, graph_nodes, node_table
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.question import EdgeTable, Graph, Matrix
from crantcli.core.relation import Annotations
from crantcli.core.sql import quote
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError
from crantcli.output.matrices import entries
from crantcli.output.writers import Target, Writer, register
from crantcli.schema import IdType
from crantcli.text import P, join_names


@dataclass(frozen=True)
class GraphTables:
    """A graph as tables.

    Attributes
    ----------
    nodes : NodeTable
    edges : str
        SELECT text with its order, which can be run once.
    ends : tuple of str
        Its columns of nodes.
    attributes : dict of str to str
        Its further columns, `weight` among them -> "BIGINT", "DOUBLE", "BOOLEAN" or "VARCHAR".
    values : str
        A relation of these columns in any order, which can be read several times.
    """

    nodes: NodeTable
    edges: str
    ends: tuple[str, str]
    attributes: dict[str, str]
    values: str


@dataclass(frozen=True)
class MatrixTables:
    """A matrix with what is known of its rows and columns.

    Attributes
    ----------
    matrix : LabelledMatrix
    rows, columns : NodeTable
    layers : dict of str to LabelledMatrix
        Further numbers of the same entries.
    left_out : list of str
        Columns of edges that are no numbers.
    """

    matrix: LabelledMatrix
    rows: NodeTable
    columns: NodeTable
    layers: dict[str, LabelledMatrix] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


WriteGraph = Callable[[Engine, GraphTables, dict[str, Any], Target], list[str]]
WriteMatrix = Callable[[Engine, MatrixTables, dict[str, Any], Target], list[str]]


def offer_graph(suffix: str, write: WriteGraph) -> None:
    """Register a format of graphs, for edges and for matrices."""

    def of_edges(engine: Engine, edges: EdgeTable, record: dict[str, Any], target: Target) -> list[str]:
        found = _graph_of_edges(engine, edges, target)
        return [*write(engine, found, record, target), *_notes(found.nodes)]

    def of_matrix(engine: Engine, matrix: LabelledMatrix, record: dict[str, Any], target: Target) -> list[str]:
        found = _graph_of_matrix(engine, matrix, target.annotations)
        return [*write(engine, found, record, target), *_notes(found.nodes)]

    register(EdgeTable, Writer(suffix, of_edges))
    register(Matrix, Writer(suffix, of_matrix))


def offer_matrix(suffix: str, write: WriteMatrix, sidecars: tuple[str, ...] = (), package: str = "") -> None:
    """Register a format of matrices, for edges and for matrices; `sidecars` and `package` as of a `Writer`."""

    def of_edges(engine: Engine, edges: EdgeTable, record: dict[str, Any], target: Target) -> list[str]:
        found = _matrix_of_edges(engine, edges, target)
        return [*write(engine, found, record, target), *_notes(found.rows, found.columns)]

    def of_matrix(engine: Engine, matrix: LabelledMatrix, record: dict[str, Any], target: Target) -> list[str]:
        rows, columns = (
            node_table(engine, axis, _id_type(matrix), target.annotations) for axis in _axes(engine, matrix).values()
        )
        told = write(engine, MatrixTables(matrix, rows, columns), record, target)
        return [*told, *_notes(rows, columns)]

    register(EdgeTable, Writer(suffix, of_edges, sidecars=sidecars, package=package))
    register(Matrix, Writer(suffix, of_matrix, sidecars=sidecars, package=package))


def _graph(edges: EdgeTable, target: Target) -> Graph:
    if edges.graph is None:
        raise UsageError(
            f"{target.destination}: a node of a graph has one name, and these groups have not one label on each side; "
            f"give {P.by} one column of labels, or write a table"
        )
    return edges.graph


def _graph_of_edges(engine: Engine, edges: EdgeTable, target: Target) -> GraphTables:
    graph = _graph(edges, target)
    attributes = edge_attributes(engine, f"SELECT * FROM {graph.relation}", edges.columns, graph.ends)
    return GraphTables(graph_nodes(engine, graph), edges.query, graph.ends, attributes, graph.relation)


def _matrix_of_edges(engine: Engine, edges: EdgeTable, target: Target) -> MatrixTables:
    graph = _graph(edges, target)
    if graph.apart:
        raise UsageError(
            f"{target.destination}: a matrix has one cell for a pair, and here a pair has a row for each "
            f"{join_names(graph.apart)}; add these up, or write a graph or a table"
        )
    attributes = edge_attributes(engine, f"SELECT * FROM {graph.relation}", edges.columns, graph.ends)
    numbers = [name for name, kind in attributes.items() if kind in ("BIGINT", "DOUBLE") and name != "weight"]
    rows, columns = axis_nodes(engine, graph)
    relation = (
        f"(SELECT * FROM {graph.relation} WHERE {' AND '.join(f'{quote(end)} IS NOT NULL' for end in graph.ends)})"
    )
    made = matrices_of(engine, relation, graph.ends, (rows.axis, columns.axis), ["weight", *numbers])
    left_out = [name for name in attributes if name not in ("weight", *numbers)]
    return MatrixTables(made[0], rows, columns, dict(zip(numbers, made[1:], strict=True)), left_out)


def _graph_of_matrix(engine: Engine, matrix: LabelledMatrix, annotations: Annotations | None) -> GraphTables:
    sides = _axes(engine, matrix)
    axes = " UNION ALL ".join(f"SELECT '{side}' AS side, id FROM {axis}" for side, axis in sides.items())
    graph = Graph("", ("pre", "post"), _id_type(matrix), axes=f"({axes})", annotations=annotations)
    cells = engine.register("cells", entries(matrix))
    # Rows of a matrix come in the order of its axes.
    query = (
        f"SELECT r.id AS pre, c.id AS post, e.weight AS weight FROM {cells} AS e "
        f"JOIN {sides['pre']} AS r ON e.i = r.position JOIN {sides['post']} AS c ON e.j = c.position ORDER BY e.i, e.j"
    )
    kind = "BIGINT" if matrix.weights.dtype.kind == "i" else "DOUBLE"
    values = engine.columns_table("weights", {"weight": matrix.weights})
    return GraphTables(graph_nodes(engine, graph), query, graph.ends, {"weight": kind}, values)


def _axes(engine: Engine, matrix: LabelledMatrix) -> dict[str, str]:
    """Tables `id, position` of both axes."""
    import numpy as np

    return {
        side: engine.columns_table("axis", {"id": ids, "position": np.arange(len(ids))})
        for side, ids in (("pre", matrix.pre), ("post", matrix.post))
    }


def _id_type(matrix: LabelledMatrix) -> IdType:
    return "VARCHAR" if matrix.pre.dtype.kind == "U" else "BIGINT"


def _notes(*tables: NodeTable) -> list[str]:
    """What the user should know of the nodes."""
    found = []
    unknown, number = (sum(getattr(table, name) for table in tables) for name in ("unknown", "number"))
    if unknown:
        where = "nodes" if len(tables) == 1 else "rows and columns"
        found.append(f"{unknown:,} of {number:,} {where} have no row in the annotations, and no attributes")
    renamed = {old: new for table in tables for old, new in table.renamed.items()}
    found += [f"column {old} of the annotations is called {new}: its name is taken" for old, new in renamed.items()]
    return found
