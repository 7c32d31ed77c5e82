"""The one object that owns stdout and stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Protocol

from crantcli.cli.names import flags_of
from crantcli.system import signals
from crantcli.text import as_flags, flags_in

#: Columns of a table that is shown on a terminal.
_WIDEST = 12


class Busy(Protocol):
    """Something that can tell how far it is."""

    def progress(self) -> float:
        """Percent, or -1."""
        ...


class Talkative(Busy, Protocol):
    """Something that can tell what it does, too."""

    def describe(self) -> str:
        """In words; "" for nothing."""
        ...


class Console:
    """Says things: data and JSON on stdout, everything else on stderr.

    Parameters
    ----------
    command : str
        Stands before each line on stderr.
    quiet : bool
        No notes. Errors are always said.
    """

    def __init__(self, command: str, quiet: bool = False) -> None:
        self._command, self._quiet = command, quiet

    def note(self, message: str) -> None:
        """Say something that the user should know."""
        if not self._quiet:
            error_line(self._command, message)

    def json(self, summary: dict[str, Any]) -> None:
        """Print the summary as one object. What cannot be printed in its texts is escaped, as JSON has it."""
        import json

        for line in json.dumps(flags_in(summary, flags_of(self._command)), ensure_ascii=False, indent=2).split("\n"):
            print("".join(mark if mark.isprintable() else json.dumps(mark)[1:-1] for mark in line))

    @property
    def stdout(self) -> BinaryIO:
        """Takes tables as bytes."""
        return sys.stdout.buffer

    @property
    def is_terminal(self) -> bool:
        """Whether somebody looks at stdout."""
        return sys.stdout.isatty()

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> None:
        """Show a short table on a terminal."""
        from rich.console import Console as Terminal
        from rich.table import Table

        shown = len(columns) if len(columns) <= _WIDEST else _WIDEST
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns[:shown]:
            table.add_column(printable(column), no_wrap=True)
        for row in rows:
            table.add_row(*map(_cell, row[:shown]))
        terminal = Terminal(highlight=False, markup=False)
        terminal.print(table)
        left_out = [f"{total:,} rows"] if total > len(rows) else []
        left_out += [f"{len(columns):,} columns"] if len(columns) > shown else []
        if left_out:
            terminal.print(f"... {' and '.join(left_out)} in all; write them with -o FILE")

    @contextlib.contextmanager
    def busy(self, label: str, status: Talkative, engine: Busy) -> Iterator[None]:
        """Show what goes on, else how far the engine is, on a terminal, for work that takes longer than a second."""
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(label, status, engine, done), daemon=True)
        signals.on_leave(_clear_line)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join(timeout=2)

    @staticmethod
    def _watch(label: str, status: Talkative, engine: Busy, done: threading.Event) -> None:
        if done.wait(1.0):
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        words = TextColumn("{task.description}", markup=False)
        columns = (SpinnerColumn(), words, BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Terminal(stderr=True), transient=True) as bar:
            bar.add_task(label, total=None)
            task = bar.tasks[0]
            while not done.wait(0.2):
                told = status.describe()
                percent = (status if told else engine).progress()
                known = 0 <= percent <= 100
                task.description = printable(told) or label
                task.total, task.completed = (100, percent) if known else (None, 0)


def _clear_line() -> None:
    """Take the bar away, and show the cursor again. Nothing comes to the terminal after that, such as the next bar."""
    number = sys.stderr.fileno()
    terminal = os.dup(number)
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    os.write(terminal, b"\r\x1b[2K\x1b[?25h")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def error_line(command: str, message: str) -> None:
    """Say what went wrong, as one line on stderr, with parameters as the options of the command."""
    message = as_flags(message, flags_of(command))
    # Twice, since escaping makes it longer, and takes a while where a message has a whole file in it.
    print(shortened(f"{command}: {printable(shortened(message))}"), file=sys.stderr)


#: Longest line on stderr. What stands in a file may be of any length.
_LONGEST = 2_000

#: Of a line that is too long, the end has what to do.
_END = 500


def shortened(line: str) -> str:
    """A line that can be read; what is left out is in the middle."""
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST - _END - 5]} ... {line[-_END:]}"


def printable(text: str) -> str:
    """A text as one line. What stands in a damaged file, or what a server says, must not steer the terminal.

    Line ends, escape sequences and other marks that do not print are shown as Python writes them, and bytes that are no
    text as bytes.
    """
    return "".join(mark if mark.isprintable() else _escaped(mark) for mark in text)


def _escaped(mark: str) -> str:
    byte = ord(mark) - 0xDC00  # PEP 383
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else mark.encode("unicode_escape").decode()
