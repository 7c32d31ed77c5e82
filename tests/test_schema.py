"""Kinds of table by their column names: every spelling, every ambiguity, every override."""

from __future__ import annotations

import pytest

from crantcli.errors import DataError
from crantcli.schema import Kind, Recognition, is_id_column, listed, near, recognise

SYNAPSES, EDGES = Kind.SYNAPSES, Kind.EDGES

SPELLINGS = [
    ("id pre_pt_root_id post_pt_root_id size", SYNAPSES, "pre_pt_root_id", "post_pt_root_id", None),
    ("pre post", SYNAPSES, "pre", "post", None),
    ("pre post id size ctr_pt_position", SYNAPSES, "pre", "post", None),
    ("pre post weight", EDGES, "pre", "post", "weight"),
    ("source target weight", EDGES, "source", "target", "weight"),
    ("source target n_syn", EDGES, "source", "target", "n_syn"),
    ("type.from type.to weight", EDGES, "type.from", "type.to", "weight"),
    ("pre_root_id post_root_id neuropil syn_count nt_type", EDGES, "pre_root_id", "post_root_id", "syn_count"),
    ("bodyId_pre bodyId_post roi weight", EDGES, "bodyId_pre", "bodyId_post", "weight"),
]


@pytest.mark.parametrize(("columns", "kind", "pre", "post", "weight"), SPELLINGS, ids=lambda value: str(value))
def test_every_spelling_is_recognised_in_any_order(
    columns: str, kind: Kind, pre: str, post: str, weight: str | None
) -> None:
    names = columns.split()
    neuropil = next((name for name in ("neuropil", "roi") if name in names), None)
    expected = Recognition(kind, pre, post, weight, neuropil)
    assert recognise(names) == expected
    assert recognise(["extra", *reversed(names)]) == expected
    assert recognise(names, kind) == expected
    assert recognise(names, None, pre, post) == expected


@pytest.mark.parametrize("columns", ["a b", "pre weight", "source target", "10 20 30", "root_id cell_type", "Pre Post"])
def test_other_columns_are_no_kind(columns: str) -> None:
    assert recognise(columns.split()) is None


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("pre post pre_pt_root_id post_pt_root_id", ["pre_pt_root_id, post_pt_root_id", "pre, post", "--pre-col"]),
        ("pre post weight source target", ["pre, post, weight", "source, target, weight"]),
        ("pre_pt_root_id post_pt_root_id pre post weight", ["synapses: pre_pt_root_id", "edges: pre, post, weight"]),
        ("pre_root_id post_root_id syn_count bodyId_pre bodyId_post weight", ["syn_count", "bodyId_post"]),
        ("pre post n_syn", ["pre, post and n_syn", "--kind synapses or --kind edges"]),
        ("pre post syn_count", ["pre, post and syn_count", "--kind"]),
        ("source target weight n_syn", ["weight and n_syn", "rename"]),
        ("pre post weight neuropil roi", ["neuropil and roi"]),
    ],
)
def test_ambiguous_columns_are_refused_by_name(columns: str, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        recognise(columns.split())
    assert all(word in str(caught.value) for word in words), caught.value


def test_kind_overrides_what_the_columns_say() -> None:
    assert recognise(["pre", "post", "weight"], SYNAPSES) == Recognition(SYNAPSES, "pre", "post")
    assert recognise(["pre", "post", "n_syn"], EDGES) == Recognition(EDGES, "pre", "post", "n_syn")
    assert recognise(["source", "target", "syn_count"], EDGES) == Recognition(EDGES, "source", "target", "syn_count")
    assert recognise(["source", "target"], SYNAPSES) == Recognition(SYNAPSES, "source", "target")
    with pytest.raises(DataError, match="needs two ID columns and a weight"):
        recognise(["pre", "post"], EDGES)


def test_named_columns_override_what_the_columns_say() -> None:
    both = ["pre", "post", "pre_pt_root_id", "post_pt_root_id"]
    assert recognise(both, None, "pre", "post") == Recognition(SYNAPSES, "pre", "post")
    assert recognise(["from", "to", "weight"], None, "from", "to") == Recognition(EDGES, "from", "to", "weight")
    assert recognise(["from", "to", "x"], None, "from", "to") == Recognition(SYNAPSES, "from", "to")
    assert recognise(["from", "post", "weight"], None, "from") == Recognition(EDGES, "from", "post", "weight")
    assert recognise(["pre", "to"], None, None, "to") == Recognition(SYNAPSES, "pre", "to")
    assert recognise(["from", "to", "weight"], SYNAPSES, "from", "to") == Recognition(SYNAPSES, "from", "to")
    with pytest.raises(DataError, match=r"--pre-col prre: there is no such column \(near names: pre\)"):
        recognise(["pre", "post"], None, "prre")
    with pytest.raises(DataError, match=r"--post-col x: there is no such column \(columns: pre, post\)"):
        recognise(["pre", "post"], None, None, "x")


def test_columns_of_ids_must_not_pass_through_floats() -> None:
    for name in ("id", "pre_pt_supervoxel_id", "pre_pt_root_id", "soma_root_id"):
        assert is_id_column(name)
    for name in ("identity", "size", "ctr_pt_position_x", "weight"):
        assert not is_id_column(name)


def test_near_names_come_first_and_long_lists_are_cut() -> None:
    assert near("celltype", ["root_id", "cell_type", "side"]) == "near names: cell_type"
    assert near("CELL_TYPE", ["cell_type"]) == "near names: cell_type"
    assert near("zzz", ["a", "b"]) == "columns: a, b"
    assert near("zzz", ["a", "b"], "known names") == "known names: a, b"
    names = [f"c{number}" for number in range(1000)]
    assert len(listed(names)) < 200
    assert "1,000" in listed(names)
