"""What goes into every file we write, so that it can be told how it came about. No times, no paths, no secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crantcli import __version__
from crantcli.core.ledger import Ledger
from crantcli.core.questions.base import Inputs, Question, Results
from crantcli.core.relation import merge_filters

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
    filters = {"clean": rows.clean, "min_size": rows.min_size, "threshold": rows.threshold or 1}
    common = {
        **filters,
        "background_ids": [str(neuron) for neuron in rows.background],
        "coordinates": request.read.coordinates,
        **request.read.record(),
        "neuron_id_column": request.neuron_id_column,
        "cell_type_column": request.cell_type_column,
        "ignore_case": request.ignore_case or None,
        "neuropil": list(request.neuropil) or None,
        "mesh_scale": list(request.mesh_scale) if request.mesh_scale else None,
        "skeleton_units": request.skeletons.units if request.skeletons else None,
        **opener.live_record(),
    }
    options = {**common, **results.options}
    table = given.source
    return {
        "crantcli": __version__,
        "command": question.command,
        "kind": results.kind,
        "options": {name: value for name, value in options.items() if value not in (None, (), [])},
        "inputs": opener.records(),
        "ledger": results.ledger.as_dict(),
        "complete_for": results.completeness.as_dict(),
        "filters": merge_filters(table.filters, filters),
        "rows": results.rows,
        **({"read_as": table.read_as} if table.read_as else {}),
        **results.units,
        **results.facts,
        **({"selection": selection} if selection else {}),
    }


def table_record(
    command: str, kind: str, options: dict[str, Any], inputs: Sequence[dict[str, Any]], ledger: Ledger
) -> dict[str, Any]:
    """The provenance of a file that holds neither synapses nor what is counted from them.

    Parameters
    ----------
    command, kind : str
        The command, and what a row of the file stands for.
    options : dict
        Resolved options that bear on the content.
    inputs : sequence of dict
        Base name, size and fingerprint of every input.
    ledger : Ledger
        The file has as many rows as it kept.
    """
    return {
        "crantcli": __version__,
        "command": command,
        "kind": kind,
        "options": {name: value for name, value in options.items() if value not in (None, (), [])},
        "inputs": list(inputs),
        "ledger": ledger.as_dict(),
        "rows": ledger.kept,
    }
