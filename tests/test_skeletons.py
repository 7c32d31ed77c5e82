"""Reading SWC files and zips of them, what is wrong with them, and pictures of skeletons with their sites."""

from __future__ import annotations

import itertools
import json
import math
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLE, Crant
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from strategies import SETTINGS
from tables import complaint, parquet_file, text_file

from crantcli.core.geometry.skeleton import Skeleton
from crantcli.errors import DataError
from crantcli.output.figures import arbors
from crantcli.sources.shapes import skeletons, swc
from crantcli.sources.shapes.swc import read_swc

TREE = "1 1 0 0 0 5 -1\n2 0 3 4 0 1 1\n7 0 3 4 12 1 2\n5 0 0 0 0 1 -1\n"


def plain(found: Skeleton) -> list[tuple[int, int, list[float]]]:
    """node, parent (or -1), position."""
    ids = found.node_id.tolist()
    parents = [ids[place] if place >= 0 else -1 for place in found.parent.tolist()]
    return list(zip(ids, parents, found.xyz.tolist(), strict=True))


EXPECTED = [(1, -1, [0, 0, 0]), (2, 1, [3, 4, 0]), (5, -1, [0, 0, 0]), (7, 2, [3, 4, 12])]

WAYS = {
    "plain": TREE,
    "comments first": "# made by hand\n  # x y z\n\n#\n" + TREE,
    "comments anywhere": TREE.replace("\n7", "\n# 1 2 3 4 5 6 7\n7").replace("12 1 2", "12 1 2 # tip"),
    "no last line end": TREE.rstrip(),
    "windows": TREE.replace("\n", "\r\n"),
    "windows, with comments": "# made\r\n\r\n" + TREE.replace("\n", "\r\n"),
    "old mac": TREE.replace("\n", "\r"),
    "blank lines": TREE.replace("\n", "\n\n") + "  \n\t\n",
    "tabs": TREE.replace(" ", "\t"),
    "a tab among spaces": TREE.replace("2 0 3", "2 0\t3"),
    "a tab, and more columns": TREE.replace("2 0 3 4 0 1 1", "2 0\t3 4 0 1 1 5"),
    "columns in line": TREE.replace(" ", "   "),
    "spaces at both ends": "".join(f"  {line} \n" for line in TREE.splitlines()),
    "byte order mark": "\ufeff" + TREE,
    "byte order mark, aligned": "\ufeff" + TREE.replace(" ", "  "),
    "floats": TREE.replace("3 4", "3.0 4e0"),
    "everything a float": "\n".join(" ".join(f"{float(v):.6e}" for v in line.split()) for line in TREE.splitlines()),
    "more columns": TREE.replace("\n", " 9 x\n"),
    "a comment at once": TREE.replace("12 1 2", "12 1 2#tip"),
    "a radius of Windows": TREE.replace("5 -1", "1.#QNAN -1"),
    "a radius of Windows, with comments": TREE.replace("5 -1", "1.#QNAN -1 # a root"),
    "no radius": TREE.replace("5 -1", "nan -1").replace("1 1\n", "NA 1\n"),
    "label in words": TREE.replace("1 1 0", "1 soma 0"),
    "children first": "\n".join(reversed(TREE.splitlines())),
}


@pytest.mark.parametrize("way", WAYS)
def test_swc_as_people_write_it(way: str) -> None:
    found = read_swc(WAYS[way].encode(), "x.swc")
    assert plain(found) == EXPECTED
    assert found.cable_length == 17.0
    assert (found.node_id.dtype, found.parent.dtype, found.xyz.dtype) == (np.int64, np.int64, np.float64)


def test_all_ways_of_reading_agree() -> None:
    """The quick one takes what is tidy and nothing else, and the slow one takes all."""
    for way, text in WAYS.items():
        data = text.encode()
        quick = swc._fast(data)
        slow = swc._line_by_line(data, "x.swc")
        if quick is not None:
            assert all((one == other).all() for one, other in zip(quick, slow, strict=True)), way
    assert swc._fast(WAYS["windows, with comments"].encode()) is not None
    assert swc._fast(WAYS["tabs"].encode()) is None
    assert swc._fast(swc._tidied(WAYS["comments anywhere"].encode())) is not None


def test_text_in_any_encoding() -> None:
    for data in (b"# 5 \xb5m\n" + TREE.encode(), TREE.replace("1 1 0", "1 \xe9 0").encode("latin-1")):
        assert plain(read_swc(data, "x.swc")) == EXPECTED


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "# nothing", "\ufeff", "  \r\n#\r\n\r\n"])
def test_an_empty_skeleton(text: str) -> None:
    found = read_swc(text.encode(), "x.swc")
    assert (len(found), found.cable_length, found.chains()) == (0, 0.0, [])


def test_a_single_node_and_units() -> None:
    assert plain(read_swc(b"9 1 1.5 2 3 1 -1", "x.swc", (8, 8, 42))) == [(9, -1, [12, 16, 126])]


def test_large_ids_stay_apart() -> None:
    """Node IDs above 2**53, with a gap and without."""
    for step in (1, 3):
        ids = [2**60 + step * n for n in range(4)]
        text = "".join(f"{node} 0 {n} 0 0 1 {node - step if n else -1}\n" for n, node in enumerate(ids))
        found = plain(read_swc(text.encode(), "x.swc"))
        assert [row[:2] for row in found] == [(node, ids[n - 1] if n else -1) for n, node in enumerate(ids)]


BROKEN = {
    "missing parent": (TREE.replace("1 2\n", "1 4\n"), "line 3", "parent of node 7 is 4"),
    "parent zero": (TREE[:-3] + "0\n", "line 4", "-1"),
    "a node twice": (TREE + "2 0 0 0 0 1 1\n", "line 5", "node 2", "second time"),
    "another negative parent": (TREE.replace("5 0 0 0 0 1 -1", "5 0 0 0 0 1 -2"), "line 4", "node 5 is -2", "-1"),
    "a negative parent as a float": (TREE[:-3] + "-7.0\n", "line 4", "node 5 is -7", "-1"),
    "no label": (TREE.replace("2 0 3", "2  3"), "line 2", "6 fields", "7"),
    "no parent, aligned": (TREE.replace("2 0 3 4 0 1 1", "2  0 3 4 0 1"), "line 2", "6 fields", "7"),
    "a comment for a label": (TREE.replace("2 0 3", "2 #0 3"), "line 2", "1 field"),
    "a comment for a radius": (TREE.replace("4 0 1 1", "4 0 #1 1"), "line 2", "5 fields"),
    "a negative node": (TREE + "-4 0 0 0 0 1 1\n", "line 5", "node -4", "negative"),
    "a node that is a root": (TREE + "-1 0 0 0 0 1 1\n", "line 5", "node -1", "negative"),
    "two roots of one ID": (TREE + "5 0 9 9 9 1 -1\n", "line 5", "node 5", "second time"),
    "a node and a root of one ID": ("#\n" + TREE + "7 0 9 9 9 1 -1\n", "line 6", "node 7", "second time"),
    "its own parent": (TREE.replace("1 2\n", "1 7\n"), "line 3", "a cycle, 7 -> 7"),
    "each other's parents": (TREE.replace("1 1\n", "1 7\n"), "line 2", "a cycle, 2 -> 7 -> 2"),
    "a cycle with a tail, in another order": (
        "9 0 0 0 0 1 4\n4 0 0 0 0 1 6\n#\n5 0 0 0 0 1 4\n6 0 0 0 0 1 5\n1 0 0 0 0 1 -1\n",
        "line 2",
        "a cycle, 4 -> 6 -> 5 -> 4",
    ),
    "a long cycle": (
        "1 0 0 0 0 1 -1\n" + "".join(f"{n} 0 0 0 0 1 {n - 1 if n > 2 else 5000}\n" for n in range(2, 5001)),
        "line 2",
        "a cycle, 2 -> 5000 -> 4999 -> 4998 -> 4997 -> ... -> 3 -> 2",
    ),
    "larger than a brain": (TREE.replace("3 4 12", "3 1e17 12"), "line 3", "larger than any brain"),
    "too large for a number": (TREE.replace("3 4 12", "3 1e400 12"), "line 3", "not a finite number"),
    "NaN": (TREE.replace("3 4 12", "3 nan 12"), "line 3", "not a finite number"),
    "infinite": ("#\n\n" + TREE.replace("3 4 12", "3 -inf 12"), "line 5", "not a finite number"),
    "NaN, aligned": (TREE.replace(" ", "  ").replace("12", "NaN"), "line 3", "not a finite number"),
    "empty cell": (TREE.replace("4 12 1 2", "4  1 2"), "line 3", "6 fields", "7"),
    "cut short": (TREE + "8 0 1", "line 5", "3 fields"),
    "words": ("id label x y z radius parent\n" + TREE, "line 1", "id label"),
    "comma": (TREE.replace(" ", ","), "line 1", "1 field"),
    "fraction": (TREE.replace("7 0", "7.5 0"), "line 3", "7.5"),
    "large float": (TREE.replace("7 0", "1e17 0"), "line 3", "1e17"),
    "too large": (TREE.replace("7 0", f"{2**63} 0"), "line 3", str(2**63)),
    "underscore": (TREE.replace("12", "1_2"), "line 3", "1_2"),
    "a pointer of Git LFS": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "a web page": ("<!DOCTYPE html>\n", "web page"),
    "no text": (b"\x89PNG\r\n\x1a\n\0\0", "line 1"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_skeleton_is_named_with_its_line(what: str) -> None:
    text, *words = BROKEN[what]
    with pytest.raises(DataError) as error:
        read_swc(text if isinstance(text, bytes) else text.encode(), "some.swc")
    assert all(word in str(error.value) for word in ["some.swc", *words]), error.value


def test_what_becomes_too_large_in_nm_is_refused() -> None:
    """And nobody is warned of an overflow."""
    with pytest.raises(DataError, match=r"x\.swc, line 3: a coordinate is larger than any brain"):
        read_swc(TREE.replace("3 4 12", "3 1e306 12").encode(), "x.swc", (1000, 1000, 1000))


@SETTINGS
@given(st.lists(st.integers(-1, 11), max_size=12), st.randoms(use_true_random=False))
def test_cycles_are_found_wherever_they_are(parents: list[int], chance: random.Random) -> None:
    """Any node may have any parent, itself too."""
    ids = list(range(len(parents)))
    parents = [parent if parent < len(ids) else -1 for parent in parents]
    lines = [f"{n} 0 0 0 0 1 {parents[n]}" for n in chance.sample(ids, len(ids))]
    inside = set()
    for node in ids:
        seen, here = [], node
        while here >= 0 and here not in seen:
            seen.append(here)
            here = parents[here]
        inside |= set(seen[seen.index(here) :]) if here >= 0 else set()
    if not inside:
        assert len(read_swc("\n".join(lines).encode(), "x.swc")) == len(ids)
        return
    with pytest.raises(DataError, match=r"x\.swc, line \d+: the parents of nodes make a cycle") as error:
        read_swc("\n".join(lines).encode(), "x.swc")
    line = int(str(error.value).split("line ")[1].split(":")[0])
    assert int(lines[line - 1].split()[0]) in inside


@SETTINGS
@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_chains_and_cable_of_any_tree(seed: int, number: int) -> None:
    """Each edge is drawn once; cable is the sum of all edges; file order means nothing."""
    chance = random.Random(seed)
    ids = chance.sample(range(100), number)
    parents = [chance.choice([-1, *ids[:n], *ids[:n]]) for n in range(number)]
    places = [[chance.uniform(-9, 9) for _ in "xyz"] for _ in ids]
    lines = [f"{i} 0 {x!r} {y!r} {z!r} 1 {p}\n" for i, p, (x, y, z) in zip(ids, parents, places, strict=True)]
    chance.shuffle(lines)
    found = read_swc("".join(lines).encode(), "x.swc")
    where = dict(zip(ids, places, strict=True))
    edges = {(i, p) for i, p in zip(ids, parents, strict=True) if p >= 0}
    assert [row[:2] for row in plain(found)] == sorted(zip(ids, parents, strict=True))
    assert math.isclose(found.cable_length, sum(math.dist(where[i], where[p]) for i, p in edges))
    names = found.node_id.tolist()
    drawn = [(names[a], names[b]) for chain in found.chains() for a, b in itertools.pairwise(chain)]
    assert sorted(drawn) == sorted(edges)
    assert {names[node] for chain in found.chains() for node in chain} == set(ids)


# -------------------------------------------------------------------------------------------------------- archives


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    where = {f"ctr_pt_position_{axis}": [0, 0] for axis in "xyz"}
    parquet_file("s.parquet", id=[1, 2], pre=[1, 2], post=[2, 1], **where)


GIVEN = ("attach", "s.parquet", "--coordinates", "nm", "--skeletons")


def zipped(name: str, **members: str) -> Path:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return Path(name)


def test_no_name_in_a_zip_leads_out_of_it(crant: Crant, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    zipped("z.zip", **{"../../1.swc": TREE, "/etc/2.swc": TREE})
    before = sorted(path.name for path in tmp_path.parent.iterdir())
    done = crant(*GIVEN, tmp_path / "z.zip", "--tmp-dir", inside)
    assert done.code == 0, done.err
    assert {row[0] for row in done.rows()[1:]} == {"1", "2"}
    assert sorted(path.name for path in tmp_path.parent.iterdir()) == before
    assert list(inside.iterdir()) == []


def test_a_zip_that_unpacks_to_too_much(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped("z.zip", **{"1.swc": TREE + "# " + " " * 300_000})
    assert crant(*GIVEN, "z.zip").code == 0
    monkeypatch.setattr(skeletons, "LARGEST", 100_000)
    complaint(crant(*GIVEN, "z.zip"), 3, "z.zip", "unpacks to")
    zipped("y.zip", **{"1.swc": TREE + "# " + "".join(random.Random(1).choices("abcdefgh", k=150_000))})
    complaint(crant(*GIVEN, "y.zip"), 3, "1.swc", "larger")
    text_file("1.swc", TREE + "# " + " " * 300_000)
    complaint(crant(*GIVEN, "1.swc"), 3, "1.swc", "larger")


def test_a_zip_that_lies_about_its_sizes(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is believed in nothing: reading stops where the size that it tells is reached."""
    data = bytearray(zipped("z.zip", **{"1.swc": TREE + "#" * 500_000}).read_bytes())
    size = struct.pack("<I", len(TREE) + 500_000)
    assert data.count(size) == 2
    Path("z.zip").write_bytes(data.replace(size, struct.pack("<I", 1000)))
    monkeypatch.setattr(skeletons, "LARGEST", 100_000)
    complaint(crant(*GIVEN, "z.zip"), 3, "1.swc", "damaged")


@pytest.mark.parametrize("damage", ["cut", "flipped", "locked", "no zip", "zeroed"])
def test_a_damaged_zip(crant: Crant, damage: str) -> None:
    path = zipped("z.zip", **{"1.swc": TREE})
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[-10:]
    elif damage == "flipped":
        data[45] ^= 0xFF
    elif damage == "zeroed":  # checksum and size of what is in it, as the directory has them
        entry = data.index(b"PK\x01\x02")
        data[entry + 16 : entry + 20] = data[entry + 24 : entry + 28] = bytes(4)
    elif damage == "locked":
        data[6] |= 1
        data[data.index(b"PK\x01\x02") + 8] |= 1
    else:
        data = bytearray(TREE.encode())
    path.write_bytes(data)
    complaint(crant(*GIVEN, "z.zip"), 3, "z.zip", "cannot be read")


def test_a_zip_or_folder_without_skeletons(crant: Crant) -> None:
    zipped("z.zip", **{"1.txt": TREE, "._2.swc": ""})
    complaint(crant(*GIVEN, "z.zip"), 2, "z.zip", "no skeleton")


def test_a_broken_skeleton_in_a_zip_is_named(crant: Crant) -> None:
    zipped("z.zip", **{"deep/1.swc": TREE, "deep/2.swc": TREE + "8 0 0 nan 0 1 1\n"})
    complaint(crant(*GIVEN, "z.zip"), 3, "z.zip/deep/2.swc, line 5", "finite")


def test_a_skeleton_without_synapses_is_read_all_the_same(crant: Crant) -> None:
    text_file("swc/1.swc", TREE)
    text_file("swc/3.swc", "broken")
    complaint(crant(*GIVEN, "swc"), 3, "swc/3.swc, line 1")


def test_a_skeleton_that_may_not_be_read(crant: Crant) -> None:
    text_file("swc/1.swc", TREE)
    Path("swc/2.swc").symlink_to("nowhere")
    assert crant(*GIVEN, "swc").code == 0
    complaint(crant(*GIVEN, "swc/2.swc"), 2, "swc/2.swc")


# -------------------------------------------------------------------------------------------------------- pictures


def test_the_scale_bar_is_a_round_length() -> None:
    rounds = {"1": 1, "1.99": 1, "2": 2, "4.99": 2, "5": 5, "9.9": 5, "10": 10, "25000": 20_000, "999999": 500_000}
    assert {most: arbors.scale_length(float(most)) for most in rounds} == rounds


def drawn(tree: str, sites: list[list[float]], side: list[int]) -> tuple[Any, list[Any], list[Any]]:
    axes = Figure().add_subplot()
    arbor = arbors.Arbor("1$2$", read_swc(tree.encode(), "x.swc"), np.array(sites).reshape(-1, 3), np.array(side, int))
    arbors.draw_arbors(axes, arbor)
    lines = [item for item in axes.collections if isinstance(item, LineCollection)]
    dots = [item for item in axes.collections if isinstance(item, PathCollection)]
    return axes, lines, dots


def test_both_views_have_one_scale() -> None:
    """Front: x to the right; side: z to the right, beside it; y downwards in both."""
    tree = "1 1 100 200 300 1 -1\n2 0 100 1200 300 1 1\n3 0 1100 200 2300 1 1\n"
    axes, (front, side), (front_dots, side_dots) = drawn(tree, [[600, 700, 800], [100, 200, 300]], [1, 0])
    gap = 0.12 * (1000 + 2000)
    offset = 1000 + gap
    assert [line.tolist() for line in front.get_segments()] == [[[0, 1000], [0, 0]], [[1000, 0], [0, 0]]]
    assert [line.tolist() for line in side.get_segments()] == [
        [[offset, 1000], [offset, 0]], [[offset + 2000, 0], [offset, 0]],
    ]  # fmt: skip
    assert front_dots.get_offsets().tolist() == [[500, 500], [0, 0]]
    assert side_dots.get_offsets().tolist() == [[offset + 500, 500], [offset, 0]]
    colours = [np.round(colour * 255).astype(int).tolist()[:3] for colour in front_dots.get_facecolors()]
    assert colours == [[0x00, 0x72, 0xB2], [0xD5, 0x5E, 0x00]]  # post, pre
    assert axes.get_aspect() == 1
    assert axes.get_ylim() == (1000, 0)
    bar = axes.lines[0].get_xdata()
    assert (bar[1] - bar[0], [text.get_text() for text in axes.texts]) == (500, ["front", "side", "0.5 µm"])
    assert axes.get_title(loc="left") == "1$2$   1 pre, 1 post"


@pytest.mark.parametrize("tree", ["", "1 1 5 5 5 1 -1", "1 1 5 5 5 1 -1\n2 0 5 5 5 1 1"])
def test_skeletons_of_nothing_can_be_drawn(tree: str) -> None:
    for sites, side in (([], []), ([[5.0, 5, 5]], [0])):
        axes, lines, _ = drawn(tree, sites if tree else [], side if tree else [])
        axes.figure.canvas.draw()
        assert len(lines) == (2 if tree else 0)
        assert bool([text for text in axes.texts if text.get_text() == "no nodes"]) == (not tree)


def test_a_page_has_ten_and_a_pdf_has_all(crant: Crant) -> None:
    for neuron in range(1, 13):
        text_file(f"swc/{neuron}.swc", TREE.replace("12", str(neuron)))
    for name in ("a.pdf", "a.png", "a.svg"):
        done = crant(*GIVEN, "swc", "--plot", name)
        assert done.code == 0, done.err
        assert ("first 10 of 12" in done.err) == (name != "a.pdf")
        shown = json.loads(crant("info", name, "--json").out)
        assert (shown["kind"], shown["provenance"]["command"]) == ("picture", "attach")
        assert shown["provenance"]["ledger"]["kept"] == 2
    data = Path("a.pdf").read_bytes()
    assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") == 2
    text = Path("a.svg").read_text()
    titles = [f">{neuron}   " in text for neuron in range(1, 13)]
    assert titles == [True] * 10 + [False] * 2
    assert "µm" in text


def test_a_picture_of_the_sample_has_its_sites(crant: Crant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each arbor has its own neuron's sites, in the order of the table."""
    seen: dict[Any, Any] = {}
    monkeypatch.setattr(arbors, "draw_arbors", lambda axes, arbor: seen.update({arbor.neuron: arbor}))
    monkeypatch.setattr(arbors, "_ROWS", 2)
    done = crant("attach", "-d", SAMPLE / "sample.toml", "--plot", "p.pdf", "-o", "c.csv")
    assert done.code == 0, done.err
    lines = [line.split(",") for line in Path("c.csv").read_text().splitlines()[1:]]
    assert len(seen) == 10
    for neuron, arbor in seen.items():
        mine = [line for line in lines if line[0] == str(neuron)]
        assert arbor.sites.tolist() == [list(map(float, line[2:5])) for line in mine]
        assert [("pre", "post")[side] for side in arbor.side] == [line[5] for line in mine]
        assert len(arbor.skeleton) > 100
