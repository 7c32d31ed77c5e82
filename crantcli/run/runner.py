"""Runs a question: opens what it needs, lets it answer, and passes the answer on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from crantcli.core.question import Output
from crantcli.core.questions.base import Needs, Question, Results
from crantcli.engine.duckdb import Engine
from crantcli.engine.explain import explained_inputs
from crantcli.errors import ConditionError
from crantcli.remote.progress import Progress
from crantcli.run.engines import engine_of, refuse_engine
from crantcli.run.inputs import Opener
from crantcli.run.record import record_of
from crantcli.run.request import Request, Settings
from crantcli.sources.datasets import find_dataset
from crantcli.sources.tables.access import engine_files


class Sink(Protocol):
    """Takes what a question gives. A context manager, around everything: what it leaves on an error is its business."""

    @property
    def wanted(self) -> frozenset[str]:
        """Names of the outputs that it takes."""
        ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def paths(self) -> list[Path]:
        """What the engine must be let into."""
        ...

    def check_names(self, inputs: Sequence[str]) -> None:
        """Refuse destinations that are read, too, by the names that were given, before anything is opened."""
        ...

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse destinations that are inputs, or cannot be written."""
        ...

    def working(self, engine: Engine, progress: Progress) -> AbstractContextManager[None]:
        """Around all work, to show how far it is."""
        ...

    def take(self, name: str, output: Output, results: Results, record: Mapping[str, Any], engine: Engine) -> None:
        """Take an output that is wanted."""
        ...

    def finish(self, results: Results, opener: Opener) -> None:
        """All have been taken."""
        ...


def run_question(question: Question, request: Request, settings: Settings, sink: Sink) -> Results:
    """Answer a question.

    Parameters
    ----------
    question : Question
    request : Request
        What it is asked about.
    settings : Settings
    sink : Sink
        Takes the outputs that it wants.

    Raises
    ------
    CrantError
        Of the kind that says whose fault it is. Nothing is half written then.
    """
    needs = question.needs()
    with opened(request, settings, sink, needs, question=question) as opener:
        given = opener.open(question, request, sink.check)
        results = question.run(
            opener.engine, given, sink.wanted, lambda results: record_of(question, request, opener, given, results)
        )
        pass_on(results, sink, opener, list(question.outputs), record_of(question, request, opener, given, results))
    if results.failed:
        raise ConditionError(f"{' and '.join(results.failed)}, which was to be an error; everything is written")
    return results


@contextmanager
def opened(
    request: Request, settings: Settings, sink: Sink, needs: Needs | None = None, *, question: Question | None = None
) -> Iterator[Opener]:
    """Start the engine, and let what is written appear at the end or leave nothing behind.

    Parameters
    ----------
    request, settings, sink
        As for `run_question`.
    needs : Needs, optional
        Of which the neurons are looked at.
    question : Question, optional
        What is asked about synapses: the data set must have some, where no source is given.
    """
    needs = needs or Needs({})
    names = request.names(needs)
    request.check(needs)
    sink.check_names(names)
    dataset = find_dataset(request.dataset)
    refuse_engine(settings, request, question, dataset)
    if question is not None and request.has_no_source and dataset is not None and dataset.live is None:
        dataset.synapse_file()
    # What is being written can be removed only when the engine has stopped writing it.
    with sink:
        files = [*engine_files(*request.tables, *names, dataset=dataset, live=settings.live), *sink.paths]
        with engine_of(settings, files) as engine:
            opener = Opener(engine, dataset, settings.live)
            opener.null_text = request.read.null_text
            with sink.working(engine, settings.live.policy.progress), explained_inputs(engine.reading):
                yield opener


def pass_on(results: Results, sink: Sink, opener: Opener, outputs: Sequence[str], record: Mapping[str, Any]) -> None:
    """Let a sink take the outputs that it wants, in their order."""
    for name in outputs:
        if name in sink.wanted:
            sink.take(name, results.outputs[name], results, record, opener.engine)
    opener.check_unchanged()
    sink.finish(results, opener)
