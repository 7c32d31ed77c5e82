"""Small files for the tests to read, and what to expect of an answer or a complaint. All in the current folder."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from conftest import Outcome

from crantcli.system.temporary import temporary_name

#: Two IDs near CRANT's that are one number as float64.
ONE, TWO = 576460752641833774, 576460752641833775


def text_file(name: str, content: str | bytes) -> Path:
    """A file with this content, gzipped where the name says so; its folder is made."""
    data = content if isinstance(content, bytes) else content.encode()
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def parquet_file(name: str, **columns: Any) -> Path:
    """A Parquet file."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def feather_file(name: str, compression: str = "lz4", **columns: Any) -> Path:
    """A Feather file."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.feather.write_feather(pa.table(columns), str(path), compression=compression)
    return path


def answer(outcome: Outcome) -> list[tuple[str, ...]]:
    """The rows of CSV on stdout without the header, of a run that must have succeeded."""
    assert outcome.code == 0, outcome.err
    return [tuple(row) for row in outcome.rows()[1:]]


def weights(outcome: Outcome) -> dict[tuple[str, str], str]:
    """The edges on stdout of a run of `connectivity`."""
    return {(row[0], row[1]): row[2] for row in answer(outcome)}


def ledger(outcome: Outcome) -> dict[str, int]:
    """What `--json` says about rows: read, kept, and the steps that removed any."""
    assert outcome.code == 0, outcome.err
    told: dict[str, Any] = json.loads(outcome.out)["ledger"]
    return {"read": told["read"], "kept": told["kept"], **{k: n for k, n in told["removed"].items() if n}}


def complaint(outcome: Outcome, code: int, *words: str) -> str:
    """The one line on stderr of a run that must have failed: it has all these words, and stdout has nothing."""
    assert (outcome.code, outcome.out) == (code, b""), (outcome.code, outcome.out, outcome.err)
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("crantcli"), lines
    assert "Traceback" not in lines[0]
    assert "defect" not in lines[0], lines
    missing = [word for word in words if word not in lines[0]]
    assert not missing, f"{missing} not in: {lines[0]}"
    return lines[0]


def left_by_the_dead(stem: str) -> str:
    """The name of a temporary file of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return temporary_name(stem).replace(f"-{os.getpid()}-", f"-{ended.pid}-")


def record(path: str | Path) -> dict[str, Any]:
    """The provenance in a Parquet, Feather or npz file."""
    import numpy as np

    path = Path(path)
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return dict(json.loads(archive["crantcli"].item()))
    schema = pq.read_schema(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).schema
    return dict(json.loads(schema.metadata[b"crantcli"]))
