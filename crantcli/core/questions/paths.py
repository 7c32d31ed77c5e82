"""Through the network: what part of an input comes from seeds, some steps back, and over which single paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from crantcli.checks import check_choice, whole_number
from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.network.flow import Layers, effective_inputs, layers
from crantcli.core.network.routes import PathCost
from crantcli.core.network.seeds import SeedSet, has_names, located, named_sets, one_set, seed_sets, selection_name
from crantcli.core.network.wiring import InputFractions, InputTotals, input_fractions
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
from crantcli.core.relation import Annotations, Completeness
from crantcli.core.rows.weights import Signs
from crantcli.errors import ArgumentTypeError, UsageError
from crantcli.text import P, plural

if TYPE_CHECKING:
    import numpy as np

#: The name of seeds that have none.
_SEEDS = "seeds"

#: The most steps that are followed.
MOST_HOPS = 100

_STEP = ("from", "path", "hop", "pre", "post", "weight", "fraction", "product", "cost")


@dataclass(frozen=True)
class Paths(Question):
    """What part of an input comes from seeds, some steps back, and over which paths.

    With P[i, j] the part of all input of j that comes from i, f_k(S, j) is the sum over seeds i of (P^k)[i, j]: the
    effective input fraction after k steps. As in connectome_interpreter (Y. Yin).

    Attributes
    ----------
    from_ : neurons, or mapping of str to neurons
        Seeds; several sets by their names.
    to : neurons or None
        Targets; None means all neurons of the table.
    hops : int
        Steps that are followed: 1, 2, ... up to this many.
    list : int or None
        Tell that many single paths instead, the best first.
    cost : {"product", "inverse", "hops"} or None
        With `list`: which are best: those with the largest product of fractions (None means that), the smallest sum
        of 1 / fraction, or the fewest steps.
    by : tuple of str
        Columns of the annotations: means over groups of targets.
    min_fraction : float or None
        Edges that are a smaller part of the post neuron's input are dropped, once.
    totals : {"whole", "after-threshold"}
        All input in the table, or that of pairs that reach the threshold.
    signs : Signs or None
        Weights of inhibitory neurons are negative.
    sum_duplicates : bool
    """

    from_: Any = None
    to: Selectors = None
    hops: int = 4
    list: int | None = None
    cost: PathCost | None = None
    by: tuple[str, ...] = ()
    min_fraction: float | None = None
    totals: InputTotals = "whole"
    signs: Signs | None = None
    sum_duplicates: bool = False

    command: ClassVar[str] = "paths"
    chosen_by: ClassVar[str] = P.from_
    outputs: ClassVar[Mapping[str, type]] = {"": Table, "layers": Table, "plot": Figure}

    def __post_init__(self) -> None:
        object.__setattr__(self, "from_", seed_sets(self.from_, P.from_, "paths start from"))
        normalize_selectors(self, "to")
        object.__setattr__(self, "by", as_names(self.by))
        for name in ("hops", "list"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        if self.hops is None or not 1 <= self.hops <= MOST_HOPS:
            raise UsageError(f"{P.hops(str(self.hops))}: steps are from 1 to {MOST_HOPS}")
        if self.list is not None and self.list < 1:
            raise UsageError(f"{P.list(self.list)}: at least 1 path")
        check_choice("totals", self.totals, get_args(InputTotals))
        if self.cost is not None:
            check_choice("cost", self.cost, get_args(PathCost))
            if self.list is None:
                raise UsageError(f"{P.cost(self.cost)} says which single paths are best; give {P.list.metavar('N')}")
        if self.min_fraction is not None:
            if isinstance(self.min_fraction, bool) or not isinstance(self.min_fraction, int | float):
                raise ArgumentTypeError(f"min_fraction={self.min_fraction!r}: a number")
            if not 0 <= self.min_fraction <= 1:
                raise UsageError(f"{P.min_fraction(self.min_fraction)}: a fraction is from 0 to 1")

    def needs(self) -> Needs:
        """Seeds and targets, and labels of groups and of who inhibits."""
        return Needs(
            {**{selection_name("from", name): chosen for name, chosen in self.from_.items()}, "to": self.to},
            labels=bool(self.by) or self.signs is not None or has_names(self.from_),
            without_totals=f"{P.totals} of paths are those of the table itself, or after-threshold",
        )

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """The whole network: paths lead anywhere."""
        raise UsageError(
            "paths are those of a whole network, and a data set on a server is not fetched as a whole; give a table of "
            "its edges or synapses"
        )

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Follow the shares of each set of seeds, or find single paths."""
        selected = {name: given.neurons[selection_name("from", name)] for name in self.from_}
        sets = named_sets(self.from_, selected, given.annotations, P.from_)
        if self.by and self.list is not None and "plot" not in wanted:
            raise UsageError(f"{P.by(','.join(self.by))} is about groups, and {P.list} tells single neurons; use one")
        network = input_fractions(engine, given, self.totals, self.min_fraction, self.signs, self.sum_duplicates)
        return _Answer(self, engine, given, network, sets).results(wanted)


class _Answer:
    """The answer in the making: what was followed, and tables of it."""

    def __init__(
        self, question: Paths, engine: SqlEngine, given: Inputs, network: InputFractions, sets: Sequence[SeedSet]
    ) -> None:
        self._question, self._engine, self._given, self._network = question, engine, given, network
        self._notes = list(network.notes)
        self._names = [one.name or _SEEDS for one in sets]
        source, neurons, notes = given.source, network.neurons, self._notes
        self._seeds = [located(engine, source, neurons, one, "seeds", "nothing comes from them", notes) for one in sets]
        self._targets: np.ndarray[Any, Any] | None = None
        if question.to is not None:
            chosen = one_set(question.to, given.neurons["to"], P.to)
            fate = "nothing reaches them, and they are not in the answer"
            self._targets = located(engine, source, neurons, chosen, "targets", fate, notes)
        self._fractions = network.fractions()
        self._flows = [effective_inputs(self._fractions, seeds, question.hops) for seeds in self._seeds]
        self._layers = [layers(self._fractions, flow) for flow in self._flows]
        #: What is told apart where weights may have signs.
        self._effects = ("excitatory", "inhibitory") if question.signs is not None or source.signed else ()

    def results(self, wanted: frozenset[str]) -> Results:
        """Everything that is told."""
        question, ledger = self._question, self._network.ledger
        empty: list[str] = []
        if question.list is None:
            table, what = self._shares()
            kind = "fractions"
        else:
            table, count = self._paths(question.list)
            kind, what = "paths", f"steps of {plural(count, 'path')}"
            empty = [] if count else [f"no path of at most {plural(question.hops, 'step')} leads to a target"]
        outputs: dict[str, Output] = {"": table, "layers": self._layer_table()}
        if "plot" in wanted:
            outputs["plot"] = self._picture()
        figures = {
            "network": {
                "neurons": len(self._network.inputs),
                "edges": int(self._network.counts.nnz),
                "negative_weights": bool((self._network.counts.data < 0).any()),
            },
            "seed_sets": [
                self._reached(name, len(seeds), found)
                for name, seeds, found in zip(self._names, self._seeds, self._layers, strict=True)
            ],
        }
        # Rows of an answer are no edges of which a neuron's inputs could be added up.
        nobody = Completeness(frozenset(), frozenset())
        return Results(
            outputs, kind, table.rows, ledger, nobody, table.rows, what,
            options={
                "hops": question.hops,
                "list": question.list,
                "cost": None if question.list is None else question.cost or "product",
                "by": [*question.by],
                "min_fraction": question.min_fraction,
                "totals": question.totals,
                **({} if question.signs is None else {k: v or None for k, v in vars(question.signs).items()}),
                "sum_duplicates": question.sum_duplicates or None,
            },
            facts=figures,
            notes=[*dict.fromkeys(self._notes)],
            details={"figures": figures},
            empty=empty,
        )  # fmt: skip

    def _reached(self, name: str, seeds: int, found: Layers) -> dict[str, Any]:
        """How many neurons are how far, for the provenance; said, where some are not reached."""
        import numpy as np

        hops = self._question.hops
        numbers = np.bincount(found.shortest + 1, minlength=hops + 2).tolist()
        told = found.shortest if self._targets is None else found.shortest[self._targets]
        lost = int((told < 0).sum())
        if lost and self._question.list is None:
            what = "neuron" if self._targets is None else "target"
            of_all = f"{lost:,} of {plural(len(told), what, 'are')}"
            self._notes.append(f"{name}: {of_all} not reached within {plural(hops, 'step')}")
        return {"from": name, "seeds": seeds, "shortest": numbers[1:], "not_reached": numbers[0]}

    # Shares

    def _shares(self) -> tuple[Table, str]:
        """Effective input fractions of targets, or of groups of them."""
        import numpy as np

        hops, number = self._question.hops, len(self._network.inputs)
        targets = np.arange(number) if self._targets is None else self._targets
        parts = []
        for place, flow in enumerate(self._flows):
            columns = {
                "position": np.tile(targets, hops),
                "hops": np.repeat(np.arange(1, hops + 1), len(targets)),
                "fraction": flow.fraction[1:, targets].ravel(),
            }
            for name in self._effects:
                columns[name] = getattr(flow, name)[1:, targets].ravel()
            made = self._engine.columns_table("followed", columns)
            parts.append(f"SELECT CAST({place} AS INTEGER) AS place, f.* FROM {made} AS f")
        joined = self._engine.view(
            "followed_shares",
            f"SELECT s.*, n.id FROM ({' UNION ALL '.join(parts)}) AS s "
            f"JOIN {self._network.neurons} AS n ON s.position = n.position",
        )
        if self._question.by:
            return self._grouped(joined)
        shown = ", ".join([self._from, 'id AS "to"', "hops", *self._told])
        query = f"SELECT {shown} FROM {joined} ORDER BY place, hops, fraction DESC, id"
        rows = len(targets) * hops * len(self._flows)
        return Table(query, ("from", "to", "hops", *self._columns), rows), "fractions"

    @property
    def _from(self) -> str:
        return f'{sql.one_of(self._names, "place")} AS "from"'

    @property
    def _columns(self) -> tuple[str, ...]:
        return ("fraction", "root", *self._effects)

    @property
    def _told(self) -> tuple[str, ...]:
        """The figures of a row, as query text."""
        return ("fraction", "power(fraction, 1 / CAST(hops AS DOUBLE)) AS root", *self._effects)

    def _grouped(self, joined: str) -> tuple[Table, str]:
        """Means over groups of targets."""
        names, labels = self._labels()
        keys = [f"label_{place}" for place in range(len(names))]
        listed = sql.columns(keys)
        rows = self._engine.table(
            "labelled_shares", f"SELECT s.*, {listed} FROM {joined} AS s JOIN {labels} AS l ON s.id = l.id"
        )
        among = f"SELECT DISTINCT id FROM {joined} WHERE id NOT IN (SELECT id FROM {labels})"
        lost = int(self._engine.execute(f"SELECT count(*) FROM ({among})")[0][0])
        if lost:
            self._notes.append(f"{plural(lost, 'neuron')} without a label left out of the groups")
        means = ", ".join(
            f"{sql.ordered_sum(name, 'id')} / count(*) AS {name}" for name in ("fraction", *self._effects)
        )
        found = self._engine.table(
            "group_shares",
            f"SELECT place, hops, {listed}, count(*) AS neurons, {means} FROM {rows} GROUP BY place, hops, {listed}",
        )
        shown = ["to"] if len(names) == 1 else [f"to_{name}" for name in names]
        told = [f"{key} AS {sql.quote(name)}" for key, name in zip(keys, shown, strict=True)]
        query = (
            f"SELECT {', '.join([self._from, *told, 'hops', 'neurons', *self._told])} "
            f"FROM {found} ORDER BY place, hops, fraction DESC, {listed}"
        )
        number = int(self._engine.execute(f"SELECT count(*) FROM {found}")[0][0])
        return Table(query, ("from", *shown, "hops", "neurons", *self._columns), number), "fractions of groups"

    def _labels(self) -> tuple[tuple[str, ...], str]:
        """The columns that make groups, and a table `id, label_0, ...`."""
        from crantcli.core.rows.labels import label_columns, labelled_neurons

        annotations: Annotations | None = self._given.annotations
        names = label_columns(annotations, self._question.by)
        assert annotations is not None
        return names, labelled_neurons(self._engine, self._given.source.id_type, annotations, names)

    # Layers

    def _layer_table(self) -> Table:
        """How far each neuron is from the seeds."""
        import numpy as np

        parts = []
        for place, found in enumerate(self._layers):
            columns = {"position": np.arange(len(found.mean)), "shortest": found.shortest, "mean": found.mean}
            made = self._engine.columns_table("layered", columns)
            parts.append(f"SELECT CAST({place} AS INTEGER) AS place, l.* FROM {made} AS l")
        query = (
            f"SELECT {self._from}, n.id AS neuron_id, CASE WHEN shortest >= 0 THEN shortest END AS shortest, "
            f"CASE WHEN isnan(mean) THEN NULL ELSE mean END AS mean FROM ({' UNION ALL '.join(parts)}) AS l "
            f"JOIN {self._network.neurons} AS n ON l.position = n.position "
            "ORDER BY place, shortest NULLS LAST, mean NULLS LAST, neuron_id"
        )
        rows = len(self._network.inputs) * len(self._layers)
        return Table(query, ("from", "neuron_id", "shortest", "mean"), rows, {"kind": "layers"})

    # Single paths

    def _paths(self, number: int) -> tuple[Table, int]:
        """The best paths, a row per step, and how many there are."""
        from crantcli.core.network.listing import path_steps

        question, network, engine = self._question, self._network, self._engine
        ids = engine.arrays(f"SELECT id FROM {network.neurons} ORDER BY position")["id"]
        steps, counts = path_steps(
            network, self._fractions, ids, self._seeds, self._targets, question.hops, number, question.cost or "product"
        )
        for name, count in zip(self._names, counts, strict=True):
            if count < number:
                found = f"{plural(count, 'path')} of at most {plural(question.hops, 'step')}"
                self._notes.append(f"{name}: {found}, and {number:,} were asked for")
        made = engine.columns_table("path_steps", steps)
        weight = "CAST(s.weight AS BIGINT)" if self._given.source.whole_weights else "s.weight"
        query = (
            f"SELECT {self._from}, s.path, s.hop, a.id AS pre, b.id AS post, {weight} AS weight, s.fraction, "
            f"s.product, s.cost FROM {made} AS s JOIN {network.neurons} AS a ON s.pre = a.position "
            f"JOIN {network.neurons} AS b ON s.post = b.position ORDER BY s.place, s.path, s.hop"
        )
        return Table(query, _STEP, len(steps["path"])), sum(counts)

    # The picture

    def _picture(self) -> Figure:
        """The flow between groups; of neurons, where there are no groups."""
        import numpy as np
        from scipy.sparse import csr_array

        from crantcli.core.network.diagram import MOST_GROUPS, MOST_SETS, FlowPicture, flow_panel

        if len(self._names) > MOST_SETS:
            raise UsageError(f"{P.plot} shows at most {MOST_SETS} sets of seeds, and there are {len(self._names)}")
        names, codes = self._members()
        if len(names) > MOST_GROUPS:
            advice = f"make fewer with {P.by.metavar('COLUMN')}"
            raise UsageError(f"{P.plot} shows at most {MOST_GROUPS} groups, and there are {len(names):,}; {advice}")
        groups = len(names) + bool((codes == len(names)).any())
        signed = self._fractions
        absolute = csr_array((np.abs(signed.data), signed.indices, signed.indptr), shape=signed.shape)
        panels = [
            flow_panel(name, absolute, flow.fraction, codes, groups, self._targets)
            for name, flow in zip(self._names, self._flows, strict=True)
        ]
        return Figure("flow", FlowPicture(names, panels, None if self._targets is None else len(self._targets)))

    def _members(self) -> tuple[list[str], np.ndarray[Any, Any]]:
        """Names of groups, and the group of each neuron; of those without a label one more than the last."""
        import numpy as np

        engine, neurons = self._engine, self._network.neurons
        if not self._question.by:
            ids = engine.arrays(f"SELECT id FROM {neurons} ORDER BY position")["id"]
            return list(map(str, ids.tolist())), np.arange(len(ids))
        columns, labels = self._labels()
        keys = sql.columns(f"label_{place}" for place in range(len(columns)))
        groups = engine.table(
            "flow_groups",
            f"SELECT {keys}, row_number() OVER (ORDER BY {keys}) - 1 AS code FROM (SELECT DISTINCT {keys} FROM "
            f"{labels} AS l JOIN {neurons} AS n ON l.id = n.id)",
        )
        names = [" ".join(row) for row in engine.execute(f"SELECT {keys} FROM {groups} ORDER BY code")]
        found = engine.arrays(
            f"SELECT coalesce(g.code, {len(names)}) AS code FROM {neurons} AS n LEFT JOIN {labels} AS l ON n.id = l.id "
            f"LEFT JOIN {groups} AS g USING ({keys}) ORDER BY n.position"
        )
        return names, found["code"].astype("int64")
