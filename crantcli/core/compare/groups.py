"""Groups of neurons of two networks, compared pair of groups by pair of groups, and whether they differ by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.core import sql
from crantcli.core.compare.sides import NetworkSide
from crantcli.core.compare.statistics import ALPHA, EdgeCounts, TestName, holm, share_test, tippett
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.rows.denominators import uncovered
from crantcli.core.rows.labels import label_columns, labelled_neurons
from crantcli.errors import DataError, UsageError
from crantcli.schema import Kind
from crantcli.text import P, join_names, plural

if TYPE_CHECKING:
    import numpy as np

_TESTED = ("p", "p_holm", "p_adjusted", "p_adjusted_holm")


@dataclass(frozen=True)
class LabelledSide:
    """A network whose neurons have labels.

    Attributes
    ----------
    side : NetworkSide
    labels : str
        A table `id, label_0, ...` of its neurons that have them.
    neurons : int
        All its neurons.
    edges : tuple of int
        Its edges at each threshold, autapses and labels apart.
    """

    side: NetworkSide
    labels: str
    neurons: int
    edges: tuple[int, ...]

    @property
    def possible(self) -> int:
        """Edges that its neurons could have, without autapses."""
        return self.neurons * (self.neurons - 1)

    def density(self, place: int = 0) -> float | None:
        """Edges / possible edges, at a threshold."""
        return self.edges[place] / self.possible if self.possible else None


@dataclass(frozen=True)
class GroupTests:
    """What tests say of all groups at one threshold; see `figures` for what of that is summed up."""

    columns: dict[str, np.ndarray[Any, Any]]
    figures: dict[str, Any]


def labelled_side(
    engine: SqlEngine,
    side: NetworkSide,
    by: Sequence[str],
    limits: Sequence[int],
    ledger: Ledger,
    notes: list[str],
    own: int = 0,
) -> LabelledSide:
    """Give the neurons of a network their labels; what has none is taken from the ledger.

    Parameters
    ----------
    own : int
        By how many columns of the table pairs are split into several rows.

    Raises
    ------
    DataError
        Where the table is known not to hold all input of these neurons.
    """
    # Without labels, all are one group.
    labels = f"(SELECT id, 'all' AS label_0 FROM {side.neurons})"
    if by:
        columns = label_columns(side.annotations, by)
        assert side.annotations is not None
        labels = labelled_neurons(engine, side.table.id_type, side.annotations, columns)
    labels = engine.table("side_labels", f"SELECT * FROM {labels} WHERE id IN (SELECT id FROM {side.neurons})")
    neurons = int(engine.execute(f"SELECT count(*) FROM {side.neurons}")[0][0])
    if side.named:
        _refuse_incomplete(engine, side, notes)
    amount = "sum(n)" if side.table.kind is Kind.SYNAPSES else "count(*)"
    ends = " AND ".join(f"{end} IN (SELECT id FROM {labels})" for end in ("pre", "post"))
    unlabelled = engine.execute(f"SELECT {amount} FROM {side.kept} WHERE NOT ({ends})")[0][0]
    ledger.remove("unannotated", unlabelled)
    ledger.kept -= int(unlabelled or 0)
    if unlabelled:
        notes.append(
            f"{side.name}: {int(unlabelled):,} {ledger.unit} of neurons without {' and '.join(by)} are left out"
        )
    inside = " AND ".join(f"{end} IN (SELECT id FROM {side.neurons})" for end in ("pre", "post"))
    counts = ", ".join(f"count(*) FILTER (n >= {limit})" if limit > 1 else "count(*)" for limit in limits)
    pairs = side.kept
    if own:
        strength = sql.total("n", ", ".join([*_own_columns(own), "n"]), side.table.whole_weights)
        pairs = f"(SELECT pre, post, {strength} AS n FROM {side.kept} GROUP BY pre, post)"
    edges = engine.execute(f"SELECT {counts} FROM {pairs} WHERE pre <> post AND {inside}")[0]
    return LabelledSide(side, labels, neurons, tuple(map(int, edges)))


def _own_columns(number: int) -> list[str]:
    """What columns of the table are called here."""
    return [f"own_{place}" for place in range(number)]


def _refuse_incomplete(engine: SqlEngine, side: NetworkSide, notes: list[str]) -> None:
    """Refuse a table that is known to lack edges between these neurons, or input of theirs."""
    known = side.table.completeness
    advice = "give the table that it was made from"
    if known.filtered_by:
        raise DataError(
            f"{side.source} was thinned by {known.filtered_by}, so that neither fractions nor probabilities can be "
            f"told; {advice}"
        )
    lacking = uncovered(engine, side.neurons, known, "input")
    if lacking:
        raise DataError(
            f"{side.source} does not hold every input of {lacking}, so that neither fractions nor probabilities can be "
            f"told; {advice}"
        )
    if not known.known:
        notes.append(f"{side.source} is taken to hold every input of its neurons; its origin is not recorded")


def group_table(
    engine: SqlEngine,
    a: LabelledSide,
    b: LabelledSide,
    by: Sequence[str],
    limits: Sequence[int],
    complete: bool,
    own: int = 0,
) -> str:
    """A table of pairs of groups, largest difference first.

    Parameters
    ----------
    own : int
        How many columns of the tables split the pairs.

    Returns
    -------
    str
        `place` from 0, `pre_0, ..., post_0, ...` (labels), `own_0, ...`, and for each side `weight_a`, `edges_a`,
        `possible_a`, `probability_a`, `fraction_a`, then `ratio`; `edges_a_1, ...` for further thresholds. A pair of
        neurons is an edge of every group of which it has a synapse; thresholds are of the whole pair.
    """
    number = max(1, len(by))
    values = _own_columns(own)
    keys = [*(f"{end}_{place}" for end in ("pre", "post") for place in range(number)), *values]
    sums = {name: _sums(engine, side, number, values, limits) for name, side in (("a", a), ("b", b))}
    sizes = {name: _sizes(engine, side, number) for name, side in (("a", a), ("b", b))}
    listed = ", ".join(keys)
    groups = f"SELECT {listed} FROM {sums['a']} UNION SELECT {listed} FROM {sums['b']}"
    if complete:
        labels = ", ".join(f"label_{place}" for place in range(number))
        every = f"(SELECT {labels} FROM {sizes['a']} UNION SELECT {labels} FROM {sizes['b']})"
        named = [
            f"{t}.label_{place} AS {end}_{place}" for t, end in (("p", "pre"), ("q", "post")) for place in range(number)
        ]
        groups = f"SELECT {', '.join(named + values)} FROM {every} AS p CROSS JOIN {every} AS q"
        if own:
            there = " UNION ".join(f"SELECT {', '.join(values)} FROM {sums[name]}" for name in "ab")
            groups += f" CROSS JOIN ({there})"
    same = sql.all_of([f"g.pre_{place} = g.post_{place}" for place in range(number)])
    columns, joins = [f"g.{name}" for name in keys], []
    for name in "ab":
        # A column of a table may be empty, which is a group like any other.
        alike = " AND ".join(f"g.{column} IS NOT DISTINCT FROM s_{name}.{column}" for column in keys)
        joins.append(f"LEFT JOIN {sums[name]} AS s_{name} ON {alike}")
        for end in ("pre", "post"):
            alike = " AND ".join(f"g.{end}_{place} = {end}_{name}.label_{place}" for place in range(number))
            joins.append(f"LEFT JOIN {sizes[name]} AS {end}_{name} ON {alike}")
        pre, post = f"coalesce(pre_{name}.neurons, 0)", f"coalesce(post_{name}.neurons, 0)"
        columns += [
            f"coalesce(s_{name}.weight, 0) AS weight_{name}",
            f"{pre} * {post} - CASE WHEN {same} THEN {pre} ELSE 0 END AS possible_{name}",
            f"post_{name}.input AS input_{name}",
            *(f"coalesce(s_{name}.edges_{place}, 0) AS {_edges(name, place)}" for place in range(len(limits))),
        ]
    raw = f"SELECT {', '.join(columns)} FROM ({groups}) AS g {' '.join(joins)}"
    shares = [
        f"CAST({part}_{name} AS DOUBLE) / nullif(CAST({whole}_{name} AS DOUBLE), 0) AS {share}_{name}"
        for name in "ab"
        for part, whole, share in (("edges", "possible", "probability"), ("weight", "input", "fraction"))
    ]
    told = f"SELECT *, fraction_b / nullif(fraction_a, 0) AS ratio FROM (SELECT *, {', '.join(shares)} FROM ({raw}))"
    return engine.table(
        "group_table",
        f"SELECT *, row_number() OVER (ORDER BY abs(weight_b - weight_a) DESC, {listed}) - 1 AS place FROM ({told})",
    )


def _edges(side: str, place: int) -> str:
    return f"edges_{side}_{place}" if place else f"edges_{side}"


def _sums(engine: SqlEngine, side: LabelledSide, number: int, own: Sequence[str], limits: Sequence[int]) -> str:
    """Weights and edges of pairs of groups, by `number` labels on each side and columns of the table."""
    labels = [
        f"{t}.label_{place} AS {end}_{place}" for t, end in (("p", "pre"), ("q", "post")) for place in range(number)
    ]
    keys = [*(f"{end}_{place}" for end in ("pre", "post") for place in range(number)), *own]
    counts = [
        f"count(*) FILTER (pre <> post{f' AND pair >= {limit}' if limit > 1 else ''}) AS edges_{place}"
        for place, limit in enumerate(limits)
    ]
    split = ", ".join(f"e.{name}" for name in own)
    pair = sql.total_of_each("e.n", "e.pre, e.post", split, side.side.table.whole_weights) if own else "e.n"
    weighing = side.side.weighing
    values = "".join(f", e.{name}" for name in (*own, *(() if weighing.column is None else ("valued",))))
    rows = (
        f"SELECT {', '.join(labels)}{values}, e.pre, e.post, e.weight, {pair} AS pair FROM {side.side.kept} AS e "
        f"JOIN {side.labels} AS p ON e.pre = p.id JOIN {side.labels} AS q ON e.post = q.id"
    )
    weight = weighing.weight.total(side.side.table)
    return engine.table(
        "group_sums",
        f"SELECT {', '.join(keys)}, {weight} AS weight, {', '.join(counts)} FROM ({rows}) GROUP BY {', '.join(keys)}",
    )


def _sizes(engine: SqlEngine, side: LabelledSide, number: int) -> str:
    """Neurons of groups, and all their input."""
    labels = ", ".join(f"label_{place}" for place in range(number))
    weight = "abs(n)" if side.side.table.signed else "n"
    total = f"sum({weight})" if side.side.table.whole_weights else sql.ordered_sum(weight, "w.pre, w.post")
    inputs = (
        f"SELECT l.id, {total} AS input FROM {side.side.whole} AS w JOIN {side.labels} AS l ON w.post = l.id "
        "WHERE NOT w.dropped GROUP BY l.id"
    )
    return engine.table(
        "group_sizes",
        f"SELECT {labels}, count(*) AS neurons, {sql.ordered_sum('i.input', 'l.id')} AS input FROM {side.labels} AS l "
        f"LEFT JOIN ({inputs}) AS i ON l.id = i.id GROUP BY {labels}",
    )


def group_tests(
    engine: SqlEngine, groups: str, a: LabelledSide, b: LabelledSide, name: TestName, place: int
) -> GroupTests:
    """Test each pair of groups, and the densities as a whole, at one of the thresholds.

    Returns
    -------
    GroupTests
        Columns `p`, `p_holm`, `p_adjusted`, `p_adjusted_holm` in the order of the table, NaN where a side has no edge.
        Both kinds, since a difference in density makes pairs of groups look different that are not.
    """
    import numpy as np

    found = engine.arrays(
        f"SELECT {_edges('a', place)} AS x1, possible_a AS n1, {_edges('b', place)} AS x2, possible_b AS n2 "
        f"FROM {groups} ORDER BY place"
    )
    counts = EdgeCounts(found["x1"], found["n1"], found["x2"], found["n2"])
    densities = [side.density(place) for side in (a, b)]
    ratio = densities[0] / densities[1] if densities[0] and densities[1] else None
    p = share_test(name, counts)
    adjusted = np.full(p.shape, np.nan) if ratio is None else share_test(name, counts, ratio)
    columns = dict(zip(_TESTED, (p, holm(p), adjusted, holm(adjusted)), strict=True))
    whole = np.array([[a.edges[place]], [a.possible], [b.edges[place]], [b.possible]], dtype=np.int64)
    density = float(share_test(name, EdgeCounts(*whole))[0])
    figures = {
        "density_ratio": ratio,
        "p_density": None if np.isnan(density) else density,
        "tested": int((~np.isnan(p)).sum()),
        "significant": int((columns["p_holm"] < ALPHA).sum()),
        "p_groups": tippett(p),
        "significant_adjusted": int((columns["p_adjusted_holm"] < ALPHA).sum()),
        "p_adjusted": tippett(adjusted),
    }
    return GroupTests(columns, figures)


def group_query(
    engine: SqlEngine,
    groups: str,
    by: Sequence[str],
    tests: GroupTests | None,
    own: Sequence[str] = (),
    named_neurons: bool = True,
    fractions: bool = True,
) -> tuple[str, tuple[str, ...]]:
    """The table of groups, and its columns.

    Parameters
    ----------
    by, own : sequence of str
        What the columns of labels are called, and those of the tables.
    named_neurons : bool
        It is known which neurons there are, and so what could be, and what their input is.
    fractions : bool
        Weights are of what that input is of.

    Raises
    ------
    UsageError
        Where two columns would have one name.
    """
    named = [f"{end}_{name}" for end in ("pre", "post") for name in by]
    keys = [f"{end}_{place}" for end in ("pre", "post") for place in range(len(by))]
    named, keys = [*named, *own], [*keys, *_own_columns(len(own))]
    chosen = [f"g.{key} AS {sql.quote(name)}" for key, name in zip(keys, named, strict=True)]
    numbers: tuple[str, ...] = (
        "weight_a", "weight_b", "edges_a", "possible_a", "edges_b", "possible_b", "probability_a", "probability_b",
        "fraction_a", "fraction_b", "ratio",
    )  # fmt: skip
    if not named_neurons:
        numbers = ("weight_a", "weight_b", "edges_a", "edges_b")
    if not fractions:
        numbers = tuple(name for name in numbers if name not in ("fraction_a", "fraction_b", "ratio"))
    chosen += [f"g.{name}" for name in numbers]
    source = f"{groups} AS g"
    if tests is not None:
        import numpy as np

        filled = {name: np.where(np.isnan(values), -1.0, values) for name, values in tests.columns.items()}
        places = np.arange(len(filled["p"]), dtype=np.int64)
        told = engine.columns_table("group_tests", {"place": places, **filled})
        chosen += [f"CASE WHEN t.{name} >= 0 THEN t.{name} END AS {name}" for name in _TESTED]
        source += f" JOIN {told} AS t ON g.place = t.place"
    columns = (*named, *numbers, *(_TESTED if tests is not None else ()))
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise UsageError(f"{P.by} would make two columns of one name ({join_names(twice)}); rename one")
    return f"SELECT {', '.join(chosen)} FROM {source} ORDER BY g.place", columns


def group_figures(engine: SqlEngine, groups: str, a: LabelledSide, b: LabelledSide, place: int) -> dict[str, Any]:
    """Figures of all groups at one of the thresholds."""
    one, other = (_edges(name, place) for name in "ab")
    both, only_a, only_b = engine.execute(
        f"SELECT count(*) FILTER ({one} > 0 AND {other} > 0), count(*) FILTER ({one} > 0 AND {other} = 0), "
        f"count(*) FILTER ({one} = 0 AND {other} > 0) FROM {groups}"
    )[0]
    figures = {
        "groups": int(both + only_a + only_b),
        "groups_both": int(both),
        "groups_only_a": int(only_a),
        "groups_only_b": int(only_b),
        "neurons_a": a.neurons,
        "neurons_b": b.neurons,
        "edges_a": a.edges[place],
        "edges_b": b.edges[place],
        "possible_a": a.possible,
        "possible_b": b.possible,
        "density_a": a.density(place),
        "density_b": b.density(place),
    }
    named = a.side.named and b.side.named
    return {name: value for name, value in figures.items() if named or not name.startswith(("possible", "density"))}


def missing_labels(engine: SqlEngine, a: LabelledSide, b: LabelledSide, by: Sequence[str]) -> list[str]:
    """What to say of labels that one side lacks.

    Raises
    ------
    DataError
        Where both sides have labels, and none in common.
    """
    labels = sql.columns(f"label_{place}" for place in range(max(1, len(by))))
    notes, lists, common = [], [], False
    for here, there in ((a, b), (b, a)):
        every = engine.execute(f"SELECT DISTINCT {labels} FROM {here.labels} ORDER BY ALL")
        found = engine.execute(
            f"SELECT DISTINCT {labels} FROM {here.labels} EXCEPT SELECT {labels} FROM {there.labels} ORDER BY ALL"
        )
        names = [" ".join(map(str, row)) for row in found]
        common = common or len(found) < len(every)
        lists.append(", ".join(names[:3]))
        if found:
            notes.append(f"{plural(len(found), 'label', 'are')} in {here.side.name} only: {join_names(names, 3)}")
    if not common and all(lists):
        raise DataError(
            f"A and B share no label of {' and '.join(by)}: A has {lists[0]}, B has {lists[1]}; name another column "
            f"with {P.by}"
        )
    return notes
