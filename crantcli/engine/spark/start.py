"""Starts Spark, or says what is missing."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crantcli.errors import CrantError, UsageError
from crantcli.text import P

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: The oldest that can be used.
PYSPARK, JAVA = 4, 17

#: What statements mean is settled here, whatever is configured elsewhere.
_MEANING = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.orderByOrdinal": "true",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.variable.substitute": "false",
    # Or rows could go twice, or not at all, where a task is done again.
    "spark.sql.execution.sortBeforeRepartition": "true",
}

#: What may be configured elsewhere.
_DEFAULTS = {
    "spark.app.name": "crantcli",
    "spark.driver.maxResultSize": "0",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.scheduler.mode": "FIFO",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def check_installed() -> None:
    """Refuse to go on where PySpark or Java is missing, before there is work to be lost.

    Raises
    ------
    UsageError
    """
    if importlib.util.find_spec("pyspark") is None:
        raise UsageError(
            f"{P.engine('spark')} needs the package pyspark, which is not installed; pip install 'crantcli[spark]'"
        )
    import pyspark

    if int(pyspark.__version__.split(".")[0]) < PYSPARK:
        raise UsageError(
            f"{P.engine('spark')} needs PySpark {PYSPARK} or newer, and {pyspark.__version__} is installed; "
            "pip install 'crantcli[spark]'"
        )
    needed = f"{P.engine('spark')} needs Java {JAVA} or newer"
    java = _java()
    if java is None:
        raise UsageError(f"{needed}, and there is none; install one (a JRE will do), or set JAVA_HOME")
    found = _java_version(java)
    if found is None:
        raise UsageError(f"{needed}, and {java} does not say which it is; set JAVA_HOME to another")
    if found < JAVA:
        raise UsageError(f"{needed}, and {java} is Java {found}; set JAVA_HOME to a newer one")


def _java() -> str | None:
    """The Java that Spark would start."""
    home = os.environ.get("JAVA_HOME")
    if home:
        path = Path(home, "bin", "java")
        return str(path) if os.access(path, os.X_OK) else None
    return shutil.which("java")


def _java_version(java: str) -> int | None:
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found[1]) if found else None


def spark_started(master: str | None, memory: int, threads: int, scratch: Path) -> tuple[SparkSession, bool]:
    """Start Spark, or take what runs in this process.

    Parameters
    ----------
    master : str or None
        Where it runs; None for threads of this machine.
    memory, threads : int
        What it may take of this machine.
    scratch : Path
        A folder for what it keeps on disk, where it runs on this machine alone.

    Returns
    -------
    tuple
        A session of its own, whose views nobody else sees, and whether Spark was started for it.

    Raises
    ------
    CrantError
    """
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    running = SparkContext._active_spark_context
    if running is None:
        context = _context(master, memory, threads, scratch)
    else:
        context = running
        if master is not None and context.master != master:
            raise UsageError(f"{P.spark(master)}: Spark runs in this process already, with {context.master}")
    found = SparkSession(context).newSession()
    for name, value in _MEANING.items():
        found.conf.set(name, value)
    return found, running is None


def partitions_of(found: SparkSession, parts: int) -> dict[str, str]:
    """Settings with which what is sorted, or grouped anew, comes in at least so many partitions."""
    usual = int(found.conf.get("spark.sql.shuffle.partitions") or 1)
    return {
        "spark.sql.shuffle.partitions": str(max(parts, usual)),
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
    }


@contextlib.contextmanager
def settings(found: SparkSession, chosen: Mapping[str, str]) -> Iterator[None]:
    """Settings of a session, until the block ends."""
    before = {name: found.conf.get(name) for name in chosen}
    try:
        for name, value in chosen.items():
            found.conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            found.conf.set(name, value)


def stop_spark(found: SparkSession) -> None:
    """Stop Spark, and its Java, which keeps files in the scratch folder."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    with contextlib.suppress(Exception):  # it may have gone by itself
        found.sparkContext.stop()
    java = getattr(gateway, "proc", None)
    if java is not None:
        with contextlib.suppress(Exception):
            gateway.shutdown()
        with contextlib.suppress(OSError):
            java.stdin.close()  # for which it waits
        try:
            java.wait(20)
        except subprocess.TimeoutExpired:
            java.kill()
            java.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _context(master: str | None, memory: int, threads: int, scratch: Path) -> Any:
    import logging

    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway

    # It tells errors by itself, with all that they stem from.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    scratch = scratch.resolve()
    log, home = scratch / "spark.log", scratch / "spark"
    home.mkdir(exist_ok=True)
    first = SparkConf(loadDefaults=False).set("spark.driver.memory", f"{max(memory >> 20, 512)}m")
    if master is None:
        first.set("spark.driver.host", "127.0.0.1").set("spark.driver.bindAddress", "127.0.0.1")
    try:
        with log.open("wb") as told:
            gateway = launch_gateway(first, {"stdout": told, "stderr": told})
        conf = SparkConf(_jvm=gateway.jvm)
        for name, value in _DEFAULTS.items():
            conf.setIfMissing(name, value)
        conf.set("spark.sql.warehouse.dir", (home / "warehouse").as_uri())
        if master is not None:
            conf.setMaster(master)
        else:
            conf.setMaster(f"local[{threads}]")
            conf.setIfMissing("spark.local.dir", str(home))
            conf.setIfMissing("spark.sql.shuffle.partitions", str(max(8, 4 * threads)))
        interrupted = signal.getsignal(signal.SIGINT)
        made = SparkContext(conf=conf, gateway=gateway)
        if master is None and "PYSPARK_PYTHON" not in os.environ:
            made.pythonExec = sys.executable  # where crantcli is installed
        if threading.current_thread() is threading.main_thread():
            # It takes Ctrl-C for itself; here the engine is closed then, and it with it.
            signal.signal(signal.SIGINT, interrupted)
        return made
    except (PySparkException, Py4JError, OSError) as error:
        raise CrantError(
            f"{P.spark(master) if master else P.engine('spark')}: Spark does not start ({_reason(log, error)})"
        ) from None


def _reason(log: Path, error: Exception) -> str:
    """What Spark says of why it does not start."""
    thrown = getattr(error, "java_exception", None)
    if thrown is not None:
        return str(thrown.toString()).splitlines()[0]
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    told = [line for line in lines if re.search(r"(Exception|Error)\b.*: \S", line)]
    return (told[-1] if told else str(error).strip().splitlines()[0]).strip()
