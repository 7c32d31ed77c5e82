"""Writes graphs as GEXF (https://gexf.net), Gephi's own format, which networkx reads, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crantcli import __version__
from crantcli.core.graph.nodes import NODE, PLACE
from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.output.graphs import GraphTables, offer_graph
from crantcli.output.markup import EXACT, escape, for_xml, id_text, text_output, value_text, write_lines
from crantcli.output.provenance import as_text
from crantcli.output.writers import Target

_TYPES = {"BIGINT": "long", "DOUBLE": "double", "BOOLEAN": "boolean", "VARCHAR": "string"}

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<gexf xmlns="http://www.gexf.net/1.2draft" version="1.2">
"""


def _attributes(element: str, kinds: Mapping[str, str]) -> str:
    """What the attributes of nodes or edges are called, and what they are."""
    lines = [
        f'      <attribute id="{number}" title="{escape(name)}" type="{_TYPES[kind]}"/>\n'
        for number, (name, kind) in enumerate(kinds.items())
    ]
    return f'    <attributes class="{element}">\n{"".join(lines)}    </attributes>\n' if lines else ""


def _values(kinds: Mapping[str, str]) -> str:
    """Query text that gives the attributes of a node or an edge; what is null has none."""
    parts = [
        f"""coalesce('<attvalue for="{number}" value="' || {value_text(quote(name), kind)} || '"/>', '')"""
        for number, (name, kind) in enumerate(kinds.items())
    ]
    return f"'<attvalues>' || {' || '.join(parts)} || '</attvalues>'" if parts else "''"


def _refuse_inexact(engine: Engine, graph: GraphTables, target: Target) -> None:
    """Weights are floating-point numbers in this format."""
    if graph.attributes["weight"] != "BIGINT":
        return
    found = engine.execute(f"SELECT max(weight) FROM {graph.values} WHERE weight NOT BETWEEN {-EXACT} AND {EXACT}")
    if found[0][0] is not None:
        raise DataError(
            f"{target.destination}: a weight is {found[0][0]}, and GEXF has floating-point weights, which are exact up "
            "to 2^53; write .graphml or .sqlite"
        )


def _write(engine: Engine, given: GraphTables, record: dict[str, Any], target: Target) -> list[str]:
    graph, notes = for_xml(engine, given, "GEXF")
    _refuse_inexact(engine, graph, target)
    kinds = dict(engine.columns(f"SELECT {NODE} FROM {graph.nodes.relation}"))
    pre, post = (id_text(quote(end), kinds[NODE]) for end in graph.ends)
    node = id_text(NODE, kinds[NODE])
    further = {name: kind for name, kind in graph.attributes.items() if name != "weight"}
    start = text('      <edge id="')
    with text_output(target.place(), target.destination) as file:
        meta = f"<creator>crantcli {__version__}</creator><description>{escape(as_text(record))}</description>"
        file.write(f'{_HEAD}  <meta>{meta}</meta>\n  <graph defaultedgetype="directed" mode="static">\n'.encode())
        file.write((_attributes("node", graph.nodes.attributes) + _attributes("edge", further)).encode())
        file.write(b"    <nodes>\n")
        write_lines(
            engine,
            f"""SELECT '      <node id="' || {node} || '" label="' || {node} || '">' || """
            f"{_values(graph.nodes.attributes)} || '</node>' || chr(10) FROM {graph.nodes.relation} ORDER BY {PLACE}",
            file,
        )
        file.write(b"    </nodes>\n    <edges>\n")
        write_lines(
            engine,
            f"""SELECT {start} || (row_number() OVER () - 1) || '" source="' || {pre} || '" target="' || {post} || """
            f"""'" weight="' || {value_text("weight", graph.attributes["weight"])} || '">' || {_values(further)} || """
            f"'</edge>' || chr(10) FROM ({graph.edges})",
            file,
        )
        file.write(b"    </edges>\n  </graph>\n</gexf>\n")
    return notes


offer_graph(".gexf", _write)
