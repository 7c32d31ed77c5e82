"""The public layouts that README.md says are read: a table of each, and the command that stands beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from conftest import ROOT, Crant
from tables import text_file

from crantcli.schema import fold

ROWS = re.findall(
    r"^\| (.+?) \| `(.+?)` \| (edges|synapses) \| `crantcli (.+?)` \|$",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
A, B, C = 720575940600000011, 720575940600000012, 720575940600000013
#: Two pairs; the first in two rows that differ in region, or that are two synapses.
PAIRS = [(A, B), (A, B), (B, C)]


def value(column: str, place: int) -> Any:
    """What stands in a column, in one of three rows."""
    name, (pre, post) = fold(column), PAIRS[place]
    makers: list[tuple[str, Callable[[], Any]]] = [
        (r"(pre|post)rootid[0-9]+", lambda: (pre if name.startswith("pre") else post) % 10**9),
        (r"id", lambda: place + 1),
        (r"[xyz]pre|.*(index|ptposition)", lambda: "[1, 2, 3]" if "position" in name else 7 + place),
        (r"typefrom|typeto", lambda: f"T{place}"),
        (r"type", lambda: "Directed" if fold("timeset") else ""),
        (r"pre.*id|bodyidpre|bodypre|skeletonidpre|source|from|pre", lambda: pre),
        (r"post.*id|bodyidpost|bodypost|skeletonidpost|target|to|post", lambda: post),
        (r"neuropil|roi|roipre", lambda: ["EB", "FB", "EB"][place]),
        (r"nttype", lambda: "GABA"),
        (r"norm|confidencepre", lambda: 0.5),
        (r"label|timeset", lambda: ""),
    ]
    return next((make() for form, make in makers if re.fullmatch(form, name)), place + 3)


def test_each_source_that_is_promised_is_there() -> None:
    told = " ".join(row[0] for row in ROWS)
    for name in (
        "FlyWire",
        "Codex",
        "CAVE",
        "neuPrint",
        "BANC",
        "hemibrain",
        "MICrONS",
        "larva",
        "elegans",
        "CATMAID",
        "Gephi",
    ):
        assert name in told


@pytest.mark.parametrize(("where", "columns", "kind", "command"), ROWS, ids=[row[0] for row in ROWS])
def test_a_public_layout_is_read_as_the_readme_says(
    where: str, columns: str, kind: str, command: str, crant: Crant
) -> None:
    names = [name.strip() for name in columns.split(",")]
    regions = any(fold(name) in ("neuropil", "roi") for name in names)
    places = [0, 1, 2] if regions or kind == "synapses" else [0, 2]
    cells = {name: [value(name, place) for place in places] for name in names}
    if "elegans" in where:
        cells["Type"] = ["chemical"] * len(places)
    lines = [
        ",".join(f'"{cell}"' if "," in str(cell) else str(cell) for cell in row)
        for row in zip(*cells.values(), strict=True)
    ]
    text_file("FILE", "\n".join([",".join(names), *lines]) + "\n").rename("file.csv")
    words = ["file.csv" if word == "FILE" else word for word in shlex.split(command)]
    ran = crant(*words)
    assert ran.code == 0, ran.err
    assert f"read as {kind}" in ran.err
    found = crant("connectivity", "file.csv")
    assert found.code == 0, found.err
    weights = {(row[0], row[1]): row[2] for row in found.rows()[1:]}
    own = next((name for name in names if f"weight = {name}" in found.err), None)
    expected = dict.fromkeys(((str(A), str(B)), (str(B), str(C))), 0)
    for row, place in enumerate(places):
        pair = tuple(map(str, PAIRS[place]))
        expected[pair] += 1 if own is None else cells[own][row]  # type: ignore[index]
    assert weights == {pair: str(weight) for pair, weight in expected.items()}
