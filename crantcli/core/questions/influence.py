"""What seed neurons drive: the steady state of the wiring diagram as a linear network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from crantcli.checks import check_choice
from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.network.seeding import (
    CONSTANT,
    Driven,
    adjusted,
    drive,
)
from crantcli.core.network.seeds import has_names, named_sets, seed_sets, selection_name
from crantcli.core.network.wiring import EdgeWeight, InputTotals, Wiring, wired
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
    as_names,
    normalize_selectors,
)
from crantcli.core.rows.weights import Signs
from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.text import P, plural

if TYPE_CHECKING:
    import numpy as np

#: What a network is scaled to, where nothing else is said.
GAIN = 0.99

_RANKED = ("neuron_id", "influence", "adjusted_influence", "is_seed")
_GROUPED = ("neurons", "seeds", "influence", "mean_influence", "adjusted_influence", "mean_without_seeds")
_PER_TARGET = ("by_targets", "by_sources_and_targets")

#: The most rows of a picture, and columns: more have no room for their names.
MOST_SHOWN = 60


@dataclass(frozen=True)
class Influence(Question):
    """What seed neurons drive.

    The steady state of tau dr/dt = -r + (gain / lambda) W r + s, with W[post, pre] the weights, lambda the largest real
    part of their eigenvalues, and s = 1 at the seeds: r = (1 - (gain / lambda) W)^-1 s. As in
    ConnectomeInfluenceCalculator (Z. Ajabi, J. Drugowitsch).

    Attributes
    ----------
    seeds : neurons, or mapping of str to neurons
        Whom the network is driven by; several sets by their names.
    gain : float or None
        Largest eigenvalue that the network is scaled to, above 0 and below 1; None leaves the weights as they are.
    weight : {"count", "norm"}
        Synapses, or these as a part of all input of the post neuron.
    totals : {"whole", "after-threshold"}
        With "norm": all input in the table, or that of pairs that reach the threshold.
    silence : neurons or None
        Neurons whose outputs are cut before anything is computed. Seeds of a set are not silenced for it.
    by : tuple of str
        Columns of the annotations: what groups of neurons receive.
    signs : Signs or None
        Weights of inhibitory neurons are negative.
    sum_duplicates : bool
    per_target : bool
        Adjusted influences, too, of r / targets and of r / (seeds x targets); targets are all neurons of the network.
    """

    seeds: Any = None
    gain: float | None = GAIN
    weight: EdgeWeight = "count"
    totals: InputTotals = "whole"
    silence: Selectors = None
    by: tuple[str, ...] = ()
    signs: Signs | None = None
    sum_duplicates: bool = False
    per_target: bool = False

    command: ClassVar[str] = "influence"
    chosen_by: ClassVar[str] = P.seeds
    outputs: ClassVar[Mapping[str, type]] = {"": Table, "plot": Figure}

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", seed_sets(self.seeds, P.seeds, "drive the network"))
        normalize_selectors(self, "silence")
        object.__setattr__(self, "by", as_names(self.by))
        check_choice("weight", self.weight, get_args(EdgeWeight))
        check_choice("totals", self.totals, get_args(InputTotals))
        if self.totals != "whole" and self.weight != "norm":
            raise UsageError(f"{P.totals(self.totals)} goes with {P.weight('norm')}")
        if self.gain is not None:
            if isinstance(self.gain, bool) or not isinstance(self.gain, int | float):
                raise ArgumentTypeError(f"gain={self.gain!r}: a number, or None")
            if not 0 < self.gain < 1:
                raise UsageError(
                    f"{P.gain(self.gain)}: above 0 and below 1, since no steady state is reached from 1 on; "
                    f"{P.gain('none')} leaves the weights as they are"
                )

    def needs(self) -> Needs:
        """Seeds and silenced neurons, and labels of groups and of who inhibits."""
        return Needs(
            {
                **{selection_name("seeds", name): chosen for name, chosen in self.seeds.items()},
                "silence": self.silence,
            },
            labels=bool(self.by) or self.signs is not None or has_names(self.seeds),
            without_totals=f"{P.totals} of {P.weight('norm')} are those of the table itself, or after-threshold",
        )

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """The whole network: whatever is left out conducts nothing."""
        raise UsageError(
            "influence is that of a whole network, and a data set on a server is not fetched as a whole; "
            "give a table of its edges or synapses"
        )

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Find the steady state of each set of seeds."""
        selected = {name: given.neurons[selection_name("seeds", name)] for name in self.seeds}
        sets = named_sets(self.seeds, selected, given.annotations, P.seeds)
        wiring = wired(engine, given, self.weight, self.totals, self.signs, self.sum_duplicates)
        answers = drive(engine, given.source, wiring, sets, given.neurons["silence"], self.gain)
        table, what = self._table(engine, given, wiring, answers)
        notes = [*wiring.notes, *(note for answer in answers for note in answer.notes)]
        outputs: dict[str, Output] = {"": table}
        if "plot" in wanted:
            if len(answers) > MOST_SHOWN:
                raise UsageError(f"{P.plot} shows at most {MOST_SHOWN} sets of seeds, and there are {len(answers)}")
            outputs["plot"] = self._picture(engine, given, table, [answer.name or "seeds" for answer in answers])
        figures = {
            "network": {
                "neurons": wiring.weights.shape[0],
                "edges": int(wiring.weights.nnz),
                "negative_weights": wiring.signed,
            },
            "adjustment_constant": CONSTANT,
            "seed_sets": [answer.record() for answer in answers],
        }
        return Results(
            outputs,
            "influence",
            table.rows,
            wiring.ledger,
            given.source.completeness.narrowed(None, None, given.rows.filtered_by(given.source)),
            table.rows,
            what,
            options={
                "gain": "none" if self.gain is None else self.gain,
                "weight": self.weight,
                "totals": self.totals if self.weight == "norm" else None,
                "by": list(self.by),
                **({} if self.signs is None else {name: value or None for name, value in vars(self.signs).items()}),
                "sum_duplicates": self.sum_duplicates or None,
                "per_target": self.per_target or None,
            },
            facts=figures,
            notes=list(dict.fromkeys(notes)),
            details={"figures": figures},
        )

    def _table(self, engine: SqlEngine, given: Inputs, wiring: Wiring, answers: list[Driven]) -> tuple[Table, str]:
        import numpy as np

        number = wiring.weights.shape[0]
        position = np.arange(number)
        parts = []
        for place, answer in enumerate(answers):
            columns = {
                "position": position,
                "influence": answer.influence,
                "adjusted_influence": adjusted(answer.influence),
                "seeded": answer.seeded.astype(np.int8),
                **self._per_target(answer.influence, number, answer.seeded.sum()),
            }
            made = engine.columns_table("driven", columns)
            parts.append(f"SELECT CAST({place} AS INTEGER) AS place, d.* FROM {made} AS d")
        added = _PER_TARGET if self.per_target else ()
        joined = engine.view(
            "influences",
            "SELECT d.place, n.id AS neuron_id, d.influence, d.adjusted_influence, d.seeded = 1 AS is_seed"
            f"{''.join(f', d.{name}' for name in added)} "
            f"FROM ({' UNION ALL '.join(parts)}) AS d JOIN {wiring.neurons} AS n ON d.position = n.position",
        )
        named = answers[0].name is not None
        seed = [f"{sql.one_of([answer.name or '' for answer in answers], 'place')} AS seed"] if named else []
        if self.by:
            return self._grouped(engine, given, joined, answers, seed)
        ranked = (*_RANKED, *added)
        shown = ("seed", *ranked) if named else ranked
        query = f"SELECT {', '.join([*seed, *ranked])} FROM {joined} ORDER BY place, influence DESC, neuron_id"
        return Table(query, shown, number * len(answers)), "neurons" if len(answers) == 1 else "rows of neurons"

    def _per_target(
        self, influence: np.ndarray[Any, Any], targets: int, seeds: int | np.ndarray[Any, Any]
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Adjusted influences by numbers of targets and of seeds, where they are asked for."""
        if not self.per_target:
            return {}
        divisors = (targets, seeds * targets)
        return {name: adjusted(influence / divisor) for name, divisor in zip(_PER_TARGET, divisors, strict=True)}

    def _grouped(
        self, engine: SqlEngine, given: Inputs, joined: str, answers: list[Driven], seed: list[str]
    ) -> tuple[Table, str]:
        """What groups of neurons receive."""
        import numpy as np

        from crantcli.core.rows.labels import label_columns, labelled_neurons

        names = label_columns(given.annotations, self.by)
        figures = (*_GROUPED, *(_PER_TARGET if self.per_target else ()))
        taken = [name for name in names if name in ("seed", *figures)]
        if taken:
            raise UsageError(f"{P.by(','.join(self.by))}: the answer has a column {taken[0]} of its own")
        assert given.annotations is not None
        labels = labelled_neurons(engine, given.source.id_type, given.annotations, names)
        keys = [f"label_{place}" for place in range(len(names))]
        listed = sql.columns(keys)
        rows = engine.table("labelled_influences", f"SELECT j.*, {listed} FROM {joined} AS j JOIN {labels} AS l "
                            "ON j.neuron_id = l.id")  # fmt: skip
        lost = engine.execute(
            f"SELECT count(*) FROM {joined} WHERE place = 0 AND neuron_id NOT IN (SELECT id FROM {labels})"
        )[0][0]
        if lost:
            answers[0].notes.append(f"{plural(lost, 'neuron')} without a label left out")
        total = sql.ordered_sum("influence", "neuron_id")
        others = sql.ordered_sum("influence", "neuron_id", "NOT is_seed")
        summed = engine.table(
            "group_influences",
            f"SELECT *, row_number() OVER (ORDER BY place, {listed}) - 1 AS row FROM (SELECT place, {listed}, "
            "count(*) AS neurons, count(*) FILTER (is_seed) AS seeds, "
            f"{total} AS influence, {total} / count(*) AS mean_influence, "
            f"{others} / nullif(count(*) FILTER (NOT is_seed), 0) AS mean_without_seeds "
            f"FROM {rows} GROUP BY place, {listed})",
        )
        groups = engine.arrays(f"SELECT place, influence, mean_influence FROM {summed} ORDER BY row")
        seeds = np.array([answer.seeded.sum() for answer in answers], dtype=np.float64)
        made = engine.columns_table(
            "adjusted_groups",
            {
                "row": np.arange(len(groups["place"])),
                "adjusted_influence": adjusted(groups["mean_influence"]),
                **self._per_target(groups["influence"], len(answers[0].influence), seeds[groups["place"]]),
            },
        )
        shown = [f"{key} AS {sql.quote(name)}" for key, name in zip(keys, names, strict=True)]
        query = (
            f"SELECT {', '.join([*seed, *shown, *figures])} FROM {summed} JOIN {made} USING (row) "
            f"ORDER BY place, mean_influence DESC, {listed}"
        )
        number = int(engine.execute(f"SELECT count(*) FROM {summed}")[0][0])
        return Table(query, (*(["seed"] if seed else []), *names, *figures), number), "groups"

    def _picture(self, engine: SqlEngine, given: Inputs, table: Table, sets: list[str]) -> Figure:
        """What each set drives, by groups or neurons. Seeds are left out: they are driven by being seeds."""
        import numpy as np

        from crantcli.core.matrix.labelled import LabelledMatrix

        if self.by:
            from crantcli.core.rows.labels import label_columns

            keys = [sql.quote(name) for name in label_columns(given.annotations, self.by)]
            value, what = "coalesce(mean_without_seeds, 0)", "groups"
        else:
            keys, value, what = ["neuron_id"], "CASE WHEN is_seed THEN 0 ELSE influence END", "neurons"
        seed = "seed" if "seed" in table.columns else sql.text(sets[0])
        label = " || ' ' || ".join(f"CAST({key} AS VARCHAR)" for key in keys)
        found = engine.arrays(
            f"SELECT {seed} AS seed, {label} AS label, dense_rank() OVER (ORDER BY {', '.join(keys)}) AS code, "
            f"CAST({value} AS DOUBLE) AS value FROM ({table.query})"
        )
        # Groups of several columns may read alike, and are several.
        _, first, rows = np.unique(found["code"], return_index=True, return_inverse=True)
        names = found["label"][first]
        values = adjusted(found["value"])
        strongest = np.zeros(len(names))
        np.maximum.at(strongest, rows, np.abs(values))
        order = np.lexsort((names, -strongest))
        at = np.empty(len(names), dtype=np.int64)
        at[order] = np.arange(len(names))
        columns = np.array([sets.index(name) for name in found["seed"].tolist()], dtype=np.int64)
        whole = LabelledMatrix.from_entries(names[order], np.array(sets), at[rows], columns, values)
        shown = whole.subset(np.arange(len(names)) < MOST_SHOWN, np.full(len(sets), True))
        return Figure("influence", shown, {"what": what, "of": len(names)})
