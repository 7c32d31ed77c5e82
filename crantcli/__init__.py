"""Connectivity from connectome synapse tables: which neuron talks to which, and how strongly.

`import crantcli as cc` costs nothing heavy: names are looked up when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from crantcli.api.ask import ask
    from crantcli.api.collection import All, NeuropilCollection
    from crantcli.api.functions import get_adjacency, get_connectivity, get_synapse_counts, get_synapses
    from crantcli.api.links import neuroglancer_state
    from crantcli.api.navis import attach_synapses
    from crantcli.api.nested import DirectedNestedMatrix, NestedMatrix
    from crantcli.api.parts import merge_parts, partition_table
    from crantcli.api.reports import report
    from crantcli.api.updates import update_ids
    from crantcli.core import questions
    from crantcli.errors import CrantError, CrantWarning, DataError, UsageError
    from crantcli.ids import NeuronCriteria
    from crantcli.remote.settings import LiveOptions

_HOMES = {
    "ask": "api.ask",
    "get_synapses": "api.functions",
    "get_adjacency": "api.functions",
    "get_connectivity": "api.functions",
    "get_synapse_counts": "api.functions",
    "neuroglancer_state": "api.links",
    "merge_parts": "api.parts",
    "partition_table": "api.parts",
    "report": "api.reports",
    "update_ids": "api.updates",
    "LiveOptions": "remote.settings",
    "NestedMatrix": "api.nested",
    "DirectedNestedMatrix": "api.nested",
    "NeuropilCollection": "api.collection",
    "All": "api.collection",
    "attach_synapses": "api.navis",
    "NeuronCriteria": "ids",
    "CrantError": "errors",
    "CrantWarning": "errors",
    "DataError": "errors",
    "UsageError": "errors",
}

__all__ = [
    "ask",
    "questions",
    "get_synapses",
    "get_adjacency",
    "get_connectivity",
    "get_synapse_counts",
    "merge_parts",
    "partition_table",
    "update_ids",
    "neuroglancer_state",
    "report",
    "LiveOptions",
    "NestedMatrix",
    "DirectedNestedMatrix",
    "NeuropilCollection",
    "All",
    "attach_synapses",
    "NeuronCriteria",
    "CrantError",
    "CrantWarning",
    "DataError",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    from importlib import import_module

    if name == "questions":
        return import_module("crantcli.core.questions")
    if name not in _HOMES:
        raise AttributeError(f"module 'crantcli' has no attribute {name!r}")

    return getattr(import_module(f"crantcli.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Public names."""
    return sorted(__all__)
