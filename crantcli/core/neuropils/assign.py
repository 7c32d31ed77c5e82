"""Which neuropils each synapse lies in."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crantcli.core import sql
from crantcli.core.engine import Division, PairRules, SqlEngine
from crantcli.core.geometry.boxes import MeshBoxes
from crantcli.core.ledger import Ledger
from crantcli.core.neuropils.apart import refuse_apart
from crantcli.core.relation import Relation, VoxelSize
from crantcli.core.rows.deduplicate import ids_once
from crantcli.core.rows.filters import RowFilter, count_steps, prepare
from crantcli.core.rows.points import points_once
from crantcli.core.rows.units import Nanometres, in_nanometres
from crantcli.errors import DataError
from crantcli.schema import Kind
from crantcli.text import P, did_you_mean

if TYPE_CHECKING:
    import numpy as np

    from crantcli.core.geometry.containment import MeshIndex

    Array = np.ndarray[Any, Any]

#: The key of synapses that lie in none of the meshes.
OTHER = "other"

#: The position that tells where a synapse lies, unless another is named.
POSITION = "ctr_pt_position"


@dataclass
class Assignment:
    """Where the synapses of a table lie.

    Attributes
    ----------
    division : Division
        The memberships, by neuropil. What it calls `synapse` is the id, or the row's number from 0; its rows have
        `pre`, `post` and the columns `counted`.
    names : tuple of str
        Neuropils by code; the last is "other" where that was asked for.
    table : Relation
        The source.
    ledger : Ledger
        Of the source's rows; cleaning and size count, and neither threshold nor annotations.
    counted : tuple of str
        Columns that count beside the neurons: `size` and `value`, where they are asked for.
    rows : int
        Rows with a position or without, each synapse once.
    unplaced : int
        Rows without a position, which lie nowhere.
    inside, outside : int
        Rows in at least one mesh, and in none.
    memberships : int
        One for each neuropil that a row lies in.
    in_order : bool
        The memberships are in the order of the source.
    notes : list of str
        What the user should be told.
    """

    division: Division
    names: tuple[str, ...]
    table: Relation
    ledger: Ledger
    counted: tuple[str, ...]
    rows: int
    unplaced: int
    outside: int
    in_order: bool
    notes: list[str] = field(default_factory=list)

    @property
    def inside(self) -> int:  # noqa: D102  # an attribute to others
        return self.rows - self.outside - self.unplaced

    @property
    def memberships(self) -> int:  # noqa: D102
        return sum(self.division.numbers.values())

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

        In the order of the source; by id where ids were repeated, and where the engine is spread.
        """
        key = "id" if "id" in self.table.roles else "row"
        order = "" if self.in_order else f" ORDER BY {key}, code"
        where = " WHERE synapse IS NOT NULL" if "id" in self.table.roles else ""
        name = sql.one_of(self.names, "code")
        return f"SELECT synapse AS {key}, {name} AS neuropil FROM {self.division.keys}{where}{order}"


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
    from crantcli.core.nested.matrix import missing_values

    if OTHER in names:
        raise DataError(f"a mesh is called {OTHER}, which is the name for synapses in no mesh; rename its file")
    rows.check(table)
    scales = in_nanometres(table, position_of(table, position), offset)
    places = _Places(index, scales, include_other)
    found = _stored(engine, table, rows, places)
    if found is None:
        places = _Places(index, scales, include_other)  # what an attempt has counted does not count
        found = _queried(engine, table, rows, places)
    found.ledger.check()
    made = Assignment(
        found.division,
        (*names, *([OTHER] if include_other else [])),
        table,
        found.ledger,
        _counted(table, rows),
        places.rows,
        places.unplaced,
        places.outside,
        found.in_order,
        missing_values(engine, table, "sum" if "value" in table.roles else "count"),
    )
    if boxes is not None and not made.inside and made.outside:
        refuse_apart(engine, table, found.relation, [scale.sql for scale in scales], boxes)
    return made


class _Places:
    """Tells in which meshes coordinates lie, and counts them. It may be called by several threads.

    Parameters
    ----------
    index : MeshIndex
    scales : sequence of Nanometres
    include_other : bool
        What lies in no mesh is in a group after all meshes.
    """

    def __init__(self, index: MeshIndex, scales: Sequence[Nanometres], include_other: bool) -> None:
        self._index, self.scales, self._include_other = index, scales, include_other
        self._lock = threading.Lock()
        self.rows = self.unplaced = self.outside = 0

    def __reduce__(self) -> tuple[type[_Places], tuple[Any, ...]]:
        """What a copy is made of, which counts for itself."""
        return _Places, (self._index, self.scales, self._include_other)

    def counted(self) -> list[int]:
        """Rows, those without a position, and those in no mesh."""
        return [self.rows, self.unplaced, self.outside]

    def add(self, counted: Sequence[int]) -> None:
        """Take what copies have counted."""
        rows, unplaced, outside = counted
        with self._lock:
            self.rows += rows
            self.unplaced += unplaced
            self.outside += outside

    def __call__(self, coordinates: Sequence[Array]) -> tuple[Array, Array]:
        import numpy as np

        points = np.stack([scale.of(values) for scale, values in zip(self.scales, coordinates, strict=True)])
        found = self._index.contains(points.T, 1)
        members, codes = found.pairs()
        nowhere = np.flatnonzero(~(found.anywhere() | found.missing))
        self.add([len(found), int(np.count_nonzero(found.missing)), len(nowhere)])
        if self._include_other and len(nowhere):
            members = np.concatenate([members, nowhere])
            codes = np.concatenate([codes, np.full(len(nowhere), found.meshes, dtype=codes.dtype)])
            order = np.argsort(members, kind="stable")
            members, codes = members[order], codes[order]
        return members, codes


@dataclass(frozen=True)
class _Assigned:
    """Memberships, the ledger, the rows that were looked up, and whether these are in the order of the source."""

    division: Division
    ledger: Ledger
    relation: str
    in_order: bool


def _stored(engine: SqlEngine, table: Relation, rows: RowFilter, places: _Places) -> _Assigned | None:
    """Assign synapses that stand in files, each once, if the engine has a way of its own for them."""
    if table.kind is not Kind.SYNAPSES or table.within is not None or "value" in table.roles:
        return None
    distinct = "id" in table.roles and not table.unique_ids
    rules = PairRules(rows.clean, rows.background, rows.min_size, 1, distinct)
    columns = [scale.column for scale in places.scales]
    division = engine.divided_stored("assigned", table.relation, columns, rules, places)
    if division is None:
        return None
    ledger = table.ledger()
    for step, number in division.removed.items():
        ledger.remove(step, number)
    ledger.kept = places.rows - sum(division.removed.values())
    return _Assigned(division, ledger, table.relation, True)


def _queried(engine: SqlEngine, table: Relation, rows: RowFilter, places: _Places) -> _Assigned:
    """Assign the rows of any table by statements."""
    axes, columns = [scale.column for scale in places.scales], list[str]()
    if table.kind is Kind.POINTS:
        prepared = points_once(engine, table, axes)
        relation = prepared.relation
    else:
        counted = table.having("size", "value")
        prepared = prepare(engine, table, None, (*counted, *axes))
        count_steps(engine, prepared, rows)
        relation = prepared.relation
        if "id" in table.roles and not table.unique_ids and prepared.ledger.removed.get("null"):
            relation = ids_once(engine, relation, (*counted, *axes))
        columns = ["pre", "post", *_counted(table, rows)]
    key = "id" if "id" in table.roles else sql.row_numbers()
    points = [f"{scale.number} AS {axis}" for scale, axis in zip(places.scales, "xyz", strict=True)]
    query = f"SELECT {', '.join([f'{key} AS synapse', *columns, *points])} FROM {relation}"
    division = engine.divided("assigned", query, "xyz", places)
    whole = not prepared.ledger.removed.get("duplicate") and relation == prepared.relation
    in_order = whole and not engine.spread  # where rows lie in many places, they have no order
    return _Assigned(division, prepared.ledger, relation, in_order)


def _counted(table: Relation, rows: RowFilter) -> tuple[str, ...]:
    """Columns that count beside the neurons."""
    return table.having(*(["size"] if rows.min_size is not None else []), "value")
