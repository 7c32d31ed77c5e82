"""Files that hold no wiring: what they are instead, in words, for those who ask for a matrix."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from crantcli.core.manifest import read_manifest
from crantcli.schema import ANNOTATION_IDS, AXES, CONNECTORS, COUNTS, PAIRS, Names
from crantcli.sources.tables.part import Part

#: Kinds of table that we write beside synapses and edges -> columns that tell them.
_WRITTEN = {"counts": COUNTS, "connectors": CONNECTORS}

_WORDS = {
    "counts": "a table of partners and synapses per neuron",
    "connectors": "a table of sites on skeletons",
}

#: Columns of a skeleton: SWC's, and those of CATMAID and navis.
_PARENTS = ("parent", "parent_id", "parent_node_id", "link")

#: Endings of files that are no tables.
_ENDINGS = {
    ".swc": "a skeleton", ".ply": "a mesh", ".obj": "a mesh", ".stl": "a mesh", ".drc": "a mesh",
    ".html": "a page", ".htm": "a page", ".png": "a picture", ".svg": "a picture", ".pdf": "a picture",
    ".jpg": "a picture", ".jpeg": "a picture", ".toml": "a description of a data set", ".json": "a JSON file",
    ".lock": "a lock file", ".md": "a text", ".zip": "an archive",
}  # fmt: skip

_PLURALS = {"a skeleton": "skeletons", "a mesh": "meshes", "a picture": "pictures", "a page": "pages"}


def written_kind(names: Names) -> str | None:
    """The kind of table that we write, where the columns tell it; None for synapses, edges and all that is not ours."""
    return next(
        (kind for kind, columns in _WRITTEN.items() if all(names.get(name) is not None for name in columns)), None
    )


def table_words(part: Part) -> str:
    """What a table is that is no wiring; "" where that cannot be told."""
    names = Names(part.columns)
    kinds = {record.kind for record in part.recorded}
    kind = written_kind(names) or (kinds.pop() if len(kinds) == 1 else None)
    if kind in _WORDS:
        return _WORDS[kind]
    if names.first(_PARENTS) is not None and all(names.get(axis) is not None for axis in AXES):
        return "a skeleton, node by node"
    return ""


def neurons_column(part: Part) -> str | None:
    """The column that names a neuron for each row, as annotations have one; a matrix may have one, too."""
    names = Names(part.columns)
    if any(names.get(pre) and names.get(post) for pre, post in PAIRS):
        return None
    return names.first(ANNOTATION_IDS)


def place_words(names: Sequence[str]) -> str:
    """What a file or a folder is that is no table; "" where that cannot be told."""
    if len(names) != 1:
        return ""
    path = Path(names[0])
    if path.is_file():
        return _ENDINGS.get(path.suffix.lower(), "")
    if not path.is_dir():
        return ""
    if (path / "manifest.json").is_file() and (manifest := read_manifest(path)) is not None:
        return f"a folder of {manifest.get('kind')}, as crantcli {manifest.get('command')} writes them"
    inside = Counter(_ENDINGS.get(Path(name).suffix.lower(), "") for name in os.listdir(path))
    inside.pop("", None)
    what = next((name for name, _ in inside.most_common(1)), "")
    return f"a folder of {_PLURALS[what]}" if what in _PLURALS else ""
