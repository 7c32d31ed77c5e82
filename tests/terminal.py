"""Reading what a program writes to a terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time


def read_terminal(descriptor: int, process: subprocess.Popen[bytes], until: bytes | None = None) -> bytes:
    """What a process writes to a terminal, to its end or until something has come."""
    found, end = b"", time.monotonic() + 60
    while time.monotonic() < end and (until is None or until not in found):
        ready = select.select([descriptor], [], [], 0.05)[0]
        if ready:
            try:
                found += os.read(descriptor, 1 << 16)
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None and not select.select([descriptor], [], [], 0)[0]:
            break
    return found


def on_screen(written: bytes) -> list[str]:
    """The lines that a terminal shows in the end, empty ones left out."""
    lines, row, column = [""], 0, 0
    for mark in re.finditer(r"\x1b\[\??(\d*)[\d;]*([A-Za-z])|\r|\n|.", written.decode()):
        if mark[0] == "\r":
            column = 0
        elif mark[0] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif mark[2] == "A":  # cursor up
            row -= int(mark[1] or 1)
        elif mark[2] == "K":  # erase the line
            lines[row] = ""
        elif not mark[2]:
            lines[row] = lines[row].ljust(column)[:column] + mark[0] + lines[row][column + 1 :]
            column += 1
    return [line for line in lines if line]
