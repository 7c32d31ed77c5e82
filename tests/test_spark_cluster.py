"""Spark on a master and two workers, each a program of its own on this machine, one of which is lost on the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark_daemons import Cluster, running_cluster, until
from spark_session import missing, quick

pytestmark = [pytest.mark.spark, pytest.mark.skipif(bool(missing()), reason=missing())]

#: Seconds that a question may take.
_ANSWER = 300


#: Nothing begins before both workers are there, so that each has something to do.
_BOTH_WORK = """\
spark.cores.max 2
spark.scheduler.minRegisteredResourcesRatio 1.0
spark.scheduler.maxRegisteredResourcesWaitingTime 120s
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    settings = quick(folder)
    with (folder / "spark-defaults.conf").open("a", encoding="utf-8") as more:
        more.write(_BOTH_WORK)
    with running_cluster(folder, 2, settings=settings) as running:
        yield running


def begun(cluster: Cluster, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """A command that asks the cluster, in a folder."""
    asking = ["--engine", "spark", "--spark", cluster.url, "--max-memory", "512MB"]
    return subprocess.Popen(
        [sys.executable, "-m", "crantcli", *words, *asking], cwd=folder, env=cluster.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


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
    running = begun(cluster, tables, *command.split(), "-o", output)
    out, err = running.communicate(timeout=_ANSWER)
    assert (running.returncode, out) == (0, b""), err.decode()
    assert (tables / output).read_bytes() == here(tables, output, *command.split())


def test_a_worker_that_is_lost_costs_time_or_the_answer(cluster: Cluster, tables: Path) -> None:
    """What it has done is done again by the other one, or the command fails and leaves nothing."""
    words = ("connectivity", "t", "-t", "1", "--min-size", "2")
    for worker in cluster.workers:  # what they said of earlier questions
        for log in worker.work.glob("app-*/*/stderr"):
            log.unlink()
    running = begun(cluster, tables, *words, "-o", "lost.parquet")
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
