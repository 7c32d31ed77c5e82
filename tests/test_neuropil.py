"""`crantcli neuropil` and `from_synapses_by_neuropil`: which synapses lie where, and what is made of them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neuropil_oracle as regions
import oracle
import pandas as pd
import pytest
import trimesh
from boxes import BOXES, cells, few, read_npz
from conftest import SAMPLE, Crant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neuropil_oracle import Point
from oracle import Row, Rules
from strategies import (
    ANNOTATION_COLUMNS,
    AS_DRAWN,
    AS_TYPED,
    SETTINGS,
    Drawn,
    annotation_tables,
    as_json,
    cell,
    frame,
    rules,
    synapse_tables,
    tuples,
)
from tables import complaint, record

import crantcli as cc

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")

#: Nanometres per voxel; positions in voxels are then whole, or end in a fraction that floats hold.
VOXEL = (2.0, 1.0, 0.5)

APART = "no position lies in the box of any mesh"


@dataclass(frozen=True)
class Placed:
    """A synapse table with positions, and how it tells them."""

    table: Drawn
    rows: list[Row]
    column: str
    form: str
    pixels: bool
    offset: Point | None

    @property
    def frame(self) -> pd.DataFrame:
        """The table; positions as lists, in three columns, or as text."""
        found = frame(self.rows, self.table.columns)
        places = [self._told(row["position"]) for row in self.rows]
        if self.form == "split":
            for number, axis in enumerate("xyz"):
                values = [None if place is None else place[number] for place in places]
                found[f"{self.column}_{axis}"] = pd.array(values, dtype="Float64")
        elif self.form == "text":
            found[self.column] = [None if place is None else f"[{place[0]} {place[1]}, {place[2]}]" for place in places]
        else:
            found[self.column] = pd.Series(places, dtype=object)
        return found

    def _told(self, position: Point | None) -> list[float] | None:
        if position is None or not self.pixels:
            return None if position is None else list(position)
        return [nm / size - step for nm, size, step in zip(position, VOXEL, self.offset or (0, 0, 0), strict=True)]

    @property
    def asked(self) -> dict[str, Any]:
        """How the Python functions are told."""
        asked: dict[str, Any] = {"position_column": self.column, "pre_col": "pre", "post_col": "post"}
        if self.pixels:
            asked |= {"coordinates": "pixels", "voxel_size": VOXEL, "voxel_offset": self.offset}
        return asked

    @property
    def kind(self) -> list[str]:
        """What a command has to be told where nothing but numbers of unknown names stand beside the neurons."""
        return ["--kind", "synapses"] if (self.column, self.form) == ("custom", "split") else []

    @property
    def options(self) -> list[str]:
        """How the command is told."""
        found = ["--position-column", self.column, "--coordinates", "pixels" if self.pixels else "nm"]
        found += ["--voxel-size", ",".join(map(str, VOXEL))] if self.pixels else []
        return [*found, "--voxel-offset", ",".join(map(str, self.offset))] if self.offset else found


@st.composite
def placed(draw: st.DrawFn) -> Placed:
    """Synapses on borders, inside, outside and nowhere; copies of one may lie elsewhere."""
    table = draw(synapse_tables(neuropils=False))
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    rows: list[Row] = []
    for row in table.rows:
        point = tuple(chance.choice([-1, 0, 1.5, 2, 3, 4, 5, 7.5, 8, 9, 12, 13, 16]) for _ in "xyz")
        inner = tuple(chance.choice([0, 2, 3, 4, 6]) for _ in "xyz")
        rows.append({**row, "position": chance.choice([point, inner, inner, None])})
    if all(row["position"] is None for row in rows):  # a column of nothing but nulls has no type
        neuron = {"pre": table.neurons[1], "post": table.neurons[2]}
        rows.append({**dict.fromkeys(table.columns), **neuron, "position": (1, 1, 1)})
    column = chance.choice(["ctr_pt_position", "pre_pt_position", "post_pt_position", "custom"])
    pixels = chance.random() < 0.5
    offset = chance.choice([None, (1.0, -2.0, 4.5)]) if pixels else None
    return Placed(table, rows, column, chance.choice(["list", "split", "text"]), pixels, offset)


def entries(found: Any) -> dict[tuple[str, str], Any]:
    """The nonzero cells of a matrix, neurons as text."""
    sparse = found.sparse.tocoo()
    pre, post = (found.ordered_neurons,) * 2 if hasattr(found, "ordered_neurons") else (None, None)
    if pre is None:
        pre, post = found.source_neurons, found.target_neurons
    cells = zip(sparse.row, sparse.col, sparse.data, strict=True)
    return {(pre[i], post[j]): cell(value) for i, j, value in cells}


def as_text(weights: oracle.Weights) -> dict[tuple[str, str], Any]:
    return {(str(pre), str(post)): weight for (pre, post), weight in weights.items()}


def refused_apart(rows: list[Row], ask: Callable[[], object]) -> bool:
    """Whether no position lies where the meshes are; such a table is refused."""
    if not regions.apart(rows, BOXES):
        return False
    with pytest.raises(cc.DataError, match=APART):
        ask()
    return True


# ------------------------------------------------------------------------------------------ rules against the oracle


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(),
    table=placed(),
    other=st.booleans(),
    mode=st.sampled_from(["count", "relative_outgoing", "relative_incoming", "column"]),
    everybody=st.booleans(),
)
def test_square_matrices(
    data: st.DataObject, meshes: Path, table: Placed, other: bool, mode: str, everybody: bool
) -> None:
    """Nothing is cleaned; neurons on the axes are those of the synapses in that neuropil."""
    annotations = data.draw(annotation_tables(table.table.neurons))
    rows = [{**row, "value": number % 5 + 1} for number, row in enumerate(table.rows)]
    source = table.frame.assign(value=[row["value"] for row in rows])
    column = "value" if mode == "column" else None
    if column is None:
        rows = table.rows

    def ask() -> cc.NeuropilCollection:
        return cc.NestedMatrix.from_synapses_by_neuropil(
            source, frame(annotations, ANNOTATION_COLUMNS), meshes=meshes, include_other=other, weight_mode=mode,
            weight_column=column, annotation_scope="all" if everybody else "annotated_only", **table.asked, **AS_DRAWN,
        )  # fmt: skip

    if refused_apart(rows, ask):  # the rows with their values: which copy of a synapse stays depends on them
        return
    found = ask()
    nothing = Rules(clean=False)
    places = regions.assigned(rows, BOXES, other)
    assert list(found.summary.reset_index().itertuples(index=False, name=None)) == regions.summary(places, nothing)
    for name, inside in places.items():
        weights, _ = regions.matrix(inside, annotations, nothing, mode, everybody)
        assert (name in found) == bool(weights), name
        if weights:
            assert entries(found[name]) == pytest.approx(as_text(weights), rel=1e-12)
            known = oracle.annotated(annotations)
            there = {row[side] for row in inside for side in ("pre", "post") if None not in (row["pre"], row["post"])}
            expected = {str(neuron) for neuron in there if everybody or neuron in known}
            assert set(found[name].ordered_neurons) == expected
            assert (" in " + name in found[name].quantity) == mode.startswith("relative")


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(),
    table=placed(),
    mode=st.sampled_from(["count", "relative_outgoing", "relative_incoming"]),
    scope=st.sampled_from(["selected", "all"]),
    sides=st.sampled_from(["source", "target", "both"]),
)
def test_rectangular_matrices(
    data: st.DataObject, meshes: Path, table: Placed, mode: str, scope: str, sides: str
) -> None:
    """Chosen types; fractions of what is shown, or of all that lies in that neuropil; the summary counts everything."""
    annotations = data.draw(annotation_tables(table.table.neurons))
    known = sorted(set(oracle.types(annotations).values()))
    sources = known[: len(known) // 2 + 1] if sides != "target" else None
    targets = known[len(known) // 3 :] if sides != "source" else None
    scope = "selected" if mode == "count" else scope

    def ask() -> cc.NeuropilCollection:
        return cc.DirectedNestedMatrix.from_synapses_by_neuropil(
            table.frame, frame(annotations, ANNOTATION_COLUMNS), meshes=meshes, weight_mode=mode,
            normalization_scope=scope, source_types=sources, target_types=targets, **table.asked, **AS_DRAWN,
        )  # fmt: skip

    if refused_apart(table.rows, ask):
        return
    found = ask()
    nothing = Rules(clean=False)
    places = regions.assigned(table.rows, BOXES)
    assert list(found.summary.reset_index().itertuples(index=False, name=None)) == regions.summary(places, nothing)
    for name, inside in places.items():
        weights, _ = regions.matrix(
            inside, annotations, nothing, mode, sources=sources, targets=targets, scope=scope
        )  # fmt: skip
        assert (name in found) == bool(weights), name
        if weights:
            assert entries(found[name]) == pytest.approx(as_text(weights), rel=1e-12)


@settings(SETTINGS, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data(), table=placed(), other=st.booleans(), split=st.booleans())
def test_the_command(
    data: st.DataObject, crant: Crant, meshes: Path, tmp_path: Path, table: Placed, other: bool, split: bool
) -> None:
    """Every file of the folder; the ledger; and what later commands make of the assignments."""
    rule = data.draw(rules(table.table))
    annotations = data.draw(annotation_tables(table.table.neurons))
    form = "csv" if table.form != "list" and data.draw(st.booleans()) else "parquet"
    if form == "csv":
        table.frame.to_csv(tmp_path / "in.csv", index=False)
    else:
        table.frame.to_parquet(tmp_path / "in.parquet")
    frame(annotations, ANNOTATION_COLUMNS).to_parquet(tmp_path / "types.parquet")
    words = [f"in.{form}", *AS_TYPED, *table.kind, "--threshold", rule.threshold]
    words += [] if rule.clean else ["--no-clean"]
    words += [] if rule.min_size is None else ["--min-size", rule.min_size]
    boxes = {name: BOXES[name] for name in ("A", "C.1", "empty")} if split else BOXES
    chosen = ["--neuropils", "A,C.1", "--neuropils", "empty"] if split else []
    ran = crant(
        "neuropil", *words, "-a", "types.parquet", "--meshes", meshes, "-o", "out", *table.options, "--weight-mode",
        "count", "--no-plot", "--json", *chosen, *([] if other else ["--no-include-other"]),
    )  # fmt: skip
    places = regions.assigned(table.rows, boxes, other)
    if regions.apart(table.rows, BOXES):
        assert ran.code == 3
        assert APART in ran.err
        return
    assert ran.code == 0, ran.err
    told = json.loads(ran.text)
    assert told["ledger"] == as_json(regions.ledger(table.rows, rule), "synapses")
    assert oracle.adds_up(regions.ledger(table.rows, rule))

    summary = pd.read_csv(tmp_path / "out" / "summary.csv", keep_default_na=False)
    assert tuples(summary) == regions.summary(places, rule)

    listed = pd.read_parquet(tmp_path / "out" / "assignments.parquet")
    assert list(listed.columns) == ["id" if table.table.has("id") else "row", "neuropil"]
    memberships = regions.assignments(table.rows, boxes, other)
    assert sorted(tuples(listed)) == memberships
    about = record(tmp_path / "out" / "assignments.parquet")
    assert (about["rows"], about["ledger"]["read"]) == (len(memberships), len(table.rows))
    every = regions.once(table.rows)
    inside = [row for row in every if set(regions.neuropils_of(row["position"], boxes)) - {"other"}]
    nowhere = [row for row in every if row["position"] is None]
    assert told["assigned"] == {
        "rows": len(every), "in_neuropils": len(inside), "without_position": len(nowhere),
        "in_none": len(every) - len(inside) - len(nowhere), "memberships": sum(map(len, places.values())),
    }  # fmt: skip

    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    left_out = 0
    for name, members in places.items():
        weights, missing = regions.matrix(members, annotations, rule)
        left_out += missing
        assert (name in manifest["stems"]) == bool(weights)
        if weights:
            path = tmp_path / "out" / f"{manifest['stems'][name]}.matrix.npz"
            assert read_npz(path) == as_text(weights)
            of_matrix = record(path)["ledger"]
            assert (of_matrix["read"], of_matrix["kept"]) == (len(members), sum(weights.values()))
            assert of_matrix["read"] == of_matrix["kept"] + sum(of_matrix["removed"].values())
    assert (f"{left_out:,} memberships of neurons without annotation" in ran.err) == bool(left_out)

    if table.table.has("id"):
        names = [name for name in ("A", "C.1") if data.draw(st.booleans())] or ["A"]
        wanted = {key for key, name in memberships if name in names}
        chosen_rows = [{**row, "id": row["id"]} for row in table.rows if row["id"] in wanted]
        more = ["--assignments", "out/assignments.parquet", "--neuropil", ",".join(names)]
        weights, _ = oracle.synapse_edges(chosen_rows, rules=rule)
        ran = crant("connectivity", *words, *more)
        assert ran.code == 0, ran.err
        assert [tuple(row) for row in ran.rows()[1:]] == [tuple(map(str, row)) for row in oracle.ordered(weights)]
        ledger = json.loads(crant("connectivity", *words, *more, "--json").text)["ledger"]
        assert ledger["kept"] == sum(weights.values())
        nulls = sum(None in (row["pre"], row["post"]) for row in table.rows)
        taken = sum(None not in (row["pre"], row["post"]) for row in chosen_rows)
        assert ledger["removed"]["unselected"] == len(table.rows) - nulls - taken
        assert ledger["read"] == ledger["kept"] + sum(ledger["removed"].values())
    shutil.rmtree(tmp_path / "out")


# ------------------------------------------------------------------------------------------ single rules


@pytest.fixture
def here(tmp_path: Path, meshes: Path) -> Path:
    """A folder with `few.parquet`, `types.csv` and `meshes`."""
    few().to_parquet(tmp_path / "few.parquet")
    cells().to_csv(tmp_path / "types.csv", index=False)
    shutil.copytree(meshes, tmp_path / "meshes")
    return tmp_path


USUAL = ("few.parquet", "-a", "types.csv", "--meshes", "meshes", "--coordinates", "nm", "--no-plot", "-o", "out")


def summary(folder: Path) -> dict[str, tuple[int, ...]]:
    """Synapses, pairs, neurons of what holds any."""
    rows = (folder / "summary.csv").read_text().splitlines()
    assert rows[0] == "neuropil,synapses,pairs,neurons"
    found = {name: tuple(map(int, numbers)) for name, *numbers in (row.rsplit(",", 3) for row in rows[1:])}
    return {name.strip('"'): numbers for name, numbers in found.items() if any(numbers)}


def test_what_is_said(crant: Crant, here: Path) -> None:
    ran = crant("neuropil", *USUAL, "--json")
    assert ran.code == 0, ran.err
    assert ran.err.splitlines() == [
        "crantcli neuropil: few.parquet: read as synapses (one row is one synapse): pre = pre_pt_root_id, "
        "post = post_pt_root_id, id = id, size = size",
        "crantcli neuropil: in each neuropil, a weight is the fraction of output shown of the presynaptic neuron",
        "crantcli neuropil: 5 synapses read, 5 kept; 5 memberships: 4 in 3 of 5 neuropils, 1 synapses in none, "
        "1 without a position -> out",
    ]
    told = json.loads(ran.text)
    assert (told["command"], told["outputs"], told["rows"]) == ("neuropil", ["out"], 5)
    assert told["matrices"] == ["A", "B, b", "C.1", "other"]
    assert summary(here / "out") == {"A": (2, 1, 2), "B, b": (1, 1, 2), "C.1": (1, 1, 2), "other": (1, 1, 2)}
    files = {path.name for path in (here / "out").iterdir()}
    kinds = ("matrix.npz", "type_sum.csv", "type_mean.csv", "order.csv")
    matrices = {f"{stem}.{kind}" for stem in ("A", "B__b", "C.1", "other") for kind in kinds}
    assert files == {*matrices, "summary.csv", "assignments.parquet", "manifest.json"}
    assert sorted(files - {"manifest.json"}) == json.loads((here / "out" / "manifest.json").read_text())["files"]
    assert (here / "out" / "A.type_sum.csv").read_text() == "pre/post,X,Y\nX,0.0,1.0\nY,0.0,0.0\n"
    assert crant("neuropil", *USUAL, "--quiet").err == ""


def test_without_other(crant: Crant, here: Path) -> None:
    ran = crant("neuropil", *USUAL, "--no-include-other", "--neuropils", "C.1", "--exclude", "empty")
    assert "1 memberships: 1 in 1 of 1 neuropils, 3 synapses in none, 1 without" in ran.err
    assert pd.read_parquet(here / "out" / "assignments.parquet").to_dict("list") == {"id": [12], "neuropil": ["C.1"]}
    ran = crant("neuropil", *USUAL, "--neuropils", "C.1")
    assert summary(here / "out") == {"C.1": (1, 1, 2), "other": (3, 3, 3)}
    assert "other" not in record(here / "out" / "C.1.matrix.npz")["options"]["neuropil"]


def test_assignments_only_need_no_annotations(crant: Crant, here: Path) -> None:
    words = [word for word in USUAL if word not in ("-a", "types.csv")]
    complaint(crant("neuropil", *words), 2, "--annotations", "--assignments-only")
    assert crant("neuropil", *words, "--assignments-only").code == 0
    assert {path.name for path in (here / "out").iterdir()} == {"summary.csv", "assignments.parquet", "manifest.json"}
    alone = (here / "out" / "summary.csv").read_bytes()
    crant("neuropil", *USUAL)
    assert (here / "out" / "summary.csv").read_bytes() == alone


@pytest.mark.parametrize("chosen", [("--source-types", "X"), ("--source-types", "X", "--target-types", "X")])
def test_the_summary_is_of_everything_whatever_is_chosen(crant: Crant, here: Path, chosen: tuple[str, ...]) -> None:
    assert crant("neuropil", *USUAL, *chosen).code == 0
    assert summary(here / "out") == {"A": (2, 1, 2), "B, b": (1, 1, 2), "C.1": (1, 1, 2), "other": (1, 1, 2)}


def test_threshold_and_scope_apply_within_each_neuropil(crant: Crant, here: Path) -> None:
    crant("neuropil", *USUAL, "-t", 2, "--weight-mode", "count")
    manifest = json.loads((here / "out" / "manifest.json").read_text())
    assert manifest["stems"] == {"A": "A"}
    assert summary(here / "out") == {"A": (2, 1, 2), "B, b": (1, 1, 2), "C.1": (1, 1, 2), "other": (1, 1, 2)}
    assert len(pd.read_parquet(here / "out" / "assignments.parquet")) == 5
    cells()[:2].to_csv("types.csv", index=False)
    ran = crant("neuropil", *USUAL)
    assert "2 memberships of neurons without annotation are left out" in ran.err
    assert "other" not in json.loads((here / "out" / "manifest.json").read_text())["stems"]
    assert summary(here / "out")["other"] == (1, 1, 2)


def test_a_neuron_is_on_the_axes_of_each_neuropil_that_it_has_a_synapse_in(crant: Crant, here: Path) -> None:
    """Whoever it is with: a mean is over all neurons of a type that are in the neuropil."""
    places = pd.Series([[1, 1, 1], [1, 1, 1], [13, 1, 1], [13, 1, 1]], dtype=object)
    table = pd.DataFrame({"id": range(4), "pre_pt_root_id": [1, 4, 1, 9], "post_pt_root_id": [2, 9, 2, 3]})
    table.assign(ctr_pt_position=places).to_parquet("few.parquet")
    people = pd.DataFrame({"root_id": [1, 4, 2, 3], "cell_type": ["X", "X", "Y", "Y"]})
    people.to_csv("types.csv", index=False)
    assert crant("neuropil", *USUAL, "--weight-mode", "count").code == 0
    assert (here / "out" / "A.type_mean.csv").read_text() == "pre/post,X,Y\nX,0.0,0.5\nY,0.0,0.0\n"
    assert (here / "out" / "B__b.type_mean.csv").read_text() == "pre/post,X,Y\nX,0.0,0.5\nY,0.0,0.0\n"
    with pytest.warns(cc.CrantWarning, match="memberships of neurons without annotation"):
        made = cc.DirectedNestedMatrix.from_synapses_by_neuropil(
            table.assign(ctr_pt_position=places), people, meshes="meshes", weight_mode="count", source_types="X"
        )
    assert (made.A.source_neurons, made["B, b"].source_neurons) == (("1", "4"), ("1",))
    assert (made.A.target_neurons, made["B, b"].target_neurons) == (("2",), ("2", "3"))


def test_notes_are_of_all_matrices(crant: Crant, here: Path) -> None:
    """Type orders, rows without a value, wholes of unknown origin: each told once."""
    table = few(value=pd.array([1, None, 2, 3, None], dtype="Int64"))
    table.to_parquet("few.parquet")
    more = ("--weight-mode", "column", "--weight-column", "value", "--type-order", "Y,nobody,X")
    ran = crant("neuropil", *USUAL, *more)
    assert ran.err.count("no type is nobody") == 1
    assert ran.err.count("2 rows have no value to add up") == 1
    assert "weights are sum of value" in ran.err
    assert read_npz(here / "out" / "A.matrix.npz") == {("1", "2"): 1}
    ran = crant("neuropil", *USUAL, "--weight-mode", "relative_outgoing", "--normalization-scope", "all")
    assert ran.err.count("its origin is not recorded") == 1
    assert record(here / "out" / "A.matrix.npz")["weights"] == "fraction of all output in A"
    with pytest.warns(cc.CrantWarning) as told:
        cc.NestedMatrix.from_synapses_by_neuropil(
            table, cells(), meshes="meshes", weight_mode="column", weight_column="value", type_order=["nobody"]
        )
    assert {"no value to add up", "no type is nobody", "have no position"} == {
        words
        for words in ("no value to add up", "no type is nobody", "have no position")
        if any(words in str(warning.message) for warning in told)
    }


def test_totals_are_of_the_whole_brain(crant: Crant, here: Path) -> None:
    """Neuron 3 has two synapses, one of them nowhere; a fraction of the neuropil is not one of the neuron."""
    assert crant("counts", "few.parquet", "-o", "totals.parquet").code == 0
    scope = ("--normalization-scope", "all")
    ran = crant("neuropil", *USUAL, *scope, "--totals", "totals.parquet")
    assert "fraction of all output of the presynaptic neuron, whatever the neuropil" in ran.err
    assert read_npz(here / "out" / "other.matrix.npz") == {("3", "1"): 0.5}
    assert record(here / "out" / "other.matrix.npz")["weights"] == "fraction of all output"
    crant("neuropil", *USUAL, *scope)
    assert read_npz(here / "out" / "other.matrix.npz") == {("3", "1"): 1}
    complaint(crant("neuropil", *USUAL, "--totals", "totals.parquet"), 2, "--normalization-scope all")


def test_matrices_tell_what_they_are(crant: Crant, here: Path) -> None:
    """A chain of commands does not take one neuropil's matrix for the brain's."""
    crant("neuropil", *USUAL, "--relative", "--relative-types", "--weight-mode", "count")
    told = record(here / "out" / "A.relative.npz")
    assert (told["cells"], told["labels"], told["options"]["neuropil"]) == ("fraction of the row", "neurons", ["A"])
    assert read_npz(here / "out" / "A.relative.npz") == {("1", "2"): 1}
    assert (here / "out" / "A.relative_types.csv").read_text() == "pre/post,X,Y\nX,0.0,1.0\nY,0.0,0.0\n"
    assert crant("connectivity", "out/A.matrix.npz").rows()[1:] == [["1", "2", "2"]]
    complaint(crant("connectivity", "out/A.matrix.npz", "--normalize", "input"), 3, "the neuropil A")
    assert (here / "out" / "A.order.csv").read_text() == "axis,position,neuron,type\nboth,0,1,X\nboth,1,2,Y\n"
    crant("neuropil", *USUAL, "--directed")
    assert (here / "out" / "A.order.csv").read_text().splitlines()[1:] == ["source,0,1,X", "target,0,2,Y"]


def test_a_row_without_a_neuron_does_not_place_the_synapse(crant: Crant, here: Path) -> None:
    """It counts nowhere, and has the id of one that does, or of another such row."""
    rows = {"id": [5, 5, 6, 6, 7], "pre_pt_root_id": pd.array([None, 1, None, None, 2], dtype="Int64")}
    places = pd.Series([[1, 1, 1], [13, 1, 1], [1, 1, 1], [1, 1, 2], [13, 1, 1]], dtype=object)
    few(**rows, ctr_pt_position=places, post_pt_root_id=[2, 2, 2, 2, 1]).to_parquet("few.parquet")
    assert crant("neuropil", *USUAL, "--assignments-only", "--allow-null").code == 0
    found = pd.read_parquet(here / "out" / "assignments.parquet")
    assert found.to_dict("list") == {"id": [5, 6, 7], "neuropil": ["B, b", "A", "B, b"]}
    assert record(here / "out" / "assignments.parquet")["ledger"]["kept"] == 3
    more = ("--assignments", "out/assignments.parquet", "--neuropil", "A")
    assert crant("connectivity", "few.parquet", "--allow-null", *more).rows()[1:] == []


def test_assignments_keep_the_order_of_the_table(crant: Crant, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in many batches; where ids are repeated they are sorted."""
    monkeypatch.setattr("crantcli.engine.division.BATCH", 3)
    table = few(id=[15, 12, 14, 11, 13])[::-1]
    table.to_parquet("few.parquet")
    crant("neuropil", *USUAL, "--assignments-only")
    found = pd.read_parquet(here / "out" / "assignments.parquet")
    assert found["id"].tolist() == [11, 14, 12, 12, 15]
    assert found["neuropil"].tolist() == ["other", "B, b", "A", "C.1", "A"]
    pd.concat([table, table[:2]]).to_parquet("few.parquet")
    crant("neuropil", *USUAL, "--assignments-only")
    assert pd.read_parquet(here / "out" / "assignments.parquet")["id"].tolist() == [11, 12, 12, 14, 15]


def test_an_empty_table(crant: Crant, here: Path) -> None:
    few()[:0].astype({"ctr_pt_position": "str"}).to_csv("few.csv", index=False)
    words = ["few.csv" if word == "few.parquet" else word for word in USUAL]
    ran = crant("neuropil", *words)
    assert ran.code == 0, ran.err
    assert summary(here / "out") == {}
    assert len((here / "out" / "summary.csv").read_text().splitlines()) == 7
    ran = crant("neuropil", *words, "--fail-empty")
    assert (ran.code, ran.out) == (4, b"")
    assert crant("neuropil", *words, "--fail-empty", "--assignments-only").code == 4
    assert crant("neuropil", *USUAL, "--fail-empty", "--neuropils", "empty", "--no-include-other").code == 4
    assert crant("neuropil", *USUAL, "--fail-empty").code == 0
    assert crant("neuropil", *USUAL, "--fail-empty", "--min-size", 100).code == 4
    assert crant("neuropil", *USUAL, "--fail-empty", "--min-size", 100, "--assignments-only").code == 0


ERRORS: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "unknown neuropil": (3, ("--neuropils", "A,emty"), ("--neuropils emty", "near names: empty")),
    "unknown exclude": (3, ("--exclude", "c.1x"), ("--exclude c.1x", "C.1")),
    "nothing is left": (2, ("--neuropils", "A", "--exclude", "A"), ("excluded",)),
    "no folder": (2, ("--meshes", "nowhere"), ("nowhere",)),
    "no mesh in it": (2, ("--meshes", "."), ("no mesh",)),
    "offset with nm": (2, ("--voxel-offset", "1,2,3"), ("offset", "pixels")),
    "offset of words": (2, ("--voxel-offset", "1,x,3"), ("--voxel-offset 1,x,3",)),
    "offset of two": (2, ("--voxel-offset", "1,3"), ("three numbers",)),
    "no such position": (3, ("--position-column", "soma"), ("no position soma", "--position-column")),
    "a column that is no position": (3, ("--position-column", "size"), ("size",)),
    "column without mode": (2, ("--weight-column", "size"), ("weight mode 'column'",)),
    "unknown type": (3, ("--source-types", "Z"), ("type Z",)),
    "order of one axis": (2, ("--source-type-order", "X"), ("--directed",)),
    "an option that is not there": (2, ("--sum-duplicates",), ("--sum-duplicates",)),
    "figure size": (2, ("--figsize", "8"), ("--figsize 8",)),
    "a figure without an end": (2, ("--figsize", "8,inf"), ("--figsize 8,inf",)),
    "a figure of too many pixels": (2, ("--figsize", "4,4", "--dpi", "100000"), ("--figsize 4,4", "too large")),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(crant: Crant, here: Path, case: str) -> None:
    code, words, said = ERRORS[case]
    complaint(crant("neuropil", *USUAL, *words), code, *said)
    assert not (here / "out").exists()


@pytest.mark.parametrize(("offset"), ["nan,0,0", "0,inf,0", "0,0,1e999"])
def test_an_offset_is_finite(crant: Crant, here: Path, offset: str) -> None:
    words = [word.replace("nm", "pixels") for word in USUAL]
    complaint(crant("neuropil", *words, "--voxel-size", "1,1,1", "--voxel-offset", offset), 2, "finite")
    with pytest.raises(ValueError, match="finite"):
        cc.NestedMatrix.from_synapses_by_neuropil(
            few(), cells(), meshes="meshes", coordinates="pixels", voxel_size=(1, 1, 1), voxel_offset=offset.split(",")
        )


@NOTES_ARE_FINE
def test_trap_6_units(crant: Crant, here: Path) -> None:
    """Trap 6: pixels read as nanometres; another brain's voxel size. The unit is told, or recorded, or asked for."""
    bare = [word for word in USUAL if word not in ("--coordinates", "nm")]
    complaint(crant("neuropil", *bare), 2, "--coordinates")
    complaint(crant("neuropil", *bare, "--coordinates", "pixels"), 2, "--voxel-size")
    crant("synapses", "few.parquet", "--coordinates", "pixels", "--voxel-size", "2,1,1", "-o", "told.parquet")
    told = ["told.parquet", *bare[1:]]
    assert crant("neuropil", *told).code == 0
    assert summary(here / "out") == {"A": (1, 1, 2), "B, b": (1, 1, 2), "C.1": (1, 1, 2), "other": (2, 2, 3)}
    assert record(here / "out" / "assignments.parquet")["options"]["voxel_size_nm"] == [2, 1, 1]
    complaint(crant("neuropil", *told, "--coordinates", "nm"), 3, "records", "pixels")
    complaint(crant("neuropil", *told, "--voxel-size", "8,8,42"), 3, "records", "2,1,1")
    pixels = cc.get_synapses(source=Path("told.parquet"))
    with pytest.raises(cc.DataError, match="pixels"):
        cc.NestedMatrix.from_synapses_by_neuropil(pixels, cells(), meshes="meshes")
    found = cc.NestedMatrix.from_synapses_by_neuropil(pixels, cells(), meshes="meshes", coordinates="pixels")
    read = {name: numbers for name, numbers in found.summary.T.items() if numbers["synapses"]}
    assert {name: tuple(numbers) for name, numbers in read.items()} == summary(here / "out")


@pytest.mark.parametrize("kind", ["edges", "adjacency"])
def test_tables_that_are_not_synapses(crant: Crant, here: Path, kind: str) -> None:
    crant("connectivity" if kind == "edges" else "adjacency", "few.parquet", "-o", "other.parquet")
    words = ["other.parquet", *USUAL[1:]]
    complaint(crant("neuropil", *words), 3, "needs one row per synapse")


def test_meshes_that_are_refused(crant: Crant, here: Path) -> None:
    complaint(crant("neuropil", *(w for w in USUAL if w not in ("--meshes", "meshes"))), 2, "--meshes")
    opened = trimesh.creation.box()
    opened.update_faces([True] * 11 + [False])
    opened.export("meshes/hole.ply")
    complaint(crant("neuropil", *USUAL), 3, "hole.ply", "--exclude hole")
    assert crant("neuropil", *USUAL, "--exclude", "hole").code == 0
    (here / "meshes" / "hole.ply").unlink()
    shutil.copy("meshes/A.ply", "meshes/other.ply")
    complaint(crant("neuropil", *USUAL), 3, "a mesh is called other")
    assert crant("neuropil", *USUAL, "--neuropils", "A").code == 0
    shutil.move("meshes/other.ply", "meshes/a.ply")
    complaint(crant("neuropil", *USUAL), 3, "A.ply and a.ply")


def test_trap_11_a_neuropil_called_as_a_file_of_ours(crant: Crant, here: Path) -> None:
    """Trap 11: its picture would take the place of the summary's."""
    shutil.copy("meshes/A.ply", "meshes/summary.ply")
    ran = crant("neuropil", *[word for word in USUAL if word != "--no-plot"], "--neuropils", "summary")
    assert ran.code == 0, ran.err
    manifest = json.loads((here / "out" / "manifest.json").read_text())
    stem = manifest["stems"]["summary"]
    assert stem.startswith("summary-")
    assert {f"{stem}.png", f"{stem}.matrix.npz", "summary.png", "summary.csv", "other.png"} <= set(manifest["files"])
    assert crant("info", "out/summary.png", "--json").code == 0


def test_the_union_of_noduli(crant: Crant, here: Path) -> None:
    """nodulus_right is the union of four meshes; a synapse in two of them lies in it once."""
    for name, mesh in zip(("NOc_r", "NOm1_r", "NOm2_r", "NOs_r"), ("A", "C.1", "B, b", "d'or"), strict=True):
        shutil.copy(f"meshes/{mesh}.ply", f"meshes/{name}.ply")
    assert crant("neuropil", *USUAL, "--neuropils", "nodulus_right,NOc_r").code == 0
    assert summary(here / "out") == {"NOc_r": (2, 1, 2), "nodulus_right": (3, 2, 3), "other": (1, 1, 2)}


# ------------------------------------------------------------------------------------------ sample and real data


def test_the_sample_brain(crant: Crant, tmp_path: Path) -> None:
    """The counts told in its README, through its data set; with one picture."""
    counts = {
        "ellipsoid_body": 17240, "fan_shaped_body": 3589, "protocerebral_bridge": 5477, "bulb_left": 1240,
        "bulb_right": 1027, "nodulus_left": 78, "nodulus_right": 156, "mushroom_body_medial_calyx_left": 1068,
        "mushroom_body_medial_calyx_right": 880, "mushroom_body_pedunculus_and_lobes_left": 2035,
        "mushroom_body_pedunculus_and_lobes_right": 2278, "antennal_lobe_left": 2410, "antennal_lobe_right": 2264,
        "other": 258,
    }  # fmt: skip
    readme = (SAMPLE / "README.md").read_text()
    assert all(f"{number:,}" in readme for number in counts.values())
    frame_of = pd.read_parquet(SAMPLE / "synapses.parquet", dtype_backend="numpy_nullable")
    frame_of.drop(columns="id").to_parquet("rows.parquet")  # without ids every row counts
    words = ["--coordinates", "nm", "--meshes", SAMPLE / "meshes", "--no-clean", "--assignments-only", "--no-plot"]
    ran = crant("neuropil", "rows.parquet", *words, "-o", "rows", "--threads", 1)
    assert ran.code == 0, ran.err
    found = pd.read_parquet(tmp_path / "rows" / "assignments.parquet")
    assert found["neuropil"].value_counts().to_dict() == counts
    assert found["row"].tolist() == list(range(40_000))
    places = found.set_index("row")["neuropil"]
    kept = frame_of[places.reindex(range(40_000)).to_numpy() == "bulb_left"]
    kept = kept.dropna(subset=["pre_pt_root_id", "post_pt_root_id"]).drop_duplicates("id")
    kept = kept[(kept["pre_pt_root_id"] != kept["post_pt_root_id"])]
    kept = kept[(kept["pre_pt_root_id"] != 0) & (kept["post_pt_root_id"] != 0)]
    ran = crant("neuropil", "-d", SAMPLE / "sample.toml", "-o", "nested", "--neuropils", "bulb_left", "--weight-mode",
                "count", "--annotation-scope", "all", "--no-include-other")  # fmt: skip
    assert ran.code == 0, ran.err
    pairs = kept.groupby(["pre_pt_root_id", "post_pt_root_id"]).size()
    assert read_npz(tmp_path / "nested" / "bulb_left.matrix.npz") == {
        (str(pre), str(post)): number for (pre, post), number in pairs.items()
    }
    assert summary(tmp_path / "nested") == {
        "bulb_left": (len(kept), len(pairs), len({neuron for pair in pairs.index for neuron in pair}))
    }
    told = json.loads(crant("info", "nested/bulb_left.png", "--json").text)
    assert told["provenance"]["options"]["neuropil"] == ["bulb_left"]
    assert told["provenance"]["picture"]["level"] == "neuron"


def test_ten_real_synapses(crant: Crant, real: Path, tmp_path: Path) -> None:
    """Positions in voxels, in the meshes that their labels name."""
    source = real / "crantb_synapses_10rows.csv"
    words = ("--coordinates", "pixels", "--voxel-size", "8,8,42", "--meshes", real / "crantb_neuropils", "--no-plot")
    ran = crant("neuropil", source, *words, "--assignments-only", "-o", "out")
    assert ran.code == 0, ran.err
    rows = pd.read_csv(source)
    names = {
        1: "mushroom_body_pedunculus_and_lobes_left", 2: "mushroom_body_medial_calyx_left",
        3: "mushroom_body_lateral_calyx_left", 5: "mushroom_body_medial_calyx_right",
        6: "mushroom_body_lateral_calyx_right", 7: "antennal_lobe_left", 8: "antennal_lobe_right",
    }  # fmt: skip
    expected = {(synapse, names[label]) for synapse, label in zip(rows["id"], rows["expected_label_id"], strict=True)}
    assert set(tuples(pd.read_parquet(tmp_path / "out" / "assignments.parquet"))) == expected
    neurons = sorted({*rows["pre_pt_root_id"], *rows["post_pt_root_id"]})
    types = pd.DataFrame({"root_id": neurons, "cell_type": [f"T{n % 3}" for n in range(len(neurons))]})
    matrices = cc.NestedMatrix.from_synapses_by_neuropil(
        rows.drop(columns=["pre_pt_position", "post_pt_position"]), types, coordinates="pixels", voxel_size=(8, 8, 42),
        meshes=real / "crantb_neuropils", weight_mode="count",
    )  # fmt: skip
    assert {name: int(found.sparse.sum()) for name, found in matrices.items()} == pd.Series(
        [name for _, name in expected]
    ).value_counts().to_dict()


def test_the_picture_of_the_summary_has_what_is_no_neuropil_last() -> None:
    from matplotlib.colors import same_color

    from crantcli.output.figures.bars import draw_bars

    axes = draw_bars({"a": 2, "other": 90, "b": 30, "c": 30, "none": 0}, "synapses", "other").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c", "a", "none", "other"]
    assert [bar.get_width() for bar in axes.patches] == [30, 30, 2, 0, 90]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert same_color(colours[0], colours[3])
    assert not same_color(colours[0], colours[4])
    assert (axes.get_xlabel(), axes.yaxis_inverted()) == ("synapses", True)


def test_signs_and_strong_inputs_are_of_each_neuropil(crant: Crant, here: Path) -> None:
    """Input is that within the neuropil; signs are those of the whole brain, and said with the neuropil's name."""
    people = cells().assign(side=["left", "right", "left"], nt=["gaba", "ach", None])
    people.to_csv("types.csv", index=False)
    signs = ("--sign", "nt", "--inhibitory", "gaba", "--unsigned", "positive", "--by", "cell_type,side")
    ran = crant("neuropil", *USUAL, "--weight", "sum:size", "--min-fraction", "0.9", *signs)
    assert ran.code == 0, ran.err
    assert read_npz(here / "out" / "A.matrix.npz") == {("1", "2"): -11}
    assert (here / "out" / "A.type_sum.csv").read_text().splitlines()[0] == "pre/post,X:left,Y:right"
    assert record(here / "out" / "A.matrix.npz")["weights"] == "sum of size, signed by nt"
    assert "other: 1 presynaptic neuron has no nt that gives a sign, such as 3" in ran.err
    assert crant("connectivity", "out/A.matrix.npz").rows()[1:] == [["1", "2", "-11"]]
    complaint(crant("neuropil", *USUAL, "--weight", "mean:size"), 2, "means do not add up")
