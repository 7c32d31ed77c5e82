"""Text files that the engine makes line by line: XML with everything escaped, and what XML cannot hold.

Lines come as Arrow text, whose memory is written as it is: no row passes through Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from crantcli.core.graph.nodes import NODE, PLACE
from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError, writing_to
from crantcli.output.graphs import GraphTables
from crantcli.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Characters that no XML 1.0 document can hold, escaped or not (section 2.2 of its specification), as the engine's
#: regular expressions spell them.
_IMPOSSIBLE = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"

#: What stands for one of them in text that is no ID: the replacement character.
_REPLACEMENT = "\ufffd"

#: What must not stand in text or in an attribute as it is. Parsers make blanks of tabs and ends of lines.
_SPECIAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}

#: Beyond this, not every whole number is a floating-point number, which some programs make of all numbers.
EXACT = 2**53


def escape(value: str) -> str:
    """Text as it stands in XML, between tags and in attributes."""
    for mark, written in _SPECIAL.items():
        value = value.replace(mark, written)
    return value


def escaped(column: str) -> str:
    """The same of a column of text, as query text; impossible characters are replaced."""
    expression = f"regexp_replace({column}, {text(_IMPOSSIBLE)}, {text(_REPLACEMENT)}, 'g')"
    for mark, written in _SPECIAL.items():
        expression = f"replace({expression}, {_literal(mark)}, {text(written)})"
    special = r'[\x00-\x1F&<>"\x{FFFE}\x{FFFF}]'
    return f"CASE WHEN regexp_matches({column}, {text(special)}) THEN {expression} ELSE {column} END"


def _literal(mark: str) -> str:
    return text(mark) if mark.isprintable() else f"chr({ord(mark)})"


def value_text(column: str, kind: str) -> str:
    """A value of an attribute in XML, as query text."""
    if kind == "VARCHAR":
        return escaped(column)
    if kind != "DOUBLE":
        return f"CAST({column} AS VARCHAR)"
    special = f"WHEN isnan({column}) THEN 'NaN' WHEN isinf({column}) THEN if({column} > 0, 'INF', '-INF')"
    return f"CASE {special} ELSE CAST({column} AS VARCHAR) END"


def id_text(column: str, kind: str) -> str:
    """A node in XML, as query text."""
    return escaped(column) if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"


@contextmanager
def text_output(path: Path, destination: str) -> Iterator[IO[bytes]]:
    """A file to write to, and errors that name its destination.

    Raises
    ------
    CrantError
    """
    with writing_to(destination), path.open("wb") as file:
        yield file


def write_lines(engine: Engine, query: str, file: IO[bytes]) -> None:
    """Write a query's only column of text, which holds whole lines with their ends."""
    import pyarrow as pa

    for batch in engine.reader(query):
        lines = batch.column(0)
        if not len(lines):
            continue
        wide = pa.types.is_large_string(lines.type)
        _, offsets, data = lines.buffers()
        places = memoryview(offsets).cast("q" if wide else "i")
        file.write(memoryview(data)[places[lines.offset] : places[lines.offset + len(lines)]])


def for_xml(engine: Engine, graph: GraphTables, format_name: str) -> tuple[GraphTables, list[str]]:
    """A graph with what can stand in XML only, and what to say of the changes.

    Nodes' attributes that hold numbers beyond 2^53, such as IDs, become text. In text, characters that XML cannot
    hold are replaced.

    Raises
    ------
    DataError
        Where the name of a node, or of a column, holds such a character.
    """
    nodes = graph.nodes
    for column in (*nodes.attributes, *graph.attributes):
        if not _possible(engine, column):
            raise DataError(f"the column {column!r} has a character in its name that XML cannot hold; rename it")
    node_kind = _kind_of_nodes(engine, graph)
    if node_kind == "VARCHAR":
        found = engine.execute(f"SELECT {NODE} FROM {nodes.relation} WHERE {_has_impossible(NODE)} ORDER BY 1 LIMIT 1")
        if found:
            raise DataError(
                f"neuron {found[0][0]!r} has a character in its name that XML, and so {format_name}, cannot hold; "
                "rename it, or write .sqlite"
            )
    large = _beyond_floats(engine, nodes.relation, nodes.attributes)
    notes = [
        f"{format_name}: column {name} is text, since it has numbers beyond 2^53, of which many programs make others"
        for name in large
    ]
    replaced = _impossible(engine, nodes.relation, nodes.attributes)
    replaced += _impossible(engine, graph.values, graph.attributes)
    if replaced:
        notes.append(
            f"{format_name}: {plural(replaced, 'value')} of attributes with characters that XML cannot hold; "
            f"{_REPLACEMENT} stands for each"
        )
    if large:
        attributes = {name: "VARCHAR" if name in large else kind for name, kind in nodes.attributes.items()}
        chosen = ", ".join(
            f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" if name in large else quote(name)
            for name in nodes.columns
        )
        view = engine.view("xml_nodes", f"SELECT {PLACE}, {chosen} FROM {nodes.relation}")
        nodes = replace(nodes, relation=view, attributes=attributes)
    return replace(graph, nodes=nodes), notes


def _kind_of_nodes(engine: Engine, graph: GraphTables) -> str:
    return dict(engine.columns(f"SELECT {NODE} FROM {graph.nodes.relation}"))[NODE]


def _possible(engine: Engine, name: str) -> bool:
    return not engine.execute(f"SELECT {_has_impossible(text(name))}")[0][0]


def _has_impossible(column: str) -> str:
    return f"regexp_matches({column}, {text(_IMPOSSIBLE)})"


def _beyond_floats(engine: Engine, relation: str, kinds: Mapping[str, str]) -> list[str]:
    """Columns of whole numbers that not all are floating-point numbers."""
    whole = [name for name, kind in kinds.items() if kind == "BIGINT"]
    if not whole:
        return []
    tests = ", ".join(f"coalesce(bool_or({quote(name)} NOT BETWEEN {-EXACT} AND {EXACT}), false)" for name in whole)
    found = engine.execute(f"SELECT {tests} FROM {relation}")[0]
    return [name for name, beyond in zip(whole, found, strict=True) if beyond]


def _impossible(engine: Engine, relation: str, kinds: Mapping[str, str]) -> int:
    """How many values of text columns have characters that XML cannot hold."""
    texts = [name for name, kind in kinds.items() if kind == "VARCHAR"]
    if not texts:
        return 0
    counts = " + ".join(f"count(*) FILTER ({_has_impossible(quote(name))})" for name in texts)
    return int(engine.execute(f"SELECT {counts} FROM {relation}")[0][0])
