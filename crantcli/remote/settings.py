"""How servers are asked, and where what they gave is kept: said by the user, resolved and checked in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crantcli.checks import check_switches
from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.remote.retry import RetryPolicy
from crantcli.text import P


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
    retries : int, optional
        Attempts after the first, where a server fails in a way that may pass; 8 if not given.
    timeout : float, optional
        Seconds without a byte from a server after which an attempt has failed; 300 if not given.
    patience : RetryPolicy
        The two in one, as they were given before; `retries` and `timeout` stand over it, and are in it.
    """

    materialization: str = "latest"
    update_ids: bool = True
    strict_ids: bool = False
    lock: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    refresh: bool = False
    patience: RetryPolicy = field(default_factory=RetryPolicy)
    allow_missing: bool = False
    retries: int | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        policy = self.patience
        retries = policy.retries if self.retries is None else self.retries
        timeout = policy.timeout if self.timeout is None else self.timeout
        object.__setattr__(self, "patience", replace(policy, retries=retries, timeout=timeout))

    @property
    def policy(self) -> RetryPolicy:
        """How often, and for how long, servers are asked."""
        return self.patience

    def check(self) -> None:
        """Refuse what has no meaning, before anything is asked.

        Raises
        ------
        UsageError
        """
        check_switches(
            update_ids=self.update_ids,
            strict_ids=self.strict_ids,
            allow_missing=self.allow_missing,
            refresh=self.refresh,
        )
        asked = parse_materialization(self.materialization)
        if self.lock is not None:
            if asked != "latest":
                raise UsageError(f"{P.lock} says which materialization it is; leave {P.materialization} out")
            if not Path(self.lock).is_file():
                raise UsageError(f"{P.lock} {self.lock}: there is no such file; make it with crantcli lock")
        if self.strict_ids and not self.update_ids:
            raise UsageError(f"{P.strict_ids(True)} and {P.update_ids(False)} contradict each other")
        if self.policy.retries < 0 or not self.policy.timeout > 0:
            raise UsageError(f"{P.retries} is 0 or more, and {P.timeout} more than 0 seconds")


def resolve_live(
    given: LiveOptions | None = None, materialization: Any = "latest", update_ids: bool = True
) -> LiveOptions:
    """How servers are asked, checked before anything is loaded.

    Parameters
    ----------
    given : LiveOptions, optional
    materialization : str, int or datetime
        Where it is given beside them.
    update_ids : bool
        Only where both say so.

    Raises
    ------
    UsageError
        Where they contradict each other.
    """
    asked = materialization.isoformat() if hasattr(materialization, "isoformat") else str(materialization)
    if given is not None and not isinstance(given, LiveOptions):
        raise ArgumentTypeError(f"live={given!r}: give LiveOptions(...)")
    check_switches(update_ids=update_ids)
    options = given or LiveOptions()
    if options.materialization != "latest":
        if asked not in ("latest", options.materialization):
            raise UsageError(
                f"materialization={asked!r} and LiveOptions(materialization={options.materialization!r}) contradict "
                "each other"
            )
        asked = options.materialization
    options = replace(options, materialization=asked, update_ids=update_ids and options.update_ids)
    options.check()
    return options


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
            f"{P.materialization} {text}: latest, live, the number of a version, or a time such as 2026-03-01T12:00:00"
        ) from None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    if time > datetime.now(UTC):
        raise UsageError(f"{P.materialization} {text}: this time is yet to come")
    return time
