"""Which neuropils each synapse lies in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crantcli.core import sql
from crantcli.core.engine import Batch, SqlEngine
from crantcli.core.geometry.boxes import MeshBoxes
from crantcli.core.ledger import Ledger
from crantcli.core.neuropils.apart import refuse_apart
from crantcli.core.relation import Relation, VoxelSize
from crantcli.core.rows.deduplicate import ids_once
from crantcli.core.rows.filters import RowFilter, count_steps, prepare
from crantcli.core.rows.points import points_once
from crantcli.core.rows.units import in_nanometres
from crantcli.errors import DataError
from crantcli.schema import Kind
from crantcli.text import P, did_you_mean

if TYPE_CHECKING:
    from crantcli.core.geometry.containment import MeshIndex

#: The key of synapses that lie in none of the meshes.
OTHER = "other"

#: The position that tells where a synapse lies, unless another is named.
POSITION = "ctr_pt_position"

#: Synapses whose positions are looked up at once.
_BATCH = 500_000


@dataclass
class Assignment:
    """Where the synapses of a table lie.

    Attributes
    ----------
    relation : str
        A table with one row per membership: `synapse` (the id, or the row's number from 0), `code`, and the columns
        that count: `pre`, `post`, `size`, `value`.
    names : tuple of str
        Neuropils by code; the last is "other" where that was asked for.
    table : Relation
        The source.
    ledger : Ledger
        Of the source's rows; cleaning and size count, and neither threshold nor annotations.
    rows : int
        Rows with a position or without, each synapse once.
    unplaced : int
        Rows without a position, which lie nowhere.
    inside, outside : int
        Rows in at least one mesh, and in none.
    memberships : int
        Rows of `relation`.
    in_order : bool
        The rows are in the order of the source.
    notes : list of str
        What the user should be told.
    """

    relation: str
    names: tuple[str, ...]
    table: Relation
    ledger: Ledger
    rows: int = 0
    unplaced: int = 0
    inside: int = 0
    outside: int = 0
    memberships: int = 0
    in_order: bool = True
    notes: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many rows, for the provenance; rows = inside + outside + unplaced."""
        return {
            "rows": self.rows,
            "in_neuropils": self.inside,
            "in_none": self.outside,
            "without_position": self.unplaced,
            "memberships": self.memberships,
        }

    @property
    def query(self) -> str:
        """The memberships as a table for later questions: `id` (or `row`) and `neuropil`.

        In the order of the source; by id where ids were repeated.
        """
        key = "id" if "id" in self.table.roles else "row"
        order = "" if self.in_order else f" ORDER BY {key}, code"
        where = " WHERE synapse IS NOT NULL" if "id" in self.table.roles else ""
        name = sql.one_of(self.names, "code")
        return f"SELECT synapse AS {key}, {name} AS neuropil FROM {self.relation}{where}{order}"


def position_of(table: Relation, column: str | None) -> str:
    """The position that tells where a synapse lies.

    Raises
    ------
    DataError
        Where the table has no such position.
    """
    own = table.positions[:1] if table.kind is Kind.POINTS else ()
    name = column or next(iter(own), POSITION)
    if name not in table.positions:
        known = did_you_mean(name, table.positions, "positions") if table.positions else "it has no positions"
        raise DataError(f"the table has no position {name} ({known}); name it with {P.position_column}")
    return name


def assign(
    engine: SqlEngine,
    table: Relation,
    index: MeshIndex,
    names: Sequence[str],
    rows: RowFilter,
    *,
    position: str | None = None,
    offset: VoxelSize | None = None,
    include_other: bool = True,
    boxes: MeshBoxes | None = None,
) -> Assignment:
    """Look up the neuropils of every synapse, or point.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
        Synapses or points, with positions of known unit.
    index : MeshIndex
        In nm.
    names : sequence of str
        Name of each of its meshes.
    rows : RowFilter
        For the ledger; all rows are looked up.
    position : str, optional
        Name of the position; "ctr_pt_position" if not given, of points their first.
    offset : tuple of float, optional
        Voxels to add to positions in pixels.
    include_other : bool
        Synapses in no mesh are members of "other".
    boxes : MeshBoxes, optional
        Of the meshes; without it, all positions may lie beyond them.

    Raises
    ------
    DataError, UsageError
        Where positions or their unit are not known, a mesh is called "other", or no position lies in the box of any
        mesh.
    """
    import numpy as np

    from crantcli.core.nested.matrix import missing_values

    if OTHER in names:
        raise DataError(f"a mesh is called {OTHER}, which is the name for synapses in no mesh; rename its file")
    rows.check(table)
    where = position_of(table, position)
    nanometres = in_nanometres(table, where, offset)
    counted = table.having("size", "value")
    axes, counts = table.axes(where), ["pre", "post", *counted]
    if table.kind is Kind.POINTS:
        prepared, counts = points_once(engine, table, axes), []
        relation = prepared.relation
    else:
        prepared = prepare(engine, table, None, (*counted, *axes))
        count_steps(engine, prepared, rows)
        relation = prepared.relation
        if "id" in table.roles and not table.unique_ids and prepared.ledger.removed.get("null"):
            relation = ids_once(engine, relation, (*counted, *axes))
    prepared.ledger.check()
    made = Assignment("", (*names, *([OTHER] if include_other else [])), table, prepared.ledger)
    made.in_order = not made.ledger.removed.get("duplicate") and relation == prepared.relation
    made.notes += missing_values(engine, table, "value" in table.roles)

    def place(batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            found = index.contains(np.stack([batch.array(axis) for axis in "xyz"]).T, engine.threads)
            members, codes = found.pairs()
            nowhere = np.flatnonzero(~(found.anywhere() | found.missing))
            made.rows += len(found)
            made.unplaced += int(found.missing.sum())
            made.outside += len(nowhere)
            if include_other and len(nowhere):
                members = np.concatenate([members, nowhere])
                codes = np.concatenate([codes, np.full(len(nowhere), len(names), dtype=codes.dtype)])
                order = np.argsort(members, kind="stable")
                members, codes = members[order], codes[order]
            made.memberships += len(members)
            yield batch.taken(members, {"code": codes.astype(np.int32)}, "xyz")

    key = "id" if "id" in table.roles else sql.row_numbers()
    points = ", ".join(f"coalesce({e}, 'nan') AS {axis}" for e, axis in zip(nanometres, "xyz", strict=True))
    query = f"SELECT {', '.join([f'{key} AS synapse', *counts, points])} FROM {relation}"
    made.relation = engine.mapped("assigned", query, place, {"code": "int32"}, "xyz", _BATCH)
    made.inside = made.rows - made.outside - made.unplaced
    if boxes is not None and not made.inside and made.outside:
        refuse_apart(engine, table, relation, nanometres, boxes)
    return made
