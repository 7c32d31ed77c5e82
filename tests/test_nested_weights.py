"""`crantcli nested --by`, `--weight`, `--sign` and `--min-fraction`: the table of `connectivity`, in blocks."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import oracle
import pandas as pd
import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    ANNOTATION_COLUMNS,
    AS_DRAWN,
    SETTINGS,
    Drawn,
    edge_tables,
    frame,
    rules,
    synapse_tables,
    tuples,
)
from weighed import FRACTIONS, SIGNS, WEIGHTS, labelled, scored, weighed_files

import crantcli as cc

NOTES_ARE_FINE = pytest.mark.filterwarnings("ignore::crantcli.CrantWarning")

MODES = WEIGHTS | st.sampled_from(["relative_outgoing", "relative_incoming"])


@NOTES_ARE_FINE
@SETTINGS
@given(
    data=st.data(), table=synapse_tables() | edge_tables(neuropils=False, tidy=True), weight=MODES, least=FRACTIONS,
    signs=SIGNS, by=st.sampled_from([None, ("side",), ("cell_type", "side")]), known=st.booleans(),
)  # fmt: skip
def test_a_nested_matrix_is_the_table_of_connectivity(
    data: st.DataObject, table: Drawn, weight: str, least: float | None, signs: Any, by: Any, known: bool
) -> None:
    """Cell by cell; fractions are of absolute sums; sums per block are of the cells, and blocks have joined labels."""
    kind = "edges" if table.has("weight") else "synapses"
    if kind == "synapses":
        table = scored(table)
    elif ":" in weight:
        weight = "count"
    rule = data.draw(rules(table))
    labels = labelled(data, table)
    asked: dict[str, Any] = {
        "threshold": rule.threshold, "min_size": rule.min_size, "clean": rule.clean, "source": table.frame,
        "annotations": frame(labels, ANNOTATION_COLUMNS), "kind": kind, **AS_DRAWN,
    }  # fmt: skip
    mode: Any = {"weight": weight} if not weight.startswith("relative") else {"weight_mode": weight}
    scope: Any = "annotated_only" if known else "all"
    question = cc.questions.Nested(**mode, annotation_scope=scope, min_fraction=least, signs=signs, by=by)
    annotated = oracle.annotated(labels)
    found = cc.ask(question, **asked)
    told = cc.ask(
        cc.questions.Connectivity(weight=mode.get("weight", "count"), min_fraction=least, signs=signs), **asked
    )
    cells = {(pre, post): value for pre, post, value in tuples(told[["pre", "post", "weight"]]) if value}
    if known:
        cells = {pair: value for pair, value in cells.items() if pair[0] in annotated and pair[1] in annotated}
    if weight.startswith("relative"):
        whole: dict[Any, float] = defaultdict(float)
        end = 0 if weight == "relative_outgoing" else 1
        for pair, value in cells.items():
            whole[pair[end]] += abs(value)
        cells = {pair: value / whole[pair[end]] for pair, value in cells.items()}
    entries = found.sparse.tocoo()
    ids = found.ordered_neurons
    got = {(ids[i], ids[j]): v for i, j, v in zip(*entries.coords, entries.data.tolist(), strict=True)}
    assert got == pytest.approx({(str(pre), str(post)): value for (pre, post), value in cells.items()})
    names = by or ("cell_type",)

    def block(neuron: Any) -> str | None:
        words = [(annotated.get(neuron, {}).get(name) or "").strip() for name in names]
        return ":".join(words) if all(words) else None

    there = [row[end] for row in table.rows for end in ("pre", "post") if row[end] is not None]
    texts = {str(neuron): block(neuron) for neuron in [*there, *annotated]}
    assert {neuron: texts[neuron] for neuron in ids} == dict(found.neuron_to_type)
    if weight.startswith("mean"):
        with pytest.raises(cc.UsageError, match="do not add up"):
            found.sum_type_matrix  # noqa: B018
        return
    sums: dict[Any, float] = defaultdict(float)
    for (pre, post), value in cells.items():
        if block(pre) is not None and block(post) is not None:
            sums[block(pre), block(post)] += value
    frames = found.sum_type_matrix
    for pre in frames.index:
        for post in frames.columns:
            assert frames.loc[pre, post] == pytest.approx(sums[pre, post], abs=1e-12)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return weighed_files(tmp_path, "1,A,left,gaba\n2,A,right,ach\n3,B,left,ach\n4,B,,ach\n5,C,right,\n")


def nested(crant: Crant, *words: str) -> list[list[str]]:
    done = crant("nested", "synapses.csv", "-a", "types.csv", *words, "-o", "-")
    assert done.code == 0, done.err
    return done.rows()


def test_one_weight_has_two_names(tables: Path, crant: Crant) -> None:
    """The older options say the same as the new one, with the same provenance."""
    new = crant("nested", "synapses.csv", "-a", "types.csv", "--weight", "sum:size", "-o", "new.npz")
    old = ("--weight-mode", "column", "--weight-column", "size")
    assert crant("nested", "synapses.csv", "-a", "types.csv", *old, "-o", "old.npz").code == new.code == 0
    assert (tables / "new.npz").read_bytes() == (tables / "old.npz").read_bytes()
    assert nested(crant, "--weight", "sum:size", *old) == nested(crant, *old)
    assert nested(crant, "--weight", "count") == nested(crant, "--weight-mode", "count")
    counted = ("--weight", "count", "--weight-mode", "relative_outgoing")
    assert nested(crant, *counted) == nested(crant)
    means = nested(crant, "--weight", "mean:size")
    assert means[1] == ["1", "0.0", "15.0", "0.0", "0.0"]


def test_blocks_have_joined_labels(tables: Path, crant: Crant) -> None:
    """Sums per block alone are counted in another way, with the same result."""
    words = ("nested", "synapses.csv", "-a", "types.csv", "--by", "cell_type,side", "--weight", "count")
    assert crant(*words, "--type-sum", "alone.csv").code == 0
    assert crant(*words, "--type-sum", "sums.csv", "-o", "m.npz").code == 0
    assert (tables / "alone.csv").read_bytes() == (tables / "sums.csv").read_bytes()
    assert pd.read_csv(tables / "sums.csv").columns.tolist() == ["pre/post", "A:left", "A:right", "B:left"]
    chosen = crant(*words, "--source-types", "A:left", "-o", "-")
    assert chosen.rows()[1][:1] == ["1"]
    assert len(chosen.rows()) == 2
    told = json.loads(crant("info", "m.npz", "--json").out)["provenance"]
    assert told["options"]["by"] == ["cell_type", "side"]


def test_signs_are_in_every_table(tables: Path, crant: Crant) -> None:
    """Fractions are of absolute totals; means and sums per type have the signs of their cells."""
    words = ("--sign", "nt", "--inhibitory", "gaba", "--min-fraction", "0.2")
    out = ("--type-sum", "sum.csv", "--type-mean", "mean.csv", "--relative", "r.csv", "--relative-types", "rt.csv")
    cells = nested(crant, *words, "--weight", "count", *out, "--plot", "p.png")
    assert cells[1:4] == [["1", "0", "-2", "0", "0"], ["2", "1", "0", "1", "0"], ["3", "2", "0", "0", "0"]]
    read = {name: pd.read_csv(tables / f"{name}.csv", index_col=0) for name in ("sum", "mean", "r", "rt")}
    assert read["sum"].to_numpy().tolist() == [[-1, 1], [3, 0]]
    assert read["mean"].loc["A", "A"] == -0.25
    assert read["r"].iloc[0, 1] == -1
    assert read["rt"].loc["A"].tolist() == [-0.5, 0.5]
    fractions = nested(crant, *words, "--weight-mode", "relative_incoming", "--normalization-scope", "all")
    assert [row[1:3] for row in fractions[1:4]] == [["0.0", "-1.0"], ["0.25", "0.0"], ["0.5", "0.0"]]
    done = crant("nested", "synapses.csv", "-a", "types.csv", *words, "-o", "s.npz")
    assert "fractions of signed weights are of the total of absolute weights" in done.err
    assert "signed by nt of the presynaptic neuron" in done.err
    assert crant("connectivity", "s.npz").code == 0


def test_the_strongest_come_first_whatever_their_sign(tables: Path, crant: Crant) -> None:
    words = ("--weight", "count", "--sign", "nt", "--inhibitory", "gaba", "--neuron-order", "weight")
    (tables / "one.csv").write_text("root_id,cell_type,nt\n1,A,ach\n2,A,ach\n3,A,gaba\n4,A,ach\n")
    done = crant("nested", "synapses.csv", "-a", "one.csv", *words, "-o", "-")
    assert [row[0] for row in done.rows()[1:]] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ("--weight sum:size --weight-mode count", 2, "--weight sum:size and --weight-mode count: give one"),
        ("--weight sum:size --weight-mode relative_outgoing", 2, "--weight-mode relative_outgoing: give one"),
        ("--weight count --weight-mode column --weight-column size", 2, "--weight-mode column: give one"),
        ("--weight sum:size --weight-column id", 2, "--weight sum:size and --weight-column id: give one"),
        ("--weight mean:size --weight-column size", 2, "--weight mean:size and --weight-column size: give one"),
        ("--weight-mode column", 2, "go together"),
        ("--weight mean:size --type-sum t.csv", 2, "weights are the mean of size, and do not add up"),
        ("--weight mean:size --relative t.csv", 2, "do not add up"),
        ("--weight mean:size --plot t.png --level type_mean", 2, "do not add up"),
        ("--weight most:size", 2, "say count, sum:COL or mean:COL"),
        ("--weight sum:length", 3, "no column length to add up"),
        ("--by pre:side,post:cell_type", 2, "which make blocks of both axes"),
        ("--by colour", 3, "no column colour in the annotations"),
        ("--min-fraction 1.5", 2, "a fraction is from 0 to 1"),
        ("--totals types.csv", 2, "or --min-fraction"),
        ("--sign side --inhibitory left", 3, "1 presynaptic neuron has no side that gives a sign, such as 4"),
        ("--unsigned drop", 2, "go with --sign COLUMN"),
    ],
)
def test_options_that_are_wrong(tables: Path, crant: Crant, options: str, code: int, told: str) -> None:
    done = crant("nested", "synapses.csv", "-a", "types.csv", "-o", "out.npz", *options.split())
    assert (done.code, told in done.err) == (code, True), done.err
    assert not {"out.npz", "t.csv", "t.png"} & {path.name for path in tables.iterdir()}


def test_larva(crant: Crant, real: Path, tmp_path: Path) -> None:
    """Blocks of 18 types and two sides: their sums are those of `connectivity --by`."""
    edges, cells = real / "larva" / "edges.parquet", real / "larva" / "neurons.csv"
    words = (edges, "-a", cells, "--by", "cell_type,side")
    assert crant("nested", *words, "--weight", "count", "--min-fraction", "0.05", "--type-sum", "t.csv").code == 0
    assert crant("connectivity", *words, "--min-fraction", "0.05", "-o", "c.csv").code == 0
    sums = pd.read_csv(tmp_path / "t.csv", index_col=0)
    told = pd.read_csv(tmp_path / "c.csv")
    expected = {(f"{r[0]}:{r[1]}", f"{r[2]}:{r[3]}"): r[4] for r in told.itertuples(index=False)}
    found = {(pre, post): value for pre, row in sums.iterrows() for post, value in row.items() if value}
    assert found == expected


def test_neurons_that_are_not_shown_need_no_sign(tables: Path, crant: Crant) -> None:
    """Neuron 4 has no side; pairs of others count as unselected once, however weak they are."""
    words = (
        "--weight",
        "count",
        "--source-types",
        "A",
        "--min-fraction",
        "0.5",
        "--sign",
        "side",
        "--inhibitory",
        "left",
    )
    done = crant("nested", "synapses.csv", "-a", "types.csv", *words, "--json", "-o", "m.npz")
    assert done.code == 0, done.err
    removed = json.loads(done.out)["ledger"]["removed"]
    assert (removed["unselected"], removed["threshold"]) == (3, 1)
