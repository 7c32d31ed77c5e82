"""The help: commands in sections; of a command its own options first, then under headings those that it shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperCommand

from crantcli.cli.values import plain_ones

#: Sections of commands, in their order: what the data say; what a data set is made of; its state on servers; files.
ASK, DATA, LIVE, LOOK = SECTIONS = ("Ask", "Data", "Live", "Look")

#: Headings of options that commands share, in their order.
INPUT, NEURONS, FILTERS, OUTPUT, SERVER, ENGINE = HEADINGS = (
    "Input", "Neurons", "Filters", "Output", "Server", "Engine",
)  # fmt: skip

#: Width of the column of names; meanings of longer ones start on a line of their own.
_NAMES_WIDTH = 30

#: Stands for a hyphen while lines are broken, so that no option is taken apart at one.
_WHOLE = "\N{NON-BREAKING HYPHEN}"


class GroupedCommand(TyperCommand):
    """A command, whose help lists options by heading."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, `--help` among them."""
        return plain_ones(super().get_params(ctx))

    def get_help(self, ctx: Any) -> str:
        """The whole text."""
        return super().get_help(ctx).replace(_WHOLE, "-")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what comes last."""
        if self.epilog:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(self.epilog.replace("-", _WHOLE))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, options of the command's own, and those under headings."""
        write_lists(formatter, by_title(self, ctx))


def by_title(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Title of the help of a command -> names and meaning of each argument or option under it, in the help's order."""
    rows: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Arguments", "Options", *HEADINGS)}
    for parameter in command.get_params(ctx):
        own = "Arguments" if parameter.param_type_name == "argument" else "Options"
        record = parameter.get_help_record(ctx)
        if record is not None:  # it is not hidden
            rows[getattr(parameter, "rich_help_panel", None) or own].append(record)
    return rows


def write_lists(formatter: Any, rows: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Write lists under titles, with the meanings of all in one column."""
    width = min(_NAMES_WIDTH, max(len(names) for listed in rows.values() for names, _ in listed))
    for title, listed in rows.items():
        if listed:
            with formatter.section(title):
                rows_of_text = [(names.ljust(width), meaning.replace("-", _WHOLE)) for names, meaning in listed]
                formatter.write_dl(rows_of_text, col_max=_NAMES_WIDTH)
