"""Imports what commands import, and what servers.py does, in the process that runs of them are forked from."""

import sys
from pathlib import Path

from forking import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cave_server  # noqa: F401
import mesh_sources  # noqa: F401
import seatable_server  # noqa: F401

load()
