"""What takes the matrices of a question for Python callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crantcli.api.frames import FrameSink, frame_of
from crantcli.core.question import Output, Page
from crantcli.core.questions.base import Results
from crantcli.engine.duckdb import Engine
from crantcli.run.inputs import Opener

if TYPE_CHECKING:
    from crantcli.core.questions.neuropil import NeuropilMatrices


class MatrixSink(FrameSink):
    """Leaves the matrix as it is."""

    def take(self, name: str, output: Output, results: Results, record: Mapping[str, Any], engine: Engine) -> None:
        """The matrix is in the results."""


class PageSink(FrameSink):
    """Takes a page as the text of its file."""

    page: str

    def take(self, name: str, output: Output, results: Results, record: Mapping[str, Any], engine: Engine) -> None:
        """Make the page."""
        from crantcli.output.pages.document import make_page

        assert isinstance(output, Page)
        made = make_page(output, record)
        self.page = made.content.decode()
        results.notes += made.notes


class AssignmentSink(FrameSink):
    """Takes the table that says in which neuropils synapses lie."""

    wanted = frozenset()

    def finish(self, results: Results, opener: Opener) -> None:
        """Make it, while the engine is there."""
        self.make(results.subject, results, opener)
        unplaced = results.facts["assigned"]["without_position"]
        if unplaced:
            results.notes.append(f"{unplaced:,} {results.ledger.unit} have no position and lie in no neuropil")
        super().finish(results, opener)

    def make(self, work: NeuropilMatrices, results: Results, opener: Opener) -> None:
        """Make what is taken."""
        self.frame = frame_of(opener.engine, work.assignments().query)


class CollectionSink(AssignmentSink):
    """Takes the matrix of each neuropil."""

    def make(self, work: NeuropilMatrices, results: Results, opener: Opener) -> None:
        """Make them, one after the other."""
        self.made = {name: result.blocks for name, result in work.each(results)}
        self.counts = {name: (held.synapses, held.pairs or 0, held.neurons or 0) for name, held in work.counts.items()}
