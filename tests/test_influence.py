"""`crantcli influence`: against dense algebra on generated networks, by hand, and against published figures."""

from __future__ import annotations

import csv
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, Crant
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import SETTINGS

import crantcli as cc
from crantcli.core.network import eigenvalue, steady
from crantcli.core.rows.weights import Signs

pytestmark = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")

CYCLE = "pre,post,weight\nA,B,5\nB,C,7\nC,A,6\nC,D,9\n"
ACYCLIC = "pre,post,weight\nA,B,5\nB,C,7\nA,C,6\nC,D,9\n"
WORM = (ROOT / "sample_data" / "celegans_edges.csv", ROOT / "sample_data" / "celegans_cells.csv")


def ask(source: Any, seeds: Any, clean: bool = False, threshold: int | None = None, **more: Any) -> pd.DataFrame:
    given = {name: more.pop(name) for name in ("annotations", "neuron_id_column") if name in more}
    question = cc.questions.Influence(seeds, **more)  # type: ignore[attr-defined]
    found = cc.ask(question, source=source, clean=clean, threshold=threshold, **given)
    assert isinstance(found, pd.DataFrame)
    return found


def influences(found: pd.DataFrame) -> dict[str, float]:
    return dict(zip(found["neuron_id"], found["influence"], strict=True))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def dense(edges: dict[tuple[int, int], float], seeds: list[int], gain: float | None) -> tuple[dict[int, float], float]:
    """Neuron -> influence, and the largest real part of the eigenvalues."""
    neurons = sorted({neuron for pair in edges for neuron in pair})
    matrix = np.zeros((len(neurons), len(neurons)))
    for (pre, post), weight in edges.items():
        matrix[neurons.index(post), neurons.index(pre)] = weight
    largest = float(np.linalg.eigvals(matrix).real.max())
    scaled = matrix * (gain / largest) if gain is not None and largest > 0 else matrix
    driven = np.linalg.solve(np.eye(len(neurons)) - scaled, np.isin(neurons, seeds).astype(float))
    return dict(zip(neurons, driven.tolist(), strict=True)), largest


@st.composite
def networks(draw: st.DrawFn) -> tuple[dict[tuple[int, int], int], list[int]]:
    """Networks with a cycle, and some of their neurons."""
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    number = draw(st.integers(2, 14))
    edges: dict[tuple[int, int], int] = {(1, 2): 3, (2, 1): chance.randint(1, 9)}
    for _ in range(draw(st.integers(0, 40))):
        edges[chance.randint(1, number), chance.randint(1, number)] = chance.randint(1, 9)
    neurons = sorted({neuron for pair in edges for neuron in pair})
    return edges, chance.sample(neurons, chance.randint(1, min(3, len(neurons))))


def edge_frame(edges: dict[tuple[int, int], Any]) -> pd.DataFrame:
    rows = [(pre, post, weight) for (pre, post), weight in edges.items()]
    return pd.DataFrame(rows, columns=["pre", "post", "weight"])


def close(found: dict[int, float], expected: dict[int, float]) -> None:
    assert found.keys() == expected.keys()
    limit = 1e-9 * max(map(abs, expected.values()))
    assert max(abs(found[neuron] - expected[neuron]) for neuron in found) <= limit


@pytest.fixture(params=["factorised", "iterated"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How networks are solved, and their eigenvalues found."""
    if request.param == "iterated":
        monkeypatch.setattr(steady, "_SMALL", 0)
    return str(request.param)


def test_both_ways_equal_the_dense_solution(way: str) -> None:
    """Also for several sets of seeds in one run, with the weights of inhibitory neurons negative or not."""

    @SETTINGS
    @given(drawn=networks(), gain=st.sampled_from([0.99, 0.5, 0.9]), inhibitory=st.sets(st.integers(1, 14)))
    def holds(drawn: tuple[dict[tuple[int, int], int], list[int]], gain: float, inhibitory: set[int]) -> None:
        edges, seeds = drawn
        signed = {pair: -weight if pair[0] in inhibitory else weight for pair, weight in edges.items()}
        expected, largest = dense(signed, seeds, gain)
        size = max(map(abs, signed.values()))
        assume(largest > 1e-3 * size and max(map(abs, expected.values())) < 1e4)
        cells = pd.DataFrame(
            {"root_id": range(1, 15), "nt": ["no" if n in inhibitory else "yes" for n in range(1, 15)]}
        )
        signs = Signs("nt", ("no",)) if inhibitory else None
        found = ask(edge_frame(edges), {"all": seeds, "one": seeds[:1]}, gain=gain, signs=signs, annotations=cells)
        close(influences(found[found["seed"] == "all"]), expected)
        close(influences(found[found["seed"] == "one"]), dense(signed, seeds[:1], gain)[0])
        order = [(place, -value, neuron) for place, value, neuron in
                 zip(found["seed"], found["influence"], found["neuron_id"], strict=True)]  # fmt: skip
        assert order == sorted(order)
        assert set(found["neuron_id"][found["is_seed"] & (found["seed"] == "all")]) == set(seeds)
        if not inhibitory:
            assert (found["influence"] >= 0).all()
            assert (found["influence"][found["is_seed"]] >= 1).all()

    holds()


@SETTINGS
@given(drawn=networks(), factor=st.sampled_from([2, 7, 1000]))
def test_scaling_all_weights_changes_nothing(drawn: tuple[dict[tuple[int, int], int], list[int]], factor: int) -> None:
    edges, seeds = drawn
    assume(max(map(abs, dense(edges, seeds, 0.99)[0].values())) < 1e4)
    one = ask(edge_frame(edges), seeds)
    other = ask(edge_frame({pair: weight * factor for pair, weight in edges.items()}), seeds)
    close(influences(other), influences(one))


@SETTINGS
@given(drawn=networks(), silenced=st.sets(st.integers(1, 14), min_size=1))
def test_silenced_neurons_send_nothing(drawn: tuple[dict[tuple[int, int], int], list[int]], silenced: set[int]) -> None:
    """Their outputs are cut before the eigenvalue is taken; seeds are not silenced."""
    edges, seeds = drawn
    left = {pair: 0 if pair[0] in silenced - set(seeds) else weight for pair, weight in edges.items()}
    expected, largest = dense(left, seeds, 0.99)
    assume(largest > 1e-3 and max(map(abs, expected.values())) < 1e4)
    close(influences(ask(edge_frame(edges), seeds, silence=sorted(silenced))), expected)


@SETTINGS
@given(drawn=networks(), threshold=st.integers(1, 5), whole=st.booleans())
def test_norm_is_a_part_of_all_input(
    drawn: tuple[dict[tuple[int, int], int], list[int]], threshold: int, whole: bool
) -> None:
    edges, _ = drawn
    kept = {pair: weight for pair, weight in edges.items() if weight >= threshold}
    assume(kept)
    seeds = [next(iter(kept))[0]]
    inputs: dict[int, int] = {}
    for (_, post), weight in (edges if whole else kept).items():
        inputs[post] = inputs.get(post, 0) + weight
    expected, largest = dense({pair: weight / inputs[pair[1]] for pair, weight in kept.items()}, seeds, 0.99)
    assume(largest > 1e-3 and max(map(abs, expected.values())) < 1e4)
    totals = "whole" if whole else "after-threshold"
    close(influences(ask(edge_frame(edges), seeds, threshold=threshold, weight="norm", totals=totals)), expected)


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), signed=st.booleans())
def test_eigenvalues_by_iteration_are_those_of_the_dense_matrix(seed: int, signed: bool) -> None:
    """One strongly connected component that is iterated on, beside smaller ones and neurons alone."""
    from scipy.sparse import csr_array

    chance = np.random.default_rng(seed)
    number = 420
    matrix = np.where(chance.random((number, number)) < 0.03, chance.integers(1, 20, (number, number)), 0).astype(float)
    matrix[350:, :350] = 0
    matrix[350:, 350:] *= np.tri(70, k=-1)
    if signed:
        matrix[:, chance.random(number) < 0.4] *= -1
    found = eigenvalue.largest_eigenvalue(csr_array(matrix))
    assert found.products > 0
    assert found.real == pytest.approx(np.linalg.eigvals(matrix).real.max(), rel=1e-10)
    assert found.residual < 1e-10


def test_by_hand() -> None:
    edges = {(1, 2): 5, (2, 3): 7, (3, 1): 6, (3, 4): 9}
    found = ask(edge_frame(edges), 1)
    assert influences(found) == pytest.approx({1: 33.668900, 2: 28.038904, 3: 32.690470, 4: 49.003350}, abs=5e-7)
    assert found["neuron_id"].tolist() == [4, 1, 3, 2]
    assert found["is_seed"].tolist() == [False, True, False, False]
    (only,) = found.attrs["crantcli"]["figures"]["seed_sets"]
    assert only["eigenvalue"] == pytest.approx(210 ** (1 / 3))
    cells = pd.DataFrame({"root_id": [1, 2, 3, 4], "nt": ["ach", "gaba", "ach", "ach"]})
    found = ask(edge_frame(edges), 1, signs=Signs("nt", ("gaba",)), annotations=cells)
    expected = {1: 0.114124, 2: 0.190081, 3: -0.443230, 4: -1.328814}
    assert influences(found) == pytest.approx(expected, abs=5e-7)
    assert found["adjusted_influence"].tolist()[-1] == -24.2843
    assert found.attrs["crantcli"]["figures"]["seed_sets"][0]["eigenvalue"] == pytest.approx(210 ** (1 / 3) / 2)
    assert found.attrs["crantcli"]["figures"]["adjustment_constant"] == 24


def test_seeds_reach_what_they_have_a_path_to_and_nothing_else() -> None:
    edges = {(1, 2): 5, (2, 1): 7, (3, 4): 1, (4, 5): 2, (6, 5): 3}
    assert influences(ask(edge_frame(edges), 5)) == {1: 0, 2: 0, 3: 0, 4: 0, 5: 1, 6: 0}
    found = ask(edge_frame(edges), 3)
    assert influences(found)[1] == influences(found)[6] == 0 < influences(found)[5]
    assert set(found["adjusted_influence"][found["influence"] == 0]) == {0}


def test_a_neuron_alone_drives_itself() -> None:
    assert influences(ask(edge_frame({(1, 1): 4}), 1)) == pytest.approx({1: 100})
    with pytest.raises(cc.DataError, match="has an edge that counts"):
        ask(edge_frame({(1, 1): 4}), 1, clean=True)


@pytest.mark.usefixtures("way")
def test_a_network_without_a_cycle_is_not_scaled_by_noise(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(ACYCLIC)
    done = crant("influence", "e.csv", "--seeds", "A", "-o", "i.csv")
    assert done.code == 3
    assert "--gain none" in done.err
    assert not (tmp_path / "i.csv").exists()
    done = crant("influence", "e.csv", "--seeds", "A", "--gain", "none", "-o", "i.csv")
    assert {row["neuron_id"]: float(row["influence"]) for row in read(tmp_path / "i.csv")} == {
        "A": 1, "B": 5, "C": 41, "D": 369,
    }  # fmt: skip
    (tmp_path / "e.csv").write_text(CYCLE)
    done = crant("influence", "e.csv", "--seeds", "A", "--silence", "B", "-o", "j.csv")
    assert done.code == 3
    assert "no cycle" in done.err
    done = crant("influence", "e.csv", "--seeds", "A", "--gain", "none", "-o", "j.csv")
    assert done.code == 3
    assert "no steady state" in done.err
    assert not (tmp_path / "j.csv").exists()


def test_nothing_is_rescaled_where_no_eigenvalue_is_positive(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\nA,B,2\nB,A,-2\n")
    assert crant("influence", "e.csv", "--seeds", "A", "-o", "i.csv").code == 3
    done = crant("influence", "e.csv", "--seeds", "A", "--signed", "-o", "i.csv")
    assert done.code == 0
    assert "not rescaled" in done.err
    found = {row["neuron_id"]: float(row["influence"]) for row in read(tmp_path / "i.csv")}
    assert found == pytest.approx({"A": 0.2, "B": 0.4})
    done = crant("influence", "e.csv", "--seeds", "A", "--signed", "-t", "1", "-o", "j.csv")
    assert done.code == 3
    assert "--sign COLUMN" in done.err


def test_no_convergence_leaves_no_file(crant: Crant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "_SMALL", 0)
    monkeypatch.setattr(steady, "RESTART", 1)
    monkeypatch.setattr(steady, "_MOST", 3)
    (tmp_path / "e.csv").write_text(CYCLE)
    done = crant("influence", "e.csv", "--seeds", "A", "-o", "i.csv")
    assert done.code == 1
    assert "relative residual is" in done.err
    assert not (tmp_path / "i.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--seeds", "A,nobody"], 3, "1 of 2 are not in the table: nobody"),
        (["--seeds", "nobody"], 3, "nobody"),
        (["--seeds", "@lost.txt"], 3, "nobody"),
        (["--seeds", "@some.txt"], 0, "1 of 2 seeds have no edge that counts, such as nobody"),
        ([], 2, "--seeds SELECTOR"),
        (["--seeds", "A", "--gain", "1"], 2, "--gain"),
        (["--seeds", "A", "--gain", "nan"], 2, "--gain"),
        (["--seeds", "A", "--gain", "much"], 2, "--gain much"),
        (["--seeds", "A", "--totals", "after-threshold"], 2, "--weight norm"),
        (["--seeds", "one=A", "--seeds", "B"], 2, "NAME=SELECTOR"),
        (["--seeds", "A", "--by", "nt"], 2, "--annotations"),
        (["--seeds", "A", "-t", "100"], 3, "has an edge that counts"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    crant: Crant, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "e.csv").write_text(CYCLE)
    (tmp_path / "lost.txt").write_text("nobody\n")
    (tmp_path / "some.txt").write_text("A\nnobody\n")
    done = crant("influence", "e.csv", *arguments, "-o", "i.csv")
    assert (done.code, said in done.err) == (code, True), done.err
    assert (tmp_path / "i.csv").exists() == (code == 0)


def test_an_empty_table_has_no_seeds(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("pre,post,weight\n")
    assert crant("influence", "e.csv", "--seeds", "A", "-o", "i.csv").code == 3


def test_tables_that_lack_inputs_are_refused(crant: Crant) -> None:
    edges, cells = WORM
    assert crant("connectivity", edges, "-n", "AVAL", "-o", "some.parquet").code == 0
    done = crant("influence", "some.parquet", "--seeds", "AVAL", "-o", "i.csv")
    assert done.code == 3
    assert "every input" in done.err
    assert crant("connectivity", edges, "--top", "3", "-o", "top.parquet").code == 0
    done = crant("influence", "top.parquet", "--seeds", "AVAL", "-o", "i.csv")
    assert done.code == 3
    assert "thinned by --top" in done.err
    assert crant("connectivity", edges, "-t", "5", "-o", "strong.parquet").code == 0
    assert crant("influence", "strong.parquet", "--seeds", "AVAL", "-o", "i.csv").code == 0
    assert crant("influence", edges, "--seeds", "AVAL", "-t", "5", "-o", "j.csv").code == 0
    one, other = (read(Path(name)) for name in ("i.csv", "j.csv"))
    assert one == other
    assert crant("influence", "strong.parquet", "--seeds", "AVAL", "--weight", "norm", "-o", "k.csv").code == 3
    assert cells.exists()


def test_names_of_sets_and_criteria_are_told_apart_by_the_annotations(crant: Crant) -> None:
    edges, cells = WORM
    by_criteria = ("--seeds", "cell_class=sensory and side=L", "-a", cells)
    assert crant("influence", edges, *by_criteria, "-o", "a.csv").code == 0
    assert (
        crant("influence", edges, "--seeds", "left=cell_class=sensory and side=L", "-a", cells, "-o", "b.csv").code == 0
    )
    unnamed, named = read(Path("a.csv")), read(Path("b.csv"))
    assert "seed" not in unnamed[0]
    assert [{"seed": "left", **row} for row in unnamed] == named
    both = ("--seeds", "ava=AVAL,AVAR", "--seeds", "awc=AWCL", "-a", cells)
    assert crant("influence", edges, *both, "-o", "c.parquet").code == 0
    made = pq.read_table("c.parquet")
    facts = json.loads(made.schema.metadata[b"crantcli"])
    assert [(one["seed"], one["seeds"]) for one in facts["seed_sets"]] == [("ava", 2), ("awc", 1)]
    assert all(one["residual"] <= 1e-10 and one["eigenvalue_residual"] <= 1e-10 for one in facts["seed_sets"])
    assert crant("influence", edges, "--seeds", "side=L", "-a", cells, "-o", "d.csv").code == 0
    assert sum(row["is_seed"] == "true" for row in read(Path("d.csv"))) > 100


def test_groups_tell_seeds_apart(crant: Crant) -> None:
    edges, cells = WORM
    common = ("influence", edges, "-a", cells, "--seeds", "one=cell_type=AWC", "--seeds", "two=AVAL")
    assert crant(*common, "-o", "all.csv").code == 0
    assert crant(*common, "--by", "cell_class,side", "-o", "by.csv").code == 0
    labels = {row["neuron_id"]: (row["cell_class"], row["side"]) for row in read(cells)}
    expected: dict[tuple[str, ...], list[tuple[float, bool]]] = {}
    for row in read(Path("all.csv")):
        group = labels[row["neuron_id"]]
        if all(group):
            expected.setdefault((row["seed"], *group), []).append((float(row["influence"]), row["is_seed"] == "true"))
    found = read(Path("by.csv"))
    assert {(row["seed"], row["cell_class"], row["side"]) for row in found} == set(expected)
    for row in found:
        values = expected[row["seed"], row["cell_class"], row["side"]]
        mean = math.fsum(value for value, _ in values) / len(values)
        others = [value for value, seeded in values if not seeded]
        assert (int(row["neurons"]), int(row["seeds"])) == (len(values), len(values) - len(others))
        assert float(row["influence"]) == pytest.approx(mean * len(values))
        assert float(row["mean_influence"]) == pytest.approx(mean)
        assert float(row["mean_without_seeds"]) == pytest.approx(math.fsum(others) / len(others))
        adjusted = math.log(mean) + 24 if mean > math.exp(-24) else 0
        assert float(row["adjusted_influence"]) == pytest.approx(adjusted, rel=1e-5)


@SETTINGS
@given(drawn=networks(), inhibitory=st.sets(st.integers(1, 14)))
def test_influences_per_target_are_those_divided_by_targets_and_seeds(
    drawn: tuple[dict[tuple[int, int], int], list[int]], inhibitory: set[int]
) -> None:
    """Of neurons and of groups, of several sets of seeds, whose logarithms are taken at the end."""
    edges, seeds = drawn
    neurons = sorted({neuron for pair in edges for neuron in pair})
    types = {neuron: f"t{neuron % 3}" for neuron in range(1, 15)}
    nt = ["no" if neuron in inhibitory else "yes" for neuron in range(1, 15)]
    signed = {pair: -weight if pair[0] in inhibitory else weight for pair, weight in edges.items()}
    assume(dense(signed, seeds, 0.99)[1] > 1e-3 * max(map(abs, signed.values())))
    given_to_all = {
        "annotations": pd.DataFrame({"root_id": range(1, 15), "type": [types[n] for n in range(1, 15)], "nt": nt}),
        "signs": Signs("nt", ("no",)) if inhibitory else None,
        "per_target": True,
    }
    sets = {"all": seeds, "one": seeds[:1]}

    def expected(influence: float, divisor: int) -> float:
        size = abs(influence) / divisor
        return math.copysign(math.log(size) + 24, influence) if size > math.exp(-24) else 0.0

    single = ask(edge_frame(edges), sets, **given_to_all)
    assert list(single)[-2:] == ["by_targets", "by_sources_and_targets"]
    sums: dict[tuple[str, str], list[float]] = {}
    for row in single.itertuples():
        sums.setdefault((row.seed, types[row.neuron_id]), []).append(row.influence)
        for found, divisor in ((row.by_targets, 1), (row.by_sources_and_targets, len(sets[row.seed]))):
            assert found == pytest.approx(expected(row.influence, divisor * len(neurons)), rel=1e-5, abs=1e-5)
    groups = ask(edge_frame(edges), sets, by=("type",), **given_to_all)
    assert len(groups) == len(sums)
    for row in groups.itertuples():
        assert row.influence == pytest.approx(math.fsum(sums[row.seed, row.type]), abs=1e-9)
        for found, divisor in ((row.by_targets, 1), (row.by_sources_and_targets, len(sets[row.seed]))):
            assert found == pytest.approx(expected(row.influence, divisor * len(neurons)), rel=1e-5, abs=1e-5)


def test_influences_per_target_are_there_when_asked_for(crant: Crant, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(CYCLE)
    (tmp_path / "a.csv").write_text("root_id,by_targets\nA,x\nB,y\nC,x\nD,y\n")
    assert crant("influence", "e.csv", "--seeds", "A,B", "-o", "i.csv").code == 0
    assert "by_targets" not in read(tmp_path / "i.csv")[0]
    assert crant("influence", "e.csv", "--seeds", "A,B", "--per-target", "-o", "j.csv").code == 0
    for plain, row in zip(read(tmp_path / "i.csv"), read(tmp_path / "j.csv"), strict=True):
        assert {name: row[name] for name in plain} == plain
        assert float(row["by_targets"]) == pytest.approx(math.log(float(row["influence"]) / 4) + 24, rel=1e-5)
        assert float(row["by_sources_and_targets"]) == pytest.approx(
            math.log(float(row["influence"]) / 8) + 24, rel=1e-5
        )
    by = ("influence", "e.csv", "--seeds", "A", "-a", "a.csv", "--by", "by_targets")
    assert crant(*by, "-o", "k.csv").code == 0
    done = crant(*by, "--per-target", "-o", "l.csv")
    assert done.code == 2
    assert "the answer has a column by_targets of its own" in done.err
    assert not (tmp_path / "l.csv").exists()


def test_bytes_do_not_depend_on_threads(crant_process: Crant, tmp_path: Path) -> None:
    """Those of the engine, nor those of linear algebra."""
    chance = np.random.default_rng(3)
    pairs = np.unique(chance.integers(0, 3000, (60_000, 2)), axis=0)
    edges = pd.DataFrame(
        {"pre": pairs[:, 0] + 1, "post": pairs[:, 1] + 1, "weight": chance.integers(1, 30, len(pairs))}
    )
    edges.to_parquet(tmp_path / "e.parquet")
    for threads in ("1", "2"):
        done = crant_process(
            "influence", "e.parquet", "--seeds", "a=1,2", "--seeds", "b=7", "--threads", threads,
            "-o", f"{threads}.parquet",
        )  # fmt: skip
        assert done.code == 0, done.err
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


# Published figures


def test_published_figures_of_a_worm(real: Path) -> None:
    edges, cells = real / "celegans" / "ici_edges.csv", real / "celegans" / "ici_neurons.csv"
    truths = real.parent / "truths"
    asked: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in read(truths / "influence_celegans.csv"):
        asked.setdefault((row["threshold"], row["mode"], row["seed"]), []).append(row)
    assert asked
    for (threshold, mode, seeds), rows in asked.items():
        inhibitory = () if mode == "unsigned" else tuple(n for n in ("gaba", "glutamate") if n in mode or n[:3] in mode)
        signs = Signs("top_nt", inhibitory, unsigned="positive") if inhibitory else None
        found = ask(
            edges,
            seeds.split("+"),
            threshold=int(threshold),
            signs=signs,
            annotations=cells,
            neuron_id_column="root_id",
            per_target=True,
        )
        record = found.attrs["crantcli"]["figures"]
        network = (record["network"]["edges"], record["network"]["neurons"])
        assert network == (int(rows[0]["edges"]), int(rows[0]["neurons"]))
        assert record["seed_sets"][0]["eigenvalue"] == pytest.approx(float(rows[0]["eigenvalue"]), rel=1e-9), mode
        known = found.set_index("neuron_id").rename(columns={"adjusted_influence": "adjusted"})
        for row in rows:
            there = known.loc[row["target"]]
            assert there["is_seed"] == (row["is_seed"] == "True")
            for figure in ("influence", "adjusted", "by_targets", "by_sources_and_targets"):
                limit = 1e-9 * known[figure].abs().max()
                assert abs(there[figure] - float(row[figure])) <= limit, (mode, figure, row)


def test_published_figures_of_a_larva(real: Path) -> None:
    edges, cells = real / "larva" / "edges.parquet", real / "larva" / "neurons.csv"
    seeds = {"sens-ORN": cc.NeuronCriteria(cell_subclass="sens-ORN")}
    for threshold in ("1", "5"):
        rows = [
            row for row in read(real.parent / "truths" / "influence_larva_types.csv") if row["threshold"] == threshold
        ]
        if rows:
            found = ask(edges, seeds, threshold=int(threshold), by="cell_type", annotations=cells)
            means = dict(zip(found["cell_type"], found["mean_influence"], strict=True))
            for row in rows:
                assert means[row["cell_type"]] == pytest.approx(float(row["mean_influence"]), rel=1e-9), row
    found = ask(edges, seeds, threshold=1, annotations=cells)
    strongest = dict(zip(found["neuron_id"].astype(str), found["influence"], strict=True))
    more = [row for row in read(real.parent / "truths" / "influence_more.csv") if row["case"].startswith("larva")]
    assert more
    for row in more:
        assert strongest[row["target"]] == pytest.approx(float(row["influence"]), rel=1e-9)


@pytest.mark.parametrize(("case", "more"), [("silenced", {"silence": ["AIYL", "AIYR"]}), ("target 0.5", {"gain": 0.5})])
def test_more_published_figures(real: Path, case: str, more: dict[str, Any]) -> None:
    edges = real / "celegans" / "ici_edges.csv"
    rows = [row for row in read(real.parent / "truths" / "influence_more.csv") if case in row["case"]]
    found = influences(ask(edges, ["ASEL", "ASER"], threshold=5, **more))
    assert rows
    for row in rows:
        assert found[row["target"]] == pytest.approx(float(row["influence"]), rel=1e-9)
