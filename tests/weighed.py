"""What tests of weights have in common: tables with a column to add up, ways to weigh them, and entries of matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from oracle import Row
from strategies import ABSENT, Drawn, annotation_tables, cell

from crantcli.core.rows.weights import signs_of

WEIGHTS = st.sampled_from(["count", "sum:score", "mean:score"])
FRACTIONS = st.sampled_from([None, None, 0.0, 0.25, 0.5, 1.0])
SIGNS = st.sampled_from([None, *(signs_of("side", "LEFT", unsigned=what) for what in ("drop", "positive"))])

_SCORES = (-2, 0, 1, 2, 5, None)


def scored(table: Drawn) -> Drawn:
    """The same with a column `score` that can be added up, and lacks values."""
    rows = [{**row, "score": _SCORES[(7 * place) % 6]} for place, row in enumerate(table.rows)]
    return Drawn(rows, (*table.columns, "score"), table.neurons)


def labelled(data: st.DataObject, table: Drawn) -> list[Row]:
    """Annotations, of one neuron at least that is left, so that the label of signs is known."""
    left = {"root_id": ABSENT[type(table.neurons[0])], "cell_type": "other", "side": "left"}
    return [{"cell_type": None, "side": None, **row} for row in [*data.draw(annotation_tables(table.neurons)), left]]


def entries(found: pd.DataFrame) -> dict[tuple[Any, Any], Any]:
    """The cells of a matrix that are not 0."""
    cells = {}
    for row, column in np.argwhere(found.to_numpy() != 0).tolist():
        cells[cell(found.index[row]), cell(found.columns[column])] = cell(found.iat[row, column])
    return cells


def rounded(cells: dict[Any, Any]) -> dict[Any, Any]:
    """Sums of fractions depend on their order in the last digits."""
    return {key: round(value, 9) if isinstance(value, float) else value for key, value in cells.items()}


def weighed_files(folder: Path, types: str) -> Path:
    """Write `synapses.csv`, seven synapses with sizes, of which one has none, and `types.csv` with these rows."""
    (folder / "synapses.csv").write_text(
        "id,pre,post,size,neuropil\n1,1,2,10,EB\n2,1,2,20,EB\n3,2,1,5,FB\n4,2,3,,FB\n5,3,1,7,EB\n6,3,1,9,EB\n7,4,1,1,FB\n"
    )
    (folder / "types.csv").write_text(f"root_id,cell_type,side,nt\n{types}")
    return folder
