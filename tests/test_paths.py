"""`crantcli paths`: against powers of a dense matrix on generated networks, and against published figures."""

from __future__ import annotations

import csv
import json
import math
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, Crant
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from strategies import SETTINGS

import crantcli as cc
from crantcli.core.network.flow import effective_inputs, layers
from crantcli.core.rows.weights import Signs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

Network = dict[tuple[int, int], int]

CHAIN = "pre,post,weight\nA,B,5\nX,B,5\nB,C,4\nX,C,12\nC,D,1\nE,E,3\n"
WORM = (ROOT / "sample_data" / "celegans_edges.csv", ROOT / "sample_data" / "celegans_cells.csv")


def ask(source: Any, seeds: Any, clean: bool = False, threshold: int | None = None, **more: Any) -> pd.DataFrame:
    given = {name: more.pop(name) for name in ("annotations", "neuron_id_column") if name in more}
    question = cc.questions.Paths(seeds, **more)  # type: ignore[attr-defined]
    found = cc.ask(question, source=source, clean=clean, threshold=threshold, **given)
    assert isinstance(found, pd.DataFrame)
    return found


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def edge_frame(edges: dict[tuple[int, int], Any]) -> pd.DataFrame:
    rows = [(pre, post, weight) for (pre, post), weight in edges.items()]
    return pd.DataFrame(rows, columns=["pre", "post", "weight"])


@st.composite
def networks(draw: st.DrawFn) -> tuple[Network, list[int]]:
    """Networks, and some of their neurons."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    number = draw(st.integers(2, 12))
    edges: Network = {(1, 2): 3}
    for _ in range(draw(st.integers(0, 40))):
        edges[chance.randint(1, number), chance.randint(1, number)] = chance.randint(1, 9)
    neurons = sorted({neuron for pair in edges for neuron in pair})
    return edges, chance.sample(neurons, chance.randint(1, min(3, len(neurons))))


def dense(edges: dict[tuple[int, int], float], totals: dict[int, float] | None = None) -> tuple[list[int], Any]:
    """The neurons, and P with rows of pre neurons."""
    neurons = sorted({neuron for pair in edges for neuron in pair})
    matrix = np.zeros((len(neurons), len(neurons)))
    for (pre, post), weight in edges.items():
        matrix[neurons.index(pre), neurons.index(post)] = weight
    whole = np.abs(matrix).sum(axis=0)
    if totals is not None:
        whole = np.array([totals.get(neuron, 0) for neuron in neurons], float)
    return neurons, matrix / np.where(whole > 0, whole, 1)


def told(found: pd.DataFrame, column: str = "fraction") -> dict[tuple[Any, int], float]:
    return {(to, hops): value for to, hops, value in zip(found["to"], found["hops"], found[column], strict=True)}


def powers(neurons: list[int], matrix: Any, seeds: list[int], hops: int) -> dict[tuple[int, int], float]:
    """(Neuron, steps) -> share of the seeds, from powers of the matrix."""
    chosen = np.isin(neurons, seeds)
    found = {}
    for step in range(1, hops + 1):
        shares = np.linalg.matrix_power(matrix, step)[chosen].sum(axis=0)
        found |= {(neuron, step): value for neuron, value in zip(neurons, shares.tolist(), strict=True)}
    return found


@SETTINGS
@given(drawn=networks(), hops=st.integers(1, 6))
def test_shares_are_those_of_powers_of_the_matrix(drawn: tuple[Network, list[int]], hops: int) -> None:
    """Also of several sets in one run, in a total order, and with the root."""
    edges, seeds = drawn
    neurons, matrix = dense(edges)
    found = ask(edge_frame(edges), {"all": seeds, "one": seeds[:1]}, hops=hops)
    for name, chosen in (("all", seeds), ("one", seeds[:1])):
        part = found[found["from"] == name]
        assert told(part) == pytest.approx(powers(neurons, matrix, chosen, hops), abs=1e-12)
        assert list(part["root"]) == pytest.approx(
            [value ** (1 / step) for value, step in zip(part["fraction"], part["hops"], strict=True)]
        )
    order = [(place, hop, -value, neuron) for place, hop, value, neuron in
             zip(found["from"], found["hops"], found["fraction"], found["to"], strict=True)]  # fmt: skip
    assert order == sorted(order)


@SETTINGS
@given(drawn=networks())
def test_paths_of_one_step_are_the_fractions_of_connectivity(drawn: tuple[Network, list[int]]) -> None:
    edges, _ = drawn
    fractions = cc.get_connectivity(source=edge_frame(edges), normalize="input", clean=False)
    for pre, part in fractions.groupby("pre"):
        found = told(ask(edge_frame(edges), int(pre), hops=1))
        expected = dict(zip(part["post"], part["fraction"], strict=True))
        assert {to: value for (to, _), value in found.items() if value} == expected


@SETTINGS
@given(drawn=networks(), hops=st.integers(1, 5))
def test_shares_of_all_neurons_add_up_to_one_where_there_is_input(drawn: tuple[Network, list[int]], hops: int) -> None:
    """Each step back, until a neuron without input is reached."""
    edges, _ = drawn
    everybody = sorted({neuron for pair in edges for neuron in pair})
    found = told(ask(edge_frame(edges), everybody, hops=hops))
    with_input = {post for _, post in edges}
    for neuron in everybody:
        assert found[neuron, 1] == pytest.approx(1.0 if neuron in with_input else 0.0)
    if with_input == set(everybody):
        assert list(found.values()) == pytest.approx([1.0] * len(found))


@SETTINGS
@given(drawn=networks(), factor=st.sampled_from([2, 8, 1024]))
def test_scaling_all_weights_changes_nothing(drawn: tuple[Network, list[int]], factor: int) -> None:
    edges, seeds = drawn
    one = ask(edge_frame(edges), seeds)
    other = ask(edge_frame({pair: weight * factor for pair, weight in edges.items()}), seeds)
    pd.testing.assert_frame_equal(one, other)


@SETTINGS
@given(drawn=networks(), least=st.sampled_from([0.0, 0.07, 0.1, 0.25, 1 / 3, 0.5, 1.0]))
def test_weak_edges_are_dropped_once_and_counted(drawn: tuple[Network, list[int]], least: float) -> None:
    edges, seeds = drawn
    totals: dict[int, float] = {}
    for (_, post), weight in edges.items():
        totals[post] = totals.get(post, 0) + weight
    kept = {pair: float(weight) if weight / totals[pair[1]] >= least else 0.0 for pair, weight in edges.items()}
    neurons, matrix = dense(kept, totals)
    found = ask(edge_frame(edges), seeds, min_fraction=least)
    assert told(found) == pytest.approx(powers(neurons, matrix, seeds, 4), abs=1e-12)
    assert found.attrs["crantcli"]["figures"]["network"]["edges"] == sum(weight > 0 for weight in kept.values())


def test_seven_of_a_hundred_are_not_less_than_007(crant: Crant, tmp_path: Path) -> None:
    """A product of floats would say so; and a synapse table counts synapses."""
    (tmp_path / "e.csv").write_text("pre,post,weight\n1,9,7\n2,9,93\n")
    assert crant("paths", "e.csv", "--from", "1", "--hops", "1", "--min-fraction", "0.07", "-o", "f.csv").code == 0
    assert {row["to"]: float(row["fraction"]) for row in read(tmp_path / "f.csv")}["9"] == 0.07
    done = crant("connectivity", "e.csv", "--min-fraction", "0.07", "-o", "c.csv")
    assert "2 kept" in done.err
    rows = ["1,9"] * 7 + ["2,9"] * 93
    (tmp_path / "s.csv").write_text("\n".join(["pre_pt_root_id,post_pt_root_id", *rows]) + "\n")
    done = crant("paths", "s.csv", "--from", "2", "--min-fraction", "0.08", "-o", "g.csv")
    assert "100 synapses read, 7 threshold, 93 kept" in done.err
    assert "1 edge dropped by --min-fraction 0.08" in done.err


@SETTINGS
@given(drawn=networks(), threshold=st.integers(1, 5), whole=st.booleans())
def test_a_threshold_leaves_the_totals_or_not(drawn: tuple[Network, list[int]], threshold: int, whole: bool) -> None:
    edges, seeds = drawn
    kept = {pair: float(weight) if weight >= threshold else 0.0 for pair, weight in edges.items()}
    totals: dict[int, float] = {}
    for (_, post), weight in (edges if whole else kept).items():
        totals[post] = totals.get(post, 0) + weight
    neurons, matrix = dense(kept, totals)
    found = ask(edge_frame(edges), seeds, threshold=threshold, totals="whole" if whole else "after-threshold")
    assert told(found) == pytest.approx(powers(neurons, matrix, seeds, 4), abs=1e-12)


@SETTINGS
@given(drawn=networks(), inhibitory=st.sets(st.integers(1, 12)), unsigned=st.sets(st.integers(1, 12)),
       became=st.sampled_from(["drop", "positive"]))  # fmt: skip
def test_an_even_number_of_inhibitory_steps_excites(
    drawn: tuple[Network, list[int]], inhibitory: set[int], unsigned: set[int], became: Any
) -> None:
    """Against all walks, one by one. What is dropped is part of the input all the same."""
    edges, seeds = drawn
    signs = {neuron: None if neuron in unsigned else neuron in inhibitory for neuron in range(1, 13)} | {13: True}
    cells = pd.DataFrame(
        {"root_id": range(1, 14), "nt": [{None: None, True: "no", False: "yes"}[signs[n]] for n in signs]}
    )
    totals: dict[int, float] = {}
    for (_, post), weight in edges.items():
        totals[post] = totals.get(post, 0) + weight
    expected: dict[tuple[int, int], list[float]] = {}
    walks = {((seed,), 1.0, False) for seed in seeds}
    for hop in (1, 2, 3):
        longer = set()
        for walk, share, odd in walks:
            for (pre, post), weight in edges.items():
                if pre == walk[-1] and not (signs[pre] is None and became == "drop"):
                    longer.add(((*walk, post), share * weight / totals[post], odd ^ bool(signs[pre])))
        walks = longer
        for walk, share, odd in walks:
            expected.setdefault((walk[-1], hop), [0.0, 0.0])[odd] += share
    signed = Signs("nt", ("no",), unsigned=became)
    found = ask(edge_frame(edges), seeds, signs=signed, hops=3, annotations=cells)
    for name, place in (("excitatory", 0), ("inhibitory", 1)):
        values = {key: value for key, value in told(found, name).items() if abs(value) > 1e-15}
        wanted = {key: both[place] for key, both in expected.items() if both[place] > 1e-15}
        assert values == pytest.approx(wanted, abs=1e-12)
    assert list(found["fraction"]) == pytest.approx(list(found["excitatory"] + found["inhibitory"]))


def test_a_table_with_signs_is_followed_with_them(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\n1,2,-3\n3,2,1\n2,4,-5\n")
    assert crant("paths", "e.csv", "--from", "1", "-o", "f.csv").code == 3
    assert crant("paths", "e.csv", "--from", "1", "--signed", "--hops", "2", "-o", "f.csv").code == 0
    found = {(row["to"], row["hops"]): row for row in read(tmp_path / "f.csv")}
    assert [float(found["2", "1"][name]) for name in ("fraction", "excitatory", "inhibitory")] == [0.75, 0, 0.75]
    assert [float(found["4", "2"][name]) for name in ("fraction", "excitatory", "inhibitory")] == [0.75, 0.75, 0]
    done = crant("paths", "e.csv", "--from", "1", "--signed", "--to", "4", "--list", "3", "-o", "p.csv")
    assert done.code == 0
    rows = read(tmp_path / "p.csv")
    assert [(row["weight"], float(row["fraction"]), float(row["product"])) for row in rows] == [
        ("-3", -0.75, 0.75), ("-5", -1.0, 0.75),
    ]  # fmt: skip
    (tmp_path / "n.csv").write_text("id,nt\n1,a\n2,b\n3,a\n4,a\n")
    more = ("--sign", "nt", "--inhibitory", "b", "-a", "n.csv")
    assert crant("paths", "e.csv", "--from", "1", "--signed", *more, "-o", "g.csv").code == 3


def test_by_hand(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(CHAIN)
    done = crant("paths", "e.csv", "--from", "A", "--hops", "3", "-o", "f.csv", "--layers", "l.csv")
    assert done.code == 0
    assert "seeds: 1 of 5 neurons are not reached within 3 steps" in done.err
    assert {(r["to"], r["hops"]): float(r["fraction"]) for r in read(tmp_path / "f.csv") if float(r["fraction"])} == {
        ("B", "1"): 0.5, ("C", "2"): 0.125, ("D", "3"): 0.125,
    }  # fmt: skip
    assert (tmp_path / "l.csv").read_text() == (
        "from,neuron_id,shortest,mean\nseeds,A,0,\nseeds,B,1,1.0\nseeds,C,2,2.0\nseeds,D,3,3.0\nseeds,X,,\n"
    )


def test_seeds_without_output_reach_nothing(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(CHAIN)
    done = crant("paths", "e.csv", "--from", "D", "-o", "f.csv")
    assert done.code == 0
    assert {float(row["fraction"]) for row in read(tmp_path / "f.csv")} == {0.0}
    assert "4 of 5 neurons are not reached" in done.err
    done = crant("paths", "e.csv", "--from", "D", "--to", "A,D", "-o", "f.csv")
    assert "1 of 2 targets are not reached" in done.err
    assert crant("paths", "e.csv", "--from", "E", "-o", "g.csv").code == 3
    assert crant("paths", "e.csv", "--from", "E", "--no-clean", "--hops", "2", "-o", "g.csv").code == 0
    assert [row["fraction"] for row in read(tmp_path / "g.csv") if row["to"] == "E"] == ["1.0", "1.0"]


def test_one_neuron(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\n5,5,3\n")
    assert crant("paths", "e.csv", "--from", "5", "--no-clean", "-o", "f.csv").code == 0
    assert [row["fraction"] for row in read(tmp_path / "f.csv")] == ["1.0"] * 4
    done = crant("paths", "e.csv", "--from", "5", "--to", "5", "--list", "2", "--no-clean", "-o", "p.csv")
    assert done.code == 0
    assert read(tmp_path / "p.csv") == []


@SETTINGS
@given(drawn=networks(), labels=st.lists(st.sampled_from(["a", "b", None]), min_size=12, max_size=12),
       targets=st.sets(st.integers(1, 12), min_size=1) | st.none())  # fmt: skip
def test_groups_are_means_over_their_neurons(
    drawn: tuple[Network, list[int]], labels: list[str | None], targets: set[int] | None
) -> None:
    edges, seeds = drawn
    neurons = {neuron for pair in edges for neuron in pair}
    targets = neurons if targets is None else targets & neurons
    if not targets:
        return
    cells = pd.DataFrame({"root_id": range(1, 13), "kind": labels, "side": ["L", "R"] * 6})
    found = ask(edge_frame(edges), seeds, to=sorted(targets), by=("kind", "side"), annotations=cells)
    single = told(ask(edge_frame(edges), seeds))
    members: dict[tuple[str, str], list[int]] = {}
    for neuron in sorted(targets):
        if (label := labels[neuron - 1]) is not None:
            members.setdefault((label, "LR"[(neuron - 1) % 2]), []).append(neuron)
    expected = {
        (*group, hop): (len(some), math.fsum(single[neuron, hop] for neuron in some) / len(some))
        for group, some in members.items()
        for hop in range(1, 5)
    }
    rows = found.itertuples(index=False)
    got = {(row.to_kind, row.to_side, row.hops): (row.neurons, pytest.approx(row.fraction)) for row in rows}
    assert got == expected


@SETTINGS
@given(drawn=networks(), hops=st.integers(1, 5))
def test_layers_are_distances_and_means_over_what_arrives(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[Network, list[int]], hops: int
) -> None:
    edges, seeds = drawn
    neurons, matrix = dense(edges)
    fractions = csr_array(matrix.T)
    found = layers(fractions, effective_inputs(fractions, np.flatnonzero(np.isin(neurons, seeds)), hops))
    distance = dict.fromkeys(seeds, 0)
    for step in range(1, hops + 1):
        reached = {post for pre, post in edges if distance.get(pre) == step - 1}
        distance |= {neuron: step for neuron in reached if neuron not in distance}
    assert found.shortest.tolist() == [distance.get(neuron, -1) for neuron in neurons]
    shares = powers(neurons, matrix, seeds, hops)
    for place, neuron in enumerate(neurons):
        whole = sum(shares[neuron, step] for step in range(1, hops + 1))
        mean = sum(step * shares[neuron, step] for step in range(1, hops + 1)) / whole if whole else math.nan
        assert found.mean[place] == pytest.approx(mean, nan_ok=True)


def test_distances_do_not_end_where_floats_do() -> None:
    number = 60
    chain = csr_array((np.full(number - 1, 1e-9), (np.arange(1, number), np.arange(number - 1))), shape=(number,) * 2)
    found = layers(chain, effective_inputs(chain, np.array([0]), number))
    assert found.shortest.tolist() == list(range(number))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--from", "A,nobody"], 3, "--from: 1 of 2 are not in the table: nobody"),
        (["--from", "nobody"], 3, "nobody"),
        (["--from", "@lost.txt"], 3, "nobody"),
        (["--from", "@some.txt"], 0, "1 of 2 seeds have no edge that counts, such as nobody"),
        (["--from", "A", "--to", "D,nobody"], 3, "--to: 1 of 2 are not in the table: nobody"),
        (["--from", "A", "--to", "nobody"], 3, "--to"),
        (["--from", "A", "--to", "@some.txt"], 0, "1 of 2 targets have no edge that counts"),
        ([], 2, "--from SELECTOR"),
        (["--from", "A", "--hops", "0"], 2, "--hops"),
        (["--from", "A", "--hops", "101"], 2, "--hops"),
        (["--from", "A", "--list", "0"], 2, "--list"),
        (["--from", "A", "--cost", "hops"], 2, "--list N"),
        (["--from", "A", "--list", "2", "--by", "nt"], 2, "--by"),
        (["--from", "A", "--min-fraction", "1.5"], 2, "--min-fraction"),
        (["--from", "A", "--min-fraction", "nan"], 2, "--min-fraction"),
        (["--from", "A", "--totals", "some"], 2, "--totals"),
        (["--from", "one=A", "--from", "B"], 2, "NAME=SELECTOR"),
        (["--from", "A", "--by", "nt"], 2, "--annotations"),
        (["--from", "A", "--inhibitory", "gaba"], 2, "--sign COLUMN"),
        (["--from", "A", "--plot", "p.txt"], 2, "p.txt"),
        (["--from", "A", "-t", "100"], 0, "4 of 5 neurons are not reached"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    crant: Crant, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "e.csv").write_text(CHAIN)
    (tmp_path / "lost.txt").write_text("nobody\n")
    (tmp_path / "some.txt").write_text("A\nnobody\n")
    done = crant("paths", "e.csv", *arguments, "-o", "f.csv")
    assert (done.code, said in done.err) == (code, True), done.err
    assert (tmp_path / "f.csv").exists() == (code == 0)


@pytest.mark.parametrize("given", [{"hops": 2.5}, {"hops": None}, {"hops": True}, {"list": "3"}, {"cost": "much"},
                                   {"min_fraction": "0.1"}, {"totals": "file"}])  # fmt: skip
def test_values_from_python_are_looked_at(given: dict[str, Any]) -> None:
    with pytest.raises(cc.CrantError):
        cc.questions.Paths(1, **given)  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["pre,post,weight\n", "pre,post,weight\nA,B,nan\n", "pre,post,weight\nA,B,-1\n"])
def test_tables_without_a_weight_are_refused(crant: Crant, tmp_path: Path, text: str) -> None:
    (tmp_path / "e.csv").write_text(text)
    assert crant("paths", "e.csv", "--from", "A", "-o", "f.csv").code == 3
    assert not (tmp_path / "f.csv").exists()


def test_tables_that_lack_inputs_are_refused(crant: Crant) -> None:
    edges, _ = WORM
    assert crant("connectivity", edges, "-n", "AVAL", "-o", "some.parquet").code == 0
    done = crant("paths", "some.parquet", "--from", "AVAL", "-o", "f.csv")
    assert done.code == 3
    assert "paths cannot be told: the input does not hold every input" in done.err
    assert crant("connectivity", edges, "-t", "5", "-o", "strong.parquet").code == 0
    done = crant("paths", "strong.parquet", "--from", "AVAL", "-o", "f.csv")
    assert done.code == 3
    assert "thinned by a threshold of 5" in done.err
    after = ("--totals", "after-threshold", "--from", "AVAL")
    assert crant("paths", "strong.parquet", *after, "-o", "f.csv").code == 0
    assert crant("paths", edges, "-t", "5", *after, "-o", "g.csv").code == 0
    both = [
        {(r["to"], r["hops"]): r["fraction"] for r in read(Path(n)) if float(r["fraction"])} for n in ("f.csv", "g.csv")
    ]
    assert both[0] == both[1]


def test_names_of_sets_and_what_the_files_record(crant: Crant) -> None:
    edges, cells = WORM
    chosen = ("--from", "ava=AVAL,AVAR", "--from", "smell=cell_type=AWC", "-a", cells, "--hops", "2")
    assert crant("paths", edges, *chosen, "-o", "f.parquet", "--layers", "l.parquet").code == 0
    facts = json.loads(pq.read_table("f.parquet").schema.metadata[b"crantcli"])
    assert [(one["from"], one["seeds"]) for one in facts["seed_sets"]] == [("ava", 2), ("smell", 2)]
    assert facts["options"]["hops"] == 2
    assert facts["kind"] == "fractions"
    layers = pq.read_table("l.parquet")
    facts = json.loads(layers.schema.metadata[b"crantcli"])
    assert (facts["kind"], facts["rows"]) == ("layers", layers.num_rows)
    for one in facts["seed_sets"]:
        part = [row for row in layers.to_pylist() if row["from"] == one["from"]]
        assert sum(row["shortest"] is None for row in part) == one["not_reached"]
        assert [sum(row["shortest"] == step for row in part) for step in range(3)] == one["shortest"]


def test_the_next_command_takes_what_is_written(crant: Crant, tmp_path: Path) -> None:
    edges, cells = WORM
    chosen = ("paths", edges, "--from", "ASEL", "-a", cells)
    assert crant(*chosen, "--to", "AVAL,AVAR", "--list", "5", "-o", "p.csv").code == 0
    assert crant("connectivity", edges, "-n", "@p.csv:post", "-o", "c.csv").code == 0
    assert crant(*chosen, "--hops", "2", "-o", "f.parquet", "--layers", "l.csv").code == 0
    assert crant("counts", edges, "-n", "@f.parquet:to", "-o", "n.csv").code == 0
    done = crant("adjacency", "f.parquet", "--pre-col", "from", "--post-col", "to", "--weight-col", "fraction",
                 "--where", "hops = 2", "-o", "m.csv")  # fmt: skip
    assert done.code == 0, done.err


def test_matrices_and_synapses_are_taken_too(crant: Crant, tmp_path: Path) -> None:
    edges = {("a", "b"): 2, ("c", "b"): 2, ("b", "d"): 3, ("a", "d"): 1}
    (tmp_path / "e.csv").write_text("pre,post,weight\n" + "".join(f"{i},{j},{w}\n" for (i, j), w in edges.items()))
    rows = [f"{i},{j}" for (i, j), w in edges.items() for _ in range(w)]
    (tmp_path / "s.csv").write_text("\n".join(["pre_pt_root_id,post_pt_root_id", *rows]) + "\n")
    assert crant("adjacency", "e.csv", "-o", "m.npz").code == 0
    for source in ("e.csv", "s.csv", "m.npz"):
        done = crant("paths", source, "--from", "a", "-o", f"{source}.out.csv")
        assert done.code == 0, done.err
    first, *others = (Path(f"{source}.out.csv").read_bytes() for source in ("e.csv", "s.csv", "m.npz"))
    assert others == [first, first]


def test_bytes_do_not_depend_on_threads(crant_process: Crant, tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    pairs = np.unique(chance.integers(0, 3000, (60_000, 2)), axis=0)
    weights = chance.integers(1, 30, len(pairs))
    cells = pd.DataFrame({"root_id": range(1, 3001), "kind": chance.choice(list("abcdefgh"), 3000)})
    cells.to_csv(tmp_path / "n.csv", index=False)
    for name, values in (("whole", weights), ("parts", weights / 7)):
        edges = pd.DataFrame({"pre": pairs[:, 0] + 1, "post": pairs[:, 1] + 1, "weight": values})
        edges.to_parquet(tmp_path / f"{name}.parquet")
        for threads in ("1", "2"):
            out = f"{name}-{threads}"
            done = crant_process(
                "paths", f"{name}.parquet", "--from", "a=1,2", "--from", "b=7", "--threads", threads, "-a", "n.csv",
                "--by", "kind", "-o", f"{out}.parquet", "--layers", f"{out}.csv", "--plot", f"{out}.png",
            )  # fmt: skip
            assert done.code == 0, done.err
            done = crant_process(
                "paths", f"{name}.parquet", "--from", "1,2,7", "--threads", threads, "--to", "40,50", "--list", "30",
                "-o", f"{out}-list.csv",
            )  # fmt: skip
            assert done.code == 0, done.err
        for end in (".parquet", ".csv", ".png", "-list.csv"):
            assert (tmp_path / f"{name}-1{end}").read_bytes() == (tmp_path / f"{name}-2{end}").read_bytes()


# Published figures


def test_published_figures(real: Path) -> None:
    asked: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in read(real.parent / "truths" / "paths_steps.csv"):
        asked.setdefault((row["data"], row["seed"], row["edge_threshold"]), []).append(row)
    asked = {key: rows for key, rows in asked.items() if key[2].replace(".", "").isdigit()}
    assert asked
    for (data, seed, least), rows in asked.items():
        more: dict[str, Any] = {"min_fraction": float(least)}
        if data == "celegans":
            found = ask(real / "celegans" / "ici_edges.csv", seed.split("+"), **more)
        else:
            by = "cell_type" if data == "larva" else ()
            cells = real / "larva" / "neurons.csv"
            seeds = cc.NeuronCriteria(cell_subclass=seed)
            found = ask(real / "larva" / "edges.parquet", seeds, by=by, annotations=cells, **more)
        columns = found.groupby("hops")["fraction"].sum()
        shares = {(str(to), hop): value for (to, hop), value in told(found).items()}
        roots = {(str(to), hop): value for (to, hop), value in told(found, "root").items()}
        for row in rows:
            key = (row["target"], int(row["step"]))
            assert shares[key] == pytest.approx(float(row["value"]), rel=1e-9), row
            assert roots[key] == pytest.approx(float(row["root"]), rel=1e-9), row
            if data == "celegans":
                assert columns[key[1]] == pytest.approx(float(row["column_total"]), rel=1e-9)


def test_published_layers(real: Path, crant: Crant, tmp_path: Path) -> None:
    edges = real / "celegans" / "ici_edges.csv"
    assert crant("paths", edges, "--no-clean", "--from", "ASEL,ASER", "-q", "--layers", "l.csv").code == 0
    found = {row["neuron_id"]: row for row in read(tmp_path / "l.csv")}
    rows = read(real.parent / "truths" / "paths_layers_ase.csv")
    assert rows
    for row in rows:
        there = found[row[""]]
        assert (there["shortest"] or "-1") == row["shortest"]
        if row["mean"]:
            assert float(there["mean"]) == pytest.approx(float(row["mean"]), rel=1e-9)
        else:
            assert there["mean"] == ""
    numbers = [sum(row["shortest"] == str(step) for row in found.values()) for step in range(5)]
    assert numbers == [2, 23, 113, 103, 25]
    assert sum(row["shortest"] == "" for row in found.values()) == 34


def test_fractions_are_exact_where_they_can_be() -> None:
    """A third of a third, to the last digit of a float."""
    edges: Network = {(1, 2): 1, (9, 2): 2, (2, 3): 1, (9, 3): 2}
    assert told(ask(edge_frame(edges), 1))[3, 2] == float(Fraction(1, 3) * Fraction(1, 3))
