"""Partners and synapses per neuron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.question import Table
from crantcli.core.questions.base import (
    Describe,
    Given,
    Inputs,
    Needs,
    Question,
    Results,
    Scope,
    Selectors,
    normalize_selectors,
)
from crantcli.core.relation import Relation, Result
from crantcli.core.rows.absent import absent, absent_note, some
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.rows.pairs import edges
from crantcli.errors import DataError
from crantcli.ids import Selection
from crantcli.schema import NeuronId


@dataclass(frozen=True)
class Counts(Question):
    """How many partners and synapses neurons have.

    Attributes
    ----------
    neurons : neurons or None
        None counts all.
    sum_duplicates : bool
        Add up edge rows that repeat a pair.
    """

    neurons: Selectors = None
    sum_duplicates: bool = False

    command: ClassVar[str] = "counts"
    outputs: ClassVar[Mapping[str, type]] = {"": Table}

    def __post_init__(self) -> None:
        normalize_selectors(self, "neurons")

    def needs(self) -> Needs:
        """Neurons, and nothing but pairs."""
        return Needs({"neurons": self.neurons})

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """All synapses of these neurons."""
        return Scope(either=given.neurons["neurons"])

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Count."""
        neurons = given.neurons["neurons"]
        result = counts(engine, given.source, neurons, given.rows, self.sum_duplicates)
        remarks = []
        if result.facts["silent"] and neurons is None:
            of_all = f"{result.facts['silent']:,} of {result.rows:,} neurons"
            remarks.append(f"{of_all} have no synapses here, such as {result.facts['first_silent']}")
        return Results.of_table(
            result, "counts", "neurons", options={"sum_duplicates": self.sum_duplicates or None}, remarks=remarks
        )


def counts(
    engine: SqlEngine, table: Relation, neurons: Selection | None, rows: RowFilter, sum_duplicates: bool = False
) -> Result:
    """Partners and synapses per neuron.

    Returns
    -------
    Result
        Columns `neuron_id`; `pre`, `post`: numbers of distinct partner neurons it sends to and receives from; and
        `pre_synapses`, `post_synapses`: its outgoing and incoming synapses (int64). Neurons that were asked for stand
        in that order, with zeros where they are silent; without a selection all neurons, sorted. Where IDs were brought
        to another time, `neuron_id` is the one that was asked for, and `current_id` the one that was counted.
    """
    if not table.whole_weights:
        raise DataError("weights of this table are fractions, and counts counts synapses; use connectivity")
    wanted = NeuronFilter(either=neurons)
    condition = None if wanted.everything else wanted.condition(engine, table.id_type)
    found = edges(engine, table, condition, rows, sum_duplicates=sum_duplicates, weak=False)
    tally = engine.table(
        "tally",
        f"SELECT id, CAST(sum(p) AS BIGINT) AS pre, CAST(sum(q) AS BIGINT) AS post, "
        f"CAST(sum(s) AS BIGINT) AS pre_synapses, CAST(sum(t) AS BIGINT) AS post_synapses FROM ("
        f"SELECT pre AS id, count(*) AS p, 0 AS q, sum(weight) AS s, 0 AS t FROM {found.relation} GROUP BY pre "
        f"UNION ALL SELECT post, 0, count(*), 0, sum(weight) FROM {found.relation} GROUP BY post) GROUP BY id",
    )
    numbers = ", ".join(f"coalesce({name}, 0) AS {name}" for name in ("pre", "post", "pre_synapses", "post_synapses"))
    if neurons is not None and neurons.requested:
        old, new = (engine.id_table("asked", ids, table.id_type) for ids in zip(*neurons.requested, strict=True))
        listed = f"(SELECT o.id AS requested, n.id, position FROM {old} AS o JOIN {new} AS n USING (position))"
        source, order = f"{listed} LEFT JOIN {tally} USING (id)", "position"
    elif neurons is not None:
        listed = engine.id_table("asked", neurons.ids, table.id_type)
        source = f"{listed} LEFT JOIN {tally} USING (id)"
        order = "position"
    elif table.silent is not None:
        source = f"(SELECT DISTINCT id FROM (SELECT id FROM {tally} UNION ALL SELECT id FROM {table.silent}))"
        source += f" LEFT JOIN {tally} USING (id)"
        order = "neuron_id"
    else:
        source, order = tally, "neuron_id"
    position = "0 AS position" if neurons is None else "position"
    updated = neurons is not None and bool(neurons.requested)
    keys = "requested AS neuron_id, id AS current_id" if updated else "id AS neuron_id"
    relation = engine.table("counted", f"SELECT {keys}, {numbers}, {position} FROM {source}")
    number = engine.execute(f"SELECT count(*) FROM {relation}")[0][0]
    silent, first = engine.execute(f"SELECT count(*), min(neuron_id) FROM {relation} WHERE pre = 0 AND post = 0")[0]
    tallied = ("pre", "post", "pre_synapses", "post_synapses")
    columns = ("neuron_id", *(("current_id",) if updated else ()), *tallied)
    asked = None if neurons is None else neurons.texts
    filtered_by = rows.filtered_by(table)
    facts: dict[str, Any] = {"labels": "neurons", "silent": int(silent)}
    if silent:
        facts["first_silent"] = str(first)
    notes = list(found.notes)
    if neurons is not None:
        missing = absent(engine, table, neurons, found.pairs, ("pre", "post"), rows)
        notes += [absent_note(table, missing, neurons, ("pre", "post"))] if missing else []
        notes += _dropped(engine, relation, missing, int(number), int(silent))
    return Result(
        f"SELECT {sql.columns(columns)} FROM {relation} ORDER BY {order}",
        columns,
        int(number),
        found.ledger,
        table.completeness.narrowed(asked, asked, filtered_by),
        facts,
        notes,
    )


def _dropped(engine: SqlEngine, relation: str, missing: list[NeuronId], number: int, silent: int) -> list[str]:
    """What to say of neurons that are in the table, and of whose synapses none counts."""
    if silent <= len(missing):
        return []
    named = {str(neuron) for neuron in missing}
    zeros = engine.execute(f"SELECT neuron_id FROM {relation} WHERE pre = 0 AND post = 0 ORDER BY position")
    others = [neuron for (neuron,) in zeros if str(neuron) not in named]
    have = "has" if len(others) == 1 else "have"
    what = f"{len(others):,} of {number:,} selected neurons {have} none that counts after cleaning and threshold"
    return [f"{what}, such as {some(others)}"] if others else []
