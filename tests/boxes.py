"""Boxes as neuropils, and small synapse tables in them, for the tests of neuropils."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import trimesh
from closed import box
from neuropil_oracle import Point

#: They overlap, touch, lie in one another, and hold nothing.
BOXES: dict[str, tuple[Point, Point]] = {
    "A": ((0, 0, 0), (8, 8, 8)),
    "B, b": ((8, 0, 0), (16, 8, 8)),
    "C.1": ((4, 4, 4), (12, 12, 12)),
    "d'or": ((2, 2, 2), (4, 4, 4)),
    "empty": ((100, 100, 100), (108, 108, 108)),
}

#: Where synapses of `few` lie: in A; in A and C.1; in B, b; in none; nowhere.
PLACES = ([1, 1, 1], [5, 5, 5], [13, 1, 1], [50, 50, 50], None)


def mesh_folder(path: Path, boxes: Iterable[str] = BOXES) -> Path:
    """The boxes as meshes, in a new folder."""
    path.mkdir(parents=True)
    for name in boxes:
        trimesh.Trimesh(*box(*BOXES[name]), process=False).export(path / f"{name}.ply")
    return path


def few(**columns: object) -> pd.DataFrame:
    """Five synapses: 1 -> 2 in A, 1 -> 2 in A and C.1, 2 -> 3 in B, b, 3 -> 1 in none, 3 -> 2 without a position."""
    table = {
        "id": [11, 12, 13, 14, 15],
        "pre_pt_root_id": [1, 1, 2, 3, 3],
        "post_pt_root_id": [2, 2, 3, 1, 2],
        "size": [5, 6, 7, 8, 9],
        "ctr_pt_position": pd.Series(list(PLACES), dtype=object),
    }
    return pd.DataFrame({**table, **columns})


def cells() -> pd.DataFrame:
    """Types of the neurons 1 to 3."""
    return pd.DataFrame({"root_id": [1, 2, 3], "cell_type": ["X", "Y", "Y"]})


def read_npz(path: Path) -> dict[tuple[str, str], float]:
    """The nonzero cells of a matrix in a file, neurons as text."""
    with np.load(path) as archive:
        pre, post = archive["pre"].tolist(), archive["post"].tolist()
        rows = np.repeat(np.arange(len(pre)), np.diff(archive["indptr"])).tolist()
        found = zip(rows, archive["indices"].tolist(), archive["data"].tolist(), strict=True)
        return {(str(pre[i]), str(post[j])): value for i, j, value in found}
