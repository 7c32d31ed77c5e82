"""`crantcli compare` on a data set that is on a server: two sides of it, as of a file; two tables are files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from cave_server import CaveServer
from conftest import Crant
from live import described, ids, rows, saved


@pytest.fixture(autouse=True)
def _here(crant: Crant) -> None:
    """The description of the server is written to where the command runs."""


def test_two_sides_are_those_of_the_file(server: CaveServer, crant: Crant, tmp_path: Path) -> None:
    data, whole = described(server), saved(server)
    cells = pd.DataFrame({"root_id": server.brain.neurons[:8], "team": list("xyxyxyxy")})
    cells.to_csv(tmp_path / "cells.csv", index=False)
    sides = (
        "--a",
        ids(server, 0, 1, 2, 3),
        "--b",
        ids(server, 4, 5, 6, 7),
        "-a",
        "cells.csv",
        "--by",
        "team",
        "-o",
        "-",
    )
    live = crant("compare", "-d", data, "--materialization", 3, *sides)
    file = crant("compare", whole, *sides)
    assert rows(live) == rows(file)
    assert len(live.rows()) > 2


@pytest.mark.parametrize("arguments", [(), ("version-3.parquet",)])
def test_two_tables_are_files(server: CaveServer, crant: Crant, arguments: tuple[str, ...]) -> None:
    data = described(server)
    saved(server)
    done = crant("compare", *arguments, "-d", data)
    assert (done.code, f"two tables are compared, and {len(arguments)} given" in done.err) == (2, True), done.err
