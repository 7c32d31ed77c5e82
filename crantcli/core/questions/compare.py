"""What changed between two wiring diagrams: two versions, sides, brains or methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from crantcli.checks import check_choice, check_names, check_switches, whole_number
from crantcli.core.compare.chance import Model, against_chance
from crantcli.core.compare.comparison import CompareOptions, Comparison
from crantcli.core.compare.conditions import held, parse_figure_condition
from crantcli.core.compare.groupwise import groups_of_sides
from crantcli.core.compare.pairwise import matched_sides, refuse_unlike, same_neurons, versions
from crantcli.core.compare.statistics import TestName
from crantcli.core.compare.versions import CHANGES
from crantcli.core.engine import SqlEngine
from crantcli.core.question import Figure, Output, Summary, Table
from crantcli.core.questions.base import (
    Describe,
    Given,
    Inputs,
    Needs,
    Question,
    Results,
    Scope,
    Selectors,
    as_names,
    normalize_selectors,
)
from crantcli.core.relation import Completeness
from crantcli.core.rows.groups import named_columns
from crantcli.core.rows.weights import Signs, Weighing, Weight
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.text import P, Param

#: Figures that conditions may be about.
FIGURES = (
    "pairs", "pairs_a", "pairs_b", "same", "changed", "only_a", "only_b", "weight_a", "weight_b", "spearman",
    "spearman_both", "jaccard", "matched", "added", "removed", "moved_in", "moved_out", "neurons",
    *(f"neurons_{change}" for change in CHANGES),
    "groups", "groups_both", "groups_only_a", "groups_only_b", "neurons_a", "neurons_b", "edges_a", "edges_b",
    "possible_a", "possible_b", "density_a", "density_b", "density_ratio", "p_density", "tested", "significant",
    "p_groups", "significant_adjusted", "p_adjusted",
)  # fmt: skip


@dataclass(frozen=True)
class Compare(Question):
    """What changed between A and B: the source and the other table, or two sides of the source.

    Attributes
    ----------
    a, b : neurons or None
        The two sides of one table: the networks between these neurons.
    by : tuple of str
        Columns of the annotations, or of the tables themselves: groups are compared, and not neurons.
    pair : str or None
        A column of the annotations that matches neurons of A and B one to one: the partner's ID, or a common label.
    largest_component : bool
        Of both sides together, and then of each, neurons of the largest weakly connected component only.
    test : {"score", "fisher"} or None
        Test the densities, and each pair of groups.
    against : {"configuration", "erdos-renyi"} or None
        Compare the groups of one table with chance: with graphs in which every neuron has the same numbers of inputs
        and outputs, or with the same density everywhere. `a` then names the neurons; None means all with labels.
    samples, seed : int
        How many such graphs are drawn, and what they are drawn from.
    complete : bool
        Pairs of groups without an edge, too.
    match : {"synapse", "neuron"} or None
        What is the same in two tables: synapses, by their ids, or neurons; None means synapses where both have ids.
    all : bool
        Pairs that are the same in both, too.
    thresholds : tuple of int
        Thresholds at which figures are told; none means that of the rows.
    fail_on : tuple of str
        Conditions on figures, such as "changed > 1000": where one holds, that is an error once all is written.
    sum_duplicates : bool
    weight, min_fraction, signs
        As of `Connectivity`. Signs of each table are by its own annotations.
    """

    a: Selectors = None
    b: Selectors = None
    by: tuple[str, ...] = ()
    pair: str | None = None
    largest_component: bool = False
    test: TestName | None = None
    against: Model | None = None
    samples: int = 200
    seed: int = 0
    complete: bool = False
    match: Literal["synapse", "neuron"] | None = None
    all: bool = False
    thresholds: tuple[int, ...] = ()
    fail_on: tuple[str, ...] = ()
    sum_duplicates: bool = False
    weight: str | Weight = "count"
    min_fraction: float | None = None
    signs: Signs | None = None

    command: ClassVar[str] = "compare"
    chosen_by: ClassVar[str] = f"{P.a} and {P.b}"
    outputs: ClassVar[Mapping[str, type]] = {
        "": Table,
        "neurons": Table,
        "sweep": Table,
        "summary": Summary,
        "plot": Figure,
    }

    def __post_init__(self) -> None:
        normalize_selectors(self, "a", "b")
        for name in ("by", "fail_on"):
            object.__setattr__(self, name, as_names(getattr(self, name)))
        check_switches(
            largest_component=self.largest_component, complete=self.complete, all=self.all,
            sum_duplicates=self.sum_duplicates,
        )  # fmt: skip
        check_names(pair=self.pair)
        limits = {whole_number("thresholds", limit) or 0 for limit in self.thresholds}
        object.__setattr__(self, "thresholds", tuple(sorted(limits)))
        for name, words in (("match", ("synapse", "neuron")), ("test", ("score", "fisher")),
                            ("against", ("configuration", "erdos-renyi"))):  # fmt: skip
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), words)
        for name in ("samples", "seed"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)) or 0)
        if self.thresholds and self.thresholds[0] < 1:
            raise UsageError(f"threshold {self.thresholds[0]}: a pair needs at least 1 synapse to be kept")
        for condition in self.fail_on:
            parse_figure_condition(condition, FIGURES)
        object.__setattr__(self, "weight", Weight.parse(self.weight))
        self._check_sides()
        self._check_weighing()

    @property
    def weighing(self) -> Weighing:
        """What is told of pairs, and which are strong enough."""
        return Weighing(Weight.parse(self.weight), self.min_fraction, self.signs)

    @property
    def _weighed(self) -> Param | None:
        """An option by which weights are not all synapses of all pairs."""
        if self.weighing.column is not None:
            return P.weight(str(self.weight))
        if self.signs is not None:
            return P.sign(self.signs.column)
        return None if self.min_fraction is None else P.min_fraction(self.min_fraction)

    def _check_weighing(self) -> None:
        """Refuse weights where something else is compared."""
        column, given = self.weighing.column, self._weighed
        if given is not None and self.match == "synapse":
            raise UsageError(f"{given} is about pairs of neurons, which {P.match('neuron')} compares")
        if self.against is not None and (column is not None or self.signs is not None):
            raise UsageError(f"{P.against} counts edges, whatever their weights; leave {given} out")
        if column is not None and len(self.thresholds) > 1 and not self._by_groups:
            raise UsageError(
                f"{given}: several thresholds, which count synapses, are told of {P.weight('count')}; give one"
            )

    def _check_sides(self) -> None:
        """Refuse what contradicts itself."""
        if self.against is not None:
            self._check_chance()
        elif (self.a is None) != (self.b is None):
            raise UsageError(f"{P.a} and {P.b} are the two sides of one table; give both or none")
        sides, groups = self.b is not None, self._by_groups
        if not sides and (self.pair is not None or self.largest_component):
            which = P.pair if self.pair is not None else P.largest_component
            raise UsageError(f"{which} is about two sides of one table; give {P.a} and {P.b}")
        if self.pair is not None and (self.by or self.test):
            which = P.by if self.by else P.test
            raise UsageError(f"{P.pair} compares neurons, and {which} groups of them; use one of the two")
        if not groups and (self.test or self.complete):
            which = P.test if self.test else P.complete
            raise UsageError(f"{which} is about groups; give {P.by.metavar('COLUMN')}, or {P.a} and {P.b}")
        if groups and (self.all or self.match):
            which = P.all if self.all else P.match
            raise UsageError(f"{which} is about pairs of neurons, and groups are compared; leave it out")
        if sides and self.match:
            raise UsageError(f"{P.match} is about two tables; leave it out")

    def _check_chance(self) -> None:
        """Refuse what does not go with a model of chance."""
        if not self.by:
            raise UsageError(f"{P.against} is about groups; give {P.by.metavar('COLUMN')}")
        for name in ("b", "pair", "test", "largest_component"):
            if getattr(self, name):
                raise UsageError(f"{P.against} compares one network with chance; leave {getattr(P, name)} out")
        if self.samples < 2:
            raise UsageError(f"{P.samples(self.samples)}: at least 2, since their spread is told")
        if self.seed < 0:
            raise UsageError(f"{P.seed(self.seed)}: a number from 0")
        if len(self.thresholds) > 1:
            raise UsageError(f"{P.against} takes one {P.threshold}")

    @property
    def _by_groups(self) -> bool:
        return bool(self.by) or (self.b is not None and self.pair is None)

    def needs(self) -> Needs:
        """Two tables, or the neurons of both sides of one; labels where groups are compared."""
        sides = self.b is not None or self.against is not None
        return Needs(
            {"a": self.a, "b": self.b} if sides else {},
            labels=bool(self.by) or self.pair is not None or self.signs is not None,
            columns=() if self.weighing.column is None else (self.weighing.column,),
            carry=named_columns(self.by),
            value=self.weighing.column,
            without_totals=f"{P.totals} goes with fractions of one table; here they are of all input in the tables",
            other=not sides,
            renames=not sides and not self.by,
        )

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """All input of the neurons of both sides."""
        if self.against is not None:
            return Scope(either=given.neurons["a"], outputs=False)
        chosen = [given.neurons[name] or Selection(()) for name in "ab"]
        return Scope(either=Selection(tuple(dict.fromkeys((*chosen[0].ids, *chosen[1].ids)))), outputs=False)

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Compare them."""
        smallest = given.rows.threshold or 1
        if self.thresholds and self.thresholds[0] < smallest:
            raise UsageError(f"threshold {smallest} leaves nothing to be told of threshold {self.thresholds[0]}")
        if "sweep" in wanted and not self.thresholds:
            raise UsageError(f"{P.sweep} tells of several thresholds; give them with {P.threshold.metavar('N,...')}")
        found = self._compared(engine, given)
        if "neurons" in wanted and "neurons" not in found.tables:
            raise UsageError(f"{P.neurons} tells what became of neurons from synapses with ids, in both tables")
        found.ledger.check()
        outputs: dict[str, Output] = {"": found.table, **found.tables, "summary": Summary(found.figures)}
        if "plot" in wanted:
            outputs["plot"] = Figure("comparison", found.picture())
        nobody = Completeness(frozenset(), frozenset())
        options: dict[str, Any] = {
            "by": list(self.by),
            "thresholds": list(self.thresholds),
            **{name: getattr(self, name) or None for name in
               ("pair", "largest_component", "test", "against", "complete", "match", "all", "sum_duplicates")},
            **self.weighing.record(),
        }  # fmt: skip
        if self.against == "configuration":
            options |= {"samples": self.samples, "seed": self.seed}
        return Results(
            outputs,
            "comparison",
            found.table.rows,
            found.ledger,
            nobody,
            found.table.rows,
            f"{found.what} ({found.sentence})",
            options=options,
            facts={**found.facts, **self.weighing.facts(given.source), "figures": found.figures},
            notes=found.notes,
            details={"figures": found.figures},
            empty=[] if found.table.rows else [f"nothing differs between A and B ({found.sentence})"],
            failed=held([parse_figure_condition(condition, FIGURES) for condition in self.fail_on], found.figures),
        )

    def _compared(self, engine: SqlEngine, given: Inputs) -> Comparison:
        options = CompareOptions(
            self.all, self.thresholds, self.sum_duplicates, self.by, self.complete, self.pair, self.largest_component,
            self.test, self.against, self.samples, self.seed, self.weighing,
        )  # fmt: skip
        if self.against is not None:
            return against_chance(engine, given, options)
        if self._by_groups:
            return groups_of_sides(engine, given, options)
        if self.pair is not None:
            return matched_sides(engine, given, options)
        refuse_unlike(given)
        if given.renames is not None and self._weighed is not None:
            raise UsageError(
                f"{P.ids} adds the pairs of neurons that have merged up, and {self._weighed} is of pairs that are "
                f"whole; make edges with it first, by crantcli connectivity, and compare those with {P.ids}"
            )
        return versions(engine, given, options) if self._by_synapse(given) else same_neurons(engine, given, options)

    def _by_synapse(self, given: Inputs) -> bool:
        """Whether synapses stay, and not neurons.

        Raises
        ------
        DataError, UsageError
            Where they cannot, and were to.
        """
        assert given.other is not None
        without = [name for name, table in (("A", given.source), ("B", given.other.table)) if "id" not in table.roles]
        if self.match == "synapse" and without:
            raise DataError(f"{P.match('synapse')}: {' and '.join(without)} has no column of synapse ids")
        if without or self.match == "neuron":
            return False
        if self._weighed is not None:
            raise UsageError(
                f"both tables have synapse ids, by which synapses are compared, and {self._weighed} is about pairs of "
                f"neurons; {P.match('neuron')} compares these"
            )
        if given.renames is not None:
            raise UsageError(
                f"both tables have synapse ids, which tell what became of neurons without {P.ids}; leave it out, or "
                f"compare pairs of neurons with {P.match('neuron')}"
            )
        return True
