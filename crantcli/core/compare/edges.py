"""Two sets of edges between the same neurons: which pairs are in one only, and which weights differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crantcli.core import sql
from crantcli.core.compare.histogram import WeightHistogram, weight_histogram
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.relation import Relation
from crantcli.core.rows.deduplicate import ids_differ
from crantcli.core.rows.filters import RowFilter, count_rows, prepare
from crantcli.core.rows.pairs import Edges, count_pair_steps, dropped_sql, edges
from crantcli.errors import DataError
from crantcli.schema import IdType, Kind
from crantcli.text import P, plural

#: What can be said of a pair of neurons.
STATUSES = ("same", "changed", "only_a", "only_b")


@dataclass(frozen=True)
class WeightedPairs:
    """Pairs of neurons of one side.

    Attributes
    ----------
    relation : str
        `pre, post, weight`, each pair once.
    id_type : IdType
    whole : bool
        Weights are integers.
    """

    relation: str
    id_type: IdType
    whole: bool


@dataclass(frozen=True)
class ComparedPairs:
    """Pairs of neurons that are in A or in B.

    Attributes
    ----------
    relation : str
        `pre, post, weight_a, weight_b`, 0 for a pair that is not there, and `status`.
    histogram : WeightHistogram
    """

    relation: str
    histogram: WeightHistogram


def all_edges(engine: SqlEngine, table: Relation, rows: RowFilter, sum_duplicates: bool) -> Edges:
    """All edges of a table."""
    return edges(engine, table, None, rows, sum_duplicates=sum_duplicates)


def compare_pairs(engine: SqlEngine, a: WeightedPairs, b: WeightedPairs) -> ComparedPairs:
    """Join two sides pair by pair.

    Raises
    ------
    DataError
        Where no neuron of A is in B.
    """
    joined = _joined(engine, a, b)
    return _told(
        engine,
        engine.view(
            "compared",
            "SELECT pre, post, coalesce(n_a, 0) AS weight_a, coalesce(n_b, 0) AS weight_b "
            f"FROM {joined} WHERE coalesce(n_a, 0) <> 0 OR coalesce(n_b, 0) <> 0",
        ),
    )


def compare_rows(
    engine: SqlEngine, a: Relation, b: Relation, rows: RowFilter
) -> tuple[ComparedPairs, Ledger, Ledger] | None:
    """Join two tables row by row, where no pair stands in two rows of one of them; None where one does.

    Most edge tables are such. To group 15 million rows of each first takes twice as long as all else.
    """
    id_type = common_type(a.id_type, b.id_type)
    sides = [prepare(engine, table, None, ("weight",)) for table in (a, b)]
    weighted = [
        WeightedPairs(
            engine.view("rows", f"SELECT pre, post, weight FROM {side.relation}"),
            side.table.id_type,
            side.table.whole_weights,
        )
        for side in sides
    ]
    joined = _joined(engine, *weighted)
    whole = "pre IS NOT NULL AND post IS NOT NULL"
    keys = engine.view("keys", f"SELECT {sql.hashed(('pre', 'post'))} AS id FROM {joined} WHERE {whole}")
    if not ids_differ(engine, keys, count_rows(engine, keys)):
        return None
    dropped, weights = dropped_sql(replace(a, id_type=id_type), rows), []
    for name, side in zip("ab", sides, strict=True):
        pairs = engine.view(
            "pairs",
            f"SELECT pre, post, n_{name} AS n, 1 AS total, {dropped} AS dropped FROM {joined} "
            f"WHERE n_{name} IS NOT NULL",
        )
        side = replace(side, table=replace(side.table, id_type=id_type))
        count_pair_steps(engine, side, rows, pairs)
        side.ledger.check()
        strong = rows.strong_sql(f"n_{name}")
        weights.append(f"CASE WHEN {strong} THEN n_{name} ELSE 0 END AS weight_{name}")
    compared = engine.view(
        "compared",
        f"SELECT * FROM (SELECT pre, post, {', '.join(weights)} FROM {joined} WHERE NOT {dropped}) "
        "WHERE weight_a <> 0 OR weight_b <> 0",
    )
    return _told(engine, compared), sides[0].ledger, sides[1].ledger


def common_type(one: IdType, other: IdType) -> IdType:
    """How IDs of two tables are held together."""
    return "BIGINT" if one == other == "BIGINT" else "VARCHAR"


def _joined(engine: SqlEngine, a: WeightedPairs, b: WeightedPairs) -> str:
    """A table `pre, post, n_a, n_b`, null where a side has no such pair."""
    id_type, kind = common_type(a.id_type, b.id_type), "BIGINT" if a.whole and b.whole else "DOUBLE"
    ids = ", ".join(f"CAST({end} AS {id_type}) AS {end}" for end in ("pre", "post"))
    first, second = (f"(SELECT {ids}, CAST(weight AS {kind}) AS weight FROM {side.relation})" for side in (a, b))
    return engine.table(
        "joined",
        "SELECT coalesce(a.pre, b.pre) AS pre, coalesce(a.post, b.post) AS post, a.weight AS n_a, b.weight AS n_b "
        f"FROM {first} AS a FULL JOIN {second} AS b ON a.pre = b.pre AND a.post = b.post",
    )


def _told(engine: SqlEngine, compared: str) -> ComparedPairs:
    """Pairs with what can be said of each, and of all."""
    histogram = weight_histogram(engine, compared)
    if not ((histogram.a != 0) & (histogram.b != 0)).any():
        sides = (engine.view("side", f"SELECT pre, post FROM {compared} WHERE weight_{name} <> 0") for name in "ab")
        neurons = [neurons_of(engine, side) for side in sides]
        advice = (
            f"for another time of one brain give {P.ids.metavar('FILE')}, for another brain compare groups with "
            f"{P.by.metavar('COLUMN')}"
        )
        refuse_strangers(engine, neurons[0], neurons[1], "neuron IDs", advice)
    status = (
        "CASE WHEN weight_a = weight_b THEN 'same' WHEN weight_b = 0 THEN 'only_a' WHEN weight_a = 0 THEN 'only_b' "
        "ELSE 'changed' END"
    )
    return ComparedPairs(engine.view("told", f"SELECT *, {status} AS status FROM {compared}"), histogram)


def neurons_of(engine: SqlEngine, relation: str) -> str:
    """A view `id` of the neurons in pairs, as text."""
    ends = (f"SELECT CAST({end} AS VARCHAR) AS id FROM {relation}" for end in ("pre", "post"))
    return engine.view("neurons", " UNION ".join(ends))


def refuse_strangers(engine: SqlEngine, a: str, b: str, what: str, advice: str) -> None:
    """Refuse two sides that share no ID (`id`, as text) although both have some.

    Raises
    ------
    DataError
        It shows three IDs of each.
    """
    if engine.execute(f"SELECT 1 FROM {a} WHERE id IN (SELECT id FROM {b}) LIMIT 1"):
        return
    shown = [
        [row[0] for row in engine.execute(f"SELECT DISTINCT id FROM {side} ORDER BY id LIMIT 3")] for side in (a, b)
    ]
    if all(shown):
        one, other = (", ".join(ids) for ids in shown)
        raise DataError(f"A and B share no {what}: A has {one}, B has {other}; {advice}")


def difference_query(compared: ComparedPairs, everything: bool, more: Sequence[str] = ()) -> tuple[str, list[str]]:
    """The table of differences, largest first, and its columns."""
    columns = ["pre", "post", *more, "weight_a", "weight_b", "difference", "status"]
    where = "" if everything else " WHERE status <> 'same'"
    return (
        f"SELECT {sql.columns(columns)} FROM (SELECT *, weight_b - weight_a AS difference FROM {compared.relation})"
        f"{where} ORDER BY abs(difference) DESC, pre, post"
    ), columns


def carried_over(
    engine: SqlEngine,
    table: Relation,
    pairs: WeightedPairs,
    renames: str,
    rows: RowFilter,
    ledger: Ledger,
    later: WeightedPairs,
) -> tuple[WeightedPairs, list[str]]:
    """Pairs of A under the IDs that its neurons have at B's time; those whose neurons have merged are added up.

    Parameters
    ----------
    pairs : WeightedPairs
        Before the threshold, which is taken here.
    renames : str
        `old_id, new_id, resolved`, as text. A neuron that is not among them keeps its ID.
    ledger : Ledger
        Of A; gets the autapses that mergers make, and what does not reach the threshold.
    later : WeightedPairs
        Of B.

    Returns
    -------
    WeightedPairs and list of str
        The pairs, and what is to be said.
    """
    amount = "sum(weight)" if table.kind is Kind.SYNAPSES else "sum(1)"
    weight = sql.total("weight", "pre, post", pairs.whole)
    names = f"SELECT 1 FROM {renames} WHERE CAST(TRY_CAST(new_id AS BIGINT) AS VARCHAR) IS DISTINCT FROM new_id LIMIT 1"
    id_type: IdType = "VARCHAR" if pairs.id_type == "VARCHAR" or engine.execute(names) else "BIGINT"
    ids = (f"CAST(coalesce({m}.new_id, e.{end}) AS {id_type}) AS {end}" for m, end in (("p", "pre"), ("q", "post")))
    carried = engine.view(
        "carried",
        f"SELECT {', '.join(ids)}, e.weight FROM (SELECT CAST(pre AS VARCHAR) AS pre, CAST(post AS VARCHAR) AS post, "
        f"weight FROM {pairs.relation}) AS e LEFT JOIN {renames} AS p ON e.pre = p.old_id "
        f"LEFT JOIN {renames} AS q ON e.post = q.old_id",
    )
    added = engine.table(
        "carried_pairs",
        f"SELECT pre, post, {weight} AS weight, CAST({amount} AS BIGINT) AS amount FROM {carried} GROUP BY pre, post",
    )
    autapse, weak = rows.autapse_sql, f"(NOT {rows.strong_sql('weight')})"
    autapses, below, kept = engine.execute(
        f"SELECT sum(amount) FILTER ({autapse}), sum(amount) FILTER (NOT {autapse} AND {weak}), "
        f"sum(amount) FILTER (NOT {autapse} AND NOT {weak}) FROM {added}"
    )[0]
    ledger.remove("autapse", autapses)
    ledger.remove("threshold", below)
    ledger.kept = int(kept or 0)
    relation = engine.view("carried_kept", f"SELECT pre, post, weight FROM {added} WHERE NOT {autapse} AND NOT {weak}")
    if table.kind is not Kind.SYNAPSES:
        rest = engine.execute(f"SELECT count(*) FROM {relation}")[0][0]
        ledger.merged += ledger.kept - rest
        ledger.kept = rest
    known = f"SELECT old_id FROM {renames} WHERE resolved UNION ALL SELECT id FROM {neurons_of(engine, later.relation)}"
    unknown = engine.execute(
        f"SELECT id FROM {neurons_of(engine, pairs.relation)} WHERE id NOT IN ({known}) ORDER BY id"
    )
    notes = []
    if unknown:
        names = ", ".join(row[0] for row in unknown[:3])
        notes.append(
            f"{plural(len(unknown), 'neuron', 'have')} no ID at B's time, neither in {P.ids} nor in B, and "
            f"{'keeps its old one' if len(unknown) == 1 else 'keep their old ones'}: {names}"
            f"{', ...' if len(unknown) > 3 else ''}"
        )
    return WeightedPairs(relation, id_type, pairs.whole), notes
