"""The two networks of a comparison: whose neurons they are, and which of the pairs that were read are theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crantcli.core import sql
from crantcli.core.compare.components import largest_component
from crantcli.core.compare.edges import all_edges
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.questions.base import Inputs
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.absent import absent, absent_note
from crantcli.core.rows.filters import count_rows
from crantcli.core.rows.labels import key, label, label_columns, labelled_neurons
from crantcli.core.rows.pairs import edges
from crantcli.errors import DataError, UsageError
from crantcli.ids import Selection
from crantcli.schema import IdType
from crantcli.text import P, did_you_mean, join_names, plural


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
        `pre, post, weight`: its pairs that count.
    whole : str
        `pre, post, n, dropped`: pairs before the threshold, with all input that the table has of its neurons.
    neurons : str
        A table `id`: its neurons, connected or not.
    annotations : Annotations or None
    """

    name: str
    source: str
    table: Relation
    kept: str
    whole: str
    neurons: str
    annotations: Annotations | None


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


def two_tables(engine: SqlEngine, given: Inputs, sum_duplicates: bool, by: Sequence[str]) -> TwoSides:
    """The networks of two tables: all their labelled neurons."""
    assert given.other is not None
    sides, ledgers, notes = [], [], list[str]()
    tables = (("A", given.source, given.annotations), ("B", given.other.table, given.other.annotations))
    for name, table, labelled in tables:
        found = all_edges(engine, table, given.rows, sum_duplicates)
        neurons = _labelled(engine, table, labelled, by)
        sides.append(NetworkSide(name, name, table, found.relation, found.pairs, neurons, labelled))
        ledgers.append(found.ledger)
        notes += found.notes
    return TwoSides(sides[0], sides[1], (ledgers[0], ledgers[1]), notes)


def one_network(
    engine: SqlEngine, given: Inputs, sum_duplicates: bool, by: Sequence[str]
) -> tuple[NetworkSide, Ledger, list[str]]:
    """The network of the labelled neurons of a table, or of those of them that were named."""
    table, chosen = given.source, given.neurons["a"]
    neurons, outside = _labelled(engine, table, given.annotations, by), "FALSE"
    if chosen is not None:
        listed = engine.id_table("network_neurons", chosen.ids, table.id_type)
        neurons = engine.view("network", f"SELECT id FROM {neurons} WHERE id IN (SELECT id FROM {listed})")
        outside = f"(NOT (pre IN (SELECT id FROM {listed}) AND post IN (SELECT id FROM {listed})))"
    found = edges(engine, table, None, given.rows, sum_duplicates=sum_duplicates, outside=outside)
    kept = engine.view("network_pairs", f"SELECT pre, post, weight FROM {found.relation} WHERE NOT {outside}")
    side = NetworkSide("A", "the table", table, kept, found.pairs, neurons, given.annotations)
    return side, found.ledger, list(found.notes)


def one_table(
    engine: SqlEngine, given: Inputs, sum_duplicates: bool, largest: bool, pair: str | None
) -> tuple[TwoSides, str | None]:
    """The networks that a table has between two sets of neurons.

    Parameters
    ----------
    largest : bool
        Of both sets together, and then of each, neurons of the largest weakly connected component only.
    pair : str or None
        A column of the annotations that matches neurons one to one; then only those that are matched count.

    Returns
    -------
    TwoSides, and a table `a, b` of matched neurons where `pair` says so
    """
    table, notes = given.source, list[str]()
    chosen = {name: given.neurons[name] or Selection(()) for name in "ab"}
    for name, selection in chosen.items():
        if not selection.ids:
            raise DataError(f"{getattr(P, name)} names no neuron")
    neurons = [engine.id_table("side_neurons", chosen[name].ids, table.id_type) for name in "ab"]
    _refuse_overlap(engine, neurons)
    if largest:
        neurons = _connected(engine, given, sum_duplicates, neurons, notes)
    matched = None
    if pair is not None:
        matched, told = matched_neurons(engine, given.annotations, pair, table.id_type, neurons)
        notes += told
        neurons = [engine.view("matched_side", f"SELECT {name} AS id FROM {matched}") for name in "ab"]
    inside = [f"(pre IN (SELECT id FROM {side}) AND post IN (SELECT id FROM {side}))" for side in neurons]
    outside = f"(NOT {sql.any_of(inside)})"
    found = edges(engine, table, None, given.rows, sum_duplicates=sum_duplicates, outside=outside)
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
            engine.view("side_pairs", f"SELECT pre, post, weight FROM {found.relation} WHERE {condition}"),
            found.pairs,
            listed,
            given.annotations,
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


def matched_neurons(
    engine: SqlEngine, annotations: Annotations | None, column: str, id_type: IdType, sides: Sequence[str]
) -> tuple[str, list[str]]:
    """Neurons of A and of B that belong together, as a column of the annotations says.

    Parameters
    ----------
    column : str
        It has the ID of the partner on the other side, or a label that both partners have.
    sides : sequence of str
        Tables `id` of the neurons of A and of B.

    Returns
    -------
    str and list of str
        A table `a, b`, and what is to be said.

    Raises
    ------
    DataError
        Where the column does not match neurons one to one, or matches none.
    """
    if annotations is None:
        raise UsageError(f"{P.pair(column)} needs {P.annotations.metavar('FILE')}, or a data set that has annotations")
    if column not in annotations.columns:
        raise DataError(
            f"{P.pair(column)}: no such column in the annotations ({did_you_mean(column, annotations.columns)})"
        )
    said = f"SELECT {key(id_type)} AS id, {label(column, annotations)} AS value FROM {annotations.relation}"
    values = [
        engine.table(
            "pair_values",
            f"SELECT s.id, v.value FROM {side} AS s JOIN ({said}) AS v ON s.id = v.id WHERE v.value IS NOT NULL",
        )
        for side in sides
    ]
    a, b = values
    there = [f"SELECT v.id AS a, s.id AS b FROM {a} AS v JOIN {sides[1]} AS s ON v.value = CAST(s.id AS VARCHAR)"]
    there += [f"SELECT s.id AS a, v.id AS b FROM {b} AS v JOIN {sides[0]} AS s ON v.value = CAST(s.id AS VARCHAR)"]
    partners = engine.table("partners", " UNION ".join(there))
    twins = engine.table("twins", f"SELECT v.id AS a, w.id AS b FROM {a} AS v JOIN {b} AS w ON v.value = w.value")
    # A label may be a neuron's ID by chance; but then that neuron does not name its partner in turn.
    mutual = engine.execute(f"SELECT count(*) FROM ({' INTERSECT '.join(there)})")[0][0]
    named, labelled = (count_rows(engine, name) for name in (partners, twins))
    if mutual == labelled and (mutual or not named):
        why = "may hold IDs of partners, or labels" if mutual else "matches no neuron of A with one of B"
        raise DataError(f"{P.pair(column)}: column {column} {why}; give one that names the partner, or a label of both")
    matched = twins if labelled > mutual else partners
    _refuse_many(engine, matched, column)
    if matched == partners:
        _refuse_one_sided(engine, partners, a, b, column)
    notes = []
    for name, side, end in zip("AB", sides, "ab", strict=True):
        every, without = engine.execute(
            f"SELECT count(*), count(*) FILTER (id NOT IN (SELECT {end} FROM {matched})) FROM {side}"
        )[0]
        if without:
            notes.append(f"{without:,} of {every:,} neurons of {name} have no partner by {column}, and are left out")
    return matched, notes


def _refuse_many(engine: SqlEngine, matched: str, column: str) -> None:
    for one, other, side in (("a", "b", "B"), ("b", "a", "A")):
        found = engine.execute(
            f"SELECT {one}, {sql.gathered(other, other, 'TRUE')}, count(*) FROM {matched} GROUP BY {one} "
            f"HAVING count(*) > 1 ORDER BY {one} LIMIT 1"
        )
        if found:
            neuron, partners, _ = found[0]
            raise DataError(
                f"{P.pair(column)}: column {column} is not one to one: neuron {neuron} goes with "
                f"{join_names(partners.split(' '), 3)} of {side}"
            )


def _refuse_one_sided(engine: SqlEngine, matched: str, a: str, b: str, column: str) -> None:
    """Refuse a partner that names somebody else."""
    for values, one, other in ((a, "a", "b"), (b, "b", "a")):
        found = engine.execute(
            f"SELECT m.{other}, m.{one}, v.value FROM {matched} AS m JOIN {values} AS v ON m.{one} = v.id "
            f"WHERE v.value <> CAST(m.{other} AS VARCHAR) ORDER BY 1 LIMIT 1"
        )
        if found:
            neuron, partner, named = found[0]
            raise DataError(
                f"{P.pair(column)}: column {column} is not one to one: neuron {neuron} goes with {partner}, which goes "
                f"with {named}"
            )
