"""A labelled sparse matrix of synapse counts, presynaptic rows by postsynaptic columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.rows.absent import absent_notes
from crantcli.core.rows.filters import NeuronFilter, RowFilter, pair_completeness
from crantcli.core.rows.pairs import edges
from crantcli.core.table import Completeness, Table
from crantcli.errors import UsageError

if TYPE_CHECKING:
    pass


@dataclass
class MatrixResult:
    """An adjacency and what to say about it."""

    matrix: LabelledMatrix
    ledger: Ledger
    completeness: Completeness
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def unconnected_kept(keep_unconnected: bool | None, keep_silent: bool | None) -> bool:
    """What the two names of one parameter say; the second is the older one.

    Raises
    ------
    UsageError
        Where they contradict each other.
    """
    given = {bool(value) for value in (keep_unconnected, keep_silent) if value is not None}
    if len(given) > 1:
        raise UsageError(
            f"keep_unconnected={keep_unconnected} and keep_silent={keep_silent}: two names of one parameter; give one"
        )
    return True in given


def adjacency(
    engine: SqlEngine,
    table: Table,
    wanted: NeuronFilter,
    rows: RowFilter,
    *,
    symmetric: bool = False,
    keep_silent: bool = False,
    sum_duplicates: bool = False,
) -> MatrixResult:
    """Synapse counts between pairs of neurons.

    Parameters
    ----------
    engine : SqlEngine
    table : Table
    wanted : NeuronFilter
        `pre` and `post`, both of which must hold.
    rows : RowFilter
    symmetric : bool
        Both axes get all neurons of the kept synapses.
    keep_silent : bool
        Neurons that were asked for stay as zero rows or columns when they have no synapses. Of an adjacency that is
        read, so do the neurons of its axes.
    sum_duplicates : bool

    Returns
    -------
    MatrixResult
        IDs ascending on both axes (text by its code points).
    """
    import numpy as np

    condition = None if wanted.everything else wanted.condition(engine, table.id_type)
    found = edges(engine, table, condition, rows, sum_duplicates=sum_duplicates)
    kept = engine.table("kept_edges", f"SELECT pre, post, weight FROM {found.relation}")
    axes = _axes(engine, table, kept, wanted, symmetric, keep_silent)
    entries = engine.arrays(
        f"SELECT r.position AS i, c.position AS j, e.weight AS weight FROM {kept} AS e "
        f"JOIN {axes['pre']} AS r ON e.pre = r.id JOIN {axes['post']} AS c ON e.post = c.id ORDER BY i, j"
    )
    pre, post = (engine.arrays(f"SELECT id FROM {axes[side]} ORDER BY position")["id"] for side in ("pre", "post"))
    indptr = np.zeros(len(pre) + 1, dtype=np.int64)
    np.cumsum(np.bincount(entries["i"], minlength=len(pre)), out=indptr[1:])
    indices = entries["j"].astype(np.int32 if max(len(pre), len(post)) < 2**31 else np.int64)
    weights = entries["weight"]
    if table.whole_weights:
        weights = weights.astype(np.int64)
    matrix = LabelledMatrix(pre, post, indptr, indices, weights)
    filtered_by = rows.filtered_by(table)
    facts, notes = _unasked(wanted, symmetric)
    notes += absent_notes(engine, table, wanted, found.pairs, rows)
    return MatrixResult(
        matrix, found.ledger, pair_completeness(table, wanted, filtered_by), facts, [*found.notes, *notes]
    )


def _axes(
    engine: SqlEngine, table: Table, kept: str, wanted: NeuronFilter, symmetric: bool, keep_silent: bool
) -> dict[str, str]:
    """Tables `id, position` of both axes."""
    sources: dict[str, list[str]] = {"pre": [], "post": []}
    for side, selection in (("pre", wanted.pre), ("post", wanted.post)):
        sources[side].append(f"SELECT {side} AS id FROM {kept}")
        if keep_silent and selection is not None:
            sources[side].append(f"SELECT id FROM {engine.id_table('asked', selection.ids, table.id_type)}")
        if keep_silent and table.silent is not None and wanted.everything:
            sources[side].append(f"SELECT id FROM {table.silent} WHERE side = '{side}'")
    if symmetric:
        both = [*sources["pre"], *sources["post"]]
        sources = {"pre": both, "post": both}
    return {
        side: engine.table(
            f"{side}_axis",
            "SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM "
            f"(SELECT DISTINCT id FROM ({' UNION ALL '.join(queries)}))",
        )
        for side, queries in sources.items()
    }


def _unasked(wanted: NeuronFilter, symmetric: bool) -> tuple[dict[str, Any], list[str]]:
    """Which cells of a symmetric matrix were never asked for, so that their zeros say nothing."""
    if not symmetric or wanted.everything:
        return {"symmetric": symmetric}, []
    asked = {
        side: "all" if selection is None else sorted(map(str, selection.ids))
        for side, selection in (("pre", wanted.pre), ("post", wanted.post))
    }
    meaning = "a cell was asked for where its row is among asked.pre and its column among asked.post"
    note = (
        "the matrix is symmetric over selected neurons: cells whose pair was not asked for are 0 without having been "
        "counted (the file records which were asked for)"
    )
    return {"symmetric": True, "asked": {**asked, "meaning": meaning}}, [note]
