"""Shared fixtures: running the command in this process or as a process of its own, and where the real data is.

No test may pass that lets a token out (tokens.py has them all): what it prints, logs and raises is searched, and what
it leaves in files. Tests that have tokens or servers use `own_home`, or a fixture that does.
"""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import tokens
from cave_brain import make_brain
from cave_server import CaveServer, serving

from crantcli import errors

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

    def __post_init__(self) -> None:
        assert not tokens.shows(self.out), "a token is on stdout"
        assert not tokens.shows(self.err), "a token is on stderr"

    @property
    def text(self) -> str:
        return self.out.decode()

    def rows(self) -> list[list[str]]:
        """CSV on stdout, header included."""
        import csv

        return list(csv.reader(io.StringIO(self.text)))


Crant = Callable[..., Outcome]


def pytest_make_parametrize_id(val: object) -> str | None:
    """Keep tokens out of the names of tests."""
    return "token" if isinstance(val, str) and tokens.shows(val) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Let a test fail in whose output or log a token is, and do not show it."""
    report = yield
    if any(map(tokens.shows, [report.longreprtext, *(text for _, text in report.sections)])):
        report.outcome, report.sections = "failed", []
        report.longrepr = "a token is in what this test prints, logs or raises"
        item._report_sections.clear()
    return report


@pytest.fixture(autouse=True)
def _no_user_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Keep the tests apart from the data sets, caches and tokens of whoever runs them."""
    for name in ("CRANT_DEFAULT_DATASET", "CRANTTABLE_TOKEN", "CRANTCLI_CAVE_TOKEN", "CRANTCLI_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    if "own_home" not in request.fixturenames:
        assert not tokens.arrived, "a server was asked, and nobody looks for its token"
        assert not any(map(tokens.shows, os.environ.values())), "there is a token, and nobody looks for it"


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
def own_home(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Path]:
    """A home with a cache and tokens of its own, and no browser. What is left there in the end is searched for tokens,
    and all loggers say everything, so that what they say is searched too.
    """
    home = tmp_path_factory.mktemp("home")
    (home / "tmp").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(home / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("CRANTCLI_CACHE_DIR", str(home / "cache"))
    monkeypatch.setenv("CRANTCLI_CAVE_TOKEN", tokens.CAVE_TOKEN)
    monkeypatch.setenv("CRANTTABLE_TOKEN", tokens.ACCOUNT_TOKEN)
    browsed: list[object] = []
    monkeypatch.setattr(webbrowser, "open", lambda *page: bool(browsed.append(page)))
    texts: list[str] = []
    for kind in (errors.CrantError, errors.CrantWarning):
        # Callers from Python get them with what they were made with.
        monkeypatch.setattr(kind, "__init__", lambda _, *said: texts.extend(map(str, said)))
    caplog.set_level(logging.DEBUG)
    tokens.arrived.clear()
    yield home
    unknown = {token for token in tokens.arrived if not tokens.shows(token)}
    tokens.arrived.clear()
    assert not unknown, "a server got a token that tokens.py does not have"
    assert not browsed, "a browser was opened"
    given = set((home / ".cloudvolume" / "secrets").glob("*-secret.json"))
    places = (home, tmp_path, Path(os.environ["XDG_CACHE_HOME"]), Path(os.environ["XDG_CONFIG_HOME"]))
    left = {path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()}
    leaks = [str(path) for path in left - given if tokens.holds(path)]
    leaks += ["the text of an error or a warning"] * any(map(tokens.shows, texts))
    assert not leaks, f"a token is in {', '.join(leaks)}"


@pytest.fixture
def server(own_home: Path) -> Iterator[CaveServer]:
    """A CAVE server with a small brain, which wants a token."""
    with serving(make_brain()) as running:
        running.weather.token = tokens.CAVE_TOKEN
        yield running
