"""One Spark for all tests of a process, and the same question put to both engines."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Crant, Outcome
from object_server import BUCKET
from strategies import Drawn

from crantcli.engine.spark import engine
from crantcli.engine.spark.start import check_installed, spark_started, stop_spark
from crantcli.errors import UsageError

#: Small questions need no code of their own, nor what pays after minutes only.
_QUICK = """\
spark.sql.codegen.wholeStage false
spark.sql.codegen.factoryMode NO_CODEGEN
spark.sql.shuffle.partitions 2
spark.default.parallelism 2
"""

#: Hadoop has no connector for s3a:// among Spark's own packages, and there is no server for hdfs://; here it takes such
#: addresses for files of a folder.
_BUCKET = """\
spark.hadoop.fs.s3a.impl org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme
spark.hadoop.fs.hdfs.impl org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme
spark.hadoop.fs.viewfs.mounttable.{bucket}.linkFallback {folder}
"""


def missing() -> str:
    """Why there is no Spark here, or ""."""
    try:
        check_installed()
    except UsageError as error:
        return str(error)
    return ""


def quick(folder: Path) -> dict[str, str]:
    """An environment in which Spark is there sooner, and finds a bucket in the folder `objects` there."""
    objects = folder / "objects"
    objects.mkdir()
    settings = _QUICK + _BUCKET.format(bucket=BUCKET, folder=objects.as_uri())
    (folder / "spark-defaults.conf").write_text(settings, encoding="utf-8")
    option = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    return {"SPARK_CONF_DIR": str(folder), "SPARK_SUBMIT_OPTS": option, "SPARK_LAUNCHER_OPTS": option}


@contextmanager
def running_spark() -> Iterator[tuple[Any, Path]]:
    """Spark on this machine, for all engines of this process, and the folder in which it finds objects."""
    with tempfile.TemporaryDirectory() as folder:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in quick(Path(folder)).items():
                patch.setenv(name, value)
            found, started = spark_started(None, 10**9, 2, Path(folder))
        assert started
        try:
            yield found, Path(folder, "objects")
        finally:
            stop_spark(found)


@dataclass(frozen=True)
class Answer:
    """What a run on one engine left behind."""

    outcome: Outcome
    files: dict[str, bytes]


def on(
    name: str,
    crant: Crant,
    *arguments: object,
    outputs: tuple[str, ...] = ("out.parquet",),
    stdin: bytes = b"",
    keep: bool = False,
) -> Answer:
    """Ask one engine, and take away what it wrote.

    The first output is that of `-o`, unless another option names it.
    """
    main = [] if outputs[0] in arguments else ["-o", outputs[0]]
    outcome = crant(*arguments, *main, "--engine", name, stdin=stdin)
    files: dict[str, bytes] = {}
    for path in map(Path, () if keep else outputs):
        if path.is_dir():
            files |= {f"{path}/{file.name}": file.read_bytes() for file in path.iterdir()}
            shutil.rmtree(path)
        elif path.exists():
            files[str(path)] = path.read_bytes()
            path.unlink()
    return Answer(outcome, files)


def on_both(
    crant: Crant,
    *arguments: object,
    outputs: tuple[str, ...] = ("out.parquet",),
    gathered: int | None = None,
    sorted_rows: str = "",
) -> Answer:
    """Ask both engines: code, notes and every byte of the files are the same.

    `gathered` is the number of rows up to which results of Spark come here before the end; of the file `sorted_rows`
    the order of rows may differ.
    """
    ours = on("duckdb", crant, *arguments, outputs=outputs)
    with pytest.MonkeyPatch.context() as patch:
        if gathered is not None:
            patch.setattr(engine, "GATHERED", gathered)
        theirs = on("spark", crant, *arguments, outputs=outputs)
    assert theirs.outcome.code == ours.outcome.code, theirs.outcome.err
    if ours.outcome.code == 0:
        assert theirs.outcome.err == ours.outcome.err
        assert theirs.outcome.out == ours.outcome.out
        assert set(theirs.files) == set(ours.files)
        assert {name.split("/")[0] for name in ours.files} == set(outputs) - {"-"}
        differ = [name for name in ours.files if theirs.files[name] != ours.files[name]]
        assert differ in ([], [sorted_rows])
        if differ:
            one, other = (pq.read_table(pa.BufferReader(answer.files[sorted_rows])) for answer in (ours, theirs))
            assert one.schema.equals(other.schema, check_metadata=True)
            order = [(name, "ascending") for name in one.column_names]
            assert one.sort_by(order).equals(other.sort_by(order))
    else:
        assert not theirs.files
    return theirs


def drawn_options(chance: random.Random, table: Drawn) -> list[str]:
    """Which rows count."""
    options = [] if chance.random() < 0.7 else ["--no-clean"]
    if table.has("size") and chance.random() < 0.5:
        options += ["--min-size", str(chance.choice([0, 1, 2, 3]))]
    if chance.random() < 0.6:
        options += ["-t", str(chance.choice([1, 2, 3]))]
    return options
