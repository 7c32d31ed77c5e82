"""Graphs and matrices in files of other programs, as these programs read them."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd
import scipy.io

#: Formats of graphs, which hold each edge with all that is known of it, and of matrices.
GRAPHS, MATRICES = (".graphml", ".gexf", ".sqlite"), (".mtx", ".h5ad")


@dataclass
class Found:
    """What a file holds.

    Attributes
    ----------
    edges : Counter
        (pre, post, weight), IDs as text.
    nodes : dict
        ID as text -> attributes that are there. Of matrices, of rows and columns.
    record : dict
        The provenance.
    axes : tuple
        Of matrices: IDs of the rows, and of the columns.
    layers : dict
        Of matrices: further numbers, by (pre, post).
    """

    edges: Counter[tuple[str, str, float]]
    nodes: dict[str, dict[str, Any]]
    record: dict[str, Any]
    axes: tuple[list[str], list[str]] = ([], [])
    layers: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)


def read_graph(path: str | Path) -> Found:
    """Read a file in the way of its suffix."""
    readers = {".graphml": _networkx, ".gexf": _networkx, ".sqlite": _sqlite, ".mtx": _mtx, ".h5ad": _h5ad}
    return readers[Path(path).suffix](Path(path))


def _networkx(path: Path) -> Found:
    if path.suffix == ".graphml":
        graph = nx.read_graphml(path)
        record = json.loads(graph.graph["crantcli"])
    else:
        graph = nx.read_gexf(path)
        start, end = "<description>", "</description>"
        text = path.read_text(encoding="utf-8")
        import html

        record = json.loads(html.unescape(text[text.index(start) + len(start) : text.index(end)]))
    assert graph.is_directed()
    edges = Counter((pre, post, data["weight"]) for pre, post, data in graph.edges(data=True))
    nodes = {node: {k: v for k, v in data.items() if path.suffix == ".graphml" or k != "label"}
             for node, data in graph.nodes(data=True)}  # fmt: skip
    return Found(edges, nodes, record)


def _sqlite(path: Path) -> Found:
    with closing(sqlite3.connect(path)) as base:
        names = [row[1] for row in base.execute("PRAGMA table_info(edges)")]
        edges = Counter((str(pre), str(post), weight) for pre, post, weight in base.execute(
            f'SELECT "{names[0]}", "{names[1]}", weight FROM edges'
        ))  # fmt: skip
        cursor = base.execute("SELECT * FROM neurons")
        columns = [column[0] for column in cursor.description]
        nodes = {
            str(row[0]): {k: v for k, v in zip(columns[1:], row[1:], strict=True) if v is not None} for row in cursor
        }
        (text,) = base.execute("SELECT value FROM crantcli WHERE key = 'provenance'").fetchone()
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return Found(edges, nodes, json.loads(text))


def _present(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {
        str(node): {k: v for k, v in row.items() if not (v is None or v is pd.NA or v != v)}
        for node, row in frame.astype(object).to_dict("index").items()
    }


def _mtx(path: Path) -> Found:
    stem = str(path)[: -len(".mtx")]
    matrix = scipy.io.mmread(path, spmatrix=False).tocoo()
    # As text: a table that is read as numbers makes floats of whole numbers where there are gaps.
    axes = [
        pd.read_csv(f"{stem}.{name}.csv", index_col="neuron_id", keep_default_na=False, na_values=[""], dtype=str)
        for name in ("rows", "columns")
    ]
    rows, columns = ([str(node) for node in axis.index] for axis in axes)
    assert matrix.shape == (len(rows), len(columns))
    lines = path.read_text().splitlines()
    assert max(map(len, lines)) <= 1024
    text = "".join(line[len("%crantcli ") :] for line in lines if line.startswith("%crantcli "))
    edges = Counter(
        (rows[i], columns[j], weight.item()) for i, j, weight in zip(*matrix.coords, matrix.data, strict=True)
    )
    return Found(edges, {**_present(axes[0]), **_present(axes[1])}, json.loads(text), (rows, columns))


def _h5ad(path: Path) -> Found:
    import anndata

    found = anndata.read_h5ad(path)
    rows, columns = list(found.obs_names), list(found.var_names)

    def cells(matrix: Any) -> dict[tuple[str, str], float]:
        coo = matrix.tocoo()
        return {(rows[i], columns[j]): weight.item() for i, j, weight in zip(coo.row, coo.col, coo.data, strict=True)}

    edges = Counter((pre, post, weight) for (pre, post), weight in cells(found.X).items() if weight)
    layers = {name: cells(found.layers[name]) for name in found.layers}
    record = json.loads(found.uns["crantcli"])
    return Found(edges, {**_present(found.obs), **_present(found.var)}, record, (rows, columns), layers)
