"""`crantcli similar` on a data set that is on a server: the neurons that are named, as of a file."""

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


@pytest.mark.parametrize("of", ["input", "output", "joined", "weighted"])
def test_named_neurons_are_those_of_the_file(server: CaveServer, crant: Crant, of: str) -> None:
    data, whole = described(server), saved(server)
    asked = ("--neurons", ids(server, 0, 1, 2, 3), "--of", of, "-o", "-")
    live = crant("similar", "-d", data, "--materialization", 3, *asked)
    assert rows(live) == rows(crant("similar", whole, *asked))
    assert len(live.rows()) == 5


def test_two_sides_are_those_of_the_file(server: CaveServer, crant: Crant, tmp_path: Path) -> None:
    data, whole = described(server), saved(server)
    cells = pd.DataFrame({"root_id": server.brain.neurons[:8], "side": list("LRLRLRLR"), "mate": list("aabbccdd")})
    cells.to_csv(tmp_path / "cells.csv", index=False)
    asked = ("-a", "cells.csv", "--match", "side=L,R", "--pair", "mate", "-o", "-")
    live = crant("similar", "-d", data, "--materialization", 3, *asked)
    assert rows(live) == rows(crant("similar", whole, *asked))
    assert len(live.rows()) > 4


def test_a_whole_data_set_is_not_fetched(server: CaveServer, crant: Crant) -> None:
    done = crant("similar", "-d", described(server), "--materialization", 3, "-o", "-")
    assert (done.code, "--neurons" in done.err) == (2, True), done.err
