"""Temporary files: their names tell who is writing, so that the next run can remove what a killed run left."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import time
from pathlib import Path

from crantcli.system import signals

_numbers = itertools.count()

#: A temporary name, for messages; its group is what the file is for.
TEMPORARY = r"\.([^/\\\"']+)\.crantcli-[A-Za-z0-9-]+-\d+-\d+\.tmp"

#: Characters that temporary names leave out: what is no text at all, and what would mislead in a message.
_NOT_IN_NAMES = re.compile(r"[^\w.,+=@#%~ ()-]")

#: Longest part of a name that is taken over: file systems allow 255 bytes in all.
_LONGEST = 150

#: What this process has begun to write, and has not yet removed or renamed.
_begun: dict[Path, int] = {}


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "-", os.uname().nodename)[:40] or "host"


def _plain(stem: str) -> str:
    """A stem as it stands in temporary names."""
    return _NOT_IN_NAMES.sub("_", stem).encode()[:_LONGEST].decode("utf-8", "ignore")


def is_text(name: str) -> bool:
    """Whether a name is UTF-8 text, as the engine wants names to be; systems take any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def temporary_name(stem: str) -> str:
    """A name for a temporary file or folder of this process."""
    return f".{_plain(stem)}.crantcli-{_host()}-{os.getpid()}-{next(_numbers)}.tmp"


def temporary_path(folder: Path, stem: str) -> Path:
    """A place for a temporary file or folder, which goes away where a signal ends the command."""
    while signals.leaving():  # in a thread that goes on while the main thread ends the process
        time.sleep(1)
    path = folder / temporary_name(stem)
    _begun[path] = os.getpid()
    return path


def sweep(folder: Path, stem: str) -> None:
    """Remove temporary files of that stem which a process that is gone left on this machine."""
    pattern = re.compile(re.escape(f".{_plain(stem)}.crantcli-{_host()}-") + r"(\d+)-\d+\.tmp(\..*)?")
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
    _begun.pop(path, None)


def forget(path: Path) -> None:
    """A temporary file has got its name, and is none any more."""
    _begun.pop(path, None)


def _remove_all() -> None:
    """Remove what this process has begun, while its other threads may still be writing."""
    for path in [path for path, process in _begun.items() if process == os.getpid()]:
        for _ in range(3):
            aside = path.with_name(f"{path.name}.gone")
            with contextlib.suppress(OSError):
                os.rename(path, aside)  # so that nothing new can be put into a folder
            remove(aside)
            if not path.exists():
                break
        with contextlib.suppress(OSError):
            for entry in os.scandir(path.parent):  # such as PATH.sorted
                if entry.name.startswith(path.name):
                    remove(Path(entry.path))


signals.on_leave(_remove_all)
