"""The command as a process: how it starts, what it loads, signals, pipes, terminals, full disks."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import SAMPLE, Crant
from tables import text_file, weights
from terminal import on_screen, read_terminal
from waiting import wait_for

from crantcli import __version__
from crantcli.engine.duckdb import Engine

pytestmark = pytest.mark.slow

COMMANDS = ("synapses", "connectivity", "adjacency", "counts", "attach", "info")
PROGRAM = (sys.executable, "-m", "crantcli")
ROWS = 2_000_000


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synapse table that takes a second or two to sort and write."""
    path = tmp_path_factory.mktemp("large") / "large.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT range AS id, hash(range) % 200000 + 1 AS pre, hash(range * 7) % 200000 + 300000 AS post "
            f"FROM range({ROWS})) TO '{path}'"
        )
    return path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text_file("small.csv", "pre,post\n1,2\n1,2\n2,3\n")


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """The command as a process, with pipes."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([*PROGRAM, *map(str, arguments)], **pipes)


def temporary(folder: Path) -> list[str]:
    """Temporary files and folders in a folder."""
    return [name for name in os.listdir(folder) if ".crantcli-" in name]


# Ways to start it.


def test_version_however_it_is_started() -> None:
    script = Path(sys.executable).with_name("crantcli")
    for program in ([str(script)], PROGRAM):
        done = subprocess.run([*program, "--version"], capture_output=True, check=True)
        assert (done.stdout.decode(), done.stderr) == (f"crantcli {__version__}\n", b"")


def test_no_command_shows_the_help(crant: Crant) -> None:
    asked, bare = crant("--help"), crant()
    assert asked.code == 0
    assert bare.out == asked.out
    for command in COMMANDS:
        assert f"\n  {command} " in asked.text
    assert "Start with: crantcli connectivity" in asked.text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_ends_with_an_example(crant: Crant, command: str) -> None:
    for flag in ("--help", "-h"):
        found = crant(command, flag)
        assert (found.code, found.err) == (0, "")
        end = found.text.rstrip().split("\n\n")[-2:]  # a remark may come after it
        assert any(part.strip().startswith(f"Example: crantcli {command} ") for part in end), end


def test_shell_completion() -> None:
    def completed(words: str) -> list[str]:
        told = {"_CRANTCLI_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        done = subprocess.run(PROGRAM, capture_output=True, env={**os.environ, **told}, check=True)
        return done.stdout.decode().split()

    assert completed("crantcli con") == ["connectivity"]
    assert {"--threshold", "--totals"} <= set(completed("crantcli connectivity --t"))
    shown = subprocess.run(
        ["crantcli"], executable=Path(sys.executable).with_name("crantcli"), capture_output=True, check=True,
        env={**os.environ, "_CRANTCLI_COMPLETE": "source_bash"},
    )  # fmt: skip
    assert b"complete_bash" in shown.stdout


# What it loads.

HEAVY = ("pandas", "scipy", "matplotlib", "navis", "caveclient", "trimesh", "click")


def loaded(code: str) -> set[str]:
    """Top-level modules that a new Python has loaded after some code."""
    return {name.partition(".")[0] for name in modules(code)}


def modules(code: str) -> set[str]:
    """Modules that a new Python has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('', *sys.modules)"], capture_output=True, check=True
    )
    return set(done.stdout.decode().splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    found = loaded("import crantcli; crantcli.__version__; crantcli.NeuronCriteria; dir(crantcli)")
    assert "crantcli" in found
    assert not found & {*HEAVY, "duckdb", "pyarrow", "numpy", "typer", "rich"}


def test_help_and_version_load_nothing_heavy() -> None:
    code = "from crantcli.cli.app import run\nfor a in (['--help'], ['--version'], ['connectivity', '--help']): run(a)"
    found = loaded(code)
    assert "typer" in found
    assert not found & {*HEAVY, "duckdb", "pyarrow", "numpy", "platformdirs"}


def test_relational_commands_load_nothing_that_they_do_not_use() -> None:
    sample, types = str(SAMPLE / "synapses.parquet"), str(SAMPLE / "annotations.csv")
    some = ["-a", types, "-t", "5"]
    runs = [
        ["synapses", sample, "--pre", "cell_type=ER2", *some, "-o", "s.parquet"],
        ["connectivity", sample, "-n", "cell_type=ER2", *some, "--annotate", "cell_type", "-o", "e.csv"],
        ["connectivity", "e.csv", "--by", "type", "-a", types, "-o", "t.tsv"],
        ["counts", "s.parquet", "-o", "c.parquet"],
        ["counts", "small.csv", "-o", "-"],
        ["info", "s.parquet"],
    ]
    plain = "from crantcli.cli.app import run\nfor a in {}: assert run(a) == 0"
    found = loaded(plain.format(runs))
    assert "duckdb" in found
    assert not found & {*HEAVY, "pyarrow", "numpy", "rich"}
    runs = [
        ["synapses", sample, "--pre", "cell_type=ER2", *some, "-o", "s.feather"],
        ["connectivity", "s.feather", "-o", "e.feather"],
        ["counts", "e.feather", "-o", "c.parquet"],
        *(["adjacency", "e.feather", "-o", f"a.{suffix}"] for suffix in ("npz", "parquet", "feather", "csv")),
        ["connectivity", "a.npz", "-o", "b.parquet"],
        ["info", "a.npz"],
        ["info", "s.feather"],
    ]
    found = loaded(plain.format(runs))
    assert "pyarrow" in found
    assert not found & set(HEAVY)


@pytest.mark.parametrize(
    "words", [["connectivity", "small.csv", "-t", "1"], ["nested", "--help"], ["info", "small.csv"]]
)
def test_plain_values_of_options_are_taken_without_pydantic(words: list[str]) -> None:
    """Typer loads it to look at values, for longer than many a question takes."""
    found = loaded(f"from crantcli.cli.app import run\nassert run({words}) == 0")
    assert "typer" in found
    assert "pydantic" not in found


def test_a_command_loads_no_other() -> None:
    found = modules("from crantcli.cli.app import run\nrun(['counts', '--help'])")
    assert [name for name in found if name.startswith("crantcli.cli.commands.")] == ["crantcli.cli.commands.counts"]


def test_neuropil_loads_no_pandas() -> None:
    found = loaded(
        "from crantcli.cli.app import run\n"
        f"a = ['neuropil', '-d', {str(SAMPLE / 'sample.toml')!r}, '--assignments-only', '--no-plot', '-o', 'folder']\n"
        "assert run(a) == 0"
    )
    assert {"numpy", "pyarrow"} <= found
    assert not found & set(HEAVY)


def test_attach_loads_neither_navis_nor_what_draws() -> None:
    found = loaded(
        "from crantcli.cli.app import run\n"
        f"a = ['attach', '-d', {str(SAMPLE / 'sample.toml')!r}, '-o', 'c.parquet', '--summary', 's.csv']\n"
        "assert run(a) == 0"
    )
    assert "scipy" in found
    assert not found & (set(HEAVY) - {"scipy"})


# Pipes.


@pytest.mark.parametrize("command", [("synapses",), ("synapses", "-o", "-")])
def test_a_reader_that_leaves_is_no_error(large: Path, command: tuple[str, ...]) -> None:
    """As in `crantcli synapses ... | head -2`."""
    process = start(*command, large, "--tmp-dir", ".")
    assert process.stdout is not None
    assert process.stdout.readline() == b"id,pre,post\n"
    assert process.stdout.readline().count(b",") == 2
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert temporary(Path()) == []


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [
        ("connectivity small.csv -q", ""),
        ("connectivity small.csv --json -q", "1"),
        ("info small.csv -q", ""),
        ("info small.csv -q", "1"),
        ("--help", "1"),
    ],
)
def test_a_reader_that_was_never_there_is_no_error(command: str, unbuffered: str) -> None:
    """As in `crantcli ... | true`, whether Python buffers or not."""
    read, write = os.pipe()
    os.close(read)
    process = start(*command.split(), stdout=write, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    os.close(write)
    assert (process.communicate(timeout=60)[1], process.returncode) == (b"", 0)


def test_a_chain_of_commands() -> None:
    first = start("synapses", SAMPLE / "synapses.parquet", "-q")
    second = start("connectivity", "-", "--json", "-q", stdin=first.stdout)
    assert first.stdout is not None
    first.stdout.close()
    out, err = second.communicate(timeout=60)
    assert err == b""
    assert json.loads(out)["rows"] == 8807
    assert first.wait(60) == 0
    assert first.stderr is not None
    first.stderr.close()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str) -> None:
    """As under some schedulers."""
    command = f"{' '.join(PROGRAM)} connectivity small.csv -o out.csv --json {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path("out.csv").read_bytes() == b"pre,post,weight\n1,2,2\n2,3,1\n"
    assert b"defect" not in done.stderr
    if closed == "2>&-":
        assert json.loads(done.stdout)["rows"] == 2  # notes do not go to stdout instead


def test_stdin_that_is_closed_is_empty() -> None:
    done = subprocess.run(["sh", "-c", f"{' '.join(PROGRAM)} counts - <&-"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"stdin: is empty" in done.stderr


# Signals.


def begun() -> bool:
    """Whether an output has begun to fill."""
    with suppress(FileNotFoundError):
        return any(os.path.getsize(name) for name in temporary(Path()))
    return False


@contextmanager
def writing(large: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has begun to write, over an older output."""
    Path("out.csv").write_text("old")
    Path("spill").mkdir(exist_ok=True)
    process = start("synapses", large, "-o", "out.csv", "--tmp-dir", "spill", "--threads", "1", *options)
    try:
        assert wait_for(begun, process), process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_while_writing(large: Path, number: signal.Signals, code: int) -> None:
    with writing(large) as process:
        assert temporary(Path("spill")) != []
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, b"", b"")
    assert Path("out.csv").read_text() == "old"
    assert temporary(Path()) == temporary(Path("spill")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_while_waiting_for_input(number: signal.Signals, code: int) -> None:
    Path("spill").mkdir()
    process = start("connectivity", "-", "-o", "out.csv", "--tmp-dir", "spill", stdin=subprocess.PIPE)
    assert wait_for(lambda: list(Path("spill").glob("*/stdin.csv")), process)
    process.send_signal(number)
    assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == code
    assert not Path("out.csv").exists()
    assert temporary(Path("spill")) == []


def test_the_next_run_cleans_up_after_a_killed_one(large: Path) -> None:
    with writing(large) as process:
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    assert Path("out.csv").read_text() == "old"
    assert len(temporary(Path())) == len(temporary(Path("spill"))) == 1
    done = start("connectivity", "small.csv", "-o", "out.csv", "--tmp-dir", "spill")
    assert done.communicate(timeout=60)[0] == b""
    assert done.returncode == 0
    assert Path("out.csv").read_text().startswith("pre,post,weight\n")
    assert temporary(Path()) == temporary(Path("spill")) == []


@pytest.fixture(scope="session")
def arbors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table and skeletons on which `attach` takes a second or two."""
    folder = tmp_path_factory.mktemp("arbors")
    (folder / "swc").mkdir()
    lines = "".join(f"{n} 0 {n % 97} {n % 89} {n} 1 {n - 1 if n > 1 else -1}\n" for n in range(1, 2001))
    for neuron in range(1, 301):
        (folder / "swc" / f"{neuron}.swc").write_text(lines)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT range AS id, range % 300 + 1 AS pre, 999 AS post, range % 83 AS ctr_pt_position_x, "
            f"range % 79 AS ctr_pt_position_y, range % 2003 AS ctr_pt_position_z FROM range(600000)) "
            f"TO '{folder / 'synapses.parquet'}'"
        )
    return folder


@contextmanager
def attaching(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run of `attach` that is in the midst of its skeletons, over older outputs."""
    for name in ("out.parquet", "sum.csv"):
        Path(name).write_text("old")
    Path("spill").mkdir(exist_ok=True)
    process = start(
        "attach", folder / "synapses.parquet", "--coordinates", "nm", "--skeletons", folder / "swc",
        "-o", "out.parquet", "--summary", "sum.csv", "--tmp-dir", "spill",
    )  # fmt: skip
    try:
        under_way = wait_for(lambda: any(p.stat().st_size for p in Path("spill").glob("*/*.arrows")), process)
        assert under_way, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_while_attaching(arbors: Path, number: signal.Signals, code: int) -> None:
    with attaching(arbors) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, b"", b"")
    assert Path("out.parquet").read_text() == Path("sum.csv").read_text() == "old"
    assert temporary(Path()) == temporary(Path("spill")) == []


def test_the_next_run_cleans_up_after_a_killed_attach(arbors: Path) -> None:
    with attaching(arbors) as process:
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    assert Path("out.parquet").read_text() == "old"
    assert len(temporary(Path("spill"))) == 1
    done = start("connectivity", "small.csv", "-o", "out.csv", "--tmp-dir", "spill")
    assert done.communicate(timeout=60)[0] == b""
    assert temporary(Path()) == temporary(Path("spill")) == []


# Full disks.


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a quarter of a megabyte, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def limited(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """The command, unable to write files of more than a quarter of a megabyte."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))

    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, check=False, preexec_fn=limit, timeout=60
    )


def one_line(done: subprocess.CompletedProcess[bytes], *words: str) -> None:
    """A run that failed when writing, with one line that has these words."""
    assert (done.returncode, done.stdout) == (1, b""), done.stderr
    line = done.stderr.decode()
    assert line.count("\n") == 1, line
    assert ".crantcli-" not in line  # no temporary name
    assert all(word in line for word in words), line


@pytest.mark.parametrize("suffix", ["csv", "feather"])
def test_a_full_disk_leaves_nothing(tiny_disk: Path, suffix: str) -> None:
    old = tiny_disk / f"out.{suffix}"
    old.write_text("old")
    run = [*PROGRAM, "synapses", str(SAMPLE / "synapses.parquet"), "-o", str(old)]
    one_line(subprocess.run(run, capture_output=True, check=False, timeout=60), str(tiny_disk), "No space left")
    assert old.read_text() == "old"
    assert os.listdir(tiny_disk) == [old.name]


@pytest.mark.parametrize("suffix", ["csv.gz", "parquet", "feather"])
def test_a_file_that_may_not_grow_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    old = text_file(f"out.{suffix}x", "old").rename(f"out.{suffix}")
    done = limited("synapses", SAMPLE / "synapses.parquet", "-o", f"out.{suffix}", "--max-memory", "500MB")
    one_line(done, str(tmp_path), "File too large")
    assert Path(old).read_text() == "old"
    assert sorted(os.listdir()) == sorted([f"out.{suffix}", "small.csv"])


def test_a_full_disk_for_temporary_files_leaves_nothing(tiny_disk: Path, arbors: Path) -> None:
    given = ("--coordinates", "nm", "--skeletons", str(arbors / "swc"), "--tmp-dir", str(tiny_disk))
    run = [*PROGRAM, "attach", str(arbors / "synapses.parquet"), *given, "-o", "out.parquet"]
    done = subprocess.run(run, capture_output=True, check=False, timeout=60)
    one_line(done, str(tiny_disk), "--tmp-dir", "No space left")
    assert os.listdir(tiny_disk) == []
    assert not Path("out.parquet").exists()


def test_the_engine_has_no_threads_for_writing() -> None:
    """With them, one write in a hundred that fails is waited for without an end: too rare to be seen in a test."""
    with Engine() as engine:
        assert engine.execute("SELECT value FROM duckdb_settings() WHERE name = 'async_threads'") == [("0",)]


def test_the_engine_draws_no_bar_on_stdout() -> None:
    """It would where there is no script, as in a notebook, once a query takes two seconds."""
    code = (
        "from crantcli.engine.duckdb import Engine\nwith Engine() as engine: "
        "print(engine.execute(\"SELECT value FROM duckdb_settings() WHERE name = 'enable_progress_bar'\"))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[('false',)]\n"


def test_a_full_stdout_is_an_error() -> None:
    for arguments in (["synapses", SAMPLE / "synapses.parquet"], ["connectivity", "small.csv", "--json", "-q"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([*PROGRAM, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 1
        assert b"stdout" in done.stderr
        assert b"No space left" in done.stderr
        assert done.stderr.count(b"\n") == 1


# Terminals.


def test_a_terminal_shows_a_short_table() -> None:
    outer, inner = pty.openpty()
    process = start("counts", SAMPLE / "synapses.parquet", stdout=inner, env={**os.environ, "COLUMNS": "100"})
    os.close(inner)
    shown = read_terminal(outer, process).decode().replace("\r\n", "\n").splitlines()
    os.close(outer)
    assert process.communicate(timeout=60)[1].count(b"\n") == 2  # what it was read as, and what came of it
    assert process.returncode == 0
    assert "neuron_id" in shown[0]
    assert "," not in "".join(shown[:21])
    assert len(shown) == 22  # header, 20 rows, and what is left out
    assert "514 rows" in shown[-1]
    assert "-o FILE" in shown[-1]


def test_a_file_or_csv_asked_for_shows_no_table_on_a_terminal() -> None:
    for options, expected in ((["-o", "-"], "pre,post,weight\r\n1,2,2\r\n2,3,1\r\n"), (["-o", "out.csv"], "")):
        outer, inner = pty.openpty()
        process = start("connectivity", "small.csv", *options, stdout=inner)
        os.close(inner)
        assert read_terminal(outer, process).decode() == expected
        os.close(outer)
        process.communicate(timeout=60)
        assert process.returncode == 0


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_shows_on_a_terminal_only_and_goes_away(quiet: bool) -> None:
    """Input that keeps one waiting is enough to see it."""
    outer, inner = pty.openpty()
    options = ["--quiet"] if quiet else []
    on_terminal = start("connectivity", "-", *options, stdin=subprocess.PIPE, stderr=inner)
    in_pipe = start("connectivity", "-", *options, stdin=subprocess.PIPE)
    os.close(inner)
    if quiet:
        time.sleep(2)
        shown = b""
    else:
        shown = read_terminal(outer, on_terminal, until=b"connectivity")
        assert b"\x1b[" in shown  # a bar that moves
    text = b"pre,post,weight\n1,2,1\n"
    said = ["stdin: read as edges: pre = pre, post = post, weight = weight", "1 edges read, 1 kept; 1 edges"]
    lines = [] if quiet else [f"crantcli connectivity: {line}" for line in said]
    assert on_terminal.stdin is not None
    with on_terminal.stdin as given:
        given.write(text)
    on_terminal.stdin = None
    # A terminal that nobody reads takes some kilobytes, and the bar goes on.
    shown += read_terminal(outer, on_terminal)
    os.close(outer)
    assert on_terminal.communicate(timeout=60)[0] == b"pre,post,weight\n1,2,1\n"
    assert in_pipe.communicate(text, timeout=60) == (
        b"pre,post,weight\n1,2,1\n",
        "".join(f"{line}\n" for line in lines).encode(),
    )
    joined, expected = ("".join(part).replace(" ", "") for part in (on_screen(shown), lines))  # lines may be broken
    assert joined == expected


def test_limits_on_memory_spill_and_give_the_same(large: Path, crant: Crant) -> None:
    """A tenth of the memory that it would like."""
    Path("spill").mkdir()
    limits = ("--max-memory", "100MB", "--tmp-dir", "spill")
    little = crant("connectivity", large, "-t", "2", *limits)
    assert weights(little) == weights(crant("connectivity", large, "-t", "2"))
    assert os.listdir("spill") == []
