"""The questions: one verb, one file. Their classes are looked up when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crantcli.core.questions.adjacency import Adjacency
    from crantcli.core.questions.attach import Attach
    from crantcli.core.questions.connectivity import Connectivity
    from crantcli.core.questions.counts import Counts
    from crantcli.core.questions.nested import Nested
    from crantcli.core.questions.neuropil import Neuropil
    from crantcli.core.questions.synapses import Synapses

__all__ = ["Adjacency", "Attach", "Connectivity", "Counts", "Nested", "Neuropil", "Synapses"]


def __getattr__(name: str) -> Any:
    """Import a question when it is first used (PEP 562): each has a module of its name."""
    if name not in __all__:
        raise AttributeError(f"module 'crantcli.core.questions' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"crantcli.core.questions.{name.lower()}"), name)


def __dir__() -> list[str]:
    """Names of the questions."""
    return sorted(__all__)
