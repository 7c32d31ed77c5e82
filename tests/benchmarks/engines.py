"""Each command on both engines: `python tests/benchmarks/engines.py --n 20000000 --on duckdb,local,1,2`.

Spark runs in threads of one process (`local`), or on a master with that many workers of one core each, which stand
while questions are asked. Times are of whole commands, of all processes that take part, and include the start of Spark,
which is also told for itself. Results of Spark are compared with those of DuckDB, byte for byte.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from measure import Usage
from run import REAL_MESHES, SAMPLE_MESHES, Bench, crantcli, python

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from spark_daemons import Cluster, running_cluster

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: orphans become ours, and what they took with them
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
TYPES = 200
THRESHOLD = 3
SOLE_SESSION = """
import sys
from pathlib import Path
from crantcli.engine.spark.start import spark_started, stop_spark
found, _ = spark_started(None, 2 << 30, 2, Path(sys.argv[1]))
found.sql("SELECT 1").collect()
stop_spark(found)
"""


def processes() -> dict[int, tuple[int, float, float]]:
    """Of this process and those below it: the parent, seconds of CPU with those of children that have ended, and MB."""
    everyone: dict[int, tuple[int, float, float]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                # Of this process, what it takes to watch the others is left out.
                ticks = sum(map(int, fields[13 if int(entry.name) == os.getpid() else 11 : 15]))
                everyone[int(entry.name)] = (int(fields[1]), ticks / TICK, int(fields[21]) * PAGE / 1e6)
    ours = {os.getpid()}
    while more := {pid for pid, (parent, _, _) in everyone.items() if parent in ours} - ours:
        ours |= more
    return {pid: everyone[pid] for pid in ours}


def run_with_all(command: list[str], environment: Mapping[str, str] | None = None, standing: int = 0) -> Usage:
    """Run a command, and tell what it took together with all that it started, and with what stands already.

    Parameters
    ----------
    command, environment
        What runs.
    standing : int
        How many processes stay when it has ended: this one, and a cluster's daemons.
    """
    before = sum(cpu for _, cpu, _ in processes().values())
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            peak[0] = max(peak[0], sum(size for pid, (_, _, size) in processes().items() if pid != os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        wall = time.perf_counter() - start
    finally:
        ended.set()
        watcher.join()
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.strip()}")
    while len(processes()) > standing:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.05)
    return Usage(wall, sum(cpu for _, cpu, _ in processes().values()) - before, peak[0])


def questions(bench: Bench) -> dict[str, tuple[list[object], str]]:
    """A command line each, and the end of its result's name."""
    table = bench.table
    types = bench.made(f"types-{bench.synapses}-{TYPES}.parquet", "annotations", table, TYPES)
    meshes = REAL_MESHES if REAL_MESHES.is_dir() else SAMPLE_MESHES
    return {
        "connectivity": (["connectivity", table, "-t", THRESHOLD], ".parquet"),
        "counts": (["counts", table], ".parquet"),
        "synapses": (["synapses", table, "--pre", f"@{bench.neurons}"], ".parquet"),
        "adjacency": (["adjacency", table, "-t", THRESHOLD], ".npz"),
        "nested": (["nested", table, "-a", types, "-t", THRESHOLD], ".npz"),
        "neuropil": (
            ["neuropil", table, "--coordinates", "nm", "--meshes", meshes, "--no-plot", "--assignments-only"], "",
        ),
    }  # fmt: skip


@contextlib.contextmanager
def place(bench: Bench, on: str) -> Iterator[Cluster | None]:
    """What a run needs besides itself."""
    if not on.isdecimal():
        yield None
        return
    with (
        tempfile.TemporaryDirectory(dir=bench.folder) as folder,
        running_cluster(Path(folder), int(on), memory="3g", settings={"SPARK_CONF_DIR": folder}) as cluster,
    ):
        Path(folder, "spark-defaults.conf").write_text("spark.executor.memory 3g\n", encoding="utf-8")
        yield cluster


def asked(bench: Bench, on: str, threads: int, only: list[str]) -> None:
    """Put questions to an engine at a place, and print what each took."""
    with place(bench, on) as cluster:
        standing = len(processes())
        engine = [] if on == "duckdb" else ["--engine", "spark"]
        engine += [] if cluster is None else ["--spark", cluster.url]
        for name, (words, suffix) in questions(bench).items():
            if only and name not in only:
                continue
            out, first = (bench.out(f"{name}-{who}{suffix}") for who in (on, "duckdb"))
            if out.is_dir():
                shutil.rmtree(out)
            command = crantcli(*words, *engine, "--threads", threads, "-q", "--tmp-dir", bench.folder, "-o", out)
            used = run_with_all(command, cluster and cluster.environment, standing)
            print(f"{name + ', ' + on:<34} {used}", flush=True)
            # Rows that lie in many places have no order but that of ids, so folders of neuropils may differ in it.
            if out != first and first.is_file() and not filecmp.cmp(out, first, shallow=False):
                raise RuntimeError(f"{out} is not what {first} is")


def main() -> None:
    """Ask everything of everyone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20_000_000, help="synapses")
    parser.add_argument("--on", default="duckdb,local,1,2", help="duckdb, local, or numbers of workers")
    parser.add_argument("--only", default="", help="some of the commands")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where tables are, or come to be")
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(dir=".")))
        bench = Bench(folder.resolve(), given.n, 1, False)
        if "local" in given.on.split(","):
            with tempfile.TemporaryDirectory(dir=bench.folder) as scratch:
                used = run_with_all(python("-c", SOLE_SESSION, scratch), standing=1)
            print(f"{'a session, started and stopped':<34} {used}", flush=True)
        for on in given.on.split(","):
            asked(bench, on, given.threads, [name for name in given.only.split(",") if name])


if __name__ == "__main__":
    main()
