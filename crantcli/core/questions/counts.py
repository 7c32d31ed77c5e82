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
from crantcli.core.relation import Annotations, Relation, Result, Totals
from crantcli.core.rows.absent import absent, absent_note, some
from crantcli.core.rows.edge_list import EdgeList
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.rows.groups import GroupColumns, group_columns, named_columns, parse_by
from crantcli.core.rows.labels import key, label
from crantcli.core.rows.pairs import edges
from crantcli.core.rows.weights import Signs, Weighing, Weight
from crantcli.core.sql import quote
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.schema import NeuronId
from crantcli.text import P, join_names


@dataclass(frozen=True)
class Counts(Question):
    """How many partners and synapses neurons have.

    Attributes
    ----------
    neurons : neurons or None
        None counts all.
    sum_duplicates : bool
        Add up edge rows that repeat a pair.
    by : names of columns, or None
        A row for each group of a neuron's partners: by columns of the annotations, for the partners, and of the table.
    weight, min_fraction, signs
        As of `Connectivity`. Weights that are no numbers of synapses, or have signs, are told beside these.
    """

    neurons: Selectors = None
    sum_duplicates: bool = False
    by: str | tuple[str, ...] | None = None
    weight: str | Weight = "count"
    min_fraction: float | None = None
    signs: Signs | None = None

    command: ClassVar[str] = "counts"
    outputs: ClassVar[Mapping[str, type]] = {"": Table}
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        normalize_selectors(self, "neurons")
        object.__setattr__(self, "weight", Weight.parse(self.weight))
        _ = self.weighing  # refuses what is no fraction
        by = parse_by(self.by)
        object.__setattr__(self, "by", by or None)
        if any(name.startswith(("pre:", "post:")) for name in by):
            raise UsageError(f"{P.by(','.join(by))}: columns of the partners, on whichever side they are")

    @property
    def weighing(self) -> Weighing:
        """What is told of pairs, and which are strong enough."""
        return Weighing(Weight.parse(self.weight), self.min_fraction, self.signs)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of columns by which partners are grouped."""
        return self.by if isinstance(self.by, tuple) else ()

    def needs(self) -> Needs:
        """Neurons, pairs, and labels where these count."""
        column = self.weighing.column
        return Needs(
            {"neurons": self.neurons},
            labels=bool(self.groups) or self.signs is not None,
            columns=() if column is None else (column,),
            carry=named_columns(self.groups),
            value=column,
            without_totals="" if self.min_fraction is not None else f"{P.totals} goes with {P.min_fraction}",
        )

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """All synapses of these neurons."""
        return Scope(either=given.neurons["neurons"])

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Count."""
        neurons = given.neurons["neurons"]
        result = counts(engine, given.source, neurons, given.rows, self, given.annotations, given.totals)
        remarks = []
        if result.facts["silent"] and neurons is None:
            of_all = f"{result.facts['silent']:,} of {result.neurons:,} neurons"
            remarks.append(f"{of_all} have no synapses here, such as {result.facts['first_silent']}")
        options = {"sum_duplicates": self.sum_duplicates or None, "by": list(self.groups), **self.weighing.record()}
        what = "groups of partners" if self.groups else "neurons"
        return Results.of_table(result, "counts", what, options=options, remarks=remarks)


@dataclass
class CountsResult(Result):
    """Counts, and of how many neurons."""

    neurons: int = 0


def counts(
    engine: SqlEngine,
    table: Relation,
    neurons: Selection | None,
    rows: RowFilter,
    question: Counts,
    annotations: Annotations | None = None,
    totals: Totals | None = None,
) -> CountsResult:
    """Partners and synapses per neuron, or per neuron and group of partners.

    Returns
    -------
    CountsResult
        Columns `neuron_id`; by groups `partner_COL` of the annotations, and the table's own columns, null where there
        is no label; `pre`, `post`: numbers of distinct partner neurons it sends to and receives from; `pre_synapses`,
        `post_synapses`: its outgoing and incoming synapses (int64); and, where weights are others than numbers of
        synapses, or have signs, `pre_weight`, `post_weight`: those of all its outgoing and incoming synapses together.
        Neurons that were asked for stand in that order, with zeros where they are silent; without a selection all
        neurons, sorted; then by group, nulls last. Where IDs were brought to another time, `neuron_id` is the one that
        was asked for, and `current_id` the one that was counted.
    """
    if not table.whole_weights:
        raise DataError("weights of this table are fractions, and counts counts synapses; use connectivity")
    wanted, weighing = NeuronFilter(either=neurons), question.weighing
    groups = group_columns(table, question.groups, annotations)
    condition = None if wanted.everything else wanted.condition(engine, table.id_type)
    found = edges(
        engine,
        table,
        condition,
        rows,
        split=groups.own,
        sum_duplicates=question.sum_duplicates,
        values=weighing.column is not None,
        weak=weighing.min_fraction is not None and totals is None,
    )
    work = EdgeList(
        engine, table, found, groups.own, weighing.weight, wanted, rows, annotations, totals, question.sum_duplicates
    )
    work.weigh(weighing)
    found.ledger.check()
    weighed = weighing.column is not None or weighing.signs is not None
    tallied: tuple[str, ...] = ("pre", "post", "pre_synapses", "post_synapses")
    tally, names = _tally(engine, table, work.relation, groups, annotations, weighing if weighed else None)
    numbers = ", ".join(f"coalesce({name}, 0) AS {name}" for name in tallied)
    if weighed:
        tallied = (*tallied, "pre_weight", "post_weight")
        none = "{0}" if weighing.weight.how == "mean" else "coalesce({0}, 0) AS {0}"
        numbers += ", " + ", ".join(none.format(name) for name in tallied[-2:])
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
    listed = "".join(f"{quote(name)}, " for name in names)
    relation = engine.table("counted", f"SELECT {keys}, {listed}{numbers}, {position} FROM {source}")
    number, of_neurons = engine.execute(f"SELECT count(*), count(DISTINCT neuron_id) FROM {relation}")[0]
    silent, first = engine.execute(f"SELECT count(*), min(neuron_id) FROM {relation} WHERE pre = 0 AND post = 0")[0]
    columns = ("neuron_id", *(("current_id",) if updated else ()), *names, *tallied)
    asked = None if neurons is None else neurons.texts
    reasons = [*([thinned] if (thinned := rows.filtered_by(table)) else []), *weighing.reasons()]
    facts: dict[str, Any] = {"labels": "neurons", "silent": int(silent), **weighing.facts(table)}
    if silent:
        facts["first_silent"] = str(first)
    notes = list(work.notes)
    if neurons is not None:
        missing = absent(engine, table, neurons, found.pairs, ("pre", "post"), rows)
        notes += [absent_note(table, missing, neurons, ("pre", "post"))] if missing else []
        notes += _dropped(engine, relation, missing, int(of_neurons), int(silent))
    order = ", ".join([order, *map(quote, names)])
    return CountsResult(
        f"SELECT {sql.columns(columns)} FROM {relation} ORDER BY {order}",
        columns,
        int(number),
        found.ledger,
        table.completeness.narrowed(asked, asked, " and ".join(reasons)),
        facts,
        notes,
        int(of_neurons),
    )


def _tally(
    engine: SqlEngine,
    table: Relation,
    found: str,
    groups: GroupColumns,
    annotations: Annotations | None,
    weighing: Weighing | None,
) -> tuple[str, list[str]]:
    """A table `id`, the columns of groups, and figures of the neurons on both sides; names of the columns of groups."""
    names = [*(f"partner_{name}" for name in groups.pre), *groups.own]
    taken = {"neuron_id", "current_id", *_FIGURES.values(), "pre_weight", "post_weight"} & set(names)
    if taken:
        raise UsageError(
            f"{P.by(','.join(groups.own))} would make two columns of one name ({join_names(sorted(taken))})"
        )
    labels = ""
    if groups.labelled:
        assert annotations is not None
        picked = ", ".join(f"{label(name, annotations)} AS label_{at}" for at, name in enumerate(groups.pre))
        labels = engine.table(
            "partner_labels",
            f"SELECT * FROM (SELECT {key(table.id_type)} AS id, {picked} FROM {annotations.relation}) "
            "WHERE id IS NOT NULL",
        )
    sides = []
    for end, partner, out in (("pre", "post", True), ("post", "pre", False)):
        keys = [
            f"e.{end} AS id",
            *(f"l.label_{at} AS {quote(name)}" for at, name in enumerate(names[: len(groups.pre)])),
        ]
        keys += [f"e.{quote(name)}" for name in groups.own]
        figures = {"p": "count(*)", "s": "sum(n)", **({"v": weighing.weight.total(table)} if weighing else {})}
        nothing = {"p": "0", "s": "0", "v": "NULL"}
        told = [f"{figures[name] if out else nothing[name]} AS {name}" for name in figures]
        told += [f"{nothing[name] if out else figures[name]} AS {name}_in" for name in figures]
        joined = f"{found} AS e LEFT JOIN {labels} AS l ON e.{partner} = l.id" if labels else f"{found} AS e"
        by = ", ".join(str(number + 1) for number in range(len(keys)))
        sides.append(f"SELECT {', '.join([*keys, *told])} FROM {joined} GROUP BY {by}")
    sums = [f"CAST(sum({name}) AS BIGINT) AS {told}" for name, told in _FIGURES.items()]
    if weighing:  # of each side there is one row
        sums += ["max(v) AS pre_weight", "max(v_in) AS post_weight"]
    keys = ["id", *map(quote, names)]
    query = f"SELECT {', '.join([*keys, *sums])} FROM ({' UNION ALL '.join(sides)}) GROUP BY {', '.join(keys)}"
    return engine.table("tally", query), names


#: What the sums of both sides are called.
_FIGURES = {"p": "pre", "p_in": "post", "s": "pre_synapses", "s_in": "post_synapses"}


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
