"""Values of options that are plainly right are taken as they are.

Typer has each of them looked at by pydantic, which takes longer to load than most questions take to answer. What is not
plain goes the usual way, and is refused in Typer's words.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, get_args, get_origin

#: Stands for a value that Typer has to look at.
UNSURE = object()


def plain_ones(parameters: list[Any]) -> list[Any]:
    """The same parameters of a command, which take plain values without pydantic."""
    for parameter in parameters:
        _take_plain_values(parameter)
    return parameters


def _take_plain_values(parameter: Any) -> None:
    if "process_value" in vars(parameter):  # it does already
        return
    usual = parameter.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        found = plain_value(parameter, value)
        if found is UNSURE or (parameter.required and parameter.value_is_missing(found)):
            return usual(ctx, value)
        return parameter.callback(ctx, parameter, found) if parameter.callback else found

    parameter.process_value = process_value


def plain_value(parameter: Any, value: Any) -> Any:
    """A value as Typer would have it, or `UNSURE`."""
    kind = parameter.type_descriptor.annotation
    if value is None:
        return () if parameter.multiple or parameter.nargs == -1 else None
    if get_origin(kind) is list and isinstance(value, list | tuple):
        found = [_plain(item, get_args(kind)[0], parameter) for item in value]
        return UNSURE if UNSURE in found else found
    return _plain(value, kind, parameter)


def _plain(value: Any, kind: Any, parameter: Any) -> Any:
    if kind is str:
        return value if type(value) is str else UNSURE
    if kind is bool:
        return value if type(value) is bool else UNSURE
    if kind in (int, float):
        return _number(value, kind, parameter)
    choices = {choice.value: choice for choice in kind} if isinstance(kind, type) and issubclass(kind, Enum) else None
    choices = choices or {choice: choice for choice in parameter.type_descriptor.choices or ()}
    return choices.get(value, UNSURE) if isinstance(value, str) else UNSURE


def _number(value: Any, kind: Any, parameter: Any) -> Any:
    """A default, or a number of digits alone, between the limits."""
    if type(value) is str and re.fullmatch(r"[0-9]{1,15}" if kind is int else r"[0-9]{1,15}(\.[0-9]{1,15})?", value):
        value = kind(value)
    if type(value) is not kind:
        return UNSURE
    low, high = parameter.min, parameter.max
    return value if (low is None or low <= value) and (high is None or value <= high) else UNSURE
