"""Edges on their way to a table: strong inputs, signs, sums per type or group, fractions, the strongest, labels."""

from __future__ import annotations

from collections.abc import Sequence

from crantcli.core import sql
from crantcli.core.engine import SqlEngine
from crantcli.core.relation import Annotations, Completeness, Relation, Totals, annotation_column
from crantcli.core.rows.axis_labels import blank, label_sums
from crantcli.core.rows.denominators import ENDS, Side, denominators
from crantcli.core.rows.filters import NeuronFilter, RowFilter
from crantcli.core.rows.groups import GroupColumns, group_sums, grouped
from crantcli.core.rows.labels import key, typed, types_view
from crantcli.core.rows.pairs import Edges, edges
from crantcli.core.rows.weights import Signs, Weighing, Weight, signed_edges
from crantcli.core.sql import quote
from crantcli.errors import DataError, UsageError
from crantcli.schema import Kind
from crantcli.text import P, did_you_mean


class EdgeList:
    """Edges, which each step makes into others.

    Parameters
    ----------
    engine : SqlEngine
    table : Relation
        Where they come from.
    found : Edges
        Whose ledger is completed on the way.
    split : tuple of str
        Columns by which the rows of a pair are kept apart.
    weight : Weight
    wanted : NeuronFilter
        Neurons whose edges they are.
    rows : RowFilter
    annotations : Annotations or None
    totals : Totals or None
    sum_duplicates : bool
        As of `edges`.

    Attributes
    ----------
    relation : str
        `columns`; before edges are left or added up, `pre, post, n, weight` and `split`, with `n` synapses (of an edge
        table, what weight) and, beside sums and means of a column, `valued` synapses that have a value.
    columns, keys : list of str
        What is told, and what tells rows of one weight apart.
    notes : list of str
        What the user should be told.
    denominators : dict of "input" and "output" to str
        Tables `id, whole` that fractions were taken of.
    """

    def __init__(
        self,
        engine: SqlEngine,
        table: Relation,
        found: Edges,
        split: tuple[str, ...],
        weight: Weight,
        wanted: NeuronFilter,
        rows: RowFilter,
        annotations: Annotations | None,
        totals: Totals | None,
        sum_duplicates: bool,
    ) -> None:
        self._engine, self._table, self._found, self._weight = engine, table, found, weight
        self._split, self._wanted, self._rows = split, wanted, rows
        self._annotations, self._totals, self._sum_duplicates = annotations, totals, sum_duplicates
        self._types: str | None = None
        #: Where edges are added up by columns: tables `id, code` of the neurons on both sides.
        self._members: dict[str, str] = {}
        numbers = "weight AS n" if weight.column is None else "n, valued"
        names = sql.columns(("pre", "post", *split))
        self.relation = engine.view("weighed", f"SELECT {names}, {numbers}, weight FROM {found.relation}")
        self._counted = self.relation
        self.columns: list[str] = []
        self.keys: list[str] = []
        self.notes = list(found.notes)
        self.denominators: dict[Side, str] = {}

    def weigh(self, weighing: Weighing) -> None:
        """Keep strong inputs and give signs, as far as it is asked for."""
        if weighing.min_fraction is not None:
            self.keep_strong_inputs(weighing.min_fraction)
        if weighing.signs is not None:
            self.sign(weighing.signs)

    def keep_strong_inputs(self, least: float) -> None:
        """Keep pairs that are at least this part of the post neuron's input.

        The quotient, as it is told, is compared: 7 of 100 are 0.07, while 0.07 times 100 is more than 7 to a computer.
        """
        whole = self._wholes("input", f"SELECT post AS id FROM {self.relation}")
        names = sql.columns(self._names())
        split = ", ".join(f"e.{quote(name)}" for name in self._split)
        pair = sql.total_of_each("e.n", "e.pre, e.post", split, self._table.whole_weights) if split else "e.n"
        pair = f"abs({pair})" if self._table.signed else pair  # as the input is of absolute weights
        shares = self._engine.table(
            "shares",
            f"SELECT {names}, (pair / whole >= CAST({least!r} AS DOUBLE)) AS strong FROM (SELECT e.*, "
            f"CAST({pair} AS DOUBLE) AS pair, CAST(w.whole AS DOUBLE) AS whole "
            f"FROM {self.relation} AS e JOIN {whole} AS w ON e.post = w.id)",
        )
        self._remove("threshold", f"{shares} WHERE NOT strong")
        self.relation = self._engine.view("strong_inputs", f"SELECT {names} FROM {shares} WHERE strong")
        self._counted = self.relation

    def leave_out_strangers(self, known: str, outside: str, drop: bool) -> int:
        """Count rows of neurons that are not in a table `id`, and drop them, if that is not to be done elsewhere.

        Parameters
        ----------
        outside : str
            A condition that holds for edges that count as unselected.
        drop : bool

        Returns
        -------
        int
            How many rows these are.
        """
        strange = sql.any_of([f"{end} NOT IN (SELECT id FROM {known})" for end in ("pre", "post")])
        number = self._remove("unannotated", f"{self.relation} WHERE NOT ({outside}) AND {strange}")
        if drop:
            self.relation = self._engine.view("known_edges", f"SELECT * FROM {self.relation} WHERE NOT {strange}")
        return number

    def sign(self, signs: Signs) -> None:
        """Give the weights of inhibitory neurons a minus."""
        made = signed_edges(self._engine, self._table, self.relation, signs, self._annotations)
        self.notes += made.notes
        if signs.unsigned == "drop":
            self._remove("unannotated", made.dropped)
        self.relation = self._counted = made.relation

    def leave_pairs(self) -> None:
        """Tell each pair of neurons."""
        self.keys = ["pre", "post", *self._split]
        self.columns = [*self.keys, "weight"]
        if self._weight.how == "mean":
            query = f"SELECT {sql.columns(self.keys)}, {self._weight.single} AS weight FROM {self.relation}"
            self.relation = self._engine.view("means", query)

    def add_up_types(self) -> None:
        """Tell each pair of types."""
        self._types = types_view(self._engine, self._table, *typed(self._annotations, P.by("type")))
        joined = self._engine.table(
            "typed_edges",
            f"SELECT e.*, a.label AS pre_type, b.label AS post_type FROM {self.relation} AS e "
            f"LEFT JOIN {self._types} AS a ON e.pre = a.id LEFT JOIN {self._types} AS b ON e.post = b.id",
        )
        self._leave_out(self._rows_of(f"{joined} WHERE pre_type IS NULL OR post_type IS NULL"), "a type")
        self.relation = self._engine.table(
            "by_type",
            "SELECT pre_type AS pre, post_type AS post, weight, pre_neurons, post_neurons FROM ("
            f"SELECT pre_type, post_type, {self._weight.total(self._table)} AS weight, "
            "count(DISTINCT pre) AS pre_neurons, count(DISTINCT post) AS post_neurons FROM "
            f"{joined} WHERE pre_type IS NOT NULL AND post_type IS NOT NULL GROUP BY pre_type, post_type)",
        )
        self.keys = ["pre", "post"]
        self.columns = [*self.keys, "weight", "pre_neurons", "post_neurons"]

    def add_up(self, groups: GroupColumns, completeness: Completeness, complete: bool) -> None:
        """Tell each pair of groups."""
        weight = self._weight.total(self._table)
        made = grouped(
            self._engine, self._table, self.relation, weight, groups, self._annotations, completeness, self._rows,
            complete,
        )  # fmt: skip
        self.relation, self.columns, self.keys, self._members = made.relation, made.columns, groups.names, made.members
        self.notes += made.notes
        self._leave_out(made.unlabelled, "a label")

    def add_up_labels(self, groups: GroupColumns, everything: bool) -> dict[str, str]:
        """Tell each pair of groups by the joint labels of its neurons, and of the table's columns of either side.

        Parameters
        ----------
        everything : bool
            Groups without an edge are asked for, too.

        Returns
        -------
        dict of "pre" and "post" to str
            Tables `id, label` of the neurons that have a label.
        """
        if groups.own:
            number = self._remove("unannotated", f"{self.relation} WHERE {blank(groups.own)}")
            if number:
                names = f"{'a value of ' if len(groups.own) > 1 else ''}{' or '.join(groups.own)}"
                self.notes.append(f"{number:,} {self._found.ledger.unit} without {names} are left out")
            self.relation = self._engine.view("told", f"SELECT * FROM {self.relation} WHERE NOT {blank(groups.own)}")
        sums = group_sums(
            self._engine, self._table, self.relation, self._weight.total(self._table), groups, self._annotations,
            self._rows,
        )  # fmt: skip
        self.relation, members = label_sums(self._engine, sums, groups, everything)
        self.columns, self.keys = ["pre", "post", "weight"], ["pre", "post"]
        self._leave_out(sums.unlabelled, "a label")
        return members

    def add_fraction(self, side: Side) -> None:
        """Add `fraction`, of all input or all output of the neurons on one side."""
        end = ENDS[side]
        joined_by = {"pre": "a", "post": "b"}[end] if self._members else end
        labels = f"(SELECT id, code AS label FROM {self._members[end]})" if self._members else self._types
        if labels:
            chosen = f"SELECT id FROM {labels} WHERE label IN (SELECT {joined_by} FROM {self.relation})"
            whole = self._engine.table(
                "label_wholes",
                f"SELECT t.label AS id, {sql.ordered_sum('w.whole', 't.id')} AS whole "
                f"FROM {self._wholes(side, chosen)} AS w JOIN {labels} AS t ON w.id = t.id GROUP BY t.label",
            )
        else:
            whole = self._wholes(side, f"SELECT {end} AS id FROM {self.relation}")
        kept = ", ".join(f"e.{quote(column)}" for column in self.columns)
        self.relation = self._engine.table(
            "fractions",
            f"SELECT {kept}, CAST(e.weight AS DOUBLE) / CAST(w.whole AS DOUBLE) AS fraction "
            f"FROM {self.relation} AS e JOIN {whole} AS w ON e.{joined_by} = w.id",
        )
        self.columns.append("fraction")

    def _wholes(self, side: Side, neurons: str) -> str:
        """`id, whole`: all input or all output of each neuron that a query `id` gives."""
        ids = self._engine.table("of_neurons", f"SELECT DISTINCT id FROM ({neurons}) WHERE id IS NOT NULL")
        pairs = self._found.pairs
        if self._totals is None and not self._wanted.everything:
            condition = f"{ENDS[side]} IN (SELECT id FROM {ids})"
            summed = self._sum_duplicates
            pairs = edges(self._engine, self._table, condition, self._rows, sum_duplicates=summed).pairs
        kept = self._engine.view("kept_numbers", f"SELECT pre, post, n AS weight FROM {self._counted}")
        self.denominators[side] = denominators(
            self._engine, self._table, side, ids, pairs, kept, self._totals, self.notes
        )
        return self.denominators[side]

    def keep_strongest(self, number: int, upstream: bool, downstream: bool) -> None:
        """Keep the strongest partners of each neuron or type that was asked for, in these directions."""
        asked = "TRUE"
        one = self._wanted.either or self._wanted.pre or self._wanted.post
        if one is not None:
            chosen = f"SELECT id FROM {self._engine.id_table('asked', one.ids, self._table.id_type)}"
            if self._types is not None:
                chosen = f"SELECT label FROM {self._types} WHERE id IN ({chosen})"
            asked = "{end} IN (" + chosen + ")"
        whole = self._table.whole_weights and self._weight.column is None
        split = sql.columns(self._split)
        strength = sql.total_of_each("weight", "pre, post", split, whole) if split else "weight"
        ranks, conditions = [], []
        for wanted, end, partner in ((downstream, "pre", "post"), (upstream, "post", "pre")):
            if wanted:
                # Ties go to the partner that sorts first, so the choice is total.
                ranks.append(f"dense_rank() OVER (PARTITION BY {end} ORDER BY strength DESC, {partner}) AS {end}_rank")
                conditions.append(f"({end}_rank <= {number} AND {asked.format(end=end)})")
        self.relation = self._engine.table(
            "strongest",
            f"SELECT * FROM (SELECT *, {', '.join(ranks)} FROM (SELECT *, {strength} AS strength FROM "
            f"{self.relation})) WHERE {sql.any_of(conditions)}",
        )

    def annotate(self, names: Sequence[str]) -> None:
        """Add columns of the annotations for both sides."""
        annotations = self._annotations
        if annotations is None:
            raise UsageError(f"{P.annotate} needs {P.annotations.metavar('FILE')}, or a data set that has annotations")
        for name in names:
            if name not in annotations.columns:
                raise DataError(
                    f"{P.annotate} {name}: no such column in the annotations "
                    f"({did_you_mean(name, annotations.columns)})"
                )
        wanted = list(dict.fromkeys(names))
        picked = ", ".join(f"{annotation_column(name)} AS label_{number}" for number, name in enumerate(wanted))
        labels = self._engine.view(
            "labels", f"SELECT {key(self._table.id_type)} AS neuron, {picked} FROM {annotations.relation}"
        )
        chosen = [f"e.{quote(column)}" for column in self.columns]
        added: list[str] = []
        for side, alias in (("pre", "a"), ("post", "b")):
            for number, column in enumerate(wanted):
                name = f"{side}_{column}"
                if name in self.columns:
                    raise UsageError(f"{P.annotate} {column} would make a second column {name}")
                chosen.append(f"{alias}.label_{number} AS {quote(name)}")
                added.append(name)
        self.relation = self._engine.view(
            "annotated",
            f"SELECT {', '.join(chosen)} FROM {self.relation} AS e LEFT JOIN {labels} AS a ON e.pre = a.neuron "
            f"LEFT JOIN {labels} AS b ON e.post = b.neuron",
        )
        self.columns += added

    def add_links(self, name: str, link: str) -> None:
        """Add a column of links; `link` is that of `pre` and `post`, as query text.

        Raises
        ------
        UsageError
            Where there is a column of that name.
        """
        if name.lower() in [column.lower() for column in self.columns]:
            raise UsageError(f"{P.links} {name} would make a second column {name}")
        self.relation = self._engine.view("linked", f"SELECT *, {link} AS {quote(name)} FROM {self.relation}")
        self.columns.append(name)

    def _names(self) -> list[str]:
        return [name for name, _ in self._engine.columns(f"SELECT * FROM {self.relation}")]

    def _rows_of(self, found: str) -> int:
        """How many rows of the ledger some edges are."""
        amount = "sum(n)" if self._table.kind is Kind.SYNAPSES else "count(*)"
        return int(self._engine.execute(f"SELECT {amount} FROM {found}")[0][0] or 0)

    def _remove(self, step: str, found: str) -> int:
        number = self._rows_of(found)
        self._found.ledger.remove(step, number)
        self._found.ledger.kept -= number
        return number

    def _leave_out(self, number: int, what: str) -> None:
        """Count rows of neurons that lack a label, and say so."""
        ledger = self._found.ledger
        ledger.remove("unannotated", number)
        ledger.kept -= number
        if number:
            self.notes.append(f"{number:,} {ledger.unit} of neurons without {what} are left out")
