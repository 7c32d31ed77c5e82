"""Every synapse on its skeleton: each pre- and postsynaptic site goes to the nearest node.

The way of a synapse: selected rows, each once, cleaned (`core.synapses`) -> its one or two sites, sorted by neuron ->
one pass over them, in which skeletons are loaded one after another (`core.geometry.nearest`), and split into axon and
dendrite where that is asked for (`core.geometry.compartments`) -> connectors.
"""

from __future__ import annotations

import importlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.geometry.nearest import IMPLAUSIBLE, SiteAttacher, SiteCounts
from crantcli.core.geometry.skeleton import Skeleton
from crantcli.core.ledger import Ledger
from crantcli.core.question import Figure, Output, Table
from crantcli.core.questions.base import (
    Describe,
    Given,
    Inputs,
    Needs,
    Question,
    Results,
    Scope,
    Selectors,
    Skeletons,
    normalize_selectors,
)
from crantcli.core.relation import Relation, Result
from crantcli.core.rows.absent import some
from crantcli.core.rows.filters import NeuronFilter, RowFilter, no_null_ids, prepare
from crantcli.core.rows.pairs import kept_condition
from crantcli.core.rows.units import in_nanometres
from crantcli.core.sites.compartments import (
    KeptSynapses,
    carried_columns,
    compartment_text,
    require_whole,
    split_notes,
    synapses_with_compartments,
)
from crantcli.core.sites.summary import SUMMARY, site_summary
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.schema import AXES, NeuronId
from crantcli.text import P, join_names

#: How far a site may be from its skeleton, in nm, where cleaning is on.
MAX_DISTANCE = IMPLAUSIBLE

#: Columns of the table of connectors.
COLUMNS = (
    "neuron_id", "connector_id", "x", "y", "z", "type", "partner_id", "node_id", "synapse_id", "distance",
)  # fmt: skip

#: A further column, after `neuron_id`, where neurons have other IDs in the table than were asked for.
CURRENT = "current_id"

#: A further column, the last one, of neurons that are split.
COMPARTMENT = "compartment"


@dataclass(frozen=True)
class Attach(Question):
    """The synapses of some neurons, each at the nearest node of its skeleton.

    Attributes
    ----------
    neurons : neurons or None
        Skeletons of these only; None for all that there are.
    pre, post : bool
        Presynaptic sites (outputs) and postsynaptic sites (inputs) of the neurons.
    max_distance : float or None
        In nm; a site farther from its skeleton is left out where cleaning is on. None: `MAX_DISTANCE`.
    split : bool
        Tell axon, dendrite and linker of each neuron; see `core.geometry.compartments`.
    """

    neurons: Selectors = None
    pre: bool = True
    post: bool = True
    max_distance: float | None = None
    split: bool = False

    command: ClassVar[str] = "attach"
    chosen_by: ClassVar[str] = P.skeletons
    outputs: ClassVar[Mapping[str, type]] = {"": Table, "summary": Table, "synapses": Table, "plot": Figure}

    def __post_init__(self) -> None:
        normalize_selectors(self, "neurons")
        if not (self.pre or self.post):
            raise UsageError("neither presynaptic nor postsynaptic sites are asked for; leave pre or post on")
        if self.split and not (self.pre and self.post):
            missing = P.pre(False) if not self.pre else P.post(False)
            raise UsageError(f"{P.split(True)} goes by paths from inputs to outputs; leave {missing} out")
        if not self.limit >= 0:
            raise UsageError(f"max-distance {self.max_distance:g}: a distance in nm, 0 or more")

    @property
    def limit(self) -> float:
        """The largest distance, in nm."""
        return MAX_DISTANCE if self.max_distance is None else self.max_distance

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that are wanted."""
        return tuple(side for side, wanted in (("pre", self.pre), ("post", self.post)) if wanted)

    def needs(self) -> Needs:
        """Skeletons, and synapses with the positions of their sites."""
        columns = tuple(f"{side}_pt_position" for side in self.sides)
        carry: bool | Literal["positions"] = True if self.split else "positions"
        return Needs({"neurons": self.neurons}, synapses=True, columns=columns, carry=carry, skeletons=True)

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Synapses of the neurons that have skeletons."""
        return Scope(either=given.neurons["skeletons"], inputs=self.post, outputs=self.pre)

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Attach them."""
        skeletons, table = given.skeletons, given.source
        assert skeletons is not None
        passed_on = "synapses" in wanted
        if passed_on and not self.split:
            raise UsageError(f"{P.synapses.metavar('FILE')} is for compartments; it goes with {P.split(True)}")
        measure = "summary" in wanted
        attached = attach(engine, table, skeletons, given.rows, self, measure=measure, passed_on=passed_on)
        result = attached.result
        made: dict[str, Output] = {
            "": Table(result.query, result.columns, result.rows),
            "plot": Figure("arbors", Arbors(attached.relation, skeletons.neurons, skeletons.load, self.split)),
        }
        if passed_on:
            known = skeletons.neurons if skeletons.current is None else skeletons.current
            made["synapses"] = synapses_with_compartments(
                engine, table, attached.kept, attached.relation, known, result.notes
            )
        if "summary" in wanted:
            made["summary"] = site_summary(engine, skeletons.neurons, table.id_type, attached.tally, attached.relation)
        return Results(
            made,
            "connectors",
            result.rows,
            result.ledger,
            result.completeness,
            result.rows,
            "sites",
            options={
                "pre": self.pre,
                "post": self.post,
                "max_distance": self.limit if given.rows.clean else None,
                "split": self.split or None,
            },
            facts=result.facts,
            units={"units": "nm", **({"voxel_size_nm": list(table.voxel_size)} if table.voxel_size else {})},
            units_advice="write .parquet to keep that in the file",
            notes=result.notes,
            details={name: found for name, found in result.facts.items() if name != "positions"},
            subject=attached,
        )


@dataclass
class Attached:
    """Connectors, and what became of all sites.

    Attributes
    ----------
    result : Result
        The table of connectors: `COLUMNS`, perhaps `CURRENT` and `COMPARTMENT`, by neuron, synapse id and type. `x`,
        `y`, `z` and `distance` are float64, in nm. Its ledger counts synapses: one is kept if a site of it is, and
        otherwise removed by `distance`. Its facts count sites.
    relation : str
        A table of the same connectors with `place`, the position of the neuron, and `side`, 0 for pre; `compartment` is
        a code.
    tally : SiteCounts
        Numbers of sites by skeleton.
    kept : KeptSynapses
        Synapses before the distance, which removes none of them.
    """

    result: Result
    relation: str
    tally: SiteCounts
    kept: KeptSynapses


class Arbors(NamedTuple):
    """What a picture of skeletons with their sites needs.

    Attributes
    ----------
    relation : str
        The sites, as in `Attached`.
    neurons : tuple of int or str
    load : function
        Gives the skeleton at a place.
    split : bool
        Whether sites have compartments.
    """

    relation: str
    neurons: Sequence[NeuronId]
    load: Callable[[int], Skeleton]
    split: bool = False


def attach(
    engine: SqlEngine,
    table: Relation,
    skeletons: Skeletons,
    rows: RowFilter,
    question: Attach,
    *,
    measure: bool = False,
    passed_on: bool = False,
) -> Attached:
    """Attach the synapses of some neurons to the nearest nodes of their skeletons.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
        A synapse table with positions.
    skeletons : Skeletons
        Each gets all sites of its neuron. The answer is under `neurons`, with `current` beside it.
    rows : RowFilter
        Its threshold counts the synapses of a pair of neurons, wherever they are.
    question : Attach
    measure : bool
        Whether the length of each skeleton is wanted.
    passed_on : bool
        Whether the synapses are wanted, with all their columns.

    Raises
    ------
    UsageError
        Where unit or voxel size of the positions are not known.
    DataError
        Where the table has no positions, or lacks synapses of neurons that are to be split.

    Notes
    -----
    A synapse between two of the neurons has a site on each; an autapse, with cleaning off, has two on one.
    """
    import numpy as np

    rows.check(table)
    # It takes as long as the next questions to the engine, which leave Python alone.
    threading.Thread(target=importlib.import_module, args=["scipy.spatial"], daemon=True).start()
    neurons, current = skeletons.neurons, skeletons.current
    positions = {side: _position(table, side) for side in question.sides}
    known = neurons if current is None else current
    notes = list[str]()
    if question.split:
        require_whole(engine, table, known, notes)
    kept, ledger = _kept(engine, table, known, rows, positions, passed_on)
    tally = SiteCounts.empty(len(neurons), question.split)
    seen = np.zeros(ledger.kept, dtype=bool)
    limit = question.limit if rows.clean else math.inf
    sweep = SiteAttacher(skeletons.load, tally, seen, limit, engine.threads, measure)
    added = {"node_id": "int64", "distance": "float64", "connector_id": "int64"}
    if question.split:
        added[COMPARTMENT] = "int8"
    sites = _sites(engine, table, kept, neurons, current, positions)
    relation = engine.mapped("attached", sites, sweep, added)
    tally.check()
    whole = replace(ledger, removed=dict(ledger.removed))
    attached = int(np.count_nonzero(seen))
    ledger.remove("distance", ledger.kept - attached)
    ledger.kept = attached
    ledger.check()
    columns = COLUMNS if current is None else (COLUMNS[0], CURRENT, *COLUMNS[1:])
    columns = (*columns, COMPARTMENT) if question.split else columns
    told = {"type": "CASE side WHEN 0 THEN 'pre' ELSE 'post' END", COMPARTMENT: compartment_text(COMPARTMENT)}
    shown = ", ".join(f"{told[name]} AS {name}" if name in told else name for name in columns)
    query = f"SELECT {shown} FROM {relation} ORDER BY place, connector_id"
    texts = frozenset(map(str, known))
    filtered_by = rows.filtered_by(table)
    inputs, outputs = (texts if side in question.sides else frozenset[str]() for side in ("post", "pre"))
    synapses = KeptSynapses(kept, whole, table.completeness.narrowed(inputs, outputs, filtered_by))
    if not filtered_by and tally.attached.sum() < tally.found.sum():
        filtered_by = "sites that could not be attached"
    completeness = table.completeness.narrowed(inputs, outputs, filtered_by)
    facts: dict[str, Any] = {"positions": positions, "sites": tally.sites(), "skeletons": tally.skeletons()}
    notes += _notes(neurons, tally, limit)
    if tally.split is not None:
        facts["compartments"] = tally.split.facts()
        notes += split_notes(neurons, tally.split)
        if thinned := rows.filtered_by(table):
            notes.append(f"compartments are of the synapses that are left after {thinned}")
    if "id" not in table.roles:
        notes.append("the table has no id column, so synapse_id is empty")
    return Attached(
        Result(query, columns, int(tally.attached.sum()), ledger, completeness, facts, notes), relation, tally, synapses
    )


def _position(table: Relation, side: str) -> str:
    """The position of one side's sites: its own, else the centre of the synapse."""
    for name in (f"{side}_pt_position", "ctr_pt_position"):
        if name in table.positions:
            return name
    other = "" if not table.positions else f"; it has {join_names(table.positions)}"
    raise DataError(
        f"the table has no positions of {side}synaptic sites ({side}_pt_position or ctr_pt_position){other}"
    )


def _kept(
    engine: SqlEngine,
    table: Relation,
    neurons: Sequence[NeuronId],
    rows: RowFilter,
    positions: dict[str, str],
    passed_on: bool,
) -> tuple[str, Ledger]:
    """A table of the synapses that count, with the positions of their sites in nm; and the ledger up to here."""
    asked = Selection(tuple(dict.fromkeys(neurons)))
    wanted = NeuronFilter(either=asked) if len(positions) == 2 else NeuronFilter(**{next(iter(positions)): asked})
    coordinates = [f"{name}_{axis}" for name in dict.fromkeys(positions.values()) for axis in AXES]
    carried = carried_columns(table) if passed_on else {}
    needed = tuple(dict.fromkeys((*table.having("size"), *coordinates, *carried)))
    prepared = prepare(engine, table, wanted.condition(engine, table.id_type), needed)
    passing = kept_condition(engine, prepared, rows)
    points = [
        f"{nanometres.sql} AS {name}_{axis}"
        for name in dict.fromkeys(positions.values())
        for axis, nanometres in zip(AXES, in_nanometres(table, name), strict=True)
    ]
    points += [f"{sql.quote(name)} AS {sql.quote(inner)}" for name, inner in carried.items()]
    synapse = "id" if "id" in table.roles else "CAST(NULL AS BIGINT) AS id"
    relation = engine.table(
        "kept",
        f"SELECT {sql.row_numbers()} AS row, pre, post, {synapse}, {', '.join(points)} "
        f"FROM {prepared.relation} AS r WHERE {passing}",
    )
    return relation, prepared.ledger


def _sites(
    engine: SqlEngine,
    table: Relation,
    kept: str,
    neurons: Sequence[NeuronId],
    current: Sequence[NeuronId] | None,
    positions: dict[str, str],
) -> str:
    """A query for all sites, by neuron, synapse and side."""
    skeletons, known, names = engine.id_table("skeletons", neurons, table.id_type), "id", "s.id AS neuron_id"
    if current is not None:
        now = engine.id_table("skeletons", current, table.id_type)
        skeletons = f"(SELECT a.id, c.id AS {CURRENT}, position FROM {skeletons} AS a JOIN {now} AS c USING (position))"
        known, names = CURRENT, f"{names}, s.{CURRENT}"
    parts = [
        f"SELECT s.position AS place, {number} AS side, {names}, k.{other} AS partner_id, "
        f"k.id AS synapse_id, k.row AS row, {', '.join(f'k.{positions[side]}_{axis} AS {axis}' for axis in AXES)} "
        f"FROM {kept} AS k JOIN {skeletons} AS s ON k.{side} = s.{known}"
        for number, side, other in ((0, "pre", "post"), (1, "post", "pre"))
        if side in positions
    ]
    # Synapses without an id are told apart by all that they have.
    unique = "id" in table.roles and no_null_ids(engine, kept)
    order = "place, synapse_id, side" + ("" if unique else ", partner_id, x, y, z")
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY {order}"


def _notes(neurons: Sequence[NeuronId], tally: SiteCounts, limit: float) -> list[str]:
    """What the user should be told of sites and skeletons that went without each other."""
    import numpy as np

    notes = []
    sites = tally.sites()
    found, removed = sites["found"], sites["removed"]
    if removed["position"]:
        notes.append(f"{removed['position']:,} of {found:,} sites have no position and are left out")
    empty = np.flatnonzero(tally.nodes == 0)
    if len(empty):
        notes.append(
            f"{len(empty):,} of {len(neurons):,} skeletons have no nodes, such as that of {neurons[empty[0]]}; "
            f"{removed['empty']:,} sites are left out with them"
        )
    if removed["distance"]:
        notes.append(
            f"{removed['distance']:,} of {found:,} sites are farther than {limit:,g} nm from their skeleton and are "
            "left out"
        )
    placed = found - removed["position"] - removed["empty"]
    if 2 * max(removed["distance"], tally.implausible) > placed:
        far = f"farther than {IMPLAUSIBLE:,g} nm" if 2 * tally.implausible > placed else "far"
        notes.append(f"most sites are {far} from their skeletons; are the units of positions and skeletons right?")
    silent = np.flatnonzero(tally.found.sum(axis=1) == 0)
    if len(silent):
        notes.append(
            f"{len(silent):,} of {len(neurons):,} skeletons have no synapses here, such as "
            f"{some([neurons[place] for place in silent[:3]])}"
        )
    return notes


__all__ = ["COLUMNS", "CURRENT", "MAX_DISTANCE", "SUMMARY", "Arbors", "Attach", "Attached", "attach"]
