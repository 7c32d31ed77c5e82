"""Ctrl-C, SIGTERM and a closed terminal at any moment: quiet, the right exit code, nothing left and nothing half done.

Signals are sent by the process to itself, at a moment that code in the test chooses, so that nothing depends on time.
"""

from __future__ import annotations

import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tables import text_file
from terminal import on_screen, read_terminal
from test_process import start, temporary

from crantcli.engine.duckdb import Engine

pytestmark = pytest.mark.slow

SIGNALS = [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
SCRIPT = (str(Path(sys.executable).with_name("crantcli")),)
MODULE = (sys.executable, "-m", "crantcli")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("small.csv", "pre,post\n1,2\n1,2\n2,3\n")
    Path("spill").mkdir()


def done(program: tuple[str, ...], *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*program, *arguments], capture_output=True, check=False, timeout=60, **options)  # type: ignore[call-overload,no-any-return]


def with_package(name: str, code: str) -> dict[str, str]:
    """An environment in which a package is code of ours."""
    text_file(f"packages/{name}/__init__.py", code)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(["packages", os.environ.get("PYTHONPATH", "")])}


def script(code: str, *arguments: str) -> tuple[str, ...]:
    """The command, in a process that runs code of ours first, after which signals are those of the command."""
    lines = ["import os, signal, sys", f"sys.argv = {['crantcli', *arguments]}", "from crantcli.__main__ import main"]
    return sys.executable, "-c", "\n".join([*lines, code, "main()"])


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_signals_while_packages_are_loaded(program: tuple[str, ...], number: int, code: int) -> None:
    """Typer is what the command loads first."""
    env = with_package("typer", f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(30)\n")
    ended = done(program, "--version", env=env)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, b"", b"")


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_package_cannot_lose_a_signal(number: int, code: int) -> None:
    """Some packages catch everything that comes while they are loaded."""
    send = f"os.kill(os.getpid(), {int(number)})"
    lost = f"{send}\n    time.sleep(30)\nexcept BaseException:\n    raise ImportError('not here')\n"
    env = with_package("pyarrow", f"import os, time\ntry:\n    {lost}")
    text_file("a.feather", "ARROW1")
    ended = done(MODULE, "connectivity", "a.feather", "-o", "out.csv", "--tmp-dir", "spill", env=env)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, b"", b"")
    assert os.listdir("spill") == []
    assert temporary(Path()) == []


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_signals_inside_a_batch(number: int, code: int) -> None:
    """Rows of a wide table are made by a function that Arrow calls for the engine: both would take it for an error."""
    inside = (
        "from crantcli.output import matrices\nwhole = matrices._batches\ndef batches(*given):\n"
        f"    os.kill(os.getpid(), {int(number)})\n    yield from whole(*given)\nmatrices._batches = batches"
    )
    Path("out.csv").write_text("old")
    ended = done(script(inside, "adjacency", "small.csv", "-o", "out.csv", "--tmp-dir", "spill"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, b"", b"")
    assert Path("out.csv").read_text() == "old"
    assert os.listdir("spill") == []
    assert temporary(Path()) == []


def test_outputs_are_renamed_together() -> None:
    """A signal that comes between two renames waits until all are done."""
    inside = (
        "replace = os.replace\ndef kill(*given):\n    replace(*given)\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "os.replace = kill"
    )
    for name in ("a.csv", "b.npz"):
        Path(name).write_text("old")
    text_file("types.csv", "root_id,cell_type\n1,A\n2,B\n3,B\n")
    outputs = ("-o", "b.npz", "--type-sum", "a.csv", "--tmp-dir", "spill")
    ended = done(script(inside, "nested", "small.csv", "-a", "types.csv", "--weight-mode", "count", *outputs))
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, b"", b"")
    assert Path("a.csv").read_text().startswith("pre/post,A,B\n")
    assert Path("b.npz").read_bytes().startswith(b"PK")
    assert os.listdir("spill") == []
    assert temporary(Path()) == []


def test_a_second_signal_does_not_stop_the_cleaning() -> None:
    inside = (
        "from crantcli.system import signals, temporary\nfrom pathlib import Path\n"
        "temporary.temporary_path(Path(), 'left').touch()\n"
        "signals.on_leave(lambda: os.kill(os.getpid(), signal.SIGINT))\nos.kill(os.getpid(), signal.SIGTERM)"
    )
    ended = done(script(inside, "--version"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, b"", b"")
    assert temporary(Path()) == []


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_when_all_is_written_there_is_nothing_to_stop(number: int, code: int) -> None:
    late = f"import atexit\natexit.register(lambda: os.kill(os.getpid(), {int(number)}))"
    ended = done(script(late, "connectivity", "small.csv", "-q", "-o", "out.csv"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert Path("out.csv").read_text() == "pre,post,weight\n1,2,2\n2,3,1\n"


def ignoring(number: int) -> Callable[[], object]:
    return lambda: signal.signal(number, signal.SIG_IGN)


@pytest.mark.parametrize("number", [number for number, _ in SIGNALS])
def test_what_is_ignored_stays_ignored(number: int) -> None:
    """As under nohup, and for Ctrl-C in the background of a script."""
    ended = done(script(f"os.kill(os.getpid(), {int(number)})", "--version"), preexec_fn=ignoring(number))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.startswith(b"crantcli ")


def test_a_program_that_imports_the_package_keeps_its_signals() -> None:
    code = "import signal\nbefore = signal.getsignal(2), signal.getsignal(15)\nimport crantcli as cc\n"
    code += "cc.get_connectivity(source='small.csv')\nassert (signal.getsignal(2), signal.getsignal(15)) == before"
    ended = done((sys.executable, "-c", code))
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_signal_takes_the_bar_off_the_terminal() -> None:
    outer, inner = pty.openpty()
    process = start("connectivity", "-", "--tmp-dir", "spill", stdin=subprocess.PIPE, stderr=inner)
    os.close(inner)
    shown = read_terminal(outer, process, until=b"connectivity")
    process.send_signal(signal.SIGTERM)
    shown += read_terminal(outer, process)
    process.communicate(timeout=60)
    os.close(outer)
    assert process.returncode == 143
    assert on_screen(shown) == []
    assert shown.endswith(b"\x1b[?25h")
    assert os.listdir("spill") == []


def test_others_cannot_look_into_the_scratch_folder() -> None:
    before = os.umask(0)
    try:
        with Engine(tmp_dir="spill") as engine:
            assert stat.S_IMODE(engine.scratch.stat().st_mode) == 0o700
    finally:
        os.umask(before)
