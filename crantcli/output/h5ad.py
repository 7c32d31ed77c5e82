"""Writes matrices as AnnData files (https://anndata.readthedocs.io), by AnnData itself.

`X` holds the weights, rows are observations and columns variables; `layers` hold further numbers of the same pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crantcli.core.graph.nodes import NODE, PLACE, NodeTable
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.sql import columns
from crantcli.engine.duckdb import Engine
from crantcli.errors import CrantError
from crantcli.output.graphs import MatrixTables, offer_matrix
from crantcli.output.provenance import as_text
from crantcli.output.writers import Target
from crantcli.schema import KEY
from crantcli.text import join_names, plural

if TYPE_CHECKING:
    import pandas as pd


def _write(engine: Engine, given: MatrixTables, record: dict[str, Any], target: Target) -> list[str]:
    import anndata

    notes: list[str] = []
    made = anndata.AnnData(
        _csr(given.matrix),
        obs=_frame(engine, given.rows, notes),
        var=_frame(engine, given.columns, notes),
        layers={_key(name, notes): _csr(layer) for name, layer in given.layers.items()},
        uns={KEY: as_text(record)},
    )
    try:
        made.write_h5ad(target.place())
    except OSError as error:
        raise CrantError(f"{target.destination}: cannot be written ({error})") from None
    if given.left_out:
        notes.append(f"layers of an .h5ad file hold numbers; {join_names(given.left_out)} is not in it")
    return list(dict.fromkeys(notes))


def _csr(matrix: LabelledMatrix) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((matrix.weights, matrix.indices, matrix.indptr), shape=matrix.shape)


def _key(name: str, notes: list[str]) -> str:
    """A name as HDF5 can have it, where a slash leads into a group, and a null ends it."""
    written = name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00") if {*"/\0"} & {*name} else name
    if written != name:
        notes.append(f".h5ad: {name!r} is called {written}, since HDF5 has no such names")
    return written


def _frame(engine: Engine, table: NodeTable, notes: list[str]) -> pd.DataFrame:
    """The nodes of an axis, IDs as text in the index, as AnnData wants them."""
    import pandas as pd

    query = f"SELECT {columns(table.columns)} FROM {table.relation} ORDER BY {PLACE}"
    found = engine.reader(query).read_all()
    index = pd.Index([str(node) for node in found.column(NODE).to_pylist()], dtype=object, name=NODE)
    series = {
        _key(name, notes): _series(found.column(name).to_pylist(), kind, name, notes)
        for name, kind in table.attributes.items()
    }
    return pd.DataFrame({name: values.set_axis(index) for name, values in series.items()}, index=index)


_DTYPES: Mapping[str, str] = {"BIGINT": "Int64", "DOUBLE": "float64", "BOOLEAN": "boolean"}


def _series(values: list[Any], kind: str, name: str, notes: list[str]) -> pd.Series[Any]:
    """A column: text as categories, numbers and truths with gaps as nullable ones."""
    import pandas as pd

    if kind != "VARCHAR":
        gaps = None in values
        plain = {"BIGINT": "int64", "BOOLEAN": "bool"}.get(kind, "float64")
        return pd.Series(values, dtype=_DTYPES[kind] if gaps else plain)
    broken = sum("\0" in value for value in values if value is not None)
    if broken:
        notes.append(f".h5ad: column {name}: {plural(broken, 'text')} with null characters, which are replaced")
        values = [None if value is None else value.replace("\0", "\ufffd") for value in values]
    return pd.Series(pd.Categorical(values, categories=sorted({value for value in values if value is not None})))


offer_matrix(".h5ad", _write, package="anndata")
