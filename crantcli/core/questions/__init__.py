"""The questions: one verb, one file, found by their place. Their classes are looked up when they are first used."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

#: A class for each module, with its name and a capital.
__all__ = [module.name.capitalize() for module in iter_modules(__path__) if module.name != "base"]


def __getattr__(name: str) -> Any:
    """Import a question when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'crantcli.core.questions' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.lower()}"), name)


def __dir__() -> list[str]:
    """Names of the questions."""
    return sorted(__all__)
