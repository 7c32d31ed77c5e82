"""The provenance of what a question gives: its options, what was read for it, what became of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantcli.core.questions.base import Inputs, Question, Results
from crantcli.output import provenance

if TYPE_CHECKING:
    from crantcli.run.inputs import Opener
    from crantcli.run.request import Request


def record_of(question: Question, request: Request, opener: Opener, given: Inputs, results: Results) -> dict[str, Any]:
    """The provenance of results, apart from what is special about each output."""
    rows = results.rules or given.rows
    selection = {
        name: {"named": list(found.named), "neurons": len(found.ids)}
        for name, found in given.neurons.items()
        if found is not None
    }
    common = {
        "clean": rows.clean,
        "min_size": rows.min_size,
        "threshold": rows.threshold or 1,
        "background_ids": [str(neuron) for neuron in rows.background],
        "coordinates": request.read.coordinates,
        **request.read.record(),
        "neuron_id_column": request.neuron_id_column,
        "cell_type_column": request.cell_type_column,
        "ignore_case": request.ignore_case or None,
        "neuropil": list(request.neuropil) or None,
        "mesh_scale": list(request.mesh_scale) if request.mesh_scale else None,
        **opener.live_record(),
    }
    return provenance.build(
        question.command,
        results.kind,
        given.source,
        options={**common, **results.options},
        inputs=opener.records(),
        ledger=results.ledger,
        completeness=results.completeness,
        rows=results.rows,
        filters={"clean": rows.clean, "min_size": rows.min_size, "threshold": rows.threshold or 1},
        units=results.units,
        facts={**results.facts, **({"selection": selection} if selection else {})},
    )
