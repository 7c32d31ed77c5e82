"""`attach_synapses` on navis neurons. navis takes seconds to import: all that need it is here, and it comes late."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tables import ONE, TWO

import crantcli as cc

COLUMNS = ["connector_id", "x", "y", "z", "type", "partner_id", "node_id", "synapse_id", "distance"]

navis: Any = None


@pytest.fixture(scope="module", autouse=True)
def _navis() -> None:
    global navis
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        navis = pytest.importorskip("navis", reason="navis is not installed: pip install 'crantcli[navis]'")


@pytest.fixture(autouse=True)
def _of_navis() -> Any:
    """Warnings of navis about pandas are none of ours."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="navis")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*inplace keyword.*")
        yield


def neuron(identity: Any, units: Any = None, scale: float = 1.0, **changes: Any) -> Any:
    """Three nodes along x, at 0, 10 and 20 micrometres if a unit is a nanometre; node IDs 4, 2, 9."""
    nodes = {"node_id": [4, 2, 9], "parent_id": [-1, 4, 2], "x": np.array([0.0, 10_000, 20_000]) / scale}
    nodes |= {"y": np.zeros(3), "z": np.zeros(3), "radius": np.ones(3)} | changes
    return navis.TreeNeuron(pd.DataFrame(nodes), id=identity, units=units)


def table(**changes: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "id": [7, 5, 6],
        "pre": [1, 1, 2],
        "post": [2, 3, 1],
        "ctr_pt_position_x": [11_000, 300, 19_000],
    }
    return pd.DataFrame(columns | {"ctr_pt_position_y": [0] * 3, "ctr_pt_position_z": [40] * 3} | changes)


def attached(neurons: Any, **options: Any) -> Any:
    return cc.attach_synapses(neurons, **{"source": table(), "coordinates": "nm"} | options)


def test_a_neuron_is_changed_in_place_and_returned() -> None:
    one = neuron(1)
    one.connectors = pd.DataFrame({name: [0] for name in ("connector_id", "node_id", "x", "y", "z", "type")})
    assert attached(one) is one
    found = one.connectors
    assert list(found.columns) == COLUMNS
    rows = found.assign(type=found["type"].astype(str)).to_numpy().tolist()
    assert rows == [
        [0, 300.0, 0.0, 40.0, "pre", 3, 4, 5, (300**2 + 40**2) ** 0.5],
        [1, 19_000.0, 0.0, 40.0, "post", 2, 9, 6, (1000**2 + 40**2) ** 0.5],
        [2, 11_000.0, 0.0, 40.0, "pre", 2, 2, 7, (1000**2 + 40**2) ** 0.5],
    ]  # fmt: skip
    assert found["type"].dtype == pd.CategoricalDtype(["pre", "post"])
    assert found.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(("connector_id", "partner_id", "node_id", "synapse_id"), "int64"),
        **dict.fromkeys(("x", "y", "z", "distance"), "float64"), "type": "category",
    }  # fmt: skip
    assert (len(one.presynapses), len(one.postsynapses)) == (2, 1)


def test_a_list_of_neurons() -> None:
    """Silent ones get an empty table with the right columns and types; two of one ID get the same synapses."""
    listed = navis.NeuronList([neuron(3), neuron(8), neuron(1), neuron(1, x=[0.0, 5000, 12_000])])
    with pytest.warns(cc.CrantWarning, match="1 of 4 skeletons have no synapses here, such as 8"):
        assert attached(listed) is listed
    assert [len(one.connectors) for one in listed] == [1, 0, 3, 3]
    assert list(listed[1].connectors.columns) == COLUMNS
    assert (listed[1].connectors.dtypes == listed[2].connectors.dtypes).all()
    assert [one.connectors.index.tolist() for one in listed] == [[0], [], [0, 1, 2], [0, 1, 2]]
    assert listed[2].connectors["node_id"].tolist() != listed[3].connectors["node_id"].tolist()
    assert listed[0].connectors["partner_id"].tolist() == [1]
    assert attached(navis.NeuronList([])) is not None


def test_the_options_are_those_of_the_command() -> None:
    def synapses(**options: Any) -> list[int]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cc.CrantWarning)
            found: list[int] = attached(neuron(1), **options).connectors["synapse_id"].tolist()
        return found

    assert synapses(pre=False) == [6]
    assert synapses(post=False) == [5, 7]
    assert synapses(max_distance=999) == [5]
    assert synapses(max_distance=999, clean=False) == [5, 6, 7]
    twice = pd.concat([table(), table(id=[15, 16, 17], post=[2, 4, 5])])
    assert synapses(source=twice, threshold=2) == [7, 15]
    assert synapses(source=table(size=[5, 6, 7]), min_size=6) == [5, 6]
    assert synapses(source=table(pre=[1, 1, 1], post=[1, 0, 2])) == [6]
    assert synapses(source=table(pre=[1, 1, 1], post=[1, 0, 2]), clean=False) == [5, 6, 7, 7]


def test_from_a_file_or_a_data_set(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "s.parquet")
    (tmp_path / "b.toml").write_text('[files]\nsynapses = "s.parquet"\ncoordinates = "nm"\n')
    from_file = attached(neuron(1), source=tmp_path / "s.parquet").connectors
    from_set = cc.attach_synapses(neuron(1), dataset=str(tmp_path / "b.toml")).connectors
    pd.testing.assert_frame_equal(from_file, attached(neuron(1)).connectors)
    pd.testing.assert_frame_equal(from_file, from_set)


@pytest.mark.parametrize(
    ("units", "scale", "told"),
    [
        (None, 1, None), ("1 nm", 1, None), ("um", 1000, None), ("1 micron", 1000, None), ("8 nanometer", 8, None),
        (None, 1000, "um"), ("1 nm", 8, "pixels"), (["8 nm", "8 nm", "40 nm"], 8, None), (None, 8, "pixels"),
    ],
)  # fmt: skip
def test_connectors_are_in_the_unit_of_their_skeleton(units: Any, scale: float, told: str | None) -> None:
    """navis draws and converts both together; distances are in nm whatever the unit."""
    expected = attached(neuron(1)).connectors
    one = neuron(1, units, scale)
    found = attached(one, skeleton_units=told, voxel_size=(8, 8, 40)).connectors
    assert found["node_id"].tolist() == expected["node_id"].tolist()
    assert np.allclose(found["distance"], expected["distance"], rtol=1e-12)
    assert np.allclose(found["x"] * scale, expected["x"], rtol=1e-12)
    deep = 40 if units == ["8 nm", "8 nm", "40 nm"] or told == "pixels" else scale
    assert np.allclose(found["z"] * deep, expected["z"], rtol=1e-12)
    if units == "8 nanometer":
        one.convert_units("nm", inplace=True)
        assert np.allclose(one.connectors["x"], expected["x"])


def test_positions_in_pixels_are_not_rounded() -> None:
    source = table(ctr_pt_position_x=[1375, 37, 2375], ctr_pt_position_z=[1] * 3)
    found = attached(neuron(1), source=source, coordinates="pixels", voxel_size=(8, 8, 42)).connectors
    assert found["x"].tolist() == [296.0, 19_000.0, 11_000.0]
    assert found["z"].tolist() == [42.0] * 3


def test_ids_near_those_of_crant_stay_apart() -> None:
    source = table(pre=[ONE, ONE, TWO], post=[TWO, 3, 3])
    listed = attached(navis.NeuronList([neuron(ONE), neuron(str(TWO)), neuron(np.int64(3))]), source=source)
    assert [one.connectors["synapse_id"].tolist() for one in listed] == [[5, 7], [6, 7], [5, 6]]
    assert listed[2].connectors["partner_id"].tolist() == [ONE, TWO]
    source = table(pre=["a", "a", "b"], post=["b", "c", "a"])
    found = attached(neuron("a"), source=source).connectors
    assert found["partner_id"].tolist() == ["c", "b", "b"]


def test_what_is_no_skeleton_is_a_type_error() -> None:
    mesh = navis.MeshNeuron((np.eye(3), np.array([[0, 1, 2]])), id=5)
    for wrong in (mesh, navis.NeuronList([mesh]), [neuron(1)], 1, None, "1", pd.DataFrame()):
        with pytest.raises(TypeError):
            attached(wrong)
    with pytest.raises(TypeError, match="neuron 5 is a MeshNeuron"):
        attached(navis.NeuronList([neuron(1), mesh]))


def test_wrong_values_are_value_errors_and_change_nothing() -> None:
    one = attached(neuron(1))
    before = one.connectors.copy()
    no_positions = table()[["id", "pre", "post"]]
    for options in (
        {"pre": False, "post": False}, {"coordinates": None}, {"coordinates": "pixels"}, {"coordinates": "mm"},
        {"threshold": 0}, {"min_size": 5}, {"max_distance": -1}, {"skeleton_units": "mm"}, {"source": None},
        {"source": no_positions}, {"materialization": "old"}, {"skeleton_units": "pixels"},
        {"source": pd.DataFrame({"pre": [1], "post": [2], "weight": [3]})},
    ):  # fmt: skip
        with pytest.raises(ValueError):  # noqa: PT011
            attached(one, **options)
        pd.testing.assert_frame_equal(one.connectors, before)
    for wrong in (neuron(None), neuron("name"), neuron(1, x=[0.0, np.nan, 1.0]), neuron(1, "2 second")):
        with pytest.raises(ValueError, match="neuron"):
            attached(navis.NeuronList([one, wrong]))
        pd.testing.assert_frame_equal(one.connectors, before)


def test_hemibrain_neurons_as_navis_attached_them() -> None:
    """navis' own example: single sites, made synapses with partners of no skeleton."""
    neurons = navis.example_neurons(2, kind="skeleton")
    sites = pd.concat([one.connectors.assign(neuron=one.id) for one in neurons], ignore_index=True)
    is_pre = sites["type"] == "pre"
    source = pd.DataFrame({"pre": sites["neuron"].where(is_pre, 9), "post": sites["neuron"].where(~is_pre, 9)})
    source = source.assign(id=sites.index, **{f"ctr_pt_position_{axis}": sites[axis] for axis in "xyz"})
    cc.attach_synapses(neurons, source=source, coordinates="pixels", voxel_size=(8, 8, 8))
    for one in neurons:
        was = sites[sites["neuron"] == one.id]
        assert one.connectors["synapse_id"].tolist() == was.index.tolist()
        assert (one.connectors[["x", "y", "z"]].to_numpy() == was[["x", "y", "z"]].to_numpy()).all()
        assert (one.connectors["node_id"].to_numpy() == was["node_id"].to_numpy()).mean() > 0.99
        assert one.n_presynapses + one.n_postsynapses == len(was)
    figure, _ = navis.plot2d(neurons[0], connectors=True, method="2d")
    figure.canvas.draw()
    flow = navis.synapse_flow_centrality(neurons[0])
    assert flow.nodes["synapse_flow_centrality"].max() > 0


def test_compartments_of_connectors_and_nodes() -> None:
    """As navis labels them; a neuron of few sites is unknown."""
    neurons = navis.example_neurons(2, kind="skeleton")
    sites = pd.concat([one.connectors.assign(neuron=one.id) for one in neurons], ignore_index=True)
    is_pre = sites["type"] == "pre"
    source = pd.DataFrame({"pre": sites["neuron"].where(is_pre, 9), "post": sites["neuron"].where(~is_pre, 9)})
    source = source.assign(id=sites.index, **{f"ctr_pt_position_{axis}": sites[axis] for axis in "xyz"})
    options = {"source": source, "coordinates": "pixels", "voxel_size": (8, 8, 8)}
    with pytest.warns(cc.CrantWarning, match="origin is not recorded"):
        cc.attach_synapses(neurons, **options, split=True)
    for one in neurons:
        kinds = one.connectors["compartment"]
        assert list(one.connectors.columns) == [*COLUMNS, "compartment"]
        assert list(kinds.cat.categories) == ["axon", "dendrite", "linker", "unknown"]
        ours = one.nodes["compartment"].astype(str).tolist()
        by_node = one.nodes.set_index("node_id")["compartment"].astype(str)
        assert by_node.loc[one.connectors["node_id"]].tolist() == kinds.astype(str).tolist()
        labelled = navis.split_axon_dendrite(one.copy(), label_only=True)
        assert labelled.nodes["compartment"].astype(str).tolist() == ours
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="compartments take")
        with pytest.warns(cc.CrantWarning, match="fewer than 5 inputs"):
            few = attached(neuron(1), split=True)
    assert set(few.connectors["compartment"]) == set(few.nodes["compartment"]) == {"unknown"}
    with pytest.raises(ValueError, match="leave post=False out"):
        attached(neuron(1), split=True, post=False)


def test_the_command_and_the_function_do_not_import_navis() -> None:
    code = (
        "import sys, crantcli as cc\n"
        "try: cc.attach_synapses(object(), source='x')\n"
        "except TypeError: pass\n"
        "else: raise SystemExit('no TypeError')\n"
        "assert 'navis' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
