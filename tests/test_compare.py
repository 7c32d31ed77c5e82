"""`crantcli compare`: two tables pair by pair, with the rules of every other command."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from oracle import Rules, Weights
from scipy.stats import spearmanr
from strategies import (
    AS_DRAWN,
    SETTINGS,
    Drawn,
    changed_tables,
    edge_tables,
    frame,
    rules,
    seeded_frame,
    seeded_synapses,
    synapse_tables,
    tuples,
)

import crantcli as cc

pytestmark = [pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")]

COLUMNS = ["pre", "post", "weight_a", "weight_b", "difference", "status"]


def by_hand(a: Weights, b: Weights, everything: bool = False) -> list[tuple[Any, ...]]:
    """The table of differences."""
    found = []
    for pre, post in {*a, *b}:
        one, other = a.get((pre, post), 0), b.get((pre, post), 0)
        status = "same" if one == other else "only_a" if not other else "only_b" if not one else "changed"
        if everything or status != "same":
            found.append((pre, post, one, other, other - one, status))
    return sorted(found, key=lambda row: (-abs(row[4]), row[0], row[1]))


def strangers(a: Weights, b: Weights) -> bool:
    """Whether both have neurons, and none in common."""
    one, other = ({neuron for pair in side for neuron in pair} for side in (a, b))
    return bool(one and other and not one & other)


def ask(a: Drawn, b: Drawn, rule: Rules = oracle.USUAL, question: Any = None, **more: Any) -> pd.DataFrame:
    asked = question or cc.questions.Compare()
    given = {
        "min_size": rule.min_size,
        "threshold": rule.given,
        "clean": rule.clean,
        **AS_DRAWN,
        **more,
    }
    found: pd.DataFrame = cc.ask(asked, source=a.frame, other=b.frame, **given)
    return found


# ------------------------------------------------------------------------------------------ pairs against the oracle


@SETTINGS
@given(data=st.data(), table=edge_tables(tidy=True, neuropils=False), everything=st.booleans())
def test_edges_differ_as_by_hand(data: st.DataObject, table: Drawn, everything: bool) -> None:
    other, rule = data.draw(changed_tables(table)), data.draw(rules(table))
    a, b = (oracle.table_edges(drawn.rows, rules=rule)[0] for drawn in (table, other))
    question = cc.questions.Compare(all=everything)
    if strangers(a, b):
        with pytest.raises(cc.DataError, match="share no neuron IDs"):
            ask(table, other, rule, question)
        return
    found = ask(table, other, rule, question)
    assert list(found.columns) == COLUMNS
    assert tuples(found) == by_hand(a, b, everything)


@SETTINGS
@given(data=st.data(), table=synapse_tables(neuropils=False))
def test_synapses_without_ids_are_counted_per_pair(data: st.DataObject, table: Drawn) -> None:
    table = Drawn(
        [{**row, "id": None} for row in table.rows], tuple(c for c in table.columns if c != "id"), table.neurons
    )
    other, rule = data.draw(changed_tables(table)), data.draw(rules(table))
    a, b = (oracle.synapse_edges(drawn.rows, rules=rule)[0] for drawn in (table, other))
    if strangers(a, b):
        return
    assert tuples(ask(table, other, rule)) == by_hand(a, b)


@SETTINGS
@given(data=st.data(), table=edge_tables(tidy=True, neuropils=False))
def test_nothing_differs_from_itself_and_the_other_way_round_mirrors(data: st.DataObject, table: Drawn) -> None:
    assert tuples(ask(table, table)) == []
    other = data.draw(changed_tables(table))
    a, b = (oracle.table_edges(drawn.rows)[0] for drawn in (table, other))
    if strangers(a, b):
        return
    there, back = tuples(ask(table, other)), tuples(ask(other, table))
    mirror = {"only_a": "only_b", "only_b": "only_a", "changed": "changed"}
    assert back == [(pre, post, two, one, -by, mirror[status]) for pre, post, one, two, by, status in there]
    # Applied to A's edges, the changes give B's.
    applied = dict(a)
    for pre, post, _, _, by, _ in there:
        applied[pre, post] = applied.get((pre, post), 0) + by
    assert {pair: weight for pair, weight in applied.items() if weight} == dict(b)


@SETTINGS
@given(data=st.data(), table=edge_tables(tidy=True, neuropils=False))
def test_figures_are_those_of_the_pairs(data: st.DataObject, table: Drawn) -> None:
    other = data.draw(changed_tables(table))
    a, b = (oracle.table_edges(drawn.rows)[0] for drawn in (table, other))
    if strangers(a, b):
        return
    question = cc.questions.Compare(thresholds=(1, 2, 3))
    figures = ask(table, other, oracle.USUAL, question).attrs["crantcli"]["figures"]
    rows = by_hand(a, b, True)
    counted = {name: sum(row[5] == name for row in rows) for name in ("same", "changed", "only_a", "only_b")}
    assert {name: figures[name] for name in counted} == counted
    assert (figures["pairs"], figures["pairs_a"], figures["pairs_b"]) == (len(rows), len(a), len(b))
    assert (figures["weight_a"], figures["weight_b"]) == (sum(a.values()), sum(b.values()))
    for limit, jaccard in figures["jaccard_at"].items():
        one, two = ({pair for pair, weight in side.items() if weight >= int(limit)} for side in (a, b))
        assert jaccard == (len(one & two) / len(one | two) if one | two else None)
    for name, taken in (("spearman", rows), ("spearman_both", [row for row in rows if row[2] and row[3]])):
        weights = [[row[place] for row in taken] for place in (2, 3)]
        if not taken or any(len(set(side)) == 1 for side in weights):
            assert figures[name] is None
        else:
            assert figures[name] == pytest.approx(spearmanr(*weights).statistic, abs=1e-12)


# ------------------------------------------------------------------------------------------ IDs at another time


@SETTINGS
@given(data=st.data(), table=edge_tables(tidy=True, neuropils=False))
def test_ids_are_carried_over_first(data: st.DataObject, table: Drawn) -> None:
    """Neurons that merged are one, their weights added; the threshold counts afterwards."""
    chance = random.Random(data.draw(st.integers(0, 2**32 - 1)))
    rule, real = data.draw(rules(table)), [neuron for neuron in table.neurons if str(neuron) != "0"]
    new = {neuron: chance.choice(real) for neuron in real if chance.random() < 0.5}
    renames = frame(
        [{"old_id": old, "new_id": to} for old, to in new.items()] or [{"old_id": real[0], "new_id": real[0]}],
        ("old_id", "new_id"),
    ).astype({"old_id": "Int64", "new_id": "Int64"} if isinstance(real[0], int) else object)
    carried: Weights = {}
    for (pre, post), weight in oracle.table_edges(table.rows, rules=Rules(rule.clean, rule.min_size))[0].items():
        pair = (new.get(pre, pre), new.get(post, post))
        if pair[0] != pair[1] or not rule.clean:
            carried[pair] = carried.get(pair, 0) + weight
    a = {pair: weight for pair, weight in carried.items() if weight and rule.strong(weight)}
    b = oracle.table_edges(table.rows, rules=rule)[0]
    if strangers(a, b):
        return
    assert tuples(ask(table, table, rule, ids=renames)) == by_hand(a, b)


def edge_file(path: Path, rows: Iterable[tuple[Any, ...]]) -> Path:
    pd.DataFrame(list(rows), columns=["pre", "post", "weight"]).to_csv(path, index=False)
    return path


def test_a_neuron_without_an_id_at_that_time_is_named(crant: Crant, tmp_path: Path) -> None:
    a = edge_file(tmp_path / "a.csv", [(1, 2, 5), (3, 2, 4), (4, 2, 1)])
    b = edge_file(tmp_path / "b.csv", [(10, 2, 9), (4, 2, 1)])
    (tmp_path / "ids.csv").write_text("old_id,new_id,method\n1,10,chunkedgraph\n3,3,unresolved\n")
    done = crant("compare", a, b, "--ids", "ids.csv", "-o", "-")
    assert done.code == 0, done.err
    assert done.rows()[1:] == [["3", "2", "4", "0", "-4", "only_a"], ["10", "2", "5", "9", "4", "changed"]]
    assert "1 neuron has no ID at B's time, neither in --ids nor in B, and keeps its old one: 3\n" in done.err
    (tmp_path / "ids.csv").write_text("old_id,new_id\n1,10\n1,11\n")
    done = crant("compare", a, b, "--ids", "ids.csv")
    assert (done.code, "neuron 1 has two new IDs, 10 and 11" in done.err) == (3, True), done.err
    done = crant("compare", a, b, "--ids", b)
    assert (done.code, "no column new_id, old_id; --ids is a table that ids made" in done.err) == (3, True), done.err


# ------------------------------------------------------------------------------------------ the command


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rows = seeded_synapses()
    late = [{**row, "pre": rows[0]["pre"]} if number % 9 == 0 else row for number, row in enumerate(rows)]
    for name, found in (("a", rows), ("b", late)):
        seeded_frame(found, ("pre", "post", "size")).to_parquet(tmp_path / f"{name}.parquet")
    return tmp_path / "a.parquet", tmp_path / "b.parquet"


@pytest.mark.parametrize("form", ["parquet", "feather", "csv", "tsv"])
def test_the_table_stands_in_every_format_with_both_ledgers(
    crant: Crant, tmp_path: Path, files: tuple[Path, Path], form: str
) -> None:
    done = crant("compare", *files, "-t", 2, "-o", f"out.{form}", "--summary", "s.json", "--json")
    assert done.code == 0, done.err
    read = {"parquet": pd.read_parquet, "feather": pd.read_feather, "csv": pd.read_csv}
    found = read[form](tmp_path / f"out.{form}") if form in read else pd.read_csv(tmp_path / "out.tsv", sep="\t")
    a, b = (
        oracle.synapse_edges(
            pd.read_parquet(path).astype(object).where(lambda f: f.notna(), None).to_dict("records"),
            rules=Rules(threshold=2),
        )
        for path in files
    )
    assert tuples(found) == by_hand(a[0], b[0])
    summary, told = json.loads((tmp_path / "s.json").read_text()), json.loads(done.text)
    record = summary.pop("crantcli")
    assert told["figures"] == summary == record["figures"]
    assert record["ledger"]["read"] == a[1]["read"] + b[1]["read"]
    for side, ledger in (("a", a[1]), ("b", b[1])):
        assert record["ledgers"][side]["removed"]["threshold"] == ledger["threshold"]
        assert record["ledgers"][side]["kept"] == ledger["kept"]
    assert [entry["name"] for entry in record["inputs"]] == ["a.parquet", "b.parquet"]


def test_a_condition_that_holds_is_an_error_after_everything_is_written(
    crant: Crant, tmp_path: Path, files: tuple[Path, Path]
) -> None:
    usual = crant("compare", *files, "-o", "usual.csv", "--fail-on", "changed>1000", "--fail-on", "jaccard < 0.01")
    assert usual.code == 0, usual.err
    done = crant(
        "compare", *files, "-o", "out.csv", "--summary", "s.json", "--fail-on", "only_a>=1", "--fail-on", "same=0"
    )
    figures = json.loads((tmp_path / "s.json").read_text())
    assert done.code == 7
    assert done.err.splitlines()[-1] == (
        f"crantcli compare: only_a >= 1 ({figures['only_a']}), which was to be an error; everything is written"
    )
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "usual.csv").read_bytes()
    with pytest.raises(cc.CrantError, match="only_a >= 1"):
        cc.ask(cc.questions.Compare(fail_on="only_a>=1"), source=files[0], other=files[1])


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("a.csv",), 2, "two tables are compared, and 1 given"),
        (("a.csv", "a.csv", "a.csv"), 2, "two tables are compared, and 3 given"),
        (("a.csv", "strange.csv"), 3, "A and B share no neuron IDs: A has 1, 2, 3, B has x, y; for another time"),
        (("a.csv", "synapses.csv"), 3, "A is a table of edges and B is a table of synapses, which are not compared"),
        (("a.csv", "twice.csv"), 3, "the pair pre 1, post 2 stands in 2 rows"),
        (("a.csv", "none.csv"), 2, "none.csv"),
        (("a.csv", "a.csv", "--fail-on", "changd>3"), 2, "there is no figure changd (near names: changed"),
        (("a.csv", "a.csv", "--fail-on", "changed>many"), 2, "--fail-on 'changed>many': write NAME OP NUMBER"),
        (("a.csv", "a.csv", "-t", "1,x"), 2, "--threshold 1,x: integers from 1"),
        (("a.csv", "a.csv", "--summary", "s.txt"), 2, "s.txt: unknown suffix; write to .json"),
        (("a.csv", "a.csv", "-o", "a.csv"), 2, "a.csv is an input of this command"),
        (("b.csv", "a.csv", "-o", "a.csv"), 2, "a.csv is an input of this command"),
        (("-", "-"), 2, "stdin"),
        (("a.csv", "a.csv", "--fail-empty"), 4, "nothing differs between A and B"),
    ],
)
def test_what_is_wrong_is_said(crant: Crant, tmp_path: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    for name in ("a.csv", "b.csv"):
        edge_file(tmp_path / name, [(1, 2, 5), (3, 2, 4)])
    edge_file(tmp_path / "strange.csv", [("x", "y", 5)])
    edge_file(tmp_path / "twice.csv", [(1, 2, 5), (1, 2, 4)])
    (tmp_path / "synapses.csv").write_text("id,pre,post,size\n1,1,2,3\n")
    done = crant("compare", *arguments)
    assert done.code == code, done.err
    assert told in done.err


def test_tables_of_other_commands_are_not_given_a_second_one(tmp_path: Path) -> None:
    edge_file(tmp_path / "a.csv", [(1, 2, 5)])
    with pytest.raises(cc.UsageError, match="one table is read here"):
        cc.ask(cc.questions.Connectivity(), source=tmp_path / "a.csv", other=tmp_path / "a.csv")
    with pytest.raises(cc.UsageError, match="ids brings IDs of one table"):
        cc.ask(cc.questions.Connectivity(), source=tmp_path / "a.csv", ids=tmp_path / "a.csv")
    with pytest.raises(cc.UsageError, match="two tables are needed"):
        cc.ask(cc.questions.Compare(), source=tmp_path / "a.csv")


def test_files_that_were_filtered_otherwise_are_said_to_be(crant: Crant, files: tuple[Path, Path]) -> None:
    for name, threshold in (("one.parquet", 1), ("two.parquet", 3)):
        assert crant("connectivity", files[0], "-t", threshold, "-o", name).code == 0
    done = crant("compare", "one.parquet", "two.parquet", "-o", "out.csv")
    assert done.code == 0, done.err
    assert "A and B were made otherwise: threshold 1 and 3" in done.err


def test_a_matrix_is_compared_with_edges(crant: Crant, files: tuple[Path, Path]) -> None:
    assert crant("adjacency", files[0], "-o", "m.npz").code == 0
    assert crant("connectivity", files[1], "-o", "e.parquet").code == 0
    done, plain = crant("compare", "m.npz", "e.parquet", "-o", "-"), crant("compare", *files, "-o", "-")
    assert done.code == 0, done.err
    assert done.out == plain.out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("match", "both"), ("test", "t"), ("against", "chance"), ("all", "yes"), ("complete", 1), ("pair", ""),
        ("samples", 2.5), ("seed", "x"), ("thresholds", (0,)), ("thresholds", ("1",)), ("fail_on", "many"),
    ],
)  # fmt: skip
def test_a_wrong_value_from_python_is_refused(name: str, value: Any) -> None:
    with pytest.raises(cc.UsageError, match=name.rstrip("s")):
        cc.questions.Compare(**{name: value})
