"""Assembles the commands, and turns errors into one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from typing import Annotated, Any

import typer
from typer.main import get_command

from crantcli import __version__
from crantcli.cli.command import command_names
from crantcli.cli.console import error_line
from crantcli.cli.group import SectionedGroup
from crantcli.errors import INTERRUPTED, CrantError, DefectError, UsageError

app = typer.Typer(
    name="crantcli",
    cls=SectionedGroup,
    help="Connectivity from connectome synapse tables: which neuron talks to which, and how strongly.",
    epilog=(
        "The commands chain through files: synapses -> connectivity -> adjacency -> counts. "
        "Start with: crantcli connectivity SYNAPSES.parquet -t 5 -o edges.parquet"
    ),
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        print(f"crantcli {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Connectivity from connectome synapse tables: which neuron talks to which, and how strongly."""


def run(arguments: list[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.

    Returns
    -------
    int
        The exit code.
    """
    known = command_names()
    label = " ".join(["crantcli", *[word for word in arguments[:1] if word in known]])
    try:
        code = _call(arguments or ["--help"])
        _flush()
        return code
    except KeyboardInterrupt:  # of another program's; that of the command ends it (see signals)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has what it wants.
        _silence_stdout()
        return 0
    except Exception as error:
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        code = _report(label, error)
        _drop_unwritten()
        return code


def end(code: int) -> None:
    """End the process: all is closed and written, and to take its modules apart takes a tenth of a short run."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@functools.cache
def _command() -> Any:
    return get_command(app)


def _call(arguments: list[str]) -> int:
    """Call Typer, which ends the process by itself where a pipe is closed."""
    try:
        return int(_command()(arguments, prog_name="crantcli", standalone_mode=False) or 0)
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            raise stop.__context__ from None
        raise


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CrantError(f"stdout: cannot be written ({error.strerror})") from None


def _drop_unwritten() -> None:
    """After an error, let what stdout did not take go nowhere: Python would try once more at exit, and end with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence_stdout()


def _silence_stdout() -> None:
    """Send what is still to come to nowhere: Python flushes stdout once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(label: str, error: Exception) -> int:
    message: Any = getattr(error, "format_message", None)
    if isinstance(error, CrantError):
        error_line(label, f"{error.message} with --debug" if isinstance(error, DefectError) else error.message)
        return error.exit_code
    if message is not None:  # what Typer raises for the command line itself
        text = " ".join((message() or "no command given").split())
        error_line(label, f"{text.rstrip('.')} (see {label} --help)")
        return UsageError.exit_code
    if isinstance(error, OSError):
        error_line(label, f"{error.filename or 'a file or stdout'}: {error.strerror or error}")
        return CrantError.exit_code
    if isinstance(error, MemoryError):
        error_line(label, "out of memory; give it a smaller question, or a machine with more")
        return CrantError.exit_code
    error_line(label, f"unexpected {type(error).__name__}: {error}; this is a defect, please report it with --debug")
    return CrantError.exit_code
