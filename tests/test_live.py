"""Live data sets through real HTTP: the commands and functions give what the same rows in a file give."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cave_brain
import numpy as np
import pyarrow.parquet as pq
import pytest
from cave_brain import DAY, FIRST_SUPERVOXEL, START, make_brain
from cave_server import Asked, CaveServer, serving
from conftest import Crant
from live import described, ids, rows, saved
from tables import answer, complaint, left_by_the_dead, record

import crantcli as cc

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]

# The same as from a file


@pytest.mark.parametrize(
    "question",
    [
        "synapses --pre 0,1,2",
        "synapses --post 3",
        "synapses --pre 0,1,2,3 --post 4,5 --threshold=2",
        "synapses --pre 0,1 --min-size=50 --columns=pre,post,id,ctr_pt_position",
        "synapses --pre 0 --units=pixels --voxel-size=8.0,8.0,42.0 --no-clean",
        "connectivity -n 0,5,6",
        "connectivity -n 0,5,6 --no-upstream --min-size=50",
        "connectivity -n 0,5,6 --no-downstream --threshold=3",
        "counts -n 3,0,7",
        "adjacency --pre 0,1 --symmetric",
        "adjacency --pre 0,1 --post 2,3 --keep-silent",
        "adjacency --pre 0,1,2,3 --post 4,5 --min-fraction=0.05",
        "adjacency --post 4,5 --weight=mean:size",
        "synapses --pre 0,1,2,3 --post 4,5 --min-fraction=0.05",
        "counts -n 3,0,7 --weight=sum:size",
    ],
)
def test_a_server_gives_the_bytes_that_a_file_gives(crant: Crant, server: CaveServer, question: str) -> None:
    server.weather.shuffle = True
    file, live = saved(server), described(server)
    words = [ids(server, *map(int, word.split(","))) if word[0].isdigit() else word for word in question.split()]
    from_file = rows(crant(words[0], file, *words[1:], "-q"))
    assert from_file.count(b"\n") > 1
    assert rows(crant(words[0], "-d", live, *words[1:], "-q")) == from_file


def test_positions_are_the_same_whatever_unit_they_are_stored_in(crant: Crant) -> None:
    found = []
    for resolution in ((1.0, 1.0, 1.0), (8.0, 8.0, 42.0)):
        with serving(make_brain(resolution=resolution)) as server:
            live = described(server, name=f"{resolution[0]:g}.toml")
            question = ("synapses", "--pre", ids(server, 0, 1), "-d", live, "--units")
            found.append([rows(crant(*question, unit, "-q")) for unit in ("nm", "pixels")])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


def test_functions_give_what_the_commands_give(crant: Crant, server: CaveServer) -> None:
    live, file = described(server), saved(server)
    neurons = server.brain.neurons[:3]
    rows(crant("info", file))  # moves to the folder of the test
    import pandas.testing as same

    same.assert_frame_equal(
        cc.get_synapses(neurons, dataset=live), cc.get_synapses(neurons, source=file, voxel_size=(8, 8, 42))
    )
    same.assert_frame_equal(cc.get_connectivity(neurons, dataset=live), cc.get_connectivity(neurons, source=file))
    same.assert_frame_equal(cc.get_synapse_counts(neurons, dataset=live), cc.get_synapse_counts(neurons, source=file))
    same.assert_frame_equal(
        cc.get_adjacency(None, neurons, dataset=live, materialization=3), cc.get_adjacency(None, neurons, source=file)
    )
    frame = cc.get_connectivity(neurons, dataset=live)
    assert frame.attrs["crantcli"]["source"]["materialization"] == 3


def test_a_state_may_be_asked_for_among_the_options(edited: CaveServer, tmp_path: Path) -> None:
    live, old = described(edited, name=str(tmp_path / "live.toml")), edited.brain.neurons[0]
    first = cc.LiveOptions(materialization="1")
    for found in (
        cc.get_synapse_counts([old], dataset=live, live=first),
        cc.get_connectivity([old], dataset=live, live=first, materialization=1),
        cc.update_ids([old], dataset=live, live=first),
    ):
        assert found.attrs["crantcli"]["source"]["materialization"] == 1
    with pytest.raises(cc.UsageError, match="contradict each other"):
        cc.get_connectivity([old], dataset=live, live=first, materialization=2)
    with pytest.raises(cc.UsageError, match="files have one version only"):
        cc.get_connectivity([old], source=saved(edited, path=tmp_path), live=first)


def test_a_warning_names_the_line_that_called(edited: CaveServer, tmp_path: Path) -> None:
    """Python shows a warning once for each line, and a notebook for each cell."""
    live, old = described(edited, name=str(tmp_path / "live.toml")), edited.brain.neurons[2]
    for function in ("get_synapses", "get_connectivity", "get_synapse_counts", "get_adjacency", "update_ids"):
        cell = compile(f"cc.{function}([{old}], dataset={live!r})", f"cell of {function}", "exec")
        with pytest.warns(cc.CrantWarning, match="1 of 1 IDs were updated") as told:
            exec(cell, {"cc": cc})
        assert {warning.filename for warning in told} == {f"cell of {function}"}


def test_neurons_must_be_named(crant: Crant, server: CaveServer) -> None:
    live = described(server)
    for command in ("synapses", "connectivity", "counts", "adjacency"):
        complaint(crant(command, "-d", live), 2, "is on a server", "name neurons with --")
    with pytest.raises(ValueError, match="give pre_ids or post_ids"):
        cc.get_synapses(dataset=live)
    with pytest.raises(ValueError, match="is not fetched as a whole; name neurons with pre_ids or post_ids"):
        cc.get_adjacency(dataset=live)
    assert server.data_queries() == []


def test_criteria_find_their_neurons_in_the_annotations(crant: Crant, server: CaveServer) -> None:
    first, second = server.brain.neurons[:2]
    Path("a.csv").write_text(f"root_id,cell_type\n{first},ER1\n{second},ER2\n")
    live = described(server)
    assert rows(crant("synapses", "-d", live, "--pre", "cell_type=ER2", "-a", "a.csv", "-q")) == rows(
        crant("synapses", "-d", live, "--pre", second, "-q")
    )


@pytest.mark.parametrize("numbers", [(600, 550), (550, 600), (300, 20)], ids=["pre", "post", "sent along"])
def test_a_snapshot_holds_what_was_asked_for_and_no_more(crant: Crant, numbers: tuple[int, int]) -> None:
    """With neurons on both sides, of which the longer list may be too long to be sent along."""
    with serving(make_brain(1200, 6000)) as server:
        neurons = server.brain.neurons
        sides = {"pre": neurons[: numbers[0]], "post": neurons[-numbers[1] :]}
        for side, some in sides.items():
            Path(f"{side}.txt").write_text("\n".join(map(str, some)))
        question = ("synapses", "--pre", "@pre.txt", "--post", "@post.txt", "--no-clean", "-q")
        found = rows(crant(*question, "-d", described(server), "--cache-dir", "kept"))
        assert found == rows(crant(*question, saved(server)))
        sent = [set(query.body["filter_in_dict"]["synapses_v2"]) for query in server.data_queries()]
        assert len(sent[0]) == (2 if max(numbers) == 300 else 1)
    (snapshot,) = Path("kept").rglob("snapshots/*.parquet")
    held = pq.read_table(snapshot)
    assert held.num_rows == found.count(b"\n") - 1 > 0
    for side, some in sides.items():
        assert set(held.column(f"{side}_pt_root_id").to_pylist()) <= set(some)
    told = record(snapshot)["complete_for"]
    assert (told["inputs_of"], told["outputs_of"]) == ([], [])


def test_only_the_columns_that_are_needed_are_fetched(crant: Crant, server: CaveServer) -> None:
    rows(crant("connectivity", "-d", described(server), "-n", ids(server, 0)))
    rows(crant("connectivity", "-d", described(server), "-n", ids(server, 0), "--min-size", "9"))
    asked = [set(query.body["select_columns"]) for query in server.data_queries()]
    pair = {"id", "pre_pt_root_id", "post_pt_root_id"}
    assert asked == [pair, pair, {*pair, "size"}, {*pair, "size"}]


# What state of the brain


def test_what_the_version_resolved_to_is_said_and_recorded(crant: Crant, server: CaveServer) -> None:
    live, neuron = described(server), ids(server, 0)
    for asked, version, time in (
        ("latest", 3, START + 3 * DAY),
        ("2", 2, START + DAY),
        (cave_server_time(START + DAY), 2, START + DAY),
        (cave_server_time(START + 2 * DAY), "live", START + 2 * DAY),
    ):
        done = crant("synapses", "-d", live, "--pre", neuron, "--materialization", asked, "-o", "out.parquet")
        assert done.code == 0, done.err
        source = record("out.parquet")["inputs"][0]
        assert (source["materialization"], source["time"]) == (version, cave_server_time(time))
        assert source["time"] in done.err
        assert source["time"] in crant("info", "out.parquet").text
    assert "sha256" not in source


def cave_server_time(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_versions_differ_and_each_is_what_it_was(crant: Crant) -> None:
    with serving(make_brain(late=100)) as server:
        live, neurons = described(server), ids(server, 0, 1, 2)
        found = {}
        for version in (1, 3):
            found[version] = rows(crant("synapses", "-d", live, "--pre", neurons, "--materialization", version, "-q"))
            assert found[version] == rows(crant("synapses", saved(server, version), "--pre", neurons, "-q"))
        assert found[1] != found[3]
        between = cave_server_time(START + 2 * DAY)
        assert rows(crant("synapses", "-d", live, "--pre", neurons, "--materialization", between, "-q")) == found[3]
        assert rows(crant("synapses", "-d", live, "--pre", neurons, "--materialization", "live", "-q")) == found[3]


def test_an_expired_version_is_named(crant: Crant, server: CaveServer) -> None:
    server.brain.versions[0] = cave_brain.Version(1, START + 1, expired=True)
    live, neuron = described(server), ids(server, 0)
    words = ("--materialization 1", "has expired", "there are 2, 3")
    complaint(crant("synapses", "-d", live, "--pre", neuron, "--materialization", 1), 2, *words)
    complaint(crant("synapses", "-d", live, "--pre", neuron, "--materialization", 9), 2, "no such version", "2, 3")
    complaint(crant("synapses", "-d", live, "--pre", neuron, "--materialization", "newest"), 2, "latest, live")
    complaint(crant("synapses", "-d", live, "--pre", neuron, "--materialization", "2999-01-01"), 2, "yet to come")


def test_a_version_may_expire_after_it_was_asked_for(crant: Crant, server: CaveServer) -> None:
    live, neurons = described(server), server.brain.neurons
    assert crant("lock", "-d", live, "--materialization", 2, "-o", "crant.lock").code == 0
    kept = rows(crant("counts", "-d", live, "-n", neurons[0], "--lock", "crant.lock", "-q"))
    server.brain.versions[1] = cave_brain.Version(2, START + DAY, expired=True)
    assert rows(crant("counts", "-d", live, "-n", neurons[0], "--lock", "crant.lock", "-q")) == kept
    for state in (("--lock", "crant.lock"), ("--materialization", 2)):
        complaint(crant("counts", "-d", live, "-n", neurons[1], *state), 6, "materialization 2", "has expired", "time")
    time = cave_server_time(START + DAY)
    assert rows(crant("counts", "-d", live, "-n", neurons[0], "--materialization", time, "-q")) == kept


def test_an_unknown_table_and_an_unknown_data_stack_are_named(crant: Crant, server: CaveServer) -> None:
    Path("t.toml").write_text(f'[cave]\nserver = "{server.url}"\ndatastack = "test_ant"\nsynapse_table = "syn"\n')
    complaint(
        crant("synapses", "-d", "t.toml", "--pre", ids(server, 0), "-o", "out.csv"), 3, "test_ant has no table syn"
    )
    Path("d.toml").write_text(f'[cave]\nserver = "{server.url}"\ndatastack = "other"\n')
    complaint(crant("synapses", "-d", "d.toml", "--pre", ids(server, 0), "-o", "out.csv"), 3, "other", "does not know")
    live = described(server)
    complaint(
        crant("synapses", "-d", live, "--pre", ids(server, 0), "--columns", "pre,colour"), 3, "colour not in model"
    )
    assert not Path("out.csv").exists()


def test_a_lock_holds_a_pipeline_to_one_state(crant: Crant, server: CaveServer) -> None:
    live, neuron = described(server), ids(server, 0, 1)
    assert crant("lock", "-d", live, "-o", "crant.lock").code == 0
    locked = json.loads(Path("crant.lock").read_text())["cave"]
    assert (locked["version"], locked["table"], locked["resolution"]) == (3, "synapses_v2", [1.0, 1.0, 1.0])
    before = rows(crant("connectivity", "-d", live, "-n", neuron, "-q"))
    neurons = server.brain.neurons
    server.brain.graph.edit(
        START + 4 * DAY, neurons[:2], {neurons[0] + 1: list(range(FIRST_SUPERVOXEL, FIRST_SUPERVOXEL + 4))}
    )
    server.brain.versions.append(cave_brain.Version(4, START + 5 * DAY))
    assert rows(crant("connectivity", "-d", live, "-n", neuron, "-q")) != before
    assert rows(crant("connectivity", "-d", live, "-n", neuron, "--lock", "crant.lock", "-q")) == before
    complaint(crant("lock", "-d", live), 2, "-o FILE")
    complaint(
        crant("synapses", "-d", live, "--pre", neuron, "--lock", "crant.lock", "--materialization", 2), 2, "--lock"
    )
    Path("other.lock").write_text(Path("crant.lock").read_text().replace("test_ant", "other_ant"))
    complaint(crant("synapses", "-d", live, "--pre", neuron, "--lock", "other.lock"), 3, "other_ant")
    Path("bad.lock").write_text("{}")
    complaint(crant("synapses", "-d", live, "--pre", neuron, "--lock", "bad.lock"), 3, "no lock file")


# Neurons over time


@pytest.fixture
def edited(server: CaveServer) -> CaveServer:
    """Day 2: neuron 0 is split unevenly, 2 and 3 are merged; day 4, after the last version: 5 is split."""
    graph, old = server.brain.graph, server.brain.neurons
    more = [FIRST_SUPERVOXEL + 1000, FIRST_SUPERVOXEL + 1001]
    graph.history |= {voxel: [(START, old[0])] for voxel in more}
    pieces = [FIRST_SUPERVOXEL, *more]
    graph.edit(START + 2 * DAY, [old[0]], {old[0] + 1: pieces, old[1] + 1: [FIRST_SUPERVOXEL + 1]})
    graph.edit(START + 2 * DAY, old[2:4], {old[2] + 1: [FIRST_SUPERVOXEL + n for n in (4, 5, 6, 7)]})
    graph.edit(START + 4 * DAY, [old[5]], {old[5] + 1: [FIRST_SUPERVOXEL + 10], old[6] + 1: [FIRST_SUPERVOXEL + 11]})
    return server


def test_ids_are_brought_to_the_time_that_is_queried(crant: Crant, edited: CaveServer) -> None:
    old = edited.brain.neurons
    asked = [old[0], old[1], old[2], old[3], old[5] + 1, 4242, old[0]]
    Path("asked.txt").write_text("\n".join(map(str, asked)))
    done = crant("ids", "@asked.txt", "-d", described(edited))
    assert answer(done) == [
        (str(old[0]), str(old[0] + 1), "true", "0.75", "chunkedgraph"),
        (str(old[1]), str(old[1]), "false", "1.0", "current"),
        (str(old[2]), str(old[2] + 1), "true", "1.0", "chunkedgraph"),
        (str(old[3]), str(old[2] + 1), "true", "1.0", "chunkedgraph"),
        (str(old[5] + 1), str(old[5]), "true", "1.0", "chunkedgraph"),
        ("4242", "4242", "false", "0.0", "unresolved"),
    ]
    for words in ("split 2 neurons; 75% of its pieces", f"{old[2]}, {old[3]} are one neuron", "4242 (no such neuron)"):
        assert words in done.err
    earlier = crant("ids", "@asked.txt", "-d", described(edited), "--materialization", "1", "-q")
    assert [row[4] for row in answer(earlier)] == ["current"] * 4 + ["chunkedgraph", "unresolved"]
    with pytest.warns(cc.CrantWarning, match="1 of 2 IDs were updated to materialization 3"):
        frame = cc.update_ids([old[2], old[1]], dataset=described(edited), materialization=3)
    assert frame["new_id"].tolist() == [old[2] + 1, old[1]]
    assert frame.dtypes["old_id"] == np.int64


def test_split_neurons_are_looked_up_together(crant: Crant, server: CaveServer) -> None:
    """Each takes two requests, and there may be thousands."""
    graph, old = server.brain.graph, server.brain.neurons
    for number in (0, 1):
        first, second = graph.supervoxels(old[number])
        graph.edit(START + 2 * DAY, [old[number]], {old[number] + 1: [first], 9_000 + number: [second]})
    both = threading.Barrier(2, timeout=10)

    def act(_: int, asked: Asked) -> None:
        if "/leaves" in asked.path:
            both.wait()

    server.weather.action = act
    done = crant("ids", *old[:2], "-d", described(server), "--retries", 0, "-q")
    assert [row[1:] for row in answer(done)] == [(f"{9_000 + n}", "true", "0.5", "chunkedgraph") for n in (0, 1)]


def test_a_supervoxel_of_the_annotations_comes_first(crant: Crant, edited: CaveServer) -> None:
    old = edited.brain.neurons
    small = FIRST_SUPERVOXEL + 1
    for name, voxel in (("int", small), ("lost", "7.205759403792794E+16")):
        Path(f"{name}.csv").write_text(f"root_id,supervoxel_id,cell_type\n{old[0]},{voxel},ER1\n")
    found = answer(crant("ids", old[0], "-d", described(edited), "-a", "int.csv", "-q"))
    assert found == [(str(old[0]), str(old[1] + 1), "true", "1.0", "supervoxel")]
    found = answer(crant("ids", old[0], "-d", described(edited), "-a", "lost.csv", "-q", "--refresh"))
    assert found[0][4] == "chunkedgraph"


@pytest.mark.parametrize("damage", [np.zeros(4, "<u8"), np.arange(1, 5).astype("<u8"), np.full(4, 2**64 - 1, "<u8")])
@pytest.mark.parametrize("voxels", [True, False])
def test_roots_that_were_damaged_on_their_way(
    crant: Crant, edited: CaveServer, damage: np.ndarray[Any, Any], voxels: bool
) -> None:
    """They are bare numbers: as many others look like an answer."""
    old = edited.brain.neurons
    roots = CaveServer.roots

    def damaged(self: CaveServer, match: Any, parameters: dict[str, str], body: bytes) -> bytes:
        right = roots(self, match, parameters, body)
        return np.resize(damage, len(right) // 8).tobytes()

    edited.routes["roots"] = damaged
    Path("t.csv").write_text(f"root_id,supervoxel_id,cell_type\n{old[0]},{FIRST_SUPERVOXEL + 1},ER1\n")
    done = crant("ids", old[0], "-d", described(edited), *(("-a", "t.csv") if voxels else ()), "-o", "o.csv")
    complaint(done, 6, "the server tells of", "try again")
    assert not Path("o.csv").exists()


@pytest.mark.parametrize("answered", ["null", "{}", '{"nodes": null, "links": []}', '{"nodes": [], "links": [[1, 2]]}'])
def test_histories_of_another_form(crant: Crant, edited: CaveServer, answered: str) -> None:
    edited.routes["lineage"] = lambda *_: json.loads(answered)
    done = crant("ids", edited.brain.neurons[0], "-d", described(edited), "-o", "o.csv")
    complaint(done, 3, "lineage_graph_multiple: the answer is not of the form")
    assert not Path("o.csv").exists()


def test_updated_neurons_have_their_synapses(crant: Crant, edited: CaveServer) -> None:
    """The ID of day 0 is asked for, and the version of day 3 is queried: nothing may vanish, nothing count twice."""
    old, live = edited.brain.neurons, described(edited)
    file, merged = saved(edited), old[2] + 1
    done = crant("connectivity", "-d", live, "-n", f"{old[2]},{old[3]}", "-o", "e.parquet")
    assert done.code == 0
    assert "one neuron" in done.err
    assert rows(crant("connectivity", "e.parquet", "-q")) == rows(crant("connectivity", file, "-n", merged, "-q"))
    assert record("e.parquet")["options"]["updated_ids"] == [f"{old[2]} -> {merged}", f"{old[3]} -> {merged}"]
    assert (
        rows(crant("connectivity", "-d", live, "-n", f"{old[2]},{old[3]}", "--no-update-ids", "-q")).count(b"\n") == 1
    )


def test_tables_keyed_by_neuron_answer_under_the_id_that_was_asked_for(crant: Crant, edited: CaveServer) -> None:
    old, live = edited.brain.neurons, described(edited)
    merged = str(old[2] + 1)
    outcome = crant("counts", "-d", live, "-n", f"{old[3]},{old[1]},{old[2]}", "-q")
    assert outcome.rows()[0][:2] == ["neuron_id", "current_id"]
    found = answer(outcome)
    assert [row[:2] for row in found] == [(str(old[3]), merged), (str(old[1]), str(old[1])), (str(old[2]), merged)]
    plain = answer(crant("counts", saved(edited), "-n", f"{merged},{old[1]}", "-q"))
    assert [row[2:] for row in found] == [plain[0][1:], plain[1][1:], plain[0][1:]]
    assert int(found[0][4]) > 0


def test_what_cannot_be_found_is_kept_named_and_counted_or_an_error(crant: Crant, edited: CaveServer) -> None:
    old, live = edited.brain.neurons, described(edited)
    done = crant("counts", "-d", live, "-n", f"4242,{old[1]}")
    assert [row[0] for row in answer(done)] == ["4242", str(old[1])]
    assert "1 of 2 IDs cannot be found" in done.err
    assert "4242" in done.err
    complaint(crant("counts", "-d", live, "-n", f"4242,{old[1]}", "--strict-ids"), 3, "4242", "--strict-ids")
    between = cave_server_time(START + 2.5 * DAY)
    done = crant("counts", "-d", live, "-n", f"4242,{old[1]}", "--materialization", between, "-q")
    assert [row[0] for row in answer(done)] == ["4242", str(old[1])]


def test_look_ups_are_kept_per_id(crant: Crant, edited: CaveServer) -> None:
    old, live = edited.brain.neurons, described(edited)
    rows(crant("ids", old[0], old[1], "-d", live, "--materialization", 3, "-q"))
    edited.forget()
    rows(crant("ids", old[1], old[0], "-d", live, "--materialization", 3, "-q"))
    assert edited.asked == []
    rows(crant("ids", old[1], old[2], "-d", live, "--materialization", 3, "-q"))
    latest = [
        asked for asked in edited.asked if asked.path.endswith("is_latest_roots") or "is_latest_roots?" in asked.path
    ]
    assert [asked.body["node_ids"] for asked in latest] == [[old[2]], [old[2] + 1]]


# The cache


def test_a_second_run_at_a_fixed_version_asks_nothing(crant: Crant, server: CaveServer) -> None:
    live, neurons = described(server), ids(server, 0, 1)
    first = rows(crant("connectivity", "-d", live, "-n", neurons, "--materialization", 3, "-q"))
    server.forget()
    assert rows(crant("connectivity", "-d", live, "-n", neurons, "--materialization", 3, "-q")) == first
    assert server.asked == []
    assert rows(crant("connectivity", "-d", live, "-n", neurons, "-q")) == first
    assert server.data_queries() == []
    assert rows(crant("connectivity", "-d", live, "-n", neurons, "-q", "--refresh")) == first
    assert len(server.data_queries()) == 2
    assert rows(crant("connectivity", "-d", live, "-n", ids(server, 0), "--materialization", 2, "-q")) != first
    other = ("connectivity", "-d", live, "-n", ids(server, 4), "--materialization", 3, "-q")
    first = rows(crant(*other, "--refresh"))
    server.forget()
    assert rows(crant(*other)) == first
    assert server.asked == []


def test_what_is_in_the_cache_needs_neither_server_nor_client(crant: Crant, server: CaveServer) -> None:
    question = ("counts", "-d", described(server), "-n", ids(server, 0), "--materialization", "3", "-q")
    first = rows(crant(*question))
    server.close()
    code = (
        "import sys; from crantcli.cli.app import run; code = run(sys.argv[1:]); "
        "sys.exit(code or bool({'caveclient', 'requests', 'pandas'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code, *question], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, first), done.stderr


def test_the_cache_tells_what_it_holds_and_can_be_emptied(crant: Crant, server: CaveServer) -> None:
    live = described(server)
    rows(crant("connectivity", "-d", live, "-n", ids(server, 0), "--cache-dir", "kept"))
    held = json.loads(rows(crant("cache", "info", "--json", "--cache-dir", "kept")))["kinds"]
    assert held["snapshots"]["files"] == 1
    assert held["snapshots"]["bytes"] > 0
    assert "chunks" not in held
    Path("kept/mine.txt").write_text("not ours")
    rows(crant("cache", "clear", "--cache-dir", "kept"))
    assert json.loads(rows(crant("cache", "info", "--json", "--cache-dir", "kept")))["kinds"] == {}
    assert [path.name for path in Path("kept").iterdir()] == ["mine.txt"]


def test_what_a_killed_run_left_in_the_cache_goes(crant: Crant, server: CaveServer) -> None:
    live = described(server)
    rows(crant("connectivity", "-d", live, "-n", ids(server, 0), "--cache-dir", "kept"))
    (snapshot,) = Path("kept").rglob("snapshots/*.parquet")
    left = snapshot.with_name(left_by_the_dead(snapshot.name))
    left.touch()
    rows(crant("connectivity", "-d", live, "-n", ids(server, 1), "--cache-dir", "kept"))
    assert not left.exists()


def test_a_damaged_snapshot_is_fetched_anew(crant: Crant, server: CaveServer) -> None:
    question = ("synapses", "-d", described(server), "--pre", ids(server, 0), "--cache-dir", "kept", "-q")
    first = rows(crant(*question))
    (snapshot,) = Path("kept").rglob("snapshots/*.parquet")
    content = snapshot.read_bytes()
    os.truncate(snapshot, len(content) // 2)
    assert rows(crant(*question)) == first
    assert snapshot.read_bytes() == content
    for place in range(4, len(content), len(content) // 9):
        snapshot.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert rows(crant(*question)) == first, place
        assert snapshot.read_bytes() == content


def test_fractions_know_that_partners_are_not_whole(crant: Crant, server: CaveServer) -> None:
    live, neuron = described(server), ids(server, 0)
    assert crant("synapses", "-d", live, "--pre", neuron, "-o", "s.parquet").code == 0
    assert record("s.parquet")["complete_for"] == {
        "inputs_of": [], "outputs_of": [neuron], "origin": "known", "thinned_by": "",
    }  # fmt: skip
    complaint(crant("connectivity", "-d", live, "-n", neuron, "--normalize", "input"), 3, "--totals")
    alone = ("--no-upstream", "--normalize", "output")
    assert crant("connectivity", "-d", live, "-n", neuron, *alone).code == 0


def test_the_examples_of_the_help_run(crant: Crant, server: CaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a description of the user's own in place of the data set's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path("config").absolute()))
    described(server)
    Path("config/crantcli").mkdir(parents=True)
    own = Path("live.toml").read_text().replace("[", "[crantb.", 1).replace("[voxel]", "[crantb.voxel]")
    Path("config/crantcli/datasets.toml").write_text(own)
    Path("neurons.txt").write_text("\n".join(map(str, server.brain.neurons[:2])))
    for name in ("ids", "lock"):
        module = importlib.import_module(f"crantcli.cli.commands.{name}")
        program, *arguments = shlex.split(module.EPILOG.split("Example: ")[1].split("\n\n")[0])
        assert (program, arguments[0]) == ("crantcli", name)
        rows(crant(*arguments))
        assert Path(arguments[-1]).stat().st_size
        said = " ".join(crant(name, "--help").text.split())
        assert said.endswith(" ".join(module.EPILOG.split()))
