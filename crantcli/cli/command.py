"""What makes a function a command: its name, its place in the help, its options spelled out for Typer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, get_type_hints

from typer.models import OptionInfo

from crantcli.cli.help import SECTIONS
from crantcli.cli.names import declare, labels_of, refuse_empty_names


@dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes
    ----------
    name : str
        What the user types; the module has the same name.
    section : str
        Of the help.
    epilog : str
        What the help ends with: `Example: ` and a command line that runs, then paragraphs.
    after : str or None
        The command of the same section that comes before it in a pipeline, and in the help.
    function : callable
        What it does, as it was written.
    """

    name: str
    section: str
    epilog: str
    after: str | None
    function: Callable[..., None]

    @cached_property
    def spelled_out(self) -> Callable[..., None]:
        """The same, with each option as a parameter of its own. It takes a while, and few commands are called."""
        return _spelled_out(self.function)


_commands: dict[str, Command] = {}


def command(
    name: str, *, section: str, epilog: str, after: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command of the program.

    Parameters that are dataclasses of options are spelled out: each field is an option. Empty names are refused.

    Parameters
    ----------
    name, section, epilog, after
        As of a `Command`.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        found = _commands[name] = Command(name, section, epilog, after, function)
        declare(f"crantcli {name}", lambda: found.spelled_out.__annotations__)
        return function

    return register


def command_names() -> list[str]:
    """Names of commands: each module of the folder `commands` is one."""
    from crantcli.cli import commands

    return [module.name for module in iter_modules(commands.__path__)]


def find_command(name: str) -> Command:
    """A command by its name; no other is loaded."""
    import_module(f"crantcli.cli.commands.{name}")
    return _commands[name]


def find_commands() -> list[Command]:
    """All commands in the order of the help."""
    for name in command_names():
        find_command(name)
    return sorted(_commands.values(), key=lambda found: (SECTIONS.index(found.section), *_pipeline(found)))


def _pipeline(found: Command) -> tuple[str, ...]:
    """The names of the commands that come before one, and its own; these tuples sort as the commands do."""
    return (*(_pipeline(_commands[found.after]) if found.after else ()), found.name)


def _spelled_out(function: Callable[..., None]) -> Callable[..., None]:
    """The same function, which takes fields of dataclasses as parameters of its own."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in groups:
            parameters += _parameters(groups[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
    labels = labels_of({parameter.name: parameter.annotation for parameter in parameters})

    @functools.wraps(function)
    def called(**values: Any) -> None:
        refuse_empty_names(values, labels)
        for name, group in groups.items():
            members = {item.name: values.pop(item.name) for item in fields(group)}
            values[name] = group(**members)
        function(**values)

    del called.__wrapped__
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


@functools.cache
def _parameters(group: Any) -> list[inspect.Parameter]:
    """The fields of a dataclass of options as parameters, under its heading."""
    hints = get_type_hints(group, include_extras=True)
    heading = getattr(group, "heading", None)
    return [
        inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if item.default is MISSING else item.default,
            annotation=_under(hints[item.name], heading),
        )
        for item in fields(group)
    ]


def _under(hint: Any, heading: str | None) -> Any:
    """An option under a heading, unless it has one of its own."""
    kind, declared = hint.__origin__, hint.__metadata__[0]
    if not isinstance(declared, OptionInfo) or declared.rich_help_panel is not None:
        return hint
    declared = copy(declared)  # other groups may have the same option
    declared.rich_help_panel = heading
    return Annotated[kind, declared]
