"""Two versions of one brain: the synapse is what stays, by its id, and neurons are told from where their synapses went.

A merge, a split or a mere new ID of a neuron moves no synapse. A twig, a few synapses that pass from one neuron to
another, is neither a merge nor a split: its synapses have moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crantcli.core import sql
from crantcli.core.compare.components import components
from crantcli.core.compare.edges import refuse_strangers
from crantcli.core.compare.version_rows import version_rows
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.relation import Relation
from crantcli.core.rows.filters import RowFilter, count_rows
from crantcli.text import P

#: What may have become of neurons.
CHANGES = ("same", "renamed", "merged", "split", "rearranged", "new", "gone")

PAIR_COLUMNS = ("pre", "post", "old", "new", "added", "removed", "moved_in", "moved_out")
NEURON_COLUMNS = ("neuron", "change", "old_ids", "new_ids")

#: Part of the smaller one's synapse ends that an old and a new neuron must share to be taken for each other.
LINKED = 0.5

_AMOUNTS = (*PAIR_COLUMNS[2:], "nameless_old", "nameless_new")

_UNCHANGED = "added = 0 AND removed = 0 AND moved_in = 0 AND moved_out = 0"


@dataclass(frozen=True)
class ComparedVersions:
    """What changed between two versions.

    Attributes
    ----------
    pairs, changes : str
        `PAIR_COLUMNS`: each pair of neurons after cleaning and threshold; and those of them that changed.
    tally : str
        `weight_a, weight_b, changed, added, removed, moved_in, moved_out, pairs`: the same, counted by its numbers.
    neurons : str
        `NEURON_COLUMNS`.
    ledgers : tuple of Ledger
        Of A and of B.
    """

    pairs: str
    changes: str
    tally: str
    neurons: str
    ledgers: tuple[Ledger, Ledger]


def compare_versions(engine: SqlEngine, a: Relation, b: Relation, rows: RowFilter) -> ComparedVersions:
    """Take the change of each pair of neurons apart.

    Parameters
    ----------
    a, b : Relation
        Tables of synapses with ids: the old version and the new one.
    rows : RowFilter
        Autapses are dropped last, since a synapse between two neurons that merge is one in the new version only. A
        pair is kept that reaches the threshold in one version.

    Raises
    ------
    DataError
        Where no synapse is in both.

    Notes
    -----
    1. s(o, n) is the number of synapse ends, two for each synapse that exists in both versions, that belong to o in the
       old version and to n in the new one.
    2. o and n are linked where s(o, n) is at least half of all such ends of o, or half of all of n.
    3. Neurons that are linked, directly or by others, are a group.
    4. The heir of o is the n with most s(o, n), of equals that of the same ID, then the smallest; without any, o.
    5. An end of an old synapse is carried to where it is now if the two neurons are linked, else to the heir: this
       gives `old`. A synapse that exists in both and is not where it was carried to has moved.

    Of synapses without an id, only the numbers per pair are compared: more of them are added, less removed.
    """
    moves, ledgers = _moves(engine, a, b, rows)
    shared = engine.table(
        "shared",
        f"SELECT o, n, CAST(sum(ends) AS BIGINT) AS ends FROM ({moves.shared} UNION ALL "
        f"SELECT id, id, ends FROM {moves.unmoved}) GROUP BY o, n",
    )
    links, heirs = _links(engine, shared), _heirs(engine, shared)
    touched, untouched = _pairs(engine, moves, links, heirs)
    tally = _tally(engine, touched, untouched)
    for ledger, column in zip(ledgers, ("old", "new"), strict=True):
        _count_pairs(engine, ledger, rows, tally, column)
    kept = f"NOT {rows.autapse_sql} AND {_strong(rows)}"
    listed = sql.columns(PAIR_COLUMNS)
    return ComparedVersions(
        engine.view("kept_pairs", f"SELECT {listed} FROM {touched} WHERE {kept} UNION ALL {untouched} AND {kept}"),
        engine.view("changed_pairs", f"SELECT {listed} FROM {touched} WHERE {kept} AND NOT ({_UNCHANGED})"),
        engine.view(
            "kept_tally",
            f"SELECT old AS weight_a, new AS weight_b, NOT ({_UNCHANGED}) AS changed, added, removed, moved_in, "
            f"moved_out, pairs FROM {tally} WHERE NOT {_autapse(rows)} AND {_strong(rows)}",
        ),
        _neurons(engine, moves, links),
        ledgers,
    )


def pair_query(found: ComparedVersions, everything: bool) -> str:
    """The table of pairs, largest change first."""
    return (
        f"SELECT * FROM {found.pairs if everything else found.changes} "
        "ORDER BY abs(new - old) DESC, added + removed + moved_in + moved_out DESC, pre, post"
    )


def version_figures(engine: SqlEngine, found: ComparedVersions) -> dict[str, Any]:
    """Numbers of synapses, pairs and neurons by what became of them.

    Returns
    -------
    dict
        `same` (pairs of which no synapse came, went or moved), `changed`, `only_a`, `only_b`; `added`, `removed`,
        `moved_in`, `moved_out` (synapses; the two are equal where autapses and weak pairs are kept); `neurons`, and how
        many there are of each of `CHANGES`, as `neurons_same` and so on.
    """
    sums = [f"coalesce(sum({name}), 0)" for name in ("added", "removed", "moved_in", "moved_out")]
    both = "changed AND weight_a > 0 AND weight_b > 0"
    statuses = ["NOT changed", both, "weight_b = 0", "weight_a = 0"]
    counts = [f"coalesce(sum(pairs) FILTER ({condition}), 0)" for condition in statuses]
    names = ("added", "removed", "moved_in", "moved_out", "same", "changed", "only_a", "only_b")
    numbers = engine.execute(f"SELECT {', '.join([*sums, *counts])} FROM {found.tally}")[0]
    figures = dict(zip(names, map(int, numbers), strict=True))
    counted = dict(engine.execute(f"SELECT change, count(*) FROM {found.neurons} GROUP BY change"))
    figures["neurons"] = sum(counted.values())
    return figures | {f"neurons_{change}": counted.get(change, 0) for change in CHANGES}


def _strong(rows: RowFilter) -> str:
    return f"({rows.strong_sql('old')} OR {rows.strong_sql('new')})"


def _autapse(rows: RowFilter) -> str:
    """The same as `rows.autapse_sql` of what is counted."""
    return "autapse" if rows.clean else "FALSE"


@dataclass(frozen=True)
class _Moves:
    """Synapses by where they are in both versions.

    Attributes
    ----------
    counted : str
        `pre, post, n`: all synapses of the old version per pair.
    left : str
        `pre, post, n`: those of them that are not the same in the new version.
    quads : str
        `old_pre, old_post, new_pre, new_post, nameless, number`: all but those that are the same in both, null for a
        version in which they do not exist, and whether they have no id.
    unmoved : str
        `id, ends`: ends of synapses that are the same in both, per neuron.
    """

    counted: str
    left: str
    quads: str
    unmoved: str

    def ends(self, version: str) -> str:
        """A query `id, ends`: all ends in a version, in several rows per neuron."""
        ends = [
            f"SELECT {version}_{end} AS id, number AS ends FROM {self.quads} WHERE {version}_{end} IS NOT NULL"
            for end in ("pre", "post")
        ]
        return " UNION ALL ".join([f"SELECT id, ends FROM {self.unmoved}", *ends])

    @property
    def shared(self) -> str:
        """A query `o, n, ends`: ends of synapses that are in both, and not the same."""
        ends = (f"SELECT old_{end} AS o, new_{end} AS n, number AS ends FROM {self.quads}" for end in ("pre", "post"))
        return f"SELECT * FROM ({' UNION ALL '.join(ends)}) WHERE o IS NOT NULL AND n IS NOT NULL"


def _moves(engine: SqlEngine, a: Relation, b: Relation, rows: RowFilter) -> tuple[_Moves, tuple[Ledger, Ledger]]:
    read = version_rows(engine, a, b, rows)
    counted, (old, new) = read.counted, read.sides
    left = engine.table("left_pairs", f"SELECT pre, post, count(*) AS n FROM {old} GROUP BY pre, post")
    quads = engine.table(
        "quads",
        "SELECT a.pre AS old_pre, a.post AS old_post, b.pre AS new_pre, b.post AS new_post, "
        "a.id IS NULL AND b.id IS NULL AS nameless, count(*) AS number "
        f"FROM {old} AS a FULL JOIN {new} AS b ON a.id = b.id GROUP BY ALL",
    )
    unmoved = engine.table(
        "unmoved",
        "SELECT id, CAST(sum(n) AS BIGINT) AS ends FROM ("
        + " UNION ALL ".join(
            f"SELECT {end} AS id, {sign}n AS n FROM {relation}"
            for relation, sign in ((counted, ""), (left, "-"))
            for end in ("pre", "post")
        )
        + ") GROUP BY id HAVING sum(n) > 0",
    )
    both = "old_pre IS NOT NULL AND new_pre IS NOT NULL"
    if not count_rows(engine, unmoved) and not engine.execute(f"SELECT 1 FROM {quads} WHERE {both} LIMIT 1"):
        ids = [f"SELECT CAST(id AS VARCHAR) AS id FROM ({side}) WHERE id IS NOT NULL" for side in read.ids]
        one, other = (engine.view("synapse_ids", query) for query in ids)
        advice = f"compare pairs of neurons with {P.match('neuron')}"
        refuse_strangers(engine, one, other, "synapse ids", advice)
    return _Moves(counted, left, quads, unmoved), read.ledgers


def _links(engine: SqlEngine, shared: str) -> str:
    """A table `o, n` of the old and new neurons that are linked."""
    sizes = "sum(ends) OVER (PARTITION BY o) AS size_o, sum(ends) OVER (PARTITION BY n) AS size_n"
    return engine.table(
        "links",
        f"SELECT o, n FROM (SELECT *, {sizes} FROM {shared}) WHERE ends >= {LINKED} * least(size_o, size_n)",
    )


def _heirs(engine: SqlEngine, shared: str) -> str:
    """A table `o, heir` of the old neurons that have one."""
    heirs = sql.first_of_each(f"SELECT o, n AS heir FROM {shared}", "o", "ends DESC, o = n DESC, n")
    return engine.table("heirs", heirs)


def _pairs(engine: SqlEngine, moves: _Moves, links: str, heirs: str) -> tuple[str, str]:
    """Every pair of either version, under the IDs of the new one, as `PAIR_COLUMNS`: a table of those that may have
    changed, and a query of all others, which have the same synapses in both.
    """
    # Neurons that have kept synapses, but went elsewhere with most: what is left of them is carried like the rest.
    strays = engine.table(
        "strays", f"SELECT id FROM {moves.unmoved} WHERE id NOT IN (SELECT o FROM {links} WHERE o = n)"
    )
    stray = f"(pre IN (SELECT id FROM {strays}) OR post IN (SELECT id FROM {strays}))"

    def rest(condition: str) -> str:
        return (
            "SELECT c.pre, c.post, c.n - coalesce(l.n, 0) AS number FROM "
            f"(SELECT * FROM {moves.counted} AS r WHERE {condition}) AS c LEFT JOIN {moves.left} AS l "
            "ON c.pre = l.pre AND c.post = l.post"
        )

    went = engine.table("stray_pairs", f"SELECT * FROM ({rest(stray)}) WHERE number > 0")
    amounts = _amounts(engine, moves, went, links, heirs)
    touched = engine.table(
        "touched", " UNION ".join(f"SELECT pre, post FROM {name}" for name in (amounts, moves.left, went))
    )
    there = f"EXISTS (SELECT 1 FROM {touched} AS t WHERE t.pre = r.pre AND t.post = r.post)"
    home = rest(f"{there} AND NOT {stray}")
    more = "nameless_new - nameless_old"
    found = engine.table(
        "touched_pairs",
        "SELECT t.pre, t.post, coalesce(a.old, 0) + coalesce(h.number, 0) AS old, coalesce(a.new, 0) + "
        f"coalesce(h.number, 0) AS new, coalesce(a.added + greatest({more}, 0), 0) AS added, "
        f"coalesce(a.removed + greatest(-({more}), 0), 0) AS removed, coalesce(a.moved_in, 0) AS moved_in, "
        f"coalesce(a.moved_out, 0) AS moved_out FROM {touched} AS t "
        f"LEFT JOIN {amounts} AS a ON t.pre = a.pre AND t.post = a.post "
        f"LEFT JOIN ({home}) AS h ON t.pre = h.pre AND t.post = h.post",
    )
    # What neither version has is left of pairs whose synapses all went elsewhere.
    there_now = engine.view("touched_now", f"SELECT * FROM {found} WHERE old <> 0 OR new <> 0")
    return there_now, (
        "SELECT pre, post, old, new, 0 AS added, 0 AS removed, 0 AS moved_in, 0 AS moved_out FROM "
        f"(SELECT pre, post, n AS old, n AS new FROM {moves.counted}) AS r WHERE NOT {there}"
    )


def _tally(engine: SqlEngine, touched: str, untouched: str) -> str:
    """A table `old, new, autapse, added, removed, moved_in, moved_out, pairs`: pairs counted by their numbers.

    Most of what is asked of pairs can be told from it; the pairs themselves may be 40 million.
    """
    return engine.table(
        "tally",
        "SELECT old, new, pre = post AS autapse, added, removed, moved_in, moved_out, 1 AS pairs "
        f"FROM {touched} UNION ALL SELECT old, new, pre = post, 0, 0, 0, 0, count(*) "
        f"FROM ({untouched}) GROUP BY ALL",
    )


def _amounts(engine: SqlEngine, moves: _Moves, went: str, links: str, heirs: str) -> str:
    """A table of all `_AMOUNTS` per pair, but for synapses that are the same in both versions and at home."""
    ends = ", ".join(
        f"CASE WHEN l_{end}.o IS NOT NULL THEN m.new_{end} ELSE coalesce(h_{end}.heir, m.old_{end}) END AS {end}"
        for end in ("pre", "post")
    )
    joins = " ".join(
        f"LEFT JOIN {links} AS l_{end} ON m.old_{end} = l_{end}.o AND m.new_{end} = l_{end}.n "
        f"LEFT JOIN {heirs} AS h_{end} ON m.old_{end} = h_{end}.o"
        for end in ("pre", "post")
    )
    quads = engine.view(
        "every_quad",
        f"SELECT * FROM {moves.quads} UNION ALL SELECT pre, post, pre, post, FALSE, number FROM {went}",
    )
    carried = engine.table(
        "carried_quads",
        f"SELECT {ends}, m.new_pre, m.new_post, m.nameless, m.number FROM {quads} AS m {joins} "
        "WHERE m.old_pre IS NOT NULL",
    )
    gone, moved = "new_pre IS NULL AND NOT nameless", "(pre <> new_pre OR post <> new_post)"
    came = "old_pre IS NULL AND NOT nameless"
    new = "new_pre AS pre, new_post AS post"
    every = [
        _spread(carried, "pre, post", old="TRUE", removed=gone, moved_out=moved, nameless_old="nameless"),
        f"{_spread(carried, new, moved_in=moved)} WHERE {moved}",
        f"{_spread(quads, new, new='TRUE', added=came, nameless_new='nameless')} WHERE new_pre IS NOT NULL",
    ]
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in _AMOUNTS)
    return engine.table("amounts", f"SELECT pre, post, {sums} FROM ({' UNION ALL '.join(every)}) GROUP BY pre, post")


def _spread(relation: str, pair: str, **where: str) -> str:
    """Numbers of synapses in columns of their own, each where a condition holds, and 0 elsewhere."""
    columns = (f"CASE WHEN {where.get(name, 'FALSE')} THEN number ELSE 0 END AS {name}" for name in _AMOUNTS)
    return f"SELECT {pair}, {', '.join(columns)} FROM {relation}"


def _count_pairs(engine: SqlEngine, ledger: Ledger, rows: RowFilter, tally: str, column: str) -> None:
    """Rows of pairs that are left out, and those that are kept."""
    autapse, strong, amount = _autapse(rows), _strong(rows), f"sum({column} * pairs)"
    of_pairs = engine.execute(
        f"SELECT {amount} FILTER ({autapse}), {amount} FILTER (NOT {autapse} AND NOT {strong}), "
        f"{amount} FILTER (NOT {autapse} AND {strong}) FROM {tally}"
    )[0]
    ledger.remove("autapse", of_pairs[0])
    ledger.remove("threshold", of_pairs[1])
    ledger.kept = int(of_pairs[2] or 0)
    ledger.check()


def _neurons(engine: SqlEngine, moves: _Moves, links: str) -> str:
    """A table of `NEURON_COLUMNS`: groups of neurons that are linked, each under one ID."""
    import numpy as np

    # The place of a neuron among those of its version, by its ID.
    known = {
        version: engine.table(
            f"{version}_neurons",
            "SELECT id, CAST(sum(ends) AS BIGINT) AS ends, row_number() OVER (ORDER BY id) - 1 AS place "
            f"FROM ({moves.ends(version)}) GROUP BY id",
        )
        for version in ("old", "new")
    }
    number = {version: int(engine.execute(f"SELECT count(*) FROM {name}")[0][0]) for version, name in known.items()}
    linked = engine.arrays(
        f"SELECT a.place AS o, b.place AS n FROM {links} AS l JOIN {known['old']} AS a ON l.o = a.id "
        f"JOIN {known['new']} AS b ON l.n = b.id"
    )
    groups = components(linked["o"], linked["n"] + number["old"], number["old"] + number["new"])
    members = engine.columns_table("members", {"place": np.arange(len(groups), dtype=np.int64), "component": groups})
    every = engine.view(
        "every_neuron",
        f"SELECT m.component, k.id, k.ends, 'old' AS version FROM {known['old']} AS k JOIN {members} AS m "
        f"ON k.place = m.place UNION ALL SELECT m.component, k.id, k.ends, 'new' FROM {known['new']} AS k "
        f"JOIN {members} AS m ON k.place + {number['old']} = m.place",
    )
    old, new = (sql.gathered("id", "id", f"version = '{version}'") for version in ("old", "new"))
    named = engine.view(
        "groups",
        f"SELECT component, count(*) FILTER (version = 'old') AS olds, count(*) FILTER (version = 'new') AS news, "
        f"{old} AS old_ids, {new} AS new_ids FROM {every} GROUP BY component",
    )
    names = sql.first_of_each(
        f"SELECT component, id AS neuron FROM {every}",
        "component",
        "version, CASE WHEN version = 'new' THEN ends END DESC, id",
    )
    change = (
        "CASE WHEN news = 0 THEN 'gone' WHEN olds = 0 THEN 'new' WHEN olds > 1 AND news > 1 THEN 'rearranged' "
        "WHEN olds > 1 THEN 'merged' WHEN news > 1 THEN 'split' WHEN old_ids = new_ids THEN 'same' ELSE 'renamed' END"
    )
    return engine.table(
        "changes",
        f"SELECT n.neuron, {change} AS change, old_ids, new_ids "
        f"FROM {named} AS g JOIN ({names}) AS n ON g.component = n.component",
    )
