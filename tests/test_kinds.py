"""What a table is taken for, decided from its columns and a sample: every spelling, every ambiguity, every option."""

from __future__ import annotations

import itertools
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Crant
from hypothesis import given
from hypothesis import strategies as st
from tables import text_file

from crantcli.errors import DataError
from crantcli.schema import INDEX_NAMES, PAIRS, POSITION_SPELLINGS, SYNAPSE_IDS, SYNAPSE_MARKS, WEIGHTS, Kind, is_word
from crantcli.sources.tables.columns import Columns
from crantcli.sources.tables.kinds import Decision, decide
from crantcli.sources.tables.read_options import ReadOptions

#: Ways of spelling one name.
STYLES = {
    "as it is": str,
    "upper": str.upper,
    "title": str.title,
    "joined": lambda name: name.replace("_", "").replace(".", ""),
    "blanks": lambda name: f" {name.replace('_', ' ')}\t",
    "dots": lambda name: name.replace("_", "."),
    "hyphens": lambda name: name.replace("_", "-"),
}


def table(columns: Mapping[str, Sequence[Any]] | str, text: bool = False, index: str | None = None) -> Columns:
    """Columns with their values; names alone get two rows of numbers."""
    if isinstance(columns, str):
        columns = {name: [10 * place + 3, 10 * place + 5] for place, name in enumerate(columns.split(), 7)}
    types = {
        name: "BIGINT" if all(isinstance(value, int) for value in values) else "VARCHAR"
        for name, values in columns.items()
    }
    return Columns(dict.fromkeys(types, "VARCHAR") if text else types, lambda name: columns[name], text, index)


def settle(columns: Columns, **options: Any) -> Decision:
    return decide(columns, ReadOptions(**options))


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_every_pair_goes_with_every_weight_however_they_are_spelled(style: Any) -> None:
    for pair, weight in itertools.product(PAIRS, WEIGHTS):
        pre, post, weight_name = map(style, (*pair, weight))
        found = settle(table({"other": ["a", "b"], weight_name: [1, 2], post: [3, 4], pre: [5, 6]}))
        assert found.kind is Kind.EDGES
        assert found.roles == {"pre": pre, "post": post, "weight": weight_name}


@pytest.mark.parametrize("weight", ["weight", "N_Syn", "number of synapses"])
@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_the_same_edges_come_out(pair: tuple[str, str], weight: str, crant: Crant) -> None:
    text_file("e.csv", f"{pair[0].upper()}\t{pair[1].title()}\t{weight}\n11\t12\t3\n12\t13\t4\n")
    outcome = crant("connectivity", "e.csv")
    assert outcome.text == "pre,post,weight\n12,13,4\n11,12,3\n", outcome.err


@pytest.mark.parametrize("mark", [*SYNAPSE_IDS, *SYNAPSE_MARKS, *itertools.chain(*POSITION_SPELLINGS.values())])
def test_every_mark_of_synapses(mark: str) -> None:
    for pair in PAIRS:
        columns = {pair[0]: [1, 1], pair[1]: [2, 2], mark: ["[1, 2, 3]", "[4, 5, 6]"]}
        assert settle(table(columns)).kind is Kind.SYNAPSES
        with pytest.raises(DataError, match='kind="edges" or kind="synapses"'):
            settle(table({**columns, "weight": [3, 4]}))


letters = st.text(string.ascii_lowercase, min_size=2, max_size=9).filter(lambda name: not is_word(name))


@given(st.lists(letters, min_size=2, max_size=6, unique=True), st.data())
def test_columns_of_unknown_names_are_refused(names: list[str], data: st.DataObject) -> None:
    values = st.lists(st.integers(0, 10**6), min_size=3, max_size=3, unique=True)
    words = st.lists(letters.filter(lambda word: word not in names), min_size=3, max_size=3, unique=True)
    columns = {name: data.draw(st.one_of(values, words)) for name in names}
    with pytest.raises(DataError, match="pre_col"):
        settle(table(columns))


@given(st.lists(letters, min_size=1, max_size=4, unique=True), st.sampled_from(PAIRS))
def test_a_pair_with_unknown_numbers_is_refused(names: list[str], pair: tuple[str, str]) -> None:
    columns = {pair[0]: [1, 2], pair[1]: [2, 3], **{name: [7, 9] for name in names}}
    with pytest.raises(DataError, match="weight_col"):
        settle(table(columns))
    assert settle(table(columns), weight_col=names[-1]).roles["weight"] == names[-1]
    assert settle(table(columns), kind=Kind.SYNAPSES).kind is Kind.SYNAPSES


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("pre post pre_pt_root_id post_pt_root_id", ["pre_pt_root_id, post_pt_root_id", "pre, post", "pre_col"]),
        ("pre post weight source target", ["pre, post", "source, target", "pre_col"]),
        ("source target weight n_syn", ["weight and n_syn", "weight_col"]),
        ("pre post weight neuropil roi", ["neuropil and roi"]),
        ("pre post PRE weight", ["pre"]),
        ("pre Pre post weight id", ["weight", "id"]),
        ("pre_x pre_y pre_z pre_pt_position pre post", ["same position twice"]),
    ],
)
def test_two_readings_are_refused_by_name(columns: str, words: list[str]) -> None:
    if columns == "pre post PRE weight":
        assert settle(table(columns)).roles["pre"] == "pre"  # the spelling itself wins
        return
    with pytest.raises(DataError) as caught:
        settle(table({name: [3, 3] for name in columns.split()}))
    assert all(word in str(caught.value) for word in words), caught.value


def test_an_option_settles_what_it_names() -> None:
    both = table("pre post pre_pt_root_id post_pt_root_id weight n")
    found = settle(both, pre_col="pre", post_col="post", weight_col="n")
    assert found.roles == {"pre": "pre", "post": "post", "weight": "n"}
    half = table("sender post weight")
    assert settle(half, pre_col="sender").roles == {"pre": "sender", "post": "post", "weight": "weight"}
    with pytest.raises(DataError, match=r"pre_col sender: no column is known"):
        settle(table("sender weight"), pre_col="sender")
    with pytest.raises(DataError, match=r"pre_col prre: there is no such column \(near names: pre\)"):
        settle(table("pre post"), pre_col="prre")
    with pytest.raises(DataError, match="name it with weight_col"):
        settle(table("pre post"), kind=Kind.EDGES)
    with pytest.raises(DataError, match="pre_col and post_col both name"):
        settle(table("pre post"), pre_col="pre", post_col="pre")


@pytest.mark.parametrize("name", INDEX_NAMES)
def test_an_index_is_dropped_where_it_numbers_the_rows(name: str) -> None:
    for values in ([0, 1], [1, 2], ["0", "1"], [0.0, 1.0]):
        found = settle(table({name: values, "pre": [5, 6], "post": [7, 8], "weight": [1, 2]}))
        assert found.dropped == (name,)
    found = settle(table({name: [3, 9], "pre": [5, 6], "post": [7, 8]}))
    assert (found.kind, found.dropped) == (Kind.SYNAPSES, ())


def test_labels_on_both_axes_are_no_index() -> None:
    found = settle(table({"": ["0", "1"], "0": ["5", "6"], "1": ["7", "8"]}, text=True))
    assert (found.kind, found.dropped, found.roles["index"]) == (Kind.ADJACENCY, (), "")


def test_neurons_of_rows_may_be_numbered() -> None:
    """Where no other column can name the rows, the index did: weights are never taken for neurons."""
    for columns in ({"4": [5, 6], "7": [7, 8]}, {"7": [5, 6]}, {"b": [5, 6], "B": [7, 8]}):
        numbered = table({"": [0, 1], **columns})
        found = settle(numbered, kind=Kind.ADJACENCY)
        assert (found.dropped, found.roles["index"]) == ((), "")
        with pytest.raises(DataError, match="no kind of table"):
            settle(numbered)
    with pytest.raises(DataError, match="column '' numbers the rows, and no other column names them"):
        settle(table({"": [0, 1], "4": [5, 6], "7": [7, 8]}))


def test_an_index_beside_labels_is_dropped_from_a_matrix() -> None:
    for labels in ({"neuron": [11, 12]}, {"root_id": [11, 12]}, {"0": ["b", "c"]}):
        found = settle(table({"": [0, 1], **labels, "11": [5, 6], "12": [7, 8]}), kind=Kind.ADJACENCY)
        assert (found.dropped, found.roles["index"]) == (("",), *labels)


def test_what_our_files_say_of_themselves_stands() -> None:
    columns = table("pre post weight pre_root_id post_root_id size")
    assert decide(columns, ReadOptions(), "edges").roles["pre"] == "pre"
    with pytest.raises(DataError):
        decide(columns, ReadOptions())


FILES = {
    "larva/edges.parquet": "edges",
    "larva/neurons.csv": "annotations",
    "celegans/ici_edges.csv": "edges",
    "celegans/ici_neurons.csv": "annotations",
    "celegans/cect_herm_full_edgelist.csv": "edges",
    "cerebellum/grc_to_pc_synapses_8876.csv": "synapses",
    "crantb_synapses_10rows.csv": "synapses",
    "hemibrain/connectors.csv": "points",
    "microns/post_df_helper.feather": "synapses",
    "microns/pre_df_helper.feather": "synapses",
    "versions/old.csv": "synapses",
    "versions/new.csv": "synapses",
}
#: Files of these endings hold meshes, skeletons or text.
_OTHER = {".ply", ".swc", ".md", ".gz", ".shard", ""}


def test_every_file_of_the_real_data_is_read_as_what_it_is(real: Path, crant: Crant) -> None:
    there = {str(path.relative_to(real)) for path in real.rglob("*") if path.is_file() and path.suffix not in _OTHER}
    assert there == set(FILES)
    for name, kind in FILES.items():
        found = crant("info", real / name)
        lines = dict(line.split(None, 1) for line in found.text.splitlines() if len(line.split(None, 1)) == 2)
        assert lines["kind"] == kind, name
        if kind in ("edges", "synapses"):
            outcome = crant("connectivity", real / name, "-o", "out.csv")
            # The worm's list has two kinds of contact between some pairs.
            assert outcome.code == (3 if name.startswith("celegans/cect") else 0), outcome.err
        else:
            assert crant("connectivity", real / name).code == 3


def test_the_worm_is_told_apart_by_kind_of_contact(real: Path, crant: Crant) -> None:
    worm = real / "celegans" / "cect_herm_full_edgelist.csv"
    refused = crant("connectivity", worm)
    assert refused.code == 3
    assert "Type" in refused.err
    chemical = crant("connectivity", worm, "--where", "Type = chemical", "--no-clean", "-o", "c.csv")
    assert chemical.code == 0, chemical.err
    rows = [line.split(",") for line in Path("c.csv").read_text().splitlines()[1:]]
    assert sum(int(row[2]) for row in rows) == 27019
    assert all(name == name.strip() for row in rows for name in row[:2])
