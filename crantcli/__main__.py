"""`python -m crantcli` and the `crantcli` command."""

from __future__ import annotations

from crantcli.system import signals

signals.install()  # before anything else is loaded, which takes a while

import os  # noqa: E402
import sys  # noqa: E402


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _open_closed_streams()
    from crantcli.cli.app import run

    code = run(sys.argv[1:])
    signals.ignore()
    sys.exit(code)


def _open_closed_streams() -> None:
    """Put the null device where stdin, stdout or stderr is closed, so that no file gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


if __name__ == "__main__":
    main()
