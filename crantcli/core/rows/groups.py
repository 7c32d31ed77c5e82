"""Edges added up by columns: of the annotations, for the neurons on both sides, and of the table itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations, Completeness, Relation
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.labels import labelled_neurons, typed
from crantcli.core.sql import quote
from crantcli.errors import DataError, UsageError
from crantcli.schema import Kind, Names
from crantcli.text import P, did_you_mean, join_names

#: Words for columns that are found by what they mean.
_TYPE, _NEUROPIL = "type", ("neuropil", "roi")
_SIDES = ("pre", "post")


def parse_by(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of columns, each with `pre:` or `post:` before it if it is for one side.

    Raises
    ------
    UsageError
        For an empty name, another prefix, or a name that comes twice.
    """
    if given is None:
        return ()
    names = tuple(
        name.strip() for text in ([given] if isinstance(given, str) else given) for name in str(text).split(",")
    )
    for name in names:
        side, colon, column = name.partition(":")
        if not name or (colon and (side not in _SIDES or not column)):
            raise UsageError(f"{P.by(name)}: name columns as COL, pre:COL or post:COL, with commas between them")
        if names.count(name) > 1:
            raise UsageError(f"{P.by(','.join(names))}: {name} is named twice")
    return names


def named_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Those of these names that may be columns of the table: what has to be carried along."""
    return tuple(name for name in names if ":" not in name)


@dataclass(frozen=True)
class GroupColumns:
    """Columns by which edges are added up.

    Attributes
    ----------
    pre, post : tuple of str
        Columns of the annotations that label the neurons on each side.
    own : tuple of str
        Columns of the table, by their canonical names.
    """

    pre: tuple[str, ...]
    post: tuple[str, ...]
    own: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """What the columns are called in the result."""
        return [*(f"pre_{name}" for name in self.pre), *(f"post_{name}" for name in self.post), *self.own]

    @property
    def labelled(self) -> bool:
        """Whether neurons are labelled."""
        return bool(self.pre)

    def own_of(self, side: str) -> tuple[str, ...]:
        """Columns of the table that tell of the synapse's pre, or its post side, by their names: pre_X, post_X."""
        return tuple(name for name in self.own if side_of(name) == side)

    @property
    def of_rows(self) -> tuple[str, ...]:
        """Columns of the table that tell of neither side alone, such as a neuropil."""
        return tuple(name for name in self.own if side_of(name) is None)


def side_of(name: str) -> str | None:
    """The side of a synapse that a column of a table tells of, by its name: pre_X, post_X."""
    found = re.match(r"(pre|post)[_.\-\s]", name, re.IGNORECASE)
    return found and found.group(1).lower()


def group_columns(table: Relation, names: Sequence[str], annotations: Annotations | None) -> GroupColumns:
    """Find the columns that are named.

    Raises
    ------
    UsageError, DataError
        Where there is no such column, it may be one or another, or one side has none.
    """
    found: dict[str, list[str]] = {"pre": [], "post": [], "own": []}
    for name in names:
        side, colon, column = name.rpartition(":")
        label_column = _label_column(column, annotations)
        own = None if colon else own_column(column, table)
        if label_column is not None and own is not None:
            raise UsageError(
                f"{P.by(name)}: the annotations and the table have a column {name}; say "
                f"{P.by(f'pre:{name},post:{name}')} for that of the annotations, or rename it"
            )
        if own is not None:
            found["own"].append(own)
        elif label_column is not None:
            for end in [side] if colon else _SIDES:
                found[end].append(label_column)
        else:
            _refuse(name, column, table, annotations)
    if bool(found["pre"]) != bool(found["post"]):
        lacking = next(side for side in _SIDES if not found[side])
        raise UsageError(f"{P.by(','.join(names))}: no column for the {lacking} neurons; name one as {lacking}:COL")
    for columns in found.values():
        if len(set(columns)) < len(columns):
            raise UsageError(f"{P.by(','.join(names))}: a column is named twice ({join_names(columns)})")
    groups = GroupColumns(tuple(found["pre"]), tuple(found["post"]), tuple(found["own"]))
    if len(set(groups.names)) < len(groups.names):
        raise UsageError(f"{P.by(','.join(names))} would make two columns of one name ({join_names(groups.names)})")
    return groups


def _label_column(name: str, annotations: Annotations | None) -> str | None:
    if name == _TYPE and (annotations is None or _TYPE not in annotations.columns):
        return typed(annotations, P.by(_TYPE))[1]
    return None if annotations is None else Names(annotations.columns).get(name)


def own_column(name: str, table: Relation) -> str | None:
    """The column of the table that is called so, by its canonical name."""
    if name.lower() in _NEUROPIL and "neuropil" in table.roles:
        return "neuropil"
    return Names(_own_columns(table)).get(name)


def _own_columns(table: Relation) -> list[str]:
    coordinates = {column for position in table.positions for column in table.axes(position)}
    return [name for name in table.carried if name not in coordinates]


def _refuse(name: str, column: str, table: Relation, annotations: Annotations | None) -> None:
    if name.lower() in _NEUROPIL:
        raise DataError(f"{P.by(name)} needs a column neuropil or roi, and this table has neither")
    known = [*(annotations.columns if annotations else ()), *(table.known if ":" not in name else ())]
    if annotations is None:
        told = f"the table has no such column, and there are no annotations; {P.annotations.metavar('FILE')} gives some"
        raise UsageError(f"{P.by(name)}: {told}")
    raise DataError(f"{P.by(name)}: neither the annotations nor the table have it ({did_you_mean(column, known)})")


@dataclass(frozen=True)
class GroupSums:
    """Edges added up per pair of groups of neurons, and of the table's own columns.

    Attributes
    ----------
    relation : str
        `a, b` (numbers of groups, where neurons are labelled), the own columns, `weight, edges, pre_neurons,
        post_neurons`.
    members, groups : dict of "pre" and "post" to str
        Tables `id, code` of the neurons that have all labels, and `code, label_0, ...` of their groups.
    unlabelled : int
        Rows of neurons that lack a label.
    """

    relation: str
    members: dict[str, str]
    groups: dict[str, str]
    unlabelled: int


@dataclass(frozen=True)
class GroupedEdges:
    """Edges added up.

    Attributes
    ----------
    relation : str
        `a, b` (numbers of groups of neurons, where these are labelled), the columns, and the figures.
    columns : list of str
        Of `relation`, those that are told.
    unlabelled : int
        Rows of neurons that lack a label.
    members : mapping of "pre" and "post" to str
        Tables `id, code` of the neurons in groups.
    notes : list of str
    """

    relation: str
    columns: list[str]
    unlabelled: int
    members: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def grouped(
    engine: SqlEngine,
    table: Relation,
    found: str,
    weight: str,
    columns: GroupColumns,
    annotations: Annotations | None,
    completeness: Completeness,
    rows: RowFilter,
    complete: bool,
) -> GroupedEdges:
    """Add edges up.

    Parameters
    ----------
    found : str
        A relation `pre, post, n, weight` of edges, with the table's own columns.
    weight : str
        The aggregate that adds weights up.
    completeness : Completeness
        Of these edges: pairs of which neither neuron is covered could not be there.
    rows : RowFilter
        Which IDs stand for no neuron.
    complete : bool
        Groups without an edge, too.

    Returns
    -------
    GroupedEdges
        Columns as `GroupColumns.names`; `weight`; `edges`: pairs that are connected, without autapses; where neurons
        are labelled `possible`: pairs that could be, without autapses (int64); `probability` = edges / possible and
        `mean` = weight / possible (float64, null where nothing is possible); `pre_neurons`, `post_neurons`: neurons of
        the group that have such an edge.
    """
    if completeness.part is not None:
        raise DataError(
            f"groups take the whole table, and this is {completeness.part.words}: neither pairs that could be nor "
            "numbers of neurons add up. Merge the edges of all parts, and ask of these"
        )
    own = [quote(name) for name in columns.own]
    added = group_sums(engine, table, found, weight, columns, annotations, rows)
    sums, members, groups = added.relation, added.members, added.groups
    if not columns.labelled:
        return GroupedEdges(sums, [*columns.own, "weight", "edges", "pre_neurons", "post_neurons"], 0)
    # Pairs of all groups are many more than those that have an edge.
    among = f"{groups['pre']} AS x CROSS JOIN {groups['post']} AS y"
    if not complete:
        among = f"(SELECT DISTINCT a, b FROM {sums}) AS d JOIN {groups['pre']} AS x ON d.a = x.code "
        among += f"JOIN {groups['post']} AS y ON d.b = y.code"
    pairs = engine.table("group_pairs", f"SELECT x.code AS a, y.code AS b FROM {among}")
    possible = _possible(engine, table, members, groups, pairs, completeness)
    figures = [f"coalesce(s.{name}, 0) AS {name}" for name in ("weight", "edges", "pre_neurons", "post_neurons")]
    told = [f"s.{name}" for name in own]
    pairs = f"{possible} AS p JOIN {sums} AS s ON p.a = s.a AND p.b = s.b"
    if complete:
        values = f"(SELECT DISTINCT {', '.join(own)} FROM {sums})" if own else "(SELECT 1)"
        same = [f"s.{name} IS NOT DISTINCT FROM v.{name}" for name in own]
        pairs = f"{possible} AS p CROSS JOIN {values} AS v LEFT JOIN {sums} AS s ON "
        pairs += sql.all_of(["p.a = s.a", "p.b = s.b", *same])
        told = [f"v.{name}" for name in own]
    labels = [f"x.label_{number} AS {quote(f'pre_{name}')}" for number, name in enumerate(columns.pre)]
    labels += [f"y.label_{number} AS {quote(f'post_{name}')}" for number, name in enumerate(columns.post)]
    relation = engine.table(
        "groups",
        f"SELECT p.a, p.b, {', '.join([*labels, *told, *figures])}, p.possible, {_share('edges')} AS probability, "
        f"{_share('weight')} AS mean FROM {pairs} JOIN {groups['pre']} AS x ON p.a = x.code "
        f"JOIN {groups['post']} AS y ON p.b = y.code",
    )
    told = [*columns.names, "weight", "edges", "possible", "probability", "mean", "pre_neurons", "post_neurons"]
    return GroupedEdges(relation, told, added.unlabelled, members, _notes(completeness))


def group_sums(
    engine: SqlEngine,
    table: Relation,
    found: str,
    weight: str,
    columns: GroupColumns,
    annotations: Annotations | None,
    rows: RowFilter,
) -> GroupSums:
    """Add edges up per pair of groups; parameters as of `grouped`."""
    if not columns.labelled:
        listed = sql.columns(columns.own)
        query = f"SELECT {listed}, {_figures(weight)} FROM {found} GROUP BY {listed}"
        return GroupSums(engine.table("group_sums", query), {}, {}, 0)
    assert annotations is not None
    sides = {
        side: _members(engine, table, side, labels, annotations, rows)
        for side, labels in (("pre", columns.pre), ("post", columns.post))
    }
    members, groups = ({side: made[place] for side, made in sides.items()} for place in (0, 1))
    joined = engine.table(
        "labelled_edges",
        f"SELECT e.*, a.code AS a, b.code AS b FROM {found} AS e LEFT JOIN {members['pre']} AS a ON e.pre = a.id "
        f"LEFT JOIN {members['post']} AS b ON e.post = b.id",
    )
    amount = "sum(n)" if table.kind is Kind.SYNAPSES else "count(*)"
    unlabelled = engine.execute(f"SELECT {amount} FROM {joined} WHERE a IS NULL OR b IS NULL")[0][0]
    keys = ", ".join(["a", "b", *(quote(name) for name in columns.own)])
    sums = engine.table(
        "group_sums",
        f"SELECT {keys}, {_figures(weight)} FROM {joined} WHERE a IS NOT NULL AND b IS NOT NULL GROUP BY {keys}",
    )
    return GroupSums(sums, members, groups, int(unlabelled or 0))


def _figures(weight: str) -> str:
    return (
        f"{weight} AS weight, CAST(sum(CASE WHEN pre <> post THEN 1 ELSE 0 END) AS BIGINT) AS edges, "
        "count(DISTINCT pre) AS pre_neurons, count(DISTINCT post) AS post_neurons"
    )


def _share(of: str) -> str:
    return f"CASE WHEN p.possible > 0 THEN CAST(coalesce(s.{of}, 0) AS DOUBLE) / CAST(p.possible AS DOUBLE) END"


def _members(
    engine: SqlEngine,
    table: Relation,
    side: str,
    labels: Sequence[str],
    annotations: Annotations,
    rows: RowFilter,
) -> tuple[str, str]:
    """A table `id, code` of the neurons that have all labels, and a table `code, label_0, ...` of their groups."""
    names = [f"label_{number}" for number in range(len(labels))]
    neuron = f"NOT {rows.is_background('id', table.id_type)}" if rows.clean else "TRUE"
    known = labelled_neurons(engine, table.id_type, annotations, labels, neuron)
    listed = ", ".join(names)
    groups = engine.table(
        f"{side}_groups",
        f"SELECT {sql.row_numbers()} AS code, {listed} FROM (SELECT DISTINCT {listed} FROM {known} ORDER BY {listed})",
    )
    same = sql.all_of([f"k.{name} = g.{name}" for name in names])
    return engine.table(
        f"{side}_members", f"SELECT k.id, g.code FROM {known} AS k JOIN {groups} AS g ON {same}"
    ), groups


def _possible(
    engine: SqlEngine,
    table: Relation,
    members: dict[str, str],
    groups: dict[str, str],
    pairs: str,
    completeness: Completeness,
) -> str:
    """A table `a, b, possible` of pairs of groups: pairs of different neurons that could be connected, and told."""
    covered = {}
    for side, ids in (("pre", completeness.outputs), ("post", completeness.inputs)):
        if completeness.outputs is not None and completeness.inputs is not None:
            assert ids is not None
            typed_ids = sorted(int(one) if table.id_type == "BIGINT" else one for one in ids)
            covered[side] = engine.id_table("covered", typed_ids, table.id_type)

    def known(column: str, *sides: str) -> str:
        return sql.any_of([f"{column} IN (SELECT id FROM {covered[side]})" for side in sides]) if covered else "TRUE"

    def apart(side: str) -> str:
        return f"m.id IS NOT NULL AND NOT {known('m.id', side)}"

    sizes = {
        side: engine.table(
            "sizes",
            f"SELECT g.code, count(m.id) AS n, {_counted(apart(side))} AS apart "
            f"FROM {groups[side]} AS g LEFT JOIN {members[side]} AS m ON g.code = m.code GROUP BY g.code",
        )
        for side in _SIDES
    }
    both = engine.table(
        "on_both_sides",
        f"SELECT x.code AS a, y.code AS b, {_counted(known('x.id', *_SIDES))} AS n "
        f"FROM {members['pre']} AS x JOIN {members['post']} AS y ON x.id = y.id GROUP BY x.code, y.code",
    )
    return engine.table(
        "possible",
        "SELECT p.a, p.b, CAST(x.n * y.n - x.apart * y.apart - coalesce(s.n, 0) AS BIGINT) AS possible "
        f"FROM {pairs} AS p JOIN {sizes['pre']} AS x ON p.a = x.code JOIN {sizes['post']} AS y ON p.b = y.code "
        f"LEFT JOIN {both} AS s ON s.a = p.a AND s.b = p.b",
    )


def _counted(condition: str) -> str:
    return f"CAST(sum(CASE WHEN {condition} THEN 1 ELSE 0 END) AS BIGINT)"


def _notes(completeness: Completeness) -> list[str]:
    notes = []
    if not completeness.known:
        notes.append("probability takes the input to hold every connection of the neurons; its origin is not recorded")
    if completeness.filtered_by:
        notes.append(f"edges and probability are of what is left after {completeness.filtered_by}")
    return notes
