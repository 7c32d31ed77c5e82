"""Writes graphs as GraphML (http://graphml.graphdrawing.org), which Gephi, Cytoscape, igraph and networkx read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crantcli.core.graph.nodes import NODE, PLACE
from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.output.graphs import GraphTables, offer_graph
from crantcli.output.markup import escape, for_xml, id_text, text_output, value_text, write_lines
from crantcli.output.provenance import as_text
from crantcli.output.writers import Target
from crantcli.schema import KEY

_TYPES = {"BIGINT": "long", "DOUBLE": "double", "BOOLEAN": "boolean", "VARCHAR": "string"}

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">
"""


def _keys(graph: GraphTables) -> str:
    """What the attributes are called, and what they are."""
    told = [(KEY, "graph", KEY, "VARCHAR")]
    for element, kinds in (("node", graph.nodes.attributes), ("edge", graph.attributes)):
        told += [(f"{element[0]}{number}", element, name, kinds[name]) for number, name in enumerate(kinds)]
    return "".join(
        f'  <key id="{key}" for="{element}" attr.name="{escape(name)}" attr.type="{_TYPES[kind]}"/>\n'
        for key, element, name, kind in told
    )


def _data(kinds: Mapping[str, str], letter: str) -> str:
    """Query text that gives the `data` elements of a node or an edge; what is null has none."""
    parts = []
    for number, (name, kind) in enumerate(kinds.items()):
        start = text(f'<data key="{letter}{number}">')
        parts.append(f"coalesce({start} || {value_text(quote(name), kind)} || '</data>', '')")
    return " || ".join(parts) or "''"


def _write(engine: Engine, given: GraphTables, record: dict[str, Any], target: Target) -> list[str]:
    graph, notes = for_xml(engine, given, "GraphML")
    kinds = dict(engine.columns(f"SELECT {NODE} FROM {graph.nodes.relation}"))
    pre, post = (id_text(quote(end), kinds[NODE]) for end in graph.ends)
    node = id_text(NODE, kinds[NODE])
    with text_output(target.place(), target.destination) as file:
        file.write((_HEAD + _keys(graph)).encode())
        file.write(
            f'  <graph edgedefault="directed">\n    <data key="{KEY}">{escape(as_text(record))}</data>\n'.encode()
        )
        write_lines(
            engine,
            f"""SELECT '    <node id="' || {node} || '">' || {_data(graph.nodes.attributes, "n")} || """
            f"'</node>' || chr(10) FROM {graph.nodes.relation} ORDER BY {PLACE}",
            file,
        )
        write_lines(
            engine,
            f"""SELECT '    <edge source="' || {pre} || '" target="' || {post} || '">' || """
            f"{_data(graph.attributes, 'e')} || '</edge>' || chr(10) FROM ({graph.edges})",
            file,
        )
        file.write(b"  </graph>\n</graphml>\n")
    return notes


offer_graph(".graphml", _write)
