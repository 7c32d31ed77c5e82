"""`python -m crantcli` and the `crantcli` command."""

from __future__ import annotations

from crantcli.system import signals

signals.install()  # before anything else is loaded, which takes a while

import gc  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

#: Objects after which Python looks for circles of those that nobody needs. Nearly all are modules and classes, which
#: stay: to look through them every 700 objects, as usual, takes a tenth of a short run.
_OBJECTS = 50_000


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _open_closed_streams()
    gc.set_threshold(_OBJECTS, 10, 10)
    from crantcli.cli.app import end, run

    code = run(sys.argv[1:])
    signals.ignore()
    end(code)


def _open_closed_streams() -> None:
    """Put the null device where stdin, stdout or stderr is closed, so that no file gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


if __name__ == "__main__":
    main()
