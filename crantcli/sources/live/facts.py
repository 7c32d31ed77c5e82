"""Where a live data set is, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CaveFacts:
    """Where a data set is: the [cave] part of its description.

    Attributes
    ----------
    server : str
        Address of the global server.
    datastack : str
    synapse_table : str or None
        None means the one that the data stack names.
    """

    server: str
    datastack: str
    synapse_table: str | None = None
