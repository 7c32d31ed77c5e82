"""Shared fixtures: running the command in this process or as a process of its own, and where the real data is.

No test may pass that lets a token out (tokens.py has them all): what it prints, logs and raises is searched, and what
it leaves in files. Tests that have tokens or servers use `own_home`, or a fixture that does.
"""

from __future__ import annotations

import gc
import io
import itertools
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pages
import pytest
import tokens
from cave_brain import make_brain
from cave_server import CaveServer, serving
from hypothesis import HealthCheck, settings

from crantcli import errors
from crantcli.engine.duckdb import DEFAULT_MEMORY, parse_memory

# How long an example takes, or is drawn, depends on what else the machine does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# What a shell runs in its background has Ctrl-C ignored, and so would the programs that tests send it to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow.txt."""
    listed = set((ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").splitlines())
    for item in items:
        if f"{item.path.name}::{getattr(item, 'originalname', item.name)}" in listed:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Leave what is there now, thousands of tests, out of every later search for what is not needed any more.

    It stays to the end, and looking through it took seconds each time.
    """
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session", autouse=True)
def _fonts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One list of fonts for the processes of all users: matplotlib takes a second to make one."""
    import matplotlib

    folder = tmp_path_factory.mktemp("matplotlib")
    for file in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        shutil.copy(file, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLCONFIGDIR", str(folder))
        yield


@pytest.fixture(scope="session")
def _users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for each test's user. The factory itself looks through all it has made before it makes another."""
    folder = tmp_path_factory.mktemp("users")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _no_user_configuration(
    monkeypatch: pytest.MonkeyPatch, _users: Iterator[Path], request: pytest.FixtureRequest
) -> Iterator[None]:
    """Keep the tests apart from the data sets, caches and tokens of whoever runs them."""
    for name in (
        "CRANT_DEFAULT_DATASET",
        "CRANTTABLE_TOKEN",
        "CRANTCLI_CAVE_TOKEN",
        "CRANTCLI_CACHE_DIR",
        "CRANTCLI_ENGINE",
    ):
        monkeypatch.delenv(name, raising=False)
    user = next(_users)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(user / "cache"))
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


def _literals(query: str) -> list[str]:
    """Texts in a query."""
    return [literal.replace("''", "'") for literal in re.findall(r"'((?:[^']|'')*)'", query)]


class _Shared:
    """A connection to a database that engines share, which cannot be closed off for one of them: so it is seen here
    that their queries open what the engine was told of, and nothing else. (test_engine.py has the real thing.)
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._settings: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def _checked(self, query: str) -> None:
        """Refuse a query that names a file, there or to be, which is not allowed."""
        if self._settings.get("enable_external_access") != "false" or not re.search(r"read_\w+\(|parquet_|COPY", query):
            return
        for name in _literals(query):
            name = re.sub(r"\[([*?[])\]", r"\1", name)
            is_file = name.lower().endswith((".csv", ".tsv", ".gz", ".parquet", ".tmp", ".arrows")) or "/" in name
            if not is_file or len(name) > 1000 or "\0" in name or not os.path.isdir(os.path.dirname(name) or "."):
                continue
            real = Path(os.path.realpath(name))
            folders = map(os.path.realpath, _literals(self._settings["allowed_directories"]))
            allowed = _literals(self._settings["allowed_paths"])
            assert str(real) in allowed or any(map(real.is_relative_to, folders)), f"{real} is opened, not {allowed}"

    def execute(self, query: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        setting = re.fullmatch(r"SET (\w+) = (.*)", query, re.DOTALL)
        if setting and setting[1] in ("allowed_directories", "allowed_paths", "enable_external_access"):
            self._settings[setting[1]] = setting[2]
        elif query != "SET lock_configuration = true":
            self._checked(query)
            return self._cursor.execute(query, *parameters)
        return self._cursor

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        self._checked(query)
        return self._cursor.sql(query)


@pytest.fixture(scope="session")
def _connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """What opens a database, or joins the one that engines with the usual limits share."""
    connect, shared = duckdb.connect, list[duckdb.DuckDBPyConnection]()
    spill = str(tmp_path_factory.mktemp("spill"))
    usual = {"threads": os.cpu_count() or 1, "memory_limit": f"{parse_memory(DEFAULT_MEMORY)}B"}

    def join(*arguments: Any, config: dict[str, Any] | None = None) -> Any:
        if arguments or config is None or any(config[name] != value for name, value in usual.items()):
            return connect(*arguments, config=config or {})
        if not shared:
            shared.append(connect(config={**config, "temp_directory": spill}))
        return _Shared(shared[0].cursor())

    yield join
    for database in shared:
        database.close()


@pytest.fixture(autouse=True)
def _one_database(_connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engines of all tests share a database, each with temporary tables of its own; it takes longer to open one
    than to ask the many small questions of a test.
    """
    monkeypatch.setattr(duckdb, "connect", _connect)


def _noting(make: Callable[..., None], texts: list[str]) -> Callable[..., None]:
    """An `__init__` that notes what it is given."""

    def noting(made: object, *said: object) -> None:
        texts.extend(map(str, said))
        make(made, *said)

    return noting


@pytest.fixture
def own_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, _users: Iterator[Path], caplog: pytest.LogCaptureFixture
) -> Iterator[Path]:
    """A home with a cache and tokens of its own, and no browser. What is left there in the end is searched for tokens,
    and all loggers say everything, so that what they say is searched too.
    """
    home = next(_users)
    (home / "tmp").mkdir(parents=True)
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
        monkeypatch.setattr(kind, "__init__", _noting(kind.__init__, texts))
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


@pytest.fixture(scope="module")
def _browser() -> Iterator[pages.Screen]:
    with pages.opened_browser() as screen:
        yield screen


@pytest.fixture
def screen(_browser: pages.Screen) -> Iterator[pages.Screen]:
    """A browser that complains of nothing, and asks for nothing but its page."""
    _browser.errors()
    yield _browser
    assert _browser.errors() == []
    assert _browser.run("return performance.getEntriesByType('resource').map((one) => one.name)") == []


@pytest.fixture(scope="session")
def spark_and_objects() -> Iterator[tuple[Any, Path]]:
    """Spark, started once for all tests of a process, and the folder in which it finds objects."""
    from spark_session import running_spark

    with running_spark() as found:
        yield found


@pytest.fixture
def spark(spark_and_objects: tuple[Any, Path]) -> Any:
    """A session of that Spark."""
    return spark_and_objects[0]
