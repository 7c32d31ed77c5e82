"""Names of open descriptors, such as /dev/stdin, /dev/fd/3, and what a shell puts in place of <(command)."""

from __future__ import annotations

import os
import re

from crantcli.errors import UsageError

#: Links that are followed before they are taken for a circle, as the system does it.
_MOST_LINKS = 40


def descriptor_of(name: str) -> int | None:
    """The number of the open descriptor that a name such as /dev/stdout or /dev/fd/3, or a link to one, stands for.

    Raises
    ------
    UsageError
        Where links lead in a circle.
    """
    path = os.path.join(os.getcwd(), name)
    ours = re.compile(rf"/proc/{os.getpid()}(/task/\d+)?/fd|/dev/fd")
    for _ in range(_MOST_LINKS):
        folder, base = os.path.realpath(os.path.dirname(path)), os.path.basename(path)
        if ours.fullmatch(folder) and re.fullmatch("[0-9]{1,9}", base):
            return int(base)
        try:
            path = os.path.join(folder, os.readlink(os.path.join(folder, base)))
        except (OSError, ValueError):  # no link
            return None
    raise UsageError(f"{name} is a link that leads in a circle; give a file name")
