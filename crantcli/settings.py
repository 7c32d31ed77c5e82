"""How servers are asked, and where what they gave is kept: said by the user, resolved and checked in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from crantcli.errors import UsageError
from crantcli.remote.retry import Patience


@dataclass(frozen=True)
class LiveOptions:
    """How a live data set is asked.

    Attributes
    ----------
    materialization : str
        `latest`, `live`, a number, or a time.
    update_ids, strict_ids : bool
        Bring IDs to the time that is queried; an ID for which that fails is an error.
    allow_missing : bool
        Between versions, synapses whose neurons are not looked up yet may be missing; else that is an error.
    lock : str or None
        A file that `crantcli lock` made, which says the moment, the annotations and the meshes.
    cache_dir : path, optional
        Where to keep what was fetched; CRANTCLI_CACHE_DIR or the user's cache folder if not given.
    refresh : bool
        Take nothing from the cache.
    patience : Patience
    """

    materialization: str = "latest"
    update_ids: bool = True
    strict_ids: bool = False
    lock: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    refresh: bool = False
    patience: Patience = field(default_factory=Patience)
    allow_missing: bool = False

    def check(self) -> None:
        """Refuse what has no meaning, before anything is asked.

        Raises
        ------
        UsageError
        """
        asked = parse_materialization(self.materialization)
        if self.lock is not None:
            if asked != "latest":
                raise UsageError("--lock says which materialization it is; leave --materialization out")
            if not Path(self.lock).is_file():
                raise UsageError(f"--lock {self.lock}: there is no such file; make it with crantcli lock")
        if self.strict_ids and not self.update_ids:
            raise UsageError("--strict-ids and --no-update-ids contradict each other")
        if self.patience.retries < 0 or not self.patience.timeout > 0:
            raise UsageError("--retries is 0 or more, and --timeout more than 0 seconds")


def parse_materialization(text: str) -> str | int | datetime:
    """Read what `--materialization` says: `latest`, `live`, a number, or a time.

    Raises
    ------
    UsageError
        For anything else, and for a time that is yet to come.
    """
    if text in ("latest", "live"):
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--materialization {text}: latest, live, the number of a version, or a time such as 2026-03-01T12:00:00"
        ) from None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    if time > datetime.now(UTC):
        raise UsageError(f"--materialization {text}: this time is yet to come")
    return time
