"""The two networks of a comparison: whose neurons they are, and which of the pairs that were read are theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crantcli.core import sql
from crantcli.core.compare.columns import NO_COLUMNS, ComparedColumns, own_values
from crantcli.core.compare.comparison import CompareOptions
from crantcli.core.compare.components import largest_component
from crantcli.core.compare.edges import all_edges
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.questions.base import Inputs
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.absent import absent, absent_note
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.labels import label_columns, labelled_neurons
from crantcli.core.rows.pairs import Edges
from crantcli.core.rows.partners import matched_neurons, unmatched_notes
from crantcli.core.rows.weighed import weighed_edges
from crantcli.core.rows.weights import Weighing
from crantcli.errors import DataError
from crantcli.ids import Selection
from crantcli.text import P, plural


@dataclass(frozen=True)
class NetworkSide:
    """One of two networks.

    Attributes
    ----------
    name : {"A", "B"}
    source : str
        What to call its table in messages.
    table : Relation
    kept : str
        `pre, post, n, weight`: its pairs that count, and `valued` beside weights of a column, as `weighed_edges` has
        them; where groups are by columns of the table also `own_0, ...`, and then a pair has a row for each of its
        values.
    whole : str
        `pre, post, n, dropped`: pairs before the threshold, with all input that the table has of its neurons.
    neurons : str
        A table `id`: its neurons, connected or not.
    annotations : Annotations or None
    weighing : Weighing
    named : bool
        `neurons` are those that labels or options name; else those of its edges, which say nothing of what could be.
    """

    name: str
    source: str
    table: Relation
    kept: str
    whole: str
    neurons: str
    annotations: Annotations | None
    weighing: Weighing
    named: bool = True


@dataclass(frozen=True)
class TwoSides:
    """Both networks, with the ledger of what was read for each, which is one where they are of one table."""

    a: NetworkSide
    b: NetworkSide
    ledgers: tuple[Ledger, Ledger]
    notes: list[str]


def _labelled(engine: SqlEngine, table: Relation, annotations: Annotations | None, by: Sequence[str]) -> str:
    columns = label_columns(annotations, by)
    assert annotations is not None
    return labelled_neurons(engine, table.id_type, annotations, columns)


def compared_edges(
    engine: SqlEngine,
    name: str,
    table: Relation,
    rows: RowFilter,
    annotations: Annotations | None,
    options: CompareOptions,
    split: tuple[str, ...] = (),
    outside: str = "FALSE",
) -> Edges:
    """All edges of a table as they are weighed, but for those outside."""
    advice = f"make the edges with crantcli connectivity, which takes {P.totals.metavar('FILE')}, and compare those"
    return weighed_edges(
        engine, table, rows, options.weighing, annotations, split=split, sum_duplicates=options.sum_duplicates,
        outside=outside, named=name, advice=advice,
    )  # fmt: skip


def _listed(options: CompareOptions, values: Sequence[str]) -> str:
    """What a side has of its edges."""
    valued = () if options.weighing.column is None else ("valued",)
    return ", ".join(["pre", "post", "n", *valued, "weight", *values])


def two_tables(engine: SqlEngine, given: Inputs, options: CompareOptions, columns: ComparedColumns) -> TwoSides:
    """The networks of two tables: all their labelled neurons; without labels, those of their edges."""
    assert given.other is not None
    sides, ledgers, notes = [], [], list[str]()
    tables = (("A", given.source, given.annotations), ("B", given.other.table, given.other.annotations))
    values = own_values(engine, [table for _, table, _ in tables], columns)
    named = bool(columns.labels)
    for place, (name, table, labelled) in enumerate(tables):
        found = compared_edges(engine, name, table, given.rows, labelled, options, columns.own[place])
        kept = engine.view("side_pairs", f"SELECT {_listed(options, values[place])} FROM {found.relation}")
        if named:
            neurons = _labelled(engine, table, labelled, columns.labels)
        else:
            ends = " UNION ".join(f"SELECT {end} AS id FROM {kept}" for end in ("pre", "post"))
            neurons = engine.table("side_neurons", ends)
        sides.append(NetworkSide(name, name, table, kept, found.pairs, neurons, labelled, options.weighing, named))
        ledgers.append(found.ledger)
        notes += found.notes
    return TwoSides(sides[0], sides[1], (ledgers[0], ledgers[1]), notes)


def one_network(engine: SqlEngine, given: Inputs, options: CompareOptions) -> tuple[NetworkSide, Ledger, list[str]]:
    """The network of the labelled neurons of a table, or of those of them that were named."""
    table, chosen = given.source, given.neurons["a"]
    neurons, outside = _labelled(engine, table, given.annotations, options.by), "FALSE"
    if chosen is not None:
        listed = engine.id_table("network_neurons", chosen.ids, table.id_type)
        neurons = engine.view("network", f"SELECT id FROM {neurons} WHERE id IN (SELECT id FROM {listed})")
        outside = f"(NOT (pre IN (SELECT id FROM {listed}) AND post IN (SELECT id FROM {listed})))"
    found = compared_edges(engine, "the table", table, given.rows, given.annotations, options, outside=outside)
    kept = engine.view("network_pairs", f"SELECT {_listed(options, ())} FROM {found.relation}")
    side = NetworkSide("A", "the table", table, kept, found.pairs, neurons, given.annotations, options.weighing)
    return side, found.ledger, list(found.notes)


def one_table(
    engine: SqlEngine, given: Inputs, options: CompareOptions, columns: ComparedColumns = NO_COLUMNS
) -> tuple[TwoSides, str | None]:
    """The networks that a table has between two sets of neurons.

    Where a column of the annotations matches them one to one, only those that are matched count.

    Returns
    -------
    TwoSides, and a table `a, b` of matched neurons where `pair` says so
    """
    table, notes = given.source, list[str]()
    largest, pair = options.largest_component, options.pair
    chosen = {name: given.neurons[name] or Selection(()) for name in "ab"}
    for name, selection in chosen.items():
        if not selection.ids:
            raise DataError(f"{getattr(P, name)} names no neuron")
    neurons = [engine.id_table("side_neurons", chosen[name].ids, table.id_type) for name in "ab"]
    _refuse_overlap(engine, neurons)
    if largest:
        neurons = _connected(engine, given, options.sum_duplicates, neurons, notes)
    matched = None
    if pair is not None:
        matched = matched_neurons(engine, given.annotations, pair, table.id_type, neurons)
        notes += unmatched_notes(engine, matched, pair, neurons, "AB")
        neurons = [engine.view("matched_side", f"SELECT {name} AS id FROM {matched}") for name in "ab"]
    inside = [f"(pre IN (SELECT id FROM {side}) AND post IN (SELECT id FROM {side}))" for side in neurons]
    outside = f"(NOT {sql.any_of(inside)})"
    split, (values,) = columns.own[0], own_values(engine, [table], columns)
    found = compared_edges(engine, "the table", table, given.rows, given.annotations, options, split, outside)
    notes += found.notes
    for name, selection in chosen.items():
        missing = [] if largest else absent(engine, table, selection, found.pairs, ("pre", "post"), given.rows)
        if missing:
            notes.append(f"{name}: {absent_note(table, missing, selection, ('pre', 'post'))}")
    sides = [
        NetworkSide(
            name,
            "the table",
            table,
            engine.view("side_pairs", f"SELECT {_listed(options, values)} FROM {found.relation} WHERE {condition}"),
            found.pairs,
            listed,
            given.annotations,
            options.weighing,
        )
        for name, condition, listed in zip("AB", inside, neurons, strict=True)
    ]
    return TwoSides(sides[0], sides[1], (found.ledger, found.ledger), notes), matched


def _refuse_overlap(engine: SqlEngine, neurons: Sequence[str]) -> None:
    both = engine.execute(f"SELECT id FROM {neurons[0]} WHERE id IN (SELECT id FROM {neurons[1]}) ORDER BY id")
    if both:
        raise DataError(
            f"{plural(len(both), 'neuron', 'are')} on both sides, {P.a} and {P.b}, such as {both[0][0]}; "
            "a neuron can be on one"
        )


def _connected(
    engine: SqlEngine, given: Inputs, sum_duplicates: bool, neurons: Sequence[str], notes: list[str]
) -> list[str]:
    """Neurons of the largest component of both sides together, and of each."""
    pairs = all_edges(engine, given.source, replace(given.rows, threshold=None), sum_duplicates).relation
    together = largest_component(engine, pairs, f"(SELECT id FROM {neurons[0]} UNION ALL SELECT id FROM {neurons[1]})")
    found = [
        largest_component(engine, pairs, f"(SELECT id FROM {side} WHERE id IN (SELECT id FROM {together}))")
        for side in neurons
    ]
    sizes = [[engine.execute(f"SELECT count(*) FROM {side}")[0][0] for side in sides] for sides in (neurons, found)]
    notes.append(
        f"of {sizes[0][0]:,} and {sizes[0][1]:,} neurons {sizes[1][0]:,} and {sizes[1][1]:,} are in the largest "
        "connected component"
    )
    return found
