"""The program as a group of commands, of which those that are called are loaded."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from crantcli.cli.command import Command, command_names, find_command, find_commands
from crantcli.cli.help import SECTIONS, GroupedCommand, by_title, write_lists
from crantcli.cli.values import plain_ones


class SectionedGroup(TyperGroup):
    """The program, whose help lists commands by section."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, `--help` among them."""
        return plain_ones(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, in the order of the help."""
        return [found.name for found in find_commands()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name; None where there is none, and then all of them are known, to name one like it."""
        names = command_names()
        for name in [cmd_name] if cmd_name in names else self.list_commands(ctx):
            if name not in self.commands:
                self.commands[name] = _built(find_command(name))
        return self.commands.get(cmd_name)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, and the options below them."""
        found = find_commands()
        # What is longer than a line is cut.
        limit = formatter.width - 6 - max(len(each.name) for each in found)
        rows: dict[str, list[tuple[str, str]]] = {section: [] for section in SECTIONS}
        for each in found:
            told = TyperCommand(each.name, help=each.function.__doc__).get_short_help_str(limit)
            rows[each.section].append((each.name, told))
        write_lists(formatter, rows)
        write_lists(formatter, by_title(self, ctx))


def _built(found: Command) -> Any:
    """A command as Typer makes it of a function."""
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(found.name, cls=GroupedCommand, epilog=found.epilog, rich_help_panel=found.section)(found.spelled_out)
    return get_command(alone)
