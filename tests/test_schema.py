"""The vocabulary of columns, and names in messages."""

from __future__ import annotations

import pytest

from crantcli.errors import DataError
from crantcli.schema import Names, fold, is_id_column, is_index_name, is_word
from crantcli.text import did_you_mean, join_names


def test_names_are_compared_without_case_and_separators() -> None:
    assert {fold(name) for name in ("pre_root_id", "Pre Root ID", "pre.root-id", " PRE_ROOT_ID\t")} == {"prerootid"}
    names = Names(["Pre ID", "post.id"])
    assert (names.get("pre_id"), names.get("post_id"), names.get("id")) == ("Pre ID", "post.id", None)
    assert names.all(("post_id", "postid", "pre_id")) == ["post.id", "Pre ID"]
    with pytest.raises(DataError, match="'Pre ID' and 'pre_id' are called the same"):
        Names(["Pre ID", "pre_id"]).get("preid")
    assert Names(["Pre ID", "pre_id"]).get("pre_id") == "pre_id"


def test_words_of_the_vocabulary() -> None:
    for name in (
        "Weight",
        "SOURCE",
        "pre x",
        "root_id",
        "cell type",
        "Unnamed: 0",
        "pre_root_id_720575940",
        "pre/post",
    ):
        assert is_word(name), name
    for name in ("", "AVAL", "720575940", "x1", "1"):
        assert not is_word(name), name
    assert is_index_name("...1")
    assert not is_index_name("1")


def test_columns_of_ids_must_not_pass_through_floats() -> None:
    for name in ("id", "pre_pt_supervoxel_id", "pre_pt_root_id", "soma_root_id"):
        assert is_id_column(name)
    for name in ("identity", "size", "ctr_pt_position_x", "weight"):
        assert not is_id_column(name)


def test_near_names_come_first_and_long_lists_are_cut() -> None:
    assert did_you_mean("celltype", ["root_id", "cell_type", "side"]) == "near names: cell_type"
    assert did_you_mean("CELL_TYPE", ["cell_type"]) == "near names: cell_type"
    assert did_you_mean("zzz", ["a", "b"]) == "columns: a, b"
    assert did_you_mean("zzz", ["a", "b"], "known names") == "known names: a, b"
    names = [f"c{number}" for number in range(1000)]
    assert len(join_names(names)) < 200
    assert "1,000" in join_names(names)
