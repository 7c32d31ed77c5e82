"""The kinds of table and how their columns may be spelled. Standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from crantcli.errors import DataError

#: Key under which our provenance stands in Parquet, Arrow, npz and picture files.
KEY = "crantcli"
#: What a folder of ours holds, last of all: its provenance and the names of its files.
MANIFEST = "manifest.json"
#: Key from which pandas restores `DataFrame.attrs`.
PANDAS_KEY = "PANDAS_ATTRS"

#: How neuron IDs are held, as SQL names it.
IdType = Literal["BIGINT", "VARCHAR"]
NeuronId = int | str


class Kind(StrEnum):
    """What one row of a table stands for."""

    SYNAPSES = "synapses"
    EDGES = "edges"
    ADJACENCY = "adjacency"
    POINTS = "points"


#: ID columns that mark a synapse table, one row per synapse.
SYNAPSE_PAIRS = (("pre_pt_root_id", "post_pt_root_id"), ("pre", "post"))

#: ID columns of an edge table, one row per pair, and the weight columns that go with them.
EDGE_PAIRS = {
    ("pre", "post"): ("weight",),
    ("source", "target"): ("weight", "n_syn"),
    ("type.from", "type.to"): ("weight",),
    ("pre_root_id", "post_root_id"): ("syn_count",),  # Codex
    ("bodyId_pre", "bodyId_post"): ("weight",),  # neuPrint
}
ALL_PAIRS = tuple(dict.fromkeys((*SYNAPSE_PAIRS, *EDGE_PAIRS)))
WEIGHTS = ("weight", "n_syn", "syn_count")

#: Columns of a table of partner counts, whose `pre` and `post` are numbers of neurons and no IDs.
COUNTS = ("neuron_id", "pre", "post")

#: Columns that mark a table of synaptic sites on skeletons.
CONNECTORS = ("neuron_id", "connector_id", "node_id", "partner_id")

#: Columns that say in which brain region the synapses of an edge row lie.
NEUROPILS = ("neuropil", "roi")

#: Synapse positions; each a list column, three columns `_x _y _z`, or text such as `[1, 2, 3]`.
POSITIONS = ("ctr_pt_position", "pre_pt_position", "post_pt_position")
AXES = ("x", "y", "z")

#: Where an annotation table keeps neuron IDs and cell types: the first that it has.
ANNOTATION_IDS = ("root_id", "pt_root_id", "bodyId", "neuron_id", "id")
ANNOTATION_TYPES = ("cell_type", "type", "primary_type", "celltype")

#: Names that pandas gives to an index when it writes one; not data of the table.
INDEX_COLUMNS = ("", "Unnamed: 0", "Unnamed: 0.1", "index", "__index_level_0__")

#: Name of the first column of a wide adjacency that we write: it says what rows and columns are.
CORNER = "pre/post"


@dataclass(frozen=True)
class Recognition:
    """Which columns of a table play which part."""

    kind: Kind
    pre: str
    post: str
    weight: str | None = None
    neuropil: str | None = None


def is_id_column(name: str) -> bool:
    """Whether a carried-along column holds identifiers that must not pass through a float."""
    return name == "id" or name.endswith(("_supervoxel_id", "_root_id"))


def near(name: str, names: Iterable[str], what: str = "columns") -> str:
    """Names like `name`, for an error message: `near names: ...`, or all of them."""
    known = list(names)
    lower = {candidate.lower(): candidate for candidate in known}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, n=4, cutoff=0.5)]
    return f"near names: {', '.join(close)}" if close else f"{what}: {listed(known)}"


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names for a message, not too many of them."""
    more = f", ... ({len(names):,} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def number_of(number: int, thing: str, verb: str = "") -> str:
    """How many things, for a message, with a verb in the plural: `1 neuron has`, `2 neurons have`."""
    if number != 1:
        return f"{number:,} {thing}s {verb}".rstrip()
    return f"1 {thing} {({'are': 'is', 'have': 'has'}.get(verb, verb + 's')) if verb else ''}".rstrip()


def recognise(
    columns: Sequence[str], kind: Kind | None = None, pre_col: str | None = None, post_col: str | None = None
) -> Recognition | None:
    """Tell the kind of a table from its column names.

    Parameters
    ----------
    columns : sequence of str
        The table's columns.
    kind : Kind, optional
        What the user says it is; overrides the guess.
    pre_col, post_col : str, optional
        What the user says the ID columns are.

    Returns
    -------
    Recognition or None
        None where nothing matches: it may be an adjacency.

    Raises
    ------
    DataError
        Where the columns match two kinds, or two spellings of one, or a named column is missing.
    """
    matches = _matches(columns, kind, pre_col, post_col)
    if not matches:
        return None
    if len({(match.kind, match.pre, match.post) for match in matches}) < len(matches):
        weights = " and ".join(str(match.weight) for match in matches)
        raise DataError(f"columns {weights} could each be the weight; drop or rename all but one")
    if len(matches) > 1:
        found = "; ".join(_describe(match) for match in matches)
        raise DataError(
            f"the columns match {len(matches)} readings ({found}); say which with --kind, --pre-col and --post-col"
        )
    return matches[0]


def _describe(match: Recognition) -> str:
    names = [match.pre, match.post, *([match.weight] if match.weight else [])]
    return f"{match.kind}: {', '.join(names)}"


def _matches(columns: Sequence[str], kind: Kind | None, pre_col: str | None, post_col: str | None) -> list[Recognition]:
    names = set(columns)
    pairs = _id_pairs(columns, pre_col, post_col)
    named = pre_col is not None or post_col is not None
    found: list[Recognition] = []
    for pre, post in pairs:
        weights = [weight for weight in WEIGHTS if weight in names]
        if not named and kind is not Kind.EDGES:
            weights = [weight for weight in EDGE_PAIRS.get((pre, post), ()) if weight in names]
        if kind is not Kind.SYNAPSES:
            found += [Recognition(Kind.EDGES, pre, post, weight) for weight in weights]
        one_row_one_synapse = (pre, post) in SYNAPSE_PAIRS or named or kind is Kind.SYNAPSES
        if kind is not Kind.EDGES and one_row_one_synapse and (kind is Kind.SYNAPSES or not weights):
            if kind is None and (pre, post) == ("pre", "post"):
                _refuse_unspelled_weight(names)
            found.append(Recognition(Kind.SYNAPSES, pre, post))
    if not found and kind is Kind.EDGES:
        raise DataError(
            f"not an edge table: it needs two ID columns and a weight ({', '.join(WEIGHTS)}); "
            f"its columns are {listed(columns)}"
        )
    return [_with_neuropil(match, names) for match in found]


def _id_pairs(columns: Sequence[str], pre_col: str | None, post_col: str | None) -> list[tuple[str, str]]:
    names = set(columns)
    for option, column in (("--pre-col", pre_col), ("--post-col", post_col)):
        if column is not None and column not in names:
            raise DataError(f"{option} {column}: there is no such column ({near(column, columns)})")
    if pre_col is not None and post_col is not None:
        return [(pre_col, post_col)]
    if pre_col is not None:
        return [(pre_col, post) for _, post in ALL_PAIRS if post in names and post != pre_col]
    if post_col is not None:
        return [(pre, post_col) for pre, _ in ALL_PAIRS if pre in names and pre != post_col]
    return [(pre, post) for pre, post in ALL_PAIRS if pre in names and post in names]


def _refuse_unspelled_weight(names: set[str]) -> None:
    weight = next((name for name in WEIGHTS if name in names), None)
    if weight is not None:
        raise DataError(
            f"columns pre, post and {weight}: one row per synapse, or per pair with a weight? "
            "Say --kind synapses or --kind edges"
        )


def _with_neuropil(match: Recognition, names: set[str]) -> Recognition:
    present = [name for name in NEUROPILS if name in names]
    if match.kind is Kind.EDGES and len(present) > 1:
        raise DataError(f"columns {' and '.join(present)} both name the neuropil of an edge; keep one of them")
    neuropil = present[0] if present else None
    return Recognition(match.kind, match.pre, match.post, match.weight, neuropil)
