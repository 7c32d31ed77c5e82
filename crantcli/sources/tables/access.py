"""Which files a command's engine is let into: those that its sources name, and no others."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from crantcli.core.addresses import Dataset
from crantcli.errors import ArgumentTypeError
from crantcli.remote.cache import cache_folder
from crantcli.remote.settings import LiveOptions
from crantcli.sources.tables.iceberg import METADATA


def engine_files(*sources: Any, dataset: Dataset | None = None, live: LiveOptions | None = None) -> list[Path]:
    """Files and folders that queries may have to open.

    Parameters
    ----------
    *sources : path, list of paths, DataFrame or None
        As they were given; what is not there is complained about when it is read.
    dataset : Dataset, optional
        Its own files are among them.
    live : LiveOptions, optional
        How servers are asked: what was fetched is in the cache.
    """
    own = () if dataset is None else (dataset.synapses, dataset.annotations)
    found = list(_paths((sources, own)))
    if dataset is not None:
        found.append(cache_folder((live or LiveOptions()).cache_dir))
    return found


def _paths(source: Any) -> Iterator[Path]:
    if isinstance(source, Iterator):
        raise ArgumentTypeError("an iterator is no source, since it can be read once; give a list of paths")
    if not isinstance(source, str | os.PathLike):
        is_list = isinstance(source, Iterable) and not isinstance(source, bytes) and not hasattr(source, "columns")
        for item in source if is_list else ():
            yield from _paths(item)
        return
    name = os.fspath(source)
    if os.path.isdir(name):
        yield Path(name)
        yield from _linked(name)
    elif os.path.exists(name):
        yield Path(name)
        if str(name).endswith(METADATA):
            yield Path(name).resolve().parents[1]
    elif isinstance(name, str) and glob.has_magic(name):
        yield from map(Path, glob.glob(name, recursive=True))


def _linked(folder: str) -> Iterator[Path]:
    """Files to which links in a folder lead: the engine looks where a file really is."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            yield Path(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            yield from _linked(entry.path)
