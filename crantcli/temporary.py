"""Names of temporary files, which tell who is writing, so that the next run can remove what a killed run left."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import socket
from pathlib import Path

_numbers = itertools.count()

#: A temporary name, for messages; its group is what the file is for.
TEMPORARY = r"\.([^/\\\"']+)\.crantcli-[A-Za-z0-9-]+-\d+-\d+\.tmp"


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "-", socket.gethostname())[:40] or "host"


def temporary_name(stem: str) -> str:
    """A name for a temporary file or folder of this process."""
    return f".{stem}.crantcli-{_host()}-{os.getpid()}-{next(_numbers)}.tmp"


def sweep(folder: Path, stem: str) -> None:
    """Remove temporary files of that stem which a process that is gone left on this machine."""
    pattern = re.compile(re.escape(f".{stem}.crantcli-{_host()}-") + r"(\d+)-\d+\.tmp(\..*)?")
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            match = pattern.fullmatch(entry.name)
            if match and not _alive(int(match[1])):
                remove(Path(entry.path))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
