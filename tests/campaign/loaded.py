"""Imports what commands import, in the process that runs of them are forked from."""

from forking import load

load()
