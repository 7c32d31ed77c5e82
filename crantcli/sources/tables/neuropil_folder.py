"""Opens a folder that `neuropil` has written: a matrix of each neuropil, with the types of its neurons."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crantcli.core.manifest import read_manifest
from crantcli.core.relation import Relation
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.sources.tables.adjacency import open_npz
from crantcli.sources.tables.files import Source
from crantcli.sources.tables.read_options import ReadOptions

#: Modes of weights -> what an entry is.
_QUANTITIES = {
    "count": "synapses",
    "relative_outgoing": "fraction of output",
    "relative_incoming": "fraction of input",
}

_ADVICE = "make the folder again with crantcli neuropil"


@dataclass(frozen=True)
class NeuropilFolder:
    """A folder of matrices.

    Attributes
    ----------
    path : Path
    stems : dict of str to str
        Neuropils that have a matrix, in their order -> how their files are called.
    without : tuple of str
        Neuropils that have none.
    quantity : str
        What an entry is.
    """

    path: Path
    stems: dict[str, str]
    without: tuple[str, ...]
    quantity: str

    @property
    def files(self) -> list[Path]:
        """What is read of it."""
        return [self.path / f"{stem}.{kind}" for stem in self.stems.values() for kind in ("matrix.npz", "order.csv")]

    def open(self, engine: Engine, given: ReadOptions) -> Iterator[tuple[str, Relation]]:
        """Neuropils and their matrices.

        Raises
        ------
        DataError
            Where one is not there, or damaged.
        """
        for name, stem in self.stems.items():
            path = self.path / f"{stem}.matrix.npz"
            if not path.is_file():
                raise DataError(f"{path}: is not there, and the manifest of the folder names it; {_ADVICE}")
            engine.reading.note(path)
            table = open_npz(engine, Source(path, "npz", path.name), given)
            yield name, replace(table, types=_types(engine, self.path / f"{stem}.order.csv", table))


def neuropil_folder(source: Any) -> NeuropilFolder | None:
    """The folder that a source names; None where it is none of `neuropil`.

    Raises
    ------
    DataError
        Where its manifest is damaged, or it has no matrices.
    """
    names = [source] if isinstance(source, str | os.PathLike) else source
    if not isinstance(names, list | tuple) or len(names) != 1 or not isinstance(names[0], str | os.PathLike):
        return None
    path = Path(names[0])
    if not path.is_dir():
        return None
    manifest = read_manifest(path)
    if manifest is None or manifest.get("command") != "neuropil":
        return None
    options = manifest.get("options")
    listed = options.get("neuropils") if isinstance(options, dict) else None
    stems = manifest.get("stems")
    if not isinstance(listed, list) or not isinstance(stems, dict) or not all(map(_is_file_name, stems.values())):
        raise DataError(f"{path}: its manifest does not say which neuropils there are; {_ADVICE}")
    if not stems:
        raise DataError(f"{path}: holds no matrices, but where synapses lie alone; {_ADVICE}, with its matrices")
    order = [name for name in listed if name in stems]
    return NeuropilFolder(
        path,
        {name: stems[name] for name in dict.fromkeys([*order, *sorted(stems)])},
        tuple(str(name) for name in listed if name not in stems),
        _QUANTITIES.get(str(options.get("weight_mode")), "weight") if isinstance(options, dict) else "weight",
    )


def _is_file_name(stem: Any) -> bool:
    return isinstance(stem, str) and bool(stem) and Path(stem).name == stem


def _types(engine: Engine, path: Path, table: Relation) -> str:
    """A table `id, label` of the types that the order of the axes tells.

    Raises
    ------
    DataError
        Where it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["neuron"], row["type"]) for row in csv.DictReader(file) if row["type"]]
    except (OSError, ValueError, KeyError, csv.Error):
        raise DataError(f"{path}: cannot be read, and has the types of the neurons; {_ADVICE}") from None
    types = dict(rows)
    ids, labels = (engine.id_table(name, list(values), "VARCHAR") for name, values in
                   (("typed", types), ("their_types", types.values())))  # fmt: skip
    return engine.view(
        "types",
        f"SELECT CAST(a.id AS {table.id_type}) AS id, b.id AS label "
        f"FROM {ids} AS a JOIN {labels} AS b ON a.position = b.position",
    )
