"""Kills: `python kills.py -n 200 --seed 1`. A command that is stopped at any moment leaves every output as it was, or
whole and new, says nothing, and ends with the exit code of its signal; it leaves nothing else, and what SIGKILL leaves
goes with the next run.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import Report, arguments, environment, left, numbers, patience

PROGRAM = (sys.executable, "-m", "crantcli")

#: Signals, and the exit code of each.
SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}

#: Seconds that a command may take to end when it is told to, on a machine that does nothing else.
_LIMIT = 30


@dataclass
class Command:
    """A command that writes for a while.

    Attributes
    ----------
    words : str
    outputs : tuple of str
        Files and folders that it makes.
    expected : dict
        What is in them.
    takes : float
        Seconds.
    """

    words: str
    outputs: tuple[str, ...]
    expected: dict[str, dict[str, bytes]] = field(default_factory=dict)
    takes: float = 0.0


COMMANDS = [
    Command("synapses syn.parquet --pre @half.txt -o s.parquet", ("s.parquet",)),
    Command("synapses syn.parquet -o s.csv", ("s.csv",)),
    Command("connectivity syn.csv.gz -t 2 -o e.feather", ("e.feather",)),
    Command("connectivity syn.parquet -a types.csv --by type --normalize input -o t.csv", ("t.csv",)),
    Command("counts syn.parquet -o c.parquet", ("c.parquet",)),
    Command("adjacency syn.parquet -o a.npz --plot a.png", ("a.npz", "a.png")),
    Command("adjacency syn.parquet -t 2 -o a.csv", ("a.csv",)),
    Command(
        "nested syn.parquet -a types.csv --weight-mode count -o n.npz --type-sum n.csv --order n.parquet --plot n.svg",
        ("n.npz", "n.csv", "n.parquet", "n.svg"),
    ),
    Command(
        "attach syn.parquet --coordinates nm --skeletons swc -o at.parquet --summary at.csv", ("at.parquet", "at.csv")
    ),
    Command("sort syn.parquet -o so.parquet", ("so.parquet",)),
    Command("partition syn.parquet --parts 4 -o parts", ("parts",)),
    Command("merge e1.parquet e2.parquet -o me.parquet", ("me.parquet",)),
    Command("compare syn.csv.gz half.parquet -o co.csv", ("co.csv",)),
    Command("similar syn.parquet -o si.npz", ("si.npz",)),
    Command("influence syn.parquet --seeds @half.txt -o in.csv", ("in.csv",)),
    Command("paths syn.parquet --from 1,2,3 --hops 4 -o pa.csv --layers la.csv", ("pa.csv", "la.csv")),
    Command("export edges.parquet -o ex.graphml", ("ex.graphml",)),
    Command("view syn.parquet -a types.csv -o v.html", ("v.html",)),
    Command("neuropil syn.parquet -a types.csv --coordinates nm --meshes meshes -o regions", ("regions",)),
]


def inputs(folder: Path, seed: int) -> None:
    """Tables, skeletons and meshes on which each command takes a second or more."""
    rng = np.random.default_rng(seed)
    n, neurons = 300_000, 500
    columns = {"id": np.arange(n), "pre": rng.integers(1, neurons, n), "post": rng.integers(1, neurons, n)}
    for axis in "xyz":  # some lie in the meshes, whatever the seed
        columns[f"ctr_pt_position_{axis}"] = rng.integers(0, 110, n)
    pq.write_table(pa.table(columns), folder / "syn.parquet")
    import gzip

    lines = "".join(f"{a},{b}\n" for a, b in zip(columns["pre"].tolist(), columns["post"].tolist(), strict=True))
    (folder / "syn.csv.gz").write_bytes(gzip.compress(f"pre,post\n{lines}".encode(), 1, mtime=0))
    types = "".join(f"{neuron},T{neuron % 23}\n" for neuron in range(1, neurons))
    (folder / "types.csv").write_text(f"root_id,cell_type\n{types}")
    (folder / "half.txt").write_text("".join(f"{neuron}\n" for neuron in range(1, neurons // 2)))
    pq.write_table(pa.table({name: columns[name][: n // 2] for name in ("pre", "post")}), folder / "half.parquet")
    (folder / "swc").mkdir()
    for neuron in range(1, 120):
        nodes = "".join(f"{k} 0 {k * 5} {(k * neuron) % 997} {(k * 31) % 991} 1 {k - 1 or -1}\n" for k in range(1, 200))
        (folder / "swc" / f"{neuron}.swc").write_text(nodes)
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from boxes import mesh_folder

    mesh_folder(folder / "meshes")


def prepare(folder: Path) -> None:
    """Edges of a table and of its two parts, which some of the commands take."""
    for words in (
        "connectivity syn.parquet -o edges.parquet",
        "partition syn.parquet --parts 2 -o two",
        "connectivity two/part-01.parquet -o e1.parquet",
        "connectivity two/part-02.parquet -o e2.parquet",
    ):
        subprocess.run([*PROGRAM, *words.split(), "-q"], cwd=folder, env=environment(folder), check=True)


def content(path: Path) -> dict[str, bytes]:
    """Files of an output by name; empty where it is not there."""
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
    return {"": path.read_bytes()} if path.exists() else {}


def begin(command: Command, folder: Path) -> subprocess.Popen[bytes]:
    """Start a command."""
    words = [*PROGRAM, *command.words.split(), "--tmp-dir", "spill"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, cwd=folder, env=environment(folder), preexec_fn=_heeding, **pipes)


def _heeding() -> None:
    """A shell lets what it runs in the background ignore Ctrl-C, and so would the command."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def listens(process: subprocess.Popen[bytes]) -> bool:
    """Whether the command has set its handlers: what comes before is Python's to answer. On Linux."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return True
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def measure(command: Command, folder: Path) -> None:
    """Run a command to its end: how long it takes, and what it makes."""
    for _ in range(2):
        start = time.monotonic()
        process = begin(command, folder)
        _, err = process.communicate(timeout=600)
        command.takes = time.monotonic() - start
        if process.returncode:
            raise RuntimeError(f"{command.words}: {err.decode()}")
        made = {name: content(folder / name) for name in command.outputs}
        if command.expected and made != command.expected:
            raise RuntimeError(f"{command.words}: makes something else the second time")
        command.expected = made


def older(command: Command, folder: Path, rng: random.Random) -> dict[str, dict[str, bytes]]:
    """Put something else where the outputs go, or nothing; what is there then."""
    for name in command.outputs:
        path = folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        if rng.random() < 0.3:
            continue
        if "." not in name:
            path.mkdir()
            (path / "manifest.json").write_text('{"crantcli": "0", "files": ["old.csv"]}')
            (path / "old.csv").write_text("old")
        else:
            path.write_text(f"old {name}")
    return {name: content(folder / name) for name in command.outputs}


def killed(command: Command, folder: Path, rng: random.Random) -> tuple[str, list[str]]:
    """Stop a command at some moment: how it went, and what is wrong."""
    before = older(command, folder, rng)
    number = rng.choice(list(SIGNALS))
    process = begin(command, folder)
    while not listens(process) and process.poll() is None:
        time.sleep(0.0005)
    # Every third one in the first moments, while packages are loaded.
    time.sleep(rng.uniform(0, 0.4 if rng.random() < 0.33 else command.takes * 1.05))
    process.send_signal(number)
    sent = time.monotonic()
    try:
        out, err = process.communicate(timeout=patience(_LIMIT))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return number.name, [f"does not end within {_LIMIT} s of {number.name}"]
    took = time.monotonic() - sent
    faults = []
    code = process.returncode
    if code not in (0, SIGNALS[number]):
        faults.append(f"exit code {code} after {number.name}")
    after = {name: content(folder / name) for name in command.outputs}
    done = after == command.expected  # and it has said so, just before the signal came
    if code and (out or (err and not (done and all(line.startswith(b"crantcli ") for line in err.splitlines())))):
        faults.append(f"says {(out + err)[:300]!r}")
    for name in command.outputs:
        allowed = [command.expected[name]] if code == 0 else [before[name], command.expected[name]]
        if after[name] not in allowed:
            faults.append(f"{name} is neither old nor new")
    remains = left(folder)
    if number != signal.SIGKILL and remains:
        faults.append(f"left {remains}")
    if number == signal.SIGKILL:
        again = begin(command, folder)
        _, err = again.communicate(timeout=600)
        if again.returncode:
            faults.append(f"the next run fails: {err.decode()[:300]}")
        if left(folder):
            faults.append(f"the next run leaves {left(folder)}")
        if {name: content(folder / name) for name in command.outputs} != command.expected:
            faults.append("the next run makes something else")
    return f"{number.name}{' too late' if code == 0 else ''}{' slow' if took > 3 else ''}", faults


def main() -> int:
    """Run the campaign."""
    given = arguments("kills", 200)
    report = Report(given)
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        (folder / "spill").mkdir()
        inputs(folder, given.seed)
        prepare(folder)
        for number in numbers(given):
            rng = random.Random(f"{given.seed} {number}")
            command = rng.choice(COMMANDS)
            if not command.expected:
                measure(command, folder)
            how, faults = killed(command, folder, rng)
            report.count(how)
            if faults:
                report.fault(number, f"{how}: {command.words}", "; ".join(faults))
                for name in left(folder):  # so that it is not found again
                    shutil.rmtree(name, ignore_errors=True)
                    Path(name).unlink(missing_ok=True)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
