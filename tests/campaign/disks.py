"""Faults of file systems: `python disks.py -n 300 --seed 1`. Full disks, read-only ones, folders of others, limits of a
file's size, outputs that take nothing, and two processes on one output and one cache. The old output stays whole, or
the new one is whole and right; nothing else is left.

A full disk is a small one in memory, for which the campaign has to be root; without, those runs are left out, and
counted. Short writes are those at a limit of size: the system takes what still fits, then refuses.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import server_cases
from common import Report, arguments, environment, faults_of_text, left, numbers
from forking import Forked, forked, load

Outputs = dict[str, bytes]

#: Commands without where their answer goes, which is `disk/out` with the suffix.
COMMANDS = [
    ("connectivity syn.parquet -t 2", "csv"),
    ("connectivity syn.parquet", "parquet"),
    ("connectivity syn.csv.gz", "feather"),
    ("synapses syn.parquet --pre @half.txt", "csv"),
    ("synapses syn.parquet", "parquet"),
    ("counts syn.parquet", "csv"),
    ("adjacency syn.parquet", "npz"),
    ("sort syn.parquet", "parquet"),
    ("partition syn.parquet --parts 3", "d"),
    ("compare syn.parquet syn.csv.gz", "csv"),
    ("connectivity syn.csv.gz", "graphml"),
    ("view syn.parquet", "html"),
    ("nested syn.parquet -a types.csv --weight-mode count --type-sum disk/more.csv", "npz"),
]
FAULTS = ["full", "read-only", "of others", "limit", "takes nothing", "two", "two caches"]


def inputs(folder: Path, seed: int) -> None:
    """Tables of which answers have some hundred kB."""
    import gzip

    rng = np.random.default_rng(seed)
    n, neurons = 20_000, 150
    columns = {"id": np.arange(n), "pre": rng.integers(1, neurons, n), "post": rng.integers(1, neurons, n)}
    pq.write_table(pa.table(columns), folder / "syn.parquet")
    lines = "".join(f"{a},{b}\n" for a, b in zip(columns["pre"].tolist(), columns["post"].tolist(), strict=True))
    (folder / "syn.csv.gz").write_bytes(gzip.compress(f"pre,post\n{lines}".encode(), 1, mtime=0))
    types = "".join(f"{neuron},T{neuron % 9}\n" for neuron in range(1, neurons))
    (folder / "types.csv").write_text(f"root_id,cell_type\n{types}")
    (folder / "half.txt").write_text("".join(f"{neuron}\n" for neuron in range(1, neurons // 2)))


def content(disk: Path) -> Outputs:
    """Files on a disk by name."""
    return {str(path.relative_to(disk)): path.read_bytes() for path in sorted(disk.rglob("*")) if path.is_file()}


def mount(disk: Path, *options: str) -> bool:
    """Mount a disk in memory, or mount it again in another way; whether that can be done."""
    words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(disk)]
    try:
        return subprocess.run(words, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def taken_by_none(place: int, folder: Path) -> tuple[str, list[str], str]:
    """Run a command whose stdout is a full device."""
    if COMMANDS[place][1] != "csv":
        return "left out", [], ""
    words = [word for word in COMMANDS[place][0].split() if not word.startswith("disk")]
    code, out, err = Forked([*words, "-o", "-", "--tmp-dir", "spill"], folder, Path("/dev/full")).ended()
    faults = faults_of_text(99 if code is None else code, out, err)
    faults += ["exit code 0, and nobody got it"] if code == 0 else []
    return f"takes nothing: exit {code}", faults, err.decode("utf-8", "backslashreplace")


def one(rng: random.Random, fault: str, place: int, folder: Path, right: Outputs) -> tuple[str, list[str], str]:
    """Run a command on a disk with a fault: how it ended, what is wrong, and what it said."""
    words, suffix = COMMANDS[place][0].split(), COMMANDS[place][1]
    output, disk = f"out.{suffix}", folder / "disk"
    disk.mkdir(exist_ok=True)
    size = sum(map(len, right.values()))
    mounted = fault in ("full", "read-only") and mount(disk, f"size={rng.randint(4096, int(1.2 * size) + 8192)}")
    if fault in ("full", "read-only") and not mounted:
        return "left out", [], ""
    before: Callable[[], None] | None = None
    try:
        if suffix != "d" and rng.random() < 0.6:
            (disk / output).write_bytes(b"old")
        old = content(disk)
        if fault == "read-only":
            mount(disk, "remount", "ro")
        if fault == "limit":
            limit = rng.randint(0, size + 100)
            before = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # noqa: E731
        if fault == "of others":
            disk.chmod(0o555)
            before = (lambda: os.setuid(65534)) if os.getuid() == 0 else None
        spill = "disk" if fault == "full" and rng.random() < 0.5 else "spill"
        code, said, err = Forked([*words, "-o", f"disk/{output}", "--tmp-dir", spill], folder, before=before).ended()
        after = content(disk)
    finally:
        if fault == "of others":
            disk.chmod(0o755)
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)
        shutil.rmtree(disk)
    if code is None:
        return "does not end", ["does not end"], ""
    faults = faults_of_text(code, said, err)
    if code == 0 and after != right:
        faults.append(f"exit code 0, and not what is right: {sorted(after)}")
    if code and after != old:
        faults.append(f"neither old nor new: {sorted(after)}")
    return f"{fault}: exit {code}", faults, err.decode("utf-8", "backslashreplace")


def two(rng: random.Random, folder: Path, right: dict[int, Outputs]) -> tuple[str, list[str], str]:
    """Two commands at once with one output: one of both answers, whole."""
    suffix = rng.choice(["csv", "parquet"])
    able = [place for place, (_, ending) in enumerate(COMMANDS) if ending == suffix]
    chosen, disk = [rng.choice(able), rng.choice(able)], folder / "disk"
    disk.mkdir()
    runs = []
    for number, place in enumerate(chosen):
        where = folder / str(number)
        where.mkdir()
        for name in ("syn.parquet", "syn.csv.gz", "half.txt", "types.csv", "disk", "spill"):
            (where / name).symlink_to(folder / name)
        runs.append(Forked([*COMMANDS[place][0].split(), "-o", f"disk/out.{suffix}", "--tmp-dir", "spill"], where))
        time.sleep(rng.choice([0, 0, rng.uniform(0, 0.3)]))
    ends = [run.ended() for run in runs]
    after = content(disk)
    shutil.rmtree(disk)
    for number in (0, 1):
        shutil.rmtree(folder / str(number))
    faults = [fault for code, out, err in ends for fault in faults_of_text(99 if code is None else code, out, err)]
    if any(code for code, _, _ in ends):
        faults.append("one of two fails")
    if after not in [right[place] for place in chosen]:
        faults.append(f"neither of both: {sorted(after)}")
    return "two: exit 0", faults, "".join(err.decode("utf-8", "backslashreplace") for _, _, err in ends)


def two_caches(rng: random.Random, folder: Path, at: server_cases.World) -> tuple[str, list[str], str]:
    """Two commands at once that fetch into one cache, empty or full: both are right."""
    if rng.random() < 0.3:
        shutil.copytree(at.folder / "cache", folder / "kept")
    chosen = [rng.randrange(len(at.commands)) for _ in range(2)]
    runs, places = [], []
    (folder / "kept").mkdir(exist_ok=True)
    for number, place in enumerate(chosen):
        where = folder / str(number)
        where.mkdir()
        (where / "cache").symlink_to(folder / "kept")
        for name in ("d.toml", "crant.lock"):
            shutil.copy(at.folder / name, where)
        runs.append(Forked([*at.commands[place], *rng.choice([[], ["--refresh"]])], where))
        places.append(where)
        time.sleep(rng.choice([0, 0, rng.uniform(0, 0.3)]))
    ends = [run.ended() for run in runs]
    faults = [fault for code, out, err in ends for fault in faults_of_text(99 if code is None else code, out, err)]
    for (code, _, _), where, place in zip(ends, places, chosen, strict=True):
        if code != 0 or server_cases.outputs(where) != at.right[place]:
            faults.append(f"exit code {code}, or not what is right")
        shutil.rmtree(where)
    faults += [f"left {name}" for name in left(folder / "kept")]
    shutil.rmtree(folder / "kept")
    return "two caches: exit 0", faults, "".join(err.decode("utf-8", "backslashreplace") for _, _, err in ends)


def main() -> int:
    """Run the campaign."""
    given = arguments("faults of file systems", 200, only=FAULTS)
    report = Report(given)
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        folder.chmod(0o755)
        os.environ.clear()
        os.environ.update(environment(folder))
        tempfile.tempdir = made_in
        load()
        (folder / "spill").mkdir()
        (folder / "spill").chmod(0o777)
        inputs(folder, given.seed)
        right: dict[int, Outputs] = {}
        for place, (words, suffix) in enumerate(COMMANDS):
            (folder / "disk").mkdir()
            code, _, err = forked([*words.split(), "-o", f"disk/out.{suffix}", "--tmp-dir", "spill"], folder)
            assert code == 0, err
            right[place] = content(folder / "disk")
            shutil.rmtree(folder / "disk")
        for name in ("stdout", "stderr"):
            (folder / name).chmod(0o666)
        with server_cases.world(folder / "world", lambda words, where: forked(words, where)[0]) as at:
            for number in numbers(given):
                rng = random.Random(f"{given.seed} {number}")
                fault = given.only or rng.choice(FAULTS)
                place = rng.randrange(len(COMMANDS))
                if fault == "takes nothing":
                    how, faults, said = taken_by_none(place, folder)
                elif fault == "two":
                    how, faults, said = two(rng, folder, right)
                elif fault == "two caches":
                    how, faults, said = two_caches(rng, folder, at)
                else:
                    how, faults, said = one(rng, fault, place, folder, right[place])
                report.count(how)
                faults += [f"left {name}" for name in left(folder / "spill")]
                if faults:
                    report.fault(number, f"{how}: {COMMANDS[place][0]}: {'; '.join(faults)}", said)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
