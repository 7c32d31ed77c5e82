"""The nodes of a graph, or of one axis of a matrix, with what the annotations say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crantcli.core.engine import SqlEngine
from crantcli.core.question import Graph
from crantcli.core.relation import Annotations, annotation_column
from crantcli.core.rows.labels import key
from crantcli.core.sql import joined, quote
from crantcli.schema import IdType

#: The column of nodes in every table of them.
NODE = "neuron_id"

#: Columns beside it that no table of annotations has, as query text: the position from 0, and whether it is annotated.
PLACE, ANNOTATED = '"position?"', '"annotated?"'


@dataclass(frozen=True)
class NodeTable:
    """Nodes, each once.

    Attributes
    ----------
    relation : str
        A table of `PLACE`, `NODE`, and one column for each of `attributes`.
    axis : str
        A table `id, position` of the same nodes.
    attributes : dict of str to str
        Columns that annotations have -> SQL types. Lists are text, and so is what is neither number, truth nor text.
    number : int
        Of nodes.
    unknown : int
        Nodes that the annotations do not have; 0 without annotations.
    renamed : dict of str to str
        What columns of the annotations are called here, where that is otherwise.
    """

    relation: str
    axis: str
    attributes: dict[str, str]
    number: int
    unknown: int = 0
    renamed: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The node and its attributes."""
        return [NODE, *self.attributes]


def graph_nodes(engine: SqlEngine, graph: Graph) -> NodeTable:
    """The nodes of a graph: ends of edges, and those that it has without one."""
    queries = [_end(graph, place) for place in (0, 1)] if graph.relation else []
    if graph.axes is not None:
        queries.append(f"SELECT id FROM {graph.axes}")
    return node_table(engine, _distinct(engine, queries), graph.id_type, graph.annotations)


def axis_nodes(engine: SqlEngine, graph: Graph) -> tuple[NodeTable, NodeTable]:
    """The nodes that edges come from, and those that they go to."""
    made = []
    for place, side in enumerate(("pre", "post")):
        queries = [_end(graph, place)]
        if graph.axes is not None:
            queries.append(f"SELECT id FROM {graph.axes} WHERE side = '{side}'")
        made.append(node_table(engine, _distinct(engine, queries), graph.id_type, graph.annotations))
    return made[0], made[1]


def _end(graph: Graph, place: int) -> str:
    return f"SELECT {quote(graph.ends[place])} AS id FROM {graph.relation}"


def _distinct(engine: SqlEngine, queries: Sequence[str]) -> str:
    """A table `id, position` of what some queries `id` give."""
    return engine.table(
        "distinct_nodes",
        "SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM "
        f"(SELECT DISTINCT id FROM ({' UNION ALL '.join(queries)}) WHERE id IS NOT NULL)",
    )


def node_table(engine: SqlEngine, nodes: str, id_type: IdType, annotations: Annotations | None) -> NodeTable:
    """Nodes with the columns of annotations.

    Parameters
    ----------
    nodes : str
        A table `id, position` of them.
    """
    number = int(engine.execute(f"SELECT count(*) FROM {nodes}")[0][0])
    if annotations is None:
        view = engine.view("nodes", f"SELECT position AS {PLACE}, id AS {NODE} FROM {nodes}")
        return NodeTable(view, nodes, {}, number)
    kinds = dict(engine.columns(f"SELECT * FROM {annotations.relation}"))
    names = attribute_names(annotations)
    numbers = annotations.numbers()
    chosen, types = [], {}
    for column, name in names.items():
        listed = column in annotations.list_columns
        plain = _as_attribute(annotation_column(column), kinds["c:" + column], listed)
        told, types[name] = numbers.get(column, plain)
        chosen.append(f"{told} AS {quote(name)}")
    values = "".join(f", {expression}" for expression in chosen)
    known = engine.view("known_nodes", f"SELECT {key(id_type)} AS known_id{values} FROM {annotations.relation}")
    named = "".join(f", k.{quote(name)}" for name in names.values())
    relation = engine.table(
        "nodes",
        f"SELECT d.position AS {PLACE}, d.id AS {NODE}{named}, k.known_id IS NOT NULL AS {ANNOTATED} "
        f"FROM {nodes} AS d LEFT JOIN {known} AS k ON d.id = k.known_id",
    )
    unknown = int(engine.execute(f"SELECT count(*) FROM {relation} WHERE NOT {ANNOTATED}")[0][0])
    renamed = {column: name for column, name in names.items() if column != name}
    return NodeTable(relation, nodes, types, number, unknown, renamed)


def attribute_names(annotations: Annotations) -> dict[str, str]:
    """Columns of annotations -> their names beside those of nodes. The column of IDs is not among them."""
    taken = {name.strip('"') for name in (NODE, PLACE, ANNOTATED)}
    found = {}
    for column in annotations.columns:
        if column == annotations.id_column:
            continue
        name, number = column, 1
        while name.lower() in taken:
            number += 1
            name = f"{column}_{number}"
        taken.add(name.lower())
        found[column] = name
    return found


#: Types that stay numbers.
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
FRACTIONAL = ("FLOAT", "DOUBLE")


def _as_attribute(column: str, kind: str, listed: bool) -> tuple[str, str]:
    """A column as number, truth or text, and its type."""
    if listed:
        return joined(column, ";"), "VARCHAR"
    if kind in WHOLE:
        return f"CAST({column} AS BIGINT)", "BIGINT"
    if kind in FRACTIONAL or kind.startswith("DECIMAL"):
        return f"CAST({column} AS DOUBLE)", "DOUBLE"
    return (column, "BOOLEAN") if kind == "BOOLEAN" else (f"CAST({column} AS VARCHAR)", "VARCHAR")


def edge_attributes(engine: SqlEngine, query: str, columns: Sequence[str], ends: Sequence[str]) -> dict[str, str]:
    """Columns of edges beside their ends -> SQL types; what is neither number nor truth is text."""
    kinds = dict(engine.columns(query))
    found = {}
    for name in columns:
        if name not in ends:
            found[name] = _as_attribute(quote(name), kinds[name], listed=False)[1]
    return found
