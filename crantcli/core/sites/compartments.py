"""Compartments of synapses: whether a table suffices to tell them, the table with them, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from crantcli.core.engine import SqlEngine
from crantcli.core.geometry.compartments import COMPARTMENTS, FEW, FEW_SITES, UNDIVIDED, SplitCounts
from crantcli.core.ledger import Ledger
from crantcli.core.question import Table
from crantcli.core.relation import Completeness, Relation
from crantcli.core.rows.absent import some
from crantcli.core.rows.denominators import Side, uncovered
from crantcli.core.rows.filters import no_null_ids
from crantcli.core.rows.units import unit_record
from crantcli.core.sql import quote
from crantcli.core.synapses import output_columns
from crantcli.errors import DataError
from crantcli.schema import NeuronId
from crantcli.text import plural


class KeptSynapses(NamedTuple):
    """Synapses that count, wherever their sites are.

    Attributes
    ----------
    relation : str
        A table `row, pre, post, id`; `row` is that of their sites.
    ledger : Ledger
    completeness : Completeness
    """

    relation: str
    ledger: Ledger
    completeness: Completeness


#: Columns of a synapse table.
SIDES = ("pre_compartment", "post_compartment")

#: What a word stands for that is no compartment.
_UNKNOWN = COMPARTMENTS[-1]


def require_whole(engine: SqlEngine, table: Relation, neurons: Sequence[NeuronId], notes: list[str]) -> None:
    """Refuse a table that is known to lack synapses of these neurons: they would be split elsewhere.

    Raises
    ------
    DataError
    """
    known = table.completeness
    advice = "give the table that it was made from"
    if known.filtered_by:
        raise DataError(f"compartments cannot be told: the input was thinned by {known.filtered_by}; {advice}")
    ids = engine.id_table("split", dict.fromkeys(neurons), table.id_type)
    sides: tuple[Side, Side] = ("input", "output")
    for what in sides:
        if lacking := uncovered(engine, ids, known, what):
            raise DataError(f"compartments cannot be told: the input does not hold every {what} of {lacking}; {advice}")
    if not known.known:
        notes.append("compartments take the input to hold every synapse of the neurons; its origin is not recorded")


def compartment_text(code: str) -> str:
    """A compartment by its code, as query text; what has none is unknown."""
    cases = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(COMPARTMENTS))
    return f"CASE {code} {cases} ELSE '{_UNKNOWN}' END"


def carried_columns(table: Relation) -> dict[str, str]:
    """Columns of a synapse table that are passed on -> what they are called on the way, which no other column is."""
    names = (*table.having("size", "neuropil"), *table.carried)
    return {name: f"c:{name}" for name in names if name not in SIDES}


def synapses_with_compartments(
    engine: SqlEngine, table: Relation, kept: KeptSynapses, sites: str, neurons: Sequence[NeuronId], notes: list[str]
) -> Table:
    """Synapses of neurons that have a skeleton, with the compartments on both sides.

    Parameters
    ----------
    kept : KeptSynapses
        With `carried_columns`.
    sites : str
        A table `row, side, compartment` of sites that are attached.
    neurons : sequence of int or str
        The neuron of each skeleton, as the table calls it.

    Returns
    -------
    Table
        Columns as in the source, then `pre_compartment` and `post_compartment`, which are unknown for sites that are
        not attached and neurons without a skeleton; by pre, post, id and then by all others.

    Raises
    ------
    DataError
        Where a neuron has two skeletons: its sites are on both.
    """
    if len(set(neurons)) < len(neurons):
        twice = next(neuron for place, neuron in enumerate(neurons) if neuron in neurons[:place])
        raise DataError(
            f"neuron {twice} has several skeletons, so that its synapses have several compartments; choose one of them"
        )
    carried = carried_columns(table)
    ends = [
        f"(SELECT row, compartment FROM {sites} WHERE side = {side}) AS {name} ON {name}.row = k.row"
        for side, name in enumerate(SIDES)
    ]
    shown = {inner: outer for inner, outer in output_columns(table).items() if inner in ("id", "pre", "post", *carried)}
    columns = [f"k.{quote(carried.get(inner, inner))} AS {quote(outer)}" for inner, outer in shown.items()]
    columns += [f"{compartment_text(f'{name}.compartment')} AS {name}" for name in SIDES]
    joined = engine.table(
        "synapses",
        f"SELECT {', '.join(columns)} FROM {kept.relation} AS k LEFT JOIN {' LEFT JOIN '.join(ends)}",
    )
    names = (*shown.values(), *SIDES)
    unique = "id" in table.roles and no_null_ids(engine, joined)
    keys = [shown["pre"], shown["post"]]
    order = [*keys, "id"] if unique else [*keys, *(name for name in names if name not in keys)]
    listed, by = (", ".join(map(quote, some_names)) for some_names in (names, order))
    rows = kept.ledger.kept
    either = " OR ".join(f"{name} = '{_UNKNOWN}'" for name in SIDES)
    unknown = int(engine.execute(f"SELECT count(*) FROM {joined} WHERE {either}")[0][0])
    if unknown:
        notes.append(
            f"{unknown:,} of {rows:,} synapses have an {_UNKNOWN} compartment on one side or both: neurons without a "
            "skeleton here, neurons that are not split, sites that are not attached"
        )
    if replaced := [name for name in SIDES if name in table.carried]:
        notes.append(f"{' and '.join(replaced)} of the input are replaced")
    units = unit_record(table, names, table.unit, table.voxel_size)
    stated = {
        "kind": "synapses", "units": None, "voxel_size_nm": None, **units, "unique_ids": unique,
        "ledger": kept.ledger.as_dict(), "complete_for": kept.completeness.as_dict(),
    }  # fmt: skip
    return Table(f"SELECT {listed} FROM {joined} ORDER BY {by}", names, rows, stated)


def split_notes(neurons: Sequence[NeuronId], counts: SplitCounts) -> list[str]:
    """What the user should be told of neurons and sites without compartments."""
    import numpy as np

    notes = []
    reasons = {
        FEW_SITES: f"have fewer than {FEW} inputs or {FEW} outputs on one tree",
        UNDIVIDED: "do not fall apart into axon and dendrite",
    }
    for outcome, reason in reasons.items():
        places = np.flatnonzero(counts.outcome == outcome)
        if len(places):
            sites, such = int(counts.sites[places].sum()), some([neurons[place] for place in places[:3]])
            notes.append(
                f"{len(places):,} of {len(neurons):,} neurons {reason}, such as {such}; their {sites:,} sites are of "
                f"{_UNKNOWN} compartment"
            )
    loose = counts.loose
    if loose.any():
        some_sites, of = plural(int(loose.sum()), "site"), plural(int((loose > 0).sum()), "neuron")
        first = neurons[int(np.flatnonzero(loose)[0])]
        notes.append(
            f"{some_sites} of {of}, such as {first}, lie on pieces that are not connected to the rest of the skeleton; "
            f"they are of {_UNKNOWN} compartment"
        )
    return notes
