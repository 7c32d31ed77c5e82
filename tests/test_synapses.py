"""`crantcli synapses`: which rows, each once, in which order, and in which unit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import Chosen, Rules
from strategies import (
    AS_DRAWN,
    SETTINGS,
    SYNAPSE_COLUMNS,
    Drawn,
    as_csv,
    as_json,
    frame,
    maybe_asked,
    rules,
    seeded_frame,
    seeded_synapses,
    synapse_tables,
    tuples,
)

import crantcli as cc
from crantcli.core import sql
from crantcli.core.rows import deduplicate
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.synapses import synapse_rows
from crantcli.engine.duckdb import Engine
from crantcli.ids import Selection
from crantcli.run.inputs import Opener
from crantcli.sources.tables.read_options import ReadOptions

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")

POSITION = [f"ctr_pt_position_{axis}" for axis in "xyz"]
FORMATS = ("parquet", "feather", "csv", "csv.gz", "tsv")


def record(path: Path) -> dict[str, Any]:
    """The provenance in a Parquet or Feather file."""
    schema = pq.read_schema(path) if path.suffix == ".parquet" else pyarrow.feather.read_table(path).schema
    found: dict[str, Any] = json.loads(schema.metadata[b"crantcli"])
    return found


def ledger_of(table: Drawn, chosen: Chosen, rule: Rules) -> dict[str, Any]:
    """The ledger that the commands print and record."""
    with Engine() as engine:
        space = Opener(engine)
        space.null_text = AS_DRAWN["null_text"]
        opened = space.table(table.frame, ReadOptions(carry=True, **AS_DRAWN))
        sides = [None if ids is None else Selection(tuple(ids)) for ids in (chosen.pre, chosen.post)]
        filters = RowFilter(rule.clean, (0,), rule.min_size, rule.threshold)
        result = synapse_rows(engine, opened, NeuronFilter(*sides), filters)
        assert len(engine.execute(result.query)) == result.rows == result.ledger.kept
        return result.ledger.as_dict()


# ------------------------------------------------------------------------------------------ rules against the oracle


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables())
def test_rows_follow_the_rules(data: st.DataObject, table: Drawn) -> None:
    """Selection (pre AND post), repeated synapses, cleaning, size, threshold, order."""
    rule, pre, post = data.draw(rules(table)), data.draw(maybe_asked(table)), data.draw(maybe_asked(table))
    expected, _ = oracle.synapses(table.rows, Chosen(pre, post), rule)
    found = cc.get_synapses(
        pre, post, rule.threshold, rule.min_size, clean=rule.clean, source=table.frame, **AS_DRAWN, update_ids=False
    )
    assert tuple(found.columns) == tuple(sorted(table.columns, key=("id", "pre", "post", "size", "neuropil").index))
    assert tuples(found) == [tuple(row.get(name) for name in found.columns) for row in expected]


@SETTINGS
@given(data=st.data(), table=synapse_tables())
def test_every_row_is_accounted_for(data: st.DataObject, table: Drawn) -> None:
    """The ledger counts each step on its own, in a fixed order, and adds up."""
    rule, pre, post = data.draw(rules(table)), data.draw(maybe_asked(table)), data.draw(maybe_asked(table))
    _, ledger = oracle.synapses(table.rows, Chosen(pre, post), rule)
    assert oracle.adds_up(ledger)
    found = ledger_of(table, Chosen(pre, post), rule)
    assert found == as_json(ledger, "synapses")
    assert tuple(found["removed"]) == oracle.STEPS


@NOTES_ARE_FINE
@SETTINGS
@given(data=st.data(), table=synapse_tables())
def test_many_neurons_are_selected_like_few(data: st.DataObject, table: Drawn) -> None:
    """A long list of neurons goes through a table instead of the query's text; the rows are the same."""
    pre, post = data.draw(maybe_asked(table)), data.draw(maybe_asked(table))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql, "INLINE_IDS", 1)
        found = cc.get_synapses(pre, post, source=table.frame, **AS_DRAWN)
    expected, _ = oracle.synapses(table.rows, Chosen(pre, post), Rules())
    assert tuples(found) == [tuple(row.get(name) for name in found.columns) for row in expected]


@SETTINGS
@given(
    table=synapse_tables().filter(lambda t: t.has("id")),
    place=st.integers(0, 30),
    side=st.sampled_from(["pre", "post"]),
    answer=st.sampled_from([cc.get_synapses, cc.get_connectivity, cc.get_synapse_counts, cc.get_adjacency]),
)
def test_one_id_with_different_neurons_is_an_error(table: Drawn, place: int, side: str, answer: Any) -> None:
    whole = [row for row in table.rows if None not in (row["id"], row["pre"], row["post"])]
    if not whole:
        return
    row = dict(whole[place % len(whole)])
    row[side] = next(neuron for neuron in table.neurons if neuron != row[side])
    rows = [*table.rows, row]
    with pytest.raises(oracle.ConflictError):
        oracle.synapses(rows, oracle.EVERYTHING, Rules())
    with pytest.raises(cc.DataError, match=f"synapse {row['id']} stands for different neurons"):
        answer(source=frame(rows, table.columns), **AS_DRAWN)


@pytest.mark.parametrize("memory", [16, 2 * 10**9])
@pytest.mark.parametrize("step", [1, 5, 2**40])
def test_repeats_are_found_wherever_the_ids_lie(monkeypatch: pytest.MonkeyPatch, memory: int, step: int) -> None:
    """Ids close together fill a bitmap, those far apart are sorted, in several parts where memory is short."""
    monkeypatch.setattr(deduplicate, "_FEW", 0)
    for ids in ([-3, 0, 1, 2, 7, 11], [-4, 500, -4], [-3, 0, 7, 11, 0, 1, 2], [11, 3, 1, 11], [-3, -3], []):
        rows = [{"id": number * step, "pre": 1, "post": 2} for number in ids]
        with Engine() as engine:
            table = Opener(engine).table(frame(rows, ("id", "pre", "post")), ReadOptions(**AS_DRAWN))
            engine.memory = memory
            relation, dropped = deduplicate.deduplicate(engine, table.relation, ("id", "pre", "post"), table)
            assert engine.execute(f"SELECT count(*) FROM {relation}") == [(len(set(ids)),)]
            assert dropped == len(ids) - len(set(ids))


@pytest.mark.parametrize("repeated", [0, 499_999_999, 500_000_000, 500_000_001, 600_000_000])
def test_no_repeat_is_lost_between_two_bitmaps(repeated: int) -> None:
    """A wide range of ids takes several bitmaps of 500 million bits."""
    ids = [0, 499_999_999, 500_000_000, 500_000_001, 600_000_000]
    with Engine() as engine:
        once = engine.table("ids", f"SELECT unnest({ids}) AS id")
        twice = engine.table("ids", f"SELECT unnest({[*ids, repeated]}) AS id")
        assert deduplicate._fills_bitmap(engine, once, ids[0], ids[-1], 5)
        assert not deduplicate._fills_bitmap(engine, twice, ids[0], ids[-1], 6)


@pytest.mark.parametrize("ids", [(-(2**63), 2**63 - 1), (5, 2**62), ("a", "b"), (0, 1)])
def test_repeats_are_found_whatever_the_ids_are(ids: tuple[Any, Any]) -> None:
    rows = [{"id": synapse, "pre": 1, "post": 2} for synapse in (*ids, *ids, None, None)]
    found = cc.get_connectivity(source=frame(rows, ("id", "pre", "post")), kind="synapses")
    assert tuples(found) == [(1, 2, 4)]


@pytest.mark.parametrize("order", [1, -1])
def test_every_command_keeps_the_same_copy(order: int) -> None:
    """Of copies that differ the smallest stays, whatever columns a command reads."""
    rows = [
        {"id": 1, "pre": 1, "post": 2, "size": 1, "neuropil": "FB"},
        {"id": 1, "pre": 1, "post": 2, "size": 2, "neuropil": "EB"},
        {"id": 1, "pre": 1, "post": 2, "size": None, "neuropil": "AB"},
    ]
    source = frame(rows[::order], ("id", "pre", "post", "size", "neuropil"))
    assert tuples(cc.get_synapses(source=source)) == [(1, 1, 2, 1, "FB")]
    assert tuples(cc.get_connectivity(source=source, by="neuropil")) == [(1, 2, "FB", 1)]
    assert tuples(cc.get_connectivity(source=source, by="neuropil", min_size=1)) == [(1, 2, "FB", 1)]
    assert len(cc.get_connectivity(source=source, min_size=2)) == len(cc.get_synapses(source=source, min_size=2)) == 0


def test_repeats_of_unselected_rows_count_as_unselected() -> None:
    """With a selection, repeats are looked for among the selected rows; nulls are counted over the whole table."""
    rows = [{"id": 1, "pre": 1, "post": 2}] * 3 + [{"id": 2, "pre": 3, "post": 2}] * 2 + [{"id": 3, "post": 2}]
    rows = [{"pre": None, **row} for row in rows]
    table = Drawn(rows, ("id", "pre", "post"), (0, 1, 2, 3))
    removed = ledger_of(table, Chosen(pre=[1]), Rules())["removed"]
    assert {step: number for step, number in removed.items() if number} == {"null": 1, "duplicate": 2, "unselected": 2}
    removed = ledger_of(table, oracle.EVERYTHING, Rules())["removed"]
    assert {step: number for step, number in removed.items() if number} == {"null": 1, "duplicate": 3}


# ------------------------------------------------------------------------------------------ the command, on one table


@pytest.fixture(scope="module")
def seeded() -> list[dict[str, Any]]:
    return seeded_synapses()


def first_neurons(rows: list[dict[str, Any]], number: int) -> list[Any]:
    return sorted({row["pre"] for row in rows} - {None, 0})[:number]


@pytest.mark.parametrize(
    ("options", "sides", "rule"),
    [
        ((), 0, Rules()),
        (("--no-clean",), 0, Rules(clean=False)),
        (("--min-size", 40, "-t", 3), 0, Rules(min_size=40, threshold=3)),
        (("-t", 2), 1, Rules(threshold=2)),
        (("--no-clean", "--min-size", 10), 3, Rules(False, 10)),
    ],
)
def test_command_follows_the_rules(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]], options: tuple[Any, ...], sides: int, rule: Rules
) -> None:
    """CSV on a pipe, and the ledger in `--json`, are the oracle's."""
    seeded_frame(seeded).to_parquet(tmp_path / "in.parquet")
    neurons = first_neurons(seeded, 6)
    pre, post = (neurons[:3] if sides & 1 else None), (neurons[2:] if sides & 2 else None)
    chosen = [
        word
        for side, ids in (("--pre", pre), ("--post", post))
        for word in ((side, ",".join(map(str, ids))) if ids else ())
    ]
    expected, ledger = oracle.synapses(seeded, Chosen(pre, post), rule)
    assert expected
    ran = crant("synapses", "in.parquet", *options, *chosen)
    assert ran.code == 0, ran.err
    assert ran.rows() == [
        list(SYNAPSE_COLUMNS),
        *as_csv([row.get(name) for name in SYNAPSE_COLUMNS] for row in expected),
    ]
    ran = crant("synapses", "in.parquet", *options, *chosen, "--json", "-o", "out.parquet")
    assert json.loads(ran.text)["ledger"] == as_json(ledger, "synapses") == record(tmp_path / "out.parquet")["ledger"]


def test_order_and_copies_do_not_depend_on_the_order_of_rows(
    crant: Crant, tmp_path: Path, seeded: list[dict[str, Any]]
) -> None:
    seeded_frame(seeded).to_parquet(tmp_path / "one.parquet")
    seeded_frame(seeded[::-1]).to_parquet(tmp_path / "two.parquet")
    one, two = crant("synapses", "one.parquet"), crant("synapses", "two.parquet", "--threads", 3)
    assert one.out == two.out
    assert one.out.count(b"\n") > 100


def test_sample_data_holds_what_its_readme_says(crant: Crant) -> None:
    """The defects of the synthetic brain, counted by hand when it was made."""
    ran = crant("synapses", SAMPLE / "synapses.parquet", "--json", "-o", "clean.parquet")
    removed = {"null": 5, "duplicate": 30, "background": 800, "autapse": 400}
    ledger = json.loads(ran.text)["ledger"]
    assert (ledger["read"], ledger["kept"]) == (40_000, 38_765)
    assert {step: number for step, number in ledger["removed"].items() if number} == removed
    again = json.loads(crant("synapses", "clean.parquet", "--json", "-o", "again.parquet").text)["ledger"]
    assert (again["read"], again["kept"]) == (38_765, 38_765)


@pytest.mark.parametrize("side", ["pre", "post"])
def test_a_file_made_for_these_neurons_is_selected_from_all_the_same(crant: Crant, tmp_path: Path, side: str) -> None:
    """Rows that all have the neurons are not looked for twice; that a file is complete for them is not enough."""
    pd.DataFrame(
        [(1, 1, 5), (2, 1, 6), (3, 2, 5), (4, 2, 6)],
        columns=["id", f"{side}_pt_root_id", f"{'post' if side == 'pre' else 'pre'}_pt_root_id"],
    ).to_parquet(tmp_path / "raw.parquet")
    assert crant("synapses", "raw.parquet", f"--{side}", 1, "-o", "made.parquet").code == 0
    made = crant("synapses", "raw.parquet", f"--{side}", 1).out
    assert made.count(b"\n") == 3
    for asked in ("1", "1,2"):
        assert crant("synapses", "made.parquet", f"--{side}", asked).out == made
    other = "post" if side == "pre" else "pre"
    assert crant("synapses", "made.parquet", f"--{side}", 1, f"--{other}", 5).out.count(b"\n") == 2
    # The whole table, which says of itself what is true: nothing is missing for neuron 1.
    told = record(tmp_path / "made.parquet") | {"rows": 4}
    whole = pq.read_table(tmp_path / "raw.parquet").replace_schema_metadata({"crantcli": json.dumps(told)})
    pq.write_table(whole, tmp_path / "whole.parquet")
    assert crant("synapses", "whole.parquet", f"--{side}", 1).out == made


# ------------------------------------------------------------------------------------------ traps


@pytest.mark.parametrize("columns", [("id", "pre", "post"), ("pre", "post")])
def test_trap_7_min_size_without_sizes_is_an_error(crant: Crant, tmp_path: Path, columns: tuple[str, ...]) -> None:
    """Trap 7: `min_size` ignored without a word when there is no size column."""
    table = frame([{"id": 1, "pre": 1, "post": 2}], columns)
    for answer in (cc.get_synapses, cc.get_connectivity, cc.get_synapse_counts, cc.get_adjacency):
        for size in (0, 5):
            with pytest.raises(cc.DataError, match="size"):
                answer(source=table, min_size=size)
    table.to_parquet(tmp_path / "in.parquet")
    for command in ("synapses", "connectivity", "counts", "adjacency"):
        ran = crant(command, "in.parquet", "--min-size", 1, "-o", "out.parquet")
        assert ran.code == 3
        assert "--min-size" in ran.err
        assert not (tmp_path / "out.parquet").exists()


def test_trap_10_ids_with_gaps_stay_integers(crant: Crant, tmp_path: Path) -> None:
    """Trap 10: int64 IDs with gaps read as float64. Nulls in every ID column; IDs that differ in the last digit."""
    first = 576460752641833773
    rows = [
        {"id": None, "pre": first, "post": first + 1, "pre_pt_supervoxel_id": None, "size": None},
        {"id": first + 5, "pre": first + 1, "post": first + 2, "pre_pt_supervoxel_id": first + 7, "size": 4},
        {"id": first + 6, "pre": None, "post": first + 2, "pre_pt_supervoxel_id": 1, "size": 4},
    ]
    columns = ("id", "pre", "post", "size", "pre_pt_supervoxel_id")
    table = frame(rows, columns).astype({"pre_pt_supervoxel_id": "Int64"})
    found = cc.get_synapses(source=table, **AS_DRAWN)
    assert [str(kind) for kind in found.dtypes] == ["Int64", "int64", "int64", "Int64", "Int64"]
    assert tuples(found) == [tuple(row[name] for name in columns) for row in rows[:2]]
    for suffix in FORMATS:
        path = tmp_path / f"in.{suffix}"
        write(table, path)
        ran = crant("synapses", path, "--pre", first + 1, "--allow-null")
        assert ran.rows() == [list(columns), *as_csv([[rows[1][name] for name in columns]])]
        assert "1 null" in ran.err
    for column in ("id", "pre", "post", "pre_pt_supervoxel_id"):
        with pytest.raises(cc.DataError, match=f"column {column}.*floating"):
            cc.get_synapses(source=table.astype({column: "Float64"}).astype({column: "float64"}))


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a DataFrame as the file name says."""
    name = path.name
    if name.endswith(".parquet"):
        table.to_parquet(path)
    elif name.endswith(".feather"):
        table.to_feather(path)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")


def test_trap_13_row_numbers_are_not_synapse_ids(crant: Crant, tmp_path: Path) -> None:
    """Trap 13: row numbers from several files taken as synapse ids, and real synapses lost as duplicates."""
    one = frame([{"pre": 1, "post": 2}, {"pre": 1, "post": 3}], ("pre", "post"))
    two = frame([{"pre": 1, "post": 2}, {"pre": 2, "post": 3}], ("pre", "post"))
    for suffix in FORMATS:
        if suffix == "feather":
            continue  # cannot hold a DataFrame with its index
        names = [f"{part}.{suffix}" for part in ("one", "two")]
        for name, table in zip(names, (one, two), strict=True):
            separator = "\t" if suffix == "tsv" else ","
            if suffix == "parquet":
                table.set_index(pd.Index([0, 1], name="index")).to_parquet(tmp_path / name)
            else:
                table.to_csv(tmp_path / name, sep=separator)  # with pandas' index in front
        ran = crant("connectivity", *names)
        assert ran.rows()[1:] == [["1", "2", "2"], ["1", "3", "1"], ["2", "3", "1"]]
        assert "no id column" in ran.err
    for name, table in (("one", one), ("two", two)):
        table.rename_axis("id").reset_index().to_parquet(tmp_path / f"{name}.parquet")
    ran = crant("connectivity", "one.parquet", "two.parquet", "-o", "edges.parquet")
    assert ran.code == 3
    assert "synapse 1 stands for different neurons" in ran.err
    assert not (tmp_path / "edges.parquet").exists()


def test_a_synapse_in_two_files_counts_once(crant: Crant, tmp_path: Path) -> None:
    """Overlapping snapshots, each without a repeat: what one file records of itself is not said of both."""
    rows = [{"id": number, "pre": 1, "post": 2} for number in range(6)]
    for name, part in (("one", rows[:4]), ("two", rows[2:])):
        frame(part, ("id", "pre", "post")).to_parquet(tmp_path / "raw.parquet")
        assert crant("synapses", "raw.parquet", "-o", f"{name}.parquet").code == 0
        assert record(tmp_path / f"{name}.parquet")["unique_ids"] is True
    ran = crant("synapses", "one.parquet", "two.parquet", "--json", "-o", "both.parquet")
    ledger = json.loads(ran.text)["ledger"]
    assert (ledger["read"], ledger["removed"]["duplicate"], ledger["kept"]) == (8, 2, 6)


# ------------------------------------------------------------------------------------------ units


def positions(values: list[tuple[Any, Any, Any]], dtype: str = "int64") -> pd.DataFrame:
    """Synapses 0, 1, ... at these positions."""
    table = frame([{"id": n, "pre": 1, "post": 2} for n in range(len(values))], ("id", "pre", "post"))
    for axis, name in enumerate(POSITION):
        table[name] = pd.array([value[axis] for value in values], dtype=dtype)
    return table


def coordinates(found: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Centres as Python returns them."""
    return [tuple(value.item() for value in point) for point in found["ctr_pt_position"]]


_NM = st.integers(-(10**12), 10**12)
_SIZE = st.sampled_from([1, 4, 8, 40, 42])


@SETTINGS
@given(points=st.lists(st.tuples(_NM, _NM, _NM), min_size=1, max_size=20), size=st.tuples(_SIZE, _SIZE, _SIZE))
def test_pixels_are_floor_of_nm_by_voxel(points: list[tuple[int, ...]], size: tuple[int, ...]) -> None:
    """Whole nanometres, negative and large ones, and those next to a voxel's border."""
    near = [tuple(p // s * s + d for p, s in zip(point, size, strict=True)) for point in points for d in (-1, 0, 1)]
    found = cc.get_synapses(source=positions(near), coordinates="nm", voxel_size=size)
    assert coordinates(found) == [tuple(n // s for n, s in zip(point, size, strict=True)) for point in near]
    told = {name: value for name, value in found.attrs["crantcli"].items() if name != "read_as"}
    assert told == {"units": "pixels", "voxel_size_nm": [float(s) for s in size]}


@SETTINGS
@given(
    points=st.lists(st.tuples(_NM, _NM, _NM), min_size=1, max_size=20),
    size=st.sampled_from([(8, 8, 42), (3.8, 3.8, 50), (4.3, 3.58, 0.1)]),
)
def test_trap_5_nm_from_pixels_are_exact(points: list[tuple[int, ...]], size: tuple[float, ...]) -> None:
    """Trap 5: nothing is floored on the way to nanometres, and the way back finds the voxel again."""
    found = cc.get_synapses(source=positions(points), return_pixels=False, coordinates="pixels", voxel_size=size)
    assert coordinates(found) == [tuple(p * s for p, s in zip(point, size, strict=True)) for point in points]
    assert cc.get_synapses(source=found).attrs["crantcli"]["units"] == "pixels"
    assert coordinates(cc.get_synapses(source=found)) == points


def test_fractions_of_nanometres() -> None:
    points = [(7.999, 8.0, -0.001), (-8.0, -8.001, 83.999), (0.0, 16.5, 84.0)]
    found = cc.get_synapses(source=positions(points, "float64"), coordinates="nm", voxel_size=(8, 8, 42))
    assert coordinates(found) == [(0, 1, -1), (-1, -2, 1), (0, 2, 2)]
    kept = cc.get_synapses(source=positions(points, "float64"), coordinates="nm", return_pixels=False)
    assert coordinates(kept) == points


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_small_integers_hold_large_positions(dtype: str) -> None:
    """Pixels stored in a narrow type are nanometres that need a wide one."""
    largest = min(pd.Series([0], dtype=dtype).to_numpy().dtype.itemsize * 8, 40) - 1
    point = (2**largest - 1, 0, 2**largest - 2)
    found = cc.get_synapses(
        source=positions([point], dtype), return_pixels=False, coordinates="pixels", voxel_size=(8, 8, 42)
    )
    assert coordinates(found) == [(point[0] * 8, 0, point[2] * 42)]


def test_missing_positions_stay_missing() -> None:
    table = positions([(1, 2, 3), (80, 80, 420)])
    table[POSITION] = table[POSITION].astype("Int64")
    table.loc[0, POSITION] = pd.NA
    found = cc.get_synapses(source=table, coordinates="nm", voxel_size=(8, 8, 42))
    assert found["ctr_pt_position"][0] is None
    assert list(found["ctr_pt_position"][1]) == [10, 10, 10]


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_trap_6_unit_and_voxel_size_go_with_the_file(crant: Crant, tmp_path: Path, suffix: str) -> None:
    """Trap 6: pixels from one step read as nanometres by the next; one brain's voxel size used for another."""
    points = [(-1, 79, 41), (160, 168, 420)]
    positions(points).to_parquet(tmp_path / "raw.parquet")
    nm, px, back = (f"{name}.{suffix}" for name in ("nm", "px", "back"))
    assert crant("synapses", "raw.parquet", "--coordinates", "nm", "--voxel-size", "8,8,42", "-o", nm).code == 0
    assert crant("synapses", nm, "--units", "pixels", "-o", px).code == 0
    assert crant("synapses", px, "--units", "nm", "-o", back).code == 0
    recorded = [(record(tmp_path / name)["units"], record(tmp_path / name)["voxel_size_nm"]) for name in (nm, px, back)]
    assert recorded == [("nm", [8.0, 8.0, 42.0]), ("pixels", [8.0, 8.0, 42.0]), ("nm", [8.0, 8.0, 42.0])]
    floored = [tuple(math.floor(n / s) for n, s in zip(point, (8, 8, 42), strict=True)) for point in points]
    assert [row[3:] for row in crant("synapses", px).rows()[1:]] == as_csv(floored)
    scaled = [tuple(p * s for p, s in zip(point, (8, 8, 42), strict=True)) for point in floored]
    assert [row[3:] for row in crant("synapses", back).rows()[1:]] == as_csv(scaled)
    # The frame that pandas or our function makes of it knows as well.
    assert cc.get_synapses(source=tmp_path / px, return_pixels=False).attrs["crantcli"]["units"] == "nm"
    assert coordinates(cc.get_synapses(source=tmp_path / px, return_pixels=False)) == scaled
    read = pd.read_parquet(tmp_path / px) if suffix == "parquet" else pd.read_feather(tmp_path / px)
    assert read.attrs["crantcli"] == {"units": "pixels", "voxel_size_nm": [8.0, 8.0, 42.0]}
    assert coordinates(cc.get_synapses(source=read, return_pixels=False)) == scaled
    for wrong in (("--coordinates", "nm"), ("--voxel-size", "4,4,40")):
        ran = crant("synapses", px, "--units", "nm", *wrong, "-o", f"never.{suffix}")
        assert ran.code == 3
        assert wrong[0] in ran.err
        assert not (tmp_path / f"never.{suffix}").exists()
    for option in ({"coordinates": "nm"}, {"voxel_size": (4, 4, 40)}):
        with pytest.raises(cc.DataError, match="records"):
            cc.get_synapses(source=tmp_path / px, **option)
    assert crant("synapses", px, "--coordinates", "pixels", "--voxel-size", "8,8,42", "--units", "nm").code == 0


def test_trap_6_files_in_different_units_are_not_mixed(crant: Crant, tmp_path: Path) -> None:
    """Trap 6: rows in pixels beside rows in nanometres, or of brains with other voxels."""
    positions([(8, 8, 42)]).to_parquet(tmp_path / "raw.parquet")
    for name, unit, size in (("nm", "nm", "8,8,42"), ("px", "pixels", "8,8,42"), ("other", "nm", "4,4,40")):
        crant("synapses", "raw.parquet", "--coordinates", unit, "--voxel-size", size, "-o", f"{name}.parquet")
    for names in (("nm", "px"), ("nm", "other")):
        ran = crant("synapses", *(f"{name}.parquet" for name in names), "-o", "out.parquet")
        assert ran.code == 3
        assert "units or voxel sizes" in ran.err
    assert not (tmp_path / "out.parquet").exists()


def test_unknown_units_are_not_guessed(crant: Crant, tmp_path: Path) -> None:
    positions([(8, 8, 42)]).to_parquet(tmp_path / "raw.parquet")
    for units in ("nm", "pixels"):
        ran = crant("synapses", "raw.parquet", "--units", units, "--voxel-size", "8,8,42", "-o", "out.parquet")
        assert ran.code in (2, 3)
        assert "--coordinates" in ran.err
        assert not (tmp_path / "out.parquet").exists()
    ran = crant("synapses", "raw.parquet", "-o", "out.parquet")
    assert ran.code == 0
    assert record(tmp_path / "out.parquet")["units"] == "unknown"
    assert crant("synapses", "out.parquet").rows()[1][3:] == ["8", "8", "42"]
    assert crant("synapses", "out.parquet", "--units", "nm").code in (2, 3)
    with pytest.warns(cc.CrantWarning, match="unit of the positions is not recorded"):
        found = cc.get_synapses(source=tmp_path / "raw.parquet")
    assert coordinates(found) == [(8, 8, 42)]
    assert found.attrs["crantcli"]["units"] == "unknown"


@pytest.mark.parametrize(("known", "wanted"), [("nm", "pixels"), ("pixels", "nm")])
def test_conversion_needs_the_voxel_size(crant: Crant, tmp_path: Path, known: str, wanted: str) -> None:
    positions([(8, 8, 42)]).to_parquet(tmp_path / "raw.parquet")
    ran = crant("synapses", "raw.parquet", "--coordinates", known, "--units", wanted, "-o", "out.parquet")
    assert ran.code in (2, 3)
    assert "--voxel-size" in ran.err
    assert not (tmp_path / "out.parquet").exists()
    assert crant("synapses", "raw.parquet", "--coordinates", known, "--units", known).code == 0
    with pytest.raises(cc.CrantError, match="voxel"):
        cc.get_synapses(source=tmp_path / "raw.parquet", coordinates=known, return_pixels=wanted == "pixels")


def test_units_without_positions_are_an_error(crant: Crant, tmp_path: Path) -> None:
    frame([{"pre": 1, "post": 2}], ("pre", "post")).to_parquet(tmp_path / "raw.parquet")
    assert crant("synapses", "raw.parquet", "--coordinates", "nm", "--units", "nm").code == 3


def test_csv_cannot_carry_units_and_says_so(crant: Crant, tmp_path: Path) -> None:
    positions([(8, 8, 42)]).to_parquet(tmp_path / "raw.parquet")
    ran = crant("synapses", "raw.parquet", "--coordinates", "nm", "-o", "out.csv")
    assert ran.code == 0
    assert "does not record units" in ran.err
    assert crant("synapses", "out.csv", "--units", "nm").code in (2, 3)
    ran = crant("synapses", "out.csv", "--coordinates", "nm", "--voxel-size", "8,8,42", "--units", "pixels")
    assert ran.rows()[1][3:] == ["1", "1", "1"]


def test_units_of_a_data_set_hold_for_its_own_file(crant: Crant, tmp_path: Path) -> None:
    """Trap 6: the data set's unit is that of its table, not of whatever file is read beside it."""
    ran = crant(
        "synapses", "-d", SAMPLE / "sample.toml", "--units", "pixels", "--pre", "cell_type=ER2", "-o", "a.parquet"
    )
    assert ran.code == 0, ran.err
    assert record(tmp_path / "a.parquet")["units"] == "pixels"
    whole = pd.read_parquet(SAMPLE / "synapses.parquet").drop_duplicates("id").set_index("id")
    found = pd.read_parquet(tmp_path / "a.parquet").set_index("id")
    original = whole.loc[found.index]
    for axis, size in (("x", 8), ("y", 8), ("z", 42)):
        column = f"ctr_pt_position_{axis}"
        assert (found[column] == original[column] // size).all()
    positions([(8, 8, 42)]).to_parquet(tmp_path / "raw.parquet")
    assert crant("synapses", "raw.parquet", "-d", SAMPLE / "sample.toml", "--units", "pixels").code in (2, 3)
    crant("synapses", "raw.parquet", "--coordinates", "nm", "--voxel-size", "4,4,40", "-o", "other.parquet")
    ran = crant("synapses", "other.parquet", "-d", SAMPLE / "sample.toml", "--units", "pixels")
    assert ran.rows()[1][3:] == ["2", "2", "1"]


# ------------------------------------------------------------------------------------------ real data


def test_microns_tables_as_they_are(crant: Crant, real: Path, tmp_path: Path) -> None:
    """CAVE's own schema: list positions beside split ones, timestamps, nullable columns, pandas' index column."""
    for name, rows in (("post", 4944), ("pre", 149)):
        source = real / "microns" / f"{name}_df_helper.feather"
        given_rows = pyarrow.feather.read_table(source).to_pylist()
        assert len(given_rows) == rows
        plain = [{**row, "pre": row["pre_pt_root_id"], "post": row["post_pt_root_id"]} for row in given_rows]
        expected, ledger = oracle.synapses(plain, oracle.EVERYTHING, Rules(min_size=1000))
        ran = crant("synapses", source, "--min-size", 1000, "--json", "-o", "out.parquet")
        assert json.loads(ran.text)["ledger"] == as_json(ledger, "synapses")
        found = pq.read_table(tmp_path / "out.parquet").to_pylist()
        same = ("id", "size", "pre_pt_root_id", "post_pt_root_id", "pre_pt_supervoxel_id", "created", *POSITION)
        assert [[row[key] for key in same] for row in found] == [[row[key] for key in same] for row in expected]
        split = [[row[f"pre_pt_position_{axis}"] for axis in "xyz"] for row in found]
        assert split == [row["pre_pt_position"] for row in expected]
    ran = crant(
        "synapses", source, "--coordinates", "pixels", "--voxel-size", "4,4,40", "--units", "nm", "-o", "nm.feather"
    )
    assert ran.code == 0, ran.err
    scaled = {row["id"]: [p * s for p, s in zip(row["ctr_pt_position"], (4, 4, 40), strict=True)] for row in given_rows}
    rows_nm = pyarrow.feather.read_table(tmp_path / "nm.feather").to_pylist()
    assert {row["id"]: [row[name] for name in POSITION] for row in rows_nm} == scaled
