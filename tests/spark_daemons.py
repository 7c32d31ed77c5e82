"""A master and workers of Spark, each a program of its own on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from waiting import wait_for


def until(found: Callable[[], object], what: str) -> None:
    """Wait for something for as long as a Java may take to start."""
    assert wait_for(found, seconds=120), f"{what} was waited for in vain"


class Daemon:
    """A master or a worker. Its Java takes the place of the script that starts it, and so has its number."""

    def __init__(self, what: str, folder: Path, environment: Mapping[str, str], *options: str) -> None:
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
    environment: Mapping[str, str]


@contextlib.contextmanager
def running_cluster(
    folder: Path, workers: int, memory: str = "1g", settings: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Start a master and workers with one core each, and end them."""
    own = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m", "PYSPARK_PYTHON": sys.executable}
    environment = {**os.environ, **(settings or {}), **own}
    with contextlib.ExitStack() as stack:

        def started(what: str, name: str, *options: str) -> Daemon:
            daemon = Daemon(what, folder / name, environment, *options)
            stack.callback(daemon.kill)
            return daemon

        master = started("Master", "master")
        until(lambda: master.says(r"spark://[\w.]+:\d+"), "the master's address")
        url = master.says(r"spark://[\w.]+:\d+")
        options = ("--cores", "1", "--memory", memory)
        names = [f"worker-{number}" for number in range(workers)]
        begun = tuple(
            started("Worker", name, *options, "--work-dir", str(folder / name / "work"), url) for name in names
        )
        for worker in begun:
            until(lambda worker=worker: worker.says("Successfully registered"), "a worker")  # type: ignore[misc]
        yield Cluster(url, begun, environment)
