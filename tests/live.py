"""What the tests of live data sets share: a description of the server, its table as a file, its neurons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from cave_brain import arrow, order
from cave_server import CaveServer
from conftest import Outcome


def described(server: CaveServer, more: str = "", name: str = "live.toml") -> str:
    """A description of the server's data set; its path."""
    text = f'[cave]\nserver = "{server.url}"\ndatastack = "{server.brain.datastack}"\n[voxel]\nsize_nm = [8, 8, 42]\n'
    Path(name).write_text(text + more)
    return name


def saved(server: CaveServer, version: int = 3, keep: Any = slice(None), path: Path = Path()) -> str:
    """The whole table of a version as a file, as a user would have it: in nm, if it says so."""
    found = next(v for v in server.brain.versions if v.number == version)
    table = arrow(server.brain.frozen(found), order(found.merged), keep)
    unit: dict[str, Any] = {"units": "nm"}
    if server.brain.resolution != (1.0, 1.0, 1.0):
        unit = {"units": "pixels", "voxel_size_nm": list(server.brain.resolution)}
    name = str(path / f"version-{version}.parquet")
    pq.write_table(table.replace_schema_metadata({"crantcli": json.dumps(unit)}), name)
    return name


def ids(server: CaveServer, *numbers: int) -> str:
    """Some of the neurons, as they are typed."""
    return ",".join(str(server.brain.neurons[number]) for number in numbers)


def rows(outcome: Outcome) -> bytes:
    assert outcome.code == 0, outcome.err
    return outcome.out
