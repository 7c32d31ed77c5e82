"""`crantcli link`: states of Neuroglancer, as its own Python classes and by hand."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
import tokens
from conftest import SAMPLE, Crant
from loopback import serving
from tables import ONE, TWO, complaint, parquet_file, text_file

import crantcli as cc
from crantcli.core.label_colours import label_colours
from crantcli.remote import retry

SYNAPSES, TYPES = SAMPLE / "synapses.parquet", SAMPLE / "annotations.csv"

BRAIN = """
[voxel]
size_nm = [8, 8, 42]
[files]
annotations = "a.csv"
[viewer]
url = "https://viewer.example.org/"
segmentation = "graphene://https://data.example.org/table/ant"
image = "precomputed://https://data.example.org/em"
[neuropils]
source = "precomputed://https://data.example.org/neuropils"
transform = [800, 0, 0, -43200, 0, 800, 0, -43200, 0, 0, 840, -2520]
labels = { 1 = "EB", 2 = "FB" }
"""


@pytest.fixture(autouse=True)
def _brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("brain.toml", BRAIN)
    text_file("a.csv", f"root_id,cell_type\n{ONE},ER2\n{TWO},EPG\n7,ER2\n8,\n")


def synapses(**more: Any) -> Path:
    """Three synapses, positions in nm."""
    columns: dict[str, Any] = {"id": [1, 2, 3], "pre_pt_root_id": [ONE, TWO, 99], "post_pt_root_id": [TWO, ONE, 98]}
    for side, offset in (("pre", 0), ("post", 80)):
        for axis, size in zip("xyz", (8, 8, 42), strict=True):
            columns[f"{side}_pt_position_{axis}"] = [size * (1000 * n + offset) for n in (1, 2, 3)]
    return parquet_file("s.parquet", **{**columns, **more})


def state(crant: Crant, *arguments: object) -> dict[str, Any]:
    """The state on stdout."""
    done = crant("link", *arguments)
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


def layer(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in found["layers"] if one["name"] == name)


def test_neurons_have_the_colours_of_their_types(crant: Crant) -> None:
    found = state(crant, f"{ONE},{TWO},7,8", "-d", "brain.toml")
    neurons = layer(found, "neurons")
    assert neurons["segments"] == [str(ONE), str(TWO), "7", "8"]
    colours = label_colours(["ER2", "EPG"])
    assert neurons["segmentColors"] == {str(ONE): colours["ER2"], str(TWO): colours["EPG"], "7": colours["ER2"],
                                        "8": "#9A9A9A"}  # fmt: skip
    assert neurons["source"] == "graphene://https://data.example.org/table/ant"
    assert layer(found, "image")["source"] == "precomputed://https://data.example.org/em"
    assert found["dimensions"] == {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [4.2e-8, "m"]}
    assert [one["name"] for one in found["layers"]] == ["image", "neurons"]


def test_ids_are_text_everywhere(crant: Crant) -> None:
    found = crant("link", f"{ONE}", "-d", "brain.toml", "--synapses", synapses(), "--coordinates", "nm").text
    assert str(ONE) in found
    assert not re.search(rf"[^\"0-9](?:{ONE}|{TWO})[^\"0-9]", found)


def test_synapses_are_lines_in_voxels(crant: Crant) -> None:
    found = state(crant, ONE, "-d", "brain.toml", "--synapses", synapses(), "--coordinates", "nm")
    shown = layer(found, "synapses")
    assert shown["annotations"] == [
        {"type": "line", "id": "0", "pointA": [1000, 1000, 1000], "pointB": [1080, 1080, 1080],
         "segments": [[str(ONE), str(TWO)]]},
        {"type": "line", "id": "1", "pointA": [2000, 2000, 2000], "pointB": [2080, 2080, 2080],
         "segments": [[str(TWO), str(ONE)]]},
    ]  # fmt: skip
    assert shown["linkedSegmentationLayer"] == {"segments": "neurons"}
    assert shown["source"]["transform"]["outputDimensions"] == found["dimensions"]
    assert found["position"] == [1540, 1540, 1540]


def test_one_position_is_a_point_in_the_units_of_the_table(crant: Crant) -> None:
    parquet_file("p.parquet", id=[1], pre=[ONE], post=[TWO], ctr_pt_position=[[10, 20, 30]])
    given = ("-d", "brain.toml", "--synapses", "p.parquet", "--coordinates", "pixels", "--voxel-size", "16,16,42")
    (point,) = layer(state(crant, ONE, *given), "synapses")["annotations"]
    assert (point["type"], point["point"]) == ("point", [20, 40, 30])
    complaint(crant("link", ONE, "-d", "brain.toml", "--synapses", "p.parquet"), 2, "--coordinates")


def test_more_synapses_than_are_shown_are_counted(crant: Crant) -> None:
    common = ("cell_type=ER2", "-d", "brain.toml", "-a", TYPES, "--coordinates", "nm", "--synapses")
    done = crant("link", *common, SYNAPSES, "--max-points", "50")
    assert "50 of 6,042 synapses are shown" in done.err
    shown = layer(json.loads(done.out), "synapses")["annotations"]
    assert len(shown) == 50
    assert len({one["segments"][0][0] for one in shown}) > 9  # spread over all, and not the first ones
    # The same ones in whatever order the table has them.
    table = pq.read_table(SYNAPSES)
    pq.write_table(table.take(np.random.default_rng(1).permutation(len(table))), "shuffled.parquet")
    again = crant("link", *common, "shuffled.parquet", "--max-points", "50", "--threads", "1")
    assert again.out == done.out


def test_synapses_that_do_not_count_are_not_shown(crant: Crant) -> None:
    s = synapses(pre_pt_root_id=[ONE, ONE, 0], post_pt_root_id=[TWO, ONE, ONE])
    given = ("-d", "brain.toml", "--coordinates", "nm", "--synapses", s)
    assert len(layer(state(crant, ONE, *given), "synapses")["annotations"]) == 1
    assert len(layer(state(crant, ONE, *given, "--no-clean"), "synapses")["annotations"]) == 3


def test_neuropils_are_a_layer(crant: Crant) -> None:
    shown = layer(state(crant, ONE, "-d", "brain.toml", "--neuropils", "FB"), "neuropils")
    assert shown["segments"] == ["2"]
    assert shown["source"]["url"] == "precomputed://https://data.example.org/neuropils"
    assert shown["source"]["transform"]["matrix"] == [[800, 0, 0, -43200], [0, 800, 0, -43200], [0, 0, 840, -2520]]
    assert layer(state(crant, ONE, "-d", "brain.toml", "--neuropils", "all"), "neuropils")["segments"] == ["1", "2"]
    complaint(crant("link", ONE, "-d", "brain.toml", "--neuropils", "XB"), 3, "XB", "EB", "FB")


def test_the_address_holds_the_state(crant: Crant) -> None:
    found = state(crant, ONE, "-d", "brain.toml")
    address = crant("link", ONE, "-d", "brain.toml", "--url").text.strip()
    start, fragment = address.split("#!")
    assert start == "https://viewer.example.org/"
    assert json.loads(urllib.parse.unquote(fragment)) == found
    assert not re.search(r"[\s\"{}]", address)


def test_neuroglancer_itself_reads_it(crant: Crant) -> None:
    viewer_state = pytest.importorskip("neuroglancer.viewer_state")
    url_state = pytest.importorskip("neuroglancer.url_state")
    given = (
        f"{ONE},{TWO},8",
        "-d",
        "brain.toml",
        "--synapses",
        synapses(),
        "--coordinates",
        "nm",
        "--neuropils",
        "all",
    )
    found = state(crant, *given)
    read = viewer_state.ViewerState(found)
    neurons, lines, neuropils = (read.layers[name].layer for name in ("neurons", "synapses", "neuropils"))
    assert isinstance(neurons, viewer_state.SegmentationLayer)
    assert sorted(map(int, neurons.segments)) == sorted([ONE, TWO, 8])
    assert neurons.segment_colors[ONE].lower() == label_colours(["EPG", "ER2"])["ER2"].lower()
    assert isinstance(lines, viewer_state.AnnotationLayer)
    line = lines.annotations[0]
    assert isinstance(line, viewer_state.LineAnnotation)
    assert line.point_a.tolist() == [1000, 1000, 1000]
    assert [int(neuron) for neuron in line.segments[0]] == [ONE, TWO]
    assert neuropils.source[0].transform.matrix.tolist()[0] == [800, 0, 0, -43200]
    assert read.dimensions.scales.tolist() == [8e-9, 8e-9, 4.2e-8]
    assert list(read.position) == [1540, 1540, 1540]
    assert read.layers["image"].layer.source[0].url == "precomputed://https://data.example.org/em"
    again = url_state.parse_url(crant("link", *given, "--url").text.strip())
    assert sorted(map(int, again.layers["neurons"].layer.segments)) == sorted([ONE, TWO, 8])
    assert [line.id for line in again.layers["synapses"].layer.annotations] == ["0", "1"]
    assert list(again.position) == list(read.position)


def test_what_the_data_set_does_not_name(crant: Crant) -> None:
    text_file("bare.toml", '[files]\nannotations = "a.csv"\n')
    done = crant("link", ONE, "-d", "bare.toml")
    assert (done.code, layer(json.loads(done.out), "neurons")["source"]) == (0, [])
    assert "[viewer] segmentation" in done.err
    assert "[voxel] size_nm" in done.err
    complaint(crant("link", ONE, "-d", "bare.toml", "--url"), 2, "[viewer] url")
    complaint(crant("link", ONE, "-d", "bare.toml", "--neuropils", "EB"), 2, "[neuropils] source")
    complaint(crant("link", ONE), 2, "--dataset")


def test_options_about_synapses_want_synapses(crant: Crant) -> None:
    for options in (("-t", 2), ("--max-points", 5), ("--coordinates", "nm"), ("--no-clean",), ("--min-size", 1)):
        complaint(crant("link", ONE, "-d", "brain.toml", *options), 2, str(options[0])[:5], "--synapses")
    complaint(crant("link", ONE, "-d", "brain.toml", "--json"), 2, "-o FILE")


def test_tables_that_will_not_do(crant: Crant) -> None:
    text_file("e.csv", f"pre,post,weight\n{ONE},{TWO},3\n")
    complaint(crant("link", ONE, "-d", "brain.toml", "--synapses", "e.csv"), 3, "one row per synapse")
    parquet_file("flat.parquet", id=[1], pre=[ONE], post=[TWO])
    complaint(crant("link", ONE, "-d", "brain.toml", "--synapses", "flat.parquet"), 3, "no positions")
    for bad, word in (("url = 5", "in quotes"), ('url = "viewer"', "address"), ('state = "https://x"', "unknown")):
        text_file("bad.toml", f"[viewer]\n{bad}\n")
        complaint(crant("link", ONE, "-d", "bad.toml"), 3, "viewer.", word)


def test_a_file_and_a_summary(crant: Crant) -> None:
    done = crant("link", ONE, "-d", "brain.toml", "-o", "s.json", "--json", "-q")
    assert json.loads(done.out)["rows"] == 1
    assert json.loads(Path("s.json").read_text()) == state(crant, ONE, "-d", "brain.toml")
    complaint(crant("link", ONE, "-d", "brain.toml", "-o", "a.csv"), 2, "a.csv is an input")


def test_python_has_the_same(crant: Crant) -> None:
    table = synapses()
    given = ("--synapses", table, "--coordinates", "nm", "--neuropils", "EB", "--max-points", "1")
    with pytest.warns(cc.CrantWarning, match="max_points shows more"):
        found = cc.neuroglancer_state(
            [ONE, TWO], dataset="brain.toml", synapses=str(table), coordinates="nm", neuropils="EB", max_points=1
        )
    assert found == state(crant, f"{ONE},{TWO}", "-d", "brain.toml", *given)
    with pytest.raises(cc.UsageError, match="dataset"):
        cc.neuroglancer_state(ONE)


class _States(BaseHTTPRequestHandler):
    """Keeps states under numbers, as the server of CAVE does."""

    kept: ClassVar[list[Any]] = []
    tokens: ClassVar[list[str | None]] = []
    answer = '"{address}/{number}"'

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        self.kept.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.tokens.append(self.headers.get("Authorization"))
        assert self.path == "/nglstate/api/v1/post"
        place = f"http://{self.headers['Host']}/nglstate/api/v1"
        body = self.answer.format(address=place, number=720 + len(self.kept)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def states() -> Iterator[tuple[str, type[_States]]]:
    """The address of a state server, and what it has got."""
    handler = type("Bound", (_States,), {"kept": [], "tokens": []})
    with serving(handler) as address:
        yield f"{address}/nglstate/api/v1", handler


@pytest.mark.parametrize("end", ["", "/"])
def test_a_short_address_has_its_state_on_the_server(
    crant: Crant, own_home: Path, states: tuple[str, type[_States]], monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    address, server = states
    monkeypatch.setenv("CRANTCLI_CAVE_TOKEN", tokens.CAVE_TOKEN)
    text_file("short.toml", BRAIN.replace("[viewer]", f'[viewer]\nstate_server = "{address}{end}"'))
    done = crant("link", ONE, TWO, "-d", "short.toml", "--short")
    assert done.code == 0, done.err
    assert done.text == f"https://viewer.example.org/#!middleauth+{address}/721\n"
    assert server.kept == [state(crant, ONE, TWO, "-d", "short.toml")]
    assert server.tokens == [f"Bearer {tokens.CAVE_TOKEN}"]
    done = crant("link", ONE, "-d", "short.toml", "--short", "-o", "address.txt")
    assert done.code == 0, done.err
    assert Path("address.txt").read_text() == f"https://viewer.example.org/#!middleauth+{address}/722\n"


@pytest.mark.parametrize(
    ("answer", "code"),
    [("", 6), ("kept", 6), ("<html>/5</html>", 6), ("{{}}", 3), ('"{address}/x{number}"', 3), ("{number}", 3)],
)
def test_an_answer_without_an_address_is_none(
    crant: Crant,
    own_home: Path,
    states: tuple[str, type[_States]],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
) -> None:
    monkeypatch.setattr(retry, "sleep", lambda _: None)
    states[1].answer = answer
    text_file("short.toml", BRAIN.replace("[viewer]", f'[viewer]\nstate_server = "{states[0]}"'))
    complaint(crant("link", ONE, "-d", "short.toml", "--short", "-o", "a.txt", "--retries", 1), code, states[0])
    assert not Path("a.txt").exists()


def test_what_a_short_address_needs(crant: Crant) -> None:
    complaint(crant("link", ONE, "-d", "brain.toml", "--short"), 2, "[viewer] state_server", "--url needs none")
    complaint(crant("link", ONE, "-d", "brain.toml", "--short", "--url"), 2, "give one of them")
    text_file("bare.toml", '[viewer]\nstate_server = "https://states.example.org"\n')
    complaint(crant("link", ONE, "-d", "bare.toml", "--short"), 2, "--short", "[viewer] url")
    text_file("bad.toml", '[viewer]\nstate_server = "gs://states"\n')
    complaint(crant("link", ONE, "-d", "bad.toml"), 3, "viewer.state_server", "nglstate")


def test_colours_differ_and_depend_on_the_labels_alone() -> None:
    names = [f"T{number}" for number in range(200)]
    made = label_colours(names)
    assert made == label_colours(reversed(names))
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in made.values())
    assert len({made[name] for name in names}) > 190
    assert "#000000" not in made.values()
