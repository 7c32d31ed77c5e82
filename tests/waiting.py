"""Waiting for what another process or thread brings about."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes] | None = None, seconds: float = 60) -> bool:
    """Wait until something is so, the process has ended, or time is up; whether it is so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition() and (process is None or process.poll() is None):
        time.sleep(0.002)
    return bool(condition())
