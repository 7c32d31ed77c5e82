"""A page that shows a matrix of neurons in a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from crantcli.core.compare.written import ComparisonForm
from crantcli.core.engine import SqlEngine
from crantcli.core.ledger import Ledger
from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.matrix.order import TypeOrder
from crantcli.core.neuroglancer import NAMES
from crantcli.core.question import Page
from crantcli.core.questions.base import Describe, Given, Inputs, Needs, Question, Results, Scope
from crantcli.core.relation import Annotations, Relation
from crantcli.core.rows.filters import RowFilter
from crantcli.core.rows.labels import typed, types_view
from crantcli.core.rows.pairs import edges
from crantcli.core.sql import quote
from crantcli.errors import ArgumentTypeError, DataError, UsageError
from crantcli.schema import Kind
from crantcli.text import P, plural

if TYPE_CHECKING:
    import numpy as np

    from crantcli.core.matrix.blocks import Axis

    Array = np.ndarray[Any, Any]

#: Bytes that a page may have, where nothing else is said.
MOST = "25MB"

#: Integers beyond are no numbers that a page could show to the last digit.
_EXACT = 2**53

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([km]?)b?\s*", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6}


@dataclass(frozen=True)
class View(Question):
    """A page that shows who is connected with whom: rows are presynaptic, columns postsynaptic.

    Attributes
    ----------
    title : str
        Heading of the page; the name of the table where it is empty.
    max_size : int or str
        Bytes that the page may have, such as 25_000_000 or "25MB". Of a table that needs more, the weakest pairs are
        left out, which the page says.
    sum_duplicates : bool
        Add up edge rows that repeat a pair.
    """

    title: str = ""
    max_size: int | str = MOST
    sum_duplicates: bool = False

    command: ClassVar[str] = "view"
    outputs: ClassVar[Mapping[str, type]] = {"": Page}

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_size", _parse_size(self.max_size))

    def needs(self) -> Needs:
        """The table, and types where there are annotations."""
        return Needs(
            {},
            labels=True,
            comparison=True,
            neuropils=True,
            viewer="offered",
            without_totals=f"{P.totals} are of no use: fractions on a page are of what it shows",
        )

    def check_annotations(self, annotations: Annotations | None) -> None:
        """They are there for their types."""
        if annotations is not None:
            typed(annotations, "a page")

    def scope(self, engine: SqlEngine, given: Given) -> Scope:
        """Whatever is in the table."""
        raise UsageError(
            "a page shows a whole table, and a data set on a server is not fetched as a whole; give a file, such as "
            "one that crantcli adjacency or connectivity has written"
        )

    def run(self, engine: SqlEngine, given: Inputs, wanted: frozenset[str], describe: Describe) -> Results:
        """Sort neurons into types, and make the matrix, or those of all neuropils."""
        folder = given.neuropils
        if folder is None:
            made = self._page(engine, given, given.source)
            title, quantity = ", ".join(dict.fromkeys(str(record["name"]) for record in given.source.inputs)), ""
            pages = [made.page]
        else:
            parts = {name: self._page(engine, given, table) for name, table in folder.tables.items()}
            made = _joined(list(parts.values()))
            title, quantity = folder.name, folder.quantity
            pages = [one.page for one in parts.values()]
        pages = [_titled(page, self.title or title, quantity) for page in pages]
        page = pages[0]
        if folder is not None:
            page = page._replace(parts=dict(zip(folder.tables, pages, strict=True)))
        shape, entries = page.blocks.matrix.shape, sum(len(one.blocks.matrix.weights) for one in pages)
        groups = page.compared is not None and page.compared.groups
        what = f"entries in {shape[0]:,} x {shape[1]:,} {'groups' if groups else 'neurons'}"
        details: dict[str, Any] = {"shape": list(shape), "entries": entries}
        if folder is not None:
            what = f"entries in the matrices of {plural(len(pages), 'neuropil')}"
            details = {
                "neuropils": {
                    name: {"shape": list(one.blocks.matrix.shape), "entries": len(one.blocks.matrix.weights)}
                    for name, one in page.parts.items()
                },
                "entries": entries,
            }
        return Results(
            {"": page},
            "page",
            shape[0],
            made.ledger,
            given.source.completeness.narrowed(None, None, made.rules.filtered_by(given.source)),
            entries,
            what,
            options={"sum_duplicates": self.sum_duplicates or None, "max_size": self.max_size},
            notes=list(dict.fromkeys(made.notes)),
            rules=made.rules,
            details=details,
            subject=page,
        )

    def _page(self, engine: SqlEngine, given: Inputs, table: Relation) -> _Made:
        """The page of one table."""
        from crantcli.core.matrix.blocks import BlockMatrix

        rules = given.rows
        if table.compared is not None:
            rules = self._rules_of_differences(table.compared, rules)
        found = edges(engine, table, None, rules, sum_duplicates=self.sum_duplicates, weak=False)
        found.ledger.check()
        shown = f"SELECT pre, post, weight FROM {found.relation}"
        if table.compared is not None:
            # Pairs that do not differ are shown, too: another figure of them may differ.
            shown = f"SELECT pre, post, n AS weight FROM {found.pairs} WHERE NOT dropped"
            found.ledger.kept += found.ledger.removed.pop("threshold", 0)
        kept = engine.table("kept_edges", shown)
        sides = _axes(engine, table, kept, rules)
        of_table = replace(given, source=table)
        placed = {side: _placed(engine, of_table, axis) for side, axis in sides.items()}
        rows, columns = placed["pre"], placed["post"]
        matrix, beside = _matrix(engine, table, kept, sides, rows, columns)
        quantity = table.quantity or ("weight" if table.kind is not Kind.SYNAPSES else "synapses")
        orders = {"id": (rows.by_id, columns.by_id)}
        if table.silent is not None and table.rows:
            orders["file"] = (rows.by_file, columns.by_file)
        page = Page(
            BlockMatrix(matrix, rows.axis, columns.axis, "difference" if table.compared is not None else quantity),
            sides["pre"] == sides["post"],
            orders,
            "",
            int(self.max_size),
            found.ledger.sentence(),
            table.compared,
            beside,
        )
        notes = found.notes
        if given.viewer is not None and table.id_type == "BIGINT" and not (table.compared and table.compared.groups):
            page = page._replace(viewer=given.viewer)
        elif given.viewer is not None:
            notes = (*notes, f"{NAMES}, so that the page has no links to the viewer")
        return _Made(page, found.ledger, rules, notes)

    def _rules_of_differences(self, form: ComparisonForm, rules: RowFilter) -> RowFilter:
        """Which rows of a comparison count: all, but for autapses and background where its ends are neurons.

        Raises
        ------
        UsageError
            For rules that are about weights.
        """
        for given, option in (
            (rules.threshold is not None, P.threshold),
            (self.sum_duplicates, P.sum_duplicates(True)),
        ):
            if given:
                raise UsageError(f"{option} goes with weights, and a comparison has differences; say it to compare")
        return replace(rules, clean=False) if form.groups else rules


class _Made(NamedTuple):
    """A page, and what became of the rows of its table."""

    page: Page
    ledger: Ledger
    rules: RowFilter
    notes: tuple[str, ...]


def _joined(parts: Sequence[_Made]) -> _Made:
    """The first of some pages, with what became of the rows of all."""
    ledger, notes = parts[0].ledger, parts[0].notes
    for made in parts[1:]:
        ledger, notes = ledger + made.ledger, (*notes, *made.notes)
    return parts[0]._replace(ledger=ledger, notes=notes)


def _titled(page: Page, title: str, quantity: str) -> Page:
    """A page with a heading, and what its entries are where that is known."""
    return page._replace(title=title, blocks=replace(page.blocks, quantity=quantity or page.blocks.quantity))


@dataclass(frozen=True)
class _Placed:
    """Neurons of an axis, sorted into types, and where they stand in other orders.

    Attributes
    ----------
    axis : Axis
    places : ndarray of int64, shape (n,)
        Where the neuron of each position of the axis table stands.
    by_id, by_file : ndarray of int64, shape (n,)
        Places of the neurons in the order of their IDs, and in that of the file.
    """

    axis: Axis
    places: Array
    by_id: Array
    by_file: Array


def _parse_size(given: Any) -> int:
    if isinstance(given, str):
        match = _SIZE.fullmatch(given)
        if match is None:
            raise UsageError(f"{P.max_size} {given}: write it like 25MB or 400kB")
        given = int(float(match[1]) * _UNITS[match[2].lower()])
    if isinstance(given, bool) or not isinstance(given, int):
        raise ArgumentTypeError(f"max_size={given!r}: a number of bytes, or text such as '25MB'")
    if given <= 0:
        raise UsageError(f"{P.max_size} {given}: a page has at least one byte")
    return given


def _axes(engine: SqlEngine, table: Relation, kept: str, rows: RowFilter) -> dict[str, str]:
    """Tables `id, position`: of a matrix in the order of the file, of other tables everybody, by ID, on both axes."""
    if table.silent is None:
        both = engine.table(
            "both_axes",
            "SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM "
            f"(SELECT pre AS id FROM {kept} UNION SELECT post FROM {kept})",
        )
        return {"pre": both, "post": both}
    shown = f"id IS NOT NULL AND NOT {rows.is_background('id', table.id_type) if rows.clean else 'FALSE'}"
    made = {
        side: engine.table(
            f"{side}_axis",
            "SELECT id, row_number() OVER (ORDER BY position) - 1 AS position FROM "
            f"{table.silent} WHERE side = '{side}' AND {shown}",
        )
        for side in ("pre", "post")
    }
    differ = engine.execute(
        f"SELECT 1 FROM {made['pre']} AS a FULL JOIN {made['post']} AS b ON a.id = b.id AND a.position = b.position "
        "WHERE a.id IS NULL OR b.id IS NULL LIMIT 1"
    )
    return made if differ else {"pre": made["pre"], "post": made["pre"]}


def _placed(engine: SqlEngine, given: Inputs, axis: str) -> _Placed:
    """Sort the neurons of an axis into types.

    Types whose neurons stand together in the file keep their order there: a nested matrix is sorted already.
    """
    import numpy as np

    from crantcli.core.matrix.blocks import Axis

    ids = engine.arrays(f"SELECT id FROM {axis} ORDER BY position")["id"]
    codes, labels = _types(engine, given, axis, len(ids))
    by_position = np.arange(len(ids))
    changes = np.flatnonzero(np.diff(codes, prepend=-2)) if len(codes) else by_position[:0]
    runs = codes[changes]
    if given.source.silent is not None and len(runs) == len(np.unique(runs)):
        ranked = [int(code) for code in runs if code >= 0]
    else:
        sizes = dict(zip(labels, np.bincount(codes[codes >= 0], minlength=len(labels)).tolist(), strict=True))
        code_of = {label: code for code, label in enumerate(labels)}
        ranked = [code_of[label] for label in TypeOrder().sorted(sizes)]
    place = np.full(len(labels) + 1, len(labels))
    place[ranked] = np.arange(len(ranked))
    sorted_codes = place[codes]
    order = np.lexsort((by_position, sorted_codes))
    bounds = np.searchsorted(sorted_codes[order], np.arange(len(labels) + 1))
    places = np.empty_like(order)
    places[order] = by_position
    neurons = ids[order]
    made = Axis(neurons, tuple(labels[code] for code in ranked), bounds)
    return _Placed(made, places, np.argsort(neurons, kind="stable"), places)


def _types(engine: SqlEngine, given: Inputs, axis: str, number: int) -> tuple[Array, list[str]]:
    """The type of each position as its place among labels, -1 for none, and the labels."""
    import numpy as np

    types = given.source.types
    if given.annotations is not None:
        annotations, column = typed(given.annotations, "a page")
        types = types_view(engine, given.source, annotations, column)
    if types is None:
        return np.full(number, -1), []
    found = engine.table("axis_types", f"SELECT a.position, t.label FROM {axis} AS a JOIN {types} AS t ON a.id = t.id")
    labels = [str(row[0]) for row in engine.execute(f"SELECT DISTINCT label FROM {found} ORDER BY label")]
    listed = engine.id_table("labels", labels, "VARCHAR")
    pairs = engine.arrays(
        f"SELECT f.position AS position, l.position AS code FROM {found} AS f JOIN {listed} AS l ON f.label = l.id"
    )
    codes = np.full(number, -1)
    codes[pairs["position"].astype(np.int64)] = pairs["code"]
    return codes, labels


def _matrix(
    engine: SqlEngine, table: Relation, kept: str, sides: Mapping[str, str], rows: _Placed, columns: _Placed
) -> tuple[LabelledMatrix, dict[str, Array]]:
    """The edges as a matrix on these axes, and what else is known of each entry.

    Raises
    ------
    DataError
        Where a weight, or the sum of all, is no number that a page can show to the last digit.
    """
    import numpy as np

    weight = "BIGINT" if table.whole_weights else "DOUBLE"
    if table.whole_weights:
        total = int(engine.execute(f"SELECT coalesce(sum(abs(CAST(weight AS HUGEINT))), 0) FROM {kept}")[0][0])
        if total > _EXACT:
            raise DataError(f"the weights add up to {total:,}, and a page shows numbers up to {_EXACT:,} exactly")
    names = () if table.compared is None else table.compared.columns
    more = "".join(f", coalesce(CAST(s.{quote(name)} AS DOUBLE), 'NaN') AS {quote(name)}" for name in names)
    entries = engine.arrays(
        f"SELECT CAST(r.position AS INTEGER) AS i, CAST(c.position AS INTEGER) AS j, "
        f"CAST(e.weight AS {weight}) AS weight{more} FROM {kept} AS e "
        f"JOIN {sides['pre']} AS r ON e.pre = r.id JOIN {sides['post']} AS c ON e.post = c.id"
        + (f" JOIN {table.relation} AS s ON e.pre = s.pre AND e.post = s.post" if names else "")
    )
    places = rows.places[entries["i"].astype(np.int64)], columns.places[entries["j"].astype(np.int64)]
    weights = entries["weight"]
    # A comparison has a row for each pair, and what is beside it goes where its pair goes.
    made = LabelledMatrix.from_entries(
        rows.axis.neurons, columns.axis.neurons, *places, np.arange(1, len(weights) + 1) if names else weights
    )
    if not names:
        return made, {}
    order = made.weights - 1
    return replace(made, weights=weights[order]), {name: _whole(name, entries[name][order]) for name in names}


def _whole(name: str, values: Array) -> Array:
    """Numbers as integers, where all are.

    Raises
    ------
    DataError
        Where these have more digits than a page can show.
    """
    import numpy as np

    if not (np.isfinite(values) & (values == np.trunc(values))).all():
        return values
    if len(values) and np.abs(values).max() > _EXACT:
        raise DataError(f"column {name} has values beyond {_EXACT:,}, up to which a page shows numbers exactly")
    return values.astype(np.int64)
