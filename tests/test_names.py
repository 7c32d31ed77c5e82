"""Names of neuropils and cell types as file names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SETTINGS

from crantcli.core.filenames import safe_file_names


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ellipsoid_body", "ellipsoid_body"),
        ("EPG/PEG", "EPG_PEG"),
        ("../x", "_x"),
        ("..", "_"),
        ("", "_"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("a b\n\\c:d", "a_b__c_d"),
        ("Mößbauer", "Mo_bauer"),
        ("KCg-m", "KCg-m"),
        ("end.", "end"),
        ("NUL", "_NUL"),
        ("con.x", "_con.x"),
        ("console", "console"),
        ("x" * 300, "x" * 80),
    ],
)
def test_single_names(name: str, file: str) -> None:
    assert safe_file_names([name]) == {name: file}


def test_names_that_would_share_a_file() -> None:
    found = safe_file_names(["MB", "mb", "a/b", "a:b", "other"])
    assert found["other"] == "other"
    assert all(re.fullmatch(r"(MB|mb|a_b)-[0-9a-f]{8}", found[name]) for name in ("MB", "mb", "a/b", "a:b"))
    assert len({file.lower() for file in found.values()}) == 5
    assert found["MB"] == safe_file_names(["mb", "MB"])["MB"]


def test_a_hash_that_another_name_has_already() -> None:
    first = safe_file_names(["A", "a"])
    again = safe_file_names(["A", "a", first["a"]])
    assert again[first["a"]] == first["a"]
    assert again["a"].startswith(first["a"])
    assert len({file.lower() for file in again.values()}) == 3


def test_names_that_are_taken() -> None:
    found = safe_file_names(["Summary", "x"], taken=["summary"])
    assert re.fullmatch(r"Summary-[0-9a-f]{8}", found["Summary"])
    assert found["x"] == "x"


@SETTINGS
@given(st.lists(st.text() | st.text("aAbB./-_ \\", max_size=4), max_size=12))
def test_any_names(names: list[str]) -> None:
    found = safe_file_names(names, taken=["manifest"])
    assert list(found) == list(dict.fromkeys(names))
    files = [file.lower() for file in found.values()]
    assert len({*files, "manifest"}) == len(files) + 1
    assert all(re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9._+-]{0,79}", file) for file in found.values())
    assert found == safe_file_names(names[::-1], taken=["manifest"])
