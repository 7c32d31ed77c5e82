"""The kinds of table and how their columns may be spelled. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Literal

from crantcli.errors import DataError

#: Key under which our provenance stands in Parquet, Arrow, npz and picture files.
KEY = "crantcli"
#: What a folder of ours holds, last of all: its provenance and the names of its files.
MANIFEST = "manifest.json"
#: Key from which pandas restores `DataFrame.attrs`.
PANDAS_KEY = "PANDAS_ATTRS"

#: What counts for nothing at the ends of an ID or a label: Unicode's White_Space, and two marks of no width.
BLANKS = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
)

#: How neuron IDs are held, as SQL names it.
IdType = Literal["BIGINT", "VARCHAR"]
NeuronId = int | str


class Kind(StrEnum):
    """What one row of a table stands for."""

    SYNAPSES = "synapses"
    EDGES = "edges"
    ADJACENCY = "adjacency"
    POINTS = "points"


#: What a column is called, role by role: the one list of names of users' columns. Names are compared by `fold`.
#: Pairs of neuron IDs; either name goes with its own partner only. The first is how CAVE spells it, and so do we.
PAIRS = (
    ("pre_pt_root_id", "post_pt_root_id"),
    ("pre", "post"),
    ("pre_root_id", "post_root_id"),
    ("pre_id", "post_id"),
    ("bodyId_pre", "bodyId_post"),
    ("body_pre", "body_post"),
    ("pre_bodyId", "post_bodyId"),
    ("presynaptic_id", "postsynaptic_id"),
    ("presynaptic", "postsynaptic"),
    ("pre_neuron", "post_neuron"),
    ("skeleton_id_pre", "skeleton_id_post"),
    ("pre_skeleton_id", "post_skeleton_id"),
    ("pre_cell_id", "post_cell_id"),
    ("pre_root", "post_root"),
    ("source", "target"),
    ("source_id", "target_id"),
    ("from", "to"),
    ("from_id", "to_id"),
    ("type.from", "type.to"),
)
#: A pair whose names carry the first digits of every ID, as Codex's compact tables have it; the rest is the value.
PREFIXED_PAIR = ("pre_root_id_", "post_root_id_")
#: Digits of such an ID as a whole.
PREFIXED_DIGITS = 18

#: Number of synapses of an edge.
WEIGHTS = (
    "weight", "weights", "syn_count", "synapse_count", "syn_counts", "n_syn", "nsyn", "num_syn", "n_synapses",
    "num_synapses", "number_of_synapses", "synapses", "synapse_weight", "count", "counts", "n", "connectivity",
    "n_connections", "strength",
)  # fmt: skip

#: Brain region in which the synapses of an edge row lie.
NEUROPILS = ("neuropil", "roi", "region", "brain_region")

#: What tells one synapse from another: equal rows are one synapse. The first that stands.
SYNAPSE_IDS = ("id", "synapse_id")
#: Further columns that only a table of single synapses has.
SIZES = ("size",)
SYNAPSE_MARKS = ("connector_id", "cleft_score", "confidence", "confidence_pre", "confidence_post")
SUPERVOXEL_PAIRS = (
    ("pre_pt_supervoxel_id", "post_pt_supervoxel_id"),
    ("pre_supervoxel_id", "post_supervoxel_id"),
    ("pre_svid", "post_svid"),
)

#: Synapse positions, by the name that we give them; each spelling may be a list, a struct, text such as `[1, 2, 3]`, or
#: three columns.
AXES = ("x", "y", "z")
POSITION_SPELLINGS = {
    "ctr_pt_position": ("ctr_pt_position", "ctr_pos"),
    "pre_pt_position": ("pre_pt_position", "pre_pos"),
    "post_pt_position": ("post_pt_position", "post_pos"),
}
POSITIONS = tuple(POSITION_SPELLINGS)
#: Positions that are spelled by their three columns alone.
POSITION_COLUMNS = {
    "ctr_pt_position": (("x", "y", "z"),),
    "pre_pt_position": (("pre_x", "pre_y", "pre_z"), ("x_pre", "y_pre", "z_pre")),
    "post_pt_position": (("post_x", "post_y", "post_z"), ("x_post", "y_post", "z_post")),
}

#: Where an annotation table keeps neuron IDs and cell types: the first that it has.
ANNOTATION_IDS = (
    "root_id", "pt_root_id", "bodyId", "body", "skeleton_id", "skid", "neuron_id", "node_id", "cell_id", "id"
)  # fmt: skip
ANNOTATION_TYPES = ("cell_type", "type", "primary_type", "celltype", "cell type")

#: Names that pandas or R give to an index when they write one. The first ones never name anything else.
INDEX_NAMES = ("", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__", "...1")
POSSIBLE_INDEX_NAMES = ("X", "index", "level_0")

#: A column that says how an edge is meant, and what it says of edges without a direction (Gephi).
DIRECTEDNESS = ("type",)
UNDIRECTED = "undirected"
#: Columns that say which of two neurons is the presynaptic one, row by row.
DIRECTIONS = ("prepost", "direction", "relation")

#: Labels of a row or column of sums.
TOTALS = ("total", "totals", "sum", "sums", "all", "grand total")

#: First header cells of a matrix that name what the rows are, beside those of IDs.
CORNERS = ("neuron", "neurons", "name", "cell", "label")
#: Words in the names of measures, which no neuron is called.
MEASURES = frozenset({"length", "volume", "area", "x", "y", "z", "nm", "um", "µm"})
#: Further ones, where only the first header cell speaks for a matrix.
LIKELY_MEASURES = frozenset(
    {"n", "num", "number", "count", "counts", "size", "radius", "diameter", "depth", "width", "height", "distance",
     "angle", "score", "fraction", "ratio", "mean", "std", "min", "max", "tips", "branches", "nodes", "cable",
     "synapses", "pre", "post", "inputs", "outputs", "side", "soma"}
)  # fmt: skip

#: Columns of a table of partner counts, and of one of synaptic sites on skeletons, as we write them.
COUNTS = ("neuron_id", "pre", "post")
CONNECTORS = ("neuron_id", "connector_id", "node_id", "partner_id")

#: Name of the first column of a wide adjacency that we write: it says what rows and columns are.
CORNER = "pre/post"


def fold(name: str) -> str:
    """What is compared of a column's name: no case, no separators, no blanks at the ends."""
    return re.sub(r"[_.\-\s]+", "", name).casefold()


def is_index_name(name: str, possible: bool = False) -> bool:
    """Whether pandas or R call an index so; `possible`: or may do. Compared to the letter but for case."""
    known = (*INDEX_NAMES, *POSSIBLE_INDEX_NAMES) if possible else INDEX_NAMES
    return name.strip().casefold() in {spelling.casefold() for spelling in known}


class Names:
    """The columns of a table, found by any way of spelling a name.

    Parameters
    ----------
    columns : iterable of str
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._folded: dict[str, list[str]] = {}
        for column in columns:
            self._folded.setdefault(fold(column), []).append(column)

    def get(self, spelling: str) -> str | None:
        """The column that is spelled so, in whatever case and with whatever separators.

        Raises
        ------
        DataError
            Where two columns are.
        """
        found = self._folded.get(fold(spelling), [])
        if len(found) > 1 and spelling not in found:
            raise DataError(f"columns {' and '.join(map(repr, found))} are called the same; rename or drop one")
        return spelling if spelling in found else found[0] if found else None

    def first(self, spellings: Iterable[str]) -> str | None:
        """The column of the first spelling that stands."""
        return next((column for spelling in spellings if (column := self.get(spelling)) is not None), None)

    def all(self, spellings: Iterable[str]) -> list[str]:
        """The columns of all spellings that stand, each once."""
        found = (self.get(spelling) for spelling in spellings)
        return list(dict.fromkeys(column for column in found if column is not None))


def is_word(name: str) -> bool:
    """Whether a name is one of the vocabulary: then a line that has it is a header."""
    return (
        fold(name) in _words()
        or (name != "" and is_index_name(name))
        or re.fullmatch(r"(pre|post)rootid[0-9]+", fold(name)) is not None
    )


@cache
def _words() -> frozenset[str]:
    pairs = [name for pair in (*PAIRS, *SUPERVOXEL_PAIRS) for name in pair]
    positions = [spelling for spellings in POSITION_SPELLINGS.values() for spelling in spellings]
    positions += [f"{spelling}_{axis}" for spelling in positions for axis in AXES]
    positions += [column for triples in POSITION_COLUMNS.values() for triple in triples for column in triple]
    listed = (
        pairs, WEIGHTS, NEUROPILS, SYNAPSE_IDS, SIZES, SYNAPSE_MARKS, positions, ANNOTATION_IDS, ANNOTATION_TYPES,
        DIRECTIONS, CORNERS, (CORNER,),
    )  # fmt: skip
    return frozenset(fold(name) for names in listed for name in names)


def is_id_column(name: str) -> bool:
    """Whether a carried-along column holds identifiers that must not pass through a float."""
    return name == "id" or name.endswith(("_supervoxel_id", "_root_id"))
