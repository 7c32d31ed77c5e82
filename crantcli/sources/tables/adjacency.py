"""Adjacencies read back as edges: wide tables, and the `.npz` files that we write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crantcli.core.relation import Relation
from crantcli.core.rows.where import condition_sql
from crantcli.core.sql import quote, text
from crantcli.engine.duckdb import Engine
from crantcli.errors import DataError
from crantcli.schema import KEY, TOTALS, IdType, Kind, fold
from crantcli.sources.tables.files import Source
from crantcli.sources.tables.inference import as_number, inspect_ids, not_number
from crantcli.sources.tables.kinds import Decision
from crantcli.sources.tables.metadata import FileMetadata, read_metadata
from crantcli.sources.tables.npz import read_matrix
from crantcli.sources.tables.part import Part, check_id_type
from crantcli.sources.tables.read_options import ReadOptions
from crantcli.text import P, did_you_mean, join_names

if TYPE_CHECKING:
    import numpy as np


def open_wide(engine: Engine, part: Part, decision: Decision, given: ReadOptions) -> Relation:
    """Open a wide table: one column of presynaptic IDs, then one column per postsynaptic neuron.

    Raises
    ------
    DataError
        Where a label stands twice, a cell is no number, or a row and a column hold sums of the others.
    """
    index = decision.roles["index"]
    targets = [name for name in part.columns if name != index and name not in decision.dropped]
    kind = part.columns[index]
    check_id_type(part, index)
    labels = engine.table("labels", f"SELECT unnest(CAST({_list(targets)} AS VARCHAR[])) AS label")
    cells = engine.view("cells", _cells(engine, part, index, targets))
    totals = _totals(engine, part, index, targets, cells, given)
    label_rows = f"(SELECT * FROM {labels} WHERE {_not_among('label', totals)})"
    rows = Part(
        f"(SELECT {quote(index)} FROM {part.relation} WHERE {_not_among(f'CAST({quote(index)} AS VARCHAR)', totals)})",
        {index: kind}, part.name, recorded=part.recorded, null_text=part.null_text,
    )  # fmt: skip
    in_text = inspect_ids(engine, rows, [index]) if kind.startswith("VARCHAR") else {}
    header = replace(rows, relation=label_rows, columns={"label": "VARCHAR"}, name=f"{part.name}, header")
    of_columns = inspect_ids(engine, header, ["label"])["label"]
    integer = of_columns.integer and (index not in in_text or in_text[index].integer)
    id_type: IdType = "BIGINT" if integer else "VARCHAR"
    pre = in_text[index].expression("source", id_type) if index in in_text else f"CAST(source AS {id_type})"
    post = of_columns.expression("label", id_type)
    counted = f"{_not_among('CAST(source AS VARCHAR)', totals)} AND {_not_among('label', totals)}"
    entries = engine.view(
        "weights", f"SELECT {pre} AS pre, {post} AS post, cell AS weight FROM {cells} WHERE {counted}"
    )
    axes = engine.view(
        "axes",
        f"SELECT 'pre' AS side, {pre} AS id, row_number() OVER () - 1 AS position FROM "
        f"(SELECT {quote(index)} AS source FROM {rows.relation}) "
        f"UNION ALL SELECT 'post', {post}, row_number() OVER () - 1 FROM {label_rows}",
    )
    _refuse_repeats(engine, part, axes)
    whole = engine.execute(f"SELECT coalesce(bool_and(weight = trunc(weight)), true) FROM {entries}")[0][0]
    kept = f"SELECT pre, post, CAST(weight AS {'BIGINT' if whole else 'DOUBLE'}) AS weight FROM {entries}"
    notes = [*part.notes, *decision.notes, *of_columns.notes]
    notes += [note for ids in in_text.values() for note in ids.notes]
    if totals:
        notes.append(
            f"{part.name}: {join_names(totals)} {'holds' if len(totals) == 1 else 'hold'} sums, and is left out"
        )
    view = engine.view("source", kept)
    table = _table(engine, view, id_type, bool(whole), axes, part.recorded[0], part.records, part.name, given)
    return replace(table, read_notes=(*notes, *table.read_notes), read_as=decision.sentence())


def _not_among(label: str, totals: list[str]) -> str:
    return f"coalesce({label} NOT IN {_texts(totals)}, true)" if totals else "true"


def _texts(values: list[str]) -> str:
    return "(" + ", ".join(map(text, values)) + ")"


def _refuse_repeats(engine: Engine, part: Part, axes: str) -> None:
    repeat = engine.execute(
        f"SELECT side, id FROM {axes} WHERE id IS NOT NULL GROUP BY side, id HAVING count(*) > 1 ORDER BY 1, 2 LIMIT 1"
    )
    if repeat:
        side, name = repeat[0]
        place = "rows" if side == "pre" else "columns"
        raise DataError(f"{part.name}: two {place} are called {name}; an adjacency has one of each neuron")


def _totals(engine: Engine, part: Part, index: str, targets: list[str], cells: str, given: ReadOptions) -> list[str]:
    """Labels of a row and a column whose cells are the sums of the others; refused unless they are to be left out."""
    candidates = {name for name in targets if fold(name) in map(fold, TOTALS)}
    listed_totals = _texts(
        [*dict.fromkeys((*TOTALS, *(name.title() for name in TOTALS), *(n.upper() for n in TOTALS)))]
    )
    rows = engine.execute(
        f"SELECT DISTINCT CAST({quote(index)} AS VARCHAR) FROM {part.relation} "
        f"WHERE trim(CAST({quote(index)} AS VARCHAR)) IN {listed_totals}"
    )
    candidates |= {str(row[0]) for row in rows}
    found = [name for name in sorted(candidates) if _holds_sums(engine, cells, name, sorted(candidates))]
    if found and not given.drop_totals:
        raise DataError(
            f"{part.name}: {join_names(found)} {'is' if len(found) == 1 else 'are'} no neuron: its cells are the sums "
            f"of the others, and everything would count twice; leave them out with {P.drop_totals(True)}"
        )
    return found


def _holds_sums(engine: Engine, cells: str, name: str, candidates: list[str]) -> bool:
    """Whether the cells in the row, or the column, of a label are the sums of the others."""
    for own, other in (("source", "label"), ("label", "source")):
        own_text, others = f"CAST({own} AS VARCHAR)", _texts(candidates)
        differing, there = engine.execute(
            f"SELECT count(*) FILTER (abs(coalesce(mine, 0) - coalesce(sums, 0)) > 1e-6 * greatest(1, abs(mine))), "
            f"count(mine) FROM (SELECT {other}, sum(cell) FILTER ({own_text} = {text(name)}) AS mine, "
            f"sum(cell) FILTER ({own_text} NOT IN {others}) AS sums FROM {cells} "
            f"WHERE CAST({other} AS VARCHAR) NOT IN {others} GROUP BY {other})"
        )[0]
        if there and not differing:
            return True
    return False


def _cells(engine: Engine, part: Part, index: str, targets: list[str]) -> str:
    """A table `source, label, cell` of the cells that are neither empty nor 0.

    The cells are first put below each other as they are, and then looked at as one column: a test for each of
    thousands of columns takes the engine minutes.
    """
    kinds = {part.columns[name] for name in targets}
    in_text = any(kind.startswith("VARCHAR") for kind in kinds)
    common = "VARCHAR" if in_text else "BIGINT" if kinds <= {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"} else "DOUBLE"
    picked = ", ".join(
        quote(name) if len(kinds) == 1 else f"CAST({quote(name)} AS {common}) AS {quote(name)}" for name in targets
    )
    on = ", ".join(quote(name) for name in targets)
    # "our source" cannot clash with a neuron's name that anybody would use.
    below = (
        f'(UNPIVOT (SELECT {quote(index)} AS "our source", {picked} FROM {part.relation}) ON {on} '
        "INTO NAME label VALUE cell)"
    )
    if not targets:  # an empty result
        below = f"(SELECT {quote(index)} AS \"our source\", '' AS label, 0.0 AS cell FROM {part.relation} LIMIT 0)"
    zero = "cell <> '0'" if in_text else "cell <> 0"
    found = engine.table("cells", f'SELECT "our source" AS source, label, cell FROM {below} WHERE {zero}')
    if in_text:
        wrong = engine.execute(f"SELECT source, label, cell FROM {found} WHERE {not_number('cell')} LIMIT 1")
        if wrong:
            source, label, value = wrong[0]
            raise DataError(
                f"{part.name}, column {label}, row of {source}: {value!r} is not a number, "
                "and an adjacency holds numbers"
            )
    number = as_number("cell", "DOUBLE") if in_text else f"CAST(cell AS {common})"
    return (
        f"SELECT * FROM (SELECT source, label, {number} AS cell FROM {found}) "
        "WHERE cell IS NOT NULL AND cell <> 0 AND NOT isnan(cell)"
    )


def numbered_note(engine: Engine, ids: str) -> list[str]:
    """What to say where neurons are numbered from 0, since 0 is background to the commands that clean."""
    least, most, number = engine.execute(f"SELECT min(id), max(id), count(DISTINCT id) FROM ({ids})")[0]
    if least != 0 or number < 2 or most != number - 1:
        return []
    return [
        f"neurons are numbered from 0 to {most:,} without a gap; 0 counts as background and is left out, unless "
        f"{P.clean(False)} keeps it"
    ]


def _list(values: list[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"


def _table(
    engine: Engine,
    relation: str,
    id_type: IdType,
    whole: bool,
    axes: str,
    recorded: FileMetadata,
    records: list[dict[str, Any]],
    name: str,
    given: ReadOptions,
) -> Relation:
    infinite, negative = engine.execute(
        f"SELECT count(*) FILTER (NOT isfinite(CAST(weight AS DOUBLE))), count(*) FILTER (weight < 0) FROM {relation}"
    )[0]
    if infinite:
        raise DataError(f"{name}: a cell holds no finite number, and weights are added up; mend the matrix")
    signed = given.signed or recorded.signed
    if negative and not signed:
        raise DataError(
            f"{name}: {negative:,} weights are negative, which changes sums and orders; "
            f"say {P.signed(True)} if that is meant"
        )
    notes = [] if whole else [f"{name}: weights are fractions, and no numbers of synapses"]
    if id_type == "BIGINT" and recorded.command is None:
        notes += numbered_note(engine, f"SELECT id FROM {axes}")
    everything = relation
    rows = int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])
    filters, filtered = dict(recorded.filters), 0
    if given.where:
        relation = engine.view(
            "source", f"SELECT * FROM {everything} WHERE {_condition(engine, everything, name, given)}"
        )
        kept = int(engine.execute(f"SELECT count(*) FROM {relation}")[0][0])
        filtered, rows = rows - kept, kept
        filters["where"] = [*filters.get("where", ()), *map(str, given.where)]
    return Relation(
        kind=Kind.ADJACENCY,
        relation=relation,
        id_type=id_type,
        rows=rows,
        null_rows=None,
        roles=frozenset(("pre", "post", "weight")),
        whole_weights=whole,
        completeness=recorded.completeness,
        totals=recorded.totals,
        filters=filters,
        inputs=tuple(records),
        silent=axes,
        read_notes=tuple(notes),
        filtered=filtered,
        signed=signed,
        quantity=recorded.quantity,
    )


def _condition(engine: Engine, relation: str, name: str, given: ReadOptions) -> str:
    """The conditions on the cells of a matrix, whose columns are pre, post and weight."""
    types = dict(engine.columns(f"SELECT pre, post, weight FROM {relation}"))
    made = []
    for condition in given.where:
        if condition.column not in types:
            raise DataError(f"{P.where} {condition}: there is no such column ({did_you_mean(condition.column, types)})")
        kind = types[condition.column]
        made.append(condition_sql(condition, condition.column, kind, False, f"{name}, column {condition.column}"))
    return " AND ".join(made)


def open_npz(engine: Engine, source: Source, given: ReadOptions) -> Relation:
    """Open an adjacency in the form that `output.matrices` writes.

    Raises
    ------
    DataError
        Where the file is damaged, or has no neuron IDs.
    """
    import numpy as np

    arrays = read_matrix(source.path, source.name)
    pre, post = arrays["pre"], arrays["post"]
    integer = all(np.issubdtype(ids.dtype, np.integer) for ids in (pre, post))
    if not integer:
        pre, post = pre.astype(str), post.astype(str)
    id_type: IdType = "BIGINT" if integer else "VARCHAR"
    rows = np.repeat(np.arange(len(pre)), np.diff(arrays["indptr"]))
    weights = arrays["data"]
    whole = bool(np.issubdtype(weights.dtype, np.integer) or np.all(weights == np.trunc(weights)))
    entries = _load(engine, {"i": rows, "j": arrays["indices"].astype(np.int64), "weight": weights})
    axes = [engine.id_table(side, ids.tolist(), id_type) for side, ids in (("rows", pre), ("columns", post))]
    relation = engine.view(
        "source",
        f"SELECT r.id AS pre, c.id AS post, CAST(e.weight AS {'BIGINT' if whole else 'DOUBLE'}) AS weight "
        f"FROM {entries} AS e JOIN {axes[0]} AS r ON e.i = r.position JOIN {axes[1]} AS c ON e.j = c.position "
        "WHERE e.weight <> 0",
    )
    silent = engine.view(
        "axes",
        f"SELECT 'pre' AS side, id, position FROM {axes[0]} UNION ALL SELECT 'post', id, position FROM {axes[1]}",
    )
    metadata = {KEY: str(arrays[KEY].item())} if KEY in arrays else {}
    recorded, records = read_metadata(metadata), [source.record()]
    table = _table(engine, relation, id_type, whole, silent, recorded, records, source.name, given)
    return replace(table, read_as="read as adjacency: rows and columns named in the file")


def _load(engine: Engine, arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    """Keep arrays as a table of the engine."""
    name = engine.register("arrays", arrays)
    return engine.table("entries", f"SELECT * FROM {name}")
