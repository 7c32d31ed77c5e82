"""The order of types and of neurons within them: by label, by preference, by size; around the ellipsoid body."""

from __future__ import annotations

import itertools

import nested_oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SETTINGS

import crantcli as cc
from crantcli.core.matrix.order import TypeOrder, label_text, ring_place

WORDS = st.lists(
    st.sampled_from(["ER", "er", "x", "-", "EPG/PEG", "é", "ß", "1", "2", "10", "07", " ", "_", "_a"]), max_size=4
)
LABELS = WORDS.map("".join)


def in_order(*labels: str, prefer: object = None) -> list[str]:
    """The labels sorted, the same from whatever order they come in."""
    found = {
        tuple(TypeOrder.of(prefer).sorted(dict.fromkeys(some, 1)))
        for some in itertools.islice(itertools.permutations(labels), 720)
    }
    assert len(found) == 1
    return list(found.pop())


@SETTINGS
@given(sizes=st.dictionaries(LABELS, st.integers(1, 3)), order=st.lists(LABELS, max_size=4))
def test_types_are_sorted_as_the_oracle_sorts_them(sizes: dict[str, int], order: list[str]) -> None:
    given_order = TypeOrder(tuple(order))
    assert given_order.sorted(sizes) == nested_oracle.type_order(sizes, order)
    assert TypeOrder.of("size").sorted(sizes) == nested_oracle.type_order(sizes, "size")
    # An entry is said to match nothing where adding a label would not move it.
    unmatched = [entry for entry in order if all(not nested_oracle.stands_for(entry, label) for label in sizes)]
    assert given_order.unmatched(sizes) == unmatched


def test_numbers_are_numbers_and_none_comes_last() -> None:
    assert in_order("ER10", "ER", "ER2", "ER1") == ["ER1", "ER2", "ER10", "ER"]
    assert in_order("10", "9", "1a", "A") == ["1a", "9", "10", "A"]
    assert in_order("a10", "B1", "A2", "b") == ["A2", "a10", "B1", "b"]
    assert in_order("ER2b", "ER2", "er2", "ER02") == ["ER02", "ER2", "ER2b", "er2"]


def test_an_entry_stands_for_a_label_or_its_letters() -> None:
    """Not for labels that go on with other letters; a label that is named as it stands goes by its own name."""
    assert in_order("ER10", "ERx1", "ER2", "EP1", "ER", prefer=["ER"]) == ["ER2", "ER10", "ER", "EP1", "ERx1"]
    assert in_order("ER10", "ER2", "ER1", "A", prefer=["ER2", "ER"]) == ["ER2", "ER1", "ER10", "A"]
    assert in_order("ER10", "ER2", "ER1", "A", prefer=["ER", "ER2"]) == ["ER1", "ER10", "ER2", "A"]
    assert in_order("er2", "ER2", "A", prefer=["ER2", "er2"]) == ["ER2", "er2", "A"]
    assert in_order("er2", "ER2", "A", prefer=["er2", "ER2"]) == ["er2", "ER2", "A"]
    assert in_order("er2", "ER2", "A", prefer=["eR2"]) == ["ER2", "er2", "A"]
    assert in_order("ER", "ER1", "A", prefer=["A", "A", "er"]) == ["A", "ER1", "ER"]
    assert in_order("ER2", "A", "B", prefer=["B", "er", "A", "B", "er"]) == ["B", "ER2", "A"]
    assert in_order("ERx", "ERx1", "A", prefer=["ER"]) == ["A", "ERx1", "ERx"]


def test_an_entry_stands_for_the_letters_before_an_underscore() -> None:
    assert in_order("PEN_b", "A", "PEN_a", "PENx_a", "PEN", prefer=["PEN"]) == ["PEN", "PEN_a", "PEN_b", "A", "PENx_a"]
    assert in_order("PEN_b", "PEN_a1", "PEN_a2", "B", prefer=["B", "pen"]) == ["B", "PEN_a1", "PEN_a2", "PEN_b"]
    assert in_order("PEN_b", "PEN_a", "B", prefer=["PEN_B", "B", "PEN"]) == ["PEN_b", "B", "PEN_a"]
    assert in_order("PEN_b", "PEN_a1", "A", prefer=["PEN_a"]) == ["A", "PEN_a1", "PEN_b"]
    assert TypeOrder.of(["PEN", "PE", "PEN_A"]).unmatched(["PEN_a", "PEN_b"]) == ["PE"]


def test_entries_without_a_type_are_told() -> None:
    order = TypeOrder.of(["ER", "ERX", "x", "epg/peg", "2"])
    assert order.unmatched(["ER1", "ERx", "EPG/PEG"]) == ["x", "2"]


def test_the_largest_first() -> None:
    sizes = {"b": 2, "ER10": 2, "ER2": 2, "z": 5, "ER": 1}
    assert TypeOrder.of("size").sorted(sizes) == ["z", "b", "ER2", "ER10", "ER"]
    assert TypeOrder.of("size").record() == "size"
    assert TypeOrder.of(["size"]).sorted({"a": 3, "size": 1}) == ["size", "a"]


def test_what_a_caller_may_give() -> None:
    assert TypeOrder.of(None) == TypeOrder.of(()) == TypeOrder()
    assert TypeOrder.of("ER") == TypeOrder.of(["ER"]) == TypeOrder.of(iter([" ER "]))
    assert TypeOrder.of([1, 2.0, "3"]) == TypeOrder(("1", "2", "3"))
    assert TypeOrder.of(5) == TypeOrder(("5",))
    assert TypeOrder.of(TypeOrder(by_size=True)).by_size
    assert (TypeOrder.of(["a"]).record(), TypeOrder.of([]).record()) == (["a"], None)
    with pytest.raises(cc.UsageError, match="neuron_order='place': one of 'annotation', 'id', 'weight'"):
        cc.questions.Nested(neuron_order="place")


def test_labels_are_text() -> None:
    assert [label_text(label) for label in (1, 1.0, "1", " 1 ", 1.5, "NA", "nan", "1.0")] == [
        "1", "1", "1", "1", "1.5", "NA", "nan", "1.0"
    ]  # fmt: skip


def test_the_ring() -> None:
    """R1 L8 R2 ... R8 L1; the instance before the subtype; others behind."""
    ring = ["R1", "L8", "R2", "L7", "R3", "L6", "R4", "L5", "R5", "L4", "R6", "L3", "R7", "L2", "R8", "L1"]
    assert [ring_place([f"EPG_{column}", None]) for column in ring] == list(range(16))
    assert [ring_place([None, f"PEG ({column} "]) for column in ring] == list(range(16))
    assert ring_place(["EPG_L8", "EPG_R1"]) == 1
    assert ring_place(["EPG", "EPG_R1"]) == 0
    for other in ("EPG_L10", "EPG_R9", "EPG_R0", "EPG_l1", "R1_EPG", "L", "", None):
        assert ring_place([other, other]) == 16
