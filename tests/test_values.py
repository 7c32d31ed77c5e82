"""Options of Python functions that have a wrong value: an error that names them, as on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import crantcli as cc
from crantcli.errors import UsageError

SYNAPSES, SKELETONS = str(ROOT / "sample_data" / "synapses.parquet"), str(ROOT / "sample_data" / "skeletons")

WRONG: dict[str, list[Any]] = {
    "clean": ["no", None, 1],
    "min_size": ["5", -1, 2.5, True],
    "threshold": ["5", 0, 2.5, True],
    "neuron_id_column": [5, ""],
    "cell_type_column": [5, ""],
    "coordinates": ["um", 5],
    "voxel_size": [(1, 2), (1, 2, "x"), 5, "1,2"],
    "materialization": ["yesterday", 5.5],
    "update_ids": ["no", None],
    "live": [5, {}],
    "max_memory": ["much", 5, None],
    "dataset": [5, "", "nowhere"],
    "annotations": [5, ""],
    "totals": [5, ""],
    "neuropil": [5, [5], "EB"],
    "meshes": [5, "", ["a", "b"], "folder"],
    "mesh_scale": ["x", 0, 2],
    "skeletons": [5, "", [5], [""], SKELETONS],
    "skeleton_units": ["mm", 5, None, "NM"],
    "fill_down": ["no"],
    "allow_null": ["no"],
    "undirected": ["no"],
    "signed": ["no"],
    "drop_totals": ["no"],
    "where": [5, "zzz"],
    "kind": ["x", 5],
    "delimiter": ["xx", 5],
    "header": [5, "ab"],
    "null_text": [5],
    "delta_version": ["x", 1.5, True, -1],
    "pre_col": [5, ""],
    "post_col": [5],
    "weight_col": [5],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name.split('_')[0]}|source"):
        cc.ask(cc.questions.Connectivity(), **{"source": SYNAPSES, name: value})


@pytest.mark.parametrize("value", ["mm", "NM", None])
def test_skeletons_are_not_taken_to_be_in_nm(value: Any) -> None:
    """As any other unit would be."""
    with pytest.raises(UsageError, match="skeleton_units="):
        cc.ask(
            cc.questions.Attach(),
            source=SYNAPSES, skeletons=SKELETONS, coordinates="nm", voxel_size=(8, 8, 42), skeleton_units=value,
        )  # fmt: skip


def test_right_values_in_other_types() -> None:
    """Paths, numbers of NumPy, and sizes as the command line has them."""
    np = pytest.importorskip("numpy")
    asked: dict[str, Any] = {"source": Path(SYNAPSES), "min_size": 5, "threshold": 2}
    usual = cc.ask(cc.questions.Connectivity(), **asked)
    asked |= {"min_size": np.int64(5), "threshold": np.uint8(2), "voxel_size": "8,8,42"}
    assert usual.equals(cc.ask(cc.questions.Connectivity(), **asked))
