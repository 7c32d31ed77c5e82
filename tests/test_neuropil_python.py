"""`NeuropilCollection`, `All`, and `assignments=` and `--assignments` of the other questions."""

from __future__ import annotations

import copy
import inspect
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pytest
from boxes import BOXES, PLACES, cells, few
from conftest import Crant
from strategies import seeded_frame, seeded_synapses, tuples
from tables import answer, complaint, ledger, record

import crantcli as cc

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")

ORDER = ["synapses_df", "neuron_annotations", "neuropil_names", "coordinates", "position_column"]
AXES = ["source_types", "target_types", "source_neurons", "target_neurons"]
TYPES = ["cell_type_column", "neuron_id_column", "type_order"]
END = ["annotation_scope", "include_other", "voxel_offset"]
COLUMNS = ["pre_col", "post_col", "weight_mode", "weight_column"]
DEFAULTS = {
    "coordinates": "nm", "position_column": "ctr_pt_position", "pre_col": "pre_pt_root_id",
    "post_col": "post_pt_root_id", "weight_mode": "relative_outgoing", "normalization_scope": "selected",
    "cell_type_column": "cell_type", "neuron_id_column": "root_id", "annotation_scope": "annotated_only",
    "include_other": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (cc.NestedMatrix, [*ORDER, *COLUMNS, *TYPES, *END]),
        (
            cc.DirectedNestedMatrix,
            [*ORDER, *AXES, *COLUMNS, "normalization_scope", *TYPES, "source_type_order", "target_type_order", *END],
        ),
    ],
)
def test_parameters_and_defaults(cls: Any, names: list[str]) -> None:
    """As people know them, by place and by name; what is ours is by name only."""
    parameters = inspect.signature(cls.from_synapses_by_neuropil).parameters
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    known = [name for name, found in parameters.items() if found.kind not in by_name]
    assert known == names
    for name in names[2:]:
        assert parameters[name].default == DEFAULTS.get(name), name


@pytest.fixture(scope="module")
def found(meshes_of_module: Path) -> cc.NeuropilCollection:
    with pytest.warns(cc.CrantWarning, match="1 synapses have no position"):
        return cc.NestedMatrix.from_synapses_by_neuropil(few(), cells(), meshes=meshes_of_module, weight_mode="count")


@pytest.fixture(scope="module")
def meshes_of_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a folder of their own, with a name that is an attribute's too."""
    from boxes import mesh_folder

    folder = mesh_folder(tmp_path_factory.mktemp("neuropils") / "meshes")
    os.rename(folder / "A.ply", folder / "ellipsoid_body.ply")
    return folder


def test_it_is_a_dict_with_attributes(found: cc.NeuropilCollection) -> None:
    assert isinstance(found, dict)
    assert list(found) == ["B, b", "C.1", "ellipsoid_body", "other"]
    assert found.ellipsoid_body is found["ellipsoid_body"]
    assert isinstance(found.other, cc.NestedMatrix)
    assert "ellipsoid_body" in dir(found)
    assert "B, b" not in dir(found)
    assert found.get("empty") is None
    with pytest.raises(AttributeError, match="near names: ellipsoid_body"):
        _ = found.elipsoid_body
    assert not hasattr(found, "__array__")
    assert dict(cc.NeuropilCollection()) == {}


def test_its_summary_counts_all(found: cc.NeuropilCollection) -> None:
    summary = found.summary
    assert list(summary.columns) == ["synapses", "pairs", "neurons"]
    assert summary.index.name == "neuropil"
    assert summary.index.tolist() == ["B, b", "C.1", "d'or", "ellipsoid_body", "empty", "other"]
    assert summary["synapses"].tolist() == [1, 1, 0, 2, 0, 1]
    assert set(summary.dtypes.astype(str)) == {"int64"}
    assert cc.NeuropilCollection().summary.shape == (0, 3)


def test_copies_and_pickles(found: cc.NeuropilCollection) -> None:
    for again in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert type(again) is cc.NeuropilCollection
        assert list(again) == list(found)
        assert again.summary.equals(found.summary)
        assert again.other.matrix.equals(found.other.matrix)
    assert pickle.loads(pickle.dumps(cc.All.minus("x"))) == cc.All.minus("x")


def test_all_and_all_but_some() -> None:
    assert repr(cc.All) == "All"
    assert cc.All.minus("a").minus(["b", "c"], "d").without == ("a", "b", "c", "d")
    assert cc.All.without == ()
    assert cc.All.of(["a", "other"]) == ["a", "other"]
    assert cc.All.minus("a", "z").of(["a", "b"], ["z"]) == ["b"]
    with pytest.raises(ValueError, match=r"All\.minus\('bb'\).*near names: b"):
        cc.All.minus("bb").of(["a", "b"])


def title(figure: Any) -> str:
    """What stands above a picture, whatever it is made of."""
    return str(figure.get_suptitle() or " ".join(text.get_text() for text in figure.texts))


SMALL: dict[str, Any] = {"dpi": 20, "figsize": (3, 3)}


def test_plotting_one(found: cc.NeuropilCollection, tmp_path: Path) -> None:
    figure, axes = found.plot("other", output_path=tmp_path / "new" / "x.png", level="type_sum", **SMALL)
    assert axes.figure is figure
    assert title(figure) == "other"
    assert (tmp_path / "new" / "x.png").stat().st_size > 0
    assert title(found.plot("other", title="mine", **SMALL)[0]) == "mine"
    with pytest.raises(ValueError, match=r"no neuropil 'othr'.*near names: other"):
        found.plot("othr")
    with pytest.raises(ValueError, match="no synapses are left in it"):
        found.plot("empty")
    assert not list(tmp_path.glob("*.png"))


def test_plotting_all(found: cc.NeuropilCollection, tmp_path: Path) -> None:
    """Into a folder, with names that are safe; "other" is one of all."""
    drawn = found.plot(cc.All, output_path=tmp_path / "all", **SMALL)
    assert isinstance(drawn, dict)
    assert list(drawn) == list(found)
    assert {name: title(figure) for name, (figure, _) in drawn.items()} == {name: name for name in found}
    assert sorted(os.listdir(tmp_path / "all")) == ["B__b.png", "C.1.png", "ellipsoid_body.png", "other.png"]
    some = cc.All.minus("other", "empty", "B, b")
    drawn = found.plot(some, output_path=str(tmp_path / "some" / "{name}_small.png"), **SMALL)
    assert list(drawn) == ["C.1", "ellipsoid_body"]
    assert sorted(os.listdir(tmp_path / "some")) == ["C.1_small.png", "ellipsoid_body_small.png"]
    assert list(found.plot(cc.All.minus(*found))) == []
    with pytest.raises(ValueError, match="several pictures need a folder"):
        found.plot(cc.All, output_path=tmp_path / "one.png")
    with pytest.raises(ValueError, match="no such neuropil"):
        found.plot(cc.All.minus("nobody"), output_path=tmp_path / "never")
    assert sorted(os.listdir(tmp_path)) == ["all", "some"]


def test_other_can_be_taken_away_where_there_is_none(meshes: Path) -> None:
    """A script should not fail because every synapse lies in a neuropil."""
    made = cc.NestedMatrix.from_synapses_by_neuropil(few()[:3], cells(), meshes=meshes)
    assert "other" not in made
    assert list(made.plot(cc.All.minus("other", "A", "B, b"), **SMALL)) == ["C.1"]
    made = cc.NestedMatrix.from_synapses_by_neuropil(few()[:4], cells(), ["A"], meshes=meshes, include_other=False)
    assert list(made.plot(cc.All.minus("other"), **SMALL)) == ["A"]


@NOTES_ARE_FINE
def test_wrong_arguments(meshes: Path, tmp_path: Path) -> None:
    table, types = few(), cells()
    make = cc.NestedMatrix.from_synapses_by_neuropil
    for wrong, said in (
        ({"neuropil_names": ["C1"]}, "C1: there is no such mesh"),
        ({"neuropil_names": []}, "neuropil_names is empty"),
        ({"coordinates": "um"}, "coordinates='um'"),
        ({"voxel_offset": (1, 2)}, "three numbers"),
        ({"voxel_offset": (1, 2, 3)}, "pixels"),
        ({"coordinates": "pixels"}, "voxel"),
        ({"position_column": "soma"}, "no position soma"),
        ({"weight_mode": "sum"}, "weight_mode='sum'"),
        ({"weight_mode": "column"}, "weight column"),
        ({"meshes": tmp_path}, "no mesh"),
        ({"meshes": None}, "no meshes"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            make(table, types, **{"meshes": meshes, **wrong})
    told = few()
    told.attrs["crantcli"] = {"units": "pixels", "voxel_size_nm": [8, 8, 42]}
    with pytest.raises(ValueError, match="pixels"):
        make(told, types, meshes=meshes)
    with pytest.raises(ValueError, match="8,8,42"):
        make(told, types, meshes=meshes, coordinates="pixels", voxel_size=(4, 4, 40))


@NOTES_ARE_FINE
def test_names_offset_and_data_set(meshes: Path, tmp_path: Path) -> None:
    """One name for several; voxels of the data set; positions moved before they become nanometres."""
    make = cc.DirectedNestedMatrix.from_synapses_by_neuropil
    one = make(few(), cells(), "A", meshes=meshes, include_other=False, weight_mode="count", target_types="Y")
    assert list(one) == ["A"]
    assert (one.A.source_neurons, one.A.target_neurons) == (("1",), ("2",))
    brain = tmp_path / "brain.toml"
    brain.write_text(f'[voxel]\nsize_nm = [2, 4, 8]\n[files]\nmeshes = "{meshes}"\n')
    made = make(few(), cells(), coordinates="pixels", voxel_offset=(1, -1, -1), dataset=str(brain))
    expected = dict.fromkeys(made.summary.index, 0)
    for place in PLACES[:4]:
        point = [(x + step) * size for x, step, size in zip(place, (1, -1, -1), (2, 4, 8), strict=True)]
        inside = [
            name
            for name, (low, high) in BOXES.items()
            if all(a <= x < b for a, x, b in zip(low, point, high, strict=True))
        ]
        for name in inside or ["other"]:
            expected[name] += 1
    assert made.summary["synapses"].to_dict() == expected


# ------------------------------------------------------------------------------------------ --assignments


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A table with everything that can be wrong, `in.parquet`; assignments of its ids to three neuropils that overlap,
    as the command makes them (`part.parquet`, without provenance) and as CSV.
    """
    monkeypatch.chdir(tmp_path)
    rows = seeded_synapses()
    seeded_frame(rows).to_parquet("in.parquet")
    ids = sorted({row["id"] for row in rows if row["id"] is not None})
    memberships = [(key, name) for key in ids for name, step in (("A", 2), ("B, b", 3), ("c", 7)) if not key % step]
    table = pd.DataFrame(memberships, columns=["id", "neuropil"])
    table.to_parquet("part.parquet")
    table.to_csv("part.csv", index=False)
    return rows


def inside(rows: list[dict[str, Any]], *steps: int) -> list[dict[str, Any]]:
    """Synapses in any of some neuropils, told by what their ids are multiples of."""
    return [row for row in rows if row["id"] is not None and any(not row["id"] % step for step in steps)]


NAMES = [(("A",), (2,)), (('"B, b"', "A"), (2, 3)), (("c",), (7,))]


@pytest.mark.parametrize("file", ["part.parquet", "part.csv"])
@pytest.mark.parametrize(("names", "steps"), NAMES)
def test_it_is_as_if_the_rest_were_not_there(
    crant: Crant, rows: list[dict[str, Any]], names: tuple[str, ...], steps: tuple[int, ...], file: str
) -> None:
    words = ("in.parquet", "--assignments", file, "--neuropil", ",".join(names))
    kept, counted = oracle.synapses(inside(rows, *steps), oracle.EVERYTHING, oracle.Rules(min_size=9, threshold=2))
    ran = crant("synapses", *words, "--min-size", 9, "-t", 2, "--columns", "id")
    assert [int(row[0]) for row in answer(ran)] == [row["id"] for row in kept]
    told = ledger(crant("synapses", *words, "--min-size", 9, "-t", 2, "--json", "-o", "out.parquet"))
    nulls = sum(None in (row["pre"], row["post"]) for row in rows)
    outside = len(rows) - nulls - (counted["read"] - counted["null"])
    assert told == {
        "read": len(rows), "null": nulls, "unselected": outside, "kept": len(kept),
        **{step: counted[step] for step in oracle.STEPS[2:] if counted[step] and step != "unselected"},
    }  # fmt: skip
    weights, _ = oracle.synapse_edges(inside(rows, *steps))
    assert answer(crant("connectivity", *words)) == [tuple(map(str, row)) for row in oracle.ordered(weights)]
    assert answer(crant("counts", *words)) == [tuple(map(str, row)) for row in oracle.counts(weights)]
    neuron = oracle.ordered(weights)[0][0]
    part, _ = oracle.synapse_edges(inside(rows, *steps), oracle.Chosen(pre=[neuron]))
    ran = crant("connectivity", *words, "-n", neuron, "--no-upstream")
    assert answer(ran) == [tuple(map(str, row)) for row in oracle.ordered(part)]


@NOTES_ARE_FINE
def test_in_python(rows: list[dict[str, Any]]) -> None:
    weights, _ = oracle.synapse_edges(inside(rows, 2, 3))
    for source in ("part.parquet", pd.read_parquet("part.parquet")):
        where: dict[str, Any] = {"source": "in.parquet", "assignments": source, "neuropil": ["A", "B, b"]}
        assert tuples(cc.get_connectivity(**where)) == oracle.ordered(weights)
        assert tuples(cc.get_synapse_counts(**where).reset_index()) == oracle.counts(weights)
        assert len(cc.get_synapses(**where)) == sum(weights.values())
    one = cc.get_connectivity(source="in.parquet", assignments="part.parquet", neuropil="c")
    assert tuples(one) == oracle.ordered(oracle.synapse_edges(inside(rows, 7))[0])
    for ask in (cc.get_connectivity, cc.get_synapse_counts, cc.get_synapses):
        with pytest.raises(ValueError, match="go together"):
            ask(source="in.parquet", neuropil="A")
        with pytest.raises(ValueError, match="go together"):
            ask(source="in.parquet", assignments="part.parquet")
        with pytest.raises(ValueError, match="neuropil D"):
            ask(source="in.parquet", assignments="part.parquet", neuropil="D")


def test_what_the_output_says(crant: Crant, rows: list[dict[str, Any]]) -> None:
    """Its provenance; and fractions of it would be of an incomplete whole."""
    words = ("in.parquet", "--assignments", "part.parquet", "--neuropil", "c", "--neuropil", "A")
    for command in ("synapses", "connectivity", "counts"):
        assert crant(command, *words, "-o", f"{command}.parquet").code == 0
        told = record(f"{command}.parquet")
        assert told["options"]["neuropil"] == ["c", "A"]
        assert "part.parquet" in {source["name"] for source in told["inputs"]}
        assert told["complete_for"]["thinned_by"] == "the neuropil c, A"
    for side in ("input", "output"):
        complaint(crant("connectivity", *words, "--normalize", side), 3, "thinned by the neuropil c, A", "--totals")
        complaint(crant("connectivity", "synapses.parquet", "--normalize", side), 3, "thinned")
    normal = ("--normalize", "input", "--totals")
    complaint(crant("connectivity", "in.parquet", *normal, "counts.parquet"), 3, "--totals was thinned")
    crant("counts", "in.parquet", "-o", "totals.parquet")
    whole = oracle.totals(oracle.synapse_edges(rows)[0], "input")
    edges = answer(crant("connectivity", *words, *normal, "totals.parquet"))
    assert edges
    for _, post, weight, fraction in edges:
        assert float(fraction) == int(weight) / whole[int(post)]


def test_one_option_without_the_other(crant: Crant, rows: list[dict[str, Any]]) -> None:
    for command in ("synapses", "connectivity", "counts"):
        complaint(crant(command, "in.parquet", "--assignments", "part.parquet"), 2, "--neuropil", "go together")
        complaint(crant(command, "in.parquet", "--neuropil", "A"), 2, "--assignments", "go together")
    words = ("in.parquet", "--assignments", "part.parquet", "--neuropil", "A")
    complaint(crant("counts", *words, "-o", "part.parquet"), 2, "part.parquet is an input")
    complaint(crant("counts", "in.parquet", "--assignments", "gone.parquet", "--neuropil", "A"), 2, "gone.parquet")


def test_files_that_are_no_assignments(crant: Crant, rows: list[dict[str, Any]], meshes: Path) -> None:
    def ask(file: str, name: str = "A", table: str = "in.parquet") -> Any:
        return crant("connectivity", table, "--assignments", file, "--neuropil", name)

    complaint(ask("part.parquet", "a"), 3, "--neuropil a", "near names: A")
    few().drop(columns="id").to_parquet("bare.parquet")
    place = ("--meshes", meshes, "--coordinates", "nm", "--no-plot", "--assignments-only", "-o")
    assert crant("neuropil", "bare.parquet", *place, "rows").code == 0
    complaint(ask("rows/assignments.parquet"), 3, "no column id", "without synapse ids")
    complaint(ask("part.parquet", table="bare.parquet"), 3, "the table has no column id")
    few().to_csv("few.csv", index=False)
    complaint(ask("few.csv"), 3, "no column neuropil")
    crant("connectivity", "in.parquet", "-o", "edges.csv")
    complaint(ask("part.parquet", table="edges.csv"), 3, "no column id")
    pd.DataFrame({"id": [1.5], "neuropil": ["A"]}).to_parquet("floats.parquet")
    complaint(ask("floats.parquet"), 3, "column id", "floating-point")


def test_a_neuropil_that_holds_nothing(crant: Crant, rows: list[dict[str, Any]], meshes: Path) -> None:
    """One that was looked into is an empty answer; one that never was is an error."""
    few().to_parquet("few.parquet")
    place = ("--meshes", meshes, "--coordinates", "nm", "--no-plot", "--assignments-only", "-o", "out")
    assert crant("neuropil", "few.parquet", *place).code == 0
    words = ("few.parquet", "--assignments", "out/assignments.parquet", "--neuropil")
    assert crant("connectivity", *words, "empty").out == b"pre,post,weight\n"
    assert answer(crant("connectivity", *words, "empty,A")) == [("1", "2", "2")]
    assert crant("connectivity", *words, "empty", "--fail-empty").code == 4
    complaint(crant("connectivity", *words, "A,emptyy"), 3, "--neuropil emptyy", "near names: empty")
    assert json.loads(crant("counts", *words, "other", "--json").text)["ledger"]["removed"]["unselected"] == 4


@pytest.mark.parametrize("of_table", [["11", "12", "x"], [11, 12, 13]])
@pytest.mark.parametrize("of_file", [["11", "y"], [11, 13], ["11", "13"]])
def test_ids_of_another_type(crant: Crant, tmp_path: Path, of_table: list[Any], of_file: list[Any]) -> None:
    """One id that is no number makes all of its table text; the others are still the same synapses."""
    pd.DataFrame({"id": of_table, "pre": [1, 1, 1], "post": [2, 3, 4]}).to_parquet("in.parquet")
    pd.DataFrame({"id": of_file, "neuropil": ["A", "A"]}).to_parquet("part.parquet")
    ran = crant("synapses", "in.parquet", "--assignments", "part.parquet", "--neuropil", "A", "--columns", "id")
    assert {row[0] for row in answer(ran)} == set(map(str, of_table)) & set(map(str, of_file))
