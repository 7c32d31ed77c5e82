"""Nested matrices, neuropils and connectors of live data sets, through real HTTP: as from the same rows in a file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import mesh_sources
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import seatable_server
import tokens
import trimesh
from boxes import read_npz
from cave_brain import DAY, FIRST_SUPERVOXEL, START, make_brain
from cave_server import CaveServer, serving
from closed import box
from conftest import Crant
from live import described, ids, rows, saved
from seatable_server import SeaTable, serve
from tables import answer, complaint, record
from tokens import ACCOUNT_TOKEN

import crantcli as cc

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]

#: Types of the first nine of the twelve neurons; the seventh is annotated and has none.
TYPES = ("ER1", "ER1", "EPG/PEG", "EPG/PEG", "ER2", "", "ER1", "ER2", "PFN")

#: Two boxes that overlap, in nm; positions go to 320,000 along x and y, to 1,680,000 along z.
REGIONS = {"low": ((0, 0, 0), (200_000, 200_000, 900_000)), "high": ((100_000, 0, 0), (330_000, 330_000, 1_700_000))}


def annotated(server: CaveServer, name: str = "a.csv", shift: dict[int, int] | None = None) -> str:
    """Annotations as a file; `shift` gives some neurons another ID."""
    neurons = [server.brain.neurons[number] for number in range(len(TYPES))]
    frame = pd.DataFrame({"root_id": [(shift or {}).get(n, n) for n in neurons], "cell_type": TYPES})
    frame.to_csv(name, index=False)
    return name


def regions() -> str:
    """The boxes as meshes, in a folder."""
    Path("regions").mkdir(exist_ok=True)
    for name, corners in REGIONS.items():
        trimesh.Trimesh(*box(*corners), process=False).export(f"regions/{name}.ply")
    return "regions"


def swc(server: CaveServer, *numbers: int, folder: str = "swc") -> str:
    """Skeletons of neurons, each a line through the brain."""
    Path(folder).mkdir(exist_ok=True)
    for number in numbers:
        nodes = [f"{n + 1} 0 {n * 30_000} {n * 30_000} {n * 160_000} 1 {n or -1}" for n in range(11)]
        Path(folder, f"{server.brain.neurons[number]}.swc").write_text("\n".join(nodes) + "\n")
    return folder


# Nested


@pytest.mark.parametrize(
    "question",
    [
        "",
        "--weight-mode count",
        "--weight-mode count --annotation-scope all --source-types ER1,ER2",
        "--weight-mode relative_incoming --min-size 40 -t 2",
        "--normalization-scope all",
        "--weight-mode relative_incoming --normalization-scope all --target-types EPG/PEG",
        "--weight-mode column --weight-column size --directed",
        "--weight count --source-types ER1,ER2 --target-types EPG/PEG --min-fraction 0.05",
        "--weight sum:size --source-types ER1 --target-types ER2 --min-fraction 0.02 --by cell_type",
        "--source-types ER1 --source-neurons #4 --target-neurons #2,3,11 --keep-silent",
        "--source-neurons cell_type=ER2 --weight-mode count",
        "--no-clean --weight-mode count",
    ],
)
def test_a_nested_matrix_has_the_bytes_that_a_file_gives(crant: Crant, server: CaveServer, question: str) -> None:
    server.weather.shuffle = True
    words = [ids(server, *map(int, w[1:].split(","))) if w[0] == "#" else w for w in question.split()]
    common = ("-a", annotated(server), *words, "-q")
    sums = ("--type-sum", "sums.csv", "--order", "order.csv", "-o", "-")
    found = {}
    for name, source in (("file", (saved(server),)), ("server", ("-d", described(server)))):
        matrix = rows(crant("nested", *source, *common, *sums))
        found[name] = [matrix, Path("sums.csv").read_bytes(), Path("order.csv").read_bytes()]
        one_pass = crant("nested", *source, *common, "--type-sum", "alone.csv")
        assert one_pass.code == 0, one_pass.err
        found[name].append(Path("alone.csv").read_bytes())
    assert found["server"] == found["file"]
    assert found["file"][0].count(b"\n") > 2


@pytest.mark.parametrize(
    "question",
    [
        "nested --weight-mode=count",
        "nested --normalization-scope=all",
        "connectivity -n side=left",
        "counts -n 0,NEURON",
    ],
)
def test_the_background_is_not_fetched_to_be_dropped(crant: Crant, server: CaveServer, question: str) -> None:
    """Of a whole brain that would take hours; a row of the annotations without a neuron is enough to name it."""
    neurons = server.brain.neurons
    annotated = "".join(f"{neuron},T{neuron % 3},left\n" for neuron in (0, *neurons[:6]))
    Path("ann.csv").write_text(f"root_id,cell_type,side\n{annotated}")
    command, *words = question.replace("NEURON", str(neurons[0])).split()
    labels = () if command == "counts" else ("-a", "ann.csv")
    live, file = ("-d", described(server)), saved(server)
    assert rows(crant(command, *words, *labels, *live, "-q")) == rows(crant(command, file, *words, *labels, "-q"))
    asked = [ids for query in server.data_queries() for ids in query.body["filter_in_dict"]["synapses_v2"].values()]
    assert asked
    assert not any(0 in ids for ids in asked)
    whole = (*words, *labels, "--no-clean", "-q")
    assert rows(crant(command, *whole, *live)) == rows(crant(command, file, *whole))


@pytest.fixture
def lonely(own_home: Path) -> Iterator[CaveServer]:
    """A server whose neurons 0, 2 and 7 have synapses with 9, 10 and 11 only, which are not annotated; 4 with none."""
    brain = make_brain()
    pre, post = brain.rows["pre_pt_supervoxel_id"], brain.rows["post_pt_supervoxel_id"]
    for number, partner in ((0, 9), (2, 10), (7, 11), (4, None)):
        mine = [FIRST_SUPERVOXEL + 2 * number, FIRST_SUPERVOXEL + 2 * number + 1]
        theirs = 0 if partner is None else FIRST_SUPERVOXEL + 2 * partner
        for side, other in ((pre, post), (post, pre)):
            other[np.isin(side, mine)] = theirs
    # 2 receives nothing, and 7 sends nothing.
    for side, number in ((post, 2), (pre, 7)):
        side[np.isin(side, [FIRST_SUPERVOXEL + 2 * number, FIRST_SUPERVOXEL + 2 * number + 1])] = 0
    with serving(brain) as running:
        running.weather.token = tokens.CAVE_TOKEN
        yield running


@pytest.mark.parametrize(
    "question",
    [
        "",
        "-t 5",
        "--directed --min-size 40",
        "--source-types ER1,ER2,EPG/PEG",
        "--source-types ER1,ER2 --target-types EPG/PEG,ER1,ER2",
        "--source-neurons #0,2,4,9 --target-types ER2 -t 2",
        "--target-neurons #0,2,7 --keep-unconnected",
        "--keep-unconnected",
        "--weight-mode relative_outgoing --normalization-scope all",
        "--weight-mode relative_incoming --normalization-scope all --source-types ER1 --target-types ER1",
        "--no-clean",
    ],
)
def test_the_axes_have_the_neurons_that_a_file_gives(crant: Crant, lonely: CaveServer, question: str) -> None:
    """Neurons are on them whoever their partners are, although synapses with others are not fetched for the cells."""
    words = [ids(lonely, *map(int, w[1:].split(","))) if w[0] == "#" else w for w in question.split()]
    words = words if "--weight-mode" in words else ["--weight-mode", "count", *words]
    common = ("-a", annotated(lonely), *words, "-q")
    outputs = ("--type-mean", "means.csv", "--order", "order.csv", "-o", "-")
    found = {}
    for name, source in (("file", (saved(lonely),)), ("server", ("-d", described(lonely)))):
        matrix = rows(crant("nested", *source, *common, *outputs))
        assert crant("nested", *source, *common, "--type-sum", "alone.csv").code == 0
        found[name] = [matrix, *(Path(file).read_bytes() for file in ("means.csv", "order.csv", "alone.csv"))]
    assert found["server"] == found["file"]
    neurons = [row.split(",")[2] for row in found["file"][2].decode().split()[1:]]
    assert set(neurons) & set(ids(lonely, 0, 2, 7).split(","))


def test_synapses_with_others_are_fetched_for_those_who_have_no_others(crant: Crant, lonely: CaveServer) -> None:
    live, (own, mine) = described(lonely), ("pre_pt_root_id", "post_pt_root_id")
    done = crant("nested", "-d", live, "-a", annotated(lonely), "--weight-mode", "count", "--json")
    assert "synapses with other neurons were fetched, too, to see where 4 neurons of the axes can be found" in done.err
    asked = [query.body["filter_in_dict"]["synapses_v2"] for query in lonely.data_queries()]
    absent = {lonely.brain.neurons[number] for number in (0, 2, 4, 7)}
    assert {frozenset(item) for item in asked} == {frozenset((own, mine)), frozenset((own,)), frozenset((mine,))}
    assert all(set(*item.values()) == absent for item in asked if len(item) == 1)
    # They are no rows of the table: the ledger and what a file is complete for are as without them.
    told = json.loads(done.out)["ledger"]
    assert told["removed"]["unannotated"] == told["removed"]["unselected"] == 0
    lonely.asked.clear()
    again = crant("nested", "-d", live, "-a", "a.csv", "--weight-mode", "count", "--materialization", "3", "--json")
    assert json.loads(again.out)["ledger"] == told
    assert lonely.data_queries() == []


def test_columns_without_annotation_are_those_that_are_reached(crant: Crant, lonely: CaveServer) -> None:
    """A server is not asked for a whole brain; annotated neurons are there nevertheless, so that means are right."""
    words = ("-a", annotated(lonely), "--weight-mode", "count", "--source-types", "ER1", "--annotation-scope", "all")
    found = []
    for source in (saved(lonely), "-d"):
        source_words = (source,) if source != "-d" else ("-d", described(lonely))
        done = crant("nested", *source_words, *words, "--type-mean", "means.csv", "-o", "m.npz")
        assert done.code == 0, done.err
        found.append((Path("means.csv").read_bytes(), read_npz(Path("m.npz"))))
        assert ("of neurons without annotation, the target axis has those that" in done.err) == (source == "-d")
    assert found[0] == found[1]


def test_only_synapses_of_the_annotated_neurons_are_fetched(crant: Crant, server: CaveServer) -> None:
    live, neurons = described(server), server.brain.neurons
    rows(crant("nested", "-d", live, "-a", annotated(server), "--weight-mode", "count"))
    for query in server.data_queries():
        asked = query.body["filter_in_dict"]["synapses_v2"]
        assert set(asked["pre_pt_root_id"]) | set(asked["post_pt_root_id"]) <= set(neurons[:9])
        assert set(query.body["select_columns"]) == {"id", "pre_pt_root_id", "post_pt_root_id"}
    whole = crant("nested", "-d", live, "-a", "a.csv", "--annotation-scope", "all", "-o", "m.npz")
    complaint(whole, 2, "not fetched as a whole", "--source-types")
    complaint(crant("nested", "-d", live, "-o", "m.npz"), 2, "needs the neurons' types", "--annotations")
    complaint(crant("nested", "-d", live, "-a", "a.csv", "--source-types", "ER9"), 3, "no neuron is annotated with it")
    assert len(server.data_queries()) == 1
    assert not Path("m.npz").exists()


# Neurons over time


@pytest.fixture
def edited(server: CaveServer) -> CaveServer:
    """Day 2: neuron 0 gets another ID, 2 and 4 are merged; day 4, after the last version: 1 gets another ID."""
    graph, old = server.brain.graph, server.brain.neurons
    pieces = {number: [FIRST_SUPERVOXEL + 2 * number, FIRST_SUPERVOXEL + 2 * number + 1] for number in range(6)}
    graph.edit(START + 2 * DAY, [old[0]], {old[0] + 1: pieces[0]})
    graph.edit(START + 2 * DAY, [old[2], old[4]], {old[2] + 1: [*pieces[2], *pieces[4]]})
    graph.edit(START + 4 * DAY, [old[1]], {old[1] + 1: pieces[1]})
    return server


def test_labels_follow_the_neurons_to_the_time_that_is_queried(crant: Crant, edited: CaveServer) -> None:
    """The annotations have IDs of day 0 and of day 4; the version is of day 3. No neuron may lose its label."""
    old, live = edited.brain.neurons, described(edited)
    now = annotated(edited, "now.csv", {old[0]: old[0] + 1, old[2]: old[2] + 1, old[4]: old[2] + 1})
    then = annotated(edited, "then.csv", {old[1]: old[1] + 1})
    file = saved(edited)
    for command in (
        ("nested", "--weight-mode", "count"),
        ("connectivity", "-n", ids(edited, 3, 5), "--by", "type"),
        ("connectivity", "-n", ids(edited, 3, 5), "--annotate", "cell_type"),
        ("nested", "--weight-mode", "count", "--source-types", "ER1"),
    ):
        done = crant(*command, "-d", live, "-a", then)
        assert rows(done) == rows(crant(*command, file, "-a", now, "-q"))
        assert "4 of 9 annotated neurons have another ID at materialization 3" in done.err
    kept = crant("nested", "--weight-mode", "count", "-d", live, "-a", then, "--no-update-ids", "-q")
    assert rows(kept) == rows(crant("nested", "--weight-mode", "count", file, "-a", then, "-q"))
    assert rows(kept) != rows(crant("nested", "--weight-mode", "count", "-d", live, "-a", then, "-q"))


def test_an_annotation_that_leads_nowhere_is_named(crant: Crant, server: CaveServer) -> None:
    shift = {server.brain.neurons[8]: 4242}
    done = crant("nested", "-d", described(server), "-a", annotated(server, "a.csv", shift), "--weight-mode", "count")
    assert rows(done)
    assert "1 of 9 annotated neurons cannot be found at materialization 3" in done.err
    assert ": 4242 (no such neuron)" in done.err


def test_functions_label_the_neurons_of_that_time(edited: CaveServer, tmp_path: Path) -> None:
    old, live = edited.brain.neurons, described(edited, name=str(tmp_path / "live.toml"))
    then = annotated(edited, str(tmp_path / "then.csv"))
    with pytest.warns(cc.CrantWarning) as told:
        frame = cc.get_connectivity([old[3]], dataset=live, annotations=then, annotate=["cell_type"])
    assert [str(note.message).partition(" annotated")[0] for note in told] == ["3 of 9", "1 neuron is"]
    assert frame.loc[frame["pre"] == old[0] + 1, "pre_cell_type"].tolist() == ["ER1"]


# Neuropils


@pytest.mark.parametrize("resolution", [(1.0, 1.0, 1.0), (8.0, 8.0, 42.0)], ids=["nm", "voxels"])
def test_neuropils_of_a_server_are_those_of_the_same_rows(crant: Crant, resolution: tuple[float, ...]) -> None:
    with serving(make_brain(resolution=resolution)) as server:
        live = described(server)
        labels, meshes = ("-a", annotated(server)), ("--meshes", regions())
        named = "@a.csv"
        fetch = ("synapses", "-d", live, "--pre", named, "--post", named, "--no-clean", "-o", "same.parquet")
        rows(crant(*fetch))
        tables = {}
        server.weather.shuffle = True
        for name, source in (("file", ("same.parquet",)), ("server", ("-d", live))):
            options = ("-o", name, "--no-plot", "--relative-types", "-t", 2, "--weight-mode", "count")
            rows(crant("neuropil", *source, *labels, *meshes, *options))
            tables[name] = {path.name: path.read_bytes() for path in Path(name).glob("*.csv")}
            assert len(tables[name]) == 13
        assert tables["server"] == tables["file"]
        assert min(int(line.split(b",")[1]) for line in tables["file"]["summary.csv"].split()[1:]) > 10
        for path in Path("file").glob("*.npz"):
            assert read_npz(path) == read_npz(Path("server", path.name))
        same = [pq.read_table(f"{name}/assignments.parquet") for name in ("file", "server")]
        assert same[0].equals(same[1])
        assert [i["materialization"] for i in record("server/assignments.parquet")["inputs"] if "server" in i] == [3]
        placed = [*labels, *meshes, "--position-column", "pre_pt_position", "--no-plot", "-o"]
        rows(crant("neuropil", "same.parquet", *placed, "file-pre"))
        rows(crant("neuropil", "-d", live, *placed, "server-pre"))
        summaries = [Path(name, "summary.csv").read_bytes() for name in ("file-pre", "server-pre", "file")]
        assert summaries[0] == summaries[1] != summaries[2]
        only = ("neuropil", "-d", live, "--source-neurons", ids(server, 0, 1), *meshes, "--assignments-only", "-o")
        rows(crant(*only, "two"))
        synapses = pd.read_csv(Path("two/summary.csv")).set_index("neuropil")["synapses"]
        assert 0 < synapses["low"] < synapses["high"]
        complaint(crant(*only[:3], *meshes, "--assignments-only", "-o", "none"), 2, "name neurons with --source-types")
        assert not Path("none").exists()


@pytest.mark.parametrize("question", ["", "-t 2 --directed", "--source-types ER1,ER2 --target-types ER1,EPG/PEG"])
def test_the_axes_of_neuropils_have_the_neurons_that_a_file_gives(
    crant: Crant, lonely: CaveServer, question: str
) -> None:
    """In each neuropil those who are there, by whatever synapse; the assignments are of those that are shown."""
    words = ("-a", annotated(lonely), "--meshes", regions(), "--no-plot", "--weight-mode", "count", *question.split())
    tables = []
    for name, source in (("file", (saved(lonely),)), ("server", ("-d", described(lonely)))):
        rows(crant("neuropil", *source, *words, "-o", name))
        kinds = ("type_mean", "type_sum", "order")
        tables.append(
            {(stem, kind): Path(name, f"{stem}.{kind}.csv").read_bytes() for stem in REGIONS for kind in kinds}
        )
        tables[-1] |= {(stem, "matrix"): read_npz(Path(name, f"{stem}.matrix.npz")) for stem in REGIONS}
    assert tables[0] == tables[1]
    alone = {neuron for number in (0, 2, 7) for neuron in [str(lonely.brain.neurons[number])]}
    assert alone & set(tables[1]["high", "order"].decode().replace("\n", ",").split(","))
    rows(crant("neuropil", "-d", "live.toml", *words, "--assignments-only", "-o", "only"))
    same = [pq.read_table(f"{name}/assignments.parquet") for name in ("server", "only")]
    assert same[0].equals(same[1])


# Connectors


@pytest.mark.parametrize("side", ["", "--no-pre", "--no-post"])
def test_connectors_of_a_server_are_those_of_a_file(crant: Crant, server: CaveServer, side: str) -> None:
    common = ("--skeletons", swc(server, 0, 1, 5), "--max-distance", 90_000, *side.split(), "-q")
    from_file = rows(crant("attach", saved(server), *common))
    assert rows(crant("attach", "-d", described(server), *common)) == from_file
    assert from_file.count(b"\n") > 10
    positions = {f"{name}_pt_position" for name in ("pre", "post") if f"--no-{name}" != side}
    for query in server.data_queries():
        assert positions <= set(query.body["select_columns"]) <= {*positions, "id", "pre_pt_root_id", "post_pt_root_id"}
    one = ("-n", ids(server, 5, 7))
    assert rows(crant("attach", "-d", described(server), *common, *one)) == rows(
        crant("attach", saved(server), *common, *one)
    )


def test_connectors_and_neuropils_are_the_same_whatever_unit_positions_are_stored_in(crant: Crant) -> None:
    found = []
    for resolution in ((1.0, 1.0, 1.0), (8.0, 8.0, 42.0)):
        with serving(make_brain(resolution=resolution)) as server:
            live = described(server, name=f"{resolution[0]:g}.toml")
            sites = rows(crant("attach", "-d", live, "--skeletons", swc(server, 0, 5), "--no-clean", "-q"))
            question = ("neuropil", "-d", live, "-a", annotated(server), "--meshes", regions(), "--no-plot")
            rows(crant(*question, "-o", f"{resolution[0]:g}"))
            tables = [path.read_bytes() for path in sorted(Path(f"{resolution[0]:g}").glob("*.csv"))]
            found.append((sites, tables, pq.read_table(f"{resolution[0]:g}/assignments.parquet").to_pylist()))
    assert found[0] == found[1]
    assert len(found[0][2]) > 100


def test_connectors_go_to_the_skeleton_that_was_asked_for(crant: Crant, edited: CaveServer) -> None:
    """Skeletons are named by IDs of day 0; the table of day 3 knows two of the three under one other ID."""
    old, file = edited.brain.neurons, saved(edited)
    merged = old[2] + 1
    question = ("attach", "-d", described(edited), "--skeletons", swc(edited, 2, 3, 4), "--no-clean")
    done = crant(*question, "--summary", "summary.csv", "-o", "-")
    found = answer(done)
    header = done.rows()[0]
    assert header[:3] == ["neuron_id", "current_id", "connector_id"]
    assert {(row[0], row[1]) for row in found} == {
        (str(old[2]), str(merged)), (str(old[3]), str(old[3])), (str(old[4]), str(merged))
    }  # fmt: skip
    swc(edited, 3, folder="now")
    Path("now", f"{merged}.swc").write_bytes(Path("swc", f"{old[2]}.swc").read_bytes())
    same = {row[0]: row for row in answer(crant("attach", file, "--skeletons", "now", "--no-clean", "-q"))}
    expected = answer(crant("attach", file, "--skeletons", "now", "--no-clean", "-q"))
    assert set(same) == {str(merged), str(old[3])}
    for identity in (old[2], old[4]):
        mine = [row[2:] for row in found if row[0] == str(identity)]
        assert mine == [row[1:] for row in expected if row[0] == str(merged)]
        assert len(mine) > 20
    assert f"{old[2]}, {old[4]} are one neuron, {merged}" in done.err
    sums = pd.read_csv("summary.csv").set_index("neuron_id")["sites"]
    assert sums[old[2]] == sums[old[4]] == len([row for row in found if row[0] == str(old[2])])
    assert crant(*question, "-q", "-o", "sites.parquet").code == 0
    assert record("sites.parquet")["complete_for"]["inputs_of"] == sorted([str(merged), str(old[3])])
    # A skeleton is found by the ID that its neuron has now, too.
    chosen = answer(crant(*question, "-n", merged, "-q"))
    assert {row[0] for row in chosen} == {str(old[2]), str(old[4])}


def test_connectors_of_navis_neurons(edited: CaveServer, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        navis = pytest.importorskip("navis", reason="navis is not installed: pip install 'crantcli[navis]'")
    old, live = edited.brain.neurons, described(edited, name=str(tmp_path / "live.toml"))
    nodes = pd.DataFrame({"node_id": [1, 2], "parent_id": [-1, 1], "x": [0.0, 9e4], "y": [0.0, 9e4], "z": [0.0, 3e5]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = [navis.TreeNeuron(nodes.assign(radius=1.0), id=old[number], units="1 nm") for number in (2, 3)]
        cc.attach_synapses(navis.NeuronList(made), dataset=live, clean=False, materialization=3)
    for neuron, current in zip(made, (old[2] + 1, old[3]), strict=True):
        assert len(neuron.connectors) > 20
        assert neuron.connectors["current_id"].unique().tolist() == [current]
        assert neuron.connectors["synapse_id"].dtype == np.int64
    file = saved(edited, path=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pair = [navis.TreeNeuron(nodes.assign(radius=1.0), id=old[3], units="1 nm") for _ in range(2)]
        cc.attach_synapses(pair[0], pre=False, dataset=live, clean=False)
        cc.attach_synapses(pair[1], pre=False, source=file, clean=False)
    assert len(pair[0].connectors) > 20
    pd.testing.assert_frame_equal(pair[0].connectors, pair[1].connectors)


# Annotations on a server, too


@pytest.fixture
def split(server: CaveServer) -> Iterator[tuple[CaveServer, SeaTable]]:
    """Day 2: neuron 0 is split, and most of it is old + 1; the annotations have a supervoxel of the smaller part."""
    graph, old = server.brain.graph, server.brain.neurons
    more = [FIRST_SUPERVOXEL + 1000, FIRST_SUPERVOXEL + 1001]
    graph.history |= {voxel: [(START, old[0])] for voxel in more}
    graph.edit(START + 2 * DAY, [old[0]], {old[0] + 1: [FIRST_SUPERVOXEL, *more], old[1] + 1: [FIRST_SUPERVOXEL + 1]})
    made = seatable_server.rows(
        len(TYPES),
        root_id=lambda place: str(old[place]),
        supervoxel_id=lambda place: str(FIRST_SUPERVOXEL + 2 * place + 1),
        cell_type=lambda place: TYPES[place],
    )
    with serve(SeaTable(made)) as table:
        yield server, table


def in_the_cloud(server: CaveServer, table: SeaTable) -> str:
    """A data set with synapses and annotations on servers."""
    place = f'seatable_server = "{table.address}/"\nworkspace = {table.workspace}\n'
    return described(server, f'[annotations]\n{place}base = "CRANTb"\ntable = "CRANTb_meta"\n', "cloud.toml")


def test_a_supervoxel_of_annotations_on_a_server_finds_a_neuron(
    crant: Crant, split: tuple[CaveServer, SeaTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, table = split
    old, live, file = server.brain.neurons, in_the_cloud(server, table), saved(server)
    by_history = rows(crant("connectivity", file, "-n", old[0] + 1, "-q"))
    by_supervoxel = rows(crant("connectivity", file, "-n", old[1] + 1, "-q"))
    assert by_history != by_supervoxel
    monkeypatch.delenv("CRANTTABLE_TOKEN")
    without = crant("connectivity", "-d", live, "-n", old[0], "--cache-dir", "no-token")
    assert rows(without) == by_history
    assert "there is no token in CRANTTABLE_TOKEN, so supervoxels are not known" in without.err
    assert table.queries == []
    monkeypatch.setenv("CRANTTABLE_TOKEN", ACCOUNT_TOKEN)
    assert rows(crant("connectivity", "-d", live, "-n", old[1], "-q"))
    assert table.queries == []  # nobody asks for what is not needed
    assert rows(crant("connectivity", "-d", live, "-n", old[0], "-q")) == by_supervoxel
    assert len(table.pages) == 1
    found = answer(crant("ids", "cell_type=ER1", "-d", live, "-q"))
    assert [row[4] for row in found] == ["supervoxel", "current", "current"]


def test_with_other_annotations_an_id_is_looked_up_anew(crant: Crant, split: tuple[CaveServer, SeaTable]) -> None:
    """What was found by one supervoxel is not taken for what another, or none, leads to."""
    server, _ = split
    old, live = server.brain.neurons, described(server)
    for name, voxel in (("larger", FIRST_SUPERVOXEL), ("smaller", FIRST_SUPERVOXEL + 1)):
        Path(f"{name}.csv").write_text(f"root_id,supervoxel_id\n{old[0]},{voxel}\n")
    for _ in range(2):
        found = [answer(crant("ids", old[0], "-d", live, "-a", f"{name}.csv", "-q")) for name in ("larger", "smaller")]
        assert [row[0][1] for row in found] == [str(old[0] + 1), str(old[1] + 1)]
        assert answer(crant("ids", old[0], "-d", live, "-q"))[0][4] == "chunkedgraph"
    server.asked.clear()
    answer(crant("ids", old[0], "-d", live, "-a", "smaller.csv", "--materialization", 3, "-q"))
    lookups = [asked for asked in server.asked if "roots" in asked.path]
    answer(crant("ids", old[0], "-d", live, "-a", "smaller.csv", "--materialization", 3, "-q"))
    assert lookups != []
    assert [asked for asked in server.asked if "roots" in asked.path] == lookups


def test_everything_of_a_nested_matrix_may_come_from_servers(
    crant: Crant, split: tuple[CaveServer, SeaTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRANTTABLE_TOKEN", ACCOUNT_TOKEN)
    server, table = split
    old = server.brain.neurons
    annotated(server, shift={old[0]: old[1] + 1})
    question = ("nested", "--source-types", "ER1,ER2", "--neuron-order", "id", "-q")
    live = in_the_cloud(server, table)
    assert rows(crant(*question, "-d", live)) == rows(crant(*question, saved(server), "-a", "a.csv"))
    # Neurons that nobody names are the annotated ones, with the IDs of that time.
    rows(crant("neuropil", "-d", live, "--meshes", regions(), "--assignments-only", "-o", "out"))
    same = ("synapses", saved(server), "--pre", "@a.csv", "--post", "@a.csv", "--no-clean", "--columns", "id", "-q")
    found = pq.read_table("out/assignments.parquet")["id"].unique().to_pylist()
    assert sorted(found) == sorted(int(row[0]) for row in answer(crant(*same)))


def test_neuropils_of_a_data_set_come_from_its_source(crant: Crant, server: CaveServer) -> None:
    """The command and the class read the meshes that the data set names, and a run without a server has them kept."""
    mesh_sources.legacy(Path("pub"), {n: box(*corners) for n, corners in enumerate(REGIONS.values(), 1)})
    labels = ", ".join(f'{n} = "{name}"' for n, name in enumerate(REGIONS, 1))
    question = ("-a", annotated(server), "--weight-mode", "count", "--no-plot", "-o")
    with mesh_sources.serve(Path("pub")) as site:
        live = described(server, f'[neuropils]\nsource = "precomputed://{site.address}"\nlabels = {{ {labels} }}\n')
        rows(crant("neuropil", "-d", live, *question, "one"))
        assert site.requests
    rows(crant("neuropil", "-d", live, "--meshes", regions(), *question, "other"))
    tables = [{path.name: path.read_bytes() for path in Path(name).glob("*.csv")} for name in ("one", "other")]
    assert tables[0] == tables[1]
    rows(crant("synapses", "-d", live, "--pre", "@a.csv", "--post", "@a.csv", "-o", "s.parquet"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cc.CrantWarning)
        made = cc.NestedMatrix.from_synapses_by_neuropil("s.parquet", "a.csv", weight_mode="count", dataset=live)
    counted = pd.read_csv("one/summary.csv").set_index("neuropil")["synapses"]
    assert made.summary["synapses"].to_dict() == counted.to_dict()
    expected = pd.read_csv("one/low.type_sum.csv").set_index("pre/post")
    assert made.low.sum_type_matrix.to_numpy().tolist() == expected.to_numpy().tolist()
