"""Spark on a master and two workers, each a program of its own on this machine, one of which is lost on the way."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark_session import missing, quick

pytestmark = [pytest.mark.spark, pytest.mark.skipif(bool(missing()), reason=missing())]

#: Seconds that a Java may take to start, and a question to be answered.
_START, _ANSWER = 120, 300


def until(found: Callable[[], object], what: str, seconds: float = _START) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"{what} was waited for in vain"
        time.sleep(0.05)


class Daemon:
    """A master or a worker. Its Java takes the place of the script that starts it, and so has its number."""

    def __init__(self, what: str, folder: Path, environment: dict[str, str], *options: str) -> None:
        import pyspark

        folder.mkdir()
        self.work = folder / "work"
        self._log = folder / "log"
        starter = Path(pyspark.__file__).parent / "bin" / "spark-class"
        words = [f"org.apache.spark.deploy.{what.lower()}.{what}", "--host", "127.0.0.1", "--port", "0", *options]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(starter), *words, "--webui-port", "0"], env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip

    def says(self, pattern: str) -> str:
        """What the log has of a pattern; "" where it has it not yet."""
        assert self.process.poll() is None, self._log.read_text(errors="replace")[-2000:]
        found = re.search(pattern, self._log.read_text(errors="replace"))
        return found[0] if found else ""

    @property
    def busy(self) -> bool:
        """Whether one of its executors has begun with a task."""
        logs = self.work.glob("app-*/*/stderr")
        return any("Running task" in log.read_text(errors="replace") for log in logs)

    def kill(self) -> None:
        """End it, and the executors that it has started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Cluster:
    """A master, its workers, and what a command needs to reach them."""

    url: str
    workers: tuple[Daemon, ...]
    environment: dict[str, str]

    def begun(self, folder: Path, *words: str) -> subprocess.Popen[bytes]:
        """A command that asks it, in a folder."""
        asking = ["--engine", "spark", "--spark", self.url, "--max-memory", "512MB"]
        return subprocess.Popen(
            [sys.executable, "-m", "crantcli", *words, *asking], cwd=folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    own = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m", "PYSPARK_PYTHON": sys.executable}
    environment = {**os.environ, **quick(folder), **own}
    with contextlib.ExitStack() as stack:

        def started(what: str, name: str, *options: str) -> Daemon:
            daemon = Daemon(what, folder / name, environment, *options)
            stack.callback(daemon.kill)
            return daemon

        master = started("Master", "master")
        until(lambda: master.says(r"spark://[\w.]+:\d+"), "the master's address")
        url = master.says(r"spark://[\w.]+:\d+")
        options = ("--cores", "1", "--memory", "1g")
        workers = tuple(
            started("Worker", name, *options, "--work-dir", str(folder / name / "work"), url) for name in "ab"
        )
        for worker in workers:
            until(lambda worker=worker: worker.says("Successfully registered"), "a worker")  # type: ignore[misc]
        yield Cluster(url, workers, environment)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of some files, and types."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "t").mkdir()
    chance = np.random.default_rng(7)
    for number in range(4):
        rows = 100_000
        pre, post = chance.zipf(1.3, (2, rows)) % 2_000 + 576460752641833773
        ids = np.arange(number * rows, (number + 1) * rows)
        table = {"id": ids, "pre_pt_root_id": pre, "post_pt_root_id": post, "size": chance.integers(1, 99, rows)}
        pq.write_table(pa.table(table), folder / "t" / f"{number}.parquet", row_group_size=20_000)
    types = "".join(f"{576460752641833773 + number},{'abc'[number % 3]}\n" for number in range(1_500))
    (folder / "a.csv").write_text(f"root_id,cell_type\n{types}")
    return folder


def here(folder: Path, output: str, *words: str) -> bytes:
    """What the same command makes without Spark."""
    done = subprocess.run([sys.executable, "-m", "crantcli", *words, "-o", "here-" + output], cwd=folder, check=False)
    assert done.returncode == 0
    return (folder / ("here-" + output)).read_bytes()


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("connectivity t -t 3", "edges.parquet"),
        ("adjacency t -t 2 -a a.csv --pre cell_type=a", "matrix.npz"),
    ],
)
def test_a_cluster_answers_what_is_answered_here(cluster: Cluster, tables: Path, command: str, output: str) -> None:
    running = cluster.begun(tables, *command.split(), "-o", output)
    out, err = running.communicate(timeout=_ANSWER)
    assert (running.returncode, out) == (0, b""), err.decode()
    assert (tables / output).read_bytes() == here(tables, output, *command.split())


def test_a_worker_that_is_lost_costs_time_or_the_answer(cluster: Cluster, tables: Path) -> None:
    """What it has done is done again by the other one, or the command fails and leaves nothing."""
    words = ("connectivity", "t", "-t", "1", "--min-size", "2")
    for worker in cluster.workers:  # what they said of earlier questions
        for log in worker.work.glob("app-*/*/stderr"):
            log.unlink()
    running = cluster.begun(tables, *words, "-o", "lost.parquet")
    until(lambda: all(worker.busy for worker in cluster.workers), "a task on each worker")
    cluster.workers[0].kill()
    assert running.poll() is None, "the question was answered before a worker was lost"
    _, err = running.communicate(timeout=_ANSWER)
    assert running.returncode in (0, 1), err.decode()
    if running.returncode == 0:
        assert (tables / "lost.parquet").read_bytes() == here(tables, "lost.parquet", *words)
    else:
        assert err.decode().count("\n") == 1
        assert not list(tables.glob("*lost.parquet*"))
