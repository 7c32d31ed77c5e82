"""Which engine answers, and what is asked of the embedded one only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from crantcli.core.addresses import Dataset
from crantcli.core.questions.base import Question
from crantcli.engine.duckdb import Engine
from crantcli.errors import UsageError
from crantcli.remote.objects import is_address
from crantcli.run.request import Request, Settings
from crantcli.text import P


def engine_of(settings: Settings, files: Iterable[str | os.PathLike[str]]) -> Engine:
    """The engine that was chosen, which may open these files."""
    limits = (settings.max_memory, settings.threads, settings.tmp_dir, files)
    if settings.engine == "duckdb":
        return Engine(*limits)
    from crantcli.engine.spark.engine import SparkEngine

    return SparkEngine(settings.spark, *limits, most=settings.max_result)


def refuse_engine(settings: Settings, request: Request, question: Question | None, dataset: Dataset | None) -> None:
    """Refuse what Spark does not answer, and its options where it is not asked.

    Raises
    ------
    UsageError
    """
    spark = P.engine("spark")
    if settings.engine == "duckdb":
        if settings.spark is not None:
            raise UsageError(f"{P.spark(settings.spark)} goes with {spark}")
        return
    if question is None:
        raise UsageError(f"{spark}: this command reads no large table, and has no use for Spark; leave {P.engine} out")
    if not question.spreads:
        raise UsageError(f"{spark}: {question.command} cannot be asked of Spark yet; leave {P.engine} out")
    if request.has_no_source and dataset is not None and dataset.live is not None:
        raise UsageError(f"{spark}: synapses that are fetched from a server are no large table; leave {P.engine} out")
    for name in request.names(question.needs()):
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name) and not is_address(name):
            raise UsageError(
                f"{spark}: {name} is an address that only Spark may know, and a table is looked at here first; mount "
                "it, or give s3:// or gs://"
            )
    if request.assignments is not None:
        raise UsageError(f"{spark}: {P.assignments} cannot be asked of Spark yet; leave one of the two out")
