"""Shared fixtures: running the command in this process or as a process of its own, and where the real data is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from cave_brain import make_brain
from cave_server import CaveServer, serving

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "sample_data"

#: Third-party data that is not part of the repository; tests that need it are skipped where it is absent.
REAL = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    def rows(self) -> list[list[str]]:
        """CSV on stdout, header included."""
        import csv

        return list(csv.reader(io.StringIO(self.text)))


Crant = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _no_user_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests apart from the data sets, caches and temporary files of whoever runs them."""
    monkeypatch.delenv("CRANT_DEFAULT_DATASET", raising=False)
    monkeypatch.delenv("CRANTTABLE_TOKEN", raising=False)
    monkeypatch.delenv("CRANTCLI_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def crant(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Crant:
    """Run the command line in this process, in a temporary folder; arguments may be of any type."""
    from crantcli.cli.app import run

    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capfdbinary.readouterr()
        code = run([str(argument) for argument in arguments])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return Outcome(code, captured.out, captured.err.decode())

    return call


@pytest.fixture
def crant_process(tmp_path: Path) -> Crant:
    """Run the installed command as a process of its own, in a temporary folder."""

    def call(*arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "crantcli", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            check=False,
            timeout=120,
        )
        return Outcome(done.returncode, done.stdout, done.stderr.decode())

    return call


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real data."""
    if not REAL.is_dir():
        pytest.skip("real data (../shared/data) is not here")
    return REAL


@pytest.fixture(scope="session")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Boxes as neuropil meshes."""
    from boxes import mesh_folder

    return mesh_folder(tmp_path_factory.mktemp("neuropils") / "meshes")


@pytest.fixture(scope="session")
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as connection:
        yield connection


@pytest.fixture
def one_database(_database: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all engines of a test share a database, each with temporary tables of its own; for the many small questions
    of a property test, which take less time than to open a database.
    """
    monkeypatch.setattr("duckdb.connect", lambda **_: _database.cursor())


@pytest.fixture
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No tokens and no cache of whoever runs the tests."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CRANTCLI_CACHE_DIR", str(home / "cache"))
    monkeypatch.delenv("CRANTCLI_CAVE_TOKEN", raising=False)
    return home


@pytest.fixture
def server(own_home: Path) -> Iterator[CaveServer]:
    """A CAVE server with a small brain."""
    with serving(make_brain()) as running:
        yield running
